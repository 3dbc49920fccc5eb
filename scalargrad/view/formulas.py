"""`formula`: a function and its gradient as mathematics, in text and in LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scalargrad.engine.value import Value
from scalargrad.programs.code import Code
from scalargrad.transforms.nesting import flatten, unflatten
from scalargrad.view.characters import in_ascii, shows_unicode
from scalargrad.view.graph import unique_names
from scalargrad.view.languages.latex import latex_language, latex_name
from scalargrad.view.languages.notation import ASCII, UNICODE
from scalargrad.view.languages.spelling import Language, spell
from scalargrad.view.lowering import code_with_gradient, traced
from scalargrad.view.subject import argument_names, caller_variables, names_in, one_result
from scalargrad.view.written import as_written, with_written_gradient

_LONGEST, _REPEATED = 300, 60


class Mathematics:
    """The formulas of a function and of its derivatives: `.text`, and `.latex` for a slide."""

    def __init__(self, code: Code, names: Sequence[str], result: str) -> None:
        self._code = code
        self._names = names
        self._result = result

    @property
    def text(self) -> str:
        """The formulas, one a line, in Unicode."""
        return self._lines(UNICODE, "∂")

    @property
    def ascii(self) -> str:
        """The formulas, one a line, in ASCII."""
        return in_ascii(self._lines(ASCII, "d"))

    def _lines(self, language: Language, d: str) -> str:
        short = replace(language, longest=_LONGEST, repeated=_REPEATED)
        spelled = spell(self._code, short, self._names, self._temporary)
        value, *slopes = spelled.outputs
        lines = [f"{name} = {text}" for name, text in spelled.definitions]
        lines.append(f"{self._result} = {value}")
        lines += [
            f"{d}{self._result}/{d}{name} = {slope}"
            for name, slope in zip(self._names, slopes, strict=True)
        ]
        return "\n".join(lines)

    @property
    def latex(self) -> str:
        r"""The formulas as LaTeX: an `aligned` environment, for math mode."""
        names = list(map(latex_name, self._names))
        result = latex_name(self._result)
        language = latex_language([*names, result])
        spelled = spell(self._code, language, names, lambda k: latex_name(self._temporary(k)))
        value, *slopes = spelled.outputs
        lines = [f"{name} &= {text}" for name, text in spelled.definitions]
        lines.append(f"{result} &= {value}")
        lines += [
            f"\\frac{{\\partial {result}}}{{\\partial {name}}} &= {slope}"
            for name, slope in zip(names, slopes, strict=True)
        ]
        body = " \\\\\n".join(lines)
        return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"

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

    `arguments` are numbers or nests of them, which tell how many there are: their values do not
    matter. A part that is long and used again gets a name, t1 and so on. A power's derivative is
    given as it is away from base 0 and exponent 0. Jupyter shows the LaTeX.

    Raises TraceError if the function branches on its numbers.

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
    """
    if not callable(f):
        raise TypeError(
            f"formula takes a function and its arguments, not {f!r} ({type(f).__name__}): "
            "a Value has numbers, and explain(v) shows them"
        )
    labels = argument_names(f, arguments)
    code, captured = _with_gradient(f, arguments, labels)
    names_of, _ = names_in(caller_variables(1))
    given = labels + [node.label or names_of.get(id(node), "") for node in captured]
    # Only the inputs are looked at: the output is given as none of them.
    names = unique_names(Code(code.inputs, [], [], {}), given, -1)
    name = getattr(f, "__name__", "")
    result = name if name.isidentifier() and name not in names else ""
    result = result or next(x for x in ("f", "y", "out", "result", "f_") if x not in names)
    return Mathematics(code, names, result)


def _with_gradient(
    f: Callable[..., Any], arguments: Sequence[Any], labels: Sequence[str]
) -> tuple[Code, list[Any]]:
    """Return the code of the value and the derivatives, and the Values that `f` captures."""
    leaves, structure = flatten(list(arguments), static=(str, type(None)))
    numbers = [x.data if isinstance(x, Value) else x for x in leaves]
    code, nodes = traced(labels, numbers, lambda xs: one_result(f(*unflatten(structure, xs))))
    written = with_written_gradient(as_written(code))
    if written is not None:
        return written, nodes[len(labels) : code.inputs]
    # A function that is called as one is differentiated by its own derivatives.
    code, captured = code_with_gradient(f, arguments, labels)
    return as_written(code), captured
