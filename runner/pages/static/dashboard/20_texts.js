// How values are written: numbers, days, names, changes.

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

const moment = (value, grain) => {
  const found = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d):\d\dZ)?$/.exec(value);
  if (!found) return value;
  const month = `${MONTHS[found[2] - 1]} ${found[1]}`;
  if (grain === "month" && !found[4]) return month;
  const day = `${Number(found[3])} ${month}`;
  return found[4] ? `${day}, ${found[4]}` : day;
};

// Names that programs gave are written as people write them: gift_card as Gift card.
const named = (value) => Object.hasOwn(page.spelt, value) ? page.spelt[value]
  : /^[a-z][a-z0-9]*([_ ,.:][a-z0-9 ,_:.]*)?$/.test(value) ? value[0].toUpperCase() + value.slice(1).replaceAll("_", " ") : value;

const text = (value, form, grain) => {
  if (value === null || value === undefined) return form === "name" ? "All" : "\u2013";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (form === "name") return named(String(value));
  if (typeof value === "string") return ["date", "time", undefined].includes(form) ? moment(value, grain) : value;
  if (form === "percent") return `${fixed(value * 100, 1)}%`;
  if (form === "money") return page.currency ? `${page.currency}\u00a0${fixed(value, 2)}` : fixed(value, 2);
  return form === "decimal" ? fixed(value, 2) : number(value);
};

// With Compare, a figure of the day is compared with the first day of the range.
const earlier = (row) => {
  const back = Math.min(state.range === "all" ? 90 : SPAN.test(state.range) ? 28 : Number(state.range), 90);
  if (!state.compare || row.compared_with !== "28 days before" || !row.trend) return row;
  return { ...row, previous: row.trend.at(-1 - back) ?? null, compared_with: row.trend.length > back ? `${back} days before` : "" };
};

const change = (shown) => {
  const row = earlier(shown);
  const { value, previous, form } = row;
  if (value === null || previous === null || (form === "number" && !previous))
    return { text: "", tone: "", beside: row.compared_with };
  // A change from a negative figure has no percentage.
  if (form === "number" && previous < 0)
    return { text: "", tone: "", beside: `from ${text(previous, form)}, ${row.compared_with}` };
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
