"""Robust losses: sums in which large residuals count for less than their squares."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import mul

from scalargrad.fitting.levenberg_marquardt import EPSILON, Linear

# Of z, the square of a residual in units of `f_scale`: the loss, and its two derivatives.
Rho = Callable[[float], tuple[float, float, float]]


def _soft_l1(z: float) -> tuple[float, float, float]:
    root = math.sqrt(1 + z)
    return 2 * z / (root + 1), 1 / root, -0.5 / (root * (1 + z))


def _huber(z: float) -> tuple[float, float, float]:
    if z <= 1:
        return z, 1.0, 0.0
    root = math.sqrt(z)
    return 2 * root - 1, 1 / root, -0.5 / (root * z)


def _cauchy(z: float) -> tuple[float, float, float]:
    return math.log1p(z), 1 / (1 + z), -1 / (1 + z) / (1 + z)


def _arctan(z: float) -> tuple[float, float, float]:
    slope = 1 / (1 + z * z)
    return math.atan(z), slope, -2 * z * slope * slope


# By SciPy's names.
LOSSES: dict[str, Rho | None] = {
    "linear": None,
    "soft_l1": _soft_l1,
    "huber": _huber,
    "cauchy": _cauchy,
    "arctan": _arctan,
}


def robust(linear: Linear, rho: Rho, f_scale: float, least: float) -> Linear:
    """Return residuals and a Jacobian whose sum of squares has the gradient of the losses.

    The loss is f_scale**2 * rho(z), where z = (r / f_scale)**2. Half of its second derivative by
    the residual r is rho' + 2 z rho''. The root of that scales each row of the Jacobian J: so J' J
    is close to half of the Hessian. If it is below `least` times rho', it is replaced by that, and
    at the end of a fit, as in SciPy, by 2.2e-16.

    B. Triggs and others, "Bundle adjustment: a modern synthesis", in: Vision Algorithms, Springer
    2000, section 4.3.
    """
    roots, residuals, losses = [], [], []
    for r in linear.residuals:
        t = r / f_scale
        loss, slope, bend = rho(t * t)
        floor = least * slope if least > EPSILON else EPSILON
        root = math.sqrt(max(slope + 2 * bend * (t * t), floor))
        roots.append(root)
        residuals.append(r * (slope / root))
        losses.append(math.sqrt(loss))
    columns = [list(map(mul, column, roots)) for column in linear.columns]
    return Linear(residuals, columns, f_scale * math.hypot(*losses))
