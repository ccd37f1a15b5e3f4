// `probes`: how to look at a host. A list of names and of mappings with one key each, the probe's name:
// `[ping, { ssh: { port: 2222 } }]`. What each asks for is written down here once; the probes themselves stand in
// src/probes and get these options resolved.

import { z } from "zod";
import type { DnsTask, HttpTask, ProbeTask } from "../config.ts";
import { expectations, isMapping } from "../expect.ts";
import { about, address, choice, duration, flag, port, secret, text, whole } from "../fields.ts";
import type { SecretInput } from "../fields.ts";
import { didYouMean } from "../suggest.ts";

const PROBES_LATER = ["postgres", "ldap", "plugin"];
const PROBES_MAX = 16;

const timeout = duration("How long an answer may take; of the host where it is left out. A later one within the round is slow: neither good nor bad.", { minMs: 10 }).optional();

/** A substring, or `/regex/` with optional flags. */
function pattern(description: string) {
  return text(`${description} A substring, or \`/regex/\`.`, { max: 1_024 }).superRefine((value, ctx) => {
    const regex = /^\/(.+)\/([imsu]*)$/s.exec(value);
    if (regex === null) return;
    try {
      new RegExp(regex[1] ?? "", regex[2]);
    } catch (error) {
      ctx.addIssue({ code: "custom", message: `not a regular expression: ${error instanceof Error ? error.message : ""}`, params: { hint: "between the slashes stands a JavaScript regular expression" } });
    }
  });
}

const url = text("The whole URL, `http:` or `https:`. `{host}` stands for the host's name, `{address}` for its address.", { max: 2_048 }).superRefine((value, ctx) => {
  const complain = (message: string, hint: string): void => ctx.addIssue({ code: "custom", message, params: { hint } });
  const tried = URL.parse(value.replaceAll("{host}", "host").replaceAll("{address}", "address"));
  if (tried === null || !/^https?:$/.test(tried.protocol)) complain("not a URL of http or https", "write http://10.0.0.21/health");
  else if (tried.username !== "" || tried.password !== "") complain("a user name or password in a URL ends up in logs", "use headers: { Authorization: { file: … } }");
});

const headers = z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/), secret("The header's value; `{ file: … }` or `{ env: … }` where it is secret."));
// Secret: who writes `headers: "Authorization: Bearer …"` shall not find it in a log.
expectations.add(headers, { says: "a mapping of header names to their values", secret: true });

/** Options of each probe, and nothing else. */
export const PROBE_OPTIONS = {
  ping: z.strictObject({
    count: whole("Echo requests a round; one reply is enough.", 1, 10, { default: 2 }).default(2),
    timeout,
    required: flag("Beside a service probe ping is evidence only, unless it is required: a network card may answer for a wedged host.", { default: false }).default(false),
  }),
  tcp: z.strictObject({
    port: port("The port to connect to.").optional(),
    send: z.string().min(1).max(4_096).meta(about("What to send after connecting, as it is: write `\"PING\\r\\n\"`.")).optional(),
    expect: pattern("What the answer must hold. Without it a connection is enough, which a wedged host grants, too.").optional(),
    timeout,
  }),
  ssh: z.strictObject({ port: port("The port of the SSH server; good is its banner.", { default: 22 }).optional(), timeout }),
  dns: z.strictObject({
    port: port("The port of the DNS server.", { default: 53 }).default(53),
    name: text("What to ask for. Without a name `. NS` is asked and any well-formed answer is good, so that an outage upstream does not cut a resolver.", { max: 253 }).optional(),
    type: choice(["A", "AAAA", "NS", "SOA", "MX", "TXT", "CNAME", "SRV", "PTR"], "The type of record asked for.", { default: "A" }).optional(),
    rcode: choice(["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"], "The response code that is good.", { default: "NOERROR" }).optional(),
    answer: text("What one of the answers must be, as text.", { max: 512 }).optional(),
    tcp: flag("Ask over TCP instead of UDP.", { default: false }).default(false),
    timeout,
  }),
  http: z.strictObject({
    url,
    status: whole("The status code that is good. Redirects are answers like any other.", 100, 599, { default: 200 }).default(200),
    body: pattern("What the first 64 KiB of the body must hold.").optional(),
    headers: headers.meta(about("Headers to send.")).optional(),
    expires: duration("A certificate that ends sooner is named in the evidence. It never makes a round bad: power mends no certificate.", { default: "7d" }).default(7 * 86_400_000),
    timeout,
  }),
} as const;

