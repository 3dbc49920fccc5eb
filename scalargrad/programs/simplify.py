"""Passes from Code to Code: simpler equations, equal ones shared, dead ones left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Rational
from typing import Any

from scalargrad.engine.code import Code, Equation, Literal, Operand
from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op, is_real
from scalargrad.functions import arithmetic, choices, elementary
from scalargrad.programs.kinds import ANY, BOOL, FLOAT, PLAIN, operand_kind, result_kind

_ADD, _SUB, _NEG = arithmetic.add.op, arithmetic.sub.op, arithmetic.neg.op
_MUL, _DIV = arithmetic.mul.op, arithmetic.div.op
# Their result is their operand: they only mean something to derivatives.
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}


def optimised(code: Code, inputs: str) -> Code:
    """Return `code` after all passes, for inputs that are all of the kind `inputs`."""
    return without_dead(shared(simplified(code, inputs)))


class _Simplifier:
    """The equations so far, and of each variable its kind and the equation that made it."""

    def __init__(self, code: Code, inputs: str) -> None:
        self.inputs = code.inputs
        self.equations: list[Equation] = []
        self.kinds = [inputs] * code.inputs

    def kind(self, x: Operand) -> str:
        return operand_kind(x, self.kinds)

    def negated(self, x: Operand) -> Operand | None:
        """Return what `x` is the negative of, if it is a negation."""
        if type(x) is not int or x < self.inputs:
            return None
        op, operands = self.equations[x - self.inputs]
        return operands[0] if op is _NEG else None

    def emit(self, op: Op, *operands: Operand) -> Operand:
        """Return a variable or constant that has the value and the kind of `op` of `operands`."""
        rule = _RULES.get(op)
        if rule is not None and (simpler := rule(self, *operands)) is not None:
            return simpler
        kinds = [self.kind(x) for x in operands]
        if FLOAT in kinds and all(type(x) is Literal for x in operands):
            folded = _folded(op, operands)
            if folded is not None:
                return folded
        self.equations.append(Equation(op, operands))
        self.kinds.append(result_kind(op, kinds))
        return self.inputs + len(self.equations) - 1


def simplified(code: Code, inputs: str) -> Code:
    """Return `code` with simpler equations of the same value and kind; a zero's sign may differ.

    >>> from scalargrad.functions.arithmetic import add, mul
    >>> code = Code(1, [Equation(mul.op, (0, Literal(1))), Equation(add.op, (1, 1))], [2])
    >>> simplified(code, "float").equations
    [Equation(op=<op +>, operands=(0, 0))]
    """
    made = _Simplifier(code, inputs)
    known: list[Operand] = list(range(code.inputs))
    labels = {k: label for k, label in code.labels.items() if k < code.inputs}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        found = made.emit(op, *[known[x] if type(x) is int else x for x in operands])  # type: ignore[index]
        if k in code.labels and type(found) is int and found >= code.inputs:
            labels.setdefault(found, code.labels[k])
        known.append(found)
    outputs = [known[x] if type(x) is int else x for x in code.outputs]  # type: ignore[index]
    return Code(code.inputs, made.equations, outputs, labels)


def shared(code: Code) -> Code:
    """Return `code` with one equation in place of several with the same op and operands."""
    first: dict[Any, int] = {}
    known: list[Operand] = list(range(code.inputs))
    equations: list[Equation] = []
    labels = {k: label for k, label in code.labels.items() if k < code.inputs}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        operands = tuple([known[x] if type(x) is int else x for x in operands])  # type: ignore[index]
        key = (op, *[x if type(x) is int else constant_key(x.value) for x in operands])  # type: ignore[union-attr]
        place = first.get(key) if op.shares else None
        if place is None:
            place = first[key] = code.inputs + len(equations)
            equations.append(Equation(op, operands))
        if k in code.labels:
            labels.setdefault(place, code.labels[k])
        known.append(place)
    outputs = [known[x] if type(x) is int else x for x in code.outputs]  # type: ignore[index]
    return Code(code.inputs, equations, outputs, labels)


def without_dead(code: Code) -> Code:
    """Return `code` without the equations that no output depends on."""
    first = code.inputs
    alive = [False] * (first + len(code.equations))
    for x in code.outputs:
        if type(x) is int:
            alive[x] = True
    for k in range(len(code.equations) - 1, -1, -1):
        if alive[first + k]:
            for x in code.equations[k].operands:
                if type(x) is int:
                    alive[x] = True
    if all(alive[first:]):
        return code
    place = list(range(first))
    equations: list[Equation] = []
    for k, (op, operands) in enumerate(code.equations):
        place.append(first + len(equations))
        if alive[first + k]:
            operands = tuple([place[x] if type(x) is int else x for x in operands])  # type: ignore[index]
            equations.append(Equation(op, operands))
    labels = {place[k]: label for k, label in code.labels.items() if k < first or alive[k]}
    outputs: list[Operand] = [place[x] if type(x) is int else x for x in code.outputs]  # type: ignore[index]
    return replace(code, equations=equations, outputs=outputs, labels=labels)


def constant_key(x: Any) -> Any:
    """Return what tells the constant `x` from all that are not the same in kind, sign and digits.

    >>> constant_key(0.0) == constant_key(-0.0), constant_key(1) == constant_key(True)
    (False, False)
    """
    if isinstance(x, Rational):
        return type(x), x
    return (type(x), repr(x)) if is_real(x) else id(x)


def _folded(op: Op, operands: Sequence[Operand]) -> Operand | None:
    """Return the constant that `op` of constants is: as Python has it, or None where it raises."""
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
    """Return whether x with `neutral` is x itself, `number` being neutral: of the same kind, too."""
    kind = s.kind(x)
    if kind not in (FLOAT, PLAIN):
        return False
    return _is(neutral, number) or (kind == FLOAT and _is_float(neutral, number))


def _add(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 0):
        return a
    if _neutral(s, b, a, 0):
        return b
    if ANY not in (s.kind(a), s.kind(b)):
        if (c := s.negated(b)) is not None:
            return s.emit(_SUB, a, c)
        if (c := s.negated(a)) is not None:
            return s.emit(_SUB, b, c)
    return None


def _sub(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 0):
        return a
    if _neutral(s, b, a, 0):
        return s.emit(_NEG, b)
    if ANY not in (s.kind(a), s.kind(b)) and (c := s.negated(b)) is not None:
        return s.emit(_ADD, a, c)
    return None


def _mul(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if _neutral(s, b, a, 1):
        return b
    if _neutral(s, a, b, -1):
        return s.emit(_NEG, a)
    if _neutral(s, b, a, -1):
        return s.emit(_NEG, b)
    if ANY not in (s.kind(a), s.kind(b)):
        if (c := s.negated(a)) is not None:
            return s.emit(_NEG, s.emit(_MUL, c, b))
        if (c := s.negated(b)) is not None:
            return s.emit(_NEG, s.emit(_MUL, a, c))
    return None


def _div(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    # An int over 1 is a float.
    if s.kind(a) == FLOAT and (_is(b, 1) or _is_float(b, 1)):
        return a
    if ANY not in (s.kind(a), s.kind(b)) and (c := s.negated(a)) is not None:
        return s.emit(_NEG, s.emit(_DIV, c, b))
    return None


def _neg(s: _Simplifier, a: Operand) -> Operand | None:
    c = s.negated(a)
    return c if c is not None and s.kind(c) in (FLOAT, PLAIN) else None


def _power(s: _Simplifier, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if s.kind(a) == FLOAT and (_is(b, 0) or _is_float(b, 0)):
        return Literal(1.0)
    return None


def _pos(s: _Simplifier, a: Operand) -> Operand | None:
    return a if s.kind(a) in (FLOAT, PLAIN) else None  # +x rounds a Decimal, and +True is 1


def _like(s: _Simplifier, n: Operand, x: Operand) -> Operand | None:
    if s.kind(x) == FLOAT and type(n) is Literal:
        return Literal(float(n.value))
    return n if s.kind(x) == BOOL or (type(x) is Literal and type(x.value) is int) else None


def _where(s: _Simplifier, condition: Operand, a: Operand, b: Operand) -> Operand | None:
    if type(condition) is Literal:
        return a if condition.value else b
    return a if a == b and type(a) is int else None


_RULES: dict[Op, Callable[..., Operand | None]] = {
    _ADD: _add,
    _SUB: _sub,
    _MUL: _mul,
    _DIV: _div,
    _NEG: _neg,
    elementary.power.op: _power,
    arithmetic.pos.op: _pos,
    choices.like.op: _like,
    choices.where.op: _where,
    **{op: lambda s, a: a for op in _ALIASES},
}
