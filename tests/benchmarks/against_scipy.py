"""200 random fits, with sigma, bounds and losses, held against SciPy.

Run it from the root of a checkout: python3 -m tests.benchmarks.against_scipy. SciPy is installed
into a throw-away environment. It starts from the same parameters, and from ours, where it should
stay. SciPy compares costs, which do not tell parameters apart that differ by 1e-8: so it is said,
too, how much higher the cost is here than there, and how far the gradient here is from 0.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import warnings
from collections.abc import Sequence
from itertools import chain
from typing import Any

from scalargrad import exp, sin
from scalargrad.optim import Fit, curve_fit
from tests.benchmarks.from_index import environment

MODELS: dict[str, tuple[Any, tuple[float, ...]]] = {
    "a*exp(-b*x)+c": (lambda x, a, b, c: a * exp(-b * x) + c, (3.0, 0.7, 0.5)),
    "a*sin(b*x)+c": (lambda x, a, b, c: a * sin(b * x) + c, (2.0, 1.1, 0.3)),
    "(a+b*x)/(1+c*c*x*x)": (lambda x, a, b, c: (a + b * x) / (1 + c * c * x * x), (1.0, 2.0, 0.5)),
    "a+b*x+c*x*x": (lambda x, a, b, c: a + b * x + c * x * x, (1.0, -2.0, 0.5)),
    "a/(1+exp(b-c*x))": (lambda x, a, b, c: a / (1 + exp(b - c * x)), (3.0, 2.0, 1.3)),
}
SCIPY = """
import json, sys
import numpy as np
from numpy import exp, sin
from scipy.optimize import curve_fit

def solved(o, f, p0, jac):
    settings = dict(ftol=None, xtol=1e-15, gtol=1e-15, max_nfev=20000, x_scale="jac")
    sigma = None if o["sigma"] is None else np.array(o["sigma"])
    return curve_fit(
        f, np.array(o["xs"]), np.array(o["ys"]), p0, sigma, o["absolute"], bounds=o["bounds"],
        method="trf", jac=jac, loss=o["loss"], f_scale=o["f_scale"], full_output=True, **settings)

results = []
for o in json.load(sys.stdin):
    f = eval("lambda x, a, b, c: " + o["model"])
    def jac(x, *p):
        columns = []
        for i in range(3):  # complex steps: exact
            q = np.array(p, complex)
            q[i] += 1e-30j
            columns.append(f(x, *q).imag / 1e-30)
        return np.array(columns).T
    try:
        runs = [solved(o, f, p0, jac) for p0 in (o["p0"], o["found"])]
        results.append([[list(p), c.tolist()] for p, c, *_ in runs])
    except Exception as error:
        results.append(str(error))
print(json.dumps(results))
"""


def problem(rng: random.Random) -> dict[str, Any]:
    """Return a random problem: samples of a model, with noise and, for a robust loss, outliers."""
    name = rng.choice(list(MODELS))
    f, true = MODELS[name]
    n = rng.randint(8, 25)
    xs = sorted(rng.uniform(0, 4) for _ in range(n))
    ys = [float(f(x, *true)) + rng.gauss(0, 0.1) for x in xs]
    loss = rng.choice(["linear", "linear", "soft_l1", "huber", "cauchy", "arctan"])
    if loss != "linear":
        ys[rng.randrange(n)] += rng.choice([-2.0, 2.0])
    deviations = [rng.uniform(0.05, 0.3) for _ in range(n)]
    matrix = [[0.01 * (0.5 ** abs(i - j) + 0.1 * (i == j)) for j in range(n)] for i in range(n)]
    sigma = rng.choice([None, deviations, matrix])
    lower, upper = [-math.inf] * 3, [math.inf] * 3
    p0 = [t * rng.uniform(0.9, 1.1) for t in true]
    if rng.random() < 0.5:
        lower, upper = [t - abs(t) * 0.5 for t in true], [t + abs(t) * 0.5 for t in true]
        i = rng.randrange(3)  # a bound that is close, and holds the parameter most often
        upper[i] = true[i] + abs(true[i]) * rng.uniform(-0.2, 0.02)
        p0 = [min(p, hi) for p, hi in zip(p0, upper, strict=True)]
    return {
        **{"model": name, "xs": xs, "ys": ys, "p0": p0, "sigma": sigma, "bounds": [lower, upper]},
        **{"absolute": rng.random() < 0.5, "loss": loss},
        "f_scale": rng.choice([0.1, 0.5]) / (1 if sigma is None else 0.1),
    }


def solved(o: dict[str, Any], p0: list[float], fixed: Sequence[int] = ()) -> Fit:
    """Return our fit from these parameters."""
    fit: Fit = curve_fit(
        *(MODELS[o["model"]][0], o["xs"], o["ys"], p0, o["sigma"], o["absolute"]),
        **{name: o[name] for name in ("bounds", "loss", "f_scale")},
        fixed=fixed,
    )
    return fit


def main() -> None:
    warnings.simplefilter("ignore")
    rng = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    problems: list[dict[str, Any]] = []
    ours: list[Fit] = []
    lost = 0
    while len(problems) < 200:
        o = problem(rng)
        try:
            fit = solved(o, o["p0"])
        except RuntimeError:
            lost += 1
            continue
        problems.append({**o, "found": fit.x})
        ours.append(fit)
    with environment("scipy") as python:
        done = subprocess.run(
            [python, "-c", SCIPY],
            input=json.dumps(problems),
            capture_output=True,
            text=True,
            check=True,
        )
    other, stays, parameters, covariances, failed, costs = 0, 0.0, 0.0, 0.0, 0, 0.0
    for o, fit, result in zip(problems, ours, json.loads(done.stdout), strict=True):
        if isinstance(result, str):
            failed += 1
            continue
        (there, covariance), (again, _) = result
        stays = max(stays, distance(again, fit.x))
        if distance(there, fit.x) > 1e-3:
            other += 1
            continue
        parameters = max(parameters, distance(there, fit.x))
        costs = max(costs, fit.cost / solved(o, there, fixed=[0, 1, 2]).cost - 1)
        theirs, here = list(chain(*covariance)), list(chain(*fit.covariance))
        largest = max(map(abs, theirs))
        differences = zip(theirs, here, strict=True)
        covariances = max(covariances, max(abs(a - b) for a, b in differences) / largest)
    print(f"200 problems; {lost} more did not converge here, {failed} not there")
    print(f"another minimum: {other}")
    print(f"parameters differ by {parameters:.1e}, and by {stays:.1e} where SciPy starts from ours")
    print(f"the cost is higher here by {costs:.1e} of it at most")
    print(f"the largest optimality here is {max(fit.optimality for fit in ours):.1e}")
    print(f"covariances differ by {covariances:.1e} of their largest number")


def distance(a: list[float], b: list[float]) -> float:
    """Return the largest difference, relative to numbers above 1."""
    return max(abs(x - y) / max(1.0, abs(x)) for x, y in zip(a, b, strict=True))


if __name__ == "__main__":
    main()
