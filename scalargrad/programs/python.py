"""The Python speller: Code as the text of a straight-line Python function.

A table says how each op is written. What is used once is written into the place of its use, up to
some depth and length; all else is a local variable. The text is kept within what Python's own
compiler takes.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import count
from typing import Any, NamedTuple

from scalargrad.engine.code import Code, Literal, Operand
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many
from scalargrad.programs.kinds import FLOAT, kinds_of, operand_kind
from scalargrad.programs.names import Names
from scalargrad.programs.nests import returned, unpack
from scalargrad.programs.simplify import constant_key
from scalargrad.transforms.nesting import Structure

# How tightly the parts of an expression bind, as in Python's grammar; the last is a name or call.
CHOICE, COMPARISON, OR, XOR, AND, SUM, PRODUCT, NEGATION, POWER, ATOM = range(10)

# Operators between two operands: the sign, how tightly it binds, and how tightly the operands must.
# Python chains comparisons without brackets: a > b == c means a > b and b == c.
_INFIX: dict[Op, tuple[str, int, int, int]] = {
    arithmetic.add.op: (" + ", SUM, SUM, PRODUCT),
    arithmetic.sub.op: (" - ", SUM, SUM, PRODUCT),
    arithmetic.mul.op: (" * ", PRODUCT, PRODUCT, NEGATION),
    arithmetic.div.op: (" / ", PRODUCT, PRODUCT, NEGATION),
    arithmetic.mod.op: (" % ", PRODUCT, PRODUCT, NEGATION),
    arithmetic.floordiv.op: (" // ", PRODUCT, PRODUCT, NEGATION),
    choices.greater.op: (" > ", COMPARISON, OR, OR),
    choices.less.op: (" < ", COMPARISON, OR, OR),
    choices.at_least.op: (" >= ", COMPARISON, OR, OR),
    choices.at_most.op: (" <= ", COMPARISON, OR, OR),
    choices.equal.op: (" == ", COMPARISON, OR, OR),
    choices.unequal.op: (" != ", COMPARISON, OR, OR),
    choices.either.op: (" | ", OR, OR, XOR),
    choices.one_of.op: (" ^ ", XOR, XOR, AND),
    choices.both.op: (" & ", AND, AND, SUM),
}
_PREFIX: dict[Op, str] = {
    arithmetic.neg.op: "-",
    arithmetic.pos.op: "+",
    choices.inverse.op: "~",
}
# Functions that a program calls otherwise than by the op's own forward: of a tuple of numbers.
_OF_TUPLES: dict[Op, tuple[str, Callable[..., Any]]] = {
    op_of(many.fsum): ("fsum", math.fsum),
    many.constant_max.op: ("max", max),
}
_RELU, _WHERE, _ADD = activations.relu.op, op_of(choices.where), arithmetic.add.op
_POWER, _PROD, _SUMPROD = elementary.power.op, op_of(many.prod), op_of(many.sumprod)
# They cannot raise on floats, and so need not be computed where they are not chosen.
_SAFE = {
    *(op for op, (sign, *_) in _INFIX.items() if sign not in (" / ", " % ", " // ")),
    *(arithmetic.neg.op, arithmetic.pos.op, _RELU, _WHERE, _SUMPROD, total),
}
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 12, 150
# So many terms at most make one sum.
_MOST = 100
_PIECE = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'"])+""")


class Text(NamedTuple):
    """An expression, how tightly it binds, how deep it is, and whether it can raise."""

    text: str
    binding: int = ATOM
    depth: int = 0
    safe: bool = True

    def within(self, binding: int) -> str:
        """Return the text where something of this binding is needed."""
        return self.text if self.binding >= binding else f"({self.text})"


_text = partial(tuple.__new__, Text)  # a third of the time of a call of the class


class Spelled(NamedTuple):
    """The text of a function, its name in it, and what its globals must be."""

    source: str
    name: str
    ops: dict[str, Op]
    constants: dict[str, Any]


