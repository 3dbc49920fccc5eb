"""A model at its samples: its values, and their derivatives by the parameters.

The samples are data: the model gets them as plain numbers. Only the parameters are traced.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.context import within
from scalargrad.engine.op import Op
from scalargrad.engine.primitive import record
from scalargrad.engine.real import is_real
from scalargrad.programs.code import Literal, Operand, lower
from scalargrad.programs.run.compiled import compile
from scalargrad.programs.trace.symbols import Trace, symbol
from scalargrad.transforms.functional import value_and_grad

# The value, and the gradient by the parameters.
Row = tuple[float, list[float]]


def compiled_or_eager(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f as a program; if that fails where f does not, the eager engine replaces it.

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
                result = f(*args)  # it raises the error, if that is the function's own
                program = None
                return result
        return f(*args)

    return call


def rows_at(
    model: Callable[..., Any], xs: Sequence[Any], count: int
) -> Callable[[list[float]], list[Row]]:
    """Return the function of the `count` parameters that gives a `Row` for each sample.

    The model is called once at each sample, to see which ops it applies to the parameters. Samples
    with the same ops share a program; the constants in which they differ are its arguments. If
    the model does something that cannot be seen in this way, such as branching on a parameter, the
    eager engine computes all rows.

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
                result = eager(parameters)  # it raises the error, if that is the model's own
                programs = []
                return result
        return eager(parameters)

    return rows


def _programs(
    model: Callable[..., Any], xs: Sequence[Any], count: int
) -> list[tuple[Callable[..., Any], list[Any]]]:
    """Return for each sample the program that computes it, and the program's second argument."""
    tapes = [_tape(model, x, count) for x in xs]
    alike: dict[Any, list[_Tape]] = {}
    for tape in tapes:
        alike.setdefault((tape.equations, tape.output), []).append(tape)
    found = {}
    for tapes_alike in alike.values():
        columns = list(zip(*(tape.constants for tape in tapes_alike), strict=True))
        # They are compared by their text: 0.0, -0.0, 0 and False are four constants.
        differing = [k for k, column in enumerate(columns) if len(set(map(repr, column))) > 1]
        program = compile(value_and_grad(_replay(tapes_alike[0], differing)))
        for tape in tapes_alike:
            found[id(tape)] = program, [tape.constants[k] for k in differing]
    return [found[id(tape)] for tape in tapes]


def _replay(tape: _Tape, differing: Sequence[int]) -> Callable[..., Any]:
    """Return a tape as a function of the parameters and of the constants that differ."""

    def replayed(parameters: list[Any], numbers: list[Any]) -> Any:
        constants = list(tape.constants)
        for k, number in zip(differing, numbers, strict=True):
            constants[k] = number
        known = [*parameters, *constants]
        for op, places in tape.equations:
            known.append(record(op, tuple([known[k] for k in places])))
        return known[tape.output]

    return replayed


class _Tape(NamedTuple):
    """What a model does at a sample: each op, with the places of its operands.

    Places number the parameters first, then the constants, and then the results.
    """

    equations: tuple[tuple[Op, tuple[int, ...]], ...]
    constants: list[Any]
    output: int


def _tape(model: Callable[..., Any], x: Any, count: int) -> _Tape:
    """Return what a model does at a sample, with symbols for the parameters."""
    parameters = [symbol() for _ in range(count)]
    trace = Trace({})
    with trace.running(), within(inline=True):
        y = model(x, *parameters)
    code, leaves = lower(trace.symbols, [y], parameters)
    rows = [*(operands for _, operands in code.equations), code.outputs]
    literals = [x.value for row in rows for x in row if isinstance(x, Literal)]
    constants = [*(leaf.data for leaf in leaves[count:]), *literals]
    if not all(is_real(x) and math.isfinite(x) for x in constants):
        raise TypeError(f"a program has no constants such as {constants}")
    places = iter(range(len(leaves), len(leaves) + len(literals)))

    def place_of(x: Operand) -> int:
        if isinstance(x, Literal):
            return next(places)
        return x if x < len(leaves) else x + len(literals)

    equations = tuple((op, tuple(map(place_of, operands))) for op, operands in code.equations)
    return _Tape(equations, constants, place_of(code.outputs[0]))
