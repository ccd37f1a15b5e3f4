// Who may: sessions, users, tokens, the set-up, the audit trail (src/api/contract.ts, ADR 19).

import { z } from "zod";
import { ROLES, SCOPES } from "../contract.ts";
import { flag, listOf, named, text, time } from "./schema.ts";

const role = z.enum(ROLES).describe("viewer: reads. operator: commands too. admin: users, tokens of others, reload, recordings too.");
const scopes = listOf(z.enum(SCOPES)).describe("What a token may, at most what its owner may.");

export const session = named("Session", "Who is asking.", z.strictObject({
  user: text().nullable().describe("Null: nobody has to log in here."),
  role,
  csrf: text().nullable().describe("Goes into the header `x-upkeep-csrf` of every request that changes something and is allowed by a cookie."),
  totp: flag(),
  expires: time().nullable(),
}));
export const setUp = named("SetUp", "Whether there is a user yet.", z.strictObject({ needed: flag() }));
export const userReport = named("User", "A user of this watcher.", z.strictObject({ user: text(), role, totp: flag(), created: time(), lastSeen: time().nullable() }));
export const tokenReport = named("Token", "A token of the interface.", z.strictObject({
  id: text(), name: text(), user: text(), scopes, created: time(), expires: time().nullable(), lastSeen: time().nullable(),
  secret: text().exactOptional().describe("Only in the answer that makes it: it is shown once."),
}));
export const auditLine = named("AuditLine", "Who asked for what, and what became of it.", z.strictObject({ at: time(), who: text(), by: text().describe("`socket`, `session` or `token`"), from: text().nullable(), what: text(), answer: text() }));
