"""`python -m scalargrad play`: a page in which a small network learns a data set."""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from typing import Any

from scalargrad import losses, nn, optim, tanh
from scalargrad.commands.arguments import opened, run
from scalargrad.view.datasets import DATASETS
from scalargrad.view.playing import Playground, playground

_EPILOG = """examples:
  python -m scalargrad play moons                 the page, in the browser
  python -m scalargrad play spiral -o page.html   as a file, which needs no network
"""
_TRAINED, _TESTED = 100, 50


def main(argv: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scalargrad play",
        description="Write a page in which a small network learns a data set, and open it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("data", choices=list(DATASETS), help=", ".join(DATASETS))
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write this file, and do not open it"
    )
    options = parser.parse_args(argv)

    def command() -> None:
        page = page_of(options.data)
        if options.output is None:
            opened(page.show())
        else:
            page.save(options.output)
            print(f"wrote {options.output}")

    return run(command)


def page_of(name: str) -> Playground:
    """Return the playground of a data set."""
    rng = random.Random(7)
    examples = DATASETS[name](_TRAINED + _TESTED, rng)
    rng.shuffle(examples)
    train, test = examples[:_TRAINED], examples[_TRAINED:]
    inputs = len(train[0][0])
    classes = {target for _, target in train}
    loss: Any = losses.cross_entropy
    optimizer: Any = _adam(0.03)
    if name == "sin":
        sizes, loss, optimizer = [1, 8, 8, 1], _squared, _adam(0.02)
    elif classes == {-1, 1}:
        sizes, loss, optimizer = [inputs, *([4] if name == "xor" else [8, 8]), 1], _hinge, _momentum
    else:
        sizes = [inputs, 8, 3] if name == "iris" else [inputs, 12, 12, 3]
    return playground(_network(sizes), loss, train, test, optimizer, title=_TITLES[name])


_TITLES = {
    "moons": "Two moons",
    "circles": "Two circles",
    "spiral": "A spiral of three arms",
    "xor": "One or the other: xor",
    "sin": "A curve: sin",
    "iris": "Three species of iris",
}


def _network(sizes: list[int]) -> Any:
    return lambda rng: nn.MLP(sizes[0], sizes[1:], activation=tanh, rng=rng)


def _hinge(output: Any, target: Any) -> Any:
    return losses.hinge([output], [target])


def _squared(output: Any, target: Any) -> Any:
    return (output - target) ** 2


def _momentum(parameters: Any) -> optim.SGD:
    return optim.SGD(parameters, lr=0.2, momentum=0.9, weight_decay=2e-4)


def _adam(lr: float) -> Any:
    return lambda parameters: optim.Adam(parameters, lr=lr)
