// `access.db`: who may ask this watcher over TCP, what they hold that says so, and what was asked. Rows and nothing else; what
// they mean is decided in access.ts. Each watcher has its own (ADR 19.4).
//
// Secrets are kept so that this file does not give them away: passwords as argon2id, tokens and sessions as hashes. Only the
// seeds of one-time codes have to be kept as they are. A file that cannot be read is set aside, and then nobody may over TCP
// until somebody says so on the control socket: a broken file must not open a door.

import { join } from "node:path";
import { earlierCopy, orphan, setAside, touchPrivate } from "../../journal/data-folder.ts";
import type { DatabaseSync } from "../../journal/sqlite.ts";
import { Unreadable, openDatabase, quickCheck, rows, transaction } from "../../journal/sqlite.ts";
import type { AuditLine, Role, Scope } from "../contract.ts";
import { ROLES, SCOPES } from "../contract.ts";

const FILE = "access.db";
/** "Upka". */
const APPLICATION_ID = 0x55706b61;
const VERSION = 1;
export const AUDIT_MAX = 20_000;
const AUDIT_SWEEP_EVERY = 200;

const SCHEMA = `
CREATE TABLE users (user TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, totp TEXT, totp_step INTEGER NOT NULL DEFAULT 0, recovery TEXT NOT NULL DEFAULT '[]', created_ms INTEGER NOT NULL, seen_ms INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (hash TEXT PRIMARY KEY, user TEXT NOT NULL REFERENCES users ON DELETE CASCADE, created_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tokens (id TEXT PRIMARY KEY, hash TEXT NOT NULL, name TEXT NOT NULL, user TEXT NOT NULL REFERENCES users ON DELETE CASCADE, scopes TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER, seen_ms INTEGER) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (user, seen_ms);
CREATE INDEX tokens_of ON tokens (user);
CREATE TABLE audit (n INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, who TEXT NOT NULL, door TEXT NOT NULL, origin TEXT, what TEXT NOT NULL, answer TEXT NOT NULL) STRICT;
PRAGMA user_version = ${VERSION};
`;

export type User = {
  readonly user: string; readonly role: Role; /** As passwords.ts keeps it. */ readonly password: string;
  /** Base 32; null: no one-time codes. */ readonly totp: string | null; readonly totpStep: number; readonly recovery: readonly string[];
  readonly createdMs: number; readonly seenMs: number | null;
};
export type Session = { readonly hash: string; readonly user: string; readonly createdMs: number; readonly seenMs: number };
export type Token = { readonly id: string; readonly hash: string; readonly name: string; readonly user: string; readonly scopes: readonly Scope[]; readonly createdMs: number; readonly expiresMs: number | null; readonly seenMs: number | null };
export type Audited = { readonly atMs: number; readonly who: string; readonly by: string; readonly from: string | null; readonly what: string; readonly answer: string };

type Value = string | number | null;

export class AccessFile {
  readonly #database: DatabaseSync;
  #sinceSweep = 0;

  private constructor(database: DatabaseSync) {
    this.#database = database;
  }

  static pathIn(folder: string): string {
    return join(folder, FILE);
  }

  /** Whether there was a file that could not be read, or its log without it. */
  static wasLost(folder: string): boolean {
    return earlierCopy(AccessFile.pathIn(folder)) !== null || orphan(AccessFile.pathIn(folder)) !== null;
  }

  /** Opens or makes it; `aside`: what was found could not be read and is called that now. Throws when the disk refuses. */
  static open(folder: string, wallMs: number): { readonly file: AccessFile; readonly aside: string | null } {
    const path = AccessFile.pathIn(folder);
    const aside = orphan(path) === null ? null : setAside(path, wallMs);
    const first = openOnce(path, wallMs);
    if (first.kind === "open") return { file: new AccessFile(first.database), aside };
    const second = openOnce(path, wallMs);
    if (second.kind !== "open") throw new Unreadable(second.evidence);
    return { file: new AccessFile(second.database), aside: first.aside };
  }

  close(): void {
    this.#database.close();
  }

