// Self-fencing (ADR 33): services that run only under a lease of the watchers, and a watchdog for when stopping them fails. What is
// decided stands in src/core/self-fence.ts; this asks it once a second and whenever something has happened, and does as it says.
// The watchdog is petted in that same turn of the loop, so an agent that does not decide does not pet.

import type { Ran } from "../../child/child.ts";
import { Child, evidenceOf } from "../../child/child.ts";
import type { FenceEffect, FenceInput, FencePolicy, FenceState, LeasedService, ServiceIs } from "../../core/self-fence.ts";
import { beginFencing, fenceStep, isStopped, leased } from "../../core/self-fence.ts";
import { definePart } from "../part.ts";
import type { PartWorld } from "../part.ts";
import { KeptLeases, readKept } from "./kept-leases.ts";
import type { Watchdog } from "./watchdog-device.ts";
import { isCounting, openWatchdog } from "./watchdog-device.ts";

export type SelfFenceOptions = {
  readonly ttlMs: number;
  readonly stopWithinMs: number;
  readonly startWithinMs: number;
  readonly watchdog: { readonly path: string; readonly timeoutMs: number } | null;
  readonly services: readonly { readonly service: string; readonly start: readonly string[]; readonly stop: readonly string[]; readonly status: readonly string[] }[];
};

const TICK_MS = 1_000;
const STATUS_LIMIT_MS = 10_000;
/** Not running, as LSB and as OCF say it. */
const STOPPED = new Set([3, 7]);

export const selfFence = definePart<SelfFenceOptions>({
  name: "selfFence",
  start: (world) => new SelfFence(world).running,
});

class SelfFence {
  readonly #world: PartWorld<SelfFenceOptions>;
  readonly #policy: FencePolicy;
  readonly #kept: KeptLeases;
  readonly #children = new Map<string, Child>();
  /** Of each service's command, the failure that was said last. */
  readonly #failures = new Map<string, string>();
  readonly #stopped: (() => void)[] = [];
  #state: FenceState;
  #dog: Watchdog | null = null;
  /** It cannot be closed, and is petted for as long as this process lives. */
  #forLife = false;
  #keepFailure: string | null = null;
  #deciding = false;
  readonly #inputs: FenceInput[] = [];
  #takeBack = (): void => {};
  readonly running = { stop: () => this.#stop() };

  constructor(world: PartWorld<SelfFenceOptions>) {
    this.#world = world;
    const { ttlMs, stopWithinMs, watchdog, services } = world.options;
    // Petted by a turn that had begun before the end, at the last moment; and from then on once the time-out.
    this.#policy = { ttlMs, stopWithinMs, resetWithinMs: watchdog === null ? null : 2 * watchdog.timeoutMs, services: services.map(({ service }) => service) };
    const { bootId, bootMs } = world.now();
    this.#kept = new KeptLeases(world.folder, bootId, (kept, failure) => {
      this.#keepFailure = failure;
      if (failure === null) this.#decide({ kind: "kept", kept });
    });
    this.#state = beginFencing(this.#policy, readKept(world.folder, bootId), bootMs);
    if (world.dryRun) {
      world.report({ subject: "self-fence", verdict: "warn", because: "dry run: no lease is taken, nothing is started or stopped", mayCut: false });
      return;
    }
    world.leases.onAnswer((answer) => this.#decide({ kind: "answer", ...answer }), () => this.#decide({ kind: "linked" }));
    this.#pick();
    this.#tick();
  }

