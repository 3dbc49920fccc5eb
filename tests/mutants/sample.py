"""Mutants of the package, drawn at random: each is one small change of one place in the code.

The changes are cosmic-ray's: operators, comparisons, numbers one up or down, `not`, `and` for `or`,
True for False, decorators taken away, loops that do not run, exceptions that are not caught. Types
are left out, as nothing reads them when the package runs; so is what Python does not parse.
"""

from __future__ import annotations

import ast
import difflib
import itertools
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLACES = (
    *("scalargrad/engine", "scalargrad/functions", "scalargrad/transforms", "scalargrad/programs"),
    *("scalargrad/checks", "scalargrad/fitting"),
    *("scalargrad/optim.py", "scalargrad/losses.py", "scalargrad/nn.py"),
)
# What writes C, and what calls a C compiler: the tests of these need one.
LEFT_OUT = ("programs/spell/c/program.py", "run/c_compiler.py", "run/c_program.py")


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the n-th occurrence of what an operator of cosmic-ray changes."""

    path: str
    operator: str
    occurrence: int
    first_line: int
    last_line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.first_line} {self.operator} {self.occurrence}"


def draw(root: Path, count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants of the files under `root`, the same for the same seed and files."""
    mutants = list(_all(root))
    random.Random(seed).shuffle(mutants)
    found = (mutant for mutant in mutants if changes_anything(root, mutant))
    return list(itertools.islice(found, count))


def mutants_of(root: Path, path: str, operator: str) -> list[Mutant]:
    """Return all mutants of one file by one operator that are Python and change something."""
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = list(ast_nodes(get_ast((root / path).read_text())))
    return [m for m in _of_nodes(nodes, path, operator) if changes_anything(root, m)]


def mutated(root: Path, mutant: Mutant) -> str:
    """Return the text of the mutant's file with the change made."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    text = (root / mutant.path).read_text()
    changed: str | None = mutate_code(text, get_operator(mutant.operator)(), mutant.occurrence)
    assert changed is not None, f"there is no {mutant}"
    return changed


def difference(root: Path, mutant: Mutant) -> str:
    """Return the change as a diff."""
    lines = (root / mutant.path).read_text().splitlines()
    changed = mutated(root, mutant).splitlines()
    return "\n".join(
        difflib.unified_diff(lines, changed, mutant.path, mutant.path, lineterm="", n=2)
    )


def changes_anything(root: Path, mutant: Mutant) -> bool:
    """Return whether the mutant is Python, and not the same program as before."""
    before = ast.dump(ast.parse((root / mutant.path).read_text()))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            after = mutated(root, mutant)
            compile(after, mutant.path, "exec")
            return ast.dump(ast.parse(after)) != before
    except (SyntaxError, AttributeError):  # cosmic-ray does not know `except a.b` in a tuple
        return False


def _all(root: Path) -> Iterator[Mutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    # Two operators need to be told names of variables: these are left out.
    operators = [name for name in operator_names() if not get_operator(name).arguments()]
    for path in _files(root):
        nodes = list(ast_nodes(get_ast((root / path).read_text())))
        for name in operators:
            yield from _of_nodes(nodes, path, name)


def _of_nodes(nodes: list[Any], path: str, operator: str) -> Iterator[Mutant]:
    from cosmic_ray.plugins import get_operator

    changing = get_operator(operator)()
    positions = [
        (node, start[0], end[0])
        for node in nodes
        for start, end in changing.mutation_positions(node)
    ]
    for occurrence, (node, first, last) in enumerate(positions):
        if not _is_type(node):
            yield Mutant(path, operator, occurrence, first, last)


def _files(root: Path) -> Iterator[str]:
    for place in PLACES:
        path = root / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(root).as_posix()
            if not name.endswith(LEFT_OUT):
                yield name


def _is_type(node: Any) -> bool:
    """Return whether a node of the syntax tree is part of an annotation."""
    while node.parent is not None:
        parent, before = node.parent, []
        for sibling in parent.children:
            if sibling is node:
                break
            before.append(getattr(sibling, "value", None))
        colon = parent.type in ("tfpdef", "annassign") and ":" in before and "=" not in before
        if colon or (parent.type == "funcdef" and "->" in before and ":" not in before):
            return True
        node = parent
    return False
