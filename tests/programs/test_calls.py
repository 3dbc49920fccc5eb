"""Compiled functions called in traced ones: they stay functions of the program, in any order."""

from __future__ import annotations

import math
import re
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import (
    TraceError,
    Value,
    compile,
    cos,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    log,
    map_grad,
    no_grad,
    primitive,
    relu,
    sin,
    sumprod,
    tanh,
    taylor,
    value_and_grad,
    vjp,
    where,
)
from scalargrad.nn import MLP, Module
from tests.own_functions import SumAndProduct
from tests.threads import in_threads

THIRD = Fraction(1, 3)
# compile, or what leaves a function as it is.
Piece = Callable[[Callable[..., Any]], Any]
Pair = namedtuple("Pair", ["a", "b"])


def defined(source: str) -> list[str]:
    """Return the names of the functions that a text defines, in order."""
    return re.findall(r"^def (\w+)\(", source, re.MULTILINE)


def body(source: str, name: str) -> str:
    """Return the text of one of the functions."""
    found = re.search(rf"^def {name}\(.*?(?=^def |\Z)", source, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def cube(x: Any) -> Any:
    return x * x * x + 2 * x


def both_ways(function: Callable[[Any], Callable[..., Any]]) -> tuple[Any, Callable[..., Any]]:
    """Return a function of a piece: compiled with a compiled piece, and eager with it as it is."""
    return compile(function(compile)), function(lambda f: f)


# --- the text -------------------------------------------------------------------------------------


def test_called_functions_stand_first_and_the_function_last() -> None:
    @compile
    def squash(x: Any) -> Any:
        return tanh(x) + x

    @compile
    def neuron(ws: Any, xs: Any) -> Any:
        return squash(sumprod(ws, xs))

    @compile
    def layer(rows: Any, xs: Any) -> Any:
        return [neuron(ws, xs) for ws in rows]

    rows, xs = [[0.5, -1.0], [2.0, 0.25]], [1.5, 3.0]
    assert layer(rows, xs) == [
        squash(sum(w * x for w, x in zip(ws, xs, strict=True))) for ws in rows
    ]
    assert defined(layer.source) == ["squash", "neuron", "layer"]
    assert layer.source.count("tanh(") == 1
    assert body(layer.source, "layer").count("neuron(") == 2


def test_a_function_called_often_is_traced_once_and_written_once() -> None:
    traced = []

    @compile
    def piece(x: Any, y: Any) -> Any:
        traced.append(1)
        return exp(-x * x) * y

    @compile
    def whole(x: Any) -> Any:
        for k in range(100):
            x = piece(x, k / 100) + x
        return x

    x = 0.5
    for k in range(100):
        x = math.exp(-x * x) * (k / 100) + x
    assert whole(0.5) == x
    assert len(traced) == 1
    assert whole.source.count("exp(") == 1
    assert defined(whole.source) == ["piece", "whole"]
    assert whole.source.count("piece(") == 101


def test_another_nesting_of_the_arguments_is_another_function() -> None:
    traced = []

    @compile
    def total(xs: Any) -> Any:
        traced.append(len(xs))
        return sum(x * x for x in xs)

    @compile
    def whole(x: Any, y: Any) -> Any:
        return total([x, y]) + total([y, x]) * total([x]) - total((x, y))

    assert whole(2.0, 3.0) == 13.0 + 13.0 * 4.0 - 13.0
    assert sorted(traced) == [1, 2, 2]
    assert len(set(defined(whole.source))) == 4


def test_residuals_are_passed_and_not_computed_again() -> None:
    @compile
    def piece(x: Any) -> Any:
        return exp(x * x)

    slope = compile(value_and_grad(lambda x: piece(x) + piece(2 * x)))
    value, found = slope(0.3)
    assert (value, found) == value_and_grad(lambda x: exp(x * x) + exp((2 * x) ** 2))(0.3)
    forward, backward = defined(slope.source)[:2]
    assert backward == f"{forward}_backward"
    assert body(slope.source, forward).count("exp(") == 1
    assert "exp" not in body(slope.source, backward).replace("def ", "")
    assert slope.source.count("exp(") == 1


def test_what_no_derivative_needs_is_not_passed() -> None:
    @compile
    def piece(x: Any, w: Any) -> Any:
        return 3 * x + 2 * w

    slope = compile(grad(lambda x, w: piece(x, w), (0, 1)))
    assert slope(1.0, 5.0) == (3.0, 2.0)
    assert "residuals" not in slope.source


def test_what_nothing_needs_of_a_call_is_left_out() -> None:
    @compile
    def piece(x: Any) -> Any:
        return {"needed": x * 2, "log": log(x), "other": [exp(x)]}

    @compile
    def whole(x: Any) -> Any:
        return piece(x)["needed"]

    assert whole(-1.0) == -2.0  # log(-1) is not needed
    assert "log" not in whole.source
    assert "exp" not in whole.source

    @compile
    def without(x: Any) -> Any:
        piece(x)
        piece(x + 1)
        return x

    assert without(-1.0) == -1.0
    assert defined(without.source) == ["without"]


def test_inline_puts_the_text_into_the_caller() -> None:
    @compile(inline=True)
    def piece(x: Any) -> Any:
        return tanh(x)

    @compile
    def whole(x: Any) -> Any:
        return piece(x) + piece(2 * x)

    assert whole(0.5) == math.tanh(0.5) + math.tanh(1.0)
    assert defined(whole.source) == ["whole"]
    assert compile(grad(whole))(0.5) == grad(lambda x: tanh(x) + tanh(2 * x))(0.5)
    assert piece(0.5) == math.tanh(0.5)


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["f", "x", "zip", "_", "captured", "sin", "t1", "residuals", "g", "d", "é", "<lambda>"]
)
def test_names_that_clash(name: str) -> None:
    leaf = Value(0.5, label=name)

    def sine(x: Any, zip: Any) -> Any:
        return sin(x) * zip[0] + zip[1] * leaf

    sine.__name__ = name
    piece = compile(sine)

    @compile
    def f(_: Any, x: Any, zip: Any) -> Any:
        return piece(x, [_, zip]) + piece(_, [x, zip]) * leaf

    def eager(_: Any, x: Any, zip: Any) -> Any:
        return sine(x, [_, zip]) + sine(_, [x, zip]) * leaf

    assert f(0.3, 0.7, 2.0) == eager(0.3, 0.7, 2.0).data
    slopes = compile(grad(f, (0, 1, 2)))(0.3, 0.7, 2.0)
    assert slopes == pytest.approx(grad(eager, (0, 1, 2))(0.3, 0.7, 2.0), rel=1e-14)
    second = compile(grad(grad(f, 1), 0))(0.3, 0.7, 2.0)
    assert second == pytest.approx(grad(grad(eager, 1), 0)(0.3, 0.7, 2.0), rel=1e-14)


