// A client of a shared store in a process of its own, for the lab: it is started in a watcher's network namespace and told
// over the IPC channel what to do. What the store tells goes back as it comes, with the time of the machine's monotonic
// clock, which all processes share.

import type { Write } from "../core/io.ts";
import { openEtcd } from "./etcd.ts";
import type { Guard, SharedStore, SharedStoreOptions } from "./store.ts";
import { openZookeeper } from "./zookeeper.ts";

export type Order = { readonly id: number } & (
  | { readonly do: "open"; readonly store: "etcd" | "zookeeper"; /** Endpoints or servers. */ readonly at: readonly string[]; readonly options: Omit<SharedStoreOptions, "nowMs" | "leased" | "onUnreadable"> & { readonly leased: readonly string[] } }
  | { readonly do: "load" | "watch" | "join" | "leave" | "close" }
  | { readonly do: "commit"; readonly guards: readonly Guard[]; readonly writes: readonly Write[] }
);
export type Told =
  | { readonly id: number; readonly value?: unknown; readonly error?: { readonly code: string; readonly message: string } }
  | { readonly event: "changes" | "snapshot" | "blind" | "gone" | "held" | "lost"; readonly atMs: number; readonly value: unknown };

let store: SharedStore | null = null;

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function tell(told: Told): void {
  if (process.connected) process.send?.(told);
}

function happened(event: "changes" | "snapshot" | "blind" | "gone" | "held" | "lost", value: unknown): void {
  tell({ event, atMs: nowMs(), value });
}

async function obey(order: Order): Promise<unknown> {
  if (order.do === "open") {
    const options = { ...order.options, leased: new Set(order.options.leased), nowMs };
    store = order.store === "etcd" ? await openEtcd({ ...options, endpoints: order.at }) : await openZookeeper({ ...options, servers: order.at });
    return store.identity;
  }
  if (store === null) throw new Error("not open");
  switch (order.do) {
    case "load":
      return store.load();
    case "commit":
      return store.commit(order.guards, order.writes);
    case "watch":
      store.watch({
        changes: (changes) => happened("changes", changes),
        snapshot: (records) => happened("snapshot", records),
        blind: (because) => happened("blind", because),
        gone: (because) => happened("gone", because),
      });
      return null;
    case "join":
      return store.join((session) => (session.kind === "held" ? happened("held", session.untilMs) : happened("lost", session.because)));
    case "leave":
      return store.leave();
    case "close":
      return store.close();
  }
}

process.on("message", (order: Order) => {
  obey(order).then(
    (value) => tell({ id: order.id, value: value ?? null }),
    (error: unknown) => tell({ id: order.id, error: { code: error instanceof Error && "code" in error ? String(error.code) : "", message: String(error) } }),
  );
});
process.on("disconnect", () => process.exit());
