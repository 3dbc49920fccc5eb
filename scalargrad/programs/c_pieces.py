"""Instructions on doubles as the statements of C functions, each of bounded size.

An instruction makes a number, or an array of numbers: an array is what a call gives, what several
numbers are put into to be handed to a call, or a sum of arrays. What one piece makes and another
uses stands in the work array, and so do the arrays, or in another array that they are a part of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from scalargrad.programs.c_loops import CONSTANT, Leaf, Loop, Statement, ranges, rolled, spelled
from scalargrad.programs.names import Names

if TYPE_CHECKING:
    from scalargrad.programs.c_calls import Instructions

# How tightly the parts of an expression bind, as in C's grammar.
LOWEST, CHOICE, COMPARISON, SUM, PRODUCT, PREFIX, ATOM = range(7)
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 70, 600
# A C function has so many operands at most: gcc's time for one grows faster than its size.
PIECE = 1000
# So many arrays at most are added in one loop.
_TERMS = 8
# Letters for the arrays of a statement: those that it is given follow after the last one.
_OUT, _WORK, _TABLE, _GIVEN = "o", "w", "t", 256


class Form(NamedTuple):
    """How an instruction is written: its text, how tightly it binds and its operands must.

    One that is not `safe` may set a flag for what is an error in Python. `type` is "double" or
    "int"; of what makes an array it is "pack", "sum" or "call". An `alias` computes nothing: it is
    an element of an array, or where in it a part begins. One that stands `alone` is a statement of
    its own.
    """

    text: str
    binding: int = ATOM
    operands: tuple[int, ...] = ()
    safe: bool = False
    type: str = "double"
    alias: bool = False
    alone: bool = False


# The number of a parameter or instruction, or the text of a constant.
Place = int | str


class Segment(NamedTuple):
    """Numbers that stand side by side in an array from `offset` on; at -1, one that is in none."""

    place: Place
    offset: int = -1
    size: int = 1


class Instruction(NamedTuple):
    """What is computed of operands; those of arrays, and aliases, have segments too.

    `size` is that of the array which it makes.
    """

    form: Form
    operands: tuple[Place, ...]
    safe: bool
    label: str
    size: int = 0
    segments: tuple[Segment, ...] = ()


class _Text(NamedTuple):
    """An expression in which each @ is an operand, and those operands, as in a Statement."""

    text: str
    binding: int
    depth: int
    arrays: str
    places: tuple[int, ...]
    constants: tuple[str, ...]

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


_text = partial(tuple.__new__, _Text)


# A third of the time of a call of the class.
instruction = partial(tuple.__new__, Instruction)


def joined(segments: Iterable[Segment]) -> list[Segment]:
    """Return `segments` with those that stand side by side as one.

    >>> joined([Segment(0, 2), Segment(0, 3, 4), Segment(5)])
    [Segment(place=0, offset=2, size=5), Segment(place=5, offset=-1, size=1)]
    """
    found: list[Segment] = []
    place: Place = -1
    end = -1
    for one in segments:
        if one.place == place and 0 <= end == one.offset:
            found[-1] = found[-1]._replace(size=found[-1].size + one.size)
        else:
            found.append(one)
            place = one.place
        end = one.offset + one.size if one.offset >= 0 else -1
    return found


class Pieces:
    """Writes instructions as the bodies of functions of bounded size.

    `parameters` are the names of what the functions are given. The numbers of `results` go to the
    array `out`; if there is but one body and one number, and `returns`, the body returns it.
    Constants that arrays are made of are added to `constants`.
    """

    def __init__(
        self,
        parameters: Sequence[str],
        instructions: Instructions,
        results: Sequence[Segment],
        names: Names,
        constants: list[str],
        returns: bool = False,
    ) -> None:
        self.parameters, self.first = parameters, len(parameters)
        self.names, self.constants = names, constants
        self.arrays = {_OUT: "out", _WORK: "work", _TABLE: "constants"}
        self.arrays.update({chr(_GIVEN + k): name for k, name in enumerate(parameters)})
        # The result is a pack of its own, which stands in `out`.
        size = sum(one.size for one in results)
        numbers = tuple(one.place for one in results)
        result = Instruction(Form("", type="pack"), numbers, True, "", size, tuple(results))
        self.result = self.first + len(instructions.list)
        self.instructions = [*instructions.list, result]
        self.uses = self._uses()
        self.tables = self._tables()
        self.returns = returns and size == 1
        statements = self._statements()
        if self.returns and sum(len(one.arrays) for one in statements) > PIECE:
            self.returns = False
            statements = self._statements()
        self.work = instructions.scratch
        self.bodies = self._placed(rolled(statements, constants))

    def _uses(self) -> list[int]:
        """Return how often each instruction is used; those that may fail are used in any case."""
        uses = [0] * (self.result + 1)
        uses[self.result] = 1
        for k in range(len(self.instructions) - 1, -1, -1):
            one = self.instructions[k]
            if uses[self.first + k] or not one.form.safe:
                for x in one.operands:
                    if type(x) is int:
                        uses[x] += 1
        return uses

    def _of(self, x: Place) -> Instruction | None:
        """Return the instruction that makes x, if it is one."""
        if type(x) is int and x >= self.first:
            return self.instructions[x - self.first]
        return None

    def _tables(self) -> dict[int, tuple[str, int]]:
        """Return where among the constants the arrays stand that are made of constants alone."""
        found: dict[int, tuple[str, int]] = {}
        for k, one in enumerate(self.instructions[:-1], self.first):
            texts = [x for x, _, _ in one.segments if type(x) is str and "N" not in x]
            if one.form.type == "pack" and self.uses[k] and len(texts) == len(one.segments):
                found[k] = _TABLE, len(self.constants)
                self.constants += texts
        return found

    def _find_homes(self) -> None:
        """Find for numbers and arrays the arrays that they are part of: they are made in place."""
        # Of each number, the arrays that it is put into, and where there.
        self.sinks: dict[int, list[tuple[int, int]]] = {}
        # Of each array that is made in another, which, and where there.
        self.within: dict[int, tuple[int, int]] = {}
        # Where each array begins; and the first and last places of those in the work array, and of
        # numbers that nothing reads: they are computed since they may fail.
        self.homes = dict(self.tables)
        self.blocks: set[tuple[int, int]] = set()
        self.slots = 0
        packs = [
            k
            for k, one in enumerate(self.instructions, self.first)
            if one.form.type == "pack" and self.uses[k]
        ]
        packs = packs[:-1] if self.returns else [packs[-1], *packs[:-1]]
        for pack in packs:
            if pack in self.homes:
                continue
            offset = 0
            for place, start, size in self.instructions[pack - self.first].segments:
                one = self._of(place)
                if one is not None and type(place) is int and place not in self.homes:
                    if start < 0:
                        self.sinks.setdefault(place, []).append((pack, offset))
                    elif (start, size) == (0, one.size) and place not in self.within:
                        self.within[place] = (pack, offset)
                offset += size

    def _home(self, array: Place) -> tuple[str, int]:
        """Return the letter of the array that an array stands in, and where there."""
        if type(array) is int and array < self.first:
            return chr(_GIVEN + array), 0
        path = []
        x: int = array  # type: ignore[assignment]
        while x not in self.homes:
            if x in self.within:
                path.append(x)
                x = self.within[x][0]
            elif x == self.result:
                self.homes[x] = _OUT, 0
            else:
                size = self.instructions[x - self.first].size
                self.homes[x] = _WORK, self.slots
                self.blocks.add((self.slots, self.slots + size - 1))
                self.slots += size
        for y in reversed(path):
            letter, place = self.homes[self.within[y][0]]
            self.homes[y] = letter, place + self.within[y][1]
        return self.homes[array]  # type: ignore[index]

    def _statements(self) -> list[Statement]:
        """Return a statement for each result that is used more than once, or put into an array."""
        first, uses = self.first, self.uses
        self._find_homes()
        texts: dict[Place, _Text] = {}
        leaves: dict[str, Leaf] = {}
        statements: list[Statement] = []

        def text_of(x: Place) -> _Text:
            found = texts.get(x)
            if found is None:
                found = texts[x] = new_text(x)
            return found

        def new_text(x: Place) -> _Text:
            one = self._of(x)
            if one is not None:  # an alias
                letter, place = self._home(one.operands[0])
                return _Text(one.form.text, ATOM, 0, letter, (place + one.segments[0].offset,), ())
            if type(x) is int:
                return _Text(self.parameters[x], ATOM, 0, "", (), ())
            if x.isdigit():  # type: ignore[union-attr] # a condition: an int in C, too
                return _Text(x, ATOM, 0, "", (), ())  # type: ignore[arg-type]
            binding = PREFIX if x[0] == "-" else ATOM  # type: ignore[index]
            return _Text("@", binding, 0, CONSTANT, (), (x,))  # type: ignore[arg-type]

        def leaf(text: str) -> Leaf:
            return leaves.setdefault(text, Leaf(text))

        def assign(letter: str, place: int, text: _Text, label: str = "") -> None:
            one = leaf(f"@ = {text.text};")
            statements.append(
                Statement(one, letter + text.arrays, (place, *text.places), text.constants, label)
            )

        def loop(size: int, *ends: tuple[str, int]) -> None:
            """Set an array to the sum of others."""
            one = leaf(f"@ = {' + '.join('@' * (len(ends) - 1))};")
            letters, places = "".join([end[0] for end in ends]), tuple([end[1] for end in ends])
            if size == 1:
                statements.append(Statement(one, letters, places, ()))
            else:
                shape = Loop(size, (one,), (1,) * len(ends))
                statements.append(Statement(shape, letters, places, ()))

        def fill(k: int, one: Instruction) -> None:
            """Put into an array what was not made there."""
            letter, place = self._home(k)
            for x, start, size in one.segments:
                if start >= 0:
                    source, at = self._home(x)
                    if (letter, place) != (source, at + start):
                        loop(size, (letter, place), (source, at + start))
                elif type(x) is str or x < first:  # type: ignore[operator]
                    assign(letter, place, text_of(x))
                place += size

        for k, one in enumerate(self.instructions, first):
            form, operands, _, label, size, segments = one
            if form.alias or (form.safe and not uses[k]):
                continue
            if form.type == "pack":
                if k == self.result and self.returns:
                    x, offset, _ = segments[0]
                    if offset >= 0:
                        letter, place = self._home(x)
                        text = _Text("@", ATOM, 0, letter, (place + offset,), ())
                    else:
                        text = text_of(x)
                    own = leaf(f"return {text.text};")
                    statements.append(Statement(own, text.arrays, text.places, text.constants))
                elif self._home(k)[0] != _TABLE:
                    fill(k, one)
                continue
            if form.type == "sum":
                home = self._home(k)
                ends = [(self._home(x)[0], self._home(x)[1] + start) for x, start, _ in segments]
                for start in range(0, len(ends), _TERMS):
                    loop(size, home, *[home] * (start > 0), *ends[start : start + _TERMS])
                continue
            if len(operands) == 2 and not size:  # as most are
                a, b = [texts.get(x) or text_of(x) for x in operands]
                left, right = form.operands
                written = form.text.format(
                    a[0] if a[1] >= left else f"({a[0]})", b[0] if b[1] >= right else f"({b[0]})"
                )
                depth = (a[2] if a[2] > b[2] else b[2]) + 1
                text = _text((written, form.binding, depth, a[3] + b[3], a[4] + b[4], a[5] + b[5]))
            else:
                parts = [text_of(x) for x in operands]
                if size:
                    letter, place = self._home(k)
                    parts.append(_Text("&@", ATOM, 0, letter, (place,), ()))
                within = [p.within(b) for p, b in zip(parts, form.operands, strict=True)]
                text = _Text(
                    form.text.format(*within),
                    form.binding,
                    max([p.depth for p in parts], default=0) + 1,
                    "".join([p.arrays for p in parts]),
                    tuple([place for p in parts for place in p.places]),
                    tuple([constant for p in parts for constant in p.constants]),
                )
            if size:
                own = leaf(f"{text.text};")
                statements.append(Statement(own, text.arrays, text.places, text.constants))
                continue
            sinks = self.sinks.get(k, ())
            short = text[2] <= _DEEPEST and len(text[0]) <= _LONGEST
            if uses[k] == 1 and short and not (sinks or label or form.alone):
                texts[k] = text
                continue
            if sinks:
                letter, place = self._home(sinks[0][0])
                place += sinks[0][1]
            else:
                letter, place = _WORK, self.slots
                if not uses[k]:
                    self.blocks.add((place, place))
                self.slots += 1
            assign(letter, place, text, label)
            is_condition = form.type == "int"
            texts[k] = _Text("(@ != 0)" if is_condition else "@", ATOM, 0, letter, (place,), ())
            for array, offset in sinks[1:]:
                other, at = self._home(array)
                assign(other, at + offset, texts[k]._replace(text="@"))
        return statements

    def _placed(self, statements: list[Statement]) -> list[list[str]]:
        """Return the lines of each piece, with room found for what stands in the work array.

        Arrays, and what a loop walks over, stay together; all else that only one piece uses is a
        variable.
        """
        pieces: list[int] = []
        piece = size = 0
        for one in statements:
            if size and size + len(one.arrays) > PIECE:
                piece, size = piece + 1, 0
            size += len(one.arrays)
            pieces.append(piece)
        spans = [list(ranges(one, _WORK)) for one in statements]
        walked = {span for own in spans for span in own if span[0] < span[1]}
        blocks = _joined(walked | self.blocks)
        starts = [start for start, _ in blocks]

        def block_of(place: int) -> tuple[int, int]:
            at = bisect_right(starts, place) - 1
            return blocks[at] if at >= 0 and place <= blocks[at][1] else (place, place)

        used = [dict.fromkeys(block_of(low) for low, _ in own) for own in spans]
        last = {block: k for k, own in enumerate(used) for block in own}
        homes: dict[tuple[int, int], int] = {}
        free: defaultdict[int, list[int]] = defaultdict(list)
        bodies: list[list[str]] = [[] for _ in range(piece + 1)]
        names, variables, numbers = Names(self.names.taken), dict[int, str](), count(1)
        for k, one in enumerate(statements):
            if k and pieces[k] > pieces[k - 1]:
                names, variables, numbers = Names(self.names.taken), {}, count(1)
            for block in used[k]:
                if block in homes:
                    continue
                alone = block[0] == block[1] and isinstance(one.shape, Leaf)
                if alone and block not in self.blocks and pieces[last[block]] == pieces[k]:
                    homes[block] = -1 - block[0]
                    variables[homes[block]] = names.new(one.label or f"t{next(numbers)}")
                    continue
                length = block[1] - block[0] + 1
                if free[length]:
                    homes[block] = free[length].pop()
                else:
                    homes[block] = self.work
                    self.work += length
            letters = one.arrays.replace(CONSTANT, "")
            places = []
            for letter, place in zip(letters, one.places, strict=True):
                block = block_of(place)
                places.append(homes[block] + place - block[0] if letter == _WORK else place)
            bodies[pieces[k]] += spelled(one._replace(places=tuple(places)), self.arrays, variables)
            for block in used[k]:
                if last[block] == k and homes[block] >= 0:
                    free[block[1] - block[0] + 1].append(homes[block])
        return bodies


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return ranges with those that overlap as one, in order."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
