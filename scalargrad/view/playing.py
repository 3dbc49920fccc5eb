"""The playground: a page that trains a model, with the model's own program in JavaScript.

The gradient of the loss of one example, the outputs of all neurons, and the step of the optimiser
are each traced and spelled. The page only loops over the examples, adds in their order, and
divides. The losses of the first steps are computed in Python too, and the page compares.
"""

from __future__ import annotations

import math
import random
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from scalargrad import optim
from scalargrad.engine.errors import PACKAGE, TraceError
from scalargrad.engine.value import Value
from scalargrad.programs.code import Builder, Code, Literal, Operand, lower, rebuild
from scalargrad.programs.passes.simplify import optimised
from scalargrad.programs.run.compiled import compile
from scalargrad.programs.trace.symbols import Trace, symbol
from scalargrad.view.languages.javascript import is_spelled, statements
from scalargrad.view.languages.spelling import OPS
from scalargrad.view.lowering import slopes_of
from scalargrad.view.neurons import Unit, steps_of, units_of
from scalargrad.view.showing import ShownPage
from scalargrad.view.svg import text
from scalargrad.view.templates import script_page
from scalargrad.view.training import Window

MOST_PARAMETERS = 2_500
_STARTS = 4  # how many first models the page can choose from
_CHECKED = 10  # steps whose losses Python computes too
_FRAMES = 60  # steps that a page replays which cannot compute them
_PICTURED = 2  # every so many steps it has a picture of the output
_GRID = (48, 30)  # the cells of such a picture
_OPTIMIZERS = (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop)


def playground(
    make: Callable[[random.Random], Any],
    loss: Callable[[Any, Any], Any],
    train: Sequence[tuple[Sequence[float], Any]],
    test: Sequence[tuple[Sequence[float], Any]] = (),
    optimizer: Callable[[list[Value]], optim.Optimizer] = optim.SGD,
    penalty: Callable[[list[Any]], Any] | None = None,
    title: str = "Playground",
) -> Playground:
    """Return a page in which a model learns: to train, to look inside, to change the data.

    `make(rng)` returns a model: an object that is called with the list of an example's inputs and
    returns a Value or a list of Values, and that has `parameters()`, as those of `nn` have.
    `loss(output, target)` is the loss of one example. `train` and `test` are pairs of inputs, a
    list of numbers, and a target: a number, a list of numbers, or the index of a class.
    `optimizer(parameters)` returns an optimiser of `scalargrad.optim`. What is minimised is the
    mean of the losses, and `penalty(parameters)` besides. `title` is shown in the page.

    A model whose code the page cannot follow, as one that chooses with `if`, is trained here, and
    the page replays that and says why. Raises TypeError and ValueError for arguments that do not
    fit, ValueError for more than 2,500 parameters, and what the model and the loss raise.

    >>> import random
    >>> from scalargrad import nn, tanh
    >>> data = [([x / 4], math.sin(x / 4)) for x in range(-12, 13)]
    >>> page = playground(
    ...     lambda rng: nn.MLP(1, [4, 1], activation=tanh, rng=rng),
    ...     lambda output, target: (output - target) ** 2,
    ...     data,
    ...     optimizer=lambda parameters: optim.Adam(parameters, lr=0.05),
    ... )
    >>> page.reason, "<html" in page.html
    ('', True)
    """
    task = _Task(make, loss, _examples("train", train), _examples("test", test), penalty)
    if not task.train:
        raise ValueError("a playground needs examples to train on")
    if {len(x) for x, _ in task.train + task.test} != {len(task.train[0][0])}:
        raise ValueError("all examples must have as many inputs")
    return Playground(task, optimizer, title)


@dataclass
class _Task:
    """What is to be learned, and by which kind of model."""

    make: Callable[[random.Random], Any]
    loss: Callable[[Any, Any], Any]
    train: list[tuple[list[float], Any]]
    test: list[tuple[list[float], Any]]
    penalty: Callable[[list[Any]], Any] | None
    # Whether targets are single numbers; else lists, or classes, which are lists here.
    single: bool = True
    classes: bool = False


