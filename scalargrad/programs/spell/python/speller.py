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

from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.functions import activations, arithmetic, choices, elementary, many
from scalargrad.programs.code import (
    Call,
    Code,
    Leaf,
    Literal,
    Operand,
    Untraced,
    constant_key,
)
from scalargrad.programs.passes.kinds import FLOAT, NUMBERS, Kinds
from scalargrad.programs.passes.places import Nest, Places
from scalargrad.programs.spell.names import Names
from scalargrad.programs.trace.tuples import pack, pack_total

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
}
_RELU, _WHERE = activations.relu.op, op_of(choices.where)
_ADD, _MUL = arithmetic.add.op, arithmetic.mul.op
_POWER, _PROD, _SUMPROD = elementary.power.op, op_of(many.prod), op_of(many.sumprod)
# They cannot raise on floats, and so need not be computed where they are not chosen.
_SAFE = {
    *(op for op, (sign, *_) in _INFIX.items() if sign not in (" / ", " % ", " // ")),
    *(arithmetic.neg.op, arithmetic.pos.op, choices.like.op, _RELU, _WHERE, _SUMPROD, total),
}
# Ops whose text has no name of a global.
_NOT_NAMED = (Pick, Call)
_UNNAMED = {_WHERE, pack, pack_total}
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 12, 150
# So many terms at most make one sum.
_MOST = 100
# So many elements of a tuple are written as a slice.
_SLICE = 4
# A tuple is taken apart if one in so many of its elements is needed.
_SPARSE = 3
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
    """The text of a function, its name in it, and what its globals must be.

    `called` has the names of the other functions in the text, each after those that it calls, and
    `calls` says how many calls of them the function makes.
    """

    source: str
    name: str
    ops: dict[str, Op]
    constants: dict[str, Any]
    called: Sequence[str] = ()
    calls: int = 0


class Module:
    """The globals of a text, which its functions share: ops, constants, and the functions."""

    def __init__(self) -> None:
        self.ops: dict[str, Op] = {}
        self.constants: dict[str, Any] = {}
        self.functions: dict[Call, str] = {}
        self._keys: dict[str, Any] = {}

    def take(self, name: str, key: Any) -> bool:
        """Take a name for what has this key; return whether no other has it."""
        return bool(self._keys.setdefault(name, key) == key)


