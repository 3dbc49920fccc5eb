"""Loops: statements of C that repeat, with places in arrays that move on evenly, as one text.

A traced program has no loops: a network's layer is a statement for each unit, and a batch the same
statements for each sample. Written out, that costs the C compiler its time, and each run the time
to fetch the code. A loop does the same operations in the same order, so with the same bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

# What an operand is, by a letter: a constant, an element of the table of constants, of the work
# array, of what a program gives; of what it is given there are more letters.
CONSTANT, TABLE, WORK, OUT = "c", "t", "w", "o"
# Letters from this one on are of numbers, which have a name and no places.
NUMBERS = 0x10000
# What a function of C does where a path ends within a block.
RETURN = "return 1;"
# The variables of loops within each other. One at most is added in each round, which joins what
# repeats after so many statements: the inner loops first.
VARIABLES = "ijkl"
_LONGEST_PERIODS = (1, 4, 16, 64)
# So many periods at most are tried, the shortest first.
_PERIODS = 8
# What a loop must save at least, in operands.
_LEAST_SAVED = 12


class Leaf(NamedTuple):
    """The shape of a statement: its text, in which each @ is an operand."""

    text: str


class Loop(NamedTuple):
    """The shape of a loop: how often, over what, and by how much each operand's place moves on."""

    turns: int
    parts: tuple[Shape, ...]
    strides: tuple[int, ...]


Shape = Leaf | Loop


class Statement(NamedTuple):
    """A statement or loop: a shape, and its operands in order.

    `arrays` has a letter for each operand; the numbers of those that are elements of arrays are in
    `places`, and the texts of the others in `constants`.
    """

    shape: Shape
    arrays: str
    places: tuple[int, ...]
    constants: tuple[str, ...]


def step_of(shape: Shape) -> int:
    """Return 1 for what begins a block, -1 for what ends one, and 0 for all else."""
    text = shape.text if isinstance(shape, Leaf) else ""
    return (text[-1:] == "{") - (text == "}")


def returns(shape: Shape) -> bool:
    """Return whether a function may return in the midst of this."""
    return shape.text == RETURN if isinstance(shape, Leaf) else any(map(returns, shape.parts))


def rolled(statements: list[Statement], table: list[str]) -> list[Statement]:
    """Return the statements with loops for those that repeat.

    Constants that differ from one turn to the next are added to the `table`.
    """
    for longest in _LONGEST_PERIODS:
        statements = _rolled_once(statements, table, longest)
    return statements


def _rolled_once(
    statements: list[Statement], table: list[str], longest_period: int
) -> list[Statement]:
    numbers: dict[tuple[Shape, str], int] = {}
    keys = [numbers.setdefault((one.shape, one.arrays), len(numbers)) for one in statements]
    # Where the like of each statement comes next.
    following: list[int] = [0] * len(keys)
    latest: dict[int, int] = {}
    for k in range(len(keys) - 1, -1, -1):
        following[k] = latest.get(keys[k], len(keys))
        latest[keys[k]] = k
    # How many blocks each stands in: a turn begins and ends in the same one.
    depths: list[int] = []
    if any(step_of(shape) for shape, _ in numbers):
        depths = [0, *accumulate(step_of(one.shape) for one in statements)]
    result: list[Statement] = []
    k = 0
    while k < len(keys):
        count, end = 1, following[k]
        for _ in range(_PERIODS):
            if end == len(keys) or end - k > longest_period:
                break
            if not depths or min(depths[k : end + 1]) == depths[k] == depths[end]:
                count = _turns(statements, keys, k, end - k)
            saved = (count - 1) * sum(len(one.arrays) for one in statements[k:end])
            if count > 2 and saved >= _LEAST_SAVED:
                break
            count, end = 1, following[end]
        if count == 1:
            result.append(statements[k])
            k += 1
            continue
        period = end - k
        starts = range(k, k + count * period, period)
        result.append(_loop([statements[start : start + period] for start in starts], table))
        k = starts.stop
    return result


def _turns(statements: list[Statement], keys: list[int], start: int, period: int) -> int:
    """Return how often the `period` statements from `start` on come, moving on evenly."""
    steps: list[tuple[int, ...]] = []
    for k in range(start, start + period):
        if k + period >= len(keys) or keys[k] != keys[k + period]:
            return 1
        steps.append(_difference(statements[k].places, statements[k + period].places))
    count = 2
    while True:
        first = start + (count - 1) * period
        if first + 2 * period > len(keys):
            return count
        for k, step in enumerate(steps, first):
            if keys[k] != keys[k + period]:
                return count
            if _difference(statements[k].places, statements[k + period].places) != step:
                return count
        count += 1


