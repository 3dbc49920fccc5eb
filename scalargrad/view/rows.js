// Cards with rows: neurons, and ops of many operands.

// Of a row: what it multiplies, what that comes to, and the edge whose gradient it shows.
function rowTexts(card, [weight, operand]) {
  const value = ({ at, last }) => (at ? v[at.k] : Number(last));
  const name = (edge) => edge.at?.name ?? few(value(edge), 3);
  if (!weight) return [name(operand), few(value(operand), 3), operand];
  if (!operand) return ["bias", few(value(weight), 3), weight];
  const own = card.members.includes(weight.at);
  const product = live ? few(value(weight) * value(operand), 3) : "";
  return [`${own ? few(value(weight), 3) : name(weight)} · ${cut(name(operand), 9)}`, product, weight];
}

function passed(edge, i) {
  return done(edge, i) ? few(edge.product, 3) : "";
}

function makeRows(card, text, w, h) {
  const { sum, applied, last } = card;
  const column = w - 82;
  const line = (y) => [text("r", 12, y), text("n", column - 10, y), text("rg", w - 10, y)];
  const rule = (y) => card.group.append(shape("path", { class: "sep", d: `M1 ${y}h${w - 2}` }));
  text("r", 12, 20, cut(last.name, 12), "font-weight:650");
  text("n k", column - 10, 20, cut(shownOp(last), 12));
  rule(28);
  let y = 28;
  const all = card.rows.length <= form.rows;
  const shown = all ? card.rows : card.rows.slice(0, form.rows - 1);
  const lines = shown.map((row) => [row, line((y += 23) - 6)]);
  if (!all) line((y += 23) - 6)[0].textContent = `… ${card.rows.length - shown.length} more`;
  rule(y + 2);
  const total = applied && line(y + 20);
  const value = text("v", column - 10, h - 9, "", "text-anchor:end;font-size:20px");
  const gradient = text("rg", w - 10, h - 10, "", "font-size:15px");
  const least = (node, i) => [known(node, i) ? few(valueOf(node), 3) : "…", few(gradientAt(node, i) ?? "", 3)];
  return {
    value,
    gradient,
    paint(i) {
      const write = (fields, ...texts) => fields.forEach((field, n) => put(field, texts[n]));
      lines.forEach(([row, fields]) => {
        const [name, number, edge] = rowTexts(card, row);
        write(fields, name, known(sum, i) ? number : "…", passed(edge, i));
      });
      if (applied) write(total, "sum", ...least(sum, i));
      put(value, known(last, i) ? few(valueOf(last)) : "…");
      put(gradient, least(last, i)[1]);
    },
  };
}

// The rows of a card as a table.
function tableOf(card, i) {
  const cells = (texts, tag = "td") => make("tr", {}, ...texts.map((text) => make(tag, {}, text)));
  const ofRow = (row) => {
    const [text, number, edge] = rowTexts(card, row);
    return cells([text, known(card.sum, i) ? number : "…", passed(edge, i)]);
  };
  return [cells(["term", "value", "gradient"], "th"), ...card.rows.map(ofRow)];
}

function sumSentence({ sum, applied, last, neuron }) {
  if (sum.op !== "sumprod") return forwardSentence(sum);
  const who = neuron ? `Neuron ${last.name} weighs its inputs and adds: sum ` : `${last.name} multiplies in pairs and adds: `;
  const then = applied ? [`; ${applied.op} makes it `, V(few(valueOf(last), 3))] : [];
  return [who, V(few(valueOf(sum), 3)), ...then, "."];
}

function sumBackward({ sum, applied, last, neuron }) {
  const found = [`${neuron ? "Neuron " : ""}${last.name} gets `, G(few(gradientAt(last, end), 3)), " back"];
  if (applied) {
    const slope = few(applied.edges.find(({ at }) => at === sum).slope, 3);
    found.push(`, times the slope of ${applied.op} ${slope}: `, G(few(gradientAt(sum, end), 3)));
  }
  const rules = { sum: "A sum passes that on to all unchanged.", product: "Each factor gets that times all the others." };
  let rule = rules[kindOf(sum)] || `Each operand gets that times the slope of ${sum.op} by it.`;
  if (sum.op === "sumprod") {
    rule = neuron
      ? "Each weight gets that times its input, each input that times its weight."
      : "Each factor gets that times the other one.";
  }
  return [...found, `. ${rule}`];
}
