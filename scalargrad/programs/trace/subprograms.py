"""Calls in a trace: a compiled function that a traced one calls stays a function.

It is traced once for each nesting of its arguments. A call is one symbol, from which its outputs
are picked. The derivative of a call is a call as well, of a function of the derivatives arriving
and of the numbers of the call that it uses: these become further outputs of the function that was
called. So it goes to any order. What is never picked is left out when the program is linked.

Nested arguments, and the Values that the function captures, go in as tuples of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scalargrad.engine.context import in_trace
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Pick, Tangents, pick
from scalargrad.engine.passes import dependents, pull_back, push_forward
from scalargrad.functions import choices
from scalargrad.programs.code import Builder, Call, Code, evaluate, in_variables, not_local
from scalargrad.programs.trace.symbols import Symbol, Trace, Tuple
from scalargrad.programs.trace.tuples import (
    Elements,
    all_of,
    at_first,
    cotangents,
    first_of,
    is_backward,
    is_zero,
    moving,
    new_pack,
    pack,
    packed,
    this_trace,
    wanted_elements,
    whole_of,
)

# Their derivatives are zero, and not asked for.
_CONSTANT = {*choices.CONDITIONS, choices.like.op}


class InnerTrace(Trace):
    """The trace of a function that another one calls.

    `given` returns the numbers of its `inputs` in the call for which it is traced. What else it
    uses, `outer` knows: the trace around it, or for a derivative that of the function.
    """

    def __init__(self, outer: Trace, given: Callable[[], dict[Any, Any]]) -> None:
        super().__init__({})
        self.subprograms = dict(outer.subprograms)
        self.outer = outer
        self._given: Callable[[], dict[Any, Any]] | None = given

    def keep(self, key: Any, called: Any, captured: Sequence[Any]) -> None:
        super().keep(key, called, captured)
        if not any(isinstance(x, Symbol) for x in captured):
            self.outer.keep(key, called, captured)

    def refused(self, error: Exception) -> None:
        super().refused(error)
        self.outer.refused(error)

    def sample(self, x: Any) -> Any:
        if self._given is not None:
            given, self._given = self._given, None
            self.known(given())
        return super().sample(x)

    def _leaf(self, x: Any) -> Any:
        if not isinstance(x, Symbol) or x in self.samples:
            return super()._leaf(x)
        if x in self.leaves:
            whole, k = self.leaves[x]
            return self.sample(whole)[k]
        return self.outer.sample(x)


class Subprogram(Call):
    """A traced function that others call: the op of its calls.

    `inputs` are what a call hands to it, `nodes` what it computes, and `outputs` what it gives: its
    nodes and inputs, those that are asked for. What else it uses are numbers that it captures, as
    one more tuple; or, for a derivative, numbers of the function `of` which it is: those come first
    among its own inputs, as `roots`. `places` has the numbers that are elements of tuples among the
    inputs.
    """

    def __init__(
        self,
        name: str,
        trace: InnerTrace,
        inputs: Sequence[Any],
        ends: Sequence[Any],
        of: Subprogram | None = None,
    ) -> None:
        Op.__init__(self, name, self.run, joint=not_local)
        self.trace = trace
        self.nodes: list[Any] = trace.symbols
        self.shares = all(x._op.shares for x in self.nodes)  # type: ignore[union-attr]
        self.places = dict(trace.leaves)
        known = {*inputs, *self.nodes, *self.places}
        used = dict.fromkeys(x for node in self.nodes for x in operands_of(node))
        used.update(dict.fromkeys(ends))
        self.captured = [x for x in used if isinstance(x, Node) and x not in known]
        self.roots: list[Any] = []
        if of is not None:
            self._take_from(of)
        self.inputs = [*self.roots, *inputs]
        if self.captured:
            whole = trace.new_input("captured", (True,) * len(self.captured), self.captured)
            self.places.update({x: (whole, k) for k, x in whole.parts.items()})
            self.inputs.append(whole)
        self.outputs: list[Any] = []
        self._output_places: dict[Any, int] = {}
        self._input_places = {x: k for k, x in enumerate(self.inputs)}
        self._derivatives: dict[Any, Any] = {}

    def _take_from(self, of: Subprogram) -> None:
        """Let the function hand over what this uses of it: whole tuples, where it has such."""
        theirs = {*of.inputs, *of.places, *of.nodes}
        taken = [x for x in self.captured if x in theirs]
        self.captured = [x for x in self.captured if x not in theirs]
        self.places.update({x: of.places[x] for x in taken if x in of.places})
        self.roots = list(dict.fromkeys(of.places[x][0] if x in of.places else x for x in taken))
        numbers = [x for x in self.roots if not isinstance(x, Tuple) and x not in of._input_places]
        if len(numbers) > 1:
            # They are handed over as one tuple, which the function makes for this.
            form = (True,) * len(numbers)
            whole = of.trace.new_tuple(pack, tuple(numbers), form, dict(enumerate(numbers)))
            whole.label = "residuals"
            self.places.update({x: (whole, k) for k, x in enumerate(numbers)})
            self.roots = [*[x for x in self.roots if x not in self.places], whole]

    @property
    def code(self) -> Code:  # type: ignore[override]
        """What it computes, with the outputs that were asked for so far."""
        builder = Builder(len(self.inputs))
        known = {x: k for k, x in enumerate(self.inputs)}
        for x, (whole, k) in self.places.items():
            known[x] = builder.write(pick(k), (known[whole],))
        for node in self.nodes:
            operands = operands_of(node)
            if node._op is pack and (whole := all_of(operands, self.places)) is not None:
                known[node] = known[whole]
            else:
                known[node] = builder.write(node._op, in_variables(operands, known))
        for x, k in known.items():
            if x.label:
                builder.code.labels.setdefault(k, x.label)
        builder.code.outputs = list(in_variables(self.outputs, known))
        return builder.code

    def output(self, x: Any) -> int:
        """Return the place of `x` among the outputs, where it is from now on."""
        place = self._output_places.get(x)
        if place is None:
            place = self._output_places[x] = len(self.outputs)
            self.outputs.append(x)
        return place

    def run(self, *inputs: Any) -> Any:
        """Return the outputs that were asked for so far."""
        return tuple(evaluate(self.code, inputs))

    def call(self, trace: Trace, operands: Sequence[Any]) -> Tuple:
        """Return the symbol of a call."""
        if self.captured:
            operands = [*operands, packed(trace, self.captured)]
        return trace.new_tuple(self, tuple(operands))

    def at(self, call: Tuple, x: Any) -> Any:
        """Return what `x`, a number or tuple of this function, is around a call of it."""
        if not isinstance(x, Node):
            return x
        place = self._input_places.get(x)
        return call.element(self.output(x)) if place is None else call._first[place]

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are: of Cotangents on the way back, else of tangents.

        They are what a call of the derivative of the function gives.
        """
        if not is_backward(gs):
            moves = arriving({k: g for k, g in enumerate(gs) if g is not None})
            return at_first(gs, self._pushed_forward(moves, y)) if moves else [None] * len(gs)
        wanted = [g is not None and wanted_elements(x) for g, x in zip(gs, inputs, strict=True)]
        seeds = arriving(
            {
                k: whole_of(g, self.outputs[k].form) if type(g) is Cotangents else g
                for k, g in first_of(gs).by_output.items()
            }
        )
        return self._pulled_back(seeds, tuple(wanted), y) if seeds else [None] * len(gs)

    def _pulled_back(self, seeds: dict[int, Any], wanted: tuple[Any, ...], y: Any) -> list[Any]:
        key = forms_of(seeds), wanted
        derivative = self._derivatives.get(key)
        if derivative is None:
            derivative = self._derivatives[key] = Backward(self, seeds, wanted)
        call = derivative.beside(y, seeds)
        return [cotangents(derivative.at(call, slope)) for slope in derivative.slopes]

    def _pushed_forward(self, moves: dict[int, Any], y: Any) -> Any:
        key = forms_of(moves)
        derivative = self._derivatives.get(key)
        if derivative is None:
            derivative = self._derivatives[key] = Forward(self, moves)
        return Tangents(Moves(derivative, derivative.beside(y, moves)))


