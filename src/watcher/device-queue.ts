// One power device: one session at a time, requests one after the other, reads that wait together read together.
//
// A session is kept a moment after its last use, because an operation reads back every second, and is logged out of well
// within five seconds of the last need. A session that was kept may have died unnoticed: what fails on it before anything
// was written is tried once more on a fresh one; what fails on a fresh one is the caller's to judge.

import { UpkeepError } from "../core/errors.ts";
import type { ActOutcome, MeterResult, ReadResult } from "../core/io.ts";
import type { Fire, PowerDevice, PowerSession, Reading, SetOutcome } from "../power/power.ts";
import type { Clock } from "./ports.ts";

const KEEP_MS = 2_500;
const WAITING_MAX = 1_000;

type ReadRequest = { readonly kind: "read"; readonly outlets: readonly string[]; readonly boundMs: number; readonly done: (result: ReadResult, startedAtMs: number) => void };
type MeterRequest = { readonly kind: "meter"; readonly outlets: readonly string[]; readonly boundMs: number; readonly done: (result: MeterResult, startedAtMs: number) => void };
type LoanRequest = { readonly kind: "loan"; readonly boundMs: number; readonly use: (device: PowerDevice, signal: AbortSignal) => Promise<void>; readonly failed: (error: unknown) => void };
type ActRequest = { readonly kind: "act"; readonly outlet: string; readonly action: "on" | "off"; readonly boundMs: number; readonly fire: Fire; readonly done: (outcome: ActOutcome) => void; cancelled: boolean; abort: (() => void) | null };

/** Cancels an act that has not been let go: it ends with `refused` by the gate, whatever state it is in. */
export type Act = { cancel(): void };

export class DeviceQueue {
  readonly #device: () => PowerDevice | undefined;
  readonly #clock: Clock;
  #waiting: (ReadRequest | MeterRequest | ActRequest | LoanRequest)[] = [];
  #busy = false;
  #closed = false;
  #session: PowerSession | null = null;
  /** What is being asked now. */
  #current: { readonly controller: AbortController; wrote: boolean } | null = null;
  /** Somebody else has the device; an act does not wait for him. */
  #lent = false;
  /** The session ends with what is being asked. */
  #hangingUp = false;
  #stopKeeping: (() => void) | null = null;

  constructor(device: () => PowerDevice | undefined, clock: Clock) {
    this.#device = device;
    this.#clock = clock;
  }

