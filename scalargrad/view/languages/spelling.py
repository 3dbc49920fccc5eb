"""Spelling: the expressions of some code in a language that a table describes.

A language is a table `{op: spelling}`. A spelling is a template and how tightly its result binds:
`("{0:SUM} + {1:PRODUCT}", SUM)` puts brackets around a second operand that binds less tightly than
a product does. Where a template cannot say it, the spelling is a function of the operands' texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from scalargrad.engine.op import Op
from scalargrad.functions.methods import all_ops
from scalargrad.programs.code import Code, Literal

# By the names that tables have them under.
OPS = all_ops()
# How tightly the parts of an expression bind: a minus sign less than a product, so that -a * b is
# the negative of a product.
CHOICE, COMPARISON, SUM, NEGATION, PRODUCT, POWER, ATOM = range(7)
_LEVELS = {
    "COMPARISON": COMPARISON,
    "SUM": SUM,
    "NEGATION": NEGATION,
    "PRODUCT": PRODUCT,
    "POWER": POWER,
    "ATOM": ATOM,
}


class Text(NamedTuple):
    """The text of an expression, and how tightly it binds."""

    text: str
    binding: int = ATOM
    brackets: tuple[str, str] = ("(", ")")

    def within(self, binding: int) -> str:
        """Return the text, in brackets if it binds less tightly than `binding`."""
        if self.binding >= binding:
            return self.text
        return f"{self.brackets[0]}{self.text}{self.brackets[1]}"

    def __format__(self, level: str) -> str:
        return self.within(_LEVELS[level]) if level else self.text


Spelling: TypeAlias = "tuple[str, int] | Callable[[Sequence[Text]], Text]"


@dataclass(frozen=True)
class Language:
    """How a language writes ops, numbers, and a call of an op that its table does not have.

    An expression longer than `longest`, and one that is used again and is longer than `repeated`,
    gets a name of its own.
    """

    table: Mapping[Op, Spelling]
    number: Callable[[Any], Text]
    call: Callable[[Op, Sequence[Text]], Text]
    longest: int = 120
    repeated: int = 0
    brackets: tuple[str, str] = ("(", ")")

    def spell(self, op: Op, operands: Sequence[Text]) -> Text:
        """Return the text of `op` applied to `operands`."""
        spelling = self.table.get(op)
        if spelling is None:
            text = self.call(op, operands)
        elif isinstance(spelling, tuple):
            text = Text(spelling[0].format(*operands), spelling[1])
        else:
            text = spelling(operands)
        return text._replace(brackets=self.brackets)


class Spelled(NamedTuple):
    """The text of a program: expressions that have names, in order, and the outputs."""

    definitions: list[tuple[str, str]]
    outputs: list[Text]


def spell(
    code: Code, language: Language, inputs: Sequence[str], named: Callable[[int], str]
) -> Spelled:
    """Return the expressions of `code`, whose inputs are called `inputs`.

    `named(k)` gives the name of the k-th expression that needs one, counted from 1.
    """
    uses = [0] * (code.inputs + len(code.equations))
    for equation in code.equations:
        for operand in equation.operands:
            if isinstance(operand, int):
                uses[operand] += 1
    for output in code.outputs:
        if isinstance(output, int):
            uses[output] += 1
    texts = [Text(name) for name in inputs]
    definitions: list[tuple[str, str]] = []

    def text(operand: Any) -> Text:
        if isinstance(operand, Literal):
            return language.number(operand.value)._replace(brackets=language.brackets)
        found: Text = texts[operand]
        return found

    for number, equation in enumerate(code.equations, code.inputs):
        expression = language.spell(equation.op, [text(x) for x in equation.operands])
        length = len(expression.text)
        if length > language.longest or (uses[number] > 1 and length > language.repeated):
            name = named(len(definitions) + 1)
            definitions.append((name, expression.text))
            expression = Text(name)
        texts.append(expression)
    return Spelled(definitions, [text(output) for output in code.outputs])


def joined(sign: str, terms: Sequence[str], binding: int, empty: str) -> Text:
    """Return the text of a sum or a product of `terms`, or `empty` for none."""
    if len(terms) == 1:
        return Text(terms[0], CHOICE)
    return Text(sign.join(terms), binding) if terms else Text(empty)


def pairs(operands: Sequence[Text]) -> tuple[list[tuple[Text, Text]], Sequence[Text]]:
    """Return the pairs p[i], q[i] of a sumprod's or dist's operands, and what is left over."""
    n = len(operands) // 2
    return list(zip(operands[:n], operands[n : 2 * n], strict=True)), operands[2 * n :]
