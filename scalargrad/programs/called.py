"""What a traced function gets when it calls a compiled one: the results of a subprogram's call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

from scalargrad.engine.errors import untraceable
from scalargrad.engine.graph import Node
from scalargrad.engine.outputs import pick
from scalargrad.engine.real import is_real
from scalargrad.programs.bindings import Binding
from scalargrad.programs.subprograms import InnerTrace, Subprogram
from scalargrad.programs.trace import Symbol, Trace, is_condition, symbol
from scalargrad.programs.tuples import packed
from scalargrad.transforms.nesting import NUMBER, Nest, Structure, flatten, size_of, unflatten


class CalledFunction(NamedTuple):
    """A subprogram and the nesting of its results, which are among its variables or constant."""

    subprogram: Subprogram
    ends: list[Any]
    result: Structure
    bindings: list[Binding]

    def apply(self, trace: Trace, numbers: Sequence[Any], structures: Sequence[Structure]) -> Any:
        """Return the results of a call on `numbers`, which fill the arguments' structures."""
        places = self.subprogram.variables
        if not any(isinstance(x, Node) for x in self.ends):
            return unflatten(self.result, self.ends)
        parts = list(_parts(numbers, structures))
        if not self.subprogram.captured and not any(isinstance(x, Node) for x in numbers):
            run = self.subprogram.op.forward(*[x if whole else x[0] for x, whole in parts])
            return unflatten(
                self.result, [run[places[x]] if isinstance(x, Node) else x for x in self.ends]
            )
        call = self.subprogram.call(
            trace, [packed(trace, x) if whole else x[0] for x, whole in parts]
        )
        results = [
            trace.new(pick(places[x]), (call,)) if isinstance(x, Node) else x for x in self.ends
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
    inner = InnerTrace(trace, inputs, lambda: [_sample(trace, x) for x in given])
    nests = []
    for argument, structure in zip(names, structures, strict=True):
        size = size_of(structure)
        if size:
            inputs.append(symbol(argument))
        elements: list[Any] = inputs[-1:]
        if structure is not NUMBER:
            if size:
                inner.sizes[inputs[-1]] = size
            elements = [inner.new(pick(k), (inputs[-1],)) for k in range(size)]
        elements_of.append(elements)
        nests.append(unflatten(structure, elements))
    with inner.running():
        output = function(names, nests)
        refuse_changes(name, names, structures, nests, chain.from_iterable(elements_of))
    ends, result = flatten(output, f"the result of {name}")
    return CalledFunction(Subprogram(name, inputs, ends, inner), ends, result, [])


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
    kind: Any = type(nest)
    if kind is not structure.kind or len(nest) != len(structure.items):
        return False
    if structure.keys is not None and tuple(nest) != structure.keys:
        return False
    parts = nest if structure.keys is None else nest.values()
    return all(
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
