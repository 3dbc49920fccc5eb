"""The laws that an engine is held to, each with a name and one sentence."""

import fnmatch
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from scalargrad.testing.adapter import PAIRS, SYMBOLS, Absent, Adapter, number
from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.testing.functions import FUNCTIONS, Interval, Operation
from scalargrad.testing.programs import Program, from_expression, from_lines
from scalargrad.testing.reference import supports
from scalargrad.testing.simplify import Case, simplify
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
    missing = []
    if trial.adapter.backward is None:
        missing.append("method that runs the backward pass (name it with --backward)")
    if trial.adapter.gradient is None:
        missing.append("attribute that holds the gradient (name it with --gradient)")
    if missing:
        raise Failed(f"found no {' and no '.join(missing)}", [trial.adapter.leaf("a", 2.0)])


# --- each op by itself --------------------------------------------------------------------------

# Numbers that a person would try, some negative, some large, none special.
_POOL = (2.0, 3.0, 0.5, -1.5, -2.0, 1.5, 0.25, -0.5, 4.0, -3.0, 0.75, 10.5, 4.75)


def _points(function: Operation, seed: int) -> Iterator[tuple[float, ...]]:
    """Yield points at which the function is tame: plain ones first, then random ones."""
    count = _operands(function)
    found = itertools.product(_POOL, repeat=count)
    yield from itertools.islice((p for p in found if function.is_tame(p)), 16)
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


def _programs(trial: Trial, op: str) -> Iterator[Program]:
    """Yield the programs that apply just this op to leaves."""
    if not trial.has(op) and op == "**" and trial.has("**2"):
        for power in _UNARY_POWERS:
            yield from _applied(trial, power)
    elif trial.has(op):
        yield from _applied(trial, FUNCTIONS[op])
    elif op in SYMBOLS and trial.adapter.sides[op]:
        raise Absent(f"{op} takes plain numbers only")
    else:
        raise Absent(f"{op} is not there", op)


def _applied(trial: Trial, function: Operation) -> Iterator[Program]:
    count = _operands(function)
    expression = Expression(count, (Step(function, tuple(range(count))),))
    for point in _points(function, trial.options.seed):
        yield from_expression(expression, point, trial.adapter)


def _value(trial: Trial, op: str) -> None:
    for program in _programs(trial, op):
        if op in _SEVERAL_FORMS:
            raise Absent(f"engines mean different functions by {op}: its derivative is checked")
        trial.check_value(program)


def _derivative(trial: Trial, op: str) -> None:
    for program in _programs(trial, op):
        trial.check_gradient(program)


def _sound(trial: Trial, op: str) -> None:
    if op in {p.name for p in _UNARY_POWERS}:
        op = "**"
    for program in _programs(trial, op):
        if op in _SEVERAL_FORMS:
            trial.check_gradient(program)
        else:
            trial.check(program)


def _numbers(trial: Trial, op: str) -> None:
    if not trial.has(op):
        there_at_all = bool(trial.adapter.sides[op])
        raise Absent(f"{op} of two nodes is not there", None if there_at_all else op)
    if _takes_no_numbers(trial, op):
        raise Absent(f"{op} takes no plain numbers", op)
    for side in ("right", "left"):
        for x, y in ((3.0, 2.0), (2.0, 3.0), (0.5, 4.0), (4.75, 0.5), (3.0, 0.0)):
            if not y and (op, side) in (("/", "right"), ("**", "left")):
                continue  # 3 / 0, and 0 ** a, whose derivative needs the logarithm of 0
            if op == "%":
                x, y = 10.5, 4.75
            code = f"b = a {op} {number(y)}" if side == "right" else f"b = {number(y)} {op} a"
            program = from_lines([x], code, "b")
            if op == "%":
                right = x % y if side == "right" else y % x
                lines = program.build(trial.adapter)
                reply = trial.run(lines, [trial.adapter.read("b")])
                if reply.get("values") != [right]:
                    raise Failed(f"a plain number on the {side} of % is not taken", lines)
                continue
            trial.check(program)


def _takes_no_numbers(trial: Trial, op: str) -> bool:
    """Return whether plain numbers are just not there: refused, or by no op taken."""
    by_any = any(trial.adapter.sides[other] for other in "+-*/")
    return not trial.adapter.sides[op] and not (by_any and trial.broken_sides(op))


