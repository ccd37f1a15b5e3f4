// A rolling reboot in sentences: how it stands, and a row for each host of its plan. Pure: a report in, text out.

import type { RebootsReport } from "../../api/contract.ts";
import { rollingInWords } from "../../api/contract.ts";
import type { Condition } from "../words.ts";
import { age, closed, inWords, moment, sentence } from "../words.ts";

export type RebootRow = { readonly host: string; readonly sign: Condition; readonly word: string; readonly text: string };

const OUTCOMES: Readonly<Record<RebootsReport["done"][number]["outcome"], Condition>> = { "rebooted": "up", "failed": "down", "left out": "unknown" };

export function rebootsInWords(reboots: RebootsReport, nowMs: number): string {
  switch (reboots.state) {
    case "running": return rollingInWords(reboots).replace(/^Rolling reboot: /, "");
    case "held": return `It has stopped: ${closed(reboots.because)} The rest is not touched until somebody says so.`;
    case "ended": return `It ended${reboots.ended === null ? "" : ` at ${moment(Date.parse(reboots.ended), nowMs)}`}: ${closed(reboots.because)}`;
  }
}

/** In the order of the plan; who is not done when it has ended was not touched. */
export function rowsOf({ plan, done, now, waiting, state }: RebootsReport, nowMs: number): readonly RebootRow[] {
  return plan.map((host): RebootRow => {
    const ended = done.find((each) => each.host === host);
    if (ended !== undefined) {
      const took = ended.outcome === "rebooted" ? (ended.tookMs === null ? "" : `, served again after ${inWords(ended.tookMs)}`) : `: ${ended.because}`;
      return { host, sign: OUTCOMES[ended.outcome], word: ended.outcome, text: closed(`At ${moment(Date.parse(ended.at), nowMs)}${took}`) };
    }
    if (now?.host === host) return { host, sign: "working", word: now.phase, text: `For ${age(now.since, nowMs)}; it may be away for ${inWords(now.mayTakeMs)}.` };
    if (waiting?.host === host) return { host, sign: "unknown", word: "waits", text: sentence(waiting.because) };
    return { host, sign: "unknown", word: state === "ended" ? "not touched" : "to come", text: "" };
  });
}
