// Whether the watchers that are assigned to a host agree that it is down (safety.md §2.3). need = ⌊n/2⌋+1 of the n assigned;
// the dead and the abstaining stay in n; one fresh `up` is a veto and is shown as a disagreement. With one watcher this
// is that watcher's own word; nothing else in the core knows how many watchers there are.

export type Vote = { readonly watcher: string; readonly says: "up" | "down" | "abstain"; readonly hash: string; readonly ageMs: number };

export type Agreement =
  | { readonly kind: "down"; readonly votes: number; readonly of: number }
  | { readonly kind: "disagreement"; readonly of: number; readonly because: string }
  | { readonly kind: "short"; readonly of: number; readonly because: string };

export type Electorate = {
  readonly assigned: readonly string[];
  readonly hash: string;
  /** Votes older than this are no votes: 2 × every + timeout. */
  readonly freshForMs: number;
  readonly lone: "hold" | "act";
};

export function agree(electorate: Electorate, votes: readonly Vote[]): Agreement {
  const { assigned, hash, freshForMs } = electorate;
  const of = assigned.length;
  const fresh = votes.filter((vote) => assigned.includes(vote.watcher) && vote.ageMs <= freshForMs);
  // Who speaks of another host hash speaks of another host: alive, and abstaining. Of two words of one watcher the kinder counts.
  const says = (watcher: string, word: Vote["says"]) => fresh.some((vote) => vote.watcher === watcher && vote.hash === hash && vote.says === word);
  const up = assigned.filter((watcher) => says(watcher, "up"));
  const down = assigned.filter((watcher) => says(watcher, "down") && !says(watcher, "abstain") && !up.includes(watcher));
  const need = Math.floor(of / 2) + 1;
  if (down.length > 0 && up.length > 0) return { kind: "disagreement", of, because: `${down.length} of ${of} say down, and ${up.join(" and ")} see${up.length === 1 ? "s" : ""} it up` };
  if (down.length >= need) return { kind: "down", votes: down.length, of };
  const alive = new Set(fresh.map((vote) => vote.watcher)).size;
  if (electorate.lone === "act" && alive === 1 && down.length === 1) return { kind: "down", votes: 1, of };
  return { kind: "short", of, because: `${down.length} of ${of} say down, ${need} are needed` };
}
