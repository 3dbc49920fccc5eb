"""What a traced function gets when it calls a compiled one: the results of a subprogram's call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from scalargrad.engine.graph import Node
from scalargrad.engine.real import is_real
from scalargrad.programs.trace.arguments import Arguments
from scalargrad.programs.trace.subprograms import InnerTrace, Subprogram, reached
from scalargrad.programs.trace.symbols import Symbol, Trace, is_condition
from scalargrad.programs.trace.tuples import packed
from scalargrad.transforms.nesting import NUMBER, Structure, flatten, size_of, unflatten


class CalledFunction(NamedTuple):
    """A subprogram, its results, which are among its numbers or constant, and their nesting."""

    subprogram: Subprogram
    ends: list[Any]
    result: Structure
    bindings: list[Any]

    def apply(self, trace: Trace, arguments: Arguments) -> Any:
        """Return the results of a call."""
        subprogram = self.subprogram
        if not any(isinstance(x, Node) for x in self.ends):
            return unflatten(self.result, self.ends)
        places = [subprogram.output(x) if isinstance(x, Node) else None for x in self.ends]
        parts = list(arguments.parts())
        if not subprogram.captured and not any(isinstance(x, Node) for x in arguments.numbers):
            pick = subprogram.run(*[x if whole else x[0] for x, whole in parts]).__getitem__
        else:
            operands = [packed(trace, x) if whole else x[0] for x, whole in parts]
            pick = subprogram.call(trace, operands).element
        results = [x if k is None else pick(k) for x, k in zip(self.ends, places, strict=True)]
        return unflatten(self.result, results)


def is_called_with(x: Any) -> bool:
    """Return whether `x` can be a number that a call takes: a number, but no condition."""
    return is_real(x) if not isinstance(x, Node) else not (type(x) is Symbol and is_condition(x))


def called_function(
    trace: Trace, name: str, arguments: Arguments, function: Callable[[list[Any]], Any]
) -> CalledFunction:
    """Trace `function` of the nests of arguments.

    The numbers are those of the call for which `trace` needs it. Raises TraceError where it cannot
    be traced, or where the function changes an argument in place: the caller would not see that.
    """
    inputs: list[Any] = []
    elements: list[Any] = []
    given = [x if whole else x[0] for x, whole in arguments.parts()]
    inner = InnerTrace(
        trace, lambda: {x: _sample(trace, y) for x, y in zip(inputs, given, strict=True)}
    )
    for argument, structure in zip(arguments.names, arguments.structures, strict=True):
        size = size_of(structure)
        if size:
            x = inner.new_input(argument, None if structure is NUMBER else (True,) * size)
            inputs.append(x)
            elements += [x] if structure is NUMBER else [x.element(k) for k in range(size)]
    nests = arguments.nests(elements)
    with inner.running():
        output = function(nests)
        arguments.refuse_changes(name, nests, elements)
    ends, result = flatten(output, f"the result of {name}")
    inner.symbols = reached(inner, ends)
    return CalledFunction(Subprogram(name, inner, inputs, ends), ends, result, [])


def _sample(trace: Trace, x: Any) -> Any:
    return tuple(map(trace.sample, x)) if type(x) is tuple else trace.sample(x)
