// Where the records are, as the watcher's process holds it: the ledger in the data folder, or a store that several watchers
// share. Either way the folder's lock is held first and to the end, because alerts, history and socket are in there, too.

import type { Config } from "../config/config.ts";
import { openStoreSecrets } from "../config/open.ts";
import type { Input } from "../core/io.ts";
import type { Memory } from "../journal/went-back.ts";
import { openLedger } from "../stores/embedded.ts";
import type { Store } from "../stores/store.ts";
import type { Clock } from "./ports.ts";
import type { SharedPlace } from "./shared-place.ts";

/** What a watcher starts with, as far as the place knows it. */
export type Beginning = Pick<Extract<Input, { kind: "start" }>, "records" | "wentBack" | "ledger" | "fleet">;

export type Place = {
  /** Of the watcher that starts next; another one after `reopen`. */
  readonly store: Store;
  readonly beginning: Beginning;
  /** From now on, what the store says of itself goes into the watcher: called once after each start. */
  feed(post: (input: Input) => void): void;
  /** Calls back with what a history should remember, now and whenever more is durable. */
  onDurable(listener: (memory: Memory) => void): void;
  /** Opens a shared store anew; tries until it can or until `close`. False: closed meanwhile. */
  reopen(because: string): Promise<boolean>;
  /** Gives up at once what lives with this process in a shared store, so that others need not wait. */
  leave(): Promise<void>;
  close(): Promise<void>;
};

export type PlaceOptions = {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly say: (level: "info" | "warning" | "error", text: string) => void;
  /** Called now and then while a store cannot be reached. */
  readonly onWait: () => void;
  /** Ends the waiting: `openPlace` gives null then. */
  readonly signal: AbortSignal;
};

/** Rejects with an UpkeepError, and then holds nothing. */
export async function openPlace(options: PlaceOptions): Promise<Place | null> {
  const { store: spec, dataDir } = options.config.shell;
  const { watcher } = options.config.policy;
  if (spec.kind === "embedded") return embedded(options);
  // Loaded where it is used: a watcher that works alone needs no more than before.
  const [{ openSharedPlace }, { openShared }] = await Promise.all([import("./shared-place.ts"), import("../stores/open.ts")]);
  const secrets = openStoreSecrets(spec);
  const where = spec.kind === "etcd" ? { kind: spec.kind, endpoints: spec.endpoints } : { kind: spec.kind, servers: spec.servers };
  const place: SharedPlace | null = await openSharedPlace({
    ...options, dataDir, site: options.config.policy.site, watcher, prefix: spec.prefix, ttlMs: spec.ttlMs, callMs: spec.callMs,
    open: (shared) => openShared({ ...where, ...secrets }, shared),
  });
  return place;
}

function embedded({ config, clock, say }: PlaceOptions): Place {
  const ledger = openLedger({
    dataDir: config.shell.dataDir, watcherName: config.policy.watcher, now: clock.now(),
    onReserve: (state) => say(state.kind === "held" ? "info" : "warning", state.kind === "held" ? "the ledger's reserve is whole" : `the ledger's reserve was given up: ${state.because}`),
  });
  for (const problem of ledger.problems) say("warning", problem);
  return {
    store: ledger.store,
    beginning: { records: ledger.records, wentBack: ledger.wentBack, ledger: ledger.store.identity },
    feed: () => undefined,
    onDurable: (listener) => ledger.store.onDurable(listener),
    reopen: async () => false,
    leave: async () => undefined,
    close: () => ledger.store.close(),
  };
}
