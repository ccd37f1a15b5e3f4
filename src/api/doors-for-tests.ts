// For tests of the API: both doors opened before a world in memory, and a client that sees what was sent. A file of its own,
// because several test files knock.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { EventLine } from "./contract.ts";
import { PATHS } from "./contract.ts";
import { wrongWith } from "./schema/held.ts";
import { eventLine } from "./schema/past.ts";
import { differences } from "./schema/schema.ts";
import type { Api, ApiSources, Tls } from "./server.ts";
import { openApi } from "./server.ts";
import type { World } from "./world-for-tests.ts";
import { openWorld } from "./world-for-tests.ts";

/** A folder for this process, removed at its end. */
export const folder = mkdtempSync(join(tmpdir(), "upkeep-api-"));
after(() => rmSync(folder, { recursive: true, force: true }));

let socketNumber = 0;
/** A path for a socket or a file that is not there yet. */
export const newPath = () => join(folder, `${(socketNumber += 1)}.sock`);

/** Where to knock. */
export type Door = { readonly socketPath: string } | { readonly host: string; readonly port: number; readonly localAddress?: string; readonly headers?: Record<string, string> };
export type Got = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string; readonly json: unknown };

/** One request, and its answer as a whole. Rejects when the answer is not what the description of the interface says. */
export function ask(door: Door, method: string, path: string, extra: { headers?: Record<string, string>; body?: string } = {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...door, method, path, agent: false, ...(extra.headers === undefined ? {} : { headers: extra.headers }) }, (response: IncomingMessage) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        const status = response.statusCode ?? 0;
        const wrong = wrongWith({ method, path, status, headers: response.headers, text });
        if (wrong === null) resolve({ status, headers: response.headers, text, json });
        else reject(new Error(`the answer of ${method} ${path} is not what its schema says: ${wrong}`));
      });
    });
    request.on("error", reject);
    request.end(extra.body);
  });
}

/** A POST of JSON, or of a text as it is. */
export function post(door: Door, path: string, body: unknown, headers: Record<string, string> = { "content-type": "application/json" }): Promise<Got> {
  return ask(door, "POST", path, { headers, body: typeof body === "string" ? body : JSON.stringify(body) });
}

export type Opened = { world: World; api: Api; folder: string; control: Door; tcp: { host: string; port: number }; troubles: string[]; close(): Promise<void> };

/** A world with both doors open. */
export async function opened(change: { world?: World; sources?: ApiSources; names?: readonly string[]; path?: string; folder?: string; tls?: Tls; listen?: string } = {}): Promise<Opened> {
  const world = change.world ?? openWorld();
  const socketPath = change.path ?? newPath();
  const troubles: string[] = [];
  // Users of one test are not those of the next.
  const own = change.folder ?? mkdtempSync(join(folder, "users-"));
  const api = await openApi(change.sources ?? world.sources, { socketPath, folder: own, listen: { host: change.listen ?? "127.0.0.1", port: 0 }, names: change.names ?? [], tls: change.tls ?? "none", onTrouble: (text) => troubles.push(text) });
  assert.ok(api.tcp !== null);
  return { world, api, folder: own, control: { socketPath }, tcp: api.tcp, troubles, close: async () => {
    await api.close();
    await world.close();
  } };
}

/** The sentence of a refusal. */
export const errorOf = (got: Got) => (got.json as { error?: string } | undefined)?.error ?? "";

export type Following = { readonly lines: EventLine[]; readonly ended: Promise<void>; readonly response: IncomingMessage; close(): void };

/** Follows events; rejects when that is refused. */
export function follow(door: Door, path: string): Promise<Following> {
  return new Promise((resolve, reject) => {
    const request = http.request({ ...door, path, agent: false }, (response) => {
      const lines: EventLine[] = [];
      let rest = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        for (const part of parts.filter((each) => each !== "")) {
          if (response.statusCode === 200 && path.startsWith(PATHS.events)) assert.equal(differences(eventLine, JSON.parse(part)), null);
          lines.push(JSON.parse(part) as EventLine);
        }
      });
      const ended = new Promise<void>((done) => response.on("close", done));
      response.on("error", () => {});
      if (response.statusCode === 200) resolve({ lines, ended, response, close: () => response.destroy() });
      else reject(new Error(`status ${response.statusCode}`));
    });
    request.on("error", reject);
    request.end();
  });
}
