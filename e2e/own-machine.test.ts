// Two deaths of the watcher's own machine (own-machine.ts); fifty by hand, as that file's head says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownMachine, ownMachineRefusal } from "./own-machine.ts";

const TIMES = 2;

test("panics and power losses of the watcher's own machine in the middle of operations: each host cut once, and on again", { skip: ownMachineRefusal() ?? false }, async (t) => {
  const { lines, offs } = await ownMachine({ times: TIMES, seed: 7 });
  for (const line of lines) t.diagnostic(line);
  assert.ok(offs >= 1, "no host was cut: nothing was shown");
});
