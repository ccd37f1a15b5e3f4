// Every way of looking at a host, by its name in the configuration. A new one: its file, its test, its page, a line here.
//
// A probe is loaded when a configuration names it: http alone brings TLS and its root certificates, 8 MB that a watcher
// of SSH and DNS servers does without.

import type { Probe } from "./probe.ts";

const load = {
  ping: async () => (await import("./ping.ts")).ping,
  tcp: async () => (await import("./tcp.ts")).tcp,
  ssh: async () => (await import("./ssh.ts")).ssh,
  dns: async () => (await import("./dns.ts")).dns,
  http: async () => (await import("./http.ts")).http,
  postgres: async () => (await import("./postgres.ts")).postgres,
  ldap: async () => (await import("./ldap.ts")).ldap,
  redis: async () => (await import("./redis.ts")).redis,
  smtp: async () => (await import("./smtp.ts")).smtp,
  imap: async () => (await import("./imap.ts")).imap,
  tls: async () => (await import("./tls.ts")).tls,
  ups: async () => (await import("./ups.ts")).ups,
  rpc: async () => (await import("./rpc.ts")).rpc,
  nfs: async () => (await import("./nfs.ts")).nfs,
  ntp: async () => (await import("./ntp.ts")).ntp,
  snmp: async () => (await import("./snmp.ts")).snmp,
  plugin: async () => (await import("./plugin.ts")).plugin,
  dhcp: async () => (await import("./dhcp.ts")).dhcp,
  agent: async () => (await import("./agent.ts")).agent,
} as const;

export type ProbeName = keyof typeof load;

/** The options that a probe takes. */
export type OptionsOf<Name extends ProbeName> = Awaited<ReturnType<(typeof load)[Name]>> extends Probe<infer Options> ? Options : never;

/** Probes by name, for the round runner, which passes on options that the configuration has validated. */
export type Probes = ReadonlyMap<ProbeName, Probe<unknown>>;

/** Loads the probes of these names. */
export async function loadProbes(names: Iterable<ProbeName>): Promise<Probes> {
  return new Map(await Promise.all([...new Set(names)].map(async (name): Promise<[ProbeName, Probe<unknown>]> => [name, await load[name]()])));
}
