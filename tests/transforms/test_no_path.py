"""The side that a choice did not take counts for nothing: nothing can fail there, in any mode."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    clip,
    derivatives,
    elu,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    leaky_relu,
    maximum,
    minimum,
    relu,
    sqrt,
    taylor,
    value_and_grad,
    vjp,
    where,
)
from tests.sampled import one_in

# Each has a finite value at 0, and a derivative, or a second one, that fails there.
SIDES: dict[str, Callable[[Any], Any]] = {
    "sqrt": sqrt,
    "power": lambda x: x**0.5,
    "higher power": lambda x: x**1.5,
    "cbrt": scalargrad.cbrt,
    "hypot": lambda x: scalargrad.hypot(x, 0.0) ** 0.5,
    "acosh": lambda x: scalargrad.acosh(1 + x),
    "asin": lambda x: scalargrad.asin(1 - x) - math.pi / 2,
    "of a root": lambda x: scalargrad.sin(sqrt(x)) * 3 + sqrt(x) ** 2,
    "of many": lambda x: scalargrad.sumprod([sqrt(x), x], [2.0, sqrt(x)]),
    "of a sum": lambda x: (lambda v: v * v + scalargrad.sin(v) + 2 * v)(x**1.5),
}
# What takes the other side at 0, where f is 0. Each is x * x + 3 * x + 1 there, or that and a bit.
CHOICES: dict[str, Callable[[Callable[[Any], Any]], Callable[[Any], Any]]] = {
    "where": lambda f: lambda x: where(x > 0, f(x), 1.0) + x * x + 3 * x,
    "where, other": lambda f: lambda x: where(x <= 0, 1 + 3 * x, f(x)) + x * x,
    "where of a Value": lambda f: lambda x: where(x * 0, f(x), 1.0) + x * x + 3 * x,
    "maximum": lambda f: lambda x: maximum(f(x), 1 + 3 * x) + x * x,
    "maximum, other": lambda f: lambda x: maximum(1 + 3 * x, f(x)) + x * x,
    "minimum": lambda f: lambda x: minimum(1 + f(x), 3 * x) + 1 + x * x,
    "minimum, other": lambda f: lambda x: minimum(3 * x, 1 + f(x)) + 1 + x * x,
    "clip low": lambda f: lambda x: clip(f(x), 1.0, 2.0) + x * x + 3 * x,
    "clip high": lambda f: lambda x: clip(f(x), -2.0, -1.0) + 2 + x * x + 3 * x,
    "clip bounds": lambda f: lambda x: clip(1 + 3 * x, f(x), 2 + f(x)) + x * x,
    "relu": lambda f: lambda x: relu(f(x) - 1) + 1 + x * x + 3 * x,
    "relu at 0": lambda f: lambda x: relu(f(x)) + 1 + x * x + 3 * x,
    "slope of leaky_relu": lambda f: lambda x: leaky_relu(1 + 3 * x, f(x)) + x * x,
    "alpha of elu": lambda f: lambda x: elu(1 + 3 * x, f(x)) + x * x,
    "abs at 0": lambda f: lambda x: abs(f(x)) + 1 + x * x + 3 * x,
    "fabs at 0": lambda f: lambda x: scalargrad.fabs(f(x)) + 1 + x * x + 3 * x,
    "detach": lambda f: lambda x: scalargrad.stop_gradient(f(x)) + 1 + x * x + 3 * x,
    "sign": lambda f: lambda x: scalargrad.sign(f(x)) + 1 + x * x + 3 * x,
    "floor": lambda f: lambda x: scalargrad.floor(f(x)) + 1 + x * x + 3 * x,
    "copysign": lambda f: lambda x: scalargrad.copysign(1 + 3 * x, f(x)) + x * x,
    "where of an equal number": lambda f: lambda x: where(x > 0, f(x), 0.0) + 1 + x * x + 3 * x,
    "where alone in a product": lambda f: lambda x: x * where(x > 0, f(x), 3.0) + 1 + x * x,
    "within": lambda f: lambda x: where(x > 0, where(x >= 0, f(x), 0.0) * 2, 1.0) + x * x + 3 * x,
}


def by_backward(f: Callable[[Any], Any]) -> Any:
    x = Value(0.0)
    f(x).backward()
    return x.grad


def by_inputs(f: Callable[[Any], Any]) -> Any:
    x = Value(0.0)
    f(x).backward(inputs=[x])
    return x.grad


def by_create_graph(f: Callable[[Any], Any]) -> Any:
    x = Value(0.0)
    f(x).backward(create_graph=True)
    return x.grad.data


def by_forward(f: Callable[[Any], Any]) -> Any:
    """Make the graph elsewhere, and run it again at 0."""
    x = Value(0.25)
    y = f(x)
    if not math.isclose(y.data, f(0.25)):
        raise AssertionError
    x.data = 0.0
    y.forward()
    y.backward()
    return x.grad


FIRST: dict[str, Callable[[Any], Any]] = {
    "backward": by_backward,
    "inputs": by_inputs,
    "create_graph": by_create_graph,
    "derivatives": lambda f: (lambda x: derivatives(f(x), x))(Value(0.0)),
    "grad": lambda f: grad(f)(0.0),
    "grad by a Value": lambda f: grad(f)(Value(0.0)).data,
    "value_and_grad": lambda f: value_and_grad(f)(0.0)[1],
    "jvp": lambda f: jvp(f, (0.0,), (1.0,))[1],
    "vjp": lambda f: vjp(f, 0.0)[1](1.0)[0],
    "jacobian": lambda f: jacobian(lambda x: [f(x)])(0.0)[0],
    "jacobian forward": lambda f: jacobian(lambda x: [f(x), x])(0.0)[0],
    "taylor": lambda f: taylor(f, 0.0, 1)[1],
}


def twice_by_create_graph(f: Callable[[Any], Any]) -> Any:
    x = Value(0.0)
    return derivatives(derivatives(f(x), x, create_graph=True), x)


def thrice_by_create_graph(f: Callable[[Any], Any]) -> Any:
    x = Value(0.0)
    first = derivatives(f(x), x, create_graph=True)
    return derivatives(first, x, create_graph=True).data


SECOND: dict[str, Callable[[Any], Any]] = {
    "create_graph": twice_by_create_graph,
    "create_graph again": thrice_by_create_graph,
    "hessian": lambda f: hessian(f)(0.0),
    "grad of grad": lambda f: grad(grad(f))(0.0),
    "jvp of grad": lambda f: jvp(grad(f), (0.0,), (1.0,))[1],
    "grad of jvp": lambda f: grad(lambda x: jvp(f, (x,), (1.0,))[1])(0.0),
    "hvp": lambda f: hvp(f, (0.0,), (1.0,)),
    "jvp of jvp": lambda f: jvp(lambda x: jvp(f, (x,), (1.0,))[1], (0.0,), (1.0,))[1],
    "grad of taylor": lambda f: grad(lambda x: taylor(f, x, 1)[1])(0.0),
    "taylor": lambda f: 2 * taylor(f, 0.0, 2)[2],
}


@pytest.mark.parametrize(("mode", "choice"), one_in(3, product(FIRST, CHOICES)))
def test_the_side_not_taken_has_no_part_in_first_derivatives(choice: str, mode: str) -> None:
    for side, f in SIDES.items():
        assert FIRST[mode](CHOICES[choice](f)) == 3.0, side


@pytest.mark.parametrize(("mode", "choice"), one_in(3, product(SECOND, CHOICES)))
def test_the_side_not_taken_has_no_part_in_second_derivatives(choice: str, mode: str) -> None:
    for side, f in SIDES.items():
        assert SECOND[mode](CHOICES[choice](f)) == 2.0, side


class Power(scalargrad.Function):
    """x**1.5, the second derivative of which fails at 0."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**1.5

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * 1.5 * x**0.5


