"""Ops of one's own: to all appearances a Function is the arithmetic that it stands for."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import (
    Function,
    Value,
    exp,
    grad,
    gradcheck,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    vjp,
)
from scalargrad.testing import fractions
from tests.own_functions import (
    ExpAndDouble,
    MultiplyAdd,
    Quadratic,
    mixture,
    quadratics,
    single,
)


class Numpy(float):
    """A number as numpy has them: of a kind of its own, which its arithmetic keeps."""

    def __mul__(self, other: Any) -> Any:
        return self._of(float(self).__mul__, other)

    def __truediv__(self, other: Any) -> Any:
        return self._of(float(self).__truediv__, other)

    def __add__(self, other: Any) -> Any:
        return self._of(float(self).__add__, other)

    def __sub__(self, other: Any) -> Any:
        return self._of(float(self).__sub__, other)

    __rmul__, __radd__ = __mul__, __add__

    @staticmethod
    def _of(method: Any, other: Any) -> Any:
        result = method(float(other)) if isinstance(other, float) else method(other)
        return result if result is NotImplemented else Numpy(result)


def with_values(quadratic: Quadratic, xs: Sequence[Any]) -> tuple[list[Any], list[Value]]:
    """Return the arguments, Values where they are not plain, and those Values."""
    args = [x if plain else Value(x) for x, plain in zip(xs, quadratic.plain, strict=True)]
    return args, [x for x in args if isinstance(x, Value)]


@given(drawn=quadratics(), used=st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_function_is_the_arithmetic_that_it_stands_for(drawn: Any, used: Any) -> None:
    quadratic, xs = drawn
    results = []
    for f in quadratic.calls():
        args, leaves = with_values(quadratic, xs)
        outputs = f(*args)
        seen: list[Any] = [[y.data if isinstance(y, Value) else y for y in outputs]]
        y = mixture(outputs, used)
        if isinstance(y, Value):
            for _ in range(2):
                y.backward()
                seen.append([x.grad for x in leaves])
                for x in leaves:
                    x.data += 1
                    x.grad = 0
                seen.append(y.forward())
        results.append(seen)
    assert results[0] == results[1]


@given(drawn=quadratics(), used=st.lists(st.booleans(), min_size=3, max_size=3), data=st.data())
def test_derivatives_of_every_kind_go_through_a_function(drawn: Any, used: Any, data: Any) -> None:
    quadratic, xs = drawn
    places = tuple(i for i, plain in enumerate(quadratic.plain) if not plain)
    varied = [xs[i] for i in places]
    u = [data.draw(fractions()) for _ in places]
    results = []
    for f in quadratic.calls():

        def outputs(*moving: Any, f: Any = f) -> Any:
            args = list(xs)
            for i, x in zip(places, moving, strict=True):
                args[i] = x
            return f(*args)

        def y(*moving: Any, outputs: Any = outputs) -> Any:
            return mixture(outputs(*moving), used)

        count = len(outputs(*varied))
        everything = tuple(range(len(places)))
        results.append(
            [
                jacobian(outputs, everything)(*varied),
                hessian(y, everything)(*varied),
                jvp(outputs, varied, u),
                jvp(y, varied, u),
                hvp(y, varied, u),
                vjp(outputs, *varied)[1]([Fraction(k + 1, 3) for k in range(count)]),
                # To third order: the fourth vanishes for no output that is squared.
                grad(grad(grad(y)))(*varied),
            ]
        )
    assert results[0] == results[1]


@given(st.floats(-2, 2))
def test_saved_outputs_among_several_outputs(x: float) -> None:
    def through(x: Any) -> Any:
        a, b = ExpAndDouble.apply(x)
        return a * a * b + a

    def by_hand(x: Any) -> Any:
        a = exp(x)
        return a * a * (2 * a) + a

    for _ in range(4):
        assert through(x) == pytest.approx(by_hand(x), rel=1e-13)
        assert jvp(through, (x,), (1.0,)) == pytest.approx(jvp(by_hand, (x,), (1.0,)), rel=1e-13)
        through, by_hand = grad(through), grad(by_hand)


# --- several outputs, one call ------------------------------------------------------------------


def test_several_outputs_share_one_backward_call() -> None:
    x = Value(0.0)
    a, b = ExpAndDouble.apply(x)
    ExpAndDouble.calls.clear()
    # b's gradient is complete only after a's use of it.
    (a * b + b * 3 + a.exp() * b).backward()
    e = math.e
    assert ExpAndDouble.calls == [(2 + 2 * e, 1 + 3 + e)]
    assert x.grad == pytest.approx(2 + 2 * e + 2 * (4 + e))


def test_unused_outputs_have_gradient_zero() -> None:
    x = Value(0.0)
    a, b = ExpAndDouble.apply(x)
    ExpAndDouble.calls.clear()
    a.backward()
    b.backward(gradient=5)
    assert ExpAndDouble.calls == [(1.0, 0), (0, 5.0)]
    assert x.grad == 11.0
    assert (a.grad, b.grad) == (1.0, 5.0)


def test_many_outputs_take_linear_time_and_no_recursion() -> None:
    count = 5_000

    def forward(ctx: Any, x: Any) -> Any:
        return tuple(k * x for k in range(count))

    def backward(ctx: Any, *gs: Any) -> Any:
        return sum(k * g for k, g in enumerate(gs))

    many = single(forward, backward)
    x = Value(1.0)
    sum(many.apply(x)).backward()
    assert x.grad == count * (count - 1) / 2


def test_a_deep_chain_of_functions() -> None:
    y = x = Value(1.0)
    for _ in range(11_000):
        y = MultiplyAdd.apply(y, 1.0, x)
    y.backward()
    assert (y.data, x.grad) == (11_001.0, 11_001.0)
    x.data = 2.0
    assert y.forward() == 22_002.0
    del y


# --- one op -------------------------------------------------------------------------------------


def test_a_function_is_one_op_with_its_arguments_as_parents() -> None:
    w, x = Value(2.0, label="w"), Value(3.0, label="x")
    y = MultiplyAdd.apply(w, x, 1.0)
    assert (y.op, y.label, y.parents, y.operands) == ("MultiplyAdd", "", (w, x), (w, x, 1.0))
    a, b = ExpAndDouble.apply(w)
    for output in (a, b):
        assert type(output) is Value
        assert (output.op, output.parents, output.operands) == ("ExpAndDouble", (w,), (w,))
    assert repr(b) == f"Value(data={2 * math.exp(2.0)}, grad=0, op='ExpAndDouble')"


def test_numbers_alone_give_numbers() -> None:
    assert MultiplyAdd.apply(2, 3, 1) == 7
    assert type(MultiplyAdd.apply(2, 3, 1)) is int
    assert ExpAndDouble.apply(0) == (1.0, 2.0)
    with no_grad():
        assert type(MultiplyAdd.apply(2.0, 3.0, 1.0)) is float


def test_a_tuple_of_one_stays_a_tuple() -> None:
    one = single(lambda ctx, x: (2 * x,), lambda ctx, g: (2 * g,))
    x = Value(3.0)
    (y,) = one.apply(x)
    y.backward()
    assert (y.data, x.grad) == (6.0, 2.0)


def test_no_grad_gives_leaves() -> None:
    x = Value(1.0)
    with no_grad():
        outputs = (*ExpAndDouble.apply(x), MultiplyAdd.apply(x, x, 1.0))
    assert all(type(y) is Value and (y.op, y.parents) == ("", ()) for y in outputs)
    assert [y.data for y in outputs] == [math.e, 2 * math.e, 2.0]


@pytest.mark.parametrize("kind", [int, float, Fraction, Decimal])
def test_numbers_keep_their_kind(kind: Any) -> None:
    w, x = Value(kind(2)), Value(kind(3))
    same = single(lambda ctx, x: x, lambda ctx, g: g)
    y = same.apply(MultiplyAdd.apply(w, x, w))
    y.backward()
    assert (y.data, w.grad, x.grad) == (8, 4, 2)
    assert [type(z) for z in (y.data, w.grad, x.grad)] == [kind] * 3


def test_arguments_of_any_kind_and_other_attributes_on_ctx() -> None:
    marker = object()

    def forward(ctx: Any, x: Any, power: Any, *rest: Any) -> Any:
        assert rest == (marker, None, "text", [1, 2])
        ctx.save_for_backward(x, power, rest[2], None)
        ctx.power, ctx.twice = power, 2 * power
        return x**power

    def backward(ctx: Any, g: Any) -> Any:
        x, power, text, nothing = ctx.saved_values
        assert (text, nothing) == ("text", None)
        assert ctx.twice == 2 * ctx.power == 2 * power
        return g * power * x ** (power - 1), None, None, None, None, None

    custom = single(forward, backward)

    def f(x: Any) -> Any:
        return custom.apply(x, 3, marker, None, "text", [1, 2])

    assert [f(2.0), grad(f)(2.0), grad(grad(f))(2.0)] == [8.0, 12.0, 12.0]


def test_needs_input_grad_says_which_inputs_are_values() -> None:
    seen = []

    def forward(ctx: Any, *xs: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return 1.0

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return None, None, None

    custom = single(forward, backward)
    custom.apply(Value(1.0), 2.0, Value(3.0)).backward()
    custom.apply(1.0, 2.0, "text")
    assert seen == [(True, False, True)] * 2 + [(False, False, False)]


def test_none_for_a_value_is_no_gradient() -> None:
    custom = single(lambda ctx, a, b: a * b, lambda ctx, g: (None, g))
    a, b = Value(2.0), Value(3.0)
    custom.apply(a, b).backward()
    assert (a.grad, b.grad) == (0, 1.0)


def test_a_captured_value_in_backward_leaves_plain_gradients_plain() -> None:
    w = Value(5.0)
    custom = single(lambda ctx, x: 5.0 * x, lambda ctx, g: g * w)
    x = Value(2.0)
    custom.apply(x).backward()
    assert (type(x.grad), x.grad, w.grad) == (float, 5.0, 0)
    assert type(grad(custom.apply)(2.0)) is float


def test_a_function_may_use_another_and_be_inherited() -> None:
    class Halved(MultiplyAdd):
        @staticmethod
        def forward(ctx: Any, w: Any, x: Any, b: Any) -> Any:
            return super(Halved, Halved).forward(ctx, w, x, b) / 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return super(Halved, Halved).backward(ctx, g / 2)

    def square(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return MultiplyAdd.apply(x, x, 0.0)

    squared = single(square, lambda ctx, g: MultiplyAdd.apply(g, 2 * ctx.saved_values[0], 0.0))
    w = Value(2.0)
    y = Halved.apply(w, 3.0, 1.0)
    y.backward()
    assert (y.op, y.data, w.grad) == ("Halved", 3.5, 1.5)
    assert grad(grad(squared.apply))(3.0) == 2.0


# --- running again ------------------------------------------------------------------------------


def test_running_again_renews_what_was_saved_and_every_attribute() -> None:
    contexts = []

    def forward(ctx: Any, x: Any) -> Any:
        assert not hasattr(ctx, "double"), "a context of an earlier run"
        contexts.append(ctx)
        ctx.double = 2 * x
        ctx.save_for_backward(x)
        return x * x, -x

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        assert ctx.double == 2 * ctx.saved_values[0]
        return g * ctx.double - h

    custom = single(forward, backward)
    x = Value(3.0)
    a, b = custom.apply(x)
    y = a + b
    for point in (5.0, -1.0):
        x.data, x.grad = point, 0
        assert y.forward() == point * point - point
        y.backward()
        assert x.grad == 2 * point - 1
    assert len(contexts) == 3


def test_the_graph_of_a_gradient_runs_again() -> None:
    x = Value(1.0)
    a, b = ExpAndDouble.apply(x)
    (a * b).backward(create_graph=True)
    slope = x.grad
    for point in (0.5, -2.0):
        x.data = point
        assert slope.forward() == pytest.approx(4 * math.exp(2 * point), rel=1e-14)


# --- what saved values stand for ----------------------------------------------------------------


@pytest.mark.parametrize("kind", [int, float, Fraction])
def test_equal_inputs_are_told_apart(kind: Any) -> None:
    two = kind(2)
    a, b = Value(two), Value(two)
    y = MultiplyAdd.apply(a, b, two)
    y.backward(create_graph=True)
    assert (a.grad.parents[-1], b.grad.parents[-1]) == (b, a)
    assert hessian(lambda v: MultiplyAdd.apply(*v))([two, two, two]) == [
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 0],
    ]


def test_one_value_given_twice() -> None:
    assert grad(grad(lambda x: MultiplyAdd.apply(x, x, x)))(3.0) == 2.0


def test_an_input_kept_as_an_attribute_is_differentiated_too() -> None:
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        ctx.x, ctx.y, ctx.product = x, y, x * y
        return ctx.product

    custom = single(forward, lambda ctx, g: (g * ctx.y, g * ctx.product / ctx.y))
    assert hessian(lambda v: custom.apply(*v))([3.0, 5.0]) == [[0.0, 1.0], [1.0, 0.0]]


def test_a_constant_attribute_that_happens_to_equal_an_output_stays_one() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.factor, ctx.flag = 2, True
        return 2 * x

    custom = single(forward, lambda ctx, g: g * ctx.factor)
    assert grad(grad(lambda x: custom.apply(x)))(1) == 0


def test_equal_plain_arguments_may_be_saved() -> None:
    def forward(ctx: Any, x: Any, low: Any, high: Any) -> Any:
        ctx.save_for_backward(x, low, high)
        return x * x * low * high

    def backward(ctx: Any, g: Any) -> Any:
        x, low, high = ctx.saved_values
        return g * 2 * x * low * high, None, None

    one = 1.0
    assert grad(grad(lambda x: single(forward, backward).apply(x, one, one)))(3.0) == 2.0


def test_an_output_that_is_an_input_is_that_input() -> None:
    def forward(ctx: Any, x: Any, y: Any) -> Any:
        larger = max(x, y)
        ctx.save_for_backward(larger)
        return larger, x + y

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return (g if ctx.saved_values[0] > 4 else 0) * ctx.saved_values[0] + h, h

    custom = single(forward, backward)
    assert hessian(lambda v: custom.apply(*v)[0])([5.0, 3.0]) == [[1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("point", [2.0, 2, Fraction(2)])
def test_saving_what_is_neither_input_nor_output_is_refused_for_second_derivatives(
    point: Any,
) -> None:
    for kept in (lambda x: x + 1, lambda x: [x], lambda x: (x, x), lambda x: x > 1):

        def forward(ctx: Any, x: Any, y: Any, kept: Any = kept) -> Any:
            ctx.save_for_backward(kept(x))
            return 7 * x * y

        # y is 3, as x + 1 is: small ints are one object, and still told apart.
        custom = single(forward, lambda ctx, g: (g, g))
        y = custom.apply(Value(point), Value(type(point)(3)))
        y.backward()
        with pytest.raises(TypeError, match=r"Custom cannot be differentiated twice: it saved .*,"):
            y.backward(create_graph=True)


def test_what_cannot_be_told_is_refused_for_second_derivatives() -> None:
    # An int that was not computed from the inputs: any other 4 is the same object.
    def forward(ctx: Any, x: Any) -> Any:
        y = len(range(4))
        ctx.save_for_backward(y)
        return y, x * x

    custom = single(forward, lambda ctx, g, h: g)
    a, _ = custom.apply(Value(2))
    a.backward()
    with pytest.raises(TypeError, match=r"Custom cannot be differentiated twice here.* 4 .*floats"):
        a.backward(create_graph=True)


def test_an_int_computed_twice_is_not_the_output() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(2 * x)
        return 2 * x, x * x

    custom = single(forward, lambda ctx, g, h: g)
    a, _ = custom.apply(Value(2))
    with pytest.raises(TypeError, match=r"Custom cannot be differentiated twice: it saved 4, whi"):
        a.backward(create_graph=True)


@pytest.mark.parametrize("two", [2, True + 1, Decimal(2), Fraction(2), 2.0, Numpy(2)], ids=repr)
def test_saved_inputs_and_outputs_are_told_apart_whatever_the_kind(two: Any) -> None:
    """All inputs and outputs are one number, and yet each is itself."""

    def forward(ctx: Any, a: Any, b: Any, k: Any) -> Any:
        y, z = a * b / k if type(two) is not int else a * b // k, a + b - k
        ctx.save_for_backward(b, y, k, a, z)
        ctx.both = [a, {"b": (b,)}]
        ctx.k = k
        assert a == b == k == y == z
        return y, z, a

    def backward(ctx: Any, g: Any, h: Any, i: Any) -> Any:
        b, y, _, a, z = ctx.saved_values
        # y = ab/k by a is y/a, by b it is a/k; of z = a + b - k, times z/z, it is 1
        a_again, b_again = ctx.both[0], ctx.both[1]["b"][0]
        return g * y / a_again + h * z / z + i, g * a / ctx.k + h * b / b_again, None

    custom = single(forward, backward)

    def through(v: Any) -> Any:
        y, z, a = custom.apply(v[0], v[1], two)
        return y * y * z + a * a * y

    def by_hand(v: Any) -> Any:
        y, z = v[0] * v[1] / two, v[0] + v[1] - two
        return y * y * z + v[0] * v[0] * y

    assert grad(through)([two, two]) == grad(by_hand)([two, two])
    assert hessian(through)([two, two]) == hessian(by_hand)([two, two])
    third = jacobian(hessian(through))([two, two])
    assert third == jacobian(hessian(by_hand))([two, two])


def test_bools_and_enumerations_are_inputs_like_ints() -> None:
    class Small(IntEnum):
        TWO = 2

    assert grad(grad(lambda x: MultiplyAdd.apply(x, x, x)))(True) == 2
    a, b = Value(Small.TWO), Value(2)
    MultiplyAdd.apply(a, b, 1).backward(create_graph=True)
    assert (a.grad.parents[-1], b.grad.parents[-1]) == (b, a)


# --- errors, which name the class ---------------------------------------------------------------


def fails(custom: type[Function], *args: Any, kind: Any = TypeError, match: str) -> None:
    with pytest.raises(kind, match=match):
        custom.apply(*args)


@pytest.mark.parametrize("result", ["text", None, 1j, [1.0], Value(1.0), (1.0, None), ((1.0,),)])
def test_forward_must_return_numbers(result: Any) -> None:
    bad = result[-1] if isinstance(result, tuple) else result
    words = rf"Custom\.forward must return a real number or a tuple .*\({type(bad).__name__}\)"
    custom = single(lambda ctx, x: result, lambda ctx, g: g)
    fails(custom, Value(1.0), match=words)
    fails(custom, 1.0, match=words)


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_forward_and_backward_must_be_there_and_static(name: str) -> None:
    class Method(MultiplyAdd):
        pass

    def plain(ctx: Any, *args: Any) -> Any:
        return 1.0

    for method in (plain, classmethod(plain)):
        setattr(Method, name, method)
        fails(Method, Value(1.0), 2.0, 3.0, match=rf"Method\.{name} must be static: .*@staticmeth")

    class Missing(Function):
        pass

    setattr(Missing, "backward" if name == "forward" else "forward", staticmethod(plain))
    fails(Missing, Value(1.0), match=f"Missing must define {name}, with @staticmethod")


@pytest.mark.parametrize(
    ("returned", "kind", "words"),
    [
        ((1.0,), ValueError, r"must return one gradient for each of the 3 inputs.*; it returned 1"),
        ((1.0, 1.0, None, 0.5), ValueError, r"must return one gradient for.* inputs.* returned 4"),
        (1.0, ValueError, r"must return one gradient for each of the 3 inputs.*; it returned 1"),
        ((1.0, "a", None), TypeError, r"must return numbers; for input 1 it returned 'a' \(str\)"),
        ((1j, 1.0, None), TypeError, r"must return numbers; for input 0 .*1j \(complex\)"),
    ],
)
def test_backward_must_return_a_gradient_for_each_value(
    returned: Any, kind: Any, words: str
) -> None:
    custom = single(lambda ctx, a, b, c: a * b + c, lambda ctx, g: returned)

    def f(x: Any, y: Any) -> Any:
        return custom.apply(x, y, 1.0)

    y = f(Value(2.0), Value(3.0))
    for call in (
        y.backward,
        lambda: y.backward(create_graph=True),
        lambda: grad(f, (0, 1))(2.0, 3.0),
        lambda: jvp(f, (2.0, 3.0), (1.0, 1.0)),
    ):
        # The op and its inputs are named too.
        with pytest.raises(kind, match=rf"Custom\.backward {words}.*Custom\(2.0, 3.0, 1.0\)"):
            call()


def test_an_error_inside_names_the_function_and_its_inputs() -> None:
    custom = single(lambda ctx, x, y: math.log(x), lambda ctx, g: (1 / 0, None))
    fails(custom, Value(-1.0), "note", kind=ValueError, match=re.escape("Custom(-1.0, 'note')"))
    y = custom.apply(Value(1.0, label="a"), "note")
    with pytest.raises(ZeroDivisionError, match=r"the derivative of Custom\(a=1.0, 'note'\)"):
        y.backward()


def test_a_value_hidden_in_a_list_is_refused() -> None:
    custom = single(lambda ctx, xs: sum(xs), lambda ctx, g: None)
    fails(custom, [Value(1.0)], match=r"Custom\.forward must return a real number.*\(Value\)")


# --- memory -------------------------------------------------------------------------------------


def test_dropping_the_output_frees_the_graph_without_the_collector() -> None:
    def build(x: Any) -> Any:
        a, b = ExpAndDouble.apply(x)
        return MultiplyAdd.apply(a, b, x)

    gc.collect()
    gc.disable()
    try:
        for run in (
            lambda: build(Value(1.0)).backward(),
            lambda: build(Value(1.0)).forward(),
            lambda: grad(grad(build))(1.0),
            lambda: jvp(build, (1.0,), (1.0,)),
        ):
            run()
            assert gc.collect() == 0
    finally:
        gc.enable()


def test_gradcheck_of_a_function_of_several_outputs() -> None:
    class Twins(Function):
        @staticmethod
        def forward(ctx: Any, x: float) -> tuple[float, float]:
            return x, 2 * x

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g + 2 * h

    def second(x: Value) -> Any:
        return Twins.apply(x)[1]

    assert gradcheck(second, 1.0)
