"""The reader of a program: a function, written for it, that takes nested arguments apart.

It checks containers by type, length and keys, and static values, and returns the numbers in order:
None where the arguments are not nested as those that the program was written for.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.transforms.nesting import (
    NUMBER,
    Doubles,
    Nest,
    Static,
    Structure,
    static_key,
)

# A loop reads items of the same structure if they have more containers than this: it takes longer,
# but must not be compiled for each. Python nests 20 blocks at most.
_MANY, _DEEPEST = 64, 10
# Static values of these types are told by themselves.
_PLAIN = (str, bool, type(None))


def reader_of(
    structures: Sequence[Structure], in_bytes: bool = False
) -> Callable[[tuple[Any, ...]], Any]:
    """Return the function that reads arguments of these structures.

    With `in_bytes` the numbers of a buffer are one piece, their bytes: they are copied at once, and
    not number by number.

    >>> from scalargrad.transforms.nesting import flatten
    >>> read = reader_of([flatten({"w": [1.0, 2.0], "b": 3.0})[1], NUMBER])
    >>> read(({"w": [10, 20], "b": 30}, 40)), read(({"w": [10], "b": 30}, 40))
    ([10, 20, 30, 40], None)
    """
    writer = _Writer(in_bytes)
    pieces = writer.items("args", structures, 2)
    lines = [
        *("def read(args):", "    try:", *writer.lines, f"        return [{', '.join(pieces)}]"),
        *("    except ValueError:", "        return None  # another number of items", ""),
    ]
    exec("\n".join(lines), writer.constants)
    return writer.constants["read"]  # type: ignore[no-any-return]


class _Writer:
    """The lines of a reader, and what they name."""

    def __init__(self, in_bytes: bool) -> None:
        self.lines: list[str] = []
        self.constants: dict[str, Any] = {
            **{"key_of": static_key, "str_": {str}, "bytes_in": bytes_in, "array": array}
        }
        self._in_bytes = in_bytes
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
        self.lines.append(f"{'    ' * depth}{own} = bytes_in({name}, {8 * size})")
        self.refuse(f"{own} is None", depth)
        return own if self._in_bytes else f"*array('d', {own})"

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


def bytes_in(x: Any, size: int) -> bytes | None:
    """Return the bytes of a buffer of doubles, of one dimension; None if it is not of that size.

    >>> bytes_in(array("d", [1.0, 2.0]), 16) == array("d", [1.0, 2.0]).tobytes()
    True
    >>> bytes_in([1.0, 2.0], 16)
    """
    try:
        # An array has a quicker way. A view holds its buffer meanwhile.
        view: Any = x if type(x) is array and x.typecode == "d" else memoryview(x)
    except TypeError:
        return None
    if view is not x and (view.format != "d" or view.ndim != 1):
        return None
    found = view.tobytes()
    return found if len(found) == size else None


def flat(pieces: Sequence[Any]) -> list[Any]:
    """Return all numbers of pieces, of which some are the bytes of doubles.

    >>> flat([1, array("d", [2.0, 3.0]).tobytes()])
    [1, 2.0, 3.0]
    """
    if bytes not in map(type, pieces):
        return [*pieces]
    numbers: list[Any] = []
    for x in pieces:
        numbers += array("d", x) if type(x) is bytes else (x,)
    return numbers


def _containers(structure: Structure) -> int:
    """Return how many containers a nest is made of."""
    return 1 + sum(map(_containers, structure.items)) if isinstance(structure, Nest) else 0


def sizes_of(structures: Sequence[Structure]) -> list[int | None]:
    """Return the sizes of the pieces of these structures: None of a number.

    >>> sizes_of([NUMBER, Nest(Doubles, None, (NUMBER, NUMBER))])
    [None, 2]
    """
    sizes: list[int | None] = []
    for x in structures:
        if x is NUMBER:
            sizes.append(None)
        elif isinstance(x, Nest):
            sizes += [len(x.items)] if x.kind is Doubles else sizes_of(x.items)
    return sizes