export type ProbeKind = keyof typeof PROBE_OPTIONS;
export const PROBE_KINDS = ["ping", "tcp", "ssh", "dns", "http"] as const satisfies readonly ProbeKind[];

/** One probe as it was written, options filled in; ports that may come from the host's address are null. */
export type ProbeInput = { readonly timeoutMs: number | null; readonly required: boolean } & (
  | Extract<ProbeTask, { kind: "ping" }>
  | { readonly kind: "tcp"; readonly options: { readonly port: number | null; readonly send?: string; readonly expect?: string } }
  | { readonly kind: "ssh"; readonly options: { readonly port: number | null } }
  | { readonly kind: "dns"; readonly options: DnsTask }
  | { readonly kind: "http"; readonly options: Omit<HttpTask, "headers"> & { readonly headers: Readonly<Record<string, SecretInput>> } });

type Written = { [K in ProbeKind]?: z.output<(typeof PROBE_OPTIONS)[K]> | undefined };

const SHORT = z.enum(PROBE_KINDS);

function mapping<S extends { readonly [K in ProbeKind]: z.ZodOptional }>(shape: S) {
  const schema = z.strictObject(shape);
  expectations.add(schema, { says: "a probe such as ssh or { tcp: { port: 53 } }", later: PROBES_LATER });
  return schema.meta({ minProperties: 1, maxProperties: 1 });
}

const probe = z.union([
  SHORT.transform((kind): Written => ({ [kind]: kind === "http" ? undefined : PROBE_OPTIONS[kind].parse({}) })),
  mapping({
    ping: PROBE_OPTIONS.ping.meta(about("ICMP echo. Shows that a network stack lives, not that the host serves.")).optional(),
    tcp: PROBE_OPTIONS.tcp.meta(about("A TCP connection, and what is said over it.")).optional(),
    ssh: PROBE_OPTIONS.ssh.meta(about("The banner of an SSH server.")).optional(),
    dns: PROBE_OPTIONS.dns.meta(about("An answer of a DNS server.")).optional(),
    http: PROBE_OPTIONS.http.meta(about("An answer of a web server.")).optional(),
  }),
]);
expectations.add(probe, { says: "a probe such as ssh or { tcp: { port: 53 } }", explain: (input) => {
  const there = `there is ${PROBE_KINDS.join(", ")}`;
  if (typeof input === "string") {
    return PROBES_LATER.includes(input) ? { message: `the probe ${input} is not in this release`, code: "NOT_IN_RELEASE", hint: there }
      : { message: `unknown probe ${JSON.stringify(input.slice(0, 60))}`, hint: didYouMean(input, PROBE_KINDS) ?? there };
  }
  const [[kind, options] = [], ...more] = isMapping(input) ? Object.entries(input) : [];
  if (kind === undefined || options !== null || more.length > 0 || !SHORT.safeParse(kind).success) return null;
  return { message: `${kind}: is empty`, hint: `write ${kind} alone, or ${kind}: {}` };
} });

/** The list of a host's probes; a host's replaces that of its group or the default. */
export const probeList = z.array(probe.transform((written, ctx): ProbeInput => {
  // An unknown key has been told already.
  if (ctx.issues.length > 0) return z.NEVER;
  const input = normalise(written);
  if (typeof input === "string") {
    ctx.addIssue({ code: "custom", message: input, params: { code: "PROBE_INCOMPLETE", hint: "one mapping a probe: [ping, { ssh: { port: 2222 } }]" } });
    return z.NEVER;
  }
  return input;
})).min(1).max(PROBES_MAX);
expectations.add(probeList, { says: "a list of probes such as [ping, ssh]" });

/** A reference: an address to ping, or any probe with an address of its own. */
export type ReferenceInput = { readonly address: { readonly host: string; readonly port: number | null }; readonly probe: ProbeInput };

