"""Neurons: weighted sums, and the function that each goes through.

For pictures they are the sums in a graph that are one op each; for a playground those in the code
of any model, however they are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad.programs.code import Code, Literal, Operand, needed
from scalargrad.view.languages.spelling import OPS
from scalargrad.view.lowering import reordered

SUM = OPS["sumprod"]
_ADD, _MUL = OPS["+"], OPS["*"]
_SAME = {OPS[name] for name in ("pos", "same")}


def users_of(code: Code) -> list[list[int]]:
    """Return for each variable the results that are computed from it, each once."""
    users: list[list[int]] = [[] for _ in range(code.inputs + len(code.equations))]
    for k, (_, operands) in enumerate(code.equations, code.inputs):
        for x in dict.fromkeys(operands):
            if isinstance(x, int):
                users[x].append(k)
    return users


def function_of(code: Code, number: int, users: Sequence[Sequence[int]]) -> int:
    """Return the function of one number that alone uses a result: -1 if there is none.

    A sum is none, though its other operands are constants: it may have a function of its own.
    """
    if len(users[number]) != 1 or number in code.outputs:
        return -1
    [user] = users[number]
    op, operands = code.equations[user - code.inputs]
    alone = len([x for x in operands if isinstance(x, int)]) == 1
    return user if alone and op is not SUM and op.name.isidentifier() else -1


def own_parameters(
    code: Code, number: int, kinds: Sequence[str], users: Sequence[Sequence[int]]
) -> set[int]:
    """Return the parameters that only this sum uses."""
    _, operands = code.equations[number - code.inputs]
    inputs = {x for x in operands if isinstance(x, int) and x < code.inputs}
    return {x for x in inputs if kinds[x] == "parameter" and set(users[x]) == {number}}


def together(code: Code, nodes: list[Any], values: list[Any]) -> tuple[Code, list[Any], list[Any]]:
    """Return the same with each sum just before the function that alone uses it."""
    users = users_of(code)
    functions = {
        k: function_of(code, k, users)
        for k, (op, _) in enumerate(code.equations, code.inputs)
        if op is SUM
    }
    sums = {function: k for k, function in functions.items() if function >= 0}
    order = list(range(code.inputs))
    for k in range(code.inputs, len(values)):
        if functions.get(k, -1) < 0:
            order += [sums[k], k] if k in sums else [k]
    ordered = reordered(code, order, code.inputs)
    return ordered, [nodes[k] for k in order], [values[k] for k in order]


def named(code: Code, names: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Return the names, with some for neurons that have none: h1, or h1.2 in several layers.

    The sum of h1 is s1.
    """
    users = users_of(code)
    depths = [0] * len(users)
    layers: list[list[tuple[int, int]]] = []
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        depths[k] = max((depths[x] for x in operands if isinstance(x, int)), default=0)
        if op is SUM and own_parameters(code, k, kinds, users):
            depths[k] += 1
            while len(layers) < depths[k]:
                layers.append([])
            layers[depths[k] - 1].append((k, function_of(code, k, users)))
    hidden = [[pair for pair in layer if not {*pair} & {*code.outputs}] for layer in layers]
    hidden = [layer for layer in hidden if layer]
    found = list(names)
    for number, layer in enumerate(hidden, 1):
        for at, (total, function) in enumerate(layer, 1):
            place = f"{number}.{at}" if len(hidden) > 1 else str(at)
            shown = total if function < 0 else function
            found[shown] = found[shown] or f"h{place}"
            if function >= 0:
                found[total] = found[total] or f"s{place}"
    return found


# --- in the code of a model


@dataclass
class Unit:
    """An input of a model, or a neuron: its terms, its sum, and its output, which others take.

    `terms` are pairs of a weight's variable and of the unit that it weighs, by its place in the
    list of units; a step that is no neuron has operands, without weights. `bias`, `total` and
    `output` are variables of the code. `column` is 0 for inputs, else one more than the last of the
    columns that it takes from.
    """

    column: int
    output: int
    total: int | None = None
    terms: tuple[tuple[int | None, int], ...] = ()
    bias: int | None = None
    function: str = ""


