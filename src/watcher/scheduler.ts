// When to look at whom, and when to wake the core. Rounds have absolute due times, spread over the interval by the host's
// name, so that neither a slow round nor a restart makes them bunch; a host's rounds never overlap.

import type { Input } from "../core/io.ts";
import type { Policy } from "../core/policy.ts";
import type { Ports } from "./ports.ts";

type Watched = { everyMs: number; dueMs: number; cancelTimer: () => void; cancelRound: () => void; running: boolean };

export class Scheduler {
  readonly #ports: Ports;
  readonly #post: (input: Input) => void;
  readonly #hosts = new Map<string, Watched>();
  /** The hosts that the core wants looked at; null: all. */
  #observed: ReadonlySet<string> | null = null;
  /** The earliest pending wake of each key: the core asks often and needs each once. */
  readonly #wakes = new Map<string, { atMs: number; cancel: () => void }>();
  #closed = false;

  constructor(ports: Ports, post: (input: Input) => void) {
    this.#ports = ports;
    this.#post = post;
  }

  /** Watches exactly the hosts of this policy; the ones that stay keep their pace. */
  follow(policy: Policy): void {
    for (const [name, watched] of this.#hosts) {
      if (policy.hosts.has(name) && this.#observed?.has(name) !== false) continue;
      watched.cancelTimer();
      watched.cancelRound();
      this.#hosts.delete(name);
    }
    const nowMs = this.#ports.clock.now().bootMs;
    for (const host of policy.hosts.values()) {
      if (this.#observed?.has(host.name) === false) continue;
      const known = this.#hosts.get(host.name);
      if (known !== undefined) {
        known.everyMs = host.everyMs;
        continue;
      }
      const watched: Watched = { everyMs: host.everyMs, dueMs: nowMs + phaseOf(host.name) * host.everyMs, cancelTimer: () => {}, cancelRound: () => {}, running: false };
      this.#hosts.set(host.name, watched);
      this.#arm(host.name, watched);
    }
  }

  /** Watches these hosts of the policy and no others. */
  observe(hosts: ReadonlySet<string>, policy: Policy): void {
    this.#observed = hosts;
    this.follow(policy);
  }

  /** The core wants the next look at this moment instead. */
  pace(host: string, atMs: number): void {
    const watched = this.#hosts.get(host);
    if (watched === undefined) return;
    watched.cancelTimer();
    watched.dueMs = atMs;
    this.#arm(host, watched);
  }

  wake(key: string, atMs: number): void {
    if (this.#closed) return;
    const known = this.#wakes.get(key);
    if (known !== undefined && known.atMs <= atMs) return;
    known?.cancel();
    const cancel = this.#ports.clock.at(atMs, () => {
      this.#wakes.delete(key);
      this.#post({ kind: "tick", key });
    });
    this.#wakes.set(key, { atMs, cancel });
  }

  close(): void {
    this.#closed = true;
    for (const watched of this.#hosts.values()) {
      watched.cancelTimer();
      watched.cancelRound();
    }
    for (const wake of this.#wakes.values()) wake.cancel();
    this.#hosts.clear();
    this.#wakes.clear();
  }

  #arm(name: string, watched: Watched): void {
    watched.cancelTimer = this.#ports.clock.at(watched.dueMs, () => this.#look(name, watched));
  }

  #look(name: string, watched: Watched): void {
    const nowMs = this.#ports.clock.now().bootMs;
    // Late by more than an interval (this watcher slept): the missed looks are not made up for.
    const missed = Math.max(0, Math.floor((nowMs - watched.dueMs) / watched.everyMs));
    watched.dueMs += (missed + 1) * watched.everyMs;
    this.#arm(name, watched);
    if (watched.running) return;
    watched.cancelRound();
    watched.running = true;
    watched.cancelRound = this.#ports.rounds.start(
      name,
      watched.everyMs,
      (round) => {
        watched.running = false;
        this.#post({ kind: "round", round });
      },
      (late) => this.#post({ kind: "late", ...late }),
    );
  }
}

/**
 * 0…1 from a name, always the same. FNV-1a lets the last letter of a name move few bits of the sum, and web01 to web40 differ
 * in nothing else: stirred as MurmurHash3 ends (fmix32), neighbours are spread like strangers.
 */
function phaseOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
