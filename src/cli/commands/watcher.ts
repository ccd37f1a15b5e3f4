// `upkeep watcher list` and `upkeep watcher forget`: who watches, and who is gone for good. A watcher that is dead stays among
// those of whom a majority is wanted until a person forgets it here; nothing else shrinks that number.

import type { StatusReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { send, show } from "../submit.ts";
import { print, printJson } from "../terminal.ts";
import { storeLines, watcherTable } from "../watchers.ts";

/** Runs `upkeep watcher list`. Exit 1 when one of them is not there. */
export async function runWatcherList(options: Options): Promise<number> {
  const client = await connect(options);
  const status = await client.get<StatusReport>(PATHS.status);
  if (options.json === true) printJson(status.watchers);
  else for (const line of [...watcherTable(status), ...storeLines(status)]) print(line);
  return status.watchers.every((watcher) => watcher.alive) ? EXIT.yes : EXIT.no;
}

/** Runs `upkeep watcher forget`. */
export async function runWatcherForget(watcher: string, options: Options): Promise<number> {
  const client = await connect(options);
  return show(await send(client, { kind: "forget-watcher", watcher }), options);
}
