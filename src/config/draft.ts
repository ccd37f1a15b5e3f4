// A first configuration as text, from a few answers: commented where a beginner would ask, disarmed, and with nothing in it
// that holds anyway. It only writes; whether it is right is the loader's word (src/cli/commands/init.ts asks for it before
// anything reaches the disk).

import { stringify } from "yaml";

export type DraftHost = { readonly name: string; readonly address: string; /** As in the file, or null: watched, never cut. */ readonly power: string | null };

/** Settings as they stand in the file: a secret is `{ file: … }` already. */
export type DraftDevice = { readonly name: string; readonly driver: string; readonly settings: Readonly<Record<string, unknown>> };

export type DraftStore = { readonly kind: "embedded" } | { readonly kind: "etcd" | "zookeeper"; readonly servers: readonly string[] };

export type Draft = {
  readonly site: string | null;
  /** This watcher's own name, or null: the machine's. */
  readonly watcher: string | null;
  readonly hosts: readonly DraftHost[];
  readonly devices: readonly DraftDevice[];
  readonly references: readonly string[];
  readonly mail: string | null;
  readonly store: DraftStore;
};

const FIRST_WEEK_MS = 7 * 86_400_000;

/** The end of the first week, `2026-12-06`. */
export function endOfFirstWeek(nowMs: number): string {
  return new Date(nowMs + FIRST_WEEK_MS).toISOString().slice(0, 10);
}

/** The whole file. */
export function draftText(draft: Draft, nowMs: number): string {
  const { site, watcher, hosts, devices, references, mail, store } = draft;
  const own = { ...(watcher === null ? {} : { name: watcher }), ...(references.length === 0 ? {} : { references }) };
  const parts = [
    `# Made by \`upkeep init\` on ${new Date(nowMs).toISOString().slice(0, 10)}. Every setting, with its default: docs/reference/configuration.md.
# After each change: \`upkeep check\`, then \`upkeep reload\`.
${site === null ? "" : line("site", site)}`,
    `# The first week, until ${endOfFirstWeek(nowMs)}: everything is decided and told, and nothing is cut. Look at what it would have done with
# \`upkeep events\` and \`upkeep why HOST\`; when that was right, write true here, and \`upkeep reload\`.
armed: false
`,
    `# Who is watched. Without \`probes\` they are [ping, ssh]; better is what the host is for, such as
#   probes: [ping, ssh, { dns: { name: www.example.org } }]
# \`power\` is device/outlet. Two supplies that are cut together: a/1 + b/1. Without it a host is watched, and never cut.
hosts:
${hosts.map(({ name, address, power }) => `  ${word(name)}: ${flow({ address, ...(power === null ? {} : { power }) })}\n`).join("")}`,
    ...(devices.length === 0 ? [] : [`# What cuts their power. A secret stands in a file of its own, which only the watcher may read.
power:
${devices.map(({ name, driver, settings }) => `  ${word(name)}:\n${[["driver", driver] as const, ...Object.entries(settings)].map(([key, value]) => `    ${line(key, value)}`).join("")}`).join("")}`]),
    references.length === 0
      ? `# What must answer before a host may be called dead, so that this watcher's own cable is no reason to cut: the router, a switch.
${watcher === null ? "" : line("watcher", own)}# watcher: { references: [10.0.0.1] }
`
      : `# What must answer before a host may be called dead, so that this watcher's own cable is no reason to cut. One is enough.
${line("watcher", own)}`,
    mail === null
      ? `# Whom to call, by mail or by any program. Nobody is called yet.
# alerts: { mail: { to: you@example.org } }
`
      : `# Whom to call; mail goes to the SMTP server of this machine unless \`server\` says otherwise.
${line("alerts", { mail: { to: mail } })}`,
    store.kind === "embedded"
      ? `# One watcher, with its records in its own data folder. Several agree in etcd or ZooKeeper: docs/guides/several-watchers.md.
store: embedded
`
      : `# Several watchers, with this same file on each but for \`watcher.name\`: docs/guides/several-watchers.md.
${line("store", store.kind === "etcd" ? { etcd: { endpoints: store.servers } } : { zookeeper: { servers: store.servers } })}`,
  ];
  return parts.join("\n");
}

function line(key: string, value: unknown): string {
  return `${key}: ${flow(value)}\n`;
}

/** Quoted where YAML would take it for something else. */
function word(text: string): string {
  return flow(text);
}

/** One line: `{ address: 10.0.0.11, power: sucker/2 }`. */
function flow(value: unknown): string {
  return stringify(value, { collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: true }).trimEnd().replaceAll("\n", " ");
}