def test_two_functions_of_the_same_name() -> None:
    def piece(x: Any) -> Any:
        return sin(x)

    first = compile(piece)

    def piece(x: Any) -> Any:  # type: ignore[no-redef]
        return cos(x)

    second = compile(piece)
    whole = compile(lambda x: first(x) * 2 + second(x))
    assert whole(0.5) == math.sin(0.5) * 2 + math.cos(0.5)
    assert len(set(defined(whole.source))) == 3
    slope = compile(grad(whole))
    assert slope(0.5) == grad(lambda x: sin(x) * 2 + cos(x))(0.5)


def test_labels_within_a_piece_are_its_names() -> None:
    @compile
    def piece(x: Any) -> Any:
        y = sin(x)
        y.label = "wave"
        return y * y

    whole = compile(lambda x: piece(x) + piece(2 * x))
    assert whole(0.5) == math.sin(0.5) ** 2 + math.sin(1.0) ** 2
    assert "wave = sin(x)" in whole.source


# --- derivatives of any order ---------------------------------------------------------------------


def rational(piece: Piece) -> Callable[..., Any]:
    """Return a function of one number, three pieces deep, that is exact for Fractions."""

    @piece
    def inner(x: Any, scale: Any) -> Any:
        return {"y": x * x * scale, "z": (1 / (1 + x * x), x - scale)}

    @piece
    def middle(pair: Any) -> Any:
        found = inner(pair["a"], pair["b"])
        again = inner(found["z"][0], 3)
        return [found["y"] * again["y"], again["z"][1] + found["z"][1]]

    @piece
    def outer(x: Any) -> Any:
        first, second = middle({"a": x, "b": 2 * x})
        third, _ = middle({"b": second, "a": first})
        return third + first * x

    return lambda x: outer(x) - outer(x / 2)


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_derivatives_of_any_order_are_exact(order: int) -> None:
    f, eager = rational(compile), rational(lambda f: f)
    for _ in range(order):
        f, eager = grad(f), grad(eager)
    found = compile(f)(THIRD)
    assert found == eager(THIRD)
    assert type(found) is Fraction


