// The settings of `agent`. By itself it looks at storage: that a host answers and cannot persist is what no other probe sees.

import { z } from "zod";
import { expectations } from "../expect.ts";
import { about, flag } from "../fields.ts";
import { defineProbe, timeout } from "./probe-schema.ts";

const SUBJECTS_MAX = 32;
const subject = z.string().regex(/^[\x21-\x7e]{1,128}$/);
expectations.add(subject, { says: "a subject such as keep:web.service" });

export const agent = defineProbe({
  about: "What the host's own agent has found. It has no vote while the agent says nothing.",
  abstains: true,
  options: z.strictObject({
    storage: flag("Whether the host can persist: every mount that its agent watches.", { default: true }).default(true),
    subjects: z.array(subject).max(SUBJECTS_MAX).meta(about("Further subjects of the agent's findings that speak against the host when they are bad and power may be the cure; a name holds for all below it: `keep` for `keep:web.service`.", { default: [] }, "list of subjects")).default([]),
    timeout,
  }),
  check: ({ storage, subjects }) => (storage || subjects.length > 0 ? null : "nothing is looked at: neither storage nor any subject"),
  resolve: ({ storage, subjects }) => ({ subjects: [...new Set([...(storage ? ["storage"] : []), ...subjects])] }),
});
