"""`no_grad`: where nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from scalargrad.engine.errors import shown
from scalargrad.engine.modes import Entry, Wrapper, enter, in_mode, leave, mode
from scalargrad.engine.op import Op
from scalargrad.engine.recording import recorded
from scalargrad.engine.value import Value

F = TypeVar("F", bound=Callable[..., Any])


class CutOff(Wrapper):
    """Within `no_grad`: as in the mode around it, but cut off from the graph."""

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        if self.around is None:
            return Value(recorded(op, inputs)._data)
        return self.around.record(op, inputs).detach()

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        with in_mode(self.around):
            y = op.function(*inputs)
            return tuple(x.detach() for x in y) if isinstance(y, tuple) else y.detach()


class NoGrad:
    """A block, or decorator, within which nothing is recorded: what `no_grad()` gives."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __enter__(self) -> None:
        self._entries.append(enter(CutOff(mode())))

    def __exit__(self, *error: object) -> None:
        # The one entered last here; else a generator is closed elsewhere than it was begun.
        entries = tuple(self._entries)  # other threads may enter and leave meanwhile
        if not entries:
            raise RuntimeError("no_grad was left more often than entered: use it in a with block")
        entry = next((e for e in reversed(entries) if e.holds()), entries[-1])
        self._entries.remove(entry)
        leave(entry)

    def __call__(self, function: F, /) -> F:
        """Return `function` as it runs in this block: a decorator.

        Raises TypeError for what is not a function, a class among them.
        """
        if not callable(function) or isinstance(function, type):
            raise TypeError(
                f"no_grad takes no argument, or a function to decorate, not {shown(function)}: "
                "classes are not decorated, decorate their methods"
            )
        decorated: F = _decorated(function)
        return decorated


@overload
def no_grad() -> NoGrad: ...
@overload
def no_grad(function: F, /) -> F: ...
def no_grad(function: Any = None, /) -> Any:
    """In this block, or in the decorated function, ops on Values record nothing.

    Their results are leaves. It holds for the asyncio task, or else the thread, that enters it.
    As a decorator, with or without brackets, it holds while the function runs: of a coroutine or
    generator function also each time it goes on, and not while it waits.

    >>> x = Value(3.0)
    >>> with no_grad():
    ...     y = x * x
    >>> y, y.parents
    (Value(data=9.0, grad=0), ())
    >>> @no_grad
    ... def square(x):
    ...     return x * x
    >>> square(x).parents
    ()
    """
    return NoGrad() if function is None else NoGrad()(function)


def _decorated(function: Any) -> Any:
    import inspect  # only here: it takes a while to load

    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with no_grad():
                return await function(*args, **kwargs)

        return coroutine

    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            running = function(*args, **kwargs)
            resume, given = running.send, None
            try:
                while True:
                    try:
                        with no_grad():
                            found = resume(given)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        given = yield found
                        resume = running.send
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        given, resume = error, running.throw
            finally:
                with no_grad():
                    running.close()

        return generator

    if inspect.isasyncgenfunction(function):

        @wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            running = function(*args, **kwargs)
            resume, given = running.asend, None
            try:
                while True:
                    try:
                        with no_grad():
                            found = await resume(given)
                    except StopAsyncIteration:
                        return
                    try:
                        given = yield found
                        resume = running.asend
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        given, resume = error, running.athrow
            finally:
                with no_grad():
                    await running.aclose()

        return async_generator

    @wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with no_grad():
            return function(*args, **kwargs)

    return decorated
