// --- the graph -----------------------------------------------------------------------------------

const { nodes, cards, inputs, live } = data;
const output = nodes[data.output];
nodes.forEach((node, k) => {
  // Of an op: what computes it, and its derivatives.
  Object.assign(node, { k, arrivals: [], taken: true, ...program[k - inputs] });
  node.edges = (node.edges ?? []).map(([at, formula, last, slope, product, total], e) => {
    return { of: node, e, at: nodes[at], formula, last, slope, product, total };
  });
});
cards.forEach((card) => {
  card.shown = card.shown.map((k) => nodes[k]);
  card.members = card.members?.map((k) => nodes[k]) ?? card.shown;
  card.members.forEach((node) => (node.card = card));
  if (card.kind !== "rows") return;
  card.sum = nodes[card.sum];
  card.applied = nodes[card.function];
  card.last = card.applied ?? card.sum;
  card.rows = card.rows.map((row) => row.map((e) => card.sum.edges[e]));
  card.neuron = card.rows.some(([weight]) => weight?.at && card.members.includes(weight.at));
});
// What changes nothing has no card: sentences call it by what it is computed from.
nodes.forEach((node) => (node.said = node.card ? node.name : (node.edges[0]?.at?.said ?? node.name)));
const leaves = nodes.slice(0, inputs);
const given = leaves.filter((node) => !node.parameter);

// The steps: each result, the beginning of the backward pass, and each edge back from there.
const steps = [];
function addStep(kind, node, edge) {
  const step = { kind, node, edge, i: steps.length };
  steps.push(step);
  return step;
}
nodes.slice(inputs).forEach((node) => (node.step = addStep("forward", node)));
if (!data.failure) output.arrivals.push(addStep("seed", output));
nodes.slice(inputs).reverse().forEach((node) => {
  for (const edge of data.failure ? [] : node.edges) {
    if (!edge.at || edge.formula === "0" || !(live || edge.product)) continue;
    edge.step = addStep("backward", node, edge);
    edge.at.arrivals.push(edge.step); // all that adds to its gradient, in order
  }
});
const end = steps.length - 1;

// --- computing everything ------------------------------------------------------------------------

let v = live ? data.numbers : nodes.map(({ value }) => value);
let error = data.failure;
let reached = steps.length; // how many steps can be taken: all, unless one fails

function failure({ kind, name, message }, { kind: way, node }) {
  const { op, edges } = node;
  const named = edges.slice(0, 8).map(({ at, last }) => {
    const number = show(at ? v[at.k] : last);
    return at && at.k < inputs ? `${at.name}=${number}` : number;
  });
  if (edges.length > 8) named.push(`... ${edges.length - 8} more`);
  const call = /^\w+$/.test(op) ? `${op}(${named.join(", ")})` : named.join(` ${op} `);
  const back = way === "backward";
  let cure = data.ops[op][2];
  if (kind === "OverflowError") {
    cure = "the result is too large for a float: scale the inputs down";
  } else if (kind === "ZeroDivisionError") {
    cure = back
      ? "the derivative is not finite there: keep away from that point"
      : "keep the divisor away from zero";
  }
  return `${kind || name}: ${message}, in ${back ? "the derivative of " : ""}${call}${cure ? `; ${cure}` : ""}`;
}

// Why this is not the path of these numbers: "" if it is.
function elsewhere(values) {
  for (const [k, ask] of branches.entries()) {
    const [condition, truth] = data.branches[k];
    try {
      if (Boolean(ask(values)[0]) === truth) continue;
    } catch ({ kind, name, message }) {
      return `${kind || name}: ${message}, in the condition ${condition}`;
    }
    return `${condition} is ${show(!truth)} here, and ${output.name} goes another way: draw it at these numbers`;
  }
  return "";
}

// The chain rule itself.
function take({ kind, node, edge }) {
  if (kind === "forward") v[node.k] = node.forward(v)[0];
  if (!edge) return;
  // What nothing arrives at is not asked for its derivatives: a side that was not taken.
  node.slopes ??= node.taken ? node.local(v, v[node.k]) : node.edges.map(() => 0);
  edge.slope = node.slopes[edge.e];
  edge.at.taken ||= node.taken && !(node.chooses && edge.slope === 0);
  edge.product = node.gradient * edge.slope;
  edge.total = edge.at.gradient += edge.product;
}

function compute(numbers) {
  v = [...numbers];
  nodes.forEach((node) => Object.assign(node, { gradient: 0, taken: false, slopes: null }));
  Object.assign(output, { gradient: 1, taken: true });
  error = elsewhere(v);
  reached = error ? 0 : steps.length;
  for (const step of error ? [] : steps) {
    try {
      take(step);
    } catch (caught) {
      error = failure(caught, step);
      reached = step.i;
      return;
    }
  }
}

function outputAt(numbers) {
  const values = [...numbers];
  if (elsewhere(values)) return NaN;
  try {
    for (let k = inputs; k < nodes.length; k++) values[k] = nodes[k].forward(values)[0];
    return Number(values[output.k]);
  } catch {
    return NaN;
  }
}

// Whether a step is one that something arrives at.
const taken = ({ kind, node }) => kind !== "backward" || node.taken;
const known = (node, i) => node.k < inputs || (node.step.i <= i && node.step.i < reached);
const done = (edge, i) => edge.step !== undefined && edge.step.i <= i && edge.step.i < reached;

// What has arrived at a node by step i: null if nothing has.
function gradientAt(node, i) {
  const last = node.arrivals.findLast((step) => step.i <= i && step.i < reached && taken(step));
  if (last) return last.edge ? last.edge.total : data.one;
  return reached > end && i >= end && !data.failure ? data.zero : null;
}

// --- the lines of explain ------------------------------------------------------------------------

