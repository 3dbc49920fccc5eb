"""What a law is: a name, a sentence, and a judge; and the ops that laws are about."""

from collections.abc import Callable
from dataclasses import dataclass

from scalargrad.testing.functions import FUNCTIONS, Operation
from scalargrad.testing.reference import supports
from scalargrad.testing.trial import Trial

Judge = Callable[[Trial], None]


@dataclass(frozen=True)
class Property:
    """A law: its name, the sentence that states it, and the judge that raises if it is broken."""

    name: str
    law: str
    judge: Judge
    op: str | None = None


class Laws(list[Property]):
    """The properties of one file, in the order in which they are tested."""

    def law(self, name: str, sentence: str) -> Callable[[Judge], Judge]:
        """Return a decorator that adds a judge to the properties."""

        def add(judge: Judge) -> Judge:
            self.append(Property(name, sentence, judge))
            return judge

        return add


def about(judge: Callable[[Trial, str], None], op: str) -> Judge:
    """Return the judge of one op."""
    return lambda trial: judge(trial, op)


# Methods whose name engines also give to something else, or which few scalar engines have.
_LEFT_OUT = {"pow", "copysign"}
OPS = tuple(n for n in FUNCTIONS if n not in _LEFT_OUT and supports(n))
"""The ops that the suite knows, by their names in `FUNCTIONS`."""

_WORDS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow", "%": "mod"}


def word(op: str) -> str:
    """Return the name of an op as it stands in properties' names.

    >>> word("+"), word("tanh")
    ('add', 'tanh')
    """
    return _WORDS.get(op, op)


POWERS = {
    power.name: power
    for power in (
        Operation("**2", 1, (((-5.0, 5.0),),), function=lambda x: x**2),
        Operation("**3", 1, (((-3.0, 3.0),),), function=lambda x: x**3),
        Operation("**-1", 1, (((-30.0, -0.05), (0.05, 30.0)),), function=lambda x: x**-1),
        Operation("**0.5", 1, (((0.05, 30.0),),), function=lambda x: x**0.5),
    )
}
"""Powers with a plain exponent, each an op of one node."""


def operation(op: str) -> Operation:
    """Return the entry of an op in the tables.

    >>> operation("**2")(3.0), operation("+")(1, 2)
    (9.0, 3)
    """
    return POWERS.get(op) or FUNCTIONS[op]
