"""Train micrograd's network on two interleaved half circles, and watch its decision boundary.

Run it from the root of the checkout: python3 -m demos.moons
"""

from __future__ import annotations

import random
from math import cos, floor, pi, sin
from statistics import fmean
from typing import Any

from demos.terminal import Screen, parse_options, run
from scalargrad import sumprod, tanh
from scalargrad.losses import hinge
from scalargrad.nn import MLP
from scalargrad.optim import SGD, CosineAnnealingLR
from scalargrad.view.playing import playground

Point = list[float]

LEFT, RIGHT, BOTTOM, TOP = -1.5, 2.5, -1.0, 1.5  # what the picture shows of the plane

# Colours of the 256-colour terminal palette, for class -1 and class +1: of a region where the
# network is unsure, then sure (past hinge's margin of 1), and of a point.
REGION = {-1: (17, 18), +1: (52, 88)}
POINT = {-1: 51, +1: 220}


def make_moons(count: int, noise: float, rng: random.Random) -> tuple[list[Point], list[int]]:
    """Return points of an upper half circle, labelled -1, and of a lower one inside it, +1."""
    points, labels = [], []
    for i in range(count):
        angle = pi * (i // 2) / (count // 2 - 1)
        if i % 2:
            x, y, label = 1 - cos(angle), 0.5 - sin(angle), +1
        else:
            x, y, label = cos(angle), sin(angle), -1
        points.append([x + rng.gauss(0, noise), y + rng.gauss(0, noise)])
        labels.append(label)
    return points, labels


def sign(score: Any) -> int:
    return 1 if score > 0 else -1


def accuracy(scores: list[Any], labels: list[int]) -> float:
    return fmean(sign(score) == label for score, label in zip(scores, labels, strict=True))


def draw(model: MLP, points: list[Point], labels: list[int], screen: Screen) -> list[str]:
    """Return lines of text that show the class of each place, and the points."""
    # A character is about twice as high as it is wide, and the window of the plane is 4 by 2.5.
    # The lines above and below need some room.
    width = max(16, min(64, screen.columns - 1, (screen.rows - 6) * 16 // 5))
    height = width * 5 // 16
    point_at = {}
    for (x, y), label in zip(points, labels, strict=True):
        column = floor((x - LEFT) / (RIGHT - LEFT) * width)
        row = floor((TOP - y) / (TOP - BOTTOM) * height)
        point_at[column, row] = label

    def score(column: int, row: float) -> float:
        x = LEFT + (column + 0.5) / width * (RIGHT - LEFT)
        y = TOP - row / height * (TOP - BOTTOM)
        data: float = model([x, y]).data
        return data

    def coloured(column: int, row: int) -> str:
        # Two pixels, one above the other: the upper half block's colour and that behind it.
        pixels = [score(column, row + 0.25), score(column, row + 0.75)]
        upper, lower = (REGION[sign(pixel)][abs(pixel) > 1] for pixel in pixels)
        if (column, row) in point_at:
            return f"\x1b[38;5;{POINT[point_at[column, row]]};48;5;{lower}m●"
        return f"\x1b[38;5;{upper};48;5;{lower}m▀"

    def plain(column: int, row: int) -> str:
        if (column, row) in point_at:
            return "o" if point_at[column, row] > 0 else "x"
        return "." if score(column, row + 0.5) > 0 else " "

    cell, end = (coloured, "\x1b[0m") if screen.colour else (plain, "")
    return ["".join(cell(column, row) for column in range(width)) + end for row in range(height)]


def main() -> None:
    options = parse_options(
        "demos.moons",
        "Learn two interleaved half circles.",
        steps=100,
        quick_steps=30,
        saves=".html",
    )
    rng = random.Random(options.seed)
    points, labels = make_moons(100, 0.1, rng)
    model = MLP(2, [16, 16, 1], rng=rng)
    parameters = model.parameters()
    optimizer = SGD(parameters, lr=0.2, momentum=0.9)
    schedule = CosineAnnealingLR(optimizer, T_max=options.steps)
    print(f"Two moons of {len(points)} points, a network of {len(parameters)} parameters:")
    screen = Screen()
    with screen:
        for step in range(1, options.steps + 1):
            scores = [model(point) for point in points]
            loss = hinge(scores, labels) + 1e-4 * sumprod(parameters, parameters)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if screen.live and (step % 10 == 1 or step == options.steps):
                screen.picture(draw(model, points, labels, screen))
            screen.progress(step, options.steps, loss.data, accuracy(scores, labels))
    if not screen.live:
        print(*draw(model, points, labels, screen), sep="\n")

    print(f"training accuracy: {accuracy([model(point) for point in points], labels):.1%}")
    new_points, new_labels = make_moons(200, 0.1, rng)
    on_new = accuracy([model(point) for point in new_points], new_labels)
    print(f"accuracy on {len(new_points)} new points: {on_new:.1%}")
    if options.save:
        playground(
            lambda rng: MLP(2, [16, 16, 1], activation=tanh, rng=rng),
            lambda output, label: hinge([output], [label]),
            list(zip(points, labels, strict=True)),
            list(zip(new_points[:60], new_labels[:60], strict=True)),
            lambda parameters: SGD(parameters, lr=0.2, momentum=0.9, weight_decay=2e-4),
            title="Two moons",
        ).save(options.save)
        print(f"saved {options.save}")


if __name__ == "__main__":
    run(main)
