// Who may: sessions, users, tokens, the set-up, the audit trail (src/api/contract.ts, ADR 19).

import { z } from "zod";
import type { LoginRequest, SetUpRequest, TokenRequest, UserChange, UserRequest } from "../contract.ts";
import { FOR_MAX_MS, ROLES, SCOPES, TOKEN_NAME, USER_NAME } from "../contract.ts";
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
export const userChanged = named("UserChanged", "A user after a change.", userReport.extend({
  enrolment: z.strictObject({ secret: text().describe("Base 32."), uri: text().describe("`otpauth://…`, for a phone's camera.") }).exactOptional().describe("Shown once; it holds from the request on that brings its first code."),
  recovery: listOf(text()).exactOptional().describe("Shown once: each opens the door once, when the phone is lost."),
}));
export const setUpLink = named("SetUpLink", "The way to the first user.", z.strictObject({ code: text(), link: text().nullable(), expires: time(), fingerprint: text().nullable().describe("SHA-256 of the certificate that the watcher made itself.") }));

// ---- bodies ---------------------------------------------------------------------------------------------------------------

const userName = z.string().regex(USER_NAME, "a user's name is 1 to 40 of a-z, 0-9 and . _ @ -, and begins with a letter or digit");
/** Looked at again where it is chosen (access/passwords.ts). */
const password = z.string().min(1).max(1_024);
const code = z.string().min(1).max(64);

export const loginRequest = z.strictObject({ user: z.string().max(100), password, code: code.exactOptional().describe("Six digits, or a recovery code, where the user has them.") }) satisfies z.ZodType<LoginRequest>;
export const setUpRequest = z.strictObject({ code: z.string().min(1).max(100), user: userName, password }) satisfies z.ZodType<SetUpRequest>;
export const userRequest = z.strictObject({ user: userName, role, password }) satisfies z.ZodType<UserRequest>;
export const userChange = z.strictObject({
  role: role.exactOptional(), password: password.exactOptional(), now: password.exactOptional().describe("The present password, wanted of everybody who changes himself."),
  totp: z.enum(["enrol", "off"]).exactOptional().describe("`enrol` answers with a secret; `off` ends it."), code: code.exactOptional().describe("The first code of a new secret: from then on it is wanted."),
}) satisfies z.ZodType<UserChange>;
export const tokenRequest = z.strictObject({
  name: z.string().regex(TOKEN_NAME, "a token's name is 1 to 40 letters, digits, spaces and . _ -"), scopes: scopes.unwrap().min(1).max(SCOPES.length), forMs: z.int().min(60_000).max(FOR_MAX_MS).nullable().describe("Null: without an end."),
  user: userName.exactOptional().describe("Whose; the caller's own where it is left out."),
}) satisfies z.ZodType<TokenRequest>;
