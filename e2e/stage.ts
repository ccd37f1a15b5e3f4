// Where scenarios with several watchers are played: one fleet for several of them, because a start costs seconds; after one that
// failed, the next gets a fresh one, and the error carries what the watchers said.

import assert from "node:assert/strict";
import type { Fleet, FleetOptions, FleetWatcher } from "../lab/fleet.ts";
import type { Ran } from "../lab/rig.ts";
import { edgesAt, guardedEverywhere, logs, OWED_MS, startSeveral } from "./several.ts";

/** One fleet serves several scenarios; after one that failed, the next gets a fresh one. */
export class Stage {
  readonly options: Partial<FleetOptions>;
  #fleet: Fleet | null = null;
  #turn = 0;

  constructor(options: Partial<FleetOptions> = {}) {
    this.options = options;
  }

  /** Runs a scenario on a fleet in which nothing is amiss any more, with the host whose turn it is and the mark in the PDU's log. */
  async play(body: (fleet: Fleet, host: string, mark: number) => Promise<void>): Promise<void> {
    const fleet = this.#fleet ?? await startSeveral(this.options);
    this.#fleet = fleet;
    try {
      const hosts = [...fleet.hosts.keys()];
      const host = hosts[this.#turn % hosts.length] as string;
      this.#turn += 1;
      await fleet.heal();
      await guardedEverywhere(fleet, [host]);
      await body(fleet, host, fleet.records.length);
    } catch (error) {
      const said = logs(fleet, 60);
      this.#fleet = null;
      await fleet.stop();
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n${said}`, { cause: error });
    }
  }

  async end(): Promise<void> {
    const fleet = this.#fleet;
    this.#fleet = null;
    await fleet?.stop();
  }
}

/** Runs `upkeep …` and judges its exit code. */
export async function expect(watcher: FleetWatcher, code: number, ...args: readonly string[]): Promise<Ran> {
  const ran = await watcher.upkeep(...args);
  assert.equal(ran.code, code, `${watcher.name}: upkeep ${args.join(" ")}: exit ${ran.code}: ${ran.stdout}${ran.stderr}`);
  return ran;
}

/** How long the host was without power; an error when that is longer than owed. */
export function onTime(fleet: Fleet, host: string, mark: number): number {
  const [off, on] = edgesAt(fleet, host, mark);
  const darkMs = (on?.monoMs ?? NaN) - (off?.monoMs ?? NaN);
  assert.ok(darkMs <= OWED_MS, `without power for ${Math.round(darkMs)} ms, ${OWED_MS} at most`);
  return Math.round(darkMs);
}
