"""Testing gradients by properties: Hypothesis strategies for numbers and random expressions.

Needs Hypothesis, which the package itself does not: the `test` extra brings it.
"""

from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.testing.functions import FUNCTIONS, Function
from scalargrad.testing.inputs import edge_numbers, fractions, points

__all__ = [
    "FUNCTIONS",
    "Expression",
    "Function",
    "Step",
    "edge_numbers",
    "expressions",
    "fractions",
    "points",
]
