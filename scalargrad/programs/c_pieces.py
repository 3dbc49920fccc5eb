"""Instructions on doubles as the statements of C functions, each of bounded size.

An instruction makes a number, or an array of numbers: an array is what a call gives, what several
numbers are put into to be handed to a call, or a sum of arrays. What one piece makes and another
uses stands in the work array, and so do the arrays, or in another array that they are a part of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scalargrad.programs.names import Names

# How tightly the parts of an expression bind, as in C's grammar.
LOWEST, CHOICE, COMPARISON, SUM, PRODUCT, PREFIX, ATOM = range(7)
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 10, 80
# So many instructions at most make one C function: gcc's time for one grows faster than its size.
PIECE = 400
# So many arrays at most are added in one loop.
_TERMS = 8
# A line that is longer is wrapped.
_WIDTH = 100
_BREAKS = re.compile(r"(?<=,) | (?=[-+*/?:<>=!&|]+ )")
# Fewer numbers than these are copied without a loop.
_LOOP = 4


class Form(NamedTuple):
    """How an instruction is written: its text, how tightly it binds and its operands must.

    One that is not `safe` may set a flag for what is an error in Python. `type` is "double" or
    "int"; of what makes an array it is "pack", "sum" or "call". An `alias` computes nothing: it is
    an element of an array, or where in it a part begins.
    """

    text: str
    binding: int = ATOM
    operands: tuple[int, ...] = ()
    safe: bool = False
    type: str = "double"
    alias: bool = False


# The number of a parameter or instruction, or the text of a constant.
Place = int | str


class Segment(NamedTuple):
    """Numbers that stand side by side in an array from `offset` on; at -1, one that is in none."""

    place: Place
    offset: int = -1
    size: int = 1


class Instruction(NamedTuple):
    """What is computed: of operands, or for a pack, of segments. `size` is that of an array."""

    form: Form
    operands: tuple[Place, ...]
    safe: bool
    label: str
    size: int = 0
    segments: tuple[Segment, ...] = ()

    @property
    def weight(self) -> int:
        """How much text it makes."""
        if self.form.alias:
            return 0
        return 1 + (len(self.segments or self.operands) if self.size else 0)


class _Text(NamedTuple):
    text: str
    binding: int
    depth: int

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


def joined(segments: Sequence[Segment]) -> list[Segment]:
    """Return `segments` with those that stand side by side as one.

    >>> joined([Segment(0, 2), Segment(0, 3, 4), Segment(5)])
    [Segment(place=0, offset=2, size=5), Segment(place=5, offset=-1, size=1)]
    """
    found: list[Segment] = []
    for one in segments:
        last = found[-1] if found else None
        if (
            last is not None
            and one.offset >= 0
            and last.place == one.place
            and last.offset >= 0
            and last.offset + last.size == one.offset
        ):
            found[-1] = last._replace(size=last.size + one.size)
        else:
            found.append(one)
    return found


class Pieces:
    """Writes instructions as the bodies of functions of bounded size.

    `parameters` are the names of what the functions are given; the number of the first instruction
    is theirs. The numbers of `results` go to the array `out`; if there is but one body and one
    number, and `returns`, the body returns it. The work array is used from `scratch` on.
    """

    def __init__(
        self,
        parameters: Sequence[str],
        instructions: list[Instruction],
        results: Sequence[Segment],
        names: Names,
        scratch: int = 0,
        returns: bool = False,
    ) -> None:
        self.parameters, self.first = list(parameters), len(parameters)
        self.names = names
        self.work = scratch
        self.bodies: list[list[str]] = []
        # The result is a pack of its own, which stands in `out`.
        size = sum(one.size for one in results)
        numbers = tuple(one.place for one in results)
        result = Instruction(Form("", type="pack"), numbers, True, "", size, tuple(results))
        self.result = self.first + len(instructions)
        self.instructions = [*instructions, result]
        self._cut()
        self.returns = returns and size == 1 and self.piece[-1] == 0
        self._find_homes()
        self._free: dict[int, list[int]] = {}
        # The slots in the work array that are free after each piece, with their sizes.
        self._leaving: dict[int, list[tuple[int, int]]] = {}
        self._slots: dict[int, int] = {}
        for piece in range(self.piece[-1] + 1):
            self.bodies.append(_Body(self, piece).lines)
            for slot, own in self._leaving.pop(piece, []):
                self._free.setdefault(own, []).append(slot)

    def of(self, x: Place) -> Instruction | None:
        """Return the instruction that makes x, if it is one."""
        if type(x) is int and x >= self.first:
            return self.instructions[x - self.first]
        return None

    def _cut(self) -> None:
        """Leave out what is not used; find the piece of each instruction, and of its last use."""
        first, instructions = self.first, self.instructions
        self.uses: Counter[int] = Counter()
        self.last: dict[int, int] = {}
        alive = [False] * len(instructions)
        alive[-1] = True
        for k in range(len(instructions) - 1, -1, -1):
            if alive[k]:
                for x in instructions[k].operands:
                    if type(x) is int:
                        self.uses[x] += 1
                        if x >= first:
                            alive[x - first] = True
        self.alive = alive
        self.piece = self._pieces()
        # How often a number is used in its own piece.
        self.near: Counter[int] = Counter()
        for k in range(len(instructions) - 1, -1, -1):
            one = instructions[k]
            if alive[k]:
                user = self.last.get(first + k, 0) if one.form.alias else self.piece[k]
                for x in one.operands:
                    made = self.of(x)
                    # A number that is put into an array is made there.
                    if made is not None and not (one.form.type == "pack" and _is_number(made)):
                        self.last[x] = max(self.last.get(x, 0), user)  # type: ignore[index,arg-type]
                        self.near[x] += self.piece[x - first] == user  # type: ignore[index,operator]

    def _pieces(self) -> list[int]:
        """Return the piece of each instruction: between them as few numbers go over as may be."""
        first, count = self.first, len(self.instructions)
        until = [-1] * count
        ends = [0] * (count + 1)  # by place, the change of how many numbers are still to be used
        weights = [0] * count
        for k in range(count - 1, -1, -1):
            one = self.instructions[k]
            if not self.alive[k]:
                continue
            weights[k] = one.weight if k < count - 1 else 0
            if until[k] >= 0 and _is_number(one):
                ends[k + 1] += 1
                ends[until[k] + 1] -= 1
            for x in one.operands:
                if one.form.type != "pack" and type(x) is int and x >= first:
                    until[x - first] = max(until[x - first], k)
        pieces: list[int] = []
        open_numbers = weight = 0
        best = (0, 0)  # the fewest open numbers, and where
        for k in range(count):
            open_numbers += ends[k]
            if weight and weight + weights[k] > PIECE:
                cut = best[1] or k
                pieces += [pieces[-1] + 1 if pieces else 0] * (cut - len(pieces))
                weight = sum(weights[cut:k])
                best = (0, 0)
            if weight + weights[k] and weight * 4 >= PIECE * 3:
                if not best[1] or open_numbers <= best[0]:
                    best = (open_numbers, k)
            weight += weights[k]
        return pieces + [pieces[-1] + 1 if pieces else 0] * (count - len(pieces))

    def _find_homes(self) -> None:
        """Find for numbers and arrays the arrays that they are part of: they are made in place."""
        # Of each number, the arrays that it is put into, and where there.
        self.sinks: dict[int, list[tuple[int, int]]] = {}
        # Of each array that is made in another, which, and where there.
        self.within: dict[int, tuple[int, int]] = {}
        packs = [
            k
            for k, one in enumerate(self.instructions, self.first)
            if one.form.type == "pack" and self.alive[k - self.first] and not self.is_constant(k)
        ]
        if self.returns:
            packs.pop()
        for pack in [*packs[-1:], *packs[:-1]]:
            offset = 0
            for place, start, size in self.instructions[pack - self.first].segments:
                one = self.of(place)
                if one is not None and type(place) is int:
                    if start < 0:
                        if _is_number(one):
                            self.sinks.setdefault(place, []).append((pack, offset))
                    elif (
                        (start, size) == (0, one.size)
                        and place not in self.within
                        and not self.is_constant(place)
                    ):
                        self.within[place] = (pack, offset)
                offset += size
        # What holds something lives as long as that.
        for k in range(len(self.instructions)):
            x = self.first + k
            if self.alive[k] and (x in self.sinks or x in self.within):
                owner = self.home(self.sinks[x][0][0] if x in self.sinks else x)[0]
                self.last[owner] = max(self.last.get(owner, 0), self.last.get(x, 0))

    def is_constant(self, x: int) -> bool:
        """Return whether x is an array of constants alone."""
        one = self.instructions[x - self.first]
        return (
            one.form.type == "pack"
            and x != self.result
            and all(type(place) is str and "N" not in place for place, _, _ in one.segments)
        )

    def home(self, array: int) -> tuple[int, int]:
        """Return the array that an array is made in, which is in no other, and where there."""
        offset = 0
        while array in self.within:
            array, own = self.within[array]
            offset += own
        return array, offset

    def address(self, array: int) -> tuple[str, int]:
        """Return the name of what an array stands in, and where there."""
        owner, offset = self.home(array)
        if owner == self.result:
            return "out", offset
        if owner not in self._slots:
            self._slots[owner] = self.slot(owner, self.instructions[owner - self.first].size)
        return "work", self._slots[owner] + offset

    def slot(self, x: int, size: int) -> int:
        """Return a place in the work array: for x, until the last piece that uses it."""
        free = self._free.get(size)
        if free:
            place = free.pop()
        else:
            place = self.work
            self.work += size
        self._leaving.setdefault(self.last[x], []).append((place, size))
        return place

    def number_slot(self, x: int) -> str:
        """Return the text of the place in the work array for a number."""
        if x not in self._slots:
            self._slots[x] = self.slot(x, 1)
        return f"work[{self._slots[x]}]"


class _Body:
    """Writes one piece."""

    def __init__(self, whole: Pieces, piece: int) -> None:
        self.whole, self.piece = whole, piece
        self.lines: list[str] = []
        self.names = Names(whole.names.taken)
        self._numbers = 0
        self._local: dict[int, _Text] = {}
        self._arrays: dict[int, str] = {}
        for k, one in enumerate(whole.instructions, whole.first):
            if whole.alive[k - whole.first] and whole.piece[k - whole.first] == piece:
                self._write(k, one)

    def name(self, label: str) -> str:
        if label:
            return self.names.new(label)
        self._numbers += 1
        return self.names.new(f"t{self._numbers}")

    def array(self, x: int) -> str:
        """Return the name of an array, declared where it is first used."""
        whole = self.whole
        if x < whole.first:
            return whole.parameters[x]
        if x == whole.result:
            return "out"
        found = self._arrays.get(x)
        if found is None:
            one = whole.instructions[x - whole.first]
            found = self._arrays[x] = self.name(one.label)
            if whole.is_constant(x):
                numbers = ", ".join(str(place) for place, _, _ in one.segments)
                start = f"    static const double {found}[{one.size}] = "
                self.lines += wrapped(start + "{", numbers, "};")
            else:
                base, offset = whole.address(x)
                self.lines.append(f"    double *const {found} = {base}{_plus(offset)};")
        return found

    def text(self, x: Place) -> _Text:
        """Return the text of an operand."""
        if type(x) is str:
            return _Text(x, PREFIX if x[0] == "-" else ATOM, 0)
        whole = self.whole
        one = whole.of(x)
        if one is None:
            return _Text(self.array(x), ATOM, 0)  # type: ignore[arg-type]
        if one.form.alias:
            return _Text(one.form.text.format(self.array(one.operands[0])), one.form.binding, 0)  # type: ignore[arg-type]
        if one.size:
            return _Text(self.array(x), ATOM, 0)  # type: ignore[arg-type]
        found = self._local.get(x)  # type: ignore[arg-type]
        return found if found is not None else self._kept(x, one)  # type: ignore[arg-type]

    def _kept(self, x: int, one: Instruction) -> _Text:
        """Return the text of what another piece made."""
        home = self._home(x)
        return _Text(f"({home} != 0)" if one.form.type == "int" else home, ATOM, 0)

    def _home(self, x: int) -> str:
        sinks = self.whole.sinks.get(x)
        if sinks:
            return f"{self.array(sinks[0][0])}[{sinks[0][1]}]"
        return self.whole.number_slot(x)

    def _write(self, k: int, one: Instruction) -> None:
        kind = one.form.type
        if one.form.alias:
            return
        if kind == "pack":
            if k == self.whole.result and self.whole.returns:
                self.lines.append(f"    return {self.text(one.segments[0].place).text};")
            elif not self.whole.is_constant(k):
                self._fill(k, one)
        elif kind == "sum":
            self._add_up(k, one)
        elif one.size:
            self._call(k, one)
        else:
            self._number(k, one)

    def _number(self, k: int, one: Instruction) -> None:
        whole, form = self.whole, one.form
        parts = [self.text(x) for x in one.operands]
        within = [p.within(b) for p, b in zip(parts, form.operands, strict=True)]
        depth = max([p.depth for p in parts], default=0) + 1
        text = _Text(form.text.format(*within), form.binding, depth)
        later = whole.last.get(k, 0) > self.piece
        sinks = whole.sinks.get(k, ())
        short = depth <= _DEEPEST and len(text.text) <= _LONGEST
        if short and whole.uses[k] == 1 and not (later or sinks or one.label):
            self._local[k] = text
            return
        home = self._home(k) if later or sinks else ""
        if not home or (whole.near[k] and not later) or one.label:
            name = self.name(one.label)
            start = f"    const {form.type} {name} ="
            self.lines += wrapped(f"{start} ", text.text, ";")
            text = _Text(name, ATOM, 0)
            if home:
                self.lines.append(f"    {home} = {name};")
        else:
            self.lines += wrapped(f"    {home} = ", text.text, ";")
            text = self._kept(k, one)
        self._local[k] = text
        for array, offset in sinks[1:]:
            self.lines.append(f"    {self.array(array)}[{offset}] = {text.text};")

    def _fill(self, k: int, one: Instruction) -> None:
        """Write what is put into an array and was not made there."""
        offset = 0
        for place, start, size in one.segments:
            if start < 0:
                made = self.whole.of(place)
                if made is None or not _is_number(made):
                    self.lines.append(f"    {self.array(k)}[{offset}] = {self.text(place).text};")
            elif self.whole.within.get(place) != (k, offset):  # type: ignore[arg-type]
                self._copy(self.array(k), offset, self.array(place), start, size)  # type: ignore[arg-type]
            offset += size

    def _copy(self, to: str, offset: int, source: str, start: int, size: int) -> None:
        if size < _LOOP:
            for i in range(size):
                self.lines.append(f"    {to}[{offset + i}] = {source}[{start + i}];")
            return
        self._loop(size, f"{to}[{_index(offset)}] = {source}[{_index(start)}];")

    def _loop(self, size: int, statement: str) -> None:
        self.lines += [f"    for (int i = 0; i < {size}; i++)", f"        {statement}"]

    def _add_up(self, k: int, one: Instruction) -> None:
        name = self.array(k)
        terms = [f"{self.array(part.place)}[{_index(part.offset)}]" for part in one.segments]  # type: ignore[arg-type]
        for start in range(0, len(terms), _TERMS):
            some = [f"{name}[i]"] * (start > 0) + terms[start : start + _TERMS]
            self._loop(one.size, f"{name}[i] = {' + '.join(some)};")

    def _call(self, k: int, one: Instruction) -> None:
        parts = [self.text(x).text for x in one.operands]
        start, text = one.form.text.format(*parts, self.array(k)).split("(", 1)
        self.lines += wrapped(f"    {start}(", text, ";")


def _is_number(one: Instruction) -> bool:
    """Return whether an instruction computes a number."""
    return not one.size and not one.form.alias


def _plus(offset: int) -> str:
    return f" + {offset}" if offset else ""


def _index(offset: int) -> str:
    return f"{offset} + i" if offset else "i"


def wrapped(start: str, text: str, end: str) -> Iterator[str]:
    """Give the lines of a statement, broken after commas and before signs where it is long."""
    if len(start) + len(text) + len(end) <= _WIDTH:
        yield start + text + end
        return
    line = start
    for part in _BREAKS.split(text):
        if len(line) + len(part) >= _WIDTH and line.strip():
            yield line.rstrip()
            line = "        "
        line += part + " "
    yield line.rstrip() + end
