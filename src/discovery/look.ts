// Which probes a host answers, asked by the probes themselves: what is written is what has just been good. Each is tried once,
// and once more where nothing was heard, since a datagram may be lost; a web server that answers something else than 200 is
// taken at its word.

import { openProbe } from "../config/open.ts";
import { PROBES } from "../config/probes/index.ts";
import { Secret } from "../config/secret.ts";
import type { ProbeTask } from "../config/config.ts";
import { loadProbes } from "../probes/index.ts";
import type { ProbeName, Probes } from "../probes/index.ts";
import type { Finding, ProbeTools, Target } from "../probes/probe.ts";
import { isIP, isIPv6 } from "node:net";

/** As in the file, with what was seen. */
export type Answered = { readonly probe: unknown; readonly evidence: string };

type Try = { readonly kind: ProbeName; readonly settings: Readonly<Record<string, unknown>> };

const WAIT_MS = 3_000;
const TRIES: readonly Try[] = [
  { kind: "ping", settings: {} },
  { kind: "ssh", settings: {} },
  { kind: "dns", settings: {} },
  { kind: "http", settings: { url: "http://{address}/" } },
  { kind: "http", settings: { url: "https://{address}/" } },
  { kind: "smtp", settings: {} },
  { kind: "imap", settings: {} },
  { kind: "ldap", settings: {} },
  { kind: "postgres", settings: {} },
  { kind: "redis", settings: {} },
  { kind: "ntp", settings: {} },
  { kind: "nfs", settings: {} },
  { kind: "ups", settings: {} },
];

/** All probes that answer at this address; none where `signal` cuts it short. */
export async function look(address: string, tools: ProbeTools, signal: AbortSignal, tries: readonly Try[] = TRIES, waitMs = WAIT_MS): Promise<readonly Answered[]> {
  const probes = await loadProbes(tries.map(({ kind }) => kind));
  const target: Target = { host: address, address, family: isIP(address) === 6 ? 6 : 4 };
  const found = await Promise.all(tries.map((each) => attempt(each, (kind, settings) => ask(kind, settings, target, probes, tools, AbortSignal.any([signal, AbortSignal.timeout(waitMs)])))));
  return found.filter((each) => each !== null);
}

async function attempt({ kind, settings }: Try, asked: (kind: ProbeName, settings: Try["settings"]) => Promise<Finding | null>): Promise<Answered | null> {
  let finding = await asked(kind, settings);
  if (finding === null || finding.sign === "silent") finding = await asked(kind, settings);
  if (finding === null) return null;
  if (finding.outcome === "good") return { probe: written(kind, settings), evidence: `${kind}: ${finding.evidence}` };
  const status = kind === "http" ? finding.perfdata?.find(({ label }) => label === "status")?.value : undefined;
  if (status === undefined || !(status >= 100 && status < 500)) return null;
  // A log-in or a redirect is an answer of a server that lives; that it gives it again shows that it was no accident.
  const settled = { ...settings, status };
  const again = await asked(kind, settled);
  return again?.outcome === "good" ? { probe: written(kind, settled), evidence: `${kind}: ${again.evidence}` } : null;
}

function written(kind: ProbeName, settings: Readonly<Record<string, unknown>>): unknown {
  return Object.keys(settings).length === 0 ? kind : { [kind]: settings };
}

/** One look; null: no answer in time, or it could not be asked. */
async function ask(kind: ProbeName, settings: Readonly<Record<string, unknown>>, target: Target, probes: Probes, tools: ProbeTools, signal: AbortSignal): Promise<Finding | null> {
  if (signal.aborted) return null;
  const schema = PROBES[kind];
  const options = await schema.resolve(schema.options.parse(settings), {
    name: target.host,
    address: { host: target.address, port: null },
    fill: (text, bracketed = false) => text.replaceAll("{address}", bracketed && isIPv6(target.address) ? `[${target.address}]` : target.address),
    // None of these has a secret of its own.
    secret: async () => new Secret(""),
    file: async () => "",
    refuse: () => null,
  });
  const probe = probes.get(kind);
  if (options === null || probe === undefined) return null;
  try {
    return await probe.run(target, openProbe({ kind, options } as ProbeTask).options, tools, signal);
  } catch {
    return null;
  }
}
