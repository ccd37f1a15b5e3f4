// Looks, in the namespace that it is started in, at what the arguments say, and prints each finding as a line of JSON: for
// tests whose servers live in a network of their own. Arguments: [{ probe, target, options, limitMs }, …] as JSON.

import { noIcmp } from "./conformance.ts";
import { loadProbes } from "./index.ts";
import type { ProbeName } from "./index.ts";
import type { Finding, Target } from "./probe.ts";

export type Look = { readonly probe: ProbeName; readonly target: Target; readonly options: unknown; /** Then it is `pending`. */ readonly limitMs?: number };

export type Seen = Finding | { readonly outcome: "pending"; readonly sign?: undefined; readonly evidence: string };

if (import.meta.main) {
  for (const look of JSON.parse(process.argv[2] ?? "[]") as readonly Look[]) process.stdout.write(`${JSON.stringify(await lookAt(look))}\n`);
}

async function lookAt({ probe: name, target, options, limitMs }: Look): Promise<Seen> {
  const probe = (await loadProbes([name])).get(name);
  const signal = AbortSignal.timeout(limitMs ?? 10_000);
  let progress = "";
  try {
    return (await probe?.run(target, options, { icmp: noIcmp }, signal, (text) => (progress = text))) as Finding;
  } catch (error) {
    if (!signal.aborted) throw error;
    return { outcome: "pending", evidence: progress };
  }
}

/** The arguments that start a look in a namespace. */
export function lookArgv(looks: readonly Look[]): readonly string[] {
  return [process.execPath, "--disable-warning=ExperimentalWarning", import.meta.filename, JSON.stringify(looks)];
}

/** What it printed. */
export function seenIn(stdout: string): readonly Seen[] {
  return stdout.trim().split("\n").map((line) => JSON.parse(line) as Seen);
}
