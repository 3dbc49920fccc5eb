"""Activations of neural networks, and the functions that turn scores into probabilities."""

import math
from collections.abc import Iterable
from typing import Any, overload

from scalargrad.engine.primitive import primitive, spelling_of
from scalargrad.engine.real import in_kind
from scalargrad.engine.value import Value
from scalargrad.functions.choices import choose_positive, clip, maximum
from scalargrad.functions.elementary import exp, expm1, sech
from scalargrad.functions.many import all_below, fsum, many, numbers_of
from scalargrad.functions.special import erfc

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "logit",
    "logsigmoid",
    "logsumexp",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
]


@primitive(lambda g, y, a: choose_positive(a, g, None))
def relu(x: Any, /) -> Any:
    """Return x where it is positive, else 0, in x's own kind; its derivative at 0 is 0.

    >>> relu(-2.0), relu(3)
    (0.0, 3)
    """
    if x <= 0:
        return 0.0 if type(x) is float else in_kind(0, x)
    return x


@primitive(
    lambda g, y, a, slope: choose_positive(a, g, g * slope),
    lambda g, y, a, slope: choose_positive(a, None, g * a),
)
def leaky_relu(x: Any, negative_slope: Any = 0.01) -> Any:
    """Return x where it is positive, else negative_slope * x. The derivative at 0 is the slope.

    >>> leaky_relu(3.0), leaky_relu(-2.0, 0.5)
    (3.0, -1.0)
    """
    return x if x > 0 else negative_slope * x


# exp only ever sees a <= 0: a choice evaluates both its branches, and exp(1000) would overflow.
@primitive(
    lambda g, y, a, alpha: choose_positive(a, g, g * (alpha * exp(choose_positive(a, 0, a)))),
    lambda g, y, a, alpha: choose_positive(a, None, g * expm1(choose_positive(a, 0, a))),
)
def elu(x: Any, alpha: Any = 1.0) -> Any:
    """Return x where it is positive, else alpha * (exp(x) - 1). The derivative at 0 is alpha.

    >>> elu(3.0), elu(-1e6)
    (3.0, -1.0)
    """
    return x if x > 0 else alpha * math.expm1(x)


# The derivative is p(1 - p), whose own derivative would cancel near p = 1/2.
@primitive(lambda g, y, a: g * (sech(a / 2) ** 2 / 4))
def sigmoid(x: Any, /) -> Any:
    """Return 1 / (1 + exp(-x)), at any x without overflow.

    >>> sigmoid(0.0), sigmoid(-1e6)
    (0.5, 0.0)
    """
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


@primitive(lambda g, y, a: g / a + g / (1 - a), hint="logit takes 0 < x < 1")
def logit(x: Any, /) -> Any:
    """Return log(x / (1 - x)): the number whose sigmoid is x.

    Raises ValueError unless 0 < x < 1.

    >>> logit(0.5), round(logit(0.9), 12)
    (0.0, 2.197224577336)
    """
    x = float(+x)
    # 2x - 1 has no rounding there.
    return 2 * math.atanh(2 * x - 1) if x > 0.25 else math.log(x) - math.log1p(-x)


@primitive(lambda g, y, a: g * sigmoid(a))
def softplus(x: Any, /) -> Any:
    """Return log(1 + exp(x)), at any x without overflow.

    >>> softplus(1e6)
    1000000.0
    """
    x = float(+x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@spelling_of(softplus)
def logsigmoid(x: Any, /) -> Any:
    """Return the logarithm of sigmoid(x), at any x without overflow.

    >>> logsigmoid(-1e6), logsigmoid(1e6)
    (-1000000.0, -0.0)
    """
    return -softplus(-x)


@primitive(lambda g, y, a: g * (sigmoid(a) + a * (sech(a / 2) ** 2 / 4)))
def silu(x: Any, /) -> Any:
    """Return x * sigmoid(x), also called swish.

    >>> silu(0.0)
    0.0
    """
    return x * sigmoid(x)


def _normal_cdf(x: Any) -> Any:
    return erfc(x * -math.sqrt(0.5)) / 2


def _times_normal_density(x: Any) -> Any:
    x = clip(x, -40, 40)  # beyond, it is 0, and an infinite square times 0 would be nan
    return x * exp(-x * x / 2) * (1 / math.sqrt(2 * math.pi))


# Of PyTorch's two forms the exact one: x times the normal distribution's cdf.
@primitive(lambda g, y, a: g * (_normal_cdf(a) + _times_normal_density(a)))
def gelu(x: Any, /) -> Any:
    """Return x times the normal distribution's cdf at x: PyTorch's default, exact form.

    >>> gelu(0.0), gelu(1e6)
    (0.0, 1000000.0)
    """
    x = float(+x)
    return x * _normal_cdf(x)


def _shares(xs: tuple[Any, ...]) -> list[Any]:
    exps = [exp(x) for x in all_below(xs)]
    total = maximum(fsum(exps), 0.5)  # it is 1 at least; but where all are -inf, it is 0
    return [e / total for e in exps]


@many(lambda g, y, *xs: [g * p for p in _shares(xs)])
def _logsumexp(*xs: Any) -> Any:
    numbers = [float(+x) for x in xs]
    largest = max(numbers)
    if any(map(math.isnan, numbers)):
        return math.nan
    if math.isinf(largest):
        return largest
    numbers.remove(largest)
    return largest + math.log1p(math.fsum(math.exp(x - largest) for x in numbers))


@overload
def logsumexp(xs: Iterable[Value]) -> Value: ...
@overload
def logsumexp(xs: Iterable[float]) -> float: ...
@overload
def logsumexp(xs: Iterable[Any]) -> Any: ...
@spelling_of(_logsumexp)
def logsumexp(xs: Iterable[Any]) -> Any:
    """Return the logarithm of the sum of exp(x) over xs, without overflow: one node.

    Raises ValueError for no numbers at all.

    >>> logsumexp([1e6, -1e6])
    1000000.0
    """
    return _logsumexp(*_some("logsumexp", xs))


@overload
def softmax(xs: Iterable[Value]) -> list[Value]: ...
@overload
def softmax(xs: Iterable[float]) -> list[float]: ...
@overload
def softmax(xs: Iterable[Any]) -> list[Any]: ...
def softmax(xs: Iterable[Any]) -> list[Any]:
    """Return a list: for each of xs, exp(x) divided by the sum of them all, without overflow.

    Where all are -inf, as in a row that is masked, all shares are 0, and so are their derivatives.
    Raises ValueError for no numbers at all.

    >>> softmax([1e6, 1e6])
    [0.5, 0.5]
    """
    return _shares(_some("softmax", xs))


@overload
def log_softmax(xs: Iterable[Value]) -> list[Value]: ...
@overload
def log_softmax(xs: Iterable[float]) -> list[float]: ...
@overload
def log_softmax(xs: Iterable[Any]) -> list[Any]: ...
def log_softmax(xs: Iterable[Any]) -> list[Any]:
    """Return the logarithms of softmax(xs), without overflow or cancellation: a list.

    Raises ValueError for no numbers at all.

    >>> log_softmax([0.0, 0.0]), log_softmax([1e6, -1e6])
    ([-0.6931471805599453, -0.6931471805599453], [0.0, -2000000.0])
    """
    shifted = all_below(_some("log_softmax", xs))
    total = logsumexp(shifted)
    return [x - total for x in shifted]


def _some(name: str, xs: Iterable[Any]) -> tuple[Any, ...]:
    inputs = numbers_of(name, xs)
    if not inputs:
        raise ValueError(f"{name} needs at least one number, got none")
    return inputs
