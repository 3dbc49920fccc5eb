"""What is looked at: a Value, or a function and its arguments, as a graph with names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from scalargrad.engine.errors import FAILURES, TraceError
from scalargrad.engine.real import is_real
from scalargrad.engine.value import Value
from scalargrad.programs.code import Code, run
from scalargrad.transforms.nesting import field_names, unflatten
from scalargrad.view.graph import Graph, build
from scalargrad.view.groups import (
    Group,
    Watch,
    groups_by_parameters,
    modules_of,
    take_in_parameters,
)
from scalargrad.view.lowering import (
    code_of,
    numbers_in,
    one_result,
    traced,
    why_fixed,
    with_outputs,
)
from scalargrad.view.neurons import named, together

# How deep names are looked for within lists, dicts and modules.
_DEEPEST = 3


def graph_of(
    subject: Any,
    arguments: Sequence[Any],
    variables: Mapping[str, Any],
) -> Graph:
    """Return the graph of a Value, or of a function of `arguments`.

    `variables` are those of the caller, from which numbers get their names. Raises TypeError for
    anything else.
    """
    return subject_of(subject, arguments, variables)[0]


def subject_of(
    subject: Any,
    arguments: Sequence[Any],
    variables: Mapping[str, Any],
    collapse: tuple[Any, ...] = (),
) -> tuple[Graph, list[Group]]:
    """Return the graph as `graph_of` does, and the groups that `collapse` makes of its nodes."""
    targets = list(_targets(collapse))
    if isinstance(subject, Value):
        if arguments:
            raise TypeError(
                "a Value takes no arguments: give the Value alone, or a function and its arguments"
            )
        graph, groups = _of_value(subject, variables, targets)
    elif callable(subject):
        graph, groups = _of_function(subject, arguments, variables, targets)
    else:
        raise TypeError(
            f"give a Value, or a function and its arguments, not {subject!r} "
            f"({type(subject).__name__})"
        )
    take_in_parameters(graph.code, [node.kind for node in graph.nodes], groups)
    return graph, groups


def _of_value(
    y: Value, variables: Mapping[str, Any], targets: list[Any]
) -> tuple[Graph, list[Group]]:
    code, nodes = code_of(y)
    names, parameters = names_in(variables)
    for target in targets:
        if hasattr(target, "parameters"):
            parameters |= {id(x) for x in target.parameters()}
    kinds = ["parameter" if id(node) in parameters else "leaf" for node in nodes[: code.inputs]]
    values = [node._data for node in nodes]
    graph, nodes = _named_graph(code, nodes, values, names, kinds)
    return graph, groups_by_parameters(graph.code, nodes, targets)


def _of_function(
    f: Callable[..., Any],
    arguments: Sequence[Any],
    variables: Mapping[str, Any],
    targets: list[Any],
) -> tuple[Graph, list[Group]]:
    numbers, structure = numbers_in(arguments)
    labels = argument_names(f, arguments)
    watch = Watch(f, targets)

    def call(values: list[Any]) -> Any:
        return one_result(watch.run(unflatten(structure, values)))

    fixed, branches = "", None
    try:
        code, nodes, branches = traced(labels, numbers, call)
        values = run(code, [*numbers, *_captured(code, nodes, numbers)])
    except (TraceError, *FAILURES) as error:
        # It depends on the numbers in a way that no program can follow, or catches an error: look
        # at this one run.
        fixed = str(error).splitlines()[0]
        watch.clear()
        inputs = [Value(number, label) for number, label in zip(numbers, labels, strict=True)]
        code, nodes = code_of(call(inputs), inputs)
        values = run(code, [*numbers, *_captured(code, nodes, numbers)])
    names, _ = names_in({**variables, **_closure(f), **watch.variables})
    kinds = ["input"] * len(numbers) + ["parameter"] * (code.inputs - len(numbers))
    name = getattr(f, "__name__", "")
    graph, nodes = _named_graph(code, nodes, values, names, kinds, name)
    graph.fixed, graph.branches = fixed or graph.fixed, branches
    groups = watch.groups(graph.code, nodes)
    if not groups:
        # Layers add up the sums of their neurons at once: these are found by their parameters.
        modules = modules_of([f, *variables.values()], targets)
        groups = groups_by_parameters(graph.code, nodes, modules)
    return graph, groups


def _captured(code: Code, nodes: Sequence[Any], numbers: Sequence[Any]) -> list[Any]:
    """Return the numbers of the Values that a function captures: the inputs after its own."""
    return [node.data for node in nodes[len(numbers) : code.inputs]]


def _named_graph(
    code: Code,
    nodes: list[Any],
    values: list[Any],
    names: Mapping[int, str],
    kinds: Sequence[str],
    name: str = "",
) -> tuple[Graph, list[Any]]:
    """Return the graph of some code, and its nodes; `name` is the output's if it has no other."""
    code, nodes, values = together(*with_outputs(code, nodes, values))
    given = [node.label or names.get(id(node), "") for node in nodes]
    [output] = code.outputs
    assert isinstance(output, int)
    if not given[output] and name.isidentifier() and name not in given:
        given[output] = name
    graph = build(code, values, named(code, given, kinds), kinds)
    graph.fixed = why_fixed(code, values)
    return graph, nodes


