// Passwords, as they are kept: argon2id (RFC 9106), with its parameters beside each hash so that they can grow without anybody
// having to choose a new password. Computed in libuv's threads, one at a time and with few waiting: whoever sends thousands
// of wrong passwords fills this short queue and nothing else; probes and the ledger have the other threads.

import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** OWASP's least for argon2id: 19 MiB, two passes, one lane. 26 ms of a core of the machine that this was built on. */
const MEMORY_KIB = 19_456;
const PASSES = 2;
const LANES = 1;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** So many may wait for their turn: a second's worth on a small machine. */
const WAITING_MAX = 8;
/** What a stored hash may ask of this machine, should somebody have written into the file. */
const MEMORY_KIB_MAX = 262_144;
const PASSES_MAX = 16;

export const PASSWORD_LENGTH_MIN = 10;
export const PASSWORD_LENGTH_MAX = 256;

/** Of no password at all: a user who does not exist costs what one who does costs. */
const NOBODY = `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${plain(Buffer.alloc(SALT_BYTES))}$${plain(Buffer.alloc(HASH_BYTES))}`;

const compute = promisify(argon2);

/** Too many at once: nothing was computed. */
export class Busy extends Error {}

export class Passwords {
  #running: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** The text to keep of a new password. Rejects with Busy. */
  hash(password: string): Promise<string> {
    return this.#inTurn(async () => {
      const salt = randomBytes(SALT_BYTES);
      const hash = await digest(password, salt, { memory: MEMORY_KIB, passes: PASSES, lanes: LANES, bytes: HASH_BYTES });
      return `$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$${plain(salt)}$${plain(hash)}`;
    });
  }

  /** Whether it is the one that was kept; `kept` null: no such user, and the same work for the same answer. Rejects with Busy. */
  async verify(password: string, kept: string | null): Promise<boolean> {
    const read = parse(kept ?? NOBODY);
    if (read === null) return false;
    const hash = await this.#inTurn(() => digest(password, read.salt, { ...read, bytes: read.hash.length }));
    return timingSafeEqual(hash, read.hash) && kept !== null;
  }

  async #inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    if (this.#waiting >= WAITING_MAX) throw new Busy("too many passwords at once");
    this.#waiting += 1;
    const mine = this.#running.then(work);
    this.#running = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#waiting -= 1;
    }
  }
}

/** Whether it was kept with less than is asked for today. */
export function isOutdated(kept: string): boolean {
  return !kept.startsWith(`$argon2id$v=19$m=${MEMORY_KIB},t=${PASSES},p=${LANES}$`);
}

/** Why this cannot be somebody's password, or null. */
export function passwordProblem(password: string, user: string): string | null {
  const letters = [...password].length;
  if (letters < PASSWORD_LENGTH_MIN) return `a password has at least ${PASSWORD_LENGTH_MIN} characters`;
  if (letters > PASSWORD_LENGTH_MAX) return `a password has at most ${PASSWORD_LENGTH_MAX} characters`;
  if (new Set(password).size < 4 || password.toLowerCase().includes(user.toLowerCase())) return "that password would be guessed: it repeats a few characters, or holds the user's name";
  return null;
}

type Work = { readonly memory: number; readonly passes: number; readonly lanes: number; readonly bytes: number };

function digest(password: string, salt: Buffer, { memory, passes, lanes, bytes }: Work): Promise<Buffer> {
  // The same letters, however the keyboard composes them (NIST SP 800-63B §3.1.1.2).
  return compute("argon2id", { message: password.normalize("NFKC"), nonce: salt, parallelism: lanes, tagLength: bytes, memory, passes });
}

function parse(kept: string): (Omit<Work, "bytes"> & { readonly salt: Buffer; readonly hash: Buffer }) | null {
  const [, m, t, p, salt, hash] = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(kept) ?? [];
  const [memory, passes, lanes] = [Number(m), Number(t), Number(p)];
  if (salt === undefined || hash === undefined || memory > MEMORY_KIB_MAX || passes > PASSES_MAX || passes < 1 || lanes < 1 || memory < 8 * lanes) return null;
  return { memory, passes, lanes, salt: Buffer.from(salt, "base64"), hash: Buffer.from(hash, "base64") };
}

/** The PHC string format has base64 without padding. */
function plain(bytes: Buffer): string {
  return bytes.toString("base64").replace(/=+$/, "");
}
