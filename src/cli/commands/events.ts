// `upkeep events`: the journal, line by line; `--json` gives one object a line, for ever with `--follow`.

import type { EventLine } from "../../api/contract.ts";
import { EVENTS_MAX, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, moment, paint, print, printable } from "../terminal.ts";

const LINES_DEFAULT = 100;
const LINES_BEFORE_FOLLOWING = 10;

/** Runs `upkeep events`. */
export async function runEvents(options: Options): Promise<number> {
  const query = new URLSearchParams();
  if (options.since !== undefined) query.set("since", new Date(Date.now() - options.since).toISOString());
  if (options.host !== undefined) query.set("host", options.host);
  query.set("limit", String(options.limit ?? (options.since !== undefined ? EVENTS_MAX : options.follow === true ? LINES_BEFORE_FOLLOWING : options.json === true ? EVENTS_MAX : LINES_DEFAULT)));
  if (options.follow === true) query.set("follow", "1");
  const client = await connect(options);
  const lines = await client.follow(`${PATHS.events}?${query.toString()}`, (line) => print(options.json === true ? line : render(line)));
  const complete = await lines.ended;
  if (options.follow !== true) {
    if (complete) return EXIT.yes;
    throw new CliError(EXIT.unavailable, "the watcher's answer broke off");
  }
  complain("the watcher has ended the connection");
  return EXIT.unavailable;
}

function render(line: string): string {
  let event: EventLine;
  try {
    event = JSON.parse(line) as EventLine;
  } catch {
    throw new CliError(EXIT.unavailable, "the watcher's answer broke off");
  }
  const host = event.host === null ? "" : `${printable(event.host)}: `;
  return `${paint("dim", moment(event.at, new Date().toISOString()))}  ${event.kind.padEnd(15)} ${host}${printable(event.because)}${event.incident === null ? "" : paint("dim", ` (${event.incident})`)}`;
}
