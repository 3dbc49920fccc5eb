"""Optimisers, learning-rate schedules and gradient clipping, with PyTorch's names and formulas.

Each optimiser is the base class's loop over the parameters and one formula: the direction in
which a parameter moves, given its gradient and what is remembered about it.

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
from collections.abc import Iterable
from typing import Any

from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.fitting.fits import Fit, Minimum, curve_fit, least_squares, minimize

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
    "clip_grad_norm_",
    "curve_fit",
    "least_squares",
    "minimize",
]


class Optimizer:
    """The base class: checks and keeps the parameters, and moves each of them in `step`.

    A subclass defines `_direction`. `lr`, the learning rate, is an attribute to read and to set.
    Raises ValueError where there are no parameters, for one that is given twice or is the result
    of an op, and for a setting out of its range; TypeError for a parameter that is not a Value
    and for a setting that is not a real number.
    """

    def __init__(self, parameters: Iterable[Value], lr: Any, weight_decay: Any) -> None:
        self.parameters = _checked_parameters(parameters)
        self.lr = _checked("lr", lr)
        self.weight_decay = _checked("weight_decay", weight_decay)
        self.steps = 0
        self._memories: list[dict[str, Any]] = [{} for _ in self.parameters]

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0."""
        for parameter in self.parameters:
            parameter.grad = 0

    def step(self) -> None:
        """Move every parameter by its gradient; one whose gradient is 0 takes part, as any other.

        Raises OverflowError where a number becomes too large for a float.
        """
        self.steps += 1
        for parameter, memory in zip(self.parameters, self._memories, strict=True):
            if isinstance(parameter.grad, Value):
                raise TypeError(
                    f"the gradient of {parameter!r} is a Value, as create_graph leaves it, and a "
                    "step takes numbers: call backward() without create_graph, or set "
                    "p.grad = p.grad.data first"
                )
            x, g = self._decayed(parameter.data, parameter.grad)
            parameter.data = x - self.lr * self._direction(g, memory)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr!r})"

    def _decayed(self, x: Any, g: Any) -> tuple[Any, Any]:
        """Return the number and its gradient with weight decay: here that of an L2 penalty."""
        return (x, g + self.weight_decay * x) if self.weight_decay else (x, g)

    def _direction(self, g: Any, memory: dict[str, Any]) -> Any:
        """Return what times lr is subtracted from a parameter with gradient `g`."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for: `torch.optim.SGD`.

    v = momentum * v + (1 - dampening) * g, where the first v is g, and x moves by -lr * v; with
    `nesterov` by -lr * (g + momentum * v). Raises what Optimizer raises, and ValueError for
    `nesterov` without a momentum or with a dampening.

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
        if nesterov and (not momentum or dampening):
            raise ValueError(
                f"nesterov needs a momentum above 0 and no dampening, "
                f"got momentum={momentum!r} and dampening={dampening!r}"
            )

    def _direction(self, g: Any, memory: dict[str, Any]) -> Any:
        if not self.momentum:
            return g
        if "velocity" in memory:
            velocity = self.momentum * memory["velocity"] + (1 - self.dampening) * g
        else:
            velocity = g
        memory["velocity"] = velocity
        return g + self.momentum * velocity if self.nesterov else velocity


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square: `torch.optim.Adam`.

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g**2, both divided after
    t steps by 1 - beta**t since they start at 0; x moves by -lr * m / (sqrt(v) + eps).
    (Kingma and Ba, "Adam: a method for stochastic optimization", 2015.) Raises what Optimizer
    raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> Adam([x], lr=0.5).step()  # a first step is of size lr, whatever the gradient's
    >>> print(f"{x:.6f}")
    0.500000
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: Any = 1e-8,
        weight_decay: Any = 0,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        if not isinstance(betas, list | tuple) or len(betas) != 2:
            raise TypeError(f"betas must be a pair of numbers, such as (0.9, 0.999), got {betas!r}")
        self.betas = tuple(_checked(f"betas[{i}]", beta, below=1) for i, beta in enumerate(betas))
        self.eps = _checked("eps", eps)

    def _direction(self, g: Any, memory: dict[str, Any]) -> Any:
        beta1, beta2 = self.betas
        m = _running_mean(memory, "m", beta1, g)
        v = _running_mean(memory, "v", beta2, g * g)
        corrected_m = m / (1 - beta1**self.steps)
        corrected_v = v / (1 - beta2**self.steps)
        return corrected_m / (math.sqrt(corrected_v) + self.eps)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: `torch.optim.AdamW`.

    x first shrinks to x * (1 - lr * weight_decay), and then moves as in Adam. (Loshchilov and
    Hutter, "Decoupled weight decay regularization", 2019.) Raises what Adam raises.

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

    def _decayed(self, x: Any, g: Any) -> tuple[Any, Any]:
        return x * (1 - self.lr * self.weight_decay), g


class RMSprop(Optimizer):
    """Steps scaled by a running average of the gradient's square: `torch.optim.RMSprop`.

    v = alpha * v + (1 - alpha) * g**2, and x moves by -lr * u, where u = g / (sqrt(v) + eps);
    with momentum by -lr * b, where b = momentum * b + u. If `centered`, v is first made a
    variance: the square of the gradient's own running average is subtracted. Raises what
    Optimizer raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> RMSprop([x], lr=0.5, alpha=0.75).step()  # v = g**2 / 4
    >>> print(f"{x:.6f}")
    0.000000
    """

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

    def _direction(self, g: Any, memory: dict[str, Any]) -> Any:
        v = _running_mean(memory, "v", self.alpha, g * g)
        if self.centered:
            # Rounding may take a variance of zero just below it.
            v = max(0, v - _running_mean(memory, "mean", self.alpha, g) ** 2)
        u = g / (math.sqrt(v) + self.eps)
        if self.momentum:
            u = memory["velocity"] = self.momentum * memory.get("velocity", 0) + u
        return u


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
    raises for its parameters, and ValueError for a negative `max_norm` or for gradients whose
    norm is not finite: no factor would make them so.

    >>> x, y = Value(0.0), Value(0.0)
    >>> x.grad, y.grad = 30.0, 40.0
    >>> clip_grad_norm_([x, y], max_norm=1.0)
    50.0
    >>> print(f"{x.grad:.4f} {y.grad:.4f}")
    0.6000 0.8000
    """
    checked = _checked_parameters(parameters)
    max_norm = _checked("max_norm", max_norm)
    norm = math.hypot(*(parameter.grad for parameter in checked))
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


def _running_mean(memory: dict[str, Any], name: str, decay: Any, x: Any) -> Any:
    mean = memory[name] = decay * memory.get(name, 0) + (1 - decay) * x
    return mean


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


def _checked_count(name: str, x: Any) -> int:
    if not isinstance(x, int):
        raise TypeError(f"{name} must be a whole number, got {x!r} ({type(x).__name__})")
    if x < 1:
        raise ValueError(f"{name} must be at least 1, got {x!r}")
    return x
