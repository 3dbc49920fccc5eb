"""The elementary functions: powers, exponentials, logarithms, and those of angles.

The names, signatures and domain errors are those of Python's `math` module.

>>> from scalargrad import Value
>>> sin(0.0)
0.0
>>> sin(Value(0.0))
Value(data=0.0, grad=0, op='sin')
"""

import math
from typing import Any

from scalargrad.engine import operators
from scalargrad.engine.operators import constant
from scalargrad.engine.primitive import named, op_of, primitive, spelling_of
from scalargrad.engine.tracer import Tracer
from scalargrad.functions import numerics
from scalargrad.functions.arithmetic import fma, over, sqrt, steep
from scalargrad.functions.choices import choose, equal
from scalargrad.functions.many import directions, hypot

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "pow",
    "radians",
    "sin",
    "sinc",
    "sinh",
    "tan",
    "tanh",
]

# --- powers ---------------------------------------------------------------------------------------


def _power_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    if isinstance(b, Tracer):
        return g * _slope(a, b, 0)
    if 2**53 <= abs(b) < math.inf and not isinstance(a, int):
        return g * (b * over(y, a))  # b - 1 would be rounded, from an odd number to an even one
    # At b = 0 the exponent b - 1 would divide by zero at a = 0, where the derivative is 0.
    return g * (b * a ** (0 if b == 0 else b - 1))


def _power_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    # 0**b is constant for b > 0, so its derivative is 0 there, and by convention at b = 0.
    # Of a negative constant there is no log: power_log says so if the derivative is asked for.
    if not isinstance(a, Tracer) and a != 0 and not (isinstance(b, Tracer) and a < 0):
        return g * (y * log(a))
    return g * power_log(choose(equal(a, 0), choose(equal(b, 0), 1, a), a), b, 1)


def _slope(a: Any, b: Any, n: int) -> Any:
    """Return b a**(b - 1) log(a)**n: 0 at b = 0, also at a = 0."""
    zero = equal(b, 0)
    at_zero = over(b * power_log(choose(zero, a, 1), choose(zero, b, 0), n), choose(zero, a, 1))
    return choose(zero, at_zero, b * power_log(a, choose(zero, 1, b) - 1, n))


def _power_log_base(g: Any, y: Any, a: Any, b: Any, n: int) -> Any:
    slope = _slope(a, b, n)
    return g * (slope + n * power_log(a, b - 1, n - 1) if n else slope)


# a**b log(a)**n, the derivatives of a power by its exponent; its limit at a = 0, where it has one.
@primitive(_power_log_base, lambda g, y, a, b, n: g * power_log(a, b, n + 1), constant)  # type: ignore[has-type]
def power_log(a: Any, b: Any, n: int) -> Any:
    if n and a == 0:
        if b <= 0:
            raise ValueError("a derivative of 0**b has no finite value at b <= 0")
        return a * 1.0 if b == b else b
    y = operators.power.forward(a, b)
    return y * math.log(a) ** n if n else y


op_of(power_log).written = "{0}**{1} * log({0})**{2}"

operators.power.rules = (_power_base, _power_exponent)
power = named("power", __name__, operators.power)


@primitive(_power_base, _power_exponent, hint=operators.power.hint, forward=math.pow)
def pow(x: Any, y: Any, /) -> Any:
    """Return x to the power y as a float. `x ** y` keeps ints and Fractions exact.

    Raises ValueError for a negative x with y not whole, and for x = 0 with y negative;
    OverflowError where the result is too large for a float.

    >>> pow(2, 3)
    8.0
    """


# Divided one by one: no two terms of the second derivative have other signs.
@primitive(lambda g, y, a: g / y / (3 * y), forward=numerics.cbrt)
def cbrt(x: Any, /) -> Any:
    """Return the real cube root of x, negative for negative x.

    >>> cbrt(-8.0)
    -2.0
    """


# --- exponentials and logarithms ------------------------------------------------------------------


@primitive(lambda g, y, a: g * y, forward=math.exp)
def exp(x: Any, /) -> Any:
    """Return e to the power x.

    Raises OverflowError where the result is too large for a float.

    >>> exp(0.0)
    1.0
    """


