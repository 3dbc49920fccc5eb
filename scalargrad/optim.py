"""Optimisers, learning-rate schedules and gradient clipping, with PyTorch's names and formulas.

An optimiser's formula stands here once, as a function of lists of numbers: what they become, and
what is remembered of them, given their gradients. `Adam(...).step()` applies it to Values, and
`adam_update` to nested numbers, in a function that is compiled as a whole training step, say.

>>> from scalargrad import Value
>>> x = Value(5.0)
>>> optimizer = SGD([x], lr=0.1)
>>> for _ in range(50):
...     optimizer.zero_grad()
...     ((x - 3) ** 2).backward()
...     optimizer.step()
>>> print(f"{x:.4f}")
3.0000
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from scalargrad.engine.errors import shown
from scalargrad.engine.modes import active, refuse_access
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.fitting.fits import Fit, Minimum, curve_fit, least_squares, minimize
from scalargrad.functions.choices import choose
from scalargrad.functions.elementary import sqrt
from scalargrad.transforms.nesting import flatten, flatten_like, unflatten

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "Fit",
    "LinearLR",
    "Minimum",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "adam_init",
    "adam_update",
    "adamw_init",
    "adamw_update",
    "clip_grad_norm_",
    "curve_fit",
    "least_squares",
    "minimize",
    "rmsprop_init",
    "rmsprop_update",
    "sgd_init",
    "sgd_update",
]

Parameters = TypeVar("Parameters")
State = dict[str, Any]
# What is remembered of the parameters: by name, a number for each.
_Memory = dict[str, list[Any]]


class Optimizer:
    """The base class: checks and keeps the parameters, and moves all of them in `step`.

    A subclass defines `_updated`, and names in `_remembered` what it keeps of each parameter.
    `lr`, the learning rate, is an attribute to read and to set. Raises ValueError where there are
    no parameters, for one that is given twice or is the result of an op, and for a setting out of
    its range; TypeError for a parameter that is not a Value and for a setting that is not a real
    number.
    """

    _remembered: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Value], lr: Any, weight_decay: Any) -> None:
        self.parameters = _checked_parameters(parameters)
        self.lr = _checked("lr", lr)
        self.weight_decay = _checked("weight_decay", weight_decay)
        self.steps = 0
        self._memory: _Memory = {name: [0] * len(self.parameters) for name in self._remembered}

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0

    def step(self) -> None:
        """Move every parameter by its gradient; one whose gradient is 0 takes part, as any other.

        Raises OverflowError where a number becomes too large for a float, and TypeError where a
        gradient is a Value; then nothing has changed.
        """
        gs = _gradients(self.parameters, "a step")
        xs = [parameter._data for parameter in self.parameters]
        xs, self._memory = self._updated(xs, gs, self._memory, self.steps + 1)
        self.steps += 1
        if set(map(type, xs)) == {float}:  # which need no checks
            for parameter, x in zip(self.parameters, xs, strict=True):
                parameter._data = x
        else:
            for parameter, x in zip(self.parameters, xs, strict=True):
                parameter.data = x

    def __repr__(self) -> str:
        count = len(self.parameters)
        plural = "" if count == 1 else "s"
        return f"{type(self).__name__}({count} parameter{plural}, lr={self.lr!r})"

    def _updated(
        self, xs: list[Any], gs: list[Any], memory: _Memory, steps: int
    ) -> tuple[list[Any], _Memory]:
        """Return what the parameters `xs` with gradients `gs` become, and what is remembered."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for: `torch.optim.SGD`.

    v = momentum * v + (1 - dampening) * g, where the first v is g, and x moves by -lr * v; with
    `nesterov` by -lr * (g + momentum * v). `sgd_update` does the same with plain numbers. Raises
    what Optimizer raises, and ValueError for `nesterov` without a momentum or with a dampening.

    >>> x = Value(1.0)
    >>> x.grad = 2.0
    >>> optimizer = SGD([x], lr=0.25, momentum=0.5)
    >>> optimizer.step()
    >>> x.data
    0.5
    >>> optimizer.step()  # v is now 0.5 * 2 + 2
    >>> x.data
    -0.25
    """

    _remembered = ("velocity",)

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Any = 1e-3,
        momentum: Any = 0,
        dampening: Any = 0,
        weight_decay: Any = 0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.momentum = _checked("momentum", momentum)
        self.dampening = _checked("dampening", dampening)
        self.nesterov = nesterov
        _check_nesterov(nesterov, momentum, dampening)

    def _updated(
        self, xs: list[Any], gs: list[Any], memory: _Memory, steps: int
    ) -> tuple[list[Any], _Memory]:
        return _sgd(
            *(xs, gs, memory, steps),
            *(self.lr, self.momentum, self.dampening, self.weight_decay, self.nesterov),
        )


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square: `torch.optim.Adam`.

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g**2, both divided after
    t steps by 1 - beta**t since they start at 0; x moves by -lr * m / (sqrt(v) + eps).
    (Kingma and Ba, "Adam: a method for stochastic optimization", 2015.) `adam_update` does the
    same with plain numbers. Raises what Optimizer raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> Adam([x], lr=0.5).step()  # a first step is of size lr, whatever the gradient's
    >>> print(f"{x:.6f}")
    0.500000
    """

    _remembered = ("m", "v")

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.betas = _checked_betas(betas)
        self.eps = _checked("eps", eps)

    def _updated(
        self, xs: list[Any], gs: list[Any], memory: _Memory, steps: int
    ) -> tuple[list[Any], _Memory]:
        gs = _penalised(xs, gs, self.weight_decay)
        return _adam(xs, gs, memory, steps, self.lr, self.betas, self.eps)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: `torch.optim.AdamW`.

    x first shrinks to x * (1 - lr * weight_decay), and then moves as in Adam. (Loshchilov and
    Hutter, "Decoupled weight decay regularization", 2019.) `adamw_update` does the same with
    plain numbers. Raises what Adam raises.

    >>> x = Value(1.0)
    >>> AdamW([x], lr=0.5, weight_decay=0.5).step()
    >>> x.data
    0.75
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _updated(
        self, xs: list[Any], gs: list[Any], memory: _Memory, steps: int
    ) -> tuple[list[Any], _Memory]:
        xs = _shrunk(xs, self.lr, self.weight_decay)
        return _adam(xs, gs, memory, steps, self.lr, self.betas, self.eps)


