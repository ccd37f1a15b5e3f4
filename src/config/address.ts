// Where something is reached: `HOST`, `HOST:PORT` or `[V6]:PORT`, HOST being an IPv4 or IPv6 address or a name.
//
// Names are not resolved here; a name that does not resolve today may tomorrow. What can only be a mistyped address
// (`10.0.0.256`, `10.0.0`) is refused, because as a name it would merely never answer.

import { isIP, isIPv6 } from "node:net";
import type { Parsed } from "./duration.ts";

export type Address = {
  /** Without brackets. */
  readonly host: string;
  readonly port: number | null;
};

/** Where watchers take agents in, unless told otherwise. */
export const AGENTS_PORT = 7_443;

const FORMS = "write HOST, HOST:PORT or [V6]:PORT";
// Underscores are not host names by RFC 1123, and stand in many internal zones all the same.
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

export function parseAddress(text: string): Parsed<Address> {
  const refuse = (hint: string): Parsed<Address> => ({ ok: false, message: `${JSON.stringify(text)} is not an address`, hint });
  if (isIPv6(text)) return { ok: true, value: { host: text, port: null } };
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(text);
  if (bracketed !== null) {
    const [, host = "", port] = bracketed;
    if (!isIPv6(host)) return refuse("only an IPv6 address stands in brackets");
    return withPort(host, port, refuse);
  }
  const [host = "", port, ...more] = text.split(":");
  if (more.length > 0) return refuse(/^[0-9a-f:.]+$/i.test(text) ? "an IPv6 address is wrong somewhere; with a port it stands in brackets: [fd77::1]:23" : FORMS);
  if (text.includes("//")) return refuse(`an address, not a URL: ${FORMS}`);
  if (!isHost(host)) return refuse(/^[0-9.]+$/.test(host) ? "an IPv4 address has four numbers from 0 to 255" : FORMS);
  return withPort(host, port, refuse);
}

/** The way back: brackets where they are needed. */
export function formatAddress(host: string, port: number | null): string {
  if (port === null) return host;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function withPort(host: string, port: string | undefined, refuse: (hint: string) => Parsed<Address>): Parsed<Address> {
  if (port === undefined) return { ok: true, value: { host, port: null } };
  if (!/^[0-9]{1,5}$/.test(port) || Number(port) > 65_535) return refuse("a port is a number from 0 to 65535");
  return { ok: true, value: { host, port: Number(port) } };
}

function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const labels = text.replace(/\.$/, "").split(".");
  // A top label of digits only can be no name (RFC 3696 §2): it is an IPv4 address gone wrong.
  return text.length <= 253 && labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? "");
}
