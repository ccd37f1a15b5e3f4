// Upkeep as it is measured: the real `upkeep watch` with its ledger, decisions and history, looking at hosts of the ground.
// Every round is judged, counted, recorded and kept; nobody fails here, and no host has an outlet.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { UPKEEP } from "../../lab/rig.ts";
import { addressOf, nameOf } from "./addresses.ts";
import type { Account } from "./cpu.ts";
import type { Ground } from "./ground.ts";

export type Looking = { readonly hosts: number; readonly everyMs: number; /** As in a configuration: `ssh`, `{ http: … }`. */ readonly probes: (address: string) => readonly unknown[] };

export type Running = {
  readonly account: Account;
  stop(): Promise<void>;
};

/** Starts a watcher; resolves when it says that it watches. */
export async function startWatcher(ground: Ground, name: string, looking: Looking): Promise<Running> {
  const config = join(ground.folder, `${name}.json`);
  const hosts = Object.fromEntries(Array.from({ length: looking.hosts }, (_, host) => [nameOf(host), { address: addressOf(host), probes: looking.probes(addressOf(host)) }]));
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ site: "bench", data: join(ground.folder, name), api: { listen: null }, defaults: { every: `${looking.everyMs}ms` }, hosts }));
  const account = ground.account();
  const watcher = ground.node.spawn([...account.words, UPKEEP, "watch", "-c", config], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  watcher.stderr?.on("data", (text: Buffer) => (said = (said + text.toString()).slice(-4_000)));
  const ended = once(watcher, "exit");
  const watching = new Promise<void>((resolve, reject) => {
    createInterface({ input: watcher.stdout as Readable }).on("line", (line) => {
      if (line.startsWith("upkeep: watching")) resolve();
    });
    void ended.then(() => reject(new Error(`the watcher has ended: ${said}`)));
  });
  await watching;
  return {
    account,
    async stop() {
      watcher.kill("SIGTERM");
      await ended;
      account.close();
    },
  };
}
