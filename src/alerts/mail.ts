// Alerts by mail. Every step at the server has a short time-out, because whoever is called must hear it soon or by another
// channel; what fails is tried again by the queue. nodemailer is loaded with the first mail: an idle watcher does without.

import type { Channel, Delivery } from "./channel.ts";
import type { Message, Sender } from "./message.ts";
import { oneLine } from "./message.ts";

/** A text, or what keeps one from being printed (config/secret.ts). */
export type SecretText = string | { reveal(): string };

export type MailOptions = {
  readonly to: readonly string[];
  readonly from: string;
  readonly host: string;
  readonly port: number;
  readonly username: string | null;
  readonly password: SecretText | null;
  /** `offered`: STARTTLS where the server offers it, whoever it is; `starttls` and `tls` prove who it is. */
  readonly tls: "none" | "offered" | "starttls" | "tls";
};

export type MailLimits = { readonly stepMs: number; readonly totalMs: number };

const LIMITS: MailLimits = { stepMs: 10_000, totalMs: 45_000 };
const EVIDENCE_MAX = 300;

export function mailChannel(name: string, options: MailOptions, sender: Sender, limits: MailLimits = LIMITS): Channel {
  const password = options.password === null ? null : typeof options.password === "string" ? options.password : options.password.reveal();
  return {
    name, kind: "mail", grouped: true,
    async deliver(message, only, signal) {
      try {
        return await send(options, password, sender, limits, message, only ?? options.to, signal);
      } catch (error) {
        return judge(error, password);
      }
    },
  };
}

async function send(options: MailOptions, password: string | null, sender: Sender, limits: MailLimits, message: Message, to: readonly string[], signal: AbortSignal): Promise<Delivery> {
  const { createTransport } = await import("nodemailer");
  const { stepMs, totalMs } = limits;
  const transport = createTransport({
    host: options.host,
    port: options.port,
    secure: options.tls === "tls",
    requireTLS: options.tls === "starttls",
    ignoreTLS: options.tls === "none",
    // Where encryption is only taken if offered, nobody has said whose certificate it should be.
    ...(options.tls === "offered" ? { tls: { rejectUnauthorized: false } } : {}),
    ...(options.username !== null && password !== null ? { auth: { user: options.username, pass: password } } : {}),
    connectionTimeout: stepMs,
    greetingTimeout: stepMs,
    socketTimeout: stepMs,
    dnsTimeout: stepMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = options.from.split("@")[1] ?? "localhost";
  const thread = `<${Buffer.from(message.alarm).toString("base64url")}.${message.incident ?? "none"}.upkeep@${domain}>`;
  const sent = transport.sendMail({
    envelope: { from: options.from, to: [...to] },
    from: { name: `Upkeep ${sender.site}`, address: options.from },
    to: options.to.map((address) => ({ name: "", address })),
    subject: message.subject,
    text: message.body,
    date: new Date(message.atMs),
    messageId: `<${message.id}.upkeep@${domain}>`,
    // One conversation per alarm and incident in the reader's program (RFC 5322, §3.6.4); no automatic answers (RFC 3834).
    references: thread,
    inReplyTo: thread,
    headers: { "Auto-Submitted": "auto-generated", ...(message.event === null ? {} : { "X-Upkeep-Event": String(message.event) }), "X-Upkeep-Alarm": message.alarm, ...(message.incident === null ? {} : { "X-Upkeep-Incident": message.incident }) },
    ...(message.severity === "critical" ? { priority: "high" as const } : {}),
  });
  const given = await within(sent, totalMs, signal, () => transport.close());
  const errors = rejectedErrors(given);
  const note = errors.length === 0 ? null : scrub(errors.map(({ recipient, said }) => `${recipient}: ${said}`).join("; "), password);
  return { kind: "delivered", note, left: errors.filter((each) => !each.forEver).map((each) => each.recipient) };
}

/** Resolves as `promise` does, or rejects when its time is over; then `end` is called, and what it leads to is nobody's business. */
async function within<Result>(promise: Promise<Result>, totalMs: number, signal: AbortSignal, end: () => void): Promise<Result> {
  promise.catch(() => undefined);
  const bound = AbortSignal.any([signal, AbortSignal.timeout(totalMs)]);
  let onAbort: (() => void) | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<never>((_, reject) => {
        onAbort = () => reject(new Error(signal.aborted ? "given up" : `not delivered within ${totalMs} ms`));
        if (bound.aborted) onAbort();
        else bound.addEventListener("abort", onAbort, { once: true });
      }),
    ]);
  } finally {
    if (onAbort !== undefined) bound.removeEventListener("abort", onAbort);
    end();
  }
}

type Rejected = { readonly recipient: string; readonly said: string; readonly forEver: boolean };

/** Errors of nodemailer, and its results where some recipients were refused, carry these. */
function rejectedErrors(from: unknown): readonly Rejected[] {
  const list: unknown = field(from, "rejectedErrors");
  if (!Array.isArray(list)) return [];
  return list.map((error: unknown) => ({ recipient: String(field(error, "recipient")), said: String(field(error, "response") ?? field(error, "message")), forEver: isForEver(field(error, "responseCode")) }));
}

function judge(error: unknown, password: string | null): Delivery {
  const rejected = rejectedErrors(error);
  const said = rejected.length > 0 ? rejected.map((each) => `${each.recipient}: ${each.said}`).join("; ") : error instanceof Error ? error.message : String(error);
  const evidence = scrub(said, password);
  if (rejected.length > 0) return { kind: rejected.every((each) => each.forEver) ? "refused" : "failed", evidence };
  // A wrong password or a server that asks for one is a 5xx, too (RFC 4954, §6), and a person may put it right.
  const aboutAccess = field(error, "code") === "EAUTH" || field(error, "responseCode") === 530 || field(error, "responseCode") === 535;
  return { kind: isForEver(field(error, "responseCode")) && !aboutAccess && field(error, "command") === "DATA" ? "refused" : "failed", evidence };
}

/** RFC 5321, §4.2.1: 5yz is a permanent refusal. */
function isForEver(code: unknown): boolean {
  return typeof code === "number" && code >= 500 && code <= 599;
}

function field(of: unknown, name: string): unknown {
  return typeof of === "object" && of !== null && name in of ? (of as Record<string, unknown>)[name] : undefined;
}

/** A server may repeat what it was told, in clear or as it came over the wire (RFC 4616). */
function scrub(text: string, password: string | null): string {
  const hidden = password === null || password === "" ? text : [password, Buffer.from(password).toString("base64")].reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  return oneLine(hidden, EVIDENCE_MAX);
}
