"""The C speller: Code as C99 functions of doubles, with the bits that the Python program gives.

What is computed becomes statements, and those that repeat become loops. A function is a sequence of
slices of bounded size, each a C function, so that the C compiler's time is linear. Numbers go from
one to another in the work array. A compiled function that another one calls is a C function, too,
which gets numbers, pointers to tuples, and a pointer to the place for its result. `c_rules.py` says
how each op is written. What Python raises an error for sets a floating-point flag; the caller then
runs the Python program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.programs.code import Call, Code, Literal, Operand
from scalargrad.programs.passes.kinds import (
    ANY,
    EITHER,
    FLOAT,
    INT,
    Kinds,
    result_kind,
)
from scalargrad.programs.spell.c.loops import (
    NUMBERS,
    OUT,
    TABLE,
    WORK,
    rolled,
    spelled,
)
from scalargrad.programs.spell.c.rules import (
    MOST_OFTEN,
    RULES,
    WILD,
    literal,
    total_of_tuples,
)
from scalargrad.programs.spell.c.text import (
    INCLUDES,
    OURS,
    comment_on,
    function_name,
    main_function,
    runtime_for,
    sliced,
    table_of,
    taken_names,
)
from scalargrad.programs.spell.c.writer import (
    NotSpelled,
    Number,
    Parts,
    Value,
    Writer,
    at,
    kind_of,
    width,
)
from scalargrad.programs.spell.names import Names
from scalargrad.programs.trace.tuples import pack, pack_total
from scalargrad.transforms.nesting import Structure

_LABEL = re.compile(r"[a-z][a-z0-9_]*")
# A C function has so many operands at most: gcc's time for one grows faster than its size.
PIECE = 500
# More numbers than these in a row go into a function as one array.
_MOST_NUMBERS = 8
# The arrays that a function is given have letters after the last one of those that all have.
_GIVEN = 256


class SpelledC(NamedTuple):
    """The text of a C program, its function's name, how long its arrays are, and what they hold.

    `results` are the kinds of the outputs.
    """

    source: str
    name: str
    inputs: int
    outputs: int
    work: int
    results: list[str]


class _Function(NamedTuple):
    """A C function that others call: its name, its text, and how much of `work` it needs.

    Each pair in `groups` says which inputs, from one to another, are a parameter: a number, or an
    array. `kind` is what it gives.
    """

    name: str
    text: str
    work: int
    groups: list[tuple[int, int]]
    kind: Any


class _Program:
    """What the functions of a C text share: names, constants, and each other."""

    def __init__(self, code: Code) -> None:
        self.names = Names(taken_names())
        self.constants: list[str] = []
        self.functions: dict[Any, _Function] = {}
        self.rules = WILD if _is_wild(code, {}) else RULES

    def write(self, w: Writer, code: Code, inputs: Sequence[Value]) -> list[Value]:
        """Write the equations of `code`, and that its outputs go to `out`; return these."""
        uses, places = _uses(code), _in_place(code, list(map(kind_of, inputs)))
        known = list(inputs)
        for k, (op, operands) in enumerate(code.equations, code.inputs):
            values = [known[x] if type(x) is int else literal(x.value) for x in operands]  # type: ignore[union-attr]
            form = MOST_OFTEN.get(op)
            if form is not None and values[0].kind == values[1].kind == FLOAT:
                value = w.apply(form, FLOAT, *values)  # as the op's rule does it, but faster
            elif type(op) is Call:
                function = self.function(op, tuple(map(kind_of, values)))
                value = self.call(w, function, values, places.get(k))
            else:
                value = self.equation(w, op, operands, values)
            if uses[k] > 1:
                value = w.kept(value)
            elif not uses[k]:
                w.unused(value)
            known.append(value)
        outputs = [known[x] if type(x) is int else literal(x.value) for x in code.outputs]  # type: ignore[union-attr]
        w.fill(OUT, 0, outputs)
        return outputs

    def equation(
        self, w: Writer, op: Op, operands: tuple[Operand, ...], values: list[Value]
    ) -> Value:
        """Write one equation; return its result."""
        if type(op) is Pick:
            return w.element(values[0], op.place)
        if op is pack:
            return Parts(tuple(values))
        if op is pack_total:
            return total_of_tuples(w, values)
        if operands and all(type(x) is Literal for x in operands):
            try:
                return literal(op.forward(*[x.value for x in operands]))  # type: ignore[union-attr]
            except FAILURES as error:
                raise NotSpelled from error
        kind = result_kind(op, [x.kind for x in values])
        if kind == ANY or op not in self.rules:
            raise NotSpelled  # the second is a function of somebody's own, which runs Python code
        return self.rules[op](w, values, kind)

    def call(
        self, w: Writer, function: _Function, values: Sequence[Value], place: int | None
    ) -> Value:
        """Write a call; return its result, which it puts into `out` if it has a place there."""
        w.scratch = max(w.scratch, function.work)
        array, start = (WORK, w.room(width(function.kind))) if place is None else (OUT, place)
        result = at(array, start, function.kind)
        operands: list[Number] = []
        for start, stop in function.groups:
            value: Value = Parts(tuple(values[start:stop]))
            if stop == start + 1:
                (value,) = value.items
            if type(value) is Number:  # what may fail is computed here: who knows if it is used
                operands.append(w.in_c(w.computed(value)))
            else:
                operands.append(w.address(value))
        operands.append(w.address(result))
        texts = [*[x.text for x in operands], *["work"] * (function.work > 0)]
        arrays = "".join([x.arrays for x in operands])
        places = tuple([place for x in operands for place in x.places])
        constants = tuple([constant for x in operands for constant in x.constants])
        w.state(f"{function.name}({', '.join(texts)});", arrays, places, constants)
        return result

    def function(self, op: Call, kinds: tuple[Any, ...]) -> _Function:
        """Return the function for inputs of these kinds."""
        if (op, kinds) in self.functions:
            return self.functions[op, kinds]
        code, groups = op.code, _groups(kinds)
        inputs: list[Value] = []
        is_array = [stop > start + 1 or type(kinds[start]) is tuple for start, stop in groups]
        for k, (start, stop) in enumerate(groups):
            array = chr(k + (_GIVEN if is_array[k] else NUMBERS))
            if stop == start + 1:
                inputs.append(at(array, 0, kinds[start]))
            else:
                inputs += [at(array, i, kind) for i, kind in enumerate(kinds[start:stop])]
        w = Writer()
        outputs = self.write(w, code, inputs)
        result = tuple(map(kind_of, outputs))
        # Only now: what this function calls has its name.
        names = Names(self.names.taken)
        labels = [code.labels.get(start, "") for start, _ in groups]
        given = [names.new(x if _LABEL.fullmatch(x) else "x") for x in labels]
        name = self.names.new(function_name(op.name))
        bodies = self.bodies(w, given)
        work = w.scratch + w.size
        typed = {
            x: f"const double *restrict {x}" if array else f"double {x}"
            for x, array in zip(given, is_array, strict=True)
        }
        parameters = {**typed, "out": OURS["out"], **(OURS if work else {})}
        found = self.functions[op, kinds] = _Function(
            name,
            "\n".join(sliced(name, parameters, bodies, self.names)),
            work,
            groups,
            result if len(result) != 1 else result[0],
        )
        return found

    def bodies(self, w: Writer, given: Sequence[str]) -> list[list[str]]:
        """Return the lines of a function's statements, in slices of bounded size.

        `given` are the names of what it is given. What it calls has the first part of
        the work array, and its own numbers stand after that.
        """
        arrays = {OUT: "out", WORK: "work", TABLE: "constants"}
        for k, name in enumerate(given):
            arrays[chr(_GIVEN + k)] = arrays[chr(NUMBERS + k)] = name
        bodies: list[list[str]] = []
        size = PIECE
        for one in rolled(w.statements, self.constants):
            if size and size + len(one.arrays) > PIECE:
                bodies.append([])
                size = 0
            size += len(one.arrays)
            bodies[-1] += spelled(one, arrays, w.scratch)
        return bodies or [[]]


def _uses(code: Code) -> list[int]:
    """Return how often each variable is used."""
    uses = [0] * (code.inputs + len(code.equations))
    for x in chain(code.outputs, *[operands for _, operands in code.equations]):
        if type(x) is int:
            uses[x] += 1
    return uses


def _in_place(code: Code, inputs: Sequence[Any]) -> dict[int, int]:
    """Return where among the outputs calls give all their numbers, side by side and in order."""
    calls = {k: op for k, (op, _) in enumerate(code.equations, code.inputs) if type(op) is Call}
    if not calls:
        return {}
    kinds = Kinds(code, inputs)
    found: dict[int, int] = {}
    end = first = 0
    following: tuple[Operand, int] = -1, 0  # the element that would come next, of which call
    for x in code.outputs:
        start, end = end, end + width(kinds.of(x))
        if type(x) is not int or x < code.inputs:
            following = -1, 0
            continue
        op, operands = code.equations[x - code.inputs]
        call, place = (operands[0], op.place) if type(op) is Pick else (x, -1)
        if x in calls:
            found.setdefault(x, start)
        if place == 0:
            first, following = start, (call, 0)
        if type(call) is not int or call not in calls or (call, place) != following:
            following = -1, 0
            continue
        following = call, place + 1
        if place + 1 == len(kinds.of(call)):
            found.setdefault(call, first)
    return found


def _is_wild(code: Code, known: dict[Call, bool]) -> bool:
    """Return whether there are constants that are infinite or nan."""
    constants = [x.value for _, xs in code.equations for x in xs if type(x) is Literal]
    if any(type(x) is float and x - x != 0 for x in constants):
        return True
    for op, _ in code.equations:
        if type(op) is Call and op not in known:
            known[op] = _is_wild(op.code, known)
    return any(known[op] for op, _ in code.equations if type(op) is Call)


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


def spell_c(
    code: Code,
    name: str,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    result: Structure,
    ints: Sequence[int] = (),
) -> SpelledC:
    """Return the C function `name` that gives `code`'s outputs.

    The inputs of `code` are the numbers of the arguments, in order, and then `captured` more: those
    at the places `ints` are ints, the others floats.
    Raises TypeError for a constant that is no float or int, and NotSpelled where the program has an
    op that C has no text for, or numbers that C would need to know the kind of.

    >>> from scalargrad.programs.code import Equation
    >>> from scalargrad.functions.arithmetic import mul
    >>> from scalargrad.transforms.nesting import NUMBER
    >>> square = Code(1, [Equation(mul.op, (0, 0))], [1])
    >>> "out[0] = in[0] * in[0];" in spell_c(square, "square", [("x", NUMBER)], 0, NUMBER).source
    True
    """
    program, w = _Program(code), Writer()
    own = program.names.new(function_name(name))
    kinds = [FLOAT] * code.inputs
    for k in ints:
        kinds[k] = INT
    outputs = program.write(w, code, [at(chr(_GIVEN), k, kind) for k, kind in enumerate(kinds)])
    results = list(map(kind_of, outputs))
    if EITHER in results:
        raise NotSpelled
    work = w.scratch + w.size
    bodies = program.bodies(w, ["in"])
    lines = main_function(own, code.inputs, ints, program.constants, bodies, program.names)
    functions = [*[one.text for one in program.functions.values()], "\n".join(lines)]
    parts = [
        comment_on(own, code, arguments, captured, ints, result, work),
        INCLUDES,
        *runtime_for("\n".join(functions)),
        table_of(program.constants),
        *functions,
    ]
    source = "\n\n".join(part for part in parts if part) + "\n"
    return SpelledC(source, own, code.inputs, len(outputs), work, results)
