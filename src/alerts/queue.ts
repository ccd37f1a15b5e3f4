// Messages on their way to one channel, in order, one delivery at a time. What fails is tried again with a pause that doubles
// up to five minutes, for about a day, and not before the time that the other side asked for; what the channel refuses for good
// is given back. Nobody waits for any of it.
//
// What comes together goes together: a channel that has been quiet waits a moment for more, and after each delivery for the
// rest of the window, so that a storm is one message, and so is what has piled up while a mail server was away.
//
// An alarm that is repeated while its last word still waits replaces that word; "over" never replaces what it ends, so
// whoever hears at last hears both. The queue is bounded: beyond it the oldest of the least severe go first.

import type { Channel, Delivery } from "./channel.ts";
import { digest } from "./digest.ts";
import type { Message, Sender } from "./message.ts";

export type Waiting = {
  readonly message: Message;
  readonly attempts: number;
  /** Recipients to whom it is still to be delivered; null: all. */
  readonly only: readonly string[] | null;
  /** It was refused in a digest: tried once more, by itself. */
  readonly alone?: true;
};

export type QueueOptions = {
  /** For people, in a sentence; once a change. */
  readonly report: (text: string) => void;
  /** What waits has changed. */
  readonly onChange: () => void;
  /** A message that this channel will never take, or has not taken in a day. */
  readonly onLost?: (message: Message) => void;
  readonly pauseMs?: { readonly first: number; readonly most: number };
  /** How long a quiet channel waits for more, and how far apart deliveries are. */
  readonly group?: { readonly firstMs: number; readonly windowMs: number };
  readonly sender?: Sender;
  readonly wallMs?: () => number;
};

/** For `upkeep alerts list`; times are wall clock, Unix milliseconds. */
export type QueueReport = { readonly channel: string; readonly kind: string; readonly waiting: number; readonly oldestMs: number | null; readonly failing: string | null; readonly triedMs: number | null; readonly deliveredMs: number | null; readonly nextMs: number | null };

const PAUSE_MS = { first: 5_000, most: 300_000 } as const;
/** Who asks for longer is asked again then all the same. */
const RETRY_AFTER_MAX_MS = 3_600_000;
/** At most five minutes apart: about a day. */
const ATTEMPTS_MAX = 290;
/** A storm over a large fleet, one message a host. */
const WAITING_MAX = 2_000;
const SEVERITIES: readonly Message["severity"][] = ["info", "warning", "critical"];

export class DeliveryQueue {
  readonly channel: Channel;
  readonly #options: QueueOptions;
  #waiting: Waiting[];
  #underWay: readonly Waiting[] = [];
  #failures = 0;
  #failing: string | null = null;
  #triedMs: number | null = null;
  #deliveredMs: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #dueMs: number | null = null;
  /** Monotonic; when the window of the last delivery began. */
  #lastMs = Number.NEGATIVE_INFINITY;
  /** While it waits for more, and not after a failure. */
  #gathering = false;
  /** Said once, until there is room again. */
  #overflowing = false;
  #closing = false;
  #hurry = false;
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