class Playground:
    """A page to train a model in: what `playground` returns.

    `html` is its text, `reason` says why the page cannot compute, "" if it can.
    """

    def __init__(
        self, task: _Task, optimizer: Callable[[list[Value]], optim.Optimizer], title: str
    ) -> None:
        self._task, self._title = task, title
        self._make_optimizer = optimizer
        self._models = [task.make(random.Random(seed)) for seed in range(_STARTS)]
        parameters = [_parameters(model) for model in self._models]
        if len({len(own) for own in parameters}) != 1:
            raise ValueError("make must return models of the same size each time")
        if len(parameters[0]) > MOST_PARAMETERS:
            raise ValueError(
                f"a playground takes at most {MOST_PARAMETERS} parameters, this model has "
                f"{len(parameters[0])}: train it in Python, and keep its boundary step by step "
                "in a view.training.Film"
            )
        _settle_targets(task, self._models[0])
        self._optimizer = optimizer(parameters[0])
        if type(self._optimizer) not in _OPTIMIZERS:
            known = ", ".join(kind.__name__ for kind in _OPTIMIZERS)
            raise TypeError(
                f"optimizer must give one of scalargrad.optim's: {known}; "
                f"not a {type(self._optimizer).__name__}"
            )
        self._starts = [[float(p.data) for p in own] for own in parameters]
        self.reason = ""
        self._script, self._programs = "", dict[str, Any]()
        try:
            traced = _traced(task, self._models[0], parameters[0])
            self.reason = _why_not(traced, _traced(task, self._models[0], parameters[0]))
        except TraceError as error:
            self.reason = _reason(error)
        if not self.reason:
            self._script, self._programs = _programs(traced, parameters[0], self._optimizer, task)
        self._html = ""

    @property
    def html(self) -> str:
        """The page as text. The first time it trains for some steps, to compare with."""
        if not self._html:
            self._html = self._page()
        return self._html

    def save(self, path: str | Path) -> None:
        """Write the page to the file `path`."""
        Path(path).write_text(self.html, encoding="utf-8")

    def show(self) -> ShownPage:
        """Show the page: in the notebook's cell that this ends, else in the browser."""
        return ShownPage(self.html)

    def _page(self) -> str:
        parts = {"about": text(self._about()), "program": self._script}
        return script_page("playing", self._title, self._data(), parts, self._script)

    def _about(self) -> str:
        model = self._models[0]
        count = len(self._starts[0])
        return (
            f"{type(model).__name__} · {count} parameter{'' if count == 1 else 's'} · "
            f"{len(self._task.train)} examples · {type(self._optimizer).__name__}"
        )

    def _data(self) -> dict[str, Any]:
        task = self._task
        runs = [self._run(k) for k in range(1 if self.reason else _STARTS)]
        data: dict[str, Any] = {
            "inputs": len(task.train[0][0]),
            "outputs": len(_outputs(self._models[0](task.train[0][0]))),
            "classes": task.classes,
            "train": [[*x, *t] for x, t in task.train],
            "test": [[*x, *t] for x, t in task.test],
            "starts": self._starts[: len(runs)],
            "lr": float(self._optimizer.lr),
            "optimizer": type(self._optimizer).__name__,
            "losses": [losses for losses, _ in runs],
            "reason": self.reason,
        }
        if self.reason:
            return {**data, "frames": runs[0][1], "grid": _GRID}
        return {**data, **self._programs, "penalised": task.penalty is not None}

    def _run(self, seed: int) -> tuple[list[float], list[list[float]]]:
        """Train a model for some steps; return its losses and, where they are shown, pictures."""
        task = self._task
        model = task.make(random.Random(seed))
        parameters = _parameters(model)
        optimizer = self._make_optimizer(parameters)
        losses: list[float] = []
        frames: list[list[float]] = []
        program: Any = None if self.reason else compile(partial(_loss_of, task, model))
        for step in range(_FRAMES if self.reason else _CHECKED):
            optimizer.zero_grad()
            total = 0.0
            for x, t in task.train:
                if program is not None:
                    total += program.backward(x, t)
                else:
                    value = _loss_of(task, model, x, t)
                    value.backward()
                    total += float(value.data)
            for p in parameters:
                p.grad = p.grad / len(task.train)
            mean = total / len(task.train)
            if task.penalty is not None:
                extra = task.penalty(parameters)
                extra.backward()
                mean += float(extra.data)
            losses.append(mean)
            if self.reason:
                frames.append(self._pictured(model) if step % _PICTURED == 0 else [])
            optimizer.step()
        return losses, frames

    def _pictured(self, model: Any) -> list[float]:
        """Return the output at each cell of the plane, or each place of a line, in few digits."""
        task = self._task
        sides = []
        for column in zip(*(x for x, _ in task.train + task.test), strict=True):
            low, high = min(column), max(column)
            room = 0.15 * (high - low) or 1.0
            sides.append((low - room, high + room))
        if len(sides) > 2 or len(_outputs(model(task.train[0][0]))) != 1:
            return []
        horizontal, vertical = [*sides, (0.0, 0.0)][:2]
        columns, rows = _GRID
        cells = Window(*horizontal, *vertical).grid(columns, rows if len(sides) == 2 else 1)
        digits = 2 if len(sides) == 2 else 4  # colours, or the height of a line
        return [_short(_outputs(model(list(cell[: len(sides)])))[0], digits) for cell in cells]


