// What of a changed configuration a running watcher can take over: everything but who it is and where it stands.

import type { ApiConfig, Config, StoreSpec } from "../config/config.ts";
import { diffConfig } from "../config/diff.ts";
import type { Loaded } from "../config/load.ts";
import { loadConfigApart } from "../config/load-apart.ts";
import { giveBackFreed } from "../process/freed-memory.ts";
import type { Parts } from "./site.ts";
import { loadParts } from "./site.ts";

/** Everything that takes time comes first: what is checked against the state afterwards is taken over in the same turn. */
export async function readAgain(path: string): Promise<{ readonly next: Loaded; readonly parts: Parts | null } | { readonly refusal: string }> {
  try {
    const next = await loadConfigApart(path);
    giveBackFreed();
    return { next, parts: next.ok ? await loadParts(next.config) : null };
  } catch (error) {
    // No thread to be had: a reload may fail, the watcher goes on.
    return { refusal: `${path} cannot be read now: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** What a running watcher cannot change: another ledger, another store, another socket. */
export function fixedParts(before: Config, after: Config): readonly string[] {
  const problems: string[] = [];
  if (before.shell.dataDir !== after.shell.dataDir) problems.push(`data cannot change from ${before.shell.dataDir} to ${after.shell.dataDir} while the watcher runs: restart it`);
  if (before.policy.watcher !== after.policy.watcher) problems.push("watcher.name cannot change while the watcher runs: restart it");
  if (JSON.stringify(withoutPair(before.shell.api)) !== JSON.stringify(withoutPair(after.shell.api))) problems.push("api cannot change while the watcher runs: restart it");
  if (JSON.stringify(before.shell.agents) !== JSON.stringify(after.shell.agents)) problems.push("agents cannot change while the watcher runs: restart it");
  if (!sameStore(before.shell.store, after.shell.store)) problems.push("store cannot change while the watcher runs: restart it");
  return problems;
}

/** What is taken over only by a restart, and is no reason to refuse the rest: certificates and passwords are renewed by others. */
export function lateParts(before: Config, after: Config): readonly string[] {
  return diffConfig(before, after).rest.includes("store") ? ["the password or the certificates of the store have changed: they are used from the watcher's next start on"] : [];
}

/** Certificates are renewed by others, and taken up. */
function withoutPair(api: ApiConfig): unknown {
  return { ...api, tls: typeof api.tls === "string" ? api.tls : "files" };
}

function sameStore(one: StoreSpec, other: StoreSpec): boolean {
  return JSON.stringify(withoutSecrets(one)) === JSON.stringify(withoutSecrets(other));
}

function withoutSecrets(store: StoreSpec): unknown {
  if (store.kind === "embedded") return store;
  return { ...store, tls: store.tls !== null, auth: store.auth?.user ?? null };
}
