"""What a traced function looked up, and what that was bound to: names, attributes and items.

A program keeps what they meant while the function was traced. It is wrong to run it when one of
them means something else: a loop that binds `batch` anew would train on the first for ever.

What a function may look up is read off its code, and off that of all the functions that it reaches:
those that its names are bound to, methods of objects, what is wrapped or within containers.
It does not look into Python's own library, installed packages, and this package (except for `nn`).
"""

from __future__ import annotations

import builtins
import dis
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from types import (
    CellType,
    CodeType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple

from scalargrad.engine.errors import PACKAGE, TraceError, shown
from scalargrad.engine.real import is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.programs.code import constant_key


class Binding(NamedTuple):
    """A name, attribute or item, as one writes it; where it is; and what it was bound to.

    `get` looks it up in `where`, and `is_same` says whether that is as before. `test` is the text
    of a quicker question, such as "{}['rate'] is {}" of `where` and `bound`.
    """

    name: str
    where: Any
    test: str
    get: Callable[[Any], Any]
    bound: Any
    is_same: Callable[[Any, Any], bool]


_UNBOUND = object()
_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_STORES = {f"{does}_{where}" for does in ("STORE", "DELETE") for where in ("GLOBAL", "DEREF")}
_CATCHES = {"CHECK_EXC_MATCH", "JUMP_IF_NOT_EXC_MATCH"}
# A lookup that finds nothing raises one of these; an empty cell ValueError.
_NOT_THERE = (AttributeError, LookupError, TypeError, ValueError)
_PLAIN = frozenset((int, float, bool, str, bytes, complex, type(None), type(...)))
_PYTHONS_OWN = os.path.dirname(os.__file__)
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_NN = f"{PACKAGE}nn.py"
# Methods that a trace runs only where it names them.
_NOT_IMPLICIT = frozenset(
    f"__{name}__"
    for name in ("init", "new", "repr", "str", "format", "reduce", "getstate", "del", "set_name")
)


class _Lookups(NamedTuple):
    """What a code object, with the functions that it defines, looks up and binds.

    `keys` are names of attributes, and strings that may be such; of `tried` it may ask whether they
    are there. `catches` says whether it catches errors of some class.
    """

    names: frozenset[str]
    stored: frozenset[str]
    keys: frozenset[str]
    tried: frozenset[str]
    catches: bool


@lru_cache(maxsize=4096)
def _lookups(code: CodeType) -> _Lookups:
    loads: set[str] = set()
    stored: set[str] = set()
    keys = set(code.co_names)
    local: set[str] = set()  # in the body of a class
    catches = False
    for instruction in dis.get_instructions(code):
        name, what = instruction.opname, instruction.argval
        if name in _LOADS and what not in local:
            loads.add(what)
        elif name in _STORES:
            stored.add(what)
        elif name == "STORE_NAME":
            local.add(what)
        elif name in _CATCHES:
            catches = True
        elif name == "MATCH_CLASS":
            keys.add("__match_args__")
    tried: set[str] = set()
    for x in code.co_consts:
        if isinstance(x, CodeType):
            inner = _lookups(x)
            tried |= inner.tried
            loads |= inner.names
            stored |= inner.stored
            keys |= inner.keys
            catches |= inner.catches
        elif type(x) is str:
            keys.add(x)
    if catches or not loads.isdisjoint(("getattr", "hasattr")):
        tried |= keys
    parts = frozenset(loads), frozenset(stored), frozenset(keys), frozenset(tried)
    return _Lookups(*parts, catches)


def bindings_of(*roots: tuple[str, Any]) -> list[Binding]:
    """Return what the functions among the roots look up: themselves, and what they reach.

    A root is a function or object, with the name that it has. Names that a function binds itself
    are left out.

    >>> rate = 0.5
    >>> [(b.name, b.bound) for b in bindings_of(("f", lambda x: rate * x))]
    [('rate', 0.5)]
    """
    return list(_searched(roots).found.values())


def catches(*roots: tuple[str, Any]) -> bool:
    """Return whether a function among the roots, or one that they reach, catches errors.

    >>> catches(("f", lambda x: 2 * x))
    False
    """
    return _searched(roots).catches


def _searched(roots: Sequence[tuple[str, Any]]) -> _Search:
    keys: set[str] = set()
    tried: set[str] = set()
    while True:
        search = _Search(keys, tried)
        for name, root in roots:
            search.visit(name, root)
        # A function that was reached last may name attributes of what was seen before.
        if search.keys == keys and search.tried == tried:
            return search
        keys, tried = search.keys, search.tried


class _Search:
    """One walk from the roots, over all that code with these keys can look up."""

    def __init__(self, keys: set[str], tried: set[str]) -> None:
        self.keys, self.tried = set(keys), set(tried)
        self._names = sorted(keys)
        self.found: dict[tuple[int, str], Binding] = {}
        self.catches = False
        self._seen: dict[int, Any] = {}
        self._classes: dict[type, dict[str, Any]] = {}
        self._waiting: list[tuple[str, Any]] = []

    def visit(self, path: str, root: Any) -> None:
        """Look at a root, and at all that is reached from it."""
        self._waiting.append((path, root))
        while self._waiting:
            path, x = self._waiting.pop()
            if type(x) in _PLAIN or isinstance(x, Tracer) or id(x) in self._seen:
                continue
            self._seen[id(x)] = x
            self._look_at(path, x)

    def _look_at(self, path: str, x: Any) -> None:
        if isinstance(x, FunctionType):
            self._function(x)
        elif isinstance(x, MethodType):
            self._reach(_first_name(x.__func__) or path, x.__self__)
            self._reach(path, x.__func__)
        elif isinstance(x, classmethod | staticmethod):
            self._reach(path, x.__func__)
        elif isinstance(x, property):
            self._reach(path, x.fget)
        elif isinstance(x, partial):
            for part in (x.func, *x.args, *x.keywords.values()):
                self._reach(path, part)
        elif isinstance(x, ModuleType):
            foreign = _is_foreign(getattr(x, "__file__", None) or "<built in>")
            for name in self._names:
                if not (foreign and isinstance(vars(x).get(name), ModuleType)):
                    self._key(path, vars(x), name)
        elif isinstance(x, type):
            self._class(x)
            self._reach(x.__name__, x.__init__)  # type: ignore[misc]
        elif hasattr(type(x), "__wrapped__") or "__wrapped__" in getattr(x, "__dict__", ()):
            self._reach(path, x.__wrapped__)  # what `compile` and `functools.cache` made
        else:
            self._object(path, x)

    def _reach(self, path: str, x: Any) -> None:
        if type(x) not in _PLAIN:
            self._waiting.append((path, x))

    def _add(
        self,
        name: str,
        where: Any,
        test: str,
        get: Callable[[Any], Any],
        is_same: Callable[[Any, Any], bool],
    ) -> None:
        """Add what a lookup finds, and go on to that."""
        bound = _now(get, where)
        self.found[id(where), test] = Binding(name, where, test, get, bound, is_same)
        if is_same is _equal:
            self._reach(name, bound)

    def _key(self, path: str, names: Any, key: str) -> None:
        """Add what a key of a dict of names is bound to, if it is."""
        if key in names:
            name = f"{path}.{key}" if path else key
            self._add(name, names, f"{{}}[{key!r}] is {{}}", partial(_item, key), _equal)

    def _absent(self, path: str, names: Any, key: str) -> None:
        """Add that a dict of names does not have a key: one that came later would hide another."""
        name = f"{path}.{key}" if path else key
        self._add(name, names, f"{key!r} not in {{}}", partial(_item, key), _equal)

    def _function(self, f: FunctionType) -> None:
        wrapped = getattr(f, "__wrapped__", None)
        self._reach(own_name(wrapped, f.__name__), wrapped)
        if _is_foreign(f.__code__.co_filename):
            for rule in getattr(getattr(f, "op", None), "rules", None) or ():
                self._reach(f.__name__, rule)  # of a primitive of the user's own
            return
        lookups, names = _lookups(f.__code__), f.__globals__
        self.keys |= lookups.keys
        self.tried |= lookups.tried
        self.catches |= lookups.catches
        if f.__code__.co_filename == _NN:  # nobody binds its names anew
            return
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            if name not in lookups.stored and _now(_contents, cell) is not _UNBOUND:
                self._add(name, cell, "{}.cell_contents is {}", _contents, _equal)
        for name in lookups.names - lookups.stored:
            self._key("", names, name)
            if name not in names and (hasattr(builtins, name) or name in lookups.tried):
                self._absent("", names, name)
        for name in self._names if f.__dict__ else ():
            self._key(f.__name__, f.__dict__, name)
        for default in (*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()):
            self._reach(f.__name__, default)

    def _class(self, cls: type) -> dict[str, Any]:
        """Look at the attributes that code of these keys, or Python, finds in a class; return them.

        Python's own classes, and ours, have none that count.
        """
        if cls in self._classes:
            return self._classes[cls]
        found = self._classes[cls] = {}
        bases = [base for base in cls.__mro__ if _is_looked_into(base)]
        if "__match_args__" in self.keys:
            self.keys.update(getattr(cls, "__match_args__", ()))
        for k, base in enumerate(bases):
            for name, x in vars(base).items():
                special = name.startswith("__") and isinstance(x, FunctionType)
                if not (name in self.keys or (special and name not in _NOT_IMPLICIT)):
                    continue
                if name in found:
                    if "super" in self.keys:
                        self._key(base.__name__, vars(base), name)
                    continue
                found[name] = x
                if not (isinstance(x, FunctionType) and _is_foreign(x.__code__.co_filename)):
                    self._key(cls.__name__, vars(base), name)
                    for other in bases[:k]:
                        self._absent(cls.__name__, vars(other), name)
        return found

    def _object(self, path: str, x: Any) -> None:
        self._items(path, x)
        of_class = self._class(type(x))
        own = getattr(x, "__dict__", ())
        for name, attribute in of_class.items():
            if isinstance(attribute, MemberDescriptorType):  # a slot
                self._add(
                    f"{path}.{name}", x, f"{{}}.{name} is {{}}", partial(_attribute, name), _equal
                )
            elif (
                name in self.keys
                and name not in own
                and type(own) is dict
                and not _is_data(attribute)
            ):
                self._absent(path, own, name)
        for name in self._names:
            self._key(path, own, name)
            if (
                name in self.tried
                and type(own) is dict
                and not (name in own or hasattr(type(x), name))
            ):
                self._absent(path, own, name)

    def _items(self, path: str, x: Any) -> None:
        """Look at a container and its items: a loop may read them all."""
        if not isinstance(x, list | dict | set | tuple | frozenset):
            return
        kind = next(kind for kind in (list, dict, set, tuple, frozenset) if isinstance(x, kind))
        if kind not in (tuple, frozenset):
            self._add(path, x, "{} == {}", kind, _has_same_items)
        if not _PLAIN.issuperset(map(type, x.values() if isinstance(x, dict) else x)):
            for key, item in x.items() if isinstance(x, dict) else enumerate(x):
                self._reach(f"{path}[{key!r}]", item)


def _is_looked_into(cls: type) -> bool:
    return cls.__module__.partition(".")[0] not in sys.stdlib_module_names


def _is_data(x: Any) -> bool:
    return hasattr(type(x), "__set__")


def own_name(x: Any, name: str) -> str:
    """Return how the code of an object that is called names that object: self, as a rule."""
    calls = (vars(base).get("__call__") for base in type(x).__mro__)
    return _first_name(next(filter(None, calls), None)) or name


def _first_name(f: Any) -> str:
    code = getattr(f, "__code__", None)
    return code.co_varnames[0] if code is not None and code.co_argcount else ""


@lru_cache(maxsize=4096)
def _is_foreign(file: str) -> bool:
    """Return whether what is in a file is not looked into."""
    if file == _NN:
        return False
    own = (PACKAGE, _PYTHONS_OWN, "<frozen ", "<built in>")
    return file.startswith(own) or any(part in file for part in _INSTALLED)


def _contents(cell: CellType) -> Any:
    return cell.cell_contents


def _attribute(name: str, x: Any) -> Any:
    return getattr(x, name)


def _item(key: Any, x: Any) -> Any:
    return x[key]


def _now(get: Callable[[Any], Any], where: Any) -> Any:
    try:
        return get(where)
    except _NOT_THERE:
        return _UNBOUND


def held(bindings: list[Binding]) -> list[Binding]:
    """Return those that are bound to the same as before: what a trace binds itself is not."""
    return [b for b in bindings if not any(_differences([b]))]


def check(bindings: list[Binding], function: str) -> None:
    """Raise TraceError, naming the variable, if one is bound to something else by now."""
    for name, bound, now in _differences(bindings):
        raise TraceError(
            f"{function} was compiled when {name!r} was {_shortened(bound)}; it is "
            f"{_shortened(now)} now, which the program does not see: pass {name} as an "
            "argument, or compile the function anew"
        )


def holds(bindings: list[Binding]) -> bool:
    """Return whether all is still bound to what it was."""
    return not any(_differences(bindings))


def _differences(bindings: list[Binding]) -> Iterator[tuple[str, Any, Any]]:
    for name, where, _, get, bound, is_same in bindings:
        now = _now(get, where)
        if now is not bound and not is_same(now, bound):
            yield name, bound, now


def unguarded() -> bool:
    """Return True: the guard of what looks nothing up, or cannot: it came from a pickle."""
    return True


def guard_of(bindings: list[Binding]) -> Callable[[], bool]:
    """Return a function that says whether all is bound to the same object still, equal or not.

    It is quicker than `check`: each lookup stands in its text.

    >>> rate = 0.5
    >>> guard_of(bindings_of(("f", lambda x: rate * x)))()
    True
    """
    if not bindings:
        return unguarded
    names: dict[int, str] = {}
    kept: dict[str, Any] = {}

    def name_of(x: Any) -> str:
        name = names.setdefault(id(x), f"x{len(names)}")
        kept[name] = x
        return name

    containers = [b for b in bindings if b.is_same is _has_same_items]
    # One comparison for them all: it costs less than a nanosecond for each item that is the same.
    now, before = [b.where for b in containers], [b.bound for b in containers]
    tests = [f"{name_of(now)} == {name_of(before)}"] if containers else []
    tests += [
        b.test.format(name_of(b.where), name_of(b.bound)) for b in bindings if b.is_same is _equal
    ]
    # Local names are the quickest.
    lines = [
        f"def guard({', '.join(f'{name}={name}' for name in kept)}):",
        *("    try:", "        return (", "            True"),
        *[f"            and {test}" for test in tests],
        *("        )", "    except NOT_THERE:", "        return False"),
    ]
    namespace = {**kept, "NOT_THERE": _NOT_THERE}
    exec("\n".join(lines), namespace)
    return namespace["guard"]  # type: ignore[no-any-return]


def _equal(a: Any, b: Any) -> bool:
    """Return whether these are the same number or text: it need not be the same object."""
    if type(a) is not type(b):
        return False
    if isinstance(a, str | bytes):
        return bool(a == b)
    return bool(is_real(a) and constant_key(a) == constant_key(b))


def _has_same_items(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except Exception:  # whatever items raise, such as arrays
        return False


def _shortened(x: Any) -> str:
    text = "not bound" if x is _UNBOUND else shown(x)
    return text if len(text) <= 60 else f"{text[:57]}..."