def _short(x: Any, digits: int) -> float:
    return float(f"{float(x.data if isinstance(x, Value) else x):.{digits}g}")


def _examples(name: str, given: Sequence[Any]) -> list[tuple[list[float], Any]]:
    found = []
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(
                f"{name} must be pairs of inputs and a target, as in ([0.5, 1.0], 1), got {pair!r}"
            )
        inputs, target = pair
        if not isinstance(inputs, Iterable):
            raise TypeError(f"the inputs of an example are a list of numbers, got {inputs!r}")
        found.append(([float(x) for x in inputs], target))
    return found


def _parameters(model: Any) -> list[Value]:
    if not callable(getattr(model, "parameters", None)) or not callable(model):
        raise TypeError(
            "make must return a model that can be called and has parameters(), as nn.MLP is; "
            f"got {model!r}"
        )
    return list(model.parameters())


def _outputs(output: Any) -> list[Any]:
    return list(output) if isinstance(output, list | tuple) else [output]


def _settle_targets(task: _Task, model: Any) -> None:
    """Make all targets lists: one-hot lists of classes, if the loss takes these for an index."""
    targets: list[Any] = [t for _, t in task.train + task.test]
    width = len(_outputs(model(task.train[0][0])))

    def as_list(t: Any) -> list[Any]:
        if task.classes:
            return _one_hot(t, width)
        return [t] if task.single else [float(e) for e in t]

    if any(isinstance(t, list | tuple) for t in targets):
        task.single = False
    elif width > 1 and all(isinstance(t, int) and 0 <= t < width for t in targets):
        x, t = task.train[0]
        output = model(x)
        try:
            by_index, by_list = task.loss(output, t), task.loss(output, _one_hot(t, width))
            task.classes = math.isclose(float(by_index.data), float(by_list.data), rel_tol=1e-9)
        except (TypeError, ValueError, IndexError):
            pass
        task.single = not task.classes
    for examples in (task.train, task.test):
        examples[:] = [(x, as_list(t)) for x, t in examples]


def _one_hot(k: int, width: int) -> list[float]:
    return [float(i == k) for i in range(width)]


def _loss_of(task: _Task, model: Any, x: Any, t: Any) -> Any:
    return task.loss(model(x), t[0] if task.single else t)


# --- programs


def _programs(
    traced: _Traced, parameters: Sequence[Value], optimizer: optim.Optimizer, task: _Task
) -> tuple[str, dict[str, Any]]:
    """Return the functions of the page, as text, and what the page must know of the model."""
    code, units, leaves, count = traced
    x, t = task.train[0]
    first = len(x) + len(t)
    sizes = {"x": len(x), "t": len(t), "p": len(parameters)}
    sizes["c"] = len(leaves) - first - len(parameters)
    names = [f"{name}[{k}]" for name, size in sizes.items() for k in range(size)]
    # The outputs of the code: see `_traced`.
    loss, scores, rest = code.outputs[0], code.outputs[1 : 1 + count], code.outputs[1 + count :]
    n = 2 * sum(unit.total is not None for unit in units)
    of_neurons, slopes = rest[:n], rest[n:]
    activity = of_neurons[1::2]
    pairs = [x for k in range(0, n, 2) for x in (*of_neurons[k : k + 2], *slopes[k : k + 2])]
    parts = {"forward": [loss, *scores, *activity], "backward": [loss, *pairs, *slopes[n:]]}
    script = [
        statements(
            name, "p, x, t, c", optimised(Code(code.inputs, code.equations, wanted), "float"), names
        )
        for name, wanted in parts.items()
    ]
    if task.penalty is not None:
        script.append(_penalty_text(task.penalty, len(parameters)))
    memories = tuple(optimizer._remembered)
    script.append(_update_text(optimizer, memories))
    places: dict[Any, int | None] = {None: None}
    places |= {first + k: k for k in range(len(parameters))}
    known = [
        {
            "column": unit.column,
            "terms": [(places[weight], source) for weight, source in unit.terms],
            "bias": places[unit.bias],
            "function": unit.function,
            "out": scores.index(x) if x in scores else None,
        }
        for unit, x in zip(units, [*[None] * len(x), *activity], strict=True)
    ]
    constants = [float(leaf._data) for leaf in leaves[first + len(parameters) :]]
    data = {"units": known, "constants": constants, "memories": len(memories)}
    return "\n".join(script), data


class _Traced(NamedTuple):
    """The code of an example's loss and of all that the page shows of it, and its inputs."""

    code: Code
    units: list[Unit]
    leaves: list[Any]
    outputs: int


