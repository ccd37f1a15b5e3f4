// Whether an address is a power device: what it says by SNMP, on its console, by IPMI and by Redfish, asked without logging in
// anywhere. Nothing is switched and nothing can be: of the SNMP client only questions are used, a console is heard and hung
// up on before its log-in, and a presence ping (ASF 2.0 §3.2.4.3) and the service root (DSP0266 §6.4) are open to everybody.

import dgram from "node:dgram";
import net from "node:net";
import { randomInt } from "node:crypto";
import { oneLine } from "../config/names.ts";
import { SnmpClient } from "../power/snmp-client.ts";
import { SNMP_MODELS, SNMP_MODEL_NAMES, modelOf } from "../power/snmp-models.ts";
import type { SnmpModel, SnmpModelName } from "../power/snmp-models.ts";
import { TELNET_START, telnetDecode } from "../protocol/telnet.ts";

export type FoundDevice = {
  readonly address: string;
  readonly driver: "apc" | "snmp-pdu" | "ipmi" | "redfish";
  /** Settings that are known beside the address. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** In a sentence, of the device's own words. */
  readonly seen: string;
  /** Outlets with the names that somebody gave them. */
  readonly outlets: readonly { readonly outlet: string; readonly label: string }[];
};

export type DeviceOptions = {
  /** May read; `public` is what devices ship with. */
  readonly community: string;
  /** Other than the usual ones, in tests; null: not asked there. */
  readonly ports?: { readonly snmp?: number | null; readonly telnet?: number | null; readonly ipmi?: number | null; readonly redfish?: number | null };
  /** For each first answer. */
  readonly waitMs?: number;
};

const WAIT_MS = 3_000;
/** An SNMP agent of a small card takes its time for a table. */
const WALK_WAITS = 5;
const BANNER_BYTES_MAX = 4_096;
const ROOT_BYTES_MAX = 65_536;
const OUTLETS_MAX = 96;
const SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0";
const SYS_DESCR = "1.3.6.1.2.1.1.1.0";

/** Everything at this address that could switch power. Never rejects. */
export async function devicesAt(address: string, options: DeviceOptions, signal: AbortSignal): Promise<readonly FoundDevice[]> {
  const { snmp = 161, telnet = 23, ipmi = 623, redfish = 443 } = options.ports ?? {};
  const { waitMs = WAIT_MS } = options;
  const limited = (ms: number): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  const asked = [
    snmp === null ? null : bySnmp(address, snmp, options.community, waitMs, limited(WALK_WAITS * waitMs)),
    telnet === null ? null : byConsole(address, telnet, limited(waitMs)),
    ipmi === null ? null : byPresence(address, ipmi, limited(waitMs)),
    redfish === null ? null : byServiceRoot(address, redfish, limited(waitMs)),
  ];
  const found = await Promise.all(asked.map((each) => each?.catch(() => null) ?? null));
  return found.filter((each) => each !== null);
}