def argument_names(f: Callable[..., Any], arguments: Sequence[Any]) -> list[str]:
    """Return a name for each number of the arguments of `f`: x, or x[0] for a list's.

    >>> argument_names(lambda a, b: a, [1.0, [2.0, 3.0]])
    ['a', 'b[0]', 'b[1]']
    """
    try:
        bound = inspect.signature(f).bind(*arguments)
    except ValueError:  # a function of C's without a signature
        given = {f"x{k}": x for k, x in enumerate(arguments, 1)}
    else:
        given = dict(bound.arguments)
    names: list[str] = []
    stack: list[tuple[str, Any]] = list(reversed(given.items()))
    while stack:
        name, x = stack.pop()
        if isinstance(x, Mapping | list | tuple):
            parts = list(x.items() if isinstance(x, Mapping) else enumerate(x))
            stack += [(f"{name}[{key!r}]", part) for key, part in reversed(parts)]
        elif isinstance(x, Value):
            names.append(x.label or name)
        elif is_real(x):
            names.append(name)
        elif (fields := field_names(type(x))) is not None:
            stack += [(f"{name}.{field}", getattr(x, field)) for field in reversed(fields)]
    return names


def _closure(f: Callable[..., Any]) -> dict[str, Any]:
    try:
        found = inspect.getclosurevars(inspect.unwrap(f))
    except (TypeError, ValueError):  # no function of Python's, or a variable is not bound yet
        return {}
    return {**found.globals, **found.nonlocals}


def _targets(collapse: tuple[Any, ...]) -> Iterator[Any]:
    for target in collapse:
        if isinstance(target, list | tuple):
            yield from target
        elif callable(target):
            yield target
        else:
            raise TypeError(
                f"collapse takes modules, functions and classes of modules, not {target!r} "
                f"({type(target).__name__})"
            )


def caller_variables(depth: int) -> dict[str, Any]:
    """Return the variables that the caller `depth` frames up can see, its own last."""
    frame = sys._getframe(depth + 1)
    return {**frame.f_globals, **frame.f_locals}


def names_in(variables: Mapping[str, Any]) -> tuple[dict[int, str], set[int]]:
    """Return names of the Values in `variables`, by id, and the ids of modules' parameters."""
    names: dict[int, str] = {}
    parameters: set[int] = set()
    for name, x in variables.items():
        if name.startswith("_") or not name.isidentifier():
            continue  # private, or made by a tool
        _collect(name, x, 0, names, parameters)
    return names, parameters


def _collect(name: str, x: Any, depth: int, names: dict[int, str], parameters: set[int]) -> None:
    if isinstance(x, Value):
        # A variable's own name wins over one within a list.
        if depth == 0 or id(x) not in names:
            names[id(x)] = name
    elif type(x) in (list, tuple, dict):
        if depth < _DEEPEST and len(x) <= 1000:
            for key, part in list(x.items() if type(x) is dict else enumerate(x)):
                _collect(f"{name}[{key!r}]", part, depth + 1, names, parameters)
    elif _is_module(x):
        for path, parameter in x.named_parameters():
            names.setdefault(id(parameter), _short(path))
            parameters.add(id(parameter))


def _short(path: str) -> str:
    """Return a short name for a parameter of a module: w0.1.2 for layers.0.neurons.1.w.2."""
    parts = path.split(".")
    words = [part for part in parts if not part.isdigit()]
    return words[-1] + ".".join(part for part in parts if part.isdigit())


def _is_module(x: Any) -> bool:
    nn = sys.modules.get("scalargrad.nn")
    return nn is not None and isinstance(x, nn.Module)
