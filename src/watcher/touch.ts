// Is anybody there? After an off that reads confirmed the host's own address is asked once more (safety.md §4.5): an echo
// reply, an accepted or a refused connection contradicts the off, because a machine without power sends nothing.
// For an address of this very machine, loopback included, its own kernel answers pings and refuses connections, so only
// an accepted connection means anything there.

import net from "node:net";
import type { Icmp, Target } from "../probes/probe.ts";
import { isOwnAddress } from "../process/own-address.ts";
import type { Touched } from "./ports.ts";

const TOUCH_MS = 1_000;

export type TouchTarget = { readonly target: Target; /** TCP ports of the host's own probes. */ readonly ports: readonly number[] };

export async function touch(where: TouchTarget, icmp: Icmp): Promise<Touched> {
  const { target, ports } = where;
  const ours = isOwnAddress(target.address);
  const asked: Promise<string | null>[] = ports.map((port) => knock(target.address, port, ours));
  if (!ours && icmp.refusal(target.family) === null) asked.push(echo(target, icmp));
  if (asked.length === 0) return { answered: "unknown", evidence: "nothing that it could be asked" };
  const signs = (await Promise.all(asked)).filter((sign) => sign !== null);
  return signs.length > 0 ? { answered: "yes", evidence: signs.join(", ") } : { answered: "no", evidence: `no answer to ${asked.length} question${asked.length === 1 ? "" : "s"}` };
}

async function echo(target: Target, icmp: Icmp): Promise<string | null> {
  try {
    const ms = await icmp.echo(target, 2, AbortSignal.timeout(TOUCH_MS));
    return `echo reply after ${Math.round(ms)} ms`;
  } catch {
    return null;
  }
}

function knock(address: string, port: number, ours: boolean): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port });
    const end = (sign: string | null) => {
      clearTimeout(limit);
      socket.destroy();
      resolve(sign);
    };
    const limit = setTimeout(() => end(null), TOUCH_MS);
    socket.once("connect", () => end(`port ${port} accepts`));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED" && !ours ? `port ${port} refuses` : null));
  });
}
