class PythonError extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

function domainError() {
  throw new PythonError("ValueError", "math domain error");
}

function rangeError() {
  throw new PythonError("OverflowError", "math range error");
}

// A result that is infinite for finite inputs is too large: Python raises.
function bounded(y, ...xs) {
  return Math.abs(y) === Infinity && xs.every(Number.isFinite) ? rangeError() : y;
}

// Not a number for inputs that are numbers: outside the domain.
function defined(y, ...xs) {
  return Number.isNaN(y) && !xs.some(Number.isNaN) ? domainError() : y;
}

function div(a, b) {
  if (b === 0) throw new PythonError("ZeroDivisionError", "float division by zero");
  return a / b;
}

function over(a, b) {
  return b === 0 ? 0 * a : a / b;
}

function steep(a, b) {
  const y = div(a, b);
  if (!Number.isFinite(y) && Number.isFinite(a) && b === b) {
    throw new PythonError("OverflowError", "a derivative is too large for a float");
  }
  return y;
}

function like(number) {
  return number;
}

function where(condition, a, b) {
  return condition ? a : b;
}

function mod(a, b) {
  if (b === 0) throw new PythonError("ZeroDivisionError", "float modulo");
  const r = a % b;
  if (r === 0) return copysign(0, b);
  return r < 0 !== b < 0 ? r + b : r;
}

function floordiv(a, b) {
  if (b === 0) throw new PythonError("ZeroDivisionError", "float floor division by zero");
  const rest = a % b;
  let quotient = (a - rest) / b;
  if (rest !== 0 && b < 0 !== rest < 0) quotient -= 1;
  if (quotient === 0) return copysign(0, a / b);
  const whole = Math.floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}

function power(a, b) {
  if (a === 1 || b === 0) return 1;
  if (a === -1 && Math.abs(b) === Infinity) return 1;
  if (a === 0 && b < 0) {
    if (b === -Infinity) return Infinity;
    throw new PythonError("ZeroDivisionError", "0.0 cannot be raised to a negative power");
  }
  const y = Math.pow(a, b);
  if (Number.isNaN(y) && !Number.isNaN(a) && !Number.isNaN(b)) {
    if (Math.pow(-a, b) === Infinity) {
      throw new PythonError("OverflowError", "complex exponentiation");
    }
    const message = "a negative number to a fractional power is not a real number";
    throw new PythonError("ValueError", message);
  }
  if (Math.abs(y) === Infinity && Number.isFinite(a) && Number.isFinite(b)) {
    throw new PythonError("OverflowError", "Numerical result out of range");
  }
  return y;
}

function pow(a, b) {
  if (a === 1 || b === 0) return 1;
  if (a === -1 && Math.abs(b) === Infinity) return 1;
  if (a === 0 && b < 0 && b !== -Infinity) domainError();
  return bounded(defined(Math.pow(a, b), a, b), a, b);
}

// Derivatives of a power by its exponent: a ** b * log(a) ** n, its limit at a = 0.
function power_log(a, b, n) {
  if (n && a === 0) {
    if (b <= 0) {
      throw new PythonError("ValueError", "a derivative of 0**b has no finite value at b <= 0");
    }
    return b === b ? a : b;
  }
  return n ? power(a, b) * Math.pow(log(a), n) : power(a, b);
}

function fmod(a, b) {
  return defined(a % b, a, b);
}

function remainder(a, b) {
  if (b === 0 || Math.abs(a) === Infinity) return defined(NaN, a, b);
  if (Math.abs(b) === Infinity) return a;
  const size = Math.abs(b);
  let r = Math.abs(a) % size;
  let odd = (Math.abs(a) % (2 * size)) >= size;
  if (2 * size === Infinity) odd = false;
  if (r > size - r || (r === size - r && odd)) r -= size;
  return r === 0 ? copysign(0, a) : a < 0 ? -r : r;
}

function copysign(a, b) {
  const negative = b < 0 || Object.is(b, -0);
  return negative ? -Math.abs(a) : Math.abs(a);
}

// The exact sum of a and b is s + e, after Knuth.
function twoSum(a, b) {
  const s = a + b;
  const c = s - a;
  return [s, a - (s - c) + (b - c)];
}

