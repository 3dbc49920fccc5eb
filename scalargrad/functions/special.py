"""The error function and the gamma function, with their kin."""

import math
from typing import Any

from scalargrad.engine.operators import constant
from scalargrad.engine.primitive import primitive
from scalargrad.functions import numerics
from scalargrad.functions.elementary import exp

__all__ = ["digamma", "erf", "erfc", "erfinv", "gamma", "lgamma", "polygamma"]

_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
_POLE_HINT = "it has poles at 0 and the negative integers"


@primitive(lambda g, y, a: g * (_TWO_OVER_SQRT_PI * exp(-a * a)), forward=math.erf)
def erf(x: Any, /) -> Any:
    """Return the error function of x: 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.

    >>> erf(0.0)
    0.0
    """


@primitive(lambda g, y, a: -g * (_TWO_OVER_SQRT_PI * exp(-a * a)), forward=math.erfc)
def erfc(x: Any, /) -> Any:
    """Return 1 - erf(x), without cancellation for large x.

    >>> erfc(0.0)
    1.0
    """


@primitive(
    lambda g, y, a: g * (exp(y * y) / _TWO_OVER_SQRT_PI),
    hint="erfinv takes -1 < x < 1",
    forward=numerics.erfinv,
)
def erfinv(x: Any, /) -> Any:
    """Return the number whose error function is x.

    Raises ValueError unless -1 < x < 1.

    >>> erfinv(0.0), round(erfinv(erf(0.5)), 12)
    (0.0, 0.5)
    """


@primitive(lambda g, y, a: g * (y * digamma(a)), hint=_POLE_HINT, forward=math.gamma)  # type: ignore[has-type]
def gamma(x: Any, /) -> Any:
    """Return the gamma function of x: (x - 1)! for whole x.

    Raises ValueError at 0 and the negative integers, and OverflowError where the result is too
    large for a float.

    >>> gamma(5.0)
    24.0
    """


@primitive(lambda g, y, a: g * digamma(a), hint=_POLE_HINT, forward=math.lgamma)  # type: ignore[has-type]
def lgamma(x: Any, /) -> Any:
    """Return the logarithm of the absolute value of gamma(x).

    Raises ValueError at 0 and the negative integers, and OverflowError where the result is too
    large for a float.

    >>> lgamma(1.0)
    0.0
    """


@primitive(lambda g, y, a: g * polygamma(1, a), hint=_POLE_HINT, forward=numerics.digamma)  # type: ignore[has-type]
def digamma(x: Any, /) -> Any:
    """Return the digamma function of x: the derivative of lgamma.

    Raises ValueError at 0 and the negative integers.

    >>> round(digamma(1.0), 12)  # minus the Euler-Mascheroni constant
    -0.577215664902
    """


@primitive(
    constant,
    lambda g, y, n, a: g * polygamma(n + 1, a),  # type: ignore[has-type]
    hint=_POLE_HINT,
    forward=numerics.polygamma,
)
def polygamma(n: int, x: Any, /) -> Any:
    """Return the n-th derivative of digamma at x; n is a plain whole number.

    Raises ValueError at 0 and the negative integers, and for an n that is not whole or below 0.

    >>> round(polygamma(1, 1.0), 12)  # pi**2 / 6
    1.644934066848
    """
