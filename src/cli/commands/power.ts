// `upkeep power HOST …`, `upkeep fence HOST`, `upkeep confirm-off HOST`: power by hand. What is serving needs its name typed;
// by default the command waits for the outcome, because "asked for" is not "done".

import type { Command, HostReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { awaitOperation } from "../await-operation.ts";
import type { Client } from "../client.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { moment, print, printable, printJson, table } from "../terminal.ts";
import { sendConfirmed, show } from "../submit.ts";

const REASON_DEFAULT = "by hand";

/** Runs `upkeep power`. */
export async function runPower(host: string, action: string, options: Options): Promise<number> {
  if (action !== "status" && action !== "on" && action !== "off" && action !== "cycle") throw new CliError(EXIT.usage, `there is no ${action}: status, on, off or cycle`);
  const client = await connect(options);
  if (action === "status") return status(client, host, options);
  const { reason = REASON_DEFAULT, again = false } = options;
  return carryOut(client, host, options, (confirm) => ({ kind: "power", host, action, reason, again, confirm }));
}

/** Runs `upkeep fence`. */
export async function runFence(host: string, options: Options): Promise<number> {
  const { reason = "", again = false } = options;
  if (reason.trim() === "") throw new CliError(EXIT.usage, "a fence needs its reason: --reason \"why\"");
  return carryOut(await connect(options), host, options, (confirm) => ({ kind: "fence", host, reason, again, confirm }));
}

/** Runs `upkeep confirm-off`. */
export async function runConfirmOff(host: string, options: Options): Promise<number> {
  const client = await connect(options);
  return show(await sendConfirmed(client, options, (confirm) => ({ kind: "confirm-off", host, confirm: confirm ?? "", reason: options.reason ?? "" })), options);
}

async function carryOut(client: Client, host: string, options: Options, make: (confirm: string | null) => Command): Promise<number> {
  const ask = () => sendConfirmed(client, options, make);
  return options.wait === false ? show(await ask(), options) : awaitOperation(client, options, host, ask);
}

async function status(client: Client, name: string, options: Options): Promise<number> {
  const host = await client.get<HostReport>(`${PATHS.hosts}/${encodeURIComponent(name)}`);
  if (options.json === true) printJson({ host: host.host, wanted: host.wanted, power: host.power });
  else if (host.power.length === 0) print(`${printable(host.host)} has no power outlet in the configuration`);
  else {
    const now = new Date().toISOString();
    for (const line of table(["OUTLET", "STATE", "READ", "LABEL"], host.power.map((outlet) => [{ text: printable(outlet.outlet) }, { text: `${outlet.state}${typeof outlet.watts === "number" ? `, ${Math.round(outlet.watts)} W` : ""}` }, { text: outlet.at === null ? "never" : moment(outlet.at, now) }, { text: printable(outlet.label ?? "–") }]))) print(line);
  }
  // Unknown is never taken for off, nor a host without outlets for one that is on.
  if (host.power.length === 0 || host.power.some((outlet) => outlet.state === "unknown")) return EXIT.unknown;
  return host.power.every((outlet) => outlet.state === "on") ? EXIT.yes : EXIT.no;
}
