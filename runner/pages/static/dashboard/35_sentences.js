// What changed, in sentences: each leads to the figures that it tells of.

// A country by its name, as far as the browser knows it.
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

const leading = (label, change, target) => {
  const link = make("a", { href: addressOf(change) }, label);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(change);
    find(`card-${target}`)?.scrollIntoView({ block: "start" });
  });
  return link;
};

const sentence = (row) => {
  const { before, name, change: by, after, driver, share, link_slice: slice, link_member: member, card: target } = row;
  const grain = row.grain ? { grain: row.grain } : {};
  const isMember = members[slice]?.has(member);
  const words = [];
  if (before) words.push(before, " ");
  if (name) words.push(leading(isMember ? memberName(slice, member) : named(name),
    { ...grain, ...(isMember ? { segment: slice, member } : {}) }, target), " ");
  if (by !== null) words.push(make("b", {}, `${by > 0 ? "+" : ""}${fixed(by * 100, 1)}%`), " ");
  words.push(after);
  if (driver) words.push(`, ${share} in `, members.country?.has(driver)
    ? leading(memberName("country", driver), { ...grain, segment: "country", member: driver }, target) : memberName("country", driver));
  return make("li", {}, ...words, ".");
};

const sentences = (rows) => make("ul", { class: "sentences" }, ...rows.map(sentence));
