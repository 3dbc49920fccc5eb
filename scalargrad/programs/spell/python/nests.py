"""Nested arguments and results in a program's text: taken apart, and put together."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from scalargrad.programs.code import Operand
from scalargrad.programs.spell.python.speller import Speller
from scalargrad.transforms.nesting import NUMBER, Doubles, Nest, Structure, parts_of, size_of

# Python's parser takes 200 brackets within each other; results nested deeper are made in steps.
_DEEPEST = 40


def unpack(speller: Speller, name: str, structure: Structure, place: int) -> int:
    """Write the lines that take the nest `name` apart; return the place after its numbers.

    Its numbers are the inputs of the code from `place` on; those that it does not use get no name.
    """
    if structure is NUMBER:
        speller.name_input(place, name)
        return place + 1
    if not isinstance(structure, Nest):
        return place
    if structure.kind in (list, tuple) and set(structure.items) == {NUMBER}:
        wishes = [f"{name}{k}" for k in range(len(structure.items))]
        speller.name_elements(name, place, wishes)
        return place + len(wishes)
    parts: list[tuple[Any, str, Structure, int]] = []
    for key, nest in parts_of(structure):
        size = size_of(nest)
        own = ""
        if any(speller.uses[k] for k in range(place, place + size)):
            own = speller.names.new(f"{name}_{key}" if structure.keys else f"{name}{key}")
        parts.append((key, own, nest, place))
        place += size
    named = [part for part in parts if part[1]]
    if structure.keys is not None:
        for key, own, _, _ in named:
            speller.statement(f"{own} =", f"{name}[{_key_text(key, speller)}]")
    elif named:
        speller.take_apart([own or speller.unused() for _, own, _, _ in parts], name)
    for _, own, nest, first in named:
        unpack(speller, own, nest, first)
    return place


def returned(speller: Speller, structure: Structure, outputs: Iterator[Operand]) -> str:
    """Return the text of the result: the outputs, in order, in its nesting."""
    if structure is NUMBER:
        return speller.operand(next(outputs)).text
    text = _nest_text(speller, structure, outputs, 1)
    # A tuple needs no brackets here.
    if isinstance(structure, Nest) and structure.kind is tuple and len(structure.items) > 1:
        return text[1:-1]
    return text


def _nest_text(
    speller: Speller, structure: Structure, outputs: Iterator[Operand], depth: int
) -> str:
    if structure is NUMBER:
        return speller.element(next(outputs))
    if not isinstance(structure, Nest):
        return speller.constant(structure.value, "c")
    if structure.keys is None and set(structure.items) == {NUMBER}:
        numbers = [next(outputs) for _ in structure.items]
        return _listed(speller, structure, speller.elements(numbers))
    parts = [
        (key, _nest_text(speller, nest, outputs, depth + 1)) for key, nest in parts_of(structure)
    ]
    text = _packed(speller, structure, parts)
    return speller.named(text) if depth % _DEEPEST == 0 else text


def _packed(speller: Speller, structure: Nest, parts: list[tuple[Any, str]]) -> str:
    kind = structure.kind
    if structure.keys is not None:
        pairs = [f"{_key_text(key, speller)}: {text}" for key, text in parts]
        text = "{" + ", ".join(pairs) + "}"
        if kind is dict:
            return text
        class_name = speller.constant(kind, kind.__name__)
        if issubclass(kind, defaultdict):
            return f"{class_name}({speller.constant(structure.factory, 'factory')}, {text})"
        return f"{class_name}({text})"
    return _listed(speller, structure, [text for _, text in parts])


def _listed(speller: Speller, structure: Nest, texts: list[str]) -> str:
    kind = structure.kind
    if hasattr(kind, "_fields"):
        return f"{speller.constant(kind, kind.__name__)}({', '.join(texts)})"
    if issubclass(kind, tuple):
        text = f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"
    else:
        text = f"[{', '.join(texts)}]"
    if kind is Doubles:
        return f"{speller.constant(array_of, 'array')}({text})"
    return text if kind in (list, tuple) else f"{speller.constant(kind, kind.__name__)}({text})"


def array_of(numbers: Sequence[Any]) -> array[float]:
    """Return the result in the place of a buffer: an array of doubles."""
    return array("d", numbers)


def _key_text(key: Any, speller: Speller) -> str:
    return repr(key) if type(key) in (str, int, bool) else speller.constant(key, "key")
