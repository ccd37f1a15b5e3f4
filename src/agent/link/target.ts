// One address at which a watcher may be: dialled for as long as the agent runs, with back-off, and whatever is connected there.

import type { HostFinding } from "../../core/finding.ts";
import { formatAddress } from "../../config/address.ts";
import { Connection } from "../../link/connection.ts";
import { dial } from "../../link/dial.ts";
import { datesRefused } from "../../link/identity.ts";
import type { Bye, FromAgent, FromWatcher } from "../../link/messages.ts";
import { FINDINGS_A_MESSAGE, FROM_WATCHER, LINE_BYTES_MAX, PROTOCOL_MAX, PROTOCOL_MIN } from "../../link/messages.ts";
import type { Clock } from "../../process/system-clock.ts";
import type { LinkHooks } from "../link.ts";
import type { LinkMemory } from "./memory.ts";

export type Shared = {
  readonly clock: Clock;
  readonly memory: LinkMemory;
  readonly hooks: LinkHooks;
  readonly host: string;
  readonly version: string;
  /** Another one each time the agent begins. */
  readonly life: string;
  /** Whether another address leads to this watcher at present. */
  reachedElsewhere(watcher: string, than: Target): boolean;
  welcomed(target: Target): void;
  said(target: Target, message: FromWatcher): void;
};

const CONNECT_LIMIT_MS = 10_000;
const WELCOME_LIMIT_MS = 10_000;
const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
/** Somebody may be about to enrol this host. */
const NOT_ENROLLED_RETRY_MS = 2_000;
const FLUSH_EVERY_MS = 200;
/** Of findings in one message; the rest of the line is names. */
const PART_BYTES_MAX = LINE_BYTES_MAX * 0.75;

export class Target {
  readonly host: string;
  readonly port: number;
  readonly #shared: Shared;
  #connection: Connection<FromWatcher, FromAgent> | null = null;
  #welcome: { readonly watcher: string; readonly store: string } | null = null;
  #failures = 0;
  #why = "";
  #useNext = false;
  #ended = false;
  #takeBack = (): void => {};
  #cancelDial = (): void => {};
  #heardMs: number | null = null;
  #name: string | null = null;
  #dirty = new Map<string, HostFinding | null>();
  #flushedMs = 0;
  #flush: NodeJS.Timeout | undefined;

  constructor(host: string, port: number, shared: Shared) {
    this.host = host;
    this.port = port;
    this.#shared = shared;
    this.#dial();
  }

  get address(): string {
    return formatAddress(this.host, this.port);
  }

  /** The watcher that has answered there last. */
  get watcher(): string | null {
    return this.#name;
  }

  get store(): string | null {
    return this.#welcome?.store ?? null;
  }

  get connected(): boolean {
    return this.#welcome !== null;
  }

  get heardMs(): number | null {
    return this.#connection?.heardMs ?? this.#heardMs;
  }

