"""Engines of the shapes that public ones have: all are read, and told what is wrong, no more."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from scalargrad.testing import check_engine
from tests.engines.shapes import RIGHT, WRONG, Engine
from tests.sampled import one_in


def engines(all_of_them: tuple[Engine, ...], every: int) -> list[Any]:
    of_numpy = [engine for engine in all_of_them if "numpy" in engine.source]
    others = [engine for engine in all_of_them if engine not in of_numpy]
    numpy_is_here = importlib.util.find_spec("numpy") is not None
    skip = pytest.mark.skipif(not numpy_is_here, reason="it computes with numpy")
    return [*one_in(every, others), *one_in(every, of_numpy, skip)]


@pytest.mark.parametrize("engine", [*engines(RIGHT, 15), *engines(WRONG, 15)])
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
