"""The chain rule stands in two places, `contributions` and its twin for numbers: they agree."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scalargrad import Value, fma, fsum, maximum, prod, relu, sqrt, where
from scalargrad.engine.fast import add_gradients
from scalargrad.engine.graph import contributions, operands_of, topological_order
from scalargrad.engine.outputs import Cotangents
from scalargrad.engine.passes import pull_back
from scalargrad.testing import expressions
from tests.own_functions import ExpAndDouble, MultiplyAdd


def assert_twins_agree(y: Value, leaves: list[Value], seed: Any) -> None:
    nodes = topological_order([y])
    slopes: dict[Any, Any] = {y: seed}
    pull_back(nodes, slopes, as_graph=False)
    for leaf in leaves:
        leaf.grad = 0
    add_gradients(list(nodes), seed)
    for x in (*nodes, *leaves):
        found, expected = x._grad, slopes.get(x, 0 * seed)
        if isinstance(expected, Cotangents):
            found, expected = found.by_output, expected.by_output
        else:
            found, expected = found + 0 * seed, expected + 0 * seed
        assert repr(found) == repr(expected), x


@given(drawn=expressions(max_ops=12))
def test_the_twin_gives_what_pull_back_gives_to_the_last_bit(drawn: Any) -> None:
    expression, inputs = drawn
    leaves = [Value(x) for x in inputs]
    try:
        y = expression(*leaves)
        if isinstance(y, Value) and y._op is not None:
            y.backward()
            assert_twins_agree(y, leaves, 1.0)
    except (ArithmeticError, ValueError):
        pass


@given(st.fractions(1, 3), st.fractions(4, 9))
@settings(max_examples=20)
def test_on_each_way_that_a_node_keeps_its_operands(p: Fraction, q: Fraction) -> None:
    a, b = Value(p), Value(q)
    y = 2 * a + a * 3 - b / a + fma(a, 2, b) + prod([a, b, 3]) + prod([a, b, a])
    y = y + where(p > 0, a, b) + maximum(a, 2 * b) + relu(a - b) * b + MultiplyAdd.apply(a, b, 1)
    assert_twins_agree(y, [a, b], Fraction(1))
    # With outputs of a Function that is not used as a whole, and a side that is not taken.
    x = Value(0.5)
    first, _ = ExpAndDouble.apply(x)
    assert_twins_agree(first * x + fsum([x, first]) + where(x > 1, sqrt(x - 0.5), x), [x], 1.0)


def test_the_chain_rule_at_one_node() -> None:
    a, b = Value(2.0), Value(5.0)
    node = a * b
    assert operands_of(node) == (a, b)
    assert contributions(node, (10.0, None), as_graph=False) == (50.0, None)
    by_b: Any = contributions(node, (None, Value(10.0)), as_graph=True)[1]
    assert (by_b.data, by_b.op) == (20.0, "*")
