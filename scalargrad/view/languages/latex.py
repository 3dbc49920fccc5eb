r"""Code as LaTeX, for slides and notebooks: \frac, \sqrt, \sin and so on."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Container, Sequence
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.view.languages.notation import SHARE, arithmetic, constant, plain, product, total
from scalargrad.view.languages.spelling import (
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


def _number(x: Any, pi: str = r"\pi") -> Text:
    if isinstance(x, float) and x == math.pi and pi:
        return Text(pi)
    if isinstance(x, bool):
        return Text(f"\\text{{{str(x).lower()}}}")
    text = constant(x).text
    fraction = re.fullmatch(r"(-?)(\d+)/(\d+)", text)
    if fraction:
        sign, top, bottom = fraction.groups()
        return Text(f"{sign}\\frac{{{top}}}{{{bottom}}}", NEGATION if sign else POWER)
    logarithm = re.fullmatch(r"log\((\d+)\)", text)
    if logarithm:
        return Text(f"\\log\\left({logarithm[1]}\\right)")
    power = re.fullmatch(r"(.*)e([+-]\d+)", text)
    if power:
        text = f"{power[1]} \\times 10^{{{int(power[2])}}}"
        return Text(text, NEGATION if text.startswith("-") else PRODUCT)
    text = {"inf": r"\infty", "-inf": r"-\infty"}.get(text, _escaped(text))
    return Text(text, NEGATION if text.startswith("-") else ATOM)


def _function(name: str) -> Spelling:
    return lambda operands: Text(f"{name}\\left({', '.join(x.text for x in operands)}\\right)")


def _call(op: Op, operands: Sequence[Text]) -> Text:
    return _operator(plain(op.name))(operands)  # type: ignore[operator]


def _operator(name: str) -> Spelling:
    return _function(f"\\operatorname{{{_escaped(name)}}}")


_TIMES = r" \cdot "


def _frac(operands: Sequence[Text]) -> Text:
    p, q = operands
    if p.binding == NEGATION and p.text.startswith("-"):
        return Text(f"-\\frac{{{p.text[1:]}}}{{{q.text}}}", NEGATION)
    return Text(f"\\frac{{{p.text}}}{{{q.text}}}", POWER)


# A power of a function stands behind its name, where nobody takes it for the argument's.
_FUNCTION = re.compile(r"(\\(?!left|right)[a-z]+)(\\left\(.*\\right\))")


def _power(operands: Sequence[Text]) -> Text:
    base, exponent = operands
    function = _FUNCTION.fullmatch(base.text) if base.binding == ATOM else None
    if function and re.fullmatch(r"[2-9]|\d\d", exponent.text):
        return Text(f"{function[1]}^{{{exponent.text}}}{function[2]}", POWER)
    return Text(f"{base:ATOM}^{{{exponent.text}}}", POWER)


def _cases(operands: Sequence[Text]) -> Text:
    condition, a, b = operands
    inner = f"{a.text} & \\text{{if }} {condition.text} \\\\ {b.text} & \\text{{otherwise}}"
    return Text(f"\\begin{{cases}} {inner} \\end{{cases}}", CHOICE)


def _sumprod(operands: Sequence[Text]) -> Text:
    terms, rest = pairs(operands)
    texts = [
        q.within(PRODUCT) if p.text == "1" else product(p, q, _TIMES).within(SUM) for p, q in terms
    ]
    return joined(" + ", [*texts, *(x.within(SUM) for x in rest)], SUM, "0")


def _length(operands: Sequence[Text]) -> Text:
    return Text(f"\\sqrt{{{' + '.join(f'{x:ATOM}^{{2}}' for x in operands)}}}")


def _distance(operands: Sequence[Text]) -> Text:
    terms, _ = pairs(operands)
    squares = " + ".join(f"\\left({p:SUM} - {q:PRODUCT}\\right)^{{2}}" for p, q in terms)
    return Text(f"\\sqrt{{{squares}}}")


def _close(operands: Sequence[Text]) -> Text:
    a, b, relative, absolute = operands
    larger = f"\\max\\left(\\left|{a}\\right|, \\left|{b}\\right|\\right)"
    most = f"\\max\\left({relative:PRODUCT}{_TIMES}{larger}, {absolute}\\right)"
    return Text(f"\\left|{a:SUM} - {b:PRODUCT}\\right| \\le {most}", COMPARISON)


def _exponential(x: Text) -> Text:
    return Text(f"e^{{{x.text}}}", POWER)


def _exponential_by_name(x: Text) -> Text:
    return Text(f"\\exp\\left({x.text}\\right)")


_KNOWN = ["sin", "cos", "tan", "sinh", "cosh", "tanh", "log"]
_ARCS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan"}
_SIGNS = {">": ">", "<": "<", ">=": r"\ge", "<=": r"\le", "==": "=", "!=": r"\ne"}
_CONNECTIVES = {"&": r"\land", "|": r"\lor", "^": r"\oplus"}


def _table(taken: Container[str]) -> dict[Op, Spelling]:
    """Return the spellings, where the symbols in `taken` are variables' names."""
    exponential = _exponential_by_name if "e" in taken else _exponential

    def greek(symbol: str, name: str) -> Spelling:
        return _operator(name) if symbol in taken else _function(symbol)

    def logsumexp(operands: Sequence[Text]) -> Text:
        return Text(f"\\log\\left({total(list(map(exponential, operands))).text}\\right)")

    def share(operands: Sequence[Text]) -> Text:
        k, *xs = operands
        exponentials = list(map(exponential, xs))
        return _frac([exponentials[int(k.text)], total(exponentials)])

    def polygamma(operands: Sequence[Text]) -> Text:
        n, x = operands
        if r"\psi" in taken:
            return Text(f"\\operatorname{{polygamma}}\\left({n.text}, {x.text}\\right)")
        return Text(f"\\psi^{{({n.text})}}\\left({x.text}\\right)")

    spellings: dict[str, Spelling] = {
        **arithmetic(_TIMES),
        "/": _frac,
        "**": _power,
        "pow": _power,
        # In brackets among other terms: a + b mod c is read as the remainder of the sum, too.
        "%": (r"{0:POWER} \bmod {1:POWER}", COMPARISON),
        "//": (r"\left\lfloor {0:PRODUCT} / {1:POWER} \right\rfloor", ATOM),
        "abs": (r"\left|{0}\right|", ATOM),
        "fabs": (r"\left|{0}\right|", ATOM),
        "sqrt": (r"\sqrt{{{0}}}", ATOM),
        "cbrt": (r"\sqrt[3]{{{0}}}", ATOM),
        "exp": lambda operands: exponential(operands[0]),
        "exp2": ("2^{{{0}}}", POWER),
        "expm1": lambda operands: Text(f"{exponential(operands[0]).text} - 1", SUM),
        "log2": (r"\log_{{2}}\left({0}\right)", ATOM),
        "log10": (r"\log_{{10}}\left({0}\right)", ATOM),
        "log1p": (r"\log\left(1 + {0:SUM}\right)", ATOM),
        "gamma": greek(r"\Gamma", "gamma"),
        "lgamma": lambda operands: Text(
            f"\\log\\left|{greek(chr(92) + 'Gamma', 'gamma')(operands).text}\\right|"  # type: ignore[operator]
        ),
        "digamma": greek(r"\psi", "digamma"),
        "polygamma": polygamma,
        "sigmoid": greek(r"\sigma", "sigmoid"),
        "where": _cases,
        "sumprod": _sumprod,
        "fsum": total,
        "hypot": _length,
        "dist": _distance,
        "logsumexp": logsumexp,
        "maximum": _function(r"\max"),
        "minimum": _function(r"\min"),
        "largest": _function(r"\max"),
        "detach": _operator("stop_gradient"),
        "isclose": _close,
        "ldexp": (r"{0:PRODUCT} \cdot 2^{{{1}}}", PRODUCT),
        "fraction": (r"{0:SUM} - \operatorname{{trunc}}\left({0}\right)", SUM),
        "whole": (r"\operatorname{{trunc}}\left({0}\right)", ATOM),
        "~": (r"\lnot {0:ATOM}", POWER),
        **{name: _function(f"\\{name}") for name in _KNOWN},
        **{name: _function(f"\\{arc}") for name, arc in _ARCS.items()},
        **{name: (f"{{0:SUM}} {sign} {{1:SUM}}", COMPARISON) for name, sign in _SIGNS.items()},
        **{n: (f"{{0:ATOM}} {sign} {{1:ATOM}}", COMPARISON) for n, sign in _CONNECTIVES.items()},
    }
    return {SHARE: share, **{OPS[name]: spelling for name, spelling in spellings.items()}}


def latex_language(names: Collection[str] = ()) -> Language:
    """Return LaTeX for formulas of variables that are called `names`, as `latex_name` gives them.

    A symbol such as e or \\sigma means one thing in a formula: where it is a variable's name, the
    function is written by its own.
    """
    pi = "" if r"\pi" in names else r"\pi"
    return Language(
        _table(names),
        lambda x: _number(x, pi),
        _call,
        longest=400,
        repeated=80,
        brackets=(r"\left(", r"\right)"),
    )
