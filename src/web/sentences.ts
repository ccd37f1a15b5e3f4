// What a reader is told first, in sentences: of a host in one line, of the fleet in a few. Somebody who was called at night
// reads nothing else, so the order is that of urgency and each says what is asked. Pure: reports in, pieces of text out.

import type { HostReport } from "../api/contract.ts";
import { rollingInWords } from "../api/contract.ts";
import type { Site } from "./live/store.ts";
import type { Condition } from "./words.ts";
import { age, CONDITIONS, inWords, listed, PHASES, plural } from "./words.ts";

/** Text, or a name that leads somewhere. */
export type Piece = string | { readonly host: string } | { readonly incident: string } | { readonly to: string; readonly text: string };
export type Saying = readonly Piece[];

export function conditionOf(host: HostReport): Condition {
  if (host.operation !== null) return "working";
  if (host.held !== null) return "held";
  if (host.wanted === "off" || host.offByOthers.length > 0) return "off";
  return host.verdict;
}

/** How urgently somebody should look; the order of rows, too. */
export const URGENCY: Readonly<Record<Condition, number>> = { held: 0, down: 1, working: 2, suspect: 3, unknown: 4, off: 5, up: 6 };

/** The word beside the shape: `up · 41 d`, `suspect · 3 of 5`. */
export function conditionInWords(host: HostReport, nowMs: number): string {
  const condition = conditionOf(host);
  switch (condition) {
    case "working": return host.operation === null ? CONDITIONS.working : PHASES[host.operation.phase];
    case "held": return `${CONDITIONS.held} · ${age(host.held?.since ?? host.since, nowMs)}`;
    // A host that has said that it shuts down may be at it for minutes.
    case "off": return host.careful?.state === "starting" ? "to be started" : host.careful !== null && host.careful.lastSign === null ? "going off" : host.wanted === "off" ? "off, as wanted" : "off by others";
    case "suspect": return `suspect · ${host.counter} of ${host.threshold}`;
    case "up": case "down": case "unknown": return `${condition} · ${age(host.since, nowMs)}`;
  }
}

/** What there is to say of a host beside its verdict, the most urgent only; null: nothing. */
export function remarkOn(host: HostReport, nowMs: number): string | null {
  const { operation, held, wantedOff } = host;
  if (operation !== null) {
    if (operation.phase !== "booting") return `${operation.kind === "cycle" ? "power cycle" : `power ${operation.kind}`} by ${operation.by === "auto" ? "Upkeep" : operation.by}, ${age(operation.phaseSince, nowMs)}`;
    return `${age(operation.phaseSince, nowMs)} of at most ${inWords(host.bootMs)}`;
  }
  if (held !== null) return held.because;
  if (host.careful !== null) return host.careful.says.replace(/^off: /, "");
  if (wantedOff !== null) return `by ${wantedOff.by}${wantedOff.why === "" ? "" : `: ${wantedOff.why}`}`;
  if (host.offByOthers.length > 0) return `${host.offByOthers.join(" and ")} was switched off, and not by us`;
  if ((host.verdict === "down" || host.verdict === "suspect") && host.round !== null && host.round.because !== "") return host.round.because;
  // That it is not guarded stands beside it.
  if (!host.guarded) return host.why ?? "no reason is given";
  return host.verdict === "unknown" ? host.round?.because ?? "no round yet" : null;
}

/** `Guarded 498 of 500.` */
export function headline(site: Site): string {
  return `Guarded ${site.guarded}.`;
}

type Group = { readonly hosts: readonly HostReport[]; readonly one: (host: HostReport) => Saying; readonly many: (names: Saying, hosts: readonly HostReport[]) => Saying };

const MOST_SAYINGS = 6;

