"""The benchmarks: each gives its rows."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from scalargrad import Value, compile, fsum, grad, hvp, map_grad, relu, taylor, value_and_grad
from scalargrad.engine.graph import topological_order
from scalargrad.nn import MLP
from scalargrad.transforms.nesting import flatten, unflatten
from tests.benchmarks import from_index, functions, handwritten, tuple_engine, workloads
from tests.benchmarks.buffers import buffers
from tests.benchmarks.measure import (
    Timings,
    alternate,
    bytes_per_product,
    seconds,
    start_up,
)
from tests.benchmarks.table import Row, at_least, at_most
from tests.benchmarks.workloads import Step


def milliseconds(timings: Timings) -> str:
    return f"{median(timings.ours) * 1e3:.1f} ms, theirs {median(timings.theirs) * 1e3:.1f} ms"


def check_agreement(what: str, ours: Step, theirs: Step) -> None:
    """Refuse to time two sides that do not compute the same numbers."""
    for a, b in zip(ours(), theirs(), strict=True):
        if not math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9):
            raise SystemExit(f"{what}: the two sides disagree: {a!r} and {b!r}")


def per_op(quick: bool) -> Iterator[Row]:
    """Time user code without fused nodes against the yardstick."""
    for what, workload in {
        "MLP step, an op at a time": workloads.mlp_per_op,
        "mixed expression": workloads.mixed,
        "chain": workloads.chain,
        "wide sum": workloads.wide_sum,
    }.items():
        ours, theirs = workload(Value), workload(tuple_engine.Value)
        check_agreement(what, ours, theirs)
        timings = alternate(ours, theirs, rounds=5 if quick else 25)
        yield at_least(f"{what}, tuple engine", timings.speedup, 1.5, milliseconds(timings))


def mlp(quick: bool) -> Iterator[Row]:
    """Time the moons MLP's training step through nn against micrograd and against plain Python."""
    what = "moons MLP step through nn"
    rounds = 3 if quick else 11

    def against(theirs: Step) -> Timings:
        return alternate(workloads.mlp_notebook(Value, MLP), theirs, rounds)

    try:
        with from_index.micrograd() as (engine, nn):
            theirs = workloads.mlp_notebook(engine.Value, nn.MLP)
            check_agreement(what, workloads.mlp_notebook(Value, MLP), theirs)
            timings = against(theirs)
            details = milliseconds(timings)
            yield at_least(f"{what}, micrograd 0.1.0", timings.speedup, 40, details)
    except from_index.Unavailable as error:
        yield Row(f"{what}, micrograd 0.1.0", "not measured", "at least 40x", details=str(error))

    theirs = handwritten.value_gradient_update()
    check_agreement(what, workloads.mlp_notebook(Value, MLP), theirs)
    timings = against(theirs)
    yield slower(f"{what}, the same by hand", timings)
    timings = against(handwritten.value_alone())
    yield slower(f"{what}, the value alone by hand", timings)


def slower(what: str, timings: Timings) -> Row:
    return Row(what, f"{timings.slowdown:.2f}x its time", details=milliseconds(timings))


