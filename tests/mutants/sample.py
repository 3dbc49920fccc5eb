"""Mutants of the package, drawn at random: each is one small change of one place in the code.

The changes are cosmic-ray's. Of all places that it can change, some are drawn, and for each one of
its changes, so that a `+`, which has eleven, counts no more than an `and`, which has one. Types are
left out, as nothing reads them when the package runs; so are changes that Python does not parse.
"""

from __future__ import annotations

import ast
import difflib
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
LEFT_OUT = ("programs/c.py", "programs/c_compiler.py", "programs/c_program.py")


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
    rng = random.Random(seed)
    places = sorted(_places(root).items())
    rng.shuffle(places)
    drawn: list[Mutant] = []
    for _, mutants in places:
        if len(drawn) == count:
            break
        mutant = rng.choice(mutants)
        if changes_anything(root, mutant):
            drawn.append(mutant)
    return drawn


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


def _places(root: Path) -> dict[tuple[str, int, int, int, int], list[Mutant]]:
    """Return all places that can be changed, each with the mutants that this makes."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    operators = {
        name: get_operator(name)()
        for name in operator_names()
        if not get_operator(name).arguments()
    }
    found: dict[tuple[str, int, int, int, int], list[Mutant]] = {}
    for path in _files(root):
        nodes = list(ast_nodes(get_ast((root / path).read_text())))
        for name, operator in operators.items():
            occurrence = 0
            for node in nodes:
                for start, end in operator.mutation_positions(node):
                    if not _is_type(node):
                        mutant = Mutant(path, name, occurrence, start[0], end[0])
                        found.setdefault((path, *start, *end), []).append(mutant)
                    occurrence += 1
    return found


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
