"""What a notebook shows of a Value: its graph as a picture, where that is small."""

from __future__ import annotations

from scalargrad.engine.graph import operands_of
from scalargrad.engine.value import Value
from scalargrad.view.drawing import Drawing
from scalargrad.view.subject import graph_of

_MOST_NODES = 30


def picture(y: Value) -> str | None:
    """Return the graph of `y` as HTML: None if it has more than 30 nodes, and for a leaf."""
    if y._op is None or _is_large(y):
        return None
    return Drawing(graph_of(y, (), {}))._repr_html_()


def _is_large(y: Value) -> bool:
    seen = {y}
    stack = [y]
    while stack and len(seen) <= _MOST_NODES:
        for x in operands_of(stack.pop()):
            if isinstance(x, Value) and x not in seen:
                seen.add(x)
                stack.append(x)
    return len(seen) > _MOST_NODES
