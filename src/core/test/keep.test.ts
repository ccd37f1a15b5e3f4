// Keeping one thing running: the walk in words, and the rules that hold for every history, judged by what truly ran.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KEEP_FRESH, keep, nextLookMs } from "../keep.ts";
import type { KeepInput, KeepPolicy, KeepRecord, KeepTurn, Seen } from "../keep.ts";

const POLICY: KeepPolicy = { name: "web", threshold: 3, startupMs: 30_000, backoffMs: 1_000, backoffMaxMs: 300_000, stableMs: 60_000, tries: 5, withinMs: 600_000, always: false };

/** A script of looks and answers, one line each, as it is told. */
function transcript(inputs: readonly (readonly [number, KeepInput])[], policy = POLICY, from: KeepRecord = KEEP_FRESH): { lines: string[]; record: KeepRecord } {
  const lines: string[] = [];
  let record = from;
  for (const [seconds, input] of inputs) {
    const turn = keep(record, input, seconds * 1_000, policy);
    record = turn.record;
    lines.push(`${seconds} ${turn.word === null ? "-" : `${turn.word.verdict}: ${turn.word.because}`}${turn.effect === null ? "" : ` > ${turn.effect.kind}`}`);
  }
  return { lines, record };
}
const look = (state: Seen["state"], health: Seen["health"] = "none", held: string | null = null): KeepInput => ({ kind: "look", seen: { state, health, evidence: health === "bad" ? "no answer" : `web is ${state}` }, held });
const OK: KeepInput = { kind: "started", ok: true, evidence: "process 7" };

test("what has ended is started again, ever more slowly, and given up aloud", () => {
  const down = look("down");
  const { lines } = transcript([
    [0, look("up")], [5, down], [6, down], [6, OK], [10, down], [11, down], [12, down], [12, OK], [15, look("up")], [20, down], [24, down], [24, OK],
    [25, down], [33, down], [33, OK], [35, down], [51, down], [51, OK], [55, down], [60, look("up")], [121, look("up")],
  ]);
  assert.deepEqual(lines, [
    "0 good: web is up",
    "5 warn: web is down; started again in 1 s",
    "6 warn: is started again: web is down > start",
    "6 warn: started again: web is down",
    "10 warn: web is down; started again in 2 s",
    "11 -",
    "12 warn: is started again: web is down > start",
    "12 warn: started again: web is down",
    "15 good: web is up",
    "20 warn: web is down; started again in 4 s",
    "24 warn: is started again: web is down > start",
    "24 warn: started again: web is down",
    "25 warn: web is down; started again in 8 s",
    "33 warn: is started again: web is down > start",
    "33 warn: started again: web is down",
    "35 warn: web is down; started again in 16 s",
    "51 warn: is started again: web is down > start",
    "51 warn: started again: web is down",
    "55 bad: given up after 5 starts: web is down",
    "60 bad: given up (given up after 5 starts: web is down); it runs now",
    "121 good: web is up",
  ]);
});

test("what runs and does not serve is stopped and then started; what does not stop is not started", () => {
  const bad = look("up", "bad");
  const { lines, record } = transcript([[0, look("up", "good")], [5, bad], [10, bad], [12, look("up", "unknown")], [15, bad], [16, bad], [18, { kind: "stopped", ok: true, evidence: "" }], [19, OK], [20, bad], [48, bad], [50, bad], [55, bad], [60, bad], [65, bad], [66, { kind: "stopped", ok: false, evidence: "process 7 does not end" }]]);
  assert.deepEqual(lines, [
    "0 good: web is up",
    "5 warn: 1 of 3 bad looks: no answer",
    "10 warn: 2 of 3 bad looks: no answer",
    "12 unknown: it runs, and cannot be probed: web is up",
    "15 warn: no answer; started again in 1 s",
    "16 warn: is stopped, to be started again: no answer > stop",
    "18 warn: is started again: no answer > start",
    "19 warn: started again: no answer",
    "20 warn: starting: no answer",
    "48 warn: 1 of 3 bad looks: no answer",
    "50 warn: 2 of 3 bad looks: no answer",
    "55 warn: no answer; started again in 2 s",
    "60 warn: is stopped, to be started again: no answer > stop",
    "65 warn: no answer; started again in 4 s",
    "66 bad: cannot be stopped, so it is not started again: process 7 does not end",
  ].map((line) => line));
  assert.equal(record.phase, "watching");
});

