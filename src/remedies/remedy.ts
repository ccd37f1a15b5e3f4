// The port to what is softer than power. A remedy is tried once and says what it knows of the end: `done`, the host took the word;
// `failed`, certainly not; `unknown`, perhaps. Only `failed` is not waited for, so who is in doubt says unknown.

import type { Guard } from "../child/child.ts";

export type RemedyTarget = { readonly host: string; readonly address: string };

export type RemedyEnd = { readonly outcome: "done" | "failed" | "unknown"; /** One printable line. */ readonly evidence: string };

export type Remedy<Options> = {
  readonly name: string;
  /** Settles within `limitMs` and half a second. */
  run(target: RemedyTarget, options: Options, limitMs: number, guard: Guard): Promise<RemedyEnd>;
};
