// `upkeep incidents`: the outages that were, the newest last, with how long each took and how it ended.

import type { IncidentReport } from "../../api/contract.ts";
import { inWords, PATHS } from "../../api/contract.ts";
import { connect } from "../client.ts";
import { EXIT } from "../exit.ts";
import type { Options } from "../options.ts";
import { dateAndClock, print, printable, printJson, table } from "../terminal.ts";

/** Runs `upkeep incidents`. */
export async function runIncidents(options: Options): Promise<number> {
  const client = await connect(options);
  const incidents = await client.get<readonly IncidentReport[]>(options.limit === undefined ? PATHS.incidents : `${PATHS.incidents}?limit=${options.limit}`);
  if (options.json === true) printJson(incidents);
  else if (incidents.length === 0) print("No incident is recorded.");
  else {
    const lines = table(["INCIDENT", "HOST", "BEGAN", "OUTAGE", "OUTCOME", "FIRST BAD SIGN"], incidents.map((incident) => [
      { text: incident.incident, style: "bold" as const },
      { text: printable(incident.host) },
      { text: dateAndClock(incident.began) },
      { text: incident.phases.totalMs === null ? "–" : inWords(incident.phases.totalMs) },
      { text: incident.outcome, ...(incident.outcome === "open" || incident.outcome === "held" ? { style: "yellow" as const } : {}) },
      { text: printable(incident.firstSign) },
    ]));
    for (const line of lines) print(line);
  }
  return EXIT.yes;
}
