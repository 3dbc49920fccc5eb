"""Notation: code as mathematics in plain text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from scalargrad.engine import operators
from scalargrad.engine.op import Op
from scalargrad.functions.activations import softmax
from scalargrad.view.languages.spelling import (
    ATOM,
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

# At most so many digits of an exact number are shown.
_DIGITS = 24
# A float of more digits is written as a fraction, if it is one: 1/3, not 0.3333333333333333.
_LONG = 12


def show(x: Any, digits: int = 6) -> str:
    """Return the number `x` as people read it: a float with six significant digits.

    >>> show(2.0), show(2 / 3), show(1e-9), show(3), show(Fraction(1, 3))
    ('2.0', '0.666667', '1e-09', '3', '1/3')
    """
    if isinstance(x, bool):
        return str(x)
    if isinstance(x, int | Fraction):
        try:
            text = str(x)
        except ValueError:  # more digits than Python converts
            text = " " * (_DIGITS + 1)
        if len(text) <= _DIGITS:
            return text
        return _approximate(x)
    if isinstance(x, Decimal):
        return format(x, f".{digits}g")
    try:
        text = format(float(x), f".{digits}g")
    except (OverflowError, TypeError, ValueError):
        return plain(repr(x))
    return text if any(c in text for c in ".en") else f"{text}.0"


def _approximate(x: int | Fraction) -> str:
    try:
        return format(float(x), ".6g")
    except OverflowError:
        return "a huge number"


def plain(text: str, longest: int = 24) -> str:
    """Return `text` as it can stand anywhere in a line: escaped where not printable, and short.

    >>> plain("two\\nlines"), plain("x" * 100, longest=8)
    ('two\\\\nlines', 'xxxxxxx…')
    """
    if len(text) > longest:
        text = text[: longest - 1] + "…"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def constant(x: Any) -> Text:
    """Return a constant to its last digit: what is computed with it is compared with a number."""
    text = show(x)
    if isinstance(x, float) and math.isfinite(x):
        if x in _LOGARITHMS:
            return Text(_LOGARITHMS[x])
        text = repr(x)
        if x.is_integer() and abs(x) < 1e15 and text != "-0.0":
            text = str(int(x))
        elif len(text) > _LONG:
            short = Fraction(x).limit_denominator(1000)
            text = str(short) if float(short) == x else text
    elif isinstance(x, Decimal):
        text = str(x)
    if text.startswith("-"):
        return Text(text, NEGATION)
    return Text(text, PRODUCT if "/" in text else ATOM)


_TIMES = " · "
_LOGARITHMS = {math.log(n): f"log({n})" for n in (2, 10)}


def _call(op: Op, operands: Sequence[Text]) -> Text:
    return Text(f"{plain(op.name)}({', '.join(operand.text for operand in operands)})")


def product(p: Text, q: Text, times: str) -> Text:
    """Return a product of two factors."""
    if p.text == "-1":
        return Text(f"-{q:PRODUCT}", NEGATION)
    if p.binding == NEGATION:
        return Text(f"{p.text}{times}{q:PRODUCT}", NEGATION)
    return Text(f"{p:PRODUCT}{times}{q:PRODUCT}", PRODUCT)


def total(operands: Sequence[Text]) -> Text:
    """Return the sum of any number of terms."""
    return joined(" + ", [x.within(SUM) for x in operands], SUM, "0")


def _add(operands: Sequence[Text]) -> Text:
    a, b = operands
    if b.binding == NEGATION and b.text.startswith("-"):
        return Text(f"{a:SUM} - {b.text[1:]}", SUM)
    return Text(f"{a:SUM} + {b:SUM}", SUM)


def _div(operands: Sequence[Text]) -> Text:
    p, q = operands
    if p.binding == NEGATION:
        return Text(f"{p.text} / {q:POWER}", NEGATION)
    return Text(f"{p:PRODUCT} / {q:POWER}", PRODUCT)


def arithmetic(times: str) -> dict[str, Spelling]:
    """Return what plain text and LaTeX write alike, with `times` between factors."""
    return {
        "+": _add,
        "-": ("{0:SUM} - {1:PRODUCT}", SUM),
        "*": lambda operands: product(operands[0], operands[1], times),
        "neg": ("-{0:PRODUCT}", NEGATION),
        "below": ("{0:SUM} - {1:PRODUCT}", SUM),
        "prod": lambda xs: joined(times, [x.within(PRODUCT) for x in xs], PRODUCT, "1"),
        "sum": total,
        **{name: lambda operands: operands[0] for name in ("pos", "same", "like")},
    }


def _term(p: Text, q: Text) -> str:
    if p.text == "1" or q.text == "1":
        return (q if p.text == "1" else p).within(PRODUCT)
    return f"{p:PRODUCT}{_TIMES}{q:PRODUCT}"


def _sumprod(operands: Sequence[Text]) -> Text:
    terms, rest = pairs(operands)
    texts = [_term(p, q) for p, q in terms] + [x.within(SUM) for x in rest]
    return joined(" + ", texts, SUM, "0")


_COMPARISONS = (">", "<", ">=", "<=", "==", "!=")


def _second_largest(operands: Sequence[Text]) -> Text:
    texts = ["-inf"] * (len(operands) == 1) + [x.text for x in operands]
    return Text(f"sorted([{', '.join(texts)}])[-2]")


def _of_lists(name: str, count: int = 1) -> Spelling:
    """Return the spelling of a function of `count` lists, which are equally long."""

    def spelled(operands: Sequence[Text]) -> Text:
        texts = [x.text for x in operands]
        size = len(texts) // count
        lists = [", ".join(texts[k * size : (k + 1) * size]) for k in range(count)]
        return Text(f"{name}({', '.join(f'[{part}]' for part in lists)})")

    return spelled


# What softmax gives for one of its inputs, of whose number it is told first: the derivative of
# logsumexp, as people write it.
SHARE = Op("softmax", lambda k, *xs: softmax(xs)[k], joint=lambda g, y, k, *xs: [0] * (len(xs) + 1))
# A number from which no derivative goes back, where both stand side by side.
STOPPED = Op("stop_gradient", lambda a: a, [operators.constant])


def _share(operands: Sequence[Text]) -> Text:
    k, *xs = operands
    return Text(f"softmax([{', '.join(x.text for x in xs)}])[{k}]")


_SPELLINGS: dict[str, Spelling] = {
    **arithmetic(_TIMES),
    "/": _div,
    # In brackets within a product: -a % b is the remainder of -a, and a * b % c of a * b.
    "%": ("{0:POWER} % {1:POWER}", SUM),
    "//": ("{0:POWER} // {1:POWER}", SUM),
    "**": ("{0:ATOM}**{1:ATOM}", POWER),
    "second_largest": _second_largest,
    "largest": lambda operands: Text(f"max({', '.join(x.text for x in operands)})"),
    "sumprod": _sumprod,
    "fsum": _of_lists("fsum"),
    "logsumexp": _of_lists("logsumexp"),
    "dist": _of_lists("dist", 2),
    "isclose": ("isclose({0}, {1}, rel_tol={2}, abs_tol={3})", ATOM),
    "exponent": ("frexp({0})[1]", ATOM),
    "fraction": ("modf({0})[0]", ATOM),
    "whole": ("modf({0})[1]", ATOM),
    "detach": (f"{STOPPED.name}({{0}})", ATOM),
    "~": ("~{0:ATOM}", POWER),
    **{sign: (f"{{0:ATOM}} {sign} {{1:ATOM}}", COMPARISON) for sign in "&|^"},
    **{sign: (f"{{0:SUM}} {sign} {{1:SUM}}", COMPARISON) for sign in _COMPARISONS},
}
UNICODE = Language(
    {SHARE: _share, **{OPS[name]: spelling for name, spelling in _SPELLINGS.items()}},
    constant,
    _call,
)
