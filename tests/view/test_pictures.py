"""README's pictures are as the tool makes them now."""

from __future__ import annotations

from tests.view.pictures import DRAWN, STILL, chunks, digest, drawing

AGAIN = "make README's pictures anew: python3 -m tests.view.pictures"


def test_the_drawing_is_fresh() -> None:
    assert DRAWN.read_text(encoding="utf-8") == drawing().svg, AGAIN


def test_the_still_is_of_the_page_as_it_is() -> None:
    png = STILL.read_bytes()
    assert png.startswith(b"\x89PNG")
    assert (b"tEXt", b"Comment\0" + digest(drawing().html).encode()) in chunks(png), AGAIN
