"""What a Value itself shows: its local derivatives, and its picture in a notebook."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from scalargrad import Function, Value, relu, sin, sqrt, where
from scalargrad.testing.expressions import Expression, expressions
from tests.view.graphs import deep


def test_one_number_for_each_parent() -> None:
    a, b = Value(2.0), Value(5.0)
    assert (a * b).local_derivatives() == (5.0, 2.0)
    assert (a * a).local_derivatives() == (2.0, 2.0)
    assert (a * 3).local_derivatives() == (3,)
    assert a.local_derivatives() == ()
    assert relu(Value(-1.0)).local_derivatives() == (0,)
    assert where(True, a, b).local_derivatives() == (1.0, 0)


@given(expressions())
def test_with_them_the_chain_rule_gives_the_gradients(
    drawn: tuple[Expression, list[float]],
) -> None:
    f, inputs = drawn
    y = f(*map(Value, inputs))
    if not isinstance(y, Value):
        return
    slopes = y.local_derivatives()
    assert len(slopes) == len(y.parents)
    y.backward()
    totals: dict[Value, Any] = {}
    for parent, slope in zip(y.parents, slopes, strict=True):
        totals[parent] = totals.get(parent, 0) + slope
    only_here = [x for x in totals if x.op == "" or y.op != ""]
    for x in only_here:
        if sum(x in node.parents for node in _results(y)) == 1:
            assert x.grad == pytest.approx(totals[x], rel=1e-12, abs=1e-300)


def _results(y: Value) -> list[Value]:
    found: list[Value] = []
    stack = [y]
    while stack:
        node = stack.pop()
        if node.op and node not in set(found):
            found.append(node)
            stack += node.parents
    return found


def test_of_a_functions_output() -> None:
    class Both(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            return x * y, x - y

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            x, y = ctx.saved_values
            return g * y + h, g * x - h

    product, difference = Both.apply(Value(2.0), Value(5.0))
    assert product.local_derivatives() == (5.0, 2.0)
    assert difference.local_derivatives() == (1.0, -1.0)


def test_where_there_is_none_it_raises_as_backward_does() -> None:
    with pytest.raises(ZeroDivisionError, match=r"in the derivative of sqrt\(0\.0\)"):
        sqrt(Value(0.0)).local_derivatives()


def test_a_notebook_shows_a_small_graph_and_leaves_the_rest_as_text() -> None:
    x = Value(2.0, "x")
    html = (x * sin(x))._repr_html_()
    assert html is not None
    assert re.search(r"<svg.*</svg>", html, re.DOTALL)
    assert x._repr_html_() is None
    assert deep(29)(x)._repr_html_() is not None
    assert deep(30)(x)._repr_html_() is None
    assert deep(50_000)(x)._repr_html_() is None
    assert sqrt(Value(0.0))._repr_html_() is not None
