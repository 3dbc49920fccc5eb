"""The backward pass of plain numbers, unrolled for speed.

It is `graph.contributions` for ops of one input, two, and many, with the gradients in the nodes:
four times as fast as `passes.pull_back`, which does the same for all kinds of number.
"""

from __future__ import annotations

from typing import Any

from scalargrad.engine.errors import FAILURES, explained
from scalargrad.engine.graph import Node, operands_of


def add_gradients(nodes: list[Any]) -> None:
    """Add to the operands of each of `nodes`, in order, what its gradient contributes to theirs."""
    try:
        for node in nodes:
            op, a, b = node._op, node._first, node._second
            joint = op.joint
            if joint is not None:
                if b:
                    slopes = joint(node._grad, node._data, *[x._data for x in a])
                    for x, slope in zip(a, slopes, strict=True):
                        x._grad += slope
                else:
                    inputs = [x._data if isinstance(x, Node) else x for x in a]  # type: ignore[attr-defined]
                    slopes = joint(node._grad, node._data, *inputs)
                    for x, slope in zip(a, slopes, strict=True):
                        if isinstance(x, Node):
                            x._grad += slope  # type: ignore[attr-defined]
            elif b is None:
                a._grad += op.rules[0](node._grad, node._data, a._data)
            elif isinstance(b, Node):
                if isinstance(a, Node):
                    g, y, a_data, b_data = node._grad, node._data, a._data, b._data  # type: ignore[attr-defined]
                    a._grad += op.rules[0](g, y, a_data, b_data)  # type: ignore[attr-defined]
                    b._grad += op.rules[1](g, y, a_data, b_data)  # type: ignore[attr-defined]
                else:
                    b._grad += op.rules[1](node._grad, node._data, a, b._data)  # type: ignore[attr-defined]
            else:
                a._grad += op.rules[0](node._grad, node._data, a._data, b)
    except FAILURES as error:
        raise explained(error, op, operands_of(node), "the derivative of ") from None
