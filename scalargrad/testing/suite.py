"""Run the properties on an engine: `check_engine`, and `EngineSuite` for pytest."""

import math
import time
import unittest
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from scalargrad.testing import properties
from scalargrad.testing.adapter import Absent
from scalargrad.testing.process import EngineDiedError, Source
from scalargrad.testing.properties import OPS, Property, word
from scalargrad.testing.report import Report, Result
from scalargrad.testing.trial import Failed, NotAnEngineError, Options, Trial


def check_engine(
    engine: Any,
    *,
    only: Sequence[str] = (),
    require: Iterable[str] = (),
    progress: Callable[[str], None] | None = None,
    seed: int = 0,
    examples: int = 300,
    quick: bool = False,
    memory: int = 2048,
    data: str | None = None,
    gradient: str | None = None,
    backward: str | None = None,
    forward: str | None = None,
) -> Report:
    """Test a scalar autodiff engine, and return a report with a verdict on each property.

    `engine` is a class that takes one number, or text that says where it is, such as
    "engine.py:Value" or "package.module:Value". It runs in a child process, with limits of time
    (10 s for a property, or 2 s if `quick`) and of memory (in megabytes, where the system can),
    so that an endless loop or a crash fails one property and the rest still runs. That is no
    sandbox: code that you would not run at all is not safe here either.

    `only` are names of properties or patterns (`derivative-*`), all of them if empty; `require`
    names ops (`tanh`, `+`) whose absence fails. `seed` and `examples` (a third of them if
    `quick`) steer the random graphs. `data`, `gradient`, `backward` and `forward` name the
    engine's attributes where they are not found by looking. `progress` is called with the name of
    each property before it is tested. Raises ValueError for a name that is not known,
    FileNotFoundError for a file that is not there, TypeError where `engine` is no class.

    >>> from scalargrad import Value
    >>> report = check_engine(Value, only=["reuse", "value-tanh"])
    >>> report.passed
    True
    >>> [(result.name, result.verdict) for result in report.results]
    [('value-tanh', 'held'), ('reuse', 'held')]
    """
    chosen = properties.select(list(only))
    options = Options(
        required=_required(require),
        seed=seed,
        examples=examples,
        quick=quick,
        memory=memory,
        data=data,
        gradient=gradient,
        backward=backward,
        forward=forward,
    )
    source = Source.of(engine)
    began = time.monotonic()
    try:
        bench = Bench(source, options)
    except NotAnEngineError as error:
        (usable,) = properties.select(["usable"])
        results = [Result(usable.name, usable.law, "failed", str(error), None)]
        rest = [p for p in chosen if p is not usable]
        why = "the class cannot be used"
        results += [Result(p.name, p.law, "absent", why, None) for p in rest]
        return Report(str(source), source.imports, tuple(results))
    try:
        results = []
        for prop in chosen:
            if progress is not None:
                progress(prop.name)
            remaining = options.total_seconds - (time.monotonic() - began)
            if remaining <= 0:
                reason = "not run: the time for the whole check is used up"
                results.append(Result(prop.name, prop.law, "failed", reason, None))
                continue
            # An engine that hangs everywhere is given less and less time, and all is tested.
            results.append(bench.judge(prop, remaining / 6))
        return Report(str(source), source.imports, tuple(results), bench.notes())
    finally:
        bench.close()


def _required(names: Iterable[str]) -> tuple[str, ...]:
    by_word = {**{word(op): op for op in OPS}, **{op: op for op in OPS}}
    for name in names:
        if name not in by_word:
            raise ValueError(f"no op is called {name!r}: there are {', '.join(map(word, OPS))}")
    return tuple(by_word[name] for name in names)


class Bench:
    """An engine on trial, and the judge's patience."""

    def __init__(self, source: Source, options: Options) -> None:
        self.options = options
        self.trial = Trial(source, options)
        self.trial.deadline = time.monotonic() + options.seconds
        properties.prepare(self.trial)

    def judge(self, prop: Property, seconds: float = math.inf) -> Result:
        """Return the verdict on one property, in `seconds` if that is less than the limit."""
        self.trial.deadline = time.monotonic() + min(self.options.seconds, max(seconds, 0.05))
        self.trial.last_lines = []
        try:
            prop.judge(self.trial)
        except Absent as absent:
            if absent.op in self.options.required:
                return Result(prop.name, prop.law, "failed", f"required, but {absent}", None)
            return Result(prop.name, prop.law, "absent", str(absent), None)
        except Failed as failed:
            self._doubt(prop)
            return Result(prop.name, prop.law, "failed", failed.reason, failed.counterexample)
        except EngineDiedError as died:
            self._doubt(prop)
            code = "\n".join(self.trial.last_lines) or None
            return Result(prop.name, prop.law, "failed", str(died), code)
        return Result(prop.name, prop.law, "held", "", None)

    def _doubt(self, prop: Property) -> None:
        if prop.op is not None and prop.name.startswith(("value-", "derivative-")):
            self.trial.doubt(prop.op)

    def notes(self) -> tuple[str, ...]:
        """Return what the reader of the report has to know besides."""
        if self.trial.memory_limited:
            return ()
        return ("this system cannot limit a process's memory: that was not tested",)

    def close(self) -> None:
        """End the child process."""
        self.trial.close()


class EngineSuite:
    """A pytest class of tests, one for each property: set `engine` in a subclass.

        class TestMine(EngineSuite):
            engine = Value
            require = ("tanh",)

    A property that the engine has no ops for is skipped, unless `require` names the op.
    """

    engine: ClassVar[Any] = None
    require: ClassVar[Sequence[str]] = ()
    seed: ClassVar[int] = 0
    examples: ClassVar[int] = 300
    quick: ClassVar[bool] = False
    _bench: ClassVar[Bench | None] = None

    @classmethod
    def setup_class(cls) -> None:
        if cls.engine is None:
            raise TypeError(f"{cls.__name__} has no engine: write engine = YourValueClass in it")
        options = Options(_required(cls.require), cls.seed, cls.examples, cls.quick)
        cls._bench = Bench(Source.of(cls.engine), options)

    @classmethod
    def teardown_class(cls) -> None:
        if cls._bench is not None:
            cls._bench.close()
            cls._bench = None


def _test_of(prop: Property) -> Callable[[EngineSuite], None]:
    def test(self: EngineSuite) -> None:
        assert self._bench is not None
        result = self._bench.judge(prop)
        if result.verdict == "absent":
            raise unittest.SkipTest(result.reason)
        if result.verdict == "failed":
            raise AssertionError(f"{prop.law} {result.reason}\n{result.counterexample or ''}")

    test.__doc__ = prop.law
    return test


for _property in properties.ALL:
    _name = "test_" + _property.name.replace("-", "_")
    setattr(EngineSuite, _name, _test_of(_property))
