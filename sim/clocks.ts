// Clock (safety.md §5.17): wall jumps of years change no command. The same seed is run with its clock faults and without
// them, in a world in which a jump has no other way to make a difference: the disk takes no time, nothing is aimed by
// counting the watcher's calls, and the machine does not reboot nor does the UPS empty (then only the wall clock is left). What leaves for the
// devices is the same, to the millisecond.

import type { Fault } from "./fault-names.ts";
import { FAULTS } from "./fault-names.ts";
import type { Checker } from "./checker.ts";
import type { Spec } from "./spec.ts";
import { World } from "./world.ts";

export function judgeClocks(spec: Spec, judged: World): void {
  const faults = new Map(spec.faults);
  for (const fault of ["power-loss", "disk-slow", "disk-wiped", "disk-restored"] as const satisfies readonly Fault[]) faults.delete(fault);
  faults.set("clock-jumps", FAULTS["clock-jumps"].perHour * 5);
  faults.set("clock-unsynced", FAULTS["clock-unsynced"].perHour);
  // A window is a matter of the wall clock.
  const policy = spec.policy.reboots === undefined ? spec.policy : { ...spec.policy, reboots: { ...spec.policy.reboots, window: null } };
  const still: Spec = { ...spec, policy, faults, aim: 0, commitMs: 0, outages: spec.outages === null ? null : { ...spec.outages, batteryMs: Infinity } };
  const jumping = commands({ ...still, inertClocks: false });
  const steady = commands({ ...still, inertClocks: true });
  judged.counts.add("clock: seeds run with and without jumps");
  const at = jumping.findIndex((line, index) => line !== steady[index]);
  if (at >= 0 || jumping.length !== steady.length) judged.fail("Clock", `with wall jumps ${jumping[Math.max(0, at)] ?? "nothing more"}, without them ${steady[Math.max(0, at)] ?? "nothing more"}`);
}

function commands(spec: Spec): string[] {
  const lines: string[] = [];
  const listen = (): Checker => ({ invariant: "Clock", bytes: ({ action, outlet, sentMs }) => void lines.push(`${action} to ${outlet.key} at ${sentMs} ms`) });
  new World(spec, () => [listen()]).run();
  return lines;
}
