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
from scalargrad.programs.passes.kinds import BOOL, EITHER, FLOAT, INT, result_kind
from scalargrad.programs.spell.c.loops import CONSTANT
from scalargrad.programs.spell.c.writer import (
    ATOM,
    CHOICE,
    COMPARISON,
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

# A rule writes an op of some numbers, whose result is of a kind.
_Rule = Callable[[Writer, Sequence[Number], str], Number]


def _infix(sign: str, binding: int, *operands: int, safe: bool = True) -> Form:
    return Form(f"{{}} {sign} {{}}", binding, operands, safe)


@lru_cache(maxsize=256)
def _call(name: str, inputs: int, safe: bool = False) -> Form:
    return Form(f"{name}({', '.join(['{}'] * inputs)})", ATOM, (LOWEST,) * inputs, safe)


_ADD, _SUB = _infix("+", SUM, SUM, PRODUCT), _infix("-", SUM, SUM, PRODUCT)
_MUL = _infix("*", PRODUCT, PRODUCT, PREFIX)
_DIV = _infix("/", PRODUCT, PRODUCT, PREFIX, safe=False)
MOST_OFTEN = {arithmetic.add.op: _ADD, arithmetic.sub.op: _SUB, arithmetic.mul.op: _MUL}
_NOT_ZERO = Form("{} != 0", COMPARISON, (SUM,), True)
_WHERE = Form("{} ? {} : {}", CHOICE, (ATOM, ATOM, ATOM), True)
_RADIANS, _DEGREES = math.pi / 180.0, 180.0 / math.pi
# An exact sum of doubles has so many parts at most: one for each of their bits, from 2**-1074 to
# 2**1023.
_MOST_PARTS = 2098
# A sum of tuples of at most this size is written number by number.
_SMALL_SUM = 4

# Ops that are one expression.
FORMS: dict[Op, Form] = {
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
    op_of(arithmetic._exponent): _call("sg_exponent", 1, True),
    op_of(arithmetic._fraction): _call("sg_fraction", 1, True),
    op_of(arithmetic._whole): _call("trunc", 1, True),
    arithmetic.div.op: _DIV,
    arithmetic.steep.op: _DIV,
    arithmetic.absolute.op: _call("fabs", 1, True),
    arithmetic.sign.op: _call("sg_sign", 1, True),
    activations.relu.op: _call("sg_relu", 1, True),
    activations.elu.op: _call("sg_elu", 2),
    choices.greater.op: _infix(">", COMPARISON, SUM, SUM),
    choices.less.op: _infix("<", COMPARISON, SUM, SUM),
    choices.at_least.op: _infix(">=", COMPARISON, SUM, SUM),
    choices.at_most.op: _infix("<=", COMPARISON, SUM, SUM),
    choices.equal.op: _infix("==", COMPARISON, SUM, SUM),
    choices.unequal.op: _infix("!=", COMPARISON, SUM, SUM),
    op_of(choices.isnan): _call("sg_isnan", 1, True),
    op_of(choices.isinf): _call("sg_isinf", 1, True),
    op_of(choices.isfinite): _call("sg_isfinite", 1, True),
    op_of(choices.isclose): _call("sg_isclose", 4),
}
# Those that give one of their operands.
_CHOOSING: dict[Op, Form] = {
    choices.maximum.op: _call("sg_maximum", 2, True),
    choices.minimum.op: _call("sg_minimum", 2, True),
    op_of(choices.clip): _call("sg_clip", 3, True),
}
# Those whose ints Python computes exactly, however large they are.
_EXACT: dict[Op, Form] = {
    **MOST_OFTEN,
    arithmetic.neg.op: Form("-{}", PREFIX, (ATOM,), True),
    arithmetic.pos.op: Form("{}", ATOM, (ATOM,), True),
    arithmetic.mod.op: _call("sg_mod", 2),
    arithmetic.floordiv.op: _call("sg_floordiv", 2),
    **{getattr(arithmetic, name).op: _call(name, 1) for name in ("ceil", "floor", "trunc")},
}
_CONNECTIVES = {
    choices.both.op: _infix("&", LOWEST, ATOM, ATOM),
    choices.either.op: _infix("|", LOWEST, ATOM, ATOM),
    choices.one_of.op: _infix("!=", LOWEST, ATOM, ATOM),
}
# Functions that are called back in Python: their last bits are those of its own algorithms, which
# change with its version.
CALLED_BACK: list[Op] = [
    *(op_of(many.hypot), op_of(many.dist), special.gamma.op, special.lgamma.op, special.digamma.op),
    special.polygamma.op,
    *(activations.logit.op, special.erfinv.op, elementary.sinc.op, elementary.sinc_derivative.op),
]
if sys.version_info >= (3, 11):
    FORMS[elementary.cbrt.op] = _call("cbrt", 1)
    FORMS[elementary.exp2.op] = _call("exp2", 1)
else:
    CALLED_BACK.append(elementary.cbrt.op)
    FORMS[elementary.exp2.op] = Form("pow(2.0, {})", ATOM, (LOWEST,))


def _checked(w: Writer, y: Number) -> Number:
    """Return y; if it may be an int, with what makes sure that it has the digits of one."""
    if y.kind == INT:
        return w.apply(_call("sg_whole", 1), INT, y)
    return w.apply(_call("sg_either", 1), EITHER, y) if y.kind == EITHER else y


def _is_literal(x: Number) -> bool:
    return x.arrays == CONSTANT and not x.depth


def _form(form: Form) -> _Rule:
    return lambda w, xs, kind: w.apply(form, kind, *map(w.in_c, xs))


def _choosing(form: Form) -> _Rule:
    def rule(w: Writer, xs: Sequence[Number], kind: str) -> Number:
        if kind == BOOL:
            raise NotSpelled
        return w.apply(form, kind, *xs)

    return rule


def _exact(form: Form) -> _Rule:
    return lambda w, xs, kind: _checked(w, w.apply(form, kind, *map(w.in_c, xs)))


def _one_by_one(w: Writer, op: Op, xs: Sequence[Number]) -> Number:
    """Write a sum or a product as Python computes it: from the left."""
    first, *rest = xs
    for x in rest:
        kind = result_kind(op, (first.kind, x.kind))
        first = _exact(MOST_OFTEN[op])(w, (first, x), kind)
    return first


def _total(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    return _one_by_one(w, arithmetic.add.op, xs)


def _prod(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    if len(xs) < 2:
        raise NotSpelled
    return _one_by_one(w, arithmetic.mul.op, xs)


def _sumprod(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    n = len(xs) // 2
    pairs = zip(xs[:n], xs[n : 2 * n], strict=True)
    terms = [_one_by_one(w, arithmetic.mul.op, pair) for pair in pairs]
    return _one_by_one(w, arithmetic.add.op, [*terms, *xs[2 * n :]])


def total_of_tuples(w: Writer, tuples: Sequence[Value]) -> Value:
    """Write the sum of tuples, element by element."""
    kinds = kind_of(tuples[0])
    if len(kinds) > _SMALL_SUM and all(set(kind_of(x)) == {FLOAT} for x in tuples):
        return w.sum_of(tuples)
    sums = [[element(x, k) for x in tuples] for k in range(len(kinds))]
    return Parts(tuple([_one_by_one(w, arithmetic.add.op, xs) for xs in sums]))


def _over(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    a, b = map(w.in_c, xs)
    if a.kind == INT:  # at b = 0 an int gives an int, which has no sign there
        return w.apply(_call("sg_over_of_int", 2), kind, a, b)
    y = w.apply(_call("sg_over", 2), kind, a, b)
    return y if a.kind == FLOAT else _checked(w, y)


def _connected(form: Form) -> _Rule:
    def rule(w: Writer, xs: Sequence[Number], kind: str) -> Number:
        a, b = xs
        if not (a.arrays and b.arrays):  # where a constant decides, the other is computed anyhow
            a, b = w.computed(a), w.computed(b)
        return w.apply(form, kind, a, b)

    return rule


def _inverse(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    if kind != INT:
        raise NotSpelled
    return w.apply(_SUB, kind, literal(-1), *map(w.in_c, xs))


def _alias(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    return xs[0]


def _like(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    n, x = xs
    if not _is_literal(n):
        raise NotSpelled
    w.unused(x)
    return n._replace(kind=kind)


def where(
    w: Writer, xs: Sequence[Number], kind: str, lazy: Sequence[bool] = (False, False)
) -> Number:
    """Write a choice. Both sides are computed, whichever is chosen, but for those that are lazy."""
    condition, a, b = xs
    if condition.kind != BOOL:
        condition = w.apply(_NOT_ZERO, BOOL, condition)
    if a[4:] == b[4:] or not (a.places or b.places):
        condition = w.computed(condition)  # a compiler may know the result without it
    a, b = [x if own else w.computed(x) for x, own in zip((a, b), lazy, strict=True)]
    return w.apply(_WHERE, kind, condition, a, b)


def _power(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    a, b = map(w.in_c, xs)
    if kind == FLOAT:
        return w.apply(_call("sg_power", 2), FLOAT, a, b)
    # Ints give an int, but for a negative exponent.
    is_negative = _is_literal(b) and b.constants[0][0] == "-"
    if a.kind == b.kind == INT:
        kind = EITHER if not _is_literal(b) else FLOAT if is_negative else INT
        return w.apply(_call("sg_whole_power", 2), kind, a, b)
    if b.kind != INT or not _is_literal(b) or is_negative:
        raise NotSpelled
    return _checked(w, w.apply(_call("sg_power", 2), EITHER, a, b))


def _power_log(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    a, b, n = map(w.in_c, xs)
    if not _is_literal(n) or n.kind != INT:
        raise NotSpelled
    if kind == FLOAT:
        return w.apply(_call("sg_power_log", 3), FLOAT, a, b, n)
    if float(n.constants[0]) == 0:
        return _power(w, (a, b), kind)
    if EITHER in (a.kind, b.kind):
        raise NotSpelled
    return w.apply(_call("sg_whole_power_log", 3), FLOAT, a, b, n)


def _ldexp(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    if xs[1].kind != INT:
        raise NotSpelled
    return w.apply(_call("sg_ldexp", 2), FLOAT, *map(w.in_c, xs))


def _leaky_relu(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    x, slope = map(w.in_c, xs)
    y = w.apply(_call("sg_leaky_relu", 2), kind, x, slope)
    return y if slope.kind == FLOAT else _checked(w, y)


def _below(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    y = w.apply(_call("sg_differs", 3), kind, *map(w.in_c, xs))
    return y if FLOAT in (xs[0].kind, xs[1].kind) else _checked(w, y)


def _relative(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    if kind != FLOAT:
        raise NotSpelled
    return w.apply(_call("sg_relative", 3), FLOAT, *map(w.in_c, xs))


def _of_array(name: str, parts: bool = False) -> _Rule:
    """Return the rule of a function of any number of numbers, which stand in an array.

    One that adds exactly needs room for the `parts` of its sum.
    """
    end = ", work)" if parts else ")"

    def rule(w: Writer, xs: Sequence[Number], kind: str) -> Number:
        if not xs or kind == BOOL:
            raise NotSpelled
        if parts:
            w.scratch = max(w.scratch, min(len(xs), _MOST_PARTS))
        numbers = w.address(Parts(tuple(map(w.in_c, xs))))
        return w.apply(Form(f"{name}{len(xs)}, {{}}{end}", ATOM, (LOWEST,)), kind, numbers)

    return rule


def _second_largest(w: Writer, xs: Sequence[Number], kind: str) -> Number:
    return _of_array("sg_second(")(w, xs, kind) if len(xs) > 1 else literal(-math.inf)


def _called_back(k: int, op: Op) -> _Rule:
    call = _of_array(f"sg_python({k} /* {op.name} */, ")

    def rule(w: Writer, xs: Sequence[Number], kind: str) -> Number:
        if op is special.polygamma.op and xs[0].kind != INT:  # its order must be an int
            raise NotSpelled
        return call(w, xs, FLOAT)

    return rule


RULES: dict[Op, _Rule] = {
    **{op: _form(form) for op, form in FORMS.items()},
    **{op: _choosing(form) for op, form in _CHOOSING.items()},
    **{op: _exact(form) for op, form in _EXACT.items()},
    **{op: _connected(form) for op, form in _CONNECTIVES.items()},
    **{op: _called_back(k, op) for k, op in enumerate(CALLED_BACK)},
    arithmetic.same.op: _alias,
    arithmetic.detach.op: _alias,
    arithmetic.over.op: _over,
    arithmetic.ldexp.op: _ldexp,
    choices.inverse.op: _inverse,
    choices.like.op: _like,
    op_of(choices.where): where,
    elementary.power.op: _power,
    op_of(elementary.power_log): _power_log,
    activations.leaky_relu.op: _leaky_relu,
    op_of(activations.logsumexp): _of_array("sg_logsumexp(", parts=True),
    op_of(many.largest): _of_array("sg_max("),
    op_of(many.second_largest): _second_largest,
    op_of(many.below): _below,
    op_of(many.relative): _relative,
    op_of(many.fsum): _of_array("sg_fsum(", parts=True),
    op_of(many.prod): _prod,
    op_of(many.sumprod): _sumprod,
    total: _total,
}
# The same where there are constants that are infinite or nan: those divide by zero without a flag.
WILD = {
    **RULES,
    **{op: _form(_call("sg_div", 2)) for op, form in FORMS.items() if form is _DIV},
}


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
