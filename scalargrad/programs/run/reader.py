"""The reader of a program: a function, written for it, that takes nested arguments apart.

It checks containers by type, length and keys, and static values, and returns the numbers in order:
None where the arguments are not nested as those that the program was written for.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from scalargrad.transforms.nesting import (
    NUMBER,
    Doubles,
    Nest,
    Static,
    Structure,
    size_of,
    static_key,
)

# A loop reads items of the same structure if they have more containers than this: it takes longer,
# but must not be compiled for each. Python nests 20 blocks at most.
_MANY, _DEEPEST = 64, 10
# Static values of these types are told by themselves.
_PLAIN = (str, bool, type(None))


def reader_of(
    structures: Sequence[Structure], in_array: bool = False
) -> Callable[[tuple[Any, ...]], Any]:
    """Return the function that reads arguments of these structures.

    With `in_array`, and if there are buffers among them and all other numbers are floats, it gives
    the numbers in an array: buffers are copied there at once, and not number by number.

    >>> from scalargrad.transforms.nesting import flatten
    >>> read = reader_of([flatten({"w": [1.0, 2.0], "b": 3.0})[1], NUMBER])
    >>> read(({"w": [10, 20], "b": 30}, 40)), read(({"w": [10], "b": 30}, 40))
    ([10, 20, 30, 40], None)
    """
    writer = _Writer()
    pieces = writer.items("args", structures, 2)
    result = [f"        return [{', '.join(pieces)}]"]
    if in_array and writer.buffers:
        result = [*writer.array_of(pieces), *result]
    lines = [
        *("def read(args):", "    try:", *writer.lines, *result),
        *("    except ValueError:", "        return None  # another number of items", ""),
    ]
    exec("\n".join(lines), writer.constants)
    return writer.constants["read"]  # type: ignore[no-any-return]


class _Writer:
    """The lines of a reader, and what they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {
            **{"key_of": static_key, "str_": {str}, "doubles_in": doubles_in}
        }
        # The pieces that are the numbers of buffers.
        self.buffers: set[str] = set()
        self._names = 0

    def new(self) -> str:
        """Return a new name."""
        self._names += 1
        return f"x{self._names}"

    def constant(self, x: Any) -> str:
        """Return a name for `x`."""
        name = self.new()
        self.constants[name] = x
        return name

    def refuse(self, condition: str, depth: int) -> None:
        """Write that nothing is read if a condition holds."""
        self.lines.append(f"{'    ' * depth}if {condition}: return None")

    def read(self, name: str, structure: Structure, depth: int) -> list[str]:
        """Write the lines that read what has a name; return the elements of the list it gives."""
        if structure is NUMBER:
            return [name]
        if not isinstance(structure, Nest):
            self.check_static(name, structure, depth)
            return []
        items, keys = structure.items, structure.keys
        if structure.kind is Doubles:
            return [self.buffer(name, len(items), depth)]
        self.refuse(f"type({name}) is not {self.constant(structure.kind)}", depth)
        if keys is None:
            return self.items(name, items, depth)
        if not issubclass(structure.kind, dict):  # a dataclass
            return self.items(f"[{', '.join(f'{name}.{key}' for key in keys)}]", items, depth)
        if structure.own_keys is None:
            wanted = self.constant(list(keys))
            self.refuse(f"[*{name}] != {wanted} or not str_.issuperset(map(type, {name}))", depth)
        else:
            wanted = self.constant(list(structure.own_keys))
            self.refuse(f"[key_of(key) for key in {name}] != {wanted}", depth)
        if issubclass(structure.kind, defaultdict):
            factory = self.constant(structure.factory)
            self.refuse(f"{name}.default_factory is not {factory}", depth)
        return self.items(f"{name}.values()", items, depth)

    def buffer(self, name: str, size: int, depth: int) -> str:
        """Write the lines that read a buffer of doubles."""
        own = self.new()
        self.lines.append(f"{'    ' * depth}{own} = doubles_in({name}, {size})")
        self.refuse(f"{own} is None", depth)
        if depth == 2:  # not within a loop
            self.buffers.add(f"*{own}")
        return f"*{own}"

    def array_of(self, pieces: list[str]) -> Iterator[str]:
        """Give the lines that return all numbers in an array, if those of no buffer are floats."""
        others = [piece for piece in pieces if piece not in self.buffers]
        floats, array_ = self.constant({float}), self.constant(array)
        yield f"        if {floats}.issuperset(map(type, [{', '.join(others)}])):"
        yield f"            numbers = {array_}('d')"
        for is_buffer, some in groupby(pieces, self.buffers.__contains__):
            if is_buffer:
                yield from [f"            numbers.extend({piece[1:]})" for piece in some]
            else:
                yield f"            numbers.extend([{', '.join(some)}])"
        yield "            return numbers"

    def check_static(self, name: str, structure: Static, depth: int) -> None:
        """Write the line that checks a static value."""
        kind, value = type(structure.value), structure.value
        if type(structure) is not Static:  # an object that a method is of: told by identity
            held = self.constant(type(structure))
            found = f"{name}.value is not {self.constant(value)}"
            self.refuse(f"type({name}) is not {held} or {found}", depth)
        elif kind in _PLAIN:
            held = self.constant(kind)
            found = f"{name} != {self.constant(value)}"
            self.refuse(f"type({name}) is not {held} or {found}", depth)
        else:
            self.refuse(f"key_of({name}) != {self.constant(static_key(value))}", depth)

    def items(self, name: str, items: Sequence[Structure], depth: int) -> list[str]:
        """Write the lines that read the items of a list, a tuple or a dict's values."""
        kinds = set(items)
        if kinds <= {NUMBER}:
            self.refuse(f"len({name}) != {len(items)}", depth)
            return [f"*{name}"]
        indent = "    " * depth
        if len(kinds) == 1 and len(items) * _containers(items[0]) > _MANY and depth < _DEEPEST:
            self.refuse(f"len({name}) != {len(items)}", depth)
            item = self.new()
            place = len(self.lines)
            self.lines.append(f"{indent}for {item} in {name}:")
            pieces = self.read(item, items[0], depth + 1)
            if not pieces:
                return []
            found = self.new()
            self.lines.insert(place, f"{indent}{found} = []")
            star = len(pieces) == 1 and pieces[0][0] == "*"
            whole = pieces[0][1:] if star else f"[{', '.join(pieces)}]"
            self.lines.append(f"{indent}    {found} += {whole}")
            return [f"*{found}"]
        names = [self.new() for _ in items]
        self.lines.append(f"{indent}[{', '.join(names)}] = {name}")
        pieces = []
        for own, item in zip(names, items, strict=True):
            pieces += self.read(own, item, depth)
        return pieces


def doubles_in(x: Any, size: int) -> array[float] | None:
    """Return the numbers of a buffer of so many doubles, of one dimension; None if it is none.

    >>> doubles_in(memoryview(array("d", [1.0, 2.0])), 2), doubles_in([1.0, 2.0], 2)
    (array('d', [1.0, 2.0]), None)
    """
    if type(x) is not array:
        try:
            view = memoryview(x)
        except TypeError:
            return None
        if view.format != "d" or view.ndim != 1:
            return None
        x = array("d", view.tobytes())
    return x if x.typecode == "d" and len(x) == size else None


def _containers(structure: Structure) -> int:
    """Return how many containers a nest is made of."""
    return 1 + sum(map(_containers, structure.items)) if isinstance(structure, Nest) else 0


def places_of(structures: Sequence[Structure]) -> list[int | slice]:
    """Return where among all numbers those of each argument are that is not static.

    >>> places_of([NUMBER, Static("name"), Nest(list, None, (NUMBER, NUMBER))])
    [0, slice(1, 3, None)]
    """
    places: list[int | slice] = []
    start = 0
    for structure in structures:
        end = start + size_of(structure)
        if not isinstance(structure, Static):
            places.append(start if structure is NUMBER else slice(start, end))
        start = end
    return places
