// Reboots this host when a watcher orders it, once an order. What has been begun is on the disk before it is begun: an agent that is
// asked again, by another watcher or after its own restart, answers with what became of it the first time, and a host never reboots
// twice for one order (ADR 35). Which boot this is stands in the finding `reboot`.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { evidenceOf, runChild } from "../child/child.ts";
import type { Order, OrderEnd } from "../core/finding.ts";
import { definePart } from "./part.ts";

export type RebootOptions = { readonly command: readonly string[]; readonly limitMs: number };

/** `outcome` null: begun, and nobody has seen its end. */
type Begun = { readonly id: string; readonly bootId: string; readonly outcome: OrderEnd["outcome"] | null };

const KEPT = 64;

export const reboot = definePart<RebootOptions>({
  name: "reboot",
  start({ options, folder, dryRun, guard, now, say, report, onOrder }) {
    const path = join(folder, "orders.json");
    let begun = load(path);
    const { bootId } = now();
    report({ subject: "reboot", verdict: "good", because: `boot ${bootId}`, mayCut: false });
    const note = (entry: Begun): void => {
      begun = [...begun.filter(({ id }) => id !== entry.id), entry].slice(-KEPT);
      save(path, begun);
    };
    const stopping = new AbortController();
    onOrder("reboot", async ({ id, reason, limitMs }: Order): Promise<OrderEnd> => {
      const known = begun.find((each) => each.id === id);
      if (known !== undefined) return said(known, bootId);
      if (dryRun) return { outcome: "refused", evidence: "dry run: nothing is done on this host" };
      try {
        note({ id, bootId, outcome: null });
      } catch (error) {
        return { outcome: "failed", evidence: `it cannot be recorded here, and is not done: ${error instanceof Error ? error.message : String(error)}` };
      }
      say("warning", `rebooting, as a watcher asks${reason === "" ? "" : `: ${reason}`}`);
      const boundMs = Math.min(limitMs, options.limitMs);
      const ran = await runChild(guard, options.command, { limitMs: boundMs }, AbortSignal.any([stopping.signal, AbortSignal.timeout(boundMs + 500)]));
      const outcome = "code" in ran.end ? (ran.end.code === 0 ? "done" : "failed") : ran.end.why.startsWith("did not start") ? "failed" : "unknown";
      // On the way down the disk may take nothing any more; then it stands as begun, which is the truth.
      try {
        note({ id, bootId, outcome });
      } catch {
        say("warning", "what became of the reboot cannot be recorded");
      }
      return { outcome, evidence: evidenceOf(ran) };
    });
    return { stop: () => Promise.resolve(stopping.abort()) };
  },
});

function said({ bootId, outcome }: Begun, now: string): OrderEnd {
  if (bootId !== now) return { outcome: "done", evidence: "this host has rebooted since" };
  return { outcome: outcome ?? "unknown", evidence: outcome === null ? "it was begun in this boot, and what became of it is not known" : `it was carried out before, ${outcome}` };
}

/** A list that cannot be read is none: then an order is as good as new, and its name will not come again. */
function load(path: string): readonly Begun[] {
  try {
    const found: unknown = JSON.parse(readFileSync(path, "utf8"));
    return Array.isArray(found) ? found.filter((each): each is Begun => typeof each === "object" && each !== null && "id" in each && typeof each.id === "string" && "bootId" in each && typeof each.bootId === "string") : [];
  } catch {
    return [];
  }
}

/** The whole file anew, synced before it takes the place of the old one, and its folder after. */
function save(path: string, begun: readonly Begun[]): void {
  const next = `${path}.next`;
  const file = openSync(next, "w", 0o600);
  try {
    writeSync(file, JSON.stringify(begun));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(next, path);
  const folder = openSync(join(path, ".."), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