EXACT: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "jvp": lambda f: lambda x: jvp(f, (x,), (Fraction(2),)),
    "hvp": lambda f: lambda x: hvp(f, (x,), (Fraction(2),)),
    "vjp": lambda f: lambda x: vjp(f, x)[1](Fraction(3)),
    "value_and_grad": value_and_grad,
    "hessian": hessian,
    "jacobian": lambda f: jacobian(lambda x: [f(x), f(2 * x), x]),
    "jacobian of grad": lambda f: jacobian(grad(f)),
    "jvp of jvp": lambda f: lambda x: jvp(lambda x: jvp(f, (x,), (x,))[1], (x,), (Fraction(1),)),
    "grad of jvp": lambda f: grad(lambda x: jvp(f, (x,), (x,))[1]),
    "vjp of hvp": lambda f: lambda x: vjp(lambda x: hvp(f, (x,), (x,)), x)[1](Fraction(1, 7)),
    "taylor": lambda f: lambda x: taylor(f, x, 4),
    "grad of taylor": lambda f: grad(lambda x: taylor(f, x, 2)[2]),
    "taylor of grad": lambda f: lambda x: taylor(grad(f), x, 2),
}


@pytest.mark.parametrize("name", EXACT)
def test_every_transform_is_exact(name: str) -> None:
    transform = EXACT[name]
    found = compile(transform(rational(compile)))
    expected = transform(rational(lambda f: f))
    for x in (THIRD, Fraction(-5, 2), Fraction(0)):
        assert found(x) == expected(x)


def test_derivatives_within_a_traced_function_by_what_it_computed() -> None:
    @compile
    def piece(x: Any, y: Any) -> Any:
        return x * x * y

    def step(x: Any, y: Any) -> Any:
        slope = grad(piece)(x, y)
        return piece(slope, grad(piece, 1)(slope, x))

    def eager(x: Any, y: Any) -> Any:
        def plain(x: Any, y: Any) -> Any:
            return x * x * y

        slope = grad(plain)(x, y)
        return plain(slope, grad(plain, 1)(slope, x))

    assert compile(step)(THIRD, Fraction(2)) == eager(THIRD, Fraction(2))
    found = compile(grad(step, (0, 1)))(THIRD, Fraction(2))
    assert found == grad(eager, (0, 1))(THIRD, Fraction(2))


def test_a_compiled_derivative_is_a_piece_as_well() -> None:
    slope = compile(grad(cube))
    curvature = compile(grad(lambda x: slope(x) * x))
    whole = compile(lambda x: slope(x) + curvature(x) * slope(2 * x))
    plain = grad(cube)
    expected = plain(THIRD) + grad(lambda x: plain(x) * x)(THIRD) * plain(2 * THIRD)
    assert whole(THIRD) == expected


def nested(piece: Piece) -> Any:
    @piece
    def inner(nest: Any, factor: Any) -> Any:
        return Pair(nest["p"].a * factor, [nest["p"].b, nest["q"][0] * nest["p"].a])

    def whole(x: Any, y: Any, z: Any) -> Any:
        found = inner({"p": Pair(x, y), "q": (z,)}, y)
        again = inner({"q": found.b[1:], "p": Pair(found.a, x)}, 2)
        return again.a * again.b[0] + again.b[1] * found.b[0]

    return grad(whole, (0, 1, 2))


NESTED, NESTED_EAGER = both_ways(nested)


@given(st.lists(st.fractions(-3, 3, max_denominator=9), min_size=3, max_size=3))
def test_gradients_of_nested_arguments(numbers: list[Fraction]) -> None:
    assert NESTED(*numbers) == NESTED_EAGER(*numbers)


def test_zeros_of_rules_keep_their_kind() -> None:
    def function(piece: Piece) -> Any:
        @piece
        def inner(nest: Any) -> Any:
            return where(nest[1], 0.5, nest[1])

        def whole(x: Any, y: Any) -> Any:
            return inner([x, y]), inner([y, x])

        def along(x: Any, y: Any) -> Any:
            return [
                hvp(lambda x, y: whole(x, y)[0], (x, y), (1.0, 2.0)),
                jvp(whole, (x, y), (1.0, 0.0)),
                grad(grad(lambda x, y: whole(x, y)[1], 1), 0)(x, y),
            ]

        return along

    found, expected = both_ways(function)
    assert repr(found(0.5, 2.0)) == repr(expected(0.5, 2.0))


