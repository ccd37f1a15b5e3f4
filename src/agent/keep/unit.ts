// A unit of systemd. What systemd itself is about to do (a job, Restart= with its pause) is waited for, so that two do not restart one
// unit; what it has given up is ours. A unit that is inactive with success was stopped in order, or has ended so: both are
// somebody's wish.

import { evidenceOf } from "../../child/child.ts";
import type { Kept, KeptWorld, Looked } from "./kept.ts";
import { ask, done } from "./run.ts";

const PROPERTIES = ["LoadState", "ActiveState", "SubState", "Result", "Job", "InactiveEnterTimestampMonotonic"];

/** Of `systemctl show`. */
export function judgeUnit(unit: string, text: string): Looked {
  const property = new Map(text.split("\n").flatMap((line): [string, string][] => {
    const at = line.indexOf("=");
    return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
  }));
  const { LoadState: load, ActiveState: active, SubState: sub, Result: result = "success", Job: job = "", InactiveEnterTimestampMonotonic: ended = "0" } = Object.fromEntries(property);
  const says = `${unit} is ${active}${sub === undefined || sub === active ? "" : ` (${sub})`}`;
  if (load === undefined || active === undefined) return { state: "unknown", evidence: `systemctl does not say how ${unit} stands` };
  if (load !== "loaded") return { state: "unknown", evidence: `${unit} is ${load}` };
  if (active === "active" || active === "reloading" || active === "refreshing") return { state: "up", evidence: says };
  // A job is under way, or waits for its turn.
  if (active === "activating" || active === "deactivating" || active === "maintenance" || !["", "0"].includes(job)) return { state: "changing", evidence: says };
  if (active === "failed") return { state: "down", evidence: `${says}: ${result}` };
  if (active !== "inactive") return { state: "unknown", evidence: says };
  if (ended === "0") return { state: "forgotten", evidence: `${unit} is inactive, and not known to have run` };
  return result === "success" ? { state: "stopped", evidence: says } : { state: "down", evidence: `${says}: ${result}` };
}

export function unit(name: string, world: KeptWorld, { startMs, stopMs }: { readonly startMs: number; readonly stopMs: number }): Kept {
  return {
    async look(signal) {
      const ran = await ask(world, ["systemctl", "show", ...PROPERTIES.flatMap((each) => ["-p", each]), "--", name], signal);
      return "code" in ran.end && ran.end.code === 0 ? judgeUnit(name, ran.stdout) : { state: "unknown", evidence: `systemctl: ${evidenceOf(ran)}` };
    },
    async start(signal) {
      // systemd refuses what has reached its own limit of starts until that is forgotten; whose limit counts here is ours.
      await ask(world, ["systemctl", "reset-failed", "--", name], signal);
      return done(await ask(world, ["systemctl", "start", "--", name], signal, startMs));
    },
    async stop(signal) {
      return done(await ask(world, ["systemctl", "stop", "--", name], signal, stopMs));
    },
  };
}
