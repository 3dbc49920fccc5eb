"""The names that a traced function looked up, and what they were bound to.

A program keeps what the names meant while the function was traced. It is wrong to run it when one
of them means something else: a loop that binds `batch` anew would train on the first for ever.
"""

from __future__ import annotations

import builtins
import dis
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

from scalargrad.engine.errors import PACKAGE, TraceError, shown
from scalargrad.engine.real import is_real
from scalargrad.programs.simplify import constant_key


class Binding(NamedTuple):
    """A name, the namespace or the cell of a closure that has it, and what it was bound to."""

    name: str
    where: dict[str, Any] | CellType
    bound: Any


# What looks a name up, the name, and what it was bound to.
Lookup = tuple[Callable[[str, Any], Any], str, Any]

_UNBOUND = object()
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_STORES = {"STORE_GLOBAL", "DELETE_GLOBAL"}
_STORES_IN_CELLS = {"STORE_DEREF", "DELETE_DEREF"}


def bindings_of(f: Callable[..., Any]) -> list[Binding]:
    """Return the names that `f`, what it wraps, and the functions that it defines look up.

    Those that it binds itself are left out: it did so while it was traced.

    >>> rate = 0.5
    >>> [(b.name, b.bound) for b in bindings_of(lambda x: rate * x)]
    [('rate', 0.5)]
    """
    found: dict[tuple[int, str], Binding] = {}
    for function in _functions(f):
        code, namespace = function.__code__, function.__globals__
        own = set(_names(code, _STORES_IN_CELLS))
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name not in own and (now := _now(name, cell)) is not _UNBOUND:
                found[id(cell), name] = Binding(name, cell, now)
        for name in set(_names(code, _LOADS)).difference(_names(code, _STORES)):
            # One of Python's own may be hidden by a global later.
            if name in namespace or hasattr(builtins, name):
                found[id(namespace), name] = Binding(name, namespace, _now(name, namespace))
    return list(found.values())


def check(bindings: list[Binding], function: str) -> None:
    """Raise TraceError, naming the variable, if a name is bound to something else by now."""
    for name, bound, now in _differences(bindings):
        raise TraceError(
            f"{function} was compiled when {name!r} was {_shortened(bound)}; it is "
            f"{_shortened(now)} now, which the program does not see: pass {name} as an "
            "argument, or compile the function anew"
        )


def holds(bindings: list[Binding]) -> bool:
    """Return whether all names are still bound to what they were."""
    return not any(_differences(bindings))


def _differences(bindings: list[Binding]) -> Iterator[tuple[str, Any, Any]]:
    for name, where, bound in bindings:
        now = _now(name, where)
        if now is not bound and not _equal(now, bound):
            yield name, bound, now


def lookups_of(bindings: list[Binding]) -> list[Lookup]:
    """Return the bindings in the form that `changed` takes."""
    found: list[Lookup] = []
    for name, where, bound in bindings:
        get = where.get if isinstance(where, dict) else partial(_in_cell, where)
        found.append((get, name, bound))
    return found


def changed(lookups: list[Lookup]) -> bool:
    """Return whether a name is bound to another object by now, equal or not: quicker than `check`.

    >>> rate = 0.5
    >>> changed(lookups_of(bindings_of(lambda x: rate * x)))
    False
    """
    for get, name, bound in lookups:  # noqa: SIM110 - any() of a generator takes twice the time
        if get(name, _UNBOUND) is not bound:
            return True
    return False


def _in_cell(cell: CellType, name: str, default: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # deleted, or not bound yet
        return default


def _functions(f: Any) -> Iterator[FunctionType]:
    """Return the functions whose names count: `f` itself, and what it wraps."""
    while f is not None:
        if isinstance(f, partial):
            f = f.func
        elif isinstance(f, MethodType):
            f = f.__func__
        elif isinstance(f, FunctionType):
            # Not by __module__: the transforms' wrappers take over that of what they wrap.
            if not f.__code__.co_filename.startswith(PACKAGE):
                yield f
            f = getattr(f, "__wrapped__", None)
        elif hasattr(f, "__wrapped__"):
            f = f.__wrapped__
        else:
            called = inspect.getattr_static(type(f), "__call__", None)
            f = called if isinstance(called, FunctionType) else None


def _names(code: CodeType, instructions: set[str]) -> Iterator[str]:
    """Return the names in such instructions of `code` and of the functions that it defines."""
    local = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname == "STORE_NAME":  # in the body of a class
            local.add(instruction.argval)
        elif instruction.opname in instructions and instruction.argval not in local:
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant, instructions)


def _now(name: str, where: Any) -> Any:
    if type(where) is dict:
        return where.get(name, _UNBOUND)
    return _in_cell(where, name, _UNBOUND)


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, str | bytes):
        return bool(a == b)
    return bool(is_real(a) and constant_key(a) == constant_key(b))


def _shortened(x: Any) -> str:
    text = "not bound" if x is _UNBOUND else shown(x)
    return text if len(text) <= 60 else f"{text[:57]}..."