def _difference(xs: tuple[int, ...], ys: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([y - x for x, y in zip(xs, ys, strict=True)])


def _loop(turns: list[list[Statement]], table: list[str]) -> Statement:
    joined = [
        (
            [place for one in turn for place in one.places],
            [constant for one in turn for constant in one.constants],
        )
        for turn in turns
    ]
    places, second = iter(joined[0][0]), iter(joined[1][0])
    constants = zip(*[turn[1] for turn in joined], strict=True)
    letters: list[str] = []
    bases: list[int] = []
    strides: list[int] = []
    kept: list[str] = []
    for letter in "".join(one.arrays for one in turns[0]):
        stride = 0
        if letter != CONSTANT:
            bases.append(next(places))
            stride = next(second) - bases[-1]
        else:
            values = next(constants)
            if len(set(values)) == 1:
                kept.append(values[0])
            else:
                letter, stride = TABLE, 1
                bases.append(len(table))
                table += values
        letters.append(letter)
        strides.append(stride)
    shape = Loop(len(turns), tuple(one.shape for one in turns[0]), tuple(strides))
    return Statement(shape, "".join(letters), tuple(bases), tuple(kept))


@lru_cache(maxsize=4096)
def operands_in(shape: Shape) -> int:
    """Return how many operands a shape has."""
    if isinstance(shape, Leaf):
        return shape.text.count("@")
    return sum(map(operands_in, shape.parts))


class _Operand(NamedTuple):
    """A constant, or the element of an array, whose place grows with the variables of loops."""

    array: str
    text: str
    place: int
    terms: tuple[tuple[int, str], ...]

    def moving(self, stride: int, variable: str) -> _Operand:
        """Return it within a loop."""
        return self._replace(terms=(*self.terms, (stride, variable))) if stride else self

    def spelled(self) -> str:
        """Return it as it stands in a statement."""
        if self.text:
            return self.text
        text = str(self.place) if self.place or not self.terms else ""
        for stride, variable in self.terms:
            sign = "-" if stride < 0 else "+"
            size = variable if abs(stride) == 1 else f"{abs(stride)} * {variable}"
            text += f" {sign} {size}" if text else size if stride > 0 else f"-{size}"
        return f"{self.array}[{text}]"


def spelled_block(
    statements: Sequence[Statement], arrays: dict[str, str], work: int, indent: str = "    "
) -> Iterator[str]:
    """Give the lines of statements, as `spelled` does."""
    for one in statements:
        step = step_of(one.shape)
        indent = indent[4:] if step < 0 else indent
        yield from spelled(one, arrays, work, indent)
        indent += "    " * (step > 0)


def spelled(
    one: Statement, arrays: dict[str, str], work: int, indent: str = "    "
) -> Iterator[str]:
    """Give the lines of a statement, whose arrays have these names by their letters.

    Its places in the work array are counted from `work` on.
    """
    operands: list[_Operand] = []
    places, constants = iter(one.places), iter(one.constants)
    for letter in one.arrays:
        if letter == CONSTANT:
            operands.append(_Operand("", next(constants), 0, ()))
        else:
            place = next(places) + (work if letter == WORK else 0)
            name = arrays[letter] if ord(letter) >= NUMBERS else ""
            operands.append(_Operand(arrays[letter], name, place, ()))
    yield from _lines(one.shape, operands, indent, 0)


def _lines(shape: Shape, operands: Sequence[_Operand], indent: str, depth: int) -> Iterator[str]:
    if isinstance(shape, Leaf):
        first, *pieces = shape.text.split("@")
        texts = [x.spelled() + piece for x, piece in zip(operands, pieces, strict=True)]
        line = first + "".join(texts)
        yield from broken(indent + _ADDRESS.sub(_address, line), indent)
        return
    variable = VARIABLES[depth]
    moving = [x.moving(stride, variable) for x, stride in zip(operands, shape.strides, strict=True)]
    several = len(shape.parts) > 1 or isinstance(shape.parts[0], Loop)
    head = f"{indent}for (int {variable} = 0; {variable} < {shape.turns}; {variable}++)"
    yield head + " {" * several
    start = 0
    inner = indent + "    "
    for part in shape.parts:
        end = start + operands_in(part)
        inner = inner[4:] if step_of(part) < 0 else inner
        yield from _lines(part, moving[start:end], inner, depth + 1)
        inner += "    " * (step_of(part) > 0)
        start = end
    if several:
        yield f"{indent}}}"


_ADDRESS = re.compile(r"&(\w+)\[([^\]]*)\]")


def _address(found: re.Match[str]) -> str:
    """Return where in an array a part begins, as a sum."""
    array, place = found.groups()
    return array if place == "0" else f"{array} + {place}"


_WIDTH = 100


def broken(line: str, indent: str = "") -> Iterator[str]:
    """Give a statement in lines that are not too long, broken at spaces."""
    while len(line) > _WIDTH:
        at = line.rfind(" ", len(indent) + 8, _WIDTH)
        if at < 0:
            break
        yield line[:at]
        line = f"{indent}    {line[at + 1 :]}"
    yield line