@primitive(lambda g, y, a: g * (y * math.log(2)), forward=numerics.exp2)
def exp2(x: Any, /) -> Any:
    """Return 2 to the power x.

    Raises OverflowError where the result is too large for a float.

    >>> exp2(3.0)
    8.0
    """


@primitive(lambda g, y, a: g * exp(a), forward=math.expm1)
def expm1(x: Any, /) -> Any:
    """Return exp(x) - 1, without cancellation for small x.

    Raises OverflowError where the result is too large for a float.

    >>> expm1(1e-20)
    1e-20
    """


@primitive(lambda g, y, a: g / a, hint="log takes x > 0", forward=math.log)
def _log(x: Any, /) -> Any: ...


@spelling_of(_log)
def log(x: Any, base: Any = None, /) -> Any:
    """Return the natural logarithm of x, or its logarithm to `base`.

    Raises ValueError unless x > 0 and base > 0, and ZeroDivisionError for base 1.

    >>> log(1.0), log(8.0, 2.0)
    (0.0, 3.0)
    """
    return _log(x) if base is None else _log(x) / _log(base)


@primitive(lambda g, y, a: g / (a * math.log(2)), hint="log2 takes x > 0", forward=math.log2)
def log2(x: Any, /) -> Any:
    """Return the logarithm of x to base 2.

    Raises ValueError unless x > 0.

    >>> log2(8.0)
    3.0
    """


@primitive(lambda g, y, a: g / (a * math.log(10)), hint="log10 takes x > 0", forward=math.log10)
def log10(x: Any, /) -> Any:
    """Return the logarithm of x to base 10.

    Raises ValueError unless x > 0.

    >>> log10(1000.0)
    3.0
    """


@primitive(lambda g, y, a: g / (1 + a), hint="log1p takes x > -1", forward=math.log1p)
def log1p(x: Any, /) -> Any:
    """Return log(1 + x), without cancellation for small x.

    Raises ValueError unless x > -1.

    >>> log1p(1e-20)
    1e-20
    """


# --- angles ---------------------------------------------------------------------------------------


@primitive(lambda g, y, a: g * cos(a), hint="sin takes a finite angle", forward=math.sin)  # type: ignore[has-type]
def sin(x: Any, /) -> Any:
    """Return the sine of x, in radians.

    Raises ValueError for an infinite x.

    >>> sin(0.0)
    0.0
    """


# The n-th derivative of sinc.
@primitive(lambda g, y, a, n: g * sinc_derivative(a, n + 1), constant, forward=numerics.sinc)  # type: ignore[has-type]
def sinc_derivative(a: Any, n: int) -> Any: ...


op_of(sinc_derivative).written = "derivative {1} of sinc({0})"


@primitive(lambda g, y, a: g * sinc_derivative(a, 1), forward=numerics.sinc)
def sinc(x: Any, /) -> Any:
    """Return sin(pi x) / (pi x), and 1 at x = 0: normalised, as numpy's.

    >>> sinc(0.0), sinc(1.0), round(sinc(0.5), 12)
    (1.0, 0.0, 0.636619772368)
    """


@primitive(lambda g, y, a: -g * sin(a), hint="cos takes a finite angle", forward=math.cos)
def cos(x: Any, /) -> Any:
    """Return the cosine of x, in radians.

    Raises ValueError for an infinite x.

    >>> cos(0.0)
    1.0
    """


@primitive(lambda g, y, a: g * (1 + y * y), hint="tan takes a finite angle", forward=math.tan)
def tan(x: Any, /) -> Any:
    """Return the tangent of x, in radians.

    Raises ValueError for an infinite x.

    >>> tan(0.0)
    0.0
    """


# 1 - a*a, rounded once, here and below: a difference would cancel near |a| = 1, and the derivative
# of (1 - a)(1 + a) would near a = 0.
@primitive(
    lambda g, y, a: g / sqrt(fma(-a, a, 1)), hint="asin takes -1 <= x <= 1", forward=math.asin
)
def asin(x: Any, /) -> Any:
    """Return the arc sine of x, in radians, in [-pi/2, pi/2].

    Raises ValueError unless -1 <= x <= 1.

    >>> asin(0.0)
    0.0
    """


