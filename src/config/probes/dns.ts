// The settings of `dns`. Without a name any well-formed answer is good, so nothing that judges answers may stand there.

import { z } from "zod";
import { choice, flag, port, text } from "../fields.ts";
import { defineProbe, given, timeout } from "./probe-schema.ts";

export const dns = defineProbe({
  about: "An answer of a DNS server.",
  reference: "A reference with a DNS server.",
  options: z.strictObject({
    port: port("The port of the DNS server.", { default: 53 }).default(53),
    name: text("What to ask for. Without a name `. NS` is asked and any well-formed answer is good, so that an outage upstream does not cut a resolver.", { max: 253 }).optional(),
    type: choice(["A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "SRV", "PTR"], "The type of record asked for.", { default: "A" }).optional(),
    rcode: choice(["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"], "The response code that is good.", { default: "NOERROR" }).optional(),
    answer: text("What one of the answers must be, as text.", { max: 512 }).optional(),
    tcp: flag("Ask over TCP instead of UDP.", { default: false }).default(false),
    timeout,
  }),
  check(settings) {
    const stray = (["type", "rcode", "answer"] as const).find((key) => settings[key] !== undefined);
    return settings.name === undefined && stray !== undefined ? `dns without a name takes any well-formed answer: ${stray} needs a name` : null;
  },
  resolve: (settings) => ({
    port: settings.port, type: settings.type ?? ("A" as const), rcode: settings.rcode ?? ("NOERROR" as const), tcp: settings.tcp,
    ...given({ name: settings.name, answer: settings.answer }),
  }),
});
