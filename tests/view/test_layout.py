"""The layout: nothing overlaps, edges go from left to right and through nothing."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from scalargrad.view.layout import Box, Layout, Route, place

LABEL = 80.0


@st.composite
def many_boxes(draw: st.DrawFn) -> list[Box]:
    boxes: list[Box] = []
    for number in range(draw(st.integers(1, 25))):
        sources = st.lists(st.integers(0, number - 1), max_size=4) if number else st.just([])
        boxes.append(Box(draw(st.floats(20, 200)), draw(st.floats(10, 80)), draw(sources)))
    return boxes


def points(line: Route, steps: int = 12) -> list[tuple[float, float]]:
    """Return points along a line: curves that begin and end level, and level pieces."""
    found: list[tuple[float, float]] = [(line.points[0][0], line.points[0][1])]
    for end in line.points[1:]:
        x, y = found[-1]
        if len(end) == 1:
            found += [(x + (end[0] - x) * k / steps, y) for k in range(1, steps + 1)]
            continue
        middle = (x + end[0]) / 2
        for k in range(1, steps + 1):
            t = k / steps
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            found.append((a * x + (b + c) * middle + d * end[0], (a + b) * y + (c + d) * end[1]))
    return found


def check(boxes: list[Box], layout: Layout) -> None:
    rectangles = [
        (b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2)
        for b in boxes
    ]
    labels = [
        (x - LABEL / 2, y - 15, x + LABEL / 2, y)
        for x, y in [(line.label_x, line.label_y) for line in layout.lines]
    ]
    everything = [*rectangles, *labels]
    for k, first in enumerate(everything):
        for second in everything[:k]:
            apart = (
                first[2] <= second[0] + 0.01
                or second[2] <= first[0] + 0.01
                or first[3] <= second[1] + 0.01
                or second[3] <= first[1] + 0.01
            )
            assert apart, (first, second)
    for left, top, right, bottom in everything:
        assert left >= -0.01
        assert right <= layout.width + 0.01
        assert top >= -15.01
        assert bottom <= layout.height + 0.01
    for line in layout.lines:
        path = points(line)
        assert all(b[0] >= a[0] - 0.11 for a, b in pairwise(path)), line
        for number, (left, top, right, bottom) in enumerate(rectangles):
            if number not in (line.source, line.target):
                inside = [p for p in path if left + 1 < p[0] < right - 1 and top < p[1] < bottom]
                assert not inside, (line, number, inside)


@given(many_boxes())
@example([Box(20, 10), Box(20, 10, [0, 0])])
def test_nothing_overlaps(boxes: list[Box]) -> None:
    check(boxes, place(boxes, LABEL))


def test_a_diamond_is_symmetric() -> None:
    boxes = [Box(50, 30), Box(50, 30, [0]), Box(50, 30, [0]), Box(50, 30, [1, 2])]
    place(boxes, LABEL)
    assert math.isclose(boxes[0].y, boxes[3].y, abs_tol=1e-6)
    assert math.isclose(boxes[1].y + boxes[2].y, 2 * boxes[0].y, abs_tol=1e-6)


def test_edges_do_not_cross_where_they_need_not() -> None:
    # Two pairs that the order of the boxes would cross.
    boxes = [Box(9, 9), Box(9, 9), Box(9, 9, [1]), Box(9, 9, [0])]
    place(boxes, LABEL)
    assert (boxes[0].y < boxes[1].y) == (boxes[3].y < boxes[2].y)


def test_a_long_chain_is_laid_out_without_recursion() -> None:
    boxes = [Box(9, 9)] + [Box(9, 9, [k]) for k in range(2000)]
    layout = place(boxes, LABEL)
    assert layout.height < 100
    assert len(layout.lines) == 2000
