// Vega-Lite charts, their legends and the tooltip.

const probe = make("span", { hidden: "" });
document.body.append(probe);
// A colour of the style sheet by its name, in the current theme.
const colour = (name) => {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
};

const LEFT = 46;
// With so few periods, bars are narrow and lines show their points.
const FEW = 3;
const config = (band) => ({
  background: "transparent",
  font: getComputedStyle(document.body).fontFamily,
  padding: { left: 0, right: 0, top: 4, bottom: 0 },
  view: { stroke: null },
  legend: { disable: true },
  header: { labelExpr: "upper(slice(datum.label, 0, 1)) + replace(slice(datum.label, 1), /_/g, ' ')", title: null, labelColor: colour("--ink"), labelFontSize: 12, labelFontWeight: 500 },
  axis: {
    title: null, domain: false, ticks: false, grid: false, labelFontSize: 11, labelPadding: 6,
    labelColor: colour("--soft"), gridColor: colour("--rule"),
    titleColor: colour("--soft"), titleFontSize: 11, titleFontWeight: 400,
  },
  axisX: { labelAngle: 0, labelOverlap: "parity", labelSeparation: 14, labelFlush: false },
  axisXDiscrete: {
    labelExpr: "test(/^\\d{4}-\\d\\d-\\d\\d$/, datum.value) ? utcFormat(toDate(datum.value), dates) : datum.label",
  },
  axisY: { minExtent: LEFT, maxExtent: LEFT },
  axisYQuantitative: {
    grid: true, tickCount: 5,
    labelExpr: "abs(datum.value) >= 1e9 ? format(datum.value / 1e9, ',~r') + 'B'" +
      " : abs(datum.value) >= 1e6 ? format(datum.value / 1e6, ',~r') + 'M'" +
      " : abs(datum.value) >= 1e5 ? format(datum.value / 1e3, ',~r') + 'k' : datum.label",
  },
  text: { fontSize: 11, color: colour("--soft") },
  line: { strokeWidth: 2, strokeJoin: "round" },
  bar: { discreteBandSize: { band } },
  point: { size: 24, filled: true },
});

// As many labels of a date axis as there is room for. Vega would draw the others too, hidden.
const labels = (days, width) => {
  const step = Math.ceil(days.length / Math.max(2, Math.floor(width / 76)));
  return days.filter((_, place) => place % step === 0);
};

// Replaces names of colours and the width "container", and sets the labels of dates and the points of
// short lines.
const fitted = (part, width, days, isFew) =>
  Array.isArray(part) ? part.map((each) => fitted(each, width, days, isFew))
  : part && typeof part === "object" ? Object.fromEntries(Object.entries(part).map(([key, value]) =>
    [key, key === "width" && value === "container" ? width
      : key === "x" && DATES.includes(value?.field) && value.axis !== null ? { ...value, axis: { values: days, ...value.axis } }
      : key === "mark" && isFew && ["line", "area"].includes(value.type) ? fitted({ point: { color: value.color }, ...value }, width, days)
      : fitted(value, width, days, isFew)]))
  : typeof part === "string" && part.startsWith("--") ? colour(part)
  : part;

const dates = (rows) => {
  const name = DATES.find((each) => each in rows[0]);
  const years = new Set(rows.map((row) => String(row[name]).slice(0, 4)));
  return rows[0].grain === "month" ? "%b %Y" : years.size > 1 ? "%-d %b %y" : "%-d %b";
};

// Whether days run across the chart.
const isAcross = (card) => ["day", "period_start"].includes(card.dated);

const chart = (card, rows, body, drawing = card.spec) => {
  card.view?.finalize();
  const place = make("div", { class: "chart", role: "img", "aria-label": `${card.title}. The button Table shows the same as a table.` });
  const legend = make("ul", { class: "legend" });
  const notes = notesOf(card, rows);
  body.replaceChildren(legend, place, ...listOf(notes));
  // padding.right leaves room for labels beside the last point.
  const { padding, ...rest } = drawing;
  const width = Math.max(120, place.clientWidth - LEFT - (padding?.right ?? 8));
  const days = isAcross(card) ? [...new Set(rows.map((row) => row[card.dated]))].sort() : [];
  const isFew = days.length > 0 && days.length <= FEW;
  const spec = fitted(withNotes(card, rest, rows, notes), width, labels(days, width), isFew);
  spec.params = [{ name: "off", value: [...card.off] }, { name: "grain", value: rows[0].grain ?? null }, { name: "dates", value: isAcross(card) ? dates(rows) : "" }, ...(spec.params ?? [])];
  const parsed = charts.runtime(spec, config(isFew ? 0.2 * days.length : 0.8));
  card.view = charts.draw(parsed, place, without(card, rows), (handler, event, item, value) => tip(card, event, value));
  // The chart as a whole has a label; one for each of its marks would help nobody.
  place.querySelector("svg").setAttribute("aria-hidden", "true");
  // The legend lists names only: scales of numbers are explained by an axis or a header.
  card.colours = coloursOf(card.view);
  const names = [...card.colours].filter(([name]) => typeof name === "string" && (name !== "everybody" || (state.segment !== "all" && !page.only)));
  legend.replaceChildren(...names.map(([name, value]) => {
    const button = make("button", { type: "button", "aria-pressed": String(!card.off.has(name)) }, swatch(value), labelled(card, name));
    button.addEventListener("click", () => {
      if (!card.off.delete(name)) card.off.add(name);
      show(card);
      card.element.querySelectorAll(".legend button")[names.findIndex(([each]) => each === name)]?.focus();
    });
    return make("li", {}, button);
  }));
  if (state.compare && rows.some((row) => row.before_start)) legend.append(make("li", { class: "before" }, make("i"), "the period before"));
};

