"""Derivatives without the rules, to hold the rules against: finite differences, complex steps.

>>> from math import sin
>>> round(numerical_gradient(lambda x, y: x * sin(y), [2.0, 0.0])[1].derivative, 9)
2.0
"""

import cmath
import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.errors import describe
from scalargrad.engine.graph import topological_order
from scalargrad.engine.op import Op, Tracer, is_real
from scalargrad.engine.value import Value

_EPSILON = sys.float_info.epsilon
_SMALLEST = math.ulp(0.0)


class Estimate(NamedTuple):
    """A derivative found numerically, and a bound on how far off it is likely to be."""

    derivative: float
    error: float


class GradientError(AssertionError):
    """Raised by `gradcheck`: the gradient is wrong, or no numerical one can be had to judge it."""


def numerical_gradient(
    f: Callable[..., Any], xs: Sequence[float], noise: float = 0.0
) -> list[Estimate]:
    """Return an `Estimate` of the derivative of `f(*xs)` by each of `xs`.

    Central differences over steps from a quarter of the input's size down, each four times
    smaller, are extrapolated to step 0 (Richardson, two levels: errors of order h**2 and h**4
    cancel). Of all steps that one is taken whose extrapolation agrees best with its neighbours, as
    in Ridders' method; the error is that disagreement, and what rounding does to the differences.
    The values of `f` are taken to be right to a few units in the last place; `noise` is a further
    error of theirs, absolute, as comes of large numbers that cancel inside of `f`. Raises
    ValueError where `f` has no finite value on both sides of an input.

    C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering
    Software 4 (2), 1982.

    >>> [(slope, error)] = numerical_gradient(lambda x: x**3, [2.0])
    >>> abs(slope - 12) <= error < 1e-9
    True
    """
    xs = [float(x) for x in xs]

    def along(i: int) -> Callable[[float], float]:
        return lambda x: _plain(f(*xs[:i], x, *xs[i + 1 :]))

    return [_ridders(along(i), x, noise) for i, x in enumerate(xs)]


def complex_step_gradient(f: Callable[..., Any], xs: Sequence[float]) -> list[float]:
    """Return the derivative of `f(*xs)` by each of `xs`, exact to the last bits.

    For an analytic f, f(x + ih) is f(x) + ih f'(x) but for terms of order h**2: with h = 1e-200
    the imaginary part over h is the derivative, with no difference that could cancel. `f` may use
    arithmetic, `cmath` and the functions of scalargrad that have a complex form. Raises TypeError,
    naming the function, for others (erf, gamma, ...) and for a result that is not a number.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1), 1998.

    >>> from scalargrad import exp, sin
    >>> complex_step_gradient(lambda x, y: exp(x) * sin(y), [0.0, 0.0])
    [0.0, 1.0]
    """
    slopes = []
    for i, x in enumerate(xs):
        point = [_Complex(complex(z)) for z in xs]
        point[i] = _Complex(complex(x, _COMPLEX_STEP))
        y = f(*point)
        if not (isinstance(y, _Complex | complex) or is_real(y)):
            raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")
        slopes.append(complex(y).imag / _COMPLEX_STEP)
    return slopes


_COMPLEX_STEP = 1e-200


class _Complex(Tracer):
    """A complex number that goes through functions written for real ones."""

    __slots__ = ("z",)

    def __init__(self, z: complex) -> None:
        self.z = z

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        function = _COMPLEX_FORMS.get(op.name)
        if function is None:
            raise TypeError(f"{op.name} has no complex form here: use numerical_gradient")
        z = function(*(x.z if isinstance(x, _Complex) else x for x in inputs))
        return _Complex(z) if isinstance(z, complex) else z

    def __complex__(self) -> complex:
        return self.z

    def __gt__(self, other: Any) -> bool:
        return _real(self) > _real(other)

    def __lt__(self, other: Any) -> bool:
        return _real(self) < _real(other)

    def __ge__(self, other: Any) -> bool:
        return _real(self) >= _real(other)

    def __le__(self, other: Any) -> bool:
        return _real(self) <= _real(other)


def _real(x: Any) -> float:
    return complex(x).real


