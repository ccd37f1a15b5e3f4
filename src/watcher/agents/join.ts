// Where what agents say becomes something else: an announcement a command of the core, findings what the probe `agent` reads and
// what a boot is known by, and an order of the core one over the link. A host speaks for itself alone: whose word it is the
// connection has proved, and never the message.

import type { Announcement } from "../../core/finding.ts";
import type { Command, Input } from "../../core/io.ts";
import { ALIVE_EVERY_MS } from "../../link/connection.ts";
import type { HeardAgents } from "../../probes/probe.ts";
import type { AgentOrders } from "../orders.ts";
import type { Agents, Heard } from "./agents.ts";

/** Beyond the order's own limit, for the way to the host and back. */
const WAY_MS = 5_000;
/** Of the part that looks at a host's health. */
const REBOOT_PENDING = "health:reboot-pending";

export function commandOf(host: string, announced: Announcement): Command {
  if (announced.kind === "careful") return { kind: "careful", host, event: announced.event, phase: announced.phase, haltWithinMs: announced.haltWithinMs, reason: announced.because };
  return { kind: "brake", brake: "going-down", scope: host, forMs: announced.withinMs, reason: announced.because };
}

/** What a host's boot is known by, and whether it needs another; of an agent that is not there, nothing. */
export function bootOf(host: string, heard: Heard | null): Input {
  if (heard === null || !heard.connected) return { kind: "boot", host, boot: null };
  const pending = heard.findings.find(({ subject }) => subject === REBOOT_PENDING);
  return { kind: "boot", host, boot: { bootId: heard.hello.boot, pending: pending?.verdict === "warn" || pending?.verdict === "bad" ? pending.because : null } };
}

export function heardBy(agents: () => Agents | null, nowMs: () => number): HeardAgents {
  return {
    heard(host) {
      const all = agents();
      if (all === null) return { silent: "this watcher has no door for agents" };
      const heard = all.heard(host);
      if (heard === null) return { silent: "no agent of this host has been heard" };
      return heard.connected ? { ageMs: nowMs() - heard.heardMs, heartbeatMs: ALIVE_EVERY_MS, findings: heard.findings } : { silent: "its agent is not connected" };
    },
  };
}

export function ordersBy(agents: () => Agents | null): AgentOrders {
  return ({ host, order, id, limitMs }) => {
    const all = agents();
    if (all?.heard(host)?.connected !== true) return null;
    return all.order(host, { id, order, subject: null, reason: "a rolling reboot", limitMs }, AbortSignal.timeout(limitMs + WAY_MS)).then(({ outcome, evidence }) => ({ outcome: outcome === "refused" ? "failed" : outcome, evidence }));
  };
}
