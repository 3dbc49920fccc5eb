"""Calls in C: tuples of numbers as arrays, and each function that a program calls as one of C's.

A tuple that a function is given or gives is an array of doubles, with the numbers of tuples in it
side by side. Where they already stand like that, only a pointer is handed over. A call is written
into its caller where it is not known of each number whether it is a float, an int or a bool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import wrap
from typing import Any, NamedTuple

from scalargrad.programs.c_pieces import (
    LOWEST,
    SUM,
    Form,
    Instruction,
    Pieces,
    Place,
    Segment,
    instruction,
    joined,
)
from scalargrad.programs.code import Call, Code
from scalargrad.programs.names import Names

# What a number is in the Python program: a float; an int; a float or an int, as the run has it; a
# bool. Ints stand in doubles, which hold them up to this size; no larger one is rounded to it.
FLOAT, INT, EITHER, BOOL = "float", "int", "either", "bool"
LARGEST_INT = 2**53 - 1
# More numbers than these in a row go into a function as one array.
_MOST_NUMBERS = 8
# A function of at most so many instructions may become part of its callers.
_SMALL = 24
# So many arrays at most are added by one instruction.
_MOST_TERMS = 64

_WIDTH, _BLANK = 100, "~"
WORDS = re.compile(r"[A-Za-z_]\w*")
LABEL = re.compile(r"[a-z][a-z0-9_]*")
# Names of the macros that C's headers define.
_MACRO = re.compile(
    r"(FE|FP|FLT|DBL|LDBL|M|HUGE|MATH|SG|DECIMAL)_\w*|_\w*|[A-Z]|[A-Z]*NAN|INFINITY"
)


class NotSpelled(Exception):
    """C has no text for this program, or no way to keep its numbers' kinds: Python must run it."""


class Stored(NamedTuple):
    """A tuple that stands in an array from `offset` on; `kinds` are those of its elements."""

    array: int
    offset: int
    kinds: tuple[Any, ...]


class Parts:
    """A tuple of values that stand anywhere."""

    def __init__(self, items: Sequence[Value]) -> None:
        self.items = items
        self.kinds = tuple(map(kind_of, items))


# A number: its place, its kind, and, where it may be an int, what says so.
Number = tuple[Place, str, Place]
# Or a tuple, stored or in parts.
Value = Any


@lru_cache(maxsize=4096)
def size_of(kind: Any) -> int:
    """Return how many numbers a value of this kind has."""
    return sum(map(size_of, kind)) if type(kind) is tuple else 1


@lru_cache(maxsize=4096)
def _offsets(kinds: tuple[Any, ...]) -> list[int]:
    found = [0]
    for kind in kinds:
        found.append(found[-1] + size_of(kind))
    return found


def kind_of(value: Value) -> Any:
    """Return the kind of a value: of a tuple, the tuple of its elements' kinds."""
    return value.kinds if type(value) in (Stored, Parts) else value[1]


def _has_either(kind: Any) -> bool:
    return any(map(_has_either, kind)) if type(kind) is tuple else kind == EITHER


_LOAD, _ADDRESS = Form("@", safe=True, alias=True), Form("&@", safe=True, alias=True)
_CONDITION = Form("(@ != 0)", safe=True, type="int", alias=True)
_PACK, _SUM = Form("", safe=True, type="pack"), Form("", safe=True, type="sum")
_IS_TRUE = Form("{} != 0", SUM - 1, (SUM,), True, "int")


