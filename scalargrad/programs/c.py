"""The C speller: Code as C99 functions of doubles, with the bits that the Python program gives.

Equations become instructions on doubles and conditions, and those become statements; statements
that repeat become loops. They stand in pieces: a function each, of bounded size, so that the C
compiler's time is linear. What one piece makes and another uses, and what loops walk over, stands
in an array. `c_rules.py` says how each op is written. What Python raises an error for sets a
floating-point flag; the caller then runs the Python program.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.programs.c_calls import (
    BOOL,
    EITHER,
    FLOAT,
    INT,
    LABEL,
    WORDS,
    Instructions,
    Module,
    NotSpelled,
    Number,
    Parts,
    Value,
    function_name,
)
from scalargrad.programs.c_loops import Leaf, Statement, rolled, spelled
from scalargrad.programs.c_pieces import (
    Pieces,
    joined,
)
from scalargrad.programs.c_rules import (
    FUNCTIONS,
    IN_KIND,
    MOST_OFTEN,
    MUL,
    OF_CONDITIONS,
    ROUNDED,
    RULES,
    TESTS,
    kept,
    literal,
    total_of_tuples,
)
from scalargrad.programs.code import Call, Code, Literal, Operand
from scalargrad.programs.names import Names
from scalargrad.programs.tuples import pack, pack_total
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, parts_of, size_of

# What a C program cannot call its own: the words of C, and the functions of its library.
_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while asm typeof unix linux main in out work constants i j k l
double_t fenv_t fexcept_t float_t
sg_adder fdim finite fmax fmin frexp gamma hypot ilogb isfinite isgreater isgreaterequal isinf
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


@lru_cache(maxsize=1)
def _taken() -> frozenset[str]:
    tables = (FUNCTIONS, IN_KIND, ROUNDED, TESTS)
    forms = [form for table in tables for form in table.values()]
    texts = [*_runtime().values(), *[form.text for form in forms]]
    words = {*_TAKEN.split(), *[word for text in texts for word in _CALLED.findall(text)]}
    return frozenset(word + end for word in words for end in ("", "f", "l"))


class Result(NamedTuple):
    """An output of a C program: its kind in Python, and where the run says if it is an int."""

    kind: str
    tag: int


class SpelledC(NamedTuple):
    """The text of a C program, its function's name, and how long its arrays are."""

    source: str
    name: str
    inputs: int
    outputs: int
    work: int
    results: list[Result]


class _Writer:
    """Writes the instructions for the equations of a Code, and of those that it calls."""

    def __init__(self, instructions: Instructions, program: _Program) -> None:
        self.instructions, self.program = instructions, program
        self.add, self.is_safe = instructions.add, instructions.is_safe
        self.wild = program.wild

    def write(self, code: Code, inputs: list[Value]) -> list[Value]:
        """Write the equations of `code`; return its outputs."""
        known = list(inputs)
        for k, (op, operands) in enumerate(code.equations, code.inputs):
            label = code.labels.get(k, "")
            self.instructions.label = label if label and LABEL.fullmatch(label) else ""
            values = [known[x] if type(x) is int else literal(x.value) for x in operands]  # type: ignore[union-attr]
            form = MOST_OFTEN.get(op)
            if (
                form is not None
                and FLOAT in (kinds := (values[0][1], values[1][1]))
                and BOOL not in kinds
                and int in map(type, operands)
            ):
                # As `equation` does it, in a part of the time.
                a, b = values[0][0], values[1][0]
                if form is MUL and (a == "1.0" or b == "1.0") and kinds[0] == kinds[1]:
                    known.append(values[a == "1.0"])  # times what a derivative starts with
                else:
                    known.append((self.add(form, a, b), FLOAT, "0"))
                continue
            if type(op) is Call:
                known.append(self.program.module.called(self.instructions, op, values))
            elif type(op) is Pick:
                known.append(self.instructions.element(values[0], op.place))
            elif op is pack:
                known.append(Parts(values))
            elif op is pack_total:
                known.append(total_of_tuples(self, values))
            else:
                known.append(self.equation(op, operands, values))
        self.instructions.label = ""
        return [known[x] if type(x) is int else literal(x.value) for x in code.outputs]  # type: ignore[union-attr]

    def equation(self, op: Op, operands: tuple[Operand, ...], values: list[Number]) -> Number:
        """Write the instructions of one equation; return its result's place, kind and tag."""
        if op not in RULES:
            raise NotSpelled  # a function of somebody's own, which runs Python code
        if operands and all(type(x) is Literal for x in operands):
            try:
                return literal(op.forward(*[x.value for x in operands]))  # type: ignore[union-attr]
            except FAILURES as error:
                raise NotSpelled from error
        if BOOL in [kind for _, kind, _ in values] and op not in OF_CONDITIONS:
            values = [
                (kept(self, x), kind, tag) if kind == BOOL else (x, kind, tag)
                for x, kind, tag in values
            ]
        return RULES[op](self, op, values)


