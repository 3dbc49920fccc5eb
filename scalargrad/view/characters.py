"""The characters that standard output can show."""

from __future__ import annotations

import sys

_INSTEAD = {"└": "`", "├": "|", "─": "-", "│": "|", "·": "*", "∂": "d", "…": "..."}

_TABLE = {ord(c): instead for c, instead in _INSTEAD.items()}


def shows_unicode() -> bool:
    """Return whether standard output can show the characters of pictures and formulas."""
    try:
        "".join(_INSTEAD).encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def in_ascii(text: str) -> str:
    """Return `text` in ASCII: with like characters for lines and signs, the others escaped.

    >>> in_ascii("└─ ∂y/∂x = 2 · x")
    '`- dy/dx = 2 * x'
    """
    return text.translate(_TABLE).encode("ascii", "backslashreplace").decode()
