"""`Code`: a computation as data, a list of equations between inputs, constants and outputs.

`lower` makes it of a graph, `evaluate` says what it must give. Compiled programs, pictures and
text are made from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES, Shown, explained
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.op import Op


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


@dataclass
class Code:
    """A straight-line program: `inputs` variables, and one more for each equation, in order.

    The inputs are the variables 0, 1, ..., and the result of equation k is variable `inputs + k`:
    an equation only uses variables of smaller number. `outputs` are variables and constants.
    `labels` has names for people to read, by variable. An op of several outputs gives one result,
    from which further equations pick.

    >>> from scalargrad import sin
    >>> code = Code(2, [Equation(sin.op, (0,)), Equation(sin.op, (2,))], [3, Literal(1.0)])
    >>> evaluate(code, [0.0, 5.0])
    [0.0, 1.0]
    """

    inputs: int
    equations: list[Equation]
    outputs: list[Operand]
    labels: dict[int, str] = field(default_factory=dict)

    def __reduce__(self) -> Any:
        # In plain tuples, which are pickled in a tenth of the time.
        numbers = {op: k for k, op in enumerate({op: None for op, _ in self.equations})}
        rows = [(numbers[op], _plain(operands)) for op, operands in self.equations]
        return _of_plain, (self.inputs, list(numbers), rows, _plain(self.outputs), self.labels)


def _plain(operands: Sequence[Operand]) -> tuple[Any, ...]:
    return tuple([x if type(x) is int else (x.value,) for x in operands])  # type: ignore[union-attr]


def _of_plain(
    inputs: int, ops: list[Op], rows: list[Any], outputs: tuple[Any, ...], labels: dict[int, str]
) -> Code:
    def operands(row: tuple[Any, ...]) -> tuple[Operand, ...]:
        return tuple([x if type(x) is int else Literal(x[0]) for x in row])

    equations = [Equation(ops[k], operands(row)) for k, row in rows]
    return Code(inputs, equations, list(operands(outputs)), labels)


class Call(Op):
    """The op that runs another Code: of its inputs, it gives the tuple of its outputs.

    >>> from scalargrad import sin
    >>> twice = Code(1, [Equation(sin.op, (0,)), Equation(sin.op, (1,))], [1, 2])
    >>> Call("twice", twice).forward(0.0)
    (0.0, 0.0)
    """

    __slots__ = ("code",)

    def __init__(self, name: str, code: Code) -> None:
        super().__init__(name, self.run, joint=_not_local)
        self.code = code
        self.shares = all(op.shares for op, _ in code.equations)

    def run(self, *inputs: Any) -> Any:
        """Return what the Code gives."""
        return tuple(evaluate(self.code, inputs))


def _not_local(g: Any, y: Any, *inputs: Any) -> list[Any]:
    raise AssertionError("a call has no rule of its own")


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
    variables = {x: k for k, x in enumerate([*leaves, *nodes])}
    equations = []
    for node, operands in zip(nodes, found, strict=True):
        places = [variables[x] if isinstance(x, Node) else Literal(x) for x in operands]
        equations.append(equation((node._op, tuple(places))))
    labels = {k: x.label for x, k in variables.items() if x.label}
    results = [variables[x] if isinstance(x, Node) else Literal(x) for x in ends]
    return Code(len(leaves), equations, results, labels), leaves


def run(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return the numbers of all variables, given those of the inputs. Raises what the ops raise."""
    known = list(numbers)
    for op, operands in code.equations:
        inputs = [known[x] if type(x) is int else x.value for x in operands]  # type: ignore[union-attr]
        if isinstance(op, Call):  # its errors name the op within
            known.append(op.forward(*inputs))
            continue
        try:
            known.append(op.forward(*inputs))
        except FAILURES as error:
            labels = [code.labels.get(x, "") if type(x) is int else "" for x in operands]
            named = tuple(map(Shown, inputs, labels))
            raise explained(error, op, named) from None
    return known


def evaluate(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return what `code` must give for these numbers: the reference for whatever else runs it.

    Raises the errors of the ops, naming the op, its inputs and their labels.
    """
    known = run(code, numbers)
    return [known[x] if type(x) is int else x.value for x in code.outputs]  # type: ignore[union-attr]
