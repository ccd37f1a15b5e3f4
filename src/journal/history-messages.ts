// What the main thread and the history's worker say to each other.

import type { IncidentRecord } from "../core/records.ts";
import type { AvailabilityQuery } from "../core/availability.ts";
import type { EventQuery, HistoryLimits, IncidentQuery, ToldAt } from "./history-file.ts";
import type { ResultsQuery } from "./results-page.ts";
import type { KernelQuery, KernelRow } from "./kernel-table.ts";
import type { StandingLook } from "./standing-table.ts";
import type { Memory } from "./went-back.ts";

export type HistoryBatch = {
  readonly told: readonly ToldAt[];
  readonly incidents: readonly IncidentRecord[];
  /** Frames of inputs (frames.ts), and how many inputs are in them. */
  readonly frames: Uint8Array<ArrayBuffer>;
  readonly inputs: number;
  readonly memory: Memory | null;
  readonly looks: readonly StandingLook[];
  readonly kernel: readonly KernelRow[];
};

export type Question =
  | { readonly about: "last-seq" }
  | { readonly about: "events"; readonly query: EventQuery }
  | { readonly about: "incidents"; readonly query: IncidentQuery }
  /** An AvailabilityAnswer. */
  | { readonly about: "availability"; readonly query: AvailabilityQuery }
  | { readonly about: "incident"; readonly incident: string }
  /** A line and those that led to it. */
  | { readonly about: "chain"; readonly seq: number; readonly limit: number }
  /** Names of hosts of which there are results. */
  | { readonly about: "hosts" }
  /** Lines of a host's kernel. */
  | { readonly about: "kernel"; readonly query: KernelQuery }
  /** A ResultsPage. */
  | { readonly about: "results"; readonly query: ResultsQuery };

export type ToWorker =
  | { readonly kind: "batch"; readonly batch: HistoryBatch; /** Its weight, given back with `taken`. */ readonly bytes: number }
  | { readonly kind: "limits"; readonly limits: HistoryLimits }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  | { readonly kind: "flush"; readonly id: number }
  | { readonly kind: "close"; readonly id: number };

export type FromWorker =
  | { readonly kind: "taken"; readonly bytes: number }
  | { readonly kind: "answer"; readonly id: number; readonly ok: boolean; readonly value: unknown }
  /** For people: set aside, made anew. */
  | { readonly kind: "note"; readonly text: string }
  /** The file was made anew: how hosts stand is not in it. */
  | { readonly kind: "renewed" }
  /** Why it cannot be written, or null: it can. */
  | { readonly kind: "health"; readonly failure: string | null }
  /** `lines`: inputs; frames have to begin a segment. `rounds`: their results. */
  | { readonly kind: "dropped"; readonly rows: number; readonly lines: number; readonly rounds: number };
