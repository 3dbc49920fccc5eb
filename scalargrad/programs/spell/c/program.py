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
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
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
    kinds_of,
    operand_kind,
    result_kind,
)
from scalargrad.programs.spell.c.loops import (
    NUMBERS,
    OUT,
    TABLE,
    WORK,
    Leaf,
    Statement,
    broken,
    rolled,
    spelled,
)
from scalargrad.programs.spell.c.rules import (
    FORMS,
    MOST_OFTEN,
    RULES,
    WILD,
    literal,
    total_of_tuples,
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
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, parts_of, size_of

# What a C program cannot call its own: the words of C, and the functions of its library.
_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while asm typeof unix linux main in out work constants i j k l
double_t fenv_t fexcept_t float_t
fdim finite fmax fmin frexp gamma hypot ilogb isfinite isgreater isgreaterequal isinf
isless islessequal islessgreater isnan isnormal isunordered j0 j1 jn ldexp lgamma lgamma_r llrint
llround logb lrint lround modf nan nearbyint nextafter nexttoward remquo rint round scalb scalbln
scalbn signbit signgam significand tgamma y0 y1 yn drem exp10 fpclassify pow10 sincos
abort abs atexit calloc exit free labs llabs malloc realloc isalnum isalpha isblank iscntrl isdigit
isgraph islower isprint ispunct isspace isupper isxdigit tolower toupper fprintf fputc fputs fscanf
fwrite printf putchar puts scanf snprintf sprintf sscanf vfprintf vfscanf vprintf vscanf vsnprintf
vsprintf vsscanf memchr memcmp memcpy memmove memset strcat strchr strcmp strcpy strcspn strlen
strncat strncmp strncpy strpbrk strrchr strspn strstr carg casin casinh catan catanh cabs cacos
cacosh ccos ccosh cexp cimag clog conj cpow cproj creal csin csinh csqrt ctan ctanh imaxabs
alloca bcmp bcopy bzero dcgettext dgettext ffs fork gettext index execl execle execlp execv execve
execvp isascii rindex stpcpy stpncpy strcasecmp strdup strfmon strncasecmp strndup toascii
"""
_CALLED = re.compile(r"[A-Za-z_]\w*(?=\()")
_WORD = re.compile(r"[A-Za-z_]\w*")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
# Names of the macros that C's headers define.
_MACRO = re.compile(
    r"(FE|FP|FLT|DBL|LDBL|M|HUGE|MATH|SG|DECIMAL)_\w*|_\w*|[A-Z]|[A-Z]*NAN|INFINITY"
)
# A C function has so many operands at most: gcc's time for one grows faster than its size.
PIECE = 500
_WIDTH = 100
# More numbers than these in a row go into a function as one array.
_MOST_NUMBERS = 8
# The arrays that a function is given have letters after the last one of those that all have.
_GIVEN = 256


@lru_cache(maxsize=1)
def _taken() -> frozenset[str]:
    texts = [*_runtime().values(), *[form.text for form in FORMS.values()]]
    words = {*_TAKEN.split(), *[word for text in texts for word in _CALLED.findall(text)]}
    return frozenset(word + end for word in words for end in ("", "f", "l"))


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
        self.names = Names(_taken())
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
        parameters = {**typed, "out": _OURS["out"], **(_OURS if work else {})}
        found = self.functions[op, kinds] = _Function(
            name,
            "\n".join(_sliced(name, parameters, bodies, self.names)),
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
    for _, operands in code.equations:
        for x in operands:
            if type(x) is int:
                uses[x] += 1
    for x in code.outputs:
        if type(x) is int:
            uses[x] += 1
    return uses


def _in_place(code: Code, inputs: Sequence[Any]) -> dict[int, int]:
    """Return where among the outputs calls give all their numbers, side by side and in order."""
    calls = {k: op for k, (op, _) in enumerate(code.equations, code.inputs) if type(op) is Call}
    if not calls:
        return {}
    kinds = kinds_of(code, inputs)
    found: dict[int, int] = {}
    end = first = 0
    following: tuple[Operand, int] = -1, 0  # the element that would come next, of which call
    for x in code.outputs:
        start, end = end, end + width(operand_kind(x, kinds))
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
        if place + 1 == len(kinds[call]):
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


def function_name(wish: str) -> str:
    """Return a name for a C function: `wish`, if it can be one.

    >>> function_name("neuron"), function_name("<lambda>"), function_name("FE_INVALID")
    ('neuron', 'f', 'f')
    """
    good = _WORD.fullmatch(wish) and wish.isascii() and not _MACRO.fullmatch(wish)
    return wish if good else "f"


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
    checks = list(_checks(ints, program.constants))
    main = "\n".join(_main(own, code.inputs, checks, bodies, program.names))
    functions = [one.text for one in program.functions.values()]
    helpers = "\n\n".join(_helpers("\n".join([*functions, main])))
    comment = _comment(own, code, arguments, captured, ints, result, work)
    parts = [comment, _INCLUDES, helpers, _table(program.constants), *functions, main]
    source = "\n\n".join(part for part in parts if part) + "\n"
    return SpelledC(source, own, code.inputs, len(outputs), work, results)


_INCLUDES = """\
#include <fenv.h>
#include <float.h>
#include <math.h>

#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "doubles are computed with more digits here: with gcc, add -msse2 -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) \\
    || defined(__NO_SIGNED_ZEROS__) || defined(__NO_TRAPPING_MATH__) \\
    || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "an option changes the arithmetic here: leave out -ffast-math and what is like it"
#endif

/* A function that is not to become part of its caller: what it is given is computed in any case,
   and between the two calls that clear and read the flags. */
#if defined(__GNUC__)
#define SG_APART __attribute__((noinline))
#else
#define SG_APART
#endif"""


def _table(constants: list[str]) -> str:
    """Return the text of the constants that loops walk over."""
    if not constants:
        return ""
    rows = [", ".join(constants[k : k + 4]) for k in range(0, len(constants), 4)]
    return "static const double constants[] = {\n    " + ",\n    ".join(rows) + "\n};"


_OURS = {"out": "double *restrict out", "work": "double *restrict work"}


def _sliced(
    name: str, parameters: dict[str, str], bodies: list[list[str]], names: Names
) -> Iterator[str]:
    """Give the lines of a function; of one with several bodies, those of a function for each."""
    if len(bodies) == 1:
        yield from _one_function(name, parameters, bodies[0])
        return
    calls: list[str] = []
    for k, lines in enumerate(bodies):
        own = names.new(f"{name}_{k}")
        yield from _one_function(own, parameters, lines)
        yield ""
        calls += broken(f"    {own}({', '.join(parameters)});", "    ")
    yield from _one_function(name, parameters, calls)


def _one_function(name: str, parameters: dict[str, str], lines: Iterable[str]) -> Iterator[str]:
    text = "\n".join(lines)
    words = set(_WORD.findall(text))
    typed = parameters.values()
    head = f"SG_APART static void {name}({', '.join(typed)})"
    if len(head) > _WIDTH:
        head = f"SG_APART static void {name}(\n    " + ",\n    ".join(typed) + ")"
    yield head
    yield "{"
    yield from [f"    (void){x};" for x in parameters if x not in words]
    yield text
    yield "}"


_FLAGS = "FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW"


def _checks(ints: Sequence[int], constants: list[str]) -> Iterator[str]:
    """Give the lines that return 1 where an int is too large."""
    shape = Leaf("if (!sg_is_whole(@)) return 1;")
    for one in rolled([Statement(shape, "i", (k,), ()) for k in ints], constants):
        yield from spelled(one, {"i": "in"}, 0)


def _main(
    name: str, inputs: int, checks: list[str], bodies: list[list[str]], names: Names
) -> Iterator[str]:
    inner = names.new(f"{name}_0")
    yield from _sliced(inner, {"in": "const double *restrict in", **_OURS}, bodies, names)
    yield ""
    yield f"int {name}(const double *in, double *out, double *work)"
    yield "{"
    if inputs:
        yield "    int i;"
        yield f"    for (i = 0; i < {inputs}; i++)"
        yield "        if (!(in[i] - in[i] == 0))"
        yield "            return 1;"
    yield from checks
    yield f"    feclearexcept({_FLAGS});"
    yield f"    {inner}(in, out, work);"
    yield f"    return fetestexcept({_FLAGS}) != 0;"
    yield "}"


@lru_cache(maxsize=1)
def _runtime() -> dict[str, str]:
    """Return the texts of `runtime.c` by the name that each says it defines."""
    text = Path(__file__).with_name("runtime.c").read_text(encoding="utf-8")
    sections = re.split(r"^(?=/\* sg_\w+: )", text, flags=re.MULTILINE)
    return {section.split(":")[0][3:]: section.strip() for section in sections if section}


_HELPER = re.compile(r"\bsg_\w+")


def _helpers(text: str) -> Iterator[str]:
    """Give the functions that `text` calls, each after those that it calls itself."""
    runtime = _runtime()
    wanted: set[str] = set()
    todo = [text]
    while todo:
        found = (set(_HELPER.findall(todo.pop())) - wanted) & runtime.keys()
        todo += [runtime[x] for x in found - wanted]
        wanted |= found
    # In the file each stands after those that it calls, but for what calls Python.
    yield from (section for name, section in runtime.items() if name in wanted)


def _comment(
    name: str,
    code: Code,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    ints: Sequence[int],
    result: Structure,
    work: int,
) -> str:
    lines = [
        f"int {name}(const double *in, double *out, double *work)",
        "",
        "Returns 0 if out holds the result, and 1 if a number on the way was too large, undefined",
        "or divided by zero, or one of in is not finite: out then means nothing.",
        f"work is room for {work} doubles, which need no values." if work else "work is not used.",
        "Compile without fast-math, and with -ffp-contract=off for the bits that Python gives.",
    ]
    if ints:
        lines.append(
            "An int is whole, and between -2**53 and 2**53: for a larger one 1 is returned."
        )
    lines.append("")
    place, whole = 0, set(ints)
    for argument, structure in arguments:
        lines += _places("in", argument, structure, place, whole)
        place += size_of(structure)
    for k in range(place, place + captured):
        label = _plain(code.labels.get(k, ""))
        lines.append(f"in[{k}]: captured{f', {label}' if label else ''}{', an int' * (k in whole)}")
    lines += _places("out", "the result", result, 0, set())
    return "/*\n" + "\n".join(f"   {line}".rstrip() for line in lines) + "\n*/"


_MOST_LINES = 40


def _places(
    array: str, name: str, structure: Structure, place: int, ints: set[int]
) -> Iterator[str]:
    """Give lines that say which elements of an array are which parts of an argument."""
    size = size_of(structure)
    if not size:
        return
    if structure is NUMBER:
        yield f"{array}[{place}]: {_plain(name)}{', an int' * (place in ints)}"
    elif size > _MOST_LINES or not isinstance(structure, Nest):
        last = f"{array}[{place + size - 1}]"
        own = ints.intersection(range(place, place + size))
        note = f"; {'all' if len(own) == size else len(own)} of them are ints" if own else ""
        yield f"{array}[{place}] to {last}: the numbers of {_plain(name)}, in order{note}"
    else:
        for key, nest in parts_of(structure):
            yield from _places(array, f"{name}[{key!r}]", nest, place, ints)
            place += size_of(nest)


def _plain(text: str) -> str:
    """Return `text` as it can stand in a comment."""
    return re.sub(r"[^\w .,\[\]'\"()+-]", "_", text, flags=re.ASCII)[:80]
