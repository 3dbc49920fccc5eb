"""Tiny neural networks: modules that hold parameters, micrograd's MLP, PyTorch's Linear.

A parameter is a `Value`. Every neuron is one `sumprod` node and its activation, so a network's
graph stays small enough to look at. Inputs are lists or tuples of numbers or Values, or another
iterable, such as a row of a numpy array.

>>> import random
>>> model = MLP(2, [3, 1], rng=random.Random(0))
>>> model
MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(3)]]
>>> len(model.parameters())
13
>>> y = model([0.5, -1.0])
>>> y.backward()
>>> model.layers[1].neurons[0].b.grad
1.0
"""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scalargrad.engine.context import active, here, tracing
from scalargrad.engine.errors import FAILURES, untraceable
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions import numerics
from scalargrad.functions.activations import relu
from scalargrad.functions.arithmetic import sqrt
from scalargrad.functions.many import flat_sumprod, fsum, sumprod

_new = object.__new__

__all__ = ["MLP", "Dropout", "Embedding", "Layer", "LayerNorm", "Linear", "Module", "Neuron"]
__all__ += ["Sequential"]

# By name, how a random.Random draws the first weights for `nin` inputs and `nout` outputs.
INITIAL: dict[str, Callable[[Any, int, int], float]] = {
    "uniform": lambda rng, nin, nout: rng.uniform(-1, 1),
    "fan_in": lambda rng, nin, nout: rng.uniform(-1 / math.sqrt(nin), 1 / math.sqrt(nin)),
    "normal": lambda rng, nin, nout: rng.gauss(0, 1),
    "xavier_uniform": lambda rng, nin, nout: rng.uniform(-1, 1) * math.sqrt(6 / (nin + nout)),
    "xavier_normal": lambda rng, nin, nout: rng.gauss(0, math.sqrt(2 / (nin + nout))),
    "kaiming_uniform": lambda rng, nin, nout: rng.uniform(-1, 1) * math.sqrt(6 / nin),
    "kaiming_normal": lambda rng, nin, nout: rng.gauss(0, math.sqrt(2 / nin)),
    "zeros": lambda rng, nin, nout: 0.0,
}


