"""Nests in the text of a program: names for their numbers, and how results are put together."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from scalargrad.programs.code import Operand
from scalargrad.programs.spell.python.speller import Speller
from scalargrad.transforms.nesting import NUMBER, Doubles, Nest, Structure, made_of, parts_of

# Python's parser takes 200 brackets within each other; results nested deeper are made in steps.
_DEEPEST = 40


def names_in(name: str, structure: Structure) -> Iterator[str]:
    """Return names for the numbers of a nest that has a name.

    >>> from scalargrad.transforms.nesting import flatten
    >>> list(names_in("x", flatten({"w": [1.0, 2.0], "b": 3.0})[1]))
    ['x_w0', 'x_w1', 'x_b']
    """
    if structure is NUMBER:
        yield name
    elif isinstance(structure, Nest):
        for key, item in parts_of(structure):
            yield from names_in(f"{name}_{key}" if structure.keys else f"{name}{key}", item)


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
        if not issubclass(kind, dict):
            make = speller.constant(partial(made_of, kind), f"make_{kind.__name__}")
            return f"{make}({text})"
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
