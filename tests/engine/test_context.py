"""The context: no_grad has the rules of decimal.localcontext; decorators; traces."""

from __future__ import annotations

import asyncio
import decimal
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

import scalargrad
from scalargrad import Value, detect_anomaly, grad, no_grad, sin, softmax, where
from scalargrad.engine import context
from scalargrad.engine.context import in_trace
from scalargrad.engine.op import Op
from tests.own_functions import ExpAndDouble
from tests.threads import in_threads


def records() -> bool:
    """Return whether ops record here, all of them alike."""
    x = Value(3.0)
    results: list[Any] = [x * 2, 2 * x, -x, sin(x), x.exp(), scalargrad.fsum([x, x]), x.elu()]
    results += [*softmax([x, 1.0]), *ExpAndDouble.apply(x), where(x, x, 1.0)]
    found: set[bool] = {y.parents != () for y in results}
    assert len(found) == 1, "some ops record, and some do not"
    assert {y.op != "" for y in results} == found
    return found.pop()


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    assert not context.active
    yield
    gc.collect()
    assert not context.active
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


# --- the rules of decimal.localcontext ------------------------------------------------------------

# A block, and what says whether it holds.
Block = Callable[[], AbstractContextManager[Any]]
Holds = Callable[[], bool]


def of_decimal() -> AbstractContextManager[Any]:
    return decimal.localcontext(decimal.Context(prec=3))


def decimal_holds() -> bool:
    return decimal.getcontext().prec == 3


def watched() -> bool:
    try:
        Value(float("inf")) - Value(float("inf"))
    except ArithmeticError:
        return True
    return False


def tasks_side_by_side(block: Block, holds: Holds) -> Any:
    async def within() -> list[bool]:
        found = []
        with block():
            for _ in range(5):
                found.append(holds())
                await asyncio.sleep(0)
        return found

    async def without() -> list[bool]:
        found = []
        for _ in range(5):
            found.append(holds())
            await asyncio.sleep(0)
        return found

    async def main() -> Any:
        return await asyncio.gather(within(), without(), within(), without())

    return asyncio.run(main())


def tasks_inherit(block: Block, holds: Holds) -> Any:
    async def child(go: asyncio.Event | None = None) -> bool:
        if go is not None:
            await go.wait()
        return holds()

    async def main() -> list[bool]:
        go = asyncio.Event()
        with block():
            awaited = await child()
            started = await asyncio.create_task(child())
            outliving = asyncio.create_task(child(go))
            in_a_worker = await asyncio.to_thread(holds)
            inside = holds()
        go.set()
        return [awaited, started, await outliving, in_a_worker, inside, holds()]

    return asyncio.run(main())


def a_task_that_is_cancelled(block: Block, holds: Holds) -> Any:
    async def waits() -> None:
        with block():
            await asyncio.sleep(60)

    async def main() -> bool:
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return holds()

    return asyncio.run(main())


def a_loop_within(block: Block, holds: Holds) -> Any:
    async def main() -> bool:
        return holds()

    with block():
        return [asyncio.run(main()), holds()]


def threads(block: Block, holds: Holds) -> Any:
    found = []
    with block():
        in_a_thread(lambda: found.append(holds()))
        found.append(holds())
    return found


def a_suspended_generator(block: Block, holds: Holds) -> Any:
    def suspended() -> Generator[bool, None, None]:
        with block():
            while True:
                yield holds()

    running = suspended()
    found = [next(running), holds()]
    in_a_thread(lambda: found.append(holds()))
    running.close()
    found.append(holds())
    with block():
        inner = suspended()
        found += [next(inner), holds()]
        inner.close()
        found.append(holds())
    return [*found, holds()]


def a_context_manager_that_enters_for_its_caller(block: Block, holds: Holds) -> Any:
    @contextmanager
    def evaluation() -> Iterator[None]:
        with block():
            yield

    found = []
    with evaluation():
        found.append(holds())
        with evaluation(), block():
            found.append(holds())
        found.append(holds())
    found.append(holds())

    async def main() -> bool:
        with evaluation():
            await asyncio.sleep(0)
            return holds()

    return [*found, asyncio.run(main())]


