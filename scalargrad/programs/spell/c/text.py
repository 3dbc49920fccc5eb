"""The text of a C program around its statements: functions, what they call, and a comment.

No name in it is one that C's headers define.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from scalargrad.programs.code import Code
from scalargrad.programs.spell.c.loops import (
    RETURN,
    Leaf,
    Statement,
    broken,
    returns,
    rolled,
    spelled,
    step_of,
)
from scalargrad.programs.spell.c.rules import FORMS
from scalargrad.programs.spell.names import Names
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, parts_of, size_of

# What a C program cannot call its own: the words of C, and the functions of its library.
_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while asm typeof unix linux main in out work constants i j k l
double_t fenv_t fexcept_t float_t math_errhandling
feclearexcept fegetenv fegetexceptflag fegetround feholdexcept feraiseexcept fesetenv
fesetexceptflag fesetround fetestexcept feupdateenv
cbrt ceil exp2 fdim finite fmax fmin frexp gamma hypot ilogb isfinite isgreater isgreaterequal isinf
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
# Names of the macros that C's headers define.
_MACRO = re.compile(
    r"(FE|FP|FLT|DBL|LDBL|M|HUGE|MATH|SG|DECIMAL)_\w*|_\w*|[A-Z]|[A-Z]*NAN|INFINITY"
)
_WIDTH = 100


@lru_cache(maxsize=1)
def taken_names() -> frozenset[str]:
    """Return the names that a C program cannot call its own."""
    texts = [*_runtime().values(), *[form.text for form in FORMS.values()]]
    words = {*_TAKEN.split(), *[word for text in texts for word in _CALLED.findall(text)]}
    return frozenset(word + end for word in words for end in ("", "f", "l"))


def function_name(wish: str) -> str:
    """Return a name for a C function: `wish`, if it can be one.

    >>> function_name("neuron"), function_name("<lambda>"), function_name("FE_INVALID")
    ('neuron', 'f', 'f')
    """
    good = _WORD.fullmatch(wish) and wish.isascii() and not _MACRO.fullmatch(wish)
    return wish if good else "f"


INCLUDES = """\
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


def table_of(constants: list[str]) -> str:
    """Return the text of the constants that loops walk over."""
    if not constants:
        return ""
    rows = [", ".join(constants[k : k + 4]) for k in range(0, len(constants), 4)]
    return "static const double constants[] = {\n    " + ",\n    ".join(rows) + "\n};"


OURS = {"out": "double *restrict out", "work": "double *restrict work"}


# A C function has so many operands at most: gcc's time for one grows faster than its size.
PIECE = 500


def sliced(
    name: str,
    parameters: dict[str, str],
    statements: Sequence[Statement],
    lines_of: Callable[[Sequence[Statement]], Iterator[str]],
    names: Names,
) -> Iterator[str]:
    """Give the lines of a function; of one that is long, after those of functions of its parts.

    One that may return within a block gives 1 if it did, else 0.
    """
    if len(statements) <= 1 or _operands_in(statements) <= PIECE:
        yield from _one_function(name, parameters, statements, lines_of(statements))
        return
    lines: list[str] = []
    for k, part in enumerate(_parts(statements)):
        own = names.new(f"{name}_{k}")
        around: Sequence[Statement] = ()
        if _operands_in(part) > PIECE and len(part) > 1:
            around, part = (part[0], part[-1]), part[1:-1]
        yield from sliced(own, parameters, part, lines_of, names)
        yield ""
        call = f"{own}({', '.join(parameters)})"
        call = f"if ({call}) {RETURN}" if _returns(part) else f"{call};"
        indent = "    " * (1 + len(around[:1]))
        lines += [
            *lines_of(around[:1]),
            *broken(indent + call, indent),
            *["    }"] * len(around[1:]),
        ]
    yield from _one_function(name, parameters, statements, lines)


def _operands_in(statements: Sequence[Statement]) -> int:
    return sum([len(one.arrays) for one in statements])


def _returns(statements: Sequence[Statement]) -> bool:
    return any(returns(one.shape) for one in statements)


def _parts(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Return the statements in parts of bounded size; a block that is larger is one itself."""
    parts: list[list[Statement]] = []
    size = depth = start = 0
    for k, one in enumerate(statements, 1):
        depth += step_of(one.shape)
        if depth == 0:
            whole, start = statements[start:k], k
            own = _operands_in(whole)
            if not parts or size + own > PIECE:
                parts.append([])
                size = 0
            parts[-1] += whole
            size += own
    return parts


def _one_function(
    name: str, parameters: dict[str, str], statements: Sequence[Statement], lines: Iterable[str]
) -> Iterator[str]:
    text = "\n".join(lines)
    words = set(_WORD.findall(text))
    typed = parameters.values()
    ends = _returns(statements)
    head = f"SG_APART static {'int' if ends else 'void'} {name}({', '.join(typed)})"
    if len(head) > _WIDTH:
        head = f"{head.partition('(')[0]}(\n    " + ",\n    ".join(typed) + ")"
    yield head
    yield "{"
    yield from [f"    (void){x};" for x in parameters if x not in words]
    yield text
    if ends and statements[-1].shape != Leaf(RETURN):
        yield "    return 0;"
    yield "}"


_FLAGS = "FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW"


def _checks(ints: Sequence[int], constants: list[str]) -> Iterator[str]:
    """Give the lines that return 1 where an int is too large."""
    shape = Leaf("if (!sg_is_whole(@)) return 1;")
    for one in rolled([Statement(shape, "i", (k,), ()) for k in ints], constants):
        yield from spelled(one, {"i": "in"}, 0)


def main_function(
    name: str, inner: str, inputs: int, ints: Sequence[int], constants: list[str]
) -> Iterator[str]:
    """Give the lines of the function that a program is: it checks its inputs, and the flags."""
    yield f"int {name}(const double *in, double *out, double *work)"
    yield "{"
    if inputs:
        yield "    int i;"
        yield f"    for (i = 0; i < {inputs}; i++)"
        yield "        if (!(in[i] - in[i] == 0))"
        yield "            return 1;"
    yield from _checks(ints, constants)
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


def runtime_for(text: str) -> Iterator[str]:
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


def comment_on(
    name: str,
    code: Code,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    ints: Sequence[int],
    results: Sequence[tuple[Structure, Any]],
    work: int,
) -> str:
    """Return the comment that says what the function takes and gives."""
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
    for k, (nesting, _) in enumerate(results):
        which = f", if it is the one of number {k}" if len(results) > 1 else ""
        lines += _places("out", f"the result{which}", nesting, 0, set())
    if len(results) > 1:
        lines.append("The last number of out is that of the result.")
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
