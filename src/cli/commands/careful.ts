// `upkeep careful`: what was shut down with care and when it comes back; and the word of a person that it may. `upkeep going-down
// --careful` is the announcement itself, for hosts whose shutdown is decided by something else than our agent (upsmon, a script).

import { hostname } from "node:os";
import type { HostReport, StatusReport } from "../../api/contract.ts";
import { inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { send, show } from "../submit.ts";
import { moment, print, printable, printJson, table } from "../terminal.ts";

/** Runs `upkeep careful status`. */
export async function runCarefulStatus(options: Options): Promise<number> {
  const client = await connect(options);
  const { hosts, power, at } = await client.get<StatusReport>(PATHS.status);
  const planned = hosts.filter((host) => host.careful !== null);
  if (options.json === true) printJson({ power, hosts: planned.map(({ host, careful }) => ({ host, ...careful })) });
  else {
    print(`Power is ${power.state === "unknown" ? "not known to be good" : power.state}: ${printable(power.because)}${power.goodSince === null ? "" : `, for ${inWords(Math.max(0, Date.parse(at) - Date.parse(power.goodSince)))}`}${power.charge === null ? "" : `; the UPS is charged to ${Math.floor(power.charge * 100)} %`}.`);
    if (planned.length === 0) print("Nothing is shut down with care.");
    else for (const line of table(["HOST", "EVENT", "SINCE", ""], planned.map(({ host, careful }) => [{ text: printable(host), style: "bold" }, { text: printable(careful?.event ?? "") }, { text: moment(careful?.since ?? at, at) }, { text: printable(careful?.says ?? "") }]))) print(line);
  }
  return EXIT.yes;
}

/** Runs `upkeep careful return`: of one host, or of each that is down; a host is asked for by name, because another watcher may be in charge of it. */
export async function runCarefulReturn(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  if (host !== undefined) return show(await send(client, { kind: "careful-return", host }), options);
  const { hosts } = await client.get<StatusReport>(PATHS.status);
  const down = hosts.filter((each: HostReport) => each.careful?.state === "off").map((each) => each.host);
  if (down.length === 0) return show(await send(client, { kind: "careful-return", host: null }), options);
  let worst: number = EXIT.yes;
  for (const name of down) worst = Math.max(worst, show(await send(client, { kind: "careful-return", host: name }), options));
  return worst;
}

/** Runs `upkeep going-down --careful`: its name is this machine's unless it is given; the event is this boot's unless it is named. */
export async function runGoingDownCareful(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  const own = hostname();
  const names = host !== undefined ? [host] : [...new Set([own, own.split(".")[0] ?? own])];
  const phase = options.takeBack === true ? "normal" as const : "shutdown" as const;
  for (const name of names) {
    const event = options.event ?? (phase === "normal" ? "" : `by-hand-${name}`);
    const answer = await send(client, { kind: "careful", host: name, event, phase, haltWithinMs: options.for ?? null, reason: options.reason ?? (phase === "normal" ? "" : "announced by hand") });
    if (answer.exit !== EXIT.usage || name === names.at(-1)) return show(answer, options);
  }
  throw new CliError(EXIT.usage, "name the host");
}
