"""Sums of the tuples that many calls give: in one list, they are what they are without it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scalargrad import Value, compile, grad, sqrt, value_and_grad
from scalargrad.engine.outputs import pick
from scalargrad.programs import accumulation
from scalargrad.programs.code import Call, Code, equation, evaluate
from scalargrad.programs.tuples import pack, pack_total

NUMBERS = st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 5e-324, -1e-200])
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


def slopes_of(loss: Any, ws: Any, xs: Any) -> tuple[Any, str]:
    compiled = compile(value_and_grad(loss))
    return compiled(ws, xs), compiled.source


@given(xs=st.lists(NUMBERS, min_size=16, max_size=24), ws=st.tuples(NUMBERS, NUMBERS))
@example(xs=[0.0] * 16, ws=(-1.0, -1.0))  # terms of zeros, of either sign
@example(xs=[-0.0] * 20, ws=(1.0, 0.0))
@settings(max_examples=30)
@pytest.mark.parametrize("loss", LOSSES[:4])
def test_the_bits_are_those_without(loss: Any, xs: list[float], ws: tuple[float, float]) -> None:
    found, text = slopes_of(loss(True), list(ws), xs)
    with patch.object(accumulation, "FEWEST", 10**9):
        expected, other = slopes_of(loss(True), list(ws), xs)
    assert repr(found) == repr(expected)
    assert ("sums[0] +=" in text, "sums[0] +=" in other) == (True, False)


@pytest.mark.parametrize("kind", [Fraction, Decimal, int])
@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 40])
@pytest.mark.parametrize("loss", LOSSES)
def test_sums_of_every_kind_are_the_eager_ones(loss: Any, count: int, kind: Any) -> None:
    ws, xs = [kind(3), kind(-2)], [kind(k) for k in range(count)]
    expected = value_and_grad(loss(False))(ws, xs)
    found, text = slopes_of(loss(True), ws, xs)
    assert found == expected
    assert [type(x) for x in found[1]] == [type(x) for x in expected[1]]
    if loss is not nested:
        assert ("sums[0] +=" in text) == (count >= 16)


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
    assert slopes_of(loss(True), ws, xs)[0] == value_and_grad(loss(False))(ws, xs)


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


def calls_of_pairs() -> list[Any]:
    code = Code(1, [equation((pack, (0, 0)))], [1])
    pair = Call("pair", code, ("float",), ("float", "float"))
    return [equation((pair, (k,))) for k in range(16)]


def test_a_partial_sum_that_is_needed_stays() -> None:
    first = equation((pack_total, tuple(range(16, 24))))
    second = equation((pack_total, (32, *range(24, 32))))
    numbers = [0.1 * k for k in range(16)]
    for outputs in ([33], [33, 32]):
        code = Code(16, [*calls_of_pairs(), first, second], list(outputs))
        found = accumulation.accumulating(code, ["float"] * 16)
        assert list(map(list, evaluate(found, numbers))) == list(map(list, evaluate(code, numbers)))


def test_terms_in_another_order_than_their_calls_stay_a_sum() -> None:
    calls = calls_of_pairs()
    terms = tuple(range(16, 32))

    def code(terms: Any) -> Code:
        return Code(16, [*calls, equation((pack_total, terms))], [32])

    numbers = [0.1 * k for k in range(16)]
    for order, accumulated in ((terms, True), (terms[::-1], False)):
        found = accumulation.accumulating(code(order), ["float"] * 16)
        assert all(op is not pack_total for op, _ in found.equations) == accumulated
        assert [*evaluate(found, numbers)[0]] == [*evaluate(code(order), numbers)[0]]


def test_elements_of_what_a_call_gives_stay_a_sum() -> None:
    kinds = (("float", "float"),)
    code = Code(1, [equation((pack, (0, 0))), equation((pack, (1,)))], [2])
    call = Call("nested", code, ("float",), kinds)
    calls = [equation((call, (k,))) for k in range(16)]
    picks = [equation((pick(0), (k,))) for k in range(16, 32)]
    whole = Code(16, [*calls, *picks, equation((pack_total, tuple(range(32, 48))))], [48])
    numbers = [0.1 * k for k in range(16)]
    found = accumulation.accumulating(whole, ["float"] * 16)
    assert evaluate(found, numbers) == evaluate(whole, numbers)


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
    assert "sums[1] +=" in slopes.source
    assert "slope, = captured" in slopes.source


def test_an_error_in_a_call_that_adds_names_the_op() -> None:
    w = Value(1.0, label="w")
    piece = compile(lambda x: sqrt(x) * w)
    compiled = compile(value_and_grad(lambda xs: sum(piece(x) for x in xs)))
    with pytest.raises(ZeroDivisionError, match=r"division by zero, in 1\.0 / 0\.0"):
        compiled([1.0] * 19 + [0.0])
    assert w.grad == 0


def test_nothing_is_neutral_in_every_kind() -> None:
    for x in (-0.0, 0, True, Fraction(1, 3), Decimal("0.10"), float("inf")):
        found = accumulation.nothing + x
        assert repr(found) == repr(x)
    assert pickle.loads(pickle.dumps(accumulation.nothing)) is accumulation.nothing
