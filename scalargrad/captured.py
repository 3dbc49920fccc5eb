"""Captured Values: those that a traced function uses but does not take as arguments."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from scalargrad.errors import untraceable
from scalargrad.value import Value, tracing


class _Captured(Value):
    """A Value that a traced function captures, for as long as the trace takes.

    Its number is read when the program runs: what the trace read of it would never change again.
    """

    __slots__ = ()

    @property
    def data(self) -> Any:
        """Return the number, but raise TraceError in the thread that traces."""
        if tracing() is not None:
            untraceable(
                "a captured Value is read when the program runs, and its .data here would stay "
                "what it is now",
                "write the Value itself, or its detach() for the number without a gradient "
                "(logsumexp and softmax need no maximum taken out)",
            )
        return number_of(self)

    @data.setter
    def data(self, number: Any) -> None:
        _DATA.__set__(self, number)

    def described(self) -> str:
        """Return how errors name this Value."""
        return Value(number_of(self), self.label).described()

    def __repr__(self) -> str:
        return f"<captured {self.described()}>"


_DATA = vars(Value)["data"]


def number_of(x: Value) -> Any:
    """Return the data of a Value that may be captured."""
    return _DATA.__get__(x)


@contextmanager
def unread(*holders: Any) -> Iterator[None]:
    """While a function is traced in this block, it can't read the .data of Values it captures.

    They are those that can be reached from `holders`, the function and its static arguments.
    """
    captured = _values_within(holders)
    for x in captured:
        x.__class__ = _Captured
    try:
        yield
    finally:
        for x in captured:
            x.__class__ = Value


# Whoever captures more than this keeps a world, not a model.
_MOST_OBJECTS = 100_000
_PLAIN = {float, int, str, bool, type(None)}


def _values_within(holders: tuple[Any, ...]) -> list[Value]:
    """Return the Values in closures, globals, defaults, attributes and containers, from here."""
    found: list[Value] = []
    seen: set[int] = set()
    stack: list[Any] = [*holders]
    while stack and len(seen) < _MOST_OBJECTS:
        x = stack.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if type(x) is Value:
            found.append(x)
        else:
            stack += [inner for inner in _inside(x) if type(inner) not in _PLAIN]
    return found


def _inside(x: Any) -> Iterable[Any]:
    if isinstance(x, list | tuple | set | frozenset):
        return x
    if isinstance(x, dict):
        return x.values()
    if isinstance(x, MethodType):
        return x.__self__, x.__func__
    if isinstance(x, partial):
        return x.func, x.args, x.keywords
    if isinstance(x, FunctionType):
        return _captured_by(x)
    if isinstance(x, type | ModuleType) or not hasattr(x, "__dict__"):
        return ()
    attributes = vars(x)
    # What a wrapper keeps for itself, as a compiled function its programs, is not the function's.
    return [attributes["__wrapped__"]] if "__wrapped__" in attributes else attributes.values()


_OTHERS = {*sys.stdlib_module_names, "scalargrad"}


def _captured_by(f: FunctionType) -> list[Any]:
    captured = [f.__defaults__, f.__kwdefaults__]
    for cell in f.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            captured.append(cell.cell_contents)
    if f.__module__ is None or f.__module__.split(".")[0] not in _OTHERS:
        codes = [f.__code__]
        for code in codes:
            codes += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
            captured += [f.__globals__[name] for name in code.co_names if name in f.__globals__]
    return captured
