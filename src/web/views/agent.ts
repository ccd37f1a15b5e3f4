// What there is to say of a host's agent and of the services that it may run. Pure: reports in, text out.

import type { AgentReport, FindingReport, LeaseReport } from "../../api/contract.ts";
import type { Condition } from "../words.ts";
import { age, inWords, moment, plural } from "../words.ts";

/** A shape and a word each; a warning is for a person, and has the shape of a suspicion. */
export const FINDINGS: Readonly<Record<FindingReport["verdict"], { readonly sign: Condition; readonly word: string }>> = {
  bad: { sign: "down", word: "bad" }, warn: { sign: "suspect", word: "warning" }, unknown: { sign: "unknown", word: "unknown" }, good: { sign: "up", word: "good" },
};

const WORST_FIRST = ["bad", "warn", "unknown", "good"] as const;

/** What power may be cut for stands first of those that are equally bad. */
export function worstFirst(found: readonly FindingReport[]): readonly FindingReport[] {
  return [...found].sort((one, other) => WORST_FIRST.indexOf(one.verdict) - WORST_FIRST.indexOf(other.verdict) || Number(other.mayCut) - Number(one.mayCut) || one.subject.localeCompare(other.subject, "en", { numeric: true }));
}

/** An agent in a list: who should be looked at, by a word. */
export function agentSign({ state, findings }: AgentReport): { readonly sign: "down" | "suspect" | "unknown" | "off" | "up"; readonly word: string } {
  if (state === "revoked") return { sign: "off", word: "revoked" };
  if (state === "invited") return { sign: "off", word: "invited" };
  if (state === "away") return { sign: "unknown", word: "away" };
  if (findings.bad > 0) return { sign: "down", word: `${findings.bad} bad` };
  return findings.warn > 0 ? { sign: "suspect", word: plural(findings.warn, "warning") } : { sign: "up", word: "connected" };
}

/** Whether it is there, since when, and what follows from that. */
export function agentInWords({ state, since, heard, version, from, revoked, code, findings }: AgentReport, nowMs: number): string {
  const all = findings.good + findings.warn + findings.bad + findings.unknown;
  const found = all === 0 ? "It has found nothing yet." : findings.good === all ? `${all === 1 ? "Its one finding is" : `All of its ${all} findings are`} good.` : `${findings.good} of ${plural(all, "finding")} ${findings.good === 1 ? "is" : "are"} good.`;
  const invited = code === null ? "" : `A code of ${code.by} is good for ${inWords(Math.max(1_000, Date.parse(code.until) - nowMs))}: upkeep agent enroll CODE on the host uses it.`;
  const joined = (...parts: readonly string[]) => parts.filter((part) => part !== "").join(" ");
  switch (state) {
    case "connected": return joined(`Connected${since === null ? "" : ` for ${age(since, nowMs)}`}${from === null ? "" : ` from ${from}`}${version === null ? "" : `, version ${version}`}.`, found, invited);
    case "away": return joined(
      `Not connected to this watcher${since === null ? ", and not seen since this watcher began" : ` for ${age(since, nowMs)}`}. Its silence counts for nothing.`,
      all === 0 || heard === null ? "" : `What follows was heard at ${moment(Date.parse(heard), nowMs)}.`, invited,
    );
    case "revoked": return joined(`Revoked${revoked === null ? "" : ` by ${revoked.by} at ${moment(Date.parse(revoked.at), nowMs)}`}: nothing of it is listened to.`, invited === "" ? "A new code lets it in again: upkeep agent code." : invited);
    case "invited": return invited === "" ? "Not enrolled." : `Not enrolled yet. ${invited}`;
  }
}

/** What becomes of a lease, seen from `host`, which has it or gets it next. */
export function leaseInWords(lease: LeaseReport, host: string): { readonly sign: Condition; readonly word: string; readonly text: string } {
  const { phase, next, is, ttlMs, resetWithinMs, boundMs, renewedMs, fencedAt, freeInMs } = lease;
  if (lease.host !== host) return { sign: "suspect", word: "comes here", text: `${lease.host ?? "nobody"} has it still; it comes here ${freeInMs === null ? "when that one's agent, or a person, says that it is stopped there" : `in ${inWords(freeInMs)} at the latest`}.` };
  if (phase === "taking-back") return { sign: "suspect", word: "taken back", text: `${next === null ? "It is being taken back" : `It goes to ${next}`}: ${freeInMs === null ? "when the agent, or a person, says that it is stopped here" : `in ${inWords(freeInMs)} at the latest`}.` };
  if (fencedAt !== null) return { sign: "down", word: "fenced by itself", text: "Nobody has renewed its lease, so this host has stopped it or was reset by its watchdog." };
  const promise = ttlMs === null ? "The agent has not taken it yet." : resetWithinMs === null ? "There is no watchdog behind it: if this host is lost, only its agent's word or a person's gives it to another." : `If this host is lost, it may run elsewhere after ${inWords(boundMs ?? 0)}.`;
  const late = renewedMs !== null && ttlMs !== null && renewedMs > ttlMs;
  const renewed = renewedMs === null ? "" : ` Renewed ${inWords(Math.max(1_000, renewedMs))} ago${late ? `, and it lasts ${inWords(ttlMs)}: its agent stops it` : ""}.`;
  return { sign: late ? "down" : is === "running" ? "up" : is === "stopped" ? "suspect" : "unknown", word: late ? "not renewed" : is === "unknown" ? "not known" : is, text: `${promise}${renewed}` };
}
