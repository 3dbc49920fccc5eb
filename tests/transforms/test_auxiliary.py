"""What people ask of the transforms: auxiliary results, many outputs of few inputs, own vectors."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Value,
    compile,
    derivatives,
    grad,
    hessian,
    jacobian,
    jvp,
    sin,
    stop_gradient,
    value_and_grad,
    vjp,
)


def with_aux(x: Any) -> Any:
    return x * x, {"double": 2 * x, "name": "square"}


def test_has_aux_as_in_jax() -> None:
    aux = {"double": 6.0, "name": "square"}
    assert grad(with_aux, has_aux=True)(3.0) == (6.0, aux)
    assert value_and_grad(with_aux, has_aux=True)(3.0) == ((9.0, aux), 6.0)
    assert jacobian(with_aux, has_aux=True)(3.0) == (6.0, aux)
    assert hessian(with_aux, has_aux=True)(3.0) == (2.0, aux)
    assert grad(lambda x: (x, object), has_aux=True)(3.0) == (1.0, object)
    assert compile(grad(lambda x: (x * x, 2 * x), has_aux=True))(3.0) == (6.0, 6.0)


def test_has_aux_of_jvp_and_vjp() -> None:
    aux = {"double": 6.0, "name": "square"}
    assert jvp(with_aux, (3.0,), (10.0,), has_aux=True) == (9.0, 60.0, aux)
    value, pull, found = vjp(with_aux, 3.0, has_aux=True)
    assert (value, pull(10.0), found) == (9.0, (60.0,), aux)
    with pytest.raises(TypeError, match="jvp with has_aux takes a function that returns a pair"):
        jvp(sin, (3.0,), (1.0,), has_aux=True)
    with pytest.raises(TypeError, match="vjp with has_aux takes a function that returns a pair"):
        vjp(sin, 3.0, has_aux=True)
    assert compile(lambda x: jvp(lambda x: (x * x, 2 * x), (x,), (1.0,), has_aux=True))(3.0) == (
        *(9.0, 6.0, 6.0),
    )


def test_numbers_in_aux_are_plain_beside_anything() -> None:
    kept = object()

    def f(x: Any) -> Any:
        return x * x, {"xs": [2 * x, 1, True], "any": kept, "none": None, "kind": float}

    expected = {"xs": [6.0, 1, True], "any": kept, "none": None, "kind": float}
    for found in (
        grad(f, has_aux=True)(3.0)[1],
        hessian(f, has_aux=True)(3.0)[1],
        vjp(f, 3.0, has_aux=True)[2],
    ):
        assert found == expected
        assert [type(x) for x in found["xs"]] == [float, int, bool]


def test_aux_is_a_value_where_a_value_went_in() -> None:
    slope, aux = grad(with_aux, has_aux=True)(Value(3.0))
    assert (slope.data, aux["double"].data) == (6.0, 6.0)


def test_has_aux_of_what_is_no_pair() -> None:
    with pytest.raises(TypeError, match="grad with has_aux takes a function that returns a pair"):
        grad(lambda x: x, has_aux=True)(3.0)
    with pytest.raises(TypeError, match="jacobian with has_aux takes a function"):
        jacobian(lambda x: [x, x, x], has_aux=True)(3.0)
    with pytest.raises(TypeError, match="or has_aux=True for a pair"):
        grad(lambda x: (x * x, 2 * x))(3.0)


def trajectory(start: Any, steps: int = 40) -> list[Any]:
    x, v = start
    found = []
    for _ in range(steps):
        v = v - 0.1 * sin(x)
        x = x + 0.1 * v
        found.append(x)
    return found


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_jacobian_of_many_outputs_is_that_of_two_jvps(x: float, v: float) -> None:
    rows = jacobian(trajectory)([x, v])
    columns = [jvp(trajectory, ([x, v],), (unit,))[1] for unit in ([1.0, 0.0], [0.0, 1.0])]
    assert rows == [list(row) for row in zip(*columns, strict=True)]
    backwards = [grad(lambda s, i=i: trajectory(s)[i])([x, v]) for i in (0, 20, 39)]
    for found, expected in zip((rows[0], rows[20], rows[39]), backwards, strict=True):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_jacobian_takes_as_many_passes_as_there_are_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    from scalargrad.transforms import functional

    calls = []
    forward = vars(functional)["push_forward"]

    def counted(*args: Any) -> None:
        calls.append(1)
        forward(*args)

    monkeypatch.setattr(functional, "push_forward", counted)
    jacobian(trajectory)([1.0, 0.0])
    assert len(calls) == 2
    calls.clear()
    jacobian(lambda v: v[0] * v[1])([1.0, 0.0])
    assert not calls


def test_jacobian_of_no_inputs_and_constants() -> None:
    assert jacobian(lambda v: [1.0, 2.0])([]) == [[], []]
    assert jacobian(lambda x: [x, 5, 2.0 * x])(3.0) == [1.0, 0, 2.0]
    assert compile(jacobian(lambda x: [x, x * x]))(3.0) == [1.0, 6.0]


def test_jacobian_forward_can_be_differentiated() -> None:
    w = Value(2.0)
    rows = jacobian(lambda x: [w * x, w * w * x])(Value(3.0))
    (rows[0] + rows[1]).backward()
    assert w.grad == 1 + 2 * 2.0


def test_hessian_of_several_outputs() -> None:
    assert hessian(lambda v: [v[0] ** 2 * v[1], v[1] ** 2])([3.0, 5.0]) == [
        [[10.0, 6.0], [6.0, 0.0]],
        [[0.0, 0.0], [0.0, 2.0]],
    ]
    assert hessian(lambda x: {"a": x**3, "b": x})(2.0) == {"a": 12.0, "b": 0.0}


def test_stop_gradient() -> None:
    assert stop_gradient(2.5) == 2.5
    x = Value(3.0)
    (x * stop_gradient(x)).backward()
    assert x.grad == 3.0
    assert stop_gradient({"a": [x, 1]})["a"][0].parents == ()
    assert compile(grad(lambda x: x * stop_gradient(x)))(3.0) == 3.0
    assert grad(lambda x: stop_gradient(x) ** 2)(3.0) == 0.0
    with pytest.raises(TypeError, match=r"x must be a number, or lists.* not 'a' \(str\)"):
        stop_gradient("a")


class Vector(list[Any]):
    """A list that adds and scales its elements."""

    def __add__(self, other: Any) -> Any:
        others = other if isinstance(other, Vector) else [other] * len(self)
        return Vector(a + b for a, b in zip(self, others, strict=True))

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        return Vector(a * other for a in self)

    __rmul__ = __mul__


class _Pair(NamedTuple):
    x: Any
    y: Any


class Point(_Pair):
    def __add__(self, other: Any) -> Any:
        return Point(self.x + other, self.y + other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        return Point(self.x * other, self.y * other)

    __rmul__ = __mul__


@pytest.mark.parametrize("make", [lambda a, b: Vector([a, b]), Point])
def test_vectors_with_their_own_arithmetic(make: Any) -> None:
    def f(p: Any, w: Any) -> Any:
        q = w * p + w
        return (w + q)[0] * q[1]

    slopes = grad(f, argnums=(0, 1))(make(3.0, 5.0), 2.0)
    assert type(slopes[0]) is type(make(0, 0))
    # (wx + 2w)(wy + w) at w = 2
    assert list(slopes[0]) == [2.0 * 12.0, 10.0 * 2.0]
    assert slopes[1] == 5.0 * 12.0 + 10.0 * 6.0
    assert compile(grad(f, argnums=(0, 1)))(make(3.0, 5.0), 2.0) == slopes
    v = Value(2.0)
    assert (v * make(3.0, 5.0))[1].data == 10.0


def test_plain_lists_are_still_refused() -> None:
    for other in ([1.0], (1.0,)):
        with pytest.raises(TypeError, match=r"\[v \* x for x in xs\]"):
            Value(1.0) * other
        with pytest.raises(TypeError, match=r"\[v \* x for x in xs\]"):
            other + Value(1.0)


def test_derivatives_touch_no_gradient() -> None:
    x = Value(3.0)
    assert derivatives(x**3, x) == 27.0
    assert x.grad == 0
    y, z = x * x, Value(1.0)
    y.backward(inputs=[x])
    assert (x.grad, y.grad, z.grad) == (6.0, 0, 0)
    assert math.isclose(scalargrad.derivatives(sin(x), [x])[0], math.cos(3.0))
