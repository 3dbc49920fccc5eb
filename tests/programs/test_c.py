"""`compile(f, target="c")`: the bits and the errors of the Python program, or Python itself."""

from __future__ import annotations

import math
import os
import pickle
import random
import re
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import Function, Value, compile, exp, grad, hvp, log, value_and_grad, where
from scalargrad.engine.errors import FAILURES
from scalargrad.nn import MLP
from scalargrad.programs.run import c_compiler
from scalargrad.programs.spell.c.text import INCLUDES, function_name, taken_names
from scalargrad.programs.spell.names import Names
from scalargrad.testing.expressions import Expression, Step
from scalargrad.testing.functions import FUNCTIONS
from scalargrad.testing.inputs import EDGES
from scalargrad.transforms.nesting import flatten
from tests.sampled import one_in
from tests.threads import in_threads

COMPILER = next((name for name in c_compiler.COMPILERS if shutil.which(name)), None)
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler is here")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's own cache out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def bits(x: Any) -> Any:
    """Return what two numbers share only if they are the same in kind and in every bit."""
    if type(x) is float:
        return "nan" if math.isnan(x) else struct.pack("d", x)
    return type(x), x


def outcome(f: Callable[..., Any], *args: Any) -> Any:
    """Return what f gives, bit for bit, in its nesting, or the type and words of its error."""
    try:
        numbers, structure = flatten(f(*args))
    except FAILURES as error:
        return type(error), str(error)
    return list(map(bits, numbers)), structure


def machines(compiled: Any) -> list[Any]:
    """Return the C programs of a compiled function: None for one that only Python can run."""
    return [one for program in compiled._programs.values() for one in program.machines.values()]


def same(f: Callable[..., Any], *points: Any) -> Any:
    """Check C against Python at each point; return the function compiled to C."""
    c, python = compile(f, target="c"), compile(f)
    for point in points:
        assert outcome(c, *point) == outcome(python, *point), (point, c.source)
    return c


each_compiler = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(shutil.which(name) is None, reason="not here"))
        for name in ("gcc", "clang", "tcc")
    ],
)