def compiled(quick: bool) -> Iterator[Row]:
    """Time compiled training steps against eager engines and against plain Python."""
    rounds = 3 if quick else 11
    what = "compiled moons MLP step"
    ours = workloads.mlp_compiled()
    try:
        with from_index.micrograd() as (engine, nn):
            theirs = workloads.mlp_notebook(engine.Value, nn.MLP)
            check_agreement(what, workloads.mlp_compiled(), theirs)
            timings = alternate(ours, theirs, rounds)
            yield at_least(f"{what}, micrograd 0.1.0", timings.speedup, 120, milliseconds(timings))
    except from_index.Unavailable as error:
        yield Row(f"{what}, micrograd 0.1.0", "not measured", "at least 120x", details=str(error))

    by_hand = {
        "sum(w * x for ...) + b": handwritten.value_alone_comprehended(),
        "total += w * x": handwritten.value_alone(),
    }
    for style, theirs in by_hand.items():
        if not math.isclose(workloads.mlp_compiled()()[0], theirs()[0], rel_tol=1e-9):
            raise SystemExit(f"{what}: the two sides disagree")
        timings = alternate(ours, theirs, rounds)
        row = f"{what}, the value alone by hand: {style}"
        if style.startswith("sum"):
            measured, met = f"{timings.slowdown:.2f}x its time", timings.slowdown <= 1.2
            yield Row(row, measured, "at most 1.2x", met, milliseconds(timings))
        else:
            yield slower(row, timings)

    what = "compiled GPT step"
    ours, theirs = workloads.gpt_compiled(), workloads.gpt_eager(tuple_engine.Value)
    check_agreement(what, workloads.gpt_compiled(), theirs)
    ours()
    timings = alternate(ours, theirs, rounds)
    yield at_least(f"{what}, tuple engine", timings.speedup, 25, milliseconds(timings))
    theirs = workloads.gpt_eager(Value)
    timings = alternate(ours, theirs, rounds)
    yield at_least(f"{what}, eager", timings.speedup, None, milliseconds(timings))

    model = workloads.GPT(Value)
    ops = len(topological_order([model.loss()]))
    took = median(seconds(compile(model.loss).backward) for _ in range(rounds))
    run = median(seconds(ours) for _ in range(rounds))
    per_op = (took - run) / ops * 1e6
    details = f"{ops:,} ops in {took - run:.2f} s"
    yield Row("compiling it", f"{per_op:.1f} µs an op", "at most 30 µs", per_op <= 30, details)


def pieces(quick: bool) -> Iterator[Row]:
    """Time programs that call programs against the same programs unrolled."""
    rounds = 3 if quick else 11
    cases: dict[str, tuple[Callable[[], Step], Callable[[], Step], float, float | None]] = {
        "moons step that calls the model": (
            lambda: workloads.mlp_compiled(calls=True),
            workloads.mlp_compiled,
            *(0.2, 1.6),
        ),
        "GPT step of compiled pieces": (
            lambda: workloads.gpt_compiled(kind=workloads.GPTInPieces),
            workloads.gpt_compiled,
            *(0.7, None),
        ),
    }
    for what, (in_pieces, unrolled, most_seconds, most) in cases.items():
        ours, theirs = in_pieces(), unrolled()
        check_agreement(what, ours, theirs)
        took, theirs_took = (
            min(seconds(make()) for _ in range(rounds)) for make in (in_pieces, unrolled)
        )
        details = f"unrolled {theirs_took:.2f} s"
        yield Row(
            f"{what}: compiling it, and one step",
            f"{took:.2f} s",
            f"at most {most_seconds} s",
            took <= most_seconds,
            details,
        )
        timings = alternate(ours, theirs, rounds)
        row = f"{what}: a step, unrolled"
        if most is None:
            yield slower(row, timings)
        else:
            yield at_most(row, timings.slowdown, most, milliseconds(timings))


def in_c(quick: bool) -> Iterator[Row]:
    """Time value and gradient in C against Python, and against CasADi's virtual machine.

    All three are called with one flat list of numbers.
    """
    rounds = 3 if quick else 11
    rng = Random(5)
    moons = workloads.moons_loss(*workloads.moons(10 if quick else 100))
    cases: dict[str, tuple[Any, int]] = {"moons MLP": (moons, 337)}
    if not quick:
        cases["GPT step"] = (workloads.gpt_loss, len(workloads.GPT(Value).parameters))
    for what, (loss, count) in cases.items():
        numbers = [rng.gauss(0, 0.3) for _ in range(count)]
        f = value_and_grad(loss)
        compiled_c, compiled_python = compile(f, target="c"), compile(f)
        steps: dict[str, Step] = {
            "C": partial(_flat, compiled_c, numbers),
            "Python": partial(_flat, compiled_python, numbers),
        }
        took = {name: seconds(step) for name, step in steps.items()}
        if steps["C"]() != steps["Python"]():
            raise SystemExit(f"{what}: C and Python disagree")
        details = f"compiled in {took['C']:.1f} s, theirs {took['Python']:.1f} s"
        ours: Any = partial(compiled_c, numbers)
        timings = alternate(ours, partial(compiled_python, numbers), rounds)
        details = f"{milliseconds(timings)}; {details}"
        yield at_least(f"{what} in C, in Python", timings.speedup, None, details)
        machine = f"{what} in C, CasADi's virtual machine"
        least = 3 if what.startswith("moons") else 2
        try:
            with from_index.installed("casadi"):
                casadi = import_module("casadi")
                started = perf_counter()
                theirs = workloads.casadi_function(casadi, loss, numbers)
                theirs()
                details = f"theirs compiled in {perf_counter() - started:.1f} s"
                check_agreement(what, steps["C"], theirs)
                timings = alternate(ours, theirs, rounds)
                details = f"{milliseconds(timings)}; {details}"
                yield at_least(machine, timings.speedup, least, details)
        except from_index.Unavailable as error:
            yield Row(machine, "not measured", f"at least {least}x", details=str(error))


