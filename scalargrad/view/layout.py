"""A layered layout: boxes in columns from left to right, edges that cross little and hide nothing.

The steps are those of Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical
system structures", 1981): columns by the longest path, an order within each by barycentres, then
coordinates. An edge that passes columns has a place of its own in each of them, so it never runs
through a box; the edges of one source share those places. Every edge ends in a horizontal piece
that carries its label, and each box is high enough to keep its labels apart.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

PORT = 18.0  # between the ends of two edges at one box
GAP = 14.0  # between two boxes, one above the other
CURVE = 46.0  # the width in which edges may curve, left of each column
_LANE = 12.0  # the height of a place that an edge passes through
_SWEEPS = 12


@dataclass
class Box:
    """Something to be placed: its size, and the numbers of the boxes that its edges come from."""

    width: float
    height: float
    sources: list[int] = field(default_factory=list)
    # Where its edges end, from its middle down; and whether they may change places.
    ports: list[float] = field(default_factory=list)
    sorted: bool = False
    # Its centre, set by `place`.
    x: float = 0.0
    y: float = 0.0


@dataclass
class Route:
    """An edge from one box to a place of another."""

    source: int
    target: int
    # Which of the target's edges it is.
    place: int
    # Where it begins, and where each of its pieces ends: a pair for a curve, which begins and ends
    # level, one number for a level piece. Then the middle of the piece that carries the label.
    points: list[tuple[int, ...]] = field(default_factory=list)
    label_x: float = 0.0
    label_y: float = 0.0


@dataclass
class Layout:
    """Where everything is: the boxes have their coordinates."""

    width: float
    height: float
    lines: list[Route]


@dataclass
class _Item:
    """What has a place in a column: a box, or a place where edges pass."""

    column: int
    height: float
    width: float = 0.0
    box: int = -1
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    ports: list[float] = field(default_factory=list)
    y: float = 0.0
    rank: int = 0


def place(
    boxes: Sequence[Box], label_width: float, port: float = PORT, curve: float = CURVE
) -> Layout:
    """Give every box its coordinates; return the lines between them and the size of it all.

    Boxes come after those their edges come from. `label_width` is kept free at the end of each
    edge, and edges curve within `curve` before that; those of a box end `port` apart, unless it
    says where.
    """
    for box in boxes:
        if not box.ports:
            count = len(box.sources)
            box.height = max(box.height, port * count + 4)
            box.ports = [(k - (count - 1) / 2) * port for k in range(count)]
    columns = _columns(boxes)
    items, passed = _items(boxes, columns)
    layers: list[list[int]] = [[] for _ in range(1 + max(columns, default=0))]
    for number in _first_order(items, boxes):
        layers[items[number].column].append(number)
    _order(items, layers)
    _set_heights(items, layers)
    return _drawn(boxes, items, layers, passed, label_width, curve)


def _columns(boxes: Sequence[Box]) -> list[int]:
    """Return each box's column: after its sources; boxes without any, just before their use."""
    columns = [0] * len(boxes)
    used_in: list[int | None] = [None] * len(boxes)
    for number, box in enumerate(boxes):
        if box.sources:
            columns[number] = 1 + max(columns[source] for source in box.sources)
    for number, box in enumerate(boxes):
        for source in box.sources:
            before = used_in[source]
            used_in[source] = columns[number] if before is None else min(before, columns[number])
    for number, box in enumerate(boxes):
        use = used_in[number]
        if not box.sources and use is not None:
            columns[number] = use - 1
    return columns


