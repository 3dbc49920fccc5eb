"""Taylor series in Fractions, cut off: the exact derivatives of rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any


class Jet:
    """A polynomial in t, cut off behind the coefficients that are given."""

    def __init__(self, *coefficients: Any) -> None:
        self.coefficients = [*map(Fraction, coefficients)]

    def _with(self, other: Any) -> tuple[list[Fraction], list[Fraction]]:
        """Return the coefficients of both, as many of one as of the other."""
        size = max(len(self.coefficients), len(jet(other).coefficients))
        return coefficients(self, size), coefficients(other, size)

    def __add__(self, other: Any) -> Jet:
        return Jet(*map(sum, zip(*self._with(other), strict=True)))

    def __mul__(self, other: Any) -> Jet:
        a, b = self._with(other)
        return Jet(*(sum(a[i] * b[n - i] for i in range(n + 1)) for n in range(len(a))))

    def __neg__(self) -> Jet:
        return self * -1

    def __sub__(self, other: Any) -> Jet:
        return self + -jet(other)

    def __truediv__(self, other: Any) -> Jet:
        a, b = self._with(other)
        quotient: list[Fraction] = []
        for n in range(len(a)):
            known = sum(quotient[i] * b[n - i] for i in range(n))
            quotient.append((a[n] - known) / b[0])
        return Jet(*quotient)

    def __mod__(self, other: Any) -> Jet:
        divisor = jet(other)
        return self - divisor * (self.coefficients[0] // divisor.coefficients[0])

    def __abs__(self) -> Jet:
        return self if self.coefficients[0] > 0 else -self

    def __radd__(self, other: Any) -> Jet:
        return jet(other) + self

    def __rmul__(self, other: Any) -> Jet:
        return jet(other) * self

    def __rsub__(self, other: Any) -> Jet:
        return jet(other) - self

    def __rtruediv__(self, other: Any) -> Jet:
        return jet(other) / self

    def __rmod__(self, other: Any) -> Jet:
        return jet(other).__mod__(self)


def jet(x: Any) -> Jet:
    return x if isinstance(x, Jet) else Jet(x)


def coefficients(x: Any, count: int) -> list[Fraction]:
    """Return the first `count` coefficients of a jet, or of a number."""
    known = jet(x).coefficients
    return [*known, *[Fraction(0)] * (count - len(known))]


class jet_engine:
    """The exact functions beyond the operators, on jets."""

    @staticmethod
    def relu(x: Any) -> Jet:
        return jet(x) if jet(x).coefficients[0] > 0 else jet(0)

    @staticmethod
    def maximum(a: Any, b: Any) -> Jet:
        return jet(a) if jet(a).coefficients[0] > jet(b).coefficients[0] else jet(b)

    @staticmethod
    def minimum(a: Any, b: Any) -> Jet:
        return jet(a) if jet(a).coefficients[0] < jet(b).coefficients[0] else jet(b)

    @staticmethod
    def prod(xs: Any) -> Jet:
        return math.prod(map(jet, xs), start=jet(1))

    @staticmethod
    def sumprod(p: Any, q: Any) -> Jet:
        return sum((jet(a) * b for a, b in zip(p, q, strict=True)), start=jet(0))