  /** A watchdog that a process before this one has left counting is petted from the first moment on. */
  #pick(): void {
    const { watchdog } = this.#world.options;
    if (watchdog === null || !isCounting(watchdog.path)) return;
    const opened = openWatchdog(watchdog.path, watchdog.timeoutMs);
    if (!opened.ok) return;
    this.#world.say("info", `${watchdog.path} counts already: the agent before this one has died with it open, and it is petted again`);
    this.#dog = opened.watchdog;
    this.#decide({ kind: "dog", refused: null });
  }

  #tick(): void {
    this.#decide({ kind: "tick" });
    // Nobody depends on it, and nobody can close it.
    if (this.#forLife && this.#state.dog.is === "closed") this.#dog?.pet();
    this.#tell();
    this.#takeBack = this.#world.at(this.#world.now().bootMs + TICK_MS, () => this.#tick());
  }

  /** What comes back at once is decided in its turn, before anybody else is heard. */
  #decide(input: FenceInput): void {
    this.#inputs.push(input);
    if (this.#deciding) return;
    this.#deciding = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      const { state, effects } = fenceStep(this.#state, next, this.#world.now().bootMs, this.#policy);
      this.#state = state;
      for (const effect of effects) this.#carryOut(effect);
    }
    this.#deciding = false;
    if (this.#state.ending && this.#state.services.every(isStopped)) for (const stopped of this.#stopped.splice(0)) stopped();
  }

  #carryOut(effect: FenceEffect): void {
    switch (effect.kind) {
      case "keep":
        return this.#kept.write(effect.kept);
      case "open-dog":
        return this.#open();
      case "close-dog":
        if (this.#dog === null || this.#forLife) return;
        if (this.#dog.close()) this.#dog = null;
        else {
          this.#forLife = true;
          this.#world.say("warning", "the watchdog cannot be closed (nowayout): it is petted for as long as this agent runs, and resets this host when it ends");
        }
        return;
      case "pet":
        return this.#dog?.pet();
      case "run":
        return void this.#run(effect);
      case "renew":
        return this.#world.leases.ask(effect.request);
      case "say":
        return this.#world.say(effect.level, effect.because);
    }
  }

  #open(): void {
    const { watchdog } = this.#world.options;
    if (watchdog === null) return;
    if (this.#dog !== null) {
      this.#dog.pet();
      return this.#decide({ kind: "dog", refused: null });
    }
    const opened = openWatchdog(watchdog.path, watchdog.timeoutMs);
    if (opened.ok) {
      this.#dog = opened.watchdog;
      const { info, timeoutMs, nowayout, resetLast } = opened.watchdog;
      this.#world.say("info", `${watchdog.path} (${info.identity}) is open and resets this host ${timeoutMs / 1_000} s after the last petting${nowayout ? "; it can never be closed (nowayout)" : ""}${resetLast ? "; it has reset this host before this boot" : ""}`);
    }
    this.#decide({ kind: "dog", refused: opened.ok ? null : opened.because });
  }

  async #run({ act, service, command }: Extract<FenceEffect, { kind: "run" }>): Promise<void> {
    const { options, guard } = this.#world;
    void this.#children.get(service)?.kill(`it is to be ${command === "stop" ? "stopped" : "looked at"}`);
    const found = options.services.find((each) => each.service === service);
    if (found === undefined) return;
    const limitMs = command === "status" ? STATUS_LIMIT_MS : command === "stop" ? options.stopWithinMs : options.startWithinMs;
    const child = new Child(guard, found[command], { limitMs, keepBytes: 1_024 });
    this.#children.set(service, child);
    const ran = await child.ended;
    if (this.#children.get(service) === child) this.#children.delete(service);
    const code = "code" in ran.end ? ran.end.code : null;
    const is: ServiceIs = code === 0 ? "running" : code !== null && STOPPED.has(code) ? "stopped" : "unknown";
    // What was ended for the next one has not failed.
    if (act === this.#actOf(service)) this.#sayFailure(`${service}: ${command}`, ran, code === 0 || (command === "status" && is === "stopped"));
    this.#decide({ kind: "acted", act, ok: code === 0, evidence: `${command}: ${evidenceOf(ran)}`, ...(command === "status" ? { is } : {}) });
  }

  #actOf(service: string): number | null {
    return this.#state.services.find((each) => each.service === service)?.act?.id ?? null;
  }

  /** Once for each change: what is tried every second fails every second. Numbers of processes and times of day are no change. */
  #sayFailure(what: string, ran: Ran, ok: boolean): void {
    if (ok) return void this.#failures.delete(what);
    const failure = `${JSON.stringify(ran.end)} ${ran.said.replace(/\d+/g, "0")}`;
    if (failure === this.#failures.get(what)) return;
    this.#failures.set(what, failure);
    this.#world.say("warning", `${what} has failed: ${evidenceOf(ran)}`);
  }

  #tell(): void {
    const { dog, services, lettingGo } = this.#state;
    const nowMs = this.#world.now().bootMs;
    const { watchdog } = this.#world.options;
    for (const service of services) this.#world.report({ subject: `lease:${service.service}`, ...this.#wordOf(service, nowMs), mayCut: false });
    if (this.#keepFailure !== null) this.#world.report({ subject: "leases", verdict: "warn", because: `what is held cannot be written down, so nothing is started: ${this.#keepFailure}`, mayCut: false });
    else this.#world.forget("leases");
    if (watchdog === null) return this.#world.report({ subject: "watchdog", verdict: "warn", because: "none is configured: that a service stops when its lease ends is an intention, and no promise", mayCut: false });
    if (lettingGo !== null) this.#world.report({ subject: "watchdog", verdict: "bad", because: lettingGo, mayCut: false });
    else if (dog.is === "refused") this.#world.report({ subject: "watchdog", verdict: "warn", because: `no lease is taken: ${dog.because}`, mayCut: false });
    else this.#world.report({ subject: "watchdog", verdict: "good", because: dog.is === "open" ? `${watchdog.path} is open, and petted as long as nothing runs that must not` : `${watchdog.path} is closed: no lease is held`, mayCut: false });
  }

  #wordOf(service: LeasedService, nowMs: number): { readonly verdict: "good" | "warn" | "bad"; readonly because: string } {
    const { lease, is, evidence } = service;
    if (leased(service, this.#state, nowMs)) return { verdict: is === "running" ? "good" : "warn", because: `lease ${lease?.epoch}, and it is ${is}${is === "running" ? "" : ` (${evidence})`}` };
    if (isStopped(service)) return { verdict: "good", because: lease === null ? "no lease, and it is stopped" : `lease ${lease.epoch} has ended, and it is stopped` };
    return { verdict: "bad", because: `no lease, and it is not known to be stopped (${evidence})` };
  }

  /** In order: what runs is stopped, and the watchdog told not to bite. What cannot be stopped takes the host with it. */
  async #stop(): Promise<void> {
    if (!this.#world.dryRun) {
      let cancel = (): void => {};
      const ended = new Promise<void>((resolve) => {
        this.#stopped.push(resolve);
        cancel = this.#world.at(this.#world.now().bootMs + this.#policy.stopWithinMs, resolve);
      });
      this.#decide({ kind: "end" });
      await ended;
      cancel();
    }
    this.#takeBack();
    if (this.#dog !== null) {
      this.#world.say("error", this.#forLife ? "the watchdog cannot be closed: unless an agent is back in time it resets this host" : "not everything that was leased could be stopped: the watchdog is left counting, and resets this host");
      this.#dog.drop();
    }
  }
}
