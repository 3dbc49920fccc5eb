"""`compile`: trace a function once, and run the program of its value, its gradient, or both.

There is one program for each nesting of the arguments.
"""

from __future__ import annotations

import copy
import dis
import inspect
import pickle
import threading
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from itertools import count
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, NoReturn, Protocol, TypeVar, overload
from warnings import warn

from scalargrad.engine.context import active, differentiated, here, tracing, within
from scalargrad.engine.errors import FAILURES, PACKAGE, TraceError, shown_line, untraceable
from scalargrad.engine.graph import Node, operands_of, topological_order
from scalargrad.engine.passes import is_differentiated, pull_back
from scalargrad.engine.value import Value
from scalargrad.functions.choices import like
from scalargrad.programs.code import Code, Literal, Untraced
from scalargrad.programs.passes.linking import linked
from scalargrad.programs.run.bindings import (
    Binding,
    bindings_of,
    catches,
    check,
    held,
    holds,
    own_name,
)
from scalargrad.programs.run.origins import Origin, found_at, origin_of
from scalargrad.programs.run.program import Program, Run, collector_paused
from scalargrad.programs.run.results import written
from scalargrad.programs.trace.arguments import Arguments
from scalargrad.programs.trace.calls import called_function, is_called_with
from scalargrad.programs.trace.paths import Differs, Path, Paths, held_elsewhere
from scalargrad.programs.trace.symbols import ENDED, Symbol, Trace, symbol
from scalargrad.transforms.nesting import (
    NUMBER,
    Static,
    Structure,
    flatten,
    unflatten,
    values_in,
    with_arrays,
    without_arrays,
)
from scalargrad.transforms.starred import advise_star

if TYPE_CHECKING:
    from scalargrad.engine.signatures import Gradient, Unknown

_STATIC = (str, type(None), bool)
TARGETS = ("python", "c")
# Stands for a called function that cannot be traced alone: it branches, or needs plain numbers.
_BRANCHES: Any = object()
# The readers of so many programs are tried.
_MOST_READERS = 8
# Numbers the calls of all programs: those that were called longest ago are forgotten.
_calls = count(1)
# Attributes that a pickle leaves behind, with the function.
_LEFT_BEHIND = {"__wrapped__", "__annotations__", "__annotate__", "__type_params__", "_owner"}
R = TypeVar("R")


class CacheInfo(NamedTuple):
    """How often a program was found and how often written, how many there may be and are."""

    hits: int
    misses: int
    maxsize: int
    currsize: int


