"""The notebook's outputs: `python3 -m tests.view.notebook` runs its cells and keeps what they show.

So it is seen on a code host, which runs nothing. Of pages that a cell shows only a word is kept.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.running import ROOT

NOTEBOOK = ROOT / "demos" / "explain.ipynb"


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def results(notebook: dict[str, Any]) -> list[Any]:
    """Run the cells in order; return what each that holds code ends in, None for nothing."""
    names: dict[str, Any] = {"__name__": "__main__"}
    found = []
    before = Path.cwd()
    os.chdir(NOTEBOOK.parent)
    sys.modules["ipykernel"] = ModuleType("ipykernel")  # so pages go into the cell
    try:
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                continue
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<cell>", "exec"), names)
            value = None
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
            found.append(value)
    finally:
        del sys.modules["ipykernel"]
        os.chdir(before)
    return found


def shown(result: Any) -> dict[str, list[str]]:
    """Return what is kept of a result, by its media type: a picture, LaTeX, and text."""
    found = {"text/plain": repr(result)}
    for method, kind in (("_repr_svg_", "image/svg+xml"), ("_repr_latex_", "text/latex")):
        if hasattr(result, method):
            found[kind] = getattr(result, method)()
    html = str(result._repr_html_()) if hasattr(result, "_repr_html_") else ""
    picture = re.search("<svg.*</svg>", html, re.DOTALL)
    if picture and "<iframe" not in html:
        found["image/svg+xml"] = picture[0]
    return {kind: text.splitlines(keepends=True) for kind, text in found.items()}


def filled(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs of its cells."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, (cell, result) in enumerate(zip(cells, results(notebook), strict=True), 1):
        cell["execution_count"] = count
        output = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        cell["outputs"] = [] if result is None else [{**output, "data": shown(result)}]
    return notebook


def main() -> None:
    sys.path.insert(0, str(ROOT))
    text = json.dumps(filled(read()), indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
