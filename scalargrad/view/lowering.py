"""Lowering: the code of a graph, of a rule, and of a function with its gradient, to be shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.custom.function import output_ops
from scalargrad.custom.run import Run
from scalargrad.engine.graph import operands_of, topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import pull_back
from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.programs.code import Code, Equation, Literal, Operand, lower, needed
from scalargrad.programs.passes.simplify import optimised
from scalargrad.programs.trace.symbols import Trace, symbol
from scalargrad.transforms.nesting import Structure, flatten, unflatten
from scalargrad.view.branches import Branches, branches_of
from scalargrad.view.languages.spelling import OPS


def rule_code(
    op: Op, operands: Sequence[Any], rules: Callable[..., Sequence[Any]] | None = None
) -> Code | None:
    """Return the code of the local derivatives of `op`, or None if they are not arithmetic.

    `operands` has a Literal where the operand is a constant and anything else where not. The
    code's inputs are the operands, constants too, and then the op's result; its outputs are the
    derivatives by each operand, 0 by a constant. `rules(y, *operands)` stands for the op's own.
    """
    try:
        trace, inputs, slopes = _traced_rule(op, operands, rules)
        code, _ = lower(trace.symbols, [0 if x is None else x for x in slopes], inputs)
    except (TypeError, AttributeError, KeyError):
        if OPS.get(op.name) is op:
            raise
        return None
    return optimised(code, "float")


def may_have_no_path(op: Op, operands: Sequence[Any]) -> bool:
    """Return whether a derivative of an op of ours may be 0 as it has not taken that operand."""
    trace, _, slopes = _traced_rule(op, operands)
    return any(x is not None and x in trace.perhaps_none for x in slopes)


def _traced_rule(
    op: Op, operands: Sequence[Any], rules: Callable[..., Sequence[Any]] | None = None
) -> tuple[Trace, list[Any], list[Any]]:
    """Return a trace of the local derivatives of `op`, its inputs, and what they are."""
    places = [symbol() for _ in operands]
    y = symbol()
    inputs = [
        x.value if isinstance(x, Literal) else p for x, p in zip(operands, places, strict=True)
    ]
    gs = [None if isinstance(x, Literal) else 1 for x in operands]
    trace = Trace({})
    with trace.running():
        slopes = op.derivatives(gs, y, inputs) if rules is None else rules(y, *inputs)
    found = [None if g is None else slope for g, slope in zip(gs, slopes, strict=True)]
    return trace, [*places, y], found


def code_of(y: Value, inputs: Sequence[Any] = ()) -> tuple[Code, list[Any]]:
    """Return the code of the graph of `y`, and its nodes: first the leaves, its inputs."""
    nodes = _ordered(y)
    code, leaves = lower(nodes, [y], inputs)
    return code, [*leaves, *nodes]


def _ordered(y: Value) -> list[Any]:
    """Return the results in the graph of `y`, in the order in which one would write them."""
    found: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(y, False)]
    while stack:
        node, done = stack.pop()
        if done:
            found.append(node)
        elif isinstance(node, Value) and node._op is not None and node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(x, False) for x in reversed(operands_of(node))]
    return found


def traced(
    labels: Sequence[str], numbers: Sequence[Any], call: Callable[[list[Any]], Any]
) -> tuple[Code, list[Any], Branches | None]:
    """Return the code of what `call` gives for symbols, its nodes, and where it branched.

    It is the path that these numbers take. Raises TraceError if it needs the numbers themselves.
    """
    symbols = [symbol(label) for label in labels]
    trace = Trace(dict(zip(symbols, numbers, strict=True)))
    trace.guards = {}
    with trace.running():
        y = call(list(symbols))
    code, leaves = lower(trace.symbols, [y, *trace.guards], symbols)
    branches = branches_of(code, [*trace.guards.values()])
    code.outputs = code.outputs[:1]
    used, nodes = _used(code), [*leaves, *trace.symbols]
    return reordered(code, used, code.inputs), [nodes[k] for k in used], branches


def reordered(code: Code, order: Sequence[int], inputs: int) -> Code:
    """Return the code whose variables are those of `code` in `order`, the first as its inputs."""
    place = {k: at for at, k in enumerate(order)}

    def moved(operands: Sequence[Operand]) -> tuple[Operand, ...]:
        return tuple([place[x] if isinstance(x, int) else x for x in operands])

    rows = [code.equations[k - code.inputs] for k in order[inputs:]]
    equations = [Equation(op, moved(operands)) for op, operands in rows]
    labels = {place[k]: label for k, label in code.labels.items() if k in place}
    return Code(inputs, equations, list(moved(code.outputs)), labels)


def _used(code: Code) -> list[int]:
    """Return the inputs of `code`, and the variables that its outputs need."""
    return [k for k, is_used in enumerate(needed(code)) if k < code.inputs or is_used]


def with_outputs(
    code: Code, nodes: list[Any], values: list[Any]
) -> tuple[Code, list[Any], list[Any]]:
    """Return the code, nodes and values with each output of a `Function` a step of its own.

    In the graph the outputs are picked from the call, whose value is no number but its run.
    """
    if not any(isinstance(value, Run) for value in values):
        return code, nodes, values
    equations = list(code.equations)
    for k, (op, operands) in enumerate(code.equations):
        if isinstance(op, Pick) and isinstance(operands[0], int):
            run = values[operands[0]]
            call = code.equations[operands[0] - code.inputs]
            equations[k] = Equation(output_ops(run)[op.place], call.operands)
    code = Code(code.inputs, equations, code.outputs, code.labels)
    used = _used(code)
    code = reordered(code, used, code.inputs)
    return code, [nodes[k] for k in used], [values[k] for k in used]


def why_fixed(code: Code, values: Sequence[Any]) -> str:
    """Return why a page cannot compute `code` anew at other numbers: "" if it can."""
    for value in values:
        if not isinstance(value, int | float):
            return f"they are not all floats, one is a {type(value).__name__}"
    for op, operands in code.equations:
        if OPS.get(op.name) is not op:
            return f"{op.name} is a function of Python's that the page does not have"
        if op.name == "where" and isinstance(operands[0], Literal):
            return (
                "a where was given the answer of a comparison, not the comparison: draw the "
                "function with its arguments instead"
            )
    return ""


def numbers_in(arguments: Sequence[Any]) -> tuple[list[Any], Structure]:
    """Return the numbers in the arguments of a function, and the nesting of these."""
    leaves, structure = flatten(list(arguments), static=(str, type(None)))
    return [x.data if isinstance(x, Value) else x for x in leaves], structure


def one_result(y: Any) -> Any:
    """Return the one Value that a function gave. Raises TypeError for anything else."""
    if isinstance(y, list | tuple) and len(y) == 1:
        y = y[0]
    if isinstance(y, Value):
        return y
    if is_real(y):
        raise TypeError(f"the result is the number {y!r}, and no number was computed with")
    raise TypeError(
        f"give a function of one result, not of {type(y).__name__}: "
        "choose one of them, as in lambda x: f(x)[0]"
    )


def code_of_function(
    f: Callable[..., Any], arguments: Sequence[Any], labels: Sequence[str]
) -> tuple[Code, list[Any], Branches | None]:
    """Return what `traced` does of a function of `arguments`, whose numbers have `labels`."""
    numbers, structure = numbers_in(arguments)
    return traced(labels, numbers, lambda xs: one_result(f(*unflatten(structure, xs))))


def slopes_of(y: Any, xs: Sequence[Any]) -> list[Any]:
    """Return the derivatives of a symbol by others, which are symbols or the number 0."""
    slopes: dict[Any, Any] = {y: 1}
    pull_back(topological_order([y]), slopes, as_graph=True)
    return [slopes.get(x, 0) for x in xs]


def code_with_gradient(
    f: Callable[..., Any], arguments: Sequence[Any], labels: Sequence[str]
) -> tuple[Code, list[Any]]:
    """Return the code of `f` and its derivatives by all its inputs, and the Values it captures.

    The inputs are the numbers in `arguments`, then the captured ones; the outputs the value and
    the derivatives by each input, in order.
    """
    numbers, structure = numbers_in(arguments)
    symbols = [symbol(label) for label in labels]
    trace = Trace(dict(zip(symbols, numbers, strict=True)))
    trace.guards = {}
    with trace.running():
        y = one_result(f(*unflatten(structure, list(symbols))))
        _, inputs = lower(trace.symbols, [y], symbols)
        code, inputs = lower(trace.symbols, [y, *slopes_of(y, inputs)], inputs)
    return optimised(code, "float"), inputs[len(symbols) :]
