"""The notebook: its cells run in order, and the outputs that are kept are what they show."""

from __future__ import annotations

import ast
from typing import Any

from tests.view.notebook import filled, read, results


def test_cells_run_in_order_and_show_something() -> None:
    notebook = read()
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    found = [result for result in results(notebook) if result is not None]
    assert len(found) == 10

    def html(result: Any) -> str:
        return str(result._repr_html_())

    assert repr(found[0]).startswith("f = x · y + sin(x)")
    assert found[1]._repr_latex_().startswith("$\\displaystyle")
    assert html(found[2]).startswith("<div")
    assert "<svg" in html(found[2])
    assert html(found[3]).startswith("<div")
    assert found[4] == (2.0, 2.0)
    assert html(found[5]).startswith("<iframe")
    assert found[8]._repr_svg_().startswith("<svg")
    assert html(found[9]).startswith("<iframe")


def test_the_outputs_that_are_kept_are_fresh() -> None:
    again = "run the notebook anew: python3 -m tests.view.notebook"
    assert filled(read()) == read(), again
    kept = [
        kind for cell in read()["cells"] for out in cell.get("outputs", []) for kind in out["data"]
    ]
    assert kept.count("image/svg+xml") == 5


def test_no_classes_are_defined_in_it() -> None:
    for cell in read()["cells"]:
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            assert not any(isinstance(node, ast.ClassDef) for node in ast.walk(tree))