// The exact product of a and b is p + e, after Dekker.
function twoProduct(a, b) {
  const split = 134217729;
  const p = a * b;
  const ca = split * a;
  const cb = split * b;
  const a1 = ca - (ca - a);
  const b1 = cb - (cb - b);
  const a2 = a - a1;
  const b2 = b - b1;
  return [p, a2 * b2 - (p - a1 * b1 - a2 * b1 - a1 * b2)];
}

function fma(a, b, c) {
  const plain = a * b + c;
  if (Number.isFinite(a) && Number.isFinite(b) && !Number.isFinite(c)) return c;
  // A product that is too small for a float has a sign still.
  if (plain === 0 && c === 0) return a !== 0 && b !== 0 ? a * b : plain;
  if (!Number.isFinite(plain)) {
    // The product alone may be too large.
    const [large, small] = Math.abs(a) > Math.abs(b) ? [a / 4, b] : [b / 4, a];
    const quarter = large * small + c / 4;
    if (Number.isFinite(quarter)) return bounded(4 * fma(large, small, c / 4), a, b, c);
    return bounded(defined(plain, a, b, c), a, b, c);
  }
  const [p, e] = twoProduct(a, b);
  const [s, f] = twoSum(p, c);
  const y = s + (e + f);
  return Number.isFinite(y) ? y : plain;
}

// Partial sums that do not overlap keep what rounding loses, after Shewchuk.
function fsum(...xs) {
  let partials = [];
  let special = 0;
  for (let x of xs) {
    if (!Number.isFinite(x)) {
      special += x;
      partials = [];
      continue;
    }
    const kept = [];
    for (const partial of partials) {
      const [s, e] = twoSum(x, partial);
      if (e !== 0) kept.push(e);
      x = s;
    }
    if (!Number.isFinite(x)) rangeError();
    partials = [...kept, x];
  }
  const total = partials.reduceRight((a, b) => a + b, 0);
  if (special !== 0) {
    return Number.isNaN(special) && !xs.some(Number.isNaN) ? domainError() : special;
  }
  return Number.isFinite(total) ? total : rangeError();
}

function sum(...xs) {
  return xs.reduce((a, b) => a + b);
}

function prod(...xs) {
  return xs.reduce((a, b) => a * b, 1);
}

function sumprod(...xs) {
  const n = Math.floor(xs.length / 2);
  let high = 0;
  let low = 0;
  for (let i = 0; i < n; i++) {
    const [p, e] = twoProduct(xs[i], xs[n + i]);
    const [s, f] = twoSum(high, p);
    high = s;
    low += e + f;
  }
  const y = Number.isFinite(high + low) ? high + low : plainSumprod(xs, n);
  return xs.length % 2 ? y + xs[2 * n] : y;
}

function plainSumprod(xs, n) {
  let y = 0;
  for (let i = 0; i < n; i++) y += xs[i] * xs[n + i];
  return y;
}

function hypot(...xs) {
  return Math.hypot(...xs);
}

function dist(...xs) {
  const n = xs.length / 2;
  return Math.hypot(...xs.slice(0, n).map((x, i) => x - xs[n + i]));
}

function logsumexp(...xs) {
  if (xs.some(Number.isNaN)) return NaN;
  const largest = Math.max(...xs);
  if (Math.abs(largest) === Infinity) return largest;
  const others = [...xs];
  others.splice(others.indexOf(largest), 1);
  return largest + Math.log1p(fsum(...others.map((x) => Math.exp(x - largest))));
}

function maximum(a, b) {
  return b > a || Number.isNaN(b) ? b : a;
}

function largest(...xs) {
  return xs.reduce(maximum);
}

function second_largest(...xs) {
  const [, second = -Infinity] = xs.sort((a, b) => b - a);
  return second;
}

// x / m, but 1 or -1 where the size of x is above all others; 0 where m is 0.
function relative(x, m, second) {
  if (Math.abs(x) > second && x !== 0) return Math.sign(x);
  return m === 0 ? 0 * x : x / m;
}

// x - m, but 0 where x is above all others; minus infinity stays.
function below(x, m, second) {
  if (x > second) return 0;
  return x === -Infinity ? x : x - m;
}

function minimum(a, b) {
  return b < a || Number.isNaN(b) ? b : a;
}

function sqrt(x) {
  return x < 0 ? domainError() : Math.sqrt(x);
}

function exp(x) {
  return bounded(Math.exp(x), x);
}

