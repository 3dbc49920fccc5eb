"""The rows that the benchmarks print, as aligned text or as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measurement: what it is of, what came out, and what should have."""

    what: str
    measured: str
    wanted: str = ""
    met: bool | None = None
    details: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = {True: "met", False: "MISSED", None: ""}[self.met]
        return self.what, self.measured, self.wanted, verdict, self.details


HEADINGS = ("what", "measured", "wanted", "", "details")


def at_least(what: str, ratio: float, bound: float | None, details: str) -> Row:
    """Return the row of a speed-up, which should reach `bound`."""
    wanted, met = ("", None) if bound is None else (f"at least {bound}x", ratio >= bound)
    return Row(what, f"{ratio:.2f}x faster", wanted, met, details)


def at_most(what: str, ratio: float, bound: float, details: str) -> Row:
    """Return the row of a cost, which should not exceed `bound`."""
    return Row(what, f"{ratio:.2f}x its time", f"at most {bound}x", ratio <= bound, details)


def as_text(rows: Iterable[Row]) -> str:
    """Return the rows in columns under their headings."""
    lines = [HEADINGS, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
