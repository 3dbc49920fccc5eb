"""Gradients written by hand, as a property that Hypothesis tries: see `check_gradient`."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from hypothesis import currently_in_test_context, event, reject

from scalargrad import checks, grad
from scalargrad.checks.finite_differences import EPSILON, along
from scalargrad.checks.gradient_check import GradientError, KinkError, UndecidedError
from scalargrad.checks.inputs import Inputs, flat
from scalargrad.checks.one_sided import roughness


def check_gradient(
    f: Callable[..., Any], gradient: Callable[..., Any], *inputs: Any, exact: bool = False
) -> bool:
    """Return True if `gradient(*inputs)` is the gradient of `f(*inputs)`, in a test with `@given`.

    `f` takes plain numbers, or nested lists, tuples and dicts of them, and returns one: it may be
    Python, numpy, or C by way of ctypes. `gradient` takes the same and returns the derivatives, as
    for `scalargrad.check_gradient`, which judges here too, by finite differences and a bound for
    their error. With `exact`, `f` takes Values as well, and the gradient must besides be the exact
    one, but for rounding. Raises GradientError where it is not, so that Hypothesis shrinks to the
    simplest input that shows it, and whatever `gradient` raises. Inputs where there is nothing to
    compare do not count as examples: where `f` raises ValueError or an ArithmeticError or is not
    finite, at kinks, at ends of the domain, and where differences tell too little. Hypothesis's
    statistics say how many there were and why; and where none of the first 40 can be compared,
    GradientError counts them.

    >>> from hypothesis import given, strategies as st
    >>> number = st.floats(-10, 10)
    >>> @given(number, number)
    ... def test_by_hand(x, y):
    ...     check_gradient(lambda x, y: x * y**2, lambda x, y: [y**2, x * y], x, y)
    >>> try:
    ...     test_by_hand()
    ... except GradientError as error:
    ...     print(str(error)[:72])
    the derivative by input 1 (1.0) is wrong: gradient gives 1.0, finite dif
    """
    point = Inputs(inputs)
    try:
        y = f(*point.nested(point.numbers))
        if not math.isfinite(y):
            _pass_over(f, "f is not finite")
    except (ValueError, ArithmeticError) as error:
        _pass_over(f, f"f raises {type(error).__name__}")
    gradient(*point.nested(point.numbers))  # its errors are its own
    try:
        checks.check_gradient(f, gradient, *inputs)
    except KinkError:
        _pass_over(f, "a kink")
    except UndecidedError:
        _pass_over(f, "finite differences tell too little")
    except ValueError:
        _pass_over(f, "f is not finite on both sides")
    _passed_over[_identity(f)] = None
    if exact:
        _check_exactly(f, gradient, point)
    return True


# By a function's code: why inputs were passed over, None once there was one to compare.
_passed_over: WeakKeyDictionary[Any, Counter[str] | None] = WeakKeyDictionary()
_MOST = 40


def _identity(f: Callable[..., Any]) -> Any:
    # A test makes its functions anew for each example; those of ctypes have no hash.
    return getattr(f, "__code__", type(f))


def _pass_over(f: Callable[..., Any], why: str) -> NoReturn:
    if currently_in_test_context():
        event(f"check_gradient passed an input over: {why}")
    reasons = _passed_over.setdefault(_identity(f), Counter())
    if reasons is not None:
        reasons[why] += 1
        if reasons.total() >= _MOST:
            counted = ", ".join(f"{n} times: {reason}" for reason, n in reasons.most_common())
            raise GradientError(
                f"none of {reasons.total()} inputs could be compared ({counted}): draw others"
            )
    reject()


def _check_exactly(f: Callable[..., Any], gradient: Callable[..., Any], point: Inputs) -> None:
    by_all = grad(f, tuple(range(len(point.arguments))))
    size = abs(float(f(*point.nested(point.numbers))))

    def derivative(given: Callable[..., Any], i: int) -> Callable[..., Any]:
        return lambda *nests: point.numbers_of(given(*nests))[i]

    rules = flat(by_all(*point.nested(point.numbers)))
    for i, (name, x, right) in enumerate(zip(point.names, point.numbers, rules, strict=True)):
        by_hand = along(derivative(gradient, i), point, i)
        by_rules = along(lambda *nests, i=i: flat(by_all(*nests))[i], point, i)
        # How far both are from smooth, over a few floats around x: what rounding does to them.
        rough = max(
            roughness(slope, x, 2.0**n) for slope in (by_hand, by_rules) for n in (0, 6, 12)
        )
        bound = 16 * EPSILON * (abs(right) + size / max(abs(x), 1.0)) + 8 * rough
        found = by_hand(x)
        if not abs(found - right) <= bound:
            raise GradientError(
                f"the derivative by {name} is wrong: gradient gives {found!r}, "
                f"the rules give {right!r} within {bound:.1e}"
            )