class RMSprop(Optimizer):
    """Steps scaled by a running average of the gradient's square: `torch.optim.RMSprop`.

    v = alpha * v + (1 - alpha) * g**2, and x moves by -lr * u, where u = g / (sqrt(v) + eps);
    with momentum by -lr * b, where b = momentum * b + u. If `centered`, v is first made a
    variance: the square of the gradient's own running average is subtracted. `rmsprop_update`
    does the same with plain numbers. Raises what Optimizer raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> RMSprop([x], lr=0.5, alpha=0.75).step()  # v = g**2 / 4
    >>> print(f"{x:.6f}")
    0.000000
    """

    _remembered = ("v", "mean", "velocity")

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Any = 1e-2,
        alpha: Any = 0.99,
        eps: Any = 1e-8,
        weight_decay: Any = 0,
        momentum: Any = 0,
        centered: bool = False,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.alpha = _checked("alpha", alpha, below=1)
        self.eps = _checked("eps", eps)
        self.momentum = _checked("momentum", momentum)
        self.centered = centered

    def _updated(
        self, xs: list[Any], gs: list[Any], memory: _Memory, steps: int
    ) -> tuple[list[Any], _Memory]:
        gs = _penalised(xs, gs, self.weight_decay)
        return _rmsprop(xs, gs, memory, self.lr, self.alpha, self.eps, self.momentum, self.centered)


