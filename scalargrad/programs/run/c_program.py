"""A C program that can be called: its library, and the arrays that numbers go in and out by."""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple

from scalargrad.engine.errors import FAILURES
from scalargrad.programs.code import Code
from scalargrad.programs.passes.kinds import ANY, BOOL, FLOAT, INT
from scalargrad.programs.run.c_compiler import library
from scalargrad.programs.spell.c.program import SpelledC
from scalargrad.programs.spell.c.rules import CALLED_BACK
from scalargrad.programs.spell.names import Names
from scalargrad.programs.spell.python.nests import returned
from scalargrad.programs.spell.python.speller import Module, Spelled, Speller, Text
from scalargrad.transforms.nesting import NUMBER, Doubles, Nest, Structure

_Pointer = ctypes.c_void_p
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double),
)


class _Arrays(NamedTuple):
    """The arrays of one run: several threads may run the same program at once."""

    numbers: array[float]
    results: array[float]
    work: array[float]
    addresses: list[int]


class CProgram:
    """A spelled C program that has been compiled and loaded.

    Called with the numbers, floats and ints as it was spelled for, it returns the result in its
    nesting, or None where Python must run: an error, a number that is not finite, a large int.
    """

    def __init__(self, spelled: SpelledC, nested: Sequence[Spelled]) -> None:
        self.spelled = spelled
        self._nested = nested  # the texts that put the results into their nestings
        self._library = library(spelled.source)  # loaded for as long as this object lives
        self.function = self._library.function(spelled.name)
        self.function.argtypes = [_Pointer, _Pointer, _Pointer]
        if "sg_python_function" in spelled.source:
            pointer = _Pointer.in_dll(self._library.loaded, "sg_python_function")
            pointer.value = _CALLBACK_ADDRESS
        self.nested = _nested(nested)
        # Of all ways to copy a list of floats into an array, by far the fastest.
        self._pack = struct.Struct(f"{spelled.inputs}d").pack_into
        self._free: list[_Arrays] = []

    def __call__(self, numbers: Sequence[Any]) -> tuple[Any] | None:
        """Return the result in a tuple of one, or None where Python must run."""
        free = self._free
        try:
            arrays = free.pop()  # as append, one step: no other thread gets the same
        except IndexError:
            arrays = self._new_arrays()
        inputs, outputs, _, addresses = arrays
        try:
            if type(numbers) is array:
                failed = self.function(numbers.buffer_info()[0], *addresses[1:])
            else:
                self._pack(inputs, 0, *numbers)
                failed = self.function(*addresses)
        except struct.error:  # an int is too large for a double
            failed = True
        result = None if failed else (self.nested(outputs),)
        free.append(arrays)
        return result

    def _new_arrays(self) -> _Arrays:
        spelled = self.spelled
        sizes = (spelled.inputs, spelled.outputs, spelled.work)
        numbers, results, work = [array("d", bytes(8 * size)) for size in sizes]
        addresses = [x.buffer_info()[0] for x in (numbers, results, work)]
        return _Arrays(numbers, results, work, addresses)

    def __reduce__(self) -> Any:
        return CProgram, (self.spelled, self._nested)


def _nested(texts: Sequence[Spelled]) -> Callable[[Any], Any]:
    """Return the function that puts results into their nesting: where there are several, into that
    of which they have the number.
    """
    functions: list[Callable[[Any], Any]] = []
    for text in texts:
        namespace: dict[str, Any] = {**text.constants}
        exec(text.source, namespace)
        functions.append(namespace[text.name])
    return functions[0] if len(functions) == 1 else lambda ys: functions[int(ys[-1])](ys)


def spell_nesting(structure: Structure, kinds: Sequence[str]) -> Spelled:
    """Return the text of a function from an array of all results, of these kinds, to their nesting.

    >>> nest = Nest(dict, ("a", "b"), (NUMBER, Nest(list, None, (NUMBER, NUMBER))))
    >>> print(spell_nesting(nest, ["int", "float", "float"]).source)
    def nested(ys):
        ys = ys.tolist()
        return {'a': int(ys[0]), 'b': ys[1:3]}
    <BLANKLINE>
    """
    texts: list[str] = []
    in_array = _has_doubles(structure)
    slices = _OF_ARRAY if in_array else _OF_LIST
    whole = _by_slices(structure, kinds, slices, texts, count())
    names, module = Names(["ys", "nested"]), Module()
    speller = Speller(Code(len(texts), [], []), names, [ANY] * len(texts), module)
    speller.texts = list(map(Text, texts))
    speller.statement("return", returned(speller, whole, iter(range(len(texts)))))
    lines = [] if in_array else ["    ys = ys.tolist()"]
    source = "\n".join(["def nested(ys):", *lines, *speller.lines, ""])
    return Spelled(source, "nested", {}, module.constants)


_OF_KIND = {FLOAT: "ys[{}]", INT: "int(ys[{}])", BOOL: "bool(ys[{}])"}
_OF_LIST: dict[type, str] = {list: "ys[{}:{}]", tuple: "tuple(ys[{}:{}])"}
# Buffers are parts of the array itself.
_OF_ARRAY: dict[type, str] = {
    list: "ys[{}:{}].tolist()",
    tuple: "tuple(ys[{}:{}])",
    Doubles: "ys[{}:{}]",
}


def _has_doubles(structure: Structure) -> bool:
    if not isinstance(structure, Nest):
        return False
    return structure.kind is Doubles or any(map(_has_doubles, structure.items))


def _by_slices(
    structure: Structure,
    kinds: Sequence[str],
    slices: dict[type, str],
    texts: list[str],
    places: Iterator[int],
) -> Structure:
    """Return the structure with each list of floats as one part; add the text of each to `texts`.

    `places` gives those of the numbers in `ys`.
    """
    if structure is NUMBER:
        place = next(places)
        texts.append(_OF_KIND[kinds[place]].format(place))
        return NUMBER
    if not isinstance(structure, Nest):
        return structure
    if structure.kind in slices and set(structure.items) == {NUMBER}:
        own = [next(places) for _ in structure.items]
        if {FLOAT} == {kinds[place] for place in own}:
            texts.append(slices[structure.kind].format(own[0], own[-1] + 1))
            return NUMBER
        places = iter(own)
    items = [_by_slices(item, kinds, slices, texts, places) for item in structure.items]
    return structure._replace(items=tuple(items))


def _call_python(function: int, count: int, numbers: Any, result: Any) -> int:
    """Compute an op that C calls Python for; return 0 where it raised an error."""
    op = CALLED_BACK[function]
    inputs = numbers[:count]
    if op.name == "polygamma":
        inputs[0] = int(inputs[0])
    try:
        result[0] = op.forward(*inputs)
    except FAILURES:
        return 0
    return 1


# It lives as long as any library that calls it.
_CALLBACK = _Callback(_call_python)
_CALLBACK_ADDRESS = ctypes.cast(_CALLBACK, ctypes.c_void_p).value
