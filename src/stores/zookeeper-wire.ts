// ZooKeeper's client protocol (zookeeper.jute of 3.8): frames with a length before them, and in them big-endian numbers,
// counted bytes and counted texts, in the order in which the records name them. Only what the driver needs. What comes in
// is read strictly: a length that does not fit, a number that a double cannot hold and bytes that are left over are
// nonsense, not a guess.

/** What was read is not ZooKeeper's. */
export class Nonsense extends Error {
  override readonly name = "Nonsense";
}

export const OP = {
  create: 1, delete: 2, exists: 3, getData: 4, setData: 5, getChildren: 8, sync: 9, ping: 11, check: 13, multi: 14, auth: 100, addWatch: 106, closeSession: -11, error: -1,
} as const;

/** Identities of requests that answers carry and no request of the counting kind has. */
export const XID = { event: -1, ping: -2, auth: -4 } as const;

/** KeeperException.Code, as far as it means something here. */
export const ERR = {
  OK: 0, RUNTIME_INCONSISTENCY: -2, UNIMPLEMENTED: -6, BAD_ARGUMENTS: -8, NO_NODE: -101, NO_AUTH: -102, BAD_VERSION: -103, NODE_EXISTS: -110, NOT_EMPTY: -111,
  SESSION_EXPIRED: -112, INVALID_ACL: -114, AUTH_FAILED: -115, SESSION_MOVED: -118, QUOTA_EXCEEDED: -125,
} as const;
/** With these the store has decided, and has written nothing. Any other (connection loss, time-out, throttled) leaves it open. */
export const DECIDED: ReadonlySet<number> = new Set(Object.values(ERR).filter((code) => code !== ERR.OK && code !== ERR.RUNTIME_INCONSISTENCY));

const NAMES = new Map<number, string>(Object.entries(ERR).map(([name, code]) => [code, name]));

/** A code as it stands in evidence. */
export function codeName(code: number): string {
  return `${NAMES.get(code) ?? "error"} (${code})`;
}

/** `jute.maxbuffer`, as it is unless an administrator has changed it (1 MiB less a byte), less what the protocol itself needs. */
export const REQUEST_BYTES_MAX = 1_000_000;
/** What one operation needs in ZooKeeper's own encoding beside path and data, rounded up; an ACL is part of it. */
export const OP_BYTES = 96;

export type Stat = {
  readonly mzxid: number;
  readonly version: number;
  /** The session that it goes with; 0: it stays. */
  readonly owner: bigint;
};

/** One operation of a transaction. `version` -1: any. */
export type MultiOp =
  | { readonly op: "create"; readonly path: string; readonly data: Uint8Array; readonly ephemeral: boolean }
  | { readonly op: "set"; readonly path: string; readonly data: Uint8Array; readonly version: number }
  | { readonly op: "delete" | "check"; readonly path: string; readonly version: number };

/** Null: every operation was carried out. Otherwise the first that could not be, and why; then none was. */
export type MultiAnswer = { readonly at: number; readonly code: number } | null;

export type Header = { readonly xid: number; readonly zxid: number; readonly code: number };
export type ConnectAnswer = { readonly timeoutMs: number; /** 0: the session that was asked for is over. */ readonly session: bigint; readonly password: Buffer };
export type WatchEvent = { readonly type: number; readonly path: string };

const PERMS_ALL = 31;
/** zookeeper.jute: `vector` and `buffer` have a length before them, -1 for none. */
const COUNT_MAX = 4_000_000;

// ---- out -------------------------------------------------------------------------------------------------------------------

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

function bool(value: boolean): Buffer {
  return Buffer.of(value ? 1 : 0);
}

function bytes(value: Uint8Array): Buffer {
  return Buffer.concat([int(value.length), value]);
}

function text(value: string): Buffer {
  return bytes(Buffer.from(value, "utf8"));
}

/** A frame: its length and what is in it. */
export function frame(...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int(body.length), body]);
}

/** The first frame of a connection; session 0 asks for a new one. */
export function connectRequest(timeoutMs: number, session: bigint, password: Uint8Array): Buffer {
  return frame(int(0), long(0n), int(timeoutMs), long(session), bytes(password), bool(false));
}

export function request(xid: number, op: number, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return frame(int(xid), int(op), body);
}

/** A name with a password, for the life of a connection. */
export function authBody(user: string, password: string): Buffer {
  return Buffer.concat([int(0), text("digest"), text(`${user}:${password}`)]);
}

export function pathBody(path: string): Buffer {
  return text(path);
}

/** exists, getData, getChildren: without a watch. */
export function readBody(path: string): Buffer {
  return Buffer.concat([text(path), bool(false)]);
}

/** Of everything at and below a path, until the connection ends (ZooKeeper 3.6). */
export function addWatchBody(path: string): Buffer {
  return Buffer.concat([text(path), int(1)]);
}

