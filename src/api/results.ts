// Probe results as a stream: pages come from the history as they are asked for, and each is asked for when the one before has
// left. The watcher passes text on and looks at none of it; an export of a year costs it no more memory than one page.

import type { History, ResultsQuery } from "./history.ts";

/** The pages of these hosts, one host after the other. Empty pages are left out, so that a page is always something to send. */
export async function* pagesOf(history: Pick<History, "results">, hosts: readonly string[], query: Omit<ResultsQuery, "host">): AsyncGenerator<string, void, undefined> {
  for (const host of hosts) {
    for (let sinceMs: number | null = query.sinceMs; sinceMs !== null;) {
      const page = await history.results({ ...query, host, sinceMs });
      if (page.text !== "") yield page.text;
      sinceMs = page.nextMs;
    }
  }
}
