"""A Function whose backward uses a number that its forward left anywhere: differentiated once."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad
from scalargrad import Function, Value, derivatives, grad, hessian, hvp, jacobian, jvp, taylor
from scalargrad import compile as compile_
from scalargrad.functions.choices import where
from tests.own_functions import single
from tests.sampled import one_in

LEFT: list[Any] = []
GLOBAL: Any = None


class Kept:
    number: Any = None


KEPT = Kept()


def _into_global(ctx: Any, number: Any) -> None:
    global GLOBAL
    GLOBAL = number


# How forward leaves a number, and how backward finds it.
DOORS: dict[str, tuple[Callable[[Any, Any], None], Callable[[Any], Any]]] = {
    "attribute": (lambda ctx, n: setattr(ctx, "foo", n), lambda ctx: ctx.foo),
    "list": (lambda ctx, n: setattr(ctx, "foo", [[n]]), lambda ctx: ctx.foo[0][0]),
    "dict": (lambda ctx, n: setattr(ctx, "foo", {"a": (n,)}), lambda ctx: ctx.foo["a"][0]),
    "object": (
        lambda ctx, n: setattr(ctx, "foo", SimpleNamespace(n=n)),
        lambda ctx: ctx.foo.n,
    ),
    "closure": (
        lambda ctx, n: setattr(ctx, "foo", lambda: n),
        lambda ctx: ctx.foo(),
    ),
    "text": (lambda ctx, n: setattr(ctx, "foo", str(n)), lambda ctx: float(Fraction(ctx.foo))),
    "global list": (lambda ctx, n: LEFT.append(n), lambda ctx: LEFT[-1]),
    "global name": (_into_global, lambda ctx: GLOBAL),
    "class": (lambda ctx, n: setattr(Kept, "number", n), lambda ctx: Kept.number),
    "instance": (lambda ctx, n: setattr(KEPT, "number", n), lambda ctx: KEPT.number),
    "context's class": (lambda ctx, n: setattr(type(ctx), "foo", n), lambda ctx: ctx.foo),
}


@pytest.fixture(autouse=True)
def _clean() -> Any:
    yield
    LEFT.clear()
    from scalargrad.custom.run import Context

    if "foo" in vars(Context):
        del Context.foo  # type: ignore[attr-defined]


def cube_with(door: str, setup: bool = False) -> type[Function]:
    """Return x cubed, whose backward finds its slope, 3 x^2, at the door."""
    leave, find = DOORS[door]
    if not setup:

        def forward(ctx: Any, x: Any) -> Any:
            leave(ctx, 3 * x * x)
            return x * x * x

        return single(forward, lambda ctx, g: g * find(ctx))

    class Custom(Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            leave(ctx, 3 * inputs[0] * inputs[0])

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * find(ctx)

    return Custom


def by_create_graph(f: Callable[[Any], Any], x: Any) -> Any:
    leaf = Value(x)
    f(leaf).backward(create_graph=True)
    slope, leaf.grad = leaf.grad, 0
    slope.backward()
    return leaf.grad


def by_derivatives(f: Callable[[Any], Any], x: Any) -> Any:
    leaf = Value(x)
    return derivatives(derivatives(f(leaf), leaf, create_graph=True), leaf)


def by_inputs(f: Callable[[Any], Any], x: Any) -> Any:
    leaf = Value(x)
    f(leaf).backward(create_graph=True, inputs=[leaf])
    return derivatives(leaf.grad, leaf)


TWICE: dict[str, Callable[[Callable[[Any], Any], Any], Any]] = {
    "create_graph": by_create_graph,
    "inputs": by_inputs,
    "derivatives": by_derivatives,
    "grad of grad": lambda f, x: grad(grad(f))(x),
    "hessian": lambda f, x: hessian(f)(x),
    "jacobian forward": lambda f, x: jacobian(jacobian(lambda v: [f(v[0]), v[0], v[0]]))([x])[0][0][
        0
    ],
    "grad of jvp": lambda f, x: grad(lambda y: jvp(f, (y,), (1,))[1])(x),
    "jvp of grad": lambda f, x: jvp(grad(f), (x,), (1,))[1],
    "hvp": lambda f, x: hvp(f, (x,), (1,)),
    "taylor": lambda f, x: 2 * taylor(f, x, 2)[2],
    "compiled": lambda f, x: compile_(grad(grad(f)))(x),
    "compiled hessian": lambda f, x: compile_(hessian(f))(x),
}


@pytest.mark.parametrize(
    ("twice", "door", "setup"), one_in(5, product(TWICE, DOORS, [False, True]))
)
def test_a_number_left_anywhere_is_refused(twice: str, door: str, setup: bool) -> None:
    f = cube_with(door, setup).apply
    assert grad(f)(2.0) == 12.0
    with pytest.raises(TypeError, match="Custom cannot be differentiated twice"):
        TWICE[twice](f, 2.0)
    # In a larger expression, and elsewhere.
    with pytest.raises(TypeError, match="Custom cannot be differentiated twice"):
        TWICE[twice](lambda x: scalargrad.sin(f(x * 0.7)) + x, -0.3)


@pytest.mark.parametrize("kind", [int, float, Fraction, Decimal, bool])
@pytest.mark.parametrize("twice", ["create_graph", "grad of grad", "jvp of grad", "compiled"])
def test_whatever_the_kind_of_number(twice: str, kind: Any) -> None:
    f = cube_with("attribute").apply
    x = kind(1)
    assert grad(f)(x) == 3
    with pytest.raises(TypeError, match="Custom cannot be differentiated twice"):
        TWICE[twice](f, x)


@given(st.floats(-100.0, 100.0), st.floats(-100.0, 100.0))
def test_whatever_the_point(x: float, y: float) -> None:
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.save_for_backward(y)
        ctx.double = 2 * (x - y)
        return (x - y) ** 2

    custom = single(forward, lambda ctx, g: (g * ctx.double, -g * ctx.double))
    with pytest.raises(TypeError, match="left in ctx or elsewhere"):
        hessian(lambda v: custom.apply(*v))([x, y])


def test_by_math_and_at_the_edge_of_a_domain() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.root = math.sqrt(1 - x)
        return x * ctx.root

    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.root

    with pytest.raises(TypeError, match="cannot be differentiated twice"):
        grad(grad(single(forward, backward).apply))(1.0)


# --- what is not refused --------------------------------------------------------------------------


@pytest.mark.parametrize("twice", TWICE)
def test_constants_may_be_left_anywhere(twice: str) -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.scale = 2.5 * math.sqrt(4.0)  # computed anew each time
        ctx.whole = math.floor(x)
        LEFT.append(ctx.scale)
        return ctx.scale * x**3

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        assert ctx.whole >= 1
        return 3 * LEFT[-1] * g * x**2 * (ctx.scale / 5.0)

    assert TWICE[twice](single(forward, backward).apply, 1.5) == 45.0


@pytest.mark.parametrize("x", [-1.0, 0.0, 1.0])
def test_kinks_are_none(x: float) -> None:
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * ((x > 0) - (x < 0))

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return abs(x)

    def by_where(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return where(x > 0, g, -g)

    for rule in (backward, by_where):
        assert grad(grad(single(forward, rule).apply))(x) == 0.0


def test_a_random_mask_is_a_constant() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mask = random.random()
        ctx.save_for_backward(x)
        return x * x * ctx.mask

    def backward(ctx: Any, g: Any) -> Any:
        return g * 2 * ctx.saved_values[0] * ctx.mask

    dropped = single(forward, backward).apply
    for seed in range(50):
        random.seed(seed)
        second = grad(grad(dropped))(3.0)
        drawn = random.random()
        random.seed(seed)
        assert second == 2 * random.random()
        assert drawn == random.random(), "the numbers that come next are those that would have"


def test_once_differentiable_leaves_what_it_likes() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.slope = 2 * x
        return x * x

    once = scalargrad.once_differentiable(lambda ctx, g: g * ctx.slope)
    x = Value(3.0)
    single(forward, once).apply(x).backward(create_graph=True)
    assert x.grad.data == 6.0
