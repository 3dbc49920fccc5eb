"""Passes: derivatives carried through a graph, back from its outputs or forward from its inputs.

They write nothing to the nodes but for two: `add_gradients`, the backward pass of plain numbers,
and `recompute`, the forward pass of a graph that is there already.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any

from scalargrad.engine.errors import FAILURES, explained, shown
from scalargrad.engine.graph import Node, contributions, operands_of, topological_order
from scalargrad.engine.modes import (
    active,
    differentiated,
    mode,
    refuse_access,
    tracing,
    watcher,
    watching,
)
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
    zero: Any,
    within: set[Any] | None = None,
) -> None:
    """Carry derivatives back through the graph: add to `slopes` those by all nodes reached.

    `slopes` holds the outputs' own to begin with; `nodes` are the results to pass through, each
    after its parents; `within`, if given, are the nodes whose derivatives are wanted. As a graph,
    the derivatives are nodes themselves, which can be differentiated again. A rule's own plain 0
    is carried along there without asking the rules, and dropped where anything is added to it;
    in numbers `zero` stands for it, in the kind of the other derivatives. None says that the
    nodes are traced.

    >>> from scalargrad import Value
    >>> x = Value(3.0)
    >>> y = x * x
    >>> slopes = {y: 1.0}
    >>> pull_back([y], slopes, as_graph=False, zero=0.0)
    >>> slopes[x]
    6.0
    """
    traced = zero is None
    if traced and (now := tracing()) is not None:
        now.within = within  # for calls, to which it is not handed
    added_at_once = traced or not as_graph
    # In a graph, the terms of a sum of three or more become one node.
    terms: dict[Any, list[Any]] = {}

    def add(x: Any, slope: Any) -> None:
        if type(slope) is int and slope == 0:
            if as_graph:
                slopes.setdefault(x, slope)
                return
            slope = zero
        if x not in slopes or (as_graph and is_zero(slopes[x])):
            slopes[x] = slope
        elif added_at_once or type(slope) is Cotangents:
            slopes[x] = slopes[x] + slope
        elif x in terms:
            terms[x].append(slope)
        else:
            terms[x] = [slopes[x], slope]

    for node in reversed(nodes):
        if node not in slopes:
            continue
        g = _summed(node, slopes, terms) if node in terms else slopes[node]
        op, a, b = node._op, node._first, node._second
        if type(a) is tuple or watching or (as_graph and is_zero(g)):
            operands = operands_of(node)
            gs = [
                g if isinstance(x, Node) and (within is None or x in within) else None
                for x in operands
            ]
            found = gs if as_graph and is_zero(g) else contributions(node, gs, as_graph)
            for x, slope in zip(operands, found):  # noqa: B905 - strict takes its time
                if slope is not None:
                    add(x, slope)
            continue
        # As `contributions` has it, in half of the time.
        by_b = None
        try:
            if b is None:
                by_a = op.rules[0](g, node, a) if as_graph else op.rules[0](g, node._data, a._data)
            else:
                y, p, q = node, a, b
                if not as_graph:
                    y = node._data
                    p = a._data if isinstance(a, Node) else a
                    q = b._data if isinstance(b, Node) else b
                by_a = None
                if isinstance(a, Node) and (within is None or a in within):
                    by_a = op.rules[0](g, y, p, q)
                if isinstance(b, Node) and (within is None or b in within):
                    by_b = op.rules[1](g, y, p, q)
        except FAILURES as error:
            raise explained(error, op, operands_of(node), "the derivative of ") from None
        if by_a is not None:
            add(a, by_a)
        if by_b is not None:
            add(b, by_b)
    for x in list(terms):
        _summed(x, slopes, terms)


def _summed(x: Any, slopes: dict[Any, Any], terms: dict[Any, list[Any]]) -> Any:
    found = terms.pop(x)
    slopes[x] = found[0] + found[1] if len(found) == 2 else x.record(total, tuple(found))
    return slopes[x]


def is_zero(slope: Any) -> bool:
    """Return whether this is a rule's own 0.

    >>> is_zero(0), is_zero(0.0)
    (True, False)
    """
    return type(slope) is int and slope == 0


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
        a, b = node._first, node._second
        gs: Sequence[Any]
        if type(a) is tuple:
            gs = [tangents.get(x) if isinstance(x, Node) else None for x in a]
        elif b is None:
            gs = (tangents.get(a),)
        else:
            gs = (
                tangents.get(a) if isinstance(a, Node) else None,
                tangents.get(b) if isinstance(b, Node) else None,
            )
        move = None
        if gs.count(None) < len(gs):
            # A rule would make a float of a rule's own 0, where it divides by a number.
            if as_graph and all(g is None or is_zero(g) for g in gs):
                continue
            for part in contributions(node, gs, as_graph):
                if part is not None:
                    move = part if move is None else move + part
            if move is not None:
                tangents[node] = move


# Joint rules unrolled: `unrolled[op](g, inputs)` adds to the gradients of inputs, nodes all, what
# the rule of the op says, in less time.
unrolled: dict[Op, Callable[[Any, Sequence[Any]], None]] = {}


def add_gradients(nodes: list[Any], seed: Any) -> None:
    """Add to the gradients of leaves their derivatives, and give results theirs anew.

    `nodes` are the results, each after its operands, the last the output, whose own derivative is
    `seed`. It is `pull_back` for plain numbers, with the gradients in the nodes and
    `contributions` unrolled for ops of one input, two, and many: four times as fast.
    """
    # Of the seed's kind, so that a rule's own 0 does not stay an int: 0 / 3 is a float.
    zero = in_kind(0, seed)
    for node in nodes:
        node._grad = zero
    nodes[-1]._grad = seed
    nodes.reverse()
    try:
        for node in nodes:
            op, a, b = node._op, node._first, node._second
            joint = op.joint
            if joint is not None:
                if type(b) is tuple:  # all inputs are nodes
                    add = unrolled.get(op)
                    if add is not None:
                        add(node._grad, a)
                        continue
                    slopes = joint(node._grad, node._data, *[x._data for x in a])
                    for x, slope in zip(a, slopes, strict=True):
                        x._grad += slope
                else:
                    inputs = [x._data if isinstance(x, Node) else x for x in a]
                    if op.rules:
                        gs = [node._grad if isinstance(x, Node) else None for x in a]
                        slopes = op.derivatives(gs, node._data, inputs)
                    else:
                        slopes = joint(node._grad, node._data, *inputs)
                    for x, slope in zip(a, slopes, strict=True):
                        if isinstance(x, Node):
                            x._grad += slope
            elif b is None:
                a._grad += op.rules[0](node._grad, node._data, a._data)
            elif isinstance(b, Node):
                if isinstance(a, Node):
                    g, y, a_data, b_data = node._grad, node._data, a._data, b._data
                    a._grad += op.rules[0](g, y, a_data, b_data)
                    b._grad += op.rules[1](g, y, a_data, b_data)
                else:
                    b._grad += op.rules[1](node._grad, node._data, a, b._data)
            else:
                a._grad += op.rules[0](node._grad, node._data, a._data, b)
    except FAILURES as error:
        raise explained(error, op, operands_of(node), "the derivative of ") from None
    if active and (now := mode()) is not None:
        now.passed(nodes)


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
    if watching and (watch := watcher()) is not None:
        watch.recomputed(nodes)


def dependents(nodes: Iterable[Any], reached: set[Any]) -> list[Any]:
    """Return those of `nodes`, each after its parents, that depend on any in `reached`.

    They are added to it.

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

    What lies beyond the nodes `own` is left out. While a function is traced, that is so of all
    its symbols.
    """
    traced = bool(active) and tracing() is not None
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

    A target that `y` does not depend on has none.
    """
    slopes: dict[Any, Any] = {y: seed}
    nodes = topological_order([y])
    within = None
    if targets is not None:
        within = set(targets)
        nodes = dependents(nodes, within)
    pull_back(nodes, slopes, as_graph, 0 if as_graph else in_kind(0, seed), within)
    return slopes if targets is None else {x: slopes[x] for x in targets if x in slopes}


