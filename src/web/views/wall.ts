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

const ILL: ReadonlySet<Condition> = new Set(["held", "down", "working", "suspect"]);

export type WallSentence = { readonly text: string; readonly more: string | null; /** Nobody is asked for anything. */ readonly calm: boolean };

/**
 * What a host suffers is said before what holds its cut back: that is what somebody gets up for. Then what the fleet suffers,
 * then what a person is called for; and if there is nothing, that, with what there is to know beside.
 */
export function wallSentence(site: Site, hosts: readonly HostReport[], nowMs: number): WallSentence {
  const ill = hosts.filter((host) => ILL.has(conditionOf(host)));
  const well: Site = { ...site, armed: true, brakes: [], storms: [], store: null, ledger: { ok: true, why: null }, reboots: null, power: { ...site.power, state: "unknown" } };
  const ofHosts = sayings(well, ill, nowMs);
  // A rolling reboot that goes as it should asks for nobody.
  const going = site.reboots?.state === "running";
  const ofSite = sayings(going ? { ...site, reboots: null } : site, [], nowMs);
  const said = [...ofHosts, ...ofSite].map(textOf);
  const [first, ...rest] = said;
  if (first !== undefined) return { text: first, more: rest.length === 0 ? null : `And ${plural(rest.length, "more thing")}.`, calm: false };
  const [alarm, ...others] = site.alarms.filter((each) => !each.acknowledged);
  if (alarm !== undefined) return { text: alarm.happened, more: others.length === 0 ? alarm.asked : `And ${plural(others.length, "more alarm")}.`, calm: false };
  const [beside] = sayings(going ? { ...well, reboots: site.reboots } : well, hosts, nowMs);
  const text = hosts.length === 0 ? "No host is configured yet." : hosts.length === 1 ? `${hosts[0]?.host ?? ""} is well.` : `All ${hosts.length.toLocaleString("en")} hosts are well.`;
  return { text, more: beside === undefined ? null : textOf(beside), calm: true };
}

function textOf(saying: Saying): string {
  return saying.map((piece) => (typeof piece === "string" ? piece : "host" in piece ? piece.host : "incident" in piece ? piece.incident : piece.text)).join("");
}
