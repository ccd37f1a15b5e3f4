// Asks upsd of Network UPS Tools for everything that it knows of one UPS (`LIST VAR`, RFC 9271 §4.2.4). Good is a complete
// answer with a status in it: then upsd, its driver and the line to the UPS work.
//
// What the UPS says is evidence and history, never a judgement: on battery, low, or told to shut down (OB, LB, FSD), the one
// thing that must not happen is that the watcher cuts power as well. A UPS that upsd has lost (DATA-STALE,
// DRIVER-NOT-CONNECTED) is not judged either: upsd lives and says so, and a power cycle of its host mends no cable.

import { formatNutLine, nutStatus, readNutList } from "../protocol/nut.ts";
import { bad, excerpt, good, turnedAway } from "./finding.ts";
import type { Finding, Measured, Probe, Target } from "./probe.ts";
import { converse } from "./stream.ts";

export type UpsOptions = { readonly port: number; readonly name: string };

/** Hundreds of variables of a large UPS. */
const BYTES_MAX = 65_536;

const STATES: Readonly<Record<string, string>> = { FSD: "told to shut down", OB: "on battery", LB: "battery low", RB: "battery to be replaced", OVER: "overloaded", BYPASS: "on bypass", OFF: "output off", ALARM: "alarm" };
const MEASURED: readonly (readonly [label: string, unit: string])[] = [["battery.charge", "%"], ["battery.runtime", "s"], ["ups.load", "%"], ["input.voltage", "V"], ["output.voltage", "V"], ["ups.temperature", "C"]];

export const ups: Probe<UpsOptions> = {
  name: "ups",
  service: true,
  awaits: "answer of upsd",
  port: ({ port }) => port,
  run: (target, options, _tools, signal, progress) => ask(target, options, () => {}, signal, progress),
};

/** What a UPS says, as its variables; null where the finding is not good. For who has to act by it (src/careful). */
export async function askUps(target: Target, options: UpsOptions, signal: AbortSignal): Promise<{ readonly finding: Finding; readonly variables: ReadonlyMap<string, string> | null }> {
  let variables: ReadonlyMap<string, string> | null = null;
  const finding = await ask(target, options, (heard) => (variables = heard), signal);
  return { finding, variables: finding.outcome === "good" ? variables : null };
}

function ask(target: Target, { port, name }: UpsOptions, heard: (variables: ReadonlyMap<string, string>) => void, signal: AbortSignal, progress?: (text: string) => void): Promise<Finding> {
  return converse(
    target,
    {
      port,
      bytesMax: BYTES_MAX,
      farewell: Buffer.from(formatNutLine("LOGOUT")),
      opened(write) {
        write(Buffer.from(formatNutLine("LIST", "VAR", name)));
        return null;
      },
      // A list that is not complete is looked at again with each part of it, which is at most 64 KiB in all.
      judge: (soFar) => (soFar.at(-1) === 0x0a || soFar.length > 4_096 ? judgeVariables(soFar, name, heard) : null),
      ended: (soFar, how) => bad("answer", how === "full" ? `over ${BYTES_MAX} bytes and no end` : `connection closed ${soFar.length === 0 ? "without" : "within"} the answer`),
    },
    signal,
    progress,
  );
}

/** Judges what upsd has answered so far; null: the list is not complete. */
export function judgeVariables(soFar: Buffer, name: string, heard: (variables: ReadonlyMap<string, string>) => void = () => {}): Finding | null {
  const list = readNutList(soFar.toString("utf8"), ["VAR", name]);
  switch (list.kind) {
    case "partial":
      return null;
    case "malformed":
      return bad("answer", `not an answer of upsd: "${excerpt(Buffer.from(list.line), 60)}"`);
    case "error":
      return turnedAway("upsd", `${list.code}${list.detail === "" ? "" : ` ${list.detail}`}`);
    case "list": {
      const variables = new Map(list.rows.map(([variable = "", value = ""]): [string, string] => [variable, value]));
      heard(variables);
      return judgeStatus(variables);
    }
  }
}

function judgeStatus(variables: ReadonlyMap<string, string>): Finding {
  const status = variables.get("ups.status");
  // WAIT: the driver has not read the UPS yet.
  if (status === undefined || nutStatus(status).has("WAIT")) return turnedAway("upsd", status ?? "no ups.status");
  const states = [...nutStatus(status)].flatMap((token) => STATES[token] ?? []);
  const perfdata = MEASURED.flatMap(([label, unit]): Measured[] => {
    const value = Number(variables.get(label) ?? "");
    return variables.get(label)?.trim() === "" || !variables.has(label) || !Number.isFinite(value) ? [] : [{ label, value, unit }];
  });
  const of = (label: string): number | undefined => perfdata.find((each) => each.label === label)?.value;
  const [charge, runtimeS, load] = [of("battery.charge"), of("battery.runtime"), of("ups.load")];
  const told = [
    `${status}${states.length === 0 ? "" : ` (${states.join(", ")})`}`,
    ...(charge === undefined ? [] : [`battery ${charge} %`]),
    ...(runtimeS === undefined ? [] : [`${Math.floor(runtimeS / 60)} min left`]),
    ...(load === undefined ? [] : [`load ${load} %`]),
  ];
  return { ...good(told.join(", ")), perfdata };
}
