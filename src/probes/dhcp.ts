// Asks everybody on a wire for an address and waits for the offer of the host under watch (RFC 2131 §3.1, steps 1 and 2). It
// goes no further: an offer is never accepted, so no address is taken; some servers set the one offered aside for a while. The hardware
// address is the interface's own, so it is the same one each time.
//
// Offers of other servers are waited past: the host under watch is the server whose identifier the offer carries. A server whose
// pool is exhausted says nothing, as a dead one does; a fixed address for this watcher keeps that from cutting its power.

import { randomInt } from "node:crypto";
import { encodeDiscover, judgePacket } from "../protocol/dhcp.ts";
import { good, notRun } from "./finding.ts";
import { openPacketSocket } from "./packet-socket.ts";
import type { OpenPacketSocket } from "./packet-socket.ts";
import type { Finding, Probe } from "./probe.ts";

export type DhcpOptions = {
  /** The interface of this machine on whose wire the server is. */
  readonly interface: string;
  /** The server's identifier; absent: the host's address; `any`: whichever answers. */
  readonly server?: string | undefined;
};

/** The probe with the sockets that it is to use. */
export function dhcpOver(open: OpenPacketSocket): Probe<DhcpOptions> {
  return {
    name: "dhcp",
    service: true,
    awaits: "offer",
    refusal(options) {
      const opened = open(options.interface, 0, () => undefined);
      if ("refusal" in opened) return opened.refusal;
      opened.socket.close();
      return null;
    },
    run(target, options, _tools, signal, progress) {
      return new Promise<Finding>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const wanted = options.server ?? target.address;
        if (options.server === undefined && target.family !== 4) return resolve(notRun("DHCP is of IPv4, and this address is not: write server"));
        const transaction = randomInt(0x1_0000_0000);
        const opened = open(options.interface, transaction, heard);
        if ("refusal" in opened) return resolve(notRun(opened.refusal));
        const { socket } = opened;
        signal.addEventListener("abort", abort, { once: true });
        const error = socket.send(encodeDiscover({ transaction, mac: socket.mac }));
        // A wire that does not take it is ours: nobody was asked.
        if (error !== null) settle(notRun(`cannot ask on ${options.interface}: ${error}`));

        function heard(packet: Buffer): void {
          const verdict = judgePacket({ transaction, mac: socket.mac }, packet);
          if (verdict.kind === "not-ours") return progress?.(`heard ${verdict.why}`);
          const { server, address, leaseSeconds } = verdict.offer;
          if (wanted !== "any" && server !== wanted) return progress?.(`an offer of another server, ${server}`);
          settle(good(`${server} offers ${address}${leaseSeconds === null ? "" : ` for ${leaseSeconds} s`}`));
        }
        function settle(finding: Finding): void {
          end();
          resolve(finding);
        }
        function abort(): void {
          end();
          reject(signal.reason);
        }
        function end(): void {
          signal.removeEventListener("abort", abort);
          socket.close();
        }
      });
    },
  };
}

export const dhcp: Probe<DhcpOptions> = dhcpOver(openPacketSocket);
