// Alarms and messages as tests of channels need them.

import type { Alarm } from "../core/io.ts";
import type { Message, MessageState } from "./message.ts";
import { compose } from "./message.ts";

export const SENDER = { site: "homelab", watcher: "rikis" } as const;
export const AT = Date.UTC(2026, 10, 21, 10, 11, 12);
export const NEVER: AbortSignal = new AbortController().signal;

export const HELD: Alarm = {
  alarm: "held:logos", kind: "held", severity: "critical", host: "logos", incident: "lusab-babad",
  happened: "Logos was cut 3 times in 6 h and is down again.", done: "Nothing more: the budget is spent.", asked: "Look at the machine, then: upkeep release logos",
};

/** Markup of every service, quotes, braces, mentions, line breaks, in a place where a host's banner may come to stand. */
export const NASTY = 'ssh said "</text>{title}\\" <!channel> <@U1> @everyone @here [x](http://y) *b* _i_ `c` ~s~ ||s|| # h\n&lt; \u202e\u0000 \u{1f50c}';

export function unguarded(host: string, change: Partial<Alarm> = {}): Alarm {
  return { alarm: `unguarded:${host}`, kind: "unguarded", severity: "warning", host, incident: null, happened: `${host} is not guarded: sucker cannot be read.`, done: "", asked: "Look at sucker.", ...change };
}

let count = 0;

export function message(alarm: Partial<Alarm> = {}, state: MessageState = "raised"): Message {
  count += 1;
  return compose({ ...HELD, ...alarm }, state, "logos is back in service", SENDER, AT, `id-${count}`);
}
