// What the page knows of the fleet, made of the stream's events and of nothing else. Each host has a signal of its own, so
// that a round of one of a thousand hosts draws one row again.
//
// It never says more than it was told: without events for STALE_AFTER_MS everything is stale, and so is what is drawn of it.

import type { Signal } from "@preact/signals";
import { batch, signal } from "@preact/signals";
import type { LiveEvent, LiveEvents, LiveStatus } from "../../api/live.ts";
import type { EventLine, HostReport } from "../../api/contract.ts";
import type { KeptStrips } from "./strips.ts";
import { cellEnd, NO_STRIPS, withCells } from "./strips.ts";

export type LiveHost = { readonly name: string; readonly report: Signal<HostReport>; readonly strips: Signal<KeptStrips> };

/** Everything of a status but the hosts. */
export type Site = Omit<LiveStatus, "hosts" | "at">;

/** Lines that are kept for who looks at them; older ones are asked for. */
const LINES_MAX = 200;

/** Null: nothing has come yet. */
export const site = signal<Site | null>(null);
export const hosts = signal<ReadonlyMap<string, LiveHost>>(new Map());
/** Grows whenever a host's report has changed: for what is made of all of them. */
export const revision = signal(0);
/** Where the strips end. */
export const stripsEndMs = signal(0);
/** The newest last. */
export const lines = signal<readonly EventLine[]>([]);
/** The watcher's version, of the newest snapshot. */
export const version = signal<string | null>(null);
/** The watcher's clock at the last event; 0: none has come. */
export const toldAtMs = signal(0);

/** Takes one event as it came. */
export function take(event: LiveEvent): void {
  batch(() => {
    switch (event.event) {
      case "snapshot": return snapshot(event.data);
      case "delta": return delta(event.data);
      case "cells": return cells(event.data);
      case "lines": return void (lines.value = [...lines.value, ...event.data].slice(-LINES_MAX));
      case "tick": return told(event.data.at);
    }
  });
}

function snapshot({ version: of, status, strips, stripsEnd, lines: newest }: LiveEvents["snapshot"]): void {
  const { hosts: reports, at, ...rest } = status;
  const endMs = Date.parse(stripsEnd);
  const before = hosts.value;
  hosts.value = new Map(reports.map((report) => {
    const known = before.get(report.host);
    const host = known ?? { name: report.host, report: signal(report), strips: signal(NO_STRIPS) };
    host.report.value = report;
    const latencyMs = Object.fromEntries(report.probes.map((probe) => [probe.probe, probe.latencyMs]));
    host.strips.value = { endMs, byProbe: strips[report.host] ?? {}, latencyMs };
    return [report.host, host];
  }));
  site.value = rest;
  version.value = of;
  lines.value = newest.slice(-LINES_MAX);
  stripsEndMs.value = endMs;
  revision.value += 1;
  told(at);
}

function delta({ at, hosts: reports, rest }: LiveEvents["delta"]): void {
  for (const report of reports) {
    const host = hosts.value.get(report.host);
    if (host !== undefined) host.report.value = report;
  }
  if (reports.length > 0) revision.value += 1;
  if (site.value !== null && Object.keys(rest).length > 0) site.value = { ...site.value, ...rest };
  told(at);
}

function cells({ end, cells: byHost }: LiveEvents["cells"]): void {
  const endMs = Date.parse(end);
  for (const [name, of] of Object.entries(byHost)) {
    const host = hosts.value.get(name);
    if (host !== undefined) host.strips.value = withCells(host.strips.value, endMs, of);
  }
  if (endMs > stripsEndMs.value) stripsEndMs.value = endMs;
}

function told(at: string): void {
  toldAtMs.value = Date.parse(at);
  if (stripsEndMs.value > 0) stripsEndMs.value = cellEnd(stripsEndMs.value, toldAtMs.value);
}
