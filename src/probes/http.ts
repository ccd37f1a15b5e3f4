// One GET over a fresh connection. Right is the status and, if `body` is given, what it says within the first 64 KiB of
// the body; redirects are answers like any other. Without `body` it is content with the status line and the headers.
//
// The URL's host names the site (Host, SNI); the connection goes to the address of the host that is watched whenever the
// URL means that host, so that a DNS record that has moved on cannot speak for a dead machine.
//
// A certificate is reported, never judged: whether it has expired is a question to the wall clock, and no jump of that may
// cut power (safety.md §5.17); nor does power mend a certificate. `expires` puts it into the evidence.

import type { ClientRequest, IncomingMessage } from "node:http";
import net from "node:net";
import { ANSWER_BYTES_MAX, type Expectation, expectationOf, watcherFor } from "./expect.ts";
import { bad, describe, errorCode, excerpt, good, networkFinding, notRun, redacted } from "./finding.ts";
import type { Finding, Probe, ProbeTools, Target } from "./probe.ts";
import { certificateLeftMs, certificateMeasured, certificateText, encrypted, handshakeFinding } from "./secure.ts";
import { gather } from "./stream.ts";

// Not imported: as an ECMAScript module it evaluates its lazy exports, among them undici's WebSocket, 13 MB.
const nodeHttp = process.getBuiltinModule("node:http");

export type HttpOptions = {
  readonly url: string;
  readonly status: number;
  /** A substring or `/regex/`. */
  readonly body?: string | undefined;
  /** Sent with the request; their values never appear anywhere. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** A certificate that ends within this many milliseconds is named in the evidence. */
  readonly expiresMs?: number | undefined;
};

export const http: Probe<HttpOptions> = {
  name: "http",
  service: true,
  port({ url }) {
    const { port, protocol } = new URL(url);
    return portIn(port, protocol === "https:");
  },
  async run(target, options, tools, signal, progress) {
    signal.throwIfAborted();
    const url = URL.parse(options.url);
    if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return notRun("not an http or https URL");
    const peer = whereTo(url, target, tools);
    if ("error" in peer) return notRun(peer.error);
    if (net.isIP(peer.address) === 0) return notRun("not a numeric address"); // getaddrinfo is never asked
    const expectation = options.body === undefined ? null : expectationOf(options, options.body);
    if (expectation === "not a regular expression") return notRun(`body: ${expectation}`);
    return ask({ url, peer, options, expectation, signal, progress });
  },
};

/** What is read at all, for a server whose headers, empty lines or chunk sizes never end. */
const READ_BYTES_MAX = 4 * ANSWER_BYTES_MAX;

type Peer = { readonly address: string; readonly family: 4 | 6 };

function portIn(port: string, secure: boolean): number {
  return Number(port) || (secure ? 443 : 80);
}

type Look = {
  readonly url: URL;
  readonly peer: Peer;
  readonly options: HttpOptions;
  readonly expectation: Expectation | null;
  readonly signal: AbortSignal;
  readonly progress: ((text: string) => void) | undefined;
};

function whereTo(url: URL, target: Target, tools: ProbeTools): Peer | { readonly error: string } {
  const name = bareName(url);
  const own = [target.address, target.host, target.configured].some((known) => known !== undefined && sameHost(known, name));
  if (own) return target;
  const family = net.isIP(name);
  if (family === 4 || family === 6) return { address: name, family };
  return tools.resolve?.(name) ?? { error: `${name} is not this host's name or address, and names are not looked up here` };
}

function sameHost(one: string, other: string): boolean {
  return canonicalHost(one) === canonicalHost(other);
}

/** One spelling for each address (RFC 5952) and name. */
function canonicalHost(name: string): string {
  const url = net.isIPv6(name) ? URL.parse(`http://[${name}]/`) : null;
  return (url === null ? name : bareName(url)).toLowerCase().replace(/\.$/, "");
}

function bareName(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, "$1");
}

