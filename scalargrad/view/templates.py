"""Templates: pages as files in which the names of their parts stand, and data within a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scalargrad.view.languages.javascript import runtime_for
from scalargrad.view.look import COLOURS
from scalargrad.view.minify import script, style
from scalargrad.view.svg import text

_HERE = Path(__file__).parent


def page(name: str, title: str, look: str, data: Any, parts: Mapping[str, str]) -> str:
    """Return the page of the template `name`, with its style sheet `look` and its data.

    `title` is text, `parts` are HTML as they stand.
    """
    found = {**parts, "title": text(title), "style": look, "data": as_json(data)}
    return filled(read("head.html") + read(f"{name}.html"), found)


def script_page(
    name: str,
    title: str,
    data: Any,
    parts: Mapping[str, str],
    program: str,
    look: str = "",
    scripts: Sequence[str] = (),
) -> str:
    """Return a page that computes: its template, style sheet and script have the same `name`.

    `program` is its own JavaScript, `look` and `scripts` are what else it needs.
    """
    player = "".join(map(read, ["shared.js", f"{name}.js", *scripts]))
    looks = COLOURS + style(read("shared.css") + read(f"{name}.css") + look)
    runtime = script(runtime_for(program))
    return page(name, title, looks, data, {**parts, "runtime": runtime, "player": script(player)})


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with the parts whose names stand in it, which are not looked at.

    >>> filled("<b>@{title}</b>", {"title": "a @{b}"})
    '<b>a @{b}</b>'
    """
    pieces = template.split("@{")
    found = [pieces[0]]
    for piece in pieces[1:]:
        key, rest = piece.split("}", 1)
        found += [parts[key], rest]
    return "".join(found)


def read(name: str) -> str:
    """Return the text of a file that ships with the view."""
    return (_HERE / name).read_text(encoding="utf-8")


def as_json(data: Any) -> str:
    """Return JSON that can stand in a script of a page: without < and > and &.

    A number that is not finite becomes a text, which `shared.js` reads.
    """
    dumped = json.dumps(_finite(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        dumped = dumped.replace(c, f"\\u{ord(c):04x}")
    return dumped


def _finite(x: Any) -> Any:
    if isinstance(x, dict):
        return {key: _finite(part) for key, part in x.items()}
    if isinstance(x, list | tuple):
        return list(map(_finite, x))
    if isinstance(x, float) and not math.isfinite(x):
        return "\uf8ffNaN" if math.isnan(x) else f"\uf8ff{'-' if x < 0 else ''}Infinity"
    return x
