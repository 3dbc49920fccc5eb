"""What Python does around a traced number: looking it up, catching, changing, copying, threads."""

from __future__ import annotations

import copy
import math
import pickle
import shutil
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache, partial
from itertools import product
from threading import Thread
from typing import Any

import pytest

import scalargrad as sg
from scalargrad import (
    TraceError,
    Value,
    compile,
    grad,
    hessian,
    jacobian,
    jvp,
    log,
    nn,
    primitive,
    sin,
    taylor,
    value_and_grad,
    vjp,
    where,
)
from scalargrad.programs.run.c_compiler import COMPILERS
from tests.sampled import one_in

WEIGHT = Value(2.0)


def called(f: Any, x: Any) -> Any:
    return f(x) * 2


TRACING: dict[str, Callable[[Any], Any]] = {
    "compile": compile,
    "grad": lambda f: compile(grad(f)),
    "value_and_grad": lambda f: compile(value_and_grad(f)),
    "grad of compiled": lambda f: compile(grad(compile(f))),
    "hessian": lambda f: compile(hessian(f)),
    "jacobian": lambda f: compile(jacobian(lambda x: [f(x)])),
    "jvp": lambda f: compile(lambda x: jvp(f, (x,), (1.0,))),
    "vjp": lambda f: compile(lambda x: vjp(f, x)[1](1.0)),
    "taylor": lambda f: compile(lambda x: taylor(f, x, 2)),
    "called": lambda f: compile(partial(called, compile(f))),
    "backward": lambda f: compile(lambda x: f(x) * WEIGHT).backward,
}

# --- looking a number up --------------------------------------------------------------------------

TABLE = {1.0: 2.0, 0.0: 5.0}


@lru_cache
def cached(x: Any) -> Any:
    return x * 2


def found(table: Any, x: Any) -> Any:
    try:
        return table[x]
    except KeyError:
        return 3.0


LOOKUPS: dict[str, Callable[[Any], Any]] = {
    "in a set": lambda x: 2 * x if x in {1.0} else 3 * x,
    "not in a set": lambda x: 2 * x if x not in {1.0} else 3 * x,
    "in a dict": lambda x: 2 * x if x in TABLE else 3 * x,
    "a result": lambda x: 2 * x if x + 1 in {2.0} else 3 * x,
    "get": lambda x: x * TABLE.get(x, 0.0),
    "get of a result": lambda x: x * TABLE.get(x * 1, 0.0),
    "an item": lambda x: x * found(TABLE, x),
    "setdefault": lambda x: x * {1.0: 2.0}.setdefault(x, 3.0),
    "pop": lambda x: x * dict(TABLE).pop(x, 3.0),
    "a key": lambda x: x * len({x: 1.0, 1.0: 2.0}),
    "a defaultdict": lambda x: x * (defaultdict(float, TABLE)[x] + 1),
    "distinct ones": lambda x: x * len({x, x * 1, 1.0}),
    "a frozenset": lambda x: x * len(frozenset([x, 1.0])),
    "counted": lambda x: x * Counter([x, 1.0])[1.0],
    "fromkeys": lambda x: x * len(dict.fromkeys([x, 1.0])),
    "within a tuple": lambda x: 2 * x if (x, 0) in {(1.0, 0)} else 3 * x,
    "hash": lambda x: x * (hash(x) == hash(1.0)),
    "a cached function": lambda x: cached(x) + (0 if cached.cache_info().hits else 1) * x,
    "a set of sets": lambda x: x * len({1.0} & {x}),
}


@pytest.mark.parametrize(("name", "way"), one_in(3, product(LOOKUPS, TRACING)))
def test_a_traced_number_cannot_be_looked_up(name: str, way: str) -> None:
    f = TRACING[way](LOOKUPS[name])
    with pytest.raises(TraceError, match=r"(?s)looked up in a set or a dict, at line .*compare it"):
        f(1.0)


def test_values_are_looked_up_by_identity() -> None:
    x = Value(1.0)
    assert x in {x}
    assert x not in {1.0}
    assert "identity" in str(Value.__doc__)


