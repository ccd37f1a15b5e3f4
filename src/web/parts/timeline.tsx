// What happened, line by line, and how long each part of an outage took.

import { nowMs } from "../live/connection.ts";
import type { EventLine, IncidentReport } from "../../api/contract.ts";
import { entriesOf, offsetInWords, partInWords, partsOf } from "../timeline.ts";
import { clock, closed, moment } from "../words.ts";
import { Empty } from "./text.tsx";

/** What is younger is told to the second. */
const TODAY_MS = 43_200_000;

/** `began`: what the lines count from; null: they are told by their time alone. */
export function Timeline({ events, began, newestFirst = false }: { readonly events: readonly EventLine[]; readonly began: string | null; readonly newestFirst?: boolean }) {
  const entries = entriesOf(events, began);
  if (entries.length === 0) return <Empty>Nothing is recorded.</Empty>;
  const shown = newestFirst ? entries.toReversed() : entries;
  return (
    <ol class="card timeline">
      {shown.map((entry) => (
        <li key={entry.seq} class={`tone-${entry.tone}`}>
          <time dateTime={entry.at} title={entry.at}>{entry.sinceMs === null && nowMs.peek() - Date.parse(entry.at) > TODAY_MS ? moment(Date.parse(entry.at), nowMs.peek()) : clock(Date.parse(entry.at))}{entry.sinceMs === null ? null : <span>{offsetInWords(entry.sinceMs)}</span>}</time>
          <div>
            <b>{entry.word}</b> <span class="told">{closed(entry.text)}</span>
            {entry.details.length === 0 ? null : (
              <details>
                <summary>{entry.detailsWord}</summary>
                <pre tabIndex={0}>{entry.details.map((line) => `${clock(Date.parse(line.at))}  ${line.because}`).join("\n")}</pre>
              </details>
            )}
          </div>
        </li>
      ))}
    </ol>
  );
}

/** The outage by phase: a bar for the eye, and the same in words for everybody. */
export function Phases({ incident }: { readonly incident: IncidentReport }) {
  const parts = partsOf(incident, incident.outcome === "open" ? nowMs.value : 0);
  if (parts.length === 0) return null;
  const totalMs = parts.reduce((sum, part) => sum + part.ms, 0);
  return (
    <figure class="phases">
      <div class="bar" aria-hidden="true">
        {parts.map((part, index) => <span key={index} class={`part p-${part.word.replaceAll(" ", "-")}`} style={{ flexGrow: String(Math.max(part.ms, totalMs / 200)) }} title={`${part.word}: ${partInWords(part.ms)}`} />)}
      </div>
      <ul>
        {parts.map((part, index) => <li key={index} title={part.means}><i class={`part p-${part.word.replaceAll(" ", "-")}`} aria-hidden="true" />{part.word} <b>{partInWords(part.ms)}</b><span class="visually-hidden">, {part.means}</span></li>)}
        <li class="total">in all <b>{partInWords(totalMs)}</b></li>
      </ul>
    </figure>
  );
}
