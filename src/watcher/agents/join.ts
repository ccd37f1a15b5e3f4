// Where what agents say becomes something else: an announcement a command of the core, findings what the probe `agent` reads (and of
// boots and orders: boot-words.ts). A host speaks for itself alone: whose word it is the connection has proved, and never the message.

import type { Announcement } from "../../core/finding.ts";
import type { Command } from "../../core/io.ts";
import { ALIVE_EVERY_MS } from "../../link/pace.ts";
import type { HeardAgents } from "../../probes/probe.ts";
import type { Agents } from "./agents.ts";

export function commandOf(host: string, announced: Announcement): Command {
  if (announced.kind === "careful") return { kind: "careful", host, event: announced.event, phase: announced.phase, haltWithinMs: announced.haltWithinMs, reason: announced.because };
  return { kind: "brake", brake: "going-down", scope: host, forMs: announced.withinMs, reason: announced.because };
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
