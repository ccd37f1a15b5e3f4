// The port to what one part of the agent adds to the configuration.

import type { z } from "zod";
import type { SecretInput } from "../fields.ts";
import type { Place, ProblemList } from "../problems.ts";
import type { Secret } from "../secret.ts";
import type { SecretReader } from "../secrets.ts";

export type AskedPart = {
  /** The host's own name. */
  readonly host: string;
  /** The folder of the file. */
  readonly directory: string;
  /** Where a setting of this part stands. */
  place(path: readonly (string | number)[]): Place;
  readonly problems: ProblemList;
  /** For what resolves probes of its own (resolve-probes.ts). */
  readonly secrets: SecretReader;
  /** A secret, or null when it cannot be had; that has been told. */
  secret(input: SecretInput, path: readonly (string | number)[]): Promise<Secret | null>;
};

/** Made by `defineAgentPart`. Settings carry their own description (`about`). */
export type AgentPartSchema<Written extends z.ZodType = z.ZodType, Options = unknown> = {
  readonly settings: Written;
  /** What the part in src/agent takes, or null where what is wrong has been told. */
  resolve(settings: z.output<Written>, asked: AskedPart): Promise<Options | null> | Options | null;
};

/** One part's section, with its types inferred. */
export function defineAgentPart<Written extends z.ZodType, Options>(part: AgentPartSchema<Written, Options>): AgentPartSchema<Written, Options> {
  return part;
}

/** The options that a section resolves to. */
export type OptionsOf<Section> = Section extends { resolve(...all: never[]): infer Result } ? NonNullable<Awaited<Result>> : never;
