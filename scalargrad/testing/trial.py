"""An engine on trial: run programs on it, hold its numbers against the right ones."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from scalargrad import numerical_gradient
from scalargrad.testing.adapter import PAIRS, SYMBOLS, Absent, Adapter, letters, number
from scalargrad.testing.functions import FUNCTIONS
from scalargrad.testing.process import TOO_LONG, Child, EngineDiedError, Source
from scalargrad.testing.programs import Program
from scalargrad.testing.reference import supports

# At a point where the op is defined, these say that the engine does not do that.
REFUSALS = {"TypeError", "ValueError", "NotImplementedError", "AssertionError"}


class Failed(Exception):
    """Raised by a property: the law does not hold. Has the reason, and the code that shows it."""

    def __init__(self, reason: str, lines: Sequence[str]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.counterexample = "\n".join(lines)


class NotAnEngineError(Exception):
    """The class cannot be tested at all; the message says why."""


@dataclass(frozen=True)
class Options:
    """What a check may be told; names of the engine's attributes are found by looking if None."""

    required: tuple[str, ...] = ()
    seed: int = 0
    examples: int = 300
    quick: bool = False
    memory: int = 2048
    data: str | None = None
    gradient: str | None = None
    backward: str | None = None
    forward: str | None = None

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
        self.deadline = math.inf
        self.last_lines: list[str] = []
        self._child: Child | None = None
        self._operands: dict[str, str | None] = {}
        self._sound: dict[str, bool] = {}
        self.judge_op: Callable[[Trial, str], None] | None = None
        self.judge_numbers: Callable[[Trial, str], None] | None = None
        self.adapter = self._describe()

    @property
    def name(self) -> str:
        return self.source.name.split(".")[-1]

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.close()
            self._child = None

    # --- asking the child ----------------------------------------------------------------------

    def _start(self) -> Child:
        if self._child is None:
            self._child = Child(self.source, self.options.memory)
            self.memory_limited = self._child.memory_limited
            self.changed = self._child.changed
        return self._child

    def _ask(self, request: dict[str, Any], seconds: float | None = None) -> dict[str, Any]:
        if seconds is None:
            seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise EngineDiedError(TOO_LONG)
        child = self._start()
        try:
            reply = child.ask(request, seconds)
        except EngineDiedError:
            self._child = None
            raise
        for name in reply.get("changed", ()):
            raise EngineDiedError(f"the engine changes {name}")
        return reply

    def _describe(self) -> Adapter:
        names = ("data", "gradient", "backward", "forward")
        options = {name: getattr(self.options, name) for name in names}
        try:
            self._start()
            try:
                reply = self._ask({"describe": options}, self.options.seconds)
            except EngineDiedError:
                # Its backward pass may hang or crash; what else there is can still be tested.
                still = {**options, "still": "yes"}
                reply = self._ask({"describe": still}, self.options.seconds)
        except EngineDiedError as died:
            self.close()
            raise NotAnEngineError(f"{self.source}: {died}") from None
        if "error" in reply:
            self.close()
            error = reply["error"]
            message = f"{error['kinds'][0]}: {error['message']}"
            raise NotAnEngineError(f"{self.source}: {message}")
        adapter = Adapter.of(self.name, reply["description"])
        return adapter

    def run(
        self,
        lines: Sequence[str],
        observe: Sequence[str],
        collect: bool = False,
        shown: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Run code in the child: {"values": [...]}, or {"error": ...} if it raises.

        `shown` are lines that print the result, for the report if the process dies of the code.
        """
        self.last_lines = [*lines, *shown]
        return self._ask({"lines": list(lines), "observe": list(observe), "collect": collect})

    # --- what the engine has -------------------------------------------------------------------

    def look_for_operators(self) -> None:
        """Find out which operators take two nodes, and on which sides plain numbers."""
        for op in SYMBOLS:
            nodes = self._try_out(op, "a", "b")
            # What hangs for nodes is not asked again.
            right = self._try_out(op, "a", "2.0") if nodes != "hung" else nodes
            left = self._try_out(op, "3.0", "b") if nodes != "hung" else nodes
            self._operands[op] = nodes
            sides = {"right": right, "left": left}
            self.adapter.sides[op] = {side for side, found in sides.items() if found == "there"}
            self._operands[f"{op} numbers"] = ",".join(
                s for s, f in sides.items() if f in ("broken", "hung")
            )

    def _try_out(self, op: str, left: str, right: str) -> str:
        lines = [
            self.adapter.leaf("a", 3.0),
            self.adapter.leaf("b", 2.0),
            f"c = {left} {op} {right}",
            *self.adapter.prepare("c"),
        ]
        self.deadline = time.monotonic() + self.options.seconds / 4
        try:
            reply = self.run(lines, [self.adapter.read("c")])
        except EngineDiedError:
            return "hung"
        if "error" not in reply:
            return "there"
        return "refused" if REFUSALS & set(reply["error"]["kinds"]) else "broken"

    def has(self, op: str) -> bool:
        """Return whether the engine has an op, by its name in the table, for nodes."""
        if not supports(op):
            return False
        if op in SYMBOLS:
            return self._operands[op] != "refused"
        if op.startswith("**"):
            return "right" in self.adapter.sides["**"]
        if op not in ("neg", "abs") and self.adapter.spelling(op) is None:
            return False
        return self._try_function(op)

    def _try_function(self, op: str) -> bool:
        """Return whether a function is there; its name may be there for something else."""
        if op not in self._operands:
            function = FUNCTIONS[op]
            count = function.arity or (4 if op in PAIRS else 3)
            columns = function.intervals if function.arity else function.intervals * count
            point = [
                x if low <= x <= high else low + 0.1
                for x, (*_, (low, high)) in zip((0.5, 0.75, 0.25, 0.6), columns, strict=False)
            ]
            names = letters(count)
            lines = [self.adapter.leaf(n, x) for n, x in zip(names, point, strict=True)]
            lines += [f"e = {self.adapter.call(op, names)}", *self.adapter.prepare("e")]
            self._operands[op] = "there"
            try:
                reply = self.run(lines, [self.adapter.read("e")])
            except EngineDiedError:
                reply = {}
            if "error" in reply and self._refuses(op, reply["error"]):
                self._operands[op] = "refused"
        return self._operands[op] == "there"

    def _refuses(self, op: str, error: dict[str, Any]) -> bool:
        """Return whether an error says that the function is not there, rather than wrong."""
        kinds = set(error["kinds"])
        if op in ("neg", "abs"):
            return bool(REFUSALS & kinds)
        if kinds & {"NotImplementedError", "AssertionError"}:
            return True
        # A method by the very name, of numbers alone, is meant; any other may be another thing.
        if f".{op}(" not in (self.adapter.spelling(op) or "").lower() or not FUNCTIONS[op].arity:
            return True
        return "TypeError" in kinds and " argument" in error["message"]

    def broken_sides(self, op: str) -> list[str]:
        """Return the sides on which a plain number makes the op fail, other than by refusing."""
        found = self._operands.get(f"{op} numbers") or ""
        return found.split(",") if found else []

    def sound(self, op: str) -> bool:
        """Return whether the engine has the op, with right values and derivatives."""
        return self._holds(op, op, self.judge_op)

    def takes_numbers(self, op: str) -> bool:
        """Return whether the engine takes plain numbers on either side of the op, rightly."""
        return self._holds(f"{op} numbers", op, self.judge_numbers)

    def _holds(self, key: str, op: str, judge: "Callable[[Trial, str], None] | None") -> bool:
        if key not in self._sound:
            self._sound[key] = False
            deadline, began = self.deadline, time.monotonic()
            try:
                # An op that hangs must not take all the time of the property that asks.
                self.deadline = min(deadline, began + self.options.seconds / 2)
                if self.has(op):
                    assert judge is not None
                    judge(self, op)
                    self._sound[key] = True
            except (Failed, Absent, EngineDiedError):
                pass
            finally:
                self.deadline = deadline
        return self._sound[key]

    def doubt(self, op: str) -> None:
        """Take note that an op is wrong, so that laws about graphs do without it."""
        self._sound[op] = False

    def need(self, *ops: str) -> None:
        """Raise Absent unless all ops are sound: a law about graphs is not tested with bad ops."""
        for op in ops:
            if not self.has(op):
                raise Absent(f"needs {op}, which is not there", op)
            if not self.sound(op):
                raise Absent(f"needs {op}, which is wrong by itself: see its own properties", op)

    # --- judging -------------------------------------------------------------------------------

    def check(self, program: Program) -> None:
        """Raise Failed unless the first output's number and its derivatives are right."""
        output = program.outputs[0]
        lines = [*program.build(self.adapter), self.adapter.run_backward(output)]
        observed = [self.adapter.observe_gradient(leaf) for leaf in program.leaves]
        rights = [program.value(output), *program.gradient(output)]
        shown = self._shown_gradient(program.leaves[0], rights[1])
        reply = self.run(lines, [self.adapter.read(output), *observed], shown=[shown])
        values = reply.get("values")
        if values is None or not all(
            self._close(0.0 if found is None else found, right, program.margin)
            for found, right in zip(values, rights, strict=True)
        ):
            self.check_value(program)
            self.check_gradient(program)

    def check_value(self, program: Program) -> None:
        """Raise Failed unless the first output's number is right."""
        output = program.outputs[0]
        lines = program.build(self.adapter)
        right = program.value(output)
        shown = f"print({self.adapter.read(output)})  # right: {number(right)}"
        reply = self.run(lines, [self.adapter.read(output)], shown=[shown])
        self.no_error(reply, [*lines, shown])
        (found,) = reply["values"]
        if not self._close(found, right, program.margin):
            what = f"{self.adapter.read(output)} is {_shown(found)}, right is {number(right)}"
            raise Failed(what, [*lines, shown])

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
        first = program.outputs[0]
        actions = [self.adapter.run_backward(first)] if actions is None else actions
        sums = [[first]] if sums is None else sums
        leaves = program.leaves if leaves is None else leaves
        lines = [*program.build(self.adapter), *actions]
        observed = [self.adapter.observe_gradient(leaf) for leaf in leaves]
        exact = {output: program.gradient(output) for output in {o for s in sums for o in s}}
        place = program.leaves.index(leaves[0])
        first_right = math.fsum(exact[output][place] for output in sums[0])
        shown = self._shown_gradient(leaves[0], first_right)
        reply = self.run(lines, observed, collect, [shown])
        self.no_error(reply, [*lines, shown])
        for leaf, found in zip(leaves, reply["values"], strict=True):
            place = program.leaves.index(leaf)
            found = 0.0 if found is None else found
            rights = [math.fsum(exact[output][place] for output in outputs) for outputs in sums]
            if any(self._close(found, right, program.margin) for right in rights):
                continue
            confirmed = self._confirm(program, place, sums, rights, found)
            if confirmed is not None:
                what = f"{leaf}.{self.adapter.gradient} is {_shown(found)}, "
                what += f"right is {number(confirmed)}"
                raise Failed(what, [*lines, self._shown_gradient(leaf, confirmed)])

    def _shown_gradient(self, leaf: str, right: float) -> str:
        return f"print({self.adapter.read_gradient(leaf)})  # right: {number(right)}"

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
                (estimates[output],) = numerical_gradient(f, [program.inputs[place]], noise)
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

    def no_error(self, reply: dict[str, Any], lines: Sequence[str]) -> None:
        """Raise Failed if the code raised an exception."""
        if "error" not in reply:
            return
        error = reply["error"]
        kind = error["kinds"][0]
        place = error["line"]
        marked = list(lines)
        if place is not None and place <= len(marked):
            marked[place - 1] += f"  # raises {kind}"
            at = marked[place - 1].split("  #")[0].strip()
        else:
            at = "reading the result"
        message = f": {error['message']}" if error["message"] else ""
        raise Failed(f"{at} raises {kind}{message}", marked)

    def hurried(self) -> bool:
        """Return whether less than a third of the property's time is left."""
        return self.deadline - time.monotonic() < self.options.seconds / 3


def _shown(found: Any) -> str:
    return number(found) if isinstance(found, float) else str(found)
