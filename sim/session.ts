// One log-in at a virtual device, as a driver would hold it: the production gate between the reading and the byte, a
// step time-out of its own, and what the port of power.ts promises: a rejection only before the gate was asked, an outcome
// after it. A session whose process dies is a ghost until the device notices.

import { UpkeepError } from "../src/core/errors.ts";
import { passGate } from "../src/power/gate.ts";
import type { Draw, Fire, PowerSession, Reading, SetOutcome } from "../src/power/power.ts";
import type { Device, Sent } from "./devices.ts";
import type { Process, Scene } from "./scene.ts";

export function openSession(world: Scene, device: Device, life: Process, signal: AbortSignal): Promise<Session> {
  world.stir();
  life.point("open");
  if (!life.alive) return never();
  for (const checker of world.checkers.opening) checker.opening?.(device, life);
  return new Promise((resolve, reject) => {
    const settle = once(world, life, signal, device, device.spec.loginMs, (failure) => reject(failure));
    settle(() => {
      const held = [...device.sessions].some((each) => each.life !== life || device.spec.policy.exclusiveSession);
      if ((device.spec.policy.exclusiveSession && held) || world.timeline.nowMs < device.ghostUntilMs) {
        world.counts.add("device: busy with another session");
        return reject(new UpkeepError("POWER_BUSY", `${device.name} serves another session`));
      }
      const session = new Session(world, device, life);
      device.sessions.add(session);
      resolve(session);
    });
  });
}

export class Session implements PowerSession {
  readonly #world: Scene;
  readonly #device: Device;
  readonly life: Process;
  broken = false;
  #closed = false;
  #busy = false;
  readonly #breaks = new Set<() => void>();

  constructor(world: Scene, device: Device, life: Process) {
    this.#world = world;
    this.#device = device;
    this.life = life;
  }

  get busy(): boolean {
    return this.#busy;
  }

