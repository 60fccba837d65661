"use strict";
// Chooses rows, formats and draws them; it computes no metric. Data go into the page as text only.
const find = (id) => document.getElementById(id);
const page = JSON.parse(find("data").textContent);
const root = document.documentElement;
const SEGMENTS = { all: "All", country: "Country", platform: "Platform", utm_source: "Source" };
const GRAINS = ["day", "week", "month"];
const DATES = ["day", "period_start", "cohort_start"];
const NUMBERS = ["number", "decimal", "percent"];
const OPENING = { segment: "all", member: "all", range: "90", grain: "week" };
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const DAY = 864e5;

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== false && value !== "") element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// --- rows -----------------------------------------------------------------------------------------

const decoded = ({ data, rows }) => {
  const columns = Object.entries(data).map(([name, column]) => {
    if (Array.isArray(column)) return [name, column];
    let { values } = column;
    if (column.climbs)
      values = values.flatMap((value, place) => Array.from({ length: column.climbs[place] }, (_, more) => value + more));
    if (column.runs) values = values.flatMap((value, place) => Array(column.runs[place]).fill(value));
    return [name, column.words ? values.map((place) => column.words[place]) : values];
  });
  return Array.from({ length: rows }, (_, place) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[place]])));
};

const cards = [...document.querySelectorAll(".card")].map((element) => {
  const card = page.cards[element.dataset.card];
  const rows = decoded(card);
  const has = (...names) => rows.length > 0 && names.some((name) => name in rows[0]);
  const follows = [has("slice") && "segment", has("range", ...DATES) && "range", has("grain") && "grain"].filter(Boolean);
  element.dataset.follows = follows.join(" ");
  return { ...card, element, rows, follows, name: element.dataset.card, isTable: false };
}).filter(({ element }) => element.dataset.state !== "missing");

const reaches = (start, grain, days) =>
  start === null ||
  Date.parse(start) + ({ week: 6, month: 27 }[grain] || 0) * DAY > Date.parse(page.last) - days * DAY;

const grainOf = (rows) => {
  const has = new Set(rows.map((row) => row.grain));
  return GRAINS.slice(GRAINS.indexOf(state.grain)).find((grain) => has.has(grain)) ??
    GRAINS.find((grain) => has.has(grain));
};

const chosen = (card) => {
  const [first] = card.rows;
  if (!first) return [];
  const dated = "range" in first ? undefined : DATES.find((name) => name in first);
  const grain = "grain" in first ? grainOf(card.rows) : undefined;
  return card.rows.filter((row) =>
    (!("slice" in row) || (row.slice === state.segment && row.slice_value === state.member)) &&
    row.grain === grain &&
    (!("range" in row) || row.range === state.range) &&
    (!dated || state.range === "all" || reaches(row[dated], row.grain, Number(state.range))));
};

// --- texts ----------------------------------------------------------------------------------------

const fixed = (value, digits) => {
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const text = whole.replace(/\B(?=(\d{3})+$)/g, ",") + (part ? `.${part}` : "");
  return value < 0 && /[1-9]/.test(text) ? `\u2212${text}` : text;
};

const number = (value) => {
  const size = Math.abs(value);
  for (const [least, unit, letter] of [[999950000, 1e9, "B"], [999950, 1e6, "M"], [9999.5, 1e3, "k"]])
    if (size >= least) return fixed(value / unit, 1) + letter;
  return fixed(value, Number.isInteger(value) || size >= 100 ? 0 : 1);
};

const moment = (value) => {
  const found = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d):\d\dZ)?$/.exec(value);
  if (!found) return value;
  const day = `${Number(found[3])} ${MONTHS[found[2] - 1]} ${found[1]}`;
  return found[4] ? `${day}, ${found[4]}` : day;
};

const text = (value, form) => {
  if (value === null || value === undefined) return "\u2013";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return ["date", "time", undefined].includes(form) ? moment(value) : value;
  if (form === "percent") return `${fixed(value * 100, 1)}%`;
  return form === "decimal" ? fixed(value, 2) : number(value);
};

