// The probes of one host, ready to run: ports and URLs filled in, ids given, and which of them count.
//
// Beside a service probe ping is evidence only: a network card answers it for a wedged host (field.md §1.28). Where ping is
// all there is, it counts, and a lint says so.

import { isIPv6 } from "node:net";
import { isAbsolute, join } from "node:path";
import type { Address } from "./address.ts";
import type { ProbeSpec, ProbeTask } from "./config.ts";
import type { SecretInput } from "./fields.ts";
import type { Entry } from "./gather.ts";
import type { Chosen } from "./layers.ts";
import type { Place, ProblemList } from "./problems.ts";
import { PROBES } from "./probes/index.ts";
import type { Asked } from "./probes/probe-schema.ts";
import type { ProbeInput } from "./sections/probes.ts";
import type { Rounds } from "./sections/tunables.ts";
import { Secret } from "./secret.ts";
import type { SecretReader } from "./secrets.ts";

export type Resolved = {
  readonly spec: ProbeSpec;
  readonly counts: boolean;
  readonly input: ProbeInput;
  readonly place: Place;
  /** Where each secret of the options comes from. */
  readonly secrets: ReadonlyMap<Secret, string>;
};

type Chosens = { readonly probes: Chosen<readonly ProbeInput[]>; readonly timeout: Chosen<number> };
type Work = { readonly secrets: SecretReader; readonly problems: ProblemList };

/** All probes of a host; those that cannot be asked are left out and told. */
export async function resolveProbes(entry: Entry, address: Address, { probes, timeout }: Chosens, work: Work): Promise<readonly Resolved[]> {
  const service = probes.value.some(({ kind }) => PROBES[kind].evidenceOnly !== true);
  const resolved: Resolved[] = [];
  const ids = new Map<string, number>();
  for (const [index, input] of probes.value.entries()) {
    const place = probes.place?.(index) ?? entry.at.place([], "key");
    const found = await taskFor(input, { name: entry.name, address, place, directory: probes.directory }, work);
    if (found === null) continue;
    const { task, secrets } = found;
    const { id, evidenceOnly } = PROBES[input.kind];
    const spec = { id: uniqueId(id?.(task.options) ?? task.kind, ids), timeoutMs: input.timeoutMs ?? timeout.value, ...task };
    resolved.push({ spec, counts: evidenceOnly !== true || input.required || !service, input, place, secrets });
  }
  return resolved;
}

/** Whom to ask, and where that is said. */
export type At = { readonly name: string; readonly address: Address; readonly place: Place; readonly directory: string };

/** What to ask, and where its secrets come from; or null (told) when something is missing. */
export async function taskFor(input: ProbeInput, at: At, work: Work): Promise<{ readonly task: ProbeTask; readonly secrets: ReadonlyMap<Secret, string> } | null> {
  const { name, address, place, directory } = at;
  const secrets = new Map<Secret, string>();
  let whole = true;
  const asked: Asked = {
    name, address,
    fill: (text, bracketed = false) => text.replaceAll("{host}", name).replaceAll("{address}", bracketed && isIPv6(address.host) ? `[${address.host}]` : address.host),
    async secret(reference, lint) {
      const secret = await work.secrets.read(reference, place, directory, lint);
      whole &&= secret !== null;
      // What stands in for a missing one goes nowhere.
      const found = secret ?? new Secret("");
      secrets.set(found, originOf(reference));
      return found;
    },
    async file(path) {
      const found = await work.secrets.text(isAbsolute(path) ? path : join(directory, path), place, false);
      if (typeof found === "string") return found;
      whole = false;
      work.problems.add(place, "FILE_UNREADABLE", `${path}: ${found.wrong}`);
      return "";
    },
    refuse(code, message, hint) {
      work.problems.add(place, code, message, hint ?? null);
      return null;
    },
  };
  const options = await PROBES[input.kind].resolve(input.settings, asked);
  return options === null || !whole ? null : { task: { kind: input.kind, options } as ProbeTask, secrets };
}

function originOf(reference: SecretInput): string {
  if ("file" in reference) return `file ${reference.file}`;
  return "env" in reference ? `env ${reference.env}` : "literal";
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

function uniqueId(id: string, ids: Map<string, number>): string {
  const count = (ids.get(id) ?? 0) + 1;
  ids.set(id, count);
  return count === 1 ? id : `${id}#${count}`;
}
