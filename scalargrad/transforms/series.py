"""`taylor`: all derivatives of a function up to an order, as the coefficients of its power series.

A power series is a number that the derivative rules can be pushed through like any other. Where y
is an op of a, y' is the op's rule applied to a' and to the series of y and of a, and y is its own
first coefficient plus the integral of that. Coefficient k of y takes no more than coefficients
0 to k - 1 of the rule's result, so the rule may use y itself. Arithmetic and powers have the
recurrences of textbooks (A. Griewank and A. Walther, "Evaluating Derivatives", 2nd edition, SIAM
2008, chapter 13).

>>> from fractions import Fraction
>>> from scalargrad import taylor
>>> taylor(lambda x: 1 / (1 - x), Fraction(0), 3)
[Fraction(1, 1), Fraction(1, 1), Fraction(1, 1), Fraction(1, 1)]
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import reduce
from typing import Any

from scalargrad.custom.function import FunctionOp, output_ops
from scalargrad.custom.run import Run
from scalargrad.engine.context import within
from scalargrad.engine.errors import FAILURES, explained, untraceable
from scalargrad.engine.graph import Node, operands_of, topological_order
from scalargrad.engine.op import Op
from scalargrad.engine.operators import constant
from scalargrad.engine.outputs import Pick
from scalargrad.engine.passes import dependents, total
from scalargrad.engine.primitive import op_of, record
from scalargrad.engine.real import in_kind, is_real
from scalargrad.engine.tracer import Tracer
from scalargrad.engine.value import Value
from scalargrad.functions import activations, arithmetic, choices, elementary, many
from scalargrad.transforms.functional import _result, _seed, _Trace, _traced, _zero
from scalargrad.transforms.nesting import flatten, flatten_like, unflatten

# What a series needs before its next coefficient: of which series, and how many coefficients
# fewer than its own.
Needs = Sequence[tuple["Series", int]]


class Series(Tracer):
    """A power series whose coefficients are computed when asked for.

    A coefficient is a number of any kind, or None for a zero that no arithmetic made: it is left
    out of sums and products. The first one is never None.
    """

    __slots__ = ("coefficients", "compute", "expansion", "needs", "origin")

    # Above Values and symbols, which its coefficients may be.
    priority = 10

    compute: Callable[[int], Any]
    needs: Needs

    def __init__(self, expansion: Expansion, first: Any) -> None:
        self.expansion = expansion
        self.coefficients = [first]
        self.compute = _nothing
        self.needs = ()
        # The op that a user called and its operands, for errors.
        self.origin = expansion.origin
        expansion.series.append(self)

    @staticmethod
    def record(op: Op, inputs: tuple[Any, ...]) -> Any:
        """Return the series of `op` on `inputs`; a number where it does not depend on them."""
        expansion = next(x.expansion for x in inputs if isinstance(x, Series))
        return expansion.result(op, inputs)

    @staticmethod
    def call(op: Any, inputs: tuple[Any, ...]) -> Any:
        """Return the series of a `Function` on `inputs`: one, or a tuple of them."""
        return op.through(inputs, [_number(_first(x)) for x in inputs])

    def described(self) -> str:
        first = self.coefficients[0]
        return first.described() if isinstance(first, Tracer) else repr(first)

    def __bool__(self) -> bool:
        return bool(self.coefficients[0])


def _nothing(k: int) -> None:
    """Return the coefficient k of a constant."""


def _first(x: Any) -> Any:
    return x.coefficients[0] if isinstance(x, Series) else x


def _coefficient(x: Any, k: int) -> Any:
    return x.coefficients[k] if isinstance(x, Series) else None


def _of_same_order(*inputs: Any) -> Needs:
    return [(x, 0) for x in inputs if isinstance(x, Series)]


def _apply(op: Op, inputs: Sequence[Any]) -> Any:
    if any(isinstance(x, Tracer) for x in inputs):
        return record(op, tuple(inputs))
    return op.forward(*inputs)


def _dot(xs: Sequence[Any], ys: Sequence[Any]) -> Any:
    """Return the sum of the products x * y, without those of None: None if there are no others."""
    pairs = [(x, y) for x, y in zip(xs, ys, strict=True) if x is not None and y is not None]
    if len(pairs) > 1:
        return many.flat_sumprod(*[x for x, _ in pairs], *[y for _, y in pairs])
    return pairs[0][0] * pairs[0][1] if pairs else None


def _difference(x: Any, y: Any) -> Any:
    if y is None:
        return x
    return -y if x is None else x - y


def _is_constant(op: Op) -> bool:
    """Return whether an op does not depend smoothly on any of its inputs."""
    return bool(op.rules) and all(rule is constant for rule in op.rules)


# A divisor with so many leading zeros is taken for 0.
_MOST_ZEROS = 64


class Expansion:
    """The series of one call of `taylor`: each op on the same inputs is one of them."""

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.origin: tuple[Op, tuple[Any, ...]] | None = None
        # Symbols have no number to look at: what is chosen by it is then chosen the general way.
        self.readable = not _traced()
        # Whether a user's function runs on series, and so may divide one by another that is 0.
        self.cancels = False
        # By op and ids of inputs, which are kept for their ids to stay theirs.
        self._results: dict[tuple[Any, ...], tuple[Any, tuple[Any, ...]]] = {}
        self._slopes: dict[Series, Series] = {}

    def close(self) -> None:
        """Undo the cycles of references: a series and its rule's result refer to each other."""
        for series in self.series:
            series.compute = _nothing
            series.needs = ()
        self.series.clear()
        self._results.clear()
        self._slopes.clear()

    def line(self, start: Any, slope: Any) -> Series:
        """Return the series start + slope * t."""
        series = Series(self, start)
        series.compute = lambda k: slope if k == 1 else None
        return series

    def result(self, op: Op, inputs: tuple[Any, ...], first: Any = None) -> Any:
        """Return the series of `op` on `inputs`, whose first coefficient may be known already.

        A number where it does not depend on them.
        """
        key = (op, *map(id, inputs))
        if key in self._results:
            return self._results[key][0]
        firsts = tuple(map(_first, inputs))
        if (
            self.cancels
            and op is op_of(arithmetic.div)
            and isinstance(inputs[1], Series)
            and _number(firsts[1]) == 0
        ):
            self.cancels = False  # the rules have their own quotients
            try:
                shifted = self.without_zeros(op, *inputs)
            finally:
                self.cancels = True
            self._results[key] = self.result(op, shifted), inputs
            return self._results[key][0]
        if first is None:
            first = _apply(op, firsts)
        if _is_constant(op) or not any(isinstance(x, Series) for x in inputs):
            return first
        y = Series(self, first)
        self._results[key] = y, inputs
        if type(first) is float:
            # math's functions make floats of Decimals, which do not go with floats.
            inputs = tuple(map(self.in_floats, inputs))
            firsts = tuple(map(_first, inputs))
        if op is op_of(arithmetic.neg):
            # -(-a) is a again: so the rule of sigmoid, of -a in turn, comes to an end.
            self._results[op, id(y)] = inputs[0], (y,)
        recurrence: Callable[..., None] = _RECURRENCES.get(op, _integral)
        recurrence(y, op, inputs, firsts)
        return y

    def without_zeros(self, op: Op, a: Any, b: Series) -> tuple[Any, ...]:
        """Return a and b without the leading zeros of b, which must be zeros of a too.

        Raises ZeroDivisionError where they are not, as the quotient has a pole there.
        """

        def zeros(x: Any) -> int:
            for k in range(_MOST_ZEROS + 1):
                if isinstance(x, Series):
                    _extend(x, k)
                elif k:
                    break
                if _number(_coefficient(x, k) if isinstance(x, Series) else x) not in (None, 0):
                    return k
            return _MOST_ZEROS

        count, common = zeros(b), zeros(a)
        if count == _MOST_ZEROS:
            raise explained(ZeroDivisionError("division by zero"), op, (_first(a), _first(b)))
        if common < count:
            error = ZeroDivisionError(f"a pole of order {count - common}")
            raise explained(error, op, (_first(a), _first(b)))
        return self.shifted(a, count), self.shifted(b, count)

    def shifted(self, x: Any, count: int) -> Any:
        """Return a series without its first coefficients, all zeros; another number as it is."""
        if not isinstance(x, Series):
            return x
        first = x.coefficients[count]
        y = Series(self, 0 * x.coefficients[0] if first is None else first)
        _follow(y, x, -count)
        return y

    def in_floats(self, x: Any) -> Any:
        """Return a series or number of Decimals in floats, and any other as it is."""
        if not isinstance(_first(x), Decimal):
            return x
        if not isinstance(x, Series):
            return float(x)
        key = (float, id(x))
        if key not in self._results:
            y = Series(self, float(_first(x)))
            _follow(y, x, 0, lambda c, k: float(c))
            self._results[key] = y, (x,)
        return self._results[key][0]

    def slope(self, a: Series) -> Series:
        """Return the derivative of a series of which two coefficients are known."""
        if a not in self._slopes:
            first = a.coefficients[1]
            slope = Series(self, 0 if first is None else first)
            _follow(slope, a, -1, lambda c, k: c * (k + 1))
            self._slopes[a] = slope
        return self._slopes[a]