def arriving(gs: dict[int, Any]) -> dict[int, Any]:
    """Return the derivatives that there are, as numbers and tuples."""
    found = {k: g.by_output.whole if type(g) is Tangents else g for k, g in gs.items()}
    return {k: g for k, g in found.items() if g is not None and not is_zero(g)}


def forms_of(gs: dict[int, Any]) -> Any:
    """Return what is known of derivatives that arrive: of tuples, where they have zeros."""
    return tuple([(k, g.form if isinstance(g, Tuple) else None) for k, g in gs.items()])


class Derivative(Subprogram):
    """A derivative of a function: a function of its numbers, and of the derivatives that arrive.

    `given` are those at the call for which it is traced, by place.
    """

    def __init__(self, of: Subprogram, kind: str, given: dict[int, Any]) -> None:
        around = this_trace()
        trace = InnerTrace(
            of.trace, lambda: {x: around.sample(given[k]) for k, x in symbols.items()}
        )
        trace.subprograms = dict(around.subprograms)
        symbols = {k: trace.new_input(kind[0], form) for k, form in forms_of(given)}
        self.of = of
        ends = self.traced(trace, symbols)
        super().__init__(f"{of.name}_{kind}", trace, list(symbols.values()), ends, of)

    def traced(self, trace: InnerTrace, given: dict[int, Any]) -> Sequence[Any]:
        """Trace it, and return what it can give."""
        raise NotImplementedError

    def beside(self, y: Tuple, given: dict[int, Any]) -> Tuple:
        """Return the symbol of a call of this, beside the call `y` of the function."""
        roots = [self.of.at(y, x) for x in self.roots]
        return self.call(this_trace(), [*roots, *given.values()])


