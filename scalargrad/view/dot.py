"""A picture in DOT, the language of Graphviz."""

from __future__ import annotations

from scalargrad.view.picture import Picture

_SHAPES = {
    "input": 'ellipse, style=filled, fillcolor="#dcebff"',
    "leaf": 'ellipse, style=filled, fillcolor="#dcebff"',
    "parameter": 'octagon, style=filled, fillcolor="#e4f5e0"',
    "constant": 'box, style="filled,dashed", fillcolor="#f5f5f2"',
    "op": 'box, style="filled,rounded", fillcolor="#eef2f8"',
    "group": 'box3d, style=filled, fillcolor="#efe8fb"',
}


def dot_of(picture: Picture) -> str:
    """Return the picture as the text of a DOT file."""
    lines = [
        "digraph {",
        f'  graph [rankdir=LR, label="{_quoted(picture.title)}",',
        f'    tooltip="{_quoted(picture.description)}"];',
        '  node [fontname="monospace"];',
        '  edge [fontname="monospace"];',
    ]
    for number, shape in enumerate(picture.shapes):
        rows = "\\n".join(map(_quoted, shape.rows))
        peripheries = ", peripheries=2" if shape.is_output else ""
        lines.append(
            f"  n{number} [shape={_SHAPES[shape.kind]}{peripheries}, "
            f'label="{rows}", tooltip="{_quoted(shape.full)}"];'
        )
    for number, shape in enumerate(picture.shapes):
        for arrow in shape.arrows:
            label = f' [label="{_quoted(arrow.label)}"]' if arrow.label else ""
            lines.append(f"  n{arrow.source} -> n{number}{label};")
    return "\n".join([*lines, "}", ""])


def _quoted(raw: str) -> str:
    # Graphviz reads backslashes and HTML's entities in a string.
    return raw.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
