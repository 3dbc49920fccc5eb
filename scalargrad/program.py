"""`compile`: trace a function once, and write the program of its value, its gradient, or both.

A trace calls the function with symbols, Values that have no number: ops on them, and on any Values
that the function captures, make a graph. `_Writer` writes that graph as a straight-line Python
function of plain numbers. Since the transforms and the rules work on symbols as on Values, a
gradient is traced like anything else.
"""

import builtins
import inspect
import keyword
import linecache
import math
import os
import re
import sys
import threading
import unicodedata
import weakref
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial, update_wrapper
from itertools import count, islice
from numbers import Rational
from types import MethodType
from typing import Any, NamedTuple, NoReturn

from scalargrad import ops
from scalargrad.custom import Cotangents, CustomOp, Function, Pick, Run
from scalargrad.nesting import Static, Structure, flatten, unflatten
from scalargrad.ops import NaryOp, Op, Tracer
from scalargrad.transforms import running
from scalargrad.value import (
    FAILURES,
    Mode,
    Value,
    accumulate,
    explained,
    in_mode,
    is_real,
    pull_back,
    topological_order,
    tracing,
)


class TraceError(TypeError):
    """Raised while a function is traced, at what a trace cannot see: it names the line."""


_HERE = os.path.join(os.path.dirname(__file__), "")


def _untraceable(what: str, cure: str) -> NoReturn:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    file, line = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, line).strip()
    raise TraceError(f"{what}, at line {line} of {file}:\n    {text}\n{cure}")


def _refused(what: str, cure: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any) -> NoReturn:
        _untraceable(what, cure)

    return method


_NO_NUMBER = "a traced number has no value until the program runs"
_FUNCTIONS = (
    "compute with arithmetic and the functions of scalargrad, which are traced (logsumexp and "
    "softmax need no maximum taken out); or name the argument in static_argnums"
)
_BRANCH = "a traced function cannot branch on a traced number"
_CHOOSE = (
    "write where(condition, a, b) for if, maximum(a, b) and minimum(a, b) for max and min; or name "
    "the argument in static_argnums"
)


class Symbol(Value):
    """A number that is not known yet: an input of a traced function, or what is computed of it."""

    __slots__ = ()

    @property
    def data(self) -> Any:
        """Raise TraceError: there is no number."""
        _untraceable(f"{_NO_NUMBER}, so it has no .data", _FUNCTIONS)

    def described(self) -> str:
        """Return how errors name this symbol."""
        return repr(self)

    def __repr__(self) -> str:
        return f"<traced {self.label or self.op or 'input'}>"

    __hash__ = object.__hash__
    __bool__ = _refused(_BRANCH, _CHOOSE)
    __int__ = __float__ = __complex__ = __index__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __round__ = __trunc__ = __floor__ = __ceil__ = _refused(_NO_NUMBER, _FUNCTIONS)
    __format__ = _refused(_NO_NUMBER, "print what the compiled function returns")
    backward = forward = _refused(
        "a traced function cannot run backward() or forward() within",
        "use grad or value_and_grad within, or compile(f).backward(...) from outside",
    )

    def __eq__(self, other: object) -> Any:
        return self.record(ops.equal, (self, other))

    def __ne__(self, other: object) -> Any:
        return self.record(ops.unequal, (self, other))

    def __gt__(self, other: Any) -> Any:
        return self.record(ops.greater, (self, other))

    def __lt__(self, other: Any) -> Any:
        return self.record(ops.less, (self, other))

    def __ge__(self, other: Any) -> Any:
        return self.record(ops.at_least, (self, other))

    def __le__(self, other: Any) -> Any:
        return self.record(ops.at_most, (self, other))


# A Value computes at once; a symbol hands every operator and method on to the trace.
for _name, _method in vars(Tracer).items():
    if callable(_method) and _name not in ("__init__", "__new__", "record"):
        setattr(Symbol, _name, _method)


def _symbol(label: str = "", op: Op | None = None, inputs: tuple[Any, ...] = ()) -> Symbol:
    node = object.__new__(Symbol)
    node.grad = 0
    node.label = label
    node._op = op
    node._first = node._second = None
    if op is not None:
        if op.partials:
            node._first = inputs[0]
            node._second = inputs[1] if len(inputs) == 2 else None
        else:
            node._first, node._second = inputs, False
    return node


