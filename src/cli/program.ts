// The command line as data: every command, its arguments and options, its help with examples. Nothing is carried out in
// here; each command's module is imported when it is asked for, so that `upkeep status` loads neither the schema nor the
// watcher. The reference page and the shell completions are made from these definitions.

import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { parseDuration } from "../config/duration.ts";
import type { ImportOptions } from "./commands/import.ts";
import type { InitOptions } from "./commands/init.ts";
import { CliError, EXIT, exitOf } from "./exit.ts";
import type { Options } from "./options.ts";
import { complain, print } from "./terminal.ts";

const examples = new WeakMap<Command, readonly string[]>();

/** The examples under a command's help. */
export function examplesOf(command: Command): readonly string[] {
  return examples.get(command) ?? [];
}

/** Carries out a command line (without the program's name) and gives the exit code; never rejects. */
export async function run(argv: readonly string[], version: string): Promise<number> {
  const outcome = { exit: EXIT.yes as number };
  try {
    await makeProgram(version, outcome).parseAsync(argv, { from: "user" });
    return outcome.exit;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.yes : EXIT.usage;
    const { exit, message } = exitOf(error);
    complain(message);
    return exit;
  }
}

/** An argument that a command does not take: of one with commands of its own it was meant as one of them. */
function refuseExcess(command: Command): void {
  const [most, given] = [command.registeredArguments.some(({ variadic }) => variadic) ? Infinity : command.registeredArguments.length, command.args];
  if (given.length <= most) return;
  const own = command.commands.map((each) => each.name());
  let name = command.name();
  for (let at = command.parent; at !== null && at.parent !== null; at = at.parent) name = `${at.name()} ${name}`;
  throw new CliError(EXIT.usage, own.length > 0 ? `there is no 'upkeep ${name} ${given[most] ?? ""}'; there are: ${own.map((each) => `${name} ${each}`).join(", ")}` : `too many arguments for '${name}': ${given.slice(most).join(" ")} (upkeep ${name} --help)`);
}

