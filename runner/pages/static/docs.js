(() => {
  "use strict";
  const all = (selector) => [...document.querySelectorAll(selector)];

  // Search: each word must occur in the name, the comment or a column of a table.
  const box = document.getElementById("find");
  const found = document.getElementById("found");
  const tables = all("section.table").map((section) => ({
    section,
    entry: document.querySelector(`[data-table="${CSS.escape(section.id)}"]`),
    text: [...section.querySelectorAll("h3, .comment, .columns th[scope=row]")]
      .map((part) => part.textContent).join(" ").toLowerCase(),
  }));
  const others = all("#lineage, #pipelines, #dashboard, #metrics");
  const columns = all(".columns tbody tr").map((row) => ({
    id: row.id,
    name: `${row.closest("section.table").querySelector("h3").textContent.trim().split(/\s/)[0]}.${row.querySelector("th").textContent}`,
  }));
  const HITS = 30;
  // Columns whose own name has a word of the search, with their tables; the best, the same, first.
  const hits = document.getElementById("hits");
  const list = (words) => {
    const fits = words.length ? columns.filter(({ name }) => {
      const own = name.slice(name.lastIndexOf(".") + 1).toLowerCase();
      return words.some((word) => own.includes(word)) && words.every((word) => name.toLowerCase().includes(word));
    }) : [];
    const rank = ({ name }) => words.some((word) => name.toLowerCase().endsWith(`.${word}`)) ? 0 : 1;
    fits.sort((one, other) => rank(one) - rank(other));
    hits.replaceChildren(...fits.slice(0, HITS).map(({ id, name }) => {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = `#${id}`;
      link.textContent = name;
      item.append(link);
      return item;
    }));
    hits.hidden = !fits.length;
    return fits.length;
  };
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
    const named = list(words);
    found.textContent = words.length ? `${count} of ${tables.length} tables, ${named} column${named === 1 ? "" : "s"}` : "";
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
  // A link may lead to a table that the search has hidden.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("main a[href^='#'], nav a[href^='#']");
    const target = link && document.getElementById(link.getAttribute("href").slice(1));
    if (target && target.closest("[hidden]")) clear();
  });
  filter();

  // Lineage: lines between the tables, wherever the browser has put them.
  const drawing = document.getElementById("drawing");
  const nodes = new Map(all("#drawing a").map((node) => [node.dataset.node, node]));
  const create = (tag) => document.createElementNS("http://www.w3.org/2000/svg", tag);
  const svg = create("svg");
  svg.setAttribute("aria-hidden", "true");
  const edges = [...nodes].flatMap(([to, node]) => node.dataset.needs.split(" ").filter(Boolean)
    .map((from) => ({ from, to, path: svg.appendChild(create("path")) })));
  drawing.prepend(svg);
  const draw = () => {
    const { left, top } = svg.getBoundingClientRect();
    for (const { from, to, path } of edges) {
      const start = nodes.get(from).getBoundingClientRect(), end = nodes.get(to).getBoundingClientRect();
      const x1 = start.left + start.width / 2 - left, y1 = start.bottom - top;
      const x2 = end.left + end.width / 2 - left, y2 = end.top - top;
      const bend = Math.min(60, (y2 - y1) / 2);
      path.setAttribute("d", `M${x1},${y1}C${x1},${y1 + bend} ${x2},${y2 - bend} ${x2},${y2}`);
    }
  };
  new ResizeObserver(draw).observe(drawing);

  // A table that is pointed at shows all that it comes from and all that is made from it.
  const reach = (start, from, to) => {
    const reached = new Set([start]);
    for (const one of reached)
      for (const edge of edges) if (edge[from] === one) reached.add(edge[to]);
    return reached;
  };
  const show = (node) => {
    drawing.classList.toggle("traced", Boolean(node));
    const name = node ? node.dataset.node : "";
    const up = reach(name, "to", "from");
    const down = reach(name, "from", "to");
    for (const [name, one] of nodes) one.classList.toggle("on", up.has(name) || down.has(name));
    for (const { from, to, path } of edges) path.classList.toggle("on", up.has(to) || down.has(from));
  };
  for (const kind of ["pointerover", "focusin"])
    drawing.addEventListener(kind, (event) => show(event.target.closest("a")));
  for (const kind of ["pointerleave", "focusout"]) drawing.addEventListener(kind, () => show(null));
})();
