// What is read by those who watch all the time: the live stream, the metrics, and the description of all this.

import { readFile } from "node:fs/promises";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal } from "./route.ts";
import { STREAMS_MAX } from "./stream.ts";

/** How long a reader's browser waits before it asks again. */
const RETRY_MS = 2_000;

export function stream(_asked: Asked, { live }: Served): Reply {
  if (live.full) throw new Refusal(503, `${STREAMS_MAX} others read the stream already`, { "retry-after": "10" });
  return { kind: "stream", type: "text/event-stream; charset=utf-8", first: `retry: ${RETRY_MS}\n\n`, heartbeat: null, start: (write, line) => live.open({ write, ...line }) };
}

/** Loaded with the first scrape. */
export async function metrics(_asked: Asked, { watcher: { state, policy }, counts, processFigures, live, feed, version, now }: Served): Promise<Reply> {
  const [{ METRICS_TYPE, metricsText }, process] = await Promise.all([import("./metrics/metrics.ts"), processFigures()]);
  // The stream follows the events as well; it is told of by itself.
  const followers = feed.followers - (live.readers > 0 ? 1 : 0);
  return { kind: "text", status: 200, type: METRICS_TYPE, text: await metricsText({ state, policy, now: now(), counts, process, version, streams: live.readers, followers }) };
}

const OPENAPI = new URL("../../docs/reference/openapi.json", import.meta.url);

/** The document as it was made from the schemas. */
export async function openapi(): Promise<Reply> {
  return { kind: "text", status: 200, type: "application/json; charset=utf-8", text: await readFile(OPENAPI, "utf8") };
}
