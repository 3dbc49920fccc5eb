"""Arithmetic: the rules of the operators, and of math's functions that are exact or rounded once.

>>> from scalargrad import Value
>>> a, b = Value(3.0), Value(4.0)
>>> (a * b).backward()
>>> a.grad, b.grad
(4.0, 3.0)
"""

import math
import operator
from typing import Any

from scalargrad.engine import operators
from scalargrad.engine.op import Op
from scalargrad.engine.operators import constant
from scalargrad.engine.primitive import named, op_of, primitive, spelling_of
from scalargrad.engine.real import in_kind
from scalargrad.functions import numerics
from scalargrad.functions.choices import choose, choose_positive, greater

__all__ = [
    "ceil",
    "copysign",
    "fabs",
    "floor",
    "fma",
    "fmod",
    "frexp",
    "ldexp",
    "modf",
    "remainder",
    "sign",
    "sqrt",
    "trunc",
]


def _with_sign_of(a: Any, g: Any) -> Any:
    return choose_positive(a, g, choose(greater(0, a), -g, None))


add = named("add", __name__, operators.add)
sub = named("sub", __name__, operators.sub)
mul = named("mul", __name__, operators.mul)
div = named("div", __name__, operators.div)
neg = named("neg", __name__, operators.neg)
pos = named("pos", __name__, operators.pos)
floordiv = named("floordiv", __name__, Op("//", operator.floordiv, [constant, constant]))
operators.mod.rules = (lambda g, y, a, b: g, lambda g, y, a, b: -g * floordiv(a, b))
mod = named("mod", __name__, operators.mod)
operators.absolute.rules = (lambda g, y, a: _with_sign_of(a, g),)
absolute = named("absolute", __name__, operators.absolute)
detach = named("detach", __name__, operators.detach)


@primitive(lambda g, y, a, b: steep(g, b), lambda g, y, a, b: -steep(g * y, b))  # type: ignore[has-type]
def steep(a: Any, b: Any, /) -> Any:
    """Return a / b. Raises OverflowError where that is too large for a float."""
    y = a / b
    if y - y != 0 and a - a == 0 and b == b:  # infinite, of a finite a
        raise OverflowError("a derivative is too large for a float")
    return y


@primitive(lambda g, y, a, b: steep(g, b), lambda g, y, a, b: -steep(g * y, b))
def over(a: Any, b: Any, /) -> Any:
    """Return a / b, but 0 at b = 0, where it has no derivative."""
    return a / b if b else 0 * a


op_of(steep).written = op_of(over).written = "{0} / {1}"


@primitive(lambda g, y, a: g)
def same(x: Any, /) -> Any:
    """Return x as a node of its own: what a transform differentiates by."""
    return x


@primitive(lambda g, y, a: _with_sign_of(a, g), forward=math.fabs)
def fabs(x: Any, /) -> Any:
    """Return the absolute value of x as a float; its derivative at 0 is 0.

    >>> fabs(-3)
    3.0
    """


@primitive(lambda g, y, a, b: _with_sign_of(a, g * copysign(1, b)), constant, forward=math.copysign)  # type: ignore[has-type]
def copysign(x: Any, y: Any, /) -> Any:
    """Return the absolute value of x with the sign of y; the derivative by x at 0 is 0.

    >>> copysign(3.0, -0.0)
    -3.0
    """


@primitive(
    lambda g, y, a, b, c: g * b,
    lambda g, y, a, b, c: g * a,
    lambda g, y, a, b, c: g,
    forward=numerics.fma,
)
def fma(x: Any, y: Any, z: Any, /) -> Any:
    """Return x * y + z, rounded once.

    Raises OverflowError where the result is too large for a float, and ValueError for an
    infinity times zero.

    >>> fma(2.0, 3.0, 1.0)
    7.0
    """


