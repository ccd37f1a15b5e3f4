// Users and their tokens: who may make, change and remove them. The table has let in whoever may ask at all; what stands here is
// what depends on whom it is about. Everybody may change himself, with his present password; an admin others. Over TCP the
// last admin stays what he is; on the control socket everything goes, so that nobody is ever locked out.

import { randomBytes } from "node:crypto";
import type { TokenReport, TokenRequest, UserChange, UserChanged, UserReport, UserRequest } from "../contract.ts";
import type { Caller } from "../route.ts";
import { Refusal, missing, reaches } from "../route.ts";
import type { Access } from "./access.ts";
import type { Token, User } from "./access-file.ts";
import { hashOf, standingOf } from "./credentials.ts";
import { passwordProblem } from "./passwords.ts";

const USERS_MAX = 200;
const TOKENS_EACH = 50;
const ENROL_MS = 600_000;
const TOKEN_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789";

/** Secrets that were shown and have not been confirmed by a first code; as many as there are users, at most. */
const enrolling = new WeakMap<Access, Map<string, { readonly secret: string; readonly untilMs: number }>>();

export function userReport(user: User): UserReport {
  return { user: user.user, role: user.role, totp: user.totp !== null, created: iso(user.createdMs), lastSeen: user.seenMs === null ? null : iso(user.seenMs) };
}

export async function addUser(access: Access, { user: name, role, password }: UserRequest): Promise<UserReport> {
  const file = access.file();
  const free = () => {
    if (file.user(name) !== null) throw new Refusal(409, `there is a user ${name} already`);
    if (file.users().length >= USERS_MAX) throw new Refusal(409, `there are ${USERS_MAX} users, and no more are kept`);
  };
  free();
  choose(password, name);
  const kept = await access.hashed(password);
  free();
  const user: User = { user: name, role, password: kept, totp: null, totpStep: 0, recovery: [], createdMs: access.now(), seenMs: null };
  file.putUser(user);
  access.counted();
  return userReport(user);
}

export function removeUser(access: Access, name: string, caller: Caller): UserReport {
  const user = access.file().user(name) ?? missing(`there is no user ${name}`);
  keepLastAdmin(access, user, caller, "removed");
  const gone = [...access.file().endSessionsOf(name, null), ...tokensOf(access, name).map(credentialOf)];
  access.file().removeUser(name);
  access.counted();
  access.ended(gone);
  return userReport(user);
}

export async function changeUser(access: Access, name: string, change: UserChange, caller: Caller): Promise<UserChanged> {
  const socket = caller.by === "socket";
  const self = caller.user === name;
  if (!self && !reaches(caller.role, "admin")) throw new Refusal(403, `only an admin may change ${name}`);
  const before = access.file().user(name) ?? missing(`there is no user ${name}`);
  if (change.role !== undefined && !reaches(caller.role, "admin")) throw new Refusal(403, "a role is given by an admin");
  if (change.totp === "enrol" || change.code !== undefined) {
    if (!self && !socket) throw new Refusal(403, "only whoever has the phone can set its codes up");
  }
  const sensitive = change.password !== undefined || change.totp !== undefined;
  if (self && !socket && sensitive) {
    if (change.now === undefined) throw new Refusal(400, "now is needed: the present password");
    const { now } = change;
    await access.tried(name, caller.from, () => access.passwords.verify(now, before.password), "the present password is wrong");
  }
  if (change.password !== undefined) choose(change.password, name);
  const kept = change.password === undefined ? null : await access.hashed(change.password);
  const { totp, recovery, enrolment } = await codes(access, before, change);

  // From here on nothing is awaited: what was looked at above is looked at again.
  const file = access.file();
  const user = file.user(name) ?? missing(`there is no user ${name}`);
  if (self && sensitive && user.password !== before.password) throw new Refusal(409, "the password was changed meanwhile: say the present one again");
  if (change.role !== undefined && change.role !== "admin") keepLastAdmin(access, user, caller, "made less");
  const after: User = {
    ...user, role: change.role ?? user.role, password: kept ?? user.password,
    ...(totp === undefined ? {} : { totp: totp?.secret ?? null, totpStep: totp?.step ?? 0, recovery: totp?.kept ?? [] }),
  };
  const changed = after.role !== user.role || kept !== null || totp !== undefined;
  const over = changed ? file.together(() => {
    file.putUser(after);
    return file.endSessionsOf(name, caller.by === "session" && self && after.role === user.role ? (caller.credential?.id ?? null) : null);
  }) : [];
  access.ended([...over, ...(after.role === user.role ? [] : tokensOf(access, name).map(credentialOf))]);
  return { ...userReport(after), ...(enrolment === undefined ? {} : { enrolment }), ...(recovery === undefined ? {} : { recovery }) };
}

type Codes = { /** Undefined: stays. */ readonly totp?: { readonly secret: string; readonly step: number; readonly kept: readonly string[] } | null; readonly recovery?: readonly string[]; readonly enrolment?: UserChanged["enrolment"] & object };

