const data = JSON.parse(document.getElementById("data").textContent);
for (const node of data.nodes) {
  node.edges = node.edges.map(([at, formula, constant]) => ({ at, formula, constant }));
}
const { nodes, steps, inputs, output, live } = data;
const byId = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const FIRST = 0xe001; // in formulas the k-th operand is this character plus k

// --- numbers as Python shows them -----------------------------------------------------------

function show(x) {
  if (typeof x === "string") return x;
  if (typeof x === "boolean") return x ? "True" : "False";
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0.0" : "0.0";
  const [digits, power] = x.toExponential(5).split("e");
  const k = Number(power);
  if (k < -4 || k >= 6) {
    const size = String(Math.abs(k)).padStart(2, "0");
    return `${digits.replace(/\.?0+$/, "")}e${k < 0 ? "-" : "+"}${size}`;
  }
  const text = x.toPrecision(6).replace(/\.?0+$/, (zeros) => (zeros.includes(".") ? "" : zeros));
  const short = text.includes(".") ? text.replace(/0+$/, "") : text;
  return short.includes(".") ? short : `${short}.0`;
}

function inFormula(x) {
  const text = show(x);
  return /^-|\//.test(text) ? `(${text})` : text;
}

function fill(formula, operands, result) {
  const text = Array.from(formula, (c) => {
    const k = c.charCodeAt(0) - FIRST;
    return k === -1 ? result : k >= 0 && k < operands.length ? operands[k] : c;
  }).join("");
  return text.replace(/\(\(([^()]*)\)\)/g, "($1)");
}

// --- computing everything ------------------------------------------------------------------

