"""Passes: derivatives carried through a graph, back from its outputs or forward from its inputs.

They write nothing to the nodes. `Value.backward` without `create_graph` has its own, in `fast`.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from functools import reduce
from typing import Any

from scalargrad.engine.graph import Node, contributions, operands_of
from scalargrad.engine.op import Op

# The sum of the derivatives by a number that is used many times: rounded at each step, as + is.
total = Op("sum", lambda *xs: reduce(operator.add, xs), joint=lambda g, y, *xs: [g] * len(xs))


def pull_back(
    nodes: Sequence[Any],
    slopes: dict[Any, Any],
    as_graph: bool,
    zero: Any,
    within: Collection[Any] | None = None,
) -> None:
    """Carry derivatives back through the graph: add to `slopes` those by all nodes reached.

    `slopes` holds the outputs' own to begin with; `nodes` are the results to pass through, each
    after its parents; `within`, if given, are the nodes whose derivatives are wanted. As a graph,
    the derivatives are nodes themselves, which can be differentiated again. `zero` stands for a
    rule's own plain 0, so that its kind is that of the other derivatives. None says that the
    nodes are traced: such a 0 is then carried along without asking the rules, and dropped where
    anything is added to it.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> slopes = {y: 1.0}
    >>> pull_back([y], slopes, as_graph=False, zero=0.0)
    >>> slopes[x]
    6.0
    """
    # In a graph, the terms of a sum of three or more become one node.
    terms: dict[Any, list[Any]] = {}

    def add(x: Any, slope: Any) -> None:
        if type(slope) is int and slope == 0:
            if zero is None:
                slopes.setdefault(x, slope)
                return
            slope = zero
        if x not in slopes:
            slopes[x] = slope
        elif zero is None and _is_zero(slopes[x]):
            slopes[x] = slope
        elif not as_graph or zero is None:
            slopes[x] = slopes[x] + slope
        elif x in terms:
            terms[x].append(slope)
        else:
            terms[x] = [slopes[x], slope]

    def summed(x: Any) -> Any:
        if x in terms:
            found = terms.pop(x)
            if len(found) == 2:
                slopes[x] = found[0] + found[1]
            else:
                slopes[x] = x.record(total, tuple(found))
        return slopes[x]

    for node in reversed(nodes):
        if node not in slopes:
            continue
        g = summed(node)
        operands = operands_of(node)
        gs = [g if isinstance(x, Node) and (within is None or x in within) else None for x in operands]
        if zero is None and _is_zero(g):
            found = gs
        else:
            found = contributions(node, gs, as_graph)
        for x, slope in zip(operands, found, strict=True):
            if slope is not None:
                add(x, slope)
    for x in list(terms):
        summed(x)


def push_forward(nodes: Sequence[Any], tangents: dict[Any, Any], as_graph: bool) -> None:
    """Carry derivatives forward through the graph: add to `tangents` those of all `nodes`.

    `tangents` holds those of the inputs to begin with, along one direction; `nodes` and `as_graph`
    are as in `pull_back`. A node that no tangent reaches gets none.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> tangents = {x: 1.0}
    >>> push_forward([y], tangents, as_graph=False)
    >>> tangents[y]
    6.0
    """
    for node in nodes:
        operands = operands_of(node)
        gs = [tangents.get(x) if isinstance(x, Node) else None for x in operands]
        moves = [move for move in contributions(node, gs, as_graph) if move is not None]
        if moves:
            tangents[node] = reduce(operator.add, moves)


def _is_zero(slope: Any) -> bool:
    return type(slope) is int and slope == 0
