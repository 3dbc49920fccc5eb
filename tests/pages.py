"""The blocks of code of README and the guide. `python -m tests.pages DIRECTORY` writes scripts."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "demos" / "guide").glob("*.md"))]
# Pages whose words are checked, but which have no scripts.
OTHERS = [
    *(ROOT / ".github").glob("*.md"),
    *(ROOT / name / "README.md" for name in ("demos/lessons", "demos/teaching", "demos/data")),
    ROOT / "tests" / "benchmarks" / "README.md",
    ROOT / "scalargrad" / "CHANGES.md",
]
_BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its page, what the comment in the line before it says, language and text."""

    page: Path
    marker: str
    language: str
    text: str


def text_of(page: Path) -> str:
    """Return what a page says."""
    return page.read_text(encoding="utf-8")


BLOCKS = [
    Block(page, *found.groups(default=""))
    for page in PAGES
    for found in _BLOCK.finditer(text_of(page))
]
SCRIPTS = [block for block in BLOCKS if block.language == "python"]


def name_of(script: Block) -> str:
    """Return a name for a script: its page, and its number there."""
    on_page = [block for block in SCRIPTS if block.page == script.page]
    page = script.page.stem if script.page.parent != ROOT else "front"
    return f"{page.lower().replace('-', '_')}{on_page.index(script) + 1}"


def write_scripts(folder: Path) -> dict[str, Path]:
    """Write each script to a file in `folder`; return the files by the scripts' names."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for script in SCRIPTS:
        name = name_of(script)
        files[name] = folder / f"{name}.py"
        files[name].write_text(script.text, encoding="utf-8")
    return files


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.pages DIRECTORY")
    print(*write_scripts(Path(sys.argv[1])).values(), sep="\n")
