// docs/ as a site that needs no server: static files, nothing from elsewhere, read from a disk as well as over HTTP. What
// stands in the margin is docs/README.md, which people read on its own, too: its headings are the parts, its links the pages,
// and a link to a folder stands for all pages in it.

import { readFileSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { Marked } from "marked";
import type { Token, Tokens } from "marked";
import { follow, plain, readPages } from "./markdown.ts";
import type { Page } from "./markdown.ts";

const INDEX = "docs/README.md";
/** What is for people who have the source before them. */
const ABOUT = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];

type Part = { readonly title: string; readonly groups: readonly { readonly title: string; readonly pages: readonly Page[] }[] };

/** Path in the site → content. */
export function site(root: string): ReadonlyMap<string, string | Uint8Array> {
  const all = readPages(root);
  const pages = new Map([...all].filter(([path]) => path.startsWith("docs/") || ABOUT.includes(path)));
  const parts = partsOf(root, pages);
  const files = new Map<string, string | Uint8Array>();
  const own = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");
  files.set("docs.css", `${readFileSync(join(root, "src/web/style/tokens.css"), "utf8")}\n${own("site.css")}`);
  files.set("search.js", own("search.js"));
  files.set("search-index.js", `window.upkeepSearch = ${JSON.stringify(searchIndex(pages))};\n`);
  for (const page of pages.values()) files.set(placeOf(page.path), html(page, parts, bodyOf(root, all, pages, page, files)));
  return files;
}

/** Where a page is in the site. */
export function placeOf(path: string): string {
  if (path === INDEX) return "index.html";
  return path.startsWith("docs/") ? path.slice("docs/".length).replace(/\.md$/, ".html") : path.toLowerCase().replace(/\.md$/, ".html");
}

/** The pages in the order of the index; a page that is in none of its folders either is an error, since nobody would find it. */
function partsOf(root: string, pages: ReadonlyMap<string, Page>): readonly Part[] {
  const index = pages.get(INDEX);
  if (index === undefined) throw new Error(`there is no ${INDEX}`);
  const parts: { title: string; groups: { title: string; pages: Page[] }[] }[] = [];
  const listed = new Set([INDEX]);
  const folders: { part: (typeof parts)[number]; title: string; path: string }[] = [];
  const walk = (tokens: readonly Token[]): void => {
    for (const token of tokens) {
      const part = parts.at(-1);
      if (token.type === "heading" && token["depth"] === 2) parts.push({ title: plain(token.tokens ?? []), groups: [{ title: "", pages: [] }] });
      else if (token.type === "link" && part !== undefined) {
        const target = follow(root, pages, index, (token as Tokens.Link).href);
        if (typeof target === "string") throw new Error(target);
        const page = target.kind === "page" ? pages.get(target.path) : undefined;
        if (page !== undefined && !listed.has(page.path)) {
          listed.add(page.path);
          part.groups[0]?.pages.push(page);
        }
        if (target.kind === "folder") {
          folders.push({ part, title: plain(token.tokens ?? []), path: target.path });
        }
      } else if (token.type === "list") for (const item of (token as Tokens.List).items) walk(item.tokens);
      else if ("tokens" in token && token.tokens !== undefined) walk(token.tokens);
    }
  };
  walk(index.tokens);
  for (const { part, title, path } of folders) {
    // Folders in it that have no link of their own come after it, each under the title of its README.
    const groups = new Map<string, Page[]>([[path, []]]);
    for (const page of pages.values()) {
      const folder = posix.dirname(page.path);
      if (listed.has(page.path) || (folder !== path && (!folder.startsWith(`${path}/`) || folders.some((other) => other.path === folder)))) continue;
      listed.add(page.path);
      groups.set(folder, [...(groups.get(folder) ?? []), page]);
    }
    for (const [folder, members] of groups) part.groups.push({ title: folder === path ? title : (pages.get(`${folder}/README.md`)?.title ?? basename(folder)), pages: members });
  }
  const lost = [...pages.keys()].filter((path) => !listed.has(path) && !ABOUT.includes(path));
  if (lost.length > 0) throw new Error(`${INDEX} leads neither to ${lost.join(" nor to ")} nor to a folder that they are in`);
  return parts.map((part) => ({ ...part, groups: part.groups.filter((group) => group.pages.length > 0) }));
}

