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

from scalargrad.engine.custom import Function, once_differentiable
from scalargrad.engine.errors import TraceError
from scalargrad.engine.gradient_mode import no_grad
from scalargrad.engine.primitive import primitive
from scalargrad.engine.value import Value
from scalargrad.functions import methods as _methods
from scalargrad.functions.activations import *
from scalargrad.functions.arithmetic import *
from scalargrad.functions.choices import *
from scalargrad.functions.elementary import *
from scalargrad.functions.many import *
from scalargrad.functions.special import *
from scalargrad.numeric import (
    Estimate,
    GradientError,
    complex_step_gradient,
    gradcheck,
    numerical_gradient,
)
from scalargrad.transforms.derivatives import derivatives
from scalargrad.transforms.functional import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from scalargrad.transforms.series import taylor

if TYPE_CHECKING:
    from scalargrad.programs.compiled import compile
    from scalargrad.programs.parallel import map_grad

# Loaded when first used: together they take longer to import than all the rest.
_SUBMODULES = ("losses", "nn", "optim", "testing")
_ELSEWHERE = {
    "compile": "scalargrad.programs.compiled",
    "map_grad": "scalargrad.programs.parallel",
}

# Not compile and pow, which `from scalargrad import *` would put in place of Python's own.
__all__ = [
    *("Estimate", "Function", "GradientError", "TraceError", "Value"),
    *("complex_step_gradient", "derivatives", "grad", "gradcheck", "hessian", "hvp"),
    *("jacobian", "jvp", "map_grad", "no_grad", "numerical_gradient", "once_differentiable"),
    *("primitive", "taylor", "value_and_grad", "vjp"),
]
__all__ += sorted(set(_methods.public_functions()) - {"pow"})


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"scalargrad.{name}")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module 'scalargrad' has no attribute {name!r}")
