"""Where the numbers are extreme: the errors and results of Python's own math, and no new nan."""

from __future__ import annotations

import math
import operator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import scalargrad
from scalargrad import Value, compile, grad, jvp
from scalargrad.testing import FUNCTIONS, Operation, edge_numbers

MATH = {
    name: getattr(math, name)
    for name in scalargrad.__all__
    # math.log has a second form, and the list functions take lists: see below.
    if hasattr(math, name) and FUNCTIONS.get(name) is not None and FUNCTIONS[name].arity
}
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "neg": operator.neg,
    "abs": operator.abs,
}


def outcome(function: Any, *inputs: Any) -> Any:
    """The result, told from others to the last bit, or the type of the error."""
    try:
        y = function(*inputs)
    except (ArithmeticError, ValueError) as error:
        return type(error)
    y = y.data if isinstance(y, Value) else y
    return (type(y), repr(y))


@pytest.mark.parametrize("name", [*MATH, *OPERATORS])
@given(data=st.data())
def test_values_do_what_math_does(name: str, data: st.DataObject) -> None:
    function = FUNCTIONS[name]
    inputs = [data.draw(edge_numbers()) for _ in range(function.arity)]
    expected = outcome({**MATH, **OPERATORS}[name], *inputs)
    assert outcome(function, *inputs) == expected
    assert outcome(function, *map(Value, inputs)) == expected


@given(edge_numbers(), edge_numbers())
@example(0.0, -1)
@example(-8.0, 1 / 3)
@example(1e200, 2)
def test_powers_do_what_python_does_but_stay_real(a: Any, b: Any) -> None:
    # An int to the power of a huge int is Python's to compute, and takes for ever.
    if isinstance(a, int) and isinstance(b, int):
        b = max(-50, min(b, 50))
    expected = outcome(operator.pow, a, b)
    if isinstance(expected, tuple) and expected[0] is complex:
        expected = ValueError
    assert outcome(operator.pow, Value(a), b) == expected
    assert outcome(operator.pow, a, Value(b)) == expected


@pytest.mark.parametrize("name", ["fsum", "prod", "hypot", "dist"])
@given(pairs=st.lists(st.tuples(edge_numbers(), edge_numbers()), min_size=1, max_size=3))
def test_list_functions_do_what_math_does(name: str, pairs: list[Any]) -> None:
    inputs = [p for p, _ in pairs] + [q for _, q in pairs]
    call = {
        "fsum": math.fsum,
        "prod": math.prod,
        "hypot": lambda xs: math.hypot(*xs),
        "dist": lambda xs: math.dist(xs[: len(pairs)], xs[len(pairs) :]),
    }[name]
    expected = outcome(call, inputs)
    assert outcome(FUNCTIONS[name], *map(Value, inputs)) == expected


def test_functions_of_no_numbers() -> None:
    assert scalargrad.fsum([]) == scalargrad.hypot() == scalargrad.sumprod([], []) == 0
    assert scalargrad.prod([]) == 1
    assert scalargrad.prod([Value(2.0)], start=Value(3.0)).data == 6.0


@given(st.lists(edge_numbers(), min_size=1, max_size=4))
@example([-math.inf])
def test_logsumexp_at_the_edges(xs: list[float]) -> None:
    y = scalargrad.logsumexp(xs)
    if any(math.isnan(x) for x in xs):
        assert math.isnan(y)
    elif math.isinf(max(xs)):
        assert y == max(xs)
    else:
        assert max(xs) <= y <= max(xs) + math.log(len(xs)) * (1 + 1e-15) + math.ulp(max(xs) + 0.0)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_maximum_and_minimum_pass_nan_on(a: float, b: float) -> None:
    assert (scalargrad.maximum(a, b), scalargrad.minimum(a, b)) == (max(a, b), min(a, b))
    for x, y in ((a, math.nan), (math.nan, b)):
        assert math.isnan(scalargrad.maximum(x, y))
        assert math.isnan(scalargrad.minimum(x, y))


FINITE = [f for f in FUNCTIONS.values() if f.name not in ("fma", "prod", "sumprod", "fsum")]


@pytest.mark.parametrize("function", FINITE, ids=lambda f: f.name)
@given(data=st.data())
@pytest.mark.slow
def test_rules_make_no_nan_of_finite_numbers(function: Operation, data: st.DataObject) -> None:
    numbers = edge_numbers().filter(math.isfinite)
    inputs = [data.draw(numbers) for _ in range(function.arity or 4)]
    if function.name == "**" and all(isinstance(x, int) for x in inputs):
        inputs[1] = max(-50, min(inputs[1], 50))
    leaves = [Value(x) for x in inputs]
    try:
        y = function(*leaves)
        y.backward()
    except (ArithmeticError, ValueError):
        return  # Python's own errors, where math or arithmetic raise them
    if math.isfinite(y.data):
        assert not any(math.isnan(leaf.grad) for leaf in leaves)


@pytest.mark.parametrize("function", [f for f in FUNCTIONS.values() if f.arity == 1], ids=str)
def test_nan_travels(function: Operation) -> None:
    if function.name in ("floor", "ceil", "trunc"):
        with pytest.raises(ValueError, match=f"NaN to integer, in {function.name}"):
            function(Value(math.nan))  # an int cannot be nan, as math has it
        return
    assert math.isnan(function(Value(math.nan)).data)


def test_a_nan_travels_through_every_derivative() -> None:
    def ahead(f: Any) -> Any:
        return lambda x: jvp(f, (x,), (1.0,))[1]

    for name, function in FUNCTIONS.items():
        if function.arity != 1 or name in ("ceil", "floor", "trunc"):
            continue
        for derivative in (grad, ahead):
            f: Any = function
            for _ in range(3):
                f = derivative(f)
                assert not math.isinf(f(math.nan)), name


@pytest.mark.parametrize("a", [0.0, -0.0, 0, 1.0, -2.0])
@pytest.mark.parametrize("b", [0.0, 2.0, 0, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("by", [0, 1])
def test_derivatives_of_powers_are_the_same_compiled(a: float, b: float, by: int) -> None:
    if outcome(operator.pow, Value(a), b) is ValueError:
        return
    slope = grad(operator.pow, by)
    # A program may give a zero another sign.
    assert outcome(lambda: compile(slope)(a, b) + 0.0) == outcome(lambda: slope(a, b) + 0.0)
