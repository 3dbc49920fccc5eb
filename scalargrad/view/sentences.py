"""Sentences in plain words for each step of a page, by the op.

A page fills in names and numbers: {0}, {1}, ... are the operands. How the gradient passes on is one
of a few kinds: through a sum, a difference, a product, a switch (on or off), a choice between
operands, or a slope.
"""

from __future__ import annotations

from scalargrad.engine.op import Op
from scalargrad.view.languages.notation import plain
from scalargrad.view.languages.spelling import OPS

# What is done with the operands.
_FORWARD = {
    "+": "Add {0} and {1}",
    "-": "Subtract {1} from {0}",
    "*": "Multiply {0} by {1}",
    "/": "Divide {0} by {1}",
    "//": "Divide {0} by {1} and round down",
    "%": "Take the remainder of {0} divided by {1}",
    "**": "Raise {0} to the power {1}",
    "pow": "Raise {0} to the power {1}",
    "neg": "Turn the sign of {0} round",
    "pos": "Take {0} as it is",
    "same": "Take {0} as it is",
    "detach": "Take {0} as a constant",
    "like": "Take {0} as it is",
    "abs": "Take the size of {0}, without its sign",
    "fabs": "Take the size of {0}, without its sign",
    "sqrt": "Take the square root of {0}",
    "cbrt": "Take the cube root of {0}",
    "exp": "Raise e to the power {0}",
    "exp2": "Raise 2 to the power {0}",
    "expm1": "Raise e to the power {0} and subtract 1",
    "log": "Take the natural logarithm of {0}",
    "log2": "Take the logarithm of {0} to base 2",
    "log10": "Take the logarithm of {0} to base 10",
    "log1p": "Take the natural logarithm of 1 + {0}",
    "sin": "Take the sine of {0}",
    "cos": "Take the cosine of {0}",
    "tan": "Take the tangent of {0}",
    "asin": "Take the angle whose sine is {0}",
    "acos": "Take the angle whose cosine is {0}",
    "atan": "Take the angle whose tangent is {0}",
    "atan2": "Take the angle of the point with x = {1} and y = {0}",
    "sinh": "Take the hyperbolic sine of {0}",
    "cosh": "Take the hyperbolic cosine of {0}",
    "tanh": "Take the hyperbolic tangent of {0}",
    "asinh": "Take the inverse hyperbolic sine of {0}",
    "acosh": "Take the inverse hyperbolic cosine of {0}",
    "atanh": "Take the inverse hyperbolic tangent of {0}",
    "sinc": "Take sinc of {0}: sin(pi x) / (pi x)",
    "degrees": "Turn {0} from radians into degrees",
    "radians": "Turn {0} from degrees into radians",
    "erf": "Take the error function of {0}",
    "erfc": "Take 1 minus the error function of {0}",
    "erfinv": "Take the number whose error function is {0}",
    "gamma": "Take the gamma function of {0}",
    "lgamma": "Take the logarithm of the gamma function of {0}",
    "digamma": "Take the digamma function of {0}",
    "polygamma": "Take the polygamma function of {1}, of order {0}",
    "sigmoid": "Squash {0} into the range from 0 to 1, by sigmoid",
    "logit": "Take the number whose sigmoid is {0}",
    "softplus": "Take softplus of {0}: log(1 + exp(x))",
    "silu": "Take silu of {0}: x times its sigmoid",
    "gelu": "Take gelu of {0}: x times the share of the normal distribution below it",
    "relu": "Let {0} through where it is positive, else 0",
    "leaky_relu": "Let {0} through where it is positive, else {1} times it",
    "elu": "Let {0} through where it is positive, else bend it towards -{1}",
    "sign": "Take the sign of {0}: 1, 0 or -1",
    "floor": "Round {0} down",
    "ceil": "Round {0} up",
    "trunc": "Cut the fraction off {0}",
    "copysign": "Give {0} the sign of {1}",
    "fma": "Multiply {0} by {1} and add {2}",
    "fmod": "Take the remainder of {0} divided by {1}, with the sign of {0}",
    "remainder": "Take {0} minus the multiple of {1} that is nearest",
    "maximum": "Take the larger of {0} and {1}",
    "minimum": "Take the smaller of {0} and {1}",
    "clip": "Keep {0} between {1} and {2}",
    "where": "Take {1} where the condition {0} holds, else {2}",
    "sum": "Add them all",
    "fsum": "Add them all",
    "prod": "Multiply them all",
    "sumprod": "Multiply in pairs and add",
    "hypot": "Take the length of the vector",
    "dist": "Take the distance of the two points",
    "logsumexp": "Add up the exponentials and take the logarithm",
    "ldexp": "Multiply {0} by 2 to the power {1}",
    "exponent": "Take the exponent of 2 in {0}",
    "fraction": "Take the fraction of {0}",
    "whole": "Cut the fraction off {0}",
    "largest": "Take the largest",
    "second_largest": "Take the second largest",
    "below": "Subtract {1}, the largest, from {0}",
    ">": "Ask whether {0} is above {1}",
    "<": "Ask whether {0} is below {1}",
    ">=": "Ask whether {0} is at least {1}",
    "<=": "Ask whether {0} is at most {1}",
    "==": "Ask whether {0} equals {1}",
    "!=": "Ask whether {0} differs from {1}",
    "&": "Ask whether both hold",
    "|": "Ask whether one of them holds",
    "^": "Ask whether exactly one of them holds",
    "~": "Ask whether {0} does not hold",
    "isnan": "Ask whether {0} is not a number",
    "isinf": "Ask whether {0} is infinite",
    "isfinite": "Ask whether {0} is finite",
    "isclose": "Ask whether {0} and {1} are close",
}
_KINDS = {
    **dict.fromkeys(["+", "sum", "fsum", "pos", "same"], "sum"),
    **dict.fromkeys(["-", "neg"], "difference"),
    **dict.fromkeys(["*", "prod", "sumprod"], "product"),
    **dict.fromkeys(["relu", "leaky_relu", "elu"], "switch"),
    **dict.fromkeys(["maximum", "minimum", "where", "clip", "largest"], "choice"),
}


def sentence_of(op: Op) -> tuple[str, str]:
    """Return what the op does with its operands, in words, and how a gradient passes it.

    An op that is not ours has a sentence with its name.
    """
    if OPS.get(op.name) is op and op.name in _FORWARD:
        return _FORWARD[op.name], _KINDS.get(op.name, "slope")
    return f"Apply {plain(op.name)}", "slope"