function exp2(x) {
  return bounded(Math.pow(2, x), x);
}

function expm1(x) {
  return bounded(Math.expm1(x), x);
}

function log(x) {
  return x <= 0 ? domainError() : Math.log(x);
}

function log2(x) {
  return x <= 0 ? domainError() : Math.log2(x);
}

function log10(x) {
  return x <= 0 ? domainError() : Math.log10(x);
}

function log1p(x) {
  return x <= -1 ? domainError() : Math.log1p(x);
}

function sin(x) {
  return defined(Math.sin(x), x);
}

function cos(x) {
  return defined(Math.cos(x), x);
}

function tan(x) {
  return defined(Math.tan(x), x);
}

function asin(x) {
  return defined(Math.asin(x), x);
}

function acos(x) {
  return defined(Math.acos(x), x);
}

function sinh(x) {
  return bounded(Math.sinh(x), x);
}

function cosh(x) {
  return bounded(Math.cosh(x), x);
}

function sech(x) {
  const e = Math.exp(-Math.abs(x));
  return (2 * e) / (1 + e * e);
}

function acosh(x) {
  return defined(Math.acosh(x), x);
}

function atanh(x) {
  return Math.abs(x) >= 1 ? domainError() : Math.atanh(x);
}

function degrees(x) {
  return x * (180 / Math.PI);
}

function radians(x) {
  return x * (Math.PI / 180);
}

// DLMF 7.6.2: a series whose terms all have one sign.
function erfSeries(x) {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

// DLMF 7.9.2: a continued fraction, evaluated from its far end, for x >= 1.
function erfcFraction(x) {
  if (x > 28) return 0;
  let y = x;
  for (let n = Math.ceil(30 + 400 / (x * x)); n > 0; n--) y = x + n / 2 / y;
  // exp(-x * x), with what the square loses in rounding.
  const [square, rest] = twoProduct(x, x);
  return (Math.exp(-square) * (1 - rest)) / (Math.sqrt(Math.PI) * y);
}

function erf(x) {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) < 2) return x === 0 ? x : erfSeries(x);
  return copysign(1 - erfcFraction(Math.abs(x)), x);
}

function erfc(x) {
  if (Number.isNaN(x)) return x;
  if (x >= 1) return erfcFraction(x);
  return x <= -2 ? 2 - erfcFraction(-x) : 1 - erf(x);
}

function isPole(x) {
  return x <= 0 && x === Math.floor(x);
}

// sin(pi x), with x reduced exactly.
function sinPi(x) {
  const r = x - 2 * Math.round(x / 2);
  const s = Math.abs(r) > 0.5 ? copysign(1 - Math.abs(r), r) : r;
  return Math.sin(Math.PI * s);
}

// Stirling's series, DLMF 5.11.1, for the logarithm of gamma at x >= 15.
function stirling(x) {
  const c = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
  let tail = 0;
  for (let k = c.length - 1; k >= 0; k--) tail = tail / (x * x) + c[k];
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail / x;
}

function gamma(x) {
  if (x === -Infinity || isPole(x)) return domainError();
  if (x === Infinity || Number.isNaN(x)) return x;
  if (x < 0.5) {
    if (x < -185) return copysign(0, sinPi(x));
    // In two halves, either of which is in a float's range.
    if (x < -170) {
      const half = Math.exp(-stirling(1 - x) / 2);
      return (Math.PI / sinPi(x)) * half * half;
    }
    return bounded(Math.PI / (sinPi(x) * gamma(1 - x)), x);
  }
  let product = 1;
  if (x === Math.floor(x) && x < 24) {
    for (let k = 2; k < x; k++) product *= k;
    return product;
  }
  let y = x;
  for (; y < 15; y++) product *= y;
  return bounded(Math.exp(stirling(y)) / product, x);
}

// The logarithm of gamma(1 + z), for |z| <= 1/2, by its series, DLMF 5.7.3: it is exact near its
// zeros. Of zeta(k) - 1 the first terms are added up and the rest estimated.
function lgammaNearOne(z) {
  let total = -Math.log1p(z) + z * (1 - 0.5772156649015329);
  let factor = z * z;
  for (let k = 2; k < 60; k++) {
    total += ((k % 2 ? -1 : 1) * zetaMinusOne(k) * factor) / k;
    factor *= z;
  }
  return total;
}

