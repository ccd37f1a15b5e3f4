// Whether a request over TCP was meant for this server. A page from anywhere can make a browser on this machine connect to
// 127.0.0.1 by letting its own name resolve to it (DNS rebinding); what it cannot forge is the Host header, which still
// carries that name. So a request is answered only when it names this machine in a way that no stranger's page can:
// localhost, an address literal of a loopback or of the very interface that it came in by, or a configured name.
//
// The port is not compared: a rebinding page must use the right one anyway, and `ssh -L 9000:localhost:8080` must work.

import { isIP } from "node:net";

/** `localAddress` is the address that the connection arrived at; `names` are lower-case. */
export function isOurs(header: string | undefined, localAddress: string | undefined, names: ReadonlySet<string>): boolean {
  const host = hostOf(header);
  if (host === null) return false;
  if (host === "localhost" || names.has(host)) return true;
  if (isIP(host) === 0) return false;
  return isLoopback(host) || host === plain(localAddress ?? "");
}

/** The host of `HOST`, `HOST:PORT` or `[V6]:PORT` in lower case without the root's dot; null when it is none of these. */
export function hostOf(header: string | undefined): string | null {
  const parts = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::[0-9]{1,5})?$/i.exec(header ?? "");
  const host = parts?.[1] ?? parts?.[2];
  if (host === undefined || (parts?.[1] !== undefined && isIP(host) !== 6)) return null;
  return plain(host.toLowerCase().replace(/\.$/, ""));
}

function isLoopback(address: string): boolean {
  return address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}

/** An IPv4 address that arrived at a socket of both families is written `::ffff:10.0.0.1` there. */
function plain(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=[0-9.]+$)/, "");
}
