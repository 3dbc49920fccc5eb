"""What is timed: each workload is given an engine's Value, and returns a step to run many times.

A step returns its result and some gradients, so that the two sides can be seen to agree.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

from scalargrad import Value, compile, fsum, relu, sumprod, tanh, where
from scalargrad.nn import MLP
from tests.benchmarks.wrapped import Wrapped, functions_of

Step = Callable[[], list[float]]
Point = tuple[float, float]

LEARNING_RATE = 1e-6  # so small that every round does the same work: no ReLU dies on the way
ALPHA = 1e-4  # the weight of the L2 penalty, as in micrograd's demo
SIZES = (2, 16, 16, 1)


def moons(count: int = 100) -> tuple[list[Point], list[int]]:
    """Return two interleaved half circles with noise, and which one each point is of: -1 or 1."""
    rng = Random(0)
    points, targets = [], []
    for i in range(count):
        side = 1 if i % 2 else -1
        angle = rng.uniform(0, math.pi)
        x, y = side * -math.cos(angle), side * -math.sin(angle)
        x, y = (x + 1, y + 0.5) if side == 1 else (x, y)
        points.append((x + rng.gauss(0, 0.1), y + rng.gauss(0, 0.1)))
        targets.append(side)
    return points, targets


def mlp_per_op(Value: Any) -> Step:
    """A training step of an MLP on moons, every product and sum an op of its own."""
    rng = Random(1)
    layers = [
        [([Value(rng.uniform(-1, 1)) for _ in range(n_in)], Value(0.0)) for _ in range(n_out)]
        for n_in, n_out in pairwise(SIZES)
    ]
    parameters = [p for layer in layers for weights, bias in layer for p in (*weights, bias)]
    points, targets = moons()

    def neurons(layer: Any, xs: Any) -> list[Any]:
        return [sum((w * x for w, x in zip(ws, xs, strict=True)), bias) for ws, bias in layer]

    def step() -> list[float]:
        losses = []
        for point, target in zip(points, targets, strict=True):
            hidden = [a.tanh() for a in neurons(layers[0], point)]
            hidden = [a.relu() for a in neurons(layers[1], hidden)]
            (score,) = neurons(layers[2], hidden)
            losses.append((1 - target * score).relu())
        loss = sum(losses) / len(losses) + ALPHA * sum(p * p for p in parameters)
        for p in parameters:
            p.grad = 0.0
        loss.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return [loss.data, *(p.grad for p in parameters)]

    return step


def mixed(Value: Any) -> Step:
    """Every op of the yardstick, constants on either side and values used again among them."""
    rng = Random(2)
    pairs = [(rng.uniform(-1, 1), rng.uniform(0.5, 2)) for _ in range(300)]

    def step() -> list[float]:
        leaves = [(Value(a), Value(b)) for a, b in pairs]
        total = Value(0.0)
        for a, b in leaves:
            c = (a * b - b / (a * a + 2.0)).tanh()
            d = (-a).exp() * (b * b + 1.0).log()
            total = total + c * d + (a**2 - 3.0 * b).relu() + (a - b) ** 3 / b
        total.backward()
        return [total.data, *(x.grad for pair in leaves for x in pair)]

    return step


def chain(Value: Any) -> Step:
    """One op after the other, as many as fit under Python's default recursion limit."""

    def step() -> list[float]:
        x, scale = Value(0.5), Value(0.9)
        y = x
        for _ in range(225):
            y = y * scale + x
            y = y.tanh() - 0.1
        y.backward()
        return [y.data, x.grad, scale.grad]

    return step


def wide_sum(Value: Any) -> Step:
    """The sum of 4096 products, added up in pairs so that the graph stays shallow."""
    scale = Value(0.3)
    xs = [Value(i / 4096) for i in range(4096)]

    def step() -> list[float]:
        terms = [scale * x for x in xs]
        while len(terms) > 1:
            terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=True)]
        terms[0].backward()
        return [terms[0].data, scale.grad, *(x.grad for x in xs)]

    return step


def mlp_notebook(Value: Any, MLP: Any) -> Step:
    """A training step of micrograd's demo notebook: MLP, hinge loss, L2 penalty, update.

    The code is the same whichever package Value and MLP come from.
    """
    model = _notebook_model(MLP)
    points, targets = moons()

    def step() -> list[float]:
        inputs = [list(map(Value, point)) for point in points]
        total = _notebook_loss(model, inputs, targets)
        model.zero_grad()
        total.backward()
        for p in model.parameters():
            p.data -= LEARNING_RATE * p.grad
        return [total.data, *(p.grad for p in model.parameters())]

    return step


def mlp_compiled(target: str = "python", calls: bool = False) -> Step:
    """The same training step with its loss compiled, in which the model may be a function."""
    model = _notebook_model(MLP)
    parameters = model.parameters()
    points, targets = moons()
    called = compile(model) if calls else model
    loss = compile(lambda: _notebook_loss(called, points, targets), target=target)

    def step() -> list[float]:
        for p in parameters:
            p.grad = 0
        total = loss.backward()
        for p in parameters:
            p.data -= LEARNING_RATE * p.grad
        return [total, *(p.grad for p in parameters)]

    return step


