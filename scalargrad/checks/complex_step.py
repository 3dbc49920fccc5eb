"""Derivatives by complex steps: exact to the last bits, for analytic functions."""

import cmath
import math
import operator
from collections.abc import Callable
from typing import Any

from scalargrad.checks.inputs import Inputs
from scalargrad.engine.op import Op
from scalargrad.engine.passes import total
from scalargrad.engine.primitive import op_of
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.functions import activations, arithmetic, choices, elementary, many


def complex_step_gradient(f: Callable[..., Any], xs: Any) -> Any:
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
        op.forward(*(z.real if isinstance(z, complex) else z for z in zs))
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


def _sumprod(*zs: Any) -> Any:
    return sum(p * q for p, q in _halves(zs)) + sum(zs[len(zs) // 2 * 2 :])


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
    arithmetic.add.op: operator.add,
    arithmetic.sub.op: operator.sub,
    arithmetic.mul.op: operator.mul,
    arithmetic.div.op: operator.truediv,
    elementary.power.op: _power,
    elementary.pow.op: _power,
    arithmetic.neg.op: operator.neg,
    arithmetic.pos.op: operator.pos,
    arithmetic.mod.op: lambda a, b: a - _real(a) // _real(b) * b,
    arithmetic.fmod.op: lambda a, b: a - math.trunc(_real(a) / _real(b)) * b,
    choices.greater.op: lambda a, b: _real(a) > _real(b),
    choices.equal.op: lambda a, b: _real(a) == _real(b),
    op_of(choices.where): lambda condition, a, b: a if _real(condition) else b,
    arithmetic.absolute.op: _absolute,
    arithmetic.fabs.op: _absolute,
    arithmetic.copysign.op: lambda a, b: math.copysign(1, _real(b)) * _absolute(a),
    activations.relu.op: lambda z: z if _real(z) > 0 else 0 * z,
    activations.leaky_relu.op: lambda z, slope: z if _real(z) > 0 else slope * z,
    activations.elu.op: lambda z, alpha: z if _real(z) > 0 else alpha * (cmath.exp(z) - 1),
    choices.maximum.op: _larger,
    choices.minimum.op: lambda a, b: -_larger(-a, -b),
    op_of(arithmetic.fma): lambda a, b, c: a * b + c,
    arithmetic.over.op: lambda a, b: a / b if b else 0 * a,
    arithmetic.steep.op: operator.truediv,
    arithmetic.same.op: lambda z: z,
    choices.like.op: lambda n, z: float(n),
    op_of(elementary.power_log): lambda a, b, n: _power(a, b) * cmath.log(a) ** n,
    elementary.sech.op: lambda z: 1 / cmath.cosh(z),
    arithmetic.sqrt.op: cmath.sqrt,
    elementary.cbrt.op: lambda z: _outward(z, _outward(z, z) ** (1 / 3)),
    elementary.exp.op: cmath.exp,
    elementary.exp2.op: lambda z: cmath.exp(z * math.log(2)),
    elementary.expm1.op: lambda z: cmath.exp(z) - 1,
    op_of(elementary.log): cmath.log,
    elementary.log2.op: lambda z: cmath.log(z) / math.log(2),
    elementary.log10.op: cmath.log10,
    elementary.log1p.op: lambda z: cmath.log(1 + z),
    elementary.sin.op: cmath.sin,
    elementary.cos.op: cmath.cos,
    elementary.tan.op: cmath.tan,
    elementary.asin.op: cmath.asin,
    elementary.acos.op: cmath.acos,
    elementary.atan.op: cmath.atan,
    elementary.atan2.op: _atan2,
    elementary.sinh.op: cmath.sinh,
    elementary.cosh.op: cmath.cosh,
    elementary.tanh.op: cmath.tanh,
    elementary.asinh.op: cmath.asinh,
    elementary.acosh.op: cmath.acosh,
    elementary.atanh.op: cmath.atanh,
    elementary.degrees.op: lambda z: z * (180 / math.pi),
    elementary.radians.op: lambda z: z * (math.pi / 180),
    activations.sigmoid.op: _sigmoid,
    activations.softplus.op: _softplus,
    activations.silu.op: lambda z: z * _sigmoid(z),
    op_of(many.fsum): lambda *zs: sum(zs),
    total: lambda *zs: sum(zs),
    op_of(many.prod): lambda *zs: math.prod(zs),
    op_of(many.sumprod): _sumprod,
    many.hypot.op: _length,
    op_of(many.dist): lambda *zs: _length(*(p - q for p, q in _halves(zs))),
    op_of(activations.logsumexp): _logsumexp,
    many.largest.op: lambda *zs: max(zs, key=_real),
    many.second_largest.op: lambda *zs: many.second_largest(*map(_real, zs)),
    op_of(many.relative): lambda z, m, second: (
        1
        if _real(z) > _real(second)
        else -1
        if -_real(z) > _real(second)
        else z / m
        if m
        else 0 * z
    ),
    op_of(many.below): lambda z, m, second: 0 * z if _real(z) > second else z - m,
}

# Where the real function has a value but no finite derivative, and its complex form a wrong one.
_BRANCH_POINTS: dict[Op, tuple[float, ...]] = {
    arithmetic.sqrt.op: (0.0,),
    elementary.cbrt.op: (0.0,),
    elementary.asin.op: (-1.0, 1.0),
    elementary.acos.op: (-1.0, 1.0),
    elementary.acosh.op: (1.0,),
}