# --- an error that is caught ----------------------------------------------------------------------


def absolute(x: Any) -> Any:
    try:
        return -x if x < 0 else x
    except TypeError:
        return x


def as_float(x: Any) -> Any:
    try:
        return x * float(x)
    except Exception:
        return x


def checked(x: Any) -> Any:
    try:
        if x < 0:
            raise ValueError
    except (TypeError, ValueError):
        return 0 * x
    return x


def in_a_finally(x: Any) -> Any:
    try:
        return x.data * 2
    finally:
        return x  # noqa: B012, SIM107


def looked_up(x: Any) -> Any:
    try:
        return x * TABLE[x]
    except (TypeError, KeyError):
        return x


CATCHING = [as_float, in_a_finally, looked_up]


@pytest.mark.parametrize("way", TRACING)
@pytest.mark.parametrize("f", CATCHING)
def test_a_trace_error_that_is_caught_is_raised_at_the_end(f: Any, way: str) -> None:
    program = TRACING[way](f)
    for _ in range(2):
        with pytest.raises(TraceError, match=r"traced (number|function)|Value's number"):
            program(-2.0)


@pytest.mark.parametrize("way", TRACING)
@pytest.mark.parametrize("f", [absolute, checked])
def test_a_branch_within_a_try_is_followed(f: Any, way: str) -> None:
    program = TRACING[way](f)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "compile", _eager)
        reference = TRACING[way](f)
    for x in (-2.0, 2.0, 0.0, -2.0):
        WEIGHT.grad = 0
        expected, slope = reference(x), WEIGHT.grad
        WEIGHT.grad = 0
        assert (program(x), WEIGHT.grad) == (expected, slope)


def _eager(f: Any) -> Any:
    """Stand for `compile` where nothing is compiled."""

    def backward(x: float) -> Any:
        y = f(x)
        y.backward()
        return y.data

    with suppress(AttributeError):
        f.backward = backward
    return f


@primitive(lambda g, y, x: g * absolute(x))
def with_a_rule_that_branches(x: Any) -> Any:
    return x * 1.0


RULES: dict[str, Callable[[], Any]] = {
    "grad": lambda: compile(grad(with_a_rule_that_branches)),
    "grad of a called": lambda: compile(grad(partial(called, compile(with_a_rule_that_branches)))),
    "jvp of a called": lambda: compile(
        lambda x: jvp(partial(called, compile(with_a_rule_that_branches)), (x,), (1.0,))
    ),
    "backward": lambda: compile(lambda x: with_a_rule_that_branches(WEIGHT) * x).backward,
    "backward of a called": lambda: (
        compile(partial(of_weight, compile(with_a_rule_that_branches))).backward
    ),
}


def of_weight(f: Any, x: Any) -> Any:
    return f(WEIGHT) * x


@pytest.mark.parametrize("way", RULES)
def test_a_rule_that_branches_is_followed(way: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "compile", _eager)
        reference = RULES[way]()
    program = RULES[way]()
    for x in (-2.0, 3.0, -2.0):
        WEIGHT.grad = 0
        expected, slope = reference(x), WEIGHT.grad
        WEIGHT.grad = 0
        assert (program(x), WEIGHT.grad) == (expected, slope)


def test_errors_of_inner_functions_that_are_traced_in_another_way_do_not_count() -> None:
    def power(x: Any, n: Any) -> Any:
        return x if int(n) == 1 else x * power(x, int(n) - 1)

    inner = compile(power)
    assert compile(lambda x: inner(x, 3))(2.0) == 8.0


def test_a_thread_that_fails_unseen() -> None:
    def f(x: Any) -> Any:
        found: list[Any] = []

        def work() -> None:
            with suppress(TypeError):
                found.append(x * 2)

        thread = Thread(target=work)
        thread.start()
        thread.join()
        return found[0] if found else x

    for way in ("compile", "grad", "hessian"):
        with pytest.raises(TraceError, match="in another thread"):
            TRACING[way](f)(1.0)


# --- changes in place -----------------------------------------------------------------------------

