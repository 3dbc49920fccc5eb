"""What the pages take: `python3 -m tests.benchmarks.pages`, with a Chromium.

Milliseconds of script beside the budget for two shared cores. Each is that of the fastest tenth of
many frames, since other programs only make one slower; the median stands beside it.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from scalargrad import draw, losses, nn, optim, playground, sin, tanh
from scalargrad.view.datasets import moons
from tests.benchmarks.table import Row, as_text
from tests.view.browser import Browser, browsing, chromium

# By the sizes of the layers: budgets in milliseconds of a step, of a grid, and of drawing.
NETWORKS = {(8, 8): (None, 3.0, 3.0), (16, 16): (0.6, 6.0, 5.0), (48, 46): (8.0, None, None)}


def main() -> None:
    if chromium() is None:
        sys.exit("there is no Chromium here")
    with browsing() as browser, tempfile.TemporaryDirectory() as folder:
        browser.resize(1200, 800)
        print(as_text([*of_playgrounds(browser, Path(folder)), *of_live(browser, Path(folder))]))


def of_playgrounds(browser: Browser, folder: Path) -> Iterator[Row]:
    data = moons(100, random.Random(7))
    for hidden, (step, grid, drawing) in NETWORKS.items():
        page = playground(
            partial(nn.MLP, 2, [*hidden, 1], tanh),
            lambda output, target: losses.hinge([output], [target]),
            data,
            optimizer=lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
        )
        opened(browser, folder, page)
        name = f"playground, {browser.run('size')} parameters, 100 points"
        size = len(page.html.encode())
        yield Row(f"{name}: size", f"{size / 1000:.0f} kB", "", None, "")
        yield timed(browser, f"{name}: step", "trainStep()", 100, step)
        yield timed(browser, f"{name}: grid with all neurons", "evaluateMaps()", 20, grid)
        yield timed(
            browser,
            f"{name}: drawing",
            "fine = null; drawField(); drawNetwork(); drawLoss()",
            20,
            drawing,
        )


def of_live(browser: Browser, folder: Path) -> Iterator[Row]:
    def chain(x: Any, y: Any) -> Any:
        for _ in range(31):
            x = sin(x) * y
        return x

    drawing = draw(chain, 0.5, 0.9)
    opened(browser, folder, drawing)
    size = len(drawing.html.encode())
    yield Row("live page, 64 nodes: size", f"{size / 1000:.0f} kB", "", None, "")
    key = "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true}))"
    yield timed(browser, "live page, 64 nodes: step", key, 60, 5.0)
    change = (
        "(() => { const box = document.querySelector('.leaf input');"
        " box.value = Number(box.value) + 1e-3;"
        " box.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    yield timed(browser, "live page, 64 nodes: drag", change, 60, 5.0)


def opened(browser: Browser, folder: Path, page: Any) -> None:
    file = folder / "page.html"
    file.write_text(page.html, encoding="utf-8")
    browser.open(file)
    assert browser.problems == []


def timed(browser: Browser, what: str, script: str, times: int, budget: float | None) -> Row:
    """Return the row of a script: of `times` frames the fastest tenth, as a page runs it.

    Only the script counts: what the browser paints between frames is done elsewhere.
    """
    browser.run(
        f"""(() => {{ const found = []; window.measured = null;
        const frame = () => {{ const began = performance.now(); {script};
          found.push(performance.now() - began);
          if (found.length < {times}) requestAnimationFrame(frame);
          else window.measured = found; }};
        requestAnimationFrame(frame); }})(), 1"""
    )
    end = time.monotonic() + 60
    while (found := browser.run("measured")) is None:
        assert time.monotonic() < end, what
        time.sleep(0.05)
    ms = sorted(found)[len(found) // 10]
    wanted, met = ("", None) if budget is None else (f"at most {budget} ms", ms <= budget)
    return Row(what, f"{ms:.2f} ms", wanted, met, f"median {median(found):.2f} ms")


if __name__ == "__main__":
    main()
