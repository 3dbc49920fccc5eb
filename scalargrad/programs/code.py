"""`Code`: a computation as data, a list of equations between inputs, constants and outputs.

`lower` makes it of a graph, `evaluate` says what it must give. Compiled programs, pictures and
text are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Rational
from operator import attrgetter
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES, Shown, explained
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.primitive import op_of
from scalargrad.engine.real import is_real
from scalargrad.functions import choices

_WHERE = op_of(choices.where)


class Literal(NamedTuple):
    """A constant operand."""

    value: Any


# The number of a variable, or a constant.
Operand = int | Literal


class Equation(NamedTuple):
    """An op and what it is applied to."""

    op: Op
    operands: tuple[Operand, ...]


# Equation(op, operands) of a pair, in half of the time that the class takes.
equation: Callable[[tuple[Op, tuple[Operand, ...]]], Equation] = partial(tuple.__new__, Equation)


class Branch(NamedTuple):
    """A row of a tree: the place of its condition among the outputs, and the rows on both sides.

    A side that has not been traced is -1.
    """

    place: int
    yes: int = -1
    no: int = -1


class Leaf(NamedTuple):
    """A row of a tree where a path ends: it gives the outputs from `start` to `stop`, so nested."""

    start: int
    stop: int
    result: Any


class Untraced(Exception):
    """Raised where a program comes to a side of a branch that has not been traced."""


@dataclass
class Code:
    """A straight-line program: `inputs` variables, and one more for each equation, in order.

    The inputs are the variables 0, 1, ..., and the result of equation k is variable `inputs + k`:
    an equation only uses variables of smaller number. `outputs` are variables and constants.
    `labels` has names for people to read, by variable. An op of several outputs gives one result,
    from which further equations pick.

    Where the traced function branches there is a `tree`, whose root is its first row: its
    conditions are among the outputs, and each of its leaves has outputs of its own.

    >>> from scalargrad import sin
    >>> code = Code(2, [Equation(sin.op, (0,)), Equation(sin.op, (2,))], [3, Literal(1.0)])
    >>> evaluate(code, [0.0, 5.0])
    [0.0, 1.0]
    """

    inputs: int
    equations: list[Equation]
    outputs: list[Operand]
    labels: dict[int, str] = field(default_factory=dict)
    tree: list[Branch | Leaf] | None = field(default=None, repr=False)

    def __reduce__(self) -> Any:
        # In plain tuples, which are pickled in a tenth of the time.
        numbers = {op: k for k, op in enumerate({op: None for op, _ in self.equations})}
        rows = [(numbers[op], _plain(operands)) for op, operands in self.equations]
        outputs = _plain(self.outputs)
        return _of_plain, (self.inputs, list(numbers), rows, outputs, self.labels, self.tree)


def _plain(operands: Sequence[Operand]) -> tuple[Any, ...]:
    return tuple([x if type(x) is int else (x.value,) for x in operands])  # type: ignore[union-attr]


def _of_plain(
    inputs: int,
    ops: list[Op],
    rows: list[Any],
    outputs: tuple[Any, ...],
    labels: dict[int, str],
    tree: list[Branch | Leaf] | None,
) -> Code:
    def operands(row: tuple[Any, ...]) -> tuple[Operand, ...]:
        return tuple([x if type(x) is int else Literal(x[0]) for x in row])

    equations = [Equation(ops[k], operands(row)) for k, row in rows]
    return Code(inputs, equations, list(operands(outputs)), labels, tree)


class Call(Op):
    """The op that runs another Code: it gives the tuple of its outputs, or the only one.

    `kinds` are those of its inputs, and `kind` is its result's, where they are known.

    >>> from scalargrad import sin
    >>> twice = Code(1, [Equation(sin.op, (0,)), Equation(sin.op, (1,))], [1, 2])
    >>> Call("twice", twice).forward(0.0)
    (0.0, 0.0)
    """

    __slots__ = ("code", "kind", "kinds")

    def __init__(
        self, name: str, code: Code, kinds: tuple[Any, ...] | None = None, kind: Any = None
    ) -> None:
        super().__init__(name, self.run, joint=not_local)
        self.code, self.kinds, self.kind = code, kinds, kind
        self.shares = all(op.shares for op, _ in code.equations)

    def __reduce__(self) -> Any:
        return Call, (self.name, self.code, self.kinds, self.kind)

    def run(self, *inputs: Any) -> Any:
        """Return what the Code gives."""
        outputs = evaluate(self.code, inputs)
        return tuple(outputs) if len(outputs) != 1 else outputs[0]


def not_local(g: Any, y: Any, *inputs: Any) -> list[Any]:
    """Stand for the rule of a call, which has none of its own."""
    raise AssertionError("a call has no rule of its own")


class Builder:
    """Writes a Code: it alone numbers the variables."""

    def __init__(self, inputs: int) -> None:
        self.code = Code(inputs, [], [])
        self._equations, self._before = self.code.equations, inputs - 1
        self._first: dict[Any, int] = {}

    def write(self, op: Op, operands: tuple[Operand, ...]) -> int:
        """Add an equation; return its variable."""
        equations = self._equations
        equations.append(equation((op, operands)))
        return self._before + len(equations)

    def add(self, op: Op, operands: tuple[Operand, ...]) -> Operand:
        """Return the variable of `op` of `operands`: the one that is there, or a new one."""
        key: Any = (op, operands)
        if Literal in map(type, operands):
            # By kind and digits: Literal(0) equals Literal(-0.0) and Literal(False).
            key = (op, *[x if type(x) is int else constant_key(x.value) for x in operands])  # type: ignore[union-attr]
        place = self._first.get(key)
        if place is None or not op.shares:
            place = self._first[key] = self.write(op, operands)
        return place


def rebuild(
    code: Code,
    builder: Builder,
    rule: Callable[..., Any],
    inputs: Sequence[Any] | None = None,
    alive: Sequence[bool] | None = None,
) -> Code:
    """Return what `builder` has written: `code` with each equation by `rule(op, operands)`.

    The rule returns the operand that stands for the equation from then on: a variable of the
    builder, or a constant. `inputs` are what the inputs become, if the builder has others; and
    `alive` says which variables are needed, if not all.

    >>> from scalargrad import sin
    >>> twice = Code(1, [Equation(sin.op, (0,))] * 2, [1, 2])
    >>> builder = Builder(1)
    >>> rebuild(twice, builder, builder.add)
    Code(inputs=1, equations=[Equation(op=<op sin>, operands=(0,))], outputs=[1, 1], labels={})
    """
    known: list[Any] = list(range(code.inputs) if inputs is None else inputs)
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        if alive is not None and not alive[k]:
            known.append(None)
            continue
        known.append(rule(op, tuple([known[x] if type(x) is int else x for x in operands])))
    for k, label in code.labels.items():
        if type(x := known[k]) is int and (k < code.inputs or x >= builder.code.inputs):
            builder.code.labels.setdefault(x, label)
    builder.code.outputs = [known[x] if type(x) is int else x for x in code.outputs]
    builder.code.tree = code.tree
    return builder.code


def needed(code: Code) -> list[bool]:
    """Return for each variable whether an output depends on it."""
    found = [False] * (code.inputs + len(code.equations))
    for x in code.outputs:
        if type(x) is int:
            found[x] = True
    for k in range(len(found) - 1, code.inputs - 1, -1):
        if found[k]:
            for x in code.equations[k - code.inputs].operands:
                if type(x) is int:
                    found[x] = True
    return found


def without_dead(code: Code) -> Code:
    """Return `code` without the equations that no output depends on."""
    alive = needed(code)
    if all(alive[code.inputs :]):
        return code
    builder = Builder(code.inputs)
    return rebuild(code, builder, builder.write, alive=alive)


def check(code: Code) -> None:
    """Raise AssertionError unless `code` is one, with all that it calls: for tests.

    Each equation has as many operands as its op has rules, and uses constants, inputs and results
    of equations before it; what is picked of a call is one of its outputs; labels are of variables.
    """
    calls: dict[int, Call] = {}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        for x in operands:
            assert type(x) is Literal or (type(x) is int and 0 <= x < k), (k, op, operands)
        assert not op.rules or len(op.rules) == len(operands), (k, op, operands)
        if isinstance(op, Call):
            assert len(operands) == op.code.inputs, (k, op, operands)
            assert len(op.code.outputs) > 0, (k, op)
            calls[k] = op
        elif type(op) is Pick and (call := calls.get(operands[0])) is not None:  # type: ignore[arg-type]
            outputs = len(call.code.outputs)  # the only one is what the call gives
            assert outputs == 1 or op.place < outputs, (k, op, operands)
    count = code.inputs + len(code.equations)
    for x in code.outputs:
        assert type(x) is Literal or (type(x) is int and 0 <= x < count), code.outputs
    assert all(0 <= k < count for k in code.labels), code.labels
    for op in dict.fromkeys(calls.values()):
        check(op.code)


def constant_key(x: Any) -> Any:
    """Return what tells the constant `x` from all that are not the same in kind, sign and digits.

    >>> constant_key(0.0) == constant_key(-0.0), constant_key(1) == constant_key(True)
    (False, False)
    """
    if isinstance(x, Rational):
        return type(x), x
    return (type(x), repr(x)) if is_real(x) else id(x)


def lower(
    nodes: Sequence[Any], outputs: Iterable[Any], inputs: Sequence[Any] = ()
) -> tuple[Code, list[Any]]:
    """Return the Code of a graph, and the leaves that are its inputs, `inputs` the first of them.

    `nodes` are the results to compute, each after its operands; what else they use are leaves.
    `outputs` are nodes and plain numbers.

    >>> from scalargrad import Value
    >>> x = Value(3.0, label="x")
    >>> y = x * 2
    >>> code, leaves = lower([y], [y])
    >>> code.equations, code.outputs, code.labels, leaves[0] is x
    ([Equation(op=<op *>, operands=(0, Literal(value=2)))], [1], {0: 'x'}, True)
    """
    leaves = list(inputs)
    ends = list(outputs)
    found = [operands_of(node) for node in nodes]
    known = {*nodes, *leaves}
    for operands in (*found, ends):
        for x in operands:
            if isinstance(x, Node) and x not in known:
                known.add(x)
                leaves.append(x)
    builder = Builder(len(leaves))
    variables = {x: k for k, x in enumerate(leaves)}
    for node, operands in zip(nodes, found, strict=True):
        variables[node] = builder.write(node._op, in_variables(operands, variables))
    builder.code.labels.update({k: x.label for x, k in variables.items() if x.label})
    builder.code.outputs = list(in_variables(ends, variables))
    return builder.code, leaves


def in_variables(xs: Iterable[Any], variables: dict[Any, int]) -> tuple[Operand, ...]:
    """Return the operands that nodes and plain numbers are."""
    return tuple([variables[x] if isinstance(x, Node) else Literal(x) for x in xs])


class Failed(NamedTuple):
    """Stands for the number of a variable that cannot be computed: which one, and the error."""

    variable: int
    error: Exception


_variable = attrgetter("variable")


def run(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return the numbers of all variables, given those of the inputs. Raises what the ops raise."""
    return succeeded(attempted(code, numbers))


