"""`map_grad`: a compiled gradient over a batch, spread over the workers of an executor."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import chain
from typing import Any

from scalargrad.transforms.nesting import Structure, flatten, unflatten


def _results(f: Callable[..., Any], calls: Sequence[Sequence[Any]]) -> list[Any]:
    return [f(*call) for call in calls]


def _process_pool() -> Any:
    module = sys.modules.get("concurrent.futures.process")  # there is none if it was never loaded
    return () if module is None else module.ProcessPoolExecutor


def map_grad(
    compiled: Callable[..., tuple[Any, Any]], batch: Iterable[Sequence[Any]], executor: Executor
) -> tuple[Any, Any]:
    """Return the sums of value and gradient over a batch, computed by the executor's workers.

    `compiled` gives a pair, as `compile(value_and_grad(f))` does; `batch` has its arguments, a
    sequence for each call. The sums are in the batch's order: they are the same to the last bit
    whatever the workers. Raises ValueError for an empty batch and for calls whose gradients differ
    in nesting, and TypeError for a batch or a function that is not as said.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from scalargrad import compile, value_and_grad
    >>> squared_error = compile(value_and_grad(lambda w, x, y: (w * x - y) ** 2))
    >>> with ThreadPoolExecutor() as executor:
    ...     map_grad(squared_error, [(2.0, 1.0, 3.0), (2.0, 4.0, 5.0)], executor)
    (10.0, 22.0)
    """
    calls = list(batch)
    if not calls:
        raise ValueError("map_grad needs a batch of one call at least")
    for i, call in enumerate(calls):
        if not isinstance(call, list | tuple) or len(call) != len(calls[0]):
            raise TypeError(
                "map_grad needs a batch of lists or tuples of arguments, all equally long, such as "
                f"[(x, y), ...]; item {i} is {call!r}"
            )
    # Other processes get the programs alone, and cannot write one.
    if isinstance(executor, _process_pool()):
        for call in calls if hasattr(compiled, "prepare") else ():
            compiled.prepare(*call)  # type: ignore[attr-defined]
        try:
            pickle.dumps(compiled)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                "a process pool needs a function that can be sent to other processes, such as "
                f"compile(value_and_grad(f)): {error}"
            ) from None
    total: list[Any] = []
    first: Structure = None
    # The function travels with each chunk, so a few for each of the machine's cores are enough.
    size = -(-len(calls) // (4 * (os.cpu_count() or 1)))
    chunks = [calls[i : i + size] for i in range(0, len(calls), size)]
    for result in chain.from_iterable(executor.map(partial(_results, compiled), chunks)):
        numbers, structure = flatten(result, "the result")
        if total and structure != first:
            raise ValueError(
                "map_grad adds up gradients, so all calls of a batch take arguments of the same "
                f"nesting and lengths; one call gives {result!r}, others do not"
            )
        first = structure
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "map_grad needs a function that returns a pair, the value and the gradient, as "
                f"compile(value_and_grad(f)) does; this one returned {result!r}"
            )
        total = [a + b for a, b in zip(total, numbers, strict=True)] if total else numbers
    value, gradients = unflatten(first, total)
    return value, gradients