  read(outlets: readonly string[], boundMs: number, done: ReadRequest["done"]): void {
    if (this.#waiting.length >= WAITING_MAX) return done({ ok: false, code: "POWER_BUSY", evidence: "too many requests wait for this device" }, this.#clock.now().bootMs);
    this.#waiting.push({ kind: "read", outlets, boundMs, done });
    this.#next();
  }

  meter(outlets: readonly string[], boundMs: number, done: MeterRequest["done"]): void {
    if (this.#waiting.length >= WAITING_MAX) return done({ ok: false, code: "POWER_BUSY", evidence: "too many requests wait for this device" }, this.#clock.now().bootMs);
    this.#waiting.push({ kind: "meter", outlets, boundMs, done });
    this.#next();
  }

  act(outlet: string, action: "on" | "off", boundMs: number, fire: Fire, done: ActRequest["done"]): Act {
    const request: ActRequest = { kind: "act", outlet, action, boundMs, fire, done, cancelled: false, abort: null };
    // An act goes before the reads that wait: freshness of its evidence is measured in seconds.
    const at = this.#waiting.findIndex((each) => each.kind !== "act");
    if (this.#lent) this.#current?.controller.abort(new UpkeepError("POWER_BUSY", "given up for a command"));
    if (at < 0) this.#waiting.push(request);
    else this.#waiting.splice(at, 0, request);
    this.#next();
    return {
      cancel: () => {
        request.cancelled = true;
        request.abort?.();
      },
    };
  }

  /** Lends the device to somebody who opens a session of his own: ours has ended by then, and nothing is asked meanwhile. An act ends the loan. */
  lend<Value>(boundMs: number, use: (device: PowerDevice, signal: AbortSignal) => Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      if (this.#closed || this.#waiting.length >= WAITING_MAX) return reject(new UpkeepError("POWER_BUSY", "too many requests wait for this device"));
      this.#waiting.push({ kind: "loan", boundMs, use: async (device, signal) => resolve(await use(device, signal)), failed: reject });
      this.#next();
    });
  }

  /**
   * Another watcher may log in here from now on: the session ends at once, with what is being asked in it and what waits.
   * Only an act whose byte has gone out is heard to its end, which is bounded, and the successor waits for that bound.
   * What comes later opens a session of its own.
   */
  hangUp(): void {
    const error = new UpkeepError("POWER_BUSY", "another watcher may take this device over: our session has ended");
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#hangingUp = this.#busy;
    if (this.#current?.wrote === false) this.#current.controller.abort(error);
    if (!this.#busy) this.#logOut();
    for (const request of waiting) {
      if (request.kind === "read" || request.kind === "meter") request.done({ ok: false, ...described(error) }, this.#clock.now().bootMs);
      else if (request.kind === "loan") request.failed(error);
      else request.done(request.cancelled ? { kind: "refused", by: "gate", evidence: "cancelled before it began" } : { kind: "failed", ...described(error) });
    }
  }

  /** Ends the session politely, and all that waits for it: nothing is opened any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#drop();
  }

  #next(): void {
    if (this.#busy || this.#closed || this.#waiting.length === 0) return;
    this.#busy = true;
    this.#stopKeeping?.();
    this.#stopKeeping = null;
    void this.#serve().finally(async () => {
      if (this.#hangingUp) await this.#drop();
      this.#hangingUp = false;
      this.#busy = false;
      if (this.#waiting.length > 0) return this.#next();
      if (this.#session !== null) this.#stopKeeping = this.#clock.at(this.#clock.now().bootMs + KEEP_MS, () => this.#logOut());
    });
  }

  /** Nobody needs the session any more; whoever comes meanwhile waits until the device has let go of it. */
  #logOut(): void {
    this.#busy = true;
    void this.#drop().finally(() => {
      this.#busy = false;
      this.#hangingUp = false;
      this.#next();
    });
  }

  async #serve(): Promise<void> {
    const request = this.#waiting.shift() as ReadRequest | MeterRequest | ActRequest | LoanRequest;
    if (request.kind === "act") return this.#serveAct(request);
    if (request.kind === "meter") return this.#serveMeter(request);
    if (request.kind === "loan") return this.#serveLoan(request);
    const together = [request];
    this.#waiting = this.#waiting.filter((each) => {
      if (each.kind === "read") together.push(each);
      return each.kind !== "read";
    });
    const outlets = [...new Set(together.flatMap((each) => each.outlets))];
    const startedAtMs = this.#clock.now().bootMs;
    const result = await this.#bounded(request.boundMs, null, async (signal): Promise<ReadResult> => {
      return { ok: true, readings: await this.#withSession(signal, (session) => readAll(session, outlets, signal)) };
    }).catch((error: unknown): ReadResult => ({ ok: false, ...described(error) }));
    if (!result.ok) await this.#drop();
    for (const each of together) {
      each.done(result.ok ? { ok: true, readings: result.readings.filter((reading) => each.outlets.includes(reading.outlet)) } : result, startedAtMs);
    }
  }

  async #serveMeter(request: MeterRequest): Promise<void> {
    const startedAtMs = this.#clock.now().bootMs;
    const result = await this.#bounded(request.boundMs, null, async (signal): Promise<MeterResult> => {
      const draws = await this.#withSession(signal, (session) => session.meter?.(request.outlets, signal) ?? Promise.resolve(null));
      return draws === null ? { ok: false, code: "POWER_NONSENSE", evidence: "its driver does not read what is drawn" } : { ok: true, draws };
    }).catch((error: unknown): MeterResult => ({ ok: false, ...described(error) }));
    if (!result.ok) await this.#drop();
    request.done(result, startedAtMs);
  }

  async #serveLoan(request: LoanRequest): Promise<void> {
    await this.#drop();
    const device = this.#device();
    this.#lent = true;
    try {
      if (device === undefined) throw new UpkeepError("POWER_UNREACHABLE", "the power device is not configured any more");
      await this.#bounded(request.boundMs, null, (signal) => request.use(device, signal));
    } catch (error) {
      request.failed(error);
    } finally {
      this.#lent = false;
    }
  }

  async #serveAct(request: ActRequest): Promise<void> {
    if (request.cancelled) return request.done({ kind: "refused", by: "gate", evidence: "cancelled before it began" });
    let asked = false;
    let wrote = false;
    const fire: Fire = async (reading, write) => {
      asked = true;
      if (request.cancelled) return false;
      return request.fire(reading, () => {
        const current = this.#current;
        // Hung up, or out of time, while the core decided: this session is not ours to write in any more.
        if (current === null || current.controller.signal.aborted) throw new UpkeepError("POWER_BUSY", "the session had ended before the byte");
        wrote = true;
        current.wrote = true;
        write();
      });
    };
    const outcome = await this.#bounded(request.boundMs, request, async (signal): Promise<ActOutcome> => {
      const set: SetOutcome = await this.#withSession(signal, (session) => session.set(request.outlet, request.action, fire, signal), () => !asked);
      // Aborted at the gate: the driver cannot tell, we can.
      if (set.kind === "unknown" && !wrote) throw new UpkeepError("POWER_TIMEOUT", `nothing was sent: ${set.evidence}`);
      return set;
    }).catch((error: unknown): ActOutcome => {
      const { code, evidence } = described(error);
      if (wrote) return { kind: "unknown", evidence };
      return request.cancelled ? { kind: "refused", by: "gate", evidence: "cancelled" } : { kind: "failed", code, evidence };
    });
    if (outcome.kind === "failed" || outcome.kind === "unknown" || request.cancelled) await this.#drop();
    request.done(outcome);
  }

  async #withSession<Value>(signal: AbortSignal, use: (session: PowerSession) => Promise<Value>, mayRepeat: () => boolean = () => true): Promise<Value> {
    const kept = this.#session;
    if (kept !== null) {
      try {
        return await use(kept);
      } catch (error) {
        await this.#drop();
        if (signal.aborted || this.#closed || !mayRepeat()) throw error;
      }
    }
    const device = this.#device();
    if (device === undefined) throw new UpkeepError("POWER_UNREACHABLE", "the power device is not configured any more");
    const session = await device.open(signal);
    if (signal.aborted) {
      await session.close();
      throw new UpkeepError("POWER_TIMEOUT", "no session in time");
    }
    this.#session = session;
    return use(session);
  }

  async #bounded<Value>(boundMs: number, request: ActRequest | null, work: (signal: AbortSignal) => Promise<Value>): Promise<Value> {
    const controller = new AbortController();
    this.#current = { controller, wrote: false };
    const abort = () => controller.abort(new UpkeepError("POWER_TIMEOUT", `not done within ${Math.round(boundMs / 100) / 10} s`));
    const cancel = this.#clock.at(this.#clock.now().bootMs + boundMs, abort);
    if (request !== null) request.abort = abort;
    try {
      return await work(controller.signal);
    } finally {
      cancel();
      this.#current = null;
    }
  }

  async #drop(): Promise<void> {
    this.#stopKeeping?.();
    this.#stopKeeping = null;
    const session = this.#session;
    this.#session = null;
    await session?.close();
  }
}

/** All outlets in one listing; one by one where the device does not know one of them, so that a mistake in the configuration of one host does not blind the others. */
async function readAll(session: PowerSession, outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
  try {
    return await session.read(outlets, signal);
  } catch (error) {
    if (!unknownOutlet(error) || outlets.length < 2) throw error;
  }
  const readings: Reading[] = [];
  for (const outlet of outlets) {
    try {
      readings.push(...(await session.read([outlet], signal)));
    } catch (error) {
      if (!unknownOutlet(error)) throw error;
      readings.push({ outlet, state: "unknown", label: null });
    }
  }
  return readings;
}

function unknownOutlet(error: unknown): boolean {
  return error instanceof UpkeepError && error.code === "POWER_OUTLET";
}

function described(error: unknown): { code: string; evidence: string } {
  if (error instanceof UpkeepError) return { code: error.code, evidence: error.message };
  return { code: "POWER_UNREACHABLE", evidence: error instanceof Error ? error.message : String(error) };
}
