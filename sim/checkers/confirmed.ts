// Confirmed (safety.md §5.9) and Unknown (§5.10, first half): `off confirmed` means that all feeds were truly off at one
// moment of the passes that confirmed it, unless the device lied; it rests on two answers of each feed in a row that said
// off, an on on an answer that said on, and nothing rests on an answer that never came. A host that still answers at its
// own address contradicts.

import type { Operation } from "../../src/core/records.ts";
import { outletKey } from "../../src/core/policy.ts";
import type { OutletState } from "../../src/power/power.ts";
import type { Checker } from "../checker.ts";
import type { World } from "../world.ts";

type Answered = { readonly state: OutletState; readonly atMs: number; readonly askedMs: number; readonly closed: boolean; readonly doubtful: boolean };

export function confirmed(world: World): Checker {
  const answers = new Map<string, Answered[]>();
  const bytes = new Map<string, number>();
  const touches = new Map<string, { answered: "yes" | "no" | "unknown"; atMs: number }>();

  function offConfirmed(operation: Operation): string | null {
    const level = (operation.levels[operation.level] ?? []).map(outletKey);
    for (const key of level) {
      // Answers to questions from after the last command, back to the first that did not say off.
      const since = (answers.get(key) ?? []).filter((each) => each.askedMs >= (bytes.get(key) ?? -Infinity));
      const said = since.slice(since.findLastIndex((each) => each.state !== "off") + 1);
      if (said.length < 2) return `${key} is confirmed off after answers ${since.map((each) => each.state).join(", ") || "none"}`;
      const apartMs = (said.at(-1) as Answered).askedMs - (said[0] as Answered).askedMs;
      if (apartMs < 900) return `${key} is confirmed off by readings within ${apartMs} ms`;
    }
    const doubtful = level.some((key) => (answers.get(key) ?? []).slice(-3).some((each) => each.doubtful));
    if (!doubtful && !level.every((key) => (answers.get(key) ?? []).at(-1)?.closed === false)) return `${level.join(" + ")} is confirmed off and was not`;
    return null;
  }

  function onConfirmed(operation: Operation): string | null {
    for (const key of operation.cut) {
      const said = (answers.get(key) ?? []).at(-1);
      if (said?.state !== "on") return `${key} of operation ${operation.id} is confirmed on after the answer ${said?.state ?? "none"}`;
    }
    return null;
  }

  return {
    invariant: "Confirmed",
    readings(device, readings, _life, askedMs) {
      for (const reading of readings) {
        const outlet = device.outlet({ device: device.name, outlet: reading.outlet });
        const list = answers.get(outlet.key) ?? [];
        list.push({ state: reading.state, atMs: world.timeline.nowMs, askedMs, closed: outlet.closed, doubtful: outlet.lie !== null || outlet.stuck || world.timeline.nowMs <= outlet.doubtfulMs });
        answers.set(outlet.key, list.slice(-12));
      }
    },
    bytes({ outlet, sentMs }) {
      bytes.set(outlet.key, sentMs);
    },
    lifeBegins() {
      answers.clear();
      bytes.clear();
      touches.clear();
    },
    touched(host, answered) {
      touches.set(host, { answered, atMs: world.timeline.nowMs });
    },
    told({ kind, host }, life) {
      if (kind !== "off-confirmed" && kind !== "on-confirmed") return;
      // The record may lag behind while the disk is full: which outlets it is about is what the watcher remembers.
      const operation = [...life.watcher.state.operations.values()].find((each) => each.host === host);
      if (operation === undefined) return;
      if (kind === "off-confirmed") touches.delete(operation.host);
      const wrong = kind === "off-confirmed" ? offConfirmed(operation) : onConfirmed(operation);
      if (wrong !== null) world.fail("Confirmed", wrong);
    },
    commit({ writes, calledMs }, before) {
      for (const { key, value } of writes) {
        if (!key.startsWith("op/")) continue;
        const known = before.get(key)?.value as Operation | undefined;
        if (known === undefined) continue;
        if (value === null) {
          const touch = touches.get(known.host);
          if (known.kind === "off" && known.phase === "off-confirmed" && touch?.answered === "yes") world.fail("Confirmed", `${known.host} answers, and its power counts as off`);
          continue;
        }
        const next = value as Operation;
        if (next.phase === known.phase && next.level === known.level) continue;
        const touch = touches.get(next.host);
        // An answer that came while this was being written is recorded by the next one.
        if (known.phase === "off-confirmed" && next.phase === "on-sent" && touch?.answered === "yes" && touch.atMs < calledMs && next.contradiction === null && next.withdrawing === null) {
          return world.fail("Confirmed", `${next.host} answered although it was off, and nothing came of it`);
        }
      }
    },
  };
}
