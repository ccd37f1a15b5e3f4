// The client's end, whatever door it knocks at (target.ts). It asks once, and gives up after a few seconds, because a command
// that hangs at night is worse than one that fails.

import type { IncomingMessage } from "node:http";
import type { Failure } from "../api/contract.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Options } from "./options.ts";
import type { Target } from "./target.ts";
import { targetOf } from "./target.ts";

const ANSWER_LIMIT_MS = 10_000;
/** A command is answered when it is durable; the server calls it unknown after 30 s. */
const COMMAND_LIMIT_MS = 35_000;
const ANSWER_BYTES_MAX = 256 * 1_048_576;
const LINE_CHARS_MAX = 65_536;
/** A watcher that is alive sends a heartbeat every 15 s. */
const SILENCE_LIMIT_MS = 60_000;

export type Client = {
  get<Value>(path: string): Promise<Value>;
  post<Value>(path: string, body: unknown): Promise<Value>;
  patch<Value>(path: string, body: unknown): Promise<Value>;
  remove<Value>(path: string): Promise<Value>;
  /** A reply line by line, perhaps without an end; empty lines are heartbeats and are left out. `ended`: whether it came to its end. */
  follow(path: string, onLine: (line: string) => void): Promise<{ readonly ended: Promise<boolean>; close(): void }>;
  /** A long reply, some lines at a time and no faster than they are taken; throws when it breaks off. */
  lines(path: string): AsyncGenerator<readonly string[], void, undefined>;
};

/** The watcher that these options name. */
export async function connect(options: Options): Promise<Client> {
  const target = await targetOf(options);
  const ask = async <Value>(method: string, path: string, body: unknown, limitMs: number): Promise<Value> => {
    const response = await open(target, method, path, body, limitMs);
    const text = await textOf(response, target);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new CliError(EXIT.unavailable, `what listens on ${target.name} is not a watcher of Upkeep`);
    }
    refuse(response.statusCode ?? 0, value);
    return value as Value;
  };
  const begin = async (path: string): Promise<IncomingMessage> => {
    const response = await open(target, "GET", path, undefined, ANSWER_LIMIT_MS);
    if (response.statusCode !== 200) refuse(response.statusCode ?? 0, JSON.parse(await textOf(response, target)));
    return response;
  };
  return {
    get: (path) => ask("GET", path, undefined, ANSWER_LIMIT_MS),
    post: (path, body) => ask("POST", path, body, COMMAND_LIMIT_MS),
    patch: (path, body) => ask("PATCH", path, body, ANSWER_LIMIT_MS),
    remove: (path) => ask("DELETE", path, undefined, ANSWER_LIMIT_MS),
    follow: async (path, onLine) => {
      const response = await begin(path);
      response.socket.setTimeout(SILENCE_LIMIT_MS, () => response.destroy());
      return { ended: lines(response, onLine), close: () => response.destroy() };
    },
    async *lines(path) {
      yield* linesOf(await begin(path), target);
    },
  };
}

async function* linesOf(response: IncomingMessage, target: Target): AsyncGenerator<readonly string[], void, undefined> {
  const brokeOff = () => new CliError(EXIT.unavailable, `the watcher's answer on ${target.name} broke off`);
  let rest = "";
  response.setEncoding("utf8");
  response.socket.setTimeout(SILENCE_LIMIT_MS, () => response.destroy());
  try {
    for await (const chunk of response as AsyncIterable<string>) {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      if (rest.length > LINE_CHARS_MAX) throw brokeOff();
      yield parts;
    }
  } catch {
    throw brokeOff();
  }
  if (!response.complete || rest !== "") throw brokeOff();
}

async function open(target: Target, method: string, path: string, body: unknown, limitMs: number): Promise<IncomingMessage> {
  const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
  const request = await target.request(method, path, payload === null ? {} : { "content-type": "application/json", "content-length": payload.length }).catch((error: unknown) => {
    throw target.unavailable(error);
  });
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => request.destroy(new CliError(EXIT.unavailable, `the watcher did not answer within ${limitMs / 1_000} s on ${target.name}`)), limitMs);
    request.on("response", (response) => {
      clearTimeout(limit);
      resolve(response);
    });
    request.on("error", (error) => {
      clearTimeout(limit);
      reject(error instanceof CliError ? error : target.unavailable(error));
    });
    request.end(payload ?? undefined);
  });
}

async function textOf(response: IncomingMessage, target: Target): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const limit = setTimeout(() => response.destroy(), ANSWER_LIMIT_MS);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > ANSWER_BYTES_MAX) throw new Error("too long");
      chunks.push(chunk);
    }
  } catch {
    throw new CliError(EXIT.unavailable, `the watcher's answer on ${target.name} broke off`);
  } finally {
    clearTimeout(limit);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function lines(response: IncomingMessage, onLine: (line: string) => void): Promise<boolean> {
  let rest = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > LINE_CHARS_MAX) response.destroy();
    for (const part of parts) if (part !== "") onLine(part);
  });
  return new Promise((resolve) => {
    // Closed by us, or the watcher has gone: in both cases there are no more lines.
    response.on("error", () => resolve(false));
    response.on("close", () => resolve(response.complete));
  });
}

function refuse(status: number, value: unknown): void {
  if (status < 400) return;
  const said = typeof value === "object" && value !== null && "error" in value ? (value as Failure).error : `status ${status}`;
  // A name that is not there is a mistake on the command line, like an option that is not there.
  throw new CliError([400, 404, 409, 413].includes(status) ? EXIT.usage : EXIT.unavailable, said);
}
