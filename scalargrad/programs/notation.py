"""Notation: code as mathematics in plain text, with or without characters beyond ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from scalargrad.engine.op import Op
from scalargrad.programs.spelling import (
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


def show(x: Any) -> str:
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
        return format(x, ".6g")
    try:
        text = format(float(x), ".6g")
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


def _constant(x: Any) -> Text:
    if isinstance(x, float) and x.is_integer() and abs(x) < 1e6:
        text = str(int(x))
    else:
        text = show(x)
    if text.startswith("-"):
        return Text(text, NEGATION)
    return Text(text, PRODUCT if "/" in text else ATOM)


def _call(op: Op, operands: Sequence[Text]) -> Text:
    return Text(f"{plain(op.name)}({', '.join(operand.text for operand in operands)})")


def _product(p: Text, q: Text, times: str) -> str:
    if p.text == "1" or q.text == "1":
        return (q if p.text == "1" else p).within(PRODUCT)
    return f"{p:PRODUCT}{times}{q:PRODUCT}"


def _table(times: str) -> dict[str, Spelling]:
    def sumprod(operands: Sequence[Text]) -> Text:
        terms, rest = pairs(operands)
        texts = [_product(p, q, times) for p, q in terms] + [x.within(SUM) for x in rest]
        return joined(" + ", texts, SUM, "0")

    def prod(operands: Sequence[Text]) -> Text:
        return joined(times, [x.within(PRODUCT) for x in operands], PRODUCT, "1")

    def mul(operands: Sequence[Text]) -> Text:
        p, q = operands
        if p.text == "-1":
            return Text(f"-{q:PRODUCT}", NEGATION)
        if p.binding == NEGATION:
            return Text(f"{p.text}{times}{q:PRODUCT}", NEGATION)
        return Text(f"{p:PRODUCT}{times}{q:PRODUCT}", PRODUCT)

    def div(operands: Sequence[Text]) -> Text:
        p, q = operands
        if p.binding == NEGATION:
            return Text(f"{p.text} / {q:POWER}", NEGATION)
        return Text(f"{p:PRODUCT} / {q:POWER}", PRODUCT)

    def power_log(operands: Sequence[Text]) -> Text:
        a, b, n = operands
        if n.text == "0":
            return Text(f"{a:ATOM}**{b:ATOM}", POWER)
        log = f"log({a})" + ("" if n.text == "1" else f"**{n:ATOM}")
        return Text(f"{a:ATOM}**{b:ATOM}{times}{log}", PRODUCT)

    def add(operands: Sequence[Text]) -> Text:
        a, b = operands
        if b.binding == NEGATION and b.text.startswith("-"):
            return Text(f"{a:SUM} - {b.text[1:]}", SUM)
        return Text(f"{a:SUM} + {b:SUM}", SUM)

    return {
        "+": add,
        "-": ("{0:SUM} - {1:PRODUCT}", SUM),
        "*": mul,
        "/": div,
        "over": div,
        "steep": div,
        "power_log": power_log,
        "same": lambda operands: operands[0],
        "detach": lambda operands: operands[0],
        "like": lambda operands: operands[0],
        "%": ("{0:POWER} % {1:POWER}", PRODUCT),
        "//": ("{0:POWER} // {1:POWER}", PRODUCT),
        "**": ("{0:ATOM}**{1:ATOM}", POWER),
        "neg": ("-{0:PRODUCT}", NEGATION),
        "abs": ("|{0}|", ATOM),
        "sumprod": sumprod,
        "prod": prod,
        **{sign: (f"{{0:SUM}} {sign} {{1:SUM}}", COMPARISON) for sign in _COMPARISONS},
    }


_COMPARISONS = (">", "<", ">=", "<=", "==", "!=")


def _language(times: str) -> Language:
    table = {OPS[name]: spelling for name, spelling in _table(times).items()}
    return Language(table, _constant, _call)


UNICODE = _language(" · ")
ASCII = _language(" * ")
