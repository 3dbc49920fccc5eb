/* sg_fail: what Python raises an error for; the caller then runs the Python program. */
static double sg_fail(void)
{
    feraiseexcept(FE_INVALID);
    return 0.0;
}

/* sg_is_whole: whether an int is below 2**53: it is then no larger one that was rounded. */
static int sg_is_whole(double x)
{
    return x > -9007199254740992.0 && x < 9007199254740992.0;
}

/* sg_whole: a Python int, which a double holds; it has no negative zero. */
static double sg_whole(double x)
{
    return sg_is_whole(x) ? x + 0.0 : sg_fail();
}

/* sg_either: an int, or a float that would be the same as an int. */
static double sg_either(double x)
{
    return sg_is_whole(x) && (x != 0 || copysign(1.0, x) == 1.0) ? x : sg_fail();
}

/* sg_div: a / b where a may be infinite or nan: those divide by zero without a flag. */
static double sg_div(double a, double b)
{
    return b == 0 ? sg_fail() : a / b;
}

/* sg_over: a / b, but 0 at b = 0. */
SG_APART static double sg_over(double a, double b)
{
    return b != 0 ? a / b : 0 * a;
}

/* sg_over_of_int: the same where a is an int: 0 then has no sign. */
SG_APART static double sg_over_of_int(double a, double b)
{
    return b != 0 ? a / b : 0.0;
}

/* sg_mod: a % b, with the sign of b. */
static double sg_mod(double a, double b)
{
    double r;
    if (b == 0 || !(a - a == 0) || !(b - b == 0))
        return sg_fail();
    r = fmod(a, b);
    if (r == 0)
        return copysign(0.0, b);
    return (b < 0) != (r < 0) ? r + b : r;
}

/* sg_floordiv: a // b, as Python has it: from the remainder, and rounded to a whole number. */
static double sg_floordiv(double a, double b)
{
    double r, q, whole;
    if (b == 0 || !(a - a == 0) || !(b - b == 0))
        return sg_fail();
    r = fmod(a, b);
    q = (a - r) / b;
    if (r != 0 && (b < 0) != (r < 0))
        q -= 1.0;
    if (q == 0)
        return copysign(0.0, a / b);
    whole = floor(q);
    return q - whole > 0.5 ? whole + 1.0 : whole;
}

/* sg_power: a ** b. */
static double sg_power(double a, double b)
{
    int odd;
    double y;
    if (b == 0)
        return 1.0;
    if (!(a - a == 0) || !(b - b == 0))
        return sg_fail();
    odd = fmod(fabs(b), 2.0) == 1.0;
    if (a == 0)
        return b < 0 ? sg_fail() : odd ? a : 0.0;
    if (a > 0)
        return a == 1 ? 1.0 : pow(a, b);
    if (b != floor(b))
        return sg_fail();
    y = a == -1 ? 1.0 : pow(-a, b);
    return odd ? -y : y;
}

/* sg_whole_power: a ** b of ints: an int unless b is negative. */
static double sg_whole_power(double a, double b)
{
    double y = 1.0;
    if (b < 0)
        return sg_power(a, b);
    if (a == 0 || a == 1)
        return b == 0 ? 1.0 : a;
    if (a == -1)
        return fmod(b, 2.0) == 0 ? 1.0 : a;
    for (; b > 0; b--) {
        y *= a;
        if (!sg_is_whole(y))
            return sg_fail();
    }
    return y;
}

/* sg_power_log: a ** b * log(a) ** n. */
static double sg_power_log(double a, double b, double n)
{
    double y;
    if (n != 0 && a == 0)
        return b > 0 ? a : sg_fail();
    y = sg_power(a, b);
    return n != 0 ? y * sg_power(log(a), n) : y;
}

/* sg_whole_power_log: the same of ints, with n > 0. */
static double sg_whole_power_log(double a, double b, double n)
{
    if (a == 0)
        return b > 0 ? a : sg_fail();
    return sg_whole_power(a, b) * sg_power(log(a), n);
}

