"""A program: the Code of a traced function, spelled for the kinds of number it is called with.

It is called with *pieces*, as its reader gives them: the numbers of its arguments, in order. With
target "c" the doubles of a buffer are one piece, their bytes.
"""

from __future__ import annotations

import builtins
import gc
import linecache
import pickle
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import accumulate, count, islice
from typing import TYPE_CHECKING, Any

from scalargrad.engine.errors import FAILURES, shown
from scalargrad.engine.graph import Node
from scalargrad.engine.value import Value, backward_lock
from scalargrad.programs.code import Code, Leaf, evaluate
from scalargrad.programs.passes.kinds import ANY, EITHER, FLOAT, kind_of, places_of_ints
from scalargrad.programs.passes.simplify import optimised
from scalargrad.programs.run.bindings import Binding, guard_of, unguarded
from scalargrad.programs.run.frames import make_room
from scalargrad.programs.run.reader import flat, reader_of, sizes_of
from scalargrad.programs.spell.python.function import spell_python
from scalargrad.programs.spell.python.speller import Spelled, function_of
from scalargrad.programs.trace.arguments import Arguments
from scalargrad.programs.trace.paths import Paths
from scalargrad.transforms.nesting import NUMBER, Nest, Static, Structure, size_of

if TYPE_CHECKING:
    from scalargrad.programs.run.c_program import CProgram

Run = Callable[[list[Any]], Any]


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


def _loaded(spelled: Spelled, code: bytes) -> Runnable:
    return Runnable(spelled, code, _compiled_once(spelled.source))


# So many programs in C at most are written for numbers with ints among them.
_MOST_OF_INTS = 4
_NOTHING: tuple[Any, Any] = None, None
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


def _added(nested: Callable[[Any], Any], captured: list[Value], results: Any) -> Any:
    """Return the value that C gave; add the derivatives to the gradients."""
    value, slopes = nested(results)
    add = adder(len(captured))
    with backward_lock:
        add(captured, slopes)
    return value


def _in_python(
    runnable: Runnable,
    taken: list[int | slice],
    captured: list[Value],
    backward: bool,
    target: str,
    size: int,
) -> Run:
    """Return what runs pieces in Python.

    `taken` says where among all numbers, of which those of the arguments are `size`, are the
    arguments of the text.
    """
    function = runnable.function

    def run(pieces: list[Any]) -> Any:
        numbers = flat(pieces) if target == "c" else pieces
        arguments: list[Any] = [numbers[place] for place in taken]
        if backward:
            arguments += (captured, backward_lock)
        elif captured:
            arguments.append(numbers[size:])
        try:
            return function(*arguments)
        except FAILURES:
            own = [*numbers[:size], *[x._data for x in captured]]
            evaluate(runnable.code, own)  # names the op
            raise

    return run


