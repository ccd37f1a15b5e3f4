// The documentation leads nowhere wrong: every link of every page, and every link of the site that is made of it; and what a
// guide tells people to write is a configuration that the loader takes.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/load.ts";
import { deadLinks, readPage, readPages } from "./markdown.ts";
import { placeOf, site } from "./site.ts";

const ROOT = join(import.meta.dirname, "../..");

test("every link of every page leads somewhere", () => {
  const pages = readPages(ROOT);
  assert.ok(pages.size > 50, `${pages.size} pages`);
  assert.ok([...pages.values()].reduce((sum, page) => sum + page.links.length, 0) > 50);
  assert.deepEqual(deadLinks(ROOT, pages), []);
});

test("a link that leads nowhere is seen, whatever it should have led to", () => {
  const pages = new Map([
    ["docs/a.md", readPage("docs/a.md", "# One thing\n\n[page](b.md) [heading](#one-thing) [other](#two) [there](b.md#what-is-it) [not there](b.md#what) [folder](../src/) [gone](../srk/) [file](../package.json) [out](../../x) [far](https://example.org/)\n")],
    ["docs/b.md", readPage("docs/b.md", "# What is `it`?\n\n## Again\n\n## Again\n\n[first](#again) [second](#again-1) [third](#again-2)\n")],
  ]);
  assert.deepEqual(deadLinks(ROOT, pages).map((said) => said.split(": ")[1]), ["#two", "b.md#what", "../srk/", "../../x", "#again-2"]);
});

test("the site: every page is in the margin, and everything that a page asks for is there", () => {
  const files = site(ROOT);
  const html = [...files].flatMap(([path, content]) => (path.endsWith(".html") ? [[path, String(content)] as const] : []));
  const index = String(files.get("index.html"));
  for (const [path] of html) assert.ok(index.includes(`href="${path}"`), `nothing leads to ${path}`);
  const ids = new Map(html.map(([path, text]) => [path, new Set([...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id))]));
  let followed = 0;
  for (const [path, text] of html) {
    assert.doesNotMatch(text, /<script(?![^>]*src=)|style="|on(click|load)=|(src|href)="https?:\/\/[^"]*\.(js|css|woff2?)"/, `${path} brings what its policy forbids, or something from elsewhere`);
    for (const [, href = ""] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^(https?:|mailto:)/.test(href)) continue;
      const [place = "", anchor = ""] = href.split("#");
      const target = place === "" ? path : posix.normalize(posix.join(posix.dirname(path), place));
      assert.ok(files.has(target), `${path}: ${href}`);
      if (anchor !== "") assert.ok(ids.get(target)?.has(anchor), `${path}: ${href}`);
      followed += 1;
    }
  }
  assert.ok(followed > 1_000, `${followed} links`);
  assert.equal(placeOf("docs/guides/safety.md"), "guides/safety.html");
  const search = JSON.parse(String(files.get("search-index.js")).replace(/^window\.upkeepSearch = /, "").replace(/;\n$/, "")) as { page: string; anchor: string; text: string }[];
  for (const { page, anchor } of search) assert.ok(anchor === "" || ids.get(page)?.has(anchor), `${page}#${anchor}`);
  assert.ok(search.some(({ page, text }) => page === "guides/safety.html" && /storm/.test(text)));
});

test("a whole configuration in a guide is one that the loader takes", async () => {
  let tried = 0;
  for (const page of readPages(ROOT).values()) {
    if (!/^(README|docs\/guides\/)/.test(page.path)) continue;
    for (const token of page.tokens) {
      if (token.type !== "code" || token["lang"] !== "yaml" || !/^hosts:/m.test(String(token["text"]))) continue;
      const text = String(token["text"]);
      const file = join(ROOT, "upkeep.yaml");
      const { problems } = await loadConfig(file, { readFile: async (path) => (path === file ? text : path.includes("password") ? "secret\n" : readFile(path)) });
      assert.deepEqual(problems.filter(({ severity }) => severity === "error").map(({ line, message }) => `${page.path}: ${line}: ${message}`), []);
      tried += 1;
    }
  }
  assert.ok(tried >= 2, `${tried} of them`);
});
