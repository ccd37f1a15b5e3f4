// Why a call to a shared store has no answer, and the one thing about it that decides: whether a byte of it may have left.

import { UpkeepError } from "../core/errors.ts";

const WORDS_MAX = 600;

/** unreachable: no connection, or no answer. refused: it does not want us, or is not what was meant. large: more than may be read. */
export type FaultKind = "unreachable" | "refused" | "foreign" | "large" | "closed";

/** Why a call has no answer. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly kind: FaultKind;
  /** Bytes may have left: what the call would have done is not known. */
  readonly sent: boolean;
  /** The store's own status code (gRPC's, ZooKeeper's), when the store itself said no. */
  readonly code: number | null;
  constructor(kind: FaultKind, message: string, details: { readonly sent: boolean; readonly code?: number }) {
    super(message);
    this.kind = kind;
    this.sent = details.sent;
    this.code = details.code ?? null;
  }
}

/** One fault of several servers that were asked one after the other; `isFinal`: another one would have said the same. */
export function mergedFaults(faults: readonly Fault[], isFinal: (fault: Fault) => boolean): Fault {
  const last = faults.at(-1);
  if (last === undefined) return new Fault("unreachable", "no time was left to ask", { sent: false });
  if (faults.length === 1) return last;
  const kind = isFinal(last) ? last.kind : faults.every((fault) => fault.kind === last.kind) ? last.kind : faults.some((fault) => fault.kind === "unreachable") ? "unreachable" : "refused";
  const message = faults.map((fault) => fault.message).join("; ").slice(0, WORDS_MAX);
  return new Fault(kind, message, { sent: faults.some((fault) => fault.sent), ...(last.code === null ? {} : { code: last.code }) });
}

/** What a caller of the store sees; anything but a Fault as it is. */
export function upkeepError(store: string, error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  return new UpkeepError(error.kind === "unreachable" || error.kind === "closed" ? "STORE_UNREACHABLE" : "STORE_REFUSED", `${store}: ${error.message}`, { cause: error });
}

/** Whether TLS or the protocol was refused, and not the network. */
export function isRefusal(error: Error): boolean {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|EPROTO|ERR_OSSL)/.test(code) || code.startsWith("HPE_");
}

/** One line; an AggregateError of several addresses has no message of its own. */
export function plain(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const text = error.message === "" ? code : error.message;
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}
