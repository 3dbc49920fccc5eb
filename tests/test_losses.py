import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import TraceError, Value, compile, grad, sigmoid, value_and_grad
from scalargrad.losses import (
    binary_cross_entropy,
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
        ([0.0, 0.0], [1], ValueError, r"got 1 for 2 logits$"),
        ([0.0, 0.0], [0.5, 0.6], ValueError, r"sum 1, got \[0\.5, 0\.6\]; .* give its index$"),
        ([0.0, 0.0], [1.5, -0.5], ValueError, r"from 0 to 1, and their sum 1"),
        ([0.0, 0.0], ["a", 1], TypeError, r"target\[0\] is 'a'"),
    ],
)
def test_cross_entropy_of_what_is_wrong(
    logits: Any, target: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        cross_entropy(logits, target)


def one_hot(label: int, classes: int) -> list[float]:
    return [float(i == label) for i in range(classes)]


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=6), st.data())
def test_one_hot_targets_are_the_class(row: list[float], data: st.DataObject) -> None:
    c = data.draw(st.integers(0, len(row) - 1))
    by_class = value_and_grad(cross_entropy)(row, c)
    by_probabilities = value_and_grad(cross_entropy)(row, one_hot(c, len(row)))
    assert by_probabilities[0] == pytest.approx(by_class[0], rel=1e-14, abs=1e-300)
    assert by_probabilities[1] == pytest.approx(by_class[1], rel=1e-13, abs=1e-15)
    assert cross_entropy([row, row], [c, c]) == pytest.approx(by_class[0], rel=1e-14)
    batch = cross_entropy([row, row], [one_hot(c, len(row))] * 2)
    assert batch == pytest.approx(by_class[0], rel=1e-14, abs=1e-300)


@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(0.01, 1)), min_size=2, max_size=5))
def test_probabilities_weigh_the_classes(pairs: list[tuple[float, float]]) -> None:
    row = [logit for logit, _ in pairs]
    total = math.fsum(w for _, w in pairs)
    target = [w / total for _, w in pairs]
    expected = math.fsum(t * cross_entropy(row, c) for c, t in enumerate(target))
    assert cross_entropy(row, target) == pytest.approx(expected, rel=1e-13)


def test_stable_far_out_with_probabilities() -> None:
    assert cross_entropy([1e6, -1e6], [0.5, 0.5]) == 1e6
    assert cross_entropy([50.0, 0.0], [1, 0]) == pytest.approx(math.exp(-50), rel=1e-15, abs=0)
    assert cross_entropy([0.0, -math.inf], [1, 0]) == 0