const FIRST = 0xe001; // in formulas the k-th operand is this character plus k
const term = ({ name }) => (/^[\p{L}\p{N}_.'[\]]+$/u.test(name) ? name : `(${name})`);
const inBrackets = (text) => (/^[-−]|\//.test(text) ? `(${text})` : text);
const inFormula = (x, digits) => inBrackets(show(x, digits));
const partial = ({ name }) => `∂${output.name}/∂${name}`;

// The value of a node to be shown: as Python shows an int, where it always is one.
function valueOf({ k, whole }) {
  return whole && Number.isSafeInteger(v[k]) ? String(v[k] + 0) : v[k];
}
const numberOf = ({ at, last }) => (at ? valueOf(at) : last);

function fill(formula, operands, result) {
  const text = formula.replace(/[\ue000-\uf8ff]/g, (c) => operands[c.charCodeAt() - FIRST] ?? result);
  return text.replace(/(?<=[([]|, )\(([^()]*)\)(?=[\])]|, )/g, "$1");
}
const inNames = (formula, node) =>
  fill(formula, node.edges.map(({ at }) => (at ? term(at) : "")), term(node));

function close(a, b, most = 1e-9) {
  const same = a === b || (a !== a && b !== b);
  return same || Math.abs(a - b) <= most * Math.max(Math.abs(a), Math.abs(b));
}

// The local derivative as a formula; as a number where the formula has no value or another.
function slopeOf(edge) {
  const { of, e, last, slope } = edge;
  if (last) return last;
  try {
    if (of.written && of.taken && !close(of.written(v, v[of.k])[e], slope)) return inFormula(slope);
  } catch {
    return inFormula(slope);
  }
  return (edge.text ??= inNames(edge.formula, of));
}

// How many digits, `least` or more, the numbers need for `result` to be seen in them.
function digitsFor(least, numbers, calculate, result) {
  for (const digits of live ? [least, 6, 9, 12] : [least]) {
    const rounded = numbers.map((x) => (typeof x === "number" ? Number(x.toPrecision(digits)) : x));
    try {
      if (!live || close(calculate(rounded), result, least < 6 ? 1e-3 : 1e-4)) return digits;
    } catch {
      continue;
    }
  }
  return 17;
}

// The formula of a node with its numbers.
function inNumbers(node, least = 6) {
  const calculate = (rounded) => {
    const values = [...v];
    node.edges.forEach(({ at }, e) => at && (values[at.k] = rounded[e]));
    return node.forward(values)[0];
  };
  const numbers = node.edges.map(({ at }) => at && v[at.k]);
  const digits = digitsFor(least, numbers, calculate, v[node.k]);
  return fill(node.formula, node.edges.map((edge) => inFormula(numberOf(edge), digits)));
}

// An addition in the fewest digits that show it, with proper minus signs.
function addition(a, b, total) {
  const numbers = [a, b].map(Number);
  const digits = digitsFor(4, numbers, ([x, y]) => x + y, Number(total));
  const [x, y] = live ? numbers : [a, b];
  return minus(`${show(x, digits)} + ${inFormula(y, digits)}`);
}

function lineOf({ kind, node, edge, i }) {
  if (i >= reached) return `${node.name}: ${error}`;
  if (kind === "seed") return `${partial(node)} = ${data.one}`;
  if (kind === "forward") {
    return `${node.name} = ${inNames(node.formula, node)} = ${inNumbers(node)} = ${show(valueOf(node))}`;
  }
  const { at, slope, product, total } = edge;
  const sofar = at.arrivals.filter(taken).length > 1 ? `  (so far ${show(total)})` : "";
  return (
    `${partial(at)} += ${partial(node)} · ${slopeOf(edge)} = ` +
    `${inFormula(gradientAt(node, i - 1))} · ${inFormula(slope)} = ${show(product)}${sofar}`
  );
}

// --- what is stepped through ---------------------------------------------------------------------

// A unit is what one press of a key shows: some steps, those from `from` up to `end`. `step` is the
// last of them that has a card, and `count` how many have one.
let units = [];
let unit = 0;
let playing = false;
let chosen = null;
let plotted = given[0] ?? leaves[0];
let from = null; // where the leaf that is being changed was, and the tangent there

const at = () => units[unit].end;
const covers = ({ from: first, end: last }, step) => step && first <= step.i && step.i <= last;
const isNow = (u, { edges }) => edges.some((edge) => covers(u, edge.of.step) || covers(u, edge.step));

function makeUnits(by) {
  units = [{ kind: "given", from: 0, end: -1 }];
  let first = null;
  for (const step of steps) {
    const { kind, i } = step;
    const { card } = step.node;
    const before = units.at(-1);
    const joins = by !== "numbers" && before.kind === kind && before.card === card;
    const whole = by === "cards" || !["op", "leaf"].includes(card?.kind);
    if (before.end >= 0 && (!card || (joins && whole))) {
      before.end = i;
      if (card) Object.assign(before, { step, count: before.count + 1 });
    } else if (card) {
      units.push({ kind, from: first ?? i, end: i, card, step, count: 1 });
      first = null;
    } else first ??= i; // what has no card changes nothing
  }
  units.push({ kind: "done", from: steps.length, end });
}

// --- sentences -----------------------------------------------------------------------------------

// A sentence is a list of texts, and of pairs of a text and "v" (a value) or "g" (a gradient).
const V = (text) => [text, "v"];
const G = (text) => [text, "g"];
const listed = (texts) =>
  texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
const withValue = (node) => `${node.said} = ${few(valueOf(node))}`;
const kindOf = ({ op }) => data.ops[op][1];

function sentence(u) {
  const { kind, card, step, count } = u;
  if (kind === "given") {
    const texts = given.slice(0, 6).map((node) => withValue(node));
    const rest = inputs - texts.length;
    if (rest > 0) texts.push(`${rest} more number${rest > 1 ? "s" : ""}`);
    const verb = texts.length > 1 || rest > 1 ? "are" : "is";
    return [`Given ${verb} `, V(listed(texts)), ". First the values are computed."];
  }
  if (kind === "done") return doneSentence();
  if (u.from >= reached) return ["Here it stops."];
  if (kind === "seed") {
    return [`Now backward: ${output.name} grows exactly as fast as itself: `, G(data.one), "."];
  }
  const single = count === 1;
  if (kind === "forward") {
    if (card.kind === "rows" && !(single && card.applied)) return sumSentence(card);
    return single ? forwardSentence(step.node) : manyForward(u);
  }
  if (card.kind === "rows" && !single) return sumBackward(card);
  return single ? backwardSentence(step) : manyBackward(u);
}

function doneSentence() {
  if (data.failure || error) return ["There is no gradient here."];
  const [first, ...others] = (given.length ? given : leaves).slice(0, given.length ? 4 : 1);
  const times = (node) => G(few(gradientAt(node, end)));
  const found = [`Done. If ${first.name} grows a little, ${output.name} grows `, times(first), " times as much"];
  others.forEach((node) => found.push(`; if ${node.name} does, `, times(node), " times"));
  return [...found, `.${live ? " Drag a number and everything follows." : ""}`];
}

function forwardSentence(node) {
  const words = data.ops[node.op][0];
  const texts = node.edges.map(({ at, last }) => at?.said ?? minus(last));
  let said = words.replace(/\{(\d)\}/g, (_, e) => texts[e]);
  if (words.startsWith("Apply")) said += ` to ${listed(texts)}`;
  return [`${said}: `, V(`${node.said} = ${minus(inNumbers(node, 4))} = ${few(valueOf(node))}`), "."];
}

function manyForward({ card, from: first, end: last }) {
  const results = listed(card.shown.map((node) => withValue(node)));
  return [`${card.title} computes `, V(results), `, in ${last - first + 1} steps.`];
}

function manyBackward({ card, from: first, end: last }) {
  const got = card.shown.map((node) => few(gradientAt(node, first - 1)));
  const targets = new Map();
  for (const { edge } of steps.slice(first, last + 1)) {
    const { at: node, product } = edge;
    if (!card.members.includes(node)) targets.set(node, (targets.get(node) ?? 0) + Number(product));
  }
  const who = card.kind === "group" ? card.title : card.shown[0].said;
  const found = [`${who} gets `, G(listed(got)), " and passes on "];
  [...targets].slice(0, 3).forEach(([node, x], i) => found.push(i ? "; " : "", G(few(x)), ` to ${node.said}`));
  if (targets.size > 3) found.push(`; and so on to ${targets.size - 3} more`);
  if (!targets.size) found.push("what its own parameters get");
  return [...found, "."];
}

function backwardSentence(step) {
  const { node, edge } = step;
  const { at: to, slope, product, total } = edge;
  const { op, edges, said } = node;
  if (!taken(step)) return [`Nothing arrives at ${said}: it was not taken, and passes nothing to ${to.said}.`];
  const times = to.arrivals.filter(taken).length;
  const before = gradientAt(to, step.i - 1);
  const found = passing();
  if (before !== null && times > 1) {
    const sum = `${addition(before, product, total)} = ${few(total)}`;
    const used = times === 2 ? "twice; the two" : `${times} times; they`;
    found.push(` ${to.said} is used ${used} add up: `, G(sum), ".");
  }
  return found;

  // How the gradient passes on.
  function passing() {
    const kind = kindOf(node);
    const number = Number(slope);
    const whole = (text, flow = few(product)) => [`${text}: `, G(flow), ` flows back to ${to.said}.`];
    const equation = `${few(gradientAt(node, step.i - 1))} × ${inBrackets(few(slope))} = ${few(product)}`;
    if (kind === "sum" || (kind === "difference" && number > 0)) return whole(`A ${kind} passes the gradient on unchanged`);
    if (kind === "difference") {
      return whole(`A ${op === "neg" ? "turned sign" : kind} passes the gradient on with its sign changed`);
    }
    if (op === "*") {
      const other = edges[1 - edge.e];
      return whole(`A product passes it on times the other factor, ${other.at ? withValue(other.at) : minus(other.last)}`, equation);
    }
    if (kind === "switch" && number === 0) return [`${op} is off here: nothing passes to ${to.said}.`];
    if (kind === "switch" && number === 1) return whole(`${op} is on here and passes it on unchanged`);
    if (kind === "choice" && number === 0) return [`${to.said} was not taken: nothing passes to it.`];
    if (kind === "choice" && number === 1) {
      const who = { maximum: "The larger takes all", minimum: "The smaller takes all" }[op];
      return whole(who || `${to.said} was taken and gets all`);
    }
    const variables = edges.filter((one) => one.at);
    const where = variables.filter((one) => edges.length <= 2 || one.at === to).slice(0, 2);
    const formula = slopeOf(edge);
    const equals = formula === inFormula(slope) ? "" : `${formula} = `;
    const by = variables.length > 1 ? ` by ${to.said}` : "";
    const called = { "/": "the quotient", "//": "the quotient", "%": "the remainder", "**": "the power" }[op] ?? op;
    return whole(`At ${listed(where.map((one) => withValue(one.at)))} ${called} has the slope${by} ${equals}${few(slope)}`, equation);
  }
}

// The equation of a sentence: signs, and lists of a kind, a number and what it is.
function chipsOf({ kind, from: first, step, count }) {
  if (first >= reached) return [];
  if (kind === "seed") return [["g", data.one, partial(output)]];
  if (count !== 1) return [];
  const { node, edge, i } = step;
  if (kind === "forward") {
    const sign = { "+": "+", "-": "−", "*": "·", "/": "/" }[node.op];
    const found = node.edges.slice(0, 4).flatMap((one, e) => {
      const chip = ["v", few(numberOf(one)), one.at?.name ?? ""];
      return e ? [sign || ",", chip] : [chip];
    });
    if (node.edges.length > 4) found.push("…");
    return [...found, sign ? "=" : `→ ${node.op} →`, ["v", few(valueOf(node)), node.name]];
  }
  const { at: to, slope, product, total } = edge;
  const formula = slopeOf(edge);
  const why = formula === inFormula(slope) || formula.length > 40 ? "" : ` = ${formula}`;
  const before = gradientAt(to, i - 1);
  const found = [
    ["g", few(gradientAt(node, i - 1)), `${partial(node)} arrived`],
    "×",
    ["l", few(slope), `∂${node.name}/∂${to.name}${why}`],
    "=",
    ["g", few(product), `goes to ${to.name}`],
  ];
  if (before === null) return found;
  return [...found, "+", ["g", few(before), "already there"], "=", ["g", few(total), partial(to)]];
}

function say(u) {
  const parts = sentence(u).map((part) => (Array.isArray(part) ? make("b", { className: part[1] }, part[0]) : part));
  ui.sentence.replaceChildren(...parts);
  const chips = chipsOf(u).map((part) => {
    if (typeof part === "string") return make("span", { className: "sym" }, part);
    const [kind, text, small] = part;
    return make("span", { className: `chip ${kind}` }, make("span", {}, text), make("small", {}, small));
  });
  ui.chips.replaceChildren(...chips);
}

// --- the picture ---------------------------------------------------------------------------------

const SMALLEST = 12 / 14; // the scale at which a title has 12 pixels

function shape(tag, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(element, attributes);
  element.textContent = text;
  return element;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
}

const [edgeLayer, badgeLayer, cardLayer, pillLayer] = [0, 1, 2, 3].map(() => ui.graph.appendChild(shape("g")));
// The ways to draw the cards: the room for what stands on an edge, and how many rows they have.
const FORMS = { wide: { label: 100, rows: 12 }, close: { label: 64, rows: 12 }, compact: { label: 64 }, tall: { label: 56, tall: true } };
Object.entries(data.forms).forEach(([name, found]) => Object.assign(FORMS[name], found));
let form = null;
let arrows = []; // their paths and what stands on them
let scale = 1;
let view = [0, 0, 1, 1];
let room = [1, 1]; // the size of the picture on the screen: asking for it costs a layout

function measure() {
  room = [ui.picture.clientWidth, ui.picture.clientHeight];
}

const fitting = ({ size }) => Math.min(room[0] / (size[0] + 32), room[1] / (size[1] + 32));

function chooseForm() {
  const candidates = narrow.matches ? [FORMS.tall] : [FORMS.wide, FORMS.close, FORMS.compact].filter(({ size }) => size);
  return candidates.find((one) => fitting(one) >= SMALLEST) || candidates.at(-1);
}

// A path of curves that begin and end level (upright, where the picture is tall), and of pieces
// between that are straight.
function pathOf(points) {
  const { tall } = form;
  const [begin, ...others] = points.split(" ").map((point) => point.split(",").map(Number));
  let [x, y] = begin;
  const pieces = others.map(([a, b]) => {
    const straight = b === undefined && (tall ? `V${a}` : `H${a}`);
    if (straight) [a, b] = tall ? [x, a] : [a, y];
    const [p, q] = [(x + a) / 2, (y + b) / 2];
    const bends = tall ? `${x} ${q} ${a} ${q}` : `${p} ${y} ${p} ${b}`;
    [x, y] = [a, b];
    return straight || `C${bends} ${a} ${b}`;
  });
  return `M${begin.join(" ")}${pieces.join("")}`;
}

function build() {
  form = chooseForm();
  [edgeLayer, badgeLayer, cardLayer, pillLayer].forEach((layer) => layer.replaceChildren());
  arrows = form.lines.map(makeArrow);
  cards.forEach(makeCard);
  const small = ui.overview.firstElementChild;
  set(small, { viewBox: `-16 -16 ${form.size[0] + 32} ${form.size[1] + 32}` });
  small.replaceChildren(
    ...form.cards.map(([x, y, width, height]) => shape("rect", { x, y, width, height })),
    shape("rect", { class: "seen" }),
  );
}

function makeArrow([c, place, x, y, points]) {
  const d = pathOf(points);
  const card = cards[c];
  const [source, , edges] = card.arrows[place];
  const path = (kind, along, attributes) => edgeLayer.appendChild(shape("path", { class: kind, d: along, ...attributes }));
  const moved = (point, tall, wide) => ({ d: form.tall ? tall : wide, transform: `translate(${point.x},${point.y})` });
  const line = path("edge", d);
  const river = path("river", d, { pathLength: 1 });
  const start = line.getPointAtLength(0);
  const tip = path("edge forward", "", moved(line.getPointAtLength(line.getTotalLength()), "M-7 -9L0 0L7 -9", "M-9 -7L0 0L-9 7"));
  const head = path("head", "", moved(start, "M-8 12L0 0L8 12z", "M12 -8L0 0L12 8z"));
  const badge = badgeLayer.appendChild(shape("g", { class: "badge" }));
  badge.append(shape("rect", { rx: 10 }), shape("text"), shape("text", { class: "why", y: 13 }));
  return {
    card,
    source: cards[source],
    edges: edges.map(([k, e]) => nodes[k].edges[e]),
    rows: card.kind === "rows" || edges.length > 1,
    d, x, y, line, river, tip, head, start, badge,
  };
}

function makeCard(card, c) {
  const [x, y, w, h] = form.cards[c];
  const leaf = card.kind === "leaf";
  const changes = leaf && live;
  const rows = card.kind === "rows" && form.rows;
  const kind = leaf || card.kind === "group" ? card.kind : "op";
  const group = cardLayer.appendChild(
    shape("g", {
      class: `card ${kind}${changes ? " live" : ""}${card.shown.includes(output) ? " out" : ""}`,
      transform: `translate(${x},${y})`,
      tabindex: 0,
      role: changes ? "spinbutton" : "button",
    }),
  );
  const r = leaf ? 22 : 12;
  const strip = rows
    ? `M${w - 82} 2h68a12 12 0 0 1 12 12v${h - 28}a12 12 0 0 1 -12 12h-68z`
    : `M2 ${h - 30}h${w - 4}v${28 - r}a${r} ${r} 0 0 1 -${r} ${r}h-${w - 4 - 2 * r}a${r} ${r} 0 0 1 -${r} -${r}z`;
  const box = group.appendChild(shape("rect", { class: "b", width: w, height: h, rx: r }));
  group.append(shape("path", { class: "tint", d: strip }));
  const text = (name, across, down, content, style = "") =>
    group.appendChild(shape("text", { class: name, x: across, y: down, style }, content));
  Object.assign(card, { group, full: box.appendChild(shape("title")) });
  Object.assign(card, (rows ? makeRows : makeFace)(card, text, w, h));
  if (changes) makeDraggable(group, card.shown[0]);
  else {
    group.onclick = () => choose(card);
    group.onkeydown = ({ key }) => {
      if (key === "Enter") choose(card); // to return false would keep the Tab key in here
    };
  }
}

const shownOp = ({ op }) => (op === "sumprod" ? "sum" : op);
const titleOf = ({ kind, last, title }) => (kind === "rows" ? `${last.name} · ${shownOp(last)}` : title);

function makeFace(card, text, w, h) {
  const [narrower, lower] = [w < 150, h < 90];
  const most = narrower ? 14 : 19;
  const name = titleOf(card);
  const short = name.length > most && name.includes(" = ") ? name.split(" = ")[0] : name;
  text("t", w / 2, lower ? 18 : 20, cut(short, most));
  const value = text("v", w / 2, h - (lower ? 37 : 41));
  const gradient = text("g", w / 2, h - 10);
  return {
    value,
    gradient,
    paint(i) {
      const values = card.shown.map((node) => (known(node, i) ? few(valueOf(node)) : "…")).join(", ");
      put(value, cut(values, 20));
      value.style.fontSize = values.length > (narrower ? 8 : 11) ? "14px" : "";
      const found = card.shown.map((node) => gradientAt(node, i)).filter((g) => g !== null);
      const all = found.map((g) => few(g)).join(", ");
      const whole = card.shown.length === 1 ? `${partial(card.shown[0])} = ${all}` : "";
      put(gradient, !found.length ? "" : whole && whole.length <= most - 2 ? whole : `∂ ${cut(all, most - 2)}`);
    },
  };
}

// How much flows back along an arrow.
function flowOf({ edges }) {
  return edges.reduce((sum, edge) => sum + (done(edge, end) ? Number(edge.product) || 0 : 0), 0);
}

function paint() {
  const u = units[unit];
  const i = u.end;
  const back = seed >= 0 && u.from >= seed && u.kind !== "given";
  ui.stage.classList.toggle("back", back);
  ui.say.classList.toggle("back", back);
  const lit = new Set([u.card]);
  if (u.kind === "backward") arrows.filter((arrow) => isNow(u, arrow)).forEach(({ source }) => lit.add(source));
  for (const card of cards) {
    const { group, shown } = card;
    card.paint(i);
    group.classList.toggle("now", lit.has(card));
    group.classList.toggle("has", shown.some((node) => gradientAt(node, i) !== null));
    group.classList.toggle("faint", !shown.every((node) => known(node, i)));
    const text = shown.map((node) => fullText(node, i)).join("; ");
    put(card.full, text);
    if (card.kind === "leaf" && live) {
      group.ariaLabel = text;
      group.ariaValueNow = v[shown[0].k];
    }
  }
  const flows = arrows.map((arrow) => Math.abs(flowOf(arrow)));
  const most = Math.max(0, ...flows.filter(Number.isFinite));
  arrows.forEach((arrow, n) => paintArrow(arrow, most && Number.isFinite(flows[n]) ? flows[n] / most : 0));
  say(u);
  put(ui.error, error);
  paintPanels(i);
  follow();
}

function fullText(node, i) {
  const g = gradientAt(node, i);
  const value = known(node, i) ? show(valueOf(node)) : "not computed yet";
  return `${node.name} = ${value}${g === null ? "" : `, ${partial(node)} = ${show(g)}`}`;
}

function paintArrow(arrow, share) {
  const u = units[unit];
  const { edges, line, tip, river, head, badge, start, rows } = arrow;
  const flows = edges.filter(({ step }) => step);
  const flowed = flows.length > 0 && flows.every((edge) => done(edge, u.end));
  const now = isNow(u, arrow);
  const visible = flowed && edges.length === 1 && (now || !rows);
  const shown = ({ style }, wanted) => {
    if ((style.display === "") !== wanted) style.display = wanted ? "" : "none";
  };
  shown(line, !flowed);
  shown(tip, !flowed && (u.end < end || data.failure !== ""));
  shown(river, flowed);
  shown(head, flowed);
  shown(badge, visible && (!form.tall || now || arrows.length < 12));
  line.classList.toggle("now", now && u.kind === "forward");
  tip.classList.toggle("now", now && u.kind === "forward");
  badge.classList.toggle("now", now && u.kind === "backward");
  const width = 2 + 8 * Math.sqrt(share);
  set(river, { "stroke-width": width.toFixed(2) });
  set(head, { transform: `translate(${start.x},${start.y}) scale(${(0.75 + width / 14).toFixed(3)})` });
  if (visible) badgeText(arrow, `× ${few(edges[0].slope)}`);
}

function badgeText({ badge, x, y, edges, rows }, text) {
  const formula = rows ? "" : slopeOf(edges[0]);
  const why = formula.length > 14 || /^[(-]*[\d.]+\)*$/.test(formula) ? "" : formula;
  const [rect, first, second] = badge.children;
  if (first.textContent === text && second.textContent === why) return;
  put(first, text);
  put(second, why);
  set(first, { y: why ? -2 : 5 });
  const width = Math.max(8.4 * text.length, 7 * why.length) + 14;
  const height = why ? 38 : 28;
  // Where it is wider than its place, it goes over the curve and not over the card.
  const left = form.tall ? 0 : Math.max(0, (width + 8 - form.label) / 2);
  set(badge, { transform: `translate(${x - left},${y})` });
  set(rect, { x: -width / 2, y: -height / 2, width, height });
}

// --- where it is looked at -----------------------------------------------------------------------

function follow() {
  const [w, h] = room;
  const fit = fitting(form);
  scale = Math.max(Math.min(fit, 1.5), SMALLEST);
  let [x, y] = form.size.map((size) => size / 2);
  if (fit < SMALLEST) {
    const boxes = currentCards().map((card) => form.cards[cards.indexOf(card)]);
    const ends = (least, size) => [
      Math.min(...boxes.map((box) => box[least])),
      Math.max(...boxes.map((box) => box[least] + box[size])),
    ];
    const [[left, right], [up, down]] = [ends(0, 2), ends(1, 3)];
    // Both ends are seen: smaller than ever, where they are far apart.
    scale = Math.min(scale, w / (right - left + 24), h / (down - up + 24));
    [x, y] = [(left + right) / 2, (up + down) / 2];
  }
  lookAt(x, y);
  ui.overview.hidden = fit >= SMALLEST;
}

function currentCards() {
  const u = units[unit];
  if (!u.card) return [output.card];
  const near = arrows.filter((arrow) => isNow(u, arrow)).flatMap(({ source, card }) => [source, card]);
  return u.kind === "backward" && near.length && near.length <= 8 ? near : [u.card];
}

function lookAt(x, y) {
  const seen = room.map((size) => size / scale);
  const corner = [x, y].map((middle, n) => {
    const size = form.size[n];
    const least = seen[n] / 2 - 16;
    return (seen[n] >= size + 32 ? size / 2 : Math.min(Math.max(middle, least), size - least)) - seen[n] / 2;
  });
  view = [...corner, ...seen];
  set(ui.graph, { viewBox: view.map((n) => n.toFixed(1)).join(" ") });
  const [left, top, width, height] = view;
  set(ui.overview.querySelector(".seen"), { x: left, y: top, width, height });
}

ui.overview.onpointerdown = (event) => {
  ui.overview.setPointerCapture(event.pointerId);
  const small = ui.overview.firstElementChild;
  const move = ({ clientX, clientY }) => {
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(small.getScreenCTM().inverse());
    lookAt(x, y);
  };
  move(event);
  ui.overview.onpointermove = move;
  ui.overview.onpointerup = ui.overview.onpointercancel = () => (ui.overview.onpointermove = null);
};

// --- beside the picture --------------------------------------------------------------------------

function paintPanels(i) {
  ui.scrub.value = unit;
  ui.scrub.ariaValueText = ui.sentence.textContent;
  ui.back.disabled = unit === 0;
  ui.forward.disabled = unit === units.length - 1;
  const whole = known(output, i);
  ui.result.dataset.value = whole ? v[output.k] : "";
  const texts = given.slice(0, 4).map((node) => withValue(node));
  if (given.length > 4) texts.push("…");
  put(ui.result, `${texts.length ? `at ${texts.join(", ")}: ` : ""}${output.name} = ${whole ? few(valueOf(output), 5) : "…"}`);
  leaves.forEach((node) => {
    const { field } = node;
    const g = gradientAt(node, i);
    field.dataset.value = field.title = g ?? "";
    if (g === null) return put(field, "gradient: not computed yet");
    const adds = live ? `, so +0.1 adds about ${few(0.1 * g, 3)}` : "";
    field.replaceChildren(`${partial(node)} = `, make("b", { className: "g" }, few(g)), adds);
  });
  markSteps(units[unit]);
  put(ui.play, playing ? "❚❚ Pause" : "▶ Play");
  ui.play.ariaPressed = playing;
  if (chosen) paintChosen(i);
  if (live && plotted) plot(plotted);
}

let marked = [];
function markSteps({ from: first, end: last }) {
  const items = [...ui.list.children].slice(first, last + 1);
  if (items.length === marked.length && items[0] === marked[0]) return;
  marked.forEach((item) => (item.ariaCurrent = null));
  items.forEach((item) => (item.ariaCurrent = "step"));
  marked = items;
  const panel = ui.list.closest(".steps");
  if (!items.length || narrow.matches) return;
  requestAnimationFrame(() => (panel.scrollTop = items[0].offsetTop - panel.clientHeight / 3));
}

function listSteps() {
  for (const step of steps) {
    const { kind, i } = step;
    const item = ui.list.children[i] ?? ui.list.appendChild(make("li", { className: kind === "forward" ? "f" : "" }));
    item.onclick = () => jump(units.findIndex((u) => covers(u, step)), false);
    put(item, lineOf(step));
    item.hidden = !taken(step);
  }
}

function choose(card) {
  chosen = card;
  ui.chosen.hidden = false;
  paintChosen(at());
  if (narrow.matches) ui.chosen.scrollIntoView({ block: "nearest" });
}

ui.close.onclick = () => {
  ui.chosen.hidden = true;
  chosen.group.focus();
  chosen = null;
};

// All that a card is computed from, and all that adds to its gradient, use by use.
function paintChosen(i) {
  const { kind, shown } = chosen;
  put(ui.chosen.querySelector("h2"), titleOf(chosen));
  ui.chosen.querySelector("table").replaceChildren(...(kind === "rows" ? tableOf(chosen, i) : []));
  const found = shown.flatMap((node) => [node.step, ...node.arrivals]);
  const lines = found.filter((step) => step && step.i <= i && step.i < reached).map(lineOf);
  ui.chosen.querySelector("ol").replaceChildren(...lines.map((line) => make("li", {}, line)));
}

// --- motion --------------------------------------------------------------------------------------

// What moves is an animation, and so is a pause: `settle` cancels all, and whoever waits ends.
const during = (ms, part = ui.graph, frames = null) =>
  part.animate(frames, { duration: ms / ui.speed.value, easing: "ease-in-out", fill: "forwards" }).finished;

function settle() {
  ui.graph.getAnimations({ subtree: true }).forEach((animation) => animation.cancel());
  pillLayer.replaceChildren();
}

// A pill with a number goes along an arrow, from one part of its length to another.
async function fly({ d, river }, first, last, label, kind, ms) {
  const pill = pillLayer.appendChild(shape("g", { class: `pill ${kind}` }));
  const width = 18 + 9 * label.length;
  pill.append(shape("rect", { x: -width / 2, y: -14, width, height: 28, rx: 14 }), shape("text", { y: 5 }, label));
  pill.style.offsetPath = `path("${d}")`;
  const ends = [first, last];
  if (last < first) {
    during(ms, river, { strokeDasharray: ["1", "1"], strokeDashoffset: ends.map((x) => `${-x}`) }).catch(() => {});
  }
  await during(ms, pill, { offsetDistance: ends.map((x) => `${100 * x}%`) });
  pill.remove();
}

async function moveForward(u, going) {
  if (!u.card) return;
  put(u.card.value, "…");
  u.card.group.classList.add("faint");
  await Promise.all(going.map((arrow) => fly(arrow, 0, 1, few(numberOf(arrow.edges[0])), "f", 650)));
}

async function moveBackward(u, going) {
  const before = u.from - 1;
  const targets = [...new Set(going.map(({ source }) => source))];
  targets.forEach((card) => card.paint(before));
  going.forEach(({ river, head, line }) => {
    river.style.display = head.style.display = "none";
    line.style.display = "";
  });
  await Promise.all(going.map((arrow) => carry(arrow, u)));
  const { at: to, product, total } = u.step.edge;
  const had = gradientAt(to, before);
  if (u.count === 1 && had !== null && targets.length === 1) {
    put(targets[0].gradient, addition(had, product, total));
    await during(800);
  }
}

// What arrived goes back to the badge, is multiplied there, and goes on.
async function carry(arrow, u) {
  const { edges, line, river, head, badge } = arrow;
  const { of, step, slope } = edges.find((edge) => covers(u, edge.step));
  const arrived = few(gradientAt(of, u.from - 1) ?? gradientAt(of, step.i - 1));
  river.style.display = "";
  await fly(arrow, 1, 0.5, arrived, "", 450);
  if (edges.length === 1) {
    badge.style.display = "";
    badgeText(arrow, `${arrived} × ${inBrackets(few(slope))}`);
    await during(520);
    badgeText(arrow, `× ${few(slope)}`);
  }
  line.style.display = "none";
  await fly(arrow, 0.5, 0, few(flowOf(arrow)), "", 450);
  head.style.display = "";
}

// Shows a unit, and how it comes about where it is the next one.
async function go(to, moves = true) {
  settle();
  to = Math.max(0, Math.min(units.length - 1, to));
  const next = to === unit + 1;
  unit = to;
  paint();
  const u = units[unit];
  const move = { forward: moveForward, backward: moveBackward }[u.kind];
  if (!moves || calm.matches || !next || !move || u.from >= reached) return;
  await move(u, arrows.filter((arrow) => isNow(u, arrow)).slice(0, 8));
  settle();
  paint();
}

// Whoever cancels what moves has painted.
const unlessCancelled = (caught) => {
  if (caught.name !== "AbortError") throw caught;
};

// What a reader asks for ends what plays.
function jump(to, moves) {
  playing = false;
  go(to, moves).catch(unlessCancelled);
}

async function play() {
  if (playing) return jump(unit, false);
  playing = true;
  if (unit === units.length - 1) await go(0, false);
  paint();
  try {
    while (unit < units.length - 1) {
      await go(unit + 1);
      await during(700 + 95 * ui.sentence.textContent.split(" ").length);
    }
    playing = false;
    paint();
  } catch (caught) {
    unlessCancelled(caught);
  }
}

ui.play.onclick = play;
ui.back.onclick = () => jump(unit - 1, false);
ui.forward.onclick = () => jump(unit + 1);
ui.scrub.oninput = () => jump(Number(ui.scrub.value), false);
ui.by.onchange = () => {
  const i = at();
  setUnits(ui.by.value);
  jump(i >= end ? units.length - 1 : units.findIndex((u) => u.end >= i), false);
};

document.onkeydown = (event) => {
  const { key, target } = event;
  if (target.matches("input, select") || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = { ArrowRight: unit + 1, ArrowLeft: unit - 1, Home: 0, End: units.length - 1 }[key];
  if (to === undefined && (key !== " " || target.matches("button, summary"))) return;
  event.preventDefault();
  if (key === " ") play();
  else jump(to);
};

function setUnits(by) {
  makeUnits(by);
  ui.scrub.max = units.length - 1;
  const split = units.findIndex(({ kind }) => kind === "seed");
  ui.bar.style.setProperty("--split", `${split < 0 ? 100 : (100 * split) / (units.length - 1)}%`);
  reserve();
}

// The caption is as high as its highest text, so that nothing jumps.
function reserve() {
  ui.say.style.minHeight = "";
  const every = Math.ceil(units.length / 120);
  const heights = units.map((u, n) => {
    if (n % every) return 0;
    say(u);
    return ui.say.offsetHeight;
  });
  ui.say.style.minHeight = `${Math.max(...heights)}px`;
}

// --- changing the leaves -------------------------------------------------------------------------

function hold(node) {
  if (from?.node === node && !from.released) return;
  from = { node, x: v[node.k], y: v[output.k], slope: error ? NaN : node.gradient, released: false };
}

function release() {
  if (from) from.released = true;
}

let waiting = false;
function change(node, x, typed) {
  playing = false;
  settle();
  compute(v.slice(0, inputs).with(node.k, x));
  plotted = node;
  const { number, range } = node;
  if (typed !== number) number.value = Number(x.toPrecision(12));
  if (typed !== range) centre(range, x);
  paint();
  // The list is written once for each frame: a drag may change numbers more often.
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    listSteps();
  });
}

function centre(range, x) {
  if (!(x >= range.min && x <= range.max) || range.min === "") {
    const span = 2 * Math.max(1, Math.abs(x));
    Object.assign(range, { min: x - span, max: x + span, step: span / 200 });
  }
  range.value = x;
}

function makeLeaf(node) {
  const { k, name } = node;
  const x = v[k];
  const label = make("label", { htmlFor: `leaf${k}` }, live ? name : `${name} = ${show(valueOf(node))}`);
  const field = (node.field = make("output"));
  if (!live) return make("div", { className: "leaf" }, label, field);
  const number = make("input", { type: "number", step: "any", id: `leaf${k}`, value: x });
  const range = make("input", { type: "range", min: "", step: "any", ariaLabel: `drag ${name}` });
  Object.assign(node, { number, range });
  centre(range, x);
  for (const input of [number, range]) {
    input.onfocus = input.onpointerdown = () => hold(node);
    input.onblur = input.onpointerup = release;
    input.oninput = () => {
      const valid = Number.isFinite(input.valueAsNumber);
      input.ariaInvalid = !valid;
      if (!valid) return;
      hold(node);
      change(node, input.valueAsNumber, input);
    };
  }
  return make("div", { className: "leaf" }, label, range, number, field);
}

function makeDraggable(group, node) {
  let start = null;
  group.onpointerdown = ({ clientX, pointerId }) => {
    start = { clientX, x: v[node.k] };
    group.setPointerCapture(pointerId);
    hold(node);
  };
  group.onpointermove = ({ clientX }) => {
    if (!start) return;
    const x = start.x + ((clientX - start.clientX) * Math.max(1, Math.abs(start.x))) / 150;
    change(node, Number(x.toPrecision(6)));
  };
  group.onpointerup = group.onpointercancel = () => {
    start = null;
    release();
  };
  group.onkeydown = (event) => {
    const x = v[node.k];
    const size = Math.max(1, 10 ** Math.floor(Math.log10(Math.abs(x) || 1)));
    const by = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 }[event.key];
    if (!by && event.key !== "Enter") return;
    event.preventDefault();
    if (by) {
      hold(node);
      change(node, Number((x + by * size).toPrecision(12)));
      release();
    } else {
      if (node.parameter) ui.parameters.open = true;
      node.number.focus();
      node.number.select();
    }
  };
}

// --- the plot of the output against one leaf -----------------------------------------------------

const WIDE = 320;
const HIGH = 176;

function plot(node) {
  const x = v[node.k];
  const y = error ? NaN : Number(v[output.k]);
  const begun = from?.node === node ? from : { x };
  const reach = Math.max(2 * Math.max(1, Math.abs(begun.x)), 1.2 * Math.abs(x - begun.x));
  const [low, high] = [begun.x - reach, begun.x + reach];
  const numbers = v.slice(0, inputs);
  const points = Array.from({ length: 97 }, (_, i) => {
    const there = low + ((high - low) * i) / 96;
    numbers[node.k] = there;
    return [there, outputAt(numbers)];
  });
  const ys = points.map(([, height]) => height).filter(Number.isFinite).sort((a, b) => a - b);
  ui.plot.hidden = ys.length === 0;
  if (ys.length === 0) return;
  const shown = [ys[Math.floor(0.03 * ys.length)], ys[Math.ceil(0.97 * (ys.length - 1))], y].filter((a) => a === a);
  const margin = (Math.max(...shown) - Math.min(...shown) || 1) * 0.15;
  const [bottom, top] = [Math.min(...shown) - margin, Math.max(...shown) + margin];
  const px = (there) => ((there - low) / (high - low)) * WIDE;
  const py = (height) => HIGH - ((height - bottom) / (top - bottom)) * HIGH;
  const parts = [];
  const part = (tag, attributes, text) => {
    const sizes = Object.values(attributes).filter((size) => typeof size === "number");
    if (sizes.every((size) => Math.abs(size) < 1e6)) parts.push(shape(tag, attributes, text));
  };
  const tangent = (kind, there, height, slope) => {
    const [y1, y2] = [low, high].map((side) => py(height + slope * (side - there)));
    part("line", { class: kind, x1: 0, y1, x2: WIDE, y2 });
  };
  const near = ([, height]) => Math.abs(height - bottom) < 20 * (top - bottom);
  const d = points.map((point, i) => {
    const pen = i && near(points[i - 1]) ? "L" : "M";
    return near(point) ? `${pen}${px(point[0]).toFixed(1)} ${py(point[1]).toFixed(1)}` : "";
  });
  part("path", { class: "curve", d: d.join("") });
  let text = "How steep is it at the dot? The backward pass will tell.";
  const [leaf, result] = [node.name, output.name];
  const last = node.arrivals.at(-1);
  if (!error && (at() >= end || (last && at() >= last.i))) {
    text = `The dashed line has the slope ${partial(node)} = ${few(node.gradient)}: near the dot it is the curve.`;
    if (begun.x !== x && Number.isFinite(begun.slope)) {
      const led = begun.y + begun.slope * (x - begun.x);
      tangent("from", begun.x, begun.y, begun.slope);
      part("circle", { class: "marker", cx: px(x), cy: py(led), r: 6 });
      text = `From ${leaf} = ${show(begun.x)} the tangent leads to ${result} = ${show(led)} (ring). ${text}`;
    }
    tangent("tangent", x, y, node.gradient);
  }
  part("circle", { class: "here", cx: px(x), cy: py(y), r: 6 });
  part("text", { x: 4, y: 14 }, few(top, 3));
  part("text", { x: 4, y: HIGH - 5 }, few(bottom, 3));
  ui.plot.querySelector("svg").replaceChildren(...parts);
  put(ui.range, `${leaf} from ${few(low, 3)} to ${few(high, 3)}`);
  put(ui.tangent, text);
  put(ui.plotted, `${result} when only ${leaf} changes`);
}

// --- the start -----------------------------------------------------------------------------------

const seed = steps.findIndex(({ kind }) => kind === "seed");
if (live) compute(v);
ui.leaves.append(...given.map(makeLeaf));
const own = leaves.filter((node) => node.parameter);
ui.parameters.hidden = !own.length;
ui.parameters.firstElementChild.textContent = `${own.length} parameter${own.length > 1 ? "s" : ""}`;
ui.parameters.append(...own.map(makeLeaf));
ui.parameters.open = given.length === 0;
if (!live) ui.numbers.textContent = "Numbers";
ui.plot.hidden = !live || inputs === 0;
makeUnits("steps");
const by = units.length > 24 ? "cards" : "steps";
ui.by.hidden = by === "steps";
measure();
build();
setUnits(by);
unit = units.length - 1;
listSteps();
paint();
new ResizeObserver(() => {
  measure();
  if (chooseForm() === form) return follow();
  playing = false;
  settle();
  build();
  reserve();
  paint();
}).observe(ui.picture);
