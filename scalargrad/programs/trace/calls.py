"""What a traced function gets when it calls a compiled one: the results of a subprogram's call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from scalargrad.engine.errors import untraceable
from scalargrad.engine.graph import Node
from scalargrad.engine.real import is_real
from scalargrad.programs.trace.subprograms import InnerTrace, Subprogram, reached
from scalargrad.programs.trace.symbols import Symbol, Trace, is_condition
from scalargrad.programs.trace.tuples import packed
from scalargrad.transforms.nesting import (
    NUMBER,
    Nest,
    Structure,
    flatten,
    items_of,
    size_of,
    unflatten,
)


class CalledFunction(NamedTuple):
    """A subprogram and the nesting of its results, which are among its variables or constant."""

    subprogram: Subprogram
    ends: list[Any]
    result: Structure
    bindings: list[Any]

    def apply(self, trace: Trace, numbers: Sequence[Any], structures: Sequence[Structure]) -> Any:
        """Return the results of a call on `numbers`, which fill the arguments' structures."""
        subprogram = self.subprogram
        if not any(isinstance(x, Node) for x in self.ends):
            return unflatten(self.result, self.ends)
        places = [subprogram.output(x) if isinstance(x, Node) else None for x in self.ends]
        parts = list(_parts(numbers, structures))
        if not subprogram.captured and not any(isinstance(x, Node) for x in numbers):
            outputs = subprogram.run(*[x if whole else x[0] for x, whole in parts])
            results = [
                x if k is None else outputs[k] for x, k in zip(self.ends, places, strict=True)
            ]
        else:
            operands = [packed(trace, x) if whole else x[0] for x, whole in parts]
            call = subprogram.call(trace, operands)
            results = [
                x if k is None else call.element(k) for x, k in zip(self.ends, places, strict=True)
            ]
        return unflatten(self.result, results)


def is_called_with(x: Any) -> bool:
    """Return whether `x` can be a number that a call takes: a number, but no condition."""
    return is_real(x) if not isinstance(x, Node) else not (type(x) is Symbol and is_condition(x))


def called_function(
    trace: Trace,
    name: str,
    names: Sequence[str],
    numbers: Sequence[Any],
    structures: Sequence[Structure],
    function: Callable[[Any, list[Any]], Any],
) -> CalledFunction:
    """Trace `function` of `names` and the nests of arguments with these structures.

    `numbers` are those of the arguments in the call for which `trace` needs it. Raises TraceError
    where it cannot be traced, or where the function changes an argument in place: the caller
    would not see that.
    """
    inputs: list[Any] = []
    elements_of: list[list[Any]] = []
    given = [x if whole else x[0] for x, whole in _parts(numbers, structures)]
    inner = InnerTrace(
        trace, lambda: {x: _sample(trace, y) for x, y in zip(inputs, given, strict=True)}
    )
    nests = []
    for argument, structure in zip(names, structures, strict=True):
        size = size_of(structure)
        elements: list[Any] = []
        if size:
            x = inner.new_input(argument, None if structure is NUMBER else (True,) * size)
            inputs.append(x)
            elements = [x] if structure is NUMBER else [x.element(k) for k in range(size)]
        elements_of.append(elements)
        nests.append(unflatten(structure, elements))
    with inner.running():
        output = function(names, nests)
        refuse_changes(name, names, structures, nests, chain.from_iterable(elements_of))
    ends, result = flatten(output, f"the result of {name}")
    inner.symbols = reached(inner, ends)
    return CalledFunction(Subprogram(name, inner, inputs, ends), ends, result, [])


def refuse_changes(
    name: str,
    names: Sequence[str],
    structures: Sequence[Structure],
    nests: Sequence[Any],
    numbers: Iterator[Any],
) -> None:
    """Raise TraceError if an argument is not the nest of these numbers any more.

    The caller would not see what was changed in place.
    """
    for argument, structure, nest in zip(names, structures, nests, strict=True):
        if not _is_as_it_was(nest, structure, numbers):
            untraceable(f"{name} changed its argument {argument} in place", "change a copy of it")


def _is_as_it_was(nest: Any, structure: Structure, elements: Iterator[Any]) -> bool:
    """Return whether a nest still has that structure and these elements."""
    if structure is NUMBER:
        return nest is next(elements)
    if type(structure) is not Nest:
        return True
    keys, parts = items_of(nest) or (None, [])
    if type(nest) is not structure.kind or len(parts) != len(structure.items):
        return False
    return keys == structure.keys and all(
        _is_as_it_was(x, item, elements) for x, item in zip(parts, structure.items, strict=True)
    )


def _parts(
    numbers: Sequence[Any], structures: Sequence[Structure]
) -> Iterator[tuple[tuple[Any, ...], bool]]:
    """Return the numbers of each argument that has any, and whether it is a nest."""
    place = 0
    for structure in structures:
        size = size_of(structure)
        if size:
            yield tuple(numbers[place : place + size]), structure is not NUMBER
        place += size


def _sample(trace: Trace, x: Any) -> Any:
    return tuple(map(trace.sample, x)) if type(x) is tuple else trace.sample(x)
