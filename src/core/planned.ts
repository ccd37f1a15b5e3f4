// A careful shutdown, seen from the watchers (ADR 28). A host whose agent has decided that it must go down says so beforehand.
// From the moment that this is durable it is wanted off, which is a brake like any other: a planned shutdown is never fenced. The
// same record is the ledger of what this event shut down, and so of what is started when power is back (return.ts).
//
// What an agent says is taken at its word for itself only, and its silence is never one. A person's word comes first, before it
// and after it: who is wanted off by somebody is not written into the ledger, and who is switched by somebody leaves it.

import type { Command } from "./io.ts";
import { BY, back, gaveSign } from "./return-ledger.ts";
import type { Careful } from "./records.ts";
import { carefulOf } from "./site-power.ts";
import type { HostState, Turn } from "./state.ts";
import { turnBackPlanned } from "./turn-back.ts";
import { inWords } from "./words.ts";

/** No host is waited for longer than that after its announcement, whatever it says. */
const HALT_WITHIN_MAX_MS = 3_600_000;

type Announced = Extract<Command, { kind: "careful" }>;

/** An agent's word, or that of a script on the host; returns what it is told. */
export function announce(turn: Turn, host: HostState, asked: Announced, by: string): string {
  // Whoever speaks lives.
  gaveSign(turn, host.name);
  switch (asked.phase) {
    case "pre-fail":
      turn.patchHost(host.name, { word: "pre-fail" });
      turn.patch({ powerWord: null });
      if (host.word !== "pre-fail") turn.tell("careful", host.name, `${by} expects to shut it down: ${asked.reason}`);
      return "heard: nothing changes yet";
    case "shutdown":
      turn.patchHost(host.name, { word: "shutdown" });
      turn.patch({ powerWord: null });
      return shutDown(turn, host, asked, by);
    case "normal":
      return takeBack(turn, host, asked, by);
  }
}

function shutDown(turn: Turn, host: HostState, asked: Announced, by: string): string {
  const { careful, wanted } = host.record;
  // What is announced again, because its answer was lost, is the same; but not once it has been started since.
  if (careful?.event === asked.event && careful.state === "off") {
    // Written once more: whether the first one was recorded only the answer to this one says.
    turn.patchRecord(host.name, {});
    return `heard already: ${host.name} is wanted off`;
  }
  if (wanted.state === "off" && (careful ?? null) === null) {
    turn.tell("careful", host.name, `${by} shuts it down: ${asked.reason}; it is wanted off by ${wanted.by} already, and stays so`);
    return `heard: ${host.name} is wanted off by ${wanted.by} already, and is not started by this event`;
  }
  const why = asked.reason === "" ? "announced by its agent" : asked.reason;
  const next: Careful = {
    event: asked.event, because: why, since: turn.stamp, haltWithinMs: Math.min(asked.haltWithinMs ?? carefulOf(turn.policy).haltBoundMs, HALT_WITHIN_MAX_MS),
    watcher: turn.policy.watcher, lastSign: null, state: "off", began: null, asked: null,
  };
  turn.patchRecord(host.name, { careful: next, wanted: { state: "off", by: BY, why, at: turn.stamp } });
  turn.patchHost(host.name, { startAtMs: 0, startRefused: null, rousing: false });
  turn.tell("careful", host.name, `${by} shuts it down (event ${asked.event}): ${why}; it is wanted off, and not fenced for being silent`);
  if (host.operation !== null) turnBackPlanned(turn, host.operation, `it is shut down with care: ${why}`);
  return `heard: ${host.name} is wanted off, and is started again when power has been good for ${inWords(carefulOf(turn.policy).returnAfterMs)}`;
}

function takeBack(turn: Turn, host: HostState, asked: Announced, by: string): string {
  const careful = host.record.careful ?? null;
  // An answer to an older outage that comes late must not lift the brake of this one.
  if (careful !== null && careful.state === "off" && asked.event !== "" && asked.event !== careful.event) return `heard: that was event ${asked.event}, and ${host.name} is shut down by event ${careful.event}`;
  const spoke = host.word === "pre-fail" || host.word === "shutdown" || careful !== null;
  turn.patchHost(host.name, { word: "normal" });
  if (spoke) turn.patch({ powerWord: { host: host.name, atMs: turn.now.bootMs } });
  if (careful !== null && careful.state === "off") {
    back(turn, host.name, `${by} takes the shutdown back: ${asked.reason === "" ? "its power is good" : asked.reason}`);
    return `heard: ${host.name} is wanted on again`;
  }
  if (host.word === "pre-fail") turn.tell("careful", host.name, `${by} stays up: ${asked.reason === "" ? "its power is good" : asked.reason}`);
  return "heard: it is wanted on";
}
