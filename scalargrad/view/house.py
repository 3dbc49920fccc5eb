"""What the view needs of the engine: the code of a graph, of a function and of a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scalargrad import ops
from scalargrad.errors import FAILURES, TraceError, explained
from scalargrad.ops import NaryOp, Op, Tracer
from scalargrad.symbols import Symbol, Trace, symbol
from scalargrad.value import Value, in_mode, is_real, order


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Equation:
    op: Op
    operands: tuple[Any, ...]


@dataclass
class Code:
    inputs: int
    equations: list[Equation]
    outputs: list[Any]
    labels: dict[int, str] = field(default_factory=dict)


class _Recorder(Tracer):
    __slots__ = ("code", "number")

    def __init__(self, code: Code, number: int) -> None:
        self.code, self.number = code, number

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        def operand(x: Any) -> Any:
            return x.number if isinstance(x, _Recorder) else Literal(x)

        def const(x: Any) -> Any:
            return x if not isinstance(x, _Recorder) else None

        a, b = (*inputs, None)[:2]
        if op is ops.mul:
            if const(a) == 1: return b
            if const(b) == 1: return a
        if op is ops.power and const(b) == 1: return a
        if op is ops.add and const(a) == 0: return b
        if op is ops.add and const(b) == 0: return a
        if op is ops.neg and self.number >= self.code.inputs:
            e = self.code.equations[self.number - self.code.inputs]
            if e.op is ops.neg:
                return _Recorder(self.code, e.operands[0])
        e = Equation(op, tuple(map(operand, inputs)))
        self.code.equations.append(e)
        return _Recorder(self.code, self.code.inputs + len(self.code.equations) - 1)


for _name, _method in vars(Tracer).items():
    if callable(_method) and _name not in ("__init__", "__new__", "record"):
        setattr(_Recorder, _name, _method)
for _name, _op in dict(__gt__=ops.greater, __lt__=ops.less, __ge__=ops.at_least, __le__=ops.at_most).items():
    setattr(_Recorder, _name, lambda self, other, _op=_op: self.record(_op, (self, other)))


def rule_code(op: Op, operands: Sequence[Any]) -> Code:
    """Return the code of the local derivatives of `op`, at g = 1.

    `operands` has a Literal where the operand is a constant and anything else where not. The
    code's inputs are the operands, constants too, and then the op's result; its outputs are the
    derivatives by each operand.
    """
    n = len(operands)
    code = Code(n + 1, [], [])
    inputs = [x.value if isinstance(x, Literal) else _Recorder(code, i) for i, x in enumerate(operands)]
    y = _Recorder(code, n)
    wanted = [not isinstance(x, Literal) for x in operands]
    partials = iter(op.vjp(1, y, inputs, wanted))
    for w in wanted:
        d = next(partials) if w else 0
        code.outputs.append(d.number if isinstance(d, _Recorder) else Literal(d))
    return dead_code(code)


def dead_code(code: Code) -> Code:
    used = [False] * (code.inputs + len(code.equations))
    for o in code.outputs:
        if isinstance(o, int): used[o] = True
    for k in reversed(range(len(code.equations))):
        if used[code.inputs + k]:
            for o in code.equations[k].operands:
                if isinstance(o, int): used[o] = True
    new = {i: i for i in range(code.inputs)}
    equations: list[Equation] = []
    for k, e in enumerate(code.equations):
        if used[code.inputs + k]:
            new[code.inputs + k] = code.inputs + len(equations)
            equations.append(Equation(e.op, tuple(new[o] if isinstance(o, int) else o for o in e.operands)))
    return Code(code.inputs, equations, [new[o] if isinstance(o, int) else o for o in code.outputs], {new[v]: s for v, s in code.labels.items() if v in new})


def local_derivatives(op, g, y, inputs, wanted):
    slopes = iter(op.vjp(g, y, inputs, wanted))
    return [next(slopes) if w else None for w in wanted]


def code_of(outputs: Sequence[Any], inputs: Sequence[Any] = ()) -> tuple[Code, list[Value]]:
    """Return the code of the graph of `outputs`, and its nodes: the leaves, which are the inputs, first."""
    nodes = order([y for y in outputs if isinstance(y, Value)], ())
    leaves: dict[Value, int] = {}
    for x in inputs:
        leaves.setdefault(x, len(leaves))
    for node in nodes:
        for x in node._inputs():
            if isinstance(x, Value) and x._op is None:
                leaves.setdefault(x, len(leaves))
    for y in outputs:
        if isinstance(y, Value) and y._op is None:
            leaves.setdefault(y, len(leaves))
    numbers = dict(leaves)
    for k, node in enumerate(nodes):
        numbers[node] = len(leaves) + k
    def operand(x: Any) -> Any:
        return numbers[x] if isinstance(x, Value) else Literal(x)
    equations = [Equation(node._op, tuple(map(operand, node._inputs()))) for node in nodes]
    labels = {number: node.label for node, number in numbers.items() if node.label}
    return Code(len(leaves), equations, [operand(y) for y in outputs], labels), [*leaves, *nodes]



def traced(f: Callable[..., Any], labels: Sequence[str], numbers: Sequence[Any], call: Callable[[list[Any]], Any]) -> tuple[Code, list[Value]]:
    """Return the code of what `call` gives for symbols, and its nodes; raise TraceError if it branches."""
    symbols = [symbol(label) for label in labels]
    with in_mode(Trace(dict(zip(symbols, numbers, strict=True)))):
        y = call(list(symbols))
    return code_of([y], symbols)


OPS = ops.OPS


def evaluate_all(code: Code, numbers: Sequence[Any]) -> list[Any]:
    """Return the numbers of all variables of `code`."""
    values = list(numbers)
    for e in code.equations:
        inputs = [values[o] if isinstance(o, int) else o.value for o in e.operands]
        try:
            values.append(e.op.forward(*inputs))
        except FAILURES as error:
            raise explained(error, e.op, tuple(inputs)) from None
    return values


def fixed_because(code: Code, values: Sequence[Any]) -> str:
    """Return why a page cannot compute `code` anew at other numbers: "" if it can."""
    import numbers
    for value in values:
        if not isinstance(value, (int, float)):
            return f"its numbers are not floats: one is {type(value).__name__}"
    for e in code.equations:
        if e.op is not OPS.get(e.op.name):
            return f"{e.op.name} is a function of Python's that no other language has"
        if e.op is ops.select and isinstance(e.operands[0], Literal):
            return "Python compared the numbers of a where, and kept only the answer; draw the function instead"
    return ""
