"use strict";
// The rows of the page, and which of them are chosen. Nothing here computes a metric. Data go into
// the page as text only. All files of this folder are one script, joined in the order of their names.
const find = (id) => document.getElementById(id);
const page = JSON.parse(find("data").textContent);
const root = document.documentElement;
const SEGMENTS = { all: "All", country: "Country", platform: "Platform", utm_source: "Source" };
const GRAINS = ["day", "week", "month"];
const DATES = ["day", "period_start", "cohort_start"];
const NUMBERS = ["number", "decimal", "percent"];
const OPENING = { segment: "all", member: "all", range: "90", grain: "week" };
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
