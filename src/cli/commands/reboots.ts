// `upkeep reboots start | status | stop | continue`: hosts are rebooted one at a time (ADR 35). The watcher does it, and goes on with
// it whatever becomes of this command.

import type { RebootsReport, StatusReport } from "../../api/contract.ts";
import { inWords, PATHS, rollingInWords } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { send, show } from "../submit.ts";
import { moment, paint, print, printable, printJson, table } from "../terminal.ts";

const STYLES = { rebooted: "green", failed: "red", "left out": "dim" } as const;

/** Runs `upkeep reboots start`. */
export async function runRebootsStart(hosts: readonly string[], options: Options): Promise<number> {
  if (hosts.length > 0 && options.all === true) throw new CliError(EXIT.usage, "hosts or --all, not both");
  if (hosts.length === 0 && options.all !== true && options.needed !== true) throw new CliError(EXIT.usage, "name hosts, or --all, or --needed");
  const client = await connect(options);
  return show(await send(client, { kind: "reboots-start", hosts: hosts.length === 0 ? null : hosts, needed: options.needed === true, window: options.window ?? null, self: options.self === true, reason: options.reason ?? "" }), options);
}

/** Runs `upkeep reboots stop`. */
export async function runRebootsStop(options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "reboots-stop" }), options);
}

/** Runs `upkeep reboots continue`. */
export async function runRebootsContinue(options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "reboots-continue" }), options);
}

/** Runs `upkeep reboots status`. */
export async function runRebootsStatus(options: Options): Promise<number> {
  const { reboots, at } = await (await connect(options)).get<StatusReport>(PATHS.status);
  if (options.json === true) printJson(reboots);
  else if (reboots === null) print("There was no rolling reboot yet.");
  else for (const line of linesOf(reboots, at)) print(line);
  return reboots === null || reboots.state === "held" ? EXIT.no : EXIT.yes;
}

function linesOf(reboots: RebootsReport, at: string): readonly string[] {
  const { run, state, by, reason, began, ended, window, plan, done, now } = reboots;
  const head = state === "running" ? rollingInWords(reboots) : state === "held" ? `Held: ${reboots.because}. Look at that host; then: upkeep reboots continue, or: upkeep reboots stop` : `Ended ${ended === null ? "" : moment(ended, at)}: ${reboots.because}.`;
  const rest = plan.filter((host) => host !== now?.host && !done.some((each) => each.host === host));
  return [
    paint(state === "held" ? "yellow" : "bold", printable(head)),
    printable(`Rolling reboot ${run} by ${by}, begun ${moment(began, at)}${window === null ? "" : `, in the window ${window}`}${reason === "" ? "" : `: ${reason}`}`),
    ...(done.length === 0 ? [] : ["", ...table(["HOST", "", "AT", "TOOK", ""], done.map((each) => [{ text: printable(each.host), style: "bold" as const }, { text: each.outcome, style: STYLES[each.outcome] }, { text: moment(each.at, at) }, { text: each.tookMs === null ? "–" : inWords(each.tookMs) }, { text: each.outcome === "rebooted" ? "" : printable(each.because) }]))]),
    ...(now === null ? [] : ["", printable(`${now.host}: ${now.phase} for ${inWords(Math.max(0, Date.parse(at) - Date.parse(now.since)))}; it may be away for ${inWords(now.mayTakeMs)}`)]),
    ...(rest.length === 0 || state === "ended" ? [] : ["", printable(`To come: ${rest.join(", ")}`)]),
  ];
}
