// The part `storage`: whether this host can persist. Every watched mount is written to, at its own pace, by a shell of its own
// (looker.ts); here is when, and what is known of each. What that amounts to is decided in verdict.ts.
//
// A look's time is the time in which this process was awake: after a suspension of the machine, or of this process, nothing is
// late. Nothing here touches a mount.

import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import type { AgentPartOptions } from "../../config/agent/index.ts";
import type { PartWorld, Running } from "../part.ts";
import { definePart } from "../part.ts";
import { evidenceOf, waiters } from "./evidence.ts";
import { Looker, lookerRefusal } from "./looker.ts";
import type { Reply } from "./looker.ts";
import { chosenMounts, parseMounts } from "./mounts.ts";
import type { Sys, Watched } from "./mounts.ts";
import { judgeLook, nextWordMs } from "./verdict.ts";
import type { Look, Step } from "./verdict.ts";

type Options = AgentPartOptions["storage"];

const TICK_MS = 1_000;
const SUBJECT = "storage";
/** In memory: a lock on a disk would hang with it. */
const LOCKS = "/run/upkeep-agent";
const TOKEN_BYTES = 16;
/** By whom an earlier agent's look waits, where its group is not known. */
const OF_A_LOOK = new Set(["dd", "rm", "sh"]);

export const storage = definePart<Options>({
  name: "storage",
  start: (world) => new Storage(world),
});

/** `idle`: nothing is under way. `taken`: another agent's look is. */
type State = "starting" | "idle" | "looking" | "taken";

class Place {
  watched: Watched;
  looker: Looker | null = null;
  state: State = "idle";
  step: Step = "write";
  token = "";
  beganMs = 0;
  /** Of this look, awake. */
  forMs = 0;
  nextMs: number;
  /** When the next word on it is due, and when the next one that nobody waits for the disk. */
  wordMs = 0;
  nobodyMs = 0;

  constructor(watched: Watched, nextMs: number) {
    this.watched = watched;
    this.nextMs = nextMs;
  }
}

class Storage implements Running {
  readonly #world: PartWorld<Options>;
  readonly #places = new Map<string, Place>();
  readonly #refusal = lookerRefusal();
  readonly #locks: string | null;
  #tickedMs: number;
  #mountsAtMs: number;
  #takeBack: () => void;

  constructor(world: PartWorld<Options>) {
    this.#world = world;
    this.#locks = lockFolder(world.say);
    this.#tickedMs = this.#mountsAtMs = world.now().bootMs;
    this.#takeBack = () => {};
    this.#tick();
  }

