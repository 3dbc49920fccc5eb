"""no_grad holds in the task or thread that entered it, and in no other; modes and traces."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, grad, no_grad, sin
from scalargrad.engine import modes
from scalargrad.engine.modes import Mode, in_mode
from scalargrad.engine.op import Op
from tests.threads import in_threads


def records() -> bool:
    """Return whether ops record here, all of them alike."""
    x = Value(3.0)
    results: list[Any] = [x * 2, 2 * x, -x, sin(x), x.exp(), scalargrad.fsum([x, x]), x.elu()]
    found: set[bool] = {y.parents != () for y in results}
    assert len(found) == 1, "some ops record, and some do not"
    return found.pop()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    assert not modes.active
    yield
    gc.collect()
    assert not modes.active
    assert records()


def in_a_thread(work: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert failures == []


# --- tasks --------------------------------------------------------------------------------------


def test_tasks_side_by_side() -> None:
    async def cut_off() -> list[bool]:
        found = []
        with no_grad():
            for _ in range(5):
                found.append(records())
                await asyncio.sleep(0)
        return found

    async def recorded() -> list[bool]:
        found = []
        for _ in range(5):
            found.append(records())
            await asyncio.sleep(0)
        return found

    async def main() -> list[list[bool]]:
        return list(await asyncio.gather(cut_off(), recorded(), cut_off(), recorded()))

    assert asyncio.run(main()) == [[False] * 5, [True] * 5, [False] * 5, [True] * 5]


def test_a_task_that_is_started_inside_records() -> None:
    async def child() -> bool:
        return records()

    async def main() -> list[bool]:
        with no_grad():
            awaited = await child()
            task = asyncio.create_task(child())
            started = await task
            inside = records()
        return [awaited, started, inside, records()]

    assert asyncio.run(main()) == [False, True, False, True]


def test_a_task_outlives_the_block_it_was_started_in() -> None:
    async def child(go: asyncio.Event) -> bool:
        await go.wait()
        return records()

    async def main() -> bool:
        go = asyncio.Event()
        with no_grad():
            task = asyncio.create_task(child(go))
            await asyncio.sleep(0)
        go.set()
        return await task

    assert asyncio.run(main())


def test_a_task_that_is_cancelled_leaves() -> None:
    async def waits() -> None:
        with no_grad():
            await asyncio.sleep(60)

    async def main() -> bool:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return records()

    assert asyncio.run(main())


def test_a_loop_that_is_run_within_a_block() -> None:
    async def main() -> bool:
        return records()

    with no_grad():
        # A task of its own: it did not enter the block.
        assert asyncio.run(main())
        assert not records()


def test_to_thread_records() -> None:
    async def main() -> list[bool]:
        with no_grad():
            return [await asyncio.to_thread(records), records()]

    assert asyncio.run(main()) == [True, False]


# --- generators ---------------------------------------------------------------------------------


def suspended() -> Generator[bool, None, None]:
    with no_grad():
        while True:
            yield records()


def test_a_suspended_generator_holds_for_who_began_it_and_not_elsewhere() -> None:
    running = suspended()
    assert not next(running)
    assert not records(), "as a context manager's generator does for its caller"

    def elsewhere() -> None:
        assert records()

    in_a_thread(elsewhere)

    async def task() -> bool:
        return records()

    assert asyncio.run(task())
    running.close()
    assert records()


def test_generators_are_closed_in_any_order() -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]):
        running = [suspended() for _ in range(3)]
        for generator in running:
            assert not next(generator)
        for n, k in enumerate(order):
            running[k].close()
            assert records() == (n == 2)


def test_a_generator_that_is_closed_in_another_thread() -> None:
    running = suspended()
    assert not next(running)
    in_a_thread(running.close)
    assert records()


def test_a_generator_that_is_begun_in_another_thread_and_closed_here() -> None:
    running = suspended()
    in_a_thread(lambda: next(running))
    assert records()
    with no_grad():
        running.close()
        assert not records(), "its own block is left, not this one"


def test_a_generator_that_is_never_closed() -> None:
    kept = [suspended()]
    in_a_thread(lambda: next(kept[0]))
    assert modes.active
    kept.clear()
    gc.collect()
    assert not modes.active


def test_a_generator_that_is_closed_in_another_task() -> None:
    async def begins(running: Generator[bool, None, None]) -> None:
        assert not next(running)

    async def main() -> list[bool]:
        running = suspended()
        await asyncio.create_task(begins(running))
        found = [records()]
        with no_grad():
            running.close()
            found.append(records())
        return [*found, records()]

    assert asyncio.run(main()) == [True, False, True]


def test_a_context_manager_that_enters_for_its_caller() -> None:
    @contextmanager
    def evaluation() -> Iterator[None]:
        with no_grad():
            yield

    with evaluation():
        assert not records()
        with evaluation(), no_grad():
            assert not records()
        assert not records()
    assert records()

    async def main() -> bool:
        with evaluation():
            await asyncio.sleep(0)
            return records()

    assert not asyncio.run(main())


# --- threads ------------------------------------------------------------------------------------


def test_a_finished_thread_leaves_nothing() -> None:
    def never_leaves() -> None:
        no_grad().__enter__()
        assert not records()

    in_a_thread(never_leaves)
    gc.collect()
    assert not modes.active


def test_one_block_in_several_threads() -> None:
    shared = no_grad()
    barrier = threading.Barrier(4)
    failures: list[int] = []

    def work(n: int) -> None:
        for k in range(30):
            with shared:
                if k == 0:
                    barrier.wait(20)
                if records():
                    failures.append(n)
            if not records():
                failures.append(n)

    in_threads(work, 4)
    assert failures == []


def test_a_block_entered_again_and_nested() -> None:
    block = no_grad()
    with block:
        with block, no_grad():
            assert not records()
        assert not records()
    assert records()
    with block:
        assert not records()


def test_leaving_a_block_that_was_not_entered() -> None:
    with pytest.raises(RuntimeError, match="no_grad was left more often than entered"):
        no_grad().__exit__(None, None, None)


# --- decorators ---------------------------------------------------------------------------------


def test_a_function_with_and_without_brackets() -> None:
    @no_grad
    def bare(n: int) -> bool:
        """Say whether ops record."""
        return records() or (n > 0 and bare(n - 1))

    @no_grad()
    def called(n: int) -> bool:
        """Say whether ops record."""
        return records() or (n > 0 and called(n - 1))

    for function in (bare, called):
        assert function.__doc__ == "Say whether ops record."
        assert not function(3)
        assert records()
    assert (bare.__name__, called.__name__) == ("bare", "called")


def test_methods() -> None:
    class Model:
        @no_grad
        def bare(self) -> tuple[Model, bool]:
            return self, records()

        @no_grad()
        def called(self) -> tuple[Model, bool]:
            return self, records()

        @staticmethod
        @no_grad
        def static() -> bool:
            return records()

        @classmethod
        @no_grad
        def of_class(cls) -> tuple[type[Model], bool]:
            return cls, records()

    model = Model()
    assert model.bare() == (model, False)
    assert model.called() == (model, False)
    assert not model.static()
    assert Model.of_class() == (Model, False)


def test_what_no_grad_does_not_take() -> None:
    with pytest.raises(TypeError, match="no_grad takes no argument, or a function to decorate"):
        no_grad(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="classes are not decorated"):

        @no_grad
        class Model:
            pass


def test_a_coroutine_function() -> None:
    @no_grad
    async def evaluate(n: int) -> list[bool]:
        found = [records()]
        await asyncio.sleep(0)
        return [*found, records(), n == 3]

    async def beside() -> list[bool]:
        found = []
        for _ in range(4):
            found.append(records())
            await asyncio.sleep(0)
        return found

    async def main() -> Any:
        return await asyncio.gather(evaluate(n=3), beside())

    assert asyncio.iscoroutinefunction(evaluate)
    assert asyncio.run(main()) == [[False, False, True], [True] * 4]


def test_a_generator_function_records_nothing_while_it_runs_and_all_while_it_waits() -> None:
    @no_grad()
    def numbers(start: int) -> Generator[Any, Any, str]:
        try:
            got = yield records(), start
            while got != "end":
                try:
                    got = yield records(), got
                except KeyError as error:
                    got = yield records(), f"caught {error}"
            return "returned"
        finally:
            assert not records()

    running = numbers(5)
    assert next(running) == (False, 5)
    assert records()
    assert running.send("a") == (False, "a")
    assert records()
    assert running.throw(KeyError("b")) == (False, "caught 'b'")
    assert running.send("c") == (False, "c")
    with pytest.raises(StopIteration) as stop:
        running.send("end")
    assert stop.value.value == "returned"
    assert records()

    broken = numbers(1)
    next(broken)
    with pytest.raises(ZeroDivisionError):
        broken.throw(ZeroDivisionError)
    closed = numbers(1)
    next(closed)
    closed.close()
    assert list(closed) == []

    def delegates() -> Generator[Any, Any, str]:
        return (yield from numbers(7))

    outer = delegates()
    assert next(outer) == (False, 7)
    assert outer.send("d") == (False, "d")


def test_an_async_generator_function() -> None:
    left = []

    @no_grad
    async def numbers(start: int) -> AsyncIterator[Any]:
        try:
            got: Any = start
            while got != "end":
                try:
                    got = yield records(), got
                except KeyError:
                    got = "caught"
                await asyncio.sleep(0)
        finally:
            left.append(records())

    async def main() -> None:
        running: Any = numbers(1)
        assert await running.__anext__() == (False, 1)
        assert records()
        assert await running.asend("a") == (False, "a")
        assert await running.athrow(KeyError()) == (False, "caught")
        with pytest.raises(StopAsyncIteration):
            await running.asend("end")
        closed: Any = numbers(2)
        async for found in closed:
            assert found == (False, 2)
            break
        await closed.aclose()
        assert records()

    asyncio.run(main())
    assert left == [False, False]


# --- modes of others ----------------------------------------------------------------------------


class Refusing(Mode):
    """As a trace does: it keeps the ops, and refuses that a number is read or set."""

    def __init__(self) -> None:
        self.ops: list[str] = []

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        self.ops.append(op.name)
        return inputs[0]

    def refuse_access(self) -> None:
        raise PermissionError("no number here")


def test_a_mode_that_refuses_access_is_asked_wherever_a_number_is_read_or_set() -> None:
    x = Value(3.0)
    y = x * x

    class Kept(Value):
        pass

    tries: list[Callable[[], Any]] = [
        lambda: x.data,
        lambda: x.grad,
        lambda: setattr(x, "data", 1.0),
        lambda: setattr(x, "grad", 1.0),
        lambda: setattr(x, "grad", None),
        lambda: y.backward(),
        lambda: y.forward(),
        lambda: scalargrad.derivatives(y, [x]),
        lambda: f"{x:.2f}",
        lambda: Kept(2.0).data,
        lambda: __import__("copy").copy(x),
    ]
    refusing = Refusing()
    with in_mode(refusing):
        for attempt in tries:
            with pytest.raises(PermissionError, match="no number here"):
                attempt()
        with no_grad(), pytest.raises(PermissionError):
            x.data  # noqa: B018
        with in_mode(None):
            assert x.data == 3.0
        assert refusing.ops == []
        sin(x * 2)
        assert refusing.ops == ["*", "sin"]
        in_a_thread(lambda: x.data)
    assert (x.data, x.grad) == (3.0, 0)


def test_grad_within_no_grad_still_differentiates() -> None:
    with no_grad():
        assert grad(lambda x: x * x)(3.0) == 6.0
        assert not records()
