// For tests: a watcher (the real core, a store in memory) with its door for agents on loopback, and agents of hosts that come in
// through it as they do in life: an enrolment, then the agent's own link.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLink } from "../../agent/link/open.ts";
import type { Link } from "../../agent/link.ts";
import type { World, WorldOptions } from "../../api/world-for-tests.ts";
import { openWorld } from "../../api/world-for-tests.ts";
import type { Announcement, HostFinding, Order, OrderEnd } from "../../core/finding.ts";
import type { LeaseAnswer } from "../../core/self-fence.ts";
import type { Now } from "../../core/time.ts";
import { readCode } from "../../link/code.ts";
import type { Enrolled } from "../../link/enroll.ts";
import { enroll } from "../../link/enroll.ts";
import { systemClock } from "../../process/system-clock.ts";
import { Agents } from "./agents.ts";

export type TestClock = { shiftMs: number; synced: boolean; now(): Now; at(bootMs: number, then: () => void): () => void };

export function testClock(): TestClock {
  const real = systemClock();
  const clock: TestClock = { shiftMs: 0, synced: true, now: () => ({ ...real.now(), wallMs: Date.now() + clock.shiftMs, synced: clock.synced }), at: (bootMs, then) => real.at(bootMs, then) };
  return clock;
}

export type Site = {
  readonly world: World;
  readonly clock: TestClock;
  readonly folder: string;
  agents: Agents;
  readonly said: string[];
  readonly announced: [string, Announcement][];
  readonly heard: string[];
  /** What the hook for announcements answers. */
  durable: boolean;
  /** Another process of the watcher on the same folder and records. */
  reopen(port?: number): Promise<void>;
  close(): Promise<void>;
};

export async function makeSite(options: WorldOptions = { hosts: ["logos", "ethos", "pathos"] }): Promise<Site> {
  const world = openWorld(options);
  const clock = testClock();
  const folder = mkdtempSync(join(tmpdir(), "upkeep-agents-"));
  const made = (port: number) => new Agents({
    listen: { host: "127.0.0.1", port }, address: null, folder, watcher: world.watcher.policy.watcher, version: "0.4.0-test", clock,
    say: (_level, text) => site.said.push(text),
    roster: () => ({ agents: world.watcher.state.agents, doors: world.watcher.state.doors, store: world.watcher.state.meta.ledger }),
    command: (by, command) => world.watcher.command(by, command),
    door: (door) => world.watcher.post({ kind: "door", door }),
    onAnnouncement: (host, announcement) => {
      site.announced.push([host, announcement]);
      return Promise.resolve(site.durable);
    },
    onHeard: (host) => site.heard.push(host),
    onLeases: (host, contact, request) => world.watcher.post({ kind: "lease-renew", host, contact, request }),
  });
  const site: Site = {
    world, clock, folder, agents: made(0), said: [], announced: [], heard: [], durable: true,
    reopen: async (port = site.agents.port ?? 0) => {
      site.agents.close();
      site.agents = made(port);
      await site.agents.open();
    },
    close: async () => {
      site.agents.close();
      await world.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await site.agents.open();
  world.watcher.answerLeases(({ host, contact, ...answer }) => site.agents.leases(host, contact, answer));
  world.watcher.listen(({ kind }) => {
    if (kind === "agent") setImmediate(() => site.agents.review());
  });
  return site;
}

export type TestHost = {
  readonly host: string;
  readonly folder: string;
  readonly clock: TestClock;
  readonly said: string[];
  readonly findings: Map<string, HostFinding>;
  readonly orders: Order[];
  readonly leases: LeaseAnswer[];
  onLinked(): void;
  onOrder(order: Order): Promise<OrderEnd>;
  link: Link | null;
  enroll(code: string | null): Promise<Enrolled>;
  /** Begins, or begins anew. */
  begin(): Link;
  find(finding: HostFinding): void;
  forget(subject: string): void;
  close(): Promise<void>;
};

export function makeHost(host: string, ports: () => readonly number[], folder = mkdtempSync(join(tmpdir(), "upkeep-agent-"))): TestHost {
  const clock = testClock();
  const link = join(folder, "link");
  const made: TestHost = {
    host, folder, clock, said: [], findings: new Map(), orders: [], leases: [], link: null,
    onLinked: () => {},
    onOrder: () => Promise.resolve({ outcome: "done", evidence: "carried out" }),
    enroll: async (text) => {
      const code = readCode(text ?? "");
      if (code === null) throw new Error(`${text} is no code`);
      return enroll({ folder: link, host, version: "0.4.0-test", code, addresses: ports().map((port) => ({ host: "127.0.0.1", port })), now: clock.now() });
    },
    begin: () => {
      made.link = openLink({
        config: { file: "upkeep.yaml", host, watchers: ports().map((port) => ({ host: "127.0.0.1", port })), dataDir: folder, parts: {} }, clock, version: "0.4.0-test",
        hooks: { findings: () => [...made.findings.values()], order: (order) => (made.orders.push(order), made.onOrder(order)), linked: () => made.onLinked(), leases: (answer) => made.leases.push(answer), say: (_level, text) => made.said.push(text) },
      });
      return made.link;
    },
    find: (finding) => {
      made.findings.set(finding.subject, finding);
      made.link?.changed(finding.subject, finding);
    },
    forget: (subject) => {
      made.findings.delete(subject);
      made.link?.changed(subject, null);
    },
    close: async () => {
      await made.link?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return made;
}

/** Waits for a condition; the limit is for a machine that is busy with everything else. */
export async function until(condition: () => boolean, what: string, limitMs = 60_000): Promise<void> {
  const endMs = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
