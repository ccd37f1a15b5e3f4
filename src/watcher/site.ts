// What a configuration is made into: devices with their drivers, hosts with their probes, the references. Made anew at a
// reload; the sockets and the name cache behind it stay. Secrets are revealed here, into the driver that needs them.

import type { Config, DeviceSpec, ProbeSpec, RemedyTask } from "../config/config.ts";
import { openDevice, openProbe } from "../config/open.ts";
import type { PowerDrivers } from "../power/index.ts";
import { loadPowerDrivers } from "../power/index.ts";
import type { PowerDevice } from "../power/power.ts";
import type { Probes } from "../probes/index.ts";
import { loadProbes } from "../probes/index.ts";
import type { HeardAgents, Icmp, Probe, ProbeTools } from "../probes/probe.ts";
import { assert } from "../core/errors.ts";
import type { Stalls } from "../process/boot-clock.ts";
import { bootClock, clockSynced } from "../process/boot-clock.ts";
import type { Names } from "../process/names.ts";
import type { RemedyTarget } from "../remedies/remedy.ts";
import type { AgentOrders, OrderTask } from "./orders.ts";
import { carryOut } from "./orders.ts";
import type { Remedied, Rounds, Touched } from "./ports.ts";
import type { ReferenceCheck } from "./references.ts";
import { createReferences } from "./references.ts";
import type { RoundHost } from "./rounds.ts";
import { startRound } from "./rounds.ts";
import { touch } from "./touch.ts";
import type { PendingWakes } from "./wake.ts";
import { sendWake, wakesOf, withWake } from "./wake.ts";

export type Site = {
  readonly rounds: Rounds;
  power(device: string): PowerDevice | undefined;
  touch(host: string): Promise<Touched>;
  remedy(host: string, remedy: string, limitMs: number): Promise<Remedied>;
  order(task: OrderTask): Promise<Remedied>;
  rouse(host: string): void;
  /** Which probes this machine cannot make, and why. */
  refusals(): readonly string[];
  close(): void;
};

export type SiteTools = { readonly icmp: Icmp; readonly names: Names; readonly stalls: Stalls; readonly wakes: PendingWakes; readonly agents: AgentOrders; readonly heard: HeardAgents; readonly warn: (text: string) => void; };

const WAKE_LATE_MS = 1_000;
const ROUSE_AT_MS = [0, 2_000, 5_000];

type Watched = { round: RoundHost; readonly ports: readonly number[] };

/** The code that a configuration needs, and no other. */
export type Parts = { readonly probes: Probes; readonly drivers: PowerDrivers };

/** Loads what a configuration names. */
export async function loadParts({ shell }: Config): Promise<Parts> {
  const [probes, drivers] = await Promise.all([
    loadProbes([...[...shell.hosts.values()].flatMap((host) => host.probes), ...shell.references].map((spec) => spec.kind)),
    loadPowerDrivers([...shell.devices.values()].map((spec) => spec.driver)),
  ]);
  return { probes, drivers };
}

