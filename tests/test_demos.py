"""The demos as people run them: from the root of the checkout, with nothing installed."""

from __future__ import annotations

import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from demos import digits, names, nist
from demos.iris import SPECIES, load
from demos.moons import make_moons
from demos.terminal import parse_options, run
from scalargrad import no_grad
from scalargrad.programs.run.c_compiler import COMPILERS
from tests.running import PLAIN, ROOT, command, output


def accuracy_in(text: str, name: str) -> float:
    [percent] = re.findall(rf"^{name}: ([\d.]+)%", text, re.MULTILINE)
    return float(percent) / 100


def losses_in(text: str) -> list[float]:
    return [float(loss) for loss in re.findall(r"^step +\d+/\d+  loss (\S+)", text, re.MULTILINE)]


def output_on_terminal(demo: str, *options: str, **environment: str) -> str:
    pty = pytest.importorskip("pty")
    pytest.importorskip("termios")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command(demo, *options),
        cwd=ROOT,
        env=PLAIN | {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"} | environment,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    chunks = []
    try:
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    except OSError:  # how Linux reports that the other side has closed
        pass
    os.close(master)
    assert process.wait() == 0
    return b"".join(chunks).decode()


def test_iris_file_has_fishers_rows() -> None:
    flowers = load()
    assert [flower.species for flower in flowers] == [0] * 50 + [1] * 50 + [2] * 50
    # The two rows that copies in circulation have wrong.
    assert flowers[34].sizes == [4.9, 3.1, 1.5, 0.2]
    assert flowers[37].sizes == [4.9, 3.6, 1.4, 0.1]


@pytest.mark.parametrize(
    ("species", "means"),
    [
        ("setosa", [5.006, 3.428, 1.462, 0.246]),
        ("versicolor", [5.936, 2.770, 4.260, 1.326]),
        ("virginica", [6.588, 2.974, 5.552, 2.026]),
    ],
)
def test_iris_file_has_fishers_means(species: str, means: list[float]) -> None:
    sizes = [flower.sizes for flower in load() if SPECIES[flower.species] == species]
    # 50 sizes in tenths have a mean in whole 0.002s, which three decimals hold exactly.
    assert [round(fmean(column), 9) for column in zip(*sizes, strict=True)] == means


def test_iris_file_has_fishers_sums_of_products() -> None:
    # The sums of squares and products within setosa and versicolor, as printed in the paper.
    published = [
        [19.1434, 9.0356, 9.7634, 3.2394],
        [9.0356, 11.8658, 4.6232, 2.4746],
        [9.7634, 4.6232, 12.2978, 3.8794],
        [3.2394, 2.4746, 3.8794, 2.4604],
    ]
    sums = [[0.0] * 4 for _ in range(4)]
    for species in (0, 1):
        rows = [flower.sizes for flower in load() if flower.species == species]
        means = [fmean(column) for column in zip(*rows, strict=True)]
        for row in rows:
            deviations = [x - mean for x, mean in zip(row, means, strict=True)]
            for i in range(4):
                for j in range(4):
                    sums[i][j] += deviations[i] * deviations[j]
    assert [[round(x, 4) for x in row] for row in sums] == published


@pytest.mark.slow
def test_iris_classifies_what_it_has_not_seen() -> None:
    text = output("iris")
    assert accuracy_in(text, "test accuracy") >= 0.95
    # The confusion matrix: 15 flowers of each species, and the diagonal is what was right.
    matrix = [
        [int(cell.replace(".", "0")) for cell in cells.split()]
        for cells in re.findall(rf"^ *(?:{'|'.join(SPECIES)})((?: +(?:\d+|\.)){{3}})$", text, re.M)
    ]
    assert [sum(row) for row in matrix] == [15, 15, 15]
    hits = sum(matrix[i][i] for i in range(3))
    assert f"({hits} of 45)" in text
    assert accuracy_in(text, "test accuracy") == pytest.approx(hits / 45, abs=0.0005)


@pytest.mark.slow
def test_iris_quick_learns_more_than_one_species() -> None:
    text = output("iris", "--quick")
    # Setosa lies far from the others. Who tells it alone gets 30 of 45, who then guesses between
    # the other two gets 40 or more with probability 2e-4.
    assert accuracy_in(text, "test accuracy") >= 40 / 45
    losses = losses_in(text)
    assert len(losses) == 10
    assert losses[-1] < losses[0]


def best_straight_line(points: list[list[float]], labels: list[int]) -> float:
    """Return the best share of points that a line classifies rightly, in steps of a degree."""
    best = 0
    for degrees in range(360):
        normal = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        along = sorted(
            (x * normal[0] + y * normal[1], label)
            for (x, y), label in zip(points, labels, strict=True)
        )
        right = sum(label > 0 for label in labels)  # all of them beyond the line, called +1
        for _, label in along:
            right -= label
            best = max(best, right)
    return best / len(points)


@pytest.mark.slow
def test_moons_quick_bends_its_boundary() -> None:
    text = output("moons", "--quick")
    line = best_straight_line(*make_moons(100, 0.1, random.Random(1)))
    assert 0.8 < line < 0.95
    assert accuracy_in(text, "training accuracy") > line
    losses = losses_in(text)
    assert len(losses) == 10
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_moons_are_learned() -> None:
    text = output("moons")
    assert accuracy_in(text, "training accuracy") == 1
    assert accuracy_in(text, "accuracy on 200 new points") >= 0.95
    # The plain picture: every point as its class, which some of may share a place.
    picture = [line for line in text.splitlines() if len(line) == 57 and set(line) <= set(" .ox")]
    assert len(picture) == 17
    assert "".join(picture).count("o") > 35
    assert "".join(picture).count("x") > 35
    assert all(line.count("  ") for line in picture[:5])
    assert all(line.count("..") for line in picture[-5:])


def test_moons_are_two_half_circles() -> None:
    points, labels = make_moons(100, 0.0, random.Random(0))
    centres = {-1: (0.0, 0.0), +1: (1.0, 0.5)}
    for (x, y), label in zip(points, labels, strict=True):
        centre = centres[label]
        assert math.dist((x, y), centre) == pytest.approx(1)
        assert (centre[1] - y) * label > -1e-12
    assert labels.count(1) == labels.count(-1) == 50


def test_digits_file_has_all_digits() -> None:
    rows = digits.load()
    # As many of each as the data set's description says.
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert [sum(digit.label == label for digit in rows) for label in range(10)] == counts
    assert {len(digit.pixels) for digit in rows} == {64}
    # Every level of grey from white to black, in whole sixteenths.
    assert {pixel for digit in rows for pixel in digit.pixels} == {i / 16 for i in range(17)}


def test_digit_is_drawn_row_by_row() -> None:
    digit = digits.Digit([1.0] * 8 + [0.5] * 8 + [1 / 16] * 8 + [0.0] * 40, 0)
    assert digits.drawn(digit) == ["%" * 16, "=" * 16, "." * 16] + [" " * 16] * 5


def share_nearest_to_mean() -> float:
    """Return the share of test digits that are nearest to the mean of their label's digits."""
    train, test = digits.split(digits.load(), random.Random(1998))
    means = [
        [fmean(c) for c in zip(*(d.pixels for d in train if d.label == label), strict=True)]
        for label in range(10)
    ]
    return fmean(
        min(range(10), key=lambda label: math.dist(means[label], digit.pixels)) == digit.label
        for digit in test
    )


@pytest.mark.slow
def test_digits_quick_reads_better_than_by_mean_pictures() -> None:
    text = output("digits", "--quick")
    means = share_nearest_to_mean()
    assert 0.8 < means < 0.93
    assert accuracy_in(text, "test accuracy") > means
    losses = losses_in(text)
    assert len(losses) == 10
    assert losses[-1] < losses[0] < math.log(10)  # the loss of ten equal probabilities


@pytest.mark.slow
def test_digits_are_read() -> None:
    text = output("digits")
    assert accuracy_in(text, "test accuracy") >= 0.95
    readings = re.findall(r"a (\d), read as (\d)", text)
    assert [truth == guess for truth, guess in readings] == [True] * 4 + [False] * 4
    [hits] = re.findall(r"\((\d+) of 450\)", text)
    assert accuracy_in(text, "test accuracy") == pytest.approx(int(hits) / 450, abs=0.0005)


def test_minerals_fit_the_network() -> None:
    minerals = names.load()
    assert len(minerals) == 519
    assert minerals == sorted(set(minerals))
    assert set("".join(minerals)) <= set(names.LETTERS)
    assert max(map(len, minerals)) == names.PLACES - 1


def test_gpt_sees_what_came_before_and_not_what_follows() -> None:
    model = names.GPT(random.Random(0))
    with no_grad():
        one, other = (
            [[x.data for x in row] for row in model(names.one_hot([names.END, 0, 1, 2, letter, 3]))]
            for letter in (4, 5)
        )
    assert [a == b for a, b in zip(one, other, strict=True)] == [True] * 4 + [False] * 7


@pytest.mark.slow
def test_names_quick_learns_more_than_letters() -> None:
    text = output("names", "--quick")
    minerals = names.load()
    # Who knows how often each letter comes, but does not see those before it, has this loss.
    counts = Counter("".join(f"{name}." for name in minerals))
    shares = [count / counts.total() for count in counts.values()]
    losses = losses_in(text)
    assert len(losses) == 10
    assert losses[-1] < -sum(share * math.log(share) for share in shares) - 0.3
    assert losses[0] < math.log(names.TOKENS)  # the loss of equal probabilities
    made_up = text.partition("for those that there are):")[2].split()
    assert len(made_up) == 25
    # A name without a letter would be missing; the list has four in five that end in "ite".
    assert sum(name.rstrip("*").endswith("ite") for name in made_up) >= 5
    for name in made_up:
        assert name.endswith("*") == (name.rstrip("*") in minerals)
    assert text.isascii()


@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C compiler is here")
@pytest.mark.parametrize(
    ("demo", "steps"), [("digits", "20"), pytest.param("names", "5", marks=pytest.mark.slow)]
)
@pytest.mark.slow
def test_the_program_in_c_prints_the_same(demo: str, steps: str) -> None:
    python = output(demo, "--steps", steps)
    c = output(demo, "--steps", steps, "--target", "c")
    assert "by a program in C:" in c
    assert c == python.replace("by a program in Python:", "by a program in C:")


@pytest.mark.slow
def test_names_learns_the_only_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_text("tin\nore\nmud\nash\n", encoding="ascii")
    monkeypatch.setattr(names, "DATA", tmp_path / "names.txt")
    monkeypatch.setattr(names, "PLACES", 4)

    def text(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["demo", *options])
        names.main()
        return capsys.readouterr().out

    first = text("--steps", "60", "--seed", "3")
    assert set(first.partition("for those that there are):")[2].split()) <= {
        "tin*",
        "ore*",
        "mud*",
        "ash*",
    }
    assert first == text("--steps", "60", "--seed", "3")
    assert first != text("--steps", "60", "--seed", "4")


def test_nist_file_has_all_datasets() -> None:
    datasets = nist.load()
    assert Counter(dataset.level for dataset in datasets) == {
        "lower": 8,
        "average": 11,
        "higher": 8,
    }
    assert [dataset.name for dataset in datasets] == list(nist.MODELS)
    for dataset in datasets:
        sizes = {len(numbers) for numbers in (dataset.parameters, dataset.errors, *dataset.starts)}
        assert len(sizes) == 1


@pytest.mark.parametrize("dataset", nist.load(), ids=lambda dataset: dataset.name)
def test_nist_file_agrees_with_itself(dataset: nist.Dataset) -> None:
    residuals = [
        nist.MODELS[dataset.name](x, *dataset.parameters) - y
        for x, y in zip(dataset.xs, dataset.ys, strict=True)
    ]
    # The sum of squares is least there, so that the 11 digits of the parameters suffice; but the
    # residuals of Lanczos1 are as small as what those digits leave out.
    rel = 2 if dataset.name == "Lanczos1" else 1e-9
    assert math.fsum(r * r for r in residuals) == pytest.approx(dataset.squares, rel=rel)


@pytest.mark.slow
def test_nist_agrees_to_nine_digits() -> None:
    text = output("nist")
    assert "from start 2: 27 of 27" in text
    [first] = re.findall(r"from start 1: (\d+) of 27", text)
    assert int(first) >= 24
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 40
    rows = re.findall(r"^(\w+) .*?((?: +\d+\.\d){3})$", text, re.MULTILINE)
    assert [name for name, _ in rows] == list(nist.MODELS)
    for name, cells in rows:
        by_parameters, by_errors, by_squares = map(float, cells.split())
        assert by_parameters >= 9
        # Of Lanczos1's residuals, 1e-13 of its data, a float holds only some digits.
        assert min(by_errors, by_squares) >= (2 if name == "Lanczos1" else 9)


@pytest.mark.slow
def test_nist_quick_fits_from_the_second_start() -> None:
    text = output("nist", "--quick")
    assert "from start 2: 27 of 27" in text
    assert "from start 1" not in text


@pytest.mark.parametrize("demo", ["iris", "moons", "digits"])
@pytest.mark.slow
def test_same_seed_same_output_and_no_escape_codes(demo: str) -> None:
    text = output(demo, "--seed", "3", "--steps", "4")
    assert text == output(demo, "--seed", "3", "--steps", "4")
    assert text != output(demo, "--seed", "4", "--steps", "4")
    assert "step 4/4" in text
    assert text.isascii()
    assert "\x1b" not in text
    assert "\r" not in text


def test_terminal_is_redrawn_in_place() -> None:
    text = output_on_terminal("moons", "--steps", "2")
    frames = re.findall(r"\x1b\[17A", text)
    assert len(frames) == 1  # the second picture goes over the first
    assert "\x1b[38;5;" in text
    assert "▀" in text
    assert "●" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
    assert text.rindex("\x1b[0m") > text.rindex("\x1b[38;5;")


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"PYTHONIOENCODING": "ascii"}, {"COLUMNS": "30"}]
)
@pytest.mark.slow
def test_terminal_gets_only_what_it_can_show(environment: dict[str, str]) -> None:
    text = output_on_terminal("moons", "--steps", "1", **environment)
    assert "\x1b[?25l" in text
    if "COLUMNS" in environment:
        drawn = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).splitlines()
        assert max(len(line) for line in drawn if "▀" in line) < 30
        assert max(len(line) for line in drawn if line.startswith("step")) < 30
    else:
        assert "\x1b[38" not in text
        assert "▀" not in text
    if "PYTHONIOENCODING" in environment:
        assert text.isascii()


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"COLUMNS": "20"}, {"LINES": "5"}])
@pytest.mark.slow
def test_terminal_that_cannot_redraw_gets_plain_lines(environment: dict[str, str]) -> None:
    text = output_on_terminal("moons", "--steps", "1", **environment)
    assert "\x1b" not in text
    assert text.isascii()
    assert "step 1/1" in text


