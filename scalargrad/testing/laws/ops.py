"""The laws of each op by itself: its numbers, its derivative, plain numbers with it, its edges."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from scalargrad.testing.adapter import DUNDERS, Absent, Missing, letters, number
from scalargrad.testing.cases import Program, from_expression, from_lines
from scalargrad.testing.expressions import Expression, Step
from scalargrad.testing.functions import FUNCTIONS, SYMBOLS, Interval, Operation
from scalargrad.testing.laws.law import OPS, POWERS, Laws, Property, about, operation, word
from scalargrad.testing.laws.soundness import SEVERAL_FORMS, is_right, need_sound
from scalargrad.testing.process import EngineDiedError
from scalargrad.testing.reference import call
from scalargrad.testing.trial import Failed, Trial

LAWS = Laws()

# Numbers that a person would try, some negative, some large, and those at which rules divide by 0.
POOL = (2.0, 3.0, 0.5, -1.5, -2.0, 1.5, 0.25, -0.5, 4.0, -3.0, 0.75, 10.5, 4.75)
_SPECIAL = (0.0, 1.0, -1.0)


def _points(function: Operation, seed: int = 0) -> Iterator[tuple[float, ...]]:
    """Yield points at which the function is tame: plain ones, special ones, then random ones."""
    count = function.operands
    found = itertools.product(POOL, repeat=count)
    yield from itertools.islice((p for p in found if function.is_tame(p)), 16)
    special = itertools.product((*_SPECIAL, 2.0), repeat=min(count, 2))
    for numbers in special:
        point = (*numbers, *(3.0,) * (count - len(numbers)))
        if set(numbers) & set(_SPECIAL) and function.is_tame(point):
            yield point
    noise = random.Random(f"{seed} {function.name}")
    for _ in range(8):
        yield tuple(_draw(noise, intervals) for intervals in function.columns(count))


def _draw(noise: random.Random, intervals: Sequence[Interval]) -> float:
    low, high = noise.choice(intervals)
    return round(noise.uniform(max(low, -6.0), min(high, 6.0)) if low < 6.0 else low, 3)


def _programs(trial: Trial, op: str) -> Iterator[list[Program]]:
    """Yield programs that apply just this op to leaves: a list for each way that it is spelled."""
    if op in POWERS or trial.has(op):
        if op in trial.deaths:
            raise trial.deaths[op]
        for form in trial.forms(op):
            trial.adapter.form[op] = form
            try:
                yield _applied(trial, op)
            finally:
                trial.adapter.form[op] = trial.forms(op)[0]
    elif op == "**" and trial.has("**2"):
        for power in POWERS:
            if trial.takes_power(power.removeprefix("**")):
                yield _applied(trial, power)
    elif op in SYMBOLS and trial.adapter.sides[op]:
        raise Absent(f"{op} takes plain numbers only")
    else:
        raise Missing(op)


def _applied(trial: Trial, op: str) -> list[Program]:
    points = _points(operation(op), trial.options.seed)
    return [from_expression(_alone(op), point, trial.adapter) for point in points]


def _alone(op: str) -> Expression:
    """Return the expression of an op of leaves."""
    function = operation(op)
    return Expression(function.operands, (Step(function, tuple(range(function.operands))),))


def _value(trial: Trial, op: str) -> None:
    for programs in _programs(trial, op):
        if op in SEVERAL_FORMS:
            raise Absent(f"engines mean different functions by {op}: its derivative is checked")
        if op == "log" and log_epsilon(trial):
            raise Absent("log adds a small number to its argument: see taste-log-exact")
        trial.check_all(programs, gradients=False)


def _derivative(trial: Trial, op: str) -> None:
    if trial.adapter.mode == "values":
        raise Absent("no gradient was found", op, "usable")
    for programs in _programs(trial, op):
        if op == "log" and log_epsilon(trial):
            programs = [replace(program, margin=1e-3) for program in programs]
        try:
            trial.check_all(programs, values=False)
        except Failed as failed:
            # An op that raises has failed as such, before there is a derivative.
            name = f"value-{word(op)}"
            if trial.failed(name) and (failed.raised or trial.raised_in(name)):
                raise Absent("the op itself raises", op, name) from failed
            raise


def _chained(trial: Trial, op: str) -> None:
    """Judge an op whose result is used once more: it must multiply by what arrives."""
    outer = next((o for o in ("*", "/", "-") if is_right(trial, o)), None)
    if outer is None:
        raise Absent("no op is there to use a result in")
    function = operation(op)
    count = function.operands
    (step,) = _alone(op).steps
    points = [(*point, x) for point in _points(function) for x in (7.0, 0.4)]
    for operands in ((count + 1, count), (count, count + 1)):
        expression = Expression(count + 1, (step, Step(FUNCTIONS[outer], operands)))
        # No number twice: two nodes that hold the same are a matter of their own.
        chosen = _two_of_all_different(expression, points) or points[:1]
        programs = [from_expression(expression, p, trial.adapter) for p in chosen]
        trial.check_all(programs, values=False)

    # And in an op of a result: forward mode multiplies there.
    if outer == "*" and function.arity:
        steps = (Step(FUNCTIONS["*"], (0, count)), Step(function, (count + 1, *range(1, count))))
        expression = Expression(count + 1, steps)
        points = [(4 * p[0], *p[1:], 0.25) for p in _points(function)]
        chosen = _two_of_all_different(expression, points)
        programs = [from_expression(expression, p, trial.adapter) for p in chosen]
        trial.check_all(programs, values=False)


def _two_of_all_different(
    expression: Expression, points: Sequence[tuple[float, ...]]
) -> list[tuple[float, ...]]:
    """Return the first two points at which no two numbers in an expression are the same."""
    return list(itertools.islice((p for p in points if _all_differ(expression, p)), 2))


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
    function = operation(op)
    if op in SYMBOLS and op != "%":
        trial.check(from_lines((3.0,), f"b = a {op} a", "b"))
    (step,) = _alone(op).steps
    count = function.operands
    adders = [o for o in ("+", "*") if is_right(trial, o)]
    for adder in adders[:1]:
        for operands in ((0, count), (count, 0)):
            expression = Expression(count, (step, Step(FUNCTIONS[adder], operands)))
            points = list(_points(function))
            different = _two_of_all_different(expression, points)
            if different or trial.holds("equal-numbers in trees"):
                point = (different or points)[0]
                trial.check_gradient(from_expression(expression, point, trial.adapter))


def cause_within(trial: Trial, prop: Property, failed: Failed) -> str | None:
    """Return the failing property of an op that the property's own op is computed by, if any.

    As where -a is a * -1, and the product's derivative is wrong.
    """
    family = prop.name.partition("-")[0]
    if prop.op is None or family not in ("value", "derivative", "numbers"):
        return None
    try:
        methods = trial.watch(failed.lines).get("methods", [])
    except (EngineDiedError, Absent):
        return None
    ops = {dunder: op for op, dunder in DUNDERS.items() if op != prop.op}
    inner = [ops[method] for method in methods if method in ops]
    for op in sorted(inner, key="+*-/".find):  # innermost first
        for part in ("value", family, "numbers"):
            # A plain number that is not taken raises; it makes no wrong number elsewhere.
            if part != "numbers" or (failed.raised and op in SYMBOLS):
                name = f"{part}-{word(op)}"
                if trial.breaks(name):
                    return name
    return None


def _numbers(trial: Trial, op: str) -> None:
    if not trial.has(op) and not (op == "**" and trial.has("**2")):
        there_at_all = bool(trial.adapter.sides[op])
        raise Absent(f"{op} of two nodes is not there", None if there_at_all else op)
    if takes_no_numbers(trial, op):
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
            whole = y == int(y) and not trial.breaks("int-inputs")
            for text in [number(y)] + ([str(int(y))] if whole else []):
                if op == "**" and side == "right" and not trial.takes_power(text):
                    continue
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
        reply, lines = trial.compute(program)
        if reply.get("values") != [right]:
            raise Failed(f"a plain number on the {side} of % is not taken", lines)
        return
    _check_what_is_new(trial, op, program)


def _check_what_is_new(trial: Trial, op: str, program: Program) -> None:
    """Judge a program of one op: not its derivative if the op's own is wrong anyway."""
    right = is_right(trial, op)
    if op == "**" and not trial.has(op):
        right = trial.holds("value-pow") and trial.holds("derivative-pow")
    elif "= a ** " in program.lines[0]:
        right = right or is_right(trial, "**2")
    if right:
        trial.check(program)
        return
    if trial.failed(f"value-{word(op)}"):
        raise Absent(f"needs {op}, which is wrong by itself", op, f"value-{word(op)}")
    trial.check_value(program)


