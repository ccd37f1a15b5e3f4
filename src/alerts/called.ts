// Who has been called about what. It decides three things: that the end of an alarm goes to everybody who was called, over
// restarts and changes of the routes; that a repetition goes to all of them; and whom to call next when nobody acknowledges
// (`escalate`). Whether an alarm is still open and whether somebody has acknowledged it is the core's word, asked each time.

import type { Alarm } from "../core/io.ts";
import type { WallTime } from "./hours.ts";
import type { Step } from "./routes.ts";
import { fits } from "./routes.ts";

export type Called = {
  readonly alarm: Alarm;
  /** In the order in which they were called; `atMs` is wall clock, Unix milliseconds. */
  readonly to: readonly { readonly channel: string; readonly atMs: number }[];
  /** Since when it has been waiting for somebody, wall clock: the clock of escalation. */
  readonly sinceMs: number;
  readonly acknowledged: boolean;
};

/** Open alarms by name, as the core has them now. */
export type OpenAlarms = ReadonlyMap<string, { readonly alarm: Alarm; readonly acknowledged: boolean }>;

export type Due = { readonly called: Called; readonly to: readonly string[]; readonly atMs: number };

/** Outside of a step's hours it is asked again so soon. */
const AGAIN_MS = 60_000;

export class Calls {
  readonly #calls: Map<string, Called>;

  constructor(kept: readonly Called[]) {
    this.#calls = new Map(kept.map((call) => [call.alarm.alarm, call]));
  }

  get all(): readonly Called[] {
    return [...this.#calls.values()];
  }

  of(alarm: string): Called | undefined {
    return this.#calls.get(alarm);
  }

  /** These channels are told of it now. After an acknowledgement other news starts the clock anew. */
  tell(alarm: Alarm, channels: readonly string[], atMs: number): void {
    const known = this.#calls.get(alarm.alarm);
    const to = [...(known?.to ?? []), ...channels.filter((channel) => known?.to.some((each) => each.channel === channel) !== true).map((channel) => ({ channel, atMs }))];
    this.#calls.set(alarm.alarm, { alarm, to, sinceMs: known === undefined || known.acknowledged ? atMs : known.sinceMs, acknowledged: false });
  }

  forget(alarm: string): void {
    this.#calls.delete(alarm);
  }

  /** Takes over what the core says now: who has acknowledged. Returns whether anything changed. */
  acknowledge(open: OpenAlarms): boolean {
    let changed = false;
    for (const [name, call] of this.#calls) {
      if (call.acknowledged || open.get(name)?.acknowledged !== true) continue;
      this.#calls.set(name, { ...call, acknowledged: true });
      changed = true;
    }
    return changed;
  }

  /** What is to be said next, earliest first; what is due has an `atMs` that is over. */
  due(steps: readonly Step[], open: OpenAlarms, wallMs: number, now: () => WallTime): readonly Due[] {
    const found: Due[] = [];
    for (const call of this.#calls.values()) {
      const known = open.get(call.alarm.alarm);
      // A cut asks nothing of anybody.
      if (known === undefined || known.acknowledged || call.acknowledged || call.alarm.kind === "cut") continue;
      for (const { afterMs, to, hours, ...rule } of steps) {
        const fresh = to.filter((channel) => !call.to.some((each) => each.channel === channel));
        if (fresh.length === 0 || !fits(rule, call.alarm, now)) continue;
        const dueMs = call.sinceMs + afterMs;
        const outside = dueMs <= wallMs && !fits({ hours }, call.alarm, now);
        found.push({ called: call, to: fresh, atMs: outside ? wallMs + AGAIN_MS : dueMs });
      }
    }
    return found.toSorted((a, b) => a.atMs - b.atMs);
  }
}
