// Vega-Lite charts, their legends and the tooltip.

const probe = make("span", { hidden: "" });
document.body.append(probe);
// A colour of the style sheet by its name, in the current theme.
const colour = (name) => {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
};

const LEFT = 46;
// Values below zero are labelled without a sign: they count what was lost or spent.
const UP = "abs(datum.value)";
const config = () => ({
  background: "transparent",
  font: getComputedStyle(document.body).fontFamily,
  padding: { left: 0, right: 0, top: 4, bottom: 0 },
  view: { stroke: null },
  legend: { disable: true },
  header: { title: null, labelColor: colour("--ink"), labelFontSize: 12, labelFontWeight: 500 },
  axis: {
    title: null, domain: false, ticks: false, grid: false, labelFontSize: 11, labelPadding: 6,
    labelColor: colour("--soft"), gridColor: colour("--rule"),
  },
  axisX: { labelAngle: 0, labelOverlap: "parity", labelSeparation: 14, labelFlush: false },
  axisXDiscrete: {
    labelExpr: "test(/^\\d{4}-\\d\\d-\\d\\d$/, datum.value) ? utcFormat(toDate(datum.value), dates) : datum.label",
  },
  axisY: { minExtent: LEFT, maxExtent: LEFT },
  axisYQuantitative: {
    grid: true, tickCount: 5,
    labelExpr: `abs(datum.value) >= 1e6 ? format(${UP} / 1e6, ',~r') + 'M'` +
      ` : abs(datum.value) >= 1e5 ? format(${UP} / 1e3, ',~r') + 'k' : replace(datum.label, '\u2212', '')`,
  },
  text: { fontSize: 11, color: colour("--soft") },
  line: { strokeWidth: 2, strokeJoin: "round" },
  bar: { discreteBandSize: { band: 0.8 } },
  point: { size: 24, filled: true },
});

// As many labels of a date axis as have room. Vega would draw all others too, hidden.
const labels = (rows, width) => {
  const name = DATES.find((each) => each in rows[0]);
  const days = [...new Set(rows.map((row) => row[name]))].sort();
  const step = Math.ceil(days.length / Math.max(2, Math.floor(width / 76)));
  return days.filter((_, place) => place % step === 0);
};

// Replaces names of colours and the width "container", and labels dates.
const fitted = (part, width, days) =>
  Array.isArray(part) ? part.map((each) => fitted(each, width, days))
  : part && typeof part === "object" ? Object.fromEntries(Object.entries(part).map(([key, value]) =>
    [key, key === "width" && value === "container" ? width
      : key === "x" && DATES.includes(value?.field) && value.axis !== null ? { ...value, axis: { values: days, ...value.axis } }
      : fitted(value, width, days)]))
  : typeof part === "string" && part.startsWith("--") ? colour(part)
  : part;

const dates = (rows) => {
  const name = DATES.find((each) => each in rows[0]);
  const years = new Set(rows.map((row) => String(row[name]).slice(0, 4)));
  return rows[0].grain === "month" ? "%b %Y" : years.size > 1 ? "%-d %b %y" : "%-d %b";
};

const chart = (card, rows, body) => {
  card.view?.finalize();
  const place = make("div", { class: "chart", role: "img", "aria-label": `${card.title}. The button Table shows the same as a table.` });
  const legend = make("ul", { class: "legend" });
  body.replaceChildren(legend, place);
  // padding.right leaves room for labels beside the last point.
  const { padding, ...rest } = card.spec;
  const width = Math.max(120, place.clientWidth - LEFT - (padding?.right ?? 8));
  const spec = fitted(rest, width, labels(rows, width));
  spec.params = [{ name: "grain", value: rows[0].grain ?? null }, { name: "dates", value: dates(rows) }, ...(spec.params ?? [])];
  const parsed = charts.runtime(spec, config());
  card.view = charts.draw(parsed, place, rows.map((row) => ({ ...row })), (handler, event, item, value) => tip(card, event, value));
  // The chart has a name; names of its hundred pieces would help nobody.
  place.querySelector("svg").setAttribute("aria-hidden", "true");
  // The legend lists names only: an axis or header explains a scale of numbers.
  card.colours = coloursOf(card.view);
  legend.replaceChildren(...[...card.colours].filter(([name]) => typeof name === "string").map(([name, value]) =>
    make("li", {}, swatch(value), labelled(card, name))));
};

// The colour of each series, over all layers of a chart.
const coloursOf = (view) => {
  const found = new Map();
  for (const layer of ["", "layer_0_", "layer_1_", "layer_2_", "concat_0_", "concat_1_"]) {
    let scale;
    try { scale = view.scale(`${layer}color`); } catch { continue; }
    for (const name of scale.domain()) found.set(name, scale(name));
  }
  return found;
};

const swatch = (value) => {
  const mark = make("i");
  mark.style.background = value ?? "transparent";
  return mark;
};

const labelled = (card, name) => card.columns.find((column) => column.name === name)?.label ?? String(name);

const tip = (card, event, value) => {
  const box = find("tip");
  box.hidden = !value;
  if (!value) return;
  const [first, ...others] = card.columns.filter((column) => column.name in value);
  const line = ({ name, label, form }) => make("tr", {},
    make("th", { scope: "row" }, swatch(card.colours.get(name) ?? card.colours.get(value[name])), label),
    make("td", {}, text(value[name], form)));
  box.replaceChildren(
    make("p", {}, text(value[first.name], first.form) + (value.is_complete === false ? " (in progress)" : "")),
    make("table", {}, ...others.filter((column) => column.look !== "line").map(line)),
  );
  const { clientX: x, clientY: y } = event;
  const { offsetWidth: width, offsetHeight: height } = box;
  box.style.left = `${x + 16 + width > innerWidth ? Math.max(4, x - 16 - width) : x + 16}px`;
  box.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - height - 8))}px`;
};
