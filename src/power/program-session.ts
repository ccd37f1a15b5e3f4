// A session with a device that is asked and switched by running programs: `command`, `ipmi` and `fence-agent` say what to run
// and what an end means, and this keeps the order of acts (safety.md §4.1): the status first, then the gate, and the child
// that switches is started by the write itself and by nothing else. There is no connection that is kept between runs.
//
// An outlet that cannot be read while others can is unknown; when none can, the first reason is the answer of all.

import { evidenceOf, childGuard, runChild } from "../child/child.ts";
import type { Ran } from "../child/child.ts";
import { assert, UpkeepError } from "../core/errors.ts";
import { passGate } from "./gate.ts";
import type { Fire, OutletState, PowerSession, Reading, SetOutcome, Tap } from "./power.ts";

export type ProgramRun = {
  readonly argv: readonly string[];
  /** For standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
};

/** What one driver knows of its programs. */
export type Programs = {
  /** The limit of one run. */
  readonly stepMs: number;
  /** No child lives longer than this, with or without us. */
  readonly maxActMs: number;
  /** Never shown, wherever a program prints them. */
  readonly secrets: readonly string[];
  /** Throws POWER_OUTLET for what cannot be an outlet here. */
  checkOutlet(outlet: string): void;
  /** Null: the state of an outlet cannot be asked. */
  status(outlet: string): ProgramRun | null;
  switch(outlet: string, action: "on" | "off"): ProgramRun;
  /** What the end of a status says; throws an UpkeepError where it says that there is no answer to be had. */
  stateOf(ran: Ran, evidence: string): OutletState;
  /** What the end of a switching program says. A program that failed may have acted first, so that is seldom `refused`. */
  outcomeOf(ran: Ran, action: "on" | "off"): "accepted" | "refused" | "unknown";
};

export class ProgramSession implements PowerSession {
  readonly #programs: Programs;
  readonly #tap: Tap | undefined;
  // Looked for once, so that the write itself has nothing to look for.
  readonly #guard = childGuard();
  #busy = false;
  /** Ends what runs when the session does. */
  #closing = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(programs: Programs, tap?: Tap) {
    this.#programs = programs;
    this.#tap = tap;
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(async () => {
      for (const outlet of outlets) this.#programs.checkOutlet(outlet);
      const states = new Map<string, OutletState>();
      let failure: unknown = null;
      let answers = 0;
      for (const outlet of new Set(outlets)) {
        try {
          states.set(outlet, await this.#status(outlet, signal));
          answers += 1;
        } catch (error) {
          if (signal.aborted) throw error;
          failure ??= error;
        }
      }
      if (failure !== null && answers === 0) throw failure;
      return outlets.map((outlet) => ({ outlet, state: states.get(outlet) ?? "unknown", label: null }));
    });
  }

  set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    return this.#alone(async () => {
      this.#programs.checkOutlet(outlet);
      const run = this.#programs.switch(outlet, action);
      const state = await this.#status(outlet, signal);
      let running: Promise<Ran> | null = null;
      const passage = await passGate(fire, { outlet, state, label: null }, () => (running = this.#run(run, signal)), signal);
      if (passage.kind === "shut") return passage.outcome;
      assert(running !== null, "the write has run");
      const ran = await (running as Promise<Ran>);
      const evidence = this.#evidence(ran);
      const kind = this.#programs.outcomeOf(ran, action);
      return kind === "refused" ? { kind, by: "device", evidence } : { kind, evidence };
    });
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#closing = new AbortController();
    await this.#running.catch(() => undefined);
  }

  async #status(outlet: string, signal: AbortSignal): Promise<OutletState> {
    if (signal.aborted) throw stopped(signal);
    const run = this.#programs.status(outlet);
    if (run === null) return "unknown";
    const ran = await this.#run(run, signal);
    if (signal.aborted) throw stopped(signal);
    return this.#programs.stateOf(ran, this.#evidence(ran));
  }

  /** Starts the child before it returns. */
  #run({ argv, ...more }: ProgramRun, signal: AbortSignal): Promise<Ran> {
    const { stepMs, maxActMs } = this.#programs;
    const running = runChild(this.#guard, argv, { limitMs: Math.min(stepMs, maxActMs), ...more }, AbortSignal.any([signal, this.#closing.signal]));
    this.#running = running;
    if (this.#tap === undefined) return running;
    this.#tap.said(JSON.stringify({ argv, input: more.input ?? "" }));
    return running.then((ran) => {
      this.#tap?.heard(JSON.stringify(ran));
      return ran;
    });
  }

  #evidence(ran: Ran): string {
    return evidenceOf(ran, this.#programs.secrets);
  }

  async #alone<Result>(call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy, "calls on a power session never overlap");
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

function stopped(signal: AbortSignal): UpkeepError {
  return new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
}