function failure(error, k, numbers, where) {
  const { op, hint, edges } = nodes[k];
  const named = edges.slice(0, 8).map(({ at }, i) => {
    return at === null || at >= inputs ? show(numbers[i]) : `${nodes[at].name}=${show(numbers[i])}`;
  });
  if (edges.length > 8) named.push(`... ${edges.length - 8} more`);
  const call = /^\w+$/.test(op) ? `${op}(${named.join(", ")})` : named.join(` ${op} `);
  let cure = hint;
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

function operandsOf(k, value) {
  return nodes[k].edges.map(({ at, constant }) => (at === null ? constant : value[at]));
}

// The chain rule itself. `reached` counts the steps that can be taken: all, unless one fails.
function compute(leaves) {
  const s = { value: [...leaves], local: [], product: [], total: [], reached: steps.length };
  s.error = "";
  const gradient = nodes.map(() => 0);
  gradient[output] = 1;
  steps.some(([kind, k, e], i) => {
    try {
      if (kind === "forward") {
        [s.value[k]] = program[k - inputs].forward(s.value);
      } else if (kind === "backward") {
        s.local[k] ??= program[k - inputs].local(s.value, s.value[k]);
        const at = nodes[k].edges[e].at;
        s.product[i] = gradient[k] * s.local[k][e];
        gradient[at] += s.product[i];
        s.total[i] = gradient[at];
      }
      return false;
    } catch (error) {
      const where = kind === "backward" ? "the derivative of " : "";
      s.error = failure(error, k, operandsOf(k, s.value), where);
      s.reached = i;
      return true;
    }
  });
  s.gradient = gradient;
  return s;
}

function outputAt(leaves) {
  const value = [...leaves];
  for (let k = inputs; k < nodes.length; k++) [value[k]] = program[k - inputs].forward(value);
  return value[output];
}

// --- the lines of explain --------------------------------------------------------------------

function slope(k) {
  return `∂${nodes[output].name}/∂${nodes[k].name}`;
}

function lineOf(i) {
  if (i < 0) {
    const given = nodes.slice(0, inputs).map((node, k) => `${node.name} = ${show(state.value[k])}`);
    const more = given.length > 12 ? `, and ${given.length - 12} more` : "";
    return `given: ${given.slice(0, 12).join(", ")}${more}`;
  }
  const [kind, k, e] = steps[i];
  const node = nodes[k];
  if (i >= state.reached) return `${node.name}: ${state.error}`;
  if (kind === "seed") return `${slope(k)} = ${data.one}`;
  const names = node.edges.map(({ at }) => (at === null ? "" : nodes[at].name));
  if (kind === "forward") {
    const numbers = operandsOf(k, state.value).map(inFormula);
    const sides = [fill(node.formula, names), fill(node.formula, numbers), show(state.value[k])];
    return `${node.name} = ${sides.join(" = ")}`;
  }
  const edge = node.edges[e];
  const above = gradientAt(k, i - 1);
  const formula = fill(edge.formula, names, node.name);
  const sofar = data.shared.includes(edge.at) ? `  (so far ${show(state.total[i])})` : "";
  return (
    `${slope(edge.at)} += ${slope(k)} · ${formula} = ` +
    `${inFormula(above)} · ${inFormula(state.local[k][e])} = ${show(state.product[i])}${sofar}`
  );
}

// What has accumulated in node k after step i: null if nothing has arrived yet.
function gradientAt(k, i) {
  for (let j = Math.min(i, state.reached - 1); j >= 0; j--) {
    const [kind, from, e] = steps[j];
    if (kind === "forward") break;
    if (kind === "seed" && from === k) return data.one;
    if (kind === "backward" && nodes[from].edges[e].at === k) return state.total[j];
  }
  const done = state.reached === steps.length && i >= steps.length - 1;
  return done && data.differentiable ? data.zero : null;
}

// --- what is on the page ---------------------------------------------------------------------

let state = live ? compute(data.numbers) : { ...data.state, reached: steps.length, error: "" };
let leaves = live ? [...data.numbers] : [];
let step = -1;
let from = null; // where the leaf that is being changed was, and the tangent there
const forwardStep = new Map();
const edgeStep = new Map();
steps.forEach(([kind, k, e], i) => {
  if (kind === "forward") forwardStep.set(k, i);
  if (kind === "backward") edgeStep.set(`${k}-${e}`, i);
});
const shapes = [...document.querySelectorAll("[data-node]")];
const edges = [...document.querySelectorAll("[data-edge]")];
const seedAt = steps.findIndex(([kind]) => kind === "seed");

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

function known(k) {
  return k < inputs || (forwardStep.get(k) <= step && forwardStep.get(k) < state.reached);
}

function render() {
  const now = step >= 0 ? steps[step] : ["given", -1, -1];
  for (const shape of shapes) {
    const k = Number(shape.dataset.node);
    const gradient = gradientAt(k, step);
    put(shape.querySelector(".v"), known(k) ? show(state.value[k]) : "…");
    put(shape.querySelector(".g"), gradient === null ? "…" : show(gradient));
    const operand = now[0] === "backward" && nodes[now[1]].edges[now[2]].at === k;
    const feeds = now[0] === "forward" && nodes[now[1]].edges.some(({ at }) => at === k);
    shape.classList.toggle("lit", now[1] === k || operand || feeds);
  }
  for (const edge of edges) {
    const key = edge.dataset.edge;
    const [k, e] = key.split("-").map(Number);
    const at = edgeStep.has(key) ? edgeStep.get(key) : seedAt;
    if (edge.tagName === "text") {
      const arrived = step >= at && at >= 0 && at < state.reached && state.local[k];
      put(edge, arrived ? show(state.local[k][e]) : "");
    }
    const lit = now[1] === k && (now[0] === "forward" || (now[0] === "backward" && now[2] === e));
    edge.classList.toggle("lit", lit);
  }
  put(byId("line"), lineOf(step));
  put(byId("count"), `step ${step + 1} of ${steps.length}`);
  byId("scrub").value = step + 1;
  byId("scrub").setAttribute("aria-valuetext", `step ${step + 1} of ${steps.length}`);
  byId("first").disabled = byId("back").disabled = step < 0;
  byId("last").disabled = byId("forward").disabled = step === steps.length - 1;
  put(byId("error"), state.error);
  document.querySelectorAll(".leaf output").forEach((field) => {
    const k = Number(field.dataset.leaf);
    const gradient = gradientAt(k, step);
    field.dataset.value = gradient === null ? "" : gradient;
    field.title = gradient === null ? "" : String(gradient);
    put(field, `${slope(k)} = ${gradient === null ? "…" : show(gradient)}`);
  });
  const result = byId("result");
  const whole = known(output) || nodes.length === inputs;
  result.dataset.value = whole ? state.value[output] : "";
  const shownResult = whole ? show(state.value[output]) : "…";
  put(document.querySelector("#graph title"), `${nodes[output].name} = ${shownResult}`);
  put(result, `${nodes[output].name} = ${shownResult}`);
  [...byId("list").children].forEach((item, i) => {
    if (i === step) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

function listSteps() {
  steps.forEach((_, i) => {
    const list = byId("list");
    put(list.children[i] || list.appendChild(document.createElement("li")), lineOf(i));
  });
}

function go(to) {
  step = Math.max(-1, Math.min(steps.length - 1, to));
  render();
  const lit = step >= 0 && shapes.find((shape) => Number(shape.dataset.node) === steps[step][1]);
  const view = byId("graph");
  if (lit) {
    const box = lit.getBoundingClientRect();
    const frame = view.getBoundingClientRect();
    const left = view.scrollLeft + box.left + box.width / 2 - frame.left - frame.width / 2;
    const top = view.scrollTop + box.top + box.height / 2 - frame.top - frame.height / 2;
    view.scrollTo({ left, top, behavior: calm.matches ? "instant" : "smooth" });
  } else {
    view.scrollTo({ left: 0, top: 0, behavior: "instant" });
  }
}

byId("first").onclick = () => go(-1);
byId("back").onclick = () => go(step - 1);
byId("forward").onclick = () => go(step + 1);
byId("last").onclick = () => go(steps.length - 1);
byId("scrub").max = steps.length;
byId("scrub").oninput = (event) => go(Number(event.target.value) - 1);

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.altKey || event.metaKey) return;
  const to = { ArrowRight: step + 1, ArrowLeft: step - 1, Home: -1, End: steps.length - 1 }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    go(to);
  }
});

