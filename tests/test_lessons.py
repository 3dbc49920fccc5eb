"""The lessons as a student runs them: every number that they print is computed here another way."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from scalargrad import Value, exp, tanh, taylor
from scalargrad.__main__ import main
from tests.running import PLAIN, ROOT, output

LESSONS = ROOT / "demos" / "lessons"
NO_LESSONS = {"__init__", "scalargrad"}
NAMES = sorted({path.stem for path in LESSONS.glob("*.py")} - NO_LESSONS)
README = (LESSONS / "README.md").read_text(encoding="utf-8")

NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]\d+)?(?![\w/])")
# Numbers and operators, with single spaces between them.
EXPRESSION = r"-?[\d(](?:[-+*/().\d]| (?! ))*"


@cache
def all_printed() -> dict[str, str]:
    """Return what each lesson prints; one process runs them, one after the other."""
    script = (
        "import runpy, sys\nfor lesson in sys.argv[1:]:\n"
        '    runpy.run_module(f"demos.lessons.{lesson}", run_name="__main__")\n    print("\\0")'
    )
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", script, *NAMES],
        cwd=ROOT,
        env=PLAIN,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(zip(NAMES, done.stdout.split("\0\n"), strict=False))


@cache
def printed(lesson: str) -> str:
    # What counts the objects that there are has a process of its own.
    return output("lessons.memory") if lesson == "memory" else all_printed()[lesson]


def shown(text: str, start: str) -> list[list[str]]:
    """Return the numbers after `start` in each line of the text that starts with it."""
    lines = [line.strip() for line in text.splitlines()]
    return [NUMBER.findall(line[len(start) :]) for line in lines if line.startswith(start)]


def table(text: str) -> dict[int, list[str]]:
    """Return the numbers in the rows of a table that starts each with its step."""
    lines = re.findall(r"^ +(?:step +)?(\d+) +(\D*\d+\..*)$", text, re.MULTILINE)
    return {int(step): NUMBER.findall(rest) for step, rest in lines}


def same(texts: Iterable[str], exact: Iterable[float]) -> bool:
    """Return whether the texts are the exact numbers, rounded to the digits that they show."""
    for text, number in zip(texts, exact, strict=True):
        exponent = Decimal(text).as_tuple().exponent
        assert isinstance(exponent, int)
        # The second term is for the roundings on the way, where all of a double's digits are shown.
        if abs(float(text) - number) > 0.5 * 10.0**exponent + 1e-13 * abs(number):
            return False
    return True


def sums_in(text: str) -> list[tuple[str, str]]:
    """Return the numeric expressions that the text says are equal, as "2*3 + 4" and "10.0"."""
    found = []
    for line in text.splitlines():
        for before, after in pairwise(re.split(r" = ", line)):
            left = re.search(rf"(?:^|[,:;] |  |[a-z]{{2}} )({EXPRESSION})$", before)
            right = re.match(rf"{EXPRESSION}(?![\w*(])", after)
            if left and right and re.search(r"\d.*[-+*/]", left[1]):
                found.append((left[1], right[0].rstrip(". ")))
    return found


@pytest.mark.parametrize("lesson", NAMES)
def test_sums_worked_out_are_right(lesson: str) -> None:
    for left, right in sums_in(printed(lesson)):
        if NUMBER.fullmatch(right):
            assert same([right], [eval(left)]), f"{left} = {right}"
        else:
            assert eval(left) == pytest.approx(eval(right), rel=1e-12), f"{left} = {right}"


def test_sums_are_found() -> None:
    assert sums_in("  y = 2*3 + 4 = 10.0, and h is 1 - 1/2 = 1/2.") == [
        ("2*3 + 4", "10.0"),
        ("1 - 1/2", "1/2"),
    ]
    assert sums_in("y = 2*x + 1 = 7, z = 3, dz/dx = 2 * y") == []
    assert sum(len(sums_in(printed(lesson))) for lesson in NAMES) >= 65


@pytest.mark.parametrize("lesson", NAMES)
def test_lesson_is_short_and_suits_any_terminal(lesson: str) -> None:
    source = (LESSONS / f"{lesson}.py").read_text(encoding="utf-8")
    assert 20 <= len(source.splitlines()) <= 65
    assert printed(lesson).isascii()
    assert max(map(len, printed(lesson).splitlines())) <= 80


def test_readme_leads_through_all_lessons() -> None:
    listed = re.findall(r"^(\d+)\. \[(\w+)\]\((\w+)\.py\): ", README, re.MULTILINE)
    assert [int(number) for number, _, _ in listed] == list(range(1, len(NAMES) + 1))
    assert [name for _, name, _ in listed] == [file for _, _, file in listed]
    assert sorted(name for _, name, _ in listed) == NAMES
    assert "Twenty short programs" in README
    assert len(NAMES) == 20


def test_readme_links_to_files_that_exist() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) == len(NAMES) + 8
    for target in targets:
        assert (LESSONS / target).is_file(), target


def test_readme_shows_what_its_command_prints() -> None:
    assert README.count("```") == 2
    block = r"```console\n\$ python3 -m demos\.lessons\.(\w+)\n(.*?)```"
    [(lesson, text)] = re.findall(block, README, re.DOTALL)
    assert text == printed(lesson)


def test_one_variable() -> None:
    text = printed("one_variable")
    assert "y = 3*3 + 2*3 = 15\n" in text
    assert shown(text, "y     =") == [["15.0"]]
    assert shown(text, "dy/dx =") == [["8.0"]]
    nudges = shown(text, "h =")
    assert [row[0] for row in nudges] == ["0.1", "0.01", "0.001"]
    for row in nudges:
        h = Fraction(row[0])
        gain = h * (8 + h)
        assert same(row[1:], [float(gain), float(gain / h)])
    assert re.findall(r"is +(\S+), made by (\S+) +of (\S+) and (\S+)", text) == [
        ("15.0", "+", "9.0", "6.0"),
        ("9.0", "**", "3.0", "2"),
        ("6.0", "*", "2", "3.0"),
    ]


def test_chain_rule_by_hand() -> None:
    text = printed("chain_rule_by_hand")
    slope = 2 * math.sqrt(math.e)  # of exp(2x²) at 1/2 it is 4x exp(2x²)
    b = math.exp(0.25)
    assert same(["3.29744"], [slope])
    assert shown(text, "dy/dx =") == [["3.29744"]]
    assert same(shown(text, "dy/da =")[0], [slope])
    assert same(shown(text, "dy/db =")[0], [2 * b])
    for start, value, local, so_far in [
        ("a = x**2", 0.25, 1, slope),
        ("b = exp(a)", b, b, slope),
        ("y = b**2", math.sqrt(math.e), 2 * b, 2 * b),
    ]:
        forward, back = shown(text, start)
        assert same(forward, [value])
        assert same(back, [local, so_far])


def test_used_twice() -> None:
    text = printed("used_twice")
    assert "dy/dx = 1 from the left x and 1 from the right: 2.0\n" in text
    assert "after y = x + x + x, x.grad = 2 + 3 = 5.0\n" in text
    assert re.search(r"with x.grad set to 0 before: +3\.0\n", text)
    assert "a = 4.0, b = 16.0, c = 16.0, y = 32.0\n" in text
    # b and c bring 2a = 8 each to a. Whoever goes on at once brings 8 * 2x to x, then 16 * 2x.
    assert "a has 8.0 now, passes it on times 2*2, and x has 32.0\n" in text
    assert f"a has 16.0 now, passes it on times 2*2, and x has {32.0 + 16 * 4}\n" in text
    assert "The first 8 was passed on twice: 96.0 is wrong.\n" in text
    assert re.search(r"a has 2\*4 from b and 2\*4 from c: +16\.0\n", text)
    assert "x has 16 * 2*2 = 64.0\n" in text
    assert text.count("dy/dx = 64.0\n") == 1


def test_several_variables() -> None:
    def by_complex_step(f: Callable[[Any, Any], Any]) -> list[float]:
        step = 1e-200j  # W. Squire, G. Trapp, SIAM Review 40 (1998)
        return [f(1 + step, 1).imag / 1e-200, f(1, 1 + step).imag / 1e-200]

    functions: dict[str, Callable[[Any, Any], Any]] = {
        "sphere": lambda x, y: x * x + y * y,
        "matyas": lambda x, y: 0.26 * (x * x + y * y) - 0.48 * x * y,
        "goldstein_price": lambda x, y: (
            (1 + (x + y + 1) ** 2 * (19 - 14 * (x + y) + 3 * (x + y) ** 2))
            * (30 + (2 * x - 3 * y) ** 2 * (18 - 16 * (2 * x - 3 * y) + 3 * (2 * x - 3 * y) ** 2))
        ),
    }
    for name, f in functions.items():
        row = shown(printed("several_variables"), f"{name} ")[0]
        assert same(row, [f(1, 1), *by_complex_step(f)])
    assert "z = 2, gradient (2, 2)\n" in printed("several_variables")
    assert "gradient (0.04, 0.04)\n" in printed("several_variables")
    assert "z = 1876, gradient (-5376, 8064)\n" in printed("several_variables")


def test_build_once_run_often() -> None:
    text = printed("build_once_run_often")
    assert "its number later:\n  y = 1.0\n" in text
    assert re.search(r"before forward\(\): +y = 1\.0\n", text)
    assert re.search(r"after forward\(\): +y = 2\*3 \+ 1 = 7\.0\n", text)
    assert shown(text, "dy/dw =") == [["3.0"]]
    assert shown(text, "dy/dx =") == [["2.0"]]
    assert shown(text, "dy/db =") == [["1.0"]]
    runs = shown(text, "x =")
    assert runs == [[str(x), str(2 * x + 1), str(x), "2.0"] for x in (-1.0, 0.5, 10.0)]
    assert "y.parents[0] is product: True\n" in text
    assert "y = 5*10 + 1 = 51.0\n" in text


def test_own_multiply_add() -> None:
    text = printed("own_multiply_add")
    assert shown(text, "forward gets") == [["2.0", "3.0", "4.0"]] * 2
    assert shown(text, "backward gets g =") == [["1.0", "2.0", "3.0"], ["10.0", "2.0", "3.0"]]
    assert "y = 2*3 + 4 = 10.0\n  dy/da = b = 3.0\n  dy/db = a = 2.0\n" in text
    assert "y was made by MultiplyAdd and has 2 parents" in text
    assert "z = 10 * (2*3 + 4) = 100.0\n" in text
    slopes = [shown(text, f"dz/d{name} =")[0][-1] for name in "abc"]
    assert slopes == ["30.0", "20.0", "10.0"]


def test_many_inputs_and_outputs() -> None:
    text = printed("many_inputs_and_outputs")
    assert "  2 + 3 = 5\n    with 2 parents, and the slopes [1, 1]\n" in text
    assert "  2 + 3 + 5 + 7 = 17\n    with 4 parents, and the slopes [1, 1, 1, 1]\n" in text
    assert "s = 2 + 3 = 5.0\n  p = 2 * 3 = 6.0\n" in text
    # Once for each of the two passes, though the first one comes to both outputs.
    assert shown(text, "backward gets") == [["6.0", "5.0"], ["0.0", "10.0"]]
    assert "y = 5 * 6 = 30.0\n" in text
    a, b = 2, 3  # (a + b)ab = a²b + ab², and 10ab
    by_a, by_b = 2 * a * b + b * b, a * a + 2 * a * b
    assert [row[-1] for row in shown(text, "dy/da =")] == [f"{by_a}.0", f"{10 * b}.0"]
    assert [row[-1] for row in shown(text, "dy/db =")] == [f"{by_b}.0", f"{10 * a}.0"]


def test_memory() -> None:
    text = printed("memory")
    counts = [int(count) for count in re.findall(r"^(?:Values|Friends|after).* (\d+)$", text, re.M)]
    assert counts == [1, 10_001, 10_001, 1, 2, 0, 2]
    assert "additions, y = 10000:" in text
    assert "dy/dx = 1:" in text
    assert "y has 0 parents" in text


def test_sin_as_a_series() -> None:
    text = printed("sin_as_a_series")
    lines = re.findall(r"^  (\d) +(\S+) = (\S+) +(\S+) = (\S+)$", text, re.MULTILINE)
    assert [line[0] for line in lines] == list("12345")
    for terms, total, total_shown, slope, slope_shown in lines:
        ks = range(int(terms))
        assert Fraction(total) == sum(Fraction((-1) ** k, math.factorial(2 * k + 1)) for k in ks)
        assert Fraction(slope) == sum(Fraction((-1) ** k, math.factorial(2 * k)) for k in ks)
        assert same([total_shown, slope_shown], [float(Fraction(total)), float(Fraction(slope))])
    [[sine, cosine]] = re.findall(r"sin\(1\) = (\S+) +cos\(1\) = (\S+)", text)
    assert same([sine, cosine], [math.sin(1), math.cos(1)])


def value_of(polynomial: Sequence[int], t: Fraction) -> Fraction:
    return sum((c * t**power for power, c in enumerate(polynomial)), Fraction())


def test_higher_derivatives() -> None:
    sines, tanhs = printed("higher_derivatives").split("\n\n")[:2]
    assert len(shown(sines, "order")) == len(shown(tanhs, "order")) == 7
    for n, [[number]] in enumerate(shown(sines, f"order {n}") for n in range(7)):
        assert same([number], [math.sin(math.pi / 6 + n * math.pi / 2)])

    derivative = [0, 1]  # of tanh, as the coefficients of a polynomial in t = tanh(x)
    for n in range(7):
        [line] = re.findall(rf"^  order {n} +(\S+) +(\S+)   (.*)$", tanhs, re.MULTILINE)
        at_zero, at_half, polynomial = line
        for t in (Fraction(1, 2), Fraction(3), Fraction(-2, 7)):
            assert eval(polynomial, {"t": t}) == value_of(derivative, t)
        assert Fraction(at_zero) == derivative[0]
        assert same([at_half], [float(value_of(derivative, Fraction(1, 2)))])
        by_t = [power * c for power, c in enumerate(derivative)][1:]
        # Times 1 - t².
        derivative = [a - b for a, b in zip([*by_t, 0, 0], [0, 0, *by_t], strict=True)]
    assert "grad(grad(grad(tanh)))(0.0) = -2.0\n" in printed("higher_derivatives")


def test_sin_finds_its_series() -> None:
    text = printed("sin_finds_its_series")
    rows = re.findall(r"^   (\d) +(-?\d\.\d+) +(-?\d+)$", text, re.MULTILINE)
    assert [int(k) for k, _, _ in rows] == list(range(10))
    for k, c, times in rows:
        derivative = (0, 1, 0, -1)[int(k) % 4]
        assert int(times) == derivative
        assert same([c], [derivative / math.factorial(int(k))])
    moved = [(1, 0, -1, 0)[k % 4] / math.factorial(k) for k in range(6)]
    assert same(shown(text, "k*ck, k = 1, 2, ...:")[0], moved)
    assert same(shown(text, "cos:")[0], moved)
    for order in (1, 3, 5, 7, 9):
        exact = sum(Fraction((-1) ** (k // 2), math.factorial(k)) for k in range(1, order + 1, 2))
        assert same(shown(text, f"to x**{order}:")[0], [float(exact)])
    assert same(shown(text, "sin(1):")[0], [math.sin(1)])
    near_one = [math.sin(1), math.cos(1), -math.sin(1) / 2, -math.cos(1) / 6]
    assert any(len(row) == 4 and same(row, near_one) for row in shown(text, ""))
    fibonacci = [1, 1]
    while len(fibonacci) < 13:
        fibonacci.append(sum(fibonacci[-2:]))
    assert " ".join(map(str, fibonacci)) + "\n" in text


def pendulum_by_small_steps(time: float, angle: float = math.pi / 2) -> tuple[float, float]:
    """Return angle and speed by the method of Runge and Kutta, in steps whose error is 1e-12."""

    def slope(angle: float, speed: float) -> tuple[float, float]:
        return speed, -math.sin(angle)

    speed, steps = 0.0, round(time * 1000)
    for _ in range(steps):
        h = time / steps
        a1, s1 = slope(angle, speed)
        a2, s2 = slope(angle + h / 2 * a1, speed + h / 2 * s1)
        a3, s3 = slope(angle + h / 2 * a2, speed + h / 2 * s2)
        a4, s4 = slope(angle + h * a3, speed + h * s3)
        angle += h / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        speed += h / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
    return angle, speed


def test_pendulum() -> None:
    text = printed("pendulum")
    money, spring, *_ = [row for row in shown(text, "") if len(row) == 6]
    assert same(money, [1 / math.factorial(k) for k in range(6)])
    assert same(spring, [(1, 0, -1, 0)[k % 4] / math.factorial(k) for k in range(6)])
    assert same(re.findall(r"add up to (\S+), and e is (\S+)\.\n", text)[0], [math.e, math.e])
    assert same(
        re.findall(r"it is at (\S+), and cos\(1\) is (\S+)\.\n", text)[0], [math.cos(1)] * 2
    )
    [series] = [row for row in shown(text, "") if len(row) == 7]
    assert same(series, [math.pi / 2, 0, -1 / 2, 0, 0, 0, 1 / 240])
    rows = re.findall(r"^   (\d\.\d) +(\S+) +(\S+) +(\S+)$", text, re.MULTILINE)
    assert [float(row[0]) for row in rows] == [n / 2 for n in range(9)]
    for time, angle, speed, energy in rows:
        assert same([angle, speed], pendulum_by_small_steps(float(time)))
        assert energy == "0.0000000000"


def test_double_backpropagation() -> None:
    text = printed("double_backpropagation")
    assert "  y = 4.0\n  dy/dx = 2 * 2 = 4.0," in text
    assert "z = 4**3 + 4 = 68.0\n" in text
    # Of (2x)³ + x², and of 4³ + x².
    assert shown(text, "dz/dx =") == [[f"{24 * 2**2 + 2 * 2}.0"], [f"{2 * 2}.0"]]
    steps = table(text)
    assert list(steps) == [0, 1, 2, 3, 4, 5]
    for k, row in steps.items():
        w = 1.5 + 1.5 / 5**k  # the distance to the lowest point shrinks to a fifth in each step
        assert same(row, [w, (w - 3) ** 2 + w**2, 4 * w - 6])


def rosenbrock(x: float, y: float) -> tuple[float, float, float]:
    """Return the value and both slopes."""
    off = y - x * x
    return 100 * off * off + (1 - x) ** 2, -400 * x * off - 2 * (1 - x), 200 * off


def test_downhill() -> None:
    steps = table(printed("downhill"))
    assert list(steps) == [0, 1, 2, 10, 100, 1000, 10_000]
    x, y = 0.0, 2.0
    for step in range(10_001):
        z, by_x, by_y = rosenbrock(x, y)
        if step in steps:
            assert same(steps[step], [x, y, z, by_x, by_y])
        x, y = x - by_x / 1000, y - by_y / 1000


def test_newton_in_one_variable() -> None:
    steps = table(printed("newton").split("The same")[0])
    assert list(steps) == list(range(8))
    x = Fraction(2)
    for row in steps.values():
        slope, curvature = 4 * x**3 - 4 * x, 12 * x**2 - 4
        # Near 1 the slope is what is left of two terms of 4, each good to 4e-16.
        assert float(row[1]) == pytest.approx(float(slope), rel=5e-9, abs=4e-15)
        assert same([row[0], row[2]], [float(x), float(curvature)])
        x -= (slope / curvature).limit_denominator(10**40)
    assert steps[7][0] == "1.000000000000000"
    assert steps[6][0] != "1.000000000000000"


def test_newton_in_two_variables() -> None:
    text = printed("newton").split("The same")[1]
    steps = table(text)
    assert list(steps) == list(range(7))
    x, y = 0.0, 2.0
    for row in steps.values():
        z, by_x, by_y = rosenbrock(x, y)
        assert same(row[:2], [x, y])
        # Near (1, 1) these are what is left of numbers near 1 and 400, each good to 1e-16 of it.
        assert float(row[2]) == pytest.approx(z, rel=5.1e-4, abs=1e-24)
        assert float(row[3]) == pytest.approx(math.hypot(by_x, by_y), rel=5.1e-4, abs=1e-12)
        # Eliminate dy from the two equations, rather than use determinants.
        dx = -(by_x + 2 * x * by_y) / (1200 * x * x - 400 * y + 2 - 800 * x * x)
        x, y = x + dx, y - by_y / 200 + 2 * x * dx
    assert steps[5][:2] == steps[6][:2] == ["1.000000", "1.000000"]
    [hessian] = re.findall(r"at \(-1\.2, 1\) it is (.*),\n", text)
    assert [float(n) for n in NUMBER.findall(hessian)] == pytest.approx(
        [1330, 480, 480, 200], rel=1e-9
    )


def test_fit_a_line() -> None:
    text = printed("fit_a_line")
    steps = table(text)
    assert list(steps) == [0, 1, 2, 10, 50, 100]
    w, b = 0.0, 0.0
    for step in range(101):
        # Of the points (0, 1), (1, 3), (2, 5): the error at x is (w - 2)x + (b - 1), the mean of x
        # is 1, that of x² is 5/3.
        by_w, by_b = 2 * ((w - 2) * 5 / 3 + (b - 1)), 2 * ((w - 2) + (b - 1))
        loss = (w - 2) ** 2 * 5 / 3 + 2 * (w - 2) * (b - 1) + (b - 1) ** 2
        if step in steps:
            assert same(steps[step], [w, b, loss, by_w, by_b])
        w, b = w - 0.1 * by_w, b - 0.1 * by_b
    [[x, y]] = shown(text, "For ")
    assert same([y], [w * float(x) + b])


def test_xor_network() -> None:
    text = printed("xor_network")
    for x1, x2 in [(0, 0), (0, 1), (1, 0), (1, 1)]:
        h1, h2 = x1 + x2, max(x1 + x2 - 1, 0)
        [row] = shown(text, f"({x1}, {x2})")
        assert same(row, [h1, h2, h1 - h2, x1 ^ x2])
    slopes = [shown(text, f"of {name}")[0][-3:] for name in ("h1", "h2", "y")]
    assert slopes == [["0.5", "0.5", "0.5"], ["-0.5", "-0.5", "-0.5"], ["1.0", "0.5", "0.5"]]

    # The same network without Values, its slopes written by hand: both inputs of a neuron have
    # the same weight all along, as the task and the start are symmetric.
    steps = table(text)
    assert list(steps) == [0, 1, 2, 10, 50, 200]
    weights, biases, outer, bias = [1.0, 1.0], [0.0, -1.0], [1.0, -1.0], 0.0
    points = [(0, 0, 1), (1, 1, 2), (2, 0, 1)]  # the sum of the inputs, the target, how often
    for step in range(201):
        by_weights, by_biases, by_outer, by_bias = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], 0.0
        loss = 0.0
        ys = []
        for total, target, count in points:
            hs = [max(w * total + b, 0) for w, b in zip(weights, biases, strict=True)]
            y = outer[0] * hs[0] + outer[1] * hs[1] + bias
            ys += [y] * count
            loss += count * (y - target) ** 2 / 4
            by_y = count * (y - target) / 2
            by_bias += by_y
            for i in (0, 1):
                by_outer[i] += by_y * hs[i]
                if hs[i] > 0:
                    by_biases[i] += by_y * outer[i]
                    # The sum over both inputs is twice the slope by the weight of one.
                    by_weights[i] += by_y * outer[i] * total / 2
        if step in steps:
            assert same(steps[step], [loss, *ys])
        weights = [w - 0.1 * g for w, g in zip(weights, by_weights, strict=True)]
        biases = [b - 0.1 * g for b, g in zip(biases, by_biases, strict=True)]
        outer = [v - 0.1 * g for v, g in zip(outer, by_outer, strict=True)]
        bias -= 0.1 * by_bias
    assert same(steps[200][1:], [0.0087, 0.9957, 0.9957, 0.0038])


def test_checking_a_gradient() -> None:
    text = printed("checking_a_gradient")
    rows = shown(text, "h =")
    for h, slope in rows[:3]:
        assert same([slope], [float(12 + Fraction(h) ** 2)])
    # At h = 1e-14 each of the two cubes, near 8, is off by half an ulp or more.
    assert float(rows[3][1]) > 1e-3
    assert "12.000000000, and less than 0.000001 off: True\n" in text
    assert "raises GradientError" in text


def test_compile_a_loss() -> None:
    text = printed("compile_a_loss")
    assert "  (0.0, 3.0)\n" in text
    assert "  def f(x, y):\n      return x * y + sin(x), y + cos(x)\n" in text
    for k, row in table(text).items():
        w = 3 - 2 / 5**k  # the distance to 3 shrinks to a fifth in each step
        assert same(row, [w, (2 * w - 6) ** 2, 8 * w - 24])
    assert list(table(text)) == [0, 1, 2, 3]
    assert "with rate = 0.1, scaled(10.0) = 1.0\n" in text
    assert "with rate = 0.5 it raises TraceError" in text


def test_fit_a_curve() -> None:
    text = printed("fit_a_curve")
    points = [(0, 1), (1, 3), (2, 4), (3, 6)]
    b, a = line_through(points)
    squares = sum((a + b * x - y) ** 2 for x, y in points)
    assert f"a = {float(a):.6f}, b = {float(b):.6f}\n" in text
    [row] = shown(text, "sum of squares =")
    assert same(row[-1:], [float(squares)])
    variance = squares / 2  # four points less two parameters; the x have mean 3/2, spread 5
    errors = [math.sqrt(variance * (Fraction(1, 4) + Fraction(9, 20))), math.sqrt(variance / 5)]
    assert same(shown(text, "standard errors:")[0], errors)
    assert f"a = 8.000000, b = {math.log(2):.6f}, which" in text


def test_lesson_runs_as_a_file_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, "-S", str(LESSONS / "xor_network.py")]
    done = subprocess.run(command, cwd=tmp_path, env=PLAIN, capture_output=True, text=True)
    assert done.stdout == printed("xor_network"), done.stderr


def test_lesson_stops_cleanly() -> None:
    code = "import demos.lessons\nraise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=PLAIN, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stderr == "stopped\n"


ANSWERS = (LESSONS / "answers.md").read_text(encoding="utf-8")


def answer(lesson: str) -> str:
    """Return the answer of the lesson's exercise, which stands on a page of its own."""
    assert "\n\nExercise: " in printed(lesson)
    assert "Answer" not in printed(lesson)
    (found,) = re.findall(rf"^\d+\. \[{lesson}\]\({lesson}\.py\): (.*)  $", ANSWERS, re.MULTILINE)
    assert isinstance(found, str)
    return found