def add_slopes(y: Any, seed: Any, as_graph: bool, targets: Sequence[Any] | None) -> None:
    """Add the derivatives of `y`, times `seed`, to the gradients of its graph, or of `targets`.

    This is `backward` with `create_graph` or with `inputs`. Without targets, results get theirs
    anew, and leaves add to what they had.
    """
    value = type(y)
    for x, slope in slopes_by(y, seed, targets, as_graph).items():
        if not is_real(x._data):
            continue  # the data of a Function's call is its run
        if as_graph and not isinstance(slope, Node):
            slope = value(slope)  # a rule's own 0
        had = 0 if targets is None and x._op is not None else x._grad
        if type(had) is int and had == 0:
            x._grad = slope
        else:
            x._grad = value(had) + slope if as_graph and is_real(had) else had + slope


def local_derivatives(self: Any) -> tuple[Any, ...]:
    """Return the derivative of this Value by each of its parents alone, in their order.

    The chain rule multiplies each with what arrives from above. Raises what `backward` raises.

    >>> from scalargrad import Value
    >>> a, b = Value(2.0), Value(5.0)
    >>> (a * b).local_derivatives()
    (5.0, 2.0)
    """
    if active:
        refuse_access()
    node, g = self, in_kind(1, self._data)
    if type(self._op) is Pick:  # an output of a Function: its parents are the call's
        node = self._first
        g = Cotangents({self._op.place: g})
    gs = [g if isinstance(x, Node) else None for x in operands_of(node)]
    slopes = contributions(node, gs, as_graph=False) if gs else ()
    return tuple(slope for slope in slopes if slope is not None)


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
