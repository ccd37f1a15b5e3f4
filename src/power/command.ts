// The driver for whatever a program can switch: a hypervisor, a relay board, a script that somebody already has. Three
// commands, each a list of arguments and never a shell, with `{outlet}` replaced inside each argument.
//
// What a program that failed has done nobody knows: any end but exit 0 is unknown. How a run is bounded, and why nothing of
// it outlives us, stands in child/child.ts.

import type { Ran } from "../child/child.ts";
import { findProgram } from "../child/find-program.ts";
import { UpkeepError } from "../core/errors.ts";
import type { OutletState, PowerDriver } from "./power.ts";
import { ProgramSession } from "./program-session.ts";
import type { ProgramRun, Programs } from "./program-session.ts";

export type CommandOptions = {
  readonly on: readonly string[];
  readonly off: readonly string[];
  /** Exits 0 when the outlet is on, 2 when it is off; every other end is unknown. Empty: it is never known, and no off can be confirmed. */
  readonly status: readonly string[];
  /** The limit of one run of one command. */
  readonly stepMs: number;
  /** No child lives longer than this, with or without us. */
  readonly maxActMs: number;
};

/** Also keeps an outlet from being read as an option. */
const OUTLET = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$/;

/** Any program that switches power. */
export const command: PowerDriver<CommandOptions> = {
  name: "command",
  testedOn: ["scripts of the conformance suite"],
  create: (options) => ({
    open: async (signal, tap) => {
      if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
      const { on, off, status } = options;
      for (const [what, argv] of [["status", status], ["off", off], ["on", on]] as const) {
        const [program] = argv;
        if (what === "status" && program === undefined) continue;
        if (program === undefined || (!program.includes("{outlet}") && findProgram(program) === null)) throw new UpkeepError("POWER_UNREACHABLE", `cannot run "${program ?? ""}": no such program`);
      }
      return new ProgramSession(programsOf(options), tap);
    },
  }),
};

function programsOf({ stepMs, maxActMs, status, ...actions }: CommandOptions): Programs {
  // A function: in a string, `$&` and its like would be read by replaceAll.
  const fill = (argv: readonly string[], outlet: string): ProgramRun => ({ argv: argv.map((argument) => argument.replaceAll("{outlet}", () => outlet)) });
  return {
    stepMs, maxActMs,
    secrets: [],
    checkOutlet(outlet) {
      if (!OUTLET.test(outlet)) throw new UpkeepError("POWER_OUTLET", `outlet "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}": letters, digits and . _ : @ - only, a letter or a digit first`);
    },
    status: (outlet) => (status.length === 0 ? null : fill(status, outlet)),
    switch: (outlet, action) => fill(actions[action], outlet),
    stateOf: ({ end }): OutletState => {
      const code = codeOf(end);
      return code === 0 ? "on" : code === 2 ? "off" : "unknown";
    },
    outcomeOf: ({ end }) => (codeOf(end) === 0 ? "accepted" : "unknown"),
  };
}

function codeOf(end: Ran["end"]): number | null {
  return "code" in end ? end.code : null;
}
