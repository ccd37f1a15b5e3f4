// A receiver of web hooks on loopback that plays the services which cannot be had here. It is a second reading of their public
// interfaces, made from their documentation and not from the rows that it judges: a request that they would refuse is
// refused, with the status and the body that they answer. It can also hang, redirect, ask to be left alone, or fail.

import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

export type Received = { readonly service: string; readonly method: string; readonly path: string; readonly headers: Readonly<Record<string, string>>; readonly body: unknown; readonly refused: string | null };

/** Instead of a service's own answer. */
export type Mood = "well" | "hang" | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string };

export type HookReceiver = {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  readonly received: readonly Received[];
  mood: Mood;
  /** Resolves when so many have come; rejects after `timeoutMs`. */
  waitFor(count: number, timeoutMs?: number): Promise<readonly Received[]>;
  close(): Promise<void>;
};

type Service = {
  readonly path: RegExp;
  readonly header?: { readonly name: string; readonly is: RegExp };
  readonly form?: true;
  readonly body: z.ZodType;
  readonly answer: { readonly status: number; readonly body: string };
  readonly refusal: number;
};

const text = (max: number) => z.string().min(1).max(max);
const json = (value: unknown): string => JSON.stringify(value);

/** By the first part of the path under which each is played. */
const SERVICES: Readonly<Record<string, Service>> = {
  // "Sending messages using incoming webhooks", and "Reference: Secondary message attachments".
  slack: {
    path: /^\/services\/T[A-Z0-9]*\/B[A-Z0-9]*\/[A-Za-z0-9]+$/,
    body: z.object({ text: text(40_000), attachments: z.array(z.object({ color: z.string().regex(/^(good|warning|danger|#[0-9a-f]{6})$/), fallback: z.string(), text: text(8_000), mrkdwn_in: z.array(z.enum(["text", "pretext", "fields"])) })).max(100) }),
    answer: { status: 200, body: "ok" }, refusal: 400,
  },
  // "Webhook Resource", "Execute Webhook"; "Embed Limits".
  discord: {
    path: /^\/api\/webhooks\/[0-9]+\/[A-Za-z0-9_-]+$/,
    body: z.object({ username: text(80), content: text(2_000), embeds: z.array(z.object({ description: text(4_096), color: z.int().min(0).max(0xffffff) })).max(10), allowed_mentions: z.object({ parse: z.array(z.never()) }) }),
    answer: { status: 204, body: "" }, refusal: 400,
  },
  // "Post a card using webhooks"; Adaptive Cards schema 1.4; 28 kB a message.
  teams: {
    path: /^\/workflows\/[a-z0-9]+\/triggers\/manual\/paths\/invoke\?.*sig=/,
    body: z.strictObject({ type: z.literal("message"), attachments: z.array(z.strictObject({
      contentType: z.literal("application/vnd.microsoft.card.adaptive"), contentUrl: z.null(),
      content: z.strictObject({ $schema: z.literal("http://adaptivecards.io/schemas/adaptive-card.json"), type: z.literal("AdaptiveCard"), version: z.literal("1.4"), msteams: z.object({ width: z.literal("Full") }),
        body: z.array(z.strictObject({ type: z.literal("TextBlock"), text: z.string().min(1), weight: z.enum(["Default", "Lighter", "Bolder"]).optional(), size: z.enum(["Default", "Small", "Medium", "Large", "ExtraLarge"]).optional(), color: z.enum(["Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"]).optional(), wrap: z.boolean().optional() })).min(1) }),
    })).length(1) }),
    answer: { status: 202, body: "" }, refusal: 400,
  },
  // "Incoming webhooks", "Use message attachments".
  mattermost: {
    path: /^\/hooks\/[a-z0-9]+$/,
    body: z.object({ channel: z.string().optional(), username: z.string(), text: text(16_383), attachments: z.array(z.object({ color: z.string().regex(/^#[0-9a-f]{6}$/), fallback: z.string(), text: text(16_383) })) }),
    answer: { status: 200, body: "ok" }, refusal: 400,
  },
  // "sendMessage": text of 1 to 4,096 characters.
  telegram: {
    path: /^\/bot[0-9]+:[A-Za-z0-9_-]+\/sendMessage$/,
    body: z.object({ chat_id: z.union([z.int(), z.string().regex(/^(-?[0-9]+|@\w+)$/)]), text: text(4_096), parse_mode: z.undefined().optional(), link_preview_options: z.object({ is_disabled: z.boolean() }) }),
    answer: { status: 200, body: json({ ok: true, result: { message_id: 1 } }) }, refusal: 400,
  },
  // "Publish as JSON": to the root, with the topic in the body; 4,096 bytes before a message becomes a file.
  ntfy: {
    path: /^\/$/,
    body: z.object({ topic: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/), title: z.string().max(250), message: z.string().refine((value) => Buffer.byteLength(value) <= 4_096, "an attachment"), priority: z.int().min(1).max(5), tags: z.array(z.string()) }),
    answer: { status: 200, body: json({ id: "x", event: "message" }) }, refusal: 400,
  },
  // "Push Message", POST /message with an application's token.
  gotify: {
    path: /^\/message$/, header: { name: "x-gotify-key", is: /^A[A-Za-z0-9._-]+$/ },
    body: z.object({ title: z.string(), message: z.string().min(1), priority: z.int().min(0).max(10), extras: z.record(z.string().regex(/^[a-z]+::[a-z]+$/), z.record(z.string(), z.unknown())) }),
    answer: { status: 200, body: json({ id: 1 }) }, refusal: 400,
  },
  // "Message API": a form; message 1,024, title 250 characters; priority 2 would need retry and expire.
  pushover: {
    path: /^\/1\/messages\.json$/, form: true,
    body: z.strictObject({ token: z.string().regex(/^[A-Za-z0-9]{30}$/), user: z.string().regex(/^[A-Za-z0-9]{30}$/), title: text(250), message: text(1_024), priority: z.enum(["-2", "-1", "0", "1"]) }),
    answer: { status: 200, body: json({ status: 1, request: "x" }) }, refusal: 400,
  },
  // "Send an Alert Event": summary 1,024, dedup_key 255 characters.
  pagerduty: {
    path: /^\/v2\/enqueue$/,
    body: z.discriminatedUnion("event_action", [
      z.object({ routing_key: z.string().length(32), event_action: z.literal("trigger"), dedup_key: text(255), client: z.string(), payload: z.object({ summary: text(1_024), source: text(255), severity: z.enum(["critical", "error", "warning", "info"]), timestamp: z.iso.datetime(), group: z.string(), class: z.string(), custom_details: z.record(z.string(), z.unknown()) }) }),
      z.strictObject({ routing_key: z.string().length(32), event_action: z.literal("resolve"), dedup_key: text(255) }),
    ]),
    answer: { status: 202, body: json({ status: "success", message: "Event processed", dedup_key: "x" }) }, refusal: 400,
  },
  // "Alert API": create, and close by alias.
  opsgenie: {
    path: /^\/v2\/alerts(\/[^/]+\/close\?identifierType=alias)?$/, header: { name: "authorization", is: /^GenieKey [A-Za-z0-9-]+$/ },
    body: z.union([
      z.strictObject({ message: text(130), alias: text(512), description: z.string().max(15_000), source: text(100), priority: z.enum(["P1", "P2", "P3", "P4", "P5"]), tags: z.array(z.string().max(50)).max(20), details: z.record(z.string(), z.string()) }),
      z.strictObject({ source: text(100), note: text(25_000) }),
    ]),
    answer: { status: 202, body: json({ result: "Request will be processed", took: 0.1, requestId: "x" }) }, refusal: 422,
  },
};

const BODY_MAX_BYTES = 1 << 20;

/** Listens on a free port of loopback; each service is under `/NAME`. Any other path takes anything. */
export async function startHookReceiver(): Promise<HookReceiver> {
  const received: Received[] = [];
  const wakes = new Set<() => void>();
  const server = createServer((request, response) => void serve(request, response));
  const receiver: HookReceiver = {
    url: "", received, mood: "well",
    async waitFor(count, timeoutMs = 15_000) {
      const deadlineMs = performance.now() + timeoutMs;
      while (received.length < count) {
        if (performance.now() > deadlineMs) throw new Error(`${received.length} of ${count} web hooks in ${timeoutMs} ms: ${JSON.stringify(received.map(({ path, refused }) => [path, refused]))}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 200);
          wakes.add(() => { clearTimeout(timer); resolve(); });
        });
      }
      return received;
    },
    close: () => new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    }),
  };
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const raw = await bodyOf(request);
    const [, name = "", path = "/"] = /^\/([a-z]+)(\/.*)?$/.exec(request.url ?? "") ?? [];
    const service = SERVICES[name];
    const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
    const body = parse(raw, headers["content-type"] ?? "");
    const refused = service === undefined ? null : judge(service, request.method ?? "", path, headers, body);
    received.push({ service: name, method: request.method ?? "", path: request.url ?? "", headers, body, refused });
    for (const wake of wakes) wake();
    wakes.clear();
    const { mood } = receiver;
    if (mood === "hang") return;
    if (mood !== "well") response.writeHead(mood.status, mood.headers).end(mood.body ?? "");
    else if (refused !== null) response.writeHead(service?.refusal ?? 400).end(refused);
    else response.writeHead(service?.answer.status ?? 200).end(service?.answer.body ?? "");
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(receiver, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function judge(service: Service, method: string, path: string, headers: Readonly<Record<string, string>>, body: unknown): string | null {
  if (method !== "POST") return `method ${method}`;
  if (!service.path.test(path)) return `path ${path}`;
  if (service.header !== undefined && !service.header.is.test(headers[service.header.name] ?? "")) return `header ${service.header.name}`;
  if (!(headers["content-type"] ?? "").startsWith(service.form === true ? "application/x-www-form-urlencoded" : "application/json")) return `content type ${headers["content-type"]}`;
  const result = service.body.safeParse(body);
  return result.success ? null : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; ");
}

function parse(raw: string, type: string): unknown {
  if (type.startsWith("application/x-www-form-urlencoded")) return Object.fromEntries(new URLSearchParams(raw));
  try {
    return JSON.parse(raw) as unknown;
  } catch {
    return raw;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) break;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
