"""Gradients written by hand as a property: the simplest input that shows a fault, and no others."""

from __future__ import annotations

import ctypes
import ctypes.util
import math
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import Phase, Verbosity, example, given, settings
from hypothesis import strategies as st

import scalargrad
from scalargrad import GradientError
from scalargrad.testing import check_gradient

NUMBERS = st.floats(-10, 10)
QUICKLY = settings(
    database=None,
    derandomize=True,
    max_examples=50,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def complaint(f: Any, gradient: Any, *strategies: Any, **options: Any) -> str:
    """Return what is said of the simplest inputs at which a gradient is found wrong."""

    @QUICKLY
    @given(st.tuples(*strategies))
    def test(inputs: Any) -> None:
        check_gradient(f, gradient, *inputs, **options)

    with pytest.raises(GradientError) as caught:
        test()
    return str(caught.value)


def simplest(*faulty: Any, **options: Any) -> list[Any]:
    """Return the numbers of the simplest failing inputs, as the gradient is given them last."""
    f, gradient, *strategies = faulty
    failing: list[Any] = []

    @QUICKLY
    @given(st.tuples(*strategies))
    def test(inputs: Any) -> None:
        try:
            check_gradient(f, gradient, *inputs, **options)
        except GradientError:
            failing[:] = inputs
            raise

    with pytest.raises(GradientError):
        test()
    return failing


# --- what is wrong is found, and as simple as can be ---------------------------------------------


@pytest.mark.parametrize(
    ("f", "gradient", "point"),
    [
        # A factor is missing; a sign is wrong; an operand in the wrong place; one term too few.
        (lambda x, y: x * y**2, lambda x, y: [y**2, x * y], [1.0, 1.0]),
        (lambda x, y: x - y, lambda x, y: [1.0, 1.0], [0.0, 0.0]),
        (lambda x, y: x**2 + y, lambda x, y: [2 * y, 1.0], [0.0, 1.0]),
        (lambda x, y: x * y + x, lambda x, y: [y, x], [0.0, 0.0]),
        # Right on one side only, right near 0 only, wrong for whole numbers only.
        (lambda x, y: x * abs(x) + y, lambda x, y: [2 * x, 1.0], [-1.0, 0.0]),
        (lambda x, y: x**3 + y, lambda x, y: [3 * x**2 if x < 3.5 else 8.0, 1.0], [4.0, 0.0]),
        (lambda x, y: math.sin(x) * y, lambda x, y: [math.cos(x) * y, 0.0], [1.0, 0.0]),
    ],
)
def test_the_counterexample_is_the_simplest(f: Any, gradient: Any, point: list[float]) -> None:
    assert simplest(f, gradient, NUMBERS, NUMBERS) == point


def test_says_where_and_what() -> None:
    said = complaint(lambda x, y: x * y**2, lambda x, y: [y**2, x * y], NUMBERS, NUMBERS)
    words = r"the derivative by input 1 \(1.0\) is wrong: gradient gives 1.0, finite differences "
    assert re.match(words + r"give (2.0|1.9999999)\d* within \d", said)


def test_of_nests_shrinks_the_nest_too() -> None:
    vectors = st.lists(NUMBERS, min_size=1, max_size=6)
    found = simplest(
        lambda xs: sum(x * x for x in xs), lambda xs: [2 * x for x in xs[:-1]] + [xs[-1]], vectors
    )
    assert found[0] == [1.0]


@given(size=st.floats(1e-14, 5e-13))
@QUICKLY
def test_an_exact_reference_sees_what_differences_cannot(size: float) -> None:
    def off(x: float) -> float:
        return math.cos(x) * (1 + size)

    with pytest.raises(GradientError, match=r"is wrong: gradient gives .*, the rules give"):
        check_gradient(scalargrad.sin, off, 0.5, exact=True)
    assert check_gradient(scalargrad.sin, off, 0.5)


def test_nan_is_wrong_and_errors_of_the_gradient_are_its_own() -> None:
    assert "gives nan" in complaint(lambda x: x * x, lambda x: math.nan, NUMBERS)
    with pytest.raises(ZeroDivisionError):
        check_gradient(lambda x: x * x, lambda x: 1 / x, 0.0)


# --- what is right is not accused, and what cannot be told does not count -------------------------


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize(
    ("f", "gradient"),
    [
        (softplus, sigmoid),
        (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
        (math.log, lambda x: 1 / x),  # not of negative numbers
        (math.sqrt, lambda x: 0.5 / math.sqrt(x) if x else math.inf),  # the end of a domain
        (abs, lambda x: 1.0 if x > 0 else -1.0),  # a kink
        (math.floor, lambda x: 0.0),  # jumps
    ],
)
@given(x=st.integers(-10, 10).map(float) | st.floats(-50, 50))
@example(x=0.0)
def test_no_right_gradient_is_accused(f: Any, gradient: Any, x: float) -> None:
    check_gradient(f, gradient, x)


@pytest.mark.parametrize(
    ("f", "gradient"),
    [
        (scalargrad.tanh, lambda x: 1 - math.tanh(x) ** 2),
        (scalargrad.softplus, sigmoid),
        (scalargrad.relu, lambda x: 1.0 if x >= 0 else 0.0),
        (lambda x: x * scalargrad.exp(x), lambda x: math.exp(x) * (1 + x)),
        (lambda x: (x - 1) ** 5, lambda x: 5 * x**4 - 20 * x**3 + 30 * x**2 - 20 * x + 5),
    ],
)
@given(x=st.integers(-10, 10).map(float) | st.floats(-20, 20))
@example(x=0.0)
def test_nor_beside_the_exact_one(f: Any, gradient: Any, x: float) -> None:
    check_gradient(f, gradient, x, exact=True)


def test_functions_of_c() -> None:
    name = ctypes.util.find_library("m")
    if name is None:
        pytest.skip("no C library of mathematics is found here")
    library = ctypes.CDLL(name)
    functions: dict[str, Callable[[float], float]] = {}
    for called in ("sin", "cos"):
        function = getattr(library, called)
        function.argtypes, function.restype = [ctypes.c_double], ctypes.c_double
        functions[called] = function

    @QUICKLY
    @given(NUMBERS)
    def right(x: float) -> None:
        assert check_gradient(functions["sin"], functions["cos"], x)

    right()
    assert simplest(functions["cos"], functions["sin"], NUMBERS) == [1.0]


def test_what_cannot_be_told_is_no_example() -> None:
    tried: list[float] = []

    @settings(QUICKLY, max_examples=20, phases=[Phase.generate], verbosity=Verbosity.quiet)
    @given(st.sampled_from([0.0, 1.0]))
    def test(x: float) -> None:
        check_gradient(abs, lambda x: 1.0, x)
        tried.append(x)

    test()
    assert set(tried) == {1.0}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda x: lambda y: math.log(-1 - abs(y)), "f raises ValueError"),
        (lambda x: lambda y: math.inf, "f is not finite"),
        (lambda x: lambda y: abs(y - x), "a kink"),
    ],
)
def test_where_no_input_can_be_compared_an_error_counts_them(make: Any, reason: str) -> None:
    @QUICKLY
    @given(NUMBERS)
    def test(x: float) -> None:
        check_gradient(make(x), lambda x: 0.0, x)

    words = rf"none of \d+ inputs could be compared \(\d+ times: {reason}\): draw others"
    with pytest.raises(GradientError, match=words):
        test()


def test_statistics_say_why_inputs_were_passed_over() -> None:
    seen: list[str] = []

    @QUICKLY
    @given(st.sampled_from([-1.0, 1.0, 2.0]))
    def test(x: float) -> None:
        with patch("scalargrad.testing.gradients.event", seen.append):
            check_gradient(lambda x: math.sqrt(x), lambda x: 0.5 / math.sqrt(x), x)

    test()
    assert "check_gradient passed an input over: f raises ValueError" in seen
