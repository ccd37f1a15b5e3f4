// Asks an SNMP agent for one object (RFC 3416, GetRequest) and looks whether its value is within bounds. The protocol, its BER
// and the security of version 3 are the library's; the socket is ours, connected, so that the kernel drops strangers and tells of
// a closed port, and so that there is an end to the talking: an agent that answers every question with a report would be
// asked again for ever. Nothing is sent again when nothing comes.
//
// Only a value may speak against a host. That the agent has no such object (any more), or does not let us see it, is an answer
// of something that lives; and a community that it does not know is met with silence, which cannot be told from a dead one.

import { EventEmitter } from "node:events";
import type { Session, User, Varbind } from "net-snmp";
import { snmpEnvelope } from "../protocol/snmp.ts";
import { openDatagrams } from "./datagram.ts";
import { bad, errorCode, good, notRun, printable } from "./finding.ts";
import type { Finding, Probe, Target } from "./probe.ts";
import { Turns } from "./turns.ts";

export type SnmpUser = {
  readonly name: string;
  /** Null: not signed; and then not encrypted either. */
  readonly auth: { readonly protocol: "md5" | "sha" | "sha224" | "sha256" | "sha384" | "sha512"; readonly password: string } | null;
  readonly privacy: { readonly protocol: "aes" | "aes256" | "aes256-cisco" | "des"; readonly password: string } | null;
};

export type SnmpOptions = {
  readonly port: number;
  readonly version: "1" | "2c" | "3";
  /** Of versions 1 and 2c. */
  readonly community: string;
  /** Of version 3. */
  readonly user: SnmpUser | null;
  readonly context: string;
  /** Dotted numbers, of one instance: `1.3.6.1.2.1.1.3.0`. */
  readonly oid: string;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  /** The value as text. */
  readonly equals?: string | undefined;
};

type Library = typeof import("net-snmp");

/** Sessions at once, in all: each is a socket, and each that nobody answers lasts as long as its round. */
const turns = new Turns(256);
/** Discovery, the clock, the question: more than these of ours in one look, and we are led in circles. */
const SENT_MAX = 4;
/** Datagrams read in one look. */
const RECEIVED_MAX = 20;
/** Keys by engine are kept by the library for ever; an agent that names another engine each time would fill the memory. */
const KEYS_MAX = 4_096;
const KEYS_LOOKED_AT_EVERY = 256;

let library: Promise<Library> | undefined;
let looks = 0;

export const snmp: Probe<SnmpOptions> = {
  name: "snmp",
  service: true,
  awaits: "answer (a wrong community looks the same)",
  async run(target, options, _tools, signal, progress) {
    signal.throwIfAborted();
    const loaded = await (library ??= load());
    const release = await turns.take(signal, progress);
    try {
      return await look(loaded, target, options, signal);
    } finally {
      release();
    }
  },
};

async function load(): Promise<Library> {
  return (await import("net-snmp")).default as unknown as Library;
}

function look(loaded: Library, target: Target, options: SnmpOptions, signal: AbortSignal): Promise<Finding> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    boundKeys(loaded);
    let settled = false;
    let session: Session | undefined;
    let received = 0;
    const wire = new Wire(settle);
    const datagrams = openDatagrams(target, options.port, {
      ready() {
        wire.out = (bytes) => datagrams.send(bytes);
        session = open(loaded, options, wire);
        session.get([options.oid], (error, varbinds) => settle(error === null ? judge(loaded, options, varbinds) : failure(loaded, options, error)));
      },
      message(datagram) {
        received += 1;
        if (isProtected(options, datagram) && !wire.in(datagram)) settle(bad("answer", "not an answer to the question"));
        if (received >= RECEIVED_MAX) settle(bad("answer", `${received} datagrams, none an answer`));
      },
      failed: settle,
    });
    signal.addEventListener("abort", abort, { once: true });

    function settle(finding: Finding): void {
      if (end()) resolve(finding);
    }
    function abort(): void {
      if (end()) reject(signal.reason);
    }
    function end(): boolean {
      if (settled) return false;
      settled = true;
      signal.removeEventListener("abort", abort);
      datagrams.close();
      session?.close(); // takes its timers back; it tells the question of it, which is not listened to any more
      return true;
    }
  });
}

