// The roster of agents (ADR 30): who may say that he is the agent of a host. An agent proves it with a key of its own, whose
// fingerprint stands in the host's record; it comes in there once, with a secret that a person has carried from the watcher to
// the host. The secret is good once, for one host, for a while, and only its hash is ever seen here. What the shell has to
// prove before it asks (that the other end holds the key) is TLS's.

import type { Command, Input } from "./io.ts";
import type { AgentRecord, RecordKey } from "./records.ts";
import type { Reply, Turn } from "./state.ts";
import type { Deadline, Now } from "./time.ts";
import { deadlineIn, leftMs } from "./time.ts";
import { isOnItsWay } from "./transaction.ts";
import { inWords } from "./words.ts";

const DAY_MS = 86_400_000;
/** An agent makes itself a new key long before. */
export const PIN_VALID_MS = 400 * DAY_MS;
/** After a renewal the key before it is good for so long: the other watchers may not have heard of the new one. */
const OLD_PIN_VALID_MS = 7 * DAY_MS;
export const CODE_MAX_MS = 7 * DAY_MS;

type Answer = Omit<Reply, "id">;
type Of<Kind extends Command["kind"]> = Extract<Command, { kind: Kind }>;

/** Whether a code may still be used. Unlike a brake, one whose age cannot be told has ended. */
export function codeHolds(until: Deadline, now: Now): boolean {
  const comparable = until.at.bootId === now.bootId || (now.synced && until.at.unsynced !== true);
  return comparable && leftMs(until, now) > 0;
}

/** Why nobody is let in by this key of this record; null: it is good. */
export function pinRefused(record: AgentRecord, pin: string, now: Now): string | null {
  if (record.revoked !== null) return `the agent of ${record.host} was revoked by ${record.revoked.by}`;
  const known = record.pins.find((each) => each.pin === pin);
  if (known === undefined) return `this is not the key of ${record.host} that is enrolled`;
  return leftMs(known.until, now) > 0 ? null : `the key of ${record.host} has expired`;
}

/** A person wants to enrol a host: the code that was made before is none any more. */
export function agentCode(turn: Turn, by: string, { host, secret, forMs }: Of<"agent-code">): Answer {
  if (!turn.state.doors.has(turn.policy.watcher)) return answer(4, "this watcher has no door for agents: agents: { listen: 0.0.0.0:7443 } in its configuration");
  const before = turn.state.agents.get(host);
  put(turn, { ...(before ?? { v: 1, host, pins: [], enrolled: null, revoked: null }), code: { hash: secret, watcher: turn.policy.watcher, by, until: deadlineIn(Math.min(forMs, CODE_MAX_MS), turn.now) } });
  turn.tell("agent", turn.host(host)?.name ?? null, `${by} has a code made for the agent of ${host}, good once within ${inWords(forMs)}`);
  return answer(0, `the code of ${host} is good once, within ${inWords(forMs)}`);
}

/** Somebody who holds a key brings a secret. Whose key is enrolled already needs none: the answer of the first time was lost. */
export function agentEnroll(turn: Turn, by: string, { host, secret, pin }: Of<"agent-enroll">): Answer {
  const record = turn.state.agents.get(host);
  if (record !== undefined && pinRefused(record, pin, turn.now) === null && record.code?.hash !== secret) return answer(0, `${host} is enrolled with this key`);
  const code = record?.code ?? null;
  if (record === undefined || code === null || code.hash !== secret || code.watcher !== turn.policy.watcher || !codeHolds(code.until, turn.now)) {
    return answer(4, `this is no code of ${host}, or it was used, or it has expired: make one with upkeep agent code ${host}`);
  }
  const other = [...turn.state.agents.values()].find((each) => each.host !== host && each.revoked === null && each.pins.some((known) => known.pin === pin));
  if (other !== undefined) return answer(4, `this is the key of ${other.host}: a host that was copied must make its own (upkeep agent uninstall, then enroll)`);
  put(turn, { ...record, pins: [{ pin, until: deadlineIn(PIN_VALID_MS, turn.now) }], enrolled: turn.stamp, revoked: null, code: null });
  turn.tell("agent", turn.host(host)?.name ?? null, `the agent of ${host} is enrolled, by the code that ${code.by} had made (${by})${record.enrolled === null || record.revoked !== null ? "" : "; what was enrolled before is shut out"}`);
  return answer(0, `${host} is enrolled`);
}

