// Every way of looking at a host, by its name in the configuration. A new one: its file, its test, its page, a line here.

import { dns } from "./dns.ts";
import { http } from "./http.ts";
import { ping } from "./ping.ts";
import type { Probe } from "./probe.ts";
import { ssh } from "./ssh.ts";
import { tcp } from "./tcp.ts";

/** The probes with their own option types. */
export const probes = { ping, tcp, ssh, dns, http } as const;

export type ProbeName = keyof typeof probes;

/** The probe of that name for the round runner, which passes on options that the configuration has validated. */
export function probeNamed(name: string): Probe<unknown> | undefined {
  return Object.hasOwn(probes, name) ? (probes[name as ProbeName] as Probe<unknown>) : undefined;
}
