"""What each op is in C: its text, and the rules for numbers that are floats, ints or conditions.

What Python raises an error for must set a floating-point flag. `runtime.c` has the functions that
the C library lacks or has otherwise.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from scalargrad.engine.errors import shown
from scalargrad.engine.op import Op
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.programs.spell.c.loops import CONSTANT
from scalargrad.programs.spell.c.writer import (
    ATOM,
    BOOL,
    CHOICE,
    COMPARISON,
    EITHER,
    FLOAT,
    INT,
    LARGEST_INT,
    LOWEST,
    PREFIX,
    PRODUCT,
    SUM,
    Form,
    NotSpelled,
    Number,
    Parts,
    Value,
    Writer,
    element,
    kind_of,
)

_Rule = Callable[[Writer, Sequence[Number]], Number]


def _infix(sign: str, binding: int, *operands: int, safe: bool = True) -> Form:
    return Form(f"{{}} {sign} {{}}", binding, operands, safe)


@lru_cache(maxsize=256)
def _call(name: str, inputs: int, safe: bool = False) -> Form:
    return Form(f"{name}({', '.join(['{}'] * inputs)})", ATOM, (LOWEST,) * inputs, safe)


_ADD, _SUB = _infix("+", SUM, SUM, PRODUCT), _infix("-", SUM, SUM, PRODUCT)
_MUL = _infix("*", PRODUCT, PRODUCT, PREFIX)
_DIV = _infix("/", PRODUCT, PRODUCT, PREFIX, safe=False)
MOST_OFTEN = {arithmetic.add.op: _ADD, arithmetic.sub.op: _SUB, arithmetic.mul.op: _MUL}
_NEG = Form("-{}", PREFIX, (ATOM,), True)
_NOT_ZERO = Form("{} != 0", COMPARISON, (SUM,), True)
_WHERE = Form("{} ? {} : {}", CHOICE, (ATOM, ATOM, ATOM), True)
# What makes sure that a number may be an int, or has the digits of one if it is.
_CHECKS = {INT: _call("sg_whole", 1), EITHER: _call("sg_either", 1)}
# An exact sum of doubles has so many parts at most: one for each of their bits, from 2**-1074 to
# 2**1023.
_MOST_PARTS = 2098
# A sum of tuples of at most this size is written number by number.
_SMALL_SUM = 4

_COMPARISONS = {
    op: _infix(sign, COMPARISON, SUM, SUM)
    for op, sign in (
        (choices.greater.op, ">"),
        (choices.less.op, "<"),
        (choices.at_least.op, ">="),
        (choices.at_most.op, "<="),
        (choices.equal.op, "=="),
        (choices.unequal.op, "!="),
    )
}
_CONNECTIVES = {
    op: _infix(sign, LOWEST, ATOM, ATOM)
    for op, sign in (
        (choices.both.op, "&"),
        (choices.either.op, "|"),
        (choices.one_of.op, "!="),
    )
}
_RADIANS, _DEGREES = math.pi / 180.0, 180.0 / math.pi
# Functions whose result is a float, whatever they take.
FUNCTIONS: dict[Op, Form] = {
    **{
        getattr(module, name).op: _call(name, 1)
        for module, names in (
            (elementary, "acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p"),
            (elementary, "log2 sin sinh sqrt tan tanh"),
            (special, "erf erfc"),
            (arithmetic, "fabs"),
        )
        for name in names.split()
    },
    arithmetic.copysign.op: _call("copysign", 2),
    arithmetic.fmod.op: _call("fmod", 2),
    arithmetic.remainder.op: _call("remainder", 2),
    op_of(arithmetic.fma): _call("fma", 3),
    elementary.pow.op: _call("pow", 2),
    elementary.atan2.op: _call("sg_atan2", 2),
    elementary.radians.op: Form(f"{{}} * {_RADIANS!r}", PRODUCT, (PRODUCT,), True),
    elementary.degrees.op: Form(f"{{}} * {_DEGREES!r}", PRODUCT, (PRODUCT,), True),
    elementary.sech.op: _call("sg_sech", 1),
    activations.sigmoid.op: _call("sg_sigmoid", 1),
    activations.softplus.op: _call("sg_softplus", 1),
    activations.gelu.op: _call("sg_gelu", 1),
    activations.silu.op: _call("sg_silu", 1),
}
# Functions whose result is one of their operands, or a number of its kind.
IN_KIND: dict[Op, Form] = {
    arithmetic.absolute.op: _call("fabs", 1, True),
    arithmetic.sign.op: _call("sg_sign", 1, True),
    activations.relu.op: _call("sg_relu", 1, True),
    choices.maximum.op: _call("sg_maximum", 2, True),
    choices.minimum.op: _call("sg_minimum", 2, True),
    op_of(choices.clip): _call("sg_clip", 3, True),
}
# Functions that are called back in Python: their last bits are those of its own algorithms, which
# change with its version.
CALLED_BACK: list[Op] = [
    *(op_of(many.hypot), op_of(many.dist), special.gamma.op, special.lgamma.op, special.digamma.op),
    special.polygamma.op,
    *(activations.logit.op, special.erfinv.op, elementary.sinc.op, elementary.sinc_derivative.op),
]
if sys.version_info >= (3, 11):
    FUNCTIONS[elementary.cbrt.op] = _call("cbrt", 1)
    FUNCTIONS[elementary.exp2.op] = _call("exp2", 1)
else:
    CALLED_BACK.append(elementary.cbrt.op)
    FUNCTIONS[elementary.exp2.op] = Form("pow(2.0, {})", ATOM, (LOWEST,))
# Whole numbers: what Python gives is an int.
ROUNDED: dict[Op, Form] = {
    getattr(arithmetic, name).op: _call(name, 1) for name in ("ceil", "floor", "trunc")
}
# What says whether something holds of numbers of any kind.
TESTS: dict[Op, Form] = {
    **_COMPARISONS,
    op_of(choices.isnan): _call("sg_isnan", 1, True),
    op_of(choices.isinf): _call("sg_isinf", 1, True),
    op_of(choices.isfinite): _call("sg_isfinite", 1, True),
    op_of(choices.isclose): _call("sg_isclose", 4),
}


def _joined(*xs: Number) -> str:
    """Return the kind of what is one of these numbers."""
    kinds = {x.kind for x in xs}
    if len(kinds) == 1:
        return xs[0].kind
    if BOOL in kinds:
        raise NotSpelled
    return EITHER


def _number_kind(*xs: Number) -> str:
    """Return the kind of what is computed of numbers, none of which is a bool of Python's."""
    if any(x.kind == BOOL for x in xs):
        raise NotSpelled
    return _joined(*xs)


