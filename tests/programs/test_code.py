"""Code: what builds it, what verifies it, and what is left out of it."""

from __future__ import annotations

import pickle
from fractions import Fraction
from typing import Any

import pytest

from scalargrad import Value, compile, grad, sin
from scalargrad.engine.outputs import pick
from scalargrad.functions.arithmetic import add, mul
from scalargrad.programs.code import (
    Builder,
    Call,
    Code,
    Equation,
    Literal,
    check,
    evaluate,
    lower,
    needed,
    rebuild,
    without_dead,
)

ADD, MUL, SIN = add.op, mul.op, sin.op


def test_equal_equations_are_written_once_and_constants_are_told_apart() -> None:
    builder = Builder(2)
    assert builder.add(ADD, (0, 1)) == builder.add(ADD, (0, 1)) == 2
    constants = [0, 0.0, -0.0, False, Fraction(0), 1, True, 1.0]
    places = [builder.add(ADD, (0, Literal(x))) for x in constants]
    assert len(set(places)) == len(constants)
    assert [builder.add(ADD, (0, Literal(x))) for x in constants] == places
    assert builder.write(ADD, (0, 1)) == 11  # and this one, whatever there is


PAIR = Call("pair", Code(1, [Equation(SIN, (0,))], [0, 1]))
BROKEN: dict[str, Code] = {
    "a variable that is not there": Code(1, [Equation(SIN, (1,))], [1]),
    "a variable of a later equation": Code(1, [Equation(ADD, (0, 2)), Equation(SIN, (0,))], [1]),
    "a negative variable": Code(1, [Equation(SIN, (-1,))], [1]),
    "a plain number": Code(1, [Equation(ADD, (0, 2.0))], [1]),  # type: ignore[arg-type]
    "an operand too many": Code(1, [Equation(SIN, (0, 0))], [1]),
    "an operand too few": Code(1, [Equation(ADD, (0,))], [1]),
    "an output that is not there": Code(1, [], [1]),
    "a label of nothing": Code(1, [], [0], {1: "x"}),
    "a call with too few inputs": Code(1, [Equation(PAIR, ())], [1]),
    "a pick of what a call does not give": Code(
        1, [Equation(PAIR, (0,)), Equation(pick(2), (1,))], [2]
    ),
    "a call of a broken one": Code(
        1, [Equation(Call("f", Code(1, [Equation(SIN, (1,))], [1])), (0,))], [1]
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_code_is_found(what: str) -> None:
    with pytest.raises(AssertionError):
        check(BROKEN[what])


def test_codes_of_programs_pass() -> None:
    w = Value(0.5, label="w")
    piece = compile(lambda v, y: [v[0] * y + w, sin(v[1])])
    f = compile(grad(grad(lambda x: piece([x, x * x], 2 * x)[0] * piece([x, x], w)[1])))
    f(0.3)
    [program] = f._programs.values()
    code = program.code
    assert code is not None
    check(code)
    again = pickle.loads(pickle.dumps(code))
    check(again)
    assert evaluate(again, [0.3, 0.5]) == evaluate(code, [0.3, 0.5]) == [f(0.3)]


def test_what_no_output_needs_is_left_out() -> None:
    code = Code(
        2,
        [Equation(SIN, (0,)), Equation(MUL, (0, 1)), Equation(SIN, (3,)), Equation(SIN, (2,))],
        [4, Literal(1.0)],
        {0: "x", 2: "dead", 3: "alive"},
    )
    assert needed(code) == [True, True, False, True, True, False]
    found = without_dead(code)
    check(found)
    assert found.equations == [Equation(MUL, (0, 1)), Equation(SIN, (2,))]
    assert (found.outputs, found.labels) == ([3, Literal(1.0)], {0: "x", 2: "alive"})
    assert without_dead(found) is found


def test_a_rule_may_stand_another_operand_for_an_equation() -> None:
    code = Code(1, [Equation(MUL, (0, Literal(1))), Equation(ADD, (1, 0))], [2, 1], {1: "y"})
    builder = Builder(1)

    def rule(op: Any, xs: tuple[Any, ...]) -> Any:
        return xs[0] if op is MUL else builder.add(op, xs)

    found = rebuild(code, builder, rule)
    assert found == Code(1, [Equation(ADD, (0, 0))], [1, 0], {})


def test_leaves_of_a_graph_are_inputs_in_the_order_of_their_use() -> None:
    x, y = Value(2.0, label="x"), Value(3.0)
    z = y * x
    code, leaves = lower([z], [z, x, 5], [x])
    assert [leaf is other for leaf, other in zip(leaves, (x, y), strict=True)] == [True, True]
    assert code == Code(2, [Equation(MUL, (1, 0))], [2, 0, Literal(5)], {0: "x"})
