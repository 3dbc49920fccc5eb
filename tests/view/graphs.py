"""Graphs that the tests of the view draw."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad import exp, fsum, sin, softmax, tanh
from scalargrad.nn import MLP, Neuron

HOSTILE = [
    "<script>alert(1)</script>",
    "\"quotes\" and 'quotes'",
    "]]>",
    "</script>",
    "<!-- -->",
    "two\nlines\r\n\ttabs",
    '\\N \\G \\" %',
    "#quot; #35; &amp; &lt;",
    '"]; subgraph x; end',
    "`ticks` **bold** $x$ ${y} {{z}}",
    "\u202eright to left\u202c שלום",
    "x" * 10_000,
    "\x00\x01\x7f\ud800",
    "end",
    "click me;",
]


def diamond(x: Any) -> Any:
    a = x + x
    return sin(a) * exp(a)


def first_of_softmax(xs: Sequence[Any]) -> Any:
    return softmax(xs)[0]


def random_graph(count: int, seed: int = 1) -> Callable[..., Any]:
    """Return a function of three numbers whose graph has about `count` nodes."""

    def wide(a: Any, b: Any, c: Any) -> Any:
        rng = random.Random(seed)
        found = [a, b, c]
        while len(found) < count:
            p, q = rng.choice(found[-12:]), rng.choice(found[-12:])
            op = rng.randrange(4)
            found.append([p + q, p * q, sin(p), tanh(q)][op])
        return fsum(found[-12:])

    return wide


def deep(count: int) -> Callable[..., Any]:
    """Return a function of one number that applies sin `count` times."""

    def chain(x: Any) -> Any:
        y = x
        for _ in range(count):
            y = sin(y)
        return y

    return chain


def models() -> dict[str, tuple[Any, ...]]:
    """Return functions with their arguments, by name."""
    rng = random.Random(0)
    return {
        "expression": (lambda x, y: x * y + sin(x), 2.0, 3.0),
        "neuron": (Neuron(3, rng=rng), [1.0, 2.0, 3.0]),
        "mlp": (MLP(2, [3, 1], rng=rng), [1.0, -1.0]),
        "diamond": (diamond, 0.5),
        "softmax": (first_of_softmax, [1.0, 2.0, 3.0]),
        "large": (random_graph(200), 0.5, 1.0, 1.5),
    }
