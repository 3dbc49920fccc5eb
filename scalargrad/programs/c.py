"""The C speller: Code as C99 functions of doubles, with the bits that the Python program gives.

Equations become instructions on doubles and conditions, and those become statements; statements
that repeat become loops. They stand in pieces: a function each, of bounded size, so that the C
compiler's time is linear. What one piece makes and another uses, and what loops walk over, stands
in an array. A table says how each op is written; `c_runtime.c` has the functions that the C library
lacks or has otherwise. What Python raises an error for sets a floating-point flag; the caller then
runs the Python program.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from scalargrad.engine.code import Code, Literal, Operand
from scalargrad.engine.errors import FAILURES, shown
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.programs.c_calls import (
    BOOL,
    EITHER,
    FLOAT,
    INT,
    LABEL,
    LARGEST_INT,
    WORDS,
    Instructions,
    Module,
    NotSpelled,
    Number,
    Parts,
    Value,
    function_name,
    kind_of,
)
from scalargrad.programs.c_loops import Leaf, Statement, rolled, spelled
from scalargrad.programs.c_pieces import (
    ATOM,
    CHOICE,
    COMPARISON,
    LOWEST,
    PREFIX,
    PRODUCT,
    SUM,
    Form,
    Pieces,
    Place,
    joined,
)
from scalargrad.programs.linking import CutCall
from scalargrad.programs.names import Names
from scalargrad.programs.tuples import pack, pack_total
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, parts_of, size_of


def _infix(sign: str, binding: int, *operands: int, safe: bool = True) -> Form:
    return Form(f"{{}} {sign} {{}}", binding, operands, safe)


def _comparison(sign: str) -> Form:
    return Form(f"{{}} {sign} {{}}", COMPARISON, (SUM, SUM), True, "int")


def _connective(sign: str) -> Form:
    return Form(f"{{}} {sign} {{}}", LOWEST, (ATOM, ATOM), True, "int")


@lru_cache(maxsize=256)
def _call(name: str, inputs: int, safe: bool = False) -> Form:
    return Form(f"{name}({', '.join(['{}'] * inputs)})", ATOM, (LOWEST,) * inputs, safe)


@lru_cache(maxsize=256)
def _call_of_array(name: str, inputs: int, first: str = "") -> Form:
    numbers = ", ".join(["{}"] * inputs)
    text = f"{name}({first}{inputs}, (const double[]){{{{{numbers}}}}})"
    return Form(text, ATOM, (LOWEST,) * inputs)


def _test(name: str, inputs: int, safe: bool) -> Form:
    return _call(name, inputs, safe)._replace(type="int")


_ADD, _SUB = _infix("+", SUM, SUM, PRODUCT), _infix("-", SUM, SUM, PRODUCT)
_MUL = _infix("*", PRODUCT, PRODUCT, PREFIX)
_DIV = _infix("/", PRODUCT, PRODUCT, PREFIX, safe=False)
_MOST_OFTEN = {arithmetic.add.op: _ADD, arithmetic.sub.op: _SUB, arithmetic.mul.op: _MUL}
_NEG = Form("-{}", PREFIX, (ATOM,), True)
_NOT_ZERO = Form("{} != 0", COMPARISON, (SUM,), True, "int")
_AS_DOUBLE = Form("(double){}", PREFIX, (ATOM,), True)
_KEPT = _test("sg_kept", 1, False)
_IS_ZERO = Form("{} == 0", COMPARISON, (SUM,), True, "int")
_WHERE = Form("{} ? {} : {}", CHOICE, (ATOM, ATOM, ATOM), True)
_WHERE_OF_CONDITIONS = _WHERE._replace(type="int")
_WHOLE = _call("sg_whole", 1)
# A sum of tuples of at most this size is written number by number.
_SMALL_SUM = 4

_COMPARISONS = {
    choices.greater.op: _comparison(">"),
    choices.less.op: _comparison("<"),
    choices.at_least.op: _comparison(">="),
    choices.at_most.op: _comparison("<="),
    choices.equal.op: _comparison("=="),
    choices.unequal.op: _comparison("!="),
}
_CONNECTIVES = {
    choices.both.op: _connective("&"),
    choices.either.op: _connective("|"),
    choices.one_of.op: _connective("!="),
}
_RADIANS, _DEGREES = math.pi / 180.0, 180.0 / math.pi
# Functions whose result is a float, whatever they take.
_FUNCTIONS: dict[Op, Form] = {
    **{
        getattr(module, name).op: _call(name, 1)
        for module, names in (
            (elementary, "acos acosh asin asinh atan atanh cos cosh exp expm1 log log10 log1p"),
            (elementary, "log2 sin sinh sqrt tan tanh"),
            (special, "erf erfc"),
            (arithmetic, "fabs"),
        )
        for name in names.split()
    },
    arithmetic.copysign.op: _call("copysign", 2),
    arithmetic.fmod.op: _call("fmod", 2),
    arithmetic.remainder.op: _call("remainder", 2),
    op_of(arithmetic.fma): _call("fma", 3),
    elementary.pow.op: _call("pow", 2),
    elementary.atan2.op: _call("sg_atan2", 2),
    elementary.radians.op: Form(f"{{}} * {_RADIANS!r}", PRODUCT, (PRODUCT,), True),
    elementary.degrees.op: Form(f"{{}} * {_DEGREES!r}", PRODUCT, (PRODUCT,), True),
    elementary.sech.op: _call("sg_sech", 1),
    activations.sigmoid.op: _call("sg_sigmoid", 1),
    activations.softplus.op: _call("sg_softplus", 1),
    activations.gelu.op: _call("sg_gelu", 1),
    activations.silu.op: _call("sg_silu", 1),
}
# The larger or smaller of two numbers, and whether it is the second.
_EXTREMES: dict[Op, tuple[Form, Form]] = {
    choices.maximum.op: (_call("sg_maximum", 2, True), _test("sg_above", 2, True)),
    choices.minimum.op: (_call("sg_minimum", 2, True), _test("sg_below", 2, True)),
}
# Functions whose result is in the kind of its operand.
_IN_KIND: dict[Op, Form] = {
    arithmetic.absolute.op: _call("fabs", 1, True),
    activations.relu.op: _call("sg_relu", 1, True),
}
# Functions that are called back in Python: their last bits are those of its own algorithms, which
# change with its version.
CALLED_BACK: list[Op] = [
    *(op_of(many.hypot), op_of(many.dist), special.gamma.op, special.lgamma.op, special.digamma.op),
    special.polygamma.op,
    *(activations.logit.op, special.erfinv.op, elementary.sinc.op, elementary.sinc_derivative.op),
]
if sys.version_info >= (3, 11):
    _FUNCTIONS[elementary.cbrt.op] = _call("cbrt", 1)
    _FUNCTIONS[elementary.exp2.op] = _call("exp2", 1)
else:
    CALLED_BACK.append(elementary.cbrt.op)
    _FUNCTIONS[elementary.exp2.op] = Form("pow(2.0, {})", ATOM, (LOWEST,))
# Whole numbers: what Python gives is an int.
_ROUNDED: dict[Op, Form] = {
    getattr(arithmetic, name).op: _call(name, 1) for name in ("ceil", "floor", "trunc")
}

# What says whether something holds of numbers of any kind.
_TESTS: dict[Op, Form] = {
    op_of(choices.isnan): _test("sg_isnan", 1, True),
    op_of(choices.isinf): _test("sg_isinf", 1, True),
    op_of(choices.isfinite): _test("sg_isfinite", 1, True),
    op_of(choices.isclose): _test("sg_isclose", 4, False),
}
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}

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
    tables = (_FUNCTIONS, _IN_KIND, _ROUNDED, _TESTS)
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
            values = [known[x] if type(x) is int else _literal(x.value) for x in operands]  # type: ignore[union-attr]
            form = _MOST_OFTEN.get(op)
            if (
                form is not None
                and FLOAT in (kinds := (values[0][1], values[1][1]))
                and BOOL not in kinds
                and int in map(type, operands)
            ):
                # As `equation` does it, in a part of the time.
                a, b = values[0][0], values[1][0]
                if form is _MUL and (a == "1.0" or b == "1.0") and kinds[0] == kinds[1]:
                    known.append(values[a == "1.0"])  # times what a derivative starts with
                else:
                    known.append((self.add(form, a, b), FLOAT, "0"))
                continue
            if type(op) is CutCall:
                known.append(self.program.module.called(self.instructions, op, values))
            elif type(op) is Pick:
                known.append(self.instructions.element(values[0], op.place))
            elif op is pack:
                known.append(Parts(values))
            elif op is pack_total:
                known.append(_total_of_tuples(self, values))
            else:
                known.append(self.equation(op, operands, values))
        self.instructions.label = ""
        return [known[x] if type(x) is int else _literal(x.value) for x in code.outputs]  # type: ignore[union-attr]

    def equation(self, op: Op, operands: tuple[Operand, ...], values: list[Number]) -> Number:
        """Write the instructions of one equation; return its result's place, kind and tag."""
        if op not in _RULES:
            raise TypeError(
                f"target 'c' has no text for {op.name}, which runs Python code of its own: leave "
                "it out of the function, or compile with target='python'"
            )
        if operands and all(type(x) is Literal for x in operands):
            try:
                return _literal(op.forward(*[x.value for x in operands]))  # type: ignore[union-attr]
            except FAILURES as error:
                raise NotSpelled from error
        if BOOL in [kind for _, kind, _ in values] and op not in _OF_CONDITIONS:
            values = [
                (_kept(self, x), kind, tag) if kind == BOOL else (x, kind, tag)
                for x, kind, tag in values
            ]
        return _RULES[op](self, op, values)