/** Whether a message comes with the protection that was asked for, which the library does not look at; a report cannot (RFC 3414 §3.2). */
function isProtected({ version, user }: SnmpOptions, datagram: Buffer): boolean {
  const envelope = snmpEnvelope(datagram);
  if (envelope === null) return false;
  if (envelope.version !== 3) return version !== "3";
  if (version !== "3") return false;
  return envelope.pdu === "report" || ((user?.auth === null || envelope.authenticated) && (user?.privacy === null || envelope.encrypted));
}

/** What the library takes for a dgram.Socket. */
class Wire extends EventEmitter {
  out: ((bytes: Buffer) => void) | null = null;
  readonly #circles: (finding: Finding) => void;
  #sent = 0;

  constructor(circles: (finding: Finding) => void) {
    super();
    this.#circles = circles;
  }

  /** False: the library took it for the answer, and then could not take it apart. */
  in(datagram: Buffer): boolean {
    try {
      this.emit("message", datagram);
      return true;
    } catch {
      return false;
    }
  }

  send(bytes: Buffer, offset: number, length: number, _port: number, _address: string, done: (error: null) => void): void {
    this.#sent += 1;
    if (this.#sent > SENT_MAX) return this.#circles(bad("answer", "the agent answers with reports without end"));
    this.out?.(bytes.subarray(offset, offset + length));
    done(null);
  }

  ref(): void {
    // The socket is ours to hold.
  }

  unref(): void {
    // As above.
  }

  close(): void {
    this.emit("close");
  }
}

function open(loaded: Library, { version, community, user, context }: SnmpOptions, wire: Wire): Session {
  // The round's time-out is the only one, so the library's is out of reach.
  const common = { retries: 0, timeout: 600_000, idBitsSize: 32, dgramModule: { createSocket: () => wire } } as const;
  const session = version === "3" ? loaded.createV3Session("", userOf(loaded, user), { ...common, context } as never)
    : loaded.createSession("", community, { ...common, version: version === "1" ? loaded.Version1 : loaded.Version2c } as never);
  session.on("error", () => undefined); // a message that could not be read
  return session;
}

/** The library's names: of keys lengthened after Blumenthal's draft, and after Reeder's. */
const KEYS = { "aes": "aes", "aes256": "aes256b", "aes256-cisco": "aes256r", "des": "des" } as const;

function userOf({ SecurityLevel, AuthProtocols, PrivProtocols }: Library, user: SnmpUser | null): User {
  const { name = "", auth = null, privacy = null } = user ?? {};
  const signed = auth === null ? {} : { authProtocol: AuthProtocols[auth.protocol], authKey: auth.password };
  if (auth === null || privacy === null) return { name, level: auth === null ? SecurityLevel.noAuthNoPriv : SecurityLevel.authNoPriv, ...signed } as User;
  return { name, level: SecurityLevel.authPriv, ...signed, privProtocol: PrivProtocols[KEYS[privacy.protocol]], privKey: privacy.password } as User;
}

function judge({ ObjectType }: Library, options: SnmpOptions, varbinds: readonly Varbind[] | undefined): Finding {
  const [varbind] = varbinds ?? [];
  if (varbind === undefined || varbinds?.length !== 1 || varbind.oid !== options.oid) return bad("answer", "the answer is not about what was asked for");
  const { oid, min, max, equals } = options;
  const type = varbind.type as number;
  if (type === ObjectType.NoSuchObject || type === ObjectType.NoSuchInstance || type === ObjectType.EndOfMibView || type === ObjectType.Null) {
    return lives(`the agent has no ${oid}`);
  }
  const { text, number } = valueOf(type, varbind.value as unknown);
  const shown = `${oid} = ${printable(text, 80)}`;
  const perfdata = number === null ? {} : { perfdata: [{ label: oid, value: number }] };
  if (equals !== undefined) return { ...(text === equals ? good(shown) : bad("answer", `${shown} (expected ${equals})`)), ...perfdata };
  if (min === undefined && max === undefined) return { ...good(shown), ...perfdata };
  if (number === null) return lives(`${shown} is not a number`);
  const wrong = min !== undefined && number < min ? `at least ${min}` : max !== undefined && number > max ? `at most ${max}` : null;
  return { ...(wrong === null ? good(shown) : bad("answer", `${shown} (${wrong})`)), ...perfdata };
}

/** OpaqueFloat of NET-SNMP-TC: tags 9f 78, four bytes. */
const OPAQUE_FLOAT = Buffer.from([0x9f, 0x78, 0x04]);
const NUMBER = /^-?\d{1,30}(\.\d{1,30})?$/;

/** A value as text, and as a number where it is one; load averages and the like come as texts that are numbers. */
function valueOf(type: number, value: unknown): { readonly text: string; readonly number: number | null } {
  if (typeof value === "number") return { text: String(value), number: value };
  if (!Buffer.isBuffer(value)) return { text: String(value), number: null };
  if (type === COUNTER64) {
    const counted = value.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    return { text: String(counted), number: Number(counted) };
  }
  if (type === OPAQUE && value.length === 7 && value.subarray(0, 3).equals(OPAQUE_FLOAT)) {
    const float = value.readFloatBE(3);
    return Number.isFinite(float) ? { text: String(float), number: float } : { text: String(float), number: null };
  }
  const text = value.toString("utf8", 0, 4_096);
  return { text, number: NUMBER.test(text.trim()) ? Number(text) : null };
}

const OPAQUE = 68;
const COUNTER64 = 70;
/** RFC 3416 §3: noSuchName is how version 1 says that there is no such object; noAccess, authorizationError: not for us. */
const NOT_FOR_US = new Map([[1, "the answer does not fit into a datagram"], [2, "the agent has no such object"], [6, "the agent does not let us see it"], [16, "the agent does not let us see it"]]);

function failure({ RequestFailedError, ResponseInvalidError, ResponseInvalidCode }: Library, { oid }: SnmpOptions, error: Error): Finding {
  if (error instanceof RequestFailedError) {
    const status = (error as { status?: number }).status ?? 0;
    const why = NOT_FOR_US.get(status);
    return why === undefined ? bad("answer", `${oid}: the agent answers error ${status}`) : lives(`${oid}: ${why}`);
  }
  if (error instanceof ResponseInvalidError) {
    const code = (error as unknown as { code?: number }).code;
    const codes = ResponseInvalidCode as unknown as Readonly<Record<string, number>>;
    // The library's own words hold digests of the key; those of RFC 3414's counters are plain.
    const counter = /^[A-Za-z ]{1,60}$/.test(error.message) ? error.message : "not authentic";
    if (code === codes["EAuthFailure"]) return lives(`the agent turns us away, or is another: ${counter}`);
    if (code === codes["ECouldNotDecrypt"] || code === codes["ENotInTimeWindow"]) return lives("the agent's answer cannot be decrypted, or is out of its time");
    if (code === codes["EUnexpectedReport"]) return lives("the agent turns us away with a report");
    return bad("answer", "not an answer to the question");
  }
  return notRun(`this machine could not ask: ${errorCode(error) || error.name}`);
}

/** What lives and cannot be judged. */
function lives(evidence: string): Finding {
  return { ...notRun(evidence), sign: "answer" };
}

function boundKeys(loaded: Library): void {
  looks += 1;
  if (looks % KEYS_LOOKED_AT_EVERY !== 0) return;
  const { Authentication } = loaded as unknown as { readonly Authentication: { authToKeyCache: object } };
  if (Object.keys(Authentication.authToKeyCache).length > KEYS_MAX) Authentication.authToKeyCache = {};
}
