// Markdown as a manual page (man(7)). Only what our reference pages are made of: headings, paragraphs, lists, code, tables.
// A table of settings becomes a tagged list, its first column the tag: a manual page is read in 80 columns. Links stay as
// their words, since what they lead to is in the same folder of another reader.

import { lexer } from "marked";
import type { Token, Tokens } from "marked";

export type Head = { readonly name: string; readonly section: number; /** ISO 8601. */ readonly date: string; readonly version: string; /** What the section is called. */ readonly manual: string };

export function head({ name, section, date, version, manual }: Head): string {
  return `.TH ${quoted(name.toUpperCase())} ${section} ${quoted(date)} ${quoted(`upkeep ${version}`)} ${quoted(manual)}`;
}

/** A line of text, safe wherever it stands. */
export function text(line: string): string {
  return line.replaceAll("\\", "\\e").replaceAll("\n", " ").replace(/^([.'])/, "\\&$1");
}

/** Letters as they are typed: a hyphen here is a minus, which can be copied. */
export function literal(line: string): string {
  return line.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");
}

export function bold(line: string): string {
  return `\\fB${literal(line).replace(/^\\&/, "")}\\fR`;
}

export function section(title: string): string {
  return `.SH ${quoted(title.toUpperCase())}`;
}

export function subsection(title: string): string {
  return `.SS ${quoted(title)}`;
}

/** A tag, and what is said of it. */
export function tagged(tag: string, said: string): string {
  return `.TP\n${tag}\n${said === "" ? "\\&" : said}`;
}

export function verbatim(block: string): string {
  return `.PP\n.RS 4\n.nf\n${block.split("\n").map((line) => literal(line)).join("\n")}\n.fi\n.RE`;
}

/** A whole page's Markdown, below its first heading. */
export function fromMarkdown(markdown: string): string {
  return blocks(lexer(markdown)).join("\n");
}

function blocks(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token): string[] => {
    switch (token.type) {
      case "heading": return token["depth"] === 1 ? [] : [token["depth"] === 2 ? section(plain(token.tokens)) : subsection(plain(token.tokens))];
      case "paragraph": return [`.PP\n${inline(token.tokens)}`];
      case "code": return [verbatim(String(token["text"]))];
      case "list": return (token as Tokens.List).items.map((item, index) => `.IP ${(token as Tokens.List).ordered ? `${index + 1}.` : "\\(bu"} 4\n${item.tokens.map((each) => inline("tokens" in each ? each.tokens : undefined)).join("\n")}`);
      case "table": return table(token as Tokens.Table);
      case "blockquote": return [`.RS 4`, ...blocks(token.tokens ?? []), ".RE"];
      case "space": case "html": case "hr": return [];
      default: throw new Error(`no manual page has a ${token.type}: ${token.raw.slice(0, 60)}`);
    }
  });
}

function table({ header, rows }: Tokens.Table): string[] {
  return rows.map((row) => {
    const [tag, ...rest] = row.map((cell) => inline(cell.tokens));
    // What stands between the first column and the last says in a word or two what kind of thing it is.
    const between = rest.slice(0, -1).map((said, index) => (said === "" ? "" : /^(value|)$/.test(header[index + 1]?.text ?? "") ? said : `${text(header[index + 1]?.text ?? "")} ${said}`)).filter((said) => said !== "");
    const last = rest.at(-1) ?? "";
    return tagged(tag ?? "", between.length === 0 ? last : `${between.join("; ")}${last === "" ? "" : `.\n.br\n${last}`}`);
  });
}

function inline(tokens: readonly Token[] | undefined): string {
  const line = (tokens ?? []).map((token): string => {
    switch (token.type) {
      case "codespan": return `\\fB${decoded(String(token["text"])).replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("\n", " ")}\\fR`;
      case "strong": return `\\fB${inline(token.tokens)}\\fR`;
      case "em": return `\\fI${inline(token.tokens)}\\fR`;
      case "link": return inline(token.tokens);
      case "br": return "\n.br\n";
      case "html": return "";
      case "text": case "escape": return token.type === "text" && token.tokens !== undefined ? inline(token.tokens) : decoded(String(token["text"])).replaceAll("\\", "\\e").replaceAll("\n", " ");
      default: throw new Error(`no line of a manual page has a ${token.type}: ${token.raw.slice(0, 60)}`);
    }
  }).join("");
  return line.replace(/^([.'])/, "\\&$1");
}

function plain(tokens: readonly Token[] | undefined): string {
  return (tokens ?? []).map((token) => decoded(String("text" in token ? token.text : token.raw))).join("");
}

/** marked leaves what it has escaped for HTML. */
function decoded(line: string): string {
  return line.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}

function quoted(word: string): string {
  return `"${word.replaceAll("\\", "\\e").replaceAll('"', '\\(dq')}"`;
}
