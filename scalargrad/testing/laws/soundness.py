"""What may be built on: ops whose own laws hold, so that a law is tested with these alone."""

from scalargrad.testing.adapter import Absent
from scalargrad.testing.laws.law import POWERS, word
from scalargrad.testing.trial import Trial

# An engine may choose their slope or their form.
SEVERAL_FORMS = {"leaky_relu", "elu", "gelu"}


def is_right(trial: Trial, op: str) -> bool:
    """Return whether an op is there, and its numbers and derivatives are right, on leaves."""
    if not trial.has(op):
        return False
    name = f" {op}" if op in POWERS else f"-{word(op)}"
    return (op in SEVERAL_FORMS or trial.holds(f"value{name}")) and (
        trial.adapter.mode == "values" or trial.holds(f"derivative{name}")
    )


def is_sound(trial: Trial, op: str) -> bool:
    """Return whether graphs may be built of an op: its own laws hold."""
    return is_right(trial, op) and trial.holds(f"chain {op}") and trial.holds(f"reuse {op}")


def cause_of(trial: Trial, op: str) -> str | None:
    """Return the property of an op that failed, the reason why it may not be built on."""
    names = [f"value-{word(op)}", f"derivative-{word(op)}", f"chain {op}", f"reuse {op}"]
    return next((name.split(" ")[0] for name in names if trial.failed(name)), None)


def need_right(trial: Trial, op: str) -> None:
    """Raise Absent unless an op is right by itself."""
    if not is_right(trial, op):
        need_sound(trial, op)


def need_sound(trial: Trial, op: str) -> None:
    """Raise Absent unless an op is sound: a law about graphs is not tested with bad ones."""
    if not trial.has(op):
        raise Absent(f"needs {op}, which is not there", op)
    if not is_sound(trial, op):
        cause = cause_of(trial, op)
        why = "is wrong by itself" if cause else "was not tested with others"
        raise Absent(f"needs {op}, which {why}", op, cause)


def op_for_graphs(trial: Trial) -> str:
    """Return the op to build graphs without reuse of: `*`, or `+` if that is all there is."""
    for op in "*+":
        if is_right(trial, op):
            return op
    need_sound(trial, "*")
    raise AssertionError
