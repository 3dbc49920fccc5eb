"""The arguments of a call for which a function is traced: their names, numbers and nesting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.errors import untraceable
from scalargrad.transforms.nesting import (
    NUMBER,
    Nest,
    Static,
    Structure,
    items_of,
    size_of,
    unflatten,
)


class Arguments(NamedTuple):
    """The names of arguments, all their numbers in order, and the structure of each."""

    names: tuple[str, ...]
    numbers: list[Any]
    structures: list[Structure]

    @property
    def key(self) -> tuple[Any, ...]:
        """What arguments that share a program have in common."""
        return self.names, *self.structures

    @property
    def static(self) -> list[tuple[str, Any]]:
        """The static arguments, by name."""
        pairs = zip(self.names, self.structures, strict=True)
        return [(name, x.value) for name, x in pairs if isinstance(x, Static)]

    def parts(self) -> Iterator[tuple[tuple[Any, ...], bool]]:
        """Yield the numbers of each argument that has any, and whether it is a nest."""
        place = 0
        for structure in self.structures:
            size = size_of(structure)
            if size:
                yield tuple(self.numbers[place : place + size]), structure is not NUMBER
            place += size

    def nests(self, numbers: Sequence[Any]) -> list[Any]:
        """Return the arguments, with these in the places of their numbers."""
        nests: list[Any] = unflatten(Nest(list, None, tuple(self.structures)), numbers)
        return nests

    def refuse_changes(self, function: str, nests: Sequence[Any], numbers: Sequence[Any]) -> None:
        """Raise TraceError if `nests` of these numbers have been changed in place.

        The caller would not see that.
        """
        elements = iter(numbers)
        for name, structure, nest in zip(self.names, self.structures, nests, strict=True):
            if not _is_as_it_was(nest, structure, elements):
                untraceable(
                    f"{function} changed its argument {name} in place", "change a copy of it"
                )


def _is_as_it_was(nest: Any, structure: Structure, elements: Iterator[Any]) -> bool:
    """Return whether a nest still has that structure and these elements."""
    if structure is NUMBER:
        return nest is next(elements)
    if type(structure) is not Nest:
        return True
    keys, parts = items_of(nest) or (None, [])
    if type(nest) is not structure.kind or len(parts) != len(structure.items):
        return False
    return keys == structure.keys and all(
        _is_as_it_was(x, item, elements) for x, item in zip(parts, structure.items, strict=True)
    )
