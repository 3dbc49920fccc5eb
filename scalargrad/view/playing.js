const dark = matchMedia("(prefers-color-scheme: dark)");
const live = !data.reason;
const { inputs, outputs } = data;
const classes = data.classes ? outputs : 2;

const brief = (x) => few(x, 3);
const escaped = (text) => text.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);

// --- data: examples, and what a target means
const example = (row) => ({ x: row.slice(0, inputs), t: row.slice(inputs) });
let train = data.train.map(example);
let test = data.test.map(example);
const targets = [...train, ...test].map((e) => e.t[0]);
const low = Math.min(...targets);
const signs = !data.classes && outputs === 1 && targets.every((t) => t === 1 || t === low) && (low === -1 || low === 0);
const kind = inputs === 1 ? "curve" : inputs === 2 && (outputs === 1 || data.classes) ? "plane" : "scatter";
const classOf = (t) => data.classes ? t.indexOf(Math.max(...t)) : signs ? Number(t[0] === 1) : 0;
const guess = (scores) => data.classes ? scores.indexOf(Math.max(...scores)) : Number(scores[0] > 0);
const knowsRight = data.classes || signs;

function windowOf(column) {
  const values = [...train, ...test].map((e) => e.x[column]);
  const least = Math.min(...values), most = Math.max(...values);
  const room = 0.15 * (most - least) || 1;
  return [least - room, most + room];
}
const sides = inputs <= 2 ? Array.from({ length: inputs }, (_, k) => windowOf(k)) : [];

// --- the model
const units = data.units || [];
const neurons = units.map((unit, k) => ({ ...unit, k })).filter((unit) => unit.column > 0);
// A model without neurons is shown step by step: its terms have no weights.
const stepwise = neurons.some((unit) => unit.terms[0][0] === null);
const size = data.starts[0].length;
const p = new Float64Array(size), g = new Float64Array(size), constants = Float64Array.from(data.constants || []);
const memory = Array.from({ length: data.memories || 0 }, () => new Float64Array(size));
const seen = new Float64Array(1 + outputs + neurons.length);
const passed = new Float64Array(1 + 4 * neurons.length + size);
const own = new Float64Array(1 + size), moved = new Float64Array(1 + memory.length);
const given = new Float64Array(4 + memory.length);
const zeros = data.train.length ? example(data.train[0]).t : [];
let step = 0, start = 0, rate = data.lr, history = [], edited = false, changed = false;

function gradients() {
  g.fill(0);
  let total = 0;
  for (const e of train) {
    backward(p, e.x, e.t, constants, passed);
    total += passed[0];
    for (let k = 0, from = 1 + 4 * neurons.length; k < size; k++) g[k] += passed[from + k];
  }
  for (let k = 0; k < size; k++) g[k] /= train.length;
  return total / train.length + penalties();
}

function penalties(adds = true) {
  if (!data.penalised) return 0;
  penalty(p, own);
  if (adds) for (let k = 0; k < size; k++) g[k] += own[1 + k];
  return own[0];
}

function move() {
  for (let k = 0; k < size; k++) {
    given[0] = p[k], given[1] = g[k], given[2] = step, given[3] = rate;
    memory.forEach((m, i) => given[4 + i] = m[k]);
    update(given, moved);
    p[k] = moved[0];
    memory.forEach((m, i) => m[k] = moved[1 + i]);
  }
  step++;
}

function trainStep() {
  const loss = gradients();
  move();
  return loss;
}

function measure(examples) {
  let total = 0, right = 0;
  for (const e of examples) {
    forward(p, e.x, e.t, constants, seen);
    total += seen[0];
    right += guess(Array.from(seen.subarray(1, 1 + outputs))) === classOf(e.t);
  }
  return { loss: total / examples.length + penalties(false), right };
}

function note() {
  const ofTrain = measure(train), ofTest = test.length ? measure(test) : { loss: NaN, right: 0 };
  history.push({ step, train: ofTrain.loss, test: ofTest.loss, right: ofTrain.right, rightOfTest: ofTest.right });
  if (history.length > 3000) history = history.filter((_, k) => k % 2 === 0 || k === history.length - 1);
}

function begin() {
  p.set(data.starts[start]);
  memory.forEach((m) => m.fill(0));
  step = 0;
  history = [];
  best = { loss: Infinity, step: 0 };
  if (live) note();
}

// --- as in Python? The first steps are tried on the data as they came.
let agreement = "";
function compare() {
  begin();
  const losses = data.losses[start];
  agreement = "✓ the first " + losses.length + " steps are Python's";
  for (const [k, expected] of losses.entries()) {
    const loss = trainStep();
    if (!(Math.abs(loss - expected) <= 1e-9 * Math.max(1, Math.abs(expected)))) {
      agreement = `step ${k}: the loss is ${loss} here, ${expected} in Python`;
      break;
    }
  }
  begin();
}

function sameness() {
  const same = ui.same;
  same.hidden = !live;
  same.textContent = edited || changed ? "changed here" : agreement;
  same.classList.toggle("off", edited || changed || !agreement.startsWith("✓"));
}

// --- colours
let C;
function readColours() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => {
    const text = style.getPropertyValue(name).trim();
    const full = text.length === 4 ? [...text.slice(1)].map((c) => c + c).join("") : text.slice(1);
    return [0, 2, 4].map((k) => parseInt(full.slice(k, k + 2), 16));
  };
  C = {};
  for (const name of ["below", "above", "third", "fourth", "middle", "ink", "gradient", "stage", "dim", "line", "forward"]) C[name] = rgb(`--${name}`);
  C.classes = [C.below, C.above, C.third, C.fourth];
  const table = (strength) => Uint32Array.from({ length: 511 }, (_, k) => {
    const v = (k - 255) / 255, to = v < 0 ? C.below : C.above;
    return packed(C.middle.map((m, i) => m + (to[i] - m) * Math.abs(v) ** 0.8 * strength));
  });
  C.heat = table(0.82);
  C.soft = table(0.38);
}
const packed = ([r, green, b]) => (255 << 24 | Math.round(b) << 16 | Math.round(green) << 8 | Math.round(r)) >>> 0;
const css = (colour, alpha = 1) => `rgba(${colour},${alpha})`;
const heat = (v, table) => table[255 + Math.max(-255, Math.min(255, Math.round(v * 255)))];
const colourOf = (k) => C.classes[k % C.classes.length];