// --- changing the leaves -----------------------------------------------------------------------

function hold(k) {
  const y = state.value[output];
  if (from && from.k === k && !from.released) return;
  from = { k, x: leaves[k], y, slope: state.error ? NaN : state.gradient[k], released: false };
}

function change(k, x, typed) {
  leaves[k] = x;
  state = compute(leaves);
  const row = document.querySelector(`.leaf[data-leaf="${k}"]`);
  if (row && typed !== "number") row.querySelector("[type=number]").value = Number(x.toPrecision(12));
  if (row && typed !== "range") centre(row.querySelector("[type=range]"), x);
  render();
  listSteps();
  plot(k);
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
  const row = document.createElement("div");
  row.className = "leaf";
  row.dataset.leaf = k;
  const label = document.createElement("label");
  label.textContent = nodes[k].name;
  label.htmlFor = `leaf${k}`;
  const gradient = document.createElement("output");
  gradient.dataset.leaf = k;
  if (!live) {
    label.textContent = `${nodes[k].name} = ${show(state.value[k])}`;
    row.append(label, gradient);
    return row;
  }
  const number = document.createElement("input");
  Object.assign(number, { type: "number", step: "any", id: `leaf${k}`, value: leaves[k] });
  const range = document.createElement("input");
  Object.assign(range, { type: "range", min: "", step: "any" });
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
  number.onblur = range.onblur = range.onpointerup = () => {
    if (from) from.released = true;
  };
  row.append(label, number, range, gradient);
  return row;
}

