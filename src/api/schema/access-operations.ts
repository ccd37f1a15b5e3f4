// What the rows of sessions, the set-up, users, tokens and the audit trail take and give (access/answers.ts); a part of OPERATIONS.

import { z } from "zod";
import { AUDIT_MAX } from "../access/access-file.ts";
import { PATHS } from "../contract.ts";
import { auditLine, loginRequest, session, setUp, setUpLink, setUpRequest, tokenReport, tokenRequest, userChange, userChanged, userReport, userRequest } from "./access.ts";
import type { OperationDescription } from "./description.ts";
import { json, lines } from "./description.ts";
import { listOf } from "./schema.ts";

const user = "The user's name.";
const created = (schema: z.ZodType, description: string) => ({ 201: json(schema, description) });

export const ACCESS_OPERATIONS: Readonly<Record<string, OperationDescription>> = {
  [`GET ${PATHS.session}`]: { tag: "access", summary: "Who is asking", description: "401 where one has to log in.", answers: { 200: json(session, "The session.") } },
  [`POST ${PATHS.session}`]: { tag: "access", summary: "Log in", description: "The answer sets a cookie that no script reads. Log-ins are slowed by address and by user: 429 says when to try again.", body: loginRequest, example: { user: "anna", password: "correct horse battery staple" }, answers: { 200: json(session, "The session that was begun.") } },
  [`DELETE ${PATHS.session}`]: { tag: "access", summary: "Log out", answers: { 200: json(session, "Nobody.") } },
  [`GET ${PATHS.setUp}`]: { tag: "access", summary: "Whether there is a user yet", answers: { 200: json(setUp, "Whether the watcher is to be set up.") } },
  [`POST ${PATHS.setUp}`]: { tag: "access", summary: "Make the first user", description: "By the one-time code that the watcher printed; the first user is an admin.", body: setUpRequest, example: { code: "…", user: "anna", password: "correct horse battery staple" }, answers: { 200: json(session, "The session that was begun.") } },
  [`POST ${PATHS.setUpLink}`]: { tag: "access", summary: "A new set-up link", description: "On the control socket only.", body: z.strictObject({}), answers: { 200: json(setUpLink, "The link; the one before is worth nothing.") } },
  [`GET ${PATHS.users}`]: { tag: "access", summary: "All users", answers: { 200: json(listOf(userReport), "The users.") } },
  [`POST ${PATHS.users}`]: { tag: "access", summary: "Add a user", body: userRequest, example: { user: "ben", role: "operator", password: "correct horse battery staple" }, answers: created(userReport, "The user.") },
  [`PATCH ${PATHS.users}/:name`]: { tag: "access", summary: "Change a user", description: "Everybody may change himself, with the present password; an admin others. Sessions end when the password or the role changes.", name: user, body: userChange, example: { role: "viewer" }, answers: { 200: json(userChanged, "The user after the change.") } },
  [`DELETE ${PATHS.users}/:name`]: { tag: "access", summary: "Remove a user", description: "His sessions and tokens end. The last admin stays.", name: user, answers: { 200: json(userReport, "The user who was removed.") } },
  [`GET ${PATHS.tokens}`]: { tag: "access", summary: "Tokens", description: "One's own; an admin sees all.", answers: { 200: json(listOf(tokenReport), "The tokens.") } },
  [`POST ${PATHS.tokens}`]: { tag: "access", summary: "Add a token", body: tokenRequest, example: { name: "prometheus", scopes: ["metrics"], forMs: null }, answers: created(tokenReport, "The token with its secret, which is shown once.") },
  [`DELETE ${PATHS.tokens}/:name`]: { tag: "access", summary: "Remove a token", name: "The token's id.", answers: { 200: json(tokenReport, "The token that was removed.") } },
  [`GET ${PATHS.audit}`]: { tag: "access", summary: "Who asked for what, and what became of it", query: { limit: { description: "At most so many, the newest.", schema: z.int().min(1).max(AUDIT_MAX) } }, answers: { 200: lines(auditLine, "A request a line, the newest last.") } },
};