def sgd_init(parameters: Any) -> State:
    """Return the state to start `sgd_update` with: no steps, and zeros nested as `parameters`.

    `parameters` are nested lists, tuples and dicts of numbers. Raises TypeError for others.

    >>> sgd_init([1.0, 2.0])
    {'steps': 0.0, 'velocity': [0.0, 0.0]}
    """
    return _init(parameters, SGD._remembered)


def sgd_update(
    parameters: Parameters,
    gradients: Any,
    state: State,
    lr: Any = 1e-3,
    momentum: Any = 0,
    dampening: Any = 0,
    weight_decay: Any = 0,
    nesterov: bool = False,
) -> tuple[Parameters, State]:
    """Return the parameters and the state after one step of `SGD`; nothing is changed in place.

    `parameters` and `gradients` are nested alike; `state` is of `sgd_init`, or of the step before.
    It may be part of a compiled function, whose arguments they are; so may the settings but
    `nesterov`. Raises TypeError for another nesting, and what SGD raises for its settings.

    >>> state = sgd_init({"w": 1.0})
    >>> parameters, state = sgd_update({"w": 1.0}, {"w": 2.0}, state, lr=0.25, momentum=0.5)
    >>> parameters, state
    ({'w': 0.5}, {'steps': 1.0, 'velocity': {'w': 2.0}})
    """
    lr, momentum = _checked_or_traced("lr", lr), _checked_or_traced("momentum", momentum)
    dampening = _checked_or_traced("dampening", dampening)
    weight_decay = _checked_or_traced("weight_decay", weight_decay)
    _check_nesterov(nesterov, momentum, dampening)

    def rule(xs: list[Any], gs: list[Any], memory: _Memory, steps: Any) -> Any:
        return _sgd(xs, gs, memory, steps, lr, momentum, dampening, weight_decay, nesterov)

    return _update(parameters, gradients, state, SGD._remembered, rule)


def adam_init(parameters: Any) -> State:
    """Return the state to start `adam_update` with: no steps, and zeros nested as `parameters`.

    `parameters` are nested lists, tuples and dicts of numbers. Raises TypeError for others.

    >>> adam_init([1.0, 2.0])
    {'steps': 0.0, 'm': [0.0, 0.0], 'v': [0.0, 0.0]}
    """
    return _init(parameters, Adam._remembered)


def adam_update(
    parameters: Parameters,
    gradients: Any,
    state: State,
    lr: Any = 1e-3,
    betas: tuple[Any, Any] = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 0,
) -> tuple[Parameters, State]:
    """Return the parameters and the state after one step of `Adam`; nothing is changed in place.

    `parameters` and `gradients` are nested alike; `state` is of `adam_init`, or of the step
    before. It may be part of a compiled function, whose arguments they are; so may the settings:
    an `lr` that is an argument can follow a schedule. Raises TypeError for another nesting, and
    what Adam raises for its settings.

    >>> from scalargrad import compile, value_and_grad
    >>> def loss(parameters, x, y):
    ...     return (parameters["w"] * x + parameters["b"] - y) ** 2
    >>> @compile
    ... def step(parameters, state, lr, x, y):
    ...     value, gradients = value_and_grad(loss)(parameters, x, y)
    ...     parameters, state = adam_update(parameters, gradients, state, lr)
    ...     return parameters, state, value
    >>> parameters = {"w": 1.0, "b": 0.0}
    >>> state = adam_init(parameters)
    >>> for _ in range(100):
    ...     parameters, state, value = step(parameters, state, 0.1, 2.0, 5.0)
    >>> print(f"{value:.3f} {state['steps']}")
    0.000 100.0
    """
    lr, weight_decay = (
        _checked_or_traced("lr", lr),
        _checked_or_traced("weight_decay", weight_decay),
    )
    betas, eps = _checked_betas(betas, _checked_or_traced), _checked_or_traced("eps", eps)

    def rule(xs: list[Any], gs: list[Any], memory: _Memory, steps: Any) -> Any:
        return _adam(xs, _penalised(xs, gs, weight_decay), memory, steps, lr, betas, eps)

    return _update(parameters, gradients, state, Adam._remembered, rule)