class Speller:
    """Writes the equations of a Code as the body of a function."""

    def __init__(self, code: Code, names: Names, inputs: str) -> None:
        self.code = code
        self.lines: list[str] = []
        self.ops: dict[str, Op] = {}
        self.constants: dict[str, Any] = {}
        self.called: dict[Op, str] = {}
        self._unused = ""
        self.constant_names: dict[Any, str] = {}
        self.names = names
        self.temporaries = map("t{}".format, count(1))
        self.texts: list[Text | None] = [None] * code.inputs
        self.inputs = inputs
        self.uses = Counter(x for _, operands in code.equations for x in operands if type(x) is int)
        self.uses.update(x for x in code.outputs if type(x) is int)
        for op in dict.fromkeys(op for op, _ in code.equations):
            if op not in _INFIX and op not in _PREFIX and type(op) is not Pick and op is not _WHERE:
                self.op_name(op)

    def write(self) -> None:
        """Write all equations."""
        texts, uses, labels = self.texts, self.uses, self.code.labels
        for k, (op, operands) in enumerate(self.code.equations, self.code.inputs):
            text = self.expression(op, operands)
            label = labels.get(k, "")
            if uses[k] > 1 or label or text.depth > _DEEPEST or len(text.text) > _LONGEST:
                text = self.local(text, label)
            texts.append(text)

    def local(self, text: Text, label: str = "") -> Text:
        """Write a statement that gives an expression a name; return the name."""
        if label:
            name = self.names.new(label)
        else:
            name = next(self.temporaries)
            while not self.names.take(name):
                name = next(self.temporaries)
        self.statement(f"{name} =", text.text)
        return Text(name)

    def name_input(self, place: int, name: str, labelled: bool = True) -> None:
        """Say what name an input has, in the text and, where it is labelled, in errors."""
        self.texts[place] = Text(name)
        if labelled:
            self.code.labels[place] = name

    def unused(self) -> str:
        """Return the name of what is not needed: `_`, unless an argument has it."""
        if not self._unused:
            self._unused = self.names.new("_")
        return self._unused

    def named(self, text: str) -> str:
        """Write a statement that gives an expression a name; return the name."""
        return self.local(Text(text)).text

    def element(self, x: Operand) -> str:
        """Return the text of a variable or constant as an element of a list."""
        return self.operand(x).within(COMPARISON)

    def statement(self, start: str, expression: str) -> None:
        """Write one line, or more where it is long."""
        line = f"    {start} {expression}"
        if len(line) > 100:
            line = f"    {start} (\n{_wrapped(expression)}\n    )"
        self.lines.append(line)

    def take_apart(self, names: list[str], whole: str) -> None:
        """Write the line, or lines, that give the elements of `whole` their names."""
        listed = ", ".join(names) + "," * (len(names) == 1)
        if len(listed) > 80:
            listed = f"(\n{_wrapped(listed)}\n    )"
        self.lines.append(f"    {listed} = {whole}")

    def operand(self, x: Operand) -> Text:
        """Return the text of a variable or constant."""
        if type(x) is int:
            return self.texts[x]  # type: ignore[return-value]
        return self.literal(x.value)  # type: ignore[union-attr]

    def literal(self, x: Any) -> Text:
        """Return the text of a constant: of itself, or the name of a global."""
        kind = type(x)
        plain = kind is bool or (kind is int and abs(x) < 10**20)
        if plain or (kind is float and math.isfinite(x)):
            return Text(repr(x), NEGATION if repr(x)[0] == "-" else ATOM)
        return Text(self.constant(x, repr(x).replace("-", "minus_") if kind is float else "c"))

    def constant(self, x: Any, wish: str) -> str:
        """Return the name of the global that is `x`: a number, a class or a key of a dict."""
        key = constant_key(x)
        if key not in self.constant_names:
            self.constant_names[key] = self.names.new(wish)
            self.constants[self.constant_names[key]] = x
        return self.constant_names[key]

    def op_name(self, op: Op) -> str:
        """Return the name of the global that computes `op`."""
        if op not in self.called:
            wish = _OF_TUPLES[op][0] if op in _OF_TUPLES else op.name
            wish = wish if wish.isidentifier() else op.function.__name__
            self.called[op] = self.names.new(wish, builtin=op in _OF_TUPLES)
        return self.called[op]

    def expression(self, op: Op, operands: tuple[Operand, ...]) -> Text:
        """Return the text of `op` applied to `operands`."""
        texts = self.texts
        if op in _INFIX:
            x, y = operands
            a: Any = texts[x] if type(x) is int else self.literal(x.value)  # type: ignore[union-attr]
            b: Any = texts[y] if type(y) is int else self.literal(y.value)  # type: ignore[union-attr]
            sign, binding, left, right = _INFIX[op]
            first = a[0] if a[1] >= left else f"({a[0]})"
            depth = (a[2] if a[2] > b[2] else b[2]) + 1
            safe = a[3] and b[3] and op in _SAFE
            if op is _ADD and b[1] == NEGATION and b[0][0] == "-":
                return _text((f"{first} - {b[0][1:]}", SUM, depth, safe))
            second = b[0] if b[1] >= right else f"({b[0]})"
            return _text((first + sign + second, binding, depth, safe))
        parts = [self.operand(x) for x in operands]
        depth = max([part.depth for part in parts], default=0) + 1
        safe = op in _SAFE and all(part.safe for part in parts)
        text, binding = self.spelled(op, operands, parts)
        return _text((text, binding, depth, safe))

    def spelled(self, op: Op, operands: tuple[Operand, ...], parts: list[Text]) -> tuple[str, int]:
        """Return the text of `op` of these parts, and how tightly it binds."""
        if type(op) is Pick:
            return f"{parts[0].within(ATOM)}[{op.place}]", ATOM
        if op in _PREFIX:
            return _PREFIX[op] + parts[0].within(NEGATION), NEGATION
        if op is _WHERE:
            # What may raise is computed where it stands, also if it is not chosen.
            parts = [part if part.safe else self.local(part) for part in parts]
            condition, a, b = [part.within(COMPARISON) for part in parts]
            return f"{a} if {condition} else {b}", CHOICE
        if op is _RELU and self.kind(operands[0]) == FLOAT:
            x = parts[0].text if parts[0].binding == ATOM else self.local(parts[0]).text
            return f"0.0 if {x} <= 0 else {x}", CHOICE
        if op is _POWER and type(operands[1]) is Literal and type(operands[1].value) is int:
            return f"{parts[0].within(ATOM)} ** {parts[1].within(NEGATION)}", POWER
        n = len(parts) // 2
        if op is _SUMPROD and n:
            # Faster than math.sumprod, which must be handed two tuples.
            kinds = [self.kind(x) for x in operands]
            factors = zip(parts[:n], parts[n : 2 * n], kinds[:n], kinds[n : 2 * n], strict=True)
            terms = [_product(*pair) for pair in factors]
            terms += [offset.within(PRODUCT) for offset in parts[2 * n :]]
            return self.joined(" + ", terms), SUM
        if op is total:
            return self.joined(" + ", [part.within(PRODUCT) for part in parts]), SUM
        if op is _PROD and len(parts) > 1:
            ones = ("1", "1.0") if FLOAT in map(self.kind, operands) else ("1",)
            rest = [part.within(NEGATION) for part in parts if part.text not in ones]
            if len(rest) > 1:
                return self.joined(" * ", rest), PRODUCT
        if op in _OF_TUPLES:
            text = ", ".join(part.within(COMPARISON) for part in parts)
            return f"{self.op_name(op)}(({text}{',' * (len(parts) == 1)}))", ATOM
        text = ", ".join(part.within(COMPARISON) for part in parts)
        return f"{self.op_name(op)}({text})", ATOM

    def kind(self, x: Operand) -> str:
        """Return the kind of an operand."""
        return operand_kind(x, self.kinds)

    @cached_property
    def kinds(self) -> list[str]:
        """The kinds of all variables; few ops ask."""
        return kinds_of(self.code, self.inputs)

    def joined(self, sign: str, terms: list[str]) -> str:
        """Return terms with a sign between, in pieces: Python's compiler recurses over them."""
        text = sign.join(terms[:_MOST])
        for i in range(_MOST, len(terms), _MOST):
            text = sign.join([self.local(Text(text)).text, *terms[i : i + _MOST]])
        return text


