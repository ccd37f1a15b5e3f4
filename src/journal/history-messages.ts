// What the main thread and the history's worker say to each other.

import type { EventQuery, HistoryBatch, IncidentQuery } from "./history-file.ts";

export type Question =
  | { readonly about: "last-seq" }
  | { readonly about: "events"; readonly query: EventQuery }
  | { readonly about: "incidents"; readonly query: IncidentQuery }
  | { readonly about: "incident"; readonly incident: string }
  | { readonly about: "rounds"; readonly host: string; readonly sinceMs: number };

export type ToWorker =
  | { readonly kind: "batch"; readonly batch: HistoryBatch; /** Its weight, given back with `taken`. */ readonly bytes: number }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  | { readonly kind: "flush"; readonly id: number }
  | { readonly kind: "close"; readonly id: number };

export type FromWorker =
  | { readonly kind: "taken"; readonly bytes: number }
  | { readonly kind: "answer"; readonly id: number; readonly ok: boolean; readonly value: unknown }
  /** For people: set aside, cannot be written, can be written again. */
  | { readonly kind: "note"; readonly text: string }
  | { readonly kind: "dropped"; readonly rows: number; readonly lines: number };
