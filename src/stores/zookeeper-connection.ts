// One connection to one server of a ZooKeeper ensemble, from its handshake to its end. Requests may be sent without waiting;
// ZooKeeper carries those of one connection out in their order and answers in it, so an answer to anything but the oldest
// request is nonsense, and one request that is not answered in time means that none will be.
//
// A server that is frozen keeps its connections and says nothing. So what is quiet is pinged, and a ping that is not
// answered within a third of the session's time ends the connection. A connection that has ended is never used again, and it
// is reset: what has not left this machine stays here.

import type { Duplex } from "node:stream";
import type net from "node:net";
import type { Tls } from "./dial.ts";
import { dial } from "./dial.ts";
import { Fault, isRefusal, plain } from "./fault.ts";
import type { ConnectAnswer, MultiAnswer, MultiOp, Stat, WatchEvent } from "./zookeeper-wire.ts";
import { addWatchBody, authBody, codeName, connectAnswer, connectRequest, ERR, Frames, multiAnswer, multiBody, Nonsense, OP, pathBody, readBody, Reader, request, watchEvent, XID } from "./zookeeper-wire.ts";

export type Server = { readonly name: string; readonly host: string; readonly port: number };
export type SessionKey = { readonly id: bigint; readonly password: Buffer };

export type ConnectionOptions = {
  readonly tls: Tls | null;
  readonly auth: { readonly user: string; readonly password: string } | null;
  readonly sessionMs: number;
  /** Null: a new one. */
  readonly session: SessionKey | null;
  /** Boot-time clock, milliseconds. */
  readonly nowMs: () => number;
  /** What ends dials that are under way. */
  readonly open: Set<() => void>;
};

/** An answer, with the last transaction that the server had carried out when it gave it. */
export type Answered<T> = { readonly zxid: number; readonly value: T };

type Waiting = { readonly xid: number; readonly timer: NodeJS.Timeout; readonly take: (reader: Reader, zxid: number, code: number) => void; readonly fail: (fault: Fault) => void };

const ANSWER_BYTES_MAX = 32 * 1024 * 1024;
const HANDSHAKE_BYTES_MAX = 4_096;
const PINGS_PER_SESSION = 3;
const XID_MAX = 0x7fff_fff0;

/** Dials, and shakes hands. Rejects with a Fault, with `code` SESSION_EXPIRED when the session that was asked for is over. */
export function connect(server: Server, options: ConnectionOptions, ms: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let settled = false;
    let raw: net.Socket | null = null;
    let made: Connection | null = null;
    const endMs = performance.now() + ms;
    const settle = (fault: Fault | null, connection?: Connection): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      options.open.delete(close);
      if (connection !== undefined) return resolve(connection);
      raw?.resetAndDestroy();
      made?.end("it was given up");
      reject(fault ?? new Fault("unreachable", `${server.name}: no connection`, { sent: false }));
    };
    const fail = (kind: Fault["kind"], because: string, code?: number): void => settle(new Fault(kind, `${server.name}: ${because}`, { sent: false, ...(code === undefined ? {} : { code }) }));
    const close = (): void => fail("closed", "the store is closed");
    const timer = setTimeout(() => fail("unreachable", `${raw === null ? "no connection" : "no answer"} within ${Math.round(ms)} ms`), ms);
    options.open.add(close);
    dial({ host: server.host, port: server.port, tls: options.tls, open: options.open }, (error, dialed) => {
      if (dialed === undefined) return fail(error !== null && isRefusal(error) ? "refused" : "unreachable", error === null ? "no connection" : plain(error));
      if (settled) return void dialed.raw.resetAndDestroy();
      raw = dialed.raw;
      const { socket } = dialed;
      const frames = new Frames(HANDSHAKE_BYTES_MAX);
      const ended = (): void => fail("unreachable", "it closed the connection before it had answered");
      const broke = (trouble: Error): void => fail(isRefusal(trouble) ? "refused" : "unreachable", plain(trouble));
      const askedMs = options.nowMs();
      socket.on("error", broke);
      socket.on("close", ended);
      socket.on("data", function take(part: Buffer) {
        try {
          const [first, ...more] = frames.add(part);
          if (first === undefined) return;
          if (more.length > 0) throw new Nonsense("more than was asked for");
          const answer = connectAnswer(first);
          if (answer.session === 0n || answer.timeoutMs <= 0) return fail("refused", "the session is over", ERR.SESSION_EXPIRED);
          socket.off("data", take).off("error", broke).off("close", ended);
          const connection = new Connection(server, options, { socket, raw: dialed.raw, answer, askedMs });
          made = connection;
          void connection.authenticated(Math.max(1, endMs - performance.now())).then(() => settle(null, connection), (trouble: Fault) => settle(trouble));
        } catch (trouble) {
          if (!(trouble instanceof Nonsense)) throw trouble;
          fail("refused", `this is not ZooKeeper: ${trouble.message}`);
        }
      });
      socket.write(connectRequest(options.sessionMs, options.session?.id ?? 0n, options.session?.password ?? Buffer.alloc(16)));
    });
  });
}

