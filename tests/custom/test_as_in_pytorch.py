"""The Functions of PyTorch's page "Extending PyTorch", with scalars for tensors, and its rules."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import scalargrad.custom.function
from scalargrad import (
    Function,
    Value,
    cos,
    exp,
    grad,
    gradcheck,
    hessian,
    hvp,
    jvp,
    once_differentiable,
    sin,
)
from tests.own_functions import single


class LinearFunction(Function):
    @staticmethod
    def forward(ctx: Any, input: Any, weight: Any, bias: Any = None) -> Any:
        ctx.save_for_backward(input, weight, bias)
        output = input * weight
        if bias is not None:
            output += bias
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output * weight
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output * input
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output
        return grad_input, grad_weight, grad_bias


class LinearWithSetup(Function):
    @staticmethod
    def forward(input: Any, weight: Any, bias: Any) -> Any:
        output = input * weight
        if bias is not None:
            output += bias
        return output

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        input, weight, bias = inputs
        ctx.save_for_backward(input, weight, bias)

    backward = staticmethod(LinearFunction.backward)


class MulConstant(Function):
    @staticmethod
    def forward(tensor: Any, constant: Any) -> Any:
        return tensor * constant

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        _, constant = inputs
        ctx.set_materialize_grads(False)
        ctx.constant = constant

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        if grad_output is None:
            return None, None
        return grad_output * ctx.constant, None


class Exp(Function):
    @staticmethod
    def forward(ctx: Any, i: Any) -> Any:
        result = i.exp()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        (result,) = ctx.saved_tensors
        return grad_output * result


class Square(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, grad_out: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad_out * 2 * x


class MyCube(Function):
    """Its derivative is an output, so that it need not be computed again in backward."""

    @staticmethod
    def forward(x: Any) -> Any:
        dx = 3 * x**2
        return x**3, dx

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        (x,) = inputs
        _, dx = output
        ctx.save_for_backward(x, dx)

    @staticmethod
    def backward(ctx: Any, grad_output: Any, grad_dx: Any) -> Any:
        x, dx = ctx.saved_tensors
        return grad_output * dx + grad_dx * 6 * x


def cube(x: Any) -> Any:
    return MyCube.apply(x)[0]


@pytest.mark.parametrize("linear", [LinearFunction, LinearWithSetup])
def test_linear(linear: Any) -> None:
    x, w, b = Value(2.0), Value(3.0), Value(5.0)
    y = linear.apply(x, w, b)
    y.backward()
    assert (y.data, x.grad, w.grad, b.grad) == (11.0, 3.0, 2.0, 1.0)
    assert hessian(lambda v: linear.apply(*v) ** 2)([2.0, 3.0, 5.0]) == hessian(
        lambda v: (v[0] * v[1] + v[2]) ** 2
    )([2.0, 3.0, 5.0])
    w.grad = 0
    linear.apply(2.0, w, None).backward()
    assert w.grad == 2.0
    assert gradcheck(lambda x, w, b: linear.apply(x, w, b), 2.0, 3.0, 5.0)


def test_linear_without_its_bias_gives_a_gradient_too_many() -> None:
    x, w = Value(2.0), Value(3.0)
    LinearFunction.apply(x, w).backward()
    assert (x.grad, w.grad) == (3.0, 2.0)
    assert grad(grad(lambda x: LinearFunction.apply(x, x)))(7.0) == 2.0


def test_a_constant() -> None:
    x = Value(2.0)
    y = MulConstant.apply(x, 5.0)
    y.backward()
    assert (y.data, x.grad) == (10.0, 5.0)
    assert grad(grad(lambda x: MulConstant.apply(x, 5.0) ** 2))(2.0) == 50.0


def test_exp_whose_forward_calls_a_method() -> None:
    f: Any = Exp.apply
    for _ in range(4):
        assert f(0.5) == f(Value(0.5)).data == math.exp(0.5)
        f = grad(f)
    x = Value(Fraction(0))
    Exp.apply(x).backward()
    assert x.grad == Exp.apply(Fraction(0)) == 1
    assert gradcheck(Exp.apply, 0.5)


@pytest.mark.parametrize("x", [3.0, 3, Fraction(3), Decimal(3)])
def test_square_and_cube_to_third_order(x: Any) -> None:
    assert [grad(Square.apply)(x), grad(grad(Square.apply))(x)] == [6, 2]
    assert [cube(x), grad(cube)(x), grad(grad(cube))(x), grad(grad(grad(cube)))(x)] == [
        *(27, 27, 18, 6)
    ]
    assert hvp(cube, (x,), (2,)) == 36
    assert jvp(grad(cube), (x,), (1,)) == (27, 18)
    for kind in (type(grad(cube)(x)), type(grad(grad(cube))(x))):
        assert kind is type(x)


def test_the_gradient_by_an_output_that_was_not_used() -> None:
    seen: list[Any] = []

    def backward(ctx: Any, *gs: Any) -> Any:
        seen.append(gs)
        return sum(g for g in gs if g is not None)

    def materialized(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 1, x * 1

    def not_materialized(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 1, x * 1

    for forward, unused in ((materialized, 0), (not_materialized, None)):
        seen.clear()
        x = Value(Fraction(2))
        first, _ = single(forward, backward).apply(x)
        first.backward()
        first.backward(create_graph=True)
        assert len(seen) > 1
        assert all(gs == (1, unused) for gs in seen)
        assert {type(g) for g in seen[0]} <= {Fraction, type(None)}


# --- outputs without a derivative ---------------------------------------------------------------


class Sorted(Function):
    """The larger of two numbers, and its place, which has no derivative."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        larger, place = (a, 0) if a >= b else (b, 1)
        ctx.mark_non_differentiable(place)
        ctx.save_for_backward(a, b)
        ctx.place = place
        return larger, place

    @staticmethod
    def backward(ctx: Any, g: Any, nothing: Any) -> Any:
        assert nothing == 0
        return (g, None) if ctx.place == 0 else (None, g)


