"""`derivatives`: of a Value by chosen Values, without touching any gradient."""

from collections.abc import Sequence
from typing import Any, overload

from scalargrad.engine.context import active, recording, refuse_access
from scalargrad.engine.errors import shown
from scalargrad.engine.passes import chosen, seed_for, slopes_by
from scalargrad.engine.real import in_kind
from scalargrad.engine.value import Value


@overload
def derivatives(y: Value, xs: Value, create_graph: bool = False) -> Any: ...
@overload
def derivatives(y: Value, xs: Sequence[Value], create_graph: bool = False) -> list[Any]: ...
def derivatives(y: Value, xs: Value | Sequence[Value], create_graph: bool = False) -> Any:
    """Return the derivatives of `y` by `xs`: a list, like the list `xs`; for one Value one number.

    Any Values that `y` was computed from may be chosen, leaves or results: where one of them
    depends on another, each derivative counts all paths to `y`. By a Value that `y` does not
    depend on it is 0. No `.grad` is read or set. With `create_graph` the derivatives are Values,
    which can be differentiated again; else plain numbers. It is PyTorch's `autograd.grad`.
    Raises TypeError if `y` or what is in `xs` is not a Value, and the error of Python's
    arithmetic, naming the op, where a derivative does not exist.

    >>> x = Value(3.0)
    >>> square = x * x
    >>> derivatives(square * square, [x, square])
    [108.0, 18.0]
    >>> slope = derivatives(square, x, create_graph=True)
    >>> slope.data, derivatives(slope, x), x.grad
    (6.0, 2.0, 0)
    """
    if not isinstance(y, Value):
        raise TypeError(f"derivatives are of a Value, not of {shown(y)} ({type(y).__name__})")
    targets = [xs] if isinstance(xs, Value) else chosen(xs)
    if active:
        refuse_access()
    with recording():
        slopes = slopes_by(y, seed_for(y, 1, create_graph), targets, create_graph)
    found = [slopes[x] if x in slopes else in_kind(0, x._data) for x in targets]
    if create_graph:
        found = [slope if isinstance(slope, Value) else Value(slope) for slope in found]
    return found[0] if isinstance(xs, Value) else found
