// Lints of a store that several watchers share: what is valid, and bears less than it seems to.

import type { StoreSpec } from "./config.ts";
import type { Gathered } from "./gather.ts";
import type { ProblemList } from "./problems.ts";
import { membersOn } from "./resolve-store.ts";
import type { ResolvedFleet } from "./resolve.ts";

const LOOPBACK = /^(localhost|127\..*|::1)$/;

/** `observers` is not judged here: how many watchers there are only the store knows. */
export function lintStore(gathered: Gathered, store: StoreSpec, fleet: ResolvedFleet, problems: ProblemList): void {
  if (store.kind === "embedded") return;
  const { at, top } = gathered;
  const servers = ["store", store.kind, store.kind === "etcd" ? "endpoints" : "servers"];
  const count = store.members.length;
  if (top.watcher?.name === undefined) {
    problems.add(at.place(["watcher"], "key"), "WATCHER_UNNAMED", "this watcher is called what its machine is called: a machine that is renamed would be one more watcher, and its old name is waited for", "watcher: { name: … }, another one for each watcher");
  }
  if (count === 1) problems.add(at.place(servers), "STORE_FEW", "one server: whenever it is away nothing is cut", "three bear the loss of one");
  else if (count % 2 === 0) problems.add(at.place(servers), "STORE_FEW", `${count} servers bear the loss of ${count / 2 - 1}, as ${count - 1} do`, `one more bears the loss of ${count / 2}`);
  if (store.auth !== null && store.tls === null && !store.members.every((member) => LOOPBACK.test(member))) {
    problems.add(at.place(["store", store.kind, "password"]), "STORE_PLAIN", "the password goes to the store in the clear", "tls: true, or tls: { ca: … }");
  }
  lintTogether(gathered, store, fleet, servers, problems);
}

/** Whose loss would be the loss of a majority: a host that could be cut, or a power device of several. */
function lintTogether({ at }: Gathered, store: Exclude<StoreSpec, { kind: "embedded" }>, fleet: ResolvedFleet, servers: readonly string[], problems: ProblemList): void {
  const most = Math.floor(store.members.length / 2) + 1;
  const behind = new Map<string, number>();
  for (const { policy } of fleet.hosts) {
    const here = membersOn(store, policy);
    if (here === 0) continue;
    if (here >= most && policy.levels.length > 0) problems.add(at.place(servers), "STORE_TOGETHER", `without ${policy.name} the store has no majority: it is never cut by itself`, "spread the servers over machines");
    const [device, second] = new Set(policy.levels.at(-1)?.map((outlet) => outlet.device));
    // What two feeds on two devices keep alive is lost with neither; what is told above is not told again.
    if (device !== undefined && second === undefined && here < most) behind.set(device, (behind.get(device) ?? 0) + here);
  }
  for (const [device, count] of behind) {
    if (count >= most) problems.add(at.place(servers), "STORE_TOGETHER", `${count} of ${store.members.length} servers hang on the power device ${device}: when it fails, the store goes with the hosts`, "put one of them on other power");
  }
}
