// The port to what one probe adds to the configuration: its options as they are written, what is wrong with them together,
// and how they become what the probe in src/probes takes. One file a probe, one line in index.ts; everything else
// (sections/probes.ts, resolve-probes.ts, the host hash, `check --effective`, the lints) goes over that list.
//
// Secrets stay closed in what `resolve` returns. `openProbe` opens all of them, and the host hash puts in place of each
// where it comes from, so that no option with a secret needs a word of its own anywhere.

import { z } from "zod";
import type { Address } from "../address.ts";
import { duration, text } from "../fields.ts";
import type { SecretInput } from "../fields.ts";
import type { ProblemCode } from "../problems.ts";
import type { Secret } from "../secret.ts";

/** Whom a probe asks, for `resolve`. */
export type Asked = {
  readonly name: string;
  readonly address: Address;
  /** `{host}` replaced by the host's name, `{address}` by its address; `bracketed`: an IPv6 address in brackets, for URLs. */
  fill(text: string, bracketed?: boolean): string;
  /** A secret, still closed; one that cannot be had has been told, and drops the probe. `lint` false: a literal is no mistake. */
  secret(input: SecretInput, lint?: boolean): Promise<Secret>;
  /** A whole file, such as authorities in PEM; one that cannot be read has been told, and drops the probe. */
  file(path: string): Promise<string>;
  /** Tells what is wrong for this host, and is the `null` that `resolve` returns then. */
  refuse(code: ProblemCode, message: string, hint?: string): null;
};

/** A lint of resolved options. */
export type ProbeLint = { readonly code: ProblemCode; readonly message: string; readonly hint?: string };

/** Made by `defineProbe`. Options are written in the order of the reference page; every probe has `timeout` among them. */
export type ProbeSchema<Written extends z.ZodObject = z.ZodObject, Options = unknown> = {
  /** What it looks at, in a sentence: in a host's list, and as one of the watcher's references. */
  readonly about: string;
  /** Absent: it cannot be one. */
  readonly reference?: string;
  readonly options: Written;
  /** Beside another probe it is evidence only, unless its option `required` says otherwise. */
  readonly evidenceOnly?: boolean;
  /** It has no vote while it finds nothing out (ProbePolicy of the core). */
  readonly abstains?: true;
  /** Told where the name stands alone and that is not enough. */
  readonly incomplete?: string;
  /** What is wrong with settings that are right one by one; null: nothing. */
  check?(settings: z.output<Written>): string | null;
  /** The options of the probe in src/probes, or null where `refuse` has told why there are none. */
  resolve(settings: z.output<Written>, asked: Asked): Promise<Options | null> | Options | null;
  /** Its id on a host; absent: its name. */
  id?(options: Options): string;
  /** Where it is as a reference, if that can be told from its settings: then `address` may be left out. */
  addressOf?(settings: z.output<Written>): Address | null;
  lint?(options: Options, host: { readonly name: string; readonly address: string }): ProbeLint | null;
  /** Programs that it starts, for the lint of those that are not there. */
  programs?(options: Options): readonly string[];
};

/** One probe's part of the configuration, with its types inferred. */
export function defineProbe<Written extends z.ZodObject, Options>(probe: ProbeSchema<Written, Options>): ProbeSchema<Written, Options> {
  return probe;
}

/** The options that a schema resolves to, secrets closed. */
export type OptionsFrom<Schema> = Schema extends { resolve(...all: never[]): infer Result } ? NonNullable<Awaited<Result>> : never;

/** The setting that every probe has. */
export const timeout = duration("How long an answer may take; of the host where it is left out. A later one within the round is slow: neither good nor bad.", { minMs: 10 }).optional();

/** A substring, or `/regex/` with optional flags. */
export function pattern(description: string) {
  return text(`${description} A substring, or \`/regex/\`.`, { max: 1_024 }).superRefine((value, ctx) => {
    const regex = /^\/(.+)\/([imsu]*)$/s.exec(value);
    if (regex === null) return;
    try {
      new RegExp(regex[1] ?? "", regex[2]);
    } catch (error) {
      ctx.addIssue({ code: "custom", message: `not a regular expression: ${error instanceof Error ? error.message : ""}`, params: { hint: "between the slashes stands a JavaScript regular expression" } });
    }
  });
}

/** The lint of a password that is sent unencrypted to another machine. */
export function inClear(probe: string, { address }: { readonly address: string }): ProbeLint | null {
  if (/^(localhost|127\..*|::1)$/.test(address)) return null;
  return { code: "PASSWORD_IN_CLEAR", message: `the password of ${probe} crosses the network unencrypted`, hint: "switch tls on, or use a user that may do nothing else" };
}

/** Without the settings that were left out. */
export function given<T extends object>(settings: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
