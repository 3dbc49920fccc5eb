"""README's blocks of code. `python -m tests.readme DIRECTORY` writes its scripts as files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: what the comment in the line before it says, its language, its text."""

    marker: str
    language: str
    text: str


BLOCKS = [Block(*found.groups(default="")) for found in _BLOCK.finditer(TEXT)]
SCRIPTS = [block.text for block in BLOCKS if block.language == "python"]


def write_scripts(folder: Path) -> list[Path]:
    """Write each script of README to a file in `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"script{number:02}.py" for number in range(1, len(SCRIPTS) + 1)]
    for file, script in zip(files, SCRIPTS, strict=True):
        file.write_text(script, encoding="utf-8")
    return files


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.readme DIRECTORY")
    print(*write_scripts(Path(sys.argv[1])), sep="\n")
