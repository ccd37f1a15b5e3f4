// The settings of `plugin`. Secrets go through its environment: arguments are seen by everybody on this machine, so none of
// them may be one.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, argv, choice, secret } from "../fields.ts";
import type { Secret } from "../secret.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

const env = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), secret("The variable's value; `{ file: … }` or `{ env: … }` where it is secret."));
expectations.add(env, { says: "a mapping of variables to their values", secret: true });

const SENSITIVE = /pass|secret|token|key|community/i;

export const plugin = defineProbe({
  about: "Any monitoring plugin.",
  reference: "A reference that a monitoring plugin looks at.",
  incomplete: "plugin needs a command: { plugin: { command: [/usr/lib/nagios/plugins/check_ssh, \"{address}\"] } }",
  options: z.strictObject({
    command: argv("The plugin and its arguments, as a list: there is no shell. `{host}` stands for the host's name, `{address}` for its numeric address."),
    warning: choice(["good", "bad"], "What a WARNING is. Power cures none, so it is good, with its text as evidence.", { default: "good" }).default("good"),
    env: env.meta(about("Variables to add to its environment, which is otherwise PATH, LANG and LC_ALL=C. For passwords: everybody sees arguments.")).optional(),
    timeout,
  }),
  async resolve({ command, warning, env: written }, asked) {
    const closed: Record<string, Secret> = {};
    for (const [name, value] of Object.entries(written ?? {})) closed[name] = await asked.secret(value, SENSITIVE.test(name));
    return { command, warning, env: closed };
  },
  id: ({ command: [program = ""] }) => `plugin:${program.slice(program.lastIndexOf("/") + 1).slice(0, 64)}`,
  programs: ({ command }) => command.slice(0, 1),
});
