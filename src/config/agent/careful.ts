// `careful`: when this host shuts itself down, and what it does before that.

import { z } from "zod";
import type { CarefulPolicy, StagePlan } from "../../core/careful-record.ts";
import { carefulSignal, resolveSignal } from "../careful-signal.ts";
import type { SignalSpec } from "../careful-signal.ts";
import { expectations } from "../expect.ts";
import { about, argv, choice, duration, percent } from "../fields.ts";
import { defineAgentPart } from "./part-schema.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** What src/agent/careful takes. */
export type CarefulOptions = {
  readonly signal: SignalSpec;
  readonly policy: Omit<CarefulPolicy, "host" | "observes">;
  readonly observe: "auto" | "always" | "never";
  /** Null: systemd's, or where there is none the program poweroff. */
  readonly powerOff: readonly string[] | null;
};

const limit = duration("How long it may take; then it is ended, and the next stage comes.", { minMs: 100, maxMs: HOUR_MS, default: "90s" }).default(90_000);
const unit = z.string().regex(/^[A-Za-z0-9:_.\\@-]{1,255}$/).refine((name) => !name.startsWith("-"));
expectations.add(unit, { says: "a unit of systemd such as postgresql.service" });

const stage = z.union([
  z.strictObject({
    stop: z.array(unit).min(1).max(64).meta(about("Units to stop, in one command. Those that were active are started again, in reverse order, when the power is back before the host is off.", {}, "list of units")),
    limit,
  }),
  z.strictObject({
    run: argv("A program to run as root, for what is no unit. It may be run again when the agent was killed under it."),
    undo: argv("What is run when the power is back before the host is off.").optional(),
    limit,
  }),
]);
expectations.add(stage, { says: "a stage: { stop: [postgresql.service] } or { run: [/usr/local/bin/park] }" });

const onUnknown = z.union([
  z.literal("stay").transform((): null => null),
  z.strictObject({ shutdownAfter: duration("So long unknown is as good as lost.", { minMs: 100, maxMs: DAY_MS }) }).transform(({ shutdownAfter }) => shutdownAfter),
]);
expectations.add(onUnknown, { says: "stay, or { shutdownAfter: 30m }" });

export const careful = defineAgentPart({
  settings: z.strictObject({
    signal: carefulSignal.meta(about("What tells that the mains, or the cooling, is gone.")),
    every: duration("Between two looks while all is well.", { minMs: 100, maxMs: HOUR_MS, default: "1m" }).default(60_000),
    wait: duration("After the first look that finds it lost: the look at the end of this decides, and one that is good before ends it. An outage shorter than this shuts nothing down.", { maxMs: DAY_MS, default: "5m" }).default(300_000),
    jitter: percent("So much of each wait is scattered by the host's name, lest all hosts ask in step: looks come earlier by it, the decision later. `0%`: none.", { default: "20%" }).default(0.2),
    onUnknown: onUnknown.meta(about("What happens while nobody can tell: no reference answers, the UPS server is gone. `stay`, or `{ shutdownAfter: 30m }`.", { default: "stay" }, "`stay`, or mapping")).default(null),
    after: duration("From the decision to the first stage: short on what matters least, long on what the others need, longest on a watcher. Not waited for when the battery is low.", { maxMs: DAY_MS, default: "0s" }).default(0),
    steady: duration("So long must the power be good again before what was stopped is started.", { maxMs: HOUR_MS, default: "1m" }).default(60_000),
    stages: z.array(stage).max(32).meta(about("What is stopped before the power-off, one after the other. Power that is back stops the stages that have not begun.", { default: [] }, "list of stages")).default([]),
    powerOff: argv("What powers this host off; `systemctl poweroff` where systemd rules, else `poweroff`. The third time by force, where it is left out.").optional(),
    stuck: duration("Still alive so long after the order to power off: it is given again.", { minMs: 100, maxMs: HOUR_MS, default: "3m" }).default(180_000),
    observe: choice(["auto", "always", "never"], "Only watch and tell. `auto`: where a running `upsmon` has a SHUTDOWNCMD, since two who shut down are one too many.", { default: "auto" }).default("auto"),
  }).meta(about("Careful shutdown: this host goes off, in order, before the room is too hot or the battery empty, and not for a short outage. [How to](../guides/careful-shutdown.md).")),
  async resolve(settings, { directory, problems, place, secrets }) {
    const signal = await resolveSignal(settings.signal, { directory, place: (path) => place(["signal", ...path]) }, { secrets, problems });
    if (signal === null) return null;
    const stages = settings.stages.map((each): StagePlan => {
      if ("stop" in each) return { kind: "units", name: `stop ${each.stop.join(" ")}`.slice(0, 120), limitMs: each.limit, units: each.stop };
      return { kind: "program", name: `run ${each.run.join(" ")}`.slice(0, 120), limitMs: each.limit, run: each.run, undo: each.undo ?? null };
    });
    const { every, wait, jitter, onUnknown: unknownAfterMs, after, steady, stuck } = settings;
    return {
      signal, observe: settings.observe, powerOff: settings.powerOff ?? null,
      policy: { lookEveryMs: every, waitMs: wait, jitter, unknownAfterMs, afterMs: after, steadyMs: steady, stages, stuckMs: stuck, haltMs: HALT_MS },
    } satisfies CarefulOptions;
  },
});

/** From the order to power off to a host that is off: the watchers' default bound, too (`haltBound`). */
const HALT_MS = 300_000;
