"""Branches: the conditions on which a function turned, at the numbers at which it is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scalargrad.functions.choices import unequal
from scalargrad.programs.code import Code, Equation, Literal, without_dead
from scalargrad.programs.passes.kinds import BOOL, FLOAT, Kinds
from scalargrad.view.languages.notation import UNICODE
from scalargrad.view.languages.spelling import Language, spell

# A longer condition is told by its line.
_LONGEST = 60


@dataclass(frozen=True)
class Branches:
    """The conditions of a path, in order, what each was, and the lines that asked.

    Each is a Code of the inputs of the function, with one output.
    """

    conditions: tuple[Code, ...]
    truths: tuple[bool, ...]
    lines: tuple[int, ...]

    def texts(self, names: Sequence[str]) -> list[str]:
        """Return each condition as text, of inputs that have these names; and its line."""
        whole = [formula_of(code, UNICODE, names) for code in self.conditions]
        return [
            f"{text if len(text) <= _LONGEST else 'a condition'} (line {line})"
            for text, line in zip(whole, self.lines, strict=True)
        ]

    def joined(self, language: Language, names: Sequence[str], both: str, negated: str) -> str:
        """Return all of them as one condition, `both` between each two."""
        return both.join(
            formula_of(code, language, names)
            if truth
            else negated.format(formula_of(code, language, names))
            for code, truth in zip(self.conditions, self.truths, strict=True)
        )


def branches_of(code: Code, guards: Sequence[tuple[bool, tuple[str, int]]]) -> Branches | None:
    """Return the conditions that are the outputs of `code` after its first, None if there are none.

    `guards` has of each its truth, and the file and line where it was asked.
    """
    kinds = Kinds(code, [FLOAT] * code.inputs)
    conditions = []
    for x in code.outputs[1:]:
        equations, end = code.equations, x
        if kinds.of(x) != BOOL:  # the truth of a number
            equations = [*equations, Equation(unequal.op, (x, Literal(0)))]
            end = code.inputs + len(code.equations)
        conditions.append(without_dead(Code(code.inputs, equations, [end])))
    truths, lines = tuple(truth for truth, _ in guards), tuple(line for _, (_, line) in guards)
    return Branches(tuple(conditions), truths, lines) if conditions else None


def formula_of(code: Code, language: Language, names: Sequence[str]) -> str:
    """Return the one output of `code` as one formula."""
    whole = replace(language, longest=sys.maxsize, repeated=sys.maxsize)
    return spell(code, whole, names, str).outputs[0].text
