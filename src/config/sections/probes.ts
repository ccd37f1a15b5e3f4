// `probes`: how to look at a host. A list of names and of mappings with one key each, the probe's name:
// `[ping, { ssh: { port: 2222 } }]`. What each of them asks for stands in config/probes; here is only the list.

import { z } from "zod";
import type { ProbeName } from "../../probes/index.ts";
import type { Address } from "../address.ts";
import { expectations, isMapping } from "../expect.ts";
import { about, address } from "../fields.ts";
import { PROBE_NAMES, PROBES } from "../probes/index.ts";
import { didYouMean } from "../suggest.ts";

const PROBES_MAX = 16;

/** One probe as it was written: settings that its schema has accepted, for its `resolve`. */
export type ProbeInput = { readonly kind: ProbeName; readonly settings: Settings; readonly timeoutMs: number | null; readonly required: boolean };

type Settings = Readonly<Record<string, unknown>>;
type Written = { readonly [Name in ProbeName]?: Settings | undefined };

const SHORT = z.enum(PROBE_NAMES);

function mapping(shape: Readonly<Record<ProbeName, z.ZodOptional<z.ZodObject>>>) {
  const schema = z.strictObject(shape);
  expectations.add(schema, { says: "a probe such as ssh or { tcp: { port: 53 } }" });
  return schema.meta({ minProperties: 1, maxProperties: 1 });
}

function shapeOf(names: readonly ProbeName[], optionsOf: (name: ProbeName) => z.ZodObject): Readonly<Record<ProbeName, z.ZodOptional<z.ZodObject>>> {
  return Object.fromEntries(names.map((name) => [name, optionsOf(name).optional()])) as Record<ProbeName, z.ZodOptional<z.ZodObject>>;
}

const probe = z.union([
  // Settings of a name alone: those by default, or none where one of them must be written.
  SHORT.transform((name): Written => ({ [name]: PROBES[name].options.safeParse({}).data })),
  mapping(shapeOf(PROBE_NAMES, (name) => PROBES[name].options.meta(about(PROBES[name].about)))),
]);
expectations.add(probe, { says: "a probe such as ssh or { tcp: { port: 53 } }", explain: (input) => {
  const there = `there is ${PROBE_NAMES.join(", ")}`;
  if (typeof input === "string") return { message: `unknown probe ${JSON.stringify(input.slice(0, 60))}`, hint: didYouMean(input, PROBE_NAMES) ?? there };
  const [[kind, options] = [], ...more] = isMapping(input) ? Object.entries(input) : [];
  if (kind === undefined || options !== null || more.length > 0 || !SHORT.safeParse(kind).success) return null;
  return { message: `${kind}: is empty`, hint: `write ${kind} alone, or ${kind}: {}` };
} });

/** One probe, as it stands in a host's list. */
export const oneProbe = probe.transform((written, ctx): ProbeInput => {
  // An unknown key has been told already.
  if (ctx.issues.length > 0) return z.NEVER;
  const input = inputOf(written);
  if (typeof input === "string") {
    ctx.addIssue({ code: "custom", message: input, params: { code: "PROBE_INCOMPLETE", hint: "one mapping a probe: [ping, { ssh: { port: 2222 } }]" } });
    return z.NEVER;
  }
  return input;
});

/** The list of a host's probes; a host's replaces that of its group or the default. */
export const probeList = z.array(oneProbe).min(1).max(PROBES_MAX);
expectations.add(probeList, { says: "a list of probes such as [ping, ssh]" });

/** A reference: an address to ping, or any probe with an address of its own. */
export type ReferenceInput = { readonly address: Address; readonly probe: ProbeInput };

const where = address("Where this reference is.");
const whereOptional = address("Where this reference is; of the URL where it is left out.").optional();
const referenceMapping = mapping(shapeOf(PROBE_NAMES.filter((name) => PROBES[name].reference !== undefined), (name) => {
  const { options, reference: described = "", addressOf } = PROBES[name];
  // Of references one that answers is enough: none is required.
  const own = "required" in options.shape ? options.omit({ required: true }) : options;
  return own.extend({ address: addressOf === undefined ? where : whereOptional }).meta(about(described));
}));

const reference = z.union([address("An address to ping."), referenceMapping]);
expectations.add(reference, { says: "an address to ping, or a probe with an address: { tcp: { address: 10.0.0.1, port: 22 } }" });

export const referenceList = z.array(reference.transform((input, ctx): ReferenceInput => {
  if (ctx.issues.length > 0) return z.NEVER;
  if ("host" in input) return { address: input as Address, probe: defaultProbe("ping") };
  const written = inputOf(input);
  const at = typeof written === "string" ? null : (written.settings["address"] as Address | undefined) ?? PROBES[written.kind].addressOf?.(written.settings) ?? null;
  if (typeof written === "string" || at === null) {
    ctx.addIssue({ code: "custom", message: typeof written === "string" ? written : "a reference needs an address", params: { code: "PROBE_INCOMPLETE", hint: "{ tcp: { address: 10.0.0.1, port: 22 } }" } });
    return z.NEVER;
  }
  return { address: at, probe: written };
})).max(16);
expectations.add(referenceList, { says: "a list of addresses or probes", explain: (input) => (typeof input === "string" ? { message: "expected a list of addresses or probes, found text", hint: `write [${input.slice(0, 60)}]` } : null) });

/** A probe of which nothing is said. */
export function defaultProbe(kind: ProbeName): ProbeInput {
  return { kind, settings: PROBES[kind].options.parse({}), timeoutMs: null, required: false };
}

/** The one probe of a mapping, or what is wrong with it. */
function inputOf(written: Written): ProbeInput | string {
  const kinds = PROBE_NAMES.filter((kind) => kind in written);
  const [kind] = kinds;
  if (kind === undefined) return "a probe without a name";
  if (kinds.length > 1) return `two probes in one mapping: ${kinds.join(", ")}`;
  const settings = written[kind];
  if (settings === undefined) return PROBES[kind].incomplete ?? `${kind} needs settings`;
  const wrong = PROBES[kind].check?.(settings) ?? null;
  return wrong ?? { kind, settings, timeoutMs: (settings["timeout"] as number | undefined) ?? null, required: settings["required"] === true };
}
