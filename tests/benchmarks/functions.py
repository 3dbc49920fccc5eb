"""What second derivatives are timed on: functions of nested numbers, to be given to `grad`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from scalargrad import atan, cos, erf, exp, fsum, log, sigmoid, sin, sqrt, sumprod, tanh
from tests.benchmarks.workloads import SIZES, moons

Function = Callable[[Any], Any]


def mixed() -> tuple[Function, Any]:
    """Return the mixed expression of the workloads, and its 300 pairs of inputs."""
    rng = Random(2)

    def f(pairs: Any) -> Any:
        total: Any = 0.0
        for a, b in pairs:
            c = (a * b - b / (a * a + 2.0)).tanh()
            d = (-a).exp() * (b * b + 1.0).log()
            total = total + c * d + (a**2 - 3.0 * b).relu() + (a - b) ** 3 / b
        return total

    return f, [(rng.uniform(-1, 1), rng.uniform(0.5, 2)) for _ in range(300)]


def of_23_ops(x: Any) -> Any:
    """Return a function of 23 ops on one number, for its power series."""
    y = sin(x) * exp(-x) + log(1 + x * x)
    z = tanh(y) / (2 + cos(x))
    w = sigmoid(z) * sqrt(1 + z * z) + atan(y)
    return erf(w) * x - z**3


def mlp_per_op() -> tuple[Function, Any]:
    """Return an MLP's loss on moons, every product and sum an op of its own, and parameters."""
    return _mlp(
        lambda weights, bias, xs: sum((w * x for w, x in zip(weights, xs, strict=True)), bias)
    )


def mlp_fused() -> tuple[Function, Any]:
    """Return the same with one op for each neuron's sum of products."""
    return _mlp(lambda weights, bias, xs: sumprod([*weights, bias], [*xs, 1.0]))


def _mlp(neuron: Callable[..., Any]) -> tuple[Function, Any]:
    rng = Random(1)
    points, targets = moons(20)

    def loss(layers: Any) -> Any:
        losses = []
        for point, target in zip(points, targets, strict=True):
            xs: list[Any] = [*point]
            *hidden, last = layers
            for layer in hidden:
                xs = [neuron(weights, bias, xs).tanh() for weights, bias in layer]
            ((weights, bias),) = last
            losses.append((1 - target * neuron(weights, bias, xs)).softplus())
        return fsum(losses) / len(losses)

    return loss, [
        [([rng.uniform(-1, 1) for _ in range(n_in)], 0.0) for _ in range(n_out)]
        for n_in, n_out in pairwise(SIZES)
    ]