def adamw_init(parameters: Any) -> State:
    """Return the state to start `adamw_update` with: that of `adam_init`.

    >>> adamw_init(1.0)
    {'steps': 0.0, 'm': 0.0, 'v': 0.0}
    """
    return adam_init(parameters)


def adamw_update(
    parameters: Parameters,
    gradients: Any,
    state: State,
    lr: Any = 1e-3,
    betas: tuple[Any, Any] = (0.9, 0.999),
    eps: Any = 1e-8,
    weight_decay: Any = 1e-2,
) -> tuple[Parameters, State]:
    """Return the parameters and the state after one step of `AdamW`: as `adam_update`.

    >>> adamw_update([1.0], [0.0], adamw_init([1.0]), lr=0.5, weight_decay=0.5)[0]
    [0.75]
    """
    lr, weight_decay = (
        _checked_or_traced("lr", lr),
        _checked_or_traced("weight_decay", weight_decay),
    )
    betas, eps = _checked_betas(betas, _checked_or_traced), _checked_or_traced("eps", eps)

    def rule(xs: list[Any], gs: list[Any], memory: _Memory, steps: Any) -> Any:
        return _adam(_shrunk(xs, lr, weight_decay), gs, memory, steps, lr, betas, eps)

    return _update(parameters, gradients, state, Adam._remembered, rule)


def rmsprop_init(parameters: Any) -> State:
    """Return the state to start `rmsprop_update` with: no steps, zeros nested as `parameters`.

    `parameters` are nested lists, tuples and dicts of numbers. Raises TypeError for others.

    >>> rmsprop_init(1.0)
    {'steps': 0.0, 'v': 0.0, 'mean': 0.0, 'velocity': 0.0}
    """
    return _init(parameters, RMSprop._remembered)


def rmsprop_update(
    parameters: Parameters,
    gradients: Any,
    state: State,
    lr: Any = 1e-2,
    alpha: Any = 0.99,
    eps: Any = 1e-8,
    weight_decay: Any = 0,
    momentum: Any = 0,
    centered: bool = False,
) -> tuple[Parameters, State]:
    """Return the parameters and the state after one step of `RMSprop`; no list is changed.

    `parameters` and `gradients` are nested alike; `state` is of `rmsprop_init`, or of the step
    before. It may be part of a compiled function, whose arguments they are; so may the settings
    but `centered`. Raises TypeError for another nesting, and what RMSprop raises for its settings.

    >>> parameters, _ = rmsprop_update([1.0], [1000.0], rmsprop_init([1.0]), lr=0.5, alpha=0.75)
    >>> print(f"{parameters[0]:.6f}")
    0.000000
    """
    lr, weight_decay = (
        _checked_or_traced("lr", lr),
        _checked_or_traced("weight_decay", weight_decay),
    )
    alpha, eps = _checked_or_traced("alpha", alpha, below=1), _checked_or_traced("eps", eps)
    momentum = _checked_or_traced("momentum", momentum)

    def rule(xs: list[Any], gs: list[Any], memory: _Memory, steps: Any) -> Any:
        gs = _penalised(xs, gs, weight_decay)
        return _rmsprop(xs, gs, memory, lr, alpha, eps, momentum, centered)

    return _update(parameters, gradients, state, RMSprop._remembered, rule)


def _sgd(
    xs: list[Any],
    gs: list[Any],
    memory: _Memory,
    steps: Any,
    lr: Any,
    momentum: Any,
    dampening: Any,
    weight_decay: Any,
    nesterov: bool,
) -> tuple[list[Any], _Memory]:
    gs = _penalised(xs, gs, weight_decay)
    if not _is_given(momentum):
        return [x - lr * g for x, g in zip(xs, gs, strict=True)], memory
    keep = 1 - dampening
    vs = [momentum * v + keep * g for v, g in zip(memory["velocity"], gs, strict=True)]
    vs = _chosen(steps == 1, gs, vs)
    moves = [g + momentum * v for g, v in zip(gs, vs, strict=True)] if nesterov else vs
    return [x - lr * move for x, move in zip(xs, moves, strict=True)], {"velocity": vs}


