"""Derivatives by complex steps: exact to the last bits, for analytic functions."""

import cmath
import math
import operator
from collections.abc import Callable
from typing import Any

from scalargrad import ops
from scalargrad.checks.inputs import Inputs
from scalargrad.ops import Number, Op, Tracer
from scalargrad.value import is_real


def complex_step_gradient(f: Callable[..., Number], xs: Any) -> Any:
    """Return the derivative of `f(*xs)` by each number in `xs`, exact to the last bits.

    For an analytic f, f(x + ih) is f(x) + ih f'(x) but for terms of order h**2: with h = 1e-200
    the imaginary part over h is the derivative, with no difference that could cancel. `xs` is a
    list of f's arguments, which may be nested, and the result is a list nested like it; for a
    function of one number `xs` may be that number, and the result is one, too. `f` may use
    arithmetic, comparisons and the functions of scalargrad that have a complex form. Raises
    TypeError, naming the function, for others (erf, gamma, ...), and for a result that is not a
    number; ValueError, ZeroDivisionError or OverflowError where f itself does, and ValueError
    where a function has no finite derivative.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1), 1998.

    >>> from scalargrad import exp, sin
    >>> complex_step_gradient(lambda x, y: exp(x) * sin(y), [0.0, 0.0])
    [0.0, 1.0]
    >>> complex_step_gradient(sin, 0.0)
    1.0
    """
    if is_real(xs):
        return complex_step_gradient(f, [xs])[0]
    inputs = Inputs(xs, "xs")
    slopes = []
    for i, x in enumerate(inputs.numbers):
        point: list[Any] = [_Complex(complex(z)) for z in inputs.numbers]
        point[i] = _Complex(complex(x, _STEP))
        y = f(*inputs.nested(point))
        if not (isinstance(y, _Complex | complex) or is_real(y)):
            raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")
        slopes.append(complex(y).imag / _STEP)
    return inputs.nested(slopes)


_STEP = 1e-200


class _Complex(Tracer):
    """A complex number that goes through functions written for real ones, and compares as one."""

    __slots__ = ("z",)

    def __init__(self, z: complex) -> None:
        self.z = z

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        function = _COMPLEX_FORMS.get(op)
        if function is None:
            raise TypeError(f"{op.name} has no complex form here: use numerical_gradient")
        zs = [x.z if isinstance(x, _Complex) else x for x in inputs]
        # On the real numbers it raises what it does for them, where its complex form would go on.
        op(*(z.real if isinstance(z, complex) else z for z in zs))
        if op in _BRANCH_POINTS and zs[0].real in _BRANCH_POINTS[op] and zs[0].imag:
            raise ValueError(f"{op.name} has no finite derivative at {zs[0].real!r}")
        y = function(*zs)
        return _Complex(y) if isinstance(y, complex) else y

    def __complex__(self) -> complex:
        return self.z

    def __repr__(self) -> str:
        return repr(self.z.real)

    def __bool__(self) -> bool:
        return self.z.real != 0

    def __eq__(self, other: object) -> Any:
        return self.z.real == _real(other) if _is_number(other) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.z.real)

    def __gt__(self, other: Any) -> Any:
        return self.z.real > _real(other) if _is_number(other) else NotImplemented

    def __lt__(self, other: Any) -> Any:
        return self.z.real < _real(other) if _is_number(other) else NotImplemented

    def __ge__(self, other: Any) -> Any:
        return self.z.real >= _real(other) if _is_number(other) else NotImplemented

    def __le__(self, other: Any) -> Any:
        return self.z.real <= _real(other) if _is_number(other) else NotImplemented


def _is_number(x: object) -> bool:
    return isinstance(x, _Complex | complex) or is_real(x)


def _real(x: Any) -> Any:
    return x.z.real if isinstance(x, _Complex) else x.real if isinstance(x, complex) else x


def _outward(z: complex, y: complex) -> complex:
    return y if _real(z) >= 0 else -y


def _absolute(z: complex) -> complex:
    return _outward(z, z) if _real(z) else 0 * z


def _larger(a: complex, b: complex) -> complex:
    if _real(a) == _real(b):
        return (a + b) / 2
    return a if _real(a) > _real(b) else b


def _power(a: complex, b: complex) -> complex:
    if _real(a) >= 0:
        return a**b
    # Only whole exponents get here. In polar form the imaginary part would be lost to rounding.
    return -((-a) ** b) if _real(b) % 2 else (-a) ** b


def _softplus(z: complex) -> complex:
    return cmath.log(1 + cmath.exp(z)) if _real(z) < 0 else z + cmath.log(1 + cmath.exp(-z))


