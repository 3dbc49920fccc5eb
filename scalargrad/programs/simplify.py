"""Passes from Code to Code: simpler equations, equal ones shared, dead ones left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Rational
from typing import Any

from scalargrad.engine.code import Code, Equation, Literal, Operand, equation
from scalargrad.engine.errors import FAILURES
from scalargrad.engine.op import Op
from scalargrad.engine.primitive import op_of
from scalargrad.engine.real import is_real
from scalargrad.functions import arithmetic, choices, elementary
from scalargrad.programs.kinds import ANY, BOOL, FLOAT, PLAIN, operand_kind, result_kind
from scalargrad.programs.linking import CutCall

_ADD, _SUB, _NEG = arithmetic.add.op, arithmetic.sub.op, arithmetic.neg.op
_MUL, _DIV = arithmetic.mul.op, arithmetic.div.op
# Their result is their operand: they only mean something to derivatives.
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}


def optimised(code: Code, inputs: str) -> Code:
    """Return `code` after all passes, for inputs that are all of the kind `inputs`."""
    return without_dead(simplified(code, inputs))


def _of_kinds(op: CutCall, kinds: tuple[Any, ...], calls: dict[Any, CutCall]) -> CutCall:
    """Return a call optimised for inputs of these kinds: the same one each time."""
    found = calls.get((op, kinds))
    if found is None:
        code, known = _rebuilt(op.code, kinds, _Builder.emit, calls)
        outputs = tuple(operand_kind(x, known) for x in code.outputs)
        kind = outputs if len(outputs) != 1 else outputs[0]
        found = calls[op, kinds] = CutCall(op.name, without_dead(code), kinds, kind)
    return found


class _Builder:
    """Equations as they are written, none twice; and what is known of each variable.

    `kinds` has the kind of each, and `negatives` what a negation is the negative of. `calls` has
    the calls by what they were and the kinds of their inputs.
    """

    def __init__(self, inputs: Sequence[Any], calls: dict[Any, CutCall]) -> None:
        self.equations: list[Equation] = []
        self.kinds = list(inputs)
        self.calls = calls
        self.negatives: dict[Operand, Operand] = {}
        self._first: dict[Any, int] = {}
        self._kinds_by_op: dict[Any, str] = {}

    def kind(self, x: Operand) -> Any:
        return self.kinds[x] if type(x) is int else operand_kind(x, self.kinds)

    def add(self, op: Op, operands: tuple[Operand, ...]) -> Operand:
        """Return the variable of `op` of `operands`: the one that is there, or a new one."""
        key: Any = (op, operands)
        if Literal in map(type, operands):
            # By kind and digits: Literal(0) equals Literal(-0.0) and Literal(False).
            key = (op, *[x if type(x) is int else constant_key(x.value) for x in operands])  # type: ignore[union-attr]
        place = self._first.get(key)
        if place is None or not op.shares:
            kinds = self.kinds
            place = self._first[key] = len(kinds)
            self.equations.append(equation((op, operands)))
            own = tuple([kinds[x] if type(x) is int else operand_kind(x, kinds) for x in operands])
            kind = self._kinds_by_op.get((op, own))
            if kind is None:
                kind = self._kinds_by_op[op, own] = result_kind(op, own)
            kinds.append(kind)
            if op is _NEG:
                self.negatives[place] = operands[0]
        return place

    def emit(self, op: Op, operands: tuple[Operand, ...]) -> Operand:
        """Return the simplest operand with the value and the kind of `op` of `operands`."""
        if type(op) is CutCall:
            kinds = tuple([self.kind(x) for x in operands])
            return self.add(_of_kinds(op, kinds, self.calls), operands)
        constant = Literal in map(type, operands)
        if constant or op in _OF_VARIABLES or not self.negatives.keys().isdisjoint(operands):
            rule = _RULES.get(op)
            simpler = rule(self, *operands) if rule is not None else None
            if simpler is None and constant and int not in map(type, operands):
                simpler = _folded(op, operands)
            if simpler is not None:
                return simpler
        return self.add(op, operands)


def _rebuilt(
    code: Code, inputs: Sequence[Any], write: Callable[..., Operand], calls: dict[Any, CutCall]
) -> tuple[Code, list[Any]]:
    """Return `code` with each equation written by `write(builder, op, operands)`, and its kinds."""
    builder = _Builder(inputs, calls)
    known: list[Operand] = list(range(code.inputs))
    for op, operands in code.equations:
        known.append(
            write(builder, op, tuple([known[x] if type(x) is int else x for x in operands]))
        )
    labels: dict[int, str] = {}
    for k, label in code.labels.items():
        place = known[k]
        if type(place) is int and (place >= code.inputs or k < code.inputs):
            labels.setdefault(place, label)
    outputs = [known[x] if type(x) is int else x for x in code.outputs]
    return Code(code.inputs, builder.equations, outputs, labels), builder.kinds


def simplified(code: Code, inputs: str) -> Code:
    """Return `code` with simpler equations of the same value and kind; a zero's sign may differ.

    `inputs` is the kind that all inputs are of. No equation is there twice.

    >>> from scalargrad.functions.arithmetic import add, mul
    >>> code = Code(1, [Equation(mul.op, (0, Literal(1))), Equation(add.op, (1, 1))], [2])
    >>> simplified(code, "float").equations
    [Equation(op=<op +>, operands=(0, 0))]
    """
    return _rebuilt(code, [inputs] * code.inputs, _Builder.emit, {})[0]


def shared(code: Code) -> Code:
    """Return `code` with one equation in place of several with the same op and operands.

    >>> from scalargrad import sin
    >>> len(shared(Code(1, [Equation(sin.op, (0,))] * 2, [1, 2])).equations)
    1
    """
    return _rebuilt(code, [ANY] * code.inputs, _Builder.add, {})[0]


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
            operands = tuple([place[x] if type(x) is int else x for x in operands])
            equations.append(equation((op, operands)))
    labels = {place[k]: label for k, label in code.labels.items() if k < first or alive[k]}
    outputs: list[Operand] = [place[x] if type(x) is int else x for x in code.outputs]
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


def _neutral(s: _Builder, x: Operand, neutral: Operand, number: int) -> bool:
    """Return whether x with `neutral` is x itself, in kind too, `number` being neutral."""
    kind = s.kind(x)
    if kind not in (FLOAT, PLAIN):
        return False
    return _is(neutral, number) or (kind == FLOAT and _is_float(neutral, number))


def _add(s: _Builder, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 0):
        return a
    if _neutral(s, b, a, 0):
        return b
    if ANY not in (s.kind(a), s.kind(b)):
        if (c := s.negatives.get(b)) is not None:
            return s.emit(_SUB, (a, c))
        if (c := s.negatives.get(a)) is not None:
            return s.emit(_SUB, (b, c))
    return None


def _sub(s: _Builder, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 0):
        return a
    if _neutral(s, b, a, 0):
        return s.emit(_NEG, (b,))
    if ANY not in (s.kind(a), s.kind(b)) and (c := s.negatives.get(b)) is not None:
        return s.emit(_ADD, (a, c))
    return None


def _mul(s: _Builder, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if _neutral(s, b, a, 1):
        return b
    if _neutral(s, a, b, -1):
        return s.emit(_NEG, (a,))
    if _neutral(s, b, a, -1):
        return s.emit(_NEG, (b,))
    if ANY not in (s.kind(a), s.kind(b)):
        if (c := s.negatives.get(a)) is not None:
            return s.emit(_NEG, (s.emit(_MUL, (c, b)),))
        if (c := s.negatives.get(b)) is not None:
            return s.emit(_NEG, (s.emit(_MUL, (a, c)),))
    return None


def _div(s: _Builder, a: Operand, b: Operand) -> Operand | None:
    # An int over 1 is a float.
    if s.kind(a) == FLOAT and (_is(b, 1) or _is_float(b, 1)):
        return a
    if ANY not in (s.kind(a), s.kind(b)) and (c := s.negatives.get(a)) is not None:
        return s.emit(_NEG, (s.emit(_DIV, (c, b)),))
    return None


def _neg(s: _Builder, a: Operand) -> Operand | None:
    c = s.negatives.get(a)
    return c if c is not None and s.kind(c) in (FLOAT, PLAIN) else None


def _power(s: _Builder, a: Operand, b: Operand) -> Operand | None:
    if _neutral(s, a, b, 1):
        return a
    if s.kind(a) == FLOAT and (_is(b, 0) or _is_float(b, 0)):
        return Literal(1.0)
    return None


def _pos(s: _Builder, a: Operand) -> Operand | None:
    return a if s.kind(a) in (FLOAT, PLAIN) else None  # +x rounds a Decimal, and +True is 1


def _like(s: _Builder, n: Operand, x: Operand) -> Operand | None:
    if s.kind(x) == FLOAT and type(n) is Literal:
        return Literal(float(n.value))
    return n if s.kind(x) == BOOL or (type(x) is Literal and type(x.value) is int) else None


def _where(s: _Builder, condition: Operand, a: Operand, b: Operand) -> Operand | None:
    if type(condition) is Literal:
        return a if condition.value else b
    return a if a == b and type(a) is int else None


# Their rules have something to say where neither constants nor negatives are among the operands.
_OF_VARIABLES = {*_ALIASES, arithmetic.pos.op, choices.like.op, op_of(choices.where)}
_RULES: dict[Op, Callable[..., Operand | None]] = {
    _ADD: _add,
    _SUB: _sub,
    _MUL: _mul,
    _DIV: _div,
    _NEG: _neg,
    elementary.power.op: _power,
    arithmetic.pos.op: _pos,
    choices.like.op: _like,
    op_of(choices.where): _where,
    **{op: lambda s, a: a for op in _ALIASES},
}