const change = (row) => {
  const { value, previous, form } = row;
  if (value === null || previous === null || (form === "number" && !previous))
    return { text: "", tone: "", beside: row.compared_with };
  const difference = value - previous;
  const words = form === "percent" ? `${fixed(Math.abs(difference) * 100, 1)} pts`
    : form === "decimal" ? fixed(Math.abs(difference), 2)
    : `${fixed(Math.abs(difference) / previous * 100, 1)}%`;
  const isSame = !/[1-9]/.test(words);
  const tone = isSame || !["up", "down"].includes(row.better) ? ""
    : (difference > 0) === (row.better === "up") ? "good" : "bad";
  const arrow = isSame ? "=" : difference > 0 ? "\u25B2" : "\u25BC";
  return { text: `${arrow} ${words}`, tone, beside: `from ${text(previous, form)}, ${row.compared_with}` };
};

// --- tables and figures ---------------------------------------------------------------------------

const spark = (values) => {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known), high = Math.max(...known);
  const points = known.length < 2 ? "" : values.map((value, place) => value === null ? null
    : `${fixed(100 * place / (values.length - 1), 1)},` +
      (high > low ? fixed(22 - 20 * (value - low) / (high - low), 1) : "12.0"))
    .filter(Boolean).join(" ");
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true",
  })) drawing.setAttribute(name, value);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points);
  drawing.append(line);
  return drawing;
};

const cell = (tag, value, column, longest, row) => {
  if (column.look === "line") return make(tag, { class: "line" }, spark(value ?? []));
  const isNumber = column.form ? NUMBERS.includes(column.form) : typeof value === "number";
  const shown = text(value, column.form);
  const element = make(tag, {
    scope: tag === "th" && "row",
    class: [column.look, isNumber && "number", row?.is_complete === false && "running", shown.length > 32 && "long"]
      .filter(Boolean).join(" "),
  }, shown);
  if (["bar", "heat"].includes(column.look) && value !== null) {
    const most = column.form === "percent" ? 1 : longest;
    element.style.setProperty("--share", most ? Math.min(Math.abs(value) / most, 1).toFixed(4) : 0);
  }
  return element;
};

const triangle = (columns, rows) => {
  const place = columns.findIndex((column) => column.look === "across");
  const across = columns[place].name, heads = columns.slice(0, place), value = columns[place + 1];
  const steps = [...new Set(rows.map((row) => row[across]))].sort((one, other) => one - other);
  const lines = new Map();
  for (const row of rows) {
    const key = row[heads[0].name];
    if (!lines.has(key)) lines.set(key, []);
    lines.get(key).push(row);
  }
  return [
    [...heads.map((head) => head.label), ...steps],
    [...lines.values()].map((line) => {
      const byStep = new Map(line.map((row) => [row[across], row]));
      return [
        ...heads.map((head, index) => cell(index ? "td" : "th", line[0][head.name], head)),
        ...steps.map((step) => byStep.has(step)
          ? cell("td", byStep.get(step)[value.name], value, 1, byStep.get(step))
          : make("td", { class: "blank" })),
      ];
    }),
  ];
};

const list = (columns, rows) => {
  const longest = Object.fromEntries(columns.filter((column) => column.look === "bar").map(({ name }) =>
    [name, Math.max(0, ...rows.map((row) => Math.abs(row[name] ?? 0)))]));
  return [
    columns.map((column) => column.label),
    rows.map((row) => columns.map((column, index) =>
      cell(index ? "td" : "th", row[column.name], column, longest[column.name], row))),
  ];
};

const table = (card, rows, most = rows.length) => {
  const across = card.columns.findIndex((column) => column.look === "across");
  const isWide = across >= 0;
  const [heads, body] = (isWide ? triangle : list)(card.columns, rows);
  const isNumber = (place) => body[0][place].classList.contains("number") || (isWide && place > 0);
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": card.title },
    make("table", { class: isWide && "wide" },
      make("thead", {}, ...(isWide ? [make("tr", {},
        make("th", { colspan: across }),
        make("th", { class: "across", colspan: heads.length - across }, card.columns[across].label))] : []),
      make("tr", {}, ...heads.map((head, place) =>
        make("th", { scope: "col", class: isNumber(place) && "number" }, String(head))))),
      make("tbody", {}, ...body.slice(0, most).map((cells) => make("tr", {}, ...cells)))));
};

