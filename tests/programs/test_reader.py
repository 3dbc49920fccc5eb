"""Calls like earlier ones take a short way: it must not be told from the general one by anything.

What is compared: results with their kinds, errors with their words, `.grad`, `.source` and
`cache_info`. The general way is a compiled function that never gets a reader.
"""

from __future__ import annotations

import enum
import math
import pickle
import random
import threading
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import scalargrad as sg
from scalargrad import TraceError, Value, compile, grad, no_grad, relu, value_and_grad
from scalargrad.nn import MLP
from scalargrad.programs.run.compiled import Compiled
from scalargrad.programs.run.program import adder
from scalargrad.transforms.nesting import flatten
from tests.sampled import one_in
from tests.threads import in_threads

Pair = namedtuple("Pair", "first second")


class Sub(float):
    """As numpy's float64 is: a class of floats."""


class Row(list):  # type: ignore[type-arg]
    pass


class Colour(enum.IntEnum):
    RED = 1


class Array:
    shape = (2,)

    def tolist(self) -> list[float]:
        return [1.0, 2.0]


def without_readers(f: Any, **settings: Any) -> Any:
    compiled: Any = compile(f, **settings)
    compiled._learn = lambda *_: None
    return compiled


def shown(x: Any) -> Any:
    """Return what tells results apart: kinds, digits, signs of zeros, nesting and its classes."""
    if isinstance(x, dict):
        return type(x), [(key, shown(item)) for key, item in x.items()]
    if isinstance(x, list | tuple):
        return type(x), [shown(item) for item in x]
    return type(x), repr(x)


def outcome(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return shown(call(*args, **kwargs))
    except Exception as error:
        return type(error), str(error)


def same(read: Any, general: Any, *args: Any, **kwargs: Any) -> None:
    """Check that a call does the same both ways."""
    assert outcome(read, *args, **kwargs) == outcome(general, *args, **kwargs)
    assert read.cache_info() == general.cache_info()
    assert outcome(lambda: read.source) == outcome(lambda: general.source)


def is_read(compiled: Any, backward: bool = False) -> bool:
    return bool(compiled._read[backward])


# --- any arguments --------------------------------------------------------------------------------

FLOATS = st.floats() | st.sampled_from([0.0, -0.0, math.inf, -math.inf, math.nan, 1.0])
STRANGE: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(1, -1, 2**31, -(2**31) - 1, 10**400, True, False, None, "a", b"a", 1j),
        *(Fraction(1, 2), Decimal(1), Sub(0.5), Colour.RED, Value(1.0), [], (), {}, Array()),
        *([1.0], Row([1.0]), bytearray(b"12345678"), memoryview(b"a"), ..., StopIteration),
    ]
)
KEYS = st.sampled_from(["a", "b", "é", 1, 0, -1, True, None, 1.0, -0.0, (1, "a"), b"a"])
NESTS = st.recursive(
    st.just(0.0) | st.just(0) | st.sampled_from([None, True, "a"]),
    lambda nests: (
        st.lists(nests, max_size=4)
        | st.lists(nests, max_size=3).map(tuple)
        | st.dictionaries(KEYS, nests, max_size=3)
        | st.lists(st.just(0.0), min_size=33, max_size=40)
        | st.lists(nests, max_size=2).map(Row)
        | st.tuples(nests, nests).map(lambda two: Pair(*two))
        | st.dictionaries(KEYS, nests, max_size=2).map(OrderedDict)
        | st.dictionaries(KEYS, nests, max_size=2).map(lambda d: defaultdict(list, d))
    ),
    max_leaves=8,
)


def refilled(nest: Any, draw: Callable[[Any], Any]) -> Any:
    """Return the same nest with other leaves."""
    if isinstance(nest, dict):
        made = {key: refilled(x, draw) for key, x in nest.items()}
        if isinstance(nest, defaultdict):
            return defaultdict(nest.default_factory, made)
        return type(nest)(made)
    if isinstance(nest, Pair):
        return Pair(*[refilled(x, draw) for x in nest])
    if isinstance(nest, list | tuple):
        return type(nest)([refilled(x, draw) for x in nest])
    return draw(nest)


def f(*nests: Any) -> Any:
    """Return the numbers in their nesting and something computed of each, kinds mattering."""
    xs = flatten(list(nests), static=(str, bool, type(None)))[0]
    return [[relu(x) * 1.0, x * 1, x + x] for x in xs], nests[:1] if xs else 0