@primitive(
    lambda g, y, a: -g / sqrt(fma(-a, a, 1)), hint="acos takes -1 <= x <= 1", forward=math.acos
)
def acos(x: Any, /) -> Any:
    """Return the arc cosine of x, in radians, in [0, pi].

    Raises ValueError unless -1 <= x <= 1.

    >>> acos(1.0)
    0.0
    """


# hypot(1, a) is the root of 1 + a*a, whose square may be too large for a float.
@primitive(lambda g, y, a: g / hypot(1, a) / hypot(1, a), forward=math.atan)
def atan(x: Any, /) -> Any:
    """Return the arc tangent of x, in radians, in [-pi/2, pi/2].

    >>> atan(0.0)
    0.0
    """


@primitive(
    lambda g, y, a, b: g * steep(directions([a, b])[1], hypot(a, b)),
    lambda g, y, a, b: -g * steep(directions([a, b])[0], hypot(a, b)),
    forward=math.atan2,
)
def atan2(y: Any, x: Any, /) -> Any:
    """Return the angle of the point (x, y) from the x axis, in radians, in [-pi, pi].

    Its derivative at the origin raises ZeroDivisionError.

    >>> atan2(0.0, 1.0)
    0.0
    """


@primitive(lambda g, y, a: degrees(g), forward=math.degrees)  # type: ignore[has-type]
def degrees(x: Any, /) -> Any:
    """Return the angle x, given in radians, in degrees.

    >>> degrees(0.0)
    0.0
    """


@primitive(lambda g, y, a: radians(g), forward=math.radians)  # type: ignore[has-type]
def radians(x: Any, /) -> Any:
    """Return the angle x, given in degrees, in radians.

    >>> radians(0.0)
    0.0
    """


# --- hyperbolic functions -------------------------------------------------------------------------


@primitive(lambda g, y, a: g * cosh(a), forward=math.sinh)  # type: ignore[has-type]
def sinh(x: Any, /) -> Any:
    """Return the hyperbolic sine of x.

    Raises OverflowError where the result is too large for a float.

    >>> sinh(0.0)
    0.0
    """


@primitive(lambda g, y, a: g * sinh(a), forward=math.cosh)
def cosh(x: Any, /) -> Any:
    """Return the hyperbolic cosine of x.

    Raises OverflowError where the result is too large for a float.

    >>> cosh(0.0)
    1.0
    """


# The square of sech, not 1 - y*y: that loses every digit once y rounds to 1.
@primitive(lambda g, y, a: g * sech(a) ** 2, forward=math.tanh)  # type: ignore[has-type]
def tanh(x: Any, /) -> Any:
    """Return the hyperbolic tangent of x.

    >>> tanh(0.0)
    0.0
    """


@primitive(lambda g, y, a: -g * (y * tanh(a)))
def sech(x: Any, /) -> Any:
    """Return the hyperbolic secant of x, 1 / cosh(x), without overflow."""
    e = math.exp(-math.fabs(x))
    return 2 * e / (1 + e * e)


op_of(sech).written = "1 / cosh({0})"


@primitive(lambda g, y, a: g / hypot(1, a), forward=math.asinh)
def asinh(x: Any, /) -> Any:
    """Return the inverse hyperbolic sine of x.

    >>> asinh(0.0)
    0.0
    """


@primitive(
    lambda g, y, a: g / (sqrt(a - 1) * sqrt(a + 1)), hint="acosh takes x >= 1", forward=math.acosh
)
def acosh(x: Any, /) -> Any:
    """Return the inverse hyperbolic cosine of x.

    Raises ValueError unless x >= 1.

    >>> acosh(1.0)
    0.0
    """


@primitive(lambda g, y, a: g / fma(-a, a, 1), hint="atanh takes -1 < x < 1", forward=math.atanh)
def atanh(x: Any, /) -> Any:
    """Return the inverse hyperbolic tangent of x.

    Raises ValueError unless -1 < x < 1.

    >>> atanh(0.0)
    0.0
    """
