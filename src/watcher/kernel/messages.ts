// What the watcher's thread and the thread that hears kernels (receiver.ts) say to each other.

import type { KernelWord } from "../../core/kernel-words.ts";
import type { KernelRow } from "../../journal/kernel-table.ts";

/** Who sends from where; null: an address of several hosts, of which nobody can tell which it was. */
export type Senders = readonly (readonly [address: string, host: string | null])[];

export type ReceiverData = { readonly host: string; readonly port: number; readonly firstId: number };

export type ToReceiver = { readonly kind: "senders"; readonly senders: Senders } | { readonly kind: "taken" } | { readonly kind: "close" };

/** Why datagrams and lines were not kept, in numbers since the start. */
export type Dropped = { readonly strangers: number; readonly shared: number; readonly lines: number; readonly words: number };

export type FromReceiver =
  | { readonly kind: "open"; readonly address: string; readonly port: number }
  | { readonly kind: "failed"; readonly because: string }
  /** Answered with `taken`. `strangers`: some addresses of no host that datagrams came from. */
  | { readonly kind: "heard"; readonly lines: readonly KernelRow[]; readonly words: readonly { readonly host: string; readonly word: KernelWord }[]; readonly datagrams: number; readonly dropped: Dropped; readonly strangers: readonly string[] };
