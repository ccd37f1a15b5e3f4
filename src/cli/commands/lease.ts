// `upkeep lease …`: which host may run which service (ADR 33). A lease goes to another host when its holder has given it back, or
// has had its whole bound to do so.

import type { Command, LeaseReport } from "../../api/contract.ts";
import { inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { send, sendConfirmed, show } from "../submit.ts";
import type { Cell } from "../terminal.ts";
import { print, printable, printJson, table } from "../terminal.ts";

/** Runs `upkeep lease list`. Exit 1 when one that is granted is not renewed, or its service does not run. */
export async function runLeaseList(options: Options): Promise<number> {
  const reports = await (await connect(options)).get<readonly LeaseReport[]>(PATHS.leases);
  if (options.json === true) printJson(reports);
  else if (reports.length === 0) print("no lease was ever granted: upkeep lease grant HOST SERVICE");
  else for (const line of table(["SERVICE", "HOST", "EPOCH", "LEASE", "SERVICE IS", "RENEWED", ""], reports.map(row))) print(line);
  return reports.every(({ phase, fencedAt, is, renewedMs, ttlMs }) => phase === "free" || (phase === "granted" && fencedAt === null && is === "running" && renewedMs !== null && renewedMs <= (ttlMs ?? 0))) ? EXIT.yes : EXIT.no;
}

function row({ service, host, epoch, phase, next, is, renewedMs, resetWithinMs, boundMs, ttlMs, fencedAt, freeInMs }: LeaseReport): readonly Cell[] {
  const notes = [
    ...(fencedAt === null ? [] : [`fenced by itself since ${fencedAt}`]),
    ...(phase !== "taking-back" ? [] : [next === null ? "being taken back" : `for ${next}`, freeInMs === null ? "free by its agent's word, or a person's" : `free in ${inWords(freeInMs)} at the latest`]),
    ...(phase === "granted" && ttlMs === null ? ["not taken yet"] : []),
    ...(phase === "granted" && ttlMs !== null && resetWithinMs === null ? ["no watchdog: nothing is promised"] : []),
    ...(boundMs === null ? [] : [`bound ${inWords(boundMs)}`]),
  ];
  return [
    { text: printable(service) }, { text: printable(host ?? "-") }, { text: String(epoch) },
    { text: phase, style: phase === "granted" ? (fencedAt === null ? "green" : "red") : "yellow" },
    { text: phase === "free" ? "-" : is, style: is === "running" ? "green" : "yellow" },
    { text: renewedMs === null ? "-" : `${inWords(renewedMs)} ago` }, { text: printable(notes.join("; ")) },
  ];
}

/** Runs `upkeep lease grant`. */
export async function runLeaseGrant(host: string, service: string, options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "lease-grant", host, service, reason: options.reason ?? "" }), options);
}

/** Runs `upkeep lease move`. */
export async function runLeaseMove(service: string, host: string, options: Options): Promise<number> {
  return show(await send(await connect(options), { kind: "lease-move", host, service, reason: options.reason ?? "" }), options);
}

/** Runs `upkeep lease release`. `--confirm`: somebody has looked that it does not run there. */
export async function runLeaseRelease(service: string, options: Options): Promise<number> {
  const make = (confirm: string | null): Command => ({ kind: "lease-release", service, reason: options.reason ?? "", confirm });
  return show(await sendConfirmed(await connect(options), options, make), options);
}
