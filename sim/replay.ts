// Explain and replay (safety.md §5.18), judged on what each life of the watcher recorded: the inputs, fed to `step` once
// more, give the same effects, byte for byte; every effect says why and names an event that exists; a refusal is told once
// for each reason.
//
// Unknown (§5.10, second half): the same inputs with some bad rounds turned into unknown ones, or good ones, never lead to
// an off that was not there, up to the first point at which the two go different ways.

import type { Effect, Input, Told } from "../src/core/io.ts";
import type { Policy } from "../src/core/policy.ts";
import type { Operation } from "../src/core/records.ts";
import type { Round } from "../src/core/round.ts";
import type { State } from "../src/core/state.ts";
import { emptyState } from "../src/core/state.ts";
import { step } from "../src/core/step.ts";
import type { Now } from "../src/core/time.ts";
import type { Life } from "./life.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

/** Judges the replay of every life; fails the world at the first difference. */
export function judgeReplay(world: World): void {
  const known = new Set<number>();
  const lives = [...world.pastLives, ...(world.life === null ? [] : [world.life])];
  for (const life of lives) {
    again(world, life, known);
    if (world.violation !== null) return;
  }
  const random = new Random(world.spec.seed, "unknown");
  for (const life of lives) {
    if (!life.outputs.some((output) => (output as Partial<Told>).kind === "down")) continue;
    otherwise(world, life, random);
    if (world.violation !== null) return;
  }
}

/** What a life has left behind. */
export type Recorded = {
  readonly number: number;
  readonly alive: boolean;
  readonly inputs: readonly { readonly input: Input; readonly now: Now }[];
  readonly policies: readonly { readonly at: number; readonly policy: Policy }[];
  readonly outputs: readonly unknown[];
};

function policyAt(life: Recorded, at: number): Policy {
  return (life.policies.findLast((each) => each.at <= at) ?? life.policies[0] as Recorded["policies"][number]).policy;
}

/** Replays one life and compares; `known` are the lines of the journal that there are, and grows. */
export function again(world: { fail(invariant: string, what: string): void }, life: Recorded, known: Set<number>): void {
  let state = emptyState();
  let at = 0;
  const refusals = new Map<string, string>();
  for (const [index, { input, now }] of life.inputs.entries()) {
    const next = step(state, input, now, policyAt(life, index));
    ({ state } = next);
    for (const effect of next.effects) {
      const wrong = unexplained(effect, known) ?? (effect.kind === "tell" ? toldTwice(effect.told, refusals) : null);
      if (wrong !== null) return world.fail("Explain", wrong);
      const output = outputOf(effect);
      if (output === null) continue;
      // A life that was killed did not carry out what came after that.
      if (at >= life.outputs.length && !life.alive) return;
      const recorded = JSON.stringify(life.outputs[at]);
      const replayed = JSON.stringify(output);
      if (recorded !== replayed) return world.fail("Replay", `input ${index} (${input.kind}) of watcher ${life.number} gave ${recorded?.slice(0, 200)}, and in the replay ${replayed.slice(0, 200)}`);
      at += 1;
    }
  }
}

function unexplained(effect: Effect, known: Set<number>): string | null {
  if (effect.kind === "tell") {
    const { told } = effect;
    known.add(told.seq);
    if (told.because === "") return `line ${told.seq} (${told.kind}) does not say why`;
    return told.cause === null || (told.cause < told.seq && known.has(told.cause)) ? null : `line ${told.seq} (${told.kind}) names line ${told.cause}, which does not exist`;
  }
  if ("because" in effect && effect.because === "") return `effect ${effect.kind} does not say why`;
  return !("cause" in effect) || known.has(effect.cause) ? null : `effect ${effect.kind} names line ${effect.cause}, which does not exist`;
}

/** Lines about a host after which the same refusal is news again. */
const CHANGES = new Set<string>(["down", "better", "recovered", "intended", "withdrawn", "held", "released", "done", "brake-ended", "brake"]);

function toldTwice(told: Told, refusals: Map<string, string>): string | null {
  const { host, kind } = told;
  if (kind === "policy" || kind === "clock" || kind === "charge" || kind === "watcher" || (host === null && (kind === "brake-ended" || kind === "brake"))) refusals.clear();
  if (host === null) return null;
  if (CHANGES.has(kind)) refusals.delete(host);
  if (kind !== "refused" || !told.because.startsWith("not cut")) return null;
  const reason = told.because.replace(/\d[\d.]* (ms|s|min|h|d)\b( \d+ (s|min))?/g, "…").replace(/\d+/g, "#");
  if (refusals.get(host) === reason) return `${host} was told twice of the same refusal: ${told.because}`;
  refusals.set(host, reason);
  return null;
}

