// How people are called: who was told what and what waits, and a test of a channel. The answers are the alerts' own
// (src/alerts); here they get their times in ISO 8601 and a limit.

import type { AlertsReport as Known } from "../alerts/alerts.ts";
import type { AlertTestRequest, AlertsReport } from "./contract.ts";
import type { Asked, Reply, Served } from "./route.ts";
import { Refusal, json } from "./route.ts";

/** A client waits 35 s for an answer. */
const TEST_LIMIT_MS = 30_000;
const NAME_MAX = 63;

export function alerts(_asked: Asked, served: Served): Reply {
  return json(served.alerts.report());
}

export async function alertTest({ body }: Asked, served: Served): Promise<Reply> {
  const { channel } = requestIn(body);
  const tested = await served.alerts.test(channel, AbortSignal.timeout(TEST_LIMIT_MS));
  if (tested === null) throw new Refusal(404, `there is no channel ${channel}; channels: ${served.alerts.report().channels.map((each) => each.channel).join(", ") || "none"}`);
  return json(tested);
}

function requestIn(body: unknown): AlertTestRequest {
  const channel = typeof body === "object" && body !== null && Object.keys(body).join() === "channel" ? (body as { channel: unknown }).channel : undefined;
  if (channel !== null && (typeof channel !== "string" || channel.length < 1 || channel.length > NAME_MAX)) throw new Refusal(400, "the body is { \"channel\": NAME }, or null for all channels");
  return { channel };
}

/** What src/alerts knows, as the interface says it. */
export function reportOf({ channels, called }: Known): AlertsReport {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const maybe = (ms: number | null): string | null => (ms === null ? null : iso(ms));
  return {
    alarms: called.map(({ alarm, told, next }) => ({ alarm, told: told.map(({ channel, atMs }) => ({ channel, at: iso(atMs) })), next: next === null ? null : { to: next.to, at: iso(next.atMs) } })),
    channels: channels.map(({ channel, kind, waiting, oldestMs, failing, triedMs, deliveredMs, nextMs }) => ({ channel, kind, waiting, oldest: maybe(oldestMs), failing, tried: maybe(triedMs), delivered: maybe(deliveredMs), next: maybe(nextMs) })),
  };
}
