// Reports for the page's tests: a host that is well, and what is changed of it.

import type { EventLine, HostReport, IncidentReport } from "../../api/contract.ts";
import type { Site } from "../live/store.ts";

export const AT = "2026-11-29T12:00:00.000Z";
export const AT_MS = Date.parse(AT);

export function hostReport(host: string, change: Partial<HostReport> = {}): HostReport {
  return {
    host, verdict: "up", counter: 0, threshold: 5, since: "2026-11-28T12:00:00.000Z", guarded: true, why: null, wanted: "on", brakes: [],
    power: [{ outlet: "sucker/2", state: "on", at: AT, label: null, level: 1, proved: true }], incident: null, inCharge: "w", observers: [{ watcher: "w", says: "up", because: "" }], need: 1,
    address: "10.0.0.1", group: "default", round: { outcome: "good", because: "SSH-2.0", at: AT }, probes: [{ probe: "ssh", outcome: "good", evidence: "SSH-2.0", latencyMs: 2, counts: true, passed: true }],
    wantedOff: null, careful: null, held: null, operation: null, lastOperation: null, offByOthers: [], budget: { cycles: 0, of: 3, withinMs: 21_600_000 }, bootMs: 300_000, bootLongestMs: null, ...change,
  };
}

export function siteReport(guarded: string, change: Partial<Site> = {}): Site {
  return { site: "lab", guarded, watchers: [], devices: [], brakes: [], storms: [], reboots: null, alarms: [], ledger: { ok: true, why: null }, store: null, power: { state: "unknown", because: "", charge: null, goodSince: null }, armed: true, ...change };
}

export function operation(change: Partial<NonNullable<HostReport["operation"]>> = {}): NonNullable<HostReport["operation"]> {
  return { operation: 1, kind: "cycle", phase: "booting", phaseSince: "2026-11-29T11:59:29.000Z", began: "2026-11-29T11:59:00.000Z", level: 1, levels: 1, by: "auto", because: "down", cut: [], offWasConfirmed: true, contradiction: null, withdrawing: null, ...change };
}

export function line(seq: number, kind: string, because: string, atMs = AT_MS + seq * 1_000): EventLine {
  return { seq, kind, because, at: new Date(atMs).toISOString(), host: "db1", incident: "lusab-babad", cause: seq - 1 };
}

export function incidentReport(change: Partial<IncidentReport> = {}): IncidentReport {
  return {
    incident: "lusab-babad", host: "db1", began: AT, ended: "2026-11-29T12:01:04.300Z", outcome: "recovered", firstSign: "ssh: no banner", down: null, offSent: null, offConfirmed: null, onConfirmed: null,
    phases: { detectMs: 25_100, decideMs: 200, cutMs: 6_400, offMs: 0, bootMs: 32_600, totalMs: 64_300 }, ...change,
  };
}