class Compiled(Generic[R]):
    """A function as programs: one for each nesting of its arguments. `compile` makes them.

    R is what it returns: for type checkers alone.
    """

    maxsize = 64
    # So many paths through its branches are traced for each program.
    maxpaths = 64
    __name__: str
    # The class that it is a method of.
    _owner: type | None = None
    # Where an unpickled one finds its function again.
    _origin: Origin | None = None

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: int | Sequence[int],
        static_argnames: str | Sequence[str],
        target: str,
        inline: bool,
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"target is 'python' or 'c', not {target!r}")
        if target == "c":
            from scalargrad.programs.run.c_compiler import compiler  # only here: it loads ctypes

            compiler()
        self._target = target
        self._inline = inline
        # A model or a partial has no name, and its own attributes are not ours.
        update_wrapper(self, f, updated=())
        if isinstance(f, FunctionType):
            kept = {name: x for name, x in vars(f).items() if not hasattr(Compiled, name)}
            vars(self).update({**kept, "__wrapped__": f})
        given = set(vars(self))
        self.__name__ = getattr(f, "__name__", type(f).__name__)
        self._f: Callable[..., Any] | None = f
        self._programs: dict[Any, Program] = {}
        # Those whose readers are tried: of `backward`, True, and of calls, False.
        self._read: dict[bool, tuple[Program, ...]] = {False: (), True: ()}
        self._lock = threading.Lock()
        self._hits = self._misses = 0
        self._signature = inspect.signature(f)
        self._names = tuple(self._signature.parameters)
        self._static = frozenset(_static_names(static_argnums, static_argnames, self._names))
        kind, kinds = inspect.Parameter, {p.kind for p in self._signature.parameters.values()}
        self._simple = kinds <= {kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD}
        self._takes_out = "out" in self._names or kind.VAR_KEYWORD in kinds
        # What is not the function's own, nor set by a user later.
        self._own = tuple(sorted({*vars(self), "_own"} - given))

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """Return what the function returns, as plain numbers in its nesting.

        While another function is traced, it stays a function of that one's program. Within a
        transform f itself is called: that must see what it computes. `out`, unless f takes an
        argument of that name, has buffers for results: see `compile`.
        """
        if kwargs and "out" in kwargs and not self._takes_out:
            return written(self(*args, **_without_out(args, kwargs)), kwargs["out"])  # type: ignore[no-any-return]
        if (active or differentiated) and self._f is not None and is_within(args, kwargs):
            return self._within(args, kwargs)  # type: ignore[no-any-return]
        return self._run(args, kwargs, False)  # type: ignore[no-any-return]

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Compiled[R]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> BoundCompiled[R]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else BoundCompiled(self, instance)

    def backward(self, *args: Any, **kwargs: Any) -> R:
        """Return the function's value; add its derivatives to the `.grad` of captured Values.

        Those are the Values that the function uses but does not take as arguments, as the
        parameters of a model: they get what the eager `backward()` would add. Raises TypeError if
        the function does not return one number, and within `no_grad`, where nothing is recorded
        to go back through.
        """
        if (active or differentiated) and is_within(args, kwargs):
            _refuse_backward()
        if active and not here().plain:
            raise TypeError(
                "backward() within no_grad has nothing to go back through: leave no_grad, or call "
                "the compiled function for its value alone"
            )
        return self._run(args, kwargs, backward=True)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the model that is compiled, such as its `parameters`."""
        f = vars(self).get("_f")
        if f is None or isinstance(f, FunctionType) or name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(f, name)

    @property
    def source(self) -> str:
        """The text of the program that ran last. Raises ValueError if none has."""
        ran = [x for x in self._programs.values() if x.latest is not None]
        if not ran:
            raise ValueError("there is no program yet: call the compiled function first")
        latest = max(ran, key=lambda program: program.used).latest
        return latest.spelled.source  # type: ignore[union-attr]

    def prepare(self, *args: Any, **kwargs: Any) -> None:
        """Write the program for arguments nested like these, if there is none yet.

        A pickle has the programs alone: so a function is prepared before it goes to other
        processes. One that branches is called, so that its program has their path.
        """
        program, pieces, _ = self._found(args, kwargs, False)
        program.prepare(pieces)
        if program.paths is not None:
            self._run(args, kwargs, False)

    def __repr__(self) -> str:
        kept = len(self._programs)
        plural = "" if kept == 1 else "s"
        return f"<compiled {self.__name__}{_shown(self._signature)}, {kept} program{plural}>"

    def cache_info(self) -> CacheInfo:
        """Return how many calls found their program, how many wrote one, and how many are kept."""
        return CacheInfo(self._hits, self._misses, self.maxsize, len(self._programs))

    def _within(self, args: Any, kwargs: Any) -> Any:
        """Return what the function returns while another is traced or differentiated."""
        assert self._f is not None
        now = here()
        trace = now.trace if now.records and now.watch is None else None
        if isinstance(trace, Trace) and not (self._inline or now.inline):
            arguments = self._arguments(args, kwargs)
            if all(is_called_with(x) for x in arguments.numbers):
                refusal = trace.refusal
                try:
                    return self._called(trace, arguments)
                except TraceError:
                    # f alone may still be traced: with plain numbers that it must know.
                    trace.refusal = refusal
        args = [x.value if isinstance(x, _Instance) else x for x in args]
        return self._f(*args, **kwargs)

    def _called(self, trace: Trace, arguments: Arguments) -> Any:
        """Return the symbols of a call's results."""
        key = (self, *arguments.key)
        called = trace.subprograms.get(key)
        if called is _BRANCHES:
            raise TraceError
        if called is None or not holds(called.bindings):
            bindings = self._bindings(arguments)
            try:
                called = called_function(
                    trace, self.__name__, arguments, partial(self._of_nests, arguments.names)
                )
            except TraceError:
                trace.subprograms[key] = _BRANCHES
                raise
            called = called._replace(bindings=held(bindings))
            trace.keep(key, called, called.subprogram.captured)
        return called.apply(trace, arguments)

    def _of_nests(self, names: tuple[str, ...], nests: list[Any]) -> Any:
        """Return what f returns for these arguments."""
        assert self._f is not None
        bound = inspect.BoundArguments(self._signature, dict(zip(names, nests, strict=True)))
        try:
            return self._f(*bound.args, **bound.kwargs)
        except TypeError as error:
            advise_star(error, self._f, bound.args)
            raise

    def _run(self, args: Any, kwargs: Any, backward: bool) -> Any:
        program, pieces, run = self._found(args, kwargs, backward)
        if program.followed and not differentiated.isdisjoint(program.followed):
            if backward:
                _refuse_backward()
            return self._within(args, kwargs)
        try:
            return run(pieces)
        except Untraced:
            pass
        except FAILURES as error:
            return self._after(error, program, pieces)
        if program.paths is None:
            self._find_function(
                "none has the path through its branches that these arguments take: call "
                "prepare(...) with arguments like these before pickling"
            )
            with self._lock:
                self._drop(program)
            return self._run(args, kwargs, backward)
        return self._beyond(program, pieces)

    def _find_function(self, cure: str) -> None:
        """Find f again, if this came from a pickle and has no program for a call."""
        if self._f is None:
            self._f = found_at(self._origin)
        if self._f is None:
            raise TypeError(
                f"{self.__name__} came from a pickle with its programs alone, and {cure}"
            )

    def _drop(self, program: Program) -> None:
        del self._programs[program.key]
        self._read = {
            backward: tuple(kept for kept in programs if kept is not program)
            for backward, programs in self._read.items()
        }

    def _found(self, args: Any, kwargs: Any, backward: bool) -> tuple[Program, list[Any], Run]:
        """Return the program for these arguments, their pieces, and what runs these."""
        for program in () if kwargs else self._read[backward]:
            pieces = program.read(args)  # type: ignore[misc]
            if pieces is not None and (run := program.runner(pieces)) is not None:
                self._hits += 1  # without the lock, which takes longer than all else here
                program.used = next(_calls)
                if not program.guard():
                    check(program.bindings, self.__name__)
                return program, pieces, run
        return self._program(args, kwargs, backward)

    def _after(self, error: Exception, program: Program, pieces: Sequence[Any]) -> Any:
        """Return what f gives where its program raised an error: f alone says whether it is one.

        f may catch it; and it may be of a side that f does not take.
        """
        if self._f is None or (self._target == "c" and isinstance(error, TypeError)):
            raise error
        try:
            return self._eagerly(program.with_numbers(pieces), program.backward)
        except FAILURES as own:
            # The program names what failed, with labels, if it is not an error of the user's.
            raise (own if _is_raised_by_users(own) else error) from None

    def _beyond(self, program: Program, pieces: list[Any]) -> Any:
        """Return the result where a program comes to a side not traced yet; trace it."""
        paths = program.paths
        assert paths is not None
        if not paths.closed and len(paths) >= self.maxpaths:
            paths.closed = (
                f"{self.__name__} takes more than {self.maxpaths} paths through its branches, "
                f"{shown_line(*paths.last_line)}\nFurther ones run without a program, which is "
                "slower. Write where(condition, a, b), maximum or minimum for branches on numbers, "
                "or set maxpaths"
            )
        arguments = program.with_numbers(pieces)
        if not paths.closed:
            self._add_path(program, paths, arguments)
        if not differentiated.isdisjoint(program.followed):
            return self._output(arguments, arguments.numbers)
        if paths.closed and not paths.told:
            paths.told = True
            warn(paths.closed, RuntimeWarning, stacklevel=4)
        with paths.lock:
            paths.fallen += 1
            if paths.is_due() or (paths.closed and not paths.written):
                program = self._rewritten(program, paths)
        try:
            return program.runner(pieces, checked=True)(pieces)  # type: ignore[misc]
        except (Untraced, *FAILURES):
            return self._eagerly(arguments, program.backward)

    def _add_path(self, program: Program, paths: Paths, arguments: Arguments) -> None:
        """Trace f for these arguments; add its path, or find that there cannot be one."""
        while not paths.closed:
            with collector_paused():
                path = self._path(arguments, program.backward, paths)
            if path is None:
                return
            with paths.lock:
                try:
                    paths.add(path)
                    program.followed = (*program.followed, *path.followed)
                    return
                except Differs as error:
                    # A function that is called may have captured what was traced.
                    again = paths.has_calls and not paths.inline
                    paths.clear()
                    paths.inline, paths.written = True, 0
                    if not again:
                        paths.closed = (
                            f"{self.__name__} did other things than at an earlier call before it "
                            f"came to the branch {error}\nIt runs without a program from now on, "
                            "which is slower: pass what changes, such as random numbers or the "
                            "time, as an argument"
                        )

    def _rewritten(self, program: Program, paths: Paths) -> Program:
        """Return the program with all paths that were traced, in the place of the other."""
        again = program.rewritten(linked(paths.code), paths.captured)
        paths.written, paths.fallen = len(paths), 0
        with self._lock:
            for kept in list(self._programs.values()):
                if kept.paths is paths:
                    self._programs[kept.key] = again
            self._read = {
                backward: tuple(again if kept.paths is paths else kept for kept in programs)
                for backward, programs in self._read.items()
            }
        return again

    def _eagerly(self, arguments: Arguments, backward: bool) -> Any:
        """Return what f gives for these arguments, without a program."""
        with within(records=backward, inline=True):
            output = self._output(arguments, [*map(Value, arguments.numbers)])
            if backward:
                return _backward(output)
        found, result = flatten(output, f"the result of {self.__name__}")
        plain = [x._data if isinstance(x, Value) else x for x in found]
        return with_arrays(unflatten(result, plain))

    def _output(self, arguments: Arguments, numbers: Sequence[Any]) -> Any:
        """Return what f returns for arguments of these numbers, which it must not change."""
        nests = arguments.nests(numbers)
        output = self._of_nests(arguments.names, nests)
        arguments.refuse_changes(self.__name__, nests, numbers)
        return output

    def _learn(self, program: Program) -> None:
        """Let calls with arguments like these find the program at once from now on."""
        backward, names, *_ = program.key
        if program.read is not None or not self._simple or names != self._names[: len(names)]:
            return
        program.learn()
        with self._lock:
            if self._programs.get(program.key) is program:
                kept = (program, *self._read[backward])[:_MOST_READERS]
                self._read = {**self._read, backward: kept}

    def _program(self, args: Any, kwargs: Any, backward: bool) -> tuple[Program, list[Any], Run]:
        """Return what `_found` does, for arguments that no reader takes.

        A numpy array or scalar anywhere in them becomes what its `tolist` gives.
        """
        arguments = self._arguments(args, kwargs)
        for x in arguments.numbers:
            if type(x) is Symbol:
                raise TraceError(ENDED)
            if isinstance(x, Node):
                raise TypeError(
                    f"{self.__name__} is compiled and takes plain numbers, not {x!r}: give it the "
                    ".data of Values; or let it capture them, and call .backward(...)"
                )
        key = (backward, *arguments.key)
        try:
            program = self._programs.get(key)
        except TypeError as error:
            raise TypeError(
                f"static arguments must be hashable: {error}; give a tuple for a list"
            ) from None
        if program is None:
            self._misses += 1
            with collector_paused():
                program = self._traced(key, arguments)
            program.used = next(_calls)
            with self._lock:
                self._programs[key] = program
                if len(self._programs) > self.maxsize:
                    self._drop(min(self._programs.values(), key=lambda kept: kept.used))
        else:
            self._hits += 1
            if not program.guard():
                check(program.bindings, self.__name__)
            program.used = next(_calls)
            self._learn(program)
        pieces = program.pieces(arguments.numbers)
        return program, pieces, program.runner(pieces, checked=True)  # type: ignore[return-value]

    def _arguments(self, args: Any, kwargs: Any) -> Arguments:
        """Return the arguments that are given: numpy's arrays as what their `tolist` gives."""
        if self._owner is not None and args and isinstance(args[0], self._owner):
            args = (_Instance(args[0]), *args[1:])  # a method called by its class
        names = self._names
        if kwargs or not self._simple or len(args) != len(names):
            # Without the defaults: they are f's own, and may be anything.
            bound = self._signature.bind(*args, **kwargs).arguments
            names, args = tuple(bound), tuple(bound.values())
        numbers: list[Any] = []
        structures: list[Structure] = []
        for name, argument in zip(names, without_arrays(args), strict=True):
            if isinstance(argument, _Instance):
                structures.append(argument)
                continue
            static = (object,) if name in self._static else _STATIC
            found, structure = flatten(argument, name, static)
            numbers += found
            structures.append(structure)
        return Arguments(names, numbers, structures)

    def _traced(self, key: Any, arguments: Arguments) -> Program:
        self._find_function("has none for arguments nested like these: call it so before pickling")
        bindings = self._bindings(arguments)
        paths = Paths(len(arguments.numbers), catches(*self._roots(arguments)))
        backward = key[0]
        path = self._path(arguments, backward, paths)
        program = Program(
            key,
            self.__name__,
            list(zip(arguments.names, arguments.structures, strict=True)),
            backward,
            held(bindings),
            self._target,
        )
        if path is not None and not path.guards:
            program.code, program.result = linked(path.code), path.result
            program.captured = [x for x in path.captured if x is not None]
        else:
            program.paths = paths
            if path is not None:
                paths.add(path)
                paths.written = 1
            program.code, program.captured = linked(paths.code), paths.captured
        program.followed = path.followed if path is not None else ()
        return program

    def _path(self, arguments: Arguments, backward: bool, paths: Paths) -> Path | None:
        """Trace f for these arguments; None where it raises an error of its own after a branch."""
        symbols = [symbol() for _ in arguments.numbers]
        trace = Trace(dict(zip(symbols, arguments.numbers, strict=True)))
        trace.guards, trace.subprograms = {}, dict(paths.subprograms)
        try:
            code, captured, results, result = self._lowered(
                trace, arguments, symbols, backward, paths
            )
        except TraceError:
            if paths.inline or not trace.subprograms:
                raise
            # Perhaps of a rule that branches, within a function that is called.
            paths.inline = True
            return self._path(arguments, backward, paths)
        except Exception:
            if trace.guards or trace.failed:
                return None
            raise
        if trace.failed:
            return None
        guards = list(trace.guards.values())
        followed = tuple(x for x in (*captured, *results) if x in differentiated)
        if not guards:
            return Path(code, guards, captured, [], result, backward, followed)
        paths.subprograms = {
            key: called
            for key, called in trace.subprograms.items()
            if called is _BRANCHES
            or not any(isinstance(x, Symbol) for x in called.subprogram.captured)
        }
        del symbols, results
        trace.forget()
        held_by_others = held_elsewhere(captured)
        made = [x._data for x in captured]
        captured = [x if kept else None for x, kept in zip(captured, held_by_others, strict=True)]
        return Path(code, guards, captured, made, result, backward, followed)

    def _lowered(
        self,
        trace: Trace,
        arguments: Arguments,
        symbols: list[Any],
        backward: bool,
        paths: Paths,
    ) -> tuple[Code, list[Any], list[Any], Structure]:
        """Return the Code of what f computes in a trace, and its result's nesting.

        Between them are the Values that it captures, and their results.

        Its outputs are those of the result, the derivatives by what it captures for `backward`, and
        the conditions that f branched on.
        """
        slopes: dict[Any, Any] = {}
        with trace.running(), within(inline=paths.inline):
            output = self._output(arguments, symbols)
            outputs, result = flatten(output, f"the result of {self.__name__}")
            if backward:
                if result is not NUMBER:
                    raise TypeError(
                        f"backward needs a function that returns one number; {self.__name__} "
                        f"returned {output!r} ({type(output).__name__})"
                    )
                slopes = _slopes_by_captured(outputs[0])
                if not slopes and not trace.guards:
                    raise TypeError(
                        f"backward of {self.__name__} reaches no Value: the result depends on none "
                        "that the function uses beside its arguments; for the derivatives by its "
                        "arguments use compile(value_and_grad(f))"
                    )
                outputs += slopes.values()
            # A result does not need all numbers, but a function that catches errors sees theirs.
            for x in trace.not_needed(outputs) if paths.catches else ():
                trace.truth(x == x)
        conditions = list(trace.guards or ())
        code, captured, results = trace.lowered([*outputs, *conditions], symbols)
        if backward:
            count = len(outputs)
            found = dict(zip(slopes, code.outputs[1:count], strict=True))
            code.outputs[1:count] = [found.get(x, Literal(0)) for x in captured]
        return code, captured, results, result

    def _bindings(self, arguments: Arguments) -> list[Binding]:
        """Return what f, and what its static arguments have to do with it, may look up."""
        return bindings_of(*self._roots(arguments))

    def _roots(self, arguments: Arguments) -> list[tuple[str, Any]]:
        return [(own_name(self._f, self.__name__), self._f), *arguments.static]

    def __getstate__(self) -> dict[str, Any]:
        # A default may be anything; the programs do not need it.
        parameters = [
            p if p.default is p.empty else p.replace(default=None)
            for p in self._signature.parameters.values()
        ]
        signature = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])
        state = {
            name: x
            for name, x in vars(self).items()
            if name in self._own or (name not in _LEFT_BEHIND and _can_be_pickled(x))
        }
        for program in list(self._programs.values()):
            if (paths := program.paths) is not None:
                with paths.lock:
                    if len(paths) > paths.written:
                        self._rewritten(program, paths)
        # A function that is found again has its module's Values, where programs have copies.
        copies = any(program.captured for program in self._programs.values())
        return {
            **state,
            "_programs": self._programs,
            "_f": None,
            "_origin": self._origin if self._f is None or copies else origin_of(self._f),
            "_lock": None,
            "_read": {False: (), True: ()},
            # So that a pickle of the same programs has the same bytes.
            "_hits": 0,
            "_misses": 0,
            "_signature": signature,
        }

    def __copy__(self) -> Compiled[R]:
        return self._copied(lambda x: x)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled[R]:
        return self._copied(lambda x: copy.deepcopy(x, memo))

    def _copied(self, copied: Callable[[Any], Any]) -> Compiled[R]:
        """Return this with a copy of its function, which may be a model, and no programs yet."""
        if self._f is None:  # there are programs alone
            again: Compiled[R] = object.__new__(type(self))
            again.__setstate__(self.__getstate__())
            return again
        static = tuple(self._static)
        again = type(self)(copied(self._f), (), static, self._target, self._inline)
        users = {name: x for name, x in vars(self).items() if name not in self._own}
        vars(again).update({name: copied(x) for name, x in users.items() if name != "__wrapped__"})
        return again

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