class Instructions:
    """The instructions of one C function, as they are written.

    What it is given has the first numbers, up to `first`.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.list: list[Instruction] = []
        self.label = ""
        # How much of the work array is for what it calls.
        self.scratch = 0
        self.called: dict[str, None] = {}
        self._aliases: dict[Any, int] = {}
        self._elements: dict[int, Segment] = {}
        self._packs: dict[tuple[Segment, ...], int] = {}
        self._found: dict[Parts, Segment] = {}

    def add(self, form: Form, *operands: Place) -> int:
        """Add an instruction that computes a number; return its place."""
        safe = form.safe and all(map(self.is_safe, operands))
        self.list.append(instruction((form, operands, safe, self.label, 0, ())))
        return self.first + len(self.list) - 1

    def is_safe(self, x: Place) -> bool:
        """Return whether x, and what it is computed of, sets no flag."""
        return type(x) is str or x < self.first or self.list[x - self.first].safe  # type: ignore[operator]

    def _new(self, one: Instruction) -> int:
        self.list.append(one)
        return self.first + len(self.list) - 1

    def load(self, array: int, offset: int, kind: str) -> Number:
        """Return a number of an array."""
        key = array, offset, kind == BOOL
        place = self._aliases.get(key)
        if place is None:
            element = Segment(array, offset)
            form = _CONDITION if kind == BOOL else _LOAD
            place = self._new(Instruction(form, (array,), True, "", segments=(element,)))
            self._aliases[key] = place
            self._elements[place] = element
        return place, kind, str(int(kind == INT))

    def element(self, value: Value, k: int) -> Value:
        """Return an element of a tuple."""
        if type(value) is Parts:
            return value.items[k]
        offset, kind = value.offset + _offsets(value.kinds)[k], value.kinds[k]
        if type(kind) is tuple:
            return Stored(value.array, offset, kind)
        return self.load(value.array, offset, kind)

    def segments(self, value: Value) -> Iterator[Segment]:
        """Give where the numbers of a value are."""
        if type(value) is Stored:
            yield Segment(value.array, value.offset, size_of(value.kinds))
        elif type(value) is Parts:
            for one in value.items:
                yield from self.segments(one)
        else:
            yield self._elements.get(value[0]) or Segment(value[0])

    def stored(self, value: Value) -> Segment:
        """Return where the numbers of a tuple stand side by side: put there if need be."""
        found = self._found.get(value) if type(value) is Parts else None
        if found is None:
            found = self._put(value)
            if type(value) is Parts:
                self._found[value] = found
        return found

    def _put(self, value: Value) -> Segment:
        segments = tuple(joined(list(self.segments(value))))
        if len(segments) == 1 and segments[0].offset >= 0:
            return segments[0]
        array = self._packs.get(segments)
        size = sum(one.size for one in segments)
        if array is None:
            operands = tuple(one.place for one in segments)
            array = self._new(Instruction(_PACK, operands, True, "", size, segments))
            self._packs[segments] = array
        return Segment(array, 0, size)

    def pointer(self, value: Value) -> int:
        """Return where the numbers of a tuple begin."""
        whole = self.stored(value)
        key = _ADDRESS, whole  # not `whole` alone: it may equal a number's key, as 1 equals True
        place = self._aliases.get(key)
        if place is None:
            one = Instruction(_ADDRESS, (whole.place,), True, "", segments=(whole,))
            place = self._aliases[key] = self._new(one)
        return place

    def sum_of(self, values: Sequence[Value]) -> Stored:
        """Return the sum of tuples of floats, element by element."""
        kinds = kind_of(values[0])
        parts = [self.stored(value) for value in values]
        total = parts[0]
        for start in range(1, len(parts), _MOST_TERMS):
            some = (total, *parts[start : start + _MOST_TERMS])
            operands = tuple(one.place for one in some)
            array = self._new(Instruction(_SUM, operands, False, self.label, len(kinds), some))
            total = Segment(array, 0, len(kinds))
        return Stored(total.place, total.offset, kinds)  # type: ignore[arg-type]

    def call(self, function: Function, inputs: Sequence[Value]) -> Value:
        """Return the result of a call."""
        self.called[function.name] = None
        self.scratch = max(self.scratch, function.work)
        operands = []
        for start, stop in function.given:
            if stop - start > 1:
                operands.append(self.pointer(Parts(inputs[start:stop])))
            else:
                value = inputs[start]
                is_number = type(value) is tuple
                operands.append(value[0] if is_number else self.pointer(value))
        kind = function.kind
        if function.returns:
            place = self.add(function.form, *operands)
            return place, kind, str(int(kind == INT))
        one = Instruction(function.form, tuple(operands), False, self.label, size_of(kind))
        array = self._new(one)
        if type(kind) is not tuple:
            return self.load(array, 0, kind)
        return Stored(array, 0, kind)


class Function(NamedTuple):
    """A C function that others call: what it is called, is given and gives, and its text.

    `given` says which of the call's inputs its parameters are: from one to another, as an array.
    `work` is how much of the work array it uses.
    """

    name: str
    text: str
    given: list[tuple[int, int]]
    kind: Any
    returns: bool
    work: int
    form: Form
    called: list[str]


@dataclass
class Module:
    """The functions of a C text, each after those that it calls.

    `write` writes the equations of a Code: it takes the inputs, and returns the outputs.
    """

    names: Names
    write: Callable[[Instructions, Code, list[Value]], list[Value]]

    def __post_init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.constants: list[str] = []
        self._by_call: dict[Any, Function | None] = {}

    def called(self, instructions: Instructions, op: Call, inputs: list[Value]) -> Value:
        """Return the result of a call."""
        kinds = tuple(map(kind_of, inputs))
        if (op, kinds) not in self._by_call:
            try:
                found = None if _has_either(kinds) else self._function(op, kinds)
            except NotSpelled:
                found = None
            self._by_call[op, kinds] = found
        function = self._by_call[op, kinds]
        if function is not None:
            return instructions.call(function, inputs)
        outputs = self.write(instructions, op.code, inputs)
        return Parts(outputs) if len(outputs) != 1 else outputs[0]

    def _function(self, op: Call, kinds: tuple[Any, ...]) -> Function | None:
        """Return the function for inputs of these kinds; None if C has no type for its result."""
        code = op.code
        groups = _groups(kinds)
        instructions = Instructions(len(groups))
        inputs: list[Value] = []
        for parameter, (start, stop) in enumerate(groups):
            if stop - start > 1:
                whole = Stored(parameter, 0, kinds[start:stop])
                inputs += [instructions.element(whole, k) for k in range(stop - start)]
            elif type(kinds[start]) is tuple:
                inputs.append(Stored(parameter, 0, kinds[start]))
            elif kinds[start] == BOOL:
                inputs.append((instructions.add(_IS_TRUE, parameter), BOOL, "0"))
            else:
                inputs.append((parameter, kinds[start], str(int(kinds[start] == INT))))
        outputs = self.write(instructions, code, inputs)
        result = tuple(map(kind_of, outputs))
        if _has_either(result):
            return None
        # Only now: what this function calls has its name.
        names = Names(self.names.taken)
        labels = [code.labels.get(start, "") for start, _ in groups]
        parameters = [names.new(x if LABEL.fullmatch(x) else "x") for x in labels]
        kind = result if len(result) != 1 else result[0]
        returns = kind in (FLOAT, INT)
        results = joined([one for output in outputs for one in instructions.segments(output)])
        is_array = [stop - start > 1 or type(kinds[start]) is tuple for start, stop in groups]
        pieces = Pieces(parameters, instructions, results, names, self.constants, returns)
        name = self.names.new(function_name(op.name))
        typed = {
            p: f"const double *restrict {p}" if array else f"double {p}"
            for p, array in zip(parameters, is_array, strict=True)
        }
        text, used = _text(name, typed, pieces, self.names, returns)
        operands = [p for p in parameters if p in used]
        given = [group for p, group in zip(parameters, groups, strict=True) if p in used]
        arguments = ["{}"] * len(operands)
        arguments += ["{}"] * (not returns) + ["work"] * ("work" in used)
        form = Form(
            f"{name}({', '.join(arguments)})",
            operands=(LOWEST,) * (len(operands) + (not returns)),
            safe=all(one.form.safe for one in instructions.list),
            type="double" if returns else "call",
            alone=True,
        )
        found = Function(
            name, text, given, kind, returns, pieces.work, form, list(instructions.called)
        )
        self.functions[name] = found
        return found

    def texts(self, called: Sequence[str]) -> list[str]:
        """Return the texts of these functions, and of those that they call, in order."""
        wanted = set(called)
        for name in reversed(self.functions):
            if name in wanted:
                wanted.update(self.functions[name].called)
        return [one.text for name, one in self.functions.items() if name in wanted]


def function_name(wish: str) -> str:
    """Return a name for a C function: `wish`, if it can be one.

    >>> function_name("neuron"), function_name("<lambda>"), function_name("FE_INVALID")
    ('neuron', 'f', 'f')
    """
    good = WORDS.fullmatch(wish) and wish.isascii() and not _MACRO.fullmatch(wish)
    return wish if good else "f"


def _groups(kinds: tuple[Any, ...]) -> list[tuple[int, int]]:
    """Return which inputs each parameter of a function is."""
    groups: list[tuple[int, int]] = []
    k = 0
    while k < len(kinds):
        stop = k
        while stop < len(kinds) and type(kinds[stop]) is not tuple:
            stop += 1
        if stop - k <= _MOST_NUMBERS:
            stop = k + 1
        groups.append((k, stop))
        k = stop
    return groups


def _text(
    name: str, parameters: dict[str, str], pieces: Pieces, names: Names, returns: bool
) -> tuple[str, set[str]]:
    """Return the text of a function, and which of its parameters it uses."""
    typed = {
        **parameters,
        **({} if pieces.returns else {"out": "double *restrict out"}),
        "work": "double *restrict work",
    }
    type = "double" if returns else "void"
    if len(pieces.bodies) == 1 and pieces.returns == returns:
        (lines,) = pieces.bodies
        apart = "" if len(lines) <= _SMALL else "SG_APART "
        used = _used(lines, typed)
        return "\n".join(_function(f"{apart}static {type} {name}", typed, used, lines)), {*used}
    texts = []
    calls: list[str] = []
    all_used: set[str] = set()
    for k, lines in enumerate(pieces.bodies):
        own = names.new(f"{name}_{k}")
        used = _used(lines, typed)
        all_used.update(used)
        texts += [*_function(f"SG_APART static void {own}", typed, used, lines), ""]
        calls.append(f"    {own}({', '.join(used)});")
    if returns:
        calls = ["    double out[1];", *calls, "    return out[0];"]
        all_used.discard("out")
    used = [p for p in typed if p in all_used]
    texts += _function(f"static {type} {name}", typed, used, calls)
    return "\n".join(texts), all_used


def _used(lines: Sequence[str], typed: dict[str, str]) -> list[str]:
    words = set(WORDS.findall("\n".join(lines)))
    return [name for name in typed if name in words]


def _function(start: str, typed: dict[str, str], used: list[str], lines: list[str]) -> list[str]:
    listed = ", ".join(typed[name] for name in used) or "void"
    head = f"{start}({listed})"
    if len(head) > _WIDTH:
        broken = wrap(listed.replace(" ", _BLANK).replace(f",{_BLANK}", ", "), _WIDTH - 5)
        head = f"{start}(\n    " + "\n    ".join(broken).replace(_BLANK, " ") + ")"
    return [head, "{", *lines, "}"]
