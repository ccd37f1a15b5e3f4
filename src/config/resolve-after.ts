// `after`: the order in which hosts are started when power is back. Names that nobody has and circles are mistakes of the file; a
// circle is told once, whole, at the first of its hosts.

import type { ResolvedHost } from "./resolve.ts";
import type { ProblemList } from "./problems.ts";
import { didYouMean } from "./suggest.ts";

export function checkAfter(hosts: readonly ResolvedHost[], known: ReadonlyMap<string, unknown>, problems: ProblemList): void {
  const after = new Map(hosts.map(({ policy }) => [policy.name, policy.after ?? []]));
  const told = new Set<string>();
  for (const { policy, entry } of hosts) {
    for (const [at, name] of (policy.after ?? []).entries()) {
      if (!known.has(name)) problems.add(entry.at.place(["after", at]), "HOST_UNKNOWN", `no host is named ${name}`, didYouMean(name, known.keys()) ?? "hosts stand under hosts:");
    }
    const circle = circleFrom(policy.name, after);
    if (circle === null || circle.some((name) => told.has(name))) continue;
    for (const name of circle) told.add(name);
    problems.add(entry.at.place(["after"]), "AFTER_CIRCLE", `${[...circle, circle[0]].join(" after ")}: none of them could be the first`, "leave one of these out");
  }
}

/** The hosts that this one is after, until it is after itself; null: it is not. */
function circleFrom(start: string, after: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const seen = new Set<string>();
  const walk = (path: readonly string[]): readonly string[] | null => {
    for (const next of after.get(path.at(-1) ?? start) ?? []) {
      if (next === start) return path;
      if (seen.has(next)) continue;
      seen.add(next);
      const found = walk([...path, next]);
      if (found !== null) return found;
    }
    return null;
  };
  return walk([start]);
}
