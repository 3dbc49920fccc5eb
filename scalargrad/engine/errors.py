"""What errors say: which op failed, on which inputs with their labels, and what to do about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from numbers import Complex
from typing import Any, NoReturn

from scalargrad.engine.context import tracing
from scalargrad.engine.op import Op
from scalargrad.engine.real import is_real

# What arithmetic on unfit numbers raises.
FAILURES = (ArithmeticError, ValueError, TypeError)


def shown(x: object) -> str:
    """Return the repr of `x`; of an int too long for Python to write, how long it is.

    >>> shown(2.5), shown(10**5000)
    ('2.5', 'an int of 16610 bits')
    """
    try:
        return repr(x)
    except ValueError:
        return f"an int of {x.bit_length()} bits" if isinstance(x, int) else type(x).__name__


class Shown:
    """A number and its label, for an error to name."""

    __slots__ = ("label", "number")

    def __init__(self, number: object, label: str) -> None:
        self.number, self.label = number, label

    def described(self) -> str:
        return f"{self.label}={shown(self.number)}" if self.label else shown(self.number)


def _is_ours(x: object) -> bool:
    """Return whether `x` is a Value, or of another kind of ours: these describe themselves."""
    return hasattr(x, "described")


def describe(x: Any) -> str:
    """Return how to name `x` in an error: a Value by its label and number, else its repr."""
    return x.described() if _is_ours(x) else shown(x)


def describe_call(op: Op, inputs: tuple[Any, ...]) -> str:
    """Return how to write `op` of `inputs` in an error, as one would in Python; eight at most."""
    names = [describe(x) for x in inputs[:8]]
    if len(inputs) > 8:
        names.append(f"... {len(inputs) - 8} more")
    if op.written:
        return op.written.format(*(f"({name})" if "=" in name else name for name in names))
    if op.name.isidentifier():
        return f"{op.name}({', '.join(names)})"
    return f" {op.name} ".join(f"({name})" if "=" in name else name for name in names)


def explained(error: Exception, op: Op, inputs: tuple[Any, ...], where: str = "") -> Exception:
    """Put into `error`'s message which op failed, on which inputs, and what to do; return it."""
    # Not for a Function, which may take lists. (To ask for an array's truth is a ValueError.)
    kinds = (TypeError, ValueError)
    if type(error) in kinds and op.shares and (refused := _of_a_list(op, inputs)) is not None:
        return refused
    cure = op.hint
    if isinstance(error, OverflowError) and "infinity" not in str(error):
        cure = "the result is too large for a float: scale the inputs down"
    elif isinstance(error, ZeroDivisionError):
        cure = "keep the divisor away from zero"
        if where:
            cure = "the derivative is not finite there: keep away from that point"
    elif isinstance(error, TypeError) and "unsupported operand" in str(error):
        cure = "numbers of these kinds do not mix: convert them to one kind, as by float(x)"
    # Some of Python's own errors carry an errno first: OverflowError(34, 'Numerical result ...').
    message = error.args[-1] if error.args else type(error).__name__
    error.args = (f"{message}, in {where}{describe_call(op, inputs)}" + (cure and f"; {cure}"),)
    return error


def refuse_data(data: object) -> NoReturn:
    """Raise the TypeError for a Value of `data`, which is not a real number."""
    kind = type(data).__name__
    if _is_ours(data):
        cure = (
            "it is one already: use it as it is, its number v.data, or Value(v.data) for a new leaf"
        )
    elif isinstance(data, str):
        cure = f"convert it first: Value(float({data!r}))"
    elif isinstance(data, Complex):
        cure = "derivatives here are of real functions: make a Value of its .real and of its .imag"
    elif isinstance(data, list | tuple):
        cure = "make a Value of each of its elements: [Value(x) for x in xs]"
    else:
        cure = "give it an int, a float, a Fraction, a Decimal or a numpy scalar"
    raise TypeError(f"Value holds one real number, not {shown(data)} ({kind}): {cure}")


def refuse_gradient(gradient: object) -> NoReturn:
    """Raise the TypeError for a `.grad` that is neither a number nor a Value."""
    raise TypeError(
        f"a gradient is a real number, or a Value after create_graph, not {shown(gradient)} "
        f"({type(gradient).__name__}): set .grad to a number, or to 0 or None to clear it"
    )


def refuse_result(op: Op, inputs: tuple[Any, ...], result: object) -> NoReturn:
    """Raise the TypeError for an op whose forward gave something else than a real number."""
    raise TypeError(
        f"{describe_call(op, inputs)} gave {shown(result)} ({type(result).__name__}), "
        "not a real number: give it Values and real numbers"
    )


