"""Calls in a trace: a compiled function that a traced one calls stays a function.

It is traced once for each nesting of its arguments. A call is one symbol, whose number is the run:
the numbers of all variables of the function's Code, from which further symbols pick. So the
derivative of a call is a call as well, of a function of the run, the inputs and the derivatives
arriving, to any order. What is never picked is left out when the program is linked.

Nested arguments, and the Values that the function captures, go in as tuples of numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from scalargrad.engine.code import Call, Code, lower
from scalargrad.engine.graph import Node, operands_of
from scalargrad.engine.modes import in_mode, tracing
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Cotangents, Pick, Tangents, pick
from scalargrad.engine.passes import added, dependents, pull_back, push_forward
from scalargrad.functions import arithmetic, choices
from scalargrad.programs.trace import Symbol, Trace, is_condition, symbol
from scalargrad.transforms.nesting import NUMBER

# Their result is their operand: a derivative that needs it takes that.
_ALIASES = {arithmetic.same.op, arithmetic.detach.op}
# Their derivatives are zero, and not asked for.
_CONSTANT = {*choices.CONDITIONS, choices.like.op}
# So many gradients of a tuple are summed at a time.
_SUMMED = 8


class _PackOp(Op):
    """The numbers of a nested argument as one tuple."""

    __slots__ = ()

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            slopes = _by_element(first, len(inputs))
            return [None if g is None else slopes.get(k, 0) for k, g in enumerate(gs)]
        moving = [k for k, g in enumerate(gs) if g is not None and not _is_zero(g)]
        if not moving:
            return [None] * len(gs)
        moves = _trace().new(pack, tuple(gs[k] for k in moving))
        places = {k: place for place, k in enumerate(moving)}
        return _at_first(gs, Tangents(_Parts(moves, places)))


class _TotalOp(Op):
    """The sum of tuples, element by element."""

    __slots__ = ()

    def derivatives(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return what an op's `derivatives` are, of Cotangents on the way back."""
        first = next(g for g in gs if g is not None)
        if type(first) is Cotangents:
            return [
                None if g is None else Cotangents(dict(first.by_output), first.wholes) for g in gs
            ]
        parts = [g.by_output for g in gs if g is not None]
        sums = {}
        for k in sorted({k for part in parts for k in part.places}):
            moves = [part[k] for part in parts]
            found = [move for move in moves if move is not None and not _is_zero(move)]
            if found:
                sums[k] = added(*found)
        if not sums:
            return [None] * len(gs)
        whole = _trace().new(pack, tuple(sums.values()))
        places = {k: place for place, k in enumerate(sums)}
        return _at_first(gs, Tangents(_Parts(whole, places)))


def _is_zero(slope: Any) -> bool:
    """Return whether this is a rule's own 0."""
    return type(slope) is int and slope == 0


def _unused(g: Any, y: Any, *inputs: Any) -> list[Any]:
    raise AssertionError("derivatives does this op's work")


def _wanted(x: Any) -> Any:
    """Return whether the derivative by an operand is wanted: of a tuple, of which elements."""
    trace = _trace()
    if x in trace.wanted:
        return trace.wanted[x]
    if x._op is not pack:
        return True
    within = trace.within
    found = tuple(isinstance(n, Node) and (within is None or n in within) for n in x._first)
    return any(found) if all(found) or not any(found) else found


def _packed(*xs: Any) -> tuple[Any, ...]:
    return xs


def _totals(*tuples: Any) -> tuple[Any, ...]:
    return tuple(added(*xs) for xs in zip(*tuples, strict=True))


pack = _PackOp("pack", _packed, joint=_unused)
pack_total = _TotalOp("sum of tuples", _totals, joint=_unused)


class _Wholes(tuple[Any, ...]):
    """Derivatives by all elements of a tuple at once, which are to be summed.

    Some at a time: a program then holds few of them, and not a great number at its end.
    """

    __slots__ = ()

    def __add__(self, other: Any) -> _Wholes:
        joined = (*self, *other)
        if len(joined) < _SUMMED:
            return _Wholes(joined)
        return _Wholes((_trace().new(pack_total, joined),))


class _Parts:
    """The tangents of the elements of a tuple: picked from the symbol of another when asked for.

    `places` says for each element that moves where its tangent is: a place, or for an element that
    is a tuple itself the pair of a place and such places. Without a place there, these are of the
    same whole. Elements that do not move have None.
    """

    def __init__(self, whole: Any, places: dict[int, Any]) -> None:
        self.whole, self.places = whole, places

    def __getitem__(self, k: int) -> Any:
        place = self.places.get(k)
        if place is None or isinstance(place, _Constant):
            return place and place.number
        if type(place) is int:
            return _trace().new(pick(place), (self.whole,))
        whole = self.whole
        if place[0] is not None:
            whole = _trace().new(pick(place[0]), (whole,))
        return Tangents(_Parts(whole, place[1]))


