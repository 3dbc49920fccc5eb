"""Engines of the shapes that public ones have: all are read, and told what is wrong, no more."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from scalargrad.testing import check_engine
from tests.engines.shapes import RIGHT, WRONG, Engine

NUMPY = importlib.util.find_spec("numpy") is not None


def engines(all_of_them: tuple[Engine, ...], every: int) -> list[object]:
    """Return the engines as parameters; but for one of so many they are slow."""
    return [
        pytest.param(
            engine,
            id=str(engine),
            marks=[
                *([pytest.mark.slow] if n % every else []),
                pytest.mark.skipif(
                    "numpy" in engine.source and not NUMPY, reason="it computes with numpy"
                ),
            ],
        )
        for n, engine in enumerate(all_of_them)
    ]


@pytest.mark.parametrize("engine", [*engines(RIGHT, 8), *engines(WRONG, 11)])
def test_what_fails_is_what_is_wrong(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "engine.py"
    file.write_text(engine.source, encoding="utf-8")
    report = check_engine(f"{file}:{engine.engine}", quick=True)
    assert {r.name for r in report.failed} == engine.found_by, report.text()
    assert "usable" in {r.name for r in report.held}


def test_there_are_thirty_of_each_and_eight_shapes() -> None:
    assert len({str(engine) for engine in RIGHT}) == len(RIGHT) >= 30
    assert len({str(engine) for engine in WRONG}) == len(WRONG) >= 30
    assert len({engine.shape for engine in RIGHT}) >= 8
    assert {engine.shape for engine in RIGHT} == {engine.shape for engine in WRONG}
