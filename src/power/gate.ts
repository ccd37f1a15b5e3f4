// The moment between reading an outlet and switching it, the same for every driver (safety.md §4.1): the executor's `fire`
// gets the reading and the one write, and decides. Whatever `fire` does, the write happens at most once, never after the
// gate has answered and never after an abort; and what is reported is what was written, not what `fire` says it did.

import type { Fire, Reading, SetOutcome } from "./power.ts";

export type Passage =
  | { readonly kind: "written" }
  /** Closed, or never opened in time: nothing was written and nothing will be. */
  | { readonly kind: "shut"; readonly outcome: SetOutcome };

/** Asks `fire`; `write` must send at once, and may throw when it certainly sent nothing. Never rejects. */
export async function passGate(fire: Fire, reading: Reading, write: () => void, signal: AbortSignal): Promise<Passage> {
  let open = true;
  let written = false;
  let failure: string | null = null;
  const once = (): void => {
    if (!open) return;
    open = false;
    try {
      write();
      written = true;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
  };
  const answer = asked(fire, reading, once);
  const aborted = new Promise<"aborted">((resolve) => {
    if (signal.aborted) resolve("aborted");
    else signal.addEventListener("abort", () => resolve("aborted"), { once: true });
  });
  const said = await Promise.race([answer, aborted]);
  open = false;
  if (written) return { kind: "written" };
  // The gate counts the command as sent, so this is not a refusal, although nothing was sent.
  if (failure !== null) return unknown(`nothing was sent: ${failure}`);
  if (said === "aborted") return unknown("aborted before the command was sent; nothing was sent");
  return { kind: "shut", outcome: { kind: "refused", by: "gate", evidence: said } };
}

async function asked(fire: Fire, reading: Reading, write: () => void): Promise<string> {
  try {
    const allowed = await fire(reading, write);
    return allowed ? "nothing was sent: the gate did not use the write" : "nothing was sent: the gate said no";
  } catch (error) {
    return `nothing was sent: the gate failed: ${error instanceof Error ? error.message : String(error)}`.slice(0, 300);
  }
}

function unknown(evidence: string): Passage {
  return { kind: "shut", outcome: { kind: "unknown", evidence } };
}