test("a person's stop and a person's hold are left alone, and an agent's own stop is not taken for one", () => {
  assert.deepEqual(transcript([[0, look("up")], [5, look("stopped")], [99, look("stopped")]]).lines.slice(1), ["5 warn: web is stopped: left alone, somebody stopped it in order", "99 warn: web is stopped: left alone, somebody stopped it in order"]);
  // systemd has forgotten it: before it ever ran, it is to run; after that, somebody stopped it.
  assert.deepEqual(transcript([[0, look("forgotten")], [1, look("forgotten")], [1, OK], [2, look("up")], [9, look("forgotten")]]).lines.map((line) => line.split(";")[0]), ["0 warn: web is forgotten", "1 warn: is started again: web is forgotten > start", "1 warn: started again: web is forgotten", "2 good: web is up", "9 warn: web is forgotten: left alone, somebody stopped it in order"]);
  assert.match(transcript([[0, look("stopped")]], { ...POLICY, always: true }).lines[0] ?? "", /started again in 1 s/);
  assert.deepEqual(transcript([[0, look("down", "none", "held: disk")], [9, look("down", "none", "held: disk")]]).lines, ["0 warn: web is down; held: disk", "9 warn: web is down; held: disk"]);
  // Killed between its stop and its start.
  const { record } = transcript([[0, look("up", "bad")], [5, look("up", "bad")], [10, look("up", "bad")], [11, look("up", "bad")]]);
  assert.equal(record.phase, "stopping");
  assert.deepEqual(transcript([[20, { kind: "resumed" }], [20, look("stopped")], [22, look("stopped")]], POLICY, record).lines, ["20 -", "20 warn: web is stopped; started again in 2 s", "22 warn: is started again: web is stopped > start"]);
});

test("only a start doubles the pause: not one that was held up, nor one that an agent's end cut short", () => {
  const held = look("down", "none", "waits for db");
  const { lines, record } = transcript([[0, look("up")], [5, look("down")], [5, { kind: "resumed" }], [6, held], [7, look("down")], [7, { kind: "resumed" }], [7, held], [7, look("down")], [8, look("down")], [8, OK], [9, look("down")]]);
  assert.deepEqual(lines.filter((line) => line.includes("started again in")), ["5 warn: web is down; started again in 1 s", "7 warn: web is down; started again in 1 s", "7 warn: web is down; started again in 1 s", "9 warn: web is down; started again in 2 s"]);
  assert.deepEqual([record.row, record.starts.length], [1, 1]);
});

test("it is looked at when a start is due, and after that with pauses, however long nothing can be seen", () => {
  const { record } = transcript([[0, look("up")], [5, look("down")]]);
  assert.equal(nextLookMs(record, 5_000, 5_000), 6_000);
  const { record: blind } = transcript([[7, look("unknown")], [7, look("changing")]], POLICY, record);
  assert.equal(blind.dueMs, 6_000);
  assert.equal(nextLookMs(blind, 7_000, 5_000), 12_000);
  assert.equal(nextLookMs(KEEP_FRESH, 7_000, 5_000), 12_000);
});

test("let go, a given up one is tried again at once", () => {
  const given: KeepRecord = { ...KEEP_FRESH, phase: "given-up", starts: [1, 2, 3, 4, 5], row: 5, because: "given up after 5 starts" };
  assert.deepEqual(transcript([[10, look("down")], [11, { kind: "release" }], [11, look("stopped")]], POLICY, given).lines.map((line) => line.split(" ")[1]), ["bad:", "unknown:", "warn:"]);
});

// ---- every history

type Deed = { readonly kind: "pass"; readonly ms: number } | { readonly kind: "dies" | "wedges" | "heals" | "stopped-by-hand" | "started-by-hand" | "hold" | "unhold" | "blind" | "sighted" | "kill" | "release" };
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 100, max: 20_000 }).map((ms): Deed => ({ kind: "pass", ms })) },
  { weight: 6, arbitrary: fc.constantFrom<Deed>(...(["dies", "dies", "wedges", "heals", "stopped-by-hand", "started-by-hand", "hold", "unhold", "blind", "sighted", "kill", "kill", "release"] as const).map((kind) => ({ kind }) as Deed)) },
);

type Step = typeof keep;

