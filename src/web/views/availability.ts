// Availability for readers: months of UTC, the parts of a time in words and in widths, and one sentence. Pure.

import type { AvailabilityLine, AvailabilityReport } from "../../api/contract.ts";
import { availabilityInWords, inWords, plannedPaceInWords } from "../../api/contract.ts";
import { plural } from "../words.ts";

/** Parts of lost time in the order in which they come, and what is planned. `means` is what a reader is told on asking. */
export const CAUSES = [
  { key: "detect", word: "to detect", means: "from the first bad sign to the verdict" },
  { key: "decide", word: "to decide", means: "from the verdict until the off was let go: agreement and brakes" },
  { key: "cut", word: "to cut", means: "until the off was confirmed" },
  { key: "off", word: "off", means: "without power, until on was confirmed" },
  { key: "boot", word: "to boot", means: "from power to back in service" },
  { key: "wait", word: "waiting", means: "down and not cut: held back, held, or back by itself" },
] as const satisfies readonly { readonly key: keyof AvailabilityLine["causes"]; readonly word: string; readonly means: string }[];

export const PLANS = [
  { key: "maintenance", word: "maintenance" }, { key: "going-down", word: "announced reboots" }, { key: "wanted-off", word: "wanted off" }, { key: "asked-for", word: "power cycles asked for" },
] as const satisfies readonly { readonly key: keyof AvailabilityLine["planned"]; readonly word: string }[];

export type Month = { readonly name: string; readonly from: string; readonly to: string };

/** `2026-10`; what is no month is the one that is now. */
export function monthOf(text: string | null, nowMs: number): Month {
  const name = text !== null && /^[0-9]{4}-(0[1-9]|1[0-2])$/.test(text) ? text : new Date(nowMs).toISOString().slice(0, 7);
  const [year = 1970, month = 1] = name.split("-").map(Number);
  return { name, from: new Date(Date.UTC(year, month - 1, 1)).toISOString(), to: new Date(Date.UTC(year, month, 1)).toISOString() };
}

export function monthBy({ name }: Month, months: number): string {
  const [year = 1970, month = 1] = name.split("-").map(Number);
  return new Date(Date.UTC(year, month - 1 + months, 1)).toISOString().slice(0, 7);
}

const MONTH = new Intl.DateTimeFormat("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
const SHORT_MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit", timeZone: "UTC" });

export const monthInWords = ({ from }: Month) => MONTH.format(Date.parse(from));
export const shortMonth = (from: string) => SHORT_MONTH.format(Date.parse(from));

/** One sentence of a time: `Available 99.92 %: 2 outages, 3 min lost.` */
export function availabilityHeadline(line: AvailabilityLine): string {
  if (line.availability === null) return "Nothing is known of this time.";
  if (line.unplannedMs === 0) return `Available ${availabilityInWords(line.availability)} of the time that was watched.`;
  return `Available ${availabilityInWords(line.availability)}: ${plural(line.outages, "outage")}, ${inWords(line.unplannedMs)} lost.`;
}

/** What the figure leaves out. */
export function leftOut(line: AvailabilityLine): string {
  const parts = [line.plannedMs > 0 ? `${inWords(line.plannedMs)} in ${plural(line.plannedOutages, "planned absence")} (${plannedPaceInWords(line) ?? ""})` : null, line.unknownMs > 0 ? `${share(line.unknownMs, line.wholeMs)} of it that nobody watched` : null].filter((part) => part !== null);
  return parts.length === 0 ? "Nothing was planned, and it was watched all the time." : `Not counted: ${parts.join(", and ")}.`;
}

export function share(partMs: number, wholeMs: number): string {
  const percent = wholeMs === 0 ? 0 : (partMs / wholeMs) * 100;
  return percent > 99.9 && percent < 100 ? "more than 99.9 %" : percent > 0 && percent < 0.1 ? "less than 0.1 %" : `${percent >= 10 ? Math.round(percent) : percent.toFixed(1)} %`;
}

/** `2 min 5 s to detect, 50 s off, 5 min to boot`. */
export function causesInWords(line: AvailabilityLine): string {
  const lost = CAUSES.filter(({ key }) => line.causes[key] > 0).map(({ key, word }) => `${inWords(line.causes[key])} ${word}`);
  const planned = PLANS.filter(({ key }) => line.planned[key] > 0).map(({ key, word }) => `${inWords(line.planned[key])} ${word}`);
  return [...lost, ...planned].join(", ");
}

export type Bar = { readonly part: string; readonly words: string; readonly from: number; readonly width: number };

/** Lost time as parts of a bar that is as long as `ofMs`; widths from 0 to 1. */
export function barsOf(line: AvailabilityLine, ofMs: number): readonly Bar[] {
  let from = 0;
  return CAUSES.flatMap(({ key, word }) => {
    const width = ofMs === 0 ? 0 : line.causes[key] / ofMs;
    const bar = { part: key, words: `${inWords(line.causes[key])} ${word}`, from, width };
    from += width;
    return width > 0 ? [bar] : [];
  });
}

export type Expected = AvailabilityReport["forecast"]["hosts"][number];

/** `25 s to detect + 6 s off + 34 s to boot = 65 s an outage, 1 a day: 99.92 %.` */
export function expectationInWords({ detect, decide, cut, boot, totalMs, perDay, rateMeasured, availability }: Expected): string {
  if (availability === null) return "Nothing switches its power: an outage lasts until somebody comes.";
  const parts = [`${inWords(detect.ms)} to detect`, ...(decide.ms > 0 ? [`${inWords(decide.ms)} to decide`] : []), `${inWords(cut.ms)} off`, `${inWords(boot.ms)} to boot`];
  const rate = perDay === 0 ? "and there was none" : perDay >= 1 ? `${Math.round(perDay * 10) / 10} a day` : `one in ${Math.round(10 / perDay) / 10} days`;
  return `${parts.join(" + ")} = ${inWords(totalMs)} an outage; ${rate}${rateMeasured ? "" : " (assumed)"}.`;
}

export function oddsInWords(odds: number): string {
  if (odds === 0) return "never, as far as is known";
  const percent = odds * 100;
  return `${percent >= 0.001 ? percent.toPrecision(1) : percent.toFixed(Math.min(20, -Math.floor(Math.log10(percent))))} %`;
}
