// The part that reboots a host: once an order, recorded before, and honest about what it does not know. The program is a real one
// that leaves a line instead of rebooting.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { childGuard } from "../child/child.ts";
import type { HostFinding, Order, OrderEnd } from "../core/finding.ts";
import { reboot } from "./reboot.ts";

const root = mkdtempSync(join(tmpdir(), "upkeep-reboot-"));
after(() => rmSync(root, { recursive: true }));
const told = join(root, "told");
let folders = 0;

type Setting = { readonly folder?: string; readonly bootId?: string; readonly dryRun?: boolean; readonly command?: readonly string[]; readonly limitMs?: number };

async function begin({ folder = join(root, String((folders += 1))), bootId = "b1", dryRun = false, command = ["sh", "-c", `echo now >> ${told}`], limitMs = 10_000 }: Setting = {}): Promise<{ readonly folder: string; readonly findings: readonly HostFinding[]; order(id: string): Promise<OrderEnd>; stop(): Promise<void> }> {
  mkdirSync(folder, { recursive: true });
  const findings: HostFinding[] = [];
  let carryOut: ((order: Order) => Promise<OrderEnd>) | undefined;
  const running = await reboot.start({
    options: { command, limitMs }, host: "logos", folder, dryRun, guard: childGuard(),
    now: () => ({ bootMs: 0, wallMs: 0, bootId, synced: true }), at: () => () => {}, say: () => {}, report: (finding) => void findings.push(finding), forget: () => {},
    announce: () => Promise.resolve([]), leases: { ask: () => {}, onAnswer: () => {} }, contacts: () => [],
    onOrder: (order, then) => {
      assert.equal(order, "reboot");
      carryOut = then;
    },
  });
  assert.ok(carryOut !== undefined);
  const taker = carryOut;
  return { folder, findings, stop: running.stop, order: (id) => taker({ id, order: "reboot", subject: null, reason: "new kernel", limitMs: 10_000 }) };
}

const times = (): number => (existsSync(told) ? readFileSync(told, "utf8").trim().split("\n").length : 0);

test("an order is carried out once, also for an agent that was killed in between, and its answer stays", async () => {
  const before = times();
  const first = await begin();
  assert.deepEqual(first.findings, [{ subject: "reboot", verdict: "good", because: "boot b1", mayCut: false }]);
  assert.equal((await first.order("1.1.5")).outcome, "done");
  assert.equal(times(), before + 1);
  assert.equal((await first.order("1.1.5")).outcome, "done");
  // Another process on the same folder, in the same boot, and in the next one.
  const second = await begin({ folder: first.folder });
  assert.match((await second.order("1.1.5")).evidence, /carried out before, done/);
  assert.match((await (await begin({ folder: first.folder, bootId: "b2" })).order("1.1.5")).evidence, /has rebooted since/);
  assert.equal(times(), before + 1);
  assert.equal((await second.order("1.2.5")).outcome, "done");
  assert.equal(times(), before + 2);
});

test("one that was begun and whose end nobody saw is not begun again, and not called done", async () => {
  const before = times();
  const { folder } = await begin();
  writeFileSync(join(folder, "orders.json"), JSON.stringify([{ id: "1.1.5", bootId: "b1", outcome: null }]));
  const end = await (await begin({ folder })).order("1.1.5");
  assert.equal(end.outcome, "unknown");
  assert.match(end.evidence, /begun in this boot/);
  assert.equal(times(), before);
});

test("a program that fails, hangs or is not there is not done; a dry run does nothing", async () => {
  const before = times();
  assert.equal((await (await begin({ command: ["sh", "-c", "echo not now >&2; exit 1"] })).order("1")).outcome, "failed");
  assert.equal((await (await begin({ command: ["/nonexistent/reboot"] })).order("1")).outcome, "failed");
  assert.equal((await (await begin({ command: ["sleep", "60"], limitMs: 500 })).order("1")).outcome, "unknown");
  assert.deepEqual(await (await begin({ dryRun: true })).order("1"), { outcome: "refused", evidence: "dry run: nothing is done on this host" });
  assert.equal(times(), before);
});

test("what cannot be recorded is not done, and a damaged record stops nothing", async () => {
  const before = times();
  const broken = await begin();
  mkdirSync(join(broken.folder, "orders.json.next"));
  const end = await broken.order("1");
  assert.equal(end.outcome, "failed");
  assert.match(end.evidence, /cannot be recorded/);
  assert.equal(times(), before);
  const damaged = await begin();
  writeFileSync(join(damaged.folder, "orders.json"), "[{\"id\": 5}, nonsense");
  chmodSync(join(damaged.folder, "orders.json"), 0o600);
  assert.equal((await (await begin({ folder: damaged.folder })).order("1")).outcome, "done");
  assert.equal(times(), before + 1);
});