def _adam(
    xs: list[Any],
    gs: list[Any],
    memory: _Memory,
    steps: Any,
    lr: Any,
    betas: Sequence[Any],
    eps: Any,
) -> tuple[list[Any], _Memory]:
    beta1, beta2 = betas
    rest1, rest2 = 1 - beta1, 1 - beta2
    ms = [beta1 * m + rest1 * g for m, g in zip(memory["m"], gs, strict=True)]
    vs = [beta2 * v + rest2 * (g * g) for v, g in zip(memory["v"], gs, strict=True)]
    # What a running mean that started at 0 lacks.
    share1, share2 = 1 - beta1**steps, 1 - beta2**steps
    root = _square_root_of([*vs, share2])
    moved = [
        x - lr * (m / share1 / (root(v / share2) + eps)) for x, m, v in zip(xs, ms, vs, strict=True)
    ]
    return moved, {"m": ms, "v": vs}


def _rmsprop(
    xs: list[Any],
    gs: list[Any],
    memory: _Memory,
    lr: Any,
    alpha: Any,
    eps: Any,
    momentum: Any,
    centered: bool,
) -> tuple[list[Any], _Memory]:
    rest = 1 - alpha
    vs = [alpha * v + rest * (g * g) for v, g in zip(memory["v"], gs, strict=True)]
    means, velocities, squares = memory["mean"], memory["velocity"], vs
    if centered:
        means = [alpha * mean + rest * g for mean, g in zip(means, gs, strict=True)]
        variances = [v - mean**2 for v, mean in zip(vs, means, strict=True)]
        # Rounding may take a variance of zero just below it.
        squares = [choose(variance > 0, variance, 0) for variance in variances]
    root = _square_root_of(squares)
    us = [g / (root(square) + eps) for g, square in zip(gs, squares, strict=True)]
    if _is_given(momentum):
        us = velocities = [momentum * b + u for b, u in zip(velocities, us, strict=True)]
    moved = [x - lr * u for x, u in zip(xs, us, strict=True)]
    return moved, {"v": vs, "mean": means, "velocity": velocities}


def _penalised(xs: list[Any], gs: list[Any], weight_decay: Any) -> list[Any]:
    """Return the gradients with those of an L2 penalty."""
    if not _is_given(weight_decay):
        return gs
    return [g + weight_decay * x for x, g in zip(xs, gs, strict=True)]


def _shrunk(xs: list[Any], lr: Any, weight_decay: Any) -> list[Any]:
    factor = 1 - lr * weight_decay
    return [x * factor for x in xs]


def _square_root_of(xs: list[Any]) -> Callable[[Any], Any]:
    """Return the function that takes the square roots of `xs`: the fastest, for floats."""
    return math.sqrt if set(map(type, xs)) == {float} else sqrt


def _chosen(condition: Any, xs: list[Any], ys: list[Any]) -> list[Any]:
    if not isinstance(condition, Tracer):
        return xs if condition else ys
    return [choose(condition, x, y) for x, y in zip(xs, ys, strict=True)]


def _is_given(setting: Any) -> bool:
    return isinstance(setting, Tracer) or setting != 0


def _init(parameters: Any, remembered: tuple[str, ...]) -> State:
    numbers, structure = flatten(parameters, "parameters")
    zeros = [0.0 if isinstance(x, Tracer) else in_kind(0, x) for x in numbers]
    return {"steps": 0.0, **{name: unflatten(structure, zeros) for name in remembered}}


