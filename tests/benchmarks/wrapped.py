"""Numbers of other tools that have operators but no methods, such as CasADi's symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Functions = Mapping[str, Callable[[Any], Any]]  # by the names of the methods below


class Wrapped:
    """A number with the operators and methods of a Value, in terms of a tool's own functions."""

    __slots__ = ("data", "functions")

    def __init__(self, functions: Functions, data: Any) -> None:
        self.functions, self.data = functions, data

    def _of(self, data: Any) -> Wrapped:
        return Wrapped(self.functions, data)

    def __add__(self, other: Any) -> Wrapped:
        return self._of(self.data + _data(other))

    def __sub__(self, other: Any) -> Wrapped:
        return self._of(self.data - _data(other))

    def __mul__(self, other: Any) -> Wrapped:
        return self._of(self.data * _data(other))

    def __truediv__(self, other: Any) -> Wrapped:
        return self._of(self.data / _data(other))

    def __pow__(self, other: float) -> Wrapped:
        return self._of(self.data**other)

    def __neg__(self) -> Wrapped:
        return self._of(-self.data)

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Wrapped:
        return self._of(self.functions["exp"](self.data))

    def log(self) -> Wrapped:
        return self._of(self.functions["log"](self.data))

    def sqrt(self) -> Wrapped:
        return self._of(self.functions["sqrt"](self.data))

    def sin(self) -> Wrapped:
        return self._of(self.functions["sin"](self.data))

    def tanh(self) -> Wrapped:
        return self._of(self.functions["tanh"](self.data))

    def relu(self) -> Wrapped:
        return self._of(self.functions["relu"](self.data))


def functions_of(module: Any, relu: Callable[[Any], Any]) -> Functions:
    """Return the functions of a module that names them as `math` does, and a `relu`."""
    names = ("exp", "log", "sqrt", "sin", "tanh")
    return {**{name: getattr(module, name) for name in names}, "relu": relu}


def _data(number: Any) -> Any:
    return number.data if isinstance(number, Wrapped) else number
