"""The laws that an engine is held to, each with a name and one sentence."""

import fnmatch
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from scalargrad.testing.adapter import DUNDERS, PAIRS, SYMBOLS, Absent, Missing, number
from scalargrad.testing.cases import Program, from_expression, from_lines, without_dead_ends
from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.testing.functions import FUNCTIONS, Interval, Operation
from scalargrad.testing.reference import call, supports
from scalargrad.testing.trial import Failed, Trial


@dataclass(frozen=True)
class Property:
    """A law: its name, the sentence that states it, and the judge that raises if it is broken."""

    name: str
    law: str
    judge: Callable[[Trial], None]
    op: str | None = None


_WORDS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "%": "mod"}
# An engine may choose their slope or their form.
_SEVERAL_FORMS = {"leaky_relu", "elu", "gelu"}
_UNARY_POWERS = (
    Operation("**2", 1, (((-5.0, 5.0),),), function=lambda x: x**2),
    Operation("**3", 1, (((-3.0, 3.0),),), function=lambda x: x**3),
    Operation("**-1", 1, (((-30.0, -0.05), (0.05, 30.0)),), function=lambda x: x**-1),
    Operation("**0.5", 1, (((0.05, 30.0),),), function=lambda x: x**0.5),
)
_POWERS = {power.name: power for power in _UNARY_POWERS}
# Methods whose name engines also give to something else, or which few scalar engines have.
_LEFT_OUT = {"pow", "copysign"}
OPS = tuple(n for n in FUNCTIONS if n not in _LEFT_OUT and supports(n))
"""The ops that the suite knows, by their names in `FUNCTIONS`."""

ALL: list[Property] = []


def word(op: str) -> str:
    """Return the name of an op as it stands in properties' names.

    >>> word("+"), word("tanh")
    ('add', 'tanh')
    """
    return _WORDS.get(op, op)


def select(patterns: Sequence[str]) -> list[Property]:
    """Return the properties whose names match one of the patterns (`derivative-*`).

    Raises ValueError for a pattern that matches none.
    """
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(p.name, pattern) for p in ALL):
            some = ", ".join(p.name for p in ALL if p.op is None)
            raise ValueError(
                f"no property is called {pattern!r}: there are value-OP, derivative-OP, "
                f"numbers-OP, large-OP, domain-OP, {some}"
            )
    if not patterns:
        return list(ALL)
    return [p for p in ALL if any(fnmatch.fnmatchcase(p.name, pattern) for pattern in patterns)]


def law(name: str, sentence: str) -> Callable[[Callable[[Trial], None]], Callable[[Trial], None]]:
    """Return a decorator that adds a judge to the properties."""

    def add(judge: Callable[[Trial], None]) -> Callable[[Trial], None]:
        ALL.append(Property(name, sentence, judge))
        return judge

    return add


@law("usable", "The class takes one number, and has it, its gradient and a backward pass.")
def _usable(trial: Trial) -> None:
    if trial.adapter.mode == "values":
        tried = "".join(f"\n    {text}" for text in trial.adapter.tried)
        raise Failed(
            "found no way to the derivatives of a + b and a * b: name the pass with --backward, "
            f"or how a leaf is made with --leaf '{trial.name}({{}})'. Tried, among others:{tried}",
            trial.adapter.shown or [trial.adapter.leaf("a", 3.0)],
        )


@law("own-arithmetic", "The engine computes by itself: no other package differentiates for it.")
def _own_arithmetic(trial: Trial) -> None:
    adapter = trial.adapter
    lines = [adapter.leaf("a", 3.0, 1.0), adapter.leaf("b", 2.0)]
    for op in ("+", "*", "exp", "tanh"):
        if trial.has(op):
            operands = ["a", "b"] if op in SYMBOLS else ["a"]
            lines += [f"c = {adapter.call(op, operands)}", *adapter.prepare("c")]
            lines += [] if adapter.mode == "values" else adapter.run_backward("c")
    allowed = trial.options.allow
    computing, imported = trial.packages(lines)
    if allowed is None:
        foreign = [p for p in computing if p in OTHER_ENGINES]
        foreign += [p for p in imported if p == "scalargrad"]
    else:
        foreign = [p for p in computing + imported if p not in allowed]
    for package in foreign:
        raise Failed(
            f"{package} computes for it, or is imported: this is not its own arithmetic",
            [f"import {package}"],
        )


OTHER_ENGINES = {
    *("scalargrad", "micrograd", "torch", "jax", "jaxlib", "autograd", "tensorflow", "keras"),
    *("tinygrad", "mxnet", "theano", "aesara", "pytensor", "casadi", "sympy", "symengine", "ad"),
    *("dezero", "minitorch", "chainer", "paddle", "mindspore", "uncertainties", "algopy", "dual"),
    *("autodidact", "nanograd", "smallgrad", "picograd", "needle", "numdifftools", "pyautodiff"),
}
"""Packages that differentiate."""


# --- each op by itself --------------------------------------------------------------------------

# Numbers that a person would try, some negative, some large, and those at which rules divide by 0.
_POOL = (2.0, 3.0, 0.5, -1.5, -2.0, 1.5, 0.25, -0.5, 4.0, -3.0, 0.75, 10.5, 4.75)
_SPECIAL = (0.0, 1.0, -1.0)


def _points(function: Operation, seed: int) -> Iterator[tuple[float, ...]]:
    """Yield points at which the function is tame: plain ones, special ones, then random ones."""
    count = _operands(function)
    found = itertools.product(_POOL, repeat=count)
    yield from itertools.islice((p for p in found if function.is_tame(p)), 16)
    special = itertools.product((*_SPECIAL, 2.0), repeat=min(count, 2))
    for numbers in special:
        point = (*numbers, *(3.0,) * (count - len(numbers)))
        if set(numbers) & set(_SPECIAL) and function.is_tame(point):
            yield point
    noise = random.Random(f"{seed} {function.name}")
    columns = function.intervals if function.arity else function.intervals * count
    for _ in range(8):
        yield tuple(_draw(noise, intervals) for intervals in columns)


