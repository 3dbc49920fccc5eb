"""C with numbers in buffers and in batches, against JAX and CasADi on their own arrays."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from random import Random
from time import perf_counter, process_time
from typing import Any

from scalargrad import compile, map_grad, value_and_grad
from tests.benchmarks import from_index, workloads
from tests.benchmarks.others.problems import PROBLEMS
from tests.benchmarks.others.tools import Jax
from tests.benchmarks.table import Row, at_least, at_most
from tests.benchmarks.wrapped import Wrapped, functions_of


def buffers(quick: bool) -> Iterator[Row]:
    """Time calls and batches in C, each row against a peer."""
    rounds = 20 if quick else 100
    for package, rows in {"casadi": _small_calls, "jax": _gpt_step}.items():
        try:
            with from_index.installed(package):
                yield from rows(rounds)
        except from_index.Unavailable as error:
            yield Row(f"C with buffers, {package}", "not measured", details=str(error))


def _microseconds(ours: float, theirs: float) -> str:
    return f"{ours * 1e6:.1f} µs, theirs {theirs * 1e6:.1f} µs"


def _row(
    what: str, ours: Callable[[], Any], theirs: Callable[[], Any], rounds: int, most: float
) -> Row:
    for a, b in zip(_numbers(ours()), _numbers(theirs()), strict=True):
        if abs(a - b) > 1e-9 * max(1, abs(b)):
            raise SystemExit(f"{what}: the two sides disagree: {a!r} and {b!r}")
    took, their_time = _fastest((ours, theirs), rounds, process_time)
    return at_most(what, took / their_time, most, _microseconds(took, their_time))


def _fastest(
    sides: tuple[Callable[[], Any], ...], rounds: int, clock: Callable[[], float]
) -> list[float]:
    """Return the least seconds of a run of each side: all in turns, ten milliseconds in a row.

    The processor's own seconds say the same on a machine that others use too.
    """
    repeats, best = [1] * len(sides), [math.inf] * len(sides)
    for _ in range(rounds):
        for k, run in enumerate(sides):
            start = clock()
            for _ in range(repeats[k]):
                run()
            best[k] = min(best[k], (clock() - start) / repeats[k])
            repeats[k] = max(1, round(0.01 / best[k]))
    return best


def _numbers(result: Any) -> list[float]:
    if hasattr(result, "tolist"):
        result = result.tolist()
    if isinstance(result, dict | tuple | list):
        items = result.values() if isinstance(result, dict) else result
        return [x for item in items for x in _numbers(item)]
    return [float(result)]


def _small_calls(rounds: int) -> Iterator[Row]:
    """A program of 100 ops, and a batch of 100 samples of a network of 337 parameters."""
    casadi = import_module("casadi")
    problem = PROBLEMS["100 ops"]()
    f = compile(value_and_grad(problem.loss), target="c")
    given, room = array("d", problem.numbers), array("d", problem.numbers)
    by_buffer = workloads.casadi_function(casadi, problem.loss, problem.numbers)
    own = "100 ops in C, from a list, CasADi's buffers"
    yield _row(own, partial(f, problem.numbers), by_buffer, rounds, 2)
    yield _row("... from an array", partial(f, given), by_buffer, rounds, 2)
    yield _row("... into an array", partial(f, given, out=(None, room)), by_buffer, rounds, 2)

    points, targets = workloads.moons()
    rng = Random(3)
    weights = [rng.uniform(-1, 1) for _ in range(337)]
    loss = compile(value_and_grad(_loss_of_sample), target="c")
    lists = [(weights, list(p), float(y)) for p, y in zip(points, targets, strict=True)]
    w = array("d", weights)
    arrays = [(w, array("d", p), y) for _, p, y in lists]
    theirs = _casadi_map(casadi, weights, lists)
    what = "100 samples through map_grad in C, from {}, CasADi's map"
    yield _row(what.format("lists"), partial(map_grad, loss, lists), theirs, rounds, 0.25)
    yield _row(what.format("arrays"), partial(map_grad, loss, arrays), theirs, rounds, 0.25)
    many = arrays * 50
    with ThreadPoolExecutor(2) as executor:
        sides = partial(map_grad, loss, many, executor), partial(map_grad, loss, many)
        two, one = _fastest(sides, rounds, perf_counter)
    details = _microseconds(two, one)
    yield at_least("5,000 samples on two threads, on one", one / two, 1.6, details)


def _loss_of_sample(weights: Any, point: Any, target: Any) -> Any:
    return workloads.moons_loss([point], [target])(weights)


def _casadi_map(casadi: Any, weights: list[float], samples: list[Any]) -> Callable[[], list[float]]:
    """Return a run of CasADi's map over samples, which adds up values and gradients."""
    w, point, target = (casadi.SX.sym("x", n) for n in (len(weights), 2, 1))
    functions = functions_of(casadi, lambda x: casadi.fmax(x, 0))
    wrapped = [Wrapped(functions, x) for x in casadi.vertsplit(w)]
    given = [Wrapped(functions, x) for x in (*casadi.vertsplit(point), target)]
    value = _loss_of_sample(wrapped, given[:2], given[2]).data
    outputs = [value, casadi.densify(casadi.gradient(value, w))]
    one = casadi.Function("f", [w, point, target], outputs)
    batch = one.map("batch", "serial", len(samples), [0], [0, 1])
    buffer, run = batch.buffer()
    columns = [weights, [x for _, p, _ in samples for x in p], [y for _, _, y in samples]]
    held = [array("d", column) for column in columns]
    results = [array("d", [0.0]), array("d", weights)]
    for k, numbers in enumerate(held):
        buffer.set_arg(k, memoryview(numbers))
    for k, numbers in enumerate(results):
        buffer.set_res(k, memoryview(numbers))

    def step(keep_alive: Any = (batch, buffer, held)) -> list[Any]:
        run()
        return results

    return step


def _gpt_step(rounds: int) -> Iterator[Row]:
    """The GPT step: value and gradient for an array of its parameters."""
    # One thread, as ours has.
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    problem = PROBLEMS["GPT"]()
    f = compile(value_and_grad(problem.loss), target="c")
    given, room = array("d", problem.numbers), array("d", problem.numbers)
    theirs = Jax(arrays=True).make(problem, gradient=True)
    what = "GPT step in C, {}, JAX's jit of arrays"
    for how, ours in {
        "from a list": partial(f, problem.numbers),
        "from an array": partial(f, given),
        "into an array": partial(f, given, out=(None, room)),
    }.items():
        yield _row(what.format(how), ours, theirs, rounds, 0.4)
