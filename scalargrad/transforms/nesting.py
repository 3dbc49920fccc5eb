"""Nested lists, tuples, dicts and dataclasses of numbers: taken apart and put together again."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from numbers import Number, Rational
from typing import Any, NamedTuple

from scalargrad.engine.errors import shown
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer

# What a nest looks like without its numbers: hashable, and equal for equal nestings. NUMBER stands
# for a number, a Nest for a container, and a Static for what is kept as it is.
Structure = Any
NUMBER: Structure = None


class Nest(NamedTuple):
    """The structure of a container: its class, the keys of a dict, and its items' structures.

    A dataclass has the names of its fields for keys.
    """

    kind: type
    keys: tuple[Any, ...] | None
    items: tuple[Structure, ...]
    # What a defaultdict makes of missing keys.
    factory: Any = None
    # What tells keys apart that are equal, as 2, 2.0 and True are: None if all are strings.
    own_keys: tuple[Any, ...] | None = None


class Static:
    """The structure of what is no number: equal to another only if it is the same in every digit.

    >>> Static(0.0) == Static(0.0), Static(0.0) == Static(-0.0), Static(1) == Static(True)
    (True, False, False)
    """

    __slots__ = ("_key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._key = static_key(value)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Static) and self._key == other._key


def static_key(x: Any) -> Any:
    """Return what tells `x` from all that is not the same in every digit: hashable, if `x` is."""
    kind: Any = type(x)
    if kind.__eq__ is tuple.__eq__:
        return kind, tuple(map(static_key, x))
    if kind is frozenset:
        return kind, frozenset(map(static_key, x))
    if isinstance(x, Number) and not isinstance(x, Rational):
        return kind, repr(x)
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is not None and kind.__dataclass_params__.frozen:
        # And `x` itself: it may be told apart by more than its fields.
        return (
            kind,
            x,
            tuple(static_key(getattr(x, name)) for name in fields if fields[name].compare),
        )
    return kind, x


def field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the names of the fields of a dataclass, None for another class."""
    if not hasattr(kind, "__dataclass_fields__") or issubclass(kind, dict | list | tuple):
        return None
    from dataclasses import fields  # only here: it takes a while to load, and is loaded then

    return tuple(field.name for field in fields(kind))


def made_of(kind: type, parts: dict[str, Any]) -> Any:
    """Return an instance of a dataclass with these fields, as they are.

    It is not initialised: what `__post_init__` does to numbers it has done to those that went in.
    """
    made: Any = object.__new__(kind)
    for name, part in parts.items():
        object.__setattr__(made, name, part)
    return made


def items_of(nest: Any) -> tuple[tuple[Any, ...] | None, list[Any]] | None:
    """Return the keys, None for a list or tuple, and the items of a container; None for others.

    >>> items_of({"w": [1.0], "b": 2.0}), items_of((1.0, None)), items_of(2.0)
    ((('w', 'b'), [[1.0], 2.0]), (None, [1.0, None]), None)
    """
    if isinstance(nest, dict):
        return tuple(nest), list(nest.values())
    if isinstance(nest, list | tuple):
        return None, list(nest)
    names = None if isinstance(nest, type) else field_names(type(nest))
    return None if names is None else (names, [getattr(nest, name) for name in names])


def parts_of(nest: Nest) -> list[tuple[Any, Structure]]:
    """Return the structures in a container, each with its key or index."""
    keys = range(len(nest.items)) if nest.keys is None else nest.keys
    return list(zip(keys, nest.items, strict=True))


def size_of(structure: Structure) -> int:
    """Return how many numbers a nest of this structure has.

    >>> size_of(flatten({"w": [1.0, 2.0], "b": 3.0})[1])
    3
    """
    if structure is NUMBER:
        return 1
    return sum(map(size_of, structure.items)) if isinstance(structure, Nest) else 0


