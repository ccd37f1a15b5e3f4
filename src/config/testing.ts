// For the tests of the configuration: loads text instead of files, and lets a test mark in its YAML where a problem is to be
// found. `§` stands right before each place, in the order of lines, and is taken out before the text is loaded.

import { loadConfig } from "./load.ts";
import type { Loaded, LoadOptions } from "./load.ts";
import type { Problem } from "./problems.ts";
import type { Config } from "./config.ts";

export const FILE = "/test/upkeep.yaml";

/** A machine with no address that any test uses. */
export const MACHINE = { addresses: ["192.0.2.1"], hostname: "watcher-1" };

/** A certificate authority without a key, valid for a century. */
export const AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBjTCCATOgAwIBAgIUJsXclSCJRIxvSa+xLfxP2vbRU0gwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQYSB0ZXN0IGF1dGhvcml0eTAgFw0yNjExMjIwODAyMDJaGA8y
MTI2MTAyOTA4MDIwMlowGzEZMBcGA1UEAwwQYSB0ZXN0IGF1dGhvcml0eTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABLneYnNbBHAeVog9Y2bWsDlxpf507yk+1TC1
z6yohgnHgqz8gqT92ccEoSNitNWnkHlPI3Gv5S7zCyGGmVgwlUCjUzBRMB0GA1Ud
DgQWBBTBpjnf3y/L0fgyMs8Mciudtklj3zAfBgNVHSMEGDAWgBTBpjnf3y/L0fgy
Ms8Mciudtklj3zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCO
S/aeR482MTi3UPxhPnx1coYFHs/EJe5e4b7r1wMbxwIgXibKm8TsMvZI7mDeY6Ex
6MX5SMuvn/aIkPGqGVkQMho=
-----END CERTIFICATE-----
`;

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
