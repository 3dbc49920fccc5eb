"""Sums of the tuples that many calls give: each call adds its own to a list, in place.

So a Python program holds one list of sums, and not a tuple of numbers for each call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick, pick
from scalargrad.programs.code import Call, Code, Equation, Operand, equation
from scalargrad.programs.kinds import kinds_of
from scalargrad.programs.simplify import without_dead
from scalargrad.programs.tuples import pack, pack_total

# So many calls at least must give their tuples to one sum.
FEWEST = 16
# At the end of the name of a function that adds.
_ADDED = "_added"


class Nothing:
    """What sums begin with: a number of any kind added to it is that number.

    >>> nothing + -0.0
    -0.0
    """

    def __add__(self, number: Any) -> Any:
        return number

    def __reduce__(self) -> str:
        return "nothing"


nothing = Nothing()


class Nothings(Op):
    """A new list of `nothing`, `size` times."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        super().__init__("nothings", lambda: [nothing] * size)
        self.size = size


@lru_cache(maxsize=64)
def _nothings(size: int) -> Nothings:
    return Nothings(size)


def _add_to(sums: Any, *xs: Any) -> list[Any]:
    return [total + x for total, x in zip(sums, xs, strict=True)]


# A list of sums, with a number added to each: its text changes the list.
add_to = Op("add to sums", _add_to)


def accumulating(code: Code, inputs: Sequence[Any]) -> Code:
    """Return `code` with the sums of the tuples of many calls accumulated by these calls.

    `inputs` are the kinds of its inputs. A list of sums goes from call to call, in the order of
    the terms, and nothing else uses it before it is complete.
    """
    return _accumulating(code, inputs, {})


class _Term(NamedTuple):
    """A term of a sum: the output of `call` at `place`, which the variable `tuple` is."""

    call: int
    place: int
    tuple: int


def _accumulating(code: Code, inputs: Sequence[Any], calls: dict[Any, Call]) -> Code:
    called: dict[Op, Op] = {op: _called(op, calls) for op, _ in code.equations if type(op) is Call}
    sums = dict(_sums(code))
    if not sums and all(op is own for op, own in called.items()):
        return code
    kinds = kinds_of(code, inputs) if sums else []
    # Of each call the tuples that it adds, by place, and the sums.
    terms: dict[int, list[tuple[int, int]]] = {}
    for x, found in sums.items():
        for term in found:
            terms.setdefault(term.call, []).append((term.place, x))
    left_out = {term.tuple for found in sums.values() for term in found if term.tuple != term.call}
    known: list[Operand] = list(range(code.inputs))
    labels = {k: label for k, label in code.labels.items() if k < code.inputs}
    equations: list[Equation] = []

    def add(op: Op, operands: tuple[Operand, ...] = ()) -> int:
        equations.append(equation((op, operands)))
        return code.inputs + len(equations) - 1

    so_far: dict[int, int] = {}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        if k in left_out:
            known.append(k)
            continue
        if k in sums:
            known.append(so_far[k])
            continue
        operands = tuple([known[x] if type(x) is int else x for x in operands])
        op = called.get(op, op)
        for place, x in terms.get(k, ()):
            assert type(op) is Call
            before = so_far[x] if x in so_far else add(_nothings(len(kinds[x])))
            op, operands = _adding(op, place, kinds[x], calls), (*operands, before)
        own = add(op, operands)
        known.append(own)
        for place, x in terms.get(k, ()):
            assert type(op) is Call
            so_far[x] = own if len(op.code.outputs) == 1 else add(pick(place), (own,))
        if k in code.labels:
            labels[own] = code.labels[k]
    outputs = [known[x] if type(x) is int else x for x in code.outputs]
    return without_dead(Code(code.inputs, equations, outputs, labels))


def _sums(code: Code) -> Iterator[tuple[int, list[_Term]]]:
    """Return the sums of tuples that only calls give, each for one sum alone, and their terms."""
    if sum(len(operands) for op, operands in code.equations if op is pack_total) < FEWEST:
        return
    uses = Counter(x for _, operands in code.equations for x in operands)
    uses.update(code.outputs)
    totals: dict[int, list[Operand]] = {}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        if op is pack_total:
            first = operands[0]
            before = [first]
            if type(first) is int and first in totals and uses[first] == 1:
                before = totals.pop(first)
            totals[k] = [*before, *operands[1:]]
    for k, xs in totals.items():
        if len(xs) < FEWEST or any(uses[x] > 1 for x in xs):
            continue
        found = [_term(code, x) for x in xs]
        terms = [term for term in found if term is not None]
        calls = [term.call for term in terms]
        # The calls add in their own order, which must be that of the terms: for the last bits.
        if len(terms) == len(found) and calls == sorted(set(calls)):
            yield k, terms


def _term(code: Code, x: Operand) -> _Term | None:
    """Return the term that `x` is, if a call makes its tuple."""
    if type(x) is not int or x < code.inputs:
        return None
    call, place = x, 0
    op, operands = code.equations[x - code.inputs]
    if type(op) is Pick:
        (call,) = operands  # type: ignore[assignment]
        place = op.place
        if call < code.inputs:
            return None
        op, _ = code.equations[call - code.inputs]
        if type(op) is Call and len(op.code.outputs) == 1:
            return None  # it is an element of the tuple
    if type(op) is not Call or _packed(op, place) is None:
        return None
    return _Term(call, place, x)


def _packed(op: Call, place: int) -> Sequence[Operand] | None:
    """Return the numbers that a call makes the tuple of that is its output at `place`."""
    x, first = op.code.outputs[place], op.code.inputs
    if type(x) is not int or x < first or op.code.equations[x - first].op is not pack:
        return None
    return op.code.equations[x - first].operands


def _called(op: Call, calls: dict[Any, Call]) -> Call:
    """Return a call with what it calls accumulating too."""
    if op not in calls:
        assert op.kinds is not None
        code = _accumulating(op.code, op.kinds, calls)
        calls[op] = op if code is op.code else Call(op.name, code, op.kinds, op.kind)
    return calls[op]


def _adding(op: Call, place: int, kind: Any, calls: dict[Any, Call]) -> Call:
    """Return a call that adds the tuple that is its output at `place` to a list it is given last.

    `kind` is that of the sums.
    """
    key = op, place, kind
    if key in calls:
        return calls[key]
    code, sums = op.code, op.code.inputs

    def moved(x: Any) -> Any:
        return x + 1 if type(x) is int and x >= sums else x

    equations = [equation((op, tuple(map(moved, operands)))) for op, operands in code.equations]
    numbers = _packed(op, place)
    assert numbers is not None
    equations.append(equation((add_to, (sums, *map(moved, numbers)))))
    outputs = list(map(moved, code.outputs))
    outputs[place] = sums + len(equations)
    labels = {**{moved(k): label for k, label in code.labels.items()}, sums: "sums"}
    own = without_dead(Code(sums + 1, equations, outputs, labels))
    assert op.kinds is not None
    kinds = op.kind if len(outputs) > 1 else (op.kind,)
    result = (*kinds[:place], kind, *kinds[place + 1 :])
    name = op.name if op.name.endswith(_ADDED) else op.name + _ADDED
    calls[key] = Call(name, own, (*op.kinds, kind), result if len(outputs) > 1 else kind)
    return calls[key]
