"""Modes: what becomes of ops, in a task or thread that does not simply record them.

`no_grad` is one, and the trace of `compile` another. A mode is in force in the asyncio task, or
else the thread, that entered it, until that leaves it: not in tasks and threads that were started
in between, nor where a generator that is suspended within it came from.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from scalargrad.engine.op import Op

# Of each mode that is in force anywhere, its entry's id. Nearly always empty: asking whether it is
# costs an op next to nothing.
active: set[int] = set()
# Those of them that look at derivatives, as `detect_anomaly` does.
watching: set[int] = set()


class Mode:
    """What becomes of ops on Values, where they are not to be recorded as usual.

    `within` are the nodes by which the derivatives that are being pulled back are wanted.
    """

    within: set[Any] | None = None

    # Whether it looks at derivatives, by `watched`.
    watches = False

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the result of `op` on `inputs`."""
        raise NotImplementedError

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the result of a `Function` on `inputs`: a number, or a tuple of numbers."""
        raise NotImplementedError

    def call_derivatives(self, op: Op, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> Any:
        """Return `op.derivatives` of a call of a `Function`, while a function is traced."""
        raise NotImplementedError

    def watched(self, node: Any, gs: Sequence[Any], as_graph: bool) -> Sequence[Any]:
        """Return `graph.contributions` of these, having looked at them: if it watches."""
        raise NotImplementedError

    def recomputed(self, nodes: Sequence[Any]) -> None:
        """Look at results, each after its operands, that `forward` gave a number anew."""

    def passed(self, nodes: Sequence[Any]) -> None:
        """Look at results that a backward pass went through, each after what depends on it."""

    def refuse_access(self) -> None:
        """Raise an error if the number of a Value may not be read or set in this mode."""

    def refused(self, error: Exception) -> None:
        """Take note of the TraceError that is raised now: somebody may catch it."""


class Wrapper(Mode):
    """A mode that passes on to the one `around` it, or to none."""

    def __init__(self, around: Mode | None) -> None:
        self.around = around

    def passed(self, nodes: Sequence[Any]) -> None:
        if self.around is not None:
            self.around.passed(nodes)

    def refuse_access(self) -> None:
        if self.around is not None:
            self.around.refuse_access()


class Entry:
    """One entering of a mode, by one task or thread."""

    __slots__ = ("mode", "task", "thread")

    def __init__(self, mode: Mode | None) -> None:
        self.mode = mode
        self.thread: int | None = threading.get_ident()
        task = _current_task()
        self.task = None if task is None else weakref.ref(task)
        active.add(id(self))
        if mode is not None and mode.watches:
            watching.add(id(self))

    def holds(self) -> bool:
        """Return whether this is in force here."""
        if self.thread != threading.get_ident():
            return False
        return (None if self.task is None else self.task()) is _current_task()

    def close(self) -> None:
        """End it, wherever it was entered."""
        self.thread = None
        active.discard(id(self))
        watching.discard(id(self))

    def __del__(self) -> None:
        # A suspended generator may be dropped with its thread, and never leave its mode.
        active.discard(id(self))
        watching.discard(id(self))


_entered: ContextVar[tuple[Entry, ...]] = ContextVar("scalargrad.modes", default=())


def _current_task() -> Any:
    asyncio = sys.modules.get("asyncio.tasks")  # importing it takes longer than all the rest
    if asyncio is None:
        return None
    try:
        return asyncio.current_task()
    except (RuntimeError, AttributeError):  # no loop runs here; or asyncio is still being imported
        return None


def enter(mode: Mode | None) -> Entry:
    """Put `mode` in force here, None for recording as usual; return what `leave` takes."""
    entry = Entry(mode)
    _entered.set((*(e for e in _entered.get() if e.thread is not None), entry))
    return entry


def leave(entry: Entry) -> None:
    """End what `enter` began, here or elsewhere."""
    entry.close()
    _entered.set(tuple(e for e in _entered.get() if e.thread is not None))


def mode() -> Mode | None:
    """Return the mode that is in force here."""
    entered = _entered.get()
    if not entered:
        return None
    thread, task = threading.get_ident(), _current_task()
    for entry in reversed(entered):
        if entry.thread == thread and (None if entry.task is None else entry.task()) is task:
            return entry.mode
    return None


def tracing() -> Mode | None:
    """Return the mode that is in force here, `no_grad` aside."""
    now = mode()
    while isinstance(now, Wrapper):
        now = now.around
    return now


def watcher() -> Wrapper | None:
    """Return the innermost mode in force here that looks at derivatives."""
    now = mode()
    while isinstance(now, Wrapper):
        if now.watches:
            return now
        now = now.around
    return None


def refuse_access() -> None:
    """Raise an error if the number of a Value may not be read or set here."""
    now = mode()
    if now is not None:
        now.refuse_access()


@contextmanager
def in_mode(now: Mode | None) -> Iterator[None]:
    """In this block ops on Values are done as `now` has it; None records."""
    entry = enter(now)
    try:
        yield
    finally:
        leave(entry)


def recording() -> AbstractContextManager[None]:
    """In this block ops record, even within `no_grad`: for the graph of a transform's own."""
    if not active:
        return nullcontext()
    now = tracing()
    if watching and (watch := watcher()) is not None:
        now = watch if watch.around is now else type(watch)(now)
    # Being in no mode at all is faster than being in the mode None.
    return nullcontext() if mode() is now else in_mode(now)


# The Values by which transforms differentiate whose functions run now, in any thread. So whether
# a number is differentiated is read off its graph: it may have come into another thread.
differentiated: set[Any] = set()


class _Transforms(threading.local):
    """How derivatives are computed in this thread.

    `inline` says that a transform must see what is in calls; `both_sides` that a derivative's
    graph is to hold on both sides of a choice, so that it can be computed again on the other one.
    """

    inline = False
    both_sides = False


transforms = _Transforms()


def is_afresh() -> bool:
    """Return whether no mode is in force here."""
    return not (active and mode() is not None)


def afresh() -> AbstractContextManager[None]:
    """In this block no mode is in force: for a user's code on numbers."""
    # Being in no mode at all is faster than being in the mode None.
    return nullcontext() if is_afresh() else in_mode(None)