def _float(*xs: Number) -> str:
    return FLOAT


def _is_literal(x: Number) -> bool:
    return x.arrays == CONSTANT and not x.depth


def _of_kind(form: Form, kind: str) -> _Rule:
    return lambda w, xs: w.apply(form, kind, *[w.in_c(x) for x in xs])


def _in_kind(form: Form) -> _Rule:
    return lambda w, xs: w.apply(form, _number_kind(*xs), *xs)


def _arithmetic(form: Form) -> _Rule:
    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        kinds = {x.kind for x in xs}
        doubles = [w.in_c(x) for x in xs]
        if FLOAT in kinds:
            return w.apply(form, FLOAT, *doubles)
        kind = EITHER if EITHER in kinds else INT
        return w.apply(_CHECKS[kind], kind, w.apply(form, kind, *doubles))

    return rule


def _one_by_one(form: Form, terms: Callable[[Writer, Sequence[Number]], Sequence[Number]]) -> _Rule:
    """Return the rule of what Python computes from the left: a sum or product of `terms`."""
    combine = _arithmetic(form)

    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        first, *rest = terms(w, xs)
        for x in rest:
            first = combine(w, (first, x))
        return first

    return rule


def _two_at_least(w: Writer, xs: Sequence[Number]) -> Sequence[Number]:
    if len(xs) < 2:
        raise NotSpelled
    return xs


def _products(w: Writer, xs: Sequence[Number]) -> Sequence[Number]:
    n = len(xs) // 2
    if not n:
        raise NotSpelled
    multiply = _arithmetic(_MUL)
    pairs = zip(xs[:n], xs[n : 2 * n], strict=True)
    return [*(multiply(w, pair) for pair in pairs), *xs[2 * n :]]


_total = _one_by_one(_ADD, lambda w, xs: xs)


def total_of_tuples(w: Writer, tuples: Sequence[Value]) -> Value:
    """Write the sum of tuples, element by element."""
    kinds = kind_of(tuples[0])
    if len(kinds) > _SMALL_SUM and all(set(kind_of(x)) == {FLOAT} for x in tuples):
        return w.sum_of(tuples)
    return Parts(tuple(_total(w, [element(x, k) for x in tuples]) for k in range(len(kinds))))