def branches(quick: bool) -> Iterator[Row]:
    """Time guards, and functions of two paths against the same with `where`."""
    rounds = 5 if quick else 25
    points = [(k % 10 - 4.5, 1.5) for k in range(100)]
    for target in ("python", "c"):
        guarded, plain = [
            compile(partial(workloads.with_guards, guards), target=target) for guards in (20, 0)
        ]
        timings = alternate(partial(guarded, 1.0, 2.0), partial(plain, 1.0, 2.0), rounds, 1000)
        pairs = zip(timings.ours, timings.theirs, strict=True)
        cost = median(ours - theirs for ours, theirs in pairs) / 20 * 1e9
        yield Row(f"a guard, {target}", f"{cost:.0f} ns", "at most 60 ns", cost <= 60)
        for what, by_if, by_where in (
            ("short", workloads.short_if, workloads.short_where),
            ("long", workloads.long_if, workloads.long_where),
        ):
            ours, theirs = [
                partial(_at_each, compile(value_and_grad(f, (0, 1)), target=target), points)
                for f in (by_if, by_where)
            ]
            row = f"two paths, {what} sides, {target}, where"
            check_agreement(row, ours, theirs)
            timings = alternate(ours, theirs, rounds)
            yield at_most(row, timings.slowdown, 1.1, milliseconds(timings))


def _at_each(f: Any, points: list[tuple[float, float]]) -> list[float]:
    return [f(*point)[0] for point in points]


def calls(quick: bool) -> Iterator[Row]:
    """Time what a call costs beside its program: value and gradient of a sample at a time."""
    rounds = 5 if quick else 25
    points, targets = workloads.moons()
    layers = workloads.nested_layers()
    weights = flatten(layers)[0]  # as the program takes them
    by_call = compile(value_and_grad(workloads.sample_loss))
    for what, kind in (("labels that are ints", int), ("all floats", float)):
        samples = [(list(p), kind(y)) for p, y in zip(points, targets, strict=True)]
        by_call(layers, *samples[0])
        newest: Any = next(reversed(by_call._programs.values())).latest

        def through_compile(samples: Any = samples) -> list[float]:
            return [by_call(layers, *sample)[0] for sample in samples]

        def by_hand(samples: Any = samples, program: Any = newest.function) -> list[float]:
            return [program(weights, *sample)[0] for sample in samples]

        row = f"nested arguments, {what}: called, its program by hand"
        check_agreement(row, through_compile, by_hand)
        timings = alternate(through_compile, by_hand, rounds)
        yield at_most(row, timings.slowdown, 1.35, milliseconds(timings))

    model = MLP(2, [16, 16, 1])
    flat = [x for layer in handwritten.make_layers() for ws, b in layer for x in (*ws, *b)]
    for p, x in zip(model.parameters(), flat, strict=True):
        p.data = x
    captured = compile(lambda x, y: relu(1 - y * model(x)))
    pairs = list(zip(map(list, points), targets, strict=True))

    def backward() -> list[float]:
        return [captured.backward(x, y) for x, y in pairs]

    row = ".backward of each sample, the value alone by hand"
    theirs = handwritten.value_of_each_sample()
    check_agreement(row, backward, theirs)
    timings = alternate(backward, theirs, rounds)
    yield at_most(row, timings.slowdown, 1.5, milliseconds(timings))