// --- what each unit gives at each place of the window (or for each example)
const COLUMNS = kind === "plane" ? (live ? 96 : data.grid[0]) : kind === "curve" ? (live ? 160 : data.grid[0]) : train.length;
const ROWS = kind === "plane" ? (live ? 60 : data.grid[1]) : 1;
// Each in a place of its own, those of a class beside each other.
const ordered = [...train].sort((a, b) => classOf(a.t) - classOf(b.t) || a.t[0] - b.t[0]);
const maps = units.map(() => new Float32Array(COLUMNS * ROWS));
const scores = Array.from({ length: outputs }, () => new Float32Array(COLUMNS * ROWS));
const across = (k, n) => sides[0][0] + (k + 0.5) / n * (sides[0][1] - sides[0][0]);
const down = (k, n) => sides[1][1] - (k + 0.5) / n * (sides[1][1] - sides[1][0]);

function evaluateMaps() {
  for (let row = 0, k = 0; row < ROWS; row++) {
    for (let column = 0; column < COLUMNS; column++, k++) {
      const x = kind === "scatter" ? ordered[column].x : kind === "curve" ? [across(column, COLUMNS)] : [across(column, COLUMNS), down(row, ROWS)];
      forward(p, x, zeros, constants, seen);
      for (let j = 0; j < outputs; j++) scores[j][k] = seen[1 + j];
      for (let j = 0; j < units.length; j++) maps[j][k] = j < inputs ? x[j] : seen[1 + outputs + j - inputs];
    }
  }
}

function fit(canvas) {
  const box = canvas.getBoundingClientRect(), scale = devicePixelRatio || 1;
  const wide = Math.round(box.width * scale), high = Math.round(box.height * scale);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, box.width, box.height);
  return [context, box.width, box.height];
}

// One canvas for each size: to make one anew takes longer than to fill it.
const tiles = new Map();
function tileOf(columns, rows, colour) {
  const key = `${columns}x${rows}`;
  if (!tiles.has(key)) {
    const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
    const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
    tiles.set(key, { canvas, context, image, pixels: new Uint32Array(image.data.buffer) });
  }
  const { canvas, context, image, pixels } = tiles.get(key);
  colour(pixels);
  context.putImageData(image, 0, 0);
  return canvas;
}

const heatOf = (map, scale, table) => (pixels) => {
  for (let k = 0; k < pixels.length; k++) pixels[k] = heat(map[k] * scale, table);
};

// Half as fine: enough for the picture of a unit.
const small = { columns: kind === "plane" ? COLUMNS >> 1 : COLUMNS, rows: kind === "plane" ? ROWS >> 1 : ROWS };
const smallHeatOf = (map, scale) => (pixels) => {
  const { columns, rows } = small, apart = COLUMNS / columns;
  for (let r = 0, k = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, k++) pixels[k] = heat(map[(r * COLUMNS + c) * apart] * scale, C.heat);
  }
};

function greatest(values) {
  let most = 1e-9;
  for (let k = 0; k < values.length; k++) most = Math.max(most, Math.abs(values[k]));
  return most;
}

function classColour(k, map) {
  let top = 0, total = 0;
  for (let j = 1; j < outputs; j++) if (map[j][k] > map[top][k]) top = j;
  for (let j = 0; j < outputs; j++) total += Math.exp(map[j][k] - map[top][k]);
  const sure = (1 / total - 1 / outputs) / (1 - 1 / outputs);
  return packed(C.middle.map((m, i) => m + (colourOf(top)[i] - m) * (0.1 + 0.35 * sure)));
}

// --- the plane, the curve, or predictions against targets
let selected = null, adds = 0, cross = null, ringed = -1, fine = null;
const showsOutput = () => selected === null || selected < inputs || units[selected].out !== null && units[selected].out !== undefined && outputs === 1;

function contour(context, map, columns, rows, level, wide, high) {
  const x = (c) => (c + 0.5) * wide / columns, y = (r) => (r + 0.5) * high / rows;
  context.beginPath();
  for (let r = 0; r < rows - 1; r++) {
    for (let c = 0; c < columns - 1; c++) {
      const k = r * columns + c;
      const a = map[k] - level, b = map[k + 1] - level, d = map[k + columns + 1] - level, e = map[k + columns] - level;
      const above = a > 0;
      if (above === b > 0 && above === d > 0 && above === e > 0) continue;
      const ends = [];
      if (a > 0 !== b > 0) ends.push([x(c + a / (a - b)), y(r)]);
      if (b > 0 !== d > 0) ends.push([x(c + 1), y(r + b / (b - d))]);
      if (e > 0 !== d > 0) ends.push([x(c + e / (e - d)), y(r + 1)]);
      if (a > 0 !== e > 0) ends.push([x(c), y(r + a / (a - e))]);
      for (let i = 0; i + 1 < ends.length; i += 2) {
        context.moveTo(...ends[i]);
        context.lineTo(...ends[i + 1]);
      }
    }
  }
  context.stroke();
}

