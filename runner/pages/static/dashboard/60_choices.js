// The choices, the address that holds them, and the controls.

const members = {};
for (const { data } of cards)
  data.slice?.forEach((slice, place) => (members[slice] ??= new Set()).add(data.slice_value[place]));
const segments = Object.keys(members).filter((name) => name !== "all" && name);

const state = { ...OPENING };
const isSpan = (range) => {
  const [, first, last] = SPAN.exec(range) ?? [];
  return first <= last && [first, last].every((day) => !Number.isNaN(Date.parse(day)));
};
const parse = () => {
  const asked = new URLSearchParams(location.hash.slice(1));
  Object.assign(state, OPENING);
  const segment = asked.get("segment"), member = asked.get("member");
  if (segments.includes(segment)) {
    state.segment = segment;
    state.member = members[segment].has(member) ? member : [...members[segment]].sort()[0];
  }
  const range = asked.get("range") ?? "";
  if (["30", "90", "all"].includes(range) || isSpan(range)) state.range = range;
  if (asked.has("compare")) state.compare = "1";
  if (asked.has("with")) state.with = asked.get("with");
  if (GRAINS.includes(asked.get("grain"))) state.grain = asked.get("grain");
};

const options = (select, entries, value) => {
  select.replaceChildren(...entries.map(([key, label]) => make("option", { value: key }, label)));
  select.value = value;
};
const segmentName = (name) => SEGMENTS[name] ?? named(name);
const rangeName = () => {
  const asked = SPAN.exec(state.range);
  return asked ? `${moment(asked[1])} to ${moment(asked[2])}` : state.range === "all" ? "all days" : `the last ${state.range} days`;
};

const reflect = () => {
  options(find("segment"), [...(page.only ? [] : [["all", "Everybody"]]), ...segments.map((name) => [name, segmentName(name)])], state.segment);
  const names = [...(members[state.segment] ?? [])].sort();
  options(find("member"), names.map((name) => [name, memberName(state.segment, name)]), state.member);
  find("member-label").hidden = state.segment === "all";
  find("with").hidden = state.segment === "all" || names.length < 2;
  const chosenToo = others();
  find("with").querySelector("summary").textContent = chosenToo.length ? `and ${chosenToo.map((name) => memberName(state.segment, name)).join(", ")}` : "and others";
  if (!find("with").open) find("with").querySelector("div").replaceChildren(...names.filter((name) => name !== state.member).map((name) => {
    const box = make("input", { type: "checkbox", name: "with", value: name });
    box.checked = chosenToo.includes(name);
    return make("label", {}, box, ` ${memberName(state.segment, name)}`);
  }));
  for (const name of ["range", "grain"])
    for (const input of document.querySelectorAll(`input[name=${name}]`))
      input.checked = input.value === (SPAN.test(state[name]) ? "dates" : state[name]);
  const asked = SPAN.exec(state.range);
  find("dates").hidden = !asked;
  for (const [place, name] of [[1, "from"], [2, "to"]]) {
    Object.assign(find(name), { min: page.first ?? "", max: page.last ?? "" });
    if (asked) find(name).value = asked[place];
  }
  find("compare").checked = state.compare === "1";
  find("reset").hidden = Object.keys(OPENING).every((name) => state[name] === OPENING[name]);
  find("printed").textContent = `Shown: ${state.segment === "all" ? "everybody" : `${segmentName(state.segment)} ${memberName(state.segment, state.member)}`}, ` +
    `${rangeName()}, by ${state.grain}${state.compare ? ", compared with the period before" : ""}${chosenToo.length ? `, with ${chosenToo.map((name) => memberName(state.segment, name)).join(", ")}` : ""}.`;
  updateLinks();
};

const choose = (change) => {
  if (change.segment && change.segment !== state.segment) state.with = "";
  Object.assign(state, change);
  if (change.segment && !change.member) state.member = change.segment === "all" ? "all" : [...members[change.segment]].sort()[0];
  const words = new URLSearchParams(Object.entries(state).filter(([name, value]) => value !== OPENING[name]));
  if (!isKept && root.dataset.theme) words.set("theme", root.dataset.theme);
  history.replaceState(null, "", words.size ? `#${words}` : location.pathname + location.search);
  reflect();
  showChanged(Object.keys(change));
};
function reset() { choose({ ...OPENING }); }

find("controls").addEventListener("change", ({ target }) => {
  const { name, value } = target;
  if (name === "with") {
    const asked = [...find("with").querySelectorAll("input:checked")].map((box) => box.value);
    if (asked.length > MOST_MEMBERS) target.checked = false;
    else choose({ with: asked.length ? JSON.stringify(asked) : "" });
  } else if (name === "compare") choose({ compare: target.checked ? "1" : "" });
  else if (name === "from" || name === "to") {
    const range = `${find("from").value}..${find("to").value}`;
    if (isSpan(range)) choose({ range });
  } else if (name === "range" && value === "dates") {
    const [first, last] = span();
    choose({ range: `${first || page.first}..${last === "9999" ? page.last : last}` });
  } else choose({ [name]: value });
});
find("controls").addEventListener("submit", (event) => event.preventDefault());
find("reset").addEventListener("click", reset);
addEventListener("hashchange", () => {
  if (/^#(card-|main)/.test(location.hash)) return;
  parse(); reflect(); showAll();
});

// The theme is kept by the browser, or where it keeps nothing for files, by the address.
const THEME = "milepost-theme";
let isKept = true;
const keepTheme = (theme) => {
  try { localStorage.setItem(THEME, theme); } catch { isKept = false; }
};
const keptTheme = () => {
  try { return localStorage.getItem(THEME); } catch { isKept = false; }
  return new URLSearchParams(location.hash.slice(1)).get("theme");
};
const kept = keptTheme();
if (["light", "dark"].includes(kept)) root.dataset.theme = kept;
const isDark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
find("theme").addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  keepTheme(root.dataset.theme);
  choose({});
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showAll);

// On paper: light, as wide as the paper, all rows.
let themeOnScreen, isPrinting = false;
addEventListener("beforeprint", () => {
  themeOnScreen = root.dataset.theme;
  root.dataset.theme = "light";
  root.dataset.printing = "1";
  isPrinting = true;
  showAll();
});
addEventListener("afterprint", () => {
  if (themeOnScreen) root.dataset.theme = themeOnScreen; else delete root.dataset.theme;
  delete root.dataset.printing;
  isPrinting = false;
  showAll();
});
let width = innerWidth, resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { if (innerWidth !== width) { width = innerWidth; showAll(); } }, 150);
});
document.addEventListener("click", ({ target }) => {
  for (const about of document.querySelectorAll(".about[open]")) if (!about.contains(target)) about.open = false;
});
document.addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  find("tip").hidden = true;
  for (const about of document.querySelectorAll(".about[open]")) { about.open = false; about.querySelector("summary").focus(); }
});