function makeDraggable(shape) {
  const k = Number(shape.dataset.node);
  if (!live || k >= inputs) return;
  shape.classList.add("drag");
  let start = null;
  shape.addEventListener("pointerdown", (event) => {
    start = { x: event.clientX, y: event.clientY, value: leaves[k] };
    shape.setPointerCapture(event.pointerId);
    hold(k);
    event.preventDefault();
  });
  shape.addEventListener("pointermove", (event) => {
    if (!start) return;
    const moved = event.clientX - start.x - (event.clientY - start.y);
    const x = start.value + (moved * Math.max(1, Math.abs(start.value))) / 150;
    change(k, Number(x.toPrecision(6)), "drag");
  });
  const release = () => {
    start = null;
    if (from) from.released = true;
  };
  shape.addEventListener("pointerup", release);
  shape.addEventListener("pointercancel", release);
}

// --- the plot of the output against one leaf ---------------------------------------------------

const WIDE = 360;
const HIGH = 220;

function plot(k) {
  const x = leaves[k];
  const middle = from && from.k === k ? from.x : x;
  const reach = Math.max(2 * Math.max(1, Math.abs(middle)), 1.2 * Math.abs(x - middle));
  const [low, high] = [middle - reach, middle + reach];
  const points = Array.from({ length: 161 }, (_, i) => {
    const at = low + ((high - low) * i) / 160;
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
  const parts = [["rect", { class: "frame", x: 0, y: 0, width: WIDE, height: HIGH }]];
  parts.push(["path", { class: "curve", d: path }]);
  const tangent = (kind, at, height, slopeThere) => {
    const ends = [low, high].map((end) => [px(end), py(height + slopeThere * (end - at))]);
    parts.push(["line", { class: kind, x1: ends[0][0], y1: ends[0][1], x2: ends[1][0], y2: ends[1][1] }]);
  };
  let text = "";
  const [leaf, result] = [nodes[k].name, nodes[output].name];
  if (from && from.k === k && from.x !== x && Number.isFinite(from.slope)) {
    const led = from.y + from.slope * (x - from.x);
    tangent("from", from.x, from.y, from.slope);
    parts.push(["circle", { class: "marker", cx: px(x), cy: py(led), r: 6 }]);
    text = `From ${leaf} = ${show(from.x)} the tangent leads to ${result} = ${show(led)} (ring). `;
  }
  if (!state.error) {
    tangent("tangent", x, y, state.gradient[k]);
    parts.push(["circle", { class: "here", cx: px(x), cy: py(y), r: 5 }]);
    text += `At ${leaf} = ${show(x)}, ${result} is ${show(y)} and its slope ${show(state.gradient[k])}.`;
  }
  parts.push(["text", { x: 4, y: 14 }, show(top)], ["text", { x: 4, y: HIGH - 5 }, show(bottom)]);
  const svg = byId("plot").querySelector("svg");
  svg.replaceChildren();
  for (const [tag, attributes, content] of parts) {
    const far = (size) => typeof size !== "number" && Math.abs(size) > 1e6;
    if (tag !== "path" && Object.values(attributes).some((x) => x === "NaN" || far(x))) continue;
    const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([name, value]) => part.setAttribute(name, value));
    if (content) part.textContent = content;
    svg.append(part);
  }
  put(byId("range"), `${leaf} from ${show(low)} to ${show(high)}`);
  put(byId("tangent"), text);
  put(byId("plotted"), `${result} against ${leaf}`);
}

byId("leaves").append(...nodes.slice(0, inputs).map((_, k) => makeLeaf(k)));
shapes.forEach(makeDraggable);
if (live) {
  const said = `The graph of ${nodes[output].name}; its numbers and gradients are in the lists below.`;
  put(document.querySelector("#graph desc"), said);
}
listSteps();
render();
if (live && inputs > 0) plot(0);
