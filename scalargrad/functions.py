"""The functions: one spelling for plain numbers, Values and whatever else records.

The names, signatures and domain errors are those of Python's `math` module, and all of them are
here on every supported Python. Each takes plain numbers and gives a plain number, or takes Values
among them and gives a Value; what it raises on numbers it raises on Values, naming the op, its
inputs and their labels. Beyond `math` there are the activations and choices of small networks.

>>> from scalargrad import Value
>>> sin(0.0)
0.0
>>> sin(Value(0.0))
Value(data=0.0, grad=0)
"""

from collections.abc import Iterable

from scalargrad import ops
from scalargrad.ops import Number


def acos(x: Number) -> Number:
    """Return the arc cosine of x, in radians, in [0, pi].

    Raises ValueError unless -1 <= x <= 1.

    >>> acos(1.0)
    0.0
    """
    return ops.acos(x)


def acosh(x: Number) -> Number:
    """Return the inverse hyperbolic cosine of x.

    Raises ValueError unless x >= 1.

    >>> acosh(1.0)
    0.0
    """
    return ops.acosh(x)


def asin(x: Number) -> Number:
    """Return the arc sine of x, in radians, in [-pi/2, pi/2].

    Raises ValueError unless -1 <= x <= 1.

    >>> asin(0.0)
    0.0
    """
    return ops.asin(x)


def asinh(x: Number) -> Number:
    """Return the inverse hyperbolic sine of x.

    >>> asinh(0.0)
    0.0
    """
    return ops.asinh(x)


def atan(x: Number) -> Number:
    """Return the arc tangent of x, in radians, in [-pi/2, pi/2].

    >>> atan(0.0)
    0.0
    """
    return ops.atan(x)


def atanh(x: Number) -> Number:
    """Return the inverse hyperbolic tangent of x.

    Raises ValueError unless -1 < x < 1.

    >>> atanh(0.0)
    0.0
    """
    return ops.atanh(x)


def cbrt(x: Number) -> Number:
    """Return the real cube root of x, negative for negative x.

    >>> cbrt(-8.0)
    -2.0
    """
    return ops.cbrt(x)


def cos(x: Number) -> Number:
    """Return the cosine of x, in radians.

    Raises ValueError for an infinite x.

    >>> cos(0.0)
    1.0
    """
    return ops.cos(x)


def cosh(x: Number) -> Number:
    """Return the hyperbolic cosine of x.

    Raises OverflowError where the result is too large for a float.

    >>> cosh(0.0)
    1.0
    """
    return ops.cosh(x)


def degrees(x: Number) -> Number:
    """Return the angle x, given in radians, in degrees.

    >>> degrees(0.0)
    0.0
    """
    return ops.degrees(x)


def digamma(x: Number) -> Number:
    """Return the digamma function of x: the derivative of lgamma.

    Raises ValueError at 0 and the negative integers.

    >>> round(digamma(1.0), 12)  # minus the Euler-Mascheroni constant
    -0.577215664902
    """
    return ops.digamma(x)


def erf(x: Number) -> Number:
    """Return the error function of x: 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.

    >>> erf(0.0)
    0.0
    """
    return ops.erf(x)


def erfc(x: Number) -> Number:
    """Return 1 - erf(x), without cancellation for large x.

    >>> erfc(0.0)
    1.0
    """
    return ops.erfc(x)


def exp(x: Number) -> Number:
    """Return e to the power x.

    Raises OverflowError where the result is too large for a float.

    >>> exp(0.0)
    1.0
    """
    return ops.exp(x)


def exp2(x: Number) -> Number:
    """Return 2 to the power x.

    Raises OverflowError where the result is too large for a float.

    >>> exp2(3.0)
    8.0
    """
    return ops.exp2(x)


def expm1(x: Number) -> Number:
    """Return exp(x) - 1, without cancellation for small x.

    Raises OverflowError where the result is too large for a float.

    >>> expm1(1e-20)
    1e-20
    """
    return ops.expm1(x)


def fabs(x: Number) -> Number:
    """Return the absolute value of x as a float; its derivative at 0 is 0.

    >>> fabs(-3)
    3.0
    """
    return ops.fabs(x)


def gamma(x: Number) -> Number:
    """Return the gamma function of x: (x - 1)! for whole x.

    Raises ValueError at 0 and the negative integers, and OverflowError where the result is too
    large for a float.

    >>> gamma(5.0)
    24.0
    """
    return ops.gamma(x)


def lgamma(x: Number) -> Number:
    """Return the logarithm of the absolute value of gamma(x).

    Raises ValueError at 0 and the negative integers, and OverflowError where the result is too
    large for a float.

    >>> lgamma(1.0)
    0.0
    """
    return ops.lgamma(x)


