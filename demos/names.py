"""Train a tiny GPT on the names of minerals, one number at a time, and let it invent new ones.

Run it from the root of the checkout: python3 -m demos.names
"""

from __future__ import annotations

import random
from collections import deque
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from demos.terminal import LANGUAGES, Screen, parse_options, run
from scalargrad import Value, compile, logsumexp, relu, softmax, sqrt, sumprod
from scalargrad.nn import Module
from scalargrad.optim import Adam, CosineAnnealingLR

DATA = Path(__file__).parent / "data" / "minerals.txt"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
END = len(LETTERS)  # the token before and after a name; those of the letters are 0 to 25
TOKENS = END + 1
PLACES = 11  # room for END and a name of ten letters
WIDTH = 16  # numbers that the network keeps for each place
HEADS = [slice(start, start + 4) for start in range(0, WIDTH, 4)]
BATCH = 4
TEMPERATURE = 0.7  # below 1, likely letters are drawn more often than the network says

Vector = list[Any]
Matrix = list[Vector]


class GPT(Module):
    """A transformer of one block: for each place of a text, it gives the logits of the next token.

    It takes a row of numbers for each place, 1 for the token that stands there and 0 for the
    others. So one compiled program serves all names, where tokens as indices need one for each.
    """

    def __init__(self, rng: random.Random) -> None:
        def matrix(rows: int, columns: int, deviation: float) -> Matrix:
            return [[Value(rng.gauss(0, deviation)) for _ in range(columns)] for _ in range(rows)]

        self.token = matrix(WIDTH, TOKENS, 0.5)
        self.place = matrix(PLACES, WIDTH, 0.1)
        self.query = matrix(WIDTH, WIDTH, 0.25)
        self.key = matrix(WIDTH, WIDTH, 0.25)
        self.value = matrix(WIDTH, WIDTH, 0.25)
        self.mix = matrix(WIDTH, WIDTH, 0.1)
        self.widen = matrix(4 * WIDTH, WIDTH, 0.25)
        self.narrow = matrix(WIDTH, 4 * WIDTH, 0.05)
        self.output = matrix(TOKENS, WIDTH, 0.1)

    def __call__(self, rows: Matrix) -> Matrix:
        xs = [
            add(times(self.token, row), place) for row, place in zip(rows, self.place, strict=True)
        ]
        normal = [rms_norm(x) for x in xs]
        queries = [times(self.query, x) for x in normal]
        keys = [times(self.key, x) for x in normal]
        values = [times(self.value, x) for x in normal]
        logits = []
        for i, x in enumerate(xs):
            # A place attends to itself and the places before it, for it must not see what follows.
            seen = []
            for head in HEADS:
                seen += attention(
                    queries[i][head],
                    [key[head] for key in keys[: i + 1]],
                    [value[head] for value in values[: i + 1]],
                )
            x = add(x, times(self.mix, seen))
            hidden = [relu(h) for h in times(self.widen, rms_norm(x))]
            x = add(x, times(self.narrow, hidden))
            logits.append(times(self.output, rms_norm(x)))
        return logits


def attention(query: Vector, keys: Matrix, values: Matrix) -> Vector:
    """Return the mean of the values, weighted by how well the query fits their keys."""
    weights = softmax([sumprod(query, key) / sqrt(len(query)) for key in keys])
    return [sumprod(weights, column) for column in zip(*values, strict=True)]


def times(matrix: Matrix, x: Vector) -> Vector:
    return [sumprod(row, x) for row in matrix]


def add(a: Vector, b: Vector) -> Vector:
    return [x + y for x, y in zip(a, b, strict=True)]


def rms_norm(x: Vector) -> Vector:
    """Return x scaled so that the mean of its squares is 1."""
    scale = 1 / sqrt(sumprod(x, x) / len(x) + 1e-5)
    return [scale * part for part in x]


def load() -> list[str]:
    return DATA.read_text(encoding="ascii").split()


def one_hot(tokens: list[int]) -> list[list[float]]:
    """Return a row for each place: of zeros after the last token."""
    rows = [[float(token == other) for other in range(TOKENS)] for token in tokens]
    return rows + [[0.0] * TOKENS] * (PLACES - len(rows))


def invented(logits: Any, rng: random.Random) -> str:
    """Return a name drawn letter by letter, as likely as the compiled network finds each."""
    tokens = [END]
    while len(tokens) < PLACES:
        scores = logits(one_hot(tokens))[len(tokens) - 1]
        weights = softmax([score / TEMPERATURE for score in scores])
        [token] = rng.choices(range(TOKENS), weights)
        if token == END:
            break
        tokens.append(token)
    return "".join(LETTERS[token] for token in tokens[1:])


def main() -> None:
    options = parse_options(
        "demos.names",
        "Learn the names of minerals, and invent some.",
        steps=1500,
        quick_steps=100,
        compiles=True,
    )
    names = load()
    rng = random.Random(options.seed)
    model = GPT(rng)
    parameters = model.parameters()
    optimizer = Adam(parameters, lr=0.01, betas=(0.9, 0.95))
    schedule = CosineAnnealingLR(optimizer, T_max=options.steps)

    # The mean cross entropy of a token; places after a name's end have targets of zeros, and so
    # add nothing.
    @compile(target=options.target)
    def loss(rows: Matrix, targets: Matrix, count: Any) -> Any:
        places = zip(model(rows), targets, strict=True)
        return sum(sum(t) * logsumexp(x) - sumprod(t, x) for x, t in places) / count

    logits = compile(model.__call__, target=options.target)

    print(f"The names of {len(names)} minerals, such as {', '.join(rng.sample(names, 4))}.")
    print(f"A GPT of {len(parameters)} parameters, trained for {options.steps} steps")
    print(f"by a program in {LANGUAGES[options.target]}:")
    recent: deque[float] = deque(maxlen=50)
    with Screen() as screen:
        for step in range(1, options.steps + 1):
            batch = [[END, *map(LETTERS.index, name), END] for name in rng.sample(names, BATCH)]
            count = float(sum(len(tokens) - 1 for tokens in batch))
            optimizer.zero_grad()
            recent.append(
                sum(loss.backward(one_hot(ts[:-1]), one_hot(ts[1:]), count) for ts in batch)
            )
            optimizer.step()
            schedule.step()
            screen.progress(step, options.steps, fmean(recent))

    print("\nMinerals that it made up (* for those that there are):\n")
    for _ in range(5):
        row = [invented(logits, rng) for _ in range(5)]
        print("".join(f"{name + '*' * (name in names):14}" for name in row).rstrip())


if __name__ == "__main__":
    run(main)
