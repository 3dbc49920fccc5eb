"""A picture as SVG: a file of its own, for light and dark, with a title and a description.

It is the finished picture: all values, all gradients, and how much of them flows along each edge.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from html import escape

from scalargrad.view.cards import HEAD, MOST_ROWS, ROW, TINTED, WIDE, Rows, arranged
from scalargrad.view.graph import Graph, operand_names, operand_value
from scalargrad.view.languages.notation import plain, show
from scalargrad.view.layout import Box, Route
from scalargrad.view.look import DARK, GRAPH, LIGHT
from scalargrad.view.picture import Arrow, Picture, Shape, cells, cropped

_MARGIN = 16
_LETTER = 7.6  # the width of a letter, at 14 pixels' size
_STRIP = 30  # the height of the strip that shows a gradient
_LONGEST = 19  # letters in a card


def svg_of(graph: Graph, picture: Picture) -> str:
    """Return the picture of `graph` as the text of an SVG file."""
    boxes, layout = arranged(picture, WIDE)
    sizes = {
        (line.target, line.place): abs(flow(graph, picture.shapes[line.target].arrows[line.place]))
        for line in layout.lines
    }
    widest = max((size for size in sizes.values() if math.isfinite(size)), default=0.0)
    drawn: list[str] = []
    badges: list[str] = []
    for line in layout.lines:
        arrow = picture.shapes[line.target].arrows[line.place]
        size = sizes[line.target, line.place]
        width = 2 + 8 * math.sqrt(min(1.0, size / widest)) if widest and size == size else 2.0
        drawn += _edge(graph, line, width)
        if arrow.row < 0 and len(arrow.edges) == 1 and not graph.failure:
            badges += _badge(graph, arrow, line)
    cards = [_card(graph, box, shape) for box, shape in zip(boxes, picture.shapes, strict=True)]
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    if picture.note:
        note = cropped(picture.note, max(40, int(width / _LETTER) - 4))
        width = max(width, _LETTER * cells(note) + 2 * _MARGIN)
        cards.append(_text("note", 0, layout.height + 26, note))
        height += 24
    body = "\n".join([*drawn, *badges, *cards])
    # A name of its own, where several drawings stand in one page.
    key = f"sg{zlib.crc32((picture.title + body).encode()):08x}"
    style = (
        f".sg{{{LIGHT};background:var(--stage);font-variant-numeric:tabular-nums;"
        'font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}\n'
        f"@media (prefers-color-scheme:dark){{.sg{{{DARK}}}}}\n"
        f"{GRAPH}\n.sg .note{{text-anchor:start;fill:var(--dim);font-size:13px}}\n"
        f"@media print{{.sg{{{LIGHT}}}}}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sg" role="img" '
        f'aria-labelledby="{key}t {key}d" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {_n(width)} {_n(height)}">\n'
        f'<title id="{key}t">{text(picture.title)}</title>\n'
        f'<desc id="{key}d">{text(picture.description)}</desc>\n'
        f"<style>{style}</style>\n{body}\n</svg>\n"
    )


def text(raw: str) -> str:
    """Return `raw` as text within XML or HTML, and within their attributes."""
    return escape(raw, quote=True)


def flow(graph: Graph, arrow: Arrow) -> float:
    """Return how much gradient flows back along an arrow."""
    total = 0.0
    for number, k in arrow.edges:
        node = graph.nodes[number]
        slope = node.edges[k].derivative
        if slope is not None and node.gradient is not None:
            try:
                total += float(node.gradient * slope)
            except OverflowError:
                total = math.inf
    return total


def _n(x: float) -> str:
    return str(round(x))


def _text(kind: str, x: float, y: float, content: str, style: str = "") -> str:
    style = f' style="{style}"' if style else ""
    return f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}"{style}>{text(content)}</text>'


def path_of(line: Route) -> str:
    """Return a line from left to right as an SVG path."""
    x, y = line.points[0]
    path = f"M{x} {y}"
    for point in line.points[1:]:
        if len(point) == 1:
            x = point[0]
            path += f"H{x}"
        else:
            middle = round((x + point[0]) / 2)
            path += f"C{middle} {y} {middle} {point[1]} {point[0]} {point[1]}"
            x, y = point
    return path


def _edge(graph: Graph, line: Route, width: float) -> list[str]:
    path = path_of(line)
    if graph.failure:
        return [f'<path class="edge" d="{path}m-9 -7l9 7l-9 7"/>']
    x, y = line.points[0]
    head = f'<path class="head" d="M12 -8L0 0L12 8z" transform="translate({x} {y})'
    return [
        f'<path class="river" d="{path}" stroke-width="{width:.1f}"/>',
        f'{head} scale({0.75 + width / 14:.2f})"/>',
    ]


def _badge(graph: Graph, arrow: Arrow, line: Route) -> list[str]:
    [(number, k)] = arrow.edges
    node = graph.nodes[number]
    edge = node.edges[k]
    if edge.derivative is None:
        return []
    label = f"× {few(edge.derivative)}"
    why = edge.instead or edge.formula.fill(operand_names(graph.nodes, node), node.name)
    why = "" if why.strip("(-)").isdigit() or len(why) > _LONGEST - 6 else why
    width = max(8.6 * cells(label), 7 * cells(why)) + 14
    height = 38 if why else 28
    # Where it is wider than its place, it goes over the curve and not over the card.
    x = line.label_x - max(0, (width + 8 - WIDE.label) / 2)
    rows = [f'<text y="{-2 if why else 5}">{text(label)}</text>']
    if why:
        rows.append(f'<text class="why" y="13">{text(why)}</text>')
    return [
        f'<g class="badge" transform="translate({_n(x)} {_n(line.label_y)})">'
        f'<rect x="{_n(-width / 2)}" y="{-height // 2}" width="{_n(width)}" height="{height}" '
        f'rx="10"/>{"".join(rows)}</g>'
    ]


def few(x: object, digits: int = 4) -> str:
    """Return a number in four digits, as cards and badges have it, with a proper minus sign."""
    large = isinstance(x, float) and 10**digits <= abs(x) < 1e6
    return cropped(show(x, 6 if large else digits).replace("-", "−"), 11)


def _card(graph: Graph, box: Box, shape: Shape) -> str:
    kind = "leaf" if shape.is_leaf else shape.kind
    rows = isinstance(shape.group, Rows)
    out = " out" if shape.is_output else ""
    radius = 22 if shape.is_leaf else 12
    w, h = _n(box.width), _n(box.height)
    body = _rows(graph, box, shape) if rows else _faces(graph, box, shape)
    return (
        f'<g class="{"op" if rows else kind}{out}" '
        f'transform="translate({_n(box.x - box.width / 2)} {_n(box.y - box.height / 2)})">'
        f"<title>{text(shape.full)}</title>"
        f'<rect class="b" width="{w}" height="{h}" rx="{radius}"/>{"".join(body)}</g>'
    )


def _faces(graph: Graph, box: Box, shape: Shape) -> list[str]:
    """Return what a card shows that has no rows: a title, a value, and a strip with a gradient."""
    middle, height = box.width / 2, box.height
    values = ", ".join(few(graph.nodes[k].value) for k in shape.shown)
    size = "" if cells(values) < 11 else "font-size:15px"
    drawn = [
        _text("t", middle, 20, cropped(shape.title, _LONGEST)),
        _text("v", middle, height - 41, cropped(values, _LONGEST), size),
    ]
    if graph.failure:
        return drawn
    r = 22 if shape.is_leaf else 12
    w = box.width - 2
    strip = (
        f"M1 {_n(height - _STRIP)}h{_n(w)}v{_STRIP - r - 1}a{r} {r} 0 0 1 -{r} {r}"
        f"h{_n(2 * r - w)}a{r} {r} 0 0 1 -{r} -{r}z"
    )
    gradients = ", ".join(few(graph.nodes[k].gradient) for k in shape.shown)
    name = graph.nodes[shape.shown[0]].name if len(shape.shown) == 1 else ""
    label = f"∂{graph.nodes[graph.output].name}/∂{name} = {gradients}"
    shown = (
        label if name and cells(label) <= _LONGEST - 2 else f"∂ {cropped(gradients, _LONGEST - 2)}"
    )
    return [
        f'<path class="tint" d="{strip}"/>',
        *drawn,
        _text("g", middle, height - 10, shown),
    ]


def _rows(graph: Graph, box: Box, shape: Shape) -> list[str]:
    """Return what a card of rows shows: values at the left, gradients in a tinted column."""
    group = shape.group
    assert isinstance(group, Rows)
    total = graph.nodes[group.op]
    last = graph.nodes[max(group.op, group.function)]
    w, h = box.width, box.height
    column = w - TINTED
    drawn = []
    if not graph.failure:
        drawn.append(
            f'<path class="tint" d="M{_n(column)} 1h{TINTED - 13}a12 12 0 0 1 12 12v{_n(h - 26)}'
            f'a12 12 0 0 1 -12 12h-{TINTED - 13}z"/>'
        )
    assert total.op is not None
    assert last.op is not None
    word = last.op.name if group.function >= 0 else "sum" if total.op.name == "sumprod" else ""
    drawn += [
        _text("r", 12, 20, plain(last.name, 12), "font-weight:650"),
        _text("n k", column - 10, 20, plain(word or total.op.name, 12)),
        f'<path class="sep" d="M1 {HEAD}h{_n(w - 2)}"/>',
    ]
    y = HEAD
    shown = group.rows if len(group.rows) <= MOST_ROWS else group.rows[: MOST_ROWS - 1]
    for row in shown:
        y += ROW
        drawn += _line(graph, y - 6, w, *_row(graph, group, row.weight, row.operand))
    if len(shown) < len(group.rows):
        y += ROW
        drawn += _line(graph, y - 6, w, f"… {len(group.rows) - len(shown)} more", "", "")
    drawn.append(f'<path class="sep" d="M1 {y + 2}h{_n(w - 2)}"/>')
    if group.function >= 0:
        y += ROW
        drawn += _line(graph, y - 3, w, "sum", few(total.value, 3), few(total.gradient, 3))
    style = "text-anchor:end;font-size:20px"
    drawn.append(_text("v", column - 10, h - 9, few(last.value), style))
    if not graph.failure:
        drawn.append(_text("rg", w - 10, h - 10, few(last.gradient, 3)))
    return drawn


def _row(graph: Graph, group: Rows, weight: int, operand: int) -> tuple[str, str, str]:
    """Return a row's texts: its term, what that comes to, and a gradient.

    That is the gradient of the weight, or of the operand where there is no weight.
    """
    nodes = graph.nodes
    node = nodes[group.op]

    def value(k: int) -> object:
        return operand_value(nodes, node.edges[k].operand)

    def name(k: int) -> str:
        operand = node.edges[k].operand
        return nodes[operand].name if isinstance(operand, int) else few(operand.value)

    k = weight if weight >= 0 else operand
    slope = node.edges[k].derivative
    gradient = "" if slope is None or graph.failure else few(node.gradient * slope, 3)
    if weight < 0:
        return name(operand), few(value(operand), 3), gradient
    if operand < 0:
        return "bias", few(value(weight), 3), gradient
    own = node.edges[weight].operand in group.members
    first = few(value(weight), 3) if own else name(weight)
    product = value(weight) * value(operand)  # type: ignore[operator]
    return f"{first} · {plain(name(operand), 9)}", few(product, 3), gradient


def _line(graph: Graph, y: float, w: float, *texts: str) -> Sequence[str]:
    first, middle, last = texts
    column = w - TINTED
    drawn = [_text("r", 12, y, first)]
    if middle:
        drawn.append(_text("n", column - 10, y, middle))
    if last and not graph.failure:
        drawn.append(_text("rg", w - 10, y, last))
    return drawn
