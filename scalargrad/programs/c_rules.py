"""What each op is in C: its text, and the rules for numbers that are floats, ints or conditions.

What Python raises an error for must set a floating-point flag. `c_runtime.c` has the functions that
the C library lacks or has otherwise.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

from scalargrad.engine.errors import shown
from scalargrad.engine.op import Op
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.programs.c_calls import (
    BOOL,
    EITHER,
    FLOAT,
    INT,
    LARGEST_INT,
    Instructions,
    NotSpelled,
    Number,
    Parts,
    Value,
    kind_of,
)
from scalargrad.programs.c_pieces import (
    ATOM,
    CHOICE,
    COMPARISON,
    LOWEST,
    PREFIX,
    PRODUCT,
    SUM,
    Form,
    Place,
)


class Writer(Protocol):
    """What the rules write instructions with; `wild` says if there are infinite constants."""

    instructions: Instructions
    add: Callable[..., int]
    wild: bool

    def is_safe(self, x: Place) -> bool:
        """Return whether `x`, and what it is computed of, sets no flag."""


def _infix(sign: str, binding: int, *operands: int, safe: bool = True) -> Form:
    return Form(f"{{}} {sign} {{}}", binding, operands, safe)


def _comparison(sign: str) -> Form:
    return Form(f"{{}} {sign} {{}}", COMPARISON, (SUM, SUM), True, "int")


def _connective(sign: str) -> Form:
    return Form(f"{{}} {sign} {{}}", LOWEST, (ATOM, ATOM), True, "int")


@lru_cache(maxsize=256)
def _call(name: str, inputs: int, safe: bool = False) -> Form:
    return Form(f"{name}({', '.join(['{}'] * inputs)})", ATOM, (LOWEST,) * inputs, safe)


@lru_cache(maxsize=256)
def _call_of_array(name: str, inputs: int, first: str = "") -> Form:
    numbers = ", ".join(["{}"] * inputs)
    text = f"{name}({first}{inputs}, (const double[]){{{{{numbers}}}}})"
    return Form(text, ATOM, (LOWEST,) * inputs)


def _test(name: str, inputs: int, safe: bool) -> Form:
    return _call(name, inputs, safe)._replace(type="int")


_ADD, _SUB = _infix("+", SUM, SUM, PRODUCT), _infix("-", SUM, SUM, PRODUCT)
MUL = _infix("*", PRODUCT, PRODUCT, PREFIX)
_DIV = _infix("/", PRODUCT, PRODUCT, PREFIX, safe=False)
MOST_OFTEN = {arithmetic.add.op: _ADD, arithmetic.sub.op: _SUB, arithmetic.mul.op: MUL}
_NEG = Form("-{}", PREFIX, (ATOM,), True)
_NOT_ZERO = Form("{} != 0", COMPARISON, (SUM,), True, "int")
_AS_DOUBLE = Form("(double){}", PREFIX, (ATOM,), True)
_KEPT = _test("sg_kept", 1, False)
_IS_ZERO = Form("{} == 0", COMPARISON, (SUM,), True, "int")
_WHERE = Form("{} ? {} : {}", CHOICE, (ATOM, ATOM, ATOM), True)
_WHERE_OF_CONDITIONS = _WHERE._replace(type="int")
_WHOLE = _call("sg_whole", 1)
# A sum of tuples of at most this size is written number by number.
_SMALL_SUM = 4

_COMPARISONS = {
    choices.greater.op: _comparison(">"),
    choices.less.op: _comparison("<"),
    choices.at_least.op: _comparison(">="),
    choices.at_most.op: _comparison("<="),
    choices.equal.op: _comparison("=="),
    choices.unequal.op: _comparison("!="),
}
_CONNECTIVES = {
    choices.both.op: _connective("&"),
    choices.either.op: _connective("|"),
    choices.one_of.op: _connective("!="),
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
# The larger or smaller of two numbers, and whether it is the second.
_EXTREMES: dict[Op, tuple[Form, Form]] = {
    choices.maximum.op: (_call("sg_maximum", 2, True), _test("sg_above", 2, True)),
    choices.minimum.op: (_call("sg_minimum", 2, True), _test("sg_below", 2, True)),
}
# Functions whose result is in the kind of its operand.
IN_KIND: dict[Op, Form] = {
    arithmetic.absolute.op: _call("fabs", 1, True),
    activations.relu.op: _call("sg_relu", 1, True),
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
    op_of(choices.isnan): _test("sg_isnan", 1, True),
    op_of(choices.isinf): _test("sg_isinf", 1, True),
    op_of(choices.isfinite): _test("sg_isfinite", 1, True),
    op_of(choices.isclose): _test("sg_isclose", 4, False),
}
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}

_Operands = list[Number]


def kept(w: Writer, condition: Place) -> Place:
    """Write a condition that is computed where a compiler may know what it leads to.

    It would leave out what the condition is computed of, with its errors.
    """
    return condition if w.is_safe(condition) else w.add(_KEPT, condition)


def _function(w: Writer, op: Op, xs: _Operands) -> Number:
    return w.add(FUNCTIONS[op], *[x for x, _, _ in xs]), FLOAT, "0"


def _in_kind(w: Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, tag),) = xs
    if kind == BOOL:
        raise NotSpelled
    return w.add(IN_KIND[op], x), kind, tag


def _extreme(w: Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, tag), (b, kind_b, _) = xs
    form, is_second = _EXTREMES[op]
    if kind_a == kind_b and kind_a in (FLOAT, INT):
        return w.add(form, a, b), kind_a, tag
    return _where(w, op, [(w.add(is_second, a, b), BOOL, "0"), xs[1], xs[0]])


def _both(w: Writer, a: Place, b: Place) -> Place:
    """Write that two conditions hold, of which each may be known."""
    if "0" in (a, b):
        return "0"
    return b if a == "1" else a if b == "1" else w.add(_connective("&"), a, b)


def _ints(w: Writer, *xs: Number) -> Place:
    """Write that numbers, none of which is sure to be a float, are all ints."""
    found: Place = "1"
    for _, kind, tag in xs:
        if kind == EITHER:
            found = _both(w, found, tag)
    return found


def _over(w: Writer, op: Op, xs: _Operands) -> Number:
    (a, kind, _), (b, _, _) = xs
    y = w.add(_call("sg_over", 2), a, b)
    if kind == FLOAT:
        return y, FLOAT, "0"
    # At b = 0 an int gives an int.
    tag = _both(w, _ints(w, xs[0]), w.add(_IS_ZERO, b))
    return w.add(_call("sg_where", 3), tag, "0.0", y), EITHER, tag


def _arithmetic(form: Form) -> Callable[[Writer, Op, _Operands], Number]:
    def rule(w: Writer, op: Op, xs: _Operands) -> Number:
        places = [x for x, _, _ in xs]
        kinds = {kind for _, kind, _ in xs}
        if FLOAT in kinds:
            return w.add(form, *places), FLOAT, "0"
        if EITHER not in kinds:
            return w.add(_WHOLE, w.add(form, *places)), INT, "1"
        # An int if all operands are; an operand that may be a float says so in its tag.
        tag = _ints(w, *xs)
        y = w.add(form, *places)
        return w.add(_call("sg_where", 3), tag, w.add(_WHOLE, y), y), EITHER, tag

    return rule


def _sum_of(w: Writer, terms: _Operands, form: Form) -> Number:
    """Write terms one after the other, from the left, as Python computes them."""
    rule = _arithmetic(form)
    result = terms[0]
    for term in terms[1:]:
        result = rule(w, total, [result, term])
    return result


def _total(w: Writer, op: Op, xs: _Operands) -> Number:
    return _sum_of(w, xs, _ADD)


def total_of_tuples(w: Writer, tuples: list[Value]) -> Value:
    """Write the sum of tuples, element by element."""
    element = w.instructions.element
    kinds = kind_of(tuples[0])
    known = {FLOAT, INT, BOOL}
    floats = set(kinds) == {FLOAT}
    if len(kinds) > _SMALL_SUM and floats and all(known.issuperset(kind_of(x)) for x in tuples):
        return w.instructions.sum_of(tuples)
    sums = [_total(w, total, [element(x, k) for x in tuples]) for k in range(len(kinds))]
    return Parts(sums)


def _prod(w: Writer, op: Op, xs: _Operands) -> Number:
    if len(xs) < 2:
        raise NotSpelled
    return _sum_of(w, xs, MUL)


def _sumprod(w: Writer, op: Op, xs: _Operands) -> Number:
    n = len(xs) // 2
    if not n:
        raise NotSpelled
    multiply = _arithmetic(MUL)
    terms = [multiply(w, op, [x, y]) for x, y in zip(xs[:n], xs[n : 2 * n], strict=True)]
    return _sum_of(w, terms + xs[2 * n :], _ADD)


def _division(w: Writer, op: Op, xs: _Operands) -> Number:
    form = _call("sg_div", 2) if w.wild else _DIV
    (a, kind, _), (b, _, _) = xs
    if kind == BOOL:
        a = w.add(_AS_DOUBLE, a)  # two conditions would be divided as C's ints
    return w.add(form, a, b), FLOAT, "0"


def _comparison_of(w: Writer, op: Op, xs: _Operands) -> Number:
    return w.add(_COMPARISONS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _tested(w: Writer, op: Op, xs: _Operands) -> Number:
    return w.add(TESTS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _rounded(w: Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, _),) = xs
    if kind == BOOL:
        raise NotSpelled
    return (x if kind == INT else w.add(_WHOLE, w.add(ROUNDED[op], x))), INT, "1"


def _sign(w: Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, tag),) = xs
    if kind == BOOL:
        raise NotSpelled
    return w.add(_call("sg_sign", 1, True), x), kind, tag


def _clip(w: Writer, op: Op, xs: _Operands) -> Number:
    x, low, high = xs
    for test, bound in ((choices.less.op, low), (choices.greater.op, high)):
        (outside, _, _) = _comparison_of(w, test, [x, bound])
        if type(bound[0]) is not str:  # then it may be nan
            is_nan, _, _ = _tested(w, op_of(choices.isnan), [bound])
            outside = w.add(_CONNECTIVES[choices.either.op], outside, is_nan)
        x = _where(w, op, [(outside, BOOL, "0"), bound, x])
    return x


def _connected(w: Writer, op: Op, xs: _Operands) -> Number:
    if {kind for _, kind, _ in xs} != {BOOL}:
        raise NotSpelled
    a, b = [x for x, _, _ in xs]
    if a == b or str in (type(a), type(b)):
        a, b = kept(w, a), kept(w, b)
    return w.add(_CONNECTIVES[op], a, b), BOOL, "0"


def _inverse(w: Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, _),) = xs
    if kind not in (BOOL, INT):
        raise NotSpelled
    return w.add(_SUB, "-1.0", x), INT, "1"


def _alias(w: Writer, op: Op, xs: _Operands) -> Number:
    return xs[0]


def _like(w: Writer, op: Op, xs: _Operands) -> Number:
    (n, _, _), (_, kind, tag) = xs
    if type(n) is not str:
        raise NotSpelled
    return (
        (n, FLOAT, "0") if kind == FLOAT else (n, EITHER, tag) if kind == EITHER else (n, INT, "1")
    )


def _where(w: Writer, op: Op, xs: _Operands) -> Number:
    (condition, kind, _), (a, kind_a, tag_a), (b, kind_b, tag_b) = xs
    if kind != BOOL:
        condition = w.add(_NOT_ZERO, condition)
    if a == b or (type(a) is type(b) is str):
        condition = kept(w, condition)
    if BOOL in (kind_a, kind_b):
        if kind_a != kind_b:
            raise NotSpelled
        if not (w.is_safe(a) and w.is_safe(b)):
            raise NotSpelled
        return w.add(_WHERE_OF_CONDITIONS, condition, a, b), BOOL, "0"
    form = _WHERE if w.is_safe(a) and w.is_safe(b) else _call("sg_where", 3)
    y = w.add(form, condition, a, b)
    if kind_a == kind_b and kind_a != EITHER:
        return y, kind_a, tag_a
    return y, EITHER, w.add(_WHERE_OF_CONDITIONS, condition, tag_a, tag_b)


def _power(w: Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, _), (b, kind_b, _) = xs
    if FLOAT in (kind_a, kind_b):
        return w.add(_call("sg_power", 2), a, b), FLOAT, "0"
    # Ints give an int, but for a negative exponent.
    ints = _ints(w, *xs)
    if ints == "1":
        y = w.add(_call("sg_whole_power", 2), a, b)
    else:
        y = w.add(_call("sg_either_power", 3), ints, a, b)
    if type(b) is not str:
        return y, EITHER, _both(w, ints, w.add(_COMPARISONS[choices.at_least.op], b, "0.0"))
    if b[0] == "-":
        return y, FLOAT, "0"
    return y, (INT if ints == "1" else EITHER), ints


def _power_log(w: Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, _), (b, kind_b, _), (n, kind_n, _) = xs
    if type(n) is not str or kind_n != INT:
        raise NotSpelled
    if FLOAT in (kind_a, kind_b):
        return w.add(_call("sg_power_log", 3), a, b, n), FLOAT, "0"
    if float(n) == 0:
        return _power(w, op, xs[:2])
    return w.add(_call("sg_either_power_log", 4), _ints(w, *xs[:2]), a, b, n), FLOAT, "0"


def _scaled(name: str) -> Callable[[Writer, Op, _Operands], Number]:
    def rule(w: Writer, op: Op, xs: _Operands) -> Number:
        (x, kind, tag), (factor, kind_of_factor, _) = xs
        if kind == BOOL:
            raise NotSpelled
        y = w.add(_call(name, 2), x, factor)
        if kind == FLOAT:
            return y, FLOAT, "0"
        if op is activations.leaky_relu.op and kind_of_factor != FLOAT:
            if {kind, kind_of_factor} != {INT}:
                raise NotSpelled
            return w.add(_WHOLE, y), INT, "1"
        # What is positive is returned as it is.
        tag = _both(w, tag, w.add(_COMPARISONS[choices.greater.op], x, "0.0"))
        return y, EITHER, tag

    return rule


def _of_array(name: str) -> Callable[[Writer, Op, _Operands], Number]:
    def rule(w: Writer, op: Op, xs: _Operands) -> Number:
        if not xs:
            raise NotSpelled
        return w.add(_call_of_array(name, len(xs)), *[x for x, _, _ in xs]), FLOAT, "0"

    return rule


def _largest(w: Writer, op: Op, xs: _Operands) -> Number:
    kinds = {kind for _, kind, _ in xs}
    if kinds == {FLOAT} or kinds == {INT}:
        return w.add(_call_of_array("sg_max", len(xs)), *[x for x, _, _ in xs]), *xs[0][1:]
    if not xs:
        raise NotSpelled
    found = xs[0]
    for x in xs[1:]:
        found = _where(w, op, [_comparison_of(w, choices.greater.op, [x, found]), x, found])
    return found


def _second_largest(w: Writer, op: Op, xs: _Operands) -> Number:
    kinds = {kind for _, kind, _ in xs}
    if len(xs) == 1:
        return "-INFINITY", FLOAT, "0"
    y = w.add(_call_of_array("sg_second", len(xs)), *[x for x, _, _ in xs])
    return (y, INT, "1") if kinds == {INT} else (y, FLOAT, "0")  # it is only compared with


def _below(w: Writer, op: Op, xs: _Operands) -> Number:
    x, m, second = xs
    zero = _like(w, op, [("0.0", INT, "1"), x])
    difference = _arithmetic(_call("sg_difference", 2))(w, op, [x, m])
    return _where(w, op, [_comparison_of(w, choices.greater.op, [x, second]), zero, difference])


def _relative(w: Writer, op: Op, xs: _Operands) -> Number:
    y = w.add(_call("sg_relative", 3), *[x for x, _, _ in xs])
    if xs[0][1] != FLOAT:
        raise NotSpelled
    return y, FLOAT, "0"


def _called_back(w: Writer, op: Op, xs: _Operands) -> Number:
    if not xs or (op is special.polygamma.op and xs[0][1] != INT):  # its order must be an int
        raise NotSpelled
    number = f"{CALLED_BACK.index(op)} /* {op.name} */, "
    form = _call_of_array("sg_python", len(xs), number)
    return w.add(form, *[x for x, _, _ in xs]), FLOAT, "0"


# Where conditions are at home: they see to it themselves that these are computed.
OF_CONDITIONS = {*_CONNECTIVES, *_ALIASES, op_of(choices.where), choices.like.op}
RULES: dict[Op, Callable[[Writer, Op, _Operands], Number]] = {
    **dict.fromkeys(FUNCTIONS, _function),
    **dict.fromkeys(IN_KIND, _in_kind),
    **dict.fromkeys(_EXTREMES, _extreme),
    **dict.fromkeys(_COMPARISONS, _comparison_of),
    **dict.fromkeys(_CONNECTIVES, _connected),
    **dict.fromkeys(TESTS, _tested),
    **dict.fromkeys(ROUNDED, _rounded),
    **dict.fromkeys(_ALIASES, _alias),
    **dict.fromkeys(CALLED_BACK, _called_back),
    arithmetic.add.op: _arithmetic(_ADD),
    arithmetic.sub.op: _arithmetic(_SUB),
    arithmetic.mul.op: _arithmetic(MUL),
    arithmetic.neg.op: _arithmetic(_NEG),
    arithmetic.pos.op: _arithmetic(Form("{}", ATOM, (ATOM,), True)),
    arithmetic.mod.op: _arithmetic(_call("sg_mod", 2)),
    arithmetic.floordiv.op: _arithmetic(_call("sg_floordiv", 2)),
    arithmetic.over.op: _over,
    arithmetic.div.op: _division,
    arithmetic.steep.op: _division,
    choices.inverse.op: _inverse,
    choices.like.op: _like,
    op_of(choices.where): _where,
    op_of(choices.clip): _clip,
    arithmetic.sign.op: _sign,
    elementary.power.op: _power,
    op_of(elementary.power_log): _power_log,
    activations.leaky_relu.op: _scaled("sg_leaky_relu"),
    activations.elu.op: _scaled("sg_elu"),
    op_of(activations.logsumexp): _of_array("sg_logsumexp"),
    op_of(many.largest): _largest,
    op_of(many.second_largest): _second_largest,
    op_of(many.below): _below,
    op_of(many.relative): _relative,
    op_of(many.fsum): _of_array("sg_fsum"),
    op_of(many.prod): _prod,
    op_of(many.sumprod): _sumprod,
    total: _total,
}


def _constant(x: float) -> str:
    if type(x) is bool:
        return str(int(x))
    if type(x) is int:
        if abs(x) > LARGEST_INT:
            raise NotSpelled
        x = float(x)
    if x != x:
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "-INFINITY"
    return repr(x)


def literal(value: Any) -> Number:
    """Return a constant's text, kind and tag."""
    kind = {float: FLOAT, int: INT, bool: BOOL}.get(type(value), "")
    if not kind:
        raise TypeError(
            "target 'c' computes with floats and ints; the function has the constant "
            f"{shown(value)} ({type(value).__name__}): target='python' takes any kind of number"
        )
    return _constant(value), kind, str(int(kind == INT))
