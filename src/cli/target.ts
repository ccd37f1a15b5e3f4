// Where the watcher is asked: the control socket of this machine's configuration, or a URL (`--url`) with a token. A request is
// made and not sent before it is certain who listens: over TLS a certificate that an authority vouches for, or the very one
// whose fingerprint was given. A token never leaves in the clear, but for loopback.
//
// node:http is taken by `getBuiltinModule`: importing it as an ECMAScript module evaluates its lazy exports and costs 80 ms.

import { readFileSync, statSync } from "node:fs";
import type { ClientRequest } from "node:http";
import { isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { BY_HEADER } from "../api/contract.ts";
import { CONFIG_PATHS, findConfigPath, quickDataDir, socketPathIn } from "../config/data-dir.ts";
import { CliError, EXIT } from "./exit.ts";
import type { Options } from "./options.ts";
import { complain } from "./terminal.ts";
import { who } from "./who.ts";

const http = process.getBuiltinModule("node:http");

const CONNECT_LIMIT_MS = 10_000;
const TOKEN_BYTES_MAX = 4_096;
const CA_BYTES_MAX = 1_048_576;

export type Target = {
  /** As messages name it. */
  readonly name: string;
  /** A request with these headers and its own, to be ended by the caller. */
  request(method: string, path: string, headers: Readonly<Record<string, string | number>>): Promise<ClientRequest>;
  /** Why there was no answer, and what to do about it. */
  unavailable(error: unknown): CliError;
};

/** What the options name. */
export async function targetOf(options: Options): Promise<Target> {
  if (options.url !== undefined) return urlTarget(options.url, options);
  for (const [given, flag] of [[options.tokenFile, "--token-file"], [options.ca, "--ca"], [options.fingerprint, "--fingerprint"]] as const) {
    if (given !== undefined) throw new CliError(EXIT.usage, `${flag} goes with --url`);
  }
  const config = findConfigPath(options.config);
  if (config === null) {
    throw new CliError(EXIT.configuration, `there is no configuration: neither -c FILE, nor $UPKEEP_CONFIG, nor ${CONFIG_PATHS.map((path) => (path.startsWith("/") ? path : `./${path}`)).join(", nor ")}`);
  }
  const data = await quickDataDir(config).catch((error: unknown) => {
    throw new CliError(EXIT.configuration, `${config} cannot be read: ${codeOf(error) === "ENOENT" ? "there is no such file" : codeOf(error) === "EACCES" ? "this user may not read it" : String(error)}`);
  });
  return socketTarget(socketPathIn(data), config);
}

/** `config` is named in the advice when nobody answers. */
function socketTarget(socketPath: string, config: string): Target {
  return {
    name: socketPath,
    request: async (method, path, headers) => http.request({ socketPath, method, path, headers: { ...headers, [BY_HEADER]: who() }, agent: false }),
    unavailable: (error) => {
      const code = codeOf(error);
      if (code === "ENOENT" || code === "ECONNREFUSED") return new CliError(EXIT.unavailable, `no watcher answers on ${socketPath}; start it with: upkeep watch -c ${config}   (or: systemctl start upkeep)`, true);
      if (code === "EACCES") return new CliError(EXIT.unavailable, `this user may not use ${socketPath}: ask as its owner or as a member of its group`);
      return new CliError(EXIT.unavailable, `the watcher on ${socketPath} cannot be asked: ${messageOf(error)}`);
    },
  };
}

function urlTarget(text: string, options: Options): Target {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "" || url.pathname !== "/") throw new CliError(EXIT.usage, "--url is https://HOST:PORT");
  const secure = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const token = options.tokenFile === undefined ? null : readToken(options.tokenFile);
  if (!secure && token !== null && !(host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127.")))) throw new CliError(EXIT.usage, `a token does not go to ${host} in the clear: write https://`);
  const trust = { ca: options.ca === undefined ? null : readBounded(options.ca, CA_BYTES_MAX), fingerprint: options.fingerprint === undefined ? null : fingerprintOf(options.fingerprint) };
  const own = { host: url.host, ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
  return {
    name: url.origin,
    request: async (method, path, headers) => {
      if (!secure) return http.request({ host, port, method, path, headers: { ...headers, ...own }, agent: false });
      const socket = await secureSocket(host, port, trust);
      return http.request({ createConnection: () => socket, method, path, headers: { ...headers, ...own } });
    },
    unavailable: (error) => (error instanceof CliError ? error : new CliError(EXIT.unavailable, `${url.origin} cannot be asked: ${messageOf(error)}`)),
  };
}

type Trust = { readonly ca: string | null; readonly fingerprint: string | null };

function secureSocket(host: string, port: number, { ca, fingerprint }: Trust): Promise<TLSSocket> {
  const tls = process.getBuiltinModule("node:tls");
  return new Promise((resolve, reject) => {
    const authorities = ca === null ? [...tls.getCACertificates("default"), ...tls.getCACertificates("system")] : ca;
    const socket = tls.connect({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), minVersion: "TLSv1.2", ca: authorities, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] });
    const limit = setTimeout(() => socket.destroy(new Error(`no answer within ${CONNECT_LIMIT_MS / 1_000} s`)), CONNECT_LIMIT_MS);
    socket.on("error", (error) => {
      clearTimeout(limit);
      reject(error);
    });
    socket.on("secureConnect", () => {
      clearTimeout(limit);
      const shown = socket.getPeerCertificate().fingerprint256;
      // The certificate alone says who it is when it is named; its dates and names do not matter then.
      if (fingerprint !== null ? shown === fingerprint : socket.authorized) return resolve(socket);
      socket.destroy();
      reject(new CliError(EXIT.unavailable, fingerprint !== null
        ? `another one answers on ${host} port ${port}: its certificate is ${shown}. Nothing was asked of it`
        : `nobody vouches for who answers on ${host} port ${port} (${String(socket.authorizationError)}). Nothing was asked of it. The SHA-256 of its certificate is ${shown}: if the watcher's log says the same, give it as --fingerprint; or name its authority by --ca`));
    });
  });
}

function fingerprintOf(text: string): string {
  const digits = text.replace(/^sha-?256[:=]/i, "").replace(/[:\s]/g, "").toUpperCase();
  if (!/^[0-9A-F]{64}$/.test(digits)) throw new CliError(EXIT.usage, "--fingerprint is the SHA-256 of a certificate: 64 hexadecimal digits");
  return digits.replace(/..(?=.)/g, "$&:");
}

function readToken(path: string): string {
  const token = readBounded(path, TOKEN_BYTES_MAX).trim();
  if (!/^[\x21-\x7e]{1,200}$/.test(token)) throw new CliError(EXIT.usage, `there is no token in ${path}`);
  if ((statSync(path).mode & 0o004) !== 0) complain(`everybody may read ${path}: chmod 600 ${path}`);
  return token;
}

function readBounded(path: string, bytesMax: number): string {
  try {
    if (statSync(path).size > bytesMax) throw new Error("it is too large");
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new CliError(EXIT.usage, `${path} cannot be read: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  // Of several addresses that were tried each has its own error, and the whole no words.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join("; ");
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