const at = (address: string, port: number, usual: number): { readonly address: string } => ({ address: port === usual ? address : net.isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}` });

async function bySnmp(address: string, port: number, community: string, stepMs: number, signal: AbortSignal): Promise<FoundDevice | null> {
  const client: Pick<SnmpClient, "get" | "next" | "close"> = await SnmpClient.open({ host: address, port, access: { version: "1", community }, stepMs }, signal);
  try {
    const [object, described] = await client.get([SYS_OBJECT_ID, SYS_DESCR], signal);
    if (object?.kind !== "oid") return null;
    const certain = modelOf(object.value);
    // Where that is not certain the device has the tables or it has not, and only one family's of its maker is asked for.
    const model = certain ?? (await firstWithTable(client, SNMP_MODEL_NAMES.filter((name) => sameMaker(SNMP_MODELS[name].state.oid, object.value)), signal));
    if (model === null) return null;
    const outlets = await outletsOf(client, SNMP_MODELS[model], signal);
    const words = described?.kind === "text" ? described.value : object.value;
    return { ...at(address, port, 161), driver: "snmp-pdu", settings: { model, version: 1 }, seen: oneLine(`${SNMP_MODELS[model].devices}, by SNMP: ${words}`), outlets };
  } finally {
    client.close();
  }
}

/** Under the same enterprise (1.3.6.1.4.1.N). */
function sameMaker(a: string, b: string): boolean {
  return a.split(".").slice(0, 7).join(".") === b.replace(/^\./, "").split(".").slice(0, 7).join(".");
}

async function firstWithTable(client: Pick<SnmpClient, "next">, models: readonly SnmpModelName[], signal: AbortSignal): Promise<SnmpModelName | null> {
  for (const model of models) {
    const { oid } = SNMP_MODELS[model].state;
    const next = await client.next(oid, signal);
    if (next !== null && next.oid.startsWith(`${oid}.`)) return model;
  }
  return null;
}

async function outletsOf(client: Pick<SnmpClient, "next">, { label, unit }: SnmpModel, signal: AbortSignal): Promise<FoundDevice["outlets"]> {
  const outlets: { outlet: string; label: string }[] = [];
  let oid = label;
  while (outlets.length < OUTLETS_MAX) {
    const next = await client.next(oid, signal);
    // A device that goes round in circles would be walked for ever.
    if (next === null || !next.oid.startsWith(`${label}.`) || next.oid === oid) break;
    oid = next.oid;
    const row = oid.slice(label.length + 1);
    if (next.value.kind === "text") outlets.push({ outlet: row.startsWith(unit) ? row.slice(unit.length) : row, label: oneLine(next.value.value, 60) });
  }
  return outlets;
}

/** The log-in of an APC device (field.md §9), which asks for `User Name`; everybody else asks for a login. */
function byConsole(address: string, port: number, signal: AbortSignal): Promise<FoundDevice | null> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(null);
    const socket = net.connect({ host: address, port });
    let state = TELNET_START;
    let said = "";
    const end = (found: FoundDevice | null): void => {
      signal.removeEventListener("abort", give);
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      // A FIN, so that the one session is free again at once; and no waiting for the answer.
      socket.end();
      setTimeout(() => socket.destroy(), 250).unref();
      resolve(found);
    };
    const give = (): void => end(null);
    signal.addEventListener("abort", give, { once: true });
    socket.on("error", give);
    socket.on("end", give);
    socket.on("data", (chunk: Buffer) => {
      const decoded = telnetDecode(state, chunk.subarray(0, BANNER_BYTES_MAX));
      state = decoded.state;
      if (decoded.replies.length > 0) socket.write(decoded.replies);
      said = (said + Buffer.from(decoded.data).toString("latin1")).slice(-BANNER_BYTES_MAX);
      if (/User Name\s*:/.test(said)) end({ ...at(address, port, 23), driver: "apc", settings: {}, seen: "asks for a User Name on its console, as APC devices do", outlets: [] });
      else if (said.length >= BANNER_BYTES_MAX || /login:/i.test(said)) give();
    });
  });
}

/** Presence ping and pong (ASF 2.0 §3.2.4): who answers has a management controller that speaks RMCP. */
function byPresence(address: string, port: number, signal: AbortSignal): Promise<FoundDevice | null> {
  const tag = randomInt(255);
  const ping = Buffer.from([0x06, 0x00, 0xff, 0x06, 0x00, 0x00, 0x11, 0xbe, 0x80, tag, 0x00, 0x00]);
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: net.isIPv6(address) ? "udp6" : "udp4", lookup: (name, _options, found) => found(null, name, net.isIPv6(address) ? 6 : 4) });
    const end = (found: FoundDevice | null): void => {
      signal.removeEventListener("abort", give);
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      socket.close();
      resolve(found);
    };
    const give = (): void => end(null);
    if (signal.aborted) return give();
    signal.addEventListener("abort", give, { once: true });
    socket.on("error", give);
    socket.on("message", (pong) => {
      // The class ASF, IANA's number of the ASF, a pong, our tag; bit 7 of the entities says IPMI.
      if (pong.length < 28 || (pong[3] as number) !== 0x06 || pong.readUInt32BE(4) !== 0x11be || pong[8] !== 0x40 || pong[9] !== tag || ((pong[20] as number) & 0x80) === 0) return;
      end({ ...at(address, port, 623), driver: "ipmi", settings: {}, seen: "a management controller that speaks IPMI", outlets: [] });
    });
    socket.connect(port, address, () => socket.send(ping));
  });
}

/** `/redfish/v1/` answers without a log-in. Certificates of such devices are their own, and nothing is told to them. */
async function byServiceRoot(address: string, port: number, signal: AbortSignal): Promise<FoundDevice | null> {
  const { request } = await import("node:https");
  const host = net.isIPv6(address) ? `[${address}]` : address;
  const body = await new Promise<string>((resolve, reject) => {
    const asked = request({ host: address, port, path: "/redfish/v1/", rejectUnauthorized: false, signal, headers: { accept: "application/json" }, agent: false }, (answer) => {
      let bytes = 0;
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ROOT_BYTES_MAX) asked.destroy(new Error("too much"));
        else chunks.push(chunk);
      });
      answer.on("end", () => resolve(answer.statusCode === 200 ? Buffer.concat(chunks).toString() : ""));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end();
  });
  const root = JSON.parse(body) as Record<string, unknown> | null;
  const version = root?.["RedfishVersion"];
  // Some say no version; all say what they are (DSP0266 §8.6.5).
  if (root === null || !(typeof version === "string" || (typeof root["@odata.type"] === "string" && root["@odata.type"].startsWith("#ServiceRoot.")))) return null;
  const maker = ["Vendor", "Product", "Name"].map((key) => root[key]).filter((value) => typeof value === "string").join(", ");
  return { address: host, driver: "redfish", settings: { url: `https://${host}${port === 443 ? "" : `:${port}`}` }, seen: oneLine(`speaks Redfish${typeof version === "string" ? ` ${version}` : ""}${maker === "" ? "" : `: ${maker}`}`), outlets: [] };
}
