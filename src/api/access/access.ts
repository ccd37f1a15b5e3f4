// Who is asking over TCP, and how somebody comes to be known: sessions, tokens, log-in, the one-time set-up. What he may is the
// table's affair (routes.ts).
//
// Nothing is opened before there is something to know: without users there is no file, and password hashing, one-time codes
// and the checks of bodies are loaded by whoever needs them first. The control socket never passes through here: whatever
// is wrong with this file, whoever may use the socket may do everything.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync } from "node:fs";
import { UpkeepError } from "../../core/errors.ts";
import { words } from "../../journal/data-folder.ts";
import type { AuditLine, LoginRequest, Session, SetUpRequest } from "../contract.ts";
import type { Caller } from "../route.ts";
import { Refusal } from "../route.ts";
import type { Audited, User } from "./access-file.ts";
import { AccessFile } from "./access-file.ts";
import { cookieIn, csrfOf, hashOf, sameText, standingOf } from "./credentials.ts";
import { Limit, household } from "./limits.ts";
import { Busy, Passwords, isOutdated, passwordProblem } from "./passwords.ts";

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
/** A session ends when it has not been used for so long, and in any case after that long. */
export const IDLE_MS = DAY_MS;
export const SESSION_MS = 30 * DAY_MS;
const SESSIONS_EACH = 20;
const SET_UP_MS = DAY_MS;
/** "Last seen" is written this often and not with every request. */
const SEEN_EVERY_MS = 300 * SECOND_MS;
/** Tries at a password: of one address, of one name, of all; and at a one-time code by whoever has the password. */
const BY_ADDRESS = { burst: 10, everyMs: 6 * SECOND_MS };
const BY_USER = { burst: 10, everyMs: 10 * SECOND_MS };
const BY_ALL = { burst: 30, everyMs: SECOND_MS / 2 };
const BY_CODE = { burst: 5, everyMs: 60 * SECOND_MS };
/** What lets in whoever comes from this machine before there is a user, among the credentials that end. */
export const NOBODYS = "nobody's";
const LOST = "the users were lost with their file: make new ones with `upkeep user add`";
/** Refusals that are written down, and of those that are alike; of the rest the number: a page that was left open, or a scraper with an old token, must not push everything else out. */
const REFUSALS = { burst: 60, everyMs: SECOND_MS };
const REFUSALS_ALIKE = { burst: 3, everyMs: HOUR_MS };
const SECRET_CHARS_MAX = 200;

export type AccessOptions = {
  /** The watcher's data folder. */
  readonly folder: string;
  /** What a phone shows beside the code. */
  readonly issuer: string;
  /** Wall clock, Unix milliseconds. */
  nowMs(): number;
  /** Goes on evenly, whatever happens to the wall clock: tries must come back when that is set back. */
  tickMs?(): number;
  warn(text: string): void;
};

/** What a request brought along, and where it came from. */
export type Brought = { readonly authorization: string | undefined; readonly cookie: string | undefined; readonly from: string; /** The other end is this machine. */ readonly loopback: boolean; /** Under TLS. */ readonly secure: boolean };

/** Of which what it says was not true is told apart from who brought nothing. */
export type Identified = { readonly caller: Caller; /** Why what was brought counts for nothing. */ readonly rejected: string | null };

export class Access {
  readonly passwords = new Passwords();
  /** The cookie's name: two watchers behind one name, on two ports, share what a browser keeps. */
  readonly #cookie: string;
  readonly issuer: string;
  readonly #options: AccessOptions;
  #file: AccessFile | null = null;
  /** Why nobody is known although somebody should be. */
  #shut: string | null = null;
  #userCount = 0;
  #setUp: { readonly hash: Buffer; readonly untilMs: number } | null = null;
  readonly #limits = { address: new Limit(BY_ADDRESS), user: new Limit(BY_USER), all: new Limit(BY_ALL), code: new Limit(BY_CODE), refusals: new Limit(REFUSALS), alike: new Limit(REFUSALS_ALIKE) };
  #unwritten = 0;
  /** It could not be read the last time; told once. */
  #unread = false;
  readonly #endings = new Set<(credential: string) => void>();

