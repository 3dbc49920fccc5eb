"""Run the properties on an engine: `check_engine`, and `EngineSuite` for pytest."""

import math
import unittest
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from scalargrad.testing import properties
from scalargrad.testing.adapter import Absent, Missing
from scalargrad.testing.laws import ops
from scalargrad.testing.laws.law import OPS, Property, word
from scalargrad.testing.process import EngineDiedError, Source
from scalargrad.testing.report import Report, Result
from scalargrad.testing.trial import Failed, NotAnEngineError, Options, Trial


def check_engine(
    engine: Any,
    *,
    only: Sequence[str] = (),
    require: Iterable[str] = (),
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> Report:
    """Test a scalar autodiff engine, and return a report with a verdict on each property.

    `engine` is a class that takes one number, or text that says where it is, such as
    "engine.py:Value" or "package.module:Value". It runs in a child process, with limits of time
    (10 s for a property, or 2 s if `quick`) and of memory (in megabytes, where the system can),
    so that an endless loop or a crash fails one property and the rest still runs. That is no
    sandbox: code that you would not run at all is not safe here either.

    `only` are names of properties or patterns (`derivative-*`), all of them if empty; `require`
    names ops (`tanh`, `+`) whose absence fails. `progress` is called with the name of each property
    before it is tested. The `settings` are the fields of `Options`: `seed` and `examples` (a third
    of them if `quick`) steer the random graphs; `leaf` ("Variable(np.array({}))"), `data`,
    `gradient`, `backward` ("backward({})") and `forward` say how the engine is used where it is
    not found by trying; `stub` names packages it computes without; `taste="pytorch"` fails what is
    otherwise noted as a choice; `allow` names the packages that may compute for it. Raises
    ValueError for a name that is not known, FileNotFoundError for a file that is not there,
    TypeError where `engine` is no class, or for a setting that there is not.

    >>> from scalargrad import Value
    >>> report = check_engine(Value, only=["reuse", "value-tanh"])
    >>> report.passed
    True
    >>> [(result.name, result.verdict) for result in report.results]
    [('value-tanh', 'held'), ('reuse', 'held')]
    """
    chosen = properties.select(list(only))
    options = Options(required=_required(require), **settings)
    if options.taste not in (None, "pytorch"):
        raise ValueError(f"no taste is called {options.taste!r}: there is pytorch")
    source = Source.of(engine)
    (usable,) = properties.select(["usable"])
    try:
        bench = Bench(source, options)
    except NotAnEngineError as error:
        results = [Result(usable.name, usable.law, "failed", str(error))]
        results += _hidden(chosen, usable, "the class cannot be used")
        return Report(str(source), source.imports, tuple(results))
    began = bench.trial.clock()
    try:
        results = []
        if bench.trial.adapter.mode == "values" and usable in chosen:
            # What cannot be read is accused of nothing else.
            results = _hidden(chosen, usable, "no way to its derivatives was found")
            chosen = [usable]
        for prop in chosen:
            if progress is not None:
                progress(prop.name)
            remaining = options.total_seconds - (bench.trial.clock() - began)
            if remaining <= 0:
                reason = "the time for the whole check is used up"
                results.append(Result(prop.name, prop.law, "absent", reason, not_run=True))
                continue
            results.append(bench.judge(prop, remaining))
        if usable not in chosen and any(r.cause == usable.name for r in results):
            results.append(bench.judge(usable))
        order = {prop.name: n for n, prop in enumerate(properties.ALL)}
        results.sort(key=lambda result: order[result.name])
        return Report(str(source), source.imports, tuple(results), bench.notes())
    finally:
        bench.close()


def _hidden(chosen: Sequence[Property], usable: Property, why: str) -> list[Result]:
    """Return the results of all others where the engine is not usable."""
    rest = [p for p in chosen if p is not usable]
    return [Result(p.name, p.law, "absent", why, cause=usable.name) for p in rest]


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
        self.trial = Trial(source, options, properties.JUDGES)

    def judge(self, prop: Property, seconds: float = math.inf) -> Result:
        """Return the verdict on one property, in `seconds` if that is less than the limit."""
        # An engine that hangs everywhere is given less and less time, so that all is tested. Many
        # short programs may take longer than one that counts as endless.
        self.trial.deadline = self.trial.clock() + min(5 * self.options.seconds, max(seconds, 0.1))
        self.trial.patience = min(self.options.seconds, max(seconds / 6, 0.1))
        return Result(prop.name, prop.law, *self._verdict(prop))

    def _verdict(self, prop: Property) -> tuple[Any, ...]:
        """Return the fields of the result that follow its name and law."""
        try:
            try:
                self.trial.settle(prop.name)
            except Failed as failed:
                within = ops.cause_within(self.trial, prop, failed)
                if within is not None:
                    reason = f"it is computed by an op that is wrong: see {within}"
                    return "absent", reason, None, within
                failed = self.trial.confirm(failed)
                return "failed", failed.reason, failed.counterexample or None
        except Absent as absent:
            if absent.op in self.options.required and absent.cause is None:
                return "failed", f"required, but {absent}"
            return "absent", str(absent), None, absent.cause, isinstance(absent, Missing)
        except EngineDiedError as died:
            return "failed", str(died), "\n".join(died.lines) or None
        return ("held",)

    def notes(self) -> tuple[str, ...]:
        """Return what the reader of the report has to know besides."""
        trial = self.trial
        notes = []
        if not trial.ready["memory_limited"]:
            notes.append("this system cannot limit a process's memory: that was not tested")
        if stubs := trial.ready["stubs"]:
            notes.append(f"not installed, and done without: {', '.join(stubs)}")
        if raised := trial.ready["raised"]:
            notes.append(f"below the class its file raises {raised}")
        if trial.adapter.mode == "forward":
            notes.append("forward mode: each number carries its derivative by the input")
        if trial.adapter.mode == "pull":
            notes.append("there is no pass: a gradient is asked for")
        notes += [f"a choice: {choice}" for choice in trial.choices]
        return tuple(notes)

    def close(self) -> None:
        """End the child process."""
        self.trial.close()


class EngineSuite:
    """A pytest class of tests, one for each property: set `engine` in a subclass.

        class TestMine(EngineSuite):
            engine = Value
            require = ("tanh",)

    A property that the engine has no ops for is skipped, unless `require` names the op. `settings`
    are further ones of `check_engine`.
    """

    engine: ClassVar[Any] = None
    require: ClassVar[Sequence[str]] = ()
    seed: ClassVar[int] = 0
    examples: ClassVar[int] = 300
    quick: ClassVar[bool] = False
    settings: ClassVar[dict[str, Any]] = {}
    _bench: ClassVar[Bench | None] = None

    @classmethod
    def setup_class(cls) -> None:
        if cls.engine is None:
            raise TypeError(f"{cls.__name__} has no engine: write engine = YourValueClass in it")
        options = Options(_required(cls.require), cls.seed, cls.examples, cls.quick, **cls.settings)
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
