// The link behind its port (../link.ts): a target for every address at which a watcher may be, and what goes to all of them.
// Nothing here waits for a watcher but an announcement, and that as long as whoever makes it says.

import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { AGENTS_PORT, parseAddress } from "../../config/address.ts";
import type { AgentConfig } from "../../config/load-agent.ts";
import type { Announcement } from "../../core/finding.ts";
import type { FromAgent, FromWatcher } from "../../link/messages.ts";
import type { Clock } from "../../process/system-clock.ts";
import type { Link, LinkHooks } from "../link.ts";
import { LinkMemory } from "./memory.ts";
import type { Shared } from "./target.ts";
import { Target } from "./target.ts";

export type LinkOptions = { readonly config: AgentConfig; readonly clock: Clock; readonly version: string; readonly hooks: LinkHooks };

const LOOK_EVERY_MS = 2_000;
const RENEW_LOOK_EVERY_MS = 12 * 3_600_000;
const RENEW_AT_ALL_COSTS_MS = 20 * 86_400_000;
const TARGETS_MAX = 16;
const TOLD_ADDRESSES_AFTER_MS = 15_000;

type Waiting = { readonly message: FromAgent; readonly heard: Set<string>; done(): void };

/** The folder of the link in the agent's. */
export function linkFolder({ dataDir }: Pick<AgentConfig, "dataDir">): string {
  return join(dataDir, "link");
}

export function openLink({ config, clock, version, hooks }: LinkOptions): Link {
  const folder = linkFolder(config);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const memory = new LinkMemory(folder, config.host);
  const life = randomBytes(9).toString("hex");
  const targets = new Map<string, Target>();
  const waiting = new Map<string, Waiting>();
  const renewed = new Set<string>();
  const beganMs = clock.now().bootMs;
  let announced = 0;
  let renewLookedMs: number | null = null;

  const shared: Shared = {
    clock, memory, hooks, host: config.host, version, life,
    reachedElsewhere: (watcher, than) => [...targets.values()].some((target) => target !== than && target.connected && target.watcher === watcher),
    welcomed(target) {
      for (const { message } of waiting.values()) target.send(message);
      if (memory.next !== null) target.send({ kind: "renew", pin: memory.next.pin });
      hooks.linked();
    },
    said(target, message) {
      take(target, message);
    },
  };

  const take = (target: Target, message: FromWatcher): void => {
    switch (message.kind) {
      case "welcome":
      case "watchers":
        memory.learn(message);
        return;
      case "heard": {
        const waits = waiting.get(message.id);
        waits?.heard.add(target.watcher ?? "");
        return waits?.done();
      }
      case "order": {
        const { kind: _, ...order } = message;
        hooks.say("info", `${target.watcher ?? "a watcher"} orders: ${order.order}${order.subject === null ? "" : ` ${order.subject}`} (${order.reason})`);
        void hooks.order(order).then((end) => target.send({ kind: "result", id: order.id, outcome: end.outcome, evidence: end.evidence.slice(0, 300) }));
        return;
      }
      case "renewed":
        if (message.pin !== memory.next?.pin) return;
        renewed.add(target.store ?? "");
        return promote();
      case "leases": {
        const { kind: _, ...answer } = message;
        return hooks.leases(answer);
      }
      case "alive":
      case "enrolled":
      case "bye":
        return;
    }
  };

  /** The new key takes the old one's place when all records in which this host stands have it, or when the old one ends. */
  const promote = (): void => {
    const everywhere = memory.known.every(({ store }) => renewed.has(store));
    const ends = (memory.current?.notAfterMs ?? Infinity) - clock.now().wallMs < RENEW_AT_ALL_COSTS_MS;
    if (!everywhere && !ends) return;
    memory.promote();
    renewed.clear();
    hooks.say("info", "the new key of this host is known to its watchers and is used from now on");
  };

  const renew = (): void => {
    const { wallMs, bootMs, synced } = clock.now();
    if (renewLookedMs !== null && bootMs - renewLookedMs < RENEW_LOOK_EVERY_MS) return;
    renewLookedMs = bootMs;
    // A clock that nobody has set makes no certificates.
    const next = synced ? memory.renewal(wallMs) : memory.next;
    if (next !== null) for (const target of targets.values()) target.send({ kind: "renew", pin: next.pin });
  };

  /** The addresses of the configuration, and those of watchers that say where they are and are not among them. */
  const follow = (): void => {
    const wanted = new Map(config.watchers.map(({ host, port }) => [`${host} ${port ?? AGENTS_PORT}`, { host, port: port ?? AGENTS_PORT }]));
    const named = new Set([...targets.values()].flatMap((target) => (wanted.has(`${target.host} ${target.port}`) && target.watcher !== null ? [target.watcher] : [])));
    // Most are reached by a configured address, which is given its time first.
    const told = config.watchers.length > 0 && clock.now().bootMs - beganMs < TOLD_ADDRESSES_AFTER_MS ? [] : memory.known;
    for (const { watcher, address } of told) {
      const parsed = address === null || named.has(watcher) ? null : parseAddress(address);
      if (parsed?.ok === true) wanted.set(`${parsed.value.host} ${parsed.value.port ?? AGENTS_PORT}`, { host: parsed.value.host, port: parsed.value.port ?? AGENTS_PORT });
    }
    for (const [key, { host, port }] of wanted) if (!targets.has(key) && targets.size < TARGETS_MAX) targets.set(key, new Target(host, port, shared));
    for (const [key, target] of targets) {
      if (wanted.has(key)) continue;
      target.close();
      targets.delete(key);
    }
  };

  let closed = false;
  const beat = (): void => {
    if (closed) return;
    follow();
    for (const target of targets.values()) target.look();
    if (targets.size === 0) memory.refresh();
    renew();
    takeBack = clock.at(clock.now().bootMs + LOOK_EVERY_MS, beat);
  };
  let takeBack = (): void => {};
  beat();

  return {
    changed: (subject, finding) => {
      for (const target of targets.values()) target.changed(subject, finding);
    },
    announce: (announcement: Announcement, limitMs: number) => new Promise((resolve) => {
      announced += 1;
      const id = `${life}:${announced}`;
      const heard = new Set<string>();
      const end = () => {
        takeLimitBack();
        waiting.delete(id);
        resolve([...heard]);
      };
      // Everybody who is there has it: whoever is not is not waited for.
      const done = () => {
        if (heard.size > 0 && [...targets.values()].every((target) => !target.connected || heard.has(target.watcher ?? ""))) end();
      };
      const takeLimitBack = clock.at(clock.now().bootMs + limitMs, end);
      const message: FromAgent = { kind: "announce", id, announcement };
      waiting.set(id, { message, heard, done });
      if (targets.size === 0) return end();
      for (const target of targets.values()) {
        target.send(message);
        target.hurry();
      }
    }),
    leases: (request) => {
      const { terms, services } = request;
      for (const target of targets.values()) target.send({ kind: "lease-renew", n: request.n, terms, services: [...services] });
    },
    contacts: () => [...targets.values()].map((target) => ({ watcher: target.watcher ?? target.address, connected: target.connected, heardMs: target.heardMs })),
    close: async () => {
      closed = true;
      takeBack();
      for (const target of targets.values()) target.close();
      targets.clear();
      for (const { done } of waiting.values()) done();
    },
  };
}
