// The agents as a watcher has them: who may come in (the roster is the core's, core/agents.ts), who is there, what each has
// found last, and the way back to them. Nothing in here decides about a host: what an agent found is looked at by the probe
// `agent`, what it announces goes to the core through the hook, and what it says of itself is never believed of another.

import type { X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { household, Limit } from "../../api/access/limits.ts";
import { pinRefused } from "../../core/agents.ts";
import type { Announcement, HostFinding, Order, OrderEnd } from "../../core/finding.ts";
import type { Command } from "../../core/io.ts";
import type { AgentRecord, DoorRecord } from "../../core/records.ts";
import type { LeaseAnswer, RenewRequest } from "../../core/self-fence.ts";
import { hashOf, makeCode } from "../../link/code.ts";
import { Connection } from "../../link/connection.ts";
import type { Identity } from "../../link/identity.ts";
import { datesRefused, nextIdentity, ownIdentity, pinOf, promoteIdentity, readIdentity } from "../../link/identity.ts";
import type { FromAgent, FromWatcher, Roster } from "../../link/messages.ts";
import { common, FINDINGS_MAX, FROM_AGENT, PROTOCOL_MAX, PROTOCOL_MIN } from "../../link/messages.ts";
import type { Clock } from "../../process/system-clock.ts";
import type { Door } from "./door.ts";
import { openDoor } from "./door.ts";

export type AgentsOptions = {
  readonly listen: { readonly host: string; readonly port: number };
  /** Where agents reach this door, as they are told; null: they know by themselves. */
  readonly address: string | null;
  /** The data folder. */
  readonly folder: string;
  readonly watcher: string;
  readonly version: string;
  readonly clock: Clock;
  say(level: "info" | "warning" | "error", text: string): void;
  /** The roster and the doors as the core has them now. */
  roster(): { readonly agents: ReadonlyMap<string, AgentRecord>; readonly doors: ReadonlyMap<string, DoorRecord>; readonly store: string };
  command(by: string, command: Command): Promise<{ readonly exit: number; readonly text: string }>;
  /** Tells the core where the door is. */
  door(door: { readonly address: string | null; readonly pins: readonly string[] }): void;
  /** An announcement of a host: true when it is durable. The same one may come twice. */
  onAnnouncement(host: string, announcement: Announcement): Promise<boolean>;
  /** What is known of an agent is another: it has told its findings, or some of them anew, or is gone. */
  onHeard(host: string): void;
  /** An agent asks for its leases; `contact` names its process. */
  onLeases(host: string, contact: string, request: RenewRequest): void;
};

export type Hello = { readonly version: string; readonly boot: string; readonly uptimeMs: number; readonly life: string; readonly from: string };

/** What was heard of a host last. */
export type Heard = {
  readonly connected: boolean;
  /** Boot-time clock of its last word. */
  readonly heardMs: number;
  /** Boot-time clock of its last coming, or going. */
  readonly sinceMs: number;
  readonly hello: Hello;
  /** Complete as of `heardMs`. */
  readonly findings: readonly HostFinding[];
};

type Guest = {
  readonly host: string;
  readonly pin: string;
  readonly hello: Hello;
  readonly protocol: number;
  readonly connection: Connection<FromAgent, FromWatcher>;
  readonly sinceMs: number;
  /** What has come of a message in parts. */
  draft: Map<string, HostFinding> | null;
  /** Its first findings are complete. */
  told: boolean;
  announced: number;
};
type Known = { findings: Map<string, HostFinding>; hello: Hello; sinceMs: number; heardMs: number };
type Sent = { readonly host: string; readonly order: Order; life: string; end(end: OrderEnd): void };

const LOOK_EVERY_MS = 2_000;
const FIRST_MESSAGE_LIMIT_MS = 10_000;
const ENROLL_LIMIT_MS = 35_000;
const PROMOTE_BEFORE_MS = 40 * 86_400_000;
const IDENTITY_LOOK_EVERY_MS = 12 * 3_600_000;
const ANNOUNCEMENTS_AT_ONCE = 16;

export class Agents {
  readonly #options: AgentsOptions;
  readonly #folder: string;
  readonly #guests = new Map<string, Guest>();
  readonly #known = new Map<string, Known>();
  readonly #sent = new Map<string, Sent>();
  /** Nobody guesses 96 bits; but each try costs the core a step, and perhaps the store a write. */
  readonly #tries = new Limit({ burst: 6, everyMs: 10_000 });
  readonly #allTries = new Limit({ burst: 60, everyMs: 1_000 });
  #identity: Identity;
  #next: Identity | null = null;
  #door: Door | null = null;
  /** Why the agent of a host was not let in when it last knocked. */
  readonly #refused = new Map<string, string>();
  #byPin = new Map<string, string>();
  #agents: ReadonlyMap<string, AgentRecord> | null = null;
  #doors: ReadonlyMap<string, DoorRecord> | null = null;
  #identityLookedMs = -Infinity;
  #takeBack = (): void => {};
  #closed = false;

  constructor(options: AgentsOptions) {
    this.#options = options;
    this.#folder = join(options.folder, "agents");
    this.#identity = ownIdentity(this.#folder, options.watcher, options.clock.now().wallMs);
  }

  /** Opens the door; rejects where it cannot listen. */
  async open(): Promise<void> {
    this.#door = await openDoor({ listen: this.#options.listen, identity: this.#identity, came: (socket, certificate, greeted) => this.#came(socket, certificate, greeted) });
    this.#look();
  }

  get port(): number | null {
    return this.#door?.port ?? null;
  }

  /** Connections that have not shown yet whose they are. */
  get pending(): number {
    return this.#door?.pending ?? 0;
  }

  get connected(): number {
    return this.#guests.size;
  }

  get pin(): string {
    return this.#identity.pin;
  }

  /** What the agent of a host has said; null: nothing since this watcher began. */
  heard(host: string): Heard | null {
    const known = this.#known.get(host);
    if (known === undefined) return null;
    const guest = this.#guests.get(host);
    const connected = guest !== undefined && guest.told;
    return { connected, heardMs: guest?.connection.heardMs ?? known.heardMs, sinceMs: guest?.sinceMs ?? known.sinceMs, hello: known.hello, findings: [...known.findings.values()] };
  }

  /** Makes a code for a host: given to whoever asked, and kept as a hash. */
  async code(by: string, host: string, forMs: number): Promise<{ readonly exit: number; readonly text: string; readonly code: string | null }> {
    const { text, hash } = makeCode(this.#identity.pin);
    const answer = await this.#options.command(by, { kind: "agent-code", host, secret: hash, forMs });
    return { ...answer, code: answer.exit === 0 ? text : null };
  }

  /**
   * Has the agent of a host carry something out. `unknown` where that was asked and nobody can tell: an order is sent again to the
   * same process only, never to one that has begun since, because by then it may have been done.
   */
  order(host: string, order: Order, signal: AbortSignal): Promise<OrderEnd> {
    const guest = this.#guests.get(host);
    if (guest === undefined) return Promise.resolve({ outcome: "failed", evidence: `the agent of ${host} is not connected` });
    if (signal.aborted) return Promise.resolve({ outcome: "failed", evidence: "not asked for any more" });
    return new Promise((resolve) => {
      const end = (ended: OrderEnd) => {
        takeBack();
        signal.removeEventListener("abort", abort);
        this.#sent.delete(order.id);
        resolve(ended);
      };
      const abort = () => end({ outcome: "unknown", evidence: "not waited for any more" });
      const takeBack = this.#options.clock.at(this.#nowMs() + order.limitMs, () => end({ outcome: "unknown", evidence: `no answer within ${Math.round(order.limitMs / 1_000)} s` }));
      signal.addEventListener("abort", abort, { once: true });
      this.#sent.set(order.id, { host, order, life: guest.hello.life, end });
      guest.connection.send({ kind: "order", ...order });
    });
  }

  /** To the process that asked, over whatever connection it has now. */
  leases(host: string, contact: string, answer: LeaseAnswer): void {
    const guest = this.#guests.get(host);
    if (guest?.hello.life !== contact) return;
    const { n, granted, giveBack } = answer;
    guest.connection.send({ kind: "leases", n, granted: [...granted], giveBack: [...giveBack] });
  }

  /** Who is revoked is cut at once; called whenever the roster may have changed, and every few seconds. */
  review(): void {
    const { agents, doors } = this.#options.roster();
    if (agents !== this.#agents) {
      this.#agents = agents;
      this.#byPin = new Map([...agents.values()].flatMap(({ host, pins }) => pins.map(({ pin }) => [pin, host] as const)));
    }
    for (const guest of this.#guests.values()) this.#stillGood(guest);
    if (doors !== this.#doors) {
      this.#doors = doors;
      for (const { connection } of this.#guests.values()) connection.send({ kind: "watchers", ...this.#roster() });
    }
  }

  /** Whether a guest may still speak; else it is told so, and cut. */
  #stillGood({ host, pin, connection }: Guest): boolean {
    const record = this.#options.roster().agents.get(host);
    const refused = record === undefined ? `${host} is not enrolled any more` : pinRefused(record, pin, this.#options.clock.now());
    if (refused !== null) connection.bye("revoked", refused);
    return refused === null;
  }

  close(): void {
    this.#closed = true;
    this.#takeBack();
    this.#door?.close();
    for (const { connection } of this.#guests.values()) connection.bye("stopping", "this watcher ends");
    for (const { end } of this.#sent.values()) end({ outcome: "unknown", evidence: "this watcher ends" });
  }

  #nowMs(): number {
    return this.#options.clock.now().bootMs;
  }

  #look(): void {
    if (this.#closed) return;
    this.#identityLook();
    this.review();
    for (const { connection } of this.#guests.values()) connection.look();
    this.#takeBack = this.#options.clock.at(this.#nowMs() + LOOK_EVERY_MS, () => this.#look());
  }

  /** A key that ends before long gets a successor, which agents are told of for months before it is shown to them. */
  #identityLook(): void {
    const { wallMs, bootMs, synced } = this.#options.clock.now();
    if (bootMs - this.#identityLookedMs >= IDENTITY_LOOK_EVERY_MS) {
      this.#identityLookedMs = bootMs;
      let next = synced ? nextIdentity(this.#folder, this.#options.watcher, wallMs) : readIdentity(this.#folder, "next");
      if (next !== null && synced && this.#identity.notAfterMs - wallMs < PROMOTE_BEFORE_MS) {
        promoteIdentity(this.#folder);
        this.#identity = next;
        this.#door?.renew(next);
        next = null;
      }
      this.#next = next;
    }
    // Also after the store was opened anew, and has forgotten it.
    const pins = this.#pins();
    const known = this.#options.roster().doors.get(this.#options.watcher);
    if (known === undefined || known.address !== this.#options.address || known.pins.join() !== pins.join()) this.#options.door({ address: this.#options.address, pins });
  }

  #pins(): string[] {
    return [this.#identity.pin, ...(this.#next === null ? [] : [this.#next.pin])];
  }

  #roster(): Roster {
    const { doors, store } = this.#options.roster();
    const all = [...doors.values()].map(({ watcher, address, pins }) => ({ watcher, address, pins: [...pins] }));
    // Our own record may be on its way still.
    const me = { watcher: this.#options.watcher, address: this.#options.address, pins: this.#pins() };
    return { watcher: this.#options.watcher, store, watchers: doors.has(me.watcher) ? all : [...all, me] };
  }

  #came(socket: TLSSocket, certificate: X509Certificate, greeted: () => void): void {
    const pin = pinOf(certificate);
    let guest: Guest | null = null;
    let asked = false;
    const connection: Connection<FromAgent, FromWatcher> = new Connection<FromAgent, FromWatcher>({
      socket, rows: FROM_AGENT, nowMs: () => this.#nowMs(),
      message: (message) => {
        if (guest !== null) return this.#take(guest, message);
        if (asked) return;
        asked = true;
        if (message.kind === "hello") {
          guest = this.#hello(connection, pin, certificate, message);
          if (guest !== null) {
            clearTimeout(limit);
            greeted();
          }
        } else if (message.kind === "enroll") {
          clearTimeout(limit);
          limit = setTimeout(() => connection.cut("no end of an enrolment"), ENROLL_LIMIT_MS).unref();
          void this.#enroll(connection, pin, certificate, message);
        } else connection.bye("refused", "the first message is hello or enroll");
      },
      closed: () => {
        clearTimeout(limit);
        if (guest !== null) this.#left(guest);
      },
    });
    let limit = setTimeout(() => connection.cut("no first message"), FIRST_MESSAGE_LIMIT_MS).unref();
  }

  /** Its agent is told each time; here it is said once, and of nobody whose key is not known: anybody may knock. */
  #refuse(connection: Connection<FromAgent, FromWatcher>, host: string | undefined, reason: "protocol" | "expired" | "revoked" | "wrong-host", text: string): void {
    connection.bye(reason, text);
    if (host === undefined || this.#refused.get(host) === reason) return;
    this.#refused.set(host, reason);
    this.#options.say("warning", `the agent of ${host} at ${connection.from} is not let in: ${text}`);
  }

  #hello(connection: Connection<FromAgent, FromWatcher>, pin: string, certificate: X509Certificate, hello: Extract<FromAgent, { kind: "hello" }>): Guest | null {
    const protocol = common(hello.protocol);
    if (protocol === null) {
      this.#refuse(connection, this.#byPin.get(pin), "protocol", `this watcher (${this.#options.version}) speaks protocol ${PROTOCOL_MIN} to ${PROTOCOL_MAX}, and the agent (${hello.version}) ${hello.protocol.join(" to ")}: upgrade the older one`);
      return null;
    }
    // Everybody only where the roster has changed: a thousand hosts that come back at once would each look at all the others.
    const { agents, doors } = this.#options.roster();
    if (agents !== this.#agents || doors !== this.#doors) this.review();
    const now = this.#options.clock.now();
    const host = this.#byPin.get(pin);
    const record = host === undefined ? undefined : this.#agents?.get(host);
    if (host === undefined || record === undefined) {
      connection.bye("unknown", `${this.#options.watcher} does not know this key of ${hello.host}: make a code there with \`upkeep agent code ${hello.host}\`, and use it here with \`upkeep agent enroll CODE\``);
      return null;
    }
    const refused = pinRefused(record, pin, now);
    if (refused !== null) {
      this.#refuse(connection, host, record.revoked === null ? "expired" : "revoked", `${refused}; \`upkeep agent code ${host}\` at a watcher and \`upkeep agent enroll CODE\` here let it in again`);
      return null;
    }
    const dates = datesRefused(certificate, now);
    if (dates !== null) {
      this.#refuse(connection, host, "expired", `${dates}: if the clocks are right, enroll again (\`upkeep agent code ${host}\`)`);
      return null;
    }
    if (hello.host !== host) {
      this.#refuse(connection, host, "wrong-host", `this is the key of ${host}, and not of ${hello.host}: a host that was copied or renamed needs a code of its own (\`upkeep agent code ${hello.host}\`)`);
      return null;
    }
    this.#refused.delete(host);
    this.#guests.get(host)?.connection.bye("replaced", `another connection of ${host} has come from ${connection.from}`);
    const told: Hello = { version: hello.version, boot: hello.boot, uptimeMs: hello.uptimeMs, life: hello.life, from: connection.from };
    const guest: Guest = { host, pin, hello: told, protocol, connection, sinceMs: now.bootMs, draft: null, told: false, announced: 0 };
    this.#guests.set(host, guest);
    const known = this.#known.get(host);
    this.#known.set(host, { findings: known?.findings ?? new Map<string, HostFinding>(), hello: told, sinceMs: now.bootMs, heardMs: now.bootMs });
    connection.send({ kind: "welcome", protocol, version: this.#options.version, ...this.#roster() });
    for (const sent of this.#sent.values()) {
      if (sent.host !== host) continue;
      if (sent.life === hello.life) connection.send({ kind: "order", ...sent.order });
      else sent.end({ outcome: "unknown", evidence: "the agent has begun anew since it was told" });
    }
    return guest;
  }

  async #enroll(connection: Connection<FromAgent, FromWatcher>, pin: string, certificate: X509Certificate, asked: Extract<FromAgent, { kind: "enroll" }>): Promise<void> {
    const now = this.#options.clock.now();
    const dates = datesRefused(certificate, now);
    if (common(asked.protocol) === null) return connection.bye("protocol", `this watcher (${this.#options.version}) and the agent (${asked.version}) have no protocol in common: upgrade the older one`);
    if (this.#tries.take(household(connection.from), now.bootMs) > 0 || this.#allTries.take("", now.bootMs) > 0) return connection.bye("busy", "too many enrolments from there: try again in a minute");
    if (dates !== null) return connection.bye("expired", dates);
    const { exit, text } = await this.#options.command(`the agent at ${connection.from}`, { kind: "agent-enroll", host: asked.host, secret: hashOf(asked.secret), pin });
    if (exit !== 0) return connection.bye("refused", text);
    connection.send({ kind: "enrolled", ...this.#roster() });
    connection.bye("stopping", "enrolled");
  }

  #left(guest: Guest): void {
    const known = this.#known.get(guest.host);
    if (this.#guests.get(guest.host) !== guest) return;
    this.#guests.delete(guest.host);
    if (known !== undefined) Object.assign(known, { heardMs: guest.connection.heardMs, sinceMs: this.#nowMs() });
    if (!this.#closed) this.#options.onHeard(guest.host);
  }

  #take(guest: Guest, message: FromAgent): void {
    // What a connection that was replaced had still in its buffers.
    if (this.#guests.get(guest.host) !== guest) return;
    // Whoever is revoked says nothing any more, not even until the next look at the roster.
    if (!this.#stillGood(guest)) return;
    switch (message.kind) {
      case "findings":
        return this.#findings(guest, message);
      case "announce":
        return void this.#announced(guest, message.id, message.announcement);
      case "result": {
        const sent = this.#sent.get(message.id);
        if (sent?.host === guest.host) sent.end({ outcome: message.outcome, evidence: message.evidence });
        return;
      }
      case "lease-renew": {
        const { kind: _, ...request } = message;
        return this.#options.onLeases(guest.host, guest.hello.life, request);
      }
      case "renew":
        return void this.#renew(guest, message.pin);
      case "hello":
      case "enroll":
        return guest.connection.bye("refused", `a second ${message.kind}`);
      case "alive":
        // An agent that hears nothing would think that nobody is here.
        return guest.connection.send({ kind: "alive" });
      case "bye":
        return guest.connection.cut(message.because);
    }
  }

  #findings(guest: Guest, { whole, more, set, gone }: Extract<FromAgent, { kind: "findings" }>): void {
    const known = this.#known.get(guest.host);
    if (known === undefined) return;
    if (guest.draft === null && !whole && !guest.told) return guest.connection.bye("refused", "changes of findings that were never told");
    const draft = guest.draft === null || whole ? new Map(whole ? [] : known.findings) : guest.draft;
    for (const subject of gone) draft.delete(subject);
    for (const finding of set) draft.set(finding.subject, { ...finding, mayCut: finding.mayCut && finding.verdict === "bad" });
    if (draft.size > FINDINGS_MAX) return guest.connection.bye("refused", `more than ${FINDINGS_MAX} findings`);
    guest.draft = more ? draft : null;
    if (more) return;
    known.findings = draft;
    guest.told = true;
    this.#options.onHeard(guest.host);
  }

  async #announced(guest: Guest, id: string, announcement: Announcement): Promise<void> {
    if (guest.announced >= ANNOUNCEMENTS_AT_ONCE) return;
    guest.announced += 1;
    try {
      if (await this.#options.onAnnouncement(guest.host, announcement)) guest.connection.send({ kind: "heard", id });
    } catch (error) {
      this.#options.say("warning", `what the agent of ${guest.host} announced could not be taken: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      guest.announced -= 1;
    }
  }

  async #renew(guest: Guest, pin: string): Promise<void> {
    const { exit, text } = await this.#options.command(`the agent of ${guest.host}`, { kind: "agent-renew", host: guest.host, pin });
    if (exit === 0) guest.connection.send({ kind: "renewed", pin });
    else this.#options.say("warning", `the new key of ${guest.host} was not taken: ${text}`);
  }
}
