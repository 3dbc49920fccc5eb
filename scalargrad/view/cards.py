"""A picture of cards: what each has in its rows, how large it is, and where it stands.

A neuron, a weighted sum and the one function of it, is one card, and so is an op of many operands.
The drawing and the live page show them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scalargrad.view.graph import Graph
from scalargrad.view.groups import Group
from scalargrad.view.layout import Box, Layout, place
from scalargrad.view.neurons import SUM, function_of, own_parameters, users_of
from scalargrad.view.picture import Picture, Shape, picture_of

# An op of more operands has a row for each.
_MOST_OPERANDS = 3
# A card has so many rows at most; the last one stands for all others.
MOST_ROWS = 12
ROW, HEAD, NEURON_WIDE, TINTED = 23, 28, 268, 82


@dataclass(frozen=True)
class Row:
    """A line of a card: a term of its sum. The numbers are those of the op's operands.

    `operand` comes from elsewhere; `weight`, if there is one, belongs to the card. -1: there is
    none.
    """

    weight: int
    operand: int


@dataclass
class Rows(Group):
    """A card with rows: an op of many operands, and the function that alone uses it."""

    op: int = -1
    function: int = -1
    rows: tuple[Row, ...] = ()

    def row_of(self, node: int, edge: int) -> int:
        if node != self.op:
            return -1
        return next(k for k, row in enumerate(self.rows) if edge in (row.weight, row.operand))


def cards_of(graph: Graph, groups: Sequence[Group] = ()) -> Picture:
    """Return the picture of `graph` whose shapes are cards: constants have none."""
    taken = {k for group in groups for k in group.members}
    return picture_of(graph, [*groups, *_with_rows(graph, taken)], constants=False)


def _with_rows(graph: Graph, taken: set[int]) -> list[Rows]:
    nodes, code = graph.nodes, graph.code
    users = users_of(code)
    kinds = [node.kind for node in nodes]
    found = []
    for number in range(graph.inputs, len(nodes)):
        op = nodes[number].op
        assert op is not None
        if number in taken or (len(nodes[number].edges) <= _MOST_OPERANDS and op is not SUM):
            continue
        members = {number}
        rows = tuple(Row(-1, k) for k in range(len(nodes[number].edges)))
        function = -1
        if op is SUM:
            own = own_parameters(code, number, kinds, users) - taken
            members |= own
            rows = tuple(_terms(graph, number, own))
            function = function_of(code, number, users)
            function = -1 if function in taken else function
            members |= {function} - {-1}
        name = nodes[max(number, function)].name
        found.append(Rows(name, members, number, function, rows))
    return found


def _terms(graph: Graph, number: int, own: set[int]) -> list[Row]:
    edges = graph.nodes[number].edges
    half = len(edges) // 2
    found = []
    for k in range(half):
        swapped = edges[half + k].operand in own and edges[k].operand not in own
        found.append(Row(half + k, k) if swapped else Row(k, half + k))
    return found + ([Row(2 * half, -1)] if len(edges) % 2 else [])


# --- where they stand ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Form:
    """A way to draw the cards: their size, and the room for edges and for what stands on them.

    `rows` says whether cards show their rows, `tall` whether the output is below.
    """

    width: int
    height: int
    port: int
    label: int
    curve: int
    rows: bool = False
    tall: bool = False


WIDE = Form(156, 96, port=44, label=100, curve=74, rows=True)
CLOSE = Form(156, 96, port=44, label=64, curve=40, rows=True)
COMPACT = Form(112, 82, port=42, label=64, curve=40)
TALL = Form(120, 82, port=58, label=56, curve=26, tall=True)


def arranged(picture: Picture, form: Form) -> tuple[list[Box], Layout]:
    """Return the card's boxes, with their places, and the lines between them."""
    boxes = [_box(shape, form) for shape in picture.shapes]
    if form.tall:
        for box in boxes:
            box.width, box.height = box.height, box.width
    layout = place(boxes, form.label, form.port, form.curve)
    if form.tall:
        for box in boxes:
            box.width, box.height, box.x, box.y = box.height, box.width, box.y, box.x
        layout.width, layout.height = layout.height, layout.width
        for line in layout.lines:
            line.points = [point[::-1] for point in line.points]
            line.label_x, line.label_y = line.label_y, line.label_x
            # Beside each other they would not have room: one is above the next.
            if len(boxes[line.target].ports) > 1:
                line.label_y += (line.place % 2 - 0.5) * form.label / 3
    return boxes, layout


def _box(shape: Shape, form: Form) -> Box:
    sources = [arrow.source for arrow in shape.arrows]
    group = shape.group
    if not (form.rows and isinstance(group, Rows)):
        return Box(form.width, form.height, sources, sorted=True)
    rows = min(len(group.rows), MOST_ROWS)
    height = HEAD + rows * ROW + (58 if group.function >= 0 else 34)
    top = HEAD + ROW / 2 - height / 2
    ports = [top + ROW * min(arrow.row, MOST_ROWS - 1) for arrow in shape.arrows]
    return Box(NEURON_WIDE, height, sources, ports)