def units_of(code: Code, inputs: range, weights: range) -> list[Unit]:
    """Return the inputs and then the neurons of `code`, each after those that it takes from.

    `inputs` and `weights` are variables of the code. A neuron is a sum of products of a weight
    and a unit, each weight used once, with at most one weight alone: its bias. If one function of
    one number alone takes the sum, the neuron's output is what that gives.
    """
    return _Finder(code, inputs, weights).units


def steps_of(code: Code, inputs: range, most: int = 40) -> list[Unit]:
    """Return the inputs and then all results on the way from them to the outputs of `code`.

    Of more than `most` there are the inputs alone.
    """
    used = needed(code)
    units = [Unit(0, k) for k in inputs]
    places = {k: place for place, k in enumerate(inputs)}
    for k, (op, operands) in enumerate(code.equations, code.inputs):
        sources = [places[x] for x in operands if isinstance(x, int) and x in places]
        if sources and used[k]:
            places[k] = len(units)
            column = 1 + max(units[source].column for source in sources)
            terms = tuple((None, source) for source in sources)
            units.append(Unit(column, k, k, terms, function=op.name))
    return units if len(units) <= most else units[: len(inputs)]


class _Finder:
    def __init__(self, code: Code, inputs: range, weights: range) -> None:
        self.code, self.weights = code, weights
        self.units = [Unit(0, k) for k in inputs]
        self.places = {unit.output: k for k, unit in enumerate(self.units)}
        self.users = users_of(code)
        for k in range(code.inputs, code.inputs + len(code.equations)):
            self.look_at(k)

    def look_at(self, total: int) -> None:
        """Add the neuron whose sum is the variable `total`, if it is one."""
        if self._is_part_of_a_sum(total):
            return
        terms: list[tuple[int, int]] = []
        biases: list[int] = []
        for term in self._terms(total):
            if term is None:
                return
            if isinstance(term, int):
                biases.append(term)
            else:
                terms.append(term)
        if not terms or len(biases) > 1:
            return
        column = 1 + max(self.units[unit].column for _, unit in terms)
        output, function = self._activated(total)
        bias = biases[0] if biases else None
        self.places[output] = len(self.units)
        self.units.append(Unit(column, output, total, tuple(terms), bias, function))

    def _terms(self, x: Operand) -> Iterator[tuple[int, int] | int | None]:
        """Yield the terms of a sum: a weight and a unit, a bias, or None for anything else."""
        stack = [x]
        while stack:
            x = stack.pop()
            if isinstance(x, Literal):
                if x.value != 0:
                    yield None
                continue
            if x in self.weights:
                yield x
                continue
            if x < self.code.inputs or x in self.places:
                yield None
                continue
            op, operands = self.code.equations[x - self.code.inputs]
            if op is _ADD:
                stack += reversed(operands)
            elif op in _SAME:
                stack.append(operands[0])
            elif op is _MUL:
                yield self._weighted(*operands)
            elif op is SUM:
                n = len(operands) // 2
                pairs = zip(operands[:n], operands[n : 2 * n], strict=True)
                yield from (self._weighted(a, b) for a, b in pairs)
                stack += operands[2 * n :]
            else:
                yield None

    def _weighted(self, a: Operand, b: Operand) -> tuple[int, int] | None:
        for weight, unit in ((a, b), (b, a)):
            if isinstance(weight, int) and weight in self.weights and unit in self.places:
                return weight, self.places[unit]
        return None

    def _is_part_of_a_sum(self, x: int) -> bool:
        """Return whether all that `x` is used for is to be added to something, or passed on."""
        ops = [self.code.equations[user - self.code.inputs].op for user in self.users[x]]
        return bool(ops) and all(op in {_ADD, *_SAME} for op in ops)

    def _activated(self, total: int) -> tuple[int, str]:
        """Return the output of a neuron, and the name of the function that gives it."""
        users = self.users[total]
        if len(users) == 1 and total not in self.code.outputs:
            op, operands = self.code.equations[users[0] - self.code.inputs]
            others = [x for x in operands if isinstance(x, int) and x != total]
            if op not in (_ADD, _MUL, SUM) and not others:
                return users[0], op.name
        return total, ""