def compiles_alone(source: str, name: str, folder: Path) -> None:
    """Compile a text with all warnings; fail if there is one."""
    (folder / "program.c").write_text(source, encoding="ascii")
    command = [name, "-c", "-Wall", "-Wextra", "-std=c99", "-Werror", "program.c"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


# --- the same bits ------------------------------------------------------------------------------

NUMBERS = st.floats(-3, 3) | st.sampled_from([x for x in EDGES if type(x) is float])
CONSTANTS = NUMBERS | st.sampled_from([0, 1, 2, -1, 3])


@st.composite
def wild_expressions(draw: st.DrawFn) -> Expression:
    """Draw an expression whose steps may fail and overflow."""
    arity = draw(st.integers(1, 3))
    steps: list[Step] = []
    for k in range(draw(st.integers(1, 6))):
        function = draw(st.sampled_from(sorted(FUNCTIONS.values(), key=lambda f: f.name)))
        count = function.arity or 2 * draw(st.integers(1, 2))
        earlier = st.integers(0, arity + k - 1)
        operands = draw(st.tuples(*[earlier | st.tuples(CONSTANTS)] * count))
        steps.append(Step(function, (draw(earlier), *operands[1:])))
    return Expression(arity, tuple(steps))


@settings(max_examples=12)  # each runs the C compiler
@given(wild_expressions(), st.lists(st.tuples(*[NUMBERS] * 3), min_size=1, max_size=5))
def test_random_programs_have_the_bits_and_errors_of_python(
    expression: Expression, points: list[tuple[float, ...]]
) -> None:
    places = tuple(range(expression.arity))
    both = value_and_grad(lambda *inputs: expression(*inputs), places)
    same(both, *[point[: expression.arity] for point in points])


@pytest.mark.slow
def test_every_function_at_every_edge() -> None:
    edges = [x for x in EDGES if type(x) is float]
    for function in FUNCTIONS.values():
        count = function.arity or 2
        rng = random.Random(function.name)
        points = [[rng.choice(edges) for _ in range(count)] for _ in range(30)]
        points += [[rng.uniform(-5, 5) for _ in range(count)] for _ in range(30)]
        c = same(lambda *xs, function=function: function(*xs), *points)
        assert None not in machines(c), function.name


def test_every_supported_op_is_written_in_c() -> None:
    from scalargrad.functions.methods import all_ops
    from scalargrad.programs.spell.c.rules import RULES

    assert not {op.name for op in all_ops().values() if op not in RULES}


def test_the_sum_of_many_numbers_is_rounded_as_fsum_rounds() -> None:
    rng = random.Random(0)

    def number() -> float:
        return math.ldexp(
            rng.choice([1, -1]) * rng.choice([1, 1 + 2**-52, 3]), rng.randint(-80, 80)
        )

    points = [[number() for _ in range(12)] for _ in range(400)]
    same(lambda *xs: sg.fsum(xs), *points, [1.0, 2.0**-53, 2.0**-106] + [0.0] * 9)


def test_an_exact_sum_has_as_many_parts_as_it_needs() -> None:
    # Numbers that grow: of each some bits are left over.
    powers = [math.gamma(0.5 + k) for k in range(170)]
    assert len(powers) > 44
    assert compile(lambda xs: sg.fsum(xs), target="c")(powers) == float(sum(map(Fraction, powers)))
    same(lambda xs: [sg.fsum(xs), sg.fsum(xs[::-1]), sg.logsumexp(xs[:60])], [powers])
    bits_apart = [math.ldexp(1.0, k) for k in range(-1074, 971)]
    same(lambda xs: sg.fsum(xs), [bits_apart], [bits_apart[::-1]])


OF_MANY: dict[str, Callable[[Any], Any]] = {
    "sum": sum,
    "fsum": sg.fsum,
    "logsumexp": sg.logsumexp,
    "softmax": lambda xs: sg.softmax(xs)[1],
    "sumprod": lambda xs: sg.sumprod(xs, xs[::-1]),
    "prod": sg.prod,
    "hypot": lambda xs: sg.hypot(*xs),
    "dist": lambda xs: sg.dist(xs, xs[::-1]),
    "sum of sines": lambda xs: sg.fsum([sg.sin(x) for x in xs]),
}


@pytest.mark.parametrize("name", one_in(3, OF_MANY))
@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_numbers_in_a_thread_with_a_small_stack(name: str, count: int) -> None:
    f = value_and_grad(OF_MANY[name])
    xs = [1.0 + k % 7 * 1e-4 for k in range(count)]
    c = compile(f, target="c")
    expected = outcome(c, xs)
    assert expected == outcome(compile(f), xs)
    (machine,) = machines(c)
    assert machine is not None
    assert len(c.source) < 30_000  # what is linear in the program is its work array
    found: list[Any] = []
    before = threading.stack_size(64 * 1024)  # less than 10,000 doubles take
    try:
        thread = threading.Thread(target=lambda: found.append(machine.run(xs)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    (result,) = found
    assert outcome(lambda: result) == expected


OF_MANY_KINDS: list[Callable[[Any], Any]] = [
    lambda x: where(x > 0, x, 0),  # a float or an int, as the run has it
    lambda x: -2 * where(x > 0, x, 0),
    lambda x: where(x > 0, 1, 0) * where(x > 1, 3, -2) - 1,
    lambda x: [x > 0, (x > 0) & (x < 2), ~(x > 0), (x > 0) * x, where(x, 2.0, x)],
    lambda x: {"b": (x, 1), "a": [True, None, "text", 2.5, [x]]},
    lambda x: x % 3 - x % -0.7 + 7 % x,
    lambda x: where(x > 0, x, 0) ** 2 + 2.0**x,
    lambda x: [sg.floor(x) * 3 - 1, sg.ceil(x), sg.trunc(x) * x, sg.floor(sg.ceil(x))],
    lambda x: [sg.sign(x), sg.sign(where(x > 0, x, 0)), sg.sign(sg.floor(x))],
    lambda x: [sg.clip(x, 0, 1), sg.clip(x, -1.0, 2), sg.clip(1, x, 0.5), sg.clip(x, 1, 0)],
    lambda x: sg.clip(sg.floor(x), -2, 2),
    lambda x: [test(y) for test in (sg.isnan, sg.isinf, sg.isfinite) for y in (x, x - x)],
    lambda x: [sg.isnan(x * 0 + math.nan), sg.isinf(x + math.inf), sg.isfinite(x - math.inf)],
    lambda x: [sg.isclose(x, 1.5 + 1e-10), sg.isclose(x, 0.0, abs_tol=0.5)],
    lambda x: sg.isclose(x, x, rel_tol=x) & sg.isclose(x, math.inf) | sg.isfinite(sg.floor(x)),
]


@pytest.mark.parametrize("f", one_in(4, OF_MANY_KINDS))
@pytest.mark.filterwarnings("ignore:Bitwise inversion")
def test_kinds_come_out_as_in_python(f: Callable[..., Any]) -> None:
    same(f, *[[x] for x in (-2.5, -0.0, 0.0, 0.5, 1.5, 3.0, 1e300, 1, 0, -4, 10**30, math.nan)])


def test_derivatives_of_a_model() -> None:
    random.seed(3)
    model = MLP(2, [8, 8, 1])
    compiled = compile(lambda x: (model(x) - 1.0) ** 2, target="c")
    python = compile(lambda x: (model(x) - 1.0) ** 2)
    for step in range(3):
        for p in model.parameters():
            p.data += 0.01 * step
        values = []
        for f in (compiled, python):
            for p in model.parameters():
                p.grad = 0
            values.append(
                (bits(f.backward([0.5, -0.25])), [bits(p.grad) for p in model.parameters()])
            )
        assert values[0] == values[1]
    assert machines(compiled)[0] is not None


def test_programs_of_many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalargrad.programs.spell.c.text.PIECE", 7)

    def f(xs: Any) -> Any:
        ys = list(xs)
        for k in range(60):
            ys.append(sg.sin(ys[k]) * ys[-1] + where(ys[k] > ys[-1], ys[k // 2], 1))
        return [sg.fsum(ys), *ys[::9], xs[0], 2.0]

    rng = random.Random(1)
    same(
        value_and_grad(lambda xs: f(xs)[0]),
        *[[[rng.uniform(-1, 1) for _ in range(4)]] for _ in range(5)],
    )
    same(f, *[[[rng.uniform(-1, 1) for _ in range(4)]] for _ in range(5)])
    same(
        hvp(lambda xs: f(xs)[0], [[0.5, 0.25, -1.0, 2.0]], [[1.0, 0.0, 0.5, 1.0]]) and f,
        [[0.5] * 4],
    )


LAYERS: list[Callable[[Any, Any], Any]] = [
    lambda ws, xs: [sg.tanh(sg.sumprod(w[:-1], xs) + w[-1]) for w in ws],
    lambda ws, xs: [sum((a * x for a, x in zip(w, xs, strict=False)), w[-1]) for w in ws],
    lambda ws, xs: [sg.fsum([a * x for a, x in zip(w, xs, strict=False)]) for w in ws],
    lambda ws, xs: [sg.relu(w[-1] - sum(a * x for a, x in zip(w, xs, strict=False))) for w in ws],
    lambda ws, xs: [where(w[0] > x, x, 0) * w[-1] + 2.0 for w, x in zip(ws, xs * 9, strict=False)],
    lambda ws, xs: [sg.clip(xs[-1], w[0], 1) + sg.floor(w[-1]) for w in reversed(ws)],
]


@settings(max_examples=8)
@given(
    st.lists(st.integers(1, 6), min_size=2, max_size=4),
    st.lists(st.sampled_from(LAYERS), min_size=3, max_size=3),
    st.integers(1, 5),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@example([3, 5, 4], LAYERS[:3], 4, True, random.Random(0))
@example([2, 6, 6, 1], LAYERS[1:4], 5, False, random.Random(1))
def test_what_repeats_has_the_bits_of_python(
    sizes: list[int],
    layers: list[Callable[[Any, Any], Any]],
    samples: int,
    constant: bool,
    rng: random.Random,
) -> None:
    def numbers(count: int) -> list[float]:
        return [rng.choice([0.0, -1.5, 1.0, rng.gauss(0, 1)]) for _ in range(count)]

    def network() -> Any:
        return [[numbers(i + 1) for _ in range(o)] for i, o in pairwise(sizes)]

    data = [numbers(sizes[0]) for _ in range(samples)]

    def loss(network: Any, points: Any = data) -> Any:
        terms = []
        for xs in points:
            for ws, layer in zip(network, layers, strict=False):
                xs = layer(ws, xs)
            terms.append(sum(x * x for x in xs))
        return sum(terms) / len(terms)

    given_ = [] if constant else [[numbers(sizes[0]) for _ in data]]
    c = same(value_and_grad(loss), *[[network(), *given_] for _ in range(3)])
    assert None not in machines(c)


# --- errors, and what is hidden -----------------------------------------------------------------


FAILING: list[Any] = [
    (lambda x: 1 / (1 + exp(x)), 1000.0),
    (lambda x: 1 / (1 + exp(1000.0 * x)), 1.0),
    (log, 0.0),
    (log, -1.0),
    (lambda x: x / x, 0.0),
    (lambda x: (x - x) / x * math.inf, 0.0),
    (lambda x: math.inf / x, 0.0),
    (lambda x: math.nan / x, 0.0),
    (lambda x: where(x > 0, 1 / x, 0.0), 0.0),
    (lambda x: where(x > 0, sg.sqrt(x), 0.0), -1.0),
    (lambda x: sg.leaky_relu(x, 1 / (x - 1)), 1.0),
    (lambda x: sg.leaky_relu(x + 0.5, 1 / (x - 1)), 1.0),
    (lambda x: sg.elu(x, 1 / (x - 1)), 1.0),
    (lambda x: where(x > 0, x * x, 0.0), 1e200),
    (lambda x: where(x < 0, x * x * x, x), 1e200),
    (lambda x: x * x - x * x, 1e200),
    (lambda x: x**0.5, -4.0),
    (lambda x: x**-1, 0.0),
    (lambda x: x**3, 1e200),
    (lambda x: x % 0.0 + x, 1.0),
    (lambda x: sg.gamma(x), -1.0),
    (lambda x: sg.lgamma(x) + sg.digamma(x), 0.0),
    (lambda x: sg.hypot(x, x), 1.7e308),
    (lambda x: 1 / (x * 0 + 0.0), 3.0),
    (lambda x: (x / x != 1.5) & False, 0.0),
    (lambda x: True | (x / x > 1.5), 0.0),
    (lambda x: False ^ (x / x > 1.5), 0.0),
    (lambda x: (x > 1) / (x > 2), 3.0),
    (lambda x: (x > 1) / (x > 2), 1.5),
    (lambda x: True / (x > 2), 3.0),
    (lambda x: (x / x > 1) ^ (x / x > 1), 0.0),
    (lambda x: (x / x > 1) == (x / x > 1), 0.0),
    (lambda x: (x / x > 1) > 1, 0.0),
    (lambda x: (x / x > 1) * 0, 0.0),
    (lambda x: (x / x > 1) * 0.0, 0.0),
    (lambda x: (x / x > 1) - (x / x > 1), 0.0),
    (lambda x: where(x / x > 1, 1, 1), 0.0),
    (lambda x: where(x / x > 1, 1.0, 0.0) * 0.0, 0.0),
    (lambda x: sg.isnan(x / x > 1), 0.0),
    (lambda x: x + 1, math.nan),
    (lambda x: [x + 1, 1 / x], math.inf),
    (lambda x: 1.0, 3.0),
]


@pytest.mark.parametrize(("f", "x"), one_in(4, FAILING))
def test_errors_and_hidden_overflows_are_those_of_python(f: Callable[..., Any], x: float) -> None:
    same(f, [x], [0.75], [x])


def test_what_is_not_chosen_does_not_fail() -> None:
    c = compile(lambda x, y: where(x > y, x, y / x), target="c")
    assert [c(2.0, 1.0), c(0.0, -1.0), c(2.0, 4.0)] == [2.0, 0.0, 2.0]
    with pytest.raises(ZeroDivisionError, match="/"):
        c(0.0, 1.0)


def test_a_number_of_another_kind_names_the_target_that_takes_it() -> None:
    c = compile(lambda x: x * x, target="c")
    with pytest.raises(TypeError, match=r"floats and ints, not Fraction\(1, 2\).*target='python'"):
        c(Fraction(1, 2))
    assert c(3) == 9
    assert type(c(3)) is int
    with pytest.raises(TypeError, match=r"constant Fraction.*target='python'"):
        compile(lambda x: x * Fraction(1, 3), target="c")(1.0)


def test_a_function_of_ones_own_runs_in_python() -> None:
    class Cube(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    own = sg.primitive(lambda g, y, x: g * 2 * x, hint="small numbers")(lambda x: 4 / x)
    piece = compile(lambda x, y: own(x) + Cube.apply(y))
    for f in (
        lambda x, y: Cube.apply(x) + 1.0,
        lambda x, y: own(x) + y,
        lambda x, y: piece(x, y) * piece(y, x) + own(x),
    ):
        for way in (f, value_and_grad(f, argnums=(0, 1))):
            c = same(way, (0.5, 2.0), (0.0, 1.0), (3, 0.25), (1, 2))
            assert machines(c)
            assert set(machines(c)) == {None}
            assert c.source.startswith("def ")


def test_another_target_is_refused() -> None:
    with pytest.raises(ValueError, match="'python' or 'c', not 'rust'"):
        compile(lambda x: x, target="rust")


def test_no_compiler_and_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    with pytest.raises(RuntimeError, match=r"CC is 'no-such-compiler -O3'.*install one"):
        compile(lambda x: x, target="c")
    monkeypatch.setenv("CC", 'gcc "')
    with pytest.raises(RuntimeError, match=r"CC is 'gcc \"', which is no command: No closing"):
        compile(lambda x: x, target="c")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="cc, gcc, clang, tcc are not found"):
        compile(lambda x: x, target="c")
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(RuntimeError, match="not on Windows"):
        compile(lambda x: x, target="c")


@pytest.mark.parametrize(
    "option",
    [
        *("-Ofast", "-ffast-math", "-funsafe-math-optimizations", "-fassociative-math"),
        *("-ffinite-math-only", "-freciprocal-math", "-fno-signed-zeros", "-fno-trapping-math"),
        *("-fsingle-precision-constant", "-ffp-contract=fast", "-ffp-model=fast", "-mrecip=all"),
        *("-fdenormal-fp-math=preserve-sign", "-fapprox-func", "-mpc32", "-mdaz-ftz"),
        *("-fexcess-precision=fast", "-ffloat-store", "-fcx-limited-range=fast"),
    ],
)
def test_options_that_change_the_arithmetic_are_refused(
    monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("CC", f"{COMPILER} -O2 {option}")
    with pytest.raises(RuntimeError, match=f"CC has {option}, which changes the arithmetic"):
        compile(lambda x: x, target="c")
    # Those that are set by a compiler of one's own are known by what they define.
    monkeypatch.setenv("CC", f"{COMPILER} -O2 -march=native -fno-fast-math -ffp-contract=off -pipe")
    assert compile(lambda x: x * 0.5, target="c")(5e-324 * 3) == 1e-323


@pytest.mark.parametrize("name", ["gcc", "clang"])
def test_a_text_refuses_options_that_change_the_arithmetic(name: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not here")
    c = compile(lambda x: x * 0.5, target="c")
    c(1.0)
    (tmp_path / "program.c").write_text(c.source, encoding="ascii")
    for option in ("-O3", "-Ofast", "-ffast-math", "-ffinite-math-only"):
        command = [name, "-c", option, "program.c"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (option == "-O3")
        assert ("an option changes the arithmetic" in done.stderr) == (option != "-O3")


def test_threads_have_arrays_of_their_own() -> None:
    c = compile(value_and_grad(lambda xs: sg.fsum([sg.sin(x) * x for x in xs])), target="c")
    points = [[float(k + i) for i in range(50)] for k in range(8)]
    expected = [c(point) for point in points]

    def many_times(_: int) -> None:
        for _ in range(50):
            for point, result in zip(points, expected, strict=True):
                assert c(point) == result

    in_threads(many_times, 4)


def test_pickled_programs_run() -> None:
    c = compile(grad(lambda x: sg.sin(x) * x), target="c")
    expected = c(0.5)
    again = pickle.loads(pickle.dumps(c))
    assert again(0.5) == expected
    assert again(2) == c(2)


# --- the text -----------------------------------------------------------------------------------


@each_compiler
def test_the_text_compiles_alone_without_a_warning(name: str, tmp_path: Path) -> None:
    functions = [(function, function.arity or 4) for function in FUNCTIONS.values()]
    c = compile(
        lambda xs: [value_and_grad(lambda ys, f=f: f(*ys))(xs[:count]) for f, count in functions],
        target="c",
    )
    outcome(c, [0.5] * 4)
    compiles_alone(c.source, name, tmp_path)


def test_the_text_says_what_each_argument_is() -> None:
    scale = Value(2.0, label="the */ scale")

    def price(x: Any, rates: Any) -> Any:
        return {"total": scale * x + rates["a"][0], "b": rates["a"][1]}

    c = compile(price, target="c")
    assert c(3.0, {"a": [1.0, 5.0]}) == {"total": 7.0, "b": 5.0}
    text = c.source
    assert "int price(const double *in, double *out, double *work)" in text
    for line in (
        "in[0]: x",
        "in[1]: rates['a'][0]",
        "in[3]: captured, the __ scale",
        "out[1]: the result['b']",
    ):
        assert line in text, text


@pytest.mark.parametrize("name", ["exp", "main", "double", "sg_where", "größe", "y0", "sinf"])
def test_names_that_c_has_already(name: str) -> None:
    x: Any = Value(2.0)

    def f(a: Any) -> Any:
        b = exp(a) * a
        c = b + x
        return c * c

    f.__name__ = x.label = name
    same(f, [0.5])


def test_no_name_of_c_s_headers_is_given_out() -> None:
    def preprocessed(*options: str) -> str:
        assert COMPILER is not None
        command = [COMPILER, "-std=c99", "-E", *options, "-"]
        done = subprocess.run(command, input=INCLUDES, capture_output=True, text=True, check=True)
        return done.stdout

    names = set(re.findall(r"\b([a-z]\w*)\s*\(", preprocessed()))
    names |= set(re.findall(r"#define ([a-z]\w*)", preprocessed("-dM")))
    assert {"ceil", "fesetround", "math_errhandling"} < names
    assert not names & {Names(taken_names()).new(function_name(name)) for name in names}


# --- the cache ----------------------------------------------------------------------------------


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give an empty cache, in tmp_path, and the list of what is compiled."""
    built: list[str] = []
    original = c_compiler._built

    def counted(source: str, *others: Any) -> Any:
        built.append(source)
        return original(source, *others)

    monkeypatch.setattr(c_compiler, "_built", counted)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return built


def cube(x: Any) -> Any:
    return x * x * x + 0.25


def fresh() -> float:
    """Compile and call `cube` as a new process would: no program keeps its library loaded."""
    result: float = compile(cube, target="c")(2.0)
    return result


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "scalargrad" / "c").glob("*"))


def test_a_library_is_compiled_once(builds: list[str], tmp_path: Path) -> None:
    assert fresh() == fresh() == 8.25
    assert len(builds) == 1
    assert [path.suffix for path in kept(tmp_path)] == [".so"]
    assert (tmp_path / "scalargrad" / "c").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [b"", b"not a library", None])
def test_a_corrupted_library_is_compiled_again(
    builds: list[str], tmp_path: Path, damage: bytes | None
) -> None:
    assert fresh() == 8.25
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    path.unlink()  # this process has it mapped
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert fresh() == fresh() == 8.25
    assert len(builds) == 2


def test_a_file_of_others_is_not_loaded(builds: list[str], tmp_path: Path) -> None:
    assert fresh() == 8.25
    (path,) = kept(tmp_path)
    path.chmod(0o777)
    assert fresh() == 8.25
    assert len(builds) == 2
    directory = tmp_path / "scalargrad" / "c"
    directory.chmod(0o777)
    assert fresh() == 8.25
    assert len(builds) == 3


def test_a_cache_that_is_no_directory_or_a_link(builds: list[str], tmp_path: Path) -> None:
    (tmp_path / "scalargrad").write_text("")
    assert fresh() == 8.25
    (tmp_path / "scalargrad").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scalargrad").mkdir()
    (tmp_path / "scalargrad" / "c").symlink_to(tmp_path / "elsewhere")
    assert fresh() == 8.25
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_full_disk_or_read_only_directory(
    builds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert fresh() == fresh() == 8.25
    assert not kept(tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert fresh() == 8.25


def test_another_compiler_version_or_flags_compile_again(
    builds: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fresh() == 8.25
    command = c_compiler.compiler().command
    monkeypatch.setattr(c_compiler, "_asked", lambda *a: c_compiler.Compiler(command, "9.9"))
    assert fresh() == 8.25
    monkeypatch.setattr(c_compiler, "FLAGS", (*c_compiler.FLAGS, "-DOTHER"))
    assert fresh() == 8.25
    assert len(builds) == 3


def test_a_compiler_that_fails_says_so(builds: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no licence >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", str(broken))
        with pytest.raises(RuntimeError, match=r"(?s)the C compiler failed.*no licence"):
            fresh()


def test_the_cache_is_bounded(
    builds: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_compiler, "CACHE_BYTES", 50_000)
    for k in range(6):
        assert compile(lambda x, k=k: x * x + float(k), target="c")(1.0) == 1.0 + k
    assert sum(path.stat().st_size for path in kept(tmp_path)) <= 50_000
    assert kept(tmp_path)


def loaded() -> list[str]:
    """Return the libraries of this process that were made of programs."""
    return re.findall(r"\S+(?:scalargrad|program)\S*\.so", Path("/proc/self/maps").read_text())


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no list of what is loaded")
def test_a_library_is_unloaded_with_the_last_program_that_uses_it(
    builds: list[str], tmp_path: Path
) -> None:
    def own() -> list[str]:
        return [path for path in loaded() if str(tmp_path) in path]

    first, second = compile(cube, target="c"), compile(cube, target="c")
    assert first(2.0) == second(2.0) == 8.25
    assert len(set(own())) == len(builds) == 1
    copy = pickle.loads(pickle.dumps(second))
    del first, second
    assert copy(2.0) == 8.25
    assert own()
    del copy
    assert not own()
    for k in range(3):
        assert compile(lambda x, k=k: x - float(k), target="c")(1.0) == 1.0 - k
        assert not own()


def test_a_library_stays_for_calls_that_run() -> None:
    f: Any = compile(lambda x: sg.fsum([sg.gamma(x + k) for k in range(100)]), target="c")
    expected = f(0.5)
    (program,) = f._programs.values()
    calls = [program.machines[()]]
    del f, program

    def run(_: int) -> None:
        machine = calls[0]
        for _ in range(40):
            assert machine.run([0.5]) == expected
            calls[:] = [pickle.loads(pickle.dumps(machine))]  # others drop theirs meanwhile
            machine = calls[0]

    in_threads(run, 4)


def test_two_processes_build_the_same_at_once(tmp_path: Path) -> None:
    code = (
        "from scalargrad import compile, sin\n"
        "print([compile(lambda x, k=k: sin(x) + float(k), target='c')(0.0) for k in range(4)])"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    assert {process.communicate()[0] for process in running} == {b"[0.0, 1.0, 2.0, 3.0]\n"}
    names = [path.name.partition("-")[0] for path in kept(tmp_path)]
    assert len(set(names)) == 4
