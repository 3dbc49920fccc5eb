"""Mistakes that people make, and what they are told: each with the words that name the cure."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

import scalargrad
from scalargrad import (
    Value,
    atan2,
    clip,
    compile,
    dist,
    exp,
    fmod,
    fsum,
    grad,
    gradcheck,
    hessian,
    hvp,
    hypot,
    isnan,
    jacobian,
    jvp,
    log_softmax,
    logsumexp,
    maximum,
    minimum,
    prod,
    softmax,
    sumprod,
    taylor,
    value_and_grad,
    vjp,
    where,
)
from scalargrad.nn import MLP, Layer, Linear, Neuron
from scalargrad.optim import SGD, Adam


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_an_optimiser_meets_a_value_as_gradient(kind: Any) -> None:
    x = Value(3.0)
    (x * x).backward(create_graph=True)
    with pytest.raises(TypeError, match=r"without create_graph, or set p\.grad = p\.grad\.data"):
        kind([x]).step()
    assert type(x.data) is float


def test_rows_at_once() -> None:
    with pytest.raises(TypeError, match=r"one row at a time.*\[model\(row\) for row in rows\]"):
        MLP(2, [1])([[1, 2], [3, 4]])


def test_sizes_of_layers() -> None:
    for sizes, words in [
        ((-1, [1]), "at least 1, got -1"),
        ((2, [0, 1]), "at least 1, got 0"),
        ((2, []), "one layer at least"),
    ]:
        with pytest.raises(ValueError, match=words):
            MLP(*sizes)
    with pytest.raises(TypeError, match=r"a whole number, got 2\.5 \(float\)"):
        MLP(2.5, [1])  # type: ignore[arg-type]


class Whole:
    """A whole number as numpy has it."""

    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize(
    "make",
    [
        *(lambda n: Neuron(n), lambda n: Layer(n, 2), lambda n: Layer(2, n)),
        *(lambda n: Linear(n, 2), lambda n: Linear(2, n), lambda n: Linear(2, n, bias=False)),
        *(lambda n: MLP(n, [2]), lambda n: MLP(2, [n]), lambda n: MLP(2, (n, 1))),
    ],
)
def test_each_size_of_a_layer(make: Any) -> None:
    n: Any
    for n in (0, -1):
        with pytest.raises(ValueError, match=f"the size of a layer is at least 1, got {n}"):
            make(n)
    for n, shown in (2.0, r"2\.0 \(float\)"), (True, r"True \(bool\)"), ("2", r"'2' \(str\)"):
        with pytest.raises(TypeError, match=f"the size of a layer is a whole number, got {shown}"):
            make(n)
    for n in (None, [2], Value(2)):
        with pytest.raises(TypeError, match="the size of a layer is a whole number, got "):
            make(n)
    assert len(make(Whole()).parameters()) == len(make(3).parameters())


def test_functions_of_math() -> None:
    for name in ("sin", "isnan", "gamma"):
        with pytest.raises(TypeError, match=r"write scalargrad\.sin\(v\), and so for each"):
            getattr(math, name)(Value(1.5))
        assert hasattr(scalargrad, name)
    for name in ("floor", "ceil", "trunc"):
        cure = rf"instead of math\.{name}\(v\) write scalargrad\.{name}\(v\); .*v\.data"
        with pytest.raises(TypeError, match=cure):
            getattr(math, name)(Value(1.5))
        assert getattr(scalargrad, name)(Value(1.5)).op == name
    with pytest.raises(TypeError, match=r"write round\(v\.data\)"):
        round(Value(1.5))


def test_a_number_is_set_to_a_value() -> None:
    x = Value(3.0)
    (x * x).backward(create_graph=True)
    with pytest.raises(TypeError, match=r"is one already: .*its number v\.data"):
        x.data -= 0.1 * x.grad
    assert x.data == 3.0


def test_a_list_within_a_list() -> None:
    for function, name in ((fsum, "fsum"), (prod, "prod"), (logsumexp, "logsumexp")):
        with pytest.raises(TypeError, match=rf"write {name}\(xs\), where xs is one list of"):
            function([[Value(1.0)], 2.0])


def test_a_list_where_a_number_is_wanted() -> None:
    for xs in ([1, 2], (1.0, 2.0), [Value(1.0)]):
        with pytest.raises(TypeError, match=r"exp takes numbers.*: write \[exp\(x\) for x in xs\]"):
            exp(xs)
        with pytest.raises(TypeError, match=r"hypot takes numbers.*: write hypot\(\*xs\)"):
            hypot(xs)
    with pytest.raises(TypeError, match="must be real number, not str"):
        exp("1")


def test_a_list_among_the_inputs() -> None:
    for xs in ([1, 2], [Value(1.0)]):
        with pytest.raises(
            TypeError, match=r"clip takes.*: write \[clip\(x, \.\.\.\) for x in xs\]"
        ):
            clip(xs, 0, 1)
        with pytest.raises(TypeError, match=r"isnan takes.*: write \[isnan\(x\) for x in xs\]"):
            isnan(xs)
        with pytest.raises(TypeError, match=r"maximum takes.*: write \[maximum\(x, \.\.\.\) for"):
            maximum(xs, Value(1.0))


def test_a_list_of_conditions() -> None:
    for a in (1.0, Value(1.0)):
        with pytest.raises(TypeError, match=r"write \[where\(x, \.\.\.\) for x in xs\]"):
            where([True, False], a, 2.0)


def test_a_result_where_a_function_is_wanted() -> None:
    y: Any = exp(Value(1.0))
    two: Any = 2.0
    for call, words in (
        (lambda: grad(y), r"grad takes a function, not Value\(.*: give f itself, as in grad\(f\)"),
        (lambda: value_and_grad(two), r"takes a function, not 2\.0 \(float\): give f itself"),
        (lambda: jacobian(y), r"jacobian takes a function, not .* as in jacobian\(f\)\(x\)"),
        (lambda: hessian(two), r"takes a function, not 2\.0 \(float\): give f itself"),
        (lambda: vjp(y, 1.0), r"vjp takes a function, not .* as in vjp\(f, x\)"),
        (lambda: jvp(y, (1.0,), (1.0,)), r"jvp takes a function, not .* as in jvp\(f, \(x,\)"),
        (lambda: hvp(y, (1.0,), (1.0,)), r"takes a function, not .*: give f itself"),
    ):
        with pytest.raises(TypeError, match=words):
            call()


def test_two_numbers_in_a_list() -> None:
    for function, name in ((maximum, "maximum"), (minimum, "minimum"), (atan2, "atan2")):
        for xs in ([1.0, 2.0], (Value(1.0), 2.0)):
            with pytest.raises(TypeError, match=rf"two numbers, not .*: write {name}\(\*xs\)"):
                function(xs)
    with pytest.raises(TypeError, match=r": write functools\.reduce\(maximum, xs\)"):
        maximum([1, 2, 3])
    with pytest.raises(TypeError, match=r"takes two numbers, as in fmod\(a, b\)"):
        fmod(Value(1.0))
    assert str(inspect.signature(maximum)) == "(a: Any, b: Any) -> Any"
    assert not hasattr(Value, "maximum")


def squares(*xs: Any) -> Any:
    return sum(x * x for x in xs)


def first(*xs: Any) -> Any:
    return xs[0]


def scaled(factor: Any, *xs: Any) -> Any:
    return factor * exp(xs[0])


STAR = r"squares takes \*xs: for a list of numbers write squares\(\*xs\), with the star$"
TRANSFORMED: list[Any] = [
    *(grad(squares), value_and_grad(squares), jacobian(squares), hessian(squares)),
    *(compile(squares), compile(grad(squares)), grad(compile(squares)), grad(grad(squares))),
    *(
        lambda v: vjp(squares, v),
        lambda v: jvp(squares, (v,), (v,)),
        lambda v: gradcheck(squares, v),
    ),
    *(lambda v: hvp(squares, (v,), (v,)), lambda v: taylor(squares, v, 1, v)),
]


@pytest.mark.parametrize("place", range(len(TRANSFORMED)))
def test_a_list_for_starred_arguments(place: int) -> None:
    with pytest.raises(TypeError, match=STAR) as caught:
        TRANSFORMED[place]([1.0, 2.0])
    assert str(caught.value).count("with the star") == 1
    assert grad(squares)(1.0, 2.0) == 2.0


def test_other_errors_of_functions_with_starred_arguments() -> None:
    with pytest.raises(TypeError, match=r"returned \[.*: first takes \*xs.* write first\(\*xs\)"):
        grad(first)([1.0, 2.0])
    with pytest.raises(TypeError, match=r"write scaled\(factor, \*xs\), with the star"):
        grad(scaled)(2.0, [1.0, 2.0])
    # A list of lists may be what the function takes; what else it raises stays as it is.
    assert grad(lambda *rows: rows[0][0] * rows[1][0])([2.0], [3.0]) == [3.0]
    with pytest.raises(TypeError, match=r"real number, not str$"):
        grad(lambda *xs: exp("1"))(2.0)
    with pytest.raises(TypeError, match=r"for x in xs\]$"):
        grad(lambda v: exp(v))([1.0, 2.0])


@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp, fsum, prod])
def test_a_number_where_a_list_is_wanted(function: Any) -> None:
    for x in (1.0, Value(1.0)):
        with pytest.raises(TypeError, match=r"takes a list of numbers, not .*\(\[a, b\]\)"):
            function(x)


def test_numbers_where_two_lists_are_wanted() -> None:
    for function in (sumprod, dist):
        with pytest.raises(TypeError, match=r"takes two lists of numbers, as in"):
            function(Value(1.0), 2.0)  # type: ignore[call-overload]


def test_a_static_list() -> None:
    with pytest.raises(TypeError, match=r"must be hashable.*give a tuple for a list"):
        compile(lambda x, n: x, static_argnums=1)(2.0, [1])


def test_what_is_there_is_listed() -> None:
    assert {"compile", "taylor", "nn", "optim", "losses", "sin", "pi"} <= set(dir(scalargrad))
    assert all(hasattr(scalargrad, name) for name in dir(scalargrad))
    assert set(scalargrad.__all__) < set(dir(scalargrad))
    assert not {"importlib", "Any", "annotations", "methods"} & set(dir(scalargrad))
    assert scalargrad.__version__ == "0.1.0"
    for module in (scalargrad.nn, scalargrad.optim, scalargrad.losses, scalargrad.testing):
        assert all(hasattr(module, name) for name in module.__all__)


def test_what_is_shown_at_the_prompt() -> None:
    x = Value(3.0, label="x")
    y = x * x
    assert repr(y) == "Value(data=9.0, grad=0, op='*')"
    y.backward(create_graph=True)
    assert repr(x) == "Value(data=3.0, grad=Value(6.0), label='x')"
    assert repr(SGD([x], lr=0.1)) == "SGD(1 parameter, lr=0.1)"
    assert repr(SGD([x, Value(0.0)], lr=0.1)) == "SGD(2 parameters, lr=0.1)"
    text = repr(MLP(64, [32, 10]))
    assert text == "MLP of 64 inputs, [32 ReLUNeurons, 10 LinearNeurons], 2410 parameters"
    assert repr(Layer(64, 32)) == "Layer of 32 ReLUNeurons, 64 inputs each"
