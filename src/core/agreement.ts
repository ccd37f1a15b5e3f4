// Whether the watchers that are assigned to a host agree that it is down (safety.md §2.3). need = ⌊n/2⌋+1 of the n assigned;
// the dead and the abstaining stay in n; one fresh `up` is a veto and is shown as a disagreement. With one watcher this
// is that watcher's own word; nothing else in the core knows how many watchers there are.

export type Vote = { readonly watcher: string; readonly says: "up" | "down" | "abstain"; readonly hash: string; readonly ageMs: number };

export type Agreement =
  | { readonly kind: "down"; readonly votes: number; readonly of: number }
  | { readonly kind: "disagreement"; readonly because: string }
  | { readonly kind: "short"; readonly because: string };

export type Electorate = {
  readonly assigned: readonly string[];
  readonly hash: string;
  /** Votes older than this are no votes: 2 × every + timeout. */
  readonly freshForMs: number;
  readonly lone: "hold" | "act";
};

export function agree(electorate: Electorate, votes: readonly Vote[]): Agreement {
  const { assigned, hash, freshForMs } = electorate;
  const eligible = assigned.map((watcher) => votes.find((vote) => vote.watcher === watcher && vote.hash === hash && vote.ageMs <= freshForMs)).filter((vote) => vote !== undefined);
  const down = eligible.filter((vote) => vote.says === "down");
  const up = eligible.filter((vote) => vote.says === "up");
  const need = Math.floor(assigned.length / 2) + 1;
  if (down.length > 0 && up.length > 0) return { kind: "disagreement", because: `${down.length} of ${assigned.length} say down; ${up.map((vote) => vote.watcher).join(", ")} sees it up` };
  if (down.length >= need) return { kind: "down", votes: down.length, of: assigned.length };
  const lone = electorate.lone === "act" && eligible.length === 1 && down.length === 1;
  if (lone) return { kind: "down", votes: 1, of: assigned.length };
  return { kind: "short", because: `${down.length} of ${assigned.length} say down, ${need} are needed` };
}
