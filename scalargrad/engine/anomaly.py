"""`detect_anomaly`: a block in which the op that first makes a nan is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from scalargrad.engine.errors import describe_call
from scalargrad.engine.graph import contributions, operands_of
from scalargrad.engine.modes import Wrapper, enter, in_mode, leave, mode
from scalargrad.engine.op import Op
from scalargrad.engine.recording import recorded
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value


def _is_nan(x: Any) -> bool:
    number = x._data if type(x) is Value else x
    return not isinstance(number, Tracer) and bool(number != number)


class Anomalies(Wrapper):
    """Within `detect_anomaly`: as in the mode around it, and each result is looked at."""

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        y = recorded(op, inputs) if self.around is None else self.around.record(op, inputs)
        if _is_nan(y) and not any(map(_is_nan, inputs)):
            raise ArithmeticError(f"{describe_call(op, inputs)} gave nan, first of all")
        return y

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        with in_mode(self.around):
            return op.function(*inputs)

    def passed(self, nodes: Sequence[Any]) -> None:
        """Raise ArithmeticError if a rule made a nan: `nodes` are each after what depends on it."""
        for node in nodes:
            operands = operands_of(node)
            if _is_nan(node._grad) or any(map(_is_nan, operands)):
                continue
            gs = [node._grad if isinstance(x, Value) else None for x in operands]
            for slope in contributions(node, gs, as_graph=False):
                if slope is not None and _is_nan(slope):
                    raise ArithmeticError(
                        f"the derivative of {describe_call(node._op, operands)} is nan, first of "
                        f"all; the derivative that arrived there was {node._grad!r}"
                    )


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """In this block, raise ArithmeticError where an op, or its derivative, first makes a nan.

    The error names the op and its inputs with their labels. A nan that was put in is none of its
    business, and infinities are not. Each op takes longer in it: it is for looking for an error,
    as PyTorch's. It holds for the asyncio task, or else the thread, that enters it; plain numbers
    are not looked at.

    >>> from scalargrad import detect_anomaly
    >>> x = Value(float("inf"), label="x")
    >>> with detect_anomaly():
    ...     x - x
    Traceback (most recent call last):
        ...
    ArithmeticError: (x=inf) - (x=inf) gave nan, first of all
    """
    entry = enter(Anomalies(mode()))
    try:
        yield
    finally:
        leave(entry)