@pytest.mark.parametrize(
    ("loss", "predictions", "targets"),
    [
        (mse, [0.5, -2.0], [1.0, 0.0]),
        (mae, [0.5, -2.0], [1.0, 0.0]),
        (huber, [0.5, -2.0], [1.0, 0.0]),
        (hinge, [0.5, -2.0], [1.0, -1.0]),
        (binary_cross_entropy_with_logits, [0.5, -2.0], [1.0, 0.0]),
        (binary_cross_entropy_with_logits, [0.5, -2.0], [0.25, 0.75]),
        (cross_entropy, [0.5, -2.0], [0.25, 0.75]),
        (cross_entropy, [[0.5, -2.0], [3.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]),
    ],
)
def test_losses_take_traced_targets(loss: Any, predictions: Any, targets: Any) -> None:
    value, slopes = compile(value_and_grad(loss))(predictions, targets)
    expected, expected_slopes = value_and_grad(loss)(predictions, targets)
    assert value == pytest.approx(expected, rel=1e-14)
    # An arithmetic with the same numbers, in another order.
    assert repr(slopes).count(",") == repr(expected_slopes).count(",")
    for found, slope in zip(flat(slopes), flat(expected_slopes), strict=True):
        assert found == pytest.approx(slope, rel=1e-13, abs=1e-16)
    program = compile(loss)
    program(predictions, targets)
    assert program.cache_info().currsize == 1
    if loss is not mae:
        by_targets = grad(loss, argnums=1)(predictions, targets)
        again = compile(grad(loss, argnums=1))(predictions, targets)
        for found, slope in zip(flat(again), flat(by_targets), strict=True):
            assert found == pytest.approx(slope, rel=1e-13, abs=1e-16)


def flat(nest: Any) -> list[float]:
    return [x for row in nest for x in flat(row)] if isinstance(nest, list) else [nest]


def test_a_traced_class_index_names_one_hot() -> None:
    for logits, target in [([0.0, 1.0], 1), ([[0.0, 1.0], [1.0, 0.0]], [1, 0])]:
        with pytest.raises(TraceError, match=r"(?s)chooses a logit.*one-hot.*static_argnums"):
            compile(cross_entropy)(logits, target)
    assert compile(cross_entropy, static_argnums=1)([0.0, 0.0], 1) == cross_entropy([0.0, 0.0], 1)


def test_a_traced_delta_of_huber() -> None:
    assert compile(huber)(3.0, 0.0, 2.0) == huber(3.0, 0.0, 2.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda huge: hinge([Value(1)], [huge]),
        lambda huge: binary_cross_entropy_with_logits([0.0], [huge]),
        lambda huge: cross_entropy([0.0, 1.0], [huge, 0]),
        lambda huge: cross_entropy([0.0, 1.0], huge),
        lambda huge: huber([0.0], [1.0], delta=-huge),
    ],
)
def test_a_target_too_long_to_write_is_named_by_its_size(call: Any) -> None:
    with pytest.raises(ValueError, match="an int of 16610 bits"):
        call(10**5000)


def test_a_class_far_below_the_others_leaves_their_digits() -> None:
    # By softmax: p_0 and p_1 of 0 and 1, and -1 for the class itself.
    logits = [Value(0.0), Value(1.0), Value(-1e17)]
    cross_entropy(logits, 2).backward()
    one_hot = [Value(x.data) for x in logits]
    cross_entropy(one_hot, [0, 0, 1]).backward()
    p = 1 / (1 + math.e)
    expected = [pytest.approx(p, rel=1e-15), pytest.approx(1 - p, rel=1e-15), -1.0]
    assert [x.grad for x in logits] == expected
    assert [x.grad for x in one_hot] == expected


@given(
    st.lists(st.tuples(st.floats(-30, 5), st.sampled_from([0, 1, 0.25])), min_size=1, max_size=4)
)
def test_cross_entropy_of_probabilities_is_that_of_their_logits(pairs: list[Any]) -> None:
    scores, targets = [x for x, _ in pairs], [t for _, t in pairs]

    def of_sigmoids(xs: Any) -> Any:
        return binary_cross_entropy([sigmoid(x) for x in xs], targets)

    # 1 - p loses what p rounds to 1: at a logit of 5 a factor of 150.
    value, slopes = value_and_grad(of_sigmoids)(scores)
    expected, right = value_and_grad(lambda xs: binary_cross_entropy_with_logits(xs, targets))(
        scores
    )
    assert value == pytest.approx(expected, rel=1e-12)
    assert slopes == pytest.approx(right, rel=1e-12, abs=1e-13)
    assert compile(of_sigmoids)(scores) == pytest.approx(value, rel=1e-14)  # sumprod rounds less


@pytest.mark.parametrize(
    ("p", "target", "words"),
    [
        (0.0, 1, "of the probability 0.0 is infinite for the target 1: take"),
        (1.0, 0, "of the probability 1.0 is infinite for the target 0"),
        (1.0, 0.5, "infinite"),
        (1.5, 1, "takes probabilities from 0 to 1, got 1.5; for logits take"),
        (0.5, 2, "takes targets from 0 to 1, got 2"),
    ],
)
def test_probabilities_that_have_no_cross_entropy(p: float, target: float, words: str) -> None:
    for given_ in (p, Value(p)):
        with pytest.raises(ValueError, match=words):
            binary_cross_entropy([given_], [target])
    assert binary_cross_entropy([0.0, 1.0], [0, 1]) == 0
