"""Grade the engines of a class: points by property, what most got wrong, and copies."""

import ast
import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scalargrad.testing import properties
from scalargrad.testing.report import OWN_WORK, Report
from scalargrad.testing.suite import check_engine


@dataclass(frozen=True)
class Grade:
    """One submission: its report, or why there is none."""

    name: str
    report: Report | None
    remark: str = ""


@dataclass
class Grades:
    """The grades of a class; `interrupted` if Ctrl-C ended it before the last one.

    `alike` has groups of names whose files are the same but for names, comments and layout.
    """

    weights: Mapping[str, float] | None
    grades: list[Grade] = field(default_factory=list)
    alike: list[list[str]] = field(default_factory=list)
    interrupted: bool = False

    def points(self, grade: Grade) -> dict[str, tuple[float, float]]:
        """Return the points of a submission for each property, and how many there are for it."""
        return grade.report.points(self.weights) if grade.report else {}

    @property
    def most(self) -> float:
        """Return how many points there are."""
        return max((sum(m for _, m in self.points(g).values()) for g in self.grades), default=0.0)

    def csv(self) -> str:
        """Return a row for each submission: points in all and by property, and a remark."""
        names = dict.fromkeys(name for g in self.grades for name in self.points(g))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["submission", "points", "of", *names, "remark"])
        for g in self.grades:
            found = self.points(g)
            row = [found.get(name, (0.0, 0.0))[0] for name in names]
            writer.writerow([_safe(g.name), sum(row), self.most, *row, _safe(self._remark(g))])
        return out.getvalue()

    def _remark(self, grade: Grade) -> str:
        remarks = [grade.remark] if grade.remark else []
        for r in grade.report.failed if grade.report else ():
            if r.name in (OWN_WORK, "usable"):
                remarks.append(r.reason.split("\n")[0])
        for group in self.alike:
            if grade.name in group:
                remarks.append(f"the same as {', '.join(n for n in group if n != grade.name)}")
        return "; ".join(remarks)

    def text(self) -> str:
        """Return the points of each, the properties that most of the class fails, and copies."""
        width = max((len(g.name) for g in self.grades), default=0)
        lines = []
        failed: Counter[str] = Counter()
        for g in self.grades:
            points = self.points(g)
            line = f"{g.name:{width}}  {sum(score for score, _ in points.values()):g}"
            lines.append(f"{line} of {self.most:g}  {self._remark(g)}".rstrip())
            failed.update(name for name, (score, _) in points.items() if not score)
        common = [(n, name) for name, n in failed.items() if 2 * n > len(self.grades)]
        if common:
            lines += ["", "most of the class fails:"]
            lines += [f"    {name}: {n} of {len(self.grades)}" for n, name in sorted(common)[::-1]]
        lines += [f"the same but for names: {', '.join(group)}" for group in self.alike]
        if self.interrupted:
            lines.append("interrupted: the rest is not graded")
        return "\n".join(lines)


def grade(
    folder: Path,
    weights: Mapping[str, float] | None = None,
    progress: Callable[[str], None] = lambda text: None,
    **settings: Any,
) -> Grades:
    """Return the grades of all submissions in a folder: files, or folders with a file in each.

    A submission's class is `Value`, or the last one in its file. `settings` are those of
    `check_engine`. Raises FileNotFoundError where there is no folder, ValueError where it is empty.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    places = sorted(p for p in folder.iterdir() if not p.name.startswith((".", "_")))
    places = [p for p in places if p.is_dir() or p.suffix == ".py"]
    if not places:
        raise ValueError(f"there are no submissions in {folder}")
    if weights is not None and not settings.get("only"):
        settings = {**settings, "only": graded(weights)}
    grades = Grades(weights)
    shapes: dict[str, list[str]] = {}
    try:
        for n, place in enumerate(places, 1):
            progress(f"{place.name}, {n} of {len(places)}")
            name = place.stem if place.suffix == ".py" else place.name
            grades.grades.append(_grade_one(name, place, shapes, settings))
    except KeyboardInterrupt:
        grades.interrupted = True
    grades.alike = [names for names in shapes.values() if len(names) > 1]
    return grades


def graded(weights: Mapping[str, float]) -> list[str]:
    """Return the names of the properties that get points, and of that without which there are none.

    What gets no points need not be tested.
    """
    return [*{p.name for pattern in weights for p in properties.select([pattern])}, OWN_WORK]


def _grade_one(
    name: str, place: Path, shapes: dict[str, list[str]], settings: Mapping[str, Any]
) -> Grade:
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    if place.is_dir() and (place / "value.py").is_file():
        files = [place / "value.py"]
    if len(files) != 1:
        found = ", ".join(str(f.relative_to(place)) for f in files) or "none"
        return Grade(name, None, f"expected one Python file, or value.py; found {found}")
    try:
        shape = shape_of(ast.parse(files[0].read_bytes()))
        tree = ast.parse(files[0].read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Grade(name, None, f"{files[0].name} is not Python: {error}")
    shapes.setdefault(shape, []).append(name)
    names = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    imported = [
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    if "Value" not in names + imported and not names:
        return Grade(name, None, f"there is no class in {files[0].name}")
    engine = "Value" if "Value" in names + imported else names[-1]
    try:
        return Grade(name, check_engine(f"{files[0]}:{engine}", **settings))
    except Exception as error:  # such as of an answer that a hostile engine forged
        return Grade(name, None, f"checking it raises {type(error).__name__}: {error}")


def shape_of(tree: ast.Module) -> str:
    """Return a text that is the same for two programs that differ in names, comments and layout.

    >>> shape_of(ast.parse("x = 1  # one")) == shape_of(ast.parse("number = 1"))
    True
    >>> shape_of(ast.parse("x = y + y")) == shape_of(ast.parse("x = y + z"))
    False
    """
    numbers: dict[str, str] = {}

    class Names(ast.NodeTransformer):
        def generic_visit(self, node: ast.AST) -> ast.AST:
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and _is_text(body[0]):
                del body[0]
            for part in ("annotation", "returns"):
                if hasattr(node, part):
                    setattr(node, part, None)
            for part in ("id", "name", "attr", "arg"):
                name = getattr(node, part, None)
                if isinstance(name, str) and not name.startswith("__"):
                    setattr(node, part, numbers.setdefault(name, f"n{len(numbers)}"))
            return super().generic_visit(node)

    return ast.dump(Names().visit(tree))


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _safe(text: str) -> str:
    """Return a text that a spreadsheet does not take for a formula."""
    return "'" + text if text.startswith(("=", "+", "-", "@")) else text
