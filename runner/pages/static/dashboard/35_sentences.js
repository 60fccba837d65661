// What changed, in sentences with links to the figures.

// The name of a country, if the browser knows it.
const regions = (() => {
  try { return new Intl.DisplayNames(["en"], { type: "region", fallback: "none" }); } catch { return null; }
})();
const memberName = (slice, member) => {
  try { return (slice === "country" && regions?.of(member)) || named(member); } catch { return named(member); }
};


const addressOf = (change) => {
  const words = new URLSearchParams(Object.entries({ ...state, ...change }).filter(([name, value]) => value !== OPENING[name]));
  return `#${words}`;
};

// Every range but one of two dates shows the last full period, so two dates are given up.
const changeOf = (link) => {
  const { grain, segment, member } = link.dataset;
  return { ...(grain ? { grain } : {}), segment, member, ...(SPAN.test(state.range) ? { range: OPENING.range } : {}) };
};
// The addresses also hold the choices that a sentence keeps, so they follow each choice.
const updateLinks = () => {
  for (const link of document.querySelectorAll(".sentences a")) link.setAttribute("href", addressOf(changeOf(link)));
};

const linkTo = (label, { grain, segment, member }, target) => {
  const link = make("a", { "data-grain": grain ?? "", "data-segment": segment, "data-member": member }, label);
  link.setAttribute("href", addressOf(changeOf(link)));
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(changeOf(link));
    find(`card-${target}`)?.scrollIntoView({ block: "start" });
  });
  return link;
};

const sentence = (row) => {
  const { before, name, change: by, after, driver, driver_slice: among, share, link_slice: slice, link_member: member, card: target } = row;
  const { grain } = row;
  const isMember = members[slice]?.has(member);
  const words = [];
  if (before) words.push(before, " ");
  if (name) words.push(linkTo(isMember ? memberName(slice, member) : named(name),
    isMember ? { grain, segment: slice, member } : { grain, segment: "all", member: "all" }, target), " ");
  if (by !== null) words.push(make("b", {}, `${by > 0 ? "+" : ""}${fixed(by * 100, 1)}%`), " ");
  words.push(after);
  if (driver) words.push(`, ${share} ${page.before[among] ?? "in"} `, members[among]?.has(driver)
    ? linkTo(memberName(among, driver), { grain, segment: among, member: driver }, target) : memberName(among, driver));
  return make("li", {}, ...words, ".");
};

const sentences = (rows) => make("ul", { class: "sentences" }, ...rows.map(sentence));
