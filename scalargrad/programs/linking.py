"""Linking: each call becomes one of a function that gives what is picked of it, and no more.

In a trace a function has all outputs that any call of it, or a derivative, asked for. Here there is
one function for each choice of outputs that some call needs, with the inputs that these need.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from typing import Any, NamedTuple

from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick, pick
from scalargrad.functions import arithmetic
from scalargrad.programs.code import Builder, Call, Code, Literal, Operand, rebuild
from scalargrad.programs.subprograms import Subprogram

# Their result is their operand: they only mean something to derivatives.
ALIASES = {arithmetic.same.op, arithmetic.detach.op}


class _Link(NamedTuple):
    """A function as some calls need it, None if they need nothing that it computes.

    `taken` are the inputs that it takes. `outputs` has for each output of the trace's function the
    place among its own, or else the constant or the number of the input that this output is.
    """

    call: Call | None
    taken: list[int]
    outputs: dict[int, tuple[str, Any]]


class _Linked(NamedTuple):
    """A call that was linked: its variable and its operands in the trace."""

    link: _Link
    variable: Any
    operands: tuple[Operand, ...]

    def element(self, k: int, builder: Builder) -> Any:
        """Return what is picked of it."""
        what, x = self.link.outputs[k]
        if what == "input":
            return self.operands[x]
        if what == "constant":
            return x
        assert self.link.call is not None
        several = len(self.link.call.code.outputs) > 1
        return builder.add(pick(x), (self.variable,)) if several else self.variable


def linked(code: Code) -> Code:
    """Return `code` with its calls cut down to what its outputs need; as it is if it has none."""
    if not any(type(op) is Subprogram for op, _ in code.equations):
        return code
    return _cut(code, {}, keep_inputs=True)[0]


def _cut(code: Code, links: dict[Any, _Link], keep_inputs: bool = False) -> tuple[Code, list[int]]:
    """Return what the outputs of `code` need, and which of its inputs that takes."""
    builder = Builder(code.inputs)
    # Equal calls become one first: each may be asked for other outputs.
    code = rebuild(code, builder, lambda op, xs: xs[0] if op in ALIASES else builder.add(op, xs))
    first = code.inputs
    calls = {k for k, (op, _) in enumerate(code.equations, first) if type(op) is Subprogram}
    alive = {x for x in code.outputs if type(x) is int}
    asked: defaultdict[int, set[int]] = defaultdict(set)
    found: dict[int, _Link] = {}
    for k in range(first + len(code.equations) - 1, first - 1, -1):
        if k not in alive:
            continue
        op, operands = code.equations[k - first]
        used: list[Any] = list(operands)
        if k in calls:
            link = found[k] = _link(op, tuple(sorted(asked[k])), links)
            places = [*link.taken, *[x for what, x in link.outputs.values() if what == "input"]]
            used = [operands[i] for i in places]
        elif type(op) is Pick and used[0] in calls:
            asked[used[0]].add(op.place)
        alive.update([x for x in used if type(x) is int])
    taken = [k for k in range(first) if keep_inputs or k in alive]
    builder = Builder(len(taken))
    turns = count(first)

    def rule(op: Op, xs: tuple[Any, ...]) -> Any:
        k = next(turns)
        if k not in alive:
            return None
        if k in found:
            link = found[k]
            call, own = link.call, tuple([xs[i] for i in link.taken])
            return _Linked(link, None if call is None else builder.add(call, own), xs)
        if type(op) is Pick and type(xs[0]) is _Linked:
            return xs[0].element(op.place, builder)
        return builder.write(op, xs)

    inputs: list[Any] = [None] * first
    for place, k in enumerate(taken):
        inputs[k] = place
    return rebuild(code, builder, rule, inputs), taken


def _link(op: Any, asked: tuple[int, ...], links: dict[Any, _Link]) -> _Link:
    """Return the function of a trace as calls need it that are asked for these outputs."""
    if (op, asked) not in links:
        code = op.code
        code.outputs = [code.outputs[k] for k in asked]
        code, taken = _cut(code, links)
        own: list[Any] = [x for x in code.outputs if type(x) is int and x >= code.inputs]
        own = list(dict.fromkeys(own))
        outputs: dict[int, tuple[str, Any]] = {}
        x: Any
        for k, x in zip(asked, code.outputs, strict=True):
            if type(x) is Literal:
                outputs[k] = "constant", x
            else:
                outputs[k] = ("own", own.index(x)) if x in own else ("input", taken[x])
        code.outputs = own
        call = Call(op.name, code) if own else None
        links[op, asked] = _Link(call, taken if own else [], outputs)
    return links[op, asked]
