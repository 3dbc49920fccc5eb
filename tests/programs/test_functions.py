"""Functions in compiled programs: opaque calls that give what they give eagerly."""

from __future__ import annotations

import math
import pickle
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalargrad import (
    Function,
    Value,
    compile,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    once_differentiable,
    value_and_grad,
)
from scalargrad.transforms.nesting import flatten
from tests.own_functions import ExpAndDouble, MultiplyAdd, mixture, quadratics, single


@given(drawn=quadratics(), used=st.lists(st.booleans(), min_size=3, max_size=3))
def test_compiled_a_function_gives_what_it_gives_eagerly(drawn: Any, used: Any) -> None:
    quadratic, xs = drawn
    _, through = quadratic.calls()
    places = tuple(i for i, plain in enumerate(quadratic.plain) if not plain)
    varied = [xs[i] for i in places]
    everything = tuple(range(len(places)))

    def outputs(*moving: Any) -> Any:
        args = list(xs)
        for i, x in zip(places, moving, strict=True):
            args[i] = x
        return through(*args)

    def y(*moving: Any) -> Any:
        return mixture(outputs(*moving), used)

    for f in (outputs, jacobian(outputs, everything), value_and_grad(y, everything)):
        compiled = compile(f)
        # Traced at one point, and run there and at another.
        for point in (varied, [x + 1 for x in varied]):
            assert compiled(*point) == f(*point)

    leaves = [Value(x) for x in varied]
    if not isinstance(y(*leaves), Value):
        return  # backward says that it reaches no Value
    captured = compile(lambda: y(*leaves))
    assert captured.backward() == y(*varied)
    assert [x.grad for x in leaves] == list(grad(y, everything)(*varied))


def test_compiled_several_outputs_share_one_backward_call() -> None:
    def f(x: Any) -> Any:
        a, b = ExpAndDouble.apply(x)
        return a * b + b * 3

    compiled = compile(value_and_grad(f))
    compiled(1.0)
    ExpAndDouble.calls.clear()
    assert compiled(0.0) == (8.0, 10.0)
    assert ExpAndDouble.calls == [(2.0, 4.0)]


def test_compiled_calls_of_one_function_share_its_name() -> None:
    def f(w: Any, b: Any) -> Any:
        return sum(MultiplyAdd.apply(w, float(k), b) for k in range(3))

    compiled = compile(grad(f))
    assert compiled(2.0, 1.0) == 3.0
    text = " ".join(compiled.source.split())
    assert [text.count(f" MultiplyAdd(w, {k}.0, b)") for k in range(3)] == [1, 1, 1]


def test_a_function_with_the_name_of_an_argument() -> None:
    def f(MultiplyAdd_backward: Any, MultiplyAdd: Any) -> Any:
        return globals()["MultiplyAdd"].apply(MultiplyAdd_backward, MultiplyAdd, 1.0)

    assert compile(grad(f, (0, 1)))(2.0, 3.0) == (3.0, 2.0)


def test_a_pickled_program_calls_its_functions() -> None:
    compiled = compile(value_and_grad(partial(MultiplyAdd.apply, 2.0)))
    assert compiled(3.0, 1.0) == (7.0, 2.0)
    assert pickle.loads(pickle.dumps(compiled))(5.0, 1.0) == (11.0, 2.0)


@given(st.floats(-3, 3), st.floats(-3, 3))
@settings(max_examples=20)
def test_compiled_derivatives_of_a_call_of_any_order_and_mode(x: float, y: float) -> None:
    def f(x: Any, y: Any) -> Any:
        a, b = ExpAndDouble.apply(x * y)
        return a * b + MultiplyAdd.apply(x, y, a)

    second = hessian(f, (0, 1))
    third = grad(lambda x, y: second(x, y)[0][1])
    for derivative in (
        second,
        third,
        grad(f),
        grad(f, 1),
        lambda x, y: jvp(f, (x, y), (1.0, y)),
        lambda x, y: jvp(grad(f), (x, y), (y, 2.0)),
        lambda x, y: hvp(f, (x, y), (1.0, 0.5)),
    ):
        assert flatten(compile(derivative)(x, y))[0] == pytest.approx(
            flatten(derivative(x, y))[0], rel=1e-12, abs=1e-12
        )


def test_a_backward_for_once_is_refused_when_it_is_differentiated_twice() -> None:
    class Once(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_values
            return g * 2 * x

    assert compile(grad(Once.apply))(3.0) == 6.0
    with pytest.raises(TypeError, match="once_differentiable"):
        compile(grad(grad(Once.apply)))(3.0)


def test_an_error_in_a_compiled_call_names_the_function_and_its_inputs() -> None:
    custom = single(lambda ctx, x: math.sqrt(x), lambda ctx, g: g / math.sin(0.0))
    compiled = compile(lambda p: custom.apply(p))
    assert compiled(4.0) == 2.0
    with pytest.raises(ValueError, match=re.escape("Custom(p=-1.0)")):
        compiled(-1.0)
    with pytest.raises(ZeroDivisionError, match=r"Custom_backward"):
        compile(grad(lambda p: custom.apply(p)))(1.0)
