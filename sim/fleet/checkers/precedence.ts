// Precedence (safety.md §5.12) whomever one asks: a disarm, a maintenance, an inhibit or a wanted-off that any watcher has
// acknowledged is followed by no automatic off of any watcher, until it is ended by word or by time. Judged when the store
// carries the swap out, so that nothing that is on its way somewhere can excuse it.

import type { FleetChecker } from "../checker.ts";
import type { FleetWorld } from "../world.ts";
import { automatic, isAnotherStore, swapOf } from "./facts.ts";

type Word = { readonly scope: string; readonly kind: string; readonly atMs: number; readonly untilMs: number };

/** The clock that counts the time of a brake may be fast by a hundredth, and ages come out too small, never too large. */
const DRIFT = 0.98;

export function precedence(world: FleetWorld): FleetChecker {
  let words: Word[] = [];
  const last = new Map<string, unknown>();
  const forget = (kind: string, scope: string): void => void (words = words.filter((word) => word.kind !== kind || word.scope !== scope));

  return {
    invariant: "Precedence",
    strikes(fault) {
      if (isAnotherStore(fault)) words = [];
    },
    asked({ command }) {
      // From the moment that somebody asks for the end, or anew, no promise is held against the watchers.
      if (command.kind === "unbrake" || command.kind === "brake") {
        forget(command.brake, command.scope);
        last.set(`${command.brake} ${command.scope}`, command);
      }
      if (command.kind === "power" && command.action !== "off") forget("wanted-off", command.host);
    },
    answered({ command, askedMs }, answer) {
      if (answer.exit !== 0) return;
      const atMs = world.timeline.nowMs;
      if (command.kind === "brake" && (command.brake === "disarmed" || command.brake === "maintenance" || command.brake === "inhibit")) {
        if (last.get(`${command.brake} ${command.scope}`) !== command) return;
        forget(command.brake, command.scope);
        words.push({ kind: command.brake, scope: command.scope, atMs, untilMs: askedMs + DRIFT * (command.forMs ?? (command.brake === "disarmed" ? 86_400_000 : 3_600_000)) });
      }
      if ((command.kind === "power" && command.action === "off") || command.kind === "confirm-off") words.push({ kind: "wanted-off", scope: command.host, atMs, untilMs: Infinity });
    },
    commit(carried) {
      const swap = swapOf(world, carried);
      if (!automatic(swap)) return;
      const { host } = swap.operation;
      const word = words.find(({ scope, atMs, untilMs }) => (scope === "*" || scope === host) && carried.atMs > atMs && carried.atMs < untilMs);
      if (word !== undefined) world.fail("Precedence", `${carried.life.name} lets an automatic off go for ${host}, ${Math.round(carried.atMs - word.atMs)} ms after ${word.kind} ${word.scope} was acknowledged`);
    },
  };
}