class _Instance(Static):
    """What a compiled method is bound to, as a static argument: told by identity."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = (_Instance, id(value))

    def __reduce__(self) -> Any:
        return _Instance, (self.value,)


class BoundCompiled(Generic[R]):
    """A compiled method of an object: called, and with a `backward`, as a compiled function."""

    def __init__(self, compiled: Compiled[R], instance: Any) -> None:
        self.__self__ = instance
        self.__func__ = compiled
        self.__name__ = compiled.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        """Return what the method returns, as plain numbers in its nesting."""
        return self.__func__(_Instance(self.__self__), *args, **kwargs)

    def backward(self, *args: Any, **kwargs: Any) -> R:
        """Return the method's value; add its derivatives to the `.grad` of captured Values."""
        return self.__func__.backward(_Instance(self.__self__), *args, **kwargs)

    def prepare(self, *args: Any, **kwargs: Any) -> None:
        """Write the program for arguments nested like these, if there is none yet."""
        self.__func__.prepare(_Instance(self.__self__), *args, **kwargs)

    @property
    def source(self) -> str:
        """The text of the program that ran last."""
        return self.__func__.source

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r}>"

    def cache_info(self) -> CacheInfo:
        """Return what `cache_info` of the compiled function returns."""
        return self.__func__.cache_info()