def log10(x: Number) -> Number:
    """Return the logarithm of x to base 10.

    Raises ValueError unless x > 0.

    >>> log10(1000.0)
    3.0
    """
    return ops.log10(x)


def log1p(x: Number) -> Number:
    """Return log(1 + x), without cancellation for small x.

    Raises ValueError unless x > -1.

    >>> log1p(1e-20)
    1e-20
    """
    return ops.log1p(x)


def log2(x: Number) -> Number:
    """Return the logarithm of x to base 2.

    Raises ValueError unless x > 0.

    >>> log2(8.0)
    3.0
    """
    return ops.log2(x)


def radians(x: Number) -> Number:
    """Return the angle x, given in degrees, in radians.

    >>> radians(0.0)
    0.0
    """
    return ops.radians(x)


def sin(x: Number) -> Number:
    """Return the sine of x, in radians.

    Raises ValueError for an infinite x.

    >>> sin(0.0)
    0.0
    """
    return ops.sin(x)


def sinh(x: Number) -> Number:
    """Return the hyperbolic sine of x.

    Raises OverflowError where the result is too large for a float.

    >>> sinh(0.0)
    0.0
    """
    return ops.sinh(x)


def sqrt(x: Number) -> Number:
    """Return the square root of x; at 0 its derivative raises ZeroDivisionError.

    Raises ValueError unless x >= 0.

    >>> sqrt(9.0)
    3.0
    """
    return ops.sqrt(x)


def tan(x: Number) -> Number:
    """Return the tangent of x, in radians.

    Raises ValueError for an infinite x.

    >>> tan(0.0)
    0.0
    """
    return ops.tan(x)


def tanh(x: Number) -> Number:
    """Return the hyperbolic tangent of x.

    >>> tanh(0.0)
    0.0
    """
    return ops.tanh(x)


def relu(x: Number) -> Number:
    """Return x where it is positive, else 0, in x's own kind; its derivative at 0 is 0.

    >>> relu(-2.0), relu(3)
    (0.0, 3)
    """
    return ops.relu(x)


def sigmoid(x: Number) -> Number:
    """Return 1 / (1 + exp(-x)), at any x without overflow.

    >>> sigmoid(0.0), sigmoid(-1e6)
    (0.5, 0.0)
    """
    return ops.sigmoid(x)


def silu(x: Number) -> Number:
    """Return x * sigmoid(x), also called swish.

    >>> silu(0.0)
    0.0
    """
    return ops.silu(x)


def softplus(x: Number) -> Number:
    """Return log(1 + exp(x)), at any x without overflow.

    >>> softplus(1e6)
    1000000.0
    """
    return ops.softplus(x)


def gelu(x: Number) -> Number:
    """Return x times the normal distribution's cdf at x: PyTorch's default, exact form.

    >>> gelu(0.0), gelu(1e6)
    (0.0, 1000000.0)
    """
    return ops.gelu(x)


def log(x: Number, base: Number | None = None) -> Number:
    """Return the natural logarithm of x, or its logarithm to `base`.

    Raises ValueError unless x > 0 and base > 0, and ZeroDivisionError for base 1.

    >>> log(1.0), log(8.0, 2.0)
    (0.0, 3.0)
    """
    return ops.log(x) if base is None else ops.log(x) / ops.log(base)


def atan2(y: Number, x: Number) -> Number:
    """Return the angle of the point (x, y) from the x axis, in radians, in [-pi, pi].

    Its derivative at the origin raises ZeroDivisionError.

    >>> atan2(0.0, 1.0)
    0.0
    """
    return ops.atan2(y, x)


def copysign(x: Number, y: Number) -> Number:
    """Return the absolute value of x with the sign of y; the derivative by x at 0 is 0.

    >>> copysign(3.0, -0.0)
    -3.0
    """
    return ops.copysign(x, y)


def fma(x: Number, y: Number, z: Number) -> Number:
    """Return x * y + z, rounded once.

    Raises OverflowError where the result is too large for a float, and ValueError for an
    infinity times zero.

    >>> fma(2.0, 3.0, 1.0)
    7.0
    """
    return ops.fma(x, y, z)


def fmod(x: Number, y: Number) -> Number:
    """Return the remainder of x / y with the sign of x, as C has it.

    Raises ValueError for y = 0 or an infinite x.

    >>> fmod(-7.0, 3.0)
    -1.0
    """
    return ops.fmod(x, y)


