"""Sums of the tuples that many calls give."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest

from scalargrad import Value, compile, grad, sqrt, value_and_grad
from tests.sampled import one_in

Loss = Callable[[Any, Any], Any]


def apart(called: bool) -> Loss:
    """Return a loss of as many calls as there are xs, none of which takes a result of another."""

    def piece(ws: Any, x: Any) -> Any:
        return (ws[0] * x - ws[1]) * x

    f: Any = compile(piece) if called else piece
    return lambda ws, xs: sum(f(ws, x) * 3 for x in xs)


def in_a_chain(called: bool) -> Loss:
    """Return a loss of calls with two results, each of which takes one of the call before."""

    def piece(ws: Any, x: Any, y: Any) -> Any:
        return ws[0] * x + ws[1] * y, ws[1] * x

    f: Any = compile(piece) if called else piece

    def loss(ws: Any, xs: Any) -> Any:
        total, y = 0, 2
        for x in xs:
            a, y = f(ws, x, y)
            total = total + a
        return total

    return loss


def of_two(called: bool) -> Loss:
    """Return a loss with the sums of two tuples, whose calls come in turns."""

    def piece(ws: Any, x: Any) -> Any:
        return ws[0] * x * x - ws[1] * x

    f: Any = compile(piece) if called else piece

    def loss(ws: Any, xs: Any) -> Any:
        first, second = [ws[0], 5], [ws[1], ws[0]]
        return sum(f(first, x) + f(second, x) for x in xs) + ws[1] * first[0]

    return loss


def of_two_tuples(called: bool) -> Loss:
    """Return a loss whose calls each give terms of two sums, and more."""

    def piece(ws: Any, vs: Any, x: Any, y: Any) -> Any:
        return ws[0] * x - ws[1] * vs[0] + vs[1] * y, ws[0] * y

    f: Any = compile(piece) if called else piece

    def loss(ws: Any, xs: Any) -> Any:
        vs = [ws[1], ws[0] * 2]
        total, y = 0, ws[1]
        for x in xs:
            a, y = f(ws, vs, x, y)
            total = total + a * x
        return total

    return loss


def nested(called: bool) -> Loss:
    """Return a loss whose piece calls another many times itself."""
    inner = in_a_chain(called)

    def piece(ws: Any, x: Any) -> Any:
        return inner(ws, [x + k for k in range(16)])

    f: Any = compile(piece) if called else piece
    return lambda ws, xs: sum(f(ws, x) for x in xs)


LOSSES = [apart, in_a_chain, of_two, of_two_tuples, nested]


@pytest.mark.parametrize(
    ("count", "loss", "kind"),
    one_in(4, product([1, 2, 7, 8, 9, 40], LOSSES, [Fraction, Decimal, int])),
)
def test_sums_of_every_kind_are_the_eager_ones(loss: Any, count: int, kind: Any) -> None:
    ws, xs = [kind(3), kind(-2)], [kind(k) for k in range(count)]
    expected = value_and_grad(loss(False))(ws, xs)
    found = compile(value_and_grad(loss(True)))(ws, xs)
    assert found == expected
    assert [type(x) for x in found[1]] == [type(x) for x in expected[1]]


def test_each_call_makes_sums_of_its_own() -> None:
    compiled = compile(value_and_grad(apart(True)))
    args = [3.0, -2.0], [float(k) for k in range(20)]
    first = compiled(*args)
    again = first[0], list(first[1])
    first[1][0] = "changed"
    assert compiled(*args) == again
    assert compiled(*args)[1] is not compiled(*args)[1]


def test_a_tuple_that_is_needed_elsewhere_is_not_given_away() -> None:
    # A second derivative needs what the first one's calls gave.
    def loss(called: bool) -> Any:
        inner = value_and_grad(apart(called))

        def whole(ws: Any, xs: Any) -> Any:
            value, slopes = inner(ws, xs)
            return value * slopes[0] + slopes[1] * slopes[1]

        return whole

    ws, xs = [Fraction(3), Fraction(-2)], [Fraction(k) for k in range(18)]
    assert compile(value_and_grad(loss(True)))(ws, xs) == value_and_grad(loss(False))(ws, xs)


@pytest.mark.parametrize("extra_first", [False, True])
def test_sums_that_share_terms(extra_first: bool) -> None:
    def both(called: bool) -> Any:
        f = apart(called)

        def whole(ws: Any, xs: Any) -> Any:
            more = [5, *xs] if extra_first else [*xs, 5]
            return [
                slope(ws, numbers)
                for slope in [value_and_grad(lambda ws, xs: f(ws, xs))]
                for numbers in (xs, more, xs[1:])
            ]

        return whole

    ws, xs = [3.0, -2.0], [k / 2 for k in range(24)]  # all sums are exact
    assert compile(both(True))(ws, xs) == both(False)(ws, xs)


def test_gradients_of_captured_values_are_added_in_a_loop() -> None:
    ws = [Value(3.0), Value(-2.0)]
    piece = compile(lambda x: (ws[0] * x - ws[1]) * x)
    compiled = compile(lambda xs: sum(piece(x) for x in xs))
    xs = [float(k) for k in range(20)]
    assert compiled.backward(xs) == sum((3.0 * x + 2.0) * x for x in xs)
    assert [w.grad for w in ws] == [sum(x * x for x in xs), -sum(xs)]
    assert "for v_2, g in zip(values, " in compiled.source
    again = pickle.loads(pickle.dumps(compiled))
    assert again.backward(xs) == sum((3.0 * x + 2.0) * x for x in xs)


def test_names_stay_those_of_the_values() -> None:
    w = Value(3.0, label="slope")
    piece = compile(lambda v, x: (v[0] * x - v[1]) * x)
    compiled = compile(lambda v, xs: sum(piece(v, x) for x in xs) * w)
    xs = [float(k) for k in range(20)]
    compiled.backward([1.0, 2.0], xs)
    assert "slope = slope_value._data" in compiled.source
    slopes = compile(grad(lambda v: sum(piece(v, x) for x in xs) * w))
    slopes([1.0, 2.0])
    assert "slope, = captured" in slopes.source


def test_an_error_in_a_call_of_many_names_the_op() -> None:
    w = Value(1.0, label="w")
    piece = compile(lambda x: sqrt(x) * w)
    compiled = compile(value_and_grad(lambda xs: sum(piece(x) for x in xs)))
    with pytest.raises(ZeroDivisionError, match=r"division by zero, in 1\.0 / 0\.0"):
        compiled([1.0] * 19 + [0.0])
    assert w.grad == 0
