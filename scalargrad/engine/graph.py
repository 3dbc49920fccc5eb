"""The graph: nodes that know their op and its operands, their order, and the chain rule at one.

Nothing recurses, and all is linear in the nodes, so that a graph may be a million nodes deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from scalargrad.engine.context import active, here
from scalargrad.engine.errors import FAILURES, explained
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.engine.tracer import Tracer


class Node(Tracer):
    """A number that knows how it came to be: the op that made it, and the op's operands.

    A leaf has no op. An operand is a node or a plain number. `label` is a name for people to read.

    >>> from scalargrad import Value
    >>> y = Value(1.0) + 2
    >>> y.op, y.operands, y.parents
    ('+', (Value(data=1.0, grad=0), 2), (Value(data=1.0, grad=0),))
    """

    # _first and _second are the operands, the second None for an op of one input: two slots cost
    # less than a tuple. An op with a joint rule has the tuple of its operands in _first. If all of
    # them are nodes, _second is a tuple that has the results among them; it may have leaves too,
    # and the sums of a layer share one.
    __slots__ = ("_first", "_op", "_second", "label")

    label: str
    _data: Any
    _grad: Any
    _op: Op | None
    _first: Any
    _second: Any

    @property
    def op(self) -> str:
        """The name of the op that made this node: "" for a leaf."""
        op: Op | None = call_of(self)._op
        return op.name if op is not None else ""

    @property
    def operands(self) -> tuple[Any, ...]:
        """What the op was applied to, in order: nodes and plain numbers."""
        return operands_of(call_of(self))

    @property
    def parents(self) -> tuple[Any, ...]:
        """The operands that are nodes, in order, one that was used twice twice."""
        return tuple(x for x in self.operands if isinstance(x, Node))


def call_of(node: Any) -> Any:
    """Return the call that `node` is an output of, which people see in its place; or else it."""
    return node._first if type(node._op) is Pick else node


def operands_of(node: Node) -> tuple[Any, ...]:
    """Return what the op of `node` was applied to, in order; nothing for a leaf."""
    if node._op is None:
        return ()
    if node._op.joint is not None:
        return node._first  # type: ignore[no-any-return]
    return (node._first,) if node._second is None else (node._first, node._second)


def topological_order(outputs: Iterable[Node], seen: set[Any] | None = None) -> list[Any]:
    """Return the results in the graph of `outputs`, each after its parents.

    Leaves are left out, and so are the nodes in `seen` and what lies beyond them; those that are
    returned are added to it.

    >>> from scalargrad import Value
    >>> [node.op for node in topological_order([Value(3.0) * 2 + 1])]
    ['*', '+']
    """
    ordered: list[Any] = []
    seen = set() if seen is None else seen
    rows: set[int] = set()  # the tuples of results that were on the stack: graphs keep them alive
    # A None on the stack says that all before the node below it is done.
    stack: list[Any] = [y for y in outputs if y._op is not None]
    while stack:
        node = stack.pop()
        if node is None:
            ordered.append(stack.pop())
            continue
        while node not in seen:
            seen.add(node)
            a, b = node._first, node._second
            if type(a) is tuple:
                stack += (node, None)
                if type(b) is not tuple:
                    stack += [x for x in a if isinstance(x, Node) and x._op and x not in seen]
                elif id(b) not in rows:
                    rows.add(id(b))
                    stack += [x for x in b if x._op is not None and x not in seen]
                break
            if isinstance(b, Node) and b._op is not None and b not in seen:
                stack += (node, None, a) if isinstance(a, Node) and a._op else (node, None)
                node = b
            elif isinstance(a, Node) and a._op is not None and a not in seen:
                stack += (node, None)
                node = a
            else:
                ordered.append(node)
    return ordered


def contributions(node: Any, gs: Sequence[Any], as_graph: bool) -> Sequence[Any]:
    """Return the chain rule at one node: for each operand its derivative.

    That is None where g is None, and where the rule says that there is no path.
    `gs` holds for each operand the derivative to carry through. On the way back that is the one of
    the node, for operands that want one; on the way forward, the operand's own.
    As a graph, the rules work on
    the nodes themselves, and so give nodes that can be differentiated again; else on their
    numbers. Raises what the rules raise, naming the op and its inputs.
    """
    if active and (watch := here().watch) is not None:
        return watch.watched(node, gs, as_graph)  # type: ignore[no-any-return]
    op, a, b = node._op, node._first, node._second
    try:
        if type(a) is tuple:
            inputs = a if as_graph else [x._data if isinstance(x, Node) else x for x in a]
            return op.derivatives(gs, node if as_graph else node._data, inputs)  # type: ignore[no-any-return]
        y = node if as_graph else node._data
        if not as_graph:
            a = a._data if isinstance(a, Node) else a
            b = b._data if isinstance(b, Node) else b
        if b is None:
            return (op.rules[0](gs[0], y, a),)
        # As Op.derivatives has it, at the half of the time.
        first, second = op.rules
        g, h = gs
        return (
            None if g is None else first(g, y, a, b),
            None if h is None else second(h, y, a, b),
        )
    except FAILURES as error:
        raise explained(error, op, operands_of(node), "the derivative of ") from None
