// Asks every address of a network whether somebody is there: one echo request and a few connections, of which an answer of
// any kind is enough, a refusal too. So many at once and no more; it ends early with what it has when it is told to.
//
// The telnet port is not among them: an old PDU has one session, and a knock would take it from whoever is in there.

import net from "node:net";
import type { Icmp } from "../probes/probe.ts";

export const SCAN_PORTS = [22, 53, 80, 443] as const;

export type ScanOptions = {
  readonly addresses: readonly string[];
  readonly icmp: Icmp;
  readonly ports?: readonly number[];
  readonly waitMs?: number;
  progress?(asked: number, found: number): void;
};

/** Four connections each: well below the 1,024 descriptors that a process usually may have. */
const AT_ONCE = 128;
const WAIT_MS = 1_500;

/** The addresses that answered, in the order asked. Never rejects: what `signal` cuts short is what was found so far. */
export async function scan({ addresses, icmp, ports = SCAN_PORTS, waitMs = WAIT_MS, progress }: ScanOptions, signal: AbortSignal): Promise<readonly string[]> {
  const alive = new Set<string>();
  let asked = 0;
  await pooled(addresses, AT_ONCE, signal, async (address) => {
    if (await isThere(address, icmp, ports, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]))) alive.add(address);
    asked += 1;
    progress?.(asked, alive.size);
  });
  return addresses.filter((address) => alive.has(address));
}

/** Does something for each, so many at a time, until all are done or `signal` aborts. */
export async function pooled<Item>(items: readonly Item[], atOnce: number, signal: AbortSignal, work: (item: Item) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (!signal.aborted && next < items.length) {
      const item = items[next] as Item;
      next += 1;
      await work(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}

async function isThere(address: string, icmp: Icmp, ports: readonly number[], signal: AbortSignal): Promise<boolean> {
  const enough = new AbortController();
  const until = AbortSignal.any([signal, enough.signal]);
  const looks = [...ports.map((port) => answers(address, port, until)), ...(icmp.refusal(4) === null ? [icmp.echo({ host: address, address, family: 4 }, 1, until).then(() => true, () => false)] : [])];
  const found = await new Promise<boolean>((resolve) => {
    let left = looks.length;
    for (const look of looks) {
      void look.then((there) => {
        left -= 1;
        if (there) resolve(true);
        else if (left === 0) resolve(false);
      });
    }
    if (left === 0) resolve(false);
  });
  enough.abort();
  await Promise.allSettled(looks);
  return found;
}

/** Whether anything at all comes back from a port. */
function answers(address: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(false);
    const socket = net.connect({ host: address, port, family: 4 });
    const done = (there: boolean): void => {
      signal.removeEventListener("abort", give);
      socket.removeAllListeners();
      socket.on("error", () => undefined);
      // A FIN nobody waits for; while it connects a reset would wait for the connection that never comes.
      if (!socket.connecting) socket.resetAndDestroy();
      socket.destroy();
      resolve(there);
    };
    const give = (): void => done(false);
    signal.addEventListener("abort", give, { once: true });
    socket.once("connect", () => done(true));
    socket.once("error", (error: NodeJS.ErrnoException) => done(error.code === "ECONNREFUSED" || error.code === "ECONNRESET"));
  });
}
