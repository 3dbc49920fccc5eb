"""A differential fuzzer of compiled programs: the eager function, its Code, and its program agree.

`programs()` draws Python functions as text: all ops, comparisons of comparisons, every kind of
number, awkward names of arguments, nests of which a part is not used, static arguments, captured
Values and captured numbers, by name and as attributes, items, and what methods and helpers return.
`check` runs one in every way there is and raises AssertionError where two differ: in value, in
kind, or in the error.

The suite runs a few of them. For many: `python3 -m tests.programs.fuzz --examples 20000 --seed 1`.
"""

from __future__ import annotations

import argparse
import inspect
import math
import pickle
import re
import time
import warnings
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from itertools import product
from random import Random
from types import SimpleNamespace
from typing import Any
from unicodedata import normalize

from hypothesis import strategies as st

import scalargrad
from scalargrad import (
    Function,
    TraceError,
    Value,
    compile,
    grad,
    hessian,
    hvp,
    jvp,
    primitive,
    taylor,
    value_and_grad,
)
from scalargrad.engine.graph import topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick
from scalargrad.functions.methods import all_ops, public_functions
from scalargrad.programs.code import Call, Code, constant_key, evaluate
from scalargrad.programs.code import check as check_code
from scalargrad.programs.passes.simplify import sees_signs
from scalargrad.programs.trace.tuples import pack, pack_total
from scalargrad.transforms.nesting import flatten, unflatten
from tests.own_functions import Multiply
from tests.programs.pieces import (
    Item,
    Made,
    Part,
    Splitter,
    Step,
    expanded,
    made_by,
    unwrapped,
    used_by,
    written_parts,
)

FAILURES = (ArithmeticError, ValueError, TypeError)

# --- what the functions are written with ----------------------------------------------------------

Point = namedtuple("Point", ["x", "y"])


def _own() -> dict[str, Callable[..., Any]]:
    """Return primitives of a user's own, with names of ours and of Python's."""

    @primitive(lambda g, y, x: g * (2 * x))
    def sin(x: Any) -> Any:
        return x * x

    @primitive(lambda g, y, a, b: g, lambda g, y, a, b: -g)
    def max(a: Any, b: Any) -> Any:
        return a - b

    @primitive(lambda g, y, x: g * (y + 1))
    def captured(x: Any) -> Any:
        return scalargrad.expm1(x)

    @primitive(lambda g, y, x: 0 * g)
    def sign(x: Any) -> Any:
        return type(x)(math.copysign(1, x))

    return {"own_sin": sin, "own_max": max, "own_captured": captured, "own_sign": sign}


class _Both(Function):
    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        return a + b, a - b

    @staticmethod
    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return g + h, g - h


def _label(x: Any, text: str) -> Any:
    if isinstance(x, Value) and x.op:  # a choice may give a captured Value itself
        x.label = text
    return x


def _detach(x: Any) -> Any:
    return x.detach() if isinstance(x, Value) else x


# Functions of a fixed number of inputs, and of any.
_FIXED: dict[str, tuple[Callable[..., Any], int]] = {}
_MANY: dict[str, Callable[..., Any]] = {}
for _name, _op in all_ops().items():
    if _name in public_functions() or _name in ("neg", "pos", "abs"):
        if _op.rules:
            _FIXED[_name] = _op.function, len(_op.rules)
        else:
            _MANY[_name] = _op.function
for _name, _function in _own().items():
    _FIXED[_name] = _function, _name.count("max") + 1
_FIXED["Multiply"] = Multiply.apply, 2
_FIXED["Both"] = lambda a, b: _Both.apply(a, b)[0], 2
_FIXED["Both1"] = lambda a, b: _Both.apply(a, b)[1], 2
_FIXED["detach"] = _detach, 1
_FIXED["logsigmoid"] = scalargrad.logsigmoid, 1
_FIXED["ldexp"] = lambda x: scalargrad.ldexp(x, -3), 1
_FIXED["frexp"] = lambda x: scalargrad.frexp(x)[0], 1
_FIXED["modf"] = lambda x: scalargrad.modf(x)[0] * 2 - scalargrad.modf(x)[1], 1
# All of what softmax gives is needed: else its errors may be left out.
_MANY["log_softmax"] = lambda *xs: sum(k * y for k, y in enumerate(scalargrad.log_softmax(xs), 1))
_MANY["softmax"] = lambda *xs: sum(k * y for k, y in enumerate(scalargrad.softmax(xs), 1))
_MANY["sum"] = lambda *xs: sum(xs)


@dataclass
class Settings:
    """What holds a captured number or Value, by an attribute or items."""

    rate: Any
    items: dict[str, Any]
    row: list[Any]
    inner: Any = None

    def get(self) -> Any:
        return self.rate

    def of_items(self) -> Any:
        return self.items["a"]

    def __call__(self) -> Any:
        return self.get()

    @property
    def now(self) -> Any:
        return self.rate


@dataclass(slots=True)
class Slots:
    """The same, of an attribute alone."""

    rate: Any


def _settings(x: Any) -> Settings:
    return Settings(x, {"a": x, "b": 0}, [x, 0], Slots(x))


# How a captured number is read from settings {h}, and what is bound anew to change that.
_READS = (
    *(("{h}.rate", "{h}.rate"), ("{h}.get()", "{h}.rate"), ("{h}()", "{h}.rate")),
    *(("{h}.now", "{h}.rate"), ("getattr({h}, 'rate')", "{h}.rate"), ("{h}_read()", "{h}.rate")),
    *(("{h}.inner.rate", "{h}.inner.rate"), ("{h}.inner.rate", "{h}.inner")),
    *(("{h}.items['a']", "{h}.items['a']"), ("{h}.of_items()", "{h}.items['a']")),
    *(("{h}.row[0]", "{h}.row[0]"), ("{h}.row[-2]", "{h}.row"), ("{h}_read()", "{h}")),
)
# What looks a number up.
_LOOKUPS = (
    *("{x} in {{0.0, 1.0}}", "{{1.0: 2.0}}.get({x})", "hash({x})", "{{{x}: 1.0}}"),
    *("dict.fromkeys([{x}])", "({x}, 0) in {{(1.0, 0)}}", "{x} not in frozenset([2.0])"),
)


def _middle(a: Any, b: Any, c: Any) -> Any:
    return sorted([a, b, c])[1]


def _halved(x: Any) -> Any:
    for _ in range(6):
        if not -1 < x < 1:
            x = x * 0.5
    return x


def _until(x: Any, y: Any) -> Any:
    for k in range(4):
        if x > y:
            return x * k
        x = x + 1
    return y


def _among(a: Any, b: Any) -> Any:
    return a * 2 if a in [b, 1, 0.5] else b


def _caught(a: Any, b: Any) -> Any:
    try:
        c = a / b
    except ZeroDivisionError:
        return a
    return c * c if c > 0 else c


def _how_many(*xs: Any) -> Any:
    return sum(1 for x in xs if x) * xs[0] if any(x > 1 for x in xs) else xs[-1]


# Python functions that branch on their numbers, and how many these are.
_BRANCHING: dict[str, tuple[Callable[..., Any], int]] = {
    "larger": (max, 2),
    "smaller": (min, 2),
    "middle": (_middle, 3),
    "halved": (_halved, 1),
    "until": (_until, 2),
    "among": (_among, 2),
    "caught": (_caught, 2),
    "how_many": (_how_many, 3),
    "either": (lambda a, b: a or b, 2),
}
# Functions that fail at some numbers: a program calls them compiled.
_PIECES: dict[str, Callable[..., Any]] = {
    "piece_log": lambda x: scalargrad.log(x) * x,
    "piece_root": lambda x: scalargrad.where(x > 0, scalargrad.sqrt(x), 1 / (x + 1)),
    "piece_if": lambda x: x * x if x > 1 else scalargrad.log(x + 2),
    "piece_over": lambda x: (1 / x) * (x - 1),
}
_MAY_FAIL = (
    *("S_.log({})", "S_.sqrt({})", "1 / {}", "S_.acos({})", "S_.exp({})", "{} * 1", "-{}"),
    *(f"S_.{name}({{}})" for name in _PIECES),
)
_CHOICES = (
    *("({a} if {c} else {b})", "S_.where({c}, {a}, {b})"),
    "S_.where({c}, lambda: {a}, lambda: {b})",
)

