"""Engines of the shapes that public ones have: all are read, and told what is wrong, no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from scalargrad.testing import check_engine
from tests.engines.making import written
from tests.engines.shapes import RIGHT, WRONG, Engine
from tests.sampled import one_in


@pytest.mark.parametrize("engine", one_in(32, [*RIGHT, *WRONG]))
def test_what_fails_is_what_is_wrong(engine: Engine, tmp_path: Path) -> None:
    if "numpy" in engine.source:
        pytest.importorskip("numpy")
    file = written(tmp_path, engine.source)
    report = check_engine(f"{file}:{engine.engine}", quick=True, examples=90)
    assert {r.name for r in report.failed} == engine.found_by, report.text()
    assert "usable" in {r.name for r in report.held}


def test_there_are_thirty_of_each_and_eight_shapes() -> None:
    assert len({str(engine) for engine in RIGHT}) == len(RIGHT) >= 30
    assert len({str(engine) for engine in WRONG}) == len(WRONG) >= 30
    assert len({engine.shape for engine in RIGHT}) >= 8
    assert {engine.shape for engine in RIGHT} == {engine.shape for engine in WRONG}
