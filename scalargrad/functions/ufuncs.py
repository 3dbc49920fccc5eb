"""What numpy's functions do with Values: its operators are ours, for the rest an error names ours.

numpy asks an operand's `__array_ufunc__` (numpy's enhancement proposal 13), also where a numpy
scalar stands to the left of an operator. numpy itself is not imported here.
"""

from __future__ import annotations

from typing import Any

from scalargrad.engine.errors import shown
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.functions.methods import public_functions

# The ufuncs of operators, with our method for what stands on the left, and on the right.
_OPERATORS = {
    "add": ("__add__", "__radd__"),
    "subtract": ("__sub__", "__rsub__"),
    "multiply": ("__mul__", "__rmul__"),
    "divide": ("__truediv__", "__rtruediv__"),
    "true_divide": ("__truediv__", "__rtruediv__"),
    "floor_divide": ("__floordiv__", "__rfloordiv__"),
    "divmod": ("__divmod__", "__rdivmod__"),
    "power": ("__pow__", "__rpow__"),
    "float_power": ("__pow__", "__rpow__"),
    "remainder": ("__mod__", "__rmod__"),
    "bitwise_and": ("__and__", "__rand__"),
    "bitwise_or": ("__or__", "__ror__"),
    "bitwise_xor": ("__xor__", "__rxor__"),
    "less": ("__lt__", "__gt__"),
    "less_equal": ("__le__", "__ge__"),
    "greater": ("__gt__", "__lt__"),
    "greater_equal": ("__ge__", "__le__"),
    "equal": ("__eq__", "__eq__"),
    "not_equal": ("__ne__", "__ne__"),
}
# What to write for the ufuncs of numpy and scipy.special that have another name here.
_NAMES = {
    **{"arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh"},
    **{"arctan": "atan", "arctan2": "atan2", "arctanh": "atanh"},
    **{"deg2rad": "radians", "rad2deg": "degrees", "fmax": "maximum", "fmin": "minimum"},
    **{"expit": "sigmoid", "gammaln": "lgamma", "psi": "digamma"},
}
_TEXTS = {
    **{"absolute": "abs({0})", "negative": "-{0}", "positive": "+{0}"},
    **{
        "square": "{0}**2",
        "reciprocal": "1 / {0}",
        "logaddexp": "scalargrad.logsumexp([{0}, {1}])",
    },
    **{"heaviside": "scalargrad.where({0} < 0, 0, where({0} > 0, 1, {1}))"},
}


def array_ufunc(self: Tracer, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
    """Return what an operator's ufunc gives, by our operators; raise TypeError for all others.

    The error says what to write instead.

    >>> from scalargrad import Value
    >>> class Sine:
    ...     __name__ = "sin"
    >>> Value(1.0).__array_ufunc__(Sine(), "__call__", Value(1.0))
    Traceback (most recent call last):
        ...
    TypeError: numpy's sin takes no Value: write scalargrad.sin(v)
    """
    name: str = ufunc.__name__
    # numpy's bools, and arrays of no dimension, are one number.
    inputs = tuple(
        [x if _is_number(x) or getattr(x, "shape", 0) != () else x.item() for x in inputs]
    )
    plain = method == "__call__" and not keywords
    if plain and name in _OPERATORS and all(map(_is_number, inputs)):
        a, b = inputs
        left, right = _OPERATORS[name]
        # Not by the operator itself: with a numpy scalar on the left that would come here again.
        mine, other, called = (a, b, left) if isinstance(a, Tracer) else (b, a, right)
        operation = getattr(type(mine), called, None)
        result = NotImplemented if operation is None else operation(mine, other)
        if result is NotImplemented and isinstance(other, Tracer):
            operation = getattr(type(other), right, None)
            result = NotImplemented if operation is None else operation(other, mine)
        return result
    called = name if method == "__call__" else f"{name}.{method}"
    raise TypeError(f"numpy's {called} {_cure(name, method, inputs)}")


def _is_number(x: Any) -> bool:
    return isinstance(x, Tracer) or is_real(x)


def _cure(name: str, method: str, inputs: tuple[Any, ...]) -> str:
    places = ("v", "w", "x")[: len(inputs)]
    name = _NAMES.get(name, name)
    if method != "__call__":
        return "takes no Value: write a sum or a loop over a list of Values"
    if name in _OPERATORS:
        array = next((x for x in inputs if not _is_number(x)), inputs[0])
        return (
            f"takes a Value and one number at a time, not {shown(array)} "
            f"({type(array).__name__}): apply it to each element, as in [v * x for x in xs]"
        )
    if name in _TEXTS:
        text = _TEXTS[name].format(*places)
    elif name in public_functions():
        text = f"scalargrad.{name}({', '.join(places)})"
    else:
        return (
            "has no derivative here: write it in arithmetic and functions of scalargrad, or as a "
            f"primitive of your own; for the number alone np.{name}(v.data)"
        )
    if all(map(_is_number, inputs)):
        return f"takes no Value: write {text}"
    return f"takes no Value: write [{text} for v in xs], one number at a time"


Tracer.__array_ufunc__ = array_ufunc  # type: ignore[attr-defined]
