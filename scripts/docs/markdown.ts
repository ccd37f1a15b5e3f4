// Our Markdown as its readers need it: which pages there are, what their headings are called when one links to them, and
// where every link leads. The site is made from it, and so is the test that no link leads nowhere (docs.test.ts).

import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { marked } from "marked";
import type { Token, Tokens } from "marked";

export type Heading = { readonly text: string; readonly anchor: string; readonly depth: number };
export type Link = { readonly href: string; readonly image: boolean };

export type Page = {
  /** In the repository. */
  readonly path: string;
  readonly title: string;
  readonly tokens: readonly Token[];
  readonly headings: readonly Heading[];
  readonly links: readonly Link[];
};

/** Every page that is for people, by its path. */
export function readPages(root: string): ReadonlyMap<string, Page> {
  const paths = globSync(["*.md", "docs/**/*.md", "e2e/*.md", "lab/*.md", "examples/**/*.md", "scenarios/*.md"], { cwd: root }).sort();
  return new Map(paths.map((path) => [path, readPage(path, readFileSync(join(root, path), "utf8"))]));
}

export function readPage(path: string, text: string): Page {
  const tokens = marked.lexer(text);
  const headings: Heading[] = [];
  const links: Link[] = [];
  const taken = new Map<string, number>();
  marked.walkTokens(tokens, (token) => {
    if (token.type === "link" || token.type === "image") links.push({ href: (token as Tokens.Link).href, image: token.type === "image" });
    if (token.type !== "heading") return;
    const said = plain((token as Tokens.Heading).tokens);
    const anchor = anchorOf(said);
    const before = taken.get(anchor) ?? 0;
    taken.set(anchor, before + 1);
    headings.push({ text: said, anchor: before === 0 ? anchor : `${anchor}-${before}`, depth: (token as Tokens.Heading).depth });
  });
  return { path, title: headings[0]?.text ?? path, tokens, headings, links };
}

/** As GitHub names headings, where the same pages are read. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\p{Pc} -]/gu, "").replaceAll(" ", "-");
}

export function plain(tokens: readonly Token[]): string {
  return tokens.map((token) => ("tokens" in token && token.tokens !== undefined ? plain(token.tokens) : decoded("text" in token ? String(token.text) : ""))).join("");
}

/** marked leaves some text as it goes into HTML. */
function decoded(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}

export type Target =
  | { readonly kind: "elsewhere" }
  | { readonly kind: "page"; readonly path: string; readonly anchor: string }
  /** A file that is no page, or a folder. */
  | { readonly kind: "file" | "folder"; readonly path: string };

/** Where a link of a page leads; a sentence when it leads nowhere. */
export function follow(root: string, pages: ReadonlyMap<string, Page>, from: Page, href: string): Target | string {
  if (/^(https?:|mailto:)/.test(href)) return { kind: "elsewhere" };
  const [place = "", anchor = ""] = href.split("#");
  const path = place === "" ? from.path : normalize(join(dirname(from.path), decodeURIComponent(place))).replace(/\/$/, "");
  const page = pages.get(path);
  if (page !== undefined) {
    if (anchor !== "" && !page.headings.some((heading) => heading.anchor === anchor)) return `${from.path}: ${href}: ${path} has no heading #${anchor}`;
    return { kind: "page", path, anchor };
  }
  if (path.startsWith("..") || !existsSync(join(root, path))) return `${from.path}: ${href}: there is no ${path}`;
  if (anchor !== "") return `${from.path}: ${href}: only a page has headings`;
  return { kind: statSync(join(root, path)).isDirectory() ? "folder" : "file", path };
}

/** Every link that leads nowhere, in a sentence. */
export function deadLinks(root: string, pages: ReadonlyMap<string, Page>): readonly string[] {
  return [...pages.values()].flatMap((page) => page.links.map(({ href }) => follow(root, pages, page, href)).filter((target) => typeof target === "string"));
}