/* sg_atan2: on the x axis exactly 0 or pi. */
static double sg_atan2(double y, double x)
{
    if (!(x - x == 0) || !(y - y == 0))
        return sg_fail();
    if (y == 0)
        return copysign(copysign(1.0, x) == 1.0 ? 0.0 : 3.141592653589793, y);
    return atan2(y, x);
}

/* sg_clip: x, but low where x is below it, and then high; nan where a bound is nan. */
static double sg_clip(double x, double low, double high)
{
    if (x < low || low != low)
        x = low;
    return x > high || high != high ? high : x;
}

/* sg_maximum: the larger. */
static double sg_maximum(double a, double b)
{
    return b > a || b != b ? b : a;
}

/* sg_above: whether the larger of a and b is b. */
static int sg_above(double a, double b)
{
    return b > a || b != b;
}

/* sg_below: whether the smaller of a and b is b. */
static int sg_below(double a, double b)
{
    return b < a || b != b;
}

/* sg_minimum: the smaller. */
static double sg_minimum(double a, double b)
{
    return b < a || b != b ? b : a;
}

/* sg_sign: 1, 0 or -1; nan for nan. */
static double sg_sign(double x)
{
    return x != x ? x : (double)((x > 0) - (x < 0));
}

/* sg_isnan: whether x is nan. No test here sets a flag for nan, as x < y does. */
static int sg_isnan(double x)
{
    return x != x;
}

/* sg_isinf: whether x is infinite. */
static int sg_isinf(double x)
{
    return fabs(x) == INFINITY;
}

/* sg_isfinite: whether x is neither infinite nor nan. */
static int sg_isfinite(double x)
{
    return x == x && fabs(x) != INFINITY;
}

/* sg_isclose: whether a and b differ by at most one of the tolerances. */
static int sg_isclose(double a, double b, double relative, double absolute)
{
    double apart;
    if (relative < 0 || absolute < 0) {
        sg_fail();
        return 0;
    }
    if (a == b)
        return 1;
    if (fabs(a) == INFINITY || fabs(b) == INFINITY)
        return 0;
    apart = fabs(b - a);
    return apart <= fabs(relative * b) || apart <= fabs(relative * a) || apart <= absolute;
}

/* sg_max: the first of the largest. */
static double sg_max(int n, const double *x)
{
    double largest = x[0];
    int i;
    for (i = 1; i < n; i++)
        if (x[i] > largest)
            largest = x[i];
    return largest;
}

/* sg_second: the second largest. */
static double sg_second(int n, const double *x)
{
    double largest = x[0], second = -INFINITY;
    int i;
    for (i = 1; i < n; i++)
        if (x[i] > largest) {
            second = largest;
            largest = x[i];
        } else if (x[i] > second)
            second = x[i];
    return second;
}

/* sg_differs: x - m, but 0 where x is above the second largest number, and minus infinity stays. */
SG_APART static double sg_differs(double x, double m, double second)
{
    return x > second ? 0.0 : x > -INFINITY ? x - m : x;
}

/* sg_relative: x / m, but 1 or -1 where the size of x is above all others; 0 where m is 0. */
SG_APART static double sg_relative(double x, double m, double second)
{
    if (fabs(x) > second && x != 0)
        return x > 0 ? 1 : -1;
    return m == 0 ? 0 * x : x / m;
}

/* sg_ldexp: x * 2**i, where i may be larger than C's ints: nothing is left of x then. */
static double sg_ldexp(double x, double i)
{
    return ldexp(x, (int)(i > 5000 ? 5000 : i < -5000 ? -5000 : i));
}

/* sg_exponent: the power of 2 that is above the size of x by less than a factor of 2. */
static double sg_exponent(double x)
{
    int exponent;
    frexp(x, &exponent);
    return exponent;
}

/* sg_fraction: x less its whole part, with the sign of x. */
static double sg_fraction(double x)
{
    return copysign(x - trunc(x), x);
}

/* sg_sech: 1 / cosh(x), without overflow. */
static double sg_sech(double x)
{
    double e = exp(-fabs(x));
    return 2 * e / (1 + e * e);
}

