// Questions to one SNMP agent, over the `net-snmp` library, which is loaded when the first of them is asked. Reads are repeated
// within their step, each under a new request id, and the first answer counts; a command is sent once and its answer waited
// for, and whatever is not an answer to it is none. What the library says about an error is never passed on: its messages
// hold the community, and its error objects the keys.

import { setTimeout as wait } from "node:timers/promises";
import type { Session, Varbind } from "net-snmp";
import { assert, UpkeepError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Tap } from "./power.ts";
import { SnmpWire } from "./snmp-wire.ts";

export type SnmpAccess =
  | { readonly version: "1" | "2c"; readonly community: string }
  | { readonly version: "3"; readonly user: string; readonly authProtocol: SnmpAuth; readonly authPassword: string; readonly privacyProtocol: SnmpPrivacy; readonly privacyPassword: string };

export type SnmpAuth = "sha" | "sha224" | "sha256" | "sha384" | "sha512" | "md5";
/** No DES: the OpenSSL in Node does not have it any more. */
export type SnmpPrivacy = "aes" | "aes256";

export type SnmpOptions = { readonly host: string; readonly port: number; readonly access: SnmpAccess; readonly stepMs: number };

/** A value, as far as it matters here. `missing`: the agent has no such object. */
export type SnmpValue = { readonly kind: "integer"; readonly value: number } | { readonly kind: "text"; readonly value: string } | { readonly kind: "oid"; readonly value: string } | { readonly kind: "missing" } | { readonly kind: "other" };

export type SnmpSetAnswer =
  | { readonly kind: "accepted"; readonly evidence: string }
  /** The agent said that it changed nothing. */
  | { readonly kind: "refused"; readonly evidence: string }
  | { readonly kind: "none"; readonly evidence: string };

const TRIES = 3;
/** Cards with little memory answer tooBig to more. */
const TOGETHER = 8;
/** RFC 3416 §4.2.5: after these nothing has changed. The others leave it open. */
const NOTHING_CHANGED: ReadonlySet<string> = new Set(["NoSuchName", "BadValue", "ReadOnly", "NoAccess", "WrongType", "WrongLength", "WrongEncoding", "WrongValue", "NoCreation", "InconsistentValue", "AuthorizationError", "NotWritable", "InconsistentName"]);

type Library = typeof import("net-snmp");
type Ask = (answered: (error: unknown, varbinds?: readonly Varbind[]) => void) => void;
/** An answer that is an error: `status` is the agent's word, null where there was no proper answer. */
type Failure = { readonly code: ErrorCode; readonly status: string | null; readonly why: string };

/** What a session needs of an agent: the client is one, and a recording can be another. */
export type SnmpAgent = Pick<SnmpClient, "ended" | "get" | "next" | "set" | "close">;

export class SnmpClient {
  readonly #library: Library;
  readonly #session: Session;
  readonly #wire: SnmpWire;
  readonly #options: SnmpOptions;
  readonly #tap: Tap | undefined;
  #ended = false;

  private constructor(library: Library, session: Session, wire: SnmpWire, options: SnmpOptions, tap: Tap | undefined) {
    this.#library = library;
    this.#session = session;
    this.#wire = wire;
    this.#options = options;
    this.#tap = tap;
  }

