// Space on the ledger's disk that is given up when the disk is full, so that what is owed can still be recorded
// (safety.md §1). The ledger reuses its write-ahead log and so needs next to no new space; this is for the rest.
//
// It is filled with random bytes: a sparse or compressed file would reserve nothing. It is made again as soon as there is
// room for it and for others, and whoever listens is told both times: a person should hear of a full disk early.

import { randomFillSync } from "node:crypto";
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, statfsSync, statSync, truncateSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { words } from "./data-folder.ts";

export type ReserveState = { readonly kind: "held" } | { readonly kind: "spent"; readonly because: string };

const PIECE_BYTES = 65_536;
/** Room that must be left beside the reserve before it is made again, as a multiple of its own size. */
const ROOM = 2;

export class Reserve {
  readonly #path: string;
  readonly #bytes: number;
  readonly #retryMs: number;
  readonly #onChange: (state: ReserveState) => void;
  #state: ReserveState = { kind: "held" };
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, options: { readonly bytes: number; readonly retryMs: number; readonly onChange: (state: ReserveState) => void }) {
    this.#path = path;
    this.#bytes = options.bytes;
    this.#retryMs = options.retryMs;
    this.#onChange = options.onChange;
    const failure = this.#isWhole() ? null : this.#make();
    if (failure !== null) this.#become({ kind: "spent", because: failure });
  }

  get state(): ReserveState {
    return this.#state;
  }

  /** Gives the space up. False: there is none left to give. */
  giveUp(because: string): boolean {
    if (this.#state.kind === "spent") return false;
    try {
      truncateSync(this.#path, 0);
    } catch {
      return false;
    } finally {
      this.#become({ kind: "spent", because });
    }
    return true;
  }

  /** Makes it again if there is room; otherwise that is tried from time to time. */
  restore(): void {
    if (this.#state.kind === "held") return;
    if (this.#hasRoom() && this.#make() === null) this.#become({ kind: "held" });
    else this.#tryLater();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #become(state: ReserveState): void {
    this.#state = state;
    if (state.kind === "spent") this.#tryLater();
    else clearTimeout(this.#timer);
    this.#onChange(state);
  }

  #tryLater(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.restore(), this.#retryMs);
    this.#timer.unref();
  }

  #isWhole(): boolean {
    if (!existsSync(this.#path)) return false;
    const { size, blocks } = statSync(this.#path);
    return size === this.#bytes && blocks * 512 >= this.#bytes;
  }

  #hasRoom(): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#path));
      return bavail * bsize >= this.#bytes * (1 + ROOM);
    } catch {
      return false;
    }
  }

  /** Null when it is there, or why not. */
  #make(): string | null {
    let file: number | undefined;
    try {
      file = openSync(this.#path, "w", 0o600);
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      for (let left = this.#bytes; left > 0; ) left -= writeSync(file, randomFillSync(piece), 0, Math.min(left, PIECE_BYTES));
      fsyncSync(file);
      return null;
    } catch (error) {
      this.#empty(file);
      return words(error);
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  #empty(file: number | undefined): void {
    try {
      if (file !== undefined) ftruncateSync(file, 0);
    } catch {
      // A part of the reserve stays where it is: it reserves that much, and is made whole later.
    }
  }
}