class Speller:
    """Writes the equations of a Code as the body of a function.

    `inputs` are the kinds of its inputs.
    """

    def __init__(self, code: Code, names: Names, inputs: Sequence[Any], module: Module) -> None:
        self.code = code
        self.lines: list[str] = []
        self.module = module
        self.called: dict[Op, str] = {}
        self._unused = ""
        self.constant_names: dict[Any, str] = {}
        self.names = names
        self.temporaries = map("t{}".format, count(1))
        self.indent = "    "
        # The conditions under which the next line stands, and those of the last one.
        self._nest: Nest = ()
        self._written_nest: Nest = ()
        self.texts: list[Text | None] = [None] * (code.inputs + len(code.equations))
        self.kind = Kinds(code, inputs).of
        self.uses = Counter(x for _, operands in code.equations for x in operands if type(x) is int)
        self.ends = {x for x in code.outputs if type(x) is int}
        self.uses.update(x for x in code.outputs if type(x) is int)
        # Of tuples, the variables that are picked of them, by place; and those that have a name.
        self.picks: dict[int, dict[int, int]] = {}
        self.picked: dict[int, str] = {}
        # Of inputs that are elements of a list: its name, their place in it, and its size.
        self.elements_of: dict[int, tuple[str, int, int]] = {}
        ops = dict.fromkeys(op for op, _ in code.equations)
        if any(type(op) is Pick for op in ops):
            self._find_picks()
        for op in ops:
            if not (op in _INFIX or op in _PREFIX or op in _UNNAMED or type(op) in _NOT_NAMED):
                self.op_name(op)

    def _find_picks(self) -> None:
        for k, (op, operands) in enumerate(self.code.equations, self.code.inputs):
            if type(op) is Pick and type(x := operands[0]) is int:
                self.picks.setdefault(x, {})[op.place] = k

    def write(self, end: Callable[[Leaf], None]) -> None:
        """Write each equation in its place; `end` writes what a leaf gives."""
        places = Places(self.code)
        self.choices, self.lazy = places.choices, places.lazy
        places.recount(self.uses)
        for step, self._nest in places.steps():
            if type(step) is int:
                self.write_one(step)
            elif step is None:
                self.statement("raise", self.constant(Untraced, "Untraced"))
            else:
                end(step)  # type: ignore[arg-type]

    def _turn(self) -> None:
        """Write the lines that begin what is done under the conditions of what comes next."""
        now, nest = self._written_nest, self._nest
        same = 0
        while same < min(len(now), len(nest)) and now[same] == nest[same]:
            same += 1
        for k, (condition, truth) in enumerate(nest[same:], same + 1):
            text = self.operand(condition)
            words = text.text if truth else f"not {text.within(COMPARISON)}"
            self.lines.append(f"{'    ' * k}if {words}:")
        self.indent = "    " * (len(nest) + 1)
        self._written_nest = nest

    def write_one(self, k: int) -> None:
        """Write an equation: as a statement, or as a text for the place where it is used."""
        op, operands = self.code.equations[k - self.code.inputs]
        if k in self.picked:
            self.texts[k] = Text(self.picked[k])
            return
        known = self._known(op, operands) if self.choices else None
        if type(known) is Literal:
            self.choices.setdefault(k, known)
        if k in self.choices:
            self.texts[k] = self.operand(self.choices[k])
            return
        text = self.expression(op, operands) if known is None else self.operand(known)
        if type(op) is Call and self.is_taken_apart(k, op):
            picks = self.picks[k]
            self.take_apart(self.name_picks(picks, len(op.kind), ""), text.text)
            return
        label = self.code.labels.get(k, "")
        long = label or text.depth > _DEEPEST or len(text.text) > _LONGEST
        is_name = (op is pack or known is not None) and text.binding == ATOM
        if long or (self.uses[k] > 1 and not (is_name and text.text.isidentifier())):
            text = self.local(text, label)
        self.texts[k] = text

    def _known(self, op: Op, operands: tuple[Operand, ...]) -> Operand | None:
        """Return what an op comes to as one of its operands is a choice that is known, if that."""
        if not any(type(x) is int and x in self.choices for x in operands):
            return None
        known = [self.choices.get(x, x) if type(x) is int else x for x in operands]
        if op is _MUL:
            for one, other in (known, known[::-1]):
                is_one = type(one) is Literal and type(one.value) is float and one.value == 1
                if is_one and self.kind(other) == FLOAT:
                    return other
        if op in (_MUL, _ADD) and all(type(x) is Literal for x in known):
            return Literal(op.forward(*[x.value for x in known]))  # type: ignore[union-attr]
        return None

    def is_taken_apart(self, k: int, op: Call) -> bool:
        """Return whether what a call gives is used by its elements alone.

        Of a single tuple whose elements only go out, one list is made.
        """
        picks = self.picks.get(k, {})
        if not 0 < len(picks) == self.uses[k]:
            return False
        return len(op.code.outputs) > 1 or not self.ends.issuperset(picks.values())

    def local(self, text: Text, label: str = "") -> Text:
        """Write a statement that gives an expression a name; return the name."""
        name = self.names.new(label) if label else self.temporary()
        self.statement(f"{name} =", text.text)
        return Text(name)

    def name_picks(self, picks: dict[int, int], size: int, wish: str) -> list[str]:
        """Return names for all elements of a tuple, and give them to what is picked of it."""
        names = []
        for place in range(size):
            if place not in picks:
                names.append(self.unused())
                continue
            label = self.code.labels.get(picks[place]) or (wish and f"{wish}{place}")
            name = self.names.new(label) if label else self.temporary()
            self.picked[picks[place]] = name
            names.append(name)
        return names

    def take_input_apart(self, place: int, name: str, size: int) -> None:
        """Write the line that takes a tuple among the inputs apart, if much of it is needed."""
        self.texts[place] = Text(name)
        picks = self.picks.get(place, {})
        if len(picks) * _SPARSE >= size:
            self.take_apart(self.name_picks(picks, size, name), name)

    def name_elements(
        self, name: str, place: int, wishes: Sequence[str], labelled: bool = True
    ) -> None:
        """Name the inputs from `place` on, which are the elements of the list `name`.

        It is taken apart, unless the most of it goes on as tuples.
        """
        size = len(wishes)
        for k in range(size):
            self.elements_of[place + k] = (name, k, size)
            self.texts[place + k] = Text(f"{name}[{k}]")
        goes_on = False
        for first, end in self.packed:
            first, end = max(first, place), min(end, place + size)
            if end - first >= min(_SLICE, size):
                self.uses.subtract(range(first, end))
                goes_on = True
        used = [k for k in range(size) if self.uses[place + k]]
        if not used or (goes_on and len(used) * _SPARSE < size):
            return
        names = {k: self.names.new(wishes[k]) for k in used}
        self.take_apart([names.get(k) or self.unused() for k in range(size)], name)
        for k, own in names.items():
            self.name_input(place + k, own, labelled)

    @cached_property
    def packed(self) -> list[tuple[int, int]]:
        """The runs of inputs that become elements of a tuple one after the other."""
        found = []
        for op, operands in self.code.equations:
            if op is not pack:
                continue
            k = 0
            while k < len(operands):
                end = k + 1
                first: Any = operands[k]
                if type(first) is int and first < self.code.inputs:
                    while end < len(operands) and operands[end] == first + end - k:
                        end += 1
                    found.append((first, min(first + end - k, self.code.inputs)))
                k = end
        return found

    def temporary(self) -> str:
        """Return a name for what has no label."""
        name = next(self.temporaries)
        while not self.names.take(name):
            name = next(self.temporaries)
        return name

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

    def elements(self, xs: Sequence[Operand]) -> list[str]:
        """Return the texts of the elements of a list: of several from one tuple, a slice of it."""
        texts: list[str] = []
        k = 0
        while k < len(xs):
            whole, start = self.place_in_tuple(xs[k])
            end = k + 1
            while end < len(xs) and self.place_in_tuple(xs[end]) == (whole, start + end - k):
                end += 1
            count = end - k
            if whole is not None and count == whole[1]:
                texts.append(f"*{whole[0]}")
                k = end
            elif whole is not None and count >= _SLICE:
                texts.append(f"*{whole[0]}[{start}:{start + count}]")
                k = end
            else:
                texts.append(self.element(xs[k]))
                k += 1
        return texts

    def place_in_tuple(self, x: Operand) -> tuple[tuple[str, int] | None, int]:
        """Return the tuple or list that a variable is an element of, its size, and the place."""
        if type(x) is not int or x in self.picked:
            return None, 0
        if x in self.elements_of:
            name, k, size = self.elements_of[x]
            return (name, size), k
        if x < self.code.inputs:
            return None, 0
        op, operands = self.code.equations[x - self.code.inputs]
        if type(op) is not Pick or type(y := operands[0]) is not int or y < self.code.inputs:
            return None, 0
        source = self.code.equations[y - self.code.inputs].op
        if type(source) not in (Call, Pick) and source is not pack_total:
            return None, 0
        kind = source.kind if type(source) is Call else self.kind(y)
        size = len(kind) if type(kind) is tuple else 0
        return (self.operand(y).within(ATOM), size), op.place

    def element(self, x: Operand) -> str:
        """Return the text of a variable or constant as an element of a list."""
        return self.operand(x).within(COMPARISON)

    def statement(self, start: str, expression: str) -> None:
        """Write one line, or more where it is long."""
        if self._nest != self._written_nest:
            self._turn()
        line = f"{self.indent}{start} {expression}"
        if len(line.rpartition("\n")[2]) > 100:
            line = f"{self.indent}{start} (\n{_wrapped(expression, self.indent)}\n{self.indent})"
        self.lines.append(line)

    def take_apart(self, names: list[str], whole: str) -> None:
        """Write the line, or lines, that give the elements of `whole` their names."""
        listed = ", ".join(names) + "," * (len(names) == 1)
        if len(listed) > 80:
            listed = f"(\n{_wrapped(listed, self.indent)}\n{self.indent})"
        self.statement(f"{listed} =", whole)

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
            name = self.constant_names[key] = self.shared_name(wish, key)
            self.module.constants[name] = x
        return self.constant_names[key]

    def shared_name(self, wish: str, key: Any, builtin: bool = False) -> str:
        """Return a name for a global: one that no other global has."""
        name = self.names.new(wish, builtin)
        while not self.module.take(name, key):
            name = self.names.new(wish)
        return name

    def op_name(self, op: Op) -> str:
        """Return the name of the global that computes `op`."""
        if op not in self.called:
            wish = _OF_TUPLES[op][0] if op in _OF_TUPLES else op.name
            wish = wish if wish.isidentifier() else op.function.__name__
            name = self.called[op] = self.shared_name(wish, op, builtin=op in _OF_TUPLES)
            self.module.ops[name] = op
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
        if type(op) is Call or op is pack:
            if op is pack:
                texts = self.elements(operands)
                if whole := whole_of(texts):
                    return whole, ATOM
                return f"({', '.join(texts)}{',' * (len(texts) == 1)})", ATOM
            text = ", ".join([part.within(COMPARISON) for part in parts])
            return f"{self.module.functions[op]}({text})", ATOM  # type: ignore[index]
        if op is pack_total:
            return self.pack_total([part.text for part in parts]), ATOM
        if op in _PREFIX:
            return _PREFIX[op] + parts[0].within(NEGATION), NEGATION
        if op is _WHERE:
            # What may raise, and others need too, is computed where it stands.
            pairs = zip(parts, operands, strict=True)
            parts = [p if p.safe or x in self.lazy else self.local(p) for p, x in pairs]
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
            # Times 1.0 makes a float of ints.
            kinds = [self.kind(x) for x in operands if type(x) is int]
            ones = ("1", "1.0") if FLOAT in kinds else ("1",)
            rest = [part.within(NEGATION) for part in parts if part.text not in ones]
            if len(rest) > 1:
                return self.joined(" * ", rest), PRODUCT
        if op in _OF_TUPLES:
            text = ", ".join(part.within(COMPARISON) for part in parts)
            return f"{self.op_name(op)}(({text}{',' * (len(parts) == 1)}))", ATOM
        text = ", ".join(part.within(COMPARISON) for part in parts)
        return f"{self.op_name(op)}({text})", ATOM

    def pack_total(self, parts: list[str]) -> str:
        """Return the text of the sum of tuples, element by element."""
        zipped = self.zip()
        text = parts[0]
        for i in range(1, len(parts), _MOST):
            some = [text if i == 1 else self.named(text), *parts[i : i + _MOST]]
            names = [f"g{k}" for k in range(len(some))]
            text = f"[{' + '.join(names)} for {', '.join(names)} in {zipped}({', '.join(some)})]"
        return text

    def zip(self) -> str:
        """Return the name of Python's zip."""
        zipped = self.shared_name("zip", "zip", builtin=True)
        if zipped != "zip":
            self.module.constants[zipped] = zip
        return zipped

    def joined(self, sign: str, terms: list[str]) -> str:
        """Return terms with a sign between, in pieces: Python's compiler recurses over them."""
        text = sign.join(terms[:_MOST])
        for i in range(_MOST, len(terms), _MOST):
            text = sign.join([self.local(Text(text)).text, *terms[i : i + _MOST]])
        return text


