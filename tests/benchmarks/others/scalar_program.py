"""A scalar program of any size, drawn from a seed, as Python text that any tool can run.

It is a sum of terms of about 100 ops each, and no two terms are alike. Each op's result is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

INPUTS = 20
TERM = 100
# Beyond this bound a number goes through sin or tanh, so that nothing overflows.
LARGE = 3.0

Operand = str | float  # the name of an input or of an earlier result, or a constant
UNARY = ("sin", "tanh", "log", "sqrt")
BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


@dataclass(frozen=True)
class Equation:
    """`name = op(*operands)`."""

    name: str
    op: str
    operands: tuple[Operand, ...]

    def spelled(self, unary: str) -> str:
        """Return it as Python; `unary` is the format of a function's call."""
        if self.op in UNARY:
            return f"{self.name} = {unary.format(op=self.op, x=self.operands[0])}"
        a, b = self.operands
        return f"{self.name} = {a} {BINARY[self.op]} {b}"


@dataclass(frozen=True)
class ScalarProgram:
    """The terms of the sum, each a list of equations of which the last is its result."""

    terms: list[list[Equation]]

    @property
    def ops(self) -> int:
        return sum(map(len, self.terms)) + len(self.terms) - 1

    def text(self, unary: str) -> str:
        """Return Python functions: one for each term, and `program(x)`, their sum."""
        names = [f"x{i}" for i in range(INPUTS)]
        lines = []
        for k, term in enumerate(self.terms):
            lines += [f"def term_{k}({', '.join(names)}):"]
            lines += [f"    {equation.spelled(unary)}" for equation in term]
            lines += [f"    return {term[-1].name}", ""]
        lines += ["def program(x):", "    total = term_0(*x)"]
        lines += [f"    total = total + term_{k}(*x)" for k in range(1, len(self.terms))]
        return "\n".join([*lines, "    return total", ""])

    def of_numbers(self) -> Callable[[Sequence[Any]], Any]:
        """Return the program for numbers that have methods `sin`, `tanh`, `log` and `sqrt`."""
        return _function(self.text("{x}.{op}()"), {})

    def of_floats(self) -> Callable[[Sequence[float]], float]:
        """Return the program for plain floats, with the functions of `math`."""
        return _function(self.text("{op}({x})"), {op: getattr(math, op) for op in UNARY})

    def value_and_gradient(self, x: Sequence[float]) -> list[float]:
        """Return the value and the derivative by each input: floats, the chain rule by hand."""
        total, gradient = 0.0, [0.0] * len(x)
        for term in self.terms:
            numbers: dict[Operand, float] = {f"x{i}": number for i, number in enumerate(x)}
            for e in term:
                numbers[e.name] = _forward(e.op, [_number(numbers, a) for a in e.operands])
            total += numbers[term[-1].name]
            slopes: dict[Operand, float] = dict.fromkeys(numbers, 0.0)
            slopes[term[-1].name] = 1.0
            for e in reversed(term):
                by_operands = _partials(
                    e.op, numbers[e.name], [_number(numbers, a) for a in e.operands]
                )
                for operand, partial in zip(e.operands, by_operands, strict=True):
                    if isinstance(operand, str):
                        slopes[operand] += slopes[e.name] * partial
            for i in range(len(x)):
                gradient[i] += slopes[f"x{i}"]
        return [total, *gradient]


def draw(ops: int, seed: int = 7) -> ScalarProgram:
    """Return the program of so many ops, a multiple of 100, that belongs to the seed."""
    rng = Random(f"{seed} {ops}")
    # Every term but the first is added to the sum, which is an op too.
    return ScalarProgram([_term(rng, TERM - (k > 0)) for k in range(ops // TERM)])


def point(seed: int = 8) -> list[float]:
    """Return the numbers that go in, between -1 and 1."""
    rng = Random(seed)
    return [rng.uniform(-1, 1) for _ in range(INPUTS)]


def _term(rng: Random, ops: int) -> list[Equation]:
    equations: list[Equation] = []
    bounds = {f"x{i}": 1.0 for i in range(INPUTS)}
    unused: list[str] = []

    def add(op: str, bound: float, *operands: Operand) -> str:
        name = f"a{len(equations)}"
        equations.append(Equation(name, op, operands))
        bounds[name] = bound
        for operand in operands:
            if operand in unused:
                unused.remove(str(operand))
        unused.append(name)
        return name

    def chosen(other: str = "") -> str:
        """Return a result not yet used, or now and then any number of the term."""
        waiting = [name for name in unused if name != other]
        if waiting and rng.random() < 0.6:
            return rng.choice(waiting)
        return rng.choice([name for name in bounds if name != other])

    def small(name: str) -> str:
        return add(rng.choice(("sin", "tanh")), 1.0, name) if bounds[name] > LARGE else name

    # The longest step takes 5 ops; then the results that are left are added up, one op for each.
    while len(equations) + 5 + len(unused) <= ops:
        a = chosen()
        b = chosen(other=a)
        a, b = small(a), small(b)
        match rng.randrange(8):
            case 0:
                add("add", bounds[a] + bounds[b], a, b)
            case 1:
                add("sub", bounds[a] + bounds[b], a, b)
            case 2 | 3:
                add("mul", bounds[a] * bounds[b], a, b)
            case 4:
                scale = round(rng.uniform(0.5, 1.5), 3)
                add("mul", scale * bounds[a], a, scale)
            case 5:
                add(rng.choice(("sin", "tanh")), 1.0, a)
            case 6:
                square = add("mul", bounds[b] ** 2, b, b)
                divisor = add("add", 1.0 + bounds[b] ** 2, square, 1.0)
                add("div", bounds[a], a, divisor)
            case 7:
                square = add("mul", bounds[a] ** 2, a, a)
                shifted = add("add", 1.0 + bounds[a] ** 2, square, 1.0)
                add(rng.choice(("log", "sqrt")), 1.0 + bounds[a], shifted)
    while len(unused) > 1:
        a, b = unused[:2]
        add("add", bounds[a] + bounds[b], a, b)
    while len(equations) < ops:
        add("sin", 1.0, unused[0])
    return equations


def _function(text: str, names: dict[str, Any]) -> Callable[..., Any]:
    exec(compile(text, "<scalar program>", "exec"), names)
    return names["program"]  # type: ignore[no-any-return]


def _number(numbers: dict[Operand, float], operand: Operand) -> float:
    return numbers[operand] if isinstance(operand, str) else operand


def _forward(op: str, numbers: list[float]) -> float:
    if op in UNARY:
        return getattr(math, op)(*numbers)  # type: ignore[no-any-return]
    a, b = numbers
    return {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b if op == "div" else 0.0}[op]


def _partials(op: str, y: float, numbers: list[float]) -> tuple[float, ...]:
    """Return the derivatives of y, the op's result, by each of the numbers that went in."""
    a, b = numbers[0], numbers[-1]
    match op:
        case "add":
            return 1.0, 1.0
        case "sub":
            return 1.0, -1.0
        case "mul":
            return b, a
        case "div":
            return 1 / b, -y / b
        case "sin":
            return (math.cos(a),)
        case "tanh":
            return (1 - y * y,)
        case "log":
            return (1 / a,)
        case _:
            return (0.5 / y,)
