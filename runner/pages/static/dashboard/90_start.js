// The buttons of the cards, the ages, and the first drawing.

for (const card of cards) {
  const toggle = card.element.querySelector(".toggle"), save = card.element.querySelector(".csv");
  save.hidden = false;
  save.setAttribute("aria-label", `CSV: ${card.title}`);
  save.addEventListener("click", () => csv(card));
  if (!toggle) continue;
  toggle.hidden = false;
  toggle.setAttribute("aria-label", `Table: ${card.title}`);
  toggle.addEventListener("click", () => {
    card.isTable = !card.isTable;
    toggle.setAttribute("aria-pressed", String(card.isTable));
    show(card);
  });
}

// Ages are computed when the page is opened.
const aged = (element, isJudged) => {
  if (!element) return;
  const hours = (Date.now() - Date.parse(element.dateTime)) / 36e5;
  const age = hours < 1 ? "now" : hours < 48 ? `${Math.floor(hours)} h ago` : `${Math.floor(hours / 24)} days ago`;
  const isOld = isJudged && hours > 26;
  element.parentElement.append(" ", make("span", { class: isOld && (hours > 50 ? "stale" : "old") }, `(${age})`));
};
aged(find("loaded"), true);
aged(find("generated"), false);

parse();
find("controls").hidden = false;
reflect();
// What is quick is painted before the charts, of which the first takes longest.
const quick = cards.filter((card) => ["figures", "sentences"].includes(card.show));
quick.forEach(show);
requestAnimationFrame(() => setTimeout(() => {
  showEach(cards.filter((card) => !quick.includes(card)));
  document.body.dataset.ready = "1";
}));
