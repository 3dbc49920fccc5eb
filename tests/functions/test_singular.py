"""Derivatives at singular points: a limit or an error of Python's, never nan."""

from __future__ import annotations

import itertools
import math
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import scalargrad
from scalargrad import Value, dist, grad, hessian, hvp, hypot, logsumexp, softmax
from scalargrad.functions.many import largest
from scalargrad.testing import FUNCTIONS, Operation

INF, NAN = math.inf, math.nan
ERRORS = (ArithmeticError, ValueError)
# So far from the ends of the floats that no quotient or square of two of them overflows.
EDGES = (
    *(0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 0.5, -0.5, 1e-70, -1e-70, 1e70, -1e70, 1e6, -1e6),
    *(0.9999999999999999, 1.0000000000000002, -0.9999999999999999, 1e-16, 20.0, -20.0, 0, 1, 2),
)
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda f: f.name)


def finite(y: Any) -> bool:
    return bool(y - y == 0)


def power(x: Any, y: Any) -> Any:
    return x**y


@functions
@given(data=st.data())
@pytest.mark.slow
def test_derivatives_at_edges_are_finite_or_an_error(
    function: Operation, data: st.DataObject
) -> None:
    count = function.arity or 2
    inputs = data.draw(st.tuples(*[st.sampled_from(EDGES)] * count))
    by_all = tuple(range(count))
    try:
        y = function(*inputs)
        assert finite(y)
        slopes = grad(function, by_all)(*inputs)
    except ERRORS:
        return
    assert all(map(finite, slopes))
    try:
        rows = hessian(function, by_all)(*inputs)
    except ERRORS:
        return
    size = max(1.0, *(abs(x) for row in rows for x in row))
    for i, j in itertools.product(by_all, by_all):
        assert finite(rows[i][j])
        assert abs(rows[i][j] - rows[j][i]) <= 1e-9 * size
    for direction in ([1.0] * count, [1.0] + [0.0] * (count - 1)):
        found = hvp(function, inputs, direction)
        for row, moved in zip(rows, found if count > 1 else [found], strict=True):
            expected = math.fsum(a * b for a, b in zip(row, direction, strict=True))
            assert abs(moved - expected) <= 1e-9 * size


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("zero", [0.0, -0.0, 0])
def test_the_length_of_nothing(count: int, zero: float) -> None:
    origin = [zero] * count
    lengths: list[Any] = [lambda xs: hypot(*xs), lambda xs: dist(xs, [0.0] * count)]
    for length in lengths:
        assert grad(length)(origin) == [0] * count
        with pytest.raises(ZeroDivisionError, match="not finite there"):
            hessian(length)(origin)
        with pytest.raises(ZeroDivisionError, match="not finite there"):
            hvp(length, (origin,), ([1.0] * count,))
        leaves = [Value(x) for x in origin]
        length(leaves).backward(create_graph=True)
        slope = leaves[0].grad
        with pytest.raises(ZeroDivisionError, match="not finite there"):
            slope.backward()


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=3), st.integers(-1074, 1000))
@example([1.0, 1.0], -1074)
@example([1.0, 0.0], -1073)
def test_second_derivatives_of_a_length_are_right_or_overflow(
    xs: list[float], exponent: int
) -> None:
    point = [math.ldexp(x, exponent) for x in xs]
    length = math.hypot(*point)
    try:
        rows = hessian(lambda point: hypot(*point))(point)
    except (ZeroDivisionError, OverflowError):
        assert length < 1e-300
        return
    for i, j in itertools.product(range(len(point)), repeat=2):
        # (delta_ij - u_i u_j) / length, for the unit vector u.
        u, v = point[i] / length, point[j] / length
        assert rows[i][j] * length == pytest.approx((i == j) - u * v, abs=1e-6)


EXPONENTS = [0.0, 1.0, 2.0, 3.0, 0.5, -1.0, 0, 1, 2, Fraction(0), Fraction(1), Fraction(2)]
BASES = [0.0, -0.0, 0, Fraction(0), 5e-324, 1e-320, 1e-300, 1e-10, Fraction(1, 3), 2, 1e154]


@pytest.mark.parametrize("y", EXPONENTS, ids=repr)
@pytest.mark.parametrize("x", [*BASES, -1e-300, -2.0, Fraction(-1, 3)], ids=repr)
def test_powers_at_and_near_zero(x: Any, y: Any) -> None:
    try:
        rows = hessian(power, (0, 1))(x, y)
    except ERRORS:
        rows = None
    if rows is not None:
        assert all(x == x for row in rows for x in row)
        assert rows[0][1] == pytest.approx(rows[1][0], rel=1e-12, abs=1e-300)
    # An exponent that is a Value is differentiated like one that is a number.
    try:
        expected = grad(grad(lambda x: x**y))(x)
    except ERRORS as error:
        with pytest.raises(type(error)):
            grad(grad(lambda x: x ** Value(y)))(x)
        return
    if y == 0 and -1e-300 < x < 1e-300:
        # As in the Hessian, x**-2 is not finite, though the exponent is constant.
        with pytest.raises((ZeroDivisionError, OverflowError)):
            grad(grad(lambda x: x ** Value(y)))(x)
        return
    assert grad(grad(lambda x: x ** Value(y)))(x) == expected


