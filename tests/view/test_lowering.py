"""From graphs to code: what a page and a picture read."""

from __future__ import annotations

from scalargrad import Value, sin
from scalargrad.programs.code import evaluate
from scalargrad.view.lowering import code_of, with_outputs
from tests.own_functions import SumAndProduct


def test_each_output_of_a_function_is_a_step_with_the_operands_of_its_call() -> None:
    x, y = Value(2.0), Value(3.0)
    total, product = SumAndProduct.apply(sin(x) * y, y - x)
    other, _ = SumAndProduct.apply(total, product * x)
    result = other * product
    code, nodes = code_of(result)
    code, nodes, values = with_outputs(code, nodes, [node._data for node in nodes])
    assert [equation.op.name for equation in code.equations].count("SumAndProduct") == 3
    assert evaluate(code, values[: code.inputs]) == [result.data]
    results = [node.data for node in nodes[code.inputs :]]
    assert values[code.inputs :] == results
