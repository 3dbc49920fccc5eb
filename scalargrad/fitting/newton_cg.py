"""Minima by Newton's method with conjugate gradients in a trust region, on plain numbers."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
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
    does.

    T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization",
    SIAM Journal on Numerical Analysis 20 (3), 1983.
    """
    value, gradient = value_and_gradient(x)
    radius = size = max(1.0, math.hypot(*x))
    for iteration in range(max_iterations):
        slope = math.hypot(*gradient)
        size = max(size, math.hypot(*x))
        if slope == 0:
            return Stopped(x, value, gradient, iteration, "the gradient is 0", True)
        step, bent = _model_minimum(curvature, x, gradient, radius)
        length = math.hypot(*step)
        promised = -math.fsum(map(mul, gradient, step)) - math.fsum(map(mul, step, bent)) / 2
        there = _plus(x, step)
        try:
            new_value, new_gradient = value_and_gradient(there)
        except (ArithmeticError, ValueError):
            new_value, new_gradient = math.nan, gradient
        finite = math.isfinite(new_value) and all(map(math.isfinite, new_gradient))
        if new_value == -math.inf or (finite and not math.isfinite(length * length)):
            return Stopped(x, value, gradient, iteration, "f has no minimum downhill of x0", False)
        if promised <= 16 * EPSILON * abs(value) or length <= 4 * EPSILON * size:
            # The value tells no more: the gradient still does.
            if finite and math.hypot(*new_gradient) < slope:
                x, value, gradient = there, new_value, new_gradient
                continue
            if _small(curvature, x, gradient, value, size):
                message = "a further step would change x by rounding only"
                return Stopped(x, value, gradient, iteration, message, True)
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


def _small(
    curvature: Callable[[Vector, Vector], Vector],
    x: Vector,
    gradient: Vector,
    value: float,
    size: float,
) -> bool:
    """Return whether the whole step that the gradient asks for is lost in rounding."""
    step, bent = _model_minimum(curvature, x, gradient, math.inf)
    promised = -math.fsum(map(mul, gradient, step)) - math.fsum(map(mul, step, bent)) / 2
    return promised <= 1e4 * EPSILON * abs(value) or math.hypot(*step) <= 1e-6 * size


def _model_minimum(
    curvature: Callable[[Vector, Vector], Vector], x: Vector, gradient: Vector, radius: float
) -> tuple[Vector, Vector]:
    """Return the step to the minimum of the quadratic model within the radius, and H times it.

    The minimum need only be rough where the gradient is still large.
    """
    n = len(x)
    step, bent = [0.0] * n, [0.0] * n
    left = [-g for g in gradient]
    direction = left
    norm = first = math.hypot(*left)
    tolerance = min(0.1, first) * first
    for _ in range(2 * n):
        turned = curvature(x, direction)
        along = math.fsum(map(mul, direction, turned))
        # Not <=, so that a nan stops it, too.
        if not along > 0:
            t = _to_edge(step, direction, radius)
            return _plus(step, direction, t), _plus(bent, turned, t)
        t = (norm / along) * norm
        longer = _plus(step, direction, t)
        if math.hypot(*longer) >= radius:
            t = _to_edge(step, direction, radius)
            return _plus(step, direction, t), _plus(bent, turned, t)
        step, bent = longer, _plus(bent, turned, t)
        left = _plus(left, turned, -t)
        last, norm = norm, math.hypot(*left)
        if norm <= tolerance:
            break
        ratio = norm / last
        direction = _plus(left, direction, ratio * ratio)
    return step, bent


def _to_edge(step: Vector, direction: Vector, radius: float) -> float:
    """Return how far along the direction, from the step, the radius is reached."""
    if math.isinf(radius):
        return 1.0
    length = math.hypot(*direction)
    b = math.fsum(s * (d / length) for s, d in zip(step, direction, strict=True))
    c = (radius - math.hypot(*step)) * (radius + math.hypot(*step))
    root = math.hypot(b, math.sqrt(max(0.0, c)))
    return (c / (b + root) if b > 0 else root - b) / length


def _plus(x: Vector, direction: Vector, t: float = 1.0) -> Vector:
    return [a + t * b for a, b in zip(x, direction, strict=True)]
