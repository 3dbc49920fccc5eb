"""Finite differences: right within their own error bounds, for every nesting of the inputs."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Estimate, numerical_gradient


@given(x=st.floats(-20, 20), k=st.floats(0.1, 20))
def test_within_the_bound_and_the_bound_is_small(x: float, k: float) -> None:
    slope, error = numerical_gradient(lambda x: math.sin(k * x), x, noise=20 * math.ulp(k * x))
    assert abs(slope - k * math.cos(k * x)) <= error
    assert error <= 1e-6 * k


def test_one_number_gives_one_estimate() -> None:
    found = numerical_gradient(math.exp, 0)
    assert isinstance(found, Estimate)
    assert [found] == numerical_gradient(math.exp, [0.0])


def test_nested_arguments_give_nested_estimates() -> None:
    def f(model: dict[str, Any], x: float) -> float:
        return float(model["w"][0] * x + model["w"][1] * x**2 + model["b"])

    found = numerical_gradient(f, [{"w": (2.0, 3.0), "b": 1}, 0.5])
    [by_model, by_x] = found
    assert [e.derivative for e in by_model["w"]] == pytest.approx([0.5, 0.25])
    assert isinstance(by_model["w"], tuple)
    assert by_model["b"].derivative == pytest.approx(1)
    assert by_x.derivative == pytest.approx(5)


def test_no_numerical_derivative_at_the_edge_of_a_domain() -> None:
    with pytest.raises(ValueError, match=r"no numerical derivative at 0.0: f has no finite value"):
        numerical_gradient(math.sqrt, [0.0])
    with pytest.raises(ValueError, match=r"no numerical derivative at nan"):
        numerical_gradient(math.exp, [math.nan])


@pytest.mark.parametrize(
    ("xs", "words"),
    [
        ("2", r"input 0 must be a number, or lists, tuples and dicts of numbers, not '2'"),
        ({"a": "2"}, r"input 0\['a'\] must be a number, .* not '2'"),
        ([1.0, "2"], r"input 1 must be a number, or lists, tuples and dicts of numbers, not '2'"),
        ([[1.0, 1j]], r"input 0\[1\] must be a number, .* not 1j \(complex\)"),
    ],
)
def test_inputs_that_are_no_numbers(xs: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        numerical_gradient(lambda x, y: x * y, xs)
