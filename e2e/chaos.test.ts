// Two minutes of chaos (chaos.ts) with another seed each day; 30 by hand, as that file's head says.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fleetRefusal } from "../lab/fleet.ts";
import { chaos } from "./chaos.ts";

const MINUTES = 2;

test("kills, pauses and partitions of watchers and the store while hosts wedge: cut once each, and on again", { skip: fleetRefusal() }, async (t) => {
  const { lines, faults, offs, outages } = await chaos({ minutes: MINUTES, seed: Math.floor(Date.now() / 86_400_000) });
  for (const line of lines) t.diagnostic(line);
  // That it was chaos.
  const struck = (word: RegExp): number => [...faults].filter(([name]) => word.test(name)).reduce((sum, [, count]) => sum + count, 0);
  for (const word of [/kill -9 of (a|the) watcher/, /SIGSTOP of (a|the) watcher/, /watcher cut off/, /member of the store/]) assert.ok(struck(word) >= 1, `${word}: ${struck(word)}`);
  assert.ok(outages >= 6 && offs >= 4, `${outages} outages, ${offs} offs`);
});