  constructor(options: AccessOptions) {
    this.#options = options;
    this.issuer = options.issuer;
    this.#cookie = `upkeep-${createHash("sha256").update(options.folder).digest("hex").slice(0, 8)}`;
    try {
      if (existsSync(AccessFile.pathIn(options.folder))) this.#open();
      else if (AccessFile.wasLost(options.folder)) this.#shut = LOST;
    } catch (error) {
      this.#shut = words(error);
      options.warn(`the users cannot be read, so nobody may over TCP: ${words(error)}`);
    }
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  now(): number {
    return this.#options.nowMs();
  }

  #tick(): number {
    return this.#options.tickMs?.() ?? performance.now();
  }

  /** Made or opened by whoever needs it first. */
  file(): AccessFile {
    return this.#file ?? this.#open();
  }

  #open(): AccessFile {
    try {
      const { file, aside } = AccessFile.open(this.#options.folder, this.now());
      this.#file = file;
      this.counted();
      const lost = aside !== null || AccessFile.wasLost(this.#options.folder);
      this.#shut = lost && this.#userCount === 0 ? LOST : null;
      if (aside !== null) this.#options.warn(`the users' file could not be read and was set aside as ${aside}: nobody may over TCP until \`upkeep user add\` or \`upkeep user set-up\` on this machine`);
      return file;
    } catch (error) {
      throw new UpkeepError("ACCESS_IO", `the users' file cannot be used: ${words(error)}`, { cause: error });
    }
  }

  /** Under TLS with the prefix that binds it to this host: what somebody planted in the clear does not count (RFC 6265bis §4.1.3.2). */
  cookieName(secure: boolean): string {
    return secure ? `__Host-${this.#cookie}` : this.#cookie;
  }

  /** To be called by whoever added or removed a user. */
  counted(): void {
    const before = this.#userCount;
    this.#userCount = this.file().users().length;
    if (this.#userCount === 0) return;
    this.#shut = null;
    // Whoever reads a stream because nobody had to log in has to now.
    if (before === 0) this.ended([NOBODYS]);
  }

  /** There is no user yet. */
  get needsSetUp(): boolean {
    return this.#userCount === 0;
  }

  /** Calls back with the credential of every session and token that has ended before its time. */
  onEnded(listener: (credential: string) => void): () => void {
    this.#endings.add(listener);
    return () => this.#endings.delete(listener);
  }

  ended(credentials: readonly string[]): void {
    for (const credential of credentials) for (const listener of this.#endings) listener(credential);
  }

  // ---- who is asking

  /** Never fails: on a disk that cannot be read nobody is known, and what needs no name is answered all the same. */
  identify(brought: Brought): Identified {
    const nobody = (rejected: string | null): Identified => ({ caller: { role: "anyone", user: null, by: "open", from: brought.from, credential: null }, rejected });
    try {
      const found = this.#identify(brought, nobody);
      this.#unread = false;
      return found;
    } catch (error) {
      if (!this.#unread) this.#options.warn(`nobody is known over TCP: ${words(error)}`);
      this.#unread = true;
      return nobody("the users' file cannot be read now");
    }
  }

  #identify({ authorization, cookie, from, loopback, secure }: Brought, nobody: (rejected: string | null) => Identified): Identified {
    if (authorization !== undefined) {
      const found = this.#byToken(authorization, from);
      return typeof found === "string" ? nobody(found) : { caller: found, rejected: null };
    }
    if (this.#userCount === 0) {
      if (loopback && this.#shut === null) return { caller: { role: "viewer", user: null, by: "open", from, credential: null }, rejected: null };
      return nobody(null);
    }
    const secret = cookieIn(cookie, this.cookieName(secure));
    if (secret === null) return nobody(null);
    return this.#bySession(secret, from) ?? nobody("the session has ended: log in again");
  }

  #byToken(authorization: string, from: string): Caller | string {
    const [, id = "", secret = ""] = authorization.length > SECRET_CHARS_MAX ? [] : (/^Bearer\s+upk_([a-z0-9]{8})_([A-Za-z0-9_-]{43})$/i.exec(authorization) ?? []);
    const token = id === "" || this.#userCount === 0 ? null : this.file().token(id);
    // Compared even when there is none, so that a name costs what a name and a secret cost.
    const right = sameText(hashOf(secret), token?.hash ?? hashOf("nothing"));
    const user = token === null || !right ? null : this.file().user(token.user);
    if (token === null || user === null) return "there is no such token";
    const nowMs = this.now();
    if (token.expiresMs !== null && token.expiresMs <= nowMs) return "the token has expired";
    if (nowMs - (token.seenMs ?? 0) > SEEN_EVERY_MS) this.#seen(() => this.file().tokenSeen(token.id, nowMs));
    return { role: standingOf(token, user.role), user: user.user, by: "token", from, credential: { id: `token ${token.id}`, name: token.name, untilMs: token.expiresMs, csrf: null } };
  }

  #bySession(secret: string, from: string): Identified | null {
    const hash = hashOf(secret);
    const session = this.file().session(hash);
    if (session === null) return null;
    const nowMs = this.now();
    const user = this.file().user(session.user);
    if (user === null || nowMs - session.createdMs > SESSION_MS || nowMs - session.seenMs > IDLE_MS) {
      this.#seen(() => this.file().endSession(hash));
      return null;
    }
    if (nowMs - session.seenMs > SEEN_EVERY_MS) {
      this.#seen(() => this.file().together(() => {
        this.file().sessionSeen(hash, nowMs);
        this.file().userSeen(user.user, nowMs);
      }));
    }
    return { caller: { role: user.role, user: user.user, by: "session", from, credential: { id: hash, name: null, untilMs: session.createdMs + SESSION_MS, csrf: csrfOf(secret) } }, rejected: null };
  }

  /** What is only for people to look at must not keep anybody out when the disk is full. */
  #seen(write: () => void): void {
    try {
      write();
    } catch {
      // Written again with the next request.
    }
  }

  // ---- coming to be known

  /** A session by name and password; rejects with a Refusal. `secret` belongs into the cookie. */
  async logIn({ user: name, password, code }: LoginRequest, from: string): Promise<{ readonly session: Session; readonly secret: string }> {
    const known = this.#userCount === 0 ? null : this.file().user(name);
    await this.tried(name, from, () => this.passwords.verify(password, known?.password ?? null), "the user's name or the password is wrong");
    if (known === null) throw new Refusal(401, "the user's name or the password is wrong");
    if (known.totp !== null) await this.#checkCode(known, code ?? "");
    // Looked at again: while the password was computed everything may have changed.
    const user = this.file().user(name);
    if (user === null || user.password !== known.password) throw new Refusal(401, "the user's name or the password is wrong");
    if (isOutdated(user.password)) {
      const renewed = await this.passwords.hash(password).catch(() => null);
      if (renewed !== null && this.file().user(name)?.password === user.password) this.file().putUser({ ...user, password: renewed });
    }
    return this.#begin(user);
  }

  /** A try at a password: taken from the limits first, given back when it was right. Ends with a Refusal when it was not. */
  async tried(name: string, from: string | null, check: () => Promise<boolean>, wrong: string): Promise<void> {
    const nowMs = this.#tick();
    const taken: (readonly [Limit, string])[] = [];
    const giveBack = () => {
      for (const [limit, key] of taken) limit.giveBack(key, nowMs);
    };
    // Whoever is refused by his own address takes nothing from the others.
    for (const [limit, key] of [[this.#limits.address, household(from ?? "")], [this.#limits.user, name], [this.#limits.all, ""]] as const) {
      const waitMs = limit.take(key, nowMs);
      if (waitMs > 0) {
        giveBack();
        throw tooMany(waitMs);
      }
      taken.push([limit, key]);
    }
    try {
      if (!(await check())) throw new Refusal(401, wrong);
      giveBack();
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      giveBack();
      throw tooMany(SECOND_MS);
    }
  }

  async #checkCode(user: User, code: string): Promise<void> {
    if (code === "") throw new Refusal(401, "the six digits of the phone are needed, too", {}, "code");
    const waitMs = this.#limits.code.take(user.user, this.#tick());
    if (waitMs > 0) throw tooMany(waitMs);
    const { stepOf, useRecovery } = await import("./totp.ts");
    const step = await stepOf(user.totp ?? "", code, user.totpStep, this.now());
    // Nothing is awaited from here on: of two who bring one code at once, one comes first.
    const fresh = this.file().user(user.user);
    if (fresh === null) throw new Refusal(401, "the user's name or the password is wrong");
    if (step !== null && step > fresh.totpStep) {
      this.file().putUser({ ...fresh, totpStep: step });
    } else {
      const left = useRecovery(code, fresh.recovery);
      if (left === null) throw new Refusal(401, "that code is wrong, or has been used", {}, "code");
      this.file().putUser({ ...fresh, recovery: left });
    }
    this.#limits.code.giveBack(user.user, this.#tick());
  }

  #begin(user: User): { readonly session: Session; readonly secret: string } {
    const nowMs = this.now();
    const secret = randomBytes(32).toString("base64url");
    const file = this.file();
    const over = file.together(() => {
      file.addSession({ hash: hashOf(secret), user: user.user, createdMs: nowMs, seenMs: nowMs });
      file.userSeen(user.user, nowMs);
      return file.sweepSessions(user.user, nowMs - SESSION_MS, nowMs - IDLE_MS, SESSIONS_EACH);
    });
    this.ended(over);
    return { secret, session: { user: user.user, role: user.role, csrf: csrfOf(secret), totp: user.totp !== null, expires: iso(nowMs + SESSION_MS) } };
  }

  logOut(caller: Caller): void {
    if (caller.by !== "session" || caller.credential === null) return;
    this.file().endSession(caller.credential.id);
    this.ended([caller.credential.id]);
  }

  // ---- the first user

  /** A new one-time code; the one before is void. */
  newSetUpCode(): { readonly code: string; readonly expires: string } {
    const code = randomBytes(20).toString("base64url");
    const untilMs = this.now() + SET_UP_MS;
    this.#setUp = { hash: createHash("sha256").update(code).digest(), untilMs };
    return { code, expires: iso(untilMs) };
  }

  async setUp({ code, user, password }: SetUpRequest, from: string): Promise<{ readonly session: Session; readonly secret: string }> {
    const good = () => {
      const expected = this.#setUp;
      return this.#userCount === 0 && expected !== null && expected.untilMs > this.now() && timingSafeEqual(createHash("sha256").update(code).digest(), expected.hash);
    };
    await this.tried("", from, async () => good(), "that link is not good, or not good any more: `upkeep user set-up` on the watcher's machine prints a new one");
    const problem = passwordProblem(password, user);
    if (problem !== null) throw new Refusal(400, problem);
    const hashed = await this.hashed(password);
    // Again: two may have come with one link.
    if (!good()) throw new Refusal(401, "that link has been used");
    const made: User = { user, role: "admin", password: hashed, totp: null, totpStep: 0, recovery: [], createdMs: this.now(), seenMs: null };
    this.file().putUser(made);
    this.#setUp = null;
    this.counted();
    return this.#begin(made);
  }

  /** A password as it is kept; a Refusal where too many are computed at once. */
  async hashed(password: string): Promise<string> {
    try {
      return await this.passwords.hash(password);
    } catch (error) {
      throw error instanceof Busy ? tooMany(SECOND_MS) : error;
    }
  }

  // ---- the audit trail

  /** Never fails: what was done has been done, and a command is in the journal, too. */
  audit(line: Omit<Audited, "atMs">, refused: boolean): void {
    const nowMs = this.now();
    if (refused && (this.#limits.alike.take(`${line.from} ${line.what} ${line.answer}`, this.#tick()) > 0 || this.#limits.refusals.take("", this.#tick()) > 0)) {
      this.#unwritten += 1;
      return;
    }
    try {
      const more = this.#unwritten === 0 ? "" : ` (and ${this.#unwritten} refusals before it that repeated others, or were too many to write down)`;
      this.file().audit({ ...line, answer: `${line.answer}${more}`, atMs: nowMs });
      this.#unwritten = 0;
    } catch (error) {
      this.#options.warn(`the audit trail cannot be written: ${words(error)}; ${line.who} (${line.by}): ${line.what}: ${line.answer}`);
    }
  }

  audited(limit: number): readonly AuditLine[] {
    return this.#file === null && this.#userCount === 0 && !existsSync(AccessFile.pathIn(this.#options.folder)) ? [] : this.file().audited(limit);
  }
}

function tooMany(waitMs: number): Refusal {
  const seconds = Math.max(1, Math.ceil(waitMs / SECOND_MS));
  return new Refusal(429, `too many tries: again in ${seconds} s`, { "retry-after": String(seconds) });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