// A long list shows its first rows; a button shows the rest.
const FIRST = 10;
const listed = (card, rows) => {
  if (card.isWhole || rows.length <= FIRST + 2 || card.columns.some((column) => column.look === "across")) return [table(card, rows)];
  const all = make("button", { type: "button", class: "all" }, `All ${fixed(rows.length, 0)} rows`);
  all.addEventListener("click", () => {
    card.isWhole = true;
    show(card);
    card.element.querySelector(".scroll").focus();
  });
  return [table(card, rows, FIRST), all];
};

const figures = (card, rows) => make("div", { class: "figures" }, ...rows.map((row) => {
  const moved = change(row);
  return make("div", { class: "figure", "data-figure": row.figure },
    make("h3", {}, row.figure),
    make("p", { class: "value" }, text(row.value, row.form)),
    make("p", { class: "change" }, make("b", { class: moved.tone }, moved.text), ` ${moved.beside}`),
    spark(row.trend ?? []),
    make("p", { class: "as-of" }, row.as_of ?? ""));
}));

// --- charts ---------------------------------------------------------------------------------------

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

// --- a card ---------------------------------------------------------------------------------------

// By day, a card may have fewer days of a member than of all users: the first of those, if so.
const cutAt = (card, rows) => {
  if (state.segment === "all" || rows[0]?.grain !== "day") return null;
  const first = (found) => found.reduce((least, row) => row.period_start < least ? row.period_start : least, page.last);
  const of = first(rows);
  const whole = card.rows.filter((row) => row.slice === "all" && row.grain === "day" &&
    (state.range === "all" || reaches(row.period_start, "day", Number(state.range))));
  return of > first(whole) ? of : null;
};

const show = (card) => {
  const rows = chosen(card);
  const body = card.element.querySelector(".body");
  const aside = card.element.querySelector(".aside");
  const deaf = state.segment !== "all" && card.rows.length && !card.follows.includes("segment") && DATES.concat("range", "grain", "trend").some((name) => name in card.rows[0]);
  const from = deaf ? null : cutAt(card, rows);
  aside.hidden = !deaf && !from;
  aside.textContent = deaf ? "Not affected by segment." : from ? `By day, this segment is shown from ${moment(from)} on.` : "";
  card.element.dataset.state = rows.length ? "ready" : "empty";
  card.element.dataset.rows = rows.length;
  if (!rows.length) {
    card.view?.finalize();
    card.view = null;
    const back = make("button", { type: "button" }, "Reset");
    back.addEventListener("click", reset);
    body.replaceChildren(make("p", { class: "nothing" }, ...(card.rows.length ? ["No data for this selection. ", back] : ["No data yet."])));
  } else if (card.show === "figures") body.replaceChildren(figures(card, rows));
  else if (card.show === "chart" && !card.isTable) chart(card, rows, body);
  else body.replaceChildren(...(card.isTable ? [table(card, rows)] : listed(card, rows)));
};

const showAll = () => {
  find("tip").hidden = true;
  cards.forEach(show);
};