/** `parts` are those of this configuration. */
export function makeSite(config: Config, { probes, drivers }: Parts, tools: SiteTools): Site {
  const { policy, shell } = config;
  const probeTools: ProbeTools = { icmp: tools.icmp, clockSynced, resolve: (name) => tools.names.address(name), ...(shell.agents.listen === null ? {} : { agents: tools.heard }) };
  const woken = [...policy.hosts.values()].map(({ name, levels }) => ({ levels, wake: shell.hosts.get(name)?.wake ?? null }));
  const after = (ms: number, then: () => void): (() => void) => {
    const atMs = bootClock.nowMs() + ms;
    // After a suspension it is too late: what was to be woken then may have been switched off since.
    return bootClock.at(atMs, () => bootClock.nowMs() - atMs < WAKE_LATE_MS && then());
  };
  const devices = new Map([...shell.devices].map(([name, spec]) => [name, withWake(makeDevice(spec, drivers), {
    device: name, pending: tools.wakes, wakes: wakesOf(name, woken), maxActMs: spec.maxActMs, send: (wake) => sendWake(wake, tools.warn), after,
  })]));
  const referenceLooks = shell.references.map((reference) => ({ address: reference.address, ...probeOf(reference, probes) }));
  const references: ReferenceCheck = createReferences(referenceLooks, { clock: bootClock, names: tools.names, tools: probeTools });
  const hosts = new Map<string, Watched>();
  for (const [name, spec] of shell.hosts) {
    const host = policy.hosts.get(name);
    assert(host !== undefined, `host ${name} has no policy`);
    const looks = spec.probes.map((each) => ({ id: each.id, timeoutMs: each.timeoutMs, ...probeOf(each, probes) }));
    hosts.set(name, {
      round: { name, hash: host.hash, address: spec.address, timeoutMs: host.timeoutMs, limitMs: host.everyMs, probes: looks },
      ports: [...new Set(looks.flatMap(({ probe, options }) => probe.port?.(options) ?? []))],
    });
  }
  const deps = { clock: bootClock, names: tools.names, tools: probeTools, references, stalls: tools.stalls };
  return {
    rounds: {
      start(name, limitMs, onRound, onLate) {
        const watched = hosts.get(name);
        if (watched === undefined) return () => {};
        if (watched.round.limitMs !== limitMs) watched.round = { ...watched.round, limitMs };
        return startRound(watched.round, deps, onRound, onLate);
      },
    },
    power: (device) => devices.get(device),
    async touch(name) {
      const watched = hosts.get(name);
      if (watched === undefined) return { answered: "unknown", evidence: "the host is not configured" };
      const located = tools.names.address(watched.round.address);
      if ("error" in located) return { answered: "unknown", evidence: located.error };
      return touch({ target: { host: name, ...located }, ports: watched.ports }, tools.icmp);
    },
    async remedy(name, remedy, limitMs) {
      const spec = shell.hosts.get(name);
      const found = spec?.remedies.find((each) => each.name === remedy);
      if (spec === undefined || found === undefined) return { outcome: "failed", evidence: "it is not configured any more" };
      const located = tools.names.address(spec.address);
      if ("error" in located) return { outcome: "failed", evidence: located.error };
      return runRemedy(found, { host: name, address: located.address }, limitMs);
    },
    async order(task) {
      const spec = shell.hosts.get(task.host);
      if (spec === undefined) return { outcome: "failed", evidence: "it is not configured any more" };
      const located = tools.names.address(spec.address);
      return carryOut(task, shell.reboots, "error" in located ? located : { host: task.host, address: located.address }, tools.agents, runRemedy);
    },
    rouse(name) {
      const wake = shell.hosts.get(name)?.wake ?? null;
      // A card may be slow to listen, and a packet may be lost.
      if (wake !== null) for (const ms of ROUSE_AT_MS) after(ms, () => sendWake(wake, tools.warn));
    },
    refusals() {
      const all = [...referenceLooks, ...[...hosts.values()].flatMap(({ round }) => round.probes)];
      const told = all.flatMap(({ probe, options }) => {
        const why = probe.refusal?.(options, probeTools) ?? null;
        return why === null ? [] : [`${probe.name} will be unknown: ${why}`];
      });
      return [...new Set(told)];
    },
    close: () => references.close(),
  };
}

/** Loaded when it is wanted: most watchers run none. */
async function runRemedy(task: RemedyTask, target: RemedyTarget, limitMs: number): Promise<Remedied> {
  const [{ REMEDIES }, { childGuard }] = await Promise.all([import("../remedies/index.ts"), import("../child/child.ts")]);
  return task.kind === "ssh" ? REMEDIES.ssh.run(target, task.options, limitMs, childGuard()) : REMEDIES.command.run(target, task.options, limitMs, childGuard());
}

function probeOf(spec: ProbeSpec, probes: Probes): { probe: Probe<unknown>; options: unknown } {
  const { kind, options } = openProbe(spec);
  const probe = probes.get(kind);
  assert(probe !== undefined, `the probe ${kind} was not loaded`);
  return { probe, options };
}

function makeDevice(spec: DeviceSpec, drivers: PowerDrivers): PowerDevice {
  const { driver, options } = openDevice(spec);
  const loaded = drivers.get(driver);
  assert(loaded !== undefined, `the driver ${driver} was not loaded`);
  return loaded.create(options);
}
