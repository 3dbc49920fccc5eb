"""The command line as people use it: the real process, its output, errors and status."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import scalargrad
from scalargrad.__main__ import main
from tests.running import PLAIN, ROOT


def run(*arguments: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-W", "error", "-m", "scalargrad", *arguments],
        cwd=ROOT,
        env=PLAIN | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        encoding=encoding,
        check=False,
        timeout=60,
    )


def output(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def error(*arguments: str) -> list[str]:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()


# The same without a process, which takes a tenth of a second.


def output_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def error_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


# --- every command of the help text --------------------------------------------------------------


@pytest.mark.slow
def test_help_shows_the_commands() -> None:
    text = output("--help")
    for command in ("explain", "draw", "compile", "taylor"):
        assert f"\n  {command} " in text
        assert f"usage: python -m scalargrad {command}" in output(command, "--help")
    assert run().returncode == run("nonsense").returncode == 2


def examples() -> list[tuple[str, list[str]]]:
    """Return the commands that the helps show, as words."""
    found = []
    for command in ("explain", "draw", "compile", "taylor"):
        for line in output(command, "--help").splitlines():
            if line.startswith("  python -m scalargrad"):
                example = line.split("   ")[0].strip() if command == "draw" else line
                found.append((line.strip(), shlex.split(example)[3:]))
    return found


@pytest.mark.slow
def test_every_example_of_the_help_runs(tmp_path: Path) -> None:
    shown = examples()
    assert len(shown) >= 12
    for line, words in shown:
        if "--open" in words or ("c" in words and shutil.which("cc") is None):
            continue  # no browser, and no C compiler, need be there
        here = [str(tmp_path / word) if word.startswith("graph.") else word for word in words]
        assert output(*here), line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.html", "graph.svg"]


def test_explain() -> None:
    text = output("explain", "x*y + sin(x)", "x=2", "y=3")
    assert text.startswith("f = x · y + sin(x)\n\nforward\n  x = 2.0\n  y = 3.0\n")
    assert text.endswith("gradient\n  ∂f/∂x = 2.58385\n  ∂f/∂y = 2.0\n")


def test_explain_in_ascii() -> None:
    done = run("explain", "x*y", "x=2", "y=3", encoding="ascii")
    assert done.returncode == 0
    assert "df/dx += df/df * y = 1.0 * 3.0 = 3.0" in done.stdout


@pytest.mark.parametrize(
    "expression", ["-x*y", "-(x) * y", "-x-y", "--x*y", "-o*2 + x*y", "-1*x*y"]
)
@pytest.mark.slow
def test_an_expression_may_begin_with_a_minus(expression: str) -> None:
    values = ["x=-2", "y=-1e-3", *(["o=1"] if "o" in expression else [])]
    assert "gradient" in output("explain", expression, *values)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("pi/2", "1.5708"), ("-1e-3", "-0.001"), ("2**10", "1024.0"), (" 3", "3.0")],
)
def test_values_are_numbers_or_computed_of_them(
    capsys: pytest.CaptureFixture[str], value: str, shown: str
) -> None:
    assert f"  x = {shown}\n" in output_here(capsys, "explain", "2*x", f"x={value}")


@pytest.mark.slow
def test_draw_writes_files_and_prints_a_tree(tmp_path: Path) -> None:
    assert output("draw", "x*y", "x=2", "y=3").startswith("f = x · y, value 6.0, grad 1.0\n├─ x")
    starts = {"g.svg": "<svg", "g.html": "<!DOCTYPE", "g.dot": "digraph", "g.mmd": "flowchart"}
    for name, start in starts.items():
        path = tmp_path / name
        assert output("draw", "x*y", "x=2", "y=3", "-o", str(path)) == f"wrote {path}\n"
        assert path.read_text(encoding="utf-8").startswith(start)


def test_draw_open_shows_the_page(tmp_path: Path) -> None:
    script = (
        "import sys, webbrowser; from scalargrad.__main__ import main\n"
        "webbrowser.open = lambda url: print(url) or True\n"
        "sys.exit(main(['draw', 'x*x', 'x=3', '--open']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=PLAIN | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    [file] = tmp_path.iterdir()
    assert done.stdout == f"{file.as_uri()}\nopened {file}\n"
    assert file.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_compile_prints_programs(capsys: pytest.CaptureFixture[str]) -> None:
    program = output("compile", "x*y + sin(x)")
    assert program.startswith("def f(x, y):\n    return x * y + sin(x), ")
    script = output_here(capsys, "compile", "x*y + sin(x)", "--to", "javascript")
    assert script.endswith("function f(x, y) {\n  return [x * y + sin(x), y + cos(x), x];\n}\n")
    assert r"\frac{\partial f}{\partial x} &= y + \cos" in output_here(
        capsys, "compile", "x*y + sin(x)", "--to", "latex"
    )
    # Whether or not it has a value where the program is written.
    assert "x - 3.0" in output_here(capsys, "compile", "log(x - 3)")


def test_javascript_keeps_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    script = output_here(
        capsys, "compile", "(x + y)*(x - y)*2 - (x - (y - 1))", "--to", "javascript"
    )
    assert "(x + y) * (x - y) * 2 - (x - (y - 1))" in script


def test_javascript_avoids_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    script = output_here(capsys, "compile", "var*new + sin(sin)", "--to", "javascript")
    assert "function f(var_, new_, sin_) {" in script


def test_taylor_prints_coefficients(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output_here(capsys, "taylor", "exp(x)", "x=0", "--order", "3").splitlines()
    assert lines[0] == "exp(x) near x = 0.0"
    assert [line.split() for line in lines[3:]] == [
        ["0", "1.0"],
        ["1", "1.0"],
        ["2", "0.5"],
        ["3", "0.166667"],
    ]


# --- errors --------------------------------------------------------------------------------------


def caret_under(lines: list[str]) -> str:
    """Return what stands over the caret of an error."""
    message, expression, caret = lines
    assert message.startswith("error: ")
    assert caret.strip() == "^"
    return expression[len(caret) - 1 :]


@pytest.mark.parametrize(
    ("expression", "place", "words"),
    [
        ("x.real", ".real", "a dot is not allowed"),
        ("math.sin(x)", ".sin", r"write sin(x), not math.sin(x)"),
        ('__import__("os").system("id")', '.system("id")', "a dot"),
        ('open("f")', 'open("f")', "there is no function open"),
        ("sine(x)", "sine(x)", "did you mean sin?"),
        ("x[0]", "[0]", "square brackets"),
        ("x + (lambda: x)()", "lambda", "only our functions can be called"),
        ("lambda: x", "lambda", "lambda"),
        ("'text'", "'text'", "text is not allowed"),
        ('f"{x}"', 'f"{x}"', "not allowed"),
        ("x if x else 1", "x if", "write where"),
        ("x and 1", "x and", "put one where within another"),
        ("x > 0", "> 0", "only as the first argument of where"),
        ("where(0 < x < 1, x, 1)", "0 <", "one comparison at a time"),
        ("[x]", "[x]", "a list is allowed"),
        ("[y for y in x]", "[y", "not allowed"),
        ("x := 2", ":=", "cannot be read"),
        ("x, 1", "x, 1", "a comma"),
        ("x ^ 2", "^ 2", "write **"),
        ("x // 2", "// 2", "derivative is zero or does not exist"),
        ("x @ x", "@ x", "this operator is not allowed"),
        ("~x", "~x", "this operator is not allowed"),
        ("not x", "not x", "not is not allowed"),
        ("sin(*x)", "*x)", "a star before"),
        ("sin(x=1)", "1)", "without a name"),
        ("atan2(x)", "atan2(x)", "atan2 does not take 1 argument"),
        ("fsum(x)", "x)", "fsum takes lists"),
        ("softmax([x])", "softmax", "it gives a list"),
        ("9**9**9**9", "**9**9", "too large for a float"),
        ("1e999*x", "1e999", "too large"),
        ("x + 1/0", "/0", "division by zero"),
        ("log(-1) + x", "log(-1)", "math domain error"),
        ("(-8)**(1/3) + x", "**(1/3)", "fractional power"),
        ("True", "True", "True is not allowed"),
        ("2j*x", "2j", "2j is not allowed"),
        ("x)", ")", "unmatched"),
        ("2x", "2x", "write *, as in 2*x"),
        ("x · y", "· y", "for · write *"),
        ("x·y", "·y", "for · write *"),
        ("x²", "²", "for ² write **2"),
        ("√x", "√x", "for √ write sqrt(x)"),
        ("|x|", "|x|", "for | write abs(x), for |x|"),
        ("x;y", ";y", "cannot be read"),
        ("", "", "the expression is empty"),
        ("x\x00y".replace("\x00", "\x01"), "?y", "is not allowed"),
        ("é.a", ".a", "a dot"),
    ],
)
def test_what_is_not_allowed_has_a_caret_under_it(
    capsys: pytest.CaptureFixture[str], expression: str, place: str, words: str
) -> None:
    lines = error_here(capsys, "explain", expression, "x=1")
    assert caret_under(lines).startswith(place)
    assert words in lines[0]


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 60_000 + "x" + ")" * 60_000,
        "-" * 60_000 + "x",
        "x" + "+x" * 60_000,
        "x" + "**x" * 40_000,
        "sin(" * 3000 + "x" + ")" * 3000,
        "lambda:" * 500 + "x",
        "not " * 900 + "x",
        "9" * 5000 + "*x",
        "x" * 100_000,
        "x." * 1900 + "x",
        "~" * 3999 + "x",
        "9**9**9**9",
        "x.real",
        '__import__("os").system("id")',
        "x[0]",
        "lambda: x",
        "'text'",
        "open(x)",
    ],
    ids=range(18),
)
@pytest.mark.slow
def test_hostile_expressions_are_errors_at_once(expression: str) -> None:
    began = time.monotonic()
    caret_under(error("explain", expression, "x=1"))
    assert time.monotonic() - began < 20


def test_a_long_chain_is_computed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "too many to show each" in output_here(capsys, "explain", "x" + "+x" * 1900, "x=1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x + y", "x=1"], "y has no value: add one, as in y=1.5"),
        (["xx + 1", "x=1"], "xx has no value; did you mean x?"),
        (["x + 1", "x=1", "y=2"], "there is no y in the expression"),
        (["sin + 1"], "sin is a function: write sin(...)"),
        (["x", "x=1", "x=2"], "x is given twice"),
        (["x", "pi=3", "x=1"], "pi is the constant 3.14159"),
        (["x", "x"], "values are given as x=2, not as 'x'"),
        (["1 + 2"], "the expression has no names, it is the number 3.0"),
        (["log(x)", "x=-1"], "ValueError: math domain error, in log(x=-1.0); log takes x > 0"),
        (["exp(x)", "x=1000"], "OverflowError: math range error, in exp(x=1000.0)"),
        (["1/x", "x=0"], "ZeroDivisionError"),
    ],
)
def test_values_names_and_domains_are_errors_of_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    [line] = error_here(capsys, "explain", *arguments)
    assert line.startswith("error: ")
    assert words in line


def test_a_value_that_cannot_be_read_has_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert caret_under(error_here(capsys, "explain", "x", "x=2 3")) == "3"
    assert caret_under(error_here(capsys, "explain", "x", "x=__import__('os')")).startswith(
        "__import__"
    )


def test_files_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    [line] = error_here(capsys, "draw", "x*x", "x=1", "-o", "graph.png")
    assert "end the name in .svg, .html" in line
    [line] = error_here(capsys, "draw", "x*x", "x=1", "-o", "/nowhere/at/all/graph.svg")
    assert line.endswith("/nowhere/at/all/graph.svg")


def test_taylor_takes_one_name_and_an_order(capsys: pytest.CaptureFixture[str]) -> None:
    [line] = error_here(capsys, "taylor", "x*y", "x=1", "y=2")
    assert "this has 2: x, y" in line
    [line] = error_here(capsys, "taylor", "cos(x)/x", "x=0")
    assert "a pole of order 1" in line
    [line] = error_here(capsys, "taylor", "x", "x=1", "--order", "-1")
    assert "the order must be from 0 to 1000" in line


def test_functions_of_other_names_are_taken_or_answered_with_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "abs(x)", "x=-2"]) == 0
    assert capsys.readouterr().out.endswith("f/∂x = -1.0\n")
    for expression, cure in (
        ("max(x, 2)", "maximum(a, b)"),
        ("min(x, 2)", "minimum(a, b)"),
        ("ln(x)", "log(x)"),
        ("x^2", "write **"),
        ("arctan(x)", "atan(x)"),
        ("sum([x, 2])", "fsum([a, b, c])"),
        ("softmax([x, 2])", "a list"),
        ("frexp(x)", "two numbers"),
    ):
        first = error_here(capsys, "explain", expression, "x=1")[0]
        assert cure in first, first


def test_orders_are_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "polygamma(1, x)", "x=1"]) == 0
    # polygamma(1, 1) is pi**2 / 6, its derivative -2 zeta(3).
    assert "= 1.64493\n" in (text := capsys.readouterr().out)
    assert text.endswith("f/∂x = -2.40411\n")
    assert main(["taylor", "polygamma(0, x)", "x=1", "--order", "1"]) == 0
    assert main(["explain", "ldexp(x, -2)", "x=3"]) == 0
    for to in ("python", "c", "javascript", "latex"):
        assert main(["compile", "polygamma(2, x)", "--to", to]) == 0
    capsys.readouterr()
    for expression, given in (("polygamma(x, x)", "such as 1"), ("polygamma(0.5, x)", "not 0.5")):
        first = error_here(capsys, "explain", expression, "x=1")[0]
        assert first.endswith(f"polygamma takes a whole number here, {given}")


def test_an_unknown_command_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    [line] = error_here(capsys, "explan", "x", "x=1")
    assert line == "error: there is no command explan; did you mean explain?"
    [line] = error_here(capsys, "xyz")
    assert line.startswith("error: there is no command xyz; there are explain, draw, compile")
    [line] = error_here(capsys, "x*y", "x=1")
    assert "x*y is no command: begin with one" in line


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"scalargrad {scalargrad.__version__}\n"


@pytest.mark.parametrize(
    "module",
    ["scalargrad --help", "scalargrad explain x*x x=2", "demos.lessons.newton", "demos.engine"],
)
def test_it_ends_quietly_where_nobody_reads_on(module: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", *module.split()],
        cwd=ROOT,
        env=PLAIN,
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert done.stderr == b""


def test_options_that_make_no_sense_are_argparses_errors() -> None:
    assert run("explain", "x", "x=1", "--ordr").returncode == 2
    assert run("compile", "x", "--to", "cobol").returncode == 2
    assert run("explain").returncode == 2