export class Connection {
  readonly server: Server;
  readonly session: SessionKey;
  /** What the server has granted. */
  readonly sessionMs: number;
  /** When the session was asked for, or asked to go on, by the boot-time clock. */
  readonly askedMs: number;
  /** Why it has ended, or null. */
  over: string | null = null;
  readonly #socket: Duplex;
  readonly #raw: net.Socket;
  readonly #auth: ConnectionOptions["auth"];
  readonly #waiting: Waiting[] = [];
  readonly #watching = new Set<(event: WatchEvent) => void>();
  readonly #endings = new Set<(because: string) => void>();
  readonly #frames = new Frames(ANSWER_BYTES_MAX);
  readonly #ping: NodeJS.Timeout;
  #quiet = 0;
  #xid = 0;

  /** Made by `connect`. */
  constructor(server: Server, options: ConnectionOptions, made: { readonly socket: Duplex; readonly raw: net.Socket; readonly answer: ConnectAnswer; readonly askedMs: number }) {
    this.server = server;
    this.session = { id: made.answer.session, password: made.answer.password };
    this.sessionMs = made.answer.timeoutMs;
    this.askedMs = made.askedMs;
    this.#socket = made.socket;
    this.#raw = made.raw;
    this.#auth = options.auth;
    this.#socket.on("data", (part: Buffer) => this.#take(part));
    this.#socket.on("error", (error) => this.end(plain(error)));
    this.#socket.on("close", () => this.end("the connection was closed"));
    // Two looks in each third: a ping is sent at the first at which all was quiet, and given up two looks later.
    this.#ping = setInterval(() => this.#look(), Math.max(1, this.sessionMs / PINGS_PER_SESSION / 2));
  }

