"""Engines made of texts: the right one of closures.py with places changed, as a class or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

RIGHT = Path(__file__).with_name("closures.py").read_text(encoding="utf-8")


def changed(*changes: tuple[str, str], text: str = RIGHT) -> str:
    """Return the text with these places changed, which must be there."""
    for old, new in changes:
        assert old in text, f"the place to change is gone: {old!r}"
        text = text.replace(old, new)
    return text


def made(text: str) -> Any:
    """Return the class Value of a text."""
    names: dict[str, Any] = {"__name__": "tests.engines.closures"}
    exec(compile(text, "engine", "exec"), names)
    return names["Value"]


def written(folder: Path, text: str, name: str = "engine.py") -> Path:
    """Return the file with the text."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file
