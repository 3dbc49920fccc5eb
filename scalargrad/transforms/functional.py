"""Functions of functions: `grad` and its kin, which compose as in JAX.

Arguments to differentiate by are numbers, or nested lists, tuples and dicts of numbers; results
come back in the same nesting, as plain numbers where plain numbers went in. The function may use
anything that Values go through, and Values of its own, which are left as they are.

>>> def f(x):
...     return x**3
>>> f(2.0), grad(f)(2.0), grad(grad(f))(2.0), grad(grad(grad(f)))(2.0)
(8.0, 12.0, 12.0, 6.0)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from scalargrad.engine.context import active, differentiated, recording, tracing
from scalargrad.engine.errors import shown
from scalargrad.engine.graph import topological_order
from scalargrad.engine.passes import (
    dependents,
    is_differentiated,
    pull_back,
    push_forward,
    seed_for,
)
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions.arithmetic import same
from scalargrad.functions.choices import CONDITIONS, like
from scalargrad.transforms.nesting import (
    Nest,
    flatten,
    flatten_like,
    mapped,
    unflatten,
    values_in,
)
from scalargrad.transforms.starred import advise_star, star_advice

if TYPE_CHECKING:
    from scalargrad.engine.signatures import Gradient, Unknown, ValueAndGradient

Function = Callable[..., Any]
R = TypeVar("R")


@contextmanager
def _differentiated_by(leaves: Sequence[Value]) -> Iterator[None]:
    differentiated.update(leaves)
    try:
        with recording():
            yield
    finally:
        differentiated.difference_update(leaves)


class _Trace:
    """A function called with fresh Values in place of the numbers of its chosen arguments.

    `numbers` and `structure` are of its result. With `has_aux` that is the first of the pair that
    it returns, and `aux` the other.
    """

    def __init__(
        self,
        name: str,
        f: Function,
        args: Sequence[Any],
        kwargs: Any,
        argnums: Sequence[int],
        has_aux: bool = False,
    ) -> None:
        numbers: list[Any] = []
        structures = []
        for i in argnums:
            found, structure = flatten(args[i], f"argument {i}")
            numbers += found
            structures.append(structure)
        # A Value's stand-in is a result of it, so that outer derivatives find their way through.
        self.leaves = [same(x) if isinstance(x, Value) else Value(x) for x in numbers]
        # The nestings of the chosen arguments, as one tuple of them.
        self.nesting = Nest(tuple, None, tuple(structures))
        arguments = list(args)
        for i, nest in zip(argnums, unflatten(self.nesting, self.leaves), strict=True):
            arguments[i] = nest
        try:
            with _differentiated_by(self.leaves):
                output = f(*arguments, **kwargs)
        except TypeError as error:
            advise_star(error, f, args)
            raise
        # Whether results are Values, to be differentiated again: where Values went in, or where
        # they depend on what a transform around this one differentiates by.
        self.as_graph = _any_value(numbers) or (
            bool(active or differentiated) and is_differentiated(values_in(output), self.leaves)
        )
        self.aux = None
        if has_aux:
            if not isinstance(output, tuple | list) or len(output) != 2:
                raise TypeError(
                    f"{name} with has_aux takes a function that returns a pair, its result and "
                    f"anything else, not {shown(output)} ({type(output).__name__})"
                )
            output, aux = output
            # What is no number may be anything.
            self.aux = mapped(lambda x: _result(x, self.as_graph) if _is_number(x) else x, aux)
        self.output = output
        self.numbers, self.structure = flatten(output, "the function's result")

    def result(self) -> Any:
        """Return the function's result."""
        return unflatten(self.structure, [_result(x, self.as_graph) for x in self.numbers])

    def tangents(self, moved: dict[Any, Any], as_graph: bool) -> list[Any]:
        """Return the derivatives of the result's numbers when the leaves move as `moved` says."""
        results = _results([y for y in self.numbers if isinstance(y, Value)], self.leaves)
        push_forward(results, moved, as_graph or _traced(), self.numbers)
        return [
            _result(moved[y] if isinstance(y, Value) and y in moved else _zero(y), as_graph)
            for y in self.numbers
        ]

    def rows_forward(self) -> list[Any]:
        """Return for each of the result's numbers its gradient: forward mode."""
        columns = [
            self.tangents({x: _seed(x, 1, as_graph=False)}, self.as_graph) for x in self.leaves
        ]
        rows = zip(*columns, strict=True) if columns else [()] * len(self.numbers)
        return [unflatten(self.nesting, row) for row in rows]

    def gradient(self, y: Any) -> Any:
        """Return the derivatives of the number `y`, in the arguments' nesting."""
        return self.gradients([y], [1], self.as_graph)

    def gradients(self, ys: Sequence[Any], seeds: Sequence[Any], as_graph: bool) -> Any:
        # Symbols have no data: while a function is traced, all is a graph.
        traced = _traced()
        slopes: dict[Any, Any] = {}
        for y, seed in zip(ys, seeds, strict=True):
            if isinstance(y, Value):
                seed = _seed(y, seed, as_graph)
                slopes[y] = slopes[y] + seed if y in slopes else seed
        first = next(iter(slopes.values()), 0)
        reached = set(self.leaves)
        nodes = dependents(_results(slopes, self.leaves), reached)
        used = set(pull_back(nodes, slopes, as_graph or traced, within=reached))
        # Zero in the kind of the seeds, or of what has no part in the result.
        numbers = [
            slopes[x] if x in slopes else _zero(first if x in used else x) for x in self.leaves
        ]
        return unflatten(self.nesting, [_result(x, as_graph) for x in numbers])