def _over(w: Writer, xs: Sequence[Number]) -> Number:
    a, b = [w.in_c(x) for x in xs]
    if a.kind == FLOAT:
        return w.apply(_call("sg_over", 2), FLOAT, a, b)
    if a.kind == EITHER:
        raise NotSpelled
    # At b = 0 an int gives an int, which has no sign there.
    return w.apply(_call("sg_over_of_int", 2), EITHER, a, b)


def _rounded(form: Form) -> _Rule:
    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        (x,) = xs
        _number_kind(x)
        return x if x.kind == INT else w.apply(_CHECKS[INT], INT, w.apply(form, FLOAT, x))

    return rule


def _connected(form: Form) -> _Rule:
    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        a, b = xs
        if not a.kind == b.kind == BOOL:
            raise NotSpelled
        if not (a.arrays and b.arrays):  # where a constant decides, the other is computed anyhow
            a, b = w.computed(a), w.computed(b)
        return w.apply(form, BOOL, a, b)

    return rule


def _inverse(w: Writer, xs: Sequence[Number]) -> Number:
    (x,) = xs
    if x.kind not in (BOOL, INT):
        raise NotSpelled
    return w.apply(_SUB, INT, literal(-1), w.in_c(x))


def _alias(w: Writer, xs: Sequence[Number]) -> Number:
    return xs[0]


def _like(w: Writer, xs: Sequence[Number]) -> Number:
    n, x = xs
    if not _is_literal(n):
        raise NotSpelled
    w.unused(x)
    return n._replace(kind=INT if x.kind == BOOL else x.kind)


def _where(w: Writer, xs: Sequence[Number]) -> Number:
    condition, a, b = xs
    if condition.kind != BOOL:
        condition = w.apply(_NOT_ZERO, BOOL, condition)
    if a[4:] == b[4:] or not (a.places or b.places):
        condition = w.computed(condition)  # a compiler may know the result without it
    # Both are computed, whichever is chosen.
    return w.apply(_WHERE, _joined(a, b), condition, w.computed(a), w.computed(b))


def _power(w: Writer, xs: Sequence[Number]) -> Number:
    a, b = xs
    kinds = {a.kind, b.kind}
    doubles = w.in_c(a), w.in_c(b)
    if FLOAT in kinds:
        return w.apply(_call("sg_power", 2), FLOAT, *doubles)
    # Ints give an int, but for a negative exponent.
    is_negative = _is_literal(b) and b.constants[0][0] == "-"
    if kinds == {EITHER, INT} and _is_literal(b) and not is_negative:
        return w.apply(_CHECKS[EITHER], EITHER, w.apply(_call("sg_power", 2), EITHER, *doubles))
    if EITHER in kinds:
        raise NotSpelled
    kind = EITHER if not _is_literal(b) else FLOAT if is_negative else INT
    return w.apply(_call("sg_whole_power", 2), kind, *doubles)


def _power_log(w: Writer, xs: Sequence[Number]) -> Number:
    a, b, n = xs
    kinds = {a.kind, b.kind}
    if not _is_literal(n) or n.kind != INT or (FLOAT not in kinds and EITHER in kinds):
        raise NotSpelled
    if FLOAT in kinds:
        return w.apply(_call("sg_power_log", 3), FLOAT, w.in_c(a), w.in_c(b), n)
    if float(n.constants[0]) == 0:
        return _power(w, (a, b))
    return w.apply(_call("sg_whole_power_log", 3), FLOAT, w.in_c(a), w.in_c(b), n)


def _scaled(form: Form, factor_as_it_is: bool) -> _Rule:
    """Return the rule of what is x where it is positive, and else scaled."""

    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        x, factor = xs
        kind = _number_kind(x)
        y = w.apply(form, kind, x, w.in_c(factor))
        if kind == FLOAT:
            return y
        if not factor_as_it_is or factor.kind == FLOAT:
            return y._replace(kind=EITHER)
        kind = _joined(x, factor)
        return w.apply(_CHECKS[kind], kind, y)

    return rule


def _of_array(name: str, kind: Callable[..., str] = _float, parts: bool = False) -> _Rule:
    """Return the rule of a function of any number of numbers, which stand in an array.

    One that adds exactly needs room for the `parts` of its sum.
    """
    end = ", work)" if parts else ")"

    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        if not xs:
            raise NotSpelled
        if parts:
            w.scratch = max(w.scratch, min(len(xs), _MOST_PARTS))
        numbers = w.address(Parts(tuple(w.in_c(x) for x in xs)))
        form = Form(f"{name}{len(xs)}, {{}}{end}", ATOM, (LOWEST,))
        return w.apply(form, kind(*xs), numbers)

    return rule


