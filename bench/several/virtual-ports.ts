// The production watcher in virtual time, for benchmarks: hosts answer at once or not at all, power devices read "on" after a
// moment, and nothing of a round is probed. What is left is the core, the loop, the scheduler and the device queues.
//
// Where one watcher is measured alone, the clock moves on by the processor time that each event took, as if it had a core to
// itself: what comes late because of its own work comes late here, too, and what others do on this machine is left out.

import type { Told } from "../../src/core/io.ts";
import type { Policy } from "../../src/core/policy.ts";
import type { Round } from "../../src/core/round.ts";
import type { Now } from "../../src/core/time.ts";
import type { PowerDevice } from "../../src/power/power.ts";
import type { Store } from "../../src/stores/store.ts";
import type { Ports } from "../../src/watcher/ports.ts";
import { drained, Timeline } from "../../sim/clock.ts";

export const UPTIME_MS = 86_400_000;
const WALL_START_MS = Date.UTC(2027, 0, 1);
/** Log in and read. */
const READ_MS = 200;
const ROUND_MS = 2;

export class VirtualTime {
  readonly timeline = new Timeline();
  readonly #busy: boolean;
  /** Processor time of the longest event so far; set it to zero to begin anew. */
  longestMs = 0;
  events = 0;

  /** `busy`: the clock moves on by the processor time that the events take. */
  constructor(busy = false) {
    this.#busy = busy;
  }

  get nowMs(): number {
    return this.timeline.nowMs;
  }

  /** The same in the watcher's boot-time clock. */
  get bootMs(): number {
    return this.timeline.nowMs + UPTIME_MS;
  }

  after(ms: number, then: () => void): () => void {
    const event = this.timeline.in(ms, null, then);
    return () => void (event.run = null);
  }

  every(ms: number, then: () => void): () => void {
    let over = false;
    const again = (): void => void this.after(ms, () => {
      if (over) return;
      then();
      again();
    });
    again();
    return () => void (over = true);
  }

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** Runs what is due in this time, or until `done` says so. From a macrotask. */
  pass(ms: number, done: () => boolean = () => false): boolean {
    const { timeline } = this;
    const endMs = timeline.nowMs + ms;
    while (!done()) {
      const event = timeline.next(endMs);
      if (event === null) {
        timeline.nowMs = Math.max(timeline.nowMs, endMs);
        return false;
      }
      timeline.nowMs = Math.max(timeline.nowMs, event.atMs);
      const run = event.run;
      event.run = null;
      const before = this.#busy ? process.threadCpuUsage() : null;
      run?.();
      drained();
      this.events += 1;
      if (before === null) continue;
      const { user, system } = process.threadCpuUsage(before);
      const tookMs = (user + system) / 1_000;
      timeline.nowMs += tookMs;
      this.longestMs = Math.max(this.longestMs, tookMs);
    }
    return true;
  }
}

/** Runs a part of a benchmark where `drained` may be called. */
export function inMacrotask<Value>(work: () => Value): Promise<Value> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(work());
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

export type VirtualOptions = {
  readonly time: VirtualTime;
  readonly policy: Policy;
  readonly silent: ReadonlySet<string>;
  readonly store: Pick<Store, "commit">;
  readonly told?: (told: Told) => void;
};

export function virtualPorts({ time, policy, silent, store, told = () => undefined }: VirtualOptions): Ports {
  const now = (): Now => ({ bootMs: time.bootMs, wallMs: WALL_START_MS + time.nowMs, bootId: `boot-${policy.watcher}`, synced: true });
  const device: PowerDevice = {
    open: () => Promise.resolve({
      read: (outlets) => time.wait(READ_MS).then(() => outlets.map((outlet) => ({ outlet, state: "on" as const, label: null }))),
      set: (outlet, _action, fire) => fire({ outlet, state: "on", label: null }, () => undefined).then((gone) => (gone ? { kind: "accepted" as const, evidence: "E000" } : { kind: "refused" as const, by: "gate" as const, evidence: "cancelled" })),
      close: () => Promise.resolve(),
    }),
  };
  const made = (host: string, startedAtMs: number): Round => {
    const serves = !silent.has(host);
    return {
      host, hash: policy.hosts.get(host)?.hash ?? "", startedAtMs, endedAtMs: now().bootMs, references: "reached",
      results: serves
        ? [{ probe: "ping", outcome: "good", sign: "answer", evidence: "0.4 ms", latencyMs: 0.4 }, { probe: "ssh", outcome: "good", sign: "answer", evidence: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", latencyMs: 1.2 }]
        : [{ probe: "ping", outcome: "bad", sign: "silent", evidence: "no echo reply within 1000 ms", latencyMs: 1_000 }, { probe: "ssh", outcome: "bad", sign: "silent", evidence: "no banner within 1000 ms (not connected)", latencyMs: 1_000 }],
    };
  };
  return {
    clock: { now, at: (bootMs, then) => time.after(bootMs - UPTIME_MS - time.nowMs, then) },
    store: { capabilities: { shared: false }, identity: "", load: () => Promise.resolve([]), commit: (guards, writes) => store.commit(guards, writes), close: () => Promise.resolve() },
    rounds: {
      start(host, _limitMs, onRound) {
        const startedAtMs = time.bootMs;
        const tookMs = silent.has(host) ? (policy.hosts.get(host)?.timeoutMs ?? 0) : ROUND_MS;
        return time.after(tookMs, () => onRound(made(host, startedAtMs)));
      },
    },
    journal: { told, input: () => undefined, incident: () => undefined },
    alerts: { raise: () => undefined, over: () => undefined },
    power: (name) => (policy.devices.has(name) ? device : undefined),
    touch: () => Promise.resolve({ answered: "no", evidence: "nothing answers" }),
    exit: () => undefined,
  };
}