def _literal(value: Any) -> Number:
    """Return a constant's text, kind and tag."""
    kind = {float: FLOAT, int: INT, bool: BOOL}.get(type(value), "")
    if not kind:
        raise TypeError(
            "target 'c' computes with floats and ints; the function has the constant "
            f"{shown(value)} ({type(value).__name__}): target='python' takes any kind of number"
        )
    return _constant(value), kind, str(int(kind == INT))


class _Program:
    """What all functions of a C text share: the functions, and whether there is a wild constant.

    Those are infinities and nan: they are divided by zero without a flag.
    """

    def __init__(self, code: Code, names: Names) -> None:
        self.wild = _is_wild(code, {})
        self.module = Module(names, lambda to, code, inputs: _Writer(to, self).write(code, inputs))


def _is_wild(code: Code, known: dict[CutCall, bool]) -> bool:
    constants = [x.value for _, xs in code.equations for x in xs if type(x) is Literal]
    if any(type(x) is float and x - x != 0 for x in constants):
        return True
    for op, _ in code.equations:
        if type(op) is CutCall and op not in known:
            known[op] = _is_wild(op.code, known)
    return any(known[op] for op, _ in code.equations if type(op) is CutCall)


_Operands = list[Number]


def _kept(w: _Writer, condition: Place) -> Place:
    """Write a condition that is computed where a compiler may know what it leads to.

    It would leave out what the condition is computed of, with its errors.
    """
    return condition if w.is_safe(condition) else w.add(_KEPT, condition)


