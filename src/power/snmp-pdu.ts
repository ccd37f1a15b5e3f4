// The driver for switched PDUs over SNMP: what a family looks like is a row of facts in snmp-models.ts, what is sent and
// heard is in snmp-client.ts and snmp-wire.ts. There is nothing to log in to: a session is a socket, opened by one question
// that must be answered, and many of them may be open at once.
//
// An outlet is read and switched by its number, or by the one name that it has in the device. A name is looked for in the
// whole table, once a session, and read again with every state, so that an outlet that was renamed meanwhile is not switched.
// A command is one SET of the immediate command, sent once; an acknowledgement proves nothing, and the core reads back.

import { assert, UpkeepError } from "../core/errors.ts";
import { passGate } from "./gate.ts";
import type { Draw, Fire, OutletState, PowerDevice, PowerDriver, PowerSession, Reading, SetOutcome, Tap } from "./power.ts";
import { SnmpClient } from "./snmp-client.ts";
import type { SnmpAccess, SnmpAgent, SnmpSetAnswer, SnmpValue } from "./snmp-client.ts";
import { modelOf, rowOf, SNMP_MODELS } from "./snmp-models.ts";
import type { SnmpMeter, SnmpModel, SnmpModelName } from "./snmp-models.ts";

export type SnmpPduOptions = {
  readonly host: string;
  readonly port: number;
  /** `auto`: by the device's sysObjectID, where that is certain. */
  readonly model: "auto" | SnmpModelName;
  readonly access: SnmpAccess;
  /** The limit of one question, repeated as it may be. */
  readonly stepMs: number;
  readonly maxActMs: number;
};

const SYS_OBJECT_ID = "1.3.6.1.2.1.1.2.0";
const OUTLETS_MAX = 512;
const LABEL_CHARACTERS_MAX = 64;
const DECIMALS_MAX = 6;

/** Switched PDUs over SNMP. */
export const snmpPdu: PowerDriver<SnmpPduOptions> = {
  name: "snmp-pdu",
  testedOn: [
    "the virtual PDU of this repository behind net-snmp's snmpd 5.9, for every model of the table",
    "no device yet",
  ],
  create: (options) => new SnmpDevice(options),
};

/** A device that is reached in a way of its own. */
export class SnmpDevice implements PowerDevice {
  readonly #options: SnmpPduOptions;
  readonly #connect: (options: SnmpPduOptions, signal: AbortSignal, tap?: Tap) => Promise<SnmpAgent>;

  constructor(options: SnmpPduOptions, connect: (options: SnmpPduOptions, signal: AbortSignal, tap?: Tap) => Promise<SnmpAgent> = SnmpClient.open) {
    this.#options = options;
    this.#connect = connect;
  }

  async open(signal: AbortSignal, tap?: Tap): Promise<PowerSession> {
    const { host, port, access } = this.#options;
    const client = await this.#connect(this.#options, signal, tap);
    try {
      const [value] = await client.get([SYS_OBJECT_ID], signal).catch((error: unknown) => {
        if (signal.aborted || !(error instanceof UpkeepError) || error.code !== "POWER_TIMEOUT") throw error;
        // Silence is all that a wrong community gets (RFC 3416 §4.1); net-snmp's agent treats what it cannot decrypt alike.
        const hint = access.version === "3" ? ", or the privacy password or protocol is wrong" : ", or the community is wrong";
        throw new UpkeepError("POWER_UNREACHABLE", `${host}:${port}: no answer; SNMP is switched off, another version than ${access.version} is asked for, an access list is in the way${hint}: none of these is answered`);
      });
      return new SnmpSession(client, this.#model(value), `${host}:${port}`);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  #model(sysObjectId: SnmpValue | undefined): SnmpModel {
    const { host, port, model } = this.#options;
    if (model !== "auto") return SNMP_MODELS[model];
    const said = sysObjectId?.kind === "oid" ? sysObjectId.value : null;
    const name = said === null ? null : modelOf(said);
    if (name === null) throw new UpkeepError("POWER_NONSENSE", `${host}:${port}: it cannot be told which model this is (sysObjectID ${said ?? "missing"}): name it, model: …`);
    return SNMP_MODELS[name];
  }
}

class SnmpSession implements PowerSession {
  readonly #client: SnmpAgent;
  readonly #model: SnmpModel;
  readonly #where: string;
  /** Rows by the name that they had when the table was read; null where several have it. */
  #names: ReadonlyMap<string, string | null> | null = null;
  #busy = false;

  constructor(client: SnmpAgent, model: SnmpModel, where: string) {
    this.#client = client;
    this.#model = model;
    this.#where = where;
  }

  read(outlets: readonly string[], signal: AbortSignal): Promise<readonly Reading[]> {
    return this.#alone(signal, async () => {
      const different = [...new Set(outlets)];
      const rows = new Map<string, string>();
      for (const outlet of different) rows.set(outlet, await this.#row(outlet, signal));
      const { state, label, pending } = this.#model;
      const asked = different.flatMap((outlet) => [state.oid, label, ...(pending === null ? [] : [pending.oid])].map((column) => `${column}.${rows.get(outlet)}`));
      const values = await this.#client.get(asked, signal);
      const each = asked.length / Math.max(1, different.length);
      const readings = new Map(different.map((outlet, index) => [outlet, this.#reading(outlet, values.slice(index * each, (index + 1) * each))]));
      return outlets.map((outlet) => readings.get(outlet) as Reading);
    });
  }

  meter(outlets: readonly string[], signal: AbortSignal): Promise<readonly Draw[]> {
    return this.#alone(signal, async () => {
      const { meter } = this.#model;
      if (meter === undefined) return outlets.map((outlet) => ({ outlet, watts: null }));
      const columns = [meter.oid, ...(meter.decimals === null ? [] : [meter.decimals]), ...meter.certain.map(({ oid }) => oid)];
      const asked: string[] = [];
      for (const outlet of outlets) {
        const row = await this.#row(outlet, signal);
        asked.push(...columns.map((column) => `${column}.${row}${meter.row}`), ...meter.same.flat().map((column) => `${column}.${row}`));
      }
      const values = await this.#client.get(asked, signal);
      const each = asked.length / Math.max(1, outlets.length);
      return outlets.map((outlet, index) => ({ outlet, watts: wattsOf(meter, values.slice(index * each, (index + 1) * each)) }));
    });
  }

  async set(outlet: string, action: "on" | "off", fire: Fire, signal: AbortSignal): Promise<SetOutcome> {
    const [reading] = await this.read([outlet], signal);
    assert(reading !== undefined, "one reading for one outlet");
    return await this.#alone(signal, async () => {
      const row = await this.#row(outlet, signal);
      const { oid, value } = this.#model.control[action];
      let answer: Promise<SnmpSetAnswer> | null = null;
      const passage = await passGate(fire, reading, () => {
        if (this.#client.ended) throw new Error("the session was gone");
        answer = this.#client.set(`${oid}.${row}`, value, signal);
      }, signal);
      if (passage.kind === "shut") return passage.outcome;
      assert(answer !== null, "the write has run");
      const { kind, evidence } = await (answer as Promise<SnmpSetAnswer>);
      if (kind === "accepted") return { kind, evidence };
      return kind === "refused" ? { kind, by: "device", evidence } : { kind: "unknown", evidence };
    });
  }

  close(): Promise<void> {
    this.#client.close();
    return Promise.resolve();
  }

  #reading(outlet: string, [state, label, pending]: readonly SnmpValue[]): Reading {
    if (state === undefined || state.kind === "missing") throw this.#unknown(outlet, "the device has no such outlet");
    const name = labelOf(label);
    if (this.#isName(outlet) && name !== outlet) {
      this.#names = null;
      throw this.#unknown(outlet, "it is called something else now");
    }
    const under = this.#model.pending !== null && pending?.kind === "integer" && pending.value === this.#model.pending.value;
    return { outlet, state: under ? "unknown" : this.#state(state), label: name };
  }

  #state(value: SnmpValue): OutletState {
    const { on, off } = this.#model.state;
    if (value.kind !== "integer") return "unknown";
    return value.value === on ? "on" : value.value === off ? "off" : "unknown";
  }

