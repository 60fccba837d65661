// A card: what it shows of the chosen rows, and what it saves.

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
  else if (card.show === "chart" && !card.isTable) drawn(card, rows, body);
  else body.replaceChildren(...(card.isTable ? [table(card, rows)] : listed(card, rows)));
};

// A spec that cannot be drawn costs its own card the chart, and no other card anything.
const drawn = (card, rows, body) => {
  try {
    chart(card, rows, body);
  } catch (error) {
    card.view = null;
    body.replaceChildren(
      make("p", { class: "nothing" }, `This chart cannot be drawn: ${error.message}`), ...listed(card, rows));
  }
};

const showAll = () => {
  find("tip").hidden = true;
  cards.forEach(show);
};

// After a choice of range or grain alone, cards that follow neither stay as they are.
const showChanged = (names) => {
  find("tip").hidden = true;
  const isOfTime = names.every((name) => ["range", "grain"].includes(name));
  cards.filter((card) => !isOfTime || card.follows.some((name) => names.includes(name))).forEach(show);
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
