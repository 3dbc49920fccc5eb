"""`map_grad`: a compiled gradient over a batch, also spread over the workers of an executor."""

from __future__ import annotations

import os
import pickle
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import cached_property, lru_cache
from hashlib import sha256
from io import BytesIO
from itertools import chain
from operator import add
from types import FunctionType
from typing import Any

from scalargrad.transforms.nesting import (
    Structure,
    flatten,
    unflatten,
    with_arrays,
    without_arrays,
)

# So many functions a worker keeps, with their programs: it gets the same one again and again.
_KEPT = 8
# Of a function of more bytes, their hash goes first, and the bytes to workers that lack them. To
# send fewer costs less than to be asked for them.
_LONG = 50_000


class _Packed:
    """What goes to a worker as bytes, which nothing on the way takes apart, or as their hash.

    Schedulers such as dask's look into what they send, number by number, and copy it several times.
    In this process it is the thing itself.
    """

    def __init__(self, thing: Any, is_kept: bool = False, by_hash: bool = False) -> None:
        self.thing = thing
        self._is_kept, self._by_hash = is_kept, by_hash

    @cached_property
    def _reduced(self) -> Any:
        file = BytesIO()
        try:
            _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(self.thing)
        except (pickle.PicklingError, AttributeError, TypeError):
            return _Packed, (self.thing,)  # for the executor, which may have another way
        data = file.getvalue()
        is_sent = not (self._by_hash and len(data) > _LONG)
        return _Arrived, (data if is_sent else None, self._is_kept and sha256(data).digest())

    def __reduce__(self) -> Any:
        return self._reduced


class _Pickler(pickle.Pickler):
    """Refuses what stands in a script: where it arrives, `__main__` may be another."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType) and obj.__module__ == "__main__":
            raise pickle.PicklingError(f"{obj!r} stands in a script")
        return NotImplemented


class _Arrived:
    """The same where it arrives: its bytes, if they were sent, and their hash, if it is kept."""

    def __init__(self, data: bytes | None, digest: bytes) -> None:
        self._data, self._digest = data, digest

    @property
    def thing(self) -> Any:
        """The thing, the same one if it has arrived before; None if its bytes never did."""
        place = _place(self._digest) if self._digest else []
        if not place and self._data is not None:
            place.append(pickle.loads(self._data))
        return place[0] if place else None


@lru_cache(_KEPT)
def _place(digest: bytes) -> list[Any]:
    """Return a list of what arrived as bytes of this hash: of one thing, or empty."""
    return []


class _Worker:
    """What a worker does: it calls the function with each of some calls' arguments.

    It returns None if it lacks the function.
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, calls: Any) -> _Results | None:
        function = self.function.thing
        if function is None:
            return None
        found: list[tuple[Sequence[Any], Structure]] = []
        for call in calls.thing:
            result = function(*call)
            numbers, structure = flatten(without_arrays(result), "the result")
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(
                    "map_grad needs a function that returns a pair, the value and the gradient, as "
                    f"compile(value_and_grad(f)) does; this one returned {result!r}"
                )
            found.append((numbers, structure))
        return _Results(found)


class _Results:
    """The results of some calls, each its numbers and its structure."""

    def __init__(self, found: list[tuple[Sequence[Any], Structure]]) -> None:
        self.found = found

    def __reduce__(self) -> Any:
        structure = self.found[0][1]
        numbers = list(chain.from_iterable(own for own, _ in self.found))
        if {float}.issuperset(map(type, numbers)) and all(s == structure for _, s in self.found):
            return _unpacked, (structure, len(self.found), array("d", numbers))
        return _Results, (self.found,)


def _unpacked(structure: Structure, count: int, numbers: array[float]) -> _Results:
    size = len(numbers) // count
    return _Results([(numbers[i * size : (i + 1) * size], structure) for i in range(count)])