def _notebook_model(MLP: Any) -> Any:
    rng = Random(3)
    model = MLP(SIZES[0], list(SIZES[1:]))
    for p in model.parameters():
        p.data = rng.uniform(-1, 1)
    return model


def _notebook_loss(model: Any, inputs: Any, targets: list[int]) -> Any:
    scores = list(map(model, inputs))
    losses = [(1 + -y * score).relu() for y, score in zip(targets, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    return data_loss + ALPHA * sum(p * p for p in model.parameters())


def parallel_loss(layers: Any, points: Any, targets: Any) -> Any:
    """Return the summed loss of an MLP on some points: what a worker computes in one call."""
    losses = []
    for point, target in zip(points, targets, strict=True):
        xs = point
        for layer in layers:
            xs = [tanh(sumprod(weights, xs) + bias) for weights, bias in layer]
        losses.append((xs[0] - target) ** 2)
    return fsum(losses)


def parallel_batch(calls: int = 64, points_a_call: int = 16) -> list[Any]:
    """Return the arguments of many calls of `parallel_loss`: the parameters, and 16 points each."""
    rng = Random(6)
    layers = [
        [([rng.uniform(-1, 1) for _ in range(n_in)], 0.0) for _ in range(n_out)]
        for n_in, n_out in pairwise((2, 32, 32, 1))
    ]
    points, targets = moons(calls * points_a_call)
    starts = range(0, len(points), points_a_call)
    return [(layers, points[i : i + points_a_call], targets[i : i + points_a_call]) for i in starts]


TOKENS = (0, 13, 1, 18, 7, 1, 18, 5, 20, 0)


def dot(xs: Any, ys: Any) -> Any:
    return sum(x * y for x, y in zip(xs, ys, strict=True))


def times(rows: Any, xs: list[Any]) -> list[Any]:
    return [dot(row, xs) for row in rows]


def added(xs: list[Any], ys: list[Any]) -> list[Any]:
    return [x + y for x, y in zip(xs, ys, strict=True)]


def rms_norm(xs: list[Any]) -> list[Any]:
    scale = (dot(xs, xs) / len(xs) + 1e-5) ** -0.5
    return [x * scale for x in xs]


def softmax(xs: list[Any]) -> list[Any]:
    exps = [x.exp() for x in xs]
    total = sum(exps)
    return [e / total for e in exps]


class GPT:
    """A character-level GPT of one layer, every product and sum an op of its own.

    In the manner of GPT-2, with RMS norms and without biases. Its loss on `TOKENS` is a graph of
    about 69,000 ops, in any engine that has the yardstick's.
    """

    times = staticmethod(times)
    rms_norm = staticmethod(rms_norm)
    softmax = staticmethod(softmax)

    def __init__(self, Value: Any, width: int = 16, heads: int = 4, vocabulary: int = 27) -> None:
        rng = Random(4)

        def matrix(rows: int, columns: int) -> list[list[Any]]:
            return [[Value(rng.gauss(0, 0.1)) for _ in range(columns)] for _ in range(rows)]

        self.heads = heads
        self.tokens, self.places = matrix(vocabulary, width), matrix(len(TOKENS), width)
        self.queries, self.keys, self.values = (matrix(width, width) for _ in range(3))
        self.mix = matrix(width, width)
        self.expand, self.contract = matrix(4 * width, width), matrix(width, 4 * width)
        self.unembed = matrix(vocabulary, width)
        self.parameters = [p for m in vars(self).values() if m != heads for row in m for p in row]

    def loss(self) -> Any:
        """Return the mean cross-entropy of every token given those before it."""
        keys: list[Any] = []
        values: list[Any] = []
        losses = []
        for place, (token, following) in enumerate(pairwise(TOKENS)):
            pairs = zip(self.tokens[token], self.places[place], strict=True)
            x = self.rms_norm([t + p for t, p in pairs])
            x = added(x, self.attended(self.rms_norm(x), keys, values))
            hidden = [h.relu() for h in self.times(self.expand, self.rms_norm(x))]
            x = added(x, self.times(self.contract, hidden))
            losses.append(-softmax(self.times(self.unembed, x))[following].log())
        return sum(losses) / len(losses)

    def attended(self, x: list[Any], keys: list[Any], values: list[Any]) -> list[Any]:
        query = self.times(self.queries, x)
        keys.append(self.times(self.keys, x))
        values.append(self.times(self.values, x))
        size = len(x) // self.heads
        out = []
        for head in (slice(i, i + size) for i in range(0, len(x), size)):
            scores = [dot(query[head], key[head]) / size**0.5 for key in keys]
            weights = self.softmax(scores)
            out += [dot(weights, column) for column in zip(*(v[head] for v in values), strict=True)]
        return self.times(self.mix, out)


class GPTInPieces(GPT):
    """The same, of compiled functions."""

    times = staticmethod(compile(times))
    rms_norm = staticmethod(compile(rms_norm))
    softmax = staticmethod(compile(softmax))


def gpt_eager(Value: Any) -> Step:
    """A training step of the GPT, through the engine's own backward pass."""
    model = GPT(Value)

    def value_and_gradient() -> float:
        loss = model.loss()
        loss.backward()
        return loss.data  # type: ignore[no-any-return]

    return _gpt_step(model, value_and_gradient)


def gpt_compiled(target: str = "python", kind: type[GPT] = GPT) -> Step:
    """The same training step, compiled."""
    model = kind(Value)
    return _gpt_step(model, compile(model.loss, target=target).backward)


def sample_loss(layers: Any, point: Any, target: Any) -> Any:
    """Return the loss of an MLP on one point; its parameters are `[[weights, bias], ...]`, nested.

    In the manner of JAX: a list of layers, each a list of neurons.
    """
    xs = list(point)
    for layer in layers:
        xs = [sum((w * x for w, x in zip(ws, xs, strict=True)), bias) for ws, bias in layer]
        xs = xs if layer is layers[-1] else [relu(x) for x in xs]
    return relu(1 - target * xs[0])


def nested_layers() -> list[Any]:
    """Return 337 parameters as `sample_loss` takes them."""
    rng = Random(3)
    return [
        [[[rng.uniform(-1, 1) for _ in range(n_in)], rng.uniform(-1, 1)] for _ in range(n_out)]
        for n_in, n_out in pairwise(SIZES)
    ]


def casadi_function(
    casadi: Any,
    loss: Any,
    numbers: list[float],
    gradient: bool = True,
    options: dict[str, Any] | None = None,
) -> Step:
    """Return a run of CasADi's that gives the value, and the gradient, of `loss` at the numbers.

    It runs in CasADi's virtual machine, unless the options say otherwise.
    """
    symbols = casadi.SX.sym("p", len(numbers))
    functions = functions_of(casadi, lambda x: casadi.fmax(x, 0))
    value = loss([Wrapped(functions, symbols[i]) for i in range(len(numbers))]).data
    outputs = [value, casadi.densify(casadi.gradient(value, symbols))] if gradient else [value]
    f = casadi.Function("f", [symbols], outputs, options or {})
    buffer, run = f.buffer()
    given = array("d", numbers)
    results = [array("d", [0.0] * output.numel()) for output in outputs]
    buffer.set_arg(0, memoryview(given))
    for k, result in enumerate(results):
        buffer.set_res(k, memoryview(result))

    def step(keep_alive: Any = (f, buffer, given)) -> list[float]:
        run()
        return [x for result in results for x in result]

    return step


def moons_loss(points: list[Point], targets: list[int]) -> Any:
    """Return the notebook's loss as a function of the list of the parameters, an op at a time."""

    def loss(parameters: list[Any]) -> Any:
        rest = iter(parameters)
        layers = [
            [([next(rest) for _ in range(n_in)], next(rest)) for _ in range(n_out)]
            for n_in, n_out in pairwise(SIZES)
        ]
        losses = []
        for point, target in zip(points, targets, strict=True):
            xs: list[Any] = list(point)
            for k, layer in enumerate(layers):
                xs = [sum((w * x for w, x in zip(ws, xs, strict=True)), b) for ws, b in layer]
                xs = [x.relu() for x in xs] if k < 2 else xs
            losses.append((1 + xs[0] * -target).relu())
        return sum(losses) / len(losses) + ALPHA * sum(p * p for p in parameters)

    return loss


def with_guards(guards: int, x: Any, y: Any) -> Any:
    """Return a product, after so many branches that are not taken."""
    for k in range(guards):
        if x < -k:
            return y
    return x * y


def short_if(x: Any, y: Any) -> Any:
    return x * y if x > 0 else y - x * x


def short_where(x: Any, y: Any) -> Any:
    return where(x > 0, x * y, y - x * x)


def _long_side(x: Any, y: Any) -> Any:
    for k in range(1, 11):
        x = tanh(x * y) + y / k
    return x


def long_if(x: Any, y: Any) -> Any:
    return _long_side(x, y) if x > 0 else y - x * x


def long_where(x: Any, y: Any) -> Any:
    return where(x > 0, _long_side(x, y), y - x * x)


def gpt_loss(parameters: list[Any]) -> Any:
    """Return the GPT's loss, given the list of its parameters."""
    rest = iter(parameters)
    return GPT(lambda _: next(rest)).loss()


def _gpt_step(model: GPT, value_and_gradient: Callable[[], float]) -> Step:
    def step() -> list[float]:
        for p in model.parameters:
            p.grad = 0.0
        loss = value_and_gradient()
        for p in model.parameters:
            p.data -= LEARNING_RATE * p.grad
        return [loss, *(p.grad for p in model.parameters)]

    return step
