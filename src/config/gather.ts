// The configuration as one set of raw hosts, groups and devices, from the main file and what it includes. Each keeps the
// file that it came from. A name that two files claim is an error that names both places; neither wins.

import { dirname, isAbsolute, join } from "node:path";
import { isMapping, parseParts } from "./expect.ts";
import type { At } from "./expect.ts";
import { filesMatching, readBounded } from "./files.ts";
import type { ReadFile } from "./files.ts";
import type { Place, ProblemList } from "./problems.ts";
import { expandRange, isName, NAME_RULE } from "./ranges.ts";
import { included, root, top } from "./sections/root.ts";
import type { TopInput } from "./sections/root.ts";
import { FILE_BYTES_MAX, parseSource } from "./source.ts";
import type { Source } from "./source.ts";

/** One host, group or device as it stands in a file. */
export type Entry = {
  readonly name: string;
  readonly raw: unknown;
  readonly at: At;
  /** The folder that relative paths in it start from. */
  readonly directory: string;
};

export type Gathered = {
  readonly top: Partial<TopInput>;
  /** The main file. */
  readonly at: Source;
  readonly directory: string;
  readonly hosts: ReadonlyMap<string, Entry>;
  readonly groups: ReadonlyMap<string, Entry>;
  readonly power: ReadonlyMap<string, Entry>;
  /** Whether any file has a section `hosts`, be it empty or wrong. */
  readonly declaresHosts: boolean;
  /** Every file that was read, the main one first. */
  readonly files: readonly string[];
};

const SECTIONS = ["hosts", "groups", "power"] as const;
const HOSTS_MAX = 100_000;
const TOTAL_BYTES_MAX = 16 * FILE_BYTES_MAX;

/** Reads the main file and its includes; null when the main file is not even YAML. */
export async function gather(path: string, problems: ProblemList, readFile: ReadFile | undefined): Promise<Gathered | null> {
  const main = await readSource(path, { file: path, line: 1, column: 1 }, problems, readFile);
  if (main === null) return null;
  const { value: parsed } = parseParts(top, main.source.value ?? {}, main.source, problems);
  if (main.source.value !== null && !isMapping(main.source.value)) return null;
  const collected = { hosts: new Map<string, Entry>(), groups: new Map<string, Entry>(), power: new Map<string, Entry>() };
  collect(main.source, parsed, dirname(path), collected, problems);
  const files = [path];
  let declaresHosts = main.source.has(["hosts"]);
  let bytes = main.bytes;
  for (const file of await includedFiles(parsed.include ?? [], path, main.source, problems)) {
    if (files.includes(file.path)) continue;
    const found = await readSource(file.path, file.at, problems, readFile);
    if (found === null) continue;
    bytes += found.bytes;
    if (bytes > TOTAL_BYTES_MAX) {
      problems.add(file.at, "FILE_TOO_LARGE", `all files together are larger than ${TOTAL_BYTES_MAX} bytes`);
      break;
    }
    files.push(file.path);
    declaresHosts ||= found.source.has(["hosts"]);
    refuseMainOnly(found.source, problems);
    const { value } = parseParts(included, withoutMainOnly(found.source.value ?? {}), found.source, problems);
    collect(found.source, value, dirname(file.path), collected, problems);
  }
  return { top: parsed, at: main.source, directory: dirname(path), declaresHosts, files, ...collected };
}

/** One file, parsed; null when it is not even YAML, which has been told. */
export async function readSource(path: string, place: Place, problems: ProblemList, readFile: ReadFile | undefined): Promise<{ source: Source; bytes: number } | null> {
  const read = await readBounded(path, FILE_BYTES_MAX, readFile);
  if (!read.ok) {
    problems.add(place, read.tooLarge ? "FILE_TOO_LARGE" : "FILE_UNREADABLE", `${path}: ${read.reason}`, read.tooLarge ? "spread it over several files with include:" : null);
    return null;
  }
  const text = new TextDecoder().decode(read.bytes);
  const wrong = text.indexOf("\uFFFD");
  if (wrong >= 0 && !Buffer.from(text).equals(read.bytes)) {
    const before = text.slice(0, wrong).split("\n");
    problems.add({ file: path, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }, "YAML_SYNTAX", "not UTF-8");
    return null;
  }
  const source = parseSource(path, text, problems);
  return source === null ? null : { source, bytes: read.bytes.length };
}

