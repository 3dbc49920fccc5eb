"""The types that type checkers find: none of them is Any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalargrad import (
    Value,
    compile,
    derivatives,
    exp,
    fsum,
    grad,
    hypot,
    jvp,
    logsumexp,
    maximum,
    sin,
    softmax,
    sumprod,
    value_and_grad,
    vjp,
    where,
)
from scalargrad.losses import cross_entropy, hinge, huber, mse
from scalargrad.optim import curve_fit

x, w = Value(0.5), Value(2.0)


def square(x: float) -> float:
    return x * x


def product(v: list[float]) -> float:
    return v[0] * v[1]


def of_value(x: Value) -> Value:
    return x * exp(x)


@compile
def loss(x: float) -> Value:
    return (w * x - 1) ** 2


@compile(static_argnums=1)
def power(x: float, n: int) -> float:
    return x**n


class Line:
    slope = Value(3.0)

    @compile
    def at(self, x: float) -> Value:
        return self.slope * x


fit = curve_fit(lambda x, a: a * x, [1.0, 2.0], [2.0, 4.0], [1.0])
slope: float = grad(lambda x: x * sin(x))(0.5)
steps: list[float] = [0.1 * g for g in grad(lambda v: v[0] * v[1])([1.0, 2.0])]

if TYPE_CHECKING:
    from typing_extensions import assert_type

    from scalargrad.programs.run.compiled import BoundCompiled, Compiled

    assert_type(exp(x), Value)
    assert_type(exp(0.5), float)
    assert_type(maximum(x, 0.1), Value)
    assert_type(x.tanh(), Value)
    assert_type(2 * x + 1, Value)
    assert_type(x > 0, bool)
    assert_type(x.data, float)
    assert_type(softmax([x, w]), list[Value])
    assert_type(logsumexp([1.0, 2.0]), float)
    assert_type(fsum([x, w]), Value)
    assert_type(sumprod([x, w], [1.0, 2.0]), Value)
    assert_type(hypot(3.0, 4.0), float)
    assert_type(hypot(x, w), Value)
    assert_type(where(x > 0, x, 0.0), Value)

    assert_type(grad(square)(2.0), float)
    assert_type(grad(product)([1.0, 2.0]), list[float])
    assert_type(grad(of_value)(2.0), float)
    assert_type(grad(of_value)(x), Value)
    assert_type(grad(grad(square))(2.0), float)
    assert_type(grad(sin)(2.0), float)
    assert_type(value_and_grad(square)(2.0), tuple[float, float])
    assert_type(value_and_grad(of_value)(2.0), tuple[float, float])
    assert_type(value_and_grad(product)([1.0, 2.0]), tuple[float, list[float]])
    assert_type(jvp(square, (1.0,), (1.0,)), tuple[Any, Any])
    assert_type(len(vjp(square, 1.0, has_aux=True)), int)
    assert_type(derivatives(x * w, [x, w]), list[Any])

    assert_type(loss, Compiled[float])
    assert_type(loss(1.0), float)
    assert_type(loss.backward(1.0), float)
    assert_type(loss.source, str)
    assert_type(power, Compiled[float])
    assert_type(power(2.0, 3), float)
    assert_type(Line().at, BoundCompiled[float])
    assert_type(Line().at.backward(2.0), float)
    assert_type(compile(square)(2.0), float)
    assert_type(compile(of_value, target="c")(2.0), float)

    assert_type(mse([x, w], [1.0, 2.0]), Value)
    assert_type(mse([1.0], [2.0]), float)
    assert_type(huber(x, 1.0), Value)
    assert_type(hinge([x], [1]), Value)
    assert_type(cross_entropy([x, w], 1), Value)
    assert_type(fit.parameters, list[float])

print(slope, steps, loss.backward(2.0), power(2.0, 3), Line().at(2.0), fit.parameters)
