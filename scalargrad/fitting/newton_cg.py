"""Minima by Newton's method with conjugate gradients in a trust region, on plain numbers."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterator
from operator import mul
from typing import NamedTuple

EPSILON = sys.float_info.epsilon

Vector = list[float]


class Stopped(NamedTuple):
    """Where the method stopped, and why; `converged` says whether that is a minimum."""

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
    max_iterations: int,
) -> Stopped:
    """Return where a function has a minimum, going down from x.

    `curvature(x, v)` is its Hessian at x times v. Each step minimises the quadratic model within a
    radius, which grows where the model holds and shrinks where it does not. Near the minimum,
    where rounding hides whether the function still falls, steps go on as long as the gradient
    does. From a saddle or a maximum the way goes on in a direction in which the Hessian does not
    bend upwards, if the function falls there.

    T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization",
    SIAM Journal on Numerical Analysis 20 (3), 1983.
    """

    def tried(x: Vector) -> tuple[float, Vector]:
        try:
            return value_and_gradient(x)
        except (ArithmeticError, ValueError):
            return math.nan, [math.nan] * len(x)

    value, gradient = value_and_gradient(x)
    radius = size = max(1.0, math.hypot(*x))
    steepest, floor = 0.0, -1e200 * max(1.0, abs(value))
    for iteration in range(max_iterations):
        slope = math.hypot(*gradient)
        steepest, size = max(steepest, slope), max(size, math.hypot(*x))
        message = ""
        if slope == 0:
            message = "the gradient is 0"
        else:
            step, bent, _ = _model_minimum(curvature, x, gradient, radius)
            length = math.hypot(*step)
            promised = -math.fsum(map(mul, gradient, step)) - math.fsum(map(mul, step, bent)) / 2
            there = _plus(x, step)
            new_value, new_gradient = tried(there)
            finite = math.isfinite(new_value) and all(map(math.isfinite, new_gradient))
            if new_value < floor or (finite and length > _LONGEST):
                reason = "f has no minimum downhill of x0"
                return Stopped(x, value, gradient, iteration, reason, False)
            tiny = length <= 4 * EPSILON * size
            if tiny or promised <= 16 * EPSILON * abs(value):
                # The value tells no more: the gradient still does.
                before, after = (math.fsum(map(mul, g, step)) for g in (gradient, new_gradient))
                # As steep there as here is it where the curvature is lost in underflow.
                far = length > 0.9 * radius and not tiny
                if finite and (math.hypot(*new_gradient) < slope or (far and after < before / 2)):
                    x, value, gradient = there, new_value, new_gradient
                    radius *= 16 if far else 1
                    continue
                turned = after >= 0 and tiny and slope < 1e-6 * steepest
                if turned or _small(curvature, x, gradient, value, size):
                    message = "a further step would change x by rounding only"
        if message:
            lower, open_ended = _lower(tried, curvature, x, value, size)
            if lower is None:
                if open_ended:
                    message += "; the Hessian is singular there, so that it may be a saddle"
                return Stopped(x, value, gradient, iteration, message, True)
            x = lower
            value, gradient = value_and_gradient(x)
            continue
        fall = value - new_value if finite else -math.inf
        ratio = fall / promised if promised > 0 else -math.inf
        if ratio < 0.25:
            radius = 0.25 * min(length, radius)
        elif ratio > 0.75 and length > 0.9 * radius:
            radius *= 2
        if ratio > 1e-4:
            x, value, gradient = there, new_value, new_gradient
        elif radius <= EPSILON**2 * size:
            message = "no step brings f down: it may have a kink there"
            return Stopped(x, value, gradient, iteration, message, False)
    message = f"{max_iterations} iterations were not enough"
    return Stopped(x, value, gradient, max_iterations, message, False)


_LONGEST = 1e300  # of all steps


def _small(
    curvature: Callable[[Vector, Vector], Vector],
    x: Vector,
    gradient: Vector,
    value: float,
    size: float,
) -> bool:
    """Return whether the whole step that the gradient asks for is lost in rounding."""
    step, bent, is_minimum = _model_minimum(curvature, x, gradient, math.inf)
    promised = -math.fsum(map(mul, gradient, step)) - math.fsum(map(mul, step, bent)) / 2
    return is_minimum and (
        promised <= 1e4 * EPSILON * abs(value) or math.hypot(*step) <= 1e-6 * size
    )


def _lower(
    tried: Callable[[Vector], tuple[float, Vector]],
    curvature: Callable[[Vector, Vector], Vector],
    x: Vector,
    value: float,
    size: float,
) -> tuple[Vector | None, bool]:
    """Return a lower point near a stationary one, and whether the Hessian leaves open what it is.

    Conjugate gradients for a right side that has a share of every eigenvector come to a direction
    in which the Hessian does not bend upwards, if there is one. It is followed both ways, until
    the change of the value can be told from rounding.
    """
    rng = random.Random(0)
    direction, most = None, 0.0
    for unit, _, along, _, _ in _conjugate(curvature, x, [rng.uniform(1, 2) for _ in x]):
        most = max(most, along)
        if not along > len(x) * EPSILON * most:
            direction = unit
            break
    if direction is None:
        return None, False
    for sign in (1, -1):
        for power in range(-8, 1):
            there = _plus(x, direction, sign * 10.0**power * size)
            change = tried(there)[0] - value
            if not abs(change) <= 16 * EPSILON * abs(value):
                if change < 0:
                    return there, True
                break
    return None, True


def _model_minimum(
    curvature: Callable[[Vector, Vector], Vector], x: Vector, gradient: Vector, radius: float
) -> tuple[Vector, Vector, bool]:
    """Return the step to the minimum of the quadratic model within the radius, and H times it.

    The minimum need only be rough where the gradient is still large. The third says whether it is
    one: the step does not end at the radius, nor where the model has no minimum.
    """
    step, bent = [0.0] * len(x), [0.0] * len(x)
    first = math.hypot(*gradient)
    tolerance = min(0.1, first) * first
    for unit, turned, along, t, norm in _conjugate(curvature, x, [-g for g in gradient]):
        # Not <=, so that a nan stops it, too.
        longer = _plus(step, unit, t) if along > 0 else step
        if not along > 0 or math.hypot(*longer) >= radius:
            t = _to_edge(step, unit, radius)
            return _plus(step, unit, t), _plus(bent, turned, t), False
        step, bent = longer, _plus(bent, turned, t)
        if norm <= tolerance:
            break
    return step, bent, True


def _conjugate(
    curvature: Callable[[Vector, Vector], Vector], x: Vector, left: Vector
) -> Iterator[tuple[Vector, Vector, float, float, float]]:
    """Yield conjugate directions for the equations H step = left, at most twice as many as needed.

    Each comes with H times it, its product with that, how far the step goes along it, and how
    large the rest of the right side is then. The directions are of length about 1, made so by a
    power of two, which rounds nothing: products of small numbers would be lost.
    """
    direction = left
    norm = math.hypot(*left)
    for _ in range(2 * len(x)):
        exponent = math.frexp(math.hypot(*direction))[1]
        unit = [math.ldexp(d, -exponent) for d in direction]
        turned = curvature(x, unit)
        along = math.fsum(map(mul, unit, turned))
        t = (norm / along) * math.ldexp(norm, -exponent) if along else math.inf
        left = _plus(left, turned, -t)
        last, norm = norm, math.hypot(*left)
        yield unit, turned, along, t, norm
        if not norm:
            return
        ratio = norm / last
        direction = _plus(left, direction, ratio * ratio)


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
