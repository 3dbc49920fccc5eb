"""Python's `math` module with gradients: a scalar autodiff engine in pure Python.

>>> from scalargrad import Value, sin
>>> x = Value(0.5)
>>> y = x * sin(x)
>>> y.backward()
>>> print(f"{y:.4f} {x.grad:.4f}")
0.2397 0.9182
"""

import importlib
from typing import TYPE_CHECKING, Any

from scalargrad.checks import (
    Estimate,
    GradientError,
    check_gradient,
    complex_step_gradient,
    gradcheck,
    numerical_gradient,
)
from scalargrad.custom import Function
from scalargrad.errors import TraceError
from scalargrad.functions import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cbrt,
    copysign,
    cos,
    cosh,
    degrees,
    digamma,
    dist,
    elu,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    fabs,
    fma,
    fmod,
    fsum,
    gamma,
    gelu,
    hypot,
    leaky_relu,
    lgamma,
    log,
    log1p,
    log2,
    log10,
    logsumexp,
    maximum,
    minimum,
    pow,
    prod,
    radians,
    relu,
    remainder,
    sigmoid,
    silu,
    sin,
    sinh,
    softmax,
    softplus,
    sqrt,
    sumprod,
    tan,
    tanh,
    where,
)
from scalargrad.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from scalargrad.value import Value, no_grad

__all__ = [
    "Estimate",
    "Function",
    "GradientError",
    "TraceError",
    "Value",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "check_gradient",
    "compile",
    "complex_step_gradient",
    "copysign",
    "cos",
    "cosh",
    "degrees",
    "digamma",
    "dist",
    "elu",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fma",
    "fmod",
    "fsum",
    "gamma",
    "gelu",
    "grad",
    "gradcheck",
    "hessian",
    "hvp",
    "hypot",
    "jacobian",
    "jvp",
    "leaky_relu",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "logsumexp",
    "map_grad",
    "maximum",
    "minimum",
    "no_grad",
    "numerical_gradient",
    "pow",
    "prod",
    "radians",
    "relu",
    "remainder",
    "sigmoid",
    "silu",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "sqrt",
    "sumprod",
    "tan",
    "tanh",
    "value_and_grad",
    "vjp",
    "where",
]

if TYPE_CHECKING:
    from scalargrad.program import compile, map_grad

# Loaded when first used: together they take longer to import than all the rest.
_SUBMODULES = ("losses", "nn", "optim", "testing")
_OF_PROGRAM = ("compile", "map_grad")


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"scalargrad.{name}")
    if name in _OF_PROGRAM:
        return getattr(importlib.import_module("scalargrad.program"), name)
    raise AttributeError(f"module 'scalargrad' has no attribute {name!r}")
