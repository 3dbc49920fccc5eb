"""The context: whether ops record here, what traces them, who watches.

It is one immutable record in one `ContextVar`, and its rules are those of `decimal.localcontext`:
it holds in the thread or asyncio task that enters it; a task that starts within inherits it, a
thread does not; a generator that is suspended within it leaves it in force for its caller.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

# The ids of all contexts that are kept anywhere, but for the empty one. Nearly always there is
# none: asking whether there is costs an op next to nothing.
active: set[int] = set()

# The Values by which transforms differentiate whose functions run now, in any thread. So whether
# a number is differentiated is read off its graph: it may have come into another thread.
differentiated: set[Any] = set()


class Context:
    """What holds here. `before` is the context around it, None for the empty one.

    `records` is False within `no_grad`. `trace` makes symbols of ops, where `compile` traces a
    function. `watch` looks at results and derivatives, within `detect_anomaly`. `forbids` says why
    numbers of Values may not be read or set. `both_sides` is not None where the graph of a
    derivative is to hold on both sides of a choice, so that it can be computed again on the other
    one: the set of those slopes that are zero here, since only a side that was not taken has
    them. Where `inline` is true, a compiled function that is called runs as the function itself.
    """

    before: Context | None = None
    records = True
    trace: Any = None
    watch: Any = None
    forbids = ""
    both_sides: set[Any] | None = None
    inline = False
    # Whether ops on Values simply record.
    plain = True

    def changed(self, **changes: Any) -> Context:
        """Return a context that is this one with these changes, and has this one around it."""
        made = Context()
        vars(made).update({**vars(self), "before": self, **changes})
        made.plain = made.records and made.trace is None and made.watch is None
        active.add(id(made))
        return made

    def __del__(self, _discard: Any = active.discard) -> None:
        _discard(id(self))  # a global may be gone by now


_EMPTY = Context()
_here: ContextVar[Context] = ContextVar("scalargrad", default=_EMPTY)
# Return the context that holds here.
here = _here.get


def enter(**changes: Any) -> None:
    """Put into force here the context with these changes."""
    _here.set(here().changed(**changes))


def leave() -> None:
    """Go back to the context around the one that was entered last here."""
    _here.set(here().before or _EMPTY)


def within(**changes: Any) -> AbstractContextManager[None]:
    """In this block the context with these changes holds."""
    return _in(here().changed(**changes))


def in_trace(trace: Any) -> AbstractContextManager[None]:
    """In this block ops make symbols of `trace`, and nothing else holds; None records."""
    return _in(_EMPTY.changed(before=here(), trace=trace))


@contextmanager
def _in(context: Context) -> Iterator[None]:
    before = here()
    _here.set(context)
    try:
        yield
    finally:
        _here.set(before)


def afresh() -> AbstractContextManager[None]:
    """In this block nothing of the context around it holds: for a user's code on numbers."""
    return nullcontext() if here() is _EMPTY else in_trace(None)


def recording() -> AbstractContextManager[None]:
    """In this block ops record, even within `no_grad`: for the graph of a transform's own."""
    return nullcontext() if here().records else within(records=True)


def tracing() -> Any:
    """Return what traces here, None if nothing does."""
    return here().trace if active else None


def refuse_access() -> None:
    """Raise an error if the number of a Value may not be read or set here."""
    now = here()
    if now.forbids:
        raise TypeError(now.forbids)
    if now.trace is not None:
        now.trace.refuse_access()
