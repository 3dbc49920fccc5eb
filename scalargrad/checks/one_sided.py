"""Slopes from the left and from the right, closer and closer to a point: to tell kinks there."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from scalargrad.checks.finite_differences import EPSILON, value_or_nan


class Slopes(NamedTuple):
    """The slopes of a function over one step to the left and to the right of a point."""

    step: float
    left: float
    right: float
    # What rounding may do to either of them.
    rounding: float

    @property
    def gap(self) -> float:
        """How much the slope changes at the point: goes to 0 with the step where f is smooth."""
        return self.right - self.left

    @property
    def central(self) -> float:
        """The central difference quotient."""
        return self.left / 2 + self.right / 2


class Kink(NamedTuple):
    """A point where the slope on the left is another than that on the right."""

    left: float
    right: float


def one_sided_slopes(f: Callable[[float], float], x: float, noise: float) -> list[Slopes]:
    """Return the slopes of `f` on both sides of `x`, over steps each four times smaller.

    Steps where f has no finite value are left out. `noise` is the error of f's values, beyond a
    few units in the last place.
    """
    middle = value_or_nan(f, x)
    found = []
    for step in _steps(x):
        high, low = x + step, x - step
        above, below = value_or_nan(f, high), value_or_nan(f, low)
        right, left = (above - middle) / (high - x), (middle - below) / (x - low)
        size = max(abs(above), abs(middle), abs(below))
        slopes = Slopes(step, left, right, (4 * EPSILON * size + noise) / step)
        if math.isfinite(slopes.gap) and math.isfinite(slopes.rounding):
            found.append(slopes)
    return found


def kink(found: list[Slopes]) -> Kink | None:
    """Return the slopes on the two sides where these show a kink, or None.

    At a kink the slopes stay apart, and stay what they are, over the closest steps that rounding
    leaves readable.
    """
    readable = [i for i, slopes in enumerate(found) if slopes.rounding < abs(slopes.gap) / 16]
    if len(readable) < _AGREEING:
        return None
    last = readable[-1]
    gap = found[last].gap
    near, closer = found[max(0, last + 1 - _AGREEING) : last + 1], found[last + 1 :]
    if len(near) < _AGREEING:
        return None
    steady = all(
        abs(one - other) <= abs(gap) / 8
        for side in ([s.left for s in near], [s.right for s in near])
        for one in side
        for other in side
    )
    if steady and all(abs(s.gap - gap) <= abs(gap) / 8 + 4 * s.rounding for s in closer):
        best = min(near, key=lambda s: s.rounding + abs(s.gap - gap))
        return Kink(best.left, best.right)
    return None


# Steps in a row that must agree on a kink.
_AGREEING = 4


def roughness(f: Callable[[float], float], x: float, spacing: float = 1.0) -> float:
    """Return how far off the values of `f` near `x` are from a smooth curve: an error of theirs.

    Third differences over a few units in the last place of x, times `spacing`, leave nothing of a
    smooth function, and of independent errors 4.5 times their standard deviation (R. W. Hamming,
    "Introduction to Applied Numerical Analysis", 1971). Gives 0 where f has no finite value there.
    """
    far = 2.0**10 * _spacing(x, spacing)
    if not math.isfinite(value_or_nan(f, x + far) - value_or_nan(f, x - far)):
        spacing /= 8  # at the edge of its domain f bends within a few units
    differences = [value_or_nan(f, y) for y in beside(x, spacing)]
    for _ in range(3):
        differences = [b - a for a, b in pairwise(differences)]
    largest = max(map(abs, differences))
    return largest / 2 if math.isfinite(largest) else 0.0


def roughness_beside(f: Callable[[float], float], x: float, spacing: float) -> float:
    """Return how far off the values of `f` on either side of `x` are from smooth curves.

    As `roughness`, but of four numbers on each side: f at x itself has no part in it.
    """
    values = [value_or_nan(f, x + i * _spacing(x, spacing)) for i in (-4, -3, -2, -1, 1, 2, 3, 4)]
    rough = max(abs(d - 3 * c + 3 * b - a) for a, b, c, d in (values[:4], values[4:]))
    return rough / 2 if math.isfinite(rough) else 0.0


def beside(x: float, spacing: float = 1.0) -> list[float]:
    """Return x and three numbers on either side of it, each `spacing` times a few units further."""
    return [x + i * _spacing(x, spacing) for i in range(-3, 4)]


def _spacing(x: float, spacing: float) -> float:
    return spacing * max(4 * math.ulp(x), 2.0**-48 * min(1.0, abs(x) or 1.0))


def _steps(x: float) -> list[float]:
    size = abs(x)
    first = 2.0 ** math.frexp(max(size, 1.0))[1] * 2.0**-7
    steps = [first * 4.0**-i for i in range(22)]
    if 0 < size < 2.0**-6:
        # For a tiny x those of its own size, too.
        own = 2.0 ** max(math.frexp(size)[1], -960) * 2.0**-2
        steps += [own * 4.0**-i for i in range(22)]
    return sorted({step for step in steps if x - step != x != x + step}, reverse=True)
