"""Results that are written into buffers which the caller gives: `out=` of a compiled function."""

from __future__ import annotations

from array import array
from typing import Any

from scalargrad.engine.errors import shown
from scalargrad.engine.real import is_real
from scalargrad.transforms.nesting import (
    NUMBER,
    Nest,
    flatten,
    items_of,
    unflatten,
    without_arrays,
)


def written(result: Any, out: Any) -> Any:
    """Return the result with the buffers of `out` in their places, which now hold its numbers.

    `out` is nested as the result: buffers of doubles that can be written to, and None or a number
    where the result stays as it is. If one does not fit, nothing is written. Raises TypeError for
    what is no such buffer and for another nesting, ValueError for another length.

    >>> room = array("d", [0.0, 0.0])
    >>> written((1.0, [2.0, 3.0]), (None, room)), room
    ((1.0, array('d', [2.0, 3.0])), array('d', [2.0, 3.0]))
    """
    found: list[tuple[Any, Any]] = []
    placed = _placed(result, out, "out", found)
    for view, numbers in found:
        view[:] = numbers
    return placed


def _placed(result: Any, out: Any, path: str, found: list[tuple[Any, Any]]) -> Any:
    """Return the result with buffers in it; add each to `found`, with the numbers that go there."""
    if out is None or is_real(out):
        return result
    outs, parts = items_of(out), items_of(result)
    if outs is None:
        found.append(_fitting(result, out, path))
        return out
    if parts is None or outs[0] != parts[0] or len(outs[1]) != len(parts[1]):
        raise TypeError(f"{path} must be nested as the result, {shown(result)}, not {shown(out)}")
    keys = parts[0] if parts[0] is not None else range(len(parts[1]))
    items = [
        _placed(item, own, f"{path}[{key!r}]", found)
        for key, item, own in zip(keys, parts[1], outs[1], strict=True)
    ]
    factory = getattr(result, "default_factory", None)
    return unflatten(Nest(type(result), parts[0], (NUMBER,) * len(items), factory), items)


def _fitting(result: Any, out: Any, path: str) -> tuple[Any, Any]:
    """Return the view of a buffer, of one dimension, and the numbers that fit there."""
    try:
        view: Any = memoryview(out)
    except TypeError:
        view = None
    if view is None or view.format != "d" or view.readonly:
        what = (
            f"{shown(out)}, which is read-only"
            if view is not None and view.readonly
            else shown(out)
        )
        raise TypeError(
            f"{path} must be a buffer of doubles that can be written to, such as an "
            f"array.array('d'), not {what}"
        )
    numbers = result
    if type(result) is not array:
        numbers = array("d", flatten(without_arrays(result), "the result")[0])
    if view.nbytes != 8 * len(numbers):
        raise ValueError(
            f"{path} has room for {view.nbytes // 8} numbers, and the result there has "
            f"{len(numbers)}"
        )
    return view if view.ndim == 1 else view.cast("B").cast("d"), numbers
