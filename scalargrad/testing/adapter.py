"""How an engine spells things: its class, number, gradient, backward pass and functions."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scalargrad.testing.expressions import Expression, Step

ALIASES = {
    "log": ("ln",),
    "sigmoid": ("logistic", "sigmod", "sigm"),
    "relu": ("rectify",),
    "silu": ("swish",),
    "atan": ("arctan",),
    "asin": ("arcsin",),
    "acos": ("arccos",),
    "atanh": ("arctanh",),
    "asinh": ("arcsinh",),
    "acosh": ("arccosh",),
    "maximum": ("max",),
    "minimum": ("min",),
}
"""Other names that engines give to functions; case does not count."""

LISTS = ("fsum", "logsumexp", "prod")
"""Functions of one list."""

PAIRS = ("dist", "sumprod")
"""Functions of two lists of the same length."""

SYMBOLS = ("+", "-", "*", "/", "**", "%")


class Absent(Exception):
    """Raised by a property: the engine does not have what it is about. The message says what.

    `op` is the op that is missing; if the user requires it, that is a failure.
    """

    def __init__(self, message: str, op: str | None = None) -> None:
        super().__init__(message)
        self.op = op


@dataclass
class Adapter:
    """The names that an engine uses, as found by looking at it, and what it takes.

    `seed` says whether the backward pass takes the gradient to start with.
    `initial` is what a gradient is before a backward pass: "number", "none", "node", "missing",
    "method" or "other". `sides` says for each operator on which sides it takes plain numbers.
    """

    name: str
    data: str
    gradient: str | None
    backward: str | None
    seed: bool
    forward: str | None
    initial: str
    gradient_is_node: bool
    methods: Sequence[str]
    functions: Sequence[str]
    epsilon: float
    sides: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, description: dict[str, Any]) -> "Adapter":
        """Return the adapter that the child's description of the engine gives."""
        tenth = description["tenth"]
        exact = isinstance(tenth, float) and tenth == 0.1
        return cls(
            name=name,
            data=description["data"],
            gradient=description["gradient"],
            backward=description["backward"],
            seed=description["seed"],
            forward=description["forward"],
            initial=description["initial"],
            gradient_is_node=description["gradient_is_node"],
            methods=description["methods"],
            functions=description["functions"],
            # Single precision holds 0.1 to 1.5e-8.
            epsilon=2.3e-16 if exact else 6e-8,
        )

    def spelling(self, function: str) -> str | None:
        """Return how the engine calls a function of math's name: `{}.tanh({})`, or None."""
        wanted = [function, *ALIASES.get(function, ())]
        forms = [(self.methods, "{0}.{name}({rest})"), (self.functions, "{name}({all})")]
        if function in LISTS + PAIRS:
            del forms[0]
        for names, form in forms:
            by_lower_case = {n.lower(): n for n in reversed(names)}
            for name in wanted:
                if name in names or name in by_lower_case:
                    found = name if name in names else by_lower_case[name]
                    return form.replace("{name}", found)
        return None

    def leaf(self, name: str, x: float) -> str:
        return f"{name} = {self.name}({number(x)})"

    def read(self, name: str) -> str:
        return f"{name}.{self.data}"

    def read_gradient(self, name: str) -> str:
        """Return the expression to print; before a backward pass it may fail (see `observe`)."""
        suffix = f".{self.data}" if self.gradient_is_node else ""
        return f"{name}.{self.gradient}{suffix}"

    def observe_gradient(self, name: str) -> str:
        """Return the expression for a gradient that may not be there yet."""
        if self.gradient is None:
            raise Absent("found no attribute that holds the gradient")
        if self.gradient.endswith("()"):
            return f"{name}.{self.gradient}"
        return f"getattr({name}, {self.gradient!r}, None)"

    def zero(self, name: str) -> str | None:
        """Return the line that sets a gradient back to what it was at first, if there is one."""
        if self.initial in ("missing", "method"):
            return f"{name}.zero_grad()" if "zero_grad" in self.methods else None
        start = {"number": "0.0", "none": "None", "node": f"{self.name}(0.0)"}
        value = start.get(self.initial, f"{name}.{self.gradient} * 0")
        return f"{name}.{self.gradient} = {value}"

    def run_backward(self, name: str) -> str:
        if self.backward is None:
            raise Absent("found no method that runs the backward pass")
        return f"{name}.{self.backward}" + ("" if self.backward.endswith(")") else "()")

    def run_backward_from(self, name: str, seed: float) -> str | None:
        """Return the line for a backward pass with that seed, if the engine takes one."""
        if self.backward is None or not self.seed:
            return None
        return f"{name}.{self.backward.partition('(')[0]}({number(seed)})"

    def prepare(self, name: str) -> list[str]:
        """Return the lines needed before a result's number can be read."""
        return [f"{name}.{self.forward}()"] if self.forward else []

    def lines(self, expression: Expression) -> tuple[list[str], list[str]]:
        """Return the names of all results, and the lines that compute them from the inputs."""
        names = letters(expression.arity + len(expression.steps))
        lines = []
        for step, target in zip(expression.steps, names[expression.arity :], strict=True):
            lines.append(f"{target} = {self.step(step, names)}")
        return names, lines

    def step(self, step: Step, names: Sequence[str]) -> str:
        """Return the expression for one step; constants stand plain where the engine takes them."""
        op = step.function.name
        plain = self.sides.get(op, set())
        operands = []
        for place, operand in enumerate(step.operands):
            if isinstance(operand, int):
                operands.append(names[operand])
            elif ("left", "right")[min(place, 1)] in plain and len(step.operands) == 2:
                operands.append(number(operand[0]))
            else:
                operands.append(f"{self.name}({number(operand[0])})")
        return self.call(op, operands)

    def call(self, op: str, operands: Sequence[str]) -> str:
        """Return one op of operands that are spelled already."""
        if op in SYMBOLS:
            left, right = operands
            left = f"({left})" if left.startswith("-") and op == "**" else left
            return f"{left} {op} {right}"
        if op.startswith("**"):
            return f"{operands[0]} ** {op[2:]}"
        if op == "neg":
            return f"-{operands[0]}"
        if op == "abs":
            return f"abs({operands[0]})"
        if op in LISTS:
            operands = [f"[{', '.join(operands)}]"]
        elif op in PAIRS:
            half = len(operands) // 2
            operands = [f"[{', '.join(part)}]" for part in (operands[:half], operands[half:])]
        form = self.spelling(op)
        assert form is not None
        return form.format(operands[0], rest=", ".join(operands[1:]), all=", ".join(operands))


def letters(count: int) -> list[str]:
    """Return that many names for nodes: a, b, c, ... z, v26, v27, ...

    >>> letters(3)
    ['a', 'b', 'c']
    """
    return [string.ascii_lowercase[n] if n < 26 else f"v{n}" for n in range(count)]


def number(x: float) -> str:
    """Return a number as code, to twelve digits.

    >>> number(2.0), number(0.1 + 0.2), number(float("inf"))
    ('2.0', '0.3', "float('inf')")
    """
    text = repr(float(f"{x:.12g}"))
    return text if text not in ("inf", "-inf", "nan") else f"float('{text}')"
