// The health of the host: every sensor at its own pace, and what it saw as findings `health:SENSOR` and `health:SENSOR:OF`. They are
// for a person, `warn` and no more; only what the configuration names under `mayCut` becomes `bad` when it is grave. A sensor that
// does not come back is told as such and not asked again before it does.

import { runChild } from "../../child/child.ts";
import { HEALTH_SENSORS } from "../../config/agent/health.ts";
import type { SensorName } from "../../config/agent/health.ts";
import type { PartWorld } from "../part.ts";
import { definePart } from "../part.ts";
import { clock } from "./clock.ts";
import { edac } from "./edac.ts";
import { oom } from "./oom.ts";
import { readOnly } from "./read-only.ts";
import { reboot } from "./reboot.ts";
import type { Eye, HealthOptions, Seen, Sensor } from "./sensor.ts";
import { smart } from "./smart.ts";
import { space } from "./space.ts";
import { temperature } from "./temperature.ts";
import { units } from "./units.ts";

const MAKE: Readonly<Record<SensorName, () => Sensor>> = { space, "fs-read-only": readOnly, smart, edac, oom, clock, units, "reboot-pending": reboot, temperature };

/** Of one program. */
const RUN_LIMIT_MS = 20_000;
/** After this a look is told as missing. */
const LOOK_LIMIT_MS = 60_000;
/** Between the first looks, so that they do not come at once. */
const APART_MS = 250;

export const health = definePart<HealthOptions>({
  name: "health",
  start: (world) => watchHealth(world, HEALTH_SENSORS.filter((name) => !world.options.skip.includes(name)).map((name) => MAKE[name]())),
});

/** `root`: where the kernel's files are, for tests. */
export function watchHealth(world: PartWorld<HealthOptions>, sensors: readonly Sensor[], root = "/"): { stop(): Promise<void> } {
  const aborter = new AbortController();
  const eye: Eye = {
    root,
    nowMs: () => world.now().bootMs,
    run: (argv) => runChild(world.guard, argv, { limitMs: RUN_LIMIT_MS, keepBytes: 1_048_576, env: { LC_ALL: "C" } }, aborter.signal),
  };
  const timers = new Map<string, () => void>();
  const at = (key: string, inMs: number, then: () => void): void => {
    timers.get(key)?.();
    timers.set(key, world.at(world.now().bootMs + inMs, then));
  };

  function tell(sensor: Sensor, seen: readonly Seen[], told: ReadonlySet<string>): ReadonlySet<string> {
    const subjects = new Set<string>();
    for (const { of, verdict, because } of seen) {
      const subject = `health:${sensor.name}${of === null ? "" : `:${of}`}`;
      const mayCut = verdict === "grave" && (world.options.mayCut as readonly string[]).includes(sensor.name);
      subjects.add(subject);
      world.report({ subject, verdict: verdict === "grave" ? (mayCut ? "bad" : "warn") : verdict, because, mayCut });
    }
    for (const subject of told) if (!subjects.has(subject)) world.forget(subject);
    return subjects;
  }

  function watch(sensor: Sensor, inMs: number): void {
    let told: ReadonlySet<string> = new Set();
    const look = async (): Promise<void> => {
      at(`${sensor.name} limit`, LOOK_LIMIT_MS, () => (told = tell(sensor, [{ of: null, verdict: "unknown", because: `it has not been seen for ${LOOK_LIMIT_MS / 1_000} s: the look does not end` }], told)));
      let seen: readonly Seen[];
      try {
        seen = await sensor.look(eye, world.options);
      } catch (error) {
        seen = [{ of: null, verdict: "unknown", because: error instanceof Error ? error.message : String(error) }];
      }
      if (aborter.signal.aborted) return;
      timers.get(`${sensor.name} limit`)?.();
      told = tell(sensor, seen, told);
      at(sensor.name, sensor.everyMs?.(world.options) ?? world.options.every, () => void look());
    };
    at(sensor.name, inMs, () => void look());
  }

  sensors.forEach((sensor, index) => watch(sensor, index * APART_MS));
  return {
    stop: () => {
      aborter.abort();
      for (const cancel of timers.values()) cancel();
      return Promise.resolve();
    },
  };
}
