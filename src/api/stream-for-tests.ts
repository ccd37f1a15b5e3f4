// For tests of the stream: a reader that takes the bytes as they come, in whatever pieces, parses them as HTML's "server-sent
// events" says, and applies them to what it holds as the page does. It knows the contract (live.ts) and nothing of the server.

import assert from "node:assert/strict";
import type { HostReport } from "../core/report.ts";
import type { EventLine } from "./contract.ts";
import type { LiveEvent, LiveEvents, LiveStatus, Strips } from "./live.ts";
import { wrongEvent } from "./schema/held.ts";

export type Held = { status: LiveStatus; strips: Strips; lines: EventLine[] };

export type Reading = {
  readonly events: LiveEvent[];
  take(text: string): void;
  held(): Held;
  host(name: string): HostReport;
  count(name: keyof LiveEvents): number;
};

export function reading(): Reading {
  let rest = "";
  let held: Held | null = null;
  const events: LiveEvent[] = [];
  const state = (): Held => {
    assert.ok(held !== null, "nothing has come yet");
    return held;
  };
  const apply = (given: LiveEvent): void => {
    events.push(given);
    if (given.event === "snapshot") held = { status: given.data.status, strips: given.data.strips, lines: [...given.data.lines] };
    if (given.event === "lines") state().lines.push(...given.data);
    if (given.event !== "delta") return;
    const hosts = new Map(given.data.hosts.map((host) => [host.host, host]));
    const { status } = state();
    for (const name of hosts.keys()) assert.ok(status.hosts.some(({ host }) => host === name), `a delta brings ${name}, which no snapshot had`);
    state().status = { ...status, ...given.data.rest, at: given.data.at, hosts: status.hosts.map((host) => hosts.get(host.host) ?? host) };
  };
  return {
    events,
    take(text) {
      const parts = (rest + text).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        assert.equal(wrongEvent(part), null);
        const fields = part.split("\n").map((line) => /^([a-z]*):? ?(.*)$/su.exec(line)?.slice(1) ?? []);
        const name = fields.find(([field]) => field === "event")?.[1];
        const data = fields.filter(([field]) => field === "data").map(([, value]) => value).join("\n");
        if (name !== undefined) apply({ event: name, data: JSON.parse(data) as unknown } as LiveEvent);
      }
    },
    held: state,
    host(name) {
      const found = state().status.hosts.find(({ host }) => host === name);
      assert.ok(found !== undefined, `no host ${name}`);
      return found;
    },
    count: (name) => events.filter(({ event }) => event === name).length,
  };
}
