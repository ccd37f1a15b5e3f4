// What the agent's shell promises its parts and the watchers: findings by subject, orders once, and one agent to a folder.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { HostFinding, Order } from "../core/finding.ts";
import { lockFile } from "../process/file-lock.ts";
import { Agent } from "./agent.ts";
import type { LinkHooks } from "./link.ts";
import { NO_LINK } from "./link.ts";
import type { PartWorld } from "./part.ts";

const folder = mkdtempSync(join(tmpdir(), "upkeep-agent-"));
after(() => rmSync(folder, { recursive: true }));

async function agentWith(begin: (world: PartWorld<unknown>) => void): Promise<{ agent: Agent; hooks: LinkHooks; changes: [string, HostFinding | null][]; said: string[] }> {
  const changes: [string, HostFinding | null][] = [];
  const said: string[] = [];
  let hooks: LinkHooks | undefined;
  const agent = new Agent({
    config: { file: "upkeep.yaml", host: "logos", watchers: [], dataDir: folder, parts: {} },
    clock: { now: () => ({ bootMs: 0, wallMs: 0, bootId: "b", synced: true }), at: () => () => {} },
    log: { told: () => {}, say: (_level, text) => said.push(text) },
    guard: () => [], dryRun: false,
    parts: [{ name: "storage", start: (world) => (begin(world), { stop: () => Promise.resolve() }) }],
    link: (given) => ((hooks = given), { ...NO_LINK, changed: (subject, finding) => changes.push([subject, finding]) }),
  });
  await agent.start();
  assert.ok(hooks !== undefined);
  return { agent, hooks, changes, said };
}

test("a finding is told when it changes, and only a bad one may ask for power", async () => {
  const { hooks, changes, said } = await agentWith(({ report, forget }) => {
    for (const because of ["written in 3 ms", "written in 3 ms"]) report({ subject: "storage:/", verdict: "good", because, mayCut: true });
    report({ subject: "storage:/", verdict: "bad", because: "no end\u0000 within\n30 s", mayCut: true });
    report({ subject: "storage:/srv", verdict: "warn", because: "full", mayCut: true });
    forget("storage:/srv");
    forget("storage:/srv");
  });
  assert.deepEqual(changes.map(([subject, finding]) => [subject, finding?.verdict, finding?.mayCut]), [["storage:/", "good", false], ["storage:/", "bad", true], ["storage:/srv", "warn", false], ["storage:/srv", undefined, undefined]]);
  assert.deepEqual(hooks.findings(), [{ subject: "storage:/", verdict: "bad", because: "no end within 30 s", mayCut: true }]);
  assert.deepEqual(said, ["storage:/: good, written in 3 ms", "storage:/: bad, no end within 30 s (power may be the cure)", "storage:/srv: warn, full"]);
});

test("an order is carried out once an id, and what nobody takes is refused", async () => {
  let times = 0;
  const { hooks } = await agentWith(({ onOrder }) => onOrder("reboot", () => ((times += 1), times > 1 ? Promise.reject(new Error("no")) : Promise.resolve({ outcome: "done", evidence: "going" }))));
  const order: Order = { id: "a", order: "reboot", subject: null, reason: "kernel", limitMs: 1_000 };
  assert.deepEqual(await Promise.all([hooks.order(order), hooks.order(order)]), [{ outcome: "done", evidence: "going" }, { outcome: "done", evidence: "going" }]);
  assert.equal(times, 1);
  assert.equal((await hooks.order({ ...order, id: "b" })).outcome, "unknown");
  assert.equal((await hooks.order({ ...order, id: "c", order: "dance" })).outcome, "refused");
});

test("a folder has one agent, and is free again when it is let go", () => {
  const path = join(folder, "lock");
  const release = lockFile(path);
  assert.ok(release !== null);
  assert.equal(lockFile(path), null);
  release();
  const again = lockFile(path);
  assert.ok(again !== null);
  again();
});
