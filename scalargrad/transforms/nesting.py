"""Nested lists, tuples and dicts of numbers: taken apart and put together again."""

from collections.abc import Iterator, Sequence
from typing import Any

from scalargrad.engine.op import Tracer, is_real

# What a nest looks like without its numbers: hashable, and equal for equal nestings.
Structure = Any
NUMBER: Structure = None


class Static:
    """In a structure, the kind of what is kept as it is, along with its type and itself."""


def flatten(
    nest: Any, name: str = "argument", static: tuple[type, ...] = ()
) -> tuple[list[Any], Structure]:
    """Return the numbers of `nest` in order, and its structure.

    A nest is a number (any real number, a Value), or a list, tuple, named tuple or dict of nests;
    instances of `static` types are part of the structure. Raises TypeError, saying where in `name`
    it stands, for anything else.

    >>> numbers, structure = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> numbers
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [10, 20, 30])
    {'w': [10, 20], 'b': 30}
    """
    numbers: list[Any] = []
    return numbers, _collect(nest, name, static, numbers)


def _collect(nest: Any, path: str, static: tuple[type, ...], numbers: list[Any]) -> Structure:
    if isinstance(nest, static):
        return (Static, (type(nest), nest))
    if isinstance(nest, Tracer) or is_real(nest):
        numbers.append(nest)
        return NUMBER
    if isinstance(nest, dict):
        items = [
            (key, _collect(item, f"{path}[{key!r}]", static, numbers)) for key, item in nest.items()
        ]
        return (type(nest), tuple(items))
    if isinstance(nest, list | tuple):
        if _PLAIN.issuperset(map(type, nest)):
            numbers += nest
            return (type(nest), (NUMBER,) * len(nest))
        parts = [_collect(item, f"{path}[{i}]", static, numbers) for i, item in enumerate(nest)]
        return (type(nest), tuple(parts))
    raise TypeError(
        f"{path} must be a number, or lists, tuples and dicts of numbers, "
        f"not {nest!r} ({type(nest).__name__})"
    )


# Lists of these alone are by far the most, and need no looking at each element.
_PLAIN = {float, int}


def flatten_like(structure: Structure, nest: Any, name: str) -> list[Any]:
    """Return the numbers of `nest` in the order of `structure`; a dict's keys may be in any other.

    Raises TypeError, saying where in `name` it is, if the nesting is another.

    >>> flatten_like(flatten({"w": [1.0, 2.0], "b": 3.0})[1], {"b": 30, "w": [10, 20]}, "slopes")
    [10, 20, 30]
    """
    numbers: list[Any] = []
    _collect_like(structure, nest, name, numbers)
    return numbers


def _collect_like(structure: Structure, nest: Any, path: str, numbers: list[Any]) -> None:
    if structure is NUMBER:
        if _collect(nest, path, (), numbers) is not NUMBER:
            raise TypeError(f"{path} must be a number, not {nest!r}")
        return
    kind, items = structure
    if issubclass(kind, dict):
        inner = dict(items)
        if not isinstance(nest, dict) or nest.keys() != inner.keys():
            raise TypeError(f"{path} must be a dict with the keys {list(inner)}, not {nest!r}")
    else:
        inner = dict(enumerate(items))
        if type(nest) is not kind or len(nest) != len(inner):
            raise TypeError(f"{path} must be a {kind.__name__} of {len(inner)}, not {nest!r}")
    for key, item in inner.items():
        _collect_like(item, nest[key], f"{path}[{key!r}]", numbers)


def unflatten(structure: Structure, numbers: Sequence[Any]) -> Any:
    """Return the nest of that structure with these numbers, or whatever stands in their places.

    >>> unflatten(flatten((1, [2]))[1], ["a", "b"])
    ('a', ['b'])
    """
    return _build(structure, iter(numbers))


def _build(structure: Structure, numbers: Iterator[Any]) -> Any:
    if structure is NUMBER:
        return next(numbers)
    kind, items = structure
    if kind is Static:
        return items[1]
    if issubclass(kind, dict):
        return {key: _build(item, numbers) for key, item in items}
    parts = [_build(item, numbers) for item in items]
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
