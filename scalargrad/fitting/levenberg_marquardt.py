"""Least squares by Levenberg and Marquardt's method, on plain numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from operator import mul
from typing import NamedTuple

from scalargrad.fitting.orthogonal import QR

EPSILON = sys.float_info.epsilon


class Linear(NamedTuple):
    """Residuals at a point, and their derivatives by each parameter: a column for each."""

    residuals: list[float]
    columns: list[list[float]]

    def finite(self) -> bool:
        """Return whether all the numbers are finite."""
        return all(math.isfinite(math.fsum(map(abs, xs))) for xs in (self.residuals, *self.columns))


class Solution(NamedTuple):
    """Where the method stopped, and why; and the factorised Jacobian there."""

    parameters: list[float]
    # The square root of the sum of the squares of the residuals.
    length: float
    jacobian: QR
    # By which the columns of the Jacobian were divided before it was factorised.
    scale: list[float]
    # By which parameters all derivatives are 0.
    flat: list[bool]
    iterations: int
    message: str


class NotConverged(Exception):
    """Raised where the method does not come to a minimum."""

    def __init__(self, reason: str, parameters: list[float], length: float) -> None:
        super().__init__(reason)
        self.parameters = parameters
        self.length = length


def least_squares_minimum(
    linearise: Callable[[list[float]], Linear],
    start: list[float],
    max_iterations: int,
    size: float = 0.0,
) -> Solution:
    """Return where the sum of the squares of the residuals has a minimum.

    Residuals are 0 but for rounding where they are, all together, of that share of `size`, which is
    the length of the data, or else that of the residuals at the start. Lengths are compared, as
    squares of numbers below 1e-154 are lost.

    A step is that of Gauss and Newton, shortened by a damping that grows until the step brings
    the sum down and shrinks as the linear model proves right (Nielsen). Each parameter is measured
    by the largest derivative that the residuals had by it (More), so that its unit does not
    matter. Near the minimum, where rounding hides whether the sum still falls, undamped steps go
    on until they stop becoming shorter. Raises `NotConverged`.

    J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", in: Numerical
    Analysis, Springer 1978. H. B. Nielsen, "Damping parameter in Marquardt's method", report
    IMM-REP-1999-05, Technical University of Denmark.
    """
    here = linearise(start)
    state = _State(start, here)
    nothing = EPSILON**2 * (size or state.length)
    damping, growth, undamped = _FIRST_DAMPING, 2.0, state
    for iteration in range(max_iterations):
        if state.length <= nothing:
            return state.solution(iteration, "the residuals are 0 but for rounding")
        if state.close():
            polished = _polished(linearise, state, iteration, max_iterations)
            if polished is not None:
                return polished
        step, promised = state.step(damping)
        there = _moved(linearise, state, step)
        if there is not None and there.length < state.length:
            left = there.length / state.length
            fall = (1 - left) * (1 + left)
            ratio = fall / promised if promised > 0 else 1.0
            damping *= max(1 / 3, 1 - (2 * min(ratio, 1.5) - 1) ** 3)
            growth = 2.0
            state = there
            continue
        damping *= growth
        growth *= 2
        if damping > 1 / EPSILON**2 and state is not undamped:
            # Since it grew so large, the parameters' scales may be others.
            damping, growth, undamped = _FIRST_DAMPING, 2.0, state
        elif damping > 1 / EPSILON**2:
            if state.slope < 1e-5:
                return state.solution(iteration, "the sum of squares falls no further in floats")
            raise NotConverged("no step brings the sum down", state.point, state.length)
    raise NotConverged(f"{max_iterations} iterations were not enough", state.point, state.length)


_FIRST_DAMPING = 1e-3


class _State:
    """A point, the linear model there, and what follows from it."""

    def __init__(self, point: list[float], here: Linear, before: _State | None = None) -> None:
        self.point = point
        norms = [math.hypot(*column) for column in here.columns]
        # The largest that these have been.
        self.scale: list[float] = norms if before is None else list(map(max, norms, before.scale))
        self.units = [norm or 1.0 for norm in norms]
        self.flat = [not norm for norm in norms]
        columns = [[x / u for x in c] for c, u in zip(here.columns, self.units, strict=True)]
        self.qr = QR(columns)
        self.length = math.hypot(*here.residuals)
        direction = [x / (self.length or 1.0) for x in here.residuals]
        self._explained = self.qr.rotated(direction)[: len(point)]
        # The largest cosine of the angle between the residuals and a column of the Jacobian.
        self.slope = max(abs(math.fsum(map(mul, direction, column))) for column in columns)

    def step(self, damping: float) -> tuple[list[float], float]:
        """Return the damped step, and by which share of it the sum of squares is to fall."""
        n = len(self.point)
        weights = [
            math.sqrt(damping) * (self.scale[i] or 1.0) / self.units[i] for i in self.qr.order
        ]
        columns = []
        for k, column in enumerate(self.qr.triangle):
            padded = [*column, *[0.0] * (2 * n - len(column))]
            padded[n + k] = weights[k]
            columns.append(padded)
        found = QR(columns).solve([*(-x for x in self._explained), *[0.0] * n])
        moved = [
            math.fsum(self.qr.triangle[j][i] * found[j] for j in range(i, n)) for i in range(n)
        ]
        held = map(mul, weights, found)
        promised = math.hypot(*moved) ** 2 + 2 * math.hypot(*held) ** 2
        step = [0.0] * n
        for place, number in zip(self.qr.order, found, strict=True):
            if not self.flat[place]:  # where it is rounding alone
                step[place] = number * self.length / self.units[place]
        return step, promised

    def full_step(self) -> list[float] | None:
        """Return the step of Gauss and Newton, or None where the Jacobian lacks rank."""
        if self.qr.rank() < len(self.point):
            return None
        scaled = self.qr.back_substituted([-x for x in self._explained])
        return [x * self.length / u for x, u in zip(scaled, self.units, strict=True)]

    def measured(self, vector: list[float]) -> float:
        """Return the length of a vector of parameters, each measured in its own unit."""
        return math.hypot(*map(mul, vector, self.units))

    def close(self) -> bool:
        """Return whether the minimum is so close that undamped steps lead there."""
        if self.length == 0:
            return True
        step = self.full_step()
        if step is None:
            return False
        return self.measured(step) <= 1e-5 * self.measured(self.point)

    def solution(self, iterations: int, message: str) -> Solution:
        return Solution(
            self.point, self.length, self.qr, self.units, self.flat, iterations, message
        )


def _moved(
    linearise: Callable[[list[float]], Linear], state: _State, step: list[float]
) -> _State | None:
    """Return the state after a step, or None where the residuals cannot be computed there."""
    point = [p + s for p, s in zip(state.point, step, strict=True)]
    try:
        there = linearise(point)
    except (ArithmeticError, ValueError):
        return None
    return _State(point, there, state) if there.finite() else None


def _polished(
    linearise: Callable[[list[float]], Linear], state: _State, iterations: int, most: int
) -> Solution | None:
    """Return the minimum that undamped steps lead to, or None if they do not."""
    best, shortest, longer = state, math.inf, 0
    while state.length and iterations < most:
        step = state.full_step()
        if step is None:
            return None
        length = state.measured(step)
        if length < shortest:
            best, shortest, longer = state, length, 0
        else:
            longer += 1
        if length <= EPSILON * state.measured(state.point) or longer == 3:
            break
        there = _moved(linearise, state, step)
        if there is None:
            return None
        iterations += 1
        state = there
    if not state.length:
        return state.solution(iterations, "the residuals are 0")
    if shortest > 1e-7 * best.measured(best.point):
        return None
    return best.solution(iterations, "a further step would change the parameters by rounding only")
