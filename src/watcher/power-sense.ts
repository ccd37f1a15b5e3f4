// This watcher's own sense of the site's power, for the return after careful shutdowns: looks at the signal of its configuration,
// again and again, and says what it sees. It decides nothing; what is older than a minute is nothing to the core, so a look that
// hangs is as good as none.

import type { Sensors, SensorTools } from "../careful/sensors.ts";
import type { SignalSpec } from "../config/careful-signal.ts";
import type { Input } from "../core/io.ts";
import { bootClock } from "../process/boot-clock.ts";

const LOOK_EVERY_MS = 5_000;

export type PowerSenseWatch = { close(): void };

/** `post` takes each word. A signal that cannot be opened is told of, and unknown. */
export function watchPower(spec: SignalSpec, tools: SensorTools & { readonly warn: (text: string) => void }, post: (input: Input) => void, everyMs = LOOK_EVERY_MS): PowerSenseWatch {
  let closed = false;
  let sensors: Sensors | null = null;
  let cancel = (): void => {};
  const say = (state: "good" | "lost" | "unknown", because: string, charge: number | null): void => {
    if (!closed) post({ kind: "power-sense", state, because: because.slice(0, 300), charge });
  };
  const look = async (): Promise<void> => {
    const beganMs = bootClock.nowMs();
    try {
      if (sensors === null) {
        const { openSensors } = await import("../careful/sensors.ts");
        const opened = await openSensors(spec, tools);
        if (closed) return opened.close();
        sensors = opened;
        for (const refusal of opened.refusals()) tools.warn(`the signal of careful: ${refusal}`);
      }
      const { verdict, because, charge } = await sensors.look();
      say(verdict, because, charge === null ? null : charge / 100);
    } catch (error) {
      say("unknown", `it cannot be looked at: ${error instanceof Error ? error.message : String(error)}`, null);
    }
    if (!closed) cancel = bootClock.at(Math.max(bootClock.nowMs(), beganMs + everyMs), () => void look());
  };
  void look();
  return {
    close() {
      closed = true;
      cancel();
      sensors?.close();
    },
  };
}