  /** All of it or nothing. */
  together<Result>(body: () => Result): Result {
    return transaction(this.#database, body);
  }

  // ---- users

  users(): readonly User[] {
    return rows(this.#database, "SELECT * FROM users ORDER BY user").map(userOf);
  }

  user(name: string): User | null {
    return rows(this.#database, "SELECT * FROM users WHERE user = ?", name).map(userOf)[0] ?? null;
  }

  putUser(user: User): void {
    this.#run(
      "INSERT INTO users (user, role, password, totp, totp_step, recovery, created_ms, seen_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (user) DO UPDATE SET role = excluded.role, password = excluded.password, totp = excluded.totp, totp_step = excluded.totp_step, recovery = excluded.recovery, seen_ms = excluded.seen_ms",
      user.user, user.role, user.password, user.totp, user.totpStep, JSON.stringify(user.recovery), user.createdMs, user.seenMs,
    );
  }

  removeUser(name: string): void {
    this.#run("DELETE FROM users WHERE user = ?", name);
  }

  userSeen(name: string, atMs: number): void {
    this.#run("UPDATE users SET seen_ms = ? WHERE user = ?", atMs, name);
  }

  // ---- sessions

  session(hash: string): Session | null {
    return rows(this.#database, "SELECT * FROM sessions WHERE hash = ?", hash).map((row) => ({ hash, user: String(row["user"]), createdMs: Number(row["created_ms"]), seenMs: Number(row["seen_ms"]) }))[0] ?? null;
  }

  addSession(session: Session): void {
    this.#run("INSERT INTO sessions (hash, user, created_ms, seen_ms) VALUES (?, ?, ?, ?)", session.hash, session.user, session.createdMs, session.seenMs);
  }

  sessionSeen(hash: string, atMs: number): void {
    this.#run("UPDATE sessions SET seen_ms = ? WHERE hash = ?", atMs, hash);
  }

  endSession(hash: string): void {
    this.#run("DELETE FROM sessions WHERE hash = ?", hash);
  }

  /** Ends those of a user, but for one; gives their hashes. */
  endSessionsOf(user: string, but: string | null): readonly string[] {
    return hashes(rows(this.#database, "DELETE FROM sessions WHERE user = ? AND hash IS NOT ? RETURNING hash", user, but));
  }

  /** Ends what began or was used too long ago, and a user's oldest beyond `most`. */
  sweepSessions(user: string, createdBeforeMs: number, seenBeforeMs: number, most: number): readonly string[] {
    return hashes([
      ...rows(this.#database, "DELETE FROM sessions WHERE created_ms < ? OR seen_ms < ? RETURNING hash", createdBeforeMs, seenBeforeMs),
      ...rows(this.#database, "DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE user = ? ORDER BY seen_ms DESC, hash LIMIT -1 OFFSET ?) RETURNING hash", user, most),
    ]);
  }

  // ---- tokens

  tokens(): readonly Token[] {
    return rows(this.#database, "SELECT * FROM tokens ORDER BY created_ms, id").map(tokenOf);
  }

  token(id: string): Token | null {
    return rows(this.#database, "SELECT * FROM tokens WHERE id = ?", id).map(tokenOf)[0] ?? null;
  }

  addToken(token: Token): void {
    this.#run("INSERT INTO tokens (id, hash, name, user, scopes, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)", token.id, token.hash, token.name, token.user, JSON.stringify(token.scopes), token.createdMs, token.expiresMs);
  }

  tokenSeen(id: string, atMs: number): void {
    this.#run("UPDATE tokens SET seen_ms = ? WHERE id = ?", atMs, id);
  }

  removeToken(id: string): void {
    this.#run("DELETE FROM tokens WHERE id = ?", id);
  }

  // ---- the audit trail

  audit(line: Audited): void {
    this.#run("INSERT INTO audit (at_ms, who, door, origin, what, answer) VALUES (?, ?, ?, ?, ?, ?)", line.atMs, line.who, line.by, line.from, line.what, line.answer);
    this.#sinceSweep += 1;
    if (this.#sinceSweep < AUDIT_SWEEP_EVERY) return;
    this.#sinceSweep = 0;
    this.#run("DELETE FROM audit WHERE n <= (SELECT max(n) FROM audit) - ?", AUDIT_MAX);
  }

  /** The newest, the newest last. */
  audited(limit: number): readonly AuditLine[] {
    return rows(this.#database, "SELECT * FROM (SELECT * FROM audit ORDER BY n DESC LIMIT ?) ORDER BY n", limit).map((row) => ({
      at: new Date(Number(row["at_ms"])).toISOString(), who: String(row["who"]), by: String(row["door"]), from: row["origin"] === null ? null : String(row["origin"]), what: String(row["what"]), answer: String(row["answer"]),
    }));
  }

  #run(sql: string, ...values: readonly Value[]): void {
    this.#database.prepare(sql).run(...values);
  }
}

function openOnce(path: string, wallMs: number): { readonly kind: "open"; readonly database: DatabaseSync } | { readonly kind: "corrupt"; readonly evidence: string; readonly aside: string } {
  let aside = "";
  touchPrivate(path);
  const options = { application: APPLICATION_ID, owner: "a file of users", synchronous: "FULL", cacheKiB: 256, checkpointPages: 200 } as const;
  const opened = openDatabase(path, options, prepare, () => { aside = setAside(path, wallMs); });
  return opened.kind === "open" ? opened : { ...opened, aside };
}

function prepare(database: DatabaseSync): void {
  database.exec("PRAGMA foreign_keys = ON");
  if (rows(database, "SELECT 1 FROM sqlite_schema LIMIT 1").length === 0) {
    transaction(database, () => database.exec(`PRAGMA application_id = ${APPLICATION_ID};${SCHEMA}`));
    return;
  }
  const complaint = quickCheck(database);
  if (complaint !== null) throw new Unreadable(complaint);
  const version = Number(rows(database, "PRAGMA user_version")[0]?.["user_version"]);
  if (version !== VERSION) throw new Error(`access.db is of version ${version}, and this program knows ${VERSION}`);
}

type Row = Readonly<Record<string, unknown>>;

function userOf(row: Row): User {
  return {
    user: String(row["user"]), role: oneOf(ROLES, row["role"]) ?? "viewer", password: String(row["password"]), totp: row["totp"] === null ? null : String(row["totp"]), totpStep: Number(row["totp_step"]),
    recovery: texts(row["recovery"]), createdMs: Number(row["created_ms"]), seenMs: row["seen_ms"] === null ? null : Number(row["seen_ms"]),
  };
}

function tokenOf(row: Row): Token {
  return {
    id: String(row["id"]), hash: String(row["hash"]), name: String(row["name"]), user: String(row["user"]), scopes: texts(row["scopes"]).flatMap((each) => oneOf(SCOPES, each) ?? []),
    createdMs: Number(row["created_ms"]), expiresMs: row["expires_ms"] === null ? null : Number(row["expires_ms"]), seenMs: row["seen_ms"] === null ? null : Number(row["seen_ms"]),
  };
}

function oneOf<Word extends string>(words: readonly Word[], value: unknown): Word | null {
  return words.find((word) => word === value) ?? null;
}

function texts(value: unknown): readonly string[] {
  try {
    const parsed: unknown = JSON.parse(String(value));
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return [];
  }
}

function hashes(found: readonly Row[]): readonly string[] {
  return found.map((row) => String(row["hash"]));
}