/** The definitions; what a command answers goes into `outcome`. */
export function makeProgram(version: string, outcome: { exit: number } = { exit: 0 }): Command {
  type Go = (options: Options, ...args: (string | undefined)[]) => Promise<number>;
  const program = new Command("upkeep")
    .description("Watches hosts by what they serve, decides with evidence that one is wedged, and cuts and restores its power exactly once.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show this help")
    .helpCommand("help [command]", "show a command's help")
    .enablePositionalOptions()
    .showHelpAfterError("(upkeep --help lists the commands, upkeep COMMAND --help its options)")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(`upkeep: ${text.replace(/^error: /, "")}`) });
  common(program);
  for (const option of elsewhere()) program.addOption(option);

  const make = (parent: Command, usage: string, summary: string, more: string, shown: readonly string[], go: Go): Command => {
    const command = parent.command(usage).summary(summary).description(more === "" ? `${summary}.` : `${summary}. ${more}`);
    common(command);
    for (const option of elsewhere()) command.addOption(option.hideHelp());
    examples.set(command, shown);
    command.allowExcessArguments();
    command.addHelpText("after", `\nExamples:\n${shown.map((each) => `  ${each}`).join("\n")}`);
    return command.action(async (...given: unknown[]) => {
      // Commander calls with the arguments, then the options, then the command.
      const args = given.slice(0, -2) as (string | undefined)[];
      refuseExcess(command);
      outcome.exit = await go(command.optsWithGlobals<Options>(), ...args);
    });
  };
  const group = (name: string, summary: string, more: string, parent = program): Command => {
    const command = parent.command(name).summary(summary).description(`${summary}. ${more}`).helpCommand(false).enablePositionalOptions();
    common(command);
    return command;
  };

  // ---- looking
  make(program, "status [host]", "How it stands", "Whether the fleet is guarded; verdicts, counters, power, brakes, and what is asked of you. Exit 1 when a host is down or not guarded.", ["upkeep status", "upkeep status logos", "upkeep status --json | jq '.hosts[] | select(.guarded | not)'"],
    async (options, host) => (await import("./commands/status.ts")).runStatus(host, options));
  make(program, "why <host|incident|line>", "The evidence and the reasoning, in sentences", "Why a host is judged as it is and what happens next, how an incident went and how long each phase took, or what led to a line of the journal: its number stands in the log, in messages and in answers.", ["upkeep why logos", "upkeep why lusab-babad", "upkeep why 1234"],
    async (options, name) => (await import("./commands/why.ts")).runWhy(needed(name), options));
  make(program, "events", "What was seen, decided, refused and done", "The journal, line by line; with --json one object a line.", ["upkeep events --since 1h", "upkeep events --follow --host logos", "upkeep events --since 1d --json"],
    async (options) => (await import("./commands/events.ts")).runEvents(options))
    .option("-f, --follow", "go on with what comes")
    .addOption(duration("--since <duration>", "only what happened in the last …"))
    .option("--host <host>", "only this host's lines")
    .addOption(count("--limit <lines>", "the newest so many lines (100; 10 before --follow; 10000 with --since or --json)", 10_000));
  make(program, "kernel <host|incident>", "What a host's kernel said", "Lines of its log as they came by netconsole (docs/guides/last-words.md): of a host, or of an incident, from five minutes before its first bad sign to its end. Nothing but the address on a datagram says who sent it.", ["upkeep kernel logos", "upkeep kernel logos --follow", "upkeep kernel lusab-babad", "upkeep kernel logos --since 1h --json | jq 'select(.sign)'"],
    async (options, name) => (await import("./commands/kernel.ts")).runKernel(needed(name), options))
    .option("-f, --follow", "go on with what comes")
    .addOption(duration("--since <duration>", "only what came in the last …"))
    .addOption(count("--limit <lines>", "the newest so many lines (100; 10 before --follow; 5000 with --since or --json)", 5_000));
  make(program, "incidents", "The outages that were", "How long each took, by phase, and how it ended; the newest last.", ["upkeep incidents", "upkeep incidents --json | jq '.[-1].phases'"],
    async (options) => (await import("./commands/incidents.ts")).runIncidents(options))
    .addOption(count("--limit <incidents>", "the newest so many", 1_000));
  const spans = (command: Command): Command => command
    .option("--probe <probe>", "only this one, as `upkeep status HOST` names it")
    .addOption(moment("--since <time>", "from then on: how long ago, or a time in ISO 8601 (24h)"))
    .addOption(moment("--until <time>", "up to then (now)"))
    .addOption(new Option("--step <step>", "single results, or roll-ups by minute or hour (what suits the time asked for)").choices(["raw", "minute", "hour"]))
    .option("--csv", "as CSV, for spreadsheets");
  const history = make(program, "history <host>", "Latency and verdicts over time", "As this watcher saw it: a hill for each probe, with a strip of verdicts and the incidents. With --csv or --json every line that the drawing is made of, however many. Exit 1 when there is nothing.", ["upkeep history logos", "upkeep history logos --probe ssh --since 2h", "upkeep history logos --since 90d --step hour", "upkeep history logos --since 2026-11-28T01:00:00Z --until 2026-11-28T02:00:00Z --step raw --csv > night.csv"],
    async (options, host) => (await import("./commands/history.ts")).runHistory(needed(host), options));
  spans(history);
  spans(make(history, "export", "Write results or roll-ups of all hosts down", "CSV, or with --json one object a line; as long as it may be, nothing of it is kept in memory.", ["upkeep history export --since 30d --step hour > november.csv", "upkeep history export --host logos --step raw --json | jq 'select(.outcome == \"bad\")'"],
    async (options) => (await import("./commands/history.ts")).runHistoryExport(options)))
    .option("--host <host>", "only this one's");

  const report = group("report", "Reports over longer times", "What was, and what to expect");
  make(report, "availability", "How available hosts and groups were, where it was lost, and what to expect", "Of this month, or of another time. Planned time stands apart, and so does time that nobody watched: neither counts as up. By months and days of UTC. Exit 1 when nothing is known of that time.", ["upkeep report availability", "upkeep report availability --month 2026-10 --by group", "upkeep report availability --since 90d --each month --csv > quarter.csv"],
    async (options) => (await import("./commands/report.ts")).runReportAvailability(options))
    .addOption(new Option("--month <month>", "a month of UTC, 2026-10 (this one)").argParser(monthIn))
    .addOption(moment("--since <time>", "from then on: how long ago, or a time in ISO 8601"))
    .addOption(moment("--until <time>", "up to then (now)"))
    .addOption(new Option("--by <what>", "a line for each host, or for each group (host)").choices(["host", "group"]))
    .addOption(new Option("--each <step>", "month by month, or day by day").choices(["month", "day"]))
    .option("--host <host>", "only this one")
    .addOption(new Option("--outages-per-day <n>", "reckon with so many in the forecast, instead of those that were").argParser(rateIn))
    .option("--csv", "as CSV, for spreadsheets");

  // ---- the public
  make(program, "status-page", "Write the public status page as files", "HTML and CSS without script, for a web server of one's own; run it every minute or two. What is on it stands in the configuration under `statusPage`.", ["upkeep status-page --out /var/www/status"],
    async (options) => (await import("./commands/notice.ts")).runStatusPage(options))
    .requiredOption("--out <folder>", "where to write it");
  const notice = group("notice", "What people tell the public on the status page", "Beside what the watcher says by itself");
  const noticeText = (command: Command): Command => command
    .option("--text <text>", "what there is to say: paragraphs, lists, **bold**, *emphasis*, `code`, [links](https://…)")
    .option("--text-file <file>", "the same from a file; - reads it from standard input")
    .addOption(new Option("--severity <severity>", "how bad it is").choices(["info", "maintenance", "disturbance", "outage"]));
  noticeText(make(notice, "add <title>", "Tell the public something", "It stands on top of the page until it is ended.", ["upkeep notice add \"Databases are slow\" --severity disturbance --component Databases --text \"We are looking into it.\"", "upkeep notice add \"New switch on Friday\" --severity maintenance --text-file - < text.md"],
    async (options, title) => (await import("./commands/notice.ts")).runNoticeAdd(needed(title), options)))
    .addOption(each("--component <name>", "what it is about, by its name on the status page"));
  noticeText(make(notice, "update <notice>", "Say what is new of a notice", "", ["upkeep notice update 3 --text \"Found: a disk. It is being replaced.\""],
    async (options, id) => (await import("./commands/notice.ts")).runNoticeUpdate(needed(id), false, options)));
  noticeText(make(notice, "end <notice>", "End a notice", "It goes from the top of the page to its past.", ["upkeep notice end 3 --text \"The disk is replaced.\""],
    async (options, id) => (await import("./commands/notice.ts")).runNoticeUpdate(needed(id), true, options)));
  make(notice, "list", "All notices, the newest last", "", ["upkeep notice list"],
    async (options) => (await import("./commands/notice.ts")).runNoticeList(options));
  make(notice, "remove <notice>", "Take a notice away, as if it had never been written", "", ["upkeep notice remove 3"],
    async (options, id) => (await import("./commands/notice.ts")).runNoticeRemove(needed(id), options));

  // ---- power
  const action = new Argument("<action>", "what to do").choices(["status", "on", "off", "cycle"]);
  const power = make(program, "power <host>", "Power by hand", "off and cycle are refused by what no person may override; of a serving host the name must be typed. Waits for the outcome: 0 done, 4 refused, 5 outcome unknown. status exits 0 on, 1 off, 5 unknown.", ["upkeep power logos status", "upkeep power logos off --reason \"new disk\"", "upkeep power logos on", "echo logos | upkeep power logos cycle --reason \"stuck in firmware\""],
    async (options, host, what) => (await import("./commands/power.ts")).runPower(needed(host), needed(what), options))
    .addArgument(action)
    .option("--reason <text>", "why, for the journal", "by hand")
    .option("--again", "cycle although an operation on this host ended less than 3 min ago")
    .option("--confirm <name>", "the host's name, instead of typing it")
    .option("--no-wait", "do not wait for the outcome");
  make(power, "record <device>", "Record a dialogue with a power device", "Logs in, reads every outlet that a host hangs on, logs out, and prints what was said, without user names, passwords and communities: for a report, and as a test of the driver. It switches nothing. Through the watcher where one runs.", ["upkeep power record sucker --out sucker.recording"],
    async (options, device) => (await import("./commands/record.ts")).runRecord(needed(device), options))
    .option("--out <file>", "write it to this file, which must not be there yet");
  make(program, "fence <host>", "Cut and restore power now", "Overrides start-up grace, never seen healthy, debounce, boot, storm, budget, held and disarmed; each that stands is named. Of a serving host the name must be typed.", ["upkeep fence logos --reason \"wedged, verified on the console\"", "upkeep fence logos --reason \"did not come back\" --again --confirm logos"],
    async (options, host) => (await import("./commands/power.ts")).runFence(needed(host), options))
    .requiredOption("--reason <text>", "why, for the journal")
    .option("--again", "although an operation on this host ended less than 3 min ago")
    .option("--confirm <name>", "the host's name, instead of typing it")
    .option("--no-wait", "do not wait for the outcome");
  make(program, "confirm-off <host>", "Say that a host has no power, after having looked", "Its name must be typed; it is wanted off from then on, and whatever is open about it ends.", ["upkeep confirm-off logos --reason \"unplugged\""],
    async (options, host) => (await import("./commands/power.ts")).runConfirmOff(needed(host), options))
    .option("--reason <text>", "why, for the journal")
    .option("--confirm <name>", "the host's name, instead of typing it");

  // ---- brakes
  const maintenance = group("maintenance", "Hold automatic cuts back while somebody works", "It ends by itself; power that is owed is restored all the same.");
  make(maintenance, "start [host]", "Begin maintenance of a host, or of the whole fleet", "", ["upkeep maintenance start logos --for 2h --reason \"kernel\"", "upkeep maintenance start --all --for 30m --reason \"switch\""],
    async (options, host) => (await import("./commands/brakes.ts")).runMaintenanceStart(host, options))
    .option("--all", "the whole fleet")
    .addOption(duration("--for <duration>", "how long (1h)"))
    .option("--reason <text>", "why, for the journal");
  make(maintenance, "end [host]", "End maintenance", "The host is counted from zero.", ["upkeep maintenance end logos", "upkeep maintenance end --all"],
    async (options, host) => (await import("./commands/brakes.ts")).runMaintenanceEnd(host, options))
    .option("--all", "the whole fleet");
  make(maintenance, "list", "What is in maintenance, and for how long", "", ["upkeep maintenance list"],
    async (options) => (await import("./commands/brakes.ts")).runMaintenanceList(options));
  make(program, "disarm [host]", "Decide and tell, and cut nothing", "The whole fleet, or one host. It ends by itself, and reminds you of it until then.", ["upkeep disarm --for 8h --reason \"first look\"", "upkeep disarm logos"],
    async (options, host) => (await import("./commands/brakes.ts")).runDisarm(host, options))
    .option("--all", "the whole fleet, as without a host")
    .addOption(duration("--for <duration>", "how long (24h)"))
    .option("--reason <text>", "why, for the journal");
  make(program, "arm [host]", "End a disarm", "Of the whole fleet, or of one host; both are counted from zero.", ["upkeep arm", "upkeep arm logos"],
    async (options, host) => (await import("./commands/brakes.ts")).runArm(host, options))
    .option("--all", "the whole fleet, as without a host");
  make(program, "release <host>", "Let a held host go", "Its budget is whole again, and it is counted from zero.", ["upkeep release logos"],
    async (options, host) => (await import("./commands/brakes.ts")).runRelease(needed(host), options));
  const storm = group("storm", "Many hosts ill at once", "Nothing new is cut until it is over, or until somebody lets it through.");
  make(storm, "proceed", "Let the hosts of a storm through, one at a time", "It stops at the first that does not recover.", ["upkeep storm proceed"],
    async (options) => (await import("./commands/brakes.ts")).runStormProceed(options));
  const reboots = group("reboots", "Rolling reboots", "One host at a time: drained, rebooted, and looked at until it serves; it stops at the first that does not come back.");
  make(reboots, "start [host...]", "Begin a rolling reboot", "Of these hosts, of all, or of those that need one as their agents say. A host is not rebooted while another one beside it is not well, a storm or a power operation is on, or what is left of the window is less than twice its longest boot.", ["upkeep reboots start --needed --reason \"new kernel\"", "upkeep reboots start web01 web02 web03", "upkeep reboots start --all --window \"01:00-05:00\" --reason \"firmware\""],
    // The one argument that takes several words.
    async (options, hosts) => (await import("./commands/reboots.ts")).runRebootsStart(hosts as unknown as readonly string[], options))
    .option("--all", "all hosts")
    .option("--needed", "of them only those that need one when their turn comes")
    .option("--window <hours>", "only in these hours of the week: 01:00-05:00, or 02:00-05:00 sat")
    .option("--self", "the machine of a watcher, too, although no other watcher is there")
    .option("--reason <text>", "why, for the journal");
  make(reboots, "status", "How far it is", "Exit 1 when it is held, or when there was none.", ["upkeep reboots status", "upkeep reboots status --json | jq '.done[] | select(.outcome == \"failed\")'"],
    async (options) => (await import("./commands/reboots.ts")).runRebootsStatus(options));
  make(reboots, "stop", "End it", "Whoever is away comes back first, and whoever is drained is put back into service.", ["upkeep reboots stop"],
    async (options) => (await import("./commands/reboots.ts")).runRebootsStop(options));
  make(reboots, "continue", "Go on after a host that did not come back", "With the next one; that host stays as it is.", ["upkeep reboots continue"],
    async (options) => (await import("./commands/reboots.ts")).runRebootsContinue(options));
  make(program, "going-down [host]", "Announce a reboot", "The silence of this host is no reason to cut it, for a while. Without a name: the host that this is typed on.", ["upkeep going-down --for 10m", "upkeep going-down logos --reason \"firmware\"", "upkeep going-down logos --kdump", "upkeep going-down --careful --event ups-2027-01-03 --reason \"on battery\""],
    async (options, host) => options.careful === true ? (await import("./commands/careful.ts")).runGoingDownCareful(host, options) : (await import("./commands/brakes.ts")).runGoingDown(host, options))
    .addOption(duration("--for <duration>", "how long (10m)"))
    .option("--kdump", "it writes a crash dump; once an incident, at most 10 min")
    .option("--careful", "a shutdown for want of power: it is wanted off from now on, and started again when power is back; --for: it is off within that")
    .option("--take-back", "with --careful: it stays up after all")
    .option("--event <name>", "with --careful: a name for this outage, the same for all that one host says of it")
    .option("--reason <text>", "why, for the journal");
  const careful = group("careful", "Hosts that were shut down with care", "What an outage has shut down, by the hosts' own announcements, and its return.");
  make(careful, "status", "Whether there is power, what is off, and when it returns", "", ["upkeep careful status", "upkeep careful status --json | jq -r '.hosts[].says'"],
    async (options) => (await import("./commands/careful.ts")).runCarefulStatus(options));
  make(careful, "return [host]", "Start it now, without waiting for power", "One host, or all that is down: one after the other, in the order of `after`, and none before it has given no sign of life for `haltBound`.", ["upkeep careful return db1", "upkeep careful return"],
    async (options, host) => (await import("./commands/careful.ts")).runCarefulReturn(host, options));
  make(program, "ack <alarm>", "Acknowledge an alarm", "No more reminders of it. `upkeep status` shows the names of alarms.", ["upkeep ack held:logos"],
    async (options, alarm) => (await import("./commands/brakes.ts")).runAck(needed(alarm), options));

  const alerts = group("alerts", "Whom the watcher calls", "What is open, who was told, what waits; and whether a channel works.");
  make(alerts, "list", "What is raised, who was told, what waits", "Exit 1 when a channel fails.", ["upkeep alerts list", "upkeep alerts list --json | jq '.channels[] | select(.failing != null)'"],
    async (options) => (await import("./commands/alerts.ts")).runAlertsList(options));
  make(alerts, "test [channel]", "Try a channel, or all of them", "A message that says that it is a test, at once. What it opens at a pager it closes again. Exit 1 when it was not delivered.", ["upkeep alerts test", "upkeep alerts test pager"],
    async (options, channel) => (await import("./commands/alerts.ts")).runAlertsTest(channel, options));

  // ---- the watcher
  make(program, "check [file]", "Validate and lint a configuration", "Every problem as FILE:LINE:COLUMN. Exit 3 with errors, 0 with warnings only.", ["upkeep check", "upkeep check -c /etc/upkeep/upkeep.yaml --strict", "upkeep check --effective logos"],
    async (options, file) => {
      if (file !== undefined && options.config !== undefined && file !== options.config) throw new CliError(EXIT.usage, "the file is named twice");
      return (await import("./commands/check.ts")).runCheck(file === undefined ? options : { ...options, config: file }, { print });
    })
    .option("--effective <host>", "show what holds for this host after groups and defaults")
    .option("--strict", "exit 1 with warnings")
    .option("--schema", "print the JSON Schema for editors");
  make(program, "init", "Write a first configuration", "From flags, or from questions on a terminal: commented, disarmed, and valid. It may look round for hosts, what they serve, and what switches their power; it asks, and switches nothing. Overwrites nothing; secrets go into files of mode 0600.", ["upkeep init", "upkeep init --scan 10.0.0.0/24 --from known-hosts --yes", "upkeep init --power sucker=apc:10.0.0.9 --secret sucker.password=- --host logos=10.0.0.11,2 --host ethos=10.0.0.12,3 --look --reference 10.0.0.1 --mail you@example.org < password", "upkeep init --host web1=10.0.0.21 --store etcd=10.0.0.31,10.0.0.32,10.0.0.33 --out /etc/upkeep/upkeep.yaml --yes"],
    async (options) => {
      const { initWorld } = await import("./init-world.ts");
      // `--host` is a list here.
      return (await import("./commands/init.ts")).runInit(options as unknown as InitOptions, initWorld());
    })
    .addOption(each("--host <name=address[,outlet]>", "a host, and what feeds it (device/2; 2 where there is one device; a/1 + b/1)"))
    .addOption(each("--scan <network>", "look for hosts and power devices there, 10.0.0.0/24; at most a /20"))
    .addOption(each("--from <source>", "take hosts from known-hosts, hosts, leases or neighbours, or from a file of that kind: leases=FILE"))
    .option("--look", "ask the hosts of --host what they serve, too, and write the probes that they answer")
    .option("--community <file>", "the file that holds the community to ask power devices by SNMP with (public); - reads it from standard input")
    .addOption(each("--power <name=driver:address>", "a power device"))
    .addOption(each("--set <device.setting=value>", "another setting of a power device, as in the file"))
    .addOption(each("--secret <device.setting=file>", "the file that holds a secret; - reads it from standard input"))
    .addOption(each("--reference <address>", "what must answer before a host may be called dead"))
    .option("--mail <address>", "whom to call")
    .option("--site <text>", "what this installation is called")
    .option("--name <watcher>", "this watcher's own name")
    .option("--store <store>", "embedded, etcd=HOST,HOST,HOST or zookeeper=HOST,HOST,HOST")
    .option("--out <file>", "where to write (upkeep.yaml)")
    .option("--yes", "take all that was found, and write without asking")
    .option("--force", "overwrite what is there");
  const imports = group("import", "Write a first configuration from another program's files", "With a list of what was not carried over, by file, line and reason. It is disarmed, and no host has a power outlet yet.");
  for (const [source, usage, summary, more, shown] of [
    ["uptime-kuma", "<file>", "From Uptime Kuma", "A backup of version 1 (JSON), or the database kuma.db of any version, of which a copy is read.", ["upkeep import uptime-kuma /var/lib/uptime-kuma/kuma.db", "upkeep import uptime-kuma Uptime_Kuma_Backup.json --out upkeep.yaml"]],
    ["gatus", "<path>", "From Gatus", "Its YAML file, or the folder of them.", ["upkeep import gatus config/config.yaml"]],
    ["nagios", "<path...>", "From Nagios", "Object files, folders of them, or nagios.cfg, whose files are then read. Also of Naemon and Icinga 1.", ["upkeep import nagios /etc/nagios4/nagios.cfg", "upkeep import nagios hosts.cfg services.cfg /etc/nagios-plugins/config"]],
    ["icinga", "<path...>", "From Icinga 2", "icinga2.conf with what it includes, or files and folders of objects.", ["upkeep import icinga /etc/icinga2/icinga2.conf --out /etc/upkeep/upkeep.yaml"]],
  ] as const) {
    make(imports, `${source} ${usage}`, summary, more, shown, async (options, path) => (await import("./commands/import.ts")).runImport(source, [path ?? []].flat(), options as ImportOptions))
      .option("--out <file>", "where to write (upkeep.yaml)")
      .option("--force", "overwrite what is there");
  }
  make(program, "watch", "The watcher itself", "Looks, decides, fences and tells, in the foreground; systemd runs it as a service.", ["upkeep watch -c upkeep.yaml"],
    async (options) => (await import("./commands/watch.ts")).runWatch(options))
    .addOption(new Option("--log <form>", "how to log on standard error: text on a terminal, else JSON").choices(["text", "json"]));
  const lease = group("lease", "Which host may run a service", "A service that is configured under `selfFence` of an agent runs only under its lease, and on one host at a time.");
  make(lease, "list", "Who has which lease", "Exit 1 when one is not renewed, or its service does not run.", ["upkeep lease list", "upkeep lease list --json"],
    async (options) => (await import("./commands/lease.ts")).runLeaseList(options));
  make(lease, "grant <host> <service>", "Let a host run a service", "Refused while another host has the lease.", ["upkeep lease grant logos db"],
    async (options, host, service) => (await import("./commands/lease.ts")).runLeaseGrant(needed(host), needed(service), options))
    .option("--reason <text>", "why");
  make(lease, "move <service> <host>", "Give the lease of a service to another host", "It is taken back first, and granted once the service is stopped: by the word of its agent, or when the whole bound has passed.", ["upkeep lease move db ethos"],
    async (options, service, host) => (await import("./commands/lease.ts")).runLeaseMove(needed(service), needed(host), options))
    .option("--reason <text>", "why");
  make(lease, "release <service>", "Take the lease of a service back", "Nobody may run it then. --confirm: somebody has looked that it does not run there, and types its name; for a holder without a watchdog.", ["upkeep lease release db", "upkeep lease release db --confirm db"],
    async (options, service) => (await import("./commands/lease.ts")).runLeaseRelease(needed(service), options))
    .option("--reason <text>", "why")
    .option("--confirm <service>", "it does not run there: somebody has looked");
  const agents = make(program, "agents", "The agents of hosts", "Who is enrolled and connected, and what they have found, as this watcher sees it. Exit 1 when one of them is not connected, or has found something bad.", ["upkeep agents", "upkeep agents --json | jq '.[] | select(.state != \"connected\")'"],
    async (options) => (await import("./commands/agents.ts")).runAgents(options));
  make(agents, "show <host>", "What the agent of a host has found", "The worst first.", ["upkeep agents show logos"],
    async (options, host) => (await import("./commands/agents.ts")).runAgentsShow(needed(host), options));
  make(agents, "revoke <host>", "Shut the agent of a host out", "It is cut at once. Another code lets it in again.", ["upkeep agents revoke logos"],
    async (options, host) => (await import("./commands/agents.ts")).runAgentsRevoke(needed(host), options));
  const agent = make(program, "agent", "The agent of this host", "What can only be known or done from inside a host; in the foreground, systemd runs it as a service. It opens no port.", ["upkeep agent -c /etc/upkeep/upkeep.yaml", "upkeep agent --dry-run"],
    async (options) => (await import("./commands/agent.ts")).runAgent(options))
    .option("--dry-run", "decide and tell everything, do nothing")
    .addOption(new Option("--log <form>", "how to log on standard error: text on a terminal, else JSON").choices(["text", "json"]));
  make(agent, "status", "Whether it runs, and for which watchers", "On the host; what it has found its watchers know (upkeep agents show). Exit 1 where no agent runs, or where it has watchers and is not enrolled.", ["upkeep agent status", "upkeep agent status --json"],
    async (options) => (await import("./commands/agent-status.ts")).runAgentStatus(options));
  make(agent, "code <host>", "Make a code that lets the agent of a host in", "At a watcher. It is good once, for this host, for a while, and is shown here only.", ["upkeep agent code logos", "upkeep agent code logos --for 10m --json"],
    async (options, host) => (await import("./commands/agents.ts")).runAgentCode(needed(host), options))
    .addOption(duration("--for <duration>", "how long it is good (1h)"));
  make(agent, "enroll <code>", "Make this host known to the watchers", "On the host, as the user of its agent (root). One code reaches every watcher that shares its records. The same command may be given again when it did not end.", ["upkeep agent enroll UPK1-…", "upkeep agent enroll UPK1-… --watcher 10.0.0.2"],
    async (options, code) => (await import("./commands/agent-enroll.ts")).runAgentEnroll(needed(code), options, version))
    .option("--watcher <address>", "the watcher that made the code, HOST or HOST:PORT, instead of those of the section agent");
  make(agent, "uninstall", "Take back all that the agent has set up on this host", "Stop the agent first. Its key is deleted as well: revoke it at a watcher.", ["systemctl disable --now upkeep-agent && upkeep agent uninstall"],
    async (options) => (await import("./commands/agent.ts")).runAgentUninstall(options))
    .option("--keep-key", "keep the host's key and the watchers that it knows, for an agent that will be back");
  const carefully = group("careful", "Careful shutdown of this host", "Where it stands, and what its sensors see.", agent);
  make(carefully, "plan", "What would be run on this host, in its order", "", ["upkeep agent careful plan"],
    async (options) => (await import("./commands/agent-careful.ts")).runCarefulPlan(options));
  make(carefully, "status", "Where a careful shutdown of this host stands", "From the agent's own record. Exit 1 while the host is on its way down or back.", ["upkeep agent careful status", "upkeep agent careful status --json"],
    async (options) => (await import("./commands/agent-careful.ts")).runCarefulStatus(options));
  make(carefully, "test", "Look at the signal once", "Switches nothing, and may be run beside the agent. Exit 0 the power is good, 1 it is lost, 5 unknown.", ["upkeep agent careful test"],
    async (options) => (await import("./commands/agent-careful.ts")).runCarefulTest(options));
  make(agent, "orphans", "Containers of this host that have lost their supervisor", "As the agent found them last. `orphan`: its supervisor is known to be gone; `suspect`: nobody supervises it, perhaps on purpose, and it is never touched. Exit 1 when there is an orphan.", ["upkeep agent orphans", "upkeep agent orphans --json | jq '.found[]'"],
    async (options) => (await import("./commands/agent.ts")).runAgentOrphans(options));
  make(agent, "hold <service>", "Leave a service of this host alone", "The agent looks at what it keeps running and does nothing about this, until it is released; also while the agent does not run, and over its restarts.", ["upkeep agent hold web --reason \"new version\"", "upkeep agent release web"],
    async (options, service) => (await import("./commands/agent.ts")).runAgentHold(needed(service), options))
    .option("--reason <text>", "why, for whoever looks");
  make(agent, "release <service>", "End a hold, or try again what was given up", "", ["upkeep agent release web"],
    async (options, service) => (await import("./commands/agent.ts")).runAgentRelease(needed(service), options));
  const watcher = group("watcher", "The watchers of this fleet", "One that is gone counts among those of whom a majority is wanted until it is forgotten.");
  make(watcher, "list", "Who watches, and who is in charge of how much", "Exit 1 when one of them is not there.", ["upkeep watcher list", "upkeep watcher list --json | jq '.[] | select(.alive | not)'"],
    async (options) => (await import("./commands/watcher.ts")).runWatcherList(options));
  make(watcher, "forget <watcher>", "Forget a watcher that is gone for good", "From then on the others decide without it. Refused while it is there; one that comes back joins anew.", ["upkeep watcher forget watch-c"],
    async (options, name) => (await import("./commands/watcher.ts")).runWatcherForget(needed(name), options));
  const user = group("user", "Who may ask over TCP", "On this machine whoever may use the control socket may do everything, and needs no user.");
  const passwordFile = (command: Command): Command => command.option("--password-file <file>", "the password, instead of typing it; - reads standard input");
  make(user, "set-up", "Print a link by which the first user is made", "Good once, for a day.", ["upkeep user set-up"],
    async (options) => (await import("./commands/user.ts")).runSetUp(options));
  passwordFile(make(user, "add <user>", "Add a user", "viewer looks; operator commands, too; admin also makes users and reads the configuration again. The first one is an admin.", ["upkeep user add riki --role admin", "upkeep user add wall --role viewer --password-file wall.password"],
    async (options, name) => (await import("./commands/user.ts")).runUserAdd(needed(name), options))
    .addOption(new Option("--role <role>", "what the user may").choices(["viewer", "operator", "admin"]).makeOptionMandatory()));
  make(user, "list", "Who there is", "", ["upkeep user list", "upkeep user list --json | jq '.[] | select(.totp | not)'"],
    async (options) => (await import("./commands/user.ts")).runUserList(options));
  make(user, "role <user> <role>", "Give another role", "Sessions of that user end.", ["upkeep user role riki operator"],
    async (options, name, role) => (await import("./commands/user.ts")).runUserRole(needed(name), needed(role), options));
  passwordFile(make(user, "password <user>", "Give another password", "Sessions of that user end.", ["upkeep user password riki"],
    async (options, name) => (await import("./commands/user.ts")).runUserPassword(needed(name), options)));
  make(user, "totp <user>", "One-time codes of a phone", "Shows a secret for the phone and asks for its first code; from then on a code is wanted with the password. Prints recovery codes, each good once.", ["upkeep user totp riki", "upkeep user totp riki --off"],
    async (options, name) => (await import("./commands/user.ts")).runUserTotp(needed(name), options))
    .option("--off", "the password alone is enough again");
  make(user, "remove <user>", "Remove a user", "With all sessions and tokens.", ["upkeep user remove riki"],
    async (options, name) => (await import("./commands/user.ts")).runUserRemove(needed(name), options));
  const token = group("token", "What programs show instead of a password", "A token may at most what its user may, and less where its scopes say so.");
  make(token, "add <name>", "Make a token", "It is shown once.", ["upkeep token add prometheus --user riki --scope metrics", "upkeep token add deploy --user riki --scope command --for 90d > deploy.token"],
    async (options, name) => (await import("./commands/token.ts")).runTokenAdd(needed(name), options))
    .option("--user <user>", "whose; over --url the one who asks")
    .addOption(each("--scope <scope>", "what it may: metrics, read, command, admin"))
    .addOption(duration("--for <duration>", "how long (without an end)"));
  make(token, "list", "Which there are", "", ["upkeep token list"],
    async (options) => (await import("./commands/token.ts")).runTokenList(options));
  make(token, "remove <id>", "End a token", "", ["upkeep token remove k3j9x2ab"],
    async (options, id) => (await import("./commands/token.ts")).runTokenRemove(needed(id), options));
  make(program, "audit", "Who asked for what, and what became of it", "Every change and every refused one, over both doors; the newest last.", ["upkeep audit", "upkeep audit --limit 1000 --json | jq 'select(.by == \"token\")'"],
    async (options) => (await import("./commands/audit.ts")).runAudit(options))
    .addOption(count("--limit <lines>", "the newest so many (200)", 20_000));
  make(program, "reload", "Read the configuration again", "A wrong one is refused and the old one goes on; exit 3 then.", ["upkeep reload"],
    async (options) => (await import("./commands/reload.ts")).runReload(options));
  make(program, "lab [order...]", "The demonstration", "Virtual hosts, a virtual PDU, a real watcher. From another terminal: wedge or heal one of its hosts.", ["upkeep lab", "upkeep lab wedge logos", "upkeep lab heal logos", "upkeep lab --once"],
    async (options, order) => {
      const { runLab, runLabOrder } = await import("./commands/lab.ts");
      // The one argument that takes several words.
      const words = order as unknown as readonly string[];
      return words.length > 0 ? runLabOrder(words) : runLab(options);
    })
    .option("--processes", "hosts are processes on loopback, even where namespaces would work")
    .option("--once", "wedge a host, wait until it is back, say why, and end")
    .addOption(new Option("--dialect <dialect>", "how the PDU speaks").choices(["menu2", "menu3", "shell"]));
  make(program, "sim", "The simulator", "The same core and executor against a virtual world, judged by the invariants. A failing seed prints its transcript.", ["upkeep sim --seeds 1000", "upkeep sim --seed 42", "upkeep sim --fleet --seeds 2000 --jobs 2", "upkeep sim --watchers 3 --seed 7"],
    async (options) => (await import("./commands/sim.ts")).runSim(options))
    .addOption(count("--seed <n>", "one seed, with its transcript", 2 ** 32 - 1, 0))
    .addOption(count("--seeds <n>", "so many seeds", 10_000_000))
    .addOption(count("--from <n>", "the first of them", 2 ** 32 - 1, 0))
    .addOption(count("--hours <n>", "end after so many simulated watcher-hours", 1_000_000))
    .addOption(count("--jobs <n>", "threads that share the seeds", 64))
    .option("--fleet", "worlds of several watchers that share a store, two to five of them")
    .addOption(count("--watchers <n>", "so many of them (implies --fleet)", 9, 2));
  make(program, "completion <shell>", "Print a completion script for bash, zsh or fish", "", ["upkeep completion bash > /etc/bash_completion.d/upkeep", "upkeep completion fish > ~/.config/fish/completions/upkeep.fish"],
    async (_options, shell) => (await import("./commands/completion.ts")).runCompletion(needed(shell)));
  program.command("__complete", { hidden: true }).argument("[words...]").allowUnknownOption().helpOption(false)
    .action(async (words: readonly string[]) => {
      outcome.exit = await (await import("./commands/completion.ts")).runComplete(program, words);
    });
  return program;
}