const csv = (card) => {
  const rows = chosen(card);
  const names = rows.length ? Object.keys(rows[0]) : [];
  const quoted = (value) => {
    if (value === null) return "";
    const plain = Array.isArray(value) ? value.join(" ") : String(value);
    // A spreadsheet would take this for a formula. A number is none.
    const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(plain) ? `'${plain}` : plain;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = [names, ...rows.map((row) => names.map((name) => row[name]))];
  const content = lines.map((line) => line.map(quoted).join(",")).join("\r\n");
  const link = make("a", { download: `${card.name}.csv`, href: URL.createObjectURL(new Blob([content, "\r\n"], { type: "text/csv" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};

// --- choices --------------------------------------------------------------------------------------

const members = {};
for (const card of cards)
  if (card.rows.length && "slice" in card.rows[0])
    for (const row of card.rows) (members[row.slice] ??= new Set()).add(row.slice_value);
const segments = Object.keys(members).filter((name) => name !== "all" && name);
const grainsKnown = new Set(cards.flatMap((card) => card.rows.map((row) => row.grain)).filter(Boolean));

const state = { ...OPENING };
const parse = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  Object.assign(state, OPENING);
  const segment = asked.get("segment"), member = asked.get("member");
  if (segments.includes(segment)) {
    state.segment = segment;
    state.member = members[segment].has(member) ? member : [...members[segment]].sort()[0];
  }
  if (["30", "90", "all"].includes(asked.get("range"))) state.range = asked.get("range");
  if (GRAINS.includes(asked.get("grain"))) state.grain = asked.get("grain");
};

const options = (select, entries, value) => {
  select.replaceChildren(...entries.map(([key, label]) => make("option", { value: key }, label)));
  select.value = value;
};
const segmentName = (name) => SEGMENTS[name] ?? name.replaceAll("_", " ");

const reflect = () => {
  options(find("segment"), [["all", "All"], ...segments.map((name) => [name, segmentName(name)])], state.segment);
  const names = [...(members[state.segment] ?? [])].sort();
  options(find("member"), names.map((name) => [name, name]), state.member);
  find("member-label").hidden = state.segment === "all";
  for (const name of ["range", "grain"])
    for (const input of document.querySelectorAll(`input[name=${name}]`)) input.checked = input.value === state[name];
  find("reset").hidden = Object.keys(OPENING).every((name) => state[name] === OPENING[name]);
  find("printed").textContent = `Shown: ${state.segment === "all" ? "all users" : `${segmentName(state.segment)} ${state.member}`}, ` +
    `${state.range === "all" ? "all days" : `the last ${state.range} days`}, by ${state.grain}.`;
};

const choose = (change) => {
  Object.assign(state, change);
  if (change.segment) state.member = change.segment === "all" ? "all" : [...members[change.segment]].sort()[0];
  const words = new URLSearchParams(Object.entries(state).filter(([name, value]) => value !== OPENING[name]));
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
  reflect();
  showAll();
};
function reset() { choose({ ...OPENING }); }

find("controls").addEventListener("change", ({ target }) => choose({ [target.name]: target.value }));
find("controls").addEventListener("submit", (event) => event.preventDefault());
find("reset").addEventListener("click", reset);
addEventListener("hashchange", () => {
  if (/^#(card-|main)/.test(location.hash)) return;
  parse(); reflect(); showAll();
});

const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
find("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  showAll();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);
let themeOnScreen;
addEventListener("beforeprint", () => { themeOnScreen = root.dataset.theme; root.dataset.theme = "light"; showAll(); });
addEventListener("afterprint", () => {
  if (themeOnScreen) root.dataset.theme = themeOnScreen; else delete root.dataset.theme;
  showAll();
});
let width = innerWidth, waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => { if (innerWidth !== width) { width = innerWidth; showAll(); } }, 150);
});
document.addEventListener("click", ({ target }) => {
  for (const about of document.querySelectorAll(".about[open]")) if (!about.contains(target)) about.open = false;
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  find("tip").hidden = true;
  for (const about of document.querySelectorAll(".about[open]")) { about.open = false; about.querySelector("summary").focus(); }
});

for (const card of cards) {
  const toggle = card.element.querySelector(".toggle"), save = card.element.querySelector(".csv");
  save.hidden = false;
  save.setAttribute("aria-label", `CSV: ${card.title}`);
  save.addEventListener("click", () => csv(card));
  if (!toggle) continue;
  toggle.hidden = false;
  toggle.setAttribute("aria-label", `Table: ${card.title}`);
  toggle.addEventListener("click", () => {
    card.isTable = !card.isTable;
    toggle.setAttribute("aria-pressed", String(card.isTable));
    show(card);
  });
}

// Ages are computed when the page is opened.
const aged = (element, isJudged) => {
  if (!element) return;
  const hours = (Date.now() - Date.parse(element.dateTime)) / 36e5;
  const age = hours < 1 ? "less than an hour ago" : hours < 48 ? `${Math.floor(hours)} h ago` : `${Math.floor(hours / 24)} days ago`;
  const isOld = isJudged && hours > 26;
  element.parentElement.append(" ", make("span", { class: isOld && (hours > 50 ? "stale" : "old") }, `(${age})`));
};
aged(find("loaded"), true);
aged(find("generated"), false);

parse();
find("controls").hidden = false;
reflect();
showAll();
document.body.dataset.ready = "1";