class Program:
    """A traced function: its Code, the Values that it captures, and how to call it.

    There is one text for each kind of number that it is called with: floats, ints among them, and
    all others.
    """

    def __init__(
        self,
        key: Any,
        name: str,
        arguments: list[tuple[str, Structure]],
        backward: bool,
        bindings: list[Binding],
        target: str,
    ) -> None:
        self.key = key  # what calls have in common that it is for
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
        # Reads further arguments; there is none before the second call.
        self.read: Callable[[tuple[Any, ...]], list[Any] | None] | None = None
        self.used = 0  # when it was last called: the number of that call
        self.runnables: dict[str, Runnable] = {}
        self.latest: Runnable | CProgram | None = None
        # With target "c": the programs in C by the types of all pieces, () for floats alone; None
        # where only Python can run them.
        self.machines: dict[tuple[type, ...], CProgram | None] = {}
        # The types of the pieces of the last call, and what runs such: also with the numbers of the
        # captured Values among them.
        self._ready = self._last = _NOTHING
        structures = self.structures
        sizes = [*map(size_of, structures)]
        # Where among all numbers those of each argument start, and where they end.
        self.places = [*accumulate(sizes, initial=0)]
        # Those of the arguments that the text takes.
        self._taken = [
            k if structure is NUMBER else slice(k, k + size)
            for k, structure, size in zip(self.places, structures, sizes, strict=False)
            if not isinstance(structure, Static)
        ]
        # The sizes of the pieces: None of numbers.
        self._sizes = sizes_of(structures) if target == "c" else [None] * self.places[-1]

    @property
    def structures(self) -> list[Structure]:
        """The structures of its arguments."""
        return [structure for _, structure in self.arguments]

    def rewritten(self, code: Code, captured: list[Value]) -> Program:
        """Return the same program of another Code."""
        again = Program(self.key, self.name, self.arguments, self.backward, [], self.target)
        again.bindings, again.guard, again.used = self.bindings, self.guard, self.used
        again.paths, again.followed, again.read = self.paths, self.followed, self.read
        again.code, again.captured = code, captured
        return again

    def with_numbers(self, pieces: Sequence[Any]) -> Arguments:
        """Return its arguments, of these pieces."""
        names = tuple(name for name, _ in self.arguments)
        return Arguments(names, flat(pieces), self.structures)

    def learn(self) -> None:
        """Write the reader of further arguments."""
        self.read = reader_of(self.structures, in_bytes=self.target == "c")

    def pieces(self, numbers: list[Any]) -> list[Any]:
        """Return the pieces that it is called with, for all numbers of its arguments."""
        rest = iter(numbers)
        return [
            next(rest) if size is None else array("d", islice(rest, size)).tobytes()
            for size in self._sizes
        ]

    def prepare(self, pieces: list[Any]) -> None:
        """Write the text for calls with numbers like these."""
        self._run_for([*pieces, *[x._data for x in self.captured]])

    def runner(self, pieces: list[Any], checked: bool = False) -> Run | None:
        """Return what runs pieces of these types.

        None if they may be other things than numbers, unless they are `checked`.
        """
        types = [*map(type, pieces)]
        seen, run = self._ready
        if types != seen:
            numbers = [t for t, size in zip(types, self._sizes, strict=True) if size is None]
            if not checked and not {float, int}.issuperset(numbers):
                return None
            reads = self.captured and not (self.backward and self.target == "python")
            run = None if reads else self._run_for(pieces)
            self._ready = types, run
        return run or self._run_with_captured

    def _run_with_captured(self, pieces: list[Any]) -> Any:
        pieces = [*pieces, *[x._data for x in self.captured]]
        types = [*map(type, pieces)]
        seen, run = self._last
        if types != seen:
            run = self._run_for(pieces)
            self._last = types, run
        return run(pieces)

    def _run_for(self, pieces: list[Any]) -> Run:
        """Return what runs pieces of these types, the captured numbers among them."""
        machine = self.machine(pieces) if self.target == "c" else None
        runnable = self.runnable(ANY if self.backward else kind_of(flat(pieces)))
        self.latest = machine or runnable
        in_python = _in_python(
            runnable, self._taken, self.captured, self.backward, self.target, self.places[-1]
        )
        if machine is None:
            return in_python
        machine.otherwise = in_python
        if self.backward:
            machine.result = partial(_added, machine.nested, self.captured)
        return machine.run

    def machine(self, pieces: Sequence[Any]) -> CProgram | None:
        """Return the program in C for pieces of these types, if there can be one."""
        numbers = flat(pieces)
        kind = kind_of(numbers)
        if kind == ANY:
            strange = next(x for x in numbers if type(x) not in (float, int))
            raise TypeError(
                f"target 'c' takes floats and ints, not {shown(strange)} "
                f"({type(strange).__name__}): target='python' takes every kind of number"
            )
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
            nested = [spell_nesting(*one) for one in spelled.results]
            return CProgram(spelled, nested, [*self._sizes, *[None] * count])

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
            self.machine(())
        without = dict.fromkeys(("code", "read", "latest", "paths"))
        none = {"_ready": _NOTHING, "_last": _NOTHING, "bindings": [], "guard": unguarded}
        return {**vars(self), **without, **none, "used": 0}
