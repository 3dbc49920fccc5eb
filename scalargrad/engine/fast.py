"""The backward pass of plain numbers: the twin of `passes.pull_back`, unrolled for speed.

It is what `backward()` runs. A test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.engine.errors import FAILURES, explained
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.op import Op
from scalargrad.engine.real import in_kind

# Joint rules unrolled: `unrolled[op](g, inputs)` adds to the gradients of inputs, nodes all, what
# the rule of the op says, in less time.
unrolled: dict[Op, Callable[[Any, Sequence[Any]], None]] = {}


def add_gradients(nodes: list[Any], seed: Any) -> None:
    """Add to the gradients of leaves their derivatives, and give results theirs anew.

    `nodes` are the results, each after its operands, the last the output, whose own derivative is
    `seed`. It is `pull_back` for plain numbers, with the gradients in the nodes and
    `contributions` unrolled for ops of one input, two, and many: four times as fast.
    """
    # What reaches nothing is not visited: it still has this very object.
    zero = in_kind(0, seed)
    for node in nodes:
        node._grad = zero
    nodes[-1]._grad = seed
    nodes.reverse()
    try:
        for node in nodes:
            g = node._grad
            if g is zero:
                continue
            op, a, b = node._op, node._first, node._second
            joint = op.joint
            if joint is not None:
                if type(b) is tuple:  # all inputs are nodes
                    add = unrolled.get(op)
                    if add is not None:
                        add(g, a)
                        continue
                    slopes = joint(g, node._data, *[x._data for x in a])
                    for x, slope in zip(a, slopes, strict=True):
                        if slope is not None:
                            x._grad += slope
                else:
                    inputs = [x._data if isinstance(x, Node) else x for x in a]
                    y = node._data
                    if op.rules:
                        pairs = zip(op.rules, a, strict=True)
                        slopes = [
                            r(g, y, *inputs) if isinstance(x, Node) else None for r, x in pairs
                        ]
                    else:
                        slopes = joint(g, y, *inputs)
                    for x, slope in zip(a, slopes, strict=True):
                        if slope is not None and isinstance(x, Node):
                            x._grad += slope
            elif b is None:
                slope = op.rules[0](g, node._data, a._data)
                if slope is not None:
                    a._grad += slope
            elif isinstance(b, Node):
                if isinstance(a, Node):
                    y, a_data, b_data = node._data, a._data, b._data
                    slope = op.rules[0](g, y, a_data, b_data)
                    if slope is not None:
                        a._grad += slope
                    slope = op.rules[1](g, y, a_data, b_data)
                else:
                    slope = op.rules[1](g, node._data, a, b._data)
                if slope is not None:
                    b._grad += slope
            else:
                slope = op.rules[0](g, node._data, a._data, b)
                if slope is not None:
                    a._grad += slope
    except FAILURES as error:
        raise explained(error, op, operands_of(node), "the derivative of ") from None
