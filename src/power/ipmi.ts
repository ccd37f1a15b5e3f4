// The driver for BMCs that speak IPMI 2.0 over the network, through ipmitool: RMCP+ is not to be written by hand. One machine
// a BMC, so there is one output.
//
// ipmitool is kept from its own patience: one packet, one second, no repetition (`-N 1 -R 1`), since a switching command
// that is sent again after its answer was lost would be a second one. The password is in its environment, never among its
// arguments. Only `status`, `on` and `off` (a hard off) are asked: a cycle or a reset never drops power for sure, and a soft
// off is a request. A BMC may be on the same power as its machine, and must not be the only level (field.md §1.5).

import { UpkeepError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { findProgram } from "../child/find-program.ts";
import type { PowerDriver } from "./power.ts";
import { ProgramSession } from "./program-session.ts";
import type { ProgramRun, Programs } from "./program-session.ts";

export type IpmiOptions = {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  /** At most 20 bytes (IPMI 2.0 §22.30). */
  readonly password: string;
  readonly privilege: "operator" | "administrator";
  /** The cipher suite (IPMI 2.0 table 22-20); null: ipmitool takes the best that the BMC offers. */
  readonly cipher: number | null;
  /** The limit of one run. */
  readonly stepMs: number;
  readonly maxActMs: number;
};

/** The output of a device that stands alone in a host's power. */
const OUTPUT = "1";

const STATUS = /^Chassis Power is (on|off)$/m;
const DONE = { on: /^Chassis Power Control: Up\/On$/m, off: /^Chassis Power Control: Down\/Off$/m } as const;
/** Completion codes that say that nothing was done (IPMI 2.0 table 5-2); a time-out or an unspecified error does not. */
const REFUSED = /^Set Chassis Power Control to \S+ failed: (Insufficient privilege level|Command not supported in present state|Invalid command|Invalid data field in request|Parameter out of range)/m;

/** What ipmitool says when there is no session. */
const SAID: readonly { readonly text: RegExp; readonly code: ErrorCode; readonly hint: string }[] = [
  { text: /RAKP 2 HMAC is invalid/, code: "POWER_LOGIN", hint: "wrong password" },
  { text: /unauthorized name|invalid role|unauthorized role/i, code: "POWER_LOGIN", hint: "no such user, or not with this privilege" },
  { text: /Insufficient privilege|Set Session Privilege Level to \S+ failed/, code: "POWER_LOGIN", hint: "the user may not do this, or this cipher suite does not work here" },
  { text: /password is longer/, code: "POWER_LOGIN", hint: "IPMI has passwords of at most 20 bytes" },
  { text: /invalid authentication algorithm|no matching cipher suite|invalid (integrity|confidentiality) algorithm/i, code: "POWER_NONSENSE", hint: "the BMC does not take this cipher suite: try another `cipher`" },
  { text: /Address lookup for .* failed/, code: "POWER_UNREACHABLE", hint: "the name does not resolve" },
  { text: /Get Auth Capabilities error|Channel Authentication Capabilities/, code: "POWER_UNREACHABLE", hint: "nothing answers there" },
];

/** BMCs by IPMI. */
export const ipmi: PowerDriver<IpmiOptions> = {
  name: "ipmi",
  testedOn: [
    "OpenIPMI's ipmi_sim 1.0.13 through ipmitool 1.8.19 (accepted by fence_ipmilan 4.12.1)",
    "no device yet",
  ],
  create: (options) => ({
    open: async (signal, tap) => {
      if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
      const program = findProgram("ipmitool");
      if (program === null) throw new UpkeepError("POWER_UNREACHABLE", "cannot run ipmitool: it is not installed");
      return new ProgramSession(programsOf(program, options), tap);
    },
  }),
};

function programsOf(program: string, { host, port, username, password, privilege, cipher, stepMs, maxActMs }: IpmiOptions): Programs {
  const run = (action: "status" | "on" | "off"): ProgramRun => ({
    // One `-v` more in a status: without it ipmitool does not tell a wrong password from silence.
    argv: [program, "-I", "lanplus", "-H", host, "-p", String(port), "-U", username, "-E", "-L", privilege.toUpperCase(), ...(cipher === null ? [] : ["-C", String(cipher)]), "-N", "1", "-R", "1", ...(action === "status" ? ["-v"] : []), "chassis", "power", action],
    env: { IPMI_PASSWORD: password },
  });
  return {
    stepMs, maxActMs,
    secrets: [password],
    checkOutlet(outlet) {
      if (outlet !== OUTPUT) throw new UpkeepError("POWER_OUTLET", `a BMC has one output, and no outlet "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}"`);
    },
    status: () => run("status"),
    switch: (_, action) => run(action),
    stateOf({ end, stdout, said }, evidence) {
      const state = "code" in end && end.code === 0 ? STATUS.exec(stdout)?.[1] : undefined;
      if (state === "on" || state === "off") return state;
      const known = SAID.find(({ text }) => text.test(said));
      const late = "why" in end && end.why.startsWith("no end");
      throw new UpkeepError(known?.code ?? (late ? "POWER_TIMEOUT" : "POWER_UNREACHABLE"), `${host}:${port}: ${known === undefined ? "" : `${known.hint}: `}ipmitool: ${evidence}`);
    },
    outcomeOf({ end, stdout, said }, action) {
      if ("code" in end && end.code === 0 && DONE[action].test(stdout)) return "accepted";
      return "code" in end && end.code === 1 && REFUSED.test(said) ? "refused" : "unknown";
    },
  };
}
