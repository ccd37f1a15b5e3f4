// The log on standard error: sentences for a person at a terminal, one JSON object a line for a program. The journal has
// everything; this is what scrolls by. One line is one write, so that lines of two processes never mix.

import { writeSync } from "node:fs";
import { styleText } from "node:util";
import type { Told } from "../core/io.ts";

export type Log = {
  told(told: Told, wallMs: number): void;
  say(level: "info" | "warning" | "error", text: string): void;
};

const LOUD: ReadonlySet<string> = new Set(["down", "off-sent", "off-unconfirmed", "contradicted", "held", "storm", "owed", "time-went-back", "store-failed", "alarm", "off-by-others", "late-off"]);
const GLAD: ReadonlySet<string> = new Set(["recovered", "guarded", "on-confirmed", "storm-over", "store-ok", "device-ok"]);

export function createLog(format: "text" | "json"): Log {
  const colours = process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined;
  const write = (line: string) => {
    try {
      writeSync(2, `${line}\n`);
    } catch {
      // A log that cannot be written (a full disk, a closed pipe) must not stop the watcher.
    }
  };
  if (format === "json") {
    return {
      told: ({ seq, kind, host, incident, because, cause }, wallMs) => write(JSON.stringify({ at: new Date(wallMs).toISOString(), level: LOUD.has(kind) ? "warning" : "info", seq, kind, host, incident, because, cause })),
      say: (level, text) => write(JSON.stringify({ at: new Date().toISOString(), level, text })),
    };
  }
  const style = (kind: string, text: string): string => {
    if (!colours) return text;
    return LOUD.has(kind) ? styleText("yellow", text) : GLAD.has(kind) ? styleText("green", text) : text;
  };
  return {
    told: ({ kind, host, because }, wallMs) => write(`${clock(wallMs)} ${style(kind, kind.padEnd(14))} ${host === null ? "" : `${host}: `}${because}`),
    say: (level, text) => write(`${clock(Date.now())} ${style(level === "info" ? "" : "alarm", level.padEnd(14))} ${text}`),
  };
}

function clock(wallMs: number): string {
  const date = new Date(wallMs);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
