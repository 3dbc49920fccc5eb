"""A picture as a Mermaid flowchart, which GitHub and many wikis draw."""

from __future__ import annotations

from scalargrad.view.picture import Picture

_SHAPES = {
    "input": ("([", "])"),
    "leaf": ("([", "])"),
    "parameter": ("{{", "}}"),
    "constant": ("[", "]"),
    "op": ("(", ")"),
    "group": ("[[", "]]"),
}
_CLASSES = (
    "  classDef input fill:#dcebff,stroke:#8a94a6,color:#1c2330",
    "  classDef leaf fill:#dcebff,stroke:#8a94a6,color:#1c2330",
    "  classDef parameter fill:#e4f5e0,stroke:#8a94a6,color:#1c2330",
    "  classDef constant fill:#f5f5f2,stroke:#8a94a6,color:#1c2330,stroke-dasharray:3 3",
    "  classDef op fill:#eef2f8,stroke:#8a94a6,color:#1c2330",
    "  classDef group fill:#efe8fb,stroke:#8a94a6,color:#1c2330",
    "  classDef output fill:#eef2f8,stroke:#1c2330,color:#1c2330,stroke-width:3px",
)


def mermaid_of(picture: Picture) -> str:
    """Return the picture as the text of a Mermaid file."""
    lines = [
        "flowchart LR",
        f"  accTitle: {_plain(picture.title)}",
        f"  accDescr: {_plain(picture.description)}",
    ]
    for number, shape in enumerate(picture.shapes):
        rows = "<br>".join(map(_escaped, shape.rows))
        before, after = _SHAPES[shape.kind]
        kind = "output" if shape.is_output else shape.kind
        lines.append(f'  n{number}{before}"{rows}"{after}:::{kind}')
    for number, shape in enumerate(picture.shapes):
        for arrow in shape.arrows:
            label = f'|"{_escaped(arrow.label)}"|' if arrow.label else ""
            lines.append(f"  n{arrow.source} -->{label} n{number}")
    return "\n".join([*lines, *_CLASSES, ""])


def _escaped(raw: str) -> str:
    """Return `raw` with all that might mean something to Mermaid as numbered entities."""
    return "".join(c if c.isalnum() or c in " .,=" else f"#{ord(c)};" for c in raw)


def _plain(raw: str) -> str:
    # The accessible title and description end with the line, and know no entities.
    return "".join(c if c.isalnum() or c in " .,=+-*/()·∂[]" else "?" for c in raw)