def _update(
    parameters: Parameters,
    gradients: Any,
    state: State,
    remembered: tuple[str, ...],
    rule: Callable[..., tuple[list[Any], _Memory]],
) -> tuple[Parameters, State]:
    xs, structure = flatten(parameters, "parameters")
    gs = flatten_like(structure, gradients, "gradients")
    if not isinstance(state, dict) or set(state) != {"steps", *remembered}:
        raise TypeError(
            f"the state must be a dict of {', '.join(['steps', *remembered])}, as the init "
            f"function of the same optimiser gives, not {shown(state)}"
        )
    memory = {name: flatten_like(structure, state[name], f"state[{name!r}]") for name in remembered}
    steps = state["steps"] + 1
    moved, memory = rule(xs, gs, memory, steps)
    after = {name: unflatten(structure, memory[name]) for name in remembered}
    return unflatten(structure, moved), {"steps": steps, **after}


class Schedule:
    """The base class of learning-rate schedules: sets `optimizer.lr`, at once and on each `step`.

    A subclass defines `_lr_after`. The rate that the optimiser has when the schedule is made is
    its base. Raises TypeError for what is not an optimiser.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"a schedule takes the optimizer whose lr it sets, "
                f"got {optimizer!r} ({type(optimizer).__name__})"
            )
        self.optimizer = optimizer
        self.base_lr = optimizer.lr
        self.steps = 0
        optimizer.lr = self._lr_after(0)

    def step(self) -> None:
        """Set the optimiser's lr for the next step: call it after `optimizer.step()`."""
        self.steps += 1
        self.optimizer.lr = self._lr_after(self.steps)

    def _lr_after(self, steps: int) -> Any:
        """Return the learning rate after so many steps."""
        raise NotImplementedError


class CosineAnnealingLR(Schedule):
    """Half a cosine from the optimiser's lr down to `eta_min` in `T_max` steps, and so on.

    After t steps lr = eta_min + (base - eta_min) * (1 + cos(pi * t / T_max)) / 2, as
    `torch.optim.lr_scheduler.CosineAnnealingLR` has it. Raises TypeError or ValueError unless
    `T_max` is a whole number above 0 and `eta_min` a real one of at least 0.

    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> schedule.step()
    >>> print(f"{optimizer.lr:.4f}")
    0.5000
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: Any = 0) -> None:
        self.T_max = _checked_count("T_max", T_max)
        self.eta_min = _checked("eta_min", eta_min)
        super().__init__(optimizer)

    def _lr_after(self, steps: int) -> Any:
        fraction = (1 + math.cos(math.pi * steps / self.T_max)) / 2
        return self.eta_min + (self.base_lr - self.eta_min) * fraction


class LinearLR(Schedule):
    """A straight line from `start_factor` to `end_factor` times the optimiser's lr, then flat.

    It takes `total_iters` steps, as `torch.optim.lr_scheduler.LinearLR` has it. Raises TypeError
    or ValueError unless `total_iters` is a whole number above 0 and the factors are real numbers
    of at least 0.

    >>> optimizer = SGD([Value(0.0)], lr=1.0)
    >>> schedule = LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> optimizer.lr
    0.5
    >>> schedule.step()
    >>> optimizer.lr
    0.75
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: Any = 1 / 3,
        end_factor: Any = 1.0,
        total_iters: int = 5,
    ) -> None:
        self.start_factor = _checked("start_factor", start_factor)
        self.end_factor = _checked("end_factor", end_factor)
        self.total_iters = _checked_count("total_iters", total_iters)
        super().__init__(optimizer)

    def _lr_after(self, steps: int) -> Any:
        fraction = min(steps, self.total_iters) / self.total_iters
        return self.base_lr * (self.start_factor + (self.end_factor - self.start_factor) * fraction)


