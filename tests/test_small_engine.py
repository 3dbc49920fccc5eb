"""demos/engine.py, the whole idea in one file, held against the package's engine and the judge."""

from __future__ import annotations

import gc
import math
import re
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

import scalargrad
from demos.engine import Value
from scalargrad.testing import Expression, check_engine, expressions
from tests.running import output

METHODS = ("exp", "log", "sin", "cos", "tanh", "sigmoid", "relu")
OPS = ("+", "-", "*", "/", "**", "neg", "abs", *METHODS)
# The functions of scalargrad's names, each as the method that the small engine has.
ENGINE: Any = SimpleNamespace(**{n: lambda x, n=n: getattr(x, n)() for n in METHODS})


def gradients(y: Any, leaves: list[Any]) -> list[float]:
    y.backward()
    return [leaf.grad for leaf in leaves]


@given(expressions(OPS))
def test_random_graphs_as_in_the_package(drawn: tuple[Expression, list[float]]) -> None:
    expression, numbers = drawn
    small, full = [Value(x) for x in numbers], [scalargrad.Value(x) for x in numbers]
    y, z = expression(*small, engine=ENGINE), expression(*full)
    # `expressions` keeps to a condition of 1e3: rounding weighs 1e-13 at most, but for constants.
    assert y.data == pytest.approx(z.data, rel=1e-11)
    assert gradients(y, small) == pytest.approx(gradients(z, full), rel=1e-11)
    # And once more over the same graph.
    assert gradients(y, small) == pytest.approx([2 * leaf.grad for leaf in full], rel=1e-11)


def test_the_judge_finds_nothing_wrong() -> None:
    report = check_engine("demos/engine.py:Value", quick=True)
    assert report.passed, report.text()
    assert len(report.held) >= 57


EDGES: list[tuple[Any, list[float], float, list[float]]] = [
    (lambda a: a**0, [0.0], 1, [0]),
    (lambda a: a**1, [0.0], 0, [1]),
    (lambda a: a**2, [0.0], 0, [0]),
    (lambda a: a**3, [-2.0], -8, [12]),
    (lambda a, b: a**b, [0.0, 2.0], 0, [0, 0]),
    (lambda a: 0.0**a, [2.0], 0, [0]),
    (lambda a: a.sigmoid(), [-800.0], 0, [0]),
    (lambda a: a.tanh(), [800.0], 1, [0]),
    (lambda a: a.relu(), [0.0], 0, [0]),
    (lambda a: abs(a), [0.0], 0, [0]),
    (lambda a, b: a / b, [3, 2], 1.5, [0.5, -0.75]),
    (lambda a, b: sum([a, b, a]), [3, 2], 8, [2, 1]),
    (lambda a: 2 - a, [3.0], -1, [-1]),
    (lambda a: 2 / a, [4.0], 0.5, [-0.125]),
]


@pytest.mark.parametrize(("f", "numbers", "value", "slopes"), EDGES)
def test_edges(f: Any, numbers: list[float], value: float, slopes: list[float]) -> None:
    leaves = [Value(x) for x in numbers]
    y = f(*leaves)
    assert y.data == value
    assert gradients(y, leaves) == slopes


@pytest.mark.parametrize("f", [lambda a: a**0.5, lambda a: a.log(), lambda a: (a + 2) ** -1])
def test_outside_its_domain_an_op_raises(f: Any) -> None:
    with pytest.raises(ValueError, match="math domain error"):
        f(Value(-2.0))


def test_deep_graphs_are_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        a = y = Value(Fraction(1, 2))  # type: ignore[arg-type]
        for _ in range(100_000):
            y = y + a
        y.backward()
        assert a.grad == 100_001
        del y
        assert sum(isinstance(o, Value) for o in gc.get_objects()) == 1
    finally:
        gc.enable()


def test_what_it_prints() -> None:
    text = output("engine")
    assert f"{6 + math.sin(2):.6f}\n" in text
    assert text.count(f"{3 + math.cos(2):.6f}") == 2
    assert "dz/dy = 2.000000" in text
    assert text.endswith("a + a + ... + a is 10000\n")
    rows = re.findall(r"step +(\d+) +w = (\S+) +b = (\S+) +loss = (\S+)", text)
    assert [int(row[0]) for row in rows] == [0, 1, 10, 200]
    w, b = 0.0, 0.0
    for step in range(201):
        ts = [(x, y, math.tanh(w * x + b)) for x, y in [(-1, -0.9), (0, 0.2), (1, 0.9)]]
        for row in rows:
            if int(row[0]) == step:
                loss = sum((t - y) ** 2 for _, y, t in ts)
                assert row[1:] == (f"{w:.4f}", f"{b:.4f}", f"{loss:.6f}")
        by_b = [2 * (t - y) * (1 - t * t) for _, y, t in ts]
        w -= 0.3 * sum(g * x for g, (x, _, _) in zip(by_b, ts, strict=True))
        b -= 0.3 * sum(by_b)