def test_elements_that_nothing_needs() -> None:
    def function(piece: Piece) -> Any:
        @piece
        def first(nest: Any) -> Any:
            return nest[0] * 2

        @piece
        def inner(x: Any, y: Any, z: Any) -> Any:
            return [first([x, y]), first([x * x, z, y])]

        return grad(lambda x, y: inner(x, y, 2 * y)[0] * inner(x, x, y)[1], (0, 1))

    found, expected = both_ways(function)
    assert found(THIRD, Fraction(2)) == expected(THIRD, Fraction(2))


WANTED: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any, Any], Any]]] = {
    # Derivatives by a constant, or by what does not move, would raise.
    "constant exponent": (lambda v: v[0] ** v[1], lambda p, x, y: p([x, 2]) + p([3.0, y])),
    "constant root": (lambda v: v[0] * v[1] ** 0.5, lambda p, x, y: p([x, 0.0]) + p([x, y])),
    "whole": (lambda v: v[0] * v[1] ** 0.5, lambda p, x, y: p([x, y * 0]) * y + p([y, y])),
    "not needed": (lambda v: v[0] * 2, lambda p, x, y: p([x, (y - 2) ** 0.5]) + p([y, x])),
}


@pytest.mark.parametrize("name", WANTED)
def test_no_derivative_that_the_eager_pass_does_not_take(name: str) -> None:
    of_nest, of_numbers = WANTED[name]

    def function(piece: Piece) -> Any:
        inner = piece(of_nest)
        outer = piece(lambda nest: inner(nest))
        return grad(lambda x, y: of_numbers(outer, x, y), 0 if name == "whole" else (0, 1))

    found, expected = both_ways(function)
    assert found(-1.5, 2.0) == expected(-1.5, 2.0)


# --- what pieces capture --------------------------------------------------------------------------


def test_captured_values_get_the_eager_gradient() -> None:
    def function(piece: Piece, leaves: list[Value]) -> Any:
        w, b = leaves
        doubled = w * 2

        @piece
        def inner(x: Any) -> Any:
            return w * x * doubled + b

        @piece
        def outer(x: Any) -> Any:
            return inner(inner(x)) * w

        return lambda x: outer(x) + inner(x)

    leaves = [Value(Fraction(2, 5), label="w"), Value(Fraction(-3), label="b")]
    again = [Value(x.data) for x in leaves]
    whole = compile(function(compile, leaves))
    for x in (THIRD, Fraction(4)):
        value = whole.backward(x)
        y = function(lambda f: f, again)(x)
        y.backward()
        assert value == y.data
        assert [leaf.grad for leaf in leaves] == [leaf.grad for leaf in again]
        leaves[0].data = again[0].data = Fraction(7, 3)  # read at each call
    # And by the argument, in any order.
    third = compile(grad(grad(function(compile, leaves))))
    again[0].data = leaves[0].data
    plain = function(lambda f: f, [Value(leaf.data) for leaf in leaves])
    assert third(THIRD) == grad(grad(plain))(THIRD)


def test_captured_numbers_of_the_trace_around() -> None:
    def function(piece: Piece) -> Any:
        def whole(x: Any, y: Any) -> Any:
            squared = x * x

            @piece
            def inner(z: Any) -> Any:
                @piece
                def innermost(u: Any) -> Any:
                    return u * squared + x

                return innermost(z * y) * innermost(squared)

            return inner(y) + inner(x) * y

        return whole

    for transform in (lambda f: f, grad, lambda f: grad(grad(f), 1), hessian):
        found = compile(transform(function(compile)))
        expected = transform(function(lambda f: f))
        assert found(THIRD, Fraction(2)) == expected(THIRD, Fraction(2))


def test_a_condition_of_the_trace_around_is_captured() -> None:
    def function(piece: Piece) -> Any:
        def whole(x: Any) -> Any:
            positive = x > 0

            @piece
            def inner(y: Any) -> Any:
                return where(positive & (y < 5), y * x, -y), positive

            value, condition = inner(x + 1)
            return where(condition | (x < -2), value, inner(x)[0])

        return whole

    for x in (THIRD, Fraction(7), Fraction(-1), Fraction(-3)):
        for transform in (lambda f: f, grad):
            found, expected = (
                compile(transform(function(compile))),
                transform(function(lambda f: f)),
            )
            assert found(x) == expected(x)


