"""Fit NIST's reference datasets for nonlinear regression, and count the digits that agree.

Run it from the root of the checkout: python3 -m demos.nist
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from demos.terminal import run
from scalargrad import atan, cos, exp, sin
from scalargrad.optim import Fit, curve_fit

DATA = Path(__file__).parent / "data" / "nist.txt"
ENOUGH = 9  # digits of each parameter


class Dataset(NamedTuple):
    name: str
    level: str  # of difficulty: lower, average or higher
    starts: list[list[float]]  # the first is far from the solution, the second closer
    parameters: list[float]  # these and what follows as certified, to 11 digits
    errors: list[float]
    squares: float
    xs: list[Any]
    ys: list[float]


def load() -> list[Dataset]:
    blocks = DATA.read_text(encoding="ascii").split("\n\n")
    return [parse(block) for block in blocks]


def parse(block: str) -> Dataset:
    head, _, samples = block.partition("samples\n")
    [_, name, level], *lines = (line.split() for line in head.splitlines())
    found = {key: [float(number) for number in numbers] for key, *numbers in lines}
    ys, xs = [], []
    for sample in samples.split(";"):
        y, *x = (float(number) for number in sample.split())
        ys.append(y)
        xs.append(x[0] if len(x) == 1 else x)
    if name == "Nelson":  # whose model is for log(y)
        ys = [math.log(y) for y in ys]
    return Dataset(
        name,
        level,
        [found["start1"], found["start2"]],
        found["parameters"],
        found["errors"],
        found["squares"][0],
        xs,
        ys,
    )


def approach(x: Any, b1: Any, b2: Any) -> Any:
    return b1 * (1 - exp(-b2 * x))


def chwirut(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return exp(-b1 * x) / (b2 + b3 * x)


def lanczos(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any) -> Any:
    return b1 * exp(-b2 * x) + b3 * exp(-b4 * x) + b5 * exp(-b6 * x)


def gauss(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any, b8: Any) -> Any:
    first = b3 * exp(-((x - b4) ** 2) / b5**2)
    second = b6 * exp(-((x - b7) ** 2) / b8**2)
    return b1 * exp(-b2 * x) + first + second


def cubics(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any) -> Any:
    return (b1 + b2 * x + b3 * x**2 + b4 * x**3) / (1 + b5 * x + b6 * x**2 + b7 * x**3)


def quadratics(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any) -> Any:
    return (b1 + b2 * x + b3 * x**2) / (1 + b4 * x + b5 * x**2)


def danwood(x: Any, b1: Any, b2: Any) -> Any:
    return b1 * x**b2


def misra1b(x: Any, b1: Any, b2: Any) -> Any:
    return b1 * (1 - (1 + b2 * x / 2) ** -2)


def misra1c(x: Any, b1: Any, b2: Any) -> Any:
    return b1 * (1 - (1 + 2 * b2 * x) ** -0.5)


def misra1d(x: Any, b1: Any, b2: Any) -> Any:
    return b1 * b2 * x * (1 + b2 * x) ** -1


def nelson(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return b1 - b2 * x[0] * exp(-b3 * x[1])


def mgh09(x: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    return b1 * (x**2 + x * b2) / (x**2 + x * b3 + b4)


def mgh10(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return b1 * exp(b2 / (x + b3))


def mgh17(x: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any) -> Any:
    return b1 + b2 * exp(-x * b4) + b3 * exp(-x * b5)


def roszman(x: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    return b1 - b2 * x - atan(b3 / (x - b4)) / math.pi


def enso(x: Any, *b: Any) -> Any:
    def wave(cosine: Any, sine: Any, period: Any) -> Any:
        angle = 2 * math.pi * x / period
        return cosine * cos(angle) + sine * sin(angle)

    return b[0] + wave(b[1], b[2], 12) + wave(b[4], b[5], b[3]) + wave(b[7], b[8], b[6])


def rat42(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return b1 / (1 + exp(b2 - b3 * x))


def rat43(x: Any, b1: Any, b2: Any, b3: Any, b4: Any) -> Any:
    return b1 / (1 + exp(b2 - b3 * x)) ** (1 / b4)


def eckerle(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return b1 / b2 * exp(-0.5 * ((x - b3) / b2) ** 2)


def bennett(x: Any, b1: Any, b2: Any, b3: Any) -> Any:
    return b1 * (b2 + x) ** (-1 / b3)


MODELS: dict[str, Callable[..., Any]] = {
    "Misra1a": approach,
    "Chwirut2": chwirut,
    "Chwirut1": chwirut,
    "Lanczos3": lanczos,
    "Gauss1": gauss,
    "Gauss2": gauss,
    "DanWood": danwood,
    "Misra1b": misra1b,
    "Kirby2": quadratics,
    "Hahn1": cubics,
    "Nelson": nelson,
    "MGH17": mgh17,
    "Lanczos1": lanczos,
    "Lanczos2": lanczos,
    "Gauss3": gauss,
    "Misra1c": misra1c,
    "Misra1d": misra1d,
    "Roszman1": roszman,
    "ENSO": enso,
    "MGH09": mgh09,
    "Thurber": cubics,
    "BoxBOD": approach,
    "Rat42": rat42,
    "MGH10": mgh10,
    "Eckerle4": eckerle,
    "Rat43": rat43,
    "Bennett5": bennett,
}


def agreement(found: Sequence[float], certified: Sequence[float]) -> float:
    """Return to how many digits the worst of the numbers agrees with its certified one."""
    worst = max(abs(f - c) / abs(c) for f, c in zip(found, certified, strict=True))
    return min(11.0, -math.log10(worst)) if worst else 11.0


def digits(fit: Fit, dataset: Dataset) -> list[float]:
    """Return the digits of the parameters, of their standard errors and of the sum of squares."""
    return [
        agreement(fit.parameters, dataset.parameters),
        agreement(fit.standard_errors, dataset.errors),
        agreement([fit.residual_sum_of_squares], [dataset.squares]),
    ]


def fitted(dataset: Dataset, start: list[float]) -> list[float] | None:
    """Return the digits of a fit, or None where it does not converge."""
    try:
        fit = curve_fit(MODELS[dataset.name], dataset.xs, dataset.ys, start)
    except (RuntimeError, ValueError):
        return None
    return digits(fit, dataset) if math.isfinite(fit.covariance[0][0]) else None


def cells(found: list[float] | None) -> str:
    return f"{'not found':>15}" if found is None else "".join(f"{number:5.1f}" for number in found)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python3 -m demos.nist",
        description="Fit NIST's 27 reference datasets for nonlinear regression.",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fit from the second start alone: a second or two"
    )
    starts = [1] if parser.parse_args().quick else [0, 1]
    began = time.perf_counter()
    datasets = load()
    print(f"{len(datasets)} datasets. Of NIST's 11 digits agree:")
    print("b   those of the worst parameter,")
    print("e   those of the worst standard error,")
    print("s   those of the sum of squares.\n")
    print("        " + "".join(f"   from start {start + 1}" for start in starts))
    print("        " + "    b    e    s" * len(starts))
    enough = dict.fromkeys(starts, 0)
    for dataset in datasets:
        found = [fitted(dataset, dataset.starts[start]) for start in starts]
        for start, numbers in zip(starts, found, strict=True):
            enough[start] += numbers is not None and numbers[0] >= ENOUGH
        print(f"{dataset.name:8}" + "".join(map(cells, found)), flush=True)
    print(f"\nAll parameters to {ENOUGH} digits or more:")
    for start, count in enough.items():
        print(f"from start {start + 1}: {count} of {len(datasets)}")
    print(f"It took {time.perf_counter() - began:.1f} s.")


if __name__ == "__main__":
    run(main)