@pytest.mark.parametrize("kind", [int, float])
def test_an_output_marked_as_non_differentiable(kind: Any) -> None:
    a, b = Value(kind(3)), Value(kind(5))
    larger, place = Sorted.apply(a, b)
    y = larger * larger + 100 * place
    y.backward()
    assert (y.data, a.grad, b.grad, place.grad) == (125, 0, 10, 100)
    place.backward()
    assert (a.grad, b.grad) == (0, 10)

    def f(v: Any) -> Any:
        larger, place = Sorted.apply(*v)
        return larger * larger + 100 * larger * place

    assert hessian(f)([kind(3), kind(5)]) == [[0, 0], [0, 2]]
    assert jvp(f, ([kind(3), kind(5)],), ([7, 1],)) == (525, 110)
    # After the inputs have changed places, the graph that is run again has no stale place.
    a.data = kind(7)
    assert y.forward() == 49
    a.grad = b.grad = 0
    y.backward()
    assert (a.grad, b.grad) == (14, 0)


def test_only_outputs_are_marked() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_non_differentiable(x + 1)
        return x + 1

    with pytest.raises(ValueError, match=r"Custom\.forward marked 3\.0 .*none of its outputs"):
        single(forward, lambda ctx, g: g).apply(Value(2.0))


def test_equal_ints_of_which_one_is_marked() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        n = len("abc")
        ctx.mark_non_differentiable(n)
        return n, 3

    with pytest.raises(TypeError, match=r"which of its outputs the 3 .* cannot be told.*floats"):
        single(forward, lambda ctx, g, h: g).apply(Value(2.0))


def test_a_single_output_may_be_marked() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 1
        ctx.mark_non_differentiable(y)
        return y

    x = Value(2.0)
    y = single(forward, lambda ctx, g: 1 / 0).apply(x)
    (y * x).backward()
    assert (y.data, x.grad) == (2.0, 2.0)
    assert grad(grad(lambda x: x * single(forward, lambda ctx, g: 1 / 0).apply(x)))(2.0) == 0.0


# --- arguments ----------------------------------------------------------------------------------


class Scaled(Function):
    @staticmethod
    def forward(ctx: Any, x: Any, k: Any = 2.0) -> Any:
        ctx.save_for_backward(x)
        ctx.k = k
        return k * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * 2 * ctx.k * x, None


