// What the link keeps on the disk, held in memory: the loop never waits for a disk that may be the very thing that has failed.
// Read again when somebody may have enrolled this host meanwhile (`upkeep agent enroll` writes, this process looks).

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Identity } from "../../link/identity.ts";
import { nextIdentity, promoteIdentity, readIdentity } from "../../link/identity.ts";
import type { KnownWatcher } from "../../link/known.ts";
import { learn, lookUpKnown, readKnown } from "../../link/known.ts";
import type { Roster } from "../../link/messages.ts";

export class LinkMemory {
  readonly #folder: string;
  readonly #host: string;
  #current: Identity | null;
  #next: Identity | null;
  #known: readonly KnownWatcher[];
  #busy: Promise<void> | null = null;

  constructor(folder: string, host: string) {
    this.#folder = folder;
    this.#host = host;
    this.#current = readIdentity(folder);
    this.#next = readIdentity(folder, "next");
    this.#known = readKnown(folder);
  }

  get current(): Identity | null {
    return this.#current;
  }

  get next(): Identity | null {
    return this.#next;
  }

  get known(): readonly KnownWatcher[] {
    return this.#known;
  }

  /** Looks again; one look at a time, so that a disk that hangs costs one thread. */
  refresh(): void {
    this.#alone(async () => {
      // Touched first without blocking; what is small and was just read is then read at once.
      await readFile(join(this.#folder, "identity.pem")).catch(() => undefined);
      this.#current = readIdentity(this.#folder);
      this.#next = readIdentity(this.#folder, "next");
      this.#known = await lookUpKnown(this.#folder);
    });
  }

  learn(roster: Roster): void {
    // What a watcher says is not said again: it waits for the look that is under way.
    if (this.#busy !== null) return void this.#busy.then(() => this.learn(roster));
    this.#alone(async () => {
      this.#known = await learn(this.#folder, this.#known, roster);
    });
  }

  /** Another key, where the present one ends before long; null: not yet. */
  renewal(wallMs: number): Identity | null {
    this.#next ??= nextIdentity(this.#folder, this.#host, wallMs);
    return this.#next;
  }

  /** The new key is known wherever it has to be. */
  promote(): void {
    if (this.#next === null) return;
    promoteIdentity(this.#folder);
    this.#current = this.#next;
    this.#next = null;
  }

  #alone(work: () => Promise<void>): void {
    if (this.#busy !== null) return;
    this.#busy = work().catch(() => undefined).finally(() => (this.#busy = null));
  }
}
