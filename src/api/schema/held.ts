// A real answer held against its schema: which row of the table it came from, and whether it is what the document says. The
// tests of the interface ask it about everything that they get.

import type { IncomingHttpHeaders } from "node:http";
import { failure } from "./commands.ts";
import { documented, keyOf } from "./openapi.ts";
import { EVENTS_TYPE, JSON_TYPE, LINES_TYPE } from "./description.ts";
import { OPERATIONS } from "./operations.ts";
import { differences } from "./schema.ts";
import { liveEvents } from "./live.ts";

export type Answered = { readonly method: string; readonly path: string; readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string };

/** What is wrong with the answer, or null. Answers that have no description (the page's files) are not looked at. */
export function wrongWith({ method, path, status, headers, text }: Answered): string | null {
  const [type = ""] = (headers["content-type"] ?? "").split(";");
  if (method === "HEAD" || text === "") return null;
  const row = documented().find((each) => each.method === method && matches(each.path, path.split("?")[0] ?? ""));
  const given = row === undefined ? undefined : OPERATIONS[keyOf(row)]?.answers[status];
  if (given === undefined) return status < 400 ? (row === undefined ? null : `${status} is not described`) : type === JSON_TYPE ? differences(failure, JSON.parse(text)) : `a refusal of type ${type}`;
  if (type !== given.type) return `${type} is not ${given.type}`;
  if (given.schema === null) return null;
  if (type === JSON_TYPE) return differences(given.schema, JSON.parse(text));
  if (type === LINES_TYPE) return firstOf(text.split("\n").filter((line) => line !== ""), (line) => given.schema === null ? null : differences(given.schema, JSON.parse(line)));
  return type === EVENTS_TYPE ? firstOf(text.split("\n\n").slice(0, -1), wrongEvent) : null;
}

/** One server-sent event. */
export function wrongEvent(event: string): string | null {
  const name = /^event: (\w+)$/m.exec(event)?.[1] as keyof typeof liveEvents | undefined;
  const data = /^data: (.*)$/ms.exec(event)?.[1];
  if (name === undefined || data === undefined) return /^retry: \d+$/.test(event) ? null : `not an event: ${event.slice(0, 80)}`;
  const schema = liveEvents[name];
  return schema === undefined ? `no event is named ${name}` : differences(schema, JSON.parse(data));
}

function firstOf(each: readonly string[], wrong: (one: string) => string | null): string | null {
  for (const one of each) {
    const found = wrong(one);
    if (found !== null) return `${found} in ${one.slice(0, 200)}`;
  }
  return null;
}

function matches(pattern: string, path: string): boolean {
  if (!pattern.endsWith("/:name")) return pattern === path;
  const base = pattern.slice(0, -"/:name".length);
  return path.startsWith(`${base}/`) && !path.slice(base.length + 1).includes("/");
}