def _flat(f: Any, numbers: list[float]) -> list[float]:
    return flatten(f(numbers))[0]


def parallel(quick: bool) -> Iterator[Row]:
    """Time `map_grad` with executors of two processes, against one thread."""
    rounds = 3 if quick else 11
    batch = workloads.parallel_batch()
    compiled_loss = compile(value_and_grad(workloads.parallel_loss))
    compiled_loss(*batch[0])

    def step(executor: Executor) -> Step:
        return lambda: flatten(map_grad(compiled_loss, batch, executor))[0]

    def against_one_thread(what: str, executor: Executor) -> Row:
        if step(executor)() != step(one_thread)():
            raise SystemExit(f"{what}: not the same to the last bit")
        timings = alternate(step(executor), step(one_thread), rounds)
        return at_least(
            f"map_grad, {what}, one thread", timings.speedup, None, milliseconds(timings)
        )

    with ThreadPoolExecutor(1) as one_thread:
        with ProcessPoolExecutor(2, get_context("spawn")) as processes:
            yield against_one_thread("two processes", processes)
        what = "a dask.distributed LocalCluster of two processes"
        try:
            with from_index.installed("distributed"):
                distributed = import_module("distributed")
                options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
                with distributed.LocalCluster(**options) as cluster, cluster.get_client() as client:
                    yield against_one_thread(what, client.get_executor())
        except from_index.Unavailable as error:
            yield Row(f"map_grad, {what}, one thread", "not measured", details=str(error))


