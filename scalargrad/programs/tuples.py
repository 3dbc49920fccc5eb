"""Tuples of numbers in a trace, each as one symbol: the nested arguments of calls.

A derivative by a tuple is Cotangents on the way back and Tangents on the way forward. What these
look like can be said without their symbols: that is their shape, and it is hashable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.graph import Node
from scalargrad.engine.modes import tracing
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Pick, Tangents, pick
from scalargrad.engine.passes import added, is_zero
from scalargrad.programs.trace import Symbol, Trace
from scalargrad.transforms.nesting import NUMBER

# So many gradients of a tuple are summed at a time.
_SUMMED = 8


class _PackOp(Op):
    """The numbers of a nested argument as one tuple."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "pack"

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            slopes = by_element(first, len(inputs))
            return [None if g is None else slopes.get(k) for k, g in enumerate(gs)]
        moving = [k for k, g in enumerate(gs) if g is not None and not is_zero(g)]
        if not moving:
            return [None] * len(gs)
        moves = this_trace().new(pack, tuple(gs[k] for k in moving))
        places = {k: place for place, k in enumerate(moving)}
        return at_first(gs, Tangents(Parts(moves, places)))


class _TotalOp(Op):
    """The sum of tuples, element by element."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "pack_total"

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            return [
                None if g is None else Cotangents(dict(first.by_output), first.wholes) for g in gs
            ]
        parts = [g.by_output for g in gs if g is not None]
        sums = {}
        for k in sorted({k for part in parts for k in part.places}):
            moves = [part[k] for part in parts]
            found = [move for move in moves if move is not None and not is_zero(move)]
            if found:
                sums[k] = added(*found)
        if not sums:
            return [None] * len(gs)
        whole = this_trace().new(pack, tuple(sums.values()))
        places = {k: place for place, k in enumerate(sums)}
        return at_first(gs, Tangents(Parts(whole, places)))


def _unused(g: Any, y: Any, *inputs: Any) -> list[Any]:
    raise AssertionError("derivatives does this op's work")


def wanted_elements(x: Any) -> Any:
    """Return whether the derivative by an operand is wanted: of a tuple, of which elements."""
    trace = this_trace()
    if x in trace.wanted:
        return trace.wanted[x]
    if x._op is not pack:
        return True
    within = trace.within
    found = tuple(isinstance(n, Node) and (within is None or n in within) for n in x._first)
    return any(found) if all(found) or not any(found) else found


def _packed(*xs: Any) -> tuple[Any, ...]:
    return xs


def _totals(*tuples: Any) -> tuple[Any, ...]:
    return tuple(added(*xs) for xs in zip(*tuples, strict=True))


pack = _PackOp("pack", _packed, joint=_unused)
pack_total = _TotalOp("sum of tuples", _totals, joint=_unused)


class Wholes(tuple[Any, ...]):
    """Derivatives by all elements of a tuple at once, which are to be summed.

    Some at a time: a program then holds few of them, and not a great number at its end.
    """

    __slots__ = ()

    def __add__(self, other: Any) -> Wholes:
        joined = (*self, *other)
        if len(joined) < _SUMMED:
            return Wholes(joined)
        return Wholes((this_trace().new(pack_total, joined),))


class Parts:
    """The tangents of the elements of a tuple: picked from the symbol of another when asked for.

    `places` says for each element that moves where its tangent is: a place, or for an element that
    is a tuple itself the pair of a place and such places. Without a place there, these are of the
    same whole. Elements that do not move have None.
    """

    def __init__(self, whole: Any, places: dict[int, Any]) -> None:
        self.whole, self.places = whole, places

    def __getitem__(self, k: int) -> Any:
        place = self.places.get(k)
        if place is None or isinstance(place, Constant):
            return place and place.number
        if type(place) is int:
            return this_trace().new(pick(place), (self.whole,))
        whole = self.whole
        if place[0] is not None:
            whole = this_trace().new(pick(place[0]), (whole,))
        return Tangents(Parts(whole, place[1]))


class Constant(NamedTuple):
    """A tangent or derivative that is a plain number."""

    number: Any


def this_trace() -> Trace:
    """Return the trace that is in force here."""
    trace = tracing()
    assert isinstance(trace, Trace)
    return trace


def at_first(gs: Sequence[Any], move: Any) -> list[Any]:
    """Return `move` in the place of the first input that moves: all of them together give it."""
    found: list[Any] = [None] * len(gs)
    found[next(k for k, g in enumerate(gs) if g is not None)] = move
    return found


def whole_of(g: Cotangents) -> Any:
    """Return the sum of the derivatives of all elements at once."""
    wholes = g.wholes
    return wholes[0] if len(wholes) == 1 else this_trace().new(pack_total, tuple(wholes))


def by_element(g: Cotangents, size: int) -> dict[int, Any]:
    """Return the derivatives by the elements of a tuple of this size, by place."""
    if not g.wholes:
        return g.by_output
    whole = whole_of(g)
    slopes = Cotangents({k: this_trace().new(pick(k), (whole,)) for k in range(size)})
    return (slopes + Cotangents(g.by_output)).by_output


def packed(trace: Trace, numbers: Sequence[Any]) -> Symbol:
    """Return the symbol of the tuple of `numbers`: the same one for the same numbers."""
    first = numbers[0]
    if isinstance(first, Symbol) and type(first._op) is Pick:
        whole = first._first
        if trace.sizes.get(whole) == len(numbers) and all(
            isinstance(x, Symbol) and type(x._op) is Pick and x._op.place == k and x._first is whole
            for k, x in enumerate(numbers)
        ):
            return whole  # type: ignore[no-any-return]
    key = tuple(x if isinstance(x, Node) else _Key(x) for x in numbers)
    found = trace.packs.get(key)
    if found is None:
        found = trace.packs[key] = trace.new(pack, tuple(numbers))
    return found


class _Key:
    """A plain number that equals only itself."""

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number

    def __hash__(self) -> int:
        return id(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.number is other.number


# The shape of the tangent of a number.
MOVES = "moves"


def frozen(places: dict[int, Any]) -> Any:
    """Return the hashable form of the places of tangents."""
    return tuple(
        (k, p if not isinstance(p, tuple) or isinstance(p, Constant) else (p[0], frozen(p[1])))
        for k, p in places.items()
    )


def thawed(places: Any) -> dict[int, Any]:
    """Return the places that `frozen` made hashable."""
    return {
        k: p if not isinstance(p, tuple) or isinstance(p, Constant) else (p[0], thawed(p[1]))
        for k, p in places
    }


def shape_of(g: Any, seeds: list[Any]) -> Any:
    """Add the symbols of a derivative to `seeds`; return what it looks like, hashable."""
    if type(g) is not Cotangents:
        seeds.append(g)
        return NUMBER
    by_output = g.by_output.items()
    inner = tuple((k, shape_of(x, seeds)) for k, x in by_output if not is_zero(x))
    if g.wholes:
        g.wholes = Wholes((whole_of(g),))
        seeds += g.wholes
    return inner, bool(g.wholes)


def of_shape(shape: Any, seeds: Iterator[Any]) -> Any:
    """Return the derivative of that shape made of other symbols."""
    if shape is NUMBER:
        return next(seeds)
    by_output = {k: of_shape(inner, seeds) for k, inner in shape[0]}
    return Cotangents(by_output, Wholes([next(seeds)] if shape[1] else []))


def picked_at(place: Any, call: Any) -> Any:
    """Return the derivative that stands at `place` among the numbers of a call."""
    if isinstance(place, Constant):
        return place.number
    if type(place) is int:
        return this_trace().new(pick(place), (call,))
    by_output, whole = place
    found = {k: picked_at(p, call) for k, p in by_output.items()}
    return Cotangents(found, Wholes([] if whole is None else [picked_at(whole, call)]))


def ends_of(move: Any) -> Sequence[Any]:
    """Return the symbols that a tangent is made of."""
    if type(move) is not Tangents:
        return [move]
    parts = move.by_output
    return parts if isinstance(parts, list) else [parts.whole]


def placed_at(x: Any, places: dict[Any, int]) -> Any:
    """Return where among the variables a derivative is, or what its parts are picked from."""
    if x is None:
        return None
    if type(x) is Cotangents:
        by_output = {k: placed_at(inner, places) for k, inner in x.by_output.items()}
        return by_output, places[x.wholes[0]] if x.wholes else None
    if type(x) is Tangents:
        parts = x.by_output
        if isinstance(parts, list):  # of a Function's outputs
            return None, {k: placed_at(move, places) for k, move in enumerate(parts)}
        return places[parts.whole], parts.places
    return places[x] if isinstance(x, Node) else Constant(x)
