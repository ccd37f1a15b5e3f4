// `agent.health`: what is looked at on the host itself, and from where on it is told. `health: {}` looks at everything.

import { z } from "zod";
import { about, choice, duration, percent, text, whole } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

/** Every sensor, in the order of the reference page. */
export const HEALTH_SENSORS = ["space", "fs-read-only", "smart", "edac", "oom", "clock", "units", "reboot-pending", "temperature"] as const;
export type SensorName = (typeof HEALTH_SENSORS)[number];

/** Of these a power cycle may be the cure; of nothing else. */
const MAY_CUT = ["fs-read-only", "edac"] as const;

const settings = z.strictObject({
  every: duration("How often to look.", { minMs: 1_000, maxMs: 86_400_000, default: "1m" }).default(60_000),
  skip: z.array(choice(HEALTH_SENSORS, "A sensor.")).max(HEALTH_SENSORS.length).meta(about("What is not looked at.", { default: [] }, "list of sensors")).default([]),
  mayCut: z.array(choice(MAY_CUT, "A sensor.")).max(MAY_CUT.length).meta(about("Of what the gravest findings may count against the host, through the watchers' probe `agent`: a file system that the kernel has made read-only for its errors, memory errors that could not be corrected. All else is for a person.", { default: [] }, "list of `fs-read-only`, `edac`")).default([]),
  mounts: z.array(text("A mount point.", { max: 4_096 })).max(100).meta(about("The mount points whose space is watched. Left out: every local file system, and `/run` and `/tmp` in memory.", {}, "list of paths")).optional(),
  disk: percent("How full a file system may be, in space that a program without privileges can use.", { default: "90%" }).default(0.9),
  inodes: percent("How many of its inodes may be in use.", { default: "90%" }).default(0.9),
  fullWithin: duration("Told also when the last hour's growth would fill it within this time. `0s`: never.", { default: "4h" }).default(14_400_000),
  smartEvery: duration("How often disks are asked with smartctl; one that sleeps is not woken.", { minMs: 1_000, default: "1h" }).default(3_600_000),
  reallocated: whole("From so many reallocated sectors on a disk is told. Pending and uncorrectable ones are told from the first.", 1, 1_000_000, { default: 10 }).default(10),
  wear: percent("How much of its life an NVMe disk may have used.", { default: "90%" }).default(0.9),
  correctedPerHour: whole("From so many corrected memory errors an hour on they are told.", 1, 1_000_000, { default: 10 }).default(10),
  clockWithin: duration("How far from the truth the clock may be, by the kernel's own bound.", { minMs: 1, default: "1s" }).default(1_000),
}).meta(about("What is looked at on the host itself; `{}` looks at everything. Findings `health:…`, for a person."));

export const health = defineAgentPart({ settings, resolve: (written) => written });
