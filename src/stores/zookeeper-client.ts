// One session with a ZooKeeper ensemble, over one connection at a time: which server, how often, and when to go to the next.
// What changes nothing, or may be done twice, goes on to the next server until its time is over; its time is divided, so
// that one frozen server does not use up all of it. A transaction goes on only while not a byte of it has been sent.
//
// `keep` is for the session that a watcher joins with: it goes on over every connection, and when it is over the client is.
// Without it each connection has a session of its own; nothing is bound to those.

import type { Tls } from "./dial.ts";
import { Fault, mergedFaults } from "./fault.ts";
import type { Connection, Server, SessionKey } from "./zookeeper-connection.ts";
import { connect } from "./zookeeper-connection.ts";
import { DECIDED } from "./zookeeper-wire.ts";

export type ClientOptions = {
  /** `HOST:PORT`, of one ensemble. */
  readonly servers: readonly string[];
  readonly tls?: Tls;
  /** The scheme `digest`. */
  readonly auth?: { readonly user: string; readonly password: string };
};

export type SessionOptions = { readonly sessionMs: number; readonly keep: boolean; readonly nowMs: () => number };

const PORT = 2181;
/** So that the one who connects tells why there is no connection. */
const GRACE_MS = 20;

/** Throws a plain error that does not show the text when it is no server: it may hold a password. */
export function serverOf(text: string): Server {
  const [, bare, bracketed, port] = /^(?:([A-Za-z0-9._-]+)|\[([0-9a-fA-F:.]+)\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bare ?? bracketed;
  const number = port === undefined ? PORT : Number(port);
  if (host === undefined || number < 1 || number > 65_535) throw new Error("a server must be HOST:PORT");
  return { host, port: number, name: `${bracketed === undefined ? host : `[${host}]`}:${number}` };
}

export class ZookeeperClient {
  readonly #servers: readonly Server[];
  readonly #options: ClientOptions & SessionOptions;
  readonly #open = new Set<() => void>();
  #at = 0;
  #connection: Connection | null = null;
  #connecting: Promise<Connection> | null = null;
  #session: SessionKey | null = null;
  #closed = false;

  constructor(options: ClientOptions & SessionOptions) {
    if (options.servers.length === 0) throw new Error("no server");
    this.#servers = options.servers.map(serverOf);
    this.#options = options;
  }

  /** Its session's identity; 0 before there is one. */
  get session(): bigint {
    return this.#session?.id ?? 0n;
  }

  /** Rejects with a Fault. `body` gets a connection and until when, by `performance.now()`, it has time there. */
  async run<T>(limits: { readonly repeatable: boolean; readonly endMs: number }, body: (connection: Connection, leftMs: () => number) => Promise<T>): Promise<T> {
    const faults: Fault[] = [];
    for (let left = this.#servers.length; left > 0; left -= 1) {
      if (this.#closed) throw new Fault("closed", "the store is closed", { sent: false });
      const leftMs = limits.endMs - performance.now();
      if (leftMs <= 0) break;
      // Half, so that a slow disk is not taken for a frozen server when there are many of them; all of it for the last.
      const shareEndMs = performance.now() + leftMs / Math.min(left, 2);
      try {
        const connection = await within(this.#connected(shareEndMs), shareEndMs);
        const endMs = limits.repeatable ? shareEndMs : limits.endMs;
        return await body(connection, () => endMs - performance.now());
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        const fault = this.#closed ? new Fault("closed", "the store is closed", { sent: error.sent }) : error;
        faults.push(fault);
        if ((fault.sent && !limits.repeatable) || isFinal(fault)) break;
      }
    }
    throw mergedFaults(faults, isFinal);
  }

  /** Ends everything that is under way, and no session. */
  close(): void {
    this.#closed = true;
    for (const end of [...this.#open]) end();
    this.#connection?.end("the store is closed");
  }

  #connected(endMs: number): Promise<Connection> {
    if (this.#connection !== null && this.#connection.over === null) return Promise.resolve(this.#connection);
    this.#connecting ??= this.#connect(Math.max(1, endMs - performance.now())).finally(() => {
      this.#connecting = null;
    });
    return this.#connecting;
  }

  async #connect(ms: number): Promise<Connection> {
    const { tls, auth, sessionMs, keep, nowMs } = this.#options;
    const server = this.#servers[this.#at];
    if (server === undefined) throw new Error("no server");
    try {
      const connection = await connect(server, { tls: tls ?? null, auth: auth ?? null, sessionMs, session: keep ? this.#session : null, nowMs, open: this.#open }, ms);
      if (this.#closed) {
        connection.end("the store is closed");
        throw new Fault("closed", "the store is closed", { sent: false });
      }
      this.#session = connection.session;
      this.#connection = connection;
      connection.whenOver(() => this.#moveOn());
      return connection;
    } catch (error) {
      this.#moveOn();
      throw error;
    }
  }

  #moveOn(): void {
    this.#at = (this.#at + 1) % this.#servers.length;
  }
}

/** The ensemble has decided; another server would say the same. */
function isFinal(fault: Fault): boolean {
  return fault.kind === "closed" || fault.kind === "large" || fault.kind === "foreign" || (fault.code !== null && DECIDED.has(fault.code));
}

/** Somebody else may have begun to connect, with more time than we have. */
function within(connecting: Promise<Connection>, endMs: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Fault("unreachable", "no connection in time", { sent: false })), Math.max(1, endMs - performance.now()) + GRACE_MS);
    connecting.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
