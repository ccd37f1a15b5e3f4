// The settings of `redfish`. A BMC belongs to one machine, so it stands alone in a host's power; a chassis of several systems
// is one device for each. What identifies one is where its service is, and which system of it.

import { z } from "zod";
import { formatAddress } from "../address.ts";
import { about, choice, flag, parsed, secret, text } from "../fields.ts";
import { defineDriver } from "./device-schema.ts";

const HTTPS_PORT = 443;
const URL_HINT = "write https://HOST or https://HOST:PORT";
const SYSTEMS = "/redfish/v1/Systems/";

const url = text("Where the service is: `https://HOST` or `https://HOST:PORT`. `{host}` stands for the host's name: then there is one BMC a host.", { max: 512 }).superRefine((value, ctx) => {
  const tried = URL.parse(value.replaceAll("{host}", "h"));
  const complain = (message: string, hint: string): void => ctx.addIssue({ code: "custom", message, params: { hint } });
  if (tried === null) complain("not a URL", URL_HINT);
  else if (tried.username !== "" || tried.password !== "") complain("a user name or password in a URL ends up in logs", "they are settings of their own");
  else if (tried.protocol !== "https:") complain("only https: a password would go there in the clear", URL_HINT);
  else if (!/^\/(redfish(\/v1)?\/?)?$/.test(tried.pathname) || tried.search !== "" || tried.hash !== "") complain("the service's address, without a path", `${URL_HINT}; the system is a setting of its own`);
});

const fingerprint = parsed((value) => {
  const digits = value.replace(/^sha256[:=]?/i, "").replaceAll(":", "").toUpperCase();
  return /^[0-9A-F]{64}$/.test(digits) ? { ok: true as const, value: (digits.match(/../g) ?? []).join(":") } : { ok: false as const, message: "not a SHA-256 fingerprint", hint: "32 bytes in hexadecimal: openssl s_client -connect HOST:443 </dev/null | openssl x509 -noout -fingerprint -sha256" };
}, "VALUE_INVALID", "a fingerprint");

export const redfish = defineDriver({
  about: "A BMC by Redfish.",
  settings: z.strictObject({
    url,
    system: text("Which system: its name behind `/redfish/v1/Systems/`, or its whole path. Left out: the only one there is.", { max: 256 }).optional(),
    username: text("The user name to log in with.", { max: 64 }),
    password: secret("The password: `{ file: … }` or `{ env: … }`."),
    auth: choice(["basic", "session"], "How to log in: `basic` sends the password with every request and leaves nothing behind; `session` logs in and out.", { default: "basic" }).default("basic"),
    verify: flag("Whether the certificate must be one that is trusted. `false`: anybody who sits in between reads the password and switches the machine.", { default: true }).default(true),
    ca: text("The authorities that the certificate is checked by, PEM; those of Node where it is left out.", { max: 4_096 }).optional(),
    fingerprint: fingerprint.meta(about("The certificate's own SHA-256 fingerprint, for one that no authority has signed: then exactly this one is trusted.", {}, "fingerprint")).optional(),
  }),
  times: { timeout: "10s", deadline: "30s" },
  placed: true,
  capabilities: { followsHost: true, metered: true },
  sharesPower: () => true,
  outputs: () => ({ outlet: "never" }),
  async resolve(settings, asked) {
    const found = URL.parse(asked.fill(settings.url));
    if (found === null) return asked.refuse("VALUE_INVALID", `not a URL: ${asked.fill(settings.url).slice(0, 100)}`, ["url"], URL_HINT);
    if (!settings.verify && (settings.ca ?? settings.fingerprint) !== undefined) return asked.refuse("VALUE_INVALID", "verify: false, and a certificate to verify by", ["verify"], "leave verify out");
    const host = found.hostname.replace(/^\[|\]$/g, "");
    const port = found.port === "" ? HTTPS_PORT : Number(found.port);
    const named = settings.system === undefined ? null : asked.fill(settings.system);
    const system = named === null ? null : named.startsWith("/") ? named : `${SYSTEMS}${encodeURIComponent(named)}`;
    const ca = settings.ca === undefined ? null : await asked.file(settings.ca, ["ca"]);
    return {
      options: { host, port, system, username: asked.fill(settings.username), password: await asked.secret(settings.password, ["password"]), auth: settings.auth, verify: settings.verify, ca, fingerprint: settings.fingerprint ?? null },
      address: `${formatAddress(host, port)}${system ?? ""}`,
    };
  },
  lint: ({ verify }, name) => (verify ? [] : [{ at: ["verify"], code: "CERTIFICATE_UNCHECKED", message: `the certificate of ${name} is not checked: whoever sits in between reads the password`, hint: "fingerprint: …, as the device's error shows it" }]),
});
