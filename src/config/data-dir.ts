// Where the configuration and the state are, for commands that only want to talk to the watcher: `upkeep status` has 150 ms
// in all, and the YAML parser and the schemas alone would take most of it. So the one line that matters is searched for, and
// the parser is loaded only for a file in which that line cannot be told for certain.
//
// The rules are those of the loader, which imports them from here: $STATE_DIRECTORY, then `data` relative to the file, then
// `upkeep-data` beside it; for a file under /etc, where state does not belong, /var/lib/upkeep, which is also what systemd's
// StateDirectory=upkeep gives to the service, so that a client without that variable finds the same place.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, resolve, sep } from "node:path";

const SOCKET_NAME = "upkeep.sock";

/** The longest path of a unix socket in bytes (sun_path of unix(7) less its final zero). */
export const SOCKET_PATH_BYTES_MAX = 107;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a configuration is looked for, in this order, when none is named. */
export const CONFIG_PATHS = ["upkeep.yaml", "/etc/upkeep/upkeep.yaml"] as const;

/** The configuration file: `-c FILE`, `$UPKEEP_CONFIG`, `./upkeep.yaml`, `/etc/upkeep/upkeep.yaml`; null when there is none. A named file is taken at its word. */
export function findConfigPath(named: string | undefined, env: Environment = process.env): string | null {
  if (named !== undefined && named !== "") return named;
  const fromEnv = env["UPKEEP_CONFIG"];
  if (fromEnv !== undefined && fromEnv !== "") return fromEnv;
  return CONFIG_PATHS.find((path) => existsSync(path)) ?? null;
}

/** The data folder of a configuration file in which `data` is set to `data` or not at all. */
export function resolveDataDir(configPath: string, data: string | undefined, env: Environment = process.env): string {
  const state = stateDirectory(env);
  if (state !== undefined) return resolve(state);
  const directory = dirname(resolve(configPath));
  if (data !== undefined) return resolve(directory, data);
  return `${directory}${sep}`.startsWith(`${sep}etc${sep}`) ? "/var/lib/upkeep" : join(directory, "upkeep-data");
}

/** The path of the control socket. */
export function socketPathIn(dataDir: string): string {
  return join(dataDir, SOCKET_NAME);
}

/** The data folder without reading the configuration as a whole; rejects when the file cannot be read. */
export async function quickDataDir(configPath: string, env: Environment = process.env): Promise<string> {
  if (stateDirectory(env) !== undefined) return resolveDataDir(configPath, undefined, env);
  const text = await readFile(configPath, "utf8");
  const scanned = scanForData(text);
  return resolveDataDir(configPath, scanned.certain ? scanned.data : await parseForData(text), env);
}

/** The top-level `data:` of a file, where it can be told line by line. */
export function scanForData(text: string): { readonly certain: true; readonly data: string | undefined } | { readonly certain: false } {
  let data: string | undefined;
  let lastKey: string | undefined;
  for (const line of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    // In a block mapping at the margin every line of a value is indented (YAML 1.2.2 §6.1), so a line at the margin is a key
    // or a comment. Anything else there (a flow mapping, quoted keys, documents, a lone CR as line break) is left to the parser.
    if (line.includes("\r")) return { certain: false };
    if (/^[ \t]*(#|$)/.test(line)) continue;
    // Indented under `data`: its value goes on in this line.
    if (/^[ \t]/.test(line) && lastKey === "data") return { certain: false };
    if (/^[ \t]/.test(line)) continue;
    const key = /^([A-Za-z]+):(?= |\t|$)/.exec(line)?.[1];
    if (key === undefined) return { certain: false };
    lastKey = key;
    if (key !== "data") continue;
    const value = /^data:[ \t]+([A-Za-z0-9_./-]+)[ \t]*(?:[ \t]#.*)?$/.exec(line)?.[1];
    // Plain text only; what YAML could take for a number, a truth value or a document mark is left to it as well.
    if (value === undefined || data !== undefined || !/[A-Za-z/]/.test(value) || /^(true|false|null|0[xo].*|[-+.]?[0-9.]+(e.*)?|\.(inf|nan))$/i.test(value)) return { certain: false };
    data = value;
  }
  return { certain: true, data };
}

function stateDirectory(env: Environment): string | undefined {
  // systemd joins several with colons (systemd.exec(5)).
  const state = env["STATE_DIRECTORY"]?.split(":")[0];
  return state === "" ? undefined : state;
}

async function parseForData(text: string): Promise<string | undefined> {
  const { parse } = await import("yaml");
  try {
    const top: unknown = parse(text, { maxAliasCount: 0, logLevel: "silent" });
    const data = typeof top === "object" && top !== null && "data" in top ? top.data : undefined;
    return typeof data === "string" ? data : undefined;
  } catch {
    // `check` says what is wrong with it; here it only has no `data`.
    return undefined;
  }
}
