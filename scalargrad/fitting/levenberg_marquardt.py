"""Least squares by Levenberg and Marquardt's method, within bounds, on plain numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from operator import mul
from typing import Any, NamedTuple

from scalargrad.fitting.arguments import Box
from scalargrad.fitting.orthogonal import QR

EPSILON = sys.float_info.epsilon


class Linear(NamedTuple):
    """Residuals at a point, and their derivatives by each parameter: a column for each.

    `length` is the square root of the sum of the squares, or of the losses. The method compares
    lengths, since squares of numbers below 1e-154 underflow.
    """

    residuals: list[float]
    columns: list[list[float]]
    length: float

    def finite(self) -> bool:
        """Return whether all the numbers are finite."""
        return all(math.isfinite(math.fsum(map(abs, xs))) for xs in (self.residuals, *self.columns))


class Settings(NamedTuple):
    """The settings of a fit, by SciPy's names; and those of ours, `max_iterations` and `fixed`."""

    ftol: float = 0.0
    xtol: float = 0.0
    gtol: float = 0.0
    max_iterations: float = 1000
    max_nfev: float = math.inf
    x_scale: Any = "jac"
    loss: str = "linear"
    f_scale: float = 1.0
    fixed: Any = ()


class Solution(NamedTuple):
    """Where the method stopped, and why; `status` is SciPy's number for that."""

    parameters: list[float]
    here: Linear
    iterations: int
    message: str
    status: int


class NotConverged(Exception):
    """Raised if the method does not find a minimum."""

    def __init__(self, reason: str, parameters: list[float], length: float) -> None:
        super().__init__(reason)
        self.parameters = parameters
        self.length = length


def least_squares_minimum(
    linearise: Callable[[list[float]], Linear],
    start: list[float],
    here: Linear,
    box: Box,
    settings: Settings,
    size: float = 0.0,
    scale: Sequence[float] | None = None,
) -> Solution:
    """Return where the sum of the squares of the residuals has a minimum in the box.

    A step is that of Gauss and Newton, shortened by a damping that grows until the step brings
    the sum down and shrinks as the linear model proves right (Nielsen). Each parameter is measured
    by `scale`, or else by the largest derivative that the residuals had by it (More), so that its
    unit does not matter. A parameter that a step would take out of the box goes to the box's side,
    and the others take the best step for that. Near the minimum rounding hides whether the sum
    still falls: there undamped steps go on until they stop becoming shorter. The residuals count as
    0 where their length is a rounding error of `size`, the length of the data, or else of the
    residuals at the start, `here`. Raises `NotConverged`.

    J. J. More, "The Levenberg-Marquardt algorithm: implementation and theory", in: Numerical
    Analysis, Springer 1978. H. B. Nielsen, "Damping parameter in Marquardt's method", report
    IMM-REP-1999-05, Technical University of Denmark.
    """
    evaluations = 1

    def moved(state: _State, step: list[float]) -> _State | None:
        """Return the state after a step, or None where the residuals cannot be computed there."""
        nonlocal evaluations
        if evaluations >= settings.max_nfev:
            reason = f"{settings.max_nfev} evaluations were not enough"
            raise NotConverged(reason, state.point, state.length)
        evaluations += 1
        point = list(map(_arrived, state.point, step, *box))
        try:
            there = linearise(point)
        except (ArithmeticError, ValueError):
            return None
        return _State(point, there, box, state.scale, scale is None) if there.finite() else None

    state = _State(start, here, box, scale, scale is None)
    nothing = EPSILON**2 * (size or state.length)
    damping, growth, undamped = _FIRST_DAMPING, 2.0, state
    iteration = again = 0
    while iteration < settings.max_iterations:
        if state.length <= nothing:
            return state.solution(iteration, "the residuals are 0 but for rounding", 1)
        if settings.gtol and optimality(state.point, state.here, box) < settings.gtol:
            return state.solution(iteration, "the optimality is below gtol", 1)
        if iteration >= again and state.close():
            before = evaluations
            polished = _polished(moved, state, iteration, settings.max_iterations)
            if polished is not None:
                return polished
            again = iteration + evaluations - before  # it took as long as that
        step, promised = state.step(damping)
        there = moved(state, step)
        iteration += 1
        if there is not None and (there.length < state.length or there.reached_a_bound(state)):
            left = there.length / state.length
            fall = (1 - left) * (1 + left)
            ratio = fall / promised if promised > 0 else 1.0
            damping *= max(1 / 3, 1 - (2 * min(ratio, 1.5) - 1) ** 3)
            growth = 2.0
            state = there
            if fall < settings.ftol and ratio > 0.25:
                return state.solution(iteration, "the sum fell by less than ftol of it", 2)
            if math.hypot(*step) < settings.xtol * (settings.xtol + math.hypot(*state.point)):
                return state.solution(iteration, "the step was less than xtol of x", 3)
            continue
        damping *= growth
        growth *= 2
        if damping <= 1 / EPSILON**2:
            continue
        if state is undamped:
            if state.slope < 1e-5:
                message = "the sum of squares falls no further in floats"
                return state.solution(iteration - 1, message, 2)
            raise NotConverged("no step brings the sum down", state.point, state.length)
        # The parameters' scales may have changed since the damping began to grow.
        damping, growth, undamped = _FIRST_DAMPING, 2.0, state
    reason = f"{settings.max_iterations} iterations were not enough"
    raise NotConverged(reason, state.point, state.length)


