// What agent and watcher say to each other, a line of JSON a message. Whatever comes in is looked at strictly and cleaned before
// anybody sees it: the other end is a host that may be broken, or in somebody else's hands.
//
// A new message: a row here, and a higher PROTOCOL_MAX unless it is sent with `optional: true`, which an older end passes over.
// A row that has changed in what it means is a new protocol; both ends say from which to which they speak, and the highest that
// both know is spoken.

import { z } from "zod";
import type { Announcement, HostFinding, OrderEnd } from "../core/finding.ts";
import type { LeaseAnswer, RenewRequest } from "../core/self-fence.ts";

export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;
export const LINE_BYTES_MAX = 65_536;
/** Findings to a message: so that no line is too long. */
export const FINDINGS_A_MESSAGE = 50;
export const FINDINGS_MAX = 1_000;

/** Control and format characters (C0, C1, bidirectional overrides, line separators). */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu;

const text = (max: number) => z.string().max(max).transform((value) => value.replace(UNPRINTABLE, " ").trim());
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const id = z.string().regex(/^[A-Za-z0-9_.:-]{1,80}$/);
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const ms = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const protocol = z.tuple([z.int().min(1).max(1_000), z.int().min(1).max(1_000)]);
const version = text(64);

const finding = z.strictObject({ subject: text(128), verdict: z.enum(["good", "warn", "bad", "unknown"]), because: text(300), mayCut: z.boolean() }) satisfies z.ZodType<HostFinding>;
const announcement = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("careful"), event: text(80), phase: z.enum(["pre-fail", "shutdown", "normal"]), because: text(300), haltWithinMs: ms.nullable() }),
  z.strictObject({ kind: z.literal("going-down"), because: text(300), withinMs: ms }),
]) satisfies z.ZodType<Announcement>;
const watchers = z.array(z.strictObject({ watcher: name, address: z.string().max(300).nullable(), pins: z.array(hex(32)).min(1).max(3) })).max(64);
/** `store`: which records these are; of watchers with the same ones the list is whole. */
const roster = { watcher: name, store: text(200), watchers };

/** `reason`: for a program; what it does not know is `refused`. */
export const REASONS = ["unknown", "revoked", "wrong-host", "expired", "protocol", "busy", "replaced", "stopping", "refused"] as const;
const bye = z.strictObject({ kind: z.literal("bye"), reason: z.enum(REASONS), because: text(300) });
const alive = z.strictObject({ kind: z.literal("alive") });

/** Of leases (core/self-fence.ts). */
const SERVICES_MAX = 32;
const leases = z.array(z.strictObject({ service: name, epoch: ms })).max(SERVICES_MAX);
const terms = z.strictObject({ ttlMs: ms, stopWithinMs: ms, resetWithinMs: ms.nullable() });
const asked = z.strictObject({ service: name, wants: z.boolean(), epoch: ms, is: z.enum(["running", "stopped", "unknown"]), givenBack: ms });

/** From an agent. The first one is `hello` or `enroll`. */
export const FROM_AGENT = {
  hello: z.strictObject({ kind: z.literal("hello"), protocol, version, host: name, /** random(4), boot_id. */ boot: text(64), uptimeMs: ms, /** Another one each time the agent begins. */ life: id }),
  enroll: z.strictObject({ kind: z.literal("enroll"), protocol, version, host: name, secret: hex(12) }),
  /** In parts where they are many: they count when `more` is false. `whole`: what is not named is no more. */
  findings: z.strictObject({ kind: z.literal("findings"), whole: z.boolean(), more: z.boolean(), set: z.array(finding).max(FINDINGS_A_MESSAGE), gone: z.array(text(128)).max(FINDINGS_A_MESSAGE) }),
  announce: z.strictObject({ kind: z.literal("announce"), id, announcement }),
  result: z.strictObject({ kind: z.literal("result"), id, outcome: z.enum(["done", "failed", "refused", "unknown"]), evidence: text(300) }) satisfies z.ZodType<OrderEnd & { kind: string; id: string }>,
  /** The key that this agent will come with. */
  renew: z.strictObject({ kind: z.literal("renew"), pin: hex(32) }),
  "lease-renew": z.strictObject({ kind: z.literal("lease-renew"), n: ms, terms, services: z.array(asked).max(SERVICES_MAX) }) satisfies z.ZodType<RenewRequest & { kind: string }>,
  alive, bye,
} as const;

/** From a watcher. */
export const FROM_WATCHER = {
  welcome: z.strictObject({ kind: z.literal("welcome"), protocol: z.int().min(1).max(1_000), version, ...roster }),
  enrolled: z.strictObject({ kind: z.literal("enrolled"), ...roster }),
  watchers: z.strictObject({ kind: z.literal("watchers"), ...roster }),
  /** An announcement is durable there. */
  heard: z.strictObject({ kind: z.literal("heard"), id }),
  order: z.strictObject({ kind: z.literal("order"), id, order: id, subject: text(253).nullable(), reason: text(300), limitMs: ms }),
  /** What `lease-renew` has been granted, from when it was sent on. */
  leases: z.strictObject({ kind: z.literal("leases"), n: ms, granted: leases, giveBack: leases }) satisfies z.ZodType<LeaseAnswer & { kind: string }>,
  renewed: z.strictObject({ kind: z.literal("renewed"), pin: hex(32) }),
  alive, bye,
} as const;

type Said<Rows extends Readonly<Record<string, z.ZodType>>> = { readonly [Kind in keyof Rows]: z.output<Rows[Kind]> }[keyof Rows];
export type FromAgent = Said<typeof FROM_AGENT>;
export type FromWatcher = Said<typeof FROM_WATCHER>;
export type Bye = z.output<typeof bye>;
export type Roster = { readonly watcher: string; readonly store: string; readonly watchers: z.output<typeof watchers> };

export type Parsed<Message> = { readonly ok: true; readonly message: Message } | { readonly ok: false; readonly because: string | null };

/** One line; `because` null: it is nothing that this end has to know. */
export function parseMessage<Message>(rows: Readonly<Record<string, z.ZodType>>, line: string): Parsed<Message> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { ok: false, because: "a line that is not JSON" };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { ok: false, because: "a line that is no message" };
  const { optional, ...rest } = value as Record<string, unknown>;
  const kind = typeof rest["kind"] === "string" ? rest["kind"] : "";
  const row = Object.hasOwn(rows, kind) ? rows[kind] : undefined;
  if (row === undefined) return { ok: false, because: optional === true ? null : `a message of a kind that is not known here: ${kind.replace(UNPRINTABLE, " ").slice(0, 40)}` };
  const parsed = row.safeParse(rest);
  if (parsed.success) return { ok: true, message: parsed.data as Message };
  const [issue] = parsed.error.issues;
  return { ok: false, because: `a ${kind} that is not well formed: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.slice(0, 200) };
}

/** The highest protocol that both ends speak, or null. */
export function common(theirs: readonly [number, number]): number | null {
  const highest = Math.min(PROTOCOL_MAX, theirs[1]);
  return highest >= Math.max(PROTOCOL_MIN, theirs[0]) ? highest : null;
}
