// What each power driver wants to be told, read from the schema that the loader uses: `upkeep init` asks for it, and knows a
// driver that is added tomorrow without a line of its own.

import { configurationSchema } from "./schema.ts";
import type { JsonSchema } from "./schema.ts";

export type DriverSetting = {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** How its value is come by: a secret is typed or read from a file, a program is a list of words, the rest is one value of YAML. */
  readonly kind: "secret" | "program" | "choice" | "value";
  /** Of a choice. */
  readonly values: readonly string[];
};

export type DriverFacts = { readonly driver: string; readonly description: string; readonly settings: readonly DriverSetting[] };

/** Every driver of this release, in the order of the schema. */
export function driverFacts(): readonly DriverFacts[] {
  const devices = configurationSchema({ kinds: true }).properties?.["power"]?.additionalProperties;
  const { oneOf, anyOf } = typeof devices === "object" ? devices : {};
  return (oneOf ?? anyOf ?? []).map((device) => {
    const { driver, ...settings } = device.properties ?? {};
    return {
      driver: String(driver?.const),
      description: driver?.description ?? "",
      settings: Object.entries(settings).map(([name, field]) => ({
        name,
        description: field.description ?? "",
        required: device.required?.includes(name) === true,
        kind: kindOf(field),
        values: (field.enum ?? []).map(String),
      })),
    };
  });
}

function kindOf(field: JsonSchema): DriverSetting["kind"] {
  if (field["x-kind"] === "secret" || field["x-kind"] === "program") return field["x-kind"];
  return field.enum === undefined ? "value" : "choice";
}
