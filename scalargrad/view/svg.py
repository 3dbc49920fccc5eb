"""A picture as SVG: a file of its own, for light and dark, with a title and a description."""

from __future__ import annotations

import zlib
from html import escape

from scalargrad.view.layout import Box, Layout, place
from scalargrad.view.picture import Picture, Shape, cells, cropped

_LETTER = 7.3  # the width of a letter, at 12 pixels' size
_ROW = 15.0
_MARGIN = 14.0
_LABEL = 82.0
# Room for the longest number, so that the page's boxes keep their size as numbers change.
_FEWEST_LETTERS = 18

STYLE = """
.sg{--back:#fff;--ink:#1c2330;--dim:#5b6577;--line:#8a94a6;--op:#eef2f8;--input:#dcebff;
--parameter:#e4f5e0;--constant:#f5f5f2;--group:#efe8fb;--edge:#1d4f91;--lit:#b3261e;--glow:#ffe08a;
background:var(--back);font:12px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){.sg{--back:#14181f;--ink:#e8ecf3;--dim:#a5afc0;--line:#75809a;
--op:#232a36;--input:#173a63;--parameter:#1f4421;--constant:#2b2b28;--group:#352a55;--edge:#9cc4ff;
--lit:#ff8a80;--glow:#6b5200}}
.sg text{fill:var(--ink);text-anchor:middle;unicode-bidi:isolate}
.sg .t{font-weight:bold}.sg .k{fill:var(--dim)}.sg .d{fill:var(--edge);font-size:11px}
.sg .note{text-anchor:start;fill:var(--dim)}
.sg .e{fill:none;stroke:var(--line);stroke-width:1.3}
.sg .b{stroke:var(--line);stroke-width:1.2;fill:var(--op)}
.sg .input .b{fill:var(--input)}.sg .leaf .b{fill:var(--input)}
.sg .parameter .b{fill:var(--parameter)}.sg .group .b{fill:var(--group)}
.sg .constant .b{fill:var(--constant);stroke-dasharray:3 3}
.sg .out .b{stroke-width:2}.sg .o{fill:none;stroke:var(--line);stroke-width:1}
@media print{.sg{--back:#fff;--ink:#000;--dim:#333;--line:#555;--op:#fff;--input:#fff;
--parameter:#fff;--constant:#fff;--group:#fff;--edge:#000}}
""".strip()


def svg_of(picture: Picture, titles: bool = True) -> str:
    """Return the picture as the text of an SVG file.

    `titles` says whether each node has a text that is shown when a pointer is over it.
    """
    boxes = [_box(shape) for shape in picture.shapes]
    for box, shape in zip(boxes, picture.shapes, strict=True):
        box.sources = [arrow.source for arrow in shape.arrows]
    layout = place(boxes, _LABEL)
    drawn = [*_edges(layout, picture), *_nodes(boxes, picture, titles)]
    width = layout.width + 2 * _MARGIN
    height = layout.height + 2 * _MARGIN
    if picture.note:
        note = cropped(picture.note, max(40, int(width / _LETTER) - 4))
        width = max(width, _LETTER * cells(note) + 2 * _MARGIN)
        drawn.append(f'<text class="note" x="0" y="{_n(layout.height + 24)}">{text(note)}</text>')
        height += 24
    body = "\n".join(drawn)
    # A name of its own, where several drawings stand in one page.
    key = f"sg{zlib.crc32((picture.title + body).encode()):08x}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sg" role="img" '
        f'aria-labelledby="{key}t {key}d" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{-_MARGIN:g} {-_MARGIN:g} {_n(width)} {_n(height)}">\n'
        f'<title id="{key}t">{text(picture.title)}</title>\n'
        f'<desc id="{key}d">{text(picture.description)}</desc>\n'
        f"<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def text(raw: str) -> str:
    """Return `raw` as text within XML or HTML, and within their attributes."""
    return escape(raw, quote=True)


def _n(x: float) -> str:
    return str(round(x))


def _box(shape: Shape) -> Box:
    if shape.kind == "constant":
        return Box(_LETTER * cells(shape.title) + 16, _ROW + 8)
    letters = max(cells(shape.title), _FEWEST_LETTERS)
    return Box(_LETTER * letters + 18, 3 * _ROW + 10)


def _edges(layout: Layout, picture: Picture) -> list[str]:
    drawn = []
    labels = []
    for line in layout.lines:
        arrow = picture.shapes[line.target].arrows[line.place]
        key = "" if arrow.edge is None else f' data-edge="{arrow.edge[0]}-{arrow.edge[1]}"'
        drawn.append(f'<path class="e"{key} d="{line.path}m-7 -4l7 4l-7 4"/>')
        if arrow.label or arrow.edge is not None:
            labels.append(
                f'<text class="d"{key} x="{_n(line.label_x)}" y="{_n(line.label_y - 3.5)}">'
                f"{text(arrow.label)}</text>"
            )
    return drawn + labels


def _nodes(boxes: list[Box], picture: Picture, titles: bool) -> list[str]:
    drawn = []
    for box, shape in zip(boxes, picture.shapes, strict=True):
        key = "" if shape.node is None else f' data-node="{shape.node}"'
        out = " out" if shape.is_output else ""
        x, top = _n(box.x), box.y - (0 if shape.kind == "constant" else _ROW)
        rows = [f'<text class="t" x="{x}" y="{_n(top + 4)}">{text(shape.title)}</text>']
        if shape.kind != "constant":
            for k, (word, letter, row) in enumerate(
                [("value", "v", shape.value), ("grad", "g", shape.gradient)], 1
            ):
                rows.append(
                    f'<text x="{x}" y="{_n(top + 4 + k * _ROW)}"><tspan class="k">{word} </tspan>'
                    f'<tspan class="{letter}">{text(row)}</tspan></text>'
                )
        title = f"<title>{text(shape.full)}</title>" if titles else ""
        drawn.append(
            f'<g class="{shape.kind}{out}"{key}>{title}{_outline(box, shape)}{"".join(rows)}</g>'
        )
    return drawn


def _outline(box: Box, shape: Shape) -> str:
    w, h = box.width, box.height
    left, top = box.x - w / 2, box.y - h / 2
    if shape.kind == "parameter":  # corners cut off
        c = 10
        outline = (
            f'<path class="b" d="M{_n(left + c)} {_n(top)}h{_n(w - 2 * c)}l{c} {c}v{_n(h - 2 * c)}'
            f'l-{c} {c}h-{_n(w - 2 * c)}l-{c} -{c}v-{_n(h - 2 * c)}z"/>'
        )
    else:
        radius = {"input": h / 2, "leaf": h / 2, "constant": 0, "group": 0}.get(shape.kind, 7)
        radius = min(radius, 28)
        outline = (
            f'<rect class="b" x="{_n(left)}" y="{_n(top)}" width="{_n(w)}" height="{_n(h)}" '
            f'rx="{_n(radius)}"/>'
        )
    if shape.is_output or shape.kind == "group":  # a second line within
        outline += (
            f'<rect class="o" x="{_n(left + 3)}" y="{_n(top + 3)}" width="{_n(w - 6)}" '
            f'height="{_n(h - 6)}" rx="{4 if shape.kind != "group" else 0}"/>'
        )
    return outline
