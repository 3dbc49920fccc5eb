"""`detect_anomaly`: a block in which the op that first makes a nan is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from scalargrad.engine.context import within
from scalargrad.engine.errors import describe, describe_call, shown
from scalargrad.engine.graph import call_of, contributions, operands_of
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Tangents
from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value


def _is_nan(x: Any) -> bool:
    if isinstance(x, Cotangents):
        return any(map(_is_nan, x.by_output.values()))
    if isinstance(x, Tangents | tuple):
        return any(map(_is_nan, x.by_output if isinstance(x, Tangents) else x))
    number = x._data if type(x) is Value else x
    return is_real(number) and bool(number != number)


class _Anomalies:
    """Looks for what makes a nan: the `watch` of a context."""

    def look(self, y: Any, op: Op, inputs: tuple[Any, ...]) -> None:
        """Raise ArithmeticError if the result of an op is a nan that its inputs were not."""
        if _is_nan(y) and not any(map(_is_nan, inputs)):
            raise ArithmeticError(f"{describe_call(op, inputs)} gave nan, first of all")

    def recomputed(self, nodes: Sequence[Any]) -> None:
        """Raise ArithmeticError if an op made a nan."""
        for node in nodes:
            call = call_of(node)
            self.look(node, call._op, operands_of(call))

    def watched(self, node: Any, gs: Sequence[Any], as_graph: bool) -> Sequence[Any]:
        """Return the contributions. Raise ArithmeticError if the rule of `node` made a nan."""
        # What a rule computes on its way is not looked at, but what it gives in the end.
        with within(watch=None):
            found = contributions(node, gs, as_graph)
        if any(map(_is_nan, found)) and not any(map(_is_nan, (*gs, *operands_of(node)))):
            arrived = next(g for g in gs if g is not None)
            call = call_of(node)
            raise ArithmeticError(
                f"the derivative of {describe_call(call._op, operands_of(call))} is nan, first of "
                f"all; the derivative that arrived there was {_described(arrived)}"
            )
        return found

    def summed(self, x: Any, had: Any, slope: Any) -> Any:
        """Return the sum of two derivatives by `x`. Raise ArithmeticError if that makes a nan."""
        nan_before = _is_nan(had) or _is_nan(slope)
        terms = f"{_described(had)} + {_described(slope)}"
        total = had + slope
        if not nan_before and _is_nan(total):
            raise ArithmeticError(
                f"the derivatives by {describe(x)} add up to nan, first of all: {terms}"
            )
        return total


def _described(g: Any) -> str:
    numbers = g.by_output if isinstance(g, Cotangents | Tangents) else g
    if isinstance(numbers, dict):
        numbers = list(numbers.values())
    return shown(numbers._data if type(numbers) is Value else numbers)


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """In this block, raise ArithmeticError where an op, or its derivative, first makes a nan.

    The error names the op and its inputs with their labels. It ignores nans in your inputs, and
    infinities. Each op takes longer in it, and a `Function`'s backward runs twice: use it to look
    for an error, as PyTorch's. It holds in `backward`, `derivatives` and the transforms, but not
    for the coefficients of `taylor`. Where it holds follows the rules of `no_grad`. It does not see
    plain numbers, so it cannot look into a compiled function: call the original one instead.

    >>> from scalargrad import detect_anomaly
    >>> x = Value(float("inf"), label="x")
    >>> with detect_anomaly():
    ...     x - x
    Traceback (most recent call last):
        ...
    ArithmeticError: (x=inf) - (x=inf) gave nan, first of all
    """
    with within(watch=_Anomalies()):
        yield
