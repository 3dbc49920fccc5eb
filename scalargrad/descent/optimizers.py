"""Optimisers, their functions of plain numbers, and gradient clipping: PyTorch's formulas.

Each optimiser's formula is written once, as a method `_moved` of lists of numbers. It takes
parameters, their gradients and what is remembered of them, and returns the next parameters and
memory. `Adam(...).step()` applies it to Values. `adam_update` applies it to nested numbers, for
example in a function that compiles a whole training step.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

from scalargrad.engine.context import active, refuse_access
from scalargrad.engine.errors import shown
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions.arithmetic import sqrt
from scalargrad.functions.choices import choose
from scalargrad.transforms.nesting import (
    flatten,
    flatten_like,
    unflatten,
    with_arrays,
    without_arrays,
)

Row = list[Any]
# What an optimiser remembers: by name, a number for each parameter.
Memory = dict[str, Row]
State = dict[str, Any]

# Given in place of parameters by functions that get these later. Settings may then be traced.
_LATER: Any = object()


class Table(dict[str, Any]):
    """A dict that `Table(name=x)` makes: settings with their defaults, or names with PyTorch's."""


class Optimizer:
    """The base class: checks and keeps the parameters, and moves all of them in `step`.

    Parameters are a list of Values, of pairs of a name and a Value, or of dicts. Each dict is a
    group with settings of its own: `{"params": values, "lr": 0.1}`. A subclass lists its settings
    in `_settings`, with their defaults, and what it remembers of each parameter in `_remembered`,
    with PyTorch's names; it defines `_moved`. A setting such as `lr` is an attribute: to read it
    gives that of the first group, to set it sets that of all groups. `param_groups` has the
    settings by group, as in PyTorch. With `maximize` the steps go uphill.

    Raises ValueError if there are no parameters, for a parameter that is given twice or is the
    result of an op, and for a setting out of its range; TypeError for a parameter that is not a
    Value, for a setting that is not a real number, and for one that is not there.
    """

    defaults = Table()
    _settings = Table()
    _remembered = Table()
    # Whether weight decay shrinks the parameters themselves, and is not added to the gradient.
    _decoupled = False

    def __init__(self, parameters: Iterable[Any], *values: Any, **named: Any) -> None:
        given = dict(zip(self._settings, values))  # noqa: B905 - the other settings are named
        wrong = [name for name in named if name not in self._settings or name in given]
        if len(values) > len(self._settings) or wrong:
            got = ", ".join([*map(shown, values), *(f"{k}={shown(x)}" for k, x in named.items())])
            raise TypeError(
                f"{type(self).__name__} takes {', '.join(self._settings)}, each once, got {got}"
                + (f": leave out {', '.join(wrong)}" if wrong else "")
            )
        self.defaults = Table({**self._settings, **given, **named})
        self._check(self.defaults, traced=parameters is _LATER)
        self.param_groups: list[dict[str, Any]] = []
        self._states: list[State] = []
        if parameters is _LATER:
            return
        groups: list[Any] = list(parameters) if isinstance(parameters, Iterable) else []
        if not groups or not all(isinstance(group, dict) for group in groups):
            groups = [{"params": groups if groups else parameters}]
        for group in groups:
            self.add_param_group(group)

    def __init_subclass__(cls) -> None:
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter("parameters", kind)]
        parameters += [inspect.Parameter(k, kind, default=x) for k, x in cls._settings.items()]
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        if name in self.defaults:
            return self.param_groups[0][name]
        raise AttributeError(f"{type(self).__name__} has no {name}")

    def __setattr__(self, name: str, x: Any) -> None:
        if name not in self.defaults:
            super().__setattr__(name, x)
            return
        for group in self.param_groups:
            group[name] = x

    @property
    def parameters(self) -> list[Value]:
        """The parameters of all groups, as one list."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @property
    def steps(self) -> int:
        """The number of steps so far."""
        count: int = max(state["steps"] for state in self._states)
        return count

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group: its parameters are `params`; a setting that it does not name is the default.

        >>> optimizer = SGD([Value(1.0)], lr=0.5)
        >>> optimizer.add_param_group({"params": [Value(2.0)], "lr": 0.25})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.5, 0.25]
        """
        known = {"params", "initial_lr", *self.defaults}
        if not isinstance(param_group, dict) or not {"params"} <= param_group.keys() <= known:
            raise TypeError(
                f"a group of {type(self).__name__} is a dict of params and, if others than by "
                f"default, {', '.join(self.defaults)}, got {shown(param_group)}"
            )
        self._check(Table({**self.defaults, **param_group}), traced=False)
        before = self.parameters
        added = param_group["params"]
        if not isinstance(added, Value) and isinstance(added, Iterable):
            added = list(added)
        count = len(_checked_parameters(added))
        params = _checked_parameters([*before, *added])[len(before) :]
        self.param_groups.append({**self.defaults, **param_group, "params": params})
        self._states.append({"steps": 0, **{name: [0] * count for name in self._remembered}})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradient of every parameter to 0, which None means here, too."""
        for parameter in self.parameters:
            parameter.grad = 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter by its gradient, also where that is 0.

        As in PyTorch, a `closure` is called first: it computes the gradients and returns the loss,
        and `step` returns that.

        Raises OverflowError if finite numbers would give a parameter, or what is remembered of it,
        a number too large for a float; and TypeError if a gradient is a Value. Nothing has changed
        then.
        """
        loss = None if closure is None else closure()
        made = []
        for group, state in zip(self.param_groups, self._states, strict=True):
            gs = _gradients(group["params"], "a step")
            xs = [parameter._data for parameter in group["params"]]
            made.append(self._stepped(xs, gs, state, group))
        self._states = [state for _, state in made]
        for group, (xs, _) in zip(self.param_groups, made, strict=True):
            if set(map(type, xs)) == {float}:  # they need no checks
                for parameter, x in zip(group["params"], xs, strict=True):
                    parameter._data = x
            else:
                for parameter, x in zip(group["params"], xs, strict=True):
                    parameter.data = x
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return what it remembers and its settings: plain data, ready for `json.dump`.

        The names are PyTorch's: `state` has a dict for each parameter, by its number, after the
        first step, and `param_groups` has the settings. `load_state_dict` gives ints and floats
        back exactly; other kinds of number become floats.

        >>> optimizer = SGD([Value(1.0)], lr=0.5, momentum=0.5)
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'step': 1, 'momentum_buffer': 0}}
        """
        state: dict[int, Any] = {}
        groups: list[dict[str, Any]] = []
        for group, kept in zip(self.param_groups, self._states, strict=True):
            count = len(group["params"])
            first = sum(len(g["params"]) for g in groups)
            if kept["steps"]:
                for i in range(count):
                    memory = {theirs: plain(kept[n][i]) for n, theirs in self._remembered.items()}
                    state[first + i] = {"step": kept["steps"], **memory}
            settings = {name: plain(x) for name, x in group.items() if name != "params"}
            groups.append({**settings, "params": list(range(first, first + count))})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Set what it remembers and its settings, from what `state_dict` returned.

        Raises TypeError or ValueError, saying why, if that does not fit. Nothing has changed then.

        >>> optimizer, other = SGD([Value(1.0)], lr=0.5), SGD([Value(1.0)], lr=0.25)
        >>> other.load_state_dict(optimizer.state_dict())
        >>> other.lr
        0.5
        """
        misfit = f"the state does not fit this {type(self).__name__}, which was left as it was: "
        try:
            kept, groups = state_dict["state"], list(state_dict["param_groups"])
            sizes = [len(group["params"]) for group in groups]
        except (KeyError, TypeError):
            raise TypeError(
                f"load_state_dict takes a dict of state and param_groups, as state_dict gives it, "
                f"not {shown(state_dict)}"
            ) from None
        own = [len(group["params"]) for group in self.param_groups]
        if sizes != own:
            raise ValueError(f"{misfit}it has groups of {own} parameters, the state of {sizes}")
        settings, states = [], []
        for group in groups:
            read = {k: tuple(x) if isinstance(x, list) else x for k, x in group.items()}
            del read["params"]
            if unknown := sorted(read.keys() - self.defaults - {"initial_lr"}):
                raise ValueError(f"{misfit}it has no {', '.join(unknown)}")
            self._check(Table({**self.defaults, **read}), traced=False)
            settings.append(read)
            rows = [kept.get(i, kept.get(str(i))) or {} for i in group["params"]]
            counts = {int(row.get("step", bool(row))) for row in rows}
            if len(counts) > 1:
                raise ValueError(f"{misfit}parameters of one group took {counts} steps")
            state: State = {"steps": counts.pop()}
            for name, theirs in self._remembered.items():
                state[name] = [row.get(theirs) or 0 for row in rows]
                if not all(map(is_real, state[name])):
                    raise ValueError(f"{misfit}{theirs} must be numbers, not {state[name]!r}")
            states.append(state)
        self._states = states
        for group, read in zip(self.param_groups, settings, strict=True):
            group.update(read)

    def __repr__(self) -> str:
        count = len(self.parameters)
        plural = "" if count == 1 else "s"
        return f"{type(self).__name__}({count} parameter{plural}, lr={self.lr!r})"

    def _stepped(self, xs: Row, gs: Row, state: State, s: Mapping[str, Any]) -> tuple[Row, State]:
        """Return the next `xs` and the next state, by gradients `gs` and settings `s`."""
        steps, moved, slopes = state["steps"] + 1, xs, gs
        before = [xs, gs, *(state[name] for name in self._remembered)]
        try:
            if s["maximize"]:
                slopes = [-g for g in gs]
            if _is_given(decay := s["weight_decay"]):
                if self._decoupled:
                    factor = 1 - s["lr"] * decay
                    moved = [x * factor for x in xs]
                else:
                    slopes = [g + decay * x for x, g in zip(xs, slopes, strict=True)]
            moved, memory = self._moved(moved, slopes, state, steps, s)
            _refuse_overflow(before, [moved, *memory.values()])
        except OverflowError as error:
            largest = shown(max(abs(g._data if type(g) is Value else g) for g in gs))
            error.args = (
                f"{error.args[-1]}, in a step by gradients of up to {largest}; "
                "nothing has changed: clip the gradients, or take a smaller lr",
            )
            raise
        return moved, {**state, "steps": steps, **memory}

    def _moved(self, xs: Row, gs: Row, memory: Memory, steps: Any, s: Mapping[str, Any]) -> Any:
        """Return the next `xs`, and the part of the memory that changes, by settings `s`."""
        raise NotImplementedError

    def _check(self, settings: Mapping[str, Any], traced: bool) -> None:
        """Raise an error unless settings are in their ranges. Tracers may be, if `traced`."""
        for name, x in settings.items():
            numbers = {name: x}
            if name == "betas":
                if not isinstance(x, list | tuple) or len(x) != 2:
                    raise TypeError(
                        f"betas must be a pair of numbers, such as (0.9, 0.999), got {x!r}"
                    )
                numbers = {f"betas[{i}]": beta for i, beta in enumerate(x)}
            if name in self._settings and type(self._settings[name]) is not bool:
                for part, number in numbers.items():
                    if not (traced and isinstance(number, Tracer)):
                        below = 1 if name in ("alpha", "betas") else math.inf
                        checked_number(part, number, below)


