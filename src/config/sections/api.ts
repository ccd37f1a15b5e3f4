// The interface over TCP: where it listens, by which names it may be called, and what proves who it is (docs/adr/0019).

import { z } from "zod";
import { parseAddress } from "../address.ts";
import type { Parsed } from "../duration.ts";
import { expectations } from "../expect.ts";
import { about, address, flag, orNull, parsed, text } from "../fields.ts";

const NAMES_MAX = 20;

const file = (description: string) => text(description, { max: 4_096 });
const pair = z.strictObject({
  cert: file("The certificate and what leads from it to its authority, PEM. A renewed one is taken up by a reload."),
  key: file("Its key, PEM, without a passphrase."),
});
const tls = z.union([z.literal("none"), pair]);
expectations.add(tls, { says: "none, or { cert: FILE, key: FILE }" });

const calledBy = parsed((value): Parsed<string> => {
  const found = parseAddress(value);
  return found.ok && found.value.port === null ? { ok: true, value: found.value.host } : { ok: false, message: `${JSON.stringify(value.slice(0, 60))} is not the name of a machine`, hint: "write watcher.example.org, without https:// and without a port" };
}, "ADDRESS_INVALID", "the name of a machine").meta(about("A name of this machine.", {}, "name"));

export const api = z.strictObject({
  listen: orNull(address("Where the API and the page listen. `null`: nowhere. The control socket is always there.", { zero: true, default: "127.0.0.1:8080" })).optional(),
  required: flag("Whether a taken port keeps the watcher from starting. It watches all the same where this is false.", { default: false }).default(false),
  tls: tls.meta(about("Files in PEM, relative to this one. Left out, a certificate is made on the first start and kept in `data`, and its fingerprint told; on a loopback address there is no TLS. `none`: plain HTTP, for a proxy that has its own.", {}, "`none`, or mapping")).optional(),
  names: z.array(calledBy).max(NAMES_MAX).meta(about("Names by which browsers and programs may call this machine, beside `localhost`, its addresses and its own name. A request for another name is refused.", { default: [] }, "list of names")).default([]),
});

export type ApiInput = z.output<typeof api>;
