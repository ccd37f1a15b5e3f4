// What hosts' kernels said, line by line: of a host, or around an incident.

import type { KernelRow } from "../journal/kernel-table.ts";
import { EVENTS_DEFAULT, FOLLOWERS_MAX, KERNEL_LINES_MAX } from "./contract.ts";
import { lineOf, spanOf } from "./last-words.ts";
import { incidentNamed, noSuchHost } from "./looking.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, timeIn, whole } from "./route.ts";

const LINES = "application/x-ndjson; charset=utf-8";
export const KERNEL_QUERY = ["since", "until", "limit", "follow"] as const;

export async function kernel({ name, query }: Asked<(typeof KERNEL_QUERY)[number]>, served: Served): Promise<Reply> {
  const { watcher, kernels, history } = served;
  if (query.follow !== undefined && !/^[01]$/.test(query.follow)) throw new Refusal(400, "follow is 0 or 1");
  const record = watcher.policy.hosts.has(name) ? undefined : ((await incidentNamed(name, { watcher, history })) ?? noSuchHost(name, watcher.policy));
  const host = record?.host ?? name;
  const span = record === undefined ? null : await spanOf(record, served);
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

function textOf(lines: readonly KernelRow[]): string {
  return lines.map((line) => `${JSON.stringify(lineOf(line))}\n`).join("");
}
