"""A model at its samples: its values, and their derivatives by the parameters.

The samples are data: the model gets them as the plain numbers that they are. Only the parameters
are traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from scalargrad.engine.op import Op
from scalargrad.engine.primitive import record
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.programs.run.compiled import compile
from scalargrad.transforms.functional import value_and_grad

# The value, and the gradient by the parameters.
Row = tuple[float, list[float]]


def compiled_or_eager(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f as a program, which the eager engine replaces where the program fails and it not.

    >>> compiled_or_eager(lambda x: x if x > 0 else -x)(-3.0)
    3.0
    """
    program: Callable[..., Any] | None = compile(f)

    def call(*args: Any) -> Any:
        nonlocal program
        if program is not None:
            try:
                return program(*args)
            except Exception:
                result = f(*args)  # which raises the error, if it is the function's own
                program = None
                return result
        return f(*args)

    return call


def rows_at(
    model: Callable[..., Any], xs: Sequence[Any], count: int
) -> Callable[[list[float]], list[Row]]:
    """Return the function of the `count` parameters that gives a `Row` for each of the samples.

    At each sample the model is called once to see which ops it does on the parameters. Samples
    where these are the same share a program, whose arguments are the constants in which they
    differ. Where the model does anything that cannot be seen in this way, such as branching on a
    parameter, the eager engine computes all rows.

    >>> rows_at(lambda x, a, b: a * x if x in {0.0} else a + b * x, [0.0, 2.0], 2)([1.0, 3.0])
    [(0.0, [0.0, 0.0]), (7.0, [1.0, 2.0])]
    """

    def eager(parameters: list[float]) -> list[Row]:
        at = value_and_grad(lambda ps, x: model(x, *ps))
        return [at(parameters, x) for x in xs]

    try:
        programs = _programs(model, xs, count)
    except Exception:
        return eager

    def rows(parameters: list[float]) -> list[Row]:
        nonlocal programs
        if programs:
            try:
                return [program(parameters, numbers) for program, numbers in programs]
            except Exception:
                result = eager(parameters)  # which raises the error, if it is the model's own
                programs = []
                return result
        return eager(parameters)

    return rows


def _programs(
    model: Callable[..., Any], xs: Sequence[Any], count: int
) -> list[tuple[Callable[..., Any], list[Any]]]:
    """Return for each sample the program that computes it, and that one's second argument."""
    tapes = [_Tape(model, x, count) for x in xs]
    alike: dict[Any, list[_Tape]] = {}
    for tape in tapes:
        alike.setdefault((tuple(tape.equations), tape.output), []).append(tape)
    found = {}
    for tapes_alike in alike.values():
        columns = list(zip(*(tape.constants for tape in tapes_alike), strict=True))
        # By their text: 0.0, -0.0, 0 and False are four constants.
        differing = [k for k, column in enumerate(columns) if len(set(map(repr, column))) > 1]
        program = compile(value_and_grad(_replay(tapes_alike[0], differing)))
        for tape in tapes_alike:
            found[id(tape)] = program, [tape.constants[k] for k in differing]
    return [found[id(tape)] for tape in tapes]


def _replay(tape: _Tape, differing: Sequence[int]) -> Callable[..., Any]:
    """Return the function of the parameters and of the differing constants that a tape holds."""

    def replayed(parameters: list[Any], numbers: list[Any]) -> Any:
        constants = list(tape.constants)
        for k, number in zip(differing, numbers, strict=True):
            constants[k] = number
        known = list(parameters)

        def at(place: int) -> Any:
            return known[place] if place >= 0 else constants[~place]

        for op, places in tape.equations:
            known.append(record(op, tuple(map(at, places))))
        return at(tape.output)

    return replayed


class _Tape:
    """What a model does at a sample: ops on parameters, on earlier results and on constants.

    Places from 0 on are the parameters and then the results, ~0, ~1, ... the constants.
    """

    def __init__(self, model: Callable[..., Any], x: Any, count: int) -> None:
        self.equations: list[tuple[Op, tuple[int, ...]]] = []
        self.constants: list[Any] = []
        self.count = count
        self.output = self.place_of(model(x, *[_Parameter(self, i) for i in range(count)]))

    def place_of(self, x: Any) -> int:
        if isinstance(x, _Parameter):
            return x.place
        number = x.data if isinstance(x, Value) else x
        if not is_real(number) or not math.isfinite(number):
            raise TypeError(f"{x!r} is no constant of a program")
        self.constants.append(number)
        return ~(len(self.constants) - 1)


def _refused(*args: Any) -> NoReturn:
    raise TypeError("a parameter has no number while it is seen what a model does")


class _Parameter(Tracer):
    """A parameter, or what a model makes of some: it has no number."""

    __slots__ = ("place", "tape")

    priority = 9

    def __init__(self, tape: _Tape, place: int) -> None:
        self.tape, self.place = tape, place

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        tape = next(x.tape for x in inputs if isinstance(x, _Parameter))
        tape.equations.append((op, tuple(map(tape.place_of, inputs))))
        return _Parameter(tape, tape.count + len(tape.equations) - 1)

    data = grad = property(_refused)
    __bool__ = __float__ = __int__ = __index__ = __hash__ = _refused
    __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = _refused
    __copy__ = __deepcopy__ = __reduce_ex__ = _refused
