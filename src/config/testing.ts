// For the tests of the configuration: loads text instead of files, and lets a test mark in its YAML where a problem is to be
// found. `§` stands right before each place, in the order of lines, and is taken out before the text is loaded.

import { loadConfig } from "./load.ts";
import type { Loaded, LoadOptions } from "./load.ts";
import type { Problem } from "./problems.ts";
import type { Config } from "./config.ts";

export const FILE = "/test/upkeep.yaml";

/** A machine with no address that any test uses. */
export const MACHINE = { addresses: ["192.0.2.1"], hostname: "watcher-1" };

export type Extra = Partial<LoadOptions> & {
  /** More files by path, relative to /test. */
  readonly files?: Readonly<Record<string, string>>;
};

/** Loads YAML text as /test/upkeep.yaml. */
export function loadText(text: string, { files = {}, ...options }: Extra = {}): Promise<Loaded> {
  const readFile = async (path: string): Promise<string> => {
    if (path === FILE) return text;
    const found = files[path.replace(/^\/test\//, "")];
    if (found !== undefined) return found;
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
  return loadConfig(FILE, { env: {}, machine: MACHINE, readFile, ...options });
}

/** The configuration, or an exception with the problems. */
export async function loadGood(text: string, extra: Extra = {}): Promise<Config> {
  const loaded = await loadText(text, extra);
  if (!loaded.ok) throw new Error(loaded.problems.map(({ line, column, code, message }) => `${line}:${column} ${code} ${message}`).join("\n"));
  return loaded.config;
}

/** Text with `§` marks: the text without them, and their places as `LINE:COLUMN`. */
export function marked(text: string): { readonly text: string; readonly places: readonly string[] } {
  const places: string[] = [];
  const lines = text.split("\n").map((line, index) => {
    let rest = line;
    for (let column = rest.indexOf("§"); column >= 0; column = rest.indexOf("§")) {
      places.push(`${index + 1}:${column + 1}`);
      rest = rest.slice(0, column) + rest.slice(column + 1);
    }
    return rest;
  });
  return { text: lines.join("\n"), places };
}

/** `LINE:COLUMN CODE` of each problem of a severity. */
export function codesOf(problems: readonly Problem[], severity: Problem["severity"]): readonly string[] {
  return problems.filter((problem) => problem.severity === severity).map(({ line, column, code }) => `${line}:${column} ${code}`);
}