class Module:
    """Something that holds parameters: the base class of every layer and network.

    Its parameters are the leaf Values among its attributes, also inside lists, tuples, dicts and
    other modules. A subclass sets attributes and defines `__call__`. It may override `parameters`;
    `zero_grad` then uses that. `training` is True at first and after `train()`, and False after
    `eval()`: Dropout does nothing then.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope, self.offset = Value(2.0), Value(1.0)
    ...
    ...     def __call__(self, x):
    ...         return self.slope * x + self.offset
    >>> line = Line()
    >>> line(3.0).backward()
    >>> [(name, parameter.grad) for name, parameter in line.named_parameters()]
    [('slope', 3.0), ('offset', 1.0)]
    """

    training = True

    def train(self, mode: bool = True) -> Any:
        """Set `training` of this module, and of all modules inside, to `mode`; return this module.

        >>> model = Sequential(Linear(2, 2), Dropout(0.5))
        >>> model.eval().layers[1].training
        False
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Any:
        """Set `training` of this module, and of all inside, to False; return this module."""
        return self.train(False)

    def modules(self) -> list[Module]:
        """Return this module and all modules inside it.

        >>> MLP(2, [1]).modules()[1:]
        [Layer of [LinearNeuron(2)], LinearNeuron(2)]
        """
        return [self, *(item for _, _, item in self._walked() if isinstance(item, Module))]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradient of every parameter to 0, which None means here, too.

        >>> neuron = Neuron(1)
        >>> neuron([2.0]).backward()
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0
        """
        for parameter in self.parameters():
            parameter.grad = 0

    def parameters(self) -> list[Value]:
        """Return the parameters in the order of the attributes. A shared one comes once.

        >>> len(Neuron(3).parameters())
        4
        """
        return [parameter for _, _, parameter in self._found()]

    def named_parameters(self) -> list[tuple[str, Value]]:
        """Return pairs of a name and a parameter. A name is a path of attributes, indices and keys.

        >>> [name for name, _ in MLP(2, [1]).named_parameters()]
        ['layers.0.neurons.0.w.0', 'layers.0.neurons.0.w.1', 'layers.0.neurons.0.b']
        """
        return [
            (".".join(map(str, (*path, key))), parameter) for path, key, parameter in self._found()
        ]

    def _found(self) -> Iterator[tuple[tuple[Any, ...], Any, Value]]:
        """Yield each parameter once: the path to its container, its key there, the parameter."""
        found = set[Value]()
        for path, key, item in self._walked():
            if isinstance(item, Value) and item._op is None and item not in found:
                found.add(item)
                yield path, key, item

    def _walked(self) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
        """Yield what is inside, as `_found` yields parameters; each container comes once."""
        seen = {id(self)}
        stack: list[tuple[tuple[Any, ...], Iterator[tuple[Any, Any]]]] = [((), _children(self))]
        while stack:
            path, children = stack[-1]
            for key, item in children:
                if not isinstance(item, Module | dict | list | tuple):
                    yield path, key, item
                elif id(item) not in seen:
                    seen.add(id(item))
                    yield path, key, item
                    stack.append(((*path, key), _children(item)))
                    break
            else:
                stack.pop()

    def state_dict(self) -> dict[str, int | float]:
        """Return the parameters' numbers by name: plain data, ready for `json.dump`.

        `load_state_dict` gives ints and floats back exactly; other kinds of number become floats.
        Raises ValueError if two parameters have the same name.

        >>> Neuron(1, rng=random.Random(0)).state_dict()
        {'w.0': 0.6888437030500962, 'b': 0.0}
        """
        return {
            name: parameter.data if type(parameter.data) in (int, float) else float(parameter.data)
            for name, parameter in self._parameters_by_name().items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set every parameter's number from `state`, a dict such as `state_dict` returns.

        Raises TypeError if `state` is not a dict, and ValueError for entries that are missing,
        unknown or not a real number, with all their names. The model does not change then.

        >>> neuron = Neuron(1)
        >>> neuron.load_state_dict({"w.0": 0.5, "b": -1.0})
        >>> neuron([4.0]).data
        1.0
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"load_state_dict takes a dict of names and numbers, as state_dict gives it, "
                f"not {state!r} ({type(state).__name__})"
            )
        parameters = self._parameters_by_name()
        faults = {
            "missing": [name for name in parameters if name not in state],
            "unknown": [repr(name) for name in state if name not in parameters],
            "not a real number": [
                f"{name} = {state[name]!r}"
                for name in parameters
                if name in state and (isinstance(state[name], bool) or not is_real(state[name]))
            ],
        }
        if any(faults.values()):
            listed = "; ".join(f"{fault}: {', '.join(ns)}" for fault, ns in faults.items() if ns)
            raise ValueError(
                f"the state does not fit this {type(self).__name__}, which was left as it was: "
                f"{listed}"
            )
        for name, parameter in parameters.items():
            parameter.data = state[name]

    def _parameters_by_name(self) -> dict[str, Value]:
        by_name: dict[str, Value] = {}
        for name, parameter in self.named_parameters():
            if by_name.setdefault(name, parameter) is not parameter:
                raise ValueError(
                    f"two parameters have the name {name!r}: rename an attribute or a dict's key"
                )
        return by_name


