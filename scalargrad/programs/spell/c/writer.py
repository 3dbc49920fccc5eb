"""Numbers and tuples as statements of C on doubles: what is kept has a place in `work`.

A number is an expression, which is written into its one use, or stored; a tuple is a range of an
array, or its elements wherever they are. A statement that may set a flag for what is an error in
Python is always executed: a compiler cannot leave out what is stored in an array of the caller's.
What is written under conditions stands in blocks within each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

from scalargrad.programs.passes.kinds import BOOL, INT
from scalargrad.programs.spell.c.loops import NUMBERS, WORK, Leaf, Loop, Statement

# Ints stand in doubles, which hold them up to this size; no larger one is rounded to it.
LARGEST_INT = 2**53 - 1
# How tightly the parts of an expression bind, as in C's grammar.
LOWEST, CHOICE, COMPARISON, SUM, PRODUCT, PREFIX, ATOM = range(7)
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 70, 600
# So many arrays at most are added in one loop.
_TERMS = 8


class NotSpelled(Exception):
    """C has no text for this program, or no way to keep its numbers' kinds: Python must run it."""


class Form(NamedTuple):
    """How an op is written: its text, how tightly it binds and its operands must.

    One that is not `safe` may set a flag for what is an error in Python.
    """

    text: str
    binding: int = ATOM
    operands: tuple[int, ...] = ()
    safe: bool = False


class Number(NamedTuple):
    """An expression of a kind, in which each @ is an operand, and these, as in a Statement.

    One that is not `safe` may set a flag. A bool is an int in C.
    """

    text: str
    kind: str
    binding: int = ATOM
    safe: bool = True
    depth: int = 0
    arrays: str = ""
    places: tuple[int, ...] = ()
    constants: tuple[str, ...] = ()


_AS_DOUBLE = Form("(double){}", PREFIX, (ATOM,), True)
# A third of the time of a call of the class.
_number = partial(tuple.__new__, Number)


class Stored(NamedTuple):
    """A tuple that stands in an array from `place` on; `kinds` are those of its elements."""

    array: str
    place: int
    kinds: tuple[Any, ...]


class Parts(NamedTuple):
    """A tuple of values that stand anywhere."""

    items: tuple[Value, ...]


Value = Any  # a Number, or a tuple: Stored or Parts


@lru_cache(maxsize=4096)
def width(kind: Any) -> int:
    """Return how many numbers a value of this kind has."""
    return sum(map(width, kind)) if type(kind) is tuple else 1


@lru_cache(maxsize=4096)
def _offsets(kinds: tuple[Any, ...]) -> list[int]:
    found = [0]
    for kind in kinds:
        found.append(found[-1] + width(kind))
    return found


def kind_of(value: Value) -> Any:
    """Return the kind of a value: of a tuple, the tuple of its elements' kinds."""
    if type(value) is Number:
        return value.kind
    return value.kinds if type(value) is Stored else tuple(map(kind_of, value.items))


def at(array: str, place: int, kind: Any) -> Value:
    """Return the value of a kind that stands at a place of an array."""
    if type(kind) is tuple:
        return Stored(array, place, kind)
    text = "(@ != 0)" if kind == BOOL else "@"
    return _number((text, kind, ATOM, True, 0, array, (place,), ()))


def element(value: Value, k: int) -> Value:
    """Return an element of a tuple."""
    if type(value) is Parts:
        return value.items[k]
    return at(value.array, value.place + _offsets(value.kinds)[k], value.kinds[k])


