// `upkeep audit`: who asked for what, by which door and from where, and what became of it.

import type { AuditLine } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { dateAndClock, print, printable } from "../terminal.ts";

/** Runs `upkeep audit`. */
export async function runAudit(options: Options): Promise<number> {
  const client = await connect(options);
  for await (const lines of client.lines(`${PATHS.audit}${options.limit === undefined ? "" : `?limit=${options.limit}`}`)) {
    for (const text of lines) {
      if (text === "") continue;
      if (options.json === true) {
        print(text);
        continue;
      }
      const line = JSON.parse(text) as AuditLine;
      print(`${dateAndClock(line.at)}  ${printable(line.who)} (${line.by}${line.from === null ? "" : ` from ${printable(line.from)}`}): ${printable(line.what)}`);
      print(`                     ${printable(line.answer)}`);
    }
  }
  return EXIT.yes;
}
