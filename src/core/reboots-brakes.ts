// What holds a planned reboot back. Whatever would hold an off back does, and more: nobody is taken away while one of those that
// stand in for him is not well, while power is being switched anywhere, or when what is left of the window may not be enough for a
// boot. A reboot waits for fences and never the other way round: to repair a dead host is the more urgent.

import { brakeOn } from "./brake-records.ts";
import type { BrakeName } from "./brakes.ts";
import { bootMs, brakesOn } from "./brakes.ts";
import type { HostPolicy, RebootsPolicy } from "./policy.ts";
import { REBOOTS } from "./policy.ts";
import type { RebootRun } from "./records.ts";
import { membersOf, setsOf } from "./storm.ts";
import type { HostState, Turn } from "./state.ts";
import { inWords } from "./words.ts";
import { openingAt, opensInMs } from "./window.ts";

/** Where `boot` is 0 and no boot was measured. */
const BACK_LEAST_MS = 300_000;

export function rebootsOf(turn: Pick<Turn, "policy">): RebootsPolicy {
  return turn.policy.reboots ?? REBOOTS;
}

/** How long a host may be away for a reboot of ours, and what has to be left of a window: twice the longest that was measured. */
export function backMs(policy: HostPolicy, host: HostState): number {
  const longestMs = 2 * Math.max(0, ...(host.record.rebootsMs ?? []));
  const bound = Math.max(bootMs(policy, host), longestMs);
  return bound === 0 ? BACK_LEAST_MS : bound;
}

/** `name`: the same as long as it is the same reason. `forLong`: not over in minutes. */
export type Wait = { readonly name: string; readonly because: string; readonly forLong: boolean };

/** Nothing of the host's: who has no power is rebooted all the same, and whom the watcher itself hangs on has a rule of its own. */
const NOT_OURS: ReadonlySet<BrakeName> = new Set<BrakeName>(["no-power", "self", "label"]);

/** Why this host is not rebooted now; null: it may be. `ours stands`: the brake of its own reboot is on already. */
export function whyNotNow(turn: Turn, run: RebootRun, host: HostState, policy: HostPolicy, when: "before" | "ours stands" = "before"): Wait | null {
  const brake = brakesOn(host, policy, turn.state, turn.policy, turn.now, { operation: null, resumed: when === "ours stands" }).find(({ name }) => !NOT_OURS.has(name) && !(when === "ours stands" && name === "rebooting"));
  if (brake !== undefined) return { name: brake.name, because: brake.because, forLong: false };
  const goodMs = servesFor(turn, host, policy);
  if (goodMs === null || goodMs < policy.healthyForMs) return { name: "ill", because: `${host.name} is not healthy itself`, forLong: false };
  return outside(turn, run, host, policy) ?? own(turn, run, host, policy) ?? besides(turn, run, host, policy);
}

/** Why it is not to be rebooted at all any more. */
export function leftOut(turn: Turn, run: RebootRun, host: HostState): string | null {
  if (host.record.wanted.state === "off") return `it is wanted off by ${host.record.wanted.by}`;
  return run.needed && host.boot !== null && host.boot.pending === null ? "it needs none any more" : null;
}

/** How long it has served, as far as is known here; null: it does not. */
export function servesFor(turn: Turn, host: HostState, policy: HostPolicy): number | null {
  if (host.observed) return (host.last?.outcome === "good" || host.last?.outcome === "slow") && host.goodSinceMs !== null ? turn.now.bootMs - host.goodSinceMs : null;
  const words = [...host.votes.values()].filter((vote) => vote.hash === policy.hash);
  if (words.some(({ says }) => says === "down") || !words.some(({ says }) => says === "up")) return null;
  return turn.now.bootMs - Math.max(...words.filter(({ says }) => says === "up").map(({ seenMs }) => seenMs));
}

