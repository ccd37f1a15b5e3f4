// The client's end of the control socket. It finds the socket from the configuration without reading that as a whole, asks
// once, and gives up after a few seconds, because a command that hangs at night is worse than one that fails.
//
// node:http is taken by `getBuiltinModule`: importing it as an ECMAScript module evaluates its lazy exports and costs 80 ms.

import type { ClientRequest, IncomingMessage } from "node:http";
import type { Failure } from "../api/contract.ts";
import { CONFIG_PATHS, findConfigPath, quickDataDir, socketPathIn } from "../config/data-dir.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Options } from "./options.ts";

const http = process.getBuiltinModule("node:http");

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

/** The watcher of the configuration that these options name. */
export async function connect(options: Options): Promise<Client> {
  const config = findConfigPath(options.config);
  if (config === null) {
    throw new CliError(EXIT.configuration, `there is no configuration: neither -c FILE, nor $UPKEEP_CONFIG, nor ${CONFIG_PATHS.map((path) => (path.startsWith("/") ? path : `./${path}`)).join(", nor ")}`);
  }
  const data = await quickDataDir(config).catch((error: unknown) => {
    throw new CliError(EXIT.configuration, `${config} cannot be read: ${codeOf(error) === "ENOENT" ? "there is no such file" : codeOf(error) === "EACCES" ? "this user may not read it" : String(error)}`);
  });
  return clientOf(socketPathIn(data), config);
}

/** A client of one control socket; `config` is named in the advice when nobody answers. */
export function clientOf(socketPath: string, config: string): Client {
  const ask = async <Value>(method: string, path: string, body: unknown, limitMs: number): Promise<Value> => {
    const response = await open(socketPath, config, method, path, body, limitMs);
    const text = await textOf(response, socketPath);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new CliError(EXIT.unavailable, `what listens on ${socketPath} is not a watcher of Upkeep`);
    }
    refuse(response.statusCode ?? 0, value);
    return value as Value;
  };
  return {
    get: (path) => ask("GET", path, undefined, ANSWER_LIMIT_MS),
    post: (path, body) => ask("POST", path, body, COMMAND_LIMIT_MS),
    patch: (path, body) => ask("PATCH", path, body, COMMAND_LIMIT_MS),
    remove: (path) => ask("DELETE", path, undefined, COMMAND_LIMIT_MS),
    follow: async (path, onLine) => {
      const response = await open(socketPath, config, "GET", path, undefined, ANSWER_LIMIT_MS);
      if (response.statusCode !== 200) refuse(response.statusCode ?? 0, JSON.parse(await textOf(response, socketPath)));
      response.socket.setTimeout(SILENCE_LIMIT_MS, () => response.destroy());
      return { ended: lines(response, onLine), close: () => response.destroy() };
    },
    async *lines(path) {
      const response = await open(socketPath, config, "GET", path, undefined, ANSWER_LIMIT_MS);
      if (response.statusCode !== 200) refuse(response.statusCode ?? 0, JSON.parse(await textOf(response, socketPath)));
      yield* linesOf(response, socketPath);
    },
  };
}

async function* linesOf(response: IncomingMessage, socketPath: string): AsyncGenerator<readonly string[], void, undefined> {
  const brokeOff = () => new CliError(EXIT.unavailable, `the watcher's answer on ${socketPath} broke off`);
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

function open(socketPath: string, config: string, method: string, path: string, body: unknown, limitMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
    const headers = payload === null ? {} : { "content-type": "application/json", "content-length": payload.length };
    const request: ClientRequest = http.request({ socketPath, method, path, headers, agent: false });
    const limit = setTimeout(() => request.destroy(new CliError(EXIT.unavailable, `the watcher did not answer within ${limitMs / 1_000} s on ${socketPath}`)), limitMs);
    request.on("response", (response) => {
      clearTimeout(limit);
      resolve(response);
    });
    request.on("error", (error) => {
      clearTimeout(limit);
      reject(error instanceof CliError ? error : new CliError(EXIT.unavailable, unavailable(error, socketPath, config), ["ENOENT", "ECONNREFUSED"].includes(codeOf(error))));
    });
    request.end(payload ?? undefined);
  });
}

async function textOf(response: IncomingMessage, socketPath: string): Promise<string> {
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
    throw new CliError(EXIT.unavailable, `the watcher's answer on ${socketPath} broke off`);
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
  throw new CliError(status === 400 || status === 404 || status === 413 ? EXIT.usage : EXIT.unavailable, said);
}

function unavailable(error: unknown, socketPath: string, config: string): string {
  switch (codeOf(error)) {
    case "ENOENT":
    case "ECONNREFUSED":
      return `no watcher answers on ${socketPath}; start it with: upkeep watch -c ${config}   (or: systemctl start upkeep)`;
    case "EACCES":
      return `this user may not use ${socketPath}: ask as its owner or as a member of its group`;
    default:
      return `the watcher on ${socketPath} cannot be asked: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
