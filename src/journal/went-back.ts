// Has time gone back (safety.md §3.9)? A ledger that is corrupt, missing or older than what is remembered of it no longer
// says what is owed, held or forbidden, so the watcher starts disarmed and asks. What is remembered lies in the history: its
// watcher, its identity and its last revision. A fresh folder that nothing remembers is a first start.
//
// Of a store that several watchers share, the same is remembered: its identity, and the highest revision that was seen there.
//
// A copy set aside before counts as a memory, too: killed between setting aside and starting disarmed, we must not take the
// next start for a first one.

/** What the history remembers of the ledger. */
export type Memory = { readonly watcher: string; readonly ledger: string; readonly revision: number };

export type Recalled = {
  readonly memory: Memory | null;
  /** Why the history cannot be asked, or null. */
  readonly unreadable: string | null;
};

export type Seen =
  | { readonly kind: "open"; readonly identity: string; readonly revision: number; readonly owed: string | null }
  | { readonly kind: "missing"; readonly earlierCopy: string | null }
  | { readonly kind: "corrupt"; readonly evidence: string; readonly setAsideAs: string }
  /** A store that several watchers share. `moved`: the ledger that was here before went into it. `revision` null: not known. */
  | { readonly kind: "shared"; readonly identity: string; readonly revision: number | null; readonly moved: boolean };

/** Why time went back, in words, or null. */
export function wentBackBecause(seen: Seen, { memory, unreadable }: Recalled): string | null {
  switch (seen.kind) {
    case "corrupt":
      return `the ledger is corrupt: ${seen.evidence}; it was set aside as ${seen.setAsideAs}`;
    case "missing":
      if (memory !== null) return `the ledger is missing, and the history remembers it at revision ${memory.revision}, kept by ${memory.watcher}`;
      if (unreadable !== null) return "the ledger is missing, and the history that could remember it cannot be read";
      if (seen.earlierCopy !== null) return `the ledger is missing, and an earlier one lies beside it as ${seen.earlierCopy}`;
      return null;
    case "open":
      if (seen.owed !== null) return seen.owed;
      if (memory === null) return null;
      if (memory.ledger !== seen.identity) return `this is another ledger than the one that the history remembers (at revision ${memory.revision}, kept by ${memory.watcher})`;
      if (memory.revision > seen.revision) return `the ledger is at revision ${seen.revision}, and the history remembers revision ${memory.revision}: it is an older copy, or its disk lost what was synced`;
      return null;
    case "shared":
      if (memory === null || (seen.moved && isEmbedded(memory.ledger))) return null;
      if (isEmbedded(memory.ledger)) return `the ledger is missing, and the history remembers it at revision ${memory.revision}, kept by ${memory.watcher}`;
      if (memory.ledger !== seen.identity) return `this is another store than the one that the history remembers (at revision ${memory.revision}): it was wiped, or it is another cluster or prefix`;
      if (seen.revision !== null && memory.revision > seen.revision) return `the store is at revision ${seen.revision}, and the history remembers revision ${memory.revision}: it was restored from a backup`;
      return null;
  }
}

/** A ledger of one watcher is a bare uuid; every shared store puts its kind before it. */
function isEmbedded(identity: string): boolean {
  return !identity.includes(":");
}
