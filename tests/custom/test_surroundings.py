"""A Function within what surrounds it: transforms, contexts, other kinds of number, programs."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from scalargrad import (
    Function,
    Value,
    cos,
    exp,
    grad,
    hessian,
    hvp,
    hypot,
    jacobian,
    jvp,
    no_grad,
    once_differentiable,
    sin,
    value_and_grad,
)
from scalargrad.custom.copies import distinct, plain
from scalargrad.custom.function import FunctionOp, function_op, run_backward
from scalargrad.engine.context import in_trace
from scalargrad.engine.op import Op
from scalargrad.engine.tracer import Tracer
from scalargrad.transforms.pullbacks import Outputs, Pullback, Pushforward
from tests.own_functions import ExpAndDouble, MultiplyAdd, single


class Root(Function):
    """The y at which y**3 + y = x, found by Newton's method, which differentiates for itself."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = 1.0
        for _ in range(60):
            value, slope = value_and_grad(lambda y: y**3 + y - x)(y)
            assert type(value) is float
            assert type(slope) is float
            y -= value / slope
        by_backward = Value(y)
        (by_backward**3 + by_backward).backward()
        assert by_backward.grad == pytest.approx(3 * y * y + 1)
        assert jvp(lambda y: y * y, (y,), (1.0,)) == (y * y, 2 * y)
        assert hessian(lambda y: y**3)(y) == pytest.approx(6 * y)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_values
        return g / grad(lambda y: y**3 + y)(y)


# y(10) = 2; y' = 1 / (3 y^2 + 1), y'' = -6 y y'^3
FIRST, SECOND = 1 / 13, -12 / 13**3


def test_a_solver_that_differentiates_within_forward() -> None:
    root: Any = Root.apply
    x = Value(10.0)
    y = root(x)
    y.backward()
    assert (y.data, x.grad) == (pytest.approx(2), pytest.approx(FIRST))
    assert type(grad(root)(10.0)) is float
    assert grad(root)(10.0) == pytest.approx(FIRST)
    assert jvp(root, (10.0,), (1.0,)) == (pytest.approx(2), pytest.approx(FIRST))
    for second in (
        grad(grad(root))(10.0),
        hessian(root)(10.0),
        hvp(root, (10.0,), (1.0,)),
        jvp(grad(root), (10.0,), (1.0,))[1],
        grad(lambda x: jvp(root, (x,), (1.0,))[1])(10.0),
        jacobian(jacobian(root))(10.0),
    ):
        assert second == pytest.approx(SECOND)
    y.backward(create_graph=True)
    with no_grad():
        assert root(x).data == pytest.approx(2)
    x.data = 2.0
    assert y.forward() == pytest.approx(1)
    # A backward pass of numbers within a function that is being differentiated.
    assert grad(lambda x: x * inner_slope(root))(3.0) == pytest.approx(FIRST)


def inner_slope(root: Callable[[Any], Any]) -> Any:
    x = Value(10.0)
    root(x).backward()
    assert type(x.grad) is float
    return x.grad


def test_a_failing_forward_leaves_the_transform_as_it_was() -> None:
    failing = single(lambda ctx, x: math.log(-1.0), lambda ctx, g: g)

    def f(x: Any) -> Any:
        with pytest.raises(ValueError, match="math domain"):
            failing.apply(x)
        # Were the outer transform forgotten, this would come out as a plain number.
        assert isinstance(grad(lambda y: sin(y) * x)(2.0), Value)
        return x * x

    assert grad(grad(f))(3.0) == 2.0


def test_forward_and_backward_run_in_no_context_of_the_callers() -> None:
    contexts = []

    def recorded(x: float) -> bool:
        w = Value(x)
        contexts.append(bool((w * w).parents))
        return contexts[-1]

    def forward(ctx: Any, x: Any) -> Any:
        assert recorded(x)
        return 2.0 * x

    def backward(ctx: Any, g: Any) -> Any:
        assert recorded(1.0)
        return 2.0 * g

    custom = single(forward, backward)
    x = Value(1.0)
    with no_grad():
        y = custom.apply(x)
        assert y.parents == ()
        assert custom.apply(1.0) == 2.0
        assert (x * x).parents == ()
    y = custom.apply(x)
    with no_grad():
        y.backward()
        assert y.forward() == 2.0
    assert (x.grad, contexts) == (2.0, [True] * 5)


