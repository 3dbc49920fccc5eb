"""Tuples of numbers in a trace, each as one symbol: nested arguments, and what calls give.

A derivative by a tuple is a tuple, with the literal 0 where there is none, which is dropped where
anything is added to it. The form of a tuple says where it has such zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalargrad.engine.context import tracing
from scalargrad.engine.graph import Node
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Tangents
from scalargrad.engine.passes import added
from scalargrad.programs.trace.symbols import Trace, Tuple

# So many gradients of a tuple are summed at a time.
_SUMMED = 8


class _PackOp(Op):
    """The numbers of a nested argument as one tuple."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "pack"

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        if is_backward(gs):
            slopes = by_element(first_of(gs))
            return [None if g is None else slopes.get(k) for k, g in enumerate(gs)]
        return at_first(gs, moving(new_pack([0 if g is None else g for g in gs])))


class _TotalOp(Op):
    """The sum of tuples, element by element."""

    __slots__ = ()

    def __reduce__(self) -> str:
        return "pack_total"

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        if is_backward(gs):
            g = first_of(gs)
            return [None if x is None else Cotangents(dict(g.by_output), g.wholes) for x in gs]
        return at_first(gs, moving(new_total([g.by_output.whole for g in gs if g is not None])))


def _unused(g: Any, y: Any, *inputs: Any) -> list[Any]:
    raise AssertionError("derivatives does this op's work")


def _packed(*xs: Any) -> tuple[Any, ...]:
    return xs


def _totals(*tuples: Any) -> tuple[Any, ...]:
    return tuple(added(*xs) for xs in zip(*tuples, strict=True))


pack = _PackOp("pack", _packed, joint=_unused)
pack_total = _TotalOp("sum of tuples", _totals, joint=_unused)


def is_zero(slope: Any) -> bool:
    """Return whether this is a literal 0: no derivative.

    >>> is_zero(0), is_zero(0.0)
    (True, False)
    """
    return type(slope) is int and slope == 0


def this_trace() -> Trace:
    """Return the trace that is in force here."""
    trace = tracing()
    assert isinstance(trace, Trace)
    return trace


def is_backward(gs: Sequence[Any]) -> bool:
    """Return whether these are derivatives on the way back: of a tuple, Cotangents."""
    return type(first_of(gs)) is Cotangents


def first_of(gs: Sequence[Any]) -> Any:
    """Return the first derivative that there is."""
    return next(g for g in gs if g is not None)


def at_first(gs: Sequence[Any], move: Any) -> list[Any]:
    """Return `move` in the place of the first input that moves: all of them together give it."""
    found: list[Any] = [None] * len(gs)
    found[next(k for k, g in enumerate(gs) if g is not None)] = move
    return found


# --- tuples ---------------------------------------------------------------------------------------


def new_pack(numbers: Sequence[Any]) -> Any:
    """Return the symbol of the tuple of `numbers`: None if all of them are the literal 0."""
    form = tuple([not is_zero(x) for x in numbers])
    if True not in form:
        return None
    return this_trace().new_tuple(pack, tuple(numbers), form, dict(enumerate(numbers)))


def packed(trace: Trace, numbers: Sequence[Any]) -> Tuple:
    """Return the symbol of the tuple of `numbers`, of an argument: the same one for the same."""
    whole = all_of(numbers, trace.leaves)
    if whole is not None:
        return whole
    key = tuple(x if isinstance(x, Node) else _Key(x) for x in numbers)
    found = trace.packs.get(key)
    if found is None:
        form = (True,) * len(numbers)
        found = trace.new_tuple(pack, tuple(numbers), form, dict(enumerate(numbers)))
        trace.packs[key] = found
    return found


def all_of(xs: Sequence[Any], places: dict[Any, tuple[Tuple, int]]) -> Tuple | None:
    """Return the tuple whose elements these are, all of them in order, if there is one."""
    whole, _ = places.get(xs[0], (None, 0)) if isinstance(xs[0], Node) else (None, 0)
    if whole is None or len(whole.form) != len(xs):
        return None
    for k, x in enumerate(xs):
        found, place = places.get(x, (None, 0)) if isinstance(x, Node) else (None, 0)
        if found is not whole or place != k:
            return None
    return whole


class _Key:
    """A plain number that equals only itself."""

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number

    def __hash__(self) -> int:
        return id(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.number is other.number


def new_total(tuples: Sequence[Tuple]) -> Tuple:
    """Return the sum of tuples, element by element."""
    if len(tuples) == 1:
        return tuples[0]
    form = tuple(map(any, zip(*[x.form for x in tuples], strict=True)))
    return this_trace().new_tuple(pack_total, tuple(tuples), form)


# --- derivatives by tuples, on the way back -------------------------------------------------------


class Wholes(tuple[Any, ...]):
    """Derivatives by all elements of a tuple at once, which are to be summed.

    Some at a time: a program then holds few of them, and not a great number at its end.
    """

    __slots__ = ()

    def __add__(self, other: Any) -> Wholes:
        joined = (*self, *other)
        return Wholes(joined if len(joined) < _SUMMED else [new_total(joined)])


def cotangents(whole: Any) -> Any:
    """Return a derivative as it is carried back through a graph: of a tuple, Cotangents."""
    return Cotangents({}, Wholes([whole])) if isinstance(whole, Tuple) else whole


def by_element(g: Cotangents) -> dict[int, Any]:
    """Return the derivatives by the elements of a tuple, by place."""
    if not g.wholes:
        return g.by_output
    whole = new_total(g.wholes)
    slopes = Cotangents({k: whole.element(k) for k, is_there in enumerate(whole.form) if is_there})
    return (slopes + Cotangents(g.by_output)).by_output


def whole_of(g: Cotangents, form: Any) -> Any:
    """Return the derivative by a tuple of this form as a tuple: None if there is none.

    What a Function left has no form, and no derivative.
    """
    if g.wholes and not g.by_output:
        return new_total(g.wholes)
    slopes = by_element(g)
    return new_pack([slopes.get(k, 0) for k in range(len(form or ()))])


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


# --- and on the way forward -----------------------------------------------------------------------


class Elements:
    """The elements of a tuple, picked when asked for."""

    def __init__(self, whole: Tuple) -> None:
        self.whole = whole

    def __getitem__(self, k: int) -> Any:
        return self.whole.element(k) if self.whole.form[k] else None


def moving(move: Any) -> Any:
    """Return a tangent as it is carried forward through a graph: of a tuple, Tangents."""
    return Tangents(Elements(move)) if isinstance(move, Tuple) else move
