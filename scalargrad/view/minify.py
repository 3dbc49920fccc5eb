"""Scripts and styles without comments and spaces, which every page would carry along."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""(?P<space>(?:\s|//[^\n]*|/\*.*?\*/)+)|(?P<word>[\w$]+)|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<template>`)|(?P<regex>/(?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n\[])+/\w*)|(?P<other>.)""",
    re.DOTALL,
)
# A slash after one of these begins a regular expression, elsewhere it divides.
_BEFORE_REGEX = "(,=:[!&|?{};\n>"


def script(text: str) -> str:
    """Return JavaScript without comments, and with spaces where two words meet alone.

    The text must end each statement with a semicolon, and have no empty ones.

    >>> script("const a = `x ${ b + 1 }`; function f() { g(); } // a text")
    'const a=`x ${b+1}`;function f(){g()}'
    """
    return _script(text, 0)[0]


def _script(text: str, place: int) -> tuple[str, int]:
    """Return what begins at `place`, up to a closing brace that was not opened, and where it is."""
    found, depth, space = "", 0, False
    while place < len(text):
        piece = _PIECE.match(text, place)
        assert piece is not None
        kind, now = piece.lastgroup, piece[0]
        if kind == "regex" and found and found[-1] not in _BEFORE_REGEX and found[-6:] != "return":
            now = "/"
        place += len(now)
        if kind == "space":
            space = True
            continue
        if now == "}" and depth == 0:
            return found, place
        if now == "}":
            found = found.removesuffix(";")
        depth += {"{": 1, "}": -1}.get(now, 0)
        if kind == "template":
            now, place = _template(text, place)
        joined = found[-1:] + now[0]
        if space and (re.fullmatch(r"[\w$]{2}", joined) or joined in ("++", "--")):
            found += " "
        found, space = found + now, False
    return found, place


def _template(text: str, place: int) -> tuple[str, int]:
    """Return the template whose text begins at `place`, and where it ends."""
    found = "`"
    while text[place] != "`":
        if text.startswith("${", place):
            inner, place = _script(text, place + 2)
            found += f"${{{inner}}}"
        else:
            size = 2 if text[place] == "\\" else 1
            found, place = found + text[place : place + size], place + size
    return found + "`", place + 1


def style(text: str) -> str:
    """Return CSS without comments and spaces that mean nothing.

    >>> style("a { color: red; }\\n@media (max-width: 9px) { b > i { margin: 0 1px } }")
    'a{color:red}@media (max-width:9px){b>i{margin:0 1px}}'
    """
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*([{};,>])\s*|\s*\n\s*", lambda found: found[1] or " ", text)
    return re.sub(r"(?<=[\w-]): ", ":", text).replace(";}", "}").strip()
