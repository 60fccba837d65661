// The choices, the address that holds them, and the controls.

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
  options(find("segment"), [...(page.only ? [] : [["all", "All"]]), ...segments.map((name) => [name, segmentName(name)])], state.segment);
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
  showChanged(Object.keys(change));
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