def is_within(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether another function is traced, or a transform differentiates by these.

    Or another one that is compiled runs without its program, with Values.
    """
    if tracing() is not None:
        return True
    values = values_in((args, kwargs))
    return is_differentiated(values) or (bool(values) and here().inline)


def _without_out(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments but for `out`, if results are numbers that it can take."""
    if (active or differentiated) and is_within(args, {**kwargs, "out": None}):
        raise TypeError(
            "out= takes numbers, which there are none of while another function is traced or "
            "differentiated: leave it out there"
        )
    return {name: x for name, x in kwargs.items() if name != "out"}


def _refuse_backward() -> NoReturn:
    untraceable(
        "backward() of a compiled function cannot run while another is differentiated",
        "use grad or value_and_grad of the function within",
    )


def _is_raised_by_users(error: Exception) -> bool:
    """Return whether a `raise` that is not of this package raised an error."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None:
        return False
    code = place.tb_frame.f_code
    raises = (
        instruction.offset == place.tb_lasti and instruction.opname == "RAISE_VARARGS"
        for instruction in dis.get_instructions(code)
    )
    return not code.co_filename.startswith(PACKAGE) and any(raises)


def _backward(y: Any) -> Any:
    """Return the number of y, a Value or a number; add to the gradients of leaves, all or none."""
    if not isinstance(y, Value):
        return y
    operands = [x for node in topological_order([y]) for x in operands_of(node)]
    before = {x: x._grad for x in operands if isinstance(x, Value)}
    try:
        y.backward()
    except FAILURES:
        for x, gradient in before.items():
            x._grad = gradient
        raise
    return y._data


def _slopes_by_captured(y: Any) -> dict[Any, Any]:
    """Return the derivatives of the traced number `y` by each captured Value."""
    if not isinstance(y, Node):
        return {}
    seed = like(1, y)
    slopes: dict[Any, Any] = {y: seed}
    order = topological_order([y])
    pull_back(order, slopes, as_graph=True)
    inputs = [x for node in order for x in operands_of(node) if isinstance(x, Node)] or [y]
    captured = [x for x in inputs if x._op is None and not isinstance(x, Symbol)]
    found = {x: slopes.get(x, 0) for x in captured}
    return {
        x: like(0, seed) if type(slope) is int and slope == 0 else slope
        for x, slope in found.items()
    }


def _can_be_pickled(x: Any) -> bool:
    try:
        pickle.dumps(x)
    except Exception:  # whatever a class of somebody's raises
        return False
    return True


def _shown(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


def _static_names(
    static_argnums: int | Sequence[int], static_argnames: str | Sequence[str], names: Sequence[str]
) -> list[str]:
    chosen = [static_argnames] if isinstance(static_argnames, str) else list(static_argnames)
    for name in chosen:
        if name not in names:
            raise TypeError(
                f"static_argnames must be names of arguments, of {', '.join(names) or 'none'} "
                f"here, not {name!r}"
            )
    places = (static_argnums,) if isinstance(static_argnums, int) else static_argnums
    for i in places:
        if not isinstance(i, int) or not -len(names) <= i < len(names):
            raise TypeError(
                f"static_argnums must be places of arguments, whole numbers from {-len(names)} to "
                f"{len(names) - 1} here, not {i!r}"
            )
    return chosen + [names[i] for i in places]


class _Decorator(Protocol):
    """What `compile` with settings alone gives, as type checkers see it."""

    @overload
    def __call__(self, f: Callable[..., Unknown], /) -> Compiled[Any]: ...
    @overload
    def __call__(self, f: Callable[..., Value], /) -> Compiled[float]: ...
    @overload
    def __call__(self, f: Callable[..., list[Value]], /) -> Compiled[list[float]]: ...
    @overload
    def __call__(self, f: Callable[..., R], /) -> Compiled[R]: ...


@overload
def compile(
    f: Gradient | Callable[..., Unknown],
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    target: str = ...,
    inline: bool = ...,
) -> Compiled[Any]: ...
@overload
def compile(
    f: Callable[..., Value],
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    target: str = ...,
    inline: bool = ...,
) -> Compiled[float]: ...
@overload
def compile(
    f: Callable[..., list[Value]],
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    target: str = ...,
    inline: bool = ...,
) -> Compiled[list[float]]: ...
@overload
def compile(
    f: Callable[..., R],
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    target: str = ...,
    inline: bool = ...,
) -> Compiled[R]: ...
@overload
def compile(
    f: None = ...,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    target: str = ...,
    inline: bool = ...,
) -> _Decorator: ...
def compile(
    f: Callable[..., Any] | None = None,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    target: str = "python",
    inline: bool = False,
) -> Any:
    """Return f as a program of plain numbers, to be called like f.

    The first call with arguments of one nesting traces f and writes the program. Arguments are
    numbers or nested lists, tuples and dicts of numbers and numpy arrays. An `array.array("d")`,
    and a memoryview or numpy array of doubles, is a list to f, and an array in its place among the
    results. Strings, None, bools and what is in `static_argnums`, by place, or `static_argnames`
    (which must be hashable) are static: each of their values gets a program. Without f it is a
    decorator with these settings.
    Values that f captures are read at each call. All else that f looks up, it looks up once, while
    it is traced. If a name or an attribute is bound to another object later, or a list, dict or
    set has other items, the call raises TraceError: those that f may look up, or any function that
    it reaches, methods too. What is not seen: attributes whose names are made as text, items that
    are replaced by equal ones, other containers, `random` and the time, and what Python's library
    and installed packages look up. So give data that changes as arguments.
    Results have the value and the kind of the eager ones, but the last bits of `sumprod` may
    differ, and the sign of a zero where nothing in the program sees it (as atan2, copysign and
    functions of your own do); and what the result does not need is left out, with its errors.
    Where f branches on a traced number (`if`, `while`, `max`, `sorted` and so on), the program has
    the paths that calls took: one that comes to another side traces it, with its own numbers.
    `maxpaths` says how many there may be, 64 at first: calls that take further ones run without a
    program, with a RuntimeWarning, and so do all if f does not the same again up to a branch.
    Raises TraceError, naming the line, where f needs a traced number itself, as for `float(x)` or
    `math.sin(x)`, or reads the `.data` or `.grad` of any Value.

    A compiled function that f calls stays a function of f's program: it is traced once for each
    nesting of its arguments, and so is its derivative. The sums of derivatives may then differ in
    the last bits. With `inline=True`, what f computes is written into its callers instead.

    A call's `out` has buffers of doubles that can be written to, in the places of arrays or lists
    of the result, and None in all others: `out=(None, slopes)`. They get the numbers, and are
    returned in these places. If one does not fit, nothing is written.

    With `target="c"` the program is written in C, compiled by the C compiler that CC names or that
    is found, and kept in a cache on disk. It takes floats and ints, and gives the same bits, kinds
    and errors as the Python program. There is one C program for floats alone, and one for each
    choice of which numbers are ints, captured ones too: for the first 4 choices that are met. The
    Python program runs in its place for further choices, where an int on the way reaches 2**53 in
    size or a number is not finite, where C cannot keep the kinds of results or has no text for a
    function, such as one of your own, and where an error is to be raised. Raises TypeError for
    other kinds of number; ValueError for another target; RuntimeError where there is no compiler,
    where CC has options that change the arithmetic, such as -ffast-math, and on Windows.

    >>> from scalargrad import grad, sin
    >>> slope = compile(grad(lambda x, y: x * y + sin(x)))
    >>> slope(0.0, 2.0)
    3.0
    >>> print(slope.source)
    def f(x, y):
        return y + cos(x)
    <BLANKLINE>
    """
    if f is None:
        return lambda f: Compiled(f, static_argnums, static_argnames, target, inline)
    return Compiled(f, static_argnums, static_argnames, target, inline)
