"""Weighted sums in a graph, and the functions that alone use them: neurons, for pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scalargrad.programs.code import Code
from scalargrad.view.languages.spelling import OPS
from scalargrad.view.lowering import reordered

SUM = OPS["sumprod"]


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