def pow(x: Number, y: Number) -> Number:
    """Return x to the power y as a float. `x ** y` keeps ints and Fractions exact.

    Raises ValueError for a negative x with y not whole, and for x = 0 with y negative;
    OverflowError where the result is too large for a float.

    >>> pow(2, 3)
    8.0
    """
    return ops.math_pow(x, y)


def remainder(x: Number, y: Number) -> Number:
    """Return x minus the whole multiple of y nearest to it, as IEEE 754 has it.

    Raises ValueError for y = 0 or an infinite x.

    >>> remainder(7.0, 4.0)
    -1.0
    """
    return ops.remainder(x, y)


def maximum(a: Number, b: Number) -> Number:
    """Return the larger of a and b; where they tie, each gets half of the gradient.

    A nan on either side gives nan.

    >>> maximum(2, 5)
    5
    """
    return ops.maximum(a, b)


def minimum(a: Number, b: Number) -> Number:
    """Return the smaller of a and b; where they tie, each gets half of the gradient.

    A nan on either side gives nan.

    >>> minimum(2, 5)
    2
    """
    return ops.minimum(a, b)


def where(condition: Number, a: Number, b: Number) -> Number:
    """Return a if the condition holds, else b; the gradient goes to the one returned.

    The condition is a bool or a number, as of an `if`. Both a and b have been evaluated: guard a
    branch that may fail with a `where` on its input.

    >>> where(3 > 2, 1.0, -1.0)
    1.0
    """
    return ops.select(condition, a, b)


def leaky_relu(x: Number, negative_slope: Number = 0.01) -> Number:
    """Return x where it is positive, else negative_slope * x. The derivative at 0 is the slope.

    >>> leaky_relu(3.0), leaky_relu(-2.0, 0.5)
    (3.0, -1.0)
    """
    return ops.leaky_relu(x, negative_slope)


def elu(x: Number, alpha: Number = 1.0) -> Number:
    """Return x where it is positive, else alpha * (exp(x) - 1). The derivative at 0 is alpha.

    >>> elu(3.0), elu(-1e6)
    (3.0, -1.0)
    """
    return ops.elu(x, alpha)


def fsum(xs: Iterable[Number]) -> Number:
    """Return the sum of xs as a float, without rounding on the way. One node, whatever the length.

    >>> fsum([0.1] * 10)
    1.0
    """
    return ops.fsum(*xs)


def prod(xs: Iterable[Number], *, start: Number = 1) -> Number:
    """Return the product of start and all of xs: one node, whatever the length.

    >>> prod([2, 3, 4])
    24
    """
    first = () if type(start) is int and start == 1 else (start,)
    return ops.prod(*first, *xs)


def sumprod(p: Iterable[Number], q: Iterable[Number]) -> Number:
    """Return the sum of the products p[i] * q[i]: one node, whatever the length.

    Raises ValueError unless p and q are equally long.

    >>> sumprod([1, 2, 3], [10, 20, 30])
    140
    """
    return ops.sumprod(*_paired("sumprod", p, q))


def dist(p: Iterable[Number], q: Iterable[Number]) -> Number:
    """Return the Euclidean distance of the points p and q: one node, whatever the dimension.

    The derivative where they coincide is 0. Raises ValueError unless p and q are equally long.

    >>> dist([0.0, 0.0], [3.0, 4.0])
    5.0
    """
    return ops.dist(*_paired("dist", p, q))


def hypot(*coordinates: Number) -> Number:
    """Return the Euclidean length of a vector: one node, whatever the dimension.

    The derivative at the origin is 0.

    >>> hypot(3.0, 4.0)
    5.0
    """
    return ops.hypot(*coordinates)


def logsumexp(xs: Iterable[Number]) -> Number:
    """Return the logarithm of the sum of exp(x) over xs, without overflow: one node.

    Raises ValueError for no numbers at all.

    >>> logsumexp([1e6, -1e6])
    1000000.0
    """
    inputs = tuple(xs)
    if not inputs:
        raise ValueError("logsumexp needs at least one number, got none")
    return ops.logsumexp(*inputs)


def softmax(xs: Iterable[Number]) -> list[Number]:
    """Return a list: for each of xs, exp(x) divided by the sum of them all, without overflow.

    Raises ValueError for no numbers at all.

    >>> softmax([1e6, 1e6])
    [0.5, 0.5]
    """
    inputs = tuple(xs)
    if not inputs:
        raise ValueError("softmax needs at least one number, got none")
    return ops.softmax(inputs)


def _paired(name: str, p: Iterable[Number], q: Iterable[Number]) -> tuple[Number, ...]:
    p, q = tuple(p), tuple(q)
    if len(p) != len(q):
        raise ValueError(
            f"{name} takes two equally long sequences, not one of {len(p)} and one of {len(q)}"
        )
    return p + q
