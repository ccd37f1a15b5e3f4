// Whether a kept service serves, by one look of a probe: the same probes as watchers have, asked from the host itself.

import { openProbe } from "../../config/open.ts";
import type { KeepService } from "../../config/agent/keep.ts";
import type { Seen } from "../../core/keep.ts";
import { loadProbes } from "../../probes/index.ts";
import type { Icmp, Probe, ProbeTools, Target } from "../../probes/probe.ts";
import { clockSynced } from "../../process/boot-clock.ts";
import type { KeptWorld } from "./kept.ts";

export type Serving = (signal: AbortSignal) => Promise<Pick<Seen, "health" | "evidence">>;

const LOCAL = { address: "127.0.0.1", family: 4 } as const;

/** Loads the probe; null: there is none to ask. */
export async function serving({ health }: Pick<KeepService, "health">, host: string, icmp: () => Promise<Icmp>, { now }: Pick<KeptWorld, "now">): Promise<Serving | null> {
  if (health === null) return null;
  const { kind, options } = openProbe(health.task);
  const probe = (await loadProbes([kind])).get(kind) as Probe<unknown>;
  const tools: ProbeTools = {
    // Few need it, and it opens sockets.
    icmp: kind === "ping" ? await icmp() : { echo: () => Promise.reject(new Error("no ping here")), refusal: () => "no ping here", close: () => {} },
    clockSynced,
    resolve: (name) => (name === "localhost" ? LOCAL : { error: `${name}: names are not looked up here` }),
  };
  const target: Target = { host, address: health.address, family: health.address.includes(":") ? 6 : 4, configured: "localhost" };
  return async (signal) => {
    const aborter = new AbortController();
    const end = (): void => aborter.abort(new Error("the look is over"));
    signal.addEventListener("abort", end, { once: true });
    const begunMs = now().bootMs;
    const timer = setTimeout(end, health.timeoutMs);
    try {
      const { outcome, evidence } = await probe.run(target, options, tools, aborter.signal);
      return { health: outcome, evidence: `${kind}: ${evidence}` };
    } catch (error) {
      if (!aborter.signal.aborted) return { health: "unknown", evidence: `${kind}: ${error instanceof Error ? error.message : String(error)}` };
      // A time-out that passed while this process stood still proves nothing.
      return now().bootMs - begunMs > health.timeoutMs * 2 + 100 ? { health: "unknown", evidence: "the agent was held up" } : { health: "bad", evidence: `${kind}: no ${probe.awaits ?? "answer"} within ${health.timeoutMs} ms` };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      aborter.abort();
    }
  };
}