class Neuron(Module):
    """A weighted sum of `nin` inputs and a bias, then an activation: micrograd's neuron.

    `rng`, a `random.Random`, draws the first weights, or else the `random` module; the bias starts
    at 0. `init` names the distribution: "uniform" on [-1, 1), "fan_in" (uniform up to
    1/sqrt(nin)), "normal", "zeros", "xavier_uniform" or "xavier_normal" (Glorot and Bengio, 2010:
    for `nout` neurons with the same inputs), "kaiming_uniform" or "kaiming_normal" (He and others,
    2015). `activation` is a function of one number; with `nonlin=False` there is none.

    A call gives a Value. Raises ValueError for the wrong number of inputs, for nin < 1 and for an
    unknown `init`, and TypeError for a size that is not a whole number, an activation that is not a
    function or an rng that is not a random.Random.

    >>> from scalargrad import tanh
    >>> neuron = Neuron(2, activation=tanh)
    >>> neuron
    TanhNeuron(2)
    >>> neuron([0.0, 0.0]).data
    0.0
    """

    def __init__(
        self,
        nin: int,
        nonlin: bool = True,
        activation: Callable[[Any], Any] = relu,
        rng: random.Random | None = None,
        init: str = "uniform",
        nout: int = 1,
    ) -> None:
        if not callable(activation):
            raise TypeError(
                f"activation must be a function of one number, such as scalargrad.tanh, "
                f"got {activation!r}"
            )
        (self.w,) = _drawn(1, _size(nin), nout, init, rng)
        self.b = Value(0.0)
        self.nonlin = nonlin
        self.activation = activation

    def __call__(self, x: Iterable[Any] | Any) -> Any:
        (total,) = _sums([self.w], [self.b], x)
        return self.activation(total) if self.nonlin else total

    def __repr__(self) -> str:
        return f"{self._kind()}Neuron({len(self.w)})"

    def _kind(self) -> str:
        if not self.nonlin:
            return "Linear"
        if self.activation is relu:
            return "ReLU"
        name: str = getattr(self.activation, "__name__", type(self.activation).__name__)
        return name.title().replace("_", "")