def _function(w: _Writer, op: Op, xs: _Operands) -> Number:
    return w.add(_FUNCTIONS[op], *[x for x, _, _ in xs]), FLOAT, "0"


def _in_kind(w: _Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, tag),) = xs
    if kind == BOOL:
        raise NotSpelled
    return w.add(_IN_KIND[op], x), kind, tag


def _extreme(w: _Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, tag), (b, kind_b, _) = xs
    form, is_second = _EXTREMES[op]
    if kind_a == kind_b and kind_a in (FLOAT, INT):
        return w.add(form, a, b), kind_a, tag
    return _where(w, op, [(w.add(is_second, a, b), BOOL, "0"), xs[1], xs[0]])


def _both(w: _Writer, a: Place, b: Place) -> Place:
    """Write that two conditions hold, of which each may be known."""
    if "0" in (a, b):
        return "0"
    return b if a == "1" else a if b == "1" else w.add(_connective("&"), a, b)


def _ints(w: _Writer, *xs: Number) -> Place:
    """Write that numbers, none of which is sure to be a float, are all ints."""
    found: Place = "1"
    for _, kind, tag in xs:
        if kind == EITHER:
            found = _both(w, found, tag)
    return found


def _over(w: _Writer, op: Op, xs: _Operands) -> Number:
    (a, kind, _), (b, _, _) = xs
    y = w.add(_call("sg_over", 2), a, b)
    if kind == FLOAT:
        return y, FLOAT, "0"
    # At b = 0 an int gives an int.
    tag = _both(w, _ints(w, xs[0]), w.add(_IS_ZERO, b))
    return w.add(_call("sg_where", 3), tag, "0.0", y), EITHER, tag


