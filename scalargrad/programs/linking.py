"""Linking: calls give what the program needs of their runs, and take what they need for that.

In a trace a call gives the numbers of all variables of a subprogram. Here each subprogram is cut
down to those that any call of it needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalargrad.engine.code import Call, Code, Equation, Literal, Operand, equation
from scalargrad.engine.outputs import Pick, pick
from scalargrad.programs.subprograms import CallOp
from scalargrad.programs.tuples import pack, pack_total

# What is needed of a variable: True, or of a tuple the places of its elements.
Need = bool | set[int]


class CutCall(Call):
    """A call that gives what is needed of the run: without a tuple if it is a single number.

    `kinds` are those of its inputs, and `kind` is its result's, where they are known.
    """

    __slots__ = ("kind", "kinds")

    def __init__(
        self, name: str, code: Code, kinds: tuple[Any, ...] | None = None, kind: Any = None
    ) -> None:
        super().__init__(name, code)
        self.kinds, self.kind = kinds, kind

    def __reduce__(self) -> Any:
        return CutCall, (self.name, self.code, self.kinds, self.kind)

    def run(self, *inputs: Any) -> Any:
        """Return what the Code gives."""
        outputs = super().run(*inputs)
        return outputs if len(outputs) != 1 else outputs[0]


def linked(code: Code) -> Code:
    """Return `code` with its calls cut down to what its outputs need; as it is if it has none."""
    if not any(type(op) is CallOp for op, _ in code.equations):
        return code
    return _Linker(code).cut()


class _Part:
    """A Code within the program, and what is needed of its variables: from outside, and in all."""

    def __init__(self, code: Code, runs: list[CallOp | None]) -> None:
        self.code, self.runs = code, runs
        self.asked: dict[int, Need] = {}
        self.needs: dict[int, Need] = {}
        self.callers: dict[_Part, None] = {}


class _Linker:
    def __init__(self, code: Code) -> None:
        self.top = _Part(code, _runs(code))
        self.top.asked = {x: True for x in code.outputs if type(x) is int}
        self.parts: dict[CallOp, _Part] = {}
        self.calls: dict[CallOp, CutCall] = {}
        # Those of which something new was asked, or of whose calls.
        self.waiting: dict[_Part, None] = {self.top: None}
        while self.waiting:
            part, _ = self.waiting.popitem()
            if part is self.top and self.waiting:
                # The largest comes after those that it calls.
                self.waiting = {part: None, **self.waiting}
                continue
            self.ask(part)

    def part(self, op: CallOp) -> _Part:
        if op not in self.parts:
            self.parts[op] = _Part(op.code, op.subprogram.runs)
        return self.parts[op]

    def ask(self, part: _Part) -> None:
        """Find out what a part needs of its variables, and ask its calls for it."""
        needs: dict[int, Need] = {}
        for x, need in part.asked.items():
            _add(needs, x, need)
        first, equations = part.code.inputs, part.code.equations
        for k in range(first + len(equations) - 1, first - 1, -1):
            if k not in needs:
                continue
            op, operands = equations[k - first]
            used = [x for x in operands if type(x) is int]
            if type(op) is CallOp:
                called = self.part(op)
                called.callers[part] = None
                for i, operand in enumerate(operands):
                    if type(operand) is int and i in called.needs:
                        _add(needs, operand, called.needs[i])
            elif op is pack and type(need := needs[k]) is set:
                needs.update(
                    {x: True for i, x in enumerate(operands) if type(x) is int and i in need}
                )
            elif op is pack_total:
                for x in used:
                    _add(needs, x, needs[k])
            elif type(op) is Pick and (run := part.runs[used[0]]) is not None:
                needs[used[0]] = True
                called = self.part(run)
                if _add(called.asked, op.place, needs[k]):
                    self.waiting[called] = None
            elif type(op) is Pick:
                _add(needs, used[0], {op.place})
            else:
                needs.update(dict.fromkeys(used, True))
        inputs = [(x, need) for x, need in part.needs.items() if x < first]
        part.needs = needs
        if inputs != [(x, need) for x, need in needs.items() if x < first]:
            self.waiting.update(part.callers)

    def layout(self, op: CallOp) -> list[int]:
        """Return the variables that calls give."""
        return sorted(self.parts[op].asked)

    def cut(self) -> Code:
        """Return the whole program's Code."""
        return self.rewritten(self.top, self.top.code.outputs, drop=False)

    def call(self, op: CallOp) -> CutCall:
        if op not in self.calls:
            code = self.rewritten(self.parts[op], self.layout(op), drop=True)
            self.calls[op] = CutCall(op.name, code)
        return self.calls[op]

    def rewritten(self, part: _Part, outputs: Sequence[Operand], drop: bool) -> Code:
        """Return a part's Code with what is needed alone; `drop` inputs that are not needed."""
        code, needs = part.code, part.needs
        known: dict[int, Operand] = {}
        for k in range(code.inputs):
            if k in needs or not drop:
                known[k] = len(known)
        inputs = len(known)
        equations: list[Equation] = []
        first = code.inputs
        for k, (op, operands) in enumerate(code.equations, first):
            if k not in needs:
                continue
            if type(op) is Pick and (run := part.runs[operands[0]]) is not None:  # type: ignore[index]
                layout = self.layout(run)
                if len(layout) == 1:
                    known[k] = known[operands[0]]  # type: ignore[index]
                    continue
                op = pick(layout.index(op.place))
            elif type(op) is CallOp:
                taken = self.parts[op].needs
                operands = tuple(x for i, x in enumerate(operands) if i in taken)
                op = self.call(op)
            elif op is pack and type(need := needs[k]) is set:
                operands = tuple(
                    x if i in need or self._is_at_hand(code, x, known) else Literal(0)
                    for i, x in enumerate(operands)
                )
            known[k] = inputs + len(equations)
            equations.append(
                equation((op, tuple([known[x] if type(x) is int else x for x in operands])))
            )
        labels: dict[int, str] = {}
        for k, label in code.labels.items():
            if type(place := known.get(k)) is int:
                labels.setdefault(place, label)
        ends: list[Operand] = [known[x] if type(x) is int else x for x in outputs]
        return Code(inputs, equations, ends, labels)

    def _is_at_hand(self, code: Code, x: Operand, known: dict[int, Operand]) -> bool:
        """Return whether an operand is a constant, an input that is kept, or an element of one."""
        if type(x) is not int:
            return True
        if x < code.inputs or x not in known:
            return x in known
        op, operands = code.equations[x - code.inputs]
        return type(op) is Pick and type(y := operands[0]) is int and y < code.inputs


def _runs(code: Code) -> list[CallOp | None]:
    """Return for each variable of a program the CallOp whose run it is, if it is one."""
    runs: list[CallOp | None] = [None] * code.inputs
    for op, operands in code.equations:
        found = None
        if type(op) is CallOp:
            found = op
        elif type(op) is Pick and type(x := operands[0]) is int and (run := runs[x]) is not None:
            found = run.subprogram.runs[op.place]
        runs.append(found)
    return runs


def _add(needs: dict[int, Need], x: int, need: Need) -> bool:
    """Add to what is needed of `x`; return whether that was news."""
    before = needs.get(x)
    if before is None:
        needs[x] = set(need) if type(need) is set else need
        return True
    if before is True or type(before) is not set:
        return False
    if type(need) is not set:
        needs[x] = need
        return True
    size = len(before)
    before |= need
    return len(before) != size
