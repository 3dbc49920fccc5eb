"""Small data sets to learn from, as pairs of inputs and a target: they need nothing.

Points of two or more classes in the plane, Fisher's irises, and samples of a curve.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from math import cos, pi, sin
from pathlib import Path
from typing import Any

Examples = list[tuple[list[float], Any]]

IRIS = Path(__file__).with_name("iris.csv")


def moons(count: int, rng: random.Random) -> Examples:
    """Return points of an upper half circle, target -1, and of a lower one in its arms, 1."""
    found: Examples = []
    for k in range(count):
        angle = pi * (k // 2) / max(1, count // 2 - 1)
        x, y = (1 - cos(angle), 0.5 - sin(angle)) if k % 2 else (cos(angle), sin(angle))
        found.append((_near(x, y, 0.1, rng), 1 if k % 2 else -1))
    return found


def circles(count: int, rng: random.Random) -> Examples:
    """Return points of an inner circle, target 1, and of an outer one, -1."""
    found: Examples = []
    for k in range(count):
        angle, radius = 2 * pi * (k // 2) / (count // 2), 0.4 if k % 2 else 1.0
        found.append((_near(radius * cos(angle), radius * sin(angle), 0.06, rng), 2 * (k % 2) - 1))
    return found


def spiral(count: int, rng: random.Random) -> Examples:
    """Return points of three arms of a spiral, targets 0, 1 and 2."""
    found: Examples = []
    for k in range(count):
        arm, radius = k % 3, 0.1 + 0.9 * (k // 3) / max(1, count // 3 - 1)
        angle = 4 * radius + 2 * pi * arm / 3
        found.append((_near(radius * cos(angle), radius * sin(angle), 0.03, rng), arm))
    return found


def xor(count: int, rng: random.Random) -> Examples:
    """Return points around the corners of a square, target 1 where one coordinate is 1, else -1."""
    corners = [(0, 0), (0, 1), (1, 0), (1, 1)]
    found: Examples = []
    for k in range(count):
        x, y = corners[k % 4]
        found.append((_near(x, y, 0.12, rng), 1 if x != y else -1))
    return found


def iris(count: int, rng: random.Random) -> Examples:
    """Return flowers of three species, targets 0, 1 and 2; sizes have mean 0 and deviation 1."""
    with IRIS.open(newline="", encoding="utf-8") as file:
        _header, *rows = csv.reader(file)
    columns = [[float(x) for x in column] for column in list(zip(*rows, strict=True))[:4]]
    scaled = []
    for column in columns:
        mean = sum(column) / len(column)
        deviation = (sum((x - mean) ** 2 for x in column) / (len(column) - 1)) ** 0.5
        scaled.append([(x - mean) / deviation for x in column])
    species = sorted({row[4] for row in rows})
    sizes = zip(*scaled, strict=True)
    found = [(list(x), species.index(row[4])) for x, row in zip(sizes, rows, strict=True)]
    rng.shuffle(found)
    return found[:count]


def sine(count: int, rng: random.Random) -> Examples:
    """Return samples of sin from -3 to 3, with a little noise."""
    xs = [-3 + 6 * k / max(1, count - 1) for k in range(count)]
    return [([x], sin(x) + rng.gauss(0, 0.05)) for x in xs]


def _near(x: float, y: float, noise: float, rng: random.Random) -> list[float]:
    return [x + rng.gauss(0, noise), y + rng.gauss(0, noise)]


# By the names that the command line has for them.
DATASETS: dict[str, Callable[[int, random.Random], Examples]] = {
    "moons": moons,
    "circles": circles,
    "spiral": spiral,
    "xor": xor,
    "iris": iris,
    "sin": sine,
}
