import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import Value
from scalargrad.losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge,
    huber,
    mae,
    mse,
)

FLAT = [mse, mae, huber, hinge, binary_cross_entropy_with_logits]
fractions = st.fractions(min_value=-10, max_value=10, max_denominator=4)
logits = st.floats(-50, 50)
signs = st.sampled_from([-1, 1])
PRECISE = Context(prec=120)
# The references below are rounded once, after 120 digits. In the functions a difference of two
# logits is off by 2**-47 at most and shifts an exponential by as much; the rest is a few ulps.
TOLERANCE = 2.0**-45


def sign(x: Fraction) -> int:
    return (x > 0) - (x < 0)


def check_exactly(
    loss: Callable[[Any, Any], Any],
    pairs: list[tuple[Fraction, Any]],
    term: Callable[[Fraction, Any], Fraction],
    slope: Callable[[Fraction, Any], Fraction | int],
) -> None:
    predictions = [Value(p) for p, _ in pairs]
    result = loss(predictions, [t for _, t in pairs])
    result.backward()
    n = len(pairs)
    assert result.data == sum(term(p, t) for p, t in pairs) / n
    assert [p.grad for p in predictions] == [Fraction(slope(p, t)) / n for p, t in pairs]


@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=6))
def test_mse_exactly(pairs: list[tuple[Fraction, Fraction]]) -> None:
    check_exactly(mse, pairs, lambda p, t: (p - t) ** 2, lambda p, t: 2 * (p - t))


@given(st.lists(st.tuples(fractions, fractions), min_size=1, max_size=6))
def test_mae_exactly(pairs: list[tuple[Fraction, Fraction]]) -> None:
    check_exactly(mae, pairs, lambda p, t: abs(p - t), lambda p, t: sign(p - t))


@given(
    st.lists(st.tuples(fractions, fractions), min_size=1, max_size=6),
    st.fractions(min_value=Fraction(1, 4), max_value=4, max_denominator=4),
)
def test_huber_exactly(pairs: list[tuple[Fraction, Fraction]], delta: Fraction) -> None:
    def term(p: Fraction, t: Fraction) -> Fraction:
        e = abs(p - t)
        return e * e / 2 if e <= delta else delta * (e - delta / 2)

    check_exactly(
        lambda p, t: huber(p, t, delta=delta),
        pairs,
        term,
        lambda p, t: max(-delta, min(delta, p - t)),
    )


@given(st.lists(st.tuples(fractions, signs), min_size=1, max_size=6))
def test_hinge_exactly(pairs: list[tuple[Fraction, int]]) -> None:
    check_exactly(
        hinge, pairs, lambda p, t: max(Fraction(0), 1 - t * p), lambda p, t: -t * (t * p < 1)
    )


def log_one_plus_exp(x: float) -> Decimal:
    return (1 + Decimal(x).exp()).ln()


@given(
    st.lists(st.tuples(logits, st.sampled_from([0, 1]) | st.floats(0, 1)), min_size=1, max_size=6)
)
def test_binary_cross_entropy(pairs: list[tuple[float, float]]) -> None:
    predictions = [Value(z) for z, _ in pairs]
    loss = binary_cross_entropy_with_logits(predictions, [t for _, t in pairs])
    loss.backward()
    with localcontext(PRECISE):
        n = len(pairs)
        expected = sum(
            (Decimal(t) * log_one_plus_exp(-z) + (1 - Decimal(t)) * log_one_plus_exp(z))
            for z, t in pairs
        )
        assert loss.data == pytest.approx(float(expected / n), rel=TOLERANCE, abs=0)
        for prediction, (z, t) in zip(predictions, pairs, strict=True):
            slope = 1 / (1 + Decimal(-z).exp()) - Decimal(t)
            # The two parts of a soft target's slope cancel where the sigmoid is near the target.
            absolute = 0 if t in (0, 1) else TOLERANCE / n
            assert prediction.grad == pytest.approx(float(slope / n), rel=TOLERANCE, abs=absolute)


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[list[float]], list[int]]:
    classes = draw(st.integers(1, 5))
    rows = draw(
        st.lists(st.lists(logits, min_size=classes, max_size=classes), min_size=1, max_size=6)
    )
    target = draw(st.lists(st.integers(0, classes - 1), min_size=len(rows), max_size=len(rows)))
    return rows, target


@given(batches())
def test_cross_entropy(batch: tuple[list[list[float]], list[int]]) -> None:
    rows, target = batch
    values = [[Value(z) for z in row] for row in rows]
    loss = cross_entropy(values, target)
    loss.backward()
    singles = [cross_entropy(row, c) for row, c in zip(rows, target, strict=True)]
    assert loss.data == pytest.approx(math.fsum(singles) / len(rows), rel=2.0**-50, abs=0)
    with localcontext(PRECISE):
        expected = Decimal(0)
        for row, row_values, c in zip(rows, values, target, strict=True):
            powers = [Decimal(z).exp() for z in row]
            expected -= (powers[c] / sum(powers)).ln()
            for i, value in enumerate(row_values):
                slope = (powers[i] / sum(powers) - (i == c)) / len(rows)
                # A row of one class has slope 0, to the 120th digit.
                assert value.grad == pytest.approx(float(slope), rel=TOLERANCE, abs=1e-100)
        assert loss.data == pytest.approx(float(expected / len(rows)), rel=TOLERANCE, abs=1e-100)


