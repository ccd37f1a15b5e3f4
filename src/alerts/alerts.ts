// Calling a person is a safety action (safety.md §4.10). The core says what and when; here it is put into words and brought to
// every channel, each with a queue of its own, so that a mail server that hangs does not hold up the pager.

import { randomUUID } from "node:crypto";
import type { Alarm } from "../core/io.ts";
import type { Alerts } from "../watcher/ports.ts";
import type { Channel } from "./channel.ts";
import { commandChannel } from "./command.ts";
import type { MailOptions } from "./mail.ts";
import { mailChannel } from "./mail.ts";
import type { MessageState } from "./message.ts";
import { compose } from "./message.ts";
import type { QueueOptions } from "./queue.ts";
import { DeliveryQueue } from "./queue.ts";
import type { Undelivered } from "./undelivered.ts";
import { UndeliveredFile } from "./undelivered.ts";

export type AlertsConfig = {
  readonly site: string;
  readonly watcher: string;
  /** Where undelivered alerts outlive a restart; null: nowhere. */
  readonly dataDir: string | null;
  readonly mail: MailOptions | null;
  /** The program and its arguments. */
  readonly command: readonly string[] | null;
};

export type AlertChannels = Alerts & {
  /** Takes other channels from now on; what waits for one that goes on being there goes on waiting. */
  reload(channels: Pick<AlertsConfig, "mail" | "command">): void;
  /** Messages that wait or are under way, over all channels. */
  pending(): number;
  /** A few seconds for what waits; what is then left is delivered after the next start. */
  close(): Promise<void>;
};

export type AlertsTuning = { readonly pauseMs?: NonNullable<QueueOptions["pauseMs"]>; readonly closeGraceMs?: number; readonly wallMs?: () => number };

const CLOSE_GRACE_MS = 5_000;

/** `report` hears of failures and their end, in a sentence for people, once a change. */
export function createAlerts(config: AlertsConfig, report: (text: string) => void, tuning: AlertsTuning = {}): AlertChannels {
  const sender = { site: config.site, watcher: config.watcher };
  const wallMs = tuning.wallMs ?? Date.now;
  const file = config.dataDir === null ? null : new UndeliveredFile(config.dataDir);
  let unwritable: string | null = null;

  const snapshot = (): Undelivered => Object.fromEntries(queues.map((queue) => [queue.channel.name, queue.waiting]));
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
  const channels = ({ mail, command }: Pick<AlertsConfig, "mail" | "command">): Channel[] => [
    ...(mail === null ? [] : [mailChannel(mail, sender)]),
    ...(command === null ? [] : [commandChannel(command, sender)]),
  ];
  const start = (channel: Channel, waiting: Undelivered): DeliveryQueue =>
    new DeliveryQueue(channel, waiting[channel.name] ?? [], { report, onChange: () => void save(), ...(tuning.pauseMs === undefined ? {} : { pauseMs: tuning.pauseMs }) });

  const kept = file?.read() ?? { undelivered: {}, problem: null };
  if (kept.problem !== null) report(kept.problem);
  let queues = channels(config).map((channel) => start(channel, kept.undelivered));

  const tell = (alarm: Alarm, state: MessageState, because: string): void => {
    const message = compose(alarm, state, because, sender, wallMs(), randomUUID());
    for (const queue of queues) queue.add(message);
  };
  return {
    raise: (alarm, again) => tell(alarm, again ? "again" : "raised", ""),
    over: (alarm, because) => tell(alarm, "over", because),
    reload(next) {
      const waiting = snapshot();
      for (const queue of queues) void queue.close(0);
      queues = channels(next).map((channel) => start(channel, waiting));
      void save();
    },
    pending: () => queues.reduce((sum, queue) => sum + queue.waiting.length, 0),
    async close() {
      await Promise.all(queues.map((queue) => queue.close(tuning.closeGraceMs ?? CLOSE_GRACE_MS)));
      await save();
    },
  };
}
