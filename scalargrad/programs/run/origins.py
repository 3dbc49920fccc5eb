"""Where a function was defined: by this an unpickled program finds its function again."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from importlib import import_module
from typing import Any, NamedTuple


class Origin(NamedTuple):
    """The module and the name of a function, and the file and line of its `def`."""

    module: str
    name: str
    file: str
    line: int


def origin_of(f: Any) -> Origin | None:
    """Return the origin of a function of Python, None of any other callable.

    >>> origin_of(origin_of).name
    'origin_of'
    """
    code = getattr(f, "__code__", None)
    if code is None:
        return None
    return Origin(f.__module__, f.__qualname__, code.co_filename, code.co_firstlineno)


def found_at(origin: Origin | None) -> Callable[..., Any] | None:
    """Return the function that has this origin, None if there is none.

    It is looked up by its module and name, as `pickle` looks up functions. There may be another
    one of that name, such as in the script of another process: file and line tell them apart.

    >>> found_at(origin_of(found_at)) is found_at
    True
    """
    if origin is None:
        return None
    try:
        found = reduce(getattr, origin.name.split("."), import_module(origin.module))
    except (ImportError, AttributeError):
        return None
    f: Callable[..., Any] = getattr(found, "__wrapped__", found)  # type: ignore[arg-type]
    return f if origin_of(f) == origin else None
