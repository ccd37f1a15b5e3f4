// "Did you mean …?": the nearest of the words that would have been right, if one is near enough to be a slip of the finger.

const LENGTH_MAX = 64;

/** `did you mean "address"?`, or null when nothing is near. */
export function didYouMean(word: string, right: Iterable<string>): string | null {
  const near = nearest(word, right);
  return near === null ? null : `did you mean "${near}"?`;
}

function nearest(word: string, right: Iterable<string>): string | null {
  if (word.length > LENGTH_MAX) return null;
  // A third of the letters may be wrong: `adress` is `address`, `foo` is nothing.
  let best = Math.max(1, Math.floor(word.length / 3)) + 1;
  let found: string | null = null;
  for (const candidate of right) {
    if (candidate.length > LENGTH_MAX || Math.abs(candidate.length - word.length) >= best) continue;
    const steps = distance(word.toLowerCase(), candidate.toLowerCase());
    if (steps < best) [best, found] = [steps, candidate];
  }
  return found;
}

/** Optimal string alignment: insert, delete, replace, or swap two neighbours, one step each. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replace = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let steps = Math.min(replace, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) steps = Math.min(steps, (before[j - 2] ?? 0) + 1);
      row.push(steps);
    }
    [before, previous] = [previous, row];
  }
  return previous[b.length] ?? 0;
}
