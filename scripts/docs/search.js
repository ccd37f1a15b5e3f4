// Search in the pages, without a server: all words must occur, what has them in a heading comes first. The index is loaded
// when somebody searches, as a script, since a page read from a disk may not fetch.

const form = document.querySelector("form[role=search]");
const input = form.querySelector("input");
const base = document.currentScript.dataset.base;
const SHOWN = 20;
const list = document.createElement("ol");
list.className = "found";
list.hidden = true;
form.append(list);
form.hidden = false;

let asked = false;
function load() {
  if (asked) return;
  asked = true;
  const script = document.createElement("script");
  script.src = `${base}search-index.js`;
  script.addEventListener("load", show);
  document.head.append(script);
}

function found(words) {
  const rated = [];
  for (const section of window.upkeepSearch ?? []) {
    const heading = `${section.title} ${section.heading}`.toLowerCase();
    const text = section.text.toLowerCase();
    let rate = 0;
    for (const word of words) {
      const inHeading = heading.includes(word);
      const inText = text.includes(word);
      if (!inHeading && !inText) {
        rate = 0;
        break;
      }
      rate += (inHeading ? 10 : 0) + (inText ? 1 : 0);
    }
    // A guide says what is meant; a decision, why it was so decided.
    if (rate > 0) rated.push({ section, rate: rate + (section.page.startsWith("guides/") ? 3 : section.page.startsWith("adr/") || section.page === "changelog.html" ? -3 : 0) });
  }
  return rated.sort((a, b) => b.rate - a.rate).slice(0, SHOWN).map(({ section }) => section);
}

function excerpt(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 40);
  return `${at > 0 ? "…" : ""}${text.slice(at, at + 130)}${text.length > at + 130 ? "…" : ""}`;
}

function show() {
  const words = input.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  list.replaceChildren();
  list.hidden = words.length === 0;
  if (list.hidden) return;
  const sections = found(words);
  for (const section of sections) {
    const link = document.createElement("a");
    link.href = `${base}${section.page}${section.anchor === "" ? "" : `#${section.anchor}`}`;
    const title = document.createElement("b");
    title.textContent = section.heading === section.title ? section.title : `${section.title} · ${section.heading}`;
    const text = document.createElement("span");
    text.textContent = excerpt(section.text, words[0]);
    link.append(title, text);
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  if (sections.length === 0 && window.upkeepSearch !== undefined) {
    const item = document.createElement("li");
    item.textContent = "Nothing has all these words.";
    list.append(item);
  }
}

input.addEventListener("focus", load);
input.addEventListener("input", () => {
  load();
  show();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== input) {
    event.preventDefault();
    input.focus();
  } else if (event.key === "Escape") {
    input.value = "";
    show();
    input.blur();
  }
});