def _product(p: Text, q: Text, kind_p: str, kind_q: str) -> str:
    if p.text == "1" or (p.text == "1.0" and kind_q == FLOAT):
        return q.within(PRODUCT)
    if q.text == "1" or (q.text == "1.0" and kind_p == FLOAT):
        return p.within(PRODUCT)
    return f"{p.within(PRODUCT)} * {q.within(NEGATION)}"


def _wrapped(text: str) -> str:
    """Return `text` as indented lines, broken at spaces, but within no string."""
    lines, line = [], ""
    for piece in _PIECE.findall(text):
        if line and len(line) + len(piece) > 91:
            lines.append(line)
            line = ""
        line += f" {piece}" if line else piece
    return "\n".join(f"        {line}" for line in [*lines, line])


def spell_python(
    code: Code,
    name: str,
    arguments: Sequence[tuple[str, Structure]],
    captured: int,
    result: Structure,
    inputs: str,
) -> Spelled:
    """Return the function `name` of `arguments`, by name and nesting, that gives `code`'s outputs.

    The inputs of `code` are the numbers of all the arguments, in order, and then `captured` more,
    which come in a list as a last argument. They are all of the kind `inputs`. `result` is the
    nesting of the outputs.

    >>> from scalargrad.engine.code import Equation
    >>> square = Code(1, [Equation(arithmetic.mul.op, (0, 0))], [1])
    >>> print(spell_python(square, "square", [("x", None)], 0, None, "float").source)
    def square(x):
        return x * x
    <BLANKLINE>
    """
    taken = [argument for argument, _ in arguments]
    names = Names(taken)
    speller = Speller(code, names, inputs)
    place = 0
    for argument, structure in arguments:
        place = unpack(speller, argument, structure, place)
    parameters = taken
    if captured:
        given = names.new("captured")
        parameters = [*taken, given]
        inner = [names.new(code.labels.get(k) or "p") for k in range(place, place + captured)]
        for k, own in enumerate(inner, place):
            speller.name_input(k, own, labelled=False)
        speller.take_apart(inner, given)
    speller.write()
    speller.statement("return", returned(speller, result, iter(code.outputs)))
    own = names.new(name if name.isidentifier() else "f")
    source = "\n".join([f"def {own}({', '.join(parameters)}):", *speller.lines, ""])
    ops = {called: op for op, called in speller.called.items()}
    return Spelled(source, own, ops, speller.constants)


def function_of(op: Op) -> Callable[..., Any]:
    """Return what a program calls for `op`.

    >>> function_of(op_of(many.fsum))([1.0, 2.0])
    3.0
    """
    return _OF_TUPLES[op][1] if op in _OF_TUPLES else op.forward
