"""The data sets that ship: their sizes, their targets, and the same numbers for the same seed."""

from __future__ import annotations

import math
import random

import pytest

from scalargrad.__main__ import main
from scalargrad.view.datasets import DATASETS, IRIS, circles, moons, spiral

TARGETS = {
    "moons": {-1, 1},
    "circles": {-1, 1},
    "spiral": {0, 1, 2},
    "xor": {-1, 1},
    "iris": {0, 1, 2},
}


@pytest.mark.parametrize("name", DATASETS)
def test_examples_are_as_many_and_the_same_for_a_seed(name: str) -> None:
    examples = DATASETS[name](60, random.Random(1))
    assert len(examples) == 60
    assert examples == DATASETS[name](60, random.Random(1))
    assert {len(x) for x, _ in examples} == {{"iris": 4, "sin": 1}.get(name, 2)}
    if name in TARGETS:
        assert {t for _, t in examples} == TARGETS[name]


class Exact(random.Random):
    """Gives no noise."""

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        return mu


def test_points_lie_on_their_curves() -> None:
    for (x, y), t in moons(40, Exact()):
        centre = (0.0, 0.0) if t < 0 else (1.0, 0.5)
        assert math.dist((x, y), centre) == pytest.approx(1.0)
    for (x, y), t in circles(40, Exact()):
        assert math.hypot(x, y) == pytest.approx(0.4 if t > 0 else 1.0)
    for (x, y), t in spiral(30, Exact()):
        radius = math.hypot(x, y)
        turned = math.atan2(y, x) - 4 * radius - 2 * math.pi * t / 3
        assert math.cos(turned) == pytest.approx(1.0)


def test_sine_samples_are_sines() -> None:
    assert all(y == math.sin(x) for [x], y in DATASETS["sin"](30, Exact()))


def test_irises_are_scaled() -> None:
    examples = DATASETS["iris"](150, random.Random(0))
    for column in zip(*(x for x, _ in examples), strict=True):
        assert sum(column) == pytest.approx(0.0, abs=1e-9)
        assert sum(x * x for x in column) / 149 == pytest.approx(1.0)
    assert IRIS.exists()


def test_play_writes_a_page(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    file = f"{tmp_path}/xor.html"
    assert main(["play", "xor", "-o", file]) == 0
    assert capsys.readouterr().out == f"wrote {file}\n"
    with open(file, encoding="utf-8") as page:
        assert "<title>One or the other: xor</title>" in page.read()
    with pytest.raises(SystemExit):
        main(["play", "mnist"])
    assert "invalid choice: 'mnist'" in capsys.readouterr().err
