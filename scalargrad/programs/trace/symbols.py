"""Tracing: a function called with symbols, numbers that are not known yet, in place of numbers.

While a function is traced, ops on symbols, and on any Values that it captures, make symbols; since
the transforms and the rules work on them as on Values, a gradient is traced like anything else.
What would need a number itself raises `TraceError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from sys import _getframe
from typing import Any, NoReturn

from scalargrad.engine.context import here, in_trace, tracing
from scalargrad.engine.errors import PACKAGE, TraceError, untraceable, users_line
from scalargrad.engine.graph import Node, operands_of, topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.outputs import Pick, pick
from scalargrad.engine.primitive import record
from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.functions import choices
from scalargrad.functions.arithmetic import detach
from scalargrad.programs.code import (
    Builder,
    Call,
    Code,
    Literal,
    Operand,
    attempted,
    lower,
    succeeded,
)
from scalargrad.programs.trace.safe import SAFE, is_finite, is_safe

_new = object.__new__
# Conditions, each with its truth, in the order in which choices were made by them.
Way = dict[tuple[Any, bool], None]
_ALWAYS: Way = {}


def _refused(what: str, cure: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any) -> NoReturn:
        untraceable(what, cure)

    return method


ENDED = (
    "a traced number was used after its trace had ended, or in another thread than it: a traced "
    "function must not keep it in a global, a list or an attribute (return it instead), and what "
    "a thread pool computes is not traced (compute it in the function itself)"
)
_NO_NUMBER = "a traced number has no value until the program runs"
_FUNCTIONS = (
    "compute with arithmetic and the functions of scalargrad, which are traced (logsumexp and "
    "softmax need no maximum taken out); or name the argument in static_argnums"
)
_BRANCH = "a traced function cannot branch on a traced number"
_CHOOSE = (
    "write where(condition, a, b) for if (conditions combine by & and |), maximum(a, b) and "
    "minimum(a, b) for max and min; or name the argument in static_argnums"
)
_LOOK_UP = (
    "compare it, as in where(x == 1.0, a, b); or name the argument in static_argnums, if it is "
    "what chooses"
)
_BACKWARD = "use grad or value_and_grad within, or compile(f).backward(...) from outside"


def _connective(op: Op, reflected: bool = False) -> Callable[..., Any]:
    """Return the method for `&` and its kin: of conditions, as bools have them."""

    def method(self: Symbol, other: Any) -> Any:
        if not is_condition(self) or not (isinstance(other, Node) or is_real(other)):
            return NotImplemented
        return record(op, (other, self) if reflected else (self, other))

    return method


def is_condition(x: Any) -> bool:
    """Return whether the symbol `x` is a comparison, or made of such, also within a call."""
    op = x._op
    if type(op) is Pick and isinstance(x._first._op, Call):
        return is_condition(x._first._op.outputs[op.place])  # type: ignore[attr-defined]
    return op in choices.CONDITIONS


# The traces that run, in any thread.
_running: list[Trace] = []


def ended(*inputs: Any) -> TraceError:
    """Return the error of using symbols where their trace is not in force; tell the trace of it.

    A thread that was started within may end with it, and nobody look.
    """
    error = NotTracedHere(ENDED)
    for trace in _running.copy():
        if any(trace.has(x) for x in inputs if isinstance(x, Symbol)):
            trace.refused(error)
    return error


class NotTracedHere(TraceError, AttributeError):
    """Raised where the number of a symbol is wanted: it has none, as `hasattr` must know."""


class Symbol(Node):
    """A number that is not known yet: an input of a traced function, or what is computed of it."""

    # Its place among the symbols of its trace, and -1 - its place among the inputs.
    __slots__ = ("number",)

    number: int

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """Value, so that code which asks `isinstance(x, Value)` works while it is traced."""
        return Value

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the symbol of `op` on `inputs`."""
        now = here()
        if now.trace is None:
            raise ended(*inputs)
        y = now.trace.record(op, inputs)
        return y if now.records else y.detach()

    @property
    def data(self) -> Any:
        """Raise TraceError: there is no number."""
        untraceable(f"{_NO_NUMBER}, so it has no .data", _FUNCTIONS)

    @property
    def _data(self) -> Any:
        """Raise TraceError: an op of a Value and this does not know of its trace."""
        raise ended(self) if tracing() is None else NotTracedHere(ENDED)

    @property
    def grad(self) -> Any:
        """Raise TraceError: there is no gradient."""
        untraceable(f"{_NO_NUMBER}, so it has no .grad", _BACKWARD)

    def detach(self) -> Any:
        """Return the same number, as a constant."""
        trace = tracing()
        if trace is None:
            raise ended(self)
        return trace.record(detach.op, (self,))

    def __repr__(self) -> str:
        return f"<traced {self.label or self.op or 'input'}>"

    backward = forward = _refused(
        "a traced function cannot run backward() or forward() within", _BACKWARD
    )

    def __invert__(self) -> Any:
        if not is_condition(self):
            raise TypeError("~ is for conditions, such as x > 0")
        return record(choices.inverse.op, (self,))

    def __hash__(self) -> int:
        """Return the hash by identity for our own code; anybody else would look for a number."""
        if id(_getframe(1).f_globals) not in _ours:
            _check_ours(_getframe(1))
        return id(self) >> 4

    def __bool__(self) -> bool:
        """Return the truth of the number in the call for which its function is traced."""
        trace = tracing()
        if trace is None:
            raise ended(self)
        return trace.truth(self)  # type: ignore[no-any-return]

    __int__ = __float__ = __complex__ = __index__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __round__ = __trunc__ = __floor__ = __ceil__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __floordiv__ = __rfloordiv__ = __divmod__ = __rdivmod__ = Value.__floordiv__

    def __format__(self, spec: str) -> str:
        """Raise TraceError, unless on the way to an error that the function itself raises."""
        trace = tracing()
        try:
            untraceable(_NO_NUMBER, "print what the compiled function returns")
        except TraceError:
            if trace is None or trace.guards is None:
                raise
        return format(trace.sample(self), spec)

    __reduce__ = _refused(_NO_NUMBER, "copy what the compiled function returns")
    __and__ = _connective(choices.both.op)
    __rand__ = _connective(choices.both.op, reflected=True)
    __or__ = _connective(choices.either.op)
    __ror__ = _connective(choices.either.op, reflected=True)
    __xor__ = _connective(choices.one_of.op)
    __rxor__ = _connective(choices.one_of.op, reflected=True)