  send(message: FromAgent): void {
    if (this.#welcome !== null) this.#connection?.send(message);
  }

  changed(subject: string, finding: HostFinding | null): void {
    if (this.#welcome === null) return;
    this.#dirty.set(subject, finding);
    const dueMs = Math.max(0, this.#flushedMs + FLUSH_EVERY_MS - this.#nowMs());
    this.#flush ??= setTimeout(() => {
      this.#flush = undefined;
      this.#flushedMs = this.#nowMs();
      const all = [...this.#dirty];
      this.#dirty = new Map();
      this.#sendFindings(false, all.flatMap(([, value]) => (value === null ? [] : [value])), all.flatMap(([key, value]) => (value === null ? [key] : [])));
    }, dueMs);
  }

  /** Every few seconds. */
  look(): void {
    this.#connection?.look();
  }

  /** At once, where it would wait for its next try. */
  hurry(): void {
    if (this.#connection !== null || this.#ended) return;
    this.#cancelDial();
    this.#failures = 0;
    this.#retryIn(0);
  }

  close(): void {
    this.#ended = true;
    this.#takeBack();
    this.#cancelDial();
    clearTimeout(this.#flush);
    this.#connection?.bye("stopping", "the agent ends");
  }

  #nowMs(): number {
    return this.#shared.clock.now().bootMs;
  }

  #retryIn(ms: number): void {
    this.#takeBack();
    if (!this.#ended) this.#takeBack = this.#shared.clock.at(this.#nowMs() + ms, () => this.#dial());
  }

  #failed(because: string, forMs?: number): void {
    if (this.#ended) return;
    // The same again is not told again.
    if (because !== this.#why) this.#shared.hooks.say("warning", `${this.address}: ${because}`);
    this.#why = because;
    this.#failures += 1;
    this.#shared.memory.refresh();
    const backOffMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#retryIn(forMs ?? backOffMs * (0.5 + Math.random() / 2));
  }

  #dial(): void {
    const { memory, clock } = this.#shared;
    const identity = this.#useNext ? (memory.next ?? memory.current) : memory.current;
    const { known } = memory;
    if (identity === null || known.length === 0) {
      return this.#failed(`this host is not enrolled: \`upkeep agent code ${this.#shared.host}\` at a watcher makes a code, \`upkeep agent enroll CODE\` here uses it`, NOT_ENROLLED_RETRY_MS);
    }
    const { done, cancel } = dial({ host: this.host, port: this.port }, identity, CONNECT_LIMIT_MS, (pin, certificate) =>
      known.some(({ pins }) => pins.includes(pin)) ? datesRefused(certificate, clock.now())
        : "who answers there shows another key than any watcher that this host was enrolled at: if the watcher was set up anew, enroll again; if it was not, somebody stands between");
    this.#cancelDial = cancel;
    void done.then((dialled) => {
      this.#cancelDial = () => {};
      if (!dialled.ok) return this.#failed(dialled.because);
      if (this.#ended) return dialled.socket.destroy();
      this.#greet(dialled.socket);
    });
  }

  #greet(socket: Parameters<typeof this.connectionOf>[0]): void {
    const connection = this.connectionOf(socket);
    this.#connection = connection;
    const { host, version, life, clock } = this.#shared;
    const now = clock.now();
    connection.send({ kind: "hello", protocol: [PROTOCOL_MIN, PROTOCOL_MAX], version, host, boot: now.bootId, uptimeMs: now.bootMs, life });
    this.#takeBack = clock.at(now.bootMs + WELCOME_LIMIT_MS, () => connection.cut("the watcher has not answered"));
  }

  private connectionOf(socket: ConstructorParameters<typeof Connection>[0]["socket"]): Connection<FromWatcher, FromAgent> {
    let bye: Bye | null = null;
    return new Connection<FromWatcher, FromAgent>({
      socket, rows: FROM_WATCHER, nowMs: () => this.#nowMs(),
      message: (message) => {
        if (message.kind === "bye") bye = message;
        else this.#take(message);
      },
      closed: (because) => this.#closed(bye, because),
    });
  }

  #closed(bye: Bye | null, because: string): void {
    const was = this.#welcome;
    this.#takeBack();
    this.#heardMs = this.#connection?.heardMs ?? this.#heardMs;
    this.#connection = null;
    this.#welcome = null;
    this.#dirty = new Map();
    clearTimeout(this.#flush);
    this.#flush = undefined;
    if (this.#ended) return;
    if (bye === null) return this.#failed(was === null ? because : `the link to ${was.watcher} is cut: ${because}`);
    // A key that is not known there any more, or not yet.
    if (bye.reason === "unknown" || bye.reason === "expired") this.#useNext = !this.#useNext && this.#shared.memory.next !== null;
    if (bye.reason === "replaced" && this.#name !== null && this.#shared.reachedElsewhere(this.#name, this)) {
      this.#why = "";
      return this.#retryIn(RETRY_MAX_MS);
    }
    this.#failed(`the watcher says: ${bye.because}`, bye.reason === "stopping" ? RETRY_FIRST_MS * (1 + Math.random()) : undefined);
  }

  #take(message: Exclude<FromWatcher, Bye>): void {
    const { hooks } = this.#shared;
    if (message.kind === "welcome") {
      if (this.#welcome !== null) return;
      this.#takeBack();
      this.#failures = 0;
      this.#why = "";
      this.#welcome = { watcher: message.watcher, store: message.store };
      this.#name = message.watcher;
      hooks.say("info", `connected to ${message.watcher} at ${this.address}`);
      this.#sendFindings(true, hooks.findings(), []);
      this.#shared.welcomed(this);
    }
    if (this.#welcome !== null) this.#shared.said(this, message);
  }

  #sendFindings(whole: boolean, set: readonly HostFinding[], gone: readonly string[]): void {
    const parts: { set: HostFinding[]; gone: string[] }[] = [{ set: [], gone: [] }];
    let bytes = 0;
    const put = (size: number): { set: HostFinding[]; gone: string[] } => {
      let part = parts.at(-1) ?? { set: [], gone: [] };
      if (bytes + size > PART_BYTES_MAX || part.set.length + part.gone.length >= FINDINGS_A_MESSAGE) {
        part = { set: [], gone: [] };
        parts.push(part);
        bytes = 0;
      }
      bytes += size;
      return part;
    };
    for (const each of set) put(Buffer.byteLength(JSON.stringify(each))).set.push(each);
    for (const each of gone) put(Buffer.byteLength(JSON.stringify(each))).gone.push(each);
    for (const [place, part] of parts.entries()) this.send({ kind: "findings", whole: whole && place === 0, more: place < parts.length - 1, ...part });
  }
}
