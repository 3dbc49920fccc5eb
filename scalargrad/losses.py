"""Losses: functions of predictions and targets that give one number, the mean over the samples.

Predictions and targets are Values or plain numbers: two single numbers, or two sequences of equal
length. (`cross_entropy` has its own shapes.) One `sumprod` node adds up the terms, which keeps ints
and Fractions exact.

All losses can be compiled, with the targets as arguments. A program does not check the range of its
targets, since they are not known when it is written. Each docstring says what else is checked.

>>> from scalargrad import Value
>>> x = Value(3.0)
>>> loss = mse([x, x], [1.0, 2.0])
>>> loss.backward()
>>> loss.data, x.grad
(2.5, 3.0)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isclose
from operator import index
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from scalargrad.engine.context import tracing
from scalargrad.engine.errors import shown, untraceable
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions.activations import logsumexp, relu, softplus
from scalargrad.functions.choices import minimum
from scalargrad.functions.elementary import log, log1p
from scalargrad.functions.many import all_below, sumprod

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "hinge",
    "huber",
    "mae",
    "mse",
]

# For type checkers: Values as predictions give a Value, plain numbers give a float.
_Values: TypeAlias = Value | Sequence[Value]
_Numbers: TypeAlias = float | Sequence[float]


@overload
def mse(predictions: _Values, targets: Any) -> Value: ...
@overload
def mse(predictions: _Numbers, targets: _Numbers) -> float: ...
@overload
def mse(predictions: Any, targets: Any) -> Any: ...
def mse(predictions: Any, targets: Any) -> Any:
    """Return the mean squared error: the mean of (prediction - target)**2.

    Raises ValueError if the lengths differ or are 0, and TypeError for what is neither a number
    nor a flat sequence of numbers.

    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    errors = [p - t for p, t in _pairs(predictions, targets)]
    return sumprod(errors, errors) / len(errors)


