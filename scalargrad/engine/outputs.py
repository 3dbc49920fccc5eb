"""Ops of several outputs: their node holds all of them, and each output is a node that picks one.

Derivatives travel the same way: on the way back the cotangents of the outputs are gathered, on
the way forward each output picks its tangent.
"""

from __future__ import annotations

from typing import Any

from scalargrad.engine.op import Op


class Cotangents:
    """The derivatives by some of the outputs of one node; adding gathers them.

    `wholes` are further derivatives, each by all outputs at once, as one tuple. A sum changes its
    left operand, so each object takes part in one sum only.
    """

    __slots__ = ("by_output", "wholes")

    # A numpy zero on the left then leaves the sum to us.
    __array_ufunc__ = None

    def __init__(self, by_output: dict[int, Any], wholes: tuple[Any, ...] = ()) -> None:
        self.by_output = by_output
        self.wholes = wholes

    def __radd__(self, zero: Any) -> Cotangents:
        return self

    def __add__(self, other: Cotangents) -> Cotangents:
        mine = self.by_output
        for place, g in other.by_output.items():
            mine[place] = mine[place] + g if place in mine else g
        if other.wholes:
            self.wholes = self.wholes + other.wholes if self.wholes else other.wholes
        return self


class Tangents:
    """The derivatives of all outputs of one node along one direction; they add up one by one.

    `by_output` has them by place: a list, or what makes them when asked.
    """

    __slots__ = ("by_output",)

    def __init__(self, by_output: Any) -> None:
        self.by_output = by_output

    def __add__(self, other: Tangents) -> Tangents:
        pairs = zip(self.by_output, other.by_output, strict=True)
        return Tangents([b if a is None else a if b is None else a + b for a, b in pairs])


class Pick(Op):
    """One output of a node that has several: `pick` gives it.

    >>> pick(1).forward(("a", "b")), pick(1) is pick(1)
    ('b', True)
    """

    __slots__ = ("differentiable", "place")

    def __init__(self, place: int, differentiable: bool) -> None:
        def rule(g: Any, y: Any, outputs: Any) -> Any:
            if type(g) is Tangents:
                return g.by_output[place]
            return Cotangents({place: g}) if differentiable else None

        super().__init__(f"output {place}", lambda outputs: outputs[place], [rule])
        self.place, self.differentiable = place, differentiable

    def __reduce__(self) -> Any:
        return pick, (self.place, self.differentiable)


_picks: dict[tuple[int, bool], Pick] = {}


def pick(place: int, differentiable: bool = True) -> Pick:
    """Return the op that picks an output by its place: always the same one.

    No derivative passes through it if the output is not differentiable.
    """
    key = place, differentiable
    found = _picks.get(key)
    return _picks.setdefault(key, Pick(place, differentiable)) if found is None else found