def _traced() -> bool:
    return tracing() is not None


def _results(ys: Iterable[Any], leaves: Sequence[Value]) -> list[Any]:
    """Return the results between the leaves and `ys`, each after its operands.

    While a function is traced, comparisons and what is of some number's kind are none: of Values
    they are plain numbers.
    """
    nodes = topological_order(ys, set(leaves))
    if not _traced():
        return nodes
    return [x for x in nodes if x._op not in CONDITIONS and x._op is not like.op]


def _seed(y: Value, seed: Any, as_graph: bool) -> Any:
    """Return the derivative to start with at `y`: in a trace, 1 in a kind not known yet."""
    if _traced():
        return like(seed, y) if type(seed) is int else seed
    return seed_for(y, seed, as_graph)


def _zero(x: Any) -> Any:
    """Return zero in the kind of the number `x`: a float for a float, a Fraction for one."""
    if _traced():
        return like(0, x)
    return in_kind(0, x._data if isinstance(x, Value) else x)


def _is_number(x: Any) -> bool:
    return isinstance(x, Tracer) or (is_real(x) and not isinstance(x, bool))


def _result(x: Any, as_graph: bool) -> Any:
    """Return the number `x` as a Value for a graph, else as a plain number."""
    if as_graph:
        return x if isinstance(x, Value) or _traced() else Value(x)
    if isinstance(x, Value):
        return x.detach() if _traced() else x._data
    return x


def _any_value(numbers: Sequence[Any]) -> bool:
    return any(isinstance(x, Value) for x in numbers)


_CALLS = {
    **{"grad": "grad(f)(x)", "jacobian": "jacobian(f)(x)"},
    **{"jvp": "jvp(f, (x,), (1.0,))", "vjp": "vjp(f, x)"},
}