def _product(p: Text, q: Text, kind_p: str, kind_q: str) -> str:
    # 1 * True is an int.
    if (p.text == "1" and kind_q in NUMBERS) or (p.text == "1.0" and kind_q == FLOAT):
        return q.within(PRODUCT)
    if (q.text == "1" and kind_p in NUMBERS) or (q.text == "1.0" and kind_p == FLOAT):
        return p.within(PRODUCT)
    return f"{p.within(PRODUCT)} * {q.within(NEGATION)}"


def _wrapped(text: str, indent: str) -> str:
    """Return `text` as indented lines, broken at spaces, but within no string."""
    lines, line = [], ""
    most = 95 - len(indent)
    for piece in _PIECE.findall(text):
        if line and len(line) + len(piece) > most:
            lines.append(line)
            line = ""
        line += f" {piece}" if line else piece
    return "\n".join(f"{indent}    {line}" for line in [*lines, line])


def whole_of(texts: Sequence[str]) -> str:
    """Return the text of the tuple whose elements these alone are; "" if there is none.

    >>> whole_of(["*t1"]), whole_of(["*t1", "t2"])
    ('t1', '')
    """
    return texts[0][1:] if len(texts) == 1 and texts[0][0] == "*" else ""


def function_of(op: Op) -> Callable[..., Any]:
    """Return what a program calls for `op`.

    >>> function_of(op_of(many.fsum))([1.0, 2.0])
    3.0
    """
    return _OF_TUPLES[op][1] if op in _OF_TUPLES else op.forward
