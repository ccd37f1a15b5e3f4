// The manual pages, from the same sources as docs/reference: the definitions of the command line (src/cli/program.ts) and the
// schema of the configuration. upkeep(1), a page for each command (upkeep-status(1), found by `man upkeep status` as well),
// and upkeep.yaml(5).

import { examplesOf, makeProgram } from "../../src/cli/program.ts";
import { COMMON, describe, EXITS, leaves, usageOf } from "../generate-cli-reference.ts";
import type { Leaf } from "../generate-cli-reference.ts";
import { referenceFiles } from "../generate-reference.ts";
import { bold, fromMarkdown, head, literal, section, subsection, tagged, text, verbatim } from "./roff.ts";

const COMMANDS = "Upkeep's commands";

/** File name (`upkeep.1`) → page. */
export async function manPages(version: string, date: string): Promise<ReadonlyMap<string, string>> {
  const program = makeProgram(version);
  const commands = leaves(program);
  const names = [...new Set(commands.map(({ name }) => first(name)))];
  const pages = new Map<string, string>();
  const all = program.createHelp().visibleCommands(program);
  const summaryOf = (name: string): string => all.find((command) => command.name() === name)?.summary() ?? "";
  pages.set("upkeep.1", page([
    head({ name: "upkeep", section: 1, date, version, manual: COMMANDS }),
    section("name"), "upkeep \\- watches hosts, and cuts and restores the power of those that are wedged",
    section("synopsis"), `${bold("upkeep")} [${bold("-c")} \\fIfile\\fR] \\fIcommand\\fR [\\fIargument\\fR ...]`,
    section("description"), text(program.description()),
    ".PP", "Each command has a page of its own:", ...names.map((name) => tagged(`${bold(`upkeep-${name}`)}(1)`, text(summaryOf(name)))),
    section("options"), tagged(bold("-c, --config FILE"), text("The configuration. It tells a command where the watcher's control socket is.")), tagged(bold("--json"), text("One document on standard output, for programs; times are ISO 8601 in UTC, durations milliseconds. Fields are added and never changed.")), tagged(bold("-V, --version"), text("Print the version.")),
    section("exit status"), ...EXITS.map(([code, meaning]) => tagged(bold(code), text(plain(meaning)))),
    section("environment"), tagged(bold("UPKEEP_CONFIG"), text("The configuration, where no option names it.")), tagged(bold("NO_COLOR"), text("When set, nothing is coloured.")),
    section("files"),
    tagged(bold("/etc/upkeep/upkeep.yaml"), text("The configuration, where neither option nor environment names one and there is no ./upkeep.yaml. The service starts when it is there.")),
    tagged(bold("/var/lib/upkeep"), text("What the watcher must remember: the ledger, the history, the control socket.")),
    tagged(bold("/var/lib/upkeep-agent"), text("What the agent of this host must remember: its key, and the watchers that it knows.")),
    tagged(bold("/usr/share/doc/upkeep/html"), text("Guides and reference, to be read in a browser.")),
    tagged(bold("/usr/share/doc/upkeep/examples"), text("Configurations to begin with.")),
    section("see also"), `${bold("upkeep.yaml")}(5), ${bold("systemctl")}(1)`,
  ]));
  for (const name of names) pages.set(`upkeep-${name}.1`, commandPage(name, commands.filter((each) => first(each.name) === name), summaryOf(name), version, date));
  const configuration = (await referenceFiles()).get("docs/reference/configuration.md") ?? "";
  pages.set("upkeep.yaml.5", page([
    head({ name: "upkeep.yaml", section: 5, date, version, manual: "Upkeep's files" }),
    section("name"), "upkeep.yaml \\- the configuration of Upkeep",
    section("description"), fromMarkdown(configuration),
    section("see also"), `${bold("upkeep")}(1), ${bold("upkeep-check")}(1), ${bold("upkeep-init")}(1)`,
  ]));
  return pages;
}

function commandPage(name: string, parts: readonly Leaf[], summary: string, version: string, date: string): string {
  const whole = parts.length === 1;
  return page([
    head({ name: `upkeep-${name}`, section: 1, date, version, manual: COMMANDS }),
    section("name"), `upkeep\\-${literal(name)} \\- ${text(summary.charAt(0).toLowerCase() + summary.slice(1))}`,
    section("synopsis"), parts.map(synopsis).join("\n.br\n"),
    section("description"),
    ...parts.flatMap((part) => [
      ...(whole ? [] : [subsection(`upkeep ${part.name}`)]), text(plain(part.command.description())),
      ...part.command.options.filter(({ long, hidden }) => !hidden && !COMMON.has(long ?? "")).map((option) => tagged(bold(option.flags), text(plain(describe(option))))),
    ]),
    section("examples"), verbatim(parts.flatMap(({ command }) => examplesOf(command)).join("\n")),
    section("exit status"), `As ${bold("upkeep")}(1) has them.`,
    section("see also"), `${bold("upkeep")}(1), ${bold("upkeep.yaml")}(5)`,
  ]);
}

function synopsis({ name, command }: Leaf): string {
  const optional = command.options.some((option) => !option.mandatory && !option.hidden && !COMMON.has(option.long ?? ""));
  return `${bold(usageOf(name, command))}${optional ? " [\\fIoption\\fR ...]" : ""}`;
}

function first(name: string): string {
  return name.split(" ")[0] ?? name;
}

/** Descriptions are Markdown, of which they use one sign. */
function plain(line: string): string {
  return line.replaceAll("`", "");
}

/** A heading begins a paragraph by itself. */
function page(lines: readonly string[]): string {
  return `${lines.join("\n").replace(/^(\.S[HS] .*)\n\.PP$/gm, "$1")}\n`;
}
