"""Groups: the nodes that one call of a module or function makes, to be drawn as one box."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any

from scalargrad.programs.code import Code, needed
from scalargrad.transforms.nesting import values_in
from scalargrad.view.neurons import users_of

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")


@dataclass
class Group:
    """Nodes that are drawn as one box."""

    name: str
    members: set[int]

    def row_of(self, node: int, edge: int) -> int:
        """Return the row in which an edge of the graph ends: -1 where there are none."""
        return -1


@dataclass
class _Call:
    """A call of a target: what went in and what came out."""

    name: str
    frame: FrameType
    inputs: list[Any]
    outputs: list[Any]


class Watch:
    """Runs a function and notes its variables at its end, and the calls of `targets` within."""

    def __init__(self, f: Callable[..., Any], targets: Sequence[Any]) -> None:
        self.f = f
        self.variables: dict[str, Any] = {}
        self._code = _code_of(f)
        self._targets = [(_code_of(target), target) for target in targets]
        self._open: _Call | None = None
        self._calls: list[_Call] = []

    def run(self, arguments: Sequence[Any]) -> Any:
        """Return what the function gives for `arguments`."""
        before = sys.getprofile()
        sys.setprofile(self._notice)
        try:
            return self.f(*arguments)
        finally:
            sys.setprofile(before)

    def clear(self) -> None:
        """Forget what was noted."""
        self.variables.clear()
        self._calls.clear()
        self._open = None

    def _notice(self, frame: FrameType, event: str, result: Any) -> None:
        if event == "call" and self._open is None and frame.f_code is not self._code:
            for code, target in self._targets:
                if frame.f_code is code and _is_of(frame, target):
                    inputs = values_in(list(frame.f_locals.values()))
                    self._open = _Call(_name_of(frame, target), frame, inputs, [])
                    break
        elif event == "return":
            if self._open is not None and frame is self._open.frame:
                self._open.outputs = values_in(result)
                self._calls.append(self._open)
                self._open = None
            # What our own modules call their variables tells a reader nothing.
            if frame.f_code is self._code and not frame.f_code.co_filename.startswith(_PACKAGE):
                self.variables.update(frame.f_locals)

    def groups(self, code: Code, nodes: Sequence[Any]) -> list[Group]:
        """Return the group of each call: what its outputs need, up to its inputs."""
        number = {id(node): k for k, node in enumerate(nodes)}
        found: list[Group] = []
        taken: set[int] = set()
        for call in self._calls:
            before = _reached(code, [number[id(x)] for x in call.inputs if id(x) in number])
            within = _reached(code, [number[id(x)] for x in call.outputs if id(x) in number])
            members = within - before - taken
            if members:
                taken |= members
                found.append(Group(call.name, members))
        return found


def _code_of(target: Any) -> CodeType | None:
    """Return the code that runs when `target`, a function, module or class, is called."""
    if isinstance(target, type):
        return getattr(target.__call__, "__code__", None)
    plain = inspect.unwrap(target)
    code = getattr(plain, "__code__", None)
    return code or getattr(type(plain).__call__, "__code__", None)


def _is_of(frame: FrameType, target: Any) -> bool:
    plain = inspect.unwrap(target)
    if hasattr(plain, "__code__"):
        return True
    me = next(iter(frame.f_locals.values()), None)
    return isinstance(me, plain) if isinstance(plain, type) else me is plain


def _name_of(frame: FrameType, target: Any) -> str:
    plain = inspect.unwrap(target)
    if isinstance(plain, type):
        plain = next(iter(frame.f_locals.values()))
    name = getattr(plain, "__name__", None) or type(plain).__name__
    return "function" if name == "<lambda>" else str(name)


def _reached(code: Code, starts: Sequence[int]) -> set[int]:
    """Return the equations' results that `starts` need, themselves among them."""
    used = needed(Code(code.inputs, code.equations, list(starts)))
    return {k for k, is_used in enumerate(used) if is_used and k >= code.inputs}


def take_in_parameters(code: Code, kinds: Sequence[str], groups: Sequence[Group]) -> None:
    """Put parameters that only one group uses into that group."""
    group_of = {k: number for number, group in enumerate(groups) for k in group.members}
    for x, users in enumerate(users_of(code)[: code.inputs]):
        numbers = {group_of.get(k, -1) for k in users}
        if kinds[x] == "parameter" and len(numbers) == 1 and -1 not in numbers:
            groups[numbers.pop()].members.add(x)


def groups_by_parameters(code: Code, nodes: Sequence[Any], targets: Sequence[Any]) -> list[Group]:
    """Return a group for each module: the sums of its parameters, and their activations."""
    found = []
    taken: set[int] = set()
    for target in targets:
        if not hasattr(target, "parameters"):
            raise TypeError(
                f"of a Value only modules can be collapsed, not {target!r}: "
                "draw the function that calls it, with its arguments"
            )
        own = {id(x) for x in target.parameters()}
        members: set[int] = set()
        for k, equation in enumerate(code.equations, code.inputs):
            operands = [x for x in equation.operands if isinstance(x, int)]
            weighs = any(x < code.inputs and id(nodes[x]) in own for x in operands)
            follows = len(operands) == 1 and operands[0] in members
            if weighs or (follows and equation.op.name in _activations(target)):
                members.add(k)
        if members - taken:
            found.append(Group(type(target).__name__, members - taken))
            taken |= members
    return found


def modules_of(things: Sequence[Any], targets: Sequence[Any]) -> list[Any]:
    """Return the modules among `things` and within them that are `targets`, or of their classes."""
    classes = tuple(target for target in targets if isinstance(target, type))
    found = _within(list(things))
    return [x for x in found if isinstance(x, classes) or any(x is target for target in targets)]


def _within(stack: list[Any]) -> list[Any]:
    """Return all modules in a list, and within lists and modules there, each once."""
    found: dict[int, Any] = {}
    while stack:
        x = stack.pop()
        if isinstance(x, list | tuple):
            stack += x
        elif hasattr(x, "parameters") and not isinstance(x, type) and id(x) not in found:
            found[id(x)] = x
            stack += vars(x).values()
    return list(found.values())


def _activations(module: Any) -> set[str]:
    """Return the names of the activation functions of a module and those within it."""
    parts = [part for x in _within([module]) for part in vars(x).values()]
    return {part.__name__ for part in parts if callable(part) and hasattr(part, "__name__")}
