// Precedence (safety.md §5.12): a disarm, a maintenance, an inhibit or a wanted-off that was acknowledged is followed by no
// automatic off, until it is ended by word or, by the boot-time clock, by time.

import type { Command } from "../../src/core/io.ts";
import type { DeviceLock, Operation } from "../../src/core/records.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

type Word = { readonly scope: string; readonly kind: string; readonly acknowledgedMs: number; readonly untilMs: number };

export function precedence(world: World): Checker {
  let words: Word[] = [];
  /** The last word about a brake, of whatever sense. */
  const last = new Map<string, Command>();

  return {
    invariant: "Precedence",
    strikes(fault) {
      if (fault === "disk-wiped" || fault === "disk-restored") words = [];
    },
    asked(command) {
      // From the moment that somebody asks for the end, no promise is held against the watcher.
      // So does who puts on the same brake anew: what is said last holds.
      if (command.kind === "unbrake" || command.kind === "brake") {
        words = words.filter((word) => word.kind !== command.brake || word.scope !== command.scope);
        last.set(`${command.brake} ${command.scope}`, command);
      }
      if (command.kind === "power" && command.action !== "off") words = words.filter((word) => word.kind !== "wanted-off" || word.scope !== command.host);
    },
    answered(command, answer, askedMs) {
      if (answer.exit !== 0) return;
      const acknowledgedMs = world.timeline.nowMs;
      if (command.kind === "brake" && (command.brake === "disarmed" || command.brake === "maintenance" || command.brake === "inhibit")) {
        // Its end was asked for before it was answered.
        if (last.get(`${command.brake} ${command.scope}`) !== command) return;
        const defaultMs = command.brake === "disarmed" ? 86_400_000 : 3_600_000;
        words = words.filter((word) => word.kind !== command.brake || word.scope !== command.scope);
        words.push({ kind: command.brake, scope: command.scope, acknowledgedMs, untilMs: askedMs + (command.forMs ?? defaultMs) });
      }
      if ((command.kind === "power" && command.action === "off") || command.kind === "confirm-off") words.push({ kind: "wanted-off", scope: command.host, acknowledgedMs, untilMs: Infinity });
    },
    commit({ writes, calledMs }) {
      const lock = writes.find((each) => each.key.startsWith("lock/") && each.value !== null)?.value as DeviceLock | undefined;
      const operation = writes.find((each) => each.key.startsWith("op/"))?.value as Operation | null | undefined;
      if (lock === undefined || operation === null || operation === undefined || operation.phase !== "off-sent" || operation.origin.kind !== "auto") return;
      for (const word of words) {
        if (word.scope !== "*" && word.scope !== operation.host) continue;
        if (calledMs > word.acknowledgedMs && calledMs < word.untilMs) return world.fail("Precedence", `an automatic off for ${operation.host} is let go, ${calledMs - word.acknowledgedMs} ms after ${word.kind} ${word.scope} was acknowledged`);
      }
    },
  };
}