def _large(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Absent(f"{op} is not there", op)
    function = FUNCTIONS[op]
    expression = Expression(1, (Step(function, (0,)),))
    for x in _LARGE[op]:
        program = from_expression(expression, [x], trial.adapter)
        trial.check(program)


_BOTH = (30.0, -30.0, 400.0, -400.0, 1000.0, -1000.0, 1e6, -1e6)
_LARGE: dict[str, tuple[float, ...]] = {
    "tanh": _BOTH,
    "sigmoid": _BOTH,
    "softplus": _BOTH,
    "silu": _BOTH,
    "relu": _BOTH,
    "atan": _BOTH,
    "exp": (-30.0, -400.0, -1000.0),
    "log": (1e6, 1e100, 1e300, 1e-300),
    "sqrt": (1e6, 1e100, 1e300, 1e-300),
}

# Op, inputs, and whether an infinity is an answer too (at a pole).
_OUTSIDE: dict[str, tuple[tuple[tuple[float, ...], bool], ...]] = {
    "/": (((1.0, 0.0), True), ((0.0, 0.0), False)),
    "log": (((-1.0,), False), ((0.0,), True)),
    "log2": (((-1.0,), False), ((0.0,), True)),
    "log10": (((-1.0,), False), ((0.0,), True)),
    "log1p": (((-2.0,), False), ((-1.0,), True)),
    "sqrt": (((-1.0,), False),),
    "acos": (((2.0,), False),),
    "asin": (((2.0,), False),),
    "acosh": (((0.5,), False),),
    "atanh": (((2.0,), False), ((1.0,), True)),
    "lgamma": (((-1.0,), True),),
    "gamma": (((-1.0,), True),),
}


def _domain(trial: Trial, op: str) -> None:
    if not trial.has(op):
        raise Absent(f"{op} is not there", op)
    adapter = trial.adapter
    for inputs, pole in _OUTSIDE[op]:
        names = "ab"[: len(inputs)]
        lines = [adapter.leaf(n, x) for n, x in zip(names, inputs, strict=True)]
        lines += [f"c = {adapter.call(op, list(names))}", *adapter.prepare("c")]
        reply = trial.run(lines, [adapter.read("c")])
        if "error" in reply:
            continue
        (found,) = reply["values"]
        if pole and found in (float("inf"), float("-inf")):
            continue
        shown = f"print({adapter.read('c')})  # right: an error, such as ValueError"
        text = number(found) if isinstance(found, float) else found
        where = ", ".join(map(number, inputs))
        raise Failed(f"{op} of {where} gives {text} without an error", [*lines, shown])


def _add_op_properties() -> None:
    def judge(f: Callable[[Trial, str], None], op: str) -> Callable[[Trial], None]:
        return lambda trial: f(trial, op)

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
        ("domain", _OUTSIDE, _domain, "Outside its domain {} raises an error and gives no NaN."),
    )
    for family, ops, f, sentence in families:
        for op in ops:
            name = f"{family}-{word(op)}"
            ALL.append(Property(name, sentence.format(op), judge(f, op), op))


_add_op_properties()


# --- graphs --------------------------------------------------------------------------------------


@law("int-inputs", "A whole number given as an int counts as the number it is.")
def _int_inputs(trial: Trial) -> None:
    adapter = trial.adapter
    judged = False
    for code, inputs in (
        ("c = a / b", (3.0, 2.0)),
        ("c = a * b", (3.0, 2.0)),
        ("c = a + b", (3.0, 2.0)),
    ):
        if not trial.sound(code[6]):
            continue
        judged = True
        program = from_lines(inputs, code, "c")
        lines = [f"{n} = {adapter.name}({int(x)})" for n, x in zip("ab", inputs, strict=True)]
        lines += [code, *adapter.prepare("c"), adapter.run_backward("c")]
        observed = [adapter.read("c"), *map(adapter.observe_gradient, "ab")]
        reply = trial.run(lines, observed)
        if "error" in reply and "TypeError" in reply["error"]["kinds"]:
            raise Absent(f"{adapter.name}(3) is refused: it takes floats only")
        rights = [program.value("c"), *program.gradient("c")]
        texts = [adapter.read("c"), *map(adapter.read_gradient, "ab")]
        for n, (text, right) in enumerate(zip(texts, rights, strict=True)):
            shown = [*lines, f"print({text})  # right: {number(right)}"]
            if "error" in reply:
                kind = reply["error"]["kinds"][0]
                raise Failed(f"whole numbers raise {kind}: {reply['error']['message']}", shown)
            found = reply["values"][n]
            if not isinstance(found, float) or abs(found - right) > 1e-5:
                raise Failed(f"{text} is {found}, right is {number(right)}", shown)
    if not judged:
        trial.need("+")


