"""What a call of a `Function` leaves behind: its context, and the run that a gradient needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any

from scalargrad.custom.copies import plain
from scalargrad.engine.errors import shown
from scalargrad.engine.outputs import Cotangents
from scalargrad.engine.real import in_kind, is_real, number_of


class Context:
    """What a `Function`'s forward leaves for its backward: saved values, and any attributes.

    `needs_input_grad` says of each input whether it is a Value, whose gradient is wanted.
    """

    saved_values: tuple[Any, ...] = ()
    _materialized = True
    _constant: tuple[Any, ...] = ()

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *values: Any) -> None:
        """Keep inputs and outputs of forward for backward, which finds them in `saved_values`.

        When gradients of gradients are wanted, backward finds Values in their places, also of
        those that are kept as other attributes of the context, alone or in lists, tuples and
        dicts. All else that is kept so must be constant: if it depends on the inputs, TypeError is
        raised then.
        """
        self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """`saved_values` by the name it has in PyTorch."""
        return self.saved_values

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets 0 for an output that was not used, as at first, or None."""
        self._materialized = value

    def mark_non_differentiable(self, *outputs: Any) -> None:
        """Say of which outputs there is no derivative: none passes through them."""
        self._constant = outputs


class Run:
    """One run of a Function's forward: its context, inputs and outputs. `run[k]` is an output.

    The inputs and outputs are kept as forward got and returned them, so that what it saved is
    found among them by identity.
    """

    __slots__ = ("context", "differentiable", "given", "numbers", "op", "returned", "single")

    def __init__(self, op: Any, context: Context, given: Sequence[Any], result: Any) -> None:
        self.op, self.context, self.given = op, context, given
        # Whether the result is a number, and not a tuple.
        self.single = not isinstance(result, tuple)
        self.returned = (result,) if self.single else result
        numbers = self.returned
        for y in numbers:
            if type(y) is not float:
                if not is_real(y):
                    op.refuse_output(y)
                numbers = tuple([number_of(plain(y)) for y in self.returned])
        self.numbers = numbers
        self.differentiable = self._differentiable() if context._constant else None

    def __getitem__(self, place: int) -> Any:
        return self.numbers[place]

    def __repr__(self) -> str:
        return f"<a run of {self.op.name}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self!r} is not copied or pickled: call {self.op.name}.apply again")

    def outputs(self, these: Iterable[Any] | None = None) -> Any:
        """Return the numbers, or what stands for them, as forward did: alone, or as a tuple."""
        found = self.numbers if these is None else tuple(these)
        return found[0] if self.single else found

    def cotangents(self, g: Cotangents) -> list[Any]:
        """Return what backward gets: the derivative by each output, a zero for those not used."""
        by_output, materialized = g.by_output, self.context._materialized
        return [
            by_output[k] if k in by_output else in_kind(0, y) if materialized else None
            for k, y in enumerate(self.numbers)
        ]

    def has_derivative(self, place: int) -> bool:
        """Return whether an output was not marked as having no derivative."""
        return self.differentiable is None or self.differentiable[place]

    def _differentiable(self) -> list[bool]:
        found = [True] * len(self.returned)
        for marked in self.context._constant:
            places = [k for k, y in enumerate(self.returned) if y is marked]
            if not places:
                raise ValueError(
                    f"{self.op.name}.forward marked {shown(marked)} as not differentiable, which "
                    "is none of its outputs: mark the very objects that forward returns"
                )
            if len(places) > 1 and type(marked) is int:
                raise TypeError(
                    f"which of its outputs the {marked!r} is that {self.op.name}.forward marked "
                    "as not differentiable cannot be told; return floats"
                )
            for k in places:
                found[k] = False
        return found

    def context_of(self, inputs: Sequence[Any], output: Callable[[int], Any]) -> Context:
        """Return the context with `inputs` and `output(k)` in place of the numbers it keeps.

        Raises TypeError if it saved for backward what is neither an input nor an output.
        """
        for kept in self.context.saved_values:
            self._check_saved(kept)
        stand_ins = _StandIns(self, inputs, output)
        context = Context(self.context.needs_input_grad)
        for name, kept in vars(self.context).items():
            setattr(context, name, kept if name in _OWN else stand_ins.within(kept))
        context.saved_values = tuple(map(stand_ins.of, self.context.saved_values))
        return context

    def _check_saved(self, kept: Any) -> None:
        twice = f"{self.op.name} cannot be differentiated twice"
        of_outputs = any(kept is y for y in self.returned)
        if of_outputs and isinstance(kept, int) and plain(kept) is kept:
            raise TypeError(
                f"{twice} here: whether the saved {kept!r} is an output of forward or a number "
                "equal to it cannot be told; use floats"
            )
        if not of_outputs and kept is not None and not any(kept is x for x in self.given):
            raise TypeError(
                f"{twice}: it saved {shown(kept)}, which is neither an input nor an output of "
                "forward; save those, and compute the rest in backward"
            )


_OWN = ("needs_input_grad", "saved_values", "_constant", "_materialized")


class _StandIns:
    """What stands for the inputs and outputs of a run where its derivative is to be a graph."""

    def __init__(self, run: Run, inputs: Sequence[Any], output: Callable[[int], Any]) -> None:
        self.run, self.inputs, self.output = run, inputs, output
        self.outputs: dict[int, Any] = {}

    def of(self, kept: Any) -> Any:
        run = self.run
        for i, x in enumerate(run.given):
            if x is kept:
                return self.inputs[i]
        for k, y in enumerate(run.returned):
            if y is kept:
                if k not in self.outputs:
                    self.outputs[k] = self.output(k)
                return self.outputs[k]
        return plain(kept)

    def within(self, kept: Any) -> Any:
        kind = type(kept)
        if kind is list or kind is tuple:
            items = [self.within(x) for x in kept]
            return kept if all(map(is_, items, kept)) else kind(items)
        if kind is dict:
            items = [self.within(x) for x in kept.values()]
            same = all(map(is_, items, kept.values()))
            return kept if same else dict(zip(kept, items, strict=True))
        # Python has one object for each small int: this may be a constant.
        return kept if kind is int or kind is bool else self.of(kept)
