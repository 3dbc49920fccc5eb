"""An engine on trial: run programs on it, hold its numbers against the right ones."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad import numerical_gradient
from scalargrad.testing.adapter import DUNDERS, Absent, Adapter, letters, number
from scalargrad.testing.cases import Program, Question
from scalargrad.testing.functions import FUNCTIONS, SYMBOLS
from scalargrad.testing.process import PATIENCE, Child, EngineDiedError, Source, TooSlowError
from scalargrad.testing.reference import supports

Reply = dict[str, Any]

REPLAYS = 10
"""How often a counterexample is run again, among other objects."""


class Failed(Exception):
    """Raised by a property: the law does not hold. Has the reason, and the code that shows it.

    `raised` is the kind of the error that the code raises, None where it raises none. `question` is
    the one that was answered wrongly, None if the code is not to be run again.
    """

    def __init__(
        self,
        reason: str,
        lines: Sequence[str],
        question: Question | None = None,
        raised: str | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lines = list(lines)
        self.question = question
        self.raised = raised

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

    def __init__(
        self, source: Source, options: Options, judges: "Mapping[str, Callable[[Trial], None]]"
    ) -> None:
        self.source = source
        self.options = options
        self.judges = judges
        self.ready: Reply = {}  # what the child said when it started
        self.choices: list[str] = []
        self.epsilons: dict[str, float] = {}
        self.deadline = math.inf  # of the property that is judged
        self.patience = options.seconds  # for one request
        self.last_lines: list[str] = []
        self.folder = tempfile.TemporaryDirectory(prefix="check-", ignore_cleanup_errors=True)
        self._child: Child | None = None
        self._children: list[Child] = []
        self._began = time.monotonic(), time.process_time()
        self._start_took = 0.0
        self._there: dict[str, str] = {}
        self.whole: set[str] = set()  # operators that take ints on the right, and no floats
        self.deaths: dict[str, EngineDiedError] = {}
        self._settled: dict[str, Exception | None] = {}
        try:
            self.adapter = self._describe()
            self._look_for_operators()
        except EngineDiedError as died:
            self.close()
            stubs = ", ".join(self.ready.get("stubs", ()))
            without = f" (without {stubs}, not installed)" if stubs else ""
            raise NotAnEngineError(f"{source}: {died}{without}") from None

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

    def clock(self) -> float:
        """Return the time in seconds, of which less goes by where the machine is busy."""
        passed = time.monotonic() - self._began[0]
        computed = time.process_time() - self._began[1]
        computed += sum(child.computed for child in self._children)
        return max(min(computed, passed), passed / PATIENCE)

    # --- asking the child ----------------------------------------------------------------------

    def _start(self) -> Child:
        if self._child is None:
            began = time.monotonic()
            os.makedirs(self.folder.name, exist_ok=True)  # the engine may have removed it
            self._child = Child(
                self.source, self.options.memory, self.options.stub, self.folder.name
            )
            self._children.append(self._child)
            self.ready = self._child.ready
            self._start_took = time.monotonic() - began
        return self._child

    def _ask(self, request: Reply, seconds: float | None = None) -> Reply:
        if seconds is None:
            seconds = min(self.deadline - self.clock(), self.patience)
        out_of_time = Absent("the time for it is used up")
        if seconds <= 0:
            raise out_of_time
        child = self._start()
        try:
            reply = child.ask(request, seconds)
        except EngineDiedError as died:
            self._child = None
            if isinstance(died, TooSlowError) and seconds < self.options.seconds / 5:
                raise out_of_time from None  # a short time says nothing on a busy machine
            raise
        for name in reply.get("changed", ()):
            raise EngineDiedError(f"the engine changes {name}")
        return reply

    def _describe(self) -> Adapter:
        names = ("leaf", "data", "gradient", "backward", "forward")
        options = {name: getattr(self.options, name) for name in names}
        self._start()
        try:
            reply = self._ask({"describe": options}, 3 * self.options.seconds)
        except TooSlowError:
            how = "say with --leaf, --data, --gradient and --backward how it is used"
            raise EngineDiedError(f"trying it out takes too long: {how}") from None
        if "error" in reply:
            raise EngineDiedError(reply["error"]["message"])
        return Adapter(name=self.name, **reply["description"])

    def run(
        self, lines: Sequence[str], observe: Sequence[str] = (), gradients: Sequence[str] = ()
    ) -> Reply:
        """Run code in the child: {"values": [...]}, or {"error": ...} if it raises."""
        self.last_lines = list(lines)
        program = {"lines": list(lines), "observe": list(observe), "gradients": list(gradients)}
        (reply,) = self._run_all([program])
        return reply

    def compute(self, program: Program) -> tuple[Reply, list[str]]:
        """Return the reply with the number of a program's first output, and the code."""
        lines = program.build(self.adapter)
        return self.run(lines, [self.adapter.read(program.outputs[0])]), lines

    def _run_all(self, programs: list[Reply]) -> list[Reply]:
        replies: list[Reply] = self._ask({"run": programs})["replies"]
        return replies

    def watch(self, lines: Sequence[str]) -> dict[str, list[str]]:
        """Return what runs while the lines do.

        Under "computes" are the packages whose functions run, under "imported" those that are
        imported, under "methods" the methods of the class.
        """
        return self._ask({"watch": list(lines)})

    def confirm(self, failed: Failed) -> Failed:
        """Return the failure as a fresh process shows it again: each time, or k of n times.

        Raises Absent where it does not show it again.
        """
        question = failed.question
        if question is None:
            return failed
        if self._start_took < 0.5:
            self._end()  # what the engine keeps from earlier programs shall play no part
        try:
            replies = self._run_all([_asked(question)] * REPLAYS)
        except EngineDiedError:
            return failed
        count = sum(not question.is_answered(reply) for reply in replies)
        if count == REPLAYS:
            return failed
        if not count:
            raise Absent("a failure was seen that did not come again")
        loop = [f"for _ in range({REPLAYS}):", *("    " + line for line in failed.lines)]
        loop = [part for line in loop for part in line.replace("\n", "\n    ").split("\n")]
        return Failed(f"{failed.reason} ({count} of {REPLAYS} times)", loop)

    # --- what the engine has -------------------------------------------------------------------

    def _look_for_operators(self) -> None:
        """Find out which operators take two nodes, and on which sides plain numbers."""
        for op in SYMBOLS:
            nodes = self._try_out(op, "a", "b")
            # What hangs for nodes is not asked again.
            right = self._try_out(op, "a", "2.0") if nodes != "hung" else nodes
            left = self._try_out(op, "3.0", "b") if nodes != "hung" else nodes
            self._there[op] = nodes
            if right in ("refused", "broken") and self._try_out(op, "a", "2") == "there":
                self.whole.add(op)
            sides = {"right": right, "left": left}
            self.adapter.sides[op] = {side for side, found in sides.items() if found == "there"}
            for side, found in sides.items():
                self._there[f"{op} {side}"] = found

    def _try_out(self, op: str, left: str, right: str) -> str:
        code = f"c = {self.adapter.call(op, [left, right])}"
        self.patience = self.options.seconds / 4
        try:
            reply, _ = self.compute(Program((3.0, 2.0), (code,), ("c",)))
        except EngineDiedError:
            return "hung"
        finally:
            self.patience = self.options.seconds
        if "error" not in reply:
            return "there"
        # An exponent that is a node is often meant for numbers only.
        error = reply["error"]
        for_nodes = (op, left, right) == ("**", "a", "b") and not error["reading"]
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
            return "right" in self.adapter.sides["**"] or "**" in self.whole
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
            point = [
                x if low <= x <= high else low + 0.1
                for x, (*_, (low, high)) in zip(
                    (0.5, 0.75, 0.25, 0.6), function.columns(function.operands), strict=False
                )
            ]
            code = f"e = {self.adapter.call(op, letters(len(point)), place)}"
            program = Program(tuple(point), (code,), ("e",))
            try:
                reply, _ = self.compute(program)
            except EngineDiedError as died:
                died.lines = (*program.build(self.adapter), f"print({self.adapter.read('e')})")
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

    def takes_power(self, exponent: str) -> bool:
        """Return whether a plain exponent is not refused; nor meant to be, as by range(1.5)."""
        key = f"** {exponent}"
        if key not in self._there:
            self._there[key] = self._try_out("**", "a", exponent)
        return self._there[key] != "refused" and not ("." in exponent and "**" in self.whole)

    def broken_sides(self, op: str) -> list[str]:
        """Return the sides on which a plain number makes the op fail, other than by refusing."""
        broken = ("broken", "hung")
        return [side for side in ("right", "left") if self._there[f"{op} {side}"] in broken]

    # --- what was found before -------------------------------------------------------------------

    def settle(self, name: str) -> None:
        """Run a judge, or raise what it raised the last time that it was asked."""
        if name not in self._settled:
            self._settled[name] = TooSlowError()  # should it ask for itself
            try:
                self.judges[name](self)
                self._settled[name] = None
            except EngineDiedError as died:
                died.lines = died.lines or tuple(self.last_lines)
                self._settled[name] = died
            except (Failed, Absent) as error:
                self._settled[name] = error
        found = self._settled[name]
        if found is not None:
            raise found

    def holds(self, name: str) -> bool:
        """Return whether a judge is content; what hangs is not given all the time there is."""
        patience, self.patience = self.patience, self.options.seconds / 2
        try:
            self.settle(name)
        except (Failed, Absent, EngineDiedError):
            return False
        finally:
            self.patience = patience
        return True

    def breaks(self, name: str) -> bool:
        """Return whether a law is broken, rather than held or not tested."""
        self.holds(name)
        return self.failed(name)

    def needs(self, *names: str) -> None:
        """Raise Absent where another law is broken that would break this one too."""
        for name in names:
            if self.breaks(name):
                raise Absent(f"needs {name}, which fails", cause=name)

    def failed(self, name: str) -> bool:
        """Return whether a judge that was asked was not content."""
        return isinstance(self._settled.get(name), Failed | EngineDiedError)

    def raised_in(self, name: str) -> bool:
        """Return whether a judge that was not content saw an error, and no wrong number."""
        error = self._settled.get(name)
        return isinstance(error, Failed) and error.raised is not None

    # --- judging -------------------------------------------------------------------------------

    def check(self, program: Program) -> None:
        """Raise Failed unless the first output's number and its derivatives are right."""
        self.check_all([program])

    def check_value(self, program: Program) -> None:
        """Raise Failed unless the first output's number is right."""
        self.ask([program.value_question(self.adapter)])

    def check_gradient(self, program: Program, *options: Any, **named: Any) -> None:
        """Raise Failed unless the gradients are right, with options of `gradient_questions`."""
        self.ask(program.gradient_questions(self.adapter, *options, **named))

    def check_all(
        self, programs: Iterable[Program], values: bool = True, gradients: bool = True
    ) -> None:
        """Raise Failed for the first program of which a number or a derivative is not right."""
        questions = []
        for program in programs:
            if values:
                questions.append(program.value_question(self.adapter))
            if gradients and self.adapter.mode != "values":
                questions += program.gradient_questions(self.adapter)
        self.ask(questions)

    def ask(self, questions: Sequence[Question], errors: bool = True) -> None:
        """Raise Failed for the first question that is not answered rightly.

        They are asked together, and those with a wrong answer once more by themselves. Where
        `errors` is false, code that raises is for another law to judge.
        """
        alone = len(questions) == 1
        self.last_lines = [*questions[0].lines, questions[0].shown()] if questions else []
        try:
            replies = self._run_all([_asked(question) for question in questions])
        except EngineDiedError:
            if alone:
                raise
            replies = [{}] * len(questions)  # which of them it was is found by asking each
        for question, reply in zip(questions, replies, strict=True):
            if "error" in reply and not errors:
                continue
            if alone:
                self._judge(question, reply)
            elif not question.is_answered(reply):
                self.ask([question], errors)

    def _judge(self, question: Question, reply: Reply) -> None:
        self.no_error(reply, [*question.lines, question.shown()], question)
        for n, found in enumerate(question.numbers(reply)):
            if question.accepts(n, found):
                continue
            part = question.part(n)
            right = self._confirm(part, found) if question.places else question.rights[n][0]
            if right is not None:
                given = reply["values"][n]
                text = number(given) if isinstance(given, float) else given
                raise Failed(
                    f"{question.reads[n]} is {text}, right is {number(right)}",
                    [*question.lines, question.shown(n, right)],
                    part,
                )

    def _confirm(self, question: Question, found: Any) -> float | None:
        """Return the right derivative if differences of the engine's own values reject `found`.

        They give the right number where the engine's forward is another function than ours.
        """
        program, (place,), (rights,) = question.program, question.places, question.rights
        estimates = {}
        for output in sorted({output for group in question.sums for output in group}):

            def f(x: float, output: str = output) -> float:
                inputs = [*program.inputs[:place], x, *program.inputs[place + 1 :]]
                reply = self.run(program.build(self.adapter, inputs), [self.adapter.read(output)])
                values = reply.get("values", [None])
                if not isinstance(values[0], float):
                    raise ValueError("no value here")
                return values[0]

            noise = 8 * self.adapter.epsilon * (1 + abs(program.value(output)))
            try:
                estimates[output] = numerical_gradient(f, program.inputs[place], noise=noise)
            except ValueError:
                return rights[0]
        for group, right in zip(question.sums, rights, strict=True):
            slope = math.fsum(estimates[output].derivative for output in group)
            error = 2 * math.fsum(estimates[output].error for output in group)
            error += program.margin * (1 + abs(slope))
            if isinstance(found, float) and abs(found - slope) <= error:
                return None
            if abs(right - slope) > error:
                rights = [slope, *rights]
        return rights[0]

    def no_error(
        self, reply: Reply, lines: Sequence[str], question: Question | None = None
    ) -> None:
        """Raise Failed if the code raised an exception; `question` is what to replay."""
        if "error" not in reply:
            return
        error = reply["error"]
        kind, place = error["kind"], error["line"]
        marked, at = list(lines), "the code"
        if kind == "NotANumberError":
            read = marked[-1].partition("  # right: ")[0].removeprefix("print(")[:-1]
            raise Failed(f"{read} {error['message']}", marked, question, kind)
        if error["reading"]:
            at = "reading the result"
            read, mark, right = marked[-1].partition("  # right: ")
            marked[-1] = f"{read}  # raises {kind}{mark}{right}"
        elif place is not None:
            texts = "\n".join(marked).split("\n")
            if place <= len(texts):
                texts[place - 1] += f"  # raises {kind}"
                marked = texts
                at = texts[place - 1].split("  #")[0].strip()
        message = f": {error['message']}" if error["message"] else ""
        raise Failed(f"{at} raises {kind}{message}", marked, question, kind)

    def hurried(self) -> bool:
        """Return whether most of the property's time is used up."""
        return self.deadline - self.clock() < self.options.seconds


def _asked(question: Question) -> Reply:
    """Return the program that asks a question."""
    kind = "gradients" if question.places else "observe"
    lines, reads = list(question.lines), list(question.reads)
    return {"lines": lines, kind: reads, "collect": question.collect}


def _refused(reply: Reply) -> bool:
    """Return whether the engine says in its own words that it does not do that."""
    error = reply["error"]
    return bool(error["deliberate"]) and not error["reading"]
