"""Readers of printed formulas: text by Python's rules, LaTeX by those of mathematics.

LaTeX is read as strictly as a person would who does not know what is meant: two terms side by side
are nothing that is known here, and a remainder stands alone or in brackets.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import scalargrad
from scalargrad.functions.methods import public_functions

_PYTHON: dict[str, Any] = {
    **public_functions(),
    "stop_gradient": scalargrad.stop_gradient,
    **{"max": max, "sorted": sorted, "abs": abs, "inf": math.inf, "nan": math.nan},
}


def python_value(text: str, names: Mapping[str, Any]) -> Any:
    """Return what a formula in text comes to, by Python's precedence and our functions.

    `names` has the numbers that the names in the formula stand for; a name may have characters
    that Python's do not.
    """
    text = text.replace("·", "*")
    values: dict[str, Any] = {}
    if names:
        longest_first = sorted(names, key=len, reverse=True)
        pattern = "|".join(rf"(?<![\w.'\]]){re.escape(name)}(?![\w\[(])" for name in longest_first)
        keys = {name: f"number{k}_" for k, name in enumerate(names)}
        values = {keys[name]: number for name, number in names.items()}
        text = re.sub(pattern, lambda found: keys[found[0]], text)
    return eval(text, {"__builtins__": {}}, {**_PYTHON, **values})


_TOKEN = re.compile(r"\s*(\\[a-zA-Z]+|\\\\|\d+(?:\.\d+)?|[^\s])")
# Signs in LaTeX that stand alone between two terms, in Python.
_COMPARED = {
    **{">": ">", "<": "<", r"\ge": ">=", r"\le": "<=", "=": "==", r"\ne": "!="},
    **{r"\land": "and", r"\lor": "or", r"\oplus": "^", r"\bmod": "%"},
}
_CONSTANTS = {"e": "math.e", r"\pi": "math.pi", r"\infty": "math.inf"}


def latex_value(text: str, names: Mapping[str, Any]) -> Any:
    """Return what a formula in LaTeX comes to; `names` has numbers by names in LaTeX."""
    reader = _Latex(text, names)
    expression = reader.condition()
    reader.end()
    scope = {"__builtins__": {}, "math": math, "names": names, "call": {**_PYTHON, **_LATEX}}
    return eval(expression, scope)


class _Latex:
    """Reads LaTeX from left to right; each method returns what it has read as Python."""

    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self.text = text
        self.names = sorted(names, key=len, reverse=True)
        self.place = 0

    def peek(self) -> str:
        found = _TOKEN.match(self.text, self.place)
        return found[1] if found else ""

    def take(self, *wanted: str) -> str:
        """Return the next token; one of `wanted`, unless there are none."""
        found = _TOKEN.match(self.text, self.place)
        token = found[1] if found else ""
        assert not wanted or token in wanted, (wanted, self.text[self.place :], self.text)
        self.place = found.end() if found else self.place
        return token

    def takes(self, *wanted: str) -> bool:
        """Return whether these tokens are next; take them if so."""
        before = self.place
        for token in wanted:
            if self.peek() != token:
                self.place = before
                return False
            self.take()
        return True

    def end(self) -> None:
        assert not self.text[self.place :].strip(), self.text[self.place :]

    def group(self) -> str:
        self.take("{")
        value = self.condition()
        self.take("}")
        return value

    def word(self) -> str:
        """Return a word in braces, such as of \\operatorname."""
        found = re.compile(r"\s*\{([^{}]*)\}").match(self.text, self.place)
        assert found, self.text[self.place :]
        self.place = found.end()
        return found[1].replace("\\_", "_")

    def condition(self) -> str:
        a = self.sum()
        if self.peek() not in _COMPARED:
            return a
        sign = _COMPARED[self.take()]
        b = self.sum()
        assert self.peek() not in _COMPARED
        return f"({a} {sign} {b})"

    def sum(self) -> str:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = f"({total} {self.take()} {self.product()})"
        return total

    def product(self) -> str:
        negative = self.takes("-")
        result = self.power()
        while self.peek() in (r"\cdot", r"\times", "/"):
            sign = "/" if self.take() == "/" else "*"
            result = f"({result} {sign} {self.power()})"
        return f"(-{result})" if negative else result

    def power(self) -> str:
        base = self.atom()
        if not self.takes("^"):
            return base
        exponent = self.group()
        assert self.peek() != "^"
        return f"({base} ** {exponent})"

    def name(self) -> str:
        rest = self.text[self.place :]
        skipped = len(rest) - len(rest.lstrip())
        for name in self.names:
            if re.match(re.escape(name) + r"(?![A-Za-z_])", rest.lstrip()):
                self.place += skipped + len(name)
                assert not re.match(r"\s*\\left\(", self.text[self.place :]), "a product or a call?"
                return f"names[{name!r}]"
        return ""

    def arguments(self) -> list[str]:
        assert self.takes("\\left", "("), self.text[self.place :]
        found = [self.condition()]
        while self.takes(","):
            found.append(self.condition())
        assert self.takes("\\right", ")"), self.text[self.place :]
        return found

    def atom(self) -> str:
        if known := self.name():
            return known
        token = self.take()
        if re.fullmatch(r"\d.*", token):
            return repr(float(token))
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token == r"\frac":
            return f"({self.group()} / {self.group()})"
        if token == r"\sqrt":
            name = "cbrt" if self.takes("[", "3", "]") else "sqrt"
            return f"call[{name!r}]({self.group()})"
        if token == r"\text":
            return {"true": "True", "false": "False"}[self.word()]
        if token == r"\lnot":
            return f"(not {self.atom()})"
        if token == "\\begin":
            return self.cases()
        return self.bracketed() if token == "\\left" else self.call(token)

    def bracketed(self) -> str:
        kind = self.take("(", "|", r"\lfloor")
        a = self.condition()
        self.take("\\right")
        self.take({"(": ")", "|": "|", r"\lfloor": r"\rfloor"}[kind])
        return {"(": a, "|": f"call['abs']({a})"}.get(kind, f"math.floor({a})")

    def cases(self) -> str:
        assert self.word() == "cases"
        a = self.condition()
        self.take("&")
        self.take("\\text")
        assert self.word() == "if "
        condition = self.condition()
        self.take("\\\\")
        b = self.condition()
        self.take("&")
        self.take("\\text")
        assert self.word() == "otherwise"
        self.take("\\end")
        assert self.word() == "cases"
        return f"({a} if {condition} else {b})"

    def call(self, token: str) -> str:
        name = self.word() if token == "\\operatorname" else token.removeprefix("\\")
        base = self.word() if self.takes("_") else ""
        if token == r"\psi" and self.takes("^", "{", "("):
            order = int(self.take())
            self.take(")")
            self.take("}")
            [x] = self.arguments()
            return f"call['polygamma']({order}, {x})"
        degree = self.group() if self.takes("^") else ""
        if name == "log" and self.takes("\\left", "|"):
            x = self.condition()
            assert self.takes("\\right", "|")
            return f"math.log(call['abs']({x}))"
        value = f"call[{name + base!r}]({', '.join(self.arguments())})"
        return f"({value} ** {degree})" if degree else value


_LATEX: dict[str, Callable[..., Any]] = {
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("sin", "cos", "tan")},
    **{"log2": math.log2, "log10": math.log10, "max": max, "min": min},
    r"stop\_gradient": scalargrad.stop_gradient,
    "second_largest": lambda *xs: sorted(xs)[-2],
    "exponent": lambda x: math.frexp(x)[1],
    **{"Gamma": math.gamma, "psi": scalargrad.digamma, "sigma": scalargrad.sigmoid},
}
