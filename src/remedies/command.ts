// Any program as a remedy: a hypervisor's soft reset, a message to whatever supervises the host. Exit status 0 is done.

import { evidenceOf, runChild } from "../child/child.ts";
import type { Remedy } from "./remedy.ts";

export type CommandRemedyOptions = { /** `{host}` and `{address}` are replaced. */ readonly run: readonly string[] };

export const command: Remedy<CommandRemedyOptions> = {
  name: "command",
  async run({ host, address }, { run }, limitMs, guard) {
    const argv = run.map((word) => word.replaceAll("{host}", host).replaceAll("{address}", address));
    const ran = await runChild(guard, argv, { limitMs }, AbortSignal.timeout(limitMs + 500));
    const evidence = evidenceOf(ran);
    if (!("code" in ran.end)) return { outcome: ran.end.why.startsWith("did not start") ? "failed" : "unknown", evidence };
    return { outcome: ran.end.code === 0 ? "done" : "failed", evidence };
  },
};
