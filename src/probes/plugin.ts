// Any monitoring plugin: its exit code is its word (Monitoring Plugins Development Guidelines: 0 OK, 1 WARNING, 2 CRITICAL, 3
// UNKNOWN), the first line of its output the evidence, the numbers after it kept. A warning is good unless somebody says
// otherwise, since power cures none.
//
// Whatever else a program does is no word about the host: an exit above 3, a signal, and 1 or 2 without a text on standard
// output, which is how shells, interpreters and parsers of options leave when they themselves have failed ("Cannot fork" is 2). A
// plugin that does not end is a look that was not answered. How it is run and ended is child.ts; how many at once is here.

import { runChild, childGuard } from "../child/child.ts";
import type { Guard, Ran } from "../child/child.ts";
import { findProgram } from "../child/find-program.ts";
import { parsePluginOutput } from "../protocol/perfdata.ts";
import { bad, good, notRun, printable, redacted } from "./finding.ts";
import { PERFDATA_MAX } from "./probe.ts";
import type { Finding, Probe } from "./probe.ts";
import { Turns } from "./turns.ts";

export type PluginOptions = {
  /** The program and its arguments; `{host}` and `{address}` are replaced in each. */
  readonly command: readonly string[];
  readonly warning: "good" | "bad";
  /** Added to its environment; for what must not stand among its arguments. */
  readonly env: Readonly<Record<string, string>>;
};

/** A child costs milliseconds of a core and megabytes, and a rack that is dead holds as many as it has hosts. */
const turns = new Turns(16);
const OUTPUT_BYTES_MAX = 16_384;
/** The round ends a plugin; this ends one whose watcher hangs. */
const LIMIT_MS = 600_000;
const STATES = ["ok", "warning", "critical", "unknown"] as const;

let guard: Guard | undefined;

export const plugin: Probe<PluginOptions> = {
  name: "plugin",
  service: true,
  awaits: "end",
  refusal: ({ command }) => missing(command),
  async run(target, options, _tools, signal, progress) {
    const { env } = options;
    const release = await turns.take(signal, progress);
    try {
      signal.throwIfAborted();
      const refusal = missing(options.command);
      if (refusal !== null) return notRun(refusal);
      const argv = options.command.map((argument) => argument.replaceAll(/\{(host|address)\}/g, (_, name) => (name === "host" ? target.host : target.address)));
      progress?.("running");
      const ran = await runChild((guard ??= childGuard()), argv, { limitMs: LIMIT_MS, keepBytes: OUTPUT_BYTES_MAX, env: { LC_ALL: "C", ...env } }, signal);
      signal.throwIfAborted();
      return judge(ran, options);
    } finally {
      release();
    }
  },
};

function missing(command: readonly string[]): string | null {
  const [program = ""] = command;
  return findProgram(program) === null ? `cannot run ${printable(program, 120)}: not here, or not to be run by this user` : null;
}

/** What the end of a plugin says about the host. */
export function judge({ end, stdout, said }: Pick<Ran, "end" | "stdout" | "said">, { warning, env }: Pick<PluginOptions, "warning" | "env">): Finding {
  const hidden = (text: string): string => redacted(text, Object.values(env));
  const { text, perfdata } = parsePluginOutput(hidden(stdout));
  // What it complains of on standard error is evidence only where it has nothing else to say.
  const words = text !== "" ? text : (hidden(said).split("\n").find((line) => line.trim() !== "") ?? "").trim();
  const shown = (how: string): string => (words === "" ? `${how}, without a word` : `${how}: ${words}`);
  if (!("code" in end)) return notRun(shown(`no word of the plugin (${end.why})`));
  const { code } = end;
  const state = STATES[code];
  if (state === undefined || state === "unknown") return notRun(shown(`exit ${code}, ${state ?? "not a state of a plugin"}`));
  if (state !== "ok" && text === "") return notRun(shown(`exit ${code}, and no text on its standard output: not a plugin's ${state}`));
  const measured = perfdata.flatMap(({ label, value, unit }) => (value === null ? [] : [{ label: printable(label, 64), value, ...(unit === "" ? {} : { unit: printable(unit, 16) }) }]));
  const isGood = state === "ok" || (state === "warning" && warning === "good");
  // Whether the host spoke the plugin knows, and we do not.
  const finding = isGood ? good(shown(state === "ok" ? "exit 0" : `exit ${code}, ${state}`)) : bad("silent", shown(`exit ${code}, ${state}`));
  return { ...finding, perfdata: measured.slice(0, PERFDATA_MAX) };
}