def _sigmoid(z: complex) -> complex:
    return 1 / (1 + cmath.exp(-z)) if _real(z) >= 0 else cmath.exp(z) / (1 + cmath.exp(z))


def _logsumexp(*zs: complex) -> complex:
    largest: float = max(map(_real, zs))
    return largest + cmath.log(sum(cmath.exp(z - largest) for z in zs))


def _atan2(y: complex, x: complex) -> complex:
    steep = abs(_real(y)) > abs(_real(x))
    imaginary = -cmath.atan(x / y).imag if steep else cmath.atan(y / x).imag
    return complex(math.atan2(_real(y), _real(x)), imaginary)


def _length(*zs: complex) -> complex:
    largest = max((abs(_real(z)) for z in zs), default=0.0)
    # At the origin the derivative is 0, as abs has it.
    return complex(largest * cmath.sqrt(sum((z / largest) ** 2 for z in zs)) if largest else 0)


def _halves(inputs: tuple[complex, ...]) -> list[tuple[complex, complex]]:
    n = len(inputs) // 2
    return list(zip(inputs[:n], inputs[n : 2 * n], strict=True))


# Where the complex function is another one (abs, hypot), this is the analytic continuation of the
# real function from the point's own side.
_COMPLEX_FORMS: dict[Op, Callable[..., Any]] = {
    ops.add: operator.add,
    ops.sub: operator.sub,
    ops.mul: operator.mul,
    ops.div: operator.truediv,
    ops.power: _power,
    ops.math_pow: _power,
    ops.neg: operator.neg,
    ops.pos: operator.pos,
    ops.mod: lambda a, b: a - _real(a) // _real(b) * b,
    ops.fmod: lambda a, b: a - math.trunc(_real(a) / _real(b)) * b,
    ops.greater: lambda a, b: _real(a) > _real(b),
    ops.equal: lambda a, b: _real(a) == _real(b),
    ops.select: lambda condition, a, b: a if _real(condition) else b,
    ops.absolute: _absolute,
    ops.fabs: _absolute,
    ops.copysign: lambda a, b: math.copysign(1, _real(b)) * _absolute(a),
    ops.relu: lambda z: z if _real(z) > 0 else 0 * z,
    ops.leaky_relu: lambda z, slope: z if _real(z) > 0 else slope * z,
    ops.elu: lambda z, alpha: z if _real(z) > 0 else alpha * (cmath.exp(z) - 1),
    ops.maximum: _larger,
    ops.minimum: lambda a, b: -_larger(-a, -b),
    ops.fma: lambda a, b, c: a * b + c,
    ops.sqrt: cmath.sqrt,
    ops.cbrt: lambda z: _outward(z, _outward(z, z) ** (1 / 3)),
    ops.exp: cmath.exp,
    ops.exp2: lambda z: cmath.exp(z * math.log(2)),
    ops.expm1: lambda z: cmath.exp(z) - 1,
    ops.log: cmath.log,
    ops.log2: lambda z: cmath.log(z) / math.log(2),
    ops.log10: cmath.log10,
    ops.log1p: lambda z: cmath.log(1 + z),
    ops.sin: cmath.sin,
    ops.cos: cmath.cos,
    ops.tan: cmath.tan,
    ops.asin: cmath.asin,
    ops.acos: cmath.acos,
    ops.atan: cmath.atan,
    ops.atan2: _atan2,
    ops.sinh: cmath.sinh,
    ops.cosh: cmath.cosh,
    ops.tanh: cmath.tanh,
    ops.asinh: cmath.asinh,
    ops.acosh: cmath.acosh,
    ops.atanh: cmath.atanh,
    ops.degrees: lambda z: z * (180 / math.pi),
    ops.radians: lambda z: z * (math.pi / 180),
    ops.sigmoid: _sigmoid,
    ops.softplus: _softplus,
    ops.silu: lambda z: z * _sigmoid(z),
    ops.fsum: lambda *zs: sum(zs),
    ops.total: lambda *zs: sum(zs),
    ops.prod: lambda *zs: math.prod(zs),
    ops.sumprod: lambda *zs: sum(p * q for p, q in _halves(zs)) + sum(zs[len(zs) // 2 * 2 :]),
    ops.hypot: _length,
    ops.dist: lambda *zs: _length(*(p - q for p, q in _halves(zs))),
    ops.logsumexp: _logsumexp,
    ops.constant_max: lambda *zs: max(map(_real, zs)),
}

# Where the real function has a value but no finite derivative, and its complex form a wrong one.
_BRANCH_POINTS: dict[Op, tuple[float, ...]] = {
    ops.sqrt: (0.0,),
    ops.cbrt: (0.0,),
    ops.asin: (-1.0, 1.0),
    ops.acos: (-1.0, 1.0),
    ops.acosh: (1.0,),
}