function common(command: Command): void {
  command.option("-c, --config <file>", "the configuration (else $UPKEEP_CONFIG, ./upkeep.yaml, /etc/upkeep/upkeep.yaml)");
  command.option("--json", "for programs");
}

/** Of the program, and taken by every command; shown once. */
function elsewhere(): readonly Option[] {
  return [
    new Option("--url <url>", "ask another watcher than this machine's: https://HOST:PORT"),
    new Option("--token-file <file>", "with --url: the file that holds a token (upkeep token add)"),
    new Option("--ca <file>", "with --url: the authority of its certificate, PEM"),
    new Option("--fingerprint <sha256>", "with --url: of its certificate, as the watcher's log tells it"),
  ];
}

function duration(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const parsed = parseDuration(text);
    if (!parsed.ok) throw new InvalidArgumentError(`${parsed.message}: ${parsed.hint}.`);
    if (parsed.value === 0) throw new InvalidArgumentError("Nothing lasts no time at all.");
    return parsed.value;
  });
}

/** An option that may be given several times. */
function each(flags: string, description: string): Option {
  return new Option(flags, `${description}; may be repeated`).argParser((text, before: readonly string[] | undefined) => [...(before ?? []), text]);
}

/** Unix milliseconds: a duration is so long ago. */
function moment(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text) => {
    const ago = parseDuration(text);
    if (ago.ok) return Date.now() - ago.value;
    const atMs = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+(Z|[+-][0-9:]+)?)?$/.test(text) ? Date.parse(text) : NaN;
    if (Number.isNaN(atMs)) throw new InvalidArgumentError(`Write how long ago, 2h or 1d, or a time such as 2026-01-31T12:00:00Z.`);
    return atMs;
  });
}

function monthIn(text: string): { readonly fromMs: number; readonly toMs: number } {
  const [, year, month] = /^([0-9]{4})-(0[1-9]|1[0-2])$/.exec(text) ?? [];
  if (year === undefined || month === undefined) throw new InvalidArgumentError("Write a month as 2026-10.");
  return { fromMs: Date.UTC(Number(year), Number(month) - 1, 1), toMs: Date.UTC(Number(year), Number(month), 1) };
}

function rateIn(text: string): number {
  const value = /^[0-9]{1,6}(\.[0-9]{1,6})?$/.test(text) ? Number(text) : NaN;
  if (!(value <= 86_400)) throw new InvalidArgumentError("A number such as 1 or 0.5.");
  return value;
}

function count(flags: string, description: string, max: number, min = 1): Option {
  return new Option(flags, description).argParser((text) => {
    const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new InvalidArgumentError(`A whole number from ${min} to ${max}.`);
    return value;
  });
}

function needed(value: string | undefined): string {
  if (value === undefined) throw new CliError(EXIT.usage, "an argument is missing");
  return value;
}