def takes_no_numbers(trial: Trial, op: str) -> bool:
    """Return whether plain numbers are just not there: refused, or by no op taken."""
    if op == "**" and trial.has("**2"):
        return False
    by_any = any(trial.adapter.sides[other] or other in trial.whole for other in "+-*/")
    return not trial.adapter.sides[op] and not (by_any and trial.broken_sides(op))


def _large(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Missing(op)
    single = trial.adapter.epsilon > 1e-10  # its largest number is 3e38
    for x in [x for x in _LARGE[op] if not (single and not 1e-30 < abs(x) < 1e30)]:
        if op == "log" and log_epsilon(trial):
            raise Absent("log adds a small number to its argument: see taste-log-exact")
        _check_what_is_new(trial, op, from_expression(_alone(op), [x], trial.adapter))


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


def at(trial: Trial, op: str, inputs: Sequence[float]) -> tuple[object, list[str]]:
    """Return what an op gives, "error" for an error, and the code."""
    call = trial.adapter.call(op, letters(len(inputs)))
    reply, lines = trial.compute(Program(tuple(inputs), (f"c = {call}",), ("c",)))
    return ("error" if "error" in reply else reply["values"][0]), lines


def _domain(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Missing(op)
    for inputs, pole, undefined in _OUTSIDE[op]:
        found, lines = at(trial, op, inputs)
        if found == "error" or (pole and found in (float("inf"), float("-inf"))):
            continue
        if undefined and found != found:
            continue
        if op == "log" and inputs == (0.0,) and log_epsilon(trial):
            continue
        shown = f"print({trial.adapter.read('c')})  # right: an error, such as ValueError"
        text = number(found) if isinstance(found, float) else found
        where = ", ".join(map(number, inputs))
        raise Failed(f"{op} of {where} gives {text} without an error", [*lines, shown])


_FAMILIES = (
    ("value", OPS, _value, "{} gives the number that Python's arithmetic or math gives."),
    ("derivative", OPS, _derivative, "Backward through {} gives its derivative."),
    ("numbers", SYMBOLS, _numbers, "A plain number on either side of {} counts as a constant."),
    ("large", _LARGE, _large, "{} of large arguments is right, and so is its derivative."),
    ("domain", _OUTSIDE, _domain, "Outside its domain {} gives no number."),
)
for _family, _ops, _judge, _sentence in _FAMILIES:
    for _op in _ops:
        _name = f"{_family}-{word(_op)}"
        LAWS.append(Property(_name, _sentence.format(_op), about(_judge, _op), _op))


def log_epsilon(trial: Trial) -> float:
    """Return the small number that an engine's log adds to its argument; 0 if it adds none."""
    if "log" not in trial.epsilons:
        trial.epsilons["log"] = 0.0
        found = []
        for x in (0.5, 1.0, 2.0):
            y, _ = at(trial, "log", (x,))
            if not isinstance(y, float) or not -2 < y < 2:
                return 0.0
            found.append(math.exp(y) - x)
        low, high = min(found), max(found)
        if low > 1e-13 and high < 1e-3 and high - low < 0.01 * low + 1e-14:
            trial.epsilons["log"] = high
    return trial.epsilons["log"]


@LAWS.law("zero-powers", "a**0 has the derivative 0, and a**1 the derivative 1, where a is 0 too.")
def _zero_powers(trial: Trial) -> None:
    if not trial.has("**2"):
        raise Absent("** takes no plain exponent")
    if not is_right(trial, "**2"):
        causes = ("value-pow", "derivative-pow", "numbers-pow")
        cause = next((name for name in causes if trial.breaks(name)), None)
        raise Absent("needs **, which is wrong by itself", cause=cause)
    for exponent, right in (("2", 0.0), ("1", 1.0), ("0", 0.0)):
        if not trial.takes_power(exponent):
            continue
        program = Program(
            (0.0,),
            (f"b = a ** {exponent}",),
            ("b",),
            {"b": lambda z, s=right: s * z[0]},  # type: ignore[misc]
        )
        trial.check_gradient(program)


@LAWS.law("int-inputs", "A whole number given as an int counts as the number it is.")
def _int_inputs(trial: Trial) -> None:
    judged = False
    for op in "/*+":
        if not is_right(trial, op):
            continue
        judged = True
        program = replace(from_lines((3.0, 2.0), f"c = a {op} b", "c"), int_leaves=True)
        reply, _ = trial.compute(program)
        if "error" in reply and reply["error"]["deliberate"]:
            raise Absent(f"{trial.adapter.name}(3) is refused: it takes floats only")
        trial.check_value(program)
        if trial.adapter.mode == "reverse":
            trial.check_gradient(program)
    if not judged:
        need_sound(trial, "+")


PARTS = {
    f"{name} {op}": about(judge, op)
    for name, judge in (("chain", _chained), ("reuse", _used_twice))
    for op in (*OPS, *POWERS)
} | {
    f"{name} {power}": about(judge, power)
    for name, judge in (("value", _value), ("derivative", _derivative))
    for power in POWERS
}
"""Judges of each op that laws of graphs are made of."""
