"""Make an expression that shows a failure as small as a person would have written it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from scalargrad.testing.expressions import Expression, Step
from scalargrad.testing.functions import FUNCTIONS

Case = tuple[Expression, tuple[float, ...]]

_PLAIN = (2.0, 3.0, 1.0, 0.5, -1.0, -2.0, 4.0)
_LARGEST = 30.0


def simplify(case: Case, fails: Callable[[Case], bool], most: int = 400) -> Case:
    """Return the simplest case found that still fails, asking `fails` at most `most` times."""
    asked = 0
    searching = True
    while searching:
        searching = False
        for candidate in _simpler(case):
            if asked >= most:
                break
            if _is_tame(candidate):
                asked += 1
                if fails(candidate):
                    case = candidate
                    searching = True
                    break
    return case


def _is_tame(case: Case) -> bool:
    expression, point = case
    results = list(point)
    for step in expression.steps:
        if not step.function.is_tame(step.inputs(results)):
            return False
        results.append(step(results))
        if abs(results[-1]) > _LARGEST:
            return False
    return True


def _simpler(case: Case) -> Iterator[Case]:
    """Yield cases that are a little simpler, those that save most first."""
    expression, point = case
    steps, arity = expression.steps, expression.arity
    for n in range(len(steps)):
        tidy = _tidy(steps[: n + 1], point)
        if tidy != case:
            yield tidy
    for n, step in enumerate(steps):
        for operand in step.operands:
            if isinstance(operand, int):
                yield _tidy(_without(steps, arity, n, operand), point)
    for n in range(len(steps)):
        results = list(point)
        for earlier in steps[: n + 1]:
            results.append(earlier(results))
        # The step's result becomes an input, and what leads to it falls away.
        shifted = _shift(steps, arity)
        yield _tidy(_without(shifted, arity + 1, n, arity), (*point, round(results[-1], 1)))
    for n, step in enumerate(steps):
        for place in range(len(step.operands)):
            # One operand, where there are two: x for y in f(x, y), an input for a constant.
            for other in range(arity):
                if step.operands[place] != other and _rank(step.operands[place]) > other:
                    operands = (*step.operands[:place], other, *step.operands[place + 1 :])
                    changed = replace(step, operands=operands)
                    yield _tidy((*steps[:n], changed, *steps[n + 1 :]), point)
    for n, step in enumerate(steps):
        for name in ("+", "*", "neg"):
            function = FUNCTIONS[name]
            simpler = _cost(function.name) < _cost(step.function.name)
            if function.arity == len(step.operands) and simpler:
                changed = replace(step, function=function)
                yield (Expression(arity, (*steps[:n], changed, *steps[n + 1 :])), point)
    for n, x in enumerate(point):
        for plain in (*_PLAIN, float(round(x)), round(x, 1)):
            if _plainness(plain) < _plainness(x):
                yield (expression, (*point[:n], plain, *point[n + 1 :]))
    for n, step in enumerate(steps):
        for place, operand in enumerate(step.operands):
            if isinstance(operand, int):
                continue
            for plain in _PLAIN:
                if _plainness(plain) < _plainness(operand[0]):
                    operands = (*step.operands[:place], (plain,), *step.operands[place + 1 :])
                    changed = replace(step, operands=operands)
                    yield (Expression(arity, (*steps[:n], changed, *steps[n + 1 :])), point)


def _rank(operand: int | tuple[float]) -> int:
    return operand if isinstance(operand, int) else 10**6


def _cost(name: str) -> int:
    return ("neg", "+", "*", "-", "/").index(name) if name in ("neg", "+", "*", "-", "/") else 9


def _plainness(x: float) -> tuple[int, float]:
    """Return a key that is smaller for a number that is easier to read."""
    if x in _PLAIN:
        return (0, _PLAIN.index(x))
    return (len(f"{x:.12g}"), abs(x))


def _shift(steps: Sequence[Step], arity: int) -> tuple[Step, ...]:
    """Return the steps with one more input, after those there are."""
    return tuple(
        replace(
            step,
            operands=tuple(
                n + 1 if isinstance(n, int) and n >= arity else n for n in step.operands
            ),
        )
        for step in steps
    )


def _without(steps: Sequence[Step], arity: int, gone: int, instead: int) -> tuple[Step, ...]:
    """Return the steps without one of them, an earlier result in the place of its own."""
    place = arity + gone

    def moved(operand: int | tuple[float]) -> int | tuple[float]:
        if not isinstance(operand, int) or operand < place:
            return operand
        return instead if operand == place else operand - 1

    kept = (*steps[:gone], *steps[gone + 1 :])
    return tuple(replace(s, operands=tuple(map(moved, s.operands))) for s in kept)


def _tidy(steps: Sequence[Step], point: Sequence[float]) -> Case:
    """Return the case without the steps and inputs that its result does not need."""
    arity = len(point)
    needed = {arity + len(steps) - 1}
    for n in range(len(steps) - 1, -1, -1):
        if arity + n in needed:
            needed |= {m for m in steps[n].operands if isinstance(m, int)}
    kept = sorted(needed)
    numbers = {old: new for new, old in enumerate(kept)}
    inputs = tuple(x for n, x in enumerate(point) if n in needed)
    left = tuple(
        replace(
            step,
            operands=tuple(numbers[m] if isinstance(m, int) else m for m in step.operands),
        )
        for n, step in enumerate(steps)
        if arity + n in needed
    )
    return Expression(len(inputs), left), inputs
