"""Whether a Function's backward may be differentiated: it must show all that it depends on.

A number that forward computed and left anywhere, in ctx or in a global, comes into backward as a
constant, and the derivative by it would be lost.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from scalargrad.custom.copies import plain
from scalargrad.engine.context import afresh
from scalargrad.engine.graph import topological_order
from scalargrad.engine.outputs import Cotangents
from scalargrad.engine.passes import recompute
from scalargrad.engine.real import in_kind
from scalargrad.engine.value import Value, make_node

# How far inputs are moved, as a part of themselves, and what is taken for rounding.
_STEP = 2.0**-10
_ROUNDING = 1e-12

# At inputs that are moved so far: what backward gives in numbers, and what its graph gives.
Compared = Callable[[float], list[tuple[Any, Any]]]


def check_twice(run: Any, places: Iterable[int]) -> None:
    """Raise TypeError if backward depends on the inputs by more than its arithmetic shows.

    `run` is a call, `places` are those of its outputs that are used. Where the inputs are moved a
    little, the graph of the derivatives, computed again, must give what backward gives in numbers.
    What is otherwise by a jump, as a random number or the other side of a kink, is no sign: only
    what becomes less with the way that the inputs are moved.
    """
    random = sys.modules.get("random")
    state = None if random is None else random.getstate()
    try:
        with afresh():
            compared = _compared(run, places)
            sides = [_follows(compared, side, random, state) for side in (1, -1)]
    except Exception:  # whatever a forward raises that runs once more
        return
    finally:
        if random is not None:
            random.setstate(state)
    known = [side for side in sides if side is not None]
    if known and all(known):
        raise TypeError(
            f"{run.op.name} cannot be differentiated twice: its backward uses a number that its "
            "forward computed and left in ctx or elsewhere, whose derivative would be lost; give "
            "inputs and outputs of forward to ctx.save_for_backward, and compute the rest in "
            "backward, or put @once_differentiable below its @staticmethod"
        )


def _compared(run: Any, places: Iterable[int]) -> Compared:
    op, wanted = run.op, run.op.wanted
    given = [plain(x) for x in run.given]
    leaves = [Value(x) if w else x for x, w in zip(given, wanted, strict=True)]
    sources = tuple(leaves) if all(wanted) else None
    call = make_node(op, tuple(leaves), op.forward(*given), sources)
    ones = Cotangents({k: in_kind(1, run.numbers[k]) for k in places})
    seeds = Cotangents({k: Value(one) for k, one in ones.by_output.items()})
    graph = op.graph_of(call._data.cotangents(seeds), call, leaves)
    nodes = topological_order([call, *[x for x in graph if isinstance(x, Value)]])

    def compared(step: float) -> list[tuple[Any, Any]]:
        for k, x in enumerate(leaves):
            if wanted[k]:
                # Each its own way: else what depends on a difference of inputs would not move.
                x._data = _moved(given[k], step * (1 + k % 7 / 8))
        recompute(nodes)
        numbers = op.pulled_back(ones, call._data)
        found = [x._data if isinstance(x, Value) else x for x in graph]
        return [(a, b) for a, b in zip(numbers, found, strict=True) if a is not None]

    return compared


def _follows(compared: Compared, side: int, random: Any, state: Any) -> bool | None:
    """Return whether there is a difference that grows with the step, None if it cannot be told."""
    found = []
    for step in (_STEP, _STEP / 16):
        if random is not None:
            random.setstate(state)
        try:
            pairs = [(float(a), float(b)) for a, b in compared(side * step)]
        except Exception:  # outside of the domain of forward or of backward
            return None
        found.append([(abs(a - b), abs(a) + abs(b)) for a, b in pairs])
    return any(
        far > _ROUNDING * size and 0 < near <= far / 4
        for (far, size), (near, _) in zip(*found, strict=True)
    )


def _moved(x: Any, step: float) -> Any:
    """Return a number of the same kind a part `step` of itself away; an int becomes a float."""
    if isinstance(x, int):
        x = float(x)
    # A subnormal number has no room for a part of itself.
    return x + (abs(x) if abs(x) > 1e-200 else type(x)(1)) * type(x)(step)
