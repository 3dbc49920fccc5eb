"""`compile`: trace a function once, and run the program of its value, its gradient, or both.

The trace makes a graph of symbols, which is written as a Python function of plain numbers: one
program for each nesting of the arguments.
"""

import builtins
import gc
import inspect
import linecache
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import lru_cache, partial, update_wrapper
from itertools import chain, count
from types import MethodType
from typing import Any, NamedTuple

from scalargrad.captured import unread
from scalargrad.errors import FAILURES, explained, untraceable
from scalargrad.nesting import Structure, flatten, unflatten
from scalargrad.symbols import Symbol, Trace, symbol
from scalargrad.transforms import running
from scalargrad.value import (
    Value,
    accumulate,
    in_mode,
    is_real,
    pull_back,
    topological_order,
    tracing,
)
from scalargrad.writer import Written, function_of, write_function


class _Code:
    """The code of a source text, whose lines tracebacks and `inspect` can show."""

    def __init__(self, source: str) -> None:
        file = f"<scalargrad program {next(_files)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        self.compiled = builtins.compile(source, file, "exec")


_files = count(1)
# A process pool unpickles the same program again and again, and compiling it takes much longer.
_unpickled_code = lru_cache(maxsize=8)(_Code)


class Program:
    """A written function: its source, the Values whose numbers it takes, and how to call it."""

    def __init__(self, written: Written, symbols: list[Symbol], targets: list[Value]) -> None:
        self.source, self.functions, self.constants, self.captured, order = written
        # The Values whose derivatives the program gives, for `backward`.
        self.targets = targets
        # The graph, to find the op that failed; a program from a pickle has none.
        self.graph: tuple[list[Value], list[Symbol]] | None = (order, symbols)
        self._load(_Code(self.source))

    def _load(self, code: _Code) -> None:
        self.code = code  # with which its lines in tracebacks live
        functions = {name: function_of(op) for name, op in self.functions.items()}
        self.globals = {**functions, **self.constants, "__name__": __name__}
        exec(code.compiled, self.globals)
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
        self._load(_unpickled_code(self.source))


_STATIC = (str, type(None), bool)


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
            untraceable(
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
            with _collector_paused():
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
        symbols = [symbol() for _ in numbers]
        nests = unflatten((list, tuple(structures)), symbols)
        targets: list[Value] = []
        trace = Trace(dict(zip(symbols, numbers, strict=True)))
        with unread(self._f, nests), in_mode(trace):
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
        written = write_function(self.__name__, arguments, symbols, trace.symbols, result, outputs)
        return Program(written, symbols, targets)

    @staticmethod
    def _slopes(y: Any) -> dict[Value, Any]:
        if not isinstance(y, Value):
            return {}
        slopes: dict[Value, Any] = {y: 1}
        order = topological_order(y)
        pull_back(order, slopes, as_graph=True)
        inputs = [x for node in order for x in node._inputs() if isinstance(x, Value)] or [y]
        captured = [x for x in inputs if x._op is None and not isinstance(x, Symbol)]
        return {x: slopes.get(x, 0) for x in captured}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_f": None, "__wrapped__": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """In this block Python's collector of cycles waits.

    A trace makes objects by the hundred thousand, and keeps them: the collector would walk them
    again and again, for a quarter of the whole time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


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
    Values that f captures are read at each call; all else that f looks up, it looks up once, while
    it is traced. Results are the eager ones, but the sign of a zero may differ. Raises TraceError,
    naming the line, where f branches on a traced number or a captured one, or asks for its value.

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


def _results(f: Callable[..., Any], calls: Sequence[Sequence[Any]]) -> list[Any]:
    return [f(*call) for call in calls]


def map_grad(
    compiled: Callable[..., tuple[Any, Any]], batch: Iterable[Sequence[Any]], executor: Executor
) -> tuple[Any, Any]:
    """Return the sums of value and gradient over a batch, computed by the executor's workers.

    `compiled` gives a pair, as `compile(value_and_grad(f))` does; `batch` has its arguments, a
    sequence for each call. The sums are in the batch's order: they are the same to the last bit
    whatever the workers. Raises ValueError for an empty batch, and TypeError for a batch or a
    function that is not as said.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from scalargrad import value_and_grad
    >>> squared_error = compile(value_and_grad(lambda w, x, y: (w * x - y) ** 2))
    >>> with ThreadPoolExecutor() as executor:
    ...     map_grad(squared_error, [(2.0, 1.0, 3.0), (2.0, 4.0, 5.0)], executor)
    (10.0, 22.0)
    """
    calls = list(batch)
    if not calls:
        raise ValueError("map_grad needs a batch of one call at least")
    for i, call in enumerate(calls):
        if not isinstance(call, list | tuple) or len(call) != len(calls[0]):
            raise TypeError(
                "map_grad needs a batch of lists or tuples of arguments, all equally long, such as "
                f"[(x, y), ...]; item {i} is {call!r}"
            )
    total: list[Any] = []
    structure: Structure = None
    # The function travels with each chunk, so a few for each of the machine's cores are enough.
    size = -(-len(calls) // (4 * (os.cpu_count() or 1)))
    chunks = [calls[i : i + size] for i in range(0, len(calls), size)]
    for result in chain.from_iterable(executor.map(partial(_results, compiled), chunks)):
        numbers, structure = flatten(result, "the result")
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(
                "map_grad needs a function that returns a pair, the value and the gradient, as "
                f"compile(value_and_grad(f)) does; this one returned {result!r}"
            )
        total = [a + b for a, b in zip(total, numbers, strict=True)] if total else numbers
    value, gradients = unflatten(structure, total)
    return value, gradients
