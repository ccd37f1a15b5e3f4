// Which phases of an operation mean what, in one place.

import type { OperationPhase } from "./records.ts";

/** In the order in which they are walked. */
export const OPERATION_PHASES: readonly OperationPhase[] = ["intended", "off-sent", "off-confirmed", "on-sent", "booting"];

/** From intended to on confirmed: they occupy a slot of `concurrent`. */
export const SLOT_PHASES: ReadonlySet<OperationPhase> = new Set<OperationPhase>(["intended", "off-sent", "off-confirmed", "on-sent"]);

/** Past the point of no return: SIGTERM carries these to on confirmed. */
export const OWING_PHASES: ReadonlySet<OperationPhase> = new Set<OperationPhase>(["off-sent", "off-confirmed", "on-sent"]);
