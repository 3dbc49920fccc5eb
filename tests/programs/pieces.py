"""Programs split into pieces: steps of a drawn function moved into functions of their own.

A `Part` has steps, and calls of other parts, that stood in one place of the function. It takes what
they use as arguments, nested or not, or by capturing it, and returns what others use. It may be
called again with other arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any


@dataclass
class Step:
    """One line: `name = text`, which uses the names in `uses`, as a `condition` or a number."""

    name: str
    text: str
    uses: tuple[str, ...]
    condition: bool = False
    argument: str = ""  # of which it is an element


@dataclass
class Made:
    """A call of a part: what its names are in the caller, inputs also constants as text."""

    part: Part
    names: dict[str, str]

    def named(self, x: str) -> str:
        return self.names.get(x, x)


Item = Step | Made


@dataclass
class Part:
    """A function: its items, what it takes as parameters, and of the caller's, and gives."""

    name: str
    title: str  # its __name__
    items: list[Item]
    inputs: list[str]  # names of steps before it that it takes as arguments
    captured: list[str]  # and those that it captures
    arguments: list[str]  # the function's own arguments that it uses
    parameters: list[tuple[str, Any, list[str]]]  # each with its nesting, and the steps in it
    nested: bool  # whether it is written within its caller
    settings: str
    extras: float  # how many results that nothing needs it gives
    seed: int
    depth: int
    exports: list[str] = field(default_factory=list)


def _within(text: str, names: dict[str, str]) -> str:
    return re.sub(r"\bv_\d+\b", lambda found: names.get(found[0], found[0]), text)


def expanded(items: Iterable[Item], names: dict[str, str]) -> Iterator[Step]:
    """Return all steps as they are without parts, with these names in place of their own."""
    for item in items:
        if isinstance(item, Made):
            own = {x: _within(text, names) for x, text in item.names.items()}
            captured = {x: names[x] for x in item.part.captured if x in names}
            yield from expanded(item.part.items, {**captured, **own})
        else:
            yield Step(
                names.get(item.name, item.name),
                _within(item.text, names),
                tuple(re.findall(r"\bv_\d+\b", " ".join(names.get(x, x) for x in item.uses))),
                item.condition,
                item.argument,
            )


def unwrapped(made: Made) -> list[Item]:
    """Return the items of a part in place of a call of it."""
    found: list[Item] = []
    for item in made.part.items:
        if isinstance(item, Made):
            names = {x: _within(text, made.names) for x, text in item.names.items()}
            found.append(Made(item.part, names))
        else:
            found += expanded([item], made.names)
    return found


def used_by(item: Item) -> list[str]:
    """Return the names of steps that an item uses."""
    if isinstance(item, Step):
        return list(item.uses)
    taken = [item.named(x) for x in item.part.inputs]
    return [x for x in taken if x.startswith("v_")] + list(item.part.captured)


def made_by(item: Item) -> list[str]:
    """Return the names of the steps that an item gives."""
    if isinstance(item, Step):
        return [item.name]
    inner = [step.name for step in expanded(item.part.items, {})]
    return [item.named(x) for x in inner]


def arguments_of(items: Iterable[Item]) -> list[str]:
    found: dict[str, None] = {}
    for item in items:
        own = [item.argument] if isinstance(item, Step) else item.part.arguments
        found.update(dict.fromkeys(x for x in own if x))
    return list(found)


def depth_of(items: Iterable[Item]) -> int:
    return max([item.part.depth for item in items if isinstance(item, Made)], default=0)


class Splitter:
    """Moves items of a function into parts."""

    def __init__(self, random: Random, names: Sequence[str], arguments: Sequence[str]) -> None:
        self.random, self.names, self.arguments = random, names, arguments
        self.items: list[Item] = []
        self.parts: list[Part] = []

    def wrap(self) -> None:
        """Move some items that stand together into a part."""
        random = self.random
        size = len(self.items)
        first = random.randrange(size)
        last = size if random.random() < 0.4 else random.randint(first + 1, size)
        items = self.items[first:last]
        if depth_of(items) >= 3:
            return
        own = {x for item in items for x in made_by(item)}
        uses = list(dict.fromkeys(x for item in items for x in used_by(item) if x not in own))
        arguments = arguments_of(items)
        nested = random.random() < 0.3
        captured = [x for x in uses if nested and random.random() < 0.4]
        inputs = [x for x in uses if x not in captured]
        part = Part(
            f"part_{len(self.parts)}",
            random.choice(self.names),
            items,
            inputs,
            captured,
            arguments,
            self._parameters(inputs),
            nested,
            random.choice(("", "", "", ", inline=True")) if random.random() < 0.3 else "",
            random.choice((0, 0.3, 1)),
            random.randrange(10**6),
            depth_of(items) + 1,
        )
        self.parts.append(part)
        # Each name stands for itself.
        inner = [step.name for step in expanded(items, {})]
        self.items[first:last] = [Made(part, {x: x for x in [*inputs, *inner]})]

    def _parameters(self, inputs: list[str]) -> list[tuple[str, Any, list[str]]]:
        random = self.random
        free = [x for x in self.names if x not in self.arguments]
        found = []
        names = iter(random.sample(free, min(len(free), len(inputs) + 3)))
        rest = list(inputs)
        while rest:
            count = random.choice((1, 1, 2, 3, 5))
            some, rest = rest[:count], rest[count:]
            plain = len(some) == 1 and random.random() < 0.5
            shape = None if plain else self._nest_of(len(some))
            found.append((next(names), shape, some))
        if inputs and random.random() < 0.2:  # one number in two places
            found.append((next(names), None, [random.choice(inputs)]))
        if random.random() < 0.1:
            found.append((next(names), ("list", None, []), []))
        return found

    def _nest_of(self, count: int) -> Any:
        """Return a nesting of so many numbers."""
        random = self.random
        kind = random.choice(("list", "tuple", "dict", "OrderedDict", "Point"))
        if kind == "Point" and count != 2:
            kind = "list"
        parts: list[Any] = [None] * count
        if count > 1 and kind != "Point" and random.random() < 0.3:
            parts = [None, self._nest_of(count - 1)]
        keys = [repr(f"k{i}") for i in range(len(parts))] if "ict" in kind else None
        return kind, keys, parts

    def again(self, operand: Callable[[bool], str], add_all: Callable[[list[Step]], bool]) -> None:
        """Call a part once more, with other arguments, if `add_all` takes the steps of that."""
        random = self.random
        visible = [item for item in self.items if isinstance(item, Made)]
        if not visible:
            return
        made = random.choice(visible)
        part = made.part
        conditions = {x for x in part.inputs if x in self.conditions}
        names = {x: operand(x in conditions) for x in part.inputs}
        count = sum(1 for _ in expanded(self.items, {}))
        for k, step in enumerate(list(expanded(part.items, {})), count):
            names[step.name] = f"v_{k}"
        call = Made(part, names)
        if add_all(list(expanded([call], {}))):
            self.items.append(call)

    @property
    def conditions(self) -> set[str]:
        return {step.name for step in expanded(self.items, {}) if step.condition}