@overload
def mae(predictions: _Values, targets: Any) -> Value: ...
@overload
def mae(predictions: _Numbers, targets: _Numbers) -> float: ...
@overload
def mae(predictions: Any, targets: Any) -> Any: ...
def mae(predictions: Any, targets: Any) -> Any:
    """Return the mean absolute error: the mean of |prediction - target|.

    Where the two are equal, the derivative is 0. Raises what mse raises.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _mean([abs(p - t) for p, t in _pairs(predictions, targets)])


@overload
def huber(predictions: _Values, targets: Any, delta: Any = ...) -> Value: ...
@overload
def huber(predictions: _Numbers, targets: _Numbers, delta: float = ...) -> float: ...
@overload
def huber(predictions: Any, targets: Any, delta: Any = ...) -> Any: ...
def huber(predictions: Any, targets: Any, delta: Any = 1.0) -> Any:
    """Return the mean Huber loss: quadratic for errors up to `delta`, linear beyond.

    For an error e it is e**2 / 2 if |e| <= delta, else delta * (|e| - delta / 2). Raises what mse
    raises, and ValueError unless delta > 0.

    >>> huber([0.5, 4.0], [0.0, 1.0])
    1.3125
    """
    if not _is_traced(delta) and not delta > 0:
        raise ValueError(f"huber's delta must be above 0, got {shown(delta)}")
    sizes = [abs(p - t) for p, t in _pairs(predictions, targets)]
    # With c = min(|e|, delta) both cases are c * (|e| - c / 2): no branch is needed.
    capped = [minimum(size, delta) for size in sizes]
    rest = [size - c / 2 for size, c in zip(sizes, capped, strict=True)]
    return sumprod(capped, rest) / len(sizes)


@overload
def hinge(scores: _Values, targets: Any) -> Value: ...
@overload
def hinge(scores: _Numbers, targets: _Numbers) -> float: ...
@overload
def hinge(scores: Any, targets: Any) -> Any: ...
def hinge(scores: Any, targets: Any) -> Any:
    """Return the mean hinge loss: the mean of relu(1 - target * score), where targets are -1 or 1.

    Raises what mse raises, and ValueError for another target, which a program does not check.

    >>> hinge([2.0, 0.5], [1, -1])
    0.75
    """
    terms = []
    for score, target in _pairs(scores, targets):
        if not _is_traced(target) and target not in (-1, 1):
            raise ValueError(f"hinge takes targets -1 and 1, got {shown(target)}")
        if isinstance(target, Tracer):
            terms.append(relu(1 - target * score))
        else:
            terms.append(relu(1 - score if target == 1 else 1 + score))
    return _mean(terms)


@overload
def binary_cross_entropy_with_logits(logits: _Values, targets: Any) -> Value: ...
@overload
def binary_cross_entropy_with_logits(logits: _Numbers, targets: _Numbers) -> float: ...
@overload
def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any: ...
def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
    """Return the mean cross-entropy of the probabilities sigmoid(logit) and the targets.

    A target t is a probability in [0, 1], most often 0 or 1. Its term is
    t * softplus(-logit) + (1 - t) * softplus(logit), which does not overflow or cancel at any
    logit. Raises what mse raises, and ValueError for a target outside [0, 1], which a program does
    not check.

    >>> binary_cross_entropy_with_logits([0.0, 1e6], [1, 1])
    0.34657359027997264
    """
    return _of_two_classes(
        "binary_cross_entropy_with_logits",
        _pairs(logits, targets),
        lambda logit: softplus(-logit),
        softplus,
    )


@overload
def binary_cross_entropy(probabilities: _Values, targets: Any) -> Value: ...
@overload
def binary_cross_entropy(probabilities: _Numbers, targets: _Numbers) -> float: ...
@overload
def binary_cross_entropy(probabilities: Any, targets: Any) -> Any: ...
def binary_cross_entropy(probabilities: Any, targets: Any) -> Any:
    """Return the mean cross-entropy of probabilities p and targets t, both in [0, 1].

    A term is -t * log(p) - (1 - t) * log(1 - p). If p = sigmoid(x), it is better to give x to
    `binary_cross_entropy_with_logits`: where p rounds to 0 or 1, its digits are lost. Raises what
    mse raises, and ValueError for a target or probability outside [0, 1] and for an infinite loss;
    a program does not check the targets.

    >>> binary_cross_entropy([0.5, 0.25], [1, 0])
    0.4904146265058631
    """
    pairs = _pairs(probabilities, targets)
    for p, target in pairs:
        if _is_traced(p) or (isinstance(p, Tracer) and not isinstance(p, Value)):
            continue
        number = p._data if isinstance(p, Value) else p
        if not 0 <= number <= 1:
            raise ValueError(
                f"binary_cross_entropy takes probabilities from 0 to 1, got {shown(number)}; for "
                "logits take binary_cross_entropy_with_logits"
            )
        # -log(0) counts for any target but 0, and -log(1 - 1) for any but 1.
        if number in (0, 1) and not isinstance(target, Tracer) and target != number:
            raise ValueError(
                f"the cross-entropy of the probability {shown(number)} is infinite for the target "
                f"{shown(target)}: take binary_cross_entropy_with_logits"
            )
    return _of_two_classes("binary_cross_entropy", pairs, lambda p: -log(p), lambda p: -log1p(-p))


def _of_two_classes(
    name: str, pairs: Sequence[Any], of_one: Callable[[Any], Any], of_zero: Callable[[Any], Any]
) -> Any:
    """Return the mean of t * of_one(x) + (1 - t) * of_zero(x), for targets t."""
    weights, terms = [], []
    for x, target in pairs:
        if not _is_traced(target) and not 0 <= target <= 1:
            raise ValueError(f"{name} takes targets from 0 to 1, got {shown(target)}")
        known = not isinstance(target, Tracer)
        if not (known and target == 0):
            weights.append(target)
            terms.append(of_one(x))
        if not (known and target == 1):
            weights.append(1 - target)
            terms.append(of_zero(x))
    return sumprod(weights, terms) / len(pairs)


@overload
def cross_entropy(logits: Sequence[Value] | Sequence[Sequence[Value]], target: Any) -> Value: ...
@overload
def cross_entropy(
    logits: Sequence[float] | Sequence[Sequence[float]],
    target: int | Sequence[float] | Sequence[Sequence[float]],
) -> float: ...
@overload
def cross_entropy(logits: Any, target: Any) -> Any: ...
def cross_entropy(logits: Any, target: Any) -> Any:
    """Return the cross-entropy of the target and softmax(logits).

    `logits` is a list with a number for each class. `target` is the index of the right class, or a
    list with a probability for each class (one-hot, for example): then the loss is the sum of
    -probability * log_softmax(logits). For the mean over a batch, `logits` is a list of such lists,
    and `target` a list of indices or of lists of probabilities. It does not overflow or cancel at
    any logits.

    In a compiled function the target can be an argument as a list of probabilities. An index cannot
    be a traced argument, since it chooses a logit: that raises TraceError.

    Raises ValueError if the lengths differ or are 0, a class is out of range, or probabilities are
    not from 0 to 1 with the sum 1 (which a program does not check); TypeError for a class that is
    not an int and for logits that are not lists.

    >>> cross_entropy([0.0, 0.0], 1), cross_entropy([[0.0, 0.0], [1e6, -1e6]], [1, 0])
    (0.6931471805599453, 0.34657359027997264)
    >>> cross_entropy([0.0, 0.0], [0.25, 0.75])
    0.6931471805599453
    """
    rows = _sequence("logits", logits)
    if not isinstance(target, Iterable) or (rows and _is_number(rows[0])):
        return _cross_entropy(rows, target)
    targets = list(target)
    _check_lengths(rows, targets)
    return _mean([_cross_entropy(row, t) for row, t in zip(rows, targets, strict=True)])


def _cross_entropy(logits: Any, target: Any) -> Any:
    row = _numbers("logits", logits)
    if not row:
        raise ValueError("cross_entropy needs at least one class, got no logits")
    if isinstance(target, Iterable):
        return _of_probabilities(row, target)
    if _is_traced(target):
        untraceable(
            "a target class chooses a logit, and a traced number cannot choose",
            "give the target one-hot, as a list of probabilities: [0.0, 1.0, 0.0] for class 1 of "
            "three; or name the argument in static_argnums",
        )
    try:
        chosen = index(target)
    except TypeError:
        raise TypeError(
            f"a target class must be an int, got {shown(target)} ({type(target).__name__})"
        ) from None
    if not 0 <= chosen < len(row):
        raise ValueError(
            f"a target class must be from 0 to {len(row) - 1}, as there are {len(row)} logits, "
            f"got {shown(chosen)}"
        )
    if len(row) == 1:
        return 0 * row[0]  # the class is certain, but the logit must be a part of the graph
    shifted = all_below(row)
    return logsumexp(shifted) - shifted[chosen]


def _of_probabilities(row: list[Any], target: Iterable[Any]) -> Any:
    weights = _numbers("target", target)
    if len(weights) != len(row):
        raise ValueError(
            f"a target has a probability for each class, got {len(weights)} for {len(row)} logits"
        )
    if not any(map(_is_traced, weights)):
        numbers = [w._data if isinstance(w, Value) else w for w in weights]
        if not all(0 <= w <= 1 for w in numbers) or not isclose(sum(numbers), 1, abs_tol=1e-6):
            raise ValueError(
                "a target's probabilities must be from 0 to 1, and their sum 1, got "
                f"[{', '.join(map(shown, numbers))}]; for a class alone give its index"
            )
    # The largest logit is subtracted first, so nothing can overflow, and no term is below 0.
    shifted = all_below(row)
    total = logsumexp(shifted)
    terms = [
        (w, total - logit)
        for w, logit in zip(weights, shifted, strict=True)
        if isinstance(w, Tracer) or w != 0
    ]
    return sumprod([w for w, _ in terms], [term for _, term in terms])


def _mean(terms: Sequence[Any]) -> Any:
    return sumprod(terms, [1] * len(terms)) / len(terms)


def _pairs(predictions: Any, targets: Any) -> list[tuple[Any, Any]]:
    ps = _numbers("predictions", [predictions] if _is_number(predictions) else predictions)
    ts = _numbers("targets", [targets] if _is_number(targets) else targets)
    _check_lengths(ps, ts)
    return list(zip(ps, ts, strict=True))


def _check_lengths(predictions: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(predictions) != len(targets):
        raise ValueError(
            f"a loss takes as many predictions as targets, got {len(predictions)} predictions "
            f"and {len(targets)} targets"
        )
    if not predictions:
        raise ValueError("a loss is a mean over at least one sample, got none")


def _numbers(name: str, xs: Any) -> list[Any]:
    numbers = _sequence(name, xs)
    for i, x in enumerate(numbers):
        if not _is_number(x):
            raise TypeError(
                f"{name} must be a flat list of numbers, but {name}[{i}] is {shown(x)} "
                f"({type(x).__name__})"
            )
    return numbers


def _sequence(name: str, xs: Any) -> list[Any]:
    if not isinstance(xs, Iterable):
        raise TypeError(f"{name} must be a list, got {shown(xs)} ({type(xs).__name__})")
    return list(xs)


def _is_number(x: object) -> bool:
    return isinstance(x, Tracer) or is_real(x)


def _is_traced(x: object) -> bool:
    """Return whether `x` has no number yet, as a function is being traced."""
    return isinstance(x, Tracer) and tracing() is not None


if not TYPE_CHECKING:  # a type checker goes by the names that there are

    def __getattr__(name: str) -> Any:
        from scalargrad.peers import no_attribute  # only here: nothing else needs its tables

        raise no_attribute("scalargrad.losses", name)
