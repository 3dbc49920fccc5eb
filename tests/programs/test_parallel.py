"""`map_grad` sends little: few messages, of bytes, and gets bytes back."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from functools import reduce
from multiprocessing import get_context
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value, compile, log, map_grad, sumprod, tanh, value_and_grad
from scalargrad.programs.run import parallel


def loss(params: Any, xs: Any, y: Any) -> Any:
    weights, bias = params
    return (tanh(sumprod(weights, xs) + bias) - y) ** 2


def batch(calls: int) -> list[Any]:
    rng = random.Random(calls)
    params = [[rng.gauss(0, 1e3) for _ in range(50)], 0.5]
    return [(params, [rng.gauss(0, 1e-3) for _ in range(50)], 1.0) for _ in range(calls)]


def one_after_the_other(calls: Iterable[Any]) -> Any:
    compiled = compile(value_and_grad(loss))
    results = [compiled(*call) for call in calls]
    return reduce(
        lambda a, b: (
            a[0] + b[0],
            [[x + y for x, y in zip(a[1][0], b[1][0], strict=True)], a[1][1] + b[1][1]],
        ),
        results,
    )


class Elsewhere(Executor):
    """Runs tasks as if they were elsewhere: pickled, there and back. It keeps the messages."""

    def __init__(self, workers: int) -> None:
        self._max_workers = workers
        self.sent: list[bytes] = []
        self.received: list[bytes] = []

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        for arguments in zip(*iterables, strict=True):
            self.sent.append(pickle.dumps((fn, arguments)))
            function, given = pickle.loads(self.sent[-1])
            self.received.append(pickle.dumps(function(*given)))
            yield pickle.loads(self.received[-1])


@pytest.mark.parametrize(("workers", "calls"), [(1, 10), (2, 64), (4, 3), (3, 64)])
def test_a_message_for_each_worker(workers: int, calls: int) -> None:
    executor = Elsewhere(workers)
    # Never called: its program is written before it goes.
    assert map_grad(compile(value_and_grad(loss)), batch(calls), executor) == one_after_the_other(
        batch(calls)
    )
    assert len(executor.sent) == min(workers, calls)


def test_messages_are_bytes_and_as_long_as_their_numbers() -> None:
    executor, calls = Elsewhere(2), batch(64)
    compiled = compile(value_and_grad(loss))
    map_grad(compiled, calls, executor)
    program = len(pickle.dumps(compiled))
    for sent, received in zip(executor.sent, executor.received, strict=True):
        # Eight bytes for each number, nine in a pickle: parameters once, 32 rows, and results.
        assert len(sent) < program + 9 * (51 + 32 * 51) + 2000
        assert len(received) < 8 * 32 * 52 + 2000
        assert sent.count(b"_Arrived") == 1
    # What a scheduler sees of a task are two strings of bytes.
    function, (share,) = pickle.loads(executor.sent[0])
    assert [type(vars(x)["_data"]) for x in (function.function, share)] == [bytes, bytes]


def test_a_worker_unpickles_a_function_once() -> None:
    executor, compiled = Elsewhere(2), compile(value_and_grad(loss))
    for _ in range(2):
        map_grad(compiled, batch(4), executor)
    functions = {id(pickle.loads(sent)[0].function.thing) for sent in executor.sent}
    assert len(functions) == 1


class Pair(NamedTuple):
    x: float
    y: float


def test_what_stands_in_a_script(monkeypatch: pytest.MonkeyPatch) -> None:
    def product(pair: Any) -> Any:
        return pair[0] * pair[1]

    # A program needs nothing of the script that its function stands in.
    product.__module__ = "__main__"
    executor = Elsewhere(1)
    assert map_grad(compile(value_and_grad(product)), [((2.0, 3.0),)], executor) == (6.0, (3, 2))
    assert executor.sent[0].count(b"_Packed") == 0
    # But arguments of its classes do, and the programs for them.
    monkeypatch.setattr(Pair, "__module__", "__main__")
    monkeypatch.setattr("__main__.Pair", Pair, raising=False)
    executor = Elsewhere(1)
    found = map_grad(compile(value_and_grad(product)), [(Pair(2.0, 3.0),)], executor)
    assert found == (6.0, Pair(3.0, 2.0))
    assert executor.sent[0].count(b"_Packed") == 1
    assert executor.sent[0].count(b"_Arrived") == 0


def is_by_hash(sent: bytes) -> bool:
    """Return whether a message has the hash of its function, and not the bytes."""
    worker, _ = pickle.loads(sent)
    return vars(worker.function)["_data"] is None


@pytest.fixture
def all_are_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_LONG", 0)


@pytest.mark.usefixtures("all_are_long")
def test_a_long_function_goes_to_a_worker_once() -> None:
    forget()
    compiled, expected = compile(value_and_grad(loss)), one_after_the_other(batch(4))
    for as_hash in ([True, False, False], [True, True]):
        executor = Elsewhere(2)
        assert map_grad(compiled, batch(4), executor) == expected
        assert [*map(is_by_hash, executor.sent)] == as_hash
    program = len(pickle.dumps(compiled))
    assert max(map(len, executor.sent)) < 9 * (51 + 2 * 51) + 1000 < program


def test_a_short_function_is_not_asked_for() -> None:
    forget()
    executor = Elsewhere(2)
    map_grad(compile(value_and_grad(lambda x: x * x)), [(1.0,), (2.0,)], executor)
    assert len(executor.sent) == 2
    assert not any(map(is_by_hash, executor.sent))


@pytest.mark.usefixtures("all_are_long")
def test_a_long_function_that_changed_goes_again() -> None:
    w = Value(2.0)
    compiled = compile(value_and_grad(lambda x: w * x * x))
    for weight in (2.0, 3.0, 2.0):
        w.data = weight
        assert map_grad(compiled, [(1.0,), (2.0,)], Elsewhere(2)) == (5 * weight, 6 * weight)


@pytest.mark.usefixtures("all_are_long")
def test_more_long_functions_than_a_worker_keeps() -> None:
    functions = [compile(value_and_grad(lambda x, n=n: x * n)) for n in range(parallel._KEPT + 2)]
    for _ in range(2):
        for n, compiled in enumerate(functions):
            assert map_grad(compiled, [(1.0,), (2.0,)], Elsewhere(1)) == (3.0 * n, 2.0 * n)


class Forgetful(Elsewhere):
    """The workers of some messages have forgotten all functions."""

    def __init__(self, workers: int, forgets: list[bool]) -> None:
        super().__init__(workers)
        self._forgets = iter(forgets)

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        for arguments in zip(*iterables, strict=True):
            if next(self._forgets, False):
                forget()
            yield from super().map(fn, *([argument] for argument in arguments))


@pytest.mark.usefixtures("all_are_long")
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.3, 1e9, -1.0]), st.sampled_from([0.7, 3.0, 0.0]))),
    st.integers(1, 5),
    st.lists(st.booleans(), max_size=10),
)
def test_whatever_the_workers_lack(
    calls: list[tuple[float, float]], workers: int, forgets: list[bool]
) -> None:
    calls = [(0.1, 0.7), *calls]
    with ThreadPoolExecutor(1) as thread:
        expected = outcome(calls, thread)
    assert outcome(calls, Forgetful(workers, forgets)) == expected


def outcome(calls: list[tuple[float, float]], executor: Executor) -> Any:
    """Return the sums, or the type of the first error: of a logarithm, or a division by zero."""
    try:
        return map_grad(_quotient, calls, executor)
    except (ValueError, ZeroDivisionError) as error:
        return type(error)


_quotient = compile(value_and_grad(lambda x, y: log(x) / y))


def forget() -> None:
    parallel._place.cache_clear()


@pytest.mark.usefixtures("all_are_long")
def test_long_functions_in_other_processes() -> None:
    compiled = compile(value_and_grad(loss))
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        for calls in (4, 5, 4):
            found = map_grad(compiled, batch(calls), processes)
            assert found == one_after_the_other(batch(calls))


def test_the_workers_of_a_dask_client_are_counted() -> None:
    class Client:
        def nthreads(self) -> dict[str, int]:
            return {"a": 2, "b": 1}

    executor = Elsewhere(99)
    executor._client = Client()  # type: ignore[attr-defined]
    map_grad(compile(value_and_grad(loss)), batch(30), executor)
    assert len(executor.sent) == 3


def test_an_executor_that_says_nothing_of_its_workers() -> None:
    executor = Elsewhere(0)
    del executor._max_workers
    expected = one_after_the_other(batch(5))
    assert map_grad(compile(value_and_grad(loss)), batch(5), executor) == expected


def test_results_of_any_kind_come_back_as_they_are() -> None:
    compiled = compile(value_and_grad(lambda x, y: x * y))
    batches: list[list[tuple[Any, Any]]] = [
        *([(2, 3), (4, 5)], [(2.0, 3), (4, 0.5)], [(Fraction(1, 3), 2), (1, 1)]),
    ]
    for numbers in batches:
        executor = Elsewhere(1)
        value, slope = map_grad(compiled, numbers, executor)
        assert (value, slope) == (sum(x * y for x, y in numbers), sum(y for _, y in numbers))
        with ThreadPoolExecutor(1) as threads:
            again = map_grad(compiled, numbers, threads)
        assert [type(x) for x in (value, slope)] == [type(x) for x in again]


def test_what_pickle_refuses_is_left_to_the_executor() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        map_grad(value_and_grad(lambda x: x * x), [(1.0,)], Elsewhere(1))


def test_errors_come_back() -> None:
    executor = Elsewhere(2)
    with pytest.raises(ZeroDivisionError):
        map_grad(compile(value_and_grad(lambda x: 1 / x)), [(1.0,), (0.0,)], executor)
    with pytest.raises(TypeError, match=r"returns a pair, the value and the gradient.* 2\.0"):
        map_grad(compile(lambda x, y: x * y), [(1.0, 2.0)], executor)
