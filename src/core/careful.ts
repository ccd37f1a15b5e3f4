// Careful shutdown: when a host whose mains (or cooling) is gone shuts itself down, in which order, and when it does not.
//
//   normal ──lost──▶ pre-fail ──lost after the wait──▶ shutdown ──all stages──▶ power off
//     ▲◀────good────────┘                                 │ good
//     └────────────all started again──── returning ◀──────┘ (lost ──▶ shutdown)
//
// Pure, as core/step.ts: record and input in, record and effects out; `save` comes before whatever it allows, so that an agent
// that is killed anywhere goes on from what it had begun, with the time that has passed. Short outages never shut down: every
// look that is good ends the wait. Unknown shuts nothing down, unless somebody has said after how long; it stops nothing
// either once a shutdown has begun, since the first stage may be what took the network away.
//
// Waits are scattered by the host's name: looks by coming early, the wait before a shutdown by lasting longer, so that no
// outage shorter than configured ever shuts down, and thirty hosts do not ask in step.

import type { Busy, Careful, CarefulEffect, CarefulInput, CarefulPolicy, CarefulRecord, End, StageState, Step } from "./careful-record.ts";
import { fnv1a } from "./hash.ts";
import type { Sensed } from "./power-sense.ts";
import { proquint, scatter } from "./proquint.ts";
import { ageMs, deadlineIn, leftMs, stamp } from "./time.ts";
import type { Now } from "./time.ts";

/** A stage that was cut short so often is given up, and the next one comes. */
const ATTEMPTS_MAX = 3;
/** From this order on by force: systemd itself is what hangs. */
const FORCE_FROM = 3;

export function careful(before: Careful, input: CarefulInput, now: Now, policy: CarefulPolicy): Step {
  const turn = new Turn(before, now, policy);
  turn.take(input);
  turn.drive();
  return turn.end();
}

/** One step under construction: nothing of it is seen before it ends. */
class Turn {
  #state: Careful;
  readonly #before: Careful;
  readonly #now: Now;
  readonly #policy: CarefulPolicy;
  readonly #effects: CarefulEffect[] = [];

  constructor(before: Careful, now: Now, policy: CarefulPolicy) {
    [this.#before, this.#state, this.#now, this.#policy] = [before, before, now, policy];
  }

  get #record(): CarefulRecord {
    return this.#state.record;
  }

