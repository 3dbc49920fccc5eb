"""Random expressions: never outside a domain, of the ops asked for, and simple once shrunk."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

import scalargrad.testing
from scalargrad import Value
from scalargrad.testing import Expression, Operation, expressions, values
from scalargrad.testing import __all__ as public

Drawn = tuple[Expression, list[Any]]
ONCE = settings(max_examples=500, database=None)


@given(expressions())
def test_every_step_is_tame(drawn: Drawn) -> None:
    expression, point = drawn
    results = list(point)
    for step in expression.steps:
        assert step.function.is_tame(step.inputs(results))
        results.append(step(results))
        assert abs(results[-1]) <= 30
    assert results[-1] == expression(*point)
    assert 1 <= expression.arity <= 3
    assert 1 <= len(expression.steps) <= 8


@given(expressions(["log", "asin"], inputs=2, max_ops=3))
def test_options_are_kept_and_no_draw_is_thrown_away(drawn: Drawn) -> None:
    expression, point = drawn
    assert len(point) == expression.arity == 2
    assert 1 <= len(expression.steps) <= 3
    assert {step.function.name for step in expression.steps} <= {"log", "asin"}
    assert math.isfinite(expression(*point))


@given(expressions(["+", "*", "-"]), st.integers(-4, 4))
def test_values_floats_and_printed_code_agree(drawn: Drawn, seed: int) -> None:
    expression, point = drawn
    scope: dict[str, Any] = {f"v{n}": x for n, x in enumerate(point)}
    exec(str(expression), scope)
    result = expression(*point)
    assert scope[f"v{expression.arity + len(expression.steps) - 1}"] == result
    assert expression(*map(Value, point)).data == result


def shrunk(condition: Callable[[Expression], bool], **options: Any) -> str:
    drawn = find(expressions(**options), lambda drawn: condition(drawn[0]), settings=ONCE)
    return str(drawn[0])


@pytest.mark.slow
def test_expressions_shrink_to_what_a_person_would_write() -> None:
    ops = ["+", "*", "tanh", "log"]
    assert shrunk(lambda e: len(e.steps) == 3, ops=ops).count("\n") == 2
    assert shrunk(lambda e: e.steps[-1].function.name == "*", ops=ops) in (
        "v1 = v0 * v0",
        "v2 = v1 * v1",
    )
    both = shrunk(lambda e: {"tanh", "log"} <= {s.function.name for s in e.steps}, ops=ops)
    assert both.count("\n") == 1


@pytest.mark.slow
def test_numbers_shrink_to_small_whole_ones() -> None:
    expression, point = find(expressions(["*"]), lambda d: d[0](*d[1]) > 3, settings=ONCE)
    assert point == [2.0] or point == [-2.0]
    assert str(expression) == "v1 = v0 * v0"


def test_a_function_of_your_own_is_one_line() -> None:
    cube = Operation("cube", 1, (((-3.0, 3.0),),), function=lambda x: x * x * x)
    any_will_do = settings(ONCE, phases=[Phase.generate])
    expression, point = find(
        expressions([cube, "+"]), lambda d: d[0](*d[1]) == 8.0, settings=any_will_do
    )
    leaves = [Value(x) for x in point]
    expression(*leaves).backward()
    assert any(leaf.grad for leaf in leaves)


@pytest.mark.parametrize(("ops", "words"), [([], "ops is empty"), (["nix"], "'nix' is no name")])
def test_ops_that_are_not_there_are_errors(ops: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        expressions(ops)


@given(st.from_type(Value), values(st.just(0.5)))
def test_values_can_be_drawn(any_value: Value, half: Value) -> None:
    assert isinstance(any_value, Value)
    assert math.isfinite(any_value.data)
    assert half.data == 0.5


def test_no_class_has_the_name_of_another_public_one() -> None:
    ours = {name for name in public if isinstance(getattr(scalargrad.testing, name), type)}
    assert not ours & set(scalargrad.__all__)


def test_a_failing_example_is_printed_as_code() -> None:
    @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
    @given(drawn=expressions(["+"]))
    def property_(drawn: Any) -> None:
        assert len(drawn[0].steps) < 2

    with pytest.raises(AssertionError) as caught:
        property_()
    # From Python 3.11 on Hypothesis puts the example into the error's notes.
    notes = "\n".join(getattr(caught.value, "__notes__", []))
    if notes:
        assert "\nv1 = v0 + v0\nv2 = v1 + v1\n" in notes
        assert "lambda" not in notes
