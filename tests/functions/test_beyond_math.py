"""Functions beyond `math` that people look for: rounding, bounds, inverses, tests of numbers."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    clip,
    compile,
    erf,
    erfinv,
    grad,
    isclose,
    isfinite,
    isinf,
    isnan,
    log_softmax,
    logit,
    polygamma,
    sigmoid,
    sign,
    sinc,
    softmax,
    value_and_grad,
    where,
)
from scalargrad.functions import numerics

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite)
def test_rounding_gives_the_numbers_of_math_and_derivative_0(x: float) -> None:
    for name in ("floor", "ceil", "trunc"):
        leaf = Value(x)
        y = getattr(scalargrad, name)(leaf)
        assert y.data == getattr(math, name)(x) == getattr(scalargrad, name)(x)
        assert type(y.data) is int
        y.backward()
        assert leaf.grad == 0
        assert getattr(leaf, name)().data == y.data


def test_sign_has_the_kind_of_its_input() -> None:
    for x, expected in [(-2.5, -1.0), (0.0, 0.0), (3, 1), (Fraction(-1, 3), Fraction(-1))]:
        y = sign(Value(x))
        assert y.data == expected
        assert type(y.data) is type(x)
    assert type(sign(Decimal("-0.5"))) is Decimal
    assert math.isnan(sign(math.nan))


@given(finite, finite, finite)
@example(1.0, 1.0, 2.0)
@example(2.0, 1.0, 2.0)
@example(0.0, 2.0, 1.0)
def test_clip_is_that_of_torch(x: float, low: float, high: float) -> None:
    value, (by_x, by_low, by_high) = value_and_grad(clip, (0, 1, 2))(x, low, high)
    assert value == min(max(x, low), high)
    assert by_x == (low <= x <= high)
    assert by_low == (x < low <= high)
    assert by_high == (x > high or low > high)
    assert by_x + by_low + by_high == 1


def test_clip_with_one_bound_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r"maximum\(x, low\)"):
        clip(Value(1.0), 0.0, None)


def test_sinc_is_smooth_at_0_and_zero_at_whole_numbers() -> None:
    assert [sinc(float(n)) for n in (-2, 0, 5, 10**20)] == [0, 1, 0, 0]
    slope: Any = sinc
    # The n-th derivative at 0: pi**n times that of the integral of cos(zt) over t from 0 to 1.
    for n in range(8):
        expected = 0 if n % 2 else (-1) ** (n // 2) * math.pi**n / (n + 1)
        assert slope(0.0) == pytest.approx(expected, rel=1e-14)
        slope = grad(slope)


@given(st.floats(-40, 40), st.integers(0, 12))
@example(1e-9, 3)
@example(3.1, 9)
def test_derivatives_of_sinc_agree_with_an_integral(x: float, n: int) -> None:
    # The n-th derivative of sin(z)/z is the integral of t**n cos(zt + n pi/2) over t from 0 to 1.
    # By Gauss-Legendre rules on 64 panels of 3 nodes: an error of about h**6 z**6 at most.
    nodes = (-math.sqrt(0.6), 0.0, math.sqrt(0.6))
    weights = (5 / 18, 8 / 18, 5 / 18)
    panels = 400
    z = math.pi * x
    total = math.fsum(
        w / panels * t**n * math.cos(z * t + n * math.pi / 2)
        for i in range(panels)
        for node, w in zip(nodes, weights, strict=True)
        for t in [(i + (node + 1) / 2) / panels]
    )
    bound = 1e-15 * (20 + abs(z)) + (abs(z) + n) ** 6 / panels**6 / 2_000_000
    assert abs(numerics.sinc(x, n) / math.pi**n - total) <= bound


@pytest.mark.parametrize("n", range(70))
def test_derivatives_of_sinc_at_0_are_those_of_its_power_series(n: int) -> None:
    # sin(z)/z = 1 - z**2/3! + z**4/5! - ...; its n-th derivative at 0 is n!/(n + 1)! or 0.
    exact = 0.0 if n % 2 else (-1) ** (n // 2) * math.pi**n / (n + 1)
    assert numerics.sinc(0.0, n) == pytest.approx(exact, rel=1e-13)
    # And nearby, where the next two terms of the series are all that is left of a float.
    x = 1e-5
    terms = [
        0.0 if (n + k) % 2 else (-1) ** ((n + k) // 2) / (n + k + 1) / math.factorial(k)
        for k in range(6)
    ]
    near = math.pi**n * sum(c * (math.pi * x) ** k for k, c in enumerate(terms))
    assert numerics.sinc(x, n) == pytest.approx(near, rel=1e-13)


def test_sinc_at_the_ends() -> None:
    assert sinc(math.inf) == sinc(-math.inf) == 0
    assert math.isnan(sinc(math.nan))


@given(st.floats(1e-300, 1 - 2**-53))
@example(0.25)
@example(0.75)
@example(1 - 2**-53)
def test_logit_is_the_inverse_of_sigmoid(x: float) -> None:
    y = logit(x)
    # sigmoid multiplies a relative error of y by |y| (1 - x).
    assert sigmoid(y) == pytest.approx(x, rel=1e-15 * (2 + abs(y) * (1 - x)), abs=0)
    leaf = Value(x)
    logit(leaf).backward()
    assert leaf.grad == pytest.approx(1 / (x * (1 - x)), rel=1e-15)


def test_logit_near_a_half_has_all_its_digits() -> None:
    assert logit(0.5 + 2**-40) == pytest.approx(2**-38, rel=1e-15)


@given(st.floats(-1, 1, exclude_min=True, exclude_max=True))
@example(1 - 2**-53)
@example(5e-324)
@example(-1e-200)
@example(0.5)
def test_erfinv_is_the_inverse_of_erf(x: float) -> None:
    y = erfinv(x)
    assert math.copysign(1, y) == math.copysign(1, x)
    if abs(x) < 0.5:
        assert erf(y) == pytest.approx(x, rel=1e-15, abs=5e-324)
    else:
        # An ulp of y changes erfc(y), relatively, by 2 y**2 ulps at most.
        assert math.erfc(abs(y)) == pytest.approx(1 - abs(x), rel=1e-15 * (2 + 2 * y * y), abs=0)


@pytest.mark.parametrize("x", [-1.0, 1.0, 1.5, math.inf])
def test_inverses_raise_outside_their_domain(x: float) -> None:
    with pytest.raises(ValueError, match="erfinv takes -1 < x < 1"):
        erfinv(Value(x))
    with pytest.raises(ValueError, match="logit takes 0 < x < 1"):
        logit(Value(x))
    with pytest.raises(ValueError, match="logit takes 0 < x < 1"):
        logit(Value(0.0))


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=6), st.data())
@example([1e6, -1e6], None)
def test_log_softmax_is_the_logarithm_of_softmax(xs: list[float], data: Any) -> None:
    leaves = [Value(x) for x in xs]
    outputs = log_softmax(leaves)
    for x, y in zip(xs, outputs, strict=True):
        log_total = math.log(math.fsum(math.exp(z - max(xs)) for z in xs))
        assert y.data == pytest.approx(x - max(xs) - log_total, rel=1e-14, abs=1e-15)
    outputs[0].backward()
    for i, (leaf, p) in enumerate(zip(leaves, softmax(xs), strict=True)):
        assert leaf.grad == pytest.approx((i == 0) - p, abs=1e-14)


def test_log_softmax_of_nothing() -> None:
    with pytest.raises(ValueError, match="log_softmax needs at least one number"):
        log_softmax([])


def test_polygamma_is_public_and_differentiable() -> None:
    x = Value(1.0)
    polygamma(1, x).backward()
    assert x.grad == pytest.approx(-2 * 1.2020569031595942, rel=1e-15)  # -2 zeta(3), OEIS A002117
    with pytest.raises(ValueError, match="non-negative int"):
        polygamma(-1, x)


@pytest.mark.parametrize("x", [0.0, -1.5, math.inf, -math.inf, math.nan])
def test_tests_of_numbers_give_bools(x: float) -> None:
    for ours, theirs in [(isnan, math.isnan), (isinf, math.isinf), (isfinite, math.isfinite)]:
        assert ours(Value(x)) is ours(x) is theirs(x)
    assert Value(x).isfinite() is math.isfinite(x)
    assert isclose(Value(x), x) is isclose(x, Value(x)) is math.isclose(x, x)


def test_isclose_has_the_tolerances_of_math() -> None:
    assert not isclose(Value(1.0), 1.1)
    assert isclose(Value(1.0), 1.1, rel_tol=0.2)
    assert isclose(Value(1.0), 1.1, abs_tol=0.2)
    with pytest.raises(ValueError, match="tolerances must be non-negative"):
        isclose(Value(1.0), 1.1, rel_tol=-1)


@pytest.mark.parametrize("x", [1.5, math.inf, math.nan])
def test_tests_of_traced_numbers_are_conditions(x: float) -> None:
    def f(x: Any) -> Any:
        return where(isfinite(x), 2 * x, 0.0)

    def g(x: Any) -> Any:
        return where(isnan(x) | isinf(x), 0.0, 2 * x)

    assert compile(f)(x) == compile(g)(x) == f(x) == (3.0 if x == 1.5 else 0.0)
    assert compile(lambda x: where(isclose(x, 1.5), 1.0, 2.0))(x) == (1.0 if x == 1.5 else 2.0)


def test_constants_are_those_of_math() -> None:
    assert (scalargrad.pi, scalargrad.e, scalargrad.tau) == (math.pi, math.e, math.tau)
    assert scalargrad.inf == math.inf
    assert math.isnan(scalargrad.nan)


@given(x=st.floats(), i=st.integers(-2200, 2200))
@example(1e-300, 1500)
@example(math.inf, -3)
def test_ldexp_frexp_and_modf_are_those_of_math(x: float, i: int) -> None:
    leaf = Value(x)
    for ours, theirs in (
        (lambda x: scalargrad.ldexp(x, i), lambda x: math.ldexp(x, i)),
        (scalargrad.frexp, math.frexp),
        (scalargrad.modf, math.modf),
    ):
        try:
            expected: Any = theirs(x)
        except OverflowError:
            with pytest.raises(OverflowError, match="ldexp"):
                ours(leaf)
            continue
        for y in (ours(x), ours(leaf)):
            numbers = (
                [z.data if isinstance(z, Value) else z for z in (*y,)]
                if isinstance(y, tuple)
                else [y.data if isinstance(y, Value) else y]
            )
            right = [*expected] if isinstance(expected, tuple) else [expected]
            assert list(map(repr, numbers)) == list(map(repr, right))


def test_their_derivatives() -> None:
    assert grad(lambda x: scalargrad.ldexp(x, -2))(3.0) == 0.25
    assert grad(lambda x: scalargrad.frexp(x)[0])(12.0) == 1 / 16
    assert grad(lambda x: scalargrad.frexp(x)[1])(12.0) == 0
    assert grad(lambda x: scalargrad.modf(x)[0] ** 2)(2.75) == 1.5
    assert grad(lambda x: scalargrad.modf(x)[1])(2.75) == 0
    assert compile(grad(lambda x: scalargrad.ldexp(x * x, 3)))(2.0) == 32.0
    with pytest.raises(TypeError, match=r"write scalargrad\.sin\(v\), and so for each function"):
        math.ldexp(Value(1.0), -2)


@given(st.floats(-1e6, 1e6))
def test_logsigmoid_is_the_logarithm_of_sigmoid(x: float) -> None:
    y, slope = value_and_grad(scalargrad.logsigmoid)(x)
    assert y == pytest.approx(min(x, 0) - math.log1p(math.exp(-abs(x))), rel=1e-15)
    assert slope == pytest.approx(sigmoid(-x), rel=1e-15)
    assert Value(x).logsigmoid().data == y


@pytest.mark.parametrize("bounds", [(math.nan, 1.0), (0.0, math.nan), (math.nan, math.nan)])
def test_a_bound_that_is_nan_gives_nan(bounds: tuple[float, float]) -> None:
    for x in (-1.0, 0.5, 2.0, math.nan):
        assert math.isnan(clip(x, *bounds))
        assert math.isnan(compile(lambda x, low, high: clip(x, low, high))(x, *bounds))


def test_scalars_that_have_no_minus_of_bools_and_no_trunc() -> None:
    class Bool:
        """As numpy's: two of them have no difference."""

        def __init__(self, truth: bool) -> None:
            self.truth = truth

        def __bool__(self) -> bool:
            return self.truth

    class Float32(float):
        def __gt__(self, other: Any) -> Any:
            return Bool(float(self) > other)

        def __lt__(self, other: Any) -> Any:
            return Bool(float(self) < other)

    assert sign(Float32(-2.5)) == -1.0
