"""A batch of calls of one program in C: `map_grad` of a function with target "c".

Arguments that are the same object in all calls go in once, the others as rows of doubles. Rows are
read, run and added up in parts of bounded size, so that a user who presses Ctrl-C is heard soon.
"""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import lru_cache, partial
from itertools import chain
from typing import Any

from scalargrad.engine.context import active, differentiated
from scalargrad.programs.passes.kinds import FLOAT
from scalargrad.programs.run.c_compiler import Library, library
from scalargrad.programs.run.c_program import CProgram, format_of
from scalargrad.programs.run.compiled import Compiled, is_within
from scalargrad.programs.run.program import Program
from scalargrad.programs.run.reader import reader_of, sizes_of
from scalargrad.programs.spell.c.program import Result
from scalargrad.transforms.nesting import Nest, Structure

# A part of a batch has so many numbers, of results and work, at most.
_MOST_NUMBERS = 250_000
_SOURCE = """\
typedef int program(const char *in, double *out, double *work);

/* Run a program for rows of a batch; return whether one of them needs Python. A row has the numbers
   that differ from call to call: `parts` of the inputs, each of which has a place and a size. */
int sg_rows(program *f, long rows, long parts, const double *given, const long *places,
    const long *sizes, long outputs, double *in, double *out, double *work)
{
    long row, part, k;
    for (row = 0; row < rows; row++, out += outputs) {
        for (part = 0; part < parts; part++)
            for (k = 0; k < sizes[part]; k++)
                in[places[part] + k] = *given++;
        if (f((const char *)in, out, work))
            return 1;
    }
    return 0;
}

/* Add the results of rows to sums, in order. */
void sg_sum(long rows, long outputs, const double *restrict out, double *restrict sums)
{
    long row, k;
    for (row = 0; row < rows; row++)
        for (k = 0; k < outputs; k++)
            sums[k] += out[row * outputs + k];
}
"""


@lru_cache(maxsize=1)
def _loops() -> tuple[Library, Any, Any]:
    loaded = library(_SOURCE)
    run, add = loaded.function("sg_rows"), loaded.function("sg_sum")
    pointer, number = ctypes.c_void_p, ctypes.c_long
    run.argtypes = [pointer, number, number, *[pointer] * 3, number, *[pointer] * 3]
    add.argtypes = [number, number, pointer, pointer]
    return loaded, run, add


@lru_cache(maxsize=64)
def _reader(structures: tuple[Structure, ...]) -> Callable[[tuple[Any, ...]], Any]:
    return reader_of(structures, in_bytes=True)


def sum_of_calls(
    compiled: Compiled[Any], calls: Sequence[Any], executor: Executor | None, workers: int
) -> Any:
    """Return the sums of the results of calls, in their nesting; None where Python must run them.

    An executor of threads computes the results of equal parts of the batch; they are added in the
    order of the calls.
    """
    if (active or differentiated) and is_within(tuple(calls), {}):
        return None
    program, pieces, _ = compiled._found(tuple(calls[0]), {}, False)
    if program.followed:
        return None  # a transform may differentiate by what it captures
    pieces = [*pieces, *[x._data for x in program.captured]]
    # In each call the numbers are of the types of the first one's.
    machine = program.machine(pieces)
    if machine is None or not _are_pairs(machine.spelled.results):
        return None
    columns = [*zip(*calls, strict=True)]
    if len(columns) != len(program.arguments):
        return None  # some of them are one argument of the function, as *args
    own = [k for k, column in enumerate(columns) if any(x is not column[0] for x in column)]
    rows = [*zip(*[columns[k] for k in own], strict=True)] if own else [()] * len(calls)
    try:
        sums = _Batch(program, machine, machine.pack(*pieces), own, rows).sums(executor, workers)
    except struct.error:  # what is no number, or an int that is too large for a double
        return None
    return None if sums is None else machine.nested(sums)


def _are_pairs(results: Sequence[Result]) -> bool:
    """Return whether all results are pairs of the same nesting, and all their numbers floats."""
    if len(results) != 1:
        return False
    [(nesting, kinds)] = results
    is_pair = isinstance(nesting, Nest) and nesting.kind is tuple and len(nesting.items) == 2
    return is_pair and set(kinds) == {FLOAT}


class _Batch:
    """A batch as it goes to C: the first call's numbers, and rows of the arguments `own`."""

    def __init__(
        self,
        program: Program,
        machine: CProgram,
        inputs: bytes,
        own: list[int],
        rows: list[tuple[Any, ...]],
    ) -> None:
        self.machine, self.inputs, self.rows = machine, inputs, rows
        self.outputs = machine.spelled.outputs
        structures = tuple(program.arguments[k][1] for k in own)
        sizes = sizes_of(structures)
        self._read, self._width, self._layout = _reader(structures), len(sizes), format_of(sizes)
        starts = [program.places[k] for k in own]
        lengths = [program.places[k + 1] - program.places[k] for k in own]
        numbers = ctypes.c_long * len(own)
        self._parts = numbers(*starts), numbers(*lengths)

    def sums(self, executor: Executor | None, workers: int) -> array[float] | None:
        """Return the sums of all calls' results; None if one of them needs Python."""
        # What is added to the first result must not change it: -0.0 is nothing to any number.
        sums = array("d", [-0.0]) * self.outputs
        calls = len(self.rows)
        most = max(1, _MOST_NUMBERS // (self.outputs + self.machine.spelled.work + 1))
        size = min(most, -(-calls // workers))
        run: Any = map if executor is None or workers < 2 else executor.map
        _, _, add = _loops()
        for results in run(partial(self._results, size), range(0, calls, size)):
            if results is None:
                return None
            add(len(results) // self.outputs, self.outputs, _address(results), _address(sums))
        return sums

    def _results(self, size: int, first: int) -> array[float] | None:
        """Return the results of some calls, side by side; None if one of them needs Python."""
        rows = self.rows[first : first + size]
        try:
            pieces = [*chain.from_iterable(map(self._read, rows))]
        except TypeError:  # one was not read
            return None
        types, width = set(map(type, pieces)), self._width
        if not types <= {float, bytes} and any(
            len({*map(type, pieces[k::width])}) > 1 for k in range(width)
        ):
            return None
        layout = self._layout * len(rows) if bytes in types else f"{len(pieces)}d"
        given = struct.pack(layout, *pieces)
        inputs = array("d", self.inputs)
        sizes = self.outputs * len(rows), self.machine.spelled.work
        out, work = [array("d", [0.0]) * size for size in sizes]
        _, run, _ = _loops()
        program = ctypes.cast(self.machine.function, ctypes.c_void_p)
        parts = len(self._parts[0]), given, *self._parts
        arrays = map(_address, (inputs, out, work))
        return None if run(program, len(rows), *parts, self.outputs, *arrays) else out


def _address(numbers: array[float]) -> int:
    return numbers.buffer_info()[0]
