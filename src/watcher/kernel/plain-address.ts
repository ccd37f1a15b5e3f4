// One spelling for each address: a socket for both families shows IPv4 as `::ffff:10.0.0.11` and link-local addresses with their
// interface, and people write IPv6 in several ways.

import { isIP, SocketAddress } from "node:net";

/** As it is compared; what is no address stays what it is. */
export function plainAddress(written: string): string {
  const bare = written.replace(/%.*$/, "").toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  return isIP(bare) === 6 ? new SocketAddress({ address: bare, family: "ipv6" }).address : bare;
}
