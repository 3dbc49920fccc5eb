"""`formula`: a function and its gradient as mathematics, in text and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scalargrad.programs.code import Code
from scalargrad.view.branches import Branches
from scalargrad.view.characters import in_ascii, shows_unicode
from scalargrad.view.graph import RESULTS, unique_names
from scalargrad.view.languages.latex import latex_language, latex_name
from scalargrad.view.languages.notation import UNICODE
from scalargrad.view.languages.spelling import Language, spell
from scalargrad.view.lowering import code_of_function, code_with_gradient
from scalargrad.view.subject import argument_names, caller_variables, names_in
from scalargrad.view.written import as_written, with_written_gradient

_LONGEST, _REPEATED = 300, 60
# Said in place of conditions that are too long.
_PATH = "the branches are taken as here"


class Mathematics:
    """The formulas of a function and of its derivatives: `.text`, and `.latex` for a slide.

    Of a function that branches they are those of one path, and the conditions stand in a last line.
    """

    def __init__(
        self, code: Code, names: Sequence[str], result: str, branches: Branches | None
    ) -> None:
        self._code, self._branches = code, branches
        self._names = names
        self._result = result

    @property
    def text(self) -> str:
        """The formulas, one a line, in Unicode."""
        short = replace(UNICODE, longest=_LONGEST, repeated=_REPEATED)
        lines = self._lines(short, str, "∂{}/∂{}")
        rows = [f"{left} = {right}" for left, right in lines]
        if self._branches is not None:
            condition = self._branches.joined(UNICODE, self._names, " and ", "not ({})")
            rows.append(f"if {condition if len(condition) <= _LONGEST else _PATH}")
        return "\n".join(rows)

    @property
    def ascii(self) -> str:
        """The formulas, one a line, in ASCII."""
        return in_ascii(self.text)

    @property
    def latex(self) -> str:
        r"""The formulas as LaTeX: an `aligned` environment, for math mode."""
        names = [latex_name(name) for name in (*self._names, self._result)]
        slope = r"\frac{{\partial {}}}{{\partial {}}}"
        lines = self._lines(latex_language(names), latex_name, slope)
        rows = [f"{left} &= {right}" for left, right in lines]
        if self._branches is not None:
            words = r" \text{ and } ", r"\text{{not }} \left({}\right)"
            condition = self._branches.joined(latex_language(names), names[:-1], *words)
            path = rf"\text{{{_PATH}}}"
            rows.append(rf"&\text{{if }} {condition if len(condition) <= _LONGEST else path}")
        body = " \\\\\n".join(rows)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

    def _lines(
        self, language: Language, named: Callable[[str], str], slope: str
    ) -> list[tuple[str, str]]:
        """Return both sides of each line; `slope` is what a derivative's left side looks like."""
        names, result = list(map(named, self._names)), named(self._result)
        spelled = spell(self._code, language, names, lambda k: named(self._temporary(k)))
        lefts = [result, *(slope.format(result, name) for name in names)]
        rights = [text.text for text in spelled.outputs]
        return [*spelled.definitions, *zip(lefts, rights, strict=True)]

    def _temporary(self, k: int) -> str:
        name = f"t{k}"
        while name in self._names or name == self._result:
            name += "_"
        return name

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def __str__(self) -> str:
        return self.text if shows_unicode() else self.ascii

    __repr__ = __str__


def formula(f: Callable[..., Any], /, *arguments: Any) -> Mathematics:
    """Return the formulas of a function of numbers and of its derivatives by each of them.

    `arguments` are numbers or nests of them, which tell how many there are: their values matter
    only where the function branches. A part that is long and used again gets a name, t1 and so on.
    A power's derivative is given as it is away from base 0 and exponent 0. Jupyter shows the LaTeX.

    Of a function that branches it is the path of these numbers, and a last line has the conditions.

    Raises TraceError for what needs a traced number itself, such as `int(x)`.

    >>> from scalargrad import sin
    >>> formulas = formula(lambda x, y: x * y + sin(x), 2.0, 3.0)
    >>> print(formulas.ascii)
    f = x * y + sin(x)
    df/dx = y + cos(x)
    df/dy = x
    >>> print(formulas.latex)
    \\begin{aligned}
    f &= x \\cdot y + \\sin\\left(x\\right) \\\\
    \\frac{\\partial f}{\\partial x} &= y + \\cos\\left(x\\right) \\\\
    \\frac{\\partial f}{\\partial y} &= x
    \\end{aligned}
    >>> print(formula(lambda x: x if x > 0 else -x, -2.0).ascii)
    f = -x
    df/dx = -1
    if not (x > 0)
    """
    if not callable(f):
        raise TypeError(
            f"formula takes a function and its arguments, not {f!r} ({type(f).__name__}): "
            "a Value has numbers, and explain(v) shows them"
        )
    labels = argument_names(f, arguments)
    code, captured, branches = _with_gradient(f, arguments, labels)
    names_of, _ = names_in(caller_variables(1))
    given = labels + [node.label or names_of.get(id(node), "") for node in captured]
    # Only the inputs are looked at: the output is given as none of them.
    names = unique_names(given, code.inputs, -1)
    name = getattr(f, "__name__", "")
    result = name if name.isidentifier() and name not in names else ""
    result = result or next(x for x in RESULTS if x not in names)
    return Mathematics(code, names, result, branches)


def _with_gradient(
    f: Callable[..., Any], arguments: Sequence[Any], labels: Sequence[str]
) -> tuple[Code, list[Any], Branches | None]:
    """Return the code of the value and the derivatives, the Values captured, and the branches."""
    code, nodes, branches = code_of_function(f, arguments, labels)
    written = with_written_gradient(as_written(code, differentiated=True))
    if written is not None:
        return written, nodes[len(labels) : code.inputs], branches
    # A function that is called as one is differentiated by its own derivatives.
    code, captured = code_with_gradient(f, arguments, labels)
    return as_written(code, differentiated=True), captured, branches
