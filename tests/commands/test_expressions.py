"""Parsed expressions: right where Python reads them, and an ExpressionError for all else."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scalargrad import Value
from scalargrad.commands.expressions import Expression, ExpressionError, UsageError, parse_number

NUMBERS = st.integers(0, 20).map(str) | st.sampled_from(["0.5", "1e-3", "2.5", "pi", "e", "x", "y"])
TEXTS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from("+-*/%"), inner),
        st.builds("({})**2".format, inner),
        st.builds("{}({})".format, st.sampled_from(["-", "+", "sin", "atan", "tanh"]), inner),
        st.builds("atan2({}, {})".format, inner, inner),
        st.builds("where({} < {}, {}, {})".format, inner, inner, inner, inner),
    ),
    max_leaves=12,
)


@given(TEXTS, st.floats(-10, 10), st.floats(-10, 10))
@example("-x**2 - -y", 3.0, 2.0)
@example("2**-x**2", 1.5, 0.0)
@example("atan2(0, -(0))", 0.0, 0.0)
def test_the_value_is_pythons(text: str, x: float, y: float) -> None:
    names: dict[str, Any] = {name: getattr(math, name) for name in ("sin", "atan", "tanh", "atan2")}
    names |= {"pi": math.pi, "e": math.e, "x": x, "y": y}
    names["where"] = lambda condition, a, b: a if condition else b
    right = None
    with suppress(ArithmeticError, ValueError):
        # An expression's numbers are floats.
        right = eval(re.sub(r"(?<![\w.-])(\d+)(?![\w.])", r"\1.0", text), {}, names)
    try:
        expression = Expression(text)
        found = expression(*[names[name] for name in expression.names])
    except (ArithmeticError, ValueError):  # ExpressionErrors are ValueErrors
        assert right is None
        return
    assert right is not None
    assert math.isclose(found, right, rel_tol=1e-9, abs_tol=1e-9) or found != found


ANYTHING = st.text(max_size=60) | st.text("x1.()[]{}+-*/%,:='\"\\ \n\t#@!~<>|&^_eE", max_size=60)


@given(ANYTHING)
@example("(" * 200)
@example("\ud800")
@example("x\x00")
@example("x if y else z")
@example("#")
@example("x # y")
@example("0x_")
@example("1__0")
@example("''''")
@example("x\\")
@example("x\u2028y")
def test_any_text_is_an_expression_or_an_error_with_a_place(text: str) -> None:
    try:
        names, said = Expression(text).names, ""
    except ExpressionError as error:
        names, said = [], str(error)
    assert all(name.isidentifier() for name in names)
    if said:
        message, shown, caret = said.split("\n")
        assert message
        assert caret.strip() == "^"
        assert len(caret) <= len(shown) + 1
        assert all(c.isprintable() for c in message + shown)


def test_names_are_in_the_order_of_the_text() -> None:
    assert Expression("b*a + b").names == ["b", "a"]


def test_values_of_any_kind_go_in() -> None:
    y = Expression("x*x + 1")(Value(3.0))
    y.backward()
    assert (y.data, y.op) == (10.0, "+")


def test_numbers() -> None:
    assert parse_number("-1e-3") == -0.001
    assert parse_number("pi/2") == math.pi / 2
    with pytest.raises(ExpressionError, match="a number is wanted, not x"):
        parse_number("x")


def test_lists_for_functions_of_lists() -> None:
    assert Expression("fsum([x, 2, x])")(1.5) == 5.0
    assert Expression("dist([x, 0], [0, 4])")(3.0) == 5.0


def test_a_missing_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"rate has no value; did you mean rat\?"):
        Expression("rate").check_names(["rat"])