  /** Names us; ZooKeeper believes any password, and compares it with those of the nodes. */
  async authenticated(ms: number): Promise<void> {
    if (this.#auth === null) return;
    await this.#call({ xid: XID.auth, op: OP.auth, body: authBody(this.#auth.user, this.#auth.password), ms, read: () => null });
  }

  /** All or nothing; null when all was carried out. */
  multi(ops: readonly MultiOp[], ms: number): Promise<Answered<MultiAnswer>> {
    return this.#call({ op: OP.multi, body: multiBody(ops, this.#auth !== null), ms, read: multiAnswer });
  }

  /** Afterwards this server knows what its leader knew. */
  sync(path: string, ms: number): Promise<Answered<null>> {
    return this.#call({ op: OP.sync, body: pathBody(path), ms, read: (reader) => (reader.text(), null) });
  }

  exists(path: string, ms: number): Promise<Answered<Stat | null>> {
    return this.#call({ op: OP.exists, body: readBody(path), ms, read: (reader) => reader.stat(), missing: true });
  }

  data(path: string, ms: number): Promise<Answered<{ readonly data: Buffer; readonly stat: Stat } | null>> {
    // Copied: it may be a small part of a large frame.
    return this.#call({ op: OP.getData, body: readBody(path), ms, read: (reader) => ({ data: Buffer.from(reader.bytes()), stat: reader.stat() }), missing: true });
  }

  children(path: string, ms: number): Promise<Answered<readonly string[] | null>> {
    return this.#call({ op: OP.getChildren, body: readBody(path), ms, read: (reader) => reader.list(() => reader.text()), missing: true });
  }

  /** Tells of every change at and below a path, before any answer that shows it, until `stop` or the end of the connection. */
  async watch(path: string, onEvent: (event: WatchEvent) => void, ms: number): Promise<() => void> {
    this.#watching.add(onEvent);
    try {
      await this.#call({ op: OP.addWatch, body: addWatchBody(path), ms, read: (reader) => (reader.int(), null) });
    } catch (error) {
      this.#watching.delete(onEvent);
      throw error;
    }
    return () => this.#watching.delete(onEvent);
  }

  /** Ends the session, and with it what is bound to it. */
  async closeSession(ms: number): Promise<void> {
    await this.#call({ op: OP.closeSession, body: Buffer.alloc(0), ms, read: () => null });
  }

  /** Calls once when it has ended; returns what takes that back. */
  whenOver(ending: (because: string) => void): () => void {
    if (this.over !== null) ending(this.over);
    else this.#endings.add(ending);
    return () => this.#endings.delete(ending);
  }

  /** Resets it; what was not answered has failed. */
  end(because: string): void {
    if (this.over !== null) return;
    this.over = because;
    clearInterval(this.#ping);
    try {
      this.#raw.resetAndDestroy();
    } catch {
      // it has no descriptor any more
    }
    this.#socket.destroy();
    for (const { timer, fail } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      fail(new Fault("unreachable", `${this.server.name}: ${because}`, { sent: true }));
    }
    for (const ending of this.#endings) ending(because);
    this.#endings.clear();
    this.#watching.clear();
  }

  #call<T>(asked: { readonly xid?: number; readonly op: number; readonly body: Uint8Array; readonly ms: number; readonly read: (reader: Reader) => T; /** Null for a node that is not there. */ readonly missing?: true }): Promise<Answered<T>>;
  #call<T>(asked: { readonly xid?: number; readonly op: number; readonly body: Uint8Array; readonly ms: number; readonly read: (reader: Reader) => T; readonly missing?: true }): Promise<Answered<T | null>> {
    if (this.over !== null) return Promise.reject(new Fault("unreachable", `${this.server.name}: ${this.over}`, { sent: false }));
    if (asked.ms <= 0) return Promise.reject(new Fault("unreachable", `${this.server.name}: no time was left to ask`, { sent: false }));
    this.#xid = this.#xid >= XID_MAX ? 1 : this.#xid + 1;
    const xid = asked.xid ?? this.#xid;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.end(`no answer within ${Math.round(asked.ms)} ms`), asked.ms);
      this.#waiting.push({
        xid, timer, fail: reject,
        take: (reader, zxid, code) => {
          if (code === ERR.OK) resolve({ zxid, value: asked.read(reader) });
          else if (code === ERR.NO_NODE && asked.missing === true) resolve({ zxid, value: null });
          else reject(new Fault("refused", `${this.server.name}: ${codeName(code)}`, { sent: true, code }));
        },
      });
      this.#socket.write(request(xid, asked.op, asked.body));
    });
  }

  #take(part: Buffer): void {
    if (this.over !== null) return;
    this.#quiet = 0;
    try {
      for (const frame of this.#frames.add(part)) this.#takeFrame(new Reader(frame));
    } catch (error) {
      if (!(error instanceof Nonsense)) throw error;
      this.end(`this is not ZooKeeper: ${error.message}`);
    }
  }

  #takeFrame(reader: Reader): void {
    const { xid, zxid, code } = reader.header();
    if (xid === XID.ping) return;
    if (xid === XID.event) {
      const event = watchEvent(reader);
      for (const watching of [...this.#watching]) watching(event);
      return;
    }
    const [oldest] = this.#waiting;
    if (oldest?.xid !== xid) throw new Nonsense(`an answer to ${xid}, and ${oldest?.xid ?? "nothing"} was asked`);
    oldest.take(reader, zxid, code);
    this.#waiting.shift();
    clearTimeout(oldest.timer);
    // A failed operation has no body but a transaction's, which says which operation it was.
    if (code === ERR.OK) reader.end();
  }

  #look(): void {
    this.#quiet += 1;
    if (this.#quiet === 1) return;
    if (this.#quiet > 3) return this.end("it is silent");
    if (this.#quiet === 2) this.#socket.write(request(XID.ping, OP.ping));
  }
}
