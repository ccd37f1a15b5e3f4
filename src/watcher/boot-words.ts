// What agents say of their boots, as the core takes it: of each host the identity of its boot and why it needs another, told when that
// changes. Who is not connected says nothing.

import type { HostFinding, Order, OrderEnd } from "../core/finding.ts";
import type { Input } from "../core/io.ts";
import type { AgentOrders } from "./orders.ts";

type Word = Extract<Input, { kind: "boot" }>["boot"];

/** Of an agent: whether it is connected, which boot its hello named, what it has found. */
export type HeardOfAgent = { readonly connected: boolean; readonly hello: { readonly boot: string }; readonly findings: readonly HostFinding[] };

/** The finding that says whether a host needs a reboot (the agent's part `health`). */
const PENDING = "health:reboot-pending";

export class BootWords {
  readonly #told = new Map<string, string>();

  /** Looks at all hosts, and tells what is new. */
  look(hosts: Iterable<string>, heard: (host: string) => HeardOfAgent | null, tell: (input: Input) => void): void {
    for (const host of hosts) {
      const boot = wordOf(heard(host));
      const text = JSON.stringify(boot);
      if ((this.#told.get(host) ?? "null") === text) continue;
      this.#told.set(host, text);
      tell({ kind: "boot", host, boot });
    }
  }

  /** Another core begins, which has heard nothing. */
  forget(): void {
    this.#told.clear();
  }
}

function wordOf(heard: HeardOfAgent | null): Word {
  if (heard === null || !heard.connected) return null;
  const pending = heard.findings.find(({ subject }) => subject === PENDING);
  return { bootId: heard.hello.boot, pending: pending?.verdict === "warn" || pending?.verdict === "bad" ? pending.because : null };
}

/** Agents as those that carry an order out; what one refuses is certainly not done. */
export function ordersByAgents(heard: (host: string) => HeardOfAgent | null, order: (host: string, order: Order, signal: AbortSignal) => Promise<OrderEnd>): AgentOrders {
  return ({ host, order: what, id, limitMs }) => {
    if (heard(host)?.connected !== true) return null;
    return order(host, { id, order: what, subject: null, reason: "rolling reboot", limitMs }, AbortSignal.timeout(limitMs + 1_000))
      .then(({ outcome, evidence }) => ({ outcome: outcome === "refused" ? "failed" as const : outcome, evidence: `agent: ${evidence}` }));
  };
}
