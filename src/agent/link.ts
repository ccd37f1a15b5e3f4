// The port to the watchers, as the agent's shell sees it. What is behind it (src/agent/link/) connects out and may be cut at any
// time; nothing waits for it but an announcement, and that with a limit.

import type { Announcement, HostFinding, Order, OrderEnd } from "../core/finding.ts";
import type { LeaseAnswer, RenewRequest } from "../core/self-fence.ts";
import type { Contact } from "./part.ts";

export type LinkHooks = {
  /** All that is known now, for a watcher that has just been reached. */
  findings(): readonly HostFinding[];
  /** Carries an order out, or says what became of it the first time. */
  order(order: Order): Promise<OrderEnd>;
  /** A watcher can be asked from now on. */
  linked(): void;
  /** A watcher's answer about leases. */
  leases(answer: LeaseAnswer): void;
  say(level: "info" | "warning" | "error", text: string): void;
};

export type Link = {
  /** A finding that is new or has changed; null: the subject is no more. */
  changed(subject: string, finding: HostFinding | null): void;
  announce(announcement: Announcement, limitMs: number): Promise<readonly string[]>;
  /** Goes to every watcher that is connected now, and to nobody later. */
  leases(request: RenewRequest): void;
  contacts(): readonly Contact[];
  close(): Promise<void>;
};

/** Of an agent that works alone. */
export const NO_LINK: Link = { changed: () => {}, announce: () => Promise.resolve([]), leases: () => {}, contacts: () => [], close: () => Promise.resolve() };