def flatten(
    nest: Any, name: str = "argument", static: tuple[type, ...] = ()
) -> tuple[list[Any], Structure]:
    """Return the numbers of `nest` in order, and its structure.

    A nest is a number (any real number, a Value), or a list, tuple, named tuple, dict or dataclass
    of nests, in which None has no numbers; instances of `static` types are part of the structure.
    Raises TypeError, saying where in `name` it stands, for anything else.

    >>> numbers, structure = flatten({"w": [1.0, 2.0], "b": 3.0})
    >>> numbers
    [1.0, 2.0, 3.0]
    >>> unflatten(structure, [10, 20, 30])
    {'w': [10, 20], 'b': 30}
    """
    numbers: list[Any] = []
    return numbers, _collect(nest, name, static, numbers, within=False)


def _collect(
    nest: Any, path: str, static: tuple[type, ...], numbers: list[Any], within: bool = True
) -> Structure:
    if isinstance(nest, static) or (nest is None and within):
        return Static(nest)
    if isinstance(nest, Tracer) or is_real(nest):
        numbers.append(nest)
        return NUMBER
    if isinstance(nest, dict):
        inner = [_collect(x, f"{path}[{key!r}]", static, numbers) for key, x in nest.items()]
        factory = nest.default_factory if isinstance(nest, defaultdict) else None
        own_keys = None if {str}.issuperset(map(type, nest)) else tuple(map(static_key, nest))
        return Nest(type(nest), tuple(nest), tuple(inner), factory, own_keys)
    if isinstance(nest, list | tuple):
        if _PLAIN.issuperset(map(type, nest)):
            numbers.extend(nest)  # a subclass may have an addition of its own, which += would call
            return Nest(type(nest), None, (NUMBER,) * len(nest))
        inner = [_collect(x, f"{path}[{i}]", static, numbers) for i, x in enumerate(nest)]
        return Nest(type(nest), None, tuple(inner))
    names = None if isinstance(nest, type) else field_names(type(nest))
    if names is not None:
        inner = [_collect(getattr(nest, n), f"{path}.{n}", static, numbers) for n in names]
        return Nest(type(nest), names, tuple(inner))
    raise TypeError(
        f"{path} must be a number, or lists, tuples and dicts of numbers, "
        f"not {shown(nest)} ({type(nest).__name__})"
        + ("; give a numpy array's .tolist()" if hasattr(nest, "tolist") else "")
    )


# Lists of these alone are by far the most, and need no looking at each element.
_PLAIN = {float, int}


def flatten_like(structure: Structure, nest: Any, name: str) -> list[Any]:
    """Return the numbers of `nest` in the order of `structure`; a dict's keys may be in any other.

    Raises TypeError, saying where in `name` it is, if the nesting is another.

    >>> flatten_like(flatten({"w": [1.0, 2.0], "b": 3.0})[1], {"b": 30, "w": [10, 20]}, "slopes")
    [10, 20, 30]
    """
    numbers: list[Any] = []
    _collect_like(structure, nest, name, numbers)
    return numbers


def _collect_like(structure: Structure, nest: Any, path: str, numbers: list[Any]) -> None:
    if structure is NUMBER:
        if _collect(nest, path, (), numbers, within=False) is not NUMBER:
            raise TypeError(f"{path} must be a number, not {shown(nest)}")
        return
    if isinstance(structure, Static):
        if structure.value is None and nest is not None:
            raise TypeError(f"{path} must be None, not {shown(nest)}")
        return
    kind, inner = structure.kind, dict(parts_of(structure))
    if structure.keys is not None and not issubclass(kind, dict):
        if type(nest) is not kind:
            raise TypeError(f"{path} must be a {kind.__name__}, not {shown(nest)}")
        for key, item in inner.items():
            _collect_like(item, getattr(nest, key), f"{path}.{key}", numbers)
        return
    if structure.keys is not None:
        if not isinstance(nest, dict) or nest.keys() != inner.keys():
            raise TypeError(f"{path} must be a dict with the keys {list(inner)}, not {shown(nest)}")
    elif not _is_same(type(nest), kind) or len(nest) != len(inner):
        kind = list if kind is Doubles else kind
        raise TypeError(f"{path} must be a {kind.__name__} of {len(inner)}, not {shown(nest)}")
    for key, item in inner.items():
        _collect_like(item, nest[key], f"{path}[{key!r}]", numbers)


