// `upkeep kernel HOST|INCIDENT`: what a host's kernel said over the network (netconsole), line by line; `--json` gives one object a
// line, for ever with `--follow`. What was recognised stands out.

import type { KernelLine } from "../../api/contract.ts";
import { KERNEL_LINES_MAX, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, moment, paint, print, printable } from "../terminal.ts";

const LINES_DEFAULT = 100;
const LINES_BEFORE_FOLLOWING = 10;

/** Runs `upkeep kernel`. */
export async function runKernel(name: string, options: Options): Promise<number> {
  const query = new URLSearchParams();
  if (options.since !== undefined) query.set("since", new Date(Date.now() - options.since).toISOString());
  query.set("limit", String(options.limit ?? (options.since !== undefined || options.json === true ? KERNEL_LINES_MAX : options.follow === true ? LINES_BEFORE_FOLLOWING : LINES_DEFAULT)));
  if (options.follow === true) query.set("follow", "1");
  const client = await connect(options);
  let shown = 0;
  const lines = await client.follow(`${PATHS.kernel}/${encodeURIComponent(name)}?${query.toString()}`, (line) => {
    shown += 1;
    print(options.json === true ? line : render(line));
  });
  const complete = await lines.ended;
  if (options.follow === true) {
    complain("the watcher has ended the connection");
    return EXIT.unavailable;
  }
  if (!complete) throw new CliError(EXIT.unavailable, "the watcher's answer broke off");
  if (shown === 0 && options.json !== true) print("Nothing was heard. How hosts are made to tell: upkeep help kernel, docs/guides/last-words.md");
  return EXIT.yes;
}

function render(text: string): string {
  let line: KernelLine;
  try {
    line = JSON.parse(text) as KernelLine;
  } catch {
    throw new CliError(EXIT.unavailable, "the watcher's answer broke off");
  }
  return kernelLine(line, new Date().toISOString());
}

/** One line of a kernel, as `why` shows it, too. */
export function kernelLine(line: KernelLine, now: string): string {
  const up = line.uptimeMs === null ? "" : ` [${(line.uptimeMs / 1_000).toFixed(3).padStart(9)}]`;
  const text = `${printable(line.text)}${line.torn === true ? " (a piece of it is lost)" : ""}`;
  return `${paint("dim", `${moment(line.at, now)}${up}`)}  ${line.sign === null ? text : paint("red", text)}${line.sign === null ? "" : paint("dim", `  ← ${printable(line.sign)}`)}`;
}
