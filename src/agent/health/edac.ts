// Errors of the memory, as its controllers count them (kernel documentation: admin-guide/ras.rst; sysfs of EDAC). Corrected ones are
// told by their growth: a cosmic ray is one, a dying module is many. One that could not be corrected stays grave until the
// machine has been started again: what was computed since cannot be trusted.

import type { HealthOptions, Seen, Sensor } from "./sensor.ts";
import { count, namesIn, quoted, textOf } from "./sensor.ts";

export type Controller = { readonly name: string; readonly corrected: number; readonly uncorrected: number };
export type Counted = { readonly atMs: number; readonly corrected: number };

const FOLDER = "sys/devices/system/edac/mc";
const HOUR_MS = 3_600_000;

export function judgeEdac({ name, corrected, uncorrected }: Controller, hour: readonly Counted[], { correctedPerHour }: Pick<HealthOptions, "correctedPerHour">): Seen {
  const grown = corrected - Math.min(corrected, ...hour.map((each) => each.corrected));
  if (uncorrected > 0) return { of: name, verdict: "grave", because: `${uncorrected} memory error${uncorrected === 1 ? "" : "s"} could not be corrected since the machine was started` };
  if (grown >= correctedPerHour) return { of: name, verdict: "warn", because: `${grown} memory errors were corrected in the last hour, ${corrected} since the machine was started` };
  return { of: name, verdict: "good", because: corrected < correctedPerHour ? "hardly a memory error" : "no more memory errors than before" };
}

export function edac(): Sensor {
  const hours = new Map<string, Counted[]>();
  return {
    name: "edac",
    async look(eye, options) {
      const controllers = (await namesIn(eye, FOLDER)).filter((name) => /^mc[0-9]+$/.test(name));
      if (controllers.length === 0) return [{ of: null, verdict: "unknown", because: "no memory controller that counts errors (EDAC) is here" }];
      const seen: Seen[] = [];
      for (const name of controllers) {
        const texts = [await textOf(eye, `${FOLDER}/${name}/ce_count`), await textOf(eye, `${FOLDER}/${name}/ue_count`)];
        const [corrected = null, uncorrected = null] = texts.map(count);
        if (corrected === null || uncorrected === null) {
          seen.push({ of: name, verdict: "unknown", because: `its counts read ${texts.map((text) => quoted(text?.trim())).join(" and ")}` });
          continue;
        }
        const nowMs = eye.nowMs();
        const hour = (hours.get(name) ?? []).filter(({ atMs }) => nowMs - atMs <= HOUR_MS);
        hours.set(name, [...hour, { atMs: nowMs, corrected }].slice(-4_096));
        seen.push(judgeEdac({ name, corrected, uncorrected }, hour, options));
      }
      return seen;
    },
  };
}