CHANGES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "an item": (lambda v: v.__setitem__(0, 5.0) or sum(v), ([1.0, 2.0],)),
    "scaled": (lambda v: v.__setitem__(0, v[0] * 2) or sum(v), ([1.0, 2.0],)),
    "append": (lambda v: v.append(1.0) or sum(v), ([1.0, 2.0],)),
    "pop": (lambda v: v.pop() * 1.0, ([1.0, 2.0],)),
    "sort": (lambda v: v.reverse() or v[0], ([1.0, 2.0],)),
    "deep": (lambda d: d["a"][0].append(2.0) or d["a"][0][0], ({"a": [[1.0]]},)),
    "a new key": (lambda d: d.update(b=1.0) or d["a"], ({"a": 1.0},)),
    "a key gone": (lambda d: d.pop("a"), ({"a": 1.0},)),
    "another order": (lambda d: d.move_to_end("a") or d["a"], (OrderedDict(a=1.0, b=2.0),)),
    "a missing key": (lambda d: d["b"] + d["a"], (defaultdict(float, a=1.0),)),
    "a second argument": (lambda x, v: v.clear() or x, (1.0, [1.0])),
}


def in_c(f: Any) -> list[Any]:
    """Return the function compiled for C, if there is a compiler."""
    return [compile(f, target="c")] if any(map(shutil.which, COMPILERS)) else []


@pytest.mark.parametrize("name", CHANGES)
def test_an_argument_that_is_changed_in_place_is_an_error(name: str) -> None:
    f, args = CHANGES[name]
    before = copy.deepcopy(args)
    for program in (compile(f), compile(lambda *args: f(*args)), *in_c(f)):
        with pytest.raises(TraceError, match=r"(?s)changed its argument \w+ in place.*copy"):
            program(*args)
        assert args == before


def test_a_list_given_twice() -> None:
    def f(v: Any, w: Any) -> Any:
        v[0] = v[0] * 2
        return v[0] + w[0]

    numbers = [1.0]
    with pytest.raises(TraceError, match="changed its argument v in place"):
        compile(f)(numbers, numbers)
    assert compile(lambda v, w: v[0] + w[0])(numbers, numbers) == 2.0


# --- keys -----------------------------------------------------------------------------------------

KEYS: list[Any] = [0.0, -0.0, 0, False, 2, 2.0, Fraction(2), True, 1, 1.0, "2", (1, 0), (True, 0.0)]


def shown(d: Any) -> Any:
    """Return the number, by a sign that the key's text gives."""
    ((key, x),) = d.items()
    return [x * len(repr(key)), {key: x}]


def test_keys_that_are_equal_are_told_apart() -> None:
    f = compile(shown)
    for _ in range(3):
        for key in KEYS:
            got = f({key: 3.0})
            assert repr(got) == repr(shown({key: 3.0}))
            assert compile(grad(lambda d: shown(d)[0]))({key: 3.0}) == {key: len(repr(key))}
    deeper = compile(lambda v: shown(v[0]["a"]))
    for key in KEYS:
        assert repr(deeper([{"a": {key: 3.0}}])) == repr(shown({key: 3.0}))


def test_a_key_s_sign_counts() -> None:
    f = compile(lambda d: sum(math.copysign(1, key) * x for key, x in d.items()))
    assert [f({0.0: 1.0}), f({-0.0: 1.0}), f({0.0: 1.0})] == [1.0, -1.0, 1.0]


# --- copies, pickles and threads ------------------------------------------------------------------


class Line(nn.Module):
    def __init__(self) -> None:
        self.slope = Value(2.0)
        self.step = compile(self.loss)
        self.plain = compile(sin)

    def __call__(self, x: Any) -> Any:
        return self.loss(x)

    def loss(self, x: Any) -> Any:
        return self.slope * x

    @compile
    def method(self, x: Any) -> Any:
        return self.slope * x


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_keeps_its_function(copied: Callable[[Any], Any]) -> None:
    @compile(static_argnums=1)
    def power(x: Any, n: Any) -> Any:
        return x**n

    power.note = ["kept"]  # type: ignore[attr-defined]
    for _ in range(2):
        again = copied(power)
        assert again(2.0, 3) == 8.0
        assert again([2.0][0], 4) == 16.0
        assert grad(lambda x, again=again: again(x, 2))(3.0) == 6.0
        assert (again.__name__, again.note) == ("power", ["kept"])
        power(2.0, 3)
    assert power.cache_info().currsize == 1  # the copies' are their own


