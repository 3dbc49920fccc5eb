"""Survivors that no test can kill, as they change nothing that anybody could tell, and why.

Each is named by its file and the changed lines of its diff.
"""

from __future__ import annotations

EXPLAINED: dict[tuple[str, str], str] = {}


def explanation(path: str, difference: str) -> str | None:
    """Return why the mutant with this diff cannot be killed, or None."""
    return EXPLAINED.get((path, changes(difference)))


def changes(difference: str) -> str:
    """Return the lines of a diff that are taken away and put in, without their indentation."""
    lines = difference.splitlines()[2:]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines if line[0] in "+-")