class Layer(Module):
    """`nout` neurons with the same `nin` inputs. Further arguments are those of Neuron.

    A call gives the list of their outputs, or the output itself if there is one neuron. Raises what
    Neuron raises.

    >>> layer = Layer(2, 3, nonlin=False)
    >>> [y.data for y in layer([0, 0])]
    [0.0, 0.0, 0.0]
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, nout=nout, **kwargs) for _ in range(_size(nout))]

    def __call__(self, x: Iterable[Any] | Any) -> Any:
        neurons = self.neurons
        if any(type(neuron) is not Neuron for neuron in neurons):
            row = _row(x)
            # A subclass may define its own call.
            outputs = [neuron(row) for neuron in neurons]
        else:
            totals = _sums([n.w for n in neurons], [n.b for n in neurons], x)
            outputs = [
                neuron.activation(total) if neuron.nonlin else total
                for neuron, total in zip(neurons, totals)  # noqa: B905 - strict takes its time
            ]
        return outputs[0] if len(outputs) == 1 else outputs

    def __repr__(self) -> str:
        text = f"Layer of [{', '.join(str(neuron) for neuron in self.neurons)}]"
        if len(text) <= 200:
            return text
        return f"Layer of {self._summary()}, {len(self.neurons[0].w)} inputs each"

    def _summary(self) -> str:
        return f"{len(self.neurons)} {self.neurons[0]._kind()}Neurons"


class MLP(Module):
    """A multi-layer perceptron of `nin` inputs. `nouts` has the number of neurons of each layer.

    The last layer is linear. `activation`, `rng` and `init` are those of Neuron. A call gives what
    the last layer gives: a list, or a Value if that layer has one neuron. Raises TypeError unless
    `nouts` is a list or tuple, ValueError if it is empty, and what Neuron raises.

    >>> import random
    >>> MLP(2, [16, 16, 1], rng=random.Random(1337))([1.0, -1.0]).op
    'sumprod'
    """

    def __init__(
        self,
        nin: int,
        nouts: Sequence[int],
        activation: Callable[[Any], Any] = relu,
        rng: random.Random | None = None,
        init: str = "uniform",
    ) -> None:
        if not isinstance(nouts, list | tuple):
            raise TypeError(
                f"MLP takes a list of its layers' sizes, as in MLP(2, [16, 1]), got {nouts!r}"
            )
        if not nouts:
            raise ValueError("MLP takes the size of one layer at least, as in MLP(2, [16, 1])")
        sizes = [_size(n) for n in (nin, *nouts)]
        last = len(nouts) - 1
        named: dict[str, Any] = {"activation": activation, "rng": rng, "init": init}
        self.layers = [
            Layer(sizes[i], sizes[i + 1], nonlin=i != last, **named) for i in range(len(nouts))
        ]

    def __call__(self, x: Iterable[Any] | Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __repr__(self) -> str:
        text = f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
        if len(text) <= 200:
            return text
        layers = ", ".join(layer._summary() for layer in self.layers)
        inputs = len(self.layers[0].neurons[0].w)
        return f"MLP of {inputs} inputs, [{layers}], {len(self.parameters())} parameters"


class Linear(Module):
    """`nout` weighted sums of the same `nin` inputs, each plus its own bias if `bias` is True.

    `weight` is a list of `nout` lists of `nin` Values, `bias` a list of `nout` Values or None. As
    in PyTorch both start uniform on [-1/sqrt(nin), 1/sqrt(nin)), drawn by `rng` as in Neuron. With
    another `init` of Neuron's names the bias starts at 0.

    A call gives a list, or the number itself if there is one, as Layer does. Raises ValueError for
    the wrong number of inputs and for sizes below 1, and TypeError for sizes that are not whole
    numbers.

    >>> linear = Linear(2, 1, bias=False)
    >>> linear.load_state_dict({"weight.0.0": 1.0, "weight.0.1": 10.0})
    >>> linear([3.0, 4.0]).data
    43.0
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        bias: bool = True,
        rng: random.Random | None = None,
        init: str = "fan_in",
    ) -> None:
        nin, nout = _size(nin), _size(nout)
        self.weight = _drawn(nout, nin, nout, init, rng)
        start = init if init == "fan_in" else "zeros"
        self.bias = [row[0] for row in _drawn(nout, 1, nin, start, rng, nin)] if bias else None

    def __call__(self, x: Iterable[Any] | Any) -> Any:
        outputs = _sums(self.weight, self.bias or [None] * len(self.weight), x)
        return outputs[0] if len(outputs) == 1 else outputs

    def __repr__(self) -> str:
        nout, nin = len(self.weight), len(self.weight[0]) if self.weight else 0
        return f"Linear({nin}, {nout}, bias={self.bias is not None})"