def test_names_that_are_bound_anew_between_calls() -> None:
    def function(piece: Piece) -> Any:
        factor = 0

        @piece
        def inner(x: Any) -> Any:
            return x * factor

        def whole(x: Any) -> Any:
            nonlocal factor
            found = []
            for factor in (1, 2, 2, 3):  # noqa: B007 - the piece looks it up
                found.append(inner(x))
            factor = 0
            return found

        return whole

    found, expected = both_ways(function)
    assert found(THIRD) == expected(THIRD) == [THIRD, 2 * THIRD, 2 * THIRD, 3 * THIRD]


def test_functions_of_several_outputs_within() -> None:
    def function(piece: Piece) -> Any:
        @piece
        def inner(x: Any, y: Any) -> Any:
            total, product = SumAndProduct.apply(x, y)
            return [product * x, SumAndProduct.apply(total, product)[1]]

        return lambda x, y: inner(x, y)[0] * inner(y, inner(x, y)[1])[1]

    for transform in (
        lambda f: f,
        grad,
        lambda f: grad(grad(f), 1),
        lambda f: lambda x, y: jvp(f, (x, y), (y, x)),
        lambda f: lambda x, y: hvp(f, (x, y), (y, x)),
        lambda f: grad(lambda x, y: hvp(f, (x, y), (y, x))[0], 1),
    ):
        found, expected = compile(transform(function(compile))), transform(function(lambda f: f))
        assert found(THIRD, Fraction(2)) == expected(THIRD, Fraction(2))


def test_own_ops_within() -> None:
    @primitive(lambda g, y, a, b: g * b * b, lambda g, y, a, b: g * 2 * a * b)
    def scaled(a: Any, b: Any) -> Any:
        return a * b * b

    def function(piece: Piece) -> Any:
        @piece
        def inner(x: Any) -> Any:
            return scaled(x, x + 1)

        return grad(grad(lambda x: inner(inner(x)) * inner(2)))

    found, expected = both_ways(function)
    assert found(THIRD) == expected(THIRD)


# --- arguments and results ------------------------------------------------------------------------


def test_static_arguments_and_strings() -> None:
    @compile(static_argnames=("power", "shape"))
    def piece(x: Any, activation: str, power: Any, shape: Any = (1, 2)) -> Any:
        assert type(power) is int
        y = relu(x) if activation == "relu" else tanh(x)
        for _ in range(power):
            y = y * shape[0] + shape[1]
        return y

    @compile
    def whole(x: Any) -> Any:
        return [
            piece(x, "relu", 2),
            piece(x, "tanh", power=2),
            piece(x, "relu", 3, shape=(2, 0.5)),
            piece(2 * x, "relu", 2),
        ]

    y = math.tanh(1.5)
    assert whole(1.5) == [1.5 + 2 + 2, y + 2 + 2, 8 * 1.5 + 3.5, 3.0 + 4]
    assert len(defined(whole.source)) == 4


def test_keyword_and_default_arguments() -> None:
    default = Value(5.0)

    @compile
    def piece(x: Any, y: Any = 2, *, z: Any = default) -> Any:
        return x * y + z

    @compile
    def whole(x: Any) -> Any:
        return [piece(x), piece(x, 3.0), piece(y=x, x=1), piece(x, z=x)]

    assert whole(0.5) == [6.0, 6.5, 5.5, 1.5]
    with pytest.raises(TypeError, match="argument"):
        compile(lambda x: piece(x, u=3))(1.0)


def test_any_number_of_arguments() -> None:
    @compile
    def piece(*xs: Any, **named: Any) -> Any:
        return sum(xs) * named.get("factor", 1)

    whole = compile(lambda x: piece(x, 2, x) + piece() + piece(x, factor=x))
    assert whole(3.0) == 8.0 + 0 + 9.0


def test_containers_come_back_as_they_are() -> None:
    @compile
    def piece(nest: Any) -> Any:
        return Pair(OrderedDict(u=nest["k"][0] * 2, v=()), [nest["k"][1], 7, ([], {})])

    found = compile(lambda x, y: piece({"k": (x, [y])}))(1.0, 2.0)
    assert found == Pair(OrderedDict(u=2.0, v=()), [[2.0], 7, ([], {})])
    assert type(found) is Pair
    assert type(found.a) is OrderedDict


def test_pieces_of_constants_alone() -> None:
    @compile
    def piece(x: Any, y: Any) -> Any:
        return [x * y, x / y, 5]

    @compile
    def whole(x: Any) -> Any:
        return [piece(2, 3), piece(THIRD, 2)[0], x, piece(1.0, x)[2]]

    found = whole(1.5)
    assert found == [[6, 2 / 3, 5], THIRD * 2, 1.5, 5]
    assert [type(y) for y in found[0]] == [int, float, int]
    assert defined(whole.source) == ["whole"]
    with pytest.raises(ZeroDivisionError):
        compile(lambda x: piece(1, 0)[1] + x)(1.0)