def an_exception(block: Block, holds: Holds) -> Any:
    with pytest.raises(KeyError), block(), block():
        raise KeyError
    return holds()


SCENARIOS = [
    tasks_side_by_side,
    tasks_inherit,
    a_task_that_is_cancelled,
    a_loop_within,
    threads,
    a_suspended_generator,
    a_context_manager_that_enters_for_its_caller,
    an_exception,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_rules_are_those_of_decimal(scenario: Callable[[Block, Holds], Any]) -> None:
    expected = scenario(of_decimal, decimal_holds)
    assert scenario(no_grad, lambda: not records()) == expected
    assert scenario(detect_anomaly, watched) == expected


def test_blocks_nest_in_any_order() -> None:
    x = Value(float("inf"))
    for outer, inner in ((no_grad, detect_anomaly), (detect_anomaly, no_grad)):
        with outer(), inner():
            assert not records()
            assert watched()
        with outer():
            with inner():
                pass
            assert records() is (outer is detect_anomaly)
            assert watched() is (outer is detect_anomaly)
        assert records()
        assert not watched()
    with no_grad(), detect_anomaly(), no_grad():
        assert grad(lambda y: y * y)(3.0) == 6.0
        with pytest.raises(ArithmeticError, match="gave nan"):
            grad(lambda y: y * x - y * x)(3.0)


# --- generators ---------------------------------------------------------------------------------


def suspended() -> Generator[bool, None, None]:
    with no_grad():
        while True:
            yield records()


def test_generators_are_closed_in_any_order() -> None:
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]):
        running = [suspended() for _ in range(3)]
        for generator in running:
            assert not next(generator)
        for n, k in enumerate(order):
            running[k].close()
            assert records() == (n == 2)


def test_a_generator_that_is_begun_in_another_thread_and_closed_here() -> None:
    running = suspended()
    in_a_thread(lambda: next(running))
    assert records()
    running.close()
    assert records()


def test_a_generator_that_is_never_closed() -> None:
    kept = [suspended()]
    in_a_thread(lambda: next(kept[0]))
    gc.collect()
    assert not context.active, "its thread is gone, and its context with it"
    kept.clear()


# --- threads ------------------------------------------------------------------------------------


def test_a_finished_thread_leaves_nothing() -> None:
    def never_leaves() -> None:
        no_grad().__enter__()
        assert not records()

    in_a_thread(never_leaves)
    gc.collect()
    assert not context.active


def test_one_block_in_several_threads() -> None:
    shared = no_grad()
    barrier = threading.Barrier(4)
    failures: list[int] = []

    def work(n: int) -> None:
        for k in range(30):
            with nullcontext() if n == 0 else shared:
                if k < 3:  # the others are within, then, and the first is not
                    barrier.wait(20)
                if records() is (n > 0):
                    failures.append(n)
                if k < 3:
                    barrier.wait(20)
            if not records():
                failures.append(n)

    in_threads(work, 4)
    assert failures == []


def test_threads_that_enter_and_leave_at_random() -> None:
    failures: list[str] = []

    def work(_: int) -> None:
        for n in range(100):
            with no_grad():
                time.sleep(0)
                if n % 10 == 0 and records():
                    failures.append("recorded within no_grad")
            if n % 10 == 0 and not records():
                failures.append("not recorded outside of it")

    in_threads(work, 8)
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


# --- traces ----------------------------------------------------------------------------


class Refusing:
    """As a trace does: it keeps the ops, and refuses that a number is read or set."""

    def __init__(self) -> None:
        self.ops: list[str] = []

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        self.ops.append(op.name)
        return inputs[0]

    def refuse_access(self) -> None:
        raise PermissionError("no number here")


def test_a_trace_that_refuses_access_is_asked_wherever_a_number_is_read_or_set() -> None:
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
    with in_trace(refusing):
        for attempt in tries:
            with pytest.raises(PermissionError, match="no number here"):
                attempt()
        with no_grad(), pytest.raises(PermissionError):
            x.data  # noqa: B018
        with in_trace(None):
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
