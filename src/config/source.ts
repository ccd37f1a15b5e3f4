// One YAML file as plain values, with the place of every key and value kept beside them, so that each problem found later
// can name its line and column.
//
// The walk over the parsed document is our own: it bounds depth and what aliases unfold to (a "billion laughs" is a few
// lines of YAML), finds duplicate keys with both places in linear time, and refuses `__proto__`. Aliases share one value
// in memory; what is bounded is the size that a reader of the values would walk over.

import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Document, ParsedNode } from "yaml";
import { ProblemList } from "./problems.ts";
import type { Place } from "./problems.ts";

export type Path = readonly (string | number)[];

/** ≈20,000 hosts of a line each; more belongs into several files. The parser needs some seconds for as much. */
export const FILE_BYTES_MAX = 1_048_576;
const DEPTH_MAX = 24;
const ALIASED_NODES_MAX = 100_000;

type Mark = { readonly key: number | null; readonly value: number; readonly inside: Map<string | number, Mark> };

/** A parsed file: its value and the places in it. */
export class Source {
  readonly file: string;
  readonly value: unknown;
  readonly #root: Mark;
  readonly #lines: LineCounter;

  constructor(file: string, value: unknown, root: Mark, lines: LineCounter) {
    this.file = file;
    this.value = value;
    this.#root = root;
    this.#lines = lines;
  }

  /** Where the value at `path` stands, or its key; for what is missing, the key of the nearest thing around it that is there. */
  place(path: Path, part: "key" | "value" = "value"): Place {
    let mark = this.#root;
    for (const step of path) {
      const next = mark.inside.get(step);
      if (next === undefined) return this.#at(mark.key ?? mark.value);
      mark = next;
    }
    return this.#at(part === "key" ? (mark.key ?? mark.value) : mark.value);
  }

  /** Whether anything stands at `path`. */
  has(path: Path): boolean {
    let mark: Mark | undefined = this.#root;
    for (const step of path) mark = mark?.inside.get(step);
    return mark !== undefined;
  }

  #at(offset: number): Place {
    return { file: this.file, ...position(this.#lines, offset) };
  }
}

/** The file's values, or null when it is not even YAML; what is wrong with it is added to `problems`. */
export function parseSource(file: string, text: string, problems: ProblemList): Source | null {
  const lines = new LineCounter();
  const document = parseDocument(text.replace(/^\uFEFF/, ""), {
    lineCounter: lines, prettyErrors: false, logLevel: "error", version: "1.2", schema: "core", merge: false,
    stringKeys: true, resolveKnownTags: false, uniqueKeys: false,
  });
  let complaints = [...document.errors, ...document.warnings];
  const exhausted = complaints.find(({ code }) => code === "RESOURCE_EXHAUSTION");
  if (exhausted !== undefined) complaints = [exhausted];
  for (const complaint of complaints.slice(0, 20)) {
    problems.add({ file, ...position(lines, complaint.pos[0]) }, complaint.code === "RESOURCE_EXHAUSTION" ? "FILE_TOO_LARGE" : "YAML_SYNTAX", plain(complaint));
  }
  // After a syntax error the rest is guesswork, and every guess a misleading message.
  if (complaints.length > 0) return null;
  const walk = new Walk(file, lines, problems);
  const { value, mark } = walk.whole(document);
  return walk.failed ? null : new Source(file, value, mark, lines);
}

class Walk {
  failed = false;
  readonly #file: string;
  readonly #lines: LineCounter;
  readonly #problems: ProblemList;
  readonly #anchors = new Map<string, { value: unknown; mark: Mark; size: number }>();
  #aliased = 0;

  constructor(file: string, lines: LineCounter, problems: ProblemList) {
    this.#file = file;
    this.#lines = lines;
    this.#problems = problems;
  }

  whole(document: Document.Parsed): { value: unknown; mark: Mark } {
    const start = { key: null, value: 0, inside: new Map() };
    return document.contents === null ? { value: null, mark: start } : this.#node(document.contents, null, 0);
  }

