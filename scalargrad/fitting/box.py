"""Bounds of parameters: the box that every step stays within."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from scalargrad.engine.real import is_real


class Box(NamedTuple):
    """The least and the largest number that each parameter may have.

    >>> box = Box([0.0, -math.inf], [1.0, math.inf])
    >>> box.clamped([2.0, 5.0]), box.held([1.0, 5.0], [-3.0, -3.0])
    ([1.0, 5.0], [True, False])
    """

    lower: list[float]
    upper: list[float]

    def clamped(self, x: Sequence[float]) -> list[float]:
        """Return the point of the box that is closest to x."""
        return [min(max(a, lo), hi) for a, lo, hi in zip(x, self.lower, self.upper, strict=True)]

    def held(self, x: Sequence[float], slopes: Sequence[float]) -> list[bool]:
        """Return which parameters stand at a bound at x and would fall in value beyond it.

        `slopes` are the derivatives by the parameters. One whose bounds are equal is always held.
        """
        return [
            lo == hi or (a <= lo and slope > 0) or (a >= hi and slope < 0)
            for a, lo, hi, slope in zip(x, self.lower, self.upper, slopes, strict=True)
        ]

    def active(self, x: Sequence[float]) -> list[int]:
        """Return for each parameter -1 if it is at its lower bound, 1 at the upper, else 0."""
        return [
            -1 if a <= lo else int(a >= hi)
            for a, lo, hi in zip(x, self.lower, self.upper, strict=True)
        ]


def box_of(lower: Any, upper: Any, names: Sequence[str]) -> Box:
    """Return the box of bounds as users give them: a number for all parameters, or one for each.

    Raises TypeError for what is no number, and ValueError for another length, nan, or a lower
    bound above the upper one.
    """
    sides = []
    for which, side, endless in (("lower", lower, -math.inf), ("upper", upper, math.inf)):
        side = side.tolist() if hasattr(side, "tolist") else side
        numbers = [side] * len(names) if side is None or is_real(side) else list(side)
        if len(numbers) != len(names):
            raise ValueError(
                f"there are {len(names)} parameters, but {len(numbers)} {which} bounds: "
                "give a number for all of them, or one for each"
            )
        for name, number in zip(names, numbers, strict=True):
            if number is not None and not is_real(number):
                raise TypeError(f"the {which} bound of {name} must be a number, got {number!r}")
        sides.append([endless if number is None else float(number) for number in numbers])
    for name, lo, hi in zip(names, *sides, strict=True):
        if not lo <= hi:
            raise ValueError(f"the bounds of {name} are {lo} and {hi}: the lower one comes first")
    return Box(*sides)