class Sequential(Module):
    """Modules and functions, each applied to the result of the one before it.

    A module gets its whole input; a function such as `tanh` is applied to each element of a list or
    tuple. Raises TypeError for a layer that cannot be called.

    >>> from scalargrad import tanh
    >>> model = Sequential(Linear(2, 4), tanh, Linear(4, 1))
    >>> model([0.5, -0.5]).op, len(model.parameters())
    ('sumprod', 17)
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"Sequential takes modules and functions, got {layer!r} as layer {i}"
                )
        self.layers = list(layers)

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            if isinstance(x, list | tuple) and not isinstance(layer, Module):
                x = [layer(element) for element in x]
            else:
                x = layer(x)
        return x

    def __repr__(self) -> str:
        names = [getattr(layer, "__name__", str(layer)) for layer in self.layers]
        return f"Sequential({', '.join(names)})"


class Dropout(Module):
    """While training, replaces each number by 0 with probability `p`, or else divides it by 1 - p.

    So the mean stays the same. After `eval()` it does nothing. `rng`, a `random.Random`, draws, or
    else the `random` module. (Srivastava and others, "Dropout: a simple way to prevent neural
    networks from overfitting", 2014.) Raises ValueError unless 0 <= p < 1, and TraceError in a
    compiled function while training: a program would repeat what was drawn once.

    >>> dropout = Dropout(0.5, rng=random.Random(0))
    >>> dropout([1.0, 2.0, 3.0])
    [2.0, 4.0, 0.0]
    >>> dropout.eval()([1.0, 2.0, 3.0])
    [1.0, 2.0, 3.0]
    """

    def __init__(self, p: float = 0.5, rng: random.Random | None = None) -> None:
        if not is_real(p) or not 0 <= p < 1:
            raise ValueError(f"p is a probability, at least 0 and below 1, got {p!r}")
        self.p = p
        self.rng = _checked_rng(rng)

    def __call__(self, x: Any) -> Any:
        if not self.training or not self.p:
            return x
        if active and tracing() is not None:
            untraceable(
                "dropout draws anew at each call, and a program would repeat what was drawn once",
                "call model.eval() before it is compiled, or train without compile",
            )
        numbers = x if isinstance(x, list | tuple) else [x]
        left = [0 * a if self.rng.random() < self.p else a / (1 - self.p) for a in numbers]
        return left if isinstance(x, list | tuple) else left[0]

    def __repr__(self) -> str:
        return f"Dropout({self.p})"


class Embedding(Module):
    """A row of `embedding_dim` numbers for each of `num_embeddings` things, such as letters.

    A call with the number of a thing gives its row, and a call with a list of numbers their rows.
    `rng`, or else the `random` module, draws the rows from the standard normal distribution. Raises
    IndexError for a number out of range, and TypeError for what is not a whole number. In a
    compiled function the number must be a static argument.

    >>> embedding = Embedding(3, 2, rng=random.Random(0))
    >>> embedding(1) is embedding.weight[1], len(embedding([0, 2]))
    (True, 2)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, rng: random.Random | None = None
    ) -> None:
        count, size = _size(num_embeddings), _size(embedding_dim)
        self.weight = _drawn(count, size, 1, "normal", rng)

    def __call__(self, index: Any) -> list[Any]:
        if isinstance(index, list | tuple):
            return [self(i) for i in index]
        place, count = operator.index(index), len(self.weight)
        if not 0 <= place < count:
            raise IndexError(f"the embedding has rows from 0 to {count - 1}, got {place}")
        return self.weight[place]

    def __repr__(self) -> str:
        return f"Embedding({len(self.weight)}, {len(self.weight[0])})"


class LayerNorm(Module):
    """Brings `size` numbers to mean 0 and variance 1; then each has its own weight and bias.

    That is (x - mean) / sqrt(variance + eps) * weight + bias, as in `torch.nn.LayerNorm`. The
    weights start at 1 and the biases at 0. (Ba, Kiros and Hinton, "Layer normalization", 2016.)
    Raises ValueError for another number of inputs, and what Linear raises for its size.

    >>> [f"{y:.3f}" for y in LayerNorm(2)([1.0, 3.0])]
    ['-1.000', '1.000']
    """

    def __init__(self, size: int, eps: float = 1e-5) -> None:
        self.weight = [Value(1.0) for _ in range(_size(size))]
        self.bias = [Value(0.0) for _ in self.weight]
        self.eps = eps

    def __call__(self, x: Iterable[Any]) -> list[Any]:
        row, n = _row(x), len(self.weight)
        if len(row) != n:
            raise ValueError(f"expected {n} inputs, got {len(row)}")
        mean = fsum(row) / n
        differences = [a - mean for a in row]
        scale = 1 / sqrt(sumprod(differences, differences) / n + self.eps)
        return [
            d * scale * w + b for d, w, b in zip(differences, self.weight, self.bias, strict=True)
        ]

    def __repr__(self) -> str:
        return f"LayerNorm({len(self.weight)})"


