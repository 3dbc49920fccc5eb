// JSON has no numbers that are not finite: they are texts after a character that no other text has.
const data = JSON.parse(document.getElementById("data").textContent, (_, x) =>
  typeof x === "string" && x[0] === "\uf8ff" ? Number(x.slice(1)) : x,
);
// The elements of the page that have a name, by it.
const ui = Object.fromEntries([...document.querySelectorAll("[id]")].map((part) => [part.id, part]));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 899px)");

function make(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

// A number as Python shows it.
function show(x, digits = 6) {
  if (typeof x === "string") return x;
  if (typeof x === "boolean") return x ? "True" : "False";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const [figures, power] = x.toExponential(digits - 1).split("e");
  const short = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power < -4 || power >= digits) {
    return `${short(figures)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }
  const text = short(x.toPrecision(digits));
  return text.includes(".") ? text : `${text}.0`;
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const minus = (text) => text.replaceAll("-", "−");

// As on cards: few digits, and a proper minus sign.
function few(x, digits = 4) {
  const size = Math.abs(x);
  return cut(minus(show(x, size >= 10 ** digits && size < 1e6 ? 6 : digits)), 11);
}
