// Troubles that concern a watcher and not a host: one alarm a kind and watcher.

import { over, raise } from "./alarms.ts";
import type { Turn } from "./state.ts";

function keyOf(turn: Turn, what: string): string {
  return `ledger:${what}:${turn.policy.watcher}`;
}

export function raiseTrouble(turn: Turn, what: string, happened: string, done: string, asked: string): void {
  raise(turn, { alarm: keyOf(turn, what), kind: "ledger", severity: "critical", host: null, incident: null, happened, done, asked });
}

export function closeTrouble(turn: Turn, what: string, because: string): void {
  over(turn, keyOf(turn, what), because);
}
