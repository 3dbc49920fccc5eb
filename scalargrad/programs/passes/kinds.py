"""Kinds of number: what is known of a variable's type before the program runs.

Only what is exact for a kind may be simplified: x * 1.0 is x for a float, and not for an int.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.programs.code import Call, Code, Operand
from scalargrad.programs.trace.tuples import pack, pack_total

# A float; an int; a float or an int; a bool; anything. The kind of a tuple is the tuple of the
# kinds of its elements.
FLOAT, INT, EITHER, BOOL, ANY = "float", "int", "either", "bool", "any"
NUMBERS = {FLOAT, INT, EITHER}
_KNOWN = {*NUMBERS, BOOL}


def kind_of(numbers: Iterable[Any]) -> str:
    """Return the kind that all of `numbers` are of.

    >>> from fractions import Fraction
    >>> kind_of([1.0]), kind_of([1.0, 2]), kind_of([1.0, Fraction(1)])
    ('float', 'either', 'any')
    """
    types = set(map(type, numbers))
    if types <= {float}:
        return FLOAT
    return EITHER if types <= {float, int} else ANY


def places_of_ints(numbers: Sequence[Any], first: int = 0) -> tuple[int, ...]:
    """Return which of `numbers`, counted from `first`, are ints.

    >>> places_of_ints([1.0, 2, 3])
    (1, 2)
    """
    return tuple([k for k, x in enumerate(numbers, first) if type(x) is int])


def wide(kind: Any) -> Any:
    """Return the kind of an argument, which other calls may give an int or a float for an int.

    >>> wide(INT), wide((FLOAT, INT))
    ('either', ('float', 'either'))
    """
    if type(kind) is tuple:
        return tuple(map(wide, kind))
    return EITHER if kind == INT else kind


_LITERALS = {float: FLOAT, int: INT, bool: BOOL}


def _arithmetic(*kinds: str) -> str:
    if not _KNOWN.issuperset(kinds):
        return ANY
    return FLOAT if FLOAT in kinds else EITHER if EITHER in kinds else INT


def _quotient(*kinds: str) -> str:
    return FLOAT if _KNOWN.issuperset(kinds) else ANY


def _power(*kinds: str) -> str:
    # A negative exponent of ints gives a float.
    return EITHER if _arithmetic(*kinds) == INT else _arithmetic(*kinds)


def _one_of(*kinds: str) -> str:
    first = kinds[0]
    if all(kind == first for kind in kinds):
        return first
    return EITHER if NUMBERS.issuperset(kinds) else ANY


def _same(*kinds: str) -> str:
    return kinds[0]


def _same_number(x: str) -> str:
    return x if x in NUMBERS else ANY


def _condition(*kinds: str) -> str:
    return BOOL if _KNOWN.issuperset(kinds) else ANY


def _logical(*kinds: str) -> str:
    return BOOL if {BOOL}.issuperset(kinds) else ANY


def _always(kind: str) -> Callable[..., str]:
    return lambda *kinds: kind


def _scaled(x: str, factor: str) -> str:
    return _one_of(x, _arithmetic(x, factor))


_OF_ARITHMETIC = [
    *(arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.mod, arithmetic.floordiv),
    *(arithmetic.neg, arithmetic.pos, arithmetic.absolute, many.flat_sumprod, many.prod),
]
_COMPARISONS = [
    *(choices.greater, choices.less, choices.at_least, choices.at_most),
    *(choices.equal, choices.unequal),
]
_TESTS: list[Any] = [choices.isnan, choices.isinf, choices.isfinite, choices.isclose]
_FLOATS = [
    *(getattr(elementary, name) for name in elementary.__all__),
    *(getattr(special, name) for name in special.__all__),
    *(
        arithmetic.sqrt,
        arithmetic.fabs,
        arithmetic.copysign,
        arithmetic.fma,
        arithmetic.fmod,
        arithmetic.remainder,
    ),
    *(activations.sigmoid, activations.softplus, activations.gelu, activations.logsumexp),
    *(activations.logit, many.fsum, many.dist, many.hypot),
    *(arithmetic.ldexp, arithmetic._fraction, arithmetic._whole),
    *(elementary.sech, elementary.sinc_derivative),
]
_RULES: dict[Op, Callable[..., str]] = {
    **{function.op: _always(FLOAT) for function in _FLOATS},
    **{function.op: _arithmetic for function in _OF_ARITHMETIC},
    **{function.op: _condition for function in _COMPARISONS},
    **{f.op: _always(BOOL) for f in _TESTS},
    **{f.op: _logical for f in (choices.both, choices.either, choices.one_of)},
    **{f.op: _always(INT) for f in (arithmetic.floor, arithmetic.ceil, arithmetic.trunc)},
    op_of(arithmetic._exponent): _always(INT),
    total: lambda *kinds: _arithmetic(*kinds) if len(kinds) > 1 else kinds[0],
    arithmetic.div.op: _quotient,
    arithmetic.steep.op: _quotient,
    arithmetic.same.op: _same,
    arithmetic.detach.op: _same,
    choices.like.op: lambda n, x: ANY if n == BOOL else _arithmetic(x, n),
    # 0 * a where b is 0.
    arithmetic.over.op: lambda a, b: _one_of(_quotient(a, b), _arithmetic(a)),
    choices.inverse.op: _arithmetic,
    activations.silu.op: _quotient,
    elementary.power.op: _power,
    op_of(choices.where): lambda condition, a, b: _one_of(a, b),
    choices.maximum.op: _one_of,
    choices.minimum.op: _one_of,
    many.largest.op: _one_of,
    many.second_largest.op: lambda *kinds: _one_of(*kinds) if len(kinds) > 1 else FLOAT,
    op_of(many.below): lambda x, m, second: _one_of(_arithmetic(x), _arithmetic(x, m)),
    op_of(many.relative): lambda x, m, second: _one_of(_quotient(x, m), _arithmetic(x)),
    arithmetic.sign.op: _same_number,
    op_of(choices.clip): _one_of,
    activations.relu.op: _same_number,
    activations.leaky_relu.op: _scaled,
    activations.elu.op: lambda x, alpha: _one_of(x, _arithmetic(FLOAT, alpha)),
    op_of(elementary.power_log): lambda a, b, n: _power(a, b),
}


def result_kind(op: Op, kinds: Sequence[Any]) -> Any:
    """Return the kind of what `op` gives for operands of these kinds.

    >>> from scalargrad.functions.arithmetic import mul
    >>> result_kind(mul.op, ["float", "int"]), result_kind(mul.op, ["int", "either"])
    ('float', 'either')
    """
    if type(op) is Pick:
        return kinds[0][op.place] if type(kinds[0]) is tuple else ANY
    if op is pack:
        return tuple(kinds)
    if op is pack_total:
        return tuple(_arithmetic(*elements) for elements in zip(*kinds, strict=True))
    if type(op) is Call:
        return op.kind
    rule = _RULES.get(op)
    return rule(*kinds) if rule is not None and kinds else ANY


class Kinds:
    """The kinds of the variables of a Code, which may still grow: found when they are asked for.

    >>> from scalargrad.functions.arithmetic import mul
    >>> from scalargrad.programs.code import Equation
    >>> kinds = Kinds(Code(1, [Equation(mul.op, (0, 0))], [1]), ["int"])
    >>> kinds.of(1)
    'int'
    """

    def __init__(self, code: Code, inputs: Sequence[Any]) -> None:
        self._code, self._known = code, list(inputs)
        self._results: dict[Any, Any] = {}

    def of(self, x: Operand) -> Any:
        """Return the kind of an operand."""
        if type(x) is not int:
            return _LITERALS.get(type(x.value), ANY)  # type: ignore[union-attr]
        known = self._known
        if x >= len(known):
            literal, results, first = _LITERALS.get, self._results, self._code.inputs
            for op, operands in self._code.equations[len(known) - first : x + 1 - first]:
                own = tuple(
                    [known[y] if type(y) is int else literal(type(y.value), ANY) for y in operands]  # type: ignore[union-attr]
                )
                kind = results.get((op, own))
                if kind is None:
                    kind = results[op, own] = result_kind(op, own)
                known.append(kind)
        return known[x]
