"""README's pictures: `python3 -m tests.view.pictures` makes them anew, with a Chromium.

The still of the page carries the digest of the page, so that a test can tell an old one.
"""

from __future__ import annotations

import hashlib
import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

from scalargrad import sin
from scalargrad.view.drawing import Drawing, draw
from tests.running import ROOT
from tests.view.browser import browsing

FOLDER = ROOT / "demos" / "pictures"
DRAWN = FOLDER / "expression.svg"
STILL = FOLDER / "page.png"


def f(x: Any, y: Any) -> Any:
    return x * y + sin(x)


def drawing() -> Drawing:
    return draw(f, 2.0, 3.0)


def digest(html: str) -> str:
    return hashlib.sha256(html.encode()).hexdigest()


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return the kind and the content of each chunk of a PNG."""
    found = []
    place = 8
    while place < len(png):
        size, kind = struct.unpack(">I4s", png[place : place + 8])
        found.append((kind, png[place + 8 : place + 8 + size]))
        place += 12 + size
    return found


def marked(png: bytes, text: str) -> bytes:
    """Return a PNG with a comment."""
    content = b"Comment\0" + text.encode()
    chunk = struct.pack(">I", len(content)) + b"tEXt" + content
    chunk += struct.pack(">I", zlib.crc32(b"tEXt" + content))
    return png[:33] + chunk + png[33:]  # after the header


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    DRAWN.write_text(drawing().svg, encoding="utf-8")
    html = drawing().html
    with browsing() as browser, tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        page.write_text(html, encoding="utf-8")
        browser.resize(1200, 800)
        browser.open(page)
        browser.press("ArrowLeft")
        browser.press("ArrowLeft")  # half-way through the backward pass
        browser.screenshot(STILL)
    STILL.write_bytes(marked(STILL.read_bytes(), digest(html)))


if __name__ == "__main__":
    main()
