"""A program: the Code of a traced function, spelled for the kinds of number it is called with."""

from __future__ import annotations

import builtins
import gc
import linecache
import pickle
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from scalargrad.engine.errors import FAILURES, shown
from scalargrad.engine.graph import Node
from scalargrad.engine.value import Value, backward_lock
from scalargrad.programs.code import Code, Leaf, evaluate
from scalargrad.programs.passes.kinds import ANY, EITHER, FLOAT, kind_of, places_of_ints
from scalargrad.programs.passes.simplify import optimised
from scalargrad.programs.run.bindings import Binding, guard_of, unguarded
from scalargrad.programs.run.frames import make_room
from scalargrad.programs.run.reader import places_of, reader_of
from scalargrad.programs.spell.python.function import spell_python
from scalargrad.programs.spell.python.speller import Spelled, function_of
from scalargrad.programs.trace.arguments import Arguments
from scalargrad.programs.trace.paths import Paths
from scalargrad.transforms.nesting import NUMBER, Nest, Structure

if TYPE_CHECKING:
    from scalargrad.programs.run.c_program import CProgram


@contextmanager
def collector_paused() -> Iterator[None]:
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


class _Compiled:
    """The code object of a source text, whose lines tracebacks and `inspect` can show."""

    def __init__(self, source: str) -> None:
        file = f"<scalargrad program {next(_files)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        weakref.finalize(self, linecache.cache.pop, file, None)
        self.code = builtins.compile(source, file, "exec")


_files = count(1)
# A process pool unpickles the same program again and again, and compiling it takes much longer.
_compiled_once = lru_cache(maxsize=8)(_Compiled)


class Runnable:
    """A spelled program that has been compiled: `function` runs it."""

    def __init__(self, spelled: Spelled, code: Code | bytes, compiled: _Compiled) -> None:
        self.spelled = spelled
        self._code = code  # what it computes, also as its pickle
        self.compiled = compiled  # with which its lines in tracebacks live
        functions = {name: function_of(op) for name, op in spelled.ops.items()}
        namespace = {**functions, **spelled.constants, "__name__": __name__}
        exec(compiled.code, namespace)
        self.function: Callable[..., Any] = namespace[spelled.name]
        called = [namespace[name] for name in spelled.called]
        make_room(namespace[spelled.name], spelled.calls, called)

    def __reduce__(self) -> Any:
        # A process pool pickles and unpickles it again and again, and few need the code.
        if isinstance(self._code, Code):
            self._code = pickle.dumps(self._code)
        return _loaded, (self.spelled, self._code)

    @property
    def code(self) -> Code:
        """What it computes: to name the op that failed."""
        if not isinstance(self._code, Code):
            self._code = pickle.loads(self._code)
        return self._code  # type: ignore[return-value]


# So many programs in C at most are written for numbers with ints among them.
_MOST_OF_INTS = 4
# A line for each leaf takes two thirds of the time of a loop, but must be compiled.
_MOST_LINES = 10_000


@lru_cache(maxsize=8)
def adder(count: int) -> Callable[[Sequence[Value], Sequence[Any]], None]:
    """Return a function that adds to the gradients of so many Values so many numbers, in order.

    >>> x = Value(1.0)
    >>> adder(1)([x], [2.5])
    >>> x.grad
    2.5
    """
    if count > _MOST_LINES:
        return _add
    values = [f"v{i}" for i in range(count)]
    numbers = [f"g{i}" for i in range(count)]
    lines = [f"    {v}._grad += {g}" for v, g in zip(values, numbers, strict=True)]
    for names, whole in ((numbers, "numbers"), (values, "values")):
        lines.insert(0, f"    [{', '.join(names)}] = {whole}")
    namespace: dict[str, Any] = {}
    exec("\n".join(["def add(values, numbers):", *lines]), namespace)
    return namespace["add"]  # type: ignore[no-any-return]