def test_a_copied_model_has_its_own_parameters_and_functions() -> None:
    line = Line()
    assert line.step(3.0) == line.method(3.0) == 6.0
    again = copy.deepcopy(line)
    again.slope.data = 5.0
    assert again.step(3.0) == again.method(3.0) == again.step.backward(3.0) == 15.0
    assert (line.slope.grad, again.slope.grad) == (0, 3.0)
    assert line.step(3.0) == line.method(3.0) == copy.copy(line).step(3.0) == 6.0
    assert again.plain(0.5) == line.plain(0.5)
    assert copy.deepcopy(line.method)(3.0) == copy.copy(line.method)(3.0) == 6.0
    compiled = compile(line)
    assert copy.deepcopy(compiled).parameters()[0] is not line.slope


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_what_came_from_a_pickle(copied: Callable[[Any], Any]) -> None:
    f = compile(lambda x: x * 2)
    assert f(1.0) == 2.0
    again = copied(pickle.loads(pickle.dumps(f)))
    assert again(3.0) == 6.0
    with pytest.raises(TypeError, match="came from a pickle with its programs alone"):
        again([1.0])


FAILING: list[tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]] = [
    (lambda x: log(x), (1.0,), (-1.0,)),
    (lambda x, y: x / y, (1.0, 2.0), (1.0, 0.0)),
    (lambda x: sg.exp(x) * 2, (1.0,), (1000.0,)),
    (lambda v: sg.sqrt(v[0]) + v[1] ** 0.5, ([1.0, 2.0],), ([-1.0, 2.0],)),
    (grad(lambda x: sg.sqrt(x)), (1.0,), (0.0,)),
    (lambda x: sin(x) * 2, (1.0,), ("a",)),
]


@pytest.mark.parametrize(("f", "good", "bad"), FAILING)
def test_a_pickle_s_errors_are_the_function_s_own(f: Any, good: Any, bad: Any) -> None:
    compiled = compile(f)
    compiled(*good)
    again = pickle.loads(pickle.dumps(compiled))
    assert again(*good) == compiled(*good)
    errors = []
    for program in (compiled, again):
        with pytest.raises((ArithmeticError, ValueError, TypeError)) as caught:
            program(*bad)
        errors.append((type(caught.value), str(caught.value)))
    if bad != ("a",):  # which nobody has prepared
        assert errors[0] == errors[1]


IN_POOLS: dict[str, Callable[[Any], Any]] = {
    "an operator": lambda x: x * x,
    "a function": sin,
    "a comparison": lambda x: x > 1,
    "a choice": lambda x: where(x > 1, x, 0),
    "a captured Value": lambda x: WEIGHT * x,
    "a captured Value first": lambda x: WEIGHT + x,
    "detach": lambda x: x.detach(),
    "grad": grad(lambda y: y * y),
    "jvp": lambda x: jvp(lambda y: y * y, (x,), (1.0,))[1],
    "taylor": lambda x: taylor(lambda y: y * y, x, 2)[1],
    "a sum of products": lambda x: sg.sumprod([x], [x]),
    "a compiled function": compile(lambda y: y * y),
}


@pytest.mark.parametrize("way", ["compile", "grad", "called", "backward"])
@pytest.mark.parametrize("name", IN_POOLS)
def test_a_thread_pool_within_a_traced_function(name: str, way: str) -> None:
    def pooled(x: Any) -> Any:
        with ThreadPoolExecutor(2) as executor:
            return sum(executor.map(IN_POOLS[name], [x, x * 2]))

    with pytest.raises(TraceError, match=r"in another thread than it: .* thread pool"):
        TRACING[way](pooled)(1.5)
