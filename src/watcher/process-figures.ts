// What /metrics shows of the process around the watcher, gathered when it is asked for. The size of the history is asked of the
// disk without waiting for it: a disk that hangs must not hold up who is told about it, nor take more than one thread.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessFigures } from "../api/metrics/metric.ts";
import type { History } from "../journal/history.ts";
import { HISTORY_NAME } from "../journal/history.ts";
import type { Stalls } from "../process/boot-clock.ts";

const STAT_MS = 200;

export function processFigures(dataDir: string, history: Pick<History, "dropped">, alerts: { pending(): number }, stalls: Stalls, kernels: { readonly figures: NonNullable<ProcessFigures["kernels"]> }): () => Promise<ProcessFigures> {
  let historyBytes: number | null = null;
  let asking: Promise<void> | null = null;
  const ask = async (): Promise<void> => {
    const sizes = await Promise.all(["", "-wal"].map((end) => stat(join(dataDir, `${HISTORY_NAME}${end}`)).then(({ size }) => size, () => 0)));
    historyBytes = sizes.reduce((sum, size) => sum + size, 0);
    asking = null;
  };
  return async () => {
    asking ??= ask();
    await Promise.race([asking, new Promise((resolve) => setTimeout(resolve, STAT_MS).unref())]);
    return { dropped: history.dropped(), historyBytes, alertsWaiting: alerts.pending(), kernels: kernels.figures, stalledMs: stalls.totalMs() };
  };
}
