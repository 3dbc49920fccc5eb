"""Numbers that are objects of their own, so that `is` tells each from all equal ones.

A Function's forward gets its inputs as such. What it saves is then known again, also where Python
has but one object for equal numbers. They calculate as the numbers they are copies of, and have
the functions of one argument as methods, as Values do.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer

# For each kind of number, what makes such a copy; and the other way.
_copies: dict[type, Callable[[Any], Any]] = {}
_plain: dict[type, type] = {}


def distinct(x: Any) -> Any:
    """Return the number `x` as an object of its own.

    >>> a, b = distinct(2), distinct(2)
    >>> a is b, a == b == 2, (a + 1, a / 4), distinct(0.0).exp()
    (False, True, (3, 0.5), 1.0)
    """
    copy = _copies.get(type(x))
    return (copy or _copier(type(x)))(x)


def distinct_if_number(x: Any) -> Any:
    """Return a plain argument as `distinct` does if it is a number; bools and enumerations are not.

    >>> distinct_if_number(True), distinct_if_number("text")
    (True, 'text')
    """
    if type(x) is float or (is_real(x) and (type(x) is int or not isinstance(x, int))):
        return distinct(x)
    return x


def plain(x: Any) -> Any:
    """Return the number that `x` is a copy of; any other thing as it is.

    >>> type(plain(distinct(2.0)))
    <class 'float'>
    """
    kind = _plain.get(type(x))
    return x if kind is None else kind(x)


def _copier(kind: type) -> Callable[[Any], Any]:
    base = int if issubclass(kind, int) else _plain.get(kind, kind)
    if base not in _copies:
        try:
            copied = type(base.__name__, (base,), _namespace(base))
        except TypeError:  # a kind of number that has no subclasses
            _copies[base] = lambda x: x * 1
        else:
            _plain[copied] = base
            _copies[base] = _copies[copied] = copied
    # bool and enumerations have no subclasses either, and count as ints.
    return _copies.setdefault(kind, _copies[base])


def _namespace(base: type) -> dict[str, Any]:
    methods = {
        "__slots__": (),
        "__module__": base.__module__,
        "__getattr__": _function_of_one,
        "__reduce__": lambda self: (base, (base(self),)),
    }
    if base is int:
        # Python keeps one object for each small int: results of arithmetic are copies, too.
        methods.update((name, _closed(name)) for name in _INT_ARITHMETIC)
    return methods


_INT_ARITHMETIC = (
    *("__add__", "__sub__", "__mul__", "__floordiv__", "__mod__", "__pow__"),
    *("__radd__", "__rsub__", "__rmul__", "__rfloordiv__", "__rmod__", "__rpow__"),
    *("__neg__", "__abs__"),
)


def _closed(name: str) -> Callable[..., Any]:
    of_int = getattr(int, name)

    def method(self: Any, *others: Any) -> Any:
        result = of_int(self, *others)
        return distinct(result) if type(result) is int else result

    return method


def _function_of_one(self: Any, name: str) -> Any:
    function: Any = Tracer.__dict__.get(name)
    if not hasattr(function, "op"):
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    return MethodType(function, self)