def _extend(series: Series, order: int) -> None:
    """Compute the coefficients of `series` up to `order`, and of others what that takes."""
    stack = [(series, order)]
    while stack:
        y, wanted = stack[-1]
        k = len(y.coefficients)
        if k > wanted:
            stack.pop()
            continue
        missing = [(x, k - lag) for x, lag in y.needs if len(x.coefficients) <= k - lag]
        if missing:
            stack += missing
            continue
        try:
            y.coefficients.append(y.compute(k))
        except FAILURES as error:
            if y.origin is None:
                raise
            raise explained(error, *y.origin, "the derivative of ") from None


# --- how an op's coefficients follow from those of its inputs ------------------------------------


def _follow(
    y: Series, x: Series, lag: int, function: Callable[[Any, int], Any] = lambda c, k: c
) -> None:
    """Let coefficient k of y be `function(c, k)`, where c is that of x at k - lag, if not None."""
    known = x.coefficients

    def compute(k: int) -> Any:
        c = known[k - lag]
        return None if c is None else function(c, k)

    y.needs, y.compute = [(x, lag)], compute


def _is(y: Series, x: Any) -> None:
    """Let the coefficients of y be those of x, but for the first, which it has."""
    if isinstance(x, Series):
        _follow(y, x, 0)


def _is_integral_of(y: Series, needs: Needs, slope: Callable[[], Any]) -> None:
    """Let y be the integral of `slope()`, which is called when two coefficients are in `needs`."""

    def start(k: int) -> Any:
        expansion = y.expansion
        expansion.origin = y.origin
        found = slope()
        if not isinstance(found, Series):
            y.needs, y.compute = (), _nothing
            return found
        _follow(y, found, 1, lambda c, k: c / k)
        return found.coefficients[0]

    y.needs, y.compute = needs, start


