// Healthy (safety.md §5.2) and Freshness (§5.3) with several watchers: when the store carries out the swap of an automatic
// off, enough watchers of the roster have said down under the same host hash, each of them rests on a bad round that is
// young enough by true time, nobody says up, and the one who acts has seen nothing good since it decided.

import type { HostPolicy } from "../../../src/core/policy.ts";
import type { AliveRecord, VoteRecord, WatcherRecord } from "../../../src/core/records.ts";
import type { FleetChecker } from "../checker.ts";
import type { FleetLife } from "../life.ts";
import type { Look } from "../sight.ts";
import type { Carried, FleetWorld } from "../world.ts";
import type { Swap } from "./facts.ts";
import { automatic, swapOf } from "./facts.ts";

const DRIFT = 1.02;
/** Between the end of a round and its being taken note of, and the rounding of ages. */
const SLACK_MS = 50;
/** How long a changed word may be on its way. */
const SAID_MS = 2_000;

export function agreement(world: FleetWorld): FleetChecker {
  /** When each operation was decided on, by the order of everything. */
  const decidedMs = new Map<string, number>();
  /** Swaps that were on their way when the one who acts read its configuration again, by operation: the byte is judged by the new one. */
  const reloaded = new Map<number, { readonly carried: Carried; readonly swap: Swap }>();

  function looksOf(watcher: string, host: string): Look[] {
    const site = world.sites.get(watcher);
    if (site === undefined) return [];
    return [...site.pastLives.slice(-2), ...(site.life === null ? [] : [site.life])].flatMap((life) => life.sight.of(host));
  }

  function judge(carried: Carried, { operation }: Swap): void {
    const { life } = carried;
    const policy = life.policy.hosts.get(operation.host);
    const name = `${life.name} lets an automatic off go for ${operation.host} (operation ${operation.id})`;
    if (policy === undefined) return world.fail("Healthy", `${name}, which is not configured`);
    const all = world.server.all<WatcherRecord>("watcher");
    const roster = all.filter(({ ready }) => ready);
    const voices = roster.filter(({ self }) => !self.includes(operation.host));
    const votes = world.server.all<VoteRecord>("vote").filter(({ host }) => host === operation.host);
    const seen = votes.map(({ watcher, says }) => `${watcher} ${says}`).join(", ") || "no votes";
    const boundMs = DRIFT * (2 * policy.everyMs + policy.timeoutMs) + SLACK_MS;
    // A newcomer does not count among those who are asked before its first rounds; what it has seen of this host by then counts.
    const voter = (watcher: string): boolean => all.some((each) => each.watcher === watcher);
    const veto = votes.find(({ says, hash, watcher }) => says === "up" && hash === policy.hash && voter(watcher) && watcher !== life.site.name && isHeard(watcher, policy, boundMs, carried.atMs));
    if (veto !== undefined) return world.fail("Freshness", `${name} although ${veto.watcher} says up`);
    const down = new Set(votes.filter((vote) => vote.says === "down" && vote.hash === policy.hash && voter(vote.watcher) && young(vote.watcher, policy, boundMs, carried.atMs)).map(({ watcher }) => watcher));
    // Its own word it need not write to itself.
    if (young(life.site.name, policy, boundMs, carried.atMs)) down.add(life.site.name);
    const need = Math.floor(Math.min(life.policy.observers, Math.max(1, voices.length)) / 2) + 1;
    // Alone among those who look at this host: the others have a word on record.
    const others = world.server.all<AliveRecord>("alive").filter(({ watcher }) => watcher !== life.site.name && votes.some((vote) => vote.watcher === watcher && vote.says !== "abstain"));
    const enough = down.size >= need || (life.policy.lone === "act" && others.length === 0 && down.size >= 1);
    if (!enough) world.fail("Healthy", `${name} with ${down.size} voices that count (${seen}), and ${need} of ${roster.length} are needed`);
  }

  /** It says what it has just seen, and nothing keeps its word from being heard. */
  function isHeard(watcher: string, policy: HostPolicy, boundMs: number, atMs: number): boolean {
    const site = world.sites.get(watcher);
    // Without a session nobody can say anything.
    if (site === undefined || !site.awake(atMs) || !site.whole || (site.life?.heldUntilMs ?? null) === null) return false;
    const last = site.life?.sight.last(policy.name);
    // What it saw before its session it may have no reason to repeat: perhaps it does not look at this host any more.
    return last !== undefined && last.outcome === "good" && atMs - last.atMs <= boundMs && last.atMs >= (site.life?.sessionSinceMs ?? Infinity);
  }

  /** Its word rests on a bad round of late. */
  function young(watcher: string, policy: HostPolicy, boundMs: number, atMs: number): boolean {
    return looksOf(watcher, policy.name).some((look) => bad(look, atMs) && look.atMs <= atMs && atMs - look.atMs <= boundMs);
  }

  /** An answer that came late takes a word back as soon as that can have been said. */
  function bad(look: Look, atMs: number): boolean {
    return look.outcome === "bad" || (look.outcome === "slow" && look.slowAtMs !== null && atMs - look.slowAtMs <= world.spec.callMs + SAID_MS);
  }

  /** What the one who acts has seen itself. */
  function freshEyes(life: FleetLife, host: string, sinceMs: number, untilMs: number, name: string): void {
    const looks = life.sight.of(host).filter((look) => look.atMs < untilMs);
    const last = looks.at(-1);
    if (last === undefined || last.outcome !== "bad") return world.fail("Healthy", `${name}: its own last round was ${last?.outcome ?? "none"}`);
    if (looks.some((look) => look.outcome === "good" && look.atMs > sinceMs)) world.fail("Freshness", `${name}: a good round came after the decision`);
  }

  return {
    invariant: "Healthy",
    commit(carried) {
      for (const { key, value } of carried.writes) {
        if (!key.startsWith("op/") || value === null) continue;
        const operation = value as Swap["operation"];
        const level = `${operation.id}/${operation.level}`;
        // A successor decides anew: what it has earned is judged by resume.ts.
        if (!decidedMs.has(level)) decidedMs.set(level, carried.calledMs);
      }
      const swap = swapOf(world, carried);
      if (!automatic(swap)) return;
      // Carried out too late: no byte follows a swap that was asked for longer ago than checkWindow.
      if (carried.atMs - carried.calledMs > DRIFT * carried.life.policy.limits.checkWindowMs + SLACK_MS) return;
      world.counts.add("agreement: swaps of automatic offs");
      const bornBy = world.bornIn(swap.operation);
      if (bornBy !== carried.life && bornBy !== undefined) decidedMs.set(`${swap.operation.id}/${swap.operation.level}`, Math.max(decidedMs.get(`${swap.operation.id}/${swap.operation.level}`) ?? 0, lastGoodMs(carried.life, swap.operation.host)));
      reloaded.delete(swap.operation.id);
      if (carried.life.reloadedMs >= carried.calledMs) reloaded.set(swap.operation.id, { carried, swap });
      else judge(carried, swap);
    },
    // A swap may have waited for its turn, and then come to nothing: what counts is what has been seen before the byte.
    bytes({ action, operation, life: process, sentMs }) {
      if (action === "on" || operation === null || operation.origin.kind !== "auto") return;
      const life = process as FleetLife;
      const late = reloaded.get(operation.id);
      if (late?.carried.life === life) judge({ ...late.carried, atMs: sentMs }, late.swap);
      freshEyes(life, operation.host, decidedMs.get(`${operation.id}/${operation.level}`) ?? sentMs, Math.min(sentMs, life.sawMs), `${life.name} sends off to ${operation.host} (operation ${operation.id})`);
    },
    strikes(fault) {
      if (fault !== "store-wiped" && fault !== "store-restored") return;
      decidedMs.clear();
      reloaded.clear();
    },
  };

  function lastGoodMs(life: FleetLife, host: string): number {
    return life.sight.of(host).findLast(({ outcome }) => outcome === "good")?.atMs ?? 0;
  }
}
