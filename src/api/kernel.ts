// What hosts' kernels said: the lines of a host, or those around an incident, and of the latter what names the death best.

import { inKernelWords, recognise, weightiest } from "../core/kernel-words.ts";
import type { IncidentRecord } from "../core/records.ts";
import { iso } from "../core/report.ts";
import type { KernelRow } from "../journal/kernel-table.ts";
import type { KernelLine, LastWords } from "./contract.ts";
import { EVENTS_DEFAULT, FOLLOWERS_MAX, KERNEL_LINES_MAX } from "./contract.ts";
import { incidentNamed, noSuchHost } from "./looking.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, timeIn, whole } from "./route.ts";

const LINES = "application/x-ndjson; charset=utf-8";
/** What a kernel said so long before the first bad sign belongs to it. */
export const WORDS_BEFORE_MS = 5 * 60_000;
/** In `why`: what led to the word that weighs most, and what came of it. */
const SHOWN_BEFORE = 4;
const SHOWN = 40;

export const KERNEL_QUERY = ["since", "until", "limit", "follow"] as const;

export async function kernel({ name, query }: Asked<(typeof KERNEL_QUERY)[number]>, served: Served): Promise<Reply> {
  const { watcher, kernels, history } = served;
  if (query.follow !== undefined && !/^[01]$/.test(query.follow)) throw new Refusal(400, "follow is 0 or 1");
  const record = watcher.policy.hosts.has(name) ? undefined : ((await incidentNamed(name, { watcher, history })) ?? noSuchHost(name, watcher.policy));
  const host = record?.host ?? name;
  const span = record === undefined ? null : spanOf(record);
  const fromMs = Math.max(timeIn("since", query.since) ?? -Infinity, span?.fromMs ?? -Infinity);
  const toMs = Math.min(timeIn("until", query.until) ?? Infinity, span?.toMs ?? Infinity);
  const limit = query.limit === undefined ? EVENTS_DEFAULT : whole("limit", query.limit, 0, KERNEL_LINES_MAX);
  const past = async (): Promise<readonly KernelRow[]> => (limit === 0 ? [] : kernels.lines({ host, fromMs, toMs, limit }));
  if (query.follow !== "1") return { kind: "text", status: 200, type: LINES, text: textOf(await past()) };
  if (kernels.followers >= FOLLOWERS_MAX) throw new Refusal(503, `${FOLLOWERS_MAX} others follow already`);
  // Followed before the past is read, so that nothing falls between the two.
  const early: KernelRow[] = [];
  let deliver = (line: KernelRow): void => void early.push(line);
  const stop = kernels.follow(host, (line) => deliver(line));
  try {
    const lines = await past();
    const lastId = lines.at(-1)?.id ?? 0;
    return {
      kind: "stream", type: LINES, first: textOf(lines) || "\n", heartbeat: "\n",
      start: (write) => {
        const onLine = (line: KernelRow) => write(textOf([line]));
        for (const line of early) if (line.id > lastId) onLine(line);
        deliver = onLine;
        return stop;
      },
    };
  } catch (error) {
    stop();
    throw error;
  }
}

/** What was said around an incident, in short; null: nothing. */
export async function lastWords(record: IncidentRecord, { kernels }: Pick<Served, "kernels">): Promise<LastWords | null> {
  const lines = await kernels.lines({ host: record.host, ...spanOf(record), limit: KERNEL_LINES_MAX });
  return lines.length === 0 ? null : inShort(lines);
}

function spanOf({ began, endedAt }: IncidentRecord): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: began.wallMs - WORDS_BEFORE_MS, toMs: endedAt?.wallMs ?? Infinity };
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

function textOf(lines: readonly KernelRow[]): string {
  return lines.map((line) => `${JSON.stringify(lineOf(line))}\n`).join("");
}

function lineOf({ id, host, atMs, text, level, uptimeUs, sign, torn }: KernelRow): KernelLine {
  return { id, at: iso(atMs), host, text, level, uptimeMs: uptimeUs === null ? null : uptimeUs / 1_000, sign, ...(torn ? { torn } : {}) };
}