def written_parts(
    items: Sequence[Item],
    parts: Sequence[Part],
    uses: Iterable[str],
    lines: Callable[[Any, Iterator[str]], str],
    paths: Callable[[Any, str], list[str]],
    prune: bool,
) -> tuple[list[str], list[str]]:
    """Return the lines of the parts at the top, and those of the function's own body."""
    wanted: dict[str, set[str]] = {part.name: set() for part in parts}
    kept: dict[str, list[Item]] = {}

    def scan(scope: Sequence[Item], needed: set[str]) -> list[Item]:
        found = []
        for item in reversed(scope):
            gives = set(made_by(item))
            if prune and gives.isdisjoint(needed):
                continue
            found.append(item)
            needed.update(used_by(item))
            if isinstance(item, Made):
                inner = [step.name for step in expanded(item.part.items, {})]
                wanted[item.part.name].update(x for x in inner if item.named(x) in needed)
        return found[::-1]

    top = scan(items, set(uses))
    for part in reversed(parts):
        inner = [step.name for step in expanded(part.items, {})]
        chosen = Random(part.seed)
        extras = {x for x in inner if not prune and chosen.random() < part.extras}
        part.exports = [x for x in inner if x in wanted[part.name] | extras]
        kept[part.name] = scan(part.items, set(part.exports))
    called = {
        item.part.name
        for scope in (top, *kept.values())
        for item in scope
        if isinstance(item, Made)
    }

    def body(scope: Sequence[Item]) -> list[str]:
        found: list[str] = []
        defined: set[str] = set()
        for place, item in enumerate(scope):
            if isinstance(item, Step):
                found.append(f"{item.name} = {item.text}")
                continue
            part = item.part
            if part.nested and part.name not in defined:
                defined.add(part.name)
                found += written(part)
            given = list(part.arguments)
            for _, shape, steps in part.parameters:
                given.append(lines(shape, iter([item.named(x) for x in steps])))
            if part.exports:
                shape = result_shape(part)
                found.append(f"r_{place} = {part.name}({', '.join(given)})")
                found += [
                    f"{item.named(x)} = {path}"
                    for x, path in zip(part.exports, paths(shape, f"r_{place}"), strict=True)
                ]
            else:
                found.append(f"{part.name}({', '.join(given)})")
        return found

    def result_shape(part: Part) -> Any:
        count = len(part.exports)
        if count == 1 and part.seed % 2:
            return None
        kind = ("list", "tuple", "dict")[part.seed % 3]
        keys = [repr(f"r{i}") for i in range(count)] if kind == "dict" else None
        shapes: list[Any] = [None] * count
        if count > 2 and part.seed % 5 < 2:
            shapes = [None, ("tuple", None, [None] * (count - 1))]
            keys = keys[:2] if keys else None
        return kind, keys, shapes

    def written(part: Part) -> list[str]:
        taken = [*part.arguments, *[name for name, _, _ in part.parameters]]
        found = []
        for name, shape, steps in part.parameters:
            found += [f"{x} = {path}" for x, path in zip(steps, paths(shape, name), strict=True)]
        found += body(kept[part.name])
        if part.exports:
            found.append(f"return {lines(result_shape(part), iter(part.exports))}")
        else:
            found.append("return []")
        return [
            f"@S_piece({part.title!r}{part.settings})",
            f"def {part.name}({', '.join(taken)}):",
            *[f"    {line}" for line in found],
        ]

    defs = []
    for part in parts:
        if not part.nested and part.name in called:
            defs += written(part)
    return defs, body(top)
