"""The moons MLP and the GPT of `workloads` on arrays, for JAX, PyTorch and autograd alike.

`np` has `exp`, `log`, `einsum`, `relu`, `floats` and `integers`: the last two make arrays.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.benchmarks.workloads import ALPHA, SIZES, TOKENS, Point

WIDTH, HEADS, VOCABULARY = 16, 4, 27
# Of the parameters, in the order in which the scalar losses take them. A row of a layer is one
# neuron: its weights, and its bias last.
MOONS_SHAPES = [(n_out, n_in + 1) for n_in, n_out in pairwise(SIZES)]
GPT_SHAPES = [
    *[(VOCABULARY, WIDTH), (len(TOKENS), WIDTH)],
    *[(WIDTH, WIDTH)] * 4,
    *[(4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (VOCABULARY, WIDTH)],
]


def split(numbers: list[float], shapes: list[tuple[int, int]]) -> list[list[list[float]]]:
    """Return the numbers as matrices of these shapes, one after the other."""
    rest = iter(numbers)
    return [[[next(rest) for _ in range(columns)] for _ in range(rows)] for rows, columns in shapes]


def moons_loss(np: Any, points: list[Point], targets: list[int]) -> Any:
    """Return the loss as a function of the layers' matrices."""
    given, signs = np.floats(points), np.floats(targets)

    def loss(layers: list[Any]) -> Any:
        xs = given
        for k, layer in enumerate(layers):
            xs = xs @ layer[:, :-1].T + layer[:, -1]
            xs = np.relu(xs) if k < len(layers) - 1 else xs
        margins = np.relu(1 - xs[:, 0] * signs)
        return margins.sum() / len(targets) + ALPHA * sum((w * w).sum() for w in layers)

    return loss


def gpt_loss(np: Any) -> Any:
    """Return the loss as a function of the nine matrices of parameters."""
    count = len(TOKENS) - 1
    before, following = np.integers(TOKENS[:-1]), np.integers(TOKENS[1:])
    every = np.integers(range(count))
    seen = np.floats([[float(j <= i) for j in range(count)] for i in range(count)])

    def norm(x: Any) -> Any:
        return x * ((x * x).sum(axis=-1, keepdims=True) / WIDTH + 1e-5) ** -0.5

    def softmax(x: Any, weight: Any = 1.0) -> Any:
        exps = np.exp(x) * weight
        return exps / exps.sum(axis=-1, keepdims=True)

    def loss(matrices: list[Any]) -> Any:
        tokens, places, *of_heads, mix, expand, contract, unembed = matrices
        x = norm(tokens[before] + places[:count])
        normal = norm(x)
        query, key, value = ((normal @ m.T).reshape(count, HEADS, -1) for m in of_heads)
        scores = np.einsum("qhd,khd->hqk", query, key) / (WIDTH // HEADS) ** 0.5
        mixed = np.einsum("hqk,khd->qhd", softmax(scores, seen), value).reshape(count, WIDTH)
        x = x + mixed @ mix.T
        x = x + np.relu(norm(x) @ expand.T) @ contract.T
        return -np.log(softmax(x @ unembed.T)[every, following]).sum() / count

    return loss