def attempted(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return the numbers of all variables, given those of the inputs: Failed, where an op fails.

    What is computed of what failed has failed, too; but a choice is what it chooses.
    """
    known = list(numbers)
    for op, operands in code.equations:
        known.append(_result(code, op, operands, known, len(known)))
    return known


def _result(code: Code, op: Op, operands: tuple[Operand, ...], known: Any, k: int) -> Any:
    inputs = [known[x] if type(x) is int else x.value for x in operands]  # type: ignore[union-attr]
    failed = [x for x in inputs if type(x) is Failed]
    if failed:
        if op is _WHERE and type(inputs[0]) is not Failed:
            return inputs[1] if inputs[0] else inputs[2]
        return min(failed, key=_variable)
    try:
        return op.forward(*inputs)
    except FAILURES as error:
        if isinstance(op, Call):  # its errors name the op within
            return Failed(k, error)
        labels = [code.labels.get(x, "") if type(x) is int else "" for x in operands]
        named = tuple(map(Shown, inputs, labels))
        return Failed(k, explained(error, op, named))


def succeeded(xs: Sequence[Any]) -> list[Any]:
    """Return these numbers. Raises the first error of those that failed."""
    failed = [x for x in xs if type(x) is Failed]
    if failed:
        raise min(failed, key=_variable).error from None
    return list(xs)


def evaluate(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return what `code` must give for these numbers: the reference for whatever else runs it.

    Raises the errors of the ops, naming the op, its inputs and their labels; Untraced at a side of
    a branch that has not been traced.
    """
    if code.tree is None:
        known = attempted(code, numbers)
        return succeeded([known[x] if type(x) is int else x.value for x in code.outputs])  # type: ignore[union-attr]
    return _at_leaf(code, dict(enumerate(numbers)))


def _at_leaf(code: Code, known: dict[int, Any]) -> list[Any]:
    """Return the outputs of the leaf to which the conditions lead; compute what they need."""
    assert code.tree is not None
    row = 0 if code.tree else -1
    while row >= 0:
        node = code.tree[row]
        if isinstance(node, Leaf):
            return _computed(code, code.outputs[node.start : node.stop], known)
        [truth] = _computed(code, [code.outputs[node.place]], known)
        row = node.yes if truth else node.no
    raise Untraced


def _computed(code: Code, ends: Sequence[Operand], known: dict[int, Any]) -> list[Any]:
    """Return the numbers of `ends`, which are computed with what they need, in order."""
    missing: set[int] = set()
    stack = list(ends)
    while stack:
        x = stack.pop()
        if type(x) is int and x not in known and x not in missing:
            missing.add(x)
            stack += code.equations[x - code.inputs].operands
    for k in sorted(missing):
        known[k] = _result(code, *code.equations[k - code.inputs], known, k)
    return succeeded([known[x] if type(x) is int else x.value for x in ends])  # type: ignore[union-attr]
