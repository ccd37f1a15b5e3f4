// Where hosts' kernels are heard (docs/guides/last-words.md). Off where it is left out: what is heard there has no other proof of who
// said it than the address on the datagram.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, address, flag, parsed } from "../fields.ts";
import { parseAddress } from "../address.ts";
import type { Parsed } from "../duration.ts";
import { NAME_PATTERN } from "../ranges.ts";

const source = parsed((value): Parsed<string> => {
  const found = parseAddress(value);
  return found.ok && found.value.port === null ? { ok: true, value: found.value.host } : { ok: false, message: `${JSON.stringify(value.slice(0, 60))} is not the address of a machine`, hint: "write 10.1.0.11, fd00::11 or a name, without a port" };
}, "ADDRESS_INVALID", "an address or a name of a machine").meta(about("An address or a name, without a port.", {}, "address"));

const also = z.record(z.string().regex(new RegExp(NAME_PATTERN)), z.array(source).min(1).max(16));
expectations.add(also, { says: "a mapping from hosts to lists of addresses" });

export const netconsole = z.strictObject({
  listen: address("Where datagrams are taken (UDP). Kernels send to port 6666 where nobody says otherwise.", { zero: true, default: "[::]:6666" }).optional(),
  hold: flag("Whether a kernel that says that it boots anew, or that it writes a crash dump, holds an off back, for as long as a boot may take or ten minutes, once in an incident. `false`: it is told and nothing else.", { default: true }).default(true),
  also: also.meta(about("More addresses that hosts send from, by the host's name. A datagram from an address that is no host's is dropped.", {}, "mapping from hosts to lists of addresses")).optional(),
});

export type NetconsoleInput = z.output<typeof netconsole>;
