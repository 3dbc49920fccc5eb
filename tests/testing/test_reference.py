"""The reference against other references: math's functions, and finite differences."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scalargrad import numerical_gradient
from scalargrad.testing import FUNCTIONS, Operation, expressions, points
from scalargrad.testing.adapter import letters
from scalargrad.testing.cases import from_lines, without_dead_ends
from scalargrad.testing.laws.law import OPS
from scalargrad.testing.reference import call, evaluate, slopes, supports

ops = pytest.mark.parametrize("function", [FUNCTIONS[op] for op in OPS], ids=lambda f: f.name)


@ops
@given(data=st.data())
@settings(max_examples=8)
def test_values_and_slopes_of_each_op(function: Operation, data: st.DataObject) -> None:
    point = data.draw(points(function))
    # The finite differences must not step over the kink of dist, at two points that are one.
    assume(function.name != "dist" or function(*point) > 0.1 * max(map(abs, point)))
    # The plain functions are math's: the engine under test here is not asked for gradients.
    found = call(function.name, *map(complex, point))
    assert found.real == pytest.approx(function(*point), rel=1e-11, abs=1e-13)
    estimates = numerical_gradient(function, point, noise=3 * math.ulp(900.0))
    found_slopes = slopes(lambda zs: call(function.name, *zs), point)
    for slope, (derivative, error) in zip(found_slopes, estimates, strict=True):
        assert slope == pytest.approx(derivative, rel=1e-8, abs=error + 1e-8)


@given(expressions([op for op in OPS if FUNCTIONS[op].analytic and FUNCTIONS[op].arity]))
def test_values_of_expressions(drawn: Any) -> None:
    expression, point = drawn
    found = evaluate(expression, [complex(x) for x in point])
    assert found.real == pytest.approx(expression(*point), rel=1e-6, abs=1e-6)


def test_what_it_does_not_know() -> None:
    assert not supports("digamma")
    assert supports("tanh")


def test_program_of_lines() -> None:
    program = from_lines([3.0, 2.0], "c = a / b\nd = c - a", "c d")
    assert program.value("c") == 1.5
    assert program.gradient("d") == [-0.5, -0.75]
    assert program.gradient("c")[1] == -0.75
    assert letters(27)[-2:] == ["z", "v26"]


@given(expressions(["+", "*", "tanh", "exp"], max_ops=10))
def test_without_dead_ends_is_the_same_function_of_fewer_steps(drawn: Any) -> None:
    expression, point = drawn
    short, inputs = without_dead_ends(expression, point)
    assert short(*inputs) == expression(*point)
    used = {n for step in short.steps for n in step.operands if isinstance(n, int)}
    assert used == set(range(short.arity + len(short.steps) - 1))