S = SimpleNamespace(
    settings=_settings,
    **{name: function for name, (function, _) in _BRANCHING.items()},
    **{name: function for name, (function, _) in _FIXED.items()},
    **{f"many_{name}": function for name, function in _MANY.items()},
    **_PIECES,
    **{"label": _label, "Point": Point, "OrderedDict": OrderedDict, "defaultdict": defaultdict},
    **{"list": list, "Fraction": Fraction, "Decimal": Decimal, "inf": math.inf, "nan": math.nan},
)
_OPERATORS = ("+", "-", "*", "/", "%")
_COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
_CONNECTIVES = ("&", "|", "^")
_SIGNS = ("-", "+", "abs")


def ops_drawn() -> set[str]:
    """Return the names of all public functions that programs are made of."""
    return {name for name in public_functions() if name in _FIXED or name in _MANY}


# --- a program as data ----------------------------------------------------------------------------


@dataclass
class Program:
    """A function of nested arguments, as text, and the calls to make."""

    arguments: list[str]
    static: list[int]
    setup: list[str]
    numbers: list[tuple[str, str]]  # what is captured: how it is read, and what is bound to it
    steps: list[Step]
    result: str  # an expression of the results
    result_uses: tuple[str, ...]
    scalar: str
    calls: list[list[Any]]
    retuned: float  # what the captured leaves are changed to
    mixed: bool  # whether there are ints, or numbers of several kinds
    infinite: bool  # whether there are infinities and nans
    items: list[Item]  # the steps as they are split into parts
    parts: list[Part]
    prune: bool = False  # whether the parts have only what is needed

    @property
    def calls_pieces(self) -> bool:
        """Return whether it calls compiled functions: sums of derivatives have another order."""
        return bool(self.parts) or any("S_.piece_" in step.text for step in self.steps)

    def needed(self, *names: str) -> list[Step]:
        """Return the steps that these names need."""
        wanted, found = set(names), []
        for step in reversed(self.steps):
            if step.name in wanted:
                found.append(step)
                wanted.update(step.uses)
        return found[::-1]

    def source(self, name: str, lean: bool = False, scalar: bool = False) -> str:
        """Return the text of the function; a lean one has only the steps that are needed."""
        result = self.scalar if scalar else self.result
        uses = (self.scalar,) if scalar else self.result_uses
        steps = self.needed(*uses) if lean else self.steps
        lines = [f"    {step.name} = {step.text}" for step in steps]
        return "\n".join(
            [f"def {name}({', '.join(self.arguments)}):", *lines, f"    return {result}"]
        )

    def split_source(self, name: str, scalar: bool = False, prune: bool = False) -> str:
        """Return the text of the function and of its parts, without what is not needed or with."""
        result = self.scalar if scalar else self.result
        uses = (self.scalar,) if scalar else self.result_uses
        defs, lines = written_parts(self.items, self.parts, uses, _written, _paths, prune)
        head = f"def {name}({', '.join(self.arguments)}):"
        return "\n".join([*defs, head, *[f"    {line}" for line in lines], f"    return {result}"])

    def __repr__(self) -> str:
        lines = [*self.setup, self.split_source("f", prune=self.prune)]
        calls = [f"# called with {call!r}" for call in self.calls]
        notes = [
            f"# static_argnums={self.static}, scalar {self.scalar}, leaves to {self.retuned!r}"
        ]
        return "\n" + "\n".join([*lines, *calls, *notes]) + "\n"

    def namespace(self) -> dict[str, Any]:
        """Return a module that has the functions: whole and lean, of all results and of one."""
        module: dict[str, Any] = {"S_": S, "Value": Value, "__name__": "drawn", "S_piece": _piece}
        exec("\n".join(self.setup), module)
        for name, lean, scalar in (
            *(("f", False, False), ("lean_f", True, False)),
            *(("f_1", False, True), ("lean_f_1", True, True)),
        ):
            exec(self.source(name, lean, scalar), module)
        for name, scalar in (("split_f", False), ("split_f_1", True)):
            # The parts are other functions for each: of other results.
            pieces = {name: compile(f) for name, f in _PIECES.items()}
            namespace = {**module, "S_": SimpleNamespace(**{**vars(S), **pieces})}
            exec(self.split_source(name, scalar, self.prune), namespace)
            module[name] = namespace[name]
        return module


def _piece(title: str, **settings: Any) -> Callable[[Any], Any]:
    """Return a decorator that compiles a function and calls it `title`."""

    def compiled(f: Any) -> Any:
        f.__name__ = title
        return compile(f, **settings)

    return compiled


# --- drawing one ----------------------------------------------------------------------------------

NAMES = (
    *("x", "y", "_", "__", "_2", "_3", "sin", "cos", "max", "min", "sum", "abs", "captured", "t1"),
    *("t2", "t3", "p", "p_2", "c", "x_2", "x0", "x1", "x0_2", "float", "list", "inf", "nan", "key"),
    *(
        "minus_inf",
        "relu",
        "sumprod",
        "fsum",
        "where",
        "factory",
        "OrderedDict",
        "Point",
        "f",
        "f_2",
    ),
    *(
        "ﬁ",
        "µ",
        "K",
        "é",
        "ªb",
        "captured_2",
        "maximum",
        "exp",
        "total",
        "x_a",
        "x_b",
        "log",
        "c_2",
    ),
)
LABELS = (
    *("x", "y", "_", "a b", "1", "", "lambda", "captured", "sin", "t1", "fi", "ﬁ", "μ", "K", "p"),
    *("x = 1\nimport os", '"""', "'", "print", "None", "x_2", "λ"),
)
KEYS = (
    *("'a'", "'b'", "'a b'", "''", "'lambda'", "'\\n'", '"\'"', "'ﬁ'", "0", "1", "-1", "None"),
    *("(1, 'a')", "0.5", "S_.inf", "'x' * 120", "S_.Fraction(1, 3)", "b'a'", "1j"),
)
_FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 2.0, -2.5, 3.0, 0.25, 10.0, 1e-3, 0.1, -7.3)
_EDGES = (math.inf, -math.inf, math.nan, 1e308, 5e-324, 1e-200, 1e200, -1e16, 710.0)
_INTS = (0, 1, -1, 2, 3, -4, 7, 10)
_LARGE = (2**53 + 1, 10**25, -(10**30), 10**400)
_FRACTIONS = tuple(Fraction(*pair) for pair in ((1, 3), (-2, 7), (5, 1), (0, 1), (7, 2), (1, 1)))
_DECIMALS = tuple(map(Decimal, ("0.1", "-2", "1", "3.50", "0", "1.00")))
_KINDS: dict[str, tuple[Any, ...]] = {
    "float": _FLOATS,
    "float and edges": _FLOATS + _EDGES,
    "int": _INTS,
    "large int": _INTS + _LARGE,
    "plain": _FLOATS + _INTS,
    "Fraction": _FRACTIONS,
    "Fraction and int": _FRACTIONS + _INTS,
    "Fraction and float": _FRACTIONS + _FLOATS,
    "Decimal": _DECIMALS,
    "Decimal and int": _DECIMALS + _INTS,
    "bool": (True, False, *_FLOATS),
    "any": _FLOATS + _EDGES + _INTS + _LARGE + _FRACTIONS + _DECIMALS + (True, False),
}
_FLOATING = ("float", "float", "plain", "float and edges")
_NEUTRAL = (0, 1, -1, 2, 0.0, -0.0, 1.0, -1.0, 2.0, 0.5, True, False)
_TWINS: tuple[tuple[Any, Any], ...] = (
    *((0.0, -0.0), (1, True), (1, 1.0), (2, 2.0), ((2, 1), (2.0, 1)), (Fraction(2), 2)),
    *((((1,), 2), ((True,), 2)), (math.nan, math.nan), (3, 4), (Point(1, 2), Point(1.0, 2))),
    *((Decimal("1.0"), Decimal("1.00")), ("relu", "tanh")),
)


