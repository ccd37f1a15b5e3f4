// Planned shutdown and the return of power (ADR 28). What an agent announced and was heard is not fenced; a start
// touches no outlet before `haltBound` has passed since the last sign of life that reached the watcher, or a metered off, nor before power has been
// good for `returnAfter` in the watcher's own sense, unless a person wants it; it starts what its event shut down and nothing else,
// in the order of `after`; a host that is truly up is not cycled. Who stays up past its time is told of.

import type { Command } from "../../src/core/io.ts";
import type { DeviceLock, HostRecord, Operation, RecordKey } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { Process } from "../scene.ts";
import type { World } from "../world.ts";
import { metersHeard } from "./metered.ts";

type Heard = { readonly event: string; readonly atMs: number; readonly life: number; readonly withinMs: number };

const SLACK_MS = 1_500;

export function planned(world: World): Checker {
  const { outages } = world;
  if (outages === null) return { invariant: "Planned" };
  const { careful } = outages.spec;
  /** Heard, and not taken back, returned or taken over by a person since. */
  const heard = new Map<string, Heard>();
  /** Every event that was ever announced for a host. */
  const events = new Map<string, Set<string>>();
  /** The last sign of life that reached the watcher, or the last moment at which it could not see. */
  const signMs = new Map<string, number>();
  const mute = new Map<string, boolean>();
  /** The last look that nothing answered. */
  const silentMs = new Map<string, number>();
  /** Since when the network has let everything of a host through. */
  const cutMs = new Map<string, number>();
  /** What was asked last about a host. */
  const last = new Map<string, Command>();
  /** Acknowledged: to be off by a person's word. */
  const offByPerson = new Set<string>();
  /** Who has been up past its time and was not told of, for how long. */
  const untold = new Map<string, number>();
  let emptied = false;
  const meters = metersHeard(world);
  const record = (host: string): HostRecord | undefined => world.disk.value<HostRecord>(`host/${host}` as RecordKey);
  const forget = (host: string): void => void heard.delete(host);

  function aboutToCut(operation: Operation, life: Process): void {
    const nowMs = world.timeline.nowMs;
    const { origin, host } = operation;
    if (origin.kind === "auto") {
      const known = heard.get(host);
      if (known !== undefined) world.fail("Planned", `an automatic off for ${host}, whose careful shutdown (event ${known.event}) was heard ${Math.round(nowMs - known.atMs)} ms before`);
      return;
    }
    if (origin.event === undefined) return;
    const policy = world.spec.policy.hosts.get(host);
    if (policy === undefined) return;
    if (events.get(host)?.has(origin.event) !== true) return world.fail("Planned", `${host} is started by event ${origin.event}, which has not shut it down`);
    const silentMs = nowMs - Math.max(signMs.get(host) ?? 0, world.life?.startedMs ?? 0);
    if (silentMs < careful.haltBoundMs - SLACK_MS && !meters.halted(host, origin.event, nowMs - silentMs)) return world.fail("Planned", `${host} is cut ${Math.round(silentMs)} ms after its last sign of life, and ${careful.haltBoundMs} ms are the least`);
    const truth = world.hosts.get(host);
    const quietMs = 3 * policy.everyMs + policy.timeoutMs + 5_000;
    const reached = nowMs - Math.max(cutMs.get(host) ?? 0, world.life?.startedMs ?? 0, ...(world.life?.pauses ?? []).map((pause) => pause.toMs));
    if (truth?.condition === "up" && nowMs - truth.sinceMs > quietMs && reached > quietMs && world.network.loss === 0 && policy.retryMs.length === 0) return world.fail("Planned", `${host} is up and served all along, and is cut for its return`);
    const asked = record(host)?.careful?.asked ?? null;
    if (asked !== null) return void world.counts.add("return: cut because a person asked");
    if (!careful.sensed) return;
    const said = outages!.said(life);
    const goodMs = nowMs - said.notGoodMs;
    if (said.state === "lost" || goodMs < careful.returnAfterMs - SLACK_MS) return world.fail("Planned", `${host} is cut for its return, and power has been good for ${Math.round(goodMs)} ms of ${careful.returnAfterMs}`);
  }

  return {
    invariant: "Planned",
    strikes(fault) {
      if (fault !== "disk-wiped" && fault !== "disk-restored") return;
      heard.clear();
      offByPerson.clear();
    },
    metered: meters.heard,
    lifeBegins(life) {
      meters.forget();
      signMs.clear();
      mute.clear();
      if (outages.dark === false && life.uptimeAtStartMs < 60_000 && life.startedMs > 0) emptied = true;
    },
    round(seen) {
      meters.round(seen);
      const told = seen.silent && seen.round.references !== "lost" && seen.outcome !== "unknown";
      // It may have lived until the first look that nothing answered.
      if (!told || mute.get(seen.host) !== true) signMs.set(seen.host, told ? seen.startedMs : seen.atMs);
      mute.set(seen.host, told);
      if (told) silentMs.set(seen.host, seen.atMs);
    },
    asked(command) {
      if (command.kind === "careful") {
        meters.spoke(command.host, command.phase);
        if (command.phase !== "pre-fail") last.set(command.host, command);
        if (command.phase === "shutdown") meters.announced(command.host, command.event);
      events.set(command.host, (events.get(command.host) ?? new Set()).add(command.event));
        signMs.set(command.host, world.timeline.nowMs);
        return;
      }
      // A person's word, from the moment that it is spoken.
      if (!isPersons(command)) return;
      forget(command.host);
      last.set(command.host, command);
      if (command.kind === "power" || command.kind === "fence") offByPerson.delete(command.host);
    },
    answered(command, answer, _askedMs, life) {
      if (answer.exit === 0 && last.get("host" in command ? (command.host ?? "") : "") === command && (command.kind === "confirm-off" || (command.kind === "power" && command.action === "off"))) offByPerson.add(command.host);
      if (command.kind !== "careful" || answer.exit !== 0) return;
      if (command.phase === "normal") {
        if (record(command.host)?.careful === null) forget(command.host);
        return;
      }
      if (command.phase !== "shutdown") return;
      // It is a promise only when it is on the disk.
      const known = record(command.host);
      if (known?.wanted.state !== "off") {
        // Unless it was taken back, or a person has spoken, while it was answered.
        if (last.get(command.host) === command && world.policy.hosts.has(command.host)) world.fail("Planned", `${command.host} was told that its shutdown is heard, and it is not wanted off on the disk`);
        return;
      }
      world.counts.add("planned: heard");
      if ((known.careful ?? null) !== null) heard.set(command.host, { event: command.event, atMs: world.timeline.nowMs, life: life.number, withinMs: command.haltWithinMs ?? 0 });
    },
    told({ kind, host, because }) {
      if (kind === "policy") meters.reloaded();
      if (host === null) return;
      if (kind === "return" && because.startsWith("wanted on again")) {
        world.counts.add(because.includes("takes the shutdown back") ? "planned: taken back" : because.includes("never went down") ? "return: it never went down" : "return: it answered before");
        forget(host);
      }
      if (kind === "return" && because.startsWith("started by")) {
        if (offByPerson.has(host)) return world.fail("Planned", `${host} is started, and a person wants it off`);
        const known = heard.get(host);
        if (known !== undefined && known.life !== world.life?.number) world.counts.add("return: by another life than that which heard");
        if (emptied) world.counts.add("return: after an empty UPS");
        world.counts.add(because.startsWith("started by a power cycle") ? "return: by a power cycle" : `return: started otherwise`);
        inOrder(host);
        forget(host);
      }
      if (kind === "return" && because.startsWith("not started")) world.counts.add("return: turned back");
      if (kind === "careful" && because.startsWith("silent")) world.counts.add("planned: silent and not fenced");
    },
    calling({ writes, life }) {
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | null | undefined;
      if (lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent") return;
      aboutToCut(operation, life);
    },
    bytes({ action, operation }) {
      if (operation === null || operation.origin.kind === "auto" || operation.origin.event === undefined) return;
      world.counts.add(`return: ${action} bytes`);
    },
    audit() {
      const nowMs = world.timeline.nowMs;
      for (const host of world.hosts.keys()) if (!world.network.reaches(host) || world.network.referencesLost > 0) cutMs.set(host, nowMs);
      tellsOfThoseWhoStay(nowMs);
    },
  };

  /** None before those that it is after, of the same ledger: each serves, has been started, or cannot be. */
  function inOrder(host: string): void {
    const { life } = world;
    if (life === null || (life.watcher.state.hosts.get(host)?.record.careful?.asked ?? null) !== null) return;
    for (const other of life.policy.hosts.get(host)?.after ?? []) {
      const state = life.watcher.state.hosts.get(other);
      if (state?.record.careful?.state !== "off" || world.observed.last(other)?.outcome === "good") continue;
      if (state.startRefused !== null) continue;
      world.fail("Planned", `${host} is started before ${other}, which is down by the same outage and comes first`);
    }
  }

  /** Who was seen silent since may be booting. */
  function bootOf(host: string, silent: boolean): number {
    const { bootMs = 0, everyMs = 0, timeoutMs = 0 } = world.life?.policy.hosts.get(host) ?? {};
    if (!silent) return 0;
    return bootMs === 0 ? 5 * everyMs + timeoutMs : Math.max(bootMs, 2 * Math.max(0, ...(record(host)?.bootsMs ?? [])));
  }

  function tellsOfThoseWhoStay(nowMs: number): void {
    const { life } = world;
    for (const [host, known] of heard) {
      const truth = world.hosts.get(host);
      const policy = life?.policy.hosts.get(host);
      const kept = record(host)?.careful ?? null;
      const stays = life !== null && policy !== undefined && (truth?.condition === "up" || truth?.condition === "stopped") && kept?.state === "off" && kept.event === known.event && life.frozenUntilMs < nowMs && world.network.reaches(host) && world.network.loss === 0 && world.network.referencesLost === 0 && !world.disk.failing
        && policy.retryMs.length === 0 && nowMs - Math.max(truth.sinceMs, known.atMs, life.startedMs, cutMs.get(host) ?? 0, silentMs.get(host) ?? 0, life.frozenUntilMs) > Math.max(careful.haltBoundMs, known.withinMs, bootOf(host, kept.lastSign !== null)) + policy.healthyForMs + 3 * policy.everyMs + 10_000;
      if (!stays || life.alarms.has(`return:${host}`)) untold.delete(host);
      else untold.set(host, (untold.get(host) ?? 0) + 5_000);
      if ((untold.get(host) ?? 0) > 15_000) return world.fail("Planned", `${host} announced its shutdown ${Math.round(nowMs - known.atMs)} ms ago, is up, and nobody is told`);
    }
  }
}

/** A person's word about one host. */
export function isPersons(command: Command): command is Extract<Command, { host: string }> {
  return command.kind === "fence" || command.kind === "power" || command.kind === "confirm-off" || command.kind === "release";
}