class _Program:
    """What all functions of a C text share: the functions, and whether there is a wild constant.

    Those are infinities and nan: they are divided by zero without a flag.
    """

    def __init__(self, code: Code, names: Names) -> None:
        self.wild = _is_wild(code, {})
        self.module = Module(names, lambda to, code, inputs: _Writer(to, self).write(code, inputs))


def _is_wild(code: Code, known: dict[Call, bool]) -> bool:
    constants = [x.value for _, xs in code.equations for x in xs if type(x) is Literal]
    if any(type(x) is float and x - x != 0 for x in constants):
        return True
    for op, _ in code.equations:
        if type(op) is Call and op not in known:
            known[op] = _is_wild(op.code, known)
    return any(known[op] for op, _ in code.equations if type(op) is Call)


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
    names = Names(_taken())
    own = names.new(function_name(name))
    program = _Program(code, names)
    instructions = Instructions(1)
    kinds = [FLOAT] * code.inputs
    for k in ints:
        kinds[k] = INT
    inputs: list[Value] = [instructions.load(0, k, kind) for k, kind in enumerate(kinds)]
    outputs = _Writer(instructions, program).write(code, inputs)
    results: list[Result] = []
    tags: list[Number] = []
    for _, kind, tag in outputs:
        results.append(Result(kind, len(outputs) + len(tags) if kind == EITHER else -1))
        if kind == EITHER:
            tags.append((tag, BOOL, "0"))
    ends = joined([one for x in outputs + tags for one in instructions.segments(x)])
    pieces = Pieces(["in"], instructions, ends, names, program.module.constants)
    functions = program.module.texts(list(instructions.called))
    body = "\n".join(_functions(own, code.inputs, ints, pieces.bodies, program.module.constants))
    helpers = "\n\n".join(_helpers("\n".join([*functions, body])))
    comment = _comment(own, code, arguments, captured, ints, result, pieces.work, len(tags))
    table = _table(program.module.constants)
    parts = [comment, _INCLUDES, helpers, table, *functions, body]
    source = "\n\n".join(part for part in parts if part) + "\n"
    return SpelledC(source, own, code.inputs, len(outputs) + len(tags), pieces.work, results)


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


_FLAGS = "FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW"


def _checks(ints: Sequence[int], constants: list[str]) -> Iterator[str]:
    """Give the lines that return 1 where an int is too large."""
    shape = Leaf("if (!sg_is_whole(@)) return 1;")
    for one in rolled([Statement(shape, "i", (k,), ()) for k in ints], constants):
        yield from spelled(one, {"i": "in"}, {})


def _functions(
    name: str, inputs: int, ints: Sequence[int], bodies: list[list[str]], constants: list[str]
) -> Iterator[str]:
    for k, lines in enumerate(bodies):
        yield f"SG_APART static void {name}_{k}("
        yield "    const double *restrict in, double *restrict out, double *restrict work)"
        yield "{"
        text = "\n".join(lines)
        words = set(WORDS.findall(text))
        for parameter in ("in", "out", "work"):
            if parameter not in words:
                yield f"    (void){parameter};"
        yield text
        yield "}\n"
    yield f"int {name}(const double *in, double *out, double *work)"
    yield "{"
    if inputs:
        yield "    int i;"
        yield f"    for (i = 0; i < {inputs}; i++)"
        yield "        if (!(in[i] - in[i] == 0))"
        yield "            return 1;"
    yield from _checks(ints, constants)
    yield f"    feclearexcept({_FLAGS});"
    for k in range(len(bodies)):
        yield f"    {name}_{k}(in, out, work);"
    yield f"    return fetestexcept({_FLAGS}) != 0;"
    yield "}"


@lru_cache(maxsize=1)
def _runtime() -> dict[str, str]:
    """Return the texts of `c_runtime.c` by the name that each says it defines."""
    text = Path(__file__).with_name("c_runtime.c").read_text(encoding="utf-8")
    sections = re.split(r"^(?=/\* sg_\w+: )", text, flags=re.MULTILINE)
    return {section.split(":")[0][3:]: section.strip() for section in sections if section}


_HELPER = re.compile(r"\bsg_\w+")


def _helpers(text: str) -> Iterator[str]:
    """Give the functions that `text` calls, each after those that it calls itself."""
    runtime = _runtime()
    wanted: set[str] = set()
    todo = [text]
    while todo:
        found = set(_HELPER.findall(todo.pop())) - wanted
        # Those of fsum stand together, under the name of their struct.
        found = {"sg_adder" if x in ("sg_add", "sg_rounded") else x for x in found} & runtime.keys()
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
    tags: int,
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
    for k in range(tags):
        lines.append(f"out[{len(code.outputs) + k}]: 1 where Python's result is an int")
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