@primitive(lambda g, y, a: g / (2 * y), hint="sqrt takes x >= 0", forward=math.sqrt)
def sqrt(x: Any, /) -> Any:
    """Return the square root of x; at 0 its derivative raises ZeroDivisionError.

    Raises ValueError unless x >= 0.

    >>> sqrt(9.0)
    3.0
    """


# The quotient is whole: a constant to the next derivative.
@primitive(lambda g, y, a, b: g, lambda g, y, a, b: -g * detach((a - y) / b), forward=math.fmod)
def fmod(x: Any, y: Any, /) -> Any:
    """Return the remainder of x / y with the sign of x, as C has it.

    Raises ValueError for y = 0 or an infinite x.

    >>> fmod(-7.0, 3.0)
    -1.0
    """


@primitive(
    lambda g, y, a, b: g, lambda g, y, a, b: -g * detach((a - y) / b), forward=math.remainder
)
def remainder(x: Any, y: Any, /) -> Any:
    """Return x minus the whole multiple of y nearest to it, as IEEE 754 has it.

    Raises ValueError for y = 0 or an infinite x.

    >>> remainder(7.0, 4.0)
    -1.0
    """


@primitive(constant)
def sign(x: Any, /) -> Any:
    """Return 1, 0 or -1, in x's own kind: the sign of x; its derivative is 0. nan gives nan.

    >>> sign(-2.5), sign(3)
    (-1.0, 1)
    """
    return in_kind((1 if x > 0 else 0) - (1 if x < 0 else 0), x) if x == x else x


@primitive(constant, forward=math.floor)
def floor(x: Any, /) -> Any:
    """Return the largest whole number that is not above x, as an int; its derivative is 0.

    Raises OverflowError for an infinity, and ValueError for nan.

    >>> floor(-2.5)
    -3
    """


@primitive(constant, forward=math.ceil)
def ceil(x: Any, /) -> Any:
    """Return the smallest whole number that is not below x, as an int; its derivative is 0.

    Raises OverflowError for an infinity, and ValueError for nan.

    >>> ceil(-2.5)
    -2
    """


@primitive(constant)
def trunc(x: Any, /) -> Any:
    """Return x without its fractional part, as an int; its derivative is 0.

    Raises OverflowError for an infinity, and ValueError for nan.

    >>> trunc(-2.5)
    -2
    """
    # Some of numpy's scalars have no way to be truncated.
    return math.trunc(x if hasattr(x, "__trunc__") else math.ldexp(x, 0))


@primitive(
    lambda g, y, x, i: ldexp(g, i),  # type: ignore[has-type]
    constant,
    hint="ldexp takes a number and an int",
    forward=math.ldexp,
)
def ldexp(x: Any, i: int, /) -> Any:
    """Return x * 2**i as a float; i is an int, by which there is no derivative.

    Raises OverflowError where the result is too large for a float.

    >>> ldexp(0.75, 4)
    12.0
    """


@primitive(constant)
def _exponent(x: Any, /) -> Any:
    return math.frexp(x)[1]


op_of(_exponent).written = "frexp({0})"


@spelling_of(_exponent)
def frexp(x: Any, /) -> Any:
    """Return m and e with x = m * 2**e and 0.5 <= |m| < 1: e, an int, has the derivative 0.

    Of 0, an infinity and nan, m is that and e is 0.

    >>> frexp(12.0)
    (0.75, 4)
    """
    e = _exponent(x)
    return ldexp(x, -e), e


@primitive(lambda g, y, a: g)
def _fraction(x: Any, /) -> Any:
    return math.modf(x)[0]


@primitive(constant)
def _whole(x: Any, /) -> Any:
    return math.modf(x)[1]


op_of(_fraction).written = op_of(_whole).written = "modf({0})"


@spelling_of(_fraction)
def modf(x: Any, /) -> Any:
    """Return the fractional and the whole part of x, as floats with its sign.

    The derivative of the fraction is 1, that of the whole part 0.

    >>> modf(-2.75)
    (-0.75, -2.0)
    """
    return _fraction(x), _whole(x)
