// Hosts with an agent, of which the probe `agent` is told: some seeds have none, and what they draw is what they drew before
// there were any. An agent speaks while its host runs and its link to the watcher holds; what it says is the truth. It is
// silent for all other reasons, and a checker that counts its silence for or against anybody has found a mistake.

import type { HostPolicy } from "../src/core/policy.ts";
import type { ProbeResult } from "../src/core/round.ts";
import { Random } from "./random.ts";

const PROBE = "agent";
const SEEDS_SHARE = 0.3;
const HOSTS_SHARE = 0.7;
/** Links that never break, so that somebody is obliged to act on an agent's word. */
const SURE_SHARE = 0.4;
/** A host that wedges does so often in the one way that only its agent sees. */
const CANNOT_PERSIST_SHARE = 0.5;
const SPEAKS_MS = 240_000;
const SILENT_MS = 60_000;

export function withAgents(seed: number, policies: readonly HostPolicy[]): HostPolicy[] {
  const random = new Random(seed, "agents");
  const some = random.chance(SEEDS_SHARE);
  return policies.map((policy) => {
    const service = policy.probes.some(({ id, counts }) => id !== "ping" && counts);
    if (!some || !service || !random.chance(HOSTS_SHARE)) return policy;
    return { ...policy, probes: [...policy.probes, { id: PROBE, counts: true, abstains: true }], goodNeeded: policy.goodNeeded === null ? null : policy.goodNeeded + 1 };
  });
}

export class Agent {
  /** Its link holds whatever happens. */
  readonly sure: boolean;
  readonly #random: Random;
  #speaks = true;
  #untilMs = 0;

  constructor(seed: number, host: string) {
    this.#random = new Random(seed, `agent of ${host}`);
    this.sure = this.#random.chance(SURE_SHARE);
  }

  /** Whether its link holds. Asked with times that do not run back. */
  speaks(nowMs: number): boolean {
    if (this.sure) return true;
    while (nowMs >= this.#untilMs) {
      this.#speaks = this.#untilMs === 0 || !this.#speaks;
      this.#untilMs += 1 + this.#random.wait(this.#speaks ? SPEAKS_MS : SILENT_MS);
    }
    return this.#speaks;
  }

  /** Whether this wedge is one that only it sees. */
  seesAlone(): boolean {
    return this.#random.chance(CANNOT_PERSIST_SHARE);
  }
}

export function agentOf(seed: number, policy: HostPolicy): Agent | null {
  return policy.probes.some(({ id }) => id === PROBE) ? new Agent(seed, policy.name) : null;
}

/** What the probe finds: null is silence. */
export function agentResult(word: "good" | "bad" | null): ProbeResult {
  if (word === null) return { probe: PROBE, outcome: "unknown", sign: "not-run", evidence: "its agent is not connected", latencyMs: 0 };
  return { probe: PROBE, outcome: word, sign: "answer", evidence: word === "good" ? "a write comes to the disk and back" : "a write has not reached the disk", latencyMs: 0 };
}
