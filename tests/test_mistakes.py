"""Mistakes that people make, and what they are told: each with the words that name the cure."""

from __future__ import annotations

import math
from typing import Any

import pytest

import scalargrad
from scalargrad import (
    Value,
    compile,
    detect_anomaly,
    dist,
    exp,
    fsum,
    hypot,
    log_softmax,
    logsumexp,
    prod,
    softmax,
    sumprod,
)
from scalargrad.nn import MLP
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


def test_functions_of_math() -> None:
    for name in ("floor", "ceil", "trunc", "sin"):
        with pytest.raises(TypeError, match=r"write scalargrad\.sin\(v\), and so on"):
            getattr(math, name)(Value(1.5))
        assert hasattr(scalargrad, name)


def test_a_list_where_a_number_is_wanted() -> None:
    for xs in ([1, 2], (1.0, 2.0), [Value(1.0)]):
        with pytest.raises(TypeError, match=r"exp takes numbers.*: write \[exp\(x\) for x in xs\]"):
            exp(xs)
        with pytest.raises(TypeError, match=r"hypot takes numbers.*: write hypot\(\*xs\)"):
            hypot(xs)
    with pytest.raises(TypeError, match="must be real number, not str"):
        exp("1")


@pytest.mark.parametrize("function", [softmax, log_softmax, logsumexp, fsum, prod])
def test_a_number_where_a_list_is_wanted(function: Any) -> None:
    for x in (1.0, Value(1.0)):
        with pytest.raises(TypeError, match=r"takes a list of numbers, not .*\(\[a, b\]\)"):
            function(x)


def test_numbers_where_two_lists_are_wanted() -> None:
    for function in (sumprod, dist):
        with pytest.raises(TypeError, match=r"takes two lists of numbers, as in"):
            function(Value(1.0), 2.0)  # type: ignore[arg-type]


def test_a_static_list() -> None:
    with pytest.raises(TypeError, match=r"must be hashable.*give a tuple for a list"):
        compile(lambda x, n: x, static_argnums=1)(2.0, [1])


def test_detect_anomaly_names_the_op_that_makes_the_first_nan() -> None:
    x = Value(math.inf, label="x")
    with detect_anomaly():
        y = x * 2
        with pytest.raises(ArithmeticError, match="gave nan, first of all") as caught:
            (y - y) * 3
        assert "-" in str(caught.value)
        assert math.isnan((Value(math.nan) + 1).data)  # it was put in
    assert math.isnan((y - y).data)


def test_detect_anomaly_in_a_backward_pass() -> None:
    y = Value(1.0, label="a") * Value(math.inf, label="b")
    with detect_anomaly():
        exp(Value(1.0)).backward()
        with pytest.raises(ArithmeticError, match=r"the derivative of .*a=1\.0.* is nan, first"):
            y.backward(gradient=0.0)
    y.backward(gradient=0.0)


def test_detect_anomaly_goes_on_behind_a_nan_that_was_put_in() -> None:
    bad = Value(1.0, label="a") * Value(math.inf, label="b")
    for y in (bad + Value(math.nan) * 2, Value(math.nan) * 2 + bad):
        with (
            detect_anomaly(),
            pytest.raises(ArithmeticError, match=r"the derivative of .*a=1\.0.* is nan, first"),
        ):
            y.backward(gradient=0.0)


def test_what_is_there_is_listed() -> None:
    assert {"compile", "taylor", "nn", "optim", "losses", "sin", "pi"} <= set(dir(scalargrad))
    assert scalargrad.__version__ == "0.1.0"
    for module in (scalargrad.nn, scalargrad.optim, scalargrad.losses):
        assert all(hasattr(module, name) for name in module.__all__)


def test_what_is_shown_at_the_prompt() -> None:
    x = Value(3.0, label="x")
    y = x * x
    assert repr(y) == "Value(data=9.0, grad=0, op='*')"
    y.backward(create_graph=True)
    assert repr(x) == "Value(data=3.0, grad=Value(6.0), label='x')"
    assert repr(SGD([x], lr=0.1)) == "SGD(1 parameters, lr=0.1)"
    text = repr(MLP(64, [32, 10]))
    assert text == "MLP of 64 inputs, [32 ReLUNeurons, 10 LinearNeurons], 2410 parameters"