class SGD(Optimizer):
    """Gradient descent, with or without momentum: `torch.optim.SGD`.

    v = momentum * v + (1 - dampening) * g, where the first v is g. x moves by -lr * v, and with
    `nesterov` by -lr * (g + momentum * v). Raises what Optimizer raises, and ValueError for
    `nesterov` without a momentum or with a dampening.

    >>> x = Value(1.0)
    >>> x.grad = 2.0
    >>> optimizer = SGD([x], lr=0.25, momentum=0.5)
    >>> optimizer.step()
    >>> x.data
    0.5
    >>> optimizer.step()  # v is now 0.5 * 2 + 2
    >>> x.data
    -0.25
    """

    _settings = Table(
        lr=1e-3, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False
    )
    _remembered = Table(velocity="momentum_buffer")

    def _check(self, settings: Mapping[str, Any], traced: bool) -> None:
        super()._check(settings, traced)
        momentum, dampening = settings["momentum"], settings["dampening"]
        if settings["nesterov"] and (not _is_given(momentum) or _is_given(dampening)):
            raise ValueError(
                f"nesterov needs a momentum above 0 and no dampening, "
                f"got momentum={momentum!r} and dampening={dampening!r}"
            )

    def _moved(self, xs: Row, gs: Row, memory: Memory, steps: Any, s: Mapping[str, Any]) -> Any:
        lr, momentum, keep = s["lr"], s["momentum"], 1 - s["dampening"]
        if not _is_given(momentum):
            return [x - lr * g for x, g in zip(xs, gs, strict=True)], {}
        vs = [momentum * v + keep * g for v, g in zip(memory["velocity"], gs, strict=True)]
        if isinstance(steps, Tracer):
            first: Any = steps == 1
            vs = [choose(first, g, v) for g, v in zip(gs, vs, strict=True)]
        elif steps == 1:
            vs = gs
        moves = vs
        if s["nesterov"]:
            moves = [g + momentum * v for g, v in zip(gs, vs, strict=True)]
        return [x - lr * move for x, move in zip(xs, moves, strict=True)], {"velocity": vs}


