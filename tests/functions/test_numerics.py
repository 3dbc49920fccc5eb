"""Tests of polygamma, and of our stand-ins for newer functions of math."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from scalargrad.functions import numerics
from scalargrad.functions.numerics import digamma, polygamma

U = 2.0**-53  # the largest relative error of one rounding
MAX = sys.float_info.max
INF, NAN = math.inf, math.nan

# The stand-ins are tested on every Python, and math's own function alongside where there is one.
CBRTS = sorted({numerics.cbrt, numerics._cbrt}, key=repr)
EXP2S = sorted({numerics.exp2, numerics._exp2}, key=repr)
FMAS = sorted({numerics.fma, numerics._fma}, key=repr)
SUMPRODS = sorted({numerics.sumprod, numerics._sumprod}, key=repr)

finite = st.floats(allow_nan=False, allow_infinity=False)


def same(a: float, b: float) -> bool:
    """Equal, with nan equal to nan and 0.0 different from -0.0."""
    return (math.isnan(a) and math.isnan(b)) or (a == b and sign(a) == sign(b))


def sign(x: float) -> float:
    return math.copysign(1.0, x)


# ---------------------------------------------------------------------------------------- polygamma

# Computed with mpmath at 50 decimal digits (and again at 90), for the exact value of the float x.
REFERENCE = [
    (0, 1e-300, "-9.9999999999999997494e+299"),
    (0, 1e-05, "-100000.57719921567289"),
    (0, 0.1, "-10.423754940411076232"),
    (0, 0.5, "-1.9635100260214234794"),
    (0, 1.0, "-0.57721566490153286061"),
    (0, 2.0, "0.42278433509846713939"),
    (0, 3.7, "1.1671535393615114409"),
    (0, 10.25, "2.2777047906867239693"),
    (0, 170.0, "5.1328543770833071812"),
    (0, 1000000.0, "13.815510057964190771"),
    (0, 1e300, "690.77552789821370526"),
    (0, -1e-09, "999999999.42278427117"),
    (0, -0.5, "0.036489973978576520559"),
    (0, -3.25, "4.4662758723502799671"),
    (0, -9.9, "-7.3266375728475796796"),
    (0, -1000000.25, "16.957103961553827759"),
    (1, 1e-150, "9.9999999999999998741e+299"),
    (1, 0.001, "1000001.6425331958273"),
    (1, 0.5, "4.9348022005446793094"),
    (1, 1.0, "1.6449340668482264365"),
    (1, 2.0, "0.64493406684822643647"),
    (1, 7.3, "0.14679576813142710199"),
    (1, 169.5, "0.0059171424988409204644"),
    (1, 1000000.0, "1.0000005000001666667e-6"),
    (1, 1e300, "9.999999999999999475e-301"),
    (1, -1e-09, "999999999999999877.08"),
    (1, -0.5, "8.9348022005446793094"),
    (1, -2.75, "19.433868949488464162"),
    (1, -9.999, "1000003.194700349716"),
    (1, -1000000.25, "19.739207802179467237"),
    (2, 0.01, "-2000002.3403986769596"),
    (2, 1.0, "-2.4041138063191885708"),
    (2, 5.5, "-0.039608947521302042971"),
    (2, 100.0, "-0.000101004999833349997"),
    (2, 1e100, "-9.9999999999999996819e-201"),
    (2, -0.25, "122.69736678366236037"),
    (2, -4.125, "1022.2481736222459672"),
    (2, -7.5, "-0.015564511795903923324"),
    (2, -99.9, "-1998.6597595372047008"),
    (3, 0.3, "743.14176465504977709"),
    (3, 1.0, "6.4939394022668291491"),
    (3, 12.0, "0.0013100932310708259704"),
    (3, 1000000.0, "2.000003000002e-18"),
    (3, -0.5, "193.40909103400243724"),
    (3, -5.3, "769.01081236701226427"),
    (4, 0.75, "-102.80060581541747254"),
    (4, 20.5, "-0.000037422113130474137234"),
    (4, -1.5, "-0.31375599950673136338"),
    (4, -8.1, "2399973.8336723494353"),
    (5, 1.0, "122.08116743813389677"),
    (5, 47.0, "1.1033048515952965722e-7"),
    (5, -3.5, "15382.205326949201581"),
    (5, -9.999999046325684, "1.5950735949418990475e+38"),
    (6, 2.5, "-1.3180061075500352023"),
    (6, -0.01, "71999999999999210.809"),
    (6, -6.25, "11791224.760018512109"),
    (7, 0.125, "84557170617.061696044"),
    (7, 14.9, "5.5455159096962907366e-6"),
    (7, -2.5, "2580880.1741492436068"),
    (8, 33.0, "-4.0376822372283154856e-9"),
    (8, -4.2, "78749707234.158416807"),
    (9, 6.0, "0.0077894707661247018246"),
    (9, -9.5, "743190904.77015599087"),
    (10, 1.0, "-3630593.311606628713"),
    (10, -1.0009765625, "4.7104517100627956246e+39"),
    (11, 80.0, "4.5221695287130776977e-15"),
    (11, -7.7, "75113387125520.657058"),
    (12, 1e-20, "-4.7900160000000034153e+268"),
    (12, 3.0, "-308.01483145242687676"),
    (12, 21.5, "-5.3476645870442705587e-9"),
    (12, -0.5, "-2464477.6094268285476"),
    (12, -5.9, "-4.790015999998475446e+21"),
    (20, 0.5, "-5.1021653127394298787e+24"),
    (20, 29.0, "-9.5259577204460415061e-13"),
    (20, 170.0, "-3.1727517391561854938e-28"),
    (20, -3.3, "2.3258315617067719289e+29"),
    (30, 1.5, "-9.2221270661620558271e+26"),
    (30, 39.9, "-1.177307448257766282e-17"),
    (30, 1000000.0, "-8.8418946208548446046e-150"),
    (30, -0.5, "-9.2221270661620558271e+26"),
    (30, -9.75, "-1.2232629049437594944e+51"),
    (150, -0.5, "-1.4693095234403323674e+236"),
    (172, -0.5, "-7.3370036562215110071e+280"),
    (200, 1000.0, "-4.3508192705971018437e-228"),
]


def tolerance(n: int) -> float:
    """The relative error to allow for polygamma(n, x).

    A number with up to four rounding errors (x + k and a quotient; or pi * r, tan and a quotient,
    and the C library's tan may be wrong by 2 U or so) is raised to the power n + 1, so 8 U each.
    A few roundings more (log, the sums, the last product) do not depend on n: 24 U.
    """
    return 8 * (n + 1) * U + 24 * U


def power_term(n: int, x: float) -> float:
    """n! / x**(n+1), from exact integers, rounded once."""
    return float(math.factorial(n) / Fraction(x) ** (n + 1))


@pytest.mark.parametrize(("n", "x", "expected"), REFERENCE)
def test_polygamma_reference_values(n: int, x: float, expected: str) -> None:
    error = abs(Fraction(polygamma(n, x)) - Fraction(expected))
    assert error <= tolerance(n) * abs(Fraction(expected))


def test_polygamma_closed_forms() -> None:
    # Euler's constant, and Riemann's zeta(2) and zeta(4): DLMF 5.4.12, 5.15.2.
    assert digamma(1) == pytest.approx(-0.5772156649015329, rel=tolerance(0))
    assert polygamma(1, 1) == pytest.approx(math.pi**2 / 6, rel=tolerance(1))
    assert polygamma(1, 0.5) == pytest.approx(math.pi**2 / 2, rel=tolerance(1))
    assert polygamma(3, 1) == pytest.approx(math.pi**4 / 15, rel=tolerance(3))


orders = st.integers(0, 32)
# Multiples of 1/1024, so that x + 1, 2 * x and 1 - x are exact.
dyadic = st.integers(-20 * 1024, 200 * 1024).map(lambda k: k / 1024)


def assert_balanced(n: int, terms: list[float]) -> None:
    """Assert that the terms of an identity add up to 0.

    Each may be wrong by the tolerance, and by some roundings more in the test, relative to its own
    size; but digamma, which is computed as a sum with terms of size 1, only relative to that where
    it is smaller.  (The other orders have zeros only between poles, where the tolerance holds
    relative to the terms cancelling there; those are in the identities too.)
    """
    scale = sum(map(abs, terms)) + (1 if n == 0 else 0)
    assert abs(math.fsum(terms)) <= (tolerance(n) + 8 * U) * scale


@given(orders, dyadic)
def test_polygamma_recurrence(n: int, x: float) -> None:
    assume(x > 0 or x != math.floor(x))
    step = (-1) ** n * power_term(n, x)
    assert_balanced(n, [polygamma(n, x + 1), -polygamma(n, x), -step])


@given(orders, dyadic)
def test_polygamma_duplication(n: int, x: float) -> None:
    assume(x > 0 or 2 * x != math.floor(2 * x))
    constant = 2 * math.log(2) if n == 0 else 0.0
    halves = [polygamma(n, x), polygamma(n, x + 0.5), constant]
    assert_balanced(n, [-(2.0 ** (n + 1)) * polygamma(n, 2 * x), *halves])


@pytest.mark.parametrize("shift", [0, 1, 7])
@given(k=st.integers(1, 512))
def test_polygamma_reflection(shift: int, k: int) -> None:
    # The derivatives of pi cot(pi x) written with sin and cos: not how numerics.py computes them.
    # For shift > 0 it is the cotangent's period that is tested, at negative arguments.
    x = k / 1024
    s, c = math.sin(math.pi * x), math.sin(math.pi * (0.5 - x))
    derivatives = [
        math.pi * c / s,
        -((math.pi / s) ** 2),
        2 * (math.pi / s) ** 3 * c,
        -2 * (math.pi / s) ** 4 * (1 + 2 * c * c),
    ]
    for n, derivative in enumerate(derivatives):
        mirrored = (-1) ** n * polygamma(n, 1 - x + shift)
        assert_balanced(n, [mirrored, -polygamma(n, x - shift), -derivative])


@given(orders, st.floats())
@example(1, 5e-324)
@example(0, -5e-324)
@example(30, 1e300)
@example(32, -4503599627370495.5)
def test_polygamma_is_never_silently_wrong(n: int, x: float) -> None:
    try:
        value = polygamma(n, x)
    except ValueError:
        assert x == -INF or (x <= 0 and x == math.floor(x))
    except OverflowError:
        # Near a pole n! / |x - pole|**(n+1) is all there is; elsewhere nothing overflows.
        assert abs(x if x > 0 else math.remainder(x, 1.0)) < 1e-7
    else:
        assert math.isnan(value) == math.isnan(x)
        assert math.isinf(value) == (n == 0 and x == INF)
        if n > 0 and (x > 0 or (x < 0 and n % 2)):
            assert sign(value) == (1.0 if n % 2 else -1.0)


@pytest.mark.parametrize("n", [0, 1, 2, 31])
def test_polygamma_poles(n: int) -> None:
    for x in (0, 0.0, -0.0, -1, -2.0, Fraction(-6, 2), -1e6, -1e300, -INF):
        with pytest.raises(ValueError, match="math domain error"):
            polygamma(n, x)


def test_polygamma_at_infinity_and_nan() -> None:
    assert digamma(INF) == INF
    for n in range(1, 6):
        assert same(polygamma(n, INF), 0.0 if n % 2 else -0.0)
        assert math.isnan(polygamma(n, NAN))
    assert same(polygamma(2, 1e300), -0.0)  # underflow, from below


@pytest.mark.parametrize(
    ("n", "x"),
    [
        (0, 5e-324),
        (0, -5e-324),
        (1, 1e-155),
        (1, 10**400),
        (2, -1e-103),
        (30, -3.0 + 1e-12),
        (171, 1),
        (171, -1.5),
    ],
)
def test_polygamma_overflow(n: int, x: float) -> None:
    with pytest.raises(OverflowError):
        polygamma(n, x)


def test_polygamma_just_below_overflow() -> None:
    # 1 / x, and a result well in range though n! and x**(n+1) are not.
    assert digamma(1e-308) == pytest.approx(-1e308, rel=tolerance(0))
    assert polygamma(700, -600.5) == polygamma(700, 601.5) != 0  # pi**701 overflows; cot is 0
    assert_balanced(300, [polygamma(300, 300.0), -polygamma(300, 299.0), -power_term(300, 299.0)])


def test_polygamma_converts_its_argument() -> None:
    assert polygamma(2, 3) == polygamma(2, 3.0)
    assert polygamma(2, Fraction(-7, 2)) == polygamma(2, -3.5)
    assert digamma(Fraction(1, 3)) == digamma(1 / 3)
    for bad in ("1", None, 1j):
        with pytest.raises(TypeError):
            polygamma(1, bad)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [-1, 0.0, 1.5, "1", None])
def test_polygamma_order(n: int) -> None:
    with pytest.raises(ValueError, match="non-negative int"):
        polygamma(n, 1.0)


# --------------------------------------------------------------------------------------------- cbrt


@given(finite)
@example(5e-324)
@example(-MAX)
@example(27.0)
def test_cbrt_within_one_ulp(x: float) -> None:
    root = numerics._cbrt(x)
    assert sign(root) == sign(x)
    size, ulp = Fraction(abs(root)), Fraction(math.ulp(root))
    if x:
        assert (size - ulp) ** 3 < abs(Fraction(x)) < (size + ulp) ** 3


@given(st.integers(-(2**17), 2**17))
def test_cbrt_of_cubes(k: int) -> None:
    # The step before the last rounding has an error of 2/3 U, too small to reach another float.
    assert numerics._cbrt(k**3) == k


@pytest.mark.parametrize("cbrt", CBRTS)
def test_cbrt_special_values(cbrt: Callable[[float], float]) -> None:
    for x in (0.0, -0.0, INF, -INF, NAN):
        assert same(cbrt(x), x)
    assert cbrt(-8) == -2.0
    with pytest.raises(OverflowError):
        cbrt(10**400)
    with pytest.raises(TypeError):
        cbrt("8")  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------- exp2


@pytest.mark.parametrize("exp2", EXP2S)
@given(j=st.integers(-16 * 1022, 16 * 1024 - 1))
def test_exp2_of_sixteenths(exp2: Callable[[float], float], j: int) -> None:
    # The C library promises no accuracy; every known one is within 4 ulp.
    value = exp2(j / 16)
    size, slack = Fraction(value), 4 * Fraction(math.ulp(value))
    assert (size - slack) ** 16 < Fraction(2) ** j < (size + slack) ** 16


@pytest.mark.parametrize("exp2", EXP2S)
def test_exp2_special_values(exp2: Callable[[float], float]) -> None:
    for k in range(-1074, 1024):
        assert exp2(k) == math.ldexp(1.0, k)
    for x, expected in ((INF, INF), (-INF, 0.0), (NAN, NAN), (-1e300, 0.0), (-0.0, 1.0)):
        assert same(exp2(x), expected)
    for big in (1024, 1e300, 10**400):
        with pytest.raises(OverflowError):
            exp2(big)
    with pytest.raises(TypeError):
        exp2("1")  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------- fma

Ternary = Callable[[float, float, float], float]


@pytest.mark.parametrize("fma", FMAS)
@given(x=finite, y=finite, z=finite)
@example(x=1e308, y=10.0, z=-MAX)
@example(x=1e-320, y=-1e-320, z=0.0)
@example(x=0.0, y=-3.0, z=-0.0)
@example(x=2.0, y=3.0, z=-6.0)
@example(x=2.0**512, y=2.0**512, z=-(2.0**1023))
@example(x=1 + 2.0**-52, y=1 - 2.0**-52, z=-1.0)
def test_fma_rounds_the_exact_value_once(fma: Ternary, x: float, y: float, z: float) -> None:
    exact = Fraction(x) * Fraction(y) + Fraction(z)
    if exact:
        try:
            expected = math.copysign(float(exact), exact)
        except OverflowError:
            with pytest.raises(OverflowError):
                fma(x, y, z)
            return
    else:  # a sum of two zeros, or of two opposite numbers (a zero product is exact in floats)
        expected = x * y + z if x == 0 or y == 0 else 0.0
    assert same(fma(x, y, z), expected)


@pytest.mark.parametrize("fma", FMAS)
def test_fma_specials_and_signed_zeros(fma: Ternary) -> None:
    values = (INF, -INF, NAN, 0.0, -0.0, 2.0, -2.0)
    for x in values:
        for y in values:
            for z in values:
                expected = x * y + z  # exact for these
                if math.isnan(expected) and not any(map(math.isnan, (x, y, z))):
                    with pytest.raises(ValueError, match="invalid operation in fma"):
                        fma(x, y, z)
                else:
                    assert same(fma(x, y, z), expected)
    assert fma(1e300, 1e300, -INF) == -INF  # where x * y + z would be nan


@pytest.mark.parametrize("fma", FMAS)
def test_fma_arguments(fma: Ternary) -> None:
    assert fma(2, True, Fraction(1, 2)) == 2.5  # type: ignore[arg-type]
    with pytest.raises(OverflowError, match="overflow in fma"):
        fma(MAX, 2.0, 0.0)
    with pytest.raises(OverflowError):
        fma(10**400, 1, 1)
    with pytest.raises(TypeError):
        fma("1", 1, 1)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------ sumprod

SumProd = Callable[..., object]
moderate = st.floats(-1e150, 1e150)


@pytest.mark.parametrize("sumprod", SUMPRODS)
@given(pairs=st.lists(st.tuples(st.integers(), st.integers())))
def test_sumprod_of_exact_kinds(sumprod: SumProd, pairs: list[tuple[int, int]]) -> None:
    p, q = [a for a, _ in pairs], [b for _, b in pairs]
    exact = sum(a * b for a, b in pairs)
    assert sumprod(p, q) == exact
    thirds = sumprod([Fraction(a, 3) for a in p], q)
    assert thirds == Fraction(exact, 3)
    assert isinstance(thirds, Fraction if pairs else int)


@pytest.mark.parametrize("sumprod", SUMPRODS)
@given(pairs=st.lists(st.tuples(moderate, moderate), max_size=20))
def test_sumprod_of_floats(sumprod: SumProd, pairs: list[tuple[float, float]]) -> None:
    # One rounding (of U relative, or half the smallest float) per product, and one of the sum.
    value = sumprod([a for a, _ in pairs], [b for _, b in pairs])
    assert isinstance(value, float if pairs else int)
    products = [Fraction(a) * Fraction(b) for a, b in pairs]
    exact, u = sum(products, Fraction()), Fraction(U)
    slack = u * sum(map(abs, products), Fraction()) + len(products) * Fraction(5e-324)
    assert abs(Fraction(value) - exact) <= slack + u * (abs(exact) + slack)


@given(st.lists(st.tuples(moderate, moderate), min_size=1, max_size=20))
def test_sumprod_adds_rounded_products_exactly(pairs: list[tuple[float, float]]) -> None:
    value = numerics._sumprod([a for a, _ in pairs], [b for _, b in pairs])
    assert value == float(sum(Fraction(a * b) for a, b in pairs))


@pytest.mark.parametrize("sumprod", SUMPRODS)
def test_sumprod_kinds(sumprod: SumProd) -> None:
    assert sumprod([], []) == 0
    value = sumprod([Decimal("1.1"), Decimal("0.2")], [2, Decimal(3)])
    assert isinstance(value, Decimal)
    assert value == Decimal("2.8")
    assert sumprod([1.5, Fraction(1, 3)], [1, 3]) == 2.5
    assert sumprod([True, 2.0], [1, 1]) == 3.0
    assert sumprod([0.1] * 10, [1.0] * 10) == 1.0
    assert sumprod(iter([1, 2]), (x for x in (3, 4))) == 11


@pytest.mark.parametrize("sumprod", SUMPRODS)
def test_sumprod_errors(sumprod: SumProd) -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2, 3)

    for q in ([1, 2], [1, 2, 3, 4], [], numbers()):
        with pytest.raises(ValueError, match="Inputs are not the same length"):
            sumprod([1, 2, 3, 4, 5], q)
    with pytest.raises(TypeError):
        sumprod(["a"], [2])
    with pytest.raises(TypeError):
        sumprod([1], 2)


@pytest.mark.parametrize("sumprod", SUMPRODS)
@pytest.mark.parametrize(
    ("p", "q", "expected"),
    [
        ([1e308, 1.0], [10.0, 1.0], INF),
        ([INF, 1.0], [1.0, -INF], NAN),
        ([INF, 1.0], [0.0, 1.0], NAN),
        ([-INF, 1.0], [2.0, 1.0], -INF),
        ([NAN, INF], [1.0, 2.0], NAN),
        ([1e200, -1e200], [1e200, 1e200], NAN),
        ([1e308, 1e308, -1e308], [1.0, 1.0, 1.0], INF),
    ],
)
def test_sumprod_of_non_finite(
    sumprod: SumProd, p: list[float], q: list[float], expected: float
) -> None:
    value = sumprod(p, q)
    assert isinstance(value, float)
    assert same(value, expected)


def test_sumprod_where_fsum_overflows() -> None:
    quarter = math.ulp(MAX) / 4
    with pytest.raises(OverflowError):
        math.fsum([MAX, quarter, quarter])
    # Rounded after each addition this is MAX; but Python 3.12's sum compensates for the rounding.
    assert numerics._sumprod([MAX, quarter, quarter], [1.0, 1.0, 1.0]) in (MAX, INF)
