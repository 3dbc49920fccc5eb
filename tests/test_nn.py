import json
import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalargrad import TraceError, Value, compile, fsum, leaky_relu, relu, sigmoid, tanh
from scalargrad.engine.graph import topological_order
from scalargrad.functions.many import flat_sumprod
from scalargrad.nn import (
    INITIAL,
    MLP,
    Dropout,
    Embedding,
    Layer,
    LayerNorm,
    Linear,
    Module,
    Neuron,
    Sequential,
)

small_fractions = st.fractions(min_value=-4, max_value=4, max_denominator=8)
sizes = st.integers(min_value=1, max_value=4)


def set_all(model: Module, numbers: Iterator[Any]) -> None:
    for parameter in model.parameters():
        parameter.data = next(numbers)


def micrograd_neuron(neuron: Neuron, x: list[Any]) -> Any:
    """A neuron of single multiplications and additions, as micrograd writes it."""
    total: Any = neuron.b
    for w, xi in zip(neuron.w, x, strict=True):
        total = total + w * xi
    return total.relu() if neuron.nonlin else total


# --- micrograd's behaviour ------------------------------------------------------------------------


def test_weights_are_drawn_as_micrograd_draws_them() -> None:
    random.seed(1337)
    model = MLP(2, [3, 1])
    random.seed(1337)
    for layer in model.layers:
        for neuron in layer.neurons:
            assert [w.data for w in neuron.w] == [random.uniform(-1, 1) for _ in neuron.w]
            assert neuron.b.data == 0


def test_reprs_are_micrograds() -> None:
    assert repr(Neuron(2)) == "ReLUNeuron(2)"
    assert repr(Neuron(3, nonlin=False)) == "LinearNeuron(3)"
    assert repr(Layer(2, 2)) == "Layer of [ReLUNeuron(2), ReLUNeuron(2)]"
    assert repr(MLP(2, [1, 1])) == ("MLP of [Layer of [ReLUNeuron(2)], Layer of [LinearNeuron(1)]]")


@given(st.data(), sizes, st.lists(sizes, min_size=1, max_size=3))
def test_mlp_is_micrograds_exactly(data: st.DataObject, nin: int, nouts: list[int]) -> None:
    model = MLP(nin, nouts)
    parameters = model.parameters()
    numbers = data.draw(
        st.lists(small_fractions, min_size=len(parameters), max_size=len(parameters))
    )
    inputs = data.draw(st.lists(small_fractions, min_size=nin, max_size=nin))
    set_all(model, iter(numbers))

    x = [Value(number) for number in inputs]
    out = model(x)
    outs = [out] if nouts[-1] == 1 else out
    sum(outs, Value(0)).backward()
    gradients = [p.grad for p in [*parameters, *x]]

    model.zero_grad()
    x = reference = [Value(number) for number in inputs]
    for layer in model.layers:
        reference = [micrograd_neuron(neuron, reference) for neuron in layer.neurons]
    sum(reference, Value(0)).backward()
    assert [y.data for y in outs] == [y.data for y in reference]
    assert gradients == [p.grad for p in [*parameters, *x]]


def test_only_the_last_layer_is_linear() -> None:
    model = MLP(2, [3, 3, 1])
    assert [[n.nonlin for n in layer.neurons] for layer in model.layers] == [
        [True] * 3,
        [True] * 3,
        [False],
    ]


def test_layer_of_one_gives_the_value_itself() -> None:
    assert isinstance(Layer(2, 1)([1, 2]), Value)
    outputs = Layer(2, 2)([1, 2])
    assert type(outputs) is list
    assert len(outputs) == 2


def test_neuron_is_one_sumprod_and_its_activation() -> None:
    neuron = Neuron(3)
    x = [Value(1.0), Value(2.0), Value(3.0)]
    y = neuron(x)
    assert y.op == "relu"
    (total,) = y.parents
    assert total.op == "sumprod"
    assert total.parents == (*neuron.w, *x, neuron.b)
    neuron.nonlin = False
    assert neuron(x).op == "sumprod"


