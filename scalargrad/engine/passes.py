"""Passes: derivatives carried through a graph, back from its outputs or forward from its inputs.

They write nothing to the nodes but for one: `recompute`, the forward pass of a graph that is there
already. `pull_back` has a twin for plain numbers in fast.py, which `backward()` runs.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

from scalargrad.engine import operators
from scalargrad.engine.context import (
    active,
    differentiated,
    here,
    tracing,
)
from scalargrad.engine.context import within as in_context
from scalargrad.engine.errors import FAILURES, explained, shown
from scalargrad.engine.graph import Node, contributions, operands_of, topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Pick
from scalargrad.engine.real import in_kind, is_real, number_of


def added(*xs: Any) -> Any:
    """Return the sum of xs, rounded at each step, as + is."""
    return reduce(operator.add, xs)


# The sum of the derivatives by a number that is used many times.
total = Op("sum", added, joint=lambda g, y, *xs: [g] * len(xs))


def pull_back(
    nodes: Sequence[Any],
    slopes: dict[Any, Any],
    as_graph: bool,
    within: set[Any] | None = None,
) -> list[Any]:
    """Carry derivatives back through the graph: add to `slopes` those by all nodes reached.

    `slopes` holds the outputs' own to begin with; `nodes` are the results to pass through, each
    after its parents; `within`, if given, are the nodes whose derivatives are wanted. As a graph,
    the derivatives are nodes themselves, which can be differentiated again. A node that no
    derivative reaches is not visited and gets none.
    Return the nodes that were passed by at least once.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> slopes = {y: 1.0}
    >>> pull_back([y], slopes, as_graph=False)
    []
    >>> slopes[x]
    6.0
    """
    now: Any = tracing() if as_graph else None
    if now is not None:
        now.within = within  # for calls, to which it is not handed
    under = now.under if now is not None else None
    added_at_once = now is not None or not as_graph
    watch = here().watch if active else None
    untaken = here().both_sides if as_graph and active else None
    # In a graph, the terms of a sum of three or more become one node.
    terms: dict[Any, list[Any]] = {}
    passed_by: list[Any] = []  # plain numbers among them
    for node in reversed(nodes):
        if node not in slopes:
            passed_by += operands_of(node)
            continue
        g = _summed(node, slopes, terms, untaken) if node in terms else slopes[node]
        a, b = node._first, node._second
        gs: Sequence[Any]
        if type(a) is tuple:
            operands = a
            gs = [g if isinstance(x, Node) and (within is None or x in within) else None for x in a]
        elif b is None:
            operands, gs = (a,), (g,)
        else:
            operands = (a, b)
            gs = (
                g if isinstance(a, Node) and (within is None or a in within) else None,
                g if isinstance(b, Node) and (within is None or b in within) else None,
            )
        found = contributions(node, gs, as_graph)
        if untaken and g in untaken:
            _check_second(node, operands, g, found)
            untaken.update([slope for slope in found if slope is not None])
        if under:
            found = now.guarded(g, found)
        for x, slope in zip(operands, found):  # noqa: B905 - strict takes its time
            if slope is None:
                passed_by.append(x)
            elif x not in slopes:
                slopes[x] = slope
            elif under:
                slopes[x] = now.added(slopes[x], slope)
            elif added_at_once or type(slope) is Cotangents:
                had = slopes[x]
                slopes[x] = had + slope if watch is None else watch.summed(x, had, slope)
            elif x in terms:
                terms[x].append(slope)
            else:
                terms[x] = [slopes[x], slope]
    for x in list(terms):
        _summed(x, slopes, terms, untaken)
    return [x for x in passed_by if isinstance(x, Node)]


def _summed(
    x: Any, slopes: dict[Any, Any], terms: dict[Any, list[Any]], untaken: set[Any] | None
) -> Any:
    found = terms.pop(x)
    slopes[x] = found[0] + found[1] if len(found) == 2 else x.record(total, tuple(found))
    if untaken and untaken.issuperset(found):
        untaken.add(slopes[x])
    return slopes[x]


def _check_second(node: Any, operands: Sequence[Any], g: Any, found: Sequence[Any]) -> None:
    """Raise the error, if there is one, of differentiating again what the rule of `node` gave."""
    if node._op in operators.SUMS_AND_PRODUCTS:
        return
    known = {x for x in (node, g, *operands) if isinstance(x, Node)}
    ends = {x: in_kind(1, x._data) for x in found if isinstance(x, Node)}
    pull_back(topological_order(ends, known), ends, as_graph=False)


def push_forward(
    nodes: Sequence[Any],
    tangents: dict[Any, Any],
    as_graph: bool,
    ends: Iterable[Any] | None = None,
) -> None:
    """Carry derivatives forward through the graph: add to `tangents` those of all `nodes`.

    `tangents` holds those of the inputs to begin with, along one direction; `nodes` and `as_graph`
    are as in `pull_back`. A node that no tangent reaches gets none. `ends` are the nodes whose
    tangents are asked for. If they are given, the error of a rule is raised only if one of them
    depends on it: an error on a side that a choice did not take is not.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> tangents = {x: 1.0}
    >>> push_forward([y], tangents, as_graph=False)
    >>> tangents[y]
    6.0
    """
    now = tracing()
    if now is not None:
        ends = None
    failed: dict[Any, Exception] = {}
    for node in nodes:
        operands = operands_of(node)
        gs = [tangents.get(x) if isinstance(x, Node) else None for x in operands]
        if failed:
            lost = {x for x in operands if isinstance(x, Node) and x in failed}
            if lost and _depends(node, operands, lost, as_graph):
                failed[node] = failed[next(iter(lost))]
                continue
        given = [g for g in gs if g is not None]
        if not given:
            continue
        try:
            tangent = None
            parts = contributions(node, gs, as_graph)
            if now is not None and now.under:
                parts = [now.guarded(g, [part])[0] for g, part in zip(gs, parts, strict=True)]
            for part in parts:
                if part is not None and tangent is not None and now is not None:
                    tangent = now.added(tangent, part)
                elif part is not None:
                    tangent = part if tangent is None else tangent + part
            if tangent is not None:
                tangents[node] = tangent
        except FAILURES as error:
            if ends is None:
                raise
            failed[node] = error
    for y in ends or ():
        if isinstance(y, Node) and y in failed:
            raise failed[y]


def _depends(node: Any, operands: Sequence[Any], lost: set[Any], as_graph: bool) -> bool:
    """Return whether `node` depends on any of the operands `lost`, by its rules at this point."""
    one = in_kind(1, node._data)
    one = type(node)(one) if as_graph else one
    ones = [one if isinstance(x, Node) and x in lost else None for x in operands]
    try:
        return any(p is not None for p in contributions(node, ones, as_graph))
    except FAILURES:
        return True


def recompute(nodes: Sequence[Any]) -> None:
    """Give each of `nodes`, results after their operands, the number that it has now.

    Where an op fails, all keep those that they had.
    """
    before = [node._data for node in nodes]
    try:
        for node in nodes:
            op, a, b = node._op, node._first, node._second
            if type(a) is tuple:
                node._data = op.forward(*[x._data if isinstance(x, Node) else x for x in a])
            elif b is None:
                node._data = op.forward(a._data)
            else:
                node._data = op.forward(
                    a._data if isinstance(a, Node) else a, b._data if isinstance(b, Node) else b
                )
    except BaseException as error:
        # In words before the numbers are back: it names those of this run.
        told = explained(error, op, operands_of(node)) if isinstance(error, FAILURES) else None
        for node, number in zip(nodes, before, strict=True):
            node._data = number
        if told is None:
            raise
        raise told from None
    if active and (watch := here().watch) is not None:
        watch.recomputed(nodes)


def dependents(nodes: Iterable[Any], reached: set[Any]) -> list[Any]:
    """Return those of `nodes`, each after its parents, that depend on any in `reached`.

    Add them to `reached`.

    >>> from scalargrad import Value
    >>> x, w = Value(3.0), Value(2.0)
    >>> [node.op for node in dependents(topological_order([x * x + w.exp()]), {x})]
    ['*', '+']
    """
    found = []
    for node in nodes:
        a, b = node._first, node._second
        if type(a) is tuple:
            known = type(b) is tuple
            depends = not reached.isdisjoint(a if known else [x for x in a if isinstance(x, Node)])
        else:
            depends = (isinstance(a, Node) and a in reached) or (
                isinstance(b, Node) and b in reached
            )
        if depends:
            reached.add(node)
            found.append(node)
    return found


def is_differentiated(ys: Iterable[Any], own: Sequence[Any] = ()) -> bool:
    """Return whether a transform that runs now differentiates by what any of `ys` depends on.

    It does not look beyond the nodes `own`. While a function is traced, its inputs count, too.
    """
    traced = tracing() is not None
    if not (differentiated or traced):
        return False
    ends = [y for y in ys if isinstance(y, Node)]
    kept = set(own)
    operands = [x for node in topological_order(ends, set(own)) for x in operands_of(node)]
    return any(
        x in differentiated or (traced and x._op is None and not hasattr(x, "_data"))
        for x in (*ends, *operands)
        if isinstance(x, Node) and x not in kept
    )


def slopes_by(y: Any, seed: Any, targets: Sequence[Any] | None, as_graph: bool) -> dict[Any, Any]:
    """Return the derivatives of `y`, times `seed`, by all Values of its graph, or by `targets`.

    A target that `y` does not depend on has none. Without targets, a Value that no derivative
    reached has zero.
    """
    if as_graph and here().both_sides is None:
        try:
            with in_context(both_sides=set()):
                return slopes_by(y, seed, targets, as_graph)
        except FAILURES:
            pass  # perhaps of a side that was not taken: now without these
    slopes: dict[Any, Any] = {y: seed}
    nodes = topological_order([y])
    within = None
    if targets is not None:
        within = set(targets)
        nodes = dependents(nodes, within)
    passed_by = pull_back(nodes, slopes, as_graph, within)
    if targets is not None:
        return {x: slopes[x] for x in targets if x in slopes}
    zero = in_kind(0, seed._data if as_graph else seed)
    return {**dict.fromkeys(passed_by, zero), **slopes} if passed_by else slopes


def add_slopes(y: Any, seed: Any, as_graph: bool, targets: Sequence[Any] | None) -> None:
    """Add the derivatives of `y`, times `seed`, to the gradients of its graph, or of `targets`.

    This is `backward` with `create_graph` or `inputs`, and within `detect_anomaly`. Without
    targets, results get theirs anew, and leaves add to what they had.
    """
    value = type(y)
    slopes = slopes_by(y, seed, targets, as_graph)
    for x, slope in slopes.items():
        if not is_real(x._data):
            continue  # the data of a Function's call is its run
        if as_graph and not isinstance(slope, Node):
            slope = value(slope)  # a plain number of a rule's
        had = 0 if targets is None and x._op is not None else x._grad
        if type(had) is int and had == 0:
            x._grad = slope
        else:
            x._grad = value(had) + slope if as_graph and is_real(had) else had + slope


def local_derivatives(y: Any) -> tuple[Any, ...]:
    """Return the derivative of `y` by each of its parents alone, in their order."""
    node, g = y, in_kind(1, y._data)
    if type(y._op) is Pick:  # an output of a Function: its parents are the call's
        node = y._first
        g = Cotangents({y._op.place: g})
    gs = [g if isinstance(x, Node) else None for x in operands_of(node)]
    slopes = contributions(node, gs, as_graph=False) if gs else ()
    return tuple(
        in_kind(0, y._data) if slope is None else slope
        for g, slope in zip(gs, slopes, strict=True)
        if g is not None
    )


def chosen(xs: Iterable[Any]) -> list[Any]:
    """Return the Values to differentiate by, as a list. Raises TypeError for anything else.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> chosen((x,))
    [Value(data=3.0, grad=0)]
    """
    if isinstance(xs, Node) or not isinstance(xs, Iterable):
        raise TypeError(
            f"give the Values to differentiate by in a list, as in [x], not {shown(xs)}"
        )
    found = list(xs)
    for x in found:
        if not isinstance(x, Node):
            raise TypeError(
                f"derivatives are by Values, not by {shown(x)} ({type(x).__name__}): give those "
                "that the result was computed from"
            )
    return found


def seed_for(output: Any, gradient: Any, as_graph: bool) -> Any:
    """Return the derivative to start a backward pass from `output` with: a Value for a graph.

    A plain 1 becomes one of the output's kind, so that 1 / 3 on the way is exact in a Fraction.
    Raises TypeError if `gradient` is no real number, nor a Value for a graph.

    >>> from scalargrad import Value
    >>> seed_for(Value(0.5), 1, as_graph=False)
    1.0
    """
    if as_graph and isinstance(gradient, Node):
        return gradient
    number = number_of(gradient)
    if number is None:
        cure = "; a Value goes with create_graph=True" if isinstance(gradient, Node) else ""
        raise TypeError(
            f"gradient must be a real number, got {shown(gradient)} "
            f"({type(gradient).__name__}){cure}"
        )
    if type(number) is int:
        number = in_kind(number, output._data)
    return type(output)(number) if as_graph else number