def second_order(quick: bool) -> Iterator[Row]:
    """Time gradients that can be differentiated again, and Hessian-vector products.

    With `create_graph` the gradients and the Values that hold them make cycles. One run at a time
    leaves out what it takes Python's collector to free them; in a loop that is included.
    """
    rounds = 5 if quick else 15
    for what, (f, point) in {
        "mixed expression": functions.mixed(),
        "MLP loss, an op at a time": functions.mlp_per_op(),
        "MLP loss, an op a neuron": functions.mlp_fused(),
    }.items():
        numbers, structure = flatten(point)

        def gradient(
            create_graph: bool, f: Any = f, numbers: Any = numbers, structure: Any = structure
        ) -> list[float]:
            leaves = [Value(x) for x in numbers]
            f(unflatten(structure, leaves)).backward(create_graph=create_graph)
            return [x.grad.data if create_graph else x.grad for x in leaves]

        def with_graph(gradient: Any = gradient) -> list[float]:
            return gradient(create_graph=True)  # type: ignore[no-any-return]

        def without(gradient: Any = gradient) -> list[float]:
            return gradient(create_graph=False)  # type: ignore[no-any-return]

        def by_grad(f: Any = f, point: Any = point) -> list[float]:
            return flatten(grad(f)(point))[0]

        def product(f: Any = f, point: Any = point) -> list[float]:
            return flatten(hvp(f, (point,), (point,)))[0]

        check_agreement(what, with_graph, without)
        check_agreement(what, by_grad, without)
        name = f"{what}: gradient with create_graph, without"
        for runs, in_a_row, least in (("one run at a time", 1, 0.0), ("in a loop", 5, 0.03)):
            timings = alternate(with_graph, without, 5 * rounds // in_a_row, in_a_row, least)
            yield at_most(f"{name}, {runs}", timings.slowdown, 4, milliseconds(timings))
        timings = alternate(product, by_grad, rounds)
        yield at_most(f"{what}: hvp, grad", timings.slowdown, 6, milliseconds(timings))
        yield slower(f"{what}: grad, backward", alternate(by_grad, without, rounds))


def series(quick: bool) -> Iterator[Row]:
    """Time power series: to order 40, and how their time grows with the order."""
    rounds = 5 if quick else 15
    took = {
        order: median(
            seconds(lambda order=order: taylor(functions.of_23_ops, 0.3, order))  # type: ignore[misc]
            for _ in range(rounds)
        )
        for order in (40, 160)
    }
    milliseconds_40 = took[40] * 1e3
    yield Row(
        "taylor to order 40 of a function of 23 ops",
        f"{milliseconds_40:.1f} ms",
        "at most 50 ms",
        milliseconds_40 <= 50,
        f"to order 160 {took[160] * 1e3:.1f} ms: {took[160] / took[40]:.1f}x",
    )


def memory(quick: bool) -> Iterator[Row]:
    """Measure what a binary op keeps in memory."""
    ours = bytes_per_product(Value)
    theirs = bytes_per_product(tuple_engine.Value)
    yield Row(
        "memory per binary op",
        f"{ours:.0f} bytes",
        "at most 112 bytes",
        ours <= 112,
        f"the tuple engine {theirs:.0f} bytes",
    )


def build_chain(ops: int) -> Any:
    x = y = Value(1.0)
    for _ in range(ops):
        y = y + x
    return y


def build_wide(ops: int) -> Any:
    x = Value(2.0)
    return fsum([x * 0.5 for _ in range(ops - 1)])


def linearity(quick: bool) -> Iterator[Row]:
    """Compare the time per op of a large graph with that of a small one.

    Measured with Python's garbage collector on, as by default, and off. When it is on, it
    rescans all live objects whenever they grow by a quarter; a small graph never grows so far.
    """
    small, large = 10_000, 100_000 if quick else 1_000_000
    for what, build in {"chain": build_chain, "wide graph": build_wide}.items():
        for collector, setting in {gc.enable: "on", gc.disable: "off"}.items():
            collector()
            per_op = []
            for ops, rounds in ((small, 21), (large, 3 if quick else 7)):
                times = [pass_times(build, ops) for _ in range(rounds)]
                per_op.append([median(direction) * 1e9 for direction in zip(*times, strict=True)])
            gc.enable()
            for direction, alone, big in zip(("forward", "backward"), *per_op, strict=True):
                yield Row(
                    f"{what}, {direction}, collector {setting}: per op, {large:,} ops to {small:,}",
                    f"{big / alone:.2f}x",
                    "at most 1.5x",
                    big / alone <= 1.5,
                    f"{big:.0f} ns an op, {alone:.0f} ns",
                )


def pass_times(build: Callable[[int], Any], ops: int) -> tuple[float, float]:
    """Return the seconds per op of building a graph, and of its backward pass."""
    graphs: list[Any] = []
    forward = seconds(lambda: graphs.append(build(ops)))
    backward = seconds(graphs[0].backward)
    return forward / ops, backward / ops


def import_time(quick: bool) -> Iterator[Row]:
    """Time `import scalargrad` in a new interpreter against the modules that it stands on."""
    ours = start_up("import scalargrad")
    theirs = start_up("import math, operator, collections")
    timings = alternate(ours, theirs, rounds=5 if quick else 31)
    bound = 2 * median(timings.theirs) + 0.015
    measured = median(timings.ours)
    yield Row(
        "import scalargrad, with the interpreter's start",
        f"{measured * 1e3:.1f} ms",
        f"at most {bound * 1e3:.1f} ms",
        measured <= bound,
        f"2x {median(timings.theirs) * 1e3:.1f} ms (import math, operator, collections) + 15 ms",
    )


BENCHMARKS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "per-op": per_op,
    "mlp": mlp,
    "compile": compiled,
    "pieces": pieces,
    "branches": branches,
    "calls": calls,
    "c": in_c,
    "buffers": buffers,
    "parallel": parallel,
    "second-order": second_order,
    "taylor": series,
    "memory": memory,
    "linearity": linearity,
    "import": import_time,
}


def measured(name: str, quick: bool) -> list[Row]:
    return list(BENCHMARKS[name](quick))