class Backward(Derivative):
    """The derivatives by the inputs that are wanted, from those by outputs.

    `slopes` has them by input: a tuple for a tuple, None where there is none.
    """

    def __init__(self, of: Subprogram, seeds: dict[int, Any], wanted: tuple[Any, ...]) -> None:
        self._wanted = dict(zip(of.inputs, wanted, strict=True))
        super().__init__(of, "backward", seeds)

    def traced(self, trace: InnerTrace, given: dict[int, Any]) -> Sequence[Any]:
        """Pull derivatives back through the function."""
        of, wanted = self.of, self._wanted
        slopes = {of.outputs[k]: cotangents(g) for k, g in given.items()}
        within = {x for x, chosen in wanted.items() if chosen is not False}
        for x, (whole, k) in of.places.items():
            chosen = wanted[whole]
            if chosen is True or (chosen is not False and chosen[k]):
                within.add(x)
        trace.wanted = wanted
        with in_trace(trace):
            order = dependents([x for x in of.nodes if x._op not in _CONSTANT], within)
            pull_back(order, slopes, as_graph=True, within=within)
            for x, (whole, k) in of.places.items():
                if x in slopes and whole in within:
                    one = Cotangents({k: slopes[x]})
                    slopes[whole] = slopes[whole] + one if whole in slopes else one
            found = [slopes.get(x) if x in within else None for x in of.inputs]
            self.slopes = [
                whole_of(slope, x.form) if type(slope) is Cotangents else slope
                for x, slope in zip(of.inputs, found, strict=True)
            ]
        trace.symbols = reached(trace, self.slopes)
        return self.slopes


class Forward(Derivative):
    """The tangents of all numbers of a function, from those of its inputs."""

    def __init__(self, of: Subprogram, moves: dict[int, Any]) -> None:
        super().__init__(of, "forward", moves)

    def traced(self, trace: InnerTrace, given: dict[int, Any]) -> Sequence[Any]:
        """Push tangents forward through the function."""
        of = self.of
        tangents = {of.inputs[k]: moving(g) for k, g in given.items()}
        for x, (whole, k) in of.places.items():
            if whole in tangents and (move := tangents[whole].by_output[k]) is not None:
                tangents[x] = move
        self.tangents = tangents
        with in_trace(trace):
            order = dependents([x for x in of.nodes if x._op not in _CONSTANT], set(tangents))
            push_forward(order, tangents, as_graph=True)
        return [x for x in tangents.values() if type(x) is not Tangents]

    def tangent(self, x: Any) -> Any:
        """Return the tangent of a number or tuple of the function: None if it does not move."""
        if not isinstance(x, Node):
            return None
        if x not in self.tangents:
            # Elements of calls, and residuals put together, may have been added since.
            if type(x._op) is Pick and x._first in self.tangents:
                self.tangents[x] = self.tangents[x._first].by_output[x._op.place]
            elif x._op is pack:
                moves = list(map(self.tangent, x._first))
                with in_trace(self.trace):
                    self.tangents[x] = moving(new_pack([0 if m is None else m for m in moves]))
        return self.tangents.get(x)


class Moves:
    """The tangents of the outputs of a call, from a call of its forward derivative."""

    def __init__(self, derivative: Forward, call: Tuple) -> None:
        self.derivative, self.call = derivative, call

    def __getitem__(self, k: int) -> Any:
        derivative = self.derivative
        move = derivative.tangent(derivative.of.outputs[k])
        if type(move) is not Tangents:
            return move if move is None else derivative.at(self.call, move)
        if not isinstance(move.by_output, Elements):
            return None  # of a call of a Function, whose own derivatives do not ask for it
        return moving(derivative.at(self.call, move.by_output.whole))


def reached(trace: Trace, ends: Sequence[Any]) -> list[Any]:
    """Return those symbols of `trace`, in their order, that `ends` depend on.

    With them goes what is picked of the calls among them: it may be asked for again.
    """
    wanted = {x for x in ends if isinstance(x, Node)}
    for node in reversed(trace.symbols):
        if node in wanted:
            wanted.update([x for x in operands_of(node) if isinstance(x, Node)])
    return [x for x in trace.symbols if x in wanted or (type(x._op) is Pick and x._first in wanted)]