def _add(values: Sequence[Value], numbers: Sequence[Any]) -> None:
    for value, number in zip(values, numbers, strict=True):
        value._grad += number


def _joined(kind: str, numbers: list[Any]) -> str:
    """Return the kind that numbers of a kind and these are of."""
    kinds = {kind, kind_of(numbers)}
    return ANY if ANY in kinds else EITHER if EITHER in kinds else FLOAT


def _loaded(spelled: Spelled, code: bytes) -> Runnable:
    return Runnable(spelled, code, _compiled_once(spelled.source))


class Program:
    """A traced function: its Code, the Values that it captures, and how to call it.

    There is one text for each kind of number that it is called with: floats, ints among them, and
    all others.
    """

    def __init__(
        self,
        name: str,
        arguments: list[tuple[str, Structure]],
        backward: bool,
        bindings: list[Binding],
        target: str,
    ) -> None:
        self.name, self.arguments = name, arguments
        self.target = target
        self.code: Code | None = None
        # The nesting of its result, where it does not branch.
        self.result: Structure = NUMBER
        # The paths through its branches, if it has any: its code may have but some of them.
        self.paths: Paths | None = None
        # The Values whose numbers it takes in a list as its last argument, if there are any.
        self.captured: list[Value] = []
        # Whether it adds their derivatives, which its code gives too, to their gradients. It then
        # takes the Values themselves, with any kind of number, and a lock.
        self.backward = backward
        self.bindings, self.guard = bindings, guard_of(bindings)
        # What it captures that a transform differentiated by when it was traced.
        self.followed: tuple[Node, ...] = ()
        structures = [structure for _, structure in arguments]
        # Where among all numbers those of each argument are, that the text takes.
        self._places = places_of(structures)
        # The types of the numbers of the last call, and the kind that they are of.
        self._seen: tuple[list[type], str] = [], ANY
        # Reads further arguments; there is none before the second call.
        self.read: Callable[[tuple[Any, ...]], list[Any] | None] | None = None
        self.runnables: dict[str, Runnable] = {}
        self.latest: Runnable | CProgram | None = None
        # With target "c": the programs in C by the types of all numbers, () for floats alone; None
        # where only Python can run them.
        self.machines: dict[tuple[type, ...], CProgram | None] = {}

    def rewritten(self, code: Code, captured: list[Value]) -> Program:
        """Return the same program of another Code."""
        again = Program(self.name, self.arguments, self.backward, [], self.target)
        again.bindings, again.guard = self.bindings, self.guard
        again.paths, again.followed, again.read = self.paths, self.followed, self.read
        again.code, again.captured = code, captured
        return again

    def with_numbers(self, numbers: Sequence[Any]) -> Arguments:
        """Return its arguments, of these numbers."""
        names, structures = zip(*self.arguments, strict=True) if self.arguments else ((), ())
        return Arguments(names, [*numbers], [*structures])

    def prepare(self, numbers: list[Any]) -> None:
        """Write the program in C, if it is wanted, for calls with numbers like these."""
        numbers = [*numbers, *[x._data for x in self.captured]]
        if self.target == "c" and (kind := kind_of(numbers)) != ANY:
            self._machine(kind, numbers)

    def kind(self, numbers: Sequence[Any]) -> str:
        """Return the kind that numbers given to the program are of."""
        if type(numbers) is array:
            return FLOAT
        types, kind = self._seen
        given = [*map(type, numbers)]
        if given != types:
            kind = kind_of(numbers)
            self._seen = given, kind
        return kind

    def learn(self) -> None:
        """Write the reader of further arguments."""
        structures = [structure for _, structure in self.arguments]
        self.read = reader_of(structures, in_array=self.target == "c")

    def run(self, kind: str, numbers: list[Any]) -> Any:
        """Return the result for arguments of these numbers, which are of a kind."""
        if self.target == "c":
            found = self._run_c(kind, numbers)
            if found is not None:
                return found[0]
        arguments: list[Any] = [numbers[place] for place in self._places]
        if self.backward:
            kind = ANY
            arguments += (self.captured, backward_lock)
        elif self.captured:
            given = [x._data for x in self.captured]
            kind = _joined(kind, given)
            arguments.append(given)
        runnable = self.runnables.get(kind) or self.runnable(kind)
        if self.target != "c":
            self.latest = runnable
        try:
            return runnable.function(*arguments)
        except FAILURES:
            evaluate(runnable.code, [*numbers, *[x._data for x in self.captured]])  # names the op
            raise

    def _run_c(self, kind: str, numbers: list[Any]) -> tuple[Any] | None:
        """Return the result in a tuple of one, or None where Python must run."""
        if self.captured:
            given = [x._data for x in self.captured]
            kind = _joined(kind, given)
            numbers = [*numbers, *given]
        if kind == ANY:
            strange = next(x for x in numbers if type(x) not in (float, int))
            raise TypeError(
                f"target 'c' takes floats and ints, not {shown(strange)} "
                f"({type(strange).__name__}): target='python' takes every kind of number"
            )
        machine = self._machine(kind, numbers)
        if machine is None:
            self.latest = self.runnable(ANY if self.backward else kind)
            return None
        self.latest = machine
        found = machine(numbers)
        if found is None or not self.backward:
            return found
        ((value, slopes),) = found
        add = adder(len(self.captured))
        with backward_lock:
            add(self.captured, slopes)
        return (value,)

    def _machine(self, kind: str, numbers: Sequence[Any]) -> CProgram | None:
        """Return the program in C for numbers of these types, if there can be one."""
        types = () if kind == FLOAT else tuple(map(type, numbers))
        if types not in self.machines:
            full = len(self.machines) - (() in self.machines) >= _MOST_OF_INTS
            if self.code is None or (types and full):
                return None
            self.machines[types] = self._built_c(places_of_ints(numbers))
        return self.machines[types]

    def _built_c(self, ints: tuple[int, ...]) -> CProgram | None:
        # Only here: it loads ctypes, which takes a while.
        from scalargrad.programs.run.c_program import CProgram, spell_nesting
        from scalargrad.programs.spell.c.program import spell_c
        from scalargrad.programs.spell.c.writer import NotSpelled

        assert self.code is not None
        if self.code.tree == []:
            return None  # it has no path yet
        with collector_paused():
            try:
                # As the Python program for these numbers has it: to the sign of a zero.
                code = optimised(self.code, ANY if self.backward else EITHER if ints else FLOAT)
                result, count = self.result, len(self.captured)
                if self.backward:
                    slopes = Nest(list, None, (NUMBER,) * count)
                    result = Nest(tuple, None, (NUMBER, slopes))
                    if code.tree is not None:
                        code.tree = [
                            node._replace(result=result) if isinstance(node, Leaf) else node
                            for node in code.tree
                        ]
                spelled = spell_c(code, self.name, self.arguments, count, result, ints)
            except NotSpelled:
                return None
            return CProgram(spelled, [spell_nesting(*one) for one in spelled.results])

    def runnable(self, kind: str) -> Runnable:
        """Return the text for numbers of this kind."""
        if kind not in self.runnables and self.code is not None:
            with collector_paused():
                code = optimised(self.code, kind)
                count = len(self.captured)
                spelled = spell_python(
                    code, self.name, self.arguments, count, self.result, kind, self.backward
                )
                self.runnables[kind] = Runnable(spelled, code, _Compiled(spelled.source))
        return self.runnables.get(kind) or self.runnables[ANY]

    def __getstate__(self) -> dict[str, Any]:
        # With a text for each kind of number that it may meet there.
        self.runnable(ANY)
        if self.target == "c":
            self._machine(FLOAT, ())
        state = {**vars(self), "code": None, "bindings": [], "read": None, "latest": None}
        return {**state, "guard": unguarded, "paths": None}