class _Constant(NamedTuple):
    """A tangent or derivative that is a plain number."""

    number: Any


def _trace() -> Trace:
    trace = tracing()
    assert isinstance(trace, Trace)
    return trace


def _at_first(gs: Sequence[Any], move: Any) -> list[Any]:
    """Return `move` in the place of the first input that moves: all of them together give it."""
    found: list[Any] = [None] * len(gs)
    found[next(k for k, g in enumerate(gs) if g is not None)] = move
    return found


def _whole(g: Cotangents) -> Any:
    """Return the sum of the derivatives of all elements at once."""
    wholes = g.wholes
    return wholes[0] if len(wholes) == 1 else _trace().new(pack_total, tuple(wholes))


def _by_element(g: Cotangents, size: int) -> dict[int, Any]:
    """Return the derivatives by the elements of a tuple of this size, by place."""
    if not g.wholes:
        return g.by_output
    whole = _whole(g)
    slopes = Cotangents({k: _trace().new(pick(k), (whole,)) for k in range(size)})
    return (slopes + Cotangents(g.by_output)).by_output


def packed(trace: Trace, numbers: Sequence[Any]) -> Symbol:
    """Return the symbol of the tuple of `numbers`: the same one for the same numbers."""
    first = numbers[0]
    if isinstance(first, Symbol) and type(first._op) is Pick:
        whole = first._first
        if trace.sizes.get(whole) == len(numbers) and all(
            isinstance(x, Symbol) and type(x._op) is Pick and x._op.place == k and x._first is whole
            for k, x in enumerate(numbers)
        ):
            return whole  # type: ignore[no-any-return]
    key = tuple(x if isinstance(x, Node) else _Key(x) for x in numbers)
    found = trace.packs.get(key)
    if found is None:
        found = trace.packs[key] = trace.new(pack, tuple(numbers))
    return found


