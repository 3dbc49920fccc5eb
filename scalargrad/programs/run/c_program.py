"""A C program that can be called: its library, and how numbers go in and out."""

from __future__ import annotations

import ctypes
import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import count, groupby
from typing import Any

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

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.c_double),
    ctypes.POINTER(ctypes.c_double),
)


class CProgram:
    """A spelled C program that has been compiled and loaded.

    `run` takes pieces as it was spelled for, of these `sizes`, and returns the result. Where C
    cannot (an error, a number that is not finite, a large int) that is what `otherwise` gives.
    """

    def __init__(
        self, spelled: SpelledC, nested: Sequence[Spelled], sizes: list[int | None]
    ) -> None:
        self.spelled = spelled
        self._nested = nested  # the texts that put the results into their nestings
        self._sizes = sizes
        self._library = library(spelled.source)  # loaded for as long as this object lives
        self.function = self._library.function(spelled.name)
        self.function.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
        if "sg_python_function" in spelled.source:
            pointer = ctypes.c_void_p.in_dll(self._library.loaded, "sg_python_function")
            pointer.value = _CALLBACK_ADDRESS
        self.nested = _nested(nested)
        # What is returned for all results, and what runs where C cannot.
        self.result = self.nested
        self.otherwise: Callable[[Any], Any] = self.nested
        # Of all ways to make an array of a list of floats, by far the fastest.
        self.pack = struct.Struct(format_of(sizes)).pack
        # The arrays of results and work that no run uses, with their addresses: several threads may
        # run the same program at once.
        self._free: list[tuple[Any, ...]] = []

    def run(self, pieces: Sequence[Any]) -> Any:
        """Return the result for these pieces."""
        try:
            arrays = self._free.pop()  # as append, one step: no other thread gets the same
        except IndexError:
            made = [array("d", bytes(8 * n)) for n in (self.spelled.outputs, self.spelled.work)]
            arrays = (*made, *[x.buffer_info()[0] for x in made])
        results, _, out, work = arrays
        try:
            if not self.function(self.pack(*pieces), out, work):
                return self.result(results)
        except struct.error:  # an int is too large for a double
            pass
        finally:
            self._free.append(arrays)
        return self.otherwise(pieces)

    def __reduce__(self) -> Any:
        return CProgram, (self.spelled, self._nested, self._sizes)


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


def format_of(sizes: Sequence[int | None]) -> str:
    """Return the format, as `struct` has it, of pieces of these sizes.

    >>> format_of([None, None, 4, None])
    '2d32s1d'
    """
    parts = []
    for size, some in groupby(sizes):
        count = len([*some])
        parts.append(f"{8 * size}s" * count if size is not None else f"{count}d")
    return "".join(parts)


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