def _arithmetic(form: Form) -> Callable[[_Writer, Op, _Operands], Number]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> Number:
        places = [x for x, _, _ in xs]
        kinds = {kind for _, kind, _ in xs}
        if FLOAT in kinds:
            return w.add(form, *places), FLOAT, "0"
        if EITHER not in kinds:
            return w.add(_WHOLE, w.add(form, *places)), INT, "1"
        # An int if all operands are; an operand that may be a float says so in its tag.
        tag = _ints(w, *xs)
        y = w.add(form, *places)
        return w.add(_call("sg_where", 3), tag, w.add(_WHOLE, y), y), EITHER, tag

    return rule


def _sum_of(w: _Writer, terms: _Operands, form: Form) -> Number:
    """Write terms one after the other, from the left, as Python computes them."""
    rule = _arithmetic(form)
    result = terms[0]
    for term in terms[1:]:
        result = rule(w, total, [result, term])
    return result


def _total(w: _Writer, op: Op, xs: _Operands) -> Number:
    return _sum_of(w, xs, _ADD)


def _total_of_tuples(w: _Writer, tuples: list[Value]) -> Value:
    """Write the sum of tuples, element by element."""
    element = w.instructions.element
    kinds = kind_of(tuples[0])
    known = {FLOAT, INT, BOOL}
    floats = set(kinds) == {FLOAT}
    if len(kinds) > _SMALL_SUM and floats and all(known.issuperset(kind_of(x)) for x in tuples):
        return w.instructions.sum_of(tuples)
    sums = [_total(w, total, [element(x, k) for x in tuples]) for k in range(len(kinds))]
    return Parts(sums)


def _prod(w: _Writer, op: Op, xs: _Operands) -> Number:
    if len(xs) < 2:
        raise NotSpelled
    return _sum_of(w, xs, _MUL)


def _sumprod(w: _Writer, op: Op, xs: _Operands) -> Number:
    n = len(xs) // 2
    if not n:
        raise NotSpelled
    multiply = _arithmetic(_MUL)
    terms = [multiply(w, op, [x, y]) for x, y in zip(xs[:n], xs[n : 2 * n], strict=True)]
    return _sum_of(w, terms + xs[2 * n :], _ADD)


def _division(w: _Writer, op: Op, xs: _Operands) -> Number:
    form = _call("sg_div", 2) if w.wild else _DIV
    (a, kind, _), (b, _, _) = xs
    if kind == BOOL:
        a = w.add(_AS_DOUBLE, a)  # two conditions would be divided as C's ints
    return w.add(form, a, b), FLOAT, "0"


def _comparison_of(w: _Writer, op: Op, xs: _Operands) -> Number:
    return w.add(_COMPARISONS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _tested(w: _Writer, op: Op, xs: _Operands) -> Number:
    return w.add(_TESTS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _rounded(w: _Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, _),) = xs
    if kind == BOOL:
        raise NotSpelled
    return (x if kind == INT else w.add(_WHOLE, w.add(_ROUNDED[op], x))), INT, "1"


def _sign(w: _Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, tag),) = xs
    if kind == BOOL:
        raise NotSpelled
    return w.add(_call("sg_sign", 1, True), x), kind, tag