@pytest.mark.parametrize("y", [2.0, 3.0, 2, Fraction(5, 2), 10.0])
def test_the_hessian_of_a_power_at_zero_is_its_limit(y: Any) -> None:
    rows = hessian(power, (0, 1))(0.0, y)
    assert rows == ((2.0 if y == 2 else 0.0, 0.0), (0.0, 0.0))


@pytest.mark.parametrize("y", [1.0, 0.0, 0, 1, 0.5])
def test_where_a_power_at_zero_has_no_second_derivative(y: Any) -> None:
    # By base and exponent it is x**(y - 1) (1 + y log x): infinite at x = 0 for y <= 1.
    with pytest.raises((ValueError, ZeroDivisionError)):
        hessian(power, (0, 1))(0.0, y)


def test_first_derivatives_of_powers_at_zero_by_convention() -> None:
    assert grad(power, (0, 1))(0.0, 0.0) == (0.0, 0.0)
    assert grad(power, (0, 1))(0.0, 1.0) == (1.0, 0.0)
    assert grad(power, (0, 1))(Fraction(0), 2) == (0, 0.0)


@given(
    st.floats(1e-3, 30),
    st.floats(-4, 4),
)
@example(1.0, 1e-12)
@example(0.5, 0.0)
def test_the_hessian_of_a_power_in_closed_form(x: float, y: float) -> None:
    log, p = math.log(x), x**y
    rows = hessian(power, (0, 1))(x, y)
    mixed = p / x * (1 + y * log)
    terms = p / x * (1 + abs(y * log))
    assert rows[0][0] == pytest.approx(y * (y - 1) * x ** (y - 2), rel=1e-12, abs=1e-300)
    assert abs(rows[0][1] - mixed) <= 1e-13 * terms
    assert abs(rows[1][0] - mixed) <= 1e-13 * terms
    assert rows[1][1] == pytest.approx(p * log * log, rel=1e-12, abs=1e-300)


def test_decimals_have_no_derivative_by_an_exponent_but_by_the_base() -> None:
    x = Value(Decimal("0.5"))
    (x ** Decimal(2)).backward()
    assert x.grad == Decimal(1)


@given(st.permutations([INF, NAN, 0.0, -INF, 1e300]), st.integers(1, 5))
@example([1.0, NAN], 2)
def test_a_nan_anywhere_makes_these_nan(xs: list[float], count: int) -> None:
    xs = [*xs[:count], NAN]
    for order in (xs, xs[::-1]):
        leaves = [Value(x) for x in order]
        y = logsumexp(leaves)
        y.backward()
        assert math.isnan(y.data)
        assert math.isnan(logsumexp(order))
        assert all(math.isnan(leaf.grad) for leaf in leaves)
        assert all(map(math.isnan, softmax(order)))
        assert math.isnan(largest(*order))


@pytest.mark.parametrize("xs", [[INF, 0.0], [0.0, INF], [-INF, 0.0], [-INF, -INF]])
def test_infinities_in_logsumexp(xs: list[float]) -> None:
    assert logsumexp(xs) == max(xs)
    assert logsumexp([Value(x) for x in xs]).data == max(xs)


class Level(IntEnum):
    LOW = 0
    HIGH = 2


def test_members_of_an_int_enum_are_numbers() -> None:
    x = Value(Level.HIGH)
    (x * x + x.relu() + abs(x)).backward()
    assert (x.grad, type(x.grad)) == (6, int)
    assert scalargrad.relu(Value(Level.LOW)).data == 0
    assert grad(lambda x: x**3)(Level.HIGH) == 12
    assert grad(grad(lambda x: x**3))(Level.HIGH) == 12
    x.grad = 0
    x.backward()
    assert x.grad == 1
    flag = Value(True)
    (flag * 3.0).backward()
    assert flag.grad == 3.0


def test_the_quotient_of_a_remainder_is_constant() -> None:
    for function in (scalargrad.fmod, scalargrad.remainder, lambda x, y: x % y):
        assert hessian(function, (0, 1))(7.5, 2.0) == ((0.0, 0.0), (0.0, 0.0))
        assert hessian(function, (0, 1))(0.0, 5e-324) == ((0.0, 0.0), (0.0, 0.0))