@given(st.data())
def test_random_calls(data: st.DataObject) -> None:
    nests = data.draw(st.lists(NESTS, min_size=1, max_size=3))

    def first(a: Any, b: Any = 1.0, c: Any = 2.0) -> Any:
        return f(a, b, c)

    read, general = compile(first), without_readers(first)
    for _ in range(2):  # the second call learns
        same(read, general, *nests)
    for _ in range(data.draw(st.integers(1, 5))):
        kind = data.draw(st.sampled_from(["floats", "as they were", "strange"]))

        def leaf(x: Any, kind: str = kind) -> Any:
            if kind == "strange" and data.draw(st.integers(0, 3)) == 0:
                return data.draw(STRANGE)
            if type(x) is float:
                return data.draw(FLOATS)
            return data.draw(st.integers(-3, 3)) if type(x) is int else x

        again = nests if kind == "as they were" else [refilled(nest, leaf) for nest in nests]
        same(read, general, *again)
        same(read, general, *again)


SOME: list[Any] = [
    *(0.5, 1, True, None, "a", [0.5], (0.5,), [0.5, 1], [1, 0.5], [[0.5]], [], (), {}, {"a": 0.5}),
    *({"b": 0.5}, {"a": 0.5, "b": 1.5}, {"b": 0.5, "a": 1.5}, {1: 0.5}, {True: 0.5}, {1.0: 0.5}),
    *(Row([0.5]), Pair(0.5, 1.5), OrderedDict(a=0.5), Sub(0.5), Fraction(1, 2), Value(0.5), b"a"),
    *(bytearray(b"a"), [0.5] * 40, [0.5] * 39 + [1], [0.5] * 39 + [Sub(0.5)], [True] * 40),
    *([0.5] * 39 + [Value(0.5)], [0.5] * 39 + [Fraction(1, 2)], ([0.5] * 20, [0.5] * 20)),
    *(2**31, -(2**31), 10**400, float("nan"), Array(), Decimal("0.5"), Colour.RED, [0.5, None]),
]


@pytest.mark.parametrize("learned", one_in(6, range(len(SOME))))
def test_every_call_after_every_other(learned: int) -> None:
    def one(x: Any) -> Any:
        return f(x)

    read, general = compile(one), without_readers(one)
    for _ in range(2):
        same(read, general, SOME[learned])
    for other in SOME:
        same(read, general, other)
        same(read, general, SOME[learned])


def test_calls_are_entered_at_all() -> None:
    nest = [[[0.5] * 20, 1.0], {"a": (0.5, None)}]
    compiled: Any = compile(lambda nest, y, kind: f(nest)[0][0][0] * y if kind else y)
    for y in (1, 2, 3.0, 4.0):
        compiled(nest, y, True)
    assert len(compiled._read[False]) == 1
    compiled._program = None  # the general way
    for y in (5, 6.0):
        compiled([[[0.25] * 20, 1.5], {"a": (0.5, None)}], y, True)
    nest[0][0][3] = Fraction(2)  # type: ignore[index]
    with pytest.raises(TypeError, match="NoneType"):
        compiled(nest, 1.0, True)


# --- what arguments may be, and how they are passed -----------------------------------------------


def test_ints_and_floats_in_many_arguments() -> None:
    compiled: Any = compile(lambda a, b, c, d: [a, *[x + c for x in b], *d])
    for k in range(1, 5):
        args = (k, [0.5] * 40, k / 2, [k] * 40)
        assert shown(compiled(*args)) == shown([k, *[0.5 + k / 2] * 40, *[k] * 40])
    compiled._program = None  # the general way
    assert shown(compiled(7, [1.5] * 40, 2.0, [3] * 40)) == shown([7, *[3.5] * 40, *[3] * 40])


def test_numbers_changed_in_place_are_seen() -> None:
    compiled = compile(value_and_grad(lambda v: sum(x * x for x in v)))
    v: list[Any] = [0.5] * 50
    for _ in range(3):
        assert compiled(v) == (12.5, [1.0] * 50)
    v[7] = 2.0
    assert compiled(v) == (16.25, [1.0] * 7 + [4.0] + [1.0] * 42)
    double = compile(lambda v: [x + x for x in v])
    for x in (0.5, 0.5, 1, Fraction(1, 2), Sub(0.5), 0.5):
        v[7] = x
        assert shown(double(v)) == shown([x + x for x in v])
    v[7] = 0.5
    assert compiled(v) == (12.5, [1.0] * 50)
    v[7] = Value(0.5)
    with pytest.raises(TypeError, match="takes plain numbers"):
        compiled(v)
    v.pop(7)
    assert compiled(v) == (12.25, [1.0] * 49)


