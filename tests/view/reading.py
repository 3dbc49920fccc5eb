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


_Value = Callable[[], Any]
_TOKEN = re.compile(r"\s*(\\[a-zA-Z]+|\\\\|\d+(?:\.\d+)?|[^\s])")


def latex_value(text: str, names: Mapping[str, Any]) -> Any:
    """Return what a formula in LaTeX comes to; `names` has numbers by names in LaTeX."""
    reader = _Latex(text, names)
    value = reader.condition()
    reader.end()
    return value()


class _Latex:
    def __init__(self, text: str, names: Mapping[str, Any]) -> None:
        self.text = text
        self.names = sorted(names.items(), key=lambda item: -len(item[0]))
        self.known = names
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

    def group(self) -> _Value:
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

    def condition(self) -> _Value:
        a = self.sum()
        compare: dict[str, Callable[[Any, Any], Any]] = {
            ">": lambda a, b: a > b,
            "<": lambda a, b: a < b,
            r"\ge": lambda a, b: a >= b,
            r"\le": lambda a, b: a <= b,
            "=": lambda a, b: a == b,
            r"\ne": lambda a, b: a != b,
            r"\land": lambda a, b: a and b,
            r"\lor": lambda a, b: a or b,
            r"\oplus": lambda a, b: a ^ b,
            r"\bmod": lambda a, b: a % b,
        }
        if self.peek() in compare:
            sign = self.take()
            b = self.sum()
            assert self.peek() not in compare
            return lambda: compare[sign](a(), b())
        return a

    def sum(self) -> _Value:
        total = self.product()
        while self.peek() in ("+", "-"):
            total = self.added(total, self.take(), self.product())
        return total

    @staticmethod
    def added(a: _Value, sign: str, b: _Value) -> _Value:
        return (lambda: a() + b()) if sign == "+" else (lambda: a() - b())

    def product(self) -> _Value:
        negative = self.takes("-")
        result = self.power()
        while self.peek() in (r"\cdot", r"\times", "/"):
            result = self.multiplied(result, self.take(), self.power())
        return (lambda: -result()) if negative else result

    @staticmethod
    def multiplied(a: _Value, sign: str, b: _Value) -> _Value:
        return (lambda: a() / b()) if sign == "/" else (lambda: a() * b())

    def power(self) -> _Value:
        base = self.atom()
        if self.takes("^"):
            exponent = self.group()
            assert self.peek() != "^"
            return lambda: base() ** exponent()
        return base

    def name(self) -> _Value | None:
        rest = self.text[self.place :]
        skipped = len(rest) - len(rest.lstrip())
        for name, number in self.names:
            found = re.match(re.escape(name) + r"(?![A-Za-z_])", rest.lstrip())
            if found:
                self.place += skipped + len(name)
                assert not re.match(r"\s*\\left\(", self.text[self.place :]), "a product or a call?"
                return lambda: number
        return None

    def arguments(self) -> list[_Value]:
        assert self.takes("\\left", "("), self.text[self.place :]
        found = [self.condition()]
        while self.takes(","):
            found.append(self.condition())
        assert self.takes("\\right", ")"), self.text[self.place :]
        return found

    def atom(self) -> _Value:
        known = self.name()
        if known is not None:
            return known
        token = self.take()
        if re.fullmatch(r"\d.*", token):
            number = float(token)
            return lambda: number
        if token == "e":
            return lambda: math.e
        if token == r"\pi":
            return lambda: math.pi
        if token == r"\infty":
            return lambda: math.inf
        if token == r"\frac":
            a, b = self.group(), self.group()
            return lambda: a() / b()
        if token == r"\sqrt":
            cube = self.takes("[", "3", "]")
            a = self.group()
            return lambda: (scalargrad.cbrt if cube else scalargrad.sqrt)(a())
        if token == r"\text":
            truth = {"true": True, "false": False}[self.word()]
            return lambda: truth
        if token == r"\lnot":
            a = self.atom()
            return lambda: not a()
        if token == "\\begin":
            return self.cases()
        if token == "\\left":
            return self.bracketed()
        return self.call(token)

    def bracketed(self) -> _Value:
        kind = self.take("(", "|", r"\lfloor")
        a = self.condition()
        self.take("\\right")
        self.take({"(": ")", "|": "|", r"\lfloor": r"\rfloor"}[kind])
        if kind == "|":
            return lambda: abs(a())
        return a if kind == "(" else lambda: math.floor(a())

    def cases(self) -> _Value:
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
        return lambda: a() if condition() else b()

    def call(self, token: str) -> _Value:
        name = self.word() if token == "\\operatorname" else token.removeprefix("\\")
        base = self.word() if self.takes("_") else ""
        if token == r"\psi" and self.takes("^", "{", "("):
            order = int(self.take())
            self.take(")")
            self.take("}")
            [x] = self.arguments()
            return lambda: scalargrad.polygamma(order, x())
        degree = self.group() if self.takes("^") else None
        if name == "log" and self.takes("\\left", "|"):
            arguments = [self.condition()]
            assert self.takes("\\right", "|")
            return lambda: _log_of_size(arguments[0])
        arguments = self.arguments()
        function = _LATEX[name + base] if name + base in _LATEX else _PYTHON[name]
        if degree is None:
            return lambda: function(*[x() for x in arguments])
        return lambda: function(*[x() for x in arguments]) ** degree()


def _log_of_size(x: _Value) -> Any:
    return math.log(abs(x()))


_LATEX: dict[str, Callable[..., Any]] = {
    **{f"arc{name}": getattr(math, f"a{name}") for name in ("sin", "cos", "tan")},
    **{"log2": math.log2, "log10": math.log10, "max": max, "min": min},
    "second_largest": lambda *xs: sorted(xs)[-2],
    "exponent": lambda x: math.frexp(x)[1],
    **{"Gamma": math.gamma, "psi": scalargrad.digamma, "sigma": scalargrad.sigmoid},
}