def test_a_graph_of_gradients_within_no_grad_is_cut_off() -> None:
    x = Value(3.0)
    for y, slope in ((MultiplyAdd.apply(x, x, 1.0), 6.0), (MultiplyAdd.apply(x, 2.0, 1.0), 2.0)):
        x.grad = None
        with no_grad():
            y.backward(create_graph=True)
        assert (x.grad.data, x.grad.parents) == (slope, ())


def test_a_trace_gets_the_call() -> None:
    calls = []

    class Calls:
        def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
            assert isinstance(op, FunctionOp)
            calls.append((op.function_class, op.wanted, inputs))
            return "the result"

    w = Value(2.0)
    with in_trace(Calls()):
        assert MultiplyAdd.apply(w, 3.0, 1.0) == "the result"
        assert MultiplyAdd.apply(2.0, 3.0, 1.0) == 7.0
    assert calls == [(MultiplyAdd, (True, False, False), (w, 3.0, 1.0))]


def test_a_tangent_that_does_not_reach_a_call() -> None:
    w = Value(2.0)
    assert jvp(lambda x: x + MultiplyAdd.apply(w, w, 1.0), (3.0,), (1.0,)) == (8.0, 1.0)
    assert jvp(lambda x: x + hypot(w, 3.0, 6.0), (3.0,), (1.0,)) == (10.0, 1.0)
    assert hvp(lambda x: x * x * ExpAndDouble.apply(w * 0)[1], (3.0,), (1.0,)) == 4.0


def test_exact_numbers_stay_exact_and_plain() -> None:
    third = single(lambda ctx, x: x / 3, lambda ctx, g: g / 3)
    one = Fraction(1)
    found = [grad(third.apply)(one), jvp(third.apply, (one,), (one,))[1]]
    assert (found, {type(x) for x in found}) == ([Fraction(1, 3)] * 2, {Fraction})
    assert jvp(grad(lambda x: x * third.apply(x)), (one,), (1,)) == (Fraction(2, 3), Fraction(2, 3))

    def forward(ctx: Any, x: Any, k: Any) -> Any:
        ctx.k = k + 0
        return x * k

    x = Value(2.0)
    for k in (3, 3.0, Fraction(3)):
        x.grad = None
        single(forward, lambda ctx, g: (g * ctx.k, None)).apply(x, k).backward(create_graph=True)
        assert [type(number) for number in x.grad.operands] == [Value, type(k)]


# --- the op -------------------------------------------------------------------------------------


def test_a_class_has_one_op_for_each_pattern_of_values() -> None:
    x = Value(1.0)
    calls = [MultiplyAdd.apply(x, 1.0, 2.0)._first for _ in range(2)]
    assert calls[0]._op is calls[1]._op is function_op(MultiplyAdd, (True, False, False))
    assert calls[0]._op.function_class is MultiplyAdd
    assert calls[0]._op is not function_op(MultiplyAdd, (True, True, False))

    class Derived(MultiplyAdd):
        pass

    other = Derived.apply(x, 1.0, 2.0)._first._op
    assert (other.function_class, other is calls[0]._op) == (Derived, False)
    assert ExpAndDouble.apply(x)[1]._op is ExpAndDouble.apply(x)[1]._op
    for op in (calls[0]._op, ExpAndDouble.apply(x)[1]._op):
        assert pickle.loads(pickle.dumps(op)) is copy.deepcopy(op) is op


def test_gradients_are_set_on_no_call() -> None:
    x = Value(1.0)
    a, b = ExpAndDouble.apply(x)
    for create_graph in (True, False):
        (a * b).backward(create_graph=create_graph)
        call = a._first
        assert type(call._grad) is not Value
        assert isinstance(x.grad, Value) is create_graph
        x.grad = a.grad = None
    (a * b + a + b).backward(inputs=[a, x])
    assert a.grad == pytest.approx(2 * math.e + 1)
    assert x.grad == pytest.approx(4 * math.e**2 + 3 * math.e)


def test_runs_and_results_are_not_pickled() -> None:
    y = MultiplyAdd.apply(Value(1.0), 2.0, 3.0)
    with pytest.raises(TypeError, match=r"result of an op \(MultiplyAdd\)"):
        pickle.dumps(y)
    with pytest.raises(TypeError, match=r"<a run of MultiplyAdd> is not copied or pickled"):
        copy.deepcopy(y._first._data)


