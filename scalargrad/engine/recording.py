"""Recording: an op on Values becomes a node of their graph."""

from __future__ import annotations

from typing import Any

from scalargrad.engine.context import active, here
from scalargrad.engine.errors import FAILURES, explained, refuse_result
from scalargrad.engine.op import Op
from scalargrad.engine.real import number_of
from scalargrad.engine.value import Value

_new = object.__new__


def record_value(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the Value of `op` on `inputs`: Values and plain numbers."""
    return recorded(op, inputs) if not active or here().plain else record_within(op, inputs)


def record_within(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return the result of `op` on `inputs` in a context that has a say in it."""
    now = here()
    if now.trace is not None:
        y = now.trace.record(op, inputs)
    else:
        y = recorded(op, inputs)
        if now.watch is not None:
            now.watch.look(y, op, inputs)
    return y if now.records else y.detach()


def recorded(op: Op, inputs: tuple[Any, ...]) -> Value:
    """Return the Value of `op` on `inputs`, in no mode."""
    numbers = [x._data for x in inputs if isinstance(x, Value)]
    all_values = len(numbers) == len(inputs)
    if not all_values:
        inputs = tuple([x if isinstance(x, Value) else _plain(x) for x in inputs])
        numbers = [x._data if isinstance(x, Value) else x for x in inputs]
    try:
        data = op.forward(*numbers)
    except FAILURES as error:
        raise explained(error, op, inputs) from None
    if type(data) is not float:
        given, data = data, number_of(data)
        if data is None:
            refuse_result(op, inputs, given)
    return make_node(op, inputs, data, inputs if all_values else None)


def _plain(x: Any) -> Any:
    number = number_of(x)
    return x if number is None else number


def make_node(
    op: Op, inputs: tuple[Any, ...], data: Any, sources: tuple[Any, ...] | None = None
) -> Value:
    """Return a new result of `op` on `inputs` with this data.

    `sources`, where the inputs are known to be Values, each of them, has those that are results.
    """
    node = _new(Value)
    node._data = data
    node._grad = 0
    node.label = ""
    node._op = op
    if op.joint is not None:
        node._first = inputs
        node._second = sources
    else:
        node._first = inputs[0]
        node._second = inputs[1] if len(inputs) == 2 else None
    return node
