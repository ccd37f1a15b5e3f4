// Careful shutdown, on the host (safety.md §1 *Wanted*, §5.8 and §5.10; ADR 29), judged by what the sensors would find and what reached the
// agent, and never by what it thinks. Power that is truly gone, and can be seen to be, for the whole bound: the host is off by
// then, unless it is told only to watch. Power that is truly good: what was stopped runs again. No outage shorter than
// configured, no unknown and no doubt stops anything; nothing is stopped before the watchers are told; stages stop when power
// returns, and what is started again is what was stopped.

import type { CarefulMoment } from "../careful-process.ts";
import type { CarefulMachine } from "../careful-machine.ts";
import type { Checker } from "../checker.ts";
import type { OutageScene, Outages } from "../outages.ts";

/** A look that takes its time, and how many records are written on the way. */
const LOOK_MS = 2_200;
const SAVES_MS = 3_000;
const ANNOUNCE_MS = 3_100;
const SURVEY_MS = 500;

type Story = {
  readonly machine: CarefulMachine;
  boot: string;
  /** Of the looks: since when they were not good and one was lost, were unknown, were good, without a break. */
  lostMs: number | null;
  unknownMs: number | null;
  goodMs: number | null;
  last: "good" | "lost" | "unknown" | null;
  /** It is proved that power is gone, and it has not been good since. */
  proved: boolean;
  readonly provedEvents: Set<string>;
  /** What this process has announced. */
  readonly announced: Set<string>;
  /** Stages that were run, and not undone. */
  readonly ran: Set<string>;
  /** Obligations, and what had been taken from the machine when they began. */
  down: { readonly sinceMs: number; readonly heldUpMs: number } | null;
  up: { readonly sinceMs: number; readonly heldUpMs: number; readonly ends: number } | null;
};