// Euler and Maclaurin's formula from 12 on, DLMF 25.2.9.
function zetaMinusOne(s) {
  const n = 12;
  let total = 0;
  for (let k = n - 1; k > 1; k--) total += k ** -s;
  let tail = n ** (1 - s) / (s - 1) + n ** -s / 2;
  let term = (s * n ** (-s - 1)) / 2;
  const b = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66];
  for (let j = 0; j < b.length; j++) {
    tail += b[j] * term;
    const i = 2 * j + 1;
    term *= ((s + i) * (s + i + 1)) / ((i + 2) * (i + 3) * n * n);
  }
  return total + tail;
}

function lgamma(x) {
  if (isPole(x) && x !== -Infinity) return domainError();
  if (Math.abs(x) === Infinity || Number.isNaN(x)) return Math.abs(x);
  if (Math.abs(x) < 1e-300) return -Math.log(Math.abs(x));
  if (x < 0.5) return Math.log(Math.PI) - Math.log(Math.abs(sinPi(x))) - lgamma(1 - x);
  if (x <= 1.5) return lgammaNearOne(x - 1);
  if (x <= 2.5) return lgammaNearOne(x - 2) + Math.log1p(x - 2);
  if (x > 1e17) return bounded(x * (Math.log(x) - 1), x);
  let product = 1;
  let y = x;
  for (; y < 15; y++) product *= y;
  return stirling(y) - Math.log(product);
}

const bernoulli = [
  1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
];

function digamma(x) {
  return polygamma(0, x);
}

function polygamma(n, x) {
  if (Number.isNaN(x)) return x;
  if (x === Infinity) return n ? copysign(0, (n % 2) - 1 / 2) : x;
  if (x === -Infinity || isPole(x)) return domainError();
  if (x > 0) return bounded(polygammaPositive(n, x), x);
  // DLMF 5.15.6
  const y = (n % 2 ? -1 : 1) * polygammaPositive(n, 1 - x) - piCotDerivative(n, x);
  return Number.isFinite(y) ? y : rangeError();
}

// By recurrence (DLMF 5.15.5) to n + 10 and up, then the asymptotic series (5.11.2, 5.15.8).
function polygammaPositive(n, x) {
  const steps = Math.max(0, Math.ceil(n + 10 - x));
  const y = x + steps;
  const tail = [0.5];
  let term = (n + 1) / 2 / y;
  bernoulli.forEach((b, k) => {
    const i = 2 * k + 2;
    tail.push(b * term);
    term *= (((n + i) / (i + 1) / y) * (n + i + 1)) / (i + 2) / y;
  });
  if (n === 0) {
    const terms = Array.from({ length: steps }, (_, k) => -1 / (x + k));
    return fsum(Math.log(y), ...terms, -fsum(...tail) / y);
  }
  const ratio = Math.pow(x / y, n + 1);
  const terms = Array.from({ length: steps }, (_, k) => Math.pow(x / (x + k), n + 1));
  let size = fsum(...terms, ratio * (y / n), ...tail.map((t) => ratio * t)) / x;
  for (let k = 1; k <= n; k++) size *= k / x;
  return n % 2 ? size : -size;
}

// The n-th derivative of pi cot(pi x): pi**(n+1) P(cot(pi x)), where P' gives the next P.
function piCotDerivative(n, x) {
  const r = x - Math.round(x);
  let c = 1 / Math.tan(Math.PI * r);
  if (Math.abs(r) > 0.25) c = copysign(Math.tan(Math.PI * (0.5 - Math.abs(r))), r);
  let poly = [0, 1];
  for (let k = 0; k < n; k++) {
    const slope = poly.map((p, i) => -i * p).slice(1);
    poly = Array.from({ length: slope.length + 2 }, (_, i) => (slope[i] || 0) + (slope[i - 2] || 0));
  }
  return poly.reduceRight((total, p) => total * c + p, 0) * Math.pow(Math.PI, n + 1);
}

function relu(x) {
  return x <= 0 ? 0 : x;
}

function leaky_relu(x, slope) {
  return x > 0 ? x : slope * x;
}

function elu(x, alpha) {
  return x > 0 ? x : alpha * Math.expm1(x);
}

