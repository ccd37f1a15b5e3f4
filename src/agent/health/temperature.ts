// Temperatures of the hardware monitors (kernel documentation: hwmon/sysfs-interface.rst), as information; told when the hardware's own
// critical mark is reached. Reading one may ask a bus or a disk and hang: a child reads them.

import { evidenceOf } from "../../child/child.ts";
import type { Seen, Sensor } from "./sensor.ts";
import { namesIn, pathIn, quoted } from "./sensor.ts";

const FOLDER = "sys/class/hwmon";
/** Outside of this a sensor that is not connected speaks. */
const LEAST = -40;
const MOST = 150;

/** Of lines `…/hwmon0/temp1_input:54000`, as grep prints them. */
export function judgeTemperatures(text: string): readonly Seen[] {
  const values = new Map<string, Map<string, string>>();
  for (const line of text.split("\n")) {
    const [, chip, file, value] = /(hwmon[0-9]+)\/([a-z]+[0-9]*(?:_[a-z]+)?):(.*)$/.exec(line) ?? [];
    if (chip === undefined || file === undefined || value === undefined) continue;
    values.set(chip, (values.get(chip) ?? new Map<string, string>()).set(file, value));
  }
  const seen: Seen[] = [];
  let hottest: { readonly degrees: number; readonly where: string } | null = null;
  for (const [chip, files] of values) {
    for (const [file, value] of files) {
      const input = /^(temp[0-9]+)_input$/.exec(file)?.[1];
      if (input === undefined) continue;
      const where = `${files.get("name") ?? chip} ${files.get(`${input}_label`) ?? input}`;
      const degrees = inDegrees(value);
      if (degrees === null) {
        seen.push({ of: where, verdict: "unknown", because: `reads ${quoted(value)}` });
        continue;
      }
      const critical = inDegrees(files.get(`${input}_crit`) ?? "");
      if (critical !== null && critical > 0 && degrees >= critical) seen.push({ of: where, verdict: "warn", because: `${Math.round(degrees)} °C; its critical mark is ${Math.round(critical)} °C` });
      if (hottest === null || degrees > hottest.degrees) hottest = { degrees, where };
    }
  }
  // In tens, so that what is information does not change every minute.
  if (hottest !== null) seen.push({ of: null, verdict: "good", because: `the hottest is under ${Math.floor(hottest.degrees / 10) * 10 + 10} °C: ${hottest.where}` });
  else if (seen.length === 0) seen.push({ of: null, verdict: "unknown", because: "no hardware monitor tells a temperature here" });
  return seen.slice(0, 64);
}

export function temperature(): Sensor {
  return {
    name: "temperature",
    async look(eye) {
      const chips = await namesIn(eye, FOLDER);
      const files: string[] = [];
      for (const chip of chips) for (const file of await namesIn(eye, `${FOLDER}/${chip}`)) if (/^(name|temp[0-9]+_(input|crit|label))$/.test(file)) files.push(pathIn(eye, `${FOLDER}/${chip}/${file}`));
      if (files.length === 0) return judgeTemperatures("");
      const ran = await eye.run(["grep", "-s", "-H", "", ...files.slice(0, 1_000)]);
      // 2: some could not be read, as of a disk that sleeps.
      return "code" in ran.end ? judgeTemperatures(ran.stdout) : [{ of: null, verdict: "unknown", because: evidenceOf(ran) }];
    },
  };
}

function inDegrees(text: string): number | null {
  if (!/^-?[0-9]{1,7}$/.test(text)) return null;
  const degrees = Number(text) / 1_000;
  return degrees >= LEAST && degrees <= MOST ? degrees : null;
}