/** A connected agent announces the key that it will come with: both are good for a while. */
export function agentRenew(turn: Turn, by: string, { host, pin }: Of<"agent-renew">): Answer {
  const record = turn.state.agents.get(host);
  if (record === undefined || record.revoked !== null || record.pins.length === 0) return answer(4, `${host} is not enrolled`);
  if (record.pins.some((known) => known.pin === pin)) return answer(0, "this key is known");
  const last = record.pins.at(-1);
  const old = last === undefined ? [] : [{ pin: last.pin, until: deadlineIn(Math.min(OLD_PIN_VALID_MS, leftMs(last.until, turn.now)), turn.now) }];
  put(turn, { ...record, pins: [...old, { pin, until: deadlineIn(PIN_VALID_MS, turn.now) }] });
  turn.tell("agent", turn.host(host)?.name ?? null, `the agent of ${host} has a new key (${by})`);
  return answer(0, `the new key of ${host} is known`);
}

export function agentRevoke(turn: Turn, by: string, host: string): Answer {
  const record = turn.state.agents.get(host);
  if (record === undefined) return answer(2, `no agent of ${host} is enrolled`);
  if (record.revoked !== null && record.code === null) return answer(1, `the agent of ${host} was revoked by ${record.revoked.by}`);
  put(turn, { ...record, revoked: { by, at: turn.stamp }, code: null });
  turn.tell("agent", turn.host(host)?.name ?? null, `${by} has revoked the agent of ${host}: nothing of it is listened to any more`);
  return answer(0, `the agent of ${host} is revoked; upkeep agent code ${host} lets it in again`);
}

/**
 * Of another watcher. Where ours is on its way to the store as well, theirs is there and ours was made without knowing of it: a
 * revocation stands, whoever was first, and over the codes of who had not heard of it; else their keys do, so that none that they have
 * shut out comes back with ours. A code that was made here meanwhile is still good.
 */
export function mergeAgent(turn: Turn, name: string, theirs: AgentRecord, when: "load" | "change"): void {
  const key: RecordKey = `agent/${name}`;
  const ours = when === "change" && (turn.state.outbox.has(key) || isOnItsWay(turn, key)) ? turn.state.agents.get(name) : undefined;
  const revokes = ours !== undefined && JSON.stringify(ours.revoked) !== JSON.stringify(theirs.revoked);
  const code = ours?.code?.watcher === turn.policy.watcher ? ours.code : theirs.code;
  const merged = ours === undefined ? theirs : { ...theirs, revoked: ours.revoked ?? theirs.revoked, code: revokes ? null : code };
  turn.patch({ agents: new Map(turn.state.agents).set(name, merged) });
  if (ours !== undefined && turn.state.outbox.has(key)) turn.save(key, merged);
}

/** Where agents reach this watcher, and by which keys they know it. */
export function door(turn: Turn, open: Extract<Input, { kind: "door" }>["door"]): void {
  const me = turn.policy.watcher;
  const known = turn.state.doors.get(me);
  if (open === null) {
    if (known !== undefined) forgetDoor(turn, me);
    return;
  }
  if (known !== undefined && known.address === open.address && known.pins.join() === open.pins.join()) return;
  const record = { v: 1 as const, watcher: me, ...open, since: turn.stamp };
  turn.patch({ doors: new Map(turn.state.doors).set(me, record) });
  turn.save(`door/${me}`, record);
}

export function forgetDoor(turn: Turn, watcher: string): void {
  const doors = new Map(turn.state.doors);
  doors.delete(watcher);
  turn.patch({ doors });
  turn.save(`door/${watcher}`, null);
}

function put(turn: Turn, record: AgentRecord): void {
  turn.patch({ agents: new Map(turn.state.agents).set(record.host, record) });
  turn.save(`agent/${record.host}`, record);
}

function answer(exit: Reply["exit"], text: string): Answer {
  return { exit, text, incident: null, operation: null, confirm: null };
}
