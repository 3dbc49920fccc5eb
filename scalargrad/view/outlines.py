"""A picture as text: a tree below the output, and the languages of Graphviz and Mermaid."""

from __future__ import annotations

from scalargrad.view.picture import Picture

_MOST_LINES = 200
# Of each kind of shape its colour, its outline in DOT, and its brackets in Mermaid.
_KINDS = {
    "input": ("#dcebff", "ellipse, style=filled", "([", "])"),
    "leaf": ("#dcebff", "ellipse, style=filled", "([", "])"),
    "parameter": ("#e4f5e0", "octagon, style=filled", "{{", "}}"),
    "constant": ("#f5f5f2", 'box, style="filled,dashed"', "[", "]"),
    "op": ("#eef2f8", 'box, style="filled,rounded"', "(", ")"),
    "group": ("#efe8fb", "box3d, style=filled", "[[", "]]"),
}


def tree_of(picture: Picture) -> str:
    """Return the picture as a tree, in which each node is shown once: 200 lines at most."""
    shapes = picture.shapes
    output = next((k for k, shape in enumerate(shapes) if shape.is_output), len(shapes) - 1)
    lines: list[str] = []
    seen: set[int] = set()
    # What is to be written: the number of a shape, the derivative on its arrow, the indentation.
    stack = [(output, "", "", "")]
    while stack and len(lines) < _MOST_LINES:
        number, label, first, rest = stack.pop()
        shape = shapes[number]
        slope = f"  [{label}]" if label else ""
        if number in seen and shape.arrows:
            lines.append(f"{first}{shape.title}, as above{slope}")
            continue
        seen.add(number)
        lines.append(f"{first}{', '.join(shape.rows)}{slope}")
        arrows = shape.arrows
        for k, arrow in reversed(list(enumerate(arrows))):
            last = k == len(arrows) - 1
            # A chain of a million nodes must not indent without end.
            lead, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
            lead, below = ("", "") if len(rest) > 40 else (lead, below)
            stack.append((arrow.source, arrow.label, rest + lead, rest + below))
    if stack:
        lines.append("…")
    if picture.note:
        lines.append(picture.note)
    return "\n".join(lines) + "\n"


def dot_of(picture: Picture) -> str:
    """Return the picture as the text of a DOT file, for Graphviz."""
    lines = [
        "digraph {",
        f'  graph [rankdir=LR, label="{_quoted(picture.title)}",',
        f'    tooltip="{_quoted(picture.description)}"];',
        '  node [fontname="monospace"];',
        '  edge [fontname="monospace"];',
    ]
    for number, shape in enumerate(picture.shapes):
        colour, outline, *_ = _KINDS[shape.kind]
        rows = "\\n".join(map(_quoted, shape.rows))
        peripheries = ", peripheries=2" if shape.is_output else ""
        lines.append(
            f'  n{number} [shape={outline}, fillcolor="{colour}"{peripheries}, '
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


def mermaid_of(picture: Picture) -> str:
    """Return the picture as the text of a Mermaid flowchart, which GitHub and many wikis draw."""
    lines = [
        "flowchart LR",
        f"  accTitle: {_plain(picture.title)}",
        f"  accDescr: {_plain(picture.description)}",
    ]
    for number, shape in enumerate(picture.shapes):
        rows = "<br>".join(map(_escaped, shape.rows))
        _, _, before, after = _KINDS[shape.kind]
        kind = "output" if shape.is_output else shape.kind
        lines.append(f'  n{number}{before}"{rows}"{after}:::{kind}')
    for number, shape in enumerate(picture.shapes):
        for arrow in shape.arrows:
            label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
            lines.append(f"  n{arrow.source} -->{label} n{number}")
    for kind, (colour, *_) in _KINDS.items():
        dashes = ",stroke-dasharray:3 3" if kind == "constant" else ""
        lines.append(f"  classDef {kind} fill:{colour},stroke:#8a94a6,color:#1c2330{dashes}")
    lines.append("  classDef output fill:#eef2f8,stroke:#1c2330,color:#1c2330,stroke-width:3px")
    return "\n".join([*lines, ""])


def _escaped(raw: str) -> str:
    """Return `raw` with all that might mean something to Mermaid as numbered entities."""
    return "".join(c if c.isalnum() or c in " .,=" else f"#{ord(c)};" for c in raw)


def _plain(raw: str) -> str:
    # The accessible title and description end with the line, and know no entities.
    return "".join(c if c.isalnum() or c in " .,=+-*/()·∂[]" else "?" for c in raw)