  #isName(outlet: string): boolean {
    return rowOf(this.#model, outlet) === null;
  }

  async #row(outlet: string, signal: AbortSignal): Promise<string> {
    const row = rowOf(this.#model, outlet);
    if (typeof row === "string") throw this.#unknown(outlet, row);
    if (row !== null) return row.row;
    this.#names ??= await this.#readNames(signal);
    const named = this.#names.get(outlet);
    if (named === undefined) throw this.#unknown(outlet, "no outlet has this name");
    if (named === null) throw this.#unknown(outlet, "several outlets have this name");
    return named;
  }

  async #readNames(signal: AbortSignal): Promise<ReadonlyMap<string, string | null>> {
    const column = `${this.#model.label}.`;
    const names = new Map<string, string | null>();
    let at = this.#model.label;
    for (let count = 0; ; count++) {
      const found = await this.#client.next(at, signal);
      if (found === null || !found.oid.startsWith(column)) return names;
      // An agent whose objects do not come in order would be walked for ever.
      if (count >= OUTLETS_MAX || !comesAfter(found.oid, at)) throw new UpkeepError("POWER_NONSENSE", `${this.#where}: the names of its outlets have no end`);
      at = found.oid;
      const name = labelOf(found.value);
      if (name !== null) names.set(name, names.has(name) ? null : at.slice(column.length));
    }
  }

  #unknown(outlet: string, why: string): UpkeepError {
    return new UpkeepError("POWER_OUTLET", `outlet "${outlet.slice(0, 64).replace(/[^\x20-\x7e]/g, "?")}": ${why}`);
  }

  async #alone<Result>(signal: AbortSignal, call: () => Promise<Result>): Promise<Result> {
    assert(!this.#busy, "calls on a power session never overlap");
    if (signal.aborted) throw new UpkeepError("POWER_TIMEOUT", "aborted", { cause: signal.reason });
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

function labelOf(value: SnmpValue | undefined): string | null {
  if (value?.kind !== "text") return null;
  const label = value.value.replace(/[\p{C}\p{Z}]+/gu, " ").trim().slice(0, LABEL_CHARACTERS_MAX);
  return label === "" ? null : label;
}

/** What one row tells, or null where it is missing, of another kind, or of another outlet. */
function wattsOf({ decimals, certain, same }: SnmpMeter, values: readonly SnmpValue[]): number | null {
  const [value, ...rest] = values.map((each) => (each.kind === "integer" ? each.value : null));
  const digits = decimals === null ? 0 : (rest.shift() ?? null);
  if (value === undefined || value === null || digits === null || digits < 0 || digits > DECIMALS_MAX) return null;
  if (!certain.every((each) => rest.shift() === each.value)) return null;
  for (const _ of same) {
    const [here, there] = [rest.shift() ?? null, rest.shift() ?? null];
    if (here === null || here !== there) return null;
  }
  return value / 10 ** digits;
}

/** In the order of object ids: number by number, a longer one after its beginning. */
function comesAfter(oid: string, before: string): boolean {
  const [one, other] = [oid, before].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (const [index, part] of other.entries()) {
    const mine = one[index];
    if (mine === undefined || mine < part) return false;
    if (mine > part) return true;
  }
  return one.length > other.length;
}