def _operands(function: Operation) -> int:
    """Return how many operands to test a function with: three if it takes any number, or pairs."""
    return function.arity or (4 if function.name in PAIRS else 3)


def _draw(noise: random.Random, intervals: Sequence[Interval]) -> float:
    low, high = noise.choice(intervals)
    return round(noise.uniform(max(low, -6.0), min(high, 6.0)) if low < 6.0 else low, 3)


def _function(op: str) -> Operation:
    return _POWERS.get(op) or FUNCTIONS[op]


def _programs(trial: Trial, op: str) -> Iterator[list[Program]]:
    """Yield programs that apply just this op to leaves: a list for each way that it is spelled."""
    if op in _POWERS or trial.has(op):
        if op in trial.deaths:
            raise trial.deaths[op]
        for form in trial.forms(op):
            trial.adapter.form[op] = form
            try:
                yield _applied(trial, _function(op))
            finally:
                trial.adapter.form[op] = trial.forms(op)[0]
    elif op == "**" and trial.has("**2"):
        for power in _UNARY_POWERS:
            yield _applied(trial, power)
    elif op in SYMBOLS and trial.adapter.sides[op]:
        raise Absent(f"{op} takes plain numbers only")
    else:
        raise Missing(op)


def _applied(trial: Trial, function: Operation) -> list[Program]:
    count = _operands(function)
    expression = Expression(count, (Step(function, tuple(range(count))),))
    points = _points(function, trial.options.seed)
    return [from_expression(expression, point, trial.adapter) for point in points]


def _value(trial: Trial, op: str) -> None:
    for programs in _programs(trial, op):
        if op in _SEVERAL_FORMS:
            raise Absent(f"engines mean different functions by {op}: its derivative is checked")
        if op == "log" and _log_epsilon(trial):
            raise Absent("log adds a small number to its argument: see taste-log-exact")
        trial.check_all(programs, gradients=False)


def _derivative(trial: Trial, op: str) -> None:
    if trial.adapter.mode == "values":
        raise Absent("no gradient was found", op, "usable")
    for programs in _programs(trial, op):
        if op == "log" and _log_epsilon(trial):
            programs = [replace(program, margin=1e-3) for program in programs]
        try:
            trial.check_all(programs, values=False)
        except Failed as failed:
            # An op that raises has failed as such, before there is a derivative.
            name = f"value-{word(op)}"
            if trial.failed(name) and (failed.raised or trial.raised_in(name)):
                raise Absent("the op itself raises", op, name) from failed
            raise


def _is_right(trial: Trial, op: str) -> bool:
    """Return whether an op's numbers and derivatives are right, on leaves."""
    name = "**" if op in _POWERS else op
    if op in _POWERS and not trial.has("**2"):
        return False
    if not trial.has(op):
        return False
    if name not in _SEVERAL_FORMS and not trial.holds(f"value-{word(name)}", _about(_value, name)):
        return False
    return trial.adapter.mode == "values" or trial.holds(
        f"derivative-{word(name)}", _about(_derivative, name)
    )


def _about(judge: Callable[[Trial, str], None], op: str) -> Callable[[Trial], None]:
    return lambda trial: judge(trial, op)


def _chained(trial: Trial, op: str) -> None:
    """Judge an op whose result is used once more: it must multiply by what arrives."""
    outer = next((o for o in ("*", "/", "-") if _is_right(trial, o)), None)
    if outer is None:
        raise Absent("no op is there to use a result in")
    function = _function(op)
    count = _operands(function)
    for operands in ((count + 1, count), (count, count + 1)):
        steps = (Step(function, tuple(range(count))), Step(FUNCTIONS[outer], operands))
        # No number twice: two nodes that hold the same are a matter of their own.
        expression = Expression(count + 1, steps)
        points = [(*point, x) for point in _points(function, 0) for x in (7.0, 0.4)]
        chosen = list(itertools.islice((p for p in points if _all_differ(expression, p)), 2))
        programs = [from_expression(expression, p, trial.adapter) for p in chosen or points[:1]]
        trial.check_all(programs, values=False)

    # And in an op of a result: forward mode multiplies there.
    if outer == "*" and function.arity:
        steps = (Step(FUNCTIONS["*"], (0, count)), Step(function, (count + 1, *range(1, count))))
        expression = Expression(count + 1, steps)
        points = [(4 * p[0], *p[1:], 0.25) for p in _points(function, 0)]
        chosen = list(itertools.islice((p for p in points if _all_differ(expression, p)), 2))
        programs = [from_expression(expression, p, trial.adapter) for p in chosen]
        trial.check_all(programs, values=False)


def _all_differ(expression: Expression, point: Sequence[float]) -> bool:
    """Return whether all numbers differ that an expression computes."""
    numbers = list(point)
    for step in expression.steps:
        try:
            numbers.append(call(step.function.name, *map(complex, step.inputs(numbers))).real)
        except ZeroDivisionError:
            return False
    return len({round(x, 9) for x in numbers}) == len(numbers)


def _used_twice(trial: Trial, op: str) -> None:
    """Judge an op of the same leaf twice, or of a leaf that another op uses as well."""
    function = _function(op)
    if op in SYMBOLS and op != "%":
        trial.check(from_lines((3.0,), f"b = a {op} a", "b"))
    count = _operands(function)
    adders = [o for o in ("+", "*") if _is_right(trial, o)]
    for adder in adders[:1]:
        for operands in ((0, count), (count, 0)):
            steps = (Step(function, tuple(range(count))), Step(FUNCTIONS[adder], operands))
            expression = Expression(count, steps)
            points = list(_points(function, 0))
            different = [p for p in points if _all_differ(expression, p)]
            if different or trial.holds("equal-numbers in trees", _equal_in_trees):
                point = (different or points)[0]
                trial.check_gradient(from_expression(expression, point, trial.adapter))


