"""Nested lists, tuples and dicts of numbers: taken apart and put together again."""

from collections.abc import Sequence
from typing import Any

from scalargrad.ops import Tracer
from scalargrad.value import is_real

# What a nest looks like without its numbers: hashable, and equal for equal nestings.
Structure = Any
NUMBER: Structure = None


def flatten(nest: Any, name: str = "argument") -> tuple[list[Any], Structure]:
    """Return the numbers of `nest` in order, and its structure.

    A nest is a number (any real number, a Value), or a list, tuple, named tuple or dict of nests.
    Raises TypeError, saying where in `name` it stands, for anything else.

    >>> numbers, structure = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> numbers
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [10, 20, 30])
    {'w': [10, 20], 'b': 30}
    """
    numbers: list[Any] = []

    def walk(nest: Any, path: str) -> Structure:
        if isinstance(nest, Tracer) or is_real(nest):
            numbers.append(nest)
            return NUMBER
        if isinstance(nest, dict):
            items = tuple((key, walk(item, f"{path}[{key!r}]")) for key, item in nest.items())
            return (type(nest), items)
        if isinstance(nest, list | tuple):
            return (type(nest), tuple(walk(item, f"{path}[{i}]") for i, item in enumerate(nest)))
        raise TypeError(
            f"{path} must be a number, or lists, tuples and dicts of numbers, "
            f"not {nest!r} ({type(nest).__name__})"
        )

    return numbers, walk(nest, name)


def unflatten(structure: Structure, numbers: Sequence[Any]) -> Any:
    """Return the nest of that structure with these numbers, or whatever stands in their places.

    >>> unflatten(flatten((1, [2]))[1], ["a", "b"])
    ('a', ['b'])
    """
    remaining = iter(numbers)

    def build(structure: Structure) -> Any:
        if structure is NUMBER:
            return next(remaining)
        kind, items = structure
        if issubclass(kind, dict):
            return {key: build(item) for key, item in items}
        parts = [build(item) for item in items]
        return kind(*parts) if hasattr(kind, "_fields") else kind(parts)

    return build(structure)
