// Whether mains power (or cooling) is lost, from what several sensors say. Pure: what was seen goes in, one word comes out.
//
// `lost` needs evidence that something has lost its power, never the lack of evidence that it has some. A power node that is
// silent counts only between two answers of a reference that hangs on the UPS, by the same way: a dead switch is not a power
// cut. A UPS server that is gone, data that is stale and a sensor that reads nonsense are `unknown`, which shuts nothing down
// unless somebody has configured that (core/careful.ts).

import type { Outcome, Sign } from "./round.ts";

export type Sensed = {
  readonly verdict: "good" | "lost" | "unknown";
  /** One sentence with its evidence. */
  readonly because: string;
  /** Charge of the emptiest battery that is known, in percent; null: none is known. */
  readonly charge: number | null;
  /** There is no time for a second look: the battery is low, the UPS is being shut down, it is too hot. */
  readonly urgent: boolean;
};

/** One look at one thing. */
export type Seen = { readonly name: string; readonly outcome: Outcome; readonly sign: Sign; readonly evidence: string };

/** Of power nodes: their first look, whether a reference answered after it, their second look, and whether one answered after that. The last three are null where all nodes answered at once. */
export type NodesSeen = {
  readonly first: readonly Seen[];
  readonly between: readonly Seen[] | null;
  readonly second: readonly Seen[] | null;
  readonly after: readonly Seen[] | null;
};

const QUIET = { charge: null, urgent: false } as const;

/** Whoever answers, or whose kernel refuses, has power. */
export function hasPower({ sign }: Pick<Seen, "sign">): boolean {
  return sign === "answer" || sign === "refused";
}

/** Silent, or its neighbours say that it is not there. `unknown` is a look that this machine could not make. */
function isSilent({ outcome, sign }: Seen): boolean {
  return outcome === "bad" && (sign === "silent" || sign === "unreachable");
}

/** `lostNeeded` of the nodes silent, twice, each time with a reference that answers afterwards. Without references (`[]`) nothing vouches for the way, and silence is never more than unknown. */
export function judgeNodes({ first, between, second, after }: NodesSeen, lostNeeded: number): Sensed {
  const seen = first.map((each, at) => {
    const again = second?.[at];
    return again !== undefined && hasPower(again) ? again : each;
  });
  const alive = seen.filter(hasPower);
  const total = seen.length;
  // So many answer that too few are left to be lost.
  if (total - alive.length < lostNeeded) return { ...QUIET, verdict: "good", because: `${alive.length} of ${total} power nodes answer (${names(alive)})` };
  const silent = seen.filter((each, at) => isSilent(each) && (second === null || second[at] === undefined || isSilent(second[at])));
  if (silent.length < lostNeeded) {
    const odd = seen.find((each) => !hasPower(each) && !silent.includes(each)) ?? seen[0];
    return { ...QUIET, verdict: "unknown", because: `${names(odd === undefined ? [] : [odd])} could not be looked at: ${odd?.evidence ?? ""}` };
  }
  if (between === null || second === null || after === null) return { ...QUIET, verdict: "unknown", because: `${names(silent)} silent, and not looked at again` };
  const [before, later] = [between.find(hasPower), after.find(hasPower)];
  if (before === undefined || later === undefined) {
    const why = between.length === 0 ? "and there is no reference that would vouch for the way" : `and so is every reference (${names((before === undefined ? between : after))}): the network, not the power`;
    return { ...QUIET, verdict: "unknown", because: `${silent.length} of ${total} power nodes silent (${names(silent)}), ${why}` };
  }
  return { ...QUIET, verdict: "lost", because: `${silent.length} of ${total} power nodes silent twice (${names(silent)}) while ${later.name} answers` };
}

/** What upsd says of one UPS: its status tokens and numbers, or why there are none. */
export type UpsSeen = { readonly name: string } & ({ readonly status: ReadonlySet<string>; readonly charge: number | null } | { readonly wrong: string });

