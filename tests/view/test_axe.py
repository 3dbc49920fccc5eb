"""The pages, tried by axe-core, where the variable AXE_CORE has the path of its file."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from scalargrad import draw, playground, sin
from scalargrad.commands.playing import page_of
from tests.view.browser import chromium
from tests.view.conftest import Show
from tests.view.graphs import models, random_graph
from tests.view.test_playing import CURVE, Chooses, squared

AXE = os.environ.get("AXE_CORE", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no file of axe-core"),
    pytest.mark.skipif(chromium() is None, reason="there is no Chromium here"),
]

PAGES: dict[str, Callable[[], Any]] = {
    "moons": lambda: page_of("moons"),
    "iris": lambda: page_of("iris"),
    "sin": lambda: page_of("sin"),
    "a live page": lambda: draw(lambda x, y: x * y + sin(x), 2.0, 3.0),
    "a network": lambda: draw(*models()["mlp"]),
    "many nodes": lambda: draw(random_graph(60), 0.5, 1.0, 1.5),
    "one that branches": lambda: draw(lambda x: x * x if x > 0 else -x, 3.0),
    "one that is fixed": lambda: draw(lambda x: x * x / 3, Fraction(1, 2)),
    "replayed": lambda: playground(Chooses, squared, CURVE),
}
FIND = """axe.run().then((found) => {
  window.violations = found.violations.map((v) => [v.id, ...v.nodes.map((n) => n.html)]);
}), 1"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name: str, width: int, dark: bool, show: Show) -> None:
    browser = show(PAGES[name](), width, 844, dark)
    browser.run(Path(AXE).read_text(encoding="utf-8") + "; 1")
    browser.run(FIND)
    assert browser.until("window.violations && [window.violations]", 30) == [[]]
