"use strict";
// The rows of the page, and which of them are selected. No metric is computed here, and data are
// inserted into the document as text only. All files of this folder are joined into one script, in
// the order of their names.
const find = (id) => document.getElementById(id);
const page = JSON.parse(find("data").textContent);
const root = document.documentElement;
const SEGMENTS = { all: "All", country: "Country", platform: "Platform", utm_source: "Source" };
const GRAINS = ["day", "week", "month"];
const DATES = ["day", "period_start", "cohort_start"];
const NUMBERS = ["number", "decimal", "percent", "money"];
const OPENING = { segment: "all", member: "all", range: "90", grain: "week", compare: "", with: "" };
// A file of one member opens with it, and has no other.
if (page.only) [OPENING.segment, OPENING.member] = page.only;
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const DAY = 864e5;

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== false && value !== "") element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const decoded = ({ data, rows }) => {
  const found = Array.from({ length: rows }, () => ({}));
  for (const [name, values] of Object.entries(data))
    for (let place = 0; place < rows; place++) found[place][name] = values[place];
  return found;
};

// Rows are decoded when a card needs them: the page opens with a few cards in view.
const cards = [...document.querySelectorAll(".card")].map((element) => {
  const card = page.cards[element.dataset.card], { data } = card;
  const has = (...names) => names.some((name) => name in data);
  const follows = [has("slice") && "segment", has("range", ...DATES) && "range", new Set(data.grain).size > 1 && "grain"].filter(Boolean);
  element.dataset.follows = follows.join(" ");
  let rows;
  return {
    ...card, element, follows, dated: DATES.find((name) => has(name)), name: element.dataset.card, isTable: false, off: new Set(),
    get rows() { return rows ??= decoded(card); },
  };
}).filter(({ element }) => element.dataset.state !== "missing");

// --- periods: runner/pages/dashboard/periods.py has the same rules, and says why --------------------

const plus = (day, days) => new Date(Date.parse(day) + days * DAY).toISOString().slice(0, 10);
const startOf = (day, grain) =>
  grain === "month" ? `${day.slice(0, 7)}-01`
  : grain === "week" ? plus(day, -((new Date(day).getUTCDay() + 6) % 7))
  : day;
const endOf = (start, grain) =>
  grain === "month" ? plus(startOf(plus(start, 31), grain), -1)
  : grain === "week" ? plus(start, 6)
  : start;

// A range is a number of days, "all", or two dates.
const SPAN = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/;
const span = (grain) => {
  const asked = SPAN.exec(state.range);
  if (asked) return asked.slice(1);
  if (state.range === "all" || !page.last) return ["", "9999"];
  const first = plus(page.last, 1 - state.range);
  // On the last day of a month, 30 days would hold no month but the running one.
  const before = ["week", "month"].includes(grain) ? startOf(plus(startOf(page.last, grain), -1), grain) : first;
  return [before < first ? before : first, page.last];
};
// Figures that cannot be selected by their date have rows for 30 days, for 90 and for all. Two dates
// take the shortest of these that reaches back far enough.
const nearestRange = () => {
  const asked = SPAN.exec(state.range);
  return asked ? ["30", "90"].find((days) => plus(page.last, 1 - days) <= asked[1]) ?? "all" : state.range;
};
// A period is shown if it overlaps the range.
const overlaps = (start, grain, [first, last]) => start <= last && endOf(start, grain) >= first;

const grainOf = (rows) => {
  const has = new Set(rows.map((row) => row.grain));
  return GRAINS.slice(GRAINS.indexOf(state.grain)).find((grain) => has.has(grain)) ??
    GRAINS.find((grain) => has.has(grain));
};

// The rows of the chosen member and grain, of all days.
const ofMember = (card) => {
  const [first] = card.rows;
  if (!first) return [];
  return ofGrain(card.rows.filter((row) => isOf(row, state.segment, state.member)));
};
const isOf = (row, segment, member) => !("slice" in row) || (row.slice === segment && row.slice_value === member);
// Where all rows of the grain are withheld, those of the next longer one that has others.
const ofGrain = (rows) => {
  if (!rows.length || !("grain" in rows[0])) return rows;
  const readable = rows.filter((row) => !row.is_withheld);
  const grain = grainOf(readable.length ? readable : rows);
  return rows.filter((row) => row.grain === grain);
};

const chosen = (card, rows = ofMember(card)) => {
  if (!rows.length) return [];
  const within = span(rows[0].grain), range = nearestRange();
  return rows.filter((row) => row.range ? row.range === range
    : !card.dated || row[card.dated] === null || overlaps(row[card.dated], row.grain, within));
};

// With Compare, each row also has figures of the time before the range, such as before_users: those
// of as many periods earlier as the range shows.
const compared = (card, all, rows) => {
  if (!state.compare || !rows.length || !isAcross(card)) return rows;
  const { dated } = card;
  const starts = [...new Set(all.map((row) => row[dated]))].sort();
  const shown = [...new Set(rows.map((row) => row[dated]))];
  // If a period has several rows, the counterpart is the one with the same name.
  const isAlone = all.length === starts.length;
  const key = (row, start) => isAlone ? start : card.columns.filter(({ form }) => ["text", "name"].includes(form)).map(({ name }) => row[name]).concat(start).join("\0");
  const known = new Map(all.map((row) => [key(row, row[dated]), row]));
  return rows.map((row) => {
    const start = starts[starts.indexOf(row[dated]) - shown.length];
    const before = start && known.get(key(row, start));
    const figures = Object.entries(before || {}).filter(([, value]) => typeof value === "number");
    return { ...row, before_start: start ?? null, ...Object.fromEntries(figures.map(([name, value]) => [`before_${name}`, value])) };
  });
};
