"""`explain`: every number of it against the engine's own, names, width, ASCII."""

from __future__ import annotations

import io
import math
import re
import sys
from fractions import Fraction
from typing import Any

import pytest

from scalargrad import Value, exp, fsum, sin, sqrt, tanh, where
from scalargrad.nn import MLP
from scalargrad.view.explanation import explain
from scalargrad.view.languages.notation import show
from tests.view.graphs import HOSTILE, deep, diamond

XY = """\
f = x · y + sin(x)

forward
  x = 2.0
  y = 3.0
  v1 = x · y = 2.0 · 3.0 = 6.0
  v2 = sin(x) = sin(2.0) = 0.909297
  f = v1 + v2 = 6.0 + 0.909297 = 6.9093

backward
  ∂f/∂f = 1.0
  f = v1 + v2
    ∂f/∂v1 += ∂f/∂f · 1 = 1.0 · 1.0 = 1.0
    ∂f/∂v2 += ∂f/∂f · 1 = 1.0 · 1.0 = 1.0
  v2 = sin(x)
    ∂f/∂x += ∂f/∂v2 · cos(x) = 1.0 · (-0.416147) = -0.416147  (so far -0.416147)
  v1 = x · y
    ∂f/∂x += ∂f/∂v1 · y = 1.0 · 3.0 = 3.0  (so far 2.58385)
    ∂f/∂y += ∂f/∂v1 · x = 1.0 · 2.0 = 2.0

gradient
  ∂f/∂x = 2.58385
  ∂f/∂y = 2.0"""


def test_every_step_of_an_expression() -> None:
    assert explain(lambda x, y: x * y + sin(x), 2.0, 3.0) == XY


def test_it_shows_itself_as_it_reads() -> None:
    text = explain(lambda x: x * x, 3.0)
    assert repr(text) == str(text) == text


def test_a_product_as_in_a_textbook() -> None:
    a, b = Value(1.0, "a"), Value(2.0, "b")
    c = a * b
    L = c * Value(1.0, "w")
    assert "∂L/∂a += ∂L/∂c · b = 1.0 · 2.0 = 2.0" in explain(L)


def test_each_product_and_sum_of_it_can_be_checked() -> None:
    text = explain(lambda x, y: exp(x * y) * tanh(x) + y / x, 0.5, 1.5)
    sums: dict[str, float] = {}
    steps = re.findall(r"(\S+) \+= .* = (\S+) · (\S+)\s+= (\S+)(?:\s+\(so far (.*)\))?", text)
    assert len(steps) == 10
    for name, above, local, product, so_far in steps:
        a, b, c = (float(x.strip("()")) for x in (above, local, product))
        assert math.isclose(a * b, c, rel_tol=2e-5)
        sums[name] = sums.get(name, 0.0) + c
        assert math.isclose(sums[name], float(so_far or c), rel_tol=2e-5)


# --- names -------------------------------------------------------------------------------------


def test_names_are_labels_then_the_callers_variables_then_made_up() -> None:
    labelled, plain = Value(2.0, "rate"), Value(3.0)
    product = labelled * plain
    total = product + Value(1.0)
    text = explain(total)
    assert "  product = rate · plain = 2.0 · 3.0 = 6.0" in text
    assert "  total = product + x1 = 6.0 + 1.0 = 7.0" in text


def test_names_within_lists_and_modules() -> None:
    ws = [Value(2.0), Value(3.0)]
    total = fsum(ws)
    assert "total = fsum([ws[0], ws[1]])" in explain(total)
    model = MLP(1, [1])
    loss = model([2.0]) ** 2
    text = explain(loss)
    assert "w0.0.0 = " in text
    assert len(model.parameters()) == 2


def test_a_function_names_its_arguments_and_its_own_variables() -> None:
    def loss(w: Any, b: Any) -> Any:
        prediction = w * 3.0 + b
        return (prediction - 2.0) ** 2

    text = explain(loss, 1.0, 0.5)
    assert "  prediction = v1 + b = 3.0 + 0.5 = 3.5" in text
    assert "∂loss/∂prediction += " in text


