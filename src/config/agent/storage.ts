// The part `storage`: which mounts are written to, how often, and how long that may take.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

const MOUNTS_MAX = 64;
const path = z.string().regex(/^\/[^\x00-\x1f\x7f]*$/).max(1_024);
expectations.add(path, { says: "an absolute path such as /var" });
const mounts = z.union([z.literal("auto"), z.array(path).min(1).max(MOUNTS_MAX)]);
expectations.add(mounts, { says: "auto or a list of paths such as [/, /var]", flat: true });

export const storage = defineAgentPart({
  settings: z.strictObject({
    mounts: mounts.meta(about("Where it is tried whether this host can persist: paths, or `auto`, which is every writable file system on a block device, once a device.", { default: "auto" }, "`auto`, or list of paths")).default("auto"),
    except: z.array(path).max(MOUNTS_MAX).meta(about("Of `auto`: what is left out.", { default: [] }, "list of paths")).default([]),
    every: duration("How often each of them is tried.", { minMs: 1_000, maxMs: 3_600_000, default: "10s" }).default(10_000),
    deadline: duration("How long a write, its way to the disk and back may take. Later the host counts as one that cannot persist.", { minMs: 1_000, maxMs: 3_600_000, default: "30s" }).default(30_000),
    frozen: duration("The same for a file system that somebody has frozen (`fsfreeze`, a snapshot, `dmsetup suspend`): a backup is no reason to cut power.", { minMs: 1_000, maxMs: 86_400_000, default: "5m" }).default(300_000),
  }).meta(about("Whether this host can persist: a write to each mount, its way to the disk, and back ([guide](../guides/hung-storage.md)).")),
  resolve: ({ mounts: chosen, except, every, deadline, frozen }) => ({ mounts: chosen === "auto" ? null : [...new Set(chosen)], except, everyMs: every, deadlineMs: deadline, frozenMs: Math.max(frozen, deadline) }),
});
