"""A C program that can be called: its library, and the arrays that numbers go in and out by."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.code import Code
from scalargrad.engine.errors import FAILURES
from scalargrad.programs.c import CALLED_BACK, EITHER, FLOAT, SpelledC
from scalargrad.programs.c_compiler import library
from scalargrad.programs.kinds import ANY
from scalargrad.programs.python import Spelled, spell_python
from scalargrad.transforms.nesting import NUMBER, Nest, Structure

_KINDS: dict[str, Callable[[float], Any]] = {"int": int, "bool": bool}
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

    numbers: Any
    results: Any
    work: Any


class CProgram:
    """A spelled C program that has been compiled and loaded.

    Called with the numbers, all of them floats, it returns the result in its nesting, or None where
    Python must run: an error, or a number that is not finite.
    """

    def __init__(self, spelled: SpelledC, nested: Spelled) -> None:
        self.spelled = spelled
        self._nested = nested  # the text that puts the results into their nesting
        loaded = library(spelled.source)
        self._function = loaded[spelled.name]
        self._function.argtypes = [_Pointer, _Pointer, _Pointer]
        if "sg_python_function" in spelled.source:
            _Pointer.in_dll(loaded, "sg_python_function").value = _CALLBACK_ADDRESS
        namespace: dict[str, Any] = {**nested.constants}
        exec(nested.source, namespace)
        self._in_nesting: Callable[[Any], Any] = namespace[nested.name]
        self._pack = struct.Struct(f"{spelled.inputs}d").pack_into
        self._unpack = struct.Struct(f"{spelled.outputs}d").unpack_from
        self._plain = all(result.kind == FLOAT for result in spelled.results)
        self._free: list[_Arrays] = []

    def __call__(self, numbers: Sequence[float]) -> tuple[Any] | None:
        """Return the result in a tuple of one, or None where Python must run."""
        free = self._free
        try:
            arrays = free.pop()  # as append, one step: no other thread gets the same
        except IndexError:
            arrays = self._new_arrays()
        self._pack(arrays.numbers, 0, *numbers)
        failed = self._function(arrays.numbers, arrays.results, arrays.work)
        ys: Any = None if failed else self._unpack(arrays.results)
        free.append(arrays)
        if failed:
            return None
        return (self._in_nesting(ys if self._plain else self._in_kinds(ys)),)

    def _new_arrays(self) -> _Arrays:
        spelled = self.spelled
        sizes = (spelled.inputs, spelled.outputs, spelled.work)
        return _Arrays(*[(ctypes.c_double * max(1, size))() for size in sizes])

    def _in_kinds(self, ys: Sequence[float]) -> list[Any]:
        found: list[Any] = []
        for y, (kind, tag) in zip(ys, self.spelled.results, strict=False):
            if kind == EITHER:
                kind = "int" if ys[tag] else FLOAT
            found.append(y if kind == FLOAT else _KINDS[kind](y))
        return found

    def __reduce__(self) -> Any:
        return CProgram, (self.spelled, self._nested)


def spell_nesting(results: int, structure: Structure) -> Spelled:
    """Return the text of a function from a sequence of all results to their nesting.

    >>> print(spell_nesting(2, Nest(dict, ("a", "b"), (NUMBER, NUMBER))).source)
    def nested(ys):
        ys0, ys1 = ys
        return {'a': ys0, 'b': ys1}
    <BLANKLINE>
    """
    code = Code(results, [], list(range(results)))
    numbers = Nest(tuple, None, (NUMBER,) * results)
    return spell_python(code, "nested", [("ys", numbers)], 0, structure, ANY)


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
