"""Templates: pages as files in which the names of their parts stand, and data within a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


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
    """Return JSON that can stand in a script of a page: without < and > and &."""
    dumped = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for c in "<>&\u2028\u2029":
        dumped = dumped.replace(c, f"\\u{ord(c):04x}")
    return dumped
