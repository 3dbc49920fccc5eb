"""Complex steps: exact where there is a derivative, and the errors of real numbers elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    complex_step_gradient,
    cos,
    maximum,
    numerical_gradient,
    relu,
    sin,
    where,
)
from scalargrad.functions.methods import all_ops

NAMES = ("acos", "acosh", "asin", "atanh", "cbrt", "exp", "log", "log10", "log1p", "log2", "sqrt")


def test_a_number_a_list_and_a_nest() -> None:
    assert complex_step_gradient(sin, 0.0) == 1.0
    assert complex_step_gradient(sin, [0.0]) == [1.0]
    assert complex_step_gradient(lambda v, w: v["a"] * v["b"][0] + w, [{"a": 2, "b": [3]}, 1]) == [
        {"a": 3.0, "b": [2.0]},
        1.0,
    ]


@given(x=st.floats(-3, 3), other=st.sampled_from([-1.0, 0.0, 1.0, 2, 1j]))
def test_comparison_equality_and_truth_are_those_of_the_real_number(x: float, other: Any) -> None:
    seen: list[list[bool]] = []

    def f(x: Any) -> Any:
        real = other.real
        seen.append([x == other, x != other, other == x, bool(x)])
        seen[-1] += [x < real, x <= real, x > real, x >= real, real < x, hash(x) == hash(x * 1)]
        return x

    complex_step_gradient(f, x)
    f(x)
    if isinstance(other, complex):
        assert seen[0][3:] == seen[1][3:]
    else:
        assert seen[0] == seen[1]


def test_branches_follow_the_real_number() -> None:
    def f(x: Any) -> Any:
        if not x:
            return 5 * x
        return sin(x) if x == 1 else -x

    assert complex_step_gradient(f, 0.0) == 5.0
    assert complex_step_gradient(f, 1.0) == math.cos(1.0)
    assert complex_step_gradient(f, 2.0) == -1.0
    assert complex_step_gradient(lambda x: x * (x != "a") * (x is not None), 2.0) == 1.0


@pytest.mark.parametrize("name", NAMES)
@given(x=st.floats(-3, 3))
def test_raises_where_math_raises(name: str, x: float) -> None:
    assume(x == 0 or abs(x) > 1e-150)  # the step is 1e-200
    function: Callable[[Any], Any] = getattr(scalargrad, name)
    try:
        function(x)
    except (ValueError, ArithmeticError) as error:
        with pytest.raises(type(error)):
            complex_step_gradient(function, x)
        return
    try:
        slope, bound = numerical_gradient(function, x)
    except ValueError:  # at an end of the domain
        return
    assume(bound <= 1e-3 * (1 + abs(slope)))
    assert abs(complex_step_gradient(function, x) - slope) <= bound


@pytest.mark.parametrize(
    ("name", "x"), [("sqrt", 0.0), ("cbrt", 0.0), ("asin", 1.0), ("acos", -1.0), ("acosh", 1.0)]
)
def test_no_finite_derivative_at_an_end(name: str, x: float) -> None:
    with pytest.raises(ValueError, match=f"{name} has no finite derivative at {x}"):
        complex_step_gradient(getattr(scalargrad, name), x)


def test_errors_of_arithmetic() -> None:
    with pytest.raises(ZeroDivisionError):
        complex_step_gradient(lambda x: 1 / x, 0.0)
    with pytest.raises(OverflowError):
        complex_step_gradient(scalargrad.exp, 1000.0)
    with pytest.raises(ValueError, match="not a real number"):
        complex_step_gradient(lambda x: (-x) ** 0.5, 4.0)


@given(x=st.floats(-3, -0.1), n=st.integers(1, 300))
def test_a_negative_base_to_a_whole_power(x: float, n: int) -> None:
    exact = n * x ** (n - 1)
    assert complex_step_gradient(lambda x: x ** float(n), x) == pytest.approx(exact, rel=1e-12)
    assert complex_step_gradient(lambda x: scalargrad.pow(x, n), x) == pytest.approx(
        exact, rel=1e-12
    )


def test_kinks_as_the_rules_have_them() -> None:
    assert complex_step_gradient(abs, 0.0) == 0.0
    assert complex_step_gradient(relu, 0.0) == 0.0
    assert complex_step_gradient(maximum, [1.0, 1.0]) == [0.5, 0.5]
    assert complex_step_gradient(scalargrad.hypot, [0.0, 0.0]) == [0.0, 0.0]
    assert complex_step_gradient(lambda x: abs(x) + cos(x), 0.0) == 0.0


@pytest.mark.parametrize("x", [-800.0, 800.0])
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "silu", "tanh"])
def test_nothing_overflows_far_from_0(name: str, x: float) -> None:
    function: Callable[[Any], Any] = getattr(scalargrad, name)
    assert complex_step_gradient(function, x) == float(name in ("softplus", "silu") and x > 0)


def test_choices_follow_the_real_number() -> None:
    def f(x: Any) -> Any:
        return where(x == 2, x * x, where(x > 2, 3 * x, where(x <= -2, 5 * x, 7 * x)))

    slopes = [complex_step_gradient(f, x) for x in (2.0, 3.0, -2.0, -3.0, 0.0)]
    assert slopes == pytest.approx([4.0, 3.0, 5.0, 5.0, 7.0])


@pytest.mark.parametrize(("exponent", "second"), [(0.0, 0.0), (1.0, 0.0), (2.0, 2.0), (3.0, 0.0)])
def test_through_the_rule_of_a_power_of_0(exponent: float, second: float) -> None:
    def slope(x: Any) -> Any:
        power = scalargrad.pow(x, exponent)
        return all_ops()["pow"].derivatives([1.0, 0.0], power, (x, exponent))[0]

    assert complex_step_gradient(slope, 0.0) == second


def test_no_complex_form() -> None:
    with pytest.raises(TypeError, match="erf has no complex form here: use numerical_gradient"):
        complex_step_gradient(scalargrad.erf, [1.0])
    with pytest.raises(TypeError, match=r"f must return one number, got \[1\] \(list\)"):
        complex_step_gradient(lambda x: [1], [1.0])


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (scalargrad.exp, -300.0, math.exp(-300)),
        (scalargrad.exp, -600.0, math.exp(-600)),
        (sin, 1e-250, 1.0),
        (scalargrad.log, 1e-300, 1e300),
        (lambda x: x * x, 1e-220, 2e-220),
        (lambda x: 1 / x, 1e-120, -1e240),
        (lambda x: 1e-250 * x, 2.0, 1e-250),
        (lambda x: x**1.5, 0.0, 0.0),
        (lambda x: (x - 1) ** 2, 1.0, 0.0),
        (scalargrad.tanh, 300.0, 4 * math.exp(-600)),
    ],
)
def test_small_derivatives_and_small_inputs_have_all_digits(
    f: Callable[[Any], Any], x: float, slope: float
) -> None:
    assert complex_step_gradient(f, x) == pytest.approx(slope, rel=1e-14, abs=0)


@pytest.mark.parametrize("exponent", [0.5, 0.9, 1e-3])
def test_a_root_of_0_has_no_finite_derivative(exponent: float) -> None:
    for power in (lambda x: x**exponent, lambda x: scalargrad.pow(x, exponent)):
        with pytest.raises(ValueError, match="no finite derivative"):
            complex_step_gradient(power, 0.0)


def test_a_primitive_with_the_name_of_ours_has_no_complex_form() -> None:
    @scalargrad.primitive(lambda g, y, x: g * 2)
    def sin(x: Any) -> Any:
        return 2 * x

    with pytest.raises(TypeError, match="sin has no complex form"):
        complex_step_gradient(sin, 1.0)
