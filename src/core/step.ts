// The core's one door: `step(state, input, now, policy)` gives the next state and what to do, and nothing else happens.
//
// The contract with the shell: effects are carried out in order; a `store` effect is answered by exactly one `stored`;
// an `act` by at most one `ready` and exactly one `acted`; a `read` by one `readings`; a `touch` by one `touched`.

import { over, raise, remind } from "./alarms.ts";
import { command } from "./commands.ts";
import { check, checkWhenDue, readings, seen } from "./devices.ts";
import { expire, followWallClock } from "./expiry.ts";
import { acted, drive, silenceAnswered, stored } from "./fencing.ts";
import type { Effect, Input } from "./io.ts";
import { OWING_PHASES } from "./phases.ts";
import type { Policy } from "./policy.ts";
import type { AnyRecord, RecordKey } from "./records.ts";
import type { State } from "./state.ts";
import { Turn } from "./state.ts";
import { ready } from "./swap.ts";
import { reload, start } from "./start.ts";
import type { Now } from "./time.ts";
import { decide, late, round } from "./watching.ts";

export type Step = { readonly state: State; readonly effects: readonly Effect[] };

export function step(state: State, input: Input, now: Now, policy: Policy): Step {
  const turn = new Turn(state, policy, now);
  if (!state.started && input.kind !== "start") throw new Error(`assertion failed: ${input.kind} before start`);
  take(turn, input);
  flush(turn);
  exitWhenDone(turn);
  return { state: turn.state, effects: turn.effects };
}

function take(turn: Turn, input: Input): void {
  switch (input.kind) {
    case "start":
      return start(turn, input);
    case "policy":
      return reload(turn);
    case "round":
      return round(turn, input.round);
    case "late":
      return late(turn, input.host, input.hash, input.startedAtMs, input.results);
    case "stored":
      return takeStored(turn, input);
    case "ready":
      noteReady(turn, input.act, input.state, input.label);
      return ready(turn, input.act, input.state, input.label);
    case "acted":
      return acted(turn, input.act, input.outcome);
    case "readings":
      return readings(turn, input.read, input.device, input.result);
    case "touched":
      return silenceAnswered(turn, input.touch, input.answered, input.evidence);
    case "tick":
      return tick(turn, input.key);
    case "clock":
      followWallClock(turn);
      return expire(turn);
    case "command":
      return command(turn, input.id, input.by, input.command);
    case "stop":
      turn.patch({ stopping: true });
      turn.tell("stopping", null, "asked to stop: nothing new is begun, what is past off is brought to on");
      for (const id of turn.state.operations.keys()) drive(turn, id);
      return;
  }
}

function noteReady(turn: Turn, act: number, state: "on" | "off" | "unknown", label: string | null): void {
  for (const run of turn.state.runs.values()) if (run.wait.on === "act" && run.wait.act === act) seen(turn, run.wait.outlet, state, label);
}

function tick(turn: Turn, key: string): void {
  const slash = key.indexOf("/");
  const kind = slash < 0 ? key : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (kind === "op") drive(turn, Number(name));
  else if (kind === "host") decide(turn, name);
  else if (kind === "device") check(turn, name);
  else if (kind === "check") checkWhenDue(turn, name);
  else if (kind === "alarms") remind(turn);
}

// ---- the store ----------------------------------------------------------------------------------------------------------

const STORE_RETRY_MS = 1_000;

/** Everything that a step wants to survive goes into one transaction; one is under way at a time. */
function flush(turn: Turn): void {
  const { outbox, pending, storeRetryMs, outboxReplies } = turn.state;
  if (outbox.size === 0 || [...pending.values()].some((each) => each.kind === "outbox")) return;
  if (turn.now.bootMs < storeRetryMs) return turn.wake("store", storeRetryMs);
  const txn = turn.id();
  turn.pend(txn, { kind: "outbox", keys: outbox, replies: outboxReplies });
  turn.patch({ outbox: new Map(), outboxReplies: [] });
  turn.emit({ kind: "store", txn, guards: [], writes: [...outbox].map(([key, value]) => ({ key, value })), because: "what was learned survives", cause: turn.state.lastCause });
}

function takeStored(turn: Turn, input: Extract<Input, { kind: "stored" }>): void {
  const pending = turn.state.pending.get(input.txn);
  if (pending === undefined) return;
  const rest = new Map(turn.state.pending);
  rest.delete(input.txn);
  turn.patch({ pending: rest });
  noteStore(turn, input.result === "failed" ? input.evidence : null);
  if (pending.kind === "operation") return stored(turn, pending.operation, input);
  if (input.result === "committed") {
    for (const reply of pending.replies) turn.emit({ kind: "reply", ...reply });
    return;
  }
  const outbox = new Map<RecordKey, AnyRecord | null>(pending.keys);
  for (const [key, value] of turn.state.outbox) outbox.set(key, value);
  turn.patch({ outbox });
  for (const reply of pending.replies) turn.emit({ kind: "reply", ...reply, exit: 5, text: `${reply.text}; in force, but it could not be recorded: ${input.evidence}` });
}

function noteStore(turn: Turn, failure: string | null): void {
  const before = turn.state.storeFailure;
  if (failure !== null) {
    turn.patch({ storeFailure: failure, storeRetryMs: turn.now.bootMs + STORE_RETRY_MS });
    turn.wake("store", turn.now.bootMs + STORE_RETRY_MS);
    if (before === null) {
      turn.tell("store-failed", null, `the ledger cannot be written: ${failure}`);
      raise(turn, {
        alarm: "ledger", kind: "ledger", severity: "critical", host: null, incident: null,
        happened: `The ledger cannot be written: ${failure}.`, done: "Nothing is cut while that lasts; what is owed is switched on all the same.",
        asked: "Make room on the disk, or repair it.",
      });
    }
  } else if (before !== null) {
    turn.patch({ storeFailure: null, storeRetryMs: 0 });
    turn.tell("store-ok", null, "the ledger can be written again");
    over(turn, "ledger", "the ledger can be written again");
  }
}

function exitWhenDone(turn: Turn): void {
  if (!turn.state.stopping || turn.state.exited) return;
  const open = [...turn.state.operations.values()].some((operation) => operation.phase === "intended" || OWING_PHASES.has(operation.phase));
  const storing = turn.state.pending.size > 0 || (turn.state.outbox.size > 0 && turn.state.storeFailure === null);
  if (open || storing) return;
  turn.patch({ exited: true });
  turn.emit({ kind: "exit", because: "nothing is past off" });
}
