"""Functions for tests: single ones, and generated ones with a gradient derived by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from scalargrad import Function, Value
from scalargrad.testing import fractions


class Multiply(Function):
    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        a, b = ctx.saved_values
        return g * b, g * a


class MultiplyAdd(Function):
    @staticmethod
    def forward(ctx: Any, w: Any, x: Any, b: Any) -> Any:
        ctx.save_for_backward(w, x)
        return w * x + b

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        w, x = ctx.saved_values
        slopes = (g * x, g * w, g)
        return tuple(s if n else None for s, n in zip(slopes, ctx.needs_input_grad, strict=True))


class SumAndProduct(Function):
    """Two outputs."""

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        a, b = ctx.saved_values
        slopes = (g + h * b, g + h * a)
        return tuple(s if n else None for s, n in zip(slopes, ctx.needs_input_grad, strict=True))


class ExpAndDouble(Function):
    """e**x and 2 e**x, with one of its outputs saved."""

    calls: list[tuple[Any, ...]] = []  # noqa: RUF012

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = math.exp(x)
        ctx.save_for_backward(y)
        return y, 2 * y

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        ExpAndDouble.calls.append((g, h))
        (y,) = ctx.saved_values
        return (g + 2 * h) * y


def single(forward: Callable[..., Any], backward: Callable[..., Any]) -> type[Function]:
    """Return a Function of these two."""

    class Custom(Function):
        pass

    Custom.forward = staticmethod(forward)  # type: ignore[method-assign]
    Custom.backward = staticmethod(backward)  # type: ignore[method-assign]
    return Custom


# --- generated Functions ------------------------------------------------------------------------


@dataclass(frozen=True)
class Quadratic:
    """Outputs y_k = c_k . x + x . q_k x of some numbers, with the gradient derived by hand.

    `plain` says which of the numbers are plain arguments; strings stand among those unused.
    `one` says that the only output is returned as a number, not in a tuple.
    """

    linear: list[list[Any]]
    products: list[list[list[Any]]]
    plain: list[bool]
    one: bool

    def arithmetic(self, *xs: Any) -> list[Any]:
        outputs = []
        for c, q in zip(self.linear, self.products, strict=True):
            terms = [a * x for a, x in zip(c, xs, strict=True)]
            for row, x in zip(q, xs, strict=True):
                terms += [a * x * y for a, y in zip(row, xs, strict=True)]
            outputs.append(sum(terms))
        return outputs

    def function(self) -> type[Function]:
        def forward(ctx: Any, note: str, *xs: Any) -> Any:
            assert note == "a plain argument"
            assert ctx.needs_input_grad[0] is False
            assert not any(isinstance(x, Value) for x in xs)
            ctx.save_for_backward(*xs)
            outputs = self.arithmetic(*xs)
            return outputs[0] if self.one else tuple(outputs)

        def backward(ctx: Any, *gs: Any) -> Any:
            xs = ctx.saved_values
            slopes: list[Any] = [None]
            for i, wanted in enumerate(ctx.needs_input_grad[1:]):
                by_output = [
                    c[i] + sum((q[i][j] + q[j][i]) * x for j, x in enumerate(xs))
                    for c, q in zip(self.linear, self.products, strict=True)
                ]
                slope = sum(g * d for g, d in zip(gs, by_output, strict=True))
                slopes.append(slope if wanted else None)
            return tuple(slopes)

        return single(forward, backward)

    def calls(self) -> tuple[Callable[..., list[Any]], Callable[..., list[Any]]]:
        """Return the arithmetic and the Function, as functions of the numbers that vary."""
        function = self.function()

        def through(*xs: Any) -> list[Any]:
            y = function.apply("a plain argument", *xs)
            assert isinstance(y, tuple) is not self.one
            return [y] if self.one else list(y)

        return self.arithmetic, through


@st.composite
def quadratics(draw: st.DrawFn) -> tuple[Quadratic, list[Any]]:
    inputs, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    numbers = st.integers(-5, 5) | fractions()

    def several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
        return st.lists(strategy, min_size=inputs, max_size=inputs)

    quadratic = Quadratic(
        [draw(several(numbers)) for _ in range(outputs)],
        [draw(several(several(numbers))) for _ in range(outputs)],
        draw(several(st.booleans()).filter(lambda plain: not all(plain))),
        outputs == 1 and draw(st.booleans()),
    )
    return quadratic, draw(several(fractions()))


def mixture(outputs: Sequence[Any], used: Sequence[bool]) -> Any:
    """Return something that is not linear in the outputs, and ignores the unused ones."""
    return sum(y * y * (k + 1) + y for k, y in enumerate(outputs) if used[k])
