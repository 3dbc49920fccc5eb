"""Names in a program's text: each an identifier, and given once."""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count

_RESERVED = {*keyword.kwlist, *dir(builtins)}


class Names:
    """Gives out names that are not taken: neither by Python nor by the arguments in `taken`.

    >>> names = Names(["x"])
    >>> names.new("x"), names.new("learning rate"), names.new("lambda")
    ('x_2', 'learning_rate', 'lambda_2')
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {*taken, *_RESERVED}
        self._builtins = _RESERVED.difference(taken)
        # For each name that was wished for again and again, the numbers to tell them apart.
        self._numbers: defaultdict[str, Iterator[int]] = defaultdict(partial(count, 2))

    def new(self, wish: str, builtin: bool = False) -> str:
        """Return a name like `wish`; a `builtin` has its own, unless an argument has it."""
        name = base = wish if wish.isascii() and wish.isidentifier() else _identifier(wish)
        if builtin and name in self._builtins:
            return name
        while not self.take(name):
            name = f"{base}_{next(self._numbers[base])}"
        return name

    def take(self, name: str) -> bool:
        """Take this name; return whether it was free."""
        if name in self.taken:
            return False
        self.taken.add(name)
        return True


def _identifier(wish: str) -> str:
    # As Python reads identifiers: two that look different may be the same name.
    letters = unicodedata.normalize("NFKC", wish)
    base = "".join(c if f"_{c}".isidentifier() else "_" for c in letters) or "t"
    return base if base.isidentifier() else f"_{base}"
