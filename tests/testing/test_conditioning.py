"""Drawn expressions are well-conditioned, as judged without the estimate that chose them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import Phase, assume, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

from scalargrad import Value
from scalargrad.testing import FUNCTIONS, Expression, Operation, expressions
from scalargrad.testing.conditioning import of_input, of_step
from scalargrad.testing.reference import evaluate, slopes, supports

Drawn = tuple[Expression, list[Any]]
ANALYTIC = [op for op in FUNCTIONS.values() if op.analytic and supports(op.name)]
RATIONAL = ["+", "-", "*", "/", "neg"]
TINY = 1e-9
# What is found need not be simple.
ONCE = settings(max_examples=200, database=None, phases=[Phase.generate])


def amplification(drawn: Drawn, signs: list[int]) -> float:
    """How many times larger the answers' relative changes are than those made on the way.

    The inputs and each step's result change by a relative 1e-9, up or down; the answers are the
    value and the derivatives, by complex steps. What the reference's rounding may do is left out.
    """
    expression, point = drawn
    factors = [1 + TINY * sign for sign in signs]
    moved_point = [x * factor for x, factor in zip(point, factors, strict=False)]

    def moved(zs: Any) -> complex:
        return evaluate(expression, zs, lambda n: factors[len(point) + n])

    def plain(zs: Any) -> complex:
        return evaluate(expression, zs)

    before = [plain([complex(x) for x in point]).real, *slopes(plain, point)]
    after = [moved([complex(x) for x in moved_point]).real, *slopes(moved, moved_point)]
    pairs = zip(before, after, strict=True)
    changes = [abs(b - a) / abs(a) if a else math.inf * (b != a) for a, b in pairs if b != a]
    return max(changes, default=0.0) / TINY


SIGNS = st.lists(st.sampled_from([-1, 1]), min_size=11, max_size=11)


@pytest.mark.parametrize("condition", [30.0, 1e3])
@given(data=st.data(), signs=SIGNS)
def test_what_is_off_on_the_way_grows_no_more_than_the_condition(
    condition: float, data: st.DataObject, signs: list[int]
) -> None:
    drawn = data.draw(expressions(ANALYTIC, condition=condition))
    # Differences do not see the derivative by an input that vanishes beside what is added to it.
    assume(all(x == 0 or abs(x) > 1e-9 for x in drawn[1]))
    # Rounding in the reference, a few units in the last place a step, counts for 1e-5 here.
    assert amplification(drawn, signs) <= 1.01 * condition


@pytest.mark.parametrize("condition", [1e6, math.inf])
def test_a_wider_bound_lets_worse_ones_through(condition: float) -> None:
    close = st.sampled_from([1.0, 1.0001])
    bad = expressions(["-"], inputs=2, max_ops=1, numbers=close, condition=condition)
    strategy = st.tuples(bad, SIGNS)
    drawn, signs = find(strategy, lambda d: amplification(*d) > 2e3, settings=ONCE)
    assert amplification(drawn, signs) > 2e3


@given(expressions(RATIONAL, condition=100.0))
def test_gradients_in_floats_are_the_exact_ones_to_within_the_condition(drawn: Drawn) -> None:
    expression, point = drawn
    answers = []
    for kind in (float, Fraction):
        leaves = [Value(kind(x)) for x in point]
        y = expression(*leaves)
        y.backward()
        answers.append([y.data, *(leaf.grad for leaf in leaves)])
    roundings = 4 * len(expression.steps)
    for found, exact in zip(*answers, strict=True):
        assert abs(Fraction(found) - exact) <= 100 * roundings * Fraction(2) ** -53 * abs(exact)


def test_no_cancellation_unless_asked_for() -> None:
    def is_x_minus_x(drawn: Drawn) -> bool:
        return str(drawn[0]) == "v1 = v0 - v0" and drawn[1] != [0.0]

    assert find(expressions(["-"], max_ops=1, condition=math.inf), is_x_minus_x, settings=ONCE)
    with pytest.raises(NoSuchExample):
        find(expressions(["-"], max_ops=1, condition=1e15), is_x_minus_x, settings=ONCE)


def test_no_draw_is_thrown_away_and_expressions_stay_as_long() -> None:
    drawn: list[Drawn] = []
    used: list[int] = []

    def noted(one: Drawn) -> Drawn:
        drawn.append(one)
        return one

    @given(expressions(condition=30.0).map(noted))
    @settings(max_examples=100, database=None, derandomize=True)
    def use(one: Drawn) -> None:
        used.append(len(one[0].steps))

    use()
    assert len(drawn) == len(used)
    assert sum(used) / len(used) > 2.5


@given(x=st.floats(1.1, 20.0))
def test_the_condition_of_a_logarithm(x: float) -> None:
    result = of_step(math.log, [of_input(x, 0, 1)])
    # The value: its own rounding, and x / (x log(x)). The derivative, 1 / x: its own, and x's.
    assert result.condition == pytest.approx(max(2.0, 1 + 1 / math.log(x)), rel=1e-3)


def test_bounds_that_nothing_keeps_to() -> None:
    with pytest.raises(ValueError, match=r"condition must be 1 or more, got 0.5"):
        expressions(condition=0.5)
    with pytest.raises(ValueError, match=r"condition must be 1 or more, got nan"):
        expressions(condition=math.nan)
    near = Operation("near", 1, (((1.0, 1.0001),),), function=lambda x: x * x - 1)
    with pytest.raises(
        ValueError, match=r"no input of near was found .* 10\.0 in condition: allow"
    ):
        find(expressions([near], condition=10.0), lambda drawn: True, settings=ONCE)
    assert find(expressions([near], condition=1e6), lambda drawn: True, settings=ONCE)