def _clip(w: _Writer, op: Op, xs: _Operands) -> Number:
    x, low, high = xs
    x = _where(w, op, [_comparison_of(w, choices.less.op, [x, low]), low, x])
    return _where(w, op, [_comparison_of(w, choices.greater.op, [x, high]), high, x])


def _connected(w: _Writer, op: Op, xs: _Operands) -> Number:
    if {kind for _, kind, _ in xs} != {BOOL}:
        raise NotSpelled
    a, b = [x for x, _, _ in xs]
    if a == b or str in (type(a), type(b)):
        a, b = _kept(w, a), _kept(w, b)
    return w.add(_CONNECTIVES[op], a, b), BOOL, "0"


def _inverse(w: _Writer, op: Op, xs: _Operands) -> Number:
    ((x, kind, _),) = xs
    if kind not in (BOOL, INT):
        raise NotSpelled
    return w.add(_SUB, "-1.0", x), INT, "1"


def _alias(w: _Writer, op: Op, xs: _Operands) -> Number:
    return xs[0]


def _like(w: _Writer, op: Op, xs: _Operands) -> Number:
    (n, _, _), (_, kind, tag) = xs
    if type(n) is not str:
        raise NotSpelled
    return (
        (n, FLOAT, "0") if kind == FLOAT else (n, EITHER, tag) if kind == EITHER else (n, INT, "1")
    )


def _where(w: _Writer, op: Op, xs: _Operands) -> Number:
    (condition, kind, _), (a, kind_a, tag_a), (b, kind_b, tag_b) = xs
    if kind != BOOL:
        condition = w.add(_NOT_ZERO, condition)
    if a == b or (type(a) is type(b) is str):
        condition = _kept(w, condition)
    if BOOL in (kind_a, kind_b):
        if kind_a != kind_b:
            raise NotSpelled
        if not (w.is_safe(a) and w.is_safe(b)):
            raise NotSpelled
        return w.add(_WHERE_OF_CONDITIONS, condition, a, b), BOOL, "0"
    form = _WHERE if w.is_safe(a) and w.is_safe(b) else _call("sg_where", 3)
    y = w.add(form, condition, a, b)
    if kind_a == kind_b and kind_a != EITHER:
        return y, kind_a, tag_a
    return y, EITHER, w.add(_WHERE_OF_CONDITIONS, condition, tag_a, tag_b)


def _power(w: _Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, _), (b, kind_b, _) = xs
    if FLOAT in (kind_a, kind_b):
        return w.add(_call("sg_power", 2), a, b), FLOAT, "0"
    # Ints give an int, but for a negative exponent.
    ints = _ints(w, *xs)
    if ints == "1":
        y = w.add(_call("sg_whole_power", 2), a, b)
    else:
        y = w.add(_call("sg_either_power", 3), ints, a, b)
    if type(b) is not str:
        return y, EITHER, _both(w, ints, w.add(_COMPARISONS[choices.at_least.op], b, "0.0"))
    if b[0] == "-":
        return y, FLOAT, "0"
    return y, (INT if ints == "1" else EITHER), ints


def _power_log(w: _Writer, op: Op, xs: _Operands) -> Number:
    (a, kind_a, _), (b, kind_b, _), (n, kind_n, _) = xs
    if type(n) is not str or kind_n != INT:
        raise NotSpelled
    if FLOAT in (kind_a, kind_b):
        return w.add(_call("sg_power_log", 3), a, b, n), FLOAT, "0"
    if float(n) == 0:
        return _power(w, op, xs[:2])
    return w.add(_call("sg_either_power_log", 4), _ints(w, *xs[:2]), a, b, n), FLOAT, "0"


def _scaled(name: str) -> Callable[[_Writer, Op, _Operands], Number]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> Number:
        (x, kind, tag), (factor, kind_of_factor, _) = xs
        if kind == BOOL:
            raise NotSpelled
        y = w.add(_call(name, 2), x, factor)
        if kind == FLOAT:
            return y, FLOAT, "0"
        if op is activations.leaky_relu.op and kind_of_factor != FLOAT:
            if {kind, kind_of_factor} != {INT}:
                raise NotSpelled
            return w.add(_WHOLE, y), INT, "1"
        # What is positive is returned as it is.
        tag = _both(w, tag, w.add(_COMPARISONS[choices.greater.op], x, "0.0"))
        return y, EITHER, tag

    return rule


