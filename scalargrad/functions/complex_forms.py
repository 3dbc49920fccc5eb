"""The complex forms of the functions: what each is at x + ih, from which its derivative is read.

Where the complex function of a name is another one (abs, hypot), this is the analytic continuation
of the real function from the point's own side. They share nothing with the derivative rules, and
so can judge them. erf, gamma and their kin have none.
"""

import cmath
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.functions.many import second_largest


def real_part(x: Any) -> Any:
    """Return the real part of a complex number, and any other number as it is.

    >>> real_part(2 + 1j), real_part(3)
    (2.0, 3)
    """
    return x.real if isinstance(x, complex) else x


def _outward(z: complex, y: complex) -> complex:
    return y if real_part(z) >= 0 else -y


def _absolute(z: complex) -> complex:
    return _outward(z, z) if real_part(z) else 0 * z


def _larger(a: complex, b: complex) -> complex:
    if real_part(a) == real_part(b):
        return (a + b) / 2
    return a if real_part(a) > real_part(b) else b


def _power(a: complex, b: complex) -> complex:
    x = real_part(a)
    if x > 0 or (x == 0 and real_part(b) % 1 == 0):
        return a**b
    if x == 0:
        if real_part(b) < 1 and isinstance(a, complex) and a.imag:
            raise ValueError(f"0 to the power {real_part(b)!r} has no finite derivative")
        return complex(0 ** real_part(b))
    # Only whole exponents get here. In polar form the imaginary part would be lost to rounding.
    return -((-a) ** b) if real_part(b) % 2 else (-a) ** b


def _exp(z: complex) -> complex:
    return cmath.exp(z) if real_part(z) > -745 else 0 * z


def _log1p(z: complex) -> complex:
    z = complex(z)
    return complex(math.log1p(z.real), cmath.log(1 + z).imag)


def _softplus(z: complex) -> complex:
    return _log1p(_exp(z)) if real_part(z) < 0 else z + _log1p(_exp(-z))


def _sigmoid(z: complex) -> complex:
    return 1 / (1 + _exp(-z)) if real_part(z) >= 0 else _exp(z) / (1 + _exp(z))


def _logsumexp(*zs: complex) -> complex:
    largest: float = max(map(real_part, zs))
    return largest + cmath.log(sum(cmath.exp(z - largest) for z in zs))


def _atan2(y: complex, x: complex) -> complex:
    steep = abs(real_part(y)) > abs(real_part(x))
    imaginary = -cmath.atan(x / y).imag if steep else cmath.atan(y / x).imag
    return complex(math.atan2(real_part(y), real_part(x)), imaginary)


def _length(*zs: complex) -> complex:
    largest = max((abs(real_part(z)) for z in zs), default=0.0)
    # At the origin the derivative is 0, as abs has it.
    return complex(largest * cmath.sqrt(sum((z / largest) ** 2 for z in zs)) if largest else 0)


def _halves(zs: Sequence[complex]) -> list[tuple[complex, complex]]:
    n = len(zs) // 2
    return list(zip(zs[:n], zs[n : 2 * n], strict=True))


def _remainder(quotient: Callable[[float], int]) -> Callable[[complex, complex], complex]:
    return lambda a, b: a - quotient(real_part(a) / real_part(b)) * b


def _relative(z: complex, m: complex, second: complex) -> complex:
    if abs(real_part(z)) > real_part(second) and real_part(z):
        return 1 if real_part(z) > 0 else -1
    return z / m if m else 0 * z


def _of_real_parts(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: compare(real_part(a), real_part(b))


_COMPARISONS = {
    **{">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le},
    **{"==": operator.eq, "!=": operator.ne},
}

# By the names of the ops.
COMPLEX_FORMS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": _power,
    "pow": _power,
    "neg": operator.neg,
    "pos": operator.pos,
    "%": lambda a, b: a - real_part(a) // real_part(b) * b,
    "fmod": _remainder(math.trunc),
    "remainder": _remainder(round),
    **{symbol: _of_real_parts(compare) for symbol, compare in _COMPARISONS.items()},
    "where": lambda condition, a, b: a if real_part(condition) else b,
    "abs": _absolute,
    "fabs": _absolute,
    "copysign": lambda a, b: math.copysign(1, real_part(b)) * _absolute(a),
    "relu": lambda z: z if real_part(z) > 0 else 0 * z,
    "leaky_relu": lambda z, slope=0.01: z if real_part(z) > 0 else slope * z,
    "elu": lambda z, alpha=1.0: z if real_part(z) > 0 else alpha * (cmath.exp(z) - 1),
    "maximum": _larger,
    "minimum": lambda a, b: -_larger(-a, -b),
    "fma": lambda a, b, c: a * b + c,
    "over": lambda a, b: a / b if b else 0 * a,
    "steep": operator.truediv,
    "same": lambda z: z,
    "like": lambda n, z: float(n),
    "power_log": lambda a, b, n: _power(a, b) * cmath.log(a) ** n,
    "sech": lambda z: 1 / cmath.cosh(z),
    "sqrt": cmath.sqrt,
    "cbrt": lambda z: _outward(z, _outward(z, z) ** (1 / 3)),
    "exp": _exp,
    "exp2": lambda z: cmath.exp(z * math.log(2)),
    "expm1": lambda z: cmath.exp(z) - 1,
    "log": cmath.log,
    "log2": lambda z: cmath.log(z) / math.log(2),
    "log10": cmath.log10,
    "log1p": _log1p,
    **{name: getattr(cmath, name) for name in ("sin", "cos", "tan", "asin", "acos", "atan")},
    **{name: getattr(cmath, name) for name in ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")},
    "atan2": _atan2,
    "degrees": lambda z: z * (180 / math.pi),
    "radians": lambda z: z * (math.pi / 180),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "silu": lambda z: z * _sigmoid(z),
    "fsum": lambda *zs: sum(zs),
    "sum": lambda *zs: sum(zs),
    "prod": lambda *zs: math.prod(zs),
    "sumprod": lambda *zs: sum(p * q for p, q in _halves(zs)) + sum(zs[len(zs) // 2 * 2 :]),
    "hypot": _length,
    "dist": lambda *zs: _length(*(p - q for p, q in _halves(zs))),
    "logsumexp": _logsumexp,
    "largest": lambda *zs: max(zs, key=real_part),
    "second_largest": lambda *zs: second_largest(*map(real_part, zs)),
    "below": lambda z, m, second: 0 * z if real_part(z) > real_part(second) else z - m,
    "relative": _relative,
}

# Where the real function has a value but no finite derivative, and its complex form a wrong one.
BRANCH_POINTS: dict[str, tuple[float, ...]] = {
    "sqrt": (0.0,),
    "cbrt": (0.0,),
    "asin": (-1.0, 1.0),
    "acos": (-1.0, 1.0),
    "acosh": (1.0,),
}
