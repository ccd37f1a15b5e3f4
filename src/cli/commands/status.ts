// `upkeep status [HOST]`: how it stands, calmly. The first line says whether the fleet is guarded; what asks for a person
// stands last, nearest to the prompt. Exit 1 when a host is down or not guarded.

import type { AgentDetails, AlarmReport, HostReport, StatusReport } from "../../api/contract.ts";
import { inWords, PATHS } from "../../api/contract.ts";
import type { Client } from "../client.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import type { Cell } from "../terminal.ts";
import { moment, paint, print, printable, printJson, table, zone } from "../terminal.ts";
import { agentLine, findingTable } from "./agents.ts";
import { votes } from "../votes.ts";
import { storeLines, watcherTable } from "../watchers.ts";

const SHAPES = { up: "●", suspect: "▲", down: "✖", unknown: "○" } as const;
const STYLES = { up: "green", suspect: "yellow", down: "red", unknown: "magenta" } as const;

/** Runs `upkeep status`. */
export async function runStatus(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  const status = await client.get<StatusReport>(host === undefined ? PATHS.status : `${PATHS.status}?host=${encodeURIComponent(host)}`);
  if (options.json === true) printJson(status);
  else {
    for (const line of render(status, host ?? null)) print(line);
    if (host !== undefined) for (const line of await agentOf(client, host)) print(line);
  }
  return status.hosts.every((each) => each.guarded && each.verdict !== "down") ? EXIT.yes : EXIT.no;
}

/** The agent of a host, and what of its findings is not good; nothing where none is enrolled, or the watcher is older. */
async function agentOf(client: Client, host: string): Promise<readonly string[]> {
  const agent = await client.get<AgentDetails>(`${PATHS.agents}/${encodeURIComponent(host)}`).catch(() => null);
  if (agent === null) return [];
  const ill = agent.found.filter(({ verdict }) => verdict !== "good");
  return ["", `Agent: ${agentLine(agent, Date.now())}`, ...(ill.length === 0 ? [] : findingTable(ill))];
}

function render(status: StatusReport, only: string | null): readonly string[] {
  const all = /^(\d+) of \1$/.test(status.guarded);
  const watchers = status.watchers.map((watcher) => printable(watcher.watcher) + (watcher.stopping ? " (stopping)" : "")).join(", ");
  const lines = [`${paint(all ? ["bold", "green"] : ["bold", "yellow"], `guarded ${status.guarded}`)}  ${paint("dim", `${status.site} · ${watchers} · ${moment(status.at, status.at)} ${zone(status.at)}`)}`, ""];
  lines.push(...table(["HOST", "VERDICT", "COUNTER", "SINCE", "POWER", ""], status.hosts.map((host) => row(host, status))));
  const shown = status.hosts[0];
  if (only !== null && shown !== undefined) lines.push(...details(shown, status.at, status.store !== null));
  const blocks = [several(status), fleetBrakes(status), storms(status), devices(status, only === null ? null : new Set(shown?.power.map((outlet) => outlet.outlet.split("/")[0] ?? ""))), alarms(status.alarms.filter((alarm) => only === null || alarm.host === null || alarm.host === only), status.at)];
  for (const block of blocks) if (block.length > 0) lines.push("", ...block);
  const ill = status.hosts.find((host) => host.verdict === "down" || host.verdict === "suspect") ?? status.hosts.find((host) => !host.guarded);
  if (ill !== undefined) lines.push("", paint("dim", `More: upkeep why ${ill.host}`));
  return lines;
}

function row(host: HostReport, status: StatusReport): readonly Cell[] {
  // Of a host that others watch this watcher knows the word, and not the count.
  const watched = host.observers.some(({ watcher }) => status.watchers.some((each) => each.self && each.watcher === watcher));
  return [
    { text: printable(host.host), style: "bold" },
    // Who is wanted off is down as asked: said, and not shouted.
    { text: `${SHAPES[host.verdict]} ${host.verdict}`, style: host.wanted === "off" ? "dim" : STYLES[host.verdict] },
    { text: watched ? `${host.counter}/${host.threshold}` : "–", ...(host.counter > 0 ? { style: "yellow" as const } : {}) },
    { text: inWords(Math.max(0, Date.parse(status.at) - Date.parse(host.since))) },
    { text: power(host), ...(host.power.some((outlet) => outlet.state !== "on") ? { style: "yellow" as const } : {}) },
    { text: printable([...notes(host), ...(status.store === null ? [] : agreement(host))].join(" · ")) },
  ];
}

function power(host: HostReport): string {
  if (host.power.length === 0) return "none";
  return printable(host.power.map((outlet) => `${outlet.outlet} ${outlet.state}`).join(", "));
}

function notes(host: HostReport): readonly string[] {
  const notes: string[] = [];
  const { operation } = host;
  if (operation !== null) notes.push(`operation ${operation.operation}: ${operation.phase}${host.incident === null ? "" : ` (${host.incident})`}`);
  else if (host.incident !== null) notes.push(host.incident);
  if (operation === null && host.why !== null) notes.push(`not guarded: ${host.why}`);
  if (host.verdict !== "up" && host.round !== null && host.round.because !== "") notes.push(host.round.because);
  return notes;
}

