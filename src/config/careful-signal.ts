// The signal of careful shutdown: what tells that the mains, or the cooling, is gone. Written alike in the agent's section
// (what shuts a host down) and in the watcher's (what must be good again before it is switched on).
//
// A source of several kinds, each with what it needs to be trusted: power nodes are worth nothing without references, so
// those are required here and not a lint.

import { z } from "zod";
import type { ReferenceSpec } from "./config.ts";
import { expectations } from "./expect.ts";
import { about, address, argv, duration, percent, text, whole } from "./fields.ts";
import type { Address } from "./address.ts";
import type { Place, ProblemList } from "./problems.ts";
import { PROBES } from "./probes/index.ts";
import { taskFor } from "./resolve-probes.ts";
import { referenceList } from "./sections/probes.ts";
import type { ReferenceInput } from "./sections/probes.ts";
import type { SecretReader } from "./secrets.ts";
import { CELSIUS_MAX, CELSIUS_MIN } from "../core/power-sense.ts";

const TIMEOUT_MS = 1_000;
const UPS_TIMEOUT_MS = 5_000;
const SENSOR_TIMEOUT_MS = 10_000;
const UPS_PORT = 3_493;

const celsius = (description: string) => {
  const schema = z.number().min(CELSIUS_MIN).max(CELSIUS_MAX);
  expectations.add(schema, { says: `degrees Celsius, from ${CELSIUS_MIN} to ${CELSIUS_MAX}` });
  return schema.meta(about(description, {}, "degrees Celsius"));
};

const factor = z.number().positive();
expectations.add(factor, { says: "a number above 0" });

const lostOfSources = z.union([z.literal("any").transform((): number => 1), z.literal("all").transform((): null => null), z.int().min(1).max(64)]);
expectations.add(lostOfSources, { says: "any, all, or how many of the sources", flat: true });

const powerNodes = z.strictObject({
  nodes: referenceList.min(1).meta(about("What hangs on the mains without a UPS, as the air conditioning does (an old router, a switch, a PDU): addresses to ping, or probes with an address.", {}, "list of addresses or probes")),
  references: referenceList.min(1).meta(about("What hangs on the UPS and is reached by the same way. Silence of the nodes counts only between two answers of a reference: a dead switch is not a power cut.", {}, "list of addresses or probes")),
  lost: whole("So many nodes must be silent; all where it is left out.", 1, 16).optional(),
});

const ups = z.strictObject({
  address: address("Where upsd of Network UPS Tools listens (3493)."),
  name: text("The name of the UPS, as in `ups.conf`.", { default: "ups", max: 64 }).default("ups"),
  chargeBelow: percent("On battery and under this charge is as urgent as the UPS's own word that its battery is low (`LB`).").optional(),
  timeout: duration("How long an answer may take.", { minMs: 10, maxMs: 60_000, default: "5s" }).default(UPS_TIMEOUT_MS),
});

const temperature = z.strictObject({
  name: text("What it is called in sentences; where it is left out, the file, program or agent.", { max: 64 }).optional(),
  above: celsius("It is too hot above this."),
  below: celsius("Once too hot, it is so until it is below this; two degrees under `above` where it is left out.").optional(),
  critical: celsius("From here on there is no time for a second look.").optional(),
  file: text("A file with a number: of hwmon `/sys/class/hwmon/hwmon*/temp1_input`. Of several that a `*` finds, the hottest.", { max: 1_024 }).optional(),
  command: argv("A program that prints a number.").optional(),
  snmp: PROBES.snmp.options.extend({ address: address("Where the SNMP agent is.") }).meta(about("A value of an SNMP agent; settings as those of the probe `snmp`.")).optional(),
  scale: factor.meta(about("What the number is multiplied by to be degrees Celsius: 0.001 for a file, as hwmon has it, else 1.", {}, "number")).optional(),
  timeout: duration("How long a reading may take.", { minMs: 10, maxMs: 60_000, default: "10s" }).default(SENSOR_TIMEOUT_MS),
});

export const carefulSignal = z.strictObject({
  powerNodes: powerNodes.meta(about("Hosts without a UPS: silent when the mains is gone.")).optional(),
  ups: z.array(ups).min(1).max(16).meta(about("UPSes through `upsd`: on battery (`OB`) is lost; `LB` and `FSD` are urgent. Stale data, or no server, is unknown.", {}, "list")).optional(),
  temperature: z.array(temperature).min(1).max(16).meta(about("Sensors: too hot is as good as no cooling.", {}, "list")).optional(),
  probes: referenceList.min(1).meta(about("Any probes with an address: one that is answered wrongly, or a plugin that ends with CRITICAL, is lost; silence is unknown.", {}, "list of addresses or probes")).optional(),
  lost: lostOfSources.meta(about("How many of these sources must say so: `any`, `all`, or a number. Power nodes together are one source, every other entry is one.", { default: "any" }, "`any`, `all`, or whole number")).default(1),
});

export type CarefulSignalInput = z.output<typeof carefulSignal>;

/** The signal with all that src/careful/sensors.ts needs; secrets are still closed. */
export type SignalSpec = {
  readonly lostNeeded: number;
  readonly powerNodes: { readonly nodes: readonly ReferenceSpec[]; readonly references: readonly ReferenceSpec[]; readonly lostNeeded: number } | null;
  readonly ups: readonly { readonly address: string; readonly port: number; readonly name: string; readonly chargeBelow: number | null; readonly timeoutMs: number }[];
  readonly temperatures: readonly TemperatureSpec[];
  readonly probes: readonly ReferenceSpec[];
};

