// The port to what one power driver adds to the configuration: its settings as they are written, what a device of it is by
// nature, what identifies one, and how the settings become what the driver in src/power takes. One file a driver, one line
// in index.ts; everything else (sections/power.ts, resolve-power.ts, the lints, the reference page) goes over that list.
//
// A device with `{host}` anywhere in its settings is one device a host; `fill` and `secret` put the host's name in its place.
// Secrets stay closed in what `resolve` returns, and `openDevice` opens all of them, so that no option with a secret needs a
// word of its own anywhere.

import { z } from "zod";
import type { Capabilities } from "../../power/power.ts";
import type { SecretInput } from "../fields.ts";
import type { ProblemCode } from "../problems.ts";
import type { Secret } from "../secret.ts";

/** Where in the settings of a device; empty: the device as a whole. */
export type SettingPath = readonly (string | number)[];

/** For whom the settings are resolved. */
export type AskedDevice = {
  /** `{host}` replaced by the host's name. */
  fill(text: string): string;
  /** A secret, still closed; one that cannot be had has been told, and drops the device. */
  secret(input: SecretInput, at: SettingPath): Promise<Secret>;
  /** A whole file, such as authorities in PEM; one that cannot be read has been told, and drops the device. */
  file(path: string, at: SettingPath): Promise<string>;
  /** Tells what is wrong, and is the `null` that `resolve` returns then. */
  refuse(code: ProblemCode, message: string, at: SettingPath, hint?: string): null;
};

export type ResolvedDevice<Options> = {
  /** Of the driver in src/power, but for its times. */
  readonly options: Options;
  /** What identifies the device, in full: recorded in every intent and locked by. */
  readonly address: string;
};

/** What a device has to switch. */
export type Outputs = {
  /** Whether an outlet stands behind its name: `device/N`. */
  readonly outlet: "must" | "may" | "never";
  /** What the core calls the output of a device that stands alone. Default: `1`. */
  readonly unnamed?: string;
  /** It has one output, whatever that is called: said in words that go on from the device's name. */
  readonly single?: string;
};

/** A lint of a device that some host hangs on. */
export type DeviceLint = { readonly at: SettingPath; readonly code: ProblemCode; readonly message: string; readonly hint?: string };

/** Made by `defineDriver`. Settings are written in the order of the reference page. */
export type DriverSchema<Written extends z.ZodObject = z.ZodObject, Options = unknown> = {
  /** What it drives, in a sentence. */
  readonly about: string;
  readonly settings: Written;
  /** Defaults of `timeout` and `deadline`, where one step takes longer than a line of a dialogue: `20s`. */
  readonly times?: { readonly timeout: string; readonly deadline: string };
  readonly capabilities?: Partial<Capabilities>;
  outputs(settings: z.output<Written>): Outputs;
  /** The device's options and identity, or null where `refuse` has told why there are none. */
  resolve(settings: z.output<Written>, asked: AskedDevice): Promise<ResolvedDevice<Options> | null> | ResolvedDevice<Options> | null;
  /** Whether it is a part of the host that it switches and loses its power with it, as a BMC does (field.md §1.5); left out: it does not. */
  sharesPower?(settings: z.output<Written>): boolean;
  /** Its address is a place in the network, where two names would be two sessions on one device. */
  readonly placed?: boolean;
  /** What is valid and will be regretted; `name` as in the configuration. */
  lint?(settings: z.output<Written>, name: string): Promise<readonly DeviceLint[]> | readonly DeviceLint[];
  /** Programs that it starts, for the lint of those that are not there. */
  programs?(settings: z.output<Written>): readonly { readonly at: SettingPath; readonly program: string }[];
};

/** One driver's part of the configuration, with its types inferred. */
export function defineDriver<Written extends z.ZodObject, Options>(driver: DriverSchema<Written, Options>): DriverSchema<Written, Options> {
  return driver;
}

/** The options that a schema resolves to, secrets closed. */
export type DeviceOptionsFrom<Schema> = Schema extends { resolve(...all: never[]): infer Result } ? NonNullable<Awaited<Result>> extends ResolvedDevice<infer Options> ? Options : never : never;