def clip_grad_norm_(parameters: Iterable[Value], max_norm: Any) -> Any:
    """Scale the gradients down so that their Euclidean norm is at most `max_norm`.

    They are multiplied by max_norm / (norm + 1e-6) where that is below 1, as in
    `torch.nn.utils.clip_grad_norm_`. Returns the norm that they had before. Raises what Optimizer
    raises for its parameters, TypeError where a gradient is a Value, and ValueError for a negative
    `max_norm` or for gradients whose norm is not finite: no factor would make them so.

    >>> x, y = Value(0.0), Value(0.0)
    >>> x.grad, y.grad = 30.0, 40.0
    >>> clip_grad_norm_([x, y], max_norm=1.0)
    50.0
    >>> print(f"{x.grad:.4f} {y.grad:.4f}")
    0.6000 0.8000
    """
    checked = _checked_parameters(parameters)
    max_norm = _checked("max_norm", max_norm)
    norm = math.hypot(*_gradients(checked, "clipping"))
    if not math.isfinite(norm):
        raise ValueError(
            f"the norm of the gradients is {norm}, so that they cannot be clipped: "
            "look for the first gradient that is not finite"
        )
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for parameter in checked:
            parameter.grad *= factor
    return norm


def _gradients(parameters: Sequence[Value], what: str) -> list[Any]:
    """Return the gradients of parameters: numbers, which `what` takes."""
    if active:
        refuse_access()
    gs = [parameter._grad for parameter in parameters]
    if any(issubclass(kind, Value) for kind in set(map(type, gs))):
        parameter = next(p for p in parameters if isinstance(p._grad, Value))
        raise TypeError(
            f"the gradient of {parameter!r} is a Value, as create_graph leaves it, and {what} "
            "takes numbers: call backward() without create_graph, or set p.grad = p.grad.data first"
        )
    return gs


def _checked_parameters(parameters: Iterable[Value]) -> list[Value]:
    cure = "give it a list of Values, such as model.parameters()"
    if isinstance(parameters, Value) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"parameters must be a list of Values, got {parameters!r} "
            f"({type(parameters).__name__}): {cure}"
        )
    checked = list(parameters)
    if not checked:
        raise ValueError(f"there are no parameters: {cure}")
    seen: set[int] = set()
    for i, parameter in enumerate(checked):
        if not isinstance(parameter, Value):
            raise TypeError(
                f"parameters must be Values, but parameter {i} is {parameter!r} "
                f"({type(parameter).__name__}): {cure}"
            )
        if parameter.op:
            raise ValueError(
                f"parameter {i} is the result of an op ({parameter.op}), which the next forward "
                "pass replaces: give the Values that it was computed from"
            )
        if id(parameter) in seen:
            raise ValueError(
                f"parameter {i}, {parameter!r}, was given before: give each parameter once"
            )
        seen.add(id(parameter))
    return checked


def _checked(name: str, x: Any, below: float = math.inf) -> Any:
    if not is_real(x):
        raise TypeError(f"{name} must be a real number, got {x!r} ({type(x).__name__})")
    if not 0 <= x < below:
        bound = f" and below {below}" if below < math.inf else " and finite"
        raise ValueError(f"{name} must be at least 0{bound}, got {x!r}")
    return x


def _checked_or_traced(name: str, x: Any, below: float = math.inf) -> Any:
    return x if isinstance(x, Tracer) else _checked(name, x, below)


def _checked_betas(betas: Any, check: Callable[..., Any] = _checked) -> tuple[Any, ...]:
    if not isinstance(betas, list | tuple) or len(betas) != 2:
        raise TypeError(f"betas must be a pair of numbers, such as (0.9, 0.999), got {betas!r}")
    return tuple(check(f"betas[{i}]", beta, below=1) for i, beta in enumerate(betas))


def _check_nesterov(nesterov: bool, momentum: Any, dampening: Any) -> None:
    if nesterov and (not _is_given(momentum) or _is_given(dampening)):
        raise ValueError(
            f"nesterov needs a momentum above 0 and no dampening, "
            f"got momentum={momentum!r} and dampening={dampening!r}"
        )


def _checked_count(name: str, x: Any) -> int:
    if not isinstance(x, int):
        raise TypeError(f"{name} must be a whole number, got {x!r} ({type(x).__name__})")
    if x < 1:
        raise ValueError(f"{name} must be at least 1, got {x!r}")
    return x
