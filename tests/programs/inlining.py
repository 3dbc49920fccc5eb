"""Calls within programs written into their callers: for comparing a program with one without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import total
from scalargrad.programs.code import Call, Code, Equation, Operand, equation
from scalargrad.programs.trace.tuples import pack, pack_total


def inlined(code: Code) -> Code:
    """Return `code` with what its calls compute in place of the calls."""
    if not any(type(op) is Call for op, _ in code.equations):
        return code
    equations: list[Equation] = []
    labels = {k: label for k, label in code.labels.items() if k < code.inputs}
    known = _expanded(code, list(range(code.inputs)), code.inputs, equations, labels)
    outputs = [known[x] if type(x) is int else x for x in code.outputs]
    return Code(code.inputs, equations, outputs, labels)


def _expanded(
    code: Code, inputs: list[Any], first: int, equations: list[Equation], labels: dict[int, str]
) -> list[Any]:
    """Add the equations of `code`; return its variables: tuples as tuples of operands."""
    known = list(inputs)
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        found = [known[x] if type(x) is int else x for x in operands]
        if type(op) is Call:
            inner = _expanded(op.code, found, first, equations, labels)
            ends = tuple(inner[x] if type(x) is int else x for x in op.code.outputs)
            known.append(ends if len(ends) != 1 else ends[0])
        elif op is pack:
            known.append(tuple(found))
        elif op is pack_total:
            known.append(tuple(_sum(xs, first, equations) for xs in zip(*found, strict=True)))
        elif type(op) is Pick and type(found[0]) is tuple:
            known.append(found[0][op.place])
        else:
            known.append(first + len(equations))
            equations.append(equation((op, tuple(found))))
            if k in code.labels:
                labels[known[-1]] = code.labels[k]
    return known


def _sum(xs: Sequence[Operand], first: int, equations: list[Equation]) -> Operand:
    equations.append(equation((total, tuple(xs))))
    return first + len(equations) - 1