  async read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    this.#enter("read");
    try {
      const askedMs = this.#world.timeline.nowMs;
      await this.#exchange(this.#device.spec.turnMs, signal);
      const readings = outlets.map((outlet) => this.#device.sample(outlet));
      for (const checker of this.#world.checkers.readings) checker.readings?.(this.#device, readings, this.life, askedMs);
      return readings;
    } finally {
      this.#busy = false;
    }
  }

  async meter(outlets: readonly string[], signal: AbortSignal): Promise<readonly Draw[]> {
    this.#enter("read");
    try {
      const { meter } = this.#device;
      if (meter === null) throw new UpkeepError("POWER_NONSENSE", `${this.#device.name} has no meter`);
      const askedMs = this.#world.timeline.nowMs;
      await this.#exchange(this.#device.spec.turnMs, signal);
      const draws = meter.tell(outlets);
      const { extraMs } = meter;
      if (extraMs > 0) await this.#exchange(extraMs, signal);
      for (const checker of this.#world.checkers.metered) checker.metered?.(this.#device, draws, this.life, askedMs);
      return draws;
    } finally {
      this.#busy = false;
    }
  }

  async set(id: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    this.#enter("set");
    try {
      const askedMs = this.#world.timeline.nowMs;
      await this.#exchange(2 * this.#device.spec.turnMs, signal);
      const reading = this.#device.sample(id);
      for (const checker of this.#world.checkers.readings) checker.readings?.(this.#device, [reading], this.life, askedMs);
      this.life.point("ready");
      const written: Sent[] = [];
      const passage = await passGate(fire, reading, () => void written.push(this.#write(id, action, reading)), signal);
      if (passage.kind === "shut") return passage.outcome;
      return await this.#answer(written[0] as Sent, signal);
    } finally {
      this.#busy = false;
    }
  }

  close(): Promise<void> {
    this.#world.stir();
    if (this.#closed || !this.life.alive) return Promise.resolve();
    this.#closed = true;
    const gone = (): void => {
      this.#device.sessions.delete(this);
    };
    if (this.broken) return Promise.resolve(gone());
    if (!this.#device.hears(this.life)) {
      // Nobody hears the log-out: the device keeps the session until it is tired of it.
      this.#device.ghostUntilMs = Math.max(this.#device.ghostUntilMs, this.#world.timeline.nowMs + this.#world.random.whole(2_000, 30_000));
      return Promise.resolve(gone());
    }
    return new Promise((resolve) => {
      this.#world.timeline.in(Math.min(500, this.#device.spec.turnMs), this.life, () => {
        gone();
        this.#world.stir();
        resolve();
      });
    });
  }

  /** The connection is reset. */
  cut(): void {
    if (this.broken) return;
    this.broken = true;
    this.#device.sessions.delete(this);
    for (const each of this.#breaks) this.#world.timeline.in(0, this.life, each);
  }

  #enter(what: string): void {
    this.#world.stir();
    if (this.#busy || this.#closed) this.#world.fail("Session", `${what} at ${this.#device.name} while ${this.#busy ? "another call is under way" : "the session is closed"}`);
    this.#busy = true;
    this.life.point(what === "read" ? "read" : "set");
  }

  async #exchange(takesMs: number, signal: AbortSignal): Promise<void> {
    if (!this.life.alive) return never();
    if (this.broken) throw new UpkeepError("POWER_UNREACHABLE", "the connection was reset");
    await new Promise<void>((resolve, reject) => {
      const onBreak = (): void => {
        this.#world.stir();
        reject(new UpkeepError("POWER_UNREACHABLE", "the connection was reset"));
      };
      this.#breaks.add(onBreak);
      const settle = once(this.#world, this.life, signal, this.#device, takesMs, (failure) => {
        this.#breaks.delete(onBreak);
        reject(failure);
      });
      settle(() => {
        this.#breaks.delete(onBreak);
        resolve();
      });
    });
    if (!this.life.alive) return never();
  }

  #write(id: string, action: "on" | "off", reading: Reading): Sent {
    const { life } = this;
    life.point("write");
    const outlet = this.#device.outlet({ device: this.#device.name, outlet: id });
    const sent: Sent = { life, outlet, action, sentMs: this.#world.timeline.nowMs, reading, operation: this.#world.operationAt(outlet.key), receivedMs: null, refused: false, acknowledged: false, answer: null };
    if (!life.alive) return sent;
    if (this.broken) throw new Error("the connection was gone");
    this.#world.say(() => `> ${action} to ${outlet.key}`);
    for (const checker of this.#world.checkers.bytes) checker.bytes?.(sent);
    this.#device.carry(sent);
    life.point("wrote");
    return sent;
  }

  #answer(sent: Sent, signal: AbortSignal): Promise<SetOutcome> {
    if (!this.life.alive) return never();
    return new Promise((resolve) => {
      let stop = (): void => {};
      const end = (outcome: SetOutcome): void => {
        stop();
        this.#breaks.delete(onBreak);
        this.#world.stir();
        this.life.point("answered");
        resolve(outcome);
      };
      const onBreak = (): void => end({ kind: "unknown", evidence: "the connection was reset before an answer" });
      this.#breaks.add(onBreak);
      signal.addEventListener("abort", () => end({ kind: "unknown", evidence: "no answer in time" }), { once: true });
      const step = this.#world.timeline.in(8_000, this.life, () => end({ kind: "unknown", evidence: "no answer within 8 s" }));
      stop = () => (step.run = null);
      sent.answer = () => {
        const cancel = this.#device.exchange(this.life, this.#device.spec.turnMs, () => end(sent.refused ? { kind: "refused", by: "device", evidence: "E102: not allowed" } : { kind: "accepted", evidence: "E000: Success" }), () => {});
        stop = () => {
          step.run = null;
          cancel();
        };
      };
      if (sent.acknowledged) sent.answer();
    });
  }
}

/** One exchange that ends by an answer, an abort or the driver's own step time-out, whichever comes first. */
function once(world: Scene, life: Process, signal: AbortSignal, device: Device, takesMs: number, fail: (error: unknown) => void): (then: () => void) => void {
  return (then) => {
    let ended = false;
    const end = (act: () => void): void => {
      if (ended) return;
      ended = true;
      world.stir();
      act();
    };
    const cancel = device.exchange(life, takesMs, () => end(then), () => end(() => fail(new UpkeepError("POWER_UNREACHABLE", `no answer from ${device.name}`))));
    const onAbort = (): void => {
      cancel();
      end(() => fail(signal.reason));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  };
}

function never(): Promise<never> {
  return new Promise(() => {});
}
