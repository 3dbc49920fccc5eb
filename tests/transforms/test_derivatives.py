"""`derivatives`, and `backward(inputs=[...])`: by chosen Values, all else untouched."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad
from scalargrad import Value, derivatives, grad, no_grad, sin
from scalargrad.engine.graph import topological_order
from scalargrad.testing import expressions


def untouched(values: Iterable[Value]) -> bool:
    return all(type(x.grad) is int and x.grad == 0 for x in values)


@given(drawn=expressions(), data=st.data())
def test_they_are_what_backward_leaves_in_grad(drawn: Any, data: st.DataObject) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    y = expression(*leaves)
    nodes = [*topological_order([y]), *leaves]
    chosen = data.draw(st.lists(st.sampled_from(nodes), max_size=4))
    found = derivatives(y, chosen)
    assert untouched(nodes)
    again = derivatives(y, chosen, create_graph=True)
    assert all(type(slope) is Value for slope in again)
    assert untouched(nodes)
    y.backward(inputs=chosen)
    by_backward = [x.grad for x in chosen]
    others = set(nodes) - set(chosen)
    assert untouched(others)
    for x in nodes:
        x.grad = 0
    y.backward()
    expected = [x.grad for x in chosen]
    assert found == expected
    assert by_backward == expected
    assert [slope.data for slope in again] == expected


@given(drawn=expressions(inputs=1, max_ops=5))
def test_second_derivatives(drawn: Any) -> None:
    expression, inputs = drawn
    leaf = Value(inputs[0])
    y = expression(leaf)
    try:
        slope = derivatives(y, leaf, create_graph=True)
        found = derivatives(slope, leaf)
    except ZeroDivisionError:
        return
    assert found == grad(grad(expression))(inputs[0])
    assert untouched([leaf, *topological_order([y])])


def test_one_that_depends_on_another() -> None:
    x = Value(3.0)
    square = x * x
    y = square * x
    assert derivatives(y, [x, square, y]) == [27.0, 3.0, 1.0]
    assert derivatives(y, [square, square]) == [3.0, 3.0]
    assert derivatives(square, [y, x]) == [0.0, 6.0]
    y.backward(inputs=[square, x])
    assert (x.grad, square.grad, y.grad) == (27.0, 3.0, 0)
    y.backward(inputs=[square], gradient=2.0)
    assert (x.grad, square.grad) == (27.0, 9.0), "what is chosen adds up"
    y.backward(inputs=(x,), create_graph=True)
    assert (type(x.grad), x.grad.data) == (Value, 54.0)
    y.backward(inputs=[])
    assert square.grad == 9.0


def test_a_leaf_by_itself_and_by_another() -> None:
    x, z = Value(3.0), Value(Fraction(1, 2))
    assert derivatives(x, x) == 1.0
    assert derivatives(x, [z]) == [0]
    assert isinstance(derivatives(x, [z])[0], Fraction)
    x.backward(inputs=[x, z])
    assert (x.grad, z.grad) == (1.0, 0)


def test_of_a_result_in_no_grad() -> None:
    x = Value(3.0)
    y = x * x
    with no_grad():
        slope = derivatives(y, x, create_graph=True)
        assert derivatives(slope, x) == 2.0
        assert (x * x).parents == ()


def test_exact_and_deep() -> None:
    x = y = Value(Fraction(1, 3))
    for _ in range(10_000):
        y = y * 1 + 0
    y = y * x
    assert derivatives(y, [x]) == [Fraction(2, 3)]
    slope = derivatives(y, x, create_graph=True)
    assert derivatives(slope, x) == 2


def test_what_is_refused() -> None:
    x = Value(3.0)
    y = sin(x)
    wrong: Any = 2.0
    with pytest.raises(TypeError, match=r"derivatives are of a Value, not of 2.0 \(float\)"):
        derivatives(wrong, [x])
    with pytest.raises(TypeError, match=r"derivatives are by Values, not by 2.0 \(float\)"):
        derivatives(y, [x, wrong])
    with pytest.raises(TypeError, match=r"in a list, as in \[x\], not 2.0"):
        derivatives(y, wrong)
    with pytest.raises(TypeError, match="derivatives are by Values, not by 'x'"):
        y.backward(inputs=["x"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"in a list, as in \[x\], not Value"):
        y.backward(inputs=x)  # type: ignore[arg-type]
    root = scalargrad.sqrt(Value(0.0))
    with pytest.raises(ZeroDivisionError, match=r"the derivative of sqrt\(0.0\)"):
        derivatives(root, root.parents)
    assert x.grad == 0
