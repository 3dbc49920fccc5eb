"""A batch of calls of one program in C, in one call: `map_grad` of a function with target "c"."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import lru_cache
from itertools import chain
from typing import Any

from scalargrad.programs.passes.kinds import ANY, FLOAT, kind_of
from scalargrad.programs.run.c_compiler import Library, library
from scalargrad.programs.run.c_program import CProgram
from scalargrad.programs.spell.c.program import Result
from scalargrad.transforms.nesting import (
    NUMBER,
    Doubles,
    Nest,
    Structure,
    flatten,
    size_of,
    without_arrays,
)

# So many numbers, of results and work, are computed by one call in C at most: then a user who
# presses Ctrl-C is heard.
_MOST_NUMBERS = 10_000_000
_SOURCE = """\
typedef int program(const double *in, double *out, double *work);

/* Run a program for some rows of a batch; return whether one of them needs Python. The numbers that
   differ from row to row are `parts` of the inputs: each has a place and a size there, and for each
   row so many numbers of its own. A row's results are added to `sums` if there are such, and else
   kept in `out`. */
int sg_rows(program *f, long first, long rows, long parts, const double *const *given,
    const long *places, const long *sizes, long outputs, double *in, double *out, double *work,
    double *sums)
{
    long row, part, k;
    for (row = first; row < first + rows; row++) {
        for (part = 0; part < parts; part++)
            for (k = 0; k < sizes[part]; k++)
                in[places[part] + k] = given[part][row * sizes[part] + k];
        if (f(in, out, work))
            return 1;
        if (!sums)
            out += outputs;
        else
            for (k = 0; k < outputs; k++)
                sums[k] += out[k];
    }
    return 0;
}

/* Add the results of some rows to sums, in order. */
void sg_sum(long rows, long outputs, const double *out, double *sums)
{
    long row, k;
    for (row = 0; row < rows; row++)
        for (k = 0; k < outputs; k++)
            sums[k] += out[row * outputs + k];
}
"""


@lru_cache(maxsize=1)
def _loops() -> Library:
    return library(_SOURCE)


def sum_of_calls(
    program: Any,
    numbers: Sequence[Any],
    calls: Sequence[Any],
    executor: Executor | None,
    workers: int,
) -> Any:
    """Return the sums of the results of calls, in their nesting; None where Python must run them.

    `program` is the one of the first call, which has these `numbers`. What is the same object in
    all calls goes in once. An executor of threads computes the results of equal parts of the batch;
    they are added in the order of the calls.
    """
    parts: list[array[float]] = []
    places: list[int] = []
    place = 0
    for k, (_, structure) in enumerate(program.arguments):
        column = [call[k] for call in calls]
        if any(x is not column[0] for x in column):
            part = _part(column, structure)
            if part is None:
                return None
            parts.append(part)
            places.append(place)
        place += size_of(structure)
    # In each call the numbers are of the types of the first one's.
    given = [*numbers, *[x._data for x in program.captured]]
    kind = kind_of(given)
    machine = program._machine(kind, given) if kind != ANY else None
    if machine is None or not _are_pairs(machine.spelled.results):
        return None
    try:
        sums = _Batch(machine, given, parts, places, len(calls)).sums(executor, workers)
    except OverflowError:  # an int is too large for a double
        return None
    return None if sums is None else machine.nested(sums)


def _are_pairs(results: Sequence[Result]) -> bool:
    """Return whether all results are pairs of the same nesting, and all their numbers floats."""
    if len(results) != 1:
        return False
    [(nesting, kinds)] = results
    is_pair = isinstance(nesting, Nest) and nesting.kind is tuple and len(nesting.items) == 2
    return is_pair and set(kinds) == {FLOAT}


def _part(column: list[Any], structure: Structure) -> array[float] | None:
    """Return the numbers of an argument of all calls; None if nesting or types of them differ."""
    size = size_of(structure)
    if isinstance(structure, Nest) and structure.kind is Doubles:
        if all(type(x) is array and x.typecode == "d" and len(x) == size for x in column):
            return array("d", b"".join(column))
        column = list(map(without_arrays, column))
    if structure is NUMBER:
        numbers = column
    elif _is_flat(structure) and all(type(x) is structure.kind and len(x) == size for x in column):
        numbers = list(chain.from_iterable(column))
    else:
        numbers = []
        for x in column:
            try:
                own, found = flatten(x, static=(str, type(None), bool))
            except TypeError:
                return None
            if found != structure:
                return None
            numbers += own
    types = set(map(type, numbers))
    if types - {float} and (
        not types <= {float, int}
        or any(len({*map(type, numbers[k::size])}) > 1 for k in range(size))
    ):
        return None
    return array("d", numbers)


def _is_flat(structure: Structure) -> bool:
    return (
        isinstance(structure, Nest)
        and structure.kind in (list, tuple, Doubles)
        and all(x is NUMBER for x in structure.items)
    )


class _Batch:
    """A batch as it goes to C."""

    def __init__(
        self,
        machine: CProgram,
        inputs: Sequence[Any],
        parts: list[array[float]],
        places: list[int],
        calls: int,
    ) -> None:
        self.machine, self.parts, self.calls = machine, parts, calls
        self.inputs = array("d", inputs)
        self.outputs = machine.spelled.outputs
        count = len(parts)
        self._given = (ctypes.c_void_p * count)(*[x.buffer_info()[0] for x in parts])
        self._places = (ctypes.c_long * count)(*places)
        self._sizes = (ctypes.c_long * count)(*[len(x) // calls for x in parts])
        most = _MOST_NUMBERS // (self.outputs + machine.spelled.work + 1)
        self.at_once = max(1, min(calls, most))

    def sums(self, executor: Executor | None, workers: int) -> array[float] | None:
        """Return the sums of all calls' results; None if one of them needs Python."""
        # What is added to the first result must not change it: -0.0 is nothing to any number.
        sums = array("d", [-0.0]) * self.outputs
        if executor is None or workers < 2:
            out = array("d", bytes(8 * self.outputs))
            for first in range(0, self.calls, self.at_once):
                rows = min(self.at_once, self.calls - first)
                if not self._run(first, rows, out, sums):
                    return None
            return sums
        size = min(self.at_once, -(-self.calls // workers))
        add = _loops().function("sg_sum")
        starts = range(0, self.calls, size)
        for results in executor.map(self._results, starts, [size] * len(starts)):
            if results is None:
                return None
            rows = len(results) // self.outputs
            add(*map(ctypes.c_long, (rows, self.outputs)), *map(_address, (results, sums)))
        return sums

    def _results(self, first: int, size: int) -> array[float] | None:
        """Return the results of some calls, side by side."""
        rows = min(size, self.calls - first)
        out = array("d", bytes(8 * self.outputs * rows))
        return out if self._run(first, rows, out, None) else None

    def _run(self, first: int, rows: int, out: array[float], sums: array[float] | None) -> bool:
        """Run some calls; return whether C could."""
        inputs, work = self.inputs[:], array("d", bytes(8 * self.machine.spelled.work))
        failed = _loops().function("sg_rows")(
            self.machine.function,
            *map(ctypes.c_long, (first, rows, len(self.parts))),
            *(self._given, self._places, self._sizes),
            ctypes.c_long(self.outputs),
            *map(_address, (inputs, out, work)),
            None if sums is None else _address(sums),
        )
        return not failed


def _address(numbers: array[float]) -> ctypes.c_void_p:
    return ctypes.c_void_p(numbers.buffer_info()[0])
