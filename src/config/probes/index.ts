// What every probe adds to the configuration, by its name. A new one: its file here, its file in src/probes, and a line in
// either list. It compiles only while both speak of the same options.

import type { OptionsOf, ProbeName } from "../../probes/index.ts";
import type { Closable } from "../secret.ts";
import { agent } from "./agent.ts";
import { dhcp } from "./dhcp.ts";
import { dns } from "./dns.ts";
import { http } from "./http.ts";
import { nfs } from "./nfs.ts";
import { ntp } from "./ntp.ts";
import { ping } from "./ping.ts";
import { postgres } from "./postgres.ts";
import { ldap } from "./ldap.ts";
import { redis } from "./redis.ts";
import { smtp } from "./smtp.ts";
import { imap } from "./imap.ts";
import { tls } from "./tls.ts";
import { ups } from "./ups.ts";
import { plugin } from "./plugin.ts";
import type { OptionsFrom, ProbeSchema } from "./probe-schema.ts";
import { rpc } from "./rpc.ts";
import { snmp } from "./snmp.ts";
import { ssh } from "./ssh.ts";
import { tcp } from "./tcp.ts";

type Fitting<Options> = { resolve(settings: never, asked: never): Promise<Closable<Options> | null> | Closable<Options> | null };

const probes = {
  ping,
  tcp,
  ssh,
  dns,
  http,
  postgres,
  ldap,
  redis,
  smtp,
  imap,
  tls,
  ups,
  rpc,
  nfs,
  ntp,
  snmp,
  plugin,
  dhcp,
  agent,
} as const satisfies { readonly [Name in ProbeName]: Fitting<OptionsOf<Name>> };

/** Options of each probe as its schema resolves them, secrets closed. */
export type ResolvedOptions = { readonly [Name in ProbeName]: OptionsFrom<(typeof probes)[Name]> };

/** In the order in which they are told. */
export const PROBE_NAMES = Object.keys(probes) as [ProbeName, ...ProbeName[]];

/** The part of one probe, for code that treats all alike. */
export const PROBES = probes as unknown as Readonly<Record<ProbeName, ProbeSchema>>;
