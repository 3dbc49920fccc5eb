"""Plain real numbers, of any kind that Python has."""

from __future__ import annotations

from numbers import Complex, Number, Real
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
