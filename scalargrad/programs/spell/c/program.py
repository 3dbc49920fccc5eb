"""The C speller: Code as C99 functions of doubles, with the bits that the Python program gives.

What is computed becomes statements, and those that repeat become loops. A function is a sequence of
slices of bounded size, each a C function, so that the C compiler's time is linear. Numbers go from
one to another in the work array. Where a program branches, each path ends with a return, and a side
that has not been traced fails. A compiled function that another one calls is a C function, too,
which gets numbers, pointers to tuples, and a pointer to the place for its result. `rules.py` says
how each op is written. What Python raises an error for sets a floating-point flag; the caller then
runs the Python program.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.primitive import op_of
from scalargrad.functions import choices
from scalargrad.programs.code import Call, Code, Leaf, Literal, Operand
from scalargrad.programs.passes.kinds import (
    ANY,
    EITHER,
    FLOAT,
    INT,
    Kinds,
    result_kind,
)
from scalargrad.programs.passes.places import Nest, Places
from scalargrad.programs.spell.c.loops import (
    NUMBERS,
    OUT,
    RETURN,
    TABLE,
    WORK,
    rolled,
    spelled_block,
)
from scalargrad.programs.spell.c.rules import (
    MOST_OFTEN,
    RULES,
    WILD,
    literal,
    total_of_tuples,
    where,
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

_WHERE = op_of(choices.where)
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
# More numbers than these in a row go into a function as one array.
_MOST_NUMBERS = 8
# The arrays that a function is given have letters after the last one of those that all have.
_GIVEN = 256


class Result(NamedTuple):
    """The nesting of a result, and the kinds of its numbers."""

    nesting: Structure
    kinds: tuple[Any, ...]


class SpelledC(NamedTuple):
    """The text of a C program, its function's name, how long its arrays are, and what they hold.

    `results` are those that it may give: where there are several, the last of the outputs says
    which one it is.
    """

    source: str
    name: str
    inputs: int
    outputs: int
    work: int
    results: list[Result]


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

    def write(
        self, w: Writer, code: Code, inputs: Sequence[Value], result: Structure = None
    ) -> list[Result]:
        """Write the equations of `code`, and that its outputs go to `out`.

        Return the results that it may give, of the nesting `result` unless there is a tree. Of
        several, which one it is goes to the place after all outputs.
        """
        uses, places = _uses(code), Places(code)
        in_place = _in_place(code, list(map(kind_of, inputs)))
        known: list[Any] = [*inputs, *[None] * len(code.equations)]
        results: list[Result] = []
        marks: list[int] = []  # the statements that say which result it is
        places.recount(uses)
        size = _size(code)

        def values_of(operands: Sequence[Operand]) -> list[Value]:
            return [known[x] if type(x) is int else literal(x.value) for x in operands]  # type: ignore[union-attr]

        last: Nest = ()
        for k, nest in places.steps():
            if nest is not last:
                conditions = values_of([condition for condition, _ in nest])
                w.nest = tuple(zip(conditions, [truth for _, truth in nest], strict=True))
                last = nest
            if k is None or isinstance(k, Leaf):
                if k is None:
                    w.state("sg_fail();", "", (), ())
                else:
                    outputs = values_of(code.outputs[k.start : k.stop])
                    w.fill(OUT, 0, outputs)
                    nesting = k.result if code.tree else result
                    own = Result(nesting, tuple(map(kind_of, outputs)))
                    if own not in results:
                        results.append(own)
                    w.assign(OUT, size, literal(float(results.index(own))))
                    marks.append(len(w.statements) - 1)
                if nest:
                    w.state(RETURN, "", (), ())
                continue
            op, operands = code.equations[k - code.inputs]
            if k in places.choices:
                [known[k]] = values_of([places.choices[k]])
                continue
            values = [known[x] if type(x) is int else literal(x.value) for x in operands]  # type: ignore[union-attr]
            often = MOST_OFTEN.get(op)
            if often is not None and values[0].kind == values[1].kind == FLOAT:
                value = w.apply(often, FLOAT, *values)  # as the op's rule does it, but faster
            elif type(op) is Call:
                function = self.function(op, tuple(map(kind_of, values)))
                value = self.call(w, function, values, in_place.get(k))
            else:
                value = self.equation(w, op, operands, values, places.lazy)
            if uses[k] > 1 or k in places.conditions:
                value = w.kept(value)
            elif not uses[k]:
                w.unused(value)
            known[k] = value
        if len(results) == 1:
            for k in reversed(marks):
                del w.statements[k]
        return results

    def equation(
        self,
        w: Writer,
        op: Op,
        operands: tuple[Operand, ...],
        values: list[Value],
        lazy: Container[Any],
    ) -> Value:
        """Write one equation; return its result. What is `lazy` is not computed unless chosen."""
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
        if op is _WHERE:
            return where(w, values, kind, [x in lazy for x in operands[1:]])
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
        [(_, result)] = self.write(w, code, inputs)
        # Only now: what this function calls has its name.
        names = Names(self.names.taken)
        labels = [code.labels.get(start, "") for start, _ in groups]
        given = [names.new(x if _LABEL.fullmatch(x) else "x") for x in labels]
        name = self.names.new(function_name(op.name))
        work = w.scratch + w.size
        typed = {
            x: f"const double *restrict {x}" if array else f"double {x}"
            for x, array in zip(given, is_array, strict=True)
        }
        parameters = {**typed, "out": OURS["out"], **(OURS if work else {})}
        found = self.functions[op, kinds] = _Function(
            name,
            self.text_of(name, parameters, w, given),
            work,
            groups,
            result if len(result) != 1 else result[0],
        )
        return found

    def text_of(
        self, name: str, parameters: dict[str, str], w: Writer, given: Sequence[str]
    ) -> str:
        """Return the text of the function of what was written.

        `given` are the names of what it is given. What it calls has the first part of
        the work array, and its own numbers stand after that.
        """
        arrays = {OUT: "out", WORK: "work", TABLE: "constants"}
        for k, own in enumerate(given):
            arrays[chr(_GIVEN + k)] = arrays[chr(NUMBERS + k)] = own
        w.nest = ()
        w.turn()
        statements = rolled(w.statements, self.constants)
        lines_of = partial(spelled_block, arrays=arrays, work=w.scratch)
        return "\n".join(sliced(name, parameters, statements, lines_of, self.names))


def _size(code: Code) -> int:
    """Return how many outputs the longest of its results has."""
    leaves = [node for node in code.tree or () if isinstance(node, Leaf)]
    return max([leaf.stop - leaf.start for leaf in leaves] or [len(code.outputs)])


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
    if not calls or code.tree is not None:
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
    inputs = [at(chr(_GIVEN), k, kind) for k, kind in enumerate(kinds)]
    results = program.write(w, code, inputs, result)
    if any(EITHER in kinds for _, kinds in results):
        raise NotSpelled
    inner = program.names.new(f"{own}_0")
    text = program.text_of(inner, {"in": "const double *restrict in", **OURS}, w, ["in"])
    lines = main_function(own, inner, code.inputs, ints, program.constants)
    functions = [*[one.text for one in program.functions.values()], text, "\n".join(lines)]
    work, outputs = w.scratch + w.size, _size(code) + (len(results) > 1)
    parts = [
        comment_on(own, code, arguments, captured, ints, results, work),
        INCLUDES,
        *runtime_for("\n".join(functions)),
        table_of(program.constants),
        *functions,
    ]
    source = "\n\n".join(part for part in parts if part) + "\n"
    return SpelledC(source, own, code.inputs, outputs, work, results)
