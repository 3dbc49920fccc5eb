"""Pictures of a training: the loss, and a classifier's decision boundary, still or step by step.

They are SVG and HTML with nothing to install, for any classifier of points in the plane.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from scalargrad.view.languages.notation import show
from scalargrad.view.svg import text
from scalargrad.view.templates import page, read

Point = Sequence[float]

_WIDE, _HIGH = 480, 300
# Of the classes -1 and +1: regions where the score is beyond the margin, and points.
_STYLE = """.tr{--back:#fff;--ink:#1c2330;--line:#c4ccd8;--curve:#1d4f91;--a:#1d6fd1;--b:#d1701d;
background:var(--back);font:12px system-ui,sans-serif}
@media (prefers-color-scheme:dark){.tr{--back:#14181f;--ink:#e8ecf3;--line:#475064;--curve:#9cc4ff;
--a:#5aa2ff;--b:#ffa04d}}
.tr text{fill:var(--ink)}.tr .frame{fill:none;stroke:var(--line)}
.tr .curve{fill:none;stroke:var(--curve);stroke-width:2}
.tr .a{fill:var(--a)}.tr .b{fill:var(--b)}
.tr rect{shape-rendering:crispEdges}.tr circle{stroke:var(--back);stroke-width:1}
"""


def loss_curve(losses: Sequence[float], steps: Sequence[int] = (), title: str = "loss") -> str:
    """Return an SVG of losses, on a logarithmic scale where all are positive.

    `steps` are the steps of the training that they belong to: 1, 2, 3, ... unless given.

    Raises ValueError if there are no finite losses.

    >>> loss_curve([4.0, 2.0, 1.0])[:4]
    '<svg'
    """
    heights = _heights(losses)
    finite = [y for y in heights if math.isfinite(y)]
    if not finite:
        raise ValueError("a loss curve takes at least one finite loss")
    low, high = min(finite), max(finite)
    span = high - low or 1.0
    points = [
        f"{70 + 400 * k / max(1, len(heights) - 1):.1f} {270 - 240 * (y - low) / span:.1f}"
        for k, y in enumerate(heights)
        if math.isfinite(y)
    ]
    shown = [y for y in losses if math.isfinite(y)]
    body = (
        f'<rect class="frame" x="70" y="30" width="400" height="240"/>'
        f'<path class="curve" d="M{"L".join(points)}"/>'
        f'<text x="70" y="20">{text(title)}</text>'
        f'<text x="66" y="40" text-anchor="end">{max(shown):.4g}</text>'
        f'<text x="66" y="270" text-anchor="end">{min(shown):.4g}</text>'
        f'<text x="470" y="290" text-anchor="end">step {steps[-1] if steps else len(losses)}</text>'
    )
    description = f"{len(losses)} steps, from {show(losses[0])} to {show(losses[-1])}"
    return _svg(title, description, _WIDE, _HIGH, body)


def _heights(losses: Sequence[float]) -> list[float]:
    if all(y > 0 for y in losses):
        return [math.log(y) for y in losses]
    return list(losses)


@dataclass(frozen=True)
class Window:
    """A part of the plane: from left to right and from bottom to top."""

    left: float
    right: float
    bottom: float
    top: float

    def grid(self, columns: int, rows: int) -> list[tuple[float, float]]:
        """Return the middles of so many cells, row by row from the top."""
        return [
            (
                self.left + (column + 0.5) / columns * (self.right - self.left),
                self.top - (row + 0.5) / rows * (self.top - self.bottom),
            )
            for row in range(rows)
            for column in range(columns)
        ]

    def place(self, point: Point) -> tuple[float, float]:
        """Return where a point is, in parts of the width and of the height from the top."""
        x = (point[0] - self.left) / (self.right - self.left)
        return x, (self.top - point[1]) / (self.top - self.bottom)


def decision_boundary(
    score: Callable[[float, float], float],
    points: Sequence[Point],
    labels: Sequence[int],
    window: Window,
    title: str = "decision boundary",
    columns: int = 64,
) -> str:
    """Return an SVG of the regions where `score` is negative and positive, and of the points.

    `score` is called with the coordinates of the middle of each cell, of which there are
    `columns` in a row; `labels` are -1 and +1. Regions are darker where the score is beyond 1.
    """
    rows = _rows(columns, window)
    levels = [level(score(x, y)) for x, y in window.grid(columns, rows)]
    size = _WIDE / columns
    height = rows * size
    cells = "".join(
        f'<rect class="{"a" if kind < 0 else "b"}" opacity="{0.5 if abs(kind) > 1 else 0.25}" '
        f'x="{start * size:.1f}" y="{row * size:.1f}" '
        f'width="{count * size:.1f}" height="{size:.1f}"/>'
        for row in range(rows)
        for start, count, kind in _runs(levels[row * columns : (row + 1) * columns])
    )
    dots = _dots(points, labels, window, _WIDE, height)
    description = f"{len(points)} points of two classes, and the regions of the classifier"
    return _svg(title, description, _WIDE, height, cells + dots)


def tiles(
    images: Sequence[Sequence[float]], width: int, title: str = "weights", columns: int = 8
) -> str:
    """Return an SVG of images side by side, such as the weights of a layer's units.

    An image is a list of numbers row by row, `width` in a row: positive ones are of one colour,
    negative ones of another, and the stronger the larger they are within their image.

    >>> tiles([[1.0, -1.0], [0.5, 0.0]], width=2)[:4]
    '<svg'
    """
    size = 7
    rows = max((math.ceil(len(image) / width) for image in images), default=0)
    across, down = width * size + 8, rows * size + 8
    body = []
    for number, image in enumerate(images):
        left, top = number % columns * across + 4, number // columns * down + 4
        largest = max((abs(x) for x in image), default=0) or 1.0
        body.append(
            f'<rect class="frame" x="{left}" y="{top}" width="{width * size}" '
            f'height="{rows * size}"/>'
        )
        body += [
            f'<rect class="{"b" if x > 0 else "a"}" opacity="{abs(x) / largest:.2f}" '
            f'x="{left + k % width * size}" y="{top + k // width * size}" '
            f'width="{size}" height="{size}"/>'
            for k, x in enumerate(image)
            if x
        ]
    count = min(columns, len(images)) or 1
    description = f"{len(images)} images of {width} by {rows} numbers"
    height = math.ceil(len(images) / columns) * down
    return _svg(title, description, count * across, height, "".join(body))


def level(score: float) -> int:
    """Return -2, -1, 1 or 2 for a score: its sign, and 2 where it is beyond the margin of 1."""
    return (1 if score > 0 else -1) * (2 if abs(score) > 1 else 1)


def _rows(columns: int, window: Window) -> int:
    return max(1, round(columns * (window.top - window.bottom) / (window.right - window.left)))


def _runs(levels: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return where each run of equal levels begins, how long it is, and the level."""
    found: list[tuple[int, int, int]] = []
    start = 0
    for kind, run in groupby(levels):
        count = len(list(run))
        found.append((start, count, kind))
        start += count
    return found


def _dots(
    points: Sequence[Point], labels: Sequence[int], window: Window, width: float, height: float
) -> str:
    found = []
    for point, label in zip(points, labels, strict=True):
        x, y = window.place(point)
        x, y = x * width, y * height
        if label < 0:
            found.append(f'<circle class="a" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        else:  # another shape, for who does not see the colours
            found.append(f'<path class="b" d="M{x:.1f} {y - 5:.1f}l5 9h-10z"/>')
    return "".join(found)


class _Picture(str):
    """The text of an SVG, which notebooks show as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def _svg(title: str, description: str, width: float, height: float, body: str) -> _Picture:
    return _Picture(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="tr" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}">'
        f"<title>{text(title)}</title><desc>{text(description)}</desc><style>{_STYLE}</style>{body}</svg>\n"
    )


class Film:
    """The boundary and the loss through a training, as a page with a scrubber.

    Call `frame` now and then while training, and `save` at the end.

    >>> film = Film([[0.0, 0.0]], [1], Window(-1.0, 1.0, -1.0, 1.0), columns=2)
    >>> film.frame(1, 0.5, lambda x, y: x + y)
    >>> "<script" in film.html
    True
    """

    def __init__(
        self,
        points: Sequence[Point],
        labels: Sequence[int],
        window: Window,
        title: str = "training",
        columns: int = 48,
    ) -> None:
        self._points, self._labels, self._window = points, labels, window
        self._title = title
        self._columns, self._rows = columns, _rows(columns, window)
        self._frames: list[dict[str, Any]] = []

    def frame(self, step: int, loss: float, score: Callable[[float, float], float]) -> None:
        """Add a frame: the step, its loss, and the classifier's score of a point x, y as it is."""
        levels = [level(score(x, y)) for x, y in self._window.grid(self._columns, self._rows)]
        # A letter for each cell: a and b beyond the margin, c and d within.
        letters = {-2: "a", -1: "c", 1: "d", 2: "b"}
        cells = "".join(letters[kind] for kind in levels)
        self._frames.append({"step": step, "loss": float(loss), "cells": cells})

    @property
    def html(self) -> str:
        """The page as text. Raises ValueError if there are no frames."""
        if not self._frames:
            raise ValueError("a film takes at least one frame: call frame(step, loss, score)")
        width, height = self._columns * 10, self._rows * 10
        frames = [{**frame, "loss": f"{frame['loss']:#.4g}"} for frame in self._frames]
        data = {"frames": frames, "columns": self._columns, "rows": self._rows}
        parts = {
            "width": str(width),
            "height": str(height),
            "dots": _dots(self._points, self._labels, self._window, width, height),
            "loss": loss_curve(
                [frame["loss"] for frame in self._frames],
                [frame["step"] for frame in self._frames],
            ),
        }
        return page("film", self._title, _STYLE + read("film.css"), data, parts)

    def save(self, path: str | Path) -> None:
        """Write the page to the file `path`."""
        Path(path).write_text(self.html, encoding="utf-8")