def _check_callable(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(
            f"{name} takes a function, not {shown(f)} ({type(f).__name__}): give f itself, as in "
            f"{_CALLS[name]}, and not f(x)"
        )


def _chosen(argnums: int | Sequence[int], args: Sequence[Any]) -> list[int]:
    chosen: list[Any] = list(argnums) if isinstance(argnums, list | tuple) else [argnums]
    for i in chosen:
        if not isinstance(i, int):
            raise TypeError(f"argnums must be an int or a sequence of ints, got {shown(argnums)}")
        if not -len(args) <= i < len(args):
            raise TypeError(
                f"argnums is {shown(argnums)}, but there are {len(args)} positional arguments: "
                "give by position what to differentiate by"
            )
    places = [i % len(args) for i in chosen]
    if len(set(places)) < len(places):
        raise TypeError(f"argnums is {shown(argnums)}: it names an argument twice")
    return places


def _arguments(f_arguments: Any, name: str) -> tuple[Any, ...]:
    if not isinstance(f_arguments, list | tuple):
        raise TypeError(
            f"{name} must be a sequence with one item for each argument of the function, such as "
            f"(3.0,), not {shown(f_arguments)} ({type(f_arguments).__name__})"
        )
    return tuple(f_arguments)


@overload
def grad(f: Function) -> Gradient: ...
@overload
def grad(
    f: Function, argnums: int | Sequence[int] = ..., has_aux: bool = ...
) -> Callable[..., Any]: ...
def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """Return a function with f's arguments that gives the gradient of f.

    `argnums` says by which positional arguments: one number gives a gradient in that argument's
    nesting, a sequence of numbers a tuple of such. What f does not depend on has gradient 0.
    With `has_aux`, f returns a pair, a number and anything else, and the result is the pair of the
    gradient and that. Called with plain numbers it gives plain numbers, called with Values it
    gives Values: those let a later `backward()` through, to Values that f captures too.
    Raises TypeError if f does not return one number, or a chosen argument holds anything but
    numbers.

    >>> grad(lambda point: point["x"] ** 2 * point["y"])({"x": 3.0, "y": 5.0})
    {'x': 30.0, 'y': 9.0}
    >>> grad(lambda x: (x * x, {"double": 2 * x}), has_aux=True)(3.0)
    (6.0, {'double': 6.0})
    """
    with_value = value_and_grad(f, argnums, has_aux)

    @wraps(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, slopes = with_value(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient


@overload
def value_and_grad(f: Callable[..., Unknown]) -> ValueAndGradient[Any]: ...
@overload
def value_and_grad(f: Callable[..., Value]) -> ValueAndGradient[float]: ...
@overload
def value_and_grad(f: Callable[..., R]) -> ValueAndGradient[R]: ...
@overload
def value_and_grad(
    f: Function, argnums: int | Sequence[int] = ..., has_aux: bool = ...
) -> Callable[..., tuple[Any, Any]]: ...
def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Any:
    """Return a function with f's arguments that gives a pair: f's value, and `grad`'s gradient.

    With `has_aux` the value is f's pair, as in JAX. Raises what `grad` raises.

    >>> value_and_grad(lambda x, y: x * y, argnums=(0, 1))(3.0, 5.0)
    (15.0, (5.0, 3.0))
    """

    _check_callable("grad", f)

    @wraps(f)
    def both(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace("grad", f, args, kwargs, _chosen(argnums, args), has_aux)
        if trace.structure is not None:
            advice = star_advice(f, args) or (
                "use jacobian"
                if has_aux
                else "use jacobian, or has_aux=True for a pair of a number and more"
            )
            raise TypeError(
                f"grad takes a function that returns one number; this one returned "
                f"{shown(trace.output)} ({type(trace.output).__name__}): {advice}"
            )
        gradients, value = trace.gradient(trace.numbers[0]), trace.result()
        return (value, trace.aux) if has_aux else value, (
            gradients[0] if isinstance(argnums, int) else gradients
        )

    return both


def jacobian(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function with f's arguments that gives all derivatives of all of f's results.

    They come in the nesting of f's result, with a gradient as of `grad` in place of each number.
    It takes as many passes as f has numbers in its chosen arguments, or in its result, whichever
    are fewer: forward mode, or reverse mode. With `has_aux`, f returns a pair, its result and
    anything else, and the jacobian comes in a pair with that. Raises TypeError if f returns
    anything but numbers in nested lists, tuples and dicts.

    >>> jacobian(lambda v: [v[0] * v[1], v[0] + v[1]])([3.0, 5.0])
    [[5.0, 3.0], [1.0, 1.0]]
    """

    _check_callable("jacobian", f)

    @wraps(f)
    def derivatives(*args: Any, **kwargs: Any) -> Any:
        trace = _Trace("jacobian", f, args, kwargs, _chosen(argnums, args), has_aux)
        if len(trace.leaves) < len(trace.numbers):
            rows = trace.rows_forward()
        else:
            rows = [trace.gradient(y) for y in trace.numbers]
        rows = [row[0] for row in rows] if isinstance(argnums, int) else rows
        found = unflatten(trace.structure, rows)
        return (found, trace.aux) if has_aux else found

    return derivatives


def hessian(
    f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return a function with f's arguments that gives all second derivatives of f.

    They come in the nesting of f's result, and in place of each number in it stand its second
    derivatives, in the nesting of the arguments twice over. With `has_aux`, f returns a pair, its
    result and anything else, and the hessian comes in a pair with that. Raises what `jacobian`
    raises.

    >>> hessian(lambda v: v[0] ** 2 * v[1])([3.0, 5.0])
    [[10.0, 6.0], [6.0, 0.0]]
    >>> hessian(lambda x: [x**2, x**3])(5.0)
    [2.0, 30.0]
    """
    return jacobian(jacobian(f, argnums, has_aux), argnums, has_aux)


def stop_gradient(x: Any) -> Any:
    """Return x as a constant: numbers as they are, and Values cut off from their graphs.

    x is a number or nested lists, tuples and dicts of numbers; the result is nested likewise.
    Raises TypeError for anything else.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    >>> stop_gradient([1.0, Value(2.0)])
    [1.0, Value(data=2.0, grad=0)]
    """
    numbers, structure = flatten(x, "x")
    return unflatten(structure, [n.detach() if isinstance(n, Value) else n for n in numbers])


@overload
def jvp(
    f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[False] = False
) -> tuple[Any, Any]: ...
@overload
def jvp(
    f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: Literal[True]
) -> tuple[Any, Any, Any]: ...
def jvp(
    f: Function, primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Return f's result at `primals` and its derivative along `tangents`: forward mode.

    `primals` is the sequence of f's arguments, `tangents` one like it; both results are in the
    nesting of f's result. With `has_aux`, f returns a pair, its result and anything else, and that
    is the third of what is returned. Raises TypeError, saying where, if tangents are nested
    otherwise.

    >>> jvp(lambda x, y: x * y, (3.0, 5.0), (1.0, 10.0))
    (15.0, 35.0)
    """
    _check_callable("jvp", f)
    primals = _arguments(primals, "primals")
    nesting = flatten(primals, "primals")[1]
    directions = flatten_like(nesting, _arguments(tangents, "tangents"), "tangents")
    trace = _Trace("jvp", f, primals, {}, range(len(primals)), has_aux)
    as_graph = trace.as_graph or _any_value(directions)
    moved: dict[Any, Any] = {
        x: direction if isinstance(direction, Value) else _seed(x, direction, as_graph=False)
        for x, direction in zip(trace.leaves, directions, strict=True)
    }
    slopes = trace.tangents(moved, as_graph)
    both = trace.result(), unflatten(trace.structure, slopes)
    return (*both, trace.aux) if has_aux else both


@overload
def vjp(f: Function, *primals: Any, has_aux: Literal[False] = False) -> tuple[Any, Function]: ...
@overload
def vjp(f: Function, *primals: Any, has_aux: Literal[True]) -> tuple[Any, Function, Any]: ...
def vjp(f: Function, *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Return f's result at `primals`, and a function from cotangents to gradients: reverse mode.

    That function takes one nest like f's result, and gives the tuple of the derivatives of the sum
    of f's results, each times its cotangent, by each of the primals. It raises TypeError, saying
    where, if the nestings differ. With `has_aux`, f returns a pair, its result and anything else,
    and that is the third of what is returned.

    >>> y, pull = vjp(lambda x, y: [x * y, x + y], 3.0, 5.0)
    >>> y, pull([1.0, 0.0]), pull([0.0, 2.0])
    ([15.0, 8.0], (5.0, 3.0), (2.0, 2.0))
    """
    _check_callable("vjp", f)
    trace = _Trace("vjp", f, primals, {}, range(len(primals)), has_aux)

    def pull(cotangents: Any) -> Any:
        seeds = flatten_like(trace.structure, cotangents, "cotangents")
        return trace.gradients(trace.numbers, seeds, trace.as_graph or _any_value(seeds))

    return (trace.result(), pull, trace.aux) if has_aux else (trace.result(), pull)


def hvp(f: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """Return the Hessian of f at `primals` times `tangents`, without computing the Hessian.

    For one primal the result is nested as it is, for several it is the tuple of such. It costs a
    few gradients, whatever the number of inputs: forward mode over reverse mode (B. Pearlmutter,
    "Fast exact multiplication by the Hessian", Neural Computation 6 (1), 1994). Raises what `grad`
    and `jvp` raise.

    >>> hvp(lambda v: v[0] ** 2 * v[1], ([3.0, 5.0],), ([1.0, 0.0],))
    [10.0, 6.0]
    """
    primals = _arguments(primals, "primals")
    argnums = 0 if len(primals) == 1 else tuple(range(len(primals)))
    return jvp(grad(f, argnums), primals, tangents)[1]
