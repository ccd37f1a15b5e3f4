// `upkeep import`: another program's files as a first configuration, and the list of what was not carried over. The file is
// judged by the real loader before it is written, is disarmed, and overwrites nothing unless told to; hosts have no power yet,
// so nothing can be cut before a person has said by which outlet.

import { resolve } from "node:path";
import type { Imported } from "../../import/imported.ts";
import { judged, refuseToOverwrite, writeDraft } from "../draft-file.ts";
import { CliError, EXIT } from "../exit.ts";
import { print } from "../terminal.ts";

export type ImportOptions = { readonly out?: string; readonly force?: boolean; readonly json?: boolean };

/** Where it may come from. */
export type ImportSource = "uptime-kuma" | "gatus" | "nagios" | "icinga";

const READ: { readonly [Source in ImportSource]: (paths: readonly string[]) => Promise<Imported> } = {
  "uptime-kuma": async (paths) => (await import("../../import/uptime-kuma.ts")).importUptimeKuma(only(paths)),
  gatus: async (paths) => (await import("../../import/gatus.ts")).importGatus(only(paths)),
  nagios: async (paths) => (await import("../../import/nagios.ts")).importNagios(paths),
  icinga: async (paths) => (await import("../../import/icinga.ts")).importIcinga(paths),
};

/** Runs `upkeep import`; resolves with the exit status. */
export async function runImport(source: ImportSource, paths: readonly string[], options: ImportOptions, say: (line: string) => void = print, nowMs: () => number = Date.now): Promise<number> {
  const path = resolve(options.out ?? "upkeep.yaml");
  if (options.force !== true) await refuseToOverwrite([path]);
  const { hosts, groups, notCarried, carried } = await read(source, paths);
  const list = notCarried.map(({ file, line, what, why }) => `${file}${line === null ? "" : `:${line}`}: ${what}: ${why}`);
  if (hosts.length === 0) {
    for (const each of list) say(each);
    throw new CliError(EXIT.no, `nothing was written: no check of ${paths.join(", ")} could be carried over`);
  }
  const { draftText } = await import("../../config/draft.ts");
  const text = draftText({ madeBy: `import ${source}`, site: null, watcher: null, hosts, groups, devices: [], references: [], mail: null, store: { kind: "embedded" } }, nowMs());
  const { errors, warnings } = await judged(path, text, new Map());
  if (errors.length > 0) throw new CliError(EXIT.configuration, `nothing was written, because of\n${errors.map((error) => `  ${error}`).join("\n")}`);
  await writeDraft(path, text, new Map(), options.force === true);
  if (options.json === true) {
    say(JSON.stringify({ file: path, armed: false, hosts: hosts.length, probes: hosts.reduce((sum, host) => sum + (host.probes?.length ?? 0), 0), checks: carried, notCarried, problems: warnings }));
    return EXIT.yes;
  }
  for (const each of list) say(each);
  say(`${list.length === 0 ? "" : `above: ${list.length === 1 ? "one thing that was" : `${list.length} things that were`} not carried over. `}wrote ${path}: ${hosts.length === 1 ? "one host" : `${hosts.length} hosts`}, ${carried === 1 ? "one check" : `${carried} checks`}; disarmed, and nothing has a power outlet yet`);
  say(`next: upkeep check -c ${path}`);
  return EXIT.yes;
}

async function read(source: ImportSource, paths: readonly string[]): Promise<Imported> {
  const { ImportError } = await import("../../import/source-file.ts");
  try {
    return await READ[source](paths);
  } catch (error) {
    if (error instanceof ImportError) throw new CliError(EXIT.usage, error.message);
    // What is nested a hundred thousand deep is nobody's configuration, and overflows whichever parser reads it.
    if (error instanceof RangeError) throw new CliError(EXIT.usage, `${paths.join(", ")}: nested too deeply`);
    throw error;
  }
}

function only(paths: readonly string[]): string {
  const [path, ...more] = paths;
  if (path === undefined || more.length > 0) throw new CliError(EXIT.usage, "one file or folder");
  return path;
}