  get report(): QueueReport {
    const { name, kind } = this.channel;
    return { channel: name, kind, waiting: this.#waiting.length, oldestMs: this.#waiting[0]?.message.atMs ?? null, failing: this.#failing, triedMs: this.#triedMs, deliveredMs: this.#deliveredMs, nextMs: this.#dueMs };
  }

  add(message: Message): void {
    const replaced = message.state === "over" ? [] : this.#waiting.filter((each) => !this.#underWay.includes(each) && each.message.alarm === message.alarm && each.message.state !== "over" && !this.#endedAfter(each));
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
      // Without a moment to spare nothing is begun: whoever takes the rest over would send it again.
      this.#hurry = graceMs > 0;
      if (this.#hurry && this.#gathering) this.#wake();
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => { timer = setTimeout(resolve, graceMs); });
      await Promise.race([limit, new Promise<void>((resolve) => { this.#idle = resolve; })]);
      clearTimeout(timer);
    }
    this.#closing = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  #next(): void {
    if (this.#closing || this.#underWay.length > 0 || this.#timer !== undefined) return;
    const [first] = this.#waiting;
    if (first === undefined) return this.#idle?.();
    const waitMs = this.#gatherMs();
    if (waitMs > 0) {
      this.#gathering = true;
      return this.#wait(waitMs);
    }
    this.#gathering = false;
    const batch = this.#batch(first);
    this.#underWay = batch;
    const message = batch.length === 1 ? first.message : digest(batch.map((each) => each.message), this.#options.sender ?? { site: "", watcher: "" });
    void this.channel.deliver(message, first.only, this.#abort.signal).then(
      (delivery) => this.#ended(batch, delivery),
      (error: unknown) => this.#ended(batch, { kind: "failed", evidence: String(error) }),
    );
  }

  /** What goes now: the first, and what may go with it. */
  #batch(first: Waiting): readonly Waiting[] {
    if (!this.channel.grouped || this.#options.group === undefined || first.alone === true) return [first];
    const key = JSON.stringify(first.only);
    const end = this.#waiting.findIndex((each) => each.alone === true || JSON.stringify(each.only) !== key);
    return this.#waiting.slice(0, end < 0 ? this.#waiting.length : end);
  }

  #gatherMs(): number {
    const { group } = this.#options;
    if (group === undefined || group.windowMs === 0 || !this.channel.grouped || this.#hurry || this.#waiting[0]?.alone === true) return 0;
    const sinceMs = performance.now() - this.#lastMs;
    // The moment is waited once; when it is over the window of the last delivery may not be.
    return sinceMs < group.windowMs ? group.windowMs - sinceMs : this.#gathering ? 0 : group.firstMs;
  }

  #ended(batch: readonly Waiting[], delivery: Delivery): void {
    this.#underWay = [];
    if (this.#closing) return;
    const { name } = this.channel;
    const wallMs = (this.#options.wallMs ?? Date.now)();
    const subject = `${JSON.stringify(batch[0]?.message.subject)}${batch.length > 1 ? ` and ${batch.length - 1} more` : ""}`;
    this.#triedMs = wallMs;
    switch (delivery.kind) {
      case "delivered":
        if (this.#failures > 0) this.#options.report(`alerts by ${name} are delivered again`);
        this.#failures = 0;
        this.#failing = null;
        this.#lastMs = performance.now();
        this.#deliveredMs = wallMs;
        if (delivery.note !== null && batch[0]?.only === null) this.#options.report(`alert ${subject} was not taken for everybody: ${delivery.note}`);
        for (const each of batch) this.#replace(each, delivery.left.length === 0 ? null : { ...each, only: delivery.left, attempts: each.attempts + 1 });
        // The others have it; these are tried again later, without a hurry and without holding up what follows.
        if (delivery.left.length > 0) this.#pause(0);
        break;
      case "failed":
        this.#failures += 1;
        if (this.#failures === 1) this.#options.report(`alerts by ${name} fail: ${delivery.evidence}; tried again`);
        this.#failing = delivery.evidence;
        for (const each of batch) this.#replace(each, { ...each, attempts: each.attempts + 1 });
        this.#pause(delivery.retryAfterMs ?? 0);
        // What came meanwhile has been waited for.
        this.#gathering = true;
        this.#idle?.();
        break;
      case "refused":
        // One of them may be the reason: each is tried by itself.
        if (batch.length > 1) for (const each of batch) this.#replace(each, { ...each, alone: true });
        else {
          this.#options.report(`alert ${subject} was refused by ${name} and is dropped: ${delivery.evidence}`);
          for (const each of batch) this.#lose(each);
        }
        break;
    }
    if (this.#waiting.length < WAITING_MAX) this.#overflowing = false;
    this.#options.onChange();
    this.#next();
  }

  #lose(waiting: Waiting): void {
    this.#replace(waiting, null);
    this.#options.onLost?.(waiting.message);
  }

  #replace(old: Waiting, by: Waiting | null): void {
    const at = this.#waiting.indexOf(old);
    if (at < 0) return;
    if (by !== null && by.attempts >= ATTEMPTS_MAX) {
      this.#options.report(`alert ${JSON.stringify(old.message.subject)} could not be delivered by ${this.channel.name} in ${by.attempts} attempts and is dropped`);
      this.#lose(old);
    } else if (by === null) this.#waiting.splice(at, 1);
    // For some recipients only: behind the others, which nobody has yet.
    else if (by.only !== null) this.#waiting.push(...this.#waiting.splice(at, 1).map(() => by));
    else this.#waiting[at] = by;
  }

  #pause(atLeastMs: number): void {
    const { first, most } = this.#options.pauseMs ?? PAUSE_MS;
    this.#wait(Math.max(Math.min(first * 2 ** Math.min(Math.max(0, this.#failures - 1), 20), most), Math.min(atLeastMs, RETRY_AFTER_MAX_MS)));
  }

  #wait(ms: number): void {
    this.#dueMs = (this.#options.wallMs ?? Date.now)() + ms;
    this.#timer = setTimeout(() => this.#wake(), ms);
    this.#timer.unref();
  }

  #wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dueMs = null;
    this.#next();
  }

  #endedAfter(waiting: Waiting): boolean {
    const at = this.#waiting.indexOf(waiting);
    return this.#waiting.slice(at + 1).some((each) => each.message.alarm === waiting.message.alarm && each.message.state === "over");
  }

  #dropOne(): void {
    const candidates = this.#waiting.filter((each) => !this.#underWay.includes(each));
    const least = Math.min(...candidates.map((each) => SEVERITIES.indexOf(each.message.severity)));
    const gone = candidates.find((each) => SEVERITIES.indexOf(each.message.severity) === least);
    if (gone === undefined) return;
    this.#waiting = this.#waiting.filter((each) => each !== gone);
    if (!this.#overflowing) this.#options.report(`too many alerts wait for ${this.channel.name}: ${JSON.stringify(gone.message.subject)} is dropped, and whatever comes on top of ${WAITING_MAX}`);
    this.#overflowing = true;
  }
}
