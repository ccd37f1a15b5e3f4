// What holds automatic cuts back, and what lets them go on: maintenance, arm and disarm, going-down, release, storm
// proceed, ack. Each is one command to the watcher, acknowledged when it is durable.

import { hostname } from "node:os";
import type { StatusReport } from "../../api/contract.ts";
import { inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { send, show } from "../submit.ts";
import { moment, print, printable, printJson, table } from "../terminal.ts";

const EVERYTHING = "*";

/** Runs `upkeep maintenance start`. For the whole fleet the brake is `inhibit`: hosts keep their own maintenance beside it. */
export async function runMaintenanceStart(host: string | undefined, options: Options): Promise<number> {
  const scope = scopeOf(host, options, false);
  const client = await connect(options);
  return show(await send(client, { kind: "brake", brake: scope === EVERYTHING ? "inhibit" : "maintenance", scope, forMs: options.for ?? null, reason: options.reason ?? "" }), options);
}

/** Runs `upkeep maintenance end`. */
export async function runMaintenanceEnd(host: string | undefined, options: Options): Promise<number> {
  const scope = scopeOf(host, options, false);
  const client = await connect(options);
  return show(await send(client, { kind: "unbrake", brake: scope === EVERYTHING ? "inhibit" : "maintenance", scope }), options);
}

/** Runs `upkeep maintenance list`. */
export async function runMaintenanceList(options: Options): Promise<number> {
  const client = await connect(options);
  const { brakes, at } = await client.get<StatusReport>(PATHS.status);
  const listed = brakes.filter((brake) => brake.brake === "maintenance" || brake.brake === "inhibit");
  if (options.json === true) printJson(listed);
  else if (listed.length === 0) print("Nothing is in maintenance.");
  else {
    const lines = table(["SCOPE", "BY", "SINCE", "FOR ANOTHER", "REASON"], listed.map((brake) => [
      { text: brake.scope === EVERYTHING ? "the whole fleet" : printable(brake.scope) },
      { text: printable(brake.by) },
      { text: moment(brake.since, at) },
      { text: brake.leftMs === null ? "until ended" : inWords(brake.leftMs) },
      { text: printable(brake.reason) },
    ]));
    for (const line of lines) print(line);
  }
  return EXIT.yes;
}

/** Runs `upkeep disarm`. */
export async function runDisarm(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  return show(await send(client, { kind: "brake", brake: "disarmed", scope: scopeOf(host, options, true), forMs: options.for ?? null, reason: options.reason ?? "" }), options);
}

/** Runs `upkeep arm`. */
export async function runArm(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  return show(await send(client, { kind: "unbrake", brake: "disarmed", scope: scopeOf(host, options, true) }), options);
}

/** Runs `upkeep going-down`, as a host's own shutdown does: its name is this machine's unless it is given. */
export async function runGoingDown(host: string | undefined, options: Options): Promise<number> {
  const client = await connect(options);
  const own = hostname();
  const names = host !== undefined ? [host] : [...new Set([own, own.split(".")[0] ?? own])];
  const brake = options.kdump === true ? "kdump" : "going-down";
  for (const scope of names) {
    const answer = await send(client, { kind: "brake", brake, scope, forMs: options.for ?? null, reason: options.reason ?? "" });
    if (answer.exit !== EXIT.usage || scope === names.at(-1)) return show(answer, options);
  }
  throw new CliError(EXIT.usage, "name the host");
}

/** Runs `upkeep release`. */
export async function runRelease(host: string, options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "release", host }), options);
}

/** Runs `upkeep storm proceed`. */
export async function runStormProceed(options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "storm-proceed" }), options);
}

/** Runs `upkeep ack`. */
export async function runAck(alarm: string, options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "ack", alarm }), options);
}

function scopeOf(host: string | undefined, options: Options, fleetByDefault: boolean): string {
  if (host !== undefined && options.all === true) throw new CliError(EXIT.usage, "a host or --all, not both");
  if (host !== undefined) {
    if (host === EVERYTHING) throw new CliError(EXIT.usage, "for the whole fleet: --all");
    return host;
  }
  if (options.all === true || fleetByDefault) return EVERYTHING;
  throw new CliError(EXIT.usage, "name a host, or --all for the whole fleet");
}