function ask(look: Look): Promise<Finding> {
  const { url, peer, options, signal, progress } = look;
  const secure = url.protocol === "https:";
  return new Promise((resolve, reject) => {
    let connected = false;
    let settled = false;
    let socket: net.Socket | undefined;
    let request: ClientRequest | undefined;
    signal.addEventListener("abort", abort, { once: true });
    try {
      // Our own socket, so that an abort has something to close from the first moment on; node:http makes it a tick later.
      const plain = net.connect({ host: peer.address, family: peer.family, port: portIn(url.port, secure), noDelay: true });
      socket = plain;
      plain.on("error", (error) => settle(networkFinding(error, connected)));
      plain.on("connect", () => {
        connected = true;
        progress?.(secure ? "connected, no TLS yet" : "connected");
      });
      progress?.("not connected");
      const through = secure ? encrypted(plain, bareName(url), ["http/1.1"]) : plain;
      if (secure) through.on("secureConnect", () => progress?.("connected, TLS established"));
      request = nodeHttp.request({
        method: "GET",
        path: `${url.pathname}${url.search}`,
        headers: headersFor(url, options),
        setHost: false,
        createConnection: () => through,
      });
      const answered = (response: IncomingMessage): void => {
        if (settled) response.destroy();
        else judge(look, response, through, settle);
      };
      let read = 0;
      request.on("socket", () => {
        // Beside node:http's own listener, which is there by now.
        through.on("data", (chunk: Buffer) => {
          read += chunk.length;
          if (read > READ_BYTES_MAX) settle(bad("answer", `over ${READ_BYTES_MAX} bytes and no end`));
        });
      });
      request.on("error", (error) => settle(fromError(error, connected)));
      request.on("response", answered);
      request.on("upgrade", answered); // 101 without our asking for it; the socket is destroyed with the rest
      request.end();
    } catch (error) {
      // A header that HTTP does not allow, a port out of range: ours, and its text may hold a header's value.
      settle(notRun(`cannot ask: ${errorCode(error) || "bad request"}`));
    }

    function settle(finding: Finding): void {
      if (!end()) return;
      request?.destroy();
      socket?.destroy();
      resolve(finding);
    }

    function abort(): void {
      if (!end()) return;
      // A reset, as in stream.ts, before the request closes the socket politely.
      if (socket?.connecting === false) socket.resetAndDestroy();
      else socket?.destroy();
      request?.destroy();
      reject(signal.reason);
    }

    function end(): boolean {
      if (settled) return false;
      settled = true;
      signal.removeEventListener("abort", abort);
      return true;
    }
  });
}

function judge(look: Look, response: IncomingMessage, socket: net.Socket, end: (finding: Finding) => void): void {
  const { options, expectation, progress } = look;
  const status = response.statusCode ?? 0;
  const leftMs = certificateLeftMs(socket);
  const perfdata = [{ label: "status", value: status }, ...certificateMeasured(leftMs)];
  const settle = (finding: Finding): void => end({ ...finding, perfdata });
  // The reason phrase is the registry's, not the server's, which may say anything (RFC 9112 §4).
  const line = `${status} ${nodeHttp.STATUS_CODES[status] ?? ""}`.trim() + certificateText(leftMs, options.expiresMs);
  if (status !== options.status) return settle(bad("answer", `${line} (expected ${options.status})`));
  if (expectation === null) return settle(good(line));

  const match = watcherFor(expectation);
  const body = gather(ANSWER_BYTES_MAX);
  progress?.(`${line}, no body yet`);
  response.on("data", (chunk: Buffer) => {
    const soFar = body.add(chunk);
    const found = match(soFar);
    if (found === "found") return settle(good(line));
    if (found === "spent") return settle(notRun(`${line}, and the expression takes too long on the body`));
    if (soFar.length >= ANSWER_BYTES_MAX) return settle(lacking(`within ${ANSWER_BYTES_MAX} bytes`));
    progress?.(`${line}, ${soFar.length} bytes of the body so far`);
  });
  response.on("end", () => settle(lacking("in the body")));
  response.on("error", () => settle(bad("answer", `${line}, connection closed within the body`)));

  function lacking(where: string): Finding {
    const shown = redacted(body.soFar().toString("latin1", 0, 8_192), secretsOf(look));
    const wanted = excerpt(Buffer.from(expectation?.text ?? "", "utf8"), 40);
    return bad("answer", `${line}, and no "${wanted}" ${where}: "${excerpt(Buffer.from(shown, "latin1"), 60)}"`);
  }
}

function fromError(error: Error, connected: boolean): Finding {
  const code = errorCode(error);
  if (code.startsWith("HPE_")) return bad("answer", `not HTTP: ${code}`);
  // Node's own words for a connection that the peer closed in good order before its answer.
  if (code === "ECONNRESET" && /hang up|before secure TLS/.test(describe(error))) return bad("answer", "connection closed without an answer");
  return handshakeFinding(error) ?? networkFinding(error, connected);
}

function headersFor(url: URL, options: HttpOptions): Record<string, string> {
  const headers: Record<string, string> = { host: url.host, accept: "*/*", "accept-encoding": "identity", "user-agent": "upkeep" };
  if (url.username !== "" || url.password !== "") {
    headers["authorization"] = `Basic ${Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`, "utf8").toString("base64")}`;
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  return headers;
}

/** What a page may not carry into the evidence: header values, whole and by words, and the URL's password. */
function secretsOf({ url, options }: Look): string[] {
  const values = Object.values(options.headers ?? {});
  return [...values, ...values.flatMap((value) => value.split(/\s+/)), decoded(url.password), url.password];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % stands for itself
  }
}