// The corners of a triangle, a square and a diamond, in parts of a radius.
const CORNERS = [
  [[0, -1.15], [1.1, 0.85], [-1.1, 0.85]],
  [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  [[0, -1.25], [1.1, 0], [0, 1.25], [-1.1, 0]],
];
function mark(context, x, y, shape, colour, radius, hollow) {
  context.beginPath();
  if (shape === 0) context.arc(x, y, radius, 0, 7);
  else CORNERS[shape - 1].forEach(([right, below]) => context.lineTo(x + right * radius, y + below * radius));
  context.closePath();
  context.lineWidth = 1.4;
  if (hollow) {
    context.strokeStyle = css(colour, 0.9);
  } else {
    context.fillStyle = css(colour);
    context.fill();
    context.strokeStyle = css(dark.matches ? C.stage : C.ink, 0.9);
  }
  context.stroke();
}

const placeOf = (e, wide, high) => [
  (e.x[0] - sides[0][0]) / (sides[0][1] - sides[0][0]) * wide,
  kind === "plane" ? (sides[1][1] - e.x[1]) / (sides[1][1] - sides[1][0]) * high : heightOf(e.t[0], high),
];
let span = [-1, 1];
const heightOf = (v, high) => high - (v - span[0]) / (span[1] - span[0]) * high;

function drawField() {
  const [context, wide, high] = fit(ui.plane);
  ({ plane: drawPlane, curve: drawCurve, scatter: drawScatter })[kind](context, wide, high);
}

function drawPlane(context, wide, high) {
  const sharp = fine && showsOutput();
  const [columns, rows, of] = sharp ? [fine.columns, fine.rows, fine.scores] : [COLUMNS, ROWS, scores];
  const alone = !showsOutput();
  context.imageSmoothingEnabled = true;
  if (outputs > 1 && !alone) context.drawImage(tileOf(columns, rows, (pixels) => pixels.forEach((_, k) => { pixels[k] = classColour(k, of); })), 0, 0, wide, high);
  else {
    const map = alone ? maps[selected] : of[0], scale = signs && !alone ? 0.75 : 1 / greatest(map);
    context.drawImage(tileOf(columns, rows, heatOf(map, scale, C.soft)), 0, 0, wide, high);
    context.strokeStyle = css(C.ink, 0.9);
    context.lineWidth = 2.2;
    contour(context, map, columns, rows, 0, wide, high);
    if (signs && !alone) {
      context.setLineDash([1.5, 5]);
      context.lineCap = "round";
      context.lineWidth = 1.6;
      for (const level of [-1, 1]) contour(context, map, columns, rows, level, wide, high);
      context.setLineDash([]);
    }
  }
  drawExamples(context, wide, high, (e) => knowsRight ? colourOf(classOf(e.t)) : C[e.t[0] < 0 ? "below" : "above"]);
}

function drawExamples(context, wide, high, colour) {
  for (const [examples, hollow] of [[test, true], [train, false]]) {
    examples.forEach((e, k) => {
      const [x, y] = placeOf(e, wide, high), shape = knowsRight && kind === "plane" ? classOf(e.t) % 4 : 0;
      mark(context, x, y, shape, colour(e), hollow ? 3.4 : 5.2, hollow);
      if (!hollow && selected !== null && k === ringed) {
        context.beginPath();
        context.arc(x, y, 11, 0, 7);
        context.lineWidth = 2.5;
        context.strokeStyle = css(C.ink);
        context.stroke();
      }
    });
  }
  if (cross && document.activeElement === ui.plane) {
    const [x, y] = placeOf(cross, wide, high);
    context.strokeStyle = css(C.ink);
    context.lineWidth = 2;
    context.strokeRect(x - 0.5, y - 12, 1, 24);
    context.strokeRect(x - 12, y - 0.5, 24, 1);
  }
}

function drawCurve(context, wide, high) {
  const alone = !showsOutput(), maps_ = alone ? [maps[selected]] : scores;
  const all = [...train, ...test].flatMap((e) => e.t);
  const least = Math.min(...all), most = Math.max(...all), room = 0.15 * (most - least) || 1;
  span = alone ? [-1.15 * greatest(maps_[0]), 1.15 * greatest(maps_[0])] : [least - room, most + room];
  context.strokeStyle = css(C.line);
  context.lineWidth = 1;
  context.strokeRect(0, Math.round(heightOf(0, high)) + 0.5, wide, 0);
  if (!alone) drawExamples(context, wide, high, () => C.above);
  maps_.forEach((map, k) => {
    context.beginPath();
    map.forEach((v, i) => context[i ? "lineTo" : "moveTo"]((i + 0.5) / map.length * wide, heightOf(v, high)));
    context.strokeStyle = css(alone ? C.ink : colourOf(k));
    context.lineWidth = 2.6;
    context.stroke();
  });
}

function drawScatter(context, wide, high) {
  context.font = "12.5px system-ui";
  context.fillStyle = css(C.dim);
  const left = 40, below = 24;
  const inner = (x, y) => [left + x * (wide - left - 12), 10 + (1 - y) * (high - below - 16)];
  const all = [...train, ...test].map((e) => e.t[0]), least = Math.min(...all), range = Math.max(...all) - least || 1;
  // Where an example stands, in parts of the width and the height, and its class.
  const placed = (e, k) => {
    forward(p, e.x, e.t, constants, seen);
    if (!data.classes) return [(e.t[0] - least) / range, (seen[1] - least) / range, 0];
    const outs = seen.subarray(1, 1 + outputs), top = Math.max(...outs), c = classOf(e.t);
    const total = outs.reduce((sum, v) => sum + Math.exp(v - top), 0);
    return [(c + 0.15 + 0.7 * ((k * 0.618) % 1)) / outputs, Math.exp(outs[c] - top) / total, c];
  };
  context.textAlign = "center";
  if (data.classes) {
    for (let c = 0; c < outputs; c++) context.fillText(`class ${c}`, inner((c + 0.5) / outputs, 0)[0], high - 6);
  } else {
    context.strokeStyle = css(C.line);
    context.beginPath();
    context.moveTo(...inner(0, 0));
    context.lineTo(...inner(1, 1));
    context.stroke();
    context.fillText("target", inner(0.5, 0)[0], high - 6);
  }
  context.textAlign = "right";
  for (const v of [0, 0.5, 1]) context.fillText(data.classes ? `${100 * v}%` : "", left - 6, inner(0, v)[1] + 4);
  for (const [examples, hollow] of [[train, false], [test, true]]) {
    examples.forEach((e, k) => {
      const [x, y, c] = placed(e, k);
      const [px, py] = inner(x, Math.max(-0.05, Math.min(1.05, y)));
      mark(context, px, py, c % 4, colourOf(c), hollow ? 3.2 : 4.4, hollow);
    });
  }
}

// --- the network
const MOST = 16;
const columnsOf = [];
units.forEach((unit, k) => (columnsOf[unit.column] ??= []).push(k));
const last = columnsOf.length - 1;
let places = new Map(), lines = "weights", phase = null, reached = 0;

function nameOf(k) {
  const { column, out } = units[k];
  const place = columnsOf[column].indexOf(k);
  if (column === 0) return inputs === 1 ? "x" : inputs === 2 ? "xy"[k] : `x${k + 1}`;
  if (out !== null && out !== undefined) return outputs === 1 ? "the output" : `output ${out}`;
  if (stepwise) return `v${k - inputs + 1}`;
  return last > 2 ? `h${column}.${place + 1}` : `h${place + 1}`;
}

function layOut() {
  const root = ui.units, box = root.getBoundingClientRect();
  root.querySelectorAll("button").forEach((button) => button.remove());
  places = new Map();
  if (!units.length) return;
  const most = Math.min(MOST, Math.max(...columnsOf.map((c) => c.length)));
  const margin = narrow.matches ? 16 : 34, base = (narrow.matches ? 6 : 26) + (columnsOf.some((c) => c.length > MOST) ? 16 : 0);
  const high = Math.max(14, Math.min(70, (box.height - base) / most - (stepwise ? 26 : 8), box.width / 12, (box.width - 2 * margin) / (2.1 * columnsOf.length)));
  const wide = high * 1.6, apart = (box.width - 2 * margin - wide) / Math.max(1, last);
  columnsOf.forEach((column, c) => {
    const shown = column.slice(0, MOST), gap = Math.min((box.height - base) / shown.length, high + 40);
    shown.forEach((k, j) => {
      const place = { x: margin + c * apart, y: (box.height - base) / 2 + (j - (shown.length - 1) / 2) * gap - high / 2, w: wide, h: high };
      const button = document.createElement("button");
      Object.assign(button.style, { left: `${place.x - 3}px`, top: `${place.y - 3}px`, width: `${wide + 6}px`, height: `${high + 6}px` });
      button.setAttribute("aria-label", c === 0 ? `input ${nameOf(k)}` : nameOf(k));
      button.setAttribute("aria-pressed", "false");
      button.tabIndex = k === 0 ? 0 : -1;
      button.onclick = () => select(selected === k ? null : k);
      button.onkeydown = (event) => walk(event, c, j);
      place.button = button;
      places.set(k, place);
      root.append(button);
    });
  });
}

function walk(event, c, j) {
  const by = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  const column = columnsOf[Math.max(0, Math.min(last, c + by[0]))];
  const most = Math.min(MOST, column.length) - 1;
  places.get(column[Math.max(0, Math.min(most, j + by[1]))]).button.focus();
}

function drawNetwork() {
  if (!units.length) return;
  const [context, , high] = fit(ui.units.firstElementChild);
  const gradient = lines === "gradients" || phase === "backward", most = greatest(g);
  for (const unit of neurons) {
    const to = places.get(unit.k);
    if (!to) continue;
    unit.terms.forEach(([weight, source], i) => {
      const from = places.get(source);
      if (!from) return;
      const waits = phase === "backward" && unit.column <= reached, ofGradient = gradient && !waits && !stepwise;
      const v = stepwise ? 0.5 : ofGradient ? g[weight] / most : p[weight];
      const near = selected === null || selected === unit.k || selected === source;
      const width = ofGradient ? 0.3 + 8 * Math.abs(v) ** 0.8 : Math.min(8, 0.4 + 2.4 * Math.abs(v));
      const [x0, y0, x1] = [from.x + from.w, from.y + from.h / 2, to.x];
      const y1 = to.y + to.h / 2 + (i - (unit.terms.length - 1) / 2) * Math.min(3, to.h * 0.7 / unit.terms.length);
      context.beginPath();
      context.moveTo(x0, y0);
      context.bezierCurveTo(x0 + (x1 - x0) / 2, y0, x1 - (x1 - x0) / 2, y1, x1, y1);
      context.lineWidth = width;
      const alpha = waits ? 0.16 : (near ? 1 : 0.12) * (ofGradient ? 0.75 : Math.min(0.9, 0.25 + Math.abs(v) * 0.5));
      context.strokeStyle = css(stepwise ? C.dim : ofGradient ? C.gradient : v < 0 ? C.below : C.above, alpha);
      context.setLineDash(v < 0 ? [Math.max(3, width * 1.3), Math.max(2.5, width)] : []);
      context.stroke();
    });
  }
  context.setLineDash([]);
  for (const [k, place] of places) drawUnit(context, k, place);
  context.fillStyle = css(C.dim);
  context.font = "13px system-ui";
  context.textAlign = "center";
  columnsOf.forEach((column, c) => {
    const first = places.get(column[0]);
    if (column.length > MOST) context.fillText(`… ${column.length - MOST} more`, first.x + first.w / 2, high - 22);
    if (!narrow.matches) context.fillText(c === 0 ? "inputs" : c === last ? "output" : stepwise ? "" : `layer ${c}`, first.x + first.w / 2, high - 6);
  });
  if (!narrow.matches) columnsOf[0].slice(0, MOST).forEach((k) => {
    const place = places.get(k);
    context.fillText(nameOf(k), place.x - 16, place.y + place.h / 2 + 5);
  });
}

function drawUnit(context, k, place) {
  const unit = units[k], map = maps[k], scale = 1 / greatest(map);
  context.save();
  context.beginPath();
  context.roundRect(place.x, place.y, place.w, place.h, 5);
  context.clip();
  if (kind === "curve") {
    context.fillStyle = css(C.middle);
    context.fillRect(place.x, place.y, place.w, place.h);
    context.beginPath();
    map.forEach((v, i) => context[i ? "lineTo" : "moveTo"](place.x + (i + 0.5) / map.length * place.w, place.y + place.h / 2 - v * scale * place.h * 0.42));
    context.strokeStyle = css(C.ink);
    context.lineWidth = 1.6;
    context.stroke();
  } else context.drawImage(tileOf(small.columns, small.rows, smallHeatOf(map, scale)), place.x, place.y, place.w, place.h);
  context.restore();
  const active = phase === "forward" && unit.column === reached;
  context.lineWidth = active || phase === "backward" && unit.column === reached ? 4 : 1.4;
  context.strokeStyle = phase === "backward" ? css(C.gradient) : css(C.ink, active ? 1 : 0.55);
  context.beginPath();
  context.roundRect(place.x, place.y, place.w, place.h, 5);
  context.stroke();
  if (unit.bias !== null && unit.column > 0) {
    const b = p[unit.bias], tall = Math.min(place.h / 2, Math.abs(b) * place.h * 0.5);
    context.fillStyle = css(b < 0 ? C.below : C.above);
    context.fillRect(place.x - 7, place.y + place.h / 2 - (b > 0 ? tall : 0), 4, tall);
  }
  place.button.setAttribute("aria-pressed", String(selected === k));
  if (!stepwise || unit.column === 0) return;
  context.fillStyle = css(C.dim);
  context.font = "12.5px system-ui";
  context.textAlign = "center";
  context.fillText(unit.function, place.x + place.w / 2, place.y - 6);
}

// --- the loss
let pointed = null;
function drawLoss() {
  if (ui.lossBox.hidden) return;
  const [context, wide, high] = fit(ui.loss);
  const left = 48, below = 20, above = 6, right = 56, values = history.flatMap((h) => [h.train, h.test]).filter(Number.isFinite);
  if (!values.length) return;
  const logs = values.every((v) => v > 0), scaled = (v) => logs ? Math.log(v) : v;
  let most = Math.max(...values), least = Math.min(...values);
  if (logs) least = Math.min(least, most / 10);
  else if (least === most) least -= 1;
  const end = Math.max(live ? 100 : data.frames.length - 1, step);
  const x = (s) => left + (wide - left - right) * s / end;
  const y = (v) => above + (high - above - below) * (scaled(most) - scaled(v)) / (scaled(most) - scaled(least));
  context.font = "12.5px system-ui";
  context.lineWidth = 1;
  context.strokeStyle = css(C.line);
  context.fillStyle = css(C.dim);
  context.textAlign = "right";
  const ticks = logs ? Array.from({ length: 24 }, (_, k) => [1, 3][k % 2] * 10 ** (Math.floor(k / 2) - 7)) : [least, (least + most) / 2, most];
  for (const v of ticks) {
    if (v < least || v > most) continue;
    context.beginPath();
    context.moveTo(left, y(v));
    context.lineTo(wide - right, y(v));
    context.stroke();
    context.fillText(String(Number(v.toPrecision(2))), left - 6, y(v) + 4);
  }
  context.textAlign = "left";
  context.fillText("0", left, high - 5);
  context.textAlign = "right";
  context.fillText(`step ${end}`, wide - right, high - 5);
  for (const [name, dash] of [["test", [5, 4]], ["train", []]]) {
    const known = history.filter((h) => Number.isFinite(h[name]));
    if (!known.length) continue;
    context.strokeStyle = css(C.ink, name === "train" ? 1 : 0.7);
    context.setLineDash(dash);
    context.lineWidth = name === "train" ? 2.4 : 1.8;
    context.beginPath();
    known.forEach((h, k) => context[k ? "lineTo" : "moveTo"](x(h.step), y(h[name])));
    context.stroke();
    context.textAlign = "left";
    const now = known[known.length - 1], other = history[history.length - 1][name === "train" ? "test" : "train"];
    const near = Number.isFinite(other) && Math.abs(y(now[name]) - y(other)) < 15;
    const shift = near ? (now[name] > other || now[name] === other && name === "test" ? -8 : 8) : 0;
    context.fillText(name, Math.min(x(now.step), wide - right) + 6, Math.max(shift > 0 ? 28 : 12, y(now[name]) + 4 + shift));
  }
  context.setLineDash([]);
  const at = pointed === null ? null : history[Math.max(0, Math.min(history.length - 1, pointed))];
  if (at) {
    context.strokeStyle = css(C.forward);
    context.strokeRect(x(at.step), above, 0, high - above - below);
  }
  ui.lossRead.textContent = at ? `step ${at.step}: train ${brief(at.train)}${Number.isFinite(at.test) ? `, test ${brief(at.test)}` : ""}` : "";
}

// --- a neuron's chain rule at the ringed example
function worst() {
  let found = 0, most = -Infinity;
  train.forEach((e, k) => {
    forward(p, e.x, e.t, constants, seen);
    if (seen[0] > most) [most, found] = [seen[0], k];
  });
  return found;
}

function select(k) {
  selected = k;
  const inner = k !== null && k >= inputs;
  ui.lossBox.hidden = inner;
  ui.inspector.hidden = !inner;
  if (inner && (ringed < 0 || ringed >= train.length)) ringed = worst();
  draw();
  say();
  if (inner && narrow.matches) ui.low.scrollIntoView({ block: "nearest", behavior: calm.matches ? "instant" : "smooth" });
}

let ofNeuron = "";
function inspect() {
  if (ui.inspector.hidden) return;
  const unit = units[selected], at = neurons.findIndex((n) => n.k === selected), e = train[ringed];
  backward(p, e.x, e.t, constants, passed);
  const [total, output, byTotal, byOutput] = passed.subarray(1 + 4 * at, 5 + 4 * at);
  const by = (k) => passed[1 + 4 * neurons.length + k];
  const value = (k) => k < inputs ? e.x[k] : passed[2 + 4 * neurons.findIndex((n) => n.k === k)];
  const rows = unit.terms.map(([weight, source]) => stepwise ? `<tr><td>${nameOf(source)}</td><td>${brief(value(source))}</td><td></td><td class="g"></td></tr>` : `<tr><td>${brief(p[weight])} · ${nameOf(source)}</td><td>${brief(value(source))}</td><td>${brief(p[weight] * value(source))}</td><td class="g">${brief(by(weight))}</td></tr>`);
  if (unit.bias !== null) rows.push(`<tr><td>bias</td><td></td><td>${brief(p[unit.bias])}</td><td class="g">${brief(by(unit.bias))}</td></tr>`);
  rows.push(`<tr class="sum"><td>${escaped([stepwise ? "" : "sum", unit.function].filter(Boolean).join(" → "))}</td><td>${stepwise ? "" : brief(total)}</td><td>${brief(output)}</td><td class="g">${brief(byTotal)} ↑</td></tr>`);
  const heads = stepwise ? ["operand", "input", "result", "∂loss/∂result"] : ["weight · input", "input", "term", "∂loss/∂weight"];
  ui.inspector.innerHTML = `<div class="line"><h2>Chain rule of ${nameOf(selected)}</h2><button class="close" aria-label="back to the loss" title="Esc">✕</button></div><table><thead><tr>${heads.map((words) => `<th>${words}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  ui.inspector.querySelector(".close").onclick = () => select(null);
  const through = unit.function && byOutput !== 0 ? `, times the slope of ${escaped(unit.function)} ${brief(byTotal / byOutput)} it is <b class="g">${brief(byTotal)}</b> at the sum` : "";
  if (stepwise) ofNeuron = `At the ringed example the loss grows <b class="g">${brief(byOutput)}</b> times as fast as this result.`;
  else ofNeuron = byOutput === 0 ? "At the ringed example nothing is passed back to this neuron: all its gradients are 0." : `At the ringed example <b class="g">${brief(byOutput)}</b> comes back${through}. Each weight gets that times its input.`;
}

// --- words
let said = "";
function say(words, back) {
  const now = history[history.length - 1];
  let text = words;
  if (!text && selected !== null) text = selected < inputs ? `This is the input ${nameOf(selected)} itself.` : ofNeuron;
  if (!text && live && step === 0) text = "The weights are random, so the output is arbitrary. Press Train, or Step to see one step slowly.";
  if (!text && !live && step === 0) text = "Press Replay to see the training that Python ran.";
  if (!text) {
    text = `Step ${step}: loss ${brief(now.train)}.`;
    if (knowsRight && live) text += ` ${now.right} of ${train.length} training examples are right${test.length ? `, and ${Math.round(100 * now.rightOfTest / test.length)}% of the test examples` : ""}.`;
  }
  ui.say.classList.toggle("back", Boolean(back));
  if (text !== said) ui.say.firstElementChild.innerHTML = said = text;
}

function draw() {
  if (live) evaluateMaps();
  drawField();
  drawNetwork();
  inspect();
  drawLoss();
  ui.n.textContent = step;
  sameness();
  ui.fieldTitle.textContent = kind === "scatter" ? (data.classes ? "Probability of the right class" : "Predictions against targets") : selected === null || showsOutput() && selected >= inputs ? "Output" : selected < inputs ? `Input ${nameOf(selected)}` : `${stepwise ? "Step" : "Neuron"} ${nameOf(selected)}`;
}

// After a pause: one evaluation for each pixel, if there is time.
function sharpen() {
  if (!live || kind !== "plane" || playing) return;
  const box = ui.plane.getBoundingClientRect(), columns = Math.floor(box.width), rows = Math.floor(box.height);
  const began = performance.now(), found = scores.map(() => new Float32Array(columns * rows));
  for (let row = 0, k = 0; row < rows; row++) {
    if (performance.now() - began > 300) return;
    for (let column = 0; column < columns; column++, k++) {
      forward(p, [across(column, columns), down(row, rows)], zeros, constants, seen);
      for (let j = 0; j < outputs; j++) found[j][k] = seen[1 + j];
    }
  }
  fine = { columns, rows, scores: found };
  drawField();
}

let sharpens = 0;
function settle() {
  fine = null;
  clearTimeout(sharpens);
  sharpens = setTimeout(() => {
    try {
      sharpen();
    } catch {
      fine = null;
    }
  }, 50);
}

// --- training
const SPEEDS = [1, 5, 20, 60, Infinity];
let playing = false, debt = 0, lastTime = 0, lastWords = 0, busy = 0, best = { loss: Infinity, step: 0 };

function failed(error, before) {
  if (!(error instanceof PythonError)) throw error;
  p.set(before);
  if (playing) toggle();
  say(escaped(`Step ${step} fails: ${error.kind}: ${error.message}. Shown is the last good state: lower the learning rate, press ↺.`));
}

function guarded(action) {
  const before = Float64Array.from(p);
  try {
    action();
    return true;
  } catch (error) {
    failed(error, before);
    return false;
  }
}

function frame(time) {
  if (!playing) return;
  const speed = SPEEDS[ui.speed.value], passedTime = Math.min(100, time - lastTime);
  lastTime = time;
  debt = speed === Infinity ? 1e9 : Math.min(debt + speed * passedTime / 1000, 30);
  const began = performance.now();
  let done = 0;
  const went = guarded(() => {
    while (debt >= 1 && performance.now() - began < 6) {
      trainStep();
      debt--;
      done++;
      if (speed !== Infinity || done % 8 === 0) note();
    }
    if (done) draw();
  });
  if (!went) return;
  if (done) {
    const now = history[history.length - 1];
    if (time - lastWords > 1500) {
      lastWords = time;
      say();
    }
    if (!Number.isFinite(now.train) || now.train > 1e8) {
      toggle();
      say("The loss grew beyond bounds: lower the learning rate, press ↺.");
      return;
    }
    if (now.train < best.loss) best = { loss: now.train, step };
    else if (step - best.step > 2000) {
      toggle();
      say(`Step ${step}: the loss has not fallen for 2,000 steps.`);
      return;
    }
  }
  requestAnimationFrame(frame);
}

function replayed(time) {
  if (!playing) return;
  if (time - lastTime > 1000 / Math.min(20, SPEEDS[ui.speed.value])) {
    lastTime = time;
    if (step >= data.frames.length - 1) {
      toggle();
      return;
    }
    showFrame(step + 1);
  }
  requestAnimationFrame(replayed);
}

function showFrame(k) {
  step = k;
  history = data.losses[0].slice(0, k + 1).map((loss, s) => ({ step: s, train: loss, test: NaN }));
  if (data.frames[k].length) scores[0].set(data.frames[k]);
  draw();
  say();
}

function toggle() {
  playing = !playing;
  phase = null;
  busy++;
  const play = ui.play;
  play.textContent = playing ? "❚❚ Pause" : live ? "▶ Train" : "▶ Replay";
  play.setAttribute("aria-pressed", String(playing));
  fine = null;
  if (playing) {
    lastTime = performance.now();
    debt = 0;
    if (!live && step >= data.frames.length - 1) showFrame(0);
    requestAnimationFrame(live ? frame : replayed);
  } else if (live) {
    guarded(() => {
      note();
      draw();
    });
    say();
    settle();
  }
}

async function slowly() {
  if (!live) return;
  if (playing) toggle();
  const me = ++busy;
  const pause = (ms) => new Promise((resolve) => setTimeout(() => resolve(me === busy), calm.matches ? 0 : ms));
  let before = 0;
  if (!guarded(() => { before = gradients(); })) return;
  fine = null;
  if (!calm.matches) {
    for (reached = 0; reached <= last; reached++) {
      phase = "forward";
      say(`Forward: all ${train.length} examples go through the network.`);
      drawNetwork();
      if (!await pause(260)) return;
    }
    say(`The loss, the mean over the examples${data.penalised ? " and the penalty" : ""}, is <b>${brief(before)}</b>.`);
    if (!await pause(700)) return;
    for (reached = last - 1; reached >= 0; reached--) {
      phase = "backward";
      say(`Backward: <b class="g">the gradient flows from the loss to every weight</b>; wider lines matter more${reached ? "" : `. The largest is ${brief(greatest(g))}`}.`, true);
      drawNetwork();
      if (!await pause(620)) return;
    }
  }
  phase = null;
  if (!guarded(() => {
    move();
    note();
    draw();
  })) return;
  say(`Update: ${data.optimizer} moves every weight against its gradient. The loss goes from ${brief(before)} to <b>${brief(history[history.length - 1].train)}</b>.`);
  settle();
}

function reset() {
  if (playing) toggle();
  phase = null;
  busy++;
  if (!live) {
    showFrame(0);
    return;
  }
  changed = rate !== data.lr;
  begin();
  draw();
  say();
  settle();
}

// --- controls
ui.play.onclick = toggle;
ui.one.onclick = slowly;
ui.reset.onclick = reset;
ui.speed.oninput = (event) => { ui.speedShown.textContent = ["1/s", "5/s", "20/s", "60/s", "max"][event.target.value]; };
const rateShown = () => { ui.rateShown.textContent = String(rate); };
ui.rate.value = Math.log10(data.lr);
ui.rate.oninput = (event) => {
  rate = Number((10 ** event.target.value).toPrecision(2));
  changed = changed || rate !== data.lr;
  rateShown();
  sameness();
};
data.starts.forEach((_, k) => ui.start.append(new Option(String(k), String(k))));
ui.start.onchange = (event) => {
  start = Number(event.target.value);
  compare();
  reset();
};

function choose(buttons, picked) {
  buttons.forEach((button, k) => {
    button.onclick = () => {
      picked(k);
      buttons.forEach((other, i) => other.setAttribute("aria-pressed", String(i === k)));
    };
  });
}
choose([ui.showWeights, ui.showGradients], (k) => {
  lines = ["weights", "gradients"][k];
  if (k) guarded(gradients);
  drawNetwork();
});

// --- examples: add, drag, remove
const edits = live && (kind === "plane" && knowsRight || kind === "curve" && outputs === 1);
const targetOf = (k) => data.classes ? Array.from({ length: outputs }, (_, j) => Number(j === k)) : [k ? 1 : low];
if (edits && kind === "plane") {
  const shapes = "●▲■◆";
  const buttons = Array.from({ length: classes }, (_, k) => {
    const button = document.createElement("button");
    button.textContent = `${shapes[k % 4]} add`;
    button.title = `a click adds an example of class ${data.classes ? k : k ? 1 : low}`;
    button.setAttribute("aria-pressed", String(k === 0));
    ui.adds.append(button);
    return button;
  });
  choose(buttons, (k) => { adds = k; });
}
const keys = { plane: edits ? ["filled: training, hollow: test", signs ? "line: output 0, dots: ±1" : "colour: the likeliest class", "drag moves, double-click removes"] : ["filled: training, hollow: test"], curve: ["line: the model, points: training (hollow: test)", ...(edits ? ["drag moves, double-click removes"] : [])], scatter: ["filled: training, hollow: test", data.classes ? "height: probability of the right class" : "on the line: predicted as it is"] };
keys[kind].forEach((words) => {
  const span_ = document.createElement("span");
  span_.textContent = words;
  ui.fieldKey.append(span_);
});

function edit() {
  edited = true;
  ringed = Math.min(ringed, train.length - 1);
  guarded(() => {
    note();
    draw();
  });
  say();
  if (!playing) settle();
}
const plane = ui.plane;
// What a place of the field means, from 0 to 1 from the left and from the top: an example.
function exampleAt(right, below) {
  const x = sides[0][0] + right * (sides[0][1] - sides[0][0]);
  if (kind === "curve") return { x: [x], t: [span[1] - below * (span[1] - span[0])] };
  return { x: [x, sides[1][1] - below * (sides[1][1] - sides[1][0])], t: targetOf(adds) };
}
function nearest([x, y], pixels) {
  const box = plane.getBoundingClientRect();
  let found = -1, least = pixels;
  train.forEach((e, k) => {
    const [ex, ey] = placeOf(e, box.width, box.height), away = Math.hypot(ex - x, ey - y);
    if (away < least) [least, found] = [away, k];
  });
  return found;
}
function remove(k) {
  if (k < 0 || train.length < 2) return;
  train.splice(k, 1);
  edit();
}
function editable() {
  let held = null;
  const pixels = (event) => {
    const box = plane.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top, box.width, box.height];
  };
  const at = (event) => {
    const [x, y, wide, high] = pixels(event);
    return exampleAt(x / wide, y / high);
  };
  plane.classList.add("edits");
  plane.setAttribute("role", "application");
  plane.setAttribute("aria-label", "The examples: arrow keys move a cross, Enter adds an example, Delete removes the nearest");
  plane.onpointerdown = (event) => {
    const [x, y] = pixels(event), k = nearest([x, y], event.pointerType === "touch" ? 18 : 10);
    if (k < 0) {
      train.push(at(event));
      held = { k: train.length - 1, x, y, moved: true };
      edit();
    } else {
      held = { k, x, y, moved: false };
      ringed = k;
      if (selected !== null) {
        draw();
        say();
      }
    }
    plane.setPointerCapture(event.pointerId);
  };
  plane.onpointermove = (event) => {
    if (!held) return;
    const [x, y] = pixels(event), e = train[held.k];
    if (!held.moved && Math.hypot(held.x - x, held.y - y) < 4) return;
    held.moved = edited = true;
    const there = at(event);
    e.x = there.x;
    if (kind === "curve") e.t = there.t;
    fine = null;
    if (!playing) guarded(draw);
  };
  plane.onpointerup = plane.onpointercancel = () => {
    if (held && held.moved) edit();
    held = null;
  };
  plane.ondblclick = (event) => remove(nearest(pixels(event), 12));
  let crossed = [0.5, 0.5];
  plane.onkeydown = (event) => {
    const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (by) {
      const far = event.shiftKey ? 0.06 : 0.0125;
      crossed = crossed.map((v, i) => Math.max(0, Math.min(1, v + by[i] * far)));
      cross = exampleAt(...crossed);
      event.preventDefault();
      event.stopPropagation();
      drawField();
    }
    if (event.key === "Enter") {
      train.push(exampleAt(...crossed));
      edit();
    }
    if (event.key === "Delete") {
      const box = plane.getBoundingClientRect();
      remove(nearest(placeOf(cross, box.width, box.height), 60));
    }
  };
  plane.onfocus = () => {
    cross ??= exampleAt(...crossed);
    drawField();
  };
  plane.onblur = drawField;
}
if (edits) editable();

