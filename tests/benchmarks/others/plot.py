"""Time by size as an SVG: a panel for each measure, a line for each tool, both axes logarithmic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scalargrad.view.svg import text

_PANEL, _HIGH, _LEFT, _TOP, _GAP = 330, 330, 62, 40, 78
_LEGEND = 230
# Told apart by shape too; each is a path about 0 0.
MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
    "M-3.5 -3.5h7v7h-7z",
    "M0 -5l4.5 8h-9z",
    "M0 5l4.5 -8h-9z",
    "M0 -5l5 5l-5 5l-5 -5z",
)
COLOURS = 6
_STYLE = """<style>
.lp{--back:#fff;--ink:#1c2330;--line:#d5dae2;--c0:#b3261e;--c1:#1d6fd1;--c2:#d1701d;--c3:#2e8540;
--c4:#7a3fb0;--c5:#5b6577;background:var(--back);font:12px system-ui,sans-serif}
@media (prefers-color-scheme:dark){.lp{--back:#14181f;--ink:#e8ecf3;--line:#333b49;--c0:#ff8a80;
--c1:#5aa2ff;--c2:#ffa04d;--c3:#6fcf85;--c4:#c49bff;--c5:#a5afc0}}
.lp text{fill:var(--ink)}.lp .grid{stroke:var(--line);fill:none}
.lp .h{font-weight:bold}.lp .e{text-anchor:end}.lp .m{text-anchor:middle}
.lp .curve{fill:none;stroke-width:1.8}
.lp .s0{stroke:var(--c0)}.lp .s1{stroke:var(--c1)}.lp .s2{stroke:var(--c2)}
.lp .s3{stroke:var(--c3)}.lp .s4{stroke:var(--c4)}.lp .s5{stroke:var(--c5)}
.lp .f0{fill:var(--c0)}.lp .f1{fill:var(--c1)}.lp .f2{fill:var(--c2)}
.lp .f3{fill:var(--c3)}.lp .f4{fill:var(--c4)}.lp .f5{fill:var(--c5)}
</style>"""
_TICKS = {-6: "1 µs", -5: "10 µs", -4: "100 µs", -3: "1 ms", -2: "10 ms", -1: "100 ms"}

Curve = Sequence[tuple[float, float]]  # size and seconds, both positive


@dataclass(frozen=True)
class Panel:
    """A heading, and the curves by the labels of their tools."""

    title: str
    curves: Mapping[str, Curve]


def log_plot(panels: Sequence[Panel], title: str, x_label: str = "ops") -> str:
    """Return the panels side by side, under the same scales, and one legend for all.

    Raises ValueError if there is nothing to draw.
    """
    points = [p for panel in panels for curve in panel.curves.values() for p in curve]
    if not points:
        raise ValueError("a plot takes at least one point")
    x_range = _decades([size for size, _ in points])
    y_range = _decades([seconds for _, seconds in points])
    labels = list(dict.fromkeys(label for panel in panels for label in panel.curves))
    body = [_panel(panel, k, x_range, y_range, labels, x_label) for k, panel in enumerate(panels)]
    right = _LEFT + len(panels) * (_PANEL + _GAP) - _GAP + 24
    for k, label in enumerate(labels):
        y = _TOP + 12 + 22 * k
        body.append(
            f'<path class="curve {_stroke(k)}" d="M{right} {y}h28"/>'
            f'{_marker(k, right + 14, y)}<text x="{right + 36}" y="{y + 4}">{text(label)}</text>'
        )
    width = right + _LEGEND
    height = max(_TOP + _HIGH + 46, _TOP + 22 * len(labels) + 12)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lp" role="img" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>{text(title)}</title>{_STYLE}\n" + "\n".join(body) + "\n</svg>\n"
    )


def _panel(
    panel: Panel,
    place: int,
    x_range: tuple[int, int],
    y_range: tuple[int, int],
    labels: list[str],
    x_label: str,
) -> str:
    left = _LEFT + place * (_PANEL + _GAP)

    def x(size: float) -> float:
        return left + _share(size, x_range) * _PANEL

    def y(seconds: float) -> float:
        return _TOP + _HIGH - _share(seconds, y_range) * _HIGH

    parts = [f'<text class="h" x="{left}" y="{_TOP - 16}">{text(panel.title)}</text>']
    for power in range(x_range[0], x_range[1] + 1):
        at = round(x(10**power), 1)
        parts.append(
            f'<path class="grid" d="M{at} {_TOP}v{_HIGH}"/>'
            f'<text class="m" x="{at}" y="{_TOP + _HIGH + 18}">{10**power:,}</text>'
        )
    for power in range(y_range[0], y_range[1] + 1):
        at = round(y(10**power), 1)
        parts.append(
            f'<path class="grid" d="M{left} {at}h{_PANEL}"/>'
            f'<text class="e" x="{left - 6}" y="{at + 4}">{_tick(power)}</text>'
        )
    middle = left + _PANEL / 2
    parts.append(f'<text class="m" x="{middle}" y="{_TOP + _HIGH + 38}">{text(x_label)}</text>')
    for label, curve in panel.curves.items():
        k = labels.index(label)
        places = [(round(x(size), 1), round(y(seconds), 1)) for size, seconds in sorted(curve)]
        line = "L".join(f"{a} {b}" for a, b in places)
        parts.append(f'<path class="curve {_stroke(k)}" d="M{line}"/>')
        parts += [_marker(k, a, b) for a, b in places]
    return "".join(parts)


def _marker(k: int, x: float, y: float) -> str:
    shape = MARKERS[k % len(MARKERS)]
    return f'<path class="f{k % COLOURS}" transform="translate({x} {y})" d="{shape}"/>'


def _stroke(k: int) -> str:
    return f"s{k % COLOURS}"


def _decades(numbers: Sequence[float]) -> tuple[int, int]:
    """Return the powers of ten that are just below and above all the numbers."""
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    return low, max(high, low + 1)


def _share(number: float, decades: tuple[int, int]) -> float:
    low, high = decades
    return (math.log10(number) - low) / (high - low)


def _tick(power: int) -> str:
    return _TICKS.get(power) or (f"{10**power:,} s" if power >= 0 else f"1e{power} s")
