"""How an engine spells things: its leaves, numbers, gradients, backward pass and functions."""

import ast
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from scalargrad.testing.expressions import Expression, Step
from scalargrad.testing.finding import Way
from scalargrad.testing.functions import LISTS, PAIRS, SYMBOLS

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

DUNDERS = {
    **{"+": "__add__", "-": "__sub__", "*": "__mul__", "/": "__truediv__", "**": "__pow__"},
    **{"%": "__mod__", "neg": "__neg__", "abs": "__abs__"},
}


class Absent(Exception):
    """Raised by a property that cannot be tested. The message says why.

    `op` is the op that it is about; if the user requires it, that is a failure. `cause` is the
    property whose failure hides this one.
    """

    def __init__(self, message: str, op: str | None = None, cause: str | None = None) -> None:
        super().__init__(message)
        self.op = op
        self.cause = cause


class Missing(Absent):
    """Raised by a property of an op that the engine does not have."""

    def __init__(self, op: str) -> None:
        super().__init__(f"{op} is not there", op)


@dataclass(kw_only=True)
class Adapter(Way):
    """The way to use an engine, as `Finder` found and proved it; what it has; what it takes.

    `initial` is what a gradient is before the pass: "number", "none", "node", "missing", "method"
    or "other". `tried` says in words what did not work, `shown` is code of it. `sides` says for
    each operator on which sides it takes plain numbers.
    """

    name: str
    tried: Sequence[str]
    shown: Sequence[str]
    seed: bool
    initial: str
    constant: str | None
    methods: Sequence[str]
    dunders: Sequence[str]
    statics: Sequence[str]
    functions: Sequence[str]
    epsilon: float
    sides: dict[str, set[str]] = field(default_factory=dict)
    form: dict[str, int] = field(default_factory=dict)

    def spellings(self, function: str) -> list[str]:
        """Return how the engine calls a function of math's name, by each way: `{0}.tanh({rest})`.

        Static ones of the class count, and functions of the module, where no method is that.
        """
        wanted = [function, *ALIASES.get(function, ())]
        found = []
        forms = [
            (self.methods, "{0}.{name}({rest})"),
            (self.statics, f"{self.name}.{{name}}({{all}})"),
            (self.functions, "{name}({all})"),
        ]
        if function in LISTS + PAIRS:
            del forms[0]
        for names, form in forms:
            by_lower_case = {n.lower(): n for n in reversed(names)}
            for name in wanted:
                if name in names or name in by_lower_case:
                    spelled = name if name in names else by_lower_case[name]
                    found.append(form.replace("{name}", spelled))
                    break
        if function in DUNDERS:
            symbol = {"neg": "-{0}", "abs": "abs({0})"}.get(function)
            if DUNDERS[function] in self.dunders and symbol:
                found.insert(0, symbol)
        return found

    def defines(self, op: str) -> bool:
        """Return whether the class has a method or an operator of the op's very name."""
        if op in DUNDERS and DUNDERS[op] in self.dunders:
            return True
        names = {op, *(a for a in ALIASES.get(op, ()) if a not in ("max", "min"))}
        return bool(names & {m.lower() for m in self.methods})

    def leaf(self, name: str, x: object, seed: float = 0.0, form: str = "") -> str:
        """Return the line or lines that make a leaf; text stands as it is."""
        return super().leaf(name, number(x) if isinstance(x, float) else x, seed, form)

    def read(self, name: str) -> str:
        return self.value.format(name)

    def gradient(self, output: str, leaf: str) -> str:
        """Return the expression that reads the derivative of the output by the leaf."""
        if self.mode == "values":
            raise Absent("no gradient was found", cause="usable")
        return self.gradient_form.format(output, leaf)

    @property
    def names_output(self) -> bool:
        """Return whether the derivatives are those of one output, which is named."""
        return self.mode != "pull" or any("{0}" in t for t in (*self.backward, self.gradient_form))

    def zero(self, leaf: str) -> str | None:
        """Return the line that sets a gradient back to what it was at first, if there is one."""
        name = self.gradient_form.removeprefix("{1}.").split(".")[0]
        start = {"number": "0.0", "none": "None", "other": f"{leaf}.{name} * 0"}.get(self.initial)
        if start is None:
            return f"{leaf}.zero_grad()" if "zero_grad" in self.methods else None
        return f"{leaf}.{name} = {start}"

    def run_backward(self, output: str) -> list[str]:
        """Return the lines of the backward pass; none where there is no pass."""
        if self.mode == "values":
            raise Absent("no backward pass was found", cause="usable")
        return self.go_back(output)

    @property
    def is_dictionary(self) -> bool:
        """Return whether the pass gives the gradients anew, and keeps none."""
        return not self.gradient_form.startswith("{1}")

    def run_backward_from(self, output: str, seed: float) -> str | None:
        """Return the line for a backward pass with that seed, if the engine takes one."""
        if self.mode != "reverse" or not self.seed or len(self.backward) > 1:
            return None
        return f"{self.backward[-1].partition('(')[0]}({number(seed)})".format(output)

    def needs_pass(self) -> None:
        """Raise Absent where there is no backward pass: the law is about passes."""
        if self.mode != "reverse":
            kind = {
                "forward": "it computes derivatives forward",
                "pull": "a gradient is asked for",
                "values": "no gradient was found",
            }[self.mode]
            cause = "usable" if self.mode == "values" else None
            raise Absent(f"there is no backward pass: {kind}", cause=cause)

    def lines(self, expression: Expression) -> tuple[list[str], list[str]]:
        """Return the names of all results, and the lines that compute them from the inputs."""
        names = letters(expression.arity + len(expression.steps))
        lines: list[str] = []
        for step, target in zip(expression.steps, names[expression.arity :], strict=True):
            operands = []
            for place, operand in enumerate(step.operands):
                if isinstance(operand, int):
                    operands.append(names[operand])
                elif self._stays_plain(step, place):
                    operands.append(number(operand[0]))
                else:
                    lines.append(self.leaf(f"k{len(lines)}", float(operand[0])))
                    operands.append(f"k{len(lines) - 1}")
            lines.append(f"{target} = {self.call(step.function.name, operands)}")
        return names, lines

    def _stays_plain(self, step: Step, place: int) -> bool:
        side = ("left", "right")[min(place, 1)]
        return len(step.operands) == 2 and side in self.sides.get(step.function.name, set())

    def spell(self, line: str) -> str:
        """Return lines of arithmetic as this engine has them, as `add(a, b)` if not `a + b`."""
        forms = {op: form for op, form in self.operators.items() if form != f"{{0}} {op} {{1}}"}
        if not any(f" {op} " in line for op in forms):
            return line
        return ast.unparse(_Speller(forms).visit(ast.parse(line)))

    def call(self, op: str, operands: Sequence[str], form: int | None = None) -> str:
        """Return one op of operands that are spelled already, by a form of its spellings."""
        if op in SYMBOLS:
            left, right = operands
            left = f"({left})" if left.startswith("-") and op == "**" else left
            return self.operators.get(op, f"{{0}} {op} {{1}}").format(left, right)
        if op.startswith("**"):
            return f"{operands[0]} ** {op[2:]}"
        if op in LISTS:
            operands = [f"[{', '.join(operands)}]"]
        elif op in PAIRS:
            half = len(operands) // 2
            operands = [f"[{', '.join(part)}]" for part in (operands[:half], operands[half:])]
        spelling = self.spellings(op)[self.form.get(op, 0) if form is None else form]
        return spelling.format(operands[0], rest=", ".join(operands[1:]), all=", ".join(operands))


class _Speller(ast.NodeTransformer):
    """Puts calls in the place of operators."""

    OPS: ClassVar = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}

    def __init__(self, forms: dict[str, str]) -> None:
        self.forms = forms

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        form = self.forms.get(self.OPS.get(type(node.op), ""))
        if form is None:
            return node
        text = form.format(ast.unparse(node.left), ast.unparse(node.right))
        return ast.parse(text, mode="eval").body


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