@law("sum", "The builtin sum of a list of nodes is their sum, with its derivatives.")
def _sum(trial: Trial) -> None:
    trial.need("+")
    if _takes_no_numbers(trial, "+"):
        raise Absent("+ takes no plain numbers, and sum starts from 0", "+")
    for code in ("c = sum([a, b])", "c = sum([a, b, a])"):
        program = from_lines([2.0, 3.0], code, "c")
        trial.check(program)


def _graphs(trial: Trial, cases: Sequence[tuple[str, tuple[float, ...]]]) -> None:
    """Judge graphs given as lines, those whose ops are sound; raise Absent if there are none."""
    judged = False
    for lines, inputs in cases:
        ops = {op for op in SYMBOLS if f" {op} " in lines}
        if not all(map(trial.sound, ops)):
            continue
        program = from_lines(inputs, lines, lines.split("\n")[-1].split(" = ")[0])
        try:
            program.value(program.outputs[0])
        except ZeroDivisionError:
            continue  # as in a - a, and then b / b
        judged = True
        trial.check(program)
    if not judged:
        trial.need("+")
        trial.need("*")


@law("reuse", "A node used several times gets the sum of what each use passes back.")
def _reuse(trial: Trial) -> None:
    cases = []
    for op in "+*-/":
        cases.append((f"b = a {op} a", (3.0,)))
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
    cases = []
    for p, q in itertools.product("+*-", repeat=2):
        cases.append((f"c = a {p} b\nd = c {q} a", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = a {q} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = b {q} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} b", (3.0, 2.0)))
    for p, q, r in itertools.product("+*-", repeat=3):
        cases.append((f"c = a {p} b\nd = c {q} a\ne = c {r} d", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} b\ne = d {r} c", (3.0, 2.0)))
        cases.append((f"c = a {p} a\nd = c {q} b\ne = d {r} c", (3.0, 2.0)))
        cases.append((f"c = a {p} b\nd = a {q} b\ne = c {r} d", (3.0, 2.0)))
    _graphs(trial, cases)


@law("equal-numbers", "Two nodes that hold the same number are still two nodes.")
def _equal_numbers(trial: Trial) -> None:
    cases = []
    for p, q in itertools.product("+*-/", repeat=2):
        cases.append((f"c = a {p} b", (2.0, 2.0)))
        cases.append((f"c = a {p} b\nd = c {q} b", (2.0, 2.0)))
        cases.append((f"c = a {p} b\nd = b {p} a\ne = c {q} d", (2.0, 2.0)))
    _graphs(trial, cases)


@law("random-graphs", "Backward through random graphs of all the engine's ops is right.")
def _random_graphs(trial: Trial) -> None:
    trial.need("+")
    ops = [FUNCTIONS[op] for op in OPS if FUNCTIONS[op].arity and trial.sound(op)]
    if trial.sound("**2"):
        ops += _UNARY_POWERS
    # Plain numbers stand only where they are taken rightly: else they have a property that fails.
    sides = {op: there for op, there in trial.adapter.sides.items() if trial.takes_numbers(op)}
    adapter = replace(trial.adapter, sides=sides)
    found: list[Case] = []

    @hypothesis_seed(trial.options.seed)
    @settings(
        max_examples=trial.options.graphs,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(expressions(ops, max_ops=10))
    def judge(drawn: tuple[Expression, list[float]]) -> None:
        case = (drawn[0], tuple(drawn[1]))
        if not found and _failure(trial, adapter, case) is not None:
            found.append(case)

    judge()
    if found:
        simplest = simplify(
            found[0],
            lambda case: not trial.hurried() and _failure(trial, adapter, case) is not None,
        )
        failed = _failure(trial, adapter, simplest) or _failure(trial, adapter, found[0])
        raise failed or Failed("an expression fails, but not each time", trial.last_lines)


def _failure(trial: Trial, adapter: Adapter, case: Case) -> Failed | None:
    """Return what is wrong with the engine's answer to an expression, None if it is right."""
    program = from_expression(*case, adapter)
    # Where rounding counts for more than this, a comparison says nothing.
    if program.margin <= 1e-4:
        try:
            trial.check(program)
        except Failed as failed:
            return failed
    return None


@law("operands-unchanged", "Computing with nodes and the backward pass leave their numbers alone.")
def _operands_unchanged(trial: Trial) -> None:
    adapter = trial.adapter
    cases = [(f"c = a {op} b", op) for op in SYMBOLS]
    cases += [(f"c = a\nc {op}= b", op) for op in "+-*/"]
    cases += [("c = a\nc **= 2.0", "**2"), ("c = a ** 2.0", "**2")]
    cases += [("c = -a", "neg"), ("c = abs(a)", "abs")]
    for op in OPS:
        if adapter.spelling(op) and op not in ("neg", "abs") and FUNCTIONS[op].arity == 1:
            cases.append((f"c = {adapter.call(op, ['a'])}", op))
    found_any = False
    for code, op in cases:
        if not trial.sound(op):
            continue
        found_any = True
        function = FUNCTIONS.get(op, _UNARY_POWERS[0])
        for inputs in ((3.0, 2.0), (-3.0, 2.0), (0.5, 0.25), (10.5, 4.75), (1.5, 0.25)):
            if function.is_tame(inputs[: function.arity]):
                _unchanged(trial, code, inputs)
    if not found_any:
        raise Absent("no op is there, or none is right")


def _unchanged(trial: Trial, code: str, inputs: Sequence[float]) -> None:
    adapter = trial.adapter
    lines = [adapter.leaf(n, x) for n, x in zip("ab", inputs, strict=True)]
    lines += [*code.split("\n"), *adapter.prepare("c")]
    for actions in ([], [adapter.run_backward("c")]):
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


@law("unrelated-leaves", "Leaves that the output does not depend on get no gradient.")
def _unrelated_leaves(trial: Trial) -> None:
    adapter = trial.adapter
    op = _op_for_graphs(trial)
    backward = adapter.run_backward
    program = from_lines([3.0, 2.0], f"c = a {op} a", "c")
    trial.check_gradient(program)
    for dead in (f"d = b {op} b", f"d = b {op} a", f"d = c {op} b"):
        program = from_lines([3.0, 2.0], f"c = a {op} a\n{dead}", "c")
        trial.check_gradient(program)
    program = from_lines([3.0, 2.0], f"c = a {op} a\nd = b {op} b", "c d")
    trial.check_gradient(program, [backward("c"), backward("d")], [["c", "d"]])


@law("seed", "The backward pass starts with 1, the output's derivative by itself.")
def _seed(trial: Trial) -> None:
    adapter = trial.adapter
    lines = [adapter.leaf("a", 3.0), adapter.run_backward("a")]
    reply = trial.run(lines, [adapter.observe_gradient("a")])
    # Some engines refuse a backward pass from a leaf.
    if "error" not in reply or "RuntimeError" not in reply["error"]["kinds"][:1]:
        trial.no_error(reply, lines)
        (found,) = reply["values"]
        if found != 1.0:
            shown = f"print({adapter.read_gradient('a')})  # right: 1.0"
            raise Failed(f"a leaf's derivative by itself is {found}, right is 1.0", [*lines, shown])
    op = _op_for_graphs(trial)
    program = from_lines([3.0], f"b = a {op} a", "b")
    trial.check_gradient(program)
    doubled = adapter.run_backward_from("b", 2.0)
    if doubled is not None:
        trial.check_gradient(program, [doubled], [["b", "b"]])
    lines = [*program.build(adapter), adapter.run_backward("b")]
    reply = trial.run(lines, [adapter.observe_gradient("b")])
    trial.no_error(reply, lines)
    (found,) = reply["values"]
    # An engine may keep no gradients but the leaves'.
    if found not in (None, 0.0, 1.0):
        shown = f"print({adapter.read_gradient('b')})  # right: 1.0"
        raise Failed(f"the output's own gradient is {found}, right is 1.0", [*lines, shown])


def _op_for_graphs(trial: Trial) -> str:
    """Return the op to build graphs of: `*`, or `+` if that is all there is."""
    if trial.sound("*"):
        return "*"
    if trial.sound("+"):
        return "+"
    trial.need("*")
    raise AssertionError


def _refused(trial: Trial, lines: Sequence[str], what: str) -> None:
    """Raise Absent if the engine says no, in its own words, instead of giving a number."""
    reply = trial.run(lines, [])
    if "error" in reply and reply["error"]["kinds"][0] == "RuntimeError":
        raise Absent(f"{what} is refused: {reply['error']['message']}")


@law("fresh-graph", "After setting gradients to zero, a new graph gives its own gradient.")
def _fresh_graph(trial: Trial) -> None:
    adapter = trial.adapter
    op = _op_for_graphs(trial)
    zero = [adapter.zero(n) for n in "ab"]
    if None in zero:
        raise Absent("found no way to set a gradient to zero")
    zeros = [line for line in zero if line is not None]
    first = f"c = a {op} b"
    program = from_lines([3.0, 2.0], first, "c")
    lines = [*program.build(adapter), adapter.run_backward("c"), *zeros]
    reply = trial.run(lines, [])
    if "error" in reply and reply["error"]["line"] and reply["error"]["line"] > len(lines) - 2:
        raise Absent(f"a gradient cannot be set: {reply['error']['message']}")
    for second in (f"d = a {op} b", f"d = a {op} b\nd = d {op} a"):
        whole = from_lines([3.0, 2.0], second, "d")
        before = [*program.lines, *adapter.prepare("c"), adapter.run_backward("c"), *zeros]
        again = Program(whole.inputs, (*before, *whole.lines), ("d",), whole.reference)
        trial.check_gradient(again)


@law("second-backward", "A second backward pass over a graph counts its gradient once more.")
def _second_backward(trial: Trial) -> None:
    adapter = trial.adapter
    op = _op_for_graphs(trial)
    for code, output in ((f"b = a {op} a", "b"), (f"b = a {op} a\nc = b {op} b", "c")):
        program = from_lines([3.0], code, output)
        actions = [adapter.run_backward(output)] * 2
        _refused(trial, [*program.build(adapter), *actions], "a second pass over a graph")
        # An engine may add to the gradients of the leaves, or set them.
        trial.check_gradient(program, actions, [[output, output], [output]])


@law("overlapping-graphs", "Backward passes over graphs that share nodes each count once.")
def _overlapping_graphs(trial: Trial) -> None:
    adapter = trial.adapter
    op = _op_for_graphs(trial)
    for code in (
        f"b = a {op} a\nc = b {op} a",
        f"b = a {op} a\nc = b {op} b\nd = b {op} a",
        f"b = a {op} a\nc = b {op} a\nd = b {op} b",
    ):
        first, last = ("c", "d") if "d" in code else ("b", "c")
        for p, q in ((first, last), (last, first)):
            program = from_lines([3.0], code, f"{p} {q}")
            actions = [adapter.run_backward(p), adapter.run_backward(q)]
            _refused(trial, [*program.build(adapter), *actions], "a pass over a shared part")
            trial.check_gradient(program, actions, [[p, q], [q]])


def _loop(trial: Trial, step: str, times: int) -> str:
    return f"b = a\nfor _ in range({times}):\n    {step}\n"


@law("depth", "A chain of 10,000 ops is differentiated.")
def _depth(trial: Trial) -> None:
    trial.need("+")
    step = "b = b + 1.0" if "right" in trial.adapter.sides["+"] else "b = b + a"
    program = from_lines([1.0], _loop(trial, step, 10_000), "b")
    trial.check_gradient(program, collect=True)
    trial.check_value(program)


@law("doublings", "60 doublings take work in proportion to 60, not to 2**60.")
def _doublings(trial: Trial) -> None:
    trial.need("+")
    program = from_lines([1.0], _loop(trial, "b = b + b", 60), "b")
    trial.check_value(program)
    trial.check_gradient(program, collect=True)


@law("memory", "A graph that is dropped is freed, at the latest by the garbage collector.")
def _memory(trial: Trial) -> None:
    trial.need("+")
    adapter = trial.adapter
    count = "sum(type(o) in kinds for o in gc.get_objects())"
    lines = [
        "import gc",
        adapter.leaf("a", 1.0),
        "kinds = {type(a), type(a + a)}",
        "gc.collect()",
        f"before = {count}",
        *_loop(trial, "b = b + a", 100).split("\n"),
        *adapter.prepare("b"),
        adapter.run_backward("b"),
    ]
    reply = trial.run(lines, [f"{count} - before"])
    trial.no_error(reply, lines)
    if reply["values"][0] < 90:
        raise Absent("the engine's nodes cannot be counted: Python's collector does not see them")
    dropped = [*lines, "del b", "gc.collect()"]
    (left,) = trial.run(dropped, [f"{count} - before"])["values"]
    if left > 20:
        shown = f"print({count} - before)  # right: 0"
        raise Failed(
            f"{left:.0f} nodes of 100 are left when the graph is dropped", [*dropped, shown]
        )


@law("builtins", "Importing and using the engine leaves Python's builtins as they are.")
def _builtins(trial: Trial) -> None:
    trial.run([], [])
    if trial.changed:
        raise Failed(
            f"importing the engine changes {', '.join(trial.changed)}",
            [f"import {trial.changed[0].split('.')[0]}", f"print({trial.changed[0]})"],
        )


def prepare(trial: Trial) -> None:
    """Let the trial find out what the engine has, and which ops can be relied on."""
    trial.judge_op = _sound
    trial.judge_numbers = _numbers
    trial.look_for_operators()
