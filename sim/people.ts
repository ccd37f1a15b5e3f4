// People in the virtual world: they type commands at random, sensible ones and others, always at the watcher that runs.

import type { Command } from "../src/core/io.ts";
import type { AnyRecord, BrakeRecord, HostRecord } from "../src/core/records.ts";
import type { Grounds } from "./ground-strikes.ts";
import type { Random } from "./random.ts";

/** Where people can ask somebody, and see what is recorded. */
export type Public = Grounds & {
  /** Somebody runs who could be asked. */
  readonly attended: boolean;
  recorded(): Iterable<readonly [string, AnyRecord]>;
  alarmNames(): readonly string[];
};

type PersonStrike = (world: Public, random: Random) => string | null;
export type PersonFault = "person-brakes" | "person-unbrakes" | "person-releases" | "person-fences" | "person-switches" | "person-confirms-off" | "person-lets-storm-through" | "person-acknowledges";

const aName = (world: Public, random: Random): string => random.pick([...world.hosts.keys()]);

function asking(command: (world: Public, random: Random) => Command | null): PersonStrike {
  return (world, random) => {
    if (!world.attended) return null;
    const asked = command(world, random);
    if (asked === null) return null;
    world.ask(asked);
    return JSON.stringify(asked);
  };
}

export const PEOPLE: Record<PersonFault, PersonStrike> = {
  "person-brakes": asking((world, random) => {
    const brake = random.weigh([[3, "disarmed"], [3, "maintenance"], [1, "inhibit"], [2, "going-down"], [1, "kdump"]] as const);
    const fleet = brake !== "going-down" && brake !== "kdump" && random.chance(0.3);
    return { kind: "brake", brake, scope: fleet ? "*" : aName(world, random), forMs: random.chance(0.8) ? random.spread(5_000, 900_000) : null, reason: "work" };
  }),
  "person-unbrakes": asking((world, random) => {
    const brakes = [...world.recorded()].filter(([key]) => key.startsWith("brake/")).map(([, value]) => value as BrakeRecord);
    if (brakes.length === 0) return random.chance(0.1) ? { kind: "unbrake", brake: "maintenance", scope: aName(world, random) } : null;
    const { kind, scope } = random.pick(brakes);
    return { kind: "unbrake", brake: kind, scope };
  }),
  "person-releases": asking((world, random) => {
    const held = [...world.recorded()].filter(([key, value]) => key.startsWith("host/") && (value as HostRecord).hold !== null).map(([key]) => key.slice(5));
    if (held.length === 0 && random.chance(0.9)) return null;
    return { kind: "release", host: held.length === 0 ? aName(world, random) : random.pick(held) };
  }),
  "person-fences": asking((world, random) => {
    const host = aName(world, random);
    return { kind: "fence", host, reason: "it hangs", again: random.chance(0.3), confirm: random.chance(0.7) ? host : null };
  }),
  "person-switches": asking((world, random) => {
    const host = aName(world, random);
    return { kind: "power", host, action: random.pick(["on", "on", "off", "cycle"] as const), reason: "by hand", again: random.chance(0.3), confirm: random.chance(0.8) ? host : null };
  }),
  "person-confirms-off": asking((world, random) => {
    const off = [...world.hosts.values()].filter((host) => !host.powered).map((host) => host.name);
    if (off.length === 0) return null;
    const host = random.pick(off);
    return { kind: "confirm-off", host, confirm: random.chance(0.8) ? host : "", reason: "I have looked" };
  }),
  "person-lets-storm-through": asking((world, random) => {
    const storm = [...world.recorded()].some(([key]) => key.startsWith("storm/"));
    return storm || random.chance(0.05) ? { kind: "storm-proceed" } : null;
  }),
  "person-acknowledges": asking((world, random) => {
    const alarms = world.alarmNames();
    return alarms.length === 0 ? null : { kind: "ack", alarm: random.pick(alarms) };
  }),
};
