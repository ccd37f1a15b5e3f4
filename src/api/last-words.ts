// What a kernel said around an incident, in short: which lines belong to it, and which of them names the death best.

import { inKernelWords, recognise, weightiest } from "../core/kernel-words.ts";
import type { IncidentRecord } from "../core/records.ts";
import { iso } from "../core/report.ts";
import type { KernelRow } from "../journal/kernel-table.ts";
import type { KernelLine, LastWords } from "./contract.ts";
import { KERNEL_LINES_MAX } from "./contract.ts";
import type { Served } from "./route.ts";

/** What a kernel said so long before the first bad sign belongs to it. */
const BEFORE_MS = 5 * 60_000;
/** In `why`: what led to the word that weighs most, and what came of it. */
const SHOWN_BEFORE = 4;
const SHOWN = 40;

/** What was said around an incident, in short; null: nothing. */
export async function lastWords(record: IncidentRecord, served: Pick<Served, "kernels" | "history">): Promise<LastWords | null> {
  const lines = await served.kernels.lines({ host: record.host, ...(await spanOf(record, served)), limit: KERNEL_LINES_MAX });
  return lines.length === 0 ? null : inShort(lines);
}

/** From five minutes before its first bad sign, or the end of the incident before it, to its end; wall clock. */
export async function spanOf({ host, began, endedAt }: IncidentRecord, { history }: Pick<Served, "history">): Promise<{ readonly fromMs: number; readonly toMs: number }> {
  const [before] = await Promise.resolve(history.incidents({ host, untilMs: began.wallMs, limit: 1 })).catch(() => []);
  return { fromMs: Math.max(began.wallMs - BEFORE_MS, before?.endedAt?.wallMs ?? -Infinity), toMs: endedAt?.wallMs ?? Infinity };
}

/** Of many lines those from shortly before the first that was recognised, and which word weighs most. */
export function inShort(lines: readonly KernelRow[]): LastWords {
  const said = lines.flatMap((line) => {
    const word = line.sign === null ? null : recognise(line.text, line.byKernel);
    return word === null ? [] : [{ ...word, line }];
  });
  const word = weightiest(said);
  const reboots = word?.sign === "rebooting" ? undefined : said.find(({ sign, line }) => sign === "rebooting" && word !== null && line.id > word.line.id);
  const first = said.find(({ sign }) => sign !== "io-error" && sign !== "out-of-memory" && sign !== "stall") ?? said[0];
  // Without anything that is known, the last lines are the last words.
  const at = first === undefined ? Math.max(0, lines.length - SHOWN) : Math.max(0, lines.indexOf(first.line) - SHOWN_BEFORE);
  const upTo = lines.slice(at, at + SHOWN);
  // The word that is named must be among them, however long its stacks are.
  const named = word === null || upTo.includes(word.line) ? [] : lines.slice(lines.indexOf(word.line), lines.indexOf(word.line) + SHOWN / 2);
  const shown = [...upTo, ...named.filter((line) => !upTo.includes(line))];
  return {
    said: word === null ? null : `${inKernelWords(word)}${reboots === undefined ? "" : `; ${inKernelWords(reboots)}`}`,
    sign: word?.sign ?? null, at: word === null ? null : iso(word.line.atMs), lines: shown.map(lineOf), more: lines.length - shown.length,
  };
}

export function lineOf({ id, host, atMs, text, level, uptimeUs, sign, torn }: KernelRow): KernelLine {
  return { id, at: iso(atMs), host, text, level, uptimeMs: uptimeUs === null ? null : uptimeUs / 1_000, sign, ...(torn ? { torn } : {}) };
}