  #node(node: ParsedNode | null, key: number | null, depth: number): { value: unknown; mark: Mark; size: number } {
    const at = node?.range[0] ?? key ?? 0;
    const mark: Mark = { key, value: at, inside: new Map() };
    const empty = { value: null, mark, size: 1 };
    if (depth > DEPTH_MAX) return this.#fail(at, "FILE_TOO_LARGE", `nested deeper than ${DEPTH_MAX} levels`, null, empty);
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source);
      if (target === undefined) return this.#fail(at, "YAML_ALIAS", "an alias without an anchor of its name before it", "text that begins with * stands in quotes", empty);
      const before = this.#aliased;
      this.#aliased += target.size;
      if (before > ALIASED_NODES_MAX) return empty;
      if (this.#aliased > ALIASED_NODES_MAX) return this.#fail(at, "YAML_ALIAS", "the aliases unfold to too much", "use groups and defaults instead of aliases", empty);
      return { value: target.value, mark: { key, value: at, inside: target.mark.inside }, size: target.size };
    }
    let found: { value: unknown; mark: Mark; size: number } = empty;
    if (isScalar(node)) {
      // An empty value (`address:`) has no place of its own that an editor could show: its key stands for it.
      const shown = node.value === null && (node.source ?? "") === "" ? (key ?? at) : at;
      found = { value: node.value, mark: { ...mark, value: shown }, size: 1 };
    } else if (isSeq(node)) {
      const items = node.items.map((item) => this.#node(item as ParsedNode, null, depth + 1));
      for (const [index, item] of items.entries()) mark.inside.set(index, item.mark);
      found = { value: items.map((item) => item.value), mark, size: 1 + items.reduce((sum, item) => sum + item.size, 0) };
    } else if (isMap(node)) {
      found = this.#map(node.items as { key: ParsedNode; value: ParsedNode | null }[], mark, depth);
    }
    // Set only now: an alias inside its own anchor finds nothing.
    if (node?.anchor !== undefined) this.#anchors.set(node.anchor, found);
    return found;
  }

  #map(items: readonly { key: ParsedNode; value: ParsedNode | null }[], mark: Mark, depth: number): { value: unknown; mark: Mark; size: number } {
    const value: Record<string, unknown> = {};
    let size = 1;
    for (const item of items) {
      const at = item.key.range[0];
      const key = isScalar(item.key) ? item.key.value : null;
      if (typeof key !== "string") {
        this.#fail(at, "YAML_SYNTAX", "a key must be plain text", null, null);
        continue;
      }
      const before = mark.inside.get(key);
      if (before !== undefined) {
        const first = position(this.#lines, before.key ?? before.value);
        this.#fail(at, "YAML_DUPLICATE", `"${key}" stands twice here`, `the first is in line ${first.line}, column ${first.column}`, null);
        continue;
      }
      const found = this.#node(item.value, at, depth + 1);
      mark.inside.set(key, found.mark);
      size += found.size;
      // Assigned, a key of this name would replace the prototype instead of becoming a value.
      if (key === "__proto__") this.#fail(at, "KEY_UNKNOWN", "unknown key \"__proto__\"", null, null);
      else value[key] = found.value;
    }
    return { value, mark, size };
  }

  #fail<T>(at: number, code: "FILE_TOO_LARGE" | "YAML_ALIAS" | "YAML_SYNTAX" | "YAML_DUPLICATE" | "KEY_UNKNOWN", message: string, hint: string | null, result: T): T {
    // A duplicate key leaves the rest readable, so that its mistakes are told as well; the others do not.
    if (code !== "YAML_DUPLICATE" && code !== "KEY_UNKNOWN") this.failed = true;
    this.#problems.add({ file: this.#file, ...position(this.#lines, at) }, code, message, hint);
    return result;
  }
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function plain(complaint: { code: string; message: string }): string {
  switch (complaint.code) {
    case "MULTIPLE_DOCS": return "several YAML documents in one file";
    case "RESOURCE_EXHAUSTION": return "nested too deeply";
    case "TAG_RESOLVE_FAILED": return "YAML tags are not used here";
    case "TAB_AS_INDENT": return "tabs must not indent YAML";
    // The parser quotes the source in some messages, and the source may be a secret.
    case "BAD_DIRECTIVE": return "a line that begins with % is a YAML directive, and not this one";
    case "BAD_DQ_ESCAPE": return "an escape sequence that does not exist: inside double quotes a backslash is written twice";
    case "UNEXPECTED_TOKEN": return complaint.message.replace(/(: |["'`])[\s\S]*$/, "");
    default: return complaint.message.replace(/["'`][\s\S]*$/, "").replace(/\s+/g, " ");
  }
}