# The ids of the globals of modules of this package, which live as long as it does.
_ours: set[int] = set()


def _check_ours(frame: Any) -> None:
    """Raise TraceError if code that is not of this package wants a symbol's hash."""
    if not frame.f_code.co_filename.startswith(PACKAGE):
        untraceable("a traced number cannot be looked up in a set or a dict", _LOOK_UP)
    _ours.add(id(frame.f_globals))


class Tuple(Symbol):
    """Several numbers as one symbol: a nested argument, or what a call gives.

    `form` says of each of its elements whether it may be other than the literal 0; a call has none,
    whose elements are added as they are asked for. `owner` is the trace that it is of, which also
    has what is picked of it later; `parts` has its elements by place, as far as they are known.
    """

    __slots__ = ("form", "owner", "parts")

    form: tuple[bool, ...]
    owner: Trace
    parts: dict[int, Any]

    def element(self, k: int) -> Any:
        """Return the element at place `k`: always the same symbol."""
        found = self.parts.get(k)
        if found is None:
            found = self.parts[k] = self.owner.new_element(self, k)
        return found


def symbol(label: str = "", kind: type[Symbol] = Symbol) -> Any:
    """Return a new symbol for an input."""
    node = _new(kind)
    node.label = label
    node._op = node._first = node._second = None
    node.number = -1
    return node


def _values(rows: Iterable[Sequence[Any]]) -> dict[Any, None]:
    """Return the Values among operands, each once."""
    found: dict[Any, None] = {}
    for xs in rows:
        for x in xs:
            if type(x) is not Symbol and isinstance(x, Node) and not isinstance(x, Symbol):
                found[x] = None
    return found


