// What a screen on a wall says: one sentence that can be read from across the room, and a tile for each group. Pure.

import type { HostReport } from "../../api/contract.ts";
import type { Site } from "../live/store.ts";
import type { Saying } from "../sentences.ts";
import { conditionOf, sayings, URGENCY } from "../sentences.ts";
import type { Condition } from "../words.ts";
import { listed, plural } from "../words.ts";

export type Tile = { readonly group: string; readonly condition: Condition; readonly hosts: number; readonly well: number; /** Who is not well, the most urgent first, in words. */ readonly who: string };

export function tilesOf(hosts: readonly HostReport[]): readonly Tile[] {
  const groups = new Map<string, HostReport[]>();
  for (const host of hosts) groups.set(host.group, [...(groups.get(host.group) ?? []), host]);
  return [...groups].map(([group, members]): Tile => {
    const ill = members.filter((host) => !isWell(host)).sort((one, other) => URGENCY[conditionOf(one)] - URGENCY[conditionOf(other)]);
    const worst = ill[0];
    return { group, condition: worst === undefined ? "up" : conditionOf(worst), hosts: members.length, well: members.length - ill.length, who: listed(ill.map(({ host }) => host), 3) };
  }).sort((one, other) => URGENCY[one.condition] - URGENCY[other.condition] || one.group.localeCompare(other.group, "en", { numeric: true }));
}

/** Off as wanted is as it should be. */
function isWell(host: HostReport): boolean {
  const condition = conditionOf(host);
  return condition === "up" || (condition === "off" && host.offByOthers.length === 0);
}

/** `calm`: nobody is asked for anything. */
export function wallSentence(site: Site, hosts: readonly HostReport[], nowMs: number): { readonly text: string; readonly more: string | null; readonly calm: boolean } {
  const said = sayings(site, hosts, nowMs);
  const [first] = said;
  const alarms = site.alarms.filter((alarm) => !alarm.acknowledged).length;
  const called = alarms === 0 ? null : `${plural(alarms, "alarm")} ${alarms === 1 ? "waits" : "wait"} for somebody.`;
  if (hosts.length === 0) return { text: "No host is configured yet.", more: called, calm: true };
  if (first === undefined) return { text: hosts.length === 1 ? `${hosts[0]?.host ?? ""} is well.` : `All ${hosts.length.toLocaleString("en")} hosts are well.`, more: called, calm: alarms === 0 };
  const rest = said.length - 1;
  return { text: textOf(first), more: [rest === 0 ? null : `And ${plural(rest, "more thing")}.`, called].filter((each) => each !== null).join(" ") || null, calm: false };
}

function textOf(saying: Saying): string {
  return saying.map((piece) => (typeof piece === "string" ? piece : "host" in piece ? piece.host : "incident" in piece ? piece.incident : piece.text)).join("");
}