function outputOf(effect: Effect): unknown {
  switch (effect.kind) {
    case "store":
      return { guards: effect.guards, writes: effect.writes };
    case "tell":
      return effect.told;
    case "alarm":
      return { alarm: effect.alarm, again: effect.again };
    case "alarm-over":
      return { alarm: effect.alarm, because: effect.because };
    case "incident":
      return effect.record;
    default:
      return null;
  }
}

// ---- the same inputs, a little better ---------------------------------------------------------------------------------

function otherwise(world: World, life: Life, random: Random): void {
  // Illness at the wrong moment is itself what holds a host (§3.5), says that we felled it (§4.5), or keeps the word of its kernel (§3.4): better rounds free it.
  const ill = (told: Partial<Told>): boolean => (told.kind === "held" && told.because?.includes("ran out while") === true) || told.kind === "contradicted" || (told.kind === "refused" && told.because?.includes("its kernel boots anew") === true);
  if (life.outputs.some((output) => ill(output as Partial<Told>))) return;
  const share = random.pick([0.03, 0.15, 0.5]);
  const calm = !life.outputs.some((output) => ["storm", "held"].includes((output as Partial<Told>).kind ?? ""));
  const better = calm && random.chance(0.4) ? random.pick([...world.hosts.keys()]) : null;
  let state = emptyState();
  let other = emptyState();
  let changed = 0;
  for (const [index, { input, now }] of life.inputs.entries()) {
    const policy = policyAt(life, index);
    let instead = input;
    if (input.kind === "round" && isPlainBad(input.round) && (better === null ? votes(policy, input.round) : (input.round.host === better && !teaches(state, input.round))) && random.chance(share)) {
      instead = { kind: "round", round: turned(input.round, better === null ? "unknown" : "good") };
      changed += 1;
    }
    const one = step(state, input, now, policy);
    const two = step(other, instead, now, policy);
    state = one.state;
    other = two.state;
    const was = commands(one.effects);
    const is = commands(two.effects);
    if (was.join() === is.join()) continue;
    const added = offs(two.effects).find((off) => !offs(one.effects).includes(off) && (better === null || off.endsWith(` ${better}`)));
    if (added !== undefined) {
      world.fail("Unknown", `with ${changed} bad rounds turned into ${better === null ? "unknown" : "good"} ones watcher ${life.number} does ${added} at input ${index} (${input.kind}), and did not before`);
    }
    break;
  }
  if (changed > 0) world.counts.add("unknown: lives tried again with better rounds");
}

/** A refused connection is a sign of an orderly reboot, a brake; to take it away may well add an off. */
function isPlainBad(round: Round): boolean {
  return round.results.some((result) => result.outcome === "bad") && round.results.every((result) => result.sign !== "refused");
}

/** Of a probe that abstains, unknown is no vote: without it such a round may be a good one, and those come under the rules of good ones. */
function votes({ hosts }: Policy, round: Round): boolean {
  const probes = hosts.get(round.host)?.probes ?? [];
  return round.results.every((result) => result.outcome !== "bad" || probes.find(({ id }) => id === result.probe)?.abstains !== true);
}

/** A first pass is what guards a host at all: to give it one earlier may well add an off. */
function teaches(state: State, round: Round): boolean {
  const learned = state.hosts.get(round.host)?.record.learned;
  return learned === undefined || learned.seenHealthyAt === null || round.results.some((result) => result.outcome === "bad" && !learned.passed.includes(result.probe));
}

function turned(round: Round, to: "unknown" | "good"): Round {
  return {
    ...round,
    results: round.results.map((result) => (result.outcome !== "bad" ? result : to === "good" ? { ...result, outcome: "good", sign: "answer" } : { ...result, outcome: "unknown", sign: "not-run" })),
  };
}

/** What goes out into the world and comes back under a number: while these agree, the recorded answers fit both. */
function commands(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    switch (effect.kind) {
      case "store":
        return [`store ${effect.txn}`];
      case "act":
        return [`act ${effect.act} ${effect.action} ${effect.outlet.device}/${effect.outlet.outlet}`];
      case "fire":
      case "cancel":
        return [`${effect.kind} ${effect.act}`];
      case "read":
        return [`read ${effect.read}`];
      case "meter":
        return [`meter ${effect.meter}`];
      case "touch":
        return [`touch ${effect.touch}`];
      case "remedy":
        return [`remedy ${effect.remedy} ${effect.host}`];
      case "order":
        return [`${effect.order} ${effect.id} ${effect.host}`];
      default:
        return [];
    }
  });
}

/** Automatic offs that these effects begin or carry on, by host. */
function offs(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    if (effect.kind !== "store") return [];
    return effect.writes.flatMap(({ key, value }) => {
      if (!key.startsWith("op/") || value === null) return [];
      const operation = value as Operation;
      return operation.origin.kind === "auto" && operation.kind === "cycle" && operation.withdrawing === null && (operation.phase === "intended" || operation.phase === "off-sent") ? [`${operation.phase} of ${operation.host}`] : [];
    });
  });
}