const chart = ui.loss;
chart.onpointermove = (event) => {
  const box = chart.getBoundingClientRect(), end = Math.max(live ? 100 : data.frames.length - 1, step);
  const at = (event.clientX - box.left - 48) / (box.width - 104) * end;
  pointed = history.reduce((found, h, k) => Math.abs(h.step - at) < Math.abs(history[found].step - at) ? k : found, 0);
  drawLoss();
};
chart.onpointerleave = chart.onblur = () => {
  pointed = null;
  drawLoss();
};
chart.onkeydown = (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  pointed = Math.max(0, Math.min(history.length - 1, (pointed ?? history.length - 1) + by));
  drawLoss();
};

document.addEventListener("keydown", (event) => {
  if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && !event.target.matches("button")) {
    event.preventDefault();
    toggle();
  }
  if (event.key === "ArrowRight") slowly();
  if (event.key === "r" || event.key === "R") reset();
  if (event.key === "Escape") select(null);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden && playing) toggle();
});
dark.onchange = () => {
  readColours();
  draw();
};
let resizes = 0;
new ResizeObserver(() => {
  clearTimeout(resizes);
  resizes = setTimeout(() => {
    layOut();
    draw();
    settle();
  }, 60);
}).observe(ui.units);

// --- begin
readColours();
rateShown();
if (live) {
  guarded(compare);
} else {
  ui.reason.hidden = false;
  ui.reason.textContent = `${data.reason} Shown is the training that Python ran.`;
  ui.play.textContent = "▶ Replay";
  [ui.one, ui.rate.parentElement, ui.start.parentElement].forEach((part) => (part.hidden = true));
  ui.field.hidden = kind === "scatter" || !data.frames[0].length;
}
if (kind === "scatter") ui.networkKey.firstElementChild.textContent = "picture: what a neuron gives for each example, by class";
if (stepwise) {
  ui.networkTitle.textContent = "Steps of the model";
  ui.showWeights.parentElement.hidden = true;
  ui.networkKey.textContent = "picture: what a step gives for each input";
}
if (!neurons.length) {
  ui.network.hidden = true;
  ui.main.classList.add("alone");
}
layOut();
if (live) {
  guarded(draw);
  say();
  settle();
} else showFrame(0);
