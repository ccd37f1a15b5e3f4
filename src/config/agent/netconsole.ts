// Where this host's kernel sends its last words (src/agent/netconsole).

import { z } from "zod";
import { about, address, flag, port, whole } from "../fields.ts";
import { expectations } from "../expect.ts";
import { defineAgentPart } from "./part-schema.ts";

const PORT = 6_666;

const mapping = z.strictObject({
  to: z.array(address("A watcher's receiver, `HOST` or `HOST:PORT`.")).min(1).max(9).meta(about("Who hears it. Left out: the agent's `watchers`.", {}, "list of addresses")).optional(),
  port: port("The port of receivers for which none is written.", { default: PORT }).default(PORT),
  extended: flag("Whether levels, numbers and fragments are sent along (kernels since 4.2); receivers other than Upkeep may want plain text.", { default: true }).default(true),
  loglevel: whole("The console's log level is raised to this, if it is lower: 7 sends everything but debugging, 5 warnings and worse. `0`: it is left as it is.", 0, 8, { default: 7 }).default(7),
});
const settings = z.union([z.literal(true), mapping]);
expectations.add(settings, { says: "true, or a mapping" });

export type NetconsoleOptions = {
  readonly targets: readonly { readonly host: string; readonly port: number }[];
  readonly extended: boolean;
  readonly loglevel: number;
};

export const netconsole = defineAgentPart({
  settings: settings.meta(about("Send this host's kernel messages to the watchers (netconsole): what a kernel says when it dies is nowhere else.", {}, "`true`, or mapping")),
  resolve(given, { watchers, problems, place }): NetconsoleOptions | null {
    const { to, port: otherwise, extended, loglevel } = given === true ? mapping.parse({}) : given;
    const asked = to?.map(({ host, port: own }) => ({ host, port: own ?? otherwise })) ?? watchers.map(({ host }) => ({ host, port: otherwise }));
    if (asked.length === 0) {
      problems.add(place([]), "KEY_MISSING", "nobody is named who would hear it", "agent: { watchers: [10.0.0.2] }, or netconsole: { to: [10.0.0.2] }");
      return null;
    }
    return { targets: asked, extended, loglevel };
  },
});
