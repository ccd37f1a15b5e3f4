// Messages on their way to one channel, in order, one at a time. What fails is tried again with a pause that doubles up to
// five minutes, for about a day; what the channel refuses for good is dropped. Nobody waits for any of it.
//
// An alarm that is repeated while its last word still waits replaces that word; "over" never replaces what it ends, so
// whoever hears at last hears both. The queue is bounded: beyond it the oldest of the least severe go first.

import type { Channel, Delivery } from "./channel.ts";
import type { Message } from "./message.ts";

export type Waiting = {
  readonly message: Message;
  readonly attempts: number;
  /** Recipients to whom it is still to be delivered; null: all. */
  readonly only: readonly string[] | null;
};

export type QueueOptions = {
  /** For people, in a sentence; once a change. */
  readonly report: (text: string) => void;
  /** What waits has changed. */
  readonly onChange: () => void;
  readonly pauseMs?: { readonly first: number; readonly most: number };
};

const PAUSE_MS = { first: 5_000, most: 300_000 } as const;
/** At most five minutes apart: about a day. */
const ATTEMPTS_MAX = 290;
const WAITING_MAX = 100;
const SEVERITIES: readonly Message["severity"][] = ["info", "warning", "critical"];

export class DeliveryQueue {
  readonly channel: Channel;
  readonly #options: QueueOptions;
  #waiting: Waiting[];
  #underWay: Waiting | null = null;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  readonly #abort = new AbortController();
  #idle: (() => void) | null = null;

  constructor(channel: Channel, waiting: readonly Waiting[], options: QueueOptions) {
    this.channel = channel;
    this.#options = options;
    this.#waiting = waiting.slice(-WAITING_MAX);
    this.#next();
  }

  get waiting(): readonly Waiting[] {
    return this.#waiting;
  }

  add(message: Message): void {
    const replaced = message.state === "over" ? [] : this.#waiting.filter((each) => each !== this.#underWay && each.message.alarm === message.alarm && each.message.state !== "over" && !this.#endedAfter(each));
    this.#waiting = this.#waiting.filter((each) => !replaced.includes(each));
    // Nobody has heard of it yet, so it is not "still" so.
    const state = replaced.some((each) => each.message.state === "raised") ? "raised" : message.state;
    this.#waiting.push({ message: state === message.state ? message : { ...message, state }, attempts: 0, only: null });
    if (this.#waiting.length > WAITING_MAX) this.#dropOne();
    this.#options.onChange();
    this.#next();
  }

  /** Gives what waits `graceMs` to be delivered, then ends; what is left stays in `waiting`. */
  async close(graceMs: number): Promise<void> {
    if (this.#waiting.length > 0 && this.#failures === 0) {
      const limit = new Promise<void>((resolve) => { this.#timerOfClose = setTimeout(resolve, graceMs); });
      await Promise.race([limit, new Promise<void>((resolve) => { this.#idle = resolve; })]);
      clearTimeout(this.#timerOfClose);
    }
    this.#closing = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  #timerOfClose: NodeJS.Timeout | undefined;

  #next(): void {
    if (this.#closing || this.#underWay !== null || this.#timer !== undefined) return;
    const [first] = this.#waiting;
    if (first === undefined) return this.#idle?.();
    this.#underWay = first;
    void this.channel.deliver(first.message, first.only, this.#abort.signal).then(
      (delivery) => this.#ended(first, delivery),
      (error: unknown) => this.#ended(first, { kind: "failed", evidence: String(error) }),
    );
  }

  #ended(waiting: Waiting, delivery: Delivery): void {
    this.#underWay = null;
    if (this.#closing) return;
    const { name } = this.channel;
    const subject = JSON.stringify(waiting.message.subject);
    switch (delivery.kind) {
      case "delivered":
        if (this.#failures > 0) this.#options.report(`alerts by ${name} are delivered again`);
        this.#failures = 0;
        if (delivery.note !== null && waiting.only === null) this.#options.report(`alert ${subject} was not taken for everybody: ${delivery.note}`);
        this.#replace(waiting, delivery.left.length === 0 ? null : { ...waiting, only: delivery.left, attempts: waiting.attempts + 1 });
        // The others have it; these are tried again later, without a hurry and without holding up what follows.
        if (delivery.left.length > 0) this.#pause();
        break;
      case "failed":
        this.#failures += 1;
        if (this.#failures === 1) this.#options.report(`alerts by ${name} fail: ${delivery.evidence}; tried again`);
        this.#replace(waiting, { ...waiting, attempts: waiting.attempts + 1 });
        this.#pause();
        this.#idle?.();
        break;
      case "refused":
        this.#options.report(`alert ${subject} was refused by ${name} and is dropped: ${delivery.evidence}`);
        this.#replace(waiting, null);
        break;
    }
    this.#options.onChange();
    this.#next();
  }

  #replace(old: Waiting, by: Waiting | null): void {
    const at = this.#waiting.indexOf(old);
    if (at < 0) return;
    if (by !== null && by.attempts >= ATTEMPTS_MAX) {
      this.#options.report(`alert ${JSON.stringify(old.message.subject)} could not be delivered by ${this.channel.name} in ${by.attempts} attempts and is dropped`);
      this.#waiting.splice(at, 1);
    } else if (by === null) this.#waiting.splice(at, 1);
    // For some recipients only: behind the others, which nobody has yet.
    else if (by.only !== null) this.#waiting.push(...this.#waiting.splice(at, 1).map(() => by));
    else this.#waiting[at] = by;
  }

  #pause(): void {
    const { first, most } = this.#options.pauseMs ?? PAUSE_MS;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#next();
    }, Math.min(first * 2 ** Math.min(Math.max(0, this.#failures - 1), 20), most));
    this.#timer.unref();
  }

  #endedAfter(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting);
    return this.#waiting.slice(at + 1).some((each) => each.message.alarm === waiting.message.alarm && each.message.state === "over");
  }

  #dropOne(): void {
    const candidates = this.#waiting.filter((each) => each !== this.#underWay);
    const least = Math.min(...candidates.map((each) => SEVERITIES.indexOf(each.message.severity)));
    const gone = candidates.find((each) => SEVERITIES.indexOf(each.message.severity) === least);
    if (gone === undefined) return;
    this.#waiting = this.#waiting.filter((each) => each !== gone);
    this.#options.report(`too many alerts wait for ${this.channel.name}: ${JSON.stringify(gone.message.subject)} is dropped`);
  }
}