async function includedFiles(patterns: readonly string[], path: string, source: Source, problems: ProblemList): Promise<readonly { path: string; at: Place }[]> {
  const files: { path: string; at: Place }[] = [];
  for (const [index, pattern] of patterns.entries()) {
    const at = source.place(Array.isArray((source.value as { include?: unknown }).include) ? ["include", index] : ["include"]);
    if (!/[*?[{]/.test(pattern)) {
      files.push({ path: isAbsolute(pattern) ? pattern : join(dirname(path), pattern), at });
      continue;
    }
    if (pattern.includes("**")) {
      problems.add(at, "VALUE_INVALID", "** in a pattern would search whole trees", "name the folder: hosts.d/*.yaml");
      continue;
    }
    const found = await filesMatching(pattern, dirname(path));
    if (found === null) problems.add(at, "FILE_TOO_LARGE", `${pattern} matches too many files`);
    else if (found.length === 0) problems.add(at, "INCLUDE_EMPTY", `${pattern} matches no file`, "the pattern is relative to this file");
    else files.push(...found.map((file) => ({ path: file, at })));
  }
  return files;
}

type Section = (typeof SECTIONS)[number];
type Sections = { readonly [section in Section]?: Readonly<Record<string, unknown>> | undefined };

function collect(source: Source, parsed: Sections, directory: string, into: Record<Section, Map<string, Entry>>, problems: ProblemList): void {
  for (const section of SECTIONS) {
    for (const [key, raw] of Object.entries(parsed[section] ?? {})) {
      const at: At = { place: (path, part) => source.place([section, key, ...path], part) };
      for (const name of namesOf(section, key, at.place([], "key"), problems)) {
        const before = into[section].get(name);
        const place = at.place([], "key");
        if (before !== undefined) {
          const what = { hosts: "a host", groups: "a group", power: "a device" }[section];
          problems.add(place, "NAME_TAKEN", `${what} named ${name} stands already in ${told(before.at.place([], "key"))}`, "one of the two needs another name");
        } else if (into[section].size >= HOSTS_MAX) {
          return problems.add(place, "FILE_TOO_LARGE", `more than ${HOSTS_MAX} ${section}`);
        } else {
          into[section].set(name, { name, raw, at, directory });
        }
      }
    }
  }
}

function namesOf(section: Section, key: string, place: Place, problems: ProblemList): readonly string[] {
  if (section !== "hosts") {
    if (isName(key)) return [key];
    problems.add(place, "NAME_INVALID", `${JSON.stringify(key)} is not a name`, NAME_RULE);
    return [];
  }
  const names = expandRange(key);
  if (names.ok) return names.value;
  problems.add(place, "NAME_INVALID", names.message, names.hint);
  return [];
}

function refuseMainOnly(source: Source, problems: ProblemList): void {
  for (const key of mainOnlyKeys(source.value)) {
    problems.add(source.place([key], "key"), "KEY_UNKNOWN", `${key} stands in the main file only`, "an included file holds hosts, groups and power");
  }
}

function withoutMainOnly(value: unknown): unknown {
  const keys = mainOnlyKeys(value);
  return keys.length === 0 ? value : Object.fromEntries(Object.entries(value as Record<string, unknown>).filter(([key]) => !keys.includes(key)));
}

function mainOnlyKeys(value: unknown): readonly string[] {
  if (!isMapping(value)) return [];
  return Object.keys(value).filter((key) => Object.hasOwn(root.shape, key) && !Object.hasOwn(included.shape, key));
}

/** `FILE:LINE`, for a second place in a message. */
export function told(place: Place): string {
  return `${place.file}:${place.line}`;
}
