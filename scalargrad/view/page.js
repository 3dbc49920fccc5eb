const data = JSON.parse(document.getElementById("data").textContent);
for (const node of data.nodes) {
  node.edges = node.edges.map(([at, formula, last]) => ({ at, formula, last }));
}
const { nodes, steps, cards, inputs, output, live } = data;
const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const narrow = matchMedia("(max-width: 899px)");
const FIRST = 0xe001; // in formulas the k-th operand is this character plus k
const SMALLEST = 12 / 14; // the scale at which a title has 12 pixels
const top_ = nodes[output].name;
const end_ = steps.length - 1;
// The inputs that are a model's parameters, and the others.
const [own, given] = [true, false].map((wanted) =>
  Array.from({ length: inputs }, (_, k) => k).filter((k) => Boolean(nodes[k].parameter) === wanted),
);

function make(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

// The node that a card with rows shows: its sum, or the function of that.
function lastOf(card) {
  return card.function < 0 ? card.sum : card.function;
}

function isNeuron(card) {
  return card.rows.some(([w]) => w >= 0 && card.members.includes(nodes[card.sum].edges[w].at));
}

// --- numbers as Python shows them -----------------------------------------------------------

function show(x, digits = 6) {
  if (typeof x === "string") return x;
  if (typeof x === "boolean") return x ? "True" : "False";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const [figures, power] = x.toExponential(digits - 1).split("e");
  const k = Number(power);
  const short = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (k < -4 || k >= digits) {
    return `${short(figures)}e${k < 0 ? "-" : "+"}${String(Math.abs(k)).padStart(2, "0")}`;
  }
  const text = short(x.toPrecision(digits));
  return text.includes(".") ? text : `${text}.0`;
}

// As on cards: four digits, and a proper minus sign.
function few(x, digits = 4) {
  const size = Math.abs(x);
  const text = show(x, size >= 10 ** digits && size < 1e6 ? 6 : digits).replace(/^-/, "−");
  return text.length > 11 ? `${text.slice(0, 10)}…` : text;
}

function inBrackets(text) {
  return /^[-−]|\//.test(text) ? `(${text})` : text;
}

function inFormula(x, digits) {
  return inBrackets(show(x, digits));
}

function fill(formula, operands, result) {
  const text = Array.from(formula, (c) => {
    const k = c.charCodeAt(0) - FIRST;
    return k === -1 ? result : k >= 0 && k < operands.length ? operands[k] : c;
  }).join("");
  return text.replace(/(?<=[([]|, )\(([^()]*)\)(?=[\])]|, )/g, "$1");
}

function term(name) {
  return /^[\p{L}\p{N}_.'[\]]+$/u.test(name) ? name : `(${name})`;
}

function close(a, b, most = 1e-9) {
  const same = a === b || (a !== a && b !== b);
  return same || Math.abs(a - b) <= most * Math.max(Math.abs(a), Math.abs(b));
}

// --- computing everything ------------------------------------------------------------------

function failure(error, k, numbers, where) {
  const { op, edges } = nodes[k];
  const named = edges.slice(0, 8).map(({ at }, i) => {
    return at === null || at >= inputs ? show(numbers[i]) : `${nodes[at].name}=${show(numbers[i])}`;
  });
  if (edges.length > 8) named.push(`... ${edges.length - 8} more`);
  const call = /^\w+$/.test(op) ? `${op}(${named.join(", ")})` : named.join(` ${op} `);
  let cure = data.ops[op][2];
  if (error.kind === "OverflowError") {
    cure = "the result is too large for a float: scale the inputs down";
  } else if (error.kind === "ZeroDivisionError") {
    cure = where
      ? "the derivative is not finite there: keep away from that point"
      : "keep the divisor away from zero";
  }
  const kind = error.kind || error.name;
  return `${kind}: ${error.message}, in ${where}${call}${cure ? `; ${cure}` : ""}`;
}

function operandsOf(k) {
  return nodes[k].edges.map(({ at, last }) => (at === null ? last : state.value[at]));
}

// The value of node k to be shown: as Python shows an int, where it always is one.
function valueOf(k) {
  const x = state.value[k];
  return nodes[k].whole && Number.isSafeInteger(x) ? String(x + 0) : x;
}

// Why this is not the path of these numbers: "" if it is.
function elsewhere(v) {
  for (const [k, ask] of branches.entries()) {
    const [condition, truth] = data.branches[k];
    try {
      if (Boolean(ask(v)[0]) === truth) continue;
    } catch (error) {
      return `${error.kind || error.name}: ${error.message}, in the condition ${condition}`;
    }
    const now = show(!truth);
    return `${condition} is ${now} here, and ${top_} goes another way: draw it at these numbers`;
  }
  return "";
}

// The chain rule itself. `reached` counts the steps that can be taken: all, unless one fails.
function compute(leaves) {
  const s = { value: [...leaves], local: [], product: [], total: [], reached: steps.length };
  s.error = elsewhere(leaves);
  const gradient = nodes.map(() => 0);
  gradient[output] = 1;
  // What nothing arrives at is not asked for its derivatives: a side that was not taken.
  s.arrived = nodes.map((_, k) => k === output);
  if (s.error) s.reached = 0;
  else steps.some(([kind, k, e], i) => {
    try {
      if (kind === "forward") {
        [s.value[k]] = program[k - inputs].forward(s.value);
      } else if (kind === "backward") {
        const { chooses, edges } = nodes[k];
        s.local[k] ??= s.arrived[k] ? program[k - inputs].local(s.value, s.value[k]) : edges.map(() => 0);
        const { at } = edges[e];
        s.arrived[at] ||= s.arrived[k] && !(chooses && s.local[k][e] === 0);
        s.product[i] = gradient[k] * s.local[k][e];
        gradient[at] += s.product[i];
        s.total[i] = gradient[at];
      }
      return false;
    } catch (error) {
      const where = kind === "backward" ? "the derivative of " : "";
      const operands = nodes[k].edges.map(({ at, last }) => (at === null ? last : s.value[at]));
      s.error = failure(error, k, operands, where);
      s.reached = i;
      return true;
    }
  });
  s.gradient = gradient;
  return s;
}

function outputAt(leaves) {
  const value = [...leaves];
  if (elsewhere(value)) throw new Error("another path");
  for (let k = inputs; k < nodes.length; k++) [value[k]] = program[k - inputs].forward(value);
  return value[output];
}

// --- the lines of explain --------------------------------------------------------------------

function slope(k) {
  return `∂${top_}/∂${nodes[k].name}`;
}

function namesOf(k) {
  return nodes[k].edges.map(({ at }) => (at === null ? "" : term(nodes[at].name)));
}

// The local derivative as a formula; as a number where the formula has no value or another.
function slopeOf(k, e) {
  const { formula, last, at } = nodes[k].edges[e];
  const number = state.local[k][e];
  if (!live && at !== null && last) return last;
  const written = live && program[k - inputs].written;
  if (written && state.arrived[k]) {
    try {
      if (!close(written(state.value, state.value[k])[e], number)) return inFormula(number);
    } catch {
      return inFormula(number);
    }
  }
  return fill(formula, namesOf(k), term(nodes[k].name));
}

// How many digits, `least` or more, the numbers need for `result` to be seen in them.
function digitsFor(least, numbers, calculate, result) {
  for (const digits of [least, 6, 9, 12]) {
    const rounded = numbers.map((x) => (typeof x === "number" ? Number(x.toPrecision(digits)) : x));
    try {
      if (close(calculate(rounded), result, least < 6 ? 1e-3 : 1e-4)) return digits;
    } catch {
      continue;
    }
  }
  return 17;
}

// The numbers of node k's operands, as they stand in its formula.
function numbersOf(k, least = 6) {
  const numbers = operandsOf(k);
  const calculate = (rounded) => {
    const values = [...state.value];
    nodes[k].edges.forEach(({ at }, e) => {
      if (at !== null) values[at] = rounded[e];
    });
    return program[k - inputs].forward(values)[0];
  };
  const digits = live ? digitsFor(least, numbers, calculate, state.value[k]) : least;
  return nodes[k].edges.map(({ at }, e) => inFormula(at === null ? numbers[e] : valueOf(at), digits));
}

// An addition in the fewest digits that show it, with proper minus signs.
function addition(a, b, total) {
  const numbers = [a, b].map(Number);
  const digits = live ? digitsFor(4, numbers, ([x, y]) => x + y, Number(total)) : 6;
  const [x, y] = [live ? show(numbers[0], digits) : a, live ? inFormula(numbers[1], digits) : inBrackets(b)];
  return `${x} + ${y}`.replaceAll("-", "−");
}

function lineOf(i) {
  const [kind, k, e] = steps[i];
  const node = nodes[k];
  if (i >= state.reached) return `${node.name}: ${state.error}`;
  if (kind === "seed") return `${slope(k)} = ${data.one}`;
  if (kind === "forward") {
    const sides = [fill(node.formula, namesOf(k)), fill(node.formula, numbersOf(k))];
    return `${node.name} = ${sides.join(" = ")} = ${show(valueOf(k))}`;
  }
  const { at } = node.edges[e];
  const above = gradientAt(k, i - 1);
  const sofar = arrivals[at].filter(taken).length > 1 ? `  (so far ${show(state.total[i])})` : "";
  return (
    `${slope(at)} += ${slope(k)} · ${slopeOf(k, e)} = ` +
    `${inFormula(above)} · ${inFormula(state.local[k][e])} = ${show(state.product[i])}${sofar}`
  );
}

// The steps that add to the gradient of each node, in order.
const arrivals = nodes.map(() => []);
const forwardStep = new Map();
const edgeStep = new Map();
steps.forEach(([kind, k, e], i) => {
  if (kind === "forward") forwardStep.set(k, i);
  if (kind === "seed") arrivals[k].push(i);
  if (kind === "backward") {
    arrivals[nodes[k].edges[e].at].push(i);
    edgeStep.set(`${k}-${e}`, i);
  }
});
const seedAt = steps.findIndex(([kind]) => kind === "seed");

// What has accumulated in node k after step i: null if nothing has arrived yet.
function gradientAt(k, i) {
  const last = arrivals[k].findLast((j) => j <= i && j < state.reached && taken(j));
  if (last !== undefined) return last === seedAt ? data.one : state.total[last];
  const done = state.reached === steps.length && i >= end_;
  return done && data.differentiable ? data.zero : null;
}

// Whether a step is one that something arrives at.
function taken(i) {
  return !state.arrived || steps[i][0] !== "backward" || state.arrived[steps[i][1]];
}

function known(k, i) {
  return k < inputs || (forwardStep.get(k) <= i && forwardStep.get(k) < state.reached);
}

// --- what is stepped through -----------------------------------------------------------------

// A unit is what one press of a key shows: some steps, those from `from` up to `end`. `step` is the
// last of them that has a card, and `count` how many have one.
const cardOf = [];
cards.forEach((card, c) => card.members.forEach((k) => (cardOf[k] = c)));
let units = [];

function makeUnits(by) {
  units = [{ kind: "given", from: 0, end: -1, card: -1 }];
  let first = null;
  steps.forEach(([kind, k], i) => {
    const card = cardOf[k] ?? -1;
    const before = units[units.length - 1];
    // What has no card of its own changes nothing.
    const joins = by !== "numbers" && before.kind === kind && before.card === card;
    const whole = by === "cards" || (card >= 0 && !["op", "leaf"].includes(cards[card].kind));
    if (before.end >= 0 && (card < 0 || (joins && whole))) {
      before.end = i;
      if (card >= 0) before.step = i;
      if (card >= 0) before.count++;
    } else if (card < 0) first ??= i;
    else {
      units.push({ kind, from: first ?? i, end: i, card, step: i, count: 1 });
      first = null;
    }
  });
  units.push({ kind: "done", from: steps.length, end: end_, card: -1 });
}

let state = live ? compute(data.numbers) : { ...data.state, reached: steps.length, error: "" };
if (!live && data.failure) state.error = data.failure;
let leaves = live ? [...data.numbers] : [];
let unit = 0;
let playing = false;
let token = 0; // another one ends what moves
let chosen = -1;
let plotted = 0;
let from = null; // where the leaf that is being changed was, and the tangent there

function at() {
  return units[unit].end;
}

// --- sentences ---------------------------------------------------------------------------------

// A sentence is a list of texts, and of pairs of a text and "v" (a value) or "g" (a gradient).
const V = (text) => [text, "v"];
const G = (text) => [text, "g"];
const listed = (texts, word = "and") =>
  texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} ${word} ${texts.at(-1)}`;

function operandTexts(k) {
  return nodes[k].edges.map(({ at, last }) => (at === null ? show(last) : nodes[at].name));
}

function sentence(u) {
  if (u.kind === "given") {
    const texts = given.slice(0, 6).map((k) => `${nodes[k].name} = ${few(valueOf(k))}`);
    const rest = inputs - texts.length;
    if (rest > 0) texts.push(`${rest} more number${rest > 1 ? "s" : ""}`);
    const verb = texts.length > 1 || rest > 1 ? "are" : "is";
    return [`Given ${verb} `, V(listed(texts)), ". First the values are computed."];
  }
  if (u.kind === "done") return doneSentence();
  const [, k] = steps[u.step];
  if (u.from >= state.reached) return ["Here it stops."];
  if (u.kind === "seed") {
    return [`Now backward: ${top_} grows exactly as fast as itself: `, G(data.one), "."];
  }
  const card = u.card >= 0 ? cards[u.card] : null;
  const single = u.count === 1;
  if (u.kind === "forward") {
    if (card?.kind === "rows" && !(single && card.function >= 0)) return sumSentence(card);
    return single ? forwardSentence(k) : manyForward(u, card);
  }
  if (card?.kind === "rows" && !single) return sumBackward(card);
  return single ? backwardSentence(u.step) : manyBackward(u, card);
}

function doneSentence() {
  if (!data.differentiable || state.error) return ["There is no gradient here."];
  const [first, ...others] = (given.length ? given : [0]).slice(0, 4);
  const found = ["Done. If ", nodes[first].name, " grows a little, ", top_, " grows "];
  found.push(G(few(gradientAt(first, end_))), " times as much");
  others.forEach((k) => found.push(`; if ${nodes[k].name} does, `, G(few(gradientAt(k, end_))), " times"));
  found.push(".");
  if (live) found.push(" Drag a number and everything follows.");
  return found;
}

function forwardSentence(k) {
  const node = nodes[k];
  const [words, kind] = data.ops[node.op];
  const texts = operandTexts(k);
  let said = words.replace(/\{(\d)\}/g, (_, e) => texts[e]);
  if (words.startsWith("Apply")) said += ` to ${listed(texts)}`;
  const numbers = fill(node.formula, numbersOf(k, 4)).replaceAll("-", "−");
  const result = `${node.name} = ${numbers} = ${few(valueOf(k))}`;
  return [`${said}: `, V(result), "."];
}

function sumSentence(card) {
  const { op, name } = nodes[card.sum];
  if (op !== "sumprod") return forwardSentence(card.sum);
  const last = lastOf(card);
  const total = few(valueOf(card.sum), 3);
  const what = nodes[last].name;
  const found = isNeuron(card)
    ? [`Neuron ${what} weighs its inputs and adds: sum `, V(total)]
    : [`${what} multiplies in pairs and adds: `, V(total)];
  if (card.function >= 0) {
    found.push(`; ${nodes[last].op} makes it `, V(few(valueOf(last), 3)));
  }
  return [...found, "."];
}

function manyForward(u, card) {
  const results = card.shown.map((k) => `${nodes[k].name} = ${few(valueOf(k))}`);
  return [`${card.title} computes `, V(listed(results)), `, in ${u.end - u.from + 1} steps.`];
}

function manyBackward(u, card) {
  const got = card.shown.map((k) => few(gradientAt(k, u.from - 1)));
  const targets = new Map();
  for (let i = u.from; i <= u.end; i++) {
    const [, k, e] = steps[i];
    const { at } = nodes[k].edges[e];
    if (!card.members.includes(at)) targets.set(at, (targets.get(at) ?? 0) + Number(state.product[i]));
  }
  const who = card.kind === "group" ? card.title : nodes[card.shown[0]].name;
  const found = [`${who} gets `, G(listed(got)), " and passes on "];
  const shown = [...targets].slice(0, 3);
  shown.forEach(([k, x], i) => found.push(i ? "; " : "", G(few(x)), ` to ${nodes[k].name}`));
  if (targets.size > 3) found.push(`; and so on to ${targets.size - 3} more`);
  if (!targets.size) found.push("what its own parameters get");
  return [...found, "."];
}

function sumBackward(card) {
  const last = lastOf(card);
  const name = nodes[last].name;
  const got = gradientAt(last, end_);
  const neuron = isNeuron(card);
  const found = [`${neuron ? "Neuron " : ""}${name} gets `, G(few(got, 3)), " back"];
  let here = got;
  if (card.function >= 0) {
    here = gradientAt(card.sum, end_);
    found.push(`, times the slope of ${nodes[last].op} `, few(state.local[last][0], 3), ": ", G(few(here, 3)));
  }
  const sum = nodes[card.sum];
  if (sum.op === "sumprod") {
    const each = neuron
      ? ". Each weight gets that times its input, each input that times its weight."
      : ". Each factor gets that times the other one.";
    return [...found, each];
  }
  const kind = data.ops[sum.op][1];
  const rule = { sum: "A sum passes that on to all unchanged.", product: "Each factor gets that times all the others." };
  return [...found, ". ", rule[kind] || `Each operand gets that times the slope of ${sum.op} by it.`];
}

function backwardSentence(i) {
  const [, k, e] = steps[i];
  const node = nodes[k];
  const to = node.edges[e].at;
  const kind = data.ops[node.op][1];
  const local = state.local[k][e];
  const arrived = gradientAt(k, i - 1);
  const name = nodes[to].name;
  const equation = `${few(arrived)} × ${inBrackets(few(local))} = ${few(state.product[i])}`;
  const flows = [": ", G(equation), ` flows back to ${name}.`];
  let found;
  const number = Number(local);
  if (!taken(i)) return [`Nothing arrives at ${node.name}: it was not taken, and passes nothing to ${name}.`];
  if (kind === "sum" || (kind === "difference" && number > 0)) {
    found = [`A ${kind} passes the gradient on unchanged: `, G(few(state.product[i])), ` flows back to ${name}.`];
  } else if (kind === "difference") {
    const who = node.op === "neg" ? "A turned sign" : "A difference";
    found = [`${who} passes the gradient on with its sign changed: `, G(few(state.product[i])), ` flows back to ${name}.`];
  } else if (node.op === "*") {
    const other = node.edges[1 - e];
    const value = other.at === null ? show(other.last) : `${nodes[other.at].name} = ${few(valueOf(other.at))}`;
    found = [`A product passes it on times the other factor, ${value}`, ...flows];
  } else if (kind === "switch" && number === 0) {
    found = [`${node.op} is off here: nothing passes to ${name}.`];
  } else if (kind === "switch" && number === 1) {
    found = [`${node.op} is on here and passes it on unchanged: `, G(few(state.product[i])), ` flows back to ${name}.`];
  } else if (kind === "choice" && number === 0) {
    found = [`${name} was not taken: nothing passes to it.`];
  } else if (kind === "choice" && number === 1) {
    const who = { maximum: "The larger takes all", minimum: "The smaller takes all" }[node.op];
    found = [`${who || `${name} was taken and gets all`}: `, G(few(state.product[i])), ` flows back to ${name}.`];
  } else {
    const given = node.edges
      .filter(({ at }) => at !== null && (node.edges.length <= 2 || at === to))
      .slice(0, 2)
      .map(({ at }) => `${nodes[at].name} = ${few(valueOf(at))}`);
    const formula = slopeOf(k, e);
    const equals = formula === inFormula(local) ? "" : `${formula} = `;
    const by = node.edges.filter(({ at }) => at !== null).length > 1 ? ` by ${name}` : "";
    found = [`At ${listed(given)} ${node.op} has the slope${by} ${equals}`, `${few(local)}`, ...flows];
  }
  const times = arrivals[to].filter(taken).length;
  const before = gradientAt(to, i - 1);
  if (before !== null && times > 1) {
    const sum = `${addition(before, state.product[i], state.total[i])} = ${few(state.total[i])}`;
    const used = times === 2 ? "twice; the two" : `${times} times; they`;
    found.push(` ${name} is used ${used} add up: `, G(sum), ".");
  }
  return found;
}

function chipsOf(u) {
  const chip = (kind, text, small) => ({ kind, text, small });
  if (u.kind === "given" || u.from >= state.reached) return [];
  if (u.kind === "seed") return [chip("g", data.one, slope(output))];
  if (u.kind === "done") {
    if (!data.differentiable || state.error) return [];
    return given.slice(0, 4).map((k) => chip("g", few(gradientAt(k, end_)), slope(k)));
  }
  const [, k, e] = steps[u.step];
  if (u.count !== 1) return [];
  const node = nodes[k];
  if (u.kind === "forward") {
    const signs = { "+": "+", "-": "−", "*": "·", "/": "/" };
    const found = [];
    node.edges.slice(0, 4).forEach(({ at, last }, i) => {
      if (i) found.push(signs[node.op] || ",");
      found.push(chip("v", few(at === null ? last : valueOf(at)), at === null ? "" : nodes[at].name));
    });
    if (node.edges.length > 4) found.push("…");
    found.push(signs[node.op] ? "=" : `→ ${node.op} →`, chip("v", few(valueOf(k)), node.name));
    return found;
  }
  const to = node.edges[e].at;
  const formula = slopeOf(k, e);
  const why = formula === inFormula(state.local[k][e]) || formula.length > 40 ? "" : ` = ${formula}`;
  const before = gradientAt(to, u.step - 1);
  const found = [chip("g", few(gradientAt(k, u.step - 1)), `${slope(k)} arrived`), "×"];
  found.push(chip("l", few(state.local[k][e]), `∂${node.name}/∂${nodes[to].name}${why}`), "=");
  found.push(chip("g", few(state.product[u.step]), `goes to ${nodes[to].name}`));
  if (before !== null) {
    found.push("+", chip("g", few(before), "already there"), "=");
    found.push(chip("g", few(state.total[u.step]), slope(to)));
  }
  return found;
}

function say(u) {
  const parts = sentence(u).map((part) => {
    return Array.isArray(part) ? make("b", { className: part[1] }, part[0]) : part;
  });
  byId("sentence").replaceChildren(...parts);
  const chips = chipsOf(u).map((part) => {
    if (typeof part === "string") return make("span", { className: "sym" }, part);
    const { kind, text, small } = part;
    return make("span", { className: `chip ${kind}` }, make("span", {}, text), make("small", {}, small));
  });
  byId("chips").replaceChildren(...chips);
}

// --- the picture ---------------------------------------------------------------------------------

const NS = "http://www.w3.org/2000/svg";
function draw(tag, attributes = {}, text) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

const svg = byId("graph");
const layers = Object.fromEntries(["edges", "badges", "cards", "pills"].map((name) => [name, draw("g")]));
let form = null;
let drawn = []; // of each card: its group, and what changes in it
let arrows = []; // of each arrow: its path and what stands on it
let scale = 1;
let view = [0, 0, 1, 1];
let room = [1, 1]; // the size of the picture on the screen: asking for it costs a layout

function measure() {
  room = [byId("picture").clientWidth, byId("picture").clientHeight];
}

function chooseForm() {
  const [w, h] = room;
  const fits = ({ size }) => Math.min(w / (size[0] + 32), h / (size[1] + 32));
  const { wide, close, compact, tall } = data.forms;
  const candidates = narrow.matches ? [tall] : [wide, close, compact].filter(Boolean);
  return candidates.find((one) => fits(one) >= SMALLEST) || candidates.at(-1);
}

// A path of curves that begin and end level (upright, where the picture is tall), and of pieces
// between that are straight.
function pathOf(points, tall) {
  const [begin, ...others] = points.split(" ").map((point) => point.split(",").map(Number));
  let [x, y] = begin;
  let path = `M${x} ${y}`;
  for (const [a, b] of others) {
    if (b === undefined) {
      path += `${tall ? "V" : "H"}${a}`;
      if (tall) y = a;
      else x = a;
      continue;
    }
    const [p, q] = [(x + a) / 2, (y + b) / 2];
    path += tall ? `C${x} ${q} ${a} ${q} ${a} ${b}` : `C${p} ${y} ${p} ${b} ${a} ${b}`;
    [x, y] = [a, b];
  }
  return path;
}

function build() {
  form = chooseForm();
  svg.replaceChildren(...Object.values(layers));
  Object.values(layers).forEach((layer) => layer.replaceChildren());
  arrows = form.lines.map(([c, place, x, y, points]) => {
    const d = pathOf(points, form.tall);
    const [source, row, edges] = cards[c].arrows[place];
    const edge = draw("path", { class: "edge", d });
    const river = draw("path", { class: "river", d });
    const length = edge.getTotalLength();
    const turned = form.tall;
    const end = edge.getPointAtLength(length);
    const start = edge.getPointAtLength(0);
    const arrow = draw("path", { class: "edge forward", d: turned ? "M-7 -9L0 0L7 -9" : "M-9 -7L0 0L-9 7" });
    arrow.setAttribute("transform", `translate(${end.x},${end.y})`);
    const head = draw("path", { class: "head", d: turned ? "M-8 12L0 0L8 12z" : "M12 -8L0 0L12 8z" });
    const badge = draw("g", { class: "badge", transform: `translate(${x},${y})` });
    badge.append(draw("rect", { rx: 10 }), draw("text"), draw("text", { class: "why", y: 13 }));
    layers.edges.append(edge, river, arrow, head);
    layers.badges.append(badge);
    const rows = cards[c].kind === "rows" || edges.length > 1;
    return { x, y, card: c, source, row, edges, edge, river, arrow, head, badge, start, length, rows };
  });
  drawn = cards.map((card, c) => makeCard(card, c));
  drawn.forEach(({ group }) => layers.cards.append(group));
  overview();
}

function makeCard(card, c) {
  const [x, y, w, h] = form.cards[c];
  const leaf = card.kind === "leaf";
  const rows = card.kind === "rows" && form.rows > 0;
  const kind = `card ${leaf ? "leaf" : card.kind === "group" ? "group" : "op"}`;
  const changes = leaf && live;
  const group = draw("g", {
    class: `${kind}${changes ? " live" : ""}${card.shown.includes(output) ? " out" : ""}`,
    transform: `translate(${x},${y})`,
    tabindex: 0,
    role: changes ? "spinbutton" : "button",
    "data-card": c,
  });
  const r = leaf ? 22 : 12;
  const strip = rows
    ? `M${w - 82} 2h68a12 12 0 0 1 12 12v${h - 28}a12 12 0 0 1 -12 12h-68z`
    : `M2 ${h - 30}h${w - 4}v${28 - r}a${r} ${r} 0 0 1 -${r} ${r}h-${w - 4 - 2 * r}a${r} ${r} 0 0 1 -${r} -${r}z`;
  group.append(draw("rect", { class: "b", width: w, height: h, rx: r }));
  group.append(draw("path", { class: "tint", d: strip }));
  const parts = rows ? makeRows(card, w, h) : makeFaces(card, w, h);
  group.append(...parts.elements);
  const title = draw("title");
  group.firstChild.append(title);
  if (changes) makeDraggable(group, card.shown[0]);
  else group.addEventListener("click", () => choose(c));
  group.addEventListener("keydown", (event) => {
    if (!changes && event.key === "Enter") choose(c);
  });
  return { group, title, ...parts };
}

function cut(text, most) {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

function makeFaces(card, w, h) {
  const small = w < 150;
  const most = small ? 14 : 19;
  const name = card.kind === "rows" ? rowsTitle(card) : card.title;
  const short = name.length > most && name.includes(" = ") ? name.split(" = ")[0] : name;
  const title = draw("text", { class: "t", x: w / 2, y: small ? 18 : 20 }, cut(short, most));
  const value = draw("text", { class: "v", x: w / 2, y: h - (small ? 37 : 41) });
  const gradient = draw("text", { class: "g", x: w / 2, y: h - 10 });
  const paint = (i) => {
    const values = card.shown.map((k) => (known(k, i) ? few(valueOf(k)) : "…")).join(", ");
    put(value, cut(values, 20));
    value.style.fontSize = values.length > (small ? 8 : 11) ? "14px" : "";
    const found = card.shown.map((k) => gradientAt(k, i)).filter((g) => g !== null);
    const text = found.map((g) => few(g)).join(", ");
    const whole = card.shown.length === 1 ? `${slope(card.shown[0])} = ${text}` : "";
    put(gradient, !found.length ? "" : whole && whole.length <= most ? whole : `∂ ${cut(text, most - 2)}`);
  };
  return { elements: [title, value, gradient], value, gradient, paint };
}

function rowsTitle(card) {
  const last = lastOf(card);
  const { name, op } = nodes[last];
  return `${name} · ${op === "sumprod" ? "sum" : op}`;
}

function rowTexts(card, row) {
  const [weight, operand] = row;
  const sum = nodes[card.sum];
  const value = (e) => {
    const { at, last } = sum.edges[e];
    return at === null ? Number(last) : state.value[at];
  };
  const name = (e) => nodes[sum.edges[e].at]?.name ?? few(value(e), 3);
  if (weight < 0) return [name(operand), few(value(operand), 3), operand];
  if (operand < 0) return ["bias", few(value(weight), 3), weight];
  const own = card.members.includes(sum.edges[weight].at);
  const first = own ? few(value(weight), 3) : name(weight);
  const product = live ? few(value(weight) * value(operand), 3) : "";
  return [`${first} · ${cut(name(operand), 9)}`, product, weight];
}

// What has arrived at an operand of a sum by step i: null if nothing has.
function passed(k, e, i) {
  const step = edgeStep.get(`${k}-${e}`);
  return step !== undefined && step <= i && step < state.reached ? state.product[step] : null;
}

function makeRows(card, w, h) {
  const last = lastOf(card);
  const column = w - 82;
  const { name, op } = nodes[last];
  const elements = [
    draw("text", { class: "r", x: 12, y: 20, style: "font-weight:650" }, cut(name, 12)),
    draw("text", { class: "n k", x: column - 10, y: 20 }, cut(op === "sumprod" ? "sum" : op, 12)),
    draw("path", { class: "sep", d: `M1 28h${w - 2}` }),
  ];
  const lines = [];
  const line = (y) => {
    const texts = [
      draw("text", { class: "r", x: 12, y }),
      draw("text", { class: "n", x: column - 10, y }),
      draw("text", { class: "rg", x: w - 10, y }),
    ];
    elements.push(...texts);
    return texts;
  };
  let y = 28;
  const all = card.rows.length <= form.rows;
  const shown = all ? card.rows : card.rows.slice(0, form.rows - 1);
  shown.forEach((row) => lines.push([row, line((y += 23) - 6)]));
  if (!all) line((y += 23) - 6)[0].textContent = `… ${card.rows.length - shown.length} more`;
  elements.push(draw("path", { class: "sep", d: `M1 ${y + 2}h${w - 2}` }));
  const total = card.function < 0 ? null : line((y += 23) - 3);
  const value = draw("text", { class: "v", x: column - 10, y: h - 9, style: "text-anchor:end;font-size:20px" });
  const gradient = draw("text", { class: "rg", x: w - 10, y: h - 10, style: "font-size:15px" });
  elements.push(value, gradient);
  const paint = (i) => {
    const there = known(card.sum, i);
    lines.forEach(([row, [first, middle, end]]) => {
      const [text, number, e] = rowTexts(card, row);
      const arrived = passed(card.sum, e, i);
      put(first, text);
      put(middle, there ? number : "…");
      put(end, arrived === null ? "" : few(arrived, 3));
    });
    if (total) {
      const g = gradientAt(card.sum, i);
      put(total[0], "sum");
      put(total[1], there ? few(valueOf(card.sum), 3) : "…");
      put(total[2], g === null ? "" : few(g, 3));
    }
    put(value, known(last, i) ? few(valueOf(last)) : "…");
    const g = gradientAt(last, i);
    put(gradient, g === null ? "" : few(g, 3));
  };
  return { elements, value, gradient, paint };
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function flowOf({ edges }) {
  return edges.reduce((sum, [k, e]) => {
    const i = edgeStep.get(`${k}-${e}`);
    return sum + (i === undefined || i >= state.reached ? 0 : Number(state.product[i]) || 0);
  }, 0);
}

function isNow(u, edges) {
  return edges.some(([k, e]) => {
    if (u.kind === "forward") return u.from <= forwardStep.get(k) && forwardStep.get(k) <= u.end;
    const i = edgeStep.get(`${k}-${e}`);
    return u.kind === "backward" && u.from <= i && i <= u.end;
  });
}

function paint() {
  const u = units[unit];
  const i = u.end;
  const back = seedAt >= 0 && u.from >= seedAt && u.kind !== "given";
  byId("stage").classList.toggle("back", back);
  byId("say").classList.toggle("back", back);
  const lit = new Set(u.card >= 0 ? [u.card] : []);
  arrows.forEach((one) => {
    if (u.kind === "backward" && isNow(u, one.edges)) lit.add(one.source);
  });
  drawn.forEach((one, c) => {
    const { shown } = cards[c];
    one.paint(i);
    one.group.classList.toggle("now", lit.has(c));
    one.group.classList.toggle("has", shown.some((k) => gradientAt(k, i) !== null));
    one.group.classList.toggle("faint", !shown.every((k) => known(k, i)));
    const text = shown.map((k) => fullText(k, i)).join("; ");
    put(one.title, text);
    if (cards[c].kind === "leaf" && live) {
      one.group.setAttribute("aria-label", text);
      one.group.setAttribute("aria-valuenow", state.value[shown[0]]);
    }
  });
  const flows = arrows.map((one) => Math.abs(flowOf(one)));
  const most = Math.max(0, ...flows.filter(Number.isFinite));
  arrows.forEach((one, n) => paintArrow(one, flows[n], most, u));
  say(u);
  put(byId("error"), state.error);
  paintPanels(i);
  follow();
}

function fullText(k, i) {
  const g = gradientAt(k, i);
  const value = known(k, i) ? show(valueOf(k)) : "not computed yet";
  return `${nodes[k].name} = ${value}${g === null ? "" : `, ${slope(k)} = ${show(g)}`}`;
}

function paintArrow(one, flow, most, u) {
  const i = u.end;
  const steps_ = one.edges.map(([k, e]) => edgeStep.get(`${k}-${e}`)).filter((s) => s !== undefined);
  const done = steps_.length > 0 && steps_.every((s) => s <= i && s < state.reached);
  const now = isNow(u, one.edges);
  const ends = i >= end_;
  const shown = ({ style }, visible) => {
    if ((style.display === "") !== visible) style.display = visible ? "" : "none";
  };
  shown(one.edge, !done);
  shown(one.arrow, !done && !(ends && data.differentiable));
  shown(one.river, done);
  shown(one.head, done);
  one.edge.classList.toggle("now", now && u.kind === "forward");
  one.arrow.classList.toggle("now", now && u.kind === "forward");
  const width = 2 + 8 * Math.sqrt(most && Number.isFinite(flow) ? flow / most : 0);
  set(one.river, "stroke-width", width.toFixed(2));
  set(one.head, "transform", `translate(${one.start.x},${one.start.y}) scale(${(0.75 + width / 14).toFixed(3)})`);
  const [k, e] = one.edges[0];
  const single = one.edges.length === 1;
  const visible = done && single && (now || !one.rows) && state.local[k]?.[e] !== undefined;
  shown(one.badge, visible && (form.rows > 0 || !narrow.matches || now || arrows.length < 12));
  one.badge.classList.toggle("now", now && u.kind === "backward");
  if (visible) badgeText(one, `× ${few(state.local[k][e])}`, one.rows ? "" : reason(k, e));
}

function reason(k, e) {
  const text = slopeOf(k, e);
  return text.length > 14 || /^[(-]*[\d.]+\)*$/.test(text) ? "" : text;
}

function badgeText({ badge, x, y }, text, why) {
  const [rect, first, second] = badge.children;
  if (first.textContent === text && second.textContent === why) return;
  put(first, text);
  put(second, why);
  first.setAttribute("y", why ? -2 : 5);
  const width = Math.max(8.4 * text.length, 7 * why.length) + 14;
  const height = why ? 38 : 28;
  // Where it is wider than its place, it goes over the curve and not over the card.
  const left = form.tall ? 0 : Math.max(0, (width + 8 - form.label) / 2);
  badge.setAttribute("transform", `translate(${x - left},${y})`);
  rect.setAttribute("x", -width / 2);
  rect.setAttribute("y", -height / 2);
  rect.setAttribute("width", width);
  rect.setAttribute("height", height);
}

// --- where it is looked at -----------------------------------------------------------------------

function follow() {
  const [w, h] = room;
  const [width, height] = [form.size[0] + 32, form.size[1] + 32];
  const fit = Math.min(w / width, h / height, 1.5);
  scale = Math.max(fit, SMALLEST);
  let [x, y] = [width / 2 - 16, height / 2 - 16];
  const [seenWide, seenHigh] = [w / scale, h / scale];
  if (fit < SMALLEST) {
    const boxes = currentCards().map((c) => form.cards[c]);
    if (boxes.length) {
      const left = Math.min(...boxes.map((b) => b[0]));
      const right = Math.max(...boxes.map((b) => b[0] + b[2]));
      const up = Math.min(...boxes.map((b) => b[1]));
      const down = Math.max(...boxes.map((b) => b[1] + b[3]));
      // Both ends are seen: smaller than ever, where they are far apart.
      const needed = Math.min(w / (right - left + 24), h / (down - up + 24));
      if (needed < scale) scale = needed;
      [x, y] = [(left + right) / 2, (up + down) / 2];
    }
  }
  lookAt(x, y);
  byId("overview").hidden = fit >= SMALLEST;
}

function currentCards() {
  const u = units[unit];
  if (u.card < 0) return cards.flatMap((card, c) => (card.shown.includes(output) ? [c] : []));
  const near = arrows.filter((one) => isNow(u, one.edges)).flatMap((one) => [one.source, one.card]);
  return u.kind === "backward" && near.length && near.length <= 8 ? near : [u.card];
}

function lookAt(x, y) {
  const [w, h] = room;
  const [width, height] = [w / scale, h / scale];
  const kept = (middle, seen, size) =>
    seen >= size + 32 ? size / 2 : Math.min(Math.max(middle, seen / 2 - 16), size + 16 - seen / 2);
  x = kept(x, width, form.size[0]);
  y = kept(y, height, form.size[1]);
  view = [x - width / 2, y - height / 2, width, height];
  set(svg, "viewBox", view.map((n) => n.toFixed(1)).join(" "));
  const seen = byId("overview").querySelector(".seen");
  if (seen) ["x", "y", "width", "height"].forEach((name, n) => seen.setAttribute(name, view[n]));
}

function overview() {
  const small = byId("overview").querySelector("svg");
  small.setAttribute("viewBox", `-16 -16 ${form.size[0] + 32} ${form.size[1] + 32}`);
  small.replaceChildren(
    ...form.cards.map(([x, y, width, height]) => draw("rect", { x, y, width, height })),
    draw("rect", { class: "seen" }),
  );
}

byId("overview").addEventListener("pointerdown", (event) => {
  const strip = byId("overview");
  strip.setPointerCapture(event.pointerId);
  const move = ({ clientX, clientY }) => {
    const place = new DOMPoint(clientX, clientY).matrixTransform(
      strip.querySelector("svg").getScreenCTM().inverse(),
    );
    lookAt(place.x, place.y);
  };
  move(event);
  strip.onpointermove = move;
  strip.onpointerup = strip.onpointercancel = () => (strip.onpointermove = null);
});

// --- beside the picture --------------------------------------------------------------------------

function paintPanels(i) {
  const scrub = byId("scrub");
  scrub.value = unit;
  scrub.setAttribute("aria-valuetext", byId("sentence").textContent);
  byId("back").disabled = unit === 0;
  byId("forward").disabled = unit === units.length - 1;
  const whole = known(output, i);
  const result = byId("result");
  result.dataset.value = whole ? state.value[output] : "";
  const texts = given.slice(0, 4).map((k) => `${nodes[k].name} = ${few(valueOf(k))}`);
  if (given.length > 4) texts.push("…");
  const where = texts.length ? `at ${texts.join(", ")}: ` : "";
  put(result, `${where}${top_} = ${whole ? few(valueOf(output), 5) : "…"}`);
  document.querySelectorAll(".leaf output").forEach((field) => {
    const k = Number(field.dataset.leaf);
    const g = gradientAt(k, i);
    field.dataset.value = g === null ? "" : g;
    field.title = g === null ? "" : String(g);
    if (g === null) return put(field, "gradient: not computed yet");
    const adds = live ? `, so +0.1 adds about ${few(0.1 * Number(g), 3)}` : "";
    field.replaceChildren(`${slope(k)} = `, make("b", { className: "g" }, few(g)), adds);
  });
  markSteps(units[unit]);
  const play = byId("play");
  put(play, playing ? "❚❚ Pause" : "▶ Play");
  play.setAttribute("aria-pressed", String(playing));
  if (chosen >= 0) paintChosen();
  if (live && inputs > 0) plot(plotted);
}

let marked = [];

function markSteps({ from: first, end }) {
  const items = [...byId("list").children].slice(first, end + 1);
  if (items.length === marked.length && items[0] === marked[0]) return;
  marked.forEach((item) => item.removeAttribute("aria-current"));
  items.forEach((item) => item.setAttribute("aria-current", "step"));
  marked = items;
  if (items.length && !narrow.matches) requestAnimationFrame(() => reveal(items[0]));
}

function reveal(item) {
  const panel = item.closest(".steps");
  const [box, frame] = [item.getBoundingClientRect(), panel.getBoundingClientRect()];
  if (box.top < frame.top || box.bottom > frame.bottom) {
    panel.scrollTop += box.top - frame.top - frame.height / 3;
  }
}

function listSteps() {
  const list = byId("list");
  steps.forEach(([kind], i) => {
    let item = list.children[i];
    if (!item) {
      item = list.appendChild(make("li", { className: kind === "forward" ? "f" : "" }));
      item.onclick = () => jump(units.findIndex(({ from, end }) => from <= i && i <= end), false);
    }
    put(item, lineOf(i));
    item.hidden = !taken(i);
  });
}

function choose(c) {
  chosen = c;
  byId("chosen").hidden = false;
  paintChosen();
  if (narrow.matches) byId("chosen").scrollIntoView({ block: "nearest" });
}

byId("close").onclick = () => {
  byId("chosen").hidden = true;
  drawn[chosen]?.group.focus();
  chosen = -1;
};

// All that a card is computed from, and all that adds to its gradient, use by use.
function paintChosen() {
  const card = cards[chosen];
  const panel = byId("chosen");
  put(panel.querySelector("h2"), card.kind === "rows" ? rowsTitle(card) : card.title);
  const rows = [];
  if (card.kind === "rows") {
    const cells = (texts, tag = "td") => make("tr", {}, ...texts.map((text) => make(tag, {}, text)));
    rows.push(cells(["term", "value", "gradient"], "th"));
    card.rows.forEach((row) => {
      const [text, number, e] = rowTexts(card, row);
      const arrived = passed(card.sum, e, at());
      rows.push(cells([text, known(card.sum, at()) ? number : "…", arrived === null ? "" : few(arrived, 3)]));
    });
  }
  panel.querySelector("table").replaceChildren(...rows);
  const lines = [];
  card.shown.forEach((k) => {
    if (k >= inputs && known(k, at())) lines.push(lineOf(forwardStep.get(k)));
    arrivals[k].filter((i) => i <= at() && i < state.reached).forEach((i) => lines.push(lineOf(i)));
  });
  panel.querySelector("ol").replaceChildren(...lines.map((line) => make("li", {}, line)));
}

// --- motion --------------------------------------------------------------------------------------

const speed = () => Number(byId("speed").value);
const wait = (ms, mine) => new Promise((done) => setTimeout(() => done(mine === token), ms / speed()));

// A pill with a number goes along an arrow, from one part of its length to another.
function fly(one, start, end, label, kind, ms, mine) {
  const pill = draw("g", { class: `pill ${kind}` });
  const wide = 18 + 9 * label.length;
  pill.append(draw("rect", { x: -wide / 2, y: -14, width: wide, height: 28, rx: 14 }), draw("text", { y: 5 }, label));
  layers.pills.append(pill);
  const ends = ms / speed();
  return new Promise((done) => {
    const began = performance.now();
    const tick = (time) => {
      if (mine !== token) {
        pill.remove();
        return done(false);
      }
      const u = Math.min(1, Math.max(0, time - began) / ends);
      const eased = u < 0.5 ? 2 * u * u : 1 - (2 - 2 * u) ** 2 / 2;
      const part = start + (end - start) * eased;
      const place = one.edge.getPointAtLength(one.length * part);
      pill.setAttribute("transform", `translate(${place.x},${place.y})`);
      if (end < start) {
        one.river.style.display = "";
        one.river.style.strokeDasharray = `${one.length} ${one.length}`;
        one.river.style.strokeDashoffset = -one.length * part;
      }
      if (u < 1) return requestAnimationFrame(tick);
      pill.remove();
      return done(true);
    };
    requestAnimationFrame(tick);
  });
}

function settle() {
  layers.pills.replaceChildren();
  arrows.forEach(({ river }) => (river.style.strokeDasharray = river.style.strokeDashoffset = ""));
}

// Shows a unit; returns whether nothing came between.
async function go(to, moves = true) {
  const mine = ++token;
  settle();
  to = Math.max(0, Math.min(units.length - 1, to));
  const next = to === unit + 1;
  unit = to;
  paint();
  if (!moves || calm.matches || !next || units[to].from >= state.reached) return true;
  const u = units[to];
  if (u.kind === "forward") return forwardMotion(u, mine);
  if (u.kind === "backward") return backwardMotion(u, mine);
  return true;
}

async function forwardMotion(u, mine) {
  if (u.card < 0) return true;
  const one = drawn[u.card];
  const kept = one.value.textContent;
  put(one.value, "…");
  one.group.classList.add("faint");
  const coming = arrows.filter(({ card, edges }) => card === u.card && isNow(u, edges)).slice(0, 8);
  const flights = coming.map((arrow) => {
    const [k, e] = arrow.edges[0];
    return fly(arrow, 0, 1, few(valueOf(nodes[k].edges[e].at)), "f", 650, mine);
  });
  const all = (await Promise.all(flights)).every(Boolean);
  if (!all || mine !== token) return false;
  put(one.value, kept);
  one.group.classList.remove("faint");
  return true;
}

async function backwardMotion(u, mine) {
  const going = arrows.filter((one) => isNow(u, one.edges)).slice(0, 8);
  const before = u.from - 1;
  const targets = [...new Set(going.map(({ source }) => source))];
  const strips = targets.map((c) => [c, drawn[c].gradient.textContent]);
  targets.forEach((c) => drawn[c].paint(before));
  going.forEach(({ river, head, edge }) => {
    river.style.display = head.style.display = "none";
    edge.style.display = "";
  });
  const results = await Promise.all(going.map((one) => backwardFlight(one, u, mine)));
  if (!results.every(Boolean) || mine !== token) return false;
  const [, k, e] = steps[u.step];
  const had = u.count === 1 ? gradientAt(nodes[k].edges[e].at, before) : null;
  if (had !== null && targets.length === 1) {
    put(drawn[targets[0]].gradient, addition(had, state.product[u.step], state.total[u.step]));
    if (!(await wait(800, mine))) return false;
  }
  strips.forEach(([c, text]) => {
    drawn[c].paint(u.end);
    put(drawn[c].gradient, text);
  });
  return true;
}

async function backwardFlight(one, u, mine) {
  const [k, e] = one.edges.find(([node, edge]) => isNow(u, [[node, edge]]));
  const i = edgeStep.get(`${k}-${e}`);
  const arrived = few(gradientAt(k, u.from - 1) ?? gradientAt(k, i - 1));
  if (!(await fly(one, 1, 0.5, arrived, "", 450, mine))) return false;
  if (one.edges.length === 1) {
    const shown = one.badge.style.display;
    one.badge.style.display = "";
    badgeText(one, `${arrived} × ${inBrackets(few(state.local[k][e]))}`, one.rows ? "" : reason(k, e));
    if (!(await wait(520, mine))) return false;
    badgeText(one, `× ${few(state.local[k][e])}`, one.rows ? "" : reason(k, e));
    one.badge.style.display = shown;
  }
  one.edge.style.display = "none";
  if (!(await fly(one, 0.5, 0, few(flowOf(one)), "", 450, mine))) return false;
  one.river.style.strokeDasharray = one.river.style.strokeDashoffset = "";
  one.head.style.display = "";
  return true;
}

function stop() {
  playing = false;
  token++;
}

async function play() {
  if (playing) {
    stop();
    settle();
    return paint();
  }
  playing = true;
  if (unit === units.length - 1) await go(0, false);
  paint();
  while (playing && unit < units.length - 1) {
    await go(unit + 1);
    if (!playing) return undefined;
    const words = byId("sentence").textContent.split(" ").length;
    const mine = token;
    await new Promise((done) => setTimeout(done, (700 + 95 * words) / speed()));
    if (!playing || mine !== token) break;
  }
  playing = false;
  return paint();
}

// What a reader asks for ends what plays.
function jump(to, moves) {
  stop();
  go(to, moves);
}

byId("play").onclick = play;
byId("back").onclick = () => jump(unit - 1, false);
byId("forward").onclick = () => jump(unit + 1);
byId("scrub").oninput = (event) => jump(Number(event.target.value), false);
byId("by").onchange = () => {
  const i = at();
  setUnits(byId("by").value);
  jump(i >= end_ ? units.length - 1 : units.findIndex(({ end }) => end >= i), false);
};

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (target.matches("input, select") || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = { ArrowRight: unit + 1, ArrowLeft: unit - 1, Home: 0, End: units.length - 1 }[key];
  if (to !== undefined) {
    event.preventDefault();
    jump(to);
  } else if (key === " " && !target.matches("button, summary")) {
    event.preventDefault();
    play();
  }
});

function setUnits(by) {
  makeUnits(by);
  byId("scrub").max = units.length - 1;
  const split = units.findIndex(({ kind }) => kind === "seed");
  const share = split < 0 ? 100 : (100 * split) / (units.length - 1);
  document.querySelector(".track").style.setProperty("--split", `${share}%`);
  reserve();
}

// The caption is as high as its highest text, so that nothing jumps.
function reserve() {
  const box = byId("say");
  box.style.minHeight = "";
  let most = 0;
  const some = units.length > 120 ? units.filter((_, n) => n % Math.ceil(units.length / 120) === 0) : units;
  some.forEach((u) => {
    say(u);
    most = Math.max(most, box.offsetHeight);
  });
  box.style.minHeight = `${most}px`;
}

// --- changing the leaves -----------------------------------------------------------------------

function hold(k) {
  const y = state.value[output];
  if (from && from.k === k && !from.released) return;
  from = { k, x: leaves[k], y, slope: state.error ? NaN : state.gradient[k], released: false };
}

function release() {
  if (from) from.released = true;
}

function change(k, x, typed) {
  stop();
  settle();
  leaves[k] = x;
  state = compute(leaves);
  plotted = k;
  const row = document.querySelector(`.leaf[data-leaf="${k}"]`);
  if (row && typed !== "number") row.querySelector("[type=number]").value = Number(x.toPrecision(12));
  if (row && typed !== "range") centre(row.querySelector("[type=range]"), x);
  paint();
  later();
}

// The list is written once for each frame: a drag may change numbers more often.
let waiting = false;
function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    listSteps();
  });
}

function centre(range, x) {
  const inside = x >= Number(range.min) && x <= Number(range.max);
  if (!inside || range.min === "") {
    const span = 2 * Math.max(1, Math.abs(x));
    range.min = x - span;
    range.max = x + span;
    range.step = span / 200;
  }
  range.value = x;
}

function makeLeaf(k) {
  const shown = live ? nodes[k].name : `${nodes[k].name} = ${show(valueOf(k))}`;
  const label = make("label", { htmlFor: `leaf${k}` }, shown);
  const gradient = make("output");
  const row = make("div", { className: "leaf" }, label);
  row.dataset.leaf = gradient.dataset.leaf = k;
  if (!live) {
    row.append(gradient);
    return row;
  }
  const number = make("input", { type: "number", step: "any", id: `leaf${k}`, value: leaves[k] });
  const range = make("input", { type: "range", min: "", step: "any" });
  range.setAttribute("aria-label", `drag ${nodes[k].name}`);
  centre(range, leaves[k]);
  number.onfocus = () => hold(k);
  number.oninput = () => {
    const valid = number.value !== "" && Number.isFinite(number.valueAsNumber);
    number.setAttribute("aria-invalid", String(!valid));
    if (!valid) return;
    hold(k);
    change(k, number.valueAsNumber, "number");
  };
  range.onpointerdown = range.onfocus = () => hold(k);
  range.oninput = () => {
    hold(k);
    change(k, Number(range.value), "range");
  };
  number.onblur = range.onblur = range.onpointerup = release;
  row.append(range, number, gradient);
  return row;
}

function makeDraggable(group, k) {
  let start = null;
  group.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, value: leaves[k] };
    group.setPointerCapture(event.pointerId);
    hold(k);
  });
  group.addEventListener("pointermove", (event) => {
    if (!start) return;
    const x = start.value + ((event.clientX - start.x) * Math.max(1, Math.abs(start.value))) / 150;
    change(k, Number(x.toPrecision(6)), "drag");
  });
  const end = () => {
    start = null;
    release();
  };
  group.addEventListener("pointerup", end);
  group.addEventListener("pointercancel", end);
  group.addEventListener("keydown", (event) => {
    const size = Math.max(1, 10 ** Math.floor(Math.log10(Math.abs(leaves[k]) || 1)));
    const by = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 }[event.key];
    if (by) {
      event.preventDefault();
      hold(k);
      change(k, Number((leaves[k] + by * size).toPrecision(12)), "key");
      release();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const field = byId(`leaf${k}`);
      const details = field.closest("details");
      if (details) details.open = true;
      field.focus();
      field.select();
    }
  });
}

// --- the plot of the output against one leaf ---------------------------------------------------

const WIDE = 320;
const HIGH = 176;

function plot(k) {
  const x = leaves[k];
  const middle = from && from.k === k ? from.x : x;
  const reach = Math.max(2 * Math.max(1, Math.abs(middle)), 1.2 * Math.abs(x - middle));
  const [low, high] = [middle - reach, middle + reach];
  const points = Array.from({ length: 121 }, (_, i) => {
    const at = low + ((high - low) * i) / 120;
    const there = [...leaves];
    there[k] = at;
    try {
      return [at, Number(outputAt(there))];
    } catch {
      return [at, NaN];
    }
  });
  const ys = points.map(([, y]) => y).filter(Number.isFinite).sort((a, b) => a - b);
  byId("plot").hidden = ys.length === 0;
  if (ys.length === 0) return;
  let bottom = ys[Math.floor(0.03 * ys.length)];
  let top = ys[Math.ceil(0.97 * (ys.length - 1))];
  const y = Number(state.value[output]);
  if (!state.error) [bottom, top] = [Math.min(bottom, y), Math.max(top, y)];
  const room = (top - bottom || 1) * 0.15;
  [bottom, top] = [bottom - room, top + room];
  const px = (at) => (((at - low) / (high - low)) * WIDE).toFixed(1);
  const py = (at) => (HIGH - ((at - bottom) / (top - bottom)) * HIGH).toFixed(1);
  let path = "";
  let pen = "M";
  for (const [at, to] of points) {
    if (Number.isFinite(to) && Math.abs(to - bottom) < 20 * (top - bottom)) {
      path += `${pen}${px(at)} ${py(to)}`;
      pen = "L";
    } else pen = "M";
  }
  const parts = [["path", { class: "curve", d: path }]];
  const tangent = (kind, at, height, slopeThere) => {
    const ends = [low, high].map((end) => [px(end), py(height + slopeThere * (end - at))]);
    parts.push(["line", { class: kind, x1: ends[0][0], y1: ends[0][1], x2: ends[1][0], y2: ends[1][1] }]);
  };
  let text = "How steep is it at the dot? The backward pass will tell.";
  const [leaf, result] = [nodes[k].name, top_];
  const last = arrivals[k].at(-1);
  const there = !state.error && (at() >= end_ || (last !== undefined && at() >= last));
  if (there) {
    text = "";
    if (from && from.k === k && from.x !== x && Number.isFinite(from.slope)) {
      const led = from.y + from.slope * (x - from.x);
      tangent("from", from.x, from.y, from.slope);
      parts.push(["circle", { class: "marker", cx: px(x), cy: py(led), r: 6 }]);
      text = `From ${leaf} = ${show(from.x)} the tangent leads to ${result} = ${show(led)} (ring). `;
    }
    tangent("tangent", x, y, state.gradient[k]);
    text += `The dashed line has the slope ${slope(k)} = ${few(state.gradient[k])}: near the dot it is the curve.`;
  }
  if (!state.error) parts.push(["circle", { class: "here", cx: px(x), cy: py(y), r: 6 }]);
  parts.push(["text", { x: 4, y: 14 }, few(top, 3)], ["text", { x: 4, y: HIGH - 5 }, few(bottom, 3)]);
  const svg = byId("plot").querySelector("svg");
  svg.replaceChildren();
  for (const [tag, attributes, content] of parts) {
    const far = (size) => typeof size !== "number" && Math.abs(size) > 1e6;
    if (tag !== "path" && Object.values(attributes).some((x) => x === "NaN" || far(x))) continue;
    svg.append(draw(tag, attributes, content));
  }
  put(byId("range"), `${leaf} from ${few(low, 3)} to ${few(high, 3)}`);
  put(byId("tangent"), text);
  put(byId("plotted"), `${result} when only ${leaf} changes`);
}

// --- the start -----------------------------------------------------------------------------------

byId("leaves").append(...given.map(makeLeaf));
if (own.length) {
  const details = byId("parameters");
  details.hidden = false;
  details.querySelector("summary").textContent = `${own.length} parameter${own.length > 1 ? "s" : ""}`;
  details.append(...own.map(makeLeaf));
  details.open = given.length === 0;
}
if (!live) document.querySelector("aside h2:not(#chosen h2)").textContent = "Numbers";
byId("plot").hidden = !live || inputs === 0;
plotted = given[0] ?? 0;
makeUnits("steps");
const many = units.length > 24;
byId("by").hidden = !many;
setUnits(many ? "cards" : "steps");
unit = units.length - 1;
measure();
build();
listSteps();
paint();
const again = () => {
  settle();
  measure();
  token++;
  build();
  reserve();
  paint();
};
narrow.onchange = again;
new ResizeObserver(() => {
  measure();
  if (chooseForm() === form) follow();
  else again();
}).observe(byId("picture"));
