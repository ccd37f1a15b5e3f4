// Time went back (safety.md §3.9): a watcher whose ledger is not what is remembered of it starts disarmed, and stays so until
// somebody arms it.

import type { DeviceLock, Operation, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

const EVERYTHING = "brake/disarmed/*" as RecordKey;

export function wentBack(world: World): Checker {
  let disarmed = false;

  return {
    invariant: "Time went back",
    lifeBegins() {
      if (world.disk.wentBack !== null) disarmed = true;
      // It died before that was written down; whether it is remembered then is asked of the real history, not here.
      else if (!world.disk.records.has(EVERYTHING)) disarmed = false;
    },
    asked(command) {
      if ((command.kind === "unbrake" || command.kind === "brake") && command.brake === "disarmed" && command.scope === "*") disarmed = false;
    },
    calling({ writes }) {
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | null | undefined;
      if (!disarmed || lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent" || operation.origin.kind !== "auto") return;
      world.fail("Time went back", `an automatic off for ${operation.host} under a ledger that is not to be trusted, and nobody has armed it`);
    },
  };
}
