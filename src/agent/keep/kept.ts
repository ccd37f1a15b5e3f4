// The port to one kind of thing that can be kept running. A driver looks, starts and stops, once and when asked; when and how often
// is decided in core/keep.ts. A look that fails is `unknown`, never `down`.

import type { Seen } from "../../core/keep.ts";
import type { PartWorld } from "../part.ts";

export type Done = { readonly ok: boolean; readonly evidence: string };
export type Looked = Pick<Seen, "state" | "evidence">;

export type Kept = {
  look(signal: AbortSignal): Promise<Looked>;
  /** Resolves when it runs as far as whoever manages it can tell. What is not known to have worked has not. */
  start(signal: AbortSignal): Promise<Done>;
  /** Resolves `ok` only when nothing of it runs any more. */
  stop(signal: AbortSignal): Promise<Done>;
};

/** What a driver needs of the agent. */
export type KeptWorld = Pick<PartWorld<unknown>, "guard" | "folder" | "now">;