const where = address("Where this reference is.");
const whereHttp = address("Where this reference is; of the URL where it is left out.").optional();
const referenceMapping = mapping({
  ping: PROBE_OPTIONS.ping.omit({ required: true }).extend({ address: where }).meta(about("A reference that is pinged.")).optional(),
  tcp: PROBE_OPTIONS.tcp.extend({ address: where }).meta(about("A reference that accepts a TCP connection.")).optional(),
  ssh: PROBE_OPTIONS.ssh.extend({ address: where }).meta(about("A reference with an SSH server.")).optional(),
  dns: PROBE_OPTIONS.dns.extend({ address: where }).meta(about("A reference with a DNS server.")).optional(),
  http: PROBE_OPTIONS.http.extend({ address: whereHttp }).meta(about("A reference with a web server.")).optional(),
});

const reference = z.union([address("An address to ping."), referenceMapping]);
expectations.add(reference, { says: "an address to ping, or a probe with an address: { tcp: { address: 10.0.0.1, port: 22 } }" });

export const referenceList = z.array(reference.transform((input, ctx): ReferenceInput => {
  if (ctx.issues.length > 0) return z.NEVER;
  if ("host" in input) return { address: input, probe: { kind: "ping", options: { count: 2 }, timeoutMs: null, required: false } };
  const written = input as Written;
  const probe = normalise(written);
  const at = Object.values(input).find((options) => options !== undefined)?.address ?? (typeof probe !== "string" && probe.kind === "http" ? addressOf(probe.options.url) : undefined);
  if (typeof probe === "string" || at === undefined) {
    ctx.addIssue({ code: "custom", message: typeof probe === "string" ? probe : "a reference needs an address", params: { code: "PROBE_INCOMPLETE", hint: "{ tcp: { address: 10.0.0.1, port: 22 } }" } });
    return z.NEVER;
  }
  return { address: at, probe };
})).max(16);
expectations.add(referenceList, { says: "a list of addresses or probes", explain: (input) => (typeof input === "string" ? { message: "expected a list of addresses or probes, found text", hint: `write [${input.slice(0, 60)}]` } : null) });

function addressOf(url: string): { host: string; port: null } | undefined {
  const host = URL.parse(url)?.hostname;
  return host === undefined ? undefined : { host: host.replace(/^\[|\]$/g, ""), port: null };
}

/** Without the settings that were left out. */
function given<K extends string>(settings: { readonly [key in K]: string | undefined }): { [key in K]?: string } {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as { [key in K]?: string };
}

/** The one probe of a mapping, or what is wrong with it. */
function normalise(written: Written): ProbeInput | string {
  const kinds = PROBE_KINDS.filter((kind) => kind in written);
  const [kind] = kinds;
  if (kind === undefined) return "a probe without a name";
  if (kinds.length > 1) return `two probes in one mapping: ${kinds.join(", ")}`;
  const { ping, tcp, ssh, dns, http } = written;
  if (ping !== undefined) return { kind: "ping", options: { count: ping.count }, timeoutMs: ping.timeout ?? null, required: ping.required };
  if (tcp !== undefined) {
    return { kind: "tcp", options: { port: tcp.port ?? null, ...given({ send: tcp.send, expect: tcp.expect }) }, timeoutMs: tcp.timeout ?? null, required: false };
  }
  if (ssh !== undefined) return { kind: "ssh", options: { port: ssh.port ?? null }, timeoutMs: ssh.timeout ?? null, required: false };
  if (dns !== undefined) {
    const stray = (["type", "rcode", "answer"] as const).find((key) => dns[key] !== undefined);
    if (dns.name === undefined && stray !== undefined) return `dns without a name takes any well-formed answer: ${stray} needs a name`;
    const { port: dnsPort, name, type, rcode, answer, tcp: overTcp } = dns;
    return { kind: "dns", options: { port: dnsPort, type: type ?? "A", rcode: rcode ?? "NOERROR", tcp: overTcp, ...given({ name, answer }) }, timeoutMs: dns.timeout ?? null, required: false };
  }
  if (http !== undefined) {
    return { kind: "http", options: { url: http.url, status: http.status, headers: http.headers ?? {}, expiresMs: http.expires, ...given({ body: http.body }) }, timeoutMs: http.timeout ?? null, required: false };
  }
  return "http needs a URL: { http: { url: … } }";
}
