"""Calls in a trace: a compiled function that a traced one calls stays a function.

It is traced once for each nesting of its arguments. A call is one symbol, whose number is the run:
the numbers of all variables of the function's Code, from which further symbols pick. So the
derivative of a call is a call as well, of a function of the run, the inputs and the derivatives
arriving, to any order. What is never picked is left out when the program is linked.

Nested arguments, and the Values that the function captures, go in as tuples of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.code import Call, Code, lower
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.modes import in_mode
from scalargrad.engine.outputs import Cotangents, Pick, Tangents, pick
from scalargrad.engine.passes import dependents, is_zero, pull_back, push_forward
from scalargrad.functions import arithmetic, choices
from scalargrad.programs.trace import Symbol, Trace, is_condition, symbol
from scalargrad.programs.tuples import (
    MOVES,
    Parts,
    Wholes,
    at_first,
    by_element,
    ends_of,
    frozen,
    of_shape,
    pack,
    packed,
    picked_at,
    placed_at,
    shape_of,
    thawed,
    this_trace,
    wanted_elements,
    whole_of,
)

# Their result is their operand: a derivative that needs it takes that.
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}
# Their derivatives are zero, and not asked for.
_CONSTANT = {*choices.CONDITIONS, choices.like.op}


class InnerTrace(Trace):
    """The trace of a function that another one calls.

    `given` returns the numbers of its `inputs` in the call for which it is traced.
    """

    def __init__(
        self, outer: Trace, inputs: Sequence[Any], given: Callable[[], Sequence[Any]]
    ) -> None:
        super().__init__({})
        self.subprograms = dict(outer.subprograms)
        self.outer, self._inputs = outer, inputs
        self._given: Callable[[], Sequence[Any]] | None = given

    def keep(self, key: Any, called: Any, captured: Sequence[Any]) -> None:
        super().keep(key, called, captured)
        if not any(isinstance(x, Symbol) for x in captured):
            self.outer.keep(key, called, captured)

    def sample(self, x: Any) -> Any:
        if self._given is not None:
            given, self._given = self._given, None
            self.known(dict(zip(self._inputs, given(), strict=True)))
        return super().sample(x)

    def _leaf(self, x: Any) -> Any:
        if type(x) is Symbol and x not in self.samples:
            return self.outer.sample(x)
        return super()._leaf(x)


class CallOp(Call):
    """A call of a subprogram, which gives its run."""

    __slots__ = ("conditions", "subprogram")

    def __init__(self, subprogram: Subprogram, name: str, code: Code) -> None:
        super().__init__(name, code)
        self.subprogram = subprogram
        # The variables that are conditions.
        self.conditions = {
            k for k, x in enumerate(subprogram.nodes, code.inputs) if is_condition(x)
        }
        self.conditions.update(subprogram.captured_conditions)

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are: of Cotangents on the way back, else of tangents.

        They are what a call of the derivative of the subprogram gives.
        """
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            return self._pulled_back(first, gs, y, inputs)
        return self._pushed_forward(gs, y, inputs)

    def _pulled_back(
        self, g: Cotangents, gs: Sequence[Any], y: Any, inputs: Sequence[Any]
    ) -> list[Any]:
        seeds: list[Any] = []
        shape = shape_of(g, seeds)
        if not seeds:
            return [None] * len(gs)
        wanted = tuple(
            g is not None and wanted_elements(x) for g, x in zip(gs, inputs, strict=True)
        )
        derivative = self.subprogram.backward(shape, wanted, seeds)
        call = derivative.subprogram.call(this_trace(), (y, *inputs, *seeds))
        return [None if x is None else picked_at(x, call) for x in derivative.places]

    def _pushed_forward(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        shape: list[Any] = []
        moves: list[Any] = []
        for g in gs:
            if type(g) is Tangents:
                shape.append(frozen(g.by_output.places))
                moves.append(g.by_output.whole)
            else:
                still = g is None or is_zero(g)
                shape.append(None if still else MOVES)
                moves += [] if still else [g]
        if not moves:
            return [None] * len(gs)
        derivative = self.subprogram.forward(tuple(shape), moves)
        call = derivative.subprogram.call(this_trace(), (y, *inputs, *moves))
        return at_first(gs, Tangents(Parts(call, derivative.places)))


class Derivative(NamedTuple):
    """A subprogram that gives derivatives, and where among its variables they are."""

    subprogram: Subprogram
    places: Any


class Subprogram:
    """A traced function that others call: its Code, all of whose variables a call gives.

    `runs` has for each variable the CallOp whose run it is, if it is one. What else the nodes use,
    such as captured Values, goes in as one more tuple. `numbers` are those of all variables in the
    call for which it was traced, where anything in it must know them.
    """

    def __init__(self, name: str, inputs: list[Any], ends: Sequence[Any], trace: Trace) -> None:
        nodes = _reached(trace, ends)
        self.captured = _captured(inputs, nodes, ends)
        stand_ins: dict[Any, Any] = {}
        if self.captured:
            whole = symbol("captured")
            inputs = [*inputs, whole]
            trace.sizes[whole] = len(self.captured)
            for k, x in enumerate(self.captured):
                stand_ins[x] = trace.new(pick(k), (whole,))
                stand_ins[x].label = x.label
            for node in nodes:
                operands = tuple(
                    stand_ins.get(x, x) if isinstance(x, Node) else x for x in operands_of(node)
                )
                if node._op.joint is not None:
                    node._first = operands
                else:
                    node._first, node._second = (*operands, None)[:2]
            nodes = [*stand_ins.values(), *nodes]
        self.name, self.inputs, self.nodes = name, inputs, nodes
        self.captured_conditions = {
            k
            for k, x in enumerate(self.captured, len(inputs))
            if type(x) is Symbol and is_condition(x)
        }
        self.sizes = {x: trace.sizes[x] for x in inputs if x in trace.sizes}
        self.runs = [run_of(trace, x) for x in (*inputs, *nodes)]
        code, _ = lower(nodes, [], inputs)
        code.outputs = list(range(code.inputs + len(nodes)))
        self.op = CallOp(self, name, code)
        self.numbers: list[Any] | None = None
        if not self.op.shares:
            if self.captured:
                trace.known({whole: tuple(map(trace.sample, self.captured))})
            self.numbers = [trace.sample(x) for x in (*inputs, *nodes)]
        self.variables = {x: k for k, x in enumerate([*inputs, *nodes])}
        self.variables.update({x: self.variables[own] for x, own in stand_ins.items()})
        self._derivatives: dict[Any, Derivative] = {}

    def call(self, trace: Trace, operands: Sequence[Any]) -> Any:
        """Return the symbol of a call."""
        captured = [packed(trace, self.captured)] if self.captured else []
        return trace.new(self.op, (*operands, *captured))

    def backward(self, shape: Any, wanted: tuple[Any, ...], seeds: list[Any]) -> Derivative:
        """Return the derivatives by the inputs that are wanted, from those by its variables.

        Those are of this shape, and made of `seeds` in the call for which it is traced.
        """
        key = shape, wanted
        if key not in self._derivatives:
            self._derivatives[key] = self._backward(shape, wanted, seeds)
        return self._derivatives[key]

    def forward(self, shape: tuple[Any, ...], moves: list[Any]) -> Derivative:
        """Return the tangents of all variables, from those of the inputs: of this shape."""
        if shape not in self._derivatives:
            self._derivatives[shape] = self._forward(shape, moves)
        return self._derivatives[shape]

    def _backward(self, shape: Any, wanted: tuple[Any, ...], given: list[Any]) -> Derivative:
        seeds = [symbol("g") for _ in given]
        trace, run, clones = self._cloned(seeds, given)
        own = clones[: len(self.inputs)]
        with in_mode(trace):
            slopes: dict[Any, Any] = {
                clones[v]: g for v, g in of_shape(shape, iter(seeds)).by_output.items()
            }
            reached = {x for x, is_wanted in zip(own, wanted, strict=True) if is_wanted}
            trace.wanted = {
                x: chosen for x, chosen in zip(own, wanted, strict=True) if type(chosen) is tuple
            }
            nodes = [x for x in _smooth(clones[len(own) :]) if not _is_unwanted(trace, x)]
            order = dependents(nodes, reached)
            pull_back(order, slopes, as_graph=True, within=reached)
            found = [
                _gathered(slopes.get(x), trace.sizes.get(x)) if is_wanted else None
                for x, is_wanted in zip(own, wanted, strict=True)
            ]
            ends: list[Any] = []
            for slope in found:
                shape_of(slope, ends)
        inputs = self._settled(run, clones)
        subprogram = Subprogram(f"{self.name}_backward", [*inputs, *seeds], ends, trace)
        places = [placed_at(slope, subprogram.variables) for slope in found]
        return Derivative(subprogram, places)

    def _forward(self, shape: tuple[Any, ...], given: list[Any]) -> Derivative:
        moves = [symbol("d") for _ in given]
        trace, run, clones = self._cloned(moves, given)
        own = clones[: len(self.inputs)]
        free = iter(moves)
        tangents: dict[Any, Any] = {}
        for x, places in zip(own, shape, strict=True):
            if places is MOVES:
                tangents[x] = next(free)
            elif places is not None:
                tangents[x] = Tangents(Parts(next(free), thawed(places)))
        with in_mode(trace):
            order = dependents(_smooth(clones[len(own) :]), set(tangents))
            push_forward(order, tangents, as_graph=True)
        found = {k: tangents[x] for k, x in enumerate(clones) if tangents.get(x) is not None}
        ends = [end for move in found.values() for end in ends_of(move)]
        inputs = self._settled(run, clones)
        subprogram = Subprogram(f"{self.name}_forward", [*inputs, *moves], ends, trace)
        places = {k: placed_at(move, subprogram.variables) for k, move in found.items()}
        return Derivative(subprogram, places)

    def _cloned(self, extra: list[Any], given: list[Any]) -> tuple[InnerTrace, Any, list[Any]]:
        """Return a trace with a run, and symbols for all variables to push derivatives through.

        `extra` are further inputs, which stand for the symbols `given` of the trace around it.
        """
        outer = this_trace()
        run = symbol("residuals")
        trace = InnerTrace(outer, extra, lambda: [outer.sample(x) for x in given])
        clones: dict[Any, Any] = {}
        for x in self.inputs:
            clones[x] = symbol(x.label)
            if x in self.sizes:
                trace.sizes[clones[x]] = self.sizes[x]
        for node in self.nodes:
            operands = tuple(clones[x] if isinstance(x, Node) else x for x in operands_of(node))
            clones[node] = trace.new(node._op, operands)
            clones[node].label = node.label
        trace.runs[run] = self.op
        for x, op in zip(clones.values(), self.runs, strict=True):
            if op is not None:
                trace.runs[x] = op
        for x, old in zip(extra, given, strict=True):
            if (op := run_of(outer, old)) is not None:
                trace.runs[x] = op
        if self.numbers is not None:
            trace.known(
                {run: self.numbers, **dict(zip(clones.values(), self.numbers, strict=True))}
            )
        return trace, run, list(clones.values())

    def _settled(self, run: Any, clones: list[Any]) -> list[Any]:
        """Make what was computed once picks of the run; return the inputs of the derivative."""
        count = len(self.inputs)
        for k, x in enumerate(clones[count:], count):
            if x._op not in _ALIASES and type(x._op) is not Pick:
                x._op, x._first, x._second = pick(k), run, None
        return [run, *clones[:count]]


def _is_unwanted(trace: Trace, x: Any) -> bool:
    """Return whether `x` is an element of an input whose derivative is not wanted."""
    chosen = trace.wanted.get(x._first) if type(x._op) is Pick else None
    return chosen is not None and not chosen[x._op.place]


def _smooth(nodes: Sequence[Any]) -> list[Any]:
    """Return the results that have derivatives."""
    return [x for x in nodes if x._op not in _CONSTANT]


def _gathered(slope: Any, size: int | None) -> Any:
    """Return the derivatives by a tuple as one tuple, if all of its elements have one.

    An element without one must not get a zero: what it was computed from would be differentiated.
    """
    if size is None or type(slope) is not Cotangents:
        return slope
    if not slope.by_output:
        return Cotangents({}, Wholes((whole_of(slope),))) if slope.wholes else None
    slopes = by_element(slope, size)
    if len(slopes) < size or any(map(is_zero, slopes.values())):
        return Cotangents(slopes)
    whole = this_trace().new(pack, tuple(slopes[k] for k in range(size)))
    return Cotangents({}, Wholes((whole,)))


def run_of(trace: Trace, x: Any) -> CallOp | None:
    """Return the CallOp whose run `x` is, if it is one."""
    path = []
    while x not in trace.runs and isinstance(x, Symbol) and type(x._op) is Pick:
        path.append(x._op.place)
        x = x._first
    found = trace.runs.get(x)
    if found is None and isinstance(x, Symbol) and isinstance(x._op, CallOp):
        found = x._op
    for place in reversed(path):
        found = None if found is None else found.subprogram.runs[place]
    return found


def _reached(trace: Trace, ends: Sequence[Any]) -> list[Any]:
    """Return those symbols of `trace`, in their order, that `ends` depend on."""
    wanted = {x for x in ends if isinstance(x, Node)}
    found = []
    for node in reversed(trace.symbols):
        if node in wanted:
            found.append(node)
            wanted.update([x for x in operands_of(node) if isinstance(x, Node)])
    return found[::-1]


def _captured(inputs: Sequence[Any], nodes: Sequence[Any], ends: Sequence[Any]) -> list[Any]:
    """Return what `nodes` and `ends` use that is neither an input nor one of them."""
    known = {*inputs, *nodes}
    used = [x for node in nodes for x in operands_of(node)]
    return list(dict.fromkeys(x for x in [*used, *ends] if isinstance(x, Node) and x not in known))