class Trace:
    """Makes symbols of ops.

    `samples` has the numbers that the inputs have in the call for which the function is traced.
    """

    def __init__(self, samples: dict[Any, Any]) -> None:
        self.symbols: list[Symbol] = []  # what was computed, in order
        self.samples = samples
        self._sampled: set[Any] = set(samples)
        # The first TraceError that was raised.
        self.refusal: Exception | None = None
        # Where the function may branch: the conditions that it branched on, in order, each with
        # its truth and the line. And whether asking for a truth raised an error, which the function
        # without a trace raises elsewhere.
        self.guards: dict[Symbol, tuple[bool, tuple[str, int]]] | None = None
        self.failed = False
        # Functions that were traced for calls; tuples by their elements; and of the elements of
        # inputs that are tuples, the tuple and the place.
        self.subprograms: dict[Any, Any] = {}
        self.packs: dict[Any, Tuple] = {}
        self.leaves: dict[Any, tuple[Tuple, int]] = {}
        # While derivatives are pulled back: by which nodes they are wanted, None for all; and of
        # inputs that are tuples, by which elements.
        self.within: set[Any] | None = None
        self.wanted: dict[Any, Any] = {}
        # A derivative may be 0 unless conditions hold, as there is no path: these conditions, each
        # with its truth, by the number of the derivative's symbol.
        self.under: dict[int, Way] = {}
        # Derivatives that may be 0 as there is no path, on whatever conditions.
        self.perhaps_none: set[Any] = {None}
        # Whether computing a symbol may fail, by its number, up to the last one that was asked for;
        # and the same of nodes that are not of this trace.
        self._risky: list[bool] = []
        self._risky_elsewhere: dict[Any, bool] = {}
        self._judged: set[Any] = set()

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        for x in inputs:
            if type(x) is not Symbol and not isinstance(x, Node) and not is_real(x):
                raise TypeError(
                    f"{op.name} takes Values and real numbers, not {x!r} ({type(x).__name__})"
                )
        return self.new(op, inputs)

    def new(self, op: Op, inputs: tuple[Any, ...], node: Any = None) -> Any:
        """Return the symbol of `op` on `inputs`, which may be anything that the op takes.

        `node` is the symbol, if there is one already.
        """
        if node is None:
            node = _new(Symbol)
        node.label = ""
        node._op = op
        node.number = len(self.symbols)
        if op.joint is not None:
            node._first, node._second = inputs, False
        else:
            node._first = inputs[0]
            node._second = inputs[1] if len(inputs) == 2 else None
        self.symbols.append(node)
        return node

    def new_tuple(
        self, op: Op, inputs: tuple[Any, ...], form: Any = None, parts: Any = None
    ) -> Tuple:
        """Return the symbol of an op that gives a tuple."""
        node: Any = _new(Tuple)
        node.form, node.owner, node.parts = form, self, {} if parts is None else parts
        return self.new(op, inputs, node)  # type: ignore[no-any-return]

    def new_input(
        self, label: str, form: tuple[bool, ...] | None, numbers: Sequence[Any] | None = None
    ) -> Any:
        """Return the symbol of an input: of a tuple, if there is a form.

        `numbers` are what its elements are known as, if they are known already.
        """
        if form is None:
            return symbol(label)
        whole = symbol(label, Tuple)
        whole.form, whole.owner = form, self
        if numbers is None:
            numbers = [symbol() if is_there else 0 for is_there in form]
            self.leaves.update({x: (whole, k) for k, x in enumerate(numbers) if form[k]})
        whole.parts = dict(enumerate(numbers))
        return whole

    def new_element(self, whole: Tuple, k: int) -> Any:
        """Return the symbol of an element of a tuple of this trace."""
        call: Any = whole._op
        if isinstance(call, Call):
            output = call.outputs[k]  # type: ignore[attr-defined]
            if isinstance(output, Tuple):
                return self.new_tuple(pick(k), (whole,), output.form)
        elif whole.form is not None and not whole.form[k]:
            return 0
        return self.new(pick(k), (whole,))

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        from scalargrad.programs.trace.functions import traced_call  # only here: Functions are rare

        return traced_call(self, op, inputs)

    def call_derivatives(self, op: Op, gs: Sequence[Any], y: Any, inputs: Sequence[Any]) -> Any:
        from scalargrad.programs.trace.functions import traced_derivatives

        return traced_derivatives(self, op, gs, y, inputs)

    def refuse_access(self) -> None:
        untraceable(
            "a Value's number is read when the program runs, and its .data or .grad here would "
            "stay what it is now",
            "write the Value itself, or its detach() for the number without a gradient "
            "(logsumexp and softmax need no maximum taken out)",
        )

    def truth(self, x: Symbol) -> bool:
        """Return the truth of `x` in the call for which the function is traced: a guard of it."""
        if self.guards is None:
            untraceable(_BRANCH, _CHOOSE)
        if x not in self.guards:
            try:
                truth = bool(self.sample(x))
            except Exception:
                self.failed = True
                raise
            self.guards[x] = truth, users_line()
        return self.guards[x][0]

    def not_needed(self, outputs: Sequence[Any]) -> list[Any]:
        """Return the numbers that may fail and that neither `outputs` nor guards depend on."""
        needed = {x for x in (*outputs, *(self.guards or ())) if isinstance(x, Node)}
        for x in reversed(self.symbols):
            if x in needed and x._op is not choices.like.op:  # which only needs a kind
                needed.update([y for y in operands_of(x) if isinstance(y, Node)])
        found = [x for x in self.symbols if type(x) is Symbol and x not in needed]
        return list(filter(self.is_risky, found))

    def chose(self, chosen: Any, condition: Any, a: Any, b: Any) -> None:
        """Say that a rule chose by a condition between a and b: None for no path."""
        if type(chosen) is not Symbol or type(condition) is not Symbol:
            return
        if not self.perhaps_none.isdisjoint((a, b)):
            self.perhaps_none.add(chosen)
        if a is None or b is None:
            literal = condition, b is None
            self.under[chosen.number] = self._way(b if a is None else a) | {literal: None}
            self._is_zero_or_wanted(chosen)
        elif both := self._common_way(a, b):
            self.under[chosen.number] = both

    def _way(self, x: Any) -> Way:
        """Return the conditions, each with its truth, that must hold for `x` to be other than 0."""
        return self.under.get(x.number, _ALWAYS) if type(x) is Symbol else _ALWAYS

    def _common_way(self, a: Any, b: Any) -> Way:
        """Return the conditions that must hold for `a` and for `b`."""
        other = self._way(b)
        return {literal: None for literal in self._way(a) if literal in other}

    def guarded(self, g: Any, slopes: Sequence[Any]) -> Sequence[Any]:
        """Return what a rule gave for the derivative `g`: 0 where no path leads there.

        What may fail is chosen by the conditions: it is not computed unless they hold.
        """
        way = self._way(g)
        if not way:
            return slopes
        found = []
        for slope in slopes:
            if type(slope) is Symbol:
                if self.is_risky(slope):
                    literals = sorted(way, key=lambda literal: literal[0].number)
                    for condition, truth in reversed(literals):
                        zero = choices.like(0, g)  # of the slope it would need the slope
                        pair = (slope, zero) if truth else (zero, slope)
                        slope = choices.where(condition, *pair)
                    self._is_zero_or_wanted(slope)
                self.under[slope.number] = way | self._way(slope)
            found.append(slope)
        return found

    def _is_zero_or_wanted(self, x: Any) -> None:
        """Say that `x` is computed under its conditions alone, and so cannot fail without need."""
        self.is_risky(x)
        self._risky[x.number] = False

    def added(self, a: Any, b: Any) -> Any:
        """Return the sum of two derivatives by the same number."""
        total = a + b
        if both := self._common_way(a, b):
            self.under[total.number] = both
        return total

    def is_risky(self, x: Symbol) -> bool:
        """Return whether computing `x` may fail: whether any op on the way to it may."""
        risky = self._risky
        for node in self.symbols[len(risky) : x.number + 1]:
            risky.append(node._op is not choices.like.op and self._may_fail(node))
        return risky[x.number]

    def _may_fail(self, node: Any) -> bool:
        """Return whether the op of `node` may fail, or what it is applied to."""
        operands = operands_of(node)
        if node._op not in SAFE:
            last = operands[-1]
            if not is_safe(node._op, None if isinstance(last, Node) else last):
                return True
        risky = self._risky
        for x in operands:
            if not isinstance(x, Node):
                found = not is_finite(x)
            elif x._op is None:
                found = False
            elif isinstance(x, Symbol) and self._is_computed_here(x):
                found = risky[x.number]
            else:
                found = self._is_risky_elsewhere(x)
            if found:
                return True
        return False

    def _is_risky_elsewhere(self, x: Any) -> bool:
        """Return whether computing what is not of this trace may fail, as a captured result."""
        known = self._risky_elsewhere
        for node in topological_order([x], self._judged):
            known[node] = node._op is not choices.like.op and self._may_fail(node)
        return known[x]

    def forget(self) -> None:
        """Let go of the symbols, and of what these hold, when all is lowered."""
        held: list[Any] = [self.symbols, self.samples, self._sampled, self.packs, self.leaves]
        held += [self.guards or {}, self.wanted, self.under, self.perhaps_none]
        held += [self._risky_elsewhere, self._judged]
        for kept in held:
            kept.clear()
        self.within = None

    def has(self, x: Symbol) -> bool:
        """Return whether `x` is an input of this trace, or was computed in it."""
        return x in self.samples or self._is_computed_here(x)

    def _is_computed_here(self, x: Symbol) -> bool:
        k = x.number
        return 0 <= k < len(self.symbols) and self.symbols[k] is x

    def refused(self, error: Exception) -> None:
        self.refusal = self.refusal or error

    @contextmanager
    def running(self) -> Iterator[None]:
        """In this block ops make symbols of this trace.

        A TraceError that was raised within is raised again at its end: a function that catches it
        would go on with what it does for other numbers.
        """
        _running.append(self)
        try:
            with in_trace(self):
                yield
        finally:
            _running.remove(self)
        if self.refusal is not None:
            raise self.refusal

    def keep(self, key: Any, called: Any, captured: Sequence[Any]) -> None:
        """Keep a function that was traced for a call, for further calls."""
        self.subprograms[key] = called

    def known(self, samples: dict[Any, Any]) -> None:
        """Say what numbers some symbols have in the call for which the function is traced."""
        self.samples.update(samples)
        self._sampled.update(samples)

    def lowered(
        self, outputs: Sequence[Any], inputs: Sequence[Symbol]
    ) -> tuple[Code, list[Any], list[Any]]:
        """Return the Code of what `outputs` need, the Values that it captures, and their results.

        Its order is that of the traced function: errors are then found in that order, too. The
        Values that it captures are the inputs after `inputs`; their results are computed from them.
        """
        symbols = self.symbols
        for k, x in enumerate(inputs):
            x.number = ~k
        needed = [False] * len(symbols)
        kept: list[Symbol] = []
        used = [outputs]
        for node in (None, *reversed(symbols)):
            if node is not None:
                if not needed[node.number]:
                    continue
                kept.append(node)
                used.append(operands_of(node))
            for x in used[-1]:
                if type(x) is Symbol or isinstance(x, Symbol):
                    k = x.number
                    own, place = (symbols, k) if k >= 0 else (inputs, ~k)
                    if place >= len(own) or own[place] is not x:
                        raise TraceError(ENDED)
                    if k >= 0:
                        needed[k] = True
        kept.reverse()
        used.reverse()
        found = _values(used)
        results = topological_order(found)
        found.update(_values(map(operands_of, results)))
        captured = [x for x in found if x._op is None]
        builder = Builder(len(inputs) + len(captured))
        values = {x: k for k, x in enumerate(captured, len(inputs))}
        places = [0] * len(symbols)

        def operand(x: Any) -> Operand:
            if type(x) is Symbol or isinstance(x, Symbol):
                return places[x.number] if x.number >= 0 else ~x.number
            return values[x] if isinstance(x, Node) else Literal(x)

        for x in results:
            values[x] = builder.write(x._op, tuple(map(operand, operands_of(x))))
        for x, operands in zip(kept, used[:-1], strict=True):
            # The common case of `operand` is unrolled.
            row = [
                places[y.number] if type(y) is Symbol and y.number >= 0 else operand(y)
                for y in operands
            ]
            places[x.number] = builder.write(x._op, tuple(row))  # type: ignore[arg-type]
        labelled = [x for x in (*inputs, *captured, *results, *kept) if x.label]
        builder.code.labels = {operand(x): x.label for x in labelled}  # type: ignore[misc]
        builder.code.outputs = list(map(operand, outputs))
        return builder.code, captured, results

    def sample(self, x: Any) -> Any:
        """Return the number that `x` has in the call for which the function is traced."""
        if isinstance(x, Node) and x not in self.samples:
            nodes = topological_order([x], self._sampled)
            code, leaves = lower(nodes, [x])
            with in_trace(None):
                numbers = attempted(code, [self._leaf(leaf) for leaf in leaves])
            self.known(dict(zip(nodes, numbers[len(leaves) :], strict=True)))
            for node in nodes:
                if isinstance(node._op, Call):  # it may be asked for more later
                    self._sampled.discard(node)
        return succeeded([self._leaf(x)])[0]

    def _leaf(self, x: Any) -> Any:
        if not isinstance(x, Node):
            return x
        return self.samples[x] if x in self.samples else x._data  # noqa: SIM401 - symbols have none
