// The virtual disk under the ledger: transactions are carried out one after the other, and what counts is what a restart
// would find. A transaction takes time; at a crash the ones under way are on the disk up to some point and no further; one
// that was reported as failed may yet be found after a crash, unless a later one has overwritten it (a journal frame that
// was written and not synced). The disk may be full, slow, wiped, or an old copy.

import type { StoredRecord, Write } from "../src/core/io.ts";
import type { AnyRecord, Operation, RecordKey } from "../src/core/records.ts";
import type { CommitResult, Guard, Store } from "../src/stores/store.ts";
import type { Life } from "./life.ts";
import { Random } from "./random.ts";
import type { World } from "./world.ts";

export type Records = ReadonlyMap<RecordKey, { readonly value: AnyRecord; readonly revision: number }>;

export type Transaction = {
  readonly life: Life;
  /** The clock as the watcher saw it when it asked, in the world's time. */
  readonly calledMs: number;
  /** Its place among everything that the watcher has seen and done. */
  readonly order: number;
  readonly guards: readonly Guard[];
  readonly writes: readonly Write[];
  readonly answer: (result: CommitResult) => void;
};

const SNAPSHOTS_MAX = 4;

export class Disk {
  readonly #world: World;
  /** Of its own: one transaction more must not change what hosts and devices do. */
  readonly #random: Random;
  #records = new Map<RecordKey, { value: AnyRecord; revision: number }>();
  #revision = 0;
  #queue: Transaction[] = [];
  /** Reported as failed, and perhaps there after a crash. */
  #half: Transaction | null = null;
  #copies: Map<RecordKey, { value: AnyRecord; revision: number }>[] = [];
  full = 0;
  slow = 0;
  identity = "ledger-1";
  /** Why the next start must say that time went back. */
  wentBack: string | null = null;

  constructor(world: World) {
    this.#world = world;
    this.#random = new Random(world.spec.seed, "disk");
  }

  get records(): Records {
    return this.#records;
  }

  get failing(): boolean {
    return this.full > 0;
  }

  operations(): Operation[] {
    const found: Operation[] = [];
    for (const [key, { value }] of this.#records) if (key.startsWith("op/")) found.push(value as Operation);
    return found;
  }

  value<Kind extends AnyRecord>(key: RecordKey): Kind | undefined {
    return this.#records.get(key)?.value as Kind | undefined;
  }

  storeFor(life: Life): Store {
    return {
      capabilities: { shared: false },
      identity: this.identity,
      load: () => Promise.resolve(this.load()),
      commit: (guards, writes) => {
        this.#world.stir();
        const calledMs = life.sawMs;
        const order = this.#world.order();
        life.point("commit");
        if (!life.alive) return new Promise<CommitResult>(() => {});
        life.out({ guards, writes });
        return new Promise((answer) => {
          const transaction: Transaction = { life, calledMs, order, guards, writes, answer };
          for (const checker of this.#world.checkers.calling) checker.calling?.(transaction, this.#expected());
          this.#queue.push(transaction);
          if (this.#queue.length === 1) this.#begin();
        });
      },
      close: () => Promise.resolve(),
    };
  }

  /** What a start finds, as it comes back from JSON. */
  load(): StoredRecord[] {
    return [...this.#records].map(([key, { value, revision }]) => ({ key, revision, value: JSON.parse(JSON.stringify(value)) as AnyRecord }));
  }

  /** The records as they will be when everything that is under way has been carried out. */
  #expected(): Records {
    if (this.#queue.length === 0) return this.#records;
    const expected = new Map(this.#records);
    for (const { writes } of this.#queue) {
      for (const { key, value } of writes) {
        if (value === null) expected.delete(key);
        else expected.set(key, { value, revision: -1 });
      }
    }
    return expected;
  }

  #begin(): void {
    const { spec } = this.#world;
    const random = this.#random;
    const takesMs = this.slow > 0 ? random.spread(200, 4_000) : spec.commitMs === 0 ? 0 : Math.max(1, Math.round(spec.commitMs * (0.5 + random.unit())));
    const transaction = this.#queue[0] as Transaction;
    this.#world.timeline.in(takesMs, null, () => {
      if (this.#queue[0] !== transaction) return;
      this.#queue.shift();
      const result = this.#carryOut(transaction);
      this.#world.timeline.in(0, transaction.life, () => {
        transaction.life.point("committed");
        if (!transaction.life.alive) return;
        this.#world.stir();
        transaction.answer(result);
      });
      if (this.#queue.length > 0) this.#begin();
    });
  }

  #carryOut(transaction: Transaction): CommitResult {
    if (this.failing) {
      this.#half = transaction;
      this.#world.counts.add("disk: a transaction fails");
      return { kind: "failed", evidence: "no space left on device" };
    }
    for (const { key, revision } of transaction.guards) {
      const found = this.#records.get(key)?.revision ?? null;
      if (found !== revision) return { kind: "conflict", evidence: `${key} is at ${found}, not at ${revision}` };
    }
    this.#half = null;
    this.#apply(transaction);
    return { kind: "committed", revision: this.#revision };
  }

  #apply(transaction: Transaction): void {
    for (const checker of this.#world.checkers.commit) checker.commit?.(transaction, this.#records);
    this.#revision += 1;
    for (const { key, value } of transaction.writes) {
      if (value === null) this.#records.delete(key);
      else this.#records.set(key, { value, revision: this.#revision });
    }
    this.#world.committed(transaction);
  }

  /** The process is gone: what it had under way is there up to some point. */
  crash(): void {
    const random = this.#random;
    const survives = random.chance(0.5) ? 0 : random.whole(0, this.#queue.length);
    const queue = this.#queue;
    this.#queue = [];
    if (this.#half !== null && random.chance(0.3)) {
      this.#world.counts.add("disk: a failed transaction is found after a crash");
      this.#apply(this.#half);
    }
    this.#half = null;
    for (const transaction of queue.slice(0, survives)) if (this.#carryOut(transaction).kind !== "committed") break;
  }

  /** Keeps a copy that somebody may put back later. */
  copy(): void {
    this.#copies.push(new Map(this.#records));
    if (this.#copies.length > SNAPSHOTS_MAX) this.#copies.shift();
  }

  wipe(): void {
    this.#records = new Map();
    this.#half = null;
    this.identity = `ledger-${this.#world.random.bits()}`;
    this.wentBack = "the ledger is missing, and the history remembers this watcher";
    this.#world.open = [];
  }

  /** Returns false when there is no older copy. */
  restore(): boolean {
    const copy = this.#copies.shift();
    if (copy === undefined) return false;
    this.#records = new Map(copy);
    this.#half = null;
    this.wentBack = "the ledger is older than the history remembers";
    this.#world.open = this.operations();
    return true;
  }
}
