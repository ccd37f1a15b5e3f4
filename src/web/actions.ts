// What a person may ask for about one host, as it is now: what makes no sense is not offered, and what cannot be taken back
// says in its plan what will happen. The watcher decides again; a name to be typed is its question, not ours (parts/act.tsx).

import type { BrakeReport, HostReport } from "../api/contract.ts";
import type { Action } from "./parts/act.tsx";
import { inWords, listed } from "./words.ts";

const HOUR_MS = 3_600_000;
const MAINTENANCE: NonNullable<Action["durations"]> = [["2 hours", 2 * HOUR_MS], ["30 minutes", HOUR_MS / 2], ["1 hour", HOUR_MS], ["4 hours", 4 * HOUR_MS], ["a day", 24 * HOUR_MS], ["a week", 7 * 24 * HOUR_MS]];
const DISARM: NonNullable<Action["durations"]> = [["a day", 24 * HOUR_MS], ["1 hour", HOUR_MS], ["4 hours", 4 * HOUR_MS], ["a week", 7 * 24 * HOUR_MS]];

/** A host that shut itself down with care, before power has been good for long enough. It is asked for by name, because another watcher may be in charge of it. */
export function returnOf({ host, careful }: HostReport): Action {
  return {
    verb: "Start it again now", title: `Start ${host} again`, reason: "none",
    plan: [`It is ${careful?.says ?? ""}.`, "It is started without waiting for power to be good: if the mains or the cooling is still gone, it shuts down again or runs hot.", "Not before it has given no sign of life for long enough to be off."],
    command: () => ({ kind: "careful-return", host }),
  };
}

/** `last`: what only somebody may say who has gone and looked. */
export type HostActions = { readonly urgent: readonly Action[]; readonly usual: readonly Action[]; readonly power: readonly Action[]; readonly last: readonly Action[] };

/** `brakes`: those of the whole site. */
export function actionsOn(host: HostReport, brakes: readonly BrakeReport[]): HostActions {
  const name = host.host;
  const own = (brake: BrakeReport["brake"]) => brakes.some((each) => each.brake === brake && each.scope === name);
  const urgent: Action[] = [];
  if (host.held !== null) urgent.push({
    verb: "Release it", title: `Release ${name}`, reason: "none",
    plan: [`It is held: ${host.held.because}.`, "After this it is watched as before, and may be cut again if it is still down.", "Its budget of power cycles begins anew."],
    command: () => ({ kind: "release", host: name }),
  });
  const last: Action[] = [];
  if (host.operation !== null || host.held !== null) last.push({
    verb: "Confirm that it is off", title: `Confirm that ${name} is off`, danger: true, reason: "required",
    plan: ["Go and look first: only who has seen that it has no power may say so.", "Other systems may take its work over once this is said.", "Upkeep does not switch it on again until it is asked to."],
    command: ({ confirm, reason }) => ({ kind: "confirm-off", host: name, confirm: confirm ?? "", reason }),
  });
  const usual: Action[] = [
    ...(host.careful?.state === "off" ? [returnOf(host)] : []),
    own("maintenance")
      ? { verb: "End maintenance", title: `End the maintenance of ${name}`, reason: "none", plan: ["It is watched as before from now on, counting from zero."], command: () => ({ kind: "unbrake", brake: "maintenance", scope: name }) }
      : { verb: "Start maintenance", title: `Maintenance of ${name}`, reason: "optional", durations: MAINTENANCE, plan: ["Its power is not cut by itself, whatever it does.", "It is watched and recorded all the same.", "If it is not well when the time is over it is held, not cut."], command: ({ forMs, reason }) => ({ kind: "brake", brake: "maintenance", scope: name, forMs, reason }) },
    own("disarmed")
      ? { verb: "Arm", title: `Arm ${name}`, reason: "none", plan: ["From now on its power is cut when it is down."], command: () => ({ kind: "unbrake", brake: "disarmed", scope: name }) }
      : { verb: "Disarm", title: `Disarm ${name}`, reason: "optional", durations: DISARM, plan: ["Upkeep goes on deciding and telling, and does nothing.", "It reminds you until the time is over."], command: ({ forMs, reason }) => ({ kind: "brake", brake: "disarmed", scope: name, forMs, reason }) },
  ];
  return { urgent, usual, power: host.power.length === 0 ? [] : powerOf(host), last };
}

function powerOf(host: HostReport): readonly Action[] {
  const name = host.host;
  const first = host.power.filter((outlet) => outlet.level === 1).map((outlet) => outlet.outlet);
  const where = listed(first, first.length + 1);
  const unproved = host.power.filter((outlet) => outlet.level === 1 && !outlet.proved).map((outlet) => outlet.outlet);
  const doubt = unproved.length === 0 ? [] : [`That ${listed(unproved)} feeds it is what the configuration says; no good cycle has proved it yet.`];
  const boots = host.bootLongestMs === null ? [] : [`Its last boots took up to ${inWords(host.bootLongestMs)}.`];
  const off = host.power.every((outlet) => outlet.state === "off");
  const on: Action = { verb: "Power on", title: `Switch ${name} on`, reason: "optional", plan: [`${where} is switched on, whatever brakes are in force.`, ...boots], command: ({ reason, again, confirm }) => ({ kind: "power", host: name, action: "on", reason: reason === "" ? "by hand" : reason, again, confirm }) };
  const cycle: Action = { verb: "Power cycle", title: `Cut and restore the power of ${name}`, danger: true, reason: "required", plan: [`${where} is switched off, read back as off, and switched on again.`, "What runs on it stops without warning.", ...doubt, ...boots], command: ({ reason, again, confirm }) => ({ kind: "power", host: name, action: "cycle", reason, again, confirm }) };
  const fence: Action = { verb: "Fence", title: `Fence ${name}`, danger: true, reason: "required", plan: [`Its power at ${where} is cut, confirmed as off by reading it back and by its silence, and restored; then the next level if it does not come back.`, "It overrides start-up, storm, budget, debounce and disarmed; each that it overrides is named in the answer. Maintenance it does not override.", ...doubt, ...boots], command: ({ reason, again, confirm }) => ({ kind: "fence", host: name, reason, again, confirm }) };
  const cut: Action = { verb: "Power off", title: `Switch ${name} off`, danger: true, reason: "required", plan: [`${where} is switched off and stays off until somebody asks for it to be on.`, "What runs on it stops without warning.", ...doubt], command: ({ reason, again, confirm }) => ({ kind: "power", host: name, action: "off", reason, again, confirm }) };
  if (off || host.wanted === "off") return [on];
  return [...(host.power.some((outlet) => outlet.state === "off") ? [on] : []), cycle, fence, cut];
}
