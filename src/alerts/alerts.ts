// Calling a person is a safety action (safety.md §4.10). The core says what and when; here it is decided who is told (routes.ts),
// put into words, and brought to each channel by a queue of its own, so that a mail server that hangs does not hold up the pager.
//
// Three things hold whatever the routes say: a message that no route takes goes to all; whoever was called hears the end; and
// what one channel will never take, or is no longer configured to take, is given to the others.

import { randomUUID } from "node:crypto";
import type { Alarm } from "../core/io.ts";
import type { Alerts } from "../watcher/ports.ts";
import type { OpenAlarms } from "./called.ts";
import { Calls } from "./called.ts";
import type { ChannelOptions } from "./channels.ts";
import { makeChannel } from "./channels.ts";
import { wallClock } from "./hours.ts";
import type { Extra, Message, MessageState } from "./message.ts";
import { compose, testMessage } from "./message.ts";
import type { QueueOptions, QueueReport } from "./queue.ts";
import { DeliveryQueue } from "./queue.ts";
import type { Route, Step } from "./routes.ts";
import { channelsFor } from "./routes.ts";
import type { Kept } from "./undelivered.ts";
import { UndeliveredFile } from "./undelivered.ts";

/** What a reload may change. */
export type Calling = {
  readonly channels: readonly ChannelOptions[];
  readonly routes: readonly Route[];
  readonly escalate: readonly Step[];
  /** Messages so close together are one; 0: each by itself. */
  readonly groupMs: number;
  /** Of `hours`; null: the machine's. */
  readonly timeZone: string | null;
};

export type AlertsConfig = Calling & {
  readonly site: string;
  readonly watcher: string;
  /** Where undelivered alerts outlive a restart; null: nowhere. */
  readonly dataDir: string | null;
};

/** `told` and `next` by channel; times are wall clock, Unix milliseconds. */
export type AlertsReport = {
  readonly channels: readonly QueueReport[];
  readonly called: readonly { readonly alarm: string; readonly told: readonly { readonly channel: string; readonly atMs: number }[]; readonly next: { readonly to: readonly string[]; readonly atMs: number } | null }[];
};

export type Tested = { readonly channel: string; readonly delivered: boolean; readonly evidence: string | null };

export type AlertChannels = Alerts & {
  /** Other channels and routes from now on; what waits for a channel that goes on being there goes on waiting. */
  reload(calling: Calling): void;
  /** The core's open alarms from now on, null while it starts; what has ended while nobody listened is told as over. Called after each start. */
  follow(open: () => OpenAlarms | null): void;
  /** Somebody has acknowledged something: no more escalation of it. */
  acknowledged(): void;
  /** Tries a channel once, without its queue. Null: there is none of that name; without a name: all. */
  test(channel: string | null, signal: AbortSignal): Promise<readonly Tested[] | null>;
  report(): AlertsReport;
  /** Messages that wait or are under way, over all channels. */
  pending(): number;
  /** A few seconds for what waits; what is then left is delivered after the next start. */
  close(): Promise<void>;
};

export type AlertsTuning = { readonly pauseMs?: NonNullable<QueueOptions["pauseMs"]>; readonly closeGraceMs?: number; readonly wallMs?: () => number };

const NONE: OpenAlarms = new Map();
const CLOSE_GRACE_MS = 5_000;
/** A quiet channel waits so long for what belongs together, a fifth of the window where that is less: so late is a lone call at most. */
const FIRST_WAIT_MS = 2_000;
/** The clock of escalation is looked at no less often, and no more than so often. */
const LOOK_MS = { least: 100, most: 30_000 } as const;

