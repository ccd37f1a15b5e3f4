// Whether a report says something new. Most of a report is the same a second later, and some of it changes with every round
// and means nothing: when the round was, how many milliseconds it took, how long a brake has left, a load of 0.12 after 0.11.
// A thousand hosts sent whole every few seconds for that would drown the one that matters.
//
// So there are three answers. `moved` is sent at once. `drifted` (numbers within a sentence, the time of a reading) may wait
// and go with others. `same` includes what readers get in another way: rounds and latencies come as cells.

export type Difference = "same" | "drifted" | "moved";

/** Not looked at: sent as cells, or worked out by the reader from what stands beside it (`until`). */
const ELSEWHERE: ReadonlySet<string> = new Set(["latencyMs", "leftMs"]);
/** Sentences in which numbers count up or down by themselves. */
const SENTENCES: ReadonlySet<string> = new Set(["because", "evidence", "why"]);
/** Times that move by themselves: of a reading, of a repeated call, of a lease. */
const READINGS: ReadonlySet<string> = new Set(["at", "heldUntil"]);
/** The same moment, worked out twice by two clocks that are set right meanwhile. */
const SAME_MOMENT_MS = 2_000;
const MILLISECONDS = /\d[\d.]* ms\b/g;
const NUMBERS = /\d[\d.]*/g;
const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

/** Compares two values of the same shape, as JSON has them. `key`: under which name they stand. */
export function difference(before: unknown, after: unknown, key = ""): Difference {
  if (before === after || ELSEWHERE.has(key)) return "same";
  if (typeof before === "string" && typeof after === "string") return ofTexts(before, after, key);
  if (typeof before !== "object" || typeof after !== "object" || before === null || after === null) return "moved";
  if (Array.isArray(before) || Array.isArray(after)) {
    if (!Array.isArray(before) || !Array.isArray(after) || before.length !== after.length) return "moved";
    return worst(before.length, (index) => difference(before[index], after[index], key));
  }
  // Reports are made by one function each: their keys are the same, in the same order.
  const keys = Object.keys(after);
  if (keys.length !== Object.keys(before).length) return "moved";
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return worst(keys.length, (index) => {
    const name = keys[index] as string;
    // The last round's own time: cells say when there was one.
    return key === "round" && name === "at" ? "same" : difference(old[name], now[name], name);
  });
}

function ofTexts(before: string, after: string, key: string): Difference {
  if (ISO.test(before) && ISO.test(after)) {
    if (Math.abs(Date.parse(after) - Date.parse(before)) <= SAME_MOMENT_MS) return "same";
    return READINGS.has(key) ? "drifted" : "moved";
  }
  if (!SENTENCES.has(key)) return "moved";
  // Milliseconds in a sentence are a latency, or the last second of something.
  if (before.replace(MILLISECONDS, "0 ms") === after.replace(MILLISECONDS, "0 ms")) return "same";
  return before.replace(NUMBERS, "0") === after.replace(NUMBERS, "0") ? "drifted" : "moved";
}

function worst(count: number, of: (index: number) => Difference): Difference {
  let found: Difference = "same";
  for (let index = 0; index < count; index += 1) {
    const each = of(index);
    if (each === "moved") return each;
    if (each === "drifted") found = each;
  }
  return found;
}
