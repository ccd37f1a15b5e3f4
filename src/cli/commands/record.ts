// `upkeep power record DEVICE`: a dialogue with a real device as a file. Through the watcher where one runs, because a second
// session would be turned away, or turn the watcher away; directly where none does.

import { writeFileSync } from "node:fs";
import type { RecordAnswer } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { CliError, EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { complain, print } from "../terminal.ts";

/** Runs `upkeep power record`. */
export async function runRecord(device: string, options: Options): Promise<number> {
  const text = await record(device, options);
  if (options.out === undefined) print(text.trimEnd());
  else {
    try {
      // Never over a file that is there, and for nobody else to read before it has been looked through.
      writeFileSync(options.out, text, { flag: "wx", mode: 0o600 });
    } catch (error) {
      throw new CliError(EXIT.unavailable, `${options.out} cannot be written: ${(error as NodeJS.ErrnoException).code === "EEXIST" ? "it is there already" : String(error)}`);
    }
    complain(`written to ${options.out}: read it through before you give it away; names of hosts and addresses may be in it`);
  }
  return EXIT.yes;
}

async function record(device: string, options: Options): Promise<string> {
  try {
    const client = await connect(options);
    return (await client.post<RecordAnswer>(`${PATHS.record}/${encodeURIComponent(device)}`, {})).text;
  } catch (error) {
    if (!(error instanceof CliError) || !error.notRunning) throw error;
  }
  const { findConfigPath } = await import("../../config/data-dir.ts");
  const { loadConfig } = await import("../../config/load.ts");
  const loaded = await loadConfig(findConfigPath(options.config) ?? "");
  if (!loaded.ok) throw new CliError(EXIT.configuration, "the configuration has errors: see `upkeep check`");
  const { lendDirectly, recordDevice } = await import("../../watcher/record.ts");
  const text = await recordDevice(loaded.config, device, lendDirectly(loaded.config));
  if (text === null) throw new CliError(EXIT.usage, `no power device is named ${device}; devices: ${[...loaded.config.shell.devices.keys()].join(", ")}`);
  return text;
}
