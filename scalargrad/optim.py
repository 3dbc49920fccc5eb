"""Optimisers, learning-rate schedules, clipping and fits, with PyTorch's and SciPy's names.

>>> from scalargrad import Value
>>> x = Value(5.0)
>>> optimizer = SGD([x], lr=0.1)
>>> for _ in range(50):
...     optimizer.zero_grad()
...     ((x - 3) ** 2).backward()
...     optimizer.step()
>>> print(f"{x:.4f}")
3.0000
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

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scalargrad.descent.optimizers import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    adam_init,
    adam_update,
    adamw_init,
    adamw_update,
    clip_grad_norm_,
    rmsprop_init,
    rmsprop_update,
    sgd_init,
    sgd_update,
)
from scalargrad.descent.schedules import (
    ConstantLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    Schedule,
    SequentialLR,
    StepLR,
)
from scalargrad.fitting.fits import Fit, OptimizeWarning, curve_fit, least_squares
from scalargrad.fitting.minima import Minimum, minimize

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm_"]
__all__ += ["adam_init", "adam_update", "adamw_init", "adamw_update"]
__all__ += ["rmsprop_init", "rmsprop_update", "sgd_init", "sgd_update"]
__all__ += ["ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "ExponentialLR"]
__all__ += ["LinearLR", "Schedule", "SequentialLR", "StepLR"]
__all__ += ["Fit", "Minimum", "OptimizeWarning", "curve_fit", "least_squares", "minimize"]

if not TYPE_CHECKING:  # a type checker goes by the names that there are

    def __getattr__(name: str) -> Any:
        from scalargrad.peers import no_attribute  # only here: nothing else needs its tables

        raise no_attribute("scalargrad.optim", name)