def test_answers_are_in_the_order_of_the_lessons() -> None:
    pattern = r"^\d+\. \[(\w+)\]"
    assert re.findall(pattern, ANSWERS, re.MULTILINE) == re.findall(pattern, README, re.MULTILINE)


def gradient_of(f: Callable[..., Any], *numbers: Any) -> tuple[Any, list[Any]]:
    leaves = [Value(x) for x in numbers]
    y = f(*leaves)
    y.backward()
    return y.data, [leaf.grad for leaf in leaves]


def exercise_series() -> tuple[Fraction, Fraction]:
    ks = range(6)
    sine = sum((Fraction((-1) ** k, math.factorial(2 * k + 1)) for k in ks), Fraction())
    return sine, sum((Fraction((-1) ** k, math.factorial(2 * k)) for k in ks), Fraction())


def goldstein_price(x: Any, y: Any) -> Any:
    left = 19 - 14 * (x + y) + 3 * (x + y) ** 2
    right = 18 - 16 * (2 * x - 3 * y) + 3 * (2 * x - 3 * y) ** 2
    return (1 + (x + y + 1) ** 2 * left) * (30 + (2 * x - 3 * y) ** 2 * right)


def line_through(points: list[tuple[int, int]]) -> tuple[Fraction, Fraction]:
    """Return slope and offset of the line of least squares."""
    n = len(points)
    x, y = Fraction(sum(x for x, _ in points), n), Fraction(sum(y for _, y in points), n)
    slope = sum((u - x) * (v - y) for u, v in points) / sum((u - x) ** 2 for u, _ in points)
    return Fraction(slope), Fraction(y - slope * x)


