r"""Code as LaTeX, for slides and notebooks: \frac, \sqrt, \sin and so on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.programs.notation import plain, show
from scalargrad.programs.spelling import (
    ATOM,
    CHOICE,
    COMPARISON,
    NEGATION,
    OPS,
    POWER,
    PRODUCT,
    SUM,
    Language,
    Spelling,
    Text,
    joined,
    pairs,
)

_SMALL = [
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    "omega",
]
_CAPITAL = ["Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi"]
_GREEK = frozenset([*_SMALL, *_CAPITAL, "Omega"])
_SPECIAL = {
    **{c: f"\\{c}" for c in "#$%&_{}"},
    "\\": r"\backslash ",
    "~": r"\sim ",
    "^": r"\wedge ",
    " ": r"\ ",
}
_NAME = re.compile(r"([A-Za-z]+?)_?((?:\d+|(?<=_)[A-Za-z]+)?)")


def latex_name(name: str) -> str:
    r"""Return a name as LaTeX has it: x1 as x with an index, theta as the Greek letter.

    >>> print(latex_name("x1"), latex_name("theta"), latex_name("w[0]"), latex_name("rate"))
    x_{1} \theta w_{0} \mathrm{rate}
    """
    indexed = re.fullmatch(r"([A-Za-z]+)\[(\d+)\]", name)
    matched = indexed or _NAME.fullmatch(name)
    if matched is None:
        return f"\\mathrm{{{_escaped(plain(name))}}}"
    base, index = matched.groups()
    text = base if len(base) == 1 else f"\\mathrm{{{base}}}"
    if base in _GREEK:
        text = f"\\{base}"
    return f"{text}_{{{index}}}" if index else text


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(c, c) for c in text)


def _number(x: Any) -> Text:
    text = show(x).removesuffix(".0")
    fraction = re.fullmatch(r"(-?)(\d+)/(\d+)", text)
    if fraction:
        sign, top, bottom = fraction.groups()
        return Text(f"{sign}\\frac{{{top}}}{{{bottom}}}", NEGATION if sign else ATOM)
    power = re.fullmatch(r"(.*)e([+-]\d+)", text)
    if power:
        return Text(f"{power[1]} \\times 10^{{{int(power[2])}}}", PRODUCT)
    text = {"inf": r"\infty", "-inf": r"-\infty"}.get(text, _escaped(text))
    return Text(text, NEGATION if text.startswith("-") else ATOM)


def _function(name: str) -> Spelling:
    return lambda operands: Text(f"{name}\\left({', '.join(x.text for x in operands)}\\right)")


def _call(op: Op, operands: Sequence[Text]) -> Text:
    inner = ", ".join(x.text for x in operands)
    return Text(f"\\operatorname{{{_escaped(plain(op.name))}}}\\left({inner}\\right)")


_TIMES = r" \cdot "
_ONES = ("1", "-1")


def _mul(operands: Sequence[Text]) -> Text:
    p, q = operands
    if p.text == "-1":
        return Text(f"-{q:PRODUCT}", NEGATION)
    if p.binding == NEGATION:
        return Text(f"{p.text}{_TIMES}{q:PRODUCT}", NEGATION)
    return Text(f"{p:PRODUCT}{_TIMES}{q:PRODUCT}", PRODUCT)


def _frac(operands: Sequence[Text]) -> Text:
    p, q = operands
    if p.binding == NEGATION and p.text.startswith("-"):
        return Text(f"-\\frac{{{p.text[1:]}}}{{{q.text}}}", NEGATION)
    return Text(f"\\frac{{{p.text}}}{{{q.text}}}", POWER)


def _add(operands: Sequence[Text]) -> Text:
    a, b = operands
    if b.binding == NEGATION and b.text.startswith("-"):
        return Text(f"{a:SUM} - {b.text[1:]}", SUM)
    return Text(f"{a:SUM} + {b:SUM}", SUM)


def _power(operands: Sequence[Text]) -> Text:
    base, exponent = operands
    return Text(f"{base:ATOM}^{{{exponent.text}}}", POWER)


def _power_log(operands: Sequence[Text]) -> Text:
    a, b, n = operands
    power = f"{a:ATOM}^{{{b.text}}}"
    if n.text == "0":
        return Text(power, POWER)
    degree = "" if n.text == "1" else f"^{{{n.text}}}"
    return Text(f"{power}{_TIMES}\\log{degree}\\left({a.text}\\right)", PRODUCT)


def _cases(operands: Sequence[Text]) -> Text:
    condition, a, b = operands
    inner = f"{a.text} & \\text{{if }} {condition.text} \\\\ {b.text} & \\text{{otherwise}}"
    return Text(f"\\begin{{cases}} {inner} \\end{{cases}}", CHOICE)


def _sumprod(operands: Sequence[Text]) -> Text:
    terms, rest = pairs(operands)
    texts = [q.within(PRODUCT) if p.text == "1" else _mul([p, q]).within(SUM) for p, q in terms]
    return joined(" + ", [*texts, *(x.within(SUM) for x in rest)], SUM, "0")


def _prod(operands: Sequence[Text]) -> Text:
    return joined(_TIMES, [x.within(PRODUCT) for x in operands], PRODUCT, "1")


def _sum(operands: Sequence[Text]) -> Text:
    return joined(" + ", [x.within(SUM) for x in operands], SUM, "0")


def _length(operands: Sequence[Text]) -> Text:
    return Text(f"\\sqrt{{{' + '.join(f'{x:ATOM}^{{2}}' for x in operands)}}}")


def _distance(operands: Sequence[Text]) -> Text:
    terms, _ = pairs(operands)
    squares = " + ".join(f"\\left({p:SUM} - {q:PRODUCT}\\right)^{{2}}" for p, q in terms)
    return Text(f"\\sqrt{{{squares}}}")


_KNOWN = ["sin", "cos", "tan", "sinh", "cosh", "tanh", "log"]
_ARCS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_SIGNS = {">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne"}

_SPELLINGS: dict[str, Spelling] = {
    "+": _add,
    "-": ("{0:SUM} - {1:PRODUCT}", SUM),
    "*": _mul,
    "/": _frac,
    "over": _frac,
    "steep": _frac,
    "neg": ("-{0:PRODUCT}", NEGATION),
    "**": _power,
    "pow": _power,
    "power_log": _power_log,
    "%": (r"{0:POWER} \bmod {1:POWER}", PRODUCT),
    "//": (r"\left\lfloor {0} / {1:POWER} \right\rfloor", ATOM),
    "abs": (r"\left|{0}\right|", ATOM),
    "fabs": (r"\left|{0}\right|", ATOM),
    "sqrt": (r"\sqrt{{{0}}}", ATOM),
    "cbrt": (r"\sqrt[3]{{{0}}}", ATOM),
    "exp": ("e^{{{0}}}", POWER),
    "exp2": ("2^{{{0}}}", POWER),
    "expm1": ("e^{{{0}}} - 1", SUM),
    "log2": (r"\log_{{2}}\left({0}\right)", ATOM),
    "log10": (r"\log_{{10}}\left({0}\right)", ATOM),
    "log1p": (r"\log\left(1 + {0:SUM}\right)", ATOM),
    "gamma": (r"\Gamma\left({0}\right)", ATOM),
    "lgamma": (r"\log\left|\Gamma\left({0}\right)\right|", ATOM),
    "digamma": (r"\psi\left({0}\right)", ATOM),
    "polygamma": (r"\psi^{{({0})}}\left({1}\right)", ATOM),
    "sigmoid": (r"\sigma\left({0}\right)", ATOM),
    "where": _cases,
    "sumprod": _sumprod,
    "prod": _prod,
    "fsum": _sum,
    "sum": _sum,
    "hypot": _length,
    "dist": _distance,
    "maximum": _function(r"\max"),
    "minimum": _function(r"\min"),
    "constant_max": _function(r"\max"),
    **{name: _function(f"\\{name}") for name in _KNOWN},
    **{name: _function(f"\\{arc}") for name, arc in _ARCS.items()},
    **{name: (f"{{0:SUM}} {sign} {{1:SUM}}", COMPARISON) for name, sign in _SIGNS.items()},
    **{name: lambda operands: operands[0] for name in ("pos", "same", "detach", "like")},
}

LATEX = Language(
    {OPS[name]: spelling for name, spelling in _SPELLINGS.items()},
    _number,
    _call,
    longest=400,
    repeated=80,
    brackets=(r"\left(", r"\right)"),
)