def test_no_arguments_and_empty_lists() -> None:
    leaf = Value(3.0)

    @compile
    def nothing() -> Any:
        return 4

    @compile
    def captured() -> Any:
        return leaf * leaf

    @compile
    def empty(xs: Any, y: Any) -> Any:
        return sum(xs) * y, []

    def whole(x: Any) -> Any:
        return nothing() * x + captured() + empty([], x)[0] + sum(empty([], 2)[1])

    assert compile(whole)(2.0) == 17.0
    assert compile(whole).backward(2.0) == 17.0
    assert leaf.grad == 6.0
    assert compile(lambda: nothing())() == 4
    assert compile(lambda xs: empty(xs, 1.0))([]) == (0.0, [])


def test_a_piece_may_return_its_arguments() -> None:
    leaf = Value(Fraction(2))
    swap = compile(lambda x, y: [y, x, leaf])
    whole = compile(lambda x, y: swap(*swap(x, y)[:2]))
    assert whole(1.0, 5.0) == [1.0, 5.0, 2]
    slope = compile(grad(lambda x, y: sumprod(swap(x, y), swap(y, x)), (0, 1)))
    assert slope(THIRD, Fraction(2)) == (4, 2 * THIRD)


@pytest.mark.filterwarnings("ignore:Bitwise inversion:DeprecationWarning")
def test_conditions_that_pieces_return_combine() -> None:
    def function(piece: Piece) -> Any:
        @piece
        def above(x: Any, bound: Any) -> Any:
            return x > bound

        @piece
        def inside(x: Any) -> Any:
            return [above(x, 0) & (above(x, 10) == False), above(x, 5)]  # noqa: E712

        def whole(x: Any) -> Any:
            near, far = inside(x)
            return [where(near & ~far | above(x, 20), x, -x), near ^ far, above(x, 1) == far]

        return whole

    found, flat = compile(function(compile)), compile(function(lambda f: f))
    for x in (-1.0, 0.5, 3.0, 7.0, 30.0):
        near, far = 0 < x <= 10, x > 5
        assert found(x) == [x if (near and not far) or x > 20 else -x, near != far, (x > 1) == far]
        assert found(x) == flat(x)
        assert [type(y) for y in found(x)] == [float, bool, bool]


def test_arguments_that_are_conditions() -> None:
    @compile
    def choose(condition: Any, x: Any, y: Any) -> Any:
        return where(condition & (x > 1), x, y)

    whole = compile(grad(lambda x: choose(x > 2, x * x, -x) + choose(True, x, x)))
    assert (whole(3.0), whole(1.5)) == (7.0, 0.0)


def test_a_piece_that_changes_its_argument_is_put_into_the_caller() -> None:
    changes: dict[str, Callable[[Any], Any]] = {
        "append": lambda nest: nest["xs"].append(nest["xs"][0] * 2),
        "swap": lambda nest: nest["xs"].reverse(),
        "pop": lambda nest: nest["xs"].pop(),
        "set": lambda nest: nest.update(y=nest["y"] * nest["y"]),
        "add": lambda nest: nest.update(z=nest["y"]),
        "replace": lambda nest: nest.update(xs=3),
        "fill": lambda nest: nest["empty"].append(nest["y"]),
    }
    for change in changes.values():

        def whole(x: Any, change: Any = change) -> Any:
            nest = {"xs": [x, x + 1], "y": x - 1, "empty": []}
            change(nest)
            return nest

        def split(x: Any, change: Any = change) -> Any:
            nest = {"xs": [x, x + 1], "y": x - 1, "empty": []}
            compile(lambda nest: (change(nest), 0)[1])(nest)
            return nest

        assert compile(split)(5) == whole(5)


def test_results_that_are_no_numbers_are_errors() -> None:
    @compile
    def text(x: Any) -> Any:
        return "text"

    with pytest.raises(TypeError, match="the result of"):
        compile(lambda x: [x, text(x)])(1.0)


# --- settings within and around -------------------------------------------------------------------


def test_no_grad_within_and_around() -> None:
    def function(piece: Piece) -> Any:
        @piece
        def inner(x: Any) -> Any:
            with no_grad():
                fixed = x * x
            return fixed * x

        def whole(x: Any) -> Any:
            with no_grad():
                outside = inner(x)
            return outside * x + inner(x) + inner(x).detach() * x

        return grad(whole)

    found, expected = both_ways(function)
    assert found(THIRD) == expected(THIRD)
    with no_grad():
        assert found(THIRD) == expected(THIRD)