class Writer:
    """The statements of one C function, as they are written.

    Its own part of the work array has `size` numbers; what it calls needs `scratch` of them. What
    comes next stands under the conditions of `nest`, each with its truth.
    """

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.size = self.scratch = 0
        self.nest: tuple[tuple[Number, bool], ...] = ()
        self._written_nest: tuple[tuple[Number, bool], ...] = ()
        self._leaves: dict[str, Leaf] = {}
        self._ranges: dict[Parts, Stored] = {}

    def apply(self, form: Form, kind: str, *xs: Number) -> Number:
        """Return what a form of some numbers is."""
        texts = [
            x.text if x.binding >= least else f"({x.text})"
            for x, least in zip(xs, form.operands, strict=True)
        ]
        depth, safe = 0, form.safe
        arrays = ""
        places: tuple[int, ...] = ()
        constants: tuple[str, ...] = ()
        for x in xs:
            if x.depth > depth:
                depth = x.depth
            safe = safe and x.safe
            arrays += x.arrays
            places += x.places
            constants += x.constants
        text = form.text.format(*texts)
        own = _number(
            (text, kind, form.binding, safe, depth + 1, arrays, places, constants),
        )
        return self.stored(own) if depth >= _DEEPEST or len(text) > _LONGEST else own

    def stored(self, x: Number) -> Number:
        """Return x as it may be written again and again: computed, and in a place of its own."""
        if not x.depth:
            return x
        place = self.room(1)
        self.assign(WORK, place, x)
        return at(WORK, place, x.kind)  # type: ignore[no-any-return]

    def computed(self, x: Number) -> Number:
        """Return x, computed here if it may set a flag: the compiler may find no use of it."""
        return x if x.safe else self.stored(x)

    def in_c(self, x: Number) -> Number:
        """Return x as a double: a bool is an int in C, and one that may fail is computed here."""
        return x if x.kind != BOOL else self.apply(_AS_DOUBLE, INT, self.computed(x))

    def kept(self, value: Value) -> Value:
        """Return a value as it may be used again and again."""
        if type(value) is Number:
            return self.stored(value)
        return Parts(tuple(map(self.kept, value.items))) if type(value) is Parts else value

    def unused(self, value: Value) -> None:
        """Write what may set a flag of a value that nothing uses."""
        if type(value) is Number:
            self.computed(value)
        elif type(value) is Parts:
            for item in value.items:
                self.unused(item)

    def element(self, value: Value, k: int) -> Value:
        """Return the one element of a tuple that is used."""
        if type(value) is Stored:
            return element(value, k)
        self.unused(Parts(value.items[:k] + value.items[k + 1 :]))
        return value.items[k]

    def room(self, size: int) -> int:
        """Return where in the work array there are so many places for something new."""
        self.size += size
        return self.size - size

    def assign(self, array: str, place: int, x: Number) -> None:
        """Write that an element of an array is x."""
        self.state(f"@ = {x.text};", array + x.arrays, (place, *x.places), x.constants)

    def state(
        self, text: str, arrays: str, places: tuple[int, ...], constants: tuple[str, ...]
    ) -> None:
        """Write a statement."""
        if self.nest is not self._written_nest:
            self.turn()
        self._append(text, arrays, places, constants)

    def _append(
        self, text: str, arrays: str, places: tuple[int, ...], constants: tuple[str, ...]
    ) -> None:
        leaf = self._leaves.get(text)
        if leaf is None:
            leaf = self._leaves[text] = Leaf(text)
        self.statements.append(Statement(leaf, arrays, places, constants))

    def turn(self) -> None:
        """End the blocks that what comes next does not stand in, and begin those that it does."""
        now, nest = self._written_nest, self.nest
        same = 0
        while same < min(len(now), len(nest)) and now[same] == nest[same]:
            same += 1
        for _ in now[same:]:
            self._append("}", "", (), ())
            self._ranges.clear()  # what was put somewhere within has not been, after it
        for x, truth in nest[same:]:
            text = x.text if truth else f"!{x.text}" if x.binding == ATOM else f"!({x.text})"
            self._append(f"if ({text}) {{", x.arrays, x.places, x.constants)
        self._written_nest = nest

    def assign_sum(self, whole: Stored, *terms: Stored) -> None:
        """Write that a range of an array is the sum of others, element by element."""
        size, ends = width(whole.kinds), (whole, *terms)
        leaf = Leaf(f"@ = {' + '.join('@' * len(terms))};")
        shape = Loop(size, (leaf,), (1,) * len(ends)) if size > 1 else leaf
        arrays = "".join([x.array for x in ends])
        if self.nest is not self._written_nest:
            self.turn()
        self.statements.append(Statement(shape, arrays, tuple([x.place for x in ends]), ()))

    def fill(self, array: str, place: int, values: Sequence[Value]) -> None:
        """Write that values stand side by side in an array, from a place on, if they do not yet."""
        for value in values:
            size = width(kind_of(value))
            if value == at(array, place, kind_of(value)):
                pass
            elif type(value) is Number:
                self.assign(array, place, value)
            elif type(value) is Parts:
                self.fill(array, place, value.items)
            elif size:
                self.assign_sum(Stored(array, place, value.kinds), value)
            place += size

    def range_of(self, value: Value) -> Stored:
        """Return where the numbers of a tuple stand side by side: put there if need be."""
        if type(value) is Stored:
            return value
        found = self._ranges.get(value)
        if found is None:
            kinds = kind_of(value)
            start = _start(value)
            if start is None:
                start = WORK, self.room(width(kinds))
                self.fill(*start, value.items)
            found = self._ranges[value] = Stored(*start, kinds)
        return found

    def address(self, value: Value) -> Number:
        """Return where the numbers of a value begin, as an operand."""
        whole = self.range_of(value if type(value) is not Number else Parts((value,)))
        return Number("&@", "", ATOM, True, 0, whole.array, (whole.place,))

    def sum_of(self, tuples: Sequence[Value]) -> Stored:
        """Return the sum of tuples of floats, element by element."""
        terms = [self.range_of(x) for x in tuples]
        kinds = terms[0].kinds
        whole = Stored(WORK, self.room(len(kinds)), kinds)
        self.assign_sum(whole, *terms[:_TERMS])
        for start in range(_TERMS, len(terms), _TERMS):
            self.assign_sum(whole, whole, *terms[start : start + _TERMS])
        return whole


def _start(value: Parts) -> tuple[str, int] | None:
    """Return where the numbers of a tuple begin that stand side by side already; else None."""
    start: tuple[str, int] | None = None
    end = 0
    for item in value.items:
        if type(item) is Parts:
            first = _start(item)
        elif type(item) is Stored:
            first = item.array, item.place
        elif item.depth or not item.places or ord(item.arrays) >= NUMBERS:
            first = None
        else:
            first = item.arrays, item.places[0]
        if first is None or (start is not None and first != (start[0], end)):
            return None
        start = start or first
        end = first[1] + width(kind_of(item))
    return start