def test_names_that_are_given_twice_are_told_apart() -> None:
    text = explain(Value(2.0, "x") * Value(3.0, "x"))
    assert "f = x · x_2 = 2.0 · 3.0 = 6.0" in text


def test_nested_arguments_and_captured_values() -> None:
    w = Value(2.0)
    text = explain(lambda xs, d: w * xs[0] + d["k"], [3.0], {"k": 1.0})
    assert "  v1 = w · xs[0] = 2.0 · 3.0 = 6.0" in text
    assert "d['k'] = 1.0" in text


# --- kinds of number, kinks and ends of domains --------------------------------------------------


def test_numbers_are_shown_in_their_kind() -> None:
    text = explain(lambda x: x / 3 + x**2, Fraction(1, 3))
    assert "v2 = x**2 = (1/3)**2 = 1/9" in text
    assert text.endswith("∂f/∂x = 1")
    assert "x = 2\n" in explain(lambda x: x * x, 2)


def test_a_choice_shows_its_condition() -> None:
    text = explain(lambda x: where(x > 0, x, -x), -3.0)
    assert "v1 = x > 0 = (-3.0) > 0 = False" in text
    assert text.endswith("∂f/∂x = -1.0")


def test_a_branch_of_python_is_followed_as_it_went() -> None:
    assert explain(lambda x: x if x > 0 else -x, -3.0).endswith("∂f/∂x = -1.0")


def test_a_power_has_the_textbooks_derivatives() -> None:
    text = explain(lambda x, y: x**y, 2.0, 3.0)
    assert "∂f/∂x += ∂f/∂f · y · x**(y - 1) = 1.0 · 12.0 = 12.0" in text
    assert "∂f/∂y += ∂f/∂f · x**y · log(x) = 1.0 · 5.54518 = 5.54518" in text


def test_where_there_is_no_derivative_it_says_so() -> None:
    text = explain(sqrt(Value(0.0, "x")))
    assert "f = sqrt(x) = sqrt(0.0) = 0.0" in text
    assert "no gradient: ZeroDivisionError: " in text


def test_the_ends_of_domains_raise_as_ever() -> None:
    with pytest.raises(ValueError, match=r"math domain error, in sqrt\(x=-1\.0\)"):
        explain(sqrt, -1.0)


# --- size and form -------------------------------------------------------------------------------


def test_large_graphs_are_summarised() -> None:
    text = explain(deep(100), 0.5)
    assert text.startswith("101 nodes, too many to show each: 1 input and 100 sin.")
    assert "forward: the last 12 steps" in text
    assert "backward: the first 12 steps" in text
    assert len(text.splitlines()) < 60
    assert "nodes" not in explain(deep(40), 0.5)


def test_a_very_deep_graph_is_summarised_without_recursion() -> None:
    assert explain(deep(20_000)(Value(0.5))).startswith("20,001 nodes")


def test_ascii_where_the_terminal_has_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    text = explain(Value(2.0, "é") * 3.0)
    assert text.isascii()
    assert "d f" not in text
    assert "df/d\\xe9 = 3.0" in text


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile_labels_keep_lines_and_width(label: str) -> None:
    text = explain(sin(Value(2.0, label)) * Value(3.0, label))
    assert all(len(line) <= 80 for line in text.splitlines())
    assert len(text.splitlines()) < 30
    assert all(c.isprintable() or c == "\n" for c in text)


def test_grad_is_left_alone() -> None:
    x = Value(2.0, "x")
    x.grad = 7.0
    explain(x * x)
    assert x.grad == 7.0


def test_one_number_alone() -> None:
    assert explain(Value(2.0, "x")).endswith("∂x/∂x = 1.0")
    assert show(2.0) == "2.0"


def test_the_result_must_depend_on_something() -> None:
    with pytest.raises(TypeError, match="no number was computed with"):
        explain(lambda x: 3.0, 2.0)


def test_diamonds_add_up() -> None:
    assert "(so far " in explain(diamond, 0.5)
