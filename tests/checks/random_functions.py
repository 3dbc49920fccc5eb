"""Random functions with jumps, kinks and poles, written as text so that a failure can be read."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import scalargrad
from scalargrad import Function


class Floor(Function):
    """The floor of x, whose derivative is 0."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return float(x // 1)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return 0.0 * g


NAMES: dict[str, Any] = {
    name: getattr(scalargrad, name)
    for name in (
        *("sin", "cos", "tan", "exp", "tanh", "atan", "sqrt", "log", "cbrt", "gamma", "lgamma"),
        *("relu", "where", "maximum", "minimum", "hypot", "sigmoid", "fmod", "erf"),
    )
} | {"floor": Floor.apply, "abs": abs}

UNARY = [
    *("sin({})", "cos({})", "tan({})", "tanh({})", "atan({})", "exp({} / 4)", "erf({})"),
    *("abs({})", "relu({})", "floor({})", "sqrt(abs({}))", "log(abs({}))", "cbrt({})"),
    *("1 / {}", "{} ** 2", "{} ** 3", "1 / ({} ** 2 - 1)", "({} % 1)", "sigmoid({})"),
    *("gamma({})", "lgamma({})", "-{}", "tan({} * 1.5)", "floor({} * 3)"),
]
BINARY = [
    *("({} + {})", "({} - {})", "({} * {})", "({} / {})", "maximum({}, {})", "minimum({}, {})"),
    *("hypot({}, {})", "fmod({}, {})", "where({0} > {1}, {0}, {0} * {1})"),
    *("where({0} > 0.5, sin({0}), {1})", "where({0} > {1}, {0}, floor({1}))"),
]


def random_expression(rng: random.Random, depth: int) -> str:
    """Return the text of a function of x and y."""
    if depth == 0 or rng.random() < 0.1:
        return rng.choice(["x", "x", "y", f"{rng.uniform(-3, 3):.2f}", "2"])
    if rng.random() < 0.55:
        return rng.choice(UNARY).format(f"({random_expression(rng, depth - 1)})")
    inner = [random_expression(rng, depth - 1) for _ in range(2)]
    return rng.choice(BINARY).format(*inner)


def function_of(expression: str) -> Callable[..., Any]:
    """Return the function of x and y that the expression says."""
    function: Callable[..., Any] = eval(f"lambda x, y: {expression}", dict(NAMES))
    return function


def random_input(rng: random.Random) -> float:
    """Return a number that is often at or close to where something happens."""
    kind = rng.random()
    if kind < 0.5:
        return rng.uniform(-4, 4)
    special = rng.choice([0.0, 1.0, -1.0, 2.0, 0.5, 1.5707963267948966, 3.141592653589793])
    if kind < 0.6:
        return special
    return special + rng.choice([-1, 1]) * 10 ** rng.uniform(-14, -1)