def _is_same(given: type, kind: type) -> bool:
    """Return whether a container of one class goes for another: a list goes for a buffer."""
    return given is kind or {given, kind} == {list, Doubles}


def unflatten(structure: Structure, numbers: Sequence[Any]) -> Any:
    """Return the nest of that structure with these numbers, or whatever stands in their places.

    >>> unflatten(flatten((1, [2]))[1], ["a", "b"])
    ('a', ['b'])
    """
    return _build(structure, iter(numbers))


class Doubles(list[Any]):
    """The numbers of a buffer of doubles, while a function is traced that was given it.

    Results in its place, such as gradients by it, are an `array.array("d")`.
    """


def without_arrays(nest: Any) -> Any:
    """Return the nest with the `tolist` of each numpy array or scalar in it; itself, if none is.

    The numbers of an `array.array("d")`, or of a numpy array or memoryview of doubles, are Doubles;
    where it has several dimensions, these are lists of Doubles.

    >>> class Array:
    ...     shape = (2,)
    ...     def tolist(self):
    ...         return [1.0, 2.0]
    >>> without_arrays({"w": [Array()], "b": 3.0})
    {'w': [[1.0, 2.0]], 'b': 3.0}
    >>> type(without_arrays(memoryview(array("d", [1.0, 2.0])))).__name__
    'Doubles'
    """
    return mapped(_without_array, nest)


def with_arrays(nest: Any) -> Any:
    """Return the nest with an `array.array("d")` in the place of each Doubles.

    >>> with_arrays((1.0, Doubles([2.0])))
    (1.0, array('d', [2.0]))
    """
    return mapped(lambda x: array("d", x) if type(x) is Doubles else x, nest)


def _without_array(x: Any) -> Any:
    if type(x) is array and x.typecode == "d":
        return Doubles(x)
    if not (hasattr(x, "tolist") and hasattr(x, "shape")):
        return x
    of_doubles = getattr(x, "format", "") == "d" or str(getattr(x, "dtype", "")) == "float64"
    return _as_doubles(x.tolist()) if of_doubles else x.tolist()


def _as_doubles(x: Any) -> Any:
    if not isinstance(x, list):
        return x
    return [*map(_as_doubles, x)] if x and isinstance(x[0], list) else Doubles(x)


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """Return the nest with `function` of all that is no container in it; itself, if that is so.

    >>> mapped(lambda x: x + 1, ([1, 2], {"a": 3}))
    ([2, 3], {'a': 4})
    """
    parts = items_of(nest)
    if parts is None or type(nest) is Doubles:
        return function(nest)
    keys, items = parts
    found = [mapped(function, item) for item in items]
    if all(a is b for a, b in zip(found, items, strict=True)):
        return nest
    factory = nest.default_factory if isinstance(nest, defaultdict) else None
    return _build(Nest(type(nest), keys, (NUMBER,) * len(found), factory), iter(found))


def values_in(nest: Any) -> list[Any]:
    """Return the Values, or other kinds of number that ops take, in lists, tuples and dicts.

    A container that holds itself is looked into once.

    >>> from scalargrad import Value
    >>> values_in([1.0, {"w": Value(2.0)}])
    [Value(data=2.0, grad=0)]
    """
    found: list[Any] = []
    seen: set[int] = set()
    stack = [nest]
    while stack:
        x = stack.pop()
        if isinstance(x, Tracer):
            found.append(x)
        elif id(x) not in seen and (parts := items_of(x)) is not None:
            seen.add(id(x))
            stack += parts[1]
    return found


def _build(structure: Structure, numbers: Iterator[Any]) -> Any:
    if structure is NUMBER:
        return next(numbers)
    if isinstance(structure, Static):
        return structure.value
    kind = structure.kind
    parts = [_build(item, numbers) for item in structure.items]
    if structure.keys is not None:
        made = dict(zip(structure.keys, parts, strict=True))
        if kind is dict:
            return made
        if not issubclass(kind, dict):
            return made_of(kind, made)
        return kind(structure.factory, made) if issubclass(kind, defaultdict) else kind(made)
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)