def cause_within(trial: Trial, prop: Property, failed: Failed) -> str | None:
    """Return the failing property of an op that the property's own op is computed by, if any.

    As where -a is a * -1, and the product's derivative is wrong.
    """
    family = prop.name.partition("-")[0]
    judge = {"value": _value, "derivative": _derivative}.get(family)
    if judge is None or prop.op is None:
        return None
    inner = sorted(trial.inner_ops(prop.op, failed.lines), key="+*-/".find)  # innermost first
    raises = failed.raised
    for op in inner:
        for part, judged in ((family, judge), ("numbers", _numbers)):
            name = f"{part}-{word(op)}"
            # A plain number that is not taken raises; it makes no wrong number elsewhere.
            if part != "numbers" or (raises and op in SYMBOLS):
                trial.holds(name, _about(judged, op))
                if trial.failed(name):
                    return name
    return None


def _is_sound(trial: Trial, op: str) -> bool:
    """Return whether graphs may be built of an op: its own laws hold."""
    return (
        _is_right(trial, op)
        and trial.holds(f"chain {op}", _about(_chained, op))
        and trial.holds(f"reuse {op}", _about(_used_twice, op))
    )


def _need(trial: Trial, op: str) -> None:
    """Raise Absent unless an op is sound: a law about graphs is not tested with bad ones."""
    if not trial.has(op):
        raise Absent(f"needs {op}, which is not there", op)
    if not _is_sound(trial, op):
        names = [f"value-{word(op)}", f"derivative-{word(op)}", f"chain {op}", f"reuse {op}"]
        cause = next((name.split(" ")[0] for name in names if trial.failed(name)), None)
        raise Absent(f"needs {op}, which is wrong by itself", op, cause)


def _need_laws(trial: Trial, *names: str) -> None:
    """Raise Absent where another law is broken that would break this one too."""
    for prop in ALL:
        if prop.name in names:
            trial.holds(prop.name, prop.judge)
            if trial.failed(prop.name):
                raise Absent(f"needs {prop.name}, which fails", cause=prop.name)


def _numbers(trial: Trial, op: str) -> None:
    if not trial.has(op) and not (op == "**" and trial.has("**2")):
        there_at_all = bool(trial.adapter.sides[op])
        raise Absent(f"{op} of two nodes is not there", None if there_at_all else op)
    if _takes_no_numbers(trial, op):
        raise Absent(f"{op} takes no plain numbers", op)
    sides = ("right",) if op == "**" and not trial.has(op) else ("right", "left")
    for side in sides:
        for x, y in _PAIRS_OF[op] if op in _PAIRS_OF else _PAIRS_OF["+"]:
            if not y and (op, side) in (("/", "right"), ("**", "left")):
                continue  # 3 / 0, and 0 ** a, whose derivative needs the logarithm of 0
            if op == "**" and side == "left" and y < 0:
                continue
            if op == "**" and side == "right" and x < 0 and y != int(y):
                continue
            whole = y == int(y) and not _broken(trial, "int-inputs")
            for text in [number(y)] + ([str(int(y))] if whole else []):
                spelled = f"({text})" if text.startswith("-") else text
                code = f"b = a {op} {spelled}" if side == "right" else f"b = {spelled} {op} a"
                _plain_number(trial, op, x, y, code, side)


_PAIRS_OF = {
    "+": ((3.0, 2.0), (2.0, 3.0), (0.5, 4.0), (4.75, 0.5), (3.0, 0.0), (2.0, -1.0)),
    "**": ((3.0, 2.0), (2.0, 3.0), (0.5, 4.0), (4.75, 0.5), (-2.0, 3.0), (-1.5, 2.0), (2.0, -1.0)),
    "%": ((10.5, 4.75),),
}


def _plain_number(trial: Trial, op: str, x: float, y: float, code: str, side: str) -> None:
    program = from_lines([x], code, "b")
    if op == "%":
        right = x % y if side == "right" else y % x
        lines = program.build(trial.adapter)
        reply = trial.run(lines, [trial.adapter.read("b")])
        if reply.get("values") != [right]:
            raise Failed(f"a plain number on the {side} of % is not taken", lines)
        return
    _check_what_is_new(trial, op, program)


def _check_what_is_new(trial: Trial, op: str, program: Program) -> None:
    """Judge a program of one op: not its derivative if the op's own is wrong anyway."""
    unary = op == "**" and not trial.has(op)
    if _is_right(trial, "**2" if unary else op):
        trial.check(program)
        return
    if trial.failed(f"value-{word(op)}"):
        raise Absent(f"needs {op}, which is wrong by itself", op, f"value-{word(op)}")
    trial.check_value(program)


def _takes_no_numbers(trial: Trial, op: str) -> bool:
    """Return whether plain numbers are just not there: refused, or by no op taken."""
    by_any = any(trial.adapter.sides[other] for other in "+-*/")
    return not trial.adapter.sides[op] and not (by_any and trial.broken_sides(op))


def _takes_numbers(trial: Trial, op: str) -> bool:
    """Return whether plain numbers on either side of an op are taken, rightly."""
    return trial.holds(f"numbers-{word(op)}", _about(_numbers, op))