class Adam(Optimizer):
    """Steps scaled by running averages of the gradient and of its square: `torch.optim.Adam`.

    m = beta1 * m + (1 - beta1) * g and v = beta2 * v + (1 - beta2) * g**2. Both start at 0, so in
    step t they are divided by 1 - beta**t. x moves by -lr * m / (sqrt(v) + eps). (Kingma and Ba,
    "Adam: a method for stochastic optimization", 2015.) Raises what Optimizer raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> Adam([x], lr=0.5).step()  # a first step is of size lr, whatever the gradient's
    >>> print(f"{x:.6f}")
    0.500000
    """

    _settings = Table(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, maximize=False)
    _remembered = Table(m="exp_avg", v="exp_avg_sq")

    def _moved(self, xs: Row, gs: Row, memory: Memory, steps: Any, s: Mapping[str, Any]) -> Any:
        lr, (beta1, beta2), eps = s["lr"], s["betas"], s["eps"]
        rest1, rest2 = 1 - beta1, 1 - beta2
        ms = [beta1 * m + rest1 * g for m, g in zip(memory["m"], gs, strict=True)]
        vs = [beta2 * v + rest2 * g**2 for v, g in zip(memory["v"], gs, strict=True)]
        # A running mean that started at 0 is too small by these factors.
        share1, share2 = 1 - beta1**steps, 1 - beta2**steps
        root = _square_root_of([*vs, share2])
        moved = [
            x - lr * (m / share1 / (root(v / share2) + eps))
            for x, m, v in zip(xs, ms, vs, strict=True)
        ]
        return moved, {"m": ms, "v": vs}


