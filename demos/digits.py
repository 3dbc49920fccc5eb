"""Train a small network to read handwritten digits, by a program compiled from its loss.

Run it from the root of the checkout: python3 -m demos.digits
"""

from __future__ import annotations

import random
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from demos.terminal import LANGUAGES, Screen, parse_options, run
from scalargrad import compile, softmax, tanh
from scalargrad.losses import cross_entropy
from scalargrad.nn import MLP
from scalargrad.optim import Adam, CosineAnnealingLR
from scalargrad.view.training import tiles

DATA = Path(__file__).parent / "data" / "digits.txt"
SIZE = 8  # pixels in a row, and rows
DARKEST = 16
SHADES = " .:-=+*#%"  # of a pixel of 0, of 1 or 2, ... of 15 or 16
HELD_OUT = 450
BATCH = 16


class Digit(NamedTuple):
    pixels: list[float]  # 0 (white) to 1 (black), row by row
    label: int


class Answer(NamedTuple):
    digit: Digit
    guess: int
    probability: float  # that the network gives its guess


def load() -> list[Digit]:
    with DATA.open(encoding="ascii") as file:
        rows = [line.split() for line in file]
    return [
        Digit([int(pixel, base=DARKEST + 1) / DARKEST for pixel in pixels], int(label))
        for label, pixels in rows
    ]


def split(digits: list[Digit], rng: random.Random) -> tuple[list[Digit], list[Digit]]:
    """Return digits to train on and digits to test on."""
    shuffled = rng.sample(digits, len(digits))
    return shuffled[HELD_OUT:], shuffled[:HELD_OUT]


def one_hot(label: int) -> list[float]:
    return [float(label == other) for other in range(10)]


def main() -> None:
    options = parse_options(
        "demos.digits",
        "Learn to read handwritten digits.",
        steps=2000,
        quick_steps=200,
        saves=".svg",
        compiles=True,
    )
    # The split does not follow --seed, so that the accuracies of several seeds can be compared.
    train, test = split(load(), random.Random(1998))
    rng = random.Random(options.seed)
    model = MLP(SIZE * SIZE, [32, 10], activation=tanh, rng=rng)
    for parameter in model.layers[0].parameters():
        parameter.data *= 0.2  # so that sums of 64 products do not saturate tanh from the start
    optimizer = Adam(model.parameters(), lr=0.02)
    schedule = CosineAnnealingLR(optimizer, T_max=options.steps)

    # With the label one-hot, as numbers: one program then serves all ten digits.
    @compile(target=options.target)
    def loss(pixels: list[Any], target: list[Any]) -> Any:
        return cross_entropy(model(pixels), target)

    @compile(target=options.target)
    def probabilities(pixels: list[Any]) -> list[Any]:
        return softmax(model(pixels))

    print(f"{len(train)} digits to train on, {len(test)} held out for the test.")
    print(f"A network of {len(model.parameters())} parameters, trained for {options.steps} steps")
    print(f"by a program in {LANGUAGES[options.target]}:")
    with Screen() as screen:
        for step in range(1, options.steps + 1):
            batch = rng.sample(train, BATCH)
            optimizer.zero_grad()
            losses = [loss.backward(digit.pixels, one_hot(digit.label)) for digit in batch]
            for parameter in optimizer.parameters:
                parameter.grad /= BATCH  # of the sum of the losses, to that of their mean
            optimizer.step()
            schedule.step()
            screen.progress(step, options.steps, fmean(losses))

    answers = []
    for digit in test:
        ps = probabilities(digit.pixels)
        answers.append(Answer(digit, ps.index(max(ps)), max(ps)))
    report(answers)
    if options.save:
        weights = [[w.data for w in neuron.w] for neuron in model.layers[0].neurons]
        picture = tiles(weights, SIZE, "what the hidden units look at")
        options.save.write_text(picture, encoding="utf-8")
        print(f"saved {options.save}")


def report(answers: list[Answer]) -> None:
    """Print some of the held-out digits with what the network said, and how often it was right."""
    right = [answer for answer in answers if answer.guess == answer.digit.label]
    wrong = [answer for answer in answers if answer.guess != answer.digit.label]
    print("\nSome that it read rightly:\n")
    show(right[:4])
    print("\nSome that it got wrong, the surest first:\n")
    show(sorted(wrong, key=lambda answer: -answer.probability)[:4])
    print(f"\ntest accuracy: {len(right) / len(answers):.1%} ({len(right)} of {len(answers)})")


def show(answers: list[Answer]) -> None:
    """Print the digits with label, guess and its probability, as many side by side as fit."""
    across = max(1, (Screen().columns + 3) // 19)
    for i in range(0, len(answers), across):
        some = answers[i : i + across]
        rows = [
            [f"a {digit.label}, read as {guess}" for digit, guess, _ in some],
            [f"({probability:.1%} sure)" for _, _, probability in some],
            *zip(*(drawn(answer.digit) for answer in some), strict=True),
        ]
        print("\n" * bool(i), end="")
        for row in rows:
            print("   ".join(f"{cell:16}" for cell in row).rstrip())


def drawn(digit: Digit) -> list[str]:
    """Return the lines of a picture, two characters a pixel, which makes it about square."""
    shades = [2 * SHADES[round(DARKEST * pixel + 1) // 2] for pixel in digit.pixels]
    return ["".join(shades[i : i + SIZE]) for i in range(0, SIZE * SIZE, SIZE)]


if __name__ == "__main__":
    run(main)