export function carefully(world: Pick<OutageScene, "timeline" | "counts" | "fail"> & { readonly outages: Outages | null }): Pick<Checker, "invariant" | "careful" | "audit"> {
  const { outages } = world;
  if (outages === null) return { invariant: "Careful" };
  const stories = new Map([...outages.machines.values()].map((machine) => [machine, fresh(machine)]));
  const wrong = (machine: CarefulMachine, what: string): void => world.fail("Careful", `${machine.name} ${what}`);

  return {
    invariant: "Careful",
    careful(moment) {
      const { machine } = moment.process;
      const story = stories.get(machine) as Story;
      if (story.boot !== machine.now().bootId) Object.assign(story, { ...fresh(machine), down: story.down, up: story.up });
      switch (moment.kind) {
        case "begins":
        case "ends":
          story.announced.clear();
          story.last = null;
          // Recorded, and its process killed: nobody knows whether it was run.
          for (const { plan, state } of moment.process.state.record.stages) if (state === "stopping") story.ran.add(plan.name);
          return;
        case "looked":
          return looked(story, moment);
        case "announces": {
          const { event, phase } = moment.announcement;
          if (phase !== "shutdown") return;
          const why = unproved(story, event);
          if (why !== null) return wrong(machine, `announces its shutdown, and ${why}`);
          story.announced.add(event);
          return;
        }
        case "acts":
          return acts(story, moment);
      }
    },
    audit() {
      for (const story of stories.values()) {
        goesOff(story);
        comesBack(story);
      }
    },
  };

  function looked(story: Story, { sensed }: Extract<CarefulMoment, { kind: "looked" }>): void {
    const { machine } = story;
    const { nowMs } = world.timeline;
    const { waitMs, unknownAfterMs } = machine.spec.policy;
    story.last = sensed.verdict;
    story.goodMs = sensed.verdict === "good" ? (story.goodMs ?? nowMs) : null;
    story.unknownMs = sensed.verdict === "unknown" ? (story.unknownMs ?? nowMs) : null;
    if (sensed.verdict === "good") [story.lostMs, story.proved] = [null, false];
    if (sensed.verdict === "lost") story.lostMs ??= nowMs;
    // A millisecond is what the host's clock rounds.
    const lostLong = sensed.verdict === "lost" && story.lostMs !== null && (sensed.urgent || nowMs - story.lostMs >= waitMs - 2);
    const unknownLong = unknownAfterMs !== null && story.unknownMs !== null && nowMs - story.unknownMs >= unknownAfterMs - 2;
    if (lostLong || unknownLong) story.proved = true;
    if (unknownLong && !lostLong) world.counts.add("careful: unknown for too long");
  }

  /** One outage is proved once. */
  function unproved(story: Story, event: string): string | null {
    if (story.provedEvents.has(event)) return null;
    // Its disk failed before it was killed: it goes on with the wait of an outage that was over long ago, and cannot know that.
    if (!story.proved && story.lostMs !== null && story.machine.forgot) {
      world.counts.add("careful: goes on from a record that was out of date");
      story.proved = true;
    }
    if (!story.proved) return `power has not been found lost for its wait: ${story.lostMs === null ? "no look has found it lost" : `it was found lost ${Math.round(world.timeline.nowMs - story.lostMs)} ms ago`}, the last look says ${story.last ?? "nothing"}`;
    story.provedEvents.add(event);
    return null;
  }

  function acts(story: Story, { process, effect }: Extract<CarefulMoment, { kind: "acts" }>): void {
    const { machine } = story;
    const { policy, idle } = machine.spec;
    const { record } = process.state;
    if (policy.observes !== null) return wrong(machine, `is told only to watch, and does ${effect.kind}`);
    if (effect.kind === "undo") {
      world.counts.add("careful: a stage is started again");
      const goodForMs = story.goodMs === null || story.last !== "good" ? -1 : world.timeline.nowMs - story.goodMs;
      if (goodForMs < policy.steadyMs - 2) return wrong(machine, `starts ${effect.plan.name} again when power has been found good for ${Math.round(goodForMs)} ms of ${policy.steadyMs}`);
      if (!story.ran.has(effect.plan.name)) return wrong(machine, `starts ${effect.plan.name}, which it has not stopped`);
      const stranger = effect.active.find((unit) => idle.has(unit));
      if (stranger !== undefined) return wrong(machine, `starts ${stranger}, which was not active before`);
      return;
    }
    if (story.last === null || story.last === "good") return wrong(machine, `does ${effect.kind} when ${story.last === null ? "it has not looked" : "its last look was good"}`);
    const why = unproved(story, record.event ?? "");
    if (why !== null) return wrong(machine, `does ${effect.kind}, and ${why}`);
    if (!story.announced.has(record.event ?? "")) return wrong(machine, `does ${effect.kind}, and has not told the watchers that it shuts down`);
    const at = effect.kind === "run" ? effect.stage : record.stages.length;
    const early = record.stages.slice(0, at).find(({ plan }) => !story.ran.has(plan.name));
    if (early !== undefined) return wrong(machine, `does ${effect.kind === "run" ? effect.plan.name : effect.kind} before ${early.plan.name}`);
    if (effect.kind === "run") story.ran.add(effect.plan.name);
    world.counts.add(effect.kind === "run" ? "careful: a stage is stopped" : "careful: ordered to power off");
  }

  /** Off by its bound. */
  function goesOff(story: Story): void {
    const { machine } = story;
    const { nowMs } = world.timeline;
    const { policy } = machine.spec;
    const owes = machine.runs && machine.lostSinceMs !== null && policy.observes === null;
    if (!owes || machine.forgot || machine.lostSinceMs === null) return void (story.down = null);
    if (story.down === null) world.counts.add("obligation: a host without power is to be off");
    if (story.down === null || story.down.sinceMs < machine.lostSinceMs) story.down = { sinceMs: Math.max(machine.lostSinceMs, machine.ranSinceMs), heldUpMs: machine.heldUpMs };
    const stagesMs = policy.stages.reduce((sum, { limitMs }) => sum + limitMs + SURVEY_MS, 0);
    const undoMs = Math.max(0, ...policy.stages.map(({ limitMs }) => limitMs));
    const boundMs = policy.lookEveryMs + policy.waitMs * (1 + policy.jitter) + policy.afterMs + stagesMs + undoMs + policy.haltMs + 3 * LOOK_MS + ANNOUNCE_MS + SAVES_MS + machine.hung * (policy.stuckMs + LOOK_MS);
    // What its death takes from it is known when it is back.
    if (machine.process === null) return;
    const lateMs = nowMs - story.down.sinceMs - boundMs - (machine.heldUpMs - story.down.heldUpMs);
    if (lateMs > 0) return wrong(machine, `is on, ${Math.round(nowMs - story.down.sinceMs)} ms after its power was gone, and its bound is ${Math.round(boundMs)} ms`);
  }

  /** All that it stopped runs again. */
  function comesBack(story: Story): void {
    const { machine } = story;
    const { nowMs } = world.timeline;
    const { policy } = machine.spec;
    if (!machine.runs || machine.goodSinceMs === null || machine.whole || machine.forgot || machine.givenUp) return void (story.up = null);
    if (story.up === null) world.counts.add("obligation: what was stopped is to run again");
    if (story.up === null || story.up.sinceMs < machine.goodSinceMs) story.up = { sinceMs: Math.max(machine.goodSinceMs, machine.ranSinceMs), heldUpMs: machine.heldUpMs, ends: machine.ends };
    const stagesMs = policy.stages.reduce((sum, { limitMs }) => sum + limitMs, 0);
    const stopMs = Math.max(0, ...policy.stages.map(({ limitMs }) => limitMs)) + SURVEY_MS;
    const boundMs = policy.lookEveryMs + policy.steadyMs + stopMs + stagesMs + 3 * LOOK_MS + ANNOUNCE_MS + SAVES_MS + policy.stuckMs + policy.lookEveryMs;
    if (machine.process === null) return;
    const lateMs = nowMs - story.up.sinceMs - boundMs - (machine.heldUpMs - story.up.heldUpMs) - (machine.ends - story.up.ends) * policy.steadyMs;
    if (lateMs > 0) return wrong(machine, `has power for ${Math.round(nowMs - story.up.sinceMs)} ms, and not all that was stopped runs again; its bound is ${Math.round(boundMs)} ms`);
  }
}

function fresh(machine: CarefulMachine): Story {
  return { machine, boot: machine.now().bootId, lostMs: null, unknownMs: null, goodMs: null, last: null, proved: false, provedEvents: new Set(), announced: new Set(), ran: new Set(), down: null, up: null };
}
