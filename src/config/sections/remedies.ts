// `remedies`: what is tried before power. A list of mappings with one key each: `[{ ssh: { command: [systemctl, reboot] } }]`.

import { z } from "zod";
import type { RemedyTask } from "../config.ts";
import { expectations } from "../expect.ts";
import { about, argv, duration, port, text } from "../fields.ts";

const HOUR_MS = 3_600_000;
const REMEDIES_MAX = 4;

const limits = {
  limit: duration("How long it may take itself.", { minMs: 1_000, maxMs: HOUR_MS, default: "20s" }).default(20_000),
  wait: duration("How long the host has to be seen healthy after it; then the next one, or the cut. Left out: `boot`, since most remedies are a reboot.", { maxMs: 24 * HOUR_MS }).optional(),
} as const;

function path(description: string) {
  return text(`${description} A path from the root.`, { max: 4_096 }).superRefine((value, ctx) => {
    if (!value.startsWith("/")) ctx.addIssue({ code: "custom", message: "not a path from the root", params: { hint: "write /etc/upkeep/id_ed25519" } });
  });
}

const ssh = z.strictObject({
  user: text("Whom to log in as.", { default: "root", max: 32 }).default("root"),
  port: port("The port of the SSH server.", { default: 22 }).default(22),
  command: argv("What to run there. Each argument arrives as it stands here.").default(["systemctl", "reboot"]),
  identity: path("The private key, without a passphrase. Left out: the keys of the watcher's user.").optional(),
  knownHosts: path("The file of known host keys. Left out: those of the watcher's user and of the machine. A host whose key is not there is not logged in to.").optional(),
  ...limits,
});

const command = z.strictObject({
  run: argv("A program on this machine. `{host}` is replaced by the host's name, `{address}` by its address. Exit status 0 is done, anything else not done."),
  ...limits,
});

/** One remedy with its times; `waitMs` null: the host's `boot`. */
export type RemedyInput = { readonly limitMs: number; readonly waitMs: number | null } & RemedyTask;

const shape = {
  ssh: ssh.meta(about("A command at the host itself, by the `ssh` of this machine, without a password.")).optional(),
  command: command.meta(about("Any program.")).optional(),
};

const one = z.union([z.literal("ssh").transform(() => ({ ssh: ssh.parse({}) })), z.strictObject(shape).meta({ minProperties: 1, maxProperties: 1 })]);
expectations.add(one, { says: "a remedy such as ssh or { ssh: { command: [systemctl, reboot] } }" });

export const remedyList = z.array(one.transform((written, ctx): RemedyInput => {
  if (ctx.issues.length > 0) return z.NEVER;
  const { ssh: login, command: program } = written as z.output<ReturnType<typeof z.strictObject<typeof shape>>>;
  const [given] = [login ?? program];
  if (given === undefined || (login !== undefined && program !== undefined)) {
    ctx.addIssue({ code: "custom", message: "not one remedy", params: { hint: "one mapping a remedy: [{ ssh: { … } }, { command: { … } }]" } });
    return z.NEVER;
  }
  const times = { limitMs: given.limit, waitMs: given.wait ?? null };
  if (program !== undefined) return { ...times, kind: "command", options: { run: program.run } };
  const { user, port: at, command: words, identity, knownHosts } = given as z.output<typeof ssh>;
  return { ...times, kind: "ssh", options: { user, port: at, command: words, identity: identity ?? null, knownHosts: knownHosts ?? null } };
})).max(REMEDIES_MAX);
expectations.add(remedyList, { says: "a list of remedies such as [ssh]" });