/** `owned`: new nodes belong to those whom this connection has named itself as; otherwise to everybody. */
export function multiBody(ops: readonly MultiOp[], owned: boolean): Buffer {
  const [scheme, id] = owned ? ["auth", ""] : ["world", "anyone"];
  const acl = Buffer.concat([int(1), int(PERMS_ALL), text(scheme), text(id)]);
  const parts = ops.flatMap((op) => {
    switch (op.op) {
      case "create":
        return [header(OP.create, false), text(op.path), bytes(op.data), acl, int(op.ephemeral ? 1 : 0)];
      case "set":
        return [header(OP.setData, false), text(op.path), bytes(op.data), int(op.version)];
      case "delete":
      case "check":
        return [header(OP[op.op], false), text(op.path), int(op.version)];
    }
  });
  return Buffer.concat([...parts, header(-1, true)]);
}

function header(type: number, done: boolean): Buffer {
  return Buffer.concat([int(type), bool(done), int(-1)]);
}

// ---- in --------------------------------------------------------------------------------------------------------------------

/** Reads a frame from its start; everything throws Nonsense where it does not fit. */
export class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  int(): number {
    return this.#take(4).readInt32BE();
  }

  long(): bigint {
    return this.#take(8).readBigInt64BE();
  }

  /** A transaction's number: epoch and counter. It fits into a double for the first two million leaders. */
  zxid(): number {
    const value = Number(this.long());
    if (!Number.isSafeInteger(value)) throw new Nonsense(`${value} is no transaction number that can be kept`);
    return value;
  }

  bool(): boolean {
    const value = this.#take(1)[0];
    if (value !== 0 && value !== 1) throw new Nonsense(`${value} is neither true nor false`);
    return value === 1;
  }

  bytes(): Buffer {
    const length = this.int();
    return length === -1 ? Buffer.alloc(0) : this.#take(length);
  }

  text(): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes());
    } catch (error) {
      if (error instanceof Nonsense) throw error;
      throw new Nonsense("a text is not UTF-8");
    }
  }

  list<T>(read: () => T): T[] {
    const count = this.int();
    if (count === -1) return [];
    if (count < 0 || count > COUNT_MAX) throw new Nonsense(`a list of ${count}`);
    return Array.from({ length: count }, read);
  }

  stat(): Stat {
    this.long(); // czxid
    const mzxid = this.zxid();
    this.long(); // ctime
    this.long(); // mtime
    const version = this.int();
    this.int(); // cversion
    this.int(); // aversion
    const owner = this.long();
    this.int(); // dataLength
    this.int(); // numChildren
    this.long(); // pzxid
    return { mzxid, version, owner };
  }

  header(): Header {
    return { xid: this.int(), zxid: this.zxid(), code: this.int() };
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  end(): void {
    if (this.left !== 0) throw new Nonsense(`${this.left} bytes too many`);
  }

  #take(length: number): Buffer {
    if (length < 0 || length > this.left) throw new Nonsense(`${length} bytes where ${this.left} are left`);
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }
}

export function connectAnswer(data: Buffer): ConnectAnswer {
  const reader = new Reader(data);
  const protocol = reader.int();
  if (protocol !== 0) throw new Nonsense(`protocol version ${protocol}`);
  const answer = { timeoutMs: reader.int(), session: reader.long(), password: Buffer.from(reader.bytes()) };
  // Whether it is read-only; servers before 3.4 do not say.
  if (reader.left > 0) reader.bool();
  reader.end();
  return answer;
}

export function watchEvent(reader: Reader): WatchEvent {
  const type = reader.int();
  reader.int(); // the client's state, as the server believes
  const path = reader.text();
  reader.end();
  return { type, path };
}

export function multiAnswer(reader: Reader): MultiAnswer {
  let failed: { at: number; code: number } | null = null;
  for (let at = 0; ; at += 1) {
    const type = reader.int();
    const done = reader.bool();
    const code = reader.int();
    if (done) break;
    switch (type) {
      case OP.create:
        reader.text();
        break;
      case OP.setData:
        reader.stat();
        break;
      case OP.delete:
      case OP.check:
        break;
      case OP.error: {
        const why = reader.int();
        if (why !== code) throw new Nonsense(`an operation failed for ${why} and for ${code}`);
        // Those before the one that failed say OK, those after it that they were never tried.
        if (why !== ERR.OK && why !== ERR.RUNTIME_INCONSISTENCY) failed ??= { at, code: why };
        break;
      }
      default:
        throw new Nonsense(`an answer to the operation ${type}`);
    }
  }
  reader.end();
  return failed;
}

/** Cuts what arrives into frames; an impossible length throws. */
export class Frames {
  #parts: Buffer[] = [];
  #size = 0;
  #wanted = -1;
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(part: Buffer): Buffer[] {
    const whole: Buffer[] = [];
    this.#parts.push(part);
    this.#size += part.length;
    for (;;) {
      if (this.#wanted < 0) {
        if (this.#size < 4) return whole;
        this.#wanted = this.#cut(4).readInt32BE();
        if (this.#wanted < 0 || this.#wanted > this.#bytesMax) throw new Nonsense(`a frame of ${this.#wanted} bytes`);
      }
      if (this.#size < this.#wanted) return whole;
      whole.push(this.#cut(this.#wanted));
      this.#wanted = -1;
    }
  }

  #cut(length: number): Buffer {
    const [only] = this.#parts;
    const all = this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts);
    this.#parts = [all.subarray(length)];
    this.#size = all.length - length;
    return all.subarray(0, length);
  }
}
