"""Derivatives by finite differences, each with an estimate of its error."""

import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from scalargrad.checks.inputs import Inputs
from scalargrad.engine.value import Value

EPSILON = sys.float_info.epsilon
_SMALLEST = math.ulp(0.0)


class Estimate(NamedTuple):
    """A derivative found numerically, and a bound on how far off it is likely to be."""

    derivative: float
    error: float


def numerical_gradient(f: Callable[..., Any], *inputs: Any, noise: float = 0.0) -> Any:
    """Return an `Estimate` of the derivative of `f(*inputs)` by each number in the inputs.

    Each input is a number or nested lists, tuples and dicts of numbers. For one the result is
    nested like it, a number's is one `Estimate`, and for several it is a list. A list that f
    itself does not take may hold its arguments.

    Central differences over steps from a quarter of the input's size down, each four times
    smaller, are extrapolated to step 0 (Richardson, two levels: errors of order h**2 and h**4
    cancel). Of all steps that one is taken whose extrapolation agrees best with its neighbours, as
    in Ridders' method; the error is that disagreement, and what rounding does to the differences.
    The values of `f` are taken to be right to a few units in the last place; `noise` is a further
    error of theirs, absolute, as comes of large numbers that cancel inside of `f`. Raises
    ValueError where `f` has no finite value on both sides of an input, and TypeError where the
    inputs hold anything but numbers.

    C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
    Software 4 (2), 1982.

    >>> slope, error = numerical_gradient(lambda x: x**3, 2.0)
    >>> abs(slope - 12) <= error < 1e-9
    True
    >>> [by_x, by_y] = numerical_gradient(lambda x, y: x * y, 2.0, 3.0)
    >>> round(by_x.derivative, 9), round(by_y.derivative, 9)
    (3.0, 2.0)
    """
    point = Inputs.of(f, inputs)
    return point.result(
        [estimate(along(f, point, i), x, noise) for i, x in enumerate(point.numbers)]
    )


def along(f: Callable[..., Any], inputs: Inputs, i: int) -> Callable[[float], float]:
    """Return f as a function of the i-th number of its inputs alone, giving floats."""

    def of_one(x: float) -> float:
        numbers = list(inputs.numbers)
        numbers[i] = x
        return _plain(f(*inputs.nested(numbers)))

    return of_one


def _plain(y: Any) -> float:
    y = y.data if isinstance(y, Value) else y
    # Python's ** leaves the real numbers without an error.
    return math.nan if isinstance(y, complex) else float(y)


def value_or_nan(f: Callable[[float], float], x: float) -> float:
    """Return f(x), a nan where f has no value."""
    try:
        return f(x)
    except (ArithmeticError, ValueError):
        return math.nan


def estimate(
    f: Callable[[float], float], x: float, noise: float = 0.0, closeness: float = 1.0
) -> Estimate:
    """Return the derivative of `f` at `x`, from steps of a quarter of x's size or 1 down.

    The first step is multiplied by `closeness`. Raises ValueError as `numerical_gradient` does.
    """
    size = abs(x)
    # Not round steps: one that hits a period of f would find it constant.
    first = 0.2345 * closeness
    best = _extrapolate(f, x, first * max(size, 1.0), max(size * 2.0**-46, 2.0**-50), noise)
    if 0 < size < 2.0**-6:
        best = _better(_extrapolate(f, x, first * size, size * 2.0**-46, noise), best)
    if best is None:
        inside = _within_the_domain(f, x, first * max(size, 1.0))
        # Steps of a power of 2 are exact, down to the last bit of x.
        best = _extrapolate(f, x, inside, math.ulp(x) / 2, noise, 0.0) if inside else None
        if best is None:
            near = f" but within {inside:.1e}, too close to tell" if inside else ""
            raise ValueError(
                f"no numerical derivative at {x!r}: f has no finite value on both sides{near}"
            )
    return best


def _within_the_domain(f: Callable[[float], float], x: float, step: float) -> float:
    """Return the longest power of 2, up to `step`, at which f has finite values on both sides."""
    step = 2.0 ** math.frexp(step)[1]
    while step >= math.ulp(x):
        if math.isfinite(value_or_nan(f, x + step) - value_or_nan(f, x - step)):
            return step
        step /= 2
    return 0.0


def _extrapolate(
    f: Callable[[float], float],
    x: float,
    step: float,
    smallest: float,
    noise: float,
    inexact: float = 0.25,
) -> Estimate | None:
    """Return the best extrapolation; x plus a step is rounded by `inexact` of 4 epsilons."""
    best: Estimate | None = None
    # Of the last step: the difference quotient, and its extrapolations of one and two levels.
    once = twice = quotient = math.nan
    pending: Estimate | None = None
    while step > smallest:
        high, low = x + step, x - step
        above, below = value_or_nan(f, high), value_or_nan(f, low)
        step /= 4
        last_quotient, last_once, last_twice = quotient, once, twice
        quotient = (above - below) / (high - low)
        once = (16 * quotient - last_quotient) / 15
        twice = (256 * once - last_once) / 255
        disagreement = max(abs(twice - once), abs(twice - last_once), abs(twice - last_twice))
        if pending is not None:
            # Rounding errors grow fourfold with each step, and may agree once by chance.
            best = _better(pending._replace(error=max(pending.error, disagreement / 2)), best)
            assert best is not None
            if best.error <= 1e-11 * abs(best.derivative):
                return best
        values = max(abs(above), abs(below), abs(x * quotient) * inexact)
        rounding = (4 * EPSILON * values + noise + _SMALLEST) / (high - low)
        candidate = Estimate(twice, 2 * (disagreement + rounding))
        pending = candidate if math.isfinite(candidate.error) else None
    return best


def _better(new: Estimate | None, best: Estimate | None) -> Estimate | None:
    """Return the better of two estimates, the new one from closer to the point."""
    if new is None or best is None:
        return new or best
    if abs(new.derivative - best.derivative) <= new.error + best.error:
        return min(new, best, key=lambda estimate: estimate.error)
    # Steps too long to see the function's detail find small slopes with small errors: what tells
    # them is the error relative to the slope.
    more_certain = new.error * abs(best.derivative) < best.error * abs(new.derivative)
    return new if more_certain or new.error < best.error else best