class ScaledWithSetup(Function):
    @staticmethod
    def forward(x: Any, k: Any = 2.0) -> Any:
        return k * x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, ctx.k = inputs
        ctx.save_for_backward(x)

    backward = staticmethod(Scaled.backward)


@pytest.mark.parametrize("scaled", [Scaled, ScaledWithSetup])
def test_arguments_left_at_their_defaults(scaled: Any) -> None:
    for args, k in (((), 2.0), ((5.0,), 5.0)):
        x = Value(3.0)
        y = scaled.apply(x, *args)
        y.backward()
        assert (y.data, x.grad) == (9 * k, 6 * k)
        assert grad(grad(lambda x, args=args: scaled.apply(x, *args)))(3.0) == 2 * k
        x.data = 1.0
        assert y.forward() == k
    assert scaled.apply(3.0) == 18.0


@pytest.mark.parametrize("extra", [(), (None,), (None, None, None)])
def test_none_past_the_end_is_no_gradient(extra: Any) -> None:
    custom = single(lambda ctx, a, b: a * b, lambda ctx, g: (g, g, *extra))
    a, b = Value(2.0), Value(3.0)
    custom.apply(a, b).backward()
    assert (a.grad, b.grad) == (1.0, 1.0)


def test_a_gradient_past_the_end_is_an_error() -> None:
    custom = single(lambda ctx, x, k=2.0: k * x, lambda ctx, g: (g, g))
    with pytest.raises(ValueError, match=r"Custom\.backward must .* the 1 inputs.* returned 2"):
        custom.apply(Value(1.0)).backward()


@pytest.mark.parametrize("returned", [3.0, Value(3.0), Fraction(1, 2), "text"])
def test_a_gradient_for_a_plain_number_is_dropped(returned: Any) -> None:
    custom = single(lambda ctx, x, k: k * x, lambda ctx, g: (g * 2, returned))
    x = Value(5.0)
    y = custom.apply(x, 2.0)
    y.backward()
    assert x.grad == 2.0
    y.backward(create_graph=True)
    assert grad(lambda x: custom.apply(x, 2.0))(5.0) == 2.0
    assert jvp(lambda x: custom.apply(x, 2.0), (5.0,), (1.0,)) == (10.0, 2.0)
    assert not isinstance(returned, Value) or returned.grad == 0


@pytest.mark.parametrize("custom", [Scaled, ScaledWithSetup])
def test_keyword_arguments_are_refused(custom: Any) -> None:
    words = rf"{custom.__name__}\.apply takes no keyword arguments: give k by position"
    with pytest.raises(TypeError, match=words):
        custom.apply(Value(1.0), k=3.0)


def test_setup_context_must_be_static() -> None:
    class Plain(MulConstant):
        def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def,override]
            pass

    with pytest.raises(TypeError, match=r"Plain\.setup_context must be static: put @staticmethod"):
        Plain.apply(Value(1.0), 2.0)


def test_a_wrong_number_of_arguments_is_forwards_own_error() -> None:
    for custom in (Scaled, ScaledWithSetup):
        for args in ((), (1.0, 2.0, 3.0), (Value(1.0), 2.0, Value(3.0))):
            with pytest.raises(TypeError, match=r"forward\(\) (missing|takes)"):
                custom.apply(*args)


# --- differentiable once ------------------------------------------------------------------------