export type TemperatureSpec = {
  readonly name: string;
  readonly above: number;
  readonly below: number;
  readonly critical: number | null;
  readonly scale: number;
  readonly timeoutMs: number;
  readonly source: { readonly kind: "file"; readonly path: string } | { readonly kind: "command"; readonly argv: readonly string[] } | { readonly kind: "snmp"; readonly reference: ReferenceSpec };
};

export type SignalAt = { readonly directory: string; place(path: readonly (string | number)[]): Place };
export type SignalWork = { readonly secrets: SecretReader; readonly problems: ProblemList };

const HWMON_SCALE = 0.001;
const HYSTERESIS = 2;

/** What stands in the file, ready to be looked at; null where what is wrong has been told. */
export async function resolveSignal(input: CarefulSignalInput, at: SignalAt, work: SignalWork): Promise<SignalSpec | null> {
  const { problems } = work;
  const before = problems.failed;
  const list = async (inputs: readonly ReferenceInput[], path: readonly (string | number)[]): Promise<readonly ReferenceSpec[]> => {
    const found: ReferenceSpec[] = [];
    for (const [index, each] of inputs.entries()) {
      const spec = await referenceOf(each, at.place([...path, index]), at.directory, work);
      if (spec !== null) found.push(spec);
    }
    return found;
  };
  let nodes: SignalSpec["powerNodes"] = null;
  if (input.powerNodes !== undefined) {
    const { nodes: written, references, lost } = input.powerNodes;
    const lostNeeded = lost ?? written.length;
    if (lostNeeded > written.length) problems.add(at.place(["powerNodes", "lost"]), "VALUE_INVALID", `${lostNeeded} of ${written.length} power nodes cannot be silent`);
    const vouching = new Set(references.map(({ address: { host } }) => host));
    const both = written.findIndex(({ address: { host } }) => vouching.has(host));
    if (both !== -1) problems.add(at.place(["powerNodes", "nodes", both]), "VALUE_INVALID", "a power node is its own reference", "nodes hang on the mains, references on the UPS");
    nodes = { nodes: await list(written, ["powerNodes", "nodes"]), references: await list(references, ["powerNodes", "references"]), lostNeeded };
  }
  const temperatures: TemperatureSpec[] = [];
  for (const [index, each] of (input.temperature ?? []).entries()) {
    const spec = await temperatureOf(each, index, at, work);
    if (spec !== null) temperatures.push(spec);
  }
  const probes = await list(input.probes ?? [], ["probes"]);
  const upses = (input.ups ?? []).map((each) => ({ address: each.address.host, port: each.address.port ?? UPS_PORT, name: each.name, chargeBelow: each.chargeBelow === undefined ? null : each.chargeBelow * 100, timeoutMs: each.timeout }));
  const sources = (input.powerNodes === undefined ? 0 : 1) + upses.length + (input.temperature?.length ?? 0) + (input.probes?.length ?? 0);
  const lostNeeded = input.lost ?? sources;
  if (sources === 0) problems.add(at.place([]), "VALUE_INVALID", "a signal without a source", "powerNodes, ups, temperature or probes");
  else if (lostNeeded > sources) problems.add(at.place(["lost"]), "VALUE_INVALID", `${lostNeeded} of ${sources} source${sources === 1 ? "" : "s"} cannot be lost`);
  if (problems.failed && !before) return null;
  return { lostNeeded, powerNodes: nodes, ups: upses, temperatures, probes };
}

async function temperatureOf(input: z.output<typeof temperature>, index: number, at: SignalAt, work: SignalWork): Promise<TemperatureSpec | null> {
  const { above, below = above - HYSTERESIS, critical = null, file, command, snmp } = input;
  const place = at.place(["temperature", index]);
  const refuse = (message: string, hint: string | null = null): null => {
    work.problems.add(place, "VALUE_INVALID", message, hint);
    return null;
  };
  const given = [file, command, snmp].filter((each) => each !== undefined).length;
  if (given !== 1) return refuse(given === 0 ? "a temperature from nowhere" : "a temperature from two sources", "one of file, command and snmp");
  if (below >= above) return refuse(`below ${below} is not under above ${above}`);
  if (critical !== null && critical <= above) return refuse(`critical ${critical} is not over above ${above}`);
  const common = { above, below, critical, timeoutMs: input.timeout };
  if (file !== undefined) {
    if (!file.startsWith("/")) return refuse("not an absolute path", "/sys/class/hwmon/hwmon*/temp1_input");
    return { ...common, name: input.name ?? file, scale: input.scale ?? HWMON_SCALE, source: { kind: "file", path: file } };
  }
  if (command !== undefined) return { ...common, name: input.name ?? (command[0] ?? ""), scale: input.scale ?? 1, source: { kind: "command", argv: command } };
  const { address: where, ...settings } = snmp as { address: Address } & Readonly<Record<string, unknown>>;
  const wrong = PROBES.snmp.check?.(settings) ?? null;
  if (wrong !== null) return refuse(wrong);
  const reference = await referenceOf({ address: where, probe: { kind: "snmp", settings, timeoutMs: input.timeout, required: false } }, place, at.directory, work);
  return reference === null ? null : { ...common, name: input.name ?? reference.id, scale: input.scale ?? 1, source: { kind: "snmp", reference } };
}

async function referenceOf({ address: where, probe }: ReferenceInput, place: Place, directory: string, work: SignalWork): Promise<ReferenceSpec | null> {
  const found = await taskFor(probe, { name: where.host, address: where, place, directory }, work);
  return found === null ? null : { id: probe.kind === "ping" ? where.host : `${probe.kind} ${where.host}`, address: where.host, timeoutMs: probe.timeoutMs ?? TIMEOUT_MS, ...found.task };
}
