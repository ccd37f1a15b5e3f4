// The settings of `snmp-pdu`. Two ways to show who asks: a community, which is a password that travels in the clear, or a
// user of SNMPv3, whose questions are signed and encrypted. A mixture is refused, and so is SNMPv3 with less than both.

import { z } from "zod";
import { SNMP_MODEL_NAMES } from "../../power/snmp-models.ts";
import type { SnmpModelName } from "../../power/snmp-models.ts";
import { formatAddress } from "../address.ts";
import { expectations } from "../expect.ts";
import { about, address, choice, secret, text } from "../fields.ts";
import type { Secret } from "../secret.ts";
import type { ResolvedDevice } from "./device-schema.ts";
import { defineDriver } from "./device-schema.ts";

const SNMP_PORT = 161;
const LOOPBACK = /^(localhost|127\..*|::1)$/;
const FOR_USERS = ["user", "authPassword", "privacyPassword"] as const;
/** RFC 3414 §11.2. */
const PASSWORD_CHARACTERS_MIN = 8;

// In YAML 1 and 3 are numbers, and 2c is text.
const version = z.union([z.enum(["1", "2c", "3"]), z.literal([1, 3]).transform((number) => String(number) as "1" | "3")]);
expectations.add(version, { says: "1, 2c or 3", flat: true });

type Access = { readonly version: "1" | "2c"; readonly community: Secret }
  | { readonly version: "3"; readonly user: string; readonly authProtocol: "sha" | "sha224" | "sha256" | "sha384" | "sha512" | "md5"; readonly authPassword: Secret; readonly privacyProtocol: "aes" | "aes256"; readonly privacyPassword: Secret };

type Closed = { readonly host: string; readonly port: number; readonly model: "auto" | SnmpModelName; readonly access: Access };

export const snmpPdu = defineDriver({
  about: "A switched PDU over SNMP.",
  settings: z.strictObject({
    address: address("Where the device is, port 161 where none is named. `{host}` stands for the host's name: then there is one device a host.", { template: true }),
    model: choice(["auto", ...SNMP_MODEL_NAMES] as ["auto", ...SnmpModelName[]], "Whose tables it has; `auto` tells by its sysObjectID, where that is certain.", { default: "auto" }).default("auto"),
    version: version.meta(about("Of the protocol: `1`, `2c`, or `3`, which is signed and encrypted.", { default: "2c" })).default("2c"),
    community: secret("The community that may write, for versions 1 and 2c.").optional(),
    user: text("The user, for version 3.", { max: 32 }).optional(),
    authProtocol: choice(["sha256", "sha512", "sha384", "sha224", "sha", "md5"], "What the user's questions are signed with.", { default: "sha256" }).default("sha256"),
    authPassword: secret("What that is made from.").optional(),
    privacyProtocol: choice(["aes", "aes256"], "What they are encrypted with.", { default: "aes" }).default("aes"),
    privacyPassword: secret("What that is made from.").optional(),
  }),
  placed: true,
  capabilities: { metered: true },
  outputs: () => ({ outlet: "must" }),
  async resolve({ model, version, community, ...written }, asked): Promise<ResolvedDevice<Closed> | null> {
    const place = { host: asked.fill(written.address.host), port: written.address.port ?? SNMP_PORT };
    const options = { ...place, model };
    const address = formatAddress(place.host, place.port);
    if (version !== "3") {
      if (community === undefined) return asked.refuse("KEY_MISSING", `version ${version} needs its community`, [], "community: { file: … }");
      const stray = FOR_USERS.find((key) => written[key] !== undefined);
      if (stray !== undefined) return asked.refuse("VALUE_INVALID", `${stray} belongs to version 3, and this is version ${version}`, [stray], "version: 3");
      const access: Access = { version, community: await asked.secret(community, ["community"]) };
      return { options: { ...options, access }, address };
    }
    if (community !== undefined) return asked.refuse("VALUE_INVALID", "community belongs to versions 1 and 2c", ["community"], "version 3 has a user and two passwords");
    const { user, authPassword, privacyPassword } = written;
    const missing = FOR_USERS.find((key) => written[key] === undefined);
    if (user === undefined || authPassword === undefined || privacyPassword === undefined) return asked.refuse("KEY_MISSING", `version 3 needs ${missing}`, [], "a user, an authPassword and a privacyPassword: nothing less switches power");
    const passwords = { authPassword: await asked.secret(authPassword, ["authPassword"]), privacyPassword: await asked.secret(privacyPassword, ["privacyPassword"]) };
    for (const [key, closed] of Object.entries(passwords)) {
      const { length } = closed.reveal();
      if (length > 0 && length < PASSWORD_CHARACTERS_MIN) return asked.refuse("SECRET_INVALID", `${key} is shorter than ${PASSWORD_CHARACTERS_MIN} characters`, [key], "SNMPv3 has no shorter ones (RFC 3414)");
    }
    const access: Access = { version, user, authProtocol: written.authProtocol, privacyProtocol: written.privacyProtocol, ...passwords };
    return { options: { ...options, access }, address };
  },
  lint: ({ version, address: { host } }, name) => (version === "3" || LOOPBACK.test(host) ? [] : [{
    at: ["community"], code: "SNMP_PLAIN", message: `the community of ${name} goes over the network in the clear: whoever reads it can switch the outlets`, hint: "version: 3, or a network that only the watcher and the device are in",
  }]),
});