def refuse_plain(op: Op, inputs: tuple[Any, ...], error: TypeError) -> NoReturn:
    """Raise the TypeError of an op on inputs that are no numbers, saying what to write instead."""
    raise _of_a_list(op, inputs) or error from None


def _of_a_list(op: Op, inputs: tuple[Any, ...]) -> TypeError | None:
    """Return the TypeError of an op on a list or an array among its inputs, None without one."""
    listed = next((x for x in inputs if isinstance(x, list | tuple) or hasattr(x, "shape")), None)
    if listed is None or is_real(listed):
        return None
    name = op.name if op.name.isidentifier() else op.function.__name__
    others = ", ..." if len(inputs) > 1 else ""
    if op.joint is None or op.rules:
        cure = f"[{name}(x{others}) for x in xs]"
    elif op.function.__name__ == name:
        cure = f"{name}(*xs)"
    else:  # the public function takes a list
        cure = f"{name}(xs), where xs is one list of numbers"
    return TypeError(
        f"{name} takes numbers, not {shown(listed)} ({type(listed).__name__}): write {cure}"
    )


def refuse_copy(node: Any) -> NoReturn:
    """Raise the TypeError for copying or pickling the result of an op."""
    raise TypeError(
        f"{describe(node)} is the result of an op ({node.op}), and graphs are not copied or "
        "pickled: leaves, modules and compiled functions are; for the number alone take "
        "v.detach(), or copy the leaves and compute it again"
    )


def refuse_copy_of_argument(leaf: Any) -> NoReturn:
    """Raise the TypeError for copying or pickling what a transform differentiates by."""
    raise TypeError(
        f"{describe(leaf)} is an argument of grad or another transform, and a copy of it would be "
        "cut off from its derivative: use it as it is, since no op changes a Value; for the number "
        "alone take v.detach()"
    )


_REFLECTED = {
    **{"+": "__radd__", "-": "__rsub__", "*": "__rmul__"},
    **{"/": "__rtruediv__", "%": "__rmod__", "**": "__rpow__"},
}


def refuse_operand(op: Op, other: object) -> Any:
    """Raise the TypeError for `op` of a Value and `other`, or return NotImplemented."""
    cure = "convert it to a number first"
    reflected = getattr(type(other), _REFLECTED.get(op.name, ""), None)
    if isinstance(other, list | tuple) and reflected not in (None, list.__rmul__, tuple.__rmul__):
        return NotImplemented  # a subclass with an arithmetic of its own
    array = hasattr(other, "__array_ufunc__") and not _is_ours(other)
    if array or isinstance(other, list | tuple | dict | set):
        cure = "apply it to each element, as in [v * x for x in xs]"
    elif not isinstance(other, str | bytes | complex | None):
        # Another class may know how to take a Value: Python asks it if we say NotImplemented.
        return NotImplemented
    raise TypeError(
        f"{op.name} takes Values and real numbers, not {shown(other)} "
        f"({type(other).__name__}): {cure}"
    )


def _refusal(what: str, cure: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any) -> NoReturn:
        raise TypeError(f"{what}: {cure}")

    return method


refuse_conversion = _refusal(
    "a plain number made of a Value would lose its gradient",
    "instead of math.sin(v) write scalargrad.sin(v), and so for each function of math that has a "
    "derivative; for the others, and where you want the number alone, v.data",
)


def _refuse_rounding(name: str) -> Callable[..., NoReturn]:
    return _refusal(
        "rounding a Value to an int would lose its gradient",
        f"instead of math.{name}(v) write scalargrad.{name}(v); where you want the number alone, "
        "v.data",
    )


refuse_floor, refuse_ceil, refuse_trunc = map(_refuse_rounding, ("floor", "ceil", "trunc"))
refuse_round = _refusal(
    "rounding a Value would lose its gradient",
    "for the number alone write round(v.data), for printing f'{v:.2f}'",
)
refuse_floor_division = _refusal(
    "the derivative of // is zero wherever there is one",
    "for the number alone write v.data // 2, for a quotient with a gradient v / 2",
)


class TraceError(TypeError):
    """Raised while a function is traced, at what a trace cannot see: it names the line."""


PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


def users_line() -> tuple[str, int]:
    """Return the file and number of the innermost line that runs and is not this package's own."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def shown_line(file: str, line: int) -> str:
    """Return how a message names a line."""
    import linecache  # only here: it takes a while to load

    return f"at line {line} of {file}:\n    {linecache.getline(file, line).strip()}"


def untraceable(what: str, cure: str) -> NoReturn:
    """Raise TraceError, with the innermost line that is not this package's own."""
    error = TraceError(f"{what}, {shown_line(*users_line())}\n{cure}")
    if (now := tracing()) is not None:
        now.refused(error)
    raise error
