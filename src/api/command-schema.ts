// What may be asked of the watcher, strictly: unknown kinds and unknown fields are refused, every text is bounded,
// and what people wrote cannot move a terminal's cursor when it is shown to the next one.

import { z } from "zod";
import type { Command } from "../core/io.ts";
import { BY_MAX, FOR_MAX_MS, REASON_MAX } from "./contract.ts";

/** Control and format characters (C0, C1, bidirectional overrides, line separators). */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]/gu;

const text = (max: number) => z.string().max(max).transform((value) => value.replace(UNPRINTABLE, "?").trim());
const name = z.string().min(1).max(253);
/** It is a key of a record. */
const service = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "a name has letters, figures, dots, dashes and underscores, begins with a letter or a figure, and is at most 63 long");
const reason = text(REASON_MAX);
const brake = z.enum(["disarmed", "maintenance", "inhibit", "going-down", "kdump"]);
const forMs = z.int().min(1).max(FOR_MAX_MS).nullable();

export const command = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("fence"), host: name, reason, again: z.boolean(), confirm: name.nullable() }),
  z.strictObject({ kind: z.literal("power"), host: name, action: z.enum(["on", "off", "cycle"]), reason, again: z.boolean(), confirm: name.nullable() }),
  z.strictObject({ kind: z.literal("confirm-off"), host: name, confirm: z.string().max(253), reason }),
  z.strictObject({ kind: z.literal("brake"), brake, scope: name, forMs, reason }),
  z.strictObject({ kind: z.literal("unbrake"), brake, scope: name }),
  z.strictObject({ kind: z.literal("release"), host: name }),
  z.strictObject({ kind: z.literal("storm-proceed") }),
  z.strictObject({ kind: z.literal("careful"), host: name, event: text(100), phase: z.enum(["pre-fail", "shutdown", "normal"]), haltWithinMs: z.int().min(1).max(3_600_000).nullable(), reason }),
  z.strictObject({ kind: z.literal("careful-return"), host: name.nullable() }),
  z.strictObject({ kind: z.literal("lease-grant"), service, host: name, reason }),
  z.strictObject({ kind: z.literal("lease-move"), service, host: name, reason }),
  z.strictObject({ kind: z.literal("lease-release"), service, reason, confirm: name.nullable() }),
  z.strictObject({ kind: z.literal("forget-watcher"), watcher: name }),
  z.strictObject({ kind: z.literal("reboots-start"), hosts: z.array(name).min(1).max(10_000).nullable(), needed: z.boolean(), window: text(200).nullable(), self: z.boolean(), reason }),
  z.strictObject({ kind: z.literal("reboots-stop") }),
  z.strictObject({ kind: z.literal("reboots-continue") }),
  z.strictObject({ kind: z.literal("ack"), alarm: z.string().min(1).max(300) }),
]) satisfies z.ZodType<Command>;

/** CommandRequest, before its texts are cleaned. */
export const saidBy = z.strictObject({ by: text(BY_MAX), command });
/** Over TCP the caller is known, and what the body says of it is not looked at. */
const knownBy = z.strictObject({ by: z.string().max(BY_MAX).optional(), command });

export type ParsedCommand = { readonly ok: true; readonly by: string; readonly command: Command } | { readonly ok: false; readonly error: string };

/** The body of POST /v1/commands. `caller`: who asks; null: whoever the body names. */
export function parseCommand(body: unknown, caller: string | null): ParsedCommand {
  const parsed = (caller === null ? saidBy : knownBy).safeParse(body);
  if (!parsed.success) {
    const said = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join(".") || "the request"}: ${issue.message}`);
    return { ok: false, error: `not a command: ${said.join("; ")}` };
  }
  return { ok: true, by: caller ?? (parsed.data.by || "somebody"), command: parsed.data.command };
}
