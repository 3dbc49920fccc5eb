"""The laws of an engine as a whole: it is usable, its own work, and modest in depth and memory."""

from contextlib import suppress

from scalargrad.testing.adapter import Absent
from scalargrad.testing.cases import from_lines
from scalargrad.testing.functions import SYMBOLS
from scalargrad.testing.laws.law import Laws
from scalargrad.testing.laws.soundness import need_right, need_sound
from scalargrad.testing.process import EngineDiedError
from scalargrad.testing.trial import Failed, Trial

FIRST, LAWS = Laws(), Laws()


@FIRST.law("usable", "The class takes one number, and has it, its gradient and a backward pass.")
def _usable(trial: Trial) -> None:
    if trial.adapter.mode == "values":
        tried = "".join(f"\n    {text}" for text in trial.adapter.tried)
        raise Failed(
            "found no way to the derivatives of a + b and a * b: name the pass with --backward, "
            f"or how a leaf is made with --leaf '{trial.name}({{}})'. Tried, among others:{tried}",
            trial.adapter.shown or [trial.adapter.leaf("a", 3.0)],
        )


@FIRST.law(
    "own-arithmetic", "The engine computes by itself: no other package differentiates for it."
)
def _own_arithmetic(trial: Trial) -> None:
    adapter = trial.adapter
    leaves = [adapter.leaf("a", 3.0, 1.0), adapter.leaf("b", 2.0)]
    computing: set[str] = set()
    imported: set[str] = set()
    for op in ("+", "*", "exp", "tanh"):
        if trial.has(op):
            call = adapter.call(op, ["a", "b"] if op in SYMBOLS else ["a"])
            lines = [*leaves, f"c = {call}", *adapter.prepare("c"), *adapter.go_back("c")]
            with suppress(EngineDiedError):  # an op that hangs or ends the process says nothing
                found = trial.watch(lines)
                computing.update(found.get("computes", ()))
                imported.update(found.get("imported", ()))
    allowed = trial.options.allow
    if allowed is None:
        foreign = (computing & OTHER_ENGINES) | (imported & {"scalargrad"})
    else:
        foreign = (computing | imported) - set(allowed)
    for package in sorted(foreign):
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


def _loop(step: str, times: int) -> str:
    return f"b = a\nfor _ in range({times}):\n    {step}"


@LAWS.law("depth", "A chain of 10,000 ops is differentiated.")
def _depth(trial: Trial) -> None:
    trial.needs("chain")
    need_right(trial, "+")
    plain = "right" in trial.adapter.sides["+"] and trial.holds("numbers-add")
    step = "b = b + 1.0" if plain else "b = b + c"
    inputs = [3.0] if plain else [3.0, 2.0, 1.0]
    program = from_lines(inputs, _loop(step, 10_000), "b")
    if trial.adapter.mode != "values":
        trial.check_gradient(program, leaves=["a"], collect=True)
    trial.check_value(program)


@LAWS.law("doublings", "60 doublings take work in proportion to 60, not to 2**60.")
def _doublings(trial: Trial) -> None:
    trial.needs("reuse")
    need_sound(trial, "+")
    program = from_lines([1.0], _loop("b = b + b", 60), "b")
    trial.check_value(program)
    trial.check_gradient(program, collect=True)


@LAWS.law("memory", "A graph that is dropped is freed, at the latest by the garbage collector.")
def _memory(trial: Trial) -> None:
    need_right(trial, "+")
    adapter = trial.adapter
    count = "sum(type(o) in kinds for o in gc.get_objects())"
    lines = [
        "import gc",
        adapter.leaf("a", 1.0),
        f"kinds = {{type(a), type({adapter.call('+', ['a', 'a'])})}}",
        "gc.collect()",
        f"before = {count}",
        *_loop(f"b = {adapter.call('+', ['b', 'a'])}", 100).split("\n"),
        *adapter.prepare("b"),
        *adapter.go_back("b"),
    ]
    reply = trial.run(lines, [f"{count} - before"])
    if "error" in reply:
        raise Absent(f"a chain of 100 ops raises {reply['error']['kind']}", cause="depth")
    if reply["values"][0] < 90:
        raise Absent("the engine's nodes cannot be counted: Python's collector does not see them")
    # Where a leaf keeps what was made of it, the leaf is a part of the graph.
    names = "a, b" if adapter.mode == "pull" else "b"
    # A gradient that is a node has a graph of its own.
    is_node = adapter.mode == "reverse" and adapter.gradient_form.count(".") > 1
    zero = adapter.zero("a") if is_node else None
    dropped = [*lines, *([zero] if zero else []), f"del {names}"]
    dropped += [*(["gradients = None"] if adapter.is_dictionary else []), "gc.collect()"]
    reply = trial.run(dropped, [f"{count} - before"])
    trial.no_error(reply, dropped)
    (left,) = reply["values"]
    if left > 20:
        shown = f"print({count} - before)  # right: 0"
        raise Failed(
            f"{left:.0f} nodes of 100 are left when the graph is dropped", [*dropped, shown]
        )


@LAWS.law("builtins", "Importing and using the engine leaves Python's builtins as they are.")
def _builtins(trial: Trial) -> None:
    trial.run([])
    changed = trial.ready["changed"]
    if changed:
        raise Failed(
            f"importing the engine changes {', '.join(changed)}",
            [f"import {changed[0].split('.')[0]}", f"print({changed[0]})"],
        )
