"""Power series through Functions: the rule of each output is the Function's backward."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import TraceError, Value, compile, exp, grad, once_differentiable, sin, taylor
from scalargrad.testing import fractions
from tests.own_functions import ExpAndDouble, MultiplyAdd, mixture, quadratics, single


@given(drawn=quadratics(), used=st.lists(st.booleans(), min_size=3, max_size=3), data=st.data())
def test_the_series_is_that_of_the_arithmetic(drawn: Any, used: Any, data: Any) -> None:
    quadratic, xs = drawn
    places = [i for i, plain in enumerate(quadratic.plain) if not plain]
    direction = [data.draw(fractions()) for _ in places]
    found = []
    for f in quadratic.calls():

        def y(moving: Any, f: Any = f) -> Any:
            args = list(xs)
            for i, x in zip(places, moving, strict=True):
                args[i] = x
            return mixture(f(*args), used)

        found.append(taylor(y, [xs[i] for i in places], 5, direction))
    assert found[0] == found[1]


def test_saved_outputs_and_several_calls() -> None:
    first, second = taylor(lambda x: [*ExpAndDouble.apply(x)], 0.0, 12)
    assert first == pytest.approx([1 / math.factorial(k) for k in range(13)], rel=1e-12)
    assert second == pytest.approx([2 * c for c in first], rel=1e-12)

    def nested(x: Any) -> Any:
        return MultiplyAdd.apply(MultiplyAdd.apply(x, x, 1), x, sin(x))

    assert taylor(nested, 2.0, 9) == pytest.approx(
        taylor(lambda x: (x * x + 1) * x + sin(x), 2.0, 9), rel=1e-12
    )


@given(st.floats(-2, 2))
def test_with_other_transforms_within_and_around(x: float) -> None:
    def through(x: Any) -> Any:
        a, b = ExpAndDouble.apply(MultiplyAdd.apply(sin(x), x, 0.0))
        return a * (b + x)

    def by_hand(x: Any) -> Any:
        a = exp(sin(x) * x)
        return a * (2 * a + x)

    def third(f: Any) -> Any:
        return lambda x: taylor(f, x, 3)[3]

    for outer in (lambda f: f, grad, third, lambda f: grad(third(f))):
        found, expected = (taylor(outer(f), x, 3) for f in (through, by_hand))
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_coefficients_are_differentiated_again() -> None:
    def coefficient(x: Any) -> Any:
        a, b = ExpAndDouble.apply(x * x)
        return taylor(lambda t: ExpAndDouble.apply(t)[0] * a + b, x, 3)[3]

    def by_hand(x: Any) -> Any:
        return math.exp(x) * math.exp(x * x) / 6

    x = 0.5
    assert coefficient(x) == pytest.approx(by_hand(x))
    assert grad(coefficient)(x) == pytest.approx((1 + 2 * x) * by_hand(x))
    assert coefficient(Value(x)).data == pytest.approx(by_hand(x))


def test_a_constant_output_and_a_backward_for_once() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        side = math.copysign(1.0, x)
        ctx.mark_non_differentiable(side)
        ctx.side = side
        return x * side, side

    size = single(forward, lambda ctx, g, h: g * ctx.side)
    assert taylor(lambda x: [*size.apply(x)], -3.0, 2) == [[3.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]
    once = single(lambda ctx, x: 2 * x, once_differentiable(lambda ctx, g: 2 * g))
    with pytest.raises(TypeError, match=r"marked as once_differentiable.* Custom\(1\.0\)"):
        taylor(once.apply, 1.0, 2)
    assert taylor(grad(once.apply), 3.0, 0) == [2.0]
    with pytest.raises(TypeError, match="Custom cannot be differentiated twice"):
        taylor(grad(once.apply), 3.0, 2)


def test_a_trace_does_not_see_the_series_of_a_function() -> None:
    f = compile(lambda x: taylor(lambda t: MultiplyAdd.apply(t, t, 1), x, 2))
    with pytest.raises(TraceError, match=r"(?s)the series of the Function MultiplyAdd .*outside"):
        f(Fraction(2))
