"""How type checkers see the functions that `primitive` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

from scalargrad.engine.op import Op
from scalargrad.engine.value import Value


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
