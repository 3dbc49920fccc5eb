"""Derivatives by complex steps: exact to the last bits, for analytic functions."""

from collections.abc import Callable, Iterator
from typing import Any

from scalargrad.checks.inputs import Inputs
from scalargrad.engine.op import Op
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.functions.complex_forms import BRANCH_POINTS, COMPLEX_FORMS
from scalargrad.functions.methods import all_ops


def complex_step_gradient(f: Callable[..., Any], *inputs: Any) -> Any:
    """Return the derivative of `f(*inputs)` by each number in the inputs, exact to the last bits.

    For an analytic f, f(x + ih) is f(x) + ih f'(x) but for terms of order h**2: with h = 1e-200,
    or more where so little changes nothing, the imaginary part over h is the derivative, with no
    difference that could cancel. Derivatives below 1e-290 lose digits. The inputs are as for
    `numerical_gradient`, and so is the result, of floats. `f` may use arithmetic, comparisons and
    the functions of scalargrad that have a complex form. Raises TypeError, naming the function,
    for others (erf, gamma, ...), and for a result that is not a number; ValueError,
    ZeroDivisionError or OverflowError where f itself does, and ValueError where a function has no
    finite derivative.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions",
    SIAM Review 40 (1), 1998.

    >>> from scalargrad import exp, sin
    >>> complex_step_gradient(lambda x, y: exp(x) * sin(y), 0.0, 0.0)
    [0.0, 1.0]
    >>> complex_step_gradient(sin, 0.0)
    1.0
    """
    point = Inputs.of(f, inputs)
    return point.result([_slope(f, point, i) for i in range(len(point.numbers))])


def _slope(f: Callable[..., Any], inputs: Inputs, i: int) -> float:
    """Return the derivative by the i-th number: of the first step that gives all of its digits."""
    point: list[Any] = [_Complex(complex(z)) for z in inputs.numbers]
    slope = 0.0
    for step in _steps(abs(inputs.numbers[i])):
        point[i] = _Complex(complex(inputs.numbers[i], step))
        y = f(*inputs.nested(point))
        if not (isinstance(y, _Complex | complex) or is_real(y)):
            raise TypeError(f"f must return one number, got {y!r} ({type(y).__name__})")
        change = complex(y).imag
        slope = change / step
        if abs(change) >= 2.0**-970:
            break
    return slope


def _steps(size: float) -> Iterator[float]:
    """Yield steps h from the smallest up, all so small that h**2 is nothing beside the number's."""
    step = 2.0**-664 if size == 0 or size > 2.0**-600 else max(size * 2.0**-64, 2.0**-1022)
    while step < 2.0**-27:
        yield step
        step *= 2.0**40


# By op: a primitive of a user's may have the name of one of ours.
_FORMS = {op: COMPLEX_FORMS[name] for name, op in all_ops().items() if name in COMPLEX_FORMS}


class _Complex(Tracer):
    """A complex number that goes through functions written for real ones, and compares as one."""

    __slots__ = ("z",)

    def __init__(self, z: complex) -> None:
        self.z = z

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        function = _FORMS.get(op)
        if function is None:
            raise TypeError(f"{op.name} has no complex form here: use numerical_gradient")
        zs = [x.z if isinstance(x, _Complex) else x for x in inputs]
        # On the real numbers it raises what it does for them, where its complex form would go on.
        op.forward(*(z.real if isinstance(z, complex) else z for z in zs))
        if zs[0].real in BRANCH_POINTS.get(op.name, ()) and zs[0].imag:
            raise ValueError(f"{op.name} has no finite derivative at {zs[0].real!r}")
        y = function(*zs)
        return _Complex(y) if isinstance(y, complex) else y

    def __complex__(self) -> complex:
        return self.z

    def __repr__(self) -> str:
        return repr(self.z.real)

    def __bool__(self) -> bool:
        return self.z.real != 0

    def __hash__(self) -> int:
        return hash(self.z.real)
