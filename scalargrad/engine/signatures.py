"""How type checkers see functions: those that `primitive` makes, those of lists, gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, overload

from scalargrad.engine.op import Op
from scalargrad.engine.value import Value

X = TypeVar("X")
R = TypeVar("R", covariant=True)


class Unknown:
    """What no function returns: only those without a known type fit where this is wanted."""


class Unary(Protocol):
    """A function of one number: a Value gives a Value, a plain number a plain number."""

    __name__: str
    op: Op

    @overload
    def __call__(self, x: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, /) -> float: ...
    @overload
    def __call__(self, *inputs: Any, **keywords: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Callable[..., Any]:
        """Return the method that it is within a class."""


class Binary(Protocol):
    """A function of two numbers, the second perhaps with a default: a Value gives a Value."""

    __name__: str
    op: Op

    @overload
    def __call__(self, x: Value, y: Any = ..., /) -> Value: ...
    @overload
    def __call__(self, x: Any, y: Value, /) -> Value: ...
    @overload
    def __call__(self, x: float, y: float = ..., /) -> float: ...
    @overload
    def __call__(self, *inputs: Any, **keywords: Any) -> Any: ...
    def __get__(self, instance: Any, owner: Any = None, /) -> Callable[..., Any]:
        """Return the method that it is within a class."""


class Variadic(Protocol):
    """A function of any number of numbers: Values give a Value, plain numbers a plain number."""

    __name__: str
    op: Op

    @overload
    def __call__(self, *xs: Value) -> Value: ...
    @overload
    def __call__(self, *xs: float) -> float: ...
    @overload
    def __call__(self, *xs: Any) -> Any: ...


class Gradient(Protocol):
    """The gradient by a function's first argument: of its kind and nesting."""

    __wrapped__: Callable[..., Any]

    @overload
    def __call__(self, x: X, /, *args: Any, **kwargs: Any) -> X: ...
    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class ValueAndGradient(Protocol[R]):
    """A pair: the value of a function, and its gradient as of `Gradient`."""

    __wrapped__: Callable[..., Any]

    @overload
    def __call__(self, x: X, /, *args: Any, **kwargs: Any) -> tuple[R, X]: ...
    @overload
    def __call__(self, *args: Any, **kwargs: Any) -> tuple[R, Any]: ...
