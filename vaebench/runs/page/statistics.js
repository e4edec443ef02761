/* Means, paired tests and rounding: the same formulas as vaebench/runs/tables.py, for whatever is chosen here. */

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

function deviation(values) {
  if (values.length < 2) return NaN;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (values.length - 1));
}

/* log Γ(x) by Lanczos (1964), with the usual nine coefficients. */
const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];
function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const t = x + 6.5;
  const series = LANCZOS.reduce((sum, c, i) => sum + c / (x + i), 0.9999999999998099);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(series);
}

/* The continued fraction of the incomplete beta function, from its front (Lentz 1976). */
function betaFraction(x, a, b) {
  const tiny = 1e-300;
  let d = 1 / (1 - ((a + b) * x) / (a + 1) || tiny),
    c = 1,
    value = d;
  for (let m = 1; m < 2000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / (1 + term * d || tiny);
      c = 1 + term / c || tiny;
      value *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-12) break;
  }
  return value;
}

function incompleteBeta(x, a, b) {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b));
  return x < (a + 1) / (a + b + 2)
    ? (front * betaFraction(x, a, b)) / a
    : 1 - (front * betaFraction(1 - x, b, a)) / b;
}

/* Two-sided p of Student's t with so many degrees of freedom. */
const studentP = (t, freedom) => incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);

/* Of differences: their number, mean, its standard error, and p of the t-test that the mean is zero. */
function tested(differences) {
  const n = differences.length;
  if (!n) return { n, difference: NaN, error: NaN, p: NaN };
  const difference = mean(differences);
  if (n < 2) return { n, difference, error: NaN, p: NaN };
  const error = deviation(differences) / Math.sqrt(n);
  if (!error) return { n, difference, error, p: difference ? 0 : 1 };
  return { n, difference, error, p: studentP(difference / error, n - 1) };
}

/* Two lists of [seed, value]: over the seeds that both have. */
function pairedBySeed(mine, base) {
  const other = new Map(base);
  return tested(mine.filter(([seed]) => other.has(seed)).map(([seed, value]) => value - other.get(seed)));
}

/* Digits behind the point that an error of this size leaves something to say for: two of its own. */
function digitsFor(error) {
  if (!Number.isFinite(error) || error <= 0) return null;
  return Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(error))));
}

function plain(value, digits = null) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (digits !== null) return minus(value.toFixed(digits));
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return minus(String(value));
  return minus(String(Number(value.toPrecision(5))));
}
const minus = (text) => text.replaceAll("-", "−");
const signed = (value, digits = null) => (value > 0 ? "+" : "") + plain(value, digits);

function shownP(p) {
  if (!Number.isFinite(p)) return "–";
  return p < 0.001 ? "< 0.001" : p.toFixed(p < 0.1 ? 3 : 2);
}

const pText = (p) => (p < 0.001 ? "p < 0.001" : `p = ${shownP(p)}`);

/* "3 min", for times that are left and times that were taken. */
function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/* A line smoothed by an exponential average that does not start from zero (Kingma, Ba 2015, section 3). */
function smoothed(values, weight) {
  if (!weight) return values;
  let sum = 0,
    norm = 0;
  return values.map((v) => {
    sum = weight * sum + (1 - weight) * v;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}
