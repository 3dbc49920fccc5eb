"""The entry to a program: arguments like those of an earlier call, known without a walk over them.

Python's `marshal` writes lists, tuples and dicts in C. In its format 2 a float is a tag and eight
bytes, an int a tag and four; tags, lengths and keys say the rest. So arguments whose bytes are
those of an earlier call, but for the digits of the numbers, have its nesting and its kinds of
numbers. What marshal refuses, such as a Value, a Fraction or a class of lists, and what it writes
in another way, is left to the general path.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain, groupby
from marshal import dumps
from typing import TYPE_CHECKING, Any

from scalargrad.programs.passes.kinds import ANY, kind_of, places_of_ints
from scalargrad.transforms.nesting import NUMBER, Nest, Static, Structure, size_of, unflatten

if TYPE_CHECKING:
    from scalargrad.programs.run.program import Program

_FORMAT = 2
# The last bytes of arguments of so many numbers are kept: parameters are often the same again.
_MANY = 32
# Numbers of zeros and of ones alone: the bytes in which they differ are the digits.
_FILLINGS: dict[type, tuple[Any, Any]] = {
    float: (0.0, struct.unpack("<d", b"\xff" * 8)[0]),
    int: (0, -1),
}
# How `struct` reads so many bytes of digits.
_DIGITS = {8: "d", 4: "i"}
# Static values that marshal tells apart as `Static` does. Not bytes: an array is written as they.
_ATOMS = {str, int, float, bool, type(None)}
_CONTAINERS = {list, tuple, dict}


class _Part:
    """Arguments next to each other: their bytes, but for digits, and where the digits are."""

    def __init__(self, place: slice, structures: Sequence[Structure], numbers: list[Any]) -> None:
        self.place = place
        nest = Nest(tuple, None, tuple(structures))
        fillings = [_FILLINGS[type(x)] for x in numbers]
        zeros, ones = (
            dumps(unflatten(nest, [pair[k] for pair in fillings]), _FORMAT) for k in (0, 1)
        )
        self.size = len(zeros)
        digits = int.from_bytes(zeros, "little") ^ int.from_bytes(ones, "little")
        self.mask = ~digits
        self.masked = int.from_bytes(zeros, "little") & self.mask
        runs = groupby(zip(zeros, ones, strict=True), lambda pair: pair[0] == pair[1])
        lengths = [(same, len(list(run))) for same, run in runs]
        self.digits = struct.Struct(
            "<" + "".join(f"{n}x" if same else _DIGITS[n] for same, n in lengths)
        )
        self.many = len(numbers) >= _MANY
        self.last: tuple[bytes, Sequence[Any]] = b"", ()


class Entry:
    """Knows arguments nested, and with numbers of the same kinds, as those of an earlier call."""

    def __init__(self, program: Program, key: Any, numbers: list[Any]) -> None:
        self.program, self.key, self.kind = program, key, kind_of(numbers)
        self.ints = places_of_ints(numbers)
        structures = [structure for _, structure in program.arguments]
        self._count = len(structures)
        # What a compiled method is bound to: its identity counts.
        self._bound = structures[0] if structures and _is_bound(structures[0]) else None
        self._numbers_wanted = program.target == "c"
        self._parts: list[_Part] = []
        first = place = 0 if self._bound is None else 1
        start = stop = 0
        for i, structure in enumerate(structures[place:], place):
            size = size_of(structure)
            if size >= _MANY and first < i:
                self._add(slice(first, i), structures, numbers[start:stop])
                first, start = i, stop
            stop += size
            if size >= _MANY or i == self._count - 1:
                self._add(slice(first, i + 1), structures, numbers[start:stop])
                first, start = i + 1, stop

        # The short ones first: others' arguments often differ in them, and are known sooner.
        self._in_turn = sorted(enumerate(self._parts), key=lambda pair: pair[1].size)

    def _add(self, place: slice, structures: list[Structure], numbers: list[Any]) -> None:
        self._parts.append(_Part(place, structures[place], numbers))

    def found(self, arguments: tuple[Any, ...]) -> Sequence[Any] | None:
        """Return the numbers of `arguments` if these are alike, and None if not.

        The numbers are for a program in C; for Python, which needs none, the list is empty.
        """
        if len(arguments) != self._count:
            return None
        bound = self._bound
        if bound is not None:
            given = arguments[0]
            if type(given) is not type(bound) or given.value is not bound.value:
                return None
        wanted = self._numbers_wanted
        found: list[Sequence[Any]] = [()] * len(self._parts) if wanted else []
        for k, part in self._in_turn:
            try:
                data = dumps(arguments[part.place], _FORMAT)
            except ValueError:  # there is something that marshal does not know
                return None
            if part.many and data == (last := part.last)[0]:
                if wanted:
                    found[k] = last[1]
                continue
            if len(data) != part.size or int.from_bytes(data, "little") & part.mask != part.masked:
                return None
            own = part.digits.unpack(data) if wanted else ()
            if part.many:
                part.last = data, own
            if wanted:
                found[k] = own
        if not wanted:
            return found
        return found[0] if len(found) == 1 else list(chain.from_iterable(found))


def entry_for(program: Program, key: Any, numbers: list[Any]) -> Entry | None:
    """Return an entry for arguments like those that have these numbers, if it can know them."""
    if kind_of(numbers) == ANY:
        return None
    structures = [structure for _, structure in program.arguments]
    if structures and _is_bound(structures[0]):
        structures = structures[1:]
    return Entry(program, key, numbers) if all(map(_is_plain, structures)) else None


def _is_bound(structure: Structure) -> bool:
    return isinstance(structure, Static) and type(structure) is not Static


def _is_plain(structure: Structure) -> bool:
    if structure is NUMBER:
        return True
    if isinstance(structure, Nest):
        return (
            structure.kind in _CONTAINERS
            and all(map(_is_atom, structure.keys or ()))
            and all(map(_is_plain, structure.items))
        )
    return type(structure) is Static and _is_atom(structure.value)


def _is_atom(x: Any) -> bool:
    return type(x) in _ATOMS or (type(x) is tuple and all(map(_is_atom, x)))


def all_floats(numbers: list[Any]) -> bool:
    """Return whether all of `numbers` are floats: as `kind_of` says, in less time.

    >>> all_floats([1.0, 2.5]), all_floats([1.0, 2])
    (True, False)
    """
    try:
        return dumps(numbers, _FORMAT)[5::9] == b"g" * len(numbers)
    except ValueError:
        return False
