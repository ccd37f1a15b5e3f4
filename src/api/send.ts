// A reply on its way out: headers, and each kind of reply in its own pace. What is sent is bounded by who reads it: pages are
// asked for when the one before has left, and a stream that is not read ends.
//
// Every answer says that nothing of it may be run, framed, guessed at or kept by another origin; only files of the page may
// run what comes from this server, and nothing that stands in their own text (CSP, ADR 19).

import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { FileReply, Reply } from "./route.ts";

const HEARTBEAT_MS = 15_000;
/** What a reader of a stream may be behind, beside twice the longest text that it was sent at once. */
const BACKLOG_BYTES_MAX = 262_144;
/** How long it may be behind without ever having caught up. */
const BEHIND_LIMIT_MS = 30_000;

/** No inline script or style, nothing from elsewhere; pictures that the page draws itself (the code for a phone) are data. */
const PAGE_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const NO_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Sends a reply; resolves when everything has been handed over, of a stream when it has begun. */
export async function send(request: IncomingMessage, response: ServerResponse, reply: Reply): Promise<void> {
  response.setHeader("cache-control", "no-store");
  response.setHeader("x-content-type-options", "nosniff");
  response.setHeader("cross-origin-resource-policy", "same-origin");
  response.setHeader("cross-origin-opener-policy", "same-origin");
  response.setHeader("referrer-policy", "no-referrer");
  response.setHeader("content-security-policy", NO_POLICY);
  // What was sent with a request and not read is not waited for.
  if (!request.complete) response.setHeader("connection", "close");
  const head = request.method === "HEAD";
  switch (reply.kind) {
    case "json":
      for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
      return whole(response, reply.status, "application/json; charset=utf-8", Buffer.from(`${JSON.stringify(reply.body)}\n`), head);
    case "text":
      return whole(response, reply.status, reply.type, Buffer.from(reply.text), head);
    case "file":
      return file(request, response, reply, head);
    case "pages":
      return pages(response, reply, head);
    case "stream":
      return stream(response, reply, head);
  }
}

function whole(response: ServerResponse, status: number, type: string, body: Buffer, head: boolean): void {
  response.writeHead(status, { "content-type": type, "content-length": body.length });
  response.end(head ? undefined : body);
}

function file(request: IncomingMessage, response: ServerResponse, reply: FileReply, head: boolean): void {
  response.setHeader("content-security-policy", PAGE_POLICY);
  response.setHeader("cache-control", reply.forever ? "public, max-age=31536000, immutable" : reply.freshMs !== undefined ? `public, max-age=${Math.floor(reply.freshMs / 1_000)}` : "no-cache");
  response.setHeader("vary", "accept-encoding");
  const accepted = new Set(String(request.headers["accept-encoding"] ?? "").toLowerCase().split(",").filter((each) => !/;\s*q=0(\.0*)?\s*$/.test(each)).map((each) => each.split(";")[0]?.trim()));
  const [encoding, body] = reply.brotli !== undefined && accepted.has("br") ? ["br", reply.brotli] : reply.gzip !== undefined && accepted.has("gzip") ? ["gzip", reply.gzip] : [null, reply.bytes];
  // Another encoding is another representation (RFC 9110 §8.8.3.3).
  const etag = `"${reply.etag}${encoding === null ? "" : `-${encoding}`}"`;
  response.setHeader("etag", etag);
  if (String(request.headers["if-none-match"] ?? "").split(",").some((each) => each.trim().replace(/^W\//, "") === etag)) {
    response.writeHead(304);
    response.end();
    return;
  }
  if (encoding !== null) response.setHeader("content-encoding", encoding);
  whole(response, 200, reply.type, body, head);
}

/** Each page is asked for when the one before has left; whoever stops reading is cut off by the server's idle limit. */
async function pages(response: ServerResponse, { type, first, rest }: Extract<Reply, { kind: "pages" }>, head: boolean): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.writeHead(200, { "content-type": type });
  try {
    if (!head) {
      for (let page: string | null = first; page !== null && !response.destroyed;) {
        if (!response.write(page)) await once(response, "drain", { signal: gone.signal });
        const next: IteratorResult<string, void> = await rest.next();
        page = next.done === true ? null : next.value;
      }
    }
    response.end();
  } catch (error) {
    // Whoever has left needs no answer; everything else is told, and the answer is seen to be broken off.
    if (!gone.signal.aborted) throw error;
  } finally {
    await rest.return();
  }
}

function stream(response: ServerResponse, { type, first, heartbeat, start }: Extract<Reply, { kind: "stream" }>, head: boolean): void {
  response.writeHead(200, { "content-type": type, "x-accel-buffering": "no" });
  if (head) {
    start(() => {}, { backlog: () => 0, cut: () => {} })();
    response.end();
    return;
  }
  let longest = 0;
  let behindSinceMs: number | null = null;
  response.on("drain", () => (behindSinceMs = null));
  const write = (text: string | Buffer): void => {
    if (response.destroyed) return;
    if (response.writableLength > 0) {
      behindSinceMs ??= performance.now();
      const tooLong = performance.now() - behindSinceMs > BEHIND_LIMIT_MS;
      if (response.writableLength > BACKLOG_BYTES_MAX + (tooLong ? 0 : 2 * longest)) {
        response.destroy();
        return;
      }
    }
    longest = Math.max(longest, text.length);
    response.write(text);
  };
  write(first);
  const stop = start(write, { backlog: () => response.writableLength, cut: () => void response.destroy() });
  const beat = heartbeat === null ? null : setInterval(() => write(heartbeat), HEARTBEAT_MS).unref();
  response.on("close", () => {
    stop();
    if (beat !== null) clearInterval(beat);
  });
  if (response.destroyed) response.emit("close");
}
