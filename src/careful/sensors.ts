// Looks at all sources of a signal of careful shutdown at once and gives one word (core/power-sense.ts judges). For an agent
// (may this host stay on?) and a watcher (may hosts come back?) alike.
//
// Nodes that all answer cost a ping each and no more. One that is silent is asked for twice, a reference after each time, so
// that its silence lies between two answers by the same way. Everything has a limit; a look never rejects.

import { globSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { childGuard, evidenceOf, runChild } from "../child/child.ts";
import type { Guard } from "../child/child.ts";
import type { ReferenceSpec } from "../config/config.ts";
import { openProbe } from "../config/open.ts";
import type { SignalSpec, TemperatureSpec } from "../config/careful-signal.ts";
import { combine, hasPower, judgeNodes, judgeProbe, judgeTemperature, judgeUps } from "../core/power-sense.ts";
import type { NodesSeen, Seen, Sensed, UpsSeen } from "../core/power-sense.ts";
import { isOwnAddress } from "../process/own-address.ts";
import { createNames } from "../process/names.ts";
import type { Names } from "../process/names.ts";
import { clockSynced } from "../process/boot-clock.ts";
import { printable } from "../probes/finding.ts";
import { loadProbes } from "../probes/index.ts";
import type { Probes } from "../probes/index.ts";
import { openIcmp } from "../probes/ping.ts";
import type { Finding, Icmp, ProbeTools } from "../probes/probe.ts";
import { askUps } from "../probes/ups.ts";
import { nutStatus } from "../protocol/nut.ts";

export type Sensors = {
  /** One look at everything. */
  look(): Promise<Sensed>;
  /** Why this machine cannot look at some of it; said at the start. */
  refusals(): readonly string[];
  close(): void;
};

/** What a process has already and shares; what is left out is made, and closed with the sensors. */
export type SensorTools = { readonly icmp?: Icmp; readonly names?: Pick<Names, "address">; readonly guard?: Guard };

const OUTPUT_BYTES_MAX = 4_096;
const FILES_MAX = 64;

/** Loads the probes that the signal names. */
export async function openSensors(spec: SignalSpec, tools: SensorTools = {}): Promise<Sensors> {
  const snmp = spec.temperatures.flatMap(({ source }) => (source.kind === "snmp" ? [source.reference] : []));
  const all = [...(spec.powerNodes?.nodes ?? []), ...(spec.powerNodes?.references ?? []), ...spec.probes, ...snmp];
  return new Looking(spec, all, await loadProbes(all.map(({ kind }) => kind)), tools);
}

class Looking implements Sensors {
  readonly #spec: SignalSpec;
  readonly #all: readonly ReferenceSpec[];
  readonly #probes: Probes;
  readonly #guard: Guard;
  readonly #names: Pick<Names, "address">;
  readonly #tools: ProbeTools;
  readonly #closing: (() => void)[] = [];
  readonly #over = new AbortController();
  readonly #hot = new Set<TemperatureSpec>();

  constructor(spec: SignalSpec, all: readonly ReferenceSpec[], probes: Probes, { icmp, names, guard }: SensorTools) {
    [this.#spec, this.#all, this.#probes, this.#guard] = [spec, all, probes, guard ?? childGuard()];
    if (names === undefined) {
      const own = createNames();
      this.#closing.push(() => own.close());
      this.#names = own;
    } else {
      this.#names = names;
    }
    let echo = icmp;
    if (echo === undefined) {
      const own = openIcmp();
      this.#closing.push(() => own.close());
      echo = own;
    }
    this.#tools = { icmp: echo, clockSynced, resolve: (name) => this.#names.address(name) };
    // A name is asked for before it is needed.
    for (const { address } of [...all, ...spec.ups]) this.#names.address(address);
  }

  async look(): Promise<Sensed> {
    const { powerNodes, ups, temperatures, probes, lostNeeded } = this.#spec;
    const senses = await Promise.all([
      ...(powerNodes === null ? [] : [this.#nodes(powerNodes)]),
      ...ups.map((each) => this.#ups(each)),
      ...temperatures.map((each) => this.#temperature(each)),
      ...probes.map(async (each) => judgeProbe(await this.#ask(each), each.kind === "plugin")),
    ]);
    return combine(senses, lostNeeded);
  }

  refusals(): readonly string[] {
    return [...new Set(this.#all.flatMap((spec) => {
      const { kind, options } = openProbe(spec);
      const why = this.#probes.get(kind)?.refusal?.(options, this.#tools) ?? null;
      return why === null ? [] : [`${spec.id}: ${why}`];
    }))];
  }

  close(): void {
    this.#over.abort(new Error("closed"));
    for (const close of this.#closing) close();
  }

  async #nodes({ nodes, references, lostNeeded }: NonNullable<SignalSpec["powerNodes"]>): Promise<Sensed> {
    const all = (list: readonly ReferenceSpec[]): Promise<readonly Seen[]> => Promise.all(list.map((each) => this.#ask(each)));
    const first = await all(nodes);
    let seen: NodesSeen = { first, between: null, second: null, after: null };
    if (first.filter(hasPower).length <= nodes.length - lostNeeded) {
      const between = await this.#vouch(references);
      const second = await all(nodes);
      seen = { first, between, second, after: await this.#vouch(references) };
    }
    return judgeNodes(seen, lostNeeded);
  }

  /** References; a refusal by our own kernel vouches for nothing. */
  async #vouch(references: readonly ReferenceSpec[]): Promise<readonly Seen[]> {
    return Promise.all(references.map(async (each): Promise<Seen> => {
      const seen = await this.#ask(each);
      const located = this.#names.address(each.address);
      const ours = "address" in located && isOwnAddress(located.address);
      return ours ? { ...seen, sign: "not-run", evidence: "an address of this machine" } : seen;
    }));
  }

  async #ask(spec: ReferenceSpec): Promise<Seen> {
    const finding = await this.#bounded(spec.address, spec.timeoutMs, async (target, signal, progress) => {
      const { kind, options } = openProbe(spec);
      const probe = this.#probes.get(kind);
      if (probe === undefined) throw new Error(`${kind} is not loaded`);
      return probe.run(target, options, this.#tools, signal, progress);
    });
    return { name: spec.id, ...finding };
  }

  async #ups({ address, port, name, chargeBelow, timeoutMs }: SignalSpec["ups"][number]): Promise<Sensed> {
    let variables: ReadonlyMap<string, string> | null = null;
    const finding = await this.#bounded(address, timeoutMs, async (target, signal) => {
      const asked = await askUps(target, { port, name }, signal);
      ({ variables } = asked);
      return asked.finding;
    });
    return judgeUps(upsSeen(name, finding, variables), { chargeBelow });
  }

  async #temperature(spec: TemperatureSpec): Promise<Sensed> {
    const read = await this.#read(spec);
    const sensed = judgeTemperature({ name: spec.name, ...(typeof read === "string" ? { wrong: read } : { celsius: read * spec.scale }) }, spec, this.#hot.has(spec));
    if (sensed.verdict === "lost") this.#hot.add(spec);
    else if (sensed.verdict === "good") this.#hot.delete(spec);
    return sensed;
  }

  /** The number as it is written, or why there is none. */
  async #read({ source, timeoutMs }: TemperatureSpec): Promise<number | string> {
    switch (source.kind) {
      case "file":
        return within(hottest(source.path), timeoutMs);
      case "command": {
        const ran = await runChild(this.#guard, source.argv, { limitMs: timeoutMs, keepBytes: OUTPUT_BYTES_MAX }, this.#over.signal);
        if (!("code" in ran.end) || ran.end.code !== 0) return printable(evidenceOf(ran));
        return numberIn(ran.stdout);
      }
      case "snmp": {
        let value: number | undefined;
        const finding = await this.#bounded(source.reference.address, timeoutMs, async (target, signal) => {
          const { kind, options } = openProbe(source.reference);
          const found = await (this.#probes.get(kind)?.run(target, options, this.#tools, signal) ?? Promise.reject(new Error("snmp is not loaded")));
          value = found.perfdata?.[0]?.value ?? undefined;
          return found;
        });
        return value ?? finding.evidence;
      }
    }
  }

  /** A look with its limit; what throws is a mistake of ours, and proves nothing. */
  async #bounded(address: string, timeoutMs: number, look: (target: { host: string; address: string; family: 4 | 6 }, signal: AbortSignal, progress: (text: string) => void) => Promise<Finding>): Promise<Finding> {
    const located = this.#names.address(address);
    if ("error" in located) return { outcome: "unknown", sign: "not-run", evidence: located.error };
    // Not AbortSignal.any: what is collected before it fires would never fire.
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(new Error("the limit")), timeoutMs);
    const close = (): void => limit.abort(new Error("closed"));
    this.#over.signal.addEventListener("abort", close, { once: true });
    let far = "";
    let held = 0;
    try {
      return await look({ host: address, ...located }, limit.signal, (text, heldMs?: number) => {
        far = text;
        held = heldMs ?? held;
      });
    } catch (error) {
      if (!limit.signal.aborted) return { outcome: "unknown", sign: "not-run", evidence: printable(error instanceof Error ? error.message : String(error)) };
      if (this.#over.signal.aborted || held > 0) return { outcome: "unknown", sign: "not-run", evidence: "not looked at in time" };
      return { outcome: "bad", sign: "silent", evidence: `no answer within ${timeoutMs} ms${far === "" ? "" : ` (${far})`}` };
    } finally {
      clearTimeout(timer);
      this.#over.signal.removeEventListener("abort", close);
    }
  }
}

/** A UPS by what upsd has answered. */
export function upsSeen(name: string, finding: Finding, variables: ReadonlyMap<string, string> | null): UpsSeen {
  const status = variables?.get("ups.status");
  if (variables === null || status === undefined) return { name, wrong: finding.evidence };
  const charge = variables.get("battery.charge")?.trim() ?? "";
  return { name, status: nutStatus(status), charge: charge === "" || !Number.isFinite(Number(charge)) ? null : Number(charge) };
}

async function hottest(path: string): Promise<number | string> {
  const paths = path.includes("*") ? globSync(path).slice(0, FILES_MAX) : [path];
  if (paths.length === 0) return `no file is called ${path}`;
  const read = await Promise.all(paths.map(async (each) => {
    try {
      return numberIn(await readFile(each, { encoding: "utf8" }));
    } catch (error) {
      return `${each} cannot be read: ${error instanceof Error && "code" in error ? String(error.code) : String(error)}`;
    }
  }));
  const numbers = read.filter((each) => typeof each === "number");
  return numbers.length > 0 ? Math.max(...numbers) : (read[0] ?? "nothing was read");
}

/** What a file or program says, if it is one number. */
export function numberIn(text: string): number | string {
  const word = text.trim();
  return /^[-+]?\d{1,12}(\.\d{1,12})?$/.test(word) ? Number(word) : `not a number: "${printable(word, 40)}"`;
}

function within<T>(reading: Promise<T>, limitMs: number): Promise<T | string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(`no reading within ${limitMs} ms`), limitMs);
    void reading.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
