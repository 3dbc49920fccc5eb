"""Numbers of numpy's kinds: its integers do not wrap around, arrays of no dimension are numbers.

numpy is imitated where it is not installed: it is no dependency of tests.
"""

from __future__ import annotations

import importlib
import numbers
import operator
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalargrad import Value, fsum, grad, hypot, jvp, maximum, prod, sumprod, taylor, value_and_grad
from scalargrad import compile as compile_
from scalargrad.functions.methods import public_functions
from tests.sampled import one_in

numpy: Any
try:
    numpy = importlib.import_module("numpy")
except ImportError:
    numpy = None


class Small:
    """A numpy integer of 8 bits, as far as it is asked for here: its arithmetic wraps around."""

    dtype = "int8"
    low = 0

    def __init__(self, number: int) -> None:
        self.number = (number - self.low) % 256 + self.low

    def __int__(self) -> int:
        return self.number

    def __index__(self) -> int:
        return self.number

    def __float__(self) -> float:
        return float(self.number)


def _wrapping(operation: Callable[..., Any], reflected: bool) -> Callable[..., Any]:
    def method(self: Small, other: Any) -> Any:
        if not isinstance(other, int | Small):
            return NotImplemented
        a, b = (int(other), self.number) if reflected else (self.number, int(other))
        return type(self)(operation(a, b))

    return method


for _name in ("add", "sub", "mul"):
    setattr(Small, f"__{_name}__", _wrapping(getattr(operator, _name), False))
    setattr(Small, f"__r{_name}__", _wrapping(getattr(operator, _name), True))


class SignedSmall(Small):
    low = -128


numbers.Integral.register(Small)
KINDS: list[Any] = [Small, SignedSmall]
if numpy is not None:
    KINDS += [getattr(numpy, f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)]

# Functions of whole numbers, as Python's ints have them.
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    **{"+": operator.add, "-": operator.sub, "*": operator.mul},
    "power": lambda a, b: (a * b) ** 3,
    "negative": lambda a, b: -(a + b),
    "maximum": lambda a, b: -300 * maximum(a, b),
    "sumprod": lambda a, b: sumprod([a, a], [b, 100]),
    "prod": lambda a, b: prod([a, b, a]),
    "fsum": lambda a, b: fsum([a, b, 200]),
}


@pytest.mark.parametrize(("kind", "name"), one_in(4, product(KINDS, OPERATIONS)))
@given(a=st.integers(0, 127), b=st.integers(0, 127))
@settings(max_examples=6)
def test_integers_do_not_wrap(kind: Any, name: str, a: int, b: int) -> None:
    f = OPERATIONS[name]
    exact = value_and_grad(f, argnums=(0, 1))(a, b)
    assert value_and_grad(f, argnums=(0, 1))(kind(a), kind(b)) == exact
    assert f(Value(kind(a)), kind(b)).data == f(kind(a), Value(kind(b))).data == exact[0]
    along = sum(x * y for x, y in zip(exact[1], (a, b), strict=True))
    assert jvp(f, (kind(a), kind(b)), (kind(a), kind(b))) == (exact[0], along)
    x = Value(kind(a))
    y = f(x, kind(b))
    y.backward(gradient=kind(100))
    assert x.grad == 100 * exact[1][0]
    x.data = kind(b)
    assert y.forward() == f(b, b)
    assert taylor(lambda x: f(x, kind(b)), kind(a), 1) == [exact[0], exact[1][0]]


@pytest.mark.parametrize("kind", KINDS[2:], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", OPERATIONS)
def test_integers_do_not_wrap_where_compiled(kind: Any, name: str) -> None:
    f = OPERATIONS[name]
    exact = value_and_grad(f, argnums=(0, 1))(120, 100)
    assert compile_(value_and_grad(f, argnums=(0, 1)))(kind(120), kind(100)) == exact


def test_the_case_that_was_found() -> None:
    for kind in KINDS:
        assert grad(lambda p: 100 - p)(kind(3)) == -1
        x = Value(kind(3))
        assert type(x.data) is int
        x.grad = kind(5)
        assert type(x.grad) is int


class Array:
    """A numpy array of no dimension."""

    shape = ()

    def __init__(self, number: Any) -> None:
        self.number = number

    def item(self) -> Any:
        return self.number


ARRAYS: list[Any] = [Array]
if numpy is not None:
    ARRAYS.append(numpy.array)
BINARY = {
    **{"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv},
    **{"**": operator.pow, "%": operator.mod},
}


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize("name", BINARY)
def test_arrays_of_no_dimension_on_the_right(array: Any, name: str) -> None:
    operation = BINARY[name]
    for number in (3.0, 3, True):
        y = operation(Value(2.5), array(number))
        assert type(y) is Value
        assert y.data == operation(2.5, number)
        assert grad(lambda x, n=number: operation(x, array(n)))(2.5) == grad(
            lambda x, n=number: operation(x, n)
        )(2.5)


@pytest.mark.skipif(numpy is None, reason="numpy is not installed")
@pytest.mark.parametrize("name", BINARY)
def test_arrays_of_no_dimension_on_the_left(name: str) -> None:
    y = BINARY[name](numpy.array(3.0), Value(2.5))
    assert type(y) is Value
    assert y.data == BINARY[name](3.0, 2.5)


@pytest.mark.parametrize("array", ARRAYS)
@pytest.mark.parametrize(
    "name", ["atan2", "copysign", "fmod", "hypot", "maximum", "minimum", "pow", "remainder"]
)
def test_arrays_of_no_dimension_in_functions(array: Any, name: str) -> None:
    function: Any = public_functions()[name]
    assert function(Value(2.5), array(3.0)).data == function(2.5, 3.0)
    assert function(array(3.0), Value(2.5)).data == function(3.0, 2.5)


def test_arrays_of_no_dimension_as_numbers() -> None:
    assert Value(Array(2.5)).data == 2.5
    assert hypot(Value(3.0), Array(4.0)).data == 5.0
    with pytest.raises(TypeError, match="Value holds one real number"):
        Value(Array("text"))
    with pytest.raises(TypeError, match="unsupported operand"):
        Value(1.0) + Array(1j)


@pytest.mark.numpy
def test_other_kinds_of_numpy_are_kept() -> None:
    numpy = pytest.importorskip("numpy")
    for kind in (numpy.float64, numpy.float32):
        assert type(Value(kind(2.5)).data) is kind
        assert type((Value(kind(2.5)) * kind(2.0)).data) is kind
