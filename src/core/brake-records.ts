// Brakes that are records: put on by a person, a host or a finding, and ended by them or by time (safety.md §3.1, 3.5).

import type { BrakeKind, BrakeRecord, RecordKey } from "./records.ts";
import type { State } from "./state.ts";

export const EVERYTHING = "*";

export function brakeKey(kind: BrakeKind, scope: string): RecordKey {
  return `brake/${kind}/${scope}`;
}

/** The brake of this kind that holds for a host: its own, or the fleet's. */
export function brakeOn(state: State, host: string, kind: BrakeKind): BrakeRecord | undefined {
  if (state.brakes.size === 0) return undefined;
  const inForce = (brake: BrakeRecord | undefined) => (brake?.endedBy === undefined ? brake : undefined);
  return inForce(state.brakes.get(brakeKey(kind, host))) ?? inForce(state.brakes.get(brakeKey(kind, EVERYTHING)));
}
