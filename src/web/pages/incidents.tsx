// What was wrong and what became of it, the newest first.

import type { IncidentReport } from "../../api/contract.ts";
import { PATHS } from "../../api/contract.ts";
import { ask as askFor } from "../api.ts";
import { useAsked } from "../asked.ts";
import { nowMs } from "../live/connection.ts";
import { hosts, revision } from "../live/store.ts";
import { At, Empty, HostName, Problem, Waiting } from "../parts/text.tsx";
import { ask, incidentPath } from "../router.ts";
import { incidentInWords } from "../timeline.ts";
import { closed, plural, sentence } from "../words.ts";
import type { PageProps } from "./index.ts";

const SHOWN_MAX = 300;

export function Incidents({ query }: PageProps) {
  void revision.value;
  // Asked again when one opens or ends.
  const open = [...hosts.value.values()].flatMap((host) => host.report.value.incident ?? []).sort().join(" ");
  const { body, error, again } = useAsked<readonly IncidentReport[]>((signal) => askFor(`${PATHS.incidents}?limit=${SHOWN_MAX}`, { signal }), [open]);
  const host = query.get("host");
  if (body === null) return error === null ? <Waiting what="Reading the incidents" /> : <Problem error={sentence(error)} onRetry={again} />;
  const shown = body.filter((incident) => host === null || incident.host === host).toReversed();
  const now = shown.filter((incident) => incident.outcome === "open");
  return (
    <>
      <h1>{now.length === 0 ? (shown.length === 0 ? "No incident is recorded." : "No incident is open.") : `${plural(now.length, "incident")} ${now.length === 1 ? "is" : "are"} open.`}</h1>
      {error === null ? null : <Problem error={sentence(error)} onRetry={again} />}
      {host === null ? null : <p class="lead">Of {host} alone. <button type="button" class="plain" onClick={() => ask("host", null)}>Show those of all hosts</button></p>}
      {shown.length === 0 ? <Empty>An incident begins at the first bad sign of a host that goes down, or when somebody fences one by hand.</Empty> : <IncidentTable incidents={shown} />}
      {body.length < SHOWN_MAX ? null : <p class="soft">The newest {SHOWN_MAX} are shown; <code>upkeep incidents</code> has the rest.</p>}
    </>
  );
}

export function IncidentTable({ incidents, withHost = true }: { readonly incidents: readonly IncidentReport[]; readonly withHost?: boolean }) {
  return (
    <div class="card table-frame">
      <table class="incidents">
        <thead><tr><th scope="col">Began</th><th scope="col">Incident</th><th scope="col">What happened</th></tr></thead>
        <tbody>
          {incidents.map((incident) => (
            <tr key={incident.incident} class={incident.outcome === "open" ? "open" : ""}>
              <td><At at={incident.began} /></td>
              <td><a href={incidentPath(incident.incident)}>{incident.incident}</a></td>
              <td>{withHost ? <><HostName host={incident.host} /> </> : "It "}{incidentInWords(incident, incident.outcome === "open" ? nowMs.value : 0)}. <span class="soft">{closed(incident.firstSign)}</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