def test_one_list_given_twice() -> None:
    row = [0.5] * 40
    compiled = compile(lambda a, b: [x * y for x, y in zip(a, b, strict=True)])
    for _ in range(3):
        assert compiled(row, row) == [0.25] * 40
    cyclic: list[Any] = [0.5]
    cyclic.append(cyclic)
    with pytest.raises(RecursionError):
        compiled(cyclic, cyclic)
    with no_grad(), pytest.raises(RecursionError):  # where it is asked what the call is within
        compiled(cyclic, cyclic)


def test_defaults_keywords_and_missing_arguments() -> None:
    def g(x: Any, y: Any = 2.0, z: Any = 3.0) -> Any:
        return [x, y * x, z]

    read, general = compile(g), without_readers(g)
    for _ in range(3):
        same(read, general, 1.0)
        same(read, general, 1.0, z=4.0)
        same(read, general, 1.0, 4.0)
        same(read, general, 1.0, y=4.0)
        same(read, general)
        same(read, general, 1.0, 2.0, 3.0, 4.0)
    rest = compile(lambda x, *rest: x * len(rest)), without_readers(lambda x, *rest: x * len(rest))
    for args in [(1.0,), (1.0, 2.0), (1.0, (2.0,)), (1.0, 2.0, 3.0)] * 3:
        same(*rest, *args)


@pytest.mark.parametrize(
    "statics",
    [
        *([3, True, 3.0, 1, 1.0], [0.0, -0.0, 0], ["a", "b", None], [(1, 2.0), (1, 2), (True, 2)]),
        *([b"a", bytearray(b"a"), memoryview(b"a")], [frozenset({1}), frozenset({True})]),
        *([math.nan, math.inf], [relu, sg.tanh], [[1]], [Colour.RED, 1], [Fraction(1), 1]),
    ],
)
def test_static_arguments(statics: list[Any]) -> None:
    def g(x: Any, how: Any) -> Any:
        return x * len(repr(how))

    pair = (compile(g, static_argnums=1), without_readers(g, static_argnums=1))
    for _ in range(3):
        for how in statics:
            same(*pair, 2.0, how)


class Line:
    def __init__(self, slope: float) -> None:
        self.slope = Value(slope)

    @compile
    def at(self, x: Any) -> Any:
        return self.slope * x[0]


def test_methods() -> None:
    lines = [Line(2.0), Line(3.0)]
    compiled: Any = vars(Line)["at"]
    for _ in range(3):
        for k, line in enumerate(lines):
            assert line.at([1.5]) == (2 + k) * 1.5
            assert line.at.backward([1.5]) == (2 + k) * 1.5
    assert [line.slope.grad for line in lines] == [4.5, 4.5]
    assert len(compiled._read[False]) == len(compiled._read[True]) == 2
    assert compiled.cache_info()[:2] == (8, 4)
    lines[0].slope.data = 5.0
    assert [line.at([1.0]) for line in lines] == [5.0, 3.0]
    with pytest.raises(TypeError, match="missing a required argument"):
        lines[0].at()


# --- what has changed since -----------------------------------------------------------------------


def test_names_bound_anew_are_refused() -> None:
    rate = 0.5
    compiled = compile(lambda x: x * rate)
    assert [compiled(1.0) for _ in range(3)] == [0.5] * 3
    assert is_read(compiled)
    hits = compiled.cache_info().hits
    rate = 0.25
    with pytest.raises(TraceError, match=r"'rate' was 0\.5; it is 0\.25 now"):
        compiled(1.0)
    assert compiled.cache_info().hits == hits + 1
    rate = 1 / 2
    assert compiled(1.0) == 0.5
    module: dict[str, Any] = {"rate": 2.0}
    exec("def g(x):\n    return x * rate", module)
    compiled = compile(module["g"])
    assert [compiled(1.0) for _ in range(3)] == [2.0] * 3
    del module["rate"]
    with pytest.raises(TraceError, match="it is not bound now"):
        compiled(1.0)