# What each exercise comes to, done here as a student would do it, or on paper.
EXERCISES: dict[str, Callable[[], list[Any]]] = {
    "one_variable": lambda: [-1, gradient_of(lambda x: x**2 + 2 * x, -1.0)[0]],
    "chain_rule_by_hand": lambda: [4, 2, gradient_of(lambda x: exp(x**2) ** 2, 1.0)[1][0]],
    # The impatient walk passes on 2a to x, and then 2a + 2a, each times 2x.
    "used_twice": lambda: [
        (2 * 9 + 4 * 9) * 2 * 3,
        gradient_of(lambda x: 2 * (x**2) ** 2, 3.0)[1][0],
    ],
    "several_variables": lambda: [
        gradient_of(goldstein_price, 0, -1)[0],
        *gradient_of(goldstein_price, 0, -1)[1],
    ],
    "build_once_run_often": lambda: [
        gradient_of(lambda w: w * 4.0 + 2.0, -1.0)[0],
        gradient_of(lambda w: w * 4.0 + 2.0, -1.0)[1][0],
    ],
    "memory": lambda: [3],
    "own_multiply_add": lambda: [2, 8, 12],
    "many_inputs_and_outputs": lambda: [
        gradient_of(lambda a, b: (a + b) * (a * b) * (a - b), 2.0, 3.0)[0],
        *gradient_of(lambda a, b: (a + b) * (a * b) * (a - b), 2.0, 3.0)[1],
    ],
    "higher_derivatives": lambda: [round(taylor(tanh, 0.0, 7)[7] * math.factorial(7)), 0],
    "sin_finds_its_series": lambda: taylor(lambda x: 1 / (1 - x) ** 2, Fraction(0), 5),
    "pendulum": lambda: [
        pendulum_by_small_steps(1.5, angle=0.1)[0],
        *(0.1, 1.5),
        0.1 * math.cos(1.5),
    ],
    "double_backpropagation": lambda: [1],  # where 2*(w - 3) + 2 * 2*w is 0
    "downhill": lambda: [-1 - rosenbrock(-1, 1)[1] / 1000, 1 - rosenbrock(-1, 1)[2] / 1000],
    "newton": lambda: [0.5 - (4 * 0.5**3 - 4 * 0.5) / (12 * 0.5**2 - 4)],
    "fit_a_line": lambda: [float(x) for x in line_through([(0, 1), (1, 3), (2, 5), (3, 9)])],
    "compile_a_loss": lambda: [0.5 * 10],
    "fit_a_curve": lambda: [3, math.log(3)],
}


