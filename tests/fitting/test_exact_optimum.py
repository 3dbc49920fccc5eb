"""Random fits end at the exact optimum, which mpmath finds by Newton's method in 50 digits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from scalargrad.optim import Fit
from tests.benchmarks.against_scipy import problem, solved

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

MODELS: dict[str, Callable[..., Any]] = {
    "a*exp(-b*x)+c": lambda x, a, b, c: a * mp.exp(-b * x) + c,
    "a*sin(b*x)+c": lambda x, a, b, c: a * mp.sin(b * x) + c,
    "(a+b*x)/(1+c*c*x*x)": lambda x, a, b, c: (a + b * x) / (1 + c * c * x * x),
    "a+b*x+c*x*x": lambda x, a, b, c: a + b * x + c * x * x,
    "a/(1+exp(b-c*x))": lambda x, a, b, c: a / (1 + mp.exp(b - c * x)),
}
# As `scipy.optimize.least_squares` defines them.
LOSSES: dict[str, Callable[[Any], Any]] = {
    "linear": lambda z: z,
    "soft_l1": lambda z: 2 * (mp.sqrt(1 + z) - 1),
    "huber": lambda z: z if mp.re(z) <= 1 else 2 * mp.sqrt(z) - 1,
    "cauchy": lambda z: mp.log(1 + z),
    "arctan": mp.atan,
}
# Of complex steps, and of the differences of gradients: the Hessian need not be exact.
STEP = mpmath.mpf(10) ** -25
# A fit goes on until rounding ends it. In its gradient, a sum over 25 samples, that is some 1e-14,
# and the worst Hessians here are 1e2 apart in their directions.
NEAR = 1e-12


def weighted(sigma: Any, residuals: list[Any]) -> list[Any]:
    """Return the residuals by the deviations or, for a covariance, by its Cholesky factor."""
    if sigma is None:
        return residuals
    if not isinstance(sigma[0], list):
        return [r / s for r, s in zip(residuals, sigma, strict=True)]
    factor = mp.cholesky(mp.matrix(sigma))
    solved: list[Any] = []
    for k, r in enumerate(residuals):
        solved.append((r - sum(factor[k, j] * solved[j] for j in range(k))) / factor[k, k])
    return solved


def gradient(o: dict[str, Any], p: Sequence[Any]) -> list[Any]:
    """Return the derivatives of the cost, by complex steps."""
    found = []
    for i in range(len(p)):
        moved = [mp.mpc(x, STEP if k == i else 0) for k, x in enumerate(p)]
        residuals = [
            MODELS[o["model"]](mp.mpf(x), *moved) - y for x, y in zip(o["xs"], o["ys"], strict=True)
        ]
        scale = mp.mpf(o["f_scale"]) if o["loss"] != "linear" else mp.mpf(1)
        terms = [LOSSES[o["loss"]]((r / scale) ** 2) for r in weighted(o["sigma"], residuals)]
        found.append(mp.im(sum(terms) * scale**2 / 2) / STEP)
    return found


def exact(o: dict[str, Any], fit: Fit) -> list[Any]:
    """Return the optimum next to the fit; parameters that it has at a bound stay there."""
    p = [mp.mpf(x) for x in fit.x]
    bounds = zip(*o["bounds"], strict=True)
    free = [i for i, (x, lohi) in enumerate(zip(fit.x, bounds, strict=True)) if x not in lohi]
    for _ in range(5 if free else 0):
        slopes = gradient(o, p)
        hessian = mp.matrix(len(free), len(free))
        for a, i in enumerate(free):
            there = gradient(o, [x + STEP * (k == i) for k, x in enumerate(p)])
            for b, j in enumerate(free):
                hessian[b, a] = (there[j] - slopes[j]) / STEP
        moves = mp.lu_solve(hessian, mp.matrix([slopes[i] for i in free]))
        for i, move in zip(free, moves, strict=True):
            p[i] -= move
    for i, slope in enumerate(gradient(o, p)):
        outward = slope if fit.x[i] == o["bounds"][0][i] else -slope
        assert abs(slope) < 1e-20 if i in free else outward > 0
    return p


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_fits_end_at_the_exact_optimum(seed: int) -> None:
    rng = random.Random(seed)
    with mp.workdps(50):
        for _ in range(12):
            o = problem(rng)
            fit = solved(o, o["p0"])
            for found, right in zip(fit.x, exact(o, fit), strict=True):
                assert abs(found - right) <= NEAR * max(1, abs(right)), (o, fit.x)
