// One call of a URL, for web hooks and the dead-man's ping. Bounded in time and in what is read of the answer; redirects are
// not followed, because whoever answers one could send our secrets anywhere; certificates are always checked. No text that
// comes back from here has more of the URL than the server's name: the rest of it is as often as not a password.

import type { IncomingMessage } from "node:http";

export type Call = {
  readonly method: string;
  /** `http:` or `https:`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
};

export type Answer = { readonly status: number; /** Its beginning. */ readonly body: string; /** How long it asks us to wait (RFC 9110, §10.2.3). */ readonly retryAfterMs: number | null };

const ANSWER_BYTES_MAX = 16_384;

/** The answer, or why there is none, in words. Never rejects; ends with `signal`. */
export function call({ method, url, headers, body }: Call, limitMs: number, signal: AbortSignal): Promise<Answer | { readonly failure: string }> {
  return new Promise((resolve) => {
    const bound = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
    const failed = (error: unknown): void => resolve({ failure: bound.aborted ? (signal.aborted ? "given up" : `no answer within ${limitMs / 1_000} s`) : wordsOf(error) });
    const answered = (response: IncomingMessage): void => {
      const { statusCode = 0 } = response;
      const chunks: Buffer[] = [];
      let bytes = 0;
      // However long the rest is, it is not read.
      const end = (): void => {
        response.destroy();
        resolve({ status: statusCode, body: Buffer.concat(chunks).subarray(0, ANSWER_BYTES_MAX).toString("utf8"), retryAfterMs: retryAfter(response.headers["retry-after"]) });
      };
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes >= ANSWER_BYTES_MAX) end();
      });
      response.once("end", end);
      // What broke off after the status had come: the status has been said.
      response.once("error", end);
    };
    try {
      const target = new URL(url);
      // TLS is loaded only where it is used; not imported, for the reason that src/cli/client.ts gives.
      const { request } = target.protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
      const payload = body === null ? null : Buffer.from(body, "utf8");
      const sent = request(target, { method, agent: false, signal: bound, headers: { "user-agent": "upkeep", ...headers, ...(payload === null ? {} : { "content-length": payload.length }) } }, answered);
      sent.once("error", failed);
      sent.end(payload ?? undefined);
    } catch (error) {
      failed(error);
    }
  });
}

/** An error of a connection by its code, which never holds what was sent; of TLS that says what is wrong with the certificate. */
function wordsOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code === "" ? "the connection failed" : /CERT|SIGNATURE|ALTNAME|EPROTO|SSL|TLS/.test(code) ? `its certificate or its TLS is not good: ${code}` : code;
}

/** Seconds, or a date. */
function retryAfter(header: string | undefined): number | null {
  if (header === undefined) return null;
  if (/^[0-9]{1,8}$/.test(header.trim())) return Number(header) * 1_000;
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - Date.now());
}
