"""How people write the derivative of an op: its rule without what only guards computation.

A rule chooses at points where it has no derivative, and avoids overflow. A person writes neither:
the derivative of `x**y` is `y * x**(y - 1)`, that of tanh `1 / cosh(x)**2`. So what is written may
have no value at a point where the rule has one: `explain` then writes the number itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.engine.graph import Node, operands_of, topological_order
from scalargrad.engine.op import Op
from scalargrad.functions import activations, arithmetic, elementary, special
from scalargrad.programs.code import Code, Equation, Literal, lower
from scalargrad.programs.passes.simplify import optimised
from scalargrad.programs.trace.symbols import Trace, symbol
from scalargrad.view.languages.notation import SHARE, STOPPED
from scalargrad.view.languages.spelling import OPS
from scalargrad.view.lowering import rule_code


def _shares(y: Any, *xs: Any) -> list[Any]:
    return [_record(SHARE, (k, *xs)) for k in range(len(xs))]


def _by_length(y: Any, *xs: Any) -> list[Any]:
    return [x / y for x in xs]


def _by_distance(y: Any, *xs: Any) -> list[Any]:
    n = len(xs) // 2
    by_p = [(p - q) / y for p, q in zip(xs[:n], xs[n:], strict=True)]
    return [*by_p, *(-x for x in by_p)]


def _gelu(y: Any, a: Any) -> list[Any]:
    density = elementary.exp(-a * a / 2) * (1 / math.sqrt(2 * math.pi))
    return [special.erfc(a * -math.sqrt(0.5)) / 2 + a * density]


# Rules of which a textbook has another form, from the result and the inputs.
_TEXTBOOK: dict[Op, Callable[..., list[Any]]] = {
    OPS["acos"]: lambda y, a: [-1 / arithmetic.sqrt((1 - a) * (1 + a))],
    OPS["asin"]: lambda y, a: [1 / arithmetic.sqrt((1 - a) * (1 + a))],
    OPS["atan"]: lambda y, a: [1 / (1 + a * a)],
    OPS["atan2"]: lambda y, a, b: [b / (a * a + b * b), -a / (a * a + b * b)],
    OPS["atanh"]: lambda y, a: [1 / ((1 - a) * (1 + a))],
    OPS["cbrt"]: lambda y, a: [1 / (3 * (y * y))],
    OPS["dist"]: _by_distance,
    OPS["gelu"]: _gelu,
    OPS["hypot"]: _by_length,
    OPS["logsumexp"]: _shares,
    OPS["sigmoid"]: lambda y, a: [y * activations.sigmoid(-a)],
    OPS["silu"]: lambda y, a: [activations.sigmoid(a) + y * activations.sigmoid(-a)],
    OPS["tanh"]: lambda y, a: [1 / elementary.cosh(a) ** 2],
    OPS["sinc"]: lambda y, a: [(elementary.cos(math.pi * a) - y) / a],
}


def _power_log(a: Any, b: Any, n: Any) -> Any:
    if not isinstance(a, Node) and a == 0 and n:
        return 0  # 0**b does not change with b
    power = a**b
    return power * elementary.log(a) ** n if n else power


# What stands for ops of our own that nobody calls by name.
_INSTEAD: dict[Op, Callable[..., Any]] = {
    OPS["over"]: arithmetic.div,
    OPS["steep"]: arithmetic.div,
    OPS["power_log"]: _power_log,
    OPS["sech"]: lambda a: 1 / elementary.cosh(a),
    OPS["same"]: lambda a: a,
    OPS["detach"]: lambda a: a,
    OPS["like"]: lambda a, b: a,
}


def written_rule(op: Op, operands: Sequence[Any]) -> Code | None:
    """Return the local derivatives of `op` as people write them: see `rule_code`.

    None for an op whose derivatives are not arithmetic.
    """
    code = rule_code(op, operands, _TEXTBOOK.get(op))
    return None if code is None else as_written(code)


def as_written(code: Code, differentiated: bool = False) -> Code:
    """Return `code` away from the points at which a power's rule chooses, in ops people call.

    The rule of a power has a `where` for its base 0 and for its exponent 0. A `where` that has
    nothing to do with the rule of a power stays. So does `stop_gradient` in a function whose
    derivatives are written too, where they are told from those without it.
    """
    chosen = _choices_of_powers(code)

    def record(equation: Equation, operands: list[Any]) -> Any:
        if equation.op is OPS["where"] and equation.operands[0] in chosen:
            return operands[2]
        written = _INSTEAD.get(equation.op)
        if differentiated and equation.op is OPS["detach"]:
            return _record(STOPPED, operands)  # a program that is simplified has no detach
        return _record(equation.op, operands) if written is None else written(*operands)

    inputs = [symbol() for _ in range(code.inputs)]
    trace = Trace({})
    with trace.running():
        outputs = _run(code, inputs, record)
    return optimised(lower(trace.symbols, outputs, inputs)[0], "float")


def _choices_of_powers(code: Code) -> set[int]:
    """Return the equalities by which a power's rule chooses: those that its logarithm meets."""
    equal = {k for k, (op, _) in enumerate(code.equations, code.inputs) if op is OPS["=="]}
    above: list[set[int]] = [set() for _ in range(code.inputs)]  # the equalities that each needs
    found: set[int] = set()
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        needed = set().union(*(above[x] for x in operands if isinstance(x, int)))
        above.append(needed | {k} if k in equal else needed)
        if op is OPS["power_log"]:
            found |= needed
    return found


def _record(op: Op, operands: Sequence[Any]) -> Any:
    """Return the symbol of `op` of these, or its number where none of them is a symbol."""
    traced = next((x for x in operands if isinstance(x, Node)), None)
    return op.forward(*operands) if traced is None else traced.record(op, tuple(operands))


def _run(
    code: Code,
    inputs: Sequence[Any],
    record: Callable[[Equation, list[Any]], Any] = lambda equation, xs: _record(equation.op, xs),
) -> list[Any]:
    """Return the outputs of `code`, of which `record(equation, operands)` gives the results."""
    known = list(inputs)

    def values(operands: Sequence[Any]) -> list[Any]:
        return [known[x] if isinstance(x, int) else x.value for x in operands]

    for equation in code.equations:
        known.append(record(equation, values(equation.operands)))
    return values(code.outputs)


def with_written_gradient(code: Code) -> Code | None:
    """Return `code`, of one output, with its derivatives by all inputs as further outputs.

    They are those of `written_rule`, by the chain rule; None if there is one that is not.
    """
    inputs = [symbol() for _ in range(code.inputs)]
    trace = Trace({})
    with trace.running():
        [y] = _run(code, inputs)
        gradients: dict[Any, Any] = {y: 1}
        # Simplified, it may be a number, as x**0 is.
        for node in reversed(topological_order([y] if isinstance(y, Node) else [])):
            if node not in gradients:
                continue
            operands = operands_of(node)
            pattern = [None if isinstance(x, Node) else Literal(x) for x in operands]
            rule = written_rule(node._op, pattern) if type(node._op) is Op else None
            if rule is None:
                return None
            slopes = _run(rule, [*operands, node])
            for x, slope in zip(operands, slopes, strict=True):
                if isinstance(x, Node) and not (type(slope) is int and slope == 0):
                    g = gradients[node]
                    term = slope if type(g) is int and g == 1 else g * slope
                    gradients[x] = gradients[x] + term if x in gradients else term
    outputs = [y, *(gradients.get(x, 0) for x in inputs)]
    return optimised(lower(trace.symbols, outputs, inputs)[0], "float")
