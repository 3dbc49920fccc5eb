"""`detect_anomaly`: the op that first makes a nan is named, in values and in derivatives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from scalargrad import (
    Function,
    Value,
    derivatives,
    detect_anomaly,
    exp,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    no_grad,
    primitive,
    sin,
    value_and_grad,
    vjp,
    where,
)
from scalargrad import compile as compile_
from scalargrad.engine import context

INF = math.inf


@primitive(lambda g, y, x: g * (x * INF - x * INF))
def bad_rule(x: Any) -> Any:
    return x * 2


@primitive(lambda g, y, x: g * 2)
def bad_value(x: Any) -> Any:
    return x * INF - x * INF


class BadBackward(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_values
        return g * (x * INF - x * INF)


class BadForward(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x, x * INF - x * INF

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return g


VALUES: dict[str, Callable[[Any], Any]] = {
    "-": lambda x: (x * 1e308 * 10 - x * 1e308 * 10) * 2,
    "bad_value": lambda x: exp(bad_value(x)),
    "BadForward": lambda x: BadForward.apply(x)[0] + 1,
}
RULES: dict[str, Callable[[Any], Any]] = {
    "bad_rule": lambda x: sin(bad_rule(x) * 1.5),
    "BadBackward": lambda x: sin(BadBackward.apply(x) * 1.5),
}


def backward_within_no_grad(f: Callable[[Any], Any], x: Value) -> None:
    y = f(x)
    with no_grad():
        y.backward()


# Each on a Value, which is labelled.
PASSES: dict[str, Callable[[Any, Any], Any]] = {
    "backward": lambda f, x: f(x).backward(),
    "create_graph": lambda f, x: f(x).backward(create_graph=True),
    "inputs": lambda f, x: f(x).backward(inputs=[x]),
    "derivatives": lambda f, x: derivatives(f(x), [x]),
    "derivatives of derivatives": lambda f, x: derivatives(f(x), [x], create_graph=True),
    "no_grad": backward_within_no_grad,
    "grad of a Value": lambda f, x: grad(f)(x),
}
# Each on a number.
TRANSFORMS: dict[str, Callable[[Any, Any], Any]] = {
    "grad": lambda f, x: grad(f)(x),
    "value_and_grad": lambda f, x: value_and_grad(f)(x),
    "jacobian": lambda f, x: jacobian(lambda x: [x, f(x)])(x),
    "jacobian forward": lambda f, x: jacobian(lambda x: [f(x), x, x])(x),
    "hessian": lambda f, x: hessian(f)(x),
    "grad of grad": lambda f, x: grad(grad(f))(x),
    "jvp": lambda f, x: jvp(f, (x,), (1.0,)),
    "vjp": lambda f, x: vjp(f, x)[1](1.0),
    "hvp": lambda f, x: hvp(f, (x,), (1.0,)),
    "grad within no_grad": lambda f, x: no_grad(grad(f))(x),
}


@pytest.mark.parametrize("name", [*PASSES, *TRANSFORMS])
@pytest.mark.parametrize("op", [*VALUES, *RULES])
def test_what_first_makes_a_nan_is_named(op: str, name: str) -> None:
    f = VALUES[op] if op in VALUES else RULES[op]
    if name in PASSES:
        x: Any = Value(1.0, label="x")
        run, shown = PASSES[name], "1.0" if name.startswith("grad") else "x=1.0"
    else:
        x, run, shown = 1.0, TRANSFORMS[name], "1.0"
    call = "inf - inf" if op == "-" else f"{op}({shown})"
    words = f"{call} gave nan" if op in VALUES else f"the derivative of {call} is nan"
    with detect_anomaly(), pytest.raises(ArithmeticError) as caught:
        run(f, x)
    assert str(caught.value).startswith(f"{words}, first of all")
    del caught  # the frames of its traceback keep the context
    run(f, Value(1.0) if name in PASSES else 1.0)  # outside of it no error
    assert not context.active


@pytest.mark.parametrize("name", [*PASSES, *TRANSFORMS])
def test_what_has_no_nan_is_the_same(name: str) -> None:
    def f(x: Any) -> Any:
        return sin(x * x) * where(x > 0, x, -x) + x

    run: Any = PASSES.get(name) or TRANSFORMS[name]
    results: list[str] = []
    for block in (nullcontext(), detect_anomaly()):
        x = Value(0.7) if name in PASSES else 0.7
        with block:
            y = run(f, x)
        results.append(re.sub(" at 0x[0-9a-f]+", "", f"{x!r} {y!r}"))
    assert results[0] == results[1]


def test_a_nan_that_was_put_in_is_left_alone() -> None:
    with detect_anomaly():
        x = Value(math.nan)
        (x * 2 + exp(x)).backward()
        assert math.isnan(x.grad)
        assert math.isnan(grad(lambda x: x * math.nan)(2.0))
        (Value(3.0) * 2).backward(gradient=math.nan)
        BadBackward.apply(Value(math.nan)).backward()


def test_derivatives_that_add_up_to_nan() -> None:
    def f(x: Any) -> Any:
        return (x * 1e200) * 1e200 - (x * 1e200) * 1e200

    x = Value(1e-320, label="x")
    y = f(x)
    with detect_anomaly():
        for run in (y.backward, lambda: y.backward(inputs=[x]), lambda: derivatives(y, [x])):
            with pytest.raises(ArithmeticError, match=r"by x=1e-320 add up to nan.*: inf \+ -inf"):
                run()
        with pytest.raises(ArithmeticError, match=r"by 1e-320 add up to nan.*: inf \+ -inf"):
            grad(f)(1e-320)
        with pytest.raises(ArithmeticError, match=r"inf \+ -inf gave nan, first of all"):
            y.backward(create_graph=True)


def test_forward_again() -> None:
    x = Value(1.0, label="x")
    y = (x * 1e308 - 1e308 * x) * 2
    z, _ = BadForward.apply(x * 1)
    x.data = 100.0
    with detect_anomaly():
        with pytest.raises(ArithmeticError, match="inf - inf gave nan, first of all"):
            y.forward()
        with pytest.raises(ArithmeticError, match=r"BadForward\(100\.0\) gave nan, first"):
            (z + _).forward()
    assert math.isnan(y.forward())


def test_a_plain_zero_times_infinity() -> None:
    y = Value(1.0, label="a") * Value(INF, label="b")
    with detect_anomaly():
        exp(Value(1.0)).backward()
        with pytest.raises(ArithmeticError, match=r"the derivative of .*a=1\.0.* is nan, first"):
            y.backward(gradient=0.0)
    y.backward(gradient=0.0)


def test_a_function_is_traced_as_without_it() -> None:
    with detect_anomaly():
        assert compile_(grad(lambda x: sin(x) * x))(0.0) == 0.0

    def within(x: Any) -> Any:
        with detect_anomaly():
            return grad(sin)(x)

    assert compile_(within)(0.0) == 1.0


def test_it_nests() -> None:
    with detect_anomaly():
        with detect_anomaly():
            pass
        with pytest.raises(ArithmeticError, match="inf - inf gave nan"):
            grad(VALUES["-"])(1.0)


def test_detect_anomaly_goes_on_behind_a_nan_that_was_put_in() -> None:
    bad = Value(1.0, label="a") * Value(math.inf, label="b")
    for y in (bad + Value(math.nan) * 2, Value(math.nan) * 2 + bad):
        with (
            detect_anomaly(),
            pytest.raises(ArithmeticError, match=r"the derivative of .*a=1\.0.* is nan, first"),
        ):
            y.backward(gradient=0.0)
