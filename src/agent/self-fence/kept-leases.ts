// What the process after this one has to know of the leases: a file of this boot, written anew at each change, off the loop. A
// disk that hangs or is full keeps nothing, and then nothing is started that would need it.

import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Kept } from "../../core/self-fence.ts";

const NAME = "leases.json";

/** Leases of an earlier boot have ended with it. */
export function readKept(folder: string, bootId: string): readonly Kept[] {
  try {
    const found = JSON.parse(readFileSync(join(folder, NAME), "utf8")) as { readonly boot?: unknown; readonly kept?: unknown };
    if (found.boot !== bootId || !Array.isArray(found.kept)) return [];
    return (found.kept as unknown[]).filter(isKept);
  } catch {
    return [];
  }
}

function isKept(value: unknown): value is Kept {
  if (typeof value !== "object" || value === null) return false;
  const { service, epoch, untilMs, givenBack } = value as Record<string, unknown>;
  return typeof service === "string" && [epoch, untilMs, givenBack].every((each) => typeof each === "number" && Number.isFinite(each) && each >= 0);
}

export class KeptLeases {
  readonly #folder: string;
  readonly #bootId: string;
  readonly #done: (kept: readonly Kept[], failure: string | null) => void;
  #next: readonly Kept[] | null = null;
  #busy = false;

  constructor(folder: string, bootId: string, done: (kept: readonly Kept[], failure: string | null) => void) {
    this.#folder = folder;
    this.#bootId = bootId;
    this.#done = done;
  }

  write(kept: readonly Kept[]): void {
    this.#next = kept;
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let kept = this.#next; kept !== null; kept = this.#next) {
      this.#next = null;
      const path = join(this.#folder, NAME);
      try {
        await writeFile(`${path}.new`, JSON.stringify({ boot: this.#bootId, kept }), { mode: 0o600 });
        await rename(`${path}.new`, path);
        this.#done(kept, null);
      } catch (error) {
        this.#done(kept, error instanceof Error ? error.message : String(error));
      }
    }
    this.#busy = false;
  }
}