def test_within_a_transform_and_a_trace_the_function_is_called() -> None:
    compiled = compile(lambda v: v[0] * v[1])
    for _ in range(3):
        compiled([2.0, 3.0])
    assert is_read(compiled)
    assert grad(compiled)([2.0, 3.0]) == [3.0, 2.0]
    assert compile(grad(compiled))([2.0, 3.0]) == [3.0, 2.0]
    assert grad(lambda x: x * compiled([2.0, 3.0]))(1.0) == 6.0


def in_order(compiled: Any) -> list[Any]:
    """Return the keys of the programs, from that used longest ago to the latest."""
    return sorted(compiled._programs, key=lambda key: compiled._programs[key].used)


@pytest.mark.parametrize("size", [1, 40])
def test_the_programs_are_dropped_in_the_same_order(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiled, "maxsize", 3)
    read, general = compile(sum), without_readers(sum)
    rng = random.Random(size)
    for _ in range(400):
        same(read, general, [0.5] * (size + rng.choice((0, 0, 1, 1, 2, 3, 4))))
        assert in_order(read) == in_order(general)
    kept = list(read._programs.values())
    assert all(program in kept for program in read._read[False])


def test_errors_name_the_op_and_run_it_no_more_often() -> None:
    seen: list[float] = []

    class Root(sg.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.append(x)
            return math.sqrt(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    w = Value(1.0, "w")

    def g(v: Any, k: Any) -> Any:
        return Root.apply(v[0]) / (v[1] - w) + k["a"]

    counts = []
    for make in (compile, without_readers):
        compiled = make(g)
        del seen[:]
        for v in ([4.0, 2.0], [4.0, 2.0], [9.0, 1.0], [4.0, 2.0], [-1.0, 2.0]):
            counts.append((outcome(compiled, v, {"a": 1.0}), len(seen)))
    assert counts[:5] == counts[5:]
    assert counts[2][0][0] is ZeroDivisionError
    assert "in 3.0 / 0.0;" in counts[2][0][1]


# --- captured Values and backward -----------------------------------------------------------------

DATA = st.floats(-3, 3) | st.sampled_from(
    [1, 0, 1.0, True, Fraction(1, 2), 0.5, Sub(0.5), -0.0, 10**400, math.nan]
)


@given(st.lists(st.tuples(DATA, DATA, DATA), min_size=1, max_size=6), st.integers(1, 40))
@example([(0.5, 0.5, 1.0), (Fraction(1, 2), 0.5, 1.0), (0.5, Sub(0.5), 1)], 1)
def test_captured_values_of_any_kind(calls: list[Any], count: int) -> None:
    made = []
    for make in (compile, without_readers):
        ws = [Value(0.25) for _ in range(count)]
        b = Value(0.5)

        def g(x: Any, ws: Any = ws, b: Any = b) -> Any:
            total = b
            for w in ws:
                total = relu(total * 1.0 + w * x)
            return total

        compiled = make(g)
        found = []
        for w_data, b_data, x in [(0.5, 0.5, 0.5), (0.5, 0.5, 0.5), *calls]:
            ws[-1].data, b.data = w_data, b_data
            found += [outcome(compiled, x), outcome(compiled.backward, x)]
            found.append(shown([v.grad for v in (*ws, b)]))
            found.append((compiled.cache_info(), compiled.source))
        made.append(found)
    assert made[0] == made[1]


def test_nothing_is_added_where_the_program_fails() -> None:
    ws = [Value(2.0), Value(1.0)]
    compiled = compile(lambda x: (ws[0] * x) / (ws[1] - x))
    for _ in range(3):
        compiled.backward(0.5)
    assert is_read(compiled, backward=True)
    before = [w.grad for w in ws]
    with pytest.raises(ZeroDivisionError):
        compiled.backward(1.0)
    assert [w.grad for w in ws] == before


def test_a_training_step_of_each_sample() -> None:
    rng = random.Random(0)
    samples = [([rng.random(), rng.random()], rng.choice((-1, 1))) for _ in range(20)]
    results = []
    for make in (compile, without_readers):
        model = MLP(2, [16, 16, 1], rng=random.Random(1))
        loss = make(lambda x, y, model=model: relu(1 - y * model(x)))
        values = []
        for x, y in samples:
            values.append(loss.backward(x, y))
            for p in model.parameters():
                p.data -= 0.1 * p.grad
        results.append((values, [(p.data, p.grad) for p in model.parameters()]))
    assert results[0] == results[1]


def test_threads_add_all_of_their_gradients() -> None:
    ws = [Value(1.0) for _ in range(40)]
    compiled = compile(lambda x: sg.sumprod(ws, [x] * 40))

    def work(seed: int) -> None:
        for k in range(200):
            compiled.backward(float(k % 3))
            assert compiled(2.0) == 80.0

    in_threads(work, 4)
    assert [w.grad for w in ws] == [4.0 * sum(k % 3 for k in range(200))] * 40
    info = compiled.cache_info()
    assert info.hits + info.misses == 1600


def test_threads_with_nestings_of_their_own() -> None:
    compiled = compile(lambda v: [x * 2 for x in v])
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        rng = random.Random(seed)
        start.wait()
        for _ in range(300):
            v = [rng.choice((rng.random(), 1)) for _ in range(rng.choice((1, 2, 35, 36)))]
            if shown(compiled(v)) != shown([x * 2 for x in v]):
                wrong.append(v)

    in_threads(work, 4)
    assert not wrong


@pytest.mark.parametrize("count", [0, 1, 2, 300, 10_001])
def test_gradients_are_added_in_order(count: int) -> None:
    values = [Value(0.0) for _ in range(count)]
    for v in values:
        v.grad = 1.0
    adder(count)(values, [float(k) for k in range(count)])
    assert [v.grad for v in values] == [k + 1.0 for k in range(count)]
    with pytest.raises(ValueError, match=r"values to unpack|argument"):
        adder(count)(values, [0.0] * (count + 1))


def test_each_of_several_long_arguments_is_looked_at() -> None:
    def f(a: Any, b: Any) -> Any:
        return a[0] * 2, b[0] * 2, b[39]

    for target in ("python", "c"):
        try:
            compiled = compile(f, target=target)
        except RuntimeError:
            continue  # there is no C compiler
        a, b = [0.5] * 40, [1.5] * 40
        for _ in range(4):
            compiled(a, b)
        for x in (2, 2.5, Fraction(1, 2), 3) if target == "python" else (2, 2.5, 3):
            for y in (b, [x, *b[1:]], [*b[:39], x]):
                assert repr(compiled(a, y)) == repr(f(a, y))
        with pytest.raises(TypeError, match="takes plain numbers"):
            compiled(a, [Value(1.0), *b[1:]])


def test_static_arguments_of_many_kinds() -> None:
    compiled = compile(lambda how, x: x * len(how), static_argnames="how")
    for k, how in enumerate(((1, ("a", 2.0)), frozenset("ab"), (1, frozenset("ab"))), 1):
        for x in (0.5, 1.5, 2.5):
            assert compiled(how, x) == x * 2
        assert len(compiled._read[False]) == k


# --- C, pickles -----------------------------------------------------------------------------------


def test_c_gets_the_numbers_in_order() -> None:
    def g(a: Any, params: Any, b: Any, more: Any) -> Any:
        xs = flatten([a, params, b, more], static=(str, bool))[0]
        return [x * k + 0.5 for k, x in enumerate(xs)]

    try:
        compiled: Any = compile(g, target="c")
    except RuntimeError:
        pytest.skip("there is no C compiler")
    for k in range(4):
        params = [[0.5 * k] * 33, {"w": 1.5, "how": "a"}]
        args = (1.0 + k, params, [True, 2.0], ([3.0] * 40, 0.25))
        assert compiled(*args) == g(*args)
        assert compiled(*args) == g(*args)
        same(compiled, compiled, 1, *args[1:])
    assert len(compiled._read[False]) == 1
    with pytest.raises(TypeError, match="target 'c' takes floats and ints"):
        compiled(Fraction(1, 2), *args[1:])


def test_a_pickle_learns_anew() -> None:
    compiled = compile(value_and_grad(lambda v: sum(x * x for x in v)))
    for _ in range(3):
        compiled([1.0, 2.0])
    again = pickle.loads(pickle.dumps(compiled))
    assert not is_read(again)
    for _ in range(3):
        assert again([1.0, 2.0]) == (5.0, [2.0, 4.0])
    assert is_read(again)
    assert again.cache_info()[:2] == (3, 0)
    assert pickle.dumps(again) == pickle.dumps(pickle.loads(pickle.dumps(again)))
