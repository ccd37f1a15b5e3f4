// What `upkeep init` makes of an answer, whether it was typed or given as a flag.

import type { Draft } from "../config/draft.ts";

/** What is asked for: the configuration, and what was typed, by the file that it goes to (relative to the configuration). */
export type Answers = { readonly draft: Draft; readonly typed: ReadonlyMap<string, string> };

/** Where a typed secret goes, beside the configuration. */
export function secretFile(device: string, setting: string): string {
  return `${device}.${setting}`;
}

/** An outlet as it stands in the file; where there is one device its name may be left out. */
export function outletOf(text: string, devices: readonly string[]): string {
  const [only, ...more] = devices;
  if (only === undefined || more.length > 0) return text;
  return text.split("+").map((feed) => feed.trim()).map((feed) => (feed.includes("/") || feed === only ? feed : `${only}/${feed}`)).join(" + ");
}

/** A number, a list, a truth value, or text; what is no YAML is text. */
export async function yamlValue(text: string): Promise<unknown> {
  const { parse } = await import("yaml");
  try {
    const value: unknown = parse(text, { maxAliasCount: 0, logLevel: "silent" });
    return value ?? text;
  } catch {
    return text;
  }
}
