// `upkeep reload`: the watcher reads its configuration again. A wrong one is refused, with its problems as `upkeep check`
// prints them, and the old one goes on.

import type { ReloadAnswer } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, print, printable, printJson } from "../terminal.ts";

/** Runs `upkeep reload`. */
export async function runReload(options: Options): Promise<number> {
  const client = await connect(options);
  const { accepted, problems } = await client.post<ReloadAnswer>(PATHS.reload, {});
  if (options.json === true) printJson({ accepted, problems });
  else {
    for (const problem of problems) print(printable(problem));
    if (accepted) print("the new configuration holds");
    else complain("the new configuration was refused; the old one goes on");
  }
  return accepted ? EXIT.yes : EXIT.configuration;
}
