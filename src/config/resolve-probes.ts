// The probes of one host, ready to run: ports and URLs filled in, ids given, and which of them count.
//
// Beside a service probe ping is evidence only: a network card answers it for a wedged host (field.md §1.28). Where ping is
// all there is, it counts, and a lint says so.

import { formatAddress } from "./address.ts";
import type { Address } from "./address.ts";
import type { ProbeSpec, ProbeTask } from "./config.ts";
import type { Entry } from "./gather.ts";
import type { Chosen } from "./layers.ts";
import type { Place, ProblemList } from "./problems.ts";
import type { ProbeInput } from "./sections/probes.ts";
import type { Rounds } from "./sections/tunables.ts";
import type { Secret } from "./secret.ts";
import type { SecretReader } from "./secrets.ts";

export type Resolved = { readonly spec: ProbeSpec; readonly counts: boolean; readonly input: ProbeInput; readonly place: Place };

const SSH_PORT = 22;
const SENSITIVE_HEADER = /^(authorization|proxy-authorization|cookie|.*(api-?key|token|secret).*)$/i;

type Chosens = { readonly probes: Chosen<readonly ProbeInput[]>; readonly timeout: Chosen<number> };
type Work = { readonly secrets: SecretReader; readonly problems: ProblemList };

/** All probes of a host; those that cannot be asked are left out and told. */
export async function resolveProbes(entry: Entry, address: Address, { probes, timeout }: Chosens, work: Work): Promise<readonly Resolved[]> {
  const service = probes.value.some((probe) => probe.kind !== "ping");
  const resolved: Resolved[] = [];
  const ids = new Map<string, number>();
  for (const [index, input] of probes.value.entries()) {
    const place = probes.place?.(index) ?? entry.at.place([], "key");
    const task = await taskFor(input, { name: entry.name, address, place, directory: probes.directory }, work);
    if (task === null) continue;
    const spec = { id: uniqueId(idOf(task), ids), timeoutMs: input.timeoutMs ?? timeout.value, ...task };
    resolved.push({ spec, counts: input.kind !== "ping" || input.required || !service, input, place });
  }
  return resolved;
}

/** Whom to ask, and where that is said. */
export type Asked = { readonly name: string; readonly address: Address; readonly place: Place; readonly directory: string };

/** What to ask, or null (told) when something is missing. */
export async function taskFor(input: ProbeInput, host: Asked, { secrets, problems }: Work): Promise<ProbeTask | null> {
  const { place, directory } = host;
  switch (input.kind) {
    case "ping":
      return { kind: "ping", options: input.options };
    case "dns":
      return { kind: "dns", options: input.options };
    case "ssh":
      return { kind: "ssh", options: { port: input.options.port ?? host.address.port ?? SSH_PORT } };
    case "tcp": {
      const port = input.options.port ?? host.address.port;
      if (port !== null) return { kind: "tcp", options: { ...input.options, port } };
      problems.add(place, "PROBE_INCOMPLETE", "tcp needs a port", "write { tcp: { port: 53 } }");
      return null;
    }
    case "http": {
      const url = input.options.url.replaceAll("{host}", host.name).replaceAll("{address}", formatAddress(host.address.host, 0).replace(/:0$/, ""));
      if (!URL.canParse(url)) {
        problems.add(place, "VALUE_INVALID", `not a URL for ${host.name}: ${url.slice(0, 100)}`);
        return null;
      }
      const headers: Record<string, Secret> = {};
      for (const [name, value] of Object.entries(input.options.headers)) {
        const secret = await secrets.read(value, place, directory, SENSITIVE_HEADER.test(name));
        if (secret === null) return null;
        headers[name] = secret;
      }
      return { kind: "http", options: { ...input.options, url, headers } };
    }
  }
}

/** How many must be good, or null for all; a rule that does not fit the probes is told at `place`. */
export function goodNeeded(rule: Chosen<{ readonly good: Rounds } | null>, resolved: readonly Resolved[], certain: boolean, hostName: string, problems: ProblemList): number | null {
  if (rule.value === null || rule.place === null || !certain) return null;
  const counting = resolved.filter(({ counts }) => counts).map(({ spec }) => spec.id);
  const { good, of } = rule.value.good;
  const total = of ?? counting.length;
  const names = counting.join(", ");
  const place = rule.place("good");
  if (total !== counting.length) problems.add(place, "ROUNDS_MISMATCH", `${hostName} has ${counting.length === 1 ? "one probe that counts" : `${counting.length} probes that count`}, not ${total}: ${names}`, "ping beside a service probe does not count unless it is required");
  else if (good > counting.length || good < 1) problems.add(place, "ROUNDS_MISMATCH", `${good} of the ${counting.length} probes that count on ${hostName} cannot be good: ${names}`);
  return good;
}

function idOf(task: ProbeTask): string {
  return task.kind === "tcp" ? `tcp:${task.options.port}` : task.kind;
}

function uniqueId(id: string, ids: Map<string, number>): string {
  const count = (ids.get(id) ?? 0) + 1;
  ids.set(id, count);
  return count === 1 ? id : `${id}#${count}`;
}