@pytest.mark.parametrize("demo", ["iris", "moons", "digits", "names", "nist"])
def test_bad_options_end_with_exit_code_2(demo: str) -> None:
    done = subprocess.run(
        command(demo, "--steps", "none"), cwd=ROOT, env=PLAIN, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert f"usage: python3 -m demos.{demo}" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "0"], "argument --steps: want a whole number from 1 up, not '0'"),
        (["--steps", "2.5"], "argument --steps: want a whole number from 1 up, not '2.5'"),
        (["--seed", "-1"], "argument --seed: want a whole number from 0 up, not '-1'"),
        (["--seed", ""], "argument --seed: want a whole number from 0 up, not ''"),
        (["--steps"], "argument --steps: expected one argument"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_options_are_named(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", *options])
    with pytest.raises(SystemExit) as stopped:
        parse_options("demos.any", "A demo.", steps=100, quick_steps=10)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "steps"),
    [([], 100), (["--quick"], 10), (["--steps", "7"], 7), (["--quick", "--steps", "7"], 7)],
)
def test_steps_go_before_quick(
    options: list[str], steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo", *options])
    assert parse_options("demos.any", "A demo.", steps=100, quick_steps=10).steps == steps


def test_ctrl_c_ends_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as stopped:
        run(interrupted)
    assert stopped.value.code == 130
    assert capsys.readouterr().err == "stopped\n"


def test_reader_that_leaves_gets_no_traceback() -> None:
    with subprocess.Popen(
        command("iris", "--steps", "20"),
        cwd=ROOT,
        env=PLAIN,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


@pytest.mark.parametrize("demo", ["digits", "iris", "moons", "names"])
def test_demo_run_as_a_file_says_how_to_run_it(demo: str, tmp_path: Path) -> None:
    file = ROOT / "demos" / f"{demo}.py"
    done = subprocess.run(
        [sys.executable, str(file)], cwd=tmp_path, env=PLAIN, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"    python3 -m demos.{demo}\n")


@pytest.mark.parametrize("demo", ["digits", "iris"])
@pytest.mark.slow
def test_pictures_and_tables_fit_forty_columns(demo: str) -> None:
    done = subprocess.run(
        command(demo, "--quick"),
        cwd=ROOT,
        env={**PLAIN, "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith(" ") or "   " in line]
    assert len(rows) >= 8
    assert max(map(len, rows)) <= 40
