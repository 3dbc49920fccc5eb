"""The digits of derivatives, to the third order, by mpmath: from 1e-300 to 1e300, and at the edges.

A derivative may be off by 1e-12 of itself, or by what a few ulps of the input change in it: no
more is asked of arithmetic that rounds. Below 1e-290 that holds of the digits that are left. Of
functions of several numbers the second and third are taken where no number is below 1e-100.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pytest

import scalargrad
from scalargrad import grad
from scalargrad.functions.methods import public_functions

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

SIZES = [
    *(10.0**k for k in (-300, -200, -162, -100, -50, -17, -12, -8, -5, -3, -1)),
    *(0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 25.0, 36.0, 100.0, 300.0, 600.0),
    *(10.0**k for k in (3, 5, 8, 12, 16, 50, 80, 100, 160, 200, 300)),
]
ALL = [0.0, *SIZES, *(-x for x in SIZES)]
POSITIVE = SIZES
EDGE = [2.0**-k for k in (2, 5, 10, 20, 30, 40, 52, 53)]
UNIT = [x for x in ALL if abs(x) < 1] + [s * (1 - e) for e in EDGE for s in (1, -1)]
# The angles of 1e16 and less: beyond, an ulp is larger than a period.
ANGLES = [x for x in ALL if abs(x) < 1e17] + [math.pi / 2, math.pi, 100 * math.pi]
AT_POLES = [x for x in ALL if -20 < x < 1e17 and (x > 0 or x % 1)]
AT_POLES += [k + s * e for k in (-3, -1, 1, 2) for e in EDGE for s in (1, -1) if k + s * e]
AT_POLES = [x for x in AT_POLES if x > 0 or x % 1]


def erfc(x: Any) -> Any:
    return mp.mpf(2 * (x < 0)) if abs(x) > 60 else mp.erfc(x)  # exp(-3600) is nothing here


# Each function of one number: what it is in mpmath, and the points.
OF_ONE: dict[str, tuple[Callable[[Any], Any], Iterable[float]]] = {
    **{name: (getattr(mp, name), ALL) for name in ("asinh", "atan", "cosh", "sinh", "tanh")},
    **{name: (getattr(mp, name), ALL) for name in ("exp", "expm1", "degrees", "radians")},
    **{name: (getattr(mp, name), ANGLES) for name in ("cos", "sin", "tan")},
    **{name: (getattr(mp, name), UNIT) for name in ("acos", "asin", "atanh", "erfinv")},
    **{name: (getattr(mp, name), POSITIVE) for name in ("log", "log10", "sqrt")},
    **{name: (getattr(mp, name), AT_POLES) for name in ("gamma", "digamma")},
    "acosh": (mp.acosh, [x for x in [*POSITIVE, *(1 + e for e in EDGE)] if x > 1]),
    "lgamma": (lambda x: mp.log(abs(mp.gamma(x))), AT_POLES),
    "log1p": (mp.log1p, POSITIVE + [-x for x in UNIT if x > 0]),
    "log2": (lambda x: mp.log(x) / mp.log(2), POSITIVE),
    "exp2": (lambda x: mp.mpf(2) ** x, ALL),
    "erf": (lambda x: mp.sign(x) if abs(x) > 60 else mp.erf(x), ALL),
    "erfc": (erfc, ALL),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), [x for x in ALL if x]),
    "fabs": (abs, [x for x in ALL if x]),
    "relu": (lambda x: max(x, mp.mpf(0)), [x for x in ALL if x]),
    "leaky_relu": (lambda x: x if x > 0 else mp.mpf(0.01) * x, [x for x in ALL if x]),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), [x for x in ALL if x]),
    "gelu": (lambda x: x * erfc(-x / mp.sqrt(2)) / 2, ALL),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), ALL),
    "silu": (lambda x: x / (1 + mp.exp(-x)), ALL),
    "softplus": (lambda x: max(x, 0) + mp.log1p(mp.exp(-abs(x))), ALL),
    "logsigmoid": (lambda x: min(x, 0) - mp.log1p(mp.exp(-abs(x))), ALL),
    "logit": (lambda x: mp.log(x) - mp.log1p(-x), [x for x in UNIT if x > 0]),
    "sinc": (mp.sincpi, ANGLES),
}
# Rounding, choices and tests of numbers: their derivatives are 0 or 1.
PLAIN = {
    *("ceil", "floor", "trunc", "sign", "clip", "maximum", "minimum", "where", "copysign"),
    *("isclose", "isfinite", "isinf", "isnan", "fma", "fsum", "sumprod", "fmod", "remainder"),
    *("frexp", "ldexp", "modf"),
    "polygamma",  # below by its orders
}


def length(*xs: Any) -> Any:
    return mp.sqrt(mp.fsum(x * x for x in xs))


def distance(*xs: Any) -> Any:
    return length(*(a - b for a, b in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=True)))


def logsumexp(*xs: Any) -> Any:
    return max(xs) + mp.log(mp.fsum(mp.exp(x - max(xs)) for x in xs))


PAIRS = [*itertools.product((1e-300, 1e-160, 1e-20, 0.3, 1.0, 7.0, 1e20, 1e160, 1e300), repeat=2)]
FAR = [(0.0, 40.0), (40.0, 0.0), (3.0, 3.0), (-700.0, 0.0), (1e300, -1e300), (5.0,)]
FAR += [(0.0, 40.0, 41.0), (0.1, 0.2, 50.0, 90.0), (1e6, 1e6 + 1, -1e6), (1e-300, 0.0, 1e-20)]
POWERS: list[tuple[float, ...]] = [
    (x, y)
    for x in (1e-300, 1e-20, 0.5, 1.0, 1 - 2**-53, 3.0, 1e20, 1e300)
    for y in (-2.0, -1.0, -0.5, -1e-20, 1e-20, 0.5, 1.0, 1.5, 2.0, 3.0, 1e-300)
]
FACTORS = [(1.0, 1e200, 1e-200, 1e-200), (1e-300, 1e300, 2.0), (1e200, 1e-200, 1e200, 1e-200)]
# Each function of several numbers: ours and mpmath's, and the points.
OF_MANY: dict[str, tuple[Callable[..., Any], Callable[..., Any], list[tuple[float, ...]]]] = {
    "pow": (scalargrad.pow, mp.power, POWERS),
    "**": (operator.pow, mp.power, POWERS),
    "log": (
        scalargrad.log,
        lambda x, b: mp.log(x) / mp.log(b),
        [(x, b) for x, b in PAIRS if b != 1],
    ),
    "atan2": (scalargrad.atan2, mp.atan2, PAIRS),
    "hypot": (scalargrad.hypot, length, [*PAIRS, (3.0, 4.0, 1e-200), (1e200, 1e200, 1e200)]),
    "dist": (
        lambda *xs: scalargrad.dist(xs[:2], xs[2:]),
        distance,
        [(a, b, 0.0, 0.5) for a, b in PAIRS],
    ),
    "prod": (lambda *xs: scalargrad.prod(xs), lambda *xs: mp.fprod(xs), FACTORS),
    "*": (operator.mul, operator.mul, PAIRS),
    "/": (operator.truediv, operator.truediv, PAIRS),
    "logsumexp": (lambda *xs: scalargrad.logsumexp(xs), logsumexp, FAR),
    "softmax": (
        lambda *xs: scalargrad.softmax(xs)[0],
        lambda *xs: mp.exp(xs[0] - logsumexp(*xs)),
        FAR,
    ),
    "softmax's last": (
        lambda *xs: scalargrad.softmax(xs)[-1],
        lambda *xs: mp.exp(xs[-1] - logsumexp(*xs)),
        FAR,
    ),
    "log_softmax": (
        lambda *xs: scalargrad.log_softmax(xs)[-1],
        lambda *xs: xs[-1] - logsumexp(*xs),
        FAR,
    ),
    **{
        f"polygamma({n})": (
            lambda x, n=n: scalargrad.polygamma(n, x),
            lambda x, n=n: mp.polygamma(n, x),
            [(x,) for x in (1e-20, 0.3, 1.0, 7.0, 1e8, -1.3)],
        )
        for n in (0, 1, 2, 5)
    },
}


# Of central differences, by the order of the derivative.
WEIGHTS: dict[int, dict[int, float]] = {
    0: {0: 1},
    1: {-1: -0.5, 1: 0.5},
    2: {-1: 1, 0: -2, 1: 1},
    3: {-2: -0.5, -1: 1, 1: -1, 2: 0.5},
    4: {-2: 1, -1: -4, 0: 6, 1: -4, 2: 1},
}


def reference(f: Callable[[Any], Any], x: float, edges: Iterable[float], order: int) -> Any:
    """Return the derivative by central differences, in as many digits as it takes."""
    last = y = None
    for digits in (100, 200, 400, 800, 1600, 2000):
        with mp.workdps(digits):
            point = mp.mpf(x)
            size = min(abs(point) or 1, 1, *(abs(point - edge) for edge in edges))
            step = size * mp.mpf(10) ** -20
            last, y = y, mp.fsum(w * f(point + k * step) for k, w in WEIGHTS[order].items())
            y = mp.re(y) / step**order
            if last and abs(y - last) <= abs(y) * mp.mpf(10) ** -18:
                return y
    return mp.mpf(0)


def edges_of(name: str, x: float) -> list[float]:
    return {
        **{name: [-1, 1] for name in ("asin", "acos", "atanh", "erfinv")},
        **{name: [*range(-20, 1)] * (x < 1) for name in ("gamma", "lgamma", "digamma")},
        **{"acosh": [1], "log1p": [-1], "logit": [0, 1]},
    }.get(name, [])


def complaint(expected: Any, following: Callable[[], Any], x: float, found: Any) -> str:
    """Return what is wrong with a derivative at x, given the true one and the next one's."""
    if isinstance(found, Exception):
        return "" if abs(expected) > 1.7e308 else f"{found!r} in place of {expected}"
    if math.isinf(found) and abs(expected) > 1.7e308:
        return "" if (found > 0) == (expected > 0) else f"{found} in place of {expected}"
    off = abs(mp.mpf(found) - expected)
    if off <= 1e-12 * abs(expected) + 1e-302:
        return ""
    return "" if off <= 16 * 2.0**-53 * abs(x * following()) else f"{found} is off by {off}"