  static async open(options: SnmpOptions, signal: AbortSignal, tap?: Tap): Promise<SnmpClient> {
    const { host, port, access, stepMs } = options;
    const wire = await SnmpWire.open(host, port, access.version === "3", signal);
    const { default: library } = await import("net-snmp");
    const shared = { port, retries: 0, timeout: stepMs, reportOidMismatchErrors: true, dgramModule: { createSocket: () => wire } };
    const session = access.version === "3"
      ? library.createV3Session(host, userOf(library, access), shared)
      : library.createSession(host, access.community, { ...shared, version: access.version === "1" ? library.Version1 : library.Version2c });
    // Datagrams that cannot be taken apart are reported here, and are no answers.
    session.on("error", () => {});
    return new SnmpClient(library, session, wire, options, tap);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The values in the order asked, a few objects at a time. */
  async get(oids: readonly string[], signal: AbortSignal): Promise<readonly SnmpValue[]> {
    const values: SnmpValue[] = [];
    for (let at = 0; at < oids.length; at += TOGETHER) values.push(...(await this.#getSome(oids.slice(at, at + TOGETHER), signal)));
    for (const [index, oid] of oids.entries()) this.#exchanged(`get ${oid}`, values[index] as SnmpValue);
    return values;
  }

  /** The object after this one in the agent's order, or null at the end. */
  async next(oid: string, signal: AbortSignal): Promise<{ readonly oid: string; readonly value: SnmpValue } | null> {
    const found = await this.#repeat((answered) => this.#session.getNext([oid], answered), signal);
    if ("status" in found) {
      if (found.status === "NoSuchName") {
        this.#exchanged(`next ${oid}`, null);
        return null;
      }
      throw this.#error(found);
    }
    const [varbind] = found;
    const next = varbind === undefined || varbind.type === this.#library.ObjectType.EndOfMibView ? null : { oid: varbind.oid, value: this.#value(varbind) };
    this.#exchanged(`next ${oid}`, next);
    return next;
  }

  /**
   * Sends one SET of one integer, before it returns: one datagram, never again. The answer is waited for until `stepMs` is
   * over or `signal` aborts.
   */
  set(oid: string, value: number, signal: AbortSignal): Promise<SnmpSetAnswer> {
    assert(!this.#ended, "a session that has ended sends nothing");
    this.#wire.allowOne();
    const answer = this.#once((answered) => this.#session.set([{ oid, type: this.#library.ObjectType.Integer, value }], answered), this.#options.stepMs, signal);
    return answer.then((said): SnmpSetAnswer => {
      const what = `SET ${oid} = ${value}`;
      if (!("status" in said)) return { kind: "accepted", evidence: `${what}: noError` };
      // After a command without an answer this session is not asked again: an answer that comes late is nobody's.
      if (said.status !== null && NOTHING_CHANGED.has(said.status)) return { kind: "refused", evidence: `${what}: ${said.why}` };
      this.close();
      return { kind: "none", evidence: `${what}: ${said.why}` };
    }).finally(() => this.#wire.allowAll());
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#wire.onRefused = () => {};
    this.#session.close();
  }

  #exchanged(question: string, answer: unknown): void {
    this.#tap?.said(question);
    this.#tap?.heard(JSON.stringify(answer));
  }

  async #getSome(oids: readonly string[], signal: AbortSignal): Promise<readonly SnmpValue[]> {
    const found = await this.#repeat((answered) => this.#session.get([...oids], answered), signal);
    if (!("status" in found)) return found.map((varbind) => this.#value(varbind));
    // SNMPv1 refuses the whole question for one object that it does not have.
    if (found.status !== "NoSuchName" && found.status !== "TooBig") throw this.#error(found);
    if (oids.length === 1) {
      if (found.status === "NoSuchName") return [{ kind: "missing" }];
      throw this.#error(found);
    }
    const values: SnmpValue[] = [];
    for (const oid of oids) values.push(...(await this.#getSome([oid], signal)));
    return values;
  }

  /** Asks up to `TRIES` times within one step; the first answer to any of them counts. */
  async #repeat(ask: Ask, signal: AbortSignal): Promise<readonly Varbind[] | Failure> {
    const { stepMs } = this.#options;
    const tries = new AbortController();
    const stop = AbortSignal.any([signal, tries.signal]);
    const asked: Promise<readonly Varbind[] | Failure>[] = [];
    const endMs = performance.now() + stepMs;
    try {
      for (let turn = 0; ; turn++) {
        const leftMs = endMs - performance.now();
        if (turn < TRIES && leftMs > 0) asked.push(this.#once(ask, leftMs, stop));
        const pause = turn < TRIES - 1 ? stepMs / TRIES : Math.max(0, leftMs);
        const found = await Promise.race([...asked, wait(pause, null, { signal: stop }).catch(() => null)]);
        if (found !== null) return found;
        if (turn >= TRIES) return { code: "POWER_TIMEOUT", status: null, why: `no answer within ${stepMs} ms` };
      }
    } finally {
      tries.abort();
    }
  }

  #once(ask: Ask, limitMs: number, signal: AbortSignal): Promise<readonly Varbind[] | Failure> {
    return new Promise((resolve) => {
      const failed = (code: ErrorCode, why: string): void => settle({ code, status: null, why });
      const timer = setTimeout(() => failed("POWER_TIMEOUT", `no answer within ${Math.round(limitMs)} ms`), limitMs);
      const abort = (): void => failed("POWER_TIMEOUT", "aborted");
      const settle = (found: readonly Varbind[] | Failure): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", abort);
        resolve(found);
      };
      if (signal.aborted) return abort();
      if (this.#ended) return failed("POWER_UNREACHABLE", "the session is closed");
      signal.addEventListener("abort", abort, { once: true });
      this.#wire.onRefused = () => failed("POWER_UNREACHABLE", this.#wire.refused ?? "unreachable");
      ask((error, varbinds) => settle(error === null || error === undefined ? (varbinds ?? []) : this.#failure(error)));
    });
  }

  /** In words of our own: see above. */
  #failure(error: unknown): Failure {
    const { RequestFailedError, ResponseInvalidError, ErrorStatus, ResponseInvalidCode } = this.#library;
    if (error instanceof RequestFailedError) {
      const status = ErrorStatus[error.status] ?? "GeneralError";
      return { code: status === "AuthorizationError" || status === "NoAccess" ? "POWER_LOGIN" : "POWER_NONSENSE", status, why: `the device said ${status}` };
    }
    if (error instanceof Error && error.name === "RequestTimedOutError") return { code: "POWER_TIMEOUT", status: null, why: "no answer in time" };
    if (error instanceof ResponseInvalidError) {
      const login = error.code === ResponseInvalidCode.EAuthFailure || error.code === ResponseInvalidCode.ECouldNotDecrypt;
      return login ? { code: "POWER_LOGIN", status: null, why: "the device and this user do not agree: unknown user, wrong password or protocol, or clocks" }
        : { code: "POWER_NONSENSE", status: null, why: "an answer that does not fit the question" };
    }
    return { code: "POWER_UNREACHABLE", status: null, why: this.#wire.refused ?? "the question could not be sent" };
  }

  #error({ code, why }: Failure): UpkeepError {
    return new UpkeepError(code, `${this.#options.host}:${this.#options.port}: ${why}`);
  }

  #value({ type, value }: Varbind): SnmpValue {
    const { ObjectType } = this.#library;
    switch (type) {
      case ObjectType.Integer:
      case ObjectType.Gauge:
        return typeof value === "number" ? { kind: "integer", value } : { kind: "other" };
      case ObjectType.OctetString:
        return { kind: "text", value: Buffer.isBuffer(value) ? value.toString("utf8") : String(value) };
      case ObjectType.OID:
        return { kind: "oid", value: String(value) };
      case ObjectType.NoSuchObject:
      case ObjectType.NoSuchInstance:
      case ObjectType.EndOfMibView:
        return { kind: "missing" };
      default:
        return { kind: "other" };
    }
  }
}

function userOf(library: Library, access: SnmpAccess & { readonly version: "3" }): Parameters<Library["createV3Session"]>[1] {
  const { AuthProtocols, PrivProtocols, SecurityLevel } = library;
  // aes256: the key is lengthened as Blumenthal's draft has it, which is what net-snmp and most vendors do.
  const privacy = { aes: PrivProtocols.aes, aes256: PrivProtocols.aes256b }[access.privacyProtocol];
  return { name: access.user, level: SecurityLevel.authPriv, authProtocol: AuthProtocols[access.authProtocol], authKey: access.authPassword, privProtocol: privacy, privKey: access.privacyPassword };
}
