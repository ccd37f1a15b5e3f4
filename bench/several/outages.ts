// What the PDU sees of real watchers on a real etcd of three members, each in a network namespace of its own: how long after a
// host's death its off command comes, with one watcher and with several; and how long after `kill -9` of the acting watcher,
// right after its off, another is in charge and sends the next command. Needs root, as the tests with a fleet do.
//
// The settings are the ones of the tests (e2e/several.ts): quick, so that what the watchers add is not lost in the intervals.

import { setTimeout as sleep } from "node:timers/promises";
import type { LogRecord } from "../../lab/apc-pdu.ts";
import type { Fleet } from "../../lab/fleet.ts";
import { etcdStore } from "../../lab/fleet.ts";
import { backInService, EVERY_MS, guardedEverywhere, hostAt, inCharge, MAX_ACT_MS, others, PATIENCE_MS, startSeveral, THRESHOLD, TIMEOUT_MS } from "../../e2e/several.ts";
import { until } from "../../e2e/watching.ts";

const HOSTS = ["logos", "ethos", "pathos", "topos", "kairos"] as const;
const NAMES = ["rikis", "hopuuj", "lusab", "kavod", "tirun"] as const;
const LIMIT_MS = 90_000;
const POLL_MS = 25;

/** (threshold − 1)·every + phase + timeout, as safety.md §5.15 has it, without what log-in and navigation take. */
export const BOUND_MS = (THRESHOLD - 1) * EVERY_MS + EVERY_MS + TIMEOUT_MS;
export { EVERY_MS, MAX_ACT_MS, THRESHOLD, TIMEOUT_MS };

export type Detection = { readonly watchers: number; readonly samplesMs: readonly number[]; readonly load: number };
export type TakeOver = { readonly ttlMs: number; readonly chargeMs: readonly number[]; readonly commandMs: readonly number[]; readonly load: number };

function monoMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function command(fleet: Fleet, host: string, action: "on" | "off", afterMs: number): Promise<LogRecord & { readonly monoMs: number }> {
  return until(`${action} for ${host}`, () => fleet.records.find((record) => record.kind === "command" && record.action === action && record.outlets.includes(fleet.outlet(host)) && record.monoMs > afterMs), LIMIT_MS, 5);
}

export async function detection(watchers: number, samples: number, load: () => number): Promise<Detection> {
  const fleet = await startSeveral({ watchers: NAMES.slice(0, watchers), hosts: HOSTS });
  const samplesMs: number[] = [];
  try {
    for (let nth = 0; nth < samples; nth += 1) {
      const host = HOSTS[nth % HOSTS.length] as string;
      await guardedEverywhere(fleet, [host]);
      await sleep(Math.random() * EVERY_MS);
      const mark = fleet.records.length;
      const diedMs = monoMs();
      await fleet.host(host).wedge("frozen");
      samplesMs.push((await command(fleet, host, "off", diedMs)).monoMs - diedMs);
      await backInService(fleet, host, mark);
    }
  } finally {
    await fleet.stop();
  }
  return { watchers, samplesMs, load: load() };
}

export async function takeOver(ttlMs: number, samples: number, load: () => number): Promise<TakeOver> {
  const fleet = await startSeveral({ watchers: NAMES.slice(0, 3), hosts: HOSTS, store: (network) => etcdStore(network, `${ttlMs / 1_000}s`) });
  const chargeMs: number[] = [];
  const commandMs: number[] = [];
  try {
    for (let nth = 0; nth < samples; nth += 1) {
      const host = HOSTS[nth % HOSTS.length] as string;
      await fleet.heal();
      await guardedEverywhere(fleet, [host]);
      // A lease is renewed every third of its time: the kill falls anywhere in that.
      await sleep(Math.random() * (ttlMs / 3));
      const mark = fleet.records.length;
      const actor = await inCharge(fleet, host);
      let killedMs = 0;
      const ends = fleet.onRecord((record) => {
        if (record.kind !== "edge" || record.state !== "off" || record.outlet !== fleet.outlet(host) || killedMs > 0) return;
        killedMs = monoMs();
        void actor.kill();
      });
      await fleet.host(host).wedge("frozen");
      await until("it is killed", () => killedMs > 0, LIMIT_MS, 5);
      ends();
      const rest = others(fleet, actor);
      await until("another is in charge", async () => {
        const names = await Promise.all(rest.map(async (watcher) => (await hostAt(watcher, host))?.inCharge));
        return names.some((name) => name !== undefined && name !== null && name !== actor.name);
      }, PATIENCE_MS, POLL_MS);
      chargeMs.push(monoMs() - killedMs);
      commandMs.push((await command(fleet, host, "on", killedMs)).monoMs - killedMs);
      await backInService(fleet, host, mark);
    }
  } finally {
    await fleet.stop();
  }
  return { ttlMs, chargeMs, commandMs, load: load() };
}
