"""Numeric functions on plain numbers that some supported Python's ``math`` module lacks.

``cbrt`` and ``exp2`` (in ``math`` since Python 3.11), ``sumprod`` (3.12) and ``fma`` (3.13) are
``math``'s own where it has them; elsewhere they are the underscored functions below, which give
the same kinds of results and raise the same errors.  ``polygamma``, ``digamma``, ``erfinv``
and ``sinc`` are always ours.
"""

from __future__ import annotations

import math
import sys
from operator import mul, truediv

TYPE_CHECKING = False  # type checkers take this name as true; importing typing would cost time
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

    RealLike: TypeAlias = SupportsFloat | SupportsIndex

__all__ = ["cbrt", "digamma", "erfinv", "exp2", "fma", "polygamma", "sinc", "sumprod"]


def _as_float(x: RealLike) -> float:
    """Convert as ``math``'s functions do: unlike ``float``, this refuses strings."""
    return math.ldexp(x, 0)


def _cbrt(x: RealLike, /) -> float:
    """Return the real cube root of ``x`` (negative for negative ``x``), to within 1 ulp.

    Zeros (with their sign), infinities and nan are returned as they are.

    >>> cbrt(-8)
    -2.0
    """
    x = _as_float(x)
    if x == 0 or not math.isfinite(x):
        return x
    root = math.copysign(abs(x) ** (1 / 3), x)
    # One Newton step for r**3 = x, in a form where nothing can overflow: 1/3 is not a float, so
    # root is a few hundred ulps off at worst; the step squares that away, leaving only rounding.
    return root - (root - x / (root * root)) / 3


def _exp2(x: RealLike, /) -> float:
    """Return 2 to the power ``x``; raise OverflowError if that is too large for a float.

    >>> exp2(10), exp2(-0.5)
    (1024.0, 0.7071067811865476)
    """
    return math.pow(2.0, x)


def _fma(x: RealLike, y: RealLike, z: RealLike, /) -> float:
    """Return ``x * y + z`` rounded once, as if computed with unlimited precision and range.

    Raise ValueError for ``0 * inf`` or ``inf - inf`` (if none of the three is nan, else the result
    is nan) and OverflowError if a finite result is too large for a float.

    >>> fma(0.1, 10.0, -1.0), 0.1 * 10.0 - 1.0
    (5.551115123125783e-17, 0.0)
    """
    x, y, z = _as_float(x), _as_float(y), _as_float(z)
    if not (math.isfinite(x) and math.isfinite(y)):
        result = x * y + z
        if math.isnan(result) and not (math.isnan(x) or math.isnan(y) or math.isnan(z)):
            raise ValueError("invalid operation in fma")
        return result
    if not math.isfinite(z):
        return z
    if x == 0 or y == 0:
        return x * y + z  # exact, and gets the sign of a zero right
    (a, b), (c, d), (e, f) = x.as_integer_ratio(), y.as_integer_ratio(), z.as_integer_ratio()
    try:
        return (a * c * f + e * b * d) / (b * d * f)  # int / int is correctly rounded
    except OverflowError:
        raise OverflowError("overflow in fma") from None


def _sumprod(p: Iterable[Any], q: Iterable[Any], /) -> Any:
    """Return the sum of the products of corresponding elements of ``p`` and ``q``.

    Ints, Fractions and Decimals keep their kind.  For floats each product is rounded and the
    products are then added without further error (``math.sumprod`` does not round the products
    either, so it may differ in the last place).  Raise ValueError if the lengths differ.

    >>> sumprod([1, 2, 3], [4, 5, 6])
    32
    """
    if type(p) is not list or type(q) is not list:
        p, q = list(p), list(q)
    if len(p) != len(q):
        raise ValueError("Inputs are not the same length")
    products = [*map(mul, p, q)]
    total = sum(products)
    if isinstance(total, float) and math.isfinite(total):
        try:
            return math.fsum(products)
        except OverflowError:  # an exact partial sum is too large, though no rounded one was
            return total
    return total


# Separate tests of sys.version_info, not hasattr, because type checkers follow these.
if sys.version_info >= (3, 11):
    cbrt = math.cbrt
    exp2 = math.exp2
else:
    cbrt = _cbrt
    exp2 = _exp2

if sys.version_info >= (3, 12):
    sumprod = math.sumprod
