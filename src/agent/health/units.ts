// Units that have failed, by systemd's own list.

import { evidenceOf } from "../../child/child.ts";
import type { Seen, Sensor } from "./sensor.ts";
import { namesIn } from "./sensor.ts";

const NAMED_MAX = 5;

/** Of `systemctl list-units --failed --plain --no-legend`. */
export function judgeUnits(text: string): Seen {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const names = lines.map((line) => /^([^\s]+\.[a-z]+)\s+\S+\s+failed\b/.exec(line)?.[1]);
  const stray = names.indexOf(undefined);
  if (stray >= 0) return { of: null, verdict: "unknown", because: `systemctl said ${JSON.stringify(lines[stray]?.slice(0, 80))}` };
  if (names.length === 0) return { of: null, verdict: "good", because: "no unit has failed" };
  const more = names.length - NAMED_MAX;
  return { of: null, verdict: "warn", because: `failed: ${names.slice(0, NAMED_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}` };
}

export function units(): Sensor {
  return {
    name: "units",
    async look(eye) {
      // sd_booted(3).
      if (!(await namesIn(eye, "run/systemd")).includes("system")) return [{ of: null, verdict: "unknown", because: "no systemd runs here" }];
      const ran = await eye.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "--no-pager", "--full", "--all"]);
      if (!("code" in ran.end) || ran.end.code !== 0) return [{ of: null, verdict: "unknown", because: `systemctl: ${evidenceOf(ran)}` }];
      return [judgeUnits(ran.stdout)];
    },
  };
}
