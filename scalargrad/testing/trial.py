"""An engine on trial: run programs on it, hold its numbers against the right ones."""

import math
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from scalargrad import numerical_gradient
from scalargrad.testing.adapter import DUNDERS, PAIRS, SYMBOLS, Absent, Adapter, letters, number
from scalargrad.testing.cases import Program
from scalargrad.testing.functions import FUNCTIONS
from scalargrad.testing.process import TOO_LONG, Child, EngineDiedError, Source
from scalargrad.testing.reference import supports

Reply = dict[str, Any]

REPLAYS = 10
"""How often a counterexample is run again, among other objects."""


class Failed(Exception):
    """Raised by a property: the law does not hold. Has the reason, and the code that shows it.

    `is_wrong` says of the reply to `request` whether it shows the failure again; None if the code
    is not to be run again.
    """

    def __init__(
        self,
        reason: str,
        lines: Sequence[str],
        request: Reply | None = None,
        is_wrong: Callable[[Reply], bool] | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lines = list(lines)
        self.request = request
        self.is_wrong = is_wrong

    @property
    def counterexample(self) -> str:
        return "\n".join(self.lines)


class NotAnEngineError(Exception):
    """The class cannot be tested at all; the message says why."""


@dataclass(frozen=True)
class Options:
    """What a check may be told; how the engine is used is found by trying where it is None."""

    required: tuple[str, ...] = ()
    seed: int = 0
    examples: int = 300
    quick: bool = False
    memory: int = 2048
    leaf: str | None = None
    data: str | None = None
    gradient: str | None = None
    backward: str | None = None
    forward: str | None = None
    stub: tuple[str, ...] = ()
    taste: str | None = None
    allow: tuple[str, ...] | None = None

    @property
    def graphs(self) -> int:
        """Return how many random graphs to draw."""
        return max(1, self.examples // 3) if self.quick else self.examples

    @property
    def seconds(self) -> float:
        """Return the time limit of one property."""
        return 2.0 if self.quick else 10.0

    @property
    def total_seconds(self) -> float:
        """Return the time limit of all of them together."""
        return 26.0 if self.quick else 150.0


class Trial:
    """One engine in its child process, which is started again whenever it dies."""

    def __init__(self, source: Source, options: Options) -> None:
        self.source = source
        self.options = options
        self.memory_limited = True
        self.changed: list[str] = []
        self.stubs: list[str] = []
        self.raised = ""
        self.choices: list[str] = []
        self.epsilons: dict[str, float] = {}
        self.deadline = math.inf  # of the property that is judged
        self.patience = options.seconds  # for one request
        self.last_lines: list[str] = []
        self.folder = tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True)
        self._child: Child | None = None
        self._start_took = 0.0
        self._there: dict[str, str] = {}
        self.deaths: dict[str, EngineDiedError] = {}
        self._settled: dict[str, Exception | None] = {}
        self.adapter = self._describe()

    @property
    def name(self) -> str:
        return self.source.name.split(".")[-1]

    def close(self) -> None:
        """End the child process."""
        self._end()
        self.folder.cleanup()

    def _end(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    # --- asking the child ----------------------------------------------------------------------

    def _start(self) -> Child:
        if self._child is None:
            began = time.monotonic()
            self._child = Child(
                self.source, self.options.memory, self.options.stub, self.folder.name
            )
            self.memory_limited = self._child.memory_limited
            self.changed = self._child.changed
            self.stubs = self._child.stubs
            self.raised = self._child.raised
            self._start_took = time.monotonic() - began
        return self._child

    def _ask(self, request: Reply, seconds: float | None = None) -> Reply:
        if seconds is None:
            seconds = min(self.deadline - time.monotonic(), self.patience)
        out_of_time = Absent("the time for it is used up")
        if seconds <= 0:
            raise out_of_time
        child = self._start()
        try:
            reply = child.ask(request, seconds)
        except EngineDiedError as died:
            self._child = None
            if str(died) == TOO_LONG and seconds < self.options.seconds / 5:
                raise out_of_time from None  # a short time says nothing on a busy machine
            raise
        for name in reply.get("changed", ()):
            raise EngineDiedError(f"the engine changes {name}")
        return reply

    def _describe(self) -> Adapter:
        names = ("leaf", "data", "gradient", "backward", "forward")
        options = {name: getattr(self.options, name) for name in names}
        try:
            self._start()
            reply = self._ask({"describe": options}, 3 * self.options.seconds)
        except EngineDiedError as died:
            self.close()
            raise NotAnEngineError(f"{self.source}: {died}") from None
        if "error" in reply:
            self.close()
            raise NotAnEngineError(f"{self.source}: {reply['error']['message']}")
        return Adapter.of(self.name, reply["description"])

    def run(
        self,
        lines: Sequence[str],
        observe: Sequence[str] = (),
        gradients: Sequence[str] = (),
        collect: bool = False,
        shown: Sequence[str] = (),
    ) -> Reply:
        """Run code in the child: {"values": [...]}, or {"error": ...} if it raises.

        `shown` are lines that print the result, for the report if the process dies of the code.
        """
        self.last_lines = [*lines, *shown]
        return self._ask(_request(lines, observe, gradients, collect))

    def packages(self, lines: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the packages whose functions run while the lines do, and those imported."""
        found = self._ask({"watch": list(lines)})
        return found.get("computes", []), found.get("imported", [])

    def inner_ops(self, op: str, lines: Sequence[str]) -> list[str]:
        """Return the ops whose operators of the class run in the lines, but for `op` itself."""
        try:
            methods = self._ask({"watch": list(lines)}).get("methods", [])
        except (EngineDiedError, Absent):
            return []
        by_name = {dunder: name for name, dunder in DUNDERS.items()}
        return [by_name[m] for m in methods if by_name.get(m, op) != op]

    def confirm(self, failed: Failed) -> Failed:
        """Return the failure as a fresh process shows it again: each time, or k of n times.

        Raises Absent where it does not show it again.
        """
        if failed.request is None or failed.is_wrong is None:
            return failed
        if self._start_took < 0.5:
            self._end()  # what the engine keeps from earlier programs shall play no part
        try:
            replies = self._ask({**failed.request, "times": REPLAYS})["replies"]
        except (EngineDiedError, KeyError):
            return failed
        count = sum(map(failed.is_wrong, replies))
        if count == REPLAYS:
            return failed
        if not count:
            raise Absent("a failure was seen that did not come again")
        loop = [f"for _ in range({REPLAYS}):", *("    " + line for line in failed.lines)]
        loop = [part for line in loop for part in line.replace("\n", "\n    ").split("\n")]
        return Failed(f"{failed.reason} ({count} of {REPLAYS} times)", loop)

    # --- what the engine has -------------------------------------------------------------------

    def look_for_operators(self) -> None:
        """Find out which operators take two nodes, and on which sides plain numbers."""
        for op in SYMBOLS:
            nodes = self._try_out(op, "a", "b")
            # What hangs for nodes is not asked again.
            right = self._try_out(op, "a", "2.0") if nodes != "hung" else nodes
            left = self._try_out(op, "3.0", "b") if nodes != "hung" else nodes
            self._there[op] = nodes
            sides = {"right": right, "left": left}
            self.adapter.sides[op] = {side for side, found in sides.items() if found == "there"}
            for side, found in sides.items():
                self._there[f"{op} {side}"] = found

    def _try_out(self, op: str, left: str, right: str) -> str:
        lines = [
            self.adapter.leaf("a", 3.0),
            self.adapter.leaf("b", 2.0),
            f"c = {self.adapter.call(op, [left, right])}",
            *self.adapter.prepare("c"),
        ]
        self.patience = self.options.seconds / 4
        try:
            reply = self.run(lines, [self.adapter.read("c")])
        except EngineDiedError:
            return "hung"
        finally:
            self.patience = self.options.seconds
        if "error" not in reply:
            return "there"
        # An exponent that is a node is often meant for numbers only.
        error = reply["error"]
        for_nodes = (op, left, right) == ("**", "a", "b") and not error.get("reading")
        if _refused(reply) or (for_nodes and error["kind"] == "TypeError"):
            return "refused"
        return "broken"

    def has(self, op: str) -> bool:
        """Return whether the engine has an op, by its name in the table, for nodes."""
        if not supports(op):
            return False
        if op in SYMBOLS:
            return self._there[op] != "refused"
        if op.startswith("**"):
            return "right" in self.adapter.sides["**"]
        return bool(self.forms(op))

    def forms(self, op: str) -> list[int]:
        """Return which of the spellings of a function are there, by their places."""
        if op in SYMBOLS or op.startswith("**"):
            return [0]
        spellings = self.adapter.spellings(op)
        return [n for n, form in enumerate(spellings) if self._has_form(op, n, form)]

    def _has_form(self, op: str, place: int, form: str) -> bool:
        """Return whether a function is there; its name may be there for something else."""
        key = f"{op} as {form}"
        if key not in self._there:
            function = FUNCTIONS[op]
            count = function.arity or (4 if op in PAIRS else 3)
            columns = function.intervals if function.arity else function.intervals * count
            point = [
                x if low <= x <= high else low + 0.1
                for x, (*_, (low, high)) in zip((0.5, 0.75, 0.25, 0.6), columns, strict=False)
            ]
            names = letters(count)
            lines = [self.adapter.leaf(n, x) for n, x in zip(names, point, strict=True)]
            self.adapter.form[op] = place
            lines += [f"e = {self.adapter.call(op, names)}", *self.adapter.prepare("e")]
            self.adapter.form[op] = 0
            try:
                reply = self.run(lines, [self.adapter.read("e")])
            except EngineDiedError as died:
                died.lines = (*lines, f"print({self.adapter.read('e')})")
                self.deaths[op] = died  # it is not waited for again
                reply = {}
            absent = "error" in reply and self._is_no_op(op, form, reply)
            self._there[key] = "absent" if absent else "there"
        return self._there[key] == "there"

    def _is_no_op(self, op: str, form: str, reply: Reply) -> bool:
        """Return whether an error says that the function is not there, rather than wrong."""
        if op in DUNDERS and "." not in form:
            return _refused(reply)
        # A helper of the module may be for plain numbers, and a method of another name or of any
        # number of operands another thing.
        if not form.startswith("{0}.") or not self.adapter.defines(op) or not FUNCTIONS[op].arity:
            return True
        return _refused(reply)

    def broken_sides(self, op: str) -> list[str]:
        """Return the sides on which a plain number makes the op fail, other than by refusing."""
        broken = ("broken", "hung")
        return [side for side in ("right", "left") if self._there[f"{op} {side}"] in broken]

    # --- what was found before -------------------------------------------------------------------

    def settle(self, name: str, judge: "Callable[[Trial], None]") -> None:
        """Run a judge, or raise what it raised the last time that it was asked by this name."""
        if name not in self._settled:
            self._settled[name] = EngineDiedError(TOO_LONG)  # should it ask for itself
            try:
                judge(self)
                self._settled[name] = None
            except EngineDiedError as died:
                died.lines = died.lines or tuple(self.last_lines)
                self._settled[name] = died
            except (Failed, Absent) as error:
                self._settled[name] = error
        found = self._settled[name]
        if found is not None:
            raise found

    def holds(self, name: str, judge: "Callable[[Trial], None]") -> bool:
        """Return whether a judge is content; what hangs is not given all the time there is."""
        patience, self.patience = self.patience, self.options.seconds / 2
        try:
            self.settle(name, judge)
        except (Failed, Absent, EngineDiedError):
            return False
        finally:
            self.patience = patience
        return True

    def failed(self, name: str) -> bool:
        """Return whether a judge that was asked was not content."""
        return isinstance(self._settled.get(name), Failed | EngineDiedError)

    def raised_in(self, name: str) -> bool:
        """Return whether a judge that was not content saw an error, and no wrong number."""
        error = self._settled.get(name)
        return isinstance(error, Failed) and " raises " in error.reason

    # --- judging -------------------------------------------------------------------------------

    def differentiate(
        self,
        program: Program,
        actions: Sequence[str],
        leaves: Sequence[str],
        collect: bool = False,
        shown: Sequence[str] = (),
    ) -> tuple[Reply, Reply]:
        """Return a request for the derivatives of the first output, and its reply."""
        values: list[Any] = []
        for request in self._requests(program, actions, leaves, collect):
            reply = self.run(**request, shown=shown)
            if "error" in reply:
                return request, reply
            values += reply["values"]
        return request, {"values": values}

    def _requests(
        self, program: Program, actions: Sequence[str], leaves: Sequence[str], collect: bool = False
    ) -> list[Reply]:
        """Return the requests for the derivatives: in forward mode one for each leaf."""
        adapter, output = self.adapter, program.outputs[0]
        reads = {leaf: adapter.gradient(output, leaf) for leaf in leaves}
        if adapter.mode != "forward":
            lines = [*program.build(adapter), *actions]
            return [_request(lines, [], list(reads.values()), collect)]
        return [
            _request(program.build(adapter, seeded=leaf), [], [read], collect)
            for leaf, read in reads.items()
        ]

    def check(self, program: Program) -> None:
        """Raise Failed unless the first output's number and its derivatives are right."""
        self.check_all([program])

    def check_all(
        self, programs: Iterable[Program], values: bool = True, gradients: bool = True
    ) -> None:
        """Raise Failed for the first program of which a number or a derivative is not right.

        They are run together, and those that are not right once more by themselves.
        """
        gradients = gradients and self.adapter.mode != "values"
        programs = list(programs)
        for program in self._doubtful(programs, values, gradients):
            if values:
                self.check_value(program)
            if gradients:
                self.check_gradient(program)

    def _doubtful(
        self, programs: Sequence[Program], values: bool, gradients: bool
    ) -> Sequence[Program]:
        """Return the programs whose numbers or derivatives are not those of the reference."""
        batch, rights = [], []
        for program in programs:
            output = program.outputs[0]
            if values:
                batch.append(_request(program.build(self.adapter), [self.adapter.read(output)]))
                rights.append((program, [program.value(output)]))
            if gradients:
                actions = self.adapter.run_backward(output)
                requests = self._requests(program, actions, program.leaves)
                exact = program.gradient(output)
                for n, request in enumerate(requests):
                    batch.append(request)
                    rights.append((program, exact if len(requests) == 1 else [exact[n]]))
        self.last_lines = batch[0]["lines"] if batch else []
        try:
            replies = self._ask({"batch": batch})["replies"]
        except EngineDiedError:
            return programs  # which of them it was is found by running each
        doubtful = []
        for request, (program, right), reply in zip(batch, rights, replies, strict=True):
            found = reply.get("values", [])
            if request["gradients"]:
                found = [0.0 if x is None else x for x in found]
            near = [self._close(x, y, program.margin) for x, y in zip(found, right, strict=False)]
            if (len(near) < len(right) or not all(near)) and program not in doubtful:
                doubtful.append(program)
        return doubtful

    def check_value(self, program: Program) -> None:
        """Raise Failed unless the first output's number is right."""
        output = program.outputs[0]
        lines = program.build(self.adapter)
        right = program.value(output)
        read = self.adapter.read(output)
        shown = f"print({read})  # right: {number(right)}"
        reply = self.run(lines, [read], shown=[shown])
        request = _request(lines, [read])
        self.no_error(reply, [*lines, shown], request)
        (found,) = reply["values"]
        if not self._close(found, right, program.margin):
            raise Failed(
                f"{read} is {_shown(found)}, right is {number(right)}",
                [*lines, shown],
                request,
                lambda reply: not self._close(_only(reply), right, program.margin),
            )

    def check_gradient(
        self,
        program: Program,
        actions: Sequence[str] | None = None,
        sums: Sequence[Sequence[str]] | None = None,
        leaves: Sequence[str] | None = None,
        collect: bool = False,
    ) -> None:
        """Raise Failed unless the gradients are right after the actions.

        `actions` are lines to run after the program: one backward pass of its first output
        unless given. `sums` lists what each gradient may be, as outputs whose derivatives are
        added up: the first output's derivative unless given. `leaves` are all inputs unless given.
        """
        adapter, first = self.adapter, program.outputs[0]
        actions = adapter.run_backward(first) if actions is None else actions
        sums = [[first]] if sums is None else sums
        leaves = program.leaves if leaves is None else leaves
        exact = {output: program.gradient(output) for output in {o for s in sums for o in s}}
        place = program.leaves.index(leaves[0])
        first_right = math.fsum(exact[output][place] for output in sums[0])
        shown = self._shown_gradient(first, leaves[0], first_right)
        request, reply = self.differentiate(program, actions, leaves, collect, [shown])
        self.no_error(reply, [*request["lines"], shown], request)
        for leaf, found in zip(leaves, reply["values"], strict=True):
            place = program.leaves.index(leaf)
            rights = [math.fsum(exact[output][place] for output in outputs) for outputs in sums]
            if self._any_close(found, rights, program.margin):
                continue
            confirmed = self._confirm(program, place, sums, rights, 0.0 if found is None else found)
            if confirmed is None:
                continue
            lines = [*program.build(adapter, seeded=leaf), *actions]
            read = adapter.gradient(first, leaf)
            raise Failed(
                f"{read} is {_shown(found)}, right is {number(confirmed)}",
                [*lines, self._shown_gradient(first, leaf, confirmed)],
                _request(lines, [], [read], collect),
                partial(self._is_off, rights, program.margin),
            )

    def _any_close(self, found: Any, rights: Sequence[float], margin: float) -> bool:
        found = 0.0 if found is None else found  # what got no gradient has none to get
        return any(self._close(found, right, margin) for right in rights)

    def _is_off(self, rights: Sequence[float], margin: float, reply: Reply) -> bool:
        return not self._any_close(_only(reply), rights, margin)

    def _shown_gradient(self, output: str, leaf: str, right: float) -> str:
        return f"print({self.adapter.gradient(output, leaf)})  # right: {number(right)}"

    def _confirm(
        self,
        program: Program,
        place: int,
        sums: Sequence[Sequence[str]],
        rights: Sequence[float],
        found: Any,
    ) -> float | None:
        """Return the right number if finite differences of the engine's own values reject `found`.

        They give the right number where the engine's forward is another function than ours.
        """
        outputs = sorted({output for group in sums for output in group})
        estimates = {}
        for output in outputs:

            def f(x: float, output: str = output) -> float:
                inputs = [*program.inputs[:place], x, *program.inputs[place + 1 :]]
                reply = self.run(program.build(self.adapter, inputs), [self.adapter.read(output)])
                values = reply.get("values", [None])
                if not isinstance(values[0], float):
                    raise ValueError("no value here")
                return values[0]

            noise = 8 * self.adapter.epsilon * (1 + abs(program.value(output)))
            try:
                (estimates[output],) = numerical_gradient(f, [program.inputs[place]], noise=noise)
            except ValueError:
                return rights[0]
        for group, right in zip(sums, rights, strict=True):
            slope = math.fsum(estimates[output].derivative for output in group)
            error = 2 * math.fsum(estimates[output].error for output in group)
            error += program.margin * (1 + abs(slope))
            if isinstance(found, float) and abs(found - slope) <= error:
                return None
            if abs(right - slope) > error:
                rights = [slope, *rights]
        return rights[0]

    def _close(self, found: Any, right: float, margin: float) -> bool:
        if not isinstance(found, float):
            return False
        margin = max(margin, 100 * self.adapter.epsilon)
        return abs(found - right) <= margin * (1 + abs(right))

    def no_error(self, reply: Reply, lines: Sequence[str], request: Reply | None = None) -> None:
        """Raise Failed if the code raised an exception; `request` is what to replay."""
        if "error" not in reply:
            return
        error = reply["error"]
        kind = error["kind"]
        place = error["line"]
        marked = list(lines)
        if error.get("reading"):
            read, mark, right = marked[-1].partition("  # right: ")
            marked[-1] = f"{read}  # raises {kind}{mark}{right}"
            message = f": {error['message']}" if error["message"] else ""
            raise Failed(
                f"reading the result raises {kind}{message}", marked, request, _raised(kind)
            )
        at = "the code"
        if place is not None:
            texts = "\n".join(marked).split("\n")
            if place <= len(texts):
                texts[place - 1] += f"  # raises {kind}"
                marked = texts
                at = texts[place - 1].split("  #")[0].strip()
        message = f": {error['message']}" if error["message"] else ""
        raise Failed(f"{at} raises {kind}{message}", marked, request, _raised(kind))

    def hurried(self) -> bool:
        """Return whether most of the property's time is used up."""
        return self.deadline - time.monotonic() < self.options.seconds


def _request(
    lines: Sequence[str],
    observe: Sequence[str] = (),
    gradients: Sequence[str] = (),
    collect: bool = False,
) -> Reply:
    return {
        "lines": list(lines),
        "observe": list(observe),
        "gradients": list(gradients),
        "collect": collect,
    }


def _refused(reply: Reply) -> bool:
    """Return whether the engine says in its own words that it does not do that."""
    error = reply["error"]
    return bool(error["deliberate"]) and not error.get("reading")


def _raised(kind: str) -> Callable[[Reply], bool]:
    return lambda reply: "error" in reply and reply["error"]["kind"] == kind


def _only(reply: Reply) -> Any:
    """Return the number that a reply has, text where it has none."""
    return reply["values"][-1] if "values" in reply else "an error"


def _shown(found: Any) -> str:
    return number(found) if isinstance(found, float) else str(found)
