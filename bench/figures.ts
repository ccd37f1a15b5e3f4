// What the parts share: which were asked for, samples put into figures, and figures into the document.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const DOCUMENT = join(import.meta.dirname, "../docs/performance.md");

/** The parts that stand on the command line; none: all. */
export function partsNamed<Part extends string>(parts: readonly Part[]): readonly Part[] {
  const named = process.argv.slice(2).filter((word) => word !== "--quick");
  const unknown = named.find((word) => !(parts as readonly string[]).includes(word));
  if (unknown !== undefined) throw new Error(`${unknown} is not measured here, but ${parts.join(", ")}`);
  return parts.filter((part) => named.length === 0 || named.includes(part));
}

export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** Between the two samples that it falls between. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((one, other) => one - other);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return low + (high - low) * (at - Math.floor(at));
}

/** Puts a section into docs/performance.md under its heading, in place of the one that stands there, else at the end. */
export function writeSection(heading: string, parts: readonly string[]): void {
  const before = readFileSync(DOCUMENT, "utf8");
  const from = before.indexOf(`\n${heading}\n`);
  const to = from < 0 ? -1 : before.indexOf("\n## ", from + heading.length);
  const head = (from < 0 ? before : before.slice(0, from + 1)).trimEnd();
  const tail = to < 0 ? "" : before.slice(to + 1);
  const section = [heading, ...parts].map((part) => part.trim()).filter((part) => part !== "").join("\n\n");
  writeFileSync(DOCUMENT, `${head}\n\n${section}\n${tail === "" ? "" : `\n${tail}`}`);
}
