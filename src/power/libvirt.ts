// The driver for virtual hosts under libvirt, through `virsh`: the domain is the outlet, `destroy` pulls its plug and `start`
// puts it back. A shutdown, a reboot and a reset are asked of the guest or leave it powered; none of them is used.
//
// virsh takes an id for a name, and ids change with every start, so names of digits alone are no outlets and the answer must
// bear the name that was asked for. A domain that is only defined while it runs is never cut: nothing could start it again.
// What virsh prints is read in the C locale, word for word.

import type { Ran } from "../child/child.ts";
import { findProgram } from "../child/find-program.ts";
import { UpkeepError } from "../core/errors.ts";
import type { OutletState, PowerDriver } from "./power.ts";
import { ProgramSession } from "./program-session.ts";
import type { ProgramRun, Programs } from "./program-session.ts";

export type LibvirtOptions = {
  /** Where libvirt is: `qemu:///system`, `qemu+ssh://host/system`. */
  readonly uri: string;
  readonly stepMs: number;
  readonly maxActMs: number;
};

/** Neither an option nor an id. */
const DOMAIN = /^(?!\d+$)[A-Za-z0-9_][A-Za-z0-9._:@+-]{0,63}$/;

/** As virsh names them (virsh(1), domstate). A paused guest has its power; one that has crashed, or is on its way down, is neither. */
const STATES: Readonly<Record<string, OutletState>> = { running: "on", idle: "on", paused: "on", "shut off": "off" };

/** Domains of libvirt. */
export const libvirt: PowerDriver<LibvirtOptions> = {
  name: "libvirt",
  testedOn: ["libvirtd 9.0 with virsh 9.0 and QEMU 7.2", "libvirt's own test driver"],
  create: (options) => ({
    open: async (signal, tap) => {
      if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
      const virsh = findProgram("virsh");
      if (virsh === null) throw new UpkeepError("POWER_UNREACHABLE", "virsh is not installed (Debian: libvirt-clients)");
      return new ProgramSession(programsOf(virsh, options), tap);
    },
  }),
};

function programsOf(virsh: string, { uri, stepMs, maxActMs }: LibvirtOptions): Programs {
  const run = (command: string, domain: string): ProgramRun => ({ argv: [virsh, "--quiet", "--connect", uri, command, "--domain", domain], env: { LC_ALL: "C" } });
  return {
    stepMs, maxActMs,
    secrets: [],
    checkOutlet(outlet) {
      if (!DOMAIN.test(outlet)) throw new UpkeepError("POWER_OUTLET", `domain "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}": a domain's name, of letters, digits and . _ : @ + -, and not of digits alone`);
    },
    status: (outlet) => run("dominfo", outlet),
    switch: (outlet, action) => run(action === "off" ? "destroy" : "start", outlet),
    stateOf: (ran, evidence) => stateIn(ran, evidence),
    outcomeOf: ({ end }) => ("code" in end && end.code === 0 ? "accepted" : "unknown"),
  };
}

function stateIn({ end, stdout, said }: Ran, evidence: string): OutletState {
  if (!("code" in end)) throw new UpkeepError("POWER_TIMEOUT", `virsh: ${evidence}`);
  if (end.code !== 0) {
    if (/failed to get domain/.test(said)) throw new UpkeepError("POWER_OUTLET", `libvirt knows no such domain: ${evidence}`);
    if (/authentication (failed|cancelled|unavailable)|Permission denied/i.test(said)) throw new UpkeepError("POWER_LOGIN", `libvirt lets us not in: ${evidence}`);
    throw new UpkeepError("POWER_UNREACHABLE", `libvirt cannot be asked: ${evidence}`);
  }
  const fields = new Map(stdout.split("\n").map((line): [string, string] => {
    const [name = "", ...rest] = line.split(":");
    return [name.trim(), rest.join(":").trim()];
  }));
  if (fields.get("Persistent") === "no") throw new UpkeepError("POWER_OUTLET", `${fields.get("Name")} is defined only while it runs: cut, it could not be started again`);
  return STATES[fields.get("State") ?? ""] ?? "unknown";
}