def test_copies_of_numbers_calculate_pickle_and_fail_as_the_numbers_do() -> None:
    for x in (2, 2.5, Fraction(1, 3)):
        mine = distinct(x)
        assert (repr(mine), hash(mine), mine) == (repr(x), hash(x), x)
        assert mine is not distinct(x)
        for same in (pickle.loads(pickle.dumps(mine)), copy.deepcopy(mine), plain(mine)):
            assert (type(plain(same)), same) == (type(x), x)
        assert (mine * 2 - 1) ** 2 == (x * 2 - 1) ** 2
        with pytest.raises(
            AttributeError, match=f"'{type(x).__name__}' object has no attribute 'no"
        ):
            _ = mine.nothing
    assert (type(distinct(3) * distinct(4)), distinct(3) ** -1) == (type(distinct(1)), 3**-1)
    with pytest.raises(TypeError, match="unsupported operand"):
        distinct(3) + "text"


# --- another kind of number ---------------------------------------------------------------------


class Dual(Tracer):
    """a + a' e, with e**2 = 0: numbers a and a' of any kind. It knows the rules, and no more."""

    __slots__ = ("number", "slope")
    priority = 5

    def __init__(self, number: Any, slope: Any) -> None:
        self.number, self.slope = number, slope

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        numbers = tuple(x.number if isinstance(x, Dual) else x for x in inputs)
        slopes = [x.slope if isinstance(x, Dual) else None for x in inputs]
        y = op.function(*numbers) if hasattr(op, "function") else op.forward(*numbers)
        moves = [m for m in op.derivatives(slopes, y, numbers) if m is not None]
        return Dual(y, sum(moves[1:], moves[0]) if moves else 0.0)

    @staticmethod
    def call(op: Op, inputs: tuple[Any, ...]) -> Any:
        assert isinstance(op, FunctionOp)
        return op.through(inputs, [number_in(x) for x in inputs])


def number_in(x: Any) -> Any:
    while isinstance(x, Dual):
        x = x.number
    return x.data if isinstance(x, Value) else x


