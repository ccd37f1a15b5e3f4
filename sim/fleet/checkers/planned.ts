// Planned shutdown and the return of power (ADR 28) with several watchers: as with one (../../checkers/planned.ts), whomever an agent
// told and whoever acts, judged when the store carries the swap out. What one watcher has answered as heard no other one fences; a
// start waits for `haltBound` since the last sign of life that reached who acts, for `returnAfter` of good power in his own
// sense, and starts what its event shut down; nobody cuts a host that has been up and in everybody's sight all along.

import type { Command } from "../../../src/core/io.ts";
import type { HostRecord } from "../../../src/core/records.ts";
import { isPersons } from "../../checkers/planned.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { Look } from "../sight.ts";
import type { FleetWorld } from "../world.ts";
import { isAnotherStore, isOfAnotherStore, swapOf } from "./facts.ts";

/** Clocks are off by a hundredth at most. */
const DRIFT = 0.98;
const SLACK_MS = 1_500;
const AT_ONCE_MS = 5_000;

export function planned(world: FleetWorld): FleetChecker {
  const { outages } = world;
  if (outages === null) return { invariant: "Planned" };
  const { careful } = outages.spec;
  /** Heard, and not taken back, started or taken over by a person since. */
  const heard = new Map<string, { readonly event: string; readonly atMs: number }>();
  const events = new Map<string, Set<string>>();
  const last = new Map<string, Command>();
  const offByPerson = new Set<string>();
  /** For each life the last sign of a host that reached it, and whether the looks since were told nothing. */
  const signs = new WeakMap<FleetLife, Map<string, { atMs: number; mute: boolean }>>();
  const record = (host: string): HostRecord | undefined => world.durable<HostRecord>(`host/${host}`);

  function sign(life: FleetLife, host: string, silent: boolean, startedMs: number): void {
    const known = signs.get(life) ?? new Map<string, { atMs: number; mute: boolean }>();
    signs.set(life, known);
    const before = known.get(host);
    // It may have lived until the first look that nothing answered.
    if (!silent || before?.mute !== true) known.set(host, { atMs: silent ? startedMs : world.timeline.nowMs, mute: silent });
  }

  function isSilent({ round, outcome }: Look): boolean {
    return round.references !== "lost" && outcome !== "unknown" && round.results.every((result) => result.outcome === "bad" && result.sign === "silent");
  }

  function startIsWrong(life: FleetLife, host: string, event: string): string | null {
    const { nowMs } = world.timeline;
    if (events.get(host)?.has(event) !== true) return `${host} is started by event ${event}, which has not shut it down`;
    const silentMs = nowMs - Math.max(signs.get(life)?.get(host)?.atMs ?? 0, life.startedMs);
    if (silentMs < DRIFT * careful.haltBoundMs - SLACK_MS) return `${host} is cut ${Math.round(silentMs)} ms after its last sign of life, and ${careful.haltBoundMs} ms are the least`;
    const truth = world.hosts.get(host);
    const policy = world.policyOf(host);
    const quietMs = policy === undefined ? Infinity : 3 * policy.everyMs + policy.timeoutMs + 5_000;
    const seenMs = nowMs - Math.max(life.site.troubledMs, life.startedMs, ...life.pauses.map(({ toMs }) => toMs));
    if (truth?.condition === "up" && nowMs - truth.sinceMs > quietMs && seenMs > quietMs && life.site.whole) return `${host} is up and served all along, and is cut for its return`;
    if ((record(host)?.careful?.asked ?? null) !== null || !careful.sensed) return null;
    const said = outages!.said(life);
    const goodMs = nowMs - said.notGoodMs;
    return said.state === "lost" || goodMs < DRIFT * careful.returnAfterMs - SLACK_MS ? `${host} is cut for its return, and power has been good for ${Math.round(goodMs)} ms of ${careful.returnAfterMs}` : null;
  }

  return {
    invariant: "Planned",
    strikes(fault) {
      if (!isAnotherStore(fault)) return;
      heard.clear();
      offByPerson.clear();
    },
    look(look, life) {
      sign(life, look.host, isSilent(look), look.startedMs);
    },
    asked({ command, life }) {
      if (command.kind === "careful") {
        if (command.phase !== "pre-fail") last.set(command.host, command);
        events.set(command.host, (events.get(command.host) ?? new Set()).add(command.event));
        return sign(life, command.host, false, 0);
      }
      // A person's word, from the moment that it is spoken.
      if (!isPersons(command)) return;
      heard.delete(command.host);
      last.set(command.host, command);
      if (command.kind === "power" || command.kind === "fence") offByPerson.delete(command.host);
    },
    answered({ command, life, askedMs }, answer) {
      if (answer.exit !== 0 || isOfAnotherStore(world, life) || !("host" in command) || last.get(command.host ?? "") !== command) return;
      if (command.kind === "confirm-off" || (command.kind === "power" && command.action === "off")) offByPerson.add(command.host);
      if (command.kind !== "careful") return;
      const known = record(command.host);
      if (command.phase === "normal" && (known?.careful ?? null) === null) heard.delete(command.host);
      if (command.phase !== "shutdown") return;
      if (known === undefined) return;
      // An answer that comes late may find it started, or serving, meanwhile.
      if (known.wanted.state !== "off") return void (world.timeline.nowMs - askedMs < AT_ONCE_MS && world.fail("Planned", `${command.host} was told by ${life.name} that its shutdown is heard, and it is not wanted off in the store`));
      world.counts.add("planned: heard");
      if ((known.careful ?? null) !== null) heard.set(command.host, { event: command.event, atMs: world.timeline.nowMs });
    },
    changed(changes) {
      // Wanted on again, started or held: all of it stands in the record.
      for (const { key } of changes) {
        const host = key.startsWith("host/") ? key.slice("host/".length) : "";
        if (heard.has(host) && record(host)?.careful?.state !== "off") heard.delete(host);
      }
    },
    told({ kind, host, because }, life) {
      if (host === null || kind !== "return") return;
      if (because.startsWith("wanted on again")) world.counts.add("planned: wanted on again");
      if (because.startsWith("not started")) world.counts.add("return: turned back");
      if (!because.startsWith("started by")) return;
      world.counts.add(because.startsWith("started by a power cycle") ? "return: by a power cycle" : "return: started otherwise");
      if (offByPerson.has(host) && !isOfAnotherStore(world, life) && record(host)?.wanted.state === "off" && (record(host)?.careful ?? null) === null) world.fail("Planned", `${life.name} starts ${host}, and a person wants it off`);
    },
    commit(carried) {
      const swap = swapOf(world, carried);
      if (swap === null) return;
      const { host, origin } = swap.operation;
      if (origin.kind === "auto") {
        const known = heard.get(host);
        if (known !== undefined) world.fail("Planned", `${carried.life.name} lets an automatic off go for ${host}, whose careful shutdown (event ${known.event}) was heard ${Math.round(carried.atMs - known.atMs)} ms before`);
        return;
      }
      if (origin.event === undefined) return;
      const wrong = startIsWrong(carried.life, host, origin.event);
      if (wrong !== null) world.fail("Planned", `${carried.life.name}: ${wrong}`);
    },
  };
}