class AdamW(Adam):
    """Adam with weight decay that is not a part of the gradient: `torch.optim.AdamW`.

    x first shrinks to x * (1 - lr * weight_decay), and then moves as in Adam. (Loshchilov and
    Hutter, "Decoupled weight decay regularization", 2019.) Raises what Optimizer raises.

    >>> x = Value(1.0)
    >>> AdamW([x], lr=0.5, weight_decay=0.5).step()
    >>> x.data
    0.75
    """

    _settings = Table(Adam._settings, weight_decay=1e-2)
    _decoupled = True


class RMSprop(Optimizer):
    """Steps scaled by a running average of the gradient's square: `torch.optim.RMSprop`.

    v = alpha * v + (1 - alpha) * g**2, and x moves by -lr * u, where u = g / (sqrt(v) + eps).
    With momentum it moves by -lr * b, where b = momentum * b + u. If `centered`, the square of the
    gradient's running average is subtracted from v, which makes it a variance. Raises what
    Optimizer raises.

    >>> x = Value(1.0)
    >>> x.grad = 1000.0
    >>> RMSprop([x], lr=0.5, alpha=0.75).step()  # v = g**2 / 4
    >>> print(f"{x:.6f}")
    0.000000
    """

    _settings = Table(
        **{"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "weight_decay": 0, "momentum": 0},
        **{"centered": False, "maximize": False},
    )
    _remembered = Table(v="square_avg", mean="grad_avg", velocity="momentum_buffer")

    def _moved(self, xs: Row, gs: Row, memory: Memory, steps: Any, s: Mapping[str, Any]) -> Any:
        lr, alpha, eps, momentum = s["lr"], s["alpha"], s["eps"], s["momentum"]
        rest = 1 - alpha
        vs = [alpha * v + rest * g**2 for v, g in zip(memory["v"], gs, strict=True)]
        changed, squares = {"v": vs}, vs
        if s["centered"]:
            means = [alpha * mean + rest * g for mean, g in zip(memory["mean"], gs, strict=True)]
            variances = [v - mean**2 for v, mean in zip(vs, means, strict=True)]
            # Rounding may take a variance of zero just below it.
            squares = [choose(variance > 0, variance, 0) for variance in variances]
            changed["mean"] = means
        root = _square_root_of(squares)
        us = [g / (root(square) + eps) for g, square in zip(gs, squares, strict=True)]
        if _is_given(momentum):
            us = [momentum * b + u for b, u in zip(memory["velocity"], us, strict=True)]
            changed["velocity"] = us
        return [x - lr * u for x, u in zip(xs, us, strict=True)], changed


def _square_root_of(xs: Row) -> Callable[[Any], Any]:
    """Return the function that takes the square roots of `xs`: a faster one if all are floats."""
    return math.sqrt if set(map(type, xs)) == {float} else _root


def _root(v: Any) -> Any:
    """Return the square root of v, a mean of squares; at 0 its derivative is 0, too."""
    return choose(v > 0, sqrt(choose(v > 0, v, 1)), 0)


def _is_given(setting: Any) -> bool:
    return isinstance(setting, Tracer) or setting != 0


def _refuse_overflow(before: Sequence[Row], after: Sequence[Row]) -> None:
    """Raise OverflowError if a parameter whose numbers were finite `before` has others `after`."""
    total = sum(map(sum, after))
    if type(total) is float and math.isfinite(total):  # then all of them are finite
        return
    for i, made in enumerate(zip(*after, strict=True)):
        given = [numbers[i] for numbers in before]
        if any(map(_has_no_end, made)) and not any(map(_has_no_end, given)):
            raise OverflowError(
                f"parameter {i}, {shown(given[0])}, would get a number too large for a float"
            )


def _has_no_end(x: Any) -> bool:
    number = x._data if type(x) is Value else x
    return isinstance(number, float) and not math.isfinite(number)


_INIT = """Return the first state for `{0}_update`: no steps, and zeros nested as `parameters`.

`parameters` are nested lists, tuples, dicts and dataclasses of numbers, and buffers of doubles,
whose zeros are an `array.array("d")`. Raises TypeError if not.

>>> {0}_init([1.0, 2.0])["steps"]
0.0
"""
_UPDATE = """Return the parameters and the state after one step of `{1}`. It changes no argument.

`parameters` and `gradients` are nested alike; `state` comes from `{0}_init` or from the last step.
Settings are those of `{1}`, in its order. A compiled function may call it, and pass on its own
arguments, but not as settings that are True or False: an `lr` that is an argument can follow a
schedule. Raises TypeError for another nesting, and what `{1}` raises for its settings.

>>> state = {0}_init({{"w": 1.0}})
>>> {0}_update({{"w": 1.0}}, {{"w": 0.0}}, state, weight_decay=0)[0]
{{'w': 1.0}}
"""


def _taking_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of nests that takes buffers among them, too, and gives arrays for them."""

    @wraps(function)
    def run(*args: Any, **named: Any) -> Any:
        try:
            return function(*args, **named)
        except TypeError:
            given = without_arrays((args, named))
            if given[0] is args and given[1] is named:
                raise
        return with_arrays(function(*given[0], **given[1]))

    return run


def _functions(
    kind: type[Optimizer],
) -> tuple[Callable[[Any], State], Callable[..., tuple[Any, State]]]:
    """Return two functions of nested numbers: the optimiser's first state, and its step."""

    def init(parameters: Any) -> State:
        numbers, structure = flatten(parameters, "parameters")
        zeros = [0.0 if isinstance(x, Tracer) else in_kind(0, x) for x in numbers]
        return {"steps": 0.0, **{name: unflatten(structure, zeros) for name in kind._remembered}}

    def update(
        parameters: Any, gradients: Any, state: State, *settings: Any, **named: Any
    ) -> tuple[Any, State]:
        optimizer = kind(_LATER, *settings, **named)
        xs, structure = flatten(parameters, "parameters")
        gs = flatten_like(structure, gradients, "gradients")
        if not isinstance(state, dict) or set(state) != {"steps", *kind._remembered}:
            raise TypeError(
                f"the state must be a dict of {', '.join(['steps', *kind._remembered])}, as the "
                f"init function of the same optimiser gives, not {shown(state)}"
            )
        flat = {
            name: flatten_like(structure, state[name], f"state[{name!r}]")
            for name in kind._remembered
        }
        moved, after = optimizer._stepped(
            xs, gs, {"steps": state["steps"], **flat}, optimizer.defaults
        )
        after.update({name: unflatten(structure, after[name]) for name in kind._remembered})
        return unflatten(structure, moved), after

    name = kind.__name__.lower()
    for function, text in ((init, _INIT), (update, _UPDATE)):
        function.__name__ = function.__qualname__ = f"{name}_{function.__name__}"
        function.__doc__ = text.format(name, kind.__name__)
    return _taking_arrays(init), _taking_arrays(update)


sgd_init, sgd_update = _functions(SGD)
adam_init, adam_update = _functions(Adam)
adamw_init, adamw_update = _functions(AdamW)
rmsprop_init, rmsprop_update = _functions(RMSprop)


def clip_grad_norm_(parameters: Iterable[Value], max_norm: Any) -> Any:
    """Scale the gradients down so that their Euclidean norm is at most `max_norm`.

    If max_norm / (norm + 1e-6) is below 1, each is multiplied by it, as in
    `torch.nn.utils.clip_grad_norm_`. Returns the norm before. Raises what Optimizer raises for its
    parameters, TypeError if a gradient is a Value, ValueError for a negative `max_norm` or for
    gradients that are not finite (no factor would make them so), and OverflowError if only their
    norm is too large for a float. The gradients are then as they were.

    >>> x, y = Value(0.0), Value(0.0)
    >>> x.grad, y.grad = 30.0, 40.0
    >>> clip_grad_norm_([x, y], max_norm=1.0)
    50.0
    >>> print(f"{x.grad:.4f} {y.grad:.4f}")
    0.6000 0.8000
    """
    checked = _checked_parameters(parameters)
    max_norm = checked_number("max_norm", max_norm)
    gs = _gradients(checked, "clipping")
    norm = math.hypot(*gs)
    if math.isinf(norm) and all(map(math.isfinite, gs)):
        raise OverflowError(
            f"the norm of the gradients is too large for a float, the largest is "
            f"{max(map(abs, gs))!r}: scale the loss down"
        )
    if not math.isfinite(norm):
        raise ValueError(
            f"the norm of the gradients is {norm}, so that they cannot be clipped: "
            "look for the first gradient that is not finite"
        )
    factor = max_norm / (norm + 1e-6)
    if factor < 1:
        for parameter in checked:
            parameter.grad *= factor
    return norm


def _gradients(parameters: Sequence[Value], what: str) -> list[Any]:
    """Return the gradients of parameters. Raises TypeError for a Value: `what` takes numbers."""
    if active:
        refuse_access()
    gs = [parameter._grad for parameter in parameters]
    if any(issubclass(kind, Value) for kind in set(map(type, gs))):
        parameter = next(p for p in parameters if isinstance(p._grad, Value))
        raise TypeError(
            f"the gradient of {parameter!r} is a Value, as create_graph leaves it, and {what} "
            "takes numbers: call backward() without create_graph, or set p.grad = p.grad.data first"
        )
    return gs


def _checked_parameters(parameters: Iterable[Value]) -> list[Value]:
    cure = "give it a list of Values, such as model.parameters()"
    if isinstance(parameters, Value) or not isinstance(parameters, Iterable):
        raise TypeError(
            f"parameters must be a list of Values, got {parameters!r} "
            f"({type(parameters).__name__}): {cure}"
        )
    checked = [_without_name(parameter) for parameter in parameters]
    if not checked:
        raise ValueError(f"there are no parameters: {cure}")
    seen: set[int] = set()
    for i, parameter in enumerate(checked):
        if not isinstance(parameter, Value):
            raise TypeError(
                f"parameters must be Values, but parameter {i} is {parameter!r} "
                f"({type(parameter).__name__}): {cure}"
            )
        if parameter.op:
            raise ValueError(
                f"parameter {i} is the result of an op ({parameter.op}), which the next forward "
                "pass replaces: give the Values that it was computed from"
            )
        if id(parameter) in seen:
            raise ValueError(
                f"parameter {i}, {parameter!r}, was given before: give each parameter once"
            )
        seen.add(id(parameter))
    return checked


def _without_name(parameter: Any) -> Any:
    """Return the parameter of a pair such as `named_parameters` has, or else what is given."""
    named = isinstance(parameter, tuple) and len(parameter) == 2 and isinstance(parameter[0], str)
    return parameter[1] if named else parameter


def checked_number(name: str, x: Any, below: float = math.inf) -> Any:
    """Return x. Raises an error unless it is a real number, at least 0 and below a bound."""
    if not is_real(x):
        raise TypeError(f"{name} must be a real number, got {x!r} ({type(x).__name__})")
    if not 0 <= x < below:
        bound = f" and below {below}" if below < math.inf else " and finite"
        raise ValueError(f"{name} must be at least 0{bound}, got {x!r}")
    return x


def checked_count(name: str, x: Any) -> int:
    """Return x. Raises an error unless it is a whole number of at least 1."""
    if not isinstance(x, int):
        raise TypeError(f"{name} must be a whole number, got {x!r} ({type(x).__name__})")
    if x < 1:
        raise ValueError(f"{name} must be at least 1, got {x!r}")
    return x


def plain(x: Any) -> Any:
    """Return a number, or a list of numbers, as JSON takes them: int, float or bool."""
    if isinstance(x, list | tuple):
        return [plain(item) for item in x]
    return x if type(x) in (int, float, bool) else float(x)