class Twisted(Function):
    """sin(x) y and cos(x), with saved outputs, inputs and a constant."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, k: Any) -> Any:
        s, c = math.sin(x) * y, k * math.cos(x)
        ctx.save_for_backward(s, y)
        ctx.k, ctx.c = k, [c]
        return s, c

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        s, y = ctx.saved_values
        (c,) = ctx.c
        return g * y * c / ctx.k - h * ctx.k * s / y, g * s / y, None


def twisted(x: Any, y: Any) -> Any:
    a, b = Twisted.apply(x, y, 3.0)
    return a * b + a


def by_hand(x: Any, y: Any) -> Any:
    return sin(x) * y * (3 * cos(x)) + sin(x) * y


def test_another_kind_of_number_goes_through_backward() -> None:
    y = twisted(Dual(0.5, 1.0), Dual(2.0, 0.0))
    assert y.number == pytest.approx(by_hand(0.5, 2.0))
    assert y.slope == pytest.approx(grad(by_hand)(0.5, 2.0))
    # Duals of Duals: the second derivative. And of Values.
    nested = twisted(Dual(Dual(0.5, 1.0), 1.0), 2.0)
    assert nested.slope.slope == pytest.approx(grad(grad(by_hand))(0.5, 2.0))
    slope = grad(lambda x: twisted(Dual(x, 1.0), 2.0).slope)
    assert slope(0.5) == pytest.approx(grad(grad(by_hand))(0.5, 2.0))
    assert grad(slope)(0.5) == pytest.approx(grad(grad(grad(by_hand)))(0.5, 2.0))
    one = MultiplyAdd.apply(Dual(Fraction(2), 1), 3, 1)
    assert (one.number, one.slope) == (7, 3)


def test_another_kind_of_number_and_outputs_without_a_derivative() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        sign = math.copysign(1.0, x)
        ctx.mark_non_differentiable(sign)
        ctx.sign = sign
        return x * sign, sign

    custom = single(forward, lambda ctx, g, h: g * ctx.sign if h == 0 else 1 / 0)
    size, sign = custom.apply(Dual(-3.0, 1.0))
    assert (size.number, size.slope, sign.number, sign.slope) == (3.0, -1.0, -1.0, 0)

    once = single(lambda ctx, x: 2 * x, once_differentiable(lambda ctx, g: 2 * g))
    with pytest.raises(TypeError, match=r"Custom cannot be differentiated twice: .*once_differ"):
        once.apply(Dual(1.0, 1.0))


def test_a_kind_of_number_that_does_not_know_functions() -> None:
    class Unknowing(Tracer):
        pass

    with pytest.raises(TypeError, match=r"MultiplyAdd is a Function, which takes .*`primitive`"):
        MultiplyAdd.apply(Unknowing(), 2.0, Value(3.0))


# --- calls in numbers, for programs -------------------------------------------------------------


def test_runs_in_numbers() -> None:
    run = pickle.loads(pickle.dumps(function_op(ExpAndDouble, (True,)))).forward(1.0)
    assert run.outputs() == (run[0], run[1]) == (math.e, 2 * math.e)
    assert run_backward(run, 1.0, 10.0) == [21 * math.e]
    run = function_op(MultiplyAdd, (True, False, True)).forward(2.0, 3.0, 1.0)
    assert (run.outputs(), pickle.loads(pickle.dumps(run_backward))(run, 1.0)) == (
        7.0,
        [3.0, 0, 1.0],
    )


def test_derivatives_of_calls_in_numbers_to_any_order() -> None:
    call = Outputs(Twisted)
    wanted = (True, True, False)
    x = (0.5, 2.0, 3.0)
    assert call(*x) == (math.sin(0.5) * 2, 3 * math.cos(0.5))

    def outputs(x: Any, y: Any) -> Any:
        return sin(x) * y, 3 * cos(x)

    first = pickle.loads(pickle.dumps(Pullback(call, wanted)))
    gs = (1.0, 10.0)

    def slopes(x: Any, y: Any, g: Any, h: Any) -> Any:
        return g * y * cos(x) - 3 * h * sin(x), g * sin(x)

    assert first(*x, *gs) == pytest.approx(slopes(0.5, 2.0, *gs))
    second = Pullback(first, (True, True, False, True, True))
    assert all(type(s) is float for s in second(*x, *gs, 1.0, 0.0))

    def mixed(x: Any, y: Any, g: Any, h: Any, *seeds: Any) -> Any:
        return sum(s * r for s, r in zip(slopes(x, y, g, h), seeds, strict=True))

    for seeds in ((1.0, 0.0), (0.5, 2.0)):
        expected = grad(mixed, (0, 1, 2, 3))(0.5, 2.0, *gs, *seeds)
        assert second(*x, *gs, *seeds) == pytest.approx(expected)
    third = Pullback(second, (True, False, False, False, False, False, False))
    expected = grad(lambda x: grad(mixed, 0)(x, 2.0, *gs, 1.0, 0.5))(0.5)
    assert third(*x, *gs, 1.0, 0.5, 1.0, 0.0, 0.0, 0.0) == (pytest.approx(expected),)

    forward = Pushforward(call, wanted)
    assert forward(*x, 1.0, 5.0) == pytest.approx(jvp(outputs, (0.5, 2.0), (1.0, 5.0))[1])
    over = Pushforward(first, (True, True, False, True, True))
    assert over(*x, *gs, 1.0, 5.0, 0.0, 0.0) == pytest.approx(
        jvp(lambda x, y: slopes(x, y, *gs), (0.5, 2.0), (1.0, 5.0))[1]
    )
    back = Pullback(forward, (True, True, False, True, True))
    expected = grad(lambda *v: jvp(outputs, v[:2], v[2:])[1][0], (0, 1, 2, 3))(0.5, 2.0, 1.0, 5.0)
    assert back(*x, 1.0, 5.0, 1.0, 0.0) == pytest.approx(expected)


def test_derivatives_of_calls_keep_the_kind_of_number_and_see_one_value_twice() -> None:
    call = Outputs(MultiplyAdd)
    two = Fraction(2)
    found = Pullback(call, (True, True, True))(two, two, two, 1)
    assert (found, {type(x) for x in found}) == ((2, 2, 1), {Fraction})
    assert Pushforward(call, (True, True, False))(two, two, "b" and two, 1, 0) == (2,)
    x = Value(3.0)
    by_both = Pullback(call, (True, True, False))(x, x, 1.0, 1.0)
    assert [y.data for y in by_both] == [3.0, 3.0]
    (by_both[0] * by_both[0]).backward()
    assert x.grad == 6.0
    assert Pullback(lambda x: (5.0, x), (True,))(2.0, 1.0, 3.0) == (3.0,)
    assert Pullback(lambda x: (5 * x,) * 2, (True,))(2.0, 1.0, 3.0) == (20.0,)
    assert Pushforward(lambda x: (5.0, exp(x)), (True,))(0.0, 3.0) == (0.0, 3.0)