/** Who decides, and who says what where they do not agree. */
function agreement({ inCharge, observers, need }: HostReport): readonly string[] {
  const down = observers.filter(({ says }) => says === "down");
  const split = down.length > 0 && down.length < observers.length;
  const others = observers.filter(({ says }) => says !== "down").map(({ watcher, says }) => `${watcher} ${says === null ? "says nothing" : says === "up" ? "says up" : "abstains"}`);
  return [...(split ? [`${down.length} of ${observers.length} say down, ${need} have to; ${others.join(", ")}`] : []), inCharge === null ? "nobody is in charge" : `by ${inCharge}`];
}

/** The watchers and their store; nothing where there is one watcher. */
function several(status: StatusReport): readonly string[] {
  return status.store === null ? [] : [...watcherTable(status), ...storeLines(status)];
}

function details(host: HostReport, now: string, shared: boolean): readonly string[] {
  const lines = [""];
  const rows = host.probes.map((probe): readonly Cell[] => [
    { text: printable(probe.probe) },
    { text: probe.outcome ?? "–", ...(probe.outcome === "bad" ? { style: "red" as const } : probe.outcome === "good" ? { style: "green" as const } : {}) },
    { text: probe.latencyMs === null ? "" : `${Math.round(probe.latencyMs * 10) / 10} ms` },
    { text: printable(`${probe.evidence ?? "not made yet"}${!probe.passed ? " (never passed here: does not count)" : probe.counts ? "" : " (evidence only)"}`) },
  ]);
  lines.push(...table(["PROBE", "LAST", "TOOK", "EVIDENCE"], rows), "");
  lines.push(...table(["OUTLET", "STATE", "READ", "LABEL"], host.power.map((outlet): readonly Cell[] => [
    { text: printable(outlet.outlet) },
    { text: outlet.state },
    { text: outlet.at !== null ? moment(outlet.at, now) : shared && outlet.state !== "unknown" ? `by ${printable(host.inCharge ?? "another")}` : "never" },
    { text: printable(`${outlet.label ?? "–"}${outlet.proved ? "" : " (that it feeds this host is not proved yet)"}`) },
  ])));
  lines.push("", `wanted ${host.wanted}${host.wantedOff === null ? "" : ` by ${printable(host.wantedOff.by)}: ${printable(host.wantedOff.why)}`}; ${host.budget.cycles} of ${host.budget.of} power cycles in ${inWords(host.budget.withinMs)}`);
  if (shared) lines.push(...votes(host));
  if (host.held !== null) lines.push(`held since ${moment(host.held.since, now)}: ${printable(host.held.because)}; upkeep release ${host.host}`);
  return lines;
}

function fleetBrakes(status: StatusReport): readonly string[] {
  const lines: string[] = [];
  if (!status.armed) lines.push("The whole fleet is disarmed in the configuration: it decides and tells, and nothing is cut.");
  for (const brake of status.brakes.filter((each) => each.scope === "*")) {
    lines.push(`The whole fleet is under ${brake.brake} by ${printable(brake.by)}${brake.leftMs === null ? "" : ` for another ${inWords(brake.leftMs)}`}${brake.reason === "" ? "" : `: ${printable(brake.reason)}`}.`);
  }
  if (status.ledger.why !== null && status.store === null) lines.push(paint("red", `The ledger cannot be written: ${printable(status.ledger.why)}. Nothing is cut while that lasts.`));
  return lines;
}

function storms(status: StatusReport): readonly string[] {
  return status.storms.map((storm) => `${paint("red", `Storm in ${printable(storm.set)}`)} since ${moment(storm.since, status.at)}: ${printable(storm.because)}; ${storm.proceedBy === null ? "nothing new is cut. To go on one by one: upkeep storm proceed" : `let through one by one by ${printable(storm.proceedBy)}`}`);
}

function devices(status: StatusReport, of: ReadonlySet<string> | null): readonly string[] {
  return status.devices
    .filter((device) => device.readable === false && (of === null || of.has(device.device)))
    .map((device) => `${paint("yellow", `${printable(device.device)} cannot be read`)}: ${printable(device.why ?? "no reason given")}${device.at === null ? "" : ` (last read ${moment(device.at, status.at)})`}`);
}

function alarms(open: readonly AlarmReport[], now: string): readonly string[] {
  const asking = open.filter((alarm) => !alarm.acknowledged);
  if (asking.length === 0) return [];
  return ["Asked of you:", ...asking.flatMap((alarm) => [
    `  ${paint(alarm.severity === "critical" ? "red" : alarm.severity === "warning" ? "yellow" : "cyan", alarm.severity)} ${alarm.host === null || alarm.happened.includes(alarm.host) ? "" : `${printable(alarm.host)}: `}${printable(alarm.happened)} ${printable(alarm.done)}`,
    `    ${printable(alarm.asked)}   ${paint("dim", `(since ${moment(alarm.at, now)}; upkeep ack ${printable(alarm.alarm)})`)}`,
  ])];
}
