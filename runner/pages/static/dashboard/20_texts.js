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