function outside(turn: Turn, run: RebootRun, host: HostState, policy: HostPolicy): Wait | null {
  if (run.window === null) return null;
  // Who does not know what time it is does not know that it is night.
  if (!turn.now.synced) return { name: "clock", because: `the window is ${run.window.text}, and this watcher's clock is not synchronised`, forLong: true };
  const { offsets } = rebootsOf(turn);
  const { wallMs } = turn.now;
  const opening = openingAt(run.window.hours, offsets, wallMs);
  if (opening === null) {
    const inMs = opensInMs(run.window.hours, offsets, wallMs);
    return { name: "window", because: inMs === null ? `the window ${run.window.text} never opens` : `the window ${run.window.text} opens in ${inWords(inMs)}`, forLong: true };
  }
  const needMs = neededMs(host, policy);
  return opening.leftMs < needMs ? { name: "window-end", because: `${inWords(opening.leftMs)} of the window ${run.window.text} are left, and a reboot of ${host.name} may take ${inWords(needMs)}`, forLong: true } : null;
}

/** What has to be left: twice the longest that was measured, or what it may take. */
function neededMs(host: HostState, policy: HostPolicy): number {
  const measured = [...(host.record.rebootsMs ?? []), ...host.record.bootsMs];
  return measured.length === 0 ? backMs(policy, host) : 2 * Math.max(...measured);
}

/** The machine of a watcher: only while another one is there, or when that is said. */
function own(turn: Turn, run: RebootRun, host: HostState, policy: HostPolicy): Wait | null {
  const { fleet } = turn.state;
  if (run.self) return null;
  if (fleet === null) return policy.self ? { name: "self", because: "this watcher runs on it, and nobody else would see it come back", forLong: true } : null;
  const runsOn = (watcher: string): boolean => fleet.watchers.get(watcher)?.self.includes(host.name) === true;
  if (policy.self || runsOn(turn.policy.watcher)) return { name: "self", because: "this watcher runs on it: another one has to be in charge", forLong: false };
  const others = [...fleet.alive.keys()].filter((watcher) => !runsOn(watcher));
  if (![...fleet.watchers.keys()].some(runsOn) || others.length > 0) return null;
  return { name: "self", because: "a watcher runs on it, and no other one is there", forLong: false };
}

/** What stands elsewhere: an operation anywhere, or somebody who is not well among those that it shares a set or the plan with. */
function besides(turn: Turn, run: RebootRun, host: HostState, policy: HostPolicy): Wait | null {
  const [operation] = [...turn.state.operations.values(), ...(turn.state.fleet?.foreign.values() ?? [])];
  if (operation !== undefined) return { name: `operation ${operation.id}`, because: `operation ${operation.id} is under way on ${operation.host}`, forLong: false };
  const storm = [...turn.state.storms.values()].find(({ set }) => set === "fleet" || setsOf(policy).includes(set));
  if (storm !== undefined) return { name: "storm", because: `storm: ${storm.because}`, forLong: false };
  const near = new Set([...run.plan, ...setsOf(policy).filter((set) => set !== "fleet").flatMap((set) => membersOf(set, turn.policy).map(({ name }) => name))]);
  for (const name of near) {
    const other = name === host.name ? undefined : turn.host(name);
    const otherPolicy = turn.hostPolicy(name);
    const why = other === undefined || otherPolicy === undefined ? null : unwell(turn, other, otherPolicy);
    if (why !== null) return { name: `${name}: ${why.name}`, because: `${name} ${why.because}`, forLong: false };
  }
  return null;
}

function unwell(turn: Turn, other: HostState, policy: HostPolicy): { readonly name: string; readonly because: string } | null {
  if (other.record.wanted.state === "off") return null;
  if (other.record.hold !== null) return { name: "held", because: `is held: ${other.record.hold.because}` };
  if (other.incident !== null) return { name: "incident", because: `is in incident ${other.incident.incident}` };
  for (const kind of ["maintenance", "going-down", "kdump"] as const) if (brakeOn(turn.state, other.name, kind) !== undefined) return { name: kind, because: `is under ${kind}` };
  return other.record.learned.seenHealthyAt === null || servesFor(turn, other, policy) !== null ? null : { name: "ill", because: "is not healthy" };
}
