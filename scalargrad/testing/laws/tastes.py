"""Where opinions differ: slopes at kinks, and what log does at and below 0."""

from functools import partial
from typing import Any, NamedTuple

from scalargrad.testing.adapter import Absent, Missing, letters, number
from scalargrad.testing.cases import Program
from scalargrad.testing.laws.law import Judge, Laws, Property
from scalargrad.testing.laws.ops import at, log_epsilon
from scalargrad.testing.laws.soundness import cause_of, is_right
from scalargrad.testing.trial import Failed, Trial

KINKS, LAWS = Laws(), Laws()


class Kink(NamedTuple):
    """A point where an op has no derivative; the slopes beside it, low and high, and PyTorch's."""

    op: str
    inputs: tuple[float, ...]
    low: float
    pytorch: float
    high: float = 1.0


_KINKS = (
    Kink("relu", (0.0,), 0.0, 0.0),
    Kink("abs", (0.0,), -1.0, 0.0),
    Kink("maximum", (2.0, 2.0), 0.0, 0.5),
    Kink("minimum", (2.0, 2.0), 0.0, 0.5),
)


@KINKS.law(
    "kinks", "At the kinks of relu, abs, maximum and minimum a slope between the sides is given."
)
def _kinks(trial: Trial) -> None:
    judged = False
    for kink in _KINKS:
        if is_right(trial, kink.op):
            judged = True
            slopes, lines = _slopes_at(trial, kink)
            if not all(kink.low <= slope <= kink.high for slope in slopes):
                read = trial.adapter.gradient("c", "a")
                reason = f"{read} is {slopes[0]}, right is {kink.low} to {kink.high}"
                raise Failed(reason, lines)
    if not judged:
        raise Absent("neither relu nor abs, maximum and minimum are there and right")


def _slopes_at(trial: Trial, kink: Kink) -> tuple[list[float], list[str]]:
    """Return the slopes that the engine gives, and the code that shows the first."""
    names = letters(len(kink.inputs))
    code = f"c = {trial.adapter.call(kink.op, names)}"
    program = Program(kink.inputs, (code,), ("c",), {"c": lambda z: z[0]})
    shown = f"print({trial.adapter.gradient('c', 'a')})  # right: from {kink.low} to {kink.high}"
    slopes: list[Any] = []
    for question in program.gradient_questions(trial.adapter):
        reply = trial.run(question.lines, [], question.reads)
        lines = [*question.lines, shown]
        trial.no_error(reply, lines, question)
        slopes += question.numbers(reply)
    return [s if isinstance(s, float) else float("nan") for s in slopes], lines


def _taste(trial: Trial, what: str, here: str, pytorch: str) -> None:
    """Note a choice that is not PyTorch's; raise Failed where PyTorch's taste is asked for."""
    text = f"{what}: {here} here, {pytorch} in PyTorch"
    if trial.options.taste == "pytorch":
        raise Failed(text, [])
    trial.choices.append(text)


def _taste_at(trial: Trial, kink: Kink) -> None:
    op = kink.op
    trial.needs("kinks")
    if not is_right(trial, op):
        raise Absent(f"needs {op}, which is wrong by itself", op, cause_of(trial, op))
    slopes, _ = _slopes_at(trial, kink)
    if any(slope != kink.pytorch for slope in slopes):
        what = f"{op}'s slope at {', '.join(map(number, kink.inputs))}"
        rights = ", ".join([number(kink.pytorch)] * len(kink.inputs))
        _taste(trial, what, ", ".join(map(number, slopes)), rights)


def _taste_log_exact(trial: Trial) -> None:
    added = log_epsilon(trial)
    if added:
        _taste(trial, "log(x)", f"log(x + {added:.1e})", "log(x)")


def _taste_outside(trial: Trial) -> None:
    found, _ = at(trial, "log", (-1.0,))
    if found == "error":
        _taste(trial, "log(-1)", "an error", "nan")


def _add(name: str, law: str, op: str, judge: Judge) -> None:
    def if_there(trial: Trial) -> None:
        if not trial.has(op):
            raise Missing(op)
        judge(trial)

    LAWS.append(Property(f"taste-{name}", law, if_there, op))


for _kink in _KINKS:
    _law = f"At the kink of {_kink.op} the slope is PyTorch's."
    _add(_kink.op, _law, _kink.op, partial(_taste_at, kink=_kink))
_add("log-exact", "log adds nothing to its argument.", "log", _taste_log_exact)
_add("log-outside", "log(-1) is nan, as PyTorch's.", "log", _taste_outside)