def _traced(task: _Task, model: Any, parameters: Sequence[Value]) -> _Traced:
    x, t = task.train[0]
    xs, ts = [symbol() for _ in x], [symbol() for _ in t]
    numbers = [*x, *[float(e) for e in t]]
    trace = Trace(dict(zip([*xs, *ts], numbers, strict=True)))
    with trace.running():
        output = model(list(xs))
        y = task.loss(output, ts[0] if task.single else list(ts))
        scores = _outputs(output)
        inputs = [*xs, *ts, *parameters]
        code, leaves = lower(trace.symbols, scores, inputs)
        first = len(xs) + len(ts)
        weights = range(first, first + len(parameters))
        units = units_of(code, range(len(xs)), weights)
        if all(unit.total is None for unit in units):
            units = steps_of(code, range(len(xs)))
        computed = [*leaves, *trace.symbols]
        # Of each neuron its sum and its output, and then the derivatives by all of them.
        neurons = [
            computed[x]
            for unit in units
            if unit.total is not None
            for x in (unit.total, unit.output)
        ]
        wanted = [y, *scores, *neurons, *slopes_of(y, [*neurons, *parameters])]
        code, leaves = lower(trace.symbols, wanted, leaves)
    return _Traced(_without_sumprods(code), units, leaves, len(scores))


def _without_sumprods(code: Code) -> Code:
    """Return `code` with each sumprod written out: V8 is faster without the arrays.

    The outputs and the variables that stay keep their order, but not their numbers.
    """
    builder = Builder(code.inputs)

    def rule(op: Any, operands: Sequence[Operand]) -> int:
        if op is not OPS["sumprod"]:
            return builder.write(op, tuple(operands))
        n = len(operands) // 2
        pairs = zip(operands[:n], operands[n : 2 * n], strict=True)
        terms = [builder.write(OPS["*"], pair) for pair in pairs]
        total = terms[0]
        for term in [*terms[1:], *operands[2 * n :]]:
            total = builder.write(OPS["+"], (total, term))
        return total

    return rebuild(code, builder, rule)


def _penalty_text(penalty: Callable[[list[Any]], Any], count: int) -> str:
    """Return the function that gives the penalty and its derivatives by all parameters."""

    def call(ps: list[Any]) -> list[Any]:
        y = penalty(list(ps))
        return [y, *slopes_of(y, ps)]

    return _function_text("penalty", "p", count, call)


def _update_text(optimizer: optim.Optimizer, memories: Sequence[str]) -> str:
    """Return the function of one parameter's step: its new number, and what is remembered."""

    def call(numbers: list[Any]) -> list[Any]:
        p, g, steps, lr, *kept = numbers
        state = {"steps": steps, **{name: [m] for name, m in zip(memories, kept, strict=True)}}
        settings = {**optimizer.param_groups[0], "lr": lr}
        [moved], after = optimizer._stepped([p], [g], state, settings)
        return [moved, *[after[name][0] for name in memories]]

    return _function_text("update", "x", 4 + len(memories), call)


def _function_text(
    name: str, parameter: str, count: int, call: Callable[[list[Any]], list[Any]]
) -> str:
    """Return a function of an array of `count` numbers that gives what `call` gives for them."""
    inputs = [symbol() for _ in range(count)]
    trace = Trace(dict.fromkeys(inputs, 0.5))
    with trace.running():
        code, _ = lower(trace.symbols, call(inputs), inputs)
    names = [f"{parameter}[{k}]" for k in range(count)]
    return statements(name, parameter, optimised(_without_sumprods(code), "float"), names)


# --- what the page cannot follow


def _why_not(traced: _Traced, again: _Traced) -> str:
    """Return why the page cannot compute what was traced, once and once more: "" if it can."""
    for op, _ in traced.code.equations:
        if OPS.get(op.name) is not op:
            return f"This model calls {op.name}, a function of Python's that a page does not have."
    if not is_spelled(traced.code):
        return "This model has numbers that JavaScript does not have."
    if _constants(again.code) != _constants(traced.code):
        return "This model draws random numbers, and a page would repeat those of its first run."
    return ""


def _constants(code: Code) -> list[Any]:
    operands = [x for _, operands in code.equations for x in operands]
    return [x.value for x in operands if isinstance(x, Literal)]


def _reason(error: TraceError) -> str:
    """Return why a model cannot be traced, and where in the user's code."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if PACKAGE not in f.filename]
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    if "branch" in str(error):
        return f"This model chooses with if{place}, which a page cannot follow."
    return f"A page cannot follow this model{place}: {str(error).splitlines()[0]}."