// Empties the series that the legend turned off: a column, or the rows with its name. The rows stay,
// so that the other series keep their colours. Series that a spec makes itself are left out by the
// spec, through its parameter `off`.
const without = (card, rows) => rows.map((row) => {
  const changed = { ...row };
  for (const name of card.off)
    if (name in row) changed[name] = null;
    else if (Object.values(row).includes(name))
      for (const [key, value] of Object.entries(row)) if (typeof value === "number" && key !== "place" && key !== "depth") changed[key] = 0;
  return changed;
});

// --- annotations and goals -----------------------------------------------------------------------------

const notesOf = (card, rows) => {
  if (!isAcross(card)) return [];
  const starts = new Set(rows.map((row) => row[card.dated]));
  return (page.annotations ?? [])
    .filter(({ slice, slice_value }) => slice === "all" || (slice === state.segment && slice_value === state.member))
    .map((note) => ({ ...note, start: startOf(note.day, rows[0].grain) }))
    .filter(({ start }) => starts.has(start));
};
const listOf = (notes) => notes.length === 0 ? [] : [make("ul", { class: "notes" }, ...notes.map((note) =>
  make("li", {}, make("b", {}, moment(note.day)), ` ${note.text}`)))];

// The goals in force on each day, for figures that a chart by day shows of everybody.
const goalsOf = (card, part, rows) => {
  if (card.dated !== "day" || state.segment !== "all") return [];
  const drawn = JSON.stringify(part);
  const figures = new Map();
  for (const { figure, from_day, value } of page.goals ?? []) {
    const column = figure.split(".").at(-1);
    if (!drawn.includes(`"${column}"`) || !(column in rows[0])) continue;
    if (!figures.has(column)) figures.set(column, []);
    figures.get(column).push({ from_day, value });
  }
  return [...figures].map(([column, goals]) => rows.map(({ day }) => ({
    day, goal: goals.filter(({ from_day }) => from_day <= day).at(-1)?.value ?? null, name: `Goal: ${labelled(card, column)}`,
  })).filter(({ goal }) => goal !== null)).filter((values) => values.length);
};

// Adds lines for them to each part of a chart that has dates on its x axis.
const withNotes = (card, part, rows, notes, above = {}) => {
  const encoding = { ...above, ...part.encoding };
  for (const key of ["vconcat", "hconcat", "concat"])
    if (part[key]) return { ...part, [key]: part[key].map((each) => withNotes(card, each, rows, notes, encoding)) };
  if (part.spec) return { ...part, spec: withNotes(card, part.spec, rows, notes, encoding) };
  if (!isAcross(card) || encoding.x?.field !== card.dated) return part;
  const goals = goalsOf(card, part, rows);
  if (!notes.length && !goals.length) return part;
  const none = Object.fromEntries(Object.keys(encoding).map((key) => [key, null]));
  const x = { field: card.dated, type: "ordinal" };
  const layer = part.layer ?? [{ mark: part.mark, encoding: part.encoding, transform: part.transform }];
  const { mark, transform, ...outer } = part;
  return {
    ...(part.layer ? part : { ...outer, encoding: undefined }),
    layer: [
      ...layer,
      ...goals.map((values) => ({
        data: { values }, mark: { type: "line", strokeDash: [2, 3], strokeWidth: 1.4, color: "--soft", interpolate: "step-after" },
        encoding: { ...none, x, y: { field: "goal", type: "quantitative" } },
      })),
      ...goals.map((values) => ({
        data: { values: values.slice(0, 1) }, mark: { type: "text", align: "left", baseline: "bottom", dy: -3, fontStyle: "italic" },
        encoding: { ...none, x, y: { field: "goal", type: "quantitative" }, text: { field: "name" } },
      })),
      ...(notes.length ? [{
        data: { values: notes.map(({ start, text, day }) => ({ [card.dated]: start, note: text, noted: day })) },
        mark: { type: "rule", color: "--ink", strokeDash: [1, 3], strokeWidth: 1.5, tooltip: { content: "data" } },
        encoding: { ...none, x },
      }] : []),
    ],
  };
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

const labelled = (card, name) => card.columns.find((column) => column.name === name)?.label ?? named(String(name));

const tip = (card, event, value) => {
  const box = find("tip");
  box.hidden = !value;
  if (!value) return;
  const [first, ...others] = card.columns.filter((column) => column.name in value);
  if (!first && !value.note) return void (box.hidden = true);
  const line = ({ name, label, form }) => make("tr", {},
    make("th", { scope: "row" }, swatch(card.colours.get(name) ?? card.colours.get(value[name])), label),
    make("td", {}, text(value[name], form), ...(value[`before_${name}`] === undefined || form === "name" ? [] : [
      make("small", {}, ` before ${text(value[`before_${name}`], form)}`)])));
  box.replaceChildren(...(value.note ? [make("p", {}, moment(value.noted)), value.note] : [
    make("p", {}, (value.curve === "everybody" ? "Everybody: " : value.member ? `${value.member}: ` : "") + (value[first.name] === null && "range" in value ? average(value) : text(value[first.name], first.form, value.grain)) + (value.is_complete === false ? " (in progress)" : "")),
    make("table", {}, ...others.filter((column) => column.look !== "line").map(line)),
    ...(value.is_withheld ? [`Not shown: fewer than ${page.min_cell} users, or would reveal such a group.`] : []),
  ]));
  const { clientX: x, clientY: y } = event;
  const { offsetWidth: width, offsetHeight: height } = box;
  box.style.left = `${x + 16 + width > innerWidth ? Math.max(4, x - 16 - width) : x + 16}px`;
  box.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - height - 8))}px`;
};
