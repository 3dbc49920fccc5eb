"""Plain real numbers, of any kind that Python has."""

from __future__ import annotations

from numbers import Complex, Integral, Number, Real
from typing import Any


def is_real(x: object) -> bool:
    """Return whether `x` is a plain real number: int, float, Fraction, Decimal, a numpy scalar.

    >>> is_real(1), is_real(1j), is_real("1")
    (True, False, False)
    """
    if type(x) is float or type(x) is int:
        return True
    # Decimal is a Number, yet neither Real nor Complex in Python's numeric tower.
    return isinstance(x, Number) and (isinstance(x, Real) or not isinstance(x, Complex))


def number_of(x: Any) -> Any:
    """Return `x` as the real number to compute with, None if it is none.

    That is `x` itself, but for numpy's integers, which wrap around at the end of their range where
    Python's grow, and its arrays of no dimension: of those it is Python's number.

    >>> number_of(2.5), number_of("2.5")
    (2.5, None)
    """
    kind = type(x)
    if kind is float or kind is int or kind is bool:
        return x
    if is_real(x):
        return int(x) if hasattr(x, "dtype") and isinstance(x, Integral) else x
    if getattr(x, "shape", None) == () and hasattr(x, "item"):
        return number_of(x.item())
    return None


def in_kind(number: int, like: Any) -> Any:
    """Return a whole number in the kind of `like`: a float for a float, a Fraction for a Fraction.

    So 1 / 3 on the way is exact in a Fraction. Bools and enumerations count as ints.

    >>> in_kind(1, 2.5), in_kind(0, True)
    (1.0, 0)
    """
    kind = type(like)
    if kind is float:
        return float(number)
    return number if isinstance(like, int) else kind(number)