# --- methods and models ---------------------------------------------------------------------------


def test_compiled_methods_are_pieces() -> None:
    class Scale:
        def __init__(self, factor: Any) -> None:
            self.factor = factor

        @compile
        def times(self, x: Any) -> Any:
            return self.factor * x

        @compile
        def squared(self, x: Any) -> Any:
            return self.times(x) * self.times(2 * x)

    first, second = Scale(Value(3.0)), Scale(Value(5.0))
    whole = compile(lambda x: first.squared(x) + second.squared(x))
    assert whole(2.0) == 72.0 + 200.0
    assert whole.backward(2.0) == 272.0
    assert (first.factor.grad, second.factor.grad) == (48.0, 80.0)
    assert whole.source.count("def times") >= 1


def test_models_are_pieces() -> None:
    class Twice(Module):
        def __init__(self, model: Any) -> None:
            self.model = model

        def __call__(self, x: Any) -> Any:
            return self.model([self.model(x), x[0]])

    model = MLP(2, [3, 1])
    points = [[0.5, -1.0], [2.0, 0.25], [0.0, 1.0]]

    def loss(model: Any) -> Any:
        return lambda: sum((model(x) - 1) ** 2 for x in points)

    piece = compile(model)
    whole = compile(loss(piece))
    eager = loss(model)()
    eager.backward()
    expected = [p.grad for p in model.parameters()]
    for p in model.parameters():
        p.grad = 0
    assert whole.backward() == pytest.approx(eager.data, rel=1e-13)
    # Sums of a few products of numbers near 1: the last bits.
    assert [p.grad for p in model.parameters()] == pytest.approx(expected, rel=1e-12, abs=1e-14)
    nested = compile(Twice(piece))
    assert nested([0.5, -1.0]) == pytest.approx(Twice(model)([0.5, -1.0]).data, rel=1e-13)


def test_a_compiled_function_compiled_again_is_the_same() -> None:
    once = compile(cube)
    twice = compile(once)
    assert twice(THIRD) == cube(THIRD)
    whole = compile(grad(lambda x: twice(x) * once(x)))
    assert whole(THIRD) == grad(lambda x: cube(x) * cube(x))(THIRD)


def test_repr_and_cache_info_tell_of_own_programs_alone() -> None:
    piece = compile(cube)
    whole = compile(lambda x: piece(x) + piece(x + 1))
    whole(1.0)
    whole(2.0)
    assert repr(piece) == "<compiled cube(x), 0 programs>"
    assert piece.cache_info()[:2] == (0, 0)
    assert whole.cache_info()[:2] == (1, 1)
    with pytest.raises(ValueError, match="call the compiled function first"):
        piece.source  # noqa: B018


# --- depth, number and recursion ------------------------------------------------------------------


def test_recursion_of_a_static_depth() -> None:
    @compile(static_argnames="depth")
    def power(x: Any, depth: int) -> Any:
        return x if depth == 0 else power(x, depth - 1) * x

    whole = compile(grad(lambda x: power(x, 5)))
    assert whole(THIRD) == 6 * THIRD**5
    assert len(defined(whole.source)) > 5


def test_a_piece_that_needs_a_plain_number_is_put_into_the_caller() -> None:
    @compile
    def repeated(x: Any, times: Any) -> Any:
        for _ in range(times):
            x = x * x
        return x

    whole = compile(grad(lambda x: repeated(x, 2) + repeated(x, 1)))
    assert whole(THIRD) == 4 * THIRD**3 + 2 * THIRD
    assert defined(whole.source)[-1:] == defined(whole.source)
    with pytest.raises(TraceError):
        compile(lambda x: repeated(x, x))(2)


def test_fifty_levels_of_calls() -> None:
    f: Any = cube
    eager: Any = cube

    def deeper(piece: Any, f: Any) -> Any:
        return piece(lambda x: f(x / 2) + 1)

    f = compile(cube)
    for _ in range(50):
        f, eager = deeper(compile, f), deeper(lambda f: f, eager)
    assert compile(lambda x: f(x) * x)(THIRD) == eager(THIRD) * THIRD
    assert compile(grad(grad(f)))(THIRD) == grad(grad(eager))(THIRD)