def _children(container: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(container, Module):
        container = vars(container)
    return iter(container.items() if isinstance(container, dict) else enumerate(container))


def _size(n: Any) -> int:
    try:
        size = operator.index(n)
    except TypeError:
        size = None
    if size is None or isinstance(n, bool):
        raise TypeError(f"the size of a layer is a whole number, got {n!r} ({type(n).__name__})")
    if size < 1:
        raise ValueError(f"the size of a layer is at least 1, got {size}")
    return size


def _checked_rng(rng: Any) -> Any:
    if rng is not None and not hasattr(rng, "uniform"):
        raise TypeError(f"rng must be a random.Random, such as random.Random(0), got {rng!r}")
    return rng or random


def _drawn(
    rows: int, count: int, nout: int, init: str, rng: random.Random | None, nin: int = 0
) -> list[list[Value]]:
    """Return rows of `count` parameters, drawn as `init` says, for `nin` or else `count` inputs."""
    if init not in INITIAL:
        raise ValueError(f"init is one of {', '.join(INITIAL)}, not {init!r}")
    source, draw = _checked_rng(rng), INITIAL[init]
    return [[Value(draw(source, nin or count, nout)) for _ in range(count)] for _ in range(rows)]


def _row(x: Any) -> tuple[Any, ...]:
    """Return the inputs as a tuple. One number, such as a layer of one neuron gives, is a row."""
    try:
        if type(x) is list or type(x) is tuple:
            row = tuple(x)
        else:
            row = (x,) if isinstance(x, Tracer) or is_real(x) else tuple(x)
    except TypeError:
        raise TypeError(
            f"inputs must be a list of numbers or Values, got {x!r} ({type(x).__name__})"
        ) from None
    if row and isinstance(row[0], list | tuple):
        raise TypeError(
            f"a model takes one row at a time, not a list of rows such as {row[0]!r}: write "
            "[model(row) for row in rows]"
        )
    return row


def _sums(weights: Sequence[list[Value]], biases: Sequence[Value | None], x: Any) -> list[Any]:
    """Return a node for each neuron: the sum of the inputs times its weights, plus its bias."""
    row = _row(x)
    for w in weights:
        if len(w) != len(row):
            raise ValueError(f"expected {len(w)} inputs, got {len(row)}")
    totals = None if active and not here().plain else _float_sums(weights, biases, row)
    if totals is None:
        totals = [
            flat_sumprod(*w, *row) if b is None else flat_sumprod(*w, *row, b)
            for w, b in zip(weights, biases, strict=True)
        ]
    return totals


def _float_sums(
    weights: Sequence[list[Value]], biases: Sequence[Value | None], row: tuple[Any, ...]
) -> list[Any] | None:
    """Return `_sums`, computed in half of the time by one pass over the inputs.

    It returns None unless weights and biases are leaves and all sums are floats, as is usual.
    """
    numbers = [v._data for v in row if isinstance(v, Value)]
    sources = None
    if len(numbers) == len(row):
        sources = tuple([v for v in row if v._op is not None])
    else:
        numbers = [v._data if isinstance(v, Value) else v for v in row]
    op, value, new, sumprod = flat_sumprod.op, Value, _new, numerics.sumprod
    totals = []
    try:
        for w, b in zip(weights, biases):  # noqa: B905 - strict takes its time
            # A weight that is the result of an op is left out: the lengths differ, an error.
            y = sumprod([v._data for v in w if v._op is None], numbers)
            if b is None:
                operands = (*w, *row)
            elif b._op is None:
                operands = (*w, *row, b)
                y += b._data
            else:
                return None
            if type(y) is not float:
                return None
            # As in `make_node`.
            node = new(value)
            node._data = y
            node._grad = 0
            node.label = ""
            node._op = op
            node._first = operands
            node._second = sources
            totals.append(node)
    except (AttributeError, *FAILURES):
        return None
    return totals


if not TYPE_CHECKING:  # a type checker goes by the names that there are

    def __getattr__(name: str) -> Any:
        from scalargrad.peers import no_attribute  # only here: nothing else needs its tables

        raise no_attribute("scalargrad.nn", name)
