// What leaves the page: a link to what is chosen, and a card as a picture. A picture is drawn from
// where the browser has put things: boxes, lines, texts and drawings, and no tools.
// A block of its own: what it names is used nowhere else.
{
const SVG = "http://www.w3.org/2000/svg";
const shape = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const MARGIN = 16;
const clear = "rgba(0, 0, 0, 0)";

const box = ({ x, y, width, height }, fill, radius = "0") =>
  shape("rect", { x, y, width, height, fill, rx: parseFloat(radius) || 0 });

const words = (content, rect, style, isEnd = ["right", "end"].includes(style.textAlign)) => {
  const size = parseFloat(style.fontSize);
  return shape("text", {
    x: isEnd ? rect.right : rect.left, y: rect.top + rect.height / 2 + size * 0.35,
    fill: style.color, "font-family": style.fontFamily, "font-size": size,
    "font-weight": style.fontWeight, "font-style": style.fontStyle,
    ...(isEnd && { "text-anchor": "end" }),
  }, content);
};

// A text in one line is one piece; in several, one of each word.
const pieces = (node) => {
  const range = document.createRange(), style = getComputedStyle(node.parentElement);
  const found = (start, end) => {
    range.setStart(node, start);
    range.setEnd(node, end);
    return range.getClientRects();
  };
  const whole = found(0, node.length);
  if (!whole.length || !node.data.trim()) return [];
  if (whole.length === 1) return [words(node.data.replace(/\s+/g, " ").trim(), whole[0], style)];
  return [...node.data.matchAll(/\S+/g)].map((word) => {
    const [rect] = found(word.index, word.index + word[0].length);
    return words(word[0], rect, style, false);
  });
};

const boxes = (element, style) => {
  const rect = element.getBoundingClientRect(), drawn = [];
  if (style.backgroundColor !== clear) drawn.push(box(rect, style.backgroundColor, style.borderRadius));
  if (element.matches(".bar")) {
    const share = Number(style.getPropertyValue("--share")) || 0;
    drawn.push(box({ x: rect.x + 10, y: rect.y + rect.height / 2 - 7, width: Math.max(0, rect.width - 68) * share, height: 14 }, colour("--bar")));
  }
  if (element.matches("td.heat.running")) drawn.push(box(rect, colour("--sunk"), style.borderRadius));
  if (parseFloat(style.borderBottomWidth) && element.matches("tr, td, th"))
    drawn.push(box({ x: rect.x, y: rect.bottom - 1, width: rect.width, height: 1 }, style.borderBottomColor));
  return drawn;
};

// A drawing keeps what it has; lines that the style sheet colours get their colour.
const drawing = (svg) => {
  const copy = svg.cloneNode(true), { x, y, width, height } = svg.getBoundingClientRect();
  for (const [name, value] of Object.entries({ x, y, width, height, overflow: "visible" })) copy.setAttribute(name, value);
  const lines = svg.querySelectorAll("polyline");
  copy.querySelectorAll("polyline").forEach((line, place) => {
    const style = getComputedStyle(lines[place]);
    for (const name of ["fill", "stroke", "stroke-width", "vector-effect"]) line.setAttribute(name, style.getPropertyValue(name));
  });
  return copy;
};

const drawnOf = (node) => {
  if (node.nodeType === Node.TEXT_NODE) return pieces(node);
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(".tools, button:not(.legend button, button.show), details, noscript, .hidden, [hidden]")) return [];
  if (node.matches("svg")) return [drawing(node)];
  const style = getComputedStyle(node), after = getComputedStyle(node, "::after").content;
  const parts = [...boxes(node, style), ...[...node.childNodes].flatMap(drawnOf)];
  // What the style sheet adds to a text, such as ", so far".
  const last = parts.at(-1);
  if (/^"/.test(after) && last?.tagName === "text") last.textContent += JSON.parse(after);
  return parts;
};

// The whole of what scrolls is drawn: while that is measured, the card is as wide as its content.
const picture = (card) => {
  const { element } = card, scroll = element.querySelector(".scroll");
  const more = scroll ? Math.max(0, scroll.scrollWidth - scroll.clientWidth) : 0;
  const before = element.style.minWidth;
  if (more) element.style.minWidth = `${element.offsetWidth + more}px`;
  const { x, y, width, height } = element.getBoundingClientRect();
  const parts = drawnOf(element);
  element.style.minWidth = before;
  const style = getComputedStyle(document.body);
  const loaded = find("loaded");
  const note = find("printed").textContent + (loaded ? ` Data through ${moment(loaded.dateTime)} UTC.` : "");
  const foot = words(note, { left: x + MARGIN, top: y + height, height: 20 }, {
    fontSize: "11px", color: colour("--soft"), fontFamily: style.fontFamily, fontWeight: "400", fontStyle: "normal" });
  const high = height + 28;
  return shape("svg", { xmlns: SVG, width, height: high, viewBox: `${x} ${y} ${width} ${high}`, role: "img", "aria-label": card.title },
    box({ x, y, width, height: high }, colour("--card")), ...parts, foot);
};

const saved = (name, blob) => {
  const link = make("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};

const asSvg = (card) => new Blob([new XMLSerializer().serializeToString(picture(card))], { type: "image/svg+xml" });

// Twice as large, for screens and slides.
const asPng = async (card) => {
  const address = URL.createObjectURL(asSvg(card)), image = new Image();
  image.src = address;
  await image.decode();
  const canvas = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
};

const tool = (label, title, act) => {
  const button = make("button", { type: "button", class: label.toLowerCase(), "aria-label": `${label}: ${title}` }, label);
  button.addEventListener("click", act);
  return button;
};
for (const card of cards)
  card.element.querySelector(".csv").after(
    tool("SVG", card.title, () => saved(`${card.name}.svg`, asSvg(card))),
    tool("PNG", card.title, async () => saved(`${card.name}.png`, await asPng(card))));

// Where a page may not write to the clipboard, as over http, an old command may.
const copied = async (content) => {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    const field = make("textarea", { class: "hidden" }, content);
    document.body.append(field);
    field.select();
    const isDone = document.execCommand("copy");
    field.remove();
    return isDone;
  }
};
const link = make("button", { type: "button", id: "link" }, "Copy link");
const linked = make("span", { class: "hidden", role: "status" });
link.addEventListener("click", async () => {
  const said = await copied(location.href) ? "Link copied" : "Copy the address above";
  link.textContent = linked.textContent = said;
  setTimeout(() => { link.textContent = "Copy link"; linked.textContent = ""; }, 2000);
  link.focus();
});
find("theme").before(link, linked);
}
