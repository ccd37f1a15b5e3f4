// The settings of `http`. The URL says where to ask; one that means another host would cut this one for what that serves,
// which is linted. Header values may be secrets, and are treated as such wherever they come from.

import { isIP } from "node:net";
import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, duration, secret, text, whole } from "../fields.ts";
import type { Secret } from "../secret.ts";
import { defineProbe, given, pattern, timeout } from "./probe-schema.ts";

const SENSITIVE_HEADER = /^(authorization|proxy-authorization|cookie|.*(api-?key|token|secret).*)$/i;

const url = text("The whole URL, `http:` or `https:`. `{host}` stands for the host's name, `{address}` for its address.", { max: 2_048 }).superRefine((value, ctx) => {
  const complain = (message: string, hint: string): void => ctx.addIssue({ code: "custom", message, params: { hint } });
  const tried = URL.parse(value.replaceAll("{host}", "host").replaceAll("{address}", "address"));
  if (tried === null || !/^https?:$/.test(tried.protocol)) complain("not a URL of http or https", "write http://10.0.0.21/health");
  else if (tried.username !== "" || tried.password !== "") complain("a user name or password in a URL ends up in logs", "use headers: { Authorization: { file: … } }");
});

const headers = z.record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/), secret("The header's value; `{ file: … }` or `{ env: … }` where it is secret."));
// Secret: who writes `headers: "Authorization: Bearer …"` shall not find it in a log.
expectations.add(headers, { says: "a mapping of header names to their values", secret: true });

export const http = defineProbe({
  about: "An answer of a web server.",
  reference: "A reference with a web server.",
  incomplete: "http needs a URL: { http: { url: … } }",
  options: z.strictObject({
    url,
    status: whole("The status code that is good. Redirects are answers like any other.", 100, 599, { default: 200 }).default(200),
    body: pattern("What the first 64 KiB of the body must hold.").optional(),
    headers: headers.meta(about("Headers to send.")).optional(),
    expires: duration("A certificate that ends sooner is named in the evidence. It never makes a round bad: power mends no certificate.", { default: "7d" }).default(7 * 86_400_000),
    timeout,
  }),
  async resolve(settings, asked) {
    const filled = asked.fill(settings.url, true);
    if (!URL.canParse(filled)) return asked.refuse("VALUE_INVALID", `not a URL for ${asked.name}: ${filled.slice(0, 100)}`);
    const closed: Record<string, Secret> = {};
    for (const [name, value] of Object.entries(settings.headers ?? {})) closed[name] = await asked.secret(value, SENSITIVE_HEADER.test(name));
    return { url: filled, status: settings.status, headers: closed, expiresMs: settings.expires, ...given({ body: settings.body }) };
  },
  addressOf(settings) {
    const host = URL.parse(settings.url)?.hostname;
    return host === undefined ? null : { host: host.replace(/^\[|\]$/g, ""), port: null };
  },
  lint(options, { name, address }) {
    if (isOwnUrl(options.url, name, address)) return null;
    return { code: "HTTP_OTHER_HOST", message: `${name} would be cut for what ${URL.parse(options.url)?.hostname ?? "another"} serves`, hint: "write the URL with {address} or {host}" };
  },
});

function isOwnUrl(text: string, name: string, address: string): boolean {
  const host = URL.parse(text)?.hostname.replace(/^\[|\]$/g, "").toLowerCase() ?? "";
  const canonical = isIP(address) === 6 ? (URL.parse(`http://[${address.replace(/%.*$/, "")}]/`)?.hostname.replace(/^\[|\]$/g, "") ?? address) : address.toLowerCase();
  return host === canonical || host === name.toLowerCase() || host.startsWith(`${name.toLowerCase()}.`);
}
