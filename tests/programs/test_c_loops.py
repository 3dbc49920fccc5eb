"""Statements of C that repeat become loops, which do the same in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scalargrad.programs.spell.c.loops import (
    CONSTANT,
    Leaf,
    Loop,
    Shape,
    Statement,
    operands_in,
    rolled,
    spelled,
    step_of,
)

Element = tuple[str, int | str]


def unrolled(one: Statement, table: list[str]) -> Iterator[tuple[str, list[Element]]]:
    """Give the text and the operands of each statement that a loop stands for."""
    places, constants = iter(one.places), iter(one.constants)
    operands: list[Element] = [
        (letter, next(constants) if letter == CONSTANT else next(places)) for letter in one.arrays
    ]

    def walk(shape: Shape, operands: list[Element]) -> Iterator[tuple[str, list[Element]]]:
        if isinstance(shape, Leaf):
            yield (
                shape.text,
                [(CONSTANT, table[int(x)]) if letter == "t" else (letter, x)
                 for letter, x in operands],
            )  # fmt: skip
            return
        for turn in range(shape.turns):
            start = 0
            for part in shape.parts:
                end = start + operands_in(part)
                yield from walk(
                    part,
                    [
                        (letter, x if isinstance(x, str) else x + turn * stride)
                        for (letter, x), stride in zip(
                            operands[start:end], shape.strides[start:end], strict=True
                        )
                    ],
                )
                start = end

    yield from walk(one.shape, operands)


def statement(text: str, *operands: Element) -> Statement:
    return Statement(
        Leaf(text),
        "".join(letter for letter, _ in operands),
        tuple(x for _, x in operands if isinstance(x, int)),
        tuple(x for _, x in operands if isinstance(x, str)),
    )


@st.composite
def programs(draw: st.DrawFn) -> list[Statement]:
    """Draw statements that repeat, loops within loops, with some that do not."""
    kinds = st.sampled_from([("@ = @;", 2), ("@ = @ + @;", 3), ("@ = @ * @ + @;", 4)])
    strides = st.sampled_from([0, 0, 1, 1, -1, 2, 17])

    def block(depth: int, moves: tuple[str, ...]) -> list[tuple[str, list[tuple[str, object]]]]:
        """Return statements whose operands are functions of the variables in `moves`."""
        if depth == 0 or draw(st.integers(0, 3)) == 0:
            text, size = draw(kinds)
            operands: list[tuple[str, object]] = []
            for k in range(size):
                letter = draw(st.sampled_from("iow" if k == 0 else "iowc"))
                if letter == CONSTANT:
                    values = draw(st.lists(st.sampled_from(["1.0", "-2.5"]), min_size=1))
                    operands.append((letter, values))
                else:
                    operands.append((letter, (draw(st.integers(0, 50)), draw(strides))))
            return [(text, operands)]
        count = draw(st.integers(1, 5))
        inner = [one for _ in range(draw(st.integers(1, 3))) for one in block(depth - 1, moves)]
        if draw(st.booleans()):
            condition: list[tuple[str, object]] = [("i", (draw(st.integers(0, 50)), 0))]
            inner = [("if (@) {", condition), *inner, ("}", [])]
        result = []
        outer = [draw(strides) for _ in range(5)]
        for turn in range(count):
            for text, operands in inner:
                moved: list[tuple[str, object]] = []
                for at, (letter, x) in enumerate(operands):
                    if isinstance(x, tuple):
                        moved.append((letter, (x[0] + turn * outer[at], x[1])))
                    else:
                        moved.append((letter, x))
                result.append((text, moved))
        return result

    statements = []
    for turn, (text, operands) in enumerate(
        [one for _ in range(draw(st.integers(1, 3))) for one in block(3, ())]
    ):
        made: list[Element] = []
        for letter, x in operands:
            if isinstance(x, list):
                made.append((letter, x[turn % len(x)]))
            else:
                assert isinstance(x, tuple)
                made.append((letter, x[0]))
        statements.append(statement(text, *made))
    return statements


ARRAYS = {"i": "in", "o": "out", "w": "work", "t": "constants"}
ROWS = [statement("@ = @ * @;", ("o", 5 * i + j), ("w", i), ("i", j)) for i in range(5)
        for j in range(5)]  # fmt: skip
SAMPLES = [
    one
    for k in range(6)
    for one in (
        *[statement("@ = @ * @;", ("w", 9 * k + j), ("i", j), ("c", f"{k}.5")) for j in range(8)],
        statement("@ = @;", ("w", 9 * k + 8), ("w", 9 * k)),
    )
]

IN_BLOCKS = [
    *(statement("if (@) {", ("i", 0)), statement("@ = @;", ("w", 1), ("w", 2))),
    *(statement("@ = @ + @;", ("w", 3), ("w", 4), ("w", 5)), statement("}")),
]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(programs())
@example(ROWS)
@example(SAMPLES)
def test_loops_do_the_same_in_the_same_order(statements: list[Statement]) -> None:
    table: list[str] = []
    loops = rolled(statements, table)
    done = [step for one in loops for step in unrolled(one, table)]
    assert done == [step for one in statements for step in unrolled(one, [])]


def blocks_are_whole(shapes: Iterable[Shape]) -> bool:
    """Return whether each block that begins in a row of shapes, or in a loop of it, ends there."""
    depth = 0
    for shape in shapes:
        depth += step_of(shape)
        if depth < 0 or not (isinstance(shape, Leaf) or blocks_are_whole(shape.parts)):
            return False
    return depth == 0


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(programs())
@example(3 * IN_BLOCKS)
@example([*3 * IN_BLOCKS[:3], *3 * IN_BLOCKS[-1:]])
@example([*3 * IN_BLOCKS[:1], IN_BLOCKS[1], *3 * IN_BLOCKS[2:]])
def test_a_loop_has_whole_blocks(statements: list[Statement]) -> None:
    assert blocks_are_whole(one.shape for one in rolled(statements, []))
    lines = [line for one in rolled(statements, []) for line in spelled(one, ARRAYS, 0)]
    assert sum(line.count("{") for line in lines) == sum(line.count("}") for line in lines)


def test_rows_and_samples_are_loops_within_loops() -> None:
    table: list[str] = []
    (rows,) = rolled(ROWS, table)
    assert list(spelled(rows, ARRAYS, 0)) == [
        "    for (int i = 0; i < 5; i++) {",
        "        for (int j = 0; j < 5; j++)",
        "            out[5 * i + j] = work[i] * in[j];",
        "    }",
    ]
    assert not table
    (samples,) = rolled(SAMPLES, table)
    assert list(spelled(samples, ARRAYS, 0)) == [
        "    for (int i = 0; i < 6; i++) {",
        "        for (int j = 0; j < 8; j++)",
        "            work[9 * i + j] = in[j] * constants[i];",
        "        work[8 + 9 * i] = work[9 * i];",
        "    }",
    ]
    assert table == [f"{k}.5" for k in range(6)]


def test_what_comes_twice_stays() -> None:
    assert rolled(ROWS[:2], []) == ROWS[:2]
    assert isinstance(rolled(ROWS[:5] * 2, [])[0].shape, Loop)
