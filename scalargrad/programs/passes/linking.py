"""Linking: each call becomes one of a function that gives what is picked of it, and no more.

In a trace a function has all outputs that any call of it, or a derivative, asked for. Here there is
one function for each choice of outputs that some call needs, with the inputs that these need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick, pick
from scalargrad.functions import arithmetic
from scalargrad.programs.code import Builder, Call, Code, Literal, rebuild
from scalargrad.programs.trace.subprograms import Subprogram
from scalargrad.programs.trace.tuples import pack, pack_total

# Each gives its operand, and matters to derivatives alone.
ALIASES = {arithmetic.same.op, arithmetic.detach.op}


# What is needed of a variable: True, or of a tuple the places of its elements.
Need = bool | frozenset[int]


class _Link(NamedTuple):
    """A function as some calls need it.

    `taken` are the inputs that it takes, and what it needs of each; `places` the outputs of the
    trace's function that it gives, in order.
    """

    call: Call
    taken: dict[int, Need]
    places: list[int]


def linked(code: Code) -> Code:
    """Return `code` with its calls cut down to what its outputs need; as it is if it has none."""
    if not any(isinstance(op, Subprogram) for op, _ in code.equations):
        return code
    return _cut(code, [True] * len(code.outputs), {}, keep_inputs=True)[0]


def _cut(
    code: Code,
    asked: Sequence[Need],
    links: dict[Any, _Link],
    keep_inputs: bool = False,
) -> tuple[Code, dict[int, Need]]:
    """Return what is asked for of the outputs of `code`, and what that needs of its inputs."""
    builder = Builder(code.inputs)
    # Equal calls become one first: each may be asked for other outputs.
    code = rebuild(code, builder, lambda op, xs: xs[0] if op in ALIASES else builder.add(op, xs))
    first = code.inputs
    needs: dict[int, Need] = {}
    for x, need in zip(code.outputs, asked, strict=True):
        _add(needs, x, need)
    calls = {k for k, (op, _) in enumerate(code.equations, first) if isinstance(op, Subprogram)}
    picked: defaultdict[int, dict[int, Need]] = defaultdict(dict)  # of calls
    found: dict[int, _Link] = {}
    for k in range(first + len(code.equations) - 1, first - 1, -1):
        if k not in needs:
            continue
        op, operands = code.equations[k - first]
        need = needs[k]
        if k in calls:
            link = found[k] = _link(op, picked[k], links)
            for i, own in link.taken.items():
                _add(needs, operands[i], own)
        elif type(op) is Pick and operands[0] in calls:
            _add(picked[operands[0]], op.place, need)
            needs[operands[0]] = True
        elif type(op) is Pick:
            _add(needs, operands[0], frozenset([op.place]))
        elif op is pack and need is not True:
            for i in need:  # type: ignore[union-attr]
                _add(needs, operands[i], True)
        else:
            for x in operands:
                _add(needs, x, need if op is pack_total else True)
    taken = {
        k: True if keep_inputs else needs[k] for k in range(first) if keep_inputs or k in needs
    }
    builder = Builder(len(taken))
    turns = count(first)

    def rule(op: Op, xs: tuple[Any, ...]) -> Any:
        k = next(turns)
        if k not in needs:
            return None
        if k in found:
            link = found[k]
            return builder.add(link.call, tuple([xs[i] for i in link.taken]))
        if type(op) is Pick and (call := code.equations[k - first].operands[0]) in found:
            places = found[call].places
            return xs[0] if len(places) == 1 else builder.add(pick(places.index(op.place)), xs)
        if op is pack:  # also elements that nothing needs have a place
            xs = tuple([Literal(0) if x is None else x for x in xs])
        return builder.write(op, xs)

    inputs: list[Any] = [None] * first
    for place, k in enumerate(taken):
        inputs[k] = place
    return rebuild(code, builder, rule, inputs), taken


def _link(op: Any, picked: dict[int, Need], links: dict[Any, _Link]) -> _Link:
    """Return the function of a trace as calls need it that are asked for these outputs."""
    key = op, frozenset(picked.items())
    if key not in links:
        code, places = op.code, sorted(picked)
        code.outputs = [code.outputs[k] for k in places]
        code, taken = _cut(code, [picked[k] for k in places], links)
        links[key] = _Link(Call(op.name, code), taken, places)
    return links[key]


def _add(needs: dict[int, Need], x: Any, need: Need) -> None:
    """Add to what is needed of `x`."""
    if type(x) is int:
        before = needs.get(x, need)
        whole = before is True or need is True
        needs[x] = True if whole else before | need  # type: ignore[operator]
