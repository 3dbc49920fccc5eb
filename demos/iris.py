"""Train a small network to tell three species of iris apart, by scalar backpropagation.

Run it from the root of the checkout: python3 -m demos.iris
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

from demos.terminal import Screen, parse_options, run
from scalargrad import softmax, tanh
from scalargrad.losses import cross_entropy
from scalargrad.nn import MLP
from scalargrad.optim import Adam, CosineAnnealingLR
from scalargrad.view.datasets import IRIS
from scalargrad.view.playing import playground

SPECIES = ["setosa", "versicolor", "virginica"]


class Flower(NamedTuple):
    sizes: list[float]  # sepal length and width, petal length and width, in centimetres
    species: int  # an index into SPECIES


def load() -> list[Flower]:
    with IRIS.open(newline="", encoding="utf-8") as file:
        _header, *rows = csv.reader(file)
    return [Flower([float(x) for x in row[:4]], SPECIES.index(row[4])) for row in rows]


def split(
    flowers: list[Flower], train_share: float, rng: random.Random
) -> tuple[list[Flower], list[Flower]]:
    """Return flowers to train on and flowers to test on, with the same share of each species."""
    train, test = [], []
    for species in range(len(SPECIES)):
        group = [flower for flower in flowers if flower.species == species]
        rng.shuffle(group)
        count = round(train_share * len(group))
        train += group[:count]
        test += group[count:]
    return train, test


def standardiser(flowers: list[Flower]) -> Callable[[list[float]], list[float]]:
    """Return a function that scales sizes so that these flowers' have mean 0 and deviation 1."""
    columns = list(zip(*(flower.sizes for flower in flowers), strict=True))
    scales = [(fmean(column), stdev(column)) for column in columns]
    return lambda sizes: [(x - m) / s for x, (m, s) in zip(sizes, scales, strict=True)]


def most_likely(scores: Sequence[Any]) -> int:
    return max(range(len(scores)), key=lambda species: scores[species])


def accuracy(scores: list[Any], flowers: list[Flower]) -> float:
    pairs = zip(scores, flowers, strict=True)
    return fmean(most_likely(s) == flower.species for s, flower in pairs)


def main() -> None:
    options = parse_options(
        "demos.iris",
        "Learn to tell three species of iris apart.",
        steps=100,
        quick_steps=60,
        saves=".html",
    )
    # The split does not follow --seed, so that the accuracies of several seeds can be compared.
    train, test = split(load(), train_share=0.7, rng=random.Random(1936))
    scale = standardiser(train)
    inputs = [scale(flower.sizes) for flower in train]
    targets = [flower.species for flower in train]

    model = MLP(4, [8, len(SPECIES)], activation=tanh, rng=random.Random(options.seed))
    optimizer = Adam(model.parameters(), lr=0.05)
    schedule = CosineAnnealingLR(optimizer, T_max=options.steps)

    print(f"Fisher's irises: {len(train)} to train on, {len(test)} held out for the test.")
    print(f"A network of {len(model.parameters())} parameters, trained for {options.steps} steps:")
    with Screen() as screen:
        for step in range(1, options.steps + 1):
            logits = [model(x) for x in inputs]
            loss = cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            screen.progress(step, options.steps, loss.data, accuracy(logits, train))

    if options.save:
        playground(
            lambda rng: MLP(4, [8, len(SPECIES)], activation=tanh, rng=rng),
            cross_entropy,
            list(zip(inputs, targets, strict=True)),
            [(scale(flower.sizes), flower.species) for flower in test],
            lambda parameters: Adam(parameters, lr=0.05),
            title="Three species of iris",
        ).save(options.save)
        print(f"saved {options.save}")
    report(test, [[p.data for p in softmax(model(scale(flower.sizes)))] for flower in test])


def report(flowers: list[Flower], probabilities: list[list[float]]) -> None:
    """Print how well the probabilities of the species fit the flowers."""
    outcomes = list(zip(flowers, probabilities, strict=True))
    counts = Counter((flower.species, most_likely(ps)) for flower, ps in outcomes)

    print("\nThe flowers held out, by species, and what each was taken for:\n")
    print_row("", SPECIES)
    for truth, name in enumerate(SPECIES):
        print_row(name, [str(counts[truth, guess] or ".") for guess in range(len(SPECIES))])

    print("\nThe three it is least sure of, and how probable it holds each species:\n")
    print_row("", SPECIES)
    for flower, ps in sorted(outcomes, key=lambda outcome: max(outcome[1]))[:3]:
        print_row(SPECIES[flower.species], [f"{p:.1%}" for p in ps])

    hits = sum(counts[species, species] for species in range(len(SPECIES)))
    print(f"\ntest accuracy: {hits / len(flowers):.1%} ({hits} of {len(flowers)})")


def print_row(name: str, cells: list[str]) -> None:
    # 38 columns, which any terminal has.
    widths = [len(species) + 1 for species in SPECIES]
    row = [f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)]
    print(f"{name:>10}" + "".join(row))


if __name__ == "__main__":
    run(main)
