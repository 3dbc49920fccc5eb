"""Makes `series_by_mpmath.json`: Taylor coefficients to order 12, by mpmath, in 80 digits.

Run it from the root of a checkout, in an environment that has mpmath:

    python -m tests.transforms.series_by_mpmath

Each row is a function's name, the inputs at t = 0, the direction in which they move, and the
coefficients by t. mpmath takes them from finite differences at that precision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scalargrad.testing import FUNCTIONS

TABLE = Path(__file__).with_suffix(".json")
ORDER = 12


def points(
    intervals: tuple[tuple[tuple[float, float], ...], ...], arity: int
) -> list[tuple[float, ...]]:
    """Return points in the intervals, at most ten units large: where they bend."""
    found = set()
    for part in (0.2, 0.35, 0.45, 0.7, 0.9):
        for place in (0, -1):
            columns = []
            for n in range(arity or 4):
                low, high = intervals[n % len(intervals)][place]
                low, high = max(low, -4.0), max(min(high, 8.0), max(low, -4.0) + 0.5)
                columns.append(round(low + (high - low) * (part + 0.13 * n) % (high - low), 3))
            found.add(tuple(columns))
    return sorted(found)


def definitions(mp: Any) -> dict[str, Any]:
    def normal(x: Any) -> Any:
        return mp.erfc(-x / mp.sqrt(2)) / 2

    return {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "*": lambda a, b: a * b,
        "/": lambda a, b: a / b,
        "**": lambda a, b: mp.exp(b * mp.log(a)),
        "pow": lambda a, b: mp.exp(b * mp.log(a)),
        # 10.2 to 11.3 by 4.6 to 4.95: the quotient is between 2.06 and 2.46.
        "%": lambda a, b: a - 2 * b,
        "fmod": lambda a, b: a - 2 * b,
        "remainder": lambda a, b: a - 2 * b,
        "neg": lambda a: -a,
        "abs": abs,
        "fabs": abs,
        "cbrt": lambda a: mp.sign(a) * mp.cbrt(abs(a)),
        "degrees": mp.degrees,
        "radians": mp.radians,
        "digamma": mp.digamma,
        "lgamma": lambda a: mp.log(abs(mp.gamma(a))),
        "elu": lambda a: a if a > 0 else mp.expm1(a),
        "relu": lambda a: a if a > 0 else mp.mpf(0),
        "leaky_relu": lambda a: a if a > 0 else mp.mpf(0.01) * a,
        "exp2": lambda a: mp.mpf(2) ** a,
        "gelu": lambda a: a * normal(a),
        "log10": mp.log10,
        "log1p": mp.log1p,
        "log2": lambda a: mp.log(a) / mp.log(2),
        "sigmoid": lambda a: 1 / (1 + mp.exp(-a)),
        "silu": lambda a: a / (1 + mp.exp(-a)),
        "softplus": lambda a: mp.log1p(mp.exp(a)),
        "atan2": mp.atan2,
        "copysign": lambda a, b: abs(a) * mp.sign(b),
        "maximum": lambda a, b: max(a, b),
        "minimum": lambda a, b: min(a, b),
        "sinc": mp.sincpi,
        "logit": lambda a: mp.log(a / (1 - a)),
        "trunc": lambda a: mp.sign(a) * mp.floor(abs(a)),
        "clip": lambda a, low, high: min(max(a, low), high),
        "fma": lambda a, b, c: a * b + c,
        "dist": lambda *xs: mp.norm(
            [a - b for a, b in zip(xs[: len(xs) // 2], xs[len(xs) // 2 :], strict=True)]
        ),
        "fsum": lambda *xs: mp.fsum(xs),
        "hypot": lambda *xs: mp.norm(xs),
        "logsumexp": lambda *xs: mp.log(mp.fsum(map(mp.exp, xs))),
        "prod": lambda *xs: mp.fprod(xs),
        "sumprod": lambda *xs: mp.fdot(xs[: len(xs) // 2], xs[len(xs) // 2 :]),
    }


def main() -> None:
    import mpmath  # type: ignore[import-not-found,import-untyped,unused-ignore]

    mp = mpmath.mp
    mp.dps = 80
    known = definitions(mp)
    rows = []
    for name, function in FUNCTIONS.items():
        f = known[name] if name in known else getattr(mp, name)
        for inputs in points(function.intervals, function.arity):
            if not function.is_tame(inputs):
                continue
            direction = [1.0, -0.5, 0.25, 2.0][: len(inputs)]

            def along(t: Any, f: Any = f, start: Any = inputs, direction: Any = direction) -> Any:
                return f(
                    *[mp.mpf(x) + mp.mpf(d) * t for x, d in zip(start, direction, strict=True)]
                )

            coefficients = mp.taylor(along, 0, ORDER, singular=False)
            # What is left of a difference at 80 digits is no coefficient.
            numbers = [0.0 if abs(c) < 1e-40 else float(mp.re(c)) for c in coefficients]
            rows.append([name, list(inputs), direction, numbers])
    TABLE.write_text("[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