else:
    sumprod = _sumprod

if sys.version_info >= (3, 13):
    fma = math.fma
else:
    fma = _fma


def products_of_others(xs: Sequence[float]) -> list[float]:
    """Return for each of ``xs`` the product of the others; nothing under- or overflows on the way.

    >>> products_of_others([1.0, 2.0**700, 2.0**-700, 2.0**-600]) == [2.0**-600, 0.0, 2.0**100, 1.0]
    True
    """
    parts = [math.frexp(x) for x in xs]
    before, after = _running_products(parts), _running_products(parts[::-1])[::-1]
    return [_scaled(a * c, b + d) for (a, b), (c, d) in zip(before, after, strict=True)]


def _running_products(parts: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return for each number the product of those before it, all as (a, b) for a * 2**b."""
    product, exponent = 1.0, 0
    products = []
    for a, b in parts:
        products.append((product, exponent))
        product, shift = math.frexp(product * a)
        exponent += b + shift
    return products


def _scaled(x: float, exponent: int) -> float:
    try:
        return math.ldexp(x, exponent)
    except OverflowError:
        return math.copysign(math.inf, x)  # as a product has it


# The Bernoulli numbers B_2, B_4, ..., B_20.
_BERNOULLI = tuple(
    map(
        truediv,
        (1, -1, 1, -1, 5, -691, 7, -3617, 43867, -174611),
        (6, 30, 42, 30, 66, 2730, 6, 510, 798, 330),
    )
)


def polygamma(n: int, x: RealLike) -> float:
    """Return the ``n``-th derivative of the digamma function at ``x`` (``n = 0``: digamma itself).

    The relative error is within about ``3e-16 * (n + 4)``, except next to a zero of the function,
    where it is the absolute error that is small.  The time grows with ``n``.  Raise ValueError if
    ``n`` is not a non-negative int or ``x`` is a pole (0, -1, -2, ...) or -inf, OverflowError if
    the result is too large for a float.  nan gives nan.

    >>> round(polygamma(1, 1), 12)  # pi**2 / 6
    1.644934066848
    """
    if not isinstance(n, int) or n < 0:
        raise ValueError("the order of polygamma must be a non-negative int")
    x = _as_float(x)
    if math.isnan(x):
        return x
    if x == math.inf:
        return math.copysign(0.0, (-1) ** (n + 1)) if n else x
    if x <= 0 and math.remainder(x, 1.0) == 0:  # for -inf, remainder itself raises this error
        raise ValueError("math domain error")
    try:
        if x > 0:
            result = _polygamma_positive(n, x)
        else:  # reflection, DLMF 5.15.6
            result = (-1) ** n * _polygamma_positive(n, 1 - x) - _pi_cot_derivative(n, x)
    except OverflowError:
        result = math.inf
    if math.isinf(result):
        raise OverflowError("math range error")
    return result


def _polygamma_positive(n: int, x: float) -> float:
    """Return polygamma for finite ``x > 0``.

    The recurrence (DLMF 5.15.5) leads from x up to y >= n + 10, where 10 terms of the asymptotic
    series (5.11.2, 5.15.8) are enough for any n: the first one left out is below 1e-17 of the sum.
    """
    steps = max(0, math.ceil(n + 10 - x))
    y = x + steps
    tail, term = [0.5], (n + 1) / 2 / y  # term = (n+1)(n+2)...(n+i-1) / (i! * y**(i-1)) for i = 2
    for i, bernoulli in zip(range(2, 22, 2), _BERNOULLI, strict=True):
        tail.append(bernoulli * term)
        term *= (n + i) / (i + 1) / y * (n + i + 1) / (i + 2) / y
    if n == 0:
        return math.fsum([math.log(y), *(-1 / (x + k) for k in range(steps)), -sum(tail) / y])
    # polygamma is (-1)**(n+1) * n! * (x**-(n+1) + (x+1)**-(n+1) + ...).  Sum it in units of the
    # first term and multiply by that last, in exact integers: n! and the power could overflow.
    ratio = (x / y) ** (n + 1)
    terms = [(x / (x + k)) ** (n + 1) for k in range(steps)]
    total = math.fsum([*terms, ratio * (y / n), *(ratio * t for t in tail)])
    (a, b), (c, d) = x.as_integer_ratio(), total.as_integer_ratio()
    size: float = math.factorial(n) * c * b ** (n + 1) / (d * a ** (n + 1))
    return size if n % 2 else -size


def _pi_cot_derivative(n: int, x: float) -> float:
    """Return the ``n``-th derivative of pi cot(pi x), for a finite ``x`` that is no integer.

    It is pi**(n+1) P_n(cot(pi x)), where P_0(c) = c and, since the derivative of cot is
    -(1 + cot**2), P_(n+1)(c) = -(1 + c**2) P_n'(c).  All terms of P_n(c) have the same sign.
    """
    r = math.remainder(x, 1.0)  # exact, as is 0.5 - abs(r) below, so c is good near its zeros too
    c = 1 / math.tan(math.pi * r)
    if abs(r) > 0.25:
        c = math.copysign(math.tan(math.pi * (0.5 - abs(r))), r)
    poly = [0, 1]  # poly[i] is the coefficient of c**i
    for _ in range(n):
        slope = [-i * p for i, p in enumerate(poly)][1:]
        poly = [a + b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    a, b = c.as_integer_ratio()
    numerator = sum(p * a**i * b ** (n + 1 - i) for i, p in enumerate(poly))
    return numerator / b ** (n + 1) * math.pi ** (n + 1) if numerator else 0.0


def digamma(x: RealLike) -> float:
    """Return the logarithmic derivative of the gamma function at ``x``: ``polygamma(0, x)``.

    >>> round(digamma(1), 12)  # minus Euler's constant
    -0.577215664902
    """
    return polygamma(0, x)


def erfinv(x: RealLike) -> float:
    """Return the number whose error function is ``x``, to within a few ulps.

    Raise ValueError unless ``-1 < x < 1``.  nan gives nan.

    >>> erfinv(0.5)
    0.4769362762044699
    """
    x = _as_float(x)
    if not -1 < x < 1:
        if math.isnan(x):
            return x
        raise ValueError("math domain error")
    size = abs(x)
    # S. Winitzki's approximation (2008), good to 2e-3; each of Halley's steps then cubes the error.
    half = math.log1p(-x * x) / 2
    base = 2 / (math.pi * 0.147) + half
    # The difference of the square root and the base, without cancellation.
    y = math.sqrt(-half / 0.147 * 2 / (math.sqrt(base * base - 2 * half / 0.147) + base))
    for _ in range(3):
        # 1 - size has no rounding there, and erfc is exact where erf is nearly 1.
        error = math.erf(y) - size if size < 0.5 else (1 - size) - math.erfc(y)
        step = error * math.sqrt(math.pi) / 2 * math.exp(y * y)
        y -= step / (1 + y * step)
    return math.copysign(y, x)


def sinc(x: RealLike, n: int = 0) -> float:
    """Return ``sin(pi x) / (pi x)``, 1 at 0, or its ``n``-th derivative.

    The error is a few ulps of the largest that the function or derivative gets.  Infinities give
    the limit, 0.  nan gives nan.

    >>> sinc(0), sinc(2), round(sinc(1, 1), 12)
    (1.0, 0.0, -1.0)
    """
    x = _as_float(x)
    if math.isnan(x):
        return x
    if math.isinf(x):
        return 0.0
    z = math.pi * x
    # z sin(z)/z is sin z; differentiated k times: z f_k + k f_(k-1) = sin(z + k pi/2). Upwards,
    # an error grows by k/z in each step; downwards, by z/k: so it is taken where that shrinks it.
    if abs(z) > max(n, 1):
        f = _sin_quarters(x, 0) / z
        for k in range(1, n + 1):
            f = (_sin_quarters(x, k) - k * f) / z
    else:
        f = 0.0
        for k in range(n + 30 + int(abs(z)), n, -1):
            f = (_sin_quarters(x, k) - z * f) / k
    return f * math.pi**n


def _sin_quarters(x: float, k: int) -> float:
    """Return sin(pi x + k pi/2), with the zeros in their places."""
    r = math.remainder(x, 2.0)  # exact, as the next difference is
    if abs(r) > 0.5 and k % 2 == 0:
        r = math.copysign(1.0, r) - r
        return math.sin(math.pi * r) * (1 - k % 4)
    if k % 2 == 0:
        return math.sin(math.pi * r) * (1 - k % 4)
    return math.sin(math.pi * (0.5 - abs(r))) * (2 - k % 4)
