"""The C speller: Code as C99 functions of doubles, with the bits that the Python program gives.

Equations become instructions on doubles and conditions, and those become statements, in pieces: a
function each, of bounded size, so that the C compiler's time is linear. What one piece makes and
another uses stands in an array. A table says how each op is written; `c_runtime.c` has the
functions that the C library lacks or has otherwise. What Python raises an error for sets a
floating-point flag; the caller then runs the Python program.
"""

from __future__ import annotations

import math
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from scalargrad.engine.code import Code, Literal, Operand
from scalargrad.engine.errors import FAILURES, shown
from scalargrad.engine.op import Op
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many, special
from scalargrad.programs.names import Names
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, parts_of, size_of

# What a number is in the Python program: a float; an int; a float or an int, as the run has it; a
# bool. Ints stand in doubles, which hold them up to this size.
FLOAT, INT, EITHER, BOOL = "float", "int", "either", "bool"
LARGEST_INT = 2**53

# How tightly the parts of an expression bind, as in C's grammar.
LOWEST, CHOICE, COMPARISON, SUM, PRODUCT, PREFIX, ATOM = range(7)
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 10, 80
# So many instructions at most make one C function: gcc's time for one grows faster than its size.
PIECE = 400


class NotSpelled(Exception):
    """C has no way to keep the kinds of this program's numbers: Python must run it."""


class Form(NamedTuple):
    """How an instruction is written: its text, how tightly it binds and its operands must.

    One that is not `safe` may set a flag for what is an error in Python.
    """

    text: str
    binding: int = ATOM
    operands: tuple[int, ...] = ()
    safe: bool = False
    type: str = "double"


# The number of an input or instruction, or the text of a constant.
_Place = int | str


class _Instruction(NamedTuple):
    form: Form
    operands: tuple[_Place, ...]
    safe: bool
    label: str


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


_ADD, _SUB = _infix("+", SUM, SUM, PRODUCT), _infix("-", SUM, SUM, PRODUCT)
_MUL = _infix("*", PRODUCT, PRODUCT, PREFIX)
_DIV = _infix("/", PRODUCT, PRODUCT, PREFIX, safe=False)
_NEG = Form("-{}", PREFIX, (ATOM,), True)
_NOT_ZERO = Form("{} != 0", COMPARISON, (SUM,), True, "int")
_WHERE = Form("{} ? {} : {}", CHOICE, (ATOM, ATOM, ATOM), True)
_WHERE_OF_CONDITIONS = _WHERE._replace(type="int")
_WHOLE = _call("sg_whole", 1)

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
}
# Functions of floats alone: what they give for an int is an int, or may be.
_OF_FLOATS: dict[Op, Form] = {
    arithmetic.mod.op: _call("sg_mod", 2),
    arithmetic.floordiv.op: _call("sg_floordiv", 2),
    arithmetic.absolute.op: _call("fabs", 1),
    arithmetic.over.op: _call("sg_over", 2),
    activations.relu.op: _call("sg_relu", 1, True),
    activations.silu.op: _call("sg_silu", 1),
    choices.maximum.op: _call("sg_maximum", 2, True),
    choices.minimum.op: _call("sg_minimum", 2, True),
}
_REMAINDERS = {arithmetic.mod.op, arithmetic.floordiv.op}
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


def _test(name: str, inputs: int, safe: bool) -> Form:
    return _call(name, inputs, safe)._replace(type="int")


# What says whether something holds of numbers of any kind.
_TESTS: dict[Op, Form] = {
    op_of(choices.isnan): _test("sg_isnan", 1, True),
    op_of(choices.isinf): _test("sg_isinf", 1, True),
    op_of(choices.isfinite): _test("sg_isfinite", 1, True),
    op_of(choices.isclose): _test("sg_isclose", 4, False),
}
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}

