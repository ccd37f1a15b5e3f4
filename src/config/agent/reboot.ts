// `agent.reboot`: whether and how this host reboots when a watcher asks it to.

import { z } from "zod";
import { about, argv, duration } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

const settings = z.strictObject({
  command: argv("What reboots this host.").default(["systemctl", "reboot"]),
  limit: duration("How long that may take to be under way.", { minMs: 1_000, maxMs: 600_000, default: "20s" }).default(20_000),
}).meta(about("That this host reboots when a watcher asks it to, for a rolling reboot."));

export const reboot = defineAgentPart({ settings, resolve: ({ command, limit }) => ({ command, limitMs: limit }) });