def text_of(x: Any) -> str:
    """Return a number as text for a program."""
    if isinstance(x, float) and not math.isfinite(x):
        return f"(-S_.{repr(x)[1:]})" if repr(x)[0] == "-" else f"S_.{x!r}"
    text = repr(x)
    if isinstance(x, Fraction | Decimal):
        return f"S_.{text}"
    return f"({text})" if text[0] == "-" else text


class _Drawing:
    """A program as it is drawn. Each result is computed along, for each call, to stay in bounds."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.kind = random.choice(_FLOATING if random.random() < 0.5 else tuple(_KINDS))
        self.steps: list[Step] = []
        self.values: dict[str, list[Any]] = {}  # of each name, in each call; None where unknown
        # Whether all constants are of the numbers' own kind, and the kinds of those drawn.
        self.pure = random.random() < 0.5
        self.branches = random.random() < 0.4
        self.types: set[type] = set()
        self.modules: list[dict[str, Any]] = []

    def number(self, kind: str) -> Any:
        random = self.random
        if kind in ("float", "plain") and random.random() < 0.3:
            return round(random.uniform(-4, 4), random.choice((1, 3, 15)))
        return random.choice(_KINDS[kind])

    def constant(self) -> Any:
        random = self.random
        if self.pure or random.random() < 0.3:
            x = self.number(self.kind)
        else:
            x = random.choice(_NEUTRAL) if random.random() < 0.7 else self.number("any")
        self.types.add(type(x))
        return x

    def operand(self, condition: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return the text of an operand, and the names in it."""
        random = self.random
        if condition and random.random() < 0.1:
            return random.choice(("True", "False")), ()
        if not condition and random.random() < 0.25:
            return text_of(self.constant()), ()
        names = [step.name for step in self.steps if step.condition] if condition else []
        names = names or [*self.values]
        name = random.choice(names[-8:] if random.random() < 0.7 else names)
        return name, (name,)

    def compute(self, text: str) -> list[Any]:
        """Return what an expression is in each call, None where that is unknown or an error."""
        found = []
        for k, module in enumerate(self.modules):
            known = {name: values[k] for name, values in self.values.items()}
            try:
                found.append(
                    None
                    if None in known.values() and _uses_unknown(text, known)
                    else eval(text, {**module, **known})
                )
            except FAILURES:
                found.append(None)
        return found

    def small(self, name: str, most: float) -> bool:
        """Return whether a name is a number within +-most in each call."""
        if name not in self.values:
            return True
        return all(x is None or abs(x) <= most for x in self.values[name])

    def depends_on_condition(self, name: str) -> bool:
        """Return whether a name is a condition, or computed from one."""
        wanted, steps = {name}, []
        for step in reversed(self.steps):
            if step.name in wanted:
                steps.append(step)
                wanted.update(step.uses)
        return any(step.condition for step in steps)

    def exact(self, text: str) -> bool:
        """Return whether an operand is a number of few bits: sums and products are exact."""
        return all(
            isinstance(x, int | float | Fraction | Decimal)
            and abs(x) < 2**12  # type: ignore[operator]
            and float(x * 16).is_integer()
            for x in self.compute(text)
        )

    def step(self) -> Step | None:
        """Draw one more line; None if what was drawn is of no use."""
        random = self.random
        way = random.random()
        condition = False
        conditions = any(step.condition for step in self.steps)
        if way < 0.38:
            sign = random.choice(_OPERATORS)
            (a, of_a), (b, of_b) = self.operand(), self.operand()
            text, uses = f"{a} {sign} {b}", of_a + of_b
        elif way < 0.52:
            sign = random.choice(_COMPARISONS)
            left, right = conditions and random.random() < 0.6, conditions and random.random() < 0.5
            (a, of_a), (b, of_b) = self.operand(left), self.operand(right)
            text, uses, condition = f"({a} {sign} {b})", of_a + of_b, True
        elif way < 0.57 and conditions:
            sign = random.choice(_CONNECTIVES)
            (a, of_a), (b, of_b) = self.operand(True), self.operand(True)
            if not {*of_a, *of_b} & {step.name for step in self.steps if step.condition}:
                return None
            text, uses, condition = f"({a} {sign} {b})", of_a + of_b, True
        elif way < 0.66:
            (c, of_c), (a, of_a), (b, of_b) = (
                self.operand(conditions),
                self.operand(),
                self.operand(),
            )
            text, uses = f"S_.where({c}, {a}, {b})", of_c + of_a + of_b
            if self.branches and random.random() < 0.5:
                text, uses = self.choice(3)
        elif self.branches and way < 0.69:
            name = random.choice(list(_BRANCHING))
            parts = [self.operand() for _ in range(_BRANCHING[name][1])]
            text = f"S_.{name}({', '.join(text for text, _ in parts)})"
            uses = tuple(x for _, names in parts for x in names)
        elif way < 0.71:
            a, of_a = self.operand()
            text, uses = random.choice((f"-{a}", f"+{a}", f"abs_({a})", f"S_.relu({a})")), of_a
            text = text.replace("abs_", "S_.abs")
        elif way < 0.75:
            a, of_a = self.operand()
            b, of_b = (
                random.choice(("0", "1", "2", "3", "-1", "0.5", "1.0", "0.0", "-2", "2.0")),
                (),
            )
            if random.random() < 0.3:
                b, of_b = self.operand()
                # What depends on a comparison is a constant exponent to the eager pass only.
                if self.depends_on_condition(b):
                    return None
                if not (self.small(b, 16) and (of_b or self._within(b, 16))):
                    return None
            if of_b and not self.small(a, 1e30):
                return None
            text, uses = f"{a} ** {b}", of_a + of_b
            if a[0] == "-":
                return None
        elif way < 0.78:
            # The sign of a zero, to what sees it.
            a, of_a = self.operand()
            zero = random.choice(
                ("0.0 - {}", "{} + 0.0", "S_.many_sum({})", "0 * {}", "-{} * 2", "{} - 0")
            )
            name = random.choice(("atan2({}, -1.0)", "copysign(2.0, {})", "own_sign({})"))
            text, uses = f"S_.{name}".format(zero.format(a)), of_a
        elif way < 0.9:
            name = random.choice(list(_FIXED))
            parts = [self.operand() for _ in range(_FIXED[name][1])]
            if name == "pow" and not all(self.small(text, 1e6) for text, _ in parts):
                return None
            if name == "pow" and self.depends_on_condition(parts[1][0]):
                return None
            text = f"S_.{name}({', '.join(text for text, _ in parts)})"
            uses = tuple(x for _, names in parts for x in names)
        else:
            name = random.choice(list(_MANY))
            parts = [self.operand() for _ in range(2 * random.choice((1, 1, 2, 3, 5)))]
            if name == "sumprod":
                # The last bits of a sum may differ: of these numbers there are none.
                parts = [part for part in parts if self.exact(part[0])]
                parts = parts[: len(parts) // 2 * 2]
            if not parts:
                return None
            text = f"S_.many_{name}({', '.join(text for text, _ in parts)})"
            uses = tuple(x for _, names in parts for x in names)
        return Step(f"v_{len(self.steps)}", text, uses, condition)

    def choice(self, depth: int) -> tuple[str, tuple[str, ...]]:
        """Draw a choice between what may fail, or choices themselves; return its text and names."""
        random = self.random
        (a, of_a), (b, of_b) = self.operand(), self.operand()
        texts, uses = [f"({a} {random.choice(_COMPARISONS)} {b})"], of_a + of_b
        for _ in range(2):
            within = depth > 1 and random.random() < 0.5
            text, own = self.choice(depth - 1) if within else self.operand()
            texts.append(text if within else random.choice(_MAY_FAIL).format(text))
            uses += own
        return random.choice(_CHOICES).format(**dict(zip("cab", texts, strict=True))), uses

    def _within(self, text: str, most: float) -> bool:
        return all(
            x is None or (not isinstance(x, complex) and abs(x) <= most) for x in self.compute(text)
        )

    def operand_like(self, condition: bool) -> str:
        """Return the text of a number, or of a condition."""
        if not condition:
            numbers = [step.name for step in self.steps if not step.condition]
            if self.random.random() < 0.3 or not numbers:
                return text_of(self.constant())
            return self.random.choice(numbers)
        return self.random.choice(["True", *[s.name for s in self.steps if s.condition]])

    def add_all(self, steps: list[Step]) -> bool:
        """Add steps unless one takes unreasonable time, or may round; return whether they are."""
        before = len(self.steps)
        for step in steps:
            text = step.text
            fits = "sumprod" not in text and "S_.pow" not in text
            if " ** " in text:
                fits = "S_.label" not in text
                fits = fits and not self.depends_on_condition(text.split(" ** ")[1])
                fits = fits and all(
                    self._within(x, most)
                    for x, most in zip(text.split(" ** "), (1e6, 16), strict=True)
                )
            if fits:
                self.add(step)
                values = self.values[step.name]
                fits = not any(isinstance(x, int) and x.bit_length() > 20000 for x in values)
            if not fits:
                for added in self.steps[before:]:
                    del self.values[added.name]
                del self.steps[before:]
                return False
        return True

    def add(self, step: Step) -> None:
        self.values[step.name] = self.compute(step.text)
        self.steps.append(step)


def _uses_unknown(text: str, known: dict[str, Any]) -> bool:
    words = set(re.findall(r"\w+", text))
    return any(x is None and name in words for name, x in known.items())


def _shape(random: Random, depth: int) -> Any:
    """Return a nesting: None for a number, or (how to write it, the keys or None, the parts)."""
    if depth == 0 or random.random() < 0.45:
        return None
    kind = random.choice(("list", "tuple", "Point", "dict", "dict", "OrderedDict", "defaultdict"))
    count = 2 if kind == "Point" else random.choice((0, 1, 2, 2, 3, 4))
    keys = None
    if "dict" in kind.lower():
        keys = random.sample(KEYS, count)
    return kind, keys, [_shape(random, depth - 1) for _ in range(count)]


def _written(shape: Any, leaves: Iterator[str]) -> str:
    """Return the text of a nest of these parts."""
    if shape is None:
        return next(leaves)
    kind, keys, parts = shape
    texts = [_written(part, leaves) for part in parts]
    if keys is not None:
        pairs = (
            "{" + ", ".join(f"{key}: {text}" for key, text in zip(keys, texts, strict=True)) + "}"
        )
        first = "S_.list, " if kind == "defaultdict" else ""
        return pairs if kind == "dict" else f"S_.{kind}({first}{pairs})"
    listed = ", ".join(texts)
    if kind == "Point":
        return f"S_.Point({listed})"
    return f"[{listed}]" if kind == "list" else f"({listed},)" if texts else "()"


def _paths(shape: Any, path: str) -> list[str]:
    if shape is None:
        return [path]
    _, keys, parts = shape
    places = keys if keys is not None else range(len(parts))
    return [
        p
        for place, part in zip(places, parts, strict=True)
        for p in _paths(part, f"{path}[{place}]")
    ]


def drawn(random: Random) -> Program:
    """Return a program made by these random choices."""
    d = _Drawing(random)
    names = random.sample(NAMES, random.choice((0, 1, 1, 2, 2, 3, 4)))
    if len(names) > 1 and random.random() < 0.2 and "_" not in names:
        names[-1] = "_"
    shapes = [_shape(random, random.choice((0, 0, 1, 2, 3))) for _ in names]
    static: list[int] = []
    calls = 1 + (random.random() < 0.5)
    twins = []
    if random.random() < 0.2:
        twins = [random.choice(_TWINS)]
        static = [len(names)]
        names.append(next(name for name in NAMES if name not in names))
        calls = 2
    setup: list[str] = []
    captured: list[str] = []
    numbers: list[tuple[str, str]] = []

    def in_settings(k: int, name: str) -> None:
        """Let a captured number or Value be read from settings."""
        h = f"h_{k}"
        read, place = (text.format(h=h) for text in random.choice(_READS))
        setup.append(f"{h} = S_.settings({name})\ndef {h}_read():\n    return {h}.rate")
        numbers.append((read, place))

    for k in range(random.choice((0, 0, 0, 1, 2))):
        label = random.choice(LABELS)
        setup.append(f"w_{k} = Value({text_of(d.number(d.kind))}, label={label!r})")
        if random.random() < 0.3:
            in_settings(k, f"w_{k}")
        else:
            captured.append(f"w_{k}")
    if captured and random.random() < 0.4:
        text = random.choice(("w_0 * 2", "w_0 + w_0", "S_.Multiply(w_0, w_0)", "0 + w_0", "-w_0"))
        setup.append(f"u_0 = {text}")
        captured.append("u_0")
    for k in range(random.choice((0, 0, 1))):
        setup.append(f"g_{k} = {text_of(d.constant())}")
        if random.random() < 0.5:
            in_settings(k + 2, f"g_{k}")
        else:
            numbers.append((f"g_{k}", f"g_{k}"))
    # The arguments of each call, of another kind in each.
    arguments: list[list[Any]] = []
    for i in range(calls):
        kind = d.kind if i == 0 or random.random() < 0.5 else random.choice(tuple(_KINDS))
        row = []
        for shape in shapes:
            leaves = (text_of(d.number(kind)) for _ in iter(int, 1))
            row.append(eval(_written(shape, leaves), {"S_": S}))
        arguments.append(row + [twin[i % 2] for twin in twins])
    retuned = random.randint(-12, 12) / 4
    for row, again in product(arguments, (False, bool(captured))):
        module: dict[str, Any] = {"S_": S, "Value": partial(_plain, retuned if again else None)}
        exec("\n".join(setup), module)
        # As Python reads identifiers.
        module.update(zip([normalize("NFKC", name) for name in names], row, strict=True))
        d.modules.append(module)
    for name, shape in zip(names, shapes, strict=False):
        paths = _paths(shape, name)
        for path in paths:
            if len(paths) == 1 or random.random() < 0.7:
                d.add(Step(f"v_{len(d.steps)}", path, (), argument=name))
    if twins:
        path = "[0]" if isinstance(twins[0][0], tuple) else ""
        if not isinstance(twins[0][0], str):
            path = "[0][0]" if path and isinstance(twins[0][0][0], tuple) else path
            d.add(Step(f"v_{len(d.steps)}", f"{names[-1]}{path}", (), argument=names[-1]))
    for name in [*captured, *[read for read, _ in numbers]]:
        d.add(Step(f"v_{len(d.steps)}", name, ()))
    if not d.steps:
        setup.append("g_0 = 2.0")
        numbers.append(("g_0", "g_0"))
        for module in d.modules:
            module["g_0"] = 2.0
        d.add(Step("v_0", "g_0", ()))
    splitter = Splitter(random, NAMES, names)
    rounds = random.choice((0, 0, 1, 1, 2, 3, 4))
    for k in range(rounds + 1):
        for _ in range(random.choice((1, 2, 3, 5, 8, 12, 20)) // (rounds + 1) + 1):
            step = d.step()
            if step is None or not step.uses:
                continue
            values = d.compute(step.text)
            if any(isinstance(x, int) and x.bit_length() > 20000 for x in values):
                continue
            if None in values and random.random() < 0.8:
                continue
            if random.random() < 0.06:
                step.text = f"S_.label({step.text}, {random.choice(LABELS)!r})"
            d.add(step)
        splitter.items += d.steps[sum(1 for _ in expanded(splitter.items, {})) :]
        if k < rounds:
            splitter.wrap()
            for _ in range(random.choice((0, 0, 1, 2, 3))):
                splitter.again(d.operand_like, d.add_all)
    names_of_results = [step.name for step in d.steps]
    shape = _shape(random, random.choice((0, 0, 1, 2)))
    used: list[str] = []

    def leaves_of_result() -> Iterator[str]:
        while True:
            if random.random() < 0.1:
                yield text_of(d.constant())
            else:
                used.append(random.choice(names_of_results[-6:]))
                yield used[-1]

    result = _written(shape, leaves_of_result())
    scalars = [step.name for step in d.steps if not step.condition]
    scalar = scalars[-1] if random.random() < 0.8 else random.choice(scalars)
    conditions = {step.name for step in d.steps if step.condition}
    numbers_met = [x for name in d.values.keys() - conditions for x in d.values[name]]
    types = d.types | {type(x) for x in numbers_met if x is not None}
    mixed = len(types) > 1 or not types.isdisjoint((int, bool))
    mixed |= any(conditions.intersection(step.uses) for step in d.steps if not step.condition)
    floats = [x for x in numbers_met if isinstance(x, float)]
    infinite = not all(map(math.isfinite, floats)) or any(
        "S_.inf" in step.text or "S_.nan" in step.text for step in d.steps
    )
    return Program(
        *(names, static, setup, numbers, d.steps, result, tuple(used), scalar, arguments, retuned),
        *(mixed, infinite, splitter.items, splitter.parts),
    )


def _plain(retuned: float | None, x: Any, label: str = "") -> Any:
    """Return what a captured Value holds: in the end, where it is retuned."""
    return retuned if isinstance(x, float) and retuned is not None else x


def programs() -> st.SearchStrategy[Program]:
    """Return a strategy for programs."""
    return st.integers(0, 2**64).map(lambda seed: drawn(Random(seed)))


# --- running one in every way ---------------------------------------------------------------------


def same(a: Any, b: Any, signed: bool = False) -> bool:
    """Return whether two numbers are the same in kind and value: but for the sign of a zero.

    Where a float's sign counts, `signed` says so.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        if signed and a == b == 0:
            return math.copysign(1.0, a) == math.copysign(1.0, b)
        return a == b or (a != a and b != b)
    if isinstance(a, Decimal):
        return str(a) == str(b) or (a == b == 0 and a.as_tuple()[1:] == b.as_tuple()[1:])
    return bool(a == b)


def _close(a: Any, b: Any) -> bool:
    """Return whether two numbers are the same as floats."""
    try:
        return math.isclose(a, b, rel_tol=1e-14)
    except OverflowError:
        return bool(a == b)


class Outcome:
    """What a call gave: a nest of numbers, or an error."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.error: Exception | None = None
        self.numbers: list[Any] = []
        self.structure: Any = None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                found, self.structure = flatten(call(*args), "the result")
            self.numbers = [x.data if isinstance(x, Value) else x for x in found]
        except FAILURES as error:
            self.error = error

    def __repr__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return f"{self.numbers} in {self.structure}"

    def failed_op(self) -> str | None:
        """Return the name of the op in an error's message."""
        found = re.search(r", in (?!the derivative)(\w+)\(", str(self.error))
        return found[1] if found else None


def agree(
    what: str,
    expected: Outcome,
    found: Outcome,
    program: Program,
    bounds: Callable[[], list[float]],
    signed: bool,
) -> None:
    """Raise AssertionError unless two outcomes are the same.

    A derivative may leave out the value, with its errors. Where numbers of several kinds meet, a
    zero that is added to a slope may bring its own. A rule's own zero times an infinity is nan.
    Where a program is split, sums of derivatives are added up in another order: floats then differ
    by no more than `bounds` says. `signed` says that the signs of zeros count.
    """
    slopes = what != "value"
    differ = f"{what}: {expected}, but {found}"
    if expected.error is not None or found.error is not None:
        if "(complex)" in str(expected.error):
            return  # of plain numbers, to a fractional power
        dropped = what in ("grad", "hvp", "hessian", "third", "step", "taylor") or (
            slopes and program.mixed
        )
        # A step that branches stays in the lean function, with an error that nothing may need; and
        # what a called function's derivative needs is not chosen by the conditions outside.
        dropped |= expected.error is not None and (
            any(map(_branches, program.steps)) or (program.calls_pieces and _chooses(program))
        )
        assert found.error is not None, differ
        assert type(found.error) is type(expected.error) or dropped, differ
        return
    assert found.structure == expected.structure, differ
    most: list[float] | None = None
    for k, (a, b) in enumerate(zip(expected.numbers, found.numbers, strict=True)):
        nan = a != a or (b != b and program.infinite)
        if same(a, b, signed) or (slopes and (nan or (program.mixed and _close(a, b)))):
            continue
        if what in ("third", "step") and type(a) is int and a == b == 0:
            continue  # a rule's own 0, which eager transforms of transforms may leave an int
        if slopes and program.calls_pieces and a == b == 0:
            continue  # by an argument that a part does not use, 0 may be of the seed's kind
        inexact = slopes and isinstance(b, float | Decimal)
        assert inexact, differ
        assert program.mixed or type(a) is type(b), differ
        assert program.calls_pieces, differ
        most = bounds() if most is None else most
        assert abs(float(a) - float(b)) <= most[k] + _SUBNORMAL, (
            f"{differ}; they may differ by {most[k]}"
        )


# Of a sum or product, half of the last place; of the functions and their rules, a few.
_ROUNDING = 8 * 2.0**-53
# And of subnormals the last place is 2**-1074, however small they are.
_SUBNORMAL = 64 * 2.0**-1074


def error_bounds(results: Sequence[Any]) -> list[float]:
    """Return how far each result may be off, if each op rounds, and sums are taken in any order.

    To first order: each op adds an error of its own, of a sum in proportion to its terms, and
    passes on those of its operands times its derivatives.
    """
    errors: dict[Any, float] = {}
    nodes = [x for x in results if isinstance(x, Value)]
    for node in topological_order(nodes):
        if not isinstance(node._data, int | float | Fraction | Decimal):
            continue  # the run of a Function
        try:
            slopes = [abs(float(x)) for x in node.local_derivatives()]
        except FAILURES:
            errors[node] = math.inf
            continue
        sizes = [abs(float(x.data)) for x in node.parents]
        own = abs(float(node.data))
        if node.op in ("+", "-", "sum", "sumprod"):
            own = max(own, sum(d * x for d, x in zip(slopes, sizes, strict=True)))
        errors[node] = _ROUNDING * own + sum(
            slope * error
            for slope, x in zip(slopes, node.parents, strict=True)
            if (error := errors.get(x, 0.0))
        )
    found = [errors.get(x, 0.0) if isinstance(x, Value) else 0.0 for x in results]
    return [math.inf if x != x else x for x in found]


def _as_values(nest: Any) -> Any:
    """Return a nest with Values in place of numbers, but for bools, which are static."""
    if isinstance(nest, dict):
        items = {key: _as_values(x) for key, x in nest.items()}
        if isinstance(nest, defaultdict):
            return defaultdict(nest.default_factory, items)
        return type(nest)(items)
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*map(_as_values, nest))
    if isinstance(nest, list | tuple):
        return type(nest)(map(_as_values, nest))
    return nest if isinstance(nest, bool | str) else Value(nest)


def _latest(compiled: Any) -> Any:
    """Return the program that ran last, if one has."""
    ran = [program for program in compiled._programs.values() if program.latest is not None]
    return max(ran, key=lambda program: program.used, default=None)


def _ops_of(code: Code) -> Iterator[Op]:
    """Give the ops of a code, of what it calls at each call."""
    for op, _ in code.equations:
        if isinstance(op, Call):
            yield from _ops_of(op.code)
        elif op is not pack and op is not pack_total and type(op) is not Pick:
            yield op


class _Ways:
    """The calls of one program, compared in every way."""

    def __init__(self, program: Program, seen: Counter[str]) -> None:
        self.program = program
        self.seen = seen
        self.module = program.namespace()
        self.leaves = [x for name, x in self.module.items() if name.startswith("w_")]

    def compare(
        self,
        what: str,
        compiled: Any,
        lean: Any,
        full: Any,
        args: list[Any],
        static: Sequence[int] = (),
    ) -> None:
        """Compare a compiled function with the eager one, and with its own Code."""
        programs = len(compiled._programs), compiled._misses
        found = Outcome(compiled, *args)
        untraced = (len(compiled._programs), compiled._misses - 1) == programs
        if what == "taylor" and "of the Function" in str(found.error):
            return  # it says so
        if isinstance(found.error, TraceError):
            raise AssertionError(f"{what}: {found}")
        expected = Outcome(lean, *args)
        self.seen[f"{what}: {'error' if expected.error else 'value'}"] += 1
        slopes = what != "value"
        if expected.error is not None and found.error is None:
            # The eager pass computes what a rule's own zero makes superfluous, and both sides of a
            # choice.
            dropped = slopes or self.may_drop(compiled) or _chooses(self.program)
            assert dropped, f"{what}: {expected}, but {found}"
            self.seen[f"{what}: dropped an error"] += 1
        elif expected.error is None and found.error is not None:
            whole = Outcome(full, *args)
            kinds = slopes and self.program.mixed and isinstance(found.error, TypeError)
            kinds |= _of_complex(found.error, self.program)
            assert whole.error is not None or kinds, f"{what}: {expected}, but {found}"
            self.seen[f"{what}: a constant part's error"] += 1
        elif expected.error is not None and untraced:
            self.seen[f"{what}: a constant part's error"] += 1
        else:

            def bounds() -> list[float]:
                self.seen["compared with a bound"] += 1
                given = [x if i in static else _as_values(x) for i, x in enumerate(args)]
                return error_bounds(flatten(lean(*given))[0])

            latest = _latest(compiled)
            signed = not slopes and latest is not None and sees_signs(latest.code)
            agree(what, expected, found, self.program, bounds, signed)
            if expected.error is not None and not slopes:
                a, b = expected.failed_op(), found.failed_op()
                assert a is None or b is None or a == b, f"{what}: {expected}, but {found}"
        # Not of sumprod, whose last bits may differ; and where the trace failed, there is no Code.
        if what != "taylor" and not (untraced and found.error is not None):
            self.compare_code(what, compiled, found, args)

    def may_drop(self, compiled: Any) -> bool:
        """Return whether simplification may leave out a part: of `where`, or of a power of 0."""
        program = _latest(compiled)
        assert program is not None
        if program.code is None or program.latest is None:
            return False
        raw, simple = program.code, program.latest.code
        before = list(_ops_of(raw))
        return len(list(_ops_of(simple))) < len(before) and any(
            op.name in ("where", "**", "like") for op in before
        )

    def compare_code(self, what: str, compiled: Any, found: Outcome, args: list[Any]) -> None:
        """Compare a program with the Code that it was written from, before and after the passes."""
        program = _latest(compiled)
        if program is None or (found.error is not None and program.latest is None):
            return
        numbers = []
        static = compiled._static
        for name, argument in zip(compiled._names, args, strict=True):
            if name not in static:
                numbers += flatten(argument, "argument", (str, type(None), bool))[0]
        numbers += [x._data for x in program.captured]
        for code, stage in ((program.code, "Code"), (program.latest.code, "simplified Code")):
            if code is None or len(numbers) != code.inputs:
                self.seen["no Code"] += 1
                return
            check_code(code)
            if code.tree is not None:
                return  # it may lack a path, which f itself then gave
            expected = Outcome(lambda code=code: evaluate(code, numbers))
            signed = sees_signs(code)
            if expected.error is not None and found.error is None:
                # Before the passes, it is not known of all that it is not chosen.
                chosen = stage == "Code" and any(op.name == "where" for op in _ops_of(code))
                # Of numbers of several kinds a program may fail where f itself does not: f decides.
                chosen |= self.program.mixed and isinstance(expected.error, TypeError)
                assert chosen or self.may_drop(compiled), (
                    f"{what}, {stage}: {expected}, but {found}"
                )
                continue
            if found.error is not None:
                # An error may also come from the trace itself, of constants.
                exact = stage != "Code" or (what == "value" and not self.may_drop(compiled))
                if expected.error is not None and exact:
                    assert type(expected.error) is type(found.error), (
                        f"{what}, {stage}: {expected}, but {found}"
                    )
                continue
            assert expected.error is None, f"{what}, {stage}: {expected}, but {found}"
            flat = found.numbers
            assert len(flat) == len(expected.numbers), f"{what}, {stage}"
            for a, b in zip(expected.numbers, flat, strict=True):
                assert same(a, b, signed), f"{what}, {stage}: {expected}, but {found}"

    def values(self) -> None:
        """Compare values, with plain numbers and with Values, before and after leaves change."""
        program, module = self.program, self.module
        f = compile(module["split_f"], static_argnums=program.static)
        labels = [x.label for x in self.leaves]
        for round_ in range(2):
            for args in program.calls:
                self.compare("value", f, self.of_values("lean_f"), self.of_values("f"), args)
            if round_ or not self.leaves:
                break
            self.retune()
        self.pickled(f)
        assert [x.label for x in self.leaves] == labels, "a label of a captured Value has changed"
        for _, place in program.numbers:
            if len(f._programs) == len(program.calls) == 1:
                self.rebind(place, f, program.calls[0])
        self.looked_up()

    def looked_up(self) -> None:
        """Look up a number that depends on the arguments: that is an error."""
        program = self.program
        if any("S_.caught(" in step.text for step in program.steps):
            return  # where an error is caught, it may run without a trace
        if any(map(_branches, program.steps)) and any("**" in x.text for x in program.steps):
            return  # and so where a branch asks for the truth of what is complex
        moving: set[str] = set()
        for step in program.steps:
            # `where` of a constant condition may be a constant.
            chosen = "S_.where(" in step.text or _branches(step)
            if self.is_number(step) or (moving.intersection(step.uses) and not chosen):
                moving.add(step.name)
        for k, name in enumerate(sorted(moving)[-2:]):
            look_up = _LOOKUPS[(len(program.steps) + k) % len(_LOOKUPS)].format(x=name)
            *lines, last = program.source("looking").splitlines()
            module = dict(self.module)
            exec("\n".join([*lines, f"    {look_up}", last]), module)
            for args in program.calls:
                found = Outcome(compile(module["looking"], static_argnums=program.static), *args)
                self.seen["looked up"] += 1
                assert found.error is not None, f"{look_up} is {found}"

    def is_number(self, step: Step) -> bool:
        """Return whether a step is a number of an argument, and no bool, in each call."""
        if not step.argument:
            return False
        k = self.program.arguments.index(step.argument)
        name = normalize("NFKC", step.argument)
        numbers = [eval(step.text, {"S_": S, name: args[k]}) for args in self.program.calls]
        return k not in self.program.static and not any(isinstance(x, bool) for x in numbers)

    def pickled(self, f: Any) -> None:
        """Compare a compiled function with what a pickle makes of it."""
        if not f._programs:
            return
        try:
            loaded = pickle.loads(pickle.dumps(f))
        except (pickle.PicklingError, AttributeError):  # ops that have no name in a module
            return
        self.seen["pickled"] += 1
        for args in self.program.calls:
            a, b = Outcome(f, *args), Outcome(loaded, *args)
            if "from a pickle" in str(b.error):
                # Its trace has failed, or it has no such path: f itself gave that.
                assert a.error is not None or any(map(_branches, self.program.steps))
                continue
            if b.error is not None and any("S_.caught(" in x.text for x in self.program.steps):
                continue  # f itself catches the error
            # Where its program fails, f itself runs: another op may be the first to fail.
            assert type(a.error) is type(b.error), f"pickled: {a}, but {b}"
            assert all(map(same, a.numbers, b.numbers)), f"pickled: {a}, but {b}"

    def in_c(self) -> None:
        """Compare programs in C with those in Python: to the last bit."""
        program, module = self.program, self.module
        chosen = tuple(
            i for i, x in enumerate(program.calls[0]) if i not in program.static and flatten(x)[0]
        )
        ways = [("value", module["split_f"])]
        if chosen:
            ways.append(("grad", grad(module["split_f_1"], chosen)))
        if self.leaves:
            ways.append(("backward", module["split_f_1"]))
        for what, f in ways:
            in_python = compile(f, static_argnums=program.static)
            in_c = compile(f, static_argnums=program.static, target="c")
            random = Random(repr(program.calls))
            powers = sum(" ** " in step.text for step in program.steps)
            # Powers of ints may grow without bound.
            tame = powers < 6 and not any(" ** v_" in step.text for step in program.steps)
            data = [x.data for x in self.leaves]
            for round_ in range(4 if tame else 1):
                for args in program.calls:
                    if round_:
                        changed = [_some_as_ints(random, x, large=not powers) for x in args]
                        args = [
                            x if i in program.static else y
                            for i, (x, y) in enumerate(zip(args, changed, strict=True))
                        ]
                        for x, number in zip(self.leaves, data, strict=True):
                            x.data = _some_as_ints(random, number, large=not powers)
                    self.same_in_c(what, in_python, in_c, args)
            for x, number in zip(self.leaves, data, strict=True):
                x.data = number

    def with_gradients(self, compiled: Any) -> Callable[..., list[Any]]:
        """Return a function that gives the value of `.backward` and the gradients that it added."""

        def run(*args: Any) -> list[Any]:
            for x in self.leaves:
                x.grad = 0
            return [compiled.backward(*args), *[x.grad for x in self.leaves]]

        return run

    def same_in_c(self, what: str, in_python: Any, in_c: Any, args: list[Any]) -> None:
        """Compare a call of a program in C with the same in Python."""
        run: Any = self.with_gradients if what == "backward" else lambda compiled: compiled
        a, b = Outcome(run(in_python), *args), Outcome(run(in_c), *args)
        if "target 'c'" in str(b.error):
            return
        latest = getattr(_latest(in_c), "latest", None)
        runs = [
            name
            for name, is_so in (
                ("with ints", any(type(x) is int for x in flatten(args, static=(str, bool))[0])),
                ("C" if type(latest).__name__ == "CProgram" else "Python", True),
                ("error", a.error is not None),
            )
            if is_so
        ]
        self.seen[f"C, {what}: {', '.join(runs)}"] += 1
        differ = f"C, {what}: {a}, but {b} with {args}"
        assert type(a.error) is type(b.error), differ
        assert str(a.error) == str(b.error), differ
        assert a.structure == b.structure, differ
        assert list(map(repr, a.numbers)) == list(map(repr, b.numbers)), differ

    def of_values(self, name: str) -> Callable[..., Any]:
        """Return a function of the module that is called with Values in place of numbers."""
        function, static = self.module[name], self.program.static

        def eager(*args: Any) -> Any:
            return function(*[x if i in static else _as_values(x) for i, x in enumerate(args)])

        return eager

    def retune(self) -> None:
        """Change the captured leaves, and compute their results again."""
        for x in self.leaves:
            x.data = self.program.retuned if isinstance(x.data, float) else x.data
        if "u_0" in self.module:
            self.module["u_0"].forward()

    def rebind(self, name: str, f: Any, args: list[Any]) -> None:
        """Bind what a captured number is read from anew: the call must say so."""
        # Helpers of the setup have the globals of the one, the parts of the function the other's.
        modules = self.module, self.module["split_f"].__globals__
        before = eval(name, self.module)

        def bind(new: Any) -> None:
            for module in modules:
                exec(f"{name} = new", module, {"new": new}) if "." in name else module.update(
                    {name: new}
                )

        for new in (before, 0.0, -0.0, 1, True, 1.0, 5, Value(1.0)):
            bind(new)
            found = Outcome(f, *args)
            self.seen["bound anew"] += 1
            refused = isinstance(found.error, TraceError)
            if new is before or self.same_constant(new, before):
                assert not refused, f"{name} bound to {new!r}: {found}"
            elif name[-1] == "]" and new == before:
                pass  # an equal item is not seen to be another
            else:
                assert refused or f._hits == 0, f"{name} bound to {new!r}: {found}"
        bind(before)

    @staticmethod
    def same_constant(a: Any, b: Any) -> bool:
        kinds = int, float, Fraction, Decimal
        return isinstance(a, kinds) and isinstance(b, kinds) and constant_key(a) == constant_key(b)

    def derivatives(self) -> None:
        """Compare gradients, second derivatives along a direction, and jvp."""
        program, module = self.program, self.module
        lean, full, split = module["lean_f_1"], module["f_1"], module["split_f_1"]
        chosen = tuple(
            i for i, x in enumerate(program.calls[0]) if i not in program.static and flatten(x)[0]
        )
        for args in program.calls:
            if chosen:
                for transform in (grad, value_and_grad):
                    f = compile(transform(split, chosen), static_argnums=program.static)
                    g, whole = transform(lean, chosen), transform(full, chosen)
                    self.compare(transform.__name__, f, g, whole, args, program.static)
                primals = [args[i] for i in chosen]
                tangents = [_ones(x) for x in primals]
                for along in (jvp, hvp):
                    ways = [self._along(along, f, args, chosen) for f in (split, lean, full)]
                    self.compare(
                        along.__name__, compile(ways[0]), ways[1], ways[2], [primals, tangents]
                    )
                # Powers of ints may grow without bound in derivatives of derivatives.
                small = len(flatten(primals)[0]) <= 3 and len(program.steps) <= 16
                if program.calls_pieces and small and not program.mixed:
                    self.higher(args, chosen, primals, tangents)
            if self.leaves:
                self.backward(args)

    def higher(
        self, args: list[Any], chosen: tuple[int, ...], primals: list[Any], tangents: list[Any]
    ) -> None:
        """Compare all second derivatives, third ones along a direction, and power series."""
        program, module = self.program, self.module
        lean, full, split = module["lean_f_1"], module["f_1"], module["split_f_1"]
        second = [hessian(f, chosen) for f in (split, lean, full)]
        f = compile(second[0], static_argnums=program.static)
        self.compare("hessian", f, second[1], second[2], args, program.static)
        third = [self._along(_third, f, args, chosen) for f in (split, lean, full)]
        self.compare("third", compile(third[0]), third[1], third[2], [primals, tangents])
        steps = []
        for f, made in ((split, compile), (lean, _as_it_is), (full, _as_it_is)):
            piece = made(f, static_argnums=program.static)
            slope = made(grad(piece, chosen), static_argnums=program.static)
            steps.append(grad(self._step(piece, slope), chosen))
        f = compile(steps[0], static_argnums=program.static)
        self.compare("step", f, steps[1], steps[2], args, program.static)
        if len(primals) == 1 and not isinstance(primals[0], list | tuple | dict):
            series = [self._series(f, args, chosen[0]) for f in (split, lean, full)]
            self.compare("taylor", compile(series[0]), series[1], series[2], primals)

    @staticmethod
    def _step(f: Callable[..., Any], slope: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that uses a value and its gradient, both twice."""

        def step(*args: Any) -> Any:
            slopes = flatten(slope(*args))[0]
            again = flatten(slope(*args))[0]
            return f(*args) - sum(x * y for x, y in zip(slopes, again, strict=True)) * f(*args)

        step.__signature__ = inspect.signature(f)  # type: ignore[attr-defined]
        return step

    @staticmethod
    def _series(f: Callable[..., Any], args: list[Any], place: int) -> Callable[..., Any]:
        def of_one(x: Any) -> Any:
            return f(*args[:place], x, *args[place + 1 :])

        return lambda x: taylor(of_one, x, 4)

    @staticmethod
    def _along(
        transform: Callable[..., Any], f: Callable[..., Any], args: list[Any], chosen: Sequence[int]
    ) -> Callable[..., Any]:
        def along(primals: Any, tangents: Any) -> Any:
            def of_chosen(*numbers: Any) -> Any:
                whole = list(args)
                for i, x in zip(chosen, numbers, strict=True):
                    whole[i] = x
                return f(*whole)

            return transform(of_chosen, list(primals), list(tangents))

        return along

    def backward(self, args: list[Any]) -> None:
        """Compare `.backward` of captured Values with the eager backward pass."""
        program, module, leaves = self.program, self.module, self.leaves

        def eager(f: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any) -> Any:
                for x in leaves:
                    x.grad = 0
                y = f(*args)
                if isinstance(y, Value):
                    y.backward()
                    y = y.data
                return [y, *[x.grad for x in leaves]]

            return run

        for x in leaves:
            x.grad = 0
        f = compile(module["split_f_1"], static_argnums=self.program.static)
        y = Outcome(f.backward, *args)
        assert not isinstance(y.error, TraceError), f"backward: {y}"
        slopes = [x.grad for x in leaves]
        expected = Outcome(eager(self.of_values("lean_f_1")), *args)
        self.seen[f"backward: {'error' if expected.error else 'value'}"] += 1
        if expected.error is not None:
            return
        if y.error is not None and "reaches no Value" in str(y.error):
            assert not any(expected.numbers[1:]), f"backward: {expected}, but {y}"
            return
        if y.error is not None:
            whole = Outcome(eager(self.of_values("f_1")), *args)
            allowed = _of_complex(y.error, program)
            assert whole.error is not None or allowed, f"backward: {expected}, but {y}"
            return
        found = Outcome(lambda: [y.numbers[0], *slopes])
        most: list[float] = []
        for k, (a, b) in enumerate(zip(expected.numbers, found.numbers, strict=True)):
            # A slope that nothing was added to is the 0 that was there.
            if not (same(a, b) or a != a or (b != b and program.infinite) or _close(a, b)):
                differ = f"backward: {expected}, but {found}"
                assert program.calls_pieces, differ
                assert isinstance(b, float | Decimal), differ
                most = most or error_bounds(self._leaf_slopes(args))
                assert abs(float(a) - float(b)) <= most[k] + _SUBNORMAL, differ

    def _leaf_slopes(self, args: list[Any]) -> list[Any]:
        """Return the value and the slopes of captured Values, as Values with their graphs."""
        for x in self.leaves:
            x.grad = 0
        y = self.of_values("lean_f_1")(*args)
        y.backward(create_graph=True)
        found = [y, *[x.grad for x in self.leaves]]
        for x in self.leaves:
            x.grad = 0
        return found


def _as_it_is(f: Any, **settings: Any) -> Any:
    return f


def _some_as_ints(random: Random, nest: Any, large: bool) -> Any:
    """Return a nest in which some of the floats are ints, of which a few may be large."""
    found, structure = flatten(nest, static=(str, bool, type(None)))
    numbers = list(found)
    for k, x in enumerate(numbers):
        if type(x) is float and random.random() < 0.5:
            if math.isfinite(x) and random.random() < 0.7:
                numbers[k] = round(x)
            else:
                numbers[k] = random.choice(_INTS)
            if large and random.random() < 0.05:
                numbers[k] = random.choice((*_LARGE, 2**53 - 1, -(2**53), 2**31, 2**52))
    return unflatten(structure, numbers)


def _third(f: Callable[..., Any], primals: list[Any], tangents: list[Any]) -> Any:
    """Return the third derivatives of f, twice along the tangents."""
    return jvp(lambda *xs: hvp(f, xs, tangents), primals, tangents)[1]


def _of_complex(error: Exception, program: Program) -> bool:
    """Return whether an error in a part is of what is a complex number of plain numbers."""
    text = str(error)
    return program.calls_pieces and ("to a fractional power" in text or "(complex)" in text)


def _branches(step: Step) -> bool:
    """Return whether a step branches on its numbers, as Python does."""
    return " if " in step.text or any(f"S_.{name}(" in step.text for name in _BRANCHING)


def _chooses(program: Program) -> bool:
    """Return whether a program chooses by `where`: it does not compute what is not chosen."""
    return any("S_.where(" in step.text for step in program.steps)


def _ones(nest: Any) -> Any:
    """Return a nest of tangents: whole numbers in the kinds of its own."""
    if isinstance(nest, dict):
        items = {key: _ones(x) for key, x in nest.items()}
        return (
            defaultdict(nest.default_factory, items)
            if isinstance(nest, defaultdict)
            else type(nest)(items)
        )
    if isinstance(nest, tuple) and hasattr(nest, "_fields"):
        return type(nest)(*map(_ones, nest))
    if isinstance(nest, list | tuple):
        return type(nest)(map(_ones, nest))
    return nest if isinstance(nest, str) else 2 if isinstance(nest, bool) else type(nest)(2)


def check(program: Program, seen: Counter[str] | None = None, in_c: bool = False) -> None:
    """Run a program in every way; raise AssertionError where two differ."""
    ways = _Ways(program, Counter() if seen is None else seen)
    ways.values()
    ways.derivatives()
    if in_c:
        ways.in_c()


def check_in_c(program: Program, seen: Counter[str] | None = None) -> None:
    """Compare a program in C with the same in Python; raise AssertionError where they differ."""
    _Ways(program, Counter() if seen is None else seen).in_c()


def differs(program: Program, in_c: bool = False) -> Exception | None:
    """Return what is wrong with a program, None if nothing is."""
    try:
        check(program, in_c=in_c)
    except Exception as error:  # whatever a wrong program raises
        return error
    return None


def reduced(program: Program, in_c: bool = False) -> Program:
    """Return a smaller program of which the same is wrong."""
    wrong = _kind_of_difference(program, in_c)
    found = wrong is not None
    while found:
        found = False
        for one in _smaller(program):
            if _kind_of_difference(one, in_c) == wrong:
                program, found = one, True
                break
    return program


def _kind_of_difference(program: Program, in_c: bool) -> Any:
    error = differs(program, in_c)
    return None if error is None else (type(error), str(error)[:9])


def _smaller(program: Program) -> Iterator[Program]:
    """Return programs of fewer calls, results, steps and parts."""
    if len(program.calls) > 1:
        for call in program.calls:
            yield replace(program, calls=[call])
    for step in program.steps:
        if not step.condition and (program.result, program.scalar) != (step.name, step.name):
            uses = (step.name,)
            if len(program.result_uses) > 1 or program.result != program.scalar:
                yield replace(program, result=step.name, result_uses=uses, scalar=step.name)
    if not program.prune:
        yield replace(program, prune=True)
    for k, item in enumerate(program.items):
        if isinstance(item, Made):
            items = [*program.items[:k], *unwrapped(item), *program.items[k + 1 :]]
            yield replace(program, items=items)
    needed = {program.scalar, *program.result_uses}
    items = []
    for item in reversed(program.items):
        if not needed.isdisjoint(made_by(item)):
            items.append(item)
            needed.update(used_by(item))
    if len(items) < len(program.items):
        items.reverse()
        yield replace(program, steps=list(expanded(items, {})), items=items)


def run(examples: int, seed: int, in_c: bool = False) -> Counter[str]:
    """Check so many programs, drawn from this seed on; return how often each thing was compared.

    Raises AssertionError, with the program and what is wrong with it, at the first that differs.
    """
    seen: Counter[str] = Counter()
    for k in range(examples):
        program = drawn(Random(f"{seed} {k}"))
        seen["programs"] += 1
        try:
            check(program, seen, in_c)
        except Exception as error:
            small = reduced(program, in_c)
            found = differs(small, in_c) or error
            raise AssertionError(f"program {k + 1}: {found!r}\n{small!r}") from error
    return seen


def main() -> None:
    """Check as many programs as the command line says."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.programs.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="how many programs")
    parser.add_argument("--seed", type=int, default=1, help="where to start")
    parser.add_argument("--c", action="store_true", help="also with programs in C")
    options = parser.parse_args()
    began = time.perf_counter()
    for what, count in sorted(run(options.examples, options.seed, options.c).items()):
        print(f"{count:8} {what}")
    print(f"{time.perf_counter() - began:8.1f} s")


if __name__ == "__main__":
    main()
