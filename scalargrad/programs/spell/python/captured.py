"""Captured Values in the text of `.backward`: their data are read, and their gradients added to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scalargrad.programs.code import Operand
from scalargrad.programs.spell.python.speller import Speller, whole_of

# One loop adds the gradients if a piece of their list has more than so many of them: from a tuple.
_FEW = 3


class Values(NamedTuple):
    """The name of the list of the Values, and that of each Value, if these have names."""

    list: str
    names: Sequence[str]


def read_values(speller: Speller, values: str, place: int, labels: Sequence[str]) -> Values:
    """Write the lines that read the inputs from `place` on: the data of the Values in a list.

    They become a list as well if the most of them go on as tuples.
    """
    if not labels:
        return Values(values, ())
    inputs = range(place, place + len(labels))
    go_on = {k for first, end in speller.packed for k in range(first, end) if k in inputs}
    if len(go_on) * 2 > len(inputs):
        data, each = speller.names.new("captured"), speller.names.new("v")
        speller.statement(f"{data} =", f"[{each}._data for {each} in {values}]")
        speller.name_elements(data, place, [label or "p" for label in labels], labelled=False)
        return Values(values, ())
    names = [speller.names.new(f"{label}_value" if label else "v") for label in labels]
    speller.take_apart(names, values)
    for k, (label, name) in enumerate(zip(labels, names, strict=True), place):
        if speller.uses[k]:
            own = speller.names.new(label or "p")
            speller.statement(f"{own} =", f"{name}._data")
            speller.name_input(k, own, labelled=False)
    return Values(values, names)


def add_gradients(speller: Speller, values: Values, slopes: Sequence[Operand], lock: str) -> None:
    """Write the lines that add to the gradients of the Values, when all else is computed."""
    if not slopes:
        return
    listed = speller.elements(slopes)
    if not values.names or len(listed) * _FEW < len(slopes):
        whole = whole_of(listed) or f"[{', '.join(listed)}]"
        whole = whole if whole.isidentifier() else speller.named(whole)
        v, g = speller.names.new("v"), speller.names.new("g")
        pairs = f"{speller.zip()}({values.list}, {whole})"
        speller.statement("with", f"{lock}:")
        speller.statement(f"    for {v}, {g} in", f"{pairs}:")
        speller.statement(f"        {v}._grad +=", g)
        return
    texts = [speller.operand(x) for x in slopes]
    texts = [text if text.safe else speller.local(text) for text in texts]
    speller.statement("with", f"{lock}:")
    for name, text in zip(values.names, texts, strict=True):
        speller.statement(f"    {name}._grad +=", text.text)