/** Lives through a history with an agent that may be killed between any two acts; throws where a rule is broken. */
function live(deeds: readonly Deed[], policy: KeepPolicy, step: Step, startFails: readonly boolean[]): { starts: number } {
  let nowMs = 0;
  let [running, wedged, inOrder, held, blind] = [true, false, false, false, false];
  let record = KEEP_FRESH;
  let pending: KeepTurn["effect"] = null;
  let startsMade = 0;
  let starts: number[] = [];
  let killNext = false;
  const take = (input: KeepInput): void => {
    // Written down, and read again: nothing else survives.
    const turn = step(record, input, nowMs, policy);
    record = JSON.parse(JSON.stringify(turn.record)) as KeepRecord;
    pending = turn.effect;
    if (pending !== null) assert.notEqual(record.phase, "watching", "an act was begun that its record does not tell");
  };
  const act = (): void => {
    while (pending !== null) {
      const { kind } = pending;
      pending = null;
      if (kind === "stop") {
        assert.ok(!held, "stopped although it is held");
        running = false;
        // Of our own making, and it looks like a person's.
        inOrder = true;
      } else {
        assert.ok(!running, "started although it runs");
        assert.ok(!blind, "started blindly");
        assert.ok(!held, "started although it is held");
        starts = [...starts.filter((atMs) => nowMs - atMs < policy.withinMs), nowMs];
        assert.ok(starts.length <= policy.tries, `${starts.length} starts within the window`);
        const works = startFails[startsMade % startFails.length] !== true;
        startsMade += 1;
        if (works) [running, wedged, inOrder] = [true, false, false];
        if (killNext) {
          killNext = false;
          return take({ kind: "resumed" });
        }
        take({ kind: "started", ok: works, evidence: "" });
        continue;
      }
      if (killNext) {
        killNext = false;
        return take({ kind: "resumed" });
      }
      take({ kind: "stopped", ok: true, evidence: "" });
    }
  };
  const round = (): void => {
    const state: Seen["state"] = blind ? "unknown" : running ? "up" : inOrder ? "stopped" : "down";
    const before = { inOrder, running, ours: record.ours };
    const startsBefore = startsMade;
    take({ kind: "look", seen: { state, health: running ? (wedged ? "bad" : "good") : "none", evidence: state }, held: held ? "held" : null });
    act();
    if (!before.running && before.inOrder && !before.ours && !policy.always) assert.equal(startsMade, startsBefore, "a person's stop was undone");
  };
  for (const each of deeds) {
    switch (each.kind) {
      case "pass":
        for (let passed = 0; passed < each.ms; passed += 1_000) {
          nowMs += Math.min(1_000, each.ms - passed);
          round();
        }
        break;
      case "dies": if (running) [running, inOrder] = [false, false]; break;
      case "wedges": wedged = running; break;
      case "heals": wedged = false; break;
      case "stopped-by-hand": if (running) [running, inOrder] = [false, true]; break;
      case "started-by-hand": if (!running) [running, wedged, inOrder] = [true, false, false]; break;
      case "hold": held = true; break;
      case "unhold": held = false; break;
      case "blind": blind = true; break;
      case "sighted": blind = false; break;
      case "kill":
        killNext = true;
        take({ kind: "resumed" });
        break;
      case "release":
        starts = [];
        take({ kind: "release" });
        break;
    }
  }
  // Left in peace, with starts that work: it runs and serves, unless somebody wants it otherwise.
  [held, blind, killNext] = [false, false, false];
  starts = [];
  take({ kind: "release" });
  const wanted = running || !inOrder || record.ours;
  for (let more = 0; more < 60 && !(running && !wedged); more += 1) {
    nowMs += 30_000;
    startFails = [false];
    round();
  }
  if (wanted) assert.ok(running && !wedged, "it was left lying");
  return { starts: startsMade };
}

const history = fc.tuple(fc.array(deed, { maxLength: 60 }), fc.boolean(), fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }));

test("in every history: one instance, no blind or unwanted start, the limit of starts, and it runs in the end", () => {
  let starts = 0;
  fc.assert(fc.property(history, ([deeds, always, startFails]) => {
    starts += live(deeds, { ...POLICY, always, startupMs: 3_000, tries: 3, withinMs: 60_000, backoffMs: 500, stableMs: 5_000 }, keep, startFails).starts;
  }), { numRuns: 2_000, seed: 6 });
  assert.ok(starts > 1_000, `${starts} starts in all histories: too few to show anything`);
});

/** Each breaks one rule; the histories above must find every one. */
const MUTANTS: Readonly<Record<string, Step>> = {
  "starts what it could not look at": (record, input, nowMs, policy) => keep(record, input.kind === "look" && input.seen.state === "unknown" ? { ...input, seen: { ...input.seen, state: "down" } } : input, nowMs, policy),
  "forgets its starts": (record, input, nowMs, policy) => keep({ ...record, starts: [] }, input, nowMs, policy),
  "takes no notice of a hold": (record, input, nowMs, policy) => keep(record, input.kind === "look" ? { ...input, held: null } : input, nowMs, policy),
  "undoes a person's stop": (record, input, nowMs, policy) => keep(record, input, nowMs, { ...policy, always: true }),
  "takes its own stop for a person's": (record, input, nowMs, policy) => keep({ ...record, ours: false }, input, nowMs, policy),
  "starts without a stop": (record, input, nowMs, policy) => {
    const turn = keep(record, input, nowMs, policy);
    return turn.effect?.kind === "stop" ? { ...turn, effect: { ...turn.effect, kind: "start" } } : turn;
  },
  "does nothing": (record) => ({ record, effect: null, word: null }),
};

for (const [name, mutant] of Object.entries(MUTANTS)) {
  test(`one that ${name} is found out`, () => {
    assert.throws(() => fc.assert(fc.property(history, ([deeds, always, startFails]) => {
      live(deeds, { ...POLICY, always, startupMs: 3_000, tries: 3, withinMs: 60_000, backoffMs: 500, stableMs: 5_000 }, mutant, startFails);
    }), { numRuns: 2_000, seed: 6, endOnFailure: true }));
  });
}
