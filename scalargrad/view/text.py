"""A picture as text: a tree below the output, in which each node is shown once."""

from __future__ import annotations

from scalargrad.view.picture import Picture

_MOST_LINES = 200


def text_of(picture: Picture) -> str:
    """Return the picture as lines of text, 200 at most."""
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
            deep = len(rest) > 40
            stack.append(
                (
                    arrow.source,
                    arrow.label,
                    rest if deep else f"{rest}{'└─ ' if last else '├─ '}",
                    rest if deep else f"{rest}{'   ' if last else '│  '}",
                )
            )
    if stack:
        lines.append("…")
    if picture.note:
        lines.append(picture.note)
    return "\n".join(lines) + "\n"
