// small-machine.ts, in the size that a machine with 512 MB leaves to a watcher.

import { test } from "node:test";
import { smallMachine, smallMachineRefusal } from "./small-machine.ts";

test("256 MB without swap are enough for fifty hosts, a power cycle, history and commands", { skip: smallMachineRefusal() ?? false }, async (t) => {
  const { lines } = await smallMachine(256);
  for (const line of lines) t.diagnostic(line);
});