def _large(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Missing(op)
    expression = Expression(1, (Step(FUNCTIONS[op], (0,)),))
    single = trial.adapter.epsilon > 1e-10  # its largest number is 3e38
    for x in [x for x in _LARGE[op] if not (single and not 1e-30 < abs(x) < 1e30)]:
        if op == "log" and _log_epsilon(trial):
            raise Absent("log adds a small number to its argument: see taste-log-exact")
        _check_what_is_new(trial, op, from_expression(expression, [x], trial.adapter))


_BOTH = (30.0, -30.0, 400.0, -400.0, 1000.0, -1000.0, 1e6, -1e6)
_LARGE: dict[str, tuple[float, ...]] = {
    "tanh": _BOTH,
    "sigmoid": _BOTH,
    "softplus": _BOTH,
    "silu": _BOTH,
    "relu": _BOTH,
    "atan": _BOTH,
    "exp": (-30.0, -400.0, -1000.0, 60.0),
    "log": (1e6, 1e100, 1e300, 1e-100),
    "sqrt": (1e6, 1e100, 1e300, 1e-100),
}

# Op, inputs, and whether an infinity or a nan is an answer too: as at a pole, or in PyTorch.
_OUTSIDE: dict[str, tuple[tuple[tuple[float, ...], bool, bool], ...]] = {
    "/": (((1.0, 0.0), True, False), ((0.0, 0.0), False, True)),
    "log": (((-1.0,), False, True), ((0.0,), True, False)),
    "log2": (((-1.0,), False, True), ((0.0,), True, False)),
    "log10": (((-1.0,), False, True), ((0.0,), True, False)),
    "log1p": (((-2.0,), False, True), ((-1.0,), True, False)),
    "sqrt": (((-1.0,), False, True),),
    "acos": (((2.0,), False, True),),
    "asin": (((2.0,), False, True),),
    "acosh": (((0.5,), False, True),),
    "atanh": (((2.0,), False, True), ((1.0,), True, False)),
    "lgamma": (((-1.0,), True, False),),
    "gamma": (((-1.0,), True, True),),
}


def _outside(trial: Trial, op: str, inputs: Sequence[float]) -> tuple[object, list[str]]:
    """Return what an op gives outside its domain, "error" for an error, and the code."""
    adapter = trial.adapter
    names = "ab"[: len(inputs)]
    lines = [adapter.leaf(n, x) for n, x in zip(names, inputs, strict=True)]
    lines += [f"c = {adapter.call(op, list(names))}", *adapter.prepare("c")]
    reply = trial.run(lines, [adapter.read("c")])
    return ("error" if "error" in reply else reply["values"][0]), lines


def _domain(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Missing(op)
    adapter = trial.adapter
    for inputs, pole, undefined in _OUTSIDE[op]:
        found, lines = _outside(trial, op, inputs)
        if found == "error" or (pole and found in (float("inf"), float("-inf"))):
            continue
        if undefined and found != found:
            continue
        if op == "log" and inputs == (0.0,) and _log_epsilon(trial):
            continue
        shown = f"print({adapter.read('c')})  # right: an error, such as ValueError"
        text = number(found) if isinstance(found, float) else found
        where = ", ".join(map(number, inputs))
        raise Failed(f"{op} of {where} gives {text} without an error", [*lines, shown])


def _add_op_properties() -> None:
    families = (
        ("value", OPS, _value, "{} gives the number that Python's arithmetic or math gives."),
        ("derivative", OPS, _derivative, "Backward through {} gives its derivative."),
        (
            "numbers",
            SYMBOLS,
            _numbers,
            "A plain number on either side of {} counts as a constant.",
        ),
        ("large", _LARGE, _large, "{} of large arguments is right, and so is its derivative."),
        ("domain", _OUTSIDE, _domain, "Outside its domain {} gives no number."),
    )
    for family, ops, f, sentence in families:
        for op in ops:
            name = f"{family}-{word(op)}"
            ALL.append(Property(name, sentence.format(op), _about(f, op), op))


_add_op_properties()


@law("zero-powers", "a**0 has the derivative 0, and a**1 the derivative 1, where a is 0 too.")
def _zero_powers(trial: Trial) -> None:
    if "right" not in trial.adapter.sides["**"]:
        raise Absent("** takes no plain exponent")
    if not _is_right(trial, "**2"):
        raise Absent("needs **, which is wrong by itself", cause=_first_failed(trial, "**"))
    for exponent, right in (("2", 0.0), ("1", 1.0), ("0", 0.0)):
        program = Program(
            (0.0,),
            (f"b = a ** {exponent}",),
            ("b",),
            {"b": lambda z, s=right: s * z[0]},  # type: ignore[misc]
        )
        trial.check_gradient(program)


def _first_failed(trial: Trial, op: str) -> str | None:
    names = [f"{family}-{word(op)}" for family in ("value", "derivative")]
    return next((name for name in names if trial.failed(name)), None)


# --- graphs --------------------------------------------------------------------------------------


@law("int-inputs", "A whole number given as an int counts as the number it is.")
def _int_inputs(trial: Trial) -> None:
    adapter = trial.adapter
    judged = False
    for op in "/*+":
        if not _is_right(trial, op):
            continue
        judged = True
        program = from_lines((3.0, 2.0), f"c = a {op} b", "c")
        lines = [
            adapter.leaf("a", "3"),
            adapter.leaf("b", "2"),
            f"c = {adapter.call(op, ['a', 'b'])}",
        ]
        reply = trial.run([*lines, *adapter.prepare("c")], [adapter.read("c")])
        if "error" in reply and reply["error"]["deliberate"]:
            raise Absent(f"{adapter.name}(3) is refused: it takes floats only")
        read, right = adapter.read("c"), program.value("c")
        shown = [*lines, *adapter.prepare("c"), f"print({read})  # right: {number(right)}"]
        trial.no_error(reply, shown)
        if not isinstance(reply["values"][0], float) or abs(reply["values"][0] - right) > 1e-5:
            raise Failed(f"{read} is {reply['values'][0]}, right is {number(right)}", shown)
        if adapter.mode == "reverse":
            trial.check_gradient(replace(program, int_leaves=True))
    if not judged:
        _need(trial, "+")


@law("sum", "The builtin sum of a list of nodes is their sum, with its derivatives.")
def _sum(trial: Trial) -> None:
    if not _is_right(trial, "+"):
        _need(trial, "+")
    if _takes_no_numbers(trial, "+") or DUNDERS["+"] not in trial.adapter.dunders:
        raise Absent("+ takes no plain numbers, and sum starts from 0", "+")
    _need_laws(trial, "numbers-add", "chain")
    trial.check(from_lines([2.0, 3.0], "c = sum([a, b])", "c"))
    if _is_sound(trial, "+") and not _broken(trial, "equal-numbers"):  # 0 + a is a's number again
        trial.check(from_lines([2.0, 3.0], "c = sum([a, b, a])", "c"))


@law("chain", "Each op multiplies the derivative that arrives by its own.")
def _chain(trial: Trial) -> None:
    _each_op(trial, "chain", _chained)


def _each_op(trial: Trial, name: str, judge: Callable[[Trial, str], None]) -> None:
    """Judge all ops that are right by themselves; raise Absent if there are none."""
    judged = False
    for op in (*OPS, "**2"):
        # A unary power stands for ** where that takes no node.
        if _is_right(trial, op) and (op not in _POWERS or not trial.has("**")):
            trial.settle(f"{name} {op}", _about(judge, op))
            judged = True
    if not judged:
        raise Absent("no op is there, or none is right")


def _graphs(
    trial: Trial, cases: Sequence[tuple[str, tuple[float, ...]]], equal: bool = False
) -> None:
    """Judge graphs given as lines, those whose ops are sound; raise Absent if there are none.

    Unless `equal`, no two nodes hold the same number.
    """
    programs = []
    for lines, inputs in cases:
        ops = {op for op in SYMBOLS if f" {op} " in lines}
        if not all(_is_sound(trial, op) for op in ops):
            continue
        program = from_lines(inputs, lines, lines.split("\n")[-1].split(" = ")[0])
        try:
            numbers = program.numbers()
        except ZeroDivisionError:
            continue  # as in a - a, and then b / b
        if equal or len({round(x, 9) for x in numbers}) == len(numbers):
            programs.append(program)
    if not programs:
        _need(trial, "+")
        _need(trial, "*")
    trial.check_all(programs)


@law("reuse", "A node used several times gets the sum of what each use passes back.")
def _reuse(trial: Trial) -> None:
    _need_laws(trial, "chain")
    _each_op(trial, "reuse", _used_twice)
    # In these no order of the nodes is wrong that has each after all that use it: of those in
    # between none is used by two others.
    cases = []
    for p, q in itertools.product("+*-/", repeat=2):
        cases.append((f"b = a {p} a\nc = b {q} a", (3.0,)))
        cases.append((f"b = a {p} a\nc = a {q} b", (2.0,)))
        cases.append((f"b = a {p} a\nc = b {q} b", (3.0,)))
    for p, q, r in itertools.product("+*-", repeat=3):
        cases.append((f"b = a {p} a\nc = b {q} a\nd = c {r} a", (2.0,)))
        cases.append((f"b = a {p} a\nc = b {q} b\nd = c {r} c", (2.0,)))
        cases.append((f"b = a {p} a\nc = b {q} a\nd = a {r} c", (2.0,)))
    _graphs(trial, cases)


@law("diamonds", "Paths that part and meet again, of any lengths, are all counted, once each.")
def _diamonds(trial: Trial) -> None:
    _need_laws(trial, "reuse")
    cases = []
    for p, q in itertools.product("+*-", repeat=2):
        cases.append((f"c = a {p} b\nd = c {q} a", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = a {q} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = b {q} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} b", (3.0, 2.0)))
    for p, q, r in itertools.product("+*-", repeat=3):
        cases.append((f"c = a {p} b\nd = c {q} a\ne = c {r} d", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} a\ne = d {r} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} b\ne = d {r} c", (3.0, 2.0)))
        cases.append((f"c = a {p} a\nd = c {q} b\ne = d {r} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = a {q} b\ne = c {r} d", (3.0, 2.0)))
    # One side of the diamond longer than the other, and both longer than one.
    cases.append(("c = a * b\nd = c + a\ne = d * b\nf = e + c", (3.0, 2.0)))
    cases.append(("c = a * b\nd = c + a\ne = d * b\nf = c * e", (3.0, 2.0)))
    cases.append(("c = a * b\nd = c + c\ne = d * a\nf = e + d\ng = f * c", (3.0, 2.0)))
    _graphs(trial, cases)


@law("equal-numbers", "Two nodes that hold the same number are still two nodes.")
def _equal_numbers(trial: Trial) -> None:
    _need_laws(trial, "chain")
    _equal_in_trees(trial)
    cases = [(f"c = a {p} b", (2.0, 2.0)) for p in "+*-/"]
    if not _broken(trial, "reuse") and not _broken(trial, "diamonds"):
        for p, q in itertools.product("+*-/", repeat=2):
            cases.append((f"c = a {p} b\nd = c {q} b", (2.0, 2.0)))
            cases.append((f"c = a {p} b\nd = b {p} a\ne = c {q} d", (2.0, 2.0)))
    _graphs(trial, cases, equal=True)


def _broken(trial: Trial, name: str) -> bool:
    (prop,) = select([name])
    trial.holds(name, prop.judge)
    return trial.failed(name)


def _equal_in_trees(trial: Trial) -> None:
    """Judge graphs without reuse, in which a leaf holds the same number as a result."""
    for op, same in (("+", 5.0), ("*", 6.0)):
        if _is_right(trial, op):
            for lines in (f"d = a {op} b\ne = c {op} d", f"d = a {op} b\ne = d {op} c"):
                trial.check_gradient(from_lines([3.0, 2.0, same], lines, "e"))


@law("random-graphs", "Backward through random graphs of all the engine's ops is right.")
def _random_graphs(trial: Trial) -> None:
    _need_laws(trial, "reuse", "diamonds", "equal-numbers", "operands-unchanged")
    _need(trial, "+" if trial.has("+") else "*")
    ops = [FUNCTIONS[op] for op in OPS if FUNCTIONS[op].arity and _is_sound(trial, op)]
    if _takes_numbers(trial, "**") and not _broken(trial, "zero-powers"):
        ops += [power for power in _UNARY_POWERS if _is_sound(trial, power.name)]
    # Plain numbers stand only where they are taken rightly: else they have a property that fails.
    sides = {op: there for op, there in trial.adapter.sides.items() if _takes_numbers(trial, op)}
    adapter = replace(trial.adapter, sides=sides)
    found: list[Failed] = []

    @hypothesis_seed(trial.options.seed)
    @settings(
        max_examples=trial.options.graphs,
        phases=[Phase.generate, Phase.shrink],
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(expressions(ops, max_ops=10, numbers=_numbers_to_draw()))
    def judge(drawn: tuple[Expression, list[float]]) -> None:
        if trial.hurried():
            return  # what was found is small enough, and there is no time for more
        cases = [without_dead_ends(*drawn)]
        if adapter.names_output:
            cases.append(drawn)  # to this engine, steps that the output does not need may matter
        for expression, point in cases:
            program = from_expression(expression, point, adapter)
            # Where rounding counts for more than this, a comparison says nothing.
            if program.margin > 1e-4:
                continue
            try:
                trial.check(program)
            except Failed as failed:
                if not found or failed.raised == found[0].raised:
                    found.append(failed)
                    raise

    try:
        judge()
    except (Failed, HypothesisException):
        raise found[-1] from None


def _numbers_to_draw() -> st.SearchStrategy[float]:
    """Return a strategy for numbers that shrink to plain ones, no two of them alike in effect."""
    return st.sampled_from(_POOL) | st.floats(-3, 3, allow_subnormal=False)


@law("operands-unchanged", "Computing with nodes and the backward pass leave their numbers alone.")
def _operands_unchanged(trial: Trial) -> None:
    adapter = trial.adapter
    cases = [(f"c = {adapter.call(op, ['a', 'b'])}", op) for op in SYMBOLS if trial.has(op)]
    native = [op for op in "+-*/" if DUNDERS[op] in adapter.dunders]
    cases += [(f"c = a\nc {op}= b", op) for op in native]
    cases += [("c = a\nc **= 2.0", "**2"), ("c = a ** 2.0", "**2")]
    for op in OPS:
        if FUNCTIONS[op].arity == 1 and trial.has(op):
            cases.append((f"c = {adapter.call(op, ['a'])}", op))
    found_any = False
    for code, op in cases:
        if not _is_right(trial, op):
            continue
        found_any = True
        function = _function(op)
        for inputs in ((3.0, 2.0), (-3.0, 2.0), (0.5, 0.25), (10.5, 4.75), (1.5, 0.25)):
            if function.is_tame(inputs[: function.arity]):
                _unchanged(trial, code, inputs)
    if not found_any:
        raise Absent("no op is there, or none is right")
    # What a graph holds is not changed by `+=` on a name for one of its leaves.
    if adapter.mode == "reverse" and _is_right(trial, "*"):
        for op in native:
            if _is_right(trial, op):
                lines = f"c = a * b\na {op}= b"
                trial.check_gradient(from_lines([3.0, 2.0], lines, "c"), leaves=["b"])


def _unchanged(trial: Trial, code: str, inputs: Sequence[float]) -> None:
    adapter = trial.adapter
    lines = [adapter.leaf(n, x) for n, x in zip("ab", inputs, strict=True)]
    lines += [*code.split("\n"), *adapter.prepare("c")]
    passes = [] if adapter.mode == "values" else adapter.run_backward("c")
    for actions in ([], passes):
        reply = trial.run([*lines, *actions], [adapter.read("a"), adapter.read("b")])
        if "error" in reply:
            continue  # that it raises is for the op's own property to say
        for name, found, right in zip("ab", reply["values"], inputs, strict=True):
            if not isinstance(found, float) or abs(found - right) > 1e-6:
                shown = f"print({adapter.read(name)})  # right: {number(right)}"
                raise Failed(
                    f"{adapter.read(name)} is {found} afterwards, right is {number(right)}",
                    [*lines, *actions, shown],
                )


@law("kinks", "At the kinks of relu, abs, maximum and minimum a slope between the sides is given.")
def _kinks(trial: Trial) -> None:
    judged = False
    for op, inputs in _KINKS:
        if _is_right(trial, op):
            judged = True
            slopes, lines = _slopes_at_kink(trial, op, inputs)
            low = -1.0 if op in ("abs", "fabs") else 0.0
            if not all(low <= slope <= 1.0 for slope in slopes):
                read = trial.adapter.gradient("c", "a")
                shown = f"print({read})  # right: from {low} to 1.0"
                raise Failed(f"{read} is {slopes[0]}, right is {low} to 1.0", [*lines, shown])
    if not judged:
        raise Absent("neither relu nor abs, maximum and minimum are there and right")


_KINKS = (("relu", (0.0,)), ("abs", (0.0,)), ("maximum", (2.0, 2.0)), ("minimum", (2.0, 2.0)))


def _slopes_at_kink(
    trial: Trial, op: str, inputs: tuple[float, ...]
) -> tuple[list[float], list[str]]:
    names = ["a", "b"][: len(inputs)]
    code = f"c = {trial.adapter.call(op, names)}"
    program = Program(inputs, (code,), ("c",), {"c": lambda z: z[0]})
    low, high = (-1.0 if op in ("abs", "fabs") else 0.0), 1.0
    shown = f"print({trial.adapter.gradient('c', 'a')})  # right: from {low} to {high}"
    slopes: list[Any] = []
    for question in program.gradient_questions(trial.adapter):
        reply = trial.run(question.lines, [], question.reads)
        trial.no_error(reply, [*question.lines, shown], question)
        slopes += question.numbers(reply)
    return [s if isinstance(s, float) else float("nan") for s in slopes], list(question.lines)


@law("unrelated-leaves", "Leaves that the output does not depend on get no gradient.")
def _unrelated_leaves(trial: Trial) -> None:
    op, adapter = _op_for_graphs(trial), trial.adapter
    # Where a leaf is asked, one in a dead end is a leaf used twice.
    _need_laws(trial, "chain", *(["reuse"] if adapter.mode == "pull" else []))
    if not adapter.names_output:
        raise Absent("a gradient is asked for without naming the output")
    lines = f"d = a {op} b"
    trial.check_gradient(from_lines([3.0, 2.0, 5.0], lines, "d"))
    for dead in (f"e = c {op} c", f"e = c {op} b", f"e = d {op} c"):
        trial.check_gradient(from_lines([3.0, 2.0, 5.0], f"{lines}\n{dead}", "d"))
    if adapter.mode == "reverse":
        program = from_lines([3.0, 2.0, 5.0, 4.0], f"e = a {op} b\nf = c {op} d", "e f")
        actions = [*adapter.run_backward("e"), *adapter.run_backward("f")]
        if not _is_dictionary(trial):
            trial.check_gradient(program, actions, [["e"]], ["a", "b"])


def _is_dictionary(trial: Trial) -> bool:
    """Return whether the pass gives the gradients anew, and keeps none."""
    return trial.adapter.gradient_form.startswith("gradients")


@law("constants", "A leaf that asks for no gradient leaves the gradients of others right.")
def _constants(trial: Trial) -> None:
    adapter = trial.adapter
    if adapter.constant is None:
        raise Absent("all leaves have gradients")
    _need_laws(trial, "chain")
    op = _op_for_graphs(trial)
    constant = adapter.leaf("k", 5.0, form=adapter.constant)
    for lines in (f"b = a {op} k", f"b = k {op} a", f"c = k {op} k\nb = a {op} c"):
        program = from_lines([3.0], f"k = 5.0\n{lines}", "b")
        whole = replace(program, lines=(constant, *lines.split("\n")))
        trial.check_gradient(whole)


@law("seed", "The backward pass starts with 1, the output's derivative by itself.")
def _seed(trial: Trial) -> None:
    adapter = trial.adapter
    adapter.needs_pass()
    lines = [adapter.leaf("a", 3.0), *adapter.run_backward("a")]
    read = adapter.gradient("a", "a")
    reply = trial.run(lines, [], [read])
    # Some engines refuse a backward pass from a leaf, or do not look at it.
    if "error" not in reply or not reply["error"]["deliberate"]:
        trial.no_error(reply, lines)
        (found,) = reply["values"]
        if found != 1.0:
            shown = f"print({read})  # right: 1.0"
            raise Failed(f"a leaf's derivative by itself is {found}, right is 1.0", [*lines, shown])
    op = _op_for_graphs(trial)
    program = from_lines([3.0, 2.0], f"c = a {op} b", "c")
    trial.check_gradient(program)
    doubled = adapter.run_backward_from("c", 2.0)
    if doubled is not None:
        trial.check_gradient(program, [doubled], [["c", "c"]])
    lines = [*program.build(adapter), *adapter.run_backward("c")]
    read = adapter.gradient("c", "c")
    reply = trial.run(lines, [], [read])
    trial.no_error(reply, lines)
    (found,) = reply["values"]
    # An engine may keep no gradients but the leaves'.
    if found not in (None, 0.0, 1.0):
        shown = f"print({read})  # right: 1.0"
        raise Failed(f"the output's own gradient is {found}, right is 1.0", [*lines, shown])


def _op_for_graphs(trial: Trial) -> str:
    """Return the op to build graphs without reuse of: `*`, or `+` if that is all there is."""
    for op in "*+":
        if _is_right(trial, op):
            return op
    _need(trial, "*")
    raise AssertionError


def _refused(trial: Trial, lines: Sequence[str], what: str) -> None:
    """Raise Absent if the engine says no, in its own words, instead of giving a number."""
    reply = trial.run(lines)
    if "error" in reply and reply["error"]["deliberate"]:
        raise Absent(f"{what} is refused: {reply['error']['message']}")


@law("fresh-graph", "After setting gradients to zero, a new graph gives its own gradient.")
def _fresh_graph(trial: Trial) -> None:
    _need_laws(trial, "chain", "unrelated-leaves")
    adapter = trial.adapter
    adapter.needs_pass()
    op = _op_for_graphs(trial)
    zero = [adapter.zero(n) for n in "ab"]
    if None in zero:
        raise Absent("found no way to set a gradient to zero")
    zeros = [line for line in zero if line is not None]
    program = from_lines([3.0, 2.0, 5.0], f"d = a {op} b", "d")
    done = [*adapter.prepare("d"), *adapter.run_backward("d")]
    lines = [*program.build(adapter), *done, *zeros]
    reply = trial.run(lines)
    if "error" in reply and (reply["error"]["line"] or 0) > len(lines) - 2:
        raise Absent(f"a gradient cannot be set: {reply['error']['message']}")
    for second in (f"e = a {op} b", f"f = a {op} b\ne = f {op} c"):
        whole = from_lines([3.0, 2.0, 5.0], second, "e")
        again = replace(whole, lines=(*program.lines, *done, *zeros, *whole.lines))
        trial.check_gradient(again)


@law("second-backward", "A second backward pass over a graph counts its gradient once more.")
def _second_backward(trial: Trial) -> None:
    _need_laws(trial, "chain", "unrelated-leaves")
    adapter = trial.adapter
    adapter.needs_pass()
    op = _op_for_graphs(trial)
    for code, output in ((f"c = a {op} b", "c"), (f"d = a {op} b\ne = d {op} c", "e")):
        program = from_lines([3.0, 2.0, 5.0][: 3 if "e" in code else 2], code, output)
        actions = adapter.run_backward(output) * 2
        _refused(trial, [*program.build(adapter), *actions], "a second pass over a graph")
        # An engine may add to the gradients of the leaves, or set them.
        trial.check_gradient(program, actions, [[output, output], [output]])


@law("overlapping-graphs", "Backward passes over graphs that share nodes each count once.")
def _overlapping_graphs(trial: Trial) -> None:
    _need_laws(trial, "chain", "unrelated-leaves")
    adapter = trial.adapter
    adapter.needs_pass()
    op = _op_for_graphs(trial)
    for inputs, code, first, last in (
        ([3.0, 2.0, 5.0], f"d = a {op} b\ne = d {op} c", "d", "e"),
        ([3.0, 2.0, 5.0, 4.0], f"e = a {op} b\nf = e {op} c\ng = e {op} d", "f", "g"),
    ):
        for p, q in ((first, last), (last, first)):
            program = from_lines(inputs, code, f"{p} {q}")
            actions = [*adapter.run_backward(p), *adapter.run_backward(q)]
            _refused(trial, [*program.build(adapter), *actions], "a pass over a shared part")
            trial.check_gradient(program, actions, [[p, q], [q]], ["a", "b"])


def _loop(trial: Trial, step: str, times: int) -> str:
    return f"b = a\nfor _ in range({times}):\n    {step}"


@law("depth", "A chain of 10,000 ops is differentiated.")
def _depth(trial: Trial) -> None:
    _need_laws(trial, "chain")
    if not _is_right(trial, "+"):
        _need(trial, "+")
    plain = "right" in trial.adapter.sides["+"] and _takes_numbers(trial, "+")
    step = "b = b + 1.0" if plain else "b = b + c"
    inputs = [3.0] if plain else [3.0, 2.0, 1.0]
    program = from_lines(inputs, _loop(trial, step, 10_000), "b")
    if trial.adapter.mode != "values":
        trial.check_gradient(program, leaves=["a"], collect=True)
    trial.check_value(program)


@law("doublings", "60 doublings take work in proportion to 60, not to 2**60.")
def _doublings(trial: Trial) -> None:
    _need_laws(trial, "reuse")
    _need(trial, "+")
    program = from_lines([1.0], _loop(trial, "b = b + b", 60), "b")
    trial.check_value(program)
    trial.check_gradient(program, collect=True)


@law("memory", "A graph that is dropped is freed, at the latest by the garbage collector.")
def _memory(trial: Trial) -> None:
    if not _is_right(trial, "+"):
        _need(trial, "+")
    adapter = trial.adapter
    count = "sum(type(o) in kinds for o in gc.get_objects())"
    lines = [
        "import gc",
        adapter.leaf("a", 1.0),
        f"kinds = {{type(a), type({adapter.call('+', ['a', 'a'])})}}",
        "gc.collect()",
        f"before = {count}",
        *_loop(trial, f"b = {adapter.call('+', ['b', 'a'])}", 100).split("\n"),
        *adapter.prepare("b"),
        *([] if adapter.mode == "values" else adapter.run_backward("b")),
    ]
    reply = trial.run(lines, [f"{count} - before"])
    if "error" in reply:
        raise Absent(f"a chain of 100 ops raises {reply['error']['kind']}", cause="depth")
    if reply["values"][0] < 90:
        raise Absent("the engine's nodes cannot be counted: Python's collector does not see them")
    # Where a leaf keeps what was made of it, the leaf is a part of the graph.
    names = "a, b" if adapter.mode == "pull" else "b"
    dropped = [*lines, f"del {names}", *(["gradients = None"] if _is_dictionary(trial) else [])]
    dropped += ["gc.collect()"]
    reply = trial.run(dropped, [f"{count} - before"])
    trial.no_error(reply, dropped)
    (left,) = reply["values"]
    if left > 20:
        shown = f"print({count} - before)  # right: 0"
        raise Failed(
            f"{left:.0f} nodes of 100 are left when the graph is dropped", [*dropped, shown]
        )


@law("builtins", "Importing and using the engine leaves Python's builtins as they are.")
def _builtins(trial: Trial) -> None:
    trial.run([])
    if trial.changed:
        raise Failed(
            f"importing the engine changes {', '.join(trial.changed)}",
            [f"import {trial.changed[0].split('.')[0]}", f"print({trial.changed[0]})"],
        )


# --- where opinions differ -----------------------------------------------------------------------


def _taste(trial: Trial, what: str, here: str, pytorch: str) -> None:
    """Note a choice that is not PyTorch's; raise Failed where PyTorch's taste is asked for."""
    text = f"{what}: {here} here, {pytorch} in PyTorch"
    if trial.options.taste == "pytorch":
        raise Failed(text, [])
    trial.choices.append(text)


def _taste_at_kink(op: str, inputs: tuple[float, ...], right: float) -> Callable[[Trial], None]:
    def judge(trial: Trial) -> None:
        if not trial.has(op):
            raise Missing(op)
        _need_laws(trial, "kinks")
        if not _is_right(trial, op):
            raise Absent(f"needs {op}, which is wrong by itself", op, _first_failed(trial, op))
        slopes, _ = _slopes_at_kink(trial, op, inputs)
        if any(slope != right for slope in slopes):
            what = f"{op}'s slope at {', '.join(map(number, inputs))}"
            rights = ", ".join([number(right)] * len(inputs))
            _taste(trial, what, ", ".join(map(number, slopes)), rights)

    return judge


def _log_epsilon(trial: Trial) -> float:
    """Return the small number that an engine's log adds to its argument; 0 if it adds none."""
    if "log" not in trial.epsilons:
        trial.epsilons["log"] = 0.0
        found = []
        for x in (0.5, 1.0, 2.0):
            lines = [trial.adapter.leaf("a", x), f"c = {trial.adapter.call('log', ['a'])}"]
            reply = trial.run([*lines, *trial.adapter.prepare("c")], [trial.adapter.read("c")])
            y = reply.get("values", [None])[0]
            if not isinstance(y, float) or not -2 < y < 2:
                return 0.0
            found.append(math.exp(y) - x)
        low, high = min(found), max(found)
        if low > 1e-13 and high < 1e-3 and high - low < 0.01 * low + 1e-14:
            trial.epsilons["log"] = high
    return trial.epsilons["log"]


def _taste_log_exact(trial: Trial) -> None:
    if not trial.has("log"):
        raise Missing("log")
    added = _log_epsilon(trial)
    if added:
        _taste(trial, "log(x)", f"log(x + {added:.1e})", "log(x)")


def _taste_outside(trial: Trial) -> None:
    if not trial.has("log"):
        raise Missing("log")
    found, _ = _outside(trial, "log", (-1.0,))
    if found == "error":
        _taste(trial, "log(-1)", "an error", "nan")


for _op, _inputs in _KINKS:
    ALL.append(
        Property(
            f"taste-{_op}",
            f"At the kink of {_op} the slope is PyTorch's.",
            _taste_at_kink(_op, _inputs, 0.5 if len(_inputs) == 2 else 0.0),
            _op,
        )
    )
ALL.append(
    Property("taste-log-exact", "log adds nothing to its argument.", _taste_log_exact, "log")
)
ALL.append(Property("taste-log-outside", "log(-1) is nan, as PyTorch's.", _taste_outside, "log"))
