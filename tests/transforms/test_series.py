"""`taylor` against mpmath, nested `grad`, exact numbers, and identities of power series."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    compile,
    cos,
    erf,
    exp,
    fabs,
    grad,
    hypot,
    lgamma,
    log,
    maximum,
    primitive,
    relu,
    sin,
    sqrt,
    tanh,
    taylor,
    where,
)
from scalargrad.testing import FUNCTIONS, Expression, expressions, fractions
from scalargrad.transforms import series

# Made by series_by_mpmath.py: name, inputs, direction, coefficients to order 12.
BY_MPMATH = json.loads(Path(__file__).with_name("series_by_mpmath.json").read_text("utf-8"))
COEFFICIENTS = st.lists(fractions(), min_size=1, max_size=5)


def test_mpmath_has_every_function() -> None:
    assert {name for name, _, _, _ in BY_MPMATH} == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_mpmath_has_it(name: str) -> None:
    for row, inputs, direction, expected in BY_MPMATH:
        if row == name:
            found = taylor(along(name), inputs, 12, direction)
            assert found == pytest.approx(expected, rel=1e-12, abs=0), (inputs, direction)


@pytest.mark.parametrize("name", [f.name for f in FUNCTIONS.values() if f.arity != 1])
def test_of_numbers_of_other_sizes_is_nested_grad(name: str) -> None:
    sizes = (1e-10, 0.3, 1.000001, 7.0, 1e8, -1e-6)
    for x, other in itertools.product(sizes, repeat=2):
        rest = (other,) * ((FUNCTIONS[name].arity or 4) - 1)

        def f(t: Any, rest: tuple[float, ...] = rest) -> Any:
            return FUNCTIONS[name](t, *rest)

        try:
            expected = [f(x), grad(f)(x), grad(grad(f))(x) / 2, grad(grad(grad(f)))(x) / 6]
        except (ValueError, ArithmeticError):
            continue
        found = taylor(f, x, 3)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-300), (x, other)


def along(name: str) -> Callable[[Any], Any]:
    return lambda v: FUNCTIONS[name](*v)


def polynomial(coefficients: Sequence[Any]) -> Callable[[Any], Any]:
    def f(x: Any) -> Any:
        y: Any = 0
        for c in reversed(coefficients):
            y = y * x + c
        return y

    return f


def cauchy(a: Sequence[Any], b: Sequence[Any]) -> list[Any]:
    return [sum(a[j] * b[k - j] for j in range(k + 1)) for k in range(len(a))]


@given(COEFFICIENTS)
def test_of_polynomial_are_its_own_coefficients(coefficients: list[Fraction]) -> None:
    found = taylor(polynomial(coefficients), Fraction(0), 6)
    assert found == [*coefficients, *[0] * (7 - len(coefficients))]
    assert all(type(c) is Fraction for c in found)


@given(COEFFICIENTS, COEFFICIENTS, fractions())
def test_of_product_is_cauchy_product(p: list[Fraction], q: list[Fraction], x: Fraction) -> None:
    f, g = polynomial(p), polynomial(q)
    product = taylor(lambda x: f(x) * g(x), x, 6)
    assert product == cauchy(taylor(f, x, 6), taylor(g, x, 6))


@given(COEFFICIENTS, COEFFICIENTS, fractions())
def test_of_quotient_times_divisor_is_dividend(
    p: list[Fraction], q: list[Fraction], x: Fraction
) -> None:
    f, g = polynomial(p), polynomial(q)
    assume(g(x) != 0)
    quotient = taylor(lambda x: f(x) / g(x), x, 6)
    assert cauchy(quotient, taylor(g, x, 6)) == taylor(f, x, 6)


@given(fractions(), st.integers(-6, 9), st.integers(0, 9))
@example(Fraction(0), 3, 9)
@example(Fraction(0), 0, 3)
def test_whole_power_is_exact(x: Fraction, n: int, order: int) -> None:
    assume(x or n >= 0)
    expected: list[Fraction] = []
    binomial = Fraction(1)
    for k in range(order + 1):
        expected.append(binomial * x ** (n - k) if binomial else Fraction(0))
        binomial *= Fraction(n - k, k + 1)
    found = taylor(lambda x: x**n, x, order)
    assert found == expected
    assert all(type(c) is Fraction for c in found)


def test_exact_numbers() -> None:
    found = taylor(lambda x: 1 / (1 - x) ** 3, Fraction(0), 20)
    assert found == [Fraction((k + 1) * (k + 2), 2) for k in range(21)]
    assert taylor(lambda x: 1 / x, Decimal(4), 2) == [Decimal("0.25"), Decimal("-0.0625"), 1 / 64]
    assert str(taylor(lambda x: x**3 - x, 2, 4)) == "[6, 11, 6, 1, 0]"
    exact = [name for name, function in FUNCTIONS.items() if function.exact]
    for name in exact:
        inputs = next(row[1] for row in BY_MPMATH if row[0] == name)
        start = [Fraction(x) for x in inputs]
        found = taylor(along(name), start, 3, [Fraction(1)] * len(start))
        assert {type(c) for c in found} == {Fraction}, name


@pytest.mark.parametrize("number", [2, Fraction(5, 2), Decimal("2.5")])
@pytest.mark.parametrize("f", [exp, sin, lambda x: exp(x) * 2, sqrt, tanh])
def test_function_that_makes_floats(f: Any, number: Any) -> None:
    found = taylor(f, number, 4)
    assert {type(c) for c in found} == {float}
    assert found == pytest.approx(taylor(f, float(number), 4), rel=1e-15)


@given(st.floats(0.1, 5), st.integers(0, 20))
def test_identities(x: float, order: int) -> None:
    line = [x, 1.0, *[0.0] * order][: order + 1]
    # The coefficients of log grow as x**-k: so do the errors.
    errors = [1e-13 * max(1.0, x**-k) * (k + 1) for k in range(order + 1)]
    for found, expected in [
        (taylor(lambda x: exp(log(x)), x, order), line),
        (taylor(lambda x: sqrt(x) * sqrt(x), x, order), line),
        (taylor(lambda x: sqrt(x * x), x, order), line),
        (taylor(lambda x: sin(x) ** 2 + cos(x) ** 2, x, order), [1.0, *[0.0] * order]),
    ]:
        for c, target, error in zip(found, expected, errors, strict=True):
            assert abs(c - target) <= error


def nested(f: Callable[[Any], Any], x: Any, order: int) -> list[Any]:
    found = []
    for k in range(order + 1):
        found.append(f(x) / math.factorial(k))
        f = grad(f)
    return found


SMOOTH = [function for name, function in FUNCTIONS.items() if name not in ("gamma", "digamma")]


@given(expressions(SMOOTH, inputs=2, max_ops=5), st.data())
def test_of_random_expression_is_nested_grad(
    drawn: tuple[Expression, list[Any]], data: st.DataObject
) -> None:
    expression, start = drawn
    direction = [data.draw(st.floats(-1, 1)) for _ in start]

    def line(t: Any) -> Any:
        return expression(*[x + d * t for x, d in zip(start, direction, strict=True)])

    try:
        expected = nested(line, 0.0, 4)
    except (ZeroDivisionError, OverflowError):  # dist(a, a) has no second derivative
        reject()
    size = max(map(abs, expected))
    assume(size < 1e6)
    # Both ways round differently, by what cancels in each: as much as the largest at most.
    tolerance = 1e-9 * (1 + size)
    assert taylor(line, 0.0, 4) == pytest.approx(expected, rel=1e-9, abs=tolerance)
    found = taylor(lambda v: expression(*v), start, 4, direction)
    assert found == pytest.approx(expected, rel=1e-9, abs=tolerance)


@given(
    expressions(
        [f for f in FUNCTIONS.values() if f.exact],
        numbers=fractions(),
        inputs=1,
        condition=math.inf,
    )
)
def test_of_exact_expression_is_nested_grad_exactly(drawn: tuple[Expression, list[Any]]) -> None:
    expression, [x] = drawn
    assert taylor(expression, x, 4) == nested(expression, x, 4)


def test_differential_equation() -> None:
    # tanh' = 1 - tanh², and so for its series.
    found = taylor(tanh, 0.3, 25)
    slopes = [k * c for k, c in enumerate(found)][1:]
    squares = cauchy(found, found)
    assert slopes[0] == pytest.approx(1 - squares[0], rel=1e-14)
    assert slopes[1:] == pytest.approx([-c for c in squares[1:-1]], rel=1e-11)


# --- kinks, and what has no derivative ----------------------------------------------------------


def test_kinks() -> None:
    assert taylor(relu, 0.0, 2) == [0.0, 0.0, 0.0]
    assert taylor(abs, 0.0, 2) == [0.0, 0.0, 0.0]
    assert taylor(lambda x: maximum(x, 1.0) * x, 1.0, 2) == [1.0, 1.5, 0.5]
    assert taylor(lambda x: where(x > 1, x**2, x**3), 1.0, 3) == [1.0, 3.0, 3.0, 1.0]
    assert taylor(lambda x: x**2 if x > 1 else x**3, 2.0, 2) == [4.0, 4.0, 1.0]
    assert taylor(lambda x: abs(x) % 2 + 0 * x, -3, 1) == [1, -1]


def test_powers_at_zero() -> None:
    assert taylor(lambda x: x**3.0, 0.0, 4) == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert taylor(lambda x: x**2.5, 0.0, 2) == [0.0, 0.0, 0.0]
    assert taylor(lambda x: x**0, 0.0, 2) == [1.0, 0.0, 0.0]
    assert taylor(lambda x: 0.0 ** (x + 1), 0.0, 2) == [0.0, 0.0, 0.0]
    assert taylor(lambda x: (x - 1.0) ** 3, 0.0, 3) == [-1.0, 3.0, -3.0, 1.0]


@pytest.mark.parametrize(
    ("f", "x", "error", "words"),
    [
        (sqrt, 0.0, ZeroDivisionError, r"the derivative of sqrt\(0\.0\)"),
        (lambda x: x**2.5, 0.0, ZeroDivisionError, r"the derivative of 0\.0 \*\* 2\.5"),
        (lambda x: hypot(x, 0.0), 0.0, ZeroDivisionError, r"the derivative of hypot\(0\.0, 0\.0\)"),
        (lambda x: hypot(x, 1e-310), 0.0, OverflowError, r"the derivative of hypot"),
        (log, -1.0, ValueError, r"in log\(-1\.0\); log takes x > 0"),
        (lambda x: 1 / x, 0.0, ZeroDivisionError, r"in 1 / 0\.0"),
        (lambda x: (x - 3) ** x, 1.0, ValueError, r"the derivative of -2\.0 \*\* 1\.0"),
    ],
)
def test_errors_name_the_op(f: Any, x: float, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        taylor(f, x, 3)


def test_derivative_that_is_not_asked_for_raises_nothing() -> None:
    assert taylor(sqrt, 0.0, 0) == [0.0]
    assert taylor(lambda x: hypot(x, 0.0), 0.0, 1) == [0.0, 0.0]


# --- arguments and results ----------------------------------------------------------------------


@pytest.mark.parametrize("order", [1.0, "2", None, Fraction(2)])
def test_order_is_a_whole_number(order: Any) -> None:
    with pytest.raises(TypeError, match="order must be a whole number, not "):
        taylor(sin, 0.0, order)


def test_order_is_not_negative() -> None:
    with pytest.raises(ValueError, match="order must be at least 0, got -1"):
        taylor(sin, 0.0, -1)


def test_direction() -> None:
    point, direction = {"x": 2.0, "y": [3.0]}, {"y": [10.0], "x": 1.0}
    assert taylor(lambda p: p["x"] * p["y"][0], point, 2, direction) == [6.0, 23.0, 10.0]
    assert taylor(lambda x: x * x, 3.0, 2, 2.0) == [9.0, 12.0, 4.0]
    with pytest.raises(TypeError, match="x is a list: give a direction nested like it"):
        taylor(lambda v: v[0] * v[1], [1.0, 2.0], 2)
    with pytest.raises(TypeError, match="direction must be a list of 2"):
        taylor(lambda v: v[0] * v[1], [1.0, 2.0], 2, [1.0])
    with pytest.raises(TypeError, match="x must be a number, or lists"):
        taylor(sin, "1.0", 2)


def test_results_are_nested_as_f_has_them() -> None:
    found = taylor(lambda x: {"a": (x * x, 5), "b": [x]}, 3.0, 2)
    assert found == {"a": ([9.0, 6.0, 1.0], [5, 0, 0]), "b": [[3.0, 1.0, 0.0]]}
    with pytest.raises(TypeError, match="the function's result must be a number"):
        taylor(lambda x: "no", 3.0, 2)


# --- together with the other transforms ---------------------------------------------------------


@given(st.floats(-2, 2))
def test_coefficients_can_be_differentiated(a: float) -> None:
    by_grad = grad(lambda a: taylor(sin, a, 3)[3])(a)
    assert by_grad == pytest.approx(math.sin(a) / 6, rel=1e-12, abs=1e-15)
    x = Value(a)
    coefficient = taylor(lambda x: exp(2 * x), x, 2)[2]
    assert isinstance(coefficient, Value)
    coefficient.backward()
    assert x.grad == pytest.approx(4 * math.exp(2 * a), rel=1e-12)


def test_by_what_f_captures() -> None:
    # d/dw of the coefficients of exp(w x) at 0, which are w**k / k!.
    found = [grad(lambda w, k=k: taylor(lambda x: exp(w * x), 0.0, 4)[k])(3.0) for k in range(5)]
    assert found == pytest.approx([0.0, 1.0, 3.0, 4.5, 4.5], rel=1e-14)


@given(st.floats(-2, 2), st.integers(0, 3), st.integers(0, 3))
def test_of_taylor(x: float, outer: int, inner: int) -> None:
    found = taylor(lambda x: taylor(lambda y: exp(x) * sin(y), x, inner)[inner], x, outer)
    # The inner one is exp(x) times a derivative of sin.
    phase = inner * math.pi / 2
    expected = taylor(lambda x: exp(x) * sin(x + phase) / math.factorial(inner), x, outer)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_of_grad() -> None:
    assert taylor(grad(sin), 0.5, 5) == pytest.approx(taylor(cos, 0.5, 5), rel=1e-14)
    # The inner x is another than the outer: 3 * x * y**2 at y = x, and at y = 2.
    assert taylor(lambda x: grad(lambda y: x * y**3)(x), 2.0, 3) == [24.0, 36.0, 18.0, 3.0]
    assert taylor(lambda x: grad(lambda y: x * y**3)(2.0), 2.0, 2) == [24.0, 12.0, 0.0]


def test_every_function_with_values_as_coefficients() -> None:
    for name, inputs, direction, expected in BY_MPMATH[::5]:
        point = [Value(x) for x in inputs]
        found = taylor(along(name), point, 4, direction)
        assert all(isinstance(c, Value) for c in found)
        numbers = [c.data for c in found]
        assert numbers == pytest.approx(expected[:5], rel=1e-11, abs=0), (name, inputs)


def test_own_primitive() -> None:
    @primitive(lambda g, y, x: g * (3 * x * x))
    def cube(x: Any) -> Any:
        return x * x * x

    @primitive(lambda g, y, a, b: g * (y * b), lambda g, y, a, b: g * (y * a))
    def exp_of_product(a: Any, b: Any) -> Any:
        return math.exp(a * b)

    assert taylor(cube, Fraction(2, 3), 4) == taylor(lambda x: x**3, Fraction(2, 3), 4)
    found = taylor(lambda x: exp_of_product(x, sin(x)), 0.7, 12)
    assert found == pytest.approx(taylor(lambda x: exp(x * sin(x)), 0.7, 12), rel=1e-11)


# --- cost ---------------------------------------------------------------------------------------


def test_nothing_recurses() -> None:
    def deep(x: Any) -> Any:
        for _ in range(3000):
            x = sin(x) * 1.0
        return x

    assert len(taylor(deep, 0.5, 2)) == 3
    geometric = taylor(lambda x: 1 / (1 - x), 0.0, 1500)
    assert geometric == [1.0] * 1501
    assert taylor(lambda x: lgamma(x), 2.0, 60)[60] == pytest.approx(
        # The sum of (-1)**k zeta(k) / k * (x - 1)**k around 1, one further (DLMF 5.7.3).
        sum(m**-60 for m in range(2, 9)) / 60,
        rel=1e-12,
    )


# Each derivative of these is a function of its own: polygamma, and the derivatives of sinc.
GROWING = ("gamma", "lgamma", "digamma", "sinc")


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in GROWING])
def test_series_do_not_grow_in_number_with_the_order(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, direction = next(row[1:3] for row in BY_MPMATH if row[0] == name)
    assert_no_growth(along(name), inputs, direction, monkeypatch)


def test_nor_for_a_captured_exponent(monkeypatch: pytest.MonkeyPatch) -> None:
    w, whole = Value(2.5), Value(3.0)
    for x in (2.0, Value(2.0)):
        assert_no_growth(lambda x: x**w, x, None, monkeypatch)
        assert_no_growth(lambda x: w**x, x, None, monkeypatch)
        assert_no_growth(lambda x: x**x, x, None, monkeypatch)
        assert_no_growth(lambda x: (-x) ** whole, x, None, monkeypatch)
    assert taylor(lambda x: x**w, 2.0, 6) == pytest.approx(taylor(lambda x: x**2.5, 2.0, 6))
    found = taylor(lambda x: x**whole, Value(-2.0), 4)
    assert [c.data for c in found] == pytest.approx([-8.0, 12.0, -6.0, 1.0, 0.0])


def assert_no_growth(f: Any, x: Any, direction: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    start = series.Series.__init__

    def counted(self: Any, *args: Any) -> None:
        made.append(self)
        start(self, *args)

    counts = []
    with monkeypatch.context() as patch:
        patch.setattr(series.Series, "__init__", counted)
        for order in (6, 12):
            made.clear()
            taylor(f, x, order, direction)
            counts.append(len(made))
    assert counts[0] == counts[1]


def test_nothing_is_left_for_the_collector() -> None:
    import gc

    gc.collect()
    gc.disable()
    try:
        taylor(lambda x: erf(x) * tanh(x) / scalargrad.gelu(x + 2), 0.5, 8)
        assert gc.collect() == 0
    finally:
        gc.enable()


# --- compiled -----------------------------------------------------------------------------------


def compiled_taylor(f: Callable[[Any], Any], order: int, direction: Any = None) -> Any:
    return compile(lambda x: taylor(f, x, order, direction))


@pytest.mark.parametrize("every", [20, pytest.param(6, marks=pytest.mark.slow)])
def test_compiled(every: int) -> None:
    for name, inputs, direction, expected in BY_MPMATH[::every]:
        compiled = compiled_taylor(along(name), 3, direction)
        # Rounded elsewhere: sums of products, and powers, whose base is not known to be above 0.
        assert compiled(inputs) == pytest.approx(expected[:4], rel=1e-11, abs=0), (name, inputs)
    slope = compile(grad(lambda a: taylor(sin, a, 3)[3]))
    assert slope(0.5) == pytest.approx(math.sin(0.5) / 6, rel=1e-12)


@pytest.mark.parametrize("number", [2, 2.0, Fraction(5, 2)])
def test_compiled_keeps_the_kind_of_number(number: Any) -> None:
    functions: list[Callable[[Any], Any]] = [
        *(lambda x: x**3 / 2 - x, lambda x: 1 / (1 - x) ** 3, lambda x: maximum(x, 1) * x, fabs),
    ]
    for f in functions:
        expected = taylor(f, number, 4)
        found = compiled_taylor(f, 4)(number)
        assert found == pytest.approx(expected, rel=1e-14)
        assert list(map(type, found)) == list(map(type, expected))


def test_compiled_chooses_the_side_of_a_kink_when_it_runs() -> None:
    f = compile(lambda x: taylor(lambda x: relu(x) * x, x, 2))
    assert f(2.0) == [4.0, 4.0, 1.0]
    assert f(-2.0) == [0.0, 0.0, 0.0]


# --- quotients whose leading zeros cancel --------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "coefficients"),
    [
        (lambda x: sin(x) / x, [1, 0, -1 / 6, 0, 1 / 120, 0, -1 / 5040]),
        (lambda x: (1 - cos(x)) / x**2, [1 / 2, 0, -1 / 24, 0, 1 / 720]),
        (lambda x: (exp(x) - 1) / x, [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120]),
        # The Bernoulli numbers, over k!.
        (lambda x: x / (exp(x) - 1), [1, -1 / 2, 1 / 12, 0, -1 / 720, 0, 1 / 30240]),
        (lambda x: x**3 / sin(x), [0, 0, 1, 0, 1 / 6, 0, 7 / 360]),
        (lambda x: 3 + x * (sin(x) / x), [3, 1, 0, -1 / 6]),
    ],
)
def test_zeros_that_cancel(f: Any, coefficients: list[float]) -> None:
    assert taylor(f, 0.0, len(coefficients) - 1) == pytest.approx(
        coefficients, rel=1e-14, abs=1e-16
    )


def test_zeros_that_cancel_stay_exact_and_differentiable() -> None:
    found = taylor(lambda x: (x * x * x - 1) / (x - 1), Fraction(1), 3)
    assert found == [3, 3, 1, 0]
    assert all(isinstance(c, Fraction) for c in found)
    assert taylor(lambda v: [v[0] * v[1] / v[0], v[1]], [0.0, 2.0], 1, [1.0, 3.0]) == [
        [2.0, 3.0],
        [2.0, 3.0],
    ]
    # The coefficient of x**2 in sin(a x) / x is -a**3 / 6.
    third = grad(lambda a: taylor(lambda x: sin(a * x) / x, 0.0, 2)[2])
    assert third(2.0) == pytest.approx(-2.0, rel=1e-14)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x: 1 / x, r"a pole of order 1, in 1 / 0\.0"),
        (lambda x: sin(x) / x**3, r"a pole of order 2, in 0\.0 / 0\.0"),
        (lambda x: x / (x - x), r"division by zero, in 0\.0 / 0\.0"),
    ],
)
def test_a_pole_says_so(f: Any, words: str) -> None:
    with pytest.raises(ZeroDivisionError, match=words):
        taylor(f, 0.0, 3)
