"""The notebook: its cells run in order, and what a cell ends in can be shown."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest

from tests.running import ROOT

NOTEBOOK = ROOT / "demos" / "explain.ipynb"


def cells(kind: str) -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def shown(result: Any) -> str:
    """Return what a notebook shows of a result: HTML, SVG or LaTeX if there is any, else text."""
    for method in ("_repr_html_", "_repr_svg_", "_repr_latex_"):
        if hasattr(result, method) and (text := getattr(result, method)()) is not None:
            return str(text)
    return repr(result)


def test_cells_run_in_order_and_show_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.syspath_prepend(str(ROOT))
    names: dict[str, Any] = {"__name__": "__main__"}
    found = []
    for source in cells("code"):
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            found.append(shown(eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)))
    assert len(found) == 9
    assert found[0].startswith("f = x · y + sin(x)")
    assert found[1].startswith("$\\displaystyle")
    assert found[2].startswith("<div")
    assert "<svg" in found[2]
    assert found[3].startswith("<div")
    assert found[4] == "(2.0, 2.0)"
    assert found[5].startswith("<iframe")
    assert found[8].startswith("<svg")


def test_no_output_is_kept_in_the_file() -> None:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])