@pytest.mark.parametrize("lesson", NAMES)
def test_exercises_have_right_answers(lesson: str) -> None:
    text = answer(lesson)
    if lesson == "sin_as_a_series":
        assert text == "{}, and the derivative {}.".format(*exercise_series())
    elif lesson == "xor_network":
        # What the network says at the start is 0, 1, 1, 1, and both are 1 only in the last.
        assert text == "(0 + 1 + 1 + 0) / 4 = 0.5."
    elif lesson == "checking_a_gradient":
        assert text.startswith("g * 3 * x * x,")
    else:
        assert same(re.findall(r"-?\d+(?:\.\d+)?", text), EXERCISES[lesson]()), text


@pytest.mark.parametrize("lesson", NAMES)
def test_the_page_that_a_lesson_leads_to_is_there(lesson: str, tmp_path: Path) -> None:
    lines = printed(lesson).splitlines()
    if "See it:" not in lines:
        assert lesson in NO_PAGE
        return
    line = lines[lines.index("See it:") + 1].strip()
    *start, command, first = shlex.split(line)[:5]
    assert start == ["python3", "-m", "scalargrad"]
    words = [command, first, *shlex.split(line)[5:]]
    page = tmp_path / "page.html"
    assert main([*(word for word in words if word != "--open"), "-o", str(page)]) == 0
    assert "<script" in page.read_text(encoding="utf-8")


# Those that are about no graph, or about one that no expression gives.
NO_PAGE = {
    *("checking_a_gradient", "compile_a_loss", "double_backpropagation", "memory", "pendulum"),
    *("many_inputs_and_outputs", "sin_finds_its_series"),
}