def optimality(point: Sequence[float], here: Linear, box: Box) -> float:
    """Return the largest derivative of the cost, each times the distance to the bound downhill.

    It is that of `scipy.optimize.least_squares`: 0 at a minimum, inside the box or at its side.
    """
    largest = 0.0
    for x, column, lo, hi in zip(point, here.columns, *box, strict=True):
        slope = math.fsum(map(mul, column, here.residuals))
        way = hi - x if slope < 0 else x - lo
        largest = max(largest, abs(slope) * (way if math.isfinite(way) else 1.0))
    return largest


_FIRST_DAMPING = 1e-3


def _arrived(x: float, step: float, lower: float, upper: float) -> float:
    """Return x after a step: the bound itself, where only rounding keeps it from there."""
    near = 4 * EPSILON * max(abs(x), abs(step))
    if x + step <= lower + near:
        return lower
    return upper if x + step >= upper - near else x + step


class _State:
    """A point, the linear model there, and what follows from it."""

    def __init__(
        self,
        point: list[float],
        here: Linear,
        box: Box,
        scale: Sequence[float] | None,
        grows: bool,
    ) -> None:
        self.point, self.here, self.box, self.length = point, here, box, here.length
        norms = [math.hypot(*column) for column in here.columns]
        # The largest norms so far, or what is given.
        self.scale: Sequence[float] = norms
        if scale is not None:
            self.scale = list(map(max, norms, scale)) if grows else scale
        self.units = [norm or 1.0 for norm in norms]
        columns = [[x / u for x in c] for c, u in zip(here.columns, self.units, strict=True)]
        self.qr = QR(columns)
        self.size = math.hypot(*here.residuals)
        direction = [x / (self.size or 1.0) for x in here.residuals]
        self._explained = self.qr.rotated(direction)[: len(point)]
        # The cosines of the angles between the residuals and each column of the Jacobian.
        slopes = [math.fsum(map(mul, direction, column)) for column in columns]
        # Parameters that have no effect are held, too: only rounding would move them.
        self.held = [h or not norm for h, norm in zip(box.held(point, slopes), norms, strict=True)]
        free = (abs(s) for s, held in zip(slopes, self.held, strict=True) if not held)
        self.slope = max(free, default=0.0)

    def step(self, damping: float) -> tuple[list[float], float]:
        """Return the damped step, and the share by which the sum of squares should fall."""
        # The steps of the parameters, in the order of the triangle, each in its unit.
        found = [0.0] * len(self.point)
        free = self._free()
        while free:
            self._set_best(found, free, damping)
            out = {k: way for k in free if (way := self._way(found, k)) < 1}
            if not out:
                break
            # The one that leaves the box first, on the way there.
            first = min(out, key=out.__getitem__)
            found[first] *= out[first]
            free.remove(first)
        bent = self._bent(found, ())
        promised = -math.fsum(b * (2 * e + b) for e, b in zip(self._explained, bent, strict=True))
        return self._in_order(found), promised * (self.size / self.length) ** 2

    def full_step(self) -> list[float] | None:
        """Return the step of Gauss and Newton, None if the Jacobian lacks rank or it leads out."""
        found, free = [0.0] * len(self.point), self._free()
        if free and not self._set_best(found, free, 0.0):
            return None
        step = self._in_order(found)
        there = [p + s for p, s in zip(self.point, step, strict=True)]
        return step if self.box.clamped(there) == there else None

    def _free(self) -> list[int]:
        """Return the places in the triangle of the parameters that may move."""
        return [k for k, i in enumerate(self.qr.order) if not self.held[i]]

    def _in_order(self, found: list[float]) -> list[float]:
        step = [0.0] * len(found)
        for i, number in zip(self.qr.order, found, strict=True):
            step[i] = number * self.size / self.units[i]
        return step

    def _set_best(self, found: list[float], free: list[int], damping: float) -> bool:
        """Set the damped steps of the free parameters, while the others take those `found`.

        Return False if nothing damps them and their columns of the Jacobian are dependent.
        """
        bent = self._bent(found, free)
        rest = [-(e + b) for e, b in zip(self._explained, bent, strict=True)]
        columns = []
        for place, k in enumerate(free):
            column = [*self.qr.triangle[k], *[0.0] * (len(found) - k - 1)]
            if damping:
                weights = [0.0] * len(free)
                i = self.qr.order[k]
                weights[place] = math.sqrt(damping) * (self.scale[i] or 1.0) / self.units[i]
                column += weights
            columns.append(column)
        qr = QR(columns)
        if not damping and qr.rank() < len(free):
            return False
        solved = qr.solve([*rest, *[0.0] * (qr.rows - len(rest))])
        for k, number in zip(free, solved, strict=True):
            found[k] = number
        return True

    def _bent(self, found: list[float], without: Sequence[int]) -> list[float]:
        """Return what a step adds to the rotated residuals, without that of some parameters."""
        n = len(found)
        taken = [0.0 if k in without else x for k, x in enumerate(found)]
        return [
            math.fsum(self.qr.triangle[j][i] * taken[j] for j in range(i, n) if taken[j])
            for i in range(n)
        ]

    def _way(self, found: list[float], k: int) -> float:
        """Return the share of the k-th step that stays in the box."""
        i = self.qr.order[k]
        step = found[k] * self.size / self.units[i]
        room = (self.box.upper if step > 0 else self.box.lower)[i] - self.point[i]
        return room / step if abs(step) > abs(room) else 1.0

    def reached_a_bound(self, before: _State) -> bool:
        """Return whether the step reached a bound, so near that the sum did not change."""
        return self.length == before.length and sum(self.held) > sum(before.held)

    def measured(self, vector: list[float]) -> float:
        """Return the length of a vector of parameters, each measured in its unit."""
        return math.hypot(*map(mul, vector, self.units))

    def close(self) -> bool:
        """Return whether the minimum is so close that undamped steps lead there."""
        if self.length == 0:
            return True
        step = self.full_step()
        if step is None:
            return False
        return self.measured(step) <= 1e-5 * self.measured(self.point)

    def solution(self, iterations: int, message: str, status: int) -> Solution:
        return Solution(self.point, self.here, iterations, message, status)


def _polished(
    moved: Callable[[_State, list[float]], _State | None],
    state: _State,
    iterations: int,
    max_iterations: float,
) -> Solution | None:
    """Return the minimum that undamped steps lead to, or None if they do not lead there.

    Where residuals are large, steps may swing around it, ever wider: then it takes a share of each.
    """
    best, shortest, longer, share = state, math.inf, 0, 1.0
    while state.length and iterations < max_iterations:
        step = state.full_step()
        if step is None:
            return None
        length = state.measured(step)
        if length < shortest:
            best, shortest, longer = state, length, 0
        else:
            longer += 1
        if length <= EPSILON * state.measured(state.point):
            break
        if longer == 3:
            if share < 0.1 or shortest < 1e-12 * best.measured(best.point):
                break
            state, longer, share = best, 0, share / 2
            continue
        there = moved(state, [share * x for x in step])
        if there is None:
            return None
        iterations += 1
        state = there
    if not state.length:
        return state.solution(iterations, "the residuals are 0", 1)
    if shortest > 1e-7 * best.measured(best.point):
        return None
    message = "a further step would change the parameters by rounding only"
    return best.solution(iterations, message, 3)
