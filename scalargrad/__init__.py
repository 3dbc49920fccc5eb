"""Python's `math` module with gradients: a scalar autodiff engine in pure Python.

>>> from scalargrad import Value, sin
>>> x = Value(0.5)
>>> y = x * sin(x)
>>> y.backward()
>>> print(f"{y:.4f} {x.grad:.4f}")
0.2397 0.9182
"""

# ruff: noqa: F403 - each family says in its __all__ what is public
import importlib
from math import e, inf, nan, pi, tau
from typing import TYPE_CHECKING, Any

from scalargrad import checks
from scalargrad.checks import *
from scalargrad.custom.function import Function, once_differentiable
from scalargrad.engine.anomaly import detect_anomaly
from scalargrad.engine.errors import TraceError
from scalargrad.engine.gradient_mode import no_grad
from scalargrad.engine.primitive import primitive
from scalargrad.engine.value import Value
from scalargrad.functions import (
    activations,
    arithmetic,
    choices,
    elementary,
    many,
    methods,  # noqa: F401 - it gives Value its methods
    special,
    ufuncs,  # noqa: F401 - it tells numpy how to apply its functions
)
from scalargrad.functions.activations import *
from scalargrad.functions.arithmetic import *
from scalargrad.functions.choices import *
from scalargrad.functions.elementary import *
from scalargrad.functions.many import *
from scalargrad.functions.special import *
from scalargrad.transforms.chosen_values import derivatives
from scalargrad.transforms.functional import (
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

if TYPE_CHECKING:
    from scalargrad.programs.run.compiled import compile as compile
    from scalargrad.programs.run.parallel import map_grad
    from scalargrad.transforms.series import taylor
    from scalargrad.view.drawing import draw
    from scalargrad.view.explanation import explain
    from scalargrad.view.formulas import formula
    from scalargrad.view.playing import playground

# Loaded when first used: together they take longer to import than all the rest.
_SUBMODULES = ("losses", "nn", "optim", "testing")
_ELSEWHERE = {
    "compile": "scalargrad.programs.run.compiled",
    "map_grad": "scalargrad.programs.run.parallel",
    "taylor": "scalargrad.transforms.series",
    "draw": "scalargrad.view.drawing",
    "explain": "scalargrad.view.explanation",
    "formula": "scalargrad.view.formulas",
    "playground": "scalargrad.view.playing",
}

__version__ = "0.1.0"

__all__ = ["Function", "TraceError", "Value", "detect_anomaly", "no_grad", "once_differentiable"]
__all__ += ["derivatives", "grad", "hessian", "hvp", "jacobian", "jvp", "primitive", "vjp"]
__all__ += ["draw", "explain", "formula", "map_grad", "playground", "stop_gradient", "taylor"]
__all__ += ["value_and_grad"]
__all__ += ["e", "inf", "nan", "pi", "tau"]
__all__ += checks.__all__
__all__ += activations.__all__
__all__ += arithmetic.__all__
__all__ += choices.__all__
__all__ += elementary.__all__
__all__ += many.__all__
__all__ += special.__all__
# `from scalargrad import *` leaves Python's own compile and pow in place.
__all__.remove("pow")


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*__all__, "pow", *_SUBMODULES, *_ELSEWHERE, *special})


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"scalargrad.{name}")
    if name in _ELSEWHERE:
        return getattr(importlib.import_module(_ELSEWHERE[name]), name)
    from scalargrad.peers import no_attribute  # only here: nothing else needs its tables

    raise no_attribute("scalargrad", name)


def _picture(self: Any) -> str | None:
    """Return the small graph of a Value as a picture for notebooks: None if it has none."""
    from scalargrad.view.notebook import picture

    return picture(self)


# It is set here because the engine does not import pictures.
Value._repr_html_ = _picture  # type: ignore[method-assign]