/** `report` hears of failures and their end, in a sentence for people, once a change. */
export function createAlerts(config: AlertsConfig, report: (text: string) => void, tuning: AlertsTuning = {}): AlertChannels {
  const sender = { site: config.site, watcher: config.watcher };
  const wallMs = tuning.wallMs ?? Date.now;
  // The wall clock as it was at the start, and from then on no jumps: nobody is called early or never because somebody set it.
  const [startWallMs, startMs] = [wallMs(), performance.now()];
  const steadyMs = tuning.wallMs ?? (() => startWallMs + performance.now() - startMs);
  const file = config.dataDir === null ? null : new UndeliveredFile(config.dataDir);
  let calling: Calling = config;
  let clock = wallClock(calling.timeZone);
  let openNow: () => OpenAlarms | null = () => null;
  let unwritable: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  let closing = false;

  const kept = file?.read() ?? { undelivered: {}, called: [], problem: null };
  if (kept.problem !== null) report(kept.problem);
  const calls = new Calls(kept.called.map((call) => ({ ...call, sinceMs: Math.min(call.sinceMs, steadyMs()) })));

  const snapshot = (): Kept => ({ undelivered: Object.fromEntries(queues.map((queue) => [queue.channel.name, queue.waiting])), called: calls.all });
  const save = async (): Promise<void> => {
    try {
      await file?.write(snapshot);
      unwritable = null;
    } catch (error) {
      const before = unwritable;
      unwritable = error instanceof Error ? error.message : String(error);
      if (before === null) report(`undelivered alerts cannot be kept over a restart: ${unwritable}`);
    }
  };
  const start = (channel: ChannelOptions, waiting: Kept["undelivered"]): DeliveryQueue =>
    new DeliveryQueue(makeChannel(channel, sender), waiting[channel.name] ?? [], {
      report, wallMs, sender, onChange: () => void save(), onLost: (message) => passOn(message, channel.name),
      group: { firstMs: Math.min(FIRST_WAIT_MS, calling.groupMs / 5), windowMs: calling.groupMs }, ...(tuning.pauseMs === undefined ? {} : { pauseMs: tuning.pauseMs }),
    });
  const now = () => clock(wallMs());
  const open = (): OpenAlarms => openNow() ?? NONE;
  const all = (): readonly string[] => queues.map((queue) => queue.channel.name);
  const put = (message: Message, to: readonly string[]): void => {
    for (const queue of queues) if (to.includes(queue.channel.name)) queue.add(message);
  };
  const routed = (alarm: Pick<Alarm, "alarm" | "kind" | "severity" | "host">): readonly string[] => channelsFor(alarm, calling.routes, all(), now).to;

  /** What `from` does not take goes to those who have not been called about it. */
  const passOn = (message: Message, from: string): void => {
    const call = calls.of(message.alarm);
    const to = all().filter((name) => name !== from && call?.to.some((each) => each.channel === name) !== true);
    if (to.length === 0) return;
    if (call !== undefined && message.state !== "over") calls.tell(call.alarm, to, steadyMs());
    // An end is told to those who were called, and to them it is on its way.
    if (message.state !== "over") put(message, to);
  };
  let queues = calling.channels.map((channel) => start(channel, kept.undelivered));

  /** What waits for channels that are there no more, once for each message. */
  const rehome = (waiting: Kept["undelivered"]): void => {
    const names = all();
    const orphans = Object.entries(waiting).filter(([name]) => !names.includes(name)).flatMap(([, each]) => each).map(({ message }) => message);
    for (const message of new Map(orphans.map((each) => [each.id, each])).values()) {
      const call = calls.of(message.alarm);
      const elsewhere = names.some((name) => call?.to.some((each) => each.channel === name) === true) || Object.entries(waiting).some(([name, each]) => names.includes(name) && each.some(({ message: { id } }) => id === message.id));
      if (!elsewhere) put(message, routed({ ...message, kind: message.kind as Alarm["kind"] }));
    }
  };
  rehome(kept.undelivered);

  const say = (alarm: Alarm, state: MessageState, because: string, to: readonly string[], extra: Extra = {}): void => put(compose(alarm, state, because, sender, wallMs(), randomUUID(), extra), to);

  const raise = (alarm: Alarm, again: boolean, event?: number): void => {
    const extra = { event: event ?? null };
    const called = (calls.of(alarm.alarm)?.to ?? []).map((each) => each.channel).filter((name) => all().includes(name));
    const taken = channelsFor(alarm, calling.routes, all(), now);
    // A reminder that no route takes at this hour goes to those who were called, and not to everybody.
    const to = all().filter((name) => called.includes(name) || ((taken.routed || called.length === 0) && taken.to.includes(name)));
    const [old, fresh] = [to.filter((name) => called.includes(name)), to.filter((name) => !called.includes(name))];
    calls.tell(alarm, to, steadyMs());
    say(alarm, again ? "again" : "raised", "", again && old.length > 0 ? old : to, extra);
    // Who hears of it for the first time hears it as such.
    if (again && old.length > 0 && fresh.length > 0) say(alarm, "raised", "", fresh, extra);
    void save();
    afterwards();
  };
  const over = (alarm: Alarm, because: string, event?: number): void => {
    const call = calls.of(alarm.alarm);
    const called = all().filter((name) => call?.to.some((each) => each.channel === name) === true);
    // Called by another watcher, or before there was a file: whoever may have been called hears the end.
    const possible = new Set([...routed(alarm), ...calling.escalate.flatMap((step) => step.to)]);
    calls.forget(alarm.alarm);
    say(alarm, "over", because, called.length > 0 ? called : all().filter((name) => possible.has(name)), { event: event ?? null });
    void save();
  };
  let later = false;
  const afterwards = (): void => {
    if (!later) queueMicrotask(afterStep);
    later = true;
  };
  /** Once the core's step has been carried out as a whole: what is missing then was ended by another watcher, who says so. */
  const afterStep = (): void => {
    later = false;
    const current = openNow();
    if (current !== null) for (const { alarm } of calls.all) if (!current.has(alarm.alarm)) calls.forget(alarm.alarm);
    look();
  };

  /** Calls whom it is time to call, and looks again when there is next something to do. */
  function look(): void {
    clearTimeout(timer);
    if (closing) return;
    if (calls.acknowledge(open())) void save();
    for (const due of calls.due(calling.escalate, open(), steadyMs(), now)) {
      if (due.atMs > steadyMs()) break;
      const { alarm, sinceMs } = due.called;
      const to = due.to.filter((name) => calls.of(alarm.alarm)?.to.some((each) => each.channel === name) !== true);
      if (to.length === 0) continue;
      calls.tell(alarm, to, steadyMs());
      say(alarm, "raised", "", to, { note: `Nobody has acknowledged this for ${Math.max(1, Math.round((steadyMs() - sinceMs) / 60_000))} min, so you are called, too.` });
    }
    const [next] = calls.due(calling.escalate, open(), steadyMs(), now);
    if (next === undefined) return;
    timer = setTimeout(look, Math.min(Math.max(next.atMs - steadyMs(), LOOK_MS.least), LOOK_MS.most));
    timer.unref();
  }

  return {
    raise, over,
    acknowledged: afterwards,
    follow(state) {
      openNow = state;
      calls.acknowledge(open());
      // A crash between the record's end and the word about it, or another watcher that ended it: better twice than never.
      if (openNow() !== null) for (const { alarm } of calls.all) if (!open().has(alarm.alarm)) over(alarm, "it ended while this watcher was away");
      look();
    },
    reload(next) {
      const waiting = snapshot().undelivered;
      for (const queue of queues) void queue.close(0);
      calling = next;
      clock = wallClock(next.timeZone);
      queues = next.channels.map((channel) => start(channel, waiting));
      rehome(waiting);
      look();
      void save();
    },
    async test(name, signal) {
      const chosen = queues.map((queue) => queue.channel).filter((channel) => name === null || channel.name === name);
      if (name !== null && chosen.length === 0) return null;
      return Promise.all(chosen.map(async (channel): Promise<Tested> => {
        const message = (state: "raised" | "over"): Message => testMessage(state, sender, wallMs(), randomUUID());
        const first = await channel.deliver(message("raised"), null, signal);
        // What was opened there is closed again.
        const last = first.kind === "delivered" && !channel.grouped ? await channel.deliver(message("over"), null, signal) : first;
        return { channel: channel.name, delivered: last.kind === "delivered", evidence: last.kind === "delivered" ? last.note : last.evidence };
      }));
    },
    report: () => ({
      channels: queues.map((queue) => queue.report),
      called: calls.all.map(({ alarm, to }) => {
        const due = calls.due(calling.escalate, open(), steadyMs(), now).find((each) => each.called.alarm.alarm === alarm.alarm);
        return { alarm: alarm.alarm, told: to, next: due === undefined ? null : { to: due.to, atMs: due.atMs } };
      }),
    }),
    pending: () => queues.reduce((sum, queue) => sum + queue.waiting.length, 0),
    async close() {
      closing = true;
      clearTimeout(timer);
      await Promise.all(queues.map((queue) => queue.close(tuning.closeGraceMs ?? CLOSE_GRACE_MS)));
      await save();
    },
  };
}
