// A first configuration as text, from a few answers, from what was found on a network or in another program's files:
// commented where a beginner would ask, disarmed, and with nothing in it that holds anyway. It only writes; whether it is
// right is the loader's word (src/cli/draft-file.ts asks for it before anything reaches the disk).
//
// Names, banners and whatever else strangers chose come in here. A value goes through the YAML library, which quotes it; a
// comment is one line of printable text, so none of them can end its line and begin a setting.

import { Document, visit } from "yaml";
import { oneLine } from "./names.ts";

export type DraftHost = {
  readonly name: string;
  readonly address: string;
  /** As in the file, or null: watched, never cut. */
  readonly power: string | null;
  /** As in the file; absent: the defaults. */
  readonly probes?: readonly unknown[];
  readonly every?: string;
  readonly behind?: string;
  /** What was seen there, or where it comes from: comments. */
  readonly notes?: readonly string[];
};

/** Settings as they stand in the file: a secret is `{ file: … }` already. */
export type DraftDevice = { readonly name: string; readonly driver: string; readonly settings: Readonly<Record<string, unknown>> };

export type DraftStore = { readonly kind: "embedded" } | { readonly kind: "etcd" | "zookeeper"; readonly servers: readonly string[] };

export type Draft = {
  /** The command that makes it, without `upkeep`; absent: `init`. */
  readonly madeBy?: string;
  readonly site: string | null;
  /** This watcher's own name, or null: the machine's. */
  readonly watcher: string | null;
  readonly hosts: readonly DraftHost[];
  /** Names of hosts by group. */
  readonly groups?: ReadonlyMap<string, readonly string[]>;
  readonly devices: readonly DraftDevice[];
  /** What was found of power devices and is not used: comments. */
  readonly deviceNotes?: readonly string[];
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
  const groups = [...(draft.groups ?? [])].filter(([, members]) => members.length > 0);
  const parts = [
    `# Made by \`upkeep ${oneLine(draft.madeBy ?? "init")}\` on ${new Date(nowMs).toISOString().slice(0, 10)}. Every setting, with its default: docs/reference/configuration.md.
# After each change: \`upkeep check\`, then \`upkeep reload\`.
${site === null ? "" : line("site", site)}`,
    `# The first week, until ${endOfFirstWeek(nowMs)}: everything is decided and told, and nothing is cut. Look at what it would have done with
# \`upkeep events\` and \`upkeep why HOST\`; when that was right, write true here, and \`upkeep reload\`. No date does it for you.
armed: false
`,
    `# Who is watched. Without \`probes\` they are [ping, ssh]; better is what the host is for, such as
#   probes: [ping, ssh, { dns: { name: www.example.org } }]
${hosts.some((host) => (host.probes?.length ?? 0) > 2) ? "# Beside ping every probe of a host must be good, or the round is bad: keep those whose failure a power cycle cures.\n" : ""}# \`power\` is device/outlet. Two supplies that are cut together: a/1 + b/1. Without it a host is watched, and never cut.
hosts:
${hosts.map(hostLines).join("")}`,
    ...(groups.length === 0 ? [] : [`# Hosts that belong together: a storm is judged in each group.
groups:
${groups.map(([name, members]) => `  ${word(name)}: ${flow({ hosts: members })}\n`).join("")}`]),
    ...(devices.length === 0 && (draft.deviceNotes ?? []).length > 0 ? [`# Power devices, which \`upkeep init --power\` or a section \`power\` puts to use.
${comments(draft.deviceNotes, "")}`] : []),
    ...(devices.length === 0 ? [] : [`# What cuts their power. A secret stands in a file of its own, which only the watcher may read.
power:
${comments(draft.deviceNotes)}${devices.map(({ name, driver, settings }) => `  ${word(name)}:\n${[["driver", driver] as const, ...Object.entries(settings)].map(([key, value]) => `    ${line(key, value)}`).join("")}`).join("")}`]),
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

/** What is short stands in one line, as a person would write it. */
function hostLines({ name, address, power, probes, every, behind, notes }: DraftHost): string {
  const short = { address, ...(power === null ? {} : { power }), ...(every === undefined ? {} : { every }), ...(behind === undefined ? {} : { behind }) };
  if (probes === undefined) return `${comments(notes)}  ${word(name)}: ${flow(short)}\n`;
  return `${comments(notes)}  ${word(name)}:\n${Object.entries({ ...short, probes }).map(([key, value]) => `    ${line(key, value)}`).join("")}`;
}

function comments(notes: readonly string[] | undefined, indent = "  "): string {
  return (notes ?? []).map((note) => oneLine(note)).filter((note) => note !== "").map((note) => `${indent}# ${note}\n`).join("");
}

function line(key: string, value: unknown): string {
  return `${key}: ${flow(value)}\n`;
}

/** Quoted where YAML would take it for something else. */
function word(text: string): string {
  return flow(text);
}

// As in names.ts: what a terminal or an editor obeys, and every kind of line end.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** One line: `{ address: 10.0.0.11, power: sucker/2 }`. Text with anything in it that is not seen is quoted, and that is escaped. */
function flow(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, scalar) {
      if (typeof scalar.value === "string" && UNPRINTABLE.test(scalar.value)) scalar.type = "QUOTE_DOUBLE";
    },
  });
  const written = document.toString({ collectionStyle: "flow", lineWidth: 0, flowCollectionPadding: true, blockQuote: false, doubleQuotedAsJSON: true }).trimEnd();
  return written.replaceAll("\n", " ").replace(new RegExp(UNPRINTABLE, "gu"), (character) => [...Array(character.length).keys()].map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join(""));
}