def _second_largest(w: Writer, xs: Sequence[Number]) -> Number:
    if len(xs) == 1:
        return literal(-math.inf)
    kind = INT if all(x.kind == INT for x in xs) else FLOAT  # it is only compared with
    return _of_array("sg_second(", lambda *xs: kind)(w, xs)


def _below(w: Writer, xs: Sequence[Number]) -> Number:
    x, m, second = xs
    kind = _number_kind(x, m)
    y = w.apply(_call("sg_differs", 3), kind, x, m, second)
    if FLOAT in (x.kind, m.kind):
        return y._replace(kind=FLOAT if x.kind == FLOAT else EITHER)
    return w.apply(_CHECKS[kind], kind, y)


def _relative(w: Writer, xs: Sequence[Number]) -> Number:
    if xs[0].kind != FLOAT:
        raise NotSpelled
    return w.apply(_call("sg_relative", 3), FLOAT, *[w.in_c(x) for x in xs])


def _called_back(k: int, op: Op) -> _Rule:
    call = _of_array(f"sg_python({k} /* {op.name} */, ")

    def rule(w: Writer, xs: Sequence[Number]) -> Number:
        if op is special.polygamma.op and xs[0].kind != INT:  # its order must be an int
            raise NotSpelled
        return call(w, xs)

    return rule


# They see to it themselves that a division is by no zero where a number may be infinite.
DIVISIONS = {arithmetic.div.op, arithmetic.steep.op}
RULES: dict[Op, _Rule] = {
    **{op: _of_kind(form, FLOAT) for op, form in FUNCTIONS.items()},
    **{op: _of_kind(form, BOOL) for op, form in TESTS.items()},
    **{op: _in_kind(form) for op, form in IN_KIND.items()},
    **{op: _rounded(form) for op, form in ROUNDED.items()},
    **{op: _connected(form) for op, form in _CONNECTIVES.items()},
    **{op: _called_back(k, op) for k, op in enumerate(CALLED_BACK)},
    arithmetic.same.op: _alias,
    arithmetic.detach.op: _alias,
    arithmetic.add.op: _arithmetic(_ADD),
    arithmetic.sub.op: _arithmetic(_SUB),
    arithmetic.mul.op: _arithmetic(_MUL),
    arithmetic.neg.op: _arithmetic(_NEG),
    arithmetic.pos.op: _arithmetic(Form("{}", ATOM, (ATOM,), True)),
    arithmetic.mod.op: _arithmetic(_call("sg_mod", 2)),
    arithmetic.floordiv.op: _arithmetic(_call("sg_floordiv", 2)),
    arithmetic.over.op: _over,
    **dict.fromkeys(DIVISIONS, _of_kind(_DIV, FLOAT)),
    choices.inverse.op: _inverse,
    choices.like.op: _like,
    op_of(choices.where): _where,
    elementary.power.op: _power,
    op_of(elementary.power_log): _power_log,
    activations.leaky_relu.op: _scaled(_call("sg_leaky_relu", 2), True),
    activations.elu.op: _scaled(_call("sg_elu", 2), False),
    op_of(activations.logsumexp): _of_array("sg_logsumexp(", parts=True),
    op_of(many.largest): _of_array("sg_max(", _number_kind),
    op_of(many.second_largest): _second_largest,
    op_of(many.below): _below,
    op_of(many.relative): _relative,
    op_of(many.fsum): _of_array("sg_fsum(", parts=True),
    op_of(many.prod): _one_by_one(_MUL, _two_at_least),
    op_of(many.sumprod): _one_by_one(_ADD, _products),
    total: _total,
}
# The same where there are constants that are infinite or nan: those divide by zero without a flag.
WILD = {**RULES, **dict.fromkeys(DIVISIONS, _of_kind(_call("sg_div", 2), FLOAT))}


def literal(value: Any) -> Number:
    """Return a constant. Raises TypeError for one that is no float or int."""
    kind = {float: FLOAT, int: INT, bool: BOOL}.get(type(value), "")
    if not kind:
        raise TypeError(
            "target 'c' computes with floats and ints; the function has the constant "
            f"{shown(value)} ({type(value).__name__}): target='python' takes any kind of number"
        )
    if kind == BOOL:
        return Number(str(int(value)), BOOL)
    if kind == INT and abs(value) > LARGEST_INT:
        raise NotSpelled
    text = repr(float(value))
    if math.isinf(value) or math.isnan(value):
        text = text.replace("inf", "INFINITY").replace("nan", "NAN")
    binding = PREFIX if text[0] == "-" else ATOM
    return Number("@", kind, binding, constants=(text,), arrays=CONSTANT)