function sigmoid(x) {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function silu(x) {
  return x * sigmoid(x);
}

function gelu(x) {
  return x * (erfc(x * -Math.sqrt(0.5)) / 2);
}

function sign(x) {
  return Math.sign(x) + 0; // of -0 it is 0
}

function rounded(x, result) {
  if (Number.isNaN(x)) throw new PythonError("ValueError", "cannot convert float NaN to integer");
  if (!Number.isFinite(x))
    throw new PythonError("OverflowError", "cannot convert float infinity to integer");
  return result;
}

function floor(x) {
  return rounded(x, Math.floor(x));
}

function ceil(x) {
  return rounded(x, Math.ceil(x));
}

function trunc(x) {
  return rounded(x, Math.trunc(x));
}

function ldexp(x, i) {
  if (x === 0 || !Number.isFinite(x)) return x;
  // In three steps, as 2 ** i may be out of a number's range.
  const third = Math.trunc(Math.max(-3000, Math.min(3000, i)) / 3);
  const rest = Math.max(-3000, Math.min(3000, i)) - 2 * third;
  return bounded(x * 2 ** third * 2 ** third * 2 ** rest, x);
}

function exponent(x) {
  if (x === 0 || !Number.isFinite(x)) return 0;
  let e = Math.max(-1074, Math.floor(Math.log2(Math.abs(x)))) + 1;
  while (Math.abs(x) >= 2 ** e) e += 1;
  while (Math.abs(x) < 2 ** (e - 1)) e -= 1;
  return e;
}

function fraction(x) {
  return copysign(Number.isFinite(x) ? x % 1 : Number.isNaN(x) ? NaN : 0, x);
}

function whole(x) {
  return Math.trunc(x);
}

function clip(x, low, high) {
  const y = x < low || Number.isNaN(low) ? low : x;
  return y > high || Number.isNaN(high) ? high : y;
}

function isnan(x) {
  return Number.isNaN(x);
}

function isinf(x) {
  return Math.abs(x) === Infinity;
}

function isfinite(x) {
  return Number.isFinite(x);
}

function isclose(a, b, relative, absolute) {
  if (a === b) return true;
  if (isinf(a) || isinf(b)) return false;
  const largest = Math.max(Math.abs(a), Math.abs(b));
  return Math.abs(a - b) <= Math.max(relative * largest, absolute);
}

function logit(x) {
  if (Number.isNaN(x)) return x;
  if (!(x > 0 && x < 1)) throw new PythonError("ValueError", "math domain error");
  return x > 0.25 ? 2 * Math.atanh(2 * x - 1) : Math.log(x) - Math.log1p(-x);
}

function erfinv(x) {
  if (Number.isNaN(x)) return x;
  if (!(x > -1 && x < 1)) throw new PythonError("ValueError", "math domain error");
  const size = Math.abs(x);
  const half = Math.log1p(-x * x) / 2;
  const base = 2 / (Math.PI * 0.147) + half;
  let y = Math.sqrt(((-half / 0.147) * 2) / (Math.sqrt(base * base - (2 * half) / 0.147) + base));
  for (let i = 0; i < 3; i++) {
    const error = size < 0.5 ? erf(y) - size : 1 - size - erfc(y);
    const step = ((error * Math.sqrt(Math.PI)) / 2) * Math.exp(y * y);
    y -= step / (1 + y * step);
  }
  return copysign(y, x);
}

function sinc(x) {
  return sinc_derivative(x, 0);
}

function sinc_derivative(x, n) {
  if (Number.isNaN(x)) return x;
  if (!Number.isFinite(x)) return 0;
  const z = Math.PI * x;
  let f = 0;
  if (Math.abs(z) > Math.max(n, 1)) {
    f = sinQuarters(x, 0) / z;
    for (let k = 1; k <= n; k++) f = (sinQuarters(x, k) - k * f) / z;
  } else {
    for (let k = n + 30 + Math.trunc(Math.abs(z)); k > n; k--) f = (sinQuarters(x, k) - z * f) / k;
  }
  return f * Math.PI ** n;
}

function sinQuarters(x, k) {
  let r = x - 2 * Math.round(x / 2);
  if (r === 0) r = copysign(r, x);
  if (k % 2) return Math.sin(Math.PI * (0.5 - Math.abs(r))) * (2 - (k % 4));
  if (Math.abs(r) > 0.5) r = Math.sign(r) - r;
  return Math.sin(Math.PI * r) * (1 - (k % 4));
}