@pytest.mark.parametrize(
    ("count", "transform"), [(3000, lambda f: f), (1200, grad), (1100, lambda f: grad(grad(f)))]
)
def test_many_calls_are_linear_and_meet_no_limit(count: int, transform: Any) -> None:
    traced = []

    @compile
    def piece(x: Any) -> Any:
        traced.append(1)
        return x - x * x / 4

    def repeated(f: Any) -> Any:
        def whole(x: Any) -> Any:
            for _ in range(count):
                x = f(x)
            return x

        return whole

    program = compile(transform(repeated(piece)))
    expected = transform(repeated(lambda x: x - x * x / 4))(0.5)
    # First derivatives are one product after another; of second ones, sums of thousands of terms
    # of one sign are taken in another order.
    assert program(0.5) == pytest.approx(expected, rel=1e-11)
    assert len(traced) == 1
    assert len(program.source.splitlines()) < count * 8


def test_calls_of_calls_do_not_double_the_text() -> None:
    f: Any = compile(lambda x: x * x / 2 + 1)
    for _ in range(30):
        f = compile(lambda x, f=f: f(f(x) - 1))
    f.prepare(0.5)  # to run it takes 2**30 calls
    [program] = f._programs.values()
    assert len(program.code.equations) < 10


# --- errors ---------------------------------------------------------------------------------------


def test_errors_in_pieces_name_the_op_and_its_inputs() -> None:
    @compile
    def piece(x: Any, y: Any) -> Any:
        return log(x - y)

    whole = compile(lambda x, y: piece(x, 1) * piece(x, y))
    with pytest.raises(ValueError, match=r"in log\(-1\.0\)"):
        whole(3.0, 4.0)
    assert whole(3.0, 2.0) == 0.0
    leaf = Value(0.0, label="rate")
    ratio = compile(lambda x: x / leaf)
    with pytest.raises(ZeroDivisionError, match=r"\(x=1\.0\) / \(rate=0\.0\)"):
        compile(lambda x: ratio(x) + 1)(1.0)
    slope = compile(grad(lambda x: piece(x, 0) + compile(lambda x: x**0.5)(x - 1)))
    with pytest.raises((ValueError, ZeroDivisionError)):
        slope(1.0)


def test_a_trace_error_in_a_piece_shows_its_line() -> None:
    @compile
    def piece(x: Any) -> Any:
        if x > 0:
            return x.data  # this line
        return -x

    with pytest.raises(TraceError, match=r"no \.data(.|\n)*this line"):
        compile(lambda x: piece(x))(1.0)


def test_what_a_piece_keeps_cannot_be_used_outside() -> None:
    kept: list[Any] = []

    @compile
    def keeps(x: Any) -> Any:
        kept.append(x * 2)
        return x

    def escaped(x: Any) -> Any:
        y = keeps(x)
        return y + kept[0]

    with pytest.raises(TypeError, match="after its trace had ended"):
        compile(escaped)(1.0)


# --- batches and threads --------------------------------------------------------------------------


def _square(x: Any, w: Any) -> Any:
    return (x * w["a"]) ** 2 + w["b"]


square_piece = compile(_square)


def _square_twice(w: Any, x: Any) -> Any:
    return square_piece(square_piece(x, w), w)


def _eager_square_twice(w: Any, x: Any) -> Any:
    return _square(_square(x, w), w)


def test_map_grad_of_functions_with_pieces() -> None:
    w = {"a": Fraction(1, 2), "b": Fraction(-1)}
    batch = [(w, Fraction(k, 10)) for k in range(3)]
    with ThreadPoolExecutor(2) as pool:
        found = map_grad(compile(value_and_grad(_square_twice)), batch, pool)
        eager = map_grad(compile(value_and_grad(_eager_square_twice)), batch, pool)
    assert found == eager


def test_threads_may_trace_pieces_at_once() -> None:
    piece = compile(lambda x, k: sin(x * k) + x)
    results: dict[int, Any] = {}
    errors: list[Exception] = []

    def work(k: int) -> None:
        try:
            whole = compile(grad(lambda x: piece(piece(x, k), 2) * piece(x, k)))
            results[k] = whole(0.5)
        except Exception as error:  # for the test to show
            errors.append(error)

    in_threads(work, 8)
    assert not errors

    def eager(x: Any, k: Any) -> Any:
        return sin(x * k) + x

    for k, found in results.items():
        expected = grad(lambda x, k=k: eager(eager(x, k), 2) * eager(x, k))(0.5)
        assert found == pytest.approx(expected, rel=1e-13)
