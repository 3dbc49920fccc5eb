"""Derivatives without the rules, to hold the rules against: finite differences, complex steps.

>>> from math import sin
>>> round(numerical_gradient(lambda x, y: x * sin(y), [2.0, 0.0])[1].derivative, 9)
2.0
"""

from scalargrad.checks.complex_step import complex_step_gradient
from scalargrad.checks.finite_differences import Estimate, numerical_gradient
from scalargrad.checks.gradient_check import GradientError, check_gradient, gradcheck

__all__ = [
    "Estimate",
    "GradientError",
    "check_gradient",
    "complex_step_gradient",
    "gradcheck",
    "numerical_gradient",
]