  stop(): Promise<void> {
    this.#takeBack();
    for (const place of this.#places.values()) place.looker?.leave();
    return Promise.resolve();
  }

  #tick(): void {
    const nowMs = this.#world.now().bootMs;
    // A tick that comes late was slept through.
    const awakeMs = Math.min(nowMs - this.#tickedMs, 2 * TICK_MS);
    this.#tickedMs = nowMs;
    if (nowMs >= this.#mountsAtMs) {
      this.#mountsAtMs = nowMs + this.#world.options.everyMs;
      this.#lookAtMounts(nowMs);
    }
    for (const place of this.#places.values()) this.#attend(place, nowMs, awakeMs);
    this.#takeBack = this.#world.at(nowMs + TICK_MS, () => this.#tick());
  }

  #lookAtMounts(nowMs: number): void {
    const { options, report, forget } = this.#world;
    const chosen = this.#refusal === null ? this.#chosen() : this.#refusal;
    if (typeof chosen === "string") return report({ subject: SUBJECT, verdict: "unknown", because: chosen, mayCut: false });
    if (chosen.length === 0) report({ subject: SUBJECT, verdict: "unknown", because: "no writable file system on a block device is mounted", mayCut: false });
    else forget(SUBJECT);
    const asked = new Set(chosen.map((each) => each.asked));
    for (const [path, place] of this.#places) {
      const now = chosen.find((each) => each.asked === path);
      if (now !== undefined && now.device === place.watched.device && now.path === place.watched.path) continue;
      place.looker?.leave();
      this.#places.delete(path);
      if (!asked.has(path)) forget(subjectOf(path));
    }
    for (const [at, watched] of chosen.entries()) {
      const place = this.#places.get(watched.asked);
      if (place !== undefined) place.watched = watched;
      // Spread over the interval, so that not all disks are woken at once.
      else this.#places.set(watched.asked, new Place(watched, nowMs + Math.floor((options.everyMs * at) / chosen.length)));
    }
  }

  #chosen(): readonly Watched[] | string {
    const { mounts, except } = this.#world.options;
    try {
      const wasWritable = new Set([...this.#places.values()].map(({ watched }) => watched.path));
      return chosenMounts(parseMounts(readFileSync("/proc/self/mountinfo", "utf8")), mounts, except, SYS, wasWritable);
    } catch (error) {
      return `the mounts cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  #attend(place: Place, nowMs: number, awakeMs: number): void {
    if (place.state !== "idle") {
      place.forMs += awakeMs;
      if (place.forMs >= place.wordMs) this.#overdue(place);
    }
    if (nowMs < place.nextMs || place.state === "looking" || place.state === "starting") return;
    place.nextMs = nowMs + this.#world.options.everyMs;
    if (place.watched.readOnly) return this.#found(place, { kind: "cannot", because: "read-only" });
    if (place.looker === null) this.#begin(place, nowMs);
    else this.#ask(place, nowMs);
  }

  /** A shell for this mount. One that finds it taken ends, and is begun again at the next look. */
  #begin(place: Place, nowMs: number): void {
    const { path, device } = place.watched;
    const file = join(place.watched.asked, `.upkeep-probe-${this.#world.host}`);
    const lock = this.#locks === null ? "" : join(this.#locks, createHash("sha256").update(`${device} ${path} ${file}`).digest("hex").slice(0, 16));
    if (place.state !== "taken") this.#look(place, nowMs, "starting");
    const looker: Looker = new Looker(file, lock, (reply) => {
      if (place.looker === looker) this.#heard(place, reply);
    });
    place.looker = looker;
  }

  #ask(place: Place, nowMs: number): void {
    this.#look(place, nowMs, "looking");
    place.token = randomBytes(TOKEN_BYTES).toString("hex");
    place.looker?.ask(place.token);
  }

  #look(place: Place, nowMs: number, state: State): void {
    place.state = state;
    place.step = "write";
    place.beganMs = nowMs;
    place.forMs = 0;
    place.wordMs = place.nobodyMs = this.#world.options.deadlineMs;
  }

  #heard(place: Place, reply: Reply): void {
    const nowMs = this.#world.now().bootMs;
    switch (reply.kind) {
      case "ready":
        return this.#ask(place, nowMs);
      case "wrote":
        place.step = "read";
        return;
      case "read":
        return this.#ended(place, nowMs, reply.token === place.token ? { kind: "done", ms: this.#tookMs(place, nowMs) } : { kind: "differs" });
      case "failed":
        return this.#ended(place, nowMs, reply);
      case "taken":
        place.looker = null;
        // An agent that is ending needs a moment, and no more.
        place.nextMs = nowMs + TICK_MS;
        if (place.state === "taken") return;
        place.state = "taken";
        return this.#found(place, { kind: "cannot", because: "a look that an earlier agent began has not ended" });
      case "ended":
        place.looker = null;
        return this.#ended(place, nowMs, { kind: "cannot", because: reply.why });
    }
  }

  #ended(place: Place, nowMs: number, look: Look): void {
    // What came late is looked at again soon.
    if (place.forMs >= this.#world.options.deadlineMs) place.nextMs = nowMs + TICK_MS;
    place.state = "idle";
    this.#found(place, look);
  }

  #tookMs(place: Place, nowMs: number): number {
    const tookMs = nowMs - place.beganMs;
    return tookMs > place.forMs + 2 * TICK_MS ? place.forMs : tookMs;
  }

  #overdue(place: Place): void {
    const { deadlineMs, frozenMs } = this.#world.options;
    const nextMs = nextWordMs(place.forMs, { deadlineMs, frozenMs });
    const all = waiters();
    const group = place.looker?.group ?? 0;
    const ours = new Set([...this.#places.values()].map(({ looker }) => looker?.group));
    const own = all.find((each) => (place.state === "taken" ? OF_A_LOOK.has(each.name) && !ours.has(each.group) : each.group === group));
    // Nobody waits in this moment: looked at again in the next, and told as seldom as anything else.
    place.wordMs = own === undefined ? place.forMs + TICK_MS : nextMs;
    if (own === undefined && place.forMs < place.nobodyMs) return;
    if (own === undefined) place.nobodyMs = nextMs;
    this.#found(place, { kind: "overdue", forMs: place.forMs, step: place.step, waiting: own?.where ?? null }, evidenceOf(all, group));
  }

  #found(place: Place, look: Look, evidence = ""): void {
    const { options, report } = this.#world;
    const said = judgeLook(place.watched, look, options, evidence);
    report({ subject: subjectOf(place.watched.asked), ...said });
  }
}

function subjectOf(path: string): string {
  return `${SUBJECT}:${path}`;
}

/** Only root may reach it; without one a look of an earlier agent is not seen. */
function lockFolder(say: PartWorld<Options>["say"]): string | null {
  const folder = process.env["RUNTIME_DIRECTORY"]?.split(":")[0] ?? LOCKS;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch (error) {
    say("warning", `storage: ${folder} cannot be used, and a look that outlives this agent is not seen by the next: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
}

const SYS: Sys = {
  real: (path) => orElse(() => realpathSync(path), null),
  list: (path) => orElse(() => readdirSync(path), []),
  read: (path) => orElse(() => readFileSync(path, "latin1"), null),
};

function orElse<Found, Else>(look: () => Found, otherwise: Else): Found | Else {
  try {
    return look();
  } catch {
    return otherwise;
  }
}
