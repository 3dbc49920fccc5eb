"""The rules of differentiation, each written once.

An `Op` is a plain function of numbers (`forward`) and, for each of its inputs, the partial that
the chain rule needs. In a partial, `g` is the derivative arriving from above (of the final result
with respect to this op's output), `y` the op's output, and `a`, `b`, ... its inputs; it returns
the derivative of the final result with respect to that input. Read the table as a textbook's
table of derivatives: `sin` is `g * cos(a)`.

The partials are ordinary arithmetic and calls of other ops, so any kind of number can be pushed
through them: floats give the usual backward pass, Fractions exact gradients, and numbers that
record what is done to them (`Tracer`s) give gradients that can be differentiated again or written
out as a program. Hence no partial ever branches on a number: it uses `where`.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import compress
from typing import Any

from scalargrad import special

# Any kind of number: float, int, Fraction, Decimal, a Value, a symbol. Arithmetic is all that is
# asked of it, and no static type says that.
Number = Any


class Op:
    """A differentiable function of one or two inputs: its forward, and a partial for each input.

    `hint`, where given, tells a user whose input was refused what the op accepts.

    >>> square = Op("square", lambda a: a * a, lambda g, y, a: g * (2 * a))
    >>> square(3), square.vjp(1, 9, [3], [True])
    (9, [6])
    """

    __slots__ = ("forward", "hint", "name", "partials")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Number],
        *partials: Callable[..., Number],
        hint: str = "",
    ) -> None:
        self.name = name
        self.forward = forward
        self.partials = partials
        self.hint = hint

    def __call__(self, *inputs: Number) -> Number:
        """Return the op's result: a recording number's if there is one among the inputs."""
        for x in inputs:
            if isinstance(x, Tracer):
                return x.record(self, inputs)
        return self.forward(*inputs)

    def vjp(
        self, g: Number, y: Number, inputs: Sequence[Number], wanted: Sequence[bool]
    ) -> list[Number]:
        """Return the vector-Jacobian product: `g` times the derivative by each wanted input."""
        return [partial(g, y, *inputs) for partial in compress(self.partials, wanted)]

    def jvp(self, tangents: Sequence[Number | None], y: Number, inputs: Sequence[Number]) -> Number:
        """Return the Jacobian-vector product: how `y` moves as the inputs move by `tangents`.

        None stands for an input that does not move. A partial is linear in its `g`.
        """
        wanted = [t is not None for t in tangents]
        moving = compress(zip(self.partials, tangents, strict=True), wanted)
        return _sum([partial(t, y, *inputs) for partial, t in moving])

    def __repr__(self) -> str:
        return f"<op {self.name}>"


class NaryOp(Op):
    """An op of three inputs or more, or of any number: one rule gives all its gradients."""

    __slots__ = ("rule",)

    def __init__(
        self,
        name: str,
        forward: Callable[..., Number],
        rule: Callable[..., Sequence[Number]],
        hint: str = "",
    ) -> None:
        super().__init__(name, forward, hint=hint)
        self.rule = rule

    def vjp(
        self, g: Number, y: Number, inputs: Sequence[Number], wanted: Sequence[bool]
    ) -> list[Number]:
        return list(compress(self.rule(g, y, *inputs), wanted))

    def jvp(self, tangents: Sequence[Number | None], y: Number, inputs: Sequence[Number]) -> Number:
        moving = [t is not None for t in tangents]
        slopes = compress(self.rule(1, y, *inputs), moving)
        return _sum(
            [slope * t for slope, t in zip(slopes, compress(tangents, moving), strict=True)]
        )


def _sum(terms: Sequence[Number]) -> Number:
    return reduce(operator.add, terms)


def _zero(g: Number, y: Number, *inputs: Number) -> Number:
    return 0


# --- choosing: derivative zero in the condition, so that the rules below may branch with it -----

greater = Op(">", operator.gt, _zero, _zero)
equal = Op("==", operator.eq, _zero, _zero)
select = NaryOp(
    "where",
    lambda condition, a, b: a if condition else b,
    lambda g, y, condition, a, b: (0, where(condition, g, 0), where(condition, 0, g)),
)


less = Op("<", operator.lt, _zero, _zero)
at_most = Op("<=", operator.le, _zero, _zero)
at_least = Op(">=", operator.ge, _zero, _zero)
unequal = Op("!=", operator.ne, _zero, _zero)
# The same number, as a constant.
detach = Op("detach", operator.pos, _zero)


# Functions, for speed: the backward pass calls them for every relu and every power.
def gt(a: Number, b: Number) -> Number:
    """Return whether a > b, recorded if either of them records."""
    return greater(a, b) if isinstance(a, Tracer) or isinstance(b, Tracer) else a > b


def eq(a: Number, b: Number) -> Number:
    """Return whether a == b, recorded if either of them records."""
    return equal(a, b) if isinstance(a, Tracer) or isinstance(b, Tracer) else a == b


def where(condition: Number, a: Number, b: Number) -> Number:
    """Return `a` if `condition` holds, else `b`: recorded if the condition records."""
    if isinstance(condition, Tracer):
        return select(condition, a, b)
    return a if condition else b


def _with_sign_of(a: Number, g: Number) -> Number:
    return where(gt(a, 0), g, where(gt(0, a), -g, 0))


# --- arithmetic ---------------------------------------------------------------------------------


def _power(a: Number, b: Number) -> Number:
    y = a**b
    if isinstance(y, complex):
        raise ValueError("a negative number to a fractional power is not a real number")
    return y


def _power_base(g: Number, y: Number, a: Number, b: Number) -> Number:
    # At b = 0 the exponent b - 1 would divide by zero at a = 0, where the derivative is 0.
    slope = b * a ** where(eq(b, 0), 0, b - 1)
    if isinstance(b, Tracer):
        # There b y / a is 0 too, but depends on b as b a**(b - 1) does, for the next derivative.
        slope = where(eq(b, 0), b * (y / where(eq(a, 0), 1, a)), slope)
    return g * slope


def _power_exponent(g: Number, y: Number, a: Number, b: Number) -> Number:
    # 0**b is constant for b > 0, so its derivative is 0 there, though log(0) does not exist.
    return g * (y * log(where(eq(a, 0), 1, a)))


_POWER_HINT = "a negative base takes a constant whole exponent; for a real cube root use cbrt"

add = Op("+", operator.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
sub = Op("-", operator.sub, lambda g, y, a, b: g, lambda g, y, a, b: -g)
mul = Op("*", operator.mul, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
div = Op("/", operator.truediv, lambda g, y, a, b: g / b, lambda g, y, a, b: -(g * y) / b)
neg = Op("neg", operator.neg, lambda g, y, a: -g)
pos = Op("pos", operator.pos, lambda g, y, a: g)
power = Op("**", _power, _power_base, _power_exponent, hint=_POWER_HINT)
math_pow = Op("pow", math.pow, _power_base, _power_exponent, hint=_POWER_HINT)
floordiv = Op("//", operator.floordiv, _zero, _zero)
mod = Op("%", operator.mod, lambda g, y, a, b: g, lambda g, y, a, b: -g * floordiv(a, b))
fmod = Op("fmod", math.fmod, lambda g, y, a, b: g, lambda g, y, a, b: -g * ((a - y) / b))
remainder = Op(
    "remainder", math.remainder, lambda g, y, a, b: g, lambda g, y, a, b: -g * ((a - y) / b)
)
absolute = Op("abs", operator.abs, lambda g, y, a: _with_sign_of(a, g))
fabs = Op("fabs", math.fabs, lambda g, y, a: _with_sign_of(a, g))
copysign: Op = Op(
    "copysign",
    math.copysign,
    lambda g, y, a, b: _with_sign_of(a, g * copysign(1, b)),
    _zero,
)
fma = NaryOp("fma", special.fma, lambda g, y, a, b, c: (g * b, g * a, g))

# --- powers, exponentials and logarithms --------------------------------------------------------

sqrt = Op("sqrt", math.sqrt, lambda g, y, a: g / (2 * y), hint="sqrt takes x >= 0")
cbrt = Op("cbrt", special.cbrt, lambda g, y, a: g / (3 * (y * y)))
exp = Op("exp", math.exp, lambda g, y, a: g * y)
exp2 = Op("exp2", special.exp2, lambda g, y, a: g * (y * math.log(2)))
expm1 = Op("expm1", math.expm1, lambda g, y, a: g * exp(a))
log = Op("log", math.log, lambda g, y, a: g / a, hint="log takes x > 0")
log2 = Op("log2", math.log2, lambda g, y, a: g / (a * math.log(2)), hint="log2 takes x > 0")
log10 = Op("log10", math.log10, lambda g, y, a: g / (a * math.log(10)), hint="log10 takes x > 0")
log1p = Op("log1p", math.log1p, lambda g, y, a: g / (1 + a), hint="log1p takes x > -1")

# --- trigonometric and hyperbolic functions -----------------------------------------------------


def _sech(x: Number) -> Number:
    e = math.exp(-math.fabs(x))
    return 2 * e / (1 + e * e)


sin = Op("sin", math.sin, lambda g, y, a: g * cos(a), hint="sin takes a finite angle")
cos: Op = Op("cos", math.cos, lambda g, y, a: -g * sin(a), hint="cos takes a finite angle")
tan = Op("tan", math.tan, lambda g, y, a: g * (1 + y * y), hint="tan takes a finite angle")
# (1 - a)(1 + a) for 1 - a*a, here and below: it does not cancel near |a| = 1.
asin = Op(
    "asin",
    math.asin,
    lambda g, y, a: g / sqrt((1 - a) * (1 + a)),
    hint="asin takes -1 <= x <= 1",
)
acos = Op(
    "acos",
    math.acos,
    lambda g, y, a: -g / sqrt((1 - a) * (1 + a)),
    hint="acos takes -1 <= x <= 1",
)
atan = Op("atan", math.atan, lambda g, y, a: g / (1 + a * a))
atan2 = Op(
    "atan2",
    math.atan2,
    lambda g, y, a, b: g * (b / hypot(a, b) / hypot(a, b)),
    lambda g, y, a, b: -g * (a / hypot(a, b) / hypot(a, b)),
)
sinh = Op("sinh", math.sinh, lambda g, y, a: g * cosh(a))
cosh: Op = Op("cosh", math.cosh, lambda g, y, a: g * sinh(a))
# The square of sech, not 1 - y*y: that loses every digit once y rounds to 1.
tanh = Op("tanh", math.tanh, lambda g, y, a: g * sech(a) ** 2)
sech: Op = Op("sech", _sech, lambda g, y, a: -g * (y * tanh(a)))
asinh = Op("asinh", math.asinh, lambda g, y, a: g / hypot(1, a))
acosh = Op(
    "acosh",
    math.acosh,
    lambda g, y, a: g / (sqrt(a - 1) * sqrt(a + 1)),
    hint="acosh takes x >= 1",
)
atanh = Op(
    "atanh",
    math.atanh,
    lambda g, y, a: g / ((1 - a) * (1 + a)),
    hint="atanh takes -1 < x < 1",
)
degrees: Op = Op("degrees", math.degrees, lambda g, y, a: degrees(g))
radians: Op = Op("radians", math.radians, lambda g, y, a: radians(g))

# --- the error and gamma functions --------------------------------------------------------------

_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
_POLE_HINT = "it has poles at 0 and the negative integers"

erf = Op("erf", math.erf, lambda g, y, a: g * (_TWO_OVER_SQRT_PI * exp(-a * a)))
erfc = Op("erfc", math.erfc, lambda g, y, a: -g * (_TWO_OVER_SQRT_PI * exp(-a * a)))
gamma = Op("gamma", math.gamma, lambda g, y, a: g * (y * digamma(a)), hint=_POLE_HINT)
lgamma = Op("lgamma", math.lgamma, lambda g, y, a: g * digamma(a), hint=_POLE_HINT)
digamma: Op = Op("digamma", special.digamma, lambda g, y, a: g * polygamma(1, a), hint=_POLE_HINT)
# The n-th derivative of digamma; n is a plain whole number.
polygamma: Op = Op(
    "polygamma",
    special.polygamma,
    _zero,
    lambda g, y, n, a: g * polygamma(n + 1, a),
    hint=_POLE_HINT,
)

# --- activations --------------------------------------------------------------------------------


def _relu(x: Number) -> Number:
    return type(x)() if x <= 0 else x


def _sigmoid(x: Number) -> Number:
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


def _softplus(x: Number) -> Number:
    x = float(+x)
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _normal_cdf(x: Number) -> Number:
    return erfc(x * -math.sqrt(0.5)) / 2


relu = Op("relu", _relu, lambda g, y, a: where(gt(a, 0), g, 0))
leaky_relu = Op(
    "leaky_relu",
    lambda a, slope: a if a > 0 else slope * a,
    lambda g, y, a, slope: where(gt(a, 0), g, g * slope),
    lambda g, y, a, slope: where(gt(a, 0), 0, g * a),
)
# exp only ever sees a <= 0: where evaluates both its branches, and exp(1000) would overflow.
elu = Op(
    "elu",
    lambda a, alpha: a if a > 0 else alpha * math.expm1(a),
    lambda g, y, a, alpha: where(gt(a, 0), g, g * (alpha * exp(where(gt(a, 0), 0, a)))),
    lambda g, y, a, alpha: g * expm1(where(gt(a, 0), 0, a)),
)
sigmoid: Op = Op("sigmoid", _sigmoid, lambda g, y, a: g * (y * sigmoid(-a)))
softplus = Op("softplus", _softplus, lambda g, y, a: g * sigmoid(a))
silu = Op(
    "silu",
    lambda a: a * _sigmoid(a),
    lambda g, y, a: g * (sigmoid(a) + y * sigmoid(-a)),
)
# Of PyTorch's two forms the exact one: x times the normal distribution's cdf.
gelu = Op(
    "gelu",
    lambda a: float(+a) * _normal_cdf(float(+a)),
    lambda g, y, a: g * (_normal_cdf(a) + a * exp(-a * a / 2) * (1 / math.sqrt(2 * math.pi))),
)

# --- several inputs -----------------------------------------------------------------------------


def _choose(g: Number, chosen: Number, other: Number) -> Number:
    return where(chosen, g, where(other, 0, g / 2))


def _products_of_others(xs: Sequence[Number]) -> list[Number]:
    before, after = [1], [1]
    for x in xs[:-1]:
        before.append(before[-1] * x)
    for x in xs[:0:-1]:
        after.append(after[-1] * x)
    return [b * a for b, a in zip(before, reversed(after), strict=True)]


def _sumprod_rule(g: Number, y: Number, *inputs: Number) -> list[Number]:
    n = len(inputs) // 2
    slopes = [g * x for x in inputs[n : 2 * n] + inputs[:n]]
    return slopes if len(inputs) == 2 * n else [*slopes, g]


def _sumprod_forward(*inputs: Number) -> Number:
    n = len(inputs) // 2
    y = special.sumprod(inputs[:n], inputs[n : 2 * n])
    return y if len(inputs) == 2 * n else y + inputs[-1]


def _hypot_rule(g: Number, y: Number, *xs: Number) -> list[Number]:
    # At the origin the derivative is 0, as abs has it; x / 1 is 0 there.
    length = where(eq(y, 0), 1, y)
    return [g * (x / length) for x in xs]


def _dist_rule(g: Number, y: Number, *inputs: Number) -> list[Number]:
    n = len(inputs) // 2
    by_p = _hypot_rule(g, y, *(p - q for p, q in zip(inputs[:n], inputs[n:], strict=True)))
    return by_p + [-d for d in by_p]


def _dist_forward(*inputs: Number) -> Number:
    n = len(inputs) // 2
    return math.dist(inputs[:n], inputs[n:])


def _logsumexp_forward(*xs: Number) -> Number:
    xs = tuple(float(+x) for x in xs)
    largest = max(xs)
    if math.isinf(largest):
        return largest
    others = list(xs)
    others.remove(largest)
    return largest + math.log1p(math.fsum(math.exp(x - largest) for x in others))


def softmax(xs: Sequence[Number]) -> list[Number]:
    """Return exp(x) / (the sum of all exp(x)) for each of `xs`."""
    shift = constant_max(*xs)
    exps = [exp(x - shift) for x in xs]
    total = fsum(*exps)
    return [e / total for e in exps]


maximum = Op(
    "maximum",
    lambda a, b: b if b > a or b != b else a,
    lambda g, y, a, b: _choose(g, gt(a, b), gt(b, a)),
    lambda g, y, a, b: _choose(g, gt(b, a), gt(a, b)),
)
minimum = Op(
    "minimum",
    lambda a, b: b if b < a or b != b else a,
    lambda g, y, a, b: _choose(g, gt(b, a), gt(a, b)),
    lambda g, y, a, b: _choose(g, gt(a, b), gt(b, a)),
)
fsum = NaryOp("fsum", lambda *xs: math.fsum(xs), lambda g, y, *xs: [g] * len(xs))
# Rounded at each step, as + is: the derivatives by a number that is used many times, added up.
total = NaryOp("sum", lambda *xs: _sum(xs), lambda g, y, *xs: [g] * len(xs))
prod = NaryOp(
    "prod",
    lambda *xs: math.prod(xs),
    lambda g, y, *xs: [g * others for others in _products_of_others(xs)],
)
# Inputs: all of p, then all of q, as for dist; and one more, where there is one, to be added: the
# bias of a neuron.
sumprod = NaryOp("sumprod", _sumprod_forward, _sumprod_rule)
dist = NaryOp("dist", _dist_forward, _dist_rule)
hypot: Op = NaryOp("hypot", math.hypot, _hypot_rule)
logsumexp = NaryOp(
    "logsumexp",
    _logsumexp_forward,
    lambda g, y, *xs: [g * p for p in softmax(xs)],
)
# The largest input, as if it were a constant: softmax does not depend on what it subtracts.
constant_max = NaryOp("constant_max", lambda *xs: max(xs), lambda g, y, *xs: [0] * len(xs))

# --- numbers that record ------------------------------------------------------------------------


def _operator(op: Op) -> Callable[["Tracer", Number], Number]:
    return lambda self, other: self.record(op, (self, other))


def _reflected(op: Op) -> Callable[["Tracer", Number], Number]:
    return lambda self, other: self.record(op, (other, self))


def _method(op: Op) -> Callable[["Tracer"], Number]:
    return lambda self: self.record(op, (self,))


class Tracer:
    """A kind of number that records the ops done to it, operators and functions alike.

    `Value` is one. A subclass says in `record` what becomes of an op.
    """

    __slots__ = ()

    @staticmethod
    def record(op: Op, inputs: tuple[Number, ...]) -> Number:
        """Return the result of `op` on `inputs`, at least one of which is of this kind."""
        raise NotImplementedError

    def described(self) -> str:
        """Return how errors name this number."""
        return repr(self)

    __add__, __radd__ = _operator(add), _reflected(add)
    __sub__, __rsub__ = _operator(sub), _reflected(sub)
    __mul__, __rmul__ = _operator(mul), _reflected(mul)
    __truediv__, __rtruediv__ = _operator(div), _reflected(div)
    __pow__, __rpow__ = _operator(power), _reflected(power)
    __mod__, __rmod__ = _operator(mod), _reflected(mod)
    __neg__, __pos__, __abs__ = _method(neg), _method(pos), _method(absolute)


OPS = {op.name: op for op in list(globals().values()) if isinstance(op, Op)}

for _op in OPS.values():
    if len(_op.partials) == 1:
        setattr(Tracer, _op.name, _method(_op))
