"""Writing: the graph of some symbols as the text of a straight-line Python function.

What is used once is written into the place of its use, up to some depth and length; all else is a
local variable. The text is kept within what Python's own compiler takes.
"""

import builtins
import keyword
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple

from scalargrad import ops
from scalargrad.custom import Pick
from scalargrad.nesting import Static, Structure
from scalargrad.ops import NaryOp, Op
from scalargrad.symbols import FunctionCall, Symbol, call_backward, constant_key, symbol
from scalargrad.value import Value, is_real, topological_order

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
        root = symbol("", _OUTPUTS, tuple(x for x in outputs if isinstance(x, Value)))
        # In the order of the traced function: errors are then found in that order, too.
        reached = topological_order(root)[:-1]
        wanted = set(reached)
        self.order = [x for x in reached if not isinstance(x, Symbol)]
        self.order += [x for x in symbols if x in wanted]
        # How often each number is used, and, in order, of the inputs and captured Values those
        # that the outputs depend on.
        self.uses: Counter[Value] = Counter()
        self.leaves: dict[Value, None] = {}
        for node in [*self.order, root]:
            alias = node._op in _ALIASES
            for x in node._inputs():
                if isinstance(x, Value):
                    if x._op is None:
                        self.leaves[x] = None
                    if not alias:
                        while x._op in _ALIASES:
                            x = x._first
                        self.uses[x] += 1

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

    def function_name(self, op: Op) -> str:
        """Return the name of a Function's forward or backward among the program's globals."""
        return self._global((op.name, op.forward), op.forward, op.name)

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
        return self._global(constant_key(x) if is_real(x) else id(x), x, wish)

    def _global(self, key: Any, x: Any, wish: str) -> str:
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
        if isinstance(op, FunctionCall) or op.forward is call_backward:
            name = self.function_name(op)
            return f"{name}({', '.join(texts)})", _ATOM
        if op.name in _LIST_FUNCTIONS:
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
# Ops that only mean something to derivatives: the program has their operand instead.
_ALIASES = (ops.pos, ops.detach)
_FUNCTION_NAMES = {"**": "power", "constant_max": "max"}
# Those whose function takes one list in a program, unlike their op's own forward.
_LIST_FUNCTIONS: dict[str, Callable[..., Any]] = {"fsum": math.fsum, "constant_max": max}


def function_of(op_name: str) -> Callable[..., Any]:
    """Return what a program calls for the op of this name.

    >>> function_of("exp")(0.0), function_of("fsum")([1.0, 2.0])
    (1.0, 3.0)
    """
    return _LIST_FUNCTIONS.get(op_name) or ops.OPS[op_name].forward


class Written(NamedTuple):
    """The text of a function, and what it needs to run."""

    source: str
    # By their names in the text, the ops whose functions it calls, and its other constants.
    functions: dict[str, str]
    constants: dict[str, Any]
    # The Values whose numbers it takes in a list as its last argument, if there are any.
    captured: list[Value]
    # What it computes, in order.
    order: list[Value]


def write_function(
    name: str,
    arguments: list[tuple[str, Structure]],
    symbols: list[Symbol],
    computed: list[Symbol],
    result: Structure,
    outputs: list[Any],
) -> Written:
    """Return the function `name` of `arguments`, by name and nesting, that gives `outputs`.

    `symbols` are the numbers of all the arguments, in order, `computed` what was traced, in order,
    and `result` is the nesting of the outputs.
    """
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
    if result is None:
        returned = writer.operand(outputs[0]).text
    else:
        returned = _nest_text(result, iter(outputs), writer)
        if result[0] is tuple and len(result[1]) > 1:
            returned = returned[1:-1]  # a tuple needs no brackets here
    writer.statement("return", returned)
    name = writer.name(name if name.isidentifier() else "f")
    source = "\n".join([f"def {name}({', '.join(parameters)}):", *writer.lines, ""])
    return Written(source, writer.functions, writer.constants, captured, writer.order)


def _unpack(writer: _Writer, name: str, structure: Structure, symbols: list[Symbol]) -> None:
    """Write the lines that take the nest `name` apart, and name the symbols of its numbers."""
    if structure is None:
        symbols[0].label = name
        writer.texts[symbols[0]] = _Text(name)
        return
    if writer.leaves.keys().isdisjoint(symbols):
        return
    kind, items = structure
    is_dict = issubclass(kind, dict)
    keys, nests = zip(*items, strict=True) if is_dict else (range(len(items)), items)
    remaining = iter(symbols)
    inner = [list(islice(remaining, _size(nest))) for nest in nests]
    parts = [
        "_"
        if writer.leaves.keys().isdisjoint(own)
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
