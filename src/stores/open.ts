// The stores that watchers share, by name: the one place where a driver is named. Each is loaded when it is used, because a
// watcher that works alone needs neither of them, nor what they bring with them.

import type { Tls } from "./dial.ts";
import type { SharedStore, SharedStoreOptions } from "./store.ts";

/** Where the store is, and how it lets us in; secrets are open. */
export type SharedStoreSpec = ({ readonly kind: "etcd"; readonly endpoints: readonly string[] } | { readonly kind: "zookeeper"; readonly servers: readonly string[] }) & {
  readonly tls?: Tls;
  readonly auth?: { readonly user: string; readonly password: string };
};

/** Opens a shared store. Rejects with STORE_UNREACHABLE or STORE_REFUSED, and then holds nothing. */
export async function openShared(spec: SharedStoreSpec, options: SharedStoreOptions): Promise<SharedStore> {
  switch (spec.kind) {
    case "etcd":
      return (await import("./etcd.ts")).openEtcd({ ...spec, ...options });
    case "zookeeper":
      return (await import("./zookeeper.ts")).openZookeeper({ ...spec, ...options });
  }
}
