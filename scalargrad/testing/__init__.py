"""Testing gradients by properties: strategies for Hypothesis, and a suite for anybody's engine.

Needs Hypothesis, which the package itself does not: the `test` extra brings it.
"""

try:
    import hypothesis  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "scalargrad.testing needs Hypothesis: pip install hypothesis", name="hypothesis"
    ) from error

from scalargrad.testing.expressions import Expression, Step, expressions
from scalargrad.testing.functions import FUNCTIONS, Operation
from scalargrad.testing.gradients import check_gradient
from scalargrad.testing.inputs import edge_numbers, fractions, points
from scalargrad.testing.report import Report, Result
from scalargrad.testing.suite import EngineSuite, check_engine
from scalargrad.testing.values import register, values

register()

__all__ = [
    "FUNCTIONS",
    "EngineSuite",
    "Expression",
    "Operation",
    "Report",
    "Result",
    "Step",
    "check_engine",
    "check_gradient",
    "edge_numbers",
    "expressions",
    "fractions",
    "points",
    "values",
]