/* sg_relu: x where it is positive, else 0. */
static double sg_relu(double x)
{
    return x <= 0 ? 0.0 : x;
}

/* sg_leaky_relu: x where it is positive, else slope * x. */
SG_APART static double sg_leaky_relu(double x, double slope)
{
    return x > 0 ? x : slope * x;
}

/* sg_elu: x where it is positive, else alpha * (exp(x) - 1). */
SG_APART static double sg_elu(double x, double alpha)
{
    return x > 0 ? x : alpha * expm1(x);
}

/* sg_sigmoid: 1 / (1 + exp(-x)), without overflow. */
static double sg_sigmoid(double x)
{
    double e;
    if (x >= 0)
        return 1 / (1 + exp(-x));
    e = exp(x);
    return e / (1 + e);
}

/* sg_softplus: log(1 + exp(x)), without overflow. */
static double sg_softplus(double x)
{
    return (0.0 > x ? 0.0 : x) + log1p(exp(-fabs(x)));
}

/* sg_silu: x times its sigmoid. */
static double sg_silu(double x)
{
    return x * sg_sigmoid(x);
}

/* sg_gelu: x times the normal distribution's cdf. */
static double sg_gelu(double x)
{
    return x * (erfc(x * -0.7071067811865476) / 2);
}

/* sg_add: add x to `count` parts, whose sum is exact: they do not overlap, the smallest first; return
   how many there are then, one more for each x at most, and 2098 for doubles of any size (Shewchuk
   1997). */
static int sg_add(int count, double *part, double x)
{
    int i, kept = 0;
    for (i = 0; i < count; i++) {
        double p = part[i], large, small, total, rest;
        large = fabs(x) < fabs(p) ? p : x;
        small = fabs(x) < fabs(p) ? x : p;
        total = large + small;
        rest = small - (total - large);
        if (rest != 0)
            part[kept++] = rest;
        x = total;
    }
    if (x != 0)
        part[kept++] = x;
    return kept;
}

/* sg_rounded: the sum of such parts, rounded once. */
static double sg_rounded(int count, const double *part)
{
    int i = count - 1;
    double total, rest = 0.0;
    if (i < 0)
        return 0.0;
    total = part[i];
    while (i > 0 && rest == 0) {
        double before = total, p = part[--i];
        total = before + p;
        rest = p - (total - before);
    }
    /* Half a unit left over was rounded to even: the parts below say which way it really goes. */
    if (i > 0 && ((rest < 0 && part[i - 1] < 0) || (rest > 0 && part[i - 1] > 0))) {
        double twice = rest * 2, moved = total + twice;
        if (twice == moved - total)
            total = moved;
    }
    return total;
}

/* sg_fsum: the sum, rounded once. */
static double sg_fsum(int n, const double *x, double *part)
{
    int i, count = 0;
    for (i = 0; i < n; i++)
        count = sg_add(count, part, x[i]);
    return sg_rounded(count, part);
}

/* sg_logsumexp: log of the sum of exp(x), without overflow. */
static double sg_logsumexp(int n, const double *x, double *part)
{
    int i, at = 0, count = 0;
    for (i = 0; i < n; i++) {
        if (!(x[i] - x[i] == 0))
            return sg_fail();
        if (x[i] > x[at])
            at = i;
    }
    for (i = 0; i < n; i++)
        if (i != at)
            count = sg_add(count, part, exp(x[i] - x[at]));
    return x[at] + log1p(sg_rounded(count, part));
}

/* sg_python: what only Python computes with these bits, by its number in the table of the caller,
   which sets the pointer; it returns 0 where Python raised an error. */
int (*sg_python_function)(int function, int n, const double *x, double *y) = 0;
static double sg_python(int function, int n, const double *x)
{
    fenv_t flags;
    double y = 0.0;
    int good;
    feholdexcept(&flags);
    good = sg_python_function && sg_python_function(function, n, x, &y);
    fesetenv(&flags);
    return good ? y : sg_fail();
}
