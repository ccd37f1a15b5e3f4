// What a host and an operation are before anything has happened to them: after a start, after another host hash, after a brake
// was ended by hand. In one place, so that whatever is added to the memory says here how it begins.

import type { HostPolicy } from "./policy.ts";
import { outletKey } from "./policy.ts";
import type { HostRecord, StormRecord } from "./records.ts";
import type { HostState, Run, StormState } from "./state.ts";
import type { Now } from "./time.ts";

/** What is known of a host that nobody has seen yet. */
export function freshRecord(hash: string): HostRecord {
  return {
    v: 1,
    learned: { hash, seenHealthyAt: null, passed: [], proved: [] },
    wanted: { state: "on" },
    hold: null,
    cycles: [],
    unconfirmed: [],
    forgiven: [],
    cutIn: null,
    lastEdge: null,
    lastOperation: null,
    offByOthers: [],
    lastKdump: null,
    bootsMs: [],
  };
}

/** What belonged to the old hash is forgotten, with what was noted of outlets that are not its own any more. */
export function underNewHash(record: HostRecord, policy: HostPolicy): HostRecord {
  const outlets = policy.levels.flat().map(outletKey);
  return { ...record, learned: freshRecord(policy.hash).learned, offByOthers: record.offByOthers.filter((key) => outlets.includes(key)) };
}

/** A host as a watcher meets it: nothing of its rounds is known. */
export function freshHost(name: string, record: HostRecord, freshAfterMs: number, cause: number): HostState {
  return {
    name,
    observed: true,
    judged: 0,
    passedHere: [],
    votes: new Map(),
    said: null,
    asked: null,
    ballot: null,
    disagreeSinceMs: null,
    guardRecord: null,
    foreign: null,
    record,
    lastSignMs: freshAfterMs,
    mute: false,
    livesSinceMs: freshAfterMs,
    drawsNothing: false,
    word: null,
    startAtMs: 0,
    startRefused: null,
    rousing: false,
    last: null,
    counter: 0,
    slow: false,
    sinceMs: freshAfterMs,
    badSinceMs: null,
    badRounds: 0,
    goodRounds: 0,
    firstSign: "",
    suspectPeak: 0,
    suspectToldMs: null,
    judgedAtMs: null,
    boot: null,
    blind: false,
    blindToldMs: null,
    goodSinceMs: null,
    lastGoodAtMs: null,
    lastIllAtMs: null,
    onsetMs: null,
    refusedAtMs: null,
    saidReboot: null,
    silentSinceMs: null,
    freshAfterMs,
    incident: null,
    operation: null,
    remedy: null,
    decideAtMs: null,
    armed: true,
    refusal: null,
    retryAtMs: 0,
    unguarded: "no round yet",
    unguardedSinceMs: freshAfterMs,
    guardTold: false,
    guardToldMs: [],
    healthyToldMs: null,
    cause,
  };
}

/** Counting starts again: a brake was ended by hand, or a hold was released. */
export const FROM_ZERO = { counter: 0, badSinceMs: null, suspectPeak: 0, refusal: null, refusedAtMs: null, decideAtMs: null } as const;

/** A storm, begun or found in the ledger: it is not calm until that has been seen. */
export function freshStorm(record: StormRecord): StormState {
  return { ...record, calmSinceMs: null, summedMs: -Infinity };
}

/** An operation as this process takes it up. */
export function freshRun(now: Now, resumed: boolean): Run {
  return {
    resumed,
    takenUpMs: now.bootMs,
    freshBad: 0,
    decidedMs: now.bootMs,
    wait: { on: "nothing" },
    pass: new Map(),
    seen: new Map(),
    orphan: false,
    sure: "own",
    switched: [],
    tried: [],
    blocked: null,
    offPasses: 0,
    lastPassMs: null,
    lastActMs: null,
    failures: 0,
    retryAtMs: now.bootMs,
    touch: null,
    silence: "not asked",
    touchedMs: null,
    heard: false,
    unrecorded: false,
    recordAtMs: 0,
    undo: null,
  };
}
