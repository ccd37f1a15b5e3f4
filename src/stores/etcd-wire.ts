// etcd's v3 API as its JSON gateway speaks it (api_grpc_gateway.md of etcd 3.4): bytes are base64, 64-bit numbers are
// strings, and a field that has its zero value is left out. Everything that comes in is parsed here, strictly; a number
// that a double cannot hold is nonsense, not a rounded revision.

import { z } from "zod";

const int64 = z.string().regex(/^\d{1,16}$/).transform(Number).refine(Number.isSafeInteger);
const revision = int64.default(0);
/** Cluster, member and lease identities use all 64 bits: they are kept as text. */
const id64 = z.string().regex(/^\d{1,20}$/);
/** Decoded and encoded again instead of matched: a regular expression over 2 MB is slow. */
const bytes = z.string().transform((text, context) => {
  const data = Buffer.from(text, "base64");
  if (data.toString("base64") !== text) context.addIssue("not base64");
  return data;
});

const header = z.object({ cluster_id: id64, revision });
const keyValue = z.object({ key: bytes, value: bytes.default(() => Buffer.alloc(0)), mod_revision: int64 });
const range = z.object({ kvs: z.array(keyValue).default([]), more: z.boolean().default(false) });

export type Header = z.infer<typeof header>;
export type KeyValue = z.infer<typeof keyValue>;

export const txnAnswer = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: range.optional() })).default([]),
});
export type TxnAnswer = z.infer<typeof txnAnswer>;

export const grantAnswer = z.object({ header, ID: id64, TTL: int64 });
/** No TTL: the lease is over. */
export const keepAliveAnswer = z.object({ result: z.object({ header, TTL: int64.default(0) }) }).transform(({ result }) => result);
export const revokeAnswer = z.object({ header });
export const authenticateAnswer = z.object({ header: z.object({ cluster_id: id64 }), token: z.string().regex(/^[\x21-\x7e]{1,4096}$/) });

export const errorAnswer = z.object({ code: z.number().int(), message: z.string() });
/** gRPC's status codes (google.golang.org/grpc/codes) that mean something here. */
export const GRPC = { INVALID_ARGUMENT: 3, NOT_FOUND: 5, PERMISSION_DENIED: 7, RESOURCE_EXHAUSTED: 8, FAILED_PRECONDITION: 9, OUT_OF_RANGE: 11, UNAUTHENTICATED: 16 } as const;
/** With these the store has decided, and has written nothing. Any other (unavailable, timed out, internal) leaves it open. */
export const DECIDED: ReadonlySet<number> = new Set(Object.values(GRPC));

const event = z.object({ type: z.enum(["PUT", "DELETE"]).default("PUT"), kv: keyValue });
export const watchAnswer = z.union([
  z.object({
    result: z.object({
      header,
      created: z.boolean().default(false),
      canceled: z.boolean().default(false),
      cancel_reason: z.string().default(""),
      compact_revision: revision,
      /** More of the same revision follows. */
      fragment: z.boolean().default(false),
      events: z.array(event).default([]),
    }),
  }),
  z.object({ error: z.object({ message: z.string() }) }),
]);
export type Event = z.infer<typeof event>;

/** A bound of etcd itself: `--max-txn-ops`, as it is unless an administrator has changed it. */
export const TXN_OPS_MAX = 128;
/** `--max-request-bytes` is 1.5 MiB. */
export const REQUEST_BYTES_MAX = 1.5 * 1024 * 1024;
/** What one operation or comparison needs in etcd's own encoding beside key and value, rounded up. */
export const OP_BYTES = 64;

export type Compare = Readonly<Record<string, string>>;
export type Op = Readonly<Record<string, unknown>>;
export type Txn = { readonly compare: readonly Compare[]; readonly success: readonly Op[]; readonly failure: readonly Op[] };

export function b64(text: string | Uint8Array): string {
  return (typeof text === "string" ? Buffer.from(text, "utf8") : Buffer.from(text)).toString("base64");
}

/** Holds when the key is at that revision; null: when it is absent. */
export function atRevision(key: string, wanted: number | null): Compare {
  return wanted === null
    ? { target: "CREATE", result: "EQUAL", key: b64(key), create_revision: "0" }
    : { target: "MOD", result: "EQUAL", key: b64(key), mod_revision: String(wanted) };
}

export function hasValue(key: string, value: string): Compare {
  return { target: "VALUE", result: "EQUAL", key: b64(key), value: b64(value) };
}

export function putOp(key: string, value: string, lease: string | null): Op {
  return { request_put: { key: b64(key), value: b64(value), ...(lease === null ? {} : { lease }) } };
}

export function deleteOp(key: string): Op {
  return { request_delete_range: { key: b64(key) } };
}

export function readOp(key: string, options: { readonly keysOnly?: boolean } = {}): Op {
  return { request_range: { key: b64(key), ...(options.keysOnly === true ? { keys_only: true } : {}) } };
}

/** One page of everything from `key` to before `end`, as it was at `revision` (0: now). */
export function pageOp(key: Uint8Array, end: Uint8Array, limit: number, at: number): Op {
  return { request_range: { key: b64(key), range_end: b64(end), limit: String(limit), ...(at === 0 ? {} : { revision: String(at) }) } };
}

/** The first key after all that start with `prefix`. */
export function endOf(prefix: string): Buffer {
  const end = Buffer.from(prefix, "utf8");
  const last = end.length - 1;
  // A prefix ends with a slash, so there is always a next byte.
  end[last] = (end[last] ?? 0) + 1;
  return end;
}
