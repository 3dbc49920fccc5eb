"""What a picture of a graph has: shapes, each with its texts, and the edges between them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from scalargrad.programs.code import Literal
from scalargrad.view.graph import Graph, Node, operand_names
from scalargrad.view.groups import Group
from scalargrad.view.languages.notation import plain, show

_LONGEST_TITLE = 22


@dataclass
class Arrow:
    """An edge into a shape: the shape it comes from, and the edges of the graph it stands for.

    Those are pairs of a node and the number of its operand. `label` is the local derivative, where
    it is one edge alone; `row` the row of the shape in which it ends, -1 if it has none.
    """

    source: int
    edges: list[tuple[int, int]] = field(default_factory=list)
    label: str = ""
    row: int = -1


@dataclass
class Shape:
    """Something to be drawn: a node, a constant or a group of nodes.

    `shown` are the nodes whose value and gradient it shows. `full` is what a reader of the screen
    hears of it, and a pointer over it shows.
    """

    # "input", "parameter", "leaf", "constant", "op" or "group"
    kind: str
    title: str
    value: str = ""
    gradient: str = ""
    full: str = ""
    is_output: bool = False
    shown: list[int] = field(default_factory=list)
    group: Group | None = None
    arrows: list[Arrow] = field(default_factory=list)

    @property
    def is_leaf(self) -> bool:
        return self.kind in ("input", "leaf", "parameter")

    @property
    def rows(self) -> list[str]:
        """What it shows, line by line."""
        if self.kind == "constant":
            return [self.title]
        gradient = [f"grad {self.gradient}"] if self.gradient else []
        return [self.title, f"value {self.value}", *gradient]


@dataclass
class Picture:
    """Shapes, each after those its arrows come from, and what is to be said below them."""

    shapes: list[Shape]
    title: str
    description: str
    note: str = ""


def picture_of(graph: Graph, groups: Sequence[Group] = (), constants: bool = True) -> Picture:
    """Return the picture of `graph`, with each group as one shape.

    Without `constants` these have no shapes, and no more have steps that change nothing.
    """
    nodes = graph.nodes
    group_of = {k: group for group in groups for k in group.members}
    used_outside = _used_outside(graph, group_of)
    shapes: list[Shape] = []
    by_node: dict[int, int] = {}
    by_group: dict[int, Shape] = {}
    for number in _contracted_order(graph, group_of):
        node = nodes[number]
        group = group_of.get(number)
        if group is None:
            if not constants and number != graph.output and _is_alias(node):
                source = node.edges[0].operand
                if isinstance(source, int):
                    by_node[number] = by_node[source]
                    continue
            _add_node(graph, number, shapes, by_node, constants)
            continue
        if id(group) not in by_group:
            by_group[id(group)] = Shape("group", short(group.name), group=group)
            shapes.append(by_group[id(group)])
        shape = by_group[id(group)]
        by_node[number] = shapes.index(shape)
        _add_arrows(graph, number, shape, by_node)
        if number == graph.output or number in used_outside:
            shape.shown.append(number)
    for shape in shapes:
        shape.is_output = graph.output in shape.shown
        if shape.group is not None:
            shape.value = ", ".join(show(nodes[k].value) for k in shape.shown)
            shape.gradient = ", ".join(gradient_text(nodes[k]) for k in shape.shown)
            shape.full = f"{shape.title}: value {shape.value}, gradient {shape.gradient}"
            shape.value, shape.gradient = cropped(shape.value, 18), cropped(shape.gradient, 18)
    note = f"No gradients: {plain(graph.failure, 200)}" if graph.failure else ""
    return Picture(shapes, _title(graph), _description(graph), note)


def _is_alias(node: Node) -> bool:
    """Return whether a result is its operand: nothing is to be drawn of it."""
    if node.op is None:
        return False
    by = node.edges[-1].operand
    divided = node.op.name == "/" and isinstance(by, Literal) and by.value == 1
    return divided or node.op.name in ("same", "pos")


def _add_arrows(graph: Graph, number: int, shape: Shape, by_node: dict[int, int]) -> None:
    """Add the arrows into a group: one for each row in which they end, else for each source."""
    assert shape.group is not None
    for k, edge in enumerate(graph.nodes[number].edges):
        source = by_node.get(edge.operand) if isinstance(edge.operand, int) else None
        if source is None or source == by_node[number]:
            continue
        row = shape.group.row_of(number, k)
        known = [arrow for arrow in shape.arrows if arrow.source == source and arrow.row == row]
        if known and row < 0:
            known[0].edges.append((number, k))
        else:
            shape.arrows.append(Arrow(source, [(number, k)], row=row))


def _title(graph: Graph) -> str:
    output = graph.nodes[graph.output]
    return f"{output.name} = {show(output.value)}"


def _description(graph: Graph) -> str:
    leaves = graph.nodes[: graph.inputs]
    ops = len(graph.nodes) - len(leaves)
    output = graph.nodes[graph.output].name
    text = (
        f"The graph of {output}: {ops} {'step' if ops == 1 else 'steps'} "
        f"from {len(leaves)} {'number' if len(leaves) == 1 else 'numbers'}. "
    )
    parts = [
        f"{leaf.name} is {show(leaf.value)}"
        + (
            f" and the derivative of {output} by it {show(leaf.gradient)}"
            if not graph.failure
            else ""
        )
        for leaf in leaves[:8]
    ]
    more = f"; and {len(leaves) - 8} more" if len(leaves) > 8 else ""
    return text + "; ".join(parts) + more + "."


def _contracted_order(graph: Graph, group_of: dict[int, Group]) -> list[int]:
    """Return the nodes with those of a group together, each after what it is computed from."""
    if not group_of:
        return list(range(len(graph.nodes)))
    unit_of = [id(group_of[k]) if k in group_of else -k - 1 for k in range(len(graph.nodes))]
    members: dict[int, list[int]] = {}
    needs: dict[int, dict[int, None]] = {}  # of each unit the others, in order
    for k, (unit, node) in enumerate(zip(unit_of, graph.nodes, strict=True)):
        members.setdefault(unit, []).append(k)
        sources = [unit_of[edge.operand] for edge in node.edges if isinstance(edge.operand, int)]
        others = dict.fromkeys(source for source in sources if source != unit)
        needs.setdefault(unit, {}).update(others)
    return [k for unit in TopologicalSorter(needs).static_order() for k in members[unit]]


def _used_outside(graph: Graph, group_of: dict[int, Group]) -> set[int]:
    """Return the nodes of groups that something outside of their group uses."""
    return {
        edge.operand
        for number, node in enumerate(graph.nodes)
        for edge in node.edges
        if isinstance(edge.operand, int) and edge.operand in group_of
        if number not in group_of[edge.operand].members
    }


def _add_node(
    graph: Graph, number: int, shapes: list[Shape], by_node: dict[int, int], constants: bool
) -> None:
    node = graph.nodes[number]
    arrows = []
    for k, edge in enumerate(node.edges):
        label = "" if edge.derivative is None else number_text(edge.derivative)
        if isinstance(edge.operand, int):
            if edge.operand in by_node:  # else it is left out
                arrows.append(Arrow(by_node[edge.operand], [(number, k)], label))
        elif constants:
            shapes.append(Shape("constant", cropped(show(edge.operand.value), 12)))
            shapes[-1].full = f"constant {show(edge.operand.value)}"
            arrows.append(Arrow(len(shapes) - 1))
    by_node[number] = len(shapes)
    title = node_title(graph, node)
    shape = Shape(node.kind, title, show(node.value), gradient_text(node), shown=[number])
    shape.full = f"{node.name} = {show(node.value)}"
    if node.gradient is not None:
        output = graph.nodes[graph.output].name
        shape.full += f", derivative of {output} by {node.name}: {show(node.gradient)}"
    shape.arrows = arrows
    shapes.append(shape)


def node_title(graph: Graph, node: Node) -> str:
    """Return what stands at the top of a node: its name, and its formula where there is room."""
    if node.op is None or node.formula is None:
        return short(node.name)
    title = f"{node.name} = {node.formula.fill(operand_names(graph.nodes, node))}"
    if cells(title) > _LONGEST_TITLE:
        title = f"{node.name}: {plain(node.op.name)}"
    return short(title)


def gradient_text(node: Node) -> str:
    """Return the gradient of a node as text, "" if there is none."""
    return "" if node.gradient is None else show(node.gradient)


def number_text(x: object) -> str:
    """Return a number as it stands on an edge, in at most 11 characters."""
    text = show(x)
    if len(text) > 10:
        try:
            text = format(float(x), ".4g")  # type: ignore[arg-type]
        except (OverflowError, TypeError, ValueError):
            text = cropped(text, 11)
    return text


def cells(text: str) -> int:
    """Return how many columns of a terminal, or letters of a fixed width, `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cropped(text: str, longest: int) -> str:
    """Return `text`, cut to `longest` cells."""
    if cells(text) <= longest:
        return text
    while cells(text) > longest - 1:
        text = text[:-1]
    return text + "…"


def short(text: str) -> str:
    """Return a title, cut to the width that a node has for it."""
    return cropped(text, _LONGEST_TITLE)
