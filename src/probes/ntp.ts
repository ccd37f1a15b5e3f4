// Asks a time server what time it is (RFC 5905, client mode). Any answer to our question is good, also of a server that has
// lost its own sources and says so: an outage upstream must not cut a time server, as it must not cut a resolver. How far
// from the source it may be (`maxStratum`) and how far from our clock (`maxOffset`) is only judged where somebody asks for it.
//
// An offset is between two clocks, and one of them is ours. It speaks against the server only while the kernel says that our
// clock is synchronised, and only when half of the journey cannot explain it. A server that answers with a kiss (RATE, DENY,
// RSTR: §7.4) lives and turns us away.

import { randomBytes } from "node:crypto";
import { NONCE_BYTES, encodeQuestion, judgeReply } from "../protocol/ntp.ts";
import type { NtpReply } from "../protocol/ntp.ts";
import { ask } from "./datagram.ts";
import { bad, good, notRun } from "./finding.ts";
import type { Finding, Probe, ProbeTools } from "./probe.ts";

export type NtpOptions = {
  readonly port: number;
  readonly maxOffsetMs?: number | undefined;
  /** 1 to 15. */
  readonly maxStratum?: number | undefined;
};

const TURNED_AWAY = new Set(["DENY", "RATE", "RSTR"]);

export const ntp: Probe<NtpOptions> = {
  name: "ntp",
  service: true,
  awaits: "answer",
  async run(target, options, tools, signal, progress) {
    signal.throwIfAborted();
    const nonce = randomBytes(NONCE_BYTES);
    let sentUnixMs = 0;
    let sentAtMs = 0;
    const found = await ask<NtpReply>(
      target,
      {
        port: options.port,
        message() {
          sentUnixMs = Date.now();
          sentAtMs = performance.now();
          return encodeQuestion(nonce);
        },
        judge(datagram) {
          // The journey by the clock that nobody sets meanwhile.
          const verdict = judgeReply(nonce, datagram, sentUnixMs, sentUnixMs + performance.now() - sentAtMs);
          return verdict.kind === "reply" ? { found: verdict.reply } : { stranger: verdict.why };
        },
      },
      signal,
      progress,
    );
    return "outcome" in found ? found : judge(found, options, tools);
  },
};

/** What an answer says about the server. */
export function judge(reply: NtpReply, { maxOffsetMs, maxStratum }: NtpOptions, tools: Pick<ProbeTools, "clockSynced">): Finding {
  const { kiss, synchronised, stratum, offsetMs, delayMs } = reply;
  if (kiss !== null && TURNED_AWAY.has(kiss)) return { ...notRun(`the server turns us away: ${kiss}`), sign: "answer" };
  const shown = synchronised ? `stratum ${stratum}, offset ${ms(offsetMs)}` : `not synchronised${kiss === null ? "" : ` (${kiss})`}`;
  const perfdata = synchronised ? [{ label: "offset", value: rounded(offsetMs), unit: "ms" }, { label: "stratum", value: stratum }] : [];
  const finding = ((): Finding => {
    if (maxStratum !== undefined && stratum > maxStratum) return bad("answer", `${shown} (at most stratum ${maxStratum})`);
    if (maxOffsetMs === undefined) return good(shown);
    if (!synchronised) return bad("answer", `${shown}, so no offset can be trusted`);
    if (Math.abs(offsetMs) - Math.max(0, delayMs) / 2 <= maxOffsetMs) return good(shown);
    if (tools.clockSynced?.() !== true) return notRun(`${shown} from this watcher's clock, which is not synchronised itself`);
    return bad("answer", `${shown} (at most ${ms(maxOffsetMs)})`);
  })();
  return { ...finding, perfdata };
}

function ms(value: number): string {
  return Math.abs(value) < 10_000 ? `${rounded(value)} ms` : `${Math.round(value / 1_000)} s`;
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
