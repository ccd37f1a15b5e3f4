// The settings of `dhcp`. Servers try an address before they offer it, for up to three seconds, so its time-out is longer.

import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration } from "../fields.ts";
import { defineProbe, given } from "./probe-schema.ts";

const interfaceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/);
expectations.add(interfaceName, { says: "the name of a network interface, such as eth0" });

const server = z.string().refine((written) => written === "any" || isIPv4(written));
expectations.add(server, { says: "an IPv4 address, or any" });

export const dhcp = defineProbe({
  about: "An offer of a DHCP server.",
  reference: "A reference with a DHCP server.",
  incomplete: "dhcp needs an interface: { dhcp: { interface: eth0 } }",
  options: z.strictObject({
    interface: interfaceName.meta(about("The interface of this machine that is on the server's wire. Needs CAP_NET_RAW.", {}, "interface")),
    server: server.meta(about("The server whose offer is good, by its identifier; the host's address where it is left out; `any` for whichever answers.", {}, "IPv4 address or any")).optional(),
    timeout: duration("How long an offer may take: servers try an address before they offer it.", { minMs: 10, default: "4s" }).default(4_000),
  }),
  resolve({ interface: wire, server: wanted }, { address, refuse }) {
    if (wanted === undefined && isIPv6(address.host)) return refuse("PROBE_INCOMPLETE", "dhcp is of IPv4, and the host's address is not", "write { dhcp: { interface: …, server: 10.0.0.2 } }");
    return { interface: wire, ...given({ server: wanted }) };
  },
});