/** `chargeBelow`: on battery under so many percent is as urgent as the UPS's own LB. */
export function judgeUps(seen: UpsSeen, { chargeBelow }: { readonly chargeBelow: number | null }): Sensed {
  const { name } = seen;
  if ("wrong" in seen) return { ...QUIET, verdict: "unknown", because: `UPS ${name}: ${seen.wrong}` };
  const { status } = seen;
  const charge = seen.charge !== null && seen.charge >= 0 && seen.charge <= 100 ? seen.charge : null;
  const said = `UPS ${name} says ${[...status].join(" ")}${charge === null ? "" : `, battery ${charge} %`}`;
  if (status.has("FSD")) return { verdict: "lost", urgent: true, charge, because: `${said}: told to shut down` };
  if (status.has("OB")) {
    const low = status.has("LB") ? "battery low" : charge !== null && chargeBelow !== null && charge < chargeBelow ? `under ${chargeBelow} %` : null;
    return { verdict: "lost", urgent: low !== null, charge, because: `${said}: on battery${low === null ? "" : `, ${low}`}` };
  }
  // On bypass the load hangs on the mains; what is neither on line nor on battery cannot be told.
  return status.has("OL") || status.has("BYPASS") ? { verdict: "good", urgent: false, charge, because: said } : { verdict: "unknown", urgent: false, charge, because: `${said}: neither on line nor on battery` };
}

export type TemperatureBounds = {
  readonly above: number;
  /** Hot until it is below this again. */
  readonly below: number;
  readonly critical: number | null;
};

/** Dead sensors read 0 K, -128, 127 or 255; no machine room does. */
export const CELSIUS_MIN = -40;
export const CELSIUS_MAX = 120;

/** `wasHot`: what it was at the last look; between the bounds it stays so. */
export function judgeTemperature(seen: { readonly name: string } & ({ readonly celsius: number } | { readonly wrong: string }), bounds: TemperatureBounds, wasHot: boolean): Sensed {
  const { name } = seen;
  if ("wrong" in seen) return { ...QUIET, verdict: "unknown", because: `${name}: ${seen.wrong}` };
  const { celsius } = seen;
  if (!(celsius >= CELSIUS_MIN && celsius <= CELSIUS_MAX)) return { ...QUIET, verdict: "unknown", because: `${name} reads ${celsius} °C, which no room has` };
  const read = `${name} reads ${Math.round(celsius * 10) / 10} °C`;
  if (bounds.critical !== null && celsius >= bounds.critical) return { verdict: "lost", urgent: true, charge: null, because: `${read} (critical from ${bounds.critical})` };
  if (celsius > bounds.above) return { ...QUIET, verdict: "lost", because: `${read} (above ${bounds.above})` };
  if (wasHot && celsius > bounds.below) return { ...QUIET, verdict: "lost", because: `${read} (not below ${bounds.below} yet)` };
  return { ...QUIET, verdict: "good", because: read };
}

/** Any probe as a signal. What counts is its own word that something is wrong: whoever only does not answer has not said that power is lost. `speaksByEnding`: a plugin, whose exit code is its word. */
export function judgeProbe({ name, outcome, sign, evidence }: Seen, speaksByEnding: boolean): Sensed {
  const verdict = outcome === "good" || outcome === "slow" ? "good" : outcome === "bad" && (sign === "answer" || speaksByEnding) ? "lost" : "unknown";
  return { ...QUIET, verdict, because: `${name}: ${evidence}` };
}

/** One word of several: lost where `lostNeeded` of them are, good where so many can no longer be. */
export function combine(senses: readonly Sensed[], lostNeeded: number): Sensed {
  const of = (verdict: Sensed["verdict"]): readonly Sensed[] => senses.filter((each) => each.verdict === verdict);
  const [lost, unknown, good] = [of("lost"), of("unknown"), of("good")];
  const verdict = lost.length >= lostNeeded ? "lost" : lost.length + unknown.length < lostNeeded ? "good" : "unknown";
  const charges = senses.flatMap(({ charge }) => (charge === null ? [] : [charge]));
  const told = verdict === "lost" ? lost : verdict === "good" ? [...good, ...lost, ...unknown] : [...unknown, ...lost];
  return {
    verdict,
    because: told.map(({ because }) => because).join("; "),
    charge: charges.length === 0 ? null : Math.min(...charges),
    urgent: verdict === "lost" && lost.some(({ urgent }) => urgent),
  };
}

function names(seen: readonly Seen[]): string {
  return seen.map(({ name }) => name).join(", ");
}