def _outward(z: complex, y: complex) -> complex:
    return y if _real(z) >= 0 else -y


def _softplus(z: complex) -> complex:
    return cmath.log(1 + cmath.exp(z)) if _real(z) < 0 else z + cmath.log(1 + cmath.exp(-z))


def _sigmoid(z: complex) -> complex:
    return 1 / (1 + cmath.exp(-z)) if _real(z) >= 0 else cmath.exp(z) / (1 + cmath.exp(z))


def _logsumexp(*zs: complex) -> complex:
    largest = max(map(_real, zs))
    return largest + cmath.log(sum(cmath.exp(z - largest) for z in zs))


def _atan2(y: complex, x: complex) -> complex:
    steep = abs(_real(y)) > abs(_real(x))
    imaginary = -cmath.atan(x / y).imag if steep else cmath.atan(y / x).imag
    return complex(math.atan2(_real(y), _real(x)), imaginary)


def _halves(inputs: tuple[complex, ...]) -> list[tuple[complex, complex]]:
    n = len(inputs) // 2
    return list(zip(inputs[:n], inputs[n : 2 * n], strict=True))


# By the name of the op. Where the complex function is another one (abs, hypot), this is the
# analytic continuation of the real function from the point's own side.
_COMPLEX_FORMS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "**": operator.pow,
    "pow": operator.pow,
    "neg": operator.neg,
    "pos": operator.pos,
    ">": lambda a, b: _real(a) > _real(b),
    "==": lambda a, b: _real(a) == _real(b),
    "where": lambda condition, a, b: a if condition else b,
    "abs": lambda z: _outward(z, z),
    "fabs": lambda z: _outward(z, z),
    "relu": lambda z: z if _real(z) > 0 else 0 * z,
    "maximum": lambda a, b: a if _real(a) > _real(b) else b,
    "minimum": lambda a, b: a if _real(a) < _real(b) else b,
    "fma": lambda a, b, c: a * b + c,
    "sqrt": cmath.sqrt,
    "cbrt": lambda z: _outward(z, _outward(z, z) ** (1 / 3)),
    "exp": cmath.exp,
    "exp2": lambda z: cmath.exp(z * math.log(2)),
    "expm1": lambda z: cmath.exp(z) - 1,
    "log": cmath.log,
    "log2": lambda z: cmath.log(z) / math.log(2),
    "log10": cmath.log10,
    "log1p": lambda z: cmath.log(1 + z),
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "asin": cmath.asin,
    "acos": cmath.acos,
    "atan": cmath.atan,
    "atan2": _atan2,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "asinh": cmath.asinh,
    "acosh": cmath.acosh,
    "atanh": cmath.atanh,
    "degrees": lambda z: z * (180 / math.pi),
    "radians": lambda z: z * (math.pi / 180),
    "sigmoid": _sigmoid,
    "softplus": _softplus,
    "silu": lambda z: z * _sigmoid(z),
    "fsum": lambda *zs: sum(zs),
    "prod": lambda *zs: math.prod(zs),
    "sumprod": lambda *zs: sum(p * q for p, q in _halves(zs)) + sum(zs[len(zs) // 2 * 2 :]),
    "hypot": lambda *zs: cmath.sqrt(sum(z * z for z in zs)),
    "dist": lambda *zs: cmath.sqrt(sum((p - q) ** 2 for p, q in _halves(zs))),
    "logsumexp": _logsumexp,
    "power_log": lambda a, b, n: a**b * cmath.log(a) ** n,
    "over": operator.truediv,
    "steep": operator.truediv,
    "constant_max": lambda *zs: max(map(_real, zs)),
}


def gradcheck(f: Callable[..., Any], *xs: float) -> bool:
    """Return True if `backward` through `f(*xs)` gives the derivatives that differences give.

    `f` takes Values and returns one. Each derivative must lie within the error bound of its
    numerical estimate. Raises GradientError, naming the input, both numbers and the bound, where
    one does not, or where the bound is too wide to judge by; TypeError if `f` returns no number.

    >>> from scalargrad import sin
    >>> gradcheck(lambda x, y: x * sin(y), 2.0, 0.5)
    True
    """
    leaves = [Value(float(x)) for x in xs]
    y = f(*leaves)
    noise = 0.0
    if isinstance(y, Value):
        y.backward()
        # Of a Function of several outputs these are tuples.
        results = [x.data for x in topological_order([y]) if is_real(x.data)]
        noise = 4 * _EPSILON * max(map(abs, results), default=0.0)
    elif not is_real(y):
        raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")
    point = [leaf.data for leaf in leaves]
    estimates = numerical_gradient(lambda *point: f(*map(Value, point)), point, noise)
    for i, (leaf, (slope, error)) in enumerate(zip(leaves, estimates, strict=True)):
        name = f"input {i} ({describe(leaf)})"
        # not <=, so that a nan fails.
        if not abs(leaf.grad - slope) <= error:
            raise GradientError(
                f"the derivative by {name} is wrong: backward gives {leaf.grad!r}, "
                f"finite differences give {slope!r} within {error:.1e}"
            )
        if error > 0.01 * max(abs(slope), abs(leaf.grad)) and error > _TOO_WIDE:
            raise GradientError(
                f"the derivative by {name} cannot be judged: finite differences give {slope!r} "
                f"only within {error:.1e} (backward gives {leaf.grad!r}); try another point"
            )
    return True


# An error bound this large is of no use if it also exceeds a hundredth of the derivative.
_TOO_WIDE = 1e-4


def _plain(y: Any) -> float:
    y = y.data if isinstance(y, Value) else y
    # Python's ** leaves the real numbers without an error.
    return math.nan if isinstance(y, complex) else float(y)


def _ridders(f: Callable[[float], float], x: float, noise: float) -> Estimate:
    size = abs(x)
    # Not round steps: one that hits a period of f would find it constant.
    best = _extrapolate(f, x, 0.2345 * max(size, 1.0), max(size * 2.0**-46, 2.0**-50), noise)
    if 0 < size < 2.0**-6:
        best = _better(_extrapolate(f, x, 0.2345 * size, size * 2.0**-46, noise), best)
    if best is None:
        raise ValueError(f"no numerical derivative at {x!r}: f has no finite value on both sides")
    return best


def _extrapolate(
    f: Callable[[float], float], x: float, step: float, smallest: float, noise: float
) -> Estimate | None:
    best: Estimate | None = None
    # Of the last step: the difference quotient, and its extrapolations of one and two levels.
    once = twice = quotient = math.nan
    pending: Estimate | None = None
    while step > smallest:
        high, low = x + step, x - step
        try:
            above, below = f(high), f(low)
        except (ArithmeticError, ValueError):
            above = below = math.nan
        step /= 4
        last_quotient, last_once, last_twice = quotient, once, twice
        quotient = (above - below) / (high - low)
        once = (16 * quotient - last_quotient) / 15
        twice = (256 * once - last_once) / 255
        disagreement = max(abs(twice - once), abs(twice - last_once), abs(twice - last_twice))
        if pending is not None:
            # Rounding errors grow fourfold with each step, and may agree once by chance.
            best = _better(pending._replace(error=max(pending.error, disagreement / 2)), best)
            assert best is not None
            if best.error <= 1e-11 * abs(best.derivative):
                return best
        values = max(abs(above), abs(below), abs(x * quotient) / 4)
        rounding = (4 * _EPSILON * values + noise + _SMALLEST) / (high - low)
        candidate = Estimate(twice, 2 * (disagreement + rounding))
        pending = candidate if math.isfinite(candidate.error) else None
    return best


def _better(new: Estimate | None, best: Estimate | None) -> Estimate | None:
    """Return the better of two estimates, the new one from closer to the point."""
    if new is None or best is None:
        return new or best
    if abs(new.derivative - best.derivative) <= new.error + best.error:
        return min(new, best, key=lambda estimate: estimate.error)
    # Steps too long to see the function's detail find small slopes with small errors: what tells
    # them is the error relative to the slope.
    more_certain = new.error * abs(best.derivative) < best.error * abs(new.derivative)
    return new if more_certain or new.error < best.error else best