def _items(
    boxes: Sequence[Box], columns: Sequence[int]
) -> tuple[list[_Item], list[dict[int, int]]]:
    """Return the boxes and the places between them, and for each box its place by column."""
    items = [
        _Item(columns[k], box.height, box.width, box=k, ports=box.ports)
        for k, box in enumerate(boxes)
    ]
    passed: list[dict[int, int]] = [{columns[k]: k} for k in range(len(boxes))]
    for target, box in enumerate(boxes):
        for source in box.sources:
            known = passed[source]
            right = target
            for column in range(columns[target] - 1, columns[source] - 1, -1):
                there = known.get(column)
                is_new = there is None
                if there is None:
                    items.append(_Item(column, _LANE))
                    there = known[column] = len(items) - 1
                items[there].right.append(right)
                items[right].left.append(there)
                if not is_new:
                    break
                right = there
    return items, passed


def _first_order(items: Sequence[_Item], boxes: Sequence[Box]) -> list[int]:
    """Return the items as a walk from the outputs to their sources meets them."""
    found: list[int] = []
    seen = [False] * len(items)
    stack = [k for k in range(len(boxes)) if not items[k].right]
    while stack:
        number = stack.pop()
        if not seen[number]:
            seen[number] = True
            found.append(number)
            stack.extend(reversed(items[number].left))
    return found


def _order(items: list[_Item], layers: list[list[int]]) -> None:
    """Sort each column by barycentres, sweeping to and fro; keep the order that crosses least."""
    _rank(items, layers)
    best = [list(layer) for layer in layers]
    fewest = _crossings(items, layers)
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        to_left = sweep % 2 == 0
        for layer in reversed(layers) if to_left else layers:
            keys = {}
            for number in layer:
                item = items[number]
                if to_left:
                    near = [_port_rank(items, number, k) for k in item.right]
                else:
                    near = [items[k].rank + 0.5 for k in item.left]
                keys[number] = sum(near) / len(near) if near else item.rank + 0.5
            layer.sort(key=keys.__getitem__)
            _rank(items, [layer])
        crossings = _crossings(items, layers)
        if crossings < fewest:
            fewest, best = crossings, [list(layer) for layer in layers]
    layers[:] = best
    _rank(items, layers)


def _rank(items: list[_Item], layers: list[list[int]]) -> None:
    for layer in layers:
        for rank, number in enumerate(layer):
            items[number].rank = rank


def _port_rank(items: Sequence[_Item], source: int, target: int) -> float:
    item = items[target]
    return item.rank + (item.left.index(source) + 0.5) / len(item.left)


def _crossings(items: Sequence[_Item], layers: Sequence[Sequence[int]]) -> int:
    total = 0
    for layer in layers:
        ends = sorted(
            (items[number].rank, _port_rank(items, number, target))
            for number in layer
            for target in items[number].right
        )
        seen: list[float] = []
        for _, end in ends:
            total += len(seen) - bisect_left(seen, end)
            insort(seen, end)
    return total


def _set_heights(items: list[_Item], layers: list[list[int]]) -> None:
    """Set every item's y: near its neighbours', nothing overlapping."""
    for layer in layers:
        y = 0.0
        for number in layer:
            items[number].y = y + items[number].height / 2
            y += items[number].height + GAP
    for sweep in range(_SWEEPS):
        # Both neighbours count, those before more when sweeping to the right.
        to_right = sweep % 2 == 1
        for layer in layers if to_right else reversed(layers):
            wishes = []
            for number in layer:
                item = items[number]
                near = [items[k].y - _port_offset(items, k, number) for k in item.left]
                far = [items[k].y + _port_offset(items, number, k) for k in item.right]
                chosen = (near or far) if to_right else (far or near)
                wishes.append(sum(chosen) / len(chosen) if chosen else item.y)
            _spread(items, layer, wishes)
    top = min((item.y - item.height / 2 for item in items), default=0.0)
    for item in items:
        item.y -= top


def _port_offset(items: Sequence[_Item], source: int, target: int) -> float:
    item = items[target]
    return 0.0 if item.box < 0 else item.ports[item.left.index(source)]


