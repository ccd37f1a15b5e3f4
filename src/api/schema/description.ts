// What is said of a row of the table of routes: in which part of the document it stands, what it takes and what it gives.

import type { z } from "zod";

export const JSON_TYPE = "application/json";
/** One JSON value a line. */
export const LINES_TYPE = "application/x-ndjson";
export const EVENTS_TYPE = "text/event-stream";

export type Given = {
  readonly description: string;
  readonly type: string;
  /** Of the body, of each line, or of the data of each event; null: it is no JSON. */
  readonly schema: z.ZodType | null;
};

export type OperationDescription = {
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  /** What stands for `:name` in the path. */
  readonly name?: string;
  readonly query?: Readonly<Record<string, { readonly description: string; readonly schema: z.ZodType }>>;
  readonly body?: z.ZodType;
  /** A body as somebody would send it. */
  readonly example?: unknown;
  /** By HTTP status; every other is a Failure. */
  readonly answers: Readonly<Record<number, Given>>;
};

export const TAGS = {
  now: "What is: the status, one host, and why.",
  live: "What changes, as it changes.",
  past: "What was: the journal, incidents, results of probes.",
  commands: "What changes something. Needs the role operator, or admin where it says so.",
  access: "Users, sessions, tokens, and who did what.",
  about: "The watcher itself.",
} as const;
export type Tag = keyof typeof TAGS;

export const json = (schema: z.ZodType, description: string): Given => ({ description, type: JSON_TYPE, schema });
export const lines = (schema: z.ZodType, description: string): Given => ({ description, type: LINES_TYPE, schema });