  get #observes(): CarefulPolicy["observes"] {
    const { observed } = this.#record;
    return this.#policy.observes ?? (observed === null ? null : { why: observed, announces: true });
  }

  end(): Step {
    const saved = this.#record === this.#before.record ? [] : [{ kind: "save", record: this.#record } as const];
    return { state: this.#state, effects: [...saved, ...this.#effects] };
  }

  take(input: CarefulInput): void {
    switch (input.kind) {
      case "start":
        return this.#start();
      case "wake":
        return;
      case "looked":
        return this.#looked(input.sensed);
      case "announced":
        this.#free("announce");
        // Of an event that is over meanwhile.
        if (input.event !== this.#record.event) return;
        this.#set({ announced: true });
        return this.#tell(`${input.heard.length === 0 ? "no watcher has" : `${input.heard.join(", ")} ${input.heard.length === 1 ? "has" : "have"}`} heard of it`, input.heard.length === 0);
      case "surveyed":
        this.#free("survey");
        return this.#stage(input.stage, { active: input.active });
      case "ran":
        this.#free("stop");
        this.#stage(input.stage, { state: input.end.ok ? "stopped" : "failed" });
        return this.#tell(`${this.#nameOf(input.stage)}: ${input.end.ok ? "stopped" : "did not stop"} (${input.end.evidence})`, !input.end.ok);
      case "undone":
        return this.#undone(input.stage, input.end);
      case "off-ran":
        this.#free("off");
        if (!input.end.ok) this.#tell(`the order to power off failed: ${input.end.evidence}`, true);
        return;
    }
  }

  /** What a new process finds. After a boot the host has power enough to boot, and everything was started by that: all begins again. */
  #start(): void {
    const { phase, since, event } = this.#record;
    const { host, lookEveryMs, jitter } = this.#policy;
    // Whoever goes on with a shutdown looks first, and at once.
    this.#set({ lookAtMs: this.#now.bootMs + (phase === "normal" && jitter > 0 ? Math.floor(share(host, 0) * lookEveryMs) : 0) });
    if (since.bootId !== this.#now.bootId) {
      if (phase !== "normal") this.#normal(`this host has booted since ${event ?? "it"} began`);
      else this.#change({ since: stamp(this.#now), unknownSince: null });
    } else if (phase !== "normal") {
      this.#tell(`going on in ${phase}: ${this.#record.because}`, true);
      if (phase !== "shutdown") this.#announce("pre-fail", null, false);
      // While there was no agent nobody knows whether it stayed good.
      if (phase === "returning") this.#change({ until: null });
    }
  }

  #looked(sensed: Sensed): void {
    const { lookEveryMs, jitter, host } = this.#policy;
    const looks = this.#state.looks + 1;
    // Early by up to `jitter`, never late: the bound holds.
    const waitMs = Math.ceil(lookEveryMs * (1 - jitter * share(host, looks)));
    const { last } = this.#state;
    this.#set({ looking: false, last: sensed, looks, lookAtMs: this.#now.bootMs + waitMs });
    if (sensed.verdict === "unknown") {
      if (this.#record.unknownSince === null && this.#policy.unknownAfterMs !== null) this.#change({ unknownSince: stamp(this.#now) });
    } else if (this.#record.unknownSince !== null) {
      this.#change({ unknownSince: null });
    }
    if (last?.verdict !== sensed.verdict) this.#tell(`${word(sensed)}: ${sensed.because}`, sensed.verdict !== "good");
    this.#judge(sensed);
    const leftMs = this.#record.phase === "pre-fail" ? this.#left() : null;
    // The look that decides is made when the wait is over, not at the next minute.
    if (leftMs !== null && leftMs > 0) this.#set({ lookAtMs: Math.min(this.#state.lookAtMs, this.#now.bootMs + leftMs) });
    this.#find(sensed);
  }

  #judge(sensed: Sensed): void {
    const { phase } = this.#record;
    const { verdict, because } = sensed;
    const tooLong = this.#unknownForTooLong();
    switch (phase) {
      case "normal":
        if (verdict === "lost") this.#preFail(sensed);
        else if (tooLong !== null) this.#shutdown(`${tooLong}: ${because}`, sensed);
        return;
      case "pre-fail":
        if (verdict === "good") return this.#normal(`over before anything was done: ${because}`);
        if (verdict === "lost" && sensed.urgent) return this.#shutdown(because, sensed);
        if (verdict === "lost" && this.#left() === 0) return this.#shutdown(`still so after ${minutes(ageMs(this.#record.since, this.#now))}: ${because}`, sensed);
        if (tooLong !== null) this.#shutdown(`${tooLong}: ${because}`, sensed);
        return;
      case "shutdown":
        if (verdict === "good") return this.#powerIsBack(because);
        if (verdict === "lost" && sensed.urgent) this.#hurry();
        return;
      case "returning":
        if (verdict === "good") {
          if (this.#record.until === null) this.#change({ until: deadlineIn(this.#policy.steadyMs, this.#now) });
        } else if (verdict === "lost" || tooLong !== null) {
          this.#again(`${tooLong ?? "lost again"}: ${because}`);
        } else if (this.#record.until !== null) {
          // Not good now, so not good for long enough; nothing goes on either way.
          this.#change({ until: null });
        }
    }
  }

  #preFail(sensed: Sensed): void {
    const { host, waitMs, jitter } = this.#policy;
    const event = proquint(scatter(fnv1a(`${host} ${this.#now.bootId} ${Math.floor(this.#now.bootMs)}`)));
    const lengthMs = Math.ceil(waitMs * (1 + jitter * share(host, -1)));
    this.#change({ phase: "pre-fail", event, because: sensed.because, since: stamp(this.#now), until: deadlineIn(lengthMs, this.#now), stages: [], off: null, observed: this.#policy.observes?.why ?? null });
    if (sensed.urgent) return this.#shutdown(sensed.because, sensed);
    this.#tell(`event ${event}: ${sensed.because}; looking again for ${minutes(lengthMs)}`, true);
    this.#announce("pre-fail", null, false);
  }

  /** No time left for the order of the fleet. And whoever rules here instead of us shuts this host down now; the watchers must know that it is meant. */
  #hurry(): void {
    if (this.#record.until !== null) this.#change({ until: null });
    if (this.#observes?.announces !== true || this.#state.announced) return;
    this.#set({ announced: true });
    this.#announce("shutdown", this.#haltWithinMs(), false);
  }

  #shutdown(because: string, sensed: Sensed): void {
    const { host, afterMs, stages } = this.#policy;
    const observes = this.#observes;
    const event = this.#record.event ?? proquint(scatter(fnv1a(`${host} ${this.#now.bootId} ${Math.floor(this.#now.bootMs)}`)));
    this.#set({ announced: false });
    this.#change({
      phase: "shutdown", event, because, since: stamp(this.#now), off: null, observed: observes?.why ?? null,
      until: afterMs === 0 || sensed.urgent ? null : deadlineIn(afterMs, this.#now),
      stages: stages.map((plan) => ({ plan, state: "waiting", attempts: 0, active: null })),
    });
    if (observes === null) return this.#tell(`event ${event}: shutting down${this.#record.until === null ? "" : ` in ${minutes(afterMs)}`}: ${because}`, true);
    const would = [...stages.map(({ name }) => name), "power off"].join(", then ");
    this.#tell(`event ${event}: would shut down (${would}), and does not (${observes.why}): ${because}`, true);
    if (sensed.urgent) this.#hurry();
  }

  /** Out again while what was stopped waited to be started: no second wait, the outage has been proved. */
  #again(because: string): void {
    this.#set({ announced: false });
    this.#change({
      phase: "shutdown", because, until: null, off: null,
      // What an interrupted start has started is not known: it is stopped again, with what was active in the beginning.
      stages: this.#record.stages.map((each) => each.state === "started" ? { ...each, state: "waiting", attempts: 0, active: null } : each.state === "starting" ? { ...each, state: "stopping", attempts: 0 } : each),
    });
    this.#tell(`event ${this.#record.event ?? ""}: shutting down again: ${because}`, true);
  }

  #powerIsBack(because: string): void {
    const { off, stages } = this.#record;
    // An order to power off is not taken back; a host that is alive after it has not carried it out.
    if (off !== null && ageMs(off.at, this.#now) < this.#policy.stuckMs) return;
    if (stages.every(({ state }) => state === "waiting")) return this.#normal(`good again before anything was stopped: ${because}`);
    const left = stages.filter(({ state }) => state === "waiting").length;
    this.#change({ phase: "returning", because, off: null, until: deadlineIn(this.#policy.steadyMs, this.#now) });
    this.#announce("pre-fail", null, false);
    this.#tell(`good again: ${because}; ${left === 0 ? "" : `${left} stage${left === 1 ? "" : "s"} and `}the power-off will not come, what was stopped is started again in ${minutes(this.#policy.steadyMs)}`, true);
  }

  #undone(at: number, end: End): void {
    this.#free("start");
    const stage = this.#record.stages[at];
    if (stage === undefined) return;
    const givenUp = !end.ok && stage.attempts >= ATTEMPTS_MAX;
    // Out again meanwhile: what has been started is stopped once more.
    if (this.#record.phase !== "returning") return;
    if (end.ok || givenUp) this.#stage(at, { state: "started", attempts: 0 });
    this.#tell(`${this.#nameOf(at)}: ${end.ok ? "started again" : givenUp ? "cannot be started again" : "was not started, once more"} (${end.evidence})`, !end.ok);
  }

  #normal(because: string): void {
    const { event, phase } = this.#record;
    if (phase === "normal") return;
    this.#change({ phase: "normal", because, since: stamp(this.#now), until: null, unknownSince: null, stages: [], off: null, observed: null });
    this.#tell(`event ${event ?? ""} is over: ${because}`, false);
    this.#announce("normal", null, false);
    this.#change({ event: null });
  }

  /** What is due now; harmless at any time. */
  drive(): void {
    const { phase } = this.#record;
    if (phase === "shutdown" && this.#observes === null) this.#driveDown();
    else if (phase === "returning") this.#driveUp();
    const { looking, lookAtMs } = this.#state;
    if (!looking && lookAtMs <= this.#now.bootMs) {
      this.#set({ looking: true });
      this.#effects.push({ kind: "look" });
    }
    const wakes = [...(this.#state.looking ? [] : [lookAtMs]), ...this.#moments()].filter((at) => at > this.#now.bootMs && at < Infinity);
    if (wakes.length > 0) this.#effects.push({ kind: "wake", atMs: Math.min(...wakes) });
  }

  #driveDown(): void {
    // After a kill nobody knows how the power is: what is left is done after a look.
    if (this.#state.busy !== null || this.#state.last === null) return;
    if (!this.#state.announced) {
      this.#set({ busy: { what: "announce" } });
      return this.#announce("shutdown", this.#haltWithinMs(), true);
    }
    if ((this.#left() ?? 0) > 0) return;
    const { stages, off, because } = this.#record;
    const at = stages.findIndex(({ state }) => state === "waiting" || state === "stopping");
    const stage = stages[at];
    if (stage !== undefined) {
      const { plan, active, attempts } = stage;
      if (attempts >= ATTEMPTS_MAX) {
        this.#stage(at, { state: "failed" });
        this.#tell(`${plan.name}: cut short ${ATTEMPTS_MAX} times, given up`, true);
        return this.#driveDown();
      }
      if (plan.kind === "units" && active === null) {
        this.#set({ busy: { what: "survey", stage: at } });
        this.#effects.push({ kind: "survey", stage: at, plan });
        return;
      }
      this.#stage(at, { state: "stopping", attempts: attempts + 1 });
      this.#set({ busy: { what: "stop", stage: at } });
      this.#effects.push({ kind: "run", stage: at, plan, active: active ?? [], because });
      return;
    }
    // Power that is back by the last look: the next one says whether this is over.
    if (off !== null && ((this.#state.ordered && ageMs(off.at, this.#now) < this.#policy.stuckMs) || this.#state.last?.verdict === "good")) return;
    const attempts = (off?.attempts ?? 0) + 1;
    this.#change({ off: { at: stamp(this.#now), attempts } });
    this.#set({ busy: { what: "off" }, ordered: true });
    if (off !== null && ageMs(off.at, this.#now) >= this.#policy.stuckMs) this.#tell(`still alive ${minutes(this.#policy.stuckMs)} after the order to power off: given again${attempts >= FORCE_FROM ? ", by force" : ""}`, true);
    this.#effects.push({ kind: "power-off", force: attempts >= FORCE_FROM, because });
  }

  #driveUp(): void {
    const { until, stages, because } = this.#record;
    if (this.#state.busy !== null || until === null || leftMs(until, this.#now) > 0 || this.#state.last?.verdict !== "good") return;
    const at = stages.findLastIndex(({ state }) => state === "stopping" || state === "stopped" || state === "failed" || state === "starting");
    const stage = stages[at];
    if (stage === undefined) return this.#normal("everything is started again");
    const { plan, active, attempts, state } = stage;
    this.#stage(at, { state: "starting", attempts: state === "starting" ? attempts + 1 : 1 });
    this.#set({ busy: { what: "start", stage: at } });
    this.#effects.push({ kind: "undo", stage: at, plan, active: active ?? [], because });
  }

  #announce(phase: "pre-fail" | "shutdown" | "normal", haltWithinMs: number | null, wait: boolean): void {
    if (this.#observes?.announces === false) return;
    this.#effects.push({ kind: "announce", wait, announcement: { kind: "careful", event: this.#record.event ?? "", phase, because: this.#record.because, haltWithinMs } });
  }

  #haltWithinMs(): number {
    const waiting = this.#record.stages.filter(({ state }) => state === "waiting" || state === "stopping");
    return Math.ceil((this.#left() ?? 0) + waiting.reduce((sum, { plan }) => sum + plan.limitMs, 0) + this.#policy.haltMs);
  }

  #find(sensed: Sensed): void {
    const { phase, event } = this.#record;
    if (phase === "normal") return void this.#effects.push({ kind: "finding", verdict: sensed.verdict === "good" ? "good" : "unknown", because: `${word(sensed)}: ${sensed.because}` });
    this.#effects.push({ kind: "finding", verdict: "warn", because: `${phase}${event === null ? "" : `, event ${event}`}: ${sensed.because}` });
  }

  #unknownForTooLong(): string | null {
    const { unknownSince } = this.#record;
    const { unknownAfterMs } = this.#policy;
    if (unknownSince === null || unknownAfterMs === null || ageMs(unknownSince, this.#now) < unknownAfterMs) return null;
    return `unknown for ${minutes(unknownAfterMs)}`;
  }

  /** When something is due that is no look. */
  #moments(): readonly number[] {
    const { until, off, phase } = this.#record;
    const { bootMs } = this.#now;
    return [
      ...(until === null || phase === "pre-fail" ? [] : [bootMs + leftMs(until, this.#now)]),
      ...(off === null ? [] : [bootMs + Math.max(0, this.#policy.stuckMs - ageMs(off.at, this.#now))]),
    ];
  }

  #left(): number | null {
    return this.#record.until === null ? null : leftMs(this.#record.until, this.#now);
  }

  #nameOf(stage: number): string {
    return this.#record.stages[stage]?.plan.name ?? `stage ${stage + 1}`;
  }

  #free(what: Busy["what"]): void {
    if (this.#state.busy?.what === what) this.#set({ busy: null });
  }

  #stage(at: number, changes: Partial<StageState>): void {
    this.#change({ stages: this.#record.stages.map((stage, index) => (index === at ? { ...stage, ...changes } : stage)) });
  }

  #tell(because: string, loud: boolean): void {
    this.#effects.push({ kind: "tell", loud, because });
  }

  #change(changes: Partial<CarefulRecord>): void {
    this.#set({ record: { ...this.#record, ...changes } });
  }

  #set(changes: Partial<Careful>): void {
    this.#state = { ...this.#state, ...changes };
  }
}

function word({ verdict, urgent }: Sensed): string {
  return verdict === "good" ? "power good" : verdict === "lost" ? `power lost${urgent ? ", no time left" : ""}` : "unknown whether there is power";
}

/** From 0 to 1, the same for a host and a number. */
function share(host: string, number: number): number {
  return scatter(fnv1a(`${host} ${number}`)) / 0x1_0000_0000;
}

function minutes(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return seconds < 120 ? `${ms < 1_000 && ms > 0 ? `${Math.round(ms)} ms` : `${seconds} s`}` : `${Math.round(seconds / 6) / 10} min`;
}
