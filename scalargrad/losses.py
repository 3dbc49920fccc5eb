"""Losses: functions of predictions and targets that give one number, the mean over the samples.

Predictions are Values or plain numbers, targets plain numbers; either both single numbers or both
sequences of the same length. (`cross_entropy` has its own shapes.) The terms are summed in one
`sumprod` node, which keeps ints and Fractions exact.

>>> from scalargrad import Value
>>> x = Value(3.0)
>>> loss = mse([x, x], [1.0, 2.0])
>>> loss.backward()
>>> loss.data, x.grad
(2.5, 3.0)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.functions.activations import logsumexp, relu, softplus
from scalargrad.functions.choices import minimum
from scalargrad.functions.many import sumprod


def mse(predictions: Any, targets: Any) -> Any:
    """Return the mean squared error: the mean of (prediction - target)**2.

    Raises ValueError where the lengths differ or there is nothing, and TypeError for what is
    neither a number nor a flat sequence of numbers.

    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    errors = [p - t for p, t in _pairs(predictions, targets)]
    return sumprod(errors, errors) / len(errors)


def mae(predictions: Any, targets: Any) -> Any:
    """Return the mean absolute error: the mean of |prediction - target|.

    Its derivative where they are equal is 0. Raises what mse raises.

    >>> mae([1.0, 2.0], [1.0, 4.0])
    1.0
    """
    return _mean([abs(p - t) for p, t in _pairs(predictions, targets)])


def huber(predictions: Any, targets: Any, delta: Any = 1.0) -> Any:
    """Return the mean Huber loss: quadratic for errors up to `delta`, linear beyond.

    For the error e it is e**2 / 2 where |e| <= delta, else delta * (|e| - delta / 2).
    Raises what mse raises, and ValueError unless delta > 0.

    >>> huber([0.5, 4.0], [0.0, 1.0])
    1.3125
    """
    if not delta > 0:
        raise ValueError(f"huber's delta must be above 0, got {delta!r}")
    sizes = [abs(p - t) for p, t in _pairs(predictions, targets)]
    # With c = min(|e|, delta) both cases are c * (|e| - c / 2), and no number is branched on.
    capped = [minimum(size, delta) for size in sizes]
    rest = [size - c / 2 for size, c in zip(sizes, capped, strict=True)]
    return sumprod(capped, rest) / len(sizes)


def hinge(scores: Any, targets: Any) -> Any:
    """Return the mean hinge loss: the mean of relu(1 - target * score), targets -1 or 1.

    Raises what mse raises, and ValueError for any other target.

    >>> hinge([2.0, 0.5], [1, -1])
    0.75
    """
    terms = []
    for score, target in _pairs(scores, targets):
        if target not in (-1, 1):
            raise ValueError(f"hinge takes targets -1 and 1, got {target!r}")
        terms.append(relu(1 - score if target == 1 else 1 + score))
    return _mean(terms)


def binary_cross_entropy_with_logits(logits: Any, targets: Any) -> Any:
    """Return the mean cross-entropy of the probabilities sigmoid(logit) and the targets.

    A target t is a probability in [0, 1], most often 0 or 1, and its term is
    t * softplus(-logit) + (1 - t) * softplus(logit): without overflow or cancellation at any
    logit. Raises what mse raises, and ValueError for a target outside [0, 1].

    >>> binary_cross_entropy_with_logits([0.0, 1e6], [1, 1])
    0.34657359027997264
    """
    pairs = _pairs(logits, targets)
    weights, terms = [], []
    for logit, target in pairs:
        if not 0 <= target <= 1:
            raise ValueError(
                f"binary_cross_entropy_with_logits takes targets from 0 to 1, got {target!r}"
            )
        if target != 0:
            weights.append(target)
            terms.append(softplus(-logit))
        if target != 1:
            weights.append(1 - target)
            terms.append(softplus(logit))
    return sumprod(weights, terms) / len(pairs)


def cross_entropy(logits: Any, target: Any) -> Any:
    """Return minus the logarithm of the probability that softmax(logits) gives the target class.

    `logits` is a list with a number for each class and `target` the index of the right class; or,
    for the mean over a batch, `logits` is a list of such lists and `target` a list of indices.
    Computed as logsumexp(logits - logits[target]), without overflow or cancellation.

    Raises ValueError where the lengths differ, there is nothing, or a class is out of range;
    TypeError for a class that is not an int or logits that are not lists.

    >>> cross_entropy([0.0, 0.0], 1), cross_entropy([[0.0, 0.0], [1e6, -1e6]], [1, 0])
    (0.6931471805599453, 0.34657359027997264)
    """
    if not isinstance(target, Iterable):
        return _cross_entropy(logits, target)
    rows, classes = _sequence("logits", logits), list(target)
    _check_lengths(rows, classes)
    return _mean([_cross_entropy(row, c) for row, c in zip(rows, classes, strict=True)])


def _cross_entropy(logits: Any, target: Any) -> Any:
    row = _numbers("logits", logits)
    if not row:
        raise ValueError("cross_entropy needs at least one class, got no logits")
    try:
        chosen = index(target)
    except TypeError:
        raise TypeError(
            f"a target class must be an int, got {target!r} ({type(target).__name__})"
        ) from None
    if not 0 <= chosen < len(row):
        raise ValueError(
            f"a target class must be from 0 to {len(row) - 1}, as there are {len(row)} logits, "
            f"got {chosen}"
        )
    others = [logit - row[chosen] for logit in row[:chosen] + row[chosen + 1 :]]
    # A single class is certain: a loss of 0, and still a part of the graph.
    return logsumexp([0, *others]) if others else 0 * row[0]


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
                f"{name} must be a flat list of numbers, but {name}[{i}] is {x!r} "
                f"({type(x).__name__})"
            )
    return numbers


def _sequence(name: str, xs: Any) -> list[Any]:
    if not isinstance(xs, Iterable):
        raise TypeError(f"{name} must be a list, got {xs!r} ({type(xs).__name__})")
    return list(xs)


def _is_number(x: object) -> bool:
    return isinstance(x, Tracer) or is_real(x)
