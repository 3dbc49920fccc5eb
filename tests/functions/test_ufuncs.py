"""What numpy's functions get of Values. numpy itself is imitated: it is no dependency of tests."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import pytest

from scalargrad import Value, complex_step_gradient, grad, jvp, taylor, where
from scalargrad import compile as compile_
from scalargrad.functions.methods import public_functions


class Ufunc:
    """A function of numpy: it asks the operands for an `__array_ufunc__` before anything else."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, *inputs: Any, method: str = "__call__", **keywords: Any) -> Any:
        for x in inputs:
            if getattr(type(x), "__array_ufunc__", None) is not None:
                result = x.__array_ufunc__(self, method, *inputs, **keywords)
                if result is not NotImplemented:
                    return result
        raise TypeError("operand type(s) all returned NotImplemented from __array_ufunc__")


class Float64(float):
    """A numpy scalar: its operators are ufuncs if the other operand has an `__array_ufunc__`."""

    __hash__ = float.__hash__


def _method(name: str, ufunc: str) -> Callable[..., Any]:
    of_float = getattr(float, f"__{name}__")

    def method(self: Float64, other: Any) -> Any:
        if not hasattr(type(other), "__array_ufunc__"):
            return of_float(self, other)
        return Ufunc(ufunc)(*((other, self) if name in REFLECTED else (self, other)))

    return method


ARITHMETIC = {
    **{"add": operator.add, "sub": operator.sub, "mul": operator.mul},
    **{"truediv": operator.truediv, "pow": operator.pow, "mod": operator.mod},
}
COMPARISONS = {name: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")}
UFUNCS = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power"},
    **{"mod": "remainder", "lt": "less", "le": "less_equal", "gt": "greater"},
    **{"ge": "greater_equal", "eq": "equal", "ne": "not_equal", "floordiv": "floor_divide"},
}
REFLECTED = {f"r{name}": ufunc for name, ufunc in UFUNCS.items() if name not in COMPARISONS}
for _name, _ufunc in (UFUNCS | REFLECTED).items():
    setattr(Float64, f"__{_name}__", _method(_name, _ufunc))


class Array(list[float]):
    """A numpy array, as far as it is asked for its shape here."""

    shape = (2,)


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_with_a_scalar_on_either_side(name: str) -> None:
    operation = ARITHMETIC[name]
    for given in (lambda a, b: operation(Float64(a), b), lambda a, b: operation(b, Float64(a))):

        def f(x: Any, given: Any = given) -> Any:
            return given(2.0, x)

        y = f(Value(0.5))
        assert type(y) is Value
        for transform in (
            grad,
            lambda f: compile_(grad(f)),
            lambda f: lambda x: taylor(f, x, 1)[1],
        ):
            slope = transform(f)(0.5)
            assert slope == pytest.approx(complex_step_gradient(f, [0.5])[0], rel=1e-12)


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons_with_a_scalar_on_either_side(name: str) -> None:
    compared = COMPARISONS[name]
    for number in (1.0, 2.0, 3.0):
        assert compared(Float64(2.0), Value(number)) is compared(2.0, number)
        assert compared(Value(number), Float64(2.0)) is compared(number, 2.0)


def test_the_kind_of_the_scalar_is_kept() -> None:
    assert type((Float64(2.0) + Value(1)).operands[0]) is Float64


def test_an_array_of_no_dimension_is_a_number() -> None:
    class Zero:
        shape = ()

        def item(self) -> bool:
            return True

    assert Ufunc("multiply")(Zero(), Value(3.0)).data == 3.0
    assert compile_(lambda x: Ufunc("bitwise_and")(Zero(), x > 1) * 1)(2.0) == 1


def test_two_values_in_an_operators_ufunc() -> None:
    assert Ufunc("multiply")(Value(2.0), Value(3.0)).data == 6.0
    assert Ufunc("less")(Value(2.0), Value(3.0)) is True


def test_floor_division() -> None:
    with pytest.raises(TypeError, match="for a quotient with a gradient v / 2"):
        Float64(2.0) // Value(3.0)


@pytest.mark.parametrize(
    ("name", "count", "cure"),
    [
        ("sin", 1, "scalargrad.sin(v)"),
        ("exp", 1, "scalargrad.exp(v)"),
        ("isnan", 1, "scalargrad.isnan(v)"),
        ("arctan2", 2, "scalargrad.atan2(v, w)"),
        ("arcsin", 1, "scalargrad.asin(v)"),
        ("fmax", 2, "scalargrad.maximum(v, w)"),
        ("maximum", 2, "scalargrad.maximum(v, w)"),
        ("deg2rad", 1, "scalargrad.radians(v)"),
        ("absolute", 1, "abs(v)"),
        ("square", 1, "v**2"),
        ("logaddexp", 2, "scalargrad.logsumexp([v, w])"),
        ("expit", 1, "scalargrad.sigmoid(v)"),
    ],
)
def test_other_functions_name_ours(name: str, count: int, cure: str) -> None:
    words = f"numpy's {name} takes no Value: write {cure}"

    def f(x: Any) -> Any:
        return Ufunc(name)(*[x] * count)

    with pytest.raises(TypeError) as caught:
        f(Value(0.5))
    assert str(caught.value) == words
    for call in (grad(f), compile_(f), lambda x: taylor(f, x, 2), lambda x: jvp(f, (x,), (1.0,))):
        with pytest.raises(TypeError) as caught:
            call(0.5)
        assert words in str(caught.value)


def test_every_function_that_is_named_is_there() -> None:
    from scalargrad.functions.ufuncs import _NAMES

    assert set(_NAMES.values()) <= set(public_functions())


def test_functions_that_are_not_here() -> None:
    with pytest.raises(
        TypeError, match=r"numpy's rint has no derivative here.*np\.rint\(v\.data\)"
    ):
        Ufunc("rint")(Value(0.5))


def test_arrays_go_one_number_at_a_time() -> None:
    array = Array([1.0, 2.0])
    for inputs in ((array, Value(1.0)), (Value(1.0), array)):
        with pytest.raises(TypeError, match=r"each element, as in \[v \* x for x in xs\]"):
            Ufunc("multiply")(*inputs)
        with pytest.raises(TypeError, match=r"\[scalargrad\.maximum\(v, w\) for v in xs\]"):
            Ufunc("maximum")(*inputs)
        with pytest.raises(TypeError, match="one number at a time"):
            Ufunc("equal")(*inputs)
    with pytest.raises(TypeError, match=r"multiply takes a Value and one number at a time"):
        Ufunc("multiply")(array, Value(1.0), out=(array,))


class Ambiguous(Array):
    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous")


def test_an_array_in_a_function_of_ours() -> None:
    with pytest.raises(
        TypeError, match=r"where takes numbers, not .*: write \[where\(x, \.\.\.\) for"
    ):
        where(Ambiguous([1.0, 2.0]), Value(1.0), 2.0)


def test_reductions() -> None:
    with pytest.raises(
        TypeError, match=r"numpy's add\.reduce takes no Value: write a sum or a loop"
    ):
        Ufunc("add")(Value(1.0), method="reduce")
