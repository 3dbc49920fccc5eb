"""Passes from Code to Code: simpler equations, equal ones shared, dead ones left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import copysign
from typing import Any

from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import arithmetic, choices, elementary, many
from scalargrad.functions.methods import all_ops
from scalargrad.programs.code import Builder, Call, Code, Literal, Operand, rebuild, without_dead
from scalargrad.programs.passes.kinds import ANY, BOOL, FLOAT, NUMBERS, Kinds, wide
from scalargrad.programs.passes.linking import ALIASES
from scalargrad.programs.trace.tuples import pack, pack_total

_ADD, _SUB, _NEG = arithmetic.add.op, arithmetic.sub.op, arithmetic.neg.op
_MUL, _DIV, _SUMPROD = arithmetic.mul.op, arithmetic.div.op, many.flat_sumprod.op
# Of all our functions these alone give another number for -0.0 than for 0.0. A user's own may too.
_SEE_SIGNS = {arithmetic.copysign.op, elementary.atan2.op}
_BLIND = {*all_ops().values(), pack, pack_total, total} - _SEE_SIGNS


def optimised(code: Code, inputs: str) -> Code:
    """Return `code` after all passes, for inputs that are all of the kind `inputs`."""
    return without_dead(simplified(code, inputs))


def simplified(code: Code, inputs: str) -> Code:
    """Return `code` with simpler equations of the same value and kind.

    The sign of a zero may differ, unless something in `code` sees it. `inputs` is the kind that all
    inputs are of. No equation is there twice.

    >>> from scalargrad.functions.arithmetic import add, mul
    >>> from scalargrad.programs.code import Equation
    >>> code = Code(1, [Equation(mul.op, (0, Literal(1))), Equation(add.op, (1, 1))], [2])
    >>> simplified(code, "float").equations
    [Equation(op=<op +>, operands=(0, 0))]
    """
    builder = _Simplifier([inputs] * code.inputs, {}, sees_signs(code))
    return rebuild(code, builder, builder.emit)


def sees_signs(code: Code) -> bool:
    """Return whether something in `code` may give another number for -0.0 than for 0.0.

    >>> from scalargrad.programs.code import Equation
    >>> sees_signs(Code(1, [Equation(elementary.atan2.op, (0, Literal(-1.0)))], [1]))
    True
    """
    for op in {op for op, _ in code.equations}:
        if isinstance(op, Call):
            if sees_signs(op.code):
                return True
        elif op not in _BLIND and type(op) is not Pick:
            return True
    return False


class _Simplifier(Builder):
    """Writes the simplest equations, and knows the kind of each variable: `kind(x)`.

    `negatives` has what a negation is the negative of, and `calls` the calls by what they were and
    the kinds of their inputs. `signed` says that something in the program sees the sign of a zero,
    which then is kept.
    """

    def __init__(self, inputs: Sequence[Any], calls: dict[Any, Call], signed: bool) -> None:
        super().__init__(len(inputs))
        self.kind = Kinds(self.code, inputs).of
        self.calls, self.signed = calls, signed
        self.negatives: dict[Operand, Operand] = {}
        self.negative = self.negatives.keys()

    def emit(self, op: Op, operands: tuple[Operand, ...]) -> Operand:
        """Return the simplest operand with the value and the kind of `op` of `operands`."""
        if type(op) is Call:
            return self.add(self.of_kinds(op, tuple(map(wide, map(self.kind, operands)))), operands)
        constant = Literal in map(type, operands)
        if constant or op in _OF_VARIABLES or not self.negative.isdisjoint(operands):
            rule = _RULES.get(op)
            simpler = rule(self, *operands) if rule is not None else None
            if simpler is None and constant and int not in map(type, operands):
                simpler = _folded(op, operands)
            if simpler is not None:
                return simpler
        place = self.add(op, operands)
        if op is _NEG:
            self.negatives[place] = operands[0]
        return place

    def of_kinds(self, op: Call, kinds: tuple[Any, ...]) -> Call:
        """Return a call optimised for inputs of these kinds: the same one each time."""
        found = self.calls.get((op, kinds))
        if found is None:
            inner = _Simplifier(kinds, self.calls, self.signed)
            code = rebuild(op.code, inner, inner.emit)
            outputs = tuple(map(inner.kind, code.outputs))
            kind = outputs if len(outputs) != 1 else outputs[0]
            found = self.calls[op, kinds] = Call(op.name, without_dead(code), kinds, kind)
        return found


def _folded(op: Op, operands: Sequence[Operand]) -> Operand | None:
    """Return the constant that `op` of constants is: as Python has it, or None where it raises."""
    if not any(type(x.value) is float for x in operands):  # type: ignore[union-attr]
        return None  # ints may grow without bound
    try:
        y = op.forward(*[x.value for x in operands])  # type: ignore[union-attr]
    except FAILURES:
        return None
    return Literal(y) if type(y) in (float, int, bool) else None


def _is(x: Operand, number: int) -> bool:
    """Return whether `x` is the constant int `number`: exact in every kind, unlike a float."""
    return type(x) is Literal and type(x.value) is int and x.value == number


def _is_float(x: Operand, number: float) -> bool:
    return type(x) is Literal and type(x.value) is float and x.value == number


def _neutral(s: _Simplifier, x: Operand, neutral: Operand, number: int) -> bool:
    """Return whether x with `neutral` is x itself, in kind too, `number` being neutral."""
    kind = s.kind(x)
    if kind not in NUMBERS:
        return False
    return _is(neutral, number) or (kind == FLOAT and _is_float(neutral, number))


def _is_nothing(s: _Simplifier, x: Operand, zero: Operand, sign: int = 1) -> bool:
    """Return whether x with `zero` added, or taken off with sign -1, is x itself."""
    if not s.signed:
        return _neutral(s, x, zero, 0)
    # -0.0 + 0 is 0.0, while anything + -0.0 and anything - 0.0 is what it was.
    if type(zero) is Literal and type(zero.value) is int:
        return sign < 0 and _neutral(s, x, zero, 0)
    return _neutral(s, x, zero, 0) and copysign(1.0, zero.value) != sign  # type: ignore[union-attr]


def _negated(s: _Simplifier, x: Operand, other: Operand) -> Operand | None:
    """Return what x is the negative of, if x may be replaced by that in arithmetic with `other`."""
    c = s.negatives.get(x)
    if c is None or ANY in (s.kind(x), s.kind(other)):
        return None
    # The negative of an int 0 has no sign.
    return c if not s.signed or s.kind(c) == FLOAT else None


def _add(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _is_nothing(s, a, b):
        return a
    if _is_nothing(s, b, a):
        return b
    if (c := _negated(s, b, a)) is not None:
        return s.emit(_SUB, (a, c))
    if (c := _negated(s, a, b)) is not None:
        return s.emit(_SUB, (b, c))
    return None


def _sub(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _is_nothing(s, a, b, -1):
        return a
    if _is_nothing(s, b, a):
        return s.emit(_NEG, (b,))
    return s.emit(_ADD, (a, c)) if (c := _negated(s, b, a)) is not None else None


def _mul(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if _neutral(s, b, a, 1):
        return b
    if _neutral(s, a, b, -1):
        return s.emit(_NEG, (a,))
    if _neutral(s, b, a, -1):
        return s.emit(_NEG, (b,))
    if (c := _negated(s, a, b)) is not None:
        return s.emit(_NEG, (s.emit(_MUL, (c, b)),))
    if (c := _negated(s, b, a)) is not None:
        return s.emit(_NEG, (s.emit(_MUL, (a, c)),))
    return None


def _div(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    # An int over 1 is a float.
    if s.kind(a) == FLOAT and (_is(b, 1) or _is_float(b, 1)):
        return a
    if (c := _negated(s, a, b)) is not None:
        return s.emit(_NEG, (s.emit(_DIV, (c, b)),))
    return None


def _sumprod(s: _Simplifier, *operands: Operand) -> Operand | None:
    """A sum of products begins with a 0: so does its text, where the sign of a zero is seen."""
    n = len(operands) // 2
    if not s.signed or operands[2 * n :] == (Literal(0),):
        return None
    products = s.add(_SUMPROD, (*operands[: 2 * n], Literal(0)))
    return s.add(_ADD, (products, operands[-1])) if len(operands) > 2 * n else products


def _neg(s: _Simplifier, a: Operand) -> Operand | None:
    c = s.negatives.get(a)
    return c if c is not None and s.kind(c) in NUMBERS else None


def _power(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if s.kind(a) == FLOAT and (_is(b, 0) or _is_float(b, 0)):
        return Literal(1.0)
    return None


def _pos(s: _Simplifier, a: Operand) -> Operand | None:
    return a if s.kind(a) in NUMBERS else None  # +x rounds a Decimal, and +True is 1


def _like(s: _Simplifier, n: Operand, x: Operand) -> Operand | None:
    if s.kind(x) == FLOAT and type(n) is Literal:
        return Literal(float(n.value))
    return n if s.kind(x) == BOOL or (type(x) is Literal and type(x.value) is int) else None


def _where(s: _Simplifier, condition: Operand, a: Operand, b: Operand) -> Operand | None:
    if type(condition) is Literal:
        return a if condition.value else b
    return a if a == b and type(a) is int else None


# Their rules have something to say where neither constants nor negatives are among the operands.
_OF_VARIABLES = {
    *(*ALIASES, arithmetic.pos.op, choices.like.op, op_of(choices.where), _SUMPROD),
}
_RULES: dict[Op, Callable[..., Operand | None]] = {
    _ADD: _add,
    _SUB: _sub,
    _MUL: _mul,
    _DIV: _div,
    _SUMPROD: _sumprod,
    _NEG: _neg,
    elementary.power.op: _power,
    arithmetic.pos.op: _pos,
    choices.like.op: _like,
    op_of(choices.where): _where,
    **{op: lambda s, a: a for op in ALIASES},
}
