// Tables, triangles, figures and the small lines in them.

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

const cell = (tag, value, column, longest, row, card) => {
  if (column.look === "line") return make(tag, { class: "line" }, spark(value ?? []));
  const isNumber = column.form ? NUMBERS.includes(column.form) : typeof value === "number";
  const shown = text(value, column.form, DATES.includes(column.name) ? row?.grain : undefined);
  const shows = column.form === "name" && card && showing(card, row, column);
  const element = make(tag, {
    scope: tag === "th" && "row",
    class: [column.look, isNumber && "number", row?.is_complete === false && "running", shown.length > 32 && "long"]
      .filter(Boolean).join(" "),
  }, shows ? showButton(memberName(shows.segment, value), shows) : shown);
  if (["bar", "heat"].includes(column.look) && value !== null) {
    const most = column.form === "percent" ? 1 : longest;
    element.style.setProperty("--share", most ? Math.min(Math.abs(value) / most, 1).toFixed(4) : 0);
  }
  return element;
};

// A country, platform or source in a table can be shown by a click, if the page has it.
const showing = (card, row, column) => {
  const slice = column.name in SEGMENTS ? column.name : column.name === "member" ? row.dimension : undefined;
  return members[slice]?.has(row[column.name]) && { segment: slice, member: row[column.name] };
};
const showButton = (label, change) => {
  const button = make("button", { type: "button", class: "show", title: `Show ${label}` }, label);
  button.addEventListener("click", () => { choose(change); scrollTo({ top: 0 }); });
  return button;
};

// The row without a cohort is the average of those in its range.
const average = ({ range }) => range && range !== "all" ? `Last ${range} days` : "All cohorts";

const PERIODS = { week: "Weeks", month: "Months" };
const triangle = (columns, rows) => {
  const place = columns.findIndex((column) => column.look === "across");
  const across = columns[place].name, heads = columns.slice(0, place), value = columns[place + 1];
  const steps = [...new Set(rows.map((row) => row[across]))].sort((one, other) => one - other);
  const most = Math.max(...rows.map((row) => Math.abs(row[value.name] ?? 0)));
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
        ...heads.map((head, index) => line[0][head.name] === null && DATES.includes(head.name)
          ? make("th", { scope: "row", class: "average" }, average(line[0]))
          : cell(index ? "td" : "th", line[0][head.name], head, 1, { grain: line[0].grain })),
        ...steps.map((step) => byStep.has(step)
          ? cell("td", byStep.get(step)[value.name], value, most, byStep.get(step))
          : make("td", { class: "blank" })),
      ];
    }),
  ];
};

// The newest first, as a list shows only its first rows.
const newestFirst = (columns, rows) => {
  const { name } = columns[0];
  return DATES.includes(name) ? [...rows].sort((one, other) => (one[name] < other[name]) - (one[name] > other[name])) : rows;
};

const list = (columns, unsorted, card) => {
  const rows = newestFirst(columns, unsorted);
  const longest = Object.fromEntries(columns.filter((column) => column.look === "bar").map(({ name }) =>
    [name, Math.max(0, ...rows.map((row) => Math.abs(row[name] ?? 0)))]));
  return [
    columns.map((column) => column.label),
    rows.map((row) => columns.map((column, index) =>
      cell(index ? "td" : "th", row[column.name], column, longest[column.name], row, card))),
  ];
};

const table = (card, rows, most = rows.length) => {
  const across = card.columns.findIndex((column) => column.look === "across");
  const isWide = across >= 0;
  const [heads, body] = (isWide ? triangle : list)(card.columns, rows, card);
  const isNumber = (place) => body[0][place].classList.contains("number") || (isWide && place > 0);
  const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table of ${card.title}` },
    make("table", { class: isWide && "wide" },
      make("thead", {}, ...(isWide ? [make("tr", {},
        make("td", { colspan: across }),
        make("th", { class: "across", colspan: heads.length - across }, card.columns[across].label.replace("Periods", PERIODS[rows[0].grain] ?? "Periods")))] : []),
      make("tr", {}, ...heads.map((head, place) =>
        make("th", { scope: "col", class: isNumber(place) && "number" }, String(head))))),
      make("tbody", {}, ...body.slice(0, most).map((cells) =>
        make("tr", { class: isWide && cells[0].classList.contains("average") && "average" }, ...cells)))));
  scroll.addEventListener("scroll", () => hint(scroll), { passive: true });
  return make("div", { class: "framed" }, scroll);
};

// A shadow at the right edge while there is more to scroll to.
const hint = (scroll) => {
  const left = scroll.scrollWidth - scroll.clientWidth - scroll.scrollLeft;
  scroll.parentElement.classList.toggle("more", left > 2);
};

// A long list shows its first rows; a button shows the rest.
const FIRST = 10;
const listed = (card, rows) => {
  if (card.isWhole || isPrinting || rows.length <= FIRST + 2 || card.columns.some((column) => column.look === "across")) return [table(card, rows)];
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