def _workers(executor: Executor) -> int:
    """Return how many calls `executor` runs at once; where it does not say, how many CPUs are."""
    client = getattr(executor, "_client", None)  # of dask's
    if client is not None and hasattr(client, "nthreads"):
        return sum(client.nthreads().values()) or 1
    return getattr(executor, "_max_workers", None) or os.cpu_count() or 1


def _results(
    executor: Executor | None, function: Any, shares: Sequence[_Packed]
) -> Iterator[_Results]:
    """Yield the results of the shares of a batch, in order."""
    if executor is None:
        for share in shares:
            yield _Worker(_Packed(function))(share)  # type: ignore[misc]
        return
    done = 0
    for by_hash in (True, False):
        worker = _Worker(_Packed(function, is_kept=True, by_hash=by_hash))
        for results in executor.map(worker, shares[done:]):
            if results is None:
                break  # it lacks the function: the later shares go again, errors keep their order
            yield results
            done += 1
        else:
            return


def _process_pool() -> Any:
    module = sys.modules.get("concurrent.futures.process")  # there is none if it was never loaded
    return () if module is None else module.ProcessPoolExecutor


def _is_of_threads(executor: Executor) -> bool:
    module = sys.modules.get("concurrent.futures.thread")  # there is none if it was never loaded
    return module is not None and isinstance(executor, module.ThreadPoolExecutor)


def _sums_in_c(compiled: Any, calls: list[Any], executor: Executor | None) -> Any:
    """Return the sums over a batch of a function in C; None if Python must run it."""
    in_threads = executor is not None and _is_of_threads(executor)
    if getattr(compiled, "_target", "") != "c" or not (executor is None or in_threads):
        return None
    from scalargrad.programs.run.c_batch import sum_of_calls  # only here: it loads ctypes

    return sum_of_calls(compiled, calls, executor, _workers(executor) if executor else 1)


def map_grad(
    compiled: Callable[..., tuple[Any, Any]],
    batch: Iterable[Sequence[Any]],
    executor: Executor | None = None,
) -> tuple[Any, Any]:
    """Return the sums of value and gradient over a batch, computed by the executor's workers.

    `compiled` gives a pair, as `compile(value_and_grad(f))` does; `batch` has its arguments, a
    sequence for each call. The sums are in the batch's order: they are the same to the last bit
    whatever the workers, and without any. A function with `target="c"` runs the whole batch in one
    call of C, where an argument that is the same object in all calls goes in once; an executor of
    threads splits it into equal parts. Raises ValueError for an empty batch and for calls whose
    gradients differ in nesting, and TypeError for a batch or a function that is not as said.

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
    found = _sums_in_c(compiled, calls, executor)
    if found is not None:
        return found  # type: ignore[no-any-return]
    # Other processes get the programs alone, and cannot write one.
    if not (executor is None or _is_of_threads(executor)) and hasattr(compiled, "prepare"):
        for call in calls:
            compiled.prepare(*call)
    if isinstance(executor, _process_pool()):
        try:
            pickle.dumps(compiled)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise TypeError(
                "a process pool needs a function that can be sent to other processes, such as "
                f"compile(value_and_grad(f)): {error}"
            ) from None
    # Few messages: one for each worker.
    size = len(calls) if executor is None else -(-len(calls) // _workers(executor))
    shares = [_Packed(calls[i : i + size]) for i in range(0, len(calls), size)]
    total: list[Any] = []
    structure: Structure = None
    for results in _results(executor, compiled, shares):
        for numbers, nesting in results.found:
            if total and nesting != structure:
                raise ValueError(
                    "map_grad adds up gradients, so all calls of a batch take arguments of the "
                    "same nesting and lengths; one call gives "
                    f"{unflatten(nesting, numbers)!r}, others do not"
                )
            structure = nesting
            total = [*map(add, total, numbers)] if total else [*numbers]
    value, gradients = with_arrays(unflatten(structure, total))
    return value, gradients