def test_losses_are_stable_far_out() -> None:
    for far in (1e6, 1e300):
        assert binary_cross_entropy_with_logits([far, -far], [1, 0]) == 0
        assert binary_cross_entropy_with_logits([far, -far], [0, 1]) == far
        assert cross_entropy([far, -far / 2], 0) == 0
        assert cross_entropy([far, 0.0], 1) == far
    # Where log(1 + e) would round to nothing: both losses are e to the last digit.
    assert cross_entropy([50.0, 0.0], 0) == pytest.approx(math.exp(-50), rel=1e-15, abs=0)
    assert binary_cross_entropy_with_logits(50.0, 1) == pytest.approx(
        math.exp(-50), rel=1e-15, abs=0
    )


@pytest.mark.parametrize("loss", FLAT)
def test_single_numbers_and_sequences_of_one(loss: Callable[[Any, Any], Any]) -> None:
    expected = loss([0.25], [1])
    assert loss(0.25, 1) == expected
    assert loss((0.25,), iter([1])) == expected
    x = Value(0.25)
    assert loss(x, 1).data == expected
    assert loss([x], Value(1)).data == expected


def test_one_class_is_still_a_graph() -> None:
    z = Value(3.0)
    loss = cross_entropy([z], 0)
    loss.backward()
    assert (loss.data, z.grad) == (0, 0)


def count_nodes(y: Value) -> int:
    seen, stack = set(), [y]
    while stack:
        node = stack.pop()
        if node.op and id(node) not in seen:
            seen.add(id(node))
            stack.extend(node.parents)
    return len(seen)


@pytest.mark.parametrize(
    ("loss", "targets", "nodes"),
    [
        (mse, [1] * 5, 5 + 2),
        (mae, [1] * 5, 10 + 2),
        (hinge, [1] * 5, 10 + 2),
        (binary_cross_entropy_with_logits, [1] * 5, 10 + 2),
        (binary_cross_entropy_with_logits, [0] * 5, 5 + 2),
    ],
)
def test_graphs_are_small(
    loss: Callable[[Any, Any], Value], targets: Sequence[int], nodes: int
) -> None:
    assert count_nodes(loss([Value(0.5 * i) for i in range(5)], targets)) == nodes


@pytest.mark.parametrize("loss", FLAT)
def test_shapes_that_are_wrong(loss: Callable[[Any, Any], Any]) -> None:
    with pytest.raises(ValueError, match=r"got 1 predictions and 2 targets$"):
        loss(Value(1.0), [1, 1])
    with pytest.raises(ValueError, match=r"at least one sample, got none$"):
        loss([], [])
    with pytest.raises(TypeError, match=r"predictions\[0\] is \[1\.0\] \(list\)$"):
        loss([[1.0]], [1])
    with pytest.raises(TypeError, match=r"targets\[0\] is '1' \(str\)$"):
        loss([1.0], ["1"])
    with pytest.raises(TypeError, match=r"^targets must be a list, got None \(NoneType\)$"):
        loss([1.0], None)


@pytest.mark.parametrize("target", [0, 2, 0.5])
def test_hinge_targets(target: Any) -> None:
    with pytest.raises(ValueError, match=f"^hinge takes targets -1 and 1, got {target}$"):
        hinge([1.0, 1.0], [1, target])


@pytest.mark.parametrize("target", [-1, 1.5, math.nan])
def test_binary_targets(target: float) -> None:
    with pytest.raises(ValueError, match=f"takes targets from 0 to 1, got {target}$"):
        binary_cross_entropy_with_logits([1.0, 1.0], [1, target])


@pytest.mark.parametrize("delta", [0, -1, math.nan])
def test_huber_delta(delta: float) -> None:
    with pytest.raises(ValueError, match=f"^huber's delta must be above 0, got {delta}$"):
        huber(1.0, 0.0, delta=delta)


@pytest.mark.parametrize(
    ("logits", "target", "error", "words"),
    [
        ([0.0, 0.0], 2, ValueError, r"from 0 to 1, as there are 2 logits, got 2$"),
        ([0.0, 0.0], -1, ValueError, r"from 0 to 1, as there are 2 logits, got -1$"),
        ([0.0, 0.0], 1.0, TypeError, r"must be an int, got 1\.0 \(float\)$"),
        ([0.0, 0.0], Value(1), TypeError, r"must be an int, got Value.*\(Value\)$"),
        ([0.0, 0.0], None, TypeError, r"must be an int, got None"),
        ([], 0, ValueError, r"at least one class, got no logits$"),
        (Value(0.0), 0, TypeError, r"^logits must be a list, got Value"),
        ([[0.0]], 0, TypeError, r"^logits must be a flat list.*logits\[0\] is \[0\.0\] \(list\)$"),
        ([[0.0]], [0, 0], ValueError, r"got 1 predictions and 2 targets$"),
        ([], [], ValueError, r"at least one sample, got none$"),
        ([[0.0], []], [0, 0], ValueError, r"at least one class, got no logits$"),
        ([0.0, 0.0], [0, 1], TypeError, r"^logits must be a list, got 0\.0 \(float\)$"),
    ],
)
def test_cross_entropy_of_what_is_wrong(
    logits: Any, target: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        cross_entropy(logits, target)