class _Key:
    """A plain number that equals only itself."""

    __slots__ = ("number",)

    def __init__(self, number: Any) -> None:
        self.number = number

    def __hash__(self) -> int:
        return id(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.number is other.number


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
        self.shares = all(op.shares for op, _ in code.equations)
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
        shape = _shape_of(g, seeds)
        if not seeds:
            return [None if x is None else 0 for x in gs]
        wanted = tuple(g is not None and _wanted(x) for g, x in zip(gs, inputs, strict=True))
        derivative = self.subprogram.backward(shape, wanted, seeds)
        call = derivative.subprogram.call(_trace(), (y, *inputs, *seeds))
        return [None if x is None else _picked(x, call) for x in derivative.places]

    def _pushed_forward(self, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> list[Any]:
        shape: list[Any] = []
        moves: list[Any] = []
        for g in gs:
            if type(g) is Tangents:
                shape.append(_frozen(g.by_output.places))
                moves.append(g.by_output.whole)
            else:
                still = g is None or _is_zero(g)
                shape.append(None if still else _MOVES)
                moves += [] if still else [g]
        if not moves:
            return [None] * len(gs)
        derivative = self.subprogram.forward(tuple(shape), moves)
        call = derivative.subprogram.call(_trace(), (y, *inputs, *moves))
        return _at_first(gs, Tangents(_Parts(call, derivative.places)))


# The shape of the tangent of a number.
_MOVES = "moves"


def _frozen(places: dict[int, Any]) -> Any:
    """Return the hashable form of the places of tangents."""
    return tuple(
        (k, p if not isinstance(p, tuple) or isinstance(p, _Constant) else (p[0], _frozen(p[1])))
        for k, p in places.items()
    )


def _thawed(places: Any) -> dict[int, Any]:
    return {
        k: p if not isinstance(p, tuple) or isinstance(p, _Constant) else (p[0], _thawed(p[1]))
        for k, p in places
    }


def _shape_of(g: Any, seeds: list[Any]) -> Any:
    """Add the symbols of a derivative to `seeds`; return what it looks like, hashable."""
    if type(g) is not Cotangents:
        seeds.append(g)
        return NUMBER
    by_output = g.by_output.items()
    inner = tuple((k, _shape_of(x, seeds)) for k, x in by_output if not _is_zero(x))
    if g.wholes:
        g.wholes = _Wholes((_whole(g),))
        seeds += g.wholes
    return inner, bool(g.wholes)


def _of_shape(shape: Any, seeds: Iterator[Any]) -> Any:
    """Return the derivative of that shape made of other symbols."""
    if shape is NUMBER:
        return next(seeds)
    by_output = {k: _of_shape(inner, seeds) for k, inner in shape[0]}
    return Cotangents(by_output, _Wholes([next(seeds)] if shape[1] else []))


def _picked(place: Any, call: Any) -> Any:
    """Return the derivative that stands at `place` among the numbers of a call."""
    if isinstance(place, _Constant):
        return place.number
    if type(place) is int:
        return _trace().new(pick(place), (call,))
    by_output, whole = place
    found = {k: _picked(p, call) for k, p in by_output.items()}
    return Cotangents(found, _Wholes([] if whole is None else [_picked(whole, call)]))


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
                clones[v]: g for v, g in _of_shape(shape, iter(seeds)).by_output.items()
            }
            reached = {x for x, is_wanted in zip(own, wanted, strict=True) if is_wanted}
            trace.wanted = {
                x: chosen for x, chosen in zip(own, wanted, strict=True) if type(chosen) is tuple
            }
            nodes = [x for x in _smooth(clones[len(own) :]) if not _is_unwanted(trace, x)]
            order = dependents(nodes, reached)
            pull_back(order, slopes, as_graph=True, zero=None, within=reached)
            found = [
                _gathered(slopes.get(x), trace.sizes.get(x)) if is_wanted else None
                for x, is_wanted in zip(own, wanted, strict=True)
            ]
            ends: list[Any] = []
            for slope in found:
                _shape_of(slope, ends)
        inputs = self._settled(run, clones)
        subprogram = Subprogram(f"{self.name}_backward", [*inputs, *seeds], ends, trace)
        places = [_placed(slope, subprogram.variables) for slope in found]
        return Derivative(subprogram, places)

    def _forward(self, shape: tuple[Any, ...], given: list[Any]) -> Derivative:
        moves = [symbol("d") for _ in given]
        trace, run, clones = self._cloned(moves, given)
        own = clones[: len(self.inputs)]
        free = iter(moves)
        tangents: dict[Any, Any] = {}
        for x, places in zip(own, shape, strict=True):
            if places is _MOVES:
                tangents[x] = next(free)
            elif places is not None:
                tangents[x] = Tangents(_Parts(next(free), _thawed(places)))
        with in_mode(trace):
            order = dependents(_smooth(clones[len(own) :]), set(tangents))
            push_forward(order, tangents, as_graph=True)
        found = {k: tangents[x] for k, x in enumerate(clones) if tangents.get(x) is not None}
        ends = [end for move in found.values() for end in _ends_of(move)]
        inputs = self._settled(run, clones)
        subprogram = Subprogram(f"{self.name}_forward", [*inputs, *moves], ends, trace)
        places = {k: _placed(move, subprogram.variables) for k, move in found.items()}
        return Derivative(subprogram, places)

    def _cloned(self, extra: list[Any], given: list[Any]) -> tuple[InnerTrace, Any, list[Any]]:
        """Return a trace with a run, and symbols for all variables to push derivatives through.

        `extra` are further inputs, which stand for the symbols `given` of the trace around it.
        """
        outer = _trace()
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
        return Cotangents({}, _Wholes((_whole(slope),))) if slope.wholes else None
    slopes = _by_element(slope, size)
    if len(slopes) < size or any(map(_is_zero, slopes.values())):
        return Cotangents(slopes)
    whole = _trace().new(pack, tuple(slopes[k] for k in range(size)))
    return Cotangents({}, _Wholes((whole,)))


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


def _ends_of(move: Any) -> Sequence[Any]:
    """Return the symbols that a tangent is made of."""
    if type(move) is not Tangents:
        return [move]
    parts = move.by_output
    return parts if isinstance(parts, list) else [parts.whole]


def _placed(x: Any, places: dict[Any, int]) -> Any:
    """Return where among the variables a derivative is, or what its parts are picked from."""
    if x is None:
        return None
    if type(x) is Cotangents:
        by_output = {k: _placed(inner, places) for k, inner in x.by_output.items()}
        return by_output, places[x.wholes[0]] if x.wholes else None
    if type(x) is Tangents:
        parts = x.by_output
        if isinstance(parts, list):  # of a Function's outputs
            return None, {k: _placed(move, places) for k, move in enumerate(parts)}
        return places[parts.whole], parts.places
    return places[x] if isinstance(x, Node) else _Constant(x)


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
