"""`no_grad`: where nothing is recorded."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, overload

from scalargrad.engine.context import enter, leave
from scalargrad.engine.errors import shown

F = TypeVar("F", bound=Callable[..., Any])


class NoGrad:
    """A block, or decorator, within which nothing is recorded: what `no_grad()` gives."""

    def __init__(self) -> None:
        self._entered = 0

    def __enter__(self) -> None:
        self._entered += 1
        enter(records=False)

    def __exit__(self, *error: object) -> None:
        if not self._entered:
            raise RuntimeError("no_grad was left more often than entered: use it in a with block")
        self._entered -= 1
        leave()

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

    Their results are leaves. Its rules are those of `decimal.localcontext`: it holds for the
    thread or asyncio task that enters it, and for tasks that start within; a generator that is
    suspended within it leaves it in force for its caller. As a decorator, with or without
    brackets, it holds while the function runs: of a generator function each time it goes on, and
    not while it waits.

    >>> from scalargrad import Value
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
            go_on = partial(next, running)
            while True:
                try:
                    with no_grad():
                        found = go_on()
                except StopIteration as stop:
                    return stop.value
                try:
                    go_on = partial(running.send, (yield found))
                except BaseException as error:  # GeneratorExit, too, when this one is closed
                    go_on = partial(running.throw, error)

        return generator

    if inspect.isasyncgenfunction(function):

        @wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            running = function(*args, **kwargs)
            go_on = partial(running.asend, None)
            while True:
                try:
                    with no_grad():
                        found = await go_on()
                except StopAsyncIteration:
                    return
                try:
                    go_on = partial(running.asend, (yield found))
                except BaseException as error:
                    go_on = partial(running.athrow, error)

        return async_generator

    @wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        with no_grad():
            return function(*args, **kwargs)

    return decorated