class OnceSin(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.x = x
        return math.sin(x), 2 * x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        """Return g cos(x) + 2h."""
        return g * math.cos(ctx.x) + 2 * h  # of plain numbers, always


def once_sin(x: Any) -> Any:
    y, z = OnceSin.apply(x)
    return y * z


def test_once_differentiable_gives_first_derivatives_of_every_kind() -> None:
    slope = 2 * math.cos(1.0) + 2 * math.sin(1.0)
    x = Value(1.0)
    once_sin(x).backward()
    assert x.grad == pytest.approx(slope)
    assert grad(once_sin)(1.0) == jvp(once_sin, (1.0,), (1.0,))[1] == pytest.approx(slope)
    assert grad(once_sin)(x).data == pytest.approx(slope)
    x.grad = 0
    once_sin(x).backward(create_graph=True)
    assert x.grad.data == pytest.approx(slope)
    gradient = x.grad
    x.data = 0.5
    assert gradient.forward() == pytest.approx(math.cos(0.5) + 2 * math.sin(0.5))
    assert OnceSin.backward.__doc__ == "Return g cos(x) + 2h."
    assert scalargrad.custom.function.once_differentiable is once_differentiable


def test_once_differentiable_lets_derivatives_by_others_through() -> None:
    def f(x: Any, w: Any) -> Any:
        return w * OnceSin.apply(x)[1]

    assert grad(f, 1)(1.0, 5.0) == 2.0
    # Its result by its cotangent is not known to be linear.
    with pytest.raises(TypeError, match="OnceSin cannot be differentiated twice"):
        grad(grad(f), 1)(1.0, 5.0)


@pytest.mark.parametrize(
    "twice",
    [
        lambda: grad(grad(once_sin))(1.0),
        lambda: hessian(once_sin)(1.0),
        lambda: hvp(once_sin, (1.0,), (1.0,)),
        lambda: jvp(grad(once_sin), (1.0,), (1.0,)),
        lambda: grad(lambda x: jvp(once_sin, (x,), (1.0,))[1])(1.0),
    ],
)
def test_once_differentiable_is_not_differentiated_twice(twice: Any) -> None:
    words = r"OnceSin cannot be differentiated twice: .*once_differentiable; write it in arithmetic"
    with pytest.raises(TypeError, match=words):
        twice()


# --- a backward that reads numbers --------------------------------------------------------------


def reading(read: Any) -> Any:
    def forward(ctx: Any, x: Any) -> Any:
        y = x * x
        ctx.save_for_backward(x, y)
        ctx.x = x
        return y

    return single(forward, lambda ctx, g: read(ctx, g))


def number(x: Any) -> Any:
    return x.data if isinstance(x, Value) else x


READINGS = [
    lambda ctx, g: g * 2 * number(ctx.saved_values[0]),
    lambda ctx, g: g * 2 * number(ctx.x),
    lambda ctx, g: number(g) * 2 * ctx.saved_values[0],
    lambda ctx, g: g * 2 * number(ctx.saved_values[1]) / ctx.x,
    lambda ctx, g: g * 2 * number(ctx.x + 0),
    lambda ctx, g: (g * 2 * ctx.x, getattr(g, "grad", 0))[0],
    lambda ctx, g: g * 2 * (float(f"{ctx.x:.17g}") if isinstance(ctx.x, Value) else ctx.x),
]


@pytest.mark.parametrize("read", READINGS)
def test_a_backward_that_reads_numbers_is_refused_for_second_derivatives(read: Any) -> None:
    f = reading(read).apply
    x = Value(3.0)
    f(x).backward()
    assert (x.grad, grad(f)(3.0), jvp(f, (3.0,), (1.0,))) == (6.0, 6.0, (9.0, 6.0))
    words = (
        r"(?s)Custom\.backward reads or sets \.data or \.grad .*arithmetic.*@once_differentiable"
    )
    refused: list[Any] = [
        lambda: f(Value(3.0)).backward(create_graph=True),
        lambda: grad(grad(f))(3.0),
        lambda: hessian(f)(3.0),
        lambda: hvp(f, (3.0,), (1.0,)),
        lambda: grad(lambda x: jvp(f, (x,), (1.0,))[1])(3.0),
    ]
    for twice in refused:
        with pytest.raises(TypeError, match=words):
            twice()
    # And nothing of that is left in force.
    assert x.data == 3.0


def test_a_backward_may_branch_on_its_values() -> None:
    f = reading(lambda ctx, g: g * 2 * ctx.x if ctx.x > 0 and g else -g).apply
    assert (grad(grad(f))(3.0), grad(grad(f))(-3.0)) == (2.0, 0.0)


def test_a_backward_may_use_transforms_and_functions() -> None:
    f = reading(lambda ctx, g: g * grad(lambda x: sin(x) * Square.apply(x))(ctx.x)).apply
    second = grad(grad(f))(0.5)
    # the derivative of 2 x sin x + x^2 cos x
    x = 0.5
    assert second == pytest.approx((2 - x * x) * math.sin(x) + 4 * x * math.cos(x))
    assert cos(0.0) == exp(0.0)
