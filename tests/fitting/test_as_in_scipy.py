"""SciPy's arguments and results: bounds, losses, sigma, fixed parameters; what is not there."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scalargrad import Value, exp
from scalargrad.fitting.robust import LOSSES
from scalargrad.optim import OptimizeWarning, curve_fit, least_squares, minimize

INF = math.inf
XS = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]
YS = [5.1, 3.9, 3.2, 2.4, 1.9, 1.2, 0.7]


def decay(x: Any, a: Any, b: Any) -> Any:
    return a * exp(-b * x)


def line(x: Any, a: Any, b: Any) -> Any:
    return a + b * x


class Inside:
    """A function that fails where an argument is out of the bounds."""

    def __init__(self, f: Any, lower: list[float], upper: list[float]) -> None:
        self.f, self.lower, self.upper = f, lower, upper

    def __call__(self, x: list[Any]) -> Any:
        for a, lo, hi in zip(x, self.lower, self.upper, strict=True):
            number = getattr(a, "_data", a)
            assert not isinstance(number, float) or lo <= number <= hi
        return self.f(x)


# --- bounds --------------------------------------------------------------------------------------

small = st.integers(-12, 12).map(lambda i: i / 4)


@st.composite
def bounded_lines(draw: st.DrawFn) -> tuple[list[tuple[float, float]], list[float], list[float]]:
    samples = draw(
        st.lists(st.tuples(small, small), min_size=3, max_size=7, unique_by=lambda s: s[0])
    )
    pairs = [sorted(draw(st.tuples(small, small))) for _ in range(2)]
    return samples, [lo for lo, _ in pairs], [hi + 0.25 for _, hi in pairs]


def best_line(
    samples: list[tuple[float, float]], lower: list[float], upper: list[float]
) -> tuple[Fraction, Fraction]:
    """Return the line of the least sum of squares in a box, by trying all its sides."""
    points = [(Fraction(x), Fraction(y)) for x, y in samples]

    def squares(a: Fraction, b: Fraction) -> Fraction:
        return sum(((a + b * x - y) ** 2 for x, y in points), Fraction())

    n, sx, sy = Fraction(len(points)), sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy = sum(x * x for x, _ in points), sum(x * y for x, y in points)
    found: list[tuple[Fraction, Fraction]] = []
    for a, b in itertools.product(
        (None, Fraction(lower[0]), Fraction(upper[0])),
        (None, Fraction(lower[1]), Fraction(upper[1])),
    ):
        if a is None and b is None:
            slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
            found.append(((sy - slope * sx) / n, slope))
        elif a is None and b is not None:
            found.append(((sy - b * sx) / n, b))
        elif a is not None and b is None:
            found.append((a, (sxy - a * sx) / sxx))
        elif a is not None and b is not None:
            found.append((a, b))
    inside = [(a, b) for a, b in found if lower[0] <= a <= upper[0] and lower[1] <= b <= upper[1]]
    return min(inside, key=lambda pair: squares(*pair))


@given(problem=bounded_lines(), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@example(([(0.0, 0.0), (0.25, 0.0), (0.5, -0.25)], [0.0, 0.0], [0.25, 0.25]), (0.0, 7e-296))
def test_a_bounded_line_is_the_exact_one(
    problem: tuple[list[tuple[float, float]], list[float], list[float]],
    shares: tuple[float, float],
) -> None:
    samples, lower, upper = problem
    start = [min(lo + t * (hi - lo), hi) for lo, hi, t in zip(lower, upper, shares, strict=True)]
    exact = [float(x) for x in best_line(samples, lower, upper)]
    residuals = Inside(lambda p: [p[0] + p[1] * x - y for x, y in samples], lower, upper)
    fit = least_squares(residuals, start, bounds=(lower, upper))
    assert fit.x == pytest.approx(exact, rel=1e-9, abs=1e-9)
    for x, lo, hi, side in zip(fit.x, lower, upper, fit.active_mask, strict=True):
        assert side == (-1 if x == lo else 1 if x == hi else 0)
    assert fit.optimality < 1e-9
    # The same by minimize, of half of the sum of squares.
    half = Inside(lambda p: sum(r * r for r in residuals.f(p)) / 2, lower, upper)
    found = minimize(half, start, bounds=list(zip(lower, upper, strict=True)))
    assert found.x == pytest.approx(exact, rel=1e-7, abs=1e-7)
    assert found.fun == pytest.approx(fit.cost, rel=1e-9, abs=1e-14)


@given(seed=st.integers(0, 10**6), n=st.integers(1, 5))
def test_a_bounded_minimum_is_one(seed: int, n: int) -> None:
    rng = random.Random(seed)
    rows = [[rng.gauss(0, 1) for _ in range(n)] for _ in range(n)]
    centre = [rng.uniform(-2, 2) for _ in range(n)]
    lower, upper = [rng.uniform(-1, 0) for _ in range(n)], [rng.uniform(0, 1) for _ in range(n)]

    def f(x: Any) -> Any:
        d = [a - c for a, c in zip(x, centre, strict=True)]
        squares = sum(sum(w * a for w, a in zip(row, d, strict=True)) ** 2 for row in rows)
        return squares + sum(a**4 for a in d) / 10

    found = minimize(Inside(f, lower, upper), [0.0] * n, bounds=SimpleNamespace(lb=lower, ub=upper))
    # The function is convex: where the gradient is 0 inside and leads out at a bound, it is least.
    for x, slope, lo, hi in zip(found.x, found.jac, lower, upper, strict=True):
        assert abs(slope) < 1e-7 or (x == lo and slope > 0) or (x == hi and slope < 0)


def test_bounds_of_a_curve() -> None:
    free = curve_fit(decay, XS, YS)
    assert free.x == pytest.approx([5.1, 0.5], rel=0.1)  # from ones, SciPy's default
    fit = curve_fit(decay, XS, YS, bounds=(0, [4.5, INF]))
    assert fit.x[0] == 4.5
    assert fit.active_mask == [1, 0]
    assert fit.x == pytest.approx(curve_fit(decay, XS, YS, [4.5, 1.0], fixed="a").x, rel=1e-9)
    assert fit.cost > free.cost
    far = curve_fit(decay, XS, YS, [1.0, 1.0], bounds=([-INF, -9], [INF, 9]))
    assert far.x == pytest.approx(free.x, rel=1e-9)


@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        ((-INF, INF), [1.0, 1.0]),
        ((0, INF), [1.0, 1.0]),
        (([2, 0.25], [6, 1.25]), [4.0, 0.75]),
        (([-INF, 0.25], [5.5, INF]), [4.5, 1.25]),
    ],
)
def test_where_a_fit_starts_by_default(bounds: Any, start: list[float]) -> None:
    # As SciPy has it: 1, the middle of two bounds, or 1 from the only one.
    seen = []

    def watched(x: Any, a: Any, b: Any) -> Any:
        if isinstance(a, Value) and isinstance(b, Value):
            seen.append([a.data, b.data])
        return decay(x, a, b) + bool(a > 77.0)

    curve_fit(watched, XS, YS, bounds=bounds)
    assert seen[0] == start


# --- fixed parameters, sigma, results ------------------------------------------------------------


def test_fixed_parameters_stay() -> None:
    fit = curve_fit(line, XS, YS, [5.0, -1.0], fixed=["a"])
    slope = sum((y - 5.0) * x for x, y in zip(XS, YS, strict=True)) / sum(x * x for x in XS)
    assert fit.x == [5.0, pytest.approx(slope)]
    assert fit.covariance[0] == [0.0, 0.0] == [row[0] for row in fit.covariance]
    squares = sum((5.0 + slope * x - y) ** 2 for x, y in zip(XS, YS, strict=True))
    assert fit.covariance[1][1] == pytest.approx(squares / 6 / sum(x * x for x in XS))
    for fixed in (1, [1], ["p[1]"]):
        found = least_squares(lambda p: [p[0] - 3, p[1] - 4, p[0] * p[1]], [1, 2], fixed=fixed)
        assert found.x == [pytest.approx(3 / 5), 2.0]
    assert minimize(lambda x: (x[0] - x[1]) ** 2, [1.0, 2.0], fixed=[1]).x == [2.0, 2.0]
    assert curve_fit(line, XS, YS, [5.0, -1.0], fixed=["a", "b"]).x == [5.0, -1.0]


@given(deviations=st.lists(st.sampled_from([0.1, 0.5, 1.0, 4.0]), min_size=7, max_size=7))
@settings(max_examples=10)
def test_sigma_weighs_the_samples(deviations: list[float]) -> None:
    # The exact line of weighted samples, and its covariance.
    ws = [Fraction(1) / Fraction(s) ** 2 for s in deviations]
    points = [(w, Fraction(x), Fraction(y)) for w, x, y in zip(ws, XS, YS, strict=True)]
    s0, sx, sxx = (sum(w * x**k for w, x, _ in points) for k in range(3))
    sy, sxy = (sum(w * x**k * y for w, x, y in points) for k in range(2))
    det = s0 * sxx - sx * sx
    a, b = (sy * sxx - sx * sxy) / det, (s0 * sxy - sx * sy) / det
    squares = sum(w * (a + b * x - y) ** 2 for w, x, y in points)
    inverse = [[sxx / det, -sx / det], [-sx / det, s0 / det]]
    matrix = [[s * s * (i == j) for j in range(7)] for i, s in enumerate(deviations)]
    for sigma in (deviations, matrix):
        for absolute in (False, True):
            fit = curve_fit(line, XS, YS, sigma=sigma, absolute_sigma=absolute)
            assert fit.x == pytest.approx([float(a), float(b)], rel=1e-9)
            scale = 1 if absolute else squares / 5
            for row, expected in zip(fit.covariance, inverse, strict=True):
                assert row == pytest.approx([float(x * scale) for x in expected], rel=1e-9)
            assert fit.residual_sum_of_squares == pytest.approx(float(squares), rel=1e-9)


def test_a_covariance_matrix_of_samples() -> None:
    # Two samples of one quantity that err together: the sum of squares is d' C^-1 d.
    sigma = [[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 4.0]]
    fit = curve_fit(lambda x, a: a + 0 * x, [0, 1, 2], [1.0, 2.0, 4.0], sigma=sigma)
    # The inverse of the first block is [[4, -2], [-2, 4]] / 3: weights 2/3, 2/3 and 1/4.
    weights = [Fraction(2, 3), Fraction(2, 3), Fraction(1, 4)]
    mean = sum(map(lambda w, y: w * y, weights, (1, 2, 4)), Fraction()) / sum(weights)
    assert fit.x == pytest.approx([float(mean)])
    absolute = curve_fit(
        lambda x, a: a + 0 * x, [0, 1, 2], [1.0, 2.0, 4.0], sigma=sigma, absolute_sigma=True
    )
    assert absolute.covariance == [[pytest.approx(float(1 / sum(weights)))]]


def test_results_have_scipys_attributes() -> None:
    fit = curve_fit(line, XS, YS, full_output=False)
    popt, pcov = fit
    assert (popt, pcov) == (fit.x, fit.covariance) == (fit.parameters, fit.covariance)
    assert fit.fun == pytest.approx(
        [popt[0] + popt[1] * x - y for x, y in zip(XS, YS, strict=True)]
    )
    assert fit.jac == [[1.0, x] for x in XS]
    assert fit.cost == pytest.approx(sum(r * r for r in fit.fun) / 2)
    assert fit.grad == pytest.approx([0.0, 0.0], abs=1e-12)
    assert fit.optimality == max(map(abs, fit.grad))
    assert (fit.success, fit.status, fit.active_mask) == (True, 3, [0, 0])
    assert fit.nfev == fit.njev > fit.iterations > 0
    p, c, details, message, status = curve_fit(line, XS, YS, full_output=True)
    assert (p, c, message, status) == (popt, pcov, fit.message, fit.status)
    assert details == {"nfev": fit.nfev, "fvec": fit.fun}
    assert (fit[0], fit[1], fit["x"], fit["cost"]) == (popt, pcov, popt, fit.cost)
    found = minimize(lambda x, k: (x[0] - k) ** 2, [0.0], 3.0)
    assert (found.x, found.success, found.status, found.active_mask) == ([3.0], True, 0, [0])
    assert found.nfev == found.njev > 0
    assert found["x"] == found.x
    assert found.nhev > 0


def test_parameters_are_the_positional_ones() -> None:
    # As SciPy counts them.
    expected = curve_fit(line, XS, YS).x
    assert curve_fit(lambda x, a, b, *, k=0.0: line(x, a, b) + k, XS, YS).x == expected
    assert curve_fit(lambda x, a, b, *more, **named: line(x, a, b), XS, YS).x == expected
    assert curve_fit(lambda x, a, b, /: line(x, a, b), XS, YS).x == expected


def test_scipys_shape_of_several_variables() -> None:
    def plane(x: Any, a: Any, b: Any) -> Any:
        u, v = x
        return a * u + b * v

    us, vs, zs = [1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 2.0, 1.0], [5.0, 4.0, 12.0, 11.0]
    assert curve_fit(plane, [us, vs], zs).x == pytest.approx([2.0, 3.0])
    assert curve_fit(plane, list(zip(us, vs, strict=True)), zs).x == pytest.approx([2.0, 3.0])


def test_args_callback_and_options() -> None:
    found = least_squares(lambda p, xs, shift: [p[0] * x - shift for x in xs], [1.0],
                          args=([1, 2],), kwargs={"shift": 3.0})  # fmt: skip
    assert found.x == pytest.approx([9 / 5])
    seen: list[Any] = []
    full = minimize(lambda x: x[0] ** 4 + x[0], [5.0], callback=seen.append)
    assert seen[-1] == full.x
    assert len(seen) > 5

    def stop(intermediate_result: Any) -> None:
        if intermediate_result.fun < 100:
            raise StopIteration

    ended = minimize(lambda x: x[0] ** 4 + x[0], [5.0], callback=stop)
    assert ended.message == "the callback ended it"
    assert full.fun < ended.fun < 100
    rough = minimize(lambda x: x[0] ** 4 + x[0], [5.0], options={"gtol": 0.1, "disp": True})
    assert rough.message == "the gradient is below gtol"
    assert 1e-9 < abs(rough.jac[0]) < 0.1
    assert minimize(lambda x: x[0] ** 4 + x[0], [5.0], tol=0.1).x == rough.x
    with pytest.raises(RuntimeError, match="3 iterations were not enough"):
        minimize(lambda x: x[0] ** 4 + x[0], [5.0], options={"maxiter": 3})


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("ftol", 2, "fell by less than ftol"),
        ("xtol", 3, "less than xtol of x"),
        ("gtol", 1, "gtol"),
    ],
)
def test_tolerances_end_a_fit_early(name: str, status: int, words: str) -> None:
    option: dict[str, Any] = {name: 1e-2}
    full, early = curve_fit(decay, XS, YS), curve_fit(decay, XS, YS, **option)
    assert early.iterations < full.iterations
    assert early.status == status
    assert words in early.message
    assert early.cost >= full.cost


def test_scales_of_steps() -> None:
    free = curve_fit(decay, XS, YS)
    for x_scale in (2.0, [1.0, 0.1], "jac"):
        assert curve_fit(decay, XS, YS, x_scale=x_scale).x == pytest.approx(free.x, rel=1e-9)


def test_evaluations_are_counted() -> None:
    options: list[dict[str, Any]] = [{"maxfev": 3}, {"max_nfev": 3}]
    for option in options:
        with pytest.raises(RuntimeError, match="no convergence: 3 evaluations were not enough"):
            curve_fit(decay, XS, YS, **option)


# --- robust losses -------------------------------------------------------------------------------

# Of z, by SciPy's documentation.
BY_DEFINITION: dict[str, Any] = {
    "soft_l1": lambda z: 2 * (math.sqrt(1 + z) - 1),
    "huber": lambda z: z if z <= 1 else 2 * math.sqrt(z) - 1,
    "cauchy": lambda z: math.log1p(z),
    "arctan": lambda z: math.atan(z),
}


@pytest.mark.parametrize("loss", BY_DEFINITION)
@given(z=st.floats(0, 50))
def test_losses_and_their_derivatives(loss: str, z: float) -> None:
    rho = LOSSES[loss]
    assert rho is not None
    value, slope, bend = rho(z)
    assert value == pytest.approx(BY_DEFINITION[loss](z), rel=1e-12, abs=1e-15)
    if abs(z - 1) > 0.01 and z > 0.01:
        h = 1e-4 * z  # the error of central differences is of h**2, and of rounding / h**2
        below, above = rho(z - h), rho(z + h)
        assert slope == pytest.approx((above[0] - below[0]) / (2 * h), rel=1e-6)
        assert bend == pytest.approx((above[1] - below[1]) / (2 * h), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("loss", BY_DEFINITION)
@pytest.mark.parametrize("f_scale", [0.1, 1.0, 3.0])
def test_robust_fits_are_minima_of_their_loss(loss: str, f_scale: float) -> None:
    ys = [*YS[:2], YS[2] + 3.0, *YS[3:]]

    def cost(p: list[float]) -> float:
        zs = [
            ((p[0] * math.exp(-p[1] * x) - y) / f_scale) ** 2 for x, y in zip(XS, ys, strict=True)
        ]
        return f_scale**2 / 2 * math.fsum(map(BY_DEFINITION[loss], zs))

    fit = curve_fit(decay, XS, ys, [5.0, 0.5], loss=loss, f_scale=f_scale)
    assert fit.cost == pytest.approx(cost(fit.x), rel=1e-12)
    assert fit.optimality < 1e-12
    for i, h in itertools.product(range(2), (1e-4, -1e-4)):
        moved = list(fit.x)
        moved[i] += h
        assert cost(moved) > fit.cost
    # Its covariance, by the second derivatives of the loss alone.
    rho = LOSSES[loss]
    assert rho is not None
    normal = [[0.0, 0.0], [0.0, 0.0]]
    for x, y in zip(XS, ys, strict=True):
        slopes = [math.exp(-fit.x[1] * x), -fit.x[0] * x * math.exp(-fit.x[1] * x)]
        z = ((fit.x[0] * slopes[0] - y) / f_scale) ** 2
        weight = max(rho(z)[1] + 2 * z * rho(z)[2], 2**-52)
        for i, j in itertools.product(range(2), repeat=2):
            normal[i][j] += weight * slopes[i] * slopes[j]
    det = normal[0][0] * normal[1][1] - normal[0][1] ** 2
    variance = 2 * fit.cost / (len(XS) - 2)
    assert fit.covariance[0][0] == pytest.approx(normal[1][1] / det * variance, rel=1e-6)
    assert fit.covariance[1][0] == pytest.approx(-normal[0][1] / det * variance, rel=1e-6)


def test_what_a_robust_fit_that_fails_says_of_its_sum() -> None:
    with pytest.raises(RuntimeError, match=r"not enough; it stood, at a sum of losses of \d"):
        curve_fit(decay, XS, YS, [5.0, 0.5], loss="cauchy", max_nfev=3)


def test_an_outlier_counts_for_less() -> None:
    ys = [1.0 + 2.0 * x for x in XS]
    ys[3] += 100.0
    plain = curve_fit(line, XS, ys)
    assert abs(plain.x[0] - 1) > 5
    for loss in ("soft_l1", "huber", "cauchy", "arctan"):
        fit = curve_fit(line, XS, ys, [1.5, 1.5], loss=loss, f_scale=0.1)
        assert fit.x == pytest.approx([1.0, 2.0], abs=0.1)


# --- what is not there, and what does not fit ----------------------------------------------------


def bowl(x: Any) -> Any:
    return x[0] ** 2


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: curve_fit(line, XS, YS, method="trf"), ValueError, "one method, 'lm' .*no 't"),
        (lambda: least_squares(bowl, [1], method="dogbox"), ValueError, "no 'dogbox': leave"),
        (lambda: minimize(bowl, [1], method="BFGS"), ValueError, "method, 'trust-ncg' .*no 'BF"),
        (lambda: curve_fit(line, XS, YS, jac="2-point"), TypeError, "takes no jac: leave jac='2"),
        (lambda: least_squares(bowl, [1], "3-point"), TypeError, "no jac: .*Derivatives are ex"),
        (lambda: minimize(bowl, [1], jac=bowl), TypeError, "minimize takes no jac: leave"),
        (lambda: minimize(bowl, [1], hess=bowl), TypeError, "takes no hess"),
        (lambda: minimize(bowl, [1], hessp=bowl), TypeError, "takes no hessp"),
        (lambda: minimize(bowl, [1], constraints=[{}]), TypeError, "takes no constraints.*penalty"),
        (lambda: minimize(bowl, [1], options={"xrtol": 1}), TypeError, "gtol, not xrtol"),
        (lambda: curve_fit(line, XS, YS, nan_policy="omit"), TypeError, "takes no nan_policy"),
        (
            lambda: least_squares(bowl, [1], jac_sparsity=1),
            TypeError,
            "least_squares takes no jac_sparsity: besides it takes ftol, xtol, gtol, max_",
        ),
        (lambda: curve_fit(line, XS, YS, loss="l1"), ValueError, "is one of linear, soft_l1, h"),
        (lambda: curve_fit(line, XS, YS, loss=min), ValueError, "loss is one of .*not <built-in"),
        (lambda: curve_fit(line, XS, YS, f_scale=0), ValueError, "f_scale must be above 0, got 0"),
        (lambda: curve_fit(line, XS, YS, ftol=-1), ValueError, "ftol must be above 0, got -1"),
        (lambda: curve_fit(line, XS, YS, ftol="1"), TypeError, "ftol must be a number, got '1'"),
        (lambda: curve_fit(line, XS, YS, x_scale="j"), ValueError, "x_scale is 'jac', a number or"),
        (lambda: curve_fit(line, XS, YS, x_scale=[1]), ValueError, "x_scale has a number above 0"),
        (lambda: curve_fit(line, XS, YS, x_scale=0), ValueError, "x_scale has a number above 0"),
        (lambda: curve_fit(lambda x, *p: x, XS, YS), ValueError, "does not say how many .*give p0"),
        (lambda: curve_fit(line, XS, YS, bounds=(0, 1, 2)), ValueError, r"bounds are a pair, \(l"),
        (lambda: curve_fit(line, XS, YS, bounds=(1, 0)), ValueError, "bounds of a are 1.0 and 0.0"),
        (lambda: curve_fit(line, XS, YS, bounds=(0, ["1"] * 2)), TypeError, "upper bound of a"),
        (
            lambda: curve_fit(line, XS, YS, bounds=(0, [1, 1, 1])),
            ValueError,
            "there are 2 parameters, but 3 upper bounds",
        ),
        (
            lambda: curve_fit(line, XS, YS, [1, 5], bounds=(0, 2)),
            ValueError,
            "start is outside of the bounds: b is 5.0, and must be from 0.0 to 2.0",
        ),
        (lambda: curve_fit(line, XS, YS, fixed=["c"]), ValueError, "no parameter 'c' .*are a, b"),
        (lambda: least_squares(bowl, [1], fixed=3), ValueError, r"no parameter 3 .*are x\[0\]"),
        (lambda: minimize(bowl, [1], bounds=[0, 1]), ValueError, "a pair .* for each variable"),
        (lambda: minimize(bowl, [1], bounds=[(0, 1)] * 2), ValueError, "1 variables, but 2 pairs"),
        (lambda: curve_fit(line, XS, YS, sigma=[1] * 3), ValueError, "for each sample, 7, got 3"),
        (lambda: curve_fit(line, XS, YS, sigma=[0] * 7), ValueError, "deviations, which are ab"),
        (lambda: curve_fit(line, XS, YS, sigma=[[1]] * 7), ValueError, r"sigma\[0\] has 1 num"),
        (
            lambda: curve_fit(line, XS, YS, sigma=[[1.0] * 7] * 7),
            ValueError,
            "must be a covariance matrix, symmetric and positive definite",
        ),
    ],
)  # fmt: skip
def test_errors_name_what_there_is(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_samples_that_are_not_finite_may_be_let_through() -> None:
    with pytest.raises(ValueError, match=r"the model at xdata\[6\] = nan is nan at the start"):
        curve_fit(line, [*XS[:6], math.nan], YS, check_finite=False)


# --- the examples of SciPy's documentation, with the import changed ------------------------------


@pytest.mark.numpy
def test_examples_of_scipys_documentation() -> None:
    np = pytest.importorskip("numpy")

    def by_numpy(x: Any, a: Any, b: Any, c: Any) -> Any:
        return a * np.exp(-b * x) + c

    def func(x: Any, a: Any, b: Any, c: Any) -> Any:
        return a * exp(-b * x) + c

    rng = np.random.default_rng(1)
    xdata = np.linspace(0, 4, 50)
    ydata = by_numpy(xdata, 2.5, 1.3, 0.5) + 0.2 * rng.normal(size=xdata.size)
    with pytest.raises(TypeError, match=r"numpy's exp takes no Value: write scalargrad\.exp"):
        curve_fit(by_numpy, xdata, ydata)
    popt, pcov = curve_fit(func, xdata, ydata)
    assert popt == pytest.approx([2.5, 1.3, 0.5], abs=0.3)
    bounded, _ = curve_fit(func, xdata, ydata, bounds=(0, [3.0, 1.0, 0.5]))
    assert bounded[1:] == [1.0, pytest.approx(0.5, abs=0.2)]
    with pytest.warns(OptimizeWarning, match="[ad] is redundant"):
        _, pcov = curve_fit(lambda x, a, b, c, d: func(x, a * d, b, c), xdata, ydata)
    assert pcov[0][0] == INF
    far = curve_fit(func, xdata, by_numpy(xdata, 500000, 0.01, 15), x_scale=[1000, 1, 1])
    assert far.x[1] == pytest.approx(0.01, rel=1e-3)

    def rosenbrock(x: Any) -> Any:
        return np.array([10 * (x[1] - x[0] ** 2), (1 - x[0])])

    assert least_squares(rosenbrock, np.array([2, 2])).x == pytest.approx([1, 1])
    found = least_squares(rosenbrock, np.array([2, 2]), bounds=([-np.inf, 1.5], np.inf))
    assert found.x == pytest.approx([1.22437075, 1.5])  # as printed there

    def broyden(x: Any) -> Any:
        f = (3 - x) * x + 1
        f[1:] -= x[:-1]
        f[:-1] -= 2 * x[1:]
        return f

    assert least_squares(broyden, -np.ones(12)).cost < 1e-25
    ts = np.linspace(0, 10, 15)
    ys = 0.5 + 2.0 * np.exp(-ts)
    ys[5] += 1.0

    def by_arrays(x: Any, t: Any, y: Any) -> Any:
        return x[0] + x[1] * np.exp(x[2] * t) - y

    with pytest.raises(TypeError, match="apply it to each element, as in"):
        least_squares(by_arrays, np.array([1.0, 1.0, 0.0]), args=(ts, ys))

    def residuals(x: Any, ts: Any, ys: Any) -> Any:
        return [x[0] + x[1] * exp(x[2] * t) - y for t, y in zip(ts, ys, strict=True)]

    robust = least_squares(
        residuals, np.array([1.0, 1.0, 0.0]), loss="soft_l1", f_scale=0.1, args=(ts, ys)
    )
    assert robust.x == pytest.approx([0.5, 2.0, -1.0], abs=0.06)

    def rosen(x: Any) -> Any:
        x = np.asarray(x)
        return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0, axis=0)

    for x0 in ([1.3, 0.7, 0.8, 1.9, 1.2], np.array([1.3, 0.7, 0.8, 1.9, 1.2])):
        assert minimize(rosen, x0, tol=1e-6).x == pytest.approx([1.0] * 5, abs=1e-6)
    found_ = minimize(
        lambda x: (x[0] - 1) ** 2 + (x[1] - 2.5) ** 2, (2, 0), bounds=((0, None), (0, None))
    )
    assert found_.x == [1.0, 2.5]