def _of_array(name: str) -> Callable[[_Writer, Op, _Operands], Number]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> Number:
        if not xs:
            raise NotSpelled
        return w.add(_call_of_array(name, len(xs)), *[x for x, _, _ in xs]), FLOAT, "0"

    return rule


def _largest(w: _Writer, op: Op, xs: _Operands) -> Number:
    kinds = {kind for _, kind, _ in xs}
    if kinds == {FLOAT} or kinds == {INT}:
        return w.add(_call_of_array("sg_max", len(xs)), *[x for x, _, _ in xs]), *xs[0][1:]
    if not xs:
        raise NotSpelled
    found = xs[0]
    for x in xs[1:]:
        found = _where(w, op, [_comparison_of(w, choices.greater.op, [x, found]), x, found])
    return found


def _called_back(w: _Writer, op: Op, xs: _Operands) -> Number:
    if not xs:
        raise NotSpelled
    number = f"{CALLED_BACK.index(op)} /* {op.name} */, "
    form = _call_of_array("sg_python", len(xs), number)
    return w.add(form, *[x for x, _, _ in xs]), FLOAT, "0"


# Where conditions are at home: they see to it themselves that these are computed.
_OF_CONDITIONS = {*_CONNECTIVES, *_ALIASES, op_of(choices.where), choices.like.op}
_RULES: dict[Op, Callable[[_Writer, Op, _Operands], Number]] = {
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_IN_KIND, _in_kind),
    **dict.fromkeys(_EXTREMES, _extreme),
    **dict.fromkeys(_COMPARISONS, _comparison_of),
    **dict.fromkeys(_CONNECTIVES, _connected),
    **dict.fromkeys(_TESTS, _tested),
    **dict.fromkeys(_ROUNDED, _rounded),
    **dict.fromkeys(_ALIASES, _alias),
    **dict.fromkeys(CALLED_BACK, _called_back),
    arithmetic.add.op: _arithmetic(_ADD),
    arithmetic.sub.op: _arithmetic(_SUB),
    arithmetic.mul.op: _arithmetic(_MUL),
    arithmetic.neg.op: _arithmetic(_NEG),
    arithmetic.pos.op: _arithmetic(Form("{}", ATOM, (ATOM,), True)),
    arithmetic.mod.op: _arithmetic(_call("sg_mod", 2)),
    arithmetic.floordiv.op: _arithmetic(_call("sg_floordiv", 2)),
    arithmetic.over.op: _over,
    arithmetic.div.op: _division,
    arithmetic.steep.op: _division,
    choices.inverse.op: _inverse,
    choices.like.op: _like,
    op_of(choices.where): _where,
    op_of(choices.clip): _clip,
    arithmetic.sign.op: _sign,
    elementary.power.op: _power,
    op_of(elementary.power_log): _power_log,
    activations.leaky_relu.op: _scaled("sg_leaky_relu"),
    activations.elu.op: _scaled("sg_elu"),
    op_of(activations.logsumexp): _of_array("sg_logsumexp"),
    op_of(many.constant_max): _largest,
    op_of(many.fsum): _of_array("sg_fsum"),
    op_of(many.prod): _prod,
    op_of(many.sumprod): _sumprod,
    total: _total,
}


def _constant(x: float) -> str:
    if type(x) is bool:
        return str(int(x))
    if type(x) is int:
        if abs(x) > LARGEST_INT:
            raise NotSpelled
        x = float(x)
    if x != x:
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "-INFINITY"
    return repr(x)


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
    Raises TypeError for an op or constant that C has no text for, and NotSpelled where the program
    has numbers that C would need to know the kind of.

    >>> from scalargrad.engine.code import Equation
    >>> square = Code(1, [Equation(arithmetic.mul.op, (0, 0))], [1])
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
