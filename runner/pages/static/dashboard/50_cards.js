// Cards: how the selected rows are shown, and how they are saved.

// The first day of a member, if the file has fewer of its days than of all users.
const cutAt = (card, rows) => {
  if (state.segment === "all" || rows[0]?.grain !== "day") return null;
  const first = (found) => found.reduce((least, row) => row.period_start < least ? row.period_start : least, page.last);
  const of = first(rows);
  const whole = chosen(card, card.rows.filter((row) => row.slice === "all" && row.grain === "day"));
  return of > first(whole) ? of : null;
};

// The line above a card: which users, days and periods its rows are about.
const asides = (card, all, rows) => {
  const [first] = card.rows;
  if (!first || !card.of_users) return [];
  const said = [];
  const periods = new Set(rows.map((row) => row.as_of));
  if (card.show !== "figures" && periods.size === 1 && rows[0].as_of) said.push(`${rows[0].as_of}.`);
  if (state.segment !== "all" && !card.follows.includes("segment")) said.push("All users, whatever Show selects.");
  const from = cutAt(card, rows);
  if (from) said.push(`By day, shown from ${moment(from)} on.`);
  if ("range" in first && card.dated !== "cohort_start" && SPAN.test(state.range))
    said.push(nearestRange() === "all" ? "Of all days." : `Of the last ${nearestRange()} days.`);
  const withheld = rows.filter((row) => row.is_withheld).length;
  if (withheld) {
    const what = card.columns.some((column) => column.look === "across") ? new Set(rows.filter((row) => row.is_withheld).map((row) => row[card.dated])).size : withheld;
    said.push(`${what} ${what === 1 ? "row" : "rows"} of fewer than ${page.min_cell} users, or that would reveal them, ${what === 1 ? "is" : "are"} not shown.`);
  }
  return said;
};

// Why there is nothing to see, and what a click can do about it.
const nothing = (card, all, isWithheld) => {
  if (!card.rows.length) return [page.last ? card.empty ?? "Nothing to show yet." : "No data yet."];
  if (isWithheld) return [`All of these figures are of fewer than ${page.min_cell} users, or would reveal those of such a group.`];
  const isInAll = state.range !== "all" && all.length > 0;
  const back = make("button", { type: "button" }, isInAll ? "Show all days" : "Reset");
  back.addEventListener("click", () => isInAll ? choose({ range: "all" }) : reset());
  const who = state.segment === "all" ? "everybody" : memberName(state.segment, state.member);
  return [!all.length ? `There are no figures for ${who}. `
    : card.dated === "cohort_start" ? "Nobody joined in this range. "
    : card.dated ? "No events in this range. " : "Nothing in this range. ", back];
};

// Beside a table, the averages of everybody are drawn with those of a member.
const withEverybody = (card, rows) => state.segment === "all" ? rows
  : rows.concat(chosen(card, card.rows.filter((row) => row.slice === "all" && row.grain === rows[0].grain))
    .filter((row) => row[card.dated] === null && !row.is_withheld).map((row) => ({ ...row, is_everybody: true })));

const show = (card) => {
  const all = ofMember(card);
  const found = chosen(card, all);
  const rows = compared(card, all, found);
  const readable = rows.filter((row) => !row.is_withheld);
  const body = card.element.querySelector(".body");
  const aside = card.element.querySelector(".aside");
  const said = asides(card, all, found);
  aside.hidden = !said.length;
  aside.textContent = said.join(" ");
  card.element.dataset.state = rows.length ? "ready" : "empty";
  card.element.dataset.rows = rows.length;
  if (card.show === "figures" && rows.length) body.replaceChildren(figures(card, rows));
  else if (card.show === "sentences" && rows.length) body.replaceChildren(sentences(rows));
  else if (!readable.length) {
    card.view?.finalize();
    card.view = null;
    body.replaceChildren(make("p", { class: "nothing" }, ...nothing(card, all, rows.length > 0)));
  } else if (card.show === "beside") {
    const place = make("div", { class: "curves" });
    body.replaceChildren(make("div", { class: "pair" }, ...listed(card, readable), place));
    drawn(card, withEverybody(card, readable), place);
  } else if (card.show === "chart" && !card.isTable) {
    const lines = overlaid(card, rows);
    drawn(card, lines?.rows ?? rows, body, lines?.spec);
    body.prepend(...changesOf(card, rows));
  }
  else body.replaceChildren(...(card.isTable ? [table(card, readable)] : listed(card, readable)));
  for (const scroll of body.querySelectorAll(".scroll")) hint(scroll);
};

// Whether something is drawn beside axes: a mark has items, and a group of marks items with marks.
const hasMarks = ({ role, items }) =>
  role === "mark" ? items.length > 0 : items.some((item) => (item.items ?? []).some(hasMarks));

// If a spec cannot be drawn, its card shows the error and a table; the other cards are as they were.
const drawn = (card, rows, body, spec) => {
  try {
    chart(card, rows, body, spec);
    if (!hasMarks(card.view.scenegraph().root))
      body.replaceChildren(make("p", { class: "nothing" }, "Nothing to draw yet: no period is over."));
  } catch (error) {
    card.view = null;
    body.replaceChildren(
      make("p", { class: "nothing" }, `This chart cannot be drawn: ${error.message}`), ...listed(card, rows));
  }
};

// What is in view is drawn at once, the rest one card after another, so that a choice is seen soon.
const waiting = new Set();
const isInView = ({ element }) => {
  const { top, bottom } = element.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
};
const drawNext = () => {
  const [card] = waiting;
  if (card) {
    waiting.delete(card);
    show(card);
  }
  if (waiting.size) setTimeout(drawNext);
  else document.body.dataset.drawn = "1";
};
const showEach = (changed) => {
  find("tip").hidden = true;
  delete document.body.dataset.drawn;
  for (const card of changed) {
    waiting.delete(card);
    if (isPrinting || isInView(card)) show(card);
    else waiting.add(card);
  }
  setTimeout(drawNext);
};
const showAll = () => showEach(cards);

// After a choice of range or grain alone, cards that follow neither are not drawn again.
const showChanged = (names) => {
  const isOfTime = names.length > 0 && names.every((name) => ["range", "grain"].includes(name));
  showEach(cards.filter((card) => !isOfTime || card.show === "figures" || card.follows.some((name) => names.includes(name))));
};

const csv = (card) => {
  const rows = chosen(card);
  const names = rows.length ? Object.keys(rows[0]).filter((name) => name !== "is_withheld") : [];
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
