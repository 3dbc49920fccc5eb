"""The laws of graphs: that each path counts, once, whatever the graph's shape."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from scalargrad.testing.adapter import DUNDERS, Absent, Adapter
from scalargrad.testing.cases import (
    Program,
    Question,
    from_expression,
    from_lines,
    without_dead_ends,
)
from scalargrad.testing.expressions import Expression, expressions
from scalargrad.testing.functions import FUNCTIONS, SYMBOLS
from scalargrad.testing.laws.law import OPS, POWERS, Laws, operation, word
from scalargrad.testing.laws.ops import POOL, takes_no_numbers
from scalargrad.testing.laws.soundness import (
    is_right,
    is_sound,
    need_right,
    need_sound,
)
from scalargrad.testing.trial import Failed, Trial

LAWS = Laws()


@LAWS.law("sum", "The builtin sum of a list of nodes is their sum, with its derivatives.")
def _sum(trial: Trial) -> None:
    need_right(trial, "+")
    if takes_no_numbers(trial, "+") or DUNDERS["+"] not in trial.adapter.dunders:
        raise Absent("+ takes no plain numbers, and sum starts from 0", "+")
    trial.needs("numbers-add", "chain")
    trial.check(from_lines([2.0, 3.0], "c = sum([a, b])", "c"))
    if is_sound(trial, "+") and not trial.breaks("equal-numbers"):  # 0 + a is a's number again
        trial.check(from_lines([2.0, 3.0], "c = sum([a, b, a])", "c"))


@LAWS.law("chain", "Each op multiplies the derivative that arrives by its own.")
def _chain(trial: Trial) -> None:
    _each_op(trial, "chain")


def _each_op(trial: Trial, name: str) -> None:
    """Judge all ops that are right by themselves; raise Absent if there are none."""
    judged = False
    for op in (*OPS, "**2"):
        # A unary power stands for ** where that takes no node, or is wrong for nodes.
        if is_right(trial, op) and (op not in POWERS or not is_right(trial, "**")):
            trial.settle(f"{name} {op}")
            judged = True
    if not judged:
        raise Absent("no op is there, or none is right")


Graph = tuple[str, tuple[float, ...]]


def _of_ops(ops: str, count: int, *graphs: Graph) -> list[Graph]:
    """Return graphs with each choice of ops for {0}, {1}, ... in their lines."""
    choices = itertools.product(ops, repeat=count)
    return [(lines.format(*chosen), inputs) for chosen in choices for lines, inputs in graphs]


def _graphs(trial: Trial, cases: Sequence[Graph], equal: bool = False) -> None:
    """Judge graphs given as lines, those whose ops are sound; raise Absent if there are none.

    Unless `equal`, no two nodes hold the same number.
    """
    programs = []
    for lines, inputs in cases:
        ops = {op for op in SYMBOLS if f" {op} " in lines}
        if not all(is_sound(trial, op) for op in ops):
            continue
        program = from_lines(inputs, lines, lines.split("\n")[-1].split(" = ")[0])
        try:
            numbers = program.numbers()
        except ZeroDivisionError:
            continue  # as in a - a, and then b / b
        if equal or len({round(x, 9) for x in numbers}) == len(numbers):
            programs.append(program)
    if not programs:
        need_sound(trial, "+")
        need_sound(trial, "*")
    trial.check_all(programs)


@LAWS.law("reuse", "A node used several times gets the sum of what each use passes back.")
def _reuse(trial: Trial) -> None:
    trial.needs("chain")
    _each_op(trial, "reuse")
    # In these no order of the nodes is wrong that has each after all that use it: of those in
    # between none is used by two others.
    two = _of_ops(
        "+*-/",
        2,
        ("b = a {0} a\nc = b {1} a", (3.0,)),
        ("b = a {0} a\nc = a {1} b", (2.0,)),
        ("b = a {0} a\nc = b {1} b", (3.0,)),
    )
    three = _of_ops(
        "+*-",
        3,
        ("b = a {0} a\nc = b {1} a\nd = c {2} a", (2.0,)),
        ("b = a {0} a\nc = b {1} b\nd = c {2} c", (2.0,)),
        ("b = a {0} a\nc = b {1} a\nd = a {2} c", (2.0,)),
    )
    _graphs(trial, two + three)


@LAWS.law("diamonds", "Paths that part and meet again, of any lengths, are all counted, once each.")
def _diamonds(trial: Trial) -> None:
    trial.needs("reuse")
    at = (3.0, 2.0)
    two = _of_ops(
        "+*-",
        2,
        ("c = a {0} b\nd = c {1} a", at),
        ("c = a {0} b\nd = a {1} c", at),
        ("c = a {0} b\nd = b {1} c", at),
        ("c = a {0} b\nd = c {1} b", at),
    )
    three = _of_ops(
        "+*-",
        3,
        ("c = a {0} b\nd = c {1} a\ne = c {2} d", at),
        ("c = a {0} b\nd = c {1} a\ne = d {2} c", at),
        ("c = a {0} b\nd = c {1} b\ne = d {2} c", at),
        ("c = a {0} a\nd = c {1} b\ne = d {2} c", at),
        ("c = a {0} b\nd = a {1} b\ne = c {2} d", at),
    )
    # One side of the diamond longer than the other, and both longer than one.
    long: list[Graph] = [
        ("c = a * b\nd = c + a\ne = d * b\nf = e + c", at),
        ("c = a * b\nd = c + a\ne = d * b\nf = c * e", at),
        ("c = a * b\nd = c + c\ne = d * a\nf = e + d\ng = f * c", at),
    ]
    _graphs(trial, two + three + long)


@LAWS.law("equal-numbers", "Two nodes that hold the same number are still two nodes.")
def _equal_numbers(trial: Trial) -> None:
    trial.needs("chain")
    _equal_in_trees(trial)
    same = (2.0, 2.0)
    cases = _of_ops("+*-/", 1, ("c = a {0} b", same))
    if not trial.breaks("reuse") and not trial.breaks("diamonds"):
        cases += _of_ops(
            "+*-/",
            2,
            ("c = a {0} b\nd = c {1} b", same),
            ("c = a {0} b\nd = b {0} a\ne = c {1} d", same),
        )
    _graphs(trial, cases, equal=True)


def _equal_in_trees(trial: Trial) -> None:
    """Judge graphs without reuse, in which a leaf holds the same number as a result."""
    for op, same in (("+", 5.0), ("*", 6.0)):
        if is_right(trial, op):
            for lines in (f"d = a {op} b\ne = c {op} d", f"d = a {op} b\ne = d {op} c"):
                trial.check_gradient(from_lines([3.0, 2.0, same], lines, "e"))


@LAWS.law("random-graphs", "Backward through random graphs of all the engine's ops is right.")
def _random_graphs(trial: Trial) -> None:
    trial.needs("reuse", "diamonds", "equal-numbers", "operands-unchanged", "unrelated-leaves")
    need_sound(trial, "+" if trial.has("+") else "*")
    ops = [FUNCTIONS[op] for op in OPS if FUNCTIONS[op].arity and is_sound(trial, op)]
    if trial.holds("numbers-pow") and not trial.breaks("zero-powers"):
        ops += [power for power in POWERS.values() if is_sound(trial, power.name)]
    # Plain numbers stand only where they are taken rightly: else they have a property that fails.
    taken = {op for op in SYMBOLS if trial.holds(f"numbers-{word(op)}")}
    sides = {op: there for op, there in trial.adapter.sides.items() if op in taken}
    adapter = replace(trial.adapter, sides=sides)
    found: list[Failed] = []
    tried: list[object] = []

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
        tried.append(drawn)
        expression, point = without_dead_ends(*drawn)
        programs = [from_expression(expression, point, adapter)]
        if adapter.names_output and expression != drawn[0]:
            # To this engine, steps that the output does not need may matter.
            programs.append(from_expression(*drawn, adapter))
        try:
            # Where rounding counts for more than this, a comparison says nothing.
            trial.check_all(program for program in programs if program.margin <= 1e-4)
        except Failed as failed:
            if not found or failed.raised == found[0].raised:
                found.append(failed)
                raise

    try:
        judge()
    except (Failed, HypothesisException):
        raise found[-1] from None
    if len(tried) < trial.options.graphs / 10:
        raise Absent(f"there was time for {len(tried)} graphs only")


def _numbers_to_draw() -> st.SearchStrategy[float]:
    """Return a strategy for numbers that shrink to plain ones, no two of them alike in effect."""
    return st.sampled_from(POOL) | st.floats(-3, 3, allow_subnormal=False)


@LAWS.law(
    "operands-unchanged", "Computing with nodes and the backward pass leave their numbers alone."
)
def _operands_unchanged(trial: Trial) -> None:
    adapter = trial.adapter
    cases = [(f"c = {adapter.call(op, ['a', 'b'])}", op) for op in SYMBOLS if trial.has(op)]
    native = [op for op in "+-*/" if DUNDERS[op] in adapter.dunders]
    cases += [(f"c = a\nc {op}= b", op) for op in native]
    cases += [("c = a\nc **= 2.0", "**2"), ("c = a ** 2.0", "**2")]
    for op in OPS:
        if FUNCTIONS[op].arity == 1 and trial.has(op):
            cases.append((f"c = {adapter.call(op, ['a'])}", op))
    cases = [(code, op) for code, op in cases if is_right(trial, op)]
    if not cases:
        raise Absent("no op is there, or none is right")
    points = ((3.0, 2.0), (-3.0, 2.0), (0.5, 0.25), (10.5, 4.75), (1.5, 0.25))
    questions = [
        _unchanged(adapter, code, point, actions)
        for code, op in cases
        for point in points
        if operation(op).is_tame(point[: operation(op).arity])
        for actions in ([], adapter.go_back("c"))
    ]
    trial.ask(questions, errors=False)
    # What a graph holds is not changed by `+=` on a name for one of its leaves. Where the class
    # does not define that, it makes a new node.
    if adapter.mode == "reverse" and is_right(trial, "*"):
        for op in native:
            if is_right(trial, op) and DUNDERS[op].replace("__", "__i", 1) in adapter.dunders:
                lines = f"c = a * b\na {op}= b"
                trial.check_gradient(from_lines([3.0, 2.0], lines, "c"), leaves=["b"])


def _unchanged(
    adapter: Adapter, code: str, inputs: tuple[float, ...], actions: Sequence[str]
) -> Question:
    """Return the question for the inputs' own numbers, after an op and a backward pass."""
    program = Program(inputs, tuple(code.split("\n")), ("c",))
    lines = [*program.build(adapter), *actions]
    reads = [adapter.read(name) for name in program.leaves]
    return Question(program, lines, reads, [[x] for x in inputs], 1e-6)


PARTS = {"equal-numbers in trees": _equal_in_trees}
"""The judge of a part of a law."""