function bodyOf(root: string, all: ReadonlyMap<string, Page>, pages: ReadonlyMap<string, Page>, page: Page, files: Map<string, string | Uint8Array>): string {
  const here = posix.dirname(placeOf(page.path));
  const lead = (path: string): string => posix.relative(here, path) || basename(path);
  /** Where a link leads in the site; null where the site has nothing. */
  const place = (href: string): string | null => {
    const target = follow(root, all, page, href);
    if (typeof target === "string") throw new Error(target);
    switch (target.kind) {
      case "elsewhere": return href;
      case "page": return pages.has(target.path) ? `${lead(placeOf(target.path))}${target.anchor === "" ? "" : `#${target.anchor}`}` : null;
      // The margin has its pages.
      case "folder": return null;
      case "file": {
        const copy = target.path.startsWith("docs/") ? target.path.slice("docs/".length) : target.path;
        files.set(copy, readFileSync(join(root, target.path)));
        return lead(copy);
      }
    }
  };
  let heading = 0;
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }) {
        const { anchor = "" } = page.headings[heading] ?? {};
        heading += 1;
        return `<h${depth} id="${escaped(anchor)}">${this.parser.parseInline(tokens)}${depth === 1 ? "" : ` <a class="here" href="#${escaped(anchor)}" aria-label="Link to this section">#</a>`}</h${depth}>\n`;
      },
      link({ href, tokens }) {
        const to = place(href);
        const text = this.parser.parseInline(tokens);
        return to === null ? `<span class="source" title="in the source tree: ${escaped(href)}">${text}</span>` : `<a href="${escaped(to)}">${text}</a>`;
      },
      image: ({ href, text }) => `<img src="${escaped(place(href) ?? href)}" alt="${escaped(text)}" loading="lazy">`,
      table(token) {
        const cells = (row: readonly Tokens.TableCell[], tag: string): string => `<tr>${row.map((cell) => (cell.text === "" ? "<td></td>" : `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`)).join("")}</tr>`;
        const head = token.header.every((cell) => cell.text === "") ? "" : `<thead>${cells(token.header, "th")}</thead>`;
        return `<div class="wide"><table>${head}<tbody>${token.rows.map((row) => cells(row, "td")).join("\n")}</tbody></table></div>\n`;
      },
      code: ({ text }) => `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`,
      // Comments for those who edit a page, and nothing else.
      html: () => "",
    },
  });
  return marked.parser([...page.tokens]);
}

function html(page: Page, parts: readonly Part[], body: string): string {
  const here = placeOf(page.path);
  const up = posix.relative(posix.dirname(here), ".");
  const base = up === "" ? "" : `${up}/`;
  const link = (each: Page): string => `<li><a href="${escaped(base + placeOf(each.path))}"${each === page ? ' aria-current="page"' : ""}>${escaped(each.title)}</a></li>`;
  const current = (group: Part["groups"][number]): boolean => group.pages.includes(page);
  const nav = parts.map(({ title, groups }) => `<h2>${escaped(title)}</h2>\n${groups.map((group) => (group.title === "" ? `<ul>${group.pages.map(link).join("")}</ul>` : `<details${current(group) ? " open" : ""}><summary>${escaped(group.title)}</summary><ul>${group.pages.map(link).join("")}</ul></details>`)).join("\n")}`).join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self' file:; img-src 'self' file: data:; script-src 'self' file:">
<title>${escaped(page.title)} · Upkeep</title>
<link rel="stylesheet" href="${base}docs.css">
<script defer src="${base}search.js" data-base="${base}"></script>
</head>
<body>
<a class="skip" href="#page">To the page</a>
<header><a class="name" href="${base}index.html">Upkeep</a><form role="search" hidden><input type="search" placeholder="Search  /" aria-label="Search" autocomplete="off"></form></header>
<div class="columns">
<nav aria-label="Pages">
${nav}
<ul class="about">${ABOUT.map((path) => `<li><a href="${base}${placeOf(path)}"${path === page.path ? ' aria-current="page"' : ""}>${path === "README.md" ? "What Upkeep is" : path.charAt(0) + path.slice(1, -3).toLowerCase()}</a></li>`).join("")}</ul>
</nav>
<main id="page">
${body}</main>
</div>
</body>
</html>
`;
}


type Section = { readonly page: string; readonly title: string; readonly heading: string; readonly anchor: string; readonly text: string };

function searchIndex(pages: ReadonlyMap<string, Page>): readonly Section[] {
  return [...pages.values()].flatMap((page) => {
    const sections: { heading: string; anchor: string; text: string }[] = [];
    let next = 0;
    for (const token of page.tokens) {
      if (token.type === "heading") {
        const { text = "", anchor = "" } = page.headings[next] ?? {};
        next += 1;
        sections.push({ heading: text, anchor, text: "" });
      } else if (token.type !== "space" && token.type !== "html") {
        const section = sections.at(-1) ?? { heading: page.title, anchor: "", text: "" };
        if (sections.length === 0) sections.push(section);
        section.text = `${section.text} ${token.raw}`.replace(/[`*|#>]|\]\([^)]*\)|-{3,}/g, " ").replace(/\s+/g, " ").trim();
      }
    }
    return sections.map((section) => ({ page: placeOf(page.path), title: page.title, ...section }));
  });
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
