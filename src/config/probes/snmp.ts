// The settings of `snmp`: what to ask for, who asks, and what the value must be. What belongs to one version of the protocol
// and stands beside another is a mistake that would ask in the clear where somebody meant it signed.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, choice, port, secret, text } from "../fields.ts";
import { defineProbe, given, inClear, timeout } from "./probe-schema.ts";

const version = z.union([z.enum(["1", "2c", "3"]), z.literal(1), z.literal(3)]).transform((written) => String(written) as "1" | "2c" | "3");
expectations.add(version, { says: "1, 2c or 3" });

const oid = z.string().regex(/^\.?[0-2](\.(0|[1-9]\d{0,9})){2,127}$/).transform((written) => written.replace(/^\./, ""));
expectations.add(oid, { says: "an object identifier in numbers, such as 1.3.6.1.2.1.1.3.0" });

const bound = (description: string) => {
  const schema = z.number();
  expectations.add(schema, { says: "a number" });
  return schema.meta(about(description, {}, "number")).optional();
};

const value = z.union([z.string().max(1_024), z.number()]).transform(String);
expectations.add(value, { says: "text or a number" });

/** The community that every agent ships with. */
const PUBLIC = "public";
/** RFC 3414 §11.2: a shorter one is refused by agents. */
const PASSWORD_CHARACTERS_MIN = 8;

export const snmp = defineProbe({
  about: "A value of an SNMP agent, within bounds.",
  reference: "A reference with an SNMP agent.",
  incomplete: "snmp needs an object: { snmp: { oid: 1.3.6.1.2.1.1.3.0 } }",
  options: z.strictObject({
    oid: oid.meta(about("What to ask for: one instance, in numbers.", {}, "object identifier")),
    min: bound("The least that the value may be."),
    max: bound("The most that the value may be."),
    equals: value.meta(about("What the value must be, as text.", {}, "text")).optional(),
    port: port("The port of the agent.", { default: 161 }).default(161),
    version: version.meta(about("The version of SNMP: `1`, `2c` or `3`.", { default: "2c" }, "1, 2c or 3")).default("2c"),
    community: secret("The community of versions 1 and 2c; `public` where it is left out. An agent that does not know it says nothing.").optional(),
    user: text("The user of version 3.", { max: 32 }).optional(),
    authProtocol: choice(["sha256", "sha512", "sha384", "sha224", "sha", "md5"], "What the user's questions are signed with.", { default: "sha256" }).optional(),
    authPassword: secret("The password that signs. Without it nothing is signed.").optional(),
    privacyProtocol: choice(["aes", "aes256", "aes256-cisco", "des"], "What they are encrypted with; `aes256` lengthens keys as Net-SNMP does, `aes256-cisco` as Cisco.", { default: "aes" }).optional(),
    privacyPassword: secret("The password that encrypts. Without it nothing is encrypted.").optional(),
    context: text("The context of version 3.", { max: 32 }).optional(),
    timeout,
  }),
  check({ version: spoken, min, max, equals, community, ...of3 }) {
    if (equals !== undefined && (min !== undefined || max !== undefined)) return "snmp: equals beside min or max";
    if (min !== undefined && max !== undefined && min > max) return `snmp: min ${min} is above max ${max}`;
    if (spoken === "3") {
      if (community !== undefined) return "snmp version 3 has users, not communities";
      if (of3.user === undefined) return "snmp version 3 needs a user";
      if (of3.privacyPassword !== undefined && of3.authPassword === undefined) return "snmp encrypts only what it signs: privacyPassword needs authPassword";
      return of3.authProtocol !== undefined && of3.authPassword === undefined ? "snmp: authProtocol needs authPassword" : of3.privacyProtocol !== undefined && of3.privacyPassword === undefined ? "snmp: privacyProtocol needs privacyPassword" : null;
    }
    const stray = (["user", "authProtocol", "authPassword", "privacyProtocol", "privacyPassword", "context"] as const).find((key) => of3[key] !== undefined);
    return stray === undefined ? null : `snmp: ${stray} is of version 3`;
  },
  async resolve(settings, { secret: read, refuse }) {
    const { port: where, version: spoken, oid: asked, min, max, equals } = settings;
    const [auth, privacy] = [
      settings.authPassword === undefined ? null : { protocol: settings.authProtocol ?? ("sha256" as const), password: await read(settings.authPassword) },
      settings.privacyPassword === undefined ? null : { protocol: settings.privacyProtocol ?? ("aes" as const), password: await read(settings.privacyPassword) },
    ];
    for (const key of [auth, privacy]) {
      if (key !== null && key.password.reveal() !== "" && key.password.reveal().length < PASSWORD_CHARACTERS_MIN) return refuse("SECRET_INVALID", `snmp: a password of under ${PASSWORD_CHARACTERS_MIN} characters`, "version 3 makes keys of passwords of 8 characters and more");
    }
    // The name that every agent knows is no secret.
    const community = await read(settings.community ?? { literal: PUBLIC }, settings.community !== undefined);
    const user = spoken === "3" ? { name: settings.user ?? "", auth, privacy } : null;
    return { port: where, version: spoken, community, user, context: settings.context ?? "", oid: asked, ...given({ min, max, equals }) };
  },
  id: ({ oid: asked }) => `snmp:${asked}`,
  lint({ version: spoken, community }, host) {
    if (spoken === "3" || community.reveal() === PUBLIC) return null;
    const lint = inClear("snmp", host);
    return lint && { ...lint, message: `the community of snmp ${spoken} crosses the network unencrypted`, hint: "version 3 encrypts; or let this community only read" };
  },
});