/** What is amiss and what to do about it, the most urgent first; empty: nothing asks for anybody. */
export function sayings(site: Site, hosts: readonly HostReport[], nowMs: number): readonly Saying[] {
  const said: Saying[] = [];
  const whole = site.brakes.find((brake) => brake.scope === "*");
  // What holds everybody back is said once, and not again of each host.
  const told = new Set<string>([...(site.armed ? [] : ["disarmed"]), ...(whole === undefined ? [] : [whole.brake]), ...(site.storms.length > 0 ? ["storm"] : []), ...(site.ledger.ok ? [] : ["ledger"]), ...(site.store?.ok === false ? ["charge", "quorum"] : [])]);
  if (!site.armed) said.push(["Nothing is cut by itself: ", { to: "/maintenance", text: "armed is false" }, " in the configuration."]);
  else if (whole !== undefined) {
    said.push([`The whole fleet is ${whole.brake === "maintenance" ? "in maintenance" : whole.brake}${whole.until === null ? "" : ` for ${age(nowMs, Date.parse(whole.until))} more`}, by ${whole.by}${whole.reason === "" ? "" : ` (${whole.reason})`}.`]);
  }
  if (!site.ledger.ok) said.push([`The ledger cannot be written, so nothing is cut: ${site.ledger.why ?? ""}.`]);
  if (site.store !== null && !site.store.ok) said.push([`The shared store does not answer, so nothing is cut: ${site.store.why ?? ""}.`]);
  for (const storm of site.storms) said.push([`A storm holds everything back: ${storm.because}.`]);
  if (site.power.state === "lost") said.push([{ to: "/power", text: "Power is lost" }, `: ${site.power.because}.`]);
  if (site.reboots?.state === "held") said.push([{ to: "/maintenance#reboots", text: `Rolling reboot ${site.reboots.run}` }, ` has stopped: ${site.reboots.because}.`]);
  else if (site.reboots?.state === "running") said.push([{ to: "/maintenance#reboots", text: "Rolling reboot" }, rollingInWords(site.reboots).replace(/^Rolling reboot/, "")]);
  const by = new Map<Condition, HostReport[]>();
  for (const host of hosts) {
    const condition = conditionOf(host);
    const list = by.get(condition);
    if (list === undefined) by.set(condition, [host]);
    else list.push(host);
  }
  const of = (condition: Condition) => by.get(condition) ?? [];
  const groups: Group[] = [
    { hosts: of("held"), one: (host) => [{ host: host.host }, ` is held for a person: ${host.held?.because ?? ""}.`], many: (names) => [...names, " are held for a person."] },
    { hosts: of("down"), one: (host) => [{ host: host.host }, ` is down and is not cut: ${firstBrake(host) ?? "the next bad round decides"}.`], many: (names, all) => [...names, ` are down: ${commonBrake(all)}.`] },
    { hosts: of("working"), one: (host) => [{ host: host.host }, ` is ${host.careful?.state === "starting" ? "started again after its careful shutdown, now " : ""}${host.operation === null ? "worked on" : PHASES[host.operation.phase]}`, ...fromIncident(host), "."], many: (names) => [...names, " are being power-cycled."] },
    { hosts: of("suspect"), one: (host) => [{ host: host.host }, ` is suspect, ${host.counter} of ${host.threshold}: ${host.round?.because ?? ""}.`], many: (names) => [...names, " are suspect."] },
    { hosts: of("unknown"), one: (host) => [{ host: host.host }, ` cannot be judged: ${host.round?.because ?? "no round yet"}.`], many: (names) => [...names, " cannot be judged at present."] },
    { hosts: hosts.filter((host) => host.careful !== null && conditionOf(host) === "off"), one: (host) => [{ host: host.host }, ` is ${host.careful?.says ?? ""}.`], many: (names, all) => [...names, ` have shut themselves down for want of power or cooling (${[...new Set(all.map((host) => host.careful?.because ?? ""))].join("; ")}): `, { to: "/power", text: "when each returns" }, "."] },
    { hosts: of("off").filter((host) => host.offByOthers.length > 0), one: (host) => [{ host: host.host }, ` was switched off at ${host.offByOthers.join(" and ")}, and not by us: it is left off.`], many: (names) => [...names, " were switched off, and not by us."] },
  ];
  for (const { hosts: those, one, many } of groups) {
    if (those.length === 1 && those[0] !== undefined) said.push(one(those[0]));
    else if (those.length > 1) said.push(many(names(those), those));
  }
  // Hosts that are up and not guarded are told by their reason.
  const reasons = new Map<string, HostReport[]>();
  for (const host of of("up")) {
    if (host.guarded || (host.brakes.length > 0 && host.brakes.every(({ brake }) => told.has(brake)))) continue;
    const why = host.why ?? "no reason is given";
    reasons.set(why, [...(reasons.get(why) ?? []), host]);
  }
  for (const [why, those] of [...reasons].sort(([, one], [, other]) => other.length - one.length)) said.push([...names(those), ` ${those.length === 1 ? "is" : "are"} up and not guarded: ${why}.`]);
  if (said.length <= MOST_SAYINGS) return said;
  return [...said.slice(0, MOST_SAYINGS - 1), [{ to: "/?only=trouble", text: `And ${plural(said.length - MOST_SAYINGS + 1, "more thing")}.` }]];
}

function fromIncident(host: HostReport): Saying {
  return host.incident === null ? [] : [", incident ", { incident: host.incident }];
}

function firstBrake(host: HostReport): string | null {
  return host.brakes[0]?.because ?? null;
}

function commonBrake(hosts: readonly HostReport[]): string {
  const reasons = new Set(hosts.map((host) => firstBrake(host) ?? "the next bad round decides"));
  return reasons.size === 1 ? [...reasons][0] ?? "" : "each says why not";
}

const MOST_NAMES = 3;

function names(hosts: readonly HostReport[]): Saying {
  if (hosts.length > MOST_NAMES + 1) return [...hosts.slice(0, MOST_NAMES - 1).flatMap((host): Saying => [{ host: host.host }, ", "]).slice(0, -1), ` and ${plural(hosts.length - MOST_NAMES + 1, "more host")}`];
  return hosts.flatMap((host, index): Saying => [...(index === 0 ? [] : [index === hosts.length - 1 ? " and " : ", "]), { host: host.host }]);
}

/** The title of the browser's tab: what is wrong comes first, because that is all one sees of it. */
export function tabTitle(site: Site | null, hosts: Iterable<HostReport>, page: string): string {
  if (site === null) return `${page} · Upkeep`;
  const bad = [...hosts].filter((host) => ["held", "down", "working", "suspect"].includes(conditionOf(host))).map((host) => host.host);
  return `${bad.length === 0 ? "" : `▲ ${listed(bad, 2)} · `}${page} · ${site.site}`;
}