def results_and_slopes(
    layer: Layer | list[Neuron], x: list[Any], leaves: list[Value]
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the outputs, their graph's ops in order and all gradients, by Layer or op by op."""
    for leaf in leaves:
        leaf.grad = 0
    outputs: list[Any]
    if isinstance(layer, Layer):
        out = layer(x)
        outputs = out if isinstance(out, list) else [out]
    else:
        outputs = [n.activation(flat_sumprod(*n.w, *x, n.b)) for n in layer]
    total = fsum([k * y for k, y in enumerate(outputs, 1)])
    total.backward()
    nodes = topological_order([total])
    for k, node in enumerate(nodes):
        assert not any(parent in nodes[k:] for parent in map(Same, node.parents))
    return (
        [y.data for y in outputs],
        [node.op for node in nodes],
        [(x.grad, type(x.grad)) for x in [*leaves, *nodes]],
    )


class Same:
    """Equal to the Value that it holds, and to nothing else."""

    def __init__(self, value: Value) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return other is self.value

    __hash__ = None  # type: ignore[assignment]


@given(st.data(), sizes, sizes)
def test_a_layer_is_its_neurons_one_by_one(data: st.DataObject, nin: int, nout: int) -> None:
    numbers = st.floats(-4, 4) | st.integers(-4, 4) | small_fractions
    source = Value(data.draw(st.floats(-2, 2)))
    leaves = [source]

    def drawn(plain: bool = False) -> Any:
        number = data.draw(st.floats(-4, 4) if data.draw(st.integers(0, 9)) else numbers)
        kind = data.draw(st.integers(0, 9))
        if plain and kind < 2:
            return number
        if kind == 2 and type(number) is not Fraction:
            return source * number  # a result: a weight may be one too
        leaves.append(Value(number))
        return leaves[-1]

    layer = Layer(nin, nout, activation=data.draw(st.sampled_from([relu, tanh])))
    for neuron in layer.neurons:
        neuron.w, neuron.b = [drawn() for _ in range(nin)], drawn()
    x = [drawn(plain=True) for _ in range(nin)]
    assert results_and_slopes(layer, x, leaves) == results_and_slopes(layer.neurons, x, leaves)


def test_weights_and_biases_may_be_results() -> None:
    scale, x = Value(3.0), Value(2.0)
    for results in ("w", "b"):
        layer = Layer(1, 2, nonlin=False)
        for neuron in layer.neurons:
            neuron.w, neuron.b = [Value(5.0)], Value(1.0)
        if results == "w":
            layer.neurons[1].w = [scale * 2]
        else:
            layer.neurons[1].b = scale * 2
        scale.grad = 0
        a, b = layer([x])
        (a + b).backward()
        assert scale.grad == (4.0 if results == "w" else 2.0)


def test_a_neuron_of_another_class_is_called() -> None:
    class Doubled(Neuron):
        def __call__(self, x: Any) -> Any:
            return 2 * super().__call__(x)

    layer = Layer(1, 2, nonlin=False)
    layer.neurons[1] = Doubled(1, nonlin=False)
    layer.neurons[1].load_state_dict(layer.neurons[0].state_dict())
    a, b = layer([3.0])
    assert b.data == 2 * a.data


def moons(n: int, noise: float, rng: random.Random) -> tuple[list[list[float]], list[int]]:
    points, targets = [], []
    for i in range(n // 2):
        angle = math.pi * i / (n // 2 - 1)
        for x, y, target in [
            (math.cos(angle), math.sin(angle), -1),
            (1 - math.cos(angle), 0.5 - math.sin(angle), 1),
        ]:
            points.append([x + rng.gauss(0, noise), y + rng.gauss(0, noise)])
            targets.append(target)
    return points, targets


def test_micrograds_demo_separates_the_moons() -> None:
    random.seed(4)
    points, targets = moons(100, 0.1, random.Random(4))
    model = MLP(2, [16, 16, 1])
    for k in range(100):
        inputs = [list(map(Value, row)) for row in points]
        scores = list(map(model, inputs))
        accuracy = sum(
            (y > 0) == (score.data > 0) for y, score in zip(targets, scores, strict=True)
        ) / len(targets)
        if accuracy == 1:
            return
        losses = [(1 + -y * score).relu() for y, score in zip(targets, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        total_loss = data_loss + 1e-4 * sum(p * p for p in model.parameters())
        model.zero_grad()
        total_loss.backward()
        for p in model.parameters():
            p.data -= (1.0 - 0.9 * k / 100) * p.grad
    pytest.fail(f"accuracy {accuracy} after 100 steps")


# --- activations, rng, inputs ---------------------------------------------------------------------


def test_activation_is_applied_in_all_layers_but_the_last() -> None:
    model = MLP(2, [2, 1], activation=tanh, rng=random.Random(0))
    out = model([0.5, -0.5])
    (hidden, last) = model.layers
    by_hand = [
        math.tanh(sum(w.data * x for w, x in zip(n.w, (0.5, -0.5), strict=True)) + n.b.data)
        for n in hidden.neurons
    ]
    expected = sum(w.data * h for w, h in zip(last.neurons[0].w, by_hand, strict=True))
    # A handful of roundings of numbers below 1.
    assert out.data == pytest.approx(expected, rel=0, abs=1e-15)


def test_activations_are_named_in_the_repr() -> None:
    assert repr(Neuron(1, activation=sigmoid)) == "SigmoidNeuron(1)"
    assert repr(Neuron(1, activation=leaky_relu)) == "LeakyReluNeuron(1)"
    assert repr(Neuron(1, nonlin=False, activation=tanh)) == "LinearNeuron(1)"


def test_rng_repeats_and_leaves_the_random_module_alone() -> None:
    before = random.getstate()
    states = [
        [model.state_dict() for model in (MLP(3, [2, 2], rng=rng), Linear(3, 2, rng=rng))]
        for rng in (random.Random(5), random.Random(5), random.Random(6))
    ]
    assert random.getstate() == before
    assert states[0] == states[1] != states[2]


class Row:
    """Iterable as a numpy row is, and no more than that."""

    def __iter__(self) -> Iterator[float]:
        return iter([1.0, 2.0])


@pytest.mark.parametrize(
    "x",
    [(1.0, 2.0), [1, 2], [Value(1.0), 2], Row(), [Fraction(1), Fraction(2)]],
    ids=["tuple", "ints", "mixed", "row", "fractions"],
)
@pytest.mark.parametrize("layer", [Layer(2, 3), Linear(2, 3)], ids=["Layer", "Linear"])
def test_inputs_may_be_any_row_of_numbers(layer: Any, x: Any) -> None:
    # Other kinds of number may be added in another order: three roundings of numbers below 4.
    expected = pytest.approx([y.data for y in layer([1.0, 2.0])], rel=0, abs=2e-15)
    assert [y.data for y in layer(x)] == expected
    assert [y.data for y in layer(iter(x))] == expected


def test_one_number_is_a_row_of_one() -> None:
    model = MLP(1, [1, 1])
    assert model(2.0).data == model([2.0]).data
    assert model(Value(2.0)).data == model([2.0]).data


@pytest.mark.parametrize(
    "model", [Neuron(2), Layer(2, 3), MLP(2, [3, 1]), Linear(2, 3), Linear(2, 3, bias=False)]
)
@pytest.mark.parametrize("x", [[], [1.0], 1.0, [1.0, 2.0, 3.0]])
def test_wrong_number_of_inputs(model: Any, x: Any) -> None:
    given = 1 if x == 1.0 else len(x)
    with pytest.raises(ValueError, match=f"^expected 2 inputs, got {given}$"):
        model(x)


@pytest.mark.parametrize("model", [Neuron(3), Layer(3, 2), MLP(3, [2, 1]), Linear(3, 2)])
@pytest.mark.parametrize("count", [2, 4])
def test_wrong_number_of_inputs_where_weights_are_results(model: Any, count: int) -> None:
    if isinstance(model, Linear):
        rows = model.weight
    else:
        first = model.layers[0] if isinstance(model, MLP) else model
        rows = [n.w for n in first.neurons] if isinstance(first, Layer) else [first.w]
    for w in rows:
        w[1] = w[0] * 2
    with pytest.raises(ValueError, match=f"^expected 3 inputs, got {count}$"):
        model([1.0] * count)
    out = model([1.0, 10.0, 100.0])
    if not isinstance(model, MLP):
        outs = out if isinstance(out, list) else [out]
        biases = (
            model.bias
            if isinstance(model, Linear)
            else [n.b for n in (model.neurons if isinstance(model, Layer) else [model])]
        )
        for y, w, b in zip(outs, rows, biases or [], strict=True):
            total = w[0].data * 21 + w[2].data * 100 + b.data
            nonlin = not isinstance(model, Linear)
            expected = max(total, 0.0) if nonlin else total
            assert y.data == pytest.approx(expected, rel=1e-12)


def test_inputs_that_are_no_row() -> None:
    with pytest.raises(TypeError, match=r"inputs must be a list of numbers.*got None"):
        Neuron(2)(None)
    with pytest.raises(TypeError, match="'a'"):
        Neuron(2)(["a", "b"])


def test_a_row_that_begins_with_a_row() -> None:
    with pytest.raises(TypeError, match="a model takes one row at a time"):
        Linear(2, 1)([[1.0, 2.0], 3.0])


def test_arguments_that_are_wrong() -> None:
    with pytest.raises(TypeError, match=r"a function.*such as scalargrad\.tanh, got 'tanh'"):
        MLP(2, [2, 1], activation="tanh")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"rng must be a random\.Random.*got 42"):
        Neuron(2, rng=42)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"as in MLP\(2, \[16, 1\]\), got 16"):
        MLP(2, 16)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"size of a layer is at least 1, got 0"):
        Linear(0, 2)
    with pytest.raises(TypeError, match="got 'tanh' as layer 1"):
        Sequential(tanh, "tanh")  # type: ignore[arg-type]


# --- Linear and Sequential ------------------------------------------------------------------------


@given(st.data(), sizes, sizes, st.booleans())
def test_linear_is_the_affine_map_exactly(
    data: st.DataObject, nin: int, nout: int, bias: bool
) -> None:
    linear = Linear(nin, nout, bias=bias)
    count = nin * nout + nout * bias
    numbers = data.draw(st.lists(small_fractions, min_size=count, max_size=count))
    x = data.draw(st.lists(small_fractions, min_size=nin, max_size=nin))
    set_all(linear, iter(numbers))
    outputs = linear(x) if nout > 1 else [linear(x)]
    for i, y in enumerate(outputs):
        row, offset = numbers[i * nin : (i + 1) * nin], numbers[nin * nout :]
        assert y.data == sum(w * xi for w, xi in zip(row, x, strict=True)) + (
            offset[i] if bias else 0
        )
        assert y.op == "sumprod"
        y.backward()
    assert [[w.grad for w in row] for row in linear.weight] == [x] * nout
    assert (linear.bias is None) is not bias
    if linear.bias is not None:
        assert [b.grad for b in linear.bias] == [1] * nout


def test_linear_starts_within_pytorchs_bounds() -> None:
    linear = Linear(16, 50, rng=random.Random(0))
    numbers = [p.data for p in linear.parameters()]
    assert len(numbers) == 17 * 50
    # Of 850 uniform draws the largest falls short of the bound by 1 % with probability 2e-4.
    assert 0.2475 < max(numbers) < 0.25
    assert -0.25 <= min(numbers) < -0.2475


def test_sequential_applies_functions_to_each_element() -> None:
    first, last = Linear(2, 3), Linear(3, 1)
    model = Sequential(first, tanh, last)
    hidden = [tanh(h) for h in first([1.0, -1.0])]
    assert model([1.0, -1.0]).data == last(hidden).data
    assert Sequential(Layer(2, 1), tanh)([1.0, -1.0]).op == "tanh"


def test_reprs_of_linear_and_sequential() -> None:
    model = Sequential(Linear(2, 3), tanh, Linear(3, 1, bias=False))
    assert repr(model) == "Sequential(Linear(2, 3, bias=True), tanh, Linear(3, 1, bias=False))"


# --- parameters and their names -------------------------------------------------------------------


def test_names_are_paths() -> None:
    model = Sequential(Linear(1, 2), relu, MLP(2, [1]))
    assert [name for name, _ in model.named_parameters()] == [
        "layers.0.weight.0.0",
        "layers.0.weight.1.0",
        "layers.0.bias.0",
        "layers.0.bias.1",
        "layers.2.layers.0.neurons.0.w.0",
        "layers.2.layers.0.neurons.0.w.1",
        "layers.2.layers.0.neurons.0.b",
    ]


class Bag(Module):
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def test_parameters_are_found_in_every_container_and_shared_ones_once() -> None:
    a, b, c, d = (Value(float(i)) for i in range(4))
    inner = Bag(weight=c, again=a)
    model = Bag(x=a, pair=(b, [a]), table={"k": {1: d}}, one=inner, two=inner, size=3, note="a")
    assert [(name, p.data) for name, p in model.named_parameters()] == [
        ("x", 0.0),
        ("pair.0", 1.0),
        ("table.k.1", 3.0),
        ("one.weight", 2.0),
    ]


def test_equal_parameters_are_not_shared_ones() -> None:
    assert len(Bag(a=Value(1.0), b=Value(1.0)).parameters()) == 2


def test_results_are_not_parameters() -> None:
    w = Value(2.0)
    assert [name for name, _ in Bag(w=w, last_output=w * 3).named_parameters()] == ["w"]


def test_modules_may_refer_to_each_other() -> None:
    parent, child = Bag(), Bag(w=Value(1.0))
    vars(parent)["child"], vars(child)["parent"] = child, parent
    assert [name for name, _ in parent.named_parameters()] == ["child.w"]


def test_modules_may_be_nested_deeply() -> None:
    model = Bag(w=Value(1.0))
    for _ in range(3000):
        model = Bag(m=model)
    ((name, _),) = model.named_parameters()
    assert name == "m." * 3000 + "w"


def test_zero_grad_goes_by_an_overridden_parameters() -> None:
    class Half(Module):
        def __init__(self) -> None:
            self.trained, self.frozen = Value(1.0), Value(2.0)

        def parameters(self) -> list[Value]:
            return [self.trained]

    model = Half()
    (model.trained * model.frozen).backward()
    model.zero_grad()
    assert (model.trained.grad, model.frozen.grad) == (0, 1.0)


# --- state ----------------------------------------------------------------------------------------


@given(st.lists(st.floats(allow_nan=False) | st.integers(), min_size=13, max_size=13))
def test_state_survives_json_exactly(numbers: list[float]) -> None:
    model, other = MLP(2, [3, 1]), MLP(2, [3, 1])
    set_all(model, iter(numbers))
    other.load_state_dict(json.loads(json.dumps(model.state_dict())))
    assert [repr(p.data) for p in other.parameters()] == [repr(x) for x in numbers]


def test_state_is_plain_data() -> None:
    class Float(float):
        pass

    state = Bag(a=Value(Fraction(1, 4)), b=Value(Float(0.5)), c=Value(3)).state_dict()
    assert state == {"a": 0.25, "b": 0.5, "c": 3}
    assert [type(x) for x in state.values()] == [float, float, int]


@pytest.mark.parametrize(
    ("changes", "removed", "words"),
    [
        ({}, ["w.0", "b"], r"missing: w\.0, b$"),
        ({"w": 1.0, "c": 2.0}, [], r"unknown: 'w', 'c'$"),
        ({"w.1": [1.0], "b": "1"}, [], r"not a real number: w\.1 = \[1\.0\], b = '1'$"),
        ({"b": None}, [], r"not a real number: b = None$"),
        ({"b": True}, [], r"not a real number: b = True$"),
        ({"b": {"0": 1.0}, 7: 1}, ["w.0"], r"missing: w\.0; unknown: 7; not a real number: b = "),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    changes: dict[Any, Any], removed: list[str], words: str
) -> None:
    neuron = Neuron(2)
    before = neuron.state_dict()
    state: dict[Any, Any] = {"w.0": 10.0, "w.1": 20.0, "b": 30.0, **changes}
    for name in removed:
        del state[name]
    with pytest.raises(ValueError, match=r"does not fit this Neuron.*left as it was.*" + words):
        neuron.load_state_dict(state)
    assert neuron.state_dict() == before


def test_a_state_that_is_no_dict() -> None:
    with pytest.raises(TypeError, match=r"a dict of names and numbers.*not \[1\.0\] \(list\)"):
        Neuron(2).load_state_dict([1.0])  # type: ignore[arg-type]


def test_two_parameters_of_one_name() -> None:
    model = Bag(table={1: Value(1.0), "1": Value(2.0)})
    with pytest.raises(ValueError, match=r"two parameters have the name 'table\.1'"):
        model.state_dict()


# --- a unit is one sumprod ----------------------------------------------------------------------

KINDS = st.one_of(
    st.floats(-3, 3),
    st.integers(-3, 3),
    st.fractions(-3, 3, max_denominator=9),
    st.just(math.inf),
    st.just(1e308),
)
MAYBE_VALUES = KINDS | KINDS.map(Value)


def outcome(unit: Callable[[], Any]) -> tuple[str, ...]:
    """Return what a call gives, with its gradients, or what it raises, as text."""
    try:
        y = unit()
        if not isinstance(y, Value):
            return (repr(y),)
        for x in y.parents:
            x.grad = 0
        y.backward()
    except (ArithmeticError, ValueError) as error:
        return type(error).__name__, str(error)
    return repr(y), y.op, *(f"{id(x)} {x!r}" for x in y.operands)


@given(
    pairs=st.lists(st.tuples(MAYBE_VALUES, MAYBE_VALUES), min_size=1, max_size=4),
    offset=MAYBE_VALUES,
)
def test_a_unit_is_the_op_sumprod_whatever_the_numbers(
    pairs: list[tuple[Any, Any]], offset: Any
) -> None:
    weights, xs = [w for w, _ in pairs], [x for _, x in pairs]
    neuron = Neuron(len(weights), nonlin=False)
    linear = Linear(len(weights), 1, bias=False)
    neuron.w = linear.weight[0] = weights
    neuron.b = offset
    assert outcome(lambda: neuron(xs)) == outcome(lambda: flat_sumprod(*weights, *xs, offset))
    assert outcome(lambda: linear(xs)) == outcome(lambda: flat_sumprod(*weights, *xs))


# --- training and not, dropout, embeddings, layer norm, initialisation ---------------------------


def test_train_and_eval_reach_all_modules() -> None:
    class Net(Module):
        def __init__(self) -> None:
            self.first = Sequential(Linear(2, 2), Dropout())
            self.others = {"a": [Dropout(), MLP(2, [1])], "b": (Dropout(),)}
            self.again = self.first

    net = Net()
    dropouts = [m for m in net.modules() if isinstance(m, Dropout)]
    assert len(dropouts) == 3
    assert len(net.modules()) == 1 + 1 + 2 + 1 + 1 + 1 + 1 + 1
    assert all(module.training for module in net.modules())
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    names = [name for name, _ in net.named_parameters()]
    assert len(names) == len(set(names)) == 6 + 3
    again = Net()
    again.load_state_dict(net.state_dict())  # `training` is no part of it
    assert again.state_dict() == net.state_dict()


@given(st.floats(0, 0.95), st.integers(0, 1000))
def test_dropout_keeps_the_mean(p: float, seed: int) -> None:
    dropout = Dropout(p, rng=random.Random(seed))
    x = [Value(1.0) for _ in range(400)]
    ys = dropout(x)
    kept = [y for y in ys if y.data]
    assert all(y.data == 1 / (1 - p) for y in kept)
    # The number left is binomial: seven deviations, and one for the rounding of a count.
    assert abs(len(kept) - 400 * (1 - p)) <= 7 * math.sqrt(400 * p * (1 - p)) + 1
    sum(ys, Value(0.0)).backward()
    assert [a.grad for a in x] == [y.data for y in ys]
    assert dropout.eval()(x) is x
    assert dropout.train()(2.0) in (0.0, 2 / (1 - p))


def test_dropout_is_not_frozen_into_a_program() -> None:
    model = Sequential(Linear(2, 3), Dropout(0.5), Linear(3, 1))
    program = compile(lambda x: model(x))
    with pytest.raises(TraceError, match=r"(?s)dropout draws anew at each call.*model\.eval\(\)"):
        program([1.0, 2.0])
    model.eval()
    assert program([1.0, 2.0]) == pytest.approx(model([1.0, 2.0]).data, rel=1e-12)
    for p in (-0.1, 1.0, "1"):
        with pytest.raises(ValueError, match="p is a probability, at least 0 and below 1, got"):
            Dropout(p)  # type: ignore[arg-type]


def test_embedding_gives_rows() -> None:
    embedding = Embedding(4, 3, rng=random.Random(0))
    assert [name for name, _ in embedding.named_parameters()][:2] == ["weight.0.0", "weight.0.1"]
    rows = embedding([2, 0, 2])
    assert [row is embedding.weight[i] for row, i in zip(rows, (2, 0, 2), strict=True)] == [
        True
    ] * 3
    fsum(rows[0] + rows[2]).backward()
    assert [[w.grad for w in row] for row in embedding.weight] == [
        [0] * 3, [0] * 3, [2.0] * 3, [0] * 3,
    ]  # fmt: skip
    assert repr(embedding) == "Embedding(4, 3)"
    for index, kind, words in (
        (4, IndexError, "the embedding has rows from 0 to 3, got 4"),
        (-1, IndexError, "got -1"),
        (1.0, TypeError, "integer"),
    ):
        with pytest.raises(kind, match=words):
            embedding(index)
    with pytest.raises(TraceError):
        compile(lambda i: embedding(i)[0])(1)
    assert compile(lambda i: embedding(i)[0], static_argnums=0)(1) == embedding.weight[1][0].data


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6, unique=True), st.data())
def test_layer_norm_has_mean_0_and_variance_1(xs: list[float], data: st.DataObject) -> None:
    layer = LayerNorm(len(xs), eps=1e-5)
    mean = sum(map(Fraction, xs)) / len(xs)
    variance = float(sum((Fraction(x) - mean) ** 2 for x in xs) / len(xs))
    expected = [float(Fraction(x) - mean) / math.sqrt(variance + 1e-5) for x in xs]
    assert [y.data for y in layer(xs)] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    for parameter in layer.parameters():
        parameter.data = data.draw(st.floats(-2, 2))
    weights, biases = [w.data for w in layer.weight], [b.data for b in layer.bias]
    assert [y.data for y in layer(xs)] == pytest.approx(
        [e * w + b for e, w, b in zip(expected, weights, biases, strict=True)], rel=1e-9, abs=1e-8
    )
    program: Any = compile(lambda x: layer(x))
    # Sums may be rounded in another order there.
    assert program(xs) == pytest.approx([y.data for y in layer(xs)], rel=1e-9, abs=1e-9)


def test_layer_norm_and_others_by_the_reference() -> None:
    # As torch.nn.LayerNorm(3) gives of [1, 2, 4]: mean 7/3, variance 14/9.
    ys = LayerNorm(3)([1.0, 2.0, 4.0])
    assert [y.data for y in ys] == pytest.approx(
        [x / math.sqrt(14 / 9 + 1e-5) for x in (-4 / 3, -1 / 3, 5 / 3)], rel=1e-14
    )
    assert (
        repr(Sequential(LayerNorm(3), Dropout(0.25))) == "Sequential(LayerNorm(3), Dropout(0.25))"
    )
    with pytest.raises(ValueError, match=r"^expected 3 inputs, got 2$"):
        LayerNorm(3)([1.0, 2.0])


@given(sizes, sizes)
def test_linear_and_layer_agree_in_what_they_give(nin: int, nout: int) -> None:
    linear, layer = Linear(nin, nout), Layer(nin, nout, nonlin=False)
    assert type(linear([1.0] * nin)) is type(layer([1.0] * nin)) is (list if nout > 1 else Value)


# Of 4,000 draws for 20 inputs and 200 outputs: the bound of uniform ones, else their deviation.
@pytest.mark.parametrize(
    ("init", "bound", "deviation"),
    [
        ("uniform", 1.0, 1 / math.sqrt(3)),
        ("fan_in", 1 / math.sqrt(20), 1 / math.sqrt(60)),
        ("normal", math.inf, 1.0),
        ("xavier_uniform", math.sqrt(6 / 220), math.sqrt(2 / 220)),
        ("xavier_normal", math.inf, math.sqrt(2 / 220)),
        ("kaiming_uniform", math.sqrt(6 / 20), math.sqrt(2 / 20)),
        ("kaiming_normal", math.inf, math.sqrt(2 / 20)),
        ("zeros", 0.0, 0.0),
    ],
)
def test_weights_start_as_named(init: str, bound: float, deviation: float) -> None:
    rng = random.Random(1)
    layer = Layer(20, 200, rng=rng, init=init)
    for rows in (
        [neuron.w for neuron in layer.neurons],
        Linear(20, 200, rng=rng, init=init).weight,
        [n.w for n in MLP(20, [200], rng=rng, init=init).layers[0].neurons],
    ):
        numbers = [w.data for row in rows for w in row]
        assert max(map(abs, numbers)) <= bound
        # The deviation of 4,000 numbers is right to 1.2 %: five of those.
        root = math.sqrt(sum(x * x for x in numbers) / len(numbers))
        assert root == pytest.approx(deviation, rel=0.06)
    assert {b.data for b in Linear(3, 2, init=init).bias or []} == {0.0} or init == "fan_in"
    assert init in INITIAL


def test_an_initialisation_that_is_not_there() -> None:
    for make in (
        Neuron,
        lambda n, init: MLP(n, [1], init=init),
        lambda n, init: Linear(n, 1, init=init),
    ):
        with pytest.raises(ValueError, match=r"init is one of uniform, fan_in, .*not 'he'"):
            make(2, init="he")