def _spread(items: list[_Item], layer: Sequence[int], wishes: Sequence[float]) -> None:
    """Set the y of a column's items as near to `wishes` as their order and heights allow.

    The sum of squared distances is least: pool adjacent violators, on the wishes less the room
    that the items above need.
    """
    room = [0.0]
    for above, below in pairwise(layer):
        room.append(room[-1] + (items[above].height + items[below].height) / 2 + GAP)
    blocks: list[list[float]] = []  # sum of wishes, how many
    for wish, need in zip(wishes, room, strict=True):
        blocks.append([wish - need, 1])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] > blocks[-1][0] * blocks[-2][1]:
            total, count = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += count
    k = 0
    for total, count in blocks:
        for _ in range(int(count)):
            items[layer[k]].y = total / count + room[k]
            k += 1


def _drawn(
    boxes: Sequence[Box],
    items: Sequence[_Item],
    layers: Sequence[Sequence[int]],
    passed: Sequence[dict[int, int]],
    label_width: float,
    curve: float,
) -> Layout:
    starts, ends = [], []
    x = 0.0
    for layer in layers:
        width = max((items[number].width for number in layer), default=0.0)
        starts.append(x)
        ends.append(x + width)
        x += width + curve + label_width
    for number, box in enumerate(boxes):
        item = items[number]
        # Boxes without sources stand at the right of their column, others at the left.
        at = starts[item.column] + box.width / 2
        box.x = at if box.sources else ends[item.column] - box.width / 2
        box.y = item.y = round(item.y)
    for number, box in enumerate(boxes):
        if box.sorted:
            near = [items[k].y for k in items[number].left]
            order = sorted(range(len(near)), key=near.__getitem__)
            ports = sorted(box.ports)
            for at, k in enumerate(order):
                box.ports[k] = ports[at]
    begins = _beginnings(boxes, items, passed)
    lines = []
    for target, box in enumerate(boxes):
        column = items[target].column
        for k, source in enumerate(box.sources):
            y = box.y + box.ports[k]
            end = box.x - box.width / 2
            start = boxes[source].x + boxes[source].width / 2
            before = begins[target, k]
            points: list[tuple[float, ...]] = [(start, before)]
            for at in range(items[source].column + 1, column):
                lane = items[passed[source][at]]
                if ends[at - 1] > start:
                    points.append((ends[at - 1],))
                points.append((starts[at] - label_width, lane.y))
            if ends[column - 1] > start:
                points.append((ends[column - 1],))
            points += [(end - label_width, y), (end,)]
            whole = [tuple(map(round, point)) for point in points]
            lines.append(Route(source, target, k, whole, end - label_width / 2, y))
    height = max((item.y + item.height / 2 for item in items), default=0.0)
    return Layout(ends[-1] if ends else 0.0, height, lines)


def _beginnings(
    boxes: Sequence[Box], items: Sequence[_Item], passed: Sequence[dict[int, int]]
) -> dict[tuple[int, int], float]:
    """Return where each edge begins, by its target and its number there: in the order of its ways.

    Edges of one source that pass the next column in one place begin in one.
    """
    ways: list[dict[tuple[int, int], float]] = [{} for _ in boxes]
    chosen: dict[tuple[int, int], tuple[int, tuple[int, int]]] = {}
    for target, box in enumerate(boxes):
        for k, source in enumerate(box.sources):
            column = items[source].column + 1
            if column < items[target].column:
                lane = passed[source][column]
                way, y = (lane, -1), items[lane].y
            else:
                way, y = (target, k), box.y + box.ports[k]
            ways[source][way] = y
            chosen[target, k] = source, way
    found: list[dict[tuple[int, int], float]] = []
    for box, ys in zip(boxes, ways, strict=True):
        apart = min(PORT, (box.height - 16) / max(1, len(ys)))
        order = sorted(ys, key=lambda way: (ys[way], way))
        found.append(
            {way: box.y + (k - (len(order) - 1) / 2) * apart for k, way in enumerate(order)}
        )
    return {edge: found[source][way] for edge, (source, way) in chosen.items()}
