"""The names that a traced function looked up, and what they were bound to.

A program keeps what the names meant while the function was traced. It is wrong to run it when one
of them means something else: a loop that binds `batch` anew would train on the first for ever.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from scalargrad.engine.errors import PACKAGE, TraceError, shown
from scalargrad.engine.op import is_real
from scalargrad.programs.simplify import constant_key


class Binding(NamedTuple):
    """A name, the namespace or the cell of a closure that has it, and what it was bound to."""

    name: str
    where: dict[str, Any] | CellType
    bound: Any


_UNBOUND = object()


def bindings_of(f: Callable[..., Any]) -> list[Binding]:
    """Return the names that `f`, what it wraps, and the functions that it defines look up.

    >>> rate = 0.5
    >>> [(b.name, b.bound) for b in bindings_of(lambda x: rate * x)]
    [('rate', 0.5)]
    """
    found: dict[tuple[int, str], Binding] = {}
    for function in _functions(f):
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        for name, cell in cells:
            _add(found, name, cell)
        for name in _global_names(function.__code__):
            if name in function.__globals__:
                _add(found, name, function.__globals__)
    return list(found.values())


def check(bindings: list[Binding], function: str) -> None:
    """Raise TraceError, naming the variable, if a name is bound to something else by now."""
    for name, where, bound in bindings:
        now = _now(name, where)
        if now is not bound and not _equal(now, bound):
            became = "not bound" if now is _UNBOUND else _shortened(now)
            raise TraceError(
                f"{function} was compiled when {name!r} was {_shortened(bound)}; it is {became} "
                f"now, which the program does not see: pass {name} as an argument, or compile the "
                "function anew"
            )


def _functions(f: Any) -> Iterator[FunctionType]:
    """Return the functions whose names count: `f` itself, and what it wraps."""
    while f is not None:
        if isinstance(f, partial):
            f = f.func
        elif isinstance(f, MethodType):
            f = f.__func__
        elif isinstance(f, FunctionType):
            if not f.__code__.co_filename.startswith(PACKAGE):
                yield f
            f = getattr(f, "__wrapped__", None)
        elif hasattr(f, "__wrapped__"):
            f = f.__wrapped__
        else:
            called = getattr(type(f), "__call__", None)
            f = called if isinstance(called, FunctionType) else None


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def _add(found: dict[tuple[int, str], Binding], name: str, where: Any) -> None:
    now = _now(name, where)
    if now is not _UNBOUND:
        found[id(where), name] = Binding(name, where, now)


def _now(name: str, where: Any) -> Any:
    if type(where) is dict:
        return where.get(name, _UNBOUND)
    try:
        return where.cell_contents
    except ValueError:  # deleted, or not bound yet
        return _UNBOUND


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, str | bytes):
        return a == b
    return is_real(a) and constant_key(a) == constant_key(b)


def _shortened(x: Any) -> str:
    text = shown(x)
    return text if len(text) <= 60 else f"{text[:57]}..."