async function codes(access: Access, user: User, change: UserChange): Promise<Codes> {
  const waiting = enrolling.get(access) ?? new Map<string, { readonly secret: string; readonly untilMs: number }>();
  enrolling.set(access, waiting);
  if (change.totp === "off") {
    waiting.delete(user.user);
    return user.totp === null ? {} : { totp: null };
  }
  if (change.totp === "enrol") {
    const { enrol } = await import("./totp.ts");
    const enrolment = await enrol(access.issuer, user.user);
    waiting.set(user.user, { secret: enrolment.secret, untilMs: access.now() + ENROL_MS });
    return { enrolment };
  }
  if (change.code === undefined) return {};
  const begun = waiting.get(user.user);
  if (begun === undefined || begun.untilMs < access.now()) throw new Refusal(409, "no code is waited for: begin again with totp: enrol");
  const { recoveryCodes, stepOf } = await import("./totp.ts");
  const step = await stepOf(begun.secret, change.code, 0, access.now());
  if (step === null) throw new Refusal(400, "that code is not right: look at the clocks of the phone and of the watcher's machine");
  waiting.delete(user.user);
  const { codes: recovery, kept } = recoveryCodes();
  return { totp: { secret: begun.secret, step, kept }, recovery };
}

function keepLastAdmin(access: Access, user: User, caller: Caller, what: string): void {
  if (caller.by === "socket" || user.role !== "admin") return;
  if (access.file().users().filter(({ role }) => role === "admin").length <= 1) throw new Refusal(409, `${user.user} is the last admin and cannot be ${what} from here: on the watcher's machine, \`upkeep user\` can`);
}

function choose(password: string, user: string): void {
  const problem = passwordProblem(password, user);
  if (problem !== null) throw new Refusal(400, problem);
}

// ---- tokens -----------------------------------------------------------------------------------------------------------------

export function tokenReport(token: Token): TokenReport {
  return { id: token.id, name: token.name, user: token.user, scopes: token.scopes, created: iso(token.createdMs), expires: token.expiresMs === null ? null : iso(token.expiresMs), lastSeen: token.seenMs === null ? null : iso(token.seenMs) };
}

/** His own; an admin sees all. */
export function tokensFor(access: Access, caller: Caller): readonly TokenReport[] {
  if (access.needsSetUp) return [];
  return access.file().tokens().filter((token) => token.user === caller.user || reaches(caller.role, "admin")).map(tokenReport);
}

export function addToken(access: Access, request: TokenRequest, caller: Caller): TokenReport {
  const owner = request.user ?? caller.user;
  if (owner === null) throw new Refusal(400, "whose token is it to be? A token belongs to a user");
  if (owner !== caller.user && !reaches(caller.role, "admin")) throw new Refusal(403, "a token for somebody else is made by an admin");
  const user = access.needsSetUp ? missing(`there is no user ${owner}`) : access.file().user(owner) ?? missing(`there is no user ${owner}`);
  const scopes = [...new Set(request.scopes)];
  // Of a token that makes tokens nothing may come that it is not itself: no more, and no longer.
  if (!reaches(caller.role, standingOf({ scopes }, "admin"))) throw new Refusal(403, `that is more than you may yourself (${caller.role})`);
  if (!reaches(user.role, standingOf({ scopes }, "admin"))) throw new Refusal(400, `${owner} is ${user.role}, and no token of his may more`);
  const nowMs = access.now();
  const expiresMs = request.forMs === null ? null : nowMs + request.forMs;
  const limitMs = caller.by === "token" ? (caller.credential?.untilMs ?? null) : null;
  if (limitMs !== null && (expiresMs === null || expiresMs > limitMs)) throw new Refusal(403, "a token makes none that lives longer than itself");
  if (tokensOf(access, owner).length >= TOKENS_EACH) throw new Refusal(409, `${owner} has ${TOKENS_EACH} tokens, and no more are kept`);
  const secret = randomBytes(32).toString("base64url");
  const token: Token = { id: Array.from(randomBytes(8), (byte) => TOKEN_ID_LETTERS[byte % TOKEN_ID_LETTERS.length]).join(""), hash: hashOf(secret), name: request.name, user: owner, scopes, createdMs: nowMs, expiresMs, seenMs: null };
  access.file().addToken(token);
  return { ...tokenReport(token), secret: `upk_${token.id}_${secret}` };
}

export function removeToken(access: Access, id: string, caller: Caller): TokenReport {
  const found = access.needsSetUp ? null : access.file().token(id);
  // Of somebody else's nothing is said, not even that it is there.
  const token = found !== null && (found.user === caller.user || reaches(caller.role, "admin")) ? found : missing("there is no such token");
  // A token that was lost must not be able to end those that may more.
  if (caller.by === "token" && !reaches(caller.role, standingOf(token, "admin"))) throw new Refusal(403, `that token may more than this one (${caller.role})`);
  access.file().removeToken(id);
  access.ended([credentialOf(token)]);
  return tokenReport(token);
}

function tokensOf(access: Access, user: string): readonly Token[] {
  return access.file().tokens().filter((token) => token.user === user);
}

function credentialOf(token: Token): string {
  return `token ${token.id}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
