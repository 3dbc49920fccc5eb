"""Minima by Newton's method with conjugate gradients in a trust region, on plain numbers."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from operator import mul
from typing import NamedTuple

from scalargrad.fitting.arguments import Box

EPSILON = sys.float_info.epsilon

Vector = list[float]


class _Point(NamedTuple):
    x: Vector
    value: float
    gradient: Vector

    def is_finite(self) -> bool:
        return math.isfinite(self.value) and all(map(math.isfinite, self.gradient))


class Stopped(NamedTuple):
    """Where the method stopped, and why; `converged` says whether that counts as a minimum."""

    x: Vector
    value: float
    gradient: Vector
    iterations: int
    message: str
    converged: bool


def newton_cg(
    value_and_gradient: Callable[[Vector], tuple[float, Vector]],
    curvature: Callable[[Vector, Vector], Vector],
    x: Vector,
    box: Box,
    max_iterations: float,
    gtol: float = 0.0,
    callback: Callable[[Vector, float], bool] | None = None,
) -> Stopped:
    """Return where a function has a minimum in the box, going down from x.

    `curvature(x, v)` is its Hessian at x times v. Each step minimises the quadratic model within a
    radius, which grows where the model is right and shrinks where it is wrong. A variable that a
    step would take out of the box goes to the box's side, and the others take the best step for
    that. Near the minimum rounding hides whether the function still falls: there the method goes on
    while the gradient falls. At a saddle or a maximum it looks for a direction in which the Hessian
    does not bend upwards, and goes on there if the function falls. `callback` gets each point with
    its value; if it returns True, the method ends.

    T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization",
    SIAM Journal on Numerical Analysis 20 (3), 1983.
    """

    def at(x: Vector) -> _Point:
        try:
            return _Point(x, *value_and_gradient(x))
        except (ArithmeticError, ValueError):
            return _Point(x, math.nan, [math.nan] * len(x))

    def stopped(message: str, converged: bool = True) -> Stopped:
        return Stopped(*here, iteration, message, converged)

    here = seen = _Point(x, *value_and_gradient(x))
    radius = size = max(1.0, math.hypot(*x))
    steepest, level = 0.0, abs(here.value)
    floor = -1e200 * max(1.0, level)
    iteration = 0
    while iteration < max_iterations:
        if here is not seen and callback is not None and callback(here.x, here.value):
            return stopped("the callback ended it")
        model = _Model(curvature, here, box)
        seen, slope = here, math.hypot(*model.gradient)
        steepest, size = max(steepest, slope), max(size, math.hypot(*here.x))
        level = max(level, abs(here.value))
        if 0 < slope < gtol:
            return stopped("the gradient is below gtol")
        message, there, rounding = "the gradient is 0", here, False
        if slope:
            step, promised, is_minimum = model.minimum(radius)
            length = math.hypot(*step)
            there = at(box.clamped(_plus(here.x, step)))
            if there.value < floor or (there.is_finite() and length > _LONGEST):
                return stopped("f has no minimum downhill of x0", False)
            tiny = length <= 4 * EPSILON * size
            new_slope = math.hypot(*_Model(curvature, there, box).gradient)
            # The value may be a sum of large terms that cancel: rounding is of their size.
            better = is_minimum and promised <= 16 * EPSILON * level and new_slope < slope / 2
            rounding = tiny or abs(promised) <= 16 * EPSILON * abs(here.value)
            message = ""
        if slope and rounding and not better:
            # The value no longer tells a better point from a worse one, but the gradient does.
            before, after = (math.fsum(map(mul, p.gradient, step)) for p in (here, there))
            at_edge = length > 0.9 * radius
            # Where the curvature underflows, the function is as steep there as here.
            steep = at_edge and not tiny and after < before / 2
            better = there.is_finite() and (new_slope < slope or steep)
            radius *= 16 if better and at_edge else 1
            turned = after >= 0 and tiny and slope < 1e-6 * steepest
            if not better and (turned or model.is_small(here.value, size)):
                message = "a further step would change x by rounding only"
        if message:
            lower, is_open = _lower(at, model, size)
            if lower is None:
                if is_open:
                    message += "; the Hessian is singular there, so that it may be a saddle"
                return stopped(message)
            here = lower
        elif better:
            here = there
        else:
            fall = here.value - there.value if there.is_finite() else -math.inf
            ratio = fall / promised if promised > 0 else -math.inf
            if ratio < 0.25:
                radius = 0.25 * min(length, radius)
            elif ratio > 0.75 and length > 0.9 * radius:
                radius *= 2
            if ratio > 1e-4:
                here = there
            elif radius <= EPSILON**2 * size:
                return stopped("no step brings f down: it may have a kink there", False)
        iteration += 1
    return stopped(f"{max_iterations} iterations were not enough", False)


_LONGEST = 1e300  # of all steps


class _Model:
    """The quadratic model at a point, as a function of the variables that may move there."""

    def __init__(
        self, curvature: Callable[[Vector, Vector], Vector], here: _Point, box: Box
    ) -> None:
        self.curvature, self.here, self.box = curvature, here, box
        self.x, self.full = here.x, here.gradient
        self.held = box.held(self.x, self.full)
        self.gradient = self._free(self.full, self.held)

    @staticmethod
    def _free(vector: Vector, held: list[bool]) -> Vector:
        return [0.0 if h else a for a, h in zip(vector, held, strict=True)]

    def minimum(self, radius: float) -> tuple[Vector, float, bool]:
        """Return the step to the model's minimum in the radius and the box, and the fall expected.

        The third result is False if the step ends at the radius or the model has no minimum. Where
        the gradient is still large, the minimum is only a rough one.
        """
        held, step = list(self.held), [0.0] * len(self.x)
        while True:
            step, bent, is_minimum = self._minimum(step, held, radius)
            there = _plus(self.x, step)
            inside = self.box.clamped(there)
            # Rounding may take a variable that is held a little beyond its bound.
            out = [i for i, h in enumerate(held) if there[i] != inside[i] and not h]
            if not out or any(map(math.isnan, step)):
                break
            # The one that leaves the box first, on the way there.
            first = min(out, key=lambda i: (inside[i] - self.x[i]) / step[i])
            held[first] = True
            step = [
                inside[i] - self.x[i] if i == first else s if h else 0.0
                for i, (s, h) in enumerate(zip(step, held, strict=True))
            ]
            if all(held):
                bent = self.curvature(self.x, step)
                break
        promised = -math.fsum(map(mul, self.full, step)) - math.fsum(map(mul, step, bent)) / 2
        return step, promised, is_minimum

    def _minimum(
        self, start: Vector, held: list[bool], radius: float
    ) -> tuple[Vector, Vector, bool]:
        """Return the step to the minimum within the radius, going on from `start`; and H times it.

        The third result is as that of `minimum`.
        """
        step, bent, slopes = start, [0.0] * len(start), self.gradient
        if any(start):
            bent = self.curvature(self.x, start)
            slopes = self._free(_plus(self.full, bent), held)
        first = math.hypot(*slopes)
        tolerance = min(0.1, first) * first
        for unit, turned, along, t, norm in self.conjugate([-g for g in slopes], held):
            # Not <=, so that a nan stops it, too.
            longer = _plus(step, unit, t) if along > 0 else step
            if not along > 0 or math.hypot(*longer) >= radius:
                t = _to_edge(step, unit, radius)
                return _plus(step, unit, t), _plus(bent, turned, t), False
            step, bent = longer, _plus(bent, turned, t)
            if norm <= tolerance:
                break
        return step, bent, True

    def conjugate(
        self, left: Vector, held: list[bool]
    ) -> Iterator[tuple[Vector, Vector, float, float, float]]:
        """Yield conjugate directions d for the equations H step = left, twice as many as needed.

        Each comes with H d, with the product d' H d, with how far the step goes along it, and with
        the length of what is then left. A power of two, which rounds nothing, brings each d to a
        length of about 1: products of small numbers would underflow.
        """
        direction = left
        norm = math.hypot(*left)
        for _ in range(2 * len(left)):
            if not norm or not any(direction):
                return
            exponent = math.frexp(math.hypot(*direction))[1]
            unit = [math.ldexp(d, -exponent) for d in direction]
            turned = self.curvature(self.x, unit)
            along = math.fsum(map(mul, unit, turned))
            t = (norm / along) * math.ldexp(norm, -exponent) if along else math.inf
            left = _plus(left, self._free(turned, held), -t)
            last, norm = norm, math.hypot(*left)
            yield unit, turned, along, t, norm
            ratio = norm / last
            direction = _plus(left, direction, ratio * ratio)

    def is_small(self, value: float, size: float) -> bool:
        """Return whether rounding is larger than the whole step that the gradient asks for."""
        step, promised, is_minimum = self.minimum(math.inf)
        small = abs(promised) <= 1e4 * EPSILON * abs(value) or math.hypot(*step) <= 1e-6 * size
        return is_minimum and small


def _lower(
    at: Callable[[Vector], _Point], model: _Model, size: float
) -> tuple[_Point | None, bool]:
    """Return a lower point near a stationary one, if there is one, and whether it may be a saddle.

    It may be one if the Hessian does not bend upwards in some direction. Conjugate gradients find
    such a direction, since their right side has a share of every eigenvector. The search follows
    it both ways, until the value changes by more than rounding.
    """
    rng = random.Random(0)
    direction, most = None, 0.0
    right = [0.0 if h else rng.uniform(1, 2) for h in model.held]
    for unit, _, along, _, _ in model.conjugate(right, model.held):
        most = max(most, along)
        if not along > len(right) * EPSILON * most:
            direction = unit
            break
    if direction is None:
        return None, False
    for sign in (1, -1):
        for power in range(-8, 1):
            there = at(model.box.clamped(_plus(model.x, direction, sign * 10.0**power * size)))
            change = there.value - model.here.value
            if not abs(change) <= 16 * EPSILON * abs(model.here.value):
                if change < 0:
                    return there, True
                break
    return None, True


def _to_edge(step: Vector, direction: Vector, radius: float) -> float:
    """Return how far along the direction, from the step, the radius is reached."""
    if math.isinf(radius):
        return 1.0
    length, inside = math.hypot(*direction), math.hypot(*step) / radius
    b = math.fsum(s / radius * (d / length) for s, d in zip(step, direction, strict=True))
    c = (1 - inside) * (1 + inside)
    root = math.hypot(b, math.sqrt(max(0.0, c)))
    return radius * (c / (b + root) if b > 0 else root - b) / length


def _plus(x: Vector, direction: Vector, t: float = 1.0) -> Vector:
    return [a + t * b for a, b in zip(x, direction, strict=True)]