def attempt(f: Callable[..., Any], *xs: float) -> Any:
    try:
        return f(*xs)
    except (ArithmeticError, ValueError) as error:
        return error


def test_every_function_is_here() -> None:
    assert set(OF_ONE) | set(OF_MANY) | PLAIN >= set(public_functions())


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_ONE)
def test_derivatives_of_functions_of_one_number(name: str) -> None:
    f, points = OF_ONE[name]
    derivative = getattr(scalargrad, name)
    complaints = []
    for order in range(4):
        for x in points:
            if not isinstance(attempt(getattr(scalargrad, name), x), float):
                continue  # the value itself is too large
            true = partial(reference, f, x, edges_of(name, x))
            said = complaint(true(order), partial(true, order + 1), x, attempt(derivative, x))
            complaints += [f"order {order} at {x}: {said}"] * bool(said)
        derivative = grad(derivative)
    assert not complaints, "\n".join(complaints)


def moved(f: Callable[..., Any], xs: Sequence[Any], i: int, x: Any) -> Any:
    return f(*xs[:i], x, *xs[i + 1 :])


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_MANY)
def test_derivatives_of_functions_of_several_numbers(name: str) -> None:
    ours, theirs, points = OF_MANY[name]
    complaints = []
    for xs in points:
        y = attempt(ours, *xs)
        if isinstance(y, Exception) or math.isinf(y):
            continue
        for i, x in enumerate(xs):
            along = partial(moved, theirs, [mp.mpf(x) for x in xs], i)
            derivative: Any = partial(moved, ours, xs, i)
            for order in (0, 1, 2, 3) if min(abs(x) or 1 for x in xs) > 1e-100 else (0, 1):
                said = complaint(
                    reference(along, x, [0] * (0 < abs(x) < 1), order),
                    partial(reference, along, x, [], order + 1),
                    x,
                    attempt(derivative, x),
                )
                complaints += [f"order {order} by {i} at {xs}: {said}"] * bool(said)
                derivative = grad(derivative)
    assert not complaints, "\n".join(complaints)