_WORDS = re.compile(r"[A-Za-z_]\w*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What a C program cannot call its own: the words of C and of its mathematical library.
_TAKEN = """
auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned
void volatile while asm typeof unix linux main in out work i fdim finite fmax fmin frexp gamma
hypot ilogb isfinite isinf isnan isnormal j0 j1 jn ldexp lgamma llrint llround logb lrint lround
modf nan nearbyint nextafter nexttoward remquo rint round scalb scalbln scalbn signbit signgam
significand tgamma y0 y1 yn
"""


@lru_cache(maxsize=1)
def _taken() -> frozenset[str]:
    tables = (_FUNCTIONS, _OF_FLOATS, _ROUNDED, _TESTS)
    forms = [form for table in tables for form in table.values()]
    texts = [*_runtime().values(), *[form.text for form in forms]]
    words = {*_TAKEN.split(), *[word for text in texts for word in _WORDS.findall(text)]}
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
    """Makes the instructions for the equations of a Code."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.instructions: list[_Instruction] = []
        # Of each variable: its place, its kind, and, where it may be an int, what says so.
        self.places: list[_Place] = list(range(code.inputs))
        self.kinds = [FLOAT] * code.inputs
        self.tags: dict[int, _Place] = {}
        constants = [x.value for _, xs in code.equations for x in xs if type(x) is Literal]
        # An infinity or nan among them: those are divided by zero without a flag.
        self.wild = any(type(x) is float and x - x != 0 for x in constants)
        for k, (op, operands) in enumerate(code.equations, code.inputs):
            label = code.labels.get(k, "")
            self.label = label if _NAME.fullmatch(label) else ""
            place, kind, tag = self.equation(op, operands)
            self.places.append(place)
            self.kinds.append(kind)
            if kind == EITHER:
                self.tags[k] = tag

    def add(self, form: Form, *operands: _Place) -> int:
        first, instructions = self.code.inputs, self.instructions
        safe = form.safe and all(
            type(x) is str or x < first or instructions[x - first].safe  # type: ignore[operator]
            for x in operands
        )
        instructions.append(_Instruction(form, operands, safe, self.label))
        return first + len(instructions) - 1

    def is_safe(self, x: _Place) -> bool:
        first = self.code.inputs
        return type(x) is str or x < first or self.instructions[x - first].safe  # type: ignore[operator]

    def operand(self, x: Operand) -> tuple[_Place, str, _Place]:
        """Return the place of an operand, its kind, and what says whether it is an int."""
        if type(x) is int:
            kind = self.kinds[x]
            return self.places[x], kind, self.tags[x] if kind == EITHER else str(int(kind == INT))
        value = x.value  # type: ignore[union-attr]
        kind = {float: FLOAT, int: INT, bool: BOOL}.get(type(value), "")
        if not kind:
            raise TypeError(
                "target 'c' computes with floats and ints; the function has the constant "
                f"{shown(value)} ({type(value).__name__}): target='python' takes any kind of number"
            )
        return _constant(value), kind, str(int(kind == INT))

    def equation(self, op: Op, operands: tuple[Operand, ...]) -> tuple[_Place, str, _Place]:
        """Write the instructions of one equation; return its result's place, kind and tag."""
        if op not in _RULES:
            raise TypeError(
                f"target 'c' has no text for {op.name}, which runs Python code of its own: leave "
                "it out of the function, or compile with target='python'"
            )
        if operands and all(type(x) is Literal for x in operands):
            try:
                return self.operand(Literal(op.forward(*[x.value for x in operands])))  # type: ignore[union-attr]
            except FAILURES as error:
                raise NotSpelled from error
        return _RULES[op](self, op, [self.operand(x) for x in operands])


_Operands = list[tuple[_Place, str, _Place]]
_Written = tuple[_Place, str, _Place]


def _function(w: _Writer, op: Op, xs: _Operands) -> _Written:
    return w.add(_FUNCTIONS[op], *[x for x, _, _ in xs]), FLOAT, "0"


def _of_floats(w: _Writer, op: Op, xs: _Operands) -> _Written:
    kinds = [kind for _, kind, _ in xs]
    # A remainder is a float if one operand is; the others may return an operand, in its own kind.
    if FLOAT not in kinds or (op not in _REMAINDERS and set(kinds) != {FLOAT}):
        raise NotSpelled
    return w.add(_OF_FLOATS[op], *[x for x, _, _ in xs]), FLOAT, "0"


def _arithmetic(form: Form) -> Callable[[_Writer, Op, _Operands], _Written]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> _Written:
        places = [x for x, _, _ in xs]
        kinds = {kind for _, kind, _ in xs}
        if FLOAT in kinds:
            return w.add(form, *places), FLOAT, "0"
        if EITHER not in kinds:
            return w.add(_WHOLE, w.add(form, *places)), INT, "1"
        # An int if all operands are; an operand that may be a float says so in its tag.
        tag: _Place = "1"
        for _, kind, own in xs:
            if kind == EITHER:
                tag = own if tag == "1" else w.add(_connective("&"), tag, own)
        y = w.add(form, *places)
        return w.add(_call("sg_where", 3), tag, w.add(_WHOLE, y), y), EITHER, tag

    return rule


def _sum_of(w: _Writer, terms: _Operands, form: Form) -> _Written:
    """Write terms one after the other, from the left, as Python computes them."""
    rule = _arithmetic(form)
    result = terms[0]
    for term in terms[1:]:
        result = rule(w, total, [result, term])
    return result


def _total(w: _Writer, op: Op, xs: _Operands) -> _Written:
    return _sum_of(w, xs, _ADD)


def _prod(w: _Writer, op: Op, xs: _Operands) -> _Written:
    if len(xs) < 2:
        raise NotSpelled
    return _sum_of(w, xs, _MUL)


def _sumprod(w: _Writer, op: Op, xs: _Operands) -> _Written:
    n = len(xs) // 2
    if not n:
        raise NotSpelled
    multiply = _arithmetic(_MUL)
    terms = [multiply(w, op, [x, y]) for x, y in zip(xs[:n], xs[n : 2 * n], strict=True)]
    return _sum_of(w, terms + xs[2 * n :], _ADD)


def _division(w: _Writer, op: Op, xs: _Operands) -> _Written:
    form = _call("sg_div", 2) if w.wild else _DIV
    return w.add(form, *[x for x, _, _ in xs]), FLOAT, "0"


def _comparison_of(w: _Writer, op: Op, xs: _Operands) -> _Written:
    return w.add(_COMPARISONS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _tested(w: _Writer, op: Op, xs: _Operands) -> _Written:
    return w.add(_TESTS[op], *[x for x, _, _ in xs]), BOOL, "0"


def _rounded(w: _Writer, op: Op, xs: _Operands) -> _Written:
    ((x, kind, _),) = xs
    if kind == BOOL:
        raise NotSpelled
    return (x if kind == INT else w.add(_WHOLE, w.add(_ROUNDED[op], x))), INT, "1"


def _sign(w: _Writer, op: Op, xs: _Operands) -> _Written:
    ((x, kind, tag),) = xs
    if kind == BOOL:
        raise NotSpelled
    return w.add(_call("sg_sign", 1, True), x), kind, tag


def _clip(w: _Writer, op: Op, xs: _Operands) -> _Written:
    x, low, high = xs
    x = _where(w, op, [_comparison_of(w, choices.less.op, [x, low]), low, x])
    return _where(w, op, [_comparison_of(w, choices.greater.op, [x, high]), high, x])


def _connected(w: _Writer, op: Op, xs: _Operands) -> _Written:
    if {kind for _, kind, _ in xs} != {BOOL}:
        raise NotSpelled
    return w.add(_CONNECTIVES[op], *[x for x, _, _ in xs]), BOOL, "0"


def _inverse(w: _Writer, op: Op, xs: _Operands) -> _Written:
    ((x, kind, _),) = xs
    if kind not in (BOOL, INT):
        raise NotSpelled
    return w.add(_SUB, "-1.0", x), INT, "1"


def _alias(w: _Writer, op: Op, xs: _Operands) -> _Written:
    return xs[0]


def _like(w: _Writer, op: Op, xs: _Operands) -> _Written:
    (n, _, _), (_, kind, tag) = xs
    if type(n) is not str:
        raise NotSpelled
    return (
        (n, FLOAT, "0") if kind == FLOAT else (n, EITHER, tag) if kind == EITHER else (n, INT, "1")
    )


def _where(w: _Writer, op: Op, xs: _Operands) -> _Written:
    (condition, kind, _), (a, kind_a, tag_a), (b, kind_b, tag_b) = xs
    if kind != BOOL:
        condition = w.add(_NOT_ZERO, condition)
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


def _power(w: _Writer, op: Op, xs: _Operands) -> _Written:
    if FLOAT not in [kind for _, kind, _ in xs]:
        raise NotSpelled
    return w.add(_call("sg_power", 2), *[x for x, _, _ in xs]), FLOAT, "0"


def _power_log(w: _Writer, op: Op, xs: _Operands) -> _Written:
    n = xs[2][0]
    if xs[0][1] != FLOAT or type(n) is not str or xs[2][1] != INT:
        raise NotSpelled
    return w.add(_call("sg_power_log", 3), *[x for x, _, _ in xs]), FLOAT, "0"


def _scaled(name: str) -> Callable[[_Writer, Op, _Operands], _Written]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> _Written:
        if xs[0][1] != FLOAT:
            raise NotSpelled
        return w.add(_call(name, 2), *[x for x, _, _ in xs]), FLOAT, "0"

    return rule


def _of_array(
    name: str, floats_alone: bool = False
) -> Callable[[_Writer, Op, _Operands], _Written]:
    def rule(w: _Writer, op: Op, xs: _Operands) -> _Written:
        if not xs or (floats_alone and {kind for _, kind, _ in xs} != {FLOAT}):
            raise NotSpelled
        return w.add(_call_of_array(name, len(xs)), *[x for x, _, _ in xs]), FLOAT, "0"

    return rule


def _called_back(w: _Writer, op: Op, xs: _Operands) -> _Written:
    if not xs:
        raise NotSpelled
    number = f"{CALLED_BACK.index(op)} /* {op.name} */, "
    form = _call_of_array("sg_python", len(xs), number)
    return w.add(form, *[x for x, _, _ in xs]), FLOAT, "0"


_RULES: dict[Op, Callable[[_Writer, Op, _Operands], _Written]] = {
    **dict.fromkeys(_FUNCTIONS, _function),
    **dict.fromkeys(_OF_FLOATS, _of_floats),
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
    op_of(many.constant_max): _of_array("sg_max", floats_alone=True),
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


class _Text(NamedTuple):
    text: str
    binding: int
    depth: int

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


class _Pieces:
    """Writes instructions as the bodies of functions of bounded size."""

    def __init__(self, writer: _Writer, outputs: list[_Place], names: Names) -> None:
        self.inputs = writer.code.inputs
        self.instructions = writer.instructions
        self.outputs: dict[_Place, list[int]] = {}
        for k, x in enumerate(outputs):
            self.outputs.setdefault(x, []).append(k)
        self.names = names
        self.bodies: list[list[str]] = []
        self.work = 0
        self._free: list[int] = []
        # The places in the work array that are free after each piece.
        self._leaving: dict[int, list[int]] = {}
        self._write()

    def _write(self) -> None:
        first, instructions = self.inputs, self.instructions
        self.uses = Counter(x for one in instructions for x in one.operands if type(x) is int)
        # How often an instruction's result is used in its own piece.
        self.near = Counter(
            x
            for k, one in enumerate(instructions)
            for x in one.operands
            if type(x) is int and x >= first and (x - first) // PIECE == k // PIECE
        )
        # The piece that uses an instruction's result last.
        self.last = {
            x: k // PIECE
            for k, one in enumerate(instructions)
            for x in one.operands
            if type(x) is int and x >= first
        }
        homes: dict[int, str] = {}
        for start in range(0, len(instructions), PIECE):
            piece = start // PIECE
            ending: list[tuple[int, int]] = []
            self.bodies.append(self._piece(piece, start, homes, ending))
            self._release(piece, ending)
        plain = [
            f"    out[{k}] = {f'in[{x}]' if type(x) is int else x};"
            for x, places in self.outputs.items()
            if type(x) is str or x < first  # type: ignore[operator]
            for k in places
        ]
        if plain or not self.bodies:
            if not self.bodies:
                self.bodies.append([])
            self.bodies[-1] += plain

    def _release(self, piece: int, made: list[tuple[int, int]]) -> None:
        """Let the places in the work array that no later piece reads be used again."""
        for x, slot in made:
            self._leaving.setdefault(self.last[x], []).append(slot)
        self._free += self._leaving.pop(piece, [])

    def _slot(self, x: int, made: list[tuple[int, int]]) -> int:
        """Return a place in the work array for an instruction's result; note it in `made`."""
        if not self._free:
            self._free.append(self.work)
            self.work += 1
        made.append((x, self._free.pop()))
        return made[-1][1]

    def _piece(
        self, piece: int, start: int, homes: dict[int, str], made: list[tuple[int, int]]
    ) -> list[str]:
        first = self.inputs
        lines: list[str] = []
        local: dict[int, _Text] = {}
        names = Names(self.names.taken)
        numbers = 0

        def text_of(x: _Place) -> _Text:
            if type(x) is str:
                return _Text(x, PREFIX if x[0] == "-" else ATOM, 0)
            if x < first:  # type: ignore[operator]
                return _Text(f"in[{x}]", ATOM, 0)
            found = local.get(x)  # type: ignore[arg-type]
            return found if found is not None else _Text(homes[x], ATOM, 0)  # type: ignore[index]

        for k, one in enumerate(self.instructions[start : start + PIECE], first + start):
            form = one.form
            parts = [text_of(x) for x in one.operands]
            within = [p.within(b) for p, b in zip(parts, form.operands, strict=True)]
            depth = max([p.depth for p in parts], default=0) + 1
            text = _Text(form.text.format(*within), form.binding, depth)
            outputs = self.outputs.get(k, [])
            later = self.last.get(k, piece) > piece
            short = depth <= _DEEPEST and len(text.text) <= _LONGEST
            if short and self.uses[k] == 1 and not (later or outputs or one.label):
                local[k] = text
                continue
            if outputs:
                home = f"out[{outputs[0]}]"
            elif later:
                home = f"work[{self._slot(k, made)}]"
            else:
                home = ""
            if not home or (self.near[k] and not later) or one.label:
                numbers += 1
                name = names.new(one.label or f"t{numbers}")
                lines.append(f"    const {form.type} {name} = {text.text};")
                text = _Text(name, ATOM, 0)
                if home:
                    lines.append(f"    {home} = {name};")
            else:
                lines.append(f"    {home} = {text.text};")
                text = _Text(f"({home} != 0)" if form.type == "int" else home, ATOM, 0)
            local[k] = text
            lines += [f"    out[{place}] = {home};" for place in outputs[1:]]
            if later:
                homes[k] = f"({home} != 0)" if form.type == "int" else home
        return lines


def spell_c(
    code: Code,
    name: str,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    result: Structure,
) -> SpelledC:
    """Return the C function `name` that gives `code`'s outputs for inputs that are all floats.

    The inputs of `code` are the numbers of the arguments, in order, and then `captured` more.
    Raises TypeError for an op or constant that C has no text for, and NotSpelled where the program
    has numbers that C would need to know the kind of.

    >>> from scalargrad.engine.code import Equation
    >>> square = Code(1, [Equation(arithmetic.mul.op, (0, 0))], [1])
    >>> "out[0] = in[0] * in[0];" in spell_c(square, "square", [("x", NUMBER)], 0, NUMBER).source
    True
    """
    writer = _Writer(code)
    outputs: list[_Place] = []
    results: list[Result] = []
    tags: list[_Place] = []
    for x in code.outputs:
        place, kind, tag = writer.operand(x)
        outputs.append(place)
        results.append(Result(kind, len(code.outputs) + len(tags) if kind == EITHER else -1))
        if kind == EITHER:
            tags.append(tag)
    names = Names(_taken())
    own = names.new(name if _WORDS.fullmatch(name) and name.isascii() else "f")
    pieces = _Pieces(writer, outputs + tags, names)
    body = "\n".join(_functions(own, code.inputs, pieces.bodies))
    helpers = "\n\n".join(_helpers(body))
    comment = _comment(own, code, arguments, captured, result, pieces.work, tags)
    parts = [comment, _INCLUDES, helpers, body]
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
_FLAGS = "FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW"


def _functions(name: str, inputs: int, bodies: list[list[str]]) -> Iterator[str]:
    for k, lines in enumerate(bodies):
        yield f"SG_APART static void {name}_{k}("
        yield "    const double *restrict in, double *restrict out, double *restrict work)"
        yield "{"
        text = "\n".join(lines)
        for parameter in ("in", "out", "work"):
            if f"{parameter}[" not in text:
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
    result: Structure,
    work: int,
    tags: Sequence[_Place],
) -> str:
    lines = [
        f"int {name}(const double *in, double *out, double *work)",
        "",
        "Returns 0 if out holds the result, and 1 if a number on the way was too large, undefined",
        "or divided by zero, or one of in is not finite: out then means nothing.",
        f"work is room for {work} doubles, which need no values." if work else "work is not used.",
        "Compile without fast-math, and with -ffp-contract=off for the bits that Python gives.",
        "",
    ]
    place = 0
    for argument, structure in arguments:
        lines += _places("in", argument, structure, place)
        place += size_of(structure)
    for k in range(place, place + captured):
        label = _plain(code.labels.get(k, ""))
        lines.append(f"in[{k}]: captured{f', {label}' if label else ''}")
    lines += _places("out", "the result", result, 0)
    for k in range(len(tags)):
        lines.append(f"out[{len(code.outputs) + k}]: 1 where Python's result is an int")
    return "/*\n" + "\n".join(f"   {line}".rstrip() for line in lines) + "\n*/"


_MOST_LINES = 40


def _places(array: str, name: str, structure: Structure, place: int) -> Iterator[str]:
    """Give lines that say which elements of an array are which parts of an argument."""
    size = size_of(structure)
    if not size:
        return
    if structure is NUMBER:
        yield f"{array}[{place}]: {_plain(name)}"
    elif size > _MOST_LINES or not isinstance(structure, Nest):
        last = f"{array}[{place + size - 1}]"
        yield f"{array}[{place}] to {last}: the numbers of {_plain(name)}, in order"
    else:
        for key, nest in parts_of(structure):
            yield from _places(array, f"{name}[{key!r}]", nest, place)
            place += size_of(nest)


def _plain(text: str) -> str:
    """Return `text` as it can stand in a comment."""
    return re.sub(r"[^\w .,\[\]'\"()+-]", "_", text, flags=re.ASCII)[:80]
