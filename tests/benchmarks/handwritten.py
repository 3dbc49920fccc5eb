"""The same training step written out by hand for lists of floats: no engine at all."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from tests.benchmarks.workloads import ALPHA, LEARNING_RATE, SIZES, Step, moons

Layer = list[tuple[list[float], list[float]]]  # of each neuron its weights and, alone, its bias


def make_layers() -> list[Layer]:
    """Return the initial parameters of `workloads.mlp_notebook`, drawn in the same order."""
    rng = Random(3)
    return [
        [([rng.uniform(-1, 1) for _ in range(n_in)], [rng.uniform(-1, 1)]) for _ in range(n_out)]
        for n_in, n_out in pairwise(SIZES)
    ]


def activations(layers: list[Layer], point: tuple[float, ...]) -> list[list[float]]:
    """Return the point and every layer's output for it: ReLU in all layers but the last."""
    outputs = [list(point)]
    for layer in layers:
        xs, ys = outputs[-1], []
        for weights, bias in layer:
            total = bias[0]
            for w, x in zip(weights, xs, strict=True):
                total += w * x
            ys.append(total if layer is layers[-1] or total > 0.0 else 0.0)
        outputs.append(ys)
    return outputs


def comprehended(layers: list[Layer], point: tuple[float, ...]) -> list[float]:
    """Return the network's outputs, each neuron's sum written as one expression."""
    xs = list(point)
    for layer in layers:
        xs = [sum(w * x for w, x in zip(weights, xs, strict=True)) + b for weights, (b,) in layer]
        if layer is not layers[-1]:
            xs = [max(0.0, x) for x in xs]
    return xs


def penalty(layers: list[Layer]) -> float:
    total = 0.0
    for layer in layers:
        for weights, bias in layer:
            for w in weights:
                total += w * w
            total += bias[0] * bias[0]
    return ALPHA * total


def value_alone() -> Step:
    """The loss by plain loops, without a gradient."""
    layers = make_layers()
    points, targets = moons()

    def step() -> list[float]:
        loss = 0.0
        for point, target in zip(points, targets, strict=True):
            margin = 1.0 - target * activations(layers, point)[-1][0]
            if margin > 0.0:
                loss += margin
        return [loss / len(points) + penalty(layers)]

    return step


def value_alone_comprehended() -> Step:
    """The loss as a Python programmer writes it, with a sum over a generator for each neuron."""
    layers = make_layers()
    points, targets = moons()

    def step() -> list[float]:
        scores = [comprehended(layers, point)[0] for point in points]
        losses = [max(0.0, 1 - y * score) for y, score in zip(targets, scores, strict=True)]
        squares = sum(p * p for layer in layers for ws, bias in layer for p in (*ws, *bias))
        return [sum(losses) / len(losses) + ALPHA * squares]

    return step


def value_of_each_sample() -> Step:
    """The loss of one point after the other, by plain loops, without a gradient."""
    layers = make_layers()
    points, targets = moons()

    def step() -> list[float]:
        losses = []
        for point, target in zip(points, targets, strict=True):
            margin = 1.0 - target * activations(layers, point)[-1][0]
            losses.append(margin if margin > 0.0 else 0.0)
        return losses

    return step


def value_gradient_update() -> Step:
    """The loss, its gradient by backpropagation and the update, by plain loops."""
    layers = make_layers()
    points, targets = moons()

    def step() -> list[float]:
        gradients: list[Layer] = [
            [([2 * ALPHA * w for w in weights], [2 * ALPHA * bias[0]]) for weights, bias in layer]
            for layer in layers
        ]
        loss = penalty(layers)
        for point, target in zip(points, targets, strict=True):
            outputs = activations(layers, point)
            margin = 1.0 - target * outputs[-1][0]
            if margin <= 0.0:
                continue
            loss += margin / len(points)
            by_outputs = [-target / len(points)]
            for i in reversed(range(len(layers))):
                xs = outputs[i]
                by_inputs = [0.0] * len(xs)
                for neuron, gradient, g in zip(layers[i], gradients[i], by_outputs, strict=True):
                    if g == 0.0:
                        continue
                    weights, by_weights = neuron[0], gradient[0]
                    for j, x in enumerate(xs):
                        by_weights[j] += g * x
                        by_inputs[j] += g * weights[j]
                    gradient[1][0] += g
                by_outputs = [g if x > 0.0 else 0.0 for g, x in zip(by_inputs, xs, strict=True)]
        for layer, layer_gradients in zip(layers, gradients, strict=True):
            for neuron, gradient in zip(layer, layer_gradients, strict=True):
                for numbers, by_numbers in zip(neuron, gradient, strict=True):
                    for j, g in enumerate(by_numbers):
                        numbers[j] -= LEARNING_RATE * g
        flat = [g for layer in gradients for ws, bias in layer for g in (*ws, *bias)]
        return [loss, *flat]

    return step
