"""Fits and minima: held against exact arithmetic, and every error by its words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from copy import copy, deepcopy
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scalargrad import Value, cos, cosh, exp, grad, log, optim, sin
from scalargrad.fitting.arguments import Box
from scalargrad.fitting.newton_cg import EPSILON, _Model, _Point, _to_edge, newton_cg
from scalargrad.optim import Fit, Minimum, OptimizeWarning, curve_fit, least_squares, minimize

ENDLESS = Box([-math.inf], [math.inf])
numbers = st.integers(-50, 50).map(lambda i: i / 4)
lists = st.lists(st.tuples(numbers, numbers), min_size=3, max_size=8, unique_by=lambda s: s[0])


def line(x: Any, a: Any, b: Any) -> Any:
    return a + b * x


# --- what is found ------------------------------------------------------------------------------


@given(samples=lists, a=numbers, b=numbers)
def test_a_line_is_the_exact_one(samples: list[tuple[float, float]], a: float, b: float) -> None:
    xs, ys = zip(*samples, strict=True)
    fit = curve_fit(line, xs, ys, [a, b])
    n = len(samples)
    exact = [(Fraction(x), Fraction(y)) for x, y in samples]
    mean_x, mean_y = sum(x for x, _ in exact) / n, sum(y for _, y in exact) / n
    spread = sum((x - mean_x) ** 2 for x, _ in exact)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in exact) / spread
    level = mean_y - slope * mean_x
    squares = sum((level + slope * x - y) ** 2 for x, y in exact)
    size = 1e-11 * (1 + max(map(abs, ys)))
    assert fit.parameters == pytest.approx([float(level), float(slope)], rel=1e-9, abs=size)
    assert fit.residual_sum_of_squares == pytest.approx(float(squares), rel=1e-9, abs=size**2)
    variance = squares / (n - 2)
    covariance = [
        [variance * (Fraction(1, n) + mean_x**2 / spread), -variance * mean_x / spread],
        [-variance * mean_x / spread, variance / spread],
    ]
    for row, exact_row in zip(fit.covariance, covariance, strict=True):
        largest = float(max(covariance[0][0], covariance[1][1]))
        bound = 1e-9 * largest + size**2
        assert row == pytest.approx([float(x) for x in exact_row], rel=1e-8, abs=bound)
    deviations = [math.sqrt(fit.covariance[i][i]) for i in range(2)]
    assert fit.standard_errors == pytest.approx(deviations, rel=1e-14, abs=0)


@given(samples=lists, i=st.integers(-40, 40), j=st.integers(-40, 40))
def test_the_unit_of_a_parameter_does_not_matter(
    samples: list[tuple[float, float]], i: int, j: int
) -> None:
    xs = [x / 8 for x, _ in samples]
    ys = [y + 20 for _, y in samples]

    def fitted(a: float, b: float) -> Any:
        def wave(x: Any, p: Any, q: Any) -> Any:
            return p * a + sin(q * b * x)

        try:
            return curve_fit(wave, xs, ys, [1 / a, 0.5 / b], max_iterations=60)
        except (RuntimeError, ValueError) as error:
            return type(error)

    # Powers of two round nothing: all that the method does is the same to the last bit.
    plain, scaled = fitted(1.0, 1.0), fitted(2.0**i, 2.0**j)
    if isinstance(plain, Fit):
        p, q = plain.parameters
        assert scaled.parameters == [p / 2.0**i, q / 2.0**j]
        assert scaled.iterations == plain.iterations
    else:
        assert scaled is plain


@given(
    amount=st.floats(0.5, 50),
    rate=st.floats(0.5, 3),
    level=st.floats(-5, 5),
    off=st.floats(0.8, 1.25),
)
def test_data_without_noise_give_the_parameters_back(
    amount: float, rate: float, level: float, off: float
) -> None:
    def decay(t: Any, amount: Any, rate: Any, level: Any) -> Any:
        return amount * exp(-rate * t) + level

    ts = [0.25 * i for i in range(16)]
    ys = [decay(t, amount, rate, level) for t in ts]
    fit = curve_fit(decay, ts, ys, [amount * off, rate * off, level * off])
    assert fit.parameters == pytest.approx([amount, rate, level], rel=1e-9, abs=1e-9)


def test_it_unpacks_as_scipys_pair() -> None:
    fit = curve_fit(line, [0, 1, 2], [1.0, 3.0, 5.5], [0, 0])
    popt, pcov = fit
    assert popt is fit.parameters
    assert pcov is fit.covariance
    assert fit.iterations > 0
    assert fit.message == "a further step would change the parameters by rounding only"
    assert optim.curve_fit is curve_fit


def test_x_may_be_a_row() -> None:
    def plane(x: Any, a: Any, b: Any) -> Any:
        return a * x[0] + b * x[1]

    rows = [[1, 2], [3, 4], (5, 7)]
    assert curve_fit(plane, rows, [5, 11, 19], [1, 1]).parameters == pytest.approx([1, 2])


def test_arrays_and_single_parameters_are_taken() -> None:
    class Array:
        def __init__(self, items: list[Any]) -> None:
            self.items = items

        def tolist(self) -> list[Any]:
            return self.items

        def __iter__(self) -> Iterator[Any]:
            return iter(self.items)

    fit = curve_fit(lambda x, a: a * x[0], Array([[1.0], [2.0]]), Array([2.0, 4.0]), 1)
    assert fit.parameters == pytest.approx([2.0])
    assert curve_fit(lambda x, a: a * x, [1, 2], [2, 4], 1).parameters == pytest.approx([2.0])


def test_a_model_that_cannot_be_compiled() -> None:
    def bend(x: Any, a: Any, b: Any) -> Any:
        return a * x if x < b else a * b + (x - b)

    xs = [0.5 * i for i in range(12)]
    fit = curve_fit(bend, xs, [bend(x, 3.0, 2.25) for x in xs], [1.0, 3.1])
    assert fit.parameters == pytest.approx([3.0, 2.25])


def test_as_many_samples_as_parameters() -> None:
    with pytest.warns(OptimizeWarning, match="infinite: there are as many samples as parameters"):
        fit = curve_fit(line, [1, 2], [1.0, 3.0], [0, 0])
    assert fit.parameters == pytest.approx([-1, 2])
    assert fit.standard_errors == [math.inf, math.inf]


@given(root=st.tuples(st.floats(0.5, 3), st.floats(0.5, 3)))
def test_equations_are_solved(root: tuple[float, float]) -> None:
    a, b = root
    fit = least_squares(lambda p: (p[0] * p[1] - a * b, p[0] - p[1] ** 2 - a + b**2), [1, 1])
    p, q = fit.parameters
    assert p * q == pytest.approx(a * b)
    assert p - q**2 == pytest.approx(a - b**2, abs=1e-9)


def test_a_large_residual_is_no_hindrance() -> None:
    # Brown and Dennis, from More, Garbow and Hillstrom, "Testing unconstrained optimization
    # software", 1981, which gives the sum of squares.
    def residuals(p: Any) -> list[Any]:
        return [
            (p[0] + t * p[1] - math.exp(t)) ** 2 + (p[2] + p[3] * math.sin(t) - math.cos(t)) ** 2
            for t in (i / 5 for i in range(1, 21))
        ]

    fit = least_squares(residuals, [25, 5, -5, -1])
    assert fit.residual_sum_of_squares == pytest.approx(85822.2, abs=0.05)


# --- minima -------------------------------------------------------------------------------------


@given(
    centre=st.lists(numbers, min_size=1, max_size=4),
    widths=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    tilt=st.floats(-0.4, 0.4),
)
def test_a_bowl_has_its_minimum_in_the_centre(
    centre: list[float], widths: list[int], tilt: float
) -> None:
    def bowl(x: list[Any]) -> Any:
        d = [a - c for a, c in zip(x, centre, strict=True)]
        squares = sum((w * a * a for w, a in zip(widths, d, strict=False)), 0.0)
        return squares + tilt * d[0] * d[-1] + 7

    minimum = minimize(bowl, [0.0] * len(centre))
    assert minimum.x == pytest.approx(centre, abs=1e-9)
    assert minimum.fun == pytest.approx(7)


def rosenbrock(x: Any) -> Any:
    return sum((1 - a) ** 2 + 100 * (b - a * a) ** 2 for a, b in pairwise(x))


def powell(x: Any) -> Any:
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


@pytest.mark.parametrize(
    ("f", "start", "solution", "tolerance"),
    [
        (rosenbrock, [-1.2, 1.0], [1.0, 1.0], 1e-12),
        (rosenbrock, [0.5] * 6, [1.0] * 6, 1e-12),
        # Its Hessian is singular there: the function is 0 to rounding long before x is.
        (powell, [3, -1, 0, 1], [0.0] * 4, 1e-3),
        (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, [1, 0.1], [0.0, math.sqrt(0.5)], 1e-12),
        (lambda x: (x[0] * 1e6 - 1) ** 2 + (x[1] * 1e-6 - 1) ** 2, [0, 0], [1e-6, 1e6], 1e-3),
        (lambda x: cosh(x[0]) - cos(x[0]) if x[0] > 1 else x[0] ** 2, 3, [0.0], 1e-9),
        (lambda x: sin(x[0]) + 1e9, -1, [-math.pi / 2], 1e-6),
    ],
)
def test_known_minima(f: Any, start: Any, solution: list[float], tolerance: float) -> None:
    minimum = minimize(f, start)
    assert isinstance(minimum, Minimum)
    assert minimum.x == pytest.approx(solution, abs=tolerance)
    assert len(minimum.jac) == len(solution)
    assert minimum.nit > 0
    assert minimum.message


@pytest.mark.parametrize(
    ("f", "start", "value"),
    [
        # Maxima and saddles at the start, by their value at the minima that lie downhill.
        (lambda x: cos(x[0]), [0.0], -1.0),
        (lambda x: sum(map(cos, x)), [0.0] * 4, -4.0),
        (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, [0, 0], -0.25),
        (lambda x: x[0] * x[1] + x[0] ** 4 + x[1] ** 4, [0, 0], -0.125),
        (lambda x: 1e6 * x[0] ** 2 - 1e-6 * x[1] ** 2 + 1e-6 * x[1] ** 4, [0, 0], -2.5e-7),
        # Their Hessians are 0.
        (lambda x: x[0] ** 3 + x[0] ** 4, [0], -27 / 256),
        (lambda x: 1 - x[0] ** 4 + x[0] ** 6, [0], 1 - 4 / 27),
        (lambda x: 2 + x[0] ** 3 - 3 * x[0] * x[1] ** 2 + (x[0] ** 2 + x[1] ** 2) ** 2, [0, 0],
         2 - 27 / 256),
    ],
)  # fmt: skip
def test_a_saddle_or_a_maximum_is_left_downhill(f: Any, start: list[float], value: float) -> None:
    assert minimize(f, start).fun == pytest.approx(value, rel=1e-12, abs=0)


@given(
    angle=st.floats(0, 3.2),
    bends=st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
    level=st.integers(-9, 9),
)
def test_minima_are_told_from_other_stationary_points(
    angle: float, bends: tuple[float, float], level: int
) -> None:
    # A turned a u**2 + b v**2, and the fourth power of the distance, which bounds it from below.
    def f(x: Any) -> Any:
        u = math.cos(angle) * x[0] + math.sin(angle) * x[1]
        v = math.cos(angle) * x[1] - math.sin(angle) * x[0]
        return level + bends[0] * u**2 + bends[1] * v**2 + (u**2 + v**2) ** 2

    assume(abs(min(bends)) > 1e-3)
    found = minimize(f, [0.0, 0.0])
    least = min(*bends, 0.0)
    assert found.fun == pytest.approx(level - least**2 / 4, rel=1e-12, abs=1e-12)
    if least == 0:
        assert found.x == [0.0, 0.0]


def test_where_the_hessian_leaves_it_open_the_message_says_so() -> None:
    words = "the gradient is 0; the Hessian is singular there, so that it may be a saddle"
    assert minimize(lambda x: x[0] ** 4, [0.0]).message == words
    assert minimize(lambda x: (x[0] + x[1] - 1) ** 2, [0.0, 0.0]).message == words
    assert minimize(lambda x: x[0] ** 2, [0.0]).message == "the gradient is 0"
    for f in (lambda x: x[0] ** 3, lambda x: -(x[0] ** 4)):
        with pytest.raises(RuntimeError, match="f has no minimum downhill of x0"):
            minimize(f, [0.0])


# --- numbers of any size --------------------------------------------------------------------------

POWERS = st.integers(-900, 900).map(lambda k: 2.0**k)


@given(unit=POWERS, x0=st.sampled_from([0.0, 1.0]))
def test_data_of_any_size_are_fitted(unit: float, x0: float) -> None:
    assume(unit < 2.0**500)  # the sum of squares is a float
    ys = [3.0 * unit, 5.0 * unit, 7.0 * unit, 9.5 * unit]
    fit = curve_fit(line, [1.0, 2.0, 3.0, 4.0], ys, [x0, x0])
    assert fit.parameters == pytest.approx([0.75 * unit, 2.15 * unit], rel=1e-13, abs=0)
    # The residuals are 0.1, -0.05, -0.2 and 0.15; divided by the two degrees of freedom and by 5.
    assert fit.standard_errors[1] == pytest.approx(math.sqrt(0.0075) * unit, rel=1e-13, abs=0)


@given(unit=st.integers(-480, 480).map(lambda k: 2.0**k))
def test_a_bent_model_of_data_of_any_size(unit: float) -> None:
    def fitted(unit: float) -> Any:
        ys = [y * unit for y in (4.0, 2.0, 1.1, 0.5)]
        return curve_fit(lambda x, a, b: a * exp(-b * x), [1, 2, 3, 4], ys, [unit, 1.0])

    # A power of two rounds nothing.
    (a, b), (p, q) = fitted(1.0).parameters, fitted(unit).parameters
    assert (p, q) == (a * unit, b)


@given(unit=POWERS)
def test_minima_of_functions_of_any_size(unit: float) -> None:
    found = minimize(lambda x: unit * ((x[0] - 3) ** 2 + 2 * (x[1] + 5) ** 2), [0.0, 0.0])
    assert found.x == pytest.approx([3.0, -5.0], rel=1e-12, abs=0)


@pytest.mark.parametrize("unit", [1e-250, 1e-170, 1e-100, 1e-9, 1e9, 1e100, 1e140])
def test_variables_of_any_size(unit: float) -> None:
    # The second derivative of the first two is lost in underflow.
    found = minimize(lambda x: (x[0] * unit - 1) ** 2, [0.0])
    assert found.x == pytest.approx([1 / unit], rel=1e-7, abs=0)


@given(start=st.floats(-0.4, -1e-3), bound=st.floats(1e-3, 0.4))
@example(start=-0.1263701449816669, bound=0.09081617139765304)
def test_a_step_to_a_bound_ends_there_however_it_rounds(start: float, bound: float) -> None:
    # start + (bound - start) may be beyond the bound.
    found = minimize(
        lambda x: (x[0] - 100) ** 2 + (x[1] - 1) ** 2, [start, 0.0], bounds=[(-5, bound), (-5, 5)]
    )
    assert found.x == [bound, 1.0]


# --- samples are data -----------------------------------------------------------------------------

SQUARES = {0.0: 0.0, 1.0: 1.0, 2.0: 4.0, 3.0: 9.0}


def caught(x: Any, a: Any, b: Any) -> Any:
    try:
        return a + b * [0, 1, 4][x]
    except IndexError:
        return a + b * 9.0


@pytest.mark.parametrize(
    ("model", "of_x"),
    [
        (lambda x, a, b: a + b * x if x in {0.0, 1.0, 9} else a + b * 4, [0, 1, 4, 4]),
        (lambda x, a, b: a + b * SQUARES.get(x, 7.0), [0, 1, 4, 9]),
        (lambda x, a, b: a + b * SQUARES[x] if isinstance(x, int) else a * b, [0, 1, 4, 9]),
        (lambda x, a, b: a + b * (10, 20, 30, 50)[x], [10, 20, 30, 50]),
        (lambda x, a, b: a + b * (x if float(x).is_integer() else 1), [0, 1, 2, 3]),
        (lambda x, a, b: a + b * (x // 2), [0, 0, 1, 1]),
        (lambda x, a, b: a + b * len(str(10**x)), [1, 2, 3, 4]),
        (lambda x, a, b: a + b * math.sin(x), [0, math.sin(1), math.sin(2), math.sin(3)]),
        (lambda x, a, b: sum([b] * x, a), [0, 1, 2, 3]),
        (lambda x, a, b: a if x == 0 else a + b * x**2, [0, 1, 4, 9]),
        (caught, [0, 1, 4, 9]),
    ],
)
def test_samples_are_the_numbers_that_were_given(model: Any, of_x: list[float]) -> None:
    # Each model is a line in `of_x`, through these points but for a residual orthogonal to it.
    calls = []

    def watched(x: Any, a: Any, b: Any) -> Any:
        calls.append(type(x))
        return model(x, a, b)

    ys = [2.0 + 3.0 * x for x in of_x]
    assert curve_fit(watched, [0, 1, 2, 3], ys, [1.0, 1.0]).parameters == pytest.approx([2.0, 3.0])
    assert set(calls) == {int}
    assert len(calls) < 12  # once more each, to see what the model does: then programs run
    fit = least_squares(lambda p: [model(x, p[0], p[1]) - y for x, y in enumerate(ys)], [1.0, 1.0])
    assert fit.parameters == pytest.approx([2.0, 3.0])


@pytest.mark.parametrize(
    "model",
    [
        lambda x, a, b: a * x + b if a > 0 else b * x - a,
        lambda x, a, b: a * x + b if isinstance(a, Value) else 1 / 0,
        lambda x, a, b: a * x + b + a.data - a.data,
        lambda x, a, b: a * x + b * (2 if b in {17.0} else 1),
        lambda x, a, b: grad(lambda c: c**2 * x / 2)(a) + b,
        lambda x, a, b: (lambda c: c.get(1) * x + b)({1: a}),
    ],
)
def test_what_cannot_be_seen_of_a_model_the_eager_engine_does(model: Any) -> None:
    # All are 2 x + 3 at a = 2, b = 3.
    fit = curve_fit(model, [1.0, 2.0, 4.0], [5.0, 7.0, 11.0], [1.0, 1.0])
    assert fit.parameters == pytest.approx([2.0, 3.0])


def test_captured_values_are_constants_of_a_model() -> None:
    step = Value(2.0)
    fit = curve_fit(lambda x, a: a * x * step, [1.0, 2.0], [6.0, 12.0], [1.0])
    assert fit.parameters == pytest.approx([3.0])
    assert step.grad == 0


def test_zeros_of_both_signs_are_two_samples() -> None:
    xs, ys = [0.0, -0.0, -0.0], [0.0, 1.0, 1.0]
    fit = curve_fit(lambda x, a, b: a + b * math.atan2(x, -1), xs, ys, [1.0, 1.0])
    assert fit.parameters == pytest.approx([0.5, -0.5 / math.pi])


# --- the way there ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "start", "iterations", "message"),
    [
        (rosenbrock, [-1.2, 1.0], 33, "the gradient is 0"),
        (rosenbrock, [0.5] * 6, 22, "the gradient is 0"),
        (powell, [3, -1, 0, 1], 101, "a further step would change x by rounding only"),
        (lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, [1, 0.1], 7, "a further step would change x"),
        (lambda x: (x[0] - 1 / 3) ** 4, [1.0], 91, "a further step would change x by rounding"),
        (lambda x: (x[0] - 1e8) ** 2, [0.0], 27, "the gradient is 0"),
    ],
)
def test_minimize_goes_as_it_always_has(
    f: Any, start: list[float], iterations: int, message: str
) -> None:
    # Any way down would do: but a slip in the method shows as another one.
    minimum = minimize(f, start)
    assert minimum.nit == iterations
    assert minimum.message.startswith(message)


@pytest.mark.parametrize(
    ("residuals", "start", "iterations", "message"),
    [
        (lambda p: [10 * (p[1] - p[0] ** 2), 1 - p[0]], [-1.2, 1.0], 20, "the residuals are 0"),
        (lambda p: [p[0] ** 2 - 2, p[0] - 1], [1.0], 11, "a further step would change the param"),
        (lambda p: [p[0] ** 3], [1.0], 135, "the residuals are 0 but for rounding"),
        (lambda p: [p[0] ** 3], [100.0], 135, "the residuals are 0 but for rounding"),
        (lambda p: [p[0] ** 2], [1.0], 82, "the residuals are 0 but for rounding"),
        (
            lambda p: [exp(p[0]), p[1] - 2, p[0] * p[1]],
            *([1.0, 1.0], 25, "a further step would change the parameters by rounding only"),
        ),
    ],
)
def test_least_squares_goes_as_it_always_has(
    residuals: Any, start: list[float], iterations: int, message: str
) -> None:
    fit = least_squares(residuals, start, max_iterations=500)
    assert fit.iterations == iterations
    assert fit.message.startswith(message)


@given(slope=st.floats(1e-3, 1e3), bend=st.floats(1e-3, 1e3), share=st.floats(0.9, 1.1))
def test_a_step_is_lost_where_the_value_would_fall_by_10000_roundings(
    slope: float, bend: float, share: float
) -> None:
    # Down a parabola the value falls by slope**2 / (2 bend), over slope / bend.
    assume(abs(share - 1) > 1e-6)
    fall, length = slope**2 / (2 * bend), slope / bend

    def small(value: float, size: float) -> bool:
        here = _Point([0.0], 0.0, [slope])
        model = _Model(lambda x, v: [bend * v[0]], here, ENDLESS)
        return model.is_small(value, size)

    assert small(-fall / share / (1e4 * EPSILON), 0.0) is (share < 1)
    assert small(0.0, length / share / 1e-6) is (share < 1)


@given(
    step=st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    direction=st.lists(st.floats(-100, 100), min_size=2, max_size=2),
    further=st.floats(0.01, 100),
)
def test_the_edge_of_the_region_is_reached(
    step: list[float], direction: list[float], further: float
) -> None:
    assume(math.hypot(*direction) > 1e-3)
    radius = math.hypot(*step) + further
    t = _to_edge(step, direction, radius)
    assert t > 0
    there = [s + t * d for s, d in zip(step, direction, strict=True)]
    assert math.hypot(*there) == pytest.approx(radius, rel=1e-12)


def test_no_step_is_taken_to_where_the_gradient_is_not_finite() -> None:
    def value_and_gradient(x: list[float]) -> tuple[float, list[float]]:
        return (x[0] - 3) ** 2, [2 * (x[0] - 3) if x[0] < 2.5 else NAN]

    found = newton_cg(value_and_gradient, lambda x, v: [2 * v[0]], [0.0], ENDLESS, 200)
    assert 2.4 < found.x[0] < 2.5
    assert math.isfinite(found.gradient[0])
    assert found.message == "no step brings f down: it may have a kink there"


# --- errors -------------------------------------------------------------------------------------

NAN = math.nan


@pytest.mark.parametrize(
    ("model", "xs", "ys", "p0", "kind", "words"),
    [
        (line, [1], [1.0], [0, 0], ValueError, "2 parameters need at least as many samples, .* 1"),
        (line, [], [], [0, 0], ValueError, "2 parameters need at least as many samples, .* 0"),
        (
            line,
            [1, 2, 3],
            [1, 2],
            [0, 0],
            ValueError,
            "xdata and ydata must be equally long, got 3 and",
        ),
        (
            line,
            [1, NAN, 3],
            [1, 2, 3],
            [0, 0],
            ValueError,
            r"xdata\[1\] is nan: only finite numbers",
        ),
        (line, [1, 2, 3], [1, 2, math.inf], [0, 0], ValueError, r"ydata\[2\] is inf: only finite"),
        (line, [[1, NAN]], [1], [0, 0], ValueError, r"xdata\[0\]\[1\] is nan: only finite"),
        (line, [1, 2, 3], [1, 2, 3], [0, NAN], ValueError, r"p0\[1\] is nan: only finite"),
        (line, [1, 2, 3], [1, 2, 3], [], ValueError, "p0 is empty: there is nothing to find"),
        (line, [1, 2, 3], [1, 2, "3"], [0, 0], TypeError, r"ydata\[2\] must be a number, got '3'"),
        (line, "123", [1, 2, 3], [0, 0], TypeError, "xdata must be a list, got '123'"),
        (line, [1, 2, 3], [1, 2, 3], "00", TypeError, "p0 must be a list, got '00'"),
        (
            lambda x, a: a * NAN,
            *([1, 2], [1, 2], [1], ValueError),
            r"the model at xdata\[0\] = 1 is nan at the start, \[1.0\]: start elsewhere",
        ),
        (
            lambda x, a: a * x * math.inf,
            *([1, 2], [1, 2], [1], ValueError),
            r"the model at xdata\[0\] = 1 is inf at the start",
        ),
        (
            lambda x, a: exp(-a * x),
            *([1, 2], [-1, -1], [1], RuntimeError),
            r"no convergence: no step brings the sum down; it stood, at a sum of squares of "
            r"\d.*, at the parameters \[\d.*\]: try another start",
        ),
        (lambda x, a: exp(a * x), [1, 2], [0, 0], [1e3], OverflowError, r"in exp\(1000.0\)"),
        (lambda x, a: log(a) * x, [1, 2], [0, 0], [-1], ValueError, r"in log\(-1.0\)"),
        (lambda x, a: [a], [1, 2], [0, 0], [1], TypeError, r"the model must return one number"),
        (
            lambda x, a: math.exp(a),
            *([1, 2], [0, 0], [1], TypeError),
            r"instead of math.sin\(v\) write scalargrad.sin\(v\)",
        ),
    ],
)
def test_errors_of_curve_fit(
    model: Any, xs: Any, ys: Any, p0: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        curve_fit(model, xs, ys, p0)


@pytest.mark.parametrize(
    ("model", "ys", "p0", "words"),
    [
        (
            lambda x, a, b: (a + b) * x,
            *([1, 2, 4], [1, 1]),
            r"the data do not determine all 2 parameters: at \[.*\] the Jacobian has rank 1, "
            "and [ab] is redundant, as the others can replace it: leave it out, or fix it",
        ),
        (
            lambda x, a, b: a * x,
            *([1, 2, 4], [1, 1]),
            r"stuck at the start: the derivative by b is 0 at \[.*\], where the fit ended: start "
            "elsewhere, or leave out what has no effect",
        ),
        (
            lambda x, a, b, c: a * exp(b * x + c),
            *([1, 2, 4, 9], [1, 1, 1]),
            "do not determine all 3 parameters: .* rank 2, and [ac] is redundant",
        ),
        # The sum of squares is least at b = 0.75**0.5: but the derivative by b is 0 at the start.
        (lambda x, a, b: a * x + b**2, [3, 5, 7, 9.5], [1, 0], "stuck at the start: .* by b is 0"),
        (
            lambda x, *p: (p[0] + p[1]) * x,
            *([1, 2, 4], [1, 1]),
            "and parameter [01] is redundant",
        ),
    ],
)
def test_parameters_that_are_not_determined(
    model: Any, ys: list[float], p0: list[float], words: str
) -> None:
    with pytest.warns(OptimizeWarning, match=f"^the covariance is infinite: .*{words}"):
        fit = curve_fit(model, range(1, len(ys) + 1), ys, p0)
    assert fit.covariance == [[math.inf] * len(p0)] * len(p0)
    assert fit.standard_errors == [math.inf] * len(p0)
    # The others have the place that makes the sum of squares least.
    a, b = fit.parameters[:2]
    if ys == [3, 5, 7, 9.5]:
        assert a == pytest.approx(sum(x * y for x, y in enumerate(ys, 1)) / 30)
        assert b == 0
    elif len(p0) == 2:
        assert a + (b if "redundant" in words else 0) == pytest.approx(17 / 14)


@pytest.mark.parametrize(
    ("residuals", "start", "words"),
    [
        (lambda p: [p[0] ** 2 - 1], [0], r"the derivative by p\[0\] is 0 there: start elsewhere"),
        (
            lambda q: [q[0] ** 2 - 1, q[1] ** 2],
            [0, 0],
            r"the derivative by q\[0\] and by q\[1\] is 0 there",
        ),
        # exp(-1000) is 0 in floats.
        (
            lambda p: [exp(-x * p[0]) - 1 / x for x in (1, 2)],
            [1e3],
            r"the derivative by p\[0\] is 0 there: start",
        ),
        # (p**2 - 1)**2 + p**2 has a maximum at 0.
        (
            lambda p: [p[0] ** 2 - 1, p[0]],
            [0],
            r"the sum of squares is stationary there, and no minimum, as it falls with p\[0\]",
        ),
    ],
)
def test_stuck_at_the_start(residuals: Any, start: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=f"^stuck at the start: {words}"):
        least_squares(residuals, start)


def test_stuck_far_away() -> None:
    with pytest.raises(RuntimeError, match=r"^no convergence: .*; stuck at the start, at a sum of"):
        curve_fit(lambda x, a, b: a * exp(-b * x), [1, 2, 3], [4, 2, 1], [1, 100])


def test_a_stationary_start_of_a_model() -> None:
    with pytest.raises(ValueError, match=r"^stuck at the start: the derivative by p is 0 there:"):
        curve_fit(lambda x, p: p**2 - 1, [1, 2], [0, 0], [0])


def test_no_convergence_in_the_iterations_given() -> None:
    with pytest.raises(RuntimeError, match="no convergence: 2 iterations were not enough"):
        curve_fit(lambda x, a, b: a * exp(b * x), [1, 2, 3], [1, 2, 5], [9, 0], max_iterations=2)


def test_stuck_where_the_model_is_flat() -> None:
    # At this start exp(-b x) is soon 0, and b has no more effect: BoxBOD of NIST's datasets.
    xs, ys = [1, 2, 3, 5, 7, 10], [109, 149, 149, 191, 213, 224]
    with pytest.raises(RuntimeError, match=r"^no convergence: no step brings the sum down; it "):
        curve_fit(lambda x, a, b: a * (1 - exp(-b * x)), xs, ys, [1, 1])


def test_more_or_fewer_parameters_than_the_model_takes() -> None:
    def line(x: Any, a: Any, b: Any) -> Any:
        return a * x + b

    for p0, words in (
        ([1.0], r"as p0 has, here 1, and takes \(x, a, b\): missing a required argument"),
        ([1.0, 2.0, 3.0], r"as p0 has, here 3, and takes .*too many positional arguments"),
    ):
        with pytest.raises(TypeError, match=words):
            curve_fit(line, [0.0, 1.0, 2.0], [1.0, 2.0, 3.0], p0)
    with pytest.raises(TypeError, match=r"convert it to a number first$"):
        curve_fit(lambda x, a: a * x + "1", [0.0, 1.0], [1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("residuals", "kind", "words"),
    [
        (lambda p: p[0], TypeError, r"residuals must return a list of numbers, got Value"),
        (lambda p: [p[0]], ValueError, "2 parameters need at least as many residuals, but .* 1"),
        (lambda p: [], ValueError, "2 parameters need at least as many residuals, but .* 0"),
        (lambda p: [p[0], p[1] * NAN], ValueError, "residual 1 is nan at the start"),
        (
            lambda p: [p[0] * 1e200, p[1]],
            ValueError,
            "squares is too large for a float at the start",
        ),
        (lambda p: [p[0], "1"], TypeError, r"number.*'1' \(str\)"),
        (lambda *p: [p[0] - 1, p[1] - 2], TypeError, r"takes \*p: .*write f\(\*p\), with the star"),
    ],
)
def test_errors_of_least_squares(residuals: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        least_squares(residuals, [1.0, 1.0])


@pytest.mark.parametrize(
    ("f", "x0", "kind", "words"),
    [
        (lambda x: [x[0]], [1], TypeError, "f must return one number, got"),
        (lambda x: x[0] * NAN, [1], ValueError, r"f\(x0\) is nan"),
        (lambda x: x[0], [NAN], ValueError, r"x0\[0\] is nan"),
        (lambda x: x[0], [], ValueError, "x0 is empty"),
        (lambda x: log(x[0]), [-1], ValueError, r"in log\(-1.0\)"),
        (lambda x: (x - 2) ** 2, 1.0, TypeError, r"gets a list, here of one number: write x\[0\]"),
        (lambda x: -x[0], [1], RuntimeError, "no convergence: f has no minimum downhill of x0"),
        (lambda x: -(x[0] ** 2), [1], RuntimeError, "no convergence: .*; it stood at f = -"),
        (lambda x: abs(x[0] ** 2 - 2), [1], RuntimeError, "may have a kink there"),
        (lambda x: (copy(x[0]) - 3) ** 2, [1], TypeError, "copy of it would be cut off from its"),
        (lambda x: (deepcopy(x)[0] - 3) ** 2, [1], TypeError, "copy of it would be cut off"),
    ],
)
def test_errors_of_minimize(f: Any, x0: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        minimize(f, x0)


def test_advice_for_a_single_number_is_given_for_lists_alone() -> None:
    with pytest.raises(TypeError, match=r"v\.data$"):
        minimize(lambda x: math.cos(x[0]), [0.5])


def test_no_convergence_of_minimize_says_where_it_stood() -> None:
    words = r"2 iterations were not enough; it stood at f = \d.*, with a gradient of size .*, at x"
    with pytest.raises(RuntimeError, match=words):
        minimize(rosenbrock, [-1.2, 1.0], max_iterations=2)