def test_a_function_on_the_side_not_taken_has_no_part() -> None:
    def f(x: Any) -> Any:
        return where(x > 0, Power.apply(x), 1.0) + x * x + 3 * x

    assert FIRST["create_graph"](f) == 3.0
    assert SECOND["create_graph"](f) == SECOND["create_graph again"](f) == 2.0


@pytest.mark.parametrize("mode", FIRST)
@given(x=st.floats(0.01, 2.0))
@settings(max_examples=20)
def test_a_side_that_is_used_elsewhere_too_counts_there(mode: str, x: float) -> None:
    # Here u = sqrt(x + 1) is on the side not taken, and in the product: at 0 its share is 1/2 x.
    def f(x: Any, at: float) -> Any:
        u = sqrt(x + at)
        return where(x > at, u * 100, 0.0) + maximum(u, u - 1) + relu(-u) + u * 2

    assert FIRST[mode](lambda v: f(v, x)) == pytest.approx(3 / (2 * math.sqrt(x)), rel=1e-14)


def test_ties_share() -> None:
    for mode in FIRST:
        assert FIRST[mode](lambda x: maximum(sqrt(x + 1), 1 + x)) == 0.75


def test_gradients_that_are_not_reached_are_zero_in_kind() -> None:
    from fractions import Fraction

    assert repr(grad(lambda x: where(x > 0, sqrt(x), 0.0))(0.0)) == "0.0"
    assert grad(lambda x: where(x > 0, x / 3, 0))(Fraction(-1)) == Fraction(0)
    x = Value(0.0)
    y = sqrt(x)
    where(x > 0, y, 0.0).backward()
    assert (x.grad, y.grad) == (0, 0)
    assert where(x > 0, y, Value(2.0)).local_derivatives() == (0.0, 1.0)


def test_what_was_reached_before_is_cleared() -> None:
    x = Value(4.0)
    y = sqrt(x)
    z = relu(y - 1)
    z.backward()
    assert (x.grad, y.grad) == (0.25, 1.0)
    x.data = 0.0
    z.forward()
    z.backward()
    assert (x.grad, y.grad) == (0.25, 0.0)


def test_errors_of_the_side_that_is_taken_stay() -> None:
    for mode in FIRST:
        with pytest.raises(ZeroDivisionError):
            FIRST[mode](lambda x: where(x >= 0, sqrt(x), 0.0))


def test_detect_anomaly_looks_only_where_a_derivative_arrives() -> None:
    x = Value(math.inf)
    with scalargrad.detect_anomaly():
        y = where(x < 0, scalargrad.exp(-x), 0.0) + x
        y.backward()
    assert x.grad == 1.0