class _Trace(Mode):
    """The mode in which ops make symbols: the same op on the same inputs makes one symbol."""

    def __init__(self, samples: dict[Value, Any]) -> None:
        # What was computed, in order; and by op and inputs.
        self.symbols: list[Symbol] = []
        self.made: dict[Any, Any] = {}
        self.samples = samples

    def record(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        key: list[Any] = [id(op)]
        for x in inputs:
            if isinstance(x, Value):
                key.append(id(x))
            elif is_real(x):
                key.append(_constant_key(x))
            else:
                raise TypeError(
                    f"{op.name} takes Values and real numbers, not {x!r} ({type(x).__name__})"
                )
        if op is ops.pos:
            # A transform's stand-in for its argument, which must stay apart from all others.
            return self.new(op, inputs)
        simpler = _simplified(op, inputs)
        if simpler is not None:
            return simpler
        known = tuple(key)
        if known not in self.made:
            self.made[known] = self.new(op, inputs)
        return self.made[known]

    def new(self, op: Op, inputs: tuple[Any, ...]) -> Symbol:
        """Return a new symbol, whether or not there is one like it."""
        node = _symbol("", op, inputs)
        self.symbols.append(node)
        return node

    def call(self, op: Op, inputs: tuple[Any, ...]) -> Any:
        assert isinstance(op, CustomOp)
        # Only forward can tell how many outputs it has: try it on the numbers of this first call.
        outputs = op.forward(*[self.sample(x) if isinstance(x, Value) else x for x in inputs])
        call = self.new(_FunctionCall(op.function, op.wanted), inputs)
        if not isinstance(outputs, tuple):
            return self.new(Pick(op.name, 0), (call,))
        return tuple(self.new(Pick(op.name, k), (call,)) for k in range(len(outputs)))

    def sample(self, x: Value) -> Any:
        """Return the number that the traced Value `x` has in this first call."""
        if x not in self.samples and x._op is None:
            return x.data
        for node in topological_order(x, self.samples):
            assert node._op is not None
            inputs = node._inputs()
            self.samples[node] = node._op.forward(
                *[
                    self.samples[x] if x in self.samples else x.data if isinstance(x, Value) else x
                    for x in inputs
                ]
            )
        return self.samples[x]


class _FunctionCall(NaryOp):
    """A Function within a program: its outputs, and after them what its backward needs."""

    __slots__ = ("wanted",)

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        super().__init__(function.__name__, _Forward(function, wanted), self._backward_call)
        self.wanted = wanted

    def _backward_call(self, g: Any, y: Any, *inputs: Any) -> list[Any]:
        backward = NaryOp(f"{self.name}_backward", _backward, _not_twice)
        places = range(1 + max(g.by_output))
        cotangents = [g.by_output.get(k, 0) for k in places]
        trace = tracing()
        assert isinstance(trace, _Trace)
        call = trace.new(backward, (y, *cotangents))
        return [
            trace.new(Pick(backward.name, i), (call,)) if wanted else 0
            for i, wanted in enumerate(self.wanted)
        ]


class _Forward:
    """Runs a Function's forward, and gives its outputs and the run, to be pickled by its class."""

    def __init__(self, function: type[Function], wanted: tuple[bool, ...]) -> None:
        self.function = function
        self.wanted = wanted

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        run = Run(self.function, self.wanted)
        y = run.forward(*inputs)
        return (*y, run) if isinstance(y, tuple) else (y, run)


def _backward(outputs_and_run: tuple[Any, ...], *cotangents: Any) -> list[Any]:
    run = outputs_and_run[-1]
    by_output = Cotangents(dict(enumerate(cotangents)))
    return run.backward(by_output, None, *run.inputs)  # type: ignore[no-any-return]


def _not_twice(g: Any, y: Any, *inputs: Any) -> list[Any]:
    _untraceable(
        "the backward of a Function is a call in the program, which has no derivative",
        "differentiate it twice without compile, or write its arithmetic in the function itself",
    )


def _constant_key(x: Any) -> Any:
    """Return what tells the number `x` from all that are not the same in kind, sign and digits."""
    return type(x), x if isinstance(x, Rational) else repr(x)


def _is(x: Any, number: int) -> bool:
    return (type(x) is int or type(x) is float) and x == number


def _negated(x: Any) -> Any:
    """Return what `x` is the negative of, if it is a negation."""
    return x._first if isinstance(x, Symbol) and x._op is ops.neg else None


def _simplified(op: Op, inputs: tuple[Any, ...]) -> Any:
    """Return something simpler that equals `op` of `inputs` to the last bit, or None."""
    a, b = (*inputs, None)[:2]
    if op is ops.add:
        if _is(a, 0) or _is(b, 0):
            return b if _is(a, 0) else a
        if _negated(b) is not None:
            return a - _negated(b)
        if _negated(a) is not None:
            return b - _negated(a)
    elif op is ops.sub:
        if _is(b, 0) or _is(a, 0):
            return a if _is(b, 0) else -b
        if _negated(b) is not None:
            return a + _negated(b)
    elif op is ops.mul:
        if _is(a, 1) or _is(b, 1):
            return b if _is(a, 1) else a
        if _is(a, -1) or _is(b, -1):
            return -b if _is(a, -1) else -a
        if _negated(a) is not None:
            return -(_negated(a) * b)
        if _negated(b) is not None:
            return -(a * _negated(b))
    elif op is ops.div:
        if _is(b, 1):
            return a
        if _negated(a) is not None:
            return -(_negated(a) / b)
    elif op is ops.power:
        if _is(b, 0) or _is(b, 1):
            return a if _is(b, 1) else 1
    elif op is ops.neg:
        return _negated(a)
    elif op is ops.select and not isinstance(a, Value):
        return inputs[1] if a else inputs[2]
    return None


# --- writing ------------------------------------------------------------------------------------

# How tightly the parts of an expression bind; 6 for names and calls.
_CHOICE, _COMPARISON, _SUM, _PRODUCT, _NEGATION, _POWER, _ATOM = range(7)
_INFIX = {
    **dict.fromkeys((ops.greater, ops.less, ops.at_least, ops.at_most), _COMPARISON),
    **dict.fromkeys((ops.equal, ops.unequal), _COMPARISON),
    **dict.fromkeys((ops.add, ops.sub), _SUM),
    **dict.fromkeys((ops.mul, ops.div, ops.mod, ops.floordiv), _PRODUCT),
}
# An expression is written into the place of its one use up to this depth and length.
_DEEPEST, _LONGEST = 12, 150
_ONES = ("1", "1.0")
# So many terms at most make one sum.
_MOST = 100
_PIECE = re.compile(r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s'"])+""")
_OUTPUTS = NaryOp("outputs", lambda *xs: xs, lambda g, y, *xs: [0] * len(xs))


class _Text(NamedTuple):
    text: str
    binding: int = _ATOM
    depth: int = 0
    # Whether it cannot raise, and so need not be computed where it is not chosen.
    safe: bool = True

    def within(self, binding: int) -> str:
        return self.text if self.binding >= binding else f"({self.text})"


class _Writer:
    """Writes the graph of some symbols as the body of a function."""

    def __init__(
        self, symbols: Sequence[Symbol], outputs: Sequence[Any], taken: Iterable[str]
    ) -> None:
        self.lines: list[str] = []
        # Of the program's globals: the functions, by their names in it, and other constants.
        self.functions: dict[str, str] = {}
        self.constants: dict[str, Any] = {}
        self.called: dict[Op, str] = {}
        self.named: dict[Any, str] = {}
        self.taken = set(taken)
        reserved = (keyword.kwlist, dir(builtins), ops.OPS, _FUNCTION_NAMES.values())
        self.names = self.taken.union(*reserved)
        self.temporaries = map("t{}".format, count(1))
        # For each name that was wished for again and again, the numbers to tell them apart.
        self.numbers: defaultdict[str, Iterator[int]] = defaultdict(partial(count, 2))
        self.texts: dict[Value, _Text] = {}
        root = _symbol("", _OUTPUTS, tuple(x for x in outputs if isinstance(x, Value)))
        # In the order of the traced function: errors are then found in that order, too.
        reached = topological_order(root)[:-1]
        wanted = set(reached)
        self.order = [x for x in reached if not isinstance(x, Symbol)]
        self.order += [x for x in symbols if x in wanted]
        # Of the inputs and captured Values those that the outputs depend on, in order.
        self.leaves = self._leaves([*self.order, root]).keys()
        self.uses = self._count_uses([*self.order, root])

    @staticmethod
    def _leaves(nodes: list[Value]) -> dict[Value, None]:
        return dict.fromkeys(
            x for node in nodes for x in node._inputs() if isinstance(x, Value) and x._op is None
        )

    @staticmethod
    def _count_uses(nodes: list[Value]) -> Counter[Value]:
        uses: Counter[Value] = Counter()
        for node in nodes:
            if node._op in _ALIASES:
                continue
            for x in node._inputs():
                if isinstance(x, Value):
                    while x._op in _ALIASES:
                        x = x._first
                    uses[x] += 1
        return uses

    def name(self, wish: str) -> str:
        """Return a name like `wish` that the program does not use yet."""
        # As Python reads identifiers: two that look different may be the same name.
        letters = unicodedata.normalize("NFKC", wish)
        base = "".join(c if f"_{c}".isidentifier() else "_" for c in letters) or "t"
        base = base if base.isidentifier() else f"_{base}"
        name = base
        while name in self.names:
            name = f"{base}_{next(self.numbers[base])}"
        self.names.add(name)
        return name

    def write(self) -> None:
        for node in self.order:
            if node._op in _ALIASES:
                self.texts[node] = self.texts[node._first]
                continue
            text = self._expression(node)
            short = text.depth <= _DEEPEST and len(text.text) <= _LONGEST
            if self.uses[node] > 1 or node.label or not short:
                text = self.local(text, node.label)
            self.texts[node] = text

    def local(self, text: _Text, label: str = "") -> _Text:
        if label:
            name = self.name(label)
        else:
            name = next(t for t in self.temporaries if t not in self.names)
            self.names.add(name)
        self.statement(f"{name} =", text.text)
        return _Text(name)

    def statement(self, start: str, expression: str) -> None:
        line = f"    {start} {expression}"
        if len(line) > 100:
            line = f"    {start} (\n{_wrapped(expression)}\n    )"
        self.lines.append(line)

    def function(self, op: Op) -> str:
        """Return what an op of the table is called in the program: its name, if that is free."""
        for name, known in self.functions.items():
            if known == op.name:
                return name
        wish = {"**": "power", "constant_max": "max"}.get(op.name, op.name)
        name = self.name(wish) if wish in self.taken else wish
        self.functions[name] = op.name
        return name

    def function_name(self, op: Op) -> str:
        """Return the name of a Function's forward or backward among the program's globals."""
        for name, known in self.constants.items():
            if known is op.forward and (known is not _backward or name.startswith(op.name)):
                return name
        name = self.name(op.name)
        self.constants[name] = op.forward
        return name

    def take_apart(self, names: list[str], whole: str) -> None:
        """Write the line, or lines, that give the elements of `whole` their names."""
        listed = ", ".join(names) + "," * (len(names) == 1)
        if len(listed) > 80:
            listed = f"(\n{_wrapped(listed)}\n    )"
        self.lines.append(f"    {listed} = {whole}")

    def operand(self, x: Any) -> _Text:
        if isinstance(x, Value):
            return self.texts[x]
        kind = type(x)
        if (
            kind is bool
            or (kind is int and abs(x) < 10**20)
            or (kind is float and math.isfinite(x))
        ):
            return _Text(repr(x), _NEGATION if repr(x)[0] == "-" else _ATOM)
        return _Text(self.constant(x, repr(x).replace("-", "minus_") if kind is float else "c"))

    def constant(self, x: Any, wish: str) -> str:
        """Return the name of the global that is `x`: a number, a class or a key of a dict."""
        key = _constant_key(x) if is_real(x) else id(x)
        if key not in self.named:
            self.named[key] = self.name(wish)
            self.constants[self.named[key]] = x
        return self.named[key]

    def op_name(self, op: Op) -> str:
        """Return the name of the global that computes `op`: the op's, unless an argument has it."""
        if op not in self.called:
            wish = _FUNCTION_NAMES.get(op.name, op.name)
            self.called[op] = self.name(wish) if wish in self.taken else wish
            self.functions[self.called[op]] = op.name
        return self.called[op]

    def _expression(self, node: Value) -> _Text:
        op = node._op
        assert op is not None
        if op in _INFIX:
            return self._infix(op, self.operand(node._first), self.operand(node._second))
        parts = [self.operand(x) for x in node._inputs()]
        if op is ops.relu and parts[0].binding < _ATOM:
            parts[0] = self.local(parts[0])
        if op is ops.select:
            parts = [part if part.safe else self.local(part) for part in parts]
        text, binding = self._written(op, node, parts)
        depth = max((part.depth for part in parts), default=0)
        safe = op in _SAFE and all(part.safe for part in parts)
        return _Text(text, binding, depth + 1, safe)

    @staticmethod
    def _infix(op: Op, a: _Text, b: _Text) -> _Text:
        binding = _INFIX[op]
        left = a.text if a.binding >= binding else f"({a.text})"
        right = b.text if b.binding > binding else f"({b.text})"
        if op is ops.add and b.binding == _NEGATION:
            text = f"{left} - {right[1:]}"
        else:
            text = f"{left} {op.name} {right}"
        depth = a.depth if a.depth > b.depth else b.depth
        return _Text(text, binding, depth + 1, a.safe and b.safe and op in _SAFE)

    def _written(self, op: Op, node: Value, parts: list[_Text]) -> tuple[str, int]:
        if op is ops.neg:
            return f"-{parts[0].within(_NEGATION)}", _NEGATION
        if op is ops.power and type(node._second) is int:
            return f"{parts[0].within(_ATOM)} ** {parts[1].within(_NEGATION)}", _POWER
        texts = [part.within(_COMPARISON) for part in parts]
        if op is ops.relu:
            return f"0.0 if {texts[0]} <= 0 else {texts[0]}", _CHOICE
        if op is ops.select:
            return f"{texts[1]} if {texts[0]} else {texts[2]}", _CHOICE
        n = len(texts) // 2
        if op is ops.sumprod and n:
            # Faster than math.sumprod, which must be handed two tuples.
            pairs = zip(parts[:n], parts[n : 2 * n], strict=True)
            terms = [_product(p, q) for p, q in pairs]
            terms += [offset.within(_PRODUCT) for offset in parts[2 * n :]]
            return self._joined(" + ", terms), _SUM
        if op is ops.prod and texts:
            factors = [part.within(_NEGATION) for part in parts if part.text not in _ONES]
            return self._joined(" * ", factors or texts[:1]), _PRODUCT
        if isinstance(op, Pick):
            return f"{texts[0]}[{op.place}]", _ATOM
        if isinstance(op, _FunctionCall) or op.forward is _backward:
            name = self.function_name(op)
            return f"{name}({', '.join(texts)})", _ATOM
        if op in _TAKE_ONE_LIST:
            texts = [f"({', '.join(texts)}{',' * (len(texts) == 1)})"]
        return f"{self.op_name(op)}({', '.join(texts)})", _ATOM

    def _joined(self, sign: str, terms: list[str]) -> str:
        # In pieces: Python's own compiler recurses over the terms of a sum.
        text = sign.join(terms[:_MOST])
        for i in range(_MOST, len(terms), _MOST):
            text = sign.join([self.local(_Text(text)).text, *terms[i : i + _MOST]])
        return text


def _wrapped(text: str) -> str:
    """Return `text` as indented lines, broken at spaces, but within no string."""
    lines, line = [], ""
    for piece in _PIECE.findall(text):
        if line and len(line) + len(piece) > 91:
            lines.append(line)
            line = ""
        line += f" {piece}" if line else piece
    return "\n".join(f"        {line}" for line in [*lines, line])


def _product(p: _Text, q: _Text) -> str:
    if p.text in _ONES or q.text in _ONES:
        return (q if p.text in _ONES else p).within(_PRODUCT)
    return f"{p.within(_PRODUCT)} * {q.within(_NEGATION)}"


_SAFE = {
    *(ops.add, ops.sub, ops.mul, ops.neg, ops.relu, ops.select, ops.sumprod),
    *(ops.greater, ops.less, ops.at_least, ops.at_most, ops.equal, ops.unequal),
}
# What their names mean in a program, if it is not the op's own forward.
_TAKE_ONE_LIST = (ops.fsum, ops.constant_max)
_KNOWN = {"fsum": math.fsum, "constant_max": max}
_FUNCTION_NAMES = {"**": "power", "constant_max": "max"}


# Ops that only mean something to derivatives: the program has their operand instead.
_ALIASES = (ops.pos, ops.detach)


class Program:
    """A written function: its source, the Values whose numbers it takes, and how to call it."""

    def __init__(
        self,
        source: str,
        functions: dict[str, str],
        constants: dict[str, Any],
        captured: list[Value],
    ) -> None:
        self.source = source
        self.functions = functions
        self.constants = constants
        self.captured = captured
        # The Values whose derivatives the program gives, for `backward`.
        self.targets: list[Value] = []
        # The graph, to find the op that failed; a program from a pickle has none.
        self.graph: tuple[list[Value], list[Symbol]] | None = None
        self._load()

    def _load(self) -> None:
        names = {name: _KNOWN.get(op) or ops.OPS[op].forward for name, op in self.functions.items()}
        self.globals = {**names, **self.constants, "__name__": __name__}
        file = f"<scalargrad program {next(_files)}>"
        linecache.cache[file] = (len(self.source), None, self.source.splitlines(True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        exec(builtins.compile(self.source, file, "exec"), self.globals)
        name = self.source[len("def ") : self.source.index("(")]
        self.function: Callable[..., Any] = self.globals[name]

    def __call__(self, arguments: Sequence[Any]) -> Any:
        if self.captured:
            return self.function(*arguments, [x.data for x in self.captured])
        return self.function(*arguments)

    def explain(self, numbers: Sequence[Any]) -> None:
        """Raise what the eager engine raises on these inputs, naming the op, if it does."""
        if self.graph is None:
            return
        order, symbols = self.graph
        known: dict[Value, Any] = dict(zip(symbols, numbers, strict=True))
        for node in order:
            assert node._op is not None
            inputs = [
                known[x] if x in known else x.data if isinstance(x, Value) else x
                for x in node._inputs()
            ]
            try:
                known[node] = node._op.forward(*inputs)
            except FAILURES as error:
                named = tuple(
                    Value(number, x.label) if isinstance(x, Value) and is_real(number) else number
                    for x, number in zip(node._inputs(), inputs, strict=True)
                )
                raise explained(error, node._op, named) from None

    def __getstate__(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "functions": self.functions,
            "constants": self.constants,
            "captured": self.captured,
            "targets": self.targets,
            "graph": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._load()


_files = count(1)
_STATIC = (str, type(None), bool)


def _written(
    name: str,
    arguments: list[tuple[str, Structure]],
    symbols: list[Symbol],
    computed: list[Symbol],
    result: Structure,
    outputs: list[Any],
) -> Program:
    taken = [argument for argument, _ in arguments]
    writer = _Writer(computed, outputs, taken)
    remaining = iter(symbols)
    for argument, structure in arguments:
        _unpack(writer, argument, structure, list(islice(remaining, _size(structure))))
    captured = [x for x in writer.leaves if not isinstance(x, Symbol)]
    parameters = taken
    if captured:
        given = writer.name("captured")
        parameters = [*taken, given]
        names = [writer.name(x.label or "p") for x in captured]
        for x, text in zip(captured, names, strict=True):
            writer.texts[x] = _Text(text)
        writer.take_apart(names, given)
    writer.write()
    texts = iter(outputs)
    returned = _nest_text(result, texts, writer)
    if result is None and isinstance(outputs[0], Value):
        returned = writer.operand(outputs[0]).text
    if result is not None and result[0] is tuple and len(result[1]) > 1:
        returned = returned[1:-1]  # a tuple needs no brackets here
    writer.statement("return", returned)
    name = writer.name(name if name.isidentifier() else "f")
    source = "\n".join([f"def {name}({', '.join(parameters)}):", *writer.lines, ""])
    program = Program(source, writer.functions, writer.constants, captured)
    program.graph = (writer.order, symbols)
    return program


def _unpack(writer: _Writer, name: str, structure: Structure, symbols: list[Symbol]) -> None:
    """Write the lines that take the nest `name` apart, and name the symbols of its numbers."""
    if structure is None:
        symbols[0].label = name
        writer.texts[symbols[0]] = _Text(name)
        return
    if writer.leaves.isdisjoint(symbols):
        return
    kind, items = structure
    is_dict = issubclass(kind, dict)
    keys, nests = zip(*items, strict=True) if is_dict else (range(len(items)), items)
    remaining = iter(symbols)
    inner = [list(islice(remaining, _size(nest))) for nest in nests]
    parts = [
        "_"
        if writer.leaves.isdisjoint(own)
        else writer.name(f"{name}_{key}" if is_dict else f"{name}{key}")
        for key, own in zip(keys, inner, strict=True)
    ]
    if is_dict:
        for key, part in zip(keys, parts, strict=True):
            if part != "_":
                writer.statement(f"{part} =", f"{name}[{_key_text(key, writer)}]")
    else:
        writer.take_apart(parts, name)
    for part, nest, own in zip(parts, nests, inner, strict=True):
        if part != "_":
            _unpack(writer, part, nest, own)


def _size(structure: Structure) -> int:
    if structure is None:
        return 1
    kind, items = structure
    if kind is Static:
        return 0
    return sum(_size(item[1] if issubclass(kind, dict) else item) for item in items)


def _nest_text(structure: Structure, outputs: Any, writer: _Writer) -> str:
    if structure is None:
        return writer.operand(next(outputs)).within(_COMPARISON)
    kind, items = structure
    if issubclass(kind, dict):
        pairs = [
            f"{_key_text(key, writer)}: {_nest_text(item, outputs, writer)}" for key, item in items
        ]
        return "{" + ", ".join(pairs) + "}"
    parts = [_nest_text(item, outputs, writer) for item in items]
    if hasattr(kind, "_fields"):
        return f"{writer.constant(kind, kind.__name__)}({', '.join(parts)})"
    if issubclass(kind, tuple):
        text = f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    else:
        text = f"[{', '.join(parts)}]"
    return text if kind in (list, tuple) else f"{writer.constant(kind, kind.__name__)}({text})"


def _key_text(key: Any, writer: _Writer) -> str:
    return repr(key) if type(key) in (str, int, bool) else writer.constant(key, "key")


class CacheInfo(NamedTuple):
    """How often a program was found and how often written, how many there may be and are."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Compiled:
    """A function as programs: one for each nesting of its arguments. `compile` makes them."""

    maxsize = 64
    __name__: str

    def __init__(self, f: Callable[..., Any], static_argnums: int | Sequence[int]) -> None:
        # A model or a partial has no name, and its own attributes are not ours.
        update_wrapper(self, f, updated=())
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self._f: Callable[..., Any] | None = f
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = 0
        self._signature = inspect.signature(f)
        self._names = tuple(self._signature.parameters)
        self._static = frozenset(_static_names(static_argnums, self._names))
        self._simple = all(
            p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            for p in self._signature.parameters.values()
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns, as plain numbers in its nesting.

        Within a transform, or while another function is traced, f itself is called instead: they
        must see what it computes.
        """
        if self._f is not None and (running() or tracing() is not None):
            return self._f(*args, **kwargs)
        return self._run(args, kwargs, backward=False)[0]

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def backward(self, *args: Any, **kwargs: Any) -> Any:
        """Return the function's value; add its derivatives to the `.grad` of captured Values.

        Those are the Values that the function uses but does not take as arguments, as the
        parameters of a model: they get what the eager `backward()` would add. Raises TypeError if
        the function does not return one number.
        """
        if running() or tracing() is not None:
            _untraceable(
                "backward() of a compiled function cannot run while another is differentiated",
                "use grad or value_and_grad of the function within",
            )
        (value, slopes), program = self._run(args, kwargs, backward=True)
        accumulate(program.targets, slopes)
        return value

    @property
    def source(self) -> str:
        """The text of the program that ran last. Raises ValueError if none has."""
        if not self._programs:
            raise ValueError("there is no program yet: call the compiled function first")
        return next(reversed(self._programs.values())).source

    def cache_info(self) -> CacheInfo:
        """Return how many calls found their program, how many wrote one, and how many are kept."""
        return CacheInfo(self._hits, self._misses, self.maxsize, len(self._programs))

    def _run(self, args: Any, kwargs: Any, backward: bool) -> tuple[Any, Program]:
        names = self._names
        if kwargs or not self._simple or len(args) != len(names):
            # Without the defaults: they are f's own, and may be anything.
            bound = self._signature.bind(*args, **kwargs).arguments
            names, args = tuple(bound), tuple(bound.values())
        numbers: list[Any] = []
        structures: list[Structure] = []
        for name, argument in zip(names, args, strict=True):
            static = (object,) if name in self._static else _STATIC
            found, structure = flatten(argument, name, static)
            numbers += found
            structures.append(structure)
        for x in numbers:
            if isinstance(x, Value):
                raise TypeError(
                    f"{self.__name__} is compiled and takes plain numbers, not {x!r}: give it the "
                    ".data of Values; or let it capture them, and call .backward(...)"
                )
        key = (backward, names, *structures)
        with self._lock:
            try:
                program = self._programs.get(key)
            except TypeError as error:
                raise TypeError(f"static arguments must be hashable: {error}") from None
            if program is None:
                self._misses += 1
            else:
                self._hits += 1
                self._programs.move_to_end(key)
        if program is None:
            program = self._traced(names, numbers, structures, backward)
            with self._lock:
                self._programs[key] = program
                if len(self._programs) > self.maxsize:
                    self._programs.popitem(last=False)
        try:
            return program(args), program
        except FAILURES:
            program.explain(numbers)
            raise

    def _traced(
        self,
        names: tuple[str, ...],
        numbers: list[Any],
        structures: list[Structure],
        backward: bool,
    ) -> Program:
        if self._f is None:
            raise TypeError(
                f"{self.__name__} came from a pickle with its programs alone, and has none for "
                "arguments nested like these: call it so before pickling"
            )
        symbols = [_symbol() for _ in numbers]
        nests = unflatten((list, tuple(structures)), symbols)
        targets: list[Value] = []
        trace = _Trace(dict(zip(symbols, numbers, strict=True)))
        with in_mode(trace):
            bound = inspect.BoundArguments(
                self._signature, OrderedDict(zip(names, nests, strict=True))
            )
            output = self._f(*bound.args, **bound.kwargs)
            outputs, result = flatten(output, f"the result of {self.__name__}")
            if backward:
                if result is not None:
                    raise TypeError(
                        f"backward needs a function that returns one number; {self.__name__} "
                        f"returned {output!r} ({type(output).__name__})"
                    )
                slopes = self._slopes(outputs[0])
                targets = list(slopes)
                outputs += slopes.values()
                result = (tuple, (None, (list, (None,) * len(slopes))))
        arguments = list(zip(names, structures, strict=True))
        program = _written(self.__name__, arguments, symbols, trace.symbols, result, outputs)
        program.targets = targets
        return program

    @staticmethod
    def _slopes(y: Any) -> dict[Value, Any]:
        if not isinstance(y, Value):
            return {}
        slopes: dict[Value, Any] = {y: 1}
        order = topological_order(y)
        pull_back(order, slopes, as_graph=True)
        leaves = _Writer._leaves(order) if order else [y]
        captured = [x for x in leaves if not isinstance(x, Symbol)]
        return {x: slopes.get(x, 0) for x in captured}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_f": None, "__wrapped__": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


def _static_names(static_argnums: int | Sequence[int], names: Sequence[str]) -> list[str]:
    places = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    for i in places:
        if not isinstance(i, int) or not -len(names) <= i < len(names):
            raise TypeError(
                f"static_argnums must be places of arguments, whole numbers from {-len(names)} to "
                f"{len(names) - 1} here, not {i!r}"
            )
    return [names[i] for i in places]


def compile(f: Callable[..., Any], static_argnums: int | Sequence[int] = ()) -> Any:
    """Return f as a program of plain numbers, to be called like f.

    The first call with arguments of one nesting traces f and writes the program. Arguments are
    numbers or nested lists, tuples and dicts of numbers; strings, None, bools and what is in
    `static_argnums` (which must be hashable) are static: each of their values gets a program.
    Values that f captures are read at each call; not so the plain numbers that f makes of them by
    `.data`, or anything else that f looks up while it is traced. Results are the eager ones, but
    the sign of a zero may differ. Raises TraceError, naming the line, where f branches on a traced
    number or asks for its value.

    >>> from scalargrad import grad, sin
    >>> slope = compile(grad(lambda x, y: x * y + sin(x)))
    >>> slope(0.0, 2.0)
    3.0
    >>> print(slope.source)
    def f(x, y):
        return y + cos(x)
    <BLANKLINE>
    """
    return Compiled(f, static_argnums)


def map_grad(
    compiled: Callable[..., tuple[Any, Any]], batch: Iterable[Sequence[Any]], executor: Executor
) -> tuple[Any, Any]:
    """Return the sums of value and gradient over a batch, computed by the executor's workers.

    `compiled` gives a pair, as `compile(value_and_grad(f))` does; `batch` has its arguments, a
    sequence for each call. The sums are in the batch's order: they are the same to the last bit
    whatever the workers. Raises ValueError for an empty batch, and TypeError for a batch or a
    function that is not as said.
    """
    calls = list(batch)
    for i, call in enumerate(calls):
        if not isinstance(call, list | tuple) or len(call) != len(calls[0]):
            raise TypeError(
                "map_grad needs a batch of lists or tuples of arguments, all equally long, such as "
                f"[(x, y), ...]; item {i} is {call!r}"
            )
    total: list[Any] | None = None
    structure: Structure = None
    for result in executor.map(compiled, *zip(*calls, strict=True)):
        numbers, structure = flatten(result, "the result")
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "map_grad needs a function that returns a pair, the value and the gradient, as "
                f"compile(value_and_grad(f)) does; this one returned {result!r}"
            )
        total = numbers if total is None else [a + b for a, b in zip(total, numbers, strict=True)]
    if total is None:
        raise ValueError("map_grad needs a batch of one call at least")
    value, gradients = unflatten(structure, total)
    return value, gradients
