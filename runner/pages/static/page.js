(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];

  // Search: every word has to be in the name, the comment or a column of a table.
  const box = document.getElementById("find");
  const found = document.getElementById("found");
  const tables = all("section.table").map((section) => ({
    section,
    entry: document.querySelector(`[data-table="${CSS.escape(section.id)}"]`),
    text: [...section.querySelectorAll("h3, .comment, .columns th[scope=row]")]
      .map((part) => part.textContent).join(" ").toLowerCase(),
  }));
  const others = all("#lineage, #pipelines, #metrics");
  const layers = all("section.part").filter((part) => part.querySelector("section.table"));
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { section, entry, text } of tables) {
      const fits = words.every((word) => text.includes(word));
      section.hidden = entry.hidden = !fits;
      count += fits;
    }
    for (const part of others) part.hidden = words.length > 0;
    for (const part of layers) part.hidden = !part.querySelector("section.table:not([hidden])");
    found.textContent = words.length ? `${count} of ${tables.length}` : "";
  };
  const clear = () => { box.value = ""; filter(); };
  document.getElementById("search").hidden = false;
  box.addEventListener("input", filter);
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input")) return;
    event.preventDefault();
    box.focus();
  });
  // A link may lead to what the search has hidden.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("main a[href^='#'], nav a[href^='#']");
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (target && target.closest("[hidden]")) clear();
  });
  filter();

  // Lineage: a table that is pointed at shows all that it comes from and all that comes from it.
  const drawing = document.getElementById("drawing");
  const frame = drawing.parentElement;
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
  const nodes = all("#drawing a");
  const paths = all("#drawing path");
  const reach = (start, from, to) => {
    const reached = new Set([start]);
    for (const one of reached)
      for (const path of paths) if (path.dataset[from] === one) reached.add(path.dataset[to]);
    return reached;
  };
  const show = (node) => {
    drawing.classList.toggle("traced", Boolean(node));
    const name = node ? node.dataset.node : "";
    const up = reach(name, "to", "from");
    const down = reach(name, "from", "to");
    for (const one of nodes)
      one.classList.toggle("on", up.has(one.dataset.node) || down.has(one.dataset.node));
    for (const path of paths)
      path.classList.toggle("on", up.has(path.dataset.to) || down.has(path.dataset.from));
  };
  for (const kind of ["pointerover", "focusin"])
    drawing.addEventListener(kind, (event) => show(event.target.closest("a")));
  for (const kind of ["pointerleave", "focusout"]) drawing.addEventListener(kind, () => show(null));
})();