def _integral(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    expansion = y.expansion

    def slope() -> Any:
        gs = [expansion.slope(x) if isinstance(x, Series) else None for x in inputs]
        parts = [x for x in op.derivatives(gs, y, inputs) if x is not None]
        return reduce(operator.add, parts) if parts else None

    _is_integral_of(y, _of_same_order(*inputs), slope)


def _termwise(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    """Apply a linear op to each order's coefficients."""

    def compute(k: int) -> Any:
        terms = [_coefficient(x, k) for x in inputs]
        if all(x is None for x in terms):
            return None
        return _apply(op, [0 if x is None else x for x in terms])

    y.needs, y.compute = _of_same_order(*inputs), compute


def _sum(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    a, b = inputs

    def compute(k: int) -> Any:
        x, z = _coefficient(a, k), _coefficient(b, k)
        return x if z is None else z if x is None else x + z

    y.needs, y.compute = _of_same_order(a, b), compute


def _minus(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    a, b = inputs
    y.needs = _of_same_order(a, b)
    y.compute = lambda k: _difference(_coefficient(a, k), _coefficient(b, k))


def _product(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    a, b = inputs
    if isinstance(a, Series) and isinstance(b, Series):
        left, right = a.coefficients, b.coefficients
        y.needs, y.compute = [(a, 0), (b, 0)], lambda k: _dot(left[: k + 1], right[k::-1])
    else:
        x, constant = (a, b) if isinstance(a, Series) else (b, a)
        _follow(y, x, 0, lambda c, k: c * constant)


def _quotient(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    """Solve y * b = a for the next coefficient of y."""
    a, b = inputs
    divide = operator.truediv if op is op_of(arithmetic.div) else arithmetic.steep
    quotients = y.coefficients

    def compute(k: int) -> Any:
        rest = _coefficient(a, k)
        if isinstance(b, Series):
            rest = _difference(rest, _dot(b.coefficients[1 : k + 1], quotients[k - 1 :: -1]))
        return None if rest is None else divide(rest, firsts[1])

    y.needs, y.compute = _of_same_order(a, b), compute


def _where(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    condition = getattr(firsts[0], "_data", firsts[0])  # a symbol has none
    if not isinstance(condition, Tracer):
        _is(y, inputs[1] if condition else inputs[2])
        return

    def compute(k: int) -> Any:
        a, b = _coefficient(inputs[1], k), _coefficient(inputs[2], k)
        if a is None and b is None:
            return None
        return choices.where(condition, 0 if a is None else a, 0 if b is None else b)

    y.needs, y.compute = _of_same_order(*inputs[1:]), compute


def _piecewise(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    """Apply the rule of a piecewise linear op at the point: it is the same for every order."""
    ones = [1 if isinstance(x, Series) else None for x in inputs]
    partials = op.derivatives(ones, y.coefficients[0], firsts)
    # Of those that have no part in the result here nothing is asked.
    moving = [None if p is None else x for x, p in zip(inputs, partials, strict=True)]

    def compute(k: int) -> Any:
        gs = [_coefficient(x, k) for x in moving]
        if all(g is None for g in gs):
            return None
        found = op.derivatives(gs, y.coefficients[0], firsts)
        return reduce(operator.add, [x for x in found if x is not None])

    y.needs, y.compute = _of_same_order(*moving), compute


def _rewritten(formula: Callable[..., Any]) -> Callable[..., None]:
    """Return the recurrence of an op that is a formula of simpler ones."""
    return lambda y, op, inputs, firsts: _is(y, formula(*inputs))


def _sum_of_products(*inputs: Any) -> Any:
    n = len(inputs) // 2
    products = [a * b for a, b in zip(inputs[:n], inputs[n : 2 * n], strict=True)]
    return reduce(operator.add, [*products, *inputs[2 * n :]])


# --- powers --------------------------------------------------------------------------------------


def _power(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    a, b = inputs
    # Squaring is exact for exact numbers, but in floats its error grows with the exponent.
    number = _number(firsts[0]) if y.expansion.readable else 0
    squares = is_real(b) and (abs(b) <= 64 or not isinstance(number, float) or number == 0)
    if squares and b == b // 1:
        _is(y, _whole_power(a, int(b)))
    elif is_real(b):
        _fractional_power(y, a, b)
    elif not y.expansion.readable:
        # By the rule, which is right at a = 0 too, but makes a series for each order.
        _integral(y, op, inputs, firsts)
    elif not isinstance(b, Series) and _number(firsts[0]) != 0:
        _fractional_power(y, a, b)
    elif _number(firsts[0]) > 0:
        w = b * elementary.log(a)
        _is_integral_of(y, [(w, 0)], lambda: w.expansion.slope(w) * y)
    else:
        _integral(y, op, inputs, firsts)


def _number(x: Any) -> Any:
    return x._data if isinstance(x, Value) else x


def _whole_power(a: Any, n: int) -> Any:
    """Return a**n by squaring: exact where * is, and right at a = 0."""
    square = a if n > 0 else 1 / a if n < 0 else 1
    n = abs(n)
    power = None
    while n:
        if n % 2:
            power = square if power is None else power * square
        n //= 2
        if n:
            square = square * square
    return power


def _fractional_power(y: Series, a: Series, b: Any) -> None:
    """Solve a * y' = b * a' * y for the next coefficient of y."""
    bases, powers = a.coefficients, y.coefficients

    def compute(k: int) -> Any:
        weighted = [
            None if x is None else (b * j + (j - k)) * x for j, x in enumerate(bases[1 : k + 1], 1)
        ]
        found = _dot(weighted, powers[k - 1 :: -1])
        if found is None:
            return None
        # Of x**2.5 at x = 0 there are two derivatives, 0 both.
        divide = arithmetic.over if is_real(b) and k < b else operator.truediv
        return divide(found, k * bases[0])

    y.needs, y.compute = [(a, 0)], compute


def _elu(a: Any, alpha: Any) -> Any:
    positive = choices.greater(a, 0)
    return choices.choose(positive, a, alpha * elementary.expm1(choices.choose(positive, 0, a)))


def _log_of_sum(*xs: Any) -> Any:
    # Less the largest: else most of the digits would cancel where one is much larger than others.
    largest = reduce(choices.maximum, xs)
    return largest + elementary.log(many.fsum([elementary.exp(x - largest) for x in xs]))


def _length(y: Series, op: Op, inputs: tuple[Any, ...], firsts: tuple[Any, ...]) -> None:
    """Take the root of the sum of squares, all of it over y's first coefficient."""
    # Where one number is far larger than the others, the root cancels, and the rule does not.
    sizes = [0, *sorted(abs(_number(x)) for x in firsts)] if y.expansion.readable else [0, 0]
    if not 0.1 * sizes[-1] < sizes[-2]:
        _integral(y, op, inputs, firsts)
    else:
        ratios = [arithmetic.steep(x, y.coefficients[0]) for x in inputs]
        _is(y, y.coefficients[0] * _sum_of_products(*ratios, *ratios) ** 0.5)


def _distance(*inputs: Any) -> Any:
    n = len(inputs) // 2
    return many.hypot(*[p - q for p, q in zip(inputs[:n], inputs[n:], strict=True)])


_RECURRENCES: dict[Op, Callable[..., None]] = {
    total: _termwise,
    **{
        op_of(function): recurrence
        for recurrence, functions in {
            _sum: [arithmetic.add],
            _minus: [arithmetic.sub],
            _product: [arithmetic.mul],
            _quotient: [arithmetic.div, arithmetic.steep, arithmetic.over],
            _power: [elementary.power, elementary.pow],
            _where: [choices.where],
            _termwise: [
                *(arithmetic.neg, arithmetic.pos, arithmetic.same, many.fsum),
                *(elementary.degrees, elementary.radians),
            ],
            _piecewise: [
                *(arithmetic.absolute, arithmetic.fabs, arithmetic.copysign),
                *(arithmetic.mod, arithmetic.fmod, arithmetic.remainder),
                *(choices.maximum, choices.minimum, choices.clip, activations.relu),
            ],
            _rewritten(lambda a, b, c: a * b + c): [arithmetic.fma],
            _rewritten(lambda *xs: reduce(operator.mul, xs)): [many.prod],
            _rewritten(_sum_of_products): [many.sumprod],
            _rewritten(_log_of_sum): [activations.logsumexp],
            _length: [many.hypot],
            _rewritten(_distance): [many.dist],
            _rewritten(lambda a, slope: choices.choose(choices.greater(a, 0), a, a * slope)): [
                activations.leaky_relu
            ],
            _rewritten(_elu): [activations.elu],
        }.items()
        for function in functions
    },
}


# --- the transform -------------------------------------------------------------------------------


def taylor(f: Callable[[Any], Any], x: Any, order: int, direction: Any = None) -> Any:
    """Return the Taylor coefficients of f at x: f(x), f'(x), f''(x)/2!, ..., order + 1 of them.

    x is a number, or nested lists, tuples and dicts of numbers. For those, `direction` is a nest
    like x, and the coefficients are those of f(x + t * direction) by t; for a number it is 1
    unless given. Where f returns a nest, the result is one, with a list in place of each number.
    Coefficients are plain numbers where plain numbers went in, Values where Values did. The time
    grows with the square of the order, for arithmetic and the elementary functions.

    Kinks are as elsewhere: f is expanded on the side of x where `relu(x)`, `x > 0` and their like
    put it. Raises TypeError for an order that is not a whole number, or a direction that is nested
    otherwise than x; ValueError for an order below 0; and the error of Python's arithmetic, naming
    the op, where a derivative does not exist: ZeroDivisionError for `sqrt` at 0.

    >>> from scalargrad import exp
    >>> taylor(exp, 0.0, 4)
    [1.0, 1.0, 0.5, 0.16666666666666666, 0.041666666666666664]
    >>> taylor(lambda p: p["x"] * p["y"], {"x": 2.0, "y": 3.0}, 2, {"x": 1.0, "y": 10.0})
    [6.0, 23.0, 10.0]
    """
    order = _checked(order)
    nesting = flatten(x, "x")[1]
    if direction is not None:
        directions = flatten_like(nesting, direction, "direction")
    elif nesting is None:
        directions = [1]
    else:
        raise TypeError(
            f"x is a {type(x).__name__}: give a direction nested like it, and the series is that "
            "of f(x + t * direction) by t"
        )
    try:
        with within(inline=True):
            trace = _Trace("taylor", f, (x,), {}, [0])
    except ZeroDivisionError:
        if _traced():
            raise
        return _through_series(f, x, directions, order)
    as_graph = trace.as_graph or any(isinstance(d, Value) for d in directions)
    expansion = Expansion()
    try:
        found = _push(trace, directions, order, expansion, as_graph or _traced())
    finally:
        expansion.close()
    lists = [[_result(c, as_graph) for c in coefficients] for coefficients in found]
    return unflatten(trace.structure, lists)


def _through_series(f: Callable[[Any], Any], x: Any, directions: list[Any], order: int) -> Any:
    """Return the coefficients of f, called with series: where Values would divide by 0.

    A quotient of two series may be known where that of two zeros is not, as sin(x) / x is at 0.
    """
    leaves, structure = flatten(x)
    expansion = Expansion()
    try:
        moving = [
            expansion.line(x, in_kind(d, _number(x)) if type(d) is int else d)
            for x, d in zip(leaves, directions, strict=True)
        ]
        expansion.cancels = True
        ends, nest = flatten(f(unflatten(structure, moving)), "f(x)")
        expansion.cancels = False
        found = [_coefficients(y, order) for y in ends]
    finally:
        expansion.close()
    return unflatten(nest, found)


def _checked(order: Any) -> int:
    try:
        whole = operator.index(order)
    except TypeError:
        raise TypeError(
            f"order must be a whole number, not {order!r} ({type(order).__name__})"
        ) from None
    if whole < 0:
        raise ValueError(f"order must be at least 0, got {whole}")
    return whole


def _coefficients(y: Any, order: int) -> list[Any]:
    """Return the coefficients of a series, or of a number, up to the order."""
    if isinstance(y, Series):
        _extend(y, order)
    first, *rest = y.coefficients[: order + 1] if isinstance(y, Series) else [y]
    rest += [None] * (order - len(rest))
    return [first, *[_in_kind_of(first, c) for c in rest]]


def _in_kind_of(y: Any, coefficient: Any) -> Any:
    """Return a coefficient in the kind that derivatives of `y` have: a float where y is one."""
    if coefficient is None:
        return _zero(y)
    if _traced():
        return coefficient * choices.like(1, y)
    number, first = _number(coefficient), _number(y)
    if type(number) is not type(first) and (
        isinstance(number, int) or (isinstance(number, Fraction) and isinstance(first, float))
    ):
        return coefficient * in_kind(1, first)
    return coefficient


def _source(node: Any, outputs: dict[Any, list[Op]]) -> tuple[Op, tuple[Any, ...]]:
    """Return the op that made a number and its operands; of an output of a `Function` its own.

    `outputs` keeps the ops of all outputs of each call.
    """
    op, operands = node._op, operands_of(node)
    if isinstance(op, Pick):
        [call] = operands
        operands = operands_of(call)
        if isinstance(call._op, FunctionOp):
            if _traced():
                untraceable(
                    f"the series of the Function {call.op} is not seen by a trace",
                    "call taylor outside of compile, or write the function in arithmetic",
                )
            if call not in outputs:
                outputs[call] = output_ops(call._data)
            return outputs[call][op.place], operands
        # A gradient that cannot be differentiated again: the rule of its op says so.
        return call._op, (*operands_of(operands[0]), *operands[1:])
    return op, operands


def _push(
    trace: _Trace, directions: Sequence[Any], order: int, expansion: Expansion, as_graph: bool
) -> list[list[Any]]:
    """Return the coefficients of each number of the result, the leaves moved along `directions`."""

    def start(x: Any) -> Any:
        return x if as_graph or not isinstance(x, Node) else x._data

    series: dict[Any, Any] = {}
    outputs_of_calls: dict[Any, list[Op]] = {}
    leaves = trace.leaves
    for leaf, direction in zip(leaves, directions, strict=True):
        if not isinstance(direction, Value):
            direction = _seed(leaf, direction, as_graph=False)
        series[leaf] = expansion.line(start(leaf), direction)
    ends = [y for y in trace.numbers if isinstance(y, Node)]
    for node in dependents(topological_order(ends, set(leaves)), set(leaves)):
        if isinstance(getattr(node, "_data", None), Run | list):
            continue  # several numbers: the outputs that are picked of them have the series
        op, operands = _source(node, outputs_of_calls)
        inputs = tuple(
            series[x] if isinstance(x, Node) and x in series else start(x) for x in operands
        )
        expansion.origin = op, operands
        series[node] = expansion.result(op, inputs, start(node))
    return [
        _coefficients(series.get(y, start(y)) if isinstance(y, Node) else y, order)
        for y in trace.numbers
    ]
