// The part on this machine, with real programs and no watchdog: what it starts, stops, says and writes down.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { childGuard } from "../../child/child.ts";
import type { HostFinding } from "../../core/finding.ts";
import type { LeaseAnswer, RenewRequest } from "../../core/self-fence.ts";
import { systemClock } from "../../process/system-clock.ts";
import type { Running } from "../part.ts";
import type { SelfFenceOptions } from "./self-fence.ts";
import { selfFence } from "./self-fence.ts";

const clock = systemClock();
const folders: string[] = [];
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

type Bench = { readonly folder: string; readonly asked: RenewRequest[]; readonly findings: Map<string, HostFinding>; readonly said: string[]; running: Running; answer(answer: LeaseAnswer): void; linked(): void; begin(): Promise<void>; on: boolean };

/** A service that is a file. `ttlMs` is short: here nothing is slow. */
async function bench(change: Partial<SelfFenceOptions> = {}, dryRun = false): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "upkeep-self-fence-"));
  folders.push(folder);
  const file = join(folder, "runs");
  const options: SelfFenceOptions = {
    ttlMs: 6_000, stopWithinMs: 20_000, startWithinMs: 20_000, watchdog: null,
    services: [{ service: "db", start: ["touch", file], stop: ["/bin/sh", "-c", `echo >> ${folder}/stops; [ ! -e ${folder}/stuck ] && rm -f ${file}`], status: ["/bin/sh", "-c", `[ -e ${file} ] || exit 3`] }], ...change,
  };
  const made: Bench = {
    folder, asked: [], findings: new Map(), said: [], answer: () => {}, linked: () => {}, running: { stop: () => Promise.resolve() }, on: true,
    async begin() {
      made.running = await selfFence.start({
        options, host: "logos", folder, dryRun, guard: childGuard(), now: clock.now, at: clock.at,
        say: (_level, text) => made.said.push(text), report: (finding) => made.findings.set(finding.subject, finding), forget: (subject) => made.findings.delete(subject),
        announce: () => Promise.resolve([]), onOrder: () => {}, contacts: () => [],
        leases: {
          ask: (request) => {
            made.asked.push(request);
            if (made.on) setImmediate(() => made.answer({ n: request.n, granted: [{ service: "db", epoch: 3 }], giveBack: [] }));
          },
          onAnswer: (take, linked) => Object.assign(made, { answer: take, linked }),
        },
      });
    },
  };
  await made.begin();
  return made;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!condition()) {
    assert.ok(Date.now() < endMs, `not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const runs = ({ folder }: Bench): boolean => existsSync(join(folder, "runs"));

test("started under a lease, gone on with by the next process, and stopped when it is over", async () => {
  const host = await bench();
  await until(() => runs(host) && host.findings.get("lease:db")?.verdict === "good", "it runs");
  assert.equal(host.findings.get("watchdog")?.verdict, "warn");
  const kept = JSON.parse(readFileSync(join(host.folder, "leases.json"), "utf8")) as { kept: { epoch: number }[] };
  assert.equal(kept.kept[0]?.epoch, 3);
  host.on = false;
  await until(() => !runs(host), "no watcher renews it");
  assert.equal(host.asked.at(-1)?.terms.resetWithinMs, null);
  // They are back.
  host.on = true;
  await until(() => runs(host), "it is started again");
  await host.running.stop();
  assert.equal(runs(host), false);
});

test("given back: said only when it is stopped, and never started under that number again", async () => {
  const host = await bench();
  await until(() => runs(host), "it runs");
  host.on = false;
  writeFileSync(join(host.folder, "stuck"), "");
  writeFileSync(join(host.folder, "stops"), "");
  const last = host.asked.at(-1);
  host.answer({ n: last?.n ?? 0, granted: [], giveBack: [{ service: "db", epoch: 3 }] });
  await until(() => host.findings.get("lease:db")?.verdict === "bad", "it cannot be stopped");
  assert.ok(host.asked.every(({ services }) => services[0]?.givenBack === 0));
  await until(() => readFileSync(join(host.folder, "stops"), "utf8").length >= 4, "it is tried again and again");
  assert.deepEqual(host.said.filter((text) => text.includes("has failed")), ["db: stop has failed: exit 1"], "once");
  assert.deepEqual(host.said.filter((text) => text.startsWith("db is stopped: ")), ["db is stopped: lease 3 is taken back"], "once");
  rmSync(join(host.folder, "stuck"));
  await until(() => host.asked.at(-1)?.services[0]?.givenBack === 3, "it is given back");
  assert.equal(runs(host), false);
  host.on = true;
  host.answer({ n: host.asked.at(-1)?.n ?? 0, granted: [{ service: "db", epoch: 3 }], giveBack: [] });
  const asked = host.asked.length;
  await until(() => host.asked.length > asked + 1, "it asks on");
  assert.equal(runs(host), false);
  await host.running.stop();
});

test("what runs without a lease is stopped; a dry run does nothing", async () => {
  const dry = await bench({}, true);
  assert.equal(dry.findings.get("self-fence")?.verdict, "warn");
  writeFileSync(join(dry.folder, "runs"), "");
  assert.equal(dry.asked.length, 0);
  await dry.running.stop();
  assert.equal(runs(dry), true);

  const host = await bench({ watchdog: { path: join(dry.folder, "no-watchdog"), timeoutMs: 15_000 } });
  writeFileSync(join(host.folder, "runs"), "");
  await until(() => host.findings.get("watchdog")?.verdict === "warn", "the watchdog cannot be had");
  await until(() => !runs(host), "it is stopped");
  assert.match(host.findings.get("watchdog")?.because ?? "", /no lease is taken: .*no such device/);
  await host.running.stop();
});
