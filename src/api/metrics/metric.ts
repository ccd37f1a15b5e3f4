// One metric is a row: a name by Prometheus' conventions, what it counts in words, its labels, and a function that reads its
// samples out of what was looked at once for all. Text is made here and not by a library: prom-client keeps every label set
// as an object and brings two packages with it, and what is shown here is worked out at the moment of the question anyway
// (docs/adr/0021). The format is Prometheus' text exposition format 0.0.4.

import type { Policy } from "../../core/policy.ts";
import type { HostReport, StatusReport } from "../../core/report.ts";
import type { State } from "../../core/state.ts";
import type { Now } from "../../core/time.ts";
import type { Counts } from "./counts.ts";

/** What all samples of one answer are read from. */
export type Look = {
  readonly state: State;
  readonly policy: Policy;
  readonly now: Now;
  readonly hosts: readonly HostReport[];
  readonly site: Omit<StatusReport, "at" | "guarded" | "hosts">;
  readonly counts: Counts;
  readonly process: ProcessFigures;
  readonly version: string;
  readonly streams: number;
  readonly followers: number;
};

/** What only the process around the watcher knows. */
export type ProcessFigures = {
  /** What the history has lost since the start. */
  readonly dropped: { readonly rows: number; readonly lines: number; readonly rounds: number };
  /** Bytes of the history's files; null: not known. */
  readonly historyBytes: number | null;
  /** Messages to people that wait or are under way. */
  readonly alertsWaiting: number;
  /** Datagrams in which hosts' kernels were heard, and what was dropped of them. */
  readonly kernels?: { readonly datagrams: number; readonly dropped: { readonly strangers: number; readonly shared: number; readonly lines: number; readonly words: number } };
  /** For how long this process could not run, in all. */
  readonly stalledMs: number;
};

/** A value, and the values of the labels in their order. Null: there is none at present. */
export type Sample = readonly [value: number | null, ...labels: string[]];

export type Metric = {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly labels: readonly string[];
  samples(look: Look): Iterable<Sample>;
};

/** The media type of what `render` makes. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** One metric as text. `written` has what label values are written as, from one metric to the next: host names come again and again. */
export function render({ name, type, help, labels, samples }: Metric, look: Look, written: Map<string, string>): string {
  const begins = labels.map((label, index) => `${index === 0 ? `${name}{` : ","}${label}="`);
  let text = `# HELP ${name} ${help.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}\n# TYPE ${name} ${type}\n`;
  for (const sample of samples(look)) {
    const value = sample[0];
    if (value === null) continue;
    if (begins.length === 0) text += name;
    for (let index = 0; index < begins.length; index += 1) text += `${begins[index]}${escaped((sample[index + 1] as string | undefined) ?? "", written)}"`;
    text += `${begins.length === 0 ? " " : "} "}${value}\n`;
  }
  return text;
}

/** A label's value may be anything; of it the backslash, the quote and the line's end are written otherwise. */
function escaped(value: string, written: Map<string, string>): string {
  let found = written.get(value);
  if (found === undefined) {
    found = value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
    written.set(value, found);
  }
  return found;
}
