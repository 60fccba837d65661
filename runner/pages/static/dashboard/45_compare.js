// What a chart is compared with: the period before, in figures, and other members, as lines.

// The figures of a card over time: of each direction or name, or else its first columns.
const figuresOf = (card, rows) => {
  const [name] = card.columns.filter(({ form }) => form === "name").map((column) => column.name);
  const columns = card.columns.filter((column) => NUMBERS.includes(column.form) && !column.name.startsWith("usual_") &&
    rows.some((row) => row[column.name] !== null));
  if (!name || !(name in rows[0])) return columns.map((column) => ({ ...column, of: rows }));
  const sums = rows.filter((row) => row[name] === null);
  const key = sums.length ? "direction" : name, of = sums.length ? sums : rows;
  const [column] = columns.filter((each) => of.some((row) => row[each.name] !== null));
  return column ? [...new Set(of.map((row) => row[key]))].map((value) =>
    ({ ...column, label: named(String(value)), of: of.filter((row) => row[key] === value) })) : [];
};

// The mean of the periods that are over, against those before.
const MOST_CHANGES = 5;
const changesOf = (card, rows) => {
  if (!state.compare || !rows.length || !isAcross(card)) return [];
  const said = figuresOf(card, rows).map(({ name, label, form, of }) => {
    const known = of.filter((row) => row.is_complete !== false && row[name] !== null && typeof row[`before_${name}`] === "number");
    if (!known.length) return null;
    const mean = (each) => known.reduce((sum, row) => sum + row[each], 0) / known.length;
    const moved = change({ value: mean(name), previous: mean(`before_${name}`), form, compared_with: "" });
    return moved.text && make("li", {}, `${label} `, make("b", {}, moved.text));
  }).filter(Boolean).slice(0, MOST_CHANGES);
  return said.length ? [make("ul", { class: "changes", "aria-label": `${card.title}: mean against the period before` }, ...said)] : [];
};

// Other members of the slice, drawn as lines beside the chosen one.
const MOST_MEMBERS = 4;
const others = () => {
  try { return JSON.parse(state.with).filter((name) => name !== state.member && members[state.segment]?.has(name)).slice(0, MOST_MEMBERS); } catch { return []; }
};
const MEMBER_COLOURS = ["--first", "--second", "--churned", "--third", "--resurrected"];
const overlaid = (card, rows) => {
  const names = [state.member, ...others()];
  if (names.length < 2 || !isAcross(card) || !rows.length) return null;
  const { grain } = rows[0];
  const known = names.map((member) => [member, chosen(card, card.rows.filter((row) => row.grain === grain && isOf(row, state.segment, member)))]);
  const panels = figuresOf(card, rows).filter(({ name, of }) => of.filter((row) => row[name] !== null).length > 1).slice(0, 2);
  if (!panels.length) return null;
  const lines = panels.flatMap(({ name, of: [{ direction, event_type: type }] }, panel) => known.flatMap(([member, of]) => of
    .filter((row) => !row.is_withheld && row.direction === direction && row.event_type === type && row[name] !== null && !(row.series && direction))
    .map((row) => ({ [card.dated]: row[card.dated], panel, member: memberName(state.segment, member), [name]: row[name], grain, is_complete: row.is_complete }))));
  const starts = [...new Set(lines.map((row) => row[card.dated]))].sort();
  const shown = names.map((member) => memberName(state.segment, member));
  return { rows: lines, spec: {
    data: { name: "rows" }, padding: { right: 12 }, spacing: 18,
    vconcat: panels.map(({ name, label, form }, panel) => ({
      width: "container", height: 116, title: { text: label, anchor: "start", fontSize: 12, fontWeight: 500, color: "--ink" },
      transform: [{ filter: `datum.panel === ${panel} && indexof(off, datum.member) < 0` }],
      encoding: { x: { field: card.dated, type: "ordinal", scale: { domain: starts } } },
      layer: [
        { mark: { type: "line" }, encoding: {
          y: { field: name, type: "quantitative", axis: form === "percent" ? { format: ".0%", tickCount: 4 } : { tickCount: 4 } },
          color: { field: "member", type: "nominal", scale: { domain: shown, range: MEMBER_COLOURS.slice(0, shown.length) } } } },
        { mark: { type: "point", opacity: 0.001, size: 120, tooltip: { content: "data" } }, encoding: { y: { field: name, type: "quantitative" } } },
      ],
    })),
  } };
};
